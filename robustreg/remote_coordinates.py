"""Coordinates for a table whose rows are elsewhere: chosen by passes, or those of a sample on trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.coordinates import DENORMAL, MAX_CONDITION, Coordinates, condition_number
from robustreg.data import Block
from robustreg.device_rows import DeviceRows
from robustreg.orthonormal import orthonormal_transform, refuse_loss
from robustreg.preparation import is_harmless, warn_of_denormal
from robustreg.remote import Finite, Seen, TableData, Trial, Triangle, View, affordable, triangle
from robustreg.tables import Part, Table, add

#: entries of a row from which on NumPy's minima of columns take no longer than reading them (machine: of rows of 50 a
#: quarter of the time)
WIDE = 1024
#: looks at the extent of columns at the most: the first by what the sample says, others where it misled
LOOKS = 4
#: a mean this many deviations off, or a deviation this many times that of the sample, costs so many digits
#: of a sum of squares that it is made again about what it showed
NEAR, ALIKE = 30.0, 1e3
#: rounding: moments of columns as they are keep half of their digits where means are so many deviations from zero
KEPT = 1e4
#: statistics: means and deviations of a sample of SAMPLE rows are this near those of all, in deviations of the column,
#: where its kurtosis is below 100: six standard errors of the mean, and four of the deviation
ABOUT = 0.1


@dataclass(frozen=True)
class Extent:
    """Moments and ends of the columns, as blocks hold them, and the sum of squares of y."""

    def __call__(self, block: Block) -> tuple[Any, ...]:
        square = block.y**2 if block.weight is None else block.weight @ block.y**2
        return block.moments(), float(np.sum(square)), *column_ends(block.X)


def widest(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Combine two answers of :class:`Extent`."""
    ends = np.minimum(one[2], other[2]), np.maximum(one[3], other[3])
    return *add(one[:2], other[:2]), *ends


def column_ends(X: Any) -> tuple[Array, Array]:
    """Return the smallest and the largest entry of each column."""
    if isinstance(X, DeviceRows):
        return X.min(axis=0), X.max(axis=0)
    return _reduced(np.minimum, X), _reduced(np.maximum, X)


def _reduced(function: np.ufunc, X: Array) -> Array:
    """Return ``function.reduce(X, axis=0)``, of several rows beside each other where they are short."""
    (n, p), together = X.shape, max(WIDE // X.shape[1], 1)
    whole = n // together * together
    if not whole or not X.flags.c_contiguous:
        return np.asarray(function.reduce(X, axis=0))
    first = function.reduce(X[:whole].reshape(-1, together * p), axis=0).reshape(together, p)
    return np.asarray(function.reduce(np.concatenate([first, X[whole:]]), axis=0))


@dataclass(frozen=True)
class Preparation:
    """Chooses the coordinates of a table.

    Parameters
    ----------
    table, sample
        As of :func:`prepare_table`.
    view : View
        In the coordinates of the sample.
    bounded, reduce, penalised : bool
        As of :func:`prepare_table`.
    """

    table: Table
    sample: Part
    view: View
    bounded: bool
    reduce: bool
    penalised: bool

    @property
    def look(self) -> Seen:
        """The pass that says what coordinates should be."""
        return look_at(self.view)

    def on_trial(self) -> TableData | None:
        """Return the rows in the coordinates of the sample, None where these are not worth a trial."""
        table = self.table
        few = table.n_rows <= affordable(
            table.n_features
        )  # they are fetched, in coordinates of all
        if (
            few
            or not self.bounded
            or self.suited(self.look(self.sample), len(self.sample.y)) is None
        ):
            return None
        return TableData.of(table, unharmed(self.view), self.sample, Trial(self))

    def suited(self, extent: tuple[Any, ...], n: int) -> float | None:
        """Return the largest entry in standard deviations where the coordinates about suit ``n`` rows, else None."""
        mean, moments, size, low, high = self._seen(self.view, extent, n)
        near = np.isfinite(low + high) & self.view.varies(low, high)
        near &= (np.abs(mean) <= ABOUT) & (np.abs(size - 1.0) <= ABOUT)
        if not np.all(near):
            return None
        if self.reduce and not condition_number(moments / np.outer(size, size)) < MAX_CONDITION**2:
            return None
        return float((np.maximum(np.abs(low - mean), np.abs(high - mean)) / size).max())

    def chosen(self, extent: tuple[Any, ...]) -> tuple[TableData, int]:
        """Return the rows in coordinates of all of them, and the rank, given what a first look says."""
        table, blank, n = self.table, self.view, self.table.n_rows
        for look in range(LOOKS):
            mean, moments, size, low, high = self._seen(blank, extent, n)
            if not np.isfinite(low + high).all():
                table.reduce(Finite())
            at, unit = blank.coordinates.center, 1 / blank.coordinates.transform
            varies = blank.varies(low, high)
            known = np.isfinite(size) & (np.abs(mean) <= NEAR * size)
            known &= (size < ALIKE) & (size > 1 / ALIKE)
            # other columns were centred before
            known &= (np.abs(at / unit + mean) <= KEPT * size) | unharmed(blank).explicit
            if np.all(known | ~varies) or look == LOOKS - 1:
                break
            width = np.where(
                np.isfinite(size) & (size > 0), size, np.maximum(np.abs(low), np.abs(high))
            )
            there = at + np.where(np.isfinite(mean), mean, 0.0) * unit
            better = Coordinates(there, 1 / np.where(varies, width * unit, 1.0))
            blank = replace(blank, coordinates=better)
            extent = table.reduce(look_at(blank), widest)
        warn_of_denormal(blank.top(low, high))
        spread = blank.spread
        if not self.bounded:
            spread *= float(np.sqrt(extent[1] * blank.mass / table.total)) or 1.0
        safe = np.where(varies, size, 1.0)
        diagonal = Coordinates(at + mean * unit, np.where(varies, 1 / (safe * unit), 0.0))
        view = replace(blank, coordinates=diagonal, spread=spread)
        live = np.flatnonzero(varies)
        gram = (moments / np.outer(safe, safe))[np.ix_(live, live)]
        far = np.maximum(np.abs(low - mean), np.abs(high - mean))[live] / safe[live]
        view, rank = self._reduced(view, live, gram, safe * unit)
        view = unharmed(view)
        data = TableData.of(table, view, self.sample, Trial(self, float(far.max(initial=0.0))))
        if not (data.weighted or view.explicit or unharmed(blank).explicit):
            data.moments = extent[0]
        return data, rank

    def _seen(self, view: View, extent: tuple[Any, ...], n: int) -> tuple[Array, ...]:
        """Return means, covariances, deviations and ends of the columns of ``n`` rows in the coordinates of a view."""
        moments, _, low, high = extent
        rows, p = unharmed(view)(self.sample), self.table.n_features
        inner = rows.gram_inward(moments) / n
        if not rows.explicit:
            low, high = view.coordinates.apply(np.stack([low, high]))
        mean = inner[-1, :p] if view.intercept else np.zeros(p)
        inner = inner[:p, :p] - np.outer(mean, mean)
        return mean, inner, np.sqrt(np.maximum(np.diag(inner), 0.0)), low, high

    def _reduced(self, view: View, live: Array, gram: Array, sizes: Array) -> tuple[View, int]:
        """Return a view in combined columns, where those that vary are nearly dependent, and the rank."""
        table, some = self.table, int(view.intercept)
        n = table.n_rows
        well = n > len(live) and condition_number(gram) < MAX_CONDITION**2
        if not (self.reduce and len(live)) or well:
            return view, len(live) + some
        (rows,) = table.reduce(Seen(Triangle(), view, triangle), triangle)
        rows = rows[some:, some:]  # what rounding of centres leaves is no direction
        found = in_combinations(view.coordinates, rows, live, sizes, n, penalised=self.penalised)
        return replace(view, coordinates=found), found.size + some


def unharmed(view: View) -> View:
    """Return a view of rows as they are, where that costs no digits, and else in its coordinates."""
    return replace(view, explicit=not is_harmless(view.coordinates))


def look_at(view: View) -> Seen:
    """Return the pass that says what coordinates should be, given some."""
    return Seen(Extent(), unharmed(view), widest)


def in_combinations(
    diagonal: Coordinates, rows: Array, live: Array, sizes: Array, n: int, *, penalised: bool
) -> Coordinates:
    """Return coordinates in orthonormal combinations of the columns that vary.

    Parameters
    ----------
    diagonal : Coordinates
        Those in which columns have size one.
    rows : array of shape (m, p)
        R of a QR decomposition of ``n`` rows in them.
    live : array of int
        Columns that vary.
    sizes : array of shape (p,)
        Of the columns.
    n, penalised
        As of :func:`~robustreg.orthonormal.orthonormal_transform` and
        :func:`~robustreg.orthonormal.refuse_loss`.
    """
    rows, sizes = rows[:, live], sizes[live]
    found = orthonormal_transform(rows, sizes, n)
    refuse_loss(live, rows, sizes, found, penalised=penalised)
    transform = np.zeros((len(diagonal.center), found.shape[1]))
    transform[live] = found
    return Coordinates(diagonal.center, transform)


def prepare_table(
    table: Table,
    sample: Part,
    units: tuple[float, float, float],
    *,
    intercept: bool,
    bounded: bool,
    reduce: bool = True,
    penalised: bool = False,
    trial: bool = False,
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
    reduce, penalised : bool
        As of :func:`~robustreg.preparation.prepare`.
    trial : bool, default=False
        Whether coordinates of the sample may be returned without a pass. The first pass over the rows says whether they
        suit all, and raises :class:`Misled` where they do not.

    Returns
    -------
    data : TableData
        The rows.
    rank : int
        Rank of ``[1, X]``, or of X without an intercept.
    """
    center, spread, mass = units
    blank = View(Coordinates(*_guess(sample, intercept)), intercept, True, center, spread, mass)
    preparation = Preparation(table, sample, blank, bounded, reduce, penalised)
    data = preparation.on_trial() if trial else None
    if data is not None:
        return data, table.n_features + int(intercept)
    return preparation.chosen(table.reduce(preparation.look, widest))


def _guess(sample: Part, intercept: bool) -> tuple[Array, Array]:
    """Centre of the columns of a sample and what divides them: 1 over their spread."""
    X = sample.X.astype(np.float64)
    center = X.mean(axis=0) if intercept else np.zeros(X.shape[1])
    X -= center
    width = np.abs(X).max(axis=0, initial=0.0)
    safe = np.where((width > 0) & np.isfinite(width), width, 1.0)
    spread = safe * np.sqrt(np.mean((X / safe) ** 2, axis=0))
    # columns of smaller numbers are treated as constant
    return center, 1 / np.where(spread > DENORMAL, spread, np.maximum(np.abs(center), 1e-290))
