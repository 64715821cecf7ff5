"""Coordinates of a large sparse X, whose columns are centred and scaled through the coefficients.

Arithmetic with sparse columns loses digits where a column lies far from zero for its spread, and where
columns nearly cancel. Those columns, and no others, are replaced: by what is left of them when they are
centred, or by orthonormal combinations of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array
from robustreg.coordinates import Coordinates
from robustreg.data import BLOCK_BYTES, diagonal, floats
from robustreg.orthonormal import orthonormal_transform

#: a column with a mean of this many spreads is centred as it stands. Its inner products then lose three
#: digits at the most; having such a mean, a column is not zero in more than one row of 900
OFFSET = 30.0
#: with more columns a decomposition of their inner products takes longer than most fits
MOST_COLUMNS = 2500
#: bytes of columns that are made dense at the most
MOST_BYTES = 1 << 27
#: what a column adds to those before it, as a share of its sum of squares, that inner products show
ADDS = 1e-9
#: rounding of a combination of columns that is zero, in units of its terms
VANISHES = 1e-12
#: a coefficient of a combination of columns of unit size that is more than the rounding of inner products
PART = 1e-6
#: and one that is not more than that of products with the rows
NO_PART = 1e-9
#: share of a column's sum of squares, in units of its largest entry, that is hidden by that
HIDES = 1e-6
#: products of entries up to which each direction without data is found to the last digit
REFINED = 200_000_000
#: combinations of the directions without data that tell whether all of them are such
PROBES = 4


@dataclass
class SparseColumns:
    """Sparse columns that products can be taken with, and what they are in the user's terms.

    Parameters
    ----------
    X : sparse array of shape (n, q)
        The columns.
    stored : Coordinates
        From them to the solver's.
    user : Coordinates
        From the user's columns to the solver's.
    rank : int
        Columns that do not depend on others.
    null : array of shape (n_features, k) or None
        Orthonormal coefficients, in the user's units, of which X makes nothing.
    """

    X: Any
    stored: Coordinates
    user: Coordinates
    rank: int
    null: Array | None = None


def sparse_columns(X: Any, intercept: bool, reduce: bool, resolve: bool) -> SparseColumns:
    """Choose coordinates for a sparse X.

    Parameters
    ----------
    X : sparse array of shape (n, n_features)
        Finite rows.
    intercept : bool
        Whether columns may be centred.
    reduce : bool
        Whether columns may be combined.
    resolve : bool
        Whether to look for columns that depend on others, even if none of them is of a few far entries.

    Returns
    -------
    SparseColumns
    """
    found, lonely = _centred(X, intercept)
    n, n_features = X.shape
    if n_features > MOST_COLUMNS or n <= n_features or not (resolve or lonely > 1):
        return found
    null, near = _dependent(found)
    if reduce and len(near) and 8 * n * len(near) <= MOST_BYTES:
        found = _combined(found, near)
        null, near = _dependent(found)
    elif reduce and len(near):
        warnings.warn(
            f"X has {len(near)} columns ({_some(near)}) that nearly cancel each other, by more than "
            "sparse arithmetic can resolve: coefficients are not exact. Make X dense, or leave one of "
            "them out.",
            UserWarning,
            stacklevel=2,
        )
    found.rank -= null.shape[1]
    if reduce and null.shape[1]:
        # what is left of rounding would be large in the units of a combination of nearly equal columns
        null[np.abs(null) < NO_PART] = 0.0
        found.null = _orthonormal(found.user.coef(null))
    return found


def _some(columns: Array) -> str:
    shown = ", ".join(str(j) for j in columns[:10])
    return shown if len(columns) <= 10 else f"{shown}, ..."


def _sums(X: Any, unit: Array) -> tuple[Array, Array]:
    """Sums and sums of squares of the columns in some units, a few rows at a time."""
    n = X.shape[0]
    step = max(1, n * (BLOCK_BYTES // 8) // max(X.nnz, 1))
    total, square = np.zeros((2, X.shape[1]))
    for start in range(0, n, step):
        rows = floats(X[start : start + step], dense=False) @ diagonal(1 / unit)
        total += rows.sum(axis=0)
        square += rows.multiply(rows).sum(axis=0)
    return total, square


def _centred(X: Any, intercept: bool) -> tuple[SparseColumns, int]:
    """Scale the columns, and centre those that are far from zero for their spread as they stand.

    Also count the columns of which a few equal entries, such as a sentinel, hide all the others.
    """
    n, n_features = X.shape
    top = np.asarray(abs(X).max(axis=0).todense()).ravel().astype(float)
    unit = np.where(top > 0, top, 1.0)
    total, square = _sums(X, unit)
    mean = total / n if intercept else np.zeros(n_features)
    size = np.sqrt(np.maximum(square / n - mean**2, 0.0))
    far = np.flatnonzero(np.abs(mean) > OFFSET * size)
    center, shift = mean * unit, np.zeros(n_features)
    if len(far):
        columns = floats(X[:, far].toarray(), dense=True)
        low, high = columns.min(axis=0), columns.max(axis=0)
        shift[far] = np.clip(center[far], low, high)
        columns -= shift[far]
        constant = high - low <= 2 * np.spacing(np.maximum(np.abs(low), np.abs(high)))
        columns[:, constant] = 0.0
        rest = columns.mean(axis=0)
        columns_unit = np.abs(columns).max(axis=0)
        columns_unit[columns_unit == 0] = 1.0
        spread = np.sqrt((((columns - rest) / columns_unit) ** 2).mean(axis=0)) * columns_unit
        center[far], size[far] = shift[far] + rest, spread / unit[far]
        keep = np.ones(n_features)
        keep[far] = 0.0
        placed = sp.csr_array(columns) @ _places(far, n_features)
        X = floats(X, dense=False) @ diagonal(keep) + placed
        X.eliminate_zeros()
    varies = (size > 0) & (top > 0)
    inverse = np.where(varies, 1 / np.where(varies, size * unit, 1.0), 0.0)
    center = np.where(varies, center, 0.0)
    user = Coordinates(center, inverse)
    # the difference of two numbers so near each other is exact
    stored = Coordinates(np.where(varies, center - shift, 0.0), inverse) if len(far) else user
    entries = np.bincount(X.indices, minlength=n_features)
    hidden = (np.abs(square - np.rint(square)) < HIDES) & (entries > np.rint(square))
    lonely = int(np.count_nonzero(hidden))
    return SparseColumns(X, stored, user, int(varies.sum())), lonely


def _places(columns: Array, width: int) -> Any:
    """Return the sparse matrix that puts columns where they are of ``width``."""
    k = len(columns)
    return sp.csr_array((np.ones(k), columns, np.arange(k + 1)), shape=(k, width))


def _dependent(found: SparseColumns) -> tuple[Array, Array]:
    """Directions without data, in the solver's coordinates, and columns that nearly are such.

    Inner products show what columns add to each other down to the root of rounding. What is left is
    judged by the rows themselves.
    """
    n, q = found.X.shape
    scale, center = found.stored.transform, found.stored.center * found.stored.transform
    none = np.zeros((q, 0)), np.zeros(0, dtype=int)
    rows = found.X @ diagonal(scale)
    size = max(4000, 40 * q)
    if n >= 5 * size:
        some = np.sort(np.random.default_rng(0).choice(n, size, replace=False))
        if _pivoted(rows[some], center, np.flatnonzero(scale))[2] == np.count_nonzero(scale):
            return none
    factor, pivot, rank = _pivoted(rows, center, np.flatnonzero(scale))
    kept, left = pivot[:rank], pivot[rank:]
    if not len(left):
        return none
    first = factor[:rank, :rank]
    null = np.zeros((q, len(left)))
    null[kept] = -scipy.linalg.solve_triangular(first, factor[:rank, rank:], check_finite=False)
    null[left, np.arange(len(left))] = 1.0

    def refined(vectors: Array) -> tuple[Array, Array]:
        """Combinations made as near to nothing as the kept columns allow, and what is left of them."""
        for _ in range(3):
            image = rows @ vectors - center @ vectors
            pull = (rows.T @ image - np.multiply.outer(center, image.sum(axis=0)))[kept] / n
            step = scipy.linalg.solve_triangular(first, pull, trans="T", check_finite=False)
            step = scipy.linalg.solve_triangular(first, step, check_finite=False)
            vectors = vectors.copy()
            vectors[kept] -= step
        image = rows @ vectors - center @ vectors
        size = np.sqrt((image**2).mean(axis=0))
        terms = (1 + np.abs(center)) @ np.abs(vectors)
        return vectors, size > VANISHES * terms

    probes = np.random.default_rng(0).choice([-1.0, 1.0], (len(left), min(PROBES, len(left))))
    if rows.nnz * len(left) > REFINED and not refined(null @ probes)[1].any():
        return null, none[1]
    near = np.zeros(len(left), dtype=bool)
    width = max(1, BLOCK_BYTES // (8 * n))
    for start in range(0, len(left), width):
        part = slice(start, start + width)
        null[:, part], near[part] = refined(null[:, part])
    columns = np.flatnonzero((np.abs(null[:, near]) > PART).any(axis=1))
    return null[:, ~near], columns


def _pivoted(rows: Any, center: Array, live: Array) -> tuple[Array, Array, int]:
    """Cholesky factor with pivoting of the columns' mean inner products, the pivots and the rank."""
    inner = (rows.T @ rows).toarray() / rows.shape[0] - np.outer(center, center)
    factor, pivot, rank, _ = scipy.linalg.lapack.dpstrf(inner[np.ix_(live, live)], tol=ADDS)
    return np.triu(factor), live[pivot - 1], int(rank)


def _combined(found: SparseColumns, near: Array) -> SparseColumns:
    """Replace columns that nearly cancel by orthonormal combinations of them, as dense columns."""
    n, q = found.X.shape
    scale, center = found.stored.transform, found.stored.center
    columns = (found.X[:, near].toarray() - center[near]) * scale[near]
    size = 1 / scale[near]
    triangle = scipy.linalg.qr(columns, mode="r", check_finite=False)[0][: len(near)]
    turn = orthonormal_transform(triangle, size, n) * size[:, None]
    others = np.setdiff1d(np.arange(q), near)
    X = sp.hstack([found.X[:, others], sp.csr_array(columns @ turn)], format="csr")
    k = turn.shape[1]
    transform = np.zeros((len(found.user.center), len(others) + k))
    transform[others, np.arange(len(others))] = scale[others]
    transform[near, len(others) :] = scale[near, None] * turn
    stored = Coordinates(
        np.append(center[others], np.zeros(k)), np.append(scale[others], np.ones(k))
    )
    user = Coordinates(found.user.center, transform)
    return SparseColumns(X, stored, user, found.rank - len(near) + k)


def _orthonormal(null: Array) -> Array:
    """Orthonormal basis of what some columns span."""
    basis: Array = scipy.linalg.qr(
        null / np.linalg.norm(null, axis=0), mode="economic", check_finite=False
    )[0]
    return basis
