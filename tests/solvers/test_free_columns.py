"""Columns that no penalty holds, which may be nearly one column."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    RobustClassifier,
    RobustRegressor,
)
from robustreg.coordinates import Coordinates
from robustreg.data import Data, WorkingSet
from robustreg.losses import Focal
from robustreg.penalties import GroupLasso
from robustreg.solvers._free_columns import FreeColumns


def near_copies(h, n=50, seed=0):
    """Two columns that differ by h times a third that y needs, and one that is penalised."""
    z, d, noise, e = np.random.default_rng(seed).standard_normal((4, n))
    return np.column_stack([z, z + h * d, noise]), d + 0.5 * e, d


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("h", [1.0, 1e-4], ids=["apart", "near"])
def test_combinations_are_orthonormal_and_give_the_columns_back(h, weighted, intercept):
    rng = np.random.default_rng(0)
    X, y, _ = near_copies(h)
    weight = rng.uniform(0.1, 3, len(y)) if weighted else None
    data = Data(X, y, weight, Coordinates(np.zeros(3), np.ones(3)), intercept=intercept)
    free = FreeColumns.of(data, np.array([0, 1]))
    own = np.column_stack([X[:, :2], np.ones(len(y))]) if intercept else X[:, :2]
    combined = own @ free.transform
    share = np.ones(len(y)) if weight is None else weight
    inner = combined.T @ (share[:, None] * combined) / share.sum()
    assert_allclose(inner, np.eye(2 + intercept), atol=1e-9)
    coef = rng.standard_normal((2 + intercept, 3))
    assert_allclose(combined @ (free.back @ coef), own @ coef, atol=1e-9)


def test_a_sequence_of_fits_decomposes_the_same_columns_once():
    X, y, _ = near_copies(1.0)
    data = Data(X, y, None, Coordinates(np.zeros(3), np.ones(3)), working=WorkingSet())
    first = FreeColumns.of(data, np.array([0, 1]))
    passes = data.passes.count
    assert FreeColumns.of(data, np.array([0, 1])) is first
    assert data.passes.count == passes > 0
    assert FreeColumns.of(data, np.array([1, 2])) is not first
    unit = Coordinates(np.zeros(3), np.array([1.0, 2.0, 1.0]))
    other = FreeColumns.of(replace(data, coordinates=unit, explicit=True), np.array([1, 2]))
    combined = (X[:, 1:] * [2.0, 1.0]) @ other.transform[:2] + other.transform[2]
    assert_allclose(combined.T @ combined / len(y), np.eye(3), atol=1e-12)


def test_a_column_twice_is_one_direction():
    X, y, _ = near_copies(0.0)
    data = Data(X, y, None, Coordinates(np.zeros(3), np.ones(3)))
    assert FreeColumns.of(data, np.array([0, 1])).transform.shape == (3, 2)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("h", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize(
    "model",
    [
        L2Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]),
        L2Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1], fit_intercept=False),
        L1Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]),
        RobustRegressor(loss="huber", scale=1.0, alpha=1.0, penalty=GroupLasso(groups=[0, 0, 1]),
                        penalty_weights=[0, 0, 1]),
    ],
    ids=["squares", "squares, no intercept", "absolute", "group"],
)  # fmt: skip
def test_nearly_equal_columns_without_a_penalty(model, h, make):
    X, y, d = near_copies(h)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(make(X), y)
    apart = np.column_stack([X[:, 0], d, X[:, 2]])
    best = clone(model).fit(apart, y)

    def objective(fit, X):
        r = y - fit.predict(X)
        rho = np.abs(r) if isinstance(fit, L1Regressor) else 0.5 * r**2
        if isinstance(fit, RobustRegressor):
            rho = np.where(np.abs(r) < 1.345, rho, 1.345 * (np.abs(r) - 1.345 / 2))
        return rho.sum() + np.abs(fit.coef_[2])

    excess = objective(model, X) / objective(best, apart) - 1
    assert excess < 1e-5
    assert told or excess < 1e-7
    if h >= 1e-5:
        assert not told


def test_a_probability_that_needs_the_difference_of_two_columns():
    X, _, d = near_copies(1e-6, n=300)
    y = d + np.random.default_rng(1).logistic(size=300) > 0
    model = LogisticClassifier(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]).fit(X, y)
    apart = np.column_stack([X[:, 0], d, X[:, 2]])
    best = LogisticClassifier(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]).fit(apart, y)
    assert_allclose(model.predict_proba(X), best.predict_proba(apart), atol=1e-7)


@pytest.mark.parametrize("h", [1e-7, 1e-9])
def test_signs_that_hold_nearly_equal_columns_are_not_certified_where_more_is_possible(h):
    X, y, d = near_copies(h)
    X = np.column_stack([X, -X[:, 0]])  # so that any multiple of the difference is allowed
    with pytest.warns(ConvergenceWarning):
        model = L2Regressor(alpha=0.0, positive=True).fit(X, y)
    assert model.optimality_ > 1e-3
    assert np.sum((y - model.predict(X)) ** 2) > 2 * np.sum((y - d) ** 2)


@pytest.mark.parametrize("scale", [1.0, 1e9, 1e-9])
@pytest.mark.parametrize(
    "model",
    [
        L1Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]),
        L2Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[0, 0, 1]),
        L1Regressor(alpha=0.0, positive=True),
        L2Regressor(alpha=0.0, positive=True),
    ],
    ids=repr,
)
def test_exact_fits_do_not_warn(model, scale):
    X = np.random.default_rng(0).standard_normal((50, 3))
    coef = np.array([1.0, 2.0, 0.0]) * scale
    model.fit(X, X @ coef + 1e3 * scale)
    assert_allclose(model.coef_ / scale, coef / scale, atol=1e-9)


def test_a_column_that_is_free_for_one_class_only_keeps_the_penalty_of_the_others():
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(30, 3)), np.arange(30) % 3
    # SCAD holds no large coefficient
    model = RobustClassifier(loss=Focal(gamma=1.0), penalty="scad", alpha=0.1).fit(X, y)
    assert model.optimality_ <= 1e-8
