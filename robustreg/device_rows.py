"""Rows of X on another device: products are computed there, by the functions of the library that owns them."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from robustreg._array import Array, array_namespace, moved, name_of, row_slices, to_host

#: bytes of X that are converted to double precision at once
CONVERTED = 1 << 25


class DeviceRows:
    """Dense rows on a device, with what passes over rows ask of an array.

    Slices, masks and shifted or scaled rows stay there. Rows by their numbers, and what has one number for each
    row, each column or each pair of columns, are NumPy arrays in this process.

    Parameters
    ----------
    array : array of shape (n, n_features)
        Of single or double precision, of any array-API namespace.
    """

    ndim = 2

    def __init__(self, array: Array) -> None:
        self.array, self.xp = array, array_namespace(array)

    @classmethod
    def of(cls, X: Array) -> DeviceRows:
        """Return what a user passed as X.

        Raises
        ------
        ValueError
            If it is not of two dimensions, or the device has no double precision.
        """
        array, xp = X.detach() if hasattr(X, "detach") else X, array_namespace(X)
        if array.ndim != 2:
            raise ValueError(f"Expected 2D array, got {array.ndim}D array instead.")
        if 0 in array.shape:
            raise ValueError(f"Found array with no sample or no feature: shape {array.shape}.")
        try:
            double = xp.astype(array[:1, :], xp.float64).dtype == xp.float64
        except (AttributeError, RuntimeError, TypeError, ValueError):
            double = False
        if not double:
            raise ValueError(
                f"X is an array of {name_of(array)}, where there is no double precision, which fits need: pass a "
                "copy in the memory of this process."
            )
        # integers once and for all, as those of NumPy
        return cls(
            array if array.dtype in (xp.float64, xp.float32) else xp.astype(array, xp.float64)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def __len__(self) -> int:
        return int(self.array.shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64 if self.array.dtype == self.xp.float64 else np.float32)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def astype(self, dtype: Any) -> DeviceRows:
        """Return the rows in double precision, which is what ``dtype`` asks for."""
        return DeviceRows(self.xp.astype(self.array, self.xp.float64))

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            return DeviceRows(self.array[rows, :])
        if isinstance(rows, tuple):  # some columns, by number
            kept = self._there(rows[1], rows[1].dtype)
            return DeviceRows(self.xp.take(self.array[rows[0], :], kept, axis=1))
        chosen = self._there(rows, rows.dtype)
        if rows.dtype == bool:
            return DeviceRows(self.array[chosen])
        # only rows by number are fetched
        return to_host(self.xp.take(self.array, chosen, axis=0))

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"X is an array of {name_of(self.array)}, which is not copied unasked.")

    # Rows in other coordinates.
    def __sub__(self, row: Array) -> DeviceRows:
        return DeviceRows(self.array - self._there(row))

    def __mul__(self, row: Array) -> DeviceRows:
        return DeviceRows(self.array * self._there(row))

    def __abs__(self) -> DeviceRows:
        return DeviceRows(self.xp.abs(self.array))

    def through(self, center: Array, transform: Array) -> DeviceRows:
        """Return the rows in the coordinates of :class:`~robustreg.coordinates.Coordinates`."""
        centred = self - center
        there = self._there(transform)
        return DeviceRows(centred.array * there if transform.ndim == 1 else centred.array @ there)

    # What comes back.
    def numpy(self) -> Array:
        """Return a copy in this process."""
        return to_host(self.array)

    def dot(self, at: Array) -> Array:
        """Return the products of the rows with one vector, or with the columns of a matrix."""
        if self.dtype == np.float64:
            return to_host(self.array @ self._there(at))
        step = max(CONVERTED // (8 * self.shape[1]), 1)
        parts = [self[part].astype(np.float64).dot(at) for part in row_slices(len(self), step)]
        return np.concatenate(parts)

    @property
    def T(self) -> _Columns:
        return _Columns(self)

    def gram(self, weight: Array | None = None) -> Array:
        """Return the inner products of the columns, weighted by a number for each row."""
        rows = self.array
        bent = rows if weight is None else rows * self._there(weight)[:, None]
        return to_host(rows.T @ bent)

    def row_squares(self) -> Array:
        """Return the sum of squares of each row."""
        return to_host(self.xp.sum(self.array * self.array, axis=1))

    def triangle(self, ones: int, factor: Array | None = None) -> Array:
        """Return R of the QR decomposition, with so many columns of ones before, of rows times factors."""
        before = self.xp.ones_like(self.array[:, :ones])
        rows = self.xp.concat((before, self.array), axis=1)
        if factor is not None:
            rows = rows * self._there(factor)[:, None]
        return to_host(self.xp.linalg.qr(rows, mode="reduced")[1])

    def sum(self, axis: int) -> Array:
        return to_host(self.xp.sum(self.array, axis=axis))

    def min(self, axis: int, initial: float = np.inf) -> Array:
        return np.minimum(to_host(self.xp.min(self.array, axis=axis)), initial)

    def max(self, axis: int, initial: float = -np.inf) -> Array:
        return np.maximum(to_host(self.xp.max(self.array, axis=axis)), initial)

    def all_finite(self) -> bool:
        """Whether no entry is NaN or infinite."""
        return bool(self.xp.all(self.xp.isfinite(self.array)))

    def _there(self, values: Array, dtype: Any = np.float64) -> Array:
        """Return a copy of a NumPy array on the device."""
        return moved(np.asarray(values, dtype=dtype), self.array)


class _Columns:
    """The transpose of rows on a device."""

    def __init__(self, rows: DeviceRows) -> None:
        self.rows = rows

    def dot(self, other: Any) -> Array:
        """Return products of the columns with those of a NumPy array, or with one another."""
        if other is self.rows:
            return self.rows.gram()
        return to_host(self.rows.array.T @ self.rows._there(other))


def in_process(X: Any) -> Array:
    """Return a NumPy copy of rows on a device; other rows as they are."""
    return X.numpy() if isinstance(X, DeviceRows) else X


def refuse_device(who: str, X: Any) -> None:
    """Refuse rows on a device, of which nothing but sums over rows is computed there."""
    if isinstance(X, DeviceRows):
        raise TypeError(
            f"X is an array of {name_of(X.array)}. {who} needs it in the memory of this process, and nothing is "
            "copied unasked: pass a copy, such as X.cpu() of PyTorch."
        )
