"""The minimum of a loss with one kink a row on a small table: by vertices, or by active sets beside a penalty.

All rows are one program there, and folding, envelopes and samples cost more calls than they save.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._active_set import descend
from robustreg.solvers._central_path import Inside, further
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Seen, at_best_constant
from robustreg.solvers._kinked_proof import proof
from robustreg.solvers._programs import WIDE, vertex_near
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import add_penalty

#: rows up to which all are one program: at 2,500 x 19 that takes three quarters of the time of folding, at 1,000 x 58 a
#: sixth to a half, at 5,000 x 9 as much or more
ROWS = 2_500
#: cells up to which, without a penalty, reweighted least squares come near in less time than the path: at 200 x 5
#: with six steps, where offsets below a thousandth of their mean count as that
FEW, STEPS, ALIKE = 2_000, 6, 1e-3
#: before the path two steps, where offsets below their mean count as that: at 1,000 x 10 they save three of the path
BEFORE, MEAN = 2, 1.0
#: share of the value at the start that is left as a gap where the path ends: most rows on their kinks are known
CLOSE = 3e-3
#: and steps along it at the most
MOST = 12
#: at its start, distance from all kinks as a share of the mean offset, and share of its range that a slope may use
AWAY, USED = 0.3, 0.8
#: offsets below this share of the median one count as that
LEAST = 1e-6


def solve_small(objective: Objective, theta: Array, control: Control) -> Result | None:
    """Minimise a piecewise linear loss, beside an L2 penalty or none, of few rows.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`.
    theta : array
        Start.
    control : Control
        Relative duality gap that counts as solved; a minimum that is found is one iteration.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`. None where the table is not small, no iteration is left,
        or there is no minimum that is one point, found and proven.

    References
    ----------
    Hunter, D. R. and Lange, K. (2000). Quantile regression via an MM algorithm. Journal of Computational
    and Graphical Statistics 9, 60-77.
    """
    data = objective.data
    small = data.single and objective.penalty.euclidean and data.n_rows <= ROWS
    if not small or objective.size > WIDE or not control.left:
        return None
    kinks: Any = objective.loss.kinks(data.y)
    X, n = data.whole().X, data.n_rows
    weight = (
        np.full(n, 1 / objective.total) if data.weight is None else data.weight / objective.total
    )
    position = kinks.position + np.zeros(n)
    hidden = objective.join(data.hidden, 0.0)
    lower, upper = weight * kinks.lower, weight * kinks.upper
    rows = Rows(X, position, lower, upper, weight, np.zeros(len(theta)), None, hidden, data.base)
    rows = add_penalty(rows, objective)
    if rows.quadratic is not None:
        theta, share = _along_path(rows, theta)
        held = share.argsort()[-len(theta) :]
        end = descend(rows, theta, held[share[held] > 1])
    elif X.size > FEW:
        end = vertex_near(rows, _along_path(rows, theta)[1])
    else:
        end = vertex_near(rows, _nearness(rows, _reweighted(rows, theta, STEPS, ALIKE), ALIKE))
    if end is None:
        return None
    theta, slopes = end

    folded = Seen(0.0, 0.0, rows.linear, partial(at_best_constant, objective))
    found, exact = proof(objective, rows, Vertex(theta, slopes, True), rows.offsets(theta), folded)
    if not found.value <= control.tol:
        return None
    ended = Result(x=theta, fun=found.objective, status=0, success=True, optimality=found.value)
    ended.slopes, ended.offsets, ended.zero = slopes * objective.total, exact, exact == 0
    ended.determined = rows.quadratic is None and np.count_nonzero(ended.zero) == len(theta)
    if control.step(theta, found.objective):
        ended.status = 99
    return ended


def _reweighted(rows: Rows, theta: Array, steps: int, least: float) -> Array:
    """Return a point nearer to the minimum, by parabolas that touch the terms from above.

    Offsets below this share of their mean count as that: the parabola of a row on its kink has no end.
    """
    X, middle = rows.X, 0.5 * (rows.lower + rows.upper)
    half, fixed = 0.5 * (rows.upper - rows.lower), middle @ X + rows.linear
    for _ in range(steps):
        s = rows.offsets(theta)
        size = np.abs(s)
        mean = float(size.mean())
        if mean == 0:
            break
        bend = half / np.maximum(size, least * mean)
        square, pull = X.T.dot(bend[:, None] * X), (bend * s) @ X + fixed
        if rows.quadratic is not None:
            square += rows.quadratic
            pull += rows.quadratic @ theta
        factor = cholesky(square)
        if factor is None:
            break
        theta = theta - solve_factored(factor, pull)
    return theta


def _along_path(rows: Rows, theta: Array) -> tuple[Array, Array]:
    """Return a point near the minimum, and how likely each row is to be on its kink there: above one, it is.

    That is how far its slope is from its bounds, as a share of its range, over its offset in typical ones.
    """
    value, width = rows.value(theta), rows.upper - rows.lower
    theta = _reweighted(rows, theta, BEFORE, MEAN)
    s = rows.offsets(theta)
    mean = float(np.abs(s).mean()) or 1.0
    inside = 0.5 * width * np.minimum(np.maximum(s / mean, -USED), USED)
    point = Inside.start(rows, theta, 0.5 * (rows.lower + rows.upper) + inside, AWAY * mean)
    for _ in range(MOST):
        if not point.gap > CLOSE * value:
            break
        ahead = further(point, point.dual())
        if ahead is None or not np.isfinite(ahead.gap):
            break
        point = ahead
    return point.theta, point.room.min(axis=0) / width * _nearness(rows, point.theta, LEAST)


def _nearness(rows: Rows, theta: Array, least: float) -> Array:
    """Return the reciprocals of the offsets, in typical ones, of which they are at least that share."""
    size = np.abs(rows.offsets(theta))
    middle = len(size) // 2
    typical = float(np.partition(size, middle)[middle]) or 1.0
    nearness: Array = typical / np.maximum(size, least * typical)
    return nearness
