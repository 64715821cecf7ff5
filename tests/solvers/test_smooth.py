"""Smooth objectives on all rows: methods, starts, limits and what they report."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning

from robustreg import HingeClassifier
from robustreg.losses import Huber, LogCosh, PseudoHuber, Squared, Tukey
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, _smooth, solve_smooth
from robustreg.solvers._smooth import choose_method, kept_metric, on_rows, on_sample
from tests._reference import sample

METHODS = ["auto", "newton", "newton-cg", "lbfgs"]


def composed(loss=None, n=80, alpha=0.3, p=3):
    X, y, weight = sample(n=n, p=p, seed=1)
    data, _ = prepare(X, y, weight)
    return Objective(loss or Huber(), data, L2(alpha))


@pytest.mark.parametrize("loss", [Squared(), Huber(), PseudoHuber(), LogCosh()], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_methods_agree(method, loss):
    problem = composed(loss)
    found = solve_smooth(problem, np.zeros(4), Control(tol=1e-9, max_iter=500), method=method)
    assert (found.status, found.success) == (0, True)
    gradient = np.abs(problem.evaluate(found.x)[1]).max()
    assert max(found.optimality, gradient) <= 1e-9
    assert found.optimality == pytest.approx(gradient, abs=1e-14)  # of x but for its last places
    assert_allclose(found.fun, problem.evaluate(found.x)[0])
    expected = solve_smooth(problem, np.ones(4), Control(tol=1e-12))
    assert_allclose(found.x, expected.x, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_limits_are_kept_and_said(method):
    control = Control(max_iter=2)
    found = solve_smooth(composed(PseudoHuber()), np.full(4, 50.0), control, method=method)
    assert (control.n_iter, found.status) == (2, 1)
    assert found.optimality > 1e-8
    done = solve_smooth(composed(), np.zeros(4), Control(max_iter=500), method=method)
    for least in (0, 1):
        control = Control(tol=1e-6)
        solve_smooth(composed(), done.x, control, method=method, at_least=least)
        assert control.n_iter == least


@pytest.mark.parametrize("method", METHODS)
def test_callback(method):
    seen = []

    def watch(intermediate_result):
        seen.append(intermediate_result.fun)
        return len(seen) == 2

    found = solve_smooth(
        composed(PseudoHuber()), np.full(4, 5.0), Control(callback=watch), method=method
    )
    assert len(seen) == 2
    assert found.status == 99


def test_many_columns_and_large_sparse_tables_take_products():
    assert choose_method(composed()) == "newton"
    assert choose_method(composed(n=20, p=3500)) in ("newton", "newton-cg")
    X = np.random.default_rng(0).normal(size=(10, 4))
    data, _ = prepare(X, np.zeros(10))
    wide = Objective(Squared(), data, L2(), n_outputs=1000)
    assert choose_method(wide) == "newton-cg"


def test_a_sample_stands_for_all_rows():
    assert on_sample(composed()) is None  # few rows need none
    assert on_sample(composed(Tukey(), n=25_000)) is None  # it could lead to another minimum
    problem = composed(n=25_000, alpha=50.0)
    small = on_sample(problem)
    assert small.data.n_rows == 4000
    assert_allclose(small.penalty.alpha, 50.0 * 4000 / 25_000)
    one, all_rows = (solve_smooth(part, np.zeros(4), Control()).x for part in (small, problem))
    assert_allclose(one, all_rows, atol=0.15)


def test_parts_of_the_rows_add_up():
    problem = composed(n=900)
    theta = np.array([1.0, 2.0, -1.0, 0.5])
    parts = [on_rows(problem, np.arange(start, start + 300)) for start in (0, 300, 600)]
    value = sum(part.evaluate(theta)[0] * part.total for part in parts) / problem.total
    assert_allclose(value, problem.evaluate(theta)[0], rtol=1e-12)


def test_a_hessian_of_some_rows_is_nearly_that_of_all():
    problem = composed(n=25_000)
    theta = solve_smooth(problem, np.zeros(4), Control()).x
    metric = kept_metric(problem, theta, "auto")
    g = np.array([1.0, -2.0, 0.5, 3.0])
    assert_allclose(metric.solve(g), np.linalg.solve(problem.hess(theta), g), rtol=0.2)
    assert kept_metric(problem, theta, "lbfgs") is None


@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_few_passes_over_many_rows(alpha):
    # After the sample a handful of passes remain, and no Gram matrix of all rows is formed.
    problem = composed(n=100_000, alpha=alpha)
    start = solve_smooth(on_sample(problem), np.zeros(4), Control(tol=1e-4)).x
    metric = kept_metric(problem, start, "auto")
    before = problem.data.passes.count
    found = solve_smooth(problem, start, Control(), metric=metric)
    assert found.success
    assert problem.data.passes.count - before <= 10
    assert found.nhev == 0


@pytest.mark.parametrize(("n", "p"), [(20, 50), (60, 200)])
@pytest.mark.parametrize("alpha", [1e-10, 1e-12])
def test_margins_that_are_all_but_kept(n, p, alpha):
    """A kept Hessian counts rows that are beyond their margins by less than tol: the minimum is found beside it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, p)), np.arange(n) % 2
    fit = HingeClassifier(squared=True, alpha=alpha, fit_intercept=False).fit(X, y)
    # its dual is a problem of non-negative least squares
    signed = X * (2.0 * y - 1)[:, None]
    root = np.linalg.cholesky(signed @ signed.T / alpha + 0.5 * np.eye(n))
    slopes = nnls(root.T, np.linalg.solve(root, np.ones(n)))[0]
    least = slopes.sum() - 0.5 * np.square(root.T @ slopes).sum()
    coef = fit.coef_[0]
    value = np.square(np.maximum(1 - signed @ coef, 0.0)).sum() + 0.5 * alpha * coef @ coef
    assert_allclose(value, least, rtol=1e-7)
    assert fit.optimality_ <= fit.tol


def test_a_far_row_on_its_margin_is_no_proof():
    """What curvature the far row adds to its column is none beyond the margin, from where the slope goes on."""
    X = np.array([[3e8, 0.0, 0.0], [1e-3, 5e-4, 2e-4], [1.0, 1.0, 1.0]])
    model = HingeClassifier(squared=True, alpha=0.017)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, [1, 0, 1], sample_weight=[2e4, 2e4, 3e4])
    # the near rows are parted by the difference between them, and the far one is beyond its margin
    part = X[2] - X[1]
    best = 2 * part / (part @ part)
    solved = np.square(model.coef_).sum() <= (1 + 1e-6) * best @ best
    assert solved or model.optimality_ > model.tol


def test_no_hessian_is_kept_beside_heavy_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 600)), rng.normal(size=2000)
    weight = np.ones(2000)
    weight[0] = 1e6
    plain, heavy = (prepare(X, y, w)[0] for w in (None, weight))
    assert _smooth._worth(Objective(Huber(), plain, L2(1.0))) > 1
    assert _smooth._worth(Objective(Huber(), heavy, L2(1.0))) == 1
