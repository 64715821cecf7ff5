"""The contract of a penalty: a concave function of the size of a coefficient plus a square."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from robustreg._array import Array
from robustreg._parameters import Parameters, real
from robustreg.penalties._applied import Applied
from robustreg.penalties._sizes import LARGEST, sizes

PENALTIES: dict[str, type[Penalty]] = {}
"""Every penalty by its name, filled as the classes are defined."""


@dataclass(eq=False)
class Penalty(Parameters, ABC):
    r"""A function of the coefficients: the sum over coefficients, or groups of them, of a function of their size.

    The size of a coefficient is its absolute value, that of a group its Euclidean norm. Of the size t the
    function is ``value(t)``, made of a concave part, of which `slope` is the derivative, and of a square,
    of which `bend` is the second derivative. Values, bounds, proximal steps, majorisers and certificates
    follow from these three. A penalty knows neither data nor loss. The intercept and a loss's own
    parameters are never penalised: nobody passes them.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength, at least 0. As ``penalty`` of an estimator it must be 0: the estimator's own counts.

    Attributes
    ----------
    name : str
        Name in `PENALTIES`.
    convex : bool
        Whether the function is convex. Where it is not a fit starts from that of the L1 penalty, and
        proves a stationary point.
    formula, reference : str
        For the documentation.
    """

    alpha: float = real(0.0, low=0.0, closed="left")

    name: ClassVar[str]
    convex: ClassVar[bool] = True
    formula: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            PENALTIES[cls.name] = cls

    @abstractmethod
    def value(self, t: Array, alpha: Any) -> Array:
        """Return the penalty of sizes.

        Parameters
        ----------
        t : array
            Sizes, at least 0.
        alpha : float or array
            Strengths, which broadcast against the sizes.

        Returns
        -------
        value : array
            Of the shape of the sizes.
        """

    @abstractmethod
    def slope(self, t: Array, alpha: Any) -> Array:
        """Return the derivative of the concave part; at 0 that on its right.

        Parameters
        ----------
        t, alpha : array, float or array
            As in `value`.

        Returns
        -------
        slope : array
            At least 0 and not increasing in the sizes.
        """

    def bend(self, alpha: Any) -> Any:
        """Return the second derivative of the square.

        Parameters
        ----------
        alpha : float or array
            Strengths.

        Returns
        -------
        bend : float or array
            At least 0.
        """
        return 0.0 * alpha

    def labels(self, n_features: int) -> Array | None:
        """Return the group of each feature, None where each coefficient is by itself.

        Parameters
        ----------
        n_features : int
            Number of features.

        Raises
        ------
        ValueError
            If the penalty is one of groups of another number of features.
        """
        return None

    def __call__(self, coef: Any, alpha: float | None = None) -> float:
        """Return the penalty of coefficients.

        Parameters
        ----------
        coef : float, or array-like of shape (n_features,) or (n_features, n_outputs)
            Coefficients; a number is that of a single feature.
        alpha : float, optional
            Strength in place of the penalty's own.

        Returns
        -------
        value : float

        Raises
        ------
        ValueError
            If a parameter is out of range or the coefficients are not numbers.
        """
        shape = self if alpha is None else replace(self, alpha=alpha)
        shape.validate()
        coef = np.atleast_1d(np.asarray(coef, dtype=float))
        if np.isnan(coef).any():
            raise ValueError("coef contains NaN.")
        if coef.ndim > 2:
            raise ValueError(f"coef must have one or two dimensions. Got shape {coef.shape}.")
        t = sizes(coef, self.labels(len(coef)))
        return float(np.sum(self.value(t, shape.alpha)))

    # What solvers of smooth problems ask.
    @property
    def empty(self) -> bool:
        """Whether nothing is penalised."""
        return bool(self.alpha == 0)

    @property
    def euclidean(self) -> bool:
        """Whether it is a multiple of the squared Euclidean norm, which no rotation changes."""
        return self.empty

    @property
    def kinked(self) -> bool:
        """Whether it has a kink at zero."""
        return not self.empty and bool(np.any(self.slope(np.zeros(1), self.alpha)))

    @property
    def at_zero(self) -> float:
        """Slope on both sides of the kink at zero."""
        return float(self.slope(np.zeros(1), self.alpha)[0])

    @property
    def square(self) -> float:
        """Second derivative of the square."""
        return float(self.bend(self.alpha))

    @property
    def joins_outputs(self) -> bool:
        """Whether sizes are those of groups, which hold the coefficients of several outputs."""
        return False

    @property
    def by_column(self) -> bool:
        """Whether it is met by the solver of columns alone."""
        return False

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        """Value and gradient at ``coef`` of any shape; at zero one subgradient."""
        t = np.abs(coef)
        slope = self.slope(t, self.alpha) + self.bend(self.alpha) * t
        return float(self.value(t, self.alpha).sum()), slope * np.sign(coef)

    def curvature(self, coef: Array) -> Array:
        """Diagonal of the Hessian of what bends, in the shape of ``coef``."""
        return np.full_like(coef, self.bend(self.alpha))

    def scaled(self, factor: float) -> Any:
        """Return the penalty times ``factor``."""
        return replace(self, alpha=self.alpha * factor)

    def rescaled(self, spread: float, degree: int, mass: float) -> Any:
        """Return the penalty beside a loss of ``degree`` of y divided by ``spread``, per mean weight ``mass``."""
        return Applied.to(self).rescaled(spread, degree, mass)

    def _power(self, spread: float, exponent: int, mass: float) -> Self:
        alpha = self.alpha / mass * spread ** float(exponent) if self.alpha else 0.0
        return replace(self, alpha=min(alpha, LARGEST))
