"""Columns that no penalty holds, and the intercept, made orthonormal.

Nothing bounds a coefficient without a penalty. Where two such columns are nearly one, a small gradient in
each of them says little: their difference is a direction of hardly any length, along which the minimum may be
far. In orthonormal coordinates a gradient is a statement about predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, is_sparse
from robustreg.coordinates import MAX_CONDITION, Coordinates, condition_number
from robustreg.data import FEW_GRAMS, Block, Data, floats
from robustreg.orthonormal import orthonormal_transform
from robustreg.remote import Triangle
from robustreg.remote import triangle as joined
from robustreg.solvers._cholesky import cholesky

#: bytes of dense columns that are kept; more are made anew for each pass
KEPT_BYTES = 1 << 28


@dataclass
class FreeColumns:
    """Some columns, and the ones of an intercept, and what makes them orthonormal.

    Parameters
    ----------
    columns : array of int
        Which columns.
    transform : array of shape (q, rank)
        Carries the coefficients of the combinations to those of the columns; the intercept is the last of
        the q. Weighted mean squares of the combinations are one.
    back : array of shape (rank, q)
        Carries coefficients of the columns to those of the combinations.
    """

    columns: Array
    transform: Array
    back: Array

    @classmethod
    def of(cls, data: Data, columns: Array) -> FreeColumns:
        """Decompose columns in diagonal coordinates: one pass over them, unless the last fit to the rows has made it."""
        known, key = data.working, (columns.tobytes(), data.coordinates.transform.tobytes())
        if known is not None and known.free is not None and known.free[0] == key:
            found: FreeColumns = known.free[1]
            return found
        found = cls._decomposed(data, columns)
        if known is not None:
            known.free = key, found
        return found

    @classmethod
    def _decomposed(cls, data: Data, columns: Array) -> FreeColumns:
        inner = _inner_products(data, columns)
        triangle = None if inner is None else _factor(inner)
        if triangle is None:
            triangle = _triangle(dense_columns(data, columns))
        size = np.linalg.norm(triangle, axis=0)
        live = np.flatnonzero(size)
        found = orthonormal_transform(triangle[:, live] / size[live], size[live], 1)
        transform = np.zeros((len(size), found.shape[1]))
        transform[live] = found
        return cls(columns, transform, (triangle @ transform).T @ triangle)

    def combined(self, few: Data, positions: Array) -> Data:
        """Return dense columns with these, found at ``positions``, and the ones in combinations, which are last."""
        own = np.append(positions, few.size) if few.intercept else positions
        others = np.setdiff1d(np.arange(few.X.shape[1]), own)
        X = np.column_stack([few.X[:, others], few.X[:, own] @ self.transform])
        unit = Coordinates(np.zeros(X.shape[1]), np.ones(X.shape[1]))
        return replace(few, X=X, coordinates=unit, intercept=False, moments=None)


def _inner_products(data: Data, columns: Array) -> Array | None:
    """Return weighted mean products of columns and ones; None where rows are too few for columns to be independent."""
    if data.n_rows <= len(columns) + 1:
        return None
    if data.moments is not None:
        held = np.append(columns, data.size) if data.intercept else columns
        inner = data.gram_inward(data.moments)[np.ix_(held, held)]
    else:
        few = dense_columns(data, columns, copied=False)
        (inner,) = few.sum(_products, FEW_GRAMS)
        inner = few.gram_inward(inner)
    return np.asarray(inner / data.total)


def _products(block: Block) -> tuple[Array]:
    return (block.gram(np.ones(len(block.y)) if block.weight is None else block.weight),)


def _factor(inner: Array) -> Array | None:
    """Return the triangle of columns by their products; None where these hold too few of its digits."""
    size = np.sqrt(np.maximum(np.diag(inner), 0.0))
    live = np.flatnonzero(size)
    unit = inner[np.ix_(live, live)] / np.outer(size[live], size[live])
    factor = cholesky(unit) if condition_number(unit) < MAX_CONDITION**2 else None
    if factor is None:
        return None
    triangle = np.zeros((len(live), len(size)))
    triangle[:, live] = np.triu(factor) * size[live]
    return triangle


def _triangle(few: Data) -> Array:
    """Return a factor of dense columns and ones: their weighted mean products are those of its columns."""
    if not few.here:
        table: Any = few
        (triangle,) = table.combined(Triangle(weighted=True), joined)
        return np.asarray(np.roll(triangle, -int(few.intercept), axis=1) / np.sqrt(few.total))
    q = few.size + int(few.intercept)
    triangle = np.zeros((0, q))
    for block in few.blocks():
        X = np.column_stack([block.X, np.ones(len(block.y))]) if block.apart else block.X
        X = X if block.weight is None else np.sqrt(block.weight)[:, None] * X
        triangle = scipy.linalg.qr(
            np.vstack([triangle, X]), mode="r", overwrite_a=True, check_finite=False
        )[0][:q]
    return triangle / np.sqrt(few.total)


def dense_columns(data: Data, kept: Array, *, copied: bool = True) -> Data:
    """Return some columns as dense rows in the solver's coordinates.

    Where they are all, dense X need not be ``copied``: blocks are made anew for each pass.
    """
    if not copied and len(kept) == data.size and not is_sparse(data.X):
        return data
    few = data.columns(kept)
    if not few.here:
        return few
    if few.n_rows * len(kept) * 8 > KEPT_BYTES:
        return few if few.ready else replace(few, explicit=True, moments=None)
    if few.ready:
        return few
    X = few.X if few.rows is None else few.X[few.rows]
    X = floats(X.tocsr() if is_sparse(X) else X, dense=True)
    # a copy of its own: it may be overwritten
    columns = np.ones((few.n_rows, few.size + 1)) if few.intercept else X
    if few.size:
        few.held.apply(X, columns[:, : few.size])
    return replace(few, X=columns, rows=None, explicit=True, ready=True, stored=None, moments=None)
