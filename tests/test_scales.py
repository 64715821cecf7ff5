"""Scales: their defining equations, weights as repetitions, constants from quadrature."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from robustreg.losses import LOSSES
from robustreg.losses._normal import with_breakdown
from robustreg.scales import (
    MAD_FACTOR,
    concomitant_limit,
    huber_consistency,
    huber_scale,
    m_scale,
    mad,
    weighted_median,
)
from tests._reference import sample

R = sample(n=101)[1]


def test_mad_is_consistent_at_the_normal():
    assert_allclose(MAD_FACTOR, 1 / norm.ppf(0.75), rtol=1e-14)
    assert_allclose(mad(norm.ppf((np.arange(1, 10_000)) / 10_000)), 1.0, rtol=1e-3)


def test_mad_is_about_zero_not_about_the_median():
    assert mad(np.full(5, 2.0)) == 2.0 * MAD_FACTOR


@pytest.mark.parametrize("n", [1, 2, 3, 10, 11])
def test_median_of_equal_weights_is_numpys(n):
    values = np.random.default_rng(n).normal(size=n)
    assert_allclose(weighted_median(values), np.median(values), rtol=1e-15)
    assert_allclose(weighted_median(values, np.full(n, 0.1)), np.median(values), rtol=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_median_of_integer_weights_is_that_of_repeated_values(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 8, 12).astype(float)
    weight = rng.integers(0, 4, 12).astype(float)
    weight[0] += 1
    repeated = np.repeat(values, weight.astype(int))
    for unit in (
        1.0,
        0.1,
        1 / 3,
        1e-300,
    ):  # sums of 0.1 carry rounding, and half is meant within it
        assert_allclose(weighted_median(values, weight * unit), np.median(repeated), rtol=1e-14)


def test_median_does_not_overflow():
    assert weighted_median(np.array([1.5e308, 1.7e308])) == pytest.approx(1.6e308)
    assert weighted_median(np.array([-1e308, 1e308]), np.ones(2)) == 0.0


@pytest.mark.parametrize(
    "epsilon", [1e-8, 1e-4, 0.049, 0.051, 0.5, 1.345, 2.5, 10.0, 37.9, 38.1, np.inf]
)
def test_consistency_constant(epsilon):
    cut = min(epsilon, 40.0)
    inner = quad(lambda z: z**2 * norm.pdf(z), 0, cut, epsabs=0, limit=200, points=[min(cut, 5)])[0]
    outer = 0.0 if np.isinf(epsilon) else epsilon**2 * norm.sf(epsilon)
    assert_allclose(huber_consistency(epsilon), 2 * (inner + outer), rtol=1e-9)


def test_consistency_constant_as_published():
    # E min(Z^2, k^2) by quadrature to nine digits
    for epsilon, value in [(1.345, 0.710164548), (1.5, 0.778465216), (2.5, 0.977559983)]:
        assert_allclose(huber_consistency(epsilon), value, atol=5e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 1.345, 3.0, 100.0, np.inf])
def test_huber_scale_solves_its_equation(epsilon, rank, weighted):
    weight = np.random.default_rng(0).uniform(0.0, 2.0, len(R)) if weighted else np.ones(len(R))
    sigma = huber_scale(R, weight if weighted else None, epsilon=epsilon, rank=rank)
    spent = weight @ np.minimum((R / sigma) ** 2, epsilon**2)
    assert_allclose(spent, huber_consistency(epsilon) * (weight.sum() - rank), rtol=1e-12)


def test_huber_scale_of_all_inside_is_the_standard_deviation():
    assert_allclose(huber_scale(R, epsilon=np.inf, rank=1), np.sqrt(R @ R / 100), rtol=1e-14)
    assert huber_scale(R, epsilon=1e200) == huber_scale(R, epsilon=np.inf)


@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e150, 1e300])
def test_scales_are_equivariant(factor):
    assert_allclose(huber_scale(R * factor) / factor, huber_scale(R), rtol=1e-13)
    assert_allclose(mad(R * factor) / factor, mad(R), rtol=1e-13)


def test_huber_scale_of_mostly_zero_residuals():
    # More than a share 1 - kappa / epsilon^2 = 60.7 % of zeros: no positive number solves the equation.
    for zeros, positive in [(60, True), (61, False)]:
        residual = np.append(np.zeros(zeros), np.ones(100 - zeros))
        assert (huber_scale(residual) > 0) == positive
    assert huber_scale(np.zeros(5)) == 0.0


@pytest.mark.parametrize("epsilon", [1.001, 1.1, 1.35, 2.0, 10.0, np.inf])
def test_limit_of_the_concomitant_scale_is_where_its_slope_vanishes(epsilon):
    limit = concomitant_limit(epsilon)

    def mean(x):
        return min((x / limit) ** 2, epsilon**2) * norm.pdf(x)

    cut = min(epsilon * limit, 30.0)
    found = 2 * (quad(mean, 0, cut, epsabs=1e-14)[0] + quad(mean, cut, 40, epsabs=1e-14)[0])
    assert_allclose(found, 1.0, rtol=1e-9)


@pytest.mark.parametrize("epsilon", [1e-3, 0.5, 1.0])
def test_the_concomitant_scale_is_zero_up_to_a_threshold_of_one(epsilon):
    assert concomitant_limit(epsilon) == 0.0


@pytest.mark.parametrize("scale", [mad, huber_scale, weighted_median])
def test_weights_repeat_and_zeros_drop(scale):
    weight = np.random.default_rng(1).integers(0, 4, len(R))
    repeated = np.repeat(R, weight)
    assert_allclose(scale(R, weight.astype(float)), scale(repeated), rtol=1e-12)


@pytest.mark.parametrize("scale", [mad, huber_scale])
def test_bounded_influence(scale):
    far = R.copy()
    far[np.argmax(far)] = 1e300
    near = R.copy()
    near[np.argmax(near)] = 1e3
    assert_allclose(scale(far), scale(near), rtol=1e-12)


@pytest.mark.parametrize("loss", ["tukey", "hampel", "optimal", "welsch"])
@pytest.mark.parametrize("n", [41, 101])
@pytest.mark.parametrize("away", [0.0, 1e-9, -1e-9, 4e-8, -4e-8, 1e-6, 10.0])
def test_m_scale_does_not_depend_on_its_start(loss, n, away):
    # half of a bracket that rounding closed at the root was taken for a step: 1e-8 of the scale off
    r = sample(n, 3)[1]
    r[: int(0.45 * n)] *= 1e3
    bounded = with_breakdown(LOSSES[loss](), 0.5)
    scale = m_scale(r, loss=bounded)
    assert_allclose(m_scale(r, loss=bounded, start=scale * (1 + away)), scale, rtol=1e-14)
    share = np.mean(bounded.rho(r / scale)) / bounded.bound
    assert share == pytest.approx(0.5, rel=1e-13)
