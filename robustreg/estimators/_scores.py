"""R2 and accuracy of plain arrays; of anything else scikit-learn says them, or what is wrong.

Its checks of two arrays take longer than a fit along a path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import Array

#: a variance that is this share of the mean square may be rounding, of which scikit-learn has its own
ROUNDING = 1e-20


def plain_score(
    score: Callable[[Array, Array], float | None], model: Any, X: Any, y: Any, weight: Any
) -> float | None:
    """Return the score of predictions; None where y is no plain array, or rows have weights."""
    if weight is not None or type(y) is not np.ndarray or y.ndim != 1 or len(y) < 2:
        return None
    if not TAKES[score](y.dtype):  # seen first: scikit-learn would predict again
        return None
    predicted = model.predict(X)
    return score(y, predicted) if np.shape(predicted) == y.shape else None


def r2(y: Array, predicted: Array) -> float | None:
    """Return the coefficient of determination; None where y hardly varies or a sum is not finite."""
    with np.errstate(all="ignore"):
        rest, spread = y - predicted, y - y.mean()
        left, whole, size = float(rest.dot(rest)), float(spread.dot(spread)), float(y.dot(y))
    if not (np.isfinite(left + size) and whole > ROUNDING * size):
        return None
    return 1.0 - left / whole


def accuracy(y: Array, predicted: Array) -> float | None:
    """Return the share of labels that are equal; None where labels are of different kinds, or fractions."""
    if y.dtype.kind != predicted.dtype.kind:
        return None
    return float(np.mean(y == predicted))


#: which y each takes
TAKES: dict[Callable[[Array, Array], float | None], Callable[[Any], bool]] = {
    r2: lambda dtype: bool(dtype == np.float64),
    accuracy: lambda dtype: dtype.kind in "biuU",
}
