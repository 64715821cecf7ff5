"""Hostile columns in a large sparse X: the answer is that of dense X, or the columns are named.

X is small here and stays sparse all the same: elsewhere it would be worked on as dense blocks.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import robustreg
from robustreg import preparation, sparse_columns
from robustreg.losses import Pinball

N, K = 500, 40
REGRESSORS = {
    "L2": lambda: robustreg.L2Regressor(),
    "L2, penalty": lambda: robustreg.L2Regressor(alpha=1.0),
    "Huber": lambda: robustreg.HuberRegressor(scale=1.0),
    "Huber, scale": lambda: robustreg.HuberRegressor(scale="proposal2"),
    "L1": lambda: robustreg.L1Regressor(),
    "L1, penalty": lambda: robustreg.L1Regressor(alpha=1.0),
    "quantile": lambda: robustreg.QuantileRegressor(quantile=0.8, alpha=1e-4),
    "pinball": lambda: robustreg.RobustRegressor(loss=Pinball(0.3)),
}
CLASSIFIERS = {
    "logistic": lambda: robustreg.LogisticClassifier(),
    "hinge": lambda: robustreg.HingeClassifier(),
    "squared hinge": lambda: robustreg.HingeClassifier(squared=True),
    "focal": lambda: robustreg.FocalClassifier(),
    "poly": lambda: robustreg.PolyClassifier(),
}


@pytest.fixture(autouse=True)
def _sparse_stays_sparse(monkeypatch):
    monkeypatch.setattr(preparation, "FEW_CELLS", 0)
    monkeypatch.setattr(preparation, "DENSE_SHARE", 1.0)


def dummies(rng, k=K):
    return np.eye(k)[rng.integers(0, k, N)]


def seconds(rng):
    """Unix seconds within a minute."""
    return np.column_stack([dummies(rng), 1.7e9 + rng.uniform(0, 60, N)])


def sentinel(rng):
    """1e9 in one row of three sparse columns."""
    X = np.column_stack([dummies(rng), (rng.random((N, 3)) < 0.05) * rng.normal(size=(N, 3))])
    X[7, K:] = 1e9
    return X


def nested(rng):
    """Groups within groups: rank deficient."""
    group = rng.integers(0, 48, N)
    return np.column_stack([np.eye(48)[group], np.eye(24)[group // 2], np.eye(2)[group // 24]])


def sizes(rng):
    """Columns of sizes from 1e-9 to 10."""
    return dummies(rng) * np.logspace(-9, 1, K)


def constant(rng):
    """A constant column, one of zeros, and one that stands twice."""
    X = dummies(rng)
    return np.column_stack([X, np.full(N, 3.0), np.zeros(N), X[:, 3]])


def offset(rng):
    """Years, and a column an offset of a million from zero."""
    return np.column_stack(
        [dummies(rng), rng.integers(1961, 2021, N), 1e6 + rng.normal(size=N), rng.normal(size=N)]
    )


def near(rng):
    """Sparse columns that are nearly the same."""
    x, z = (rng.random((2, N)) < 0.1) * rng.normal(size=(2, N))
    return np.column_stack([dummies(rng), x, x + 1e-8 * z])


CASES = [seconds, sentinel, nested, sizes, constant, offset, near]


def test_directions_without_data_are_not_counted():
    X, signal, rng = table(nested)
    y = signal + rng.normal(size=N)
    dense, sparse = (
        robustreg.HuberRegressor(scale="proposal2").fit(T, y) for T in (X, sp.csr_array(X))
    )
    np.testing.assert_allclose(sparse.scale_, dense.scale_, rtol=1e-8)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-7)


def test_columns_that_cannot_be_resolved_are_named(monkeypatch):
    monkeypatch.setattr(sparse_columns, "MOST_BYTES", 0)
    X, signal, _ = table(near)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        robustreg.L2Regressor().fit(sp.csr_array(X), signal)
    assert f"2 columns ({K}, {K + 1}) that nearly cancel" in str(told[0].message)


def table(case):
    rng = np.random.default_rng(CASES.index(case))
    X = case(rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z[:, ~np.isfinite(Z).all(axis=0)] = 0.0
    signal = Z @ rng.normal(size=X.shape[1])
    signal = np.clip(signal / np.median(np.abs(signal)), -3, 3)
    return X, signal, rng


def objective(name, model, X, y):
    """Value of a fit by one of the losses that may have several minima."""
    r, coef = y - model.predict(X), model.coef_
    loss = {
        "L1": lambda: np.abs(r).sum(),
        "L1, penalty": lambda: np.abs(r).sum() + 0.5 * coef @ coef,
        "quantile": lambda: np.maximum(0.8 * r, -0.2 * r).mean() + 1e-4 * np.abs(coef).sum(),
        "pinball": lambda: np.maximum(0.3 * r, -0.7 * r).sum(),
    }
    return loss[name]()


def fits(make, X, y):
    """A dense fit and two sparse ones, certified."""
    models = [make().fit(rows, y) for rows in (X, sp.csr_array(X), sp.csc_matrix(X))]
    for model in models:
        assert model.optimality_ <= model.tol
    return models


def agree(fitted, X, raw):
    dense, *others = fitted
    expected, size = raw(dense), np.abs(X).max(axis=0)
    for model in others:
        np.testing.assert_allclose(raw(model), expected, atol=1e-7 * np.abs(expected).max())
        terms = [np.abs(coef) * size for coef in (model.coef_ - dense.coef_, dense.coef_)]
        assert terms[0].max() <= 2e-6 * terms[1].max()
        if hasattr(dense, "scale_"):
            np.testing.assert_allclose(model.scale_, dense.scale_, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (name, case)
        for name in REGRESSORS
        for case in CASES
        # an L1 penalty takes the columns as they are: nearly equal ones of 1e9 are warned of
        if not (name == "quantile" and case is sentinel)
    ],
)
def test_regressors(name, case):
    X, signal, rng = table(case)
    y = signal + rng.normal(size=N)
    y[rng.random(N) < 0.05] += 20.0
    fitted = fits(REGRESSORS[name], X, y)
    if name in ("L1", "L1, penalty", "quantile", "pinball"):
        values = [objective(name, model, X, y) for model in fitted]
        np.testing.assert_allclose(values, values[0], rtol=1e-7)
    else:
        agree(fitted, X, lambda model: model.predict(X))


@pytest.mark.parametrize("case", [case for case in CASES if case is not sentinel])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, case):
    X, signal, rng = table(case)
    y = (signal + rng.logistic(size=N) > 0).astype(int)
    fitted, sign = fits(CLASSIFIERS[name], X, y), 2 * y - 1
    if name == "hinge":
        values = [
            np.maximum(0, 1 - sign * model.decision_function(X)).sum()
            + 0.5 * (model.coef_**2).sum()
            for model in fitted
        ]
        np.testing.assert_allclose(values, values[0], rtol=1e-7)
    else:
        agree(fitted, X, lambda model: model.decision_function(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "hinge"])
def test_classifiers_of_rows_far_out(name):
    X, signal, rng = table(sentinel)
    y = (signal + rng.logistic(size=N) > 0).astype(int)
    dense, sparse = (
        CLASSIFIERS[name]().fit(rows, y).decision_function(X) for rows in (X, sp.csr_array(X))
    )
    near = np.arange(N) != 7  # the score of the row far out is some 1e8
    np.testing.assert_allclose(sparse[near], dense[near], atol=2e-4)
