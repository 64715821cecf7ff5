"""One of many L1 fits: those of a face known by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, solve_piecewise
from robustreg.solvers._face import better_part, chosen_point


def chosen(X, y, weight=None, left_out=0.0):
    data, _ = prepare(X, y, weight)
    objective = Objective(Absolute(), data, L2(0.0))
    found = solve_piecewise(objective, np.zeros(objective.size), Control(tol=1e-8, max_iter=100))
    return objective, found, chosen_point(objective, found, left_out)


def test_the_only_minimum_is_kept():
    rng = np.random.default_rng(0)
    _, found, theta = chosen(rng.normal(size=(40, 3)), rng.normal(size=40))
    assert theta is found.x


def test_medians_of_an_even_number():
    """Between 2 and 3, where the better half of the residuals has the same sum everywhere: the centre."""
    y = np.array([-4.0, -3.0, 2.0, 3.0, 8.0, 9.0])
    objective, _, theta = chosen(np.zeros((6, 1)), y)
    assert_allclose(objective.raw(theta), 2.5, atol=1e-9)


def test_the_side_of_the_majority():
    """Medians reach from 1 to 50, and most rows are near 1."""
    y = np.array([0.0, 0.9, 1.0, 50.0, 60.0, 80.0])
    objective, _, theta = chosen(np.zeros((6, 1)), y)
    assert_allclose(objective.raw(theta), 1.0, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_as_good_as_what_was_found(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, size=(50, 3)).astype(float), rng.integers(0, 5, size=50).astype(float)
    objective, found, theta = chosen(X, y, rng.integers(1, 4, 50) * 2.0)
    assert_allclose(objective.evaluate(theta)[0], objective.evaluate(found.x)[0], rtol=1e-10)


def test_better_part_shares_what_is_equal():
    size, weight = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 3.0])
    assert_allclose(better_part(size, weight, 0.0), [0, 1, 0.5, 1.5])
    assert_allclose(better_part(size, weight, 2.0), [0, 1, 0.75, 2.25])
