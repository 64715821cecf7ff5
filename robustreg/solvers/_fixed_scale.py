"""A residual loss at a given scale: one table says where its minimisation starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import subsample_size
from robustreg.objective import Objective
from robustreg.scales import mad
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._certificates import ROUNDING
from robustreg.solvers._control import Control
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._pieces import Ahead, has_pieces, look_ahead
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._problem import Problem
from robustreg.solvers._result import Plan, Result
from robustreg.solvers._smooth import keeps_metric, kept_metric, on_sample, solve_smooth
from robustreg.solvers._stacked import solve_stacked

#: gradient that says that a look ahead missed more rows than Newton, whose steps are passes, should find
MISSED = 1e-5
#: thresholds are approached from wide ones in steps of this factor
THRESHOLD_STEP = 0.2


class AtScale(NamedTuple):
    """A problem at a scale, its objective there, and a start that is close, if there is one."""

    problem: Problem
    sigma: float
    objective: Objective
    warm: Array | None = None


def plan_fixed(problem: Problem, sigma: float, theta: Array | None = None) -> Plan:
    """Return what minimises at a given scale; ``theta`` is a warm start.

    A smooth loss with a penalty that is smooth, too, by the first start of the table that serves.
    """
    task = AtScale(problem, sigma, problem.at(sigma), theta)
    if problem.loss.breakpoints:
        return _stacked(task)
    if problem.penalty.by_column:
        return _by_column(task)
    whole = problem.control.phase()
    for begin, serves in STARTS:
        start = begin(task) if serves(task) else None
        if start is not None:
            break
    assert start is not None
    control = problem.control.phase()
    solve = partial(
        solve_smooth, task.objective, start.theta, control,
        method=problem.method, at_least=int(theta is None and whole.n_iter == 0), **start.options,
    )  # fmt: skip
    return Plan(solve, partial(with_raw, ahead=start, control=control))


def solve_fixed(problem: Problem, sigma: float, theta: Array | None = None) -> Result:
    """Minimise as :func:`plan_fixed` says."""
    plan = plan_fixed(problem, sigma, theta)
    return plan.ended(plan.solve())


def _stacked(task: AtScale) -> Plan:
    problem = task.problem
    start = problem.start() if task.warm is None else task.warm
    solve = partial(
        solve_stacked, task.objective, start, problem.control,
        method=problem.method, warm=task.warm is not None,
    )  # fmt: skip
    return Plan(solve)


def _by_column(task: AtScale) -> Plan:
    start = np.zeros(task.problem.size) if task.warm is None else task.warm
    return Plan(partial(solve_by_column, task.objective, start, task.problem.control))


def _is_parabola(task: AtScale) -> bool:
    parabola = task.objective.loss.constant_curvature is not None
    return parabola and keeps_metric(task.objective, task.problem.method)


def _of_squares(task: AtScale) -> Ahead:
    """Return the minimum of a parabola of each residual: a Newton step from zero, and one that removes its rounding."""
    problem, objective = task.problem, task.objective
    here = objective.evaluate(np.zeros(problem.size), 2)
    metric = DenseMetric(here.hessian)
    theta = -metric.solve(here.gradient)
    known = objective.evaluate(theta)
    if np.abs(known.gradient).max(initial=0.0) > ROUNDING:
        theta = theta - metric.solve(known.gradient)
        known = objective.evaluate(theta)
    problem.control.count()
    return Ahead(theta, metric, known[:2], steps=1)


def _warm(task: AtScale) -> Ahead:
    assert task.warm is not None
    return nearer(task.problem, task.objective, task.warm, True)


def _of_l1(task: AtScale) -> Ahead:
    """Return the L1 fit, to which a narrow threshold is close; without noise that of least squares."""
    problem, start = task.problem, task.problem.start()
    if mad(problem.residual(start), problem.data.weight) <= task.sigma * (1 + 1e-9):
        return Ahead(start)  # as without noise, beside a penalty
    flat, zero = problem.flat(problem.steepest(task.sigma)), np.zeros(problem.size)
    return Ahead(solve_piecewise(flat, zero, problem.control.phase(spare=1)).x)


def _of_sample(task: AtScale) -> Ahead | None:
    """Return what is near the minimum on a sample, None where there is no need of one."""
    small = on_sample(task.objective)
    if small is None:
        return None
    inner = task.problem.on(small)
    control = inner.control.phase()
    theta = _narrowed(inner, task.sigma, control)
    first = int(control.n_iter == 0)
    found = solve_smooth(inner.at(task.sigma), theta, control, method=inner.method, at_least=first)
    return nearer(task.problem, task.objective, found.x, False)


def _of_wide(task: AtScale) -> Ahead:
    return Ahead(_narrowed(task.problem, task.sigma, task.problem.control.phase()))


def _narrowed(problem: Problem, sigma: float, control: Control) -> Array:
    """Return the minimum at a threshold that is wider: Newton never meets a band without rows."""
    theta, method = problem.start(), problem.method
    if problem.loss.threshold and np.isfinite(sigma):
        wide = mad(problem.residual(theta), problem.data.weight)
        while wide > sigma / THRESHOLD_STEP and control.left > 1:
            part = control.phase(tol=1e-4)
            theta = solve_smooth(problem.at(wide), theta, part, method=method).x
            wide *= THRESHOLD_STEP
    return theta


def nearer(problem: Problem, objective: Objective, theta: Array, warm: bool) -> Ahead:
    """Return a better start where psi is a line cut off, or else a Hessian of some rows."""
    control = problem.control
    pieces = keeps_metric(objective, problem.method) and has_pieces(objective)
    if pieces and control.left:
        tol, most = 0.1 * control.tol, control.left
        ahead = look_ahead(objective, theta, tol, most)
        if ahead.norm > MISSED and 0 < ahead.steps < most:
            again = look_ahead(objective, ahead.theta, tol, most - ahead.steps)
            ahead = again._replace(steps=ahead.steps + again.steps)
        # one that found nothing to gain was one, too
        control.count(ahead.steps or int(ahead.norm <= control.tol))
        return ahead
    metric = problem.metric if warm else None
    if control.left and metric is None and subsample_size(problem.data):
        metric = kept_metric(objective, theta, problem.method)
    return Ahead(theta, metric)


def with_raw(found: Result, *, ahead: Ahead, control: Control) -> Result:
    """Add the raw predictions of a start that was the minimum."""
    if control.n_iter == 0 and ahead.raw is not None and np.array_equal(found.x, ahead.theta):
        found.raw = ahead.raw
    return found


#: starts of Newton's method, of which the first that serves counts
STARTS: tuple[tuple[Callable[[AtScale], Ahead | None], Callable[[AtScale], bool]], ...] = (
    (_of_squares, _is_parabola),
    (_warm, lambda task: task.warm is not None),
    (_of_l1, lambda task: task.problem.narrow(task.sigma)),
    (_of_sample, lambda task: bool(task.problem.loss.threshold)),
    (_of_wide, lambda _: True),
)
