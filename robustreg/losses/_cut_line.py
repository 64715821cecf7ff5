"""Convex losses of residuals with piecewise linear psi: squared, absolute, Huber and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import Array, array_namespace, clip, dot, weigh
from robustreg._parameters import flag, real
from robustreg.losses._base import Kinks
from robustreg.losses._residual import ResidualLoss

_INF = float("inf")


def cut_line(s: Array, width: float, lower: Any, upper: Any) -> Array:
    """The line s / width cut off at two slopes; for width 0 the step between them, 0 at s = 0.

    It is the derivative of the function whose convex conjugate is width/2 g^2 on [lower, upper].
    """
    if width:
        return clip(s if width == 1.0 else s / width, lower, upper)
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
    step = array_namespace(s).sign(s)
    if isinstance(middle, float) and middle == 0.0:
        return step if half == 1.0 else step * half
    return step * (half + middle * step)


def in_band(s: Array, width: float, lower: Any, upper: Any) -> Array:
    """Derivative of `cut_line`: 1 / width between the two cuts, 0 elsewhere."""
    if not width:
        return s * 0.0
    xp = array_namespace(s)
    inside = (s >= lower * width) & (s <= upper * width)
    slope = xp.astype(inside, s.dtype)
    return slope if width == 1.0 else slope / width


class CutLineLoss(ResidualLoss):
    """A residual loss whose psi is the line r / width, cut off at two slopes.

    Its convex conjugate is width/2 g^2, so that rho = psi (r - width/2 psi): the squared,
    absolute, Huber, smooth L1 and pinball losses differ in two or three numbers.
    """

    @property
    def width(self) -> float:
        """Reciprocal slope of psi at 0; 0 makes a kink."""
        return 1.0

    @property
    def slopes(self) -> tuple[float, float]:
        """Smallest and largest value of psi."""
        return -1.0, 1.0

    @property
    def line(self) -> tuple[float, float]:
        lower, upper = self.slopes
        return lower * self.width, upper * self.width

    def rho(self, r: Array) -> Array:
        psi = self.psi(r)
        return psi * (r - (0.5 * self.width) * psi)

    def weights(self, r: Array) -> Array:
        if self.width:
            return super().weights(r)
        xp = array_namespace(r)
        zero = r == 0
        ones = xp.ones_like(r)
        return xp.where(zero, ones * _INF, self.psi(r) / xp.where(zero, ones, r))

    def psi(self, r: Array) -> Array:
        return cut_line(r, self.width, *self.slopes)

    def psi_prime(self, r: Array) -> Array:
        return in_band(r, self.width, *self.slopes)

    def excess(self, r: Array) -> Array:
        # Exact where rho and r psi are both huge and nearly equal.
        return (-0.5 * self.width) * self.psi(r) ** 2

    def sum_psi(self, r: Array, weight: Array | None) -> tuple[float, Array]:
        excess, psi = self.excess_psi(r, weight)
        if excess == -_INF:  # the sum of squares overflowed, and so does the loss
            return _INF, psi
        return excess + dot(psi, r), psi

    def excess_psi(self, r: Array, weight: Array | None) -> tuple[float, Array]:
        psi, half = self.psi(r), 0.5 * self.width
        weighted = weigh(psi, weight)
        return (-half * dot(weighted, psi) if half else 0.0), weighted

    @property
    def breakpoints(self) -> tuple[tuple[float, float], ...]:
        lower, upper = self.slopes
        return () if self.width else ((0.0, upper - lower),)

    def kinks(self, y: Array) -> Kinks | None:
        lower, upper = self.slopes
        return None if self.width else Kinks(y, -upper, -lower)


@dataclass(eq=False)
class Squared(CutLineLoss):
    """Squared error, with or without the factor one half.

    Parameters
    ----------
    half : bool, default=True
        Whether to halve it, which makes psi the residual itself. The function form `l2_loss` is
        the plain square.

    Examples
    --------
    >>> from robustreg.losses import Squared, l2_loss
    >>> float(l2_loss([1.0, 2.0], [1.0, 4.0]))
    2.0
    >>> float(Squared()([1.0, 2.0], [1.0, 4.0]))
    1.0
    """

    half: bool = flag(True)

    name: ClassVar[str] = "squared"
    aliases: ClassVar[tuple[str, ...]] = ("squared_error", "least_squares", "l2", "ls")
    function: ClassVar[str] = "l2_loss"
    function_fixed: ClassVar[dict[str, Any]] = {"half": False}
    bounded_influence: ClassVar[bool] = False
    formula: ClassVar[str] = r"r^2 / 2"
    reference: ClassVar[str] = "Gauss, C. F. (1809). Theoria motus corporum coelestium."

    @property
    def width(self) -> float:
        return 1.0 if self.half else 0.5

    @property
    def slopes(self) -> tuple[float, float]:
        return -_INF, _INF

    def psi(self, r: Array) -> Array:
        return r if self.half else 2.0 * r

    def psi_prime(self, r: Array) -> Array:
        return array_namespace(r).ones_like(r) / self.width


@dataclass(eq=False)
class Absolute(CutLineLoss):
    """Absolute error.

    Examples
    --------
    >>> from robustreg.losses import Absolute, l1_loss
    >>> float(l1_loss([1.0, 2.0], [1.0, 4.0]))
    1.0
    >>> float(Absolute()([1.0, 2.0], [1.0, 4.0], reduction="sum"))
    2.0
    """

    name: ClassVar[str] = "absolute"
    aliases: ClassVar[tuple[str, ...]] = ("absolute_error", "l1", "lad")
    function: ClassVar[str] = "l1_loss"
    smooth: ClassVar[bool] = False
    degree: ClassVar[int] = 1
    formula: ClassVar[str] = r"|r|"
    reference: ClassVar[str] = "Boscovich, R. J. (1757). De litteraria expeditione."

    @property
    def width(self) -> float:
        return 0.0


@dataclass(eq=False)
class Huber(CutLineLoss):
    r"""Huber's loss: squared up to a threshold, linear beyond it.

    Parameters
    ----------
    delta : float in (0, inf], default=1.345
        Threshold, in the units of the residual. 1.345 standard deviations give 95 % efficiency at
        the normal distribution; infinity gives half the squared error. As ``delta`` tends to 0 so
        does the loss; it is the loss divided by ``delta`` that tends to the absolute error.

    Examples
    --------
    >>> from robustreg.losses import Huber, huber_loss
    >>> float(huber_loss([0.0, 0.0], [0.5, 3.0], delta=1.0))
    1.3125
    >>> value, gradient = huber_loss([0.0, 0.0], [0.5, 3.0], reduction="sum", return_gradient=True)
    >>> gradient.tolist()
    [0.5, 1.0]
    >>> float(Huber(delta=1.0)([0.0, 0.0], [0.5, 3.0]))
    1.3125
    """

    delta: float = real(1.345, low=0.0, closed="right")

    name: ClassVar[str] = "huber"
    function: ClassVar[str] = "huber_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"delta": 1.0}
    threshold: ClassVar[tuple[str, ...]] = ("delta",)
    formula: ClassVar[str] = (
        r"r^2 / 2 \ \text{if}\ |r| \le \delta, \quad \delta (|r| - \delta / 2) \ \text{otherwise}"
    )
    reference: ClassVar[str] = (
        "Huber, P. J. (1964). Robust estimation of a location parameter. "
        "Annals of Mathematical Statistics 35, 73-101."
    )

    @property
    def slopes(self) -> tuple[float, float]:
        delta = float(self.delta)
        return -delta, delta


@dataclass(eq=False)
class SmoothL1(CutLineLoss):
    """Absolute error that is quadratic near 0: Huber's loss divided by its threshold.

    Parameters
    ----------
    beta : float in [0, inf), default=1.0
        Half the width of the quadratic part, in the units of the residual; 0 is the absolute error.

    Examples
    --------
    >>> from robustreg.losses import SmoothL1, smooth_l1_loss
    >>> float(smooth_l1_loss([0.0, 0.0], [0.5, 3.0], beta=2.0))
    1.03125
    >>> float(SmoothL1(beta=2.0)([0.0, 0.0], [0.5, 3.0]))
    1.03125
    """

    beta: float = real(1.0, low=0.0, closed="left")

    name: ClassVar[str] = "smooth_l1"
    function: ClassVar[str] = "smooth_l1_loss"
    threshold: ClassVar[tuple[str, ...]] = ("beta",)
    degree: ClassVar[int] = 1
    formula: ClassVar[str] = (
        r"r^2 / (2 \beta) \ \text{if}\ |r| \le \beta, \quad |r| - \beta / 2 \ \text{otherwise}"
    )
    reference: ClassVar[str] = (
        "Girshick, R. (2015). Fast R-CNN. International Conference on Computer Vision, 1440-1448."
    )

    @property
    def width(self) -> float:
        return float(self.beta)


@dataclass(eq=False)
class Pinball(CutLineLoss):
    """Pinball loss, whose minimum is a quantile.

    Parameters
    ----------
    quantile : float in [0, 1], default=0.5
        Which quantile; 0.5 gives half the absolute error.

    Examples
    --------
    >>> from robustreg.losses import Pinball, pinball_loss
    >>> float(pinball_loss([0.0, 0.0], [1.0, -1.0], quantile=0.9, reduction="sum"))
    1.0
    >>> Pinball(quantile=0.9)([0.0, 0.0], [1.0, -1.0], reduction="none").round(2).tolist()
    [0.1, 0.9]
    """

    quantile: float = real(0.5, low=0.0, high=1.0, closed="both")

    name: ClassVar[str] = "pinball"
    aliases: ClassVar[tuple[str, ...]] = ("quantile",)
    function: ClassVar[str] = "pinball_loss"
    smooth: ClassVar[bool] = False
    degree: ClassVar[int] = 1
    formula: ClassVar[str] = r"\max(q r, (q - 1) r)"
    reference: ClassVar[str] = (
        "Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33-50."
    )

    @property
    def width(self) -> float:
        return 0.0

    @property
    def slopes(self) -> tuple[float, float]:
        quantile = float(self.quantile)
        return quantile - 1.0, quantile
