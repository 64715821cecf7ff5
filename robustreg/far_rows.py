"""Coordinates for a table with rows far out in X, of whose losses nothing may be left.

One entry of 1e12 makes the mean of its column and its spread: in their units the other rows are alike, and
of 1e16 nothing of them is left. A regression must bend to such a row. A classifier need not: its loss
vanishes where the row is on the right side, and then the other rows decide, in coordinates of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import Data, column_squares, floats, take_rows
from robustreg.even_rows import SOME, typical
from robustreg.preparation import arrange, prepare, prepare_robust

#: an entry this many times the typical one is far. The fit in units of a spread of that size leaves the other
#: rows nine of their sixteen digits, as many as the certificate asks for.
FAR = 1e6
#: rounding
EPS = float(np.finfo(float).eps)
#: statistics: so many rows by chance say mostly that no entry is far, which is more than to say what is typical
FEW = 64
#: largest share of the rows that can be far: the others are the majority, and say what is typical
MOST = 0.4


class FarRows(NamedTuple):
    """Which rows are far out in X, and the table in the coordinates that they choose.

    Parameters
    ----------
    rows : array of int
        Their positions among the rows of positive weight.
    usual : Data
        What `prepare` returns. Where their losses matter, columns are as large as they are there.
    """

    rows: Array
    usual: Data


def prepare_beside_far_rows(
    X: Any,
    y: Array,
    weight: Array | None = None,
    *,
    intercept: bool = True,
    refuse: Callable[[Any], None] | None = None,
    **options: Any,
) -> tuple[Data, int, FarRows | None]:
    """Do what `prepare` does, in coordinates of the rows that are not far out.

    Parameters
    ----------
    X, y, weight, intercept, refuse, options
        As of `prepare`.

    Returns
    -------
    data : Data
        The rows of positive weight.
    rank : int
        Rank of ``[1, X]`` over those rows.
    far : FarRows or None
        The rows far out in X; mostly None.
    """
    options |= {"intercept": intercept, "refuse": refuse}
    data, rank = prepare(X, y, weight, **options)
    wide = is_sparse(X) and X.shape[0] < X.shape[1]  # its rows are too long to be made dense
    # where inner products of the rows lose no digits, all rows are of like size
    if (
        wide
        or data.coordinates.inner is not None
        or not data.dense
        or not data.size
        or data.n_rows < 4
    ):
        return data, rank, None
    kept = None if weight is None or np.all(weight > 0) else np.flatnonzero(weight > 0)
    largest = _largest(data, X, kept)
    for count in (FEW, SOME):
        center, unit = typical(X, kept, intercept, count)
        if np.all(largest + np.abs(center) <= FAR * unit):
            return data, rank, None
    unit = np.where(unit > 0, unit, np.inf)  # of a column that does not vary no entry is far
    if np.all(largest + np.abs(center) <= FAR * unit):
        return data, rank, None
    far = _far_rows(data, X, kept, center, unit)
    if not 0 < len(far) <= MOST * data.n_rows:
        return data, rank, None
    return *_beside(X, y, weight, kept, far, data, rank, options), FarRows(far, data)


def hidden(near: Data, usual: Data, least: float = 1.0) -> bool:
    """Whether the ``usual`` coordinates, of all rows, leave too little of a column of the rows that are not far.

    What a fit in them says of its distance from the minimum then says nothing of those rows.

    Parameters
    ----------
    near, usual : Data
        The rows in coordinates of those that are not far, and of all.
    least : float
        What rounding of a pull in the usual coordinates may be at the most in those of the others.
    """
    sizes = [
        np.abs(part.transform.reshape(len(part.center), -1)).max(axis=1, initial=0.0)
        for part in (near.coordinates, usual.coordinates)
    ]
    return bool(np.any(EPS * sizes[0] > least * sizes[1]))


def _largest(data: Data, X: Any, kept: Array | None) -> Array:
    """Return a bound on the entries of each column.

    No entry is larger than the root of the sum of squares, which is mostly known: a bound too large by the
    root of n leaves hardly a column in doubt.
    """
    coordinates = data.coordinates
    if data.moments is None:
        rows = X if kept is None else take_rows(X, kept)
        largest = np.sqrt(column_squares(rows) * rows.shape[0])
    else:
        largest = np.sqrt(data.moments.diagonal()[: X.shape[1]])
        if data.ready:
            largest = largest / coordinates.transform + np.abs(coordinates.center)
    return np.asarray(largest)


def _far_rows(data: Data, X: Any, kept: Array | None, center: Array, unit: Array) -> Array:
    """Return the positions of rows with an entry that is far."""
    found = []
    for start in range(0, data.n_rows, SOME):
        part = np.arange(start, min(start + SOME, data.n_rows))
        rows = floats(take_rows(X, part if kept is None else kept[part]), dense=True)
        found.append(np.any(np.abs(rows - center) > FAR * unit, axis=1))
    return np.flatnonzero(np.concatenate(found))


def _beside(
    X: Any, y: Array, weight: Array | None, kept: Array | None, far: Array, data: Data, rank: int,
    options: dict[str, Any],
) -> tuple[Data, int]:  # fmt: skip
    """Return all rows in coordinates of those that are not far, if these tell as many directions apart."""
    near = np.delete(np.arange(data.n_rows), far)
    near = near if kept is None else kept[near]
    others, found = prepare(
        take_rows(X, near), y[near], None if weight is None else weight[near], **options
    )
    alike = replace(data, X=X, rows=kept, ready=False, moments=None, stored=None, null=None)
    if found >= rank and others.dense:
        return arrange(replace(alike, coordinates=others.coordinates, explicit=True)), found
    return prepare_robust(X, y, weight, **options)
