"""Newton's method with a Hessian that is renewed only when the step stops paying."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._control import Control
from robustreg.solvers._result import Result

#: a step must bring at least this share of the decrease that its slope promises
SUFFICIENT = 1e-4
#: the largest share of the way to a bound that one step may go
TO_BOUND = 0.6
#: a step of which only this share can be taken was wrong in its direction as well
SHORT = 0.3
#: the slope along a short step at which it ends, as a share of that at its beginning
FLAT = 0.1
#: a gradient that shrinks to this share has all but vanished, as near a minimum by Newton's step
VANISHES = 0.01
#: a gradient that shrinks less than this by one step asks for a new Hessian
PAYS = 0.5
#: and one that shrinks to this share has seen its Hessian: near a minimum that is how much a step has changed it
SAME = 1e-4
#: a step this many times tol is as good as none
STEP = 100.0
#: and one below this changes no evaluation by more than its rounding
LAST_PLACES = 1e-12
#: curvature below which there is none
TINY = float(np.finfo(float).tiny)
#: residual of the last step where it is found by conjugate gradients: its decrement is right to a hundredth
LAST_FORCING = 0.1
#: pairs of steps and gradient changes that correct a kept Hessian
MEMORY = 12


class DenseMetric:
    """A Hessian, factored: ``solve(g)`` returns ``H^-1 g``.

    The matrix is scaled to unit diagonal and lifted as little as makes it positive definite. A coordinate
    without any curvature, or with one that is not finite, as where sums overflow, moves by its gradient.
    """

    def __init__(self, hessian: Array, lift: float = 0.0) -> None:
        self.finite = isfinite(hessian.sum()) or bool(np.isfinite(hessian).all())
        if not self.finite:  # LAPACK would not say so
            known = np.isfinite(hessian).all(axis=0)
            hessian = np.where(np.outer(known, known), hessian, 0.0)
        diagonal = np.abs(hessian.diagonal())
        if diagonal.min(initial=np.inf) > TINY:
            self.scale = 1 / np.sqrt(diagonal)
            scaled = hessian * self.scale * self.scale[:, None]
        else:
            bent = diagonal > TINY
            self.scale = 1 / np.sqrt(np.where(bent, diagonal, 1.0))
            scaled = hessian * self.scale * self.scale[:, None]
            scaled.flat[:: len(scaled) + 1] += np.where(bent, 0.0, 1.0)
        while True:
            factor = cholesky(scaled, lift)
            if factor is not None:
                break
            lift = max(10 * lift, 1e-12)
        self.factor = factor
        self.lift = lift
        self.scaled = scaled if lift else None

    def solve(self, gradient: Array) -> Array:
        return self.scale * solve_factored(self.factor, self.scale * gradient)

    def square(self, gradient: Array) -> float:
        """Return ``g' |H|^-1 g`` without the lift: a direction has no less curvature than rounding leaves of it."""
        if not self.finite:
            return float("inf")
        if self.scaled is None:
            return float(gradient @ self.solve(gradient))
        values, vectors = np.linalg.eigh(self.scaled)
        part = vectors.T @ (self.scale * gradient)
        return float(part @ (part / np.maximum(np.abs(values), np.finfo(float).eps * len(part))))


class IterativeMetric:
    """A Hessian known by its products: ``solve(g)`` runs conjugate gradients, with a preconditioner where there is one.

    It stops at the accuracy that a Newton step of the present gradient can use, or where the
    Hessian shows no curvature.
    """

    def __init__(
        self,
        product: Callable[[Array], Array],
        forcing: float,
        precondition: Callable[[Array], Array] | None = None,
    ) -> None:
        self.product, self.forcing, self.precondition = product, forcing, precondition
        self.lift, self.finite = 0.0, True
        self._solved: tuple[Array, Array] | None = None

    def solve(self, gradient: Array) -> Array:
        if self._solved is None or self._solved[0] is not gradient:
            step = conjugate_gradients(self.product, gradient, self.forcing, 200, self.precondition)
            self._solved = gradient, step
        return self._solved[1]

    def square(self, gradient: Array) -> float:
        """Return ``g' H^-1 g``, to the accuracy of the steps."""
        return float(gradient @ self.solve(gradient))


def conjugate_gradients(
    product: Callable[[Array], Array],
    gradient: Array,
    forcing: float,
    most: int = 200,
    precondition: Callable[[Array], Array] | None = None,
) -> Array:
    """Return about ``H^-1 g``, to a residual of ``forcing`` times the gradient in the preconditioner's norm."""

    def solved(residual: Array) -> Array:
        return residual if precondition is None else precondition(residual)

    step, residual = np.zeros_like(gradient), gradient.copy()
    direction = solved(residual).copy()
    square = float(residual @ direction)
    target = forcing**2 * square
    for _ in range(min(most, 2 * len(gradient))):
        if square <= target:
            break
        bent = product(direction)
        curvature = float(direction @ bent)
        if curvature <= 1e-14 * float(direction @ direction):
            break
        length = square / curvature
        step += length * direction
        residual -= length * bent
        ahead = solved(residual)
        square, before = float(residual @ ahead), square
        direction = ahead + square / before * direction
    return step if step.any() else gradient


class _State:
    """A point, what the function is there, and what else it has said of it."""

    __slots__ = ("gradient", "hessian", "norm", "raw", "value", "x")

    def __init__(
        self,
        x: Array,
        value: Any,
        gradient: Array,
        raw: Array | None = None,
        hessian: Array | None = None,
    ) -> None:
        self.x, self.value, self.gradient = x, float(value), gradient
        self.raw, self.hessian = raw, hessian
        self.norm = float(np.abs(gradient).max(initial=0.0))


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
    lazy: bool = False,
    pays: float = PAYS,
    worth: float = 1.0,
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
    lazy : bool
        Whether a Hessian is worth keeping (it costs much more than a gradient).
    pays : float, default=0.5
        A step with it pays where it shrinks the gradient to this share.
    worth : float, default=1.0
        Evaluations that take as long as a Hessian. One is kept for as many steps that do not pay: a new one for each
        would take as long, and few would be better. So it is in the first half of the iterations, and until one was kept
        in vain. Beyond one ``hessp`` is needed as well: the end is then judged by products with the Hessian there.
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

    def renew(state: _State, lift: float = 0.0) -> Any:
        if hess is not None:
            if state.hessian is None:
                held = () if state.raw is None else (state.raw,)
                state.hessian = hess(state.x, *args, *held)
            return DenseMetric(state.hessian, lift)
        near = None if precondition is None else precondition(state.x)
        return products(state, min(0.1, np.sqrt(state.norm)), near)

    def products(state: _State, forcing: float, near: Any) -> IterativeMetric:
        assert hessp is not None
        held = () if state.raw is None else (state.raw,)
        return IterativeMetric(lambda v: hessp(state.x, v, *args, *held), forcing, near)

    x0 = np.array(x0, dtype=float)
    state = _State(x0, *(evaluate(x0, *args) if known is None else known))
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=MEMORY)
    nit = nhev = 0
    status, stalled, lift, least = 99, 0, 0.0, state.norm
    fresh, poor = False, 0
    if known is not None:
        control.tell(state.x, state.value)
    left = control.left
    while True:
        last, small = metric, state.norm <= tol and nit >= at_least
        if (small and hess is None) or nit >= left:
            status = 99 if control.stopped else 0 if small else 1
            break
        if metric is None:
            metric, fresh, poor = renew(state, lift), True, 0
            nhev += 1
            pairs.clear()
        last = metric
        if small and poor:  # the metric is far from the Hessian here, which a proof has to ask
            last = products(state, LAST_FORCING, partial(_corrected, metric=metric, pairs=pairs))
        step = -_corrected(state.gradient, last, pairs if last is metric else ())
        # One row of weight 1e10 makes every gradient per unit of weight small: ask the step as well.
        slope = float(step @ state.gradient)
        if small and np.abs(step).max(initial=0.0) <= STEP * tol:
            square = -slope
            if (
                pairs and hess is not None
            ):  # a certificate asks the Hessian that is kept, without corrections
                square = max(square, float(state.gradient @ last.solve(state.gradient)))
            decrement = float(np.sqrt(max(square, 0.0)))
            if settled is None or settled(decrement, state.value):
                status = 0
                ahead = state.x + step
                inside = lower is None or bool(np.all(ahead > lower))
                if inside and np.abs(step).max(initial=0.0) <= LAST_PLACES:
                    # The Hessian has the square of the condition number, and so has the rounding of what it was
                    # solved for; a gradient of residuals has not: the last places of x are free. Value and
                    # gradient stay those of before, which differ by rounding.
                    state.x = ahead
                break
        following = None
        if slope < 0:
            following, length = _search(evaluate, args, state, step, slope, lower)
        if following is None:
            lifts = fresh and hess is not None and metric.finite and metric.lift < 1e8
            if lifts and slope < -noise(state.value):
                metric = renew(state, max(100 * metric.lift, 1e-6))
                nhev += 1
                continue
            if fresh:
                status = 0 if state.norm <= tol else 2
                break
            metric = None
            continue
        nit += 1
        # Levenberg's remedy where the Hessian promises too much: a band with few rows, say.
        # Small and short-lived: where rows far out in X have nearly all of the Hessian, a lift that
        # stays makes every later step tiny.
        if length < SHORT:
            lift = max(10 * lift, 1e-8)
        elif length > 0.9:
            lift = 0.0
        moved, turned = following.x - state.x, following.gradient - state.gradient
        shrunk = following.norm / state.norm
        # compared with the least gradient so far: those of steps within rounding rise and fall
        level = following.value >= state.value - noise(state.value)
        stalled = stalled + 1 if level and following.norm > 0.5 * least else 0
        state, least = following, min(least, following.norm)
        if control.step(state.x, state.value):
            break
        if stalled >= 4:
            status = 0 if state.norm <= tol else 2
            break
        # where values no longer tell, slow steps would be taken for the end
        enough = SAME if not lazy else min(pays, PAYS) if level else pays
        poor += shrunk > enough
        if length < SHORT or poor >= (1 if level or 2 * nit > left else worth):
            metric = None
            # where one Hessian was kept in vain the next would be, too: what is lost is at most what it takes
            worth = 1.0 if poor > 1 or length < SHORT else worth
        else:
            pairs.append((moved, turned, _share(moved, turned, metric) if worth > 1 else 1.0))
        fresh = False
    if nit < at_least and control.left:  # one that found nothing to gain was one, too
        control.count()
        nit += 1
    return Result(
        x=state.x,
        fun=state.value,
        jac=state.gradient,
        nit=nit,
        nhev=nhev,
        status=status,
        success=status == 0,
        message=_MESSAGES[status],
        # one that steps which did not pay have left behind proves nothing here
        metric=None if poor and last is metric else last,
    )


_MESSAGES = {
    0: "the gradient is within tol",
    1: "max_iter was reached",
    2: "no further progress is possible in floating point",
    99: "stopped by a callback",
}


def noise(value: float, size: float = 1.0) -> float:
    """Change of a value that rounding can make: of its sum, and of predictions of the given size, one at least."""
    return 1e-14 * abs(value) + 2e-16 * max(size, 1.0)


def _search(
    evaluate: Callable[..., tuple[Any, ...]],
    args: tuple[Any, ...],
    state: _State,
    step: Array,
    slope: float,
    lower: Array | None,
) -> tuple[_State | None, float]:
    """Backtrack until the decrease is sufficient (Armijo).

    Where the change of the value is below its rounding (one y of 1e12 makes all values large), the
    slope at the trial is asked instead: on a convex function it tells whether the step was too far.
    """
    length = 1.0
    if lower is not None:
        falling = step < 0
        room = (state.x[falling] - lower[falling]) / -step[falling]
        length = min(1.0, TO_BOUND * float(room.min(initial=np.inf)))
    rounding = noise(state.value)
    # predictions of large coefficients are rounded more: there a gradient that all but vanishes tells more
    more = noise(state.value, float(np.abs(state.x).max(initial=0.0)))
    for _ in range(30):
        x = state.x + length * step
        trial = _State(x, *evaluate(x, *args))
        if isfinite(trial.value) and isfinite(trial.norm):
            gain = state.value - trial.value
            if gain >= -SUFFICIENT * length * slope and gain > 0:
                if length < SHORT and lower is None:
                    return _to_floor(evaluate, args, state, step, slope, trial, length)
                return trial, length
            ahead = float(trial.gradient @ step)
            if abs(gain) <= rounding and (ahead <= -0.5 * slope or trial.norm < state.norm):
                return trial, length
            if abs(gain) <= more and trial.norm <= VANISHES * state.norm:
                return trial, length
            # minimiser of the parabola through the value, the slope and the trial
            bend = trial.value - state.value - length * slope
            shrink = -slope * length / (2 * bend) if bend > 0 else 0.5
            length *= min(max(shrink, 0.1), 0.5)
        else:
            length *= 0.1
        if np.all(state.x + length * step == state.x):
            break
    return None, 0.0


def _to_floor(
    evaluate: Callable[..., tuple[Any, ...]],
    args: tuple[Any, ...],
    state: _State,
    step: Array,
    slope: float,
    best: _State,
    length: float,
) -> tuple[_State, float]:
    """Go on to where the line is nearly level, from a step of which little could be taken.

    Where the slope has kinks (squared hinge) short steps that end elsewhere zigzag for ever.
    """
    low, high, at = (0.0, slope), (np.inf, np.inf), length
    ahead = float(best.gradient @ step)
    for _ in range(10):
        if abs(ahead) <= FLAT * abs(slope):
            break
        if ahead > 0:
            high = at, ahead
        else:
            low = at, ahead
        width = high[0] - low[0]
        if np.isfinite(width):
            at = low[0] - low[1] * width / (high[1] - low[1])
            at = min(max(at, low[0] + 0.05 * width), high[0] - 0.05 * width)
        else:
            at = 2 * low[0]
        x = state.x + at * step
        trial = _State(x, *evaluate(x, *args))
        if not (isfinite(trial.value) and isfinite(trial.norm)):
            break
        ahead = float(trial.gradient @ step)
        if trial.value < best.value:
            best, length = trial, at
    return best, length


def _share(moved: Array, turned: Array, metric: Any) -> float:
    """Return the curvature of a kept Hessian along the last step as a share of that which was met there."""
    bent = float(turned @ metric.solve(turned))
    return float(moved @ turned) / bent if bent > 0 else 1.0


def _corrected(
    gradient: Array, metric: Any, pairs: Sequence[tuple[Array, Array, float]] | deque[Any]
) -> Array:
    """Two-loop recursion of L-BFGS about the kept Hessian, scaled to the curvature that the last step met."""
    if not pairs:
        step: Array = metric.solve(gradient)
        return step
    usable = [(s, y, float(s @ y), share) for s, y, share in pairs]
    usable = [
        (s, y, sy, share)
        for s, y, sy, share in usable
        if sy > 1e-12 * np.sqrt((s @ s) * (y @ y)) and share > 0
    ]
    q, weights = gradient.copy(), []
    for s, y, sy, _ in reversed(usable):
        weight = float(s @ q) / sy
        q -= weight * y
        weights.append(weight)
    r = metric.solve(q)
    if usable:
        r = usable[-1][3] * r
    for (s, y, sy, _), weight in zip(usable, reversed(weights), strict=True):
        r += (weight - float(y @ r) / sy) * s
    return r
