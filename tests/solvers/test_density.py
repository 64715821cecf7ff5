"""Newton steps by the density of kinks: a Hessian that a loss with kinks does not have, and what a step says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Absolute, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers._density import Density, band, density, stride, undecided


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("loss", [Absolute(), Pinball(0.9)], ids=["absolute", "pinball"])
def test_density_is_the_derivative_of_the_loss_averaged_over_a_band(loss, rng):
    """A uniform kernel: the mean of the slopes in a band about the offset, whose derivative is known."""
    y, width, h = np.zeros(50), 0.3, 1e-4
    s, weight = rng.normal(size=50), rng.random(50)
    kinks = loss.kinks(y)

    def mean_slope(s):
        above = np.clip((s + width) / (2 * width), 0.0, 1.0)
        return weight * (kinks.lower + (kinks.upper - kinks.lower) * above)

    expected = (mean_slope(s + h) - mean_slope(s - h)) / (2 * h)
    away = np.abs(np.abs(s) - width) > h
    assert_allclose(density(kinks, s, weight, width)[away], expected[away], atol=1e-9)


def test_hessian_counts_rows_near_their_kinks(rng):
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    data, _ = prepare(X, y, rng.random(200))
    (gram,) = data.sum(Density(Absolute(), np.zeros(4), 0.5))
    Z = np.column_stack([data.whole().X[:, :3], np.ones(200)])
    near = np.abs(data.y) <= 0.5
    assert_allclose(gram, (Z[near] * data.weight[near, None] / 0.5).T @ Z[near], rtol=1e-12)


def test_step_that_is_hardly_shorter_is_stuck():
    theta, step = np.zeros(2), np.array([2.0, 2.0])
    end = stride(theta, step, lambda step: float(np.abs(step).max()), np.inf)
    assert_allclose(end.theta, [-2.0, -2.0])
    assert end.moved == pytest.approx(3.0)
    assert not end.stuck
    assert stride(theta, step, np.linalg.norm, 2.0).stuck


def test_shares_of_rows(rng):
    assert band(5, 100_000) == 0.1
    assert band(5, 500) == pytest.approx(0.2)
    assert band(50, 500) == 0.3
    data, _ = prepare(rng.normal(size=(400, 3)), rng.normal(size=400), None)
    middle, outer = (Objective(Pinball(q), data, L2(0.0)) for q in (0.5, 0.99))
    assert undecided(middle, 400) == pytest.approx(0.1)
    assert undecided(outer, 400) == pytest.approx(0.1 * np.sqrt(4 * 0.99 * 0.01))
    assert undecided(middle, 1) == 1.0
