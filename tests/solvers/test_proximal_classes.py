"""The hinge loss of all classes by proximal points: what it takes, and where it is not taken."""

from unittest.mock import patch

import numpy as np
import pytest
from sklearn.base import clone

from robustreg import HingeClassifier, passes
from robustreg.solvers import _multiclass, _proximal_classes
from robustreg.solvers._proximal_classes import divided

MODEL = HingeClassifier(multi_class="crammer_singer")


def apart(n=2000, p=12, n_classes=16, seed=0, spread=0.6):
    """Return normal classes of which most rows are far from all others."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    return rng.normal(size=(n_classes, p))[y] + spread * rng.normal(size=(n, p)), y


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_shares_are_the_nearest_that_a_row_may_divide(size):
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.1, 2.0, size=(60, 1))
    values = size * rng.normal(size=(60, 7))
    values[:10] = values[:10, :1]  # all alike
    found = divided(values, weight)
    np.testing.assert_allclose(found.sum(axis=1), weight[:, 0], rtol=1e-12)
    assert found.min() >= 0
    # nearest: where a share is positive it is the value less a number of the row, elsewhere no more than that
    excess = np.where(found > 0, values - found, -np.inf).max(axis=1, keepdims=True)
    rounding = 1e-14 * (size + 1)
    assert np.abs(np.where(found > 0, values - found - excess, 0.0)).max() <= rounding
    assert (values - excess)[found == 0].max(initial=-1.0) <= rounding


def test_steps_take_products_of_the_undecided_rows_alone():
    X, y = apart()
    rows, between = [], passes.between

    def seen(block, rates):
        rows.append(np.count_nonzero(np.count_nonzero(rates, axis=1) > 1))
        return between(block, rates)

    with (
        patch.object(passes, "between", seen),
        patch.object(_multiclass._System, "__init__", side_effect=AssertionError("all rows")),
    ):
        found = clone(MODEL).fit(X, y)
    assert found.optimality_ <= 1e-12
    assert np.median(rows) <= 0.1 * len(y)


@pytest.mark.parametrize("seed", [5, 7])
def test_small_gains_add_up(seed):
    X, y = apart(1500, 10, 10, seed, spread=0.9)
    with (
        patch.object(_proximal_classes, "PATIENCE", 2),
        patch.object(_multiclass._System, "__init__", side_effect=AssertionError("given up")),
    ):
        found = clone(MODEL).fit(X, y)
    assert found.optimality_ <= 1e-12


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_both_ways_end_at_one_minimum(alpha, fit_intercept):
    X, y = apart(1500, 6, 8)
    X[:, 4], X[:, 5] = X[:, 0], 3.0  # a column twice, and a constant one
    weight = np.random.default_rng(1).integers(1, 4, size=len(y)).astype(float)
    model = clone(MODEL).set_params(alpha=alpha, fit_intercept=fit_intercept)
    found = clone(model).fit(X, y, weight)
    with patch.object(_multiclass, "pays", return_value=False):
        other = clone(model).fit(X, y, weight)
    assert max(found.optimality_, other.optimality_) <= 1e-10
    np.testing.assert_allclose(found.coef_, other.coef_, rtol=0, atol=1e-7)


def test_rows_most_of_which_are_undecided_go_another_way():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 5)), rng.integers(6, size=2000)
    formed = []
    system = _multiclass._System.__init__

    def seen(self, *parts):
        formed.append(1)
        system(self, *parts)

    with patch.object(_multiclass._System, "__init__", seen):
        found = clone(MODEL).fit(X, y)
    assert formed
    assert found.optimality_ <= found.tol
