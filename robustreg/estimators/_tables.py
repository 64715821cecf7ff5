"""What a table or a target holds that is no number, said by the name of its column."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from robustreg._array import Array, is_sparse

_WORDS = ("date", "time", "duration", "period")
_MOMENTS = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    pd.Period,
)
_ADVICE = (
    "turn it into a number first, for example the days since a fixed date, or a duration in seconds"
)


def as_frame(table: Any) -> Any:
    """Return a table of Arrow as a data frame of pandas, anything else as it is.

    Raises
    ------
    TypeError
        If the table is a query of polars that is not computed.
    """
    if type(table).__name__ == "LazyFrame" and hasattr(table, "collect"):
        raise TypeError("The table is a LazyFrame, which is not computed: pass table.collect().")
    if hasattr(table, "column_names") and hasattr(table, "to_pandas"):
        return table.to_pandas()
    return table


def table_columns(X: Any) -> list[tuple[Any, Any]]:
    """Names and columns of a table of any library, nothing for an array."""
    X = as_frame(X)
    if not (hasattr(X, "columns") and hasattr(X, "shape") and hasattr(X, "__getitem__")):
        return []
    names = list(X.columns)
    if hasattr(X, "iloc"):  # pandas allows a name twice
        return [(name, X.iloc[:, i]) for i, name in enumerate(names)]
    return [(name, X[name]) for name in names]


def refuse_columns(X: Any) -> None:
    """Refuse dates, text and other objects by the name of their column, and names of several columns.

    Raises
    ------
    ValueError
        That names the column and says what to do.
    """
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "mM":
            raise ValueError(f"X holds dates or times ({X.dtype}): {_ADVICE}.")
        if X.dtype.kind == "O":
            _refuse_moments(X)
    columns = table_columns(X)
    if hasattr(X, "columns") and not columns:
        raise ValueError(
            f"X has no columns (shape={X.shape}): 0 feature(s), and at least 1 is needed."
        )
    again = next(
        (name for name, count in Counter(name for name, _ in columns).items() if count > 1), None
    )
    if again is not None:
        raise ValueError(
            f"X has more than one column of the name {again!r}. Rename them, or pass X.to_numpy() to do without "
            "names."
        )
    text = []
    for name, column in columns:
        kind = _kind(column)
        if _says(kind, ("complex",)):
            raise ValueError(
                f"Column {name!r} of X holds complex numbers, which are not supported: its real and its "
                "imaginary part may be two columns."
            )
        if _says(kind, _WORDS):
            raise ValueError(f"Column {name!r} of X holds dates or times ({kind}): {_ADVICE}.")
        if _says(kind, ("object", "str", "utf8", "category", "categorical", "enum")) and _is_text(
            name, column
        ):
            text.append(name)
    if text:
        subject, verb, it = (
            ("Column", "holds", "it") if len(text) == 1 else ("Columns", "hold", "them")
        )
        raise ValueError(
            f"{subject} {', '.join(map(repr, text))} of X {verb} text: could not convert string to float. "
            f"Encode {it} first, for example by OneHotEncoder in a ColumnTransformer."
        )


def _refuse_moments(X: Array) -> None:
    """Refuse dates in an array of objects."""
    for j, column in enumerate(np.atleast_2d(X.T)):
        found = next((value for value in column.ravel() if isinstance(value, _MOMENTS)), None)
        if found is not None:
            raise ValueError(
                f"Column {j} of X holds dates or times ({type(found).__name__}): {_ADVICE}."
            )


def _is_text(name: Any, column: Any) -> bool:
    """Whether a column of objects holds text that is no number.

    Raises
    ------
    ValueError
        If it holds dates, missing values or other objects.
    """
    values = np.asarray(column, dtype=object)
    found = next((value for value in values if isinstance(value, _MOMENTS)), None)
    if found is not None:
        raise ValueError(
            f"Column {name!r} of X holds dates or times ({type(found).__name__}): {_ADVICE}."
        )
    try:
        np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        if any(isinstance(value, str) for value in values):
            return True
        if any(map(_is_missing, values)):
            raise ValueError(
                f"Input X contains NaN. Columns with missing values: {name!r}."
            ) from None
        odd = next(value for value in values if not _is_number(value))
        raise ValueError(
            f"Column {name!r} of X holds objects of type {type(odd).__name__}, which are no numbers."
        ) from None
    return False


def missing_columns(X: Any) -> list[Any]:
    """Names of the columns with missing values."""

    def missing(column: Any) -> bool:
        found = column.isna() if hasattr(column, "isna") else column.is_null()
        return bool(found.any()) or _any(np.isnan, column)

    return [name for name, column in table_columns(X) if missing(column)]


def infinite_columns(X: Any) -> list[Any]:
    """Names of the columns with infinite values."""
    return [name for name, column in table_columns(X) if _any(np.isinf, column)]


def _any(test: Callable[[Array], Array], column: Any) -> bool:
    try:
        return bool(test(np.asarray(column, dtype=np.float64)).any())
    except (TypeError, ValueError):
        return False


def numeric_target(y: Any) -> Any:
    """Return y, objects and text as floating numbers.

    Raises
    ------
    ValueError
        For dates, durations, text and missing values.
    """
    if y is None or is_sparse(y) or (isinstance(y, np.ndarray) and y.dtype.kind in "fiub"):
        return y
    y = as_frame(y)
    for name, column in table_columns(y) or [(None, y)]:
        label = "y" if name is None else f"Column {name!r} of y"
        kind = _kind(column)
        values = np.asarray(column)
        if _says(kind, _WORDS) or values.dtype.kind in "mM":
            raise ValueError(f"{label} holds dates or times ({kind or values.dtype}): {_ADVICE}.")
        if values.dtype.kind in "OSU" or (values.dtype.kind == "f" and np.isnan(values).any()):
            _refuse_target(label, values.ravel())
    values = np.asarray(y)
    return values.astype(np.float64) if values.dtype.kind in "OSU" else y


def _refuse_target(label: str, values: Array) -> None:
    """Refuse what objects hold that is no finite number."""
    for i, value in enumerate(values):
        moment = isinstance(value, _MOMENTS)
        if moment:
            raise ValueError(f"{label} holds dates or times ({type(value).__name__}): {_ADVICE}.")
        if _is_missing(value):
            raise ValueError(
                f"Input {label} contains NaN: a missing value ({value}) in row {i}. Drop such rows, or "
                "fill them in."
            )
        if not _is_number(value):
            text = isinstance(value, str | bytes)
            what = f"text such as {str(value)!r}" if text else f"objects such as {value!r}"
            raise ValueError(
                f"{label} holds {what}, which is no number (could not convert string to float). "
                "A regressor needs numbers; where y names classes use a classifier, such as "
                "LogisticClassifier."
            )


def _kind(column: Any) -> str:
    """Name of the type of a column, of whatever library."""
    return str(getattr(column, "dtype", getattr(column, "type", "")))


def _says(kind: str, words: tuple[str, ...]) -> bool:
    return any(word in kind.lower() for word in words)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
