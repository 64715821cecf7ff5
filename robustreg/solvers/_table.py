"""All rows of a linear model behind three sums: predictions, and inner products with weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import FEW_GRAMS, KEEP_BYTES, Block, Data
from robustreg.losses import ResidualLoss
from robustreg.sampling import largest, spread_rows
from robustreg.scales import CACHED
from robustreg.solvers._cholesky import solved
from robustreg.solvers._kinks import ROUNDED
from robustreg.solvers._subsets import Sample

#: rows of which a tenth is enough for a start and a Hessian, at the least
MANY = 20_000
#: a scale in place of zero
TINY = 1e-200
#: sums of weights within this share of each other are equal
ROUNDING = 1e-12


def within_rounding(theta: Array) -> Iterator[Array]:
    """Yield coefficients, and those without the ones that are rounding of a y of unit size.

    Where the majority of y is zero its plane is: least squares ends at 1e-31, of which each prediction is all rounding.
    """
    yield theta
    size = np.abs(theta)
    if np.any((size > 0) & (size <= np.finfo(float).eps)):
        yield np.where(size > np.finfo(float).eps, theta, 0.0)


class Columns:
    """The solver's columns that vary, and the way from their coefficients to blocks and back.

    Parameters
    ----------
    data : Data
        Prepared rows of one target, wherever they are.
    """

    def __init__(self, data: Data) -> None:
        self.data, self.total = data, data.total
        transform = data.coordinates.transform
        #: solver's columns that vary: of a constant one nothing can be told
        live = transform != 0 if data.coordinates.diagonal else np.ones(data.size, dtype=bool)
        self.live: Any = slice(None) if live.all() else np.append(live, [True] * data.intercept)
        self.size = int(live.sum()) + int(data.intercept)

    def whole(self, theta: Array) -> Array:
        """Return coefficients of all of the solver's columns, zero for those that are constant."""
        if isinstance(self.live, slice):
            return theta
        every = np.zeros((len(self.live), *theta.shape[1:]))
        every[self.live] = theta
        return every

    def at(self, theta: Array) -> Array:
        """Return coefficients as blocks take them."""
        return self.data.outward(self.whole(theta))

    def pull_inward(self, pulled: Array) -> Array:
        """Return products of the columns of blocks as those of these columns."""
        return np.asarray(self.data.inward(pulled)[self.live])

    def gram_inward(self, gram: Array) -> Array:
        """Return products of the columns of blocks with each other as those of these columns."""
        inner = self.data.gram_inward(gram)
        return inner if isinstance(self.live, slice) else inner[np.ix_(self.live, self.live)]


class Table(Columns):
    """Rows in a solver's coordinates; a small table is one matrix, a large one is passed over by blocks."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self.y, self.weight, self.n_rows = data.y, data.weight, data.n_rows
        self.matrix = data.X[:, self.live] if data.ready else None

    def raw(self, theta: Array) -> Array:
        """Predictions of all rows: one pass."""
        if self.matrix is not None:
            product: Array = self.matrix @ theta
            return product
        at = self.at(theta)
        return self.data.rowwise(lambda block: block.raw(at))

    def residual(self, theta: Array) -> Array:
        """Residuals of all rows: one pass."""
        raw = self.raw(theta)
        return np.subtract(self.y, raw, out=raw)

    def weighted(self, values: Array) -> Array:
        """Return values times the weights of the rows."""
        return values if self.weight is None else values * self.weight

    def total_of(self, function: Callable[[Array], Array], values: Array) -> float:
        """Weighted sum of a function of values of the rows, as many at a time as stay in cache."""
        total = 0.0
        for start in range(0, len(values), CACHED):
            part = slice(start, start + CACHED)
            found = function(values[part])
            total += float(found.sum() if self.weight is None else self.weight[part] @ found)
        return total

    def pull(self, function: Callable[[Array], Array], values: Array) -> Array:
        """Weighted inner products of the columns with a function of values of the rows: one pass."""
        if self.matrix is not None:
            product: Array = self.weighted(function(values)) @ self.matrix
            return product

        def part(block: Block) -> tuple[Any, ...]:
            found = function(values[block.part])
            found = found if block.weight is None else found * block.weight
            return (block.pullback(found),)

        return self.pull_inward(self.data.sum(part)[0])

    def gram(self, curvature: Array) -> Array:
        """Return ``A.T @ diag(curvature) @ A``: one pass."""
        if self.matrix is not None:
            product: Array = (self.matrix * curvature[:, None]).T @ self.matrix
            return product

        (gram,) = self.data.sum(lambda block: (block.gram(curvature[block.part]),), FEW_GRAMS)
        return self.gram_inward(gram)

    def sums(self, theta: Array, loss: ResidualLoss, sigma: float) -> Array:
        """Sum of rho at a scale for each column of coefficients: one pass."""
        at = self.at(theta)

        def part(block: Block) -> tuple[Any, ...]:
            rho = loss.rho((block.y[:, None] - block.raw(at)) / max(sigma, TINY))
            return (rho.sum(axis=0) if block.weight is None else block.weight @ rho,)

        return np.asarray(self.data.sum(part)[0])

    def form(self, inverse: Array) -> Array:
        """Return ``a.T @ inverse @ a`` of each row a, for a positive semidefinite matrix: one pass."""
        values, vectors = np.linalg.eigh(inverse)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        if self.matrix is not None:
            square: Array = ((self.matrix @ root) ** 2).sum(axis=1)
            return square
        at = self.at(root)
        return self.data.rowwise(lambda block: (block.raw(at) ** 2).sum(axis=1))

    @cached_property
    def few(self) -> tuple[Table, Array] | None:
        """A tenth of many rows, in runs, and which they are; None where the rows are not many."""
        n = self.data.n_rows
        if n < MANY or self.matrix is not None or not self.data.dense:
            return None
        rows = spread_rows(n, n // 10)
        keep = len(rows) * self.data.size * 8 <= KEEP_BYTES
        return Table(self.data.subset(rows, keep=keep)), rows

    def sample(self, rows: Array) -> Sample:
        """Return some rows as they are."""
        A = self.matrix[rows] if self.matrix is not None else self._taken(rows)
        weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        return Sample(A, self.y[rows], weight)

    def showing(self, direction: Array, most: int, least: float) -> Sample:
        """Return the rows, so many at the most, whose products with a direction are the largest: one pass."""
        return self.sample(largest(np.abs(self.raw(direction)), most, least))

    def _taken(self, rows: Array) -> Array:
        X = self.data.take_with_ones(rows)
        if is_sparse(X):  # scaled, and not centred
            X = X.toarray()
            X[:, : self.data.size] -= self.data.coordinates.center * self.data.coordinates.transform
        return np.asarray(X[:, self.live])

    def rounding(self, theta: Array) -> Array:
        """What rounding can make of a residual that is zero: one pass."""
        if self.matrix is not None:
            size = np.abs(self.matrix) @ np.abs(theta)
        else:
            at = np.abs(self.at(theta))
            size = self.data.rowwise(lambda block: block.beside(abs(block.X)).raw(at))
        return ROUNDED * (size + np.abs(self.y) + self.data.base)

    def plane(self, theta: Array, width: float, most: float) -> tuple[Array, Array] | None:
        """Find the plane through the rows within a width of a fit, on which all but ``most`` of the weight is to lie.

        Returns
        -------
        tuple of two arrays, or None
            Coefficients, and residuals of all rows; None where more of the weight lies off it than rounding explains.
        """
        near = (np.abs(self.residual(theta)) <= width).astype(float)
        gram = self.gram(self.weighted(near))
        for _ in range(3):  # the second and third take away what rounding left
            pull = self.pull(lambda r: r, near * self.residual(theta))
            step = solved(gram, pull, definite=False)
            theta = theta if step is None else theta + step
        for one in within_rounding(theta):
            residual = self.residual(one)
            off = np.abs(residual) > self.rounding(one)
            if float(self.weighted(off.astype(float)).sum()) <= most * (1 + ROUNDING):
                residual[~off] = 0.0
                return one, residual
        return None
