"""Rows of (X, y, weight) in well-conditioned coordinates, a block at a time.

Nothing else in the package does arithmetic with X.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from robustreg._array import Array, is_sparse
from robustreg._scratch import added, scratch
from robustreg._threads import in_order
from robustreg.coordinates import MAX_CONDITION, Coordinates, condition_number
from robustreg.device_rows import DeviceRows
from robustreg.few_columns import times, transposed_times
from robustreg.sampling import spread_rows

#: bytes of X in one block at the most: little enough to stay in cache through raw, loss and pullback,
#: and enough for threads, which hand over Python's lock between any two steps, not to wait for it
BLOCK_BYTES = 1 << 22
#: so many blocks are not worth a second thread: waking it and handing over takes as long
FEW = 7
#: where each takes a Gram matrix, so many
FEW_GRAMS = 2
#: of so few cells all are multiplied, zeros as well
FEW_CELLS = 4_096
#: with more columns a Gram matrix of all rows takes longer than the passes that it saves
NARROW = 100
#: sums over blocks are sums of about so many sums, each of which is one thread's work
CHUNKS = 16
#: machine: columns whose products take 128 KiB, which malloc asks the system for
FRESH = 128
#: below this many bytes standardised columns are kept instead of being made anew for each pass
KEEP_BYTES = 1 << 21
#: a solver that needs all rows at once may take this many bytes of them
TAKE_BYTES = 1 << 24


class Block(NamedTuple):
    """Some rows z of predictors. The methods are the only arithmetic on X of the whole package.

    With an intercept a row z is a row of X and a one. In small tables these ones are a column of X; otherwise
    they are ``apart``: nowhere in memory. Products are ``dot``: ``@`` of dense arrays lets no other thread run
    Python meanwhile.
    """

    X: Any
    y: Array
    weight: Array | None
    #: which they are, of all rows of the data
    part: slice = slice(None)
    #: whether rows have a one that X does not hold
    apart: bool = False
    #: ``z.T @ z``, where it is known
    inner: Array | None = None

    def beside(self, X: Any) -> Block:
        """Return this block with other entries of X, of which no inner products are known."""
        return self._replace(X=X, inner=None)

    def raw(self, at: Array) -> Array:
        """Return the raw predictions ``z @ at``."""
        if not self.apart:
            return times(self.X, at)
        raw = times(self.X, at[:-1])
        raw += at[-1]
        return raw

    def pullback(self, gradient: Array) -> Array:
        """Carry a gradient with respect to raw predictions back: ``z.T @ gradient``."""
        pulled = transposed_times(self.X, gradient)
        return np.concatenate([pulled, gradient.sum(axis=0)[None]]) if self.apart else pulled

    def take(self, rows: Array) -> Array:
        """Return some rows of a dense X, to be read before this thread's next ones are asked for."""
        if not self.X.flags.c_contiguous:
            return take_rows(self.X, rows)
        taken: Array = self.X.take(
            rows, axis=0, out=scratch("taken", (len(rows), self.X.shape[1])), mode="clip"
        )
        return taken

    def moments(self) -> Array:
        """Return ``z.T @ z``."""
        X = self.X
        inner = self._squares(X)
        return _edged(inner, X.T.dot(np.ones(len(X))), float(len(X))) if self.apart else inner

    def _squares(self, root: Array) -> Array:
        """Return ``root.T @ root``, to be read before this thread's next one is asked for where ones are ``apart``.

        NumPy sees the same array twice and does half the work.
        """
        held = self.apart and root.shape[1] >= FRESH
        if not (held and isinstance(root, np.ndarray) and root.dtype == np.float64):
            return np.asarray(root.T.dot(root))
        return root.T.dot(root, out=scratch("inner", (root.shape[1], root.shape[1])))

    def gram(self, curvature: Array) -> Array:
        """Return ``z.T @ diag(curvature) @ z``."""
        if self.inner is not None and curvature.min() == (bend := curvature.max()):
            return np.asarray(bend * self.inner)
        inner = self._gram(curvature)
        if not self.apart:
            return inner
        return _edged(inner, self.X.T.dot(curvature), float(curvature.sum()))

    def _gram(self, curvature: Array) -> Array:
        if is_sparse(self.X):
            return (self.X.T @ (diagonal(curvature) @ self.X)).toarray()
        if isinstance(self.X, DeviceRows):
            return self.X.gram(curvature)
        X = self.X
        if X.size <= FEW_CELLS and curvature.min(initial=0.0) >= 0:
            root = np.sqrt(curvature)[:, None] * X
            return np.asarray(root.T.dot(root))
        bent = np.flatnonzero(curvature != 0)
        if not len(bent):
            return np.zeros((X.shape[1], X.shape[1]))
        some = len(bent) < len(curvature)
        if some:  # rows beyond Huber's threshold, or outside the band of a narrow envelope
            X = self.take(bent)
            curvature = curvature[bent]
        low, high = curvature.min(), curvature.max()
        if low == high:
            return np.multiply(low, inner := self._squares(X), out=inner)
        if low < 0:
            return X.T.dot(curvature[:, None] * X)
        root = np.multiply(
            np.sqrt(curvature)[:, None], X, out=X if some else scratch("taken", X.shape)
        )
        return self._squares(root)

    def grams(self, curvatures: Array) -> Array:
        """Return :meth:`gram` of each column of curvatures, stacked."""
        if curvatures.shape[1] == 1 or not isinstance(self.X, np.ndarray):
            return np.stack([self.gram(curvature) for curvature in curvatures.T])
        n, k = curvatures.shape
        bent = (curvatures[:, :, None] * self.X[:, None, :]).reshape(n, -1)
        inner = self.X.T.dot(bent).reshape(-1, k, self.X.shape[1]).swapaxes(0, 1)
        if not self.apart:
            return inner
        total, cross = curvatures.sum(axis=0), self.X.T.dot(curvatures)
        return np.stack([_edged(inner[j], cross[:, j], total[j]) for j in range(k)])


def _edged(inner: Array, cross: Array, total: float) -> Array:
    """Return a symmetric matrix with one row and column more."""
    p = len(inner)
    wider = np.empty((p + 1, p + 1))
    wider[:p, :p], wider[p, :p], wider[:p, p], wider[p, p] = inner, cross, cross, total
    return wider


class Passes:
    """Counts passes over X; a subsample counts by its share of the rows."""

    def __init__(self) -> None:
        self.count = 0.0


@dataclass
class WorkingSet:
    """What a fit with exact zeros leaves to the next one to the same rows.

    Parameters
    ----------
    columns : array of int
        Those that it has looked at, with which the next one begins.
    gram : object, optional
        Inner products of some, as the solver keeps them.
    free : tuple, optional
        Which columns were made orthonormal last, and what does so, as the solver keeps them.
    kinks : dict
        By targets, the rows that were on their kinks, as the solver keeps them.
    """

    columns: Array = field(default_factory=lambda: np.zeros(0, dtype=int))
    gram: Any = None
    free: tuple[Any, Any] | None = None
    kinks: dict[Any, Any] = field(default_factory=dict)


@dataclass
class Data:
    """Rows and the coordinates they are looked at in.

    Parameters
    ----------
    X : array or sparse array of shape (n, n_features)
        As the user gave it (``explicit=False``: the coordinates are applied to coefficients
        instead; ``explicit=True``: to each block), or already in coordinates (``ready=True``), and then with
        a column of ones for an intercept.
    y : array of shape (n,) or (n, n_outputs)
        Targets, in whatever encoding the loss reads.
    weight : array of shape (n,) or None
        Positive weights.
    base : float
        Size of what was subtracted from y before, which says how exact y is.
    moments : array, optional
        Inner products of the columns, and of the ones for an intercept, as blocks hold them, where they are
        known and there are no weights.
    stored : Coordinates, optional
        From the columns as they are held to the solver's, where the former are not the user's.
    null : array of shape (n_features, k), optional
        Orthonormal coefficients of the user's columns that do nothing, of which a fit is to hold none.
    working : WorkingSet, optional
        Where several fits to the same rows follow one another.
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
    moments: Array | None = None
    stored: Coordinates | None = None
    null: Array | None = None
    working: WorkingSet | None = None
    passes: Passes = field(default_factory=Passes)

    @property
    def here(self) -> bool:
        """Whether the rows are in this process, so that some can be taken by their numbers."""
        return True

    @property
    def n_rows(self) -> int:
        return int(self.y.shape[0])

    @property
    def size(self) -> int:
        """Number of coefficients in the solver's coordinates, without intercept."""
        return self.coordinates.size

    @property
    def n_columns(self) -> int:
        """Number of columns that are held, without that of ones."""
        return int(self.X.shape[1]) - (self.ready and self.intercept)

    @property
    def single(self) -> bool:
        """Whether all rows are one dense block, whose predictions are worth keeping."""
        return self.ready and bool(self.X.nbytes <= BLOCK_BYTES)

    def whole(self) -> Block:
        """Return the one block of a small table, for a pass over it."""
        self.passes.count += self.share
        return self._whole

    @cached_property
    def _whole(self) -> Block:
        return self._block(slice(0, self.n_rows))

    @property
    def small(self) -> bool:
        """Whether all rows in the solver's coordinates are little enough to be taken at once."""
        return self.n_rows * self.size * 8 <= TAKE_BYTES

    @property
    def dense(self) -> bool:
        """Whether blocks of rows are dense arrays."""
        return self.explicit or not is_sparse(self.X)

    @property
    def has_gram(self) -> bool:
        """Whether Gram matrices of the columns are affordable."""
        return self.dense or self.size <= 500

    @property
    def hidden(self) -> Array:
        """Size of what centring took away, for each of the solver's coefficients."""
        return self.coordinates.hidden

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.n_rows if self.weight is None else self.weight.sum())

    def blocks(self, *, brief: bool = False) -> Iterator[Block]:
        """Yield all rows, some thousand at a time, in the order they came in.

        A ``brief`` block is over when the next one is asked for.
        """
        self.passes.count += self.share
        return (self._block(part, brief) for part in self._parts())

    def _parts(self) -> list[slice]:
        n, p = self.n_rows, max(self.X.shape[1], 1)
        whole = isinstance(self.X, DeviceRows) or (is_sparse(self.X) and not self.explicit)
        # A Gram matrix has to be made of more rows than it has itself to be worth its memory.
        most = max(n, 1) if whole else max(256, p, BLOCK_BYTES // (8 * p))
        step = -(-n // max(-(-n // most), 1)) or 1
        return [slice(start, min(start + step, n)) for start in range(0, max(n, 1), step)]

    def _block(self, part: slice, brief: bool = False) -> Block:
        """Return some rows; ``brief`` ones are over when this thread asks for the next."""
        some = part.stop - part.start < self.n_rows
        rows: Any = (part if some else None) if self.rows is None else self.rows[part]
        X = self.X if rows is None else take_rows(self.X, rows)
        if not self.ready:
            X = floats(X, dense=self.explicit)
            if self.explicit and isinstance(X, DeviceRows):
                X = X.through(self.held.center, self.held.transform)
            elif self.explicit:
                out = scratch("centred", X.shape) if brief else None
                combined = brief and not self.coordinates.diagonal
                last = scratch("combined", (X.shape[0], self.size)) if combined else None
                X = self.held.apply(X, out, last)
        y, weight = (self.y[part], self.weight) if some else (self.y, self.weight)
        weight = weight[part] if weight is not None and some else weight
        inner = None if some else self.moments
        return Block(X, y, weight, part, self.intercept and not self.ready, inner)

    def sum(self, function: Callable[[Block], tuple[Any, ...]], few: int = FEW) -> tuple[Any, ...]:
        """Add up the tuples that ``function`` returns for the blocks: one pass.

        In an order that depends on the rows alone, so that the sum has the same bits on any number
        of threads.
        """
        self.passes.count += self.share
        if self.single:
            return function(self._whole)
        parts = self._parts()
        if len(parts) == 1:
            return function(self._block(parts[0], True))
        some = -(-len(parts) // CHUNKS)

        def chunk(start: int) -> tuple[Any, ...]:
            return added(function(self._block(p, True)) for p in parts[start : start + some])

        few = CHUNKS if len(parts) <= few else 1
        return added(in_order(chunk, range(0, len(parts), some), few=few))

    def rowwise(self, function: Callable[[Block], Array]) -> Array:
        """Return what ``function`` says of the rows of each block, one after another: one pass."""
        self.passes.count += self.share
        if self.single:
            return function(self._whole)
        parts = self._parts()
        return np.concatenate(
            in_order(lambda part: function(self._block(part, True)), parts, few=FEW)
        )

    @property
    def held(self) -> Coordinates:
        """Coordinates of the columns as they are held."""
        return self.coordinates if self.stored is None else self.stored

    # Between the solver's coefficients, the intercept last, and what `Block.raw` takes and `Block.pullback` gives.
    def outward(self, theta: Array) -> Array:
        """Coefficients and intercept for X as blocks hold it; one column for each output."""
        if self.explicit:
            return theta
        coef = self.held.coef(theta[: self.size])
        if not self.intercept:
            return coef
        return np.concatenate([coef, theta[self.size :] - self.held.center @ coef])

    def inward(self, pulled: Array) -> Array:
        """Gradient in the solver's coefficients and intercept."""
        if self.explicit:
            return pulled
        if not self.intercept:
            return self.held.adjoint(pulled)
        center = self.held.center
        offset = np.multiply.outer(center, pulled[-1]) if pulled.ndim > 1 else center * pulled[-1]
        return np.concatenate([self.held.adjoint(pulled[:-1] - offset), pulled[-1:]])

    def gram_inward(self, gram: Array) -> Array:
        """Return inner products of blocks in the solver's coordinates, the intercept last."""
        if self.explicit:
            return gram
        center, scale = self.held.center, self.held.transform
        if not self.intercept:
            return gram * np.outer(scale, scale)
        cross, total = gram[-1, :-1], gram[-1, -1]
        # inner - cross c' - c cross' + total c c', as one product of two columns each; scaled in place
        about = cross - 0.5 * total * center
        taken = np.column_stack([about, center]).dot(np.array([center, about]))
        wider = _edged(taken, scale * (cross - total * center), total)
        inner = wider[:-1, :-1]
        np.subtract(gram[:-1, :-1], inner, out=inner)
        inner *= scale[:, None]
        inner *= scale
        return wider

    def take(self, rows: Array, *, dense: bool = True) -> Any:
        """Return the given rows of X in the solver's coordinates, without ones for an intercept.

        Where sparse X may stay sparse (not ``dense``) it is scaled and not centred: it counts from zero.
        """
        X = self._taken(rows, dense)
        return X[:, : self.size] if self.ready else X

    def take_with_ones(self, rows: Array, *, dense: bool = True) -> Any:
        """Return what :meth:`take` does, and a column of ones where there is an intercept."""
        X = self._taken(rows, dense)
        if self.ready or not self.intercept:
            return X
        parts: list[Any] = [X, np.ones((len(rows), 1))]
        return sp.hstack(parts, format="csr") if is_sparse(X) else np.hstack(parts)

    def _taken(self, rows: Array, dense: bool) -> Any:
        self.passes.count += self.share * len(rows) / max(self.n_rows, 1)
        X = take_rows(self.X, rows if self.rows is None else self.rows[rows])
        if self.ready:
            return X
        if not (dense or self.dense):
            return X @ diagonal(self.held.transform)
        rows_taken = floats(X, dense=True)  # no one else's: they may be overwritten
        return self.held.apply(rows_taken, out=rows_taken)

    def raw_rows(self) -> Any:
        """Return the rows of X as they are held: sparse X that is neither scaled nor centred."""
        return self.X if self.rows is None else take_rows(self.X, self.rows)

    def subset(self, rows: Array, *, keep: bool = True) -> Data:
        """Return some of the rows as data of their own that counts passes by their share."""
        weight = None if self.weight is None else self.weight[rows]
        share = self.share * len(rows) / self.n_rows
        small = replace(
            self, y=self.y[rows], weight=weight, share=share, moments=None, working=None
        )
        if not keep or (is_sparse(self.X) and not self.explicit):
            small.rows = rows if self.rows is None else self.rows[rows]
            return small
        X: Any = self.take_with_ones(rows)
        X = X.toarray() if is_sparse(X) else X
        return replace(small, X=X, rows=None, explicit=True, ready=True)

    def spans(self) -> bool:
        """Whether these rows alone tell all coordinates apart, and nearly as well as they should.

        True for nearly all parts of a table in the coordinates of the whole. A sample of many rows
        is asked; where it is in doubt the answer is no.
        """
        if not self.dense or self.size > 4096 or self.n_rows <= self.size + 1:
            return False
        size = subsample_size(self)
        part = self.subset(spread_rows(self.n_rows, size), keep=False) if size else self
        part = replace(part, explicit=True)
        inner = find_moments(part)
        return condition_number(inner / part.n_rows) < MAX_CONDITION**2

    def columns(self, kept: Array) -> Data:
        """Return the same rows with some of the columns; the coordinates must be diagonal."""
        stored = None if self.stored is None else self.stored.columns(kept)
        held = np.append(kept, self.size) if self.intercept else kept
        moments = None if self.moments is None else self.moments[np.ix_(held, held)]
        return replace(
            self, X=self.X[:, held if self.ready else kept], coordinates=self.coordinates.columns(kept),
            stored=stored, null=None, moments=moments, working=None,
        )  # fmt: skip

    def uncentred(self) -> Data:
        """Return the same rows in coordinates that only scale."""
        center = np.zeros_like(self.held.center)
        return replace(self, stored=replace(self.held, center=center))

    def with_target(self, y: Array, weight: Array | None) -> Data:
        """Return the same rows with other targets and weights."""
        known = self.moments if weight is None else None
        return replace(self, y=y, weight=weight, moments=known)

    def retargeted(
        self, function: Callable[[Array, Array | None], tuple[Array, Array | None]], total: float
    ) -> Data:
        """Return the same rows with what a small ``function`` makes of targets and weights, of sum ``total``."""
        return self.with_target(*function(self.y, self.weight))


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

    def raw(self, at: Array) -> Array:
        """Return the raw predictions of all rows: one pass."""
        return self.data.rowwise(lambda block: block.raw(at))

    def pullback(self, gradient: Array) -> Array:
        """Carry a gradient with respect to all raw predictions back: one pass."""
        (pulled,) = self.data.with_target(gradient, None).sum(
            lambda block: (block.pullback(block.y),)
        )
        return pulled


def diagonal(entries: Array) -> Any:
    """Return a sparse diagonal matrix (older releases of SciPy have no ``diags_array``)."""
    n = len(entries)
    return sp.csr_array((entries, np.arange(n), np.arange(n + 1)), shape=(n, n))


def find_moments(data: Data) -> Array:
    """Return the inner products of dense rows as blocks hold them: one pass."""
    (inner,) = data.sum(lambda block: (block.moments(),), FEW_GRAMS)
    return np.asarray(inner)


def column_squares(X: Any) -> Array:
    """Return the mean square of each column: one pass. Not finite where an entry is not."""
    n, n_features = X.shape
    if is_sparse(X):
        return np.asarray(X.multiply(X).sum(axis=0) / n, dtype=float)
    if X.nbytes <= BLOCK_BYTES:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.einsum("ij,ij->j", X, X, dtype=float) / n)
    blank = Coordinates(np.zeros(n_features), np.ones(n_features))
    rows = Data(X, np.broadcast_to(0.0, n), None, blank, explicit=False)
    with np.errstate(over="ignore", invalid="ignore"):
        (square,) = rows.sum(lambda block: (np.einsum("ij,ij->j", block.X, block.X),))
    return np.asarray(square / n)


def row_lengths(X: Any, beside: float = 0.0) -> Array:
    """Return the length of each dense row, where a number stands for the square of what is beside X."""
    square = X.row_squares() if isinstance(X, DeviceRows) else np.einsum("ij,ij->i", X, X)
    return np.asarray(np.sqrt(square + beside))


def take_rows(X: Any, rows: Any) -> Any:
    """Return rows of X by a slice or their numbers.

    Where rows lie in one piece ``take`` is three times as fast as indexing; else it copies all of X.
    """
    many = isinstance(rows, np.ndarray) and isinstance(X, np.ndarray) and X.flags.c_contiguous
    return X.take(rows, axis=0) if many else X[rows]


def floats(X: Any, *, dense: bool) -> Any:
    """Return X in double precision, and dense if asked."""
    if is_sparse(X):
        X = X.toarray() if dense else X
    return X if X.dtype == np.float64 else X.astype(np.float64)


def subsample_size(data: Data) -> int:
    """Rows of the sample a large fit starts from, or 0 where the data are too few for one."""
    size = max(4000, 40 * data.n_columns)
    return size if data.n_rows >= 5 * size else 0
