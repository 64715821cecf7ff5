"""Labels that are elsewhere: which there are, how much they weigh, and their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.estimators._labels import encode, plain_labels
from robustreg.tables import Part

#: classes of each column of y, and the weights of their rows
Known = tuple[list[Array], list[Array]]


def read_labels(y: Any, name: str) -> Array:
    """Return labels as an array; what encoding them will complain of is said with their name."""
    try:
        y = np.asarray(plain_labels(y))
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if len(y):
            encode(y)
    except ValueError as error:
        raise ValueError(f"{error} ({name})") from None
    return y


@dataclass(frozen=True)
class Labels:
    """A pass that says which labels there are, and what they weigh."""

    def __call__(self, part: Part) -> Known:
        codes, classes = encode(part.y)
        columns = [codes] if codes.ndim == 1 else list(codes.T)
        known = [classes] if codes.ndim == 1 else classes
        masses = []
        for column, those in zip(columns, known, strict=True):
            place = column if codes.ndim == 1 else np.searchsorted(those, column)
            masses.append(np.bincount(place.astype(int), part.weight, minlength=len(those)))
        return list(known), masses


def union(one: Known, other: Known) -> Known:
    """Combine two answers of :class:`Labels`."""
    classes, masses = [], []
    for a, b, w_a, w_b in zip(one[0], other[0], one[1], other[1], strict=True):
        try:
            every, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        except TypeError as error:
            raise ValueError(f"The labels in y cannot be sorted: {error}.") from error
        classes.append(every)
        masses.append(np.bincount(place.ravel(), np.concatenate([w_a, w_b])))
    return classes, masses


@dataclass(frozen=True)
class Coded:
    """Makes codes of labels and weights of classes of a part; rows without weight are left out.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        All labels.
    codes : array of shape (n_classes,)
        The number of each.
    factors : array of shape (n_classes,) or None
        Weights of classes.
    """

    classes: Array
    codes: Array
    factors: Array | None

    def __call__(self, part: Part) -> Part:
        place = np.searchsorted(self.classes, part.y)
        weight = part.weight
        if self.factors is not None:
            weight = self.factors[place] if weight is None else weight * self.factors[place]
        return Part(part.X, self.codes[place], weight).positive()


def numbers_of_columns(part: Part) -> Part:
    """Make numbers of several labels a row."""
    return Part(part.X, part.y.astype(np.float64), part.weight).positive()


@dataclass(frozen=True)
class Side:
    """1 for a class, -1 for the others."""

    k: int

    def __call__(self, y: Array, weight: Array | None) -> tuple[Array, Array | None]:
        return np.where(y == self.k, 1.0, -1.0), weight


@dataclass(frozen=True)
class Column:
    """One of several labels a row, and weights of its two classes."""

    k: int
    factors: Array | None

    def __call__(self, y: Array, weight: Array | None) -> tuple[Array, Array | None]:
        y = y[:, self.k]
        if self.factors is not None:
            rows = self.factors[y.astype(int)]
            weight = rows if weight is None else weight * rows
        return y, weight


@dataclass(frozen=True)
class Right:
    """A pass that counts the rows whose labels are predicted, and all of them, by their weights."""

    model: Any

    def __call__(self, part: Part) -> tuple[float, float]:
        right = self.model.predict(part.X) == part.y
        right = right.all(axis=1) if right.ndim == 2 else right
        weight = np.ones(len(right)) if part.weight is None else part.weight
        return float(weight @ right), float(weight.sum())
