"""Metrics: Hessians, factored or known by their products, that turn gradients into steps."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import numpy as np

from robustreg._array import Array
from robustreg.solvers._cholesky import cholesky, solve_factored

#: curvature below which there is none
TINY = float(np.finfo(float).tiny)


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
            scaled = hessian * self.scale
            scaled *= self.scale[:, None]
        else:
            bent = diagonal > TINY
            self.scale = 1 / np.sqrt(np.where(bent, diagonal, 1.0))
            scaled = hessian * self.scale
            scaled *= self.scale[:, None]
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
