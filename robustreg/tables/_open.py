"""The one place that knows which tables there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import Array, row_slices
from robustreg.tables._base import Local, Part, Table
from robustreg.tables._checks import checked_weight, one_number
from robustreg.tables._fingerprint import stamps
from robustreg.tables._mapped import Mapped

#: bytes of X in one part of a mapped file: many blocks, so that what a part costs does not count
MAPPED = 1 << 25


def open_table(
    X: Any,
    y: Any,
    weight: Any,
    check: Callable[[Any], None],
    read: Callable[[Any, str], Any] | None = None,
) -> Table:
    """Return collections of Dask as a table.

    Parameters
    ----------
    X : Dask array or data frame of shape (n_samples, n_features)
        Features.
    y, weight : Dask array or series, or array, of shape (n_samples,)
        Targets and weights, or None for equal ones.
    check : callable
        Raises for a partition of X that holds anything but numbers.
    read : callable, optional
        Returns a partition of y as an array, given what it is called. Rows of weight zero are then kept. By
        default y is one number a row.
    """
    from robustreg.tables._dask import DaskTable  # only where there is Dask

    if read is None:
        return DaskTable.of(X, y, weight, check)
    return DaskTable.of(X, y, weight, check, read, positive=False)


def open_here(
    X: Any, y: Array, weight: Any, read: Callable[[Any, str], Any] | None = None
) -> Local:
    """Return rows of a file that is mapped into memory, or of a device, as a table whose parts are views of them.

    Parameters
    ----------
    X : array or DeviceRows of shape (n_samples, n_features)
        Features.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Targets or labels.
    weight : array-like of shape (n_samples,) or None
        Weights; positive ones of a file, as others would copy it.
    read : callable, optional
        As of :func:`open_table`.
    """
    positive, read = read is None, one_number if read is None else read
    files = [getattr(one, "filename", None) for one in (X, y, weight) if isinstance(one, np.memmap)]
    if isinstance(X, np.ndarray):
        X = np.asarray(X)  # slices of its subclass take longer than some passes over them
    step = max(MAPPED // (X.itemsize * X.shape[1]), 1)
    y, weight = np.asarray(y), None if weight is None else np.asarray(weight)

    def part(rows: slice) -> Part:
        where = f"of the samples from {rows.start} on"
        some = read(y[rows], f"y {where}")
        mass = None if weight is None else checked_weight(some, weight[rows], where)
        found = Part(X[rows], some, mass)
        return found.positive() if positive else found

    parts = list(map(part, row_slices(len(X), step)))
    table = Mapped(parts, stamps(file for file in files if file is not None))
    if not table.total > 0:
        raise ValueError(
            "Found array with 0 sample(s) of positive weight while a minimum of 1 is required."
        )
    return table


def lazily(function: Callable[..., Any], like: Any, X: Any, *beside: Any) -> Any:
    """Return what ``function`` will say of each partition of a collection of Dask, as a Dask array.

    ``like`` is an array without rows that is as the answers are; what is ``beside`` X has its rows.
    """
    from robustreg.tables._dask import map_partitions

    return map_partitions(function, like, X, *beside)


def open_parquet(
    path: Any,
    y: str,
    features: Any,
    weight: str | None,
    cache: Any,
    read: Callable[[Any, str], Any],
) -> tuple[Table, list[str]]:
    """Return Parquet files as a table, and the names of the columns of X.

    Parameters
    ----------
    path : path-like
        A file or a folder.
    y, weight : str
        Columns of targets and weights; the latter may be None.
    features : sequence of str or None
        Columns of X; None means all others.
    cache : path-like or None
        Where the rows are written to be mapped into memory.
    read : callable
        Returns some of y as an array, given what it is called.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            'Parquet files need pyarrow: pip install "robustreg[parquet]".'
        ) from error
    from robustreg.tables._parquet import Columns, ParquetTable, parquet_files

    files = parquet_files(path)
    if features is None:
        features = [name for name in parquet.read_schema(files[0]).names if name not in (y, weight)]
    features = list(features)
    if not features or len(set(features)) < len(features) or y in features or weight in features:
        raise ValueError(
            f"features must be different columns, and none of y or sample_weight. Got {features!r}."
        )
    table = ParquetTable(files, Columns(tuple(features), y, weight), read)
    return (table if cache is None else table.cached(cache)), features
