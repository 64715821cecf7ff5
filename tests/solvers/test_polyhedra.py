"""Linear programs over polyhedra, against answers that are known and against each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.solvers import _polyhedra
from robustreg.solvers._polyhedra import leading_away, lowest


def test_a_direction_leads_away_from_all_bounds_that_any_does():
    """The first two bounds hold each other, the others do not."""
    bounds = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [1, 1e-6, 1], [0, 1, -1e-6]])
    direction, gone = leading_away(bounds)
    assert_allclose(gone, [False, False, True, True, True])
    assert_allclose(bounds[:2] @ direction, 0, atol=1e-9)
    assert (bounds[gone] @ direction > 0).all()


@pytest.mark.parametrize("ball", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_steep_slopes_in_place_of_bounds(seed, ball, monkeypatch):
    """Many directions: the end of HiGHS, and no call of it."""
    rng = np.random.default_rng(seed)
    X, room = rng.normal(size=(300, 80)), rng.random(300)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    cost = -rng.random(300) @ X / 50 if not ball else np.zeros(80)
    expected, _ = lowest(cost, ball, X, room, bounded=False)
    monkeypatch.setattr(_polyhedra, "linprog", None)
    end, multipliers = lowest(cost, ball, X, room, bounded=True)
    assert (X @ end[:-1] + end[-1] - room).max() <= 1e-10
    weight = np.append(cost, -ball)
    assert_allclose(weight @ end, weight @ expected, rtol=1e-9)
    assert_allclose(multipliers @ X, -cost, atol=1e-9)
    assert_allclose(multipliers.sum() if ball else 1.0, 1.0, rtol=1e-9)


def test_bounds_too_steep_for_slopes_are_left_to_highs():
    """Two bounds that nearly oppose each other: their multipliers are a thousand times the cost."""
    k = 61
    X = np.vstack([np.eye(k), -np.eye(k)])
    X[0, 1], X[k, 1] = 1e-3, 1e-3
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    cost = np.zeros(k)
    cost[1] = -1.0
    room = np.ones(2 * k)
    room[1] = 1e4
    end, _ = lowest(cost, 0.0, X, room, bounded=True)
    expected, _ = lowest(cost, 0.0, X, room, bounded=False)
    assert_allclose(cost @ end[:-1], cost @ expected[:-1], rtol=1e-9)


def test_rooms_that_are_rounding_do_not_bound_the_ball():
    end, _ = lowest(np.zeros(2), 1.0, np.eye(2), np.array([1e-17, 3e-17]), bounded=False)
    assert end[-1] > 0.1
