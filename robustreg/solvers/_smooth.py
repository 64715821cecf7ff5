"""Minima of smooth losses, from a subsample to all rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import subsample_size
from robustreg.objective import Objective
from robustreg.sampling import draw_by, drawn, spread_rows, uneven
from robustreg.solvers._alike import AlikeMetric, alike_metric
from robustreg.solvers._certificates import DISTANCE, has_hessian, optimality, relative_decrement
from robustreg.solvers._control import Control
from robustreg.solvers._kept_hessian import PAYS
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._newton import newton
from robustreg.solvers._preconditioner import own_curvature
from robustreg.solvers._result import Result, minimize
from robustreg.stored import has_heavy_rows

#: most coefficients for which a dense Hessian is formed
MAX_DENSE = 3000
#: and most outputs, whose Gram matrices, one for each pair, take longer than some tens of products with more
MAX_OUTPUTS = 20
#: work of a Gram matrix from which on a Hessian is worth keeping over several steps (machine: logistic at 5,000 x 50
#: 9.2 -> 6.3 ms, of four classes at 1,000 x 40 13 -> 6.6 ms; below, passes cost as much)
KEEP_WORK = 4e6
#: of several outputs a Hessian takes as long as many passes, and steps that shrink the gradient to this share pay
#: (machine: of four classes at 1,000 x 200 45 ms in place of 67, at 5,000 x 20 14 in place of 17)
PAYS_OF_SEVERAL = 0.7
#: machine: operations of a Gram matrix that take as long as one of a pass (at 5,000 x 500 35 ms of 1.25e9, and 2 ms of
#: 1e7)
PASS = 10.0
#: evaluations below which a new Hessian is the better choice where a step does not pay (machine: three classes at
#: 2,000 x 100, where it is worth 3, take 9 ms in place of 13, Proposal 2 at 2,000 x 400, where it is worth 11, 45 in
#: place of 56; at 5,000 x 500 logistic regression, worth 13, takes 80 in place of 115)
MANY_PASSES = 12.0
#: rounding: gains below this share of the value say no more, and a line search among them would take all its trials
LEVEL = 16 * np.finfo(float).eps
#: trials of a line search of L-BFGS (machine: with 20 of SciPy fits of 25 tables took up to 52 passes, with 8 up to 33)
SEARCH = 8
#: rounding: a value per unit of weight at which margins are all but kept. A row that a kept Hessian counts though it is
#: beyond its margin leaves a gradient of the size of the penalty's. That is within a tol of 1e-8 where the value is below
#: 1e-6, of coefficients of a hundred; beside a far entry, whose column has a large unit, some times as far. (machine:
#: from 1e-3 on wide tables at the default alpha would pay for one more Hessian, 8 ms in place of 5 at 200 x 2,000)
APART = 1e-5
#: times that an end which is not proved is gone on from
AGAIN = 3
#: and the gradient that is asked for then, as a share of that at the end
TIGHTER = 0.01
#: what rounding leaves of a mean of residuals, y having spread one
NOISE = 4 * float(np.finfo(float).eps)
#: rows by which the effect of a step on the predictions is judged
SOME = 1024
#: tol of a fit to a sample, whose optimum is some hundredths away from that of all rows anyway
ROUGH = 1e-2


def choose_method(objective: Objective) -> str:
    """Return the method that "auto" stands for: "newton", or "newton-cg" for wide data or many outputs."""
    few = (objective.n_outputs or 1) <= MAX_OUTPUTS
    dense = few and objective.size <= MAX_DENSE and objective.data.has_gram
    return "newton" if dense else "newton-cg"


def solve_smooth(
    objective: Objective,
    theta: Array,
    control: Control,
    *,
    method: str = "auto",
    at_least: int = 0,
    lower: Array | None = None,
    metric: Any = None,
    known: tuple[Any, ...] | None = None,
) -> Result:
    """Minimise a smooth objective on all rows.

    Parameters
    ----------
    objective : Objective
        Smooth loss and penalty.
    theta : array
        Start.
    control : Control
        Largest gradient entry that counts as solved, and iterations that are left.
    method : {"auto", "newton", "newton-cg", "lbfgs"}
        How; see :func:`choose_method`.
    at_least : int
        Iterations at the least.
    lower : array, optional
        Open lower bounds.
    metric : object, optional
        A factored Hessian of a similar objective, kept while its steps pay.
    known : tuple, optional
        What the objective says at ``theta``.

    Returns
    -------
    Result
        As of :func:`newton`, with :func:`~robustreg.solvers._certificates.optimality`.
    """
    if method == "auto":
        method = choose_method(objective)
    # a method that needs more iterations than these is helped where a Hessian costs next to nothing
    cheap = method != "newton" and has_hessian(objective)
    inner = control.phase(most=(control.left + 1) // 2) if cheap else control
    tol = control.tol
    if method == "lbfgs":
        found = _lbfgs(objective, theta, inner, at_least, lower)
    else:
        if method == "newton" and metric is None and control.left:
            metric = _known_hessian(objective, theta)
        more = {"at_least": at_least, "metric": metric, "known": known}
        options = _newton_options(objective, method, tol, inner, lower, **more)
        found = minimize(_function(objective, options), theta, method=newton, **options)
    _judge(objective, found, method, tol)
    for _ in range(AGAIN):
        rounded = cheap and found.status == 0 and _unsettled(objective, found, tol)
        undone = found.status in (1, 2) or rounded
        apart = found.status == 2 and _apart(objective, found)
        if not undone or (method == "newton" and not apart) or not control.left:
            break
        # Values tell the steps of L-BFGS apart no longer; slopes, which Newton asks then, still do. And
        # where the gradient is small because curvature is, only Newton's steps are long.
        norm, before = float(np.abs(found.jac).max(initial=0.0)), found
        method = "newton" if cheap or method == "newton" else "newton-cg"
        target = tol if norm > tol or (method == "newton" and not apart) else TIGHTER * norm
        options = _newton_options(objective, method, target, control, lower)
        found = minimize(_function(objective, options), found.x, method=newton, **options)
        _judge(objective, found, method, tol)
        if found.optimality > before.optimality and found.status != 99:
            return before
    return found


def _known_hessian(objective: Objective, theta: Array) -> AlikeMetric | None:
    """Return the Hessian at the start, where it is known for less than it costs and worth keeping."""
    work = objective.data.n_rows * objective.size**2
    return alike_metric(objective, theta) if work > KEEP_WORK else None


def _judge(objective: Objective, found: Result, method: str, tol: float) -> None:
    """Add how far the end is from the minimum; a status of 0 means that this is within ``tol``."""
    # Where classes are apart to this, rows within rounding of the edge of a margin leave gradients within tol, and a
    # Hessian that is kept may count their curvature, which is none at the end.
    metric = found.metric if method == "newton" and not _apart(objective, found) else None
    found.optimality = optimality(objective, found.x, found.fun, found.jac, metric)
    if found.status in (0, 2):
        found.status = 0 if found.optimality <= tol else 2
    found.success = found.status == 0


def _apart(objective: Objective, found: Result) -> bool:
    """Whether all margins are all but kept."""
    return objective.loss.classifies and found.fun <= APART


def _unsettled(objective: Objective, found: Result, tol: float) -> bool:
    """Whether rounding is all that speaks for an end: a Newton step may still make the gradient small."""
    return float(np.abs(found.jac).max(initial=0.0)) > _target(objective, tol)


def _target(objective: Objective, tol: float) -> float:
    """Return the gradient to which an objective is minimised; that of a scale has the size of its price."""
    unit = objective.unit
    return max(tol * (unit if objective.n_extra else 1.0), NOISE / unit)


def _newton_options(
    objective: Objective,
    method: str,
    tol: float,
    control: Control,
    lower: Array | None,
    at_least: int = 0,
    metric: Any = None,
    known: tuple[Any, ...] | None = None,
) -> dict[str, Any]:
    """How to call :func:`newton`, with dense Hessians or with their products."""
    unit = objective.unit
    options: dict[str, Any] = {
        "tol": _target(objective, tol), "control": control, "at_least": at_least, "lower": lower,
        "metric": metric, "known": known,
    }  # fmt: skip
    if method != "newton":
        options["precondition"] = partial(own_curvature, objective)
        return {"hessp": objective.hessp, "options": options}
    work = objective.data.n_rows * objective.size**2
    if work > KEEP_WORK or metric is not None or tol >= ROUGH:
        options["pays"] = PAYS_OF_SEVERAL if (objective.n_outputs or 1) > 1 else PAYS
    if work > KEEP_WORK:
        options["worth"] = _worth(objective)
    if objective.loss.additive:
        options["settled"] = lambda found, value: (
            relative_decrement(found, value, unit) <= DISTANCE * tol
        )
    return {"hess": objective.hess, "hessp": objective.hessp, "options": options}


def _function(objective: Objective, how: dict[str, Any]) -> Callable[..., Any]:
    """Return the function that newton calls; predictions travel with the point where products with the Hessian are to come."""
    options = how["options"]
    keep = "precondition" in options or options.get("worth", 1.0) > 1
    return partial(objective.evaluate, keep=keep)


def _worth(objective: Objective) -> float:
    """Return how many evaluations take as long as a factored Hessian; 1 where these are few, or passes cost more than time.

    So it is beside heavy rows: a step away they may have another curvature, and with it nearly all of the Hessian.
    """
    data = objective.data
    if not (data.here and data.dense) or has_heavy_rows(data.weight):
        return 1.0
    n, q, outputs = objective.data.n_rows, objective.size, objective.n_outputs or 1
    pairs = max(0.5 * outputs * (outputs - 1), 1.0)
    gram, factor = n * (q / outputs) ** 2 * pairs, q**3 / 3
    worth = (gram + factor) / (PASS * 4 * n * q)
    return worth if worth >= MANY_PASSES else 1.0


def _lbfgs(
    objective: Objective,
    theta: Array,
    control: Control,
    at_least: int,
    lower: Array | None,
) -> Result:
    """Limited-memory BFGS of scipy, told to stop at the gradient, or where values are level."""
    bounds = None
    if lower is not None:
        # an open bound, for scipy a closed one just inside
        bounds = [
            (low + 1e-10 * (at - low) if np.isfinite(low) else None, None)
            for low, at in zip(lower, theta, strict=True)
        ]

    def told(intermediate_result: Result) -> None:
        if control.step(intermediate_result.x, intermediate_result.fun):
            raise StopIteration

    options = {
        "gtol": control.tol,
        "ftol": LEVEL,
        "maxiter": control.left,
        "maxfun": 20 * control.left + 100,
        "maxcor": 20,
        "maxls": SEARCH,
    }
    found: Result = Result(**minimize(
        lambda at: objective.evaluate(at)[:2], theta, jac=True, method="L-BFGS-B", bounds=bounds, callback=told,
        options=options,
    ))  # fmt: skip
    if control.n_iter < at_least:
        control.count(min(at_least, control.left))
    found.status = control.status(float(np.abs(found.jac).max(initial=0.0)) <= control.tol)
    found.metric = None
    return found


def importance_of(objective: Objective) -> Array | None:
    """How much each row counts where some stand for all; None where rows by chance are as good."""
    data = objective.data
    importance = objective.loss.target.importance(data.y, data.weight)
    return importance if importance is not None and uneven(importance) else None


def on_sample(objective: Objective) -> Objective | None:
    """Return the objective on the sample that a large fit starts from, None for few rows."""
    if not objective.loss.additive or not objective.loss.convex:
        return None
    return on_drawn(objective)


def on_drawn(objective: Objective) -> Objective | None:
    """Return the objective on rows drawn by chance, None where there are few rows.

    Where classes or weights are uneven rows that count more are drawn with a larger chance.
    """
    size = subsample_size(objective.data)
    if not size:
        return None
    if not objective.data.here:
        return on_fetched(objective)
    importance = importance_of(objective)
    if importance is None:
        return on_rows(objective, drawn(objective.data.n_rows, size))
    return on_rows(objective, *draw_by(importance, size))


def on_fetched(objective: Objective) -> Objective:
    """Return the objective on the sample of rows that are elsewhere."""
    data: Any = objective.data
    share = data.sample.total / data.total
    return replace(objective, data=data.sample, penalty=objective.penalty.scaled(share))


def on_rows(
    objective: Objective, rows: Array, factor: Array | None = None, *, keep: bool = True
) -> Objective:
    """Return the objective on some rows, with their share of the penalty.

    Weights are multiplied by ``factor``, where it is given.
    """
    data = objective.data.subset(rows, keep=keep)
    share = len(rows) / objective.data.n_rows
    if factor is not None:
        weight = factor if data.weight is None else factor * data.weight
        data = data.with_target(data.y, weight)
        share = data.total / objective.data.total
    return replace(objective, data=data, penalty=objective.penalty.scaled(share))


def on_spread(objective: Objective) -> Objective:
    """Return the objective on a tenth of the rows, taken evenly from all of them.

    Or drawn as :func:`on_drawn` does.
    """
    n, columns = objective.data.n_rows, objective.size // (objective.n_outputs or 1)
    size = max(n // 10, min(100 * columns, n // 2), subsample_size(objective.data))
    importance = importance_of(objective)
    rows = (spread_rows(n, size),) if importance is None else draw_by(importance, size)
    return on_rows(objective, *rows, keep=False)


def largest_move(objective: Objective, step: Array) -> float:
    """How far a step moves the predictions, at the most of some rows."""
    data = objective.data
    if data.n_rows > SOME:
        data = data.subset(spread_rows(data.n_rows, SOME), keep=False)
    return float(np.abs(replace(objective, data=data).raw(step)).max())


def keeps_metric(objective: Objective, method: str) -> bool:
    """Whether the Hessian of some rows can stand for that of all."""
    return method in ("auto", "newton") and choose_method(objective) == "newton"


def kept_metric(objective: Objective, theta: Array, method: str) -> DenseMetric | None:
    """Return a Hessian made from a tenth of the rows, where Hessians are dense.

    It costs a tenth of a Gram matrix; its error, about ``sqrt(size / rows)``, is the factor by which
    each step on all rows shrinks the gradient before L-BFGS pairs improve it.
    """
    if not keeps_metric(objective, method):
        return None
    return DenseMetric(on_spread(objective).hess(theta))
