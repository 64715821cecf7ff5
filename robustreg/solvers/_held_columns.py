"""Which coefficients may change from one minimum to another, beside any convex penalty.

Minima have the same slopes and so the same subgradients of the penalty. A square holds its coefficient; one whose
pull is less than its L1 penalty stays at zero, and one whose pull is equal to it keeps its sign.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.penalties._sizes import sizes
from robustreg.solvers._column_penalty import ColumnPenalty
from robustreg.solvers._kinks import gradient_of

#: a pull within this share of the penalty is equal to it
EQUAL = 1e-8


class Moves(NamedTuple):
    """Directions in which parameters may move, and bounds on them.

    Parameters
    ----------
    directions : array of shape (q, k)
        Orthonormal.
    bounds : array of shape (m, q)
        Their products with the parameters are not negative.
    """

    directions: Array
    bounds: Array


def moves(objective: Objective, theta: Array, slopes: Array, level: bool) -> Moves:
    """Return where other minima than ``theta`` can be by what the penalty says.

    Parameters
    ----------
    objective : Objective
        A loss with kinks. Coordinates are diagonal where the penalty is neither empty nor L2.
    theta : array of shape (q,)
        A minimum.
    slopes : array of shape (n,)
        Slopes of its rows.
    level : bool
        Whether the intercept may move where all coefficients are held.
    """
    q, size, penalty = objective.size, objective.data.size, objective.penalty
    none = np.zeros((0, q))
    if penalty.empty:
        return Moves(np.eye(q), none)
    intercept = np.eye(q)[:, size:]
    if penalty.euclidean or not penalty.convex:
        return Moves(intercept if level else intercept[:, :0], none)
    u = theta[:size]
    part = ColumnPenalty.of(objective, u)
    pulled = gradient_of(objective, slopes)[:size] / objective.total
    free, signed = _single(part, u, pulled) if part.labels is None else _grouped(part, u, pulled)
    columns = np.hstack([free, signed])
    if not columns.shape[1] and not level:
        return Moves(intercept[:, :0], none)
    coefficients = np.zeros((q, columns.shape[1]))
    coefficients[:size] = columns
    return Moves(np.hstack([coefficients, intercept]), coefficients[:, free.shape[1] :].T)


def _single(part: ColumnPenalty, u: Array, pulled: Array) -> tuple[Array, Array]:
    """Axes of columns that nothing holds, and signed axes of those that are bounded on one side."""
    axes, movable = np.eye(len(u)), ~part.removed & (part.l2 == 0)
    free = movable & (part.l1 == 0) & (not part.positive)
    edge = EQUAL * np.maximum(part.l1, 1.0 if part.positive else 0.0)
    force = -pulled if part.positive else np.abs(pulled)
    bounded = movable & ~free & ((u != 0) | (force >= part.l1 - edge))
    sign = np.where(part.positive, 1.0, np.where(u != 0, np.sign(u), -np.sign(pulled)))
    return axes[:, free], (axes * sign)[:, bounded]


def _grouped(part: ColumnPenalty, u: Array, pulled: Array) -> tuple[Array, Array]:
    """The same beside norms of groups, whose coefficients keep their ratios."""
    assert part.labels is not None
    free = ~part.removed & (part.l1 == 0)[part.labels]
    force, norm = sizes(part.by_unit(pulled), part.labels), sizes(part.unit * u, part.labels)
    bounded = (part.l1 > 0) & ((norm > 0) | (force >= part.l1 * (1 - EQUAL)))
    along = np.where((norm > 0)[part.labels], u, -part.by_unit(part.by_unit(pulled)))
    axes = np.where(part.labels[:, None] == np.flatnonzero(bounded), along[:, None], 0.0)
    length = np.sqrt(np.sum(axes**2, axis=0))
    return np.eye(len(u))[:, free], axes / np.where(length > 0, length, 1.0)
