"""Scores that a minority of wrong targets cannot decide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer

from robustreg._array import Array, as_array
from robustreg._parameters import Interval
from robustreg.losses import Huber
from robustreg.scales import huber_consistency, mad, weighted_median

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


def robust_r2_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: str = "uniform_average"
) -> float | Array:
    r"""R2 in which tau-scales take the place of standard deviations.

    .. math:: R^2 = 1 - \frac{\tau(y - \hat y)^2}{\tau(y - \mathrm{med}(y))^2}

    The best value is 1; a constant at the median of the targets scores 0. Without outliers, at normal errors
    and targets, it estimates what R2 does. Up to half of the samples can be contaminated without deciding it.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets and predictions.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative weights, as numbers of repetitions.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Whether the scores of several outputs are averaged or returned as an array.

    Returns
    -------
    float or array of shape (n_outputs,)
        At most 1, and below 0 for predictions worse than the median. Where the tau-scale of the targets is
        0, it is 1 if that of the residuals is 0 too, and 0 otherwise, as of scikit-learn's ``r2_score``.

    Raises
    ------
    ValueError
        If ``multioutput`` is none of the two, or the input is not finite or of unequal shapes.

    See Also
    --------
    tau_scale : Size of the residuals in the units of y.
    robust_r2 : The scorer.

    References
    ----------
    Croux, C. and Dehon, C. (2003). Estimators of the multiple correlation coefficient: local robustness and
    confidence intervals. Statistical Papers 44, 315-334: R2 by robust scales of the residuals and of the
    targets. Yohai, V. J. and Zamar, R. H. (1988). High breakdown-point estimates of regression by means of the
    minimization of an efficient scale. Journal of the American Statistical Association 83, 406-413: the scale.

    Examples
    --------
    One contaminated target of five decides R2, but not the robust one:

    >>> from sklearn.metrics import r2_score
    >>> from robustreg.model_selection import robust_r2_score
    >>> y_true, y_pred = [1.0, 2.0, 3.0, 4.0, 500.0], [1.1, 1.9, 3.1, 4.1, 4.9]
    >>> round(r2_score(y_true, y_pred), 3), round(robust_r2_score(y_true, y_pred), 3)
    (-0.238, 0.991)
    """
    if multioutput not in ("uniform_average", "raw_values"):
        raise ValueError(
            f"multioutput must be 'uniform_average' or 'raw_values'. Got {multioutput!r}."
        )
    y, prediction = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    if y.ndim != 2 or y.shape != prediction.shape:
        y, prediction = y[..., None], prediction[..., None]
    pairs = zip(np.moveaxis(y, -1, 0), np.moveaxis(prediction, -1, 0), strict=True)
    scores = np.array([_robust_r2(one, at, sample_weight) for one, at in pairs])
    return scores if multioutput == "raw_values" else float(scores.mean())


def _robust_r2(y: Array, prediction: Array, sample_weight: Any) -> float:
    """Return the score of one output."""
    after = tau_scale(y, prediction, sample_weight=sample_weight)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
    center = np.full(y.shape, weighted_median(y.astype(float), weight))
    before = tau_scale(y, center, sample_weight=sample_weight)
    if before == 0:
        return float(after == 0)
    return 1.0 - (after / before) ** 2


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


_SCORER_DOC = """Score a fitted regressor by {what}, for ``scoring=``.

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
    Larger is better; {best} is best.

Examples
--------
>>> from robustreg import HuberRegressor
>>> from robustreg.model_selection import {name}
>>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 13.0]
>>> round({name}(HuberRegressor(alpha=0.0).fit(X[:3], y[:3]), X, y), 6) + 0.0
{best}
"""


def _scorer(metric: Any, name: str, what: str, best: float) -> Any:
    """Return the scorer of a metric that is better when it is smaller, unless its best value is 1."""
    scorer = make_scorer(metric, greater_is_better=best == 1)
    scorer.__name__ = name
    scorer.__doc__ = _SCORER_DOC.format(what=what, name=name, best=best)
    return scorer


neg_trimmed_mean_squared_error, neg_tau_scale = (
    _scorer(metric, f"neg_{metric.__name__}", f"minus its `{metric.__name__}`", 0.0)
    for metric in (trimmed_mean_squared_error, tau_scale)
)
robust_r2 = _scorer(robust_r2_score, "robust_r2", "its `robust_r2_score`", 1.0)
