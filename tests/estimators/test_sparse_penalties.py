"""Elastic nets, constraints and other penalties: objectives of conic solves, certificates by another formula."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.penalties import L1, MCP, SCAD, GroupLasso, Penalty

ALPHA = 8.0


def table(n, p, seed=0):
    """Rows with correlated columns, five of which count, and some targets far out."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    X[:, 1:] = 0.5 * X[:, :-1] + 0.8 * X[:, 1:]
    coef = np.zeros(p)
    coef[rng.choice(p, 5, replace=False)] = rng.choice([-2.0, 2.0], 5)
    y = X @ coef + 1.0 + rng.standard_normal(n)
    y[: n // 10] += 10
    return X, y


MINIMA = json.loads((Path(__file__).parents[1] / "data" / "penalties.json").read_text())
"""Least objectives by cvxpy 1.7 with Clarabel at tolerances of 1e-11."""


def huber(r):
    size = np.minimum(np.abs(r), 1.345)
    return size * (np.abs(r) - 0.5 * size)


REGRESSORS = {
    "squared": (L2Regressor(), lambda r: r**2 / 2),
    "huber": (HuberRegressor(scale=1.0), huber),
    "absolute": (L1Regressor(), np.abs),
    "pinball": (QuantileRegressor(quantile=0.8), lambda r: np.maximum(0.8 * r, -0.2 * r)),
}
CLASSIFIERS = {
    "logistic": (LogisticClassifier(), lambda m: np.logaddexp(0, -m)),
    "hinge": (HingeClassifier(), lambda m: np.maximum(1 - m, 0)),
    "squared_hinge": (HingeClassifier(squared=True), lambda m: np.maximum(1 - m, 0) ** 2),
}


def options_of(case, n, p):
    rng = np.random.default_rng(5)
    if case == "plain":
        return np.ones(n), False, np.ones(p), {}
    if case == "positive":
        return np.ones(n), True, np.ones(p), {"positive": True}
    factors = rng.uniform(0.5, 2.0, p)
    factors[0], factors[1] = 0.0, np.inf
    return rng.integers(1, 4, n).astype(float), False, factors, {"penalty_weights": factors}


@pytest.mark.parametrize("case", ["plain", "positive", "weighted"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize(("n", "p"), [(80, 15), (40, 70)])
@pytest.mark.parametrize("name", [*REGRESSORS, *CLASSIFIERS])
def test_objective_is_that_of_a_conic_solve(name, n, p, ratio, case):
    X, y = table(n, p)
    weight, positive, factors, options = options_of(case, n, p)
    classes = name in CLASSIFIERS
    model, loss = (CLASSIFIERS if classes else REGRESSORS)[name]
    if classes:
        y = np.where(y > np.median(y), 1.0, -1.0)
    alpha = ALPHA / weight.sum() if name == "pinball" else ALPHA
    model = clone(model).set_params(alpha=alpha, l1_ratio=ratio, **options)
    model.fit(X, y, sample_weight=weight)
    coef, raw = model.coef_.ravel(), np.ravel(X @ model.coef_.T + model.intercept_)
    each = np.where(np.isinf(factors), 0.0, factors)
    penalty = each @ (ratio * np.abs(coef) + (1 - ratio) / 2 * coef**2)
    value = weight @ loss(y * raw if classes else y - raw) + ALPHA * penalty
    assert abs(value / MINIMA[f"{name} {n} {p} {ratio} {case}"] - 1) < 1e-8
    assert model.optimality_ <= 1e-8
    assert np.all(coef[np.isinf(factors)] == 0)
    assert not positive or coef.min() >= 0
    assert ratio < 1 or (coef == 0).any()


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_lasso_and_elastic_net_of_scikit_learn(ratio):
    X, y = table(60, 90)
    theirs = sklearn.linear_model.ElasticNet(
        alpha=ALPHA / len(y), l1_ratio=ratio, tol=1e-13, max_iter=10**6
    ).fit(X, y)
    for rows in (X, sp.csr_array(X)):
        ours = L2Regressor(alpha=ALPHA, l1_ratio=ratio).fit(rows, y)
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
        assert np.array_equal(ours.coef_ == 0, theirs.coef_ == 0)


def test_selection_of_features_for_all_outcomes_is_exact():
    X, y = table(100, 12)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    model = LogisticClassifier(alpha=4.0, l1_ratio=1.0).fit(X, y)
    scores = X @ model.coef_.T + model.intercept_
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    gradient = (p - (y[:, None] == np.arange(3))).T @ X
    used = model.coef_ != 0
    assert_allclose(gradient[used], -4.0 * np.sign(model.coef_[used]), atol=1e-6)
    assert np.abs(gradient[~used]).max() <= 4.0 + 1e-6
    assert model.optimality_ <= 1e-8
    assert used.any()
    assert not used.all()


@pytest.mark.parametrize("scale", ["l1", "mad", "proposal2", "concomitant"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_huber_at_its_own_scale(scale, ratio):
    X, y = table(120, 20)
    model = HuberRegressor(alpha=ALPHA, l1_ratio=ratio, scale=scale).fit(X, y)
    assert model.optimality_ <= 1e-8
    r = (y - X @ model.coef_ - model.intercept_) / model.scale_
    psi = np.clip(r, -1.345, 1.345) * (1 if scale in ("proposal2", "concomitant") else model.scale_)
    pull = X.T @ psi - ALPHA * (1 - ratio) * model.coef_
    used = model.coef_ != 0
    assert_allclose(pull[used], ALPHA * ratio * np.sign(model.coef_[used]), atol=1e-6 * ALPHA)
    assert np.abs(pull[~used]).max(initial=0.0) <= ALPHA * ratio * (1 + 1e-6)
    assert abs(psi.sum()) <= 1e-6 * len(y)


class MyElasticNet(Penalty):
    """As a reader would write it: three lines."""

    def value(self, t, alpha):
        return alpha * (0.5 * t + 0.25 * t**2)

    def slope(self, t, alpha):
        return 0.5 * alpha + 0 * t

    def bend(self, alpha):
        return 0.5 * alpha


class LacksItsKink(MyElasticNet):
    """One whose slopes are not those of its value: no certificate may believe them."""

    def slope(self, t, alpha):
        return 0 * t


class LessThanItsSlopes(MyElasticNet):
    """One whose slopes are those of a larger penalty, whose minimum is elsewhere."""

    def value(self, t, alpha):
        return 0.9 * super().value(t, alpha)


class WithPenalty(L1Regressor):
    shape = MyElasticNet

    def _penalty(self, total):
        return self.shape(alpha=self.alpha)


def test_a_new_penalty_is_solved_and_certified():
    X, y = table(300, 8)
    mine = WithPenalty(alpha=50.0).fit(X, y)
    ours = L1Regressor(alpha=50.0, l1_ratio=0.5).fit(X, y)
    assert mine.optimality_ <= 1e-8
    assert_allclose(mine.coef_, ours.coef_, atol=1e-8)


@pytest.mark.parametrize("wrong", [LacksItsKink, LessThanItsSlopes])
def test_a_penalty_that_contradicts_itself_is_not_certified(wrong):
    X, y = table(300, 8)

    class Wrong(WithPenalty):
        shape = wrong

    with pytest.warns(ConvergenceWarning, match="optimality_"):
        model = Wrong(alpha=50.0).fit(X, y)
    assert model.optimality_ > 1e-3


@pytest.mark.parametrize("shape", [MCP(), SCAD(), MCP(gamma=10.0)], ids=repr)
def test_penalties_that_are_not_convex_end_below_the_lasso(shape):
    X, y = table(200, 30)
    model = RobustRegressor(loss="squared", alpha=60.0, penalty=shape).fit(X, y)
    lasso = L2Regressor(alpha=60.0, l1_ratio=1.0).fit(X, y)
    n = len(y)

    def objective(fit):
        r = y - X @ fit.coef_ - fit.intercept_
        return 0.5 * r @ r + n * shape(fit.coef_, alpha=60.0 / n)

    assert objective(model) <= objective(lasso)
    assert model.optimality_ <= 1e-8
    r = y - X @ model.coef_ - model.intercept_
    used = model.coef_ != 0
    slope = n * shape.slope(np.abs(model.coef_), 60.0 / n) * np.sign(model.coef_)
    assert_allclose((X.T @ r)[used], slope[used], atol=1e-5)
    assert np.abs(X.T @ r)[~used].max() <= 60.0 * (1 + 1e-6)


def test_groups_are_zero_together():
    X, y = table(150, 30)
    groups = np.arange(30) // 3
    model = RobustRegressor(loss="squared", alpha=150.0, penalty=GroupLasso(groups=groups)).fit(
        X, y
    )
    r = y - X @ model.coef_ - model.intercept_
    pull = X.T @ r
    for g in range(10):
        coef, force = model.coef_[groups == g], pull[groups == g]
        if coef.any():
            assert_allclose(force, 150.0 * coef / np.linalg.norm(coef), atol=1e-5)
        else:
            assert np.linalg.norm(force) <= 150.0 * (1 + 1e-7)
    assert model.optimality_ <= 1e-8
    assert 0 < np.count_nonzero(model.coef_) < 30


def test_weights_of_classes_are_repetitions_and_intercepts_add_up_to_zero():
    X, y = table(60, 8)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    weight = np.random.default_rng(3).integers(0, 3, 60)
    model = LogisticClassifier(alpha=2.0, l1_ratio=0.5)
    weighted = clone(model).fit(X + 5, y, sample_weight=weight)
    repeated = clone(model).fit(np.repeat(X + 5, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-8)
    assert abs(weighted.intercept_.sum()) < 1e-9


@pytest.mark.parametrize(
    "model",
    [
        FocalClassifier(),
        PolyClassifier(epsilon=3.0),
        DiceClassifier(),
        HingeClassifier(),
        HingeClassifier(squared=True),
    ],
    ids=repr,
)
def test_other_losses_reach_their_tolerance(model):
    X, y = table(100, 10)
    fit = clone(model).set_params(alpha=4.0, l1_ratio=0.9).fit(X, y > np.median(y))
    assert fit.optimality_ <= fit.tol
    assert (fit.coef_ == 0).any()


def test_distributions():
    X, y = table(60, 10)
    share = 1 / (1 + np.exp(-y / 4))
    fit = KLRegressor(alpha=2.0, l1_ratio=1.0).fit(X, np.column_stack([share, 1 - share]))
    assert fit.optimality_ <= 1e-8
    assert (fit.coef_ == 0).any()


X0, Y0 = table(30, 5)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (HuberRegressor(l1_ratio=1.5), "'l1_ratio'"),
        (HuberRegressor(alpha=1.0, penalty_weights=[1.0, 2.0]), "5 features"),
        (HuberRegressor(alpha=1.0, penalty_weights=[1.0, 2.0, -1.0, 0.0, 1.0]), "penalty_weights"),
        (HuberRegressor(alpha=1.0, l1_ratio=0.5, solver="lbfgs"), "'lbfgs'.*'auto'"),
        (RobustRegressor(alpha=1.0, penalty="lasso"), "'penalty'"),
        (RobustRegressor(alpha=1.0, penalty=MCP(), l1_ratio=0.5), "l1_ratio"),
        (RobustRegressor(alpha=1.0, penalty=MCP(alpha=2.0)), "alpha"),
        (RobustRegressor(alpha=1.0, penalty=MCP(gamma=-1.0)), "gamma"),
        (RobustRegressor(alpha=1.0, penalty=GroupLasso(groups=[1, 2])), "5 features"),
        (RobustRegressor(alpha=1.0, penalty=GroupLasso(), positive=True), "GroupLasso"),
        (HingeClassifier(l1_ratio=0.5, multi_class="crammer_singer"), "crammer_singer.*ovr"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_errors_name_what_does_not_go_together(model, match):
    y = Y0 if not hasattr(model, "multi_class") else np.arange(30) % 3
    with pytest.raises(ValueError, match=match):
        model.fit(X0, y)


def test_no_penalty_with_more_columns_than_rows_warns():
    X, y = table(20, 40)
    with pytest.warns(ConvergenceWarning, match="alpha=0 is no penalty"):
        L2Regressor(alpha=0.0, l1_ratio=1.0).fit(X, y)


def test_fields_of_a_penalty_are_parameters():
    model = RobustRegressor(loss="squared", alpha=60.0, penalty=MCP())
    assert model.get_params()["penalty__gamma"] == 3.0
    assert clone(model).set_params(penalty__gamma=5.0).penalty.gamma == 5.0
    assert model.penalty.gamma == 3.0


@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize(("n", "p", "alpha"), [(27, 30, 1e-3), (200, 10, 1e-4)])
def test_a_value_that_is_a_difference_of_entropies_does_not_end_the_search(n, p, alpha, ratio):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    share = 0.5 + 0.06 * (X[:, 0] + 0.1 * rng.normal(size=n))
    fit = KLRegressor(alpha=alpha, l1_ratio=ratio).fit(X, np.column_stack([share, 1 - share]))
    assert fit.optimality_ <= 1e-8


@pytest.mark.parametrize(
    "options", [{"positive": True}, {"penalty_weights": np.r_[np.ones(10), np.full(30, np.inf)]}]
)
def test_constraints_leave_a_lasso_without_a_penalty_unwarned(options):
    X, y = table(20, 40)
    L2Regressor(alpha=0.0, l1_ratio=1.0, **options).fit(X, y)


@pytest.mark.parametrize("weight", [1e300, 1e308])
def test_a_penalty_beyond_floating_point_ends(weight):
    X, y = table(60, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for factor in (1.0, 1e9):
            model = L1Regressor(alpha=1.0, penalty_weights=[weight, 1, 1, 1, 1])
            model.fit(X, factor * y)
            assert abs(model.coef_[0]) <= 1e-6 * factor
            assert not np.isnan(model.optimality_)


def test_penalties_check_what_they_are_called_with():
    with pytest.raises(ValueError, match="coef contains NaN"):
        L1()([1.0, np.nan], alpha=1.0)
    with pytest.raises(ValueError, match="'alpha' parameter of L1"):
        L1()([1.0, 2.0], alpha=-1.0)


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_quantiles_of_wide_data_with_a_slight_penalty(quantile):
    # beyond 300 columns, and so far below the largest alpha that most rows are fitted exactly
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 320)) * rng.uniform(0.01, 100, 320) + 5
    y = X[:, 0] / 50 + rng.standard_t(2, size=40)
    weight = rng.integers(0, 3, 40)
    for rows in (X, sp.csr_array(np.where(np.abs(X - 5) < 3, 0, X))):
        fits = [
            QuantileRegressor(quantile=quantile, alpha=1e-3, solver=solver).fit(rows, y, weight)
            for solver in ("auto", "highs")
        ]
        values = []
        for fit in fits:
            assert fit.optimality_ <= 1e-8
            r = y - fit.predict(rows)
            loss = np.average(np.maximum(quantile * r, (quantile - 1) * r), weights=weight)
            values.append(loss + 1e-3 * np.abs(fit.coef_).sum())
        assert abs(values[0] / values[1] - 1) < 1e-8


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_groups_of_columns_in_mixed_units_are_solved(loss, seed):
    """Columns of one group of 1e-9 and of 1e9 units: a norm has no unit for each of its columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 6)) * 10.0 ** rng.integers(-9, 10, 6)
    y = 2.0 * X[:, 0] / np.std(X[:, 0]) + rng.normal(size=40)
    groups = np.arange(6) // 3
    force = X.T @ (y - y.mean())
    alpha = 0.1 * max(np.linalg.norm(force[groups == g]) for g in range(2))
    model = RobustRegressor(loss=loss, alpha=alpha, penalty=GroupLasso(groups=groups), scale=1.0)
    model.fit(X, y)
    assert model.optimality_ <= 1e-8
    r = y - X @ model.coef_ - model.intercept_
    pull = X.T @ (r if loss == "squared" else np.clip(r, -1.345, 1.345))
    for g in range(2):
        coef, mine = model.coef_[groups == g], pull[groups == g]
        norm = np.linalg.norm(coef)
        if norm > 0:  # each entry in the units of its column
            size = np.abs(X[:, groups == g]).sum(axis=0)
            assert np.all(np.abs(mine - alpha * coef / norm) <= 1e-7 * (size + alpha))
        else:
            assert np.linalg.norm(mine) <= alpha * (1 + 1e-8)
