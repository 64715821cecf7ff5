"""Passes of losses with one kink a row, over rows that are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg._scratch import scratch
from robustreg.coordinates import Coordinates
from robustreg.data import Block
from robustreg.device_rows import DeviceRows
from robustreg.losses import Loss
from robustreg.solvers._density import density
from robustreg.solvers._envelopes import in_balance, slopes_of_envelope
from robustreg.solvers._kinks import changed_sides

#: bins of sizes: four for each power of two between 2**LOWEST and 2**HIGHEST, y having spread one
LOWEST, HIGHEST = -60, 40
BINS = 4 * (HIGHEST - LOWEST)


def ones_or(weight: Array | None, y: Array) -> Array:
    """Return weights, ones where there are none."""
    return np.ones_like(y) if weight is None else weight


class Spread(NamedTuple):
    """How sizes are spread: rows and weights in bins of their logarithm.

    Parameters
    ----------
    counts, masses : arrays of shape (BINS,)
        Rows, and sums of their weights.
    """

    counts: Array
    masses: Array

    @classmethod
    def of(cls, size: Array, weight: Array | None) -> Spread:
        """Return the bins of some sizes."""
        mantissa, exponent = np.frexp(size)
        bins = 4 * (exponent.astype(np.int64) - LOWEST) + (8 * mantissa).astype(np.int64) - 4
        bins = np.clip(np.where(size > 0, bins, 0), 0, BINS - 1)
        counts = np.bincount(bins, minlength=BINS)
        if weight is None:
            return cls(counts, counts.astype(float))
        return cls(counts, np.bincount(bins, weight, minlength=BINS))

    def reach(self, share: float) -> float:
        """Return a size below which a share of the weight is, or a little more."""
        total = np.cumsum(self.masses)
        return edge(int(np.searchsorted(total, share * total[-1])) + 1)

    def quantile(self, share: float) -> float:
        """Return about the size below which a share of the weight is, as if bins were even within."""
        total = np.cumsum(self.masses)
        bin_ = int(np.searchsorted(total, share * total[-1]))
        before = total[bin_] - self.masses[bin_]
        low, high = edge(bin_), edge(bin_ + 1)
        return float(low + (high - low) * (share * total[-1] - before) / self.masses[bin_])

    def widest(self, count: float) -> float:
        """Return a size below which no more than so many rows are, 0 where there is none."""
        fits = int(np.searchsorted(np.cumsum(self.counts), count, side="right"))
        return edge(fits) if fits else 0.0

    def within(self, size: float) -> int:
        """Return how many rows are below a size, or a little more."""
        edges = np.array([edge(i) for i in range(BINS)])
        return int(self.counts[edges < size].sum())


def edge(i: int) -> float:
    """Return the lower end of a bin."""
    return float(np.ldexp(0.5 + 0.125 * (i % 4), i // 4 + LOWEST))


@dataclass(frozen=True)
class Standard:
    """The columns of a block in the coordinates of the solver, of standard deviation one, until the next block is asked for.

    Parameters
    ----------
    coordinates : Coordinates or None
        What brings them there, where they are not so already.
    """

    coordinates: Coordinates | None = None

    @classmethod
    def of(cls, data: Any) -> Standard:
        """Return that of the blocks of a table."""
        return cls(None if data.explicit else data.coordinates)

    def __call__(self, block: Block) -> Any:
        X, coordinates = block.X, self.coordinates
        if coordinates is None:
            return X
        if isinstance(X, DeviceRows):
            return X.through(coordinates.center, coordinates.transform)
        return coordinates.apply(X, scratch("standard", X.shape))


#: entries of a row, in standard deviations, at which it moves as far as those of a sample do at the most
USUAL = 4.0


@dataclass(frozen=True)
class Doubt:
    """Which rows may change sides: those near their kinks, and others by how far out in X they are.

    Parameters
    ----------
    reach : float
        How near.
    far : bool
        Whether there are rows far out.
    standard : Standard
        The coordinates.
    """

    reach: float
    far: bool = False
    standard: Standard = Standard()

    @classmethod
    def of(cls, reach: float, data: Any) -> Doubt:
        """Return the doubt about rows of a table."""
        far = bool(data.farthest > USUAL**2)
        return cls(reach, True, Standard.of(data)) if far else cls(reach)

    def __call__(self, block: Block, s: Array) -> Array:
        """Say it of the rows of a block, given their offsets."""
        size = np.abs(s)
        if not self.far:
            return size <= self.reach
        X = self.standard(block)
        entries = np.maximum(X.max(axis=1, initial=0.0), -X.min(axis=1, initial=0.0))
        return np.asarray(size <= self.reach * np.maximum(entries / USUAL, 1.0))


@dataclass(frozen=True)
class Look:
    """Loss, its gradient by the sides of rows, their spread, and curvature from the density of kinks.

    Parameters
    ----------
    loss : Loss
        One that offers ``kinks``.
    at : array
        Coefficients and intercept as blocks take them.
    width : float
        Rows this near their kinks tell the density.
    """

    loss: Loss
    at: Array
    width: float

    def __call__(self, block: Block) -> tuple[Any, ...]:
        kinks: Any = self.loss.kinks(block.y)
        weight = ones_or(block.weight, block.y)
        s = block.raw(self.at) - kinks.position
        slope = weight * kinks.slopes(s)
        bend = density(kinks, s, weight, self.width)
        spread = Spread.of(np.abs(s), block.weight)
        return float(slope @ s), block.pullback(slope), block.gram(bend), *spread


@dataclass(frozen=True)
class Doubtful:
    """Rows near their kinks, and the gradient of the others.

    Parameters
    ----------
    loss, at
        As of :class:`Look`.
    doubt : Doubt
        Which rows they are.
    """

    loss: Loss
    at: Array
    doubt: Doubt

    def __call__(self, block: Block) -> tuple[Array, tuple[Any, ...]]:
        kinks: Any = self.loss.kinks(block.y)
        s = block.raw(self.at) - kinks.position
        kept = self.doubt(block, s)
        slope = kinks.slopes(s) * ones_or(block.weight, block.y)
        slope[kept] = 0.0
        return np.flatnonzero(kept), (block.pullback(slope),)


@dataclass(frozen=True)
class Folded:
    """What rows that were not fetched say of the end: losses, what they add to the gap, and changes of side.

    Parameters
    ----------
    loss : Loss
        One that offers ``kinks``.
    at : array
        Where sides were looked at.
    now : array
        The end.
    doubt : Doubt
        Which rows were fetched.
    base : float
        The size of what was taken from y.
    """

    loss: Loss
    at: Array
    now: Array
    doubt: Doubt
    base: float

    def __call__(self, block: Block) -> tuple[Any, ...]:
        kinks: Any = self.loss.kinks(block.y)
        weight = ones_or(block.weight, block.y)
        s, now = (block.raw(at) - kinks.position for at in (self.at, self.now))
        folded = ~self.doubt(block, s)
        weight = np.where(folded, weight, 0.0)
        loss = kinks.losses(now)
        beyond = loss - kinks.slopes(s) * now
        flipped = changed_sides(s, now, self.base) & folded
        farthest = float(np.abs(now[flipped]).max(initial=0.0))
        return float(weight @ loss), float(weight @ beyond), farthest


def farther(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Combine two answers of :class:`Folded`."""
    return one[0] + other[0], one[1] + other[1], max(one[2], other[2])


@dataclass(frozen=True)
class Balanced:
    """Slopes of a narrow envelope at its minimum, as a proof of a point nearby.

    Parameters
    ----------
    loss : Loss
        One that offers ``kinks``.
    at, inner : array
        The point, and the minimum of the envelope.
    width : float
        Of the envelope.
    changes : tuple of arrays
        Steps of the minimum, one after another, that make up for digits that its slopes lack.
    zero : float
        An offset that is rounding.
    """

    loss: Loss
    at: Array
    inner: Array
    width: float
    changes: tuple[Array, ...]
    zero: float

    def __call__(self, block: Block) -> tuple[Any, ...]:
        kinks: Any = self.loss.kinks(block.y)
        weight = ones_or(block.weight, block.y)
        s, inner = (block.raw(at) - kinks.position for at in (self.at, self.inner))
        slopes = slopes_of_envelope(kinks, inner, self.width)
        for change in self.changes:
            slopes = in_balance(kinks, slopes, block.raw(change) / self.width)
        loss = kinks.losses(s)
        zero = np.abs(s) <= self.zero
        exact = float(weight @ np.where(zero, 0.0, loss))
        beyond = float(weight @ (loss - slopes * s))
        return block.pullback(weight * slopes), exact, beyond, float(weight[zero].sum())
