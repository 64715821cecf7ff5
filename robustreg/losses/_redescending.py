"""Redescending losses of residuals: psi returns to zero, so that far outliers lose all or nearly all influence.

None is convex. The default constants give 95 % efficiency at the normal distribution. Where rho is
bounded (all but Cauchy's), ``bound`` says by what: these have S- and MM-estimators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from robustreg._array import Array, array_namespace, clip, log1p
from robustreg._parameters import real
from robustreg.losses._residual import ResidualLoss
from robustreg.losses._targets import require


class RedescendingLoss(ResidualLoss):
    """A residual loss with one threshold ``c`` whose psi tends to zero."""

    c: float
    convex: ClassVar[bool] = False
    threshold: ClassVar[tuple[str, ...]] = ("c",)

    def standardised(self, r: Array, limit: float | None = None) -> tuple[float, Array]:
        """C and r / c, the latter cut off at ``limit``, by default where its square would overflow."""
        c = float(self.c)
        if limit is None:
            limit = self.limit(r)
        return c, clip(r / c, -limit, limit)

    @staticmethod
    def limit(r: Array) -> float:
        """Return half the root of the largest number of the kind: its square does not overflow."""
        return 0.5 * math.sqrt(array_namespace(r).finfo(r.dtype).max)


@dataclass(eq=False)
class Tukey(RedescendingLoss):
    r"""Tukey's biweight (bisquare) loss, constant beyond its threshold.

    Parameters
    ----------
    c : float in (0, inf), default=4.685
        Threshold, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Tukey, tukey_loss
    >>> tukey_loss([0.0, 0.0], [1.0, 100.0], reduction="none").round(4).tolist()
    [0.4776, 3.6582]
    >>> Tukey(c=2.0).psi(np.array([1.0, 3.0])).tolist()
    [0.5625, 0.0]
    """

    c: float = real(4.685, low=0.0)

    name: ClassVar[str] = "tukey"
    aliases: ClassVar[tuple[str, ...]] = ("bisquare", "biweight")
    function: ClassVar[str] = "tukey_loss"
    formula: ClassVar[str] = (
        r"c^2 / 6 \left(1 - (1 - (r / c)^2)^3\right) \ \text{if}\ |r| \le c, \quad c^2 / 6 \ "
        r"\text{otherwise}"
    )
    reference: ClassVar[str] = (
        "Beaton, A. E. and Tukey, J. W. (1974). The fitting of power series. Technometrics 16, "
        "147-185."
    )

    @property
    def bound(self) -> float:
        return float(self.c) ** 2 / 6.0

    def rho(self, r: Array) -> Array:
        c, x = self.standardised(r, 1.0)
        u = x * x
        t = 1.0 - u
        # (1 - t^3) / 6 with its factor 1 - t = u taken out, exact at small residuals.
        return (c * c / 6.0) * u * (1.0 + t + t * t)

    def psi(self, r: Array) -> Array:
        c, x = self.standardised(r, 1.0)
        return c * x * (1.0 - x * x) ** 2

    def psi_prime(self, r: Array) -> Array:
        _, x = self.standardised(r, 1.0)
        u = x * x
        return (1.0 - u) * (1.0 - 5.0 * u)


@dataclass(eq=False)
class Cauchy(RedescendingLoss):
    r"""Cauchy (Lorentzian) loss, the likelihood of Student's t with one degree of freedom.

    Parameters
    ----------
    c : float in (0, inf), default=2.3849
        Threshold, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Cauchy, cauchy_loss
    >>> cauchy_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.3466, 4.6052]
    >>> Cauchy(c=2.0).psi(np.array([2.0, 6.0])).tolist()
    [1.0, 0.6]
    """

    c: float = real(2.3849, low=0.0)

    name: ClassVar[str] = "cauchy"
    aliases: ClassVar[tuple[str, ...]] = ("lorentzian",)
    function: ClassVar[str] = "cauchy_loss"
    formula: ClassVar[str] = r"c^2 / 2 \log\left(1 + (r / c)^2\right)"
    reference: ClassVar[str] = (
        "Holland, P. W. and Welsch, R. E. (1977). Robust regression using iteratively reweighted "
        "least-squares. Communications in Statistics A6, 813-827."
    )

    def rho(self, r: Array) -> Array:
        c, x = self.standardised(r)
        value = (0.5 * c * c) * log1p(x * x)
        beyond = self._beyond(r)
        return value if beyond is None else value + (c * c) * array_namespace(r).log(beyond)

    def psi(self, r: Array) -> Array:
        c, x = self.standardised(r)
        value = c * x / (1.0 + x * x)
        beyond = self._beyond(r)
        return value if beyond is None else value / beyond

    def _beyond(self, r: Array) -> Array | None:
        """How many times farther than the limit residuals are, 1 within it; None where all are.

        This loss grows without end, and alone of its kind does not meet its limit.
        """
        xp, limit = array_namespace(r), float(self.c) * self.limit(r)
        if not bool(xp.any(xp.abs(r) > limit)):
            return None
        return clip(xp.abs(r) / limit, 1.0, float(xp.finfo(r.dtype).max))

    def psi_prime(self, r: Array) -> Array:
        _, x = self.standardised(r)
        inverse = 1.0 / (1.0 + x * x)
        return inverse * (2.0 * inverse - 1.0)


@dataclass(eq=False)
class Welsch(RedescendingLoss):
    r"""Welsch (Leclerc) loss, one minus a Gaussian.

    Parameters
    ----------
    c : float in (0, inf), default=2.9846
        Threshold, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Welsch, welsch_loss
    >>> welsch_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.3161, 0.5]
    >>> Welsch(c=1.0).psi(np.array([1.0, 100.0])).round(4).tolist()
    [0.3679, 0.0]
    """

    c: float = real(2.9846, low=0.0)

    name: ClassVar[str] = "welsch"
    aliases: ClassVar[tuple[str, ...]] = ("leclerc",)
    function: ClassVar[str] = "welsch_loss"
    formula: ClassVar[str] = r"c^2 / 2 \left(1 - e^{-(r / c)^2}\right)"
    reference: ClassVar[str] = (
        "Dennis, J. E. and Welsch, R. E. (1978). Techniques for nonlinear least squares and robust "
        "regression. Communications in Statistics B7, 345-359."
    )

    @property
    def bound(self) -> float:
        return 0.5 * float(self.c) ** 2

    def rho(self, r: Array) -> Array:
        c, x = self.standardised(r)
        return (-0.5 * c * c) * array_namespace(r).expm1(-x * x)

    def psi(self, r: Array) -> Array:
        c, x = self.standardised(r)
        return c * x * array_namespace(r).exp(-x * x)

    def psi_prime(self, r: Array) -> Array:
        _, x = self.standardised(r)
        u = x * x
        return (1.0 - 2.0 * u) * array_namespace(r).exp(-u)


@dataclass(eq=False)
class GemanMcClure(RedescendingLoss):
    r"""Geman-McClure loss, a bounded rational function.

    Parameters
    ----------
    c : float in (0, inf), default=3.787
        Threshold, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import GemanMcClure, geman_mcclure_loss
    >>> geman_mcclure_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.25, 0.5]
    >>> GemanMcClure(c=1.0).psi(np.array([1.0, 3.0])).round(4).tolist()
    [0.25, 0.03]
    """

    c: float = real(3.787, low=0.0)

    name: ClassVar[str] = "geman_mcclure"
    function: ClassVar[str] = "geman_mcclure_loss"
    formula: ClassVar[str] = r"\frac{r^2 / 2}{1 + (r / c)^2}"
    reference: ClassVar[str] = (
        "Geman, S. and McClure, D. E. (1987). Statistical methods for tomographic image "
        "reconstruction. Bulletin of the International Statistical Institute 52, 5-21."
    )

    @property
    def bound(self) -> float:
        return 0.5 * float(self.c) ** 2

    def rho(self, r: Array) -> Array:
        c, x = self.standardised(r)
        u = x * x
        return (0.5 * c * c) * (u / (1.0 + u))

    def psi(self, r: Array) -> Array:
        c, x = self.standardised(r)
        return c * x * (1.0 / (1.0 + x * x)) ** 2

    def psi_prime(self, r: Array) -> Array:
        _, x = self.standardised(r)
        inverse = 1.0 / (1.0 + x * x)
        return inverse * inverse * (4.0 * inverse - 3.0)


@dataclass(eq=False)
class Andrews(RedescendingLoss):
    r"""Andrews' sine wave: psi is one arch of a sine on each side.

    Parameters
    ----------
    c : float in (0, inf), default=1.339
        Threshold divided by pi, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Andrews, andrews_loss
    >>> andrews_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.4597, 2.0]
    >>> Andrews(c=1.0).psi(np.array([np.pi / 2, 4.0])).tolist()
    [1.0, 0.0]
    """

    c: float = real(1.339, low=0.0)

    name: ClassVar[str] = "andrews"
    function: ClassVar[str] = "andrews_loss"
    formula: ClassVar[str] = (
        r"c^2 (1 - \cos(r / c)) \ \text{if}\ |r| \le \pi c, \quad 2 c^2 \ \text{otherwise}"
    )
    reference: ClassVar[str] = (
        "Andrews, D. F. (1974). A robust method for multiple linear regression. Technometrics 16, "
        "523-531."
    )

    @property
    def bound(self) -> float:
        return 2.0 * float(self.c) ** 2

    @property
    def knots(self) -> tuple[float, ...]:
        return (math.pi * float(self.c),)

    def rho(self, r: Array) -> Array:
        # 1 - cos x = 2 sin^2(x/2), exact at small residuals.
        c, x = self.standardised(r, math.pi)
        return (2.0 * c * c) * array_namespace(r).sin(0.5 * x) ** 2

    def psi(self, r: Array) -> Array:
        xp = array_namespace(r)
        c, x = self.standardised(r, math.pi)
        return c * xp.where(xp.abs(x) < math.pi, xp.sin(x), 0.0)

    def psi_prime(self, r: Array) -> Array:
        xp = array_namespace(r)
        _, x = self.standardised(r, math.pi)
        return xp.where(xp.abs(x) < math.pi, xp.cos(x), 0.0)


@dataclass(eq=False)
class Hampel(ResidualLoss):
    r"""Hampel's three-part loss: psi rises to a, stays there up to b, and falls to 0 at c.

    Parameters
    ----------
    a : float in (0, inf), default=1.352
        End of the quadratic part, in the units of the residual.
    b : float in (0, inf), default=3.155
        End of the linear part, at least ``a``.
    c : float in (0, inf), default=7.212
        From here the loss is constant; larger than ``b``.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Hampel, hampel_loss
    >>> hampel_loss([0.0, 0.0], [1.0, 100.0], a=1.0, b=2.0, c=4.0, reduction="none").tolist()
    [0.5, 2.5]
    >>> Hampel(a=1.0, b=2.0, c=4.0).psi(np.array([0.5, 1.5, 3.0, 5.0])).tolist()
    [0.5, 1.0, 0.5, 0.0]
    """

    a: float = real(1.352, low=0.0)
    b: float = real(3.155, low=0.0)
    c: float = real(7.212, low=0.0)

    name: ClassVar[str] = "hampel"
    function: ClassVar[str] = "hampel_loss"
    convex: ClassVar[bool] = False
    threshold: ClassVar[tuple[str, ...]] = ("a", "b", "c")
    formula: ClassVar[str] = (
        r"\int_0^{|r|} \min\left(x, a, \tfrac{a (c - x)}{c - b}\right)_+ \mathrm{d}x"
    )
    reference: ClassVar[str] = (
        "Hampel, F. R. (1974). The influence curve and its role in robust estimation. Journal of "
        "the American Statistical Association 69, 383-393."
    )

    def validate(self) -> None:
        super().validate()
        ordered = self.a <= self.b < self.c
        require(ordered, f"The parameters of Hampel must satisfy a <= b < c. Got {self!r}.")

    @property
    def bound(self) -> float:
        return 0.5 * float(self.a) * (float(self.b) + float(self.c) - float(self.a))

    def _parts(self, r: Array) -> tuple[float, float, Array, Array, Array]:
        """A, the width of the falling part, and the lengths of |r| inside the three parts."""
        a, b, c = float(self.a), float(self.b), float(self.c)
        size = array_namespace(r).abs(r)
        return a, c - b, clip(size, 0.0, a), clip(size, a, b) - a, clip(size, b, c) - b

    def rho(self, r: Array) -> Array:
        a, width, rise, flat, fall = self._parts(r)
        return 0.5 * rise * rise + a * flat + a * fall * (1.0 - (0.5 / width) * fall)

    def psi(self, r: Array) -> Array:
        a, width, rise, _, fall = self._parts(r)
        return array_namespace(r).sign(r) * (rise - (a / width) * fall)

    def psi_prime(self, r: Array) -> Array:
        xp = array_namespace(r)
        a, width, rise, _, fall = self._parts(r)
        falling = xp.where((fall > 0) & (fall < width), -a / width + 0.0 * r, 0.0)
        return xp.where(rise < a, 1.0 + 0.0 * r, falling)


@dataclass(eq=False)
class LQQ(ResidualLoss):
    r"""Linear-quadratic-quadratic loss: psi is a line, then two parabolas down to zero.

    psi is the residual up to ``c``; over the next ``b`` its slope falls linearly from 1 to ``1 - s``;
    then it rises linearly back to 0, where psi has come to 0 as well.

    Parameters
    ----------
    b : float in (0, inf), default=1.4734
        Length of the first parabola, in the units of the residual.
    c : float in (0, inf), default=0.98227
        End of the line, in the units of the residual.
    s : float in (1, inf), default=1.5
        One minus the steepest slope of the descent; ``b (s - 2) < 2 c``, or psi would cross zero.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import LQQ, lqq_loss
    >>> lqq_loss([0.0, 0.0], [1.0, 100.0], b=1.5, c=1.0, s=1.5, reduction="none").round(4).tolist()
    [0.5, 5.0833]
    >>> LQQ(b=1.5, c=1.0, s=1.5).psi(np.array([0.5, 2.5, 8.0])).tolist()
    [0.5, 1.375, 0.0]
    """

    b: float = real(1.4734, low=0.0)
    c: float = real(0.98227, low=0.0)
    s: float = real(1.5, low=1.0)

    name: ClassVar[str] = "lqq"
    function: ClassVar[str] = "lqq_loss"
    convex: ClassVar[bool] = False
    threshold: ClassVar[tuple[str, ...]] = ("b", "c")
    formula: ClassVar[str] = (
        r"\int_0^{|r|} \psi(x) \, \mathrm{d}x, \quad \psi'(x) = 1 \ \text{if}\ x \le c, \ "
        r"1 - s (x - c) / b \ \text{if}\ x \le b + c, \ \text{then rising linearly to}\ 0 = \psi"
    )
    reference: ClassVar[str] = (
        "Koller, M. and Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression "
        "for small samples. Computational Statistics and Data Analysis 55, 2504-2515."
    )

    def validate(self) -> None:
        super().validate()
        descends = self.b * (self.s - 2) < 2 * self.c
        require(descends, f"The parameters of LQQ must satisfy b (s - 2) < 2 c. Got {self!r}.")

    @property
    def bound(self) -> float:
        _, (b, c, s), last = self._ends()
        peak = c + b - 0.5 * b * s
        return 0.5 * c * c + b * (c + 0.5 * b - b * s / 6.0) + last * peak / 3.0

    @property
    def knots(self) -> tuple[float, ...]:
        end, (b, c, _), _ = self._ends()
        return c, b + c, end

    def _ends(self) -> tuple[float, tuple[float, float, float], float]:
        """Where psi reaches zero, the parameters as numbers, and the length of the last part."""
        b, c, s = float(self.b), float(self.c), float(self.s)
        # at its start psi is c + b - b s / 2 with slope 1 - s, and both end at zero
        last = 2.0 * (c + b - 0.5 * b * s) / (s - 1.0)
        return b + c + last, (b, c, s), last

    def _parts(self, r: Array) -> tuple[Array, Array, Array]:
        """Lengths of |r| inside the line and the first parabola, and what is left of the second."""
        end, (b, c, _), last = self._ends()
        size = array_namespace(r).abs(r)
        return clip(size, 0.0, c), clip(size, c, b + c) - c, last - (clip(size, b + c, end) - b - c)

    def rho(self, r: Array) -> Array:
        _, (b, c, s), last = self._ends()
        rise, first, left = self._parts(r)
        value = 0.5 * rise * rise + first * (c + first * (0.5 - (s / (6.0 * b)) * first))
        # the second parabola is psi = (s - 1) left^2 / (2 last)
        return value + ((s - 1.0) / (6.0 * last)) * (last**3 - left**3)

    def psi(self, r: Array) -> Array:
        xp = array_namespace(r)
        _, (b, _, s), last = self._ends()
        rise, first, left = self._parts(r)
        before = rise + first * (1.0 - (0.5 * s / b) * first)
        size = xp.where(left < last, (0.5 * (s - 1.0) / last) * left * left, before)
        return xp.sign(r) * size

    def psi_prime(self, r: Array) -> Array:
        xp = array_namespace(r)
        _, (b, _, s), last = self._ends()
        _, first, left = self._parts(r)
        return xp.where(left < last, -((s - 1.0) / last) * left, 1.0 - (s / b) * first)


@dataclass(eq=False)
class Optimal(RedescendingLoss):
    r"""Yohai and Zamar's loss of least bias: quadratic to 2 c, constant from 3 c.

    Of all losses with the same efficiency at the normal distribution it has nearly the smallest bias
    under contamination. Between 2 c and 3 c psi is a polynomial with continuous slope.

    Parameters
    ----------
    c : float in (0, inf), default=1.06016
        Unit of the thresholds, in the units of the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Optimal, optimal_loss
    >>> optimal_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.5, 3.25]
    >>> Optimal(c=1.0).psi(np.array([1.5, 2.5, 4.0])).round(4).tolist()
    [1.5, 1.4369, 0.0]
    """

    c: float = real(1.06016, low=0.0)

    name: ClassVar[str] = "optimal"
    function: ClassVar[str] = "optimal_loss"
    formula: ClassVar[str] = (
        r"c^2 \cdot \begin{cases} x^2 / 2 & x \le 2 \\ 1.792 - 0.972 x^2 + 0.432 x^4 - 0.052 x^6 "
        r"+ 0.002 x^8 & x \le 3 \\ 3.25 & \text{otherwise} \end{cases}, \quad x = |r| / c"
    )
    reference: ClassVar[str] = (
        "Yohai, V. J. and Zamar, R. H. (1997). Optimal locally robust M-estimates of regression. "
        "Journal of Statistical Planning and Inference 64, 309-323."
    )

    @property
    def bound(self) -> float:
        return 3.25 * float(self.c) ** 2

    @property
    def knots(self) -> tuple[float, ...]:
        return 2.0 * float(self.c), 3.0 * float(self.c)

    def rho(self, r: Array) -> Array:
        c, x = self.standardised(r, 3.0)
        u = x * x
        bent = 1.792 + u * (-0.972 + u * (0.432 + u * (-0.052 + 0.002 * u)))
        return c * c * array_namespace(r).where(u <= 4.0, 0.5 * u, bent)

    def psi(self, r: Array) -> Array:
        c, x = self.standardised(r, 3.0)
        u = x * x
        # -1.944 + 1.728 u - 0.312 u^2 + 0.016 u^3 with its double zero at u = 9 taken out
        bent = 0.016 * (9.0 - u) ** 2 * (u - 1.5)
        return c * x * array_namespace(r).where(u <= 4.0, array_namespace(r).ones_like(u), bent)

    def psi_prime(self, r: Array) -> Array:
        xp = array_namespace(r)
        _, x = self.standardised(r, 3.0)
        u = x * x
        bent = 0.016 * (9.0 - u) * ((9.0 - u) * (3.0 * u - 1.5) - 4.0 * u * (u - 1.5))
        return xp.where(u <= 4.0, xp.ones_like(u), bent)
