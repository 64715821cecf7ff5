"""Which rows are on their kinks where a fit ends, with which the next one of a path begins.

Between fits that are near few rows come to their kinks or leave them, and as many steps from one set of rows to the next
are fewer than those that lead near a minimum from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.solvers._active_set import descend
from robustreg.solvers._programs import spanning, vertex_from
from robustreg.solvers._rows import Rows

#: an offset, y having spread one, of a row on its kink
ON = 1e-12


@dataclass
class KeptKinks:
    """Where the last fit to the same rows and targets has ended.

    Parameters
    ----------
    theta : array of shape (q,)
        The point.
    offsets : array of shape (n,)
        Those of the rows there.
    changed : int
        How many rows were on their kinks there and not where the fit before has ended, or the other way round, and
        how many coefficients were zero.
    reach : float
        How far from their kinks rows were, where the fit before has ended, that have changed sides since.
    missed : int
        How many fits in a row have not been continued from there to their end.
    slopes : array of shape (n,)
        Those of the rows, times their weights, where the last fit by the method of multipliers has ended.
    """

    theta: Array = field(default_factory=lambda: np.zeros(0))
    offsets: Array = field(default_factory=lambda: np.zeros(0))
    changed: float = np.inf
    reach: float = np.inf
    missed: int = 0
    slopes: Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, data: Data) -> KeptKinks:
        """Return what the last fit to the same targets has left, nothing where there was none."""
        if data.working is None:
            return cls()
        kept: KeptKinks = data.working.kinks.setdefault(data.y.tobytes(), cls())
        return kept

    def ended(self, theta: Array, offsets: Array) -> None:
        """Keep where a fit has ended, and the offsets of the rows there."""
        if len(offsets) == len(self.offsets):
            self.changed = float(_differ(self.offsets, offsets) + _differ(self.theta, theta))
            across = np.abs(self.offsets[(self.offsets > 0) != (offsets > 0)])
            self.reach = float(across.max(initial=0.0))
        self.theta, self.offsets = theta, offsets


def minimum_near(rows: Rows, theta: Array, most: int) -> tuple[Array, Array] | None:
    """Return the minimum and the slopes of some rows, by few steps from a point on kinks; None where it is not so near.

    Parameters
    ----------
    rows : Rows
        Dense; those that may be on their kinks.
    theta : array of shape (q,)
        Where the last fit has ended, or a point on the way from there.
    most : int
        Steps at the most.
    """
    q = len(theta)
    held: Any = np.flatnonzero(np.abs(rows.offsets(theta)) <= ON)
    if rows.quadratic is not None:
        return descend(rows, theta, held, most) if len(held) <= q else None
    if len(held) < q:
        return None
    basis = held[spanning(rows.X[held])]
    return vertex_from(rows, basis, most) if len(basis) == q else None


def _differ(before: Array, now: Array) -> int:
    """Return how many numbers were zero before and are not now, or the other way round."""
    return int(np.count_nonzero((np.abs(before) <= ON) != (np.abs(now) <= ON)))
