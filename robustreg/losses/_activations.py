"""Sigmoid and softmax with their logarithms, for people and for the losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import (
    Array,
    array_namespace,
    clip,
    exp_minus_abs,
    floating,
    log1p,
    plain_array,
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
    return Sigmoid(_logits(z)).at


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
    z = _logits(z)
    return clip(z, -_INF, 0.0) - Sigmoid(z).softplus


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
    z = _shifted(_logits(z), axis)
    xp = array_namespace(z)
    weights = xp.exp(z)
    return weights / xp.sum(weights, axis=axis, keepdims=True)


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
    z = _shifted(_logits(z), axis)
    xp = array_namespace(z)
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


_INF = float("inf")


def _logits(z: Any) -> Array:
    """Floating array of what the user passed."""
    z = plain_array(z, "z")
    return floating(array_namespace(z), z)[0]


def _shifted(z: Array, axis: int) -> Array:
    """Subtract the largest logit; where that is infinite, only the infinities among them count."""
    xp = array_namespace(z)
    top = xp.max(z, axis=axis, keepdims=True)
    unbounded = xp.isinf(top)
    with np.errstate(over="ignore"):  # a difference beyond the largest number has probability 0
        rest = z - xp.where(unbounded, xp.zeros_like(top), top)
    rest = xp.where(unbounded, xp.full_like(top, -_INF), rest)
    return xp.where(z == top, xp.zeros_like(z), rest)
