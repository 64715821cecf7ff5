"""Penalties of single coefficients on few rows: exact beside rows far out and heavy ones, certified by their own slopes."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from robustreg import HuberRegressor, L1Regressor, L2Regressor, RobustRegressor
from robustreg.losses import Pinball
from robustreg.solvers import _by_column
from robustreg.solvers._by_rows import solve_by_rows

N, P = 60, 200


def table(seed, far=1e6, heavy=1e5, n=N, p=P):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X[:, :5] @ [3.0, -2.0, 1.5, 1.0, -1.0] + 0.3 * rng.normal(size=n)
    X[rng.choice(n, 3, replace=False)] *= far
    weight = np.ones(n)
    weight[rng.choice(n, 2, replace=False)] = heavy
    return X, y, weight


def objective(model, X, y, weight, delta, l1, l2=0.0, exact=np.longdouble):
    """Return that of a Huber fit with digits to spare."""
    coef = model.coef_.astype(exact)
    r = np.abs(y - X.astype(exact) @ coef - exact(model.intercept_))
    rho = np.where(r <= delta, r**2 / 2, delta * (r - delta / 2))
    return weight @ rho + l1 * np.abs(coef).sum() + l2 / 2 * (coef @ coef)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("scale", ["l1", "mad", 1.0, "concomitant"])
def test_fits_beside_far_and_heavy_rows_end(scale, seed, alpha, l1_ratio):
    X, y, weight = table(seed)
    model = HuberRegressor(alpha=alpha, l1_ratio=l1_ratio, scale=scale)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # where all rows are fitted but for rounding
        model.fit(X, y, weight)
    assert model.optimality_ <= (1e-7 if scale in ("l1", "concomitant") else 1e-11)
    assert model.n_iter_ < 500
    assert np.count_nonzero(model.coef_) <= N or l1_ratio < 1


def test_far_and_heavy_rows_do_not_lead_to_a_conic_minimum_above():
    X, y, weight = table(0, far=1e3, heavy=1e3)
    for l1, l2 in ((2.0, 0.0), (1.0, 1.0)):
        ratio = l1 / (l1 + l2)
        model = HuberRegressor(alpha=l1 + l2, l1_ratio=ratio, scale=1.0, epsilon=1.5)
        model.fit(X, y, weight)
        b, c = cp.Variable(P), cp.Variable()
        loss = weight @ cp.huber(X @ b + c - y, 1.5) / 2
        problem = cp.Problem(cp.Minimize(loss + l1 * cp.norm1(b) + l2 / 2 * cp.sum_squares(b)))
        least = problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_feas=1e-11)
        found = float(objective(model, X, y, weight, 1.5, l1, l2))
        assert abs(found - least) <= 1e-8 * least
        assert_allclose(model.coef_, b.value, atol=1e-4)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_absolute_fits_agree_with_conic_minima(l1_ratio, positive):
    X, y, weight = table(3, far=1.0, heavy=3.0, n=40, p=90)
    factors = np.r_[0.0, np.inf, np.linspace(0.5, 2.0, 88)]
    alpha, live = 3.0, np.isfinite(factors)
    model = L1Regressor(alpha=alpha, l1_ratio=l1_ratio, positive=positive, penalty_weights=factors)
    model.fit(X, y, weight)
    b, c = cp.Variable(90), cp.Variable()
    loss = weight @ cp.abs(X @ b + c - y)
    share = np.where(live, factors, 0.0)
    size = share @ (l1_ratio * cp.abs(b) + (1 - l1_ratio) / 2 * b**2)
    limits = [b[1] == 0] + [b >= 0] * positive
    problem = cp.Problem(cp.Minimize(loss + alpha * size), limits)
    least = problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_feas=1e-11)
    coef = model.coef_
    own = share @ (l1_ratio * np.abs(coef) + (1 - l1_ratio) / 2 * coef**2)
    found = weight @ np.abs(y - X @ coef - model.intercept_) + alpha * own
    assert model.optimality_ <= 1e-12
    assert abs(found - least) <= 1e-8 * least
    assert coef[1] == 0
    assert np.count_nonzero(coef) < 90


MODELS = [
    L2Regressor(alpha=3.0, l1_ratio=1.0),
    L2Regressor(alpha=3.0, l1_ratio=0.5, positive=True),
    HuberRegressor(alpha=2.0, l1_ratio=1.0, scale=1.0),
    RobustRegressor(loss=Pinball(quantile=0.3), alpha=2.0, penalty="l1"),
    L1Regressor(alpha=2.0, l1_ratio=0.5, fit_intercept=False),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: repr(model)[:60])
def test_rows_and_columns_lead_to_one_minimum(model, monkeypatch):
    X, y, weight = table(2, far=1.0, heavy=5.0, n=50, p=80)
    ways, found = [], []

    def watched(objective, control):
        ways.append(True)
        return solve_by_rows(objective, control)

    monkeypatch.setattr(_by_column, "solve_by_rows", watched)
    for first in (True, False):
        monkeypatch.setattr(_by_column, "comes_first", lambda objective, first=first: first)
        model.fit(X, y, weight)
        assert model.optimality_ <= 1e-10
        found.append(model.coef_)
    assert len(ways) == 1
    assert_allclose(found[0], found[1], atol=1e-8)
    assert_allclose(found[0] == 0, found[1] == 0)


def test_a_path_ends_where_no_iteration_is_left_or_there_is_nothing_to_fit():
    X, y, weight = table(0)
    with pytest.warns(ConvergenceWarning, match="max_iter=5"):
        model = HuberRegressor(alpha=1.0, l1_ratio=1.0, scale=1.0, max_iter=5).fit(X, y, weight)
    assert model.n_iter_ <= 5
    model = L1Regressor(alpha=1.0, l1_ratio=1.0).fit(X, np.zeros(N), weight)
    assert not model.coef_.any()
