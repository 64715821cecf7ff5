"""Absolute and pinball losses on sparse X that stays sparse, and programs that HiGHS cannot end."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

import robustreg
from robustreg.losses import Pinball
from robustreg.solvers import _program

N, P = 12_000, 90  # more cells than are made dense at once
MODELS = {
    "L1": lambda: robustreg.L1Regressor(),
    "L1, penalty": lambda: robustreg.L1Regressor(alpha=1.0),
    "L1, exact": lambda: robustreg.L1Regressor(solver="exact"),
    "L1, HiGHS": lambda: robustreg.L1Regressor(solver="highs"),
    "pinball, penalty": lambda: robustreg.RobustRegressor(loss=Pinball(0.3), alpha=1.0),
    "quantile": lambda: robustreg.QuantileRegressor(quantile=0.9, alpha=1e-3),
    "quantile, exact": lambda: robustreg.QuantileRegressor(alpha=1e-4, solver="exact"),
}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = sp.random(N, P, density=0.02, random_state=rng, format="csr")
    return X, np.asarray(X @ rng.normal(size=P)) + 0.3 * rng.standard_t(3, size=N)


@pytest.mark.parametrize("name", MODELS)
def test_sparse_and_dense_agree(name, table):
    X, y = table
    sparse, dense = (MODELS[name]().fit(rows, y) for rows in (X, X.toarray()))
    assert sparse.optimality_ <= sparse.tol
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-9)
    np.testing.assert_allclose(sparse.intercept_, dense.intercept_, atol=1e-9)


@pytest.mark.parametrize("make", [MODELS["L1"], robustreg.HuberRegressor])
def test_most_rows_fitted_exactly(make):
    rng = np.random.default_rng(1)
    group = rng.integers(0, P, N)
    X = sp.csr_array((np.ones(N), (np.arange(N), group)), shape=(N, P))
    y = rng.normal(size=P)[group]
    y[: N // 20] += 50.0
    model = make().fit(X, y)
    assert model.optimality_ <= model.tol
    assert np.abs(y - model.predict(X))[N // 20 :].max() < 1e-9


@pytest.mark.parametrize(
    ("solver", "alpha", "small"),
    [("auto", 0.0, 1e-8), ("auto", 1e-6, 1e-3), ("auto", 1.0, 1e-8), ("highs", 1.0, 1e-3)],
)
def test_quantiles_of_small_sparse_columns(solver, alpha, small, table):
    X, y = table
    model = robustreg.QuantileRegressor(quantile=0.9, alpha=alpha, solver=solver).fit(small * X, y)
    assert model.optimality_ <= model.tol
    assert 0.898 < np.mean(y <= model.predict(small * X) + 1e-9) < 0.91


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("small", [1e-3, 1e-9, 1e-14])
@pytest.mark.parametrize("solver", ["highs", "highs-ds", "highs-ipm"])
def test_small_dense_columns_by_highs(alpha, small, solver):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=200)
    own, asked = (
        robustreg.QuantileRegressor(quantile=0.9, alpha=alpha, solver=name).fit(
            X * [small, 1, 1], y
        )
        for name in ("exact", solver)
    )
    assert asked.optimality_ <= asked.tol
    np.testing.assert_allclose(asked.coef_ * [small, 1, 1], own.coef_ * [small, 1, 1], atol=1e-8)


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_program_that_ends_without_an_answer_is_asked_otherwise(fails, monkeypatch):
    asked = []

    def some_fail(*args, method, **how):
        asked.append(method)
        found = linprog(*args, method=method, **how)
        if len(asked) <= fails:
            found.x, found.status, found.message = None, 2, "The problem is infeasible."
        return found

    linprog = _program.linprog
    monkeypatch.setattr(_program, "linprog", some_fail)
    X = np.random.default_rng(3).normal(size=(50, 2))
    model = robustreg.QuantileRegressor(alpha=0.0, solver="highs")
    if fails < 3:
        assert model.fit(X, X @ [1.0, 2.0]).optimality_ <= model.tol
    else:
        with pytest.warns(ConvergenceWarning, match=r"HiGHS ended without .*infeasible.*exact"):
            model.fit(X, X @ [1.0, 2.0])
    assert asked == ["highs", "highs-ds", "highs-ipm"][: fails + 1]
