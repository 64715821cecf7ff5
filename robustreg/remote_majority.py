"""Coordinates of rows that are elsewhere which those far out in X do not choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.coordinates import MAX_CONDITION, Coordinates, condition_number
from robustreg.data import Block, floats
from robustreg.device_rows import DeviceRows
from robustreg.preparation import about_medians, is_harmless
from robustreg.remote import Finite, Seen, TableData, Trial, View, r_factor, triangle
from robustreg.remote_coordinates import ALIKE, LOOKS, NEAR, in_combinations
from robustreg.tables import Part, Table

#: rows farther out than this, in median deviations of the columns, count as if they were this far. Statistics: a third of
#: the rows there make a condition number of 300 p at the most, so that the others keep nearly all of their digits
FARTHEST = 30.0


def evened(X: Any) -> Array:
    """Return a weight for each row that makes far ones as small as others, and leaves out none."""
    return np.asarray((FARTHEST / np.maximum(abs(X).max(axis=1), FARTHEST)) ** 2)


@dataclass(frozen=True)
class EvenExtent:
    """Products of the columns of evened rows, their weight, and the ends of the columns."""

    def __call__(self, block: Block) -> tuple[Any, ...]:
        X, near = block.X, evened(block.X)
        ends = np.stack([X.min(axis=0), -X.max(axis=0)])
        return block.gram(near), float(near.sum()), ends


def ended(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Combine two answers of :class:`EvenExtent`."""
    return one[0] + other[0], one[1] + other[1], np.minimum(one[2], other[2])


@dataclass(frozen=True)
class EvenTriangle:
    """R of the QR decomposition of evened rows, with a one before each where there is an intercept."""

    def __call__(self, block: Block) -> tuple[Array]:
        rows, ones, root = block.X, int(block.apart), np.sqrt(evened(block.X))
        if isinstance(rows, DeviceRows):
            return (rows.triangle(ones, root),)
        return (r_factor(np.column_stack([np.ones((len(block.y), ones)), rows]) * root[:, None]),)


def prepare_majority(
    table: Table, sample: Part, units: tuple[float, float, float], *, intercept: bool
) -> tuple[TableData, int]:
    """Choose coordinates, as :func:`~robustreg.preparation.prepare_robust` does: one pass, or a few.

    Parameters
    ----------
    table, sample, units, intercept
        As of :func:`~robustreg.remote_coordinates.prepare_table`.

    Returns
    -------
    data, rank
        As of the same.
    """
    p, X = table.n_features, floats(sample.X, dense=True)
    raw = Coordinates(np.zeros(p), np.ones(p))
    blank = View(about_medians(raw, X, sample.weight, intercept=intercept), intercept, True, *units)
    for look in range(LOOKS):
        gram, count, ends = table.reduce(Seen(EvenExtent(), blank, ended), ended)
        low, high = ends[0], -ends[1]
        if not np.isfinite(low + high).all():
            table.reduce(Finite())
        at, unit = blank.coordinates.center, 1 / blank.coordinates.transform
        mean = gram[-1, :p] / count if intercept else np.zeros(p)
        inner = gram[:p, :p] / count - np.outer(mean, mean)
        size = np.sqrt(np.maximum(np.diag(inner), 0.0))
        varies = blank.varies(low, high)
        known = (size < ALIKE) & (size > 1 / ALIKE) & (np.abs(mean) <= NEAR * size)
        if np.all(known | ~varies) or look == LOOKS - 1:
            break
        # of a column that hardly varies in the sample
        width = np.where(size > 0, size, np.maximum(np.abs(low), np.abs(high)))
        better = Coordinates(at, 1 / np.where(varies & ~known, width * unit, unit))
        blank = replace(blank, coordinates=better)
    safe = np.where(varies, size, 1.0)
    found = Coordinates(at + mean * unit, np.where(varies, 1 / (safe * unit), 0.0))
    live = np.flatnonzero(varies)
    rank, even = len(live), inner[np.ix_(live, live)] / np.outer(safe, safe)[np.ix_(live, live)]
    dependent = table.n_rows <= len(live) or not condition_number(even) < MAX_CONDITION**2
    if len(live) and dependent:
        scaled = replace(blank, coordinates=found)
        (rows,) = table.reduce(Seen(EvenTriangle(), scaled, triangle), triangle)
        rows = rows[int(intercept) :, int(intercept) :]
        found = in_combinations(found, rows, live, safe * unit, table.n_rows, penalised=False)
        rank = found.size
    found = about_medians(found, X, sample.weight, intercept=intercept)
    view = replace(blank, coordinates=found, explicit=not is_harmless(found))
    return TableData.of(table, view, sample, Trial(None, 0.0)), rank + int(intercept)
