"""Newton's method for a smooth function of few coefficients plus what is not smooth.

Each step minimises the quadratic model together with the penalty, exactly, so that coefficients are zero
where they are and the last steps converge quadratically.

References
----------
Lee, J. D., Sun, Y. and Saunders, M. A. (2014). Proximal Newton-type methods for minimizing composite
functions. SIAM Journal on Optimization 24, 1420-1443.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.objective import Evaluation, Objective
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._control import Control
from robustreg.solvers._result import Result

#: share of the predicted decrease that a step must make, and halvings of a step at the most
ARMIJO, HALVINGS = 1e-4, 20
#: rounding of a value, as a share of it
ROUNDING = 8 * float(np.finfo(float).eps)
#: rounding of values that are differences of entropies, of size one
NOISE = 64 * float(np.finfo(float).eps)
#: a share of a step that is too little, what a model is then made steeper by, and by how much more each time
SHORT, LIGHT, HEAVIER = 0.1, 1e-3, 10.0
#: and how steep it becomes at the most, in units of the curvature and the gradient
HEAVIEST = 1e8
#: where the Hessian of a neighbour leaves this share of the gradient beyond the penalty, or less, it serves once more
SAME = 0.01
#: a scale falls to this share of itself in a step at the most
FALL = 0.1
#: searches in vain after which rows that are elsewhere, each look at which is a pass, are read no more (machine: fits that
#: reach their minimum beside an entry of 1e8 have none, and one beside 1e12 has scores of them and gains nothing)
IN_VAIN = 5
#: steps in a row that together lower the value by no more than this share of it, nor the gradient beyond the penalty to
#: half, after which there are no more: rounding, as beside rows far out, leaves them no way
IDLE, WORTH = 20, 1e-10
#: what makes a Hessian definite that is not, as a share of each diagonal entry
DAMPING = 1e-13


class NotSmooth(Protocol):
    """A penalty of few coefficients: see :class:`~robustreg.solvers._penalised_quadratic.Limits`."""

    def value(self, v: Array) -> float: ...
    def excess(self, v: Array, gradient: Array) -> Array: ...
    def zeroed(self, v: Array) -> Array: ...
    def minimise(self, H: Array, c: Array, v: Array) -> Array: ...


class Model(Protocol):
    """A quadratic model of a smooth function, plus what is not smooth."""

    @property
    def largest(self) -> float: ...
    def minimum(self, gradient: Array, ridge: float) -> Array: ...


class DenseModel:
    """The model about a point by the Hessian there.

    Parameters
    ----------
    H : array of shape (q, q)
        It is overwritten. Where it need not be positive (not ``convex``) it is lifted.
    limits, bend
        As of :func:`proximal_newton`.
    theta : array of shape (q,)
        The point.
    """

    def __init__(
        self, H: Any, limits: NotSmooth, bend: Array, theta: Array, *, convex: bool
    ) -> None:
        own = np.diag(H)  # columns of a group keep the units of the user
        self.limits, self.theta, self.largest = limits, theta, float(own.max(initial=0.0))
        if np.isfinite(self.largest):
            H[np.diag_indices_from(H)] += bend + DAMPING * np.where(own > 0, own, self.largest)
            H = H if convex else lifted(H, theta != 0)
        self.H = H

    def minimum(self, gradient: Array, ridge: float) -> Array:
        """Return the minimum, ``ridge`` being added to the diagonal."""
        H = self.H + ridge * np.eye(len(self.H)) if ridge else self.H
        return self.limits.minimise(H, gradient - H @ self.theta, self.theta)


def proximal_newton(
    objective: Objective,
    theta: Array,
    limits: NotSmooth,
    bend: Array,
    control: Control,
    model_at: Callable[[Array, Evaluation, bool], Model] | None = None,
    known: Evaluation | None = None,
) -> Result:
    """Minimise ``objective + limits + theta @ (bend * theta) / 2``.

    Parameters
    ----------
    objective : Objective
        Smooth, and without a penalty. Where it is not convex its Hessian is lifted.
    theta : array of shape (q,)
        Start.
    limits : Limits or GroupLimits
        What is not smooth.
    bend : array of shape (q,)
        Square of the penalty.
    control : Control
        Largest distance of minus the gradient from the subdifferential that counts as solved, and steps that are
        left.
    model_at : callable, optional
        Returns the quadratic model, given a point and the objective there, and whether the Hessian of a point nearby
        will do. Without it each look at a point is a pass that returns the Hessian as well.
    known : Evaluation, optional
        Of the objective at the start.

    Returns
    -------
    Result
        ``x``, ``fun``, ``excess`` (the distance that is left), ``loss`` (value and gradient of the objective),
        ``status``.
    """
    start, theta, n_extra = theta, limits.zeroed(theta), objective.n_extra
    convex, order = bool(objective.loss.convex), 2 if model_at is None else 1
    if not np.array_equal(start, theta):
        known = None
    stale = convex and known is not None  # of the neighbour that the start is the end of

    def smooth(at: Array, known: Evaluation | None = None) -> tuple[float, Array, Evaluation]:
        found = known or objective.evaluate(at, order, keep=True)
        value = found.value + 0.5 * float(at @ (bend * at))
        return value, found.gradient + bend * at, found

    value, gradient, loss = smooth(theta, known)
    total, ridge, tol = value + limits.value(theta), 0.0, control.tol
    worst = float(limits.excess(theta, gradient).max(initial=0.0))
    vain, most, idle, mark = 0, np.inf if objective.data.here else IN_VAIN, 0, (total, worst)
    while worst > tol and control.left:
        if model_at is None:
            model: Model = DenseModel(loss.hessian, limits, bend, theta, convex=convex)
        else:
            model = model_at(theta, loss, stale)
        largest = model.largest
        if not np.isfinite(worst + largest):  # a penalty beyond floating point
            break
        if not largest > 0:  # a piecewise linear stretch: the gradient alone says how far to go
            ridge = max(ridge, worst)
        tried = None
        while tried is None and vain < most and ridge <= HEAVIEST * max(largest, worst):
            target = model.minimum(gradient, ridge)
            tried = _searched(smooth, limits, theta, target, gradient, total, n_extra, worst)
            vain += tried is None
            if tried is None or tried.share < SHORT:
                # the model is believed too far out: the next is steeper
                ridge = max(HEAVIER * ridge, LIGHT * worst)
            elif tried.share == 1.0:
                ridge = ridge / HEAVIER if ridge > LIGHT * worst else 0.0
        if tried is None:
            if not stale:
                break
            ridge, stale = 0.0, False
            continue
        control.count()
        excess = float(limits.excess(tried.x, tried.gradient).max(initial=0.0))
        stalls = tried.total >= total - ROUNDING * abs(total) and excess >= 0.5 * worst
        near = stale and excess <= SAME * worst
        if not stalls or excess < worst:
            theta, gradient, loss = tried.x, tried.gradient, tried.loss
            total, worst = tried.total, excess
        moved = total < mark[0] - WORTH * abs(mark[0]) or worst <= 0.5 * mark[1]
        idle, mark = (0, (total, worst)) if moved else (idle + 1, mark)
        # neither values nor gradients tell steps apart
        if control.tell(theta, total) or (stalls and not stale) or idle == IDLE:
            break
        stale = near
    status = control.status(worst <= tol)
    return Result(x=theta, fun=total, excess=worst, loss=loss, status=status)


class _Trial(NamedTuple):
    """A point on the way to the minimum of a model, and which share of the way it is."""

    x: Array
    gradient: Array
    loss: Evaluation
    total: float
    share: float


def _searched(
    smooth: Any,
    limits: NotSmooth,
    theta: Array,
    target: Array,
    gradient: Array,
    total: float,
    n_extra: int,
    worst: float,
) -> _Trial | None:
    """Return the first of ever shorter steps that lowers the function as its model promises."""
    step = target - theta
    decrease = float(gradient @ step) + limits.value(target) - limits.value(theta)
    t = 1.0
    if n_extra and step[-1] < 0:
        t = min(1.0, (FALL - 1) * theta[-1] / step[-1])
    for _ in range(HALVINGS):
        trial = target if t == 1.0 else limits.zeroed(theta + t * step)
        value, slope, loss = smooth(trial)
        whole = value + limits.value(trial)
        rises = whole - total
        if rises <= ARMIJO * t * min(decrease, 0.0) + ROUNDING * abs(total) or (
            # a small value can be a difference of larger ones, which gradients are not
            t == 1.0
            and rises <= NOISE
            and float(limits.excess(trial, slope).max(initial=0.0)) <= 0.5 * worst
        ):
            return _Trial(trial, slope, loss, whole, t)
        t *= 0.5
    return None


def lifted(H: Array, moving: Array) -> Array:
    """Return a positive definite matrix, that of the ``moving`` coefficients being kept where it is one.

    Near a minimum it is one, and steps of Newton converge quadratically whatever the curvature of coefficients
    that stay at zero: theirs, given the moving ones, is what is lifted then.
    """
    if cholesky(H) is not None:
        return H
    rest = ~moving
    if not moving.any() or not rest.any():
        return _with_sizes(H)
    own, cross = H[np.ix_(moving, moving)], H[np.ix_(rest, moving)]
    factor = cholesky(own)
    if factor is None:
        own = _with_sizes(own)
        factor = cholesky(own)
    if factor is None:  # rounding
        return _with_sizes(H)
    known = cross @ solve_factored(factor, cross.T)
    H = H.copy()
    H[np.ix_(moving, moving)] = own
    H[np.ix_(rest, rest)] = _with_sizes(H[np.ix_(rest, rest)] - known) + known
    return H


def _with_sizes(H: Array) -> Array:
    """Return the matrix with the sizes of its eigenvalues, which are not too small."""
    values, vectors = scipy.linalg.eigh(H, check_finite=False)
    size = np.maximum(np.abs(values), 1e-6 * np.abs(values).max(initial=1e-300))
    return np.asarray((vectors * size) @ vectors.T)
