"""The middle of the intercepts that are equally good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.losses import Loss
from robustreg.losses._base import Kinks
from robustreg.objective import Objective
from robustreg.solvers._result import Result

#: a slope this share of its range inside its bounds is inside
INSIDE = 1e-8


def with_middle(objective: Objective, found: Result, kinks: Kinks) -> Result:
    """Return a minimum with its intercept in the middle of those that are equally good.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`.
    found : Result
        Its minimum, as of :func:`~robustreg.solvers.solve_piecewise`.
    kinks : Kinks
        Of the loss.
    """
    data = objective.data
    weight = 1.0 if data.weight is None else data.weight
    edge = INSIDE * (kinks.upper - kinks.lower)
    inside = found.slopes > weight * (kinks.lower + edge)
    inside &= found.slopes < weight * (kinks.upper - edge)
    # such a row is on its kink in every minimum
    if not data.intercept or np.any(inside & found.zero):
        return found
    theta = middle_intercept(objective, found.x, found.offsets)
    shift = theta[-1] - found.x[-1]
    if shift:
        found.x, found.offsets = theta, found.offsets + shift
        found.zero = np.zeros_like(found.zero)
    return found


def middle_intercept(objective: Objective, theta: Array, offsets: Array | None = None) -> Array:
    """Move the intercept of an optimum to the middle of the optimal ones.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; the intercept is the last parameter.
    theta : array
        An optimum.
    offsets : array, optional
        How far its raw predictions are beyond the kinks, where that is known.

    Returns
    -------
    theta : array
        With the same coefficients.
    """
    kinks, data = objective.loss.kinks(objective.data.y), objective.data
    assert kinks is not None
    # How far the intercept can move until a row meets its kink, and by how much the slope of the
    # loss in the intercept jumps there.
    distance = kinks.position - objective.raw(theta) if offsets is None else -offsets
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


@dataclass(frozen=True)
class Around:
    """Slopes of the loss in the intercept on both sides of a point, and how far it may move on each.

    Parameters
    ----------
    loss : Loss
        One that offers ``kinks``.
    at : array
        The point, as blocks take it.
    zero : float
        A distance that is none.
    """

    loss: Loss
    at: Array
    zero: float

    def __call__(self, block: Block) -> tuple[Array, Array]:
        kinks: Any = self.loss.kinks(block.y)
        distance = kinks.position - block.raw(self.at)
        weight = np.ones_like(distance) if block.weight is None else block.weight
        jump = weight * (kinks.upper - kinks.lower)
        before, here = distance < -self.zero, np.abs(distance) <= self.zero
        sums = [(weight * kinks.lower).sum(), jump[before].sum(), jump[here].sum(), weight.sum()]
        ends = [
            distance[before].max(initial=-np.inf),
            -distance[distance > self.zero].min(initial=np.inf),
        ]
        return np.array(sums), np.array(ends)


def nearest(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """Combine two answers of :class:`Around`."""
    return one[0] + other[0], np.maximum(one[1], other[1])


def middle_by_passes(objective: Objective, theta: Array) -> Array:
    """Do what :func:`middle_intercept` does for rows that are elsewhere: one pass."""
    data: Any = objective.data
    zero = 1e-9 * (1.0 + float(np.abs(theta).max()))
    around = Around(objective.loss, data.outward(theta), zero)
    (lower, before, here, total), (low, high) = data.combined(around, nearest)
    left, right = (abs(slope) <= 1e-12 * total for slope in (lower + before, lower + before + here))
    if not (left or right):
        return theta
    ends = low if left else 0.0, -high if right else 0.0
    theta = theta.copy()
    if np.isfinite(ends).all():
        theta[-1] += 0.5 * sum(ends)
    return theta
