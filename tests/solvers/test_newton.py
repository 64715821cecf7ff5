"""Newton's method on functions whose minima are known."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess, rosen_hess_prod

from robustreg import HingeClassifier, LogisticClassifier
from robustreg.solvers import newton
from robustreg.solvers._kept_hessian import PAYS, SAME
from robustreg.solvers._metrics import DenseMetric

RNG = np.random.default_rng(0)
A = RNG.normal(size=(6, 6))
A = A @ A.T + 0.1 * np.eye(6)
B = RNG.normal(size=6)


class Quadratic:
    """Half x' A x - b' x, counting what is asked of it."""

    def __init__(self, a=A, b=B, constant=0.0):
        self.a, self.b, self.constant = a, b, constant
        self.hessians = 0

    def fun(self, x):
        return 0.5 * x @ self.a @ x - self.b @ x + self.constant

    def jac(self, x):
        return self.a @ x - self.b

    def hess(self, x):
        self.hessians += 1
        return self.a.copy()

    def minimise(self, x0=None, **options):
        x0 = np.zeros(len(self.b)) if x0 is None else x0
        return minimize(
            self.fun, x0, jac=self.jac, hess=self.hess, method=newton,
            callback=options.pop("callback", None), options=options,
        )  # fmt: skip


def test_a_quadratic_takes_one_step():
    found = Quadratic().minimise()
    assert (found.nit, found.status, found.success) == (1, 0, True)
    assert_allclose(found.x, np.linalg.solve(A, B), rtol=1e-10)
    assert_allclose(found.fun, Quadratic().fun(found.x))
    assert np.abs(found.jac).max() <= 1e-8


def test_products_of_the_hessian_will_do():
    problem = Quadratic()
    found = minimize(
        problem.fun, np.zeros(6), jac=problem.jac, hessp=lambda x, v: A @ v, method=newton,
        options={"tol": 1e-10},
    )  # fmt: skip
    assert found.success
    assert_allclose(found.x, np.linalg.solve(A, B), rtol=1e-7)
    assert problem.hessians == 0


X, Y = RNG.normal(size=(200, 6)), RNG.normal(size=200)
LOG_COSH = {
    "fun": lambda x: np.log(np.cosh(X @ x - Y)).sum(),
    "jac": lambda x: X.T @ np.tanh(X @ x - Y),
    "hess": lambda x: (X.T / np.cosh(X @ x - Y) ** 2) @ X,
}


def test_convergence_is_quadratic():
    norms = []

    def watch(intermediate_result):
        norms.append(np.abs(LOG_COSH["jac"](intermediate_result.x)).max())

    found = minimize(
        x0=np.ones(6), method=newton, callback=watch, options={"tol": 1e-11}, **LOG_COSH
    )
    assert found.success
    assert len(norms) <= 8
    late = [norm for norm in norms if norm < 10.0]
    for before, after in pairwise(late):
        assert after <= 0.1 * before**2 + 1e-12


def test_minimum_at_the_end_of_a_valley():
    found = minimize(
        rosen,
        [-1.2, 1.0, 0.5],
        jac=rosen_der,
        hess=rosen_hess,
        method=newton,
        options={"tol": 1e-10},
    )
    assert found.success
    assert_allclose(found.x, 1.0, rtol=1e-8)


def test_truncated_newton_on_a_valley():
    found = minimize(
        rosen,
        [-1.2, 1.0],
        jac=rosen_der,
        hessp=rosen_hess_prod,
        method=newton,
        options={"tol": 1e-8},
    )
    assert_allclose(found.x, 1.0, rtol=1e-6)


def test_value_never_rises():
    values = []
    minimize(
        rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, method=newton,
        callback=lambda intermediate_result: values.append(intermediate_result.fun),
    )  # fmt: skip
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("curvature", [0.0, -2.0])
def test_hessian_that_is_not_positive(curvature):
    # x^4/4 + curvature x^2 + y^2: flat or a hilltop at the start's x = 0.
    found = minimize(
        lambda v: v[0] ** 4 / 4 + curvature * v[0] ** 2 + v[1] ** 2,
        [0.5, 1.0],
        jac=lambda v: np.array([v[0] ** 3 + 2 * curvature * v[0], 2 * v[1]]),
        hess=lambda v: np.diag([3 * v[0] ** 2 + 2 * curvature, 2.0]),
        method=newton,
        options={"tol": 1e-9, "maxiter": 200},
    )
    assert found.success
    assert abs(found.x[0] ** 2 + 2 * curvature) < 1e-2
    assert abs(found.x[1]) < 1e-8


def test_a_coordinate_without_curvature_stays():
    a = A.copy()
    a[2], a[:, 2] = 0.0, 0.0
    b = np.where(np.arange(6) == 2, 0.0, B)
    found = Quadratic(a, b).minimise(np.full(6, 3.0))
    assert found.success
    assert found.x[2] == 3.0


def test_badly_scaled_coordinates():
    size = 10.0 ** np.array([-6.0, -3.0, 0.0, 0.0, 3.0, 6.0])
    found = Quadratic(A * np.outer(size, size), B * size).minimise(tol=1e-12)
    assert_allclose(found.x * size, np.linalg.solve(A, B), rtol=1e-6)


def test_steps_stay_inside_an_open_bound():
    # x - log x, whose value is not defined at and below 0
    lower, seen = np.zeros(1), []

    def fun(x):
        seen.append(x[0])
        return x[0] - np.log(x[0])

    found = minimize(
        fun, [50.0], jac=lambda x: 1 - 1 / x, hess=lambda x: np.array([[1 / x[0] ** 2]]),
        method=newton, options={"lower": lower},
    )  # fmt: skip
    assert_allclose(found.x, 1.0, rtol=1e-8)
    assert min(seen) > 0


@pytest.mark.parametrize("maxiter", [0, 1, 3])
def test_stops_at_maxiter_and_says_so(maxiter):
    found = minimize(
        rosen,
        [-1.2, 1.0],
        jac=rosen_der,
        hess=rosen_hess,
        method=newton,
        options={"maxiter": maxiter},
    )
    assert (found.nit, found.status, found.success) == (maxiter, 1, False)
    assert "max_iter" in found.message
    assert found.fun <= rosen(np.array([-1.2, 1.0]))


def stop_by_value(intermediate_result):
    return intermediate_result.fun < 1.0


def stop_by_exception(intermediate_result):
    raise StopIteration


@pytest.mark.parametrize("callback", [stop_by_value, stop_by_exception])
def test_callback_can_stop(callback):
    found = minimize(
        rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, method=newton, callback=callback
    )
    assert (found.status, found.success) == (99, False)
    assert 1 <= found.nit < 20


def test_at_least_one_iteration_from_the_optimum():
    optimum = np.linalg.solve(A, B)
    assert Quadratic().minimise(optimum).nit == 0
    assert Quadratic().minimise(optimum + 1e-10, at_least=1).nit <= 1


def test_no_progress_in_floating_point_ends_it():
    # tol cannot be met: it ends, close to the optimum, and does not claim success
    found = Quadratic(constant=1e12).minimise(tol=1e-30)
    assert found.status == 2
    assert found.nit < 20
    assert_allclose(found.x, np.linalg.solve(A, B), rtol=1e-6)


@pytest.mark.parametrize("model", [LogisticClassifier(), HingeClassifier(squared=True)], ids=repr)
def test_gradients_that_rise_and_fall_within_rounding_end_it(model):
    """Beside nearly dependent columns and weights of many sizes some fits went on for all iterations."""
    for seed in (11, 14, 20, 24, 45):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((30, 2))
        y = X.sum(axis=1) + rng.standard_normal(30)
        X = np.column_stack([X, X[:, 0] + 1e-7 * rng.standard_normal(30)])
        model.fit(X, y > np.median(y), np.exp(3 * rng.standard_normal(30)))
        assert model.optimality_ <= model.tol
        assert model.n_iter_ <= 20


@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12])
def test_a_way_to_infinity_ends_where_its_gradient_is_nothing(tol):
    """The sum of exp(-x) has no minimum: each step is of size one, and the gradient falls by e."""
    found = minimize(
        lambda x: np.exp(-x).sum(),
        np.zeros(2),
        jac=lambda x: -np.exp(-x),
        hess=lambda x: np.diag(np.exp(-x)),
        method=newton,
        options={"tol": tol, "maxiter": 1000},
    )
    assert found.status == 0
    assert found.nit <= 1 - np.log(tol * np.finfo(float).eps)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_hessian_that_is_not_finite_says_nothing(bad):
    """Steps go by the gradient there, no lift is looked for, and no decrement is proved."""
    metric = DenseMetric(np.array([[4.0, bad], [bad, 1.0]]))
    assert_allclose(metric.solve(np.array([4.0, 2.0])), [4.0, 2.0])
    metric = DenseMetric(np.diag([4.0, bad]))
    assert metric.square(np.ones(2)) == np.inf
    found = minimize(
        lambda x: x @ x,
        np.ones(2),
        jac=lambda x: 2 * x,
        hess=lambda x: np.diag([2.0, bad]),
        method=newton,
    )
    assert_allclose(found.x, 0.0, atol=1e-8)


def test_a_tiny_curvature_does_not_overflow():
    curvature = np.array([1e-310, -1e-310, 1e-300, 1.0])
    step = DenseMetric(np.diag(curvature)).solve(np.array([0.0, 0.0, 1e-300, 1.0]))
    assert_allclose(step, [0, 0, 1, 1], rtol=1e-12)


def test_a_large_constant_does_not_hide_the_decrease():
    # The values differ by less than their rounding: the slope along the step tells.
    found = Quadratic(constant=1e18).minimise()
    assert found.success
    assert_allclose(found.x, np.linalg.solve(A, B), rtol=1e-8)


def test_a_hessian_is_kept_while_its_steps_pay():
    # log cosh is nearly a parabola about its minimum: pairs correct what a kept Hessian misses
    lazy, eager = (
        minimize(x0=np.zeros(6), method=newton, options={"pays": share, "tol": 1e-10}, **LOG_COSH)
        for share in (PAYS, SAME)
    )
    assert_allclose(lazy.x, eager.x, rtol=1e-8)
    assert lazy.nhev < eager.nhev
    assert lazy.nit >= eager.nit


def test_a_step_that_takes_nearly_all_of_the_gradient_keeps_the_hessian():
    """So that the end is judged without another one: of a parabola one is enough."""
    problem = Quadratic()
    found = problem.minimise()
    assert found.success
    assert problem.hessians == found.nit == 1


def test_a_hessian_may_be_given():
    first = Quadratic().minimise()
    problem = Quadratic(b=B + 0.1)
    found = problem.minimise(metric=first.metric, pays=PAYS)
    assert found.success
    assert problem.hessians == 0


def test_infinite_values_are_stepped_back_from():
    # 1/x grows without bound on one side and the first Newton step lands beyond it
    found = minimize(
        lambda x: 1 / x[0] + x[0] if x[0] > 0 else np.inf,
        [1e-3],
        jac=lambda x: 1 - 1 / x**2,
        hess=lambda x: np.array([[2 / x[0] ** 3]]),
        method=newton,
    )
    assert_allclose(found.x, 1.0, rtol=1e-6)


def test_the_last_step_stays_inside_the_bounds():
    found = newton(
        lambda x: 0.5 * float((x + 1e-13) @ (x + 1e-13)), np.array([5e-14]),
        jac=lambda x: x + 1e-13, hess=lambda x: np.eye(1), lower=np.zeros(1),
    )  # fmt: skip
    assert found.status == 0 and found.x[0] > 0


class Fading:
    """Logistic losses of rows that are told apart well: curvature at the end is far below that at zero."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.X = rng.normal(size=(400, 8))
        self.y = (self.X @ rng.normal(size=8) + 0.1 * rng.normal(size=400) > 0).astype(float)
        self.hessians = self.products = 0

    def fun(self, x):
        raw = self.X @ x
        return np.logaddexp(0, raw).mean() - self.y @ raw / 400 + 5e-4 * x @ x

    def jac(self, x):
        return self.X.T @ (1 / (1 + np.exp(-self.X @ x)) - self.y) / 400 + 1e-3 * x

    def exactly(self, x):
        p = 1 / (1 + np.exp(-self.X @ x))
        return self.X.T @ ((p * (1 - p))[:, None] * self.X) / 400 + 1e-3 * np.eye(8)

    def hess(self, x):
        self.hessians += 1
        return self.exactly(x)

    def hessp(self, x, v):
        self.products += 1
        return self.exactly(x) @ v

    def minimise(self, **options):
        options = {
            "pays": PAYS,
            "tol": 1e-9,
            "settled": lambda found, value: found <= 1e-8,
        } | options
        return minimize(
            self.fun, np.zeros(8), jac=self.jac, hess=self.hess, hessp=self.hessp, method=newton, options=options
        )  # fmt: skip


def test_a_hessian_that_costs_much_is_kept_for_some_steps_that_do_not_pay():
    often, seldom = Fading(), Fading()
    one, other = often.minimise(), seldom.minimise(worth=40.0, maxiter=200)
    assert one.success and other.success
    assert_allclose(one.x, other.x, rtol=1e-6)
    assert seldom.hessians == 1 < often.hessians


def test_the_end_is_judged_by_the_hessian_there():
    """One from where curvature was larger would take the distance for smaller than it is."""
    problem = Fading()
    found = problem.minimise(worth=40.0, maxiter=200)
    gradient = found.jac
    there = gradient @ np.linalg.solve(problem.exactly(found.x), gradient)
    start = gradient @ np.linalg.solve(problem.exactly(np.zeros(8)), gradient)
    assert start < 0.2 * there
    assert_allclose(found.metric.square(gradient), there, rtol=0.05)
    assert problem.products > 0


def test_a_fit_that_is_stopped_leaves_no_hessian_behind_that_is_far():
    def stop(intermediate_result):
        if len(seen) == 4:
            raise StopIteration
        seen.append(intermediate_result.fun)

    seen, problem = [], Fading()
    found = minimize(
        problem.fun, np.zeros(8), jac=problem.jac, hess=problem.hess, hessp=problem.hessp, method=newton,
        callback=stop, options={"pays": PAYS, "tol": 1e-9, "worth": 40.0, "maxiter": 200},
    )  # fmt: skip
    assert found.status == 99 and problem.hessians == 1
    assert found.metric is None


def test_in_the_second_half_of_the_iterations_a_hessian_is_renewed_at_once():
    problem = Fading()
    assert problem.minimise(worth=1000.0, maxiter=20).success
    assert problem.hessians > 1
