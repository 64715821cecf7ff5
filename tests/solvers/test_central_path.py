"""The central path against linear programs and against walks from active set to active set."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from robustreg.solvers import _programs
from robustreg.solvers._central_path import Inside, further
from robustreg.solvers._programs import linear_program
from robustreg.solvers._rows import Rows
from tests.solvers.test_active_set import problem


def follow(rows, steps=40):
    """Return points of the path from slopes in the middle of their bounds."""
    middle = 0.5 * (rows.lower + rows.upper)
    points = [Inside.start(rows, np.zeros(rows.X.shape[1]), middle, 1.0)]
    for _ in range(steps):
        at = points[-1]
        if at.gap <= 1e-13:
            break
        points.append(further(at, at.dual(), at.primal()))
    return points


@pytest.mark.parametrize("strength", [1e-6, 1e-2, None])
@pytest.mark.parametrize("kind", ["absolute", "hinge", "quantile", "folded"])
@pytest.mark.parametrize("seed", range(3))
def test_ends_at_the_minimum(kind, strength, seed):
    rows = problem(kind, seed, strength or 0.0)
    if strength is None:
        rows.quadratic = None
    points = follow(rows)
    last = points[-1]
    assert len(points) < 40
    assert rows.gap(last.theta, last.slopes()) <= 1e-10
    for point in points:
        assert point.room.min() > 0
        assert point.offset.min() > 0
        assert_allclose(point.room.sum(axis=0), rows.upper - rows.lower, rtol=1e-12)
        assert np.abs(point.primal()).max() <= 1e-12 * (1 + np.abs(point.theta).max())
    if strength is None:
        dual = linprog(
            rows.position, A_eq=rows.X.T, b_eq=-rows.linear,
            bounds=np.column_stack([rows.lower, rows.upper]),
        )  # fmt: skip
        assert_allclose(rows.value(last.theta), -dual.fun, rtol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 1e-4])
def test_columns_that_depend_on_each_other(strength):
    """Equations that are singular are lifted by rounding."""
    rows = problem("absolute", 1, strength)
    twice = Rows(
        np.column_stack([rows.X, rows.X[:, :2]]), rows.position, rows.lower, rows.upper, rows.weight,
        np.append(rows.linear, rows.linear[:2]), None if strength == 0 else strength * np.eye(6),
    )  # fmt: skip
    last = follow(twice)[-1]
    assert twice.gap(last.theta, last.slopes()) <= 1e-9


def many_rows(X, seed):
    """Return the absolute residuals of a target with some far off."""
    rng, n = np.random.default_rng(seed), len(X)
    y = X.sum(axis=1) + rng.standard_normal(n) + 10 * (rng.random(n) < 0.1)
    one = np.full(n, 1 / n)
    return Rows(X, y, -one, one, one, np.zeros(X.shape[1]), None)


def down_to(rows, theta, share, square):
    """Return the points of the path until the gap is a share of what it was."""
    points = [Inside.start(rows, theta, np.zeros(len(rows.X)), 1.0, square)]
    while points[-1].gap > share * points[0].gap:
        points.append(further(points[-1], points[-1].dual()))
    return points


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_bend_little_count_by_their_mean(seed):
    """As many steps to the same gap as with all rows, in the same place."""
    X = np.random.default_rng(seed).standard_normal((900, 60))
    rows = many_rows(X, seed)
    start = np.linalg.lstsq(X, rows.position, rcond=None)[0]
    exact, about = down_to(rows, start, 1e-4, None), down_to(rows, start, 1e-4, X.T @ X)
    assert about[-1].square is not None
    assert len(about) <= len(exact) + 1
    assert_allclose(rows.value(about[-1].theta), rows.value(exact[-1].theta), rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_steps_that_would_miss_too_much_are_made_of_all_rows(seed):
    """Far entries are no mean of others: the first step is the exact one, and so are those that follow."""
    X = np.random.default_rng(seed).standard_t(1.5, (900, 60))
    rows = many_rows(X, seed)
    start = np.zeros(60)
    exact, about = down_to(rows, start, 1e-3, None), down_to(rows, start, 1e-3, X.T @ X)
    assert about[0].square is not None
    assert about[1].square is None
    assert len(about) == len(exact)
    assert_allclose(about[-1].theta, exact[-1].theta, rtol=1e-12)


def test_few_rows_are_all_taken():
    X = np.random.default_rng(0).standard_normal((200, 60))
    assert down_to(many_rows(X, 0), np.zeros(60), 0.1, X.T @ X)[0].square is None


def test_says_so_where_numbers_are_not_finite():
    rows = problem("absolute", 0, 1.0)
    rows.X[0, 0] = np.inf
    with np.errstate(all="ignore"):
        start = Inside.start(rows, np.zeros(4), 0.5 * (rows.lower + rows.upper), 1.0)
        assert further(start, start.dual()) is None


def test_more_rows_tie_than_there_are_coefficients(monkeypatch):
    """Factors and whole numbers: the rows on their kinks are too many for a basis, and the end of the path is proved all the same."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(60, size=(2, 720))
    X = np.hstack([np.eye(60)[first], np.eye(60)[second][:, 1:]])
    ones = np.ones(720)
    rows = Rows(X, np.round(3 * rng.normal(size=720)), -ones, ones, ones, np.zeros(119))
    monkeypatch.setattr(_programs, "simplex", None)
    theta, slopes = linear_program(rows, np.zeros(119))
    assert np.count_nonzero(np.abs(rows.offsets(theta)) < 1e-9) > 119
    assert rows.gap(theta, slopes) <= 1e-12 * rows.value(theta)
