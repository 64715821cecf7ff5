"""Equal rows put together, and all rows in an order that the units of the columns do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from robustreg._array import Array, is_sparse


def distinct(X: Any, labels: Array, weight: Array | None) -> tuple[Array, Array | None]:
    """Return numbers of rows that differ, sorted by their labels, and their weights of mean one.

    A fit to these rows is the same for weights and for repeated rows, in whatever order. Rows of one label
    are sorted by the first column, then by the second, and so on: their order is the same in all units.

    Parameters
    ----------
    X : {array, sparse matrix} of shape (n, n_features)
        Finite rows.
    labels : array of shape (n,)
        Rows of different labels differ.
    weight : array of shape (n,) or None
        Non-negative; rows of weight zero are left out.

    Returns
    -------
    rows : array of int of shape (n_distinct,)
    weight : array of shape (n_distinct,) or None
        None for equal weights.
    """
    weight = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=float)
    weight = weight / 2.0 ** np.frexp(weight.max())[1]  # exact, and sums cannot overflow
    rows = np.argsort(labels, kind="stable")
    rows = rows[weight[rows] > 0]
    differs = np.append(True, labels[rows][1:] != labels[rows][:-1])
    for keys in _entries(X) if is_sparse(X) else _columns(X):
        follows = ~differs
        if not follows.any():
            break
        tied = np.flatnonzero(follows | np.append(follows[1:], False))
        some = rows[tied]
        values = keys(some)
        if not any((key[1:] != key[:-1])[follows[tied[1:]]].any() for key in values):
            continue
        order = np.lexsort((*values[::-1], np.cumsum(differs)[tied]))
        rows[tied] = some[order]
        for key in values:
            differs[tied[1:]] |= key[order[1:]] != key[order[:-1]]
    first = np.flatnonzero(differs)
    weight = np.add.reduceat(weight[rows], first)
    return rows[first], None if np.all(weight == weight[0]) else weight / weight.mean()


Keys = Callable[[Array], tuple[Array, ...]]
"""What some rows are sorted by, the most important first."""


def _columns(X: Array) -> Iterator[Keys]:
    """Sort by one column after the other."""

    def keys(j: int, rows: Array) -> tuple[Array, ...]:
        return (X[rows, j],)

    for j in range(X.shape[1]):
        yield partial(keys, j)


def _entries(X: Any) -> Iterator[Keys]:
    """Sort by one entry after the other that is not zero, into the order of `_columns`.

    Where rows have been equal up to an entry, the earlier a positive one stands the greater is its row.
    """
    X = sp.csr_array(X, copy=True)
    X.sum_duplicates()
    X.eliminate_zeros()
    # after the last entry a row has zeros alone, between rows of a negative entry and of a positive one
    place = np.append(np.sign(X.data) * (X.shape[1] - X.indices), 0.0)
    data = np.append(X.data, 0.0)

    def keys(k: int, rows: Array) -> tuple[Array, ...]:
        at = X.indptr[rows] + k
        at = np.where(at < X.indptr[rows + 1], at, len(X.data))
        return place[at], data[at]

    for k in range(int(np.diff(X.indptr).max(initial=0))):
        yield partial(keys, k)
