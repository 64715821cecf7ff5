"""A penalty as a solver meets it: with a strength for each coefficient, in the solver's units of y."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from robustreg._array import Array
from robustreg.penalties._sizes import LARGEST, sizes


class Shape(Protocol):
    """What is asked of a penalty; see :class:`~robustreg.penalties.Penalty`."""

    alpha: float
    convex: Any
    joins_outputs: Any

    def value(self, t: Array, alpha: Any) -> Array: ...
    def slope(self, t: Array, alpha: Any) -> Array: ...
    def bend(self, alpha: Any) -> Any: ...
    def labels(self, n_features: int) -> Array | None: ...


class Majoriser(NamedTuple):
    """Weighted sizes plus squares, which touch a penalty at some coefficients and are nowhere below it.

    Parameters
    ----------
    l1 : array
        Weight of each size: of the shape of the coefficients, or one for each group.
    l2 : array of the shape of the coefficients
        Weights of half the squares.
    """

    l1: Array
    l2: Array


@dataclass(frozen=True, eq=False)
class Applied:
    """``factor * sum_j penalty(unit * |coef_j|; strength_j)``, of coefficients that may have to be positive.

    Parameters
    ----------
    base : Penalty
        The penalty; its alpha counts.
    weights : array of shape (n_features,), optional
        Factors of alpha, one for each feature; infinity makes a coefficient zero.
    positive : bool
        Whether coefficients are at least zero.
    factor, unit : float
        Of the value, and of the coefficients.
    """

    base: Shape
    weights: Array | None = None
    positive: bool = False
    factor: float = 1.0
    unit: float = 1.0

    @classmethod
    def to(
        cls, base: Any, weights: Array | None = None, positive: bool = False, share: float = 1.0
    ) -> Self:
        """Apply a penalty whose alpha is that of the sum of losses of total weight ``share``.

        Penalties that depend on alpha in another way than by a factor see alpha per unit of weight.
        """
        shape = replace(base, alpha=base.alpha / share if share > 0 else base.alpha)
        return cls(shape, weights, positive, share)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Applied):
            return NotImplemented
        own, its = ({**vars(one), "weights": None} for one in (self, other))
        return own == its and np.array_equal(_weights(self), _weights(other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def convex(self) -> bool:
        """Whether it is convex."""
        return bool(self.base.convex)

    @property
    def empty(self) -> bool:
        """Whether nothing is penalised; a constraint is a penalty."""
        removed = self.weights is not None and bool(np.isinf(self.weights).any())
        return self.base.alpha == 0 and not self.positive and not removed

    @property
    def euclidean(self) -> bool:
        """Whether it is a multiple of the squared Euclidean norm."""
        return False

    @property
    def kinked(self) -> bool:
        """Whether it has a kink at zero."""
        return True

    @property
    def by_column(self) -> bool:
        """Whether it is met by the solver of columns alone."""
        return True

    @property
    def joins_outputs(self) -> bool:
        """Whether coefficients of several outputs have one size."""
        return bool(self.base.joins_outputs)

    def strength(self, n_features: int) -> Array:
        """Return alpha times the factors, one for each feature."""
        if self.weights is None:
            return np.full(n_features, self.base.alpha)
        removed = np.isinf(self.weights)
        return np.where(removed, np.inf, self.base.alpha * np.where(removed, 0.0, self.weights))

    def removed(self, n_features: int) -> Array:
        """Return which coefficients are zero by an infinite factor."""
        return np.isinf(self.strength(n_features))

    def allowed(self, theta: Array, n_features: int) -> Array:
        """Return parameters whose first, the coefficients, are zero where they may not be what they are."""
        theta, coef = theta.copy(), theta[:n_features]
        theta[:n_features][self.removed(n_features) | (self.positive & (coef < 0))] = 0.0
        return theta

    def labels(self, n_features: int) -> Array | None:
        """Return the group of each feature, None where each coefficient is by itself."""
        return self.base.labels(n_features)

    def _parts(self, coef: Array) -> tuple[Array, Array, Array]:
        """Return sizes, their strengths and the strengths of the coefficients."""
        labels, strength = self.labels(len(coef)), self.strength(len(coef))
        strength = np.where(np.isinf(strength), 0.0, strength)
        each = strength if coef.ndim == 1 else strength[:, None]
        t = sizes(self.unit * coef, labels)
        if labels is None:
            return t, np.broadcast_to(each, t.shape), each
        return t, strength[np.unique(labels, return_index=True)[1]], each

    def value(self, coef: Array) -> float:
        """Return the penalty of coefficients of shape (n_features,) or (n_features, n_outputs)."""
        t, strength, _ = self._parts(coef)
        return self.factor * float(np.sum(self.base.value(t, strength)))

    def majoriser(self, coef: Array) -> Majoriser:
        """Return what touches the penalty at the coefficients; itself where it is convex."""
        t, strength, each = self._parts(coef)
        l1 = self.factor * self.unit * self.base.slope(t, strength)
        l2 = self.factor * self.unit**2 * self.base.bend(each)
        return Majoriser(l1, np.broadcast_to(l2, coef.shape))

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        """Value and gradient; where a size is zero, one subgradient."""
        part, labels = self.majoriser(coef), self.labels(len(coef))
        if labels is None:
            return self.value(coef), part.l1 * np.sign(coef) + part.l2 * coef
        t = sizes(coef, labels)
        slope = np.where(t > 0, part.l1 / np.where(t > 0, t, 1.0), 0.0)[labels]
        slope = slope if coef.ndim == 1 else slope[:, None]
        return self.value(coef), slope * coef + part.l2 * coef

    def curvature(self, coef: Array) -> Array:
        """Diagonal of the Hessian of the square."""
        return np.array(self.majoriser(coef).l2)

    def scaled(self, factor: float) -> Self:
        """Return the penalty times ``factor``."""
        return replace(self, factor=self.factor * factor)

    def rescaled(self, spread: float, degree: int, mass: float) -> Self:
        """Return the penalty beside a loss of ``degree`` of y divided by ``spread``, per mean weight ``mass``."""
        factor = self.factor / mass / spread ** float(degree)
        return replace(self, factor=min(factor, LARGEST), unit=self.unit * spread)


def _weights(applied: Applied) -> Any:
    return () if applied.weights is None else applied.weights
