"""Products of rows with matrices of few columns, such as coefficients and gradients of several outputs.

OpenBLAS copies X before it multiplies by a matrix, and with few columns the copy takes longer than the product. Of small
matrices it multiplies without a copy: so it is done here, some rows at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array

#: machine: operations up to which OpenBLAS copies nothing, where it has a kernel for that (of 1,000 x 500 by three columns
#: it takes 0.11 ms in place of 0.33 with AVX-512; elsewhere both take the same)
UNCOPIED = 1_000_000
#: machine: columns that are few; with more, and with fewer rows at a time, calls take as long as copies
FEW, LEAST_ROWS = 20, 50


def times(X: Any, few: Array) -> Array:
    """Return ``X @ few``, of a dense or sparse X, by an array of one dimension or two."""
    parts = _parts(X, few) if few.ndim > 1 else []
    if len(parts) < 2:
        whole: Array = X.dot(few)
        return whole
    product = np.empty((len(X), few.shape[1]))
    for part in parts:
        np.dot(X[part], few, out=product[part])
    return product


def transposed_times(X: Any, few: Array) -> Array:
    """Return ``X.T @ few``."""
    parts = _parts(X, few) if few.ndim > 1 else []
    if len(parts) < 2:
        whole: Array = X.T.dot(few)
        return whole
    product: Array = X[parts[0]].T.dot(few[parts[0]])
    for part in parts[1:]:
        product += X[part].T.dot(few[part])
    return product


def _parts(X: Any, few: Array) -> list[slice]:
    """Return the rows of each product without a copy; none where there is nothing to be gained."""
    n, each = X.shape[0], X.shape[1] * few.shape[1]
    if not isinstance(X, np.ndarray) or few.shape[1] > FEW or n * each <= UNCOPIED:
        return []
    if X.strides[1] != X.itemsize:  # columns in one piece: parts of them take up to twice as long
        return []
    step = UNCOPIED // each
    if step < LEAST_ROWS:
        return []
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
