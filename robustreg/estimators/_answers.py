"""Answers to collections of Dask: arrays of Dask that are not computed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from robustreg._array import Array
from robustreg._lazy import is_rows, refuse_lazy, width
from robustreg.estimators._scores import plain_score, r2
from robustreg.tables import lazily


def answers(model: Any, method: str, shape: tuple[int, ...], X: Any, dtype: Any = float) -> Any:
    """Return what a method of a fitted model will say of the rows of a collection of Dask.

    Parameters
    ----------
    model : estimator
        Fitted.
    method : str
        Such as ``"predict"``.
    shape : tuple of int
        Of the answer for a single row.
    X : Dask array or data frame
        Rows.
    dtype : data type, default=float
        Of the answer.
    """
    if is_rows(X):
        refuse_lazy(f"{method} of {type(model).__name__}", X=X)
    known_columns(model, X, reset=False)
    return lazily(partial(_say, model, method), np.empty((0, *shape), dtype), X)


def _say(model: Any, method: str, X: Any) -> Array:
    found: Array = getattr(model, method)(X)
    return found


def known_columns(model: Any, X: Any, *, reset: bool) -> None:
    """Remember number and names of the columns of a collection, or compare them with those of the fit."""
    if not reset:
        check_is_fitted(model)
    empty = X.like() if is_rows(X) else getattr(X, "_meta", None)
    like = empty if hasattr(empty, "columns") else np.broadcast_to(0.0, (1, width(X)))
    validate_data(model, like, reset=reset, skip_check_array=True)


class ScoreMixin(RegressorMixin):
    """R2 of rows in this process: scikit-learn's would compute collections of Dask without a word."""

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,)
            Their targets.
        sample_weight : array-like of shape (n_samples,), optional
            Their weights.

        Returns
        -------
        score : float
            R2. Contaminated targets decide it: see :func:`robustreg.model_selection.robust_r2_score`.
        """
        refuse_lazy(type(self).__name__, X=X, y=y, sample_weight=sample_weight)
        plain = plain_score(r2, self, X, y, sample_weight)
        return float(super().score(X, y, sample_weight=sample_weight)) if plain is None else plain
