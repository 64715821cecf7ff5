"""Arrays of any namespace: the one file that knows NumPy from the others.

The losses are written with array-API functions and ask here for the namespace of their input, so that
one formula serves NumPy, PyTorch, CuPy and JAX. NumPy takes short cuts, because solvers call the
losses on small blocks thousands of times.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
import scipy.sparse

from robustreg._lazy import is_lazy, refuse_lazy

Array = Any
"""An array of some array-API namespace (the typing standard for these does not exist yet)."""

# NumPy 2 speaks the standard itself, and faster than through a wrapper.
NUMPY: Any = np if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else array_api_compat.numpy

#: columns up to which a row is short
FEW = 16

#: memory that a processor reads, as DLPack numbers devices: its own, and what CUDA and ROCm pin in it
HOST = (1, 3, 11)

#: what may be read as real numbers
NUMBERS = ("bool", "integral", "real floating")

EMPTY = np.empty(0)
EMPTY.setflags(write=False)


def row_slices(n: int, size: int) -> list[slice]:
    """Slices of ``size`` rows that cover ``n``; none of no rows."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of scipy."""
    # most are arrays, which SciPy would look for among abstract classes
    return type(X) is not np.ndarray and scipy.sparse.issparse(X)


def array_namespace(*arrays: Array) -> Any:
    """Array-API namespace shared by the arrays; anything that is no array counts as NumPy's.

    Parameters
    ----------
    *arrays : array, or anything else
        Arrays of at most one namespace besides plain Python objects.

    Returns
    -------
    xp : module
        `NUMPY` for NumPy arrays, otherwise what ``array_api_compat`` finds.
    """
    for array in arrays:
        own = isinstance(array, (np.ndarray, np.generic))
        if not own and array_api_compat.is_array_api_obj(array):
            return array_api_compat.array_namespace(array)
    return NUMPY


def to_numpy(array: Array) -> np.ndarray:
    """NumPy copy or view of an array, wherever it lives."""
    if isinstance(array, np.ndarray):
        return array
    if array_api_compat.is_array_api_obj(array):
        if hasattr(array, "detach"):
            array = array.detach()
        array = array_api_compat.to_device(array, "cpu")
    return np.asarray(array)


def plain_array(value: Any, name: str, xp: Any = None, like: Array | None = None) -> Array:
    """Turn what a user passed into an array of real numbers.

    Parameters
    ----------
    value : array-like, pandas or polars object, or sparse matrix
        Sparse input is made dense.
    name : str
        What the messages call it.
    xp : module, optional
        Namespace of the result; that of ``value`` by default.
    like : array, optional
        An array whose device the result shares.

    Returns
    -------
    array : array
        Of a real floating or integer type; Booleans become integers.

    Raises
    ------
    ValueError
        If the values are not real numbers.
    """
    refuse_lazy("A loss", **{name: value})
    if is_sparse(value):
        value = value.toarray()
    own = array_namespace(value)
    if own is NUMPY:
        value = _numpy_numbers(value, name)
    if xp is not None and own is not xp:
        device = None if like is None else array_api_compat.device(like)
        value = xp.asarray(
            np.array(to_numpy(value)), device=device
        )  # a copy: PyTorch wants to write
    xp = own if xp is None else xp
    if xp.isdtype(value.dtype, "bool"):
        value = xp.astype(value, xp.int32)
    if not xp.isdtype(value.dtype, ("real floating", "integral")):
        raise ValueError(f"{name} must hold real numbers. Got dtype {value.dtype}.")
    return value


def as_array(value: Any, name: str, xp: Any = None, like: Array | None = None) -> Array:
    """Turn what a user passed into a finite, non-empty array of at least one dimension.

    Parameters and result are those of `plain_array`.

    Raises
    ------
    ValueError
        If the values are not real numbers, not finite, or none at all.
    """
    value = plain_array(value, name, xp, like)
    refuse_unusable(value, name)
    return value


def refuse_unusable(value: Array, name: str) -> None:
    """Refuse an array that is a scalar, empty or not finite."""
    xp = array_namespace(value)
    if value.ndim == 0:
        raise ValueError(f"{name} must have at least one dimension. Got a scalar.")
    if math.prod(value.shape) == 0:
        raise ValueError(f"{name} is empty: shape {tuple(value.shape)}.")
    if xp.isdtype(value.dtype, "real floating") and not all_finite(xp, value):
        raise ValueError(f"{name} contains NaN or infinity.")


def _numpy_numbers(value: Any, name: str) -> np.ndarray:
    """NumPy array of numbers; object columns are accepted if every entry is a number."""
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers in a regular shape: {error}") from error
    return array


def all_finite(xp: Any, array: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    if xp is NUMPY:
        # One pass and no mask: a sum is finite unless an entry is not, or the sum itself overflows.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(array.sum()):
                return True
        return bool(np.isfinite(array).all())
    return bool(xp.all(xp.isfinite(array)))


def is_torch(xp: Any) -> bool:
    """Whether a namespace is PyTorch's."""
    return bool(array_api_compat.is_torch_namespace(xp))


def is_jax(xp: Any) -> bool:
    """Whether a namespace is JAX's."""
    return bool(array_api_compat.is_jax_namespace(xp))


def floating(xp: Any, *arrays: Array) -> Any:
    """Return the common floating type of the arrays: that of the floating ones, else double.

    JAX has double precision only where it is switched on.
    """
    types = {a.dtype for a in arrays if xp.isdtype(a.dtype, "real floating")}
    if types:
        return xp.result_type(*types)
    return xp.asarray(0.0).dtype if is_jax(xp) else xp.float64


def working(xp: Any, dtype: Any) -> Any:
    """Return the type to compute in: single precision for half, whose sums and squares overflow."""
    return xp.float32 if xp.finfo(dtype).bits < 32 else dtype


def cast(x: Array, dtype: Any) -> Array:
    """Array of another type; the array itself where it is of that type."""
    return x if x.dtype == dtype else array_namespace(x).astype(x, dtype)


def clip(x: Array, lower: Any, upper: Any) -> Array:
    """Cut ``x`` off below ``lower`` and above ``upper``."""
    if isinstance(x, np.ndarray):
        return x.clip(lower, upper)  # np.clip adds a dispatch that shows on short arrays
    xp = array_namespace(x)
    return xp.clip(xp.clip(x, min=lower), max=upper)


def negative(x: Array) -> Array:
    """``-x`` of a temporary: NumPy arrays are overwritten."""
    if type(x) is np.ndarray:
        return np.negative(x, out=x)
    return -x


def dot(a: Array, b: Array) -> float:
    """Sum of the products of all entries."""
    if isinstance(a, np.ndarray):
        return float(np.vdot(a, b))
    xp = array_namespace(a)
    return float(xp.sum(a * b))


def total(values: Array, weight: Array | None = None) -> float:
    """Weighted sum of all entries; the weight belongs to the first axes."""
    if weight is None:
        if isinstance(values, np.ndarray):
            return float(values.sum())
        return float(array_namespace(values).sum(values))
    if weight.ndim == values.ndim:
        return dot(weight, values)
    return total(weigh(values, weight))


def weigh(values: Any, weight: Array | None) -> Any:
    """Multiply by weights that belong to the first axes, if there are any; tuples part by part."""
    if weight is None:
        return values
    if isinstance(values, tuple):
        return tuple(weigh(part, weight) for part in values)
    missing = values.ndim - weight.ndim
    if missing:
        weight = array_namespace(weight).reshape(weight, (*weight.shape, *(1,) * missing))
    return values * weight


def array_like(values: Any, like: Array) -> Array:
    """Array of numbers in the namespace and type and on the device of ``like``."""
    xp = array_namespace(like)
    if xp is NUMPY:
        return np.asarray(values, dtype=like.dtype)
    return xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like))


def is_foreign(value: Any) -> bool:
    """Whether a value is an array of another namespace than NumPy's, and not of Dask."""
    return (
        type(value) is not np.ndarray
        and array_api_compat.is_array_api_obj(value)
        and not isinstance(value, (np.ndarray, np.generic))
        and not is_sparse(value)
        and not is_lazy(value)
    )


def here(value: Any, name: str) -> Any:
    """NumPy view of an array of another namespace that this process can read; anything else as it is.

    Parameters
    ----------
    value : any
        An array of any namespace, or anything else.
    name : str
        What the messages call it.

    Raises
    ------
    TypeError
        If its memory is that of another device: nothing is copied unasked.
    ValueError
        If NumPy does not have its type or layout.
    """
    if not is_foreign(value):
        return value
    array = value.detach() if hasattr(value, "detach") else value
    problem: type[Exception] = TypeError
    reason = "is not in the memory of this process"
    try:
        if array.__dlpack_device__()[0] in HOST:
            return np.asarray(array)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        problem, reason = ValueError, f"NumPy cannot read in place ({error})"
    raise problem(
        f"{name} is an array of {name_of(array)}, of type {array.dtype}, which {reason}. This is computed by NumPy, and "
        "nothing is copied from a device unasked: pass a dense array of float64 or float32 in the memory of this "
        f"process, such as {name}.cpu() of PyTorch. What is fitted to Dask collections is fitted to an X on a device, "
        "too, where scikit-learn's array_api_dispatch is set."
    )


def is_on_device(value: Any) -> bool:
    """Whether a value is a dense array of real numbers that NumPy reads a copy of, and not in place."""
    if not is_foreign(value) or not value.ndim:
        return False
    array = value.detach() if hasattr(value, "detach") else value
    try:
        if not array_namespace(array).isdtype(array.dtype, NUMBERS):
            return False
        if array.__dlpack_device__()[0] in HOST and _is_readable(array):
            return False
        to_host(array[: min(array.shape[0], 1), ...])
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return False
    return True


def _is_readable(array: Array) -> bool:
    try:
        np.asarray(array)
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def to_host(array: Array) -> np.ndarray:
    """Return an array of any device as one of NumPy that may be written to."""
    if array.__dlpack_device__()[0] in HOST:
        found = np.from_dlpack(array)
    else:
        found = np.asarray(array_api_compat.to_device(array, "cpu"))
    return found if found.flags.writeable else found.copy()


def moved(values: np.ndarray, like: Array) -> Array:
    """Copy of a NumPy array in the namespace and on the device of ``like``."""
    xp = array_namespace(like)
    # a copy, which is no one else's: PyTorch wants to write
    return xp.asarray(np.array(values), device=array_api_compat.device(like))


def kind_of(array: Array) -> Array:
    """Return an array without entries that stands for a namespace and a device."""
    return array_namespace(array).empty((0,), device=array_api_compat.device(array))


def name_of(kind: Array) -> str:
    """Return what messages call the namespace and the device of an array; NumPy that of anything else."""
    if not is_foreign(kind):
        return "NumPy"
    library = array_namespace(kind).__name__.removeprefix("array_api_compat.")
    return f"{library} on {array_api_compat.device(kind)}"


def arange_like(n: int, like: Array) -> Array:
    """The numbers 0 to n - 1 in the type and on the device of ``like``."""
    xp = array_namespace(like)
    if xp is NUMPY:
        return np.arange(n, dtype=like.dtype)
    return xp.arange(n, dtype=like.dtype, device=array_api_compat.device(like))


def log1p(x: Array) -> Array:
    """log(1 + x) for x > -1, to full accuracy."""
    if type(x) is not np.ndarray or x.ndim == 0:
        return array_namespace(x).log1p(x)
    # NumPy's log is vectorised and its log1p is not. What the rounding of 1 + x lost is put back.
    u = 1.0 + x
    lost = u - 1.0
    lost -= x
    lost /= u
    out = np.log(u, out=u)
    out -= lost
    return out


def exp_minus_abs(x: Array) -> Array:
    """exp(-abs(x)), which neither overflows nor takes more than one array.

    At zero it counts as positive, so that a derivative taken of the code is that of one side.
    """
    if type(x) is not np.ndarray or x.ndim == 0:
        xp = array_namespace(x)
        return xp.exp(xp.where(x >= 0, -x, x))
    out = np.abs(x)
    return np.exp(np.negative(out, out=out), out=out)


def row_max(x: Array) -> Array:
    """Largest entry of each row, as a column."""
    if type(x) is not np.ndarray or x.ndim != 2 or not 0 < x.shape[1] <= FEW:
        return array_namespace(x).max(x, axis=-1, keepdims=True)
    # NumPy reduces short rows one by one, and whole columns at once.
    largest = x[:, 0].copy()
    for column in x.T[1:]:
        np.maximum(largest, column, out=largest)
    return largest[:, None]


def row_sum(x: Array) -> Array:
    """Sum of the finite entries of each row, as a column."""
    if type(x) is not np.ndarray or x.ndim != 2 or not 0 < x.shape[1] <= FEW:
        return array_namespace(x).sum(x, axis=-1, keepdims=True)
    return x @ np.ones((x.shape[1], 1), x.dtype)


def replace(x: Array, column: Array, value: Any) -> Array:
    """Matrix with one entry of each row replaced; a NumPy array is overwritten."""
    if type(x) is np.ndarray:
        x[np.arange(x.shape[0]), column] = value
        return x
    xp = array_namespace(x)
    mask = column[:, None] == arange_like(x.shape[1], column)[None, :]
    return xp.where(mask, value if isinstance(value, float) else value[:, None], x)
