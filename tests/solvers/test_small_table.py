"""Small tables, solved at once, against the ways of large ones."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Absolute, Hinge, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L1, L2, ElasticNet
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers import Control
from robustreg.solvers._kinked import solve_kinked
from robustreg.solvers._small_table import ROWS, solve_small


def objective(loss, alpha=0.0, n=61, p=3, weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    X, noise = rng.normal(size=(n, p)), rng.standard_t(2, size=n)
    y = X.sum(axis=1) + noise
    if isinstance(loss, Hinge):
        y = np.where(y > 0, 1.0, -1.0)
    data, _ = prepare(X, y, rng.uniform(0.2, 3.0, n) if weighted else None)
    return Objective(loss, data, L2(alpha))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0])
@pytest.mark.parametrize("loss", [Absolute(), Pinball(0.8), Hinge()], ids=repr)
def test_agrees_with_the_way_of_large_tables(loss, alpha, weighted):
    for seed in range(4):
        problem = objective(loss, alpha, weighted=weighted, seed=seed)
        zero = np.zeros(problem.size)
        found = solve_small(problem, zero, Control())
        other = solve_kinked(problem, zero, Control())
        if found is None:
            assert loss.name == "hinge"
            continue
        assert found.optimality <= 1e-12
        assert_allclose(found.fun, other.fun, rtol=1e-10)
        assert_allclose(found.x, other.x, atol=1e-8)
        assert_allclose(found.slopes, other.slopes, atol=1e-7)
        assert np.array_equal(found.zero, other.zero)
        assert_allclose(found.offsets, other.offsets, atol=1e-8)


@pytest.mark.parametrize("loss", [Absolute(), Pinball(0.8)], ids=repr)
def test_many_columns_are_no_reason_without_a_penalty(loss):
    for n, p in ((150, 80), (400, 120)):
        problem = objective(loss, n=n, p=p)
        zero = np.zeros(problem.size)
        found = solve_small(problem, zero, Control())
        other = solve_kinked(problem, zero, Control())
        assert found.optimality <= 1e-12
        assert_allclose(found.x, other.x, atol=1e-8)
        assert solve_small(objective(loss, 0.1, n=n, p=p), zero, Control()) is None


def test_rows_on_their_kinks_determine_the_point():
    problem = objective(Absolute())
    found = solve_small(problem, np.zeros(problem.size), Control())
    assert found.determined
    assert np.count_nonzero(found.zero) == problem.size


@pytest.mark.parametrize("share", [0.3, 0.6, None])
def test_where_many_rows_meet_no_vertices_are_gone_through(share):
    # rows of a hyperplane, or of whole numbers: a walk is at 1,000 of its vertices, all of them the same point
    rng = np.random.default_rng(0)
    n, p = 1000, 80
    X = rng.integers(-1, 2, (n, p)).astype(float) if share is None else rng.normal(size=(n, p))
    y = X @ rng.integers(-1, 2, p).astype(float)
    off = rng.random(n) < (share or 0.4)
    y[off] += rng.integers(-1, 2, off.sum()) if share is None else rng.normal(size=off.sum())
    data, _ = prepare(X, y)
    problem = Objective(Absolute(), data, L2(0.0))
    zero = np.zeros(problem.size)
    found = solve_small(problem, zero, Control())
    assert found is not None
    assert found.optimality <= 1e-12
    assert np.count_nonzero(found.zero) > 2 * problem.size
    assert not found.determined
    other = solve_kinked(problem, zero, Control())
    assert_allclose(found.x, other.x, atol=1e-9)
    assert np.all(np.abs(found.slopes) <= 1 + 1e-12)


@pytest.mark.parametrize("form", [L1, lambda alpha: Applied.to(ElasticNet(alpha, 1.0))])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("loss", [Absolute(), Pinball(0.83), Hinge()], ids=repr)
def test_absolute_values_are_as_many_rows_more(loss, alpha, weighted, form):
    for seed in range(4):
        problem = objective(loss, n=150, p=12, weighted=weighted, seed=seed)
        problem = replace(problem, penalty=form(alpha))
        zero = np.zeros(problem.size)
        found = solve_small(problem, zero, Control())
        other = solve_kinked(problem, zero, Control())
        assert found.optimality <= 1e-12
        assert_allclose(found.fun, other.fun, rtol=1e-10)
        assert_allclose(found.x, other.x, atol=1e-8)
        assert np.array_equal(found.x == 0, other.x == 0)
        assert np.array_equal(found.zero, other.zero)
        if found.zero.sum() <= problem.size:  # elsewhere several slopes balance
            assert_allclose(found.slopes, other.slopes, atol=1e-7)


def test_large_tables_and_other_penalties_are_left_to_others():
    zero = np.zeros(4)
    assert solve_small(objective(Absolute(), n=ROWS + 1), zero, Control()) is None
    problem = objective(Absolute())
    both = Applied.to(ElasticNet(1.0, 0.5))
    for penalty in (both, Applied.to(ElasticNet(1.0, 1.0), positive=True)):
        assert solve_small(replace(problem, penalty=penalty), zero, Control()) is None


@pytest.mark.parametrize("loss", [Absolute(), Pinball(0.9)], ids=repr)
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [140, 230])
def test_few_rows_for_each_coefficient_are_one_program(loss, far, weighted, p):
    problem = objective(loss, n=ROWS + 100, p=p, weighted=weighted)
    if far:
        y = problem.data.y.copy()
        y[::40] = 1e9
        problem = replace(problem, data=problem.data.with_target(y, problem.data.weight))
    zero = np.zeros(problem.size)
    before = problem.data.passes.count
    found = solve_small(problem, zero, Control())
    assert found.optimality <= 1e-12
    assert problem.data.passes.count - before <= 2
    assert_allclose(found.x, solve_kinked(problem, zero, Control()).x, atol=1e-8)


def test_beside_heavy_rows_the_others_are_folded():
    problem = objective(Absolute(), n=ROWS + 100, p=230)
    weight = np.where(np.arange(ROWS + 100) % 20, 1.0, 1e6)
    heavy = replace(problem, data=problem.data.with_target(problem.data.y, weight))
    assert solve_small(heavy, np.zeros(problem.size), Control()) is None


def test_a_callback_stops():
    problem = objective(Absolute())
    control = Control(callback=lambda intermediate_result: True)
    found = solve_small(problem, np.zeros(problem.size), control)
    assert control.n_iter == 1
    assert found.status == 99
