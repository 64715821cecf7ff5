"""Coordinates of a sparse X with fewer rows than columns: combinations of its rows.

What coefficients do to the rows, and the shortest coefficients that do it, lie in the space that the
rows span. A basis of it is as long as X is wide; what it is combined from is as long as X is high, so
only that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array

#: with more rows the decomposition of their inner products takes longer than a fit by products
MOST_ROWS = 1024
#: smallest eigenvalue of the rows' inner products, as a share of the largest, that can be trusted
ALIKE = 1e-8
#: one below this share, times the number of rows, is zero but for rounding
ZERO = 16 * float(np.finfo(float).eps)
#: a combination of rows that is zero may be so up to this share of a column's size
LOST = 1e-9
#: columns with a mean of this many of their spreads lose digits if inner products are centred afterwards
OFFSET = 3.0
#: bytes of the basis that are made at a time
PART_BYTES = 1 << 23


@dataclass
class RowSpace:
    """A map between the user's columns and an orthonormal basis of what they do to the rows.

    Parameters
    ----------
    X : sparse array of shape (n, n_features)
        Rows, as the user gave them.
    center : array of shape (n_features,)
        What is subtracted from the columns (zeros where there is no intercept).
    weights : array of shape (n, rank)
        ``coef = (X - center).T @ weights @ u``; with an intercept its columns add up to zero.
    far : array of int of shape (n_far,)
        Columns that are far from zero for their spread, and
    centred : array of shape (n, n_far)
        those columns, centred.
    """

    X: Any
    center: Array
    weights: Array
    far: Array
    centred: Array

    #: no coefficient of the solver is one of the user's
    diagonal = False

    @property
    def size(self) -> int:
        """Number of coefficients the solver sees."""
        return int(self.weights.shape[1])

    def coef(self, u: Array) -> Array:
        """Coefficients in the user's units; ``u`` is (n_reduced,) or (n_reduced, n_outputs)."""
        return self._combined(self.weights @ u)

    def adjoint(self, gradient: Array) -> Array:
        """Carry a gradient with respect to the user's coefficients back to ``u``."""
        return self.weights.T @ self._products(gradient)

    def quadratic(self, diagonal: Array) -> Array:
        """Return ``transform.T @ diag(diagonal) @ transform`` of the transform that this stands for."""
        if diagonal.min() == diagonal.max():
            return diagonal[0] * self._inner
        root = self.coef(np.eye(self.size)) * np.sqrt(diagonal)[:, None]
        return root.T @ root

    @cached_property
    def _inner(self) -> Array:
        inner: Array = self.weights.T @ self.rows()
        return 0.5 * (inner + inner.T)

    def solver(self, coef: Array) -> Array:
        """Return the ``u`` whose ``coef`` is nearest to the given one (a warm start)."""
        return np.linalg.lstsq(self._inner, self.adjoint(coef), rcond=None)[0]

    def rows(self) -> Array:
        """Return the rows of X in these coordinates, some columns of them at a time."""
        rows = np.empty_like(self.weights)
        width = max(PART_BYTES // (8 * self.X.shape[1]), 1)
        for start in range(0, self.size, width):
            part = slice(start, start + width)
            rows[:, part] = self._products(self._combined(self.weights[:, part]))
        return rows - rows.mean(axis=0) if self.center.any() else rows

    @cached_property
    def hidden(self) -> Array:
        """Size of what centring took away, for each of the solver's coefficients."""
        size, center = np.zeros(self.size), np.abs(self.center)
        width = max(PART_BYTES // (8 * self.X.shape[1]), 1)
        for start in range(0, self.size, width):
            part = slice(start, start + width)
            size[part] = center @ np.abs(self._combined(self.weights[:, part]))
        return size

    def _combined(self, weights: Array) -> Array:
        """Return ``(X - center).T @ weights`` of weights that add up to zero."""
        combined: Array = self.X.T @ weights
        if len(self.far):
            combined[self.far] = self.centred.T @ weights
        return combined

    def _products(self, coef: Array) -> Array:
        """Return ``(X - center) @ coef``, but for a number that is the same in all rows."""
        if not len(self.far):
            products: Array = self.X @ coef
            return products
        near = coef.copy()
        near[self.far] = 0.0
        return self.X @ near + self.centred @ coef[self.far]


def row_space(X: Any, center: Array, spread: Array, intercept: bool) -> RowSpace | None:
    """Return coordinates in the space of the rows, None where too little is known of them.

    Parameters
    ----------
    X : sparse array of shape (n, n_features)
        Finite rows, fewer than columns.
    center, spread : arrays of shape (n_features,)
        Of the columns; a spread of zero marks a column that is constant, as far as sums tell.
    intercept : bool
        Whether columns are centred.

    Returns
    -------
    RowSpace or None
        None where rows are so alike, or columns so unlike each other in size, that inner products,
        which have the square of the condition number, would show.
    """
    n = X.shape[0]
    center, far, centred = _far_columns(X, center, spread, intercept)
    near = X
    if len(far):
        keep = np.ones(X.shape[1])
        keep[far] = 0.0
        near = X @ sp.csr_array((keep, np.arange(len(keep)), np.arange(len(keep) + 1)))
    inner = (near @ near.T).toarray() + centred @ centred.T
    if intercept:
        inner -= inner.mean(axis=0)
        inner -= inner.mean(axis=1)[:, None]
        inner = 0.5 * (inner + inner.T)
    size = np.sqrt(np.maximum(np.diag(inner), 0.0))
    if not 1e-150 < size.max() < 1e150:
        return None
    # Rows of unit length: whether they depend on each other is no question of their sizes.
    size = np.where(size > ZERO * size.max(), size, 1.0)
    inner /= size[:, None]
    inner /= size
    values, vectors = scipy.linalg.eigh(inner, overwrite_a=True, check_finite=False)
    kept = values > n * ZERO * values[-1]
    weights = vectors / size[:, None]
    unit = np.abs(weights[:, ~kept]).max(initial=0.0)
    if intercept:
        weights -= weights.mean(axis=0)
    nothing = RowSpace(X, center, weights[:, ~kept], far, centred)
    if values[kept][0] < ALIKE * values[-1] or not _vanishes(nothing, unit, spread):
        return None
    values, vectors, weights = values[kept], vectors[:, kept], weights[:, kept]
    rows = size[:, None] * vectors * np.sqrt(values)
    if intercept:
        rows -= rows.mean(axis=0)
    triangle = scipy.linalg.qr(rows, mode="r", check_finite=False)[0][: len(values)]
    weights = scipy.linalg.solve_triangular(
        triangle, (weights / np.sqrt(values)).T, trans="T", check_finite=False
    ).T
    return RowSpace(X, center, np.sqrt(n) * weights, far, centred)


def _far_columns(
    X: Any, center: Array, spread: Array, intercept: bool
) -> tuple[Array, Array, Array]:
    """Return the centre, the columns far from zero for their spread, and those, centred."""
    if not intercept:
        return center, np.zeros(0, dtype=int), np.zeros((X.shape[0], 0))
    full = np.bincount(X.indices, minlength=X.shape[1]) >= X.shape[0]
    # sums of squares cannot tell a column that is constant from one with a large offset
    far = np.flatnonzero((np.abs(center) > OFFSET * spread) | (full & (spread == 0)))
    columns = X[:, far].toarray()
    center = center.copy()
    center[far] = columns.mean(axis=0)
    columns -= center[far]
    columns[:, np.ptp(columns, axis=0) == 0] = 0.0
    columns -= columns.mean(axis=0)
    return center, far, columns


def _vanishes(nothing: RowSpace, unit: float, spread: Array) -> bool:
    """Whether combinations of the rows, with weights of about ``unit``, are zero in every column."""
    largest = np.sqrt(nothing.X.shape[0]) * np.where(spread > 0, spread, np.inf)
    if len(nothing.far):
        largest[nothing.far] = np.abs(nothing.centred).max(axis=0)
    width = max(PART_BYTES // (8 * len(spread)), 1)
    for start in range(0, nothing.size, width):
        weights = nothing.weights[:, start : start + width]
        left = np.abs(nothing._combined(weights)).max(axis=1)
        if np.any(left > LOST * unit * largest):
            return False
    return True
