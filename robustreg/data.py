"""Rows of (X, y, weight) in well-conditioned coordinates, a block at a time.

Nothing else in the package touches X. A fit works in coordinates in which the columns of X are
centred, of unit size and, where they are nearly or exactly dependent, orthonormal;
:class:`Coordinates` maps between those and the user's units, so the optimum stays the user's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array

#: bytes of X in one block: small enough to stay in cache through raw, loss and pullback
BLOCK_BYTES = 1 << 20
#: below this many bytes standardised columns are kept instead of being made anew for each pass
KEEP_BYTES = 1 << 24
#: sparse X is worked on as dense blocks where that is not much more arithmetic
DENSE_SHARE = 0.1
#: beyond this the blocks of X are centred one by one, because sums over raw X would cancel
MAX_OFFSET = 1e3
#: columns whose largest entry is below this have lost their digits
DENORMAL = 1e-300
#: condition number of the standardised columns beyond which they are made orthonormal by QR
MAX_CONDITION = 300.0


class Block(NamedTuple):
    """Some rows. The methods are the only arithmetic on X of the whole package."""

    X: Any
    y: Array
    weight: Array | None

    def raw(self, coef: Array, intercept: Any) -> Array:
        """Return the raw predictions ``X @ coef + intercept``."""
        raw = self.X @ coef
        raw += intercept
        return raw

    def pullback(self, gradient: Array) -> Array:
        """Carry a gradient with respect to raw predictions back to the coefficients."""
        return self.X.T @ gradient

    def gram(self, curvature: Array) -> Array:
        """Return ``X.T @ diag(curvature) @ X``."""
        bent = np.flatnonzero(curvature)
        if 2 * len(bent) < len(curvature):  # the band of a narrow envelope holds few rows
            return Block(self.X[bent], self.y[bent], None).gram(curvature[bent])
        if sp.issparse(self.X):
            return (self.X.T @ (sp.diags_array(curvature) @ self.X)).toarray()
        if curvature.min(initial=0.0) < 0:
            return self.X.T @ (curvature[:, None] * self.X)
        root = np.sqrt(curvature)[:, None] * self.X
        return root.T @ root  # NumPy sees the same array twice and does half the work

    def grams(self, curvatures: Array) -> Array:
        """Return :meth:`gram` of each column of curvatures, stacked."""
        if curvatures.shape[1] == 1 or sp.issparse(self.X):
            return np.stack([self.gram(curvature) for curvature in curvatures.T])
        n, k = curvatures.shape
        bent = (curvatures[:, :, None] * self.X[:, None, :]).reshape(n, -1)
        return (self.X.T @ bent).reshape(-1, k, self.X.shape[1]).swapaxes(0, 1)


@dataclass
class Coordinates:
    """An affine map between the user's columns and the ones a solver sees.

    Parameters
    ----------
    center : array of shape (n_features,)
        What is subtracted from the columns (zeros where there is no intercept).
    transform : array of shape (n_features,) or (n_features, n_reduced)
        ``coef = transform * u`` (a diagonal) or ``transform @ u``. Its columns lie in the space
        spanned by the centred rows of X in the user's units, so of all coefficients with the same
        fitted values the map gives the shortest.
    """

    center: Array
    transform: Array

    @property
    def size(self) -> int:
        """Number of coefficients the solver sees."""
        return int(self.transform.shape[-1])

    @property
    def diagonal(self) -> bool:
        """Whether each coefficient of the solver is one of the user's."""
        return self.transform.ndim == 1

    def coef(self, u: Array) -> Array:
        """Coefficients in the user's units; ``u`` is (n_reduced,) or (n_reduced, n_outputs)."""
        if self.diagonal:
            return (self.transform * u.T).T
        return self.transform @ u

    def adjoint(self, gradient: Array) -> Array:
        """Carry a gradient with respect to the user's coefficients back to ``u``."""
        if self.diagonal:
            return (self.transform * gradient.T).T
        return self.transform.T @ gradient

    def quadratic(self, diagonal: Array) -> Array:
        """Return ``transform.T @ diag(diagonal) @ transform``."""
        if self.diagonal:
            return np.diag(diagonal * self.transform**2)
        return self.transform.T @ (diagonal[:, None] * self.transform)

    def solver(self, coef: Array) -> Array:
        """Return the ``u`` whose ``coef`` is nearest to the given one (a warm start)."""
        if self.diagonal:
            with np.errstate(divide="ignore", invalid="ignore"):
                u = (coef.T / self.transform).T
            return np.where(np.isfinite(u), u, 0.0)
        return np.linalg.lstsq(self.transform, coef, rcond=None)[0]

    def apply(self, X: Array) -> Array:
        """Return dense rows of X in the solver's coordinates."""
        centred = X - self.center
        return centred * self.transform if self.diagonal else centred @ self.transform


class Passes:
    """Counts passes over X; a subsample counts by its share of the rows."""

    def __init__(self) -> None:
        self.count = 0.0


@dataclass
class Data:
    """Rows and the coordinates they are looked at in.

    Parameters
    ----------
    X : array or sparse array of shape (n, n_features)
        As the user gave it (``explicit=False``: the coordinates are applied to coefficients
        instead; ``explicit=True``: to each block), or already in coordinates (``ready=True``).
    y : array of shape (n,) or (n, n_outputs)
        Targets, in whatever encoding the loss reads.
    weight : array of shape (n,) or None
        Positive weights.
    base : float
        Size of what was subtracted from y before, which says how exact y is.
    """

    X: Any
    y: Array
    weight: Array | None
    coordinates: Coordinates
    intercept: bool = True
    explicit: bool = True
    ready: bool = False
    rows: Array | None = None
    share: float = 1.0
    base: float = 0.0
    passes: Passes = field(default_factory=Passes)

    @property
    def n_rows(self) -> int:
        return int(self.y.shape[0])

    @property
    def size(self) -> int:
        """Number of coefficients in the solver's coordinates, without intercept."""
        return self.coordinates.size

    @property
    def small(self) -> bool:
        """Whether all rows in the solver's coordinates are little enough to be kept."""
        return self.n_rows * self.size * 8 <= KEEP_BYTES

    @property
    def dense(self) -> bool:
        """Whether blocks of rows are dense arrays."""
        return self.explicit or not sp.issparse(self.X)

    @property
    def has_gram(self) -> bool:
        """Whether Gram matrices of the columns are affordable."""
        return self.dense or self.size <= 500

    @property
    def hidden(self) -> Array:
        """Size of what centring took away, for each of the solver's coefficients."""
        size, center = np.abs(self.coordinates.transform), np.abs(self.coordinates.center)
        return size * center if self.coordinates.diagonal else center @ size

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.n_rows if self.weight is None else self.weight.sum())

    def blocks(self) -> Iterator[Block]:
        """Yield all rows, some thousand at a time, in the order they came in."""
        self.passes.count += self.share
        n, whole = self.n_rows, sp.issparse(self.X) and not self.explicit
        step = max(n, 1) if whole else max(256, BLOCK_BYTES // (8 * max(self.X.shape[1], 1)))
        for start in range(0, n, step):
            part = slice(start, min(start + step, n))
            X = self.X[part if self.rows is None else self.rows[part]] if n > step else self._all()
            if not self.ready:
                X = _floats(X, dense=self.explicit)
                if self.explicit:
                    X = self.coordinates.apply(X)
            weight = None if self.weight is None else self.weight[part]
            yield Block(X, self.y[part], weight)

    def _all(self) -> Any:
        return self.X if self.rows is None else self.X[self.rows]

    def sum(self, function: Callable[[Block], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Add up the tuples that ``function`` returns for the blocks: one pass, always in order."""
        total: tuple[Any, ...] | None = None
        for block in self.blocks():
            part = function(block)
            total = part if total is None else tuple(a + b for a, b in zip(total, part, strict=True))
        assert total is not None
        return total

    def rowwise(self, function: Callable[[Block], Array]) -> Array:
        """Return what ``function`` says of each row, for all rows: one pass."""
        return np.concatenate([function(block) for block in self.blocks()])

    # Between the solver's (u, intercept) and what Block.raw takes and Block.pullback gives.
    def outward(self, u: Array, intercept: Any) -> tuple[Array, Any]:
        if self.explicit:
            return u, intercept
        coef = self.coordinates.coef(u)
        return coef, intercept - self.coordinates.center @ coef

    def inward(self, gradient: Array, total: Any) -> Array:
        if self.explicit:
            return gradient
        center = self.coordinates.center
        offset = np.multiply.outer(center, total) if np.ndim(total) else center * total
        return self.coordinates.adjoint(gradient - offset)

    def gram_inward(self, gram: Array, cross: Array, total: float) -> Array:
        if self.explicit:
            return gram
        center, scale = self.coordinates.center, self.coordinates.transform
        outer = np.outer(cross, center)
        gram = gram - outer - outer.T + total * np.outer(center, center)
        return gram * np.outer(scale, scale)

    def user(self, u: Array, intercept: Any) -> tuple[Array, Any]:
        """Coefficients and intercept for X as the user gave it."""
        coef = self.coordinates.coef(u)
        return coef, intercept - self.coordinates.center @ coef if self.intercept else intercept

    def take(self, rows: Array) -> Array:
        """Return the given rows of X in the solver's coordinates.

        Dense, but for large sparse X: that is scaled and not centred, so it counts from zero.
        """
        self.passes.count += self.share * len(rows) / max(self.n_rows, 1)
        X = self.X[rows if self.rows is None else self.rows[rows]]
        if self.ready:
            return X
        if sp.issparse(X) and not self.explicit:
            return X @ sp.diags_array(self.coordinates.transform)
        return self.coordinates.apply(_floats(X, dense=True))

    def subset(self, rows: Array, *, keep: bool = True) -> Data:
        """Return some of the rows as data of their own that counts passes by their share."""
        weight = None if self.weight is None else self.weight[rows]
        small = replace(self, y=self.y[rows], weight=weight, share=self.share * len(rows) / self.n_rows)
        if not keep or (sp.issparse(self.X) and not self.explicit):
            small.rows = rows if self.rows is None else self.rows[rows]
            return small
        return replace(small, X=self.take(rows), rows=None, explicit=True, ready=True)

    def spans(self) -> bool:
        """Whether these rows alone tell all coordinates apart, and nearly as well as they should.

        True for nearly all parts of a table in the coordinates of the whole. A sample of many rows
        is asked; where it is in doubt the answer is no.
        """
        if not self.dense or self.size > 4096 or self.n_rows <= self.size + 1:
            return False
        size = subsample_size(self)
        part = self.subset(spread_rows(self.n_rows, size), keep=False) if size else self

        def outer(block: Block) -> tuple[Any, ...]:
            X = np.column_stack([block.X, np.ones(len(block.y))]) if self.intercept else block.X
            return (X.T @ X,)

        (gram,) = replace(part, explicit=True).sum(outer)
        return _condition(gram / part.n_rows) < MAX_CONDITION**2

    def columns(self, kept: Array) -> Data:
        """Return the same rows with some of the columns; the coordinates must be diagonal."""
        center, transform = self.coordinates.center, self.coordinates.transform
        return replace(
            self, X=self.X[:, kept], coordinates=Coordinates(center[kept], transform[kept])
        )

    def uncentred(self) -> Data:
        """Return the same rows in coordinates that only scale."""
        center = np.zeros_like(self.coordinates.center)
        return replace(self, coordinates=replace(self.coordinates, center=center))

    def with_target(self, y: Array, weight: Array | None) -> Data:
        """Return the same rows with other targets and weights."""
        return replace(self, y=y, weight=weight)


@dataclass
class Whole:
    """All rows as if they were one :class:`Block`, though X is still met a block at a time."""

    data: Data

    @property
    def y(self) -> Array:
        return self.data.y

    @property
    def weight(self) -> Array | None:
        return self.data.weight

    def raw(self, coef: Array, intercept: Any) -> Array:
        """Return the raw predictions of all rows: one pass."""
        return self.data.rowwise(lambda block: block.raw(coef, intercept))

    def pullback(self, gradient: Array) -> Array:
        """Carry a gradient with respect to all raw predictions back: one pass."""
        (pulled,) = self.data.with_target(gradient, None).sum(
            lambda block: (block.pullback(block.y),)
        )
        return pulled


def _floats(X: Any, *, dense: bool) -> Any:
    if sp.issparse(X):
        X = X.toarray() if dense else X
    return X if X.dtype == np.float64 else X.astype(np.float64)


def prepare(
    X: Any, y: Array, weight: Array | None = None, *, intercept: bool = True, reduce: bool = True
) -> tuple[Data, int]:
    """Choose coordinates for X and say how many parameters it can tell apart.

    Parameters
    ----------
    X : array or sparse array of shape (n, n_features)
        Finite, of any scale. It is neither changed nor, unless it is small, copied.
    y : array of shape (n,) or (n, n_outputs)
        Targets.
    weight : array of shape (n,), optional
        Non-negative weights; rows of weight zero are left out of everything.
    intercept : bool, default=True
        Whether columns may be centred.
    reduce : bool, default=True
        Whether coefficients that X cannot tell apart may be merged into fewer. A penalty that is
        not the Euclidean norm needs each of the user's coefficients.

    Returns
    -------
    data : Data
        The rows of positive weight.
    rank : int
        Rank of ``[1, X]`` (of X without an intercept) over those rows.
    """
    n, n_features = X.shape
    rows = None
    if weight is not None and not np.all(weight > 0):
        rows = np.flatnonzero(weight > 0)
        y, weight = y[rows], weight[rows]
    if sp.issparse(X):
        X = sp.csr_array(X)  # of one kind of sparse; the numbers are shared
    dense = not sp.issparse(X) or X.nnz > DENSE_SHARE * n * n_features or n * n_features <= 1e6
    blank = Coordinates(np.zeros(n_features), np.ones(n_features))
    data = Data(X, y, weight, blank, intercept, explicit=dense, rows=rows)
    if not dense:
        return _prepare_sparse(data)
    size = subsample_size(data)
    sample = data.subset(subsample(data, size), keep=False) if size else data
    found = _choose(sample, reduce, certain=sample is data)
    if found is None or not _safe(data, found[0]):
        found = _choose(data, reduce, certain=True)
        assert found is not None
    data.coordinates, rank = found
    return _arrange(data), rank


def subsample_size(data: Data) -> int:
    """Rows of the sample a large fit starts from, or 0 where the data are too few for one."""
    size = max(4000, 40 * data.X.shape[1])
    return size if data.n_rows >= 5 * size else 0


def subsample(data: Data, size: int) -> Array:
    """Return ``size`` rows, the same for all data of a length, so that every fit is repeatable."""
    rows = np.random.default_rng(0).choice(data.n_rows, size, replace=False, shuffle=False)
    rows.sort()
    return rows


def spread_rows(n: int, size: int, run: int = 256) -> Array:
    """Return about ``size`` rows in runs spread evenly over all: quicker to read than single rows."""
    starts = np.linspace(0, n - run, max(size // run, 1)).astype(int)
    return np.add.outer(starts, np.arange(run)).ravel()


def _arrange(data: Data) -> Data:
    """Decide where the coordinates are applied: kept, block by block, or to the coefficients."""
    center, transform = data.coordinates.center, data.coordinates.transform
    if data.small or 4 * data.size <= len(center):
        kept = np.empty((data.n_rows, data.size))
        stop = 0
        for block in data.blocks():
            start, stop = stop, stop + len(block.y)
            kept[start:stop] = block.X
        return replace(data, X=kept, rows=None, ready=True)
    size = np.abs(transform)
    harmless = (
        data.coordinates.diagonal
        and not sp.issparse(data.X)
        and bool(np.all(np.abs(center) * size <= MAX_OFFSET))
        and bool(np.all((size == 0) | ((size > 1e-60) & (size < 1e60))))
    )
    return replace(data, explicit=not harmless)


def _column_statistics(data: Data) -> tuple[Array, Array]:
    """Centre and size of the columns; size 0 marks a column that is constant.

    Sums are taken of columns divided by their largest entry and, in the second pass, centred,
    so neither 1e200 nor an offset of 1e12 costs digits.
    """
    blank = replace(data, explicit=True, coordinates=Coordinates(np.zeros(data.X.shape[1]), np.ones(data.X.shape[1])))
    high = np.full(data.X.shape[1], -np.inf)
    low = -high
    for block in blank.blocks():
        np.maximum(high, block.X.max(axis=0), out=high)
        np.minimum(low, block.X.min(axis=0), out=low)
    top = np.maximum(np.abs(high), np.abs(low))
    varies = top > DENORMAL
    tiny = np.flatnonzero(~varies & (top > 0))
    if len(tiny):
        warnings.warn(
            f"X has columns ({tiny.tolist()}) that hold only numbers too small for floating point "
            f"(below {DENORMAL:.0e}); they are treated as constant. Rescale them.",
            UserWarning,
            stacklevel=2,
        )
    if data.intercept:
        varies &= high - low > 2 * np.spacing(top)
    unit = np.where(varies, top, 1.0)
    blank.coordinates = Coordinates(np.zeros_like(unit), 1 / unit)
    center = np.zeros_like(unit)
    if data.intercept:
        (total,) = blank.sum(lambda block: (block.X.sum(axis=0),))
        center = np.clip(total / data.n_rows * unit, low, high)
    blank.coordinates = Coordinates(center, 1 / unit)
    (square,) = blank.sum(lambda block: (np.einsum("ij,ij->j", block.X, block.X),))
    return center, np.where(varies, np.sqrt(square / data.n_rows), 0.0) * unit


def _choose(data: Data, reduce: bool, *, certain: bool) -> tuple[Coordinates, int] | None:
    """Return coordinates and rank seen in ``data``, or None where a sample is not certain."""
    center, size = _column_statistics(data)
    varies = size > 0
    if not varies.all() and not certain:
        return None
    inverse = np.where(varies, 1 / np.where(varies, size, 1.0), 0.0)
    diagonal = Coordinates(center, inverse)
    extra = int(data.intercept)
    p = int(varies.sum())
    scaled = replace(data, coordinates=diagonal, explicit=True)
    if p < data.n_rows and p <= 4096:
        (gram,) = scaled.sum(lambda block: (block.X.T @ block.X,))
        gram = gram[np.ix_(varies, varies)] / data.n_rows
        if p == 0 or _condition(gram) < MAX_CONDITION**2:
            return diagonal, p + extra
    if not certain:
        return None
    if min(p, data.n_rows) > 4096:
        return diagonal, min(p + extra, data.n_rows)
    values, basis = _singular(scaled, varies)
    if not reduce:
        return diagonal, len(values) + extra
    return Coordinates(center, _shortest(values, basis, size, data.n_rows)), len(values) + extra


def _condition(gram: Array) -> float:
    try:
        factor = scipy.linalg.cholesky(gram, check_finite=False)
    except np.linalg.LinAlgError:
        return np.inf
    reciprocal, _ = scipy.linalg.lapack.dpocon(factor, np.abs(gram).sum(axis=0).max())
    return 1 / reciprocal if reciprocal > 0 else np.inf


def _singular(scaled: Data, varies: Array) -> tuple[Array, Array]:
    """Singular values that exceed rounding, and their right singular vectors (n_features, rank)."""
    if varies.sum() >= scaled.n_rows:
        rows = np.concatenate([block.X for block in scaled.blocks()])
        basis, triangle = scipy.linalg.qr(rows.T, mode="economic", check_finite=False)
        left, values, _ = np.linalg.svd(triangle)
        vectors = basis @ left
    else:
        triangle = _triangle(scaled)
        _, values, right = np.linalg.svd(triangle, full_matrices=False)
        vectors = right.T
    largest = values.max(initial=0.0)
    kept = values > largest * np.finfo(float).eps * max(100, 10 * len(values))
    return values[kept], vectors[:, kept]


def _triangle(scaled: Data) -> Array:
    """R of the QR decomposition of all rows, some at a time."""
    n_features = scaled.X.shape[1]
    waiting, count = [np.zeros((0, n_features))], 0
    for block in scaled.blocks():
        waiting.append(block.X)
        count += len(block.y)
        if count > 4 * n_features:
            waiting, count = [_r_factor(np.concatenate(waiting))], 0
    return _r_factor(np.concatenate(waiting))


def _r_factor(rows: Array) -> Array:
    triangle = scipy.linalg.qr(rows, mode="r", overwrite_a=True, check_finite=False)[0]
    return triangle[: triangle.shape[1]]


def _shortest(values: Array, basis: Array, size: Array, n: int) -> Array:
    """Return the transform that makes the columns orthonormal and its coefficients shortest.

    With ``Xc = U diag(values) basis.T diag(size)`` the rows of X span what ``diag(size) @ basis``
    spans; its QR gives a transform inside that span with ``Xc @ transform = sqrt(n) U``.
    """
    span = size[:, None] * basis
    if len(values) == len(size):
        return basis / size[:, None] * (np.sqrt(n) / values)
    rows, triangle = scipy.linalg.qr(span, mode="economic", check_finite=False)
    inverse = scipy.linalg.solve_triangular(triangle, np.eye(len(values)), check_finite=False)
    return rows @ inverse.T * (np.sqrt(n) / values)


def _safe(data: Data, coordinates: Coordinates) -> bool:
    """Whether no row of the whole data is so large in a sample's coordinates that squares overflow."""
    if sp.issparse(data.X):
        largest = abs(data.X).max()
    elif data.X.flags.c_contiguous or data.X.flags.f_contiguous:
        flat = data.X.ravel(order="K")
        largest = float(np.sqrt(flat @ flat))  # a bound, at the speed of memory
    else:
        largest = max(float(data.X.max()), -float(data.X.min()))
    return bool(largest * np.abs(coordinates.transform).max(initial=0.0) < 1e100)


def _prepare_sparse(data: Data) -> tuple[Data, int]:
    """Centre and scale a large sparse X through the coefficients; its rank is taken as full."""
    X = data.X if data.rows is None else data.X[data.rows]
    n, n_features = X.shape
    step = max(1, n * (BLOCK_BYTES // 8) // max(X.nnz, 1))
    parts = [slice(start, start + step) for start in range(0, n, step)]
    top, total, square = np.zeros((3, n_features))
    for part in parts:
        np.maximum(top, abs(X[part]).max(axis=0).toarray().ravel(), out=top)
    unit = np.where(top > 0, top, 1.0)
    for part in parts:
        rows = _floats(X[part], dense=False) @ sp.diags_array(1 / unit)
        total += rows.sum(axis=0)
        square += rows.multiply(rows).sum(axis=0)
    mean = total / n if data.intercept else np.zeros(n_features)
    size = np.sqrt(np.maximum(square / n - mean**2, 0.0))
    varies = size > 1e-7 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    inverse = np.where(varies, 1 / np.where(varies, size * unit, 1.0), 0.0)
    coordinates = Coordinates(np.where(varies, mean * unit, 0.0), inverse)
    rank = min(int(varies.sum()) + int(data.intercept), n)
    return replace(data, X=X, rows=None, coordinates=coordinates, explicit=False), rank
