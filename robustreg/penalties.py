"""Penalties: convex functions of the coefficients in the user's units.

A penalty knows neither data nor loss. The intercept and a loss's own parameters are never
penalised: the objective does not pass them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array


@dataclass
class Penalty(ABC):
    """A convex, separable function of the coefficients.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0.
    """

    alpha: float = 0.0

    #: ``value(c * coef) == c ** degree * value(coef)``
    degree: ClassVar[int]
    #: whether the value has a gradient everywhere
    smooth: ClassVar[bool]

    @abstractmethod
    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        """Value and gradient at ``coef`` of any shape."""

    @abstractmethod
    def curvature(self, coef: Array) -> Array:
        """Diagonal of the Hessian, in the shape of ``coef``."""

    def scaled(self, factor: float) -> Any:
        """Return the penalty times ``factor``."""
        return replace(self, alpha=self.alpha * factor)


@dataclass
class L2(Penalty):
    """``alpha / 2 * ||coef||_2^2`` (Hoerl and Kennard, 1970)."""

    degree: ClassVar[int] = 2
    smooth: ClassVar[bool] = True

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        gradient = self.alpha * coef
        return 0.5 * float(np.vdot(gradient, coef)), gradient

    def curvature(self, coef: Array) -> Array:
        return np.full_like(coef, self.alpha)


@dataclass
class L1(Penalty):
    """``alpha * ||coef||_1`` (Tibshirani, 1996)."""

    degree: ClassVar[int] = 1
    smooth: ClassVar[bool] = False

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        return self.alpha * float(np.abs(coef).sum()), self.alpha * np.sign(coef)

    def curvature(self, coef: Array) -> Array:
        return np.zeros_like(coef)

    def smoothed(self, mu: Array) -> SmoothedL1:
        """Return the envelope of width ``mu``, one width for each coefficient."""
        return SmoothedL1(self.alpha, mu)


@dataclass
class SmoothedL1(Penalty):
    """Moreau envelope of :class:`L1`: quadratic where ``|coef| < mu``."""

    mu: Any = 1.0

    degree: ClassVar[int] = 1
    smooth: ClassVar[bool] = True

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        gradient = self.alpha * np.clip(coef / self.mu, -1.0, 1.0)
        inner = coef - 0.5 * self.mu * np.clip(coef / self.mu, -1.0, 1.0)
        return float(np.vdot(gradient, inner)), gradient

    def curvature(self, coef: Array) -> Array:
        return np.where(np.abs(coef) < self.mu, self.alpha / self.mu, 0.0)
