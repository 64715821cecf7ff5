"""A small gradient is called a minimum only where the curvature says that it is one."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import HuberRegressor, RobustRegressor
from robustreg.data import Data
from robustreg.losses import Absolute, Fair, Huber, Logistic, Squared
from robustreg.objective import Objective
from robustreg.penalties import L1, L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, _certificates, solve_piecewise, solve_smooth
from robustreg.solvers._certificates import NOISE, decrement, optimality, relative_decrement
from robustreg.solvers._gap import certify
from robustreg.solvers._metrics import DenseMetric
from tests._reference import objective as value_of
from tests._reference import sample


def composed(loss, weight=None, alpha=0.3, p=3, n=200):
    X, y, _ = sample(n=n, p=p, seed=1)
    data, _ = prepare(X, y, weight)
    return Objective(loss, data, L2(alpha))


def heavy(size, n=200):
    weight = np.ones(n)
    weight[0] = size
    return weight / weight.mean()


@pytest.mark.parametrize("heaviest", [1.0, 1e6, 1e10])
def test_half_the_square_is_what_is_left_to_gain(heaviest):
    problem = composed(Fair(), heavy(heaviest))
    best = solve_smooth(problem, np.zeros(4), Control(tol=1e-14))
    near = best.x + 1e-3 * np.array([1.0, -1.0, 2.0, 1.0])
    value, gradient = problem.evaluate(near)[:2]
    assert_allclose(0.5 * decrement(problem, near, gradient) ** 2, value - best.fun, rtol=0.05)


def test_a_metric_that_is_there_is_used():
    problem = composed(Fair())
    theta = np.zeros(4)
    value, gradient = problem.evaluate(theta)[:2]
    before = problem.data.passes.count
    metric = DenseMetric(np.eye(4))
    assert_allclose(decrement(problem, theta, gradient, metric), np.linalg.norm(gradient))
    assert problem.data.passes.count == before
    small = 1e-9 * gradient / np.abs(gradient).max()
    assert optimality(problem, theta, value, small, metric) == np.abs(small).max()


def test_many_columns_take_some_products(monkeypatch):
    wide = composed(Squared(), alpha=30.0, p=150)
    theta = np.zeros(wide.size)
    _, gradient = wide.evaluate(theta)[:2]
    direct = float(np.sqrt(gradient @ np.linalg.solve(wide.hess(theta), gradient)))
    monkeypatch.setattr(Data, "has_gram", False)
    before = wide.data.passes.count
    assert_allclose(decrement(wide, theta, gradient), direct, rtol=0.1)
    assert wide.data.passes.count - before <= 10


def test_many_rows_are_judged_by_some(monkeypatch):
    monkeypatch.setattr(_certificates, "LITTLE_WORK", 1e5)
    problem = composed(Fair(), n=30_000)
    theta = solve_smooth(problem, np.zeros(4), Control()).x
    value, gradient = problem.evaluate(theta)[:2]
    before = problem.data.passes.count
    assert optimality(problem, theta, value, gradient) == np.abs(gradient).max()
    assert problem.data.passes.count - before <= 0.11
    # one heavy row, which is not among them
    beside = composed(Fair(), n=30_000, weight=heavy(1e14, 30_000))
    assert optimality(beside, theta, 1e-9, np.full(4, 1e-9)) > 1e-6


def test_a_direction_without_curvature_proves_nothing():
    flat = DenseMetric(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert flat.square(np.array([1e-9, 1e-9])) < 1e-17
    assert flat.square(np.array([1e-9, -1e-9])) > 1e-5


def test_gradients_alone_where_there_is_no_minimum():
    assert optimality(composed(Huber()), np.zeros(4), 1.0, np.full(4, 0.1)) == 0.1


def test_sizes_of_curvature_count_where_it_is_negative():
    bent = DenseMetric(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert_allclose(bent.square(np.array([1.0, -1.0])), 2.0)
    assert_allclose(bent.square(np.array([1.0, 1.0])), 2.0 / 3.0)


def test_rounding_is_no_decrement():
    assert relative_decrement(1e-20, 0.0) == 0.0
    assert relative_decrement(1e-3, 0.0) == 0.0
    assert np.isfinite(relative_decrement(1e-3, 1e-320))
    assert relative_decrement(NOISE, 1e-30) == 0.0
    assert relative_decrement(1e-3, 0.0) == 0.0  # no loss is left
    assert relative_decrement(1e-3, 0.5) == pytest.approx(1e-3)
    assert relative_decrement(1e-3, 1e12) == pytest.approx(1e-3 / np.sqrt(2))


@pytest.mark.parametrize("solver", ["newton", "newton-cg", "lbfgs"])
@pytest.mark.parametrize("loss", ["fair", "pseudo_huber", "log_cosh", "huber"])
@pytest.mark.parametrize("heaviest", [1e5, 1e9, 1e12])
def test_solvers_agree_beside_one_heavy_row(solver, loss, heaviest):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X.sum(axis=1) + rng.standard_t(2, size=200)
    weight = heavy(heaviest)
    model = RobustRegressor(loss=loss, scale=1.0, solver=solver).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    best = RobustRegressor(loss=loss, scale=1.0, tol=1e-13).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_, best.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", ["newton", "newton-cg", "lbfgs"])
@pytest.mark.parametrize("loss", ["welsch", "cauchy", "tukey", "geman_mcclure", "lqq"])
@pytest.mark.parametrize("heaviest", [1e6, 1e10])
def test_losses_that_are_not_convex_are_stationary_beside_one_heavy_row(solver, loss, heaviest):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X.sum(axis=1) + rng.standard_t(2, size=200)
    weight = heavy(heaviest)
    model = RobustRegressor(loss=loss, scale=4.0, solver=solver).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    best = RobustRegressor(loss=loss, scale=4.0, tol=1e-13).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_, best.coef_, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-4, 1e-3, 1e-2, 100.0, 6e5])
@pytest.mark.parametrize("seed", range(3))
def test_solvers_agree_at_any_epsilon(epsilon, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=60)
    values = []
    for solver in ("newton", "newton-cg", "lbfgs"):
        model = HuberRegressor(epsilon=epsilon, alpha=0.0, solver=solver, scale="proposal2")
        model.fit(X, y)
        assert model.optimality_ <= model.tol
        values.append(value_of(model, X, y))
    assert_allclose(values, values[0], rtol=1e-9)


def test_a_far_entry_is_not_certified_by_a_gradient():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] + rng.logistic(size=60) > 0).astype(float)
    X[0, 0] = 1e11
    data, _ = prepare(X, y)
    problem = Objective(Logistic(), data, L2(1.0))
    found = solve_smooth(problem, np.zeros(4), Control(max_iter=40))
    # row 0 is right at any large coefficient of its column, which 59 rows have yet to agree on
    assert found.fun * 60 > 36.1
    assert np.abs(found.jac).max() < 1e-3
    assert found.optimality > 1e-6


@pytest.mark.parametrize(
    ("n", "p", "penalty"),
    [
        (60, 4, L2(0.0)),
        (60, 4, L2(3.0)),
        (60, 4, L1(3.0)),
        (30_000, 4, L2(0.0)),
        (30_000, 4, L2(300.0)),
        (30_000, 4, L1(300.0)),
        (80, 150, L2(3.0)),
        (150, 320, L1(8.0)),
        (150, 320, L1(2.0)),
    ],
    ids=repr,
)
def test_every_way_of_a_loss_with_kinks_ends_in_the_certificate_of_the_whole_problem(n, p, penalty):
    rng = np.random.default_rng(n + p)
    X, noise = rng.standard_normal((n, p)), rng.standard_t(3, size=n)
    data, _ = prepare(X, X[:, 0] + noise, None, intercept=True, reduce=penalty.euclidean)
    objective = Objective(Absolute(), data, penalty)
    found = solve_piecewise(
        objective, np.zeros(objective.size), Control(max_iter=500), method="auto"
    )
    assert found.optimality <= 1e-10
    proof = certify(objective, found.x, found.slopes)
    assert abs(proof.value - found.optimality) <= 1e-10
    assert_allclose(proof.objective, found.fun, rtol=1e-10)
    # another problem, nearly the same, is not at its minimum there
    more = replace(objective, penalty=replace(penalty, alpha=1.5 * penalty.alpha + 0.01 * n))
    assert certify(more, found.x, found.slopes).value > 1e-5
