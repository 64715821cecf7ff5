"""The whole piecewise linear problem as one linear program, dense or sparse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.objective import Objective
from robustreg.solvers._kinked import certified, offsets, rows_of
from robustreg.solvers._result import Result, linprog
from robustreg.solvers._rows import Vertex


def solve_program(
    objective: Objective,
    *,
    method: str = "highs",
    tol: float,
    options: dict[str, Any] | None = None,
) -> Result:
    """Minimise a piecewise linear loss plus an L1 penalty by HiGHS on all rows.

    Slower than :func:`~robustreg.solvers.solve_kinked` but free of dense copies, so it serves wide
    sparse X as well.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; its penalty is L1 or has ``alpha=0``.
    method : {"highs", "highs-ds", "highs-ipm"}
        Method of :func:`scipy.optimize.linprog`.
    tol : float
        Relative duality gap that counts as solved.
    options : dict, optional
        Options of :func:`scipy.optimize.linprog`.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_kinked`; ``message`` is the one of HiGHS.
    """
    centred = objective
    if is_sparse(objective.data.X):
        # sparse rows are not centred: the program's intercept is the one of the columns as they are
        objective = replace(objective, data=objective.data.uncentred())
    kept = np.arange(objective.data.n_rows)
    rows = rows_of(objective, np.zeros(len(kept)), kept)
    unit = float(np.abs(rows.weight).max())
    found = linprog(
        rows.position,
        A_eq=rows.X.T.tocsc() if is_sparse(rows.X) else rows.X.T,
        b_eq=-rows.linear / unit,
        bounds=np.column_stack([rows.lower, rows.upper]) / unit,
        method=method,
        options=options or {},
    )
    theta: Array = np.zeros(objective.size) if found.x is None else found.eqlin.marginals
    slopes = np.zeros(len(rows.weight)) if found.x is None else found.x * unit
    vertex = Vertex(theta, np.clip(slopes, rows.lower, rows.upper), max(int(found.nit), 1), True)
    now = offsets(objective, theta)
    outcome = certified(objective, rows, vertex, kept, now, now, tol)
    status = 0 if outcome["success"] else 1 if found.status == 1 else 2
    if objective is not centred:
        coef = objective.data.coordinates.coef(objective.split(theta)[0])
        theta[-1] += centred.data.intercept * float(centred.data.coordinates.center @ coef)
    return Result(x=theta, nit=vertex.nit, status=status, message=found.message, **outcome)
