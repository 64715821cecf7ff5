"""Other convex losses of residuals: pseudo-Huber, log-cosh, Fair, expectile and epsilon-insensitive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import Array, array_namespace, clip, log1p
from robustreg._parameters import real
from robustreg.losses._residual import ResidualLoss


@dataclass(eq=False)
class PseudoHuber(ResidualLoss):
    r"""A smooth relative of Huber's loss: a hyperbola.

    Parameters
    ----------
    delta : float in (0, inf), default=1.2871
        Threshold, in the units of the residual; the default gives 95 % efficiency at the normal
        distribution.

    Examples
    --------
    >>> from robustreg.losses import PseudoHuber, pseudo_huber_loss
    >>> pseudo_huber_loss([0.0, 0.0], [0.75, 2.4], delta=1.0, reduction="none").round(4).tolist()
    [0.25, 1.6]
    >>> round(float(PseudoHuber(delta=1.0)([0.0, 0.0], [0.75, 2.4])), 4)
    0.925
    """

    delta: float = real(1.2871, low=0.0)

    name: ClassVar[str] = "pseudo_huber"
    function: ClassVar[str] = "pseudo_huber_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"delta": 1.0}
    threshold: ClassVar[tuple[str, ...]] = ("delta",)
    formula: ClassVar[str] = r"\delta^2 \left(\sqrt{1 + (r / \delta)^2} - 1\right)"
    reference: ClassVar[str] = (
        "Charbonnier, P. et al. (1994). Two deterministic half-quadratic regularization "
        "algorithms for computed imaging. IEEE International Conference on Image Processing."
    )

    def _slant(self, r: Array) -> Array:
        # sqrt(1 + x^2), which is |x| to the last digit where squares could overflow.
        xp, x = array_namespace(r), r / float(self.delta)
        bounded = clip(x, -1e9, 1e9)
        return xp.maximum(xp.sqrt(1.0 + bounded * bounded), xp.abs(x))

    def rho(self, r: Array) -> Array:
        # r^2 / (s + 1) instead of delta^2 (s - 1), which cancels at small residuals.
        return r * (r / (self._slant(r) + 1.0))

    def psi(self, r: Array) -> Array:
        return r / self._slant(r)

    def psi_prime(self, r: Array) -> Array:
        return (1.0 / self._slant(r)) ** 3

    def rho_psi(self, r: Array) -> tuple[Array, Array]:
        slant = self._slant(r)
        return r * (r / (slant + 1.0)), r / slant

    def excess(self, r: Array) -> Array:
        # rho - r psi with the common factor taken out.
        slant = self._slant(r)
        return -r * (r / (slant * (slant + 1.0)))


@dataclass(eq=False)
class LogCosh(ResidualLoss):
    r"""Logarithm of the hyperbolic cosine, whose psi is the score of the logistic distribution.

    Parameters
    ----------
    c : float in (0, inf), default=1.2047
        Threshold, in the units of the residual; the default gives 95 % efficiency at the normal
        distribution.

    Examples
    --------
    >>> from robustreg.losses import LogCosh, log_cosh_loss
    >>> log_cosh_loss([0.0, 0.0], [1.0, 100.0], reduction="none").round(4).tolist()
    [0.4338, 99.3069]
    >>> round(float(LogCosh(c=1.0)([0.0], [1.0])), 4)
    0.4338
    """

    c: float = real(1.2047, low=0.0)

    name: ClassVar[str] = "log_cosh"
    function: ClassVar[str] = "log_cosh_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"c": 1.0}
    threshold: ClassVar[tuple[str, ...]] = ("c",)
    formula: ClassVar[str] = r"c^2 \log \cosh(r / c)"
    reference: ClassVar[str] = (
        "Green, P. J. (1990). Bayesian reconstructions from emission tomography data using a "
        "modified EM algorithm. IEEE Transactions on Medical Imaging 9, 84-93."
    )

    def rho(self, r: Array) -> Array:
        return self.rho_psi(r)[0]

    def psi(self, r: Array) -> Array:
        c = float(self.c)
        return c * array_namespace(r).tanh(r / c)

    def psi_prime(self, r: Array) -> Array:
        return 1.0 - array_namespace(r).tanh(r / float(self.c)) ** 2

    def rho_psi(self, r: Array) -> tuple[Array, Array]:
        # With e = exp(-2|x|) - 1: log cosh x = |x| + log(1 + e/2), tanh|x| = -e / (2 + e).
        xp, c = array_namespace(r), float(self.c)
        x = xp.abs(r) / c
        e = xp.expm1(-2.0 * x)
        rho = (x + log1p(0.5 * e)) * (c * c)
        return rho, xp.sign(r) * (e / (2.0 + e)) * -c

    def excess(self, r: Array) -> Array:
        # rho - r psi = c^2 (log(1 + e/2) + |x| (1 - tanh|x|)) with 1 - tanh|x| = 2 (1 + e) / (2 + e).
        xp, c = array_namespace(r), float(self.c)
        x = xp.abs(r) / c
        e = xp.expm1(-2.0 * x)
        return (c * c) * (log1p(0.5 * e) + x * (2.0 * (1.0 + e) / (2.0 + e)))


@dataclass(eq=False)
class Fair(ResidualLoss):
    r"""Fair's loss, between squared and absolute error at every residual.

    Parameters
    ----------
    c : float in (0, inf), default=1.3998
        Threshold, in the units of the residual; the default gives 95 % efficiency at the normal
        distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Fair, fair_loss
    >>> fair_loss([0.0, 0.0], [1.0, 100.0], c=1.0, reduction="none").round(4).tolist()
    [0.3069, 95.3849]
    >>> Fair(c=1.0).psi(np.array([1.0, -3.0])).tolist()
    [0.5, -0.75]
    """

    c: float = real(1.3998, low=0.0)

    name: ClassVar[str] = "fair"
    function: ClassVar[str] = "fair_loss"
    threshold: ClassVar[tuple[str, ...]] = ("c",)
    formula: ClassVar[str] = r"c^2 \left(|r| / c - \log(1 + |r| / c)\right)"
    reference: ClassVar[str] = (
        "Fair, R. C. (1974). On the robust estimation of econometric models. Annals of Economic "
        "and Social Measurement 3, 667-677."
    )

    def rho(self, r: Array) -> Array:
        xp, c = array_namespace(r), float(self.c)
        x = xp.abs(r) / c
        return (c * c) * (x - log1p(x))

    def psi(self, r: Array) -> Array:
        return r / (1.0 + array_namespace(r).abs(r) / float(self.c))

    def psi_prime(self, r: Array) -> Array:
        return (1.0 / (1.0 + array_namespace(r).abs(r) / float(self.c))) ** 2


@dataclass(eq=False)
class Expectile(ResidualLoss):
    r"""Asymmetric squares, whose minimum is an expectile.

    As quantiles generalise the median, expectiles generalise the mean: positive residuals count
    ``expectile / (1 - expectile)`` times as much as negative ones.

    Parameters
    ----------
    expectile : float in (0, 1), default=0.5
        Which expectile; 0.5 gives half the squared error, whose minimum is the mean.

    Examples
    --------
    >>> from robustreg.losses import Expectile, expectile_loss
    >>> expectile_loss([0.0, 0.0], [1.0, -1.0], expectile=0.9, reduction="none").round(2).tolist()
    [0.1, 0.9]
    >>> float(Expectile()([0.0, 0.0], [1.0, -3.0]))
    2.5
    """

    expectile: float = real(0.5, low=0.0, high=1.0)

    name: ClassVar[str] = "expectile"
    aliases: ClassVar[tuple[str, ...]] = ("asymmetric_squares",)
    function: ClassVar[str] = "expectile_loss"
    bounded_influence: ClassVar[bool] = False
    formula: ClassVar[str] = r"|\tau - 1_{r < 0}|\, r^2"
    reference: ClassVar[str] = (
        "Newey, W. K. and Powell, J. L. (1987). Asymmetric least squares estimation and testing. "
        "Econometrica 55, 819-847."
    )

    @property
    def knots(self) -> tuple[float, ...]:
        return (0.0,)

    def psi(self, r: Array) -> Array:
        return r * self.psi_prime(r)

    def psi_prime(self, r: Array) -> Array:
        xp, level = array_namespace(r), float(self.expectile)
        ones = xp.ones_like(r)
        return xp.where(r < 0, (2.0 - 2.0 * level) * ones, (2.0 * level) * ones)

    def rho(self, r: Array) -> Array:
        return (0.5 * r) * self.psi(r)

    def excess(self, r: Array) -> Array:
        return -self.rho(r)


@dataclass(eq=False)
class EpsilonInsensitive(ResidualLoss):
    r"""Absolute error beyond a threshold, as in support vector regression; less costs nothing.

    Parameters
    ----------
    epsilon : float in (0, inf), default=0.612
        Threshold, in the units of the residual; the default is the most efficient at the normal
        distribution.

    Notes
    -----
    With a normal distribution the best threshold is 0.612 standard deviations (Smola, A., Murata, N.,
    Schoelkopf, B. and Mueller, K.-R., 1998, Asymptotically optimal choice of epsilon-loss for support
    vector machines, ICANN, 105-110).

    Examples
    --------
    >>> from robustreg.losses import EpsilonInsensitive, epsilon_insensitive_loss
    >>> epsilon_insensitive_loss([0.0, 0.0], [0.05, -2.0], epsilon=0.1, reduction="none").tolist()
    [0.0, 1.9]
    >>> import numpy as np
    >>> EpsilonInsensitive(epsilon=0.5).psi(np.array([-2.0, 0.2, 0.7])).tolist()
    [-1.0, 0.0, 1.0]
    """

    epsilon: float = real(0.612, low=0.0)

    name: ClassVar[str] = "epsilon_insensitive"
    function: ClassVar[str] = "epsilon_insensitive_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"epsilon": 0.1}
    smooth: ClassVar[bool] = False
    degree: ClassVar[int] = 1
    threshold: ClassVar[tuple[str, ...]] = ("epsilon",)
    formula: ClassVar[str] = r"\max(|r| - \epsilon, 0)"
    reference: ClassVar[str] = (
        "Vapnik, V. N. (1995). The Nature of Statistical Learning Theory. Springer, New York."
    )

    @property
    def breakpoints(self) -> tuple[tuple[float, float], ...]:
        epsilon = float(self.epsilon)
        return (-epsilon, 1.0), (epsilon, 1.0)

    def rho(self, r: Array) -> Array:
        xp = array_namespace(r)
        beyond = xp.abs(r) - float(self.epsilon)
        return xp.where(beyond > 0, beyond, xp.zeros_like(r))

    def psi(self, r: Array) -> Array:
        xp = array_namespace(r)
        return xp.where(xp.abs(r) > float(self.epsilon), xp.sign(r), xp.zeros_like(r))

    def psi_prime(self, r: Array) -> Array:
        return r * 0.0

    def excess(self, r: Array) -> Array:
        return -float(self.epsilon) * array_namespace(r).abs(self.psi(r))
