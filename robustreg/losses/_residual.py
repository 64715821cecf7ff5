r"""The verbs of robust regression: rho of a residual r = y - raw, psi = rho' and psi' = rho''."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from robustreg._array import EMPTY, Array, array_namespace, negative, total, weigh
from robustreg.losses._separable import PointwiseLoss


class ResidualLoss(PointwiseLoss):
    """A function rho of the residual r = y - raw.

    A subclass gives `rho`, `psi` and `psi_prime`, and says how it scales: fields in the units of
    the residual are named in ``threshold``, and rho(c r) with thresholds times c is c**degree
    rho(r).

    Attributes
    ----------
    threshold : tuple of str
        Names of the fields that are in the units of the residual.
    degree : int
        Degree of homogeneity of rho in (r, thresholds).
    bounded_influence : bool
        Whether psi is bounded.
    """

    threshold: ClassVar[tuple[str, ...]] = ()
    degree: ClassVar[int] = 2
    bounded_influence: ClassVar[bool] = True
    of_difference: ClassVar[bool] = True

    @abstractmethod
    def rho(self, r: Array) -> Array:
        """Loss of each residual.

        Parameters
        ----------
        r : array
            Residuals, of any shape.

        Returns
        -------
        rho : array
            Of the same shape.
        """

    @abstractmethod
    def psi(self, r: Array) -> Array:
        """Derivative of rho: the influence of a residual on the fit.

        Parameters
        ----------
        r : array
            Residuals, of any shape.

        Returns
        -------
        psi : array
            Of the same shape.
        """

    @abstractmethod
    def psi_prime(self, r: Array) -> Array:
        """Derivative of psi; where there is none, that of one side.

        Parameters
        ----------
        r : array
            Residuals, of any shape.

        Returns
        -------
        psi_prime : array
            Of the same shape.
        """

    def weights(self, r: Array) -> Array:
        """Weights psi(r) / r of iteratively reweighted least squares; at r = 0 their limit.

        Parameters
        ----------
        r : array
            Residuals, of any shape.

        Returns
        -------
        weights : array
            Of the same shape.
        """
        xp = array_namespace(r)
        zero = r == 0
        return xp.where(zero, self.psi_prime(r), self.psi(r) / xp.where(zero, xp.ones_like(r), r))

    def rho_psi(self, r: Array) -> tuple[Array, Array]:
        """`rho` and `psi` together, for losses where they share work."""
        return self.rho(r), self.psi(r)

    def excess(self, r: Array) -> Array:
        """Difference rho(r) - r psi(r), the derivative in sigma of sigma rho(r / sigma)."""
        rho, psi = self.rho_psi(r)
        return rho - r * psi

    def sum_psi(self, r: Array, weight: Array | None) -> tuple[float, Array]:
        """Weighted sum of rho, and weighted psi."""
        rho, psi = self.rho_psi(r)
        return total(rho, weight), weigh(psi, weight)

    def excess_psi(self, r: Array, weight: Array | None) -> tuple[float, Array]:
        """Weighted sum of `excess`, and weighted psi."""
        return total(self.excess(r), weight), weigh(self.psi(r), weight)

    @property
    def bound(self) -> float:
        """Supremum of rho, infinite where there is none."""
        return math.inf

    @property
    def knots(self) -> tuple[float, ...]:
        """Positive residuals at which psi is not analytic, and those that say how wide it is."""
        return tuple(float(getattr(self, name)) for name in self.threshold)

    @property
    def breakpoints(self) -> tuple[tuple[float, float], ...]:
        """Residuals at which psi jumps, and by how much, where rho is piecewise linear; empty for other rho."""
        return ()

    @property
    def line(self) -> tuple[float, float] | None:
        """Residuals between which psi is a line and beyond which it is flat; None for other psi."""
        return None

    @property
    def constant_curvature(self) -> float | None:
        if self.line != (-math.inf, math.inf):
            return None
        return float(self.psi_prime(np.zeros(1))[0])

    def rescaled(self, sigma: float) -> Self:
        """Copy of the loss with its thresholds multiplied by a scale.

        Parameters
        ----------
        sigma : float
            The scale; an infinite threshold stays infinite.

        Returns
        -------
        loss : ResidualLoss
        """
        scaled = {name: float(getattr(self, name)) * sigma for name in self.threshold}
        return replace(self, **scaled)  # type: ignore[type-var]

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        rho, psi = self.rho_psi(y - raw)
        return rho, -psi

    def second(self, y: Array, raw: Array) -> Array:
        return self.psi_prime(y - raw)

    def values(self, y: Array, raw: Array, weight: Array | None, extra: Array | None) -> Array:
        return weigh(self.rho(y - raw), weight)

    def value_gradient(
        self, y: Array, raw: Array, weight: Array | None, extra: Array | None
    ) -> tuple[float, Array, Array]:
        value, psi = self.sum_psi(y - raw, weight)
        return value, negative(psi), EMPTY
