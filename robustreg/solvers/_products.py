"""Inner products of rows, in the metric of an L2 penalty: what the dual of a fit is made of.

With the penalty ``u' P u / 2`` and rows Z the coefficients of dual slopes g are ``-P^-1 Z' g``, and
what they do to the rows is ``-Q g`` with ``Q = Z P^-1 Z'``. Q is held in one of three ways.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array
from robustreg.data import Data
from robustreg.objective import Objective

#: bytes of an array of all inner products, and of sparse rows that are made dense, at the most
GRAM_BYTES = 1 << 26
#: bytes of dense rows, at the most
ROWS_BYTES = 1 << 28
#: condition number of a penalty's Hessian beyond which its inverse says too little
WORST = 1e13
#: so many rows are quicker left where they are
NEARLY_ALL = 0.8
#: conjugate gradients at the most; few are needed, for the rows' own squares precondition them
MOST = 500


class Products(ABC):
    """The matrix Q of the inner products of all rows."""

    #: its diagonal
    diagonal: Array
    #: whether they are of centred rows
    centred = True

    @abstractmethod
    def apply(self, g: Array) -> Array:
        """Return ``Q g``."""

    @abstractmethod
    def solve(
        self, rows: Array, lift: Array, right: Array, total: float | None, tol: float
    ) -> tuple[Array, float]:
        """Solve ``(Q + diag(lift)) z - shift = right`` over some rows.

        Parameters
        ----------
        rows : array of int of shape (k,)
            Which.
        lift, right : arrays of shape (k,)
            A positive diagonal, and the right-hand side.
        total : float or None
            The sum that z shall have; None leaves it free, and ``shift`` zero.
        tol : float
            Share of the right-hand side that may be missed.

        Returns
        -------
        z : array of shape (k,)
            The solution.
        shift : float
            The multiplier of the sum.
        """


def _shifted(solved: Array, total: float | None) -> tuple[Array, float]:
    """Combine the solutions of the right-hand side and of ones to one of a given sum."""
    if total is None:
        return solved[:, 0], 0.0
    shift = (total - solved[:, 0].sum()) / solved[:, 1].sum()
    return solved[:, 0] + shift * solved[:, 1], float(shift)


class Gram(Products):
    """All inner products in an array, for few rows."""

    def __init__(self, inner: Array) -> None:
        self.inner, self.diagonal = inner, np.diag(inner)

    def apply(self, g: Array) -> Array:
        applied: Array = self.inner @ g
        return applied

    def solve(
        self, rows: Array, lift: Array, right: Array, total: float | None, tol: float
    ) -> tuple[Array, float]:
        return _solve_dense(self.inner[np.ix_(rows, rows)], lift, right, total)


def _solve_dense(
    system: Array, lift: Array, right: Array, total: float | None
) -> tuple[Array, float]:
    system.flat[:: len(lift) + 1] += lift
    factor = scipy.linalg.cho_factor(system, overwrite_a=True, check_finite=False)
    rights = np.column_stack([right, np.ones_like(right)])
    return _shifted(scipy.linalg.cho_solve(factor, rights, check_finite=False), total)


class Tall(Products):
    """Rows in coordinates in which the penalty is a sum of squares, for more rows than columns."""

    def __init__(self, rows: Array) -> None:
        self.rows, self.diagonal = rows, np.einsum("ij,ij->i", rows, rows)

    def apply(self, g: Array) -> Array:
        applied: Array = self.rows @ (self.rows.T @ g)
        return applied

    def solve(
        self, rows: Array, lift: Array, right: Array, total: float | None, tol: float
    ) -> tuple[Array, float]:
        Z = self.rows[rows] if len(rows) < len(self.rows) else self.rows
        if len(rows) <= 1.5 * Z.shape[1]:
            return _solve_dense(Z @ Z.T, lift, right, total)
        # (Z Z' + D)^-1 r = (r - Z (1 + Z' D^-1 Z)^-1 Z' D^-1 r) / D
        root = Z / np.sqrt(lift)[:, None]
        inner = root.T @ root
        inner.flat[:: len(inner) + 1] += 1.0
        factor = scipy.linalg.cho_factor(inner, overwrite_a=True, check_finite=False)
        rights = np.column_stack([right, np.ones_like(right)])
        found = scipy.linalg.cho_solve(factor, Z.T @ (rights / lift[:, None]), check_finite=False)
        return _shifted((rights - Z @ found) / lift[:, None], total)


@dataclass
class Sparse(Products):
    """Products with sparse X as it is held, and conjugate gradients.

    The columns are not centred: where the dual slopes add up to zero that only shifts all rows.

    Parameters
    ----------
    X : sparse array of shape (n, n_features)
        Rows.
    factor : array of shape (n_features,)
        What a product of two entries of a column counts: one over the curvature of the penalty there.
    """

    X: Any
    factor: Array
    centred = False

    def __post_init__(self) -> None:
        square = sp.csr_array((self.X.data**2, self.X.indices, self.X.indptr), shape=self.X.shape)
        self.diagonal: Array = square @ self.factor
        self.columns = self.X.T  # made once: it takes longer than a product with few rows

    def apply(self, g: Array) -> Array:
        applied: Array = self.X @ (self.factor * (self.columns @ g))
        return applied

    def solve(
        self, rows: Array, lift: Array, right: Array, total: float | None, tol: float
    ) -> tuple[Array, float]:
        few = len(rows) < NEARLY_ALL * self.X.shape[0]
        X, everywhere = self.X[rows] if few else self.X, np.zeros(self.X.shape[0])
        columns = X.T
        inverse = 1 / (self.diagonal[rows] + lift)
        mass = float(inverse.sum())

        def product(z: Array) -> Array:
            if few:
                applied: Array = X @ (self.factor * (columns @ z))
            else:
                everywhere[rows] = z
                applied = self.apply(everywhere)[rows]
            return applied + lift * z

        def project(rest: Array) -> tuple[Array, float]:
            shift = 0.0 if total is None else -float(inverse @ rest) / mass
            return inverse * (rest + shift), shift

        z = inverse * ((total or 0.0) / mass)
        rest = right - product(z) if total else right.copy()
        step, shift = project(rest)
        rest += shift  # or what the sum takes up would hide the rest in its rounding
        direction, square = step, float(rest @ step)
        target = tol**2 * square
        for _ in range(MOST):
            if square <= target:
                break
            bent = product(direction)
            length = square / float(direction @ bent)
            z += length * direction
            rest -= length * bent
            step, more = project(rest)
            rest, shift = rest + more, shift + more
            square, before = float(rest @ step), square
            direction = step + square / before * direction
        return z, shift


def inner_products(objective: Objective) -> Products | None:
    """Return the inner products of an objective's rows, None where they say too little.

    Parameters
    ----------
    objective : Objective
        With an L2 penalty and ``alpha > 0``.
    """
    data, alpha = objective.data, objective.penalty.square / objective.total
    n, q = data.n_rows, data.size
    if not data.dense and 8 * n * q > GRAM_BYTES:
        return sparse_products(data, 1 / alpha)
    if 8 * n * q > ROWS_BYTES:
        return None
    data = replace(data, explicit=True)
    bend = objective.penalty.curvature(np.zeros(len(data.coordinates.center))) / objective.total
    square = data.coordinates.quadratic(bend)
    size = np.sqrt(np.diag(square))
    live = size > 0  # a column that does not vary counts for nothing
    if not np.all((size[live] > 1e-100) & (size[live] < 1e100)):
        return None
    size = np.where(live, size, 1.0)
    rows = data.take(np.arange(n)) / size
    if np.count_nonzero(square) > q:
        try:
            factor = scipy.linalg.cholesky(square / np.outer(size, size), check_finite=False)
        except np.linalg.LinAlgError:
            return None
        steps = np.abs(np.diag(factor))
        if steps.max() > np.sqrt(WORST) * steps.min():
            return None
        rows = scipy.linalg.solve_triangular(
            factor, rows.T, trans="T", overwrite_b=True, check_finite=False
        ).T
    if 8 * n * n <= GRAM_BYTES and n <= 2 * q:
        return Gram(rows @ rows.T)
    return Tall(rows)


def sparse_products(data: Data, factor: float) -> Sparse:
    """Return inner products of sparse rows in the metric of the user's coefficients, times a factor."""
    user, held = data.coordinates.transform, data.held.transform
    ratio = np.divide(held, user, out=np.zeros_like(held), where=user > 0)
    return Sparse(data.raw_rows(), factor * ratio**2)
