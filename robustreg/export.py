"""Carry fitted models to other tools: the same model as an estimator of scikit-learn.

Tools that know scikit-learn's own classes only, such as converters to ONNX and PMML, take the twin::

    twin = to_sklearn(model)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

__all__ = ["to_sklearn"]

#: scores at which probabilities are compared: beyond 30 both are 0 or 1 in double precision
_PROBES = np.linspace(-30.0, 30.0, 41)
#: the largest difference of probabilities that are those of the twin: a thousand times rounding
_SAME = 1e-13


def to_sklearn(model: Any) -> BaseEstimator:
    """Return a fitted estimator of scikit-learn with the same predictions.

    Parameters
    ----------
    model : estimator
        A fitted estimator of this package; a pipeline is not taken apart, convert its last step.

    Returns
    -------
    twin : LinearRegression, LogisticRegression or LinearSVC
        With the coefficients, the intercept and the names of the columns of ``model``. A regressor or
        ranker becomes a LinearRegression, a classifier with probabilities a LogisticRegression, one
        without them a LinearSVC. Do not fit it again: it would minimise another loss.

    Raises
    ------
    TypeError
        If no estimator of scikit-learn makes the same predictions: several labels for each sample, targets that
        are distributions, sorted quantiles, and probabilities that are not the sigmoid or softmax of the scores.

    Examples
    --------
    >>> from robustreg import MMRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.export import to_sklearn
    >>> data = load_stackloss()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = MMRegressor().fit(X, y)
    >>> twin = to_sklearn(model)
    >>> type(twin).__name__, bool((abs(twin.predict(X) - model.predict(X)) < 1e-12).all())
    ('LinearRegression', True)
    """
    name = type(model).__name__
    package = __name__.partition(".")[0]
    if not any(base.__module__.partition(".")[0] == package for base in type(model).__mro__):
        raise TypeError(
            f"{name} is not an estimator of this package: convert the last step of a pipeline."
        )
    check_is_fitted(model)
    if not hasattr(model, "coef_"):
        raise TypeError(f"{name} has no coefficients.")
    twin = _classifier(model) if hasattr(model, "classes_") else _regressor(model)
    for attribute in ("n_features_in_", "feature_names_in_"):
        if hasattr(model, attribute):
            setattr(twin, attribute, getattr(model, attribute))
    return twin


def _regressor(model: Any) -> BaseEstimator:
    coef = np.array(model.coef_, dtype=float)
    if getattr(model, "rearrange", False) and coef.ndim == 2:
        raise TypeError(
            f"{type(model).__name__} sorts its predictions, which no estimator of scikit-learn does: set "
            "rearrange=False first."
        )
    if coef.ndim != 1 and not hasattr(model, "output"):
        raise TypeError(
            f"{type(model).__name__} predicts distributions, which no estimator of scikit-learn does: "
            "save coef_ and intercept_ and apply softmax to the scores."
        )
    twin = LinearRegression()
    intercept = getattr(model, "intercept_", 0.0)
    twin.coef_, twin.intercept_ = (
        coef,
        np.array(intercept) if coef.ndim == 2 else np.float64(intercept),
    )
    return twin


def _classifier(model: Any) -> BaseEstimator:
    name, classes = type(model).__name__, model.classes_
    if np.ndim(classes) != 1:
        raise TypeError(
            f"{name} predicts several labels for each sample, which no linear classifier of scikit-learn does: fit "
            "one model for each label."
        )
    proba = hasattr(model, "predict_proba")
    twin = LogisticRegression() if proba else LinearSVC()
    twin.classes_, twin.n_iter_ = np.array(classes), np.array([model.n_iter_])
    if proba and not _is_link(model, len(classes)):
        raise TypeError(
            f"The probabilities of {name} are not the sigmoid or softmax of its scores, as those of "
            "scikit-learn's classifiers are. Save the model with skops instead."
        )
    twin.coef_ = np.array(model.coef_, dtype=float)
    twin.intercept_ = np.array(model.intercept_, dtype=float)
    return twin


def _is_link(model: Any, n_classes: int) -> bool:
    """Whether probabilities are sigmoid or softmax of the scores."""
    twin = LogisticRegression()
    rows = 1 if n_classes == 2 else n_classes
    twin.classes_ = np.arange(n_classes)
    twin.coef_, twin.intercept_ = np.eye(rows), np.zeros(rows)
    scores = _PROBES[:, None] if rows == 1 else np.add.outer(_PROBES, np.zeros(rows))
    if rows > 1:
        scores = scores * np.cos(np.arange(rows))  # no two classes alike
    raw = scores[:, 0] if rows == 1 else scores
    log_proba = model._log_proba(raw)
    mine = np.exp(log_proba)
    wanted = twin.predict_proba(scores)
    return bool(np.abs(mine - (wanted[:, 1] if rows == 1 else wanted)).max() <= _SAME)
