"""Exact minima by passes where rows that are in doubt cannot all be fetched: hard tables."""

import warnings
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    QuantileRegressor,
    RobustRegressor,
    remote,
)
from robustreg.losses import Pinball
from robustreg.solvers import Control
from robustreg.solvers._kinked_passes import BINS, Spread, edge
from tests._parts import fit, table

N = 20_000
MODELS = [
    L1Regressor(),
    L1Regressor(alpha=50.0),
    RobustRegressor(loss=Pinball(0.3)),
    QuantileRegressor(quantile=0.9, alpha=0.01),
]


@pytest.fixture(autouse=True)
def little(monkeypatch):
    monkeypatch.setattr(remote, "TAKE_BYTES", 200_000)


def plain(rng):
    X = rng.normal(size=(N, 4))
    return X, X.sum(axis=1) + rng.standard_t(2, size=N), None


def many_zeros(rng):
    X, y, _ = plain(rng)
    return X, np.where(rng.random(N) < 0.7, 0.0, np.abs(y)), None


def mostly_exact(rng):
    X, _, _ = plain(rng)
    return X, X.sum(axis=1) + 3 + (rng.random(N) < 0.3) * rng.normal(size=N), None


def partly_exact(rng):
    X, _, _ = plain(rng)
    return X, X.sum(axis=1) + 3 + (rng.random(N) < 0.6) * rng.normal(size=N), None


def whole_numbers(rng):
    X, y, _ = plain(rng)
    return np.round(X), np.round(y), None


def dummies(rng):
    _, y, _ = plain(rng)
    return (rng.random((N, 4)) < 0.3) * 1.0, np.round(y, 1), None


def uneven(rng):
    X, y, _ = plain(rng)
    return X, y, rng.uniform(0.5, 1, size=N) ** 20


def few_with_all_the_weight(rng):
    X, y, _ = plain(rng)
    weight = np.full(N, 1e-6)
    weight[:50] = 1.0
    return X, y, weight


def far_targets(rng):
    X, y, _ = plain(rng)
    y[::3] = 1e6 * np.abs(y[::3])
    return X, y, None


def leverage(rng):
    X, y, _ = plain(rng)
    X[:500] *= 1e4
    return X, y, None


def cauchy(rng):
    return rng.standard_cauchy(size=(N, 4)), plain(rng)[1], None


def in_order(rng):
    X, y, _ = plain(rng)
    order = np.argsort(y)
    return X[order], y[order], None


TABLES = [
    plain, many_zeros, mostly_exact, partly_exact, whole_numbers, dummies, uneven,
    few_with_all_the_weight, far_targets, leverage, cauchy, in_order,
]  # fmt: skip


def value(model, X, y, weight):
    """Sum of the losses with the penalty of QuantileRegressor or L2."""
    residual = y - X @ model.coef_ - model.intercept_
    kinks = model._loss().kinks(y)
    loss = np.maximum(-kinks.lower * residual, -kinks.upper * residual)
    mean = isinstance(model, QuantileRegressor)
    lost = (
        np.average(loss, weights=weight)
        if mean
        else np.sum(loss if weight is None else weight * loss)
    )
    size = np.abs(model.coef_).sum() if mean else 0.5 * model.coef_ @ model.coef_
    return lost + model.alpha * size


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_value_is_that_in_memory(make, model):
    X, y, weight = make(np.random.default_rng(0))
    local = clone(model).fit(X, y, sample_weight=weight)
    found = fit(model, table(X, y, weight))
    assert_allclose(value(found, X, y, weight), value(local, X, y, weight), rtol=1e-11)


@pytest.mark.parametrize("make", [plain, many_zeros, partly_exact, far_targets, leverage, uneven])
def test_huber_at_the_scale_of_the_l1_fit_is_that_in_memory(make):
    X, y, weight = make(np.random.default_rng(1))
    local = HuberRegressor(tol=1e-11).fit(X, y, sample_weight=weight)
    found = fit(HuberRegressor(tol=1e-11), table(X, y, weight))
    assert_allclose(found.scale_, local.scale_, rtol=1e-9)
    assert_allclose(found.coef_, local.coef_, atol=1e-8)


@pytest.mark.parametrize("y", [np.full(N, 4.0), np.zeros(N)], ids=["constant", "zero"])
@pytest.mark.parametrize("model", [L1Regressor(), HuberRegressor()], ids=repr)
def test_constant_target(model, y):
    X = plain(np.random.default_rng(0))[0]
    found = fit(model, table(X, y))
    assert_allclose(found.coef_, 0.0, atol=1e-12)
    assert_allclose(found.intercept_, y[0], rtol=1e-12)
    assert found.scale_ == 0.0


def test_exact_fit_of_most_rows_has_scale_zero():
    X, y, _ = mostly_exact(np.random.default_rng(0))
    found = fit(HuberRegressor(), table(X, y))
    assert found.scale_ == 0.0
    assert_allclose(found.coef_, 1.0, rtol=1e-12)


def remotely(model, held):
    """Fit without asking for a proof."""
    prepared = model._prepare_remote(held)
    found = model._solve_from(None, prepared)
    model._store(found, prepared)
    return model, found


def test_few_iterations_are_said_to_be_too_few():
    X, y, _ = plain(np.random.default_rng(0))
    for most in (1, 2, 5, 12, 25):
        model, found = remotely(L1Regressor(max_iter=most), table(X, y))
        assert found.status == (1 if model.optimality_ > model.tol else 0)
        best = clone(model).set_params(max_iter=1000).fit(X, y)
        excess = value(model, X, y, None) / value(best, X, y, None) - 1
        assert excess <= model.optimality_ + 1e-12
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model._warn(found)
        assert len(caught) == (model.optimality_ > model.tol)
        assert all(issubclass(one.category, ConvergenceWarning) for one in caught)


@pytest.mark.parametrize("after", [1, 3, 12, 17])
def test_callback_stops_a_fit(after):
    X, y, _ = plain(np.random.default_rng(0))
    told = []

    def stop(intermediate_result):
        told.append(intermediate_result.x)
        return len(told) >= after

    for model in (L1Regressor(), HuberRegressor()):
        told.clear()
        prepared = model._prepare_remote(table(X, y))
        solve, ended = model._plan(prepared, None, Control(1e-8, 1000, stop))
        found = ended(solve())
        assert found.status == 99
        assert len(told) == after


@pytest.mark.parametrize("quantile", [0.5, 0.8])
def test_more_ties_than_may_be_fetched_beside_a_penalty_of_absolute_values(quantile):
    X, _, _ = plain(np.random.default_rng(0))
    held = table(X, X[:, :2].sum(axis=1))
    model = fit(QuantileRegressor(quantile=quantile, alpha=0.001), held)
    assert_allclose(model.coef_, [1.0, 1.0, 0.0, 0.0], rtol=1e-12)
    assert (model.coef_[2:] == 0).all()
    assert held.passes <= 30


def test_warm_start_needs_fewer_passes():
    X, y, _ = plain(np.random.default_rng(0))
    for model in (L1Regressor(warm_start=True), HuberRegressor(warm_start=True)):
        cold, warm = table(X, y), table(X, y)
        model = fit(model, cold)
        prepared = model._prepare_remote(warm)
        found = model._solve_from(model._start(prepared), prepared)
        assert found.optimality <= model.tol
        assert warm.passes < cold.passes


def test_bins_hold_what_they_say():
    size = np.abs(np.random.default_rng(0).standard_cauchy(10_000))
    size[:10] = 0.0
    spread = Spread.of(size, None)
    assert spread.counts.sum() == len(size)
    for i in np.flatnonzero(spread.counts)[1:]:
        inside = (size >= edge(i)) & (size < edge(i + 1))
        assert spread.counts[i] == np.count_nonzero(inside)
    for share in (0.1, 0.5, 0.9):
        exact = np.quantile(size, share)
        assert exact <= spread.reach(share) <= 1.3 * exact
        room = spread.widest(share * len(size))
        assert np.count_nonzero(size < room) <= share * len(size)
        assert spread.within(exact) >= np.count_nonzero(size < exact)
    assert Spread.of(np.array([1e300, 0.0, 5e-324]), None).counts[[0, BINS - 1]].tolist() == [2, 1]


@pytest.mark.parametrize(
    "seed, said",
    [
        (10, nullcontext()),
        (13, nullcontext()),
        (26, pytest.warns(ConvergenceWarning, match="stopped after")),
    ],
)
def test_labels_by_chance_beside_whole_numbers_end_with_a_true_certificate(seed, said):
    """No row in reach is on its kink, where the sample has led to the wrong end of a flat stretch."""
    rng = np.random.default_rng(seed)
    X, y = np.round(rng.normal(size=(4400, 1))), rng.integers(0, 2, size=4400)
    weight = rng.integers(1, 4, size=4400).astype(float)
    model = HingeClassifier(alpha=4700.0)
    with patch.object(remote, "TAKE_BYTES", 40_000), said:
        found = clone(model)._fit_table(table(X, y, weight), None, None, None)
    local = clone(model).fit(X, y, sample_weight=weight)

    def objective(fitted):
        margin = (2 * y - 1) * fitted.decision_function(X)
        size = 0.5 * model.alpha * np.sum(fitted.coef_**2)
        return weight @ np.maximum(1 - margin, 0) + size

    excess = 1 - objective(local) / objective(found)
    assert excess <= found.optimality_ + 1e-12


@pytest.mark.parametrize("seed", [1, 2, 9])
def test_quantiles_with_a_penalty_beside_rows_far_out_end_at_a_proven_minimum(seed):
    """A penalty whose kink stays in wide envelopes leads them astray."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 4))
    y = X @ rng.normal(size=4) + rng.standard_t(3, size=N)
    X[rng.random(N) < 3e-4] *= 10.0 ** rng.uniform(3, 8)
    model = QuantileRegressor(quantile=0.9, alpha=1e-3)
    found, local = fit(model, table(X, y)), clone(model).fit(X, y)
    assert_allclose(found.coef_, local.coef_, rtol=0, atol=1e-8)
    assert_allclose(found.intercept_, local.intercept_, rtol=1e-8)


@pytest.mark.parametrize("seed", [1, 4])
def test_a_hinge_without_coefficients_is_at_the_edge_of_a_flat_stretch(seed):
    """Classes are so even that a sample may take the wrong one for the larger."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    y = (X[:, 0] + rng.standard_normal(N) > 0).astype(int)
    found = fit(HingeClassifier(alpha=1e5, l1_ratio=1.0), table(X, y))
    assert not found.coef_.any()
    assert_allclose(found.intercept_, 1.0 if y.mean() > 0.5 else -1.0)


@pytest.mark.parametrize("seed", [0, 3])
def test_no_row_near_its_kink_leaves_the_square_to_be_minimised(seed):
    """Beside a heavy penalty all margins are missed by about one."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(4400, 2)), rng.integers(0, 2, size=4400)
    model = HingeClassifier(alpha=1e5, fit_intercept=False)
    with patch.object(remote, "TAKE_BYTES", 40_000):
        found = clone(model)._fit_table(table(X, y, np.ones(4400)), None, None, None)
    assert found.optimality_ <= 1e-13
    assert_allclose(found.coef_, model.fit(X, y).coef_, rtol=1e-9)
