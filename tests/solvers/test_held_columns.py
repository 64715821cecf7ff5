"""Which coefficients other minima can have, by what the penalty says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.penalties import L1, L2, ElasticNet, GroupLasso
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers._held_columns import moves


@pytest.fixture(scope="module")
def objective():
    """Return the objective beside a penalty: columns alike but for signs, without an intercept."""
    X = np.array([[1.0, -1.0, 1.0, 1.0], [1.0, -1.0, -1.0, 1.0]] * 5)

    def make(penalty):
        data, _ = prepare(X, np.arange(10.0), intercept=False, reduce=False)
        return Objective(Absolute(), data, penalty)

    return make


def moved(objective, theta, slopes):
    found = moves(objective, np.array(theta), slopes, True)
    return np.abs(found.directions).max(axis=1, initial=0.0) > 0, found.bounds


def test_no_penalty_holds_nothing(objective):
    free, bounds = moved(objective(L2(0.0)), np.zeros(4), np.ones(10))
    assert free.all()
    assert not len(bounds)


def test_squares_hold_their_coefficients(objective):
    for penalty in (L2(1.0), Applied.to(ElasticNet(1.0, 0.5))):
        assert not moved(objective(penalty), np.ones(4), np.ones(10))[0].any()


def test_a_pull_below_an_l1_penalty_holds_at_zero(objective):
    """The sum over rows is 10, -10, 0, 10: as large as the penalty in three columns."""
    free, bounds = moved(objective(Applied.to(L1(10.0))), np.zeros(4), np.ones(10))
    assert_allclose(free, [1, 1, 0, 1])
    assert_allclose(np.sign(bounds.sum(axis=0)), [-1, 1, 0, -1])  # against the pull
    assert not moved(objective(Applied.to(L1(11.0))), np.zeros(4), np.ones(10))[0].any()


def test_signs_and_removed_columns(objective):
    weights = np.array([0.0, 0.0, 0.0, np.inf])
    free, bounds = moved(objective(Applied.to(L2(1.0), weights, True)), np.zeros(4), -np.ones(10))
    assert_allclose(free, [1, 0, 1, 0])  # the second would have to become negative
    assert_allclose(np.sign(bounds.sum(axis=0)), [1, 0, 1, 0])


def test_a_group_moves_along_its_pull(objective):
    """The norm of its pull is that of 10 and -10; that of the other group is less."""
    penalty = Applied.to(GroupLasso(np.sqrt(200.0), groups=[0, 0, 1, 1]))
    found = moves(objective(penalty), np.zeros(4), np.ones(10), True)
    assert_allclose(np.abs(found.directions.T), [[np.sqrt(0.5), np.sqrt(0.5), 0, 0]], atol=1e-12)
