"""The scale of the L1 fit: what it is at the normal, under contamination, and where fits are not unique."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from robustreg import HuberRegressor, HuberRegressorCV, L1Regressor, RobustRegressor
from robustreg.datasets import load_phones
from robustreg.inference import influence, summarize
from robustreg.losses import LOSSES, Huber, ResidualLoss
from robustreg.scales import MAD_FACTOR

REDESCENDING = [
    name for name, loss in LOSSES.items() if issubclass(loss, ResidualLoss) and not loss.convex
]


def contaminated(share, rng, n=500, p=3):
    """Normal rows, a share of whose targets is at 100; the true intercept is 0."""
    X, y = rng.normal(size=(n, p)), rng.normal(size=n)
    y[: round(share * n)] = 100.0
    return X, y


def mean_error(model, share, runs=20):
    rng = np.random.default_rng(14)
    return np.mean([abs(model.fit(*contaminated(share, rng)).intercept_) for _ in range(runs)])


def test_one_fit_by_two_names():
    X, y = contaminated(0.1, np.random.default_rng(0))
    one, other = HuberRegressor().fit(X, y), RobustRegressor(loss="huber").fit(X, y)
    assert_array_equal(one.coef_, other.coef_)
    assert (one.intercept_, one.scale_, one.n_iter_) == (
        other.intercept_,
        other.scale_,
        other.n_iter_,
    )
    assert_array_equal(one.outliers_, other.outliers_)
    assert_array_equal(one.weights_, other.weights_)
    shared = set(one.get_params()) & set(other.get_params())
    assert {name: one.get_params()[name] for name in shared} == {
        name: other.get_params()[name] for name in shared
    }


def test_phones():
    phones = load_phones()
    X, y = phones[["year"]], phones["calls"]
    assert_allclose(HuberRegressor().fit(X, y).coef_, 1.5, atol=0.05)
    assert_allclose(RobustRegressor(loss="tukey").fit(X, y).coef_, 1.1, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(200, 4), (100, 0), (1000, 1)])
def test_consistent_at_the_normal(n, p):
    rng = np.random.default_rng(n)
    scales = []
    for _ in range(250):
        X, y = rng.normal(size=(n, max(p, 1))), rng.normal(size=n)
        scales.append(HuberRegressor().fit(X if p else 0 * X, y).scale_)
    assert_allclose(np.mean(scales), 1.0, atol=0.015)


def test_scale_is_that_of_the_residuals_of_the_l1_fit():
    X, y = contaminated(0.2, np.random.default_rng(3))
    size = np.sort(np.abs(y - L1Regressor().fit(X, y).predict(X)))
    for model in (HuberRegressor(), HuberRegressor(epsilon=0.5), L1Regressor()):
        assert_allclose(model.fit(X, y).scale_, MAD_FACTOR * np.median(size[4:]), rtol=1e-12)


@pytest.mark.parametrize(
    ("share", "least", "most"),
    [(0.2, 0.3, 0.55), (0.25, 0.5, 0.9), (0.3, 0.8, 1.4), (0.4, 2.0, 4.0)],
)
def test_a_share_of_contaminated_targets_on_one_side(share, least, most):
    assert least < mean_error(HuberRegressor(), share) < most


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("loss", ["tukey", "welsch", "hampel"])
def test_redescending_losses_hold(loss, share):
    assert mean_error(RobustRegressor(loss=loss), share, 10) < 0.1


@pytest.mark.parametrize("loss", REDESCENDING)
def test_redescending_losses_have_the_scale_of_the_l1_fit(loss):
    X, y = contaminated(0.3, np.random.default_rng(4))
    assert_allclose(RobustRegressor(loss=loss).fit(X, y).scale_, L1Regressor().fit(X, y).scale_)


@pytest.mark.parametrize("share, zero", [(0.48, False), (0.53, True), (0.8, True)])
@pytest.mark.parametrize("model", [HuberRegressor(), RobustRegressor(loss="tukey")], ids=str)
def test_zero_where_more_than_half_of_the_rows_fit_exactly(model, share, zero):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, 3))
    y = (
        X @ [1.0, 2.0, 3.0]
        + 1
        + np.where(rng.permutation(400) < share * 400, 0.0, rng.normal(size=400))
    )
    model.fit(X, y)
    assert (model.scale_ == 0) == zero
    if zero:
        assert_allclose(model.coef_, [1.0, 2.0, 3.0], rtol=1e-10)
        assert_array_equal(model.outliers_, model.weights_ == 0)
        assert model.outliers_.sum() == round(400 * (1 - share))


def tied(kind, rng):
    """Tables with more than one L1 fit."""
    n = 60
    X = rng.normal(size=(n, 2))
    y = rng.normal(size=n)
    if kind == "median of even number":
        X = np.zeros((n, 1))
    elif kind == "groups":
        X = (np.arange(n)[:, None] // 10 == np.arange(1, 6)).astype(float)
    elif kind == "integers":
        X, y = (
            rng.integers(0, 3, size=(n, 2)).astype(float),
            rng.integers(0, 6, size=n).astype(float),
        )
    elif kind == "phones":
        phones = load_phones()
        X, y = phones[["year"]].to_numpy(float), phones["calls"].to_numpy(float)
    elif kind == "contaminated groups":
        X = (np.arange(n)[:, None] // 20 == np.arange(1, 3)).astype(float)
        y[::3] += 50
    return X, y


TIED = ["nothing", "median of even number", "groups", "integers", "phones", "contaminated groups"]


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize("seed", range(5))
def test_scale_does_not_depend_on_which_l1_fit_is_found(kind, seed):
    rng = np.random.default_rng(seed)
    X, y = tied(kind, rng)
    weight = rng.integers(1, 5, len(y)) * 2
    rows = np.repeat(np.arange(len(y)), weight)
    shuffled = rng.permutation(rows)
    weighted = HuberRegressor().fit(X, y, sample_weight=weight)
    for order in (rows, shuffled):
        repeated = HuberRegressor().fit(X[order], y[order])
        assert_allclose(repeated.scale_, weighted.scale_, rtol=1e-7)
        assert_allclose(repeated.predict(X), weighted.predict(X), rtol=1e-7, atol=1e-7)
    for other in (L1Regressor(), L1Regressor(solver="highs-ipm"), L1Regressor(solver="highs-ds")):
        assert_allclose(other.fit(X, y, sample_weight=weight).scale_, weighted.scale_, rtol=1e-7)


@pytest.mark.parametrize("kind", TIED)
def test_equivariant_where_the_l1_fit_is_not_unique(kind):
    X, y = tied(kind, np.random.default_rng(1))
    slope = np.arange(1.0, X.shape[1] + 1)
    plain = HuberRegressor().fit(X, y)
    moved = HuberRegressor().fit(X, -8 * (y + X @ slope + 4))
    assert_allclose(moved.scale_, 8 * plain.scale_, rtol=1e-7)
    assert_allclose(moved.predict(X), -8 * (plain.predict(X) + X @ slope + 4), atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("p", [3, 80])
def test_with_a_penalty_y_of_another_size_is_the_same_fit(alpha, p):
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(60, p)), rng.normal(size=60)
    plain = HuberRegressor(alpha=alpha).fit(X, y)
    large = HuberRegressor(alpha=alpha).fit(X, 1e6 * y)
    assert_allclose(large.coef_, 1e6 * plain.coef_, rtol=1e-6, atol=1e-3)
    assert_allclose(large.scale_, 1e6 * plain.scale_, rtol=1e-6, atol=1e-3)


def test_a_vanishing_penalty_is_none():
    X, y = contaminated(0.2, np.random.default_rng(7))
    plain, small = HuberRegressor().fit(X, y), HuberRegressor(alpha=1e-9).fit(X, y)
    assert_allclose(small.coef_, plain.coef_, rtol=1e-6, atol=1e-8)
    assert_allclose(small.scale_, plain.scale_, rtol=1e-8)


def test_more_parameters_than_rows_are_fitted_exactly():
    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(20, 50)), rng.normal(size=20)
    model = HuberRegressor().fit(X, y)
    centred = X - X.mean(axis=0)
    assert model.scale_ == 0
    assert_allclose(model.predict(X), y, atol=1e-9)
    assert_allclose(model.coef_, np.linalg.pinv(centred) @ (y - y.mean()), atol=1e-9)
    assert not model.outliers_.any()


@pytest.mark.parametrize("factor", [1e-6, 0.04, 1.0])
def test_small_weights_are_shares_of_rows(factor):
    """And do not take the median of what is left of them: 100 rows of weight .042 have 4.2 rows' weight."""
    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(100, 3)), rng.normal(size=100)
    weight = np.full(100, factor)
    assert_allclose(HuberRegressor().fit(X, y, weight).scale_, HuberRegressor().fit(X, y).scale_)
    weight[:50] *= 1.001
    assert_allclose(
        HuberRegressor().fit(X, y, weight).scale_, HuberRegressor().fit(X, y).scale_, rtol=0.1
    )


def test_every_threshold_of_a_search_has_the_same_scale():
    X, y = contaminated(0.2, np.random.default_rng(10), n=120)
    search = HuberRegressorCV(epsilons=[0.7, 1.345, 3.0]).fit(X, y)
    assert_allclose(search.cv_results_["scale"], L1Regressor().fit(X, y).scale_)


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_no_more_iterations_than_allowed(most):
    X, y = contaminated(0.2, np.random.default_rng(11))
    model = HuberRegressor(max_iter=most)
    if most == 1:
        with pytest.warns(match="max_iter=1"):
            model.fit(X, y)
    else:
        clone(model).set_params(max_iter=1000).fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
    assert model.n_iter_ <= most
    assert np.isfinite(model.coef_).all()
    assert model.scale_ > 0


def test_a_scale_that_is_too_small_flags_no_more_rows():
    """scikit-learn's scale is .68 sigma at 1.35: 8 % of normal rows are beyond 2.58 of it."""
    rng = np.random.default_rng(13)
    X, y = rng.normal(size=(4000, 2)), rng.normal(size=4000)
    model = HuberRegressor(scale="concomitant", epsilon=1.35).fit(X, y)
    assert abs(model.scale_ - 0.6813) < 0.02
    edge = 2.5758293 * model.scale_ / 0.68125558
    assert np.array_equal(model.outliers_, abs(y - model.predict(X)) > edge)
    assert np.array_equal(model.outliers_, model.outliers(X, y))
    assert abs(model.outliers_.mean() - 0.01) < 3 * 0.0016
    summary = summarize(model, X, y)
    assert summary.n_outliers == model.outliers_.sum()
    assert_allclose(summary.scale, model.scale_ / 0.68125558, rtol=1e-6)
    # so wide is an interval that holds 95 % of new rows
    interval = summary.predict(X[:1], interval="prediction")
    width = float(interval["upper"].iloc[0] - interval["lower"].iloc[0])
    assert abs(width - 2 * 1.96) < 0.15
    rows = influence(model, X, y)["standardised_residual"].to_numpy()
    assert_allclose(rows, (y - model.predict(X)) / summary.scale, rtol=1e-6, atol=1e-9)


def test_a_fixed_scale_is_unchanged():
    X, y = contaminated(0.1, np.random.default_rng(12))
    one = RobustRegressor(loss=Huber(1.0), scale=2.0).fit(X, y)
    other = HuberRegressor(epsilon=1.0, scale=2.0).fit(X, y)
    assert_allclose(one.coef_, other.coef_, rtol=1e-12)
    assert one.scale_ == other.scale_ == 2.0
