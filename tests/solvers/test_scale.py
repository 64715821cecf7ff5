"""Scales found with the fit: their equations at the answer, and when the answer is zero."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import HuberRegressor, RobustRegressor
from robustreg.losses import LOSSES, Huber, PseudoHuber, SmoothL1
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.scales import MAD_FACTOR, huber_consistency, mad, weighted_median
from robustreg.solvers import Control, Problem, solve_fixed, solve_joint, solve_mad
from tests._reference import sample

#: enough rows for a start on a sample, and few
ROWS = pytest.mark.parametrize("n", [80, 25_000])


def problem(loss=None, n=80, alpha=0.0, method="auto", **limits):
    X, y, weight = sample(n=n, seed=1)
    data, _ = prepare(X, (y - np.median(y)) / 4, weight)
    return Problem(loss or Huber(), data, L2(alpha), Control(**limits), method)


@ROWS
@pytest.mark.parametrize("alpha", [0.0, 5.0])
@pytest.mark.parametrize("epsilon", [0.3, 1.345, 4.0, np.inf])
def test_joint_scale(epsilon, alpha, n):
    p = problem(Huber(epsilon), n, alpha)
    kappa = huber_consistency(epsilon)
    found = solve_joint(p, kappa)
    theta, sigma = found.x[:-1], found.x[-1]
    assert found.optimality <= 1e-8
    z = p.residual(theta) / sigma
    spent = p.data.weight @ np.minimum(z**2, epsilon**2)
    assert_allclose(spent, kappa * p.data.total, rtol=1e-6)
    psi = np.clip(z, -epsilon, epsilon)
    assert abs(p.data.weight @ psi) < 1e-7 * p.data.total
    # and the value is the least along sigma
    joint = p.joint(kappa)
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert joint.evaluate(np.append(theta, sigma * factor))[0] > found.fun


@ROWS
@pytest.mark.parametrize("loss", [Huber(), PseudoHuber(), SmoothL1(0.5)], ids=str)
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_mad_is_that_of_its_own_fit(loss, alpha, n):
    p = problem(loss, n, alpha)
    found = solve_mad(p)
    theta, sigma = found.x[:-1], found.x[-1]
    assert_allclose(
        sigma, MAD_FACTOR * weighted_median(np.abs(p.residual(theta)), p.data.weight), rtol=1e-8
    )
    again = solve_fixed(p, sigma)
    assert_allclose(theta, again.x, rtol=1e-6, atol=1e-8)
    assert found.optimality <= 1e-8


@ROWS
@pytest.mark.parametrize("sigma", [1e-9, 1e-4, 0.1, 1.0, 1e3])
def test_fixed_scale(sigma, n):
    p = problem(n=n)
    found = solve_fixed(p, sigma)
    psi = p.data.weight * np.clip(p.residual(found.x), -1.345 * sigma, 1.345 * sigma)
    assert abs(psi.sum()) < 1e-6 * np.abs(psi).sum()
    assert found.optimality <= 1e-8


@ROWS
def test_warm_starts_stay(n):
    kappa = huber_consistency(1.345)
    for solve in (
        lambda p, theta=None: solve_joint(p, kappa, theta),
        lambda p, theta=None: solve_fixed(p, 0.5, theta),
        solve_mad,
    ):
        cold, again = solve(problem(n=n)), problem(n=n)
        warm = solve(again, cold.x)
        assert_allclose(warm.x, cold.x, rtol=1e-6, atol=1e-9)
        assert again.control.n_iter <= 1


TRUTH = np.array([1.0, -2.0, 0.5])


def partly_exact(n, share):
    """Return rows of which a share lies on one plane, and which; the others lie on both sides of it."""
    X, _, _ = sample(n=n, seed=2)
    rng = np.random.default_rng(3)
    exact = rng.permutation(n) < round(share * n)
    y = X @ TRUTH + 3.0 + np.where(exact, 0.0, 2 * rng.normal(size=n))
    return X, y, exact


def zero_is_the_answer(X, y, exact, epsilon, paid):
    """Whether slopes psi at scale zero exist that balance and cost at most what sigma is worth.

    Off the plane they are epsilon times the sign; on it those of least squares balance cheapest.
    """
    columns = np.column_stack([np.ones(len(y)), X])
    off = epsilon * np.sign(y - X @ TRUTH - 3.0)[~exact]
    on = np.linalg.lstsq(columns[exact].T, -columns[~exact].T @ off, rcond=None)[0]
    return off @ off + on @ on <= paid


SHARES = [0.40, 0.44, 0.46, 0.50, 0.58, 0.60, 0.605, 0.61, 0.615, 0.63, 0.7]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("n", [400, 3000])
@pytest.mark.parametrize("scale, epsilon", [("proposal2", 1.345), ("concomitant", 1.35)])
def test_share_of_exact_rows_at_which_the_scale_is_zero(scale, epsilon, n, share):
    # Near 1 - kappa / epsilon^2: 60.7 % for Proposal 2, 45.1 % for the concomitant scale.
    X, y, exact = partly_exact(n, share)
    paid = n if scale == "concomitant" else huber_consistency(epsilon) * (n - 4)
    model = HuberRegressor(alpha=0.0, scale=scale, epsilon=epsilon).fit(X, y)
    assert (model.scale_ == 0) == zero_is_the_answer(X, y, exact, epsilon, paid)
    assert model.optimality_ <= model.tol
    if model.scale_ == 0:
        assert_allclose(model.coef_, TRUTH, rtol=1e-10)
        assert np.array_equal(model.outliers_, ~exact)


@pytest.mark.parametrize("share, zero", [(0.48, False), (0.52, True)])
def test_mad_is_zero_from_one_half_of_exact_rows_on(share, zero):
    X, y, _ = partly_exact(1000, share)
    for model in (HuberRegressor(alpha=0.0, scale="mad"), RobustRegressor(loss=SmoothL1())):
        model.fit(X, y)
        assert (model.scale_ == 0) == zero
        if zero:
            assert_allclose(model.coef_, TRUTH, rtol=1e-10)


@pytest.mark.parametrize("noise", [1e-3, 1e-6])
def test_a_small_scale_is_not_zero(noise):
    X, _, _ = sample(n=300, seed=4, outliers=0.0)
    y = X @ TRUTH + 3.0 + noise * np.random.default_rng(5).normal(size=300)
    for scale in ("proposal2", "mad"):
        model = HuberRegressor(alpha=0.0, scale=scale).fit(X, y)
        assert_allclose(model.scale_, noise, rtol=0.2)
        assert 0 < model.outliers_.mean() < 0.03


@pytest.mark.parametrize("method", ["auto", "newton", "newton-cg", "lbfgs"])
def test_methods_agree(method):
    p = problem(method=method, max_iter=1000)
    expected = solve_joint(problem(), 0.71)
    assert_allclose(solve_joint(p, 0.71).x, expected.x, rtol=1e-6)
    assert_allclose(solve_fixed(p, 0.3).x, solve_fixed(problem(), 0.3).x, rtol=1e-6, atol=1e-9)


def test_callback_hears_of_every_iteration_and_can_stop():
    seen = []

    def watch(intermediate_result):
        seen.append(intermediate_result.fun)

    solve_joint(problem(callback=watch), 0.71)
    assert len(seen) >= 3
    assert seen[-1] <= seen[0]
    stopped = solve_joint(problem(callback=lambda intermediate_result: True), 0.71)
    assert stopped.status == 99


def test_objective_at_a_scale_has_its_thresholds_multiplied():
    p = problem(Huber(2.0))
    assert p.at(0.5).loss == Huber(1.0)
    assert isinstance(p.joint(0.7), Objective)
    assert p.joint(0.7).loss.kappa == 0.7


@pytest.mark.parametrize("seed", [6, 12, 28, 30, 35])
@pytest.mark.parametrize("epsilon", [5e-5, 1e-3, 0.02, 0.3])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_scale_of_proposal_2_solves_its_equation_whatever_the_threshold(epsilon, alpha, seed):
    # nearly all rows are beyond a tiny threshold: the objective is nearly a line in the scale, whose slope
    # is less than any other entry of the gradient
    rng = np.random.default_rng(seed)
    X = np.array([-2.0, 0, 1, 2, 1, 0, 0, -1, 1, -2, 0, -1, 1, 1])[:, None]
    y = 0.3 * X[:, 0] + 0.02 * rng.standard_normal(14)
    model = HuberRegressor(epsilon=epsilon, alpha=alpha, scale="proposal2").fit(X, y)
    spent = np.square(np.minimum(np.abs(y - model.predict(X)) / model.scale_, epsilon)).sum()
    assert_allclose(spent, huber_consistency(epsilon) * 12, rtol=1e-6)
    assert model.n_iter_ < 300


@pytest.mark.parametrize("epsilon", [4.6e-4, 1e-5])
@pytest.mark.parametrize("noise", [1.0, 1e-5, 1e-8])
@pytest.mark.parametrize("seed", range(3))
def test_all_solvers_find_one_scale_with_a_tiny_threshold(epsilon, noise, seed):
    rng = np.random.default_rng(seed)
    X = rng.random((19, 4))
    y = X @ rng.normal(size=4) + noise * rng.normal(size=19)
    found = []
    for solver in ("newton", "lbfgs", "newton-cg"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = HuberRegressor(scale="proposal2", epsilon=epsilon, solver=solver)
            fit = model.fit(X, y)
        found += [] if told else [fit.scale_]
    assert len(found) >= 2
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.01, 0.5, 1.0])
@pytest.mark.parametrize(("n", "p", "noise"), [(120, 300, 0.5), (200, 5, 0.0)], ids=str)
def test_mad_beside_an_elastic_net_where_columns_give_y_exactly(n, p, noise, l1_ratio):
    """An exact fit without the penalty is not the fit with it: the scale is that of the penalised residuals."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    y = X[:, :4] @ [3.0, 3.0, -2.0, 1.0] + noise * rng.standard_normal(n)
    model = HuberRegressor(scale="mad", alpha=20.0, l1_ratio=l1_ratio).fit(X, y)
    residual = np.abs(y - model.predict(X))
    assert_allclose(model.scale_, 1.482602 * np.median(residual), rtol=1e-5)
    fixed = HuberRegressor(scale=model.scale_, alpha=20.0, l1_ratio=l1_ratio).fit(X, y)
    assert_allclose(model.coef_, fixed.coef_, rtol=1e-6, atol=1e-7)
    assert model.optimality_ <= model.tol


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 2.0])
@pytest.mark.parametrize("l1_ratio", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("scale", ["concomitant", "proposal2"])
def test_a_joint_scale_of_zero_is_known_from_the_l1_fit(scale, l1_ratio, alpha):
    """More columns than rows and a weak penalty: slopes of the L1 fit prove it, no smaller scale is looked for."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 200))
    y = X[:, :5] @ [3.0, -2.0, 1.5, 1.0, -1.0] + 0.5 * rng.standard_normal(60)
    y[::12] += 15.0
    how = {"scale": scale, "alpha": alpha, "l1_ratio": l1_ratio}
    model = HuberRegressor(**how).fit(X, y)
    assert model.scale_ == 0
    assert model.optimality_ <= model.tol
    assert model.n_iter_ <= 40
    # slopes of the rows, all of which are fitted exactly, that balance the penalty
    residual, used = y - model.predict(X), model.coef_ != 0
    assert np.abs(residual).max() < 1e-9
    pull = alpha * (l1_ratio * np.sign(model.coef_) + (1 - l1_ratio) * model.coef_)
    balance = np.vstack([X[:, used].T, np.ones(60)])
    psi = np.linalg.lstsq(balance, np.append(pull[used], 0.0), rcond=None)[0]
    assert_allclose(balance @ psi, np.append(pull[used], 0.0), atol=1e-7 * alpha)
    assert np.abs(X[:, ~used].T @ psi).max() <= alpha * l1_ratio * (1 + 1e-7)
    assert np.abs(psi).max() <= model.epsilon
    kappa = 1.0 if scale == "concomitant" else huber_consistency(model.epsilon)
    assert np.mean(psi**2) <= kappa


@pytest.mark.parametrize("loss", ["tukey", "welsch"])
@pytest.mark.parametrize("alpha", [1e-4, 0.01, 1.0])
def test_mad_of_a_redescending_loss_beside_a_penalty_where_columns_outnumber_rows(loss, alpha):
    """The exact L1 fit has no scale and knows no penalty: scale and coefficients fit each other at a scale above zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 40))
    y = X[:, :3] @ [1.0, 2.0, 3.0] + 0.3 * rng.standard_normal(20)
    y[:2] += 30
    model = RobustRegressor(loss=loss, scale="mad", alpha=alpha).fit(X, y)
    residual = y - model.predict(X)
    assert model.scale_ > 1e-7
    assert_allclose(model.scale_, mad(residual), rtol=1e-4)
    assert np.linalg.norm(model.coef_) < 3.0  # the interpolating fit has 11
    # a stationary point: alpha coef = X' psi, where psi has the degree of the squares
    psi = LOSSES[loss]().rescaled(model.scale_).psi(residual)
    assert_allclose(X.T @ psi, alpha * model.coef_, atol=1e-6 * np.abs(alpha * model.coef_).max())


@pytest.mark.parametrize("seed", [14, 36])
@pytest.mark.parametrize("loss", ["tukey", "welsch", "cauchy"])
def test_mad_of_a_redescending_loss_that_passes_through_more_rows_than_the_l1_fit(loss, seed):
    """Leverage points draw the L1 fit away from y that is mostly zero: what is left of the scale is rounding, so it is zero."""
    rng = np.random.default_rng(seed)
    X = rng.standard_cauchy((41, 5))
    y = np.where(rng.random(41) < 0.65, 0.0, X @ rng.normal(size=5) + rng.normal(size=41))
    model = RobustRegressor(loss, scale="mad").fit(X, y)
    assert model.scale_ == 0
    assert np.mean(np.abs(y - model.predict(X)) < 1e-12) > 0.5


@pytest.mark.parametrize(
    ("weight", "told"), [(1.0, False), (0.5, False), (0.2, True), (0.05, True), (1e-6, False)]
)
def test_rows_of_small_weight_make_proposal_2_too_large_and_that_is_said(weight, told):
    """Nothing is said where the scale is off by less than its standard error."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4))
    y = X.sum(axis=1) + rng.standard_normal(200)
    plain = HuberRegressor(scale="proposal2").fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = HuberRegressor(scale="proposal2").fit(X, y, sample_weight=np.full(200, weight))
    factor = model.scale_ / plain.scale_
    assert (abs(factor - 1) > 1 / np.sqrt(2 * 195)) == told
    assert len(caught) == told
    if told:
        assert "is too large: multiply" in str(caught[0].message)


def test_halves_of_rows_are_no_rows_of_small_weight():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = X.sum(axis=1) + rng.standard_normal(60)
    whole = HuberRegressor(scale="proposal2").fit(X, y)
    half = HuberRegressor(scale="proposal2")
    half.fit(np.vstack([X, X]), np.append(y, y), sample_weight=np.full(120, 0.5))
    assert_allclose(half.scale_, whole.scale_, rtol=1e-7)
