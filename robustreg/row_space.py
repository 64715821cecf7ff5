"""Coordinates of an X with fewer rows than columns: combinations of its rows.

What coefficients do to the rows, and the shortest coefficients that do it, lie in the space that the
rows span. A basis of it is as long as X is wide; what it is combined from is as long as X is high, so
only that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.linalg.lapack import dlange, dpocon, dpotrf, dpotri

from robustreg._array import Array
from robustreg.coordinates import CANCELS

#: with more rows the decomposition of their inner products takes longer than a fit by products
MOST_ROWS = 1024
#: smallest eigenvalue of the rows' inner products, as a share of the largest, that can be trusted
ALIKE = 1e-8
#: one below this share, times the number of rows, is zero but for rounding
ZERO = 16 * float(np.finfo(float).eps)
#: a combination of rows that is zero may be so up to this share of a column's size
LOST = 1e-9
#: rounding: condition number of inner products up to which their inverse leaves coordinates twelve digits, as many as
#: predictions keep
CLOSE = 1e4
#: and what is left of means, as a share of the size of the coordinates
LEVEL = 1e-12
#: rounding: what a centre adds to that of predictions, which have about size one, is not felt up to here
LITTLE = 10.0
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
    #: curvatures of a penalty of squares along the coordinates differ by the reciprocal of ``ALIKE`` at the most
    even = True
    #: products with inner products would show the square of the condition number
    inner: ClassVar[Array | None] = None

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


@dataclass
class DenseRowSpace(RowSpace):
    """The same of dense rows that are well apart: what they span is known by their inner products alone.

    Parameters
    ----------
    X : array of shape (n, n_features)
        Rows, centred.
    inner : array of shape (rank, rank)
        ``transform.T @ transform``.
    """

    inner: Array  # type: ignore[misc]

    #: combinations of rows that are well apart do not cancel
    precise = False

    @cached_property
    def transform(self) -> Array:
        """What the coordinates make of the user's columns; as many numbers as X has."""
        return self._combined(self.weights)

    @cached_property
    def hidden(self) -> Array:
        """Size of what centring took away, for each of the solver's coefficients: a bound, where it is little."""
        bound: Array = np.linalg.norm(self.center) * np.sqrt(self.inner.diagonal())
        return bound if bound.max() <= LITTLE else np.abs(self.center) @ np.abs(self.transform)

    @property
    def varies(self) -> Array:
        """Which of the user's columns are not constant."""
        moved: Array = self.X.any(axis=0)
        return moved

    def apply(self, X: Array, out: Array | None = None, last: Array | None = None) -> Array:
        """Return dense rows of X in these coordinates, as those of other coordinates do."""
        return np.dot(np.subtract(X, self.center, out=out), self.transform, out=last)

    def quadratic(self, diagonal: Array) -> Array:
        """Return ``transform.T @ diag(diagonal) @ transform``."""
        if diagonal.min() == diagonal.max():
            return diagonal[0] * self.inner
        return self.transform.T @ (diagonal[:, None] * self.transform)


def dense_row_space(
    rows: Array, inner: Array, center: Array, intercept: bool
) -> tuple[DenseRowSpace, Array] | None:
    """Return coordinates in the space of dense rows, and the rows in these, beside an intercept with a one each.

    With ``Q`` orthonormal, and orthogonal to ones beside an intercept, rows are ``sqrt(n) Q`` in coordinates of which the
    transform is ``sqrt(n) X' Q (Q' X X' Q)^-1``. No product with X is needed to choose them.

    Parameters
    ----------
    rows : array of shape (n, n_features)
        Centred; fewer than columns.
    inner : array of shape (n, n)
        Their inner products.
    center : array of shape (n_features,)
        What was subtracted from the columns.
    intercept : bool
        Whether columns are centred.

    Returns
    -------
    space, rows : DenseRowSpace, array of shape (n, n), or None
        None where rows are not so far apart that inner products, which have the square of their condition number,
        leave all digits but a few.
    """
    n = len(inner)
    if n < 2:
        return None
    # The reflection that takes ones to the first axis: its other columns are Q.
    mirror, factor = np.full(n, 1 / np.sqrt(n)), 0.0
    if intercept:
        mirror[0] += 1.0
        factor = 1 / mirror[0]
        turned = inner @ mirror
        outer = np.multiply.outer(
            factor * mirror, turned - 0.5 * factor * (mirror @ turned) * mirror
        )
        inner = inner - outer
        inner -= outer.T
        inner = inner[1:, 1:]
    first = int(intercept)
    triangle, failed = dpotrf(inner, clean=1)
    if failed:
        return None
    size = dlange("1", inner)  # type: ignore[call-arg]  # its stub knows no norm
    if not dpocon(triangle, size)[0] > 1 / CLOSE:
        return None
    inverse = dpotri(triangle, overwrite_c=1)[0]  # its upper triangle, beside zeros
    inverse.flat[:: n - first + 1] *= 0.5
    inverse = inverse + inverse.T
    left = np.ones(n).dot(rows) / n if intercept else np.zeros(1)
    # what rounding of the centre leaves of means, and terms that cancel, in the transform
    drift = (left @ left) * n * dlange("1", inverse)  # type: ignore[call-arg]
    if drift > LEVEL**2 or np.trace(inner) * inverse.diagonal().max() > CANCELS**2:
        return None
    root = np.sqrt(n)
    weights = np.multiply.outer((-root * factor) * mirror, mirror[first:] @ inverse)
    weights[first:] += root * inverse
    basis = np.ones((n, n))
    basis[:, : n - first] = np.multiply.outer((-root * factor) * mirror, mirror[first:])
    basis.reshape(-1)[first * n :: n + 1] += root
    inverse *= n
    none = np.zeros(0, dtype=int)
    return DenseRowSpace(rows, center, weights, none, rows[:, :0], inverse), basis


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
