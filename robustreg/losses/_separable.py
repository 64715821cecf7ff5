"""Losses that are sums over rows, or over single predictions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from robustreg._array import EMPTY, Array, array_namespace, total, weigh
from robustreg.losses._base import Argument, Loss
from robustreg.losses._targets import Real, Target, between


class SeparableLoss(Loss):
    """A sum over rows, each of its own target and raw predictions.

    A subclass gives `terms` and `product` without weights; weights and sums are done here.
    """

    @abstractmethod
    def terms(self, y: Any, raw: Any) -> tuple[Array, Any]:
        """Values, and the derivative of each in its own raw predictions.

        Parameters
        ----------
        y, raw : array
            Targets and raw predictions.

        Returns
        -------
        values : array
            Of the shape that `shape` says.
        slopes : array
            Of the shape of ``raw``.
        """

    @abstractmethod
    def product(self, y: Any, raw: Any, d_raw: Any) -> Any:
        """Hessian of each value times its part of the direction.

        Parameters
        ----------
        y, raw : array
            Targets and raw predictions.
        d_raw : array
            Direction, of the shape of ``raw``.

        Returns
        -------
        product : array
            Of the shape of ``raw``.
        """

    def values(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        return weigh(self.terms(y, raw)[0], weight)

    def value_gradient(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[float, Any, Array]:
        value, slope = self.terms(y, raw)
        return total(value, weight), weigh(slope, weight), EMPTY

    def curvature(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Any, Array]:
        return weigh(self.product(y, raw, d_raw), weight), EMPTY

    def slope_along(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> Array:
        value, slope = self.terms(y, raw)
        each = slope * d_raw
        if each.ndim > value.ndim:
            each = array_namespace(each).sum(each, axis=-1)
        return weigh(each, weight)


class PointwiseLoss(SeparableLoss):
    """A sum of functions of one target and one raw prediction each.

    A subclass gives `pointwise` and `second`.
    """

    target: ClassVar[Target] = Real()
    values_shape: ClassVar[str] = "(n,) or (n, k)"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("y_true", "target", "array-like of shape (n,) or (n, k)", "Targets."),
        Argument("y_pred", "raw", "array-like of the same shape", "Predictions."),
    )

    @abstractmethod
    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        """Values and first derivatives in ``raw``.

        Parameters
        ----------
        y, raw : array
            Targets and raw predictions of one shape.

        Returns
        -------
        values, slopes : array
            Of the same shape.
        """

    @abstractmethod
    def second(self, y: Array, raw: Array) -> Array:
        """Second derivatives in ``raw``; 0 where there are none.

        Parameters
        ----------
        y, raw : array
            Targets and raw predictions of one shape.

        Returns
        -------
        bends : array
            Of the same shape.
        """

    def shape(self, raw: Array) -> tuple[int, ...]:
        return tuple(raw.shape)

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        return self.pointwise(y, raw)

    def product(self, y: Array, raw: Array, d_raw: Any) -> Array:
        second = self.second(y, raw)
        return second if isinstance(d_raw, float) and d_raw == 1.0 else second * d_raw


class ProbabilityLoss(Loss):
    """Mixin of losses whose predictions are logits or, with ``from_logits=False``, probabilities."""

    from_logits: bool

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        if not self.from_logits:
            name = next(a.name for a in self.arguments if a.role == "raw")
            between(raw, 0.0, 1.0, name)

    def shelter(self, raw: Array, weight: Array) -> Array:
        # An impossible event has an infinite loss, and infinity times a weight of 0 would be NaN.
        if self.from_logits:
            return raw
        xp = array_namespace(raw)
        missing = raw.ndim - weight.ndim
        spread = xp.reshape(weight, (*weight.shape, *(1,) * missing))
        return xp.where(spread > 0, raw, xp.ones_like(raw) * 0.5)
