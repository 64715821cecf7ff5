"""Residuals, leverages, distances and Cook's distances of rows."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from robustreg import HuberRegressor, L1Regressor, L2Regressor, LogisticClassifier, RobustRegressor
from robustreg.inference import influence
from tests.inference._data import classes, sample, table

COLUMNS = [
    "residual", "standardised_residual", "leverage", "robust_distance", "weight", "cooks_distance",
    "kind",
]  # fmt: skip


def test_least_squares_as_statsmodels():
    X, y = table("coleman")
    theirs = sm.OLS(y, sm.add_constant(X)).fit()
    found, expected = influence(L2Regressor().fit(X, y), X, y), theirs.get_influence()
    assert found.columns.tolist() == COLUMNS and found.index.equals(X.index)
    np.testing.assert_allclose(found["residual"], theirs.resid, rtol=1e-9)
    np.testing.assert_allclose(found["leverage"], expected.hat_matrix_diag, rtol=1e-10)
    np.testing.assert_allclose(found["cooks_distance"], expected.cooks_distance[0], rtol=1e-9)
    scale = np.sqrt(theirs.mse_resid)
    np.testing.assert_allclose(found["standardised_residual"], theirs.resid / scale, rtol=1e-9)
    assert (found["weight"] == 1).all()


def test_weighted_fit_of_an_m_estimate():
    X, y, _, _ = sample(n=80)
    model = HuberRegressor(alpha=0.0).fit(X, y)
    found = influence(model, X, y)
    u = np.abs(y - model.predict(X)) / model.scale_
    weight = np.minimum(1.0, 1.345 / u)
    np.testing.assert_allclose(found["weight"], weight, rtol=1e-9)
    A = np.column_stack([np.ones(80), X])
    hat = weight * np.einsum("ij,ji->i", A, np.linalg.solve(A.T @ (weight[:, None] * A), A.T))
    np.testing.assert_allclose(found["leverage"], hat, rtol=1e-9)
    assert found["leverage"].sum() == pytest.approx(4)


def test_kinds_of_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    y = X.sum(axis=1) + 0.3 * rng.normal(size=100)
    X[:4] += 20
    y[:2] += 40  # as the others say
    y[4:6] += 15
    model = RobustRegressor(loss="tukey").fit(X[4:], y[4:])
    model = RobustRegressor(loss="tukey", scale=model.scale_, warm_start=True).fit(X, y)
    model.coef_, model.intercept_ = np.ones(2), 0.0
    model.fit(X, y)
    kind = influence(model, X, y)["kind"]
    assert kind[:6].tolist() == 2 * ["good leverage"] + 2 * ["bad leverage"] + 2 * [
        "vertical outlier"
    ]
    assert (kind[6:] == "regular").mean() > 0.9


def test_weights_are_repetitions_and_zero_is_no_row():
    X, y, _, _ = sample(n=60)
    weight = np.ones(60)
    weight[:5], weight[5:10] = 0.0, 2.0
    rows = np.repeat(np.arange(60), weight.astype(int))
    model = L2Regressor().fit(X, y, weight)
    found = influence(model, X, y, sample_weight=weight)
    again = influence(L2Regressor().fit(X[rows], y[rows]), X[rows], y[rows])
    assert found.iloc[:5].isna().all(axis=None)
    for name in ("residual", "leverage", "cooks_distance"):
        np.testing.assert_allclose(found[name].to_numpy()[rows], again[name], rtol=1e-8)


def test_quantiles_frames_and_pipelines():
    X, y, _, _ = sample(n=60)
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=[f"row {i}" for i in range(60)])
    pipe = make_pipeline(StandardScaler(), L1Regressor()).fit(frame, y)
    found = influence(pipe, frame, y)
    assert found.index.equals(frame.index)
    np.testing.assert_allclose(found["residual"], y - pipe.predict(frame), atol=1e-9)


def test_rows_without_a_robust_covariance():
    X, y, _, _ = sample(n=60)
    rare = np.column_stack([X, np.arange(60) < 3])
    with pytest.warns(
        UserWarning, match="robust covariance of X does not exist .*one value in most rows"
    ):
        found = influence(HuberRegressor(alpha=0.0).fit(rare, y), rare, y)
    assert found["robust_distance"].isna().all()
    assert set(found["kind"]) <= {"regular", "vertical outlier"}
    few, target, _, _ = sample(n=7, p=4)
    with pytest.warns(UserWarning, match="7 rows and 4 columns"):
        influence(L2Regressor().fit(few, target), few, target)


def test_constant_columns_and_exact_fits():
    X, _, _, _ = sample(n=60)
    X = np.column_stack([X, np.ones(60)])
    y = X[:, 0].copy()
    y[0] = 5.0
    found = influence(L1Regressor().fit(X, y), X, y)
    assert found["standardised_residual"].abs().idxmax() == 0
    assert found["kind"][0] in ("vertical outlier", "bad leverage")
    assert np.isfinite(found["robust_distance"]).all()


def test_classifiers_have_no_residuals():
    X, y, _, _ = classes()
    with pytest.raises(ValueError, match="LogisticClassifier does not have"):
        influence(LogisticClassifier().fit(X, y), X, y)
