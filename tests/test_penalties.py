"""Penalties: values from their definitions, derivatives from differences of the values."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime

from robustreg.penalties import L1, L2
from robustreg.solvers._sides import Sides

COEF = np.array([1.5, -0.3, 0.02, -4.0])


def lasso(alpha):
    return Sides(np.full(4, -alpha), np.full(4, alpha), np.zeros(4))


UNEVEN = Sides(np.array([-1.0, -0.5, 0.0, -9.0]), np.array([2.0, 0.5, 0.0, 3.0]), np.arange(4.0))
KINKED = [L1(0.7), lasso(0.7), UNEVEN]
SMOOTH = [L2(0.7), lasso(0.7).smoothed(0.5), UNEVEN.smoothed(np.array([0.1, 1.0, 0.5, 8.0]))]


def test_values():
    assert_allclose(L2(3.0).value_gradient(COEF)[0], 1.5 * (COEF @ COEF))
    assert_allclose(L1(3.0).value_gradient(COEF)[0], 3.0 * np.abs(COEF).sum())
    # the envelope: c^2 / (2 mu) within mu, |c| - mu / 2 beyond
    for coef, value in ((0.5, 2 * 0.125), (-3.0, 2 * 2.5)):
        only = np.array([coef, 0, 0, 0])
        assert_allclose(lasso(2.0).smoothed(1.0).value_gradient(only)[0], value)
    # slopes 2 and -9 at 1.5 and -4, and squares of 1, 2 and 3
    squares = 0.5 * (0.3**2 + 2 * 0.02**2 + 3 * 4.0**2)
    assert_allclose(UNEVEN.value_gradient(COEF)[0], 2 * 1.5 + 0.5 * 0.3 + 9 * 4 + squares)


@pytest.mark.parametrize("penalty", [*SMOOTH, *KINKED], ids=str)
def test_gradient(penalty):
    _, gradient = penalty.value_gradient(COEF)
    numeric = approx_fprime(COEF, lambda c: penalty.value_gradient(c)[0], 1e-7)
    assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", [*SMOOTH, *KINKED], ids=str)
def test_curvature(penalty):
    step = 1e-7
    up, down = (penalty.value_gradient(COEF + s)[1] for s in (step, -step))
    assert_allclose(penalty.curvature(COEF), (up - down) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", [L1(0.7), L2(0.7)], ids=str)
def test_matrix_of_coefficients_is_its_entries(penalty):
    value, gradient = penalty.value_gradient(COEF.reshape(2, 2))
    assert value == penalty.value_gradient(COEF)[0]
    assert np.array_equal(gradient.ravel(), penalty.value_gradient(COEF)[1])
    assert np.array_equal(penalty.curvature(COEF.reshape(2, 2)).ravel(), penalty.curvature(COEF))


@pytest.mark.parametrize("penalty", [L1(0.7), L2(0.7)], ids=str)
def test_scale(penalty):
    value = penalty.value_gradient(COEF)[0]
    # of y in units of 3, beside a loss of degree 2 and a mean weight of 2
    inside = penalty.rescaled(3.0, 2, 2.0)
    assert_allclose(2 * 9 * inside.value_gradient(COEF / 3)[0], value)
    assert_allclose(penalty.scaled(5.0).value_gradient(COEF)[0], 5 * value)
    assert penalty.alpha == 0.7  # not changed by it


@pytest.mark.parametrize("mu", [1.0, 1e-3])
def test_envelope_is_just_below_its_penalty(mu):
    penalty = lasso(2.0)
    gap = penalty.value_gradient(COEF)[0] - penalty.smoothed(mu).value_gradient(COEF)[0]
    assert 0 <= gap <= len(COEF) * 2.0 * mu / 2 * (1 + 1e-9)


def test_nothing_costs_nothing():
    for penalty in (L1(), L2()):
        value, gradient = penalty.value_gradient(COEF)
        assert value == 0
        assert not gradient.any()
