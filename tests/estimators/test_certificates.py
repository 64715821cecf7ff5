"""`optimality_` says the truth: each answer is proved anew from coefficients, scale and data alone."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_regression
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.losses import Pinball
from robustreg.scales import concomitant_limit, mad, weighted_median
from tests._reference import (
    CONVEX,
    PENALISED,
    UNPENALISED,
    balance,
    best_kinked,
    best_quadratic,
    objective,
    quantile_of,
    sample,
)


def large():
    """Return enough rows for the start on a subsample, with a tenth far off."""
    rng = np.random.default_rng(8)
    X, y, weight = sample(n=25_000, p=4, seed=9)
    return X, y * np.exp(0.5 * rng.normal(size=len(y))), weight


TABLES = {
    "small": lambda: sample(),
    "no outliers": lambda: sample(n=35, p=6, seed=1, outliers=0.0),
    "wide": lambda: sample(n=30, p=45, seed=2),
    "ties": lambda: tuple(np.round(part) + (i == 2) for i, part in enumerate(sample(seed=3))),
    "diabetes": lambda: (*load_diabetes(return_X_y=True), np.linspace(0.5, 2, 442)),
}


def proved(model, X, y, weight=None):
    """Assert that the fitted model is at its optimum and knows it."""
    assert 0 <= model.optimality_ <= model.tol
    if getattr(model, "scale_", 1.0) == 0:
        # What is left of a joint objective is epsilon times this one, of a smooth L1 loss the thing itself.
        slope = getattr(model, "epsilon", 1.0)
        if getattr(model, "scale", None) == "l1":
            center = weighted_median(y, weight) if model.fit_intercept else 0.0
            slope = mad(y - center, weight)  # the documented unit of the penalty
        limit = L1Regressor(alpha=model.alpha / slope, fit_intercept=model.fit_intercept)
        limit.coef_, limit.intercept_ = model.coef_, model.intercept_
        model = limit
    if quantile_of(model) is None:
        assert balance(model, X, y, weight) < 1e-6
        return
    value = objective(model, X, y, weight)
    if isinstance(model, QuantileRegressor) or not model.alpha:
        bound = best_kinked(model, X, y, weight)
    else:
        bound = best_quadratic(model, X, y, weight)
    # relative to the loss, or where that is nothing to the loss of the best constant
    size = max(value, 1e-9 * abs(y - np.median(y)).sum())
    assert value - bound <= 1e-8 * size


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("table", ["small", "no outliers", "ties", "diabetes"])
@pytest.mark.parametrize("name", CONVEX)
def test_proved(name, table, weighted):
    X, y, weight = TABLES[table]()
    model = clone(CONVEX[name])
    if getattr(model, "scale", None) == 0.7:
        model.set_params(scale=float(0.3 * y.std()))
    model.fit(X, y, sample_weight=weight if weighted else None)
    proved(model, X, y, weight if weighted else None)


@pytest.mark.parametrize("name", PENALISED)
def test_proved_with_more_columns_than_rows(name):
    X, y, weight = TABLES["wide"]()
    proved(clone(PENALISED[name]).fit(X, y, sample_weight=weight), X, y, weight)


@pytest.mark.parametrize("name", [n for n in UNPENALISED if quantile_of(UNPENALISED[n]) is None])
def test_proved_from_a_subsample(name):
    X, y, weight = large()
    proved(clone(UNPENALISED[name]).fit(X, y, sample_weight=weight), X, y, weight)


def awkward(kind):
    """Return enough rows and few enough for moments of all columns, with something awkward about them."""
    rng = np.random.default_rng(10)
    n, p = 25_000, 12
    X = rng.normal(size=(n, p))
    error = rng.normal(size=n)
    error[: n // 10] += 10 + 10 * rng.normal(size=n // 10)
    if kind == "heavy tails":
        error = rng.standard_cauchy(n) ** 3
    elif kind == "two in five far off":
        error[: 2 * n // 5] += 30
    elif kind == "spread by a column":
        error *= np.exp(X[:, 0])
    elif kind == "half of them exact":
        error[n // 2 :] = 0.0
    elif kind == "indicators":
        X[:, :6] = rng.integers(0, 6, n)[:, None] == np.arange(6)
        X[:, 5] = rng.random(n) < 0.001
    elif kind == "sizes":
        X = (X + np.linspace(0, 500, p)) * np.geomspace(1e-3, 1e3, p)
    elif kind == "sorted":
        X[:, 0] = np.linspace(-1, 1, n)
        error += 5 * (X[:, 0] > 0.8)
    elif kind.startswith("leverage"):
        X[:50] *= float(kind.split()[1])
    y = X @ (rng.normal(size=p) / X.std(axis=0)) + error
    if kind == "ties":
        y = np.round(y)
    elif kind == "huge y":
        y *= 1e150
    return X, y


AWKWARD = [
    "nothing", "heavy tails", "two in five far off", "spread by a column", "half of them exact",
    "indicators", "sizes", "sorted", "ties", "huge y", "leverage 1e2", "leverage 1e4", "leverage 1e6",
]  # fmt: skip
BY_MOMENTS = [
    HuberRegressor(),
    HuberRegressor(epsilon=1.35, scale="concomitant", alpha=1e-4),
    HuberRegressor(epsilon=1.05, scale="concomitant", alpha=1000.0),
    HuberRegressor(epsilon=0.5, fit_intercept=False),
    HuberRegressor(epsilon=5.0, scale="mad"),
]


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("model", BY_MOMENTS, ids=str)
def test_proved_by_moments(model, kind):
    X, y = awkward(kind)
    model = clone(model).fit(X, y)
    proved(model, X, y)
    residual = np.abs(y - model.predict(X))
    limit = concomitant_limit(model.epsilon) if model.scale == "concomitant" else 1.0
    edge = norm.ppf(0.995) * model.scale_ / limit
    clear = np.abs(residual - edge) > 1e-9 * np.abs(y).max()
    assert np.array_equal(model.outliers_[clear], (residual > edge)[clear])


@pytest.mark.parametrize("alpha", [0.0, 100.0])
@pytest.mark.parametrize("quantile", [0.1, 0.5])
def test_proved_from_a_subsample_with_kinks(quantile, alpha):
    # A linear program on all rows would take minutes: the dual is built from the fit instead. A tiny
    # penalty changes nothing that can be seen and makes the one dual serve both.
    X, y, weight = large()
    model = RobustRegressor(loss=Pinball(quantile), alpha=alpha).fit(X, y, sample_weight=weight)
    value = objective(model, X, y, weight)
    stated = clone(model).set_params(alpha=alpha or 1e-9)
    stated.coef_, stated.intercept_ = model.coef_, model.intercept_
    assert value - best_quadratic(stated, X, y, weight) <= 1e-8 * value


@pytest.mark.parametrize("alpha", [0.0, 0.02])
@pytest.mark.parametrize("quantile", [0.2, 0.5])
@pytest.mark.parametrize("solver", ["auto", "exact", "highs", "highs-ds", "highs-ipm"])
def test_solvers_of_kinked_losses(solver, quantile, alpha):
    X, y, weight = sample(n=150, p=5, seed=10)
    model = QuantileRegressor(quantile=quantile, alpha=alpha, solver=solver)
    proved(model.fit(X, y, sample_weight=weight), X, y, weight)


@pytest.mark.parametrize("solver", ["auto", "newton", "newton-cg", "lbfgs"])
@pytest.mark.parametrize("name", [n for n in CONVEX if quantile_of(CONVEX[n]) is None])
def test_solvers_of_smooth_losses(name, solver):
    X, y, weight = sample(n=150, p=5, seed=10)
    model = clone(CONVEX[name]).set_params(solver=solver, max_iter=1000)
    proved(model.fit(X, y, sample_weight=weight), X, y, weight)


@pytest.mark.parametrize("name", CONVEX)
def test_no_nearby_and_no_random_point_is_better(name):
    X, y, weight = sample(seed=11)
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
    value = objective(model, X, y, weight)
    rng = np.random.default_rng(12)
    for size in np.repeat([1e-6, 1e-3, 0.1, 10.0], 50):
        coef = model.coef_ + size * rng.normal(size=3)
        intercept = model.intercept_ + size * rng.normal() * model.fit_intercept
        scale = getattr(model, "scale_", 1.0)
        if name.startswith(("proposal2", "concomitant")):
            scale = scale * np.exp(size * rng.normal())
        other = objective(model, X, y, weight, coef=coef, intercept=intercept, scale=scale)
        assert value <= other * (1 + 1e-14)


def unsolved(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return [w for w in caught if issubclass(w.category, ConvergenceWarning)], caught


@pytest.mark.parametrize(
    "model",
    [
        HuberRegressor(max_iter=1, tol=1e-12),
        HuberRegressor(max_iter=2, scale="mad", tol=1e-12),
        HuberRegressor(max_iter=2, solver="lbfgs", tol=1e-12),
        RobustRegressor(loss="pseudo_huber", max_iter=1, tol=1e-12),
    ],
    ids=str,
)
def test_one_warning_where_max_iter_was_too_few(model):
    X, y, _ = sample()
    mine, all_of_them = unsolved(clone(model), X, y)
    assert len(mine) == len(all_of_them) == 1
    fitted = clone(model)
    with pytest.warns(ConvergenceWarning) as record:
        fitted.fit(X, y)
    message = str(record[0].message)
    assert record[0].filename == __file__
    for part in (
        type(model).__name__,
        f"max_iter={model.max_iter}",
        "tol = 1.0e-12",
        "Increase max_iter",
    ):
        assert part in message
    assert f"{fitted.optimality_:.1e}" in message
    assert fitted.optimality_ > fitted.tol
    assert fitted.n_iter_ <= model.max_iter
    # The best iterate is kept: better than the best constant.
    constant = abs(y - np.median(y)).sum()
    assert abs(y - fitted.predict(X)).sum() < constant


def test_a_loose_tol_never_loosens_an_exact_answer():
    X, y, _ = sample()
    for make in (L1Regressor, L2Regressor):
        loose, tight = make(tol=0.5).fit(X, y), make(tol=1e-12).fit(X, y)
        assert_allclose(loose.coef_, tight.coef_, rtol=1e-10)


def test_tight_tol_is_met():
    X, y = make_regression(200, 10, noise=10.0, random_state=0)
    model = HuberRegressor(tol=1e-13).fit(X, y)
    assert model.optimality_ <= 1e-13
    assert balance(model, X, y) < 1e-11


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("power", [10, 20, 33])
@pytest.mark.parametrize(
    "model",
    [L1Regressor(), QuantileRegressor(quantile=0.25, alpha=0), QuantileRegressor(quantile=0.6)],
    ids=["l1", "quantile", "lasso"],
)
def test_differences_of_some_last_places_of_y_are_no_rounding(model, power, heavy):
    # y is known to its last place, and a fit to what it differs from a constant is one to y
    base = 2.0**power
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(5, 60)), int(rng.integers(1, 4))
        unit = np.spacing(base) * 2.0 ** rng.integers(4, 10)
        X = rng.integers(-8, 9, size=(n, p)) / 4
        error = rng.integers(-30, 31, n) * (rng.random(n) < 0.5)
        y = (np.round(X @ rng.integers(-3, 4, p) * 4) + error) * unit
        weight = np.ones(n)
        weight[0] = 10.0 ** rng.uniform(1, 6) if heavy else 1.0
        here, there = (clone(model), clone(model))
        if isinstance(model, QuantileRegressor) and model.alpha:
            here.alpha = there.alpha = 0.1 * unit
        here.fit(X, y, sample_weight=weight)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            there.fit(X, base + y, sample_weight=weight)
        # a heavy row feels that the intercept has no more places than y
        assert not caught or (heavy and there.optimality_ > there.tol)
        tau = getattr(model, "quantile", 0.5)

        def value(coef, intercept, X=X, y=y, weight=weight, alpha=here.alpha, tau=tau):
            r = y - X @ coef - intercept
            lost = np.average(np.maximum(tau * r, (tau - 1) * r), weights=weight)
            return lost + alpha * np.abs(coef).sum()

        least, found = (
            value(here.coef_, here.intercept_),
            value(there.coef_, there.intercept_ - base),
        )
        assert found <= least * (1 + 1e-7) + 4 * np.spacing(base)
        if heavy and not caught:
            assert found <= least * (1 + 1e-7)


def test_column_at_zero_beside_coefficients_that_are_large_in_its_units():
    """Far rows make units in which L1 holds a column alone, not its differences from others."""
    rng = np.random.default_rng([1, 30, 4, sum(map(ord, "far"))])
    X = rng.normal(size=(30, 4))
    y = X[:, 0] - X[:, 1] + rng.standard_t(2, size=30) > 0
    X[:3] *= 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = HingeClassifier(alpha=0.1, l1_ratio=0.5).fit(X, y)
    (coef,) = model.coef_
    losses = np.maximum(0.0, 1.0 - np.where(y, 1, -1) * model.decision_function(X))
    value = losses.sum() + 0.1 * (0.5 * np.abs(coef).sum() + 0.25 * coef @ coef)
    # the minimum by a conic solver
    assert value - 20.528452317 <= 2 * max(model.optimality_, 1e-8) * value
