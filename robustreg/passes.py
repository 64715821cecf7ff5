"""Passes over rows as small objects: what they need travels to the rows, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from robustreg._array import Array, is_sparse
from robustreg._scratch import scratch
from robustreg.data import Block
from robustreg.losses import Loss

#: share of the mean curvature up to which a row may be left out: all of these have no more than that of the sum
LITTLE = 0.05
#: columns of X, and columns for each output, up to which one product for all pairs of classes takes less time than
#: one for each (machine)
NARROW, NARROW_EACH = 100, 6
#: columns with the ones, classes and rows from which on it takes about two thirds of the time to multiply columns with
#: each other, and classes with each other, before both (machine)
COLUMNS, CLASSES, MANY = 16, 8, 1000
#: square of the share of rates that are not zero up to which, and classes from which on, pairs of these take less time
#: than all (machine)
SPARSE, SEVERAL = 0.05, 16
#: entries of X whose products could overflow where their weights do not let them
FAR = 1e75
#: rows whose product takes far longer than its sum with those of others
TOGETHER = 1024
#: and bytes of the products of pairs at the most: those of 300 classes would take far more than X
PAIRED_BYTES = 1 << 25


@dataclass(frozen=True)
class Curvature:
    """Gram matrices and cross terms that make a Hessian, by the loss's curvature at raw predictions.

    Parameters
    ----------
    loss : Loss
        A sum over rows.
    at : array
        Coefficients and intercept as blocks take them.
    extra : array of shape (n_extra,)
        The loss's own parameters.
    n_outputs : int or None
        Columns of the raw predictions; None means they are one-dimensional.
    known : array, optional
        Raw predictions of all rows at the point, where they are in this process.
    """

    loss: Loss
    at: Array
    extra: Array
    n_outputs: int | None = None
    known: Array | None = None

    def __call__(self, block: Block) -> tuple[Any, ...]:
        return self.of(block, block.raw(self.at) if self.known is None else self.known[block.part])

    def of(self, block: Block, raw: Array) -> tuple[Any, ...]:
        """Return the terms of rows whose raw predictions are known."""
        if self.n_outputs is not None and isinstance(block.X, np.ndarray):
            found = self.loss.rates(block.y, raw, block.weight)
            if found is not None:
                rates, basis = found
                narrow = min(NARROW, NARROW_EACH * self.n_outputs)
                if block.X.shape[1] <= narrow:
                    return _mixed(between(block, rates), basis)
                return by_pairs(block, rates, basis)
        parts: list[Any] = []
        for j, (d_raw, d_extra) in enumerate(self._directions()):
            bend, c_extra = self.loss.curvature(
                block.y, raw, block.weight, self.extra, d_raw, d_extra
            )
            if d_extra is not None:
                parts += [block.pullback(bend), np.asarray(c_extra)]
            elif self.n_outputs is None:
                parts.append(block.gram(bend))
            else:
                parts.append(block.grams(bend[:, j:]))
        return tuple(parts)

    def _directions(self) -> list[tuple[Any, Any]]:
        """Unit directions of raw predictions, then of the loss's own parameters."""
        raw: list[Any] = [1.0] if self.n_outputs is None else list(np.eye(self.n_outputs))
        directions: list[tuple[Any, Any]] = [(d, None) for d in raw]
        if len(self.extra):
            directions += [(0.0, row) for row in np.eye(len(self.extra))]
        return directions


def between(block: Block, rates: Array) -> Array:
    """Return the Gram matrices of curvatures ``diag(r) - r r' / sum(r)`` of rows whose rates are r.

    Of a dense X. One product for all pairs of classes takes a fraction of the time of one for each. What a
    column has by itself is the sum of what it has with the others: no difference of large numbers.

    Parameters
    ----------
    block : Block
    rates : array of shape (n_rows, k)
        At least 0.

    Returns
    -------
    grams : array of shape (k, q, k, q)
    """
    X, apart, positive = block.X, block.apart, rates > 0
    if not positive.all():
        # a row of one class has no curvature
        several = np.flatnonzero(np.count_nonzero(positive, axis=1) > 1)
        X, rates, positive = X[several], rates[several], positive[several]
    (n, k), q = rates.shape, X.shape[1] + apart
    total = rates.sum(axis=1, keepdims=True)
    total = np.where(total > 0, total, 1.0)
    sparse = (
        q >= COLUMNS and k >= SEVERAL and np.count_nonzero(positive) ** 2 <= SPARSE * (n * k) ** 2
    )
    many = q >= COLUMNS and k >= CLASSES and n >= MANY
    each_once = (many or sparse) and np.abs(X).max(initial=0.0) <= FAR
    if each_once:
        grams = _each_once(X, apart, rates, total, _few_pairs if sparse else _all_pairs)
    else:
        grams = _as_one(X, apart, rates, total)
    for j in range(k):
        grams[j, :, j] = 0.0
        grams[j, :, j] = -grams[j].sum(axis=1)
    return grams


def _as_one(every: Array, apart: bool, rates: Array, total: Array) -> Array:
    """Return what :func:`between` does of two columns of rates, by the product of one matrix with itself."""
    (n, k), q = rates.shape, every.shape[1] + apart
    roots, whole = rates / np.sqrt(total), np.zeros((k * q, k * q))
    for start in range(0, n, TOGETHER):
        X, root = every[start : start + TOGETHER], roots[start : start + TOGETHER, :, None]
        bent = np.empty((len(X), k, q))
        np.multiply(X[:, None, :], root, out=bent[:, :, : X.shape[1]])
        bent[:, :, X.shape[1] :] = root if apart else 0.0
        bent = bent.reshape(len(X), -1)
        whole -= bent.T.dot(bent)
    return whole.reshape(k, q, k, q)


def _each_once(
    every: Array, apart: bool, rates: Array, total: Array, of_pairs: Callable[..., Array]
) -> Array:
    """Return the same, where each product of two columns and of two rates is made once."""
    (n, k), q = rates.shape, every.shape[1] + apart
    shares, inner = rates / total, np.zeros((k * (k - 1) // 2, q * (q + 1) // 2))
    step = min(TOGETHER, max(PAIRED_BYTES // (8 * sum(inner.shape)), 1))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        X = every[rows].T
        columns = np.ones((q, X.shape[1]))
        columns[: len(X)] = X
        inner += of_pairs(rates[rows], shares[rows], _pairwise(columns, columns, 0, "columns"))
    (row, column), (one, other) = np.triu_indices(q), np.triu_indices(k, 1)
    pairs, grams = np.empty((len(inner), q, q)), np.zeros((k, q, k, q))
    pairs[:, row, column] = pairs[:, column, row] = -inner
    grams[one, :, other] = grams[other, :, one] = pairs
    return grams


def _all_pairs(rates: Array, shares: Array, products: Array) -> Array:
    """Return the sums of products, a column for each row, with the weights of each pair of classes."""
    return _pairwise(rates.T, shares.T, 1, "classes").dot(products.T)


def _few_pairs(rates: Array, shares: Array, products: Array) -> Array:
    """Return the same where most rates are zero: a row is in the sums of its own pairs alone."""
    n, k = rates.shape
    row, one = np.nonzero(rates)
    held, weights = [], []
    for ahead in range(1, int(np.bincount(row).max(initial=0))):
        same = np.flatnonzero(row[ahead:] == row[:-ahead])
        at, a, b = row[same], one[same], one[same + ahead]
        # pairs in the order of np.triu_indices(k, 1)
        held.append((a * (2 * k - a - 1) // 2 + b - a - 1, at))
        weights.append(rates[at, a] * shares[at, b])
    if not held:
        return np.zeros((k * (k - 1) // 2, len(products)))
    place = tuple(np.concatenate(parts) for parts in zip(*held, strict=True))
    pairs = sp.csr_array((np.concatenate(weights), place), shape=(k * (k - 1) // 2, n))
    return np.asarray(pairs @ np.ascontiguousarray(products.T))


def _pairwise(first: Array, second: Array, apart: int, use: str) -> Array:
    """Return the products of each row of ``first`` with the rows of ``second`` from ``apart`` after it on.

    They are in the memory of this thread for the ``use``, until it is asked for the same again.
    """
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    rows, length = first.shape
    found = scratch(use, ((rows - apart) * (rows - apart + 1) // 2, length))
    start = 0
    for j, row in enumerate(first):
        stop = start + rows - j - apart
        np.multiply(row, second[j + apart :], out=found[start:stop])
        start = stop
    return found


def _mixed(grams: Array, basis: Array) -> tuple[Array, ...]:
    """Return the matrices of each row of a basis with itself and those after it, from those of its columns."""
    mixed = np.matmul(basis, np.tensordot(basis, grams, (1, 0)))
    return tuple(mixed[j, :, j:].transpose(1, 0, 2) for j in range(len(basis)))


def by_pairs(block: Block, rates: Array, basis: Array) -> tuple[Array, ...]:
    """Return what :func:`between` and a basis do, of more columns.

    Each pair of classes pulls its two scores apart: one Gram matrix of positive weights, which takes half the time
    of one of weights of both signs.
    """
    total = rates.sum(axis=1)
    share = rates / np.where(total > 0, total, 1.0)[:, None]
    one, other = np.triu_indices(rates.shape[1], 1)
    grams = np.stack(
        [block.gram(rates[:, a] * share[:, b]) for a, b in zip(one, other, strict=True)]
    )
    apart = basis[:, one] - basis[:, other]
    return tuple(np.tensordot(apart[j] * apart[j:], grams, 1) for j in range(len(basis)))


@dataclass(frozen=True)
class OwnCurvature:
    """Gram matrices of each output by itself, or their diagonals.

    Matrices are about those: rows that hold little of the curvature of an output are left out of it.

    Parameters
    ----------
    loss, at, extra
        As of :class:`Curvature`.
    whole : bool
        Whether whole matrices: one array of shape (n_outputs, q, q). Otherwise their diagonals, and the
        curvatures pulled back, both of the shape of ``at``.
    """

    loss: Loss
    at: Array
    extra: Array
    whole: bool

    def __call__(self, block: Block) -> tuple[Any, ...]:
        bends = self.loss.own_curvature(block.y, block.raw(self.at), block.weight, self.extra)
        if not self.whole:
            X, cross = block.X, block.pullback(bends)
            square = (
                sp.csr_array((X.data**2, X.indices, X.indptr), X.shape) if is_sparse(X) else X**2
            )
            squares = square.T.dot(bends)
            return np.concatenate([squares, cross[-1:]]) if block.apart else squares, cross
        least = LITTLE * bends.mean(axis=0)[:, None]
        bends = np.ascontiguousarray(bends.T)
        bends[bends < least] = 0.0
        return (np.stack([block.gram(bend) for bend in bends]),)


@dataclass(frozen=True)
class Slopes:
    """Value and gradient, and with ``second`` also what it returns.

    Parameters
    ----------
    loss, at, extra
        As of :class:`Curvature`.
    second : Curvature, optional
        At the same point.
    out : array, optional
        Takes the raw predictions of rows in this process.
    """

    loss: Loss
    at: Array
    extra: Array
    second: Curvature | None = None
    out: Array | None = None

    def __call__(self, block: Block) -> tuple[Any, ...]:
        raw = block.raw(self.at)
        value, slope, d_extra = self.loss.value_gradient(block.y, raw, block.weight, self.extra)
        if self.out is not None:
            self.out[block.part] = raw
        more = self.second.of(block, raw) if self.second is not None else ()
        return value, block.pullback(slope), d_extra, *more


@dataclass(frozen=True)
class Along:
    """Change of the gradient along a direction.

    Parameters
    ----------
    loss, at, extra
        As of :class:`Curvature`.
    d_at, d_extra
        The direction, of the shapes of ``at`` and ``extra``.
    known : array, optional
        Raw predictions of all rows at the point, where they are in this process.
    """

    loss: Loss
    at: Array
    extra: Array
    d_at: Array
    d_extra: Array
    known: Array | None = None

    def __call__(self, block: Block) -> tuple[Any, ...]:
        raw = block.raw(self.at) if self.known is None else self.known[block.part]
        d_raw = block.raw(self.d_at)
        slope, c_extra = self.loss.curvature(
            block.y, raw, block.weight, self.extra, d_raw, self.d_extra
        )
        return block.pullback(slope), c_extra


@dataclass(frozen=True)
class Both:
    """Two passes as one.

    Parameters
    ----------
    first, second : callable
        Of a block, or of a part of a table.
    """

    first: Callable[[Any], Any]
    second: Callable[[Any], Any]

    def __call__(self, rows: Any) -> tuple[Any, ...]:
        return self.first(rows), self.second(rows)


@dataclass(frozen=True)
class Beside:
    """A pass that chooses rows, and another: their sums are a pair.

    Parameters
    ----------
    first : callable
        Returns which rows of a block are wanted, and a tuple.
    second : callable
        Returns a tuple.
    """

    first: Callable[[Block], tuple[Array, tuple[Any, ...]]]
    second: Callable[[Block], tuple[Any, ...]]

    def __call__(self, block: Block) -> tuple[Array, tuple[Any, ...]]:
        rows, sums = self.first(block)
        return rows, (sums, self.second(block))


@dataclass(frozen=True)
class CombineBoth:
    """Combines answers of :class:`Both`."""

    first: Callable[..., tuple[Any, ...]]
    second: Callable[..., tuple[Any, ...]]

    def __call__(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        return self.first(one[0], other[0]), self.second(one[1], other[1])
