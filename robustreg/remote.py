"""A table whose rows are elsewhere, seen in coordinates: what solvers ask of `Data`, by passes alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NoReturn

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg._threads import blas_aside
from robustreg.coordinates import MAX_CONDITION, Coordinates, condition_number
from robustreg.data import FEW, Block, Data
from robustreg.orthonormal import lost_shares, orthonormal_transform
from robustreg.preparation import LOST, is_harmless, refuse_loss
from robustreg.tables import Part, Table, add

#: rows of the sample that is fetched, and for each column
SAMPLE, SAMPLE_EACH = 4000, 40
#: looks at the extent of columns at the most: the first by what the sample says, others where it misled
LOOKS = 4
#: a mean this many deviations off, or a deviation this many times that of the sample, costs so many digits
#: of a sum of squares that it is made again about what it showed
NEAR, ALIKE = 30.0, 1e3


@dataclass(frozen=True)
class View:
    """How a part is seen: in the solver's coordinates, and in the units of y.

    Parameters
    ----------
    coordinates : Coordinates
        Of the columns.
    intercept, explicit : bool
        As of :class:`~robustreg.data.Data`.
    center, spread, mass : float
        What is taken from y, and what y and weights are divided by.
    """

    coordinates: Coordinates
    intercept: bool
    explicit: bool
    center: float
    spread: float
    mass: float

    def __call__(self, part: Part) -> Data:
        """Return the rows as data."""
        y = part.y - self.center
        y /= self.spread
        weight = None if part.weight is None else part.weight / self.mass
        return Data(part.X, y, weight, self.coordinates, self.intercept, self.explicit)


@dataclass(frozen=True)
class Seen:
    """A pass over blocks as a pass over parts."""

    function: Callable[[Block], tuple[Any, ...]]
    view: View
    combine: Callable[..., tuple[Any, ...]] = add

    def __call__(self, part: Part) -> tuple[Any, ...]:
        with blas_aside(), np.errstate(all="ignore"):
            return reduce(self.combine, map(self.function, self.view(part).blocks()))


def _nowhere(what: str) -> NoReturn:
    raise TypeError(f"Rows that are elsewhere have no {what} in this process.")


class _NoRows:
    """Stands for the targets of rows that are elsewhere: whoever asks for them is mistaken."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        _nowhere(f"y.{name}")

    def __getitem__(self, rows: Any) -> NoReturn:
        _nowhere("y")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        _nowhere("y")


@dataclass
class TableData(Data):
    """Rows of a table.

    Parameters
    ----------
    table : Table
        Where they are.
    view : View
        How they are seen there.
    sample : Data
        Some of them, in this process and in the same coordinates.
    """

    table: Any = None
    view: Any = None
    sample: Any = None

    @classmethod
    def of(cls, table: Table, view: View, sample: Part) -> TableData:
        """Return a table as data."""
        few = view(sample)
        return cls(
            None, _NoRows(), None, view.coordinates, view.intercept, view.explicit,
            base=abs(view.center) / view.spread, table=table, view=view, sample=few,
        )  # fmt: skip

    @property
    def here(self) -> bool:
        return False

    @property
    def n_rows(self) -> int:
        return int(self.table.n_rows)

    @property
    def n_columns(self) -> int:
        return int(self.table.n_features)

    @property
    def single(self) -> bool:
        return False

    @property
    def total(self) -> float:
        return float(self.table.total / self.view.mass)

    def sum(self, function: Callable[[Block], tuple[Any, ...]], few: int = FEW) -> tuple[Any, ...]:
        self.passes.count += self.share
        return tuple(self.table.reduce(Seen(function, self.view)))

    def rowwise(self, function: Callable[[Block], Array]) -> Array:
        _nowhere("vector of predictions")

    def blocks(self) -> Any:
        _nowhere("blocks")

    def subset(self, rows: Array, *, keep: bool = True) -> Data:
        _nowhere("subset")

    def take(self, rows: Array, *, dense: bool = True) -> Any:
        _nowhere("rows by number")

    def with_target(self, y: Array, weight: Array | None) -> Data:
        _nowhere("other targets")


@dataclass(frozen=True)
class Extent:
    """Moments of the columns and their ends, and the mean square of y."""

    def __call__(self, block: Block) -> tuple[Any, ...]:
        X, weight = block.X, block.weight
        ends = X.min(axis=0), X.max(axis=0)
        square = block.y**2 if weight is None else weight * block.y**2
        return X.sum(axis=0), X.T.dot(X), float(square.sum()), *ends


def widest(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Combine two answers of :class:`Extent`."""
    ends = np.minimum(one[3], other[3]), np.maximum(one[4], other[4])
    return *add(one[:3], other[:3]), *ends


@dataclass(frozen=True)
class Triangle:
    """R of the QR decomposition of the rows of a block."""

    def __call__(self, block: Block) -> tuple[Array]:
        return (_r_factor(block.X),)


def triangle(one: tuple[Array], other: tuple[Array]) -> tuple[Array]:
    """Combine two answers of :class:`Triangle`."""
    return (_r_factor(np.concatenate([one[0], other[0]])),)


def _r_factor(rows: Array) -> Array:
    found: Array = scipy.linalg.qr(rows, mode="r", check_finite=False)[0]
    return found[: found.shape[1]]


def sample_of(table: Table) -> Part:
    """Return some rows by chance, always the same of a table of one length."""
    n = table.n_rows
    size = min(n, max(SAMPLE, SAMPLE_EACH * table.n_features))
    rows = np.random.default_rng(0).choice(n, size, replace=False, shuffle=False)
    return table.take(np.sort(rows))


def prepare_table(
    table: Table,
    sample: Part,
    units: tuple[float, float, float],
    *,
    intercept: bool,
    bounded: bool,
) -> tuple[TableData, int]:
    """Choose coordinates, as :func:`~robustreg.preparation.prepare` does: one pass, or two.

    Parameters
    ----------
    table : Table
        The rows.
    sample : Part
        Some of them.
    units : tuple of three floats
        Centre and spread of y by the sample, and the mean weight.
    intercept : bool
        Whether columns may be centred.
    bounded : bool
        Whether the influence of a value of y is; otherwise the root of its mean square is the spread.

    Returns
    -------
    data : TableData
        The rows.
    rank : int
        Rank of ``[1, X]``, or of X without an intercept.
    """
    center, spread, mass = units
    n, p = table.n_rows, table.n_features
    blank = View(Coordinates(*_guess(sample, intercept)), intercept, True, center, spread, mass)
    for look in range(LOOKS):
        total, inner, square, low, high = table.reduce(Seen(Extent(), blank, widest), widest)
        at, unit = blank.coordinates.center, 1 / blank.coordinates.transform
        top = np.maximum(np.abs(low * unit + at), np.abs(high * unit + at))
        mean = total / n if intercept else np.zeros(p)
        size = np.sqrt(np.maximum(np.diag(inner) / n - mean**2, 0.0))
        varies = (high - low) * unit > 2 * np.spacing(top) if intercept else top > 0
        known = np.isfinite(size) & (np.abs(mean) <= NEAR * size)
        known &= (size < ALIKE) & (size > 1 / ALIKE)
        if np.all(known | ~varies) or look == LOOKS - 1:
            break
        width = np.where(
            np.isfinite(size) & (size > 0), size, np.maximum(np.abs(low), np.abs(high))
        )
        there = at + np.where(np.isfinite(mean), mean, 0.0) * unit
        better = Coordinates(there, 1 / np.where(varies, width * unit, 1.0))
        blank = replace(blank, coordinates=better)
    if not bounded:
        spread *= float(np.sqrt(square * mass / table.total)) or 1.0
    safe = np.where(varies, size, 1.0)
    diagonal = Coordinates(at + mean * unit, np.where(varies, 1 / (safe * unit), 0.0))
    view = replace(blank, coordinates=diagonal, spread=spread)
    live = np.flatnonzero(varies)
    gram = (inner / n - np.outer(mean, mean))[np.ix_(live, live)] / np.outer(safe, safe)[
        np.ix_(live, live)
    ]
    rank = len(live) + int(intercept)
    if len(live) and (n <= len(live) or not condition_number(gram) < MAX_CONDITION**2):
        (rows,) = table.reduce(Seen(Triangle(), view, triangle), triangle)
        sizes = (safe * unit)[live]
        found = orthonormal_transform(rows[:, live], sizes, n)
        refuse_loss(live[lost_shares(rows[:, live], sizes, found) > LOST])
        transform = np.zeros((p, found.shape[1]))
        transform[live] = found
        view = replace(view, coordinates=Coordinates(diagonal.center, transform))
        rank = found.shape[1] + int(intercept)
    view = replace(view, explicit=not is_harmless(view.coordinates))
    return TableData.of(table, view, sample), rank


def _guess(sample: Part, intercept: bool) -> tuple[Array, Array]:
    """Centre of the columns of a sample and what divides them: 1 over their spread."""
    X = sample.X.astype(np.float64)
    center = X.mean(axis=0) if intercept else np.zeros(X.shape[1])
    X -= center
    width = np.abs(X).max(axis=0, initial=0.0)
    safe = np.where((width > 0) & np.isfinite(width), width, 1.0)
    spread = safe * np.sqrt(np.mean((X / safe) ** 2, axis=0))
    return center, 1 / np.where(spread > 0, spread, np.maximum(np.abs(center), 1e-290))
