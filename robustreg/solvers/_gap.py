"""How far any point is above the minimum of a convex problem: one certificate, which knows no solver.

Fenchel's inequality bounds the minimum from below by any slopes of the rows. Those of a smooth loss are its
derivatives at the point itself; those of a loss with kinks are given. What the slopes carry back to a
coefficient is set against the conjugate of the penalty, taken where the minimum can be: no loss is
negative, so a penalty at the minimum is no larger than the objective here. That bounds coefficients under
an L1 penalty, too, for which the conjugate itself would be infinite. Nothing here depends on how the
point was found, which rows or columns a solver looked at, or in which form it met the penalty: its value is
asked at the point, and its majoriser is believed only as far as that value agrees. Solvers that know what rows
say of their end, a part of them being folded or elsewhere, hand that in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Evaluation, Objective
from robustreg.penalties import L2
from robustreg.penalties._applied import Applied
from robustreg.scales import weighted_median
from robustreg.solvers._column_penalty import ColumnPenalty, Squares
from robustreg.solvers._free_columns import FreeColumns
from robustreg.solvers._held_gradient import Split
from robustreg.solvers._kinks import ROUNDED, gradient_of, more_than_rounding
from robustreg.solvers._line import Line

EPS = float(np.finfo(float).eps)


class Certificate(NamedTuple):
    """What is known of an end point.

    Parameters
    ----------
    kind : {"gap", "stationary"}
        Relative duality gap of a convex problem; otherwise the largest distance of minus the gradient from
        the subdifferential, per unit of weight in standardised units.
    value : float
        It.
    objective : float
        The objective per unit of weight.
    """

    kind: Literal["gap", "stationary"]
    value: float
    objective: float


class Seen(NamedTuple):
    """What rows say of a point and of slopes, per unit of weight: all that a certificate asks of them.

    Parameters
    ----------
    value : float
        The loss at the point.
    missed : float
        By how much the slopes fall short of it, row by row, by Fenchel's inequality.
    pull : array of shape (q,)
        What the slopes carry back: the gradient of a smooth loss.
    constant : callable, optional
        Returns the value of a loss with kinks at the best constant.
    """

    value: float
    missed: float
    pull: Array
    constant: Callable[[], float] | None = None


def certify(
    objective: Objective,
    theta: Array,
    dual: Array | None = None,
    known: Evaluation | None = None,
) -> Certificate:
    """Certify a point: one pass, by loss, penalty and rows alone.

    Parameters
    ----------
    objective : Objective
        A loss that is nowhere negative, smooth or with kinks, and any penalty. Coordinates are diagonal, or
        the penalty is L2.
    theta : array of shape (q,)
        The point.
    dual : array of shape (n,), optional
        Slopes of the rows, times their weights, of a loss with kinks; or of one whose psi is a line cut off, where they
        are known better than by the predictions.
    known : Evaluation, optional
        Of a smooth loss alone, per unit of weight, where that pass has been made at the point.

    Returns
    -------
    Certificate

    Notes
    -----
    Nothing bounds a coefficient that no penalty, or hardly one, holds. In orthonormal columns, y having spread
    one, it is assumed to be no further than the larger of one and the value, and the point itself.
    """
    data, total, kinks = objective.data, objective.total, objective.loss.kinks(objective.data.y)
    if kinks is None and dual is None:
        bare = objective.with_total(total, penalty=L2(0.0))
        value, gradient = (known or bare.evaluate(theta))[:2]
        return judged(objective, theta, Seen(value, 0.0, gradient))
    assert dual is not None
    if kinks is None:
        return judged(objective, theta, _seen_on_line(objective, theta, dual / total))
    weight = 1.0 if data.weight is None else data.weight
    s = objective.raw(theta) - kinks.position
    zeroed = np.abs(s) <= ROUNDED * (np.abs(kinks.position) + np.abs(s) + 1.0 + data.base)
    slopes = np.clip(dual, weight * kinks.lower, weight * kinks.upper)
    lost = weight * kinks.losses(s) / total
    seen = seen_at(
        lost, slopes / total * s, zeroed, data.base, gradient_of(objective, slopes / total)
    )
    return judged(objective, theta, seen._replace(constant=partial(at_best_constant, objective)))


def _seen_on_line(objective: Objective, theta: Array, slopes: Array) -> Seen:
    """Return what rows say of a smooth loss by given slopes, which need not be those at the point."""
    line = Line.of(objective)
    assert line is not None
    s = objective.raw(theta) - line.position
    slopes = np.clip(slopes, line.lower, line.upper)
    pull = gradient_of(objective, slopes)
    return Seen(float(line.losses(s).sum()), float(line.missed(s, slopes).sum()), pull)


def seen_at(lost: Array, bound: Array, zeroed: Array, base: float, pull: Array) -> Seen:
    """Return what rows of a loss with kinks say.

    Parameters
    ----------
    lost : array of shape (n,)
        The loss of each row.
    bound : array of shape (n,)
        What its slope bounds it by from below: their product with the offset.
    zeroed : array of bool, of shape (n,)
        Rows whose offsets may be zero. Heavy ones are believed only as far as that matters little.
    base : float
        How exact y is; see :func:`~robustreg.solvers._kinks.more_than_rounding`.
    pull : array of shape (q,)
        As of :class:`Seen`.
    """
    gaps = np.maximum(lost - bound, 0.0)
    missed = float(gaps[~zeroed].sum()) + more_than_rounding(gaps, zeroed, base)
    return Seen(float(lost[~zeroed].sum()), missed, pull)


def at_best_constant(objective: Objective) -> float:
    """Return the value of a loss with kinks at the best constant prediction."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    weight = objective.data.weight
    position = np.broadcast_to(kinks.position, objective.data.y.shape)
    s = weighted_median(position, weight) - position
    lost = kinks.losses(s)
    return float(lost.sum() if weight is None else weight @ lost) / objective.total


def judged(
    objective: Objective,
    theta: Array,
    seen: Seen,
    farthest: Callable[[Array, float], Array] | None = None,
) -> Certificate:
    """Certify a point by what rows say there; in what form a solver met the penalty is not asked.

    Parameters
    ----------
    objective : Objective
        As of :func:`certify`.
    theta : array of shape (q,)
        The point.
    seen : Seen
        What the rows say.
    farthest : callable, optional
        Returns how far the minimum can be along each axis, given the point and the size of y, where that is
        known. Otherwise columns that no penalty holds are made orthonormal.
    """
    u, intercept, _ = objective.split(theta)
    pulled, rest_intercept, rest_extra = objective.split(seen.pull)
    own, apart, penalty = _penalty(objective, u)
    primal = seen.value + own
    if not (objective.penalty.convex and objective.loss.convex):
        worst = max(
            float(penalty.excess(u, pulled).max(initial=0.0)),
            float(np.abs(rest_intercept).max(initial=0.0)) if objective.data.intercept else 0.0,
            float(np.abs(rest_extra).max(initial=0.0)),
        )
        return Certificate("stationary", worst, primal)
    size = max(1.0, primal)
    far = size + np.abs(theta) if farthest is None else farthest(theta, size)
    most, most_intercept, most_extra = objective.split(far)
    gap = seen.missed + apart + float(np.abs(rest_extra) @ most_extra)
    loose = np.arange(0) if farthest is not None else penalty.loose(u, pulled, primal)
    if len(loose):
        rest = penalty.least_subgradient(u, pulled)[loose], rest_intercept
        assert isinstance(penalty, ColumnPenalty)  # squares alone leave no column loose
        gap += _loose_gap(objective, penalty, loose, (u[loose], intercept), rest, size)
    elif objective.data.intercept:
        gap += float(np.sum(np.abs(rest_intercept) * most_intercept))
    gap += penalty.gap(u, pulled, primal, loose, None if farthest is None else most)
    # neither loss nor penalty is ever negative; where overflow leaves no number that is all there is to say
    gap = min(primal, gap)
    least = EPS * objective.unit
    if seen.constant is not None:
        # y has spread one; only beside a tiny loss does it matter how much exactly
        least = EPS * (1.0 if primal >= 1e-3 else max(seen.constant(), EPS))
        # What rounding leaves of a gap is none: on an exact fit there is nothing to compare it with, or only
        # a penalty that may be as tiny.
        gap = 0.0 if gap <= 64 * least * (seen.value <= 64 * least) else gap
    return Certificate("gap", gap / max(primal, least), primal)


def _loose_gap(
    objective: Objective,
    penalty: ColumnPenalty,
    columns: Array,
    at: tuple[Array, Any],
    rest: tuple[Array, Any],
    size: float,
) -> float:
    """Return how much lower the minimum can be in some columns and the intercept, made orthonormal.

    Their penalty hardly holds them, but its squares hold the difference of columns that are nearly one.
    """
    data, k = objective.data, len(columns)
    some = int(data.intercept)
    own, gradient = (
        np.vstack([part[0].reshape(k, -1), np.reshape(part[1], (1, -1))[:some]])
        for part in (at, rest)
    )
    free = FreeColumns.of(data, columns)
    far, there = size + np.abs(free.back @ own), free.transform.T @ gradient
    plain = (np.abs(there) * far).sum(axis=0)
    bend = np.broadcast_to(penalty.l2.reshape(len(penalty.l2), -1)[columns], (k, len(plain)))
    gap = 0.0
    for j, most in enumerate(plain):
        if bend[:, j].any():
            part = Split.of(free.transform[:k], bend[:, j], there[:, j])
            most = min(most, part.gain(far[:, j]))
        gap += float(most)
    return gap


def _penalty(objective: Objective, u: Array) -> tuple[float, float, ColumnPenalty | Squares]:
    """Return the value of the penalty, what its majoriser disagrees with it by, and that majoriser."""
    penalty, total, coef = objective.penalty, objective.total, objective.data.coordinates.coef(u)
    if penalty.euclidean:
        return penalty.value_gradient(coef)[0] / total, 0.0, Squares.of(objective)
    applied: Any = penalty if penalty.by_column else Applied.to(penalty)
    value, part = applied.value(coef) / total, ColumnPenalty.of(objective, u)
    if not applied.convex:
        return value, 0.0, part
    # what a majoriser says of another penalty than its own is no bound
    own = part.value(u)
    apart = abs(value - own)
    return max(value, own), apart if apart > 64 * EPS * max(abs(value), abs(own)) else 0.0, part
