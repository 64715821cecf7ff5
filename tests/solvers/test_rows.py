"""Few rows with kinks, exactly: against a linear program, bounded least squares and duality."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog, lsq_linear, minimize

from robustreg.solvers import Control, _programs
from robustreg.solvers._rows import Rows
from robustreg.solvers._solve_rows import solve_rows


def problem(n=40, q=4, *, ties=False, penalty=0.0, seed=0):
    """Return rows of any slopes, some of them folded, with a linear and a square term."""
    rng = np.random.default_rng(seed)
    X, position = rng.normal(size=(n, q)), 3 * rng.normal(size=n)
    if ties:
        X, position = np.round(X), np.round(position)
        X[: n // 4], position[: n // 4] = (
            X[n // 2 : n // 2 + n // 4],
            position[n // 2 : n // 2 + n // 4],
        )
    weight = rng.uniform(0.5, 2.0, n) / n
    lower, upper = -weight * rng.uniform(0.1, 1.0, n), weight * rng.uniform(0.1, 1.0, n)
    # slopes that are feasible, so that the minimum is finite
    linear = -X.T @ (lower + (upper - lower) * rng.uniform(0.3, 0.7, n))
    quadratic = None
    if penalty:
        quadratic = penalty * np.diag(np.append(np.ones(q - 1), 0.0))  # the last one is free
    return Rows(X, position, lower, upper, weight, linear, quadratic)


def least(rows):
    """Minimum of the piecewise linear problem by one linear program."""
    n, q = rows.X.shape
    A = np.hstack([rows.X, -np.eye(n), np.eye(n)])
    c = np.concatenate([rows.linear, rows.upper, -rows.lower])
    bounds = [(None, None)] * q + [(0, None)] * (2 * n)
    return linprog(c, A_eq=A, b_eq=rows.position, bounds=bounds, method="highs-ds").fun


def dual_bound(rows):
    """Maximum of the dual of the problem with a square term, by a general solver."""
    penalty = rows.quadratic[0, 0]
    free = rows.X[:, -1]

    def dual(g):
        rest = (rows.X.T @ g + rows.linear)[:-1]
        return g @ rows.position + rest @ rest / (2 * penalty)

    def slope(g):
        return rows.position + rows.X[:, :-1] @ ((rows.X.T @ g + rows.linear)[:-1] / penalty)

    # g are slopes at s = X theta - position, so that -g @ position is what they contribute
    balance = {"type": "eq", "fun": lambda g: free @ g + rows.linear[-1], "jac": lambda g: free}
    start = 0.5 * (rows.lower + rows.upper)
    found = minimize(
        dual, start, jac=slope, method="SLSQP", bounds=list(zip(rows.lower, rows.upper, strict=True)),
        constraints=[balance], options={"ftol": 1e-14, "maxiter": 1000},
    )  # fmt: skip
    return -found.fun


SIZES = [
    (40, 4, False),
    (40, 4, True),
    (5, 4, False),
    (400, 6, False),
    (2000, 3, False),
    (300, 20, True),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n, q, ties", SIZES)
def test_piecewise_linear(n, q, ties, seed):
    rows = problem(n, q, ties=ties, seed=seed)
    vertex = solve_rows(rows, np.zeros(q), 3.0, Control(max_iter=1000))
    assert vertex.success
    assert_allclose(rows.value(vertex.theta), least(rows), rtol=1e-9, atol=1e-12)
    assert_optimal(rows, vertex)


def assert_optimal(rows, vertex):
    """Slopes in their bounds, balanced, and at the bound on the side where each row lies."""
    slopes, theta = vertex.slopes, vertex.theta
    slack = 1e-9 * (rows.upper - rows.lower)
    assert np.all(slopes >= rows.lower - slack)
    assert np.all(slopes <= rows.upper + slack)
    pull = rows.linear + (0 if rows.quadratic is None else rows.quadratic @ theta)
    assert_allclose(rows.X.T @ slopes, -pull, atol=1e-11)
    s = rows.offsets(theta)
    assert_allclose(slopes[s > 1e-8], rows.upper[s > 1e-8], rtol=1e-9)
    assert_allclose(slopes[s < -1e-8], rows.lower[s < -1e-8], rtol=1e-9)
    assert 0 <= rows.gap(theta, slopes) <= 1e-11 * max(abs(rows.value(theta)), 1e-3)


@pytest.mark.parametrize("penalty", [1e-8, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("n, q, ties", SIZES)
def test_with_a_square_term(n, q, ties, penalty):
    rows = problem(n, q, ties=ties, penalty=penalty)
    vertex = solve_rows(rows, np.zeros(q), 3.0, Control(max_iter=1000))
    assert vertex.success
    assert_optimal(rows, vertex)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # SLSQP of old SciPy
@pytest.mark.parametrize("penalty", [1e-2, 1.0])
def test_with_a_square_term_against_the_dual(penalty):
    rows = problem(40, 4, penalty=penalty)
    vertex = solve_rows(rows, np.zeros(4), 3.0, Control(max_iter=1000))
    assert_allclose(rows.value(vertex.theta), dual_bound(rows), rtol=1e-7)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_gap_bounds_how_far_a_point_is_from_the_minimum(penalty):
    rows = problem(60, 4, penalty=penalty)
    vertex = solve_rows(rows, np.zeros(4), 3.0, Control(max_iter=1000))
    lowest, rng = rows.value(vertex.theta), np.random.default_rng(1)
    for size in (1e-6, 1e-3, 1.0):
        away = vertex.theta + size * rng.normal(size=4)
        excess = rows.value(away) - lowest
        assert excess > 0
        assert rows.gap(away, vertex.slopes) >= excess * (1 - 1e-6)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_gap_counts_what_the_slopes_leave_unbalanced(penalty):
    # Off all kinks the slopes of the sides satisfy Fenchel's equality row by row: only the balance
    # tells that the point is not optimal.
    rows, theta = problem(60, 4, penalty=penalty), np.array([2.0, -2.0, 2.0, 1.0])
    lowest = rows.value(solve_rows(rows, np.zeros(4), 3.0, Control(max_iter=1000)).theta)
    sides = np.where(rows.offsets(theta) > 0, rows.upper, rows.lower)
    assert rows.gap(theta, sides) >= 0.5 * (rows.value(theta) - lowest)


def test_folded_rows_count_by_their_slope():
    rows = problem(60, 4)
    theta = np.array([0.1, -0.2, 0.3, 0.0])
    s = rows.offsets(theta)
    kept = np.flatnonzero(np.abs(s) < 1.0)
    small = rows.fold(kept, s)
    shift = rows.value(theta) - small.value(theta)
    nearby = theta + 1e-3
    assert_allclose(rows.value(nearby) - small.value(nearby), shift, rtol=1e-10)


def test_envelope_is_below_and_tends_to_the_function():
    rows, theta = problem(60, 4), np.array([0.1, -0.2, 0.3, 0.5])
    gaps = [rows.value(theta) - rows.evaluate(theta, mu)[0] for mu in (1.0, 0.1, 0.01)]
    assert gaps[0] > gaps[1] > gaps[2] >= 0
    assert gaps[2] <= 0.01 * rows.weight.sum()


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_derivatives_of_the_envelope(penalty):
    rows, theta = problem(60, 4, penalty=penalty), np.array([0.1, -0.2, 0.3, 0.5])
    step = 1e-6
    _, gradient, s = rows.evaluate(theta, 0.5)
    hessian = rows.hess(theta, 0.5, s)
    for i, e in enumerate(step * np.eye(4)):
        up, down = rows.evaluate(theta + e, 0.5), rows.evaluate(theta - e, 0.5)
        assert_allclose(gradient[i], (up[0] - down[0]) / (2 * step), rtol=1e-5, atol=1e-9)
        assert_allclose(hessian[i], (up[1] - down[1]) / (2 * step), rtol=1e-4, atol=1e-6)


def test_bounded_slopes_are_given_up_where_they_take_long(monkeypatch):
    """Hundreds of rows on their kinks: a step for each slope that leaves its bound took .2 s, and these were 900."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 20))
    linear = -X.T @ np.clip(3 * rng.normal(size=60), -1, 1)
    rows = Rows(X, np.zeros(60), -np.ones(60), np.ones(60), np.ones(60), linear)
    allowed = []

    def counted(*args, **options):
        allowed.append(options["max_iter"])
        return lsq_linear(*args, **options)

    monkeypatch.setattr(_programs, "lsq_linear", counted)
    exact = _programs.balanced(rows, np.zeros(20), rng.uniform(-1, 1, 60))
    assert np.abs(X.T @ exact + rows.linear).max() < 1e-12 * np.abs(X).sum()
    monkeypatch.setattr(_programs, "SMALL", 100)
    few = _programs.balanced(rows, np.zeros(20), rng.uniform(-1, 1, 60))
    assert allowed[0] > 1000
    assert allowed[1:] == [_programs.FREED]
    assert np.all(np.abs(few) <= 1)  # they are slopes, and the gap says how good


def test_an_interior_point_that_ends_on_a_face_of_minima_is_proven():
    """Medians of groups of even size: every point between two middle targets is one."""
    rng = np.random.default_rng(0)
    X, position = np.kron(np.eye(6), np.ones((10, 1))), np.round(5 * rng.normal(size=60))
    position[:10] = np.arange(10)
    weight = np.full(60, 1 / 60)
    rows = Rows(X, position, -weight, weight, weight, np.zeros(6), None)
    found = _programs._central(rows, np.zeros(6))
    assert found is not None
    assert_allclose(rows.value(found[0]), least(rows), rtol=1e-13)
    assert rows.gap(*found) <= 1e-12 * rows.value(found[0])
    assert 4.0 < found[0][0] < 5.0


def test_without_rows_the_rest_is_minimised():
    none, linear = np.zeros(0), np.array([1.0, -2.0])
    square = np.array([[2.0, 5e-4], [5e-4, 1e-6]])
    rows = Rows(np.zeros((0, 2)), none, none, none, none, linear, square)
    found = solve_rows(rows, np.zeros(2), 1.0, Control())
    assert_allclose(square @ found.theta, -linear, rtol=1e-12)
    rows = Rows(np.zeros((0, 2)), none, none, none, none, linear)
    assert not solve_rows(rows, np.zeros(2), 1.0, Control()).success
    rows = Rows(np.zeros((0, 2)), none, none, none, none, 0.0 * linear)
    assert solve_rows(rows, np.ones(2), 1.0, Control()).success


def test_gap_is_the_same_from_offsets_and_rounding_that_are_known():
    rows, theta = problem(), np.ones(4)
    slopes = np.where(rows.offsets(theta) > 0, rows.upper, rows.lower)
    seen = rows.offsets(theta), rows.rounding(theta)
    assert rows.gap(theta, slopes, seen=seen) == rows.gap(theta, slopes) > 0
