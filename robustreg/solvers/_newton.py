"""Newton's method with a Hessian that is renewed only when the step stops paying."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._control import Control
from robustreg.solvers._kept_hessian import SAME, KeptHessian
from robustreg.solvers._line_search import LineSearch, Point
from robustreg.solvers._metrics import DenseMetric, IterativeMetric
from robustreg.solvers._result import Result

#: a step this many times tol is as good as none
STEP = 100.0
#: a gradient below this share of tol is left where it is, however long the next step: rows of weight 1e15 make those
#: of the others as small and no smaller, and on the way to infinity every step is as long as the last (rounding)
NOTHING = float(np.finfo(float).eps)
#: and one below this changes no evaluation by more than its rounding
LAST_PLACES = 1e-12
#: steps in a row that leave values level and shrink no gradient, after which none is expected to
STALLED = 4
#: residual of the last step where it is found by conjugate gradients: its decrement is right to a hundredth
LAST_FORCING = 0.1


# Longer than other functions: a fifth are parameters, as SciPy passes them, and function and Hessian are called in
# the loop itself, so that between an estimator and the formula of its loss there are few calls.
def newton(
    fun: Callable[..., Any],
    x0: Array,
    args: tuple[Any, ...] = (),
    *,
    jac: Callable[..., Array] | None = None,
    hess: Callable[..., Any] | None = None,
    hessp: Callable[..., Array] | None = None,
    callback: Callable[..., Any] | None = None,
    control: Control | None = None,
    metric: Any = None,
    known: tuple[Any, ...] | None = None,
    lower: Array | None = None,
    tol: float = 1e-8,
    maxiter: int = 100,
    at_least: int = 0,
    pays: float = SAME,
    worth: float = 1.0,
    nothing: float = NOTHING,
    settled: Callable[[float, float], bool] | None = None,
    precondition: Callable[[Array], Any] | None = None,
    **unused: Any,
) -> Result:
    """Minimise a function with a damped, lazily renewed Newton iteration.

    A ``method`` for :func:`scipy.optimize.minimize`. Between renewals the kept Hessian is
    corrected by limited-memory BFGS pairs. Steps keep strictly inside ``lower``.

    Parameters
    ----------
    fun, jac, hess, hessp : callable
        Value, gradient, and either the dense Hessian or its products. Without ``jac``, ``fun`` returns value,
        gradient and, where it knows them, predictions, which are handed to ``hess``, and the Hessian.
    x0 : array of shape (n,)
        Start, strictly inside the bounds.
    args : tuple
        Further arguments of the callables.
    callback, maxiter
        Of :class:`~robustreg.solvers.Control`, where there is none.
    control : Control, optional
        Iterations that are left, and who is told of them.
    metric : object with a method ``solve``, optional
        A factored Hessian to begin with.
    known : tuple, optional
        What ``fun`` and ``jac`` say at ``x0``, which was found by steps of which the control has yet to tell.
    lower : array of shape (n,), optional
        Open lower bounds.
    tol : float
        Largest entry of the gradient at which to stop.
    at_least : int
        Iterations before the gradient is looked at.
    pays : float, default=1e-4
        A Hessian is kept where a step with it shrinks the gradient to this share: to 1/2, where it costs much more
        than a gradient.
    worth : float, default=1.0
        Evaluations that take as long as a Hessian. One is kept for as many steps that do not pay: a new one for each
        would take as long, and few would be better. So it is in the first half of the iterations, and until one was kept
        in vain. Beyond one ``hessp`` is needed as well: the end is then judged by products with the Hessian there.
    nothing : float
        Share of tol at which a gradient is small enough, however long the step. 0 where what follows needs the exact minimum.
    settled : callable, optional
        Asked with a small gradient whether the Newton decrement is small beside the value, too.
    precondition : callable, optional
        Asked at a point for about the inverse of the Hessian, a callable or None, for products.

    Returns
    -------
    Result
        ``x, fun, jac, nit, nhev, success, status, message, metric``; ``status`` is 0 (converged),
        1 (``maxiter``), 2 (no further progress in floating point) or 99 (stopped by callback).

    References
    ----------
    Nocedal, J. and Wright, S. J. (2006). Numerical Optimization, chapters 3, 6 and 7.
    """
    control = control or Control(tol, maxiter, callback)
    evaluate = fun if jac is None else lambda x, *also: (fun(x, *also), jac(x, *also))
    kept, x = KeptHessian(metric, pays, worth), np.array(x0, dtype=float)
    at = Point(x, *(evaluate(x, *args) if known is None else known))
    nit, stalled, least, stuck = 0, 0, at.norm, False
    if known is not None:
        control.tell(at.x, at.value)
    left = control.left
    while True:
        last, small = kept.metric, at.norm <= tol and nit >= at_least
        if (small and hess is None) or nit >= left:
            break
        if last is None and hess is not None:
            if at.hessian is None:
                at.hessian = hess(at.x, *args, *at.held)
            kept.renew(DenseMetric(at.hessian, kept.lift))
        elif last is None:
            near = None if precondition is None else precondition(at.x)
            kept.renew(_products(hessp, at, args, min(0.1, np.sqrt(at.norm)), near))
        last = kept.metric
        if small and kept.poor:  # it is far from the Hessian here, which a proof has to ask
            last = _products(hessp, at, args, LAST_FORCING, kept.solve)
            step = -last.solve(at.gradient)
        else:
            step = -kept.solve(at.gradient)
        slope = float(step @ at.gradient)
        if small and _is_end(at, step, slope, tol, settled, last if kept.pairs else None):
            at.x = _last_places(at.x, step, lower)
            break
        if small and at.norm <= nothing * tol:
            break
        search = LineSearch(at, step, slope, lower)
        while search.going:
            x = at.x + search.length * step
            search.judge(Point(x, *evaluate(x, *args)))
        if search.best is None:
            if slope < -search.rounding and kept.lift_more(at.hessian):
                continue
            if kept.fresh:
                stuck = True
                break
            kept.metric = None
            continue
        nit += 1
        before, at = at, search.best
        # compared with the least gradient so far: those of steps within rounding rise and fall
        level = at.value >= before.value - search.rounding
        stalled = stalled + 1 if level and at.norm > 0.5 * least else 0
        least, stuck = min(least, at.norm), stalled >= STALLED
        if control.step(at.x, at.value) or stuck:
            break
        moved, turned = at.x - before.x, at.gradient - before.gradient
        shrunk = at.norm / before.norm
        kept.after(moved, turned, search.taken, shrunk, level=level, late=2 * nit > left)
    status = 99 if control.stopped else 2 if stuck else 1
    if at.norm <= tol and (stuck or nit >= at_least) and status != 99:
        status = 0
    if nit < at_least and control.left:  # one that found nothing to gain was one, too
        control.count()
        nit += 1
    # one that steps which did not pay have left behind proves nothing here
    last = None if kept.poor and last is kept.metric else last
    return Result(
        x=at.x, fun=at.value, jac=at.gradient, nit=nit, nhev=kept.made, status=status, success=status == 0,
        message=_MESSAGES[status], metric=last,
    )  # fmt: skip


def _products(
    hessp: Callable[..., Array] | None, at: Point, args: tuple[Any, ...], forcing: float, near: Any
) -> IterativeMetric:
    """Return the Hessian at a point by its products."""
    assert hessp is not None
    return IterativeMetric(lambda v: hessp(at.x, v, *args, *at.held), forcing, near)


def _is_end(
    at: Point,
    step: Array,
    slope: float,
    tol: float,
    settled: Callable[[float, float], bool] | None,
    corrected: Any,
) -> bool:
    """Whether a point whose gradient is small is the end: the next step is short, and so is the Newton decrement.

    One row of weight 1e10 makes every gradient per unit of weight small, and so the step is asked as well. A
    certificate asks the Hessian that is kept without corrections: where there are any, ``corrected`` is this.
    """
    if not np.abs(step).max(initial=0.0) <= STEP * tol:
        return False
    if settled is None:
        return True
    square = -slope
    if corrected is not None:
        square = max(square, float(at.gradient @ corrected.solve(at.gradient)))
    return settled(float(np.sqrt(max(square, 0.0))), at.value)


def _last_places(x: Array, step: Array, lower: Array | None) -> Array:
    """Take a last step where it changes no evaluation: value and gradient stay those of before, which differ by rounding.

    The Hessian has the square of the condition number, and so has the rounding of what it was solved for; a gradient
    of residuals has not: the last places of x are free.
    """
    ahead = x + step
    inside = lower is None or bool(np.all(ahead > lower))
    return ahead if inside and np.abs(step).max(initial=0.0) <= LAST_PLACES else x


_MESSAGES = {
    0: "the gradient is within tol",
    1: "max_iter was reached",
    2: "no further progress is possible in floating point",
    99: "stopped by a callback",
}
