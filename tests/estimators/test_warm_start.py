"""A start that does not fit the data any more costs time at the most."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HuberRegressor,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
)

REGRESSORS = [
    HuberRegressor(alpha=0.0),
    HuberRegressor(alpha=0.0, scale="mad"),
    HuberRegressor(alpha=0.0, scale="concomitant"),
    RobustRegressor(loss="huber"),
    RobustRegressor(loss="tukey"),
    RobustRegressor(loss="tukey", scale=1.0),
    RobustRegressor(loss="hampel", scale=1.0),
]
CLASSIFIERS = [
    LogisticClassifier(),
    LogisticClassifier(alpha=0.0),
    FocalClassifier(),
    FocalClassifier(alpha=0.0),
    DiceClassifier(alpha=0.0),
]


def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    return X, X @ [1.0, 2.0] + rng.standard_t(2, size=200)


@pytest.mark.parametrize("change", [lambda y: y + 1000, lambda y: y * 1e5, lambda y: y * 1e-5])
@pytest.mark.parametrize("model", REGRESSORS[:4], ids=str)
def test_where_no_row_is_on_the_line(model, change):
    """From the old fit all rows are far off: there is no curvature to go by."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(25_000, 12))
    y = change(X.sum(axis=1) + rng.standard_t(3, size=25_000))
    warm = clone(model).set_params(warm_start=True, tol=1e-7)
    warm.fit(X, X.sum(axis=1) + rng.standard_t(3, size=25_000)).fit(X, y)
    cold = clone(model).set_params(tol=1e-7).fit(X, y)
    assert warm.optimality_ <= 1e-7
    assert_allclose(warm.coef_, cold.coef_, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e4, 1e6])
@pytest.mark.parametrize("model", [*REGRESSORS, *CLASSIFIERS], ids=str)
def test_after_a_change_of_units(model, factor):
    X, y = table()
    if model in CLASSIFIERS:
        y = y > 0
    warm = clone(model).set_params(warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warm.fit(X, y).fit(factor * X, y)
        cold = clone(model).fit(factor * X, y)
    assert warm.optimality_ <= warm.tol
    assert_allclose(warm.coef_, cold.coef_, rtol=1e-5)
    assert warm.n_iter_ <= warm.max_iter


@pytest.mark.parametrize("model", [FocalClassifier(), RobustRegressor(loss="tukey", scale=1.0)])
def test_where_the_loss_is_flat(model):
    X, y = table()
    target = y > 0 if isinstance(model, FocalClassifier) else y
    cold = clone(model).fit(X, target)
    warm = clone(model).set_params(warm_start=True).fit(X, target)
    warm.coef_ = -1e6 * warm.coef_
    assert_allclose(warm.fit(X, target).coef_, cold.coef_, rtol=1e-6)


@pytest.mark.parametrize("quantile", [0.01, 0.95, 0.99])
def test_a_far_quantile_of_heavy_tails(quantile):
    """No row may be near its kink where the last fit ends: the nearest are asked all the same."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30_000, 6))
    y = X.sum(axis=1) + rng.standard_cauchy(30_000) ** 3
    model = QuantileRegressor(alpha=0, warm_start=True).fit(X, y)
    model.set_params(quantile=quantile).fit(X, y)
    assert model.optimality_ <= 1e-10
    cold = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)
    assert_allclose(model.coef_, cold.coef_, rtol=1e-7)
