"""What y may be, as data: each kind of target checks itself and makes samples for tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from robustreg._array import Array, array_namespace

Names = tuple[str, ...]


class Target(ABC):
    """What y and the raw predictions of a loss must look like."""

    @abstractmethod
    def check(self, y: Array, raw: Any, names: Names) -> None:
        """Compare y and the raw predictions with what the loss can use.

        Parameters
        ----------
        y : array or None
            Targets, finite real numbers.
        raw : array or tuple of arrays
            Raw predictions, finite real numbers.
        names : tuple of str
            What the caller calls y and each array of ``raw``.

        Raises
        ------
        ValueError
            If shapes do not fit or a target is outside the domain; the message names it.
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        """Draw targets and raw predictions of ``n`` rows, away from kinks with probability one."""


def require(condition: Any, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not bool(condition):
        raise ValueError(message)


def one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    """Refuse anything but one of a few strings."""
    words = ", ".join(repr(option) for option in options)
    legal = isinstance(value, str) and value in options
    require(legal, f"{name} must be one of {words}. Got {value!r}.")


def same_shape(a: Array, b: Array, names: Names) -> None:
    """Refuse arrays of different shapes, which would broadcast silently."""
    require(
        a.shape == b.shape,
        f"{names[0]} and {names[1]} must have the same shape. "
        f"Got {tuple(a.shape)} and {tuple(b.shape)}.",
    )


def each_in(y: Array, allowed: tuple[int, ...], name: str) -> None:
    """Refuse targets outside a small set of numbers."""
    xp = array_namespace(y)
    inside = y == allowed[0]
    for value in allowed[1:]:
        inside = inside | (y == value)
    words = ", ".join(str(value) for value in allowed)
    require(xp.all(inside), f"{name} must hold only {{{words}}}.")


class Real(Target):
    """Any real number, one for each raw prediction."""

    def check(self, y: Array, raw: Array, names: Names) -> None:
        same_shape(y, raw, names)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        return rng.normal(scale=2.0, size=n), rng.normal(size=n)
