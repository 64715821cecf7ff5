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
from robustreg.coordinates import DENORMAL, Coordinates
from robustreg.data import FEW, TAKE_BYTES, Block, Data
from robustreg.device_rows import DeviceRows, in_process
from robustreg.passes import Both, CombineBoth
from robustreg.sampling import EVEN, drawn, largest
from robustreg.tables import Part, Table, add, refuse_not_finite, stack

#: rows of the sample that is fetched, and for each column
SAMPLE, SAMPLE_EACH = 4000, 40


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
    target : callable, optional
        Makes targets and weights of those.
    columns : array of int, optional
        Which columns of the parts are seen; all without it.
    """

    coordinates: Coordinates
    intercept: bool
    explicit: bool
    center: float
    spread: float
    mass: float
    target: Callable[[Array, Array | None], tuple[Array, Array | None]] | None = None
    columns: Array | None = None

    def __call__(self, part: Part) -> Data:
        """Return the rows as data."""
        y = part.y - self.center
        y /= self.spread
        weight = None if part.weight is None else part.weight / self.mass
        if self.target is not None:
            y, weight = self.target(y, weight)
        X = part.X if self.columns is None else part.X[:, self.columns]
        return Data(X, y, weight, self.coordinates, self.intercept, self.explicit)

    def top(self, low: Array, high: Array) -> Array:
        """Return the largest entry of each column, given their ends in diagonal coordinates."""
        at, unit = self.coordinates.center, 1 / self.coordinates.transform
        return np.asarray(np.maximum(np.abs(low * unit + at), np.abs(high * unit + at)))

    def varies(self, low: Array, high: Array) -> Array:
        """Say which columns do more than rounding, given the same."""
        top, unit = self.top(low, high), 1 / self.coordinates.transform
        found = top > DENORMAL
        if self.intercept:
            found &= (high - low) * unit > 2 * np.spacing(top)
        return found


@dataclass(frozen=True)
class Seen:
    """A pass over blocks as a pass over parts."""

    function: Callable[[Block], tuple[Any, ...]]
    view: View
    combine: Callable[..., tuple[Any, ...]] = add

    def __call__(self, part: Part) -> tuple[Any, ...]:
        with blas_aside(), np.errstate(all="ignore"):
            return reduce(self.combine, map(self.function, self.view(part).blocks(brief=True)))


@dataclass(frozen=True)
class Few:
    """Combines what :class:`Chosen` says, and keeps no rows where they are more than ``most``.

    Parameters
    ----------
    most : int
        Rows.
    combine : callable
        Of the tuples that come with them.
    """

    most: int
    combine: Callable[[Any, Any], tuple[Any, ...]] = add

    def __call__(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        count = one[0] + other[0]
        if count > self.most:
            rows = tuple(part[:0] for part in one[1:4])
        else:
            rows = stack(one[1:4], other[1:4])
        return count, *rows, *self.combine(one[4:], other[4:])


@dataclass(frozen=True)
class Chosen:
    """A pass that fetches some rows as they are, and sums over blocks.

    Parameters
    ----------
    function : callable
        Returns which rows of a block are wanted, and a tuple.
    view : View
        How blocks are seen.
    combine : Few
        Of what several parts say.
    """

    function: Callable[[Block], tuple[Array, tuple[Any, ...]]]
    view: View
    combine: Few

    def __call__(self, part: Part) -> tuple[Any, ...]:
        with blas_aside(), np.errstate(all="ignore"):
            return reduce(self.combine, (self._of(part, block) for block in self._blocks(part)))

    def _blocks(self, part: Part) -> Any:
        return self.view(part).blocks(brief=True)

    def _of(self, part: Part, block: Block) -> tuple[Any, ...]:
        rows, sums = self.function(block)
        count = len(rows)
        rows = rows[: 0 if count > self.combine.most else count] + block.part.start
        weight = np.zeros(0) if part.weight is None else part.weight[rows]
        return count, part.X[rows], part.y[rows], weight, *sums


def all_rows(block: Block) -> tuple[Array, tuple[Any, ...]]:
    """Want all rows of a block."""
    return np.arange(len(block.y)), ()


def _nowhere(what: str) -> NoReturn:
    raise TypeError(f"Rows that are elsewhere have no {what} in this process.")


class _NoRows:
    """Stands for the targets of rows that are elsewhere: whoever asks for them is mistaken."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.ndim = shape, len(shape)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        _nowhere(f"y.{name}")

    def __getitem__(self, rows: Any) -> NoReturn:
        _nowhere("y")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        _nowhere("y")


def affordable(n_columns: int) -> int:
    """Return how many rows may be fetched."""
    return int(TAKE_BYTES // (8 * (n_columns + 3)))


class Misled(Exception):
    """Coordinates of a sample do not suit all rows.

    Parameters
    ----------
    data : TableData
        The rows in coordinates that do.
    rank : int
        As of :func:`~robustreg.remote_coordinates.prepare_table`.
    """

    def __init__(self, data: TableData, rank: int) -> None:
        super().__init__("a sample has misled")
        self.data, self.rank = data, rank


@dataclass
class Trial:
    """What all rows say of the coordinates, which the first pass over them tells along with what it is for.

    Parameters
    ----------
    preparation : Preparation
        What has chosen them; see :mod:`robustreg.remote_coordinates`.
    farthest : float or None
        The largest entry of X, in standard deviations of its column; None before that pass.
    """

    preparation: Any
    farthest: float | None = None

    def reduced(self, table: Table, function: Callable[[Part], Any], combine: Any) -> Any:
        """Return what a pass says.

        Raises
        ------
        Misled
            If the coordinates do not suit all rows.
        """
        if self.farthest is not None:
            return table.reduce(function, combine)
        look = self.preparation.look
        both = Both(function, look), CombineBoth(combine, look.combine)
        found, extent = table.reduce(*both)
        self.farthest = self.preparation.suited(extent, table.n_rows)
        if self.farthest is None:
            raise Misled(*self.preparation.chosen(extent))
        return found


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
    trial : Trial
        Of the coordinates.
    known : float, optional
        Sum of the weights, where it is not that of the table.
    """

    table: Any = None
    view: Any = None
    sample: Any = None
    trial: Any = None
    known: float | None = None

    @classmethod
    def of(cls, table: Table, view: View, sample: Part, trial: Trial) -> TableData:
        """Return a table as data."""
        base = abs(view.center) / view.spread
        few = replace(view(sample), explicit=True, base=base)
        return cls(
            None, _NoRows((table.n_rows, *few.y.shape[1:])), None, view.coordinates, view.intercept, view.explicit,
            base=base, table=table, view=view, sample=few, trial=trial,
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
        return float(self.table.total / self.view.mass if self.known is None else self.known)

    def retargeted(
        self, function: Callable[[Array, Array | None], tuple[Array, Array | None]], total: float
    ) -> Data:
        sample = self.sample.with_target(*function(self.sample.y, self.sample.weight))
        y = _NoRows((self.n_rows, *sample.y.shape[1:]))
        view = replace(self.view, target=function)
        moments = self.moments if sample.weight is None else None
        return replace(self, view=view, sample=sample, known=total, y=y, moments=moments)

    def columns(self, kept: Array) -> Data:
        before, coordinates = self.view.columns, self.coordinates.columns(kept)
        held = kept if before is None else before[kept]
        # their rows are copied anyway: they may as well be centred
        view = replace(self.view, coordinates=coordinates, columns=held, explicit=True)
        sample, moments = self.sample.columns(kept), self.moments
        if moments is not None:
            held = np.append(kept, self.size) if self.intercept else kept
            moments = self.gram_inward(moments)[np.ix_(held, held)]
        return replace(
            self, coordinates=coordinates, view=view, sample=sample, moments=moments, explicit=True
        )

    def sum(self, function: Callable[[Block], tuple[Any, ...]], few: int = FEW) -> tuple[Any, ...]:
        return self.combined(function, add)

    def combined(
        self,
        function: Callable[[Block], tuple[Any, ...]],
        combine: Callable[[Any, Any], tuple[Any, ...]],
    ) -> tuple[Any, ...]:
        """Return what :meth:`sum` does, combined in another way."""
        return tuple(self._reduced(Seen(function, self.view, combine), combine))

    def _reduced(self, function: Callable[[Part], Any], combine: Callable[..., Any]) -> Any:
        self.passes.count += self.share
        return self.trial.reduced(self.table, function, combine)

    def in_sample(self, function: Callable[[Block], Any]) -> list[Any]:
        """Return what a pass says of the blocks of the sample, which are seen here as those elsewhere are."""
        return [*map(function, replace(self.sample, explicit=self.explicit).blocks())]

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.sample.weight is not None

    @property
    def affordable(self) -> int:
        """Rows that may be fetched."""
        return affordable(self.n_columns)

    @property
    def farthest(self) -> float:
        """The largest entry of X, in standard deviations of its column."""
        return float(self.trial.farthest)

    def fetch(
        self,
        function: Callable[[Block], tuple[Array, tuple[Any, ...]]],
        combine: Callable[[Any, Any], tuple[Any, ...]] = add,
    ) -> tuple[int, Data | None, tuple[Any, ...]]:
        """Fetch some rows, and sum what ``function`` says of their blocks: one pass.

        Parameters
        ----------
        function : callable
            Returns the numbers of the rows that are wanted, counted within the block, and a tuple.
        combine : callable
            Of two of these tuples.

        Returns
        -------
        count : int
            How many rows are wanted.
        rows : Data or None
            They, in this process; None where they are more than :attr:`affordable`.
        sums : tuple
            Sums of the tuples.
        """
        most = self.affordable
        few = Few(most, combine)
        count, X, y, weight, *sums = self._reduced(Chosen(function, self.view, few), few)
        if count > most:
            return count, None, tuple(sums)
        part = Part(X, y, weight if len(weight) or not count else None)
        return count, self._local(self.view(part)), tuple(sums)

    def gathered(self) -> Data | None:
        """Return all rows in this process where they are few, else nothing: one pass."""
        if self.n_rows > self.affordable:
            return None
        return self.fetch(all_rows)[1]

    def numbered(self, rows: Array) -> Data:
        """Return some rows by their numbers, which are in order: one pass."""
        self.passes.count += self.share
        numbers = rows.astype(np.min_scalar_type(-self.n_rows))  # half of what would travel
        X, y, weight = self.table.reduce(Numbered(numbers), stack)
        return self._local(self.view(Part(X, y, weight if len(weight) else None)))

    def showing(self, at: Array, most: int, least: float) -> Array:
        """Return the numbers of so many rows whose products with a direction are the largest: one pass."""
        self.passes.count += self.share
        function = Showing(at, self.view, most, least)
        return np.sort(self.table.reduce(function, function.combine)[1])

    def _local(self, data: Data) -> Data:
        return replace(data, explicit=True, base=self.base)

    def rowwise(self, function: Callable[[Block], Array]) -> Array:
        _nowhere("vector of predictions")

    def blocks(self, *, brief: bool = False) -> Any:
        _nowhere("blocks")

    def subset(self, rows: Array, *, keep: bool = True) -> Data:
        _nowhere("subset")

    def take(self, rows: Array, *, dense: bool = True) -> Any:
        _nowhere("rows by number")

    def with_target(self, y: Array, weight: Array | None) -> Data:
        _nowhere("other targets")


@dataclass(frozen=True)
class Finite:
    """Refuses values that are not finite in parts that were not looked at when their table was made."""

    def __call__(self, part: Part) -> tuple[()]:
        where = f"in the samples from {part.start} on"
        refuse_not_finite(in_process(part.X), range(part.X.shape[1]), where)
        return ()


@dataclass(frozen=True)
class Triangle:
    """R of the QR decomposition of the rows of a block, with a one before each where there is an intercept.

    Parameters
    ----------
    weighted : bool, default=False
        Whether rows are multiplied by the roots of their weights.
    """

    weighted: bool = False

    def __call__(self, block: Block) -> tuple[Array]:
        rows, ones = block.X, int(block.apart)
        root = np.sqrt(block.weight) if self.weighted and block.weight is not None else None
        if isinstance(rows, DeviceRows):
            return (rows.triangle(ones, root),)
        rows = np.column_stack([np.ones((len(block.y), ones)), rows])
        return (r_factor(rows if root is None else root[:, None] * rows),)


def triangle(one: tuple[Array], other: tuple[Array]) -> tuple[Array]:
    """Combine two answers of :class:`Triangle`."""
    return (r_factor(np.concatenate([one[0], other[0]])),)


def r_factor(rows: Array) -> Array:
    """Return R of the QR decomposition of some rows."""
    found: Array = scipy.linalg.qr(rows, mode="r", check_finite=False)[0]
    return found[: found.shape[1]]


@dataclass(frozen=True)
class Everything:
    """A pass that fetches all rows."""

    def __call__(self, part: Part) -> tuple[Any, ...]:
        weight = np.zeros(0) if part.weight is None else part.weight
        return in_process(part.X), part.y, weight


@dataclass(frozen=True)
class Numbered:
    """A pass that fetches rows by their numbers, which are in order."""

    rows: Array

    def __call__(self, part: Part) -> tuple[Any, ...]:
        low, high = np.searchsorted(self.rows, (part.start, part.start + len(part.y)))
        some = self.rows[low:high].astype(np.intp) - part.start
        weight = np.zeros(0) if part.weight is None else part.weight[some]
        return part.X[some], part.y[some], weight


@dataclass(frozen=True)
class Showing:
    """Sizes and numbers of the rows whose products with a direction are the largest, and larger than ``least``.

    Parameters
    ----------
    at : array of shape (q,)
        The direction, as blocks take it.
    view : View
        How blocks are seen.
    most : int
        How many rows.
    least : float
        A size.
    """

    at: Array
    view: View
    most: int
    least: float

    def __call__(self, part: Part) -> tuple[Array, Array]:
        with blas_aside(), np.errstate(all="ignore"):
            blocks = self.view(part).blocks()
            sizes = np.concatenate([np.abs(block.raw(self.at)) for block in blocks])
        rows = largest(sizes, self.most, self.least)
        return sizes[rows], rows + part.start

    def combine(self, one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return the largest of both."""
        sizes, rows = (np.concatenate(pair) for pair in zip(one, other, strict=True))
        kept = largest(sizes, self.most, self.least)
        return sizes[kept], rows[kept]


@dataclass(frozen=True)
class Sampled:
    """A pass that fetches rows drawn by chance, always the same of ``n``."""

    n: int
    size: int

    def __call__(self, part: Part) -> tuple[Any, ...]:
        return Numbered(drawn(self.n, self.size))(part)  # their numbers do not travel


@dataclass(frozen=True)
class SampledByClass:
    """A pass that fetches rows by chance, about as many of each class, with weights that make up for it.

    Parameters
    ----------
    n, size : int
        Rows of the table, and about how many are wanted.
    masses : array of shape (n_classes,)
        Weights of classes 0, 1, ...
    """

    n: int
    size: int
    masses: Array

    def __call__(self, part: Part) -> tuple[Any, ...]:
        weight = np.ones(len(part.y)) if part.weight is None else part.weight
        importance = weight / self.masses[part.y.astype(int)]
        chance = self.size * (0.5 / self.n + 0.5 * importance / len(self.masses))
        chance = np.minimum(chance, 1.0)
        some = np.flatnonzero(np.random.default_rng(part.start).random(len(chance)) < chance)
        return part.X[some], part.y[some], weight[some] / chance[some]


def sample_of(table: Table, masses: Array | None = None) -> Part:
    """Return some rows by chance, always the same of a table of one length: one pass.

    Parameters
    ----------
    table : Table
        The rows.
    masses : array of shape (n_classes,), optional
        Weights of the classes that y holds. Where they are uneven rare ones are drawn with a larger chance.
    """
    n = table.n_rows
    size = min(n, max(SAMPLE, SAMPLE_EACH * table.n_features))
    function: Any = Sampled(n, size)
    if masses is not None and size < n:
        share = masses / masses.sum()
        # as `sampling.uneven` says of rows of equal weight
        if len(share) ** 2 / np.sum(1 / share) < EVEN:
            function = SampledByClass(n, size, masses)
    X, y, weight = table.reduce(function, stack)
    return Part(X, y, weight if len(weight) else None)


def whole(table: Table) -> Part | None:
    """Return all rows where they are so few that they may be fetched, which is one pass; otherwise nothing."""
    if table.n_rows * 8 * (table.n_features + 3) > TAKE_BYTES:
        return None
    X, y, weight = table.reduce(Everything(), stack)
    if not np.isfinite(X).all():
        table.reduce(Finite())
    return Part(X, y, weight if len(weight) else None)
