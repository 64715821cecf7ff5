"""The middle of the intercepts that are equally good."""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective


def middle_intercept(objective: Objective, theta: Array) -> Array:
    """Move the intercept of an optimum to the middle of the optimal ones.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; the intercept is the last parameter.
    theta : array
        An optimum.

    Returns
    -------
    theta : array
        With the same coefficients.
    """
    kinks, data = objective.loss.kinks(objective.data.y), objective.data
    assert kinks is not None
    # How far the intercept can move until a row meets its kink, and by how much the slope of the
    # loss in the intercept jumps there.
    distance = kinks.position - objective.raw(theta)
    weight = np.ones_like(distance) if data.weight is None else data.weight
    order = np.argsort(distance, kind="stable")
    distance = distance[order]
    slope = np.cumsum((weight * (kinks.upper - kinks.lower))[order])
    slope += float((weight * kinks.lower).sum())
    # Between kink i and i + 1 the slope is slope[i].
    level = np.flatnonzero(np.abs(slope[:-1]) <= 1e-12 * float(weight.sum()))
    if len(level) == 0:
        return theta
    low, high = distance[level[0]], distance[level[-1] + 1]
    rounding = 1e-9 * (1.0 + float(np.abs(theta).max()))
    if low > rounding or high < -rounding:  # not around the present one: it is no optimum
        return theta
    theta = theta.copy()
    theta[-1] += 0.5 * (low + high)
    return theta
