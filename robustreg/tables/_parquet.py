"""Tables of Parquet files: row group by row group, through pyarrow, which is imported when one is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.tables._base import Part, Sums, Table, add, join, nodes_of, summary
from robustreg.tables._checks import checked_weight, refuse_not_finite
from robustreg.tables._fingerprint import refuse_written, stamps
from robustreg.tables._mapped import Mapped

#: bytes of rows that are decoded at a time; decoding, transposing and adding up go through all of them
DECODED = 1 << 25
#: rows whose columns are put beside each other while they are in cache
TURNED = 4096
#: bytes that are read ahead of decoding, in place of whole column chunks
AHEAD = 1 << 20


@dataclass(frozen=True)
class Columns:
    """Which columns are read.

    Parameters
    ----------
    features : tuple of str
        Those of X.
    y : str
        That of the targets.
    weight : str or None
        That of the weights.
    """

    features: tuple[str, ...]
    y: str
    weight: str | None

    @property
    def every(self) -> list[str]:
        """All of them."""
        return [*self.features, self.y, *([] if self.weight is None else [self.weight])]


def parquet_files(path: Any) -> list[str]:
    """Return a file, or those of a folder and what is in it, by their names."""
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*.parquet") if not p.name.startswith(("_", ".")))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise FileNotFoundError(f"No Parquet file at {str(path)!r}.")
    return list(map(str, files))


class ParquetTable(Table):
    """Rows of Parquet files, read anew in each pass.

    Parameters
    ----------
    files : list of str
        In order.
    columns : Columns
        What is read of them.
    read : callable
        Returns y as an array, given y and what it is called.
    functions : tuple of callables
        What is made of parts.
    """

    def __init__(
        self,
        files: list[str],
        columns: Columns,
        read: Callable[[Any, str], Array],
        functions: tuple[Callable[[Part], Part], ...] = (),
    ) -> None:
        self.files, self.columns, self.read, self.functions = files, columns, read, functions
        self.n_features = len(columns.features)
        self._stamps = stamps(files)
        for file in files:
            check_schema(file, columns)
        self.n_rows, self.total = 0, 0.0
        for part in self._parts():
            count, mass = summary(part)
            self.n_rows, self.total = self.n_rows + count, self.total + mass
        if not (self.n_rows and self.total > 0):
            raise ValueError(
                "Found array with 0 sample(s) of positive weight while a minimum of 1 is required."
            )

    def map(self, function: Callable[[Part], Part]) -> ParquetTable:
        return ParquetTable(self.files, self.columns, self.read, (*self.functions, function))

    def reduce(
        self, function: Callable[[Part], Sums], combine: Callable[[Sums, Sums], Sums] = add
    ) -> Sums:
        refuse_written(self._stamps, replaced=True)
        leaves = ((number, function(part)) for number, part in enumerate(self._parts()))
        return join(nodes_of(leaves, combine), combine)

    def cached(self, folder: Any) -> Mapped:
        """Write the rows as arrays to a folder, and return them mapped from there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        parts, files = [], []
        for number, part in enumerate(self._parts()):
            kept = {"X": part.X, "weight": part.weight}
            kept["y"] = part.y.astype(str) if part.y.dtype == object else part.y
            for name, values in kept.items():
                if values is not None:
                    file = folder / f"{number}-{name}.npy"
                    np.save(file, values)
                    files.append(file)
                    kept[name] = np.asarray(np.load(file, mmap_mode="r"))
            parts.append(Part(**kept))
        return Mapped(parts, stamps(files))

    def _parts(self) -> Iterator[Part]:
        """Yield the rows, some of a row group at a time."""
        start = 0
        for file in self.files:
            for where, batch in batches(file, self.columns):
                part = self._part(batch, where)
                if len(part.y):
                    yield part._replace(start=start)
                    start += len(part.y)

    def _part(self, batch: Any, where: str) -> Part:
        names = self.columns.features
        X = turned([numbers(batch, name, where) for name in names])
        refuse_not_finite(X, names, where)
        y = self.read(batch.column(self.columns.y).to_numpy(zero_copy_only=False), f"y {where}")
        weight = None
        if self.columns.weight is not None:
            weight = checked_weight(y, numbers(batch, self.columns.weight, where), where)
        part = Part(X, y, weight)
        for function in self.functions:
            part = function(part)
        return part


def check_schema(file: str, columns: Columns) -> None:
    """Refuse a file that lacks a column, or whose columns hold something else than numbers."""
    from pyarrow import parquet, types

    schema = parquet.read_schema(file)
    missing = [name for name in columns.every if name not in schema.names]
    if missing:
        raise ValueError(
            f"{file} has no column {missing[0]!r}. It has {', '.join(map(repr, schema.names))}."
        )
    for name in columns.every:
        kind = schema.field(name).type
        number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
        if not number and name != columns.y:
            raise ValueError(f"Column {name!r} of {file} holds {kind} and must hold real numbers.")


def batches(file: str, columns: Columns) -> Iterator[tuple[str, Any]]:
    """Yield where rows are, and some of them as a batch of Arrow."""
    from pyarrow import parquet

    size = max(DECODED // (8 * len(columns.every)), 1)
    with parquet.ParquetFile(file, buffer_size=AHEAD, pre_buffer=False) as opened:
        for group in range(opened.num_row_groups):
            where = f"in row group {group} of {file}"
            rows = opened.iter_batches(
                size, row_groups=[group], columns=columns.every, use_threads=False
            )
            for batch in rows:
                for name in columns.every:
                    if batch.column(name).null_count:
                        raise ValueError(f"Column {name!r} holds missing values {where}.")
                yield where, batch


def numbers(batch: Any, name: str, where: str) -> Array:
    """Return a column of a batch in single or double precision."""
    column = batch.column(name).to_numpy(zero_copy_only=False)
    return column if column.dtype in (np.float64, np.float32) else column.astype(np.float64)


def turned(columns: Sequence[Array]) -> Array:
    """Return columns beside each other, row after row."""
    single = all(column.dtype == np.float32 for column in columns)
    X = np.empty((len(columns[0]), len(columns)), np.float32 if single else np.float64)
    for start in range(0, len(X), TURNED):
        rows = slice(start, start + TURNED)
        for j, column in enumerate(columns):
            X[rows, j] = column[rows]
    return X
