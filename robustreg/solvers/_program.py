"""The whole piecewise linear problem as one linear program, dense or sparse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import diagonal
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._dual import interpolated
from robustreg.solvers._kinked import rows_of
from robustreg.solvers._kinked_proof import certified
from robustreg.solvers._kinks import offsets
from robustreg.solvers._result import Result, linprog
from robustreg.solvers._rows import Rows, Vertex


def solve_program(
    objective: Objective,
    theta: Array,
    control: Control,
    *,
    method: str = "highs",
    options: dict[str, Any] | None = None,
) -> Result:
    """Minimise a piecewise linear loss plus an L1 penalty by HiGHS on all rows.

    Slower than :func:`~robustreg.solvers.solve_piecewise` but free of dense copies, so it serves wide
    sparse X as well.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; its penalty is L1 or has ``alpha=0``.
    theta : array
        As all solvers take one; HiGHS has no use for it.
    control : Control
        Relative duality gap that counts as solved. A program is one iteration.
    method : {"auto", "highs", "highs-ds", "highs-ipm"}
        Method of :func:`scipy.optimize.linprog`; "auto" is "highs" where the rows cannot all be fitted
        exactly.
    options : dict, optional
        Options of :func:`scipy.optimize.linprog`.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`; ``message`` is the one of HiGHS.
    """
    if method == "auto":
        exact = interpolated(objective)
        if exact is not None:
            control.step(exact.x, exact.fun)
            return exact
        method = "highs"
    centred = objective
    if not objective.data.dense:
        # sparse rows are not centred: the program's intercept is the one of the columns as they are
        objective = replace(objective, data=objective.data.uncentred())
    kept = np.arange(objective.data.n_rows)
    rows = rows_of(objective, np.zeros(len(kept)), kept, dense=False)
    found, vertex = _solved(rows, len(kept), method, options or {})
    now = offsets(objective, vertex.theta)
    outcome = certified(objective, rows, vertex, kept, 0.0 * now, now, control.tol)
    status = 0 if outcome["success"] else 1 if found.status == 1 else 2
    result = Result(x=vertex.theta, status=status, message=found.message, **outcome)
    if found.x is None:
        result.advice = (
            f"HiGHS ended without a solution ({found.message.strip()}), and the coefficients are "
            'zero. Use solver="exact", or give it more time by solver_options.'
        )
    if objective is not centred and centred.data.intercept:
        result.x[-1] += centred.data.held.center @ centred.data.held.coef(result.x[:-1])
    control.step(result.x, result.fun)
    return result


def _solved(rows: Rows, n: int, method: str, options: dict[str, Any]) -> tuple[Result, Vertex]:
    """Solve the dual by HiGHS, by another of its methods where one ends without an answer.

    The program is scaled: its tolerances are absolute, and it takes small entries for zeros. The
    first ``n`` rows are those of the data, the others the coefficients of an L1 penalty.
    """
    weight, X = rows.weight, rows.X
    size, slopes = X.shape[1], np.clip(0.0, rows.lower, rows.upper)
    steep = np.maximum(-rows.lower, rows.upper)
    live = np.arange(size)
    if len(weight) > n:
        # A penalty above all that the data can set against it: the coefficient is zero.
        most, least = abs(X[:n]).T @ steep[:n], abs(X[n:]).T @ steep[n:]
        live = np.flatnonzero((least <= most) | (least == 0))
    kept = np.concatenate([np.arange(n), n + np.flatnonzero(abs(X[n:][:, live]).sum(axis=1))])
    A = _times(X[kept][:, live], weight[kept])
    largest = np.asarray(abs(A).max(axis=0).todense() if is_sparse(A) else np.abs(A).max(axis=0))
    scale = 1 / np.where(largest > 0, largest, 1.0).ravel()
    A = _times(A.T, scale)
    position = rows.position[kept] * weight[kept]
    unit = float(np.abs(position).max(initial=0.0)) or 1.0
    others = [name for name in ("highs-ds", "highs-ipm") if name != method]
    for name in (method, *others):
        found = linprog(
            position / unit,
            A_eq=A.tocsc() if is_sparse(A) else A,
            b_eq=-rows.linear[live] * scale,
            bounds=np.column_stack([rows.lower, rows.upper])[kept] / weight[kept, None],
            method=name,
            options=options,
        )
        if found.x is not None or found.status == 1:  # solved, or out of what the user granted
            break
    theta: Array = np.zeros(size)
    if found.x is not None:
        theta[live] = found.eqlin.marginals * scale * unit
        slopes[kept] = found.x * weight[kept]
        # what balances the coefficients that are zero
        slopes[n:] = np.where(
            np.isin(np.arange(n, len(weight)), kept),
            slopes[n:],
            -(X[n:] @ (X[:n].T @ slopes[:n] + rows.linear)),
        )
    slopes = np.clip(slopes, rows.lower, rows.upper)
    return found, Vertex(theta, slopes, True)


def _times(X: Any, factor: Array) -> Any:
    """Multiply the rows of a dense or sparse matrix."""
    return diagonal(factor) @ X if is_sparse(X) else factor[:, None] * X
