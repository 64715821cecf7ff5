"""One of many L1 fits: those of a face known by hand."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg import HuberRegressor
from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, _polyhedra, solve_piecewise
from robustreg.solvers._face import better_part, chosen_point
from robustreg.solvers._result import linprog


def chosen(X, y, weight=None, left_out=0.0):
    data, _ = prepare(X, y, weight)
    objective = Objective(Absolute(), data, L2(0.0))
    found = solve_piecewise(objective, np.zeros(objective.size), Control(tol=1e-8, max_iter=100))
    return objective, found, chosen_point(objective, found, lambda size: left_out)


def test_the_only_minimum_is_kept():
    rng = np.random.default_rng(0)
    _, found, theta = chosen(rng.normal(size=(40, 3)), rng.normal(size=40))
    assert theta is found.x


def test_medians_of_an_even_number():
    """Between 2 and 3, where the better half of the residuals has the same sum everywhere: the centre."""
    y = np.array([-4.0, -3.0, 2.0, 3.0, 8.0, 9.0])
    objective, _, theta = chosen(np.zeros((6, 1)), y)
    assert_allclose(objective.raw(theta), 2.5, atol=1e-9)


def test_the_side_of_the_majority():
    """Medians reach from 1 to 50, and most rows are near 1."""
    y = np.array([0.0, 0.9, 1.0, 50.0, 60.0, 80.0])
    objective, _, theta = chosen(np.zeros((6, 1)), y)
    assert_allclose(objective.raw(theta), 1.0, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_as_good_as_what_was_found(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, size=(50, 3)).astype(float), rng.integers(0, 5, size=50).astype(float)
    objective, found, theta = chosen(X, y, rng.integers(1, 4, 50) * 2.0)
    assert_allclose(objective.evaluate(theta)[0], objective.evaluate(found.x)[0], rtol=1e-10)


def test_few_programs_where_many_rows_meet_in_a_corner(monkeypatch):
    """Factors and whole numbers: far more rows tie than there are directions, and most of them do so everywhere."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(60, size=(2, 720))
    X = np.hstack([np.eye(60)[first], np.eye(60)[second]])
    programs = []

    def counted(*args, **how):
        programs.append(args[0].shape)
        return linprog(*args, **how)

    monkeypatch.setattr(_polyhedra, "linprog", counted)
    objective, found, theta = chosen(X, np.round(3 * rng.normal(size=720)))
    assert theta is not found.x
    assert_allclose(objective.evaluate(theta)[0], objective.evaluate(found.x)[0], rtol=1e-10)
    assert len(programs) < 15  # one for each of the rows that hold each other take 39


def test_better_part_shares_what_is_equal():
    size, weight = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 3.0])
    assert_allclose(better_part(size, weight, 0.0), [0, 1, 0.5, 1.5])
    assert_allclose(better_part(size, weight, 2.0), [0, 1, 0.75, 2.25])


PENALTIES = {
    "none": {},
    "positive": {"positive": True},
    "lasso": {"alpha": 1.0, "l1_ratio": 1.0},
    "positive lasso": {"alpha": 1.0, "l1_ratio": 1.0, "positive": True},
    "removed": {"penalty_weights": [0.0, np.inf, 1.0, np.inf, 0.0]},
    "some": {"alpha": 1.0, "penalty_weights": [0.0, np.inf, 1.0, 1.0, 0.0], "positive": True},
    "squares": {"alpha": 1.0},
}


@pytest.mark.parametrize("name", PENALTIES)
def test_no_scale_hangs_on_the_minimum_that_was_found(name):
    """Integers tie, so that the L1 fit is mostly not unique: rows or columns in another order, sparse, repeated."""
    how = dict(PENALTIES[name])
    for seed in (0, 1, 4, 6, 8):
        rng = np.random.default_rng(seed)
        X = rng.integers(0, 3, size=(20, 5)).astype(float)
        X[:, 4] = X[:, 0] if seed % 4 == 0 else X[:, 4]
        X[:, 3] = -X[:, 1] if seed % 4 == 1 else X[:, 3]
        y = np.round(X @ [1.0, -1.0, 2.0, 0.0, 1.0] + 2 * rng.normal(size=20))
        weight = rng.integers(1, 4, size=20).astype(float)
        scale = HuberRegressor(**how).fit(X, y, weight).scale_
        rows, columns = rng.permutation(20), rng.permutation(5)
        many = np.repeat(np.arange(20), weight.astype(int))
        turned = dict(how)
        if "penalty_weights" in how:
            turned["penalty_weights"] = np.array(how["penalty_weights"])[columns]
        others = [
            HuberRegressor(**how).fit(X[rows], y[rows], weight[rows]).scale_,
            HuberRegressor(**turned).fit(X[:, columns], y, weight).scale_,
            HuberRegressor(**how).fit(sp.csr_array(X), y, weight).scale_,
            HuberRegressor(**how).fit(X[many], y[many]).scale_,
        ]
        assert_allclose(others, scale, rtol=1e-7, err_msg=f"seed {seed}")


@pytest.mark.filterwarnings("ignore:HuberRegressor stopped")  # at rounding of y of this size
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_errors_beside_a_steep_slope_have_a_scale(seed, fit_intercept):
    """Residuals of 1e-9 of the spread of y are no zeros, though several minima tie."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, size=(20, 2)).astype(float)
    y = 1e9 * X[:, 0] + np.round(3 * rng.normal(size=20))
    model = HuberRegressor(fit_intercept=fit_intercept)
    for rows in (np.arange(20), rng.permutation(20)):
        assert 1 < model.fit(X[rows], y[rows]).scale_ < 5


@pytest.mark.parametrize("seed", [27, 132, 273])
def test_the_scale_of_rows_that_are_repeated_many_times(seed):
    """Those nearest to the corner are copies of rows that do not vary, or all meet in it."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 70))
    first, second = int(rng.integers(2, n // 3)), int(rng.integers(2, max(3, n // 5)))
    parts = [np.eye(k)[rng.integers(k, size=n)] for k in (first, second)]
    X = np.hstack([*parts, rng.integers(3, size=(n, 2 * (seed % 2)))])
    y = np.round(rng.normal(size=n) * 2)
    weight = rng.integers(1, 4, n) * 10
    weighted = HuberRegressor().fit(X, y, sample_weight=weight)
    repeated = HuberRegressor().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(repeated.scale_, weighted.scale_, rtol=1e-7)
