"""Sizes of coefficients and of groups of them."""

from __future__ import annotations

import numpy as np

from robustreg._array import Array

#: a stronger penalty leaves nothing of a coefficient either
LARGEST = 1e200


def sizes(coef: Array, labels: Array | None) -> Array:
    """Return the absolute values of coefficients, or the norms of their groups.

    Parameters
    ----------
    coef : array of shape (n_features,) or (n_features, n_outputs)
        Coefficients.
    labels : array of int, of shape (n_features,), optional
        The group of each feature, from 0 on.
    """
    if labels is None:
        return np.abs(coef)
    largest = np.abs(coef).max(initial=0.0)
    # not a number stays so
    square = np.square(coef / largest) if largest != 0 else np.zeros_like(coef)
    square = square if coef.ndim == 1 else square.sum(axis=1)
    return np.asarray(largest * np.sqrt(np.bincount(labels, square)))
