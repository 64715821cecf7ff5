"""Rows divided by their sizes, in which those far out do not hide what the others tell apart.

One row of 1e9 makes the size of a column. Where two columns differ by 1e-7 of their typical entries, nothing of
that is left beside it: to a decomposition of the rows as they are the columns are one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.data import Data, floats, take_rows
from robustreg.sampling import drawn, spread_rows

#: machine: rows by which typical entries are judged
SOME = 1024
#: rounding: an entry this many times the typical one takes four digits from the others; below, a decomposition
#: sees differences of 1e-9 of their size
FAR = 1e4
#: rounding: share of an offset
ROUNDING = 1e-14


class EvenRows(NamedTuple):
    """Rows of size one of columns of unit size, as far as inner products tell, and what makes them of the user's.

    Parameters
    ----------
    rows : array of shape (m, p)
        They, or the triangle of their QR decomposition.
    size : array of shape (p,)
        ``rows * size`` are the user's columns, centred, each row divided by its size.
    center : array of shape (p,)
        What was taken from the user's columns.
    """

    rows: Array
    size: Array
    center: Array


def typical(X: Any, kept: Array | None, intercept: bool, count: int = SOME) -> tuple[Array, Array]:
    """Return median and typical deviation of each column.

    Parameters
    ----------
    X : array or sparse array of shape (n, p)
        Rows.
    kept : array of int or None
        Those that count.
    intercept : bool
        Whether columns may be centred.
    count : int
        How many are looked at, where there are more.

    Returns
    -------
    center, unit : arrays of shape (p,)
        By these rows. A unit is zero where a column does not vary.
    """
    n, rows = X.shape[0] if kept is None else len(kept), kept
    if n > count:  # in runs, where these are long enough; else by chance
        some = spread_rows(n, count) if count >= SOME else drawn(n, count)
        rows = some if kept is None else kept[some]
    part = floats(X if rows is None else take_rows(X, rows), dense=True)
    center = _medians(part) if intercept else np.zeros(part.shape[1])
    part = part - center
    unit = _medians(np.abs(part))
    for j in np.flatnonzero(unit <= ROUNDING * np.abs(center)):  # most entries are alike
        size = np.abs(part[:, j])
        moving = size[size > ROUNDING * abs(center[j])]
        # these may be two, of which one is far out: the lower of two middle ones is an entry that is there
        unit[j] = np.sort(moving)[(len(moving) - 1) // 2] if len(moving) else 0.0
    return center, unit


def _medians(part: Array) -> Array:
    """Return the median of each column, as NumPy does, whose own takes three times as long on few rows."""
    middle = [(len(part) - 1) // 2, len(part) // 2]
    low, high = np.partition(part, middle, axis=0)[middle]
    return np.asarray(0.5 * low + 0.5 * high)


def even_rows(data: Data, live: Array) -> EvenRows | None:
    """Divide the rows by their sizes; None where no row is far out, so that nothing is hidden.

    Parameters
    ----------
    data : Data
        Rows as the user gave them. Two passes.
    live : array of int
        Columns that vary.
    """
    center, unit = typical(data.X, data.rows, data.intercept)
    center, unit = center[live], unit[live]
    if not np.all(unit > 0):
        return None
    p, far = len(live), 0.0
    waiting: list[Array] = [np.zeros((0, p + 1))]
    for part in _parts(data, p):
        rows = floats(take_rows(data.X, part), dense=True)[:, live]
        scaled = np.column_stack([(rows - center) / unit, np.full(len(rows), data.intercept)])
        size = np.abs(scaled).max(axis=1)
        far = max(far, float(size.max()))
        waiting.append(scaled / np.where(size > 0, size, 1.0)[:, None])
        if sum(map(len, waiting)) > 4 * (p + 1):
            waiting = [_triangle(np.concatenate(waiting))]
    if far <= FAR:
        return None
    rows = np.concatenate(waiting)
    if data.intercept:  # what the ones explain of the columns, which are not centred any more
        ones = rows[:, p]
        rows = rows - np.outer(ones, (ones @ rows) / (ones @ ones))
    rows = rows[:, :p]
    length = np.sqrt(np.einsum("ij,ij->j", rows, rows) / data.n_rows)
    if not np.all(length > 0):
        return None
    return EvenRows(rows / length, unit * length, center)


def _parts(data: Data, p: int) -> list[Any]:
    """Return which rows are looked at together."""
    kept = np.arange(data.n_rows) if data.rows is None else data.rows
    return np.array_split(kept, max(data.n_rows // max(SOME, 4 * p), 1))


def _triangle(rows: Array) -> Array:
    triangle = scipy.linalg.qr(rows, mode="r", overwrite_a=True, check_finite=False)[0]
    return triangle[: triangle.shape[1]]
