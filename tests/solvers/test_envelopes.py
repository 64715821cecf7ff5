"""Envelopes of losses with kinks, what their slopes prove, and points on kinks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from robustreg.losses import Absolute, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L1, L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, rows_of
from robustreg.solvers._envelopes import (
    in_balance,
    minimise_envelope,
    onto_kinks,
    slopes_of_envelope,
    smoothed,
)
from robustreg.solvers._kinks import changed_sides, gradient_of, offsets


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def table(rng, n=300, loss=None, penalty=None):
    X = rng.normal(size=(n, 3))
    data, _ = prepare(X, X.sum(axis=1) + rng.normal(size=n), None)
    return Objective(loss or Absolute(), data, penalty or L2(0.0))


def test_slopes_are_those_of_the_smoothed_loss(rng):
    objective = table(rng, loss=Pinball(0.3))
    kinks = objective.loss.kinks(objective.data.y)
    theta = rng.normal(size=4)
    slopes = slopes_of_envelope(kinks, offsets(objective, theta), 0.2)
    gradient = smoothed(objective, 0.2).evaluate(theta).gradient
    assert_allclose(gradient_of(objective, slopes) / objective.total, gradient, atol=1e-14)


def test_envelope_of_a_kinked_penalty_is_below_it_and_close(rng):
    objective = table(rng, penalty=L1(20.0))
    theta = rng.normal(size=4)
    value, lower = objective.evaluate(theta).value, smoothed(objective, 1e-3).evaluate(theta).value
    assert 0 <= value - lower <= 1e-3


def test_slopes_of_a_narrow_envelope_balance_after_some_changes(rng):
    objective, width = table(rng), 1e-6
    inner = minimise_envelope(objective, np.zeros(4), width, Control(1e-12, 500)).x
    kinks = objective.loss.kinks(objective.data.y)
    slopes = slopes_of_envelope(kinks, offsets(objective, inner), width)
    hessian = smoothed(objective, width).hess(inner)

    def missed():
        return gradient_of(objective, slopes) / objective.total

    before = np.abs(missed()).max()
    for _ in range(3):
        step = -np.linalg.solve(hessian, missed())
        slopes = in_balance(kinks, slopes, objective.raw(step) / width)
    assert np.abs(missed()).max() <= max(1e-15, 0.1 * before)
    assert np.abs(slopes).max() <= 1.0


def test_slopes_at_their_bounds_stay_there():
    kinks = Pinball(0.3).kinks(np.zeros(4))
    slopes = np.array([kinks.lower, 0.0, 0.0, kinks.upper])
    changed = in_balance(kinks, slopes, np.array([0.1, 0.1, 9.0, -0.1]))
    assert_array_equal(changed, [kinks.lower, 0.1, kinks.upper, kinks.upper])


def test_point_on_the_kinks_of_some_rows(rng):
    objective = table(rng)
    rows = rows_of(objective, np.zeros(300), np.arange(300))
    tied = np.arange(300) < 4
    theta = onto_kinks(rows, onto_kinks(rows, np.zeros(4), tied), tied)
    assert_allclose(rows.offsets(theta)[tied], 0.0, atol=1e-13)


def test_a_side_changes_by_more_than_rounding():
    before = np.array([1.0, 1.0, -1.0, -1.0, 0.0, 1.0])
    now = np.array([0.5, -0.5, -0.5, 0.5, 0.5, -1e-14])
    assert_array_equal(changed_sides(before, now, 0.0), [False, True, False, True, True, False])
    assert not changed_sides(before, now, 1e13).any()
