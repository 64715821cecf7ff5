"""Sigmoid and softmax with their logarithms, for people and for the losses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import (
    Array,
    array_namespace,
    cast,
    exp_minus_abs,
    floating,
    log1p,
    plain_array,
    working,
)


class Sigmoid:
    """The logistic curve at z, from one exponential that cannot overflow.

    Parameters
    ----------
    z : array
        Logits.
    """

    def __init__(self, z: Array) -> None:
        self.positive = array_namespace(z).astype(z >= 0, z.dtype)
        self.small = exp_minus_abs(z)
        self.near = 1.0 / (1.0 + self.small)
        self.far = self.small * self.near

    @property
    def at(self) -> Array:
        """sigmoid(z)."""
        return self.far + (self.near - self.far) * self.positive

    @property
    def opposite(self) -> Array:
        """sigmoid(-z), which 1 - sigmoid(z) loses to rounding."""
        # A product with 0 or 1, faster than a choice, and exact where the far one is chosen.
        return self.far + (self.near - self.far) * (1.0 - self.positive)

    @property
    def slope(self) -> Array:
        """sigmoid(z) sigmoid(-z)."""
        return self.far * self.near

    @property
    def softplus(self) -> Array:
        """log(1 + exp(-abs(z)))."""
        return log1p(self.small)


def _of_logits(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let a function of a floating array take anything like it; half precision comes back as such."""

    @functools.wraps(function)
    def checked(z: Any, *args: Any, **kwargs: Any) -> Array:
        z = plain_array(z, "z")
        xp = array_namespace(z)
        dtype = floating(xp, z)
        return cast(function(cast(z, working(xp, dtype)), *args, **kwargs), dtype)

    return checked


@_of_logits
def sigmoid(z: Any) -> Array:
    """Logistic function 1 / (1 + exp(-z)).

    Parameters
    ----------
    z : array-like
        Logits; infinities are allowed.

    Returns
    -------
    probability : array
        Of the shape of ``z``.

    Examples
    --------
    >>> from robustreg.losses import sigmoid
    >>> sigmoid([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return Sigmoid(z).at


@_of_logits
def log_sigmoid(z: Any) -> Array:
    """Logarithm of the logistic function.

    Parameters
    ----------
    z : array-like
        Logits; infinities are allowed.

    Returns
    -------
    log_probability : array
        Of the shape of ``z``.

    Examples
    --------
    >>> from robustreg.losses import log_sigmoid
    >>> log_sigmoid([-1000.0, 0.0, 1000.0]).round(4).tolist()
    [-1000.0, -0.6931, 0.0]
    """
    xp = array_namespace(z)
    # The side of zero is that of `exp_minus_abs`, or automatic differentiation is wrong at zero.
    return xp.where(z >= 0, xp.zeros_like(z), z) - Sigmoid(z).softplus


@_of_logits
def softmax(z: Any, axis: int = -1) -> Array:
    """Exponentials of the logits, divided by their sum.

    Parameters
    ----------
    z : array-like
        Logits. Infinite ones share the probability; where all are minus infinity, all do.
    axis : int, default=-1
        Axis of the classes.

    Returns
    -------
    probability : array
        Of the shape of ``z``; sums to one along ``axis``.

    Examples
    --------
    >>> from robustreg.losses import softmax
    >>> softmax([1000.0, 1000.0, -1000.0]).tolist()
    [0.5, 0.5, 0.0]
    """
    z = _shifted(z, axis)
    xp = array_namespace(z)
    weights = xp.exp(z)
    return weights / xp.sum(weights, axis=axis, keepdims=True)


@_of_logits
def log_softmax(z: Any, axis: int = -1) -> Array:
    """Logarithm of the softmax.

    Parameters
    ----------
    z : array-like
        Logits. Infinite ones share the probability; where all are minus infinity, all do.
    axis : int, default=-1
        Axis of the classes.

    Returns
    -------
    log_probability : array
        Of the shape of ``z``.

    Examples
    --------
    >>> from robustreg.losses import log_softmax
    >>> log_softmax([1000.0, 1000.0, -1000.0]).round(4).tolist()
    [-0.6931, -0.6931, -2000.6931]
    """
    z = _shifted(z, axis)
    xp = array_namespace(z)
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


_INF = float("inf")


def _shifted(z: Array, axis: int) -> Array:
    """Subtract the largest logit; where that is infinite, only the infinities among them count."""
    xp = array_namespace(z)
    top = xp.max(z, axis=axis, keepdims=True)
    unbounded = xp.isinf(top)
    with np.errstate(over="ignore"):  # a difference beyond the largest number has probability 0
        rest = z - xp.where(unbounded, xp.zeros_like(top), top)
    infinite = xp.where(z == top, xp.zeros_like(z), xp.full_like(z, -_INF))
    return xp.where(unbounded, infinite, rest)
