"""What parts of a table may hold, and what is said of other values, with the part that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from robustreg._array import Array


def one_number(y: Any, name: str) -> Array:
    """Return y of one finite number a row."""
    y = numbers(y, name)
    y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {y.shape} instead: fit one model for "
            "each column of y."
        )
    if not np.isfinite(y).all():
        raise ValueError(f"Input {name.replace(' ', ' contains NaN or infinity ', 1)}.")
    return y.astype(np.float64, copy=False)


def numbers(values: Any, name: str) -> Array:
    """Return a partition as an array of single or double precision."""
    try:
        array = values.to_numpy(dtype=None) if hasattr(values, "to_numpy") else np.asarray(values)
        if array.dtype not in (np.float64, np.float32):
            text = array.dtype.kind == "O" and any(isinstance(v, str) for v in array.ravel())
            if text or array.dtype.kind not in "biufO":
                raise ValueError("text" if text else f"dtype {array.dtype}")
            # pandas' missing values become NaN, which is refused by name
            array = (
                values.to_numpy(dtype=np.float64, na_value=np.nan)
                if hasattr(values, "to_numpy") and array.dtype.kind == "O"
                else array.astype(np.float64)
            )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers: {error}") from None
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def refuse_not_finite(X: Array, names: Sequence[Any], where: str) -> None:
    """Refuse a partition of X with missing or infinite values, by its number and column."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(X.sum(dtype=np.float64)):
            return
    bad = np.flatnonzero(~np.isfinite(X).all(axis=0))
    if len(bad):
        column = names[bad[0]]
        kind = "NaN" if np.isnan(X[:, bad[0]]).any() else "infinity"
        raise ValueError(f"Input X contains {kind} {where}, column {column!r}.")


def checked_weight(y: Array, weight: Array, where: str) -> Array:
    """Return the weights of a partition."""
    if weight.shape != y.shape[:1]:
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {y.shape[:1]} {where}!")
    if not np.isfinite(weight).all():
        raise ValueError(f"Input sample_weight contains NaN or infinity {where}.")
    if np.any(weight < 0):
        raise ValueError(f"Negative values in sample_weight {where}: weights must be at least 0.")
    return weight.astype(np.float64, copy=False)
