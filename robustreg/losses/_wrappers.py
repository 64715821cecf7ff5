"""Losses made of other losses: a scale that is estimated along, and kinks rounded off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robustreg._array import EMPTY, Array, array_namespace, dot, negative, to_numpy, total, weigh
from robustreg._parameters import real
from robustreg.losses._base import Extra, Loss
from robustreg.losses._cut_line import Huber, Pinball, cut_line, in_band
from robustreg.losses._residual import ResidualLoss
from robustreg.losses._separable import PointwiseLoss
from robustreg.losses._targets import Target, require
from robustreg.scales import mad


@dataclass(eq=False)
class Concomitant(PointwiseLoss):
    r"""A residual loss whose scale sigma is estimated along, as its one extra parameter.

    Each row contributes sigma rho((y - raw) / sigma) + kappa / 2 sigma, which is convex in
    (raw, sigma) wherever rho is convex. The derivative in sigma is Huber's Proposal 2 for the
    Huber loss.

    Parameters
    ----------
    base : ResidualLoss, default=Huber()
        The loss of the standardised residual.
    kappa : float in (0, inf), default=1.0
        Twice the price of a unit of sigma, per unit of weight.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.7.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Concomitant, Huber
    >>> loss = Concomitant(Huber(1.345), kappa=0.71)
    >>> y, raw = np.array([0.0, 1.0]), np.array([0.5, 0.0])
    >>> value, d_raw, d_sigma = loss.value_gradient(y, raw, None, np.array([0.5]))
    >>> round(value, 4), d_raw.tolist(), d_sigma.round(4).tolist()
    (1.4977, [1.0, -1.345], [-0.6945])
    """

    base: ResidualLoss = field(default_factory=Huber)
    kappa: float = real(1.0, low=0.0)

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether the base is convex."""
        return self.base.convex

    @property
    def line(self) -> tuple[float, float] | None:
        """Residuals, in units of sigma, between which psi is a line; None for other psi."""
        return self.base.line

    def validate(self) -> None:
        super().validate()
        require(
            isinstance(self.base, ResidualLoss),
            f"The 'base' parameter of Concomitant must be a residual loss. Got {self.base!r}.",
        )

    def extra(self, y: Array, raw: Array, weight: Array | None) -> Extra:
        r = np.abs(to_numpy(y - raw))
        if weight is not None:
            r = r[to_numpy(weight) > 0]
        # The median of |r| over that of |N(0, 1)|; where over half of the rows fit exactly, their mean.
        start = mad(r) or float(np.mean(r)) or 1.0
        return Extra(np.array([start]), np.array([0.0]), np.array([np.inf]))

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        raise TypeError("Concomitant needs its scale: call `value_gradient` or `values`.")

    def second(self, y: Array, raw: Array) -> Array:
        raise TypeError("Concomitant needs its scale: call `curvature`.")

    def values(self, y: Array, raw: Array, weight: Array | None, extra: Array | None) -> Array:
        sigma = _entry(extra)
        rho = self.base.rho((y - raw) / sigma)
        return weigh(sigma * (rho + 0.5 * float(self.kappa)), weight)

    def value_gradient(
        self, y: Array, raw: Array, weight: Array | None, extra: Array | None
    ) -> tuple[float, Array, Array]:
        sigma = float(_entry(extra))
        r = y - raw
        excess, psi = self.base.excess_psi(r / sigma, weight)
        count = float(r.shape[0]) if weight is None else total(weight)
        slope = excess + 0.5 * float(self.kappa) * count
        # Of degree one in (r, sigma): by Euler's theorem the value follows from the derivatives.
        return sigma * slope + dot(psi, r), negative(psi), _vector(extra, slope)

    def curvature(
        self,
        y: Array,
        raw: Array,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Array, Array]:
        sigma = float(_entry(extra))
        z = (y - raw) / sigma
        bend = weigh(self.base.psi_prime(z) / sigma, weight)
        d_sigma = 0.0 if d_extra is None else float(d_extra[0])
        c_raw = bend * (d_raw + z * d_sigma) if d_sigma else bend * d_raw
        return c_raw, _vector(extra, dot(c_raw, z))


def _entry(extra: Array | None) -> Any:
    """Sigma, the only entry of ``extra``."""
    if extra is None or extra.shape[0] != 1:
        raise ValueError("extra must hold one number, the scale sigma.")
    return extra[0]


def _vector(like: Array, value: float) -> Array:
    """Vector of one number, of the kind of ``like``."""
    return array_namespace(like).full_like(like, value)


@dataclass(eq=False)
class Smoothed(PointwiseLoss):
    r"""Moreau envelope, in the raw prediction, of a piecewise linear loss with two pieces.

    Near the change of slope, in a band of width mu times the jump, the loss becomes a
    parabola; it stays below the loss it smooths, by at most mu/2 times the square of the slope.
    For the absolute error this is Huber's loss divided by its threshold.

    Parameters
    ----------
    base : Loss, default=Pinball()
        A loss with `kinks`.
    mu : float in (0, inf), default=1.0
        Reciprocal of the curvature inside the band.

    References
    ----------
    Moreau, J.-J. (1965). Proximite et dualite dans un espace hilbertien. Bulletin de la Societe
    Mathematique de France 93, 273-299.

    Examples
    --------
    >>> from robustreg.losses import Absolute, Smoothed
    >>> Smoothed(Absolute(), mu=1.0)([0.0, 0.0], [0.5, 3.0], reduction="none").tolist()
    [0.125, 2.5]
    """

    base: Loss = field(default_factory=Pinball)
    mu: float = real(1.0, low=0.0)

    @property
    def target(self) -> Target:  # type: ignore[override]
        """What y must look like: what the base wants."""
        return self.base.target

    @property
    def of_difference(self) -> bool:  # type: ignore[override]
        """Whether the base is a function of the residual."""
        return self.base.of_difference

    def validate(self) -> None:
        super().validate()
        usable = isinstance(self.base, PointwiseLoss) and self.base.kinks(EMPTY) is not None
        require(
            usable,
            f"The 'base' parameter of Smoothed must be a loss with one kink a row. Got {self.base!r}.",
        )

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        s, lower, upper = self._offset(y, raw)
        slope = cut_line(s, float(self.mu), lower, upper)
        return slope * (s - (0.5 * float(self.mu)) * slope), slope

    def second(self, y: Array, raw: Array) -> Array:
        s, lower, upper = self._offset(y, raw)
        return in_band(s, float(self.mu), lower, upper)

    def value_gradient(
        self, y: Array, raw: Array, weight: Array | None, extra: Array | None
    ) -> tuple[float, Array, Array]:
        s, lower, upper = self._offset(y, raw)
        slope = cut_line(s, float(self.mu), lower, upper)
        weighted = weigh(slope, weight)
        return dot(weighted, s) - 0.5 * float(self.mu) * dot(weighted, slope), weighted, EMPTY

    def _offset(self, y: Array, raw: Array) -> tuple[Array, Any, Any]:
        """Distance of the raw predictions from their kinks, and the slopes on both sides."""
        kinks = self.base.kinks(y)
        assert kinks is not None  # what `validate` made sure of
        return raw - kinks.position, kinks.lower, kinks.upper
