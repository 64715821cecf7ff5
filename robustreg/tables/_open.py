"""The one place that knows which tables there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robustreg.tables._base import Table


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
        return DaskTable.of(X, y, weight, check).together()
    return DaskTable.of(X, y, weight, check, read, positive=False)


def lazily(function: Callable[..., Any], like: Any, X: Any, *beside: Any) -> Any:
    """Return what ``function`` will say of each partition of a collection of Dask, as a Dask array.

    ``like`` is an array without rows that is as the answers are; what is ``beside`` X has its rows.
    """
    from robustreg.tables._dask import map_partitions

    return map_partitions(function, like, X, *beside)
