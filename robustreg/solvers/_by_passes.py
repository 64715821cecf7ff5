"""Smooth residual losses on rows that are elsewhere: from a sample, or the L1 fit, then Newton by passes over all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._at_scale import Given, Scale
from robustreg.solvers._columns_by_passes import solve_columns_by_passes
from robustreg.solvers._pieces import Ahead
from robustreg.solvers._pieces_by_passes import Early, look_ahead_by_passes
from robustreg.solvers._preliminary import Rank
from robustreg.solvers._problem import Problem
from robustreg.solvers._result import Result
from robustreg.solvers._scale import SUSPECT
from robustreg.solvers._smooth import ROUGH, keeps_metric, solve_smooth
from robustreg.solvers._stage_by_passes import stage_by_passes


def solve_by_passes(
    problem: Problem, scale: Scale, rank: Rank, theta: Array | None = None
) -> Result:
    """Minimise a smooth, convex loss of residuals by passes alone.

    Parameters
    ----------
    problem : Problem
        Its data are :class:`~robustreg.remote.TableData`.
    scale : Scale
        One that :meth:`~robustreg.solvers.Scale.objective` puts as one smooth function, or that of the L1 fit.
    rank : Rank
        Of the table.
    theta : array, optional
        Warm start, the scale last where there is one.

    Returns
    -------
    Result
        As of :meth:`~robustreg.solvers.Scale.plan`.

    Raises
    ------
    ValueError
        If the scale is zero, or the sample does not tell.
    """
    objective = scale.objective(problem, rank)
    if objective is None:
        return _about_l1(problem, rank, theta)
    if theta is None:
        theta = _by_sample(problem, scale, rank)
    theta = theta[: objective.size]
    found = _from(problem, scale, objective, theta)
    found.x = scale.with_scale(found.x)
    return found


def _from(
    problem: Problem, scale: Scale, objective: Objective, theta: Array, ahead: Ahead | None = None
) -> Result:
    """Minimise a smooth function from a start, or from what is known already."""
    how: dict[str, Any] = {}
    if scale.joint:
        if not theta[-1] > SUSPECT[0]:
            raise ValueError(NO_SCALE)
        lower = np.full(len(theta), -np.inf)
        lower[-1] = 0.0
        how["lower"] = lower
    control = problem.control
    if problem.penalty.by_column:
        found = solve_columns_by_passes(objective, theta, control, warm=True)
    else:
        if keeps_metric(objective, problem.method):
            if ahead is None:
                ahead = look_ahead_by_passes(objective, theta, control)
            control.count(ahead.steps)
            theta, how["metric"], how["known"] = ahead.theta, ahead.metric, ahead.known
        first = int(control.n_iter == 0)
        found = solve_smooth(
            objective, theta, control, method=problem.method, at_least=first, **how
        )
    if scale.joint and not found.x[-1] > SUSPECT[0]:
        raise ValueError(NO_SCALE)
    return found


def _about_l1(problem: Problem, rank: Rank, theta: Array | None) -> Result:
    """Fit by least absolute errors, and then at the scale of these residuals.

    As :class:`~robustreg.solvers.AboutL1` does: ``optimality`` is the worse of the two.
    """
    start = None if theta is None else theta[: problem.size]
    expands = keeps_metric(problem.at(1.0), problem.method) and not problem.penalty.by_column
    early = Early(problem) if expands else None
    stage = stage_by_passes(problem.phase(spare=1), rank, start, early)
    flat, sigma = stage.found, stage.sigma
    if sigma == 0 or problem.control.stopped:
        found = Result(x=stage.theta, status=flat.status, optimality=0.0)
    else:
        start = stage.theta if start is None else start
        ahead = None if early is None else early.ahead(sigma, problem.control)
        found = _from(problem, Given(sigma), problem.at(sigma), start, ahead)
    found.x = np.append(found.x, sigma)
    found.optimality = max(found.optimality, flat.optimality)
    return found


NO_SCALE = (
    "So many rows lie on one hyperplane that the scale is zero, which is decided by an L1 fit, and that "
    "needs the rows in memory: fit to X.compute() or to a memory-mapped file, or give scale a number."
)


def _by_sample(problem: Problem, scale: Scale, rank: Rank) -> Array:
    """Return the fit to the sample, to be improved on all rows."""
    sample: Any = problem.data.sample  # type: ignore[attr-defined]
    share = sample.total / problem.data.total
    few = replace(
        problem, data=replace(sample, explicit=True), penalty=problem.penalty.scaled(share),
        control=problem.control.phase(tol=max(ROUGH, problem.control.tol), spare=1),
    )  # fmt: skip
    return scale.solve(few, rank).x
