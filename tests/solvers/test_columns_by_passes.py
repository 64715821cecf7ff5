"""Penalties of single coefficients on rows that are elsewhere: as in memory, with the same zeros, in few passes."""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    PolyClassifier,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
    remote,
)
from robustreg.penalties import L1, GroupLasso
from robustreg.solvers import _columns_by_passes
from tests._parts import fit, table

N, P = 12_000, 9
ENDS = [0, 1, 1, 5_000, 5_999, N]
WEIGHTS = np.array([1.0, 0.0, np.inf, 1.0, 3.0, 1.0, 0.5, 1.0, 1.0])


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) * 10.0 ** rng.integers(-3, 4, size=P) + rng.normal(size=P)
    X[:, 4] = 1.01 * X[:, 3] + 0.05 * X[:, 3].std() * rng.normal(size=N)
    beta = np.where(np.arange(P) % 3 == 0, 1.0, 0.0) / X.std(axis=0)
    score = X @ beta
    score = (score - score.mean()) / score.std()
    raw = score[:, None] * [1.0, -1.0, 0.3] + rng.gumbel(size=(N, 3))
    return X, 7 + score + 0.5 * rng.standard_t(2, size=N), raw, rng.uniform(0, 3, size=N)


X, Y, RAW, WEIGHT = data()
WEIGHT[::7] = 0.0
TWO, THREE = (RAW[:, 0] > 1).astype(int), RAW.argmax(axis=1)
SEVERAL, SHARES = (RAW > 0.5).astype(int), np.exp(RAW) / np.exp(RAW).sum(axis=1, keepdims=True)
SMOOTH = [
    (L2Regressor(), Y),
    (HuberRegressor(scale=0.7), Y),
    (HuberRegressor(scale="proposal2"), Y),
    (HuberRegressor(scale="concomitant"), Y),
    (RobustRegressor(loss="pseudo_huber", scale=0.5), Y),
    (LogisticClassifier(), TWO),
    (LogisticClassifier(class_weight="balanced"), THREE),
    (LogisticClassifier(), SEVERAL),
    (FocalClassifier(gamma=1.0), TWO),
    (PolyClassifier(), THREE),
    (KLRegressor(), SHARES),
    (HingeClassifier(squared=True), THREE),
]
KINKED = [
    (HuberRegressor(), Y),
    (RobustRegressor(loss="pseudo_huber"), Y),
    (L1Regressor(), Y),
    (QuantileRegressor(quantile=0.8), Y),
    (HingeClassifier(), TWO),
    (RobustClassifier(loss="hinge"), THREE),
]
PENALTIES = [
    {"l1_ratio": 1.0},
    {"l1_ratio": 0.5},
    {"positive": True},
    {"l1_ratio": 0.7, "penalty_weights": WEIGHTS},
    {"l1_ratio": 1.0, "penalty_weights": WEIGHTS, "positive": True, "fit_intercept": False},
]
ids = {"ids": lambda value: repr(value)[:40] if not isinstance(value, np.ndarray) else ""}


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Let so little be fetched that a thousand rows are too many."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 100_000)


def with_penalty(model, alpha, penalty, tol=1e-8):
    alpha = alpha / N if isinstance(model, QuantileRegressor) else alpha
    return clone(model).set_params(alpha=alpha, tol=tol, **penalty)


def assert_same(found, local, rtol=1e-7):
    coef, other = np.atleast_2d(found.coef_), np.atleast_2d(local.coef_)
    size = X.std(axis=0)
    assert_allclose(coef * size, other * size, atol=rtol * max(np.abs(other * size).max(), 0.1))
    assert_array_equal(coef == 0, other == 0)
    if hasattr(local, "scale_"):
        assert_allclose(found.scale_, local.scale_, rtol=rtol)


@pytest.mark.parametrize(("model", "y"), [*SMOOTH, *KINKED], **ids)
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_fit_is_that_in_memory_with_the_same_zeros(model, y, penalty):
    for alpha, weight in ((60.0, WEIGHT), (600.0, None)):
        model = with_penalty(model, alpha, penalty)
        local = clone(model).fit(X, y, sample_weight=weight)
        found = fit(model, table(X, y, weight, ends=ENDS))
        assert_same(found, local)
        if "penalty_weights" in penalty:
            assert (np.atleast_2d(found.coef_)[:, np.isinf(WEIGHTS)] == 0).all()
        if "positive" in penalty:
            assert (found.coef_ >= 0).all()


@pytest.mark.parametrize(("model", "y"), SMOOTH[:6], **ids)
def test_finer_tolerances_are_met(model, y):
    model = with_penalty(model, 60.0, {"l1_ratio": 0.5}, tol=1e-12)
    assert_same(fit(model, table(X, y)), clone(model).fit(X, y), rtol=1e-10)


def fits(model, y):
    """Return how many fits follow one another: one for each class against the rest, or label."""
    return 3 if y is SEVERAL or (y is THREE and "inge" in repr(model)) else 1


@pytest.mark.parametrize(("model", "y"), [*SMOOTH, *KINKED], **ids)
@pytest.mark.parametrize("penalty", [PENALTIES[0], PENALTIES[3]], ids=repr)
def test_passes_are_few(model, y, penalty):
    held = table(X, y)
    fit(with_penalty(model, 60.0, penalty), held)
    # two fits of a loss that is not convex, or two stages
    several = isinstance(model, FocalClassifier) or model in (KINKED[0][0], KINKED[1][0])
    assert held.passes <= (20 if several else 12) * fits(model, y)
    assert max(held.sent) < 16_000 + 16 * (3 * P) ** 2


@pytest.mark.parametrize(("model", "y"), [*SMOOTH, *KINKED], **ids)
def test_a_penalty_beyond_all_gradients_leaves_nothing(model, y):
    for alpha in (1e8, 1e12):
        held = table(X, y)
        found = fit(with_penalty(model, alpha, {"l1_ratio": 1.0}), held)
        assert not found.coef_.any()
        assert held.passes <= 20 * fits(model, y)


@pytest.mark.parametrize(
    ("model", "y"), [SMOOTH[0], SMOOTH[1], SMOOTH[5], KINKED[2], KINKED[4]], **ids
)
def test_hardly_any_penalty(model, y):
    model = with_penalty(model, 1e-8, {"l1_ratio": 0.5})
    assert_same(fit(model, table(X, y)), clone(model).fit(X, y), rtol=1e-6)


def dual_gap(model, X, y, derivative, conjugate, value):
    """Relative duality gap of a lasso at the coefficients as stored, by a scaled dual point; no code of the package."""
    raw = X @ np.ravel(model.coef_) + model.intercept_
    slopes = derivative(raw)
    centred = X - X.mean(
        axis=0
    )  # the intercept: slopes that sum to zero, as they do but for rounding
    slopes = slopes - slopes.mean()
    scale = min(1.0, model.alpha / np.abs(centred.T @ slopes).max())
    primal = value(raw) + model.alpha * np.abs(model.coef_).sum()
    return (primal + conjugate(scale * slopes)) / primal


def test_certificate_of_squares_is_that_of_a_dual_point():
    model = fit(L2Regressor(alpha=300.0, l1_ratio=1.0), table(X, Y))
    gap = dual_gap(
        model, X, Y, lambda raw: raw - Y, lambda a: float(np.sum(a * Y + 0.5 * a**2)),
        lambda raw: 0.5 * float(np.sum((raw - Y) ** 2)),
    )  # fmt: skip
    assert -1e-12 <= gap <= model.optimality_ + 1e-10
    assert np.count_nonzero(model.coef_) in range(1, P)


def test_certificate_of_huber_is_that_of_a_dual_point():
    model = fit(HuberRegressor(scale=1.0, alpha=300.0, l1_ratio=1.0), table(X, Y))
    delta = model.epsilon

    def rho(r):
        return np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))

    gap = dual_gap(
        model, X, Y, lambda raw: np.clip(raw - Y, -delta, delta),
        lambda a: float(np.sum(a * Y + 0.5 * a**2)), lambda raw: float(np.sum(rho(raw - Y))),
    )  # fmt: skip
    assert -1e-12 <= gap <= model.optimality_ + 1e-10


def test_certificate_of_logistic_regression_is_that_of_a_dual_point():
    model = fit(LogisticClassifier(alpha=100.0, l1_ratio=1.0), table(X, TWO))

    def conjugate(a):  # of log(1 + exp(raw)) - y raw
        p = np.clip(TWO + a, 1e-300, 1 - 1e-16)
        return float(np.sum(p * np.log(p) + (1 - p) * np.log1p(-p)))

    gap = dual_gap(
        model, X, TWO, lambda raw: expit(raw) - TWO, conjugate,
        lambda raw: float(np.sum(np.logaddexp(0, raw) - TWO * raw)),
    )  # fmt: skip
    assert -1e-12 <= gap <= model.optimality_ + 1e-10


def duplicated(X, y):
    return np.column_stack([X, X[:, :3]]), y


def constant(X, y):
    return np.column_stack([X, np.full(N, 3.0), np.zeros(N)]), y


def sizes(X, y):
    return X * np.geomspace(1e-9, 1e9, P), y


def offsets(X, y):
    return X + 1e6 * X.std(axis=0), y


def constant_target(X, y):
    return X, np.full(N, 5.0)


@pytest.mark.parametrize("make", [duplicated, constant, sizes, offsets, constant_target])
@pytest.mark.parametrize(
    "model",
    [
        L2Regressor(), HuberRegressor(scale=0.7), HuberRegressor(), L1Regressor(),
        QuantileRegressor(quantile=0.8),
    ],
    ids=repr,
)  # fmt: skip
def test_hard_tables_have_the_value_that_memory_finds(make, model):
    hard, y = make(X, Y)
    for penalty in ({"l1_ratio": 1.0}, {"l1_ratio": 0.5, "positive": True}):
        model = with_penalty(model, 60.0, penalty)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            local = clone(model).fit(hard, y)
        found = fit(model, table(hard, y))
        values = [value(one, hard, y) for one in (found, local)]
        assert_allclose(*values, rtol=2e-8, atol=1e-12)


@pytest.mark.parametrize("factor", [1e2, 1e8, 1e16])
@pytest.mark.parametrize(
    "model",
    [L2Regressor(), HuberRegressor(scale=0.7), L1Regressor(), QuantileRegressor(quantile=0.8)],
    ids=repr,
)
def test_certificates_beside_far_rows_are_true(model, factor):
    hard = X.copy()
    hard[::1000] *= factor
    model = with_penalty(model, 60.0, {"l1_ratio": 1.0}).set_params(max_iter=200)
    local = clone(model).fit(hard, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = clone(model)._fit_table(table(hard, Y), None, None, None)
    values = [value(one, hard, Y) for one in (found, local)]
    assert 1 - values[1] / values[0] <= found.optimality_ + 1e-7
    if isinstance(model, L2Regressor):
        assert found.optimality_ <= found.tol


def value(model, X, y):
    """What a fit has minimised, at the scale that it has found."""
    residual = y - X @ model.coef_ - model.intercept_
    loss = model._loss()
    scale = getattr(model, "scale_", None) if loss.threshold else None
    lost = loss.rescaled(scale).rho(residual) if scale else loss.rho(residual)
    mean = isinstance(model, QuantileRegressor)
    size, ratio = np.abs(model.coef_), model.l1_ratio
    held = model.alpha * np.sum(ratio * size + 0.5 * (1 - ratio) * size**2)
    return (lost.mean() if mean else lost.sum()) + held


def test_columns_that_nothing_penalises_and_depend_on_each_other():
    hard = np.column_stack([X, X[:, 0] + 1e-5 * X[:, 1] * X[:, 0].std() / X[:, 1].std()])
    weights = np.r_[0.0, 0.0, np.ones(P - 2), 0.0]
    model = L2Regressor(alpha=60.0, l1_ratio=1.0, penalty_weights=weights)
    local = clone(model).fit(hard, Y)
    found = fit(model, table(hard, Y, np.ones(N)))
    assert_allclose(found.predict(hard), local.predict(hard), atol=1e-6)


def test_coefficients_that_nothing_penalises_have_the_sum_zero():
    """Those of several classes may move together: one of the answers is named."""
    model = with_penalty(LogisticClassifier(), 60.0, PENALTIES[3])
    for found in (fit(model, table(X, THREE)), clone(model).fit(X, THREE)):
        free = found.coef_[:, WEIGHTS == 0] * X.std(axis=0)[WEIGHTS == 0]
        assert_allclose(free.sum(axis=0), 0.0, atol=1e-12)
        assert np.abs(free).max() > 1e-3


def test_too_many_coefficients_are_refused():
    message = "3000 columns at most, not 3001; pass alpha alone"
    assert message in LogisticClassifier(l1_ratio=0.5)._why_not(3001)
    assert message in L2Regressor(l1_ratio=0.5, alpha=1.0)._why_not(3001)
    assert not LogisticClassifier(l1_ratio=0.5)._why_not(3000)
    with (
        patch.object(_columns_by_passes, "MAX_DENSE", 20),
        pytest.raises(ValueError, match=r"20 of them at most.*not 30.*alpha alone"),
    ):
        LogisticClassifier(l1_ratio=0.5)._fit_table(table(X, THREE), None, None, None)


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (GroupLasso(), "penalty of groups; pass l1_ratio"),
        ("mcp", "not convex; pass l1_ratio"),
        ("scad", "not convex; pass l1_ratio"),
    ],
    ids=repr,
)
def test_other_penalties_are_refused_by_name(penalty, message):
    for model in (RobustRegressor(), KLRegressor(), RobustClassifier()):
        assert message in model.set_params(alpha=1.0, penalty=penalty)._why_not(P)
    assert not RobustRegressor(penalty=L1(), alpha=1.0)._why_not(P)


def test_weights_of_another_number_of_columns_are_refused():
    model = L2Regressor(alpha=1.0, penalty_weights=np.ones(P + 1))
    for one, y in ((model, Y), (LogisticClassifier(penalty_weights=np.ones(P + 1)), TWO)):
        with pytest.raises(ValueError, match=f"each of the {P} features"):
            one._fit_table(table(X, y), None, None, None)


def test_few_iterations_are_said_to_be_too_few():
    model = with_penalty(LogisticClassifier(max_iter=2), 60.0, {"l1_ratio": 0.5})
    with pytest.warns(ConvergenceWarning, match="stopped after"):
        model._fit_table(table(X, TWO), None, None, None)
    assert model.optimality_ > model.tol


def test_a_warm_start_takes_fewer_passes():
    model = with_penalty(LogisticClassifier(warm_start=True), 60.0, {"l1_ratio": 0.5})
    cold, warm = table(X, TWO), table(X, TWO)
    first = fit(model, cold)
    again = clone(model)
    again.__dict__.update({k: v for k, v in vars(first).items() if k.endswith("_")})
    again._fit_table(warm, None, None, None)
    assert again.optimality_ <= again.tol
    assert warm.passes < cold.passes
    assert_same(again, first)


def test_classes_that_free_columns_separate_are_said_to_be():
    label = (X[:, 1] > np.median(X[:, 1])).astype(int)
    model = with_penalty(LogisticClassifier(), 60.0, PENALTIES[3])
    with pytest.warns(ConvergenceWarning, match="separates the classes"):
        model._fit_table(table(X, label), None, None, None)


def test_passes_end_where_an_entry_leaves_nothing_of_the_others():
    """The search along steps is in vain again and again: the fit says so, and reads no more."""
    rng = np.random.default_rng(0)
    far = rng.normal(size=(20_000, 5))
    label = (far[:, 0] + 0.5 * rng.standard_normal(len(far)) > 0).astype(int)
    far[7, 0] *= 1e12
    some = table(far, label)
    model = HingeClassifier(squared=True, alpha=0.01, l1_ratio=0.5)
    with pytest.warns(ConvergenceWarning, match="stopped after"):
        model._fit_table(some, None, None, None)
    assert model.optimality_ > model.tol
    assert some.passes < 150
