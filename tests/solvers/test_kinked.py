"""Piecewise linear losses on data of any size: against one linear program on all rows, and duality."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.datasets import make_regression

from robustreg import L1Regressor, QuantileRegressor, RobustRegressor
from robustreg.losses import Absolute, Hinge, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L1, L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, _programs, middle_intercept, solve_piecewise, solve_program
from robustreg.solvers._kinked import _reach
from tests._reference import best_kinked, best_quadratic, objective, sample


def composed(penalty, loss=None, n=60, **options):
    X, y, weight = sample(n=n, **options)
    data, _ = prepare(X, y, weight, reduce=penalty.euclidean)
    return Objective(loss or Pinball(0.3), data, penalty)


def value(problem, theta):
    """Objective per unit of weight at a point."""
    u, _, _ = problem.split(theta)
    kinks = problem.loss.kinks(problem.data.y)
    s = problem.raw(theta) - kinks.position
    loss = problem.data.weight @ np.maximum(kinks.lower * s, kinks.upper * s)
    coef = problem.data.coordinates.coef(u)
    return (loss + problem.penalty.value_gradient(coef)[0]) / problem.total


@pytest.mark.parametrize("n", [60, 3000, 40_000])
@pytest.mark.parametrize("penalty", [L2(), L2(5.0), L1(2.0)], ids=str)
def test_certificate(penalty, n):
    problem = composed(penalty.scaled(n / 60), n=n)
    found = solve_piecewise(problem, np.zeros(problem.size), Control(tol=1e-8, max_iter=1000))
    assert found.success
    assert 0 <= found.optimality <= 1e-8
    assert_allclose(found.fun, value(problem, found.x), rtol=1e-12)
    # The slopes are a dual point: in their bounds, balanced, and on their side off the kinks.
    kinks, weight = problem.loss.kinks(problem.data.y), problem.data.weight
    slack = 1e-9 * weight
    assert np.all(found.slopes >= weight * kinks.lower - slack)
    assert np.all(found.slopes <= weight * kinks.upper + slack)
    assert abs(found.slopes.sum()) <= 1e-9 * weight.sum()
    s = problem.raw(found.x) - kinks.position
    off = np.abs(s) > 1e-7
    assert_allclose(found.slopes[off], (weight * np.where(s > 0, kinks.upper, kinks.lower))[off])
    assert np.array_equal(found.zero, np.abs(s) < 1e-9)
    assert found.zero.sum() <= problem.size + 1


@pytest.mark.parametrize("method", ["highs", "highs-ds", "highs-ipm"])
@pytest.mark.parametrize("penalty", [L1(), L1(2.0)], ids=str)
def test_program_is_the_exact_way(penalty, method):
    problem = composed(penalty, n=300)
    exact = solve_piecewise(problem, np.zeros(problem.size), Control(tol=1e-8, max_iter=1000))
    program = solve_program(problem, np.zeros(problem.size), Control(tol=1e-6), method=method)
    assert program.success
    assert_allclose(program.fun, exact.fun, rtol=1e-9)
    assert_allclose(program.x, exact.x, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n", [60, 3000, 40_000])
@pytest.mark.parametrize("most", [1, 2, 5, 20])
def test_no_more_iterations_than_allowed(n, most):
    problem = composed(L1(0.0), n=n)
    control = Control(tol=1e-8, max_iter=most)
    found = solve_piecewise(problem, np.zeros(problem.size), control)
    assert 1 <= control.n_iter <= most
    assert found.status == (0 if found.success else 1)
    best = solve_piecewise(problem, np.zeros(problem.size), Control(tol=1e-8, max_iter=1000))
    assert best.success
    assert found.fun >= best.fun * (1 - 1e-12)
    if found.success:
        assert_allclose(found.x, best.x, rtol=1e-9)


def test_rows_on_their_other_side_are_in_the_gap():
    """Wherever max_iter ends the search: the gap bounds what the best solution is better by."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(25_000, 3))
    y = X.sum(axis=1) + rng.standard_t(1.5, size=25_000)
    data, _ = prepare(X, y - np.median(y))
    problem, none = Objective(Pinball(0.98), data, L1(0.0)), np.zeros(4)
    whole = Control(tol=1e-8, max_iter=1000)
    best = solve_piecewise(problem, none, whole)
    assert best.success
    short = 0
    for most in range(4, whole.n_iter):
        found = solve_piecewise(problem, none, Control(tol=1e-8, max_iter=most))
        assert found.fun * (1 - found.optimality) <= best.fun * (1 + 1e-12)
        short += not found.success
    assert short >= 3


@pytest.mark.parametrize("start", ["zero", "near", "far"])
def test_any_start_will_do(start):
    problem = composed(L2(), n=3000)
    best = solve_piecewise(problem, np.zeros(4), Control(tol=1e-8, max_iter=1000))
    rng = np.random.default_rng(0)
    theta = {"zero": np.zeros(4), "near": best.x + 1e-3, "far": 1e4 * rng.normal(size=4)}[start]
    for warm in (False, True):
        found = solve_piecewise(problem, theta, Control(tol=1e-8, max_iter=1000), warm=warm)
        assert_allclose(found.x, best.x, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("quantile", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("n, p", [(30, 2), (300, 10), (1500, 4)])
def test_quantiles_against_a_program_on_all_rows(n, p, quantile, alpha, fit_intercept):
    X, y, weight = sample(n=n, p=p, seed=n)
    model = QuantileRegressor(quantile=quantile, alpha=alpha, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=weight)
    assert_allclose(objective(model, X, y, weight), best_kinked(model, X, y, weight), rtol=1e-9)


@pytest.mark.parametrize("decimals", [0, 1])
@pytest.mark.parametrize("n", [50, 2000])
def test_ties_by_the_dozen(n, decimals):
    # Counts and prices: many rows are the same, and many lie on their kinks at the answer.
    X, y, _ = sample(n=n, seed=6)
    X, y = np.round(X, decimals), np.round(y, decimals)
    for model in (L1Regressor(), QuantileRegressor(quantile=0.25, alpha=0.1)):
        model.fit(X, y)
        assert_allclose(objective(model, X, y), best_kinked(model, X, y), rtol=1e-9)
        assert model.optimality_ <= 1e-8


def test_most_rows_on_one_plane_and_many_of_them():
    # The width of the envelope, twice the median residual, is zero here.
    X, y, _ = sample(n=30_000, seed=7, outliers=0.0)
    exact = X @ np.array([1.0, 2.0, 3.0]) + 0.5
    y = np.where(np.arange(len(y)) % 3 == 0, y, exact)
    model = L1Regressor().fit(X, y)
    assert_allclose(model.coef_, [1.0, 2.0, 3.0], rtol=1e-10)
    assert model.optimality_ <= 1e-8


def leverage(kind, seed):
    """Return many rows, some of which any change of the coefficients moves far."""
    rng, n = np.random.default_rng(seed), 25_000
    X = {
        "heavy tails": lambda: rng.standard_cauchy((n, 4)),
        "positive and skew": lambda: np.exp(2 * rng.normal(size=(n, 4))),
        "rare dummies": lambda: (rng.random((n, 6)) < 0.002).astype(float),
        "few rows far out": lambda: (
            rng.normal(size=(n, 3)) * np.where(np.arange(n) < 30, 1e3, 1)[:, None]
        ),
    }[kind]()
    return X, X.sum(axis=1) + rng.standard_t(2, n) * np.exp(rng.normal(size=n))


@pytest.mark.parametrize("quantile", [0.5, 0.95])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "kind", ["heavy tails", "positive and skew", "rare dummies", "few rows far out"]
)
def test_rows_that_move_more_than_others(kind, seed, quantile):
    # They cross their kinks although they were far from them at the envelope's minimum.
    X, y = leverage(kind, seed)
    model = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
    assert model.optimality_ <= 1e-8
    # a dual point made from the fit: what a tiny L2 penalty would ask of it is nothing
    proof = RobustRegressor(loss=Pinball(quantile), alpha=1e-9)
    proof.coef_, proof.intercept_ = model.coef_, model.intercept_
    lowest = objective(proof, X, y)
    assert lowest - best_quadratic(proof, X, y) <= 1e-8 * lowest


def test_zeros_under_an_l1_penalty_are_exact():
    X, y = make_regression(200, 30, n_informative=5, noise=5.0, random_state=0)
    model = QuantileRegressor(alpha=0.05).fit(X, y)
    assert 15 <= (model.coef_ == 0).sum() <= 28
    assert_allclose(objective(model, X, y), best_kinked(model, X, y), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.02, 0.3])
def test_more_columns_than_rows_under_an_l1_penalty(alpha):
    X, y = make_regression(60, 600, n_informative=5, noise=1.0, random_state=1)
    model = QuantileRegressor(alpha=alpha, quantile=0.4).fit(X, y)
    assert_allclose(objective(model, X, y), best_kinked(model, X, y), rtol=1e-8)
    assert (model.coef_ != 0).sum() <= 60


@pytest.mark.parametrize("quantile", [0.2, 0.5])
def test_at_the_answer_the_right_share_of_rows_lies_below(quantile):
    X, y, _ = sample(n=5000, p=5, seed=8)
    residual = y - QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y).predict(X)
    below = np.mean(residual < -1e-9)
    assert below <= quantile <= np.mean(residual <= 1e-9)
    assert (abs(residual) < 1e-9).sum() == 6  # as many as there are parameters


@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 1.0, 100.0, 1e6])
def test_penalties_of_all_sizes(alpha):
    X, y, weight = sample(n=100, seed=9)
    model = RobustRegressor(loss=Pinball(0.3), alpha=alpha).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= 1e-8
    rng, lowest = np.random.default_rng(2), objective(model, X, y, weight)
    for size in np.repeat([1e-7, 1e-4, 1e-1], 20):
        coef = model.coef_ * (1 + size * rng.normal(size=3))
        assert lowest <= objective(model, X, y, weight, coef=coef) * (1 + 1e-14)


def test_hinge_has_kinks_as_well():
    X, y, weight = sample(n=200, seed=10)
    labels = (y > np.median(y)).astype(float)
    data, _ = prepare(X, labels, weight)
    problem = Objective(Hinge(), data, L2(1.0))
    found = solve_piecewise(problem, np.zeros(4), Control(tol=1e-8, max_iter=1000))
    assert found.optimality <= 1e-8
    rng = np.random.default_rng(3)
    for size in np.repeat([1e-5, 1e-2, 1.0], 20):
        assert found.fun <= problem.evaluate(found.x + size * rng.normal(size=4))[0]


def test_middle_of_the_intercepts_that_are_equally_good():
    X, y = np.array([[0.0], [0.0], [0.0], [0.0]]), np.array([1.0, 2.0, 4.0, 9.0])
    data, _ = prepare(X, y)
    problem = Objective(Absolute(), data, L2())
    for start in (2.0, 2.5, 4.0):
        theta = np.append(np.zeros(problem.size - 1), start)
        assert middle_intercept(problem, theta)[-1] == 3.0
    # where there is one best intercept, or the point is none, it is left
    for start in (1.0, 9.0):
        theta = np.append(np.zeros(problem.size - 1), start)
        assert middle_intercept(problem, theta)[-1] == start


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_large_sparse_tables(fit_intercept):
    rng = np.random.default_rng(11)
    X = sp.csr_array(sp.random(3000, 400, density=0.01, random_state=0))
    y = X @ np.where(np.arange(400) < 10, 2.0, 0.0) + 0.1 * rng.standard_t(3, size=3000)
    model = QuantileRegressor(alpha=1e-4, fit_intercept=fit_intercept).fit(X, y)
    assert model.optimality_ <= 1e-8
    dense = QuantileRegressor(alpha=1e-4, fit_intercept=fit_intercept).fit(X.toarray(), y)
    one, other = objective(model, X, y), objective(dense, X.toarray(), y)
    assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(
    ("n", "p", "share"), [(4000, 30, 0.999), (4000, 30, 0.9), (2000, 8, 0.92), (3000, 40, 0.995)]
)
@pytest.mark.parametrize("zeros", [False, True])
def test_few_programs_are_solved_where_many_rows_tie(n, p, share, zeros, monkeypatch):
    asked = []
    linprog = _programs.linprog

    def counted(*args, **how):
        asked.append(how["A_eq"].shape[1])
        return linprog(*args, **how)

    monkeypatch.setattr(_programs, "linprog", counted)
    rng = np.random.default_rng(1)
    X = rng.integers(0, 4, (n, p)).astype(float) if zeros else rng.normal(size=(n, p))
    y = np.rint(X @ rng.normal(size=p) + rng.standard_t(2, n))
    if zeros:
        y = np.where(rng.random(n) < 0.9, 0.0, np.rint(np.exp(rng.normal(size=n) + X[:, 0])))
    model = QuantileRegressor(quantile=share, alpha=0.0).fit(X, y)
    assert model.optimality_ <= model.tol
    assert len(asked) <= 5


@pytest.mark.parametrize("period", [10, 25, 50, 7])
def test_rows_of_a_kind_in_a_period_are_no_sample(period):
    s = np.random.default_rng(0).normal(size=1_000_000)
    s[::period] = 50.0
    weight = np.where(s == 50.0, 2.0, 1.0)
    usual = np.abs(s[s != 50.0])
    for share in (0.06, 0.3):
        k = int(share * len(s))
        assert _reach(s, None, share) == pytest.approx(np.partition(usual, k)[k], rel=0.15)
        k = int(share * weight.sum())
        assert _reach(s, weight, share) == pytest.approx(np.partition(usual, k)[k], rel=0.15)
