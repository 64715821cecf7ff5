"""The certificate of a minimum of a loss with one kink a row: its duality gap, and what rounding makes of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._gap import Certificate, Seen, at_best_constant, judged, seen_at
from robustreg.solvers._kinks import ROUNDED
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import penalised_columns


def proof(
    objective: Objective,
    rows: Rows,
    vertex: Vertex,
    near: Array,
    folded: Seen,
) -> tuple[Certificate, Array]:
    """Return the certificate of an end point, and the exact offsets of the rows that were kept.

    Parameters
    ----------
    objective : Objective
        Of all rows, with the penalty of the problem, in whatever form the rows hold it.
    rows : Rows
        Those that were kept, then those of the penalty.
    vertex : Vertex
        The end point, and the slopes of these rows there.
    near : array of shape (n_kept,)
        Offsets of the rows that were kept.
    folded : Seen
        What the other rows say; their pull is that of ``rows``.
    """
    theta, k = vertex.theta, len(near)
    theta[objective.without_data] = 0.0  # or rounding in proportion to it would excuse everything
    zeroed = np.abs(near) <= rows.rounding(theta)[:k]
    slopes = vertex.slopes[:k]
    lost = np.maximum(rows.lower[:k] * near, rows.upper[:k] * near)
    pull = rows.linear + rows.X[:k].T @ slopes
    seen = seen_at(lost, slopes * near, zeroed, objective.data.base, pull)
    value, missed = seen.value + folded.value, seen.missed + folded.missed
    seen = Seen(value, missed, pull, folded.constant)
    return judged(objective, theta, seen, rows.farthest), np.where(zeroed, 0.0, near)


def at_zero(objective: Objective, rows: Rows, theta: Array, kept: int) -> None:
    """Make coefficients on the kink of their penalty, beyond the rows that were ``kept``, exactly zero."""
    if len(rows.weight) > kept:
        live = penalised_columns(objective)
        least = rows.rounding(theta)[kept:] + ROUNDED * np.abs(theta).max()
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
    kinks: Any = objective.loss.kinks(objective.data.y)
    theta = vertex.theta
    at_zero(objective, rows, theta, len(kept))
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    weight = weight / objective.total
    lost = weight * kinks.losses(s)
    slopes = weight * sides
    beyond = lost - slopes * s
    lost[kept] = beyond[kept] = 0.0
    slopes[kept] = vertex.slopes[: len(kept)]
    near = rows.offsets(theta)[: len(kept)]
    folded = Seen(
        float(lost.sum()), float(beyond.sum()), rows.linear, partial(at_best_constant, objective)
    )
    found, exact = proof(objective, rows, vertex, near, folded)
    zero, offsets = np.zeros(len(s), dtype=bool), s.copy()
    zero[kept], offsets[kept] = exact == 0, exact
    return {
        "fun": found.objective,
        "optimality": found.value,
        "success": bool(found.value <= tol),
        "slopes": slopes * objective.total,
        "zero": zero,
        "offsets": offsets,
    }
