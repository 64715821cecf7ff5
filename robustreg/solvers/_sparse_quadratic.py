"""Quadratic functions plus an elastic net over thousands of sparse columns, minimised by products with the Hessian.

To factor a Hessian of thousands of coefficients takes longer than hundreds of products with it, which read the sparse
rows alone. A step is that of Newton in the coefficients that are not zero or are to leave it; those that it would carry
past zero, or to the side that the gradient does not pull them to, end there.

References
----------
Andrew, G. and Gao, J. (2007). Scalable training of L1-regularized log-linear models. International Conference
on Machine Learning, 33-40. Byrd, R. H., Chin, G. M., Nocedal, J. and Oztoprak, F. (2016). A family of second-order
methods for convex L1-regularized optimization. Mathematical Programming 159, 435-467.
"""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.objective import Evaluation, Objective
from robustreg.solvers._column_penalty import least_subgradient
from robustreg.solvers._metrics import conjugate_gradients
from robustreg.solvers._penalised_quadratic import Limits
from robustreg.solvers._preconditioner import own_curvature

#: share of the gradient beyond the penalty that is left at the most: the next is its root, so that steps of the
#: whole become exact as they come near
LOOSE, EXACT = 0.1, 1e-6
#: products of a minimum, and of a step in one face, at the most
MOST, PRODUCTS = 3_000, 300
#: share of the decrease that a gradient promises, and halvings of a step at the most
ARMIJO, HALVINGS = 1e-4, 30


class SparseModel:
    """A quadratic model of a convex objective, by its Hessian's products.

    Parameters
    ----------
    objective : Objective
        Smooth and convex, without a penalty.
    limits : Limits
        What is not smooth.
    bend : array of shape (q,)
        Square of the penalty.
    theta : array of shape (q,)
        The point.
    loss : Evaluation
        Of the objective there.
    most : float
        Products that a minimum may take.
    """

    def __init__(
        self,
        objective: Objective,
        limits: Limits,
        bend: Array,
        theta: Array,
        loss: Evaluation,
        most: float = MOST,
    ) -> None:
        self.objective, self.limits, self.bend = objective, limits, bend
        self.theta, self.raw, self.spent = theta, loss.raw, 0
        self.most = min(most, MOST)
        inverse = own_curvature(objective, theta)
        own = np.ones_like(theta) if inverse is None else 1 / inverse(np.ones_like(theta))
        self.diagonal = own + bend
        self.largest = float(own.max(initial=0.0))

    def minimum(self, gradient: Array, ridge: float) -> Array:
        """Return about the minimum of the model, ``ridge`` being added to its diagonal, plus what is not smooth."""
        limits, v, slope = self.limits, self.theta, gradient
        least = least_subgradient(v, slope, limits.l1, limits.positive)
        worst = float(np.abs(least).max(initial=0.0))
        goal = worst * min(LOOSE, max(EXACT, float(np.sqrt(worst))))
        stop = self.spent + self.most
        while self.spent < stop and np.abs(least).max(initial=0.0) > goal:
            found = self._moved(v, slope, least, ridge, min(PRODUCTS, stop - self.spent))
            if found is None:
                break
            v, change = found
            slope = slope + change
            least = least_subgradient(v, slope, limits.l1, limits.positive)
        return v

    def _product(self, along: Array, ridge: float) -> Array:
        self.spent += 1
        product: Array = self.objective.hessp(self.theta, along, self.raw)
        return product + (self.bend + ridge) * along

    def _moved(
        self, v: Array, slope: Array, least: Array, ridge: float, most: float
    ) -> tuple[Array, Array] | None:
        """Return where a step in one face ends, and by how much the gradient differs there; None without descent."""
        limits, face = self.limits, (v != 0) | (least != 0)
        kinked = ~limits.free
        side = np.where(v != 0, np.sign(v), -np.sign(least))

        def product(along: Array) -> Array:
            return np.where(face, self._product(along, ridge), 0.0)

        force = np.where(face, least, 0.0)
        step = -conjugate_gradients(
            product,
            force,
            LOOSE,
            max(1, int(most)),
            lambda residual: residual / (self.diagonal + ridge),
        )
        step[kinked & (v == 0) & (step * side < 0)] = 0.0
        for k in range(HALVINGS):
            end = v + 0.5**k * step
            end[kinked & (end * side < 0)] = 0.0
            moved = end - v
            change = self._product(moved, ridge)
            # a column at a time: near the end the sums are nearly equal
            along = slope * moved + limits.l1 * (np.abs(end) - np.abs(v))
            rises = float(along.sum() + 0.5 * moved @ change)
            if rises <= ARMIJO * float(least @ moved) <= 0:
                return end, change
        return None
