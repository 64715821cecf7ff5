"""Equal rows put together, and all rows in an order that depends on their values alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from robustreg._array import Array, is_sparse
from robustreg.data import floats

#: rows looked at together
STEP = 4096


def distinct(X: Any, labels: Array, weight: Array | None) -> tuple[Array, Array | None]:
    """Return numbers of rows that differ, sorted by their labels, and their weights of mean one.

    A fit to these rows is the same for weights and for repeated rows, in whatever order.

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
    print_ = _fingerprints(X)
    order = np.lexsort((print_, labels))
    order = order[weight[order] > 0]
    same = np.flatnonzero(
        (print_[order[1:]] == print_[order[:-1]]) & (labels[order[1:]] == labels[order[:-1]])
    )
    equal = np.zeros(len(order), dtype=bool)
    equal[same + 1] = _equal(X, order[same], order[same + 1])
    first = np.flatnonzero(~equal)
    weight = np.add.reduceat(weight[order], first)
    rows = order[first]
    return rows, None if np.all(weight == weight[0]) else weight / weight.mean()


def _fingerprints(X: Any) -> Array:
    """Return a number of each row that is the same for equal rows, dense or sparse, and hardly for others."""
    odd = np.random.default_rng(0).integers(1 << 63, size=X.shape[1], dtype=np.uint64) * 2 + 1
    odd = odd.astype(np.uint64)
    if is_sparse(X):
        X = sp.csr_array(X)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        mixed = np.append(_mixed(floats(X, dense=False).data, odd[X.indices]), np.uint64(0))
        # running sums wrap around, and their differences with them
        sums = np.append(np.uint64(0), np.cumsum(mixed, dtype=np.uint64))
        return np.asarray(sums[X.indptr[1:]] - sums[X.indptr[:-1]])
    found = np.empty(len(X), dtype=np.uint64)
    for part in gen_batches(len(X), STEP):
        found[part] = _mixed(floats(X[part], dense=True), odd).sum(axis=1, dtype=np.uint64)
    return found


def _mixed(values: Array, odd: Array) -> Array:
    """Bits of numbers, spread over a word in a way of each column; zero for zero."""
    bits = (values + 0.0).view(np.uint64)  # the sum makes minus zero zero
    bits = (bits ^ (bits >> np.uint64(32))) * odd
    return np.asarray((bits ^ (bits >> np.uint64(29))) * odd)


def _equal(X: Any, one: Array, other: Array) -> Array:
    """Whether rows are equal in every entry."""
    found = np.empty(len(one), dtype=bool)
    for part in gen_batches(max(len(one), 1), STEP):
        a, b = X[one[part]], X[other[part]]
        if is_sparse(X):
            found[part] = np.asarray(abs(a - b).sum(axis=1)).ravel() == 0
        else:
            found[part] = (a == b).all(axis=1)
    return found
