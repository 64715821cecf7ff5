"""How far the end of a smooth, convex fit is from its minimum.

A gradient says little by itself: where the curvature is 1e-12, as beside one row of weight 1e12 or in a
column with one entry of 1e6, an entry of 1e-9 leaves a coefficient off by 1e3. The Newton decrement
``sqrt(g' H^-1 g)`` weighs both. It depends on no coordinates, half its square is the decrease that the
next Newton step promises, and it is the root mean square, by curvature, of what that step would change
in the predictions.

For a solver of one's own: end with ``found.optimality = optimality(objective, found.x, found.fun,
found.jac, metric)``, where ``metric`` is a factored Hessian at or near the end (an object
with ``square(g)``, ``g' H^-1 g``; the one that the last steps used will do), or None to have one made. Where the answer exceeds
``tol`` though the gradient does not, take Newton steps until it does not either, or report it.

References
----------
Boyd, S. and Vandenberghe, L. (2004). Convex Optimization, sections 9.1.2 and 9.5.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import NARROW
from robustreg.objective import Objective
from robustreg.sampling import spread_rows
from robustreg.solvers._held_gradient import Split
from robustreg.solvers._metrics import DenseMetric, conjugate_gradients
from robustreg.solvers._preconditioner import own_curvature

#: work of a Gram matrix below which a Hessian of all rows costs nothing that is felt
LITTLE_WORK = 2e7
#: beyond it a Hessian of one row in so many is asked first
SHARE = 10
#: Hessian products after which conjugate gradients have seen curvatures of several sizes
PRODUCTS = 10
#: a distance from the minimum this many times tol, of the typical residual, is as good as none: beside
#: curvatures of size one a gradient within tol leaves one of about tol times the root of the coefficients
DISTANCE = 10.0
#: a gradient that says enough by itself
UNSOLVED = 1e-3
#: what rounding alone can make of a residual, y having spread one: predictions are sums of terms of about
#: that size, exact to 1e-16 each
ROUNDING = 64 * float(np.finfo(float).eps)
#: thresholds, in spreads of y, beside which that shows
TINY = 1e-5
#: and of a decrement: that times the condition number of the coordinates, which is below 300
NOISE = 1e-13


def optimality(
    objective: Objective,
    theta: Array,
    value: float,
    gradient: Array,
    metric: Any = None,
) -> float:
    """Return what is compared with ``tol``: the larger of gradient and Newton decrement.

    Parameters
    ----------
    objective : Objective
        Smooth. Of one that is no sum over rows the gradient alone is looked at. Where it is not convex the
        sizes of its curvatures count, so that the end is a stationary point and not merely on a plateau.
    theta : array of shape (q,)
        Where the fit ended.
    value, gradient : float, array of shape (q,)
        There.
    metric : object with a method ``square``, optional
        A factored Hessian; none is made where one is given.

    Returns
    -------
    float
        The largest entry of the gradient (that of a scale in units of its price), or if larger a tenth of
        :func:`relative_decrement`. Within 1e-8 the fit is above its minimum by at most about 1e-14 of its value.
    """
    norm = float(np.abs(gradient).max(initial=0.0))
    if objective.n_extra:
        # The price of a scale has the size of the square of a small threshold, and so have all terms of this
        # entry: one that is small beside those of the coefficients alone proves nothing.
        norm = max(norm, abs(float(gradient[-1])) / objective.unit)
    if not 0 < norm or max(value, objective.unit) <= ROUNDING:  # of residuals, too, nothing is left
        return 0.0
    unit = sharpness(objective, theta)
    rest, bent = _beside_squares(objective, gradient, norm)
    norm = min(norm, max(rest, relative_decrement(bent, value, unit) / DISTANCE))
    # near an exact fit slopes are what rounding leaves of residuals, over a threshold as tiny
    excused = unit < TINY and norm <= ROUNDING / unit < UNSOLVED
    if norm > UNSOLVED or not objective.loss.additive:
        return 0.0 if excused else norm
    much = objective.data.here and objective.data.n_rows * objective.size**2 > LITTLE_WORK
    if metric is None and much:
        # Rows that are not among some have curvature, too: those of all bring it nearer, never farther.
        some = relative_decrement(decrement(_of_some(objective), theta, gradient), value, unit)
        if some <= DISTANCE * norm:
            return norm
    found = relative_decrement(decrement(objective, theta, gradient, metric), value, unit)
    return max(0.0 if excused else norm, found / DISTANCE)


def _beside_squares(objective: Objective, gradient: Array, norm: float) -> tuple[float, float]:
    """Return what the squares of a strong penalty leave of the norm of a gradient, and the decrement of the rest."""
    data, penalty = objective.data, objective.penalty
    if penalty.empty or not penalty.euclidean:
        return norm, 0.0
    coordinates = data.coordinates
    if coordinates.even:
        # Coordinates of the space of rows are made of inner products whose least eigenvalue is 1e-8 of the
        # largest (`row_space.ALIKE`). So far, and no farther, curvatures of a penalty of squares differ there, and
        # rounding leaves no gradient that would have to be excused: it counts in full, which is the stricter way.
        return norm, 0.0
    T = coordinates.transform
    bend = np.full(len(coordinates.center), penalty.square / objective.total)
    with np.errstate(over="ignore"):  # of columns that are beyond floating point beside any penalty
        axes = (
            coordinates.along_diagonal(bend) if T.ndim == 1 else bend[0] * np.square(T).sum(axis=0)
        )
    if not axes.max(initial=0.0) > 1.0:
        return norm, 0.0
    every = objective.linear(gradient)
    outputs = every[: data.size].reshape(data.size, -1).T
    parts = [
        Split.along_axes(axes, one) if T.ndim == 1 else Split.of(T, bend, one) for one in outputs
    ]
    left = [*(part.left for part in parts), np.ravel(np.abs(every[data.size :]))]
    rest = float(np.concatenate(left).max(initial=0.0))
    if objective.n_extra:
        rest = max(rest, abs(float(gradient[-1])) / objective.unit)
    return rest, float(np.sqrt(sum(part.square for part in parts)))


def sharpness(objective: Objective, theta: Array) -> float:
    """Change of a residual that changes its slope by one: the threshold, or that times a scale in ``theta``."""
    return objective.unit * (min(float(theta[-1]), 1.0) if objective.n_extra else 1.0)


def _of_some(objective: Objective) -> Objective:
    """Return the objective on a tenth of the rows, for each of which there are ten."""
    n = objective.data.n_rows
    data = objective.data.subset(spread_rows(n, max(n // SHARE, 1)), keep=False)
    penalty = objective.penalty.scaled(data.n_rows / n)
    return objective.with_total(objective.total * data.n_rows / n, data=data, penalty=penalty)


def relative_decrement(found: float, value: float, unit: float = 1.0) -> float:
    """Relate a decrement to the root of twice the value, 1 at the most: no gap is relative to outliers.

    Parameters
    ----------
    found : float
        Of :func:`decrement`.
    value : float
        Of the objective.
    unit : float, default=1.0
        That of the objective: rounding of residuals is multiplied by the root of a curvature of ``1 / unit``.
    """
    beyond = max(found - NOISE / float(np.sqrt(max(unit, ROUNDING / UNSOLVED))), 0.0)
    # a value of zero, to rounding, is one of residuals that are rounding, and nothing is below
    typical = max(float(np.sqrt(2 * min(abs(value), 1.0))), ROUNDING)
    return beyond / typical if beyond and value else 0.0


def decrement(objective: Objective, theta: Array, gradient: Array, metric: Any = None) -> float:
    """Return ``sqrt(g' H^-1 g)``; without a metric by one Hessian of all rows, or some products of it."""
    if metric is None and has_hessian(objective):
        metric = DenseMetric(objective.hess(theta))
    if metric is None:
        near = own_curvature(objective, theta)
        step = conjugate_gradients(
            lambda v: objective.hessp(theta, v), gradient, 0.1, PRODUCTS, near
        )
        square = float(gradient @ step)
    else:
        square = metric.square(gradient)
    return float(np.sqrt(square)) if square > 0 else 0.0


def has_hessian(objective: Objective) -> bool:
    """Whether one dense Hessian takes no longer than some passes."""
    if not objective.loss.additive:
        return False
    work = objective.data.n_rows * objective.size**2
    return objective.data.has_gram and (objective.size <= NARROW or work <= LITTLE_WORK)
