"""Rows that are prepared once and fitted often: of Dask collections and of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NoReturn, Self

import numpy as np

from robustreg._array import Array
from robustreg.estimators._labels import plain_labels
from robustreg.estimators._tables import refuse_columns
from robustreg.tables import Part, Table, one_number, open_parquet, open_table


def read_any(y: Any, name: str) -> Array:
    """Return a partition of y as an array of whatever it holds."""
    try:
        y = np.asarray(plain_labels(y))
    except ValueError as error:
        raise ValueError(f"{error} ({name})") from None
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


@dataclass(frozen=True)
class Read:
    """Reads y of a part as an estimator does."""

    read: Callable[[Any, str], Array]

    def __call__(self, part: Part) -> Part:
        return part._replace(y=self.read(part.y, f"y of the samples from {part.start} on"))


def as_numbers(part: Part) -> Part:
    """Return a part with one number a row as y, without rows of weight zero."""
    y = one_number(part.y, f"y of the samples from {part.start} on")
    return part._replace(y=y).positive()


class Rows:
    """Samples that are not in this process, with their targets and weights: checked once and fitted often.

    Made by :meth:`from_dask` or :meth:`from_parquet`, and passed to ``fit`` and ``score`` in place of X, y and
    sample_weight. What can be fitted to Dask collections can be fitted to rows.

    Parameters
    ----------
    table : Table
        What the methods below make.
    names : sequence or None
        Names of the columns of X.

    Attributes
    ----------
    n_rows, n_features : int
        Samples and columns of X.
    names : list of str or None
        Columns of X, where they have names.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> from robustreg import HuberRegressor, Rows
    >>> x = np.arange(100.0)
    >>> file = Path(tempfile.mkdtemp()) / "prices.parquet"
    >>> pd.DataFrame({"x": x, "price": 3 * x + np.sin(x)}).to_parquet(file)
    >>> rows = Rows.from_parquet(file, y="price")
    >>> HuberRegressor().fit(rows).coef_.round(2).tolist()
    [3.0]
    """

    def __init__(self, table: Table, names: Sequence[Any] | None) -> None:
        self._table = table
        self._known: dict[Any, Table] = {}
        self.n_rows, self.n_features = table.n_rows, table.n_features
        texts = names is not None and all(isinstance(name, str) for name in names)
        self.names = list(names) if names is not None and texts else None

    @classmethod
    def from_dask(cls, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Prepare Dask collections: with a client their samples stay on its workers as long as the rows live.

        Parameters
        ----------
        X : Dask array or data frame of shape (n_samples, n_features)
            Features.
        y : Dask array or series, or array-like, of shape (n_samples,)
            Targets or labels, divided as X is.
        sample_weight : Dask array or series, or array-like, of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        rows : Rows

        Raises
        ------
        ValueError
            If partitions do not fit or hold anything but finite numbers; with the partition and the column.
        """
        table = open_table(X, y, sample_weight, refuse_columns, read_any)
        return cls(table, list(X.columns) if hasattr(X, "columns") else None)

    @classmethod
    def from_parquet(
        cls,
        path: Any,
        *,
        y: str,
        features: Sequence[str] | None = None,
        sample_weight: str | None = None,
        cache: Any = None,
    ) -> Self:
        """Open Parquet files, which are read some of a row group at a time in each pass.

        Parameters
        ----------
        path : path-like
            A file, or a folder whose files, and those in its folders, are read in the order of their names.
        y : str
            Column of the targets or labels.
        features : list of str, optional
            Columns of X; by default all but those of `y` and `sample_weight`.
        sample_weight : str, optional
            Column of non-negative weights.
        cache : path-like, optional
            A folder to which the rows are written as arrays. Passes then map them into memory, several times as
            fast as decoding Parquet.

        Returns
        -------
        rows : Rows

        Raises
        ------
        FileNotFoundError
            If there is no file.
        ValueError
            If a column is missing or holds anything but finite numbers; with the file and the column.
        ImportError
            If pyarrow is not installed (extra ``parquet``).
        """
        table, names = open_parquet(path, y, features, sample_weight, cache, read_any)
        return cls(table, names)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of features."""
        return self.n_rows, self.n_features

    def __repr__(self) -> str:
        return f"<Rows: {self.n_rows} x {self.n_features}>"

    def __getitem__(self, some: Any) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be divided, as searches of scikit-learn do: they index X with the samples of each fold. "
            "Pass Dask arrays of known lengths to the search, or fit to these rows for each value of a parameter."
        )

    def like(self) -> Any:
        """Return a data frame without samples that has the columns of X, None where these have no names."""
        if self.names is None or find_spec("pandas") is None:
            return None
        from pandas import DataFrame

        return DataFrame(columns=self.names, dtype=float)

    def _open_as(self, read: Callable[[Any, str], Array] | None) -> Table:
        """Return the table with y as an estimator reads it."""
        if read not in self._known:
            self._known[read] = self._table.map(as_numbers if read is None else Read(read))
        return self._known[read]
