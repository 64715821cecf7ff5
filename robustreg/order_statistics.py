"""Exact medians of values that are elsewhere: by counts in bins and the few values of one bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.remote import TableData
from robustreg.tables import add, stack

#: bins of a first look, about where a sample has the median, and elsewhere
FINE, COARSE = 512, 32
#: and of the next ones
AGAIN = 1024
#: standard errors of a sample's quantile within which the fine bins are
ERRORS = 5.0
#: values that may be fetched: 16 MiB with their weights
FEW = 1 << 20
#: share of these that the first look is to fetch by what the sample says, of which a bin may hold less than there is
LIKELY = 0.5


@dataclass(frozen=True)
class Residuals:
    """Residuals of the rows of a block, or their sizes.

    Parameters
    ----------
    at : array
        Coefficients and intercept as blocks take them.
    signed : bool, default=False
        Whether with their signs.
    """

    at: Array
    signed: bool = False

    def __call__(self, block: Block) -> Array:
        residual = block.y - block.raw(self.at)
        return residual if self.signed else np.abs(residual)


@dataclass(frozen=True)
class Counted:
    """Rows, and their weights, whose values are in ``(-inf, edges[0])``, ``[edges[0], edges[1])`` and so on.

    And the values in ``[low, high)`` and their weights, which are to be few.
    """

    values: Residuals
    edges: Array
    low: float = 0.0
    high: float = 0.0

    def __call__(self, block: Block) -> tuple[Array, Array, Array, Array]:
        values, weight = self.values(block), block.weight
        place = np.searchsorted(self.edges, values, side="right")
        counts = np.bincount(place, minlength=len(self.edges) + 1)
        masses = counts.astype(float)
        if weight is not None:
            masses = np.bincount(place, weight, minlength=len(self.edges) + 1)
        return counts, masses, *_between(values, weight, self.low, self.high)


@dataclass(frozen=True)
class Fetched:
    """Values in ``[low, high)`` and their weights."""

    values: Residuals
    low: float
    high: float

    def __call__(self, block: Block) -> tuple[Array, Array]:
        return _between(self.values(block), block.weight, self.low, self.high)


def _between(values: Array, weight: Array | None, low: float, high: float) -> tuple[Array, Array]:
    some = np.flatnonzero((values >= low) & (values < high))
    return values[some], np.ones(len(some)) if weight is None else weight[some]


def counted(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Combine two answers of :class:`Counted`; more values than :data:`FEW` are left out."""
    values = stack(one[2:], other[2:])
    if len(values[0]) > FEW:
        values = (values[0][:0], values[1][:0])
    return *add(one[:2], other[:2]), *values


def first_look(data: TableData, values: Residuals, guess: float = 0.5) -> Counted:
    """Return the first pass of :func:`median`, which may be made along with another at the same point.

    Its edges are about where the sample has a quantile; the values there come along if they are few.
    """
    sample = np.sort(np.concatenate(data.in_sample(values)))
    n = len(sample)
    error = ERRORS * np.sqrt(n * guess * (1 - guess)) + ERRORS
    ends = np.clip([guess * n - error, guess * n + error], 0, n - 1).astype(int)
    low, high = sample[ends].tolist()
    edges = np.unique(
        [*np.linspace(low, high, FINE), *sample[np.linspace(0, n - 1, COARSE).astype(int)]]
    )
    few = (ends[1] - ends[0]) / n * data.n_rows <= LIKELY * FEW
    return Counted(values, edges, low, high if few else low)


class _Ordered:
    """Values in order, looked at by passes whose answers are kept."""

    def __init__(self, data: TableData, values: Residuals) -> None:
        self.data, self.values = data, values
        self.counts: dict[tuple[float, float], tuple[Array, Array, Array]] = {}
        self.fetched: dict[tuple[float, float], tuple[Array, Array]] = {}

    def find(self, mass: float, *, beyond: bool) -> float:
        """Return the first value at which the weights of the values up to it are a mass, or ``beyond`` it."""
        low, high = -np.inf, np.inf
        side: Any = "right" if beyond else "left"
        while True:
            edges, counts, masses = self._count(low, high)
            total = np.cumsum(masses)
            last = int(np.flatnonzero(counts)[-1])
            i = min(int(np.searchsorted(total, mass, side=side)), last)
            below = total[i - 1] if i else 0.0
            low = edges[i - 1] if i else -np.inf
            high = edges[i] if i < len(edges) else np.inf
            if counts[i] <= FEW:
                values, weight = self._fetch(low, high)
                place = int(np.searchsorted(below + np.cumsum(weight), mass, side=side))
                return float(values[min(place, len(values) - 1)])
            if high <= np.nextafter(low, np.inf):
                return float(low)

    def look(self, first: Counted, found: tuple[Array, Array, Array, Array]) -> None:
        """Take what a pass over all values has found."""
        counts, masses, values, weight = found
        self.counts[-np.inf, np.inf] = first.edges, counts, masses
        inside = np.searchsorted(first.edges, [first.low, first.high], side="right")
        if len(values) and len(values) == counts[slice(*inside)].sum():  # else they were too many
            self._keep(first.low, first.high, values, weight)

    def _count(self, low: float, high: float) -> tuple[Array, Array, Array]:
        if (low, high) not in self.counts:
            edges = between(low, high)
            found = self.data.combined(Counted(self.values, edges), counted)
            self.counts[low, high] = (edges, *found[:2])
        return self.counts[low, high]

    def _fetch(self, low: float, high: float) -> tuple[Array, Array]:
        for (start, stop), (values, weight) in self.fetched.items():
            if start <= low and high <= stop:
                some = slice(*np.searchsorted(values, [low, high]))
                return values[some], weight[some]
        return self._keep(low, high, *self.data.combined(Fetched(self.values, low, high), stack))

    def _keep(self, low: float, high: float, values: Array, weight: Array) -> tuple[Array, Array]:
        order = np.argsort(values, kind="stable")
        self.fetched[low, high] = values[order], weight[order]
        return self.fetched[low, high]


def between(low: float, high: float) -> Array:
    """Return edges that divide an interval, which may be infinite; those of the interval among them."""
    if np.isfinite([low, high]).all():
        return np.unique(np.append(np.linspace(low, high, AGAIN), high))
    powers = np.ldexp(1.0, np.arange(-1000, 1000, 4))
    if np.isfinite(low):
        steps = low + powers
    elif np.isfinite(high):
        steps = high - powers
    else:
        steps = np.concatenate([-powers, [0.0], powers])
    ends = [end for end in (low, high) if np.isfinite(end)]
    return np.unique([*steps, *ends])


def median(
    data: TableData,
    values: Residuals,
    left_out: float = 0.0,
    seen: tuple[Counted, tuple[Any, ...]] | None = None,
) -> float:
    """Return :func:`~robustreg.scales.weighted_median` of the rows of a table: one pass, of many rows two.

    Parameters
    ----------
    data : TableData
        The rows.
    values : Residuals
        Their values.
    left_out : float, default=0.0
        Weight of the smallest values that are left out, less than there is.
    seen : tuple, optional
        :func:`first_look` and its answer, where it has been made.
    """
    total = data.total
    half = 0.5 * (total + left_out)
    slack = (4 + data.n_rows) * np.finfo(float).eps * total if data.weighted else 0.0
    if seen is None:
        first = first_look(data, values, min(half / total, 1.0))
        seen = first, data.combined(first, counted)
    ordered = _Ordered(data, values)
    ordered.look(*seen)
    low = ordered.find(half - slack, beyond=False)
    high = ordered.find(half + slack, beyond=True)
    return 0.5 * low + 0.5 * high if low != high else high


def up_to(data: TableData, values: Residuals, mass: float) -> float:
    """Return the first value at which the weights of the values up to it are a mass: one pass, of many rows two."""
    first = first_look(data, values, min(mass / data.total, 1.0))
    ordered = _Ordered(data, values)
    ordered.look(first, data.combined(first, counted))
    return ordered.find(mass, beyond=False)


def mass_at_zero(data: TableData, values: Residuals) -> float:
    """Return the weight of the rows whose values, at least zero, are zero: one pass."""
    first = Counted(values, np.array([np.nextafter(0.0, 1.0)]))
    return float(data.combined(first, counted)[1][0])
