"""Exact medians of values that are elsewhere: by counts in bins, then the few values of one bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.remote import TableData
from robustreg.tables import stack

#: bins of a first look, about where a sample has the median, and elsewhere
FINE, COARSE = 512, 32
#: and of the next ones
AGAIN = 1024
#: standard errors of a sample's quantile within which the fine bins are
ERRORS = 5.0
#: values that may be fetched: 16 MiB with their weights
FEW = 1 << 20


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
    """Rows, and their weights, whose values are in ``(-inf, edges[0])``, ``[edges[0], edges[1])`` and so on."""

    values: Residuals
    edges: Array

    def __call__(self, block: Block) -> tuple[Array, Array]:
        place = np.searchsorted(self.edges, self.values(block), side="right")
        counts = np.bincount(place, minlength=len(self.edges) + 1)
        if block.weight is None:
            return counts, counts.astype(float)
        return counts, np.bincount(place, block.weight, minlength=len(self.edges) + 1)


@dataclass(frozen=True)
class Fetched:
    """Values in ``[low, high)`` and their weights."""

    values: Residuals
    low: float
    high: float

    def __call__(self, block: Block) -> tuple[Array, Array]:
        values = self.values(block)
        some = np.flatnonzero((values >= self.low) & (values < self.high))
        weight = np.ones(len(some)) if block.weight is None else block.weight[some]
        return values[some], weight


class _Ordered:
    """Values in order, looked at by passes whose answers are kept."""

    def __init__(self, data: TableData, values: Residuals) -> None:
        self.data, self.values = data, values
        self.counts: dict[tuple[float, float], tuple[Array, Array, Array]] = {}
        self.fetched: dict[tuple[float, float], tuple[Array, Array]] = {}

    def find(self, mass: float, *, beyond: bool, guess: float) -> float:
        """Return the first value at which the weights of the values up to it are a mass, or ``beyond`` it."""
        low, high = -np.inf, np.inf
        side: Any = "right" if beyond else "left"
        while True:
            edges, counts, masses = self._count(low, high, guess)
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

    def _count(self, low: float, high: float, guess: float) -> tuple[Array, Array, Array]:
        known = self.counts.get((low, high))
        if known is None:
            first = not self.counts
            edges = self._first(guess) if first else between(low, high)
            known = (edges, *self.data.sum(Counted(self.values, edges)))
            self.counts[low, high] = known
        return known

    def _first(self, guess: float) -> Array:
        """Return edges about where the sample has its quantile."""
        values = np.sort(
            np.concatenate([self.values(block) for block in self.data.sample.blocks()])
        )
        n = len(values)
        error = ERRORS * np.sqrt(n * guess * (1 - guess)) + ERRORS
        ends = np.clip([guess * n - error, guess * n + error], 0, n - 1).astype(int)
        fine = np.linspace(values[ends[0]], values[ends[1]], FINE)
        return np.unique([*fine, *values[np.linspace(0, n - 1, COARSE).astype(int)]])

    def _fetch(self, low: float, high: float) -> tuple[Array, Array]:
        known = self.fetched.get((low, high))
        if known is None:
            values, weight = self.data.combined(Fetched(self.values, low, high), stack)
            order = np.argsort(values, kind="stable")
            known = self.fetched[low, high] = values[order], weight[order]
        return known


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


def median(data: TableData, values: Residuals, left_out: float = 0.0) -> float:
    """Return :func:`~robustreg.scales.weighted_median` of the rows of a table: two passes.

    Parameters
    ----------
    data : TableData
        The rows.
    values : Residuals
        Their values.
    left_out : float, default=0.0
        Weight of the smallest values that are left out, less than there is.
    """
    total = data.total
    half = 0.5 * (total + left_out)
    weighted = data.weighted
    slack = (4 + data.n_rows) * np.finfo(float).eps * total if weighted else 0.0
    ordered, guess = _Ordered(data, values), min(half / total, 1.0)
    low = ordered.find(half - slack, beyond=False, guess=guess)
    high = ordered.find(half + slack, beyond=True, guess=guess)
    return 0.5 * low + 0.5 * high if low != high else high


def mass_at_zero(data: TableData, values: Residuals) -> float:
    """Return the weight of the rows whose values, at least zero, are zero: one pass."""
    _, masses = data.sum(Counted(values, np.array([np.nextafter(0.0, 1.0)])))
    return float(masses[0])
