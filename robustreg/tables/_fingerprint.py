"""What tells that rows which are computed or read again are not those of the pass before."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.tables._base import Part

#: step between the weights of rows, in radians: those of no two rows in reach are equal
STEP = 2.399963229728653
#: rows whose sizes are added up while they are in cache
SOME = 512
#: places of a value that the order of a sum may change when it is computed again, in units of the last one
AGAIN = 256


def fingerprint(part: Part) -> Array:
    """Return sums over the rows of a part that change where values or their order do.

    Returns
    -------
    sums : array of shape (k,)
        Of each column of X, y and the weights: the sum of its values times weights that differ from row to row.
    """
    if not len(part.y):
        return np.zeros(0)
    weight = np.cos(STEP * np.arange(len(part.y)))
    with np.errstate(all="ignore"):
        sums = [weight.astype(one.dtype, copy=False) @ one for one in _columns(part)]
    return np.concatenate(sums, dtype=np.float64)


def refuse_changed(before: Array, now: Array, part: Part) -> None:
    """Refuse a part that is not what it was.

    Parameters
    ----------
    before, now : array
        Its :func:`fingerprint` then and now.
    part : Part
        It now.

    Raises
    ------
    RuntimeError
        That says what to do.
    """
    if before.shape == now.shape:
        same = (before == now) | (np.isnan(before) & np.isnan(now))
        # most graphs come out with the same bits; others are computed in another order, which rounds otherwise
        if np.all(same) or np.all(same | _near(before, now, part)):
            return
    raise RuntimeError(
        "X, y or sample_weight change from one computation to the next: a partition does not hold the values "
        "that it held in the pass before. Persist them, give random numbers a seed, or write them to a file first."
    )


def _near(before: Array, now: Array, part: Part) -> Array:
    """Say which sums differ by no more than rounding of the values of their column."""
    with np.errstate(all="ignore"):  # sums beyond floating point
        slack = [AGAIN * np.finfo(one.dtype).eps * _sizes(one) for one in _columns(part)]
        found: Array = np.abs(before - now) <= np.concatenate(slack, dtype=np.float64)
    return found


class Stamp(NamedTuple):
    """What changes where a file is written.

    Parameters
    ----------
    number : int
        Of the file on its device: another one where a file was replaced.
    size, written : int
        Bytes, and when it was written last, in nanoseconds.
    """

    number: int
    size: int
    written: int

    @classmethod
    def of(cls, file: Any) -> Stamp:
        """Return that of a file."""
        now = os.stat(file)
        return cls(now.st_ino, now.st_size, now.st_mtime_ns)


def stamps(files: Iterable[Any]) -> dict[Any, Stamp]:
    """Return the stamps of files, those of one that is not there left out."""
    return {file: Stamp.of(file) for file in files if os.path.exists(file)}


def refuse_written(before: dict[Any, Stamp], *, replaced: bool) -> None:
    """Refuse files that were written after their stamps were taken.

    Parameters
    ----------
    before : dict
        As of :func:`stamps`.
    replaced : bool
        Whether to refuse those, too, that were removed or that others have taken the place of.

    Raises
    ------
    RuntimeError
        That names the first one.
    """
    now = stamps(before)
    for file, was in before.items():
        gone = file not in now or now[file].number != was.number
        if replaced if gone else now[file] != was:
            raise RuntimeError(f"{file} has changed since it was opened: open it again.")


def _sizes(rows: Any) -> Any:
    """Sums of the sizes of values, column by column."""
    total, room = np.zeros(rows.shape[1], rows.dtype), np.empty_like(rows[:SOME])
    for start in range(0, len(rows), SOME):
        some = rows[start : start + SOME]
        total += np.ones(len(some), rows.dtype) @ np.abs(some, out=room[: len(some)])
    return total


def _columns(part: Part) -> list[Any]:
    """X, y and the weights as matrices of numbers."""
    return [_numbers(array) for array in (part.X, part.y, part.weight) if array is not None]


def _numbers(array: Array) -> Any:
    """Return values, or the characters of text, as a matrix of numbers."""
    n = len(array)
    if array.dtype.kind == "O":
        array = array.astype(str)
    if array.dtype.kind == "U":
        array = np.ascontiguousarray(array).view(np.uint32)
    floats = array.dtype in (np.float64, np.float32)
    return (array if floats else array.astype(np.float64)).reshape(n, -1)
