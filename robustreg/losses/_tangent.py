"""Arrays that carry a direction, so that a gradient's code also yields its derivative.

Losses of whole batches write their gradient once, with array-API functions. `Tangent` arrays answer
those functions with the value and its exact derivative along one direction (forward-mode
differentiation), which turns the gradient into a Hessian product without a second formula.
"""

from __future__ import annotations

import functools
from typing import Any

import array_api_compat

from robustreg._array import Array, array_namespace


class Tangent:
    """An array and its derivative along a direction.

    Parameters
    ----------
    value : array
        The array.
    slope : array
        Its derivative, of the same shape.
    """

    __slots__ = ("slope", "value")
    __array_ufunc__ = None  # so that NumPy leaves mixed operations to this class

    def __init__(self, value: Array, slope: Array) -> None:
        self.value, self.slope = value, slope

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    dtype = property(lambda self: self.value.dtype)

    device = property(lambda self: array_api_compat.device(self.value))

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        """Functions that propagate the direction."""
        return namespace(array_namespace(self.value))

    def __getitem__(self, key: Any) -> Tangent:
        return Tangent(self.value[key], self.slope[key])

    def __neg__(self) -> Tangent:
        return Tangent(-self.value, -self.slope)

    def __add__(self, other: Any) -> Tangent:
        b, db = split(other)
        return Tangent(self.value + b, self.slope + db)

    def __mul__(self, other: Any) -> Tangent:
        b, db = split(other)
        return Tangent(self.value * b, self.slope * b + self.value * db)

    def __sub__(self, other: Any) -> Tangent:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Tangent:
        return (-self).__add__(other)

    def __truediv__(self, other: Any) -> Tangent:
        b, db = split(other)
        value = self.value / b
        return Tangent(value, (self.slope - value * db) / b)

    def __rtruediv__(self, other: Any) -> Tangent:
        value = other / self.value
        return Tangent(value, -value * self.slope / self.value)

    def __pow__(self, exponent: int) -> Tangent:
        power = self.value ** (exponent - 1)
        return Tangent(power * self.value, exponent * power * self.slope)

    def __matmul__(self, other: Any) -> Tangent:
        b, db = split(other)
        slope = self.slope @ b
        if isinstance(other, Tangent):
            slope = slope + self.value @ db
        return Tangent(self.value @ b, slope)

    def __rmatmul__(self, other: Any) -> Tangent:
        return Tangent(other @ self.value, other @ self.slope)

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> Any:
        return self.value == split(other)[0]

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> Array:
        return self.value < split(other)[0]

    def __le__(self, other: Any) -> Array:
        return self.value <= split(other)[0]

    def __gt__(self, other: Any) -> Array:
        return self.value > split(other)[0]

    def __ge__(self, other: Any) -> Array:
        return self.value >= split(other)[0]


def split(array: Any) -> tuple[Any, Any]:
    """Value and slope; a constant's slope is 0."""
    if isinstance(array, Tangent):
        return array.value, array.slope
    return array, 0.0


def slope_of(array: Any) -> Array:
    """Derivative of a result; zeros where it did not depend on the direction."""
    return array.slope if isinstance(array, Tangent) else 0.0 * array


@functools.cache
def namespace(xp: Any) -> Namespace:
    """The one namespace of tangents over an array namespace."""
    return Namespace(xp)


class Namespace:
    """The array-API functions that batch losses use, for `Tangent` arrays; others pass through."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Any:
        if name in _LINEAR:
            return functools.partial(self._linear, getattr(self.xp, name))
        return getattr(self.xp, name)

    @staticmethod
    def _linear(function: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, Tangent):
            return function(x, *args, **kwargs)
        return Tangent(function(x.value, *args, **kwargs), function(x.slope, *args, **kwargs))

    def exp(self, x: Tangent) -> Tangent:
        value = self.xp.exp(x.value)
        return Tangent(value, value * x.slope)

    def log(self, x: Tangent) -> Tangent:
        return Tangent(self.xp.log(x.value), x.slope / x.value)

    def log1p(self, x: Tangent) -> Tangent:
        return Tangent(self.xp.log1p(x.value), x.slope / (1.0 + x.value))

    def sqrt(self, x: Tangent) -> Tangent:
        value = self.xp.sqrt(x.value)
        return Tangent(value, 0.5 * x.slope / value)

    def abs(self, x: Tangent) -> Tangent:
        return Tangent(self.xp.abs(x.value), self.xp.sign(x.value) * x.slope)

    def max(self, x: Any, **kwargs: Any) -> Array:
        """Largest value without its derivative: used as a shift that leaves results unchanged."""
        return self.xp.max(split(x)[0], **kwargs)

    def where(self, condition: Array, a: Any, b: Any) -> Any:
        (a, da), (b, db) = split(a), split(b)
        value = self.xp.where(condition, a, b)
        zero = self.xp.zeros_like(value)
        return Tangent(value, self.xp.where(condition, da + zero, db + zero))

    def vecdot(self, a: Any, b: Any) -> Any:
        return self.sum(a * b, axis=-1)

    def take_along_axis(self, x: Tangent, index: Array, axis: int) -> Tangent:
        take = self.xp.take_along_axis
        return Tangent(take(x.value, index, axis=axis), take(x.slope, index, axis=axis))

    def astype(self, x: Any, dtype: Any) -> Array:
        """Integers or Booleans made of tangents are constants."""
        return self.xp.astype(split(x)[0], dtype)

    def concat(self, arrays: list[Any], axis: int = 0) -> Tangent:
        values = [split(a)[0] for a in arrays]
        return Tangent(
            self.xp.concat(values, axis=axis),
            self.xp.concat([slope_of(a) for a in arrays], axis=axis),
        )

    def zeros_like(self, x: Any) -> Array:
        return self.xp.zeros_like(split(x)[0])

    def ones_like(self, x: Any) -> Array:
        return self.xp.ones_like(split(x)[0])


_LINEAR = {"sum", "reshape", "matrix_transpose", "permute_dims"}
