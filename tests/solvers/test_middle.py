"""The intercept where several are equally good: it knows neither the start nor how rows are written."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import L1Regressor, QuantileRegressor
from robustreg.estimators._sequence import FitSequence


def table(n, seed=0):
    rng = np.random.default_rng([n, seed])
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] - X[:, 1] + rng.standard_t(2, size=n), rng


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", [{}, {"l1_ratio": 0.5}, {"l1_ratio": 1.0}, {"l1_ratio": 1.0, "positive": True}], ids=str)  # fmt: skip
def test_weights_are_repeated_rows_where_the_median_is_an_interval(how, seed):
    X, y, rng = table(10, seed)
    weight = rng.integers(0, 4, size=10)
    weight[0] += weight.sum() % 2
    model = L1Regressor(alpha=1e4, **how).fit(X, y, weight)
    center, scale = model.intercept_, model.scale_
    many = np.repeat(y, weight)
    again = L1Regressor(alpha=1e4, **how).fit(np.repeat(X, weight, axis=0), many)
    assert_allclose([center, scale], [again.intercept_, again.scale_], rtol=1e-9)
    order = rng.permutation(10)
    again.fit(X[order], y[order], weight[order])
    assert_allclose([center, scale], [again.intercept_, again.scale_], rtol=1e-9)
    if how.get("l1_ratio") == 1.0:
        assert_allclose(center, np.median(many), atol=1e-12)


@pytest.mark.parametrize("n", [40, 4_000])
@pytest.mark.parametrize("quantile", [0.25, 0.5, 0.8])
def test_a_start_does_not_choose_the_quantile(n, quantile):
    X, y, _ = table(n)
    sequence = FitSequence(QuantileRegressor(quantile=quantile), X, y)
    low, high = np.sort(y)[int(quantile * n) - 1 : int(quantile * n) + 1]
    for alpha in (5.0, 1e-3, 0.6, 0.01, 0.5):
        found = sequence.fit(alpha=alpha)
        own = QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, y)
        assert_allclose(found.coef_, own.coef_, atol=1e-9)
        assert_allclose(found.intercept_, own.intercept_, atol=1e-9)
        if alpha > 0.4:
            assert not found.coef_.any()
            assert_allclose(found.intercept_, 0.5 * (low + high), atol=1e-12)


def test_a_row_on_its_kink_keeps_the_intercept_there():
    X, y, _ = table(41)
    model = QuantileRegressor(alpha=5.0).fit(X, y)
    assert model.intercept_ == np.median(y)
