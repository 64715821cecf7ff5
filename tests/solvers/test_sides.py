"""Penalties of single coefficients as rows, beside losses with kinks: same minima as by columns."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg import HingeClassifier, HuberRegressor, L1Regressor, QuantileRegressor
from robustreg.solvers import _plan

OPTIONS = [
    {"l1_ratio": 1.0},
    {"l1_ratio": 0.4},
    {"positive": True},
    {"l1_ratio": 1.0, "positive": True, "penalty_weights": [0, 1, 5, np.inf, 1]},
    {"penalty_weights": [0, 1, 1e-9, np.inf, 1e9]},
]


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5)) * [1, 10, 0.1, 1, 3]
    y = X @ [2, -0.1, 5, 1, 0] + rng.standard_t(2, n)
    return X, y, rng.choice([0.5, 1.0, 20.0], n)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("kind", "alpha"),
    [(L1Regressor, 20.0), (QuantileRegressor, 0.05), (HingeClassifier, 5.0), (HuberRegressor, 9.0)],
)
def test_minimum_is_that_of_the_solver_of_columns(kind, alpha, options, make, monkeypatch):
    X, y, weight = rows()
    if kind is QuantileRegressor:
        options = {name: value for name, value in options.items() if name != "l1_ratio"}
    target = (y > 0).astype(int) if kind is HingeClassifier else y
    model = kind(alpha=alpha, **options).fit(make(X), target, sample_weight=weight)
    monkeypatch.setattr(_plan, "ROWS_A_COLUMN", 10**9)
    other = kind(alpha=alpha, **options).fit(make(X), target, sample_weight=weight)
    assert max(np.max(model.optimality_), np.max(other.optimality_)) <= 1e-8
    assert_allclose(model.coef_, other.coef_, atol=1e-6)
    assert np.array_equal(model.coef_ == 0, other.coef_ == 0)
    coef = np.ravel(model.coef_)
    if options.get("positive"):
        assert (coef >= 0).all()
    if "penalty_weights" in options:
        assert coef[3] == 0


def test_many_rows_are_folded():
    X, y, _ = rows(40_000)
    model = L1Regressor(alpha=500.0, l1_ratio=0.5, positive=True).fit(X, y)
    assert model.optimality_ <= 1e-9
    assert (model.coef_ >= 0).all()
    assert (model.coef_ > 0).any()


@pytest.mark.parametrize("alpha", [1e-6, 1e-3])
def test_a_penalty_that_hardly_counts_is_certified(alpha):
    X, y, weight = rows()
    for options in OPTIONS:
        model = L1Regressor(alpha=alpha, **options).fit(X, y, sample_weight=weight)
        assert model.optimality_ <= 1e-8
