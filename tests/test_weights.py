"""A weight of 2 is a row written twice, a weight of 0 a row left out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import HuberRegressor
from tests._reference import (
    CONVEX,
    UNPENALISED,
    balance,
    best_kinked,
    objective,
    quantile_of,
    sample,
)

MODELS = pytest.mark.parametrize("name", CONVEX)


def same(one, other, X, rtol=1e-10, *, scale=True):
    """Assert that two fits agree, relative to the size of the coefficients."""
    size = np.abs(other.coef_).max()
    assert_allclose(one.coef_, other.coef_, rtol=rtol, atol=rtol * size)
    assert_allclose(one.predict(X), other.predict(X), rtol=rtol, atol=rtol * size)
    if scale and hasattr(other, "scale_"):
        assert_allclose(one.scale_, other.scale_, rtol=rtol)


@MODELS
def test_integer_weights_are_repeated_rows(name):
    X, y, _ = sample()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    # tol well below what is asked, so that both fits are at the optimum itself
    model = clone(CONVEX[name]).set_params(tol=1e-12)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    same(weighted, repeated, X)


@MODELS
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_weight_zero_are_absent(name, weighted):
    X, y, weight = sample()
    weight = weight if weighted else np.ones(len(y))
    dropped = np.random.default_rng(2).random(len(y)) < 0.3
    # What is dropped may be anything that is finite.
    X[dropped] *= 1e6
    y[dropped] = 1e9
    model = clone(CONVEX[name])
    zero = clone(model).fit(X, y, sample_weight=np.where(dropped, 0.0, weight))
    absent = clone(model).fit(X[~dropped], y[~dropped], sample_weight=weight[~dropped])
    same(zero, absent, X[~dropped])


@MODELS
def test_ones_are_no_weights(name):
    X, y, _ = sample()
    ones = clone(CONVEX[name]).fit(X, y, sample_weight=np.ones(len(y)))
    none = clone(CONVEX[name]).fit(X, y)
    assert np.array_equal(ones.coef_, none.coef_)
    assert ones.intercept_ == none.intercept_


@pytest.mark.parametrize("factor", [1e300, 1e-300])
@pytest.mark.parametrize("name", UNPENALISED)
def test_huge_and_tiny_weights(name, factor):
    X, y, weight = sample()
    model = clone(UNPENALISED[name]).fit(X, y, sample_weight=weight * factor)
    if name == "l1" and factor > 1:  # the rows that the L1 fit passes through are nothing then
        same(model, clone(model).fit(X, y, sample_weight=weight * 1e20), X, rtol=1e-8)
    elif name == "proposal2":
        # Its price, sum w - p, becomes sum w: the equations themselves are the reference.
        # (at 1e20 the number of parameters is nothing beside the weights, and nothing overflows).
        assert balance(model, X, y, weight * 1e20) < 1e-7
    else:
        # an L1 fit passes through as much weight as there are parameters, which no longer matters
        other = clone(UNPENALISED[name]).fit(X, y, sample_weight=weight)
        same(model, other, X, rtol=1e-8, scale=quantile_of(model) is None)


@pytest.mark.parametrize("factor", [1e300, 1e-300])
@pytest.mark.parametrize("name", [n for n in CONVEX if "penalised" in n or "no intercept" in n])
def test_huge_and_tiny_weights_beside_a_penalty(name, factor):
    # Huge weights make any penalty nothing. Tiny ones make it everything: no slope is worth its price.
    X, y, weight = sample()
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight * factor)
    if model.alpha == 0 or "quantile" in name:  # a mean: the size of the weights is nothing
        other = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
        same(model, other, X, rtol=1e-8, scale=quantile_of(model) is None)
    elif factor < 1:
        assert_allclose(model.coef_, 0.0, atol=1e-100)
        if quantile_of(model) is not None and model.fit_intercept:
            best = best_kinked(clone(model), np.zeros_like(X), y, weight)
            assert_allclose(objective(model, X, y, weight), best, rtol=1e-9)
    else:
        free = clone(CONVEX[name]).set_params(alpha=0.0).fit(X, y, sample_weight=weight * factor)
        same(model, free, X, rtol=1e-8)


@pytest.mark.parametrize("name", ["concomitant", "mad", "fixed", "squared", "absolute", "pinball"])
def test_only_the_ratio_of_weights_and_penalty_matters(name):
    X, y, weight = sample()
    model = clone(UNPENALISED[name]).set_params(alpha=2.0)
    double = clone(model).set_params(alpha=14.0).fit(X, y, sample_weight=7 * weight)
    model.fit(X, y, sample_weight=weight)
    same(double, model, X, rtol=1e-8, scale=quantile_of(model) is None)


@pytest.mark.parametrize("heavy", [1e4, 1e8])
@pytest.mark.parametrize("name", ["fixed", "squared", "absolute", "smooth_l1", "pseudo_huber"])
def test_the_other_rows_still_count_beside_a_heavy_one(name, heavy):
    # The fit goes through the heavy row; the others choose among such fits. In their limit they are
    # fitted without an intercept from that row.
    X, y, _ = sample(n=40)
    model = clone(UNPENALISED[name])
    if "scale" in model.get_params():
        model.set_params(scale=1.0)
    weight = np.ones(len(y))
    weight[3] = heavy
    model.fit(X, y, sample_weight=weight)
    through = clone(model).set_params(fit_intercept=False, tol=1e-12).fit(X - X[3], y - y[3])
    assert abs(y[3] - model.predict(X[3:4])[0]) <= 100 / heavy + 1e-10
    assert_allclose(model.coef_, through.coef_, atol=100 / heavy + 1e-6)


@pytest.mark.parametrize("seed", [5, 9, 20, 36, 39])
@pytest.mark.parametrize("scale", ["mad", "l1"])
def test_medians_of_weights_that_add_up_to_an_even_number(scale, seed):
    """Half of the weight ends exactly between two rows, but for the rounding of its sum."""
    rng = np.random.default_rng(seed)
    n = (300, 40, 1000)[seed % 3]
    X = rng.normal(size=(n, 1))
    y = X[:, 0] + rng.normal(size=n)
    weight = rng.integers(0, 4, n).astype(float)
    weight[0] += weight.sum() % 2
    rows = np.repeat(np.arange(n), weight.astype(int))
    one = HuberRegressor(scale=scale, alpha=0.0).fit(X, y, sample_weight=weight)
    other = HuberRegressor(scale=scale, alpha=0.0).fit(X[rows], y[rows])
    assert_allclose(one.scale_, other.scale_, rtol=1e-8)
    assert_allclose(one.coef_, other.coef_, rtol=1e-7)


def test_weights_of_hardly_more_than_the_parameters():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X.sum(axis=1) + rng.normal(size=100)
    light = np.full(100, 0.042)
    with pytest.warns(ConvergenceWarning, match="add up to 4.2 rows for 4 parameters"):
        HuberRegressor(scale="proposal2").fit(X, y, sample_weight=light)
    plain = HuberRegressor().fit(X, y)
    assert_allclose(HuberRegressor().fit(X, y, sample_weight=light).scale_, plain.scale_)
