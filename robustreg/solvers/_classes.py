"""Fits of classes: several outputs on the same rows, and losses whose gradient fades before they end.

A classification loss can become flat far from its optimum: where classes are nearly separable, its
gradient vanishes while the coefficients still grow. So a small gradient is not all that is asked
for here; the step that Newton would take next tells whether there is an end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg.losses import Loss
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._columns_by_passes import solve_columns_by_passes
from robustreg.solvers._control import Control
from robustreg.solvers._metrics import DenseMetric, IterativeMetric
from robustreg.solvers._preconditioner import own_curvature
from robustreg.solvers._result import Plan, Result
from robustreg.solvers._separation import separated
from robustreg.solvers._smooth import (
    choose_method,
    keeps_metric,
    on_sample,
    on_spread,
    solve_smooth,
)
from robustreg.stored import in_units_of_user

#: on few rows one Newton step more costs little, so the gradient is made as small as this
EXACT = 1e-12
#: and on many it is not, where a Gram matrix takes more work than this (machine)
MANY_WORK = 2e7
#: a step of this size next to a gradient that is nearly zero is one of many on the way to infinity
GROWING = 1e-4
#: rounding: a mean loss of classes that are separated, as far as numbers go
LOSSLESS = 1e-12
#: a subsample is solved to this gradient
ROUGH = 1e-4

MakePlan = Callable[[Objective, Array, Control], Plan]


def plan_settled(
    objective: Objective,
    theta: Array,
    control: Control,
    *,
    method: str = "auto",
    warm: bool = False,
    endless: bool = True,
) -> Plan:
    """Return what minimises a smooth objective and says whether it has a finite optimum.

    Parameters
    ----------
    objective : Objective
        Smooth loss and penalty.
    theta : array
        Start.
    control, method
        As of :func:`~robustreg.solvers.solve_smooth`.
    warm : bool
        Whether ``theta`` is so close that no sample is needed.
    endless : bool
        Whether the loss of a row that is clearly right falls for ever.

    Returns
    -------
    Plan
        Of a result as of :func:`~robustreg.solvers.solve_smooth`; ``growing`` says that the gradient is small
        but the next step is not, or that classes can be separated: no finite optimum exists.
    """
    if objective.penalty.by_column:
        if objective.data.here:
            solve = partial(solve_by_column, objective, theta, control)
        else:
            solve = partial(solve_columns_by_passes, objective, theta, control, warm=warm)
        return Plan(solve, partial(_with_free_columns, objective=objective, endless=endless))
    control, metric, known, tol = control.phase(), None, None, control.tol
    many = objective.data.n_rows * objective.size**2 > MANY_WORK
    small = None if warm or control.left < 2 else on_sample(objective)
    if small is not None:
        found = solve_smooth(small, theta, control.phase(tol=ROUGH, spare=1), method=method)
        theta = found.x
        if control.stopped:
            found.growing = False
            return Plan(lambda: found)
        if keeps_metric(objective, method):
            # One step on more rows first: the Hessian is the better for it, and kept for long. Where
            # classes are separated in the sample and not in these, the step has no end.
            more = on_spread(objective) if objective.data.here else objective
            if found.metric is not None:
                step = -found.metric.solve(more.evaluate(theta).gradient)
                if np.abs(step).max() <= 1 + np.abs(theta).max():
                    theta = theta + step
            if more is objective:
                here = objective.evaluate(theta, 2)
                metric, known = DenseMetric(here.hessian), here[:2]
            else:
                metric = DenseMetric(more.hess(theta))
    solve = partial(
        solve_smooth, objective, theta, control.phase(tol=tol if many else min(tol, EXACT)),
        method=method, at_least=int(control.n_iter == 0), metric=metric, known=known,
    )  # fmt: skip
    judge = partial(_judged, objective=objective, method=method, tol=tol, endless=endless)
    return Plan(solve, judge)


def _with_free_columns(found: Result, *, objective: Objective, endless: bool) -> Result:
    """Say of a fit with a penalty of single columns whether those that it leaves free separate the classes."""
    single = objective.n_outputs is None and found.status != 99
    found.growing = endless and single and _free_separate(objective, *objective.split(found.x)[:2])
    return found


def _judged(
    found: Result, *, objective: Objective, method: str, tol: float, endless: bool
) -> Result:
    """Say of a smooth fit whether it has no end."""
    step = np.abs(_next_step(objective, found, method)).max()
    small = np.abs(found.jac).max() <= tol
    found.growing = bool(small and step > GROWING * (1 + np.abs(found.x).max()))
    if endless and not found.growing and found.status != 99:
        found.growing = separated(objective, found.x)
    return found


def _free_separate(objective: Objective, u: Array, intercept: Any) -> bool:
    """Whether columns that a penalty of single columns leaves free separate the classes."""
    penalty, data = cast(Any, objective.penalty), objective.data
    free = np.flatnonzero(penalty.strength(data.size) == 0)
    if not len(free):
        return False
    if (
        penalty.positive
    ):  # a program that finds a direction has no signs: only where all rows are right is it known
        return objective.evaluate(objective.join(u, intercept)).value <= LOSSLESS
    part = replace(objective, data=data.columns(free), penalty=L2(0.0))
    return separated(part, part.join(u[free], intercept))


def _next_step(objective: Objective, found: Result, method: str) -> Array:
    """Return the Newton step at the end point, by the kept Hessian where there is one."""
    if found.metric is not None:
        return found.metric.solve(found.jac)
    if method in ("auto", "newton") and choose_method(objective) == "newton":
        return DenseMetric(objective.hess(found.x)).solve(found.jac)
    near = own_curvature(objective, found.x)
    metric = IterativeMetric(lambda v: objective.hessp(found.x, v), 0.1, near)
    return metric.solve(found.jac)


def plan_each(
    objectives: Sequence[Objective], start: Array, plan: MakePlan, control: Control
) -> Plan:
    """Return the plan of :func:`solve_each`; of one output it is that of its own fit."""
    if len(objectives) > 1:
        return Plan(partial(solve_each, objectives, start, plan, control))
    row = partial(np.array, ndmin=2)
    return plan(objectives[0], start[0], control.phase(view=row)).viewed(row)


def solve_each(
    objectives: Sequence[Objective], start: Array, plan: MakePlan, control: Control
) -> Result:
    """Solve one problem for each output.

    Parameters
    ----------
    objectives : sequence of Objective
        One for each output, all of one size.
    start : array of shape (n_outputs, size)
        Starts.
    plan : callable
        Called with an objective, its start and a control, returns the plan of one fit.
    control : Control
        Each fit may take all iterations that are left; the longest counts. It is told of the whole ``x``.

    Returns
    -------
    Result
        ``x`` of shape (n_outputs, size) and the worst of ``optimality`` and ``status``; ``fun`` is the sum and ``parts`` holds the single results.
    """
    x, parts, longest = start.copy(), [], 0

    def whole(part: Array, k: int) -> Array:
        x[k] = part
        return x.copy()

    for k, objective in enumerate(objectives):
        inner = control.phase(view=partial(whole, k=k))
        solve, ended = plan(objective, start[k], inner)
        found = ended(solve())
        x[k] = found.x
        longest = max(longest, inner.n_iter)
        control.count(-inner.n_iter)
        parts.append(found)
        if control.stopped:
            break
    control.count(longest)
    return Result(
        x=x,
        fun=sum(part.fun for part in parts),
        optimality=max(part.optimality for part in parts),
        status=max(part.status for part in parts),
        growing=any(part.get("growing", False) for part in parts),
        parts=parts,
    )


def plan_together(
    loss: Loss,
    objective: Callable[..., Objective],
    start: Array,
    plan: MakePlan,
    control: Control,
) -> Plan:
    """Return what solves for all outputs at once, where the loss sees differences between outputs only.

    Parameters
    ----------
    loss : Loss
        Of a row of ``n_outputs`` raw predictions.
    objective : callable
        Makes the objective of a loss; called with ``n_outputs`` as well.
    start : array of shape (n_outputs, size)
        Start.
    plan, control
        As of :func:`solve_each`.

    Returns
    -------
    Plan
        Of a result whose ``x`` has shape (n_outputs, size), each column of sum zero.
    """
    if objective(loss).penalty.by_column:
        return _plan_whole_scores(loss, objective, start, plan, control)
    basis = helmert(len(start))
    problem = objective(Contrasts(loss), n_outputs=len(basis))

    def outputs(theta: Array) -> Array:
        u, intercept, _ = problem.split(theta)
        columns = np.vstack([u, intercept]) if problem.data.intercept else u
        return basis.T @ columns.T

    phase = control.phase(view=outputs)
    return plan(problem, (basis @ start).T.ravel(), phase).viewed(outputs)


def _plan_whole_scores(
    loss: Loss, objective: Callable[..., Objective], start: Array, plan: MakePlan, control: Control
) -> Plan:
    """Return what solves for all outputs themselves, each of whose coefficients a penalty may hold at zero.

    Intercepts are free to move together, and so are coefficients that nothing penalises: in the user's units their
    sums are made zero, or the least of those that must not be negative.
    """
    problem = objective(loss, n_outputs=len(start))
    penalty = cast(Any, problem.penalty)
    free = penalty.strength(problem.data.size) == 0

    def outputs(theta: Array) -> Array:
        u, intercept, _ = problem.split(theta)
        common = u.min(axis=1) if penalty.positive else u.mean(axis=1)
        u = u - np.where(free, common, 0.0)[:, None]
        if not problem.data.intercept:
            return np.ascontiguousarray(u.T)
        return np.column_stack(
            [u.T, intercept - np.mean(in_units_of_user(problem.data, u, intercept)[1])]
        )

    def judged(found: Result) -> Result:
        if loss.endless and found.status != 99:
            basis, (u, intercept, _) = helmert(len(start)), problem.split(found.x)
            differences = objective(Contrasts(loss), n_outputs=len(basis))
            found.growing = _free_separate(differences, u @ basis.T, intercept @ basis.T)
        return found

    phase = control.phase(view=outputs)
    return plan(problem, start.T.ravel(), phase).then(judged).viewed(outputs)
