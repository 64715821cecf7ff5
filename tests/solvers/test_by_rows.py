"""Penalties of single coefficients on few rows: exact beside rows far out and heavy ones, certified by their own slopes."""

import warnings

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
        # where all rows are fitted but for rounding
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, weight)
    assert model.optimality_ <= (1e-7 if scale in ("l1", "concomitant") else 1e-11)
    assert model.n_iter_ < 500
    assert np.count_nonzero(model.coef_) <= N or l1_ratio < 1


#: least objectives by cvxpy 1.7 with Clarabel at tolerances of 1e-11: of Huber fits by weights of absolute values and
#: squares, of absolute fits by l1_ratio and positive
HUBER = {(2.0, 0.0): 23.98845558323087, (1.0, 1.0): 17.710434431666947}
ABSOLUTE = {
    (1.0, False): 36.99550855640958,
    (1.0, True): 54.075510925259415,
    (0.5, False): 24.58356430983369,
    (0.5, True): 44.10638632051118,
}


@pytest.mark.parametrize(("l1", "l2"), HUBER)
def test_fits_beside_far_and_heavy_rows_reach_conic_minima(l1, l2):
    X, y, weight = table(0, far=1e3, heavy=1e3)
    model = HuberRegressor(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), scale=1.0, epsilon=1.5)
    model.fit(X, y, weight)
    found = float(objective(model, X, y, weight, 1.5, l1, l2))
    assert_allclose(found, HUBER[l1, l2], rtol=1e-8)


@pytest.mark.parametrize(("l1_ratio", "positive"), ABSOLUTE)
def test_absolute_fits_reach_conic_minima(l1_ratio, positive):
    X, y, weight = table(3, far=1.0, heavy=3.0, n=40, p=90)
    factors = np.r_[0.0, np.inf, np.linspace(0.5, 2.0, 88)]
    alpha, share = 3.0, np.where(np.isfinite(factors), factors, 0.0)
    model = L1Regressor(alpha=alpha, l1_ratio=l1_ratio, positive=positive, penalty_weights=factors)
    coef = model.fit(X, y, weight).coef_
    own = share @ (l1_ratio * np.abs(coef) + (1 - l1_ratio) / 2 * coef**2)
    found = weight @ np.abs(y - X @ coef - model.intercept_) + alpha * own
    assert model.optimality_ <= 1e-12
    assert_allclose(found, ABSOLUTE[l1_ratio, positive], rtol=1e-8)
    assert coef[1] == 0
    assert not positive or (coef >= 0).all()
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


@pytest.mark.parametrize(("strength", "first"), [(0.1, False), (0.01, True)])
def test_rows_come_first_where_many_columns_leave_zero(strength, first, monkeypatch):
    n = 300  # of 100 columns five matter: their gradients at zero are several times the penalty
    X, y, _ = table(4, far=1.0, n=n, p=100)
    ways = []

    def watched(objective, control):
        ways.append(True)
        return solve_by_rows(objective, control)

    monkeypatch.setattr(_by_column, "solve_by_rows", watched)
    model = L1Regressor(alpha=strength * n, l1_ratio=1.0).fit(X, y)
    assert bool(ways) is first
    assert model.optimality_ <= 1e-12


def test_a_path_ends_where_no_iteration_is_left_or_there_is_nothing_to_fit():
    X, y, weight = table(0)
    with pytest.warns(ConvergenceWarning, match="max_iter=5"):
        model = HuberRegressor(alpha=1.0, l1_ratio=1.0, scale=1.0, max_iter=5).fit(X, y, weight)
    assert model.n_iter_ <= 5
    model = L1Regressor(alpha=1.0, l1_ratio=1.0).fit(X, np.zeros(N), weight)
    assert not model.coef_.any()
