"""Newton steps on a loss with one kink a row, by the density of its kinks, wherever its rows are.

Such a loss has no curvature but at its kinks. How fast the gradient of many rows changes is how many of them pass
their kinks, and that is about as many as are near them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.losses import Loss
from robustreg.losses._base import Kinks
from robustreg.objective import Objective

#: rows within this share of them, the nearest to their kinks, tell how the minimum moves
BAND = 0.1
#: or of some of them so many for each coefficient
BENT = 20
#: where steps lead no further with a larger share of the rows in doubt an envelope does
MOST = 0.3
#: a step leads further if the next is shorter by this factor
SHRINKS = 0.7
#: steps after which that is given up
LOOKS = 4
#: rows are kept that would cross their kinks at this many times the length of a Newton step
REACH = 1.5


class Stride(NamedTuple):
    """Where a Newton step leads.

    Parameters
    ----------
    theta : array of shape (q,)
        There.
    moved : float
        How far from its kink a row may be, at the start, that changes its side on the way to the minimum.
    stuck : bool
        Whether the step was hardly shorter than the one before.
    """

    theta: Array
    moved: float
    stuck: bool


def stride(theta: Array, step: Array, move: Callable[[Array], float], before: float) -> Stride:
    """Take a Newton step.

    Parameters
    ----------
    theta, step : array of shape (q,)
        The point, and what is taken from it.
    move : callable
        Returns how far a step moves the predictions.
    before : float
        ``moved`` of the step before.
    """
    moved = REACH * move(step)
    return Stride(theta - step, moved, not moved < SHRINKS * before)


def band(q: int, rows: int) -> float:
    """Return the share of so many rows, the nearest to their kinks, that tells the density for ``q`` coefficients."""
    return min(max(BAND, BENT * q / rows), MOST)


def undecided(objective: Objective, rows: float) -> float:
    """Return the share of the rows in a band as wide as rounding off so many kinks moves the minimum.

    Parameters
    ----------
    objective : Objective
        Of any of the rows.
    rows : float
        How many there are.
    """
    return float(np.sqrt(min(_variance(objective) * objective.size / rows, 1.0)))


def _variance(objective: Objective) -> float:
    """Variance of the slope of a row, 1 for the absolute error: an extreme quantile has few rows beyond."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    lower, upper = float(np.min(kinks.lower)), float(np.max(kinks.upper))
    return max(-4 * lower * upper / (upper - lower) ** 2, 1e-3) if lower < 0 < upper else 1.0


def density(kinks: Kinks, s: Array, weight: Array | float, width: float) -> Array:
    """Return the curvature of rows whose offsets are ``s``: the jump of their slopes over a band of ``width``.

    Up to a linear term it is that of the loss smoothed by a uniform kernel, as much room on both sides of a kink
    whatever the slopes there. Fernandes, M., Guerre, E. and Horta, E. (2021). Smoothing quantile regressions. Journal
    of Business and Economic Statistics 39, 338-357.
    """
    jump = 0.5 * (kinks.upper - kinks.lower) * weight
    curvature: Array = np.where(np.abs(s) <= width, jump / width, 0.0)
    return curvature


@dataclass(frozen=True)
class Density:
    """The pass for the Hessian by :func:`density`.

    Parameters
    ----------
    loss : Loss
        One that offers ``kinks``.
    at : array
        Coefficients and intercept as blocks take them.
    width : float
        Rows this near their kinks tell the density.
    """

    loss: Loss
    at: Array
    width: float

    def __call__(self, block: Block) -> tuple[Array]:
        kinks: Any = self.loss.kinks(block.y)
        s = block.raw(self.at) - kinks.position
        weight = 1.0 if block.weight is None else block.weight
        return (block.gram(density(kinks, s, weight, self.width)),)
