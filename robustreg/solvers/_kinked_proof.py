"""The certificate of a minimum of a loss with one kink a row: its duality gap, and what rounding makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.scales import weighted_median
from robustreg.solvers._kinks import more_than_rounding
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import penalised_columns


class Proof(NamedTuple):
    """How far an end point is from the minimum.

    Parameters
    ----------
    value : float
        Of the objective.
    optimality : float
        The duality gap as a share of it.
    """

    value: float
    optimality: float


def proof(
    objective: Objective,
    rows: Rows,
    vertex: Vertex,
    near: Array,
    loss: Callable[[Array], float],
    beyond: float,
    constant: Callable[[], float],
) -> tuple[Proof, Array]:
    """Return value and relative gap of an end point, and the exact offsets of the rows that were kept.

    Parameters
    ----------
    objective : Objective
        Of all rows.
    rows : Rows
        Those that were kept, then those of the penalty.
    vertex : Vertex
        The end point, and the slopes of these rows there.
    near : array of shape (n_kept,)
        Offsets of the rows that were kept.
    loss : callable
        Sum of the losses of all rows, per unit of weight, given exact offsets of those that were kept.
    beyond : float
        What rows that were folded add to the gap.
    constant : callable
        Returns the loss of the best constant.
    """
    theta, k = vertex.theta, len(near)
    theta[objective.without_data] = 0.0  # or rounding in proportion to it would excuse everything
    zeroed = np.abs(near) <= rows.rounding(theta)[:k]
    exact = np.where(zeroed, 0.0, near)
    lost = loss(exact)
    u = objective.split(theta)[0]
    penalty = objective.penalty.value_gradient(objective.data.coordinates.coef(u))[0]
    primal = lost + penalty / objective.total
    # y has spread one; only beside a tiny loss does it matter how much exactly
    most = 1.0 if primal >= 1e-3 else constant()
    # y may be larger than its spread says, where that is of the better half of the rows
    gap = rows.gap(theta, vertex.slopes, max(primal, 1.0)) + beyond
    losses = np.maximum(rows.lower[:k] * near, rows.upper[:k] * near)
    gap += more_than_rounding(losses - vertex.slopes[:k] * near, zeroed, objective.data.base)
    gap = min(gap, primal)  # no loss is negative
    eps = np.finfo(float).eps
    # What rounding leaves of a gap is none: on an exact fit there is nothing to compare it with, or only
    # a penalty that may be as tiny.
    most = max(most, eps)
    rounding = 64 * eps * most
    gap = 0.0 if gap <= rounding * (lost <= rounding) else gap
    return Proof(primal, float(gap / max(primal, eps * most))), exact


def at_zero(objective: Objective, rows: Rows, theta: Array, kept: int) -> None:
    """Make coefficients on the kink of their penalty, beyond the rows that were ``kept``, exactly zero."""
    if len(rows.weight) > kept:
        live = penalised_columns(objective)
        least = rows.rounding(theta)[kept:] + 256 * np.finfo(float).eps * np.abs(theta).max()
        theta[live[np.abs(theta[live]) <= least]] = 0.0


def certified(
    objective: Objective,
    rows: Rows,
    vertex: Vertex,
    kept: Array,
    sides: Array,
    s: Array,
    tol: float,
) -> dict[str, Any]:
    """Return value, dual slopes and the relative duality gap of an end point.

    ``s`` are the offsets there, and ``sides`` the slopes, per unit of weight, with which rows that are
    not kept were folded. A row that has changed sides since keeps its slope as a dual point, and adds
    to the gap.
    """
    kinks = objective.loss.kinks(objective.data.y)
    assert kinks is not None
    theta = vertex.theta
    at_zero(objective, rows, theta, len(kept))
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    weight = weight / objective.total

    def loss(offsets: Array) -> float:
        return float((weight * np.maximum(kinks.lower * offsets, kinks.upper * offsets)).sum())

    def with_exact(near: Array) -> float:
        offsets[kept] = near
        return loss(offsets)

    def constant() -> float:
        middle = weighted_median(kinks.position + 0 * s, objective.data.weight)
        return loss(middle - kinks.position)

    offsets = s.copy()
    beyond = weight * (np.maximum(kinks.lower * s, kinks.upper * s) - sides * s)
    beyond[kept] = 0.0
    near = rows.offsets(theta)[: len(kept)]
    found, exact = proof(
        objective, rows, vertex, near, with_exact, float(beyond.sum()), constant
    )  # fmt: skip
    slopes = weight * sides
    slopes[kept] = vertex.slopes[: len(kept)]
    zero = np.zeros(len(s), dtype=bool)
    zero[kept] = exact == 0
    return {
        "fun": found.value,
        "optimality": found.optimality,
        "success": bool(found.optimality <= tol),
        "slopes": slopes * objective.total,
        "zero": zero,
        "offsets": offsets,
    }
