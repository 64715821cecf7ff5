"""Losses of several moving inputs, or of a whole batch at once, from the code of their gradient."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from robustreg._array import EMPTY, Array, total
from robustreg.losses._base import Loss
from robustreg.losses._tangent import Tangent, slope_of


class BatchLoss(Loss):
    """A loss whose curvature is derived from its gradient.

    A subclass gives `terms`, with weights, from array-API functions that `_tangent` knows.
    """

    @abstractmethod
    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        """Weighted values, and the derivatives of their sum in ``raw`` and in ``extra``."""

    def values(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        return self.terms(y, raw, weight, extra)[0]

    def value_gradient(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[float, Any, Array]:
        values, d_raw, d_extra = self.terms(y, raw, weight, extra)
        return total(values), d_raw, d_extra

    def curvature(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Any, Array]:
        _, g_raw, g_extra = self._terms_along(y, raw, weight, extra, d_raw, d_extra)
        c_extra = g_extra if g_extra is EMPTY else slope_of(g_extra)
        if isinstance(raw, tuple):
            return tuple(slope_of(g) for g in g_raw), c_extra
        return slope_of(g_raw), c_extra

    def slope_along(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> Array:
        return slope_of(self._terms_along(y, raw, weight, extra, d_raw, d_extra)[0])

    def _terms_along(
        self, y: Any, raw: Any, weight: Any, extra: Any, d_raw: Any, d_extra: Any
    ) -> tuple[Any, Any, Any]:
        """`terms` with their derivatives along a direction."""
        moving = tuple(map(_along, raw, d_raw)) if isinstance(raw, tuple) else _along(raw, d_raw)
        # The constants too, because a strict namespace does not multiply its arrays by tangents.
        return self.terms(
            _along(y, 0.0),
            moving,
            _along(weight, 0.0),
            _along(extra, 0.0 if d_extra is None else d_extra),
        )


def _along(array: Array | None, direction: Any) -> Any:
    """Tangent of an array along a direction, which may be a number for a constant one."""
    return array if array is None else Tangent(array, direction + 0.0 * array)
