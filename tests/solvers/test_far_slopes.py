"""What rows that are not far out in X say of a fit: nothing is left at a minimum, and more elsewhere."""

import numpy as np
import pytest

from robustreg.coordinates import Coordinates
from robustreg.data import Data
from robustreg.losses import CrossEntropy, Logistic
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers import seen_from_the_others


def table(seed, classes):
    """Return rows and their classes; the bound asks of none whether it is far out."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    y = rng.integers(classes, size=40)
    y[:classes] = np.arange(classes)
    return X, y


def minimum(objective, theta):
    """Newton's method, of a smooth and convex objective."""
    for _ in range(60):
        here = objective.evaluate(theta, 2)
        theta = theta - np.linalg.solve(here.hessian, here.gradient)
    return theta


def objective_of(X, y, classes):
    data = Data(X, y, None, Coordinates(np.zeros(3), np.ones(3)), intercept=False)
    if classes == 2:
        return Objective(Logistic(), data, L2(0.1))
    return Objective(Contrasts(CrossEntropy()), data, L2(0.1), n_outputs=classes - 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_nothing_is_left_at_a_minimum_and_more_elsewhere(classes, seed):
    X, y = table(seed, classes)
    theta = minimum(objective_of(X, y, classes), np.zeros(3 * (classes - 1)))
    others = objective_of(X[:-2], y[:-2], classes).with_total(40.0)

    def seen(theta):
        raw = X[-2:] @ theta.reshape(3, -1)
        raw = raw[:, 0] if classes == 2 else raw @ helmert(classes)
        return seen_from_the_others(others, theta, X[-2:], y[-2:], None, raw)

    assert seen(theta).optimality <= 1e-12
    direction = np.random.default_rng(seed).normal(size=theta.shape)
    assert seen(theta + 0.1 * direction).optimality > 1e-3


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_steps_hold_far_rows_and_leave_what_these_can_balance(classes):
    X, y = table(0, classes)
    X[-2:] = 1e3 * X[-2]
    y[-2:] = 0, 1  # rows that contradict each other have slopes at any point
    others = objective_of(X[:-2], y[:-2], classes).with_total(40.0)
    theta, raw = np.zeros(3 * (classes - 1)), np.zeros((2, classes) if classes > 2 else 2)
    for _ in range(10):
        seen = seen_from_the_others(others, theta, X[-2:], y[-2:], None, raw)
        step = seen.step()
        assert np.linalg.matrix_rank(seen.held) >= 1
        assert np.abs(seen.held.T @ step).max() <= 1e-12 * max(np.abs(step).max(), 1e-3)
        theta = theta + step
    gradient = others.evaluate(theta).gradient
    left = gradient - seen.held @ np.linalg.lstsq(seen.held, gradient, rcond=None)[0]
    assert np.abs(gradient).max() > 1e-3
    assert np.abs(left).max() <= 1e-12
