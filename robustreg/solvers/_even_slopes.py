"""The slopes of an L1 fit that are as even as can be, which decide whether a joint scale is zero."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from robustreg._array import Array, is_sparse
from robustreg.objective import Objective
from robustreg.solvers._result import Result

#: eigenvalues of rows on the plane below this share of the largest are directions that they do not see
UNSEEN = 1e-10
#: a slope may exceed one by this much, which is rounding
BEYOND = 1e-9


def least_square(objective: Objective, found: Result) -> tuple[float, float]:
    """Bounds of the least mean square of slopes in [-1, 1] that prove an L1 fit.

    Rows off the plane have slope -1 or 1. Those on it share what balances the others, and their least
    sum of squares is that of a projection, if this stays within the bounds.

    Parameters
    ----------
    objective : Objective
        Of absolute errors.
    found : Result
        Its minimum, with ``slopes`` and ``zero``.

    Returns
    -------
    low, high : float
        Equal where the least is known.
    """
    data = objective.data
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    slopes = found.slopes / weight
    high = float(np.average(slopes**2, weights=weight))
    on = np.flatnonzero(found.zero)
    X = data.take_with_ones(on)
    if is_sparse(X):
        return 0.0, high
    even = _projected(X, weight[on], slopes[on])
    slopes[on] = even
    low = float(np.average(slopes**2, weights=weight))
    return low, low if np.abs(even).max(initial=0.0) <= 1 + BEYOND else high


def _projected(X: Array, weight: Array, slopes: Array) -> Array:
    """Return the slopes of least weighted square that balance the same."""
    values, vectors = scipy.linalg.eigh(X.T @ (weight[:, None] * X), check_finite=False)
    seen = values > UNSEEN * max(values.max(initial=0.0), np.finfo(float).tiny)
    pull = vectors[:, seen].T @ (X.T @ (weight * slopes))
    projected: Array = X @ (vectors[:, seen] @ (pull / values[seen]))
    return projected
