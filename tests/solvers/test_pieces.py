"""Rows summed up while no other row crosses an end of the line that psi is."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad

from robustreg.losses import Huber, LogCosh, Logistic, Pinball, Smoothed
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, Problem, Result, _pieces, solve_fixed, solve_joint
from robustreg.solvers._pieces import Far, has_pieces, look_ahead, losses_by_pieces
from tests._reference import sample

SIGMA, KAPPA = 0.8, 0.7
JOINT = pytest.mark.parametrize("joint", [True, False], ids=["joint", "fixed"])


def table(n=25_000, p=4, weighted=False, seed=0):
    X, y, weight = sample(n=n, p=p, seed=seed)
    data, _ = prepare(X, (y - np.median(y)) / 2, weight if weighted else None)
    return Problem(Huber(1.345), data, L2(0.3), Control(1e-10))


def solved(problem, joint):
    """Return the objective and its minimum, found without any looking ahead."""
    slow = replace(problem, method="lbfgs", control=Control(1e-10, 1000))
    if joint:
        return problem.joint(KAPPA), solve_joint(slow, KAPPA).x
    return problem.at(SIGMA), solve_fixed(slow, SIGMA).x


@JOINT
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("far", [0.003, 0.006])
def test_from_nearby_it_is_the_minimum(joint, weighted, far):
    objective, best = solved(table(weighted=weighted), joint)
    start = best + far * np.cos(np.arange(len(best)))
    ahead = look_ahead(objective, start, 1e-11)
    value, gradient = objective.evaluate(ahead.theta)[:2]
    assert ahead.steps == 1
    assert np.abs(gradient).max() <= 1e-10
    assert_allclose(ahead.known[0], value, rtol=1e-14)
    assert_allclose(ahead.known[1], gradient, atol=1e-15)
    assert_allclose(ahead.raw, objective.raw(ahead.theta), rtol=1e-13, atol=1e-13)
    assert_allclose(ahead.theta, best, atol=1e-7)


@JOINT
def test_where_nothing_can_be_seen_what_was_seen_is_kept(joint):
    """At the minimum, or far from it, the start is returned with its value and gradient."""
    objective, best = solved(table(), joint)
    tol = 10 * np.abs(objective.evaluate(best)[1]).max()
    for start in (best, best + 3.0):
        ahead = look_ahead(objective, start, tol)
        assert ahead.theta is start
        assert ahead.steps == 0
        value, gradient = objective.evaluate(start)[:2]
        assert_allclose(ahead.known[0], value, rtol=1e-12)
        assert_allclose(ahead.known[1], gradient, rtol=1e-9, atol=1e-14)
        step = ahead.metric.solve(gradient)
        assert_allclose(objective.hess(start) @ step, gradient, rtol=1e-6, atol=1e-12)


@JOINT
@pytest.mark.parametrize("weighted", [True, False])
def test_from_further_off_a_step_comes_first(joint, weighted):
    """Where too many rows are near the ends that step tells which of them cross."""
    objective, best = solved(table(weighted=weighted), joint)
    start = best + (0.06 if joint else 0.12) * np.cos(np.arange(len(best)))
    ahead = look_ahead(objective, start, 1e-11)
    assert ahead.steps == 2
    assert np.abs(ahead.known[1]).max() <= 1e-10
    assert_allclose(ahead.known[1], objective.evaluate(ahead.theta)[1], atol=1e-15)
    assert_allclose(ahead.theta, best, atol=1e-7)


def test_a_step_that_halves_the_scale_is_not_taken():
    """Newton goes there by less than its whole length; the Hessian stays the start's."""
    objective, best = solved(table(), joint=True)
    start = np.append(best[:-1], 4 * best[-1])
    ahead = look_ahead(objective, start, 1e-11)
    assert ahead.theta is start
    assert ahead.steps == 0
    assert_allclose(ahead.known[1], objective.evaluate(start)[1], rtol=1e-9, atol=1e-14)


@JOINT
@pytest.mark.parametrize(
    ("kind", "epsilon"),
    [
        ("C", 1.345),
        ("F", 1.345),
        ("float32", 1.345),
        ("C", 0.3),
        ("C", 1e3),
        ("leverage", 1.345),
        ("huge y", 1.345),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["off", "on"])
def test_expansion_by_the_rows_off_or_on_the_line(kind, epsilon, joint, known):
    """With few or most of them, or all, on the line, and far out in X."""
    X, y, _ = sample(n=25_000, p=12, seed=1)
    X = (
        X.astype(np.float32)
        if kind == "float32"
        else np.asarray(X, order="F" if kind == "F" else "C")
    )
    if kind == "leverage":
        X[0] *= 1e4
        y[0] = 1e9
    elif kind == "huge y":
        y[:5] = 1e20
    data, _ = prepare(X, (y - np.median(y)) / 2)
    assert data.moments is not None
    data = data if known else replace(data, moments=None)
    problem = Problem(Huber(epsilon), data, L2(0.3), Control())
    objective = problem.joint(KAPPA) if joint else problem.at(SIGMA)
    theta = np.append(np.linspace(-0.1, 0.1, problem.size), [0.9] * joint)
    out = np.empty(objective.data.n_rows)
    found, expected = (
        losses_by_pieces(objective, theta),
        objective.evaluate(theta, 2, out, whole=False),
    )
    assert_allclose(found[0], expected[0], rtol=1e-12)
    assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-9 * np.abs(expected[1]).max())
    size = np.sqrt(np.diag(expected.hessian))
    change = (found.hessian - expected.hessian) / np.outer(size, size)
    assert_allclose(change, 0.0, atol=1e-9)
    assert_allclose(found.raw, expected.raw, rtol=1e-12)


@JOINT
@pytest.mark.parametrize("known", [True, False], ids=["off", "on"])
def test_expansion_where_no_row_is_on_the_line(joint, known):
    X, y, _ = sample(n=25_000, p=12, seed=1)
    data, _ = prepare(X, y)
    data = data if known else replace(data, moments=None)
    problem = Problem(Huber(1.345), data, L2(0.0), Control())
    objective = problem.joint(KAPPA) if joint else problem.at(1e-12)
    theta = np.append(np.full(problem.size, 0.1), [1e-12] * joint)
    out = np.empty(objective.data.n_rows)
    found, expected = (
        losses_by_pieces(objective, theta),
        objective.evaluate(theta, 2, out, whole=False),
    )
    assert_allclose(found.hessian, 0.0, atol=1e-12)
    assert_allclose(expected.hessian, 0.0, atol=1e-12)
    assert_allclose(found[1], expected[1], rtol=1e-12)


def test_a_worse_end_is_not_taken(monkeypatch):
    """Where rows far off have crossed after all, what was looked at is the better start."""
    objective, best = solved(table(), joint=False)
    start = best + 0.01 * np.cos(np.arange(len(best)))
    monkeypatch.setattr(
        _pieces, "minimise_pieces", lambda *_, **__: Result(x=best + 1.0, success=True)
    )
    ahead = look_ahead(objective, start, 1e-11)
    assert ahead.theta is start
    assert ahead.raw is None
    assert_allclose(ahead.known[0], objective.evaluate(start)[0], rtol=1e-14)


def test_who_has_pieces():
    data, penalty = table().data, L2(0.3)
    assert has_pieces(Objective(Huber(), data, penalty))
    assert has_pieces(table().joint(KAPPA))
    assert not has_pieces(Objective(LogCosh(), data, penalty))
    assert not has_pieces(Objective(Logistic(), data, penalty))
    assert not has_pieces(Objective(Smoothed(Pinball()), data, penalty))
    assert not has_pieces(table(n=500).at(SIGMA))


@pytest.mark.parametrize("joint", [True, False])
def test_sums_of_far_rows_are_the_rows(joint):
    """With no end nearby the sums are the objective, and their derivatives are right."""
    problem = replace(table(), penalty=L2(0.0))
    objective = problem.joint(0.7) if joint else problem.at(SIGMA)
    theta = np.append(np.full(problem.size, 0.1), [0.9] * joint)
    far = Far(theta, objective.evaluate(theta)[1], objective.hess(theta), joint)
    value, gradient = objective.evaluate(theta)[:2]
    assert_allclose(far.fun_jac(theta)[0], 0.0, atol=1e-12)
    assert_allclose(far.fun_jac(theta)[1], gradient, atol=1e-12)
    step = np.append(np.linspace(-1, 1, problem.size), [0.2] * joint) * 1e-7
    change = objective.evaluate(theta + step)[0] - value
    assert_allclose(far.fun_jac(theta + step)[0], change, rtol=1e-4, atol=1e-13)
    there = theta + 1e3 * step
    assert check_grad(lambda t: far.fun_jac(t)[0], lambda t: far.fun_jac(t)[1], there) < 1e-6
    columns = [
        (far.fun_jac(there + e)[1] - far.fun_jac(there - e)[1]) / 2e-6
        for e in 1e-6 * np.eye(len(theta))
    ]
    assert_allclose(far.hess(there), np.array(columns), atol=1e-6)
