"""How far a smooth fit to rows of which some are far out is from its minimum, seen from the others.

In units that far rows choose the others have a gradient of nothing, and the slopes of far rows, which are as small as
the rows are long, are rounded in any units. So they are taken as unknown: slopes that a row may have at some
prediction, each on its side, which balance as much of the gradient of the others as they can.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.losses import Loss
from robustreg.losses._contrasts import helmert
from robustreg.objective import Objective
from robustreg.solvers._certificates import optimality
from robustreg.solvers._metrics import DenseMetric

#: predictions between which the slope of a loss falls from its largest to nothing
LEAST, MOST = -64.0, 800.0
#: what is left of the balance by rounding, as a share of what is added
ROUNDING = 4 * float(np.finfo(float).eps)
#: and of what is solved for
EXACT = 1e-15
#: cosine of the angle between what is left of a gradient and the pull of a row that can still take from it
RELEASED = 1e-9
#: machine: work of least squares that takes about a second
WORK = 500_000_000
#: relative rounding of a slope that is found by logarithms
BY_LOGARITHMS = 1e-12
#: pull of a far row, in units of the other rows, that changes no digit of a minimum
UNFELT = 1e-16
#: halvings of what is between
HALVED = 64
#: largest sum of the probabilities of the other classes at which the own one has any
ALL = 1.0 - 1e-12


class Seen(NamedTuple):
    """What the rows that are not far say of a point, for slopes of those that are.

    Parameters
    ----------
    optimality, value : float
        What is compared with ``tol``, and the objective.
    others, theta : Objective, array of shape (q,)
        The others, and the point.
    gradient : array of shape (q,)
        What the slopes leave of that of the others.
    held : array of shape (q, m)
        Pulls of the far rows that have slopes.
    """

    optimality: float
    value: float
    others: Objective
    theta: Array
    gradient: Array
    held: Array

    def step(self) -> Array:
        """Return the Newton step of the others that moves no prediction of a far row that has a slope."""
        free = scipy.linalg.null_space(self.held.T) if self.held.size else np.eye(len(self.theta))
        if not free.size:
            return np.zeros(len(self.theta))
        metric = DenseMetric(free.T @ self.others.hess(self.theta) @ free)
        return np.asarray(-free @ metric.solve(free.T @ self.gradient))


def seen_from_the_others(
    others: Objective, theta: Array, rows: Array, target: Array, weight: Array | None, raw: Array
) -> Seen:
    """Judge a point by the others, for the slopes of far rows that serve best.

    The sum of losses is at least that of the others and of the tangents with these slopes. How far a point is above the
    minimum of that is a matter of the others, and what it loses by the tangents is known.

    Parameters
    ----------
    others : Objective
        Smooth and convex: the rows that are not far, and the penalty, per unit of the weight of all. Of one score, or
        of the contrasts of several.
    theta : array of shape (q,) or (q * n_contrasts,)
        Where the fit ended.
    rows : array of shape (n_far, q)
        The far rows, with ones where there is an intercept.
    target, weight, raw : arrays of shape (n_far,)
        Of these: targets, weights and predictions, those of several scores of shape (n_far, n_scores).
    """
    weight = np.ones(len(rows)) if weight is None else weight
    loss: Any = others.loss
    far: _OneScore | _SeveralScores
    if raw.ndim == 1:
        far = _OneScore(loss, target, weight, raw)
    else:
        # slopes of contrasts have the rounding of the largest of a row: of classes that are far off nothing is left
        far = _SeveralScores(loss.base, target, weight, raw)
    value, gradient = others.evaluate(theta)[:2]
    value = float(value + far.losses.sum() / others.total)
    if not value > 0:
        return Seen(0.0, value, others, theta, gradient, np.zeros((len(gradient), 0)))
    columns = far.pulls(rows).T / others.total
    length = np.sqrt(np.einsum("ij,ij->j", columns, columns))

    def seen(slopes: Array) -> Seen:
        slopes, lost = far.tangents(slopes)
        rounding = ROUNDING * (np.abs(columns) @ np.abs(slopes) + np.abs(gradient))
        rest = gradient - columns @ slopes
        rest = np.sign(rest) * np.maximum(np.abs(rest) - rounding, 0.0)
        found = optimality(others, theta, value, rest) + lost / others.total / value
        held = (columns / length)[:, slopes * length > UNFELT]
        return Seen(found, value, others, theta, rest, held)

    # any slopes give a bound: as they are known at the predictions, they may be the better ones
    known, balancing = seen(far.slopes), seen(_balancing(gradient, columns, far.slopes))
    return balancing if balancing.optimality < known.optimality else known


def _balancing(gradient: Array, columns: Array, slopes: Array) -> Array:
    """Return slopes of far rows, none of the wrong sign, that balance as much of a gradient as they can.

    Least squares of what is not negative, from where the slopes are: beside rows that contradict each other, whose slopes
    are large, what is left to balance is small, and so changes are found.

    References
    ----------
    Lawson, C. L. and Hanson, R. J. (1974). Solving Least Squares Problems, chapter 23.
    """
    length = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    columns = columns / length
    x = slopes * length
    free = x > 0
    most = WORK // (columns.size * min(columns.shape) + 1)
    for _ in range(min(3 * len(x), most)):
        rest = gradient - columns @ x
        change = np.zeros(len(x))
        change[free] = np.linalg.lstsq(columns[:, free], rest, rcond=EXACT)[0]
        ends = np.full(len(x), np.inf)
        np.divide(x, -change, out=ends, where=change < 0)
        part = min(1.0, float(ends.min(initial=np.inf)))
        x = np.maximum(x + part * change, 0.0)
        if part < 1.0:
            stopped = ends <= part
            x[stopped], free[stopped] = 0.0, False
            continue
        rest = gradient - columns @ x
        gain = np.where(free, 0.0, columns.T @ rest)
        best = int(gain.argmax())
        if gain[best] <= RELEASED * np.linalg.norm(rest):
            break
        free[best] = True
    return np.asarray(x / length)


class _OneScore:
    """Far rows of one score, each on the side that its target has: how steep their losses are towards it."""

    def __init__(self, loss: Loss, target: Array, weight: Array, raw: Array) -> None:
        self.loss, self.target, self.weight, self.raw = loss, target, weight, raw
        self.losses, slope = _at(loss, target, weight, raw)
        self.slopes = np.abs(slope)
        self.side = -np.sign(_at(loss, target, weight, np.zeros(len(raw)))[1])

    def pulls(self, rows: Array) -> Array:
        """Return what slopes of one take from a gradient, in rows."""
        return self.side[:, None] * rows

    def tangents(self, slopes: Array) -> tuple[Array, float]:
        """Return the slopes, and by how much the losses are above tangents with them."""
        return slopes, _lost(self.loss, self.target, self.weight, self.raw, self.side, slopes)


class _SeveralScores:
    """Far rows of several scores that are seen by their differences: how steep losses are in each but the own one."""

    def __init__(self, loss: Loss, target: Array, weight: Array, raw: Array) -> None:
        self.loss, self.target, self.weight, self.raw = loss, target, weight, raw
        self.basis = helmert(raw.shape[1])
        # a row pulls at differences from its own score, as it does where all are even
        self.own = _at(self.loss, target, weight, np.zeros(raw.shape))[1].argmin(axis=1)
        self.others = np.arange(raw.shape[1]) != self.own[:, None]
        self.losses, slope = _at(self.loss, target, weight, raw)
        self.slopes = np.maximum(slope[self.others], 0.0)

    def pulls(self, rows: Array) -> Array:
        """Return what slopes of one take from a gradient, in rows."""
        n, k = self.others.shape
        step = np.eye(k)[None] - np.eye(k)[self.own][:, None]
        contrasts = -(step @ self.basis.T)[self.others].reshape(n, k - 1, k - 1)
        return np.asarray(np.einsum("iq,ijc->ijqc", rows, contrasts).reshape(n * (k - 1), -1))

    def tangents(self, slopes: Array) -> tuple[Array, float]:
        """Return slopes that losses have where those of a cross-entropy are as given, and what is lost by them."""
        n, k = self.others.shape
        share = slopes.reshape(n, k - 1) / self.weight[:, None]
        total = share.sum(axis=1, keepdims=True)
        share = share * np.minimum(1.0, ALL / np.where(total > 0, total, 1.0))
        with np.errstate(divide="ignore"):
            score = np.log(share) - np.log1p(-share.sum(axis=1, keepdims=True))
        at = np.zeros((n, k))
        at[self.others] = np.maximum(score, -MOST).ravel()
        touched, slope = _at(self.loss, self.target, self.weight, at)
        along = np.einsum("ij,ij->i", slope, self.raw - at)
        found = slope[self.others]
        found = np.where(np.abs(found - slopes) <= BY_LOGARITHMS * slopes, slopes, found)
        return found, float(np.maximum(self.losses - touched - along, 0.0).sum())


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
