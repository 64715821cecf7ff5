"""Choosing the coordinates of a fit.

A fit works in coordinates in which the columns of X are centred, of unit size and, where they are
nearly or exactly dependent, orthonormal. The optimum stays the user's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array, is_sparse
from robustreg.coordinates import DENORMAL, MAX_CONDITION, Coordinates, condition_number
from robustreg.data import (
    BLOCK_BYTES,
    FEW_GRAMS,
    KEEP_BYTES,
    NARROW,
    Data,
    column_squares,
    find_moments,
    floats,
    subsample_size,
    take_rows,
)
from robustreg.even_rows import even_rows
from robustreg.orthonormal import orthonormal_transform, refuse_loss, transform_by_rows
from robustreg.row_space import MOST_ROWS, dense_row_space, row_space
from robustreg.sampling import drawn
from robustreg.scales import weighted_median
from robustreg.sparse_columns import sparse_columns

#: sparse X is worked on as dense blocks where that is not much more arithmetic
DENSE_SHARE = 0.1
#: or where X is so small that blocks cost less than the overhead of sparse products
FEW_CELLS = 1_000_000
#: beyond this the blocks of X are centred one by one, because sums over raw X would cancel
MAX_OFFSET = 1e3
#: a column of this many times the size that a sample sees is judged by all rows
FAR = 1e4
#: rows fewer than columns, but too alike for that, are made dense up to this many bytes
MOST_BYTES = 1 << 28
#: many combined columns are kept up to this many bytes: combining takes as many times longer than a pass
#: over them as X has columns
COMBINED_BYTES = 1 << 28
#: rows in coordinates that are precise are kept up to this many bytes
PRECISE_BYTES = 1 << 26
#: entries of combined columns below this share of the largest, and of other columns below this share of the offset
#: taken from them, are rounding
EXACTLY, ROUNDED = 1e-12, 16 * np.finfo(float).eps
#: columns are of extreme size beyond this, or below its reciprocal
HUGE = 1e60
#: rounding: of a column whose spread is this share of its offset the centre may be all
FLAT = 1e-10
#: rounding: squares of entries below the root of this lose digits, too
LEAST = 1e-280
#: machine: fewer rows and columns than these are decomposed, which takes the cube of the time
MOST_DECOMPOSED = 4096


def prepare(
    X: Any,
    y: Array,
    weight: Array | None = None,
    *,
    intercept: bool = True,
    reduce: bool = True,
    resolve: bool = True,
    penalised: bool = False,
    refuse: Callable[[Any], None] | None = None,
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
    resolve : bool, default=True
        Whether it matters which columns of a sparse X depend on others. It does not where a penalty
        decides among equal fits, and nobody asks for the rank.
    penalised : bool, default=False
        Whether there is a penalty, beside which directions at the level of rounding do not count.
    refuse : callable, optional
        Raises for an X that is not finite. Asked where a large dense X may not be, whose first look is
        this one.

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
    if is_sparse(X):
        X = sp.csr_array(X)  # of one kind of sparse; the numbers are shared
    dense = not is_sparse(X) or X.nnz > DENSE_SHARE * n * n_features or n * n_features <= FEW_CELLS
    blank = Coordinates(np.zeros(n_features), np.ones(n_features))
    data = Data(X, y, weight, blank, intercept, explicit=dense, rows=rows)
    if not dense:
        data.X = floats(X, dense=False)  # once, and not in each pass
        kept = _prepare_sparse(data, reduce, resolve)
        if kept is not None:
            return kept
        # few rows, made dense a block at a time
        data = replace(data, explicit=True)
    kept = 8 * n * (n_features + 1) <= KEEP_BYTES
    if not is_sparse(X) and kept:
        standard = _standardised(data)
        if standard is not None:
            return standard, n_features + int(intercept)
    size, unseen = subsample_size(data), not is_sparse(X) and X.nbytes > BLOCK_BYTES
    told = n_features <= NARROW if size else not kept and _is_tall(n_features, data.n_rows)
    if told and weight is None and not is_sparse(X):
        with np.errstate(over="ignore", invalid="ignore"):
            data.moments = find_moments(replace(data, explicit=False))
        square = np.diag(data.moments)[:n_features] / n
    elif size or unseen:
        square = column_squares(X)
    if unseen and refuse is not None and not np.isfinite(square).all():
        refuse(X)
    known = _of_moments(data)
    if known is not None:
        data.coordinates = known
        return arrange(data), known.size + int(intercept)
    sample = data
    if size:
        some = drawn(data.n_rows, size)
        sample = data.with_target(y[some], None if weight is None else weight[some])
        sample = replace(
            sample, X=take_rows(X, some if rows is None else rows[some]), rows=None, moments=None
        )
        sample.share = size / data.n_rows
    found = _choose(sample, reduce, resolve, penalised, certain=sample is data)
    if found is None or (sample is not data and not _safe(square, found.coordinates)):
        found = _choose(data, reduce, resolve, penalised, certain=True)
        assert found is not None
    data.coordinates = found.coordinates
    return arrange(data, found.rows), found.rank


def prepare_robust(
    X: Any,
    y: Array,
    weight: Array | None = None,
    *,
    intercept: bool = True,
    **options: Any,
) -> tuple[Data, int]:
    """Do what `prepare` does, in coordinates that rows far out in X do not choose.

    Columns are centred at medians and in units of median deviations, so that such rows cost the others no
    digits. Parameters and results are those of `prepare`.
    """
    if is_sparse(X):
        X = sp.csr_array(X)
    data, rank = prepare(X, y, weight, intercept=intercept, **options)
    rows = None if weight is None or np.all(weight > 0) else np.flatnonzero(weight > 0)
    data = replace(data, X=X, rows=rows, ready=False, moments=None, stored=None)
    size = subsample_size(data)
    some = drawn(data.n_rows, size) if size else np.arange(data.n_rows)
    part = floats(take_rows(X, some if rows is None else rows[some]), dense=True)
    counts = None if data.weight is None else data.weight[some]
    data.coordinates = about_medians(data.coordinates, part, counts, intercept=intercept)
    if is_sparse(X) and not data.explicit and data.coordinates.diagonal:
        return data, rank
    return arrange(replace(data, explicit=True)), rank


def about_medians(
    coordinates: Coordinates, rows: Array, weight: Array | None, *, intercept: bool
) -> Coordinates:
    """Return coordinates with another centre and other units: medians, and median deviations, of some rows."""
    center, transform = np.zeros(rows.shape[1]), coordinates.transform
    if intercept:
        center = np.array([weighted_median(column, weight) for column in rows.T])
    inside = Coordinates(center, transform, coordinates.precise).apply(rows)
    if coordinates.diagonal:  # where columns are not mixed only their offsets are rounded
        noise = np.broadcast_to(ROUNDED * np.abs(center * transform), inside.shape)
    else:  # entries are rounded in proportion to their own row: one far out says nothing of the others
        terms = np.abs(rows - center) @ np.abs(transform)
        noise = EXACTLY * np.minimum(np.abs(inside).max(axis=0, initial=0.0), terms)
    unit = np.array([_typical(*column, weight) for column in zip(inside.T, noise.T, strict=True)])
    return Coordinates(center, transform / unit, coordinates.precise)


def _typical(column: Array, noise: Array, weight: Array | None) -> float:
    """Median size of the entries, of those that are not zero but for noise where most are; never zero."""
    size = np.abs(column)
    moving = size > noise
    if not moving.any():
        return 1.0
    median = weighted_median(np.where(moving, size, 0.0), weight)
    if median == 0:
        median = weighted_median(size[moving], None if weight is None else weight[moving])
    return median


def arrange(data: Data, rows: Array | None = None) -> Data:
    """Decide where the coordinates are applied: kept, block by block, or to the coefficients.

    ``rows`` are those of X in the coordinates, where they are known, with ones for an intercept: orthogonal columns of
    length ``sqrt(n)``.
    """
    if rows is not None:
        moments = data.n_rows * np.eye(rows.shape[1]) if data.weight is None else None
        return replace(data, X=rows, rows=None, explicit=True, ready=True, moments=moments)
    center = data.coordinates.center
    most = KEEP_BYTES if data.coordinates.diagonal or data.size <= NARROW else COMBINED_BYTES
    if data.coordinates.precise:
        most = max(most, PRECISE_BYTES)
    if data.n_rows * data.size * 8 <= most or 4 * data.size <= len(center):
        kept = np.ones((data.n_rows, data.size + data.intercept))
        for block in data.blocks():
            kept[block.part, : data.size] = block.X
        return replace(data, X=kept, rows=None, ready=True, moments=None)
    harmless = not is_sparse(data.X) and is_harmless(data.coordinates)
    return replace(data, explicit=not harmless, moments=data.moments if harmless else None)


def is_harmless(coordinates: Coordinates) -> bool:
    """Whether coefficients in place of dense blocks can be changed: sums over the user's columns keep their digits."""
    if not coordinates.diagonal:
        return False
    size = np.abs(coordinates.transform)
    near = np.all(coordinates.hidden <= MAX_OFFSET)
    return bool(near and np.all((size == 0) | ((size > 1 / HUGE) & (size < HUGE))))


def _is_tall(p: int, n: int) -> bool:
    """Whether coordinates are chosen by the inner products of the columns of all rows."""
    return p < n and p <= MOST_DECOMPOSED


def _of_moments(data: Data) -> Coordinates | None:
    """Return coordinates by the moments of the columns, None where these say too little.

    So they do for columns that are constant, too far from zero for their spread, of extreme size or
    nearly dependent.
    """
    if data.moments is None:
        return None
    n, p = data.n_rows, data.X.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        center = data.moments[-1, :p] / n if data.intercept else np.zeros(p)
        size = np.sqrt(np.maximum(np.diag(data.moments)[:p] / n - center**2, 0.0))
    if not np.all((size > 1 / HUGE) & (size < HUGE) & (np.abs(center) <= MAX_OFFSET * size)):
        return None
    coordinates = Coordinates(center, 1 / size)
    inner = replace(data, coordinates=coordinates, explicit=False).gram_inward(data.moments)
    inner = inner[:p, :p]
    well = condition_number(inner / n) < MAX_CONDITION**2
    return coordinates if well else None


def _standardised(data: Data) -> Data | None:
    """Return the rows of a small dense table in coordinates of its own; None where `_choose` has more to ask.

    So it has of columns that may be constant, of extreme size, nearly dependent or as many as rows. The coordinates
    are those that it chooses, without the blocks of large tables between.
    """
    X = floats(data.raw_rows(), dense=True)
    n, p = X.shape
    if not 0 < p < n:
        return None
    kept, center = np.empty((n, p + data.intercept)), np.zeros(p)
    kept[:, p:] = 1.0
    if data.intercept:
        center = np.ones(n).dot(X) / n
    level = np.subtract(X, center, out=kept[:, :p])
    inner = kept.T.dot(kept)
    size = np.sqrt(inner.diagonal()[:p] / n)
    if not ((size > 1 / HUGE) & (size < HUGE) & (np.abs(center) < size / FLAT)).all():
        return None
    scale = np.append(1 / size, kept[0, p:])
    level *= scale[:p]
    inner *= np.multiply.outer(scale, scale)
    if not condition_number(inner[:p, :p] / n) < MAX_CONDITION**2:
        return None
    data.passes.count += data.share
    data.X, data.rows, data.ready = kept, None, True
    data.coordinates = Coordinates(center, scale[:p])
    data.moments = inner if data.weight is None else None
    return data


def _extent(data: Data) -> tuple[Array, Array]:
    """Centre and largest entry of the columns; 0 marks a column that is constant. One pass."""
    n_features = data.X.shape[1]
    blank = Coordinates(np.zeros(n_features), np.ones(n_features))
    rows = replace(data, explicit=is_sparse(data.X), coordinates=blank)
    high = np.full(n_features, -np.inf)
    low, total = -high, np.zeros(n_features)
    for block in rows.blocks():
        np.maximum(high, block.X.max(axis=0), out=high)
        np.minimum(low, block.X.min(axis=0), out=low)
        total += block.X.sum(axis=0)
    top = np.maximum(np.abs(high), np.abs(low))
    varies = top > DENORMAL
    warn_of_denormal(top)
    center = np.zeros(len(top))
    if data.intercept:
        varies &= high - low > 2 * np.spacing(top)
        center = np.minimum(np.maximum(total / data.n_rows, low), high)
        if not np.isfinite(total).all():
            center = 0.5 * high + 0.5 * low
    return center, np.where(varies, top, 0.0)


def warn_of_denormal(top: Array) -> None:
    """Warn of columns whose largest entry is too small."""
    tiny = np.flatnonzero((top > 0) & (top <= DENORMAL))
    if len(tiny):
        warnings.warn(
            f"X has columns ({tiny.tolist()}) with only numbers too small for floating point "
            f"(below {DENORMAL:.0e}); they are treated as constant. Rescale them.",
            UserWarning,
            stacklevel=3,
        )


class Choice(NamedTuple):
    """Coordinates, the rank of ``[1, X]``, and the rows of X in the coordinates where they are known."""

    coordinates: Any
    rank: int
    rows: Array | None = None


def _choose(
    data: Data, reduce: bool, resolve: bool, penalised: bool, *, certain: bool
) -> Choice | None:
    """Return coordinates and rank seen in ``data``, or None where a sample is not certain.

    The rank is an upper bound where it need not be resolved and coordinates are not combined anyway.

    Squares are taken of columns that are centred and divided by their largest entry, so neither
    1e200 nor an offset of 1e12 costs digits.
    """
    center, top = _extent(data)
    varies, p = top > 0, int(np.count_nonzero(top))
    if p < len(top) and not certain:
        return None
    wide = certain and (reduce or resolve) and data.n_rows <= min(p, MOST_DECOMPOSED)
    products = _row_products(data, center) if wide else None
    space = dense_row_space(*products, center, data.intercept) if products and reduce else None
    if space is not None:
        return Choice(space[0], data.n_rows, space[1])
    extra, unit = int(data.intercept), np.where(varies, top, 1.0)
    level = replace(data, coordinates=Coordinates(center, 1 / unit), explicit=True)
    tall = _is_tall(p, data.n_rows)
    if tall:
        (inner,) = level.sum(lambda block: (block.X.T.dot(block.X),), FEW_GRAMS)
        square = np.diag(inner)
    else:
        (square,) = level.sum(lambda block: (np.einsum("ij,ij->j", block.X, block.X),))
    size = np.where(varies, np.sqrt(square / data.n_rows), 0.0) * unit
    inverse = np.where(varies, 1 / np.where(varies, size, 1.0), 0.0)
    diagonal = Coordinates(center, inverse)
    scaled = replace(data, coordinates=diagonal, explicit=True)
    if tall:
        root = np.sqrt(square[varies])
        gram = inner[np.ix_(varies, varies)] / np.outer(root, root)
        if p == 0 or condition_number(gram) < MAX_CONDITION**2:
            return Choice(diagonal, p + extra)
    if not certain:
        return None
    if min(p, data.n_rows) > MOST_DECOMPOSED or not (reduce or resolve):
        return Choice(diagonal, min(p + extra, data.n_rows))
    transform = transform_by_rows(*products, data.intercept) if products else None
    if transform is None:
        transform = _of_columns(data, scaled, size, penalised)
    rank = transform.shape[1] + extra
    return Choice(Coordinates.combining(center, transform, size) if reduce else diagonal, rank)


def _of_columns(data: Data, scaled: Data, size: Array, penalised: bool) -> Array:
    """Return the transform of `orthonormal_transform`; the centre may change where rows are far out.

    ``scaled`` are the rows with centred columns divided by their ``size``, which is zero where they are constant.
    """
    center = scaled.coordinates.center
    live = np.flatnonzero(size)
    transform = np.zeros((len(size), 0))
    if len(live):
        rows, spread = _few_rows(scaled, live), size[live]
        found = orthonormal_transform(rows, spread, data.n_rows)
        if found.shape[1] < min(len(live), data.n_rows - int(data.intercept)):
            even = even_rows(data, live)
            told = even and orthonormal_transform(even.rows, even.size, data.n_rows)
            if even and told is not None and told.shape[1] > found.shape[1]:
                rows, spread, center[live] = even
                found = told
        refuse_loss(live, rows, spread, found, penalised=penalised)
        transform = np.zeros((len(size), found.shape[1]))
        transform[live] = found
    return transform


def _row_products(data: Data, center: Array) -> tuple[Array, Array] | None:
    """Return the centred rows and their inner products, None where these are beyond floating point."""
    level = replace(data, coordinates=Coordinates(center, np.ones(len(center))), explicit=True)
    rows = np.zeros((0, len(center)))
    for block in level.blocks():
        if len(block.X) == data.n_rows:
            rows = block.X
            break
        rows = rows if len(rows) else np.empty((data.n_rows, len(center)))
        rows[block.part] = block.X
    with np.errstate(over="ignore", invalid="ignore"):
        inner = rows.dot(rows.T)
    return (rows, inner) if LEAST < np.trace(inner) < np.inf else None


def _few_rows(scaled: Data, live: Array) -> Array:
    """Return the columns that vary, or the triangle of their QR decomposition if that is less.

    Beside an intercept without what rounding of centres leaves of their means: it would be a direction.
    """
    if len(live) >= scaled.n_rows:
        rows = np.concatenate([block.X[:, live] for block in scaled.blocks()])
        return rows - rows.mean(axis=0) if scaled.intercept else rows
    return _triangle(scaled)[:, live]


def _triangle(scaled: Data) -> Array:
    """R of the QR decomposition of all rows, some at a time; beside an intercept of what ones leave of them."""
    ones, n_columns = int(scaled.intercept), len(scaled.coordinates.center)
    waiting, count = [np.zeros((0, n_columns + ones))], 0
    for block in scaled.blocks():
        waiting.append(np.column_stack([np.ones((len(block.y), ones)), block.X]))
        count += len(block.y)
        if count > 4 * n_columns:
            waiting, count = [_r_factor(np.concatenate(waiting))], 0
    return _r_factor(np.concatenate(waiting))[ones:, ones:]


def _r_factor(rows: Array) -> Array:
    triangle = scipy.linalg.qr(rows, mode="r", overwrite_a=True, check_finite=False)[0]
    return triangle[: triangle.shape[1]]


def _safe(square: Array, coordinates: Coordinates) -> bool:
    """Whether no row of the whole data is far beyond what the sample shows of its column."""
    return bool(np.all(np.sqrt(square) * np.abs(coordinates.transform) < FAR))


def _prepare_sparse(data: Data, reduce: bool, resolve: bool) -> tuple[Data, int] | None:
    """Leave a sparse X sparse; None where it is small and its columns or rows depend on each other."""
    n, n_features = data.n_rows, data.X.shape[1]
    X = data.X if data.rows is None else data.X[data.rows]
    found = sparse_columns(X, data.intercept, reduce, resolve)
    cheap = reduce and 8 * n * n_features <= MOST_BYTES
    if reduce and n <= min(MOST_ROWS, n_features):
        scale = found.user.transform
        spread = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        space: Any = row_space(X, found.user.center, spread, data.intercept)
        if space is not None:
            rows = space.rows()
            if data.intercept:
                rows = np.column_stack([rows, np.ones(len(rows))])
            data = replace(data, X=rows, rows=None, coordinates=space, explicit=True, ready=True)
            return data, space.size + int(data.intercept)
        if cheap:
            return None
    data = replace(
        data, X=found.X, rows=None, coordinates=found.user, stored=found.stored, null=found.null
    )
    if cheap and found.null is not None and not data.has_gram:
        return None  # conjugate gradients take long where columns depend on each other
    return data, min(found.rank + int(data.intercept), n)
