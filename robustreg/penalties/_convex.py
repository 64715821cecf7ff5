"""Convex penalties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array
from robustreg._parameters import real
from robustreg.penalties._base import Penalty


@dataclass(eq=False)
class L2(Penalty):
    r"""Half the sum of squares, which shrinks coefficients and makes none zero.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.

    References
    ----------
    Hoerl, A. E. and Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal
    problems. Technometrics 12, 55-67.

    Examples
    --------
    >>> from robustreg.penalties import L2
    >>> L2(alpha=2.0)([3.0, -4.0])
    25.0
    """

    name: ClassVar[str] = "l2"
    formula: ClassVar[str] = r"\tfrac{\alpha}{2} t^2"
    reference: ClassVar[str] = "Hoerl and Kennard (1970)"

    def value(self, t: Array, alpha: Any) -> Array:
        return np.asarray(0.5 * alpha * t**2)

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.zeros_like(t * alpha)

    def bend(self, alpha: Any) -> Any:
        return alpha

    @property
    def euclidean(self) -> bool:
        return True

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        gradient = self.alpha * coef
        return 0.5 * float(np.vdot(gradient, coef)), gradient

    def rescaled(self, spread: float, degree: int, mass: float) -> L2:
        return self._power(spread, 2 - degree, mass)


@dataclass(eq=False)
class L1(Penalty):
    r"""The sum of absolute values, which makes coefficients exactly zero: the lasso.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.

    References
    ----------
    Tibshirani, R. (1996). Regression shrinkage and selection via the lasso. Journal of the Royal
    Statistical Society B 58, 267-288.

    Examples
    --------
    >>> from robustreg.penalties import L1
    >>> L1(alpha=2.0)([3.0, -4.0])
    14.0
    """

    name: ClassVar[str] = "l1"
    formula: ClassVar[str] = r"\alpha t"
    reference: ClassVar[str] = "Tibshirani (1996)"

    def value(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha * t)

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha + 0.0 * t)

    def rescaled(self, spread: float, degree: int, mass: float) -> L1:
        return self._power(spread, 1 - degree, mass)


@dataclass(eq=False)
class ElasticNet(Penalty):
    r"""A mixture of L1 and L2, which also keeps columns that resemble each other together.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.
    l1_ratio : float, default=0.5
        Share of L1, in [0, 1].

    References
    ----------
    Zou, H. and Hastie, T. (2005). Regularization and variable selection via the elastic net. Journal of
    the Royal Statistical Society B 67, 301-320.

    Examples
    --------
    >>> from robustreg.penalties import ElasticNet
    >>> ElasticNet(alpha=2.0, l1_ratio=0.5)([3.0, -4.0])
    19.5
    """

    l1_ratio: float = real(0.5, low=0.0, high=1.0, closed="both")

    name: ClassVar[str] = "elastic_net"
    formula: ClassVar[str] = r"\alpha \big(r t + \tfrac{1 - r}{2} t^2\big)"
    reference: ClassVar[str] = "Zou and Hastie (2005)"

    def value(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha * (self.l1_ratio * t + 0.5 * (1 - self.l1_ratio) * t**2))

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha * self.l1_ratio + 0.0 * t)

    def bend(self, alpha: Any) -> Any:
        return alpha * (1 - self.l1_ratio)


@dataclass(eq=False)
class GroupLasso(Penalty):
    r"""The sum of the norms of groups of coefficients, which are zero together.

    With several outputs (classes, labels, outcomes) a group holds the coefficients of its features for all of
    them. A hinge loss has a fit of its own for each class against the rest, with groups of its own.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.
    groups : array-like of shape (n_features,), default=None
        A label for each feature, those with equal labels being a group. None makes each feature a
        group: with one output that is L1, with several it selects features for all outputs together.

    References
    ----------
    Yuan, M. and Lin, Y. (2006). Model selection and estimation in regression with grouped variables.
    Journal of the Royal Statistical Society B 68, 49-67.

    Examples
    --------
    >>> from robustreg.penalties import GroupLasso
    >>> GroupLasso(alpha=2.0, groups=["a", "a", "b"])([3.0, -4.0, 1.0])
    12.0
    """

    groups: Any = None

    name: ClassVar[str] = "group_lasso"
    formula: ClassVar[str] = r"\alpha t, \quad t = \lVert \mathrm{coef}_g \rVert_2"
    reference: ClassVar[str] = "Yuan and Lin (2006)"

    def value(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha * t)

    def slope(self, t: Array, alpha: Any) -> Array:
        return np.asarray(alpha + 0.0 * t)

    @property
    def joins_outputs(self) -> bool:
        return True

    def labels(self, n_features: int) -> Array | None:
        if self.groups is None:
            return np.arange(n_features)
        wanted = (
            "The 'groups' parameter of GroupLasso must hold one label, a number or a string, for each of the "
            f"{n_features} features."
        )
        try:
            groups = np.asarray(self.groups)
            plain = np.asarray(groups.tolist()) if groups.dtype == object else groups
            labels = np.unique(plain, return_inverse=True)[1]
        except (TypeError, ValueError):  # ragged, or labels of kinds that have no order
            raise ValueError(f"{wanted} Got {self.groups!r}.") from None
        if groups.shape != (n_features,):
            raise ValueError(f"{wanted} Got shape {groups.shape}.")
        if plain.dtype.kind not in "biuUSmM" and not np.isfinite(plain.astype(float)).all():
            raise ValueError(f"{wanted} Some are missing.")
        return labels.reshape(-1)
