"""How far a smooth fit to rows of which some are far out is from its minimum, seen from the others.

In units that far rows choose the others have a gradient of nothing, and the slopes of far rows, which are as small as
the rows are long, are rounded in any units. So they are taken as unknown: slopes that a row may have at some
prediction, each on its side, which balance as much of the gradient of the others as they can.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from robustreg._array import Array
from robustreg.losses import Loss
from robustreg.objective import Objective
from robustreg.solvers._certificates import optimality

#: predictions between which the slope of a loss falls from its largest to nothing
LEAST, MOST = -64.0, 800.0
#: what is left of the balance by rounding, as a share of what is added
ROUNDING = 4 * float(np.finfo(float).eps)
#: and of what is solved for
EXACT = 1e-15
#: halvings of what is between
HALVED = 64


def seen_from_the_others(
    others: Objective, theta: Array, rows: Array, target: Array, weight: Array | None, raw: Array
) -> float:
    """Return what is compared with ``tol``, for the slopes of far rows that serve best.

    The sum of losses is at least that of the others and of the tangents with these slopes. How far a point is above the
    minimum of that is a matter of the others, and what it loses by the tangents is known.

    Parameters
    ----------
    others : Objective
        Smooth and convex, of one score: the rows that are not far, and the penalty, per unit of the weight of all.
    theta : array of shape (q,)
        Where the fit ended.
    rows : array of shape (n_far, q)
        The far rows, with ones where there is an intercept.
    target, weight, raw : arrays of shape (n_far,)
        Of these: targets, weights and predictions.
    """
    value, gradient = others.evaluate(theta)[:2]
    weight = np.ones(len(rows)) if weight is None else weight
    losses, slope = _at(others.loss, target, weight, raw)
    value += float(losses.sum()) / others.total
    side = -np.sign(_at(others.loss, target, weight, np.zeros(len(rows)))[1])
    columns = (side[:, None] * rows).T / others.total
    length = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    # what is left to balance is small beside rows that contradict each other, whose slopes are large
    slopes = np.abs(slope)
    rest = gradient - columns @ slopes
    least = -slopes * length
    change = lsq_linear(columns / length, rest, (least, np.inf), method="bvls", tol=EXACT).x
    slopes = np.maximum(slopes + change / length, 0.0)
    rounding = ROUNDING * (np.abs(columns) @ slopes + np.abs(gradient))
    rest = gradient - columns @ slopes
    rest = np.sign(rest) * np.maximum(np.abs(rest) - rounding, 0.0)
    lost = _lost(others.loss, target, weight, raw, side, slopes) / others.total
    return optimality(others, theta, value, rest) + lost / value if value > 0 else 0.0


def _lost(
    loss: Loss, target: Array, weight: Array, raw: Array, side: Array, slopes: Array
) -> float:
    """Return the sum of what losses are above tangents of given slopes: those where they have them, by bisection."""
    low, high = np.full(len(raw), LEAST), np.full(len(raw), MOST)
    for _ in range(HALVED):
        middle = 0.5 * (low + high)
        steep = np.abs(_at(loss, target, weight, side * middle)[1]) > slopes
        low, high = np.where(steep, middle, low), np.where(steep, high, middle)
    above = _at(loss, target, weight, raw)[0] - _at(loss, target, weight, side * high)[0]
    return float(np.maximum(above + slopes * (side * raw - high), 0.0).sum())


def _at(loss: Loss, target: Array, weight: Array, raw: Array) -> tuple[Array, Array]:
    """Return losses and slopes of rows."""
    none: Any = np.zeros(0)
    return loss.values(target, raw, weight, none), loss.value_gradient(target, raw, weight, none)[1]
