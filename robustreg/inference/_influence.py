"""Which rows decide a fit: residuals, leverages, robust distances."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.covariance import MinCovDet

from robustreg._array import Array
from robustreg.inference._covariance import INSTEAD, invert
from robustreg.inference._fit import FinalStep, Fit, look
from robustreg.inference._measures import is_least_squares, measure, robustness
from robustreg.losses import ResidualLoss
from robustreg.scales import OUTLYING

#: standardised residuals and shares of the distances of normal rows beyond which rows lie far out
FAR_RESIDUAL, FAR_SHARE = 2.5, 0.975
#: rows for each column below which the covariance of a half of them says nothing
LEAST_ROWS = 2
KINDS = ("regular", "vertical outlier", "good leverage", "bad leverage")


def influence(
    model: Any, X: Any, y: Any, *, sample_weight: Any = None, random_state: Any = 0
) -> pd.DataFrame:
    """Return residual, leverage, robust distance, weight and Cook's distance of each row.

    Parameters
    ----------
    model : estimator
        A fitted regressor of residuals; a pipeline or a search with one at its end will do.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that it was fitted to.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), optional
        The weights that it was fitted with, as numbers of repetitions. Rows of weight zero get NaN.
    random_state : int, RandomState or None, default=0
        Seed of the robust covariance of the rows.

    Returns
    -------
    pandas.DataFrame of shape (n_samples, 7)
        ``residual``; ``standardised_residual``, in scales; ``leverage``, the hat value in the fit with
        robustness weights; ``robust_distance`` of the row of X from the others, by scikit-learn's
        MinCovDet; ``weight``, the robustness weight; ``cooks_distance``; and ``kind``: "regular",
        "vertical outlier" (residual beyond 2.5 scales), "good leverage" (distance beyond that of 97.5 %
        of normal rows) or "bad leverage" (both).

    Raises
    ------
    ValueError
        If the model has no residuals, or the input is not what it was fitted to.

    Warns
    -----
    UserWarning
        If the rows of X have no robust covariance, as where a column has one value in most of them.

    References
    ----------
    Rousseeuw, P. J. and van Zomeren, B. C. (1990). Unmasking multivariate outliers and leverage points.
    Journal of the American Statistical Association 85, 633-651. Cook, R. D. (1977). Detection of
    influential observations in linear regression. Technometrics 19, 15-18.

    Examples
    --------
    >>> from robustreg import RobustRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.inference import influence
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> found = influence(RobustRegressor(loss="tukey").fit(X, y), X, y)
    >>> found["kind"].value_counts().to_dict()["regular"] >= 14
    True
    """
    with np.errstate(all="ignore"):
        final = FinalStep(model)
        if final.several:
            raise ValueError(
                f"{type(final.model).__name__} was fitted to several outputs, and influence is about one: pass "
                "model.output(j) and the j-th column of y."
            )
        fit = look(final, final.transform(X), y, sample_weight, every=True)
        loss = fit.estimate.loss
        if not isinstance(loss, ResidualLoss):
            raise ValueError(  # noqa: TRY004
                f"influence is about residuals, which {type(fit.model).__name__} does not have."
            )
        found = _columns(fit, loss, random_state)
    frame = pd.DataFrame(found)
    labels = X.index if hasattr(X, "iloc") else None
    if fit.kept is not None:
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        frame = frame.set_index(fit.kept).reindex(np.arange(n))
    if labels is not None:
        frame.index = labels
    frame.attrs["n_columns"] = fit.data.size
    return frame


def _columns(fit: Fit, loss: ResidualLoss, random_state: Any) -> dict[str, Array]:
    residual, scale = fit.residual, measure(fit, OUTLYING).scale
    unweighted = not loss.smooth or is_least_squares(loss)
    weight = np.ones_like(residual) if unweighted else robustness(fit)
    if fit.estimate.rows is not None:
        weight = fit.estimate.rows.astype(float)
    standardised = residual / scale if scale > 0 else np.sign(residual) * np.inf
    standardised = np.where(residual == 0, 0.0, standardised)
    gram = fit.gram(weight)
    inverse = invert(gram, _spanned(gram), INSTEAD)
    leverage = np.clip(weight * fit.leverage(inverse) / fit.mass, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = leverage / (1 - leverage) ** 2 / fit.n_parameters
        cook = np.where(leverage < 1, weight * standardised**2 * moved, np.nan)
    distance = robust_distance(fit, random_state)
    return {
        "residual": residual, "standardised_residual": standardised, "leverage": leverage,
        "robust_distance": distance, "weight": weight, "cooks_distance": cook,
        "kind": kinds(standardised, distance, fit.data.size),
    }  # fmt: skip


def _spanned(gram: Array) -> Array:
    """Coordinates in which some row is not zero."""
    return np.diag(gram) > 0


def robust_distance(fit: Fit, random_state: Any) -> Array:
    """Distances of the rows of X from their middle, by the half of them that lies closest together."""
    data = fit.data
    varies = np.flatnonzero(np.diag(fit.gram())[: data.size] > 0)
    k = len(varies)
    if k == 0:
        return np.zeros(data.n_rows)
    rows = fit.along(np.eye(len(fit.theta))[:, varies])
    problem = None
    if data.n_rows < LEAST_ROWS * k:
        problem = f"there are {data.n_rows} rows and {k} columns"
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = MinCovDet(random_state=random_state).fit(rows)
        values = np.linalg.eigvalsh(found.raw_covariance_)
        if not values[0] > 1e-10 * values[-1]:
            problem = (
                "half of the rows lie on a hyperplane, as where a column has one value in most rows"
            )
    if problem is None:
        return np.sqrt(found.mahalanobis(rows))
    warnings.warn(
        f"The robust covariance of X does not exist ({problem}): robust_distance is NaN, and no sample is "
        "marked as a leverage point.",
        UserWarning,
        stacklevel=4,
    )
    return np.full(data.n_rows, np.nan)


def far_distance(n_columns: int) -> float:
    """Distance beyond which one normal row in forty lies."""
    return math.sqrt(float(chi2.ppf(FAR_SHARE, max(n_columns, 1))))


def kinds(standardised: Array, distance: Array, n_columns: int) -> Array:
    """Names of what the rows are."""
    out = np.abs(standardised) > FAR_RESIDUAL
    far = np.nan_to_num(distance) > far_distance(n_columns)
    return np.array(KINDS, dtype=object)[out.astype(int) + 2 * far.astype(int)]
