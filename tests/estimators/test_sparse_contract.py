"""Every hostile table gives one answer, dense or sparse, or says that it gives none."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
    preparation,
)

REGRESSORS = [
    L2Regressor(), L2Regressor(alpha=1.0), HuberRegressor(), HuberRegressor(alpha=1.0),
    HuberRegressor(scale="proposal2", alpha=0.1), HuberRegressor(scale="concomitant"),
    HuberRegressor(scale="mad"), L1Regressor(), L1Regressor(alpha=1.0),
    QuantileRegressor(quantile=0.8, alpha=0), QuantileRegressor(quantile=0.8, alpha=0.1),
    RobustRegressor(loss="tukey"), RobustRegressor(loss="tukey", alpha=1.0),
    HuberRegressor(alpha=0.1, l1_ratio=0.5),
]  # fmt: skip
CLASSIFIERS = [
    LogisticClassifier(), HingeClassifier(), HingeClassifier(squared=True),
    HingeClassifier(multi_class="crammer_singer"), FocalClassifier(), PolyClassifier(), DiceClassifier(),
]  # fmt: skip


def same(values, rng):
    return values


def changed(rows, value):
    def change(values, rng):
        values = values.copy()
        values[rows] = value
        return values

    return change


def scaled(factor):
    return lambda values, rng: values * factor


#: what is done to X, to y, and the weights; and rows and columns
OF_X = {
    **{f"X * {k:g}": scaled(k) for k in (1e10, 1e150, 1e-10, 1e-150)},
    **{f"X + {k:g}": lambda X, rng, k=k: X + k for k in (1e3, 1e6)},
    "column scales": scaled(np.array([1e4, 1.0, 1.0])),
    "leverage": changed((7, 0), 1e6),
    "sentinel": changed(7, 1e9),
    "constant columns": lambda X, rng: np.c_[X, np.full(len(X), 7.3), np.zeros(len(X))],
    "column twice": lambda X, rng: np.c_[X, X[:, 0]],
    "collinear": lambda X, rng: np.c_[X, X @ [1.0, -2.0, 0.5]],
    "nearly collinear": lambda X, rng: np.c_[X, X[:, 0] + 1e-7 * X[:, 1]],
    "dummies and seconds": lambda X, rng: np.c_[
        np.eye(6)[rng.integers(0, 6, len(X))], 1.7e9 + rng.uniform(0, 60, len(X))
    ],
}
OF_Y = {
    **{f"y * {k:g}": scaled(k) for k in (1e4, 1e10, 1e150, 1e-6, 1e-150)},
    **{f"one y {k:g}": changed(5, k) for k in (1e4, 1e8, 1e12)},
    "constant y": changed(slice(None), 3.7),
    "mostly zero y": lambda y, rng: np.where(rng.random(len(y)) < 0.7, 0.0, y),
}
WEIGHTS = {
    "weights 1e300": lambda rng, n: 1e300 * rng.uniform(0.5, 2, n),
    "weights 1e-300": lambda rng, n: 1e-300 * rng.uniform(0.5, 2, n),
    "zero weights": lambda rng, n: (rng.random(n) < 0.7) * 1.0,
}
SHAPES = {"one row": (1, 3), "as many rows as columns": (3, 3), "wide": (5, 20), "wider": (40, 200)}


@pytest.fixture(autouse=True)
def _sparse_stays_sparse(monkeypatch):
    monkeypatch.setattr(preparation, "FEW_CELLS", 0)
    monkeypatch.setattr(preparation, "DENSE_SHARE", 1.0)


def table(of_x=same, of_y=same, shape=(60, 3)):
    rng = np.random.default_rng(3)
    X = np.where(rng.random(shape) < 0.6, rng.normal(size=shape), 0.0)
    y = of_y(X.sum(axis=1) + rng.standard_t(3, len(X)), rng)
    return of_x(X, rng), y, rng


def fitted(model, X, y, weight):
    """Return the fit and whether it is certified."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = clone(model).fit(X, y, sample_weight=weight)
    return model, model.optimality_ <= model.tol


def lost(model, X, y, weight):
    """Objective of a loss that may have several minima, y of size one; None of others."""
    kind, weight = type(model), np.ones(len(y)) if weight is None else weight / weight.max()
    unit = np.abs(y).max() or 1.0
    r, coef = (y - model.predict(X)) / unit, model.coef_ / unit
    if kind is L1Regressor:
        return float(weight @ np.abs(r))
    if kind is QuantileRegressor:
        loss = np.average(np.maximum(0.8 * r, -0.2 * r), weights=weight)
        return float(loss + model.alpha * np.abs(coef).sum())
    return None


def check(X, y, weight=None):
    for model in REGRESSORS:
        dense, sure = fitted(model, X, y, weight)
        sparse, certified = fitted(model, sp.csr_array(X), y, weight)
        if not (sure and certified):
            continue
        values = [lost(found, X, y, weight) for found in (dense, sparse)]
        if values[0] is not None:
            assert abs(values[0] - values[1]) <= 1e-7 * values[0] + 1e-12, model
        else:
            size = max(np.ptp(dense.predict(X)), np.median(np.abs(y - np.median(y))))
            miss = np.abs(dense.predict(X) - sparse.predict(X)).max()
            assert miss <= 1e-7 * size + 1e-12 * np.abs(y).max(), model
        if hasattr(dense, "scale_"):
            assert (
                abs(dense.scale_ - sparse.scale_) <= 1e-6 * dense.scale_ + 1e-12 * np.abs(y).max()
            ), model


@pytest.mark.parametrize("of_y", OF_Y.values(), ids=OF_Y)
def test_targets(of_y):
    check(*table(of_y=of_y)[:2])


@pytest.mark.parametrize("of_x", OF_X.values(), ids=OF_X)
def test_columns(of_x):
    X, y, _ = table(of_x)
    check(X, y)
    if of_x is OF_X["sentinel"]:
        return  # classifiers of rows far out have a test of their own, by the other rows
    for model in CLASSIFIERS:
        several = getattr(model, "multi_class", "") == "crammer_singer"
        label = np.digitize(y, [-1.0, 1.0] if several else [np.median(y)])
        dense, sure = fitted(model, X, label, None)
        sparse, certified = fitted(model, sp.csr_array(X), label, None)
        if not (sure and certified):
            continue
        scores = [found.decision_function(X) for found in (dense, sparse)]
        if np.ptp(scores[0]) < 1e-6 and isinstance(model, HingeClassifier):
            continue  # of the intercept alone there are several minima
        assert np.abs(scores[0] - scores[1]).max() <= 1e-7 * max(np.ptp(scores[0]), 1.0), model


@pytest.mark.parametrize("weigh", WEIGHTS.values(), ids=WEIGHTS)
def test_weights(weigh):
    X, y, rng = table()
    check(X, y, weigh(rng, len(y)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes(shape):
    check(*table(shape=shape)[:2])


def test_exact_fits():
    X, _, _ = table()
    check(X, X @ [1.0, 2.0, -1.0] + 0.5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("scale", ["l1", "proposal2"])
def test_dummies_within_dummies_have_one_scale(scale, alpha):
    """Rows through which the fit passes anyway, and parameters, count alike."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 40, 3000)
    X = np.column_stack([np.eye(40)[group], np.eye(10)[group // 4]])
    y = X @ rng.normal(size=50) + rng.normal(size=3000)
    models = [HuberRegressor(scale=scale, alpha=alpha)]
    if scale == "l1":
        models += [L1Regressor(alpha=alpha), RobustRegressor(loss="tukey", alpha=alpha)]
    for model in models:
        dense, sparse = (clone(model).fit(T, y).scale_ for T in (X, sp.csr_array(X)))
        assert abs(dense - sparse) <= 1e-7 * dense
