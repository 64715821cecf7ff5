"""Penalties that leave large coefficients as they are: not convex, majorised by weighted L1 penalties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array
from robustreg._parameters import real
from robustreg.penalties._base import Penalty


@dataclass(eq=False)
class MCP(Penalty):
    r"""The minimax concave penalty: L1 near zero, constant from ``gamma * alpha`` on.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.
    gamma : float, default=3.0
        Size from which coefficients are not shrunk, in units of alpha; above 0. L1 at infinity.

    References
    ----------
    Zhang, C.-H. (2010). Nearly unbiased variable selection under minimax concave penalty. Annals of
    Statistics 38, 894-942.

    Examples
    --------
    >>> from robustreg.penalties import MCP
    >>> MCP(alpha=1.0, gamma=3.0)([0.0, 1.0, 5.0]) - 1.5
    0.8333333333333335
    """

    gamma: float = real(3.0, low=0.0)

    name: ClassVar[str] = "mcp"
    convex: ClassVar[bool] = False
    formula: ClassVar[str] = (
        r"\alpha t - \tfrac{t^2}{2 \gamma} \text{ for } t \le \gamma\alpha, \text{ else } \tfrac{\gamma \alpha^2}{2}"
    )
    reference: ClassVar[str] = "Zhang (2010)"

    def value(self, t: Array, alpha: Any) -> Array:
        t = np.minimum(t, self.gamma * alpha)
        return np.asarray(t * (alpha - 0.5 * t / self.gamma))

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.maximum(alpha - t / self.gamma, 0.0)


@dataclass(eq=False)
class SCAD(Penalty):
    r"""Smoothly clipped absolute deviation: L1 up to ``alpha``, constant from ``a * alpha`` on.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.
    a : float, default=3.7
        Size from which coefficients are not shrunk, in units of alpha; above 2.

    References
    ----------
    Fan, J. and Li, R. (2001). Variable selection via nonconcave penalized likelihood and its oracle
    properties. Journal of the American Statistical Association 96, 1348-1360.

    Examples
    --------
    >>> from robustreg.penalties import SCAD
    >>> SCAD(alpha=1.0, a=3.0)([0.5, 3.0, 9.0])
    4.5
    """

    a: float = real(3.7, low=2.0)

    name: ClassVar[str] = "scad"
    convex: ClassVar[bool] = False
    formula: ClassVar[str] = r"\int_0^t \min\big(\alpha, \tfrac{(a \alpha - s)_+}{a - 1}\big)\, ds"
    reference: ClassVar[str] = "Fan and Li (2001)"

    def value(self, t: Array, alpha: Any) -> Array:
        beyond = np.clip(t - alpha, 0.0, (self.a - 1) * alpha)
        return np.asarray(alpha * (np.minimum(t, alpha) + beyond) - 0.5 * beyond**2 / (self.a - 1))

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.minimum(alpha, np.maximum(self.a * alpha - t, 0.0) / (self.a - 1))
