"""Columns that are tiny, huge, twice there or nearly so: no certificate of a lost column."""

import numpy as np
import pytest

import robustreg
from robustreg.losses import Pinball

N = 60
PENALISED = {
    "L1": lambda **k: robustreg.L1Regressor(**k),
    "L2": lambda **k: robustreg.L2Regressor(**k),
    "pinball": lambda **k: robustreg.RobustRegressor(loss=Pinball(0.3), **k),
    "huber": lambda **k: robustreg.HuberRegressor(scale=1.0, **k),
}


def value(name, model, X, y, alpha):
    r = y - model.predict(X)
    loss = {
        "L1": np.abs(r),
        "L2": 0.5 * r**2,
        "pinball": np.maximum(0.3 * r, -0.7 * r),
        "huber": np.where(np.abs(r) <= 1.345, 0.5 * r**2, 1.345 * np.abs(r) - 0.5 * 1.345**2),
    }[name]
    return loss.sum() + 0.5 * alpha * model.coef_ @ model.coef_


def table(seed):
    rng = np.random.default_rng(seed)
    x, z, v = rng.normal(size=(3, N))
    return x, z, v, x + v + rng.standard_t(3, size=N)


@pytest.mark.parametrize("name", PENALISED)
@pytest.mark.parametrize("tiny", [1e-4, 1e-9, 1e-30])
@pytest.mark.parametrize("seed", range(2))
def test_a_penalised_tiny_column_beside_one_that_stands_twice(name, tiny, seed):
    x, _, v, y = table(seed)
    X, make = np.column_stack([x, x, tiny * v]), PENALISED[name]
    model, without = make(alpha=1.0).fit(X, y), make(alpha=1.0).fit(X[:, :2], y)
    assert model.optimality_ <= model.tol
    least = value(name, without, X[:, :2], y, 1.0)
    assert value(name, model, X, y, 1.0) <= least * (1 + 1e-9)
    np.testing.assert_allclose(model.coef_[:2], without.coef_, rtol=1e-3 if tiny == 1e-4 else 1e-6)


@pytest.mark.parametrize("name", PENALISED)
@pytest.mark.parametrize("tiny", [1e-9, 1.0, 1e6])
def test_a_near_copy_and_a_column_that_stands_twice(name, tiny):
    x, z, v, _ = table(2)
    y = z + v + x + 0.1 * np.random.default_rng(3).normal(size=N)
    X = np.column_stack([z, (z + 1e-7 * v) * tiny, x])
    once, twice = (PENALISED[name](alpha=0.0).fit(T, y) for T in (X, np.column_stack([X, x])))
    assert twice.optimality_ <= twice.tol
    np.testing.assert_allclose(
        value(name, twice, np.column_stack([X, x]), y, 0.0), value(name, once, X, y, 0.0), rtol=1e-6
    )


@pytest.mark.parametrize("name", PENALISED)
@pytest.mark.parametrize("small", [1e-6, 1e-12])
def test_a_column_in_two_units_hides_no_third(name, small):
    x, z, _, _ = table(4)
    y = x + z + 0.1 * np.random.default_rng(5).normal(size=N)
    lone = PENALISED[name](alpha=0.0).fit(np.column_stack([x, z]), y)
    model = PENALISED[name](alpha=0.0).fit(np.column_stack([x, 1e12 * x, small * z]), y)
    assert model.optimality_ <= model.tol
    np.testing.assert_allclose(
        model.predict(np.column_stack([x, 1e12 * x, small * z])),
        lone.predict(np.column_stack([x, z])),
        atol=1e-6,
    )


@pytest.mark.parametrize("far", [1e3, 8e8, 1e12])
@pytest.mark.parametrize("alpha", [1e-6, 1.0])
def test_one_huge_column_on_four_rows(far, alpha):
    X = np.array([[0, far], [1, 0], [0, far], [0, 1.0]])
    y = np.array([-0.4, -0.1, 0.8, 1.0])
    model = robustreg.L1Regressor(alpha=alpha, fit_intercept=False).fit(X, y)
    other = np.array([-0.1, 0.8 / far])
    bound = np.abs(y - X @ other).sum() + 0.5 * alpha * other @ other
    assert model.optimality_ <= model.tol
    assert np.abs(y - X @ model.coef_).sum() <= bound * (1 + 1e-9)
