"""Scores that a minority of wrong targets cannot decide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer

from robustreg._array import Array, as_array
from robustreg._parameters import Interval
from robustreg.losses import Huber
from robustreg.scales import huber_consistency, mad

#: where tau-scale cuts residuals off, in MADs (Maronna and Zamar, 2002)
TAU_CUT = 3.0


def trimmed_mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, trim: float = 0.25
) -> float:
    """Mean of the smaller squared residuals, the largest left out.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Targets and predictions.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative weights, as numbers of repetitions.
    trim : float, default=0.25
        Share of the rows, or of the weight, that is left out, in [0, 1).

    Returns
    -------
    float
        In squared units of y. A row at the limit counts in part.

    Raises
    ------
    ValueError
        If ``trim`` is out of range or the input is not finite or of unequal lengths.

    References
    ----------
    Rousseeuw, P. J. (1984). Least median of squares regression. Journal of the American
    Statistical Association 79, 871-880.

    Examples
    --------
    >>> from robustreg.model_selection import trimmed_mean_squared_error
    >>> trimmed_mean_squared_error([0.0, 0.0, 0.0, 0.0], [1.0, -2.0, 1.0, 100.0])
    2.0
    """
    if not Interval(0.0, 1.0, "left").allows(trim):
        raise ValueError(f"trim must be a float in the range [0.0, 1.0). Got {trim!r}.")
    residual, weight = _residual(y_true, y_pred, sample_weight)
    square = residual**2
    order = np.argsort(square, kind="stable")
    weight = np.ones_like(square) if weight is None else weight[order]
    kept = (1 - float(trim)) * weight.sum()
    before = np.cumsum(weight) - weight
    weight = np.clip(kept - before, 0.0, weight)
    return float(weight @ square[order] / kept)


def tau_scale(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Size of residuals by a tau-scale: as robust as the MAD and more precise.

    The residuals, cut off at three MADs, have this root mean square, up to the factor that makes
    it sigma at the normal distribution.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Targets and predictions.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative weights, as numbers of repetitions.

    Returns
    -------
    float
        In the units of y; 0 where more than half of the residuals are.

    Raises
    ------
    ValueError
        If the input is not finite or of unequal lengths.

    References
    ----------
    Yohai, V. J. and Zamar, R. H. (1988). High breakdown-point estimates of regression by means of
    the minimization of an efficient scale. Journal of the American Statistical Association 83,
    406-413.

    Examples
    --------
    >>> from robustreg.model_selection import tau_scale
    >>> round(tau_scale([0.0, 0.0, 0.0, 0.0], [1.0, -2.0, 1.0, 1e9]), 3)
    3.562
    """
    residual, weight = _residual(y_true, y_pred, sample_weight)
    spread = mad(residual, weight)
    if spread == 0:
        return 0.0
    square = np.minimum(np.abs(residual) / spread, TAU_CUT) ** 2
    return float(
        spread * math.sqrt(np.average(square, weights=weight) / huber_consistency(TAU_CUT))
    )


def make_neg_huber_loss_scorer(delta: float) -> Any:
    """Make a scorer of the negative mean Huber loss at a fixed threshold.

    Losses with different thresholds cannot be compared, so the ``delta`` of a scorer is fixed, in
    the units of y. It is not the one that is searched for.

    Parameters
    ----------
    delta : float
        Threshold in the units of y, in (0, inf].

    Returns
    -------
    callable
        A scorer for ``scoring=``, also to be called as ``scorer(estimator, X, y)``.

    Raises
    ------
    ValueError
        If ``delta`` is out of range.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.model_selection import make_neg_huber_loss_scorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 13.0]
    >>> score = make_neg_huber_loss_scorer(delta=1.0)
    >>> round(score(HuberRegressor(alpha=0.0).fit(X[:3], y[:3]), X, y), 6)
    -2.375
    """
    Huber(delta).validate()
    return make_scorer(_huber_loss, greater_is_better=False, delta=delta)


def _huber_loss(y_true: Any, y_pred: Any, *, sample_weight: Any = None, delta: float) -> float:
    return float(Huber(delta)(y_true, y_pred, sample_weight=sample_weight))


def _residual(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Array, Array | None]:
    """Residuals and weights of checked input."""
    y, prediction = (as_array(v, name) for v, name in ((y_true, "y_true"), (y_pred, "y_pred")))
    if y.ndim != 1 or y.shape != prediction.shape:
        raise ValueError(
            "y_true and y_pred must be of one dimension and the same length. Got shapes "
            f"{y.shape} and {prediction.shape}."
        )
    residual = y.astype(float) - prediction
    if sample_weight is None:
        return residual, None
    weight = as_array(sample_weight, "sample_weight").astype(float)
    if weight.shape != y.shape or weight.min() < 0 or weight.sum() == 0:
        raise ValueError(
            f"sample_weight must hold {len(y)} numbers of at least 0, not all of them 0."
        )
    return residual, weight


_SCORER_DOC = """Score a fitted regressor by minus its `{metric}`, for ``scoring=``.

Parameters
----------
estimator : estimator
    Fitted, with a method ``predict``.
X : array-like of shape (n_samples, n_features)
    Rows to predict.
y_true : array-like of shape (n_samples,)
    Their targets.
sample_weight : array-like of shape (n_samples,), optional
    Non-negative weights.
**kwargs : dict
    Further arguments of the metric, where metadata routing is enabled.

Returns
-------
float
    Larger is better; 0 is best.

Examples
--------
>>> from robustreg import HuberRegressor
>>> from robustreg.model_selection import {name}
>>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 13.0]
>>> round({name}(HuberRegressor(alpha=0.0).fit(X[:3], y[:3]), X, y), 6) + 0.0
0.0
"""


def _scorer(metric: Any) -> Any:
    """Return the scorer of a metric that is better when it is smaller."""
    scorer = make_scorer(metric, greater_is_better=False)
    scorer.__name__ = f"neg_{metric.__name__}"
    scorer.__doc__ = _SCORER_DOC.format(metric=metric.__name__, name=scorer.__name__)
    return scorer


neg_trimmed_mean_squared_error = _scorer(trimmed_mean_squared_error)
neg_tau_scale = _scorer(tau_scale)
