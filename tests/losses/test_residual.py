"""Residual losses: their verbs agree, limits hold, thresholds scale."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn.base import clone

from robustreg.losses import (
    LOSSES,
    LQQ,
    Absolute,
    Concomitant,
    EpsilonInsensitive,
    Expectile,
    Hampel,
    Huber,
    Optimal,
    Pinball,
    ResidualLoss,
    Smoothed,
    SmoothL1,
    Squared,
    Tukey,
    Welsch,
    huber_loss,
    l1_loss,
    l2_loss,
    pinball_loss,
    smooth_l1_loss,
)
from robustreg.losses._normal import normal_efficiency

RESIDUAL = [loss() for loss in LOSSES.values() if issubclass(loss, ResidualLoss)]
GRID = np.array([-40.0, -3.1, -1.2, -0.3, -1e-5, 0.0, 1e-5, 0.2, 0.9, 2.7, 50.0])
ids = [loss.name for loss in RESIDUAL]


@pytest.mark.parametrize("loss", [*RESIDUAL, Huber(np.inf)], ids=[*ids, "huber without ends"])
def test_curvature_that_is_constant_is_said_of_squares_alone(loss):
    bend = loss.constant_curvature
    assert (bend is not None) == (loss.name == "squared" or loss == Huber(np.inf))
    if bend is not None:
        assert_allclose(loss.psi_prime(GRID), bend, rtol=0)


@pytest.mark.parametrize("loss", RESIDUAL, ids=ids)
def test_verbs_agree(loss):
    r = GRID
    rho, psi = loss.rho_psi(r)
    np.testing.assert_allclose(rho, loss.rho(r), rtol=1e-13)
    np.testing.assert_allclose(psi, loss.psi(r), rtol=1e-12)
    np.testing.assert_allclose(loss.excess(r), rho - r * psi, rtol=1e-9, atol=1e-12)
    moving = r[r != 0]
    np.testing.assert_allclose(loss.weights(moving) * moving, loss.psi(moving), rtol=1e-14)
    h = 1e-6
    np.testing.assert_allclose(
        loss.psi(moving), (loss.rho(moving + h) - loss.rho(moving - h)) / (2 * h), atol=1e-7
    )
    weight = np.linspace(0.5, 2, len(r))
    excess, weighted = loss.excess_psi(r, weight)
    np.testing.assert_allclose(excess, np.sum(weight * loss.excess(r)), rtol=1e-12)
    np.testing.assert_allclose(weighted, weight * psi, rtol=1e-12)
    value, weighted = loss.sum_psi(r, weight)
    np.testing.assert_allclose(value, np.sum(weight * rho), rtol=1e-12)
    np.testing.assert_allclose(weighted, weight * psi, rtol=1e-12)


@pytest.mark.parametrize("loss", RESIDUAL, ids=ids)
def test_thresholds_scale_with_the_residual(loss):
    c = 3.7
    np.testing.assert_allclose(
        loss.rescaled(c).rho(c * GRID), c**loss.degree * loss.rho(GRID), rtol=1e-12
    )
    assert type(loss.rescaled(c)) is type(loss)


def test_infinite_threshold_stays_infinite():
    assert Huber(delta=np.inf).rescaled(0.3).delta == np.inf
    np.testing.assert_allclose(Huber(delta=np.inf).rho(GRID), Squared().rho(GRID))


def test_limits_and_relations_between_losses():
    y, raw = np.zeros_like(GRID), GRID
    np.testing.assert_allclose(l2_loss(y, raw), np.mean(GRID**2))
    np.testing.assert_allclose(pinball_loss(y, raw), l1_loss(y, raw) / 2)
    np.testing.assert_allclose(smooth_l1_loss(y, raw, beta=0), l1_loss(y, raw))
    np.testing.assert_allclose(huber_loss(y, raw, delta=0.7), 0.7 * smooth_l1_loss(y, raw, 0.7))
    np.testing.assert_allclose(huber_loss(y, raw, delta=1e-9) / 1e-9, l1_loss(y, raw), rtol=1e-9)
    np.testing.assert_allclose(huber_loss(y, raw, delta=np.inf), l2_loss(y, raw) / 2)


@pytest.mark.parametrize("base", [Absolute(), Pinball(0.2), SmoothL1(beta=0.0)])
def test_smoothed_is_the_moreau_envelope(base, rng):
    y, raw, mu = rng.normal(size=7), 2 * rng.normal(size=7), 0.6
    at = np.linspace(-8, 8, 160_001)[:, None]
    envelope = np.min(base.rho(y - at) + (raw - at) ** 2 / (2 * mu), axis=0)
    smoothed = Smoothed(base, mu)
    np.testing.assert_allclose(smoothed.values(y, raw, None, None), envelope, atol=1e-7)
    np.testing.assert_allclose(
        Smoothed(base, 1e-9).values(y, raw, None, None), base.rho(y - raw), atol=1e-8
    )


def test_concomitant_is_exact_at_huge_residuals():
    loss, y, sigma = Concomitant(Huber(1.0), kappa=1.0), np.zeros(2), np.array([2.0])
    value, d_raw, d_sigma = loss.value_gradient(y, np.array([1e300, 0.0]), None, sigma)
    assert value == pytest.approx(1e300)
    assert d_raw.tolist() == [1.0, 0.0]
    assert d_sigma.tolist() == [0.5]  # -1/2 from the outlier, and kappa/2 from each row


def test_concomitant_matches_its_own_differences(rng):
    loss, y, raw = Concomitant(Huber(), kappa=0.7), rng.normal(size=9), 2 * rng.normal(size=9)
    weight, at, h = rng.uniform(0.5, 2, size=9), np.array([0.8]), 1e-6
    value, _, d_sigma = loss.value_gradient(y, raw, weight, at)
    np.testing.assert_allclose(value, np.sum(loss.values(y, raw, weight, at)), rtol=1e-13)
    up, down = (loss.value_gradient(y, raw, weight, at + s)[0] for s in (h, -h))
    np.testing.assert_allclose(d_sigma, (up - down) / (2 * h), rtol=1e-7)
    direction, d_extra = rng.normal(size=9), np.array([0.4])
    c_raw, c_extra = loss.curvature(y, raw, weight, at, direction, d_extra)
    up, down = (
        loss.value_gradient(y, raw + s * direction, weight, at + s * d_extra) for s in (h, -h)
    )
    np.testing.assert_allclose(c_raw, (up[1] - down[1]) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(c_extra, (up[2] - down[2]) / (2 * h), atol=1e-7)
    unit = loss.curvature(y, raw, weight, at, 0.0, np.array([1.0]))
    whole = loss.curvature(y, raw, weight, at, 1.0, None)
    np.testing.assert_allclose(np.sum(unit[0]), whole[1], rtol=1e-12)


def test_concomitant_start_is_robust_and_positive(rng):
    y = rng.normal(size=1001)
    y[:200] += 1e6
    loss = Concomitant()
    start, lower, _ = loss.extra(y, np.zeros(1001), None)
    assert 0.5 < start[0] < 3
    assert lower.tolist() == [0.0]
    assert loss.extra(np.zeros(3), np.zeros(3), None).start[0] == 1.0


def test_nested_parameters_and_clones():
    loss = Concomitant(Huber(2.0), kappa=0.5)
    assert loss.get_params()["base__delta"] == 2.0
    loss.set_params(base__delta=3.0)
    assert loss.base.delta == 3.0
    assert clone(loss) == loss
    assert clone(loss) != Concomitant(Huber(2.0), kappa=0.5)
    with pytest.raises(ValueError, match="Invalid parameter 'epsilon' for Huber"):
        Huber().set_params(epsilon=1.0)


@pytest.mark.parametrize("delta", ["a", True, 0.0, -1.0, np.nan, None])
def test_illegal_thresholds(delta):
    expected = r"The 'delta' parameter of Huber must be a float in the range \(0.0, inf\]"
    with pytest.raises(ValueError, match=expected):
        huber_loss([1.0], [2.0], delta=delta)
    with pytest.raises(ValueError, match=expected):
        Concomitant(Huber(delta)).validate()


def test_losses_without_a_kink_cannot_be_smoothed():
    with pytest.raises(ValueError, match="'base' parameter of Smoothed"):
        Smoothed(Huber()).validate()


@pytest.mark.parametrize(
    "loss", [loss for loss in RESIDUAL if loss.threshold and loss.smooth], ids=lambda s: s.name
)
def test_default_threshold_has_95_percent_efficiency(loss):
    if loss.name == "smooth_l1":  # at the default of the texts
        loss = SmoothL1(beta=1.345)
    z = np.linspace(-12, 12, 240_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    psi = loss.psi(z)
    efficiency = np.sum(density * z * psi) ** 2 / np.sum(density * psi**2)
    assert efficiency == pytest.approx(0.95, abs=1e-4)


def test_default_tube_is_the_most_efficient_at_the_normal_distribution():
    best = minimize_scalar(
        lambda epsilon: -normal_efficiency(EpsilonInsensitive(epsilon=epsilon)),
        bounds=(0.1, 2.0),
        method="bounded",
    )
    assert EpsilonInsensitive().epsilon == pytest.approx(best.x, abs=1e-3)
    # (2 phi(c))^2 / (2 (1 - Phi(c))) at c = 0.612
    assert normal_efficiency(EpsilonInsensitive()) == pytest.approx(0.80982596, abs=1e-8)


def test_expectile_of_a_half_is_least_squares(rng):
    r = rng.standard_normal(100) * 10.0 ** rng.integers(-100, 100, 100)
    half, square = Expectile(), Squared()
    for verb in ("rho", "psi", "psi_prime", "excess"):
        assert_allclose(getattr(half, verb)(r), getattr(square, verb)(r), rtol=1e-15)


@pytest.mark.parametrize(
    "loss",
    [loss for loss in RESIDUAL if loss.breakpoints] + [Pinball(0.2), EpsilonInsensitive(3.0)],
    ids=repr,
)
def test_breakpoints_describe_the_loss(loss):
    at = [t for t, _ in loss.breakpoints]
    assert at == sorted(at)
    assert not loss.smooth
    far = 1e3
    slope = loss.psi(np.array([-far]))[0]
    r = np.linspace(-10, 10, 2001)
    jumps = sum(jump * (r > t) for t, jump in loss.breakpoints)
    off = ~np.isin(r, at)
    assert_allclose(loss.psi(r)[off], (slope + jumps)[off], atol=1e-14)
    rho = slope * r + sum(jump * np.maximum(r - t, 0) for t, jump in loss.breakpoints)
    assert_allclose(loss.rho(r) - rho, (loss.rho(r) - rho)[0], atol=1e-9)


@pytest.mark.parametrize("loss", RESIDUAL, ids=lambda loss: loss.name)
def test_influence_is_bounded_where_the_loss_says_so(loss):
    near, far = np.abs(loss.psi(np.array([1e6, 1e12])))
    assert (far <= 1.01 * near) == loss.bounded_influence


@pytest.mark.parametrize("loss", RESIDUAL, ids=lambda loss: loss.name)
def test_only_losses_with_breakpoints_are_not_smooth(loss):
    assert loss.smooth == (not loss.breakpoints)


@pytest.mark.parametrize(
    ("loss", "rho", "psi", "psi_prime"),
    [
        (Tukey(4.685061), 3.4633617437811015, -0.5239374326234382, -0.7971925014160656),
        (Welsch(2.11 * 2**0.5), 3.495242499977889, -0.7952141124599695, -0.44595465422581765),
        (
            LQQ(1.4734061, 0.9822707, 1.5),
            3.7956867361017377,
            -0.8001100191365728,
            -0.38483796792252545,
        ),
        (Hampel(1.35241275, 3.15562975, 7.212868), 4.040027223637875, -1.1709559999999999, -1 / 3),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_values_of_robustbase(loss, rho, psi, psi_prime):
    r = np.array([-3.7])
    np.testing.assert_allclose(loss.rho(r), rho, rtol=1e-8)
    np.testing.assert_allclose(loss.psi(r), psi, rtol=1e-8)
    np.testing.assert_allclose(loss.psi_prime(r), psi_prime, rtol=1e-8)


@pytest.mark.parametrize("loss", RESIDUAL, ids=ids)
def test_weights_at_zero_are_the_limit(loss):
    at_zero, close = loss.weights(np.array([0.0]))[0], loss.weights(np.array([1e-9]))[0]
    assert at_zero == pytest.approx(close, rel=1e-6) or (at_zero == np.inf and close > 1e8)


@pytest.mark.parametrize(
    "loss", [loss for loss in RESIDUAL if not loss.convex], ids=lambda s: s.name
)
def test_redescending_losses_forget_far_outliers(loss):
    far = np.array([-1e300, -1e6, 1e6, 1e300])
    assert np.all(np.abs(loss.psi(far)) < 1e-4)
    assert np.all(np.isfinite(loss.rho(far)))
    assert np.all(np.isfinite(loss.weights(far)))


@pytest.mark.parametrize("loss", RESIDUAL, ids=ids)
def test_bound_is_the_supremum(loss):
    far = float(loss.rho(np.array([1e6]))[0])
    if np.isinf(loss.bound):
        assert loss.rho(np.array([1e100]))[0] > 5 * far
    else:
        assert far == pytest.approx(loss.bound, rel=1e-9)
        assert loss.rescaled(2.0).bound == pytest.approx(4 * loss.bound)


def test_values_of_optimal():
    # by R's polynomial, -1.944 + 1.728 x^2 - 0.312 x^4 + 0.016 x^6, at x = 2.5
    x, loss = 2.5, Optimal(c=2.0)
    expected = 2 * x * (-1.944 + 1.728 * x**2 - 0.312 * x**4 + 0.016 * x**6)
    np.testing.assert_allclose(loss.psi(np.array([2 * x])), expected, rtol=1e-12)
    np.testing.assert_allclose(loss.psi(np.array([3.9, 6.0, 7.0])), [3.9, 0.0, 0.0], atol=1e-12)
