"""Directions in which rows do not vary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers._unseen import Unseen, null_space, still_loose


def problem(X, positive=True):
    penalty = Applied.to(L2(0.0), np.zeros(X.shape[1]), positive)
    data, _ = prepare(X, np.arange(float(len(X))), intercept=False, reduce=False)
    return Objective(Absolute(), data, penalty)


@pytest.mark.parametrize("n", [10, 200])
def test_directions_of_a_repeated_column(n):
    x, z = np.random.default_rng(n).normal(size=(2, n))
    objective = problem(np.column_stack([x, x, z]))
    left = still_loose(objective, np.arange(n), np.eye(3))
    assert_allclose(np.abs(left[:, 0]), [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-7)
    assert still_loose(objective, np.arange(n), left).shape[1] == 1  # all that is left is rounding


def test_rounding_has_no_rank():
    loose = np.eye(2)[:, :1]
    assert null_space(np.array([[1e-16]]), loose, 1.0).shape[1] == 1
    assert null_space(np.array([[1e-16]]), loose, 0.0).shape[1] == 0


def test_opposite_columns_bound_nothing():
    """Both coefficients can grow together, whatever the residuals: their bounds go, that of the third stays."""
    x, z = np.random.default_rng(0).normal(size=(2, 20))
    found = Unseen(problem(np.column_stack([x, -x, z])), np.eye(3), np.eye(3))
    assert_allclose(found.others, [[0, 0, 1]])
    assert found.directions.shape[1] == 2
    theta = found.lift(np.array([-3.0, 1.0, 2.0]))
    assert theta.min() >= 0
    assert_allclose([theta[0] - theta[1], theta[2]], [-4, 2])


def test_equal_columns_keep_their_bounds():
    x = np.random.default_rng(0).normal(size=20)
    found = Unseen(problem(np.column_stack([x, x])), np.eye(2), np.eye(2))
    assert len(found.others) == found.directions.shape[1] == 2
