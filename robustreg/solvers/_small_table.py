"""The minimum of a loss with one kink a row on a small table: by vertices, or by active sets beside a penalty.

All rows are one program there, and folding, envelopes and samples cost more calls than they save.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.scales import weighted_median
from robustreg.solvers._active_set import descend
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._control import Control
from robustreg.solvers._kinked_proof import proof
from robustreg.solvers._programs import WIDE, vertex_near
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import add_penalty

#: cells of X up to which all rows are one program: at 1,000 x 10 folding is as quick
CELLS = 5_000
#: steps of reweighted least squares, each of which takes a third of the time of a vertex and saves about one
STEPS = 6
#: offsets below this share of their mean count as that: the weight of a row on its kink has no end
LEAST = 1e-3


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
    small = data.single and objective.penalty.euclidean and data.X.size <= CELLS
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
    if rows.quadratic is None:
        end = vertex_near(rows, _reweighted(rows, theta))
    else:
        end = descend(rows, theta)
    if end is None:
        return None
    theta, slopes = end

    def loss(s: Array) -> float:
        return float(np.maximum(lower * s, upper * s).sum())

    def constant() -> float:
        return loss(weighted_median(position, data.weight) - position)

    s = rows.offsets(theta)
    found, exact = proof(objective, rows, Vertex(theta, slopes, True), s, loss, 0.0, constant)
    if not found.optimality <= control.tol:
        return None
    ended = Result(x=theta, fun=found.value, status=0, success=True, optimality=found.optimality)
    ended.slopes, ended.offsets, ended.zero = slopes * objective.total, exact, exact == 0
    ended.determined = rows.quadratic is None and np.count_nonzero(ended.zero) == len(theta)
    if control.step(theta, found.value):
        ended.status = 99
    return ended


def _reweighted(rows: Rows, theta: Array) -> Array:
    """Return a point near the minimum, by parabolas that touch the terms from above."""
    X, middle = rows.X, 0.5 * (rows.lower + rows.upper)
    half, fixed = 0.5 * (rows.upper - rows.lower), middle @ X
    for _ in range(STEPS):
        s = rows.offsets(theta)
        size = np.abs(s)
        mean = float(size.mean())
        if mean == 0:
            break
        bend = half / np.maximum(size, LEAST * mean)
        factor = cholesky(X.T.dot(bend[:, None] * X))
        if factor is None:
            break
        theta = theta - solve_factored(factor, (bend * s) @ X + fixed)
    return theta
