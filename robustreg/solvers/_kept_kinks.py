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

#: steps, beyond a share of the coefficients, that take as long as the way near the minimum (machine: at 1,600 x 50 that way
#: takes 5 ms, a step .15 ms), and how many a row that differs between two ends takes
STEPS, SHARE, A_ROW = 10, 0.5, 2
#: an offset, y having spread one, of a row on its kink
ON = 1e-12


@dataclass
class KeptKinks:
    """Where the last fit to the same rows and targets has ended.

    Parameters
    ----------
    theta : array of shape (q,)
        The point.
    on : array of bool, of shape (k,)
        Which rows, and after them which of the penalty, are on their kinks there.
    changed : int
        How many of them were not where the fit before has ended, and the other way round.
    """

    theta: Array = field(default_factory=lambda: np.zeros(0))
    on: Array = field(default_factory=lambda: np.zeros(0, dtype=bool))
    changed: float = np.inf

    @classmethod
    def of(cls, data: Data) -> KeptKinks:
        """Return what the last fit to the same targets has left, nothing where there was none."""
        if data.working is None:
            return cls()
        kept: KeptKinks = data.working.kinks.setdefault(data.y.tobytes(), cls())
        return kept

    def ended(self, rows: Rows, theta: Array) -> None:
        """Keep where a fit has ended."""
        on = np.abs(rows.offsets(theta)) <= ON
        alike = on.shape == self.on.shape
        self.changed = float(np.count_nonzero(on != self.on)) if alike else np.inf
        self.theta, self.on = theta, on

    def further(self, rows: Rows) -> tuple[Array, Array] | None:
        """Return the minimum and the slopes of the rows, by few steps from the last end; None where it is not so near."""
        q = len(rows.linear)
        most = STEPS + int(SHARE * q)
        if A_ROW * self.changed > most or len(self.on) != len(rows.weight):
            return None
        held: Any = np.flatnonzero(self.on)
        if rows.quadratic is not None:
            return descend(rows, self.theta, held, most) if len(held) <= q else None
        if len(held) < q:
            return None
        basis = held[spanning(rows.X[held])]
        return vertex_from(rows, basis, most) if len(basis) == q else None
