"""Logarithms and quotients of probabilities with the limits of 0 log 0, 0 / 0 and 1 / 0.

Most arrays hold no zero, and one look for it saves several passes over them.
"""

from __future__ import annotations

from robustreg._array import Array, array_namespace, log1p

_INF = float("inf")


def x_log_y(x: Array, y: Array, complement: Array | None = None) -> Array:
    """X log(y) with 0 log 0 = 0; ``complement`` is 1 - y where that is known without rounding."""
    xp = array_namespace(y)
    positive = None if bool(xp.min(y) > 0) else y > 0
    if positive is not None:
        y = xp.where(positive, y, 1.0)
        complement = None if complement is None else xp.where(positive, complement, 0.0)
    value = x * (xp.log(y) if complement is None else log1p(-complement))
    if positive is None:
        return value
    return xp.where(positive, value, xp.where(x > 0, xp.full_like(y, -_INF), 0.0))


def ratio(a: Array, b: Array) -> Array:
    """A / b of non-negative numbers with 0 / 0 = 0 and a / 0 = inf."""
    xp = array_namespace(b)
    if bool(xp.min(b) > 0):
        return a / b
    zero = b <= 0
    value = a / xp.where(zero, 1.0, b)
    return xp.where(zero, xp.where(a > 0, xp.full_like(b, _INF), 0.0), value)
