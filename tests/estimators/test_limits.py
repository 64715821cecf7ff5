"""As delta tends to 0 Huber's fit becomes the L1 fit, as it tends to infinity least squares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, Ridge

from robustreg import HuberRegressor, L1Regressor, L2Regressor, QuantileRegressor, RobustRegressor
from robustreg.losses import Absolute, Huber, Pinball, SmoothL1, Squared
from tests._reference import objective, sample

X, Y, W = sample(n=61, seed=4)  # an odd number of rows: the L1 fit is unique
R = np.linspace(-8, 8, 33)


def gaps(models, target):
    """Largest difference of the coefficients of each fit from the target's."""
    return [
        np.abs(np.append(m.coef_ - target.coef_, m.intercept_ - target.intercept_)).max()
        for m in models
    ]


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_small_delta_is_l1(alpha):
    # At a fixed scale the loss is rho_delta, and it is rho_delta / delta that tends to |r|: the penalty
    # goes along.
    target = L1Regressor(alpha=alpha).fit(X, Y, sample_weight=W)
    fits = [
        HuberRegressor(scale=1.0, epsilon=delta, alpha=alpha * delta).fit(X, Y, sample_weight=W)
        for delta in (1e-1, 1e-2, 1e-4, 1e-6)
    ]
    differences = gaps(fits, target)
    assert differences[0] > 1e-4  # 0.1 is not small yet
    assert differences[-1] < 1e-5
    assert differences == sorted(differences, reverse=True)
    assert_allclose(objective(fits[-1], X, Y, W) / 1e-6, objective(target, X, Y, W), rtol=1e-5)


def test_small_epsilon_is_l1():
    # Not so for Proposal 2, whose scale grows to keep p rows' worth of residuals inside.
    target = L1Regressor().fit(X, Y)
    fits = [RobustRegressor(loss=Huber(e)).fit(X, Y) for e in (1.0, 0.1, 1e-3, 1e-5)]
    differences = gaps(fits, target)
    assert differences[-1] < 1e-4
    assert differences == sorted(differences, reverse=True)


@pytest.mark.parametrize("beta", [1e-6, 0.0])
def test_small_beta_is_l1(beta):
    model = RobustRegressor(loss=SmoothL1(beta), scale=1.0).fit(X, Y)
    assert gaps([model], L1Regressor().fit(X, Y))[0] < 1e-5


# With a joint scale the penalty is in units of sigma: see the next test.
@pytest.mark.parametrize(
    "scale, alpha",
    [(1.0, 0.0), (1.0, 2.0), ("mad", 0.0), ("mad", 2.0), ("proposal2", 0.0), ("concomitant", 0.0)],
)
@pytest.mark.parametrize("epsilon", [1e3, 1e8, 1e150, np.inf])
def test_large_delta_is_least_squares(scale, epsilon, alpha):
    model = HuberRegressor(scale=scale, epsilon=epsilon, alpha=alpha).fit(X, Y, sample_weight=W)
    theirs = (Ridge(alpha=alpha) if alpha else LinearRegression()).fit(X, Y, sample_weight=W)
    assert gaps([model], theirs)[0] < 1e-7
    assert np.all(model.weights_ == 1)
    assert model.delta_ == epsilon * model.scale_


@pytest.mark.parametrize("scale", ["proposal2", "concomitant"])
def test_large_epsilon_with_a_joint_scale_and_a_penalty(scale):
    # sigma * rho(r / sigma) is r^2 / (2 sigma): the answer is Ridge at alpha * sigma, and sigma^2 the
    # mean square of the residuals, over n - p for Proposal 2.
    model = HuberRegressor(scale=scale, epsilon=np.inf, alpha=2.0).fit(X, Y)
    assert gaps([model], Ridge(alpha=2.0 * model.scale_).fit(X, Y))[0] < 1e-7
    count = len(Y) - (4 if scale == "proposal2" else 0)
    residual = Y - model.predict(X)
    assert_allclose(model.scale_, np.sqrt(residual @ residual / count), rtol=1e-7)


def test_median_is_half_of_l1():
    half = QuantileRegressor(quantile=0.5, alpha=0.0).fit(X, Y)
    penalised = RobustRegressor(loss=Pinball(0.5), alpha=1.0).fit(X, Y)
    assert gaps([half], L1Regressor().fit(X, Y))[0] < 1e-10
    assert gaps([penalised], L1Regressor(alpha=2.0).fit(X, Y))[0] < 1e-10


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_names_stand_for_the_same_fits(alpha):
    pairs = [
        (RobustRegressor(loss="squared", alpha=alpha), L2Regressor(alpha=alpha)),
        (RobustRegressor(loss="absolute", alpha=alpha), L1Regressor(alpha=alpha)),
        (RobustRegressor(loss="huber", alpha=alpha), HuberRegressor(alpha=alpha)),
        (
            RobustRegressor(alpha=alpha, scale="mad"),
            HuberRegressor(alpha=alpha, scale="mad"),
        ),
        (
            RobustRegressor(loss=Huber(0.8), alpha=alpha, scale=2.0),
            HuberRegressor(epsilon=0.8, alpha=alpha, scale=2.0),
        ),
    ]
    for one, other in pairs:
        assert gaps([one.fit(X, Y)], other.fit(X, Y))[0] < 1e-10


def test_large_penalty_leaves_the_constant():
    for model in (HuberRegressor(), L2Regressor(), L1Regressor(), QuantileRegressor(quantile=0.4)):
        model.set_params(alpha=1e12).fit(X, Y)
        assert np.abs(model.coef_).max() < 1e-8
    assert_allclose(L2Regressor(alpha=1e12).fit(X, Y).intercept_, Y.mean(), rtol=1e-8)
    assert_allclose(L1Regressor(alpha=1e12).fit(X, Y).intercept_, np.median(Y), rtol=1e-8)


@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-150])
def test_loss_over_delta_tends_to_the_absolute_error(delta):
    loss = Huber(delta)
    assert_allclose(loss.rho(R) / delta, Absolute().rho(R), atol=delta / 2 * (1 + 1e-12))
    assert_allclose(loss.psi(R) / delta, np.sign(R), atol=0)
    # while the loss itself vanishes
    assert loss.rho(R).max() <= 8 * delta


@pytest.mark.parametrize("delta", [8.0, 1e6, 1e300, np.inf])
def test_loss_tends_to_half_the_square(delta):
    assert_allclose(Huber(delta).rho(R), Squared().rho(R), rtol=1e-15)
    assert_allclose(Huber(delta).psi(R), R, rtol=1e-15)
