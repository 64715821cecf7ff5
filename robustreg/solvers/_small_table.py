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
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Seen, at_best_constant
from robustreg.solvers._kinked_proof import proof
from robustreg.solvers._near_kinks import along_path
from robustreg.solvers._programs import vertex_near
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import add_penalty

#: rows up to which all are one program: at 2,500 x 19 that takes three quarters of the time of folding, at 1,000 x 58 a
#: sixth to a half, at 5,000 x 9 as much or more
ROWS = 2_500
#: beside a penalty coefficients up to which that holds: active sets of more take longer than an interior point
PENALISED = 60


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
    """
    data = objective.data
    small = data.single and objective.penalty.euclidean and data.n_rows <= ROWS
    wide = objective.size > PENALISED and not objective.penalty.empty
    if not small or wide or not control.left:
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
    theta, share = along_path(rows, theta)
    if rows.quadratic is None:
        end = vertex_near(rows, share)
    else:
        held = share.argsort()[-len(theta) :]
        end = descend(rows, theta, held[share[held] > 1])
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
