"""Preconditioners are inverses of the parts of the Hessian that they say, and spare products with it."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg.losses import Absolute, CrossEntropy, Dice, Logistic, Squared
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, solve_smooth
from robustreg.solvers._metrics import conjugate_gradients
from robustreg.solvers._multipliers import Multipliers
from robustreg.solvers._preconditioner import own_curvature


def rare_columns(n=300, p=80):
    """Columns of some entries to nearly all, in units that differ, the first far from zero."""
    rng = np.random.default_rng(0)
    density = np.geomspace(0.8, 6 / n, p)
    X = (rng.random((n, p)) < density) * rng.normal(size=(n, p)) * np.geomspace(1.0, 0.1, p)
    X[:, 0] += 20.0
    return X, rng


def held_sparse(X, y, weight=None, intercept=True, **options):
    """Return rows that stay sparse, as larger tables of them do."""
    data, _ = prepare(X, y, weight, intercept=intercept, **options)
    assert data.coordinates.diagonal
    return replace(data, X=sp.csr_array(X), ready=False, explicit=False)


def two_classes(intercept=True, n=300, p=80, alpha=0.7):
    X, rng = rare_columns(n, p)
    y = (rng.random(n) < 0.3).astype(float)
    data = held_sparse(X, y, rng.uniform(0.5, 2.0, n), intercept)
    return Objective(Logistic(), data, L2(alpha))


@pytest.mark.parametrize("intercept", [True, False])
def test_one_output_of_many_columns_has_its_diagonal(intercept):
    problem = two_classes(intercept)
    rng = np.random.default_rng(1)
    theta, gradient = rng.normal(size=(2, problem.size)) * 0.1
    step = own_curvature(problem, theta)(gradient)
    assert_allclose(step, gradient / problem.hess(theta).diagonal(), rtol=1e-7)


def test_the_envelope_of_a_loss_with_kinks_has_its_diagonal():
    """A fit of many sparse columns, some of them penalised, asks for it (default scale of Huber)."""
    X, rng = rare_columns()
    data = held_sparse(X, rng.normal(size=len(X)), rng.uniform(0.5, 2.0, len(X)))
    multipliers = Multipliers.of(Objective(Absolute(), data, L2(0.7)))
    theta, gradient = rng.normal(size=(2, multipliers.objective.size)) * 0.1
    multipliers.advance(theta)
    problem = multipliers.smooth()
    diagonal = problem.hess(theta).diagonal()
    assert np.ptp(diagonal) > 0
    assert_allclose(own_curvature(problem, theta)(gradient), gradient / diagonal, rtol=1e-7)


@pytest.mark.parametrize("n_classes", [4, 30])  # the rows are turned, and theta is
@pytest.mark.parametrize("p", [30, 90])
def test_classes_have_their_own_curvatures(p, n_classes):
    X, rng = rare_columns(p=p)
    y = rng.integers(n_classes, size=300)
    data = prepare(X, y)[0] if p == 30 else held_sparse(X, y)
    scores = Objective(CrossEntropy(), data, L2(0.7), n_outputs=n_classes)
    problem = Objective(Contrasts(), data, L2(0.7), n_outputs=n_classes - 1)
    basis = helmert(n_classes)
    theta, gradient = rng.normal(size=(2, problem.size)) * 0.1

    def turned(at):
        return np.ravel(at.reshape(-1, n_classes - 1) @ basis)

    hessian = scores.hess(turned(theta)).reshape(-1, n_classes, data.size + 1, n_classes)
    own = np.stack([hessian[:, k, :, k] for k in range(n_classes)])
    if p == 90:
        own *= np.eye(data.size + 1)
    pulled = turned(gradient).reshape(-1, n_classes)
    steps = np.stack([np.linalg.solve(own[k], pulled[:, k]) for k in range(n_classes)], axis=1)
    step = own_curvature(problem, theta)(gradient)
    expected = np.ravel(steps @ basis.T)
    # of blocks rows of next to no curvature are left out
    close = 0.1 if p == 30 else 1e-6
    assert np.linalg.norm(step - expected) <= close * np.linalg.norm(expected)


def test_none_where_single_outputs_say_nothing():
    X, rng = rare_columns()
    data, _ = prepare(X, rng.integers(2, size=300).astype(float), None)
    assert own_curvature(Objective(Dice(), data, L2()), np.zeros(81)) is None  # no sum over rows
    few, _ = prepare(X[:, :5], np.zeros(300), None)
    assert own_curvature(Objective(Squared(), few, L2()), np.zeros(6)) is None


def test_rare_columns_beside_a_penalty_take_few_products():
    problem = two_classes(n=1000, p=200, alpha=1.0)
    theta = np.zeros(problem.size)
    gradient, count = problem.evaluate(theta).gradient, []

    def product(v):
        count.append(1)
        return problem.hessp(theta, v)

    plain = conjugate_gradients(product, gradient, 1e-6)
    before = len(count)
    step = conjugate_gradients(product, gradient, 1e-6, 200, own_curvature(problem, theta))
    assert len(count) - before < before / 4
    assert_allclose(step, plain, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize("n_outputs", [None, 3])
def test_wide_tables_beside_a_weak_penalty_take_few_products(n_outputs):
    """Fewer rows than columns bend few directions; the diagonal of all would mix them with the others."""
    rng = np.random.default_rng(0)
    X = sp.random(300, 3000, 0.01, format="csr", random_state=0)
    y = rng.normal(size=300) if n_outputs is None else rng.integers(4, size=300)
    loss = Squared() if n_outputs is None else Contrasts()
    data = held_sparse(X.toarray(), y, reduce=False, resolve=False)
    problem = Objective(loss, data, L2(1e-4), n_outputs=n_outputs)
    theta, count = np.zeros(problem.size), []
    gradient = problem.evaluate(theta).gradient

    def product(v):
        count.append(1)
        return problem.hessp(theta, v)

    step = conjugate_gradients(product, gradient, 1e-9, 500, own_curvature(problem, theta))
    assert len(count) < 60
    rest = problem.hessp(theta, step) - gradient
    assert np.abs(rest).max() <= 1e-6 * np.abs(gradient).max()


@pytest.mark.parametrize("n_classes", [4, 30])
def test_products_lead_to_the_minimum_of_a_dense_hessian(n_classes):
    X, rng = rare_columns(p=10)
    y = np.r_[np.arange(n_classes), rng.integers(n_classes // 2, size=300 - n_classes)]
    data, _ = prepare(X, y, None)
    problem = Objective(Contrasts(), data, L2(0.1), n_outputs=n_classes - 1)
    start = np.zeros(problem.size)
    found, expected = (
        solve_smooth(problem, start, Control(tol=1e-10), method=method)
        for method in ("newton-cg", "newton")
    )
    assert (found.status, expected.status) == (0, 0)
    assert_allclose(found.fun, expected.fun, rtol=1e-12)
    assert_allclose(found.x, expected.x, atol=1e-5 * np.abs(expected.x).max())
