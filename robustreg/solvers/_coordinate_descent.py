"""Coordinate descent on a quadratic function plus weighted absolute values, by scikit-learn's compiled sweeps.

A sweep over q coefficients takes as long as a product with their matrix, a q-th of what a factor takes. So sweeps find
cheaply which coefficients are zero and the signs of the others, where as many are in use as there is rank as well; they
are slow to find the last digits, which a system then gives.

References
----------
Friedman, J., Hastie, T. and Tibshirani, R. (2010). Regularization paths for generalized linear models via coordinate
descent. Journal of Statistical Software 33(1).
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.linear_model import enet_path

from robustreg._array import Array

#: target of the one row that stands for all: so long that the gap between its problem and a dual point, by which
#: scikit-learn would leave columns out, says nothing
LONG = 1e8
#: sweeps at the most, and a change, as a share of the largest coefficient, of which none exceeds it in the last (machine: of
#: 30 and 300, and 1e-3, a Huber fit of 1,500 x 4,000 takes up to half as long again)
SWEEPS, STILL = 100, 1e-4


def swept(H: Array, c: Array, v: Array, l1: Array, *, positive: bool) -> Array | None:
    """Return where sweeps from ``v`` on lead in ``c @ v + v @ H @ v / 2 + l1 @ abs(v)``.

    Parameters
    ----------
    H : array of shape (q, q)
        Positive semi-definite.
    c, v : array of shape (q,)
        Linear term and start.
    l1 : array of shape (q,)
        Weights of the absolute values. Coefficients without one are eliminated.
    positive : bool
        Whether coefficients with a weight must not be negative.

    Returns
    -------
    array of shape (q,) or None
        None where a weight is too small to be a unit, or those without one are not determined.
    """
    free, held = np.flatnonzero(l1 == 0), np.flatnonzero(l1)
    unit, inner = l1[held], np.ascontiguousarray(H[np.ix_(held, held)])
    try:
        solved = np.linalg.solve(
            H[np.ix_(free, free)], np.column_stack([H[np.ix_(free, held)], c[free]])
        )
    except np.linalg.LinAlgError:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if len(free):
            inner -= H[np.ix_(held, free)] @ solved[:, :-1]
        linear = (c[held] - H[np.ix_(held, free)] @ solved[:, -1]) / unit
        inner /= unit
        inner /= unit[:, None]
        start = v[held] * unit
        if not np.isfinite(inner.sum() + linear.sum() + start.sum()):
            return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that sweeps are too few to converge
        found = enet_path(
            np.empty((1, len(held)), order="F"), np.array([LONG]), l1_ratio=1.0, alphas=[1.0], precompute=inner,
            Xy=-linear, coef_init=start, positive=positive, check_input=False, max_iter=SWEEPS, tol=STILL,
        )[1][:, 0]  # fmt: skip
    out = np.zeros_like(v)
    out[held] = found / unit
    out[free] = -(solved[:, -1] + solved[:, :-1] @ out[held])
    return out
