"""Checks of parameters and input, with messages that say what is wrong and what to do."""

from __future__ import annotations

import math
import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import assert_all_finite, check_array, validate_data

from robustreg._array import NUMPY, Array, all_finite, here
from robustreg._lazy import refuse_lazy
from robustreg._parameters import did_you_mean
from robustreg.data import BLOCK_BYTES, column_squares
from robustreg.device_rows import DeviceRows
from robustreg.estimators._answers import known_columns
from robustreg.estimators._tables import (
    as_frame,
    infinite_columns,
    missing_columns,
    numeric_target,
    refuse_columns,
)

#: below this, y cannot be scaled to size one without losing digits
SMALLEST = 1e-290
#: types in which X is worked on
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class InvalidParameterError(ValueError, TypeError):
    """A constructor argument outside its range."""


def complain(estimator: Any, name: str, wanted: str, hint: str = "") -> InvalidParameterError:
    """Return the error that says what ``name`` must be."""
    label = type(estimator).__name__
    return InvalidParameterError(
        f"The {name!r} parameter of {label} must be {wanted}. Got {getattr(estimator, name)!r} instead."
        f"{hint and ' '}{hint}"
    )


def check_real(
    estimator: Any, name: str, low: float, high: float = math.inf, *, closed: str = "left"
) -> None:
    """Refuse a parameter that is not a real number in the interval."""
    value = getattr(estimator, name)
    left, right = closed in ("left", "both"), closed in ("right", "both")
    real = type(value) is float or (
        isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    )
    # of NaN no comparison holds
    above = real and (value >= low if left else value > low)
    below = real and (value <= high if right else value < high)
    if not (above and below):
        ends = "[" if left else "(", "]" if right else ")"
        wanted = f"a float in the range {ends[0]}{float(low)}, {float(high)}{ends[1]}"
        raise complain(estimator, name, wanted)


def check_integer(estimator: Any, name: str, low: int) -> None:
    """Refuse a parameter that is not an integer of at least ``low``."""
    value = getattr(estimator, name)
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < low:
        raise complain(estimator, name, f"an int in the range [{low}, inf)")


def check_bool(estimator: Any, name: str) -> None:
    """Refuse a parameter that is not True or False."""
    if not isinstance(getattr(estimator, name), bool | np.bool_):
        raise complain(estimator, name, "an instance of 'bool'")


def check_option(estimator: Any, name: str, options: tuple[str, ...]) -> None:
    """Refuse a parameter that is not one of some strings."""
    value = getattr(estimator, name)
    if not isinstance(value, str) or value not in options:
        wanted = f"one of {', '.join(map(repr, options))}"
        raise complain(estimator, name, wanted, did_you_mean(value, options))


def check_data(estimator: Any, X: Any, y: Any = None, *, fit: bool = False, **options: Any) -> Any:
    """Validate input as scikit-learn does, and name the column where a table holds the trouble.

    Large arrays to ``fit`` may still hold NaN: `prepare` looks at all of X anyway.

    Raises
    ------
    ValueError
        For text, dates, missing or infinite values, masked arrays, wrong shapes.
    TypeError
        For collections of Dask.
    """
    if _is_plain(X, y, fit) and _has_columns(estimator, X.shape[1], fit):
        return (X, y) if fit else X
    refuse_lazy(type(estimator).__name__, X=X, y=y)
    if isinstance(X, DeviceRows) and not fit:
        known_columns(estimator, X, reset=False)
        if not X.all_finite():
            raise ValueError("Input X contains NaN or infinity.")
        return X
    X, y = here(X, "X"), here(y, "y")
    for name, part in (("X", X), ("y", y)):
        refuse_mask(name, part)
    X = as_frame(X)
    refuse_columns(X)
    if options.get("y_numeric"):
        y = numeric_target(y)
    rows: dict[str, Any] = {"accept_sparse": ["csr", "csc"], "dtype": list(FLOATS)}
    try:
        many = isinstance(X, np.ndarray) and X.nbytes > BLOCK_BYTES and X.dtype in rows["dtype"]
        if many:
            rows["ensure_all_finite"] = False
        if fit:
            return validate_data(estimator, X, y, **rows, **options)
        X = validate_data(estimator, X, reset=False, **rows, **options)
        if many and not np.isfinite(column_squares(X)).all():
            refuse_infinite(estimator, X)
        return X
    except ValueError as error:
        note = _note(estimator, X, str(error))
        if not note:
            raise
        raise ValueError(str(error) + note) from error


def _is_plain(X: Any, y: Any, fit: bool) -> bool:
    """Whether X, and in a fit y, are arrays of numbers that scikit-learn's checks return as they are.

    On small tables those, which know every kind of table, take as long as a fit.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in FLOATS or not X.size:
        return False
    if fit:
        if type(y) is not np.ndarray or y.shape != X.shape[:1] or not y.flags.c_contiguous:
            return False
        if y.dtype.kind not in "biuf" or (y.dtype.kind == "f" and not all_finite(NUMPY, y)):
            return False
    return X.nbytes <= BLOCK_BYTES and all_finite(NUMPY, X)


def _has_columns(estimator: Any, n_features: int, fit: bool) -> bool:
    """Whether an array without names has the columns of the fit; in a fit they are set."""
    state = estimator.__dict__
    if fit:
        state.pop("feature_names_in_", None)
        estimator.n_features_in_ = n_features
        return True
    return "feature_names_in_" not in state and state.get("n_features_in_") == n_features


def _note(estimator: Any, X: Any, message: str) -> str:
    """Return what scikit-learn's message leaves out: the column, or the way out."""
    if "X contains NaN" in message and (names := missing_columns(X)):
        return f" Columns with missing values: {', '.join(map(repr, names))}."
    if "X contains infinity" in message and (names := infinite_columns(X)):
        return f" Columns with infinite values: {', '.join(map(repr, names))}."
    if "y should be a 1d array" in message:
        if not (is_classifier(estimator) or is_regressor(estimator)):
            return " Fit one model for each column of y."
        kind = "Classifier" if is_classifier(estimator) else "Regressor"
        wrapped = f"MultiOutput{kind}({type(estimator).__name__}())"
        return f" For several targets fit one model for each: {wrapped} from sklearn.multioutput."
    return ""


def refuse_infinite(estimator: Any, X: Any) -> None:
    """Refuse an array with missing or infinite values."""
    assert_all_finite(X, estimator_name=type(estimator).__name__, input_name="X")


def refuse_mask(name: str, part: Any) -> None:
    """Refuse an array whose mask would be ignored."""
    if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
        raise ValueError(f"{name} is a masked array: fill or drop its masked values first.")


def check_weight(sample_weight: Any, n: int) -> tuple[Array | None, float]:
    """Return weights with mean one, and that mean; None for equal weights.

    Raises
    ------
    ValueError
        If the weights are not finite, negative, all zero, or not one for each row.
    """
    if sample_weight is None:
        return None, 1.0
    refuse_lazy("The fit", sample_weight=sample_weight)
    sample_weight = here(sample_weight, "sample_weight")
    refuse_mask("sample_weight", sample_weight)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, float(sample_weight))
    try:
        weight = check_array(
            sample_weight,
            accept_sparse=False,
            ensure_2d=False,
            dtype=np.float64,
            input_name="sample_weight",
        )
    except ValueError as error:  # of text, NumPy names the entry alone
        if "sample_weight" in str(error):
            raise
        raise ValueError(f"sample_weight must be numbers: {error}.") from error
    if weight.ndim != 1:
        raise ValueError(f"sample_weight must be 1D: one number a row. Got shape {weight.shape}.")
    if weight.shape != (n,):
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(n,)}!")
    if np.any(weight < 0):
        raise ValueError("Negative values in sample_weight: weights must be at least 0.")
    largest = float(weight.max())
    if largest == 0:
        raise ValueError(
            "All values of sample_weight are zero: at least one must be positive (non-zero)."
        )
    weight = weight / largest
    # The mean over the rows that count, so that rows of weight zero change nothing.
    mean = float(weight.sum()) / int(np.count_nonzero(weight))
    weight = weight / mean
    mass = largest * mean
    return (None, mass) if np.all(weight == weight[0]) else (weight, mass)


def check_size(y: Array, intercept: bool) -> None:
    """Refuse a y whose digits underflow; a constant that an ``intercept`` can be needs none.

    Raises
    ------
    ValueError
        If the largest entry is a denormal number or nearly so.
    """
    largest = float(max(y.max(initial=0.0), -y.min(initial=0.0)))
    if 0 < largest < SMALLEST and not (intercept and y.min() == y.max()):
        raise ValueError(
            f"The largest y is {largest:.1e}, too small for floating point: rescale y."
        )


def level_of_user() -> int:
    """Return the ``stacklevel`` with which a warning of the caller shows the line of the user's own code."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "robustreg",
        "sklearn",
    ):
        frame, level = frame.f_back, level + 1
    return level
