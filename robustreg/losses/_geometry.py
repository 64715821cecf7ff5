"""Unit vectors, distances and scores with their derivatives; index pairs and triplets with theirs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robustreg._array import NUMPY, Array, arange_like, array_namespace, to_numpy
from robustreg.losses._targets import require


class Unit(NamedTuple):
    """Directions and lengths of the vectors along the last axis."""

    direction: Array
    length: Array
    """With a last axis of one."""

    def pullback(self, gradient: Array) -> Array:
        """Derivative in the vectors, from that in their directions."""
        xp = array_namespace(gradient)
        along = xp.sum(self.direction * gradient, axis=-1, keepdims=True)
        return (gradient - self.direction * along) / self.length


def unit(x: Array) -> Unit:
    """Divide vectors by their lengths; a zero vector keeps direction zero and counts as length one."""
    xp = array_namespace(x)
    # Divided by the largest coordinate first, the squares neither overflow nor vanish.
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    scale = xp.where(largest > 0, largest, xp.ones_like(largest))
    scaled = x / scale
    squares = xp.sum(scaled * scaled, axis=-1, keepdims=True)
    length = xp.sqrt(xp.where(largest > 0, squares, 1.0))
    return Unit(scaled / length, length * scale)


def refuse_zero(x: Array, name: str) -> None:
    """Refuse vectors without a direction."""
    xp = array_namespace(x)
    nonzero = xp.any(x != 0, axis=-1)
    require(xp.all(nonzero), f"{name} contains a zero vector, which has no direction.")


class Distance(NamedTuple):
    """Euclidean distances of points, or their squares, and the derivative in the first point."""

    value: Array
    slope: Array
    known: Array | None
    """The distances themselves where they are not the roots of the values."""

    @property
    def length(self) -> Array:
        """The distances themselves, finite where their squares are not."""
        if self.known is not None:
            return self.known
        xp, apart = array_namespace(self.value), self.value > 0
        return xp.where(apart, xp.sqrt(xp.where(apart, self.value, 1.0)), 0.0)


def _row_squares(x: Array) -> Array:
    """Squared length of each row."""
    if isinstance(x, np.ndarray):
        return np.einsum("ij,ij->i", x, x)  # without a matrix of squares
    return array_namespace(x).sum(x * x, axis=-1)


def _at_most(x: Array, most: float) -> bool:
    """Whether no entry is more, or no number."""
    if isinstance(x, np.ndarray):
        return bool(x.max() <= most)
    return bool(array_namespace(x).all(x <= most))


def distance(a: Array, b: Array, squared: bool) -> Distance:
    """Distance of the points in corresponding rows; where they coincide the derivative is zero."""
    xp = array_namespace(a)
    most = float(xp.finfo(a.dtype).max)
    if squared:
        difference = a - b
        value = _row_squares(difference)
        if _at_most(value, most):
            return Distance(value, 2.0 * difference, None)
    # Halved, the difference cannot overflow; divided by its largest entry, its squares cannot.
    half = 0.5 * a - 0.5 * b
    largest = xp.max(xp.abs(half), axis=-1)
    apart = largest > 0
    scale = xp.where(apart, largest, xp.ones_like(largest))
    scaled = half / scale[:, None]
    root = xp.sqrt(xp.where(apart, xp.sum(scaled * scaled, axis=-1), 1.0))
    length = xp.where(apart, 2.0 * root * scale, 0.0)
    length = xp.where(length <= most, length, most)
    if squared:
        slope = xp.where(4.0 * half <= most, 4.0 * half, most)  # infinite ones cancel to NaN
        return Distance(value, xp.where(slope >= -most, slope, -most), length)
    slope = xp.where(apart[:, None], scaled / root[:, None], 0.0)
    return Distance(length, slope, length)


def nearer(one: Distance, other: Distance) -> Array:
    """By how much the second distance (or its square) is less than the first, infinite ones too."""
    xp = array_namespace(one.value)
    most = float(xp.finfo(one.value.dtype).max)
    if _at_most(one.value, most) and _at_most(other.value, most):
        return one.value - other.value
    finite = (one.value <= most) & (other.value <= most)
    plain = xp.where(finite, one.value, 0.0) - xp.where(finite, other.value, 0.0)
    # a^2 - b^2 = (a - b) (a + b), in which equal ones make zero
    half = 0.5 * one.length, 0.5 * other.length
    return xp.where(finite, plain, 4.0 * (half[0] - half[1]) * (half[0] + half[1]))


class Scores:
    """Scores a b' of every row of ``a`` with every row of ``b``."""

    @staticmethod
    def forward(a: Array, b: Array) -> Array:
        """Scores, one row for each row of ``a``."""
        return a @ array_namespace(b).matrix_transpose(b)

    @staticmethod
    def pullback(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Derivatives in ``a`` and ``b``, from that in the scores."""
        return g @ b, array_namespace(g).matrix_transpose(g) @ a


class RowScores(Scores):
    """Score of each row of ``a`` with the same row of ``b``, one column."""

    @staticmethod
    def forward(a: Array, b: Array) -> Array:
        return array_namespace(a).sum(a * b, axis=-1, keepdims=True)

    @staticmethod
    def pullback(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        return g * b, g * a


class OwnScores(Scores):
    """Scores of each row of ``a`` with the k rows that the three-dimensional ``b`` holds for it."""

    @staticmethod
    def forward(a: Array, b: Array) -> Array:
        return array_namespace(a).sum(a[:, None, :] * b, axis=-1)

    @staticmethod
    def pullback(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        g = g[:, :, None]
        return array_namespace(g).sum(g * b, axis=1), g * a[:, None, :]


def only(x: Array, chosen: Array) -> Array:
    """Rows of ``x`` that are chosen, and zeros in place of the others."""
    if isinstance(
        x, np.ndarray
    ):  # a third of the time of a mask that is stretched over the columns
        out, rows = np.zeros_like(x), np.flatnonzero(chosen)
        out[rows] = x[rows]
        return out
    return array_namespace(x).where(chosen[:, None], x, 0.0)


def take(x: Array, index: Array) -> Array:
    """Rows of ``x`` at the indices."""
    return array_namespace(x).take(x, index, axis=0)


def put(gradient: Array, index: Array, n: int) -> Array:
    """Pullback of `take`: sum the rows of ``gradient`` that came from each of ``n`` rows."""
    xp = array_namespace(gradient)
    if xp is NUMPY:
        out = np.zeros((n, *gradient.shape[1:]), dtype=gradient.dtype)
        np.add.at(out, index, gradient)
        return out
    rows = arange_like(n, index)
    picked = xp.astype(rows[:, None] == index[None, :], gradient.dtype)
    flat = xp.reshape(gradient, (gradient.shape[0], -1))
    return xp.reshape(picked @ flat, (n, *gradient.shape[1:]))


def cross_pairs(n_first: int, n_second: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of every pair of one of ``n_first`` and one of ``n_second`` rows.

    Examples
    --------
    >>> first, second = cross_pairs(2, 2)
    >>> first.tolist(), second.tolist()
    ([0, 0, 1, 1], [0, 1, 0, 1])
    """
    first, second = np.divmod(np.arange(n_first * n_second), n_second)
    return first, second


def label_pairs(labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices i < j of every pair of rows, and whether their labels agree (1) or not (0).

    Examples
    --------
    >>> first, second, similar = label_pairs([5, 5, 7])
    >>> first.tolist(), second.tolist(), similar.tolist()
    ([0, 0, 1], [1, 2, 2], [1, 0, 0])
    """
    labels = to_numpy(labels)
    first, second = np.triu_indices(labels.shape[0], k=1)
    return first, second, (labels[first] == labels[second]).astype(np.int64)


def label_triplets(labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of every (anchor, positive, negative): two different rows of one label, one of another.

    Examples
    --------
    >>> anchor, positive, negative = label_triplets([5, 5, 7])
    >>> anchor.tolist(), positive.tolist(), negative.tolist()
    ([0, 1], [1, 0], [2, 2])
    """
    codes = np.unique(to_numpy(labels), return_inverse=True)[1].reshape(-1)
    order = np.argsort(codes, kind="stable")
    parts = []
    for rows in np.split(order, np.cumsum(np.bincount(codes))[:-1]):
        apart = ~np.eye(len(rows), dtype=bool)
        anchor, positive = (rows[some] for some in np.nonzero(apart))
        negative = np.flatnonzero(codes != codes[rows[0]])
        parts.append(
            np.stack(
                [
                    np.repeat(anchor, len(negative)),
                    np.repeat(positive, len(negative)),
                    np.tile(negative, len(anchor)),
                ]
            )
        )
    found = np.concatenate(parts, axis=1)
    anchor, positive, negative = found[:, np.argsort(found[0], kind="stable")]
    return anchor, positive, negative
