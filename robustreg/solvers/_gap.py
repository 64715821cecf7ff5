"""How far any point is above the minimum of a convex problem: one certificate, which knows no solver.

Fenchel's inequality bounds the minimum from below by any slopes of the rows. Those of a smooth loss are its
derivatives at the point itself; those of a loss with kinks are given. What the slopes carry back to a
coefficient is set against the conjugate of the penalty, taken where the minimum can be: no loss is
negative, so a penalty at the minimum is no larger than the objective here. That bounds coefficients under
an L1 penalty, too, for which the conjugate itself would be infinite. Nothing here depends on how the
point was found, which rows or columns a solver looked at, or in which form it met the penalty: its value is
asked at the point, and its majoriser is believed only as far as that value agrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Evaluation, Objective
from robustreg.penalties import L2
from robustreg.penalties._applied import Applied
from robustreg.solvers._column_penalty import ColumnPenalty, Squares
from robustreg.solvers._free_columns import FreeColumns
from robustreg.solvers._kinks import gradient_of, more_than_rounding

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
    excess : array of shape (n_columns,)
        By how much each of the solver's columns, or its group, violates the conditions of a minimum, in
        units of the gradient.
    """

    kind: Literal["gap", "stationary"]
    value: float
    objective: float
    excess: Array


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
        Slopes of the rows of a loss with kinks, times their weights.
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
    u, intercept, extra = objective.split(theta)
    bare = replace(objective, penalty=L2(0.0))
    bare.total = objective.total
    kinks = objective.loss.kinks(objective.data.y)
    if kinks is None:
        value, gradient = (known or bare.evaluate(theta))[:2]
        missed = 0.0
    else:
        assert dual is not None
        weight = 1.0 if objective.data.weight is None else objective.data.weight
        s = objective.raw(theta) - kinks.position
        rounding = 256 * EPS * (np.abs(kinks.position) + np.abs(s) + 1.0 + objective.data.base)
        slopes = np.clip(dual, weight * kinks.lower, weight * kinks.upper)
        lost = weight * np.maximum(kinks.lower * s, kinks.upper * s)
        gaps = np.maximum(lost - slopes * s, 0.0) / objective.total
        zeroed = np.abs(s) <= rounding
        # heavy rows whose offsets may be zero are believed only as far as that matters little
        if not more_than_rounding(gaps, zeroed, objective.data.base):
            lost, gaps = np.where(zeroed, 0.0, lost), np.where(zeroed, 0.0, gaps)
        value, missed = float(lost.sum()) / objective.total, float(gaps.sum())
        gradient = gradient_of(objective, slopes / objective.total)
    pulled, rest_intercept, rest_extra = bare.split(gradient)
    own, apart, penalty = _penalty(objective, u)
    primal, excess = value + own, penalty.excess(u, pulled)
    if not (objective.penalty.convex and objective.loss.convex):
        worst = max(
            float(excess.max(initial=0.0)),
            float(np.abs(rest_intercept).max(initial=0.0)) if objective.data.intercept else 0.0,
            float(np.abs(rest_extra).max(initial=0.0)),
        )
        return Certificate("stationary", worst, primal, excess)
    size = max(1.0, primal)
    gap = missed + float(np.abs(rest_extra) @ (size + np.abs(extra)))
    loose = penalty.loose(u, pulled, primal)
    rest = penalty.least_subgradient(u, pulled)[loose], rest_intercept
    here, there = _orthonormal(objective, loose, (u[loose], intercept), rest)
    gap += float(np.sum(np.abs(there) * (size + np.abs(here))))
    gap += penalty.gap(u, pulled, primal, loose) + apart
    # neither loss nor penalty is ever negative; where overflow leaves no number that is all there is to say
    gap = min(primal, gap)
    return Certificate("gap", gap / max(primal, EPS * objective.unit), primal, excess)


def _orthonormal(
    objective: Objective, columns: Array, at: tuple[Array, Any], gradient: tuple[Array, Any]
) -> tuple[Array, Array]:
    """Return coefficients of some columns and the intercept, and their gradient, in orthonormal columns."""
    data, k = objective.data, len(columns)
    some = int(data.intercept)
    own, rest = (
        np.vstack([part[0].reshape(k, -1), np.reshape(part[1], (1, -1))[:some]])
        if k
        else np.reshape(part[1], (1, -1))[:some]
        for part in (at, gradient)
    )
    if not k:
        return own, rest
    free = FreeColumns.of(data, columns)
    return free.back @ own, free.transform.T @ rest


def _penalty(objective: Objective, u: Array) -> tuple[float, float, ColumnPenalty | Squares]:
    """Return the value of the penalty, what its majoriser disagrees with it by, and that majoriser."""
    penalty, total = objective.penalty, objective.total
    applied: Any = penalty if penalty.by_column else Applied.to(penalty)
    value = applied.value(objective.data.coordinates.coef(u)) / total
    if not objective.data.coordinates.diagonal:
        return value, 0.0, Squares.of(objective, u)
    part = ColumnPenalty.of(objective, u)
    if not applied.convex:
        return value, 0.0, part
    # what a majoriser says of another penalty than its own is no bound
    own = part.value(u)
    apart = abs(value - own)
    return max(value, own), apart if apart > 64 * EPS * max(abs(value), abs(own)) else 0.0, part
