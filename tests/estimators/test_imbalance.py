"""Rare classes and heavy weights: every estimator finds its minimum at its defaults, without a warning.

Tables are just large enough for a fit to begin on a sample of their rows. Values of the objectives are compared
with those that scipy's general optimisers and scikit-learn reach.
"""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

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
from tests.estimators._classification import objective, scores

N = 21_000
CLASSIFIERS = {
    "logistic": LogisticClassifier(),
    "logistic, lbfgs": LogisticClassifier(solver="lbfgs"),
    "logistic, newton-cg": LogisticClassifier(solver="newton-cg"),
    "hinge": HingeClassifier(),
    "squared hinge": HingeClassifier(squared=True),
    "Crammer-Singer": HingeClassifier(multi_class="crammer_singer"),
    "focal": FocalClassifier(),
    "poly": PolyClassifier(),
}
REGRESSORS = {
    "huber": HuberRegressor(),
    "huber, proposal2": HuberRegressor(scale="proposal2"),
    "huber, MAD": HuberRegressor(scale="mad"),
    "huber, concomitant": HuberRegressor(scale="concomitant", epsilon=1.35),
    "huber, fixed": HuberRegressor(scale=1.0),
    "l1": L1Regressor(),
    "quantile": QuantileRegressor(quantile=0.9, alpha=0),
    "l2": L2Regressor(),
    "fair": RobustRegressor(loss="fair", scale=1.0),
    "tukey": RobustRegressor(loss="tukey", scale=1.0),
    "cauchy": RobustRegressor(loss="cauchy", scale=1.0),
}


def rare(positives, n=N, p=3, shift=1.5, seed=0):
    """Return X and y with few rows of class 1, off the others in two columns."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, p)), np.zeros(n, dtype=int)
    y[rng.choice(n, positives, replace=False)] = 1
    X[y == 1, :2] += shift
    return X, y


def heavy(n=N, share=1e-3, ratio=1e6, seed=1):
    """Return weights of which a share is heavy."""
    rng = np.random.default_rng(seed)
    weight = np.ones(n)
    weight[rng.choice(n, max(1, int(share * n)), replace=False)] = ratio
    return weight


def sizes(y, balanced):
    """Return what class_weight makes of each row."""
    return len(y) / (2 * np.bincount(y))[y] if balanced else np.ones(len(y))


def lowest(model, X, y, weight):
    """Return the objective of the fit, and the least of where scipy goes from there and at zero."""
    coef, intercept = model.coef_.copy(), model.intercept_.copy()

    def value(theta):
        model.coef_, model.intercept_ = theta[:-1].reshape(coef.shape), theta[-1:]
        return objective(model, X, y, weight) / weight.sum()

    end = np.append(coef, intercept)
    size = np.maximum(np.abs(end), 1e-3)
    options = {"maxiter": 1, "xtol": 1e-3}
    there = minimize(lambda u: value(u * size), end / size, method="Powell", options=options).fun
    at_zero = value(0.0 * end)
    model.coef_, model.intercept_ = coef, intercept
    return value(end), min(there, at_zero)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("positives", [10, 200])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_rare_class(name, positives, balanced):
    X, y = rare(positives)
    model = CLASSIFIERS[name].set_params(class_weight="balanced" if balanced else None)
    model.fit(X, y)
    assert model.optimality_ <= model.tol
    if name != "Crammer-Singer":  # of two classes it is the hinge loss of half a margin
        value, other = lowest(model, X, y, sizes(y, balanced))
        assert value <= other * (1 + 1e-7)


@pytest.mark.parametrize("positives, seed", [(1000, 0), (100, 1)])
def test_rare_class_of_crammer_singer(positives, seed):
    """No slope lowers the loss here; rounding kept the two vectors of scores from saying so."""
    X, y = rare(positives, n=100_000, seed=seed)
    model = HingeClassifier(multi_class="crammer_singer").fit(X, y)
    assert model.optimality_ <= model.tol
    assert np.abs(model.coef_).max() <= 1e-12


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("name", ["hinge", "Crammer-Singer"])
def test_few_light_rows_beside_many_heavy_ones(name, seed):
    """Nine thousand rows with a thousand of weight 1e6 are balanced by ten rows of weight one."""
    X, y = rare(10, n=10_000, seed=seed)
    weight = heavy(n=10_000, share=0.1, ratio=1e6, seed=seed + 1)
    assert weight[y == 1].max() == 1
    model = CLASSIFIERS[name].set_params(class_weight=None).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    assert_allclose(objective(model, X, y, weight), 20.0, rtol=1e-12)


@pytest.mark.parametrize("ratio", [1e2, 1e6])
@pytest.mark.parametrize("share", [1e-4, 1e-2])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_heavy_weights_of_classes(name, share, ratio):
    X, y = rare(1000, shift=1.0)
    weight = heavy(share=share, ratio=ratio)
    model = CLASSIFIERS[name].set_params(class_weight=None).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    if name != "Crammer-Singer":
        value, other = lowest(model, X, y, weight)
        assert value <= other * (1 + 1e-7)


@pytest.mark.parametrize("balanced", [False, True])
def test_rare_class_as_scikit_learn(balanced):
    X, y = rare(20)
    weight = "balanced" if balanced else None
    model = LogisticClassifier(class_weight=weight).fit(X, y)
    theirs = LogisticRegression(
        class_weight=weight, tol=1e-10, solver="newton-cholesky", max_iter=1000
    ).fit(X, y)
    assert np.abs(model.coef_ - theirs.coef_).max() < 1e-5
    values = [objective(m, X, y, sizes(y, balanced)) for m in (model, _with_alpha(theirs))]
    assert values[0] <= values[1] * (1 + 1e-9)


def _with_alpha(theirs):
    theirs.alpha = 1.0
    return theirs


@pytest.mark.parametrize("loss", ["multinomial", "Kullback-Leibler", "one against the rest"])
def test_rare_class_of_several(loss):
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    y[:15] = 2
    X = rng.normal(size=(N, 3))
    X[y == 2, :2] += 2.0
    X[y == 1, 2] += 0.5
    if loss == "one against the rest":
        model = HingeClassifier(squared=True).fit(X, y)
        assert model.optimality_ <= model.tol
        binary = HingeClassifier(squared=True).fit(X, (y == 2) * 1)
        assert np.abs(model.coef_[2] - binary.coef_[0]).max() < 1e-6
        return
    model = LogisticClassifier() if loss == "multinomial" else KLRegressor()
    model.fit(X, y if loss == "multinomial" else np.eye(3)[y])
    assert model.optimality_ <= model.tol
    theirs = LogisticRegression(tol=1e-10, solver="newton-cholesky", max_iter=1000).fit(X, y)

    def value(m):
        losses = -log_softmax(scores(m, X), axis=1)[np.arange(N), y]
        return losses.sum() + 0.5 * (m.coef_**2).sum()

    assert value(model) <= value(theirs) * (1 + 1e-9)


def test_rare_labels():
    X, y = rare(15)
    model = LogisticClassifier().fit(X, np.column_stack([y, X[:, 2] > 0]))
    assert model.optimality_ <= model.tol
    alone = LogisticClassifier().fit(X, y)
    assert np.abs(model.coef_[0] - alone.coef_[0]).max() < 1e-6


def residual_value(model, X, y, weight, theta):
    """What a regressor minimises at its own scale, per unit of weight; without a penalty."""
    r = y - X @ theta[:-1] - theta[-1]
    if isinstance(model, QuantileRegressor):
        losses = np.maximum(model.quantile * r, (model.quantile - 1) * r)
    elif isinstance(model, L1Regressor):
        losses = np.abs(r)
    elif isinstance(model, HuberRegressor):
        size = np.abs(r)
        losses = np.where(size < model.delta_, r**2 / 2, model.delta_ * (size - model.delta_ / 2))
    elif isinstance(model, L2Regressor):
        losses = r**2 / 2
    else:
        losses = 1.3998**2 * (np.abs(r) / 1.3998 - np.log1p(np.abs(r) / 1.3998))
    return weight @ losses / weight.sum()


@pytest.mark.parametrize("ratio", [1e2, 1e6])
@pytest.mark.parametrize("share", [1e-3, 1e-1])
@pytest.mark.parametrize("name", REGRESSORS)
def test_heavy_weights_of_regressors(name, share, ratio):
    rng = np.random.default_rng(3)
    X, weight = rng.normal(size=(N, 3)), heavy(share=share, ratio=ratio)
    X[weight > 1] = 0.3 * X[weight > 1] + 1
    y = X.sum(axis=1) + rng.standard_t(2, size=N) + 3.0 * (weight > 1)
    model = REGRESSORS[name].set_params(alpha=0.0).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    if name in ("tukey", "cauchy"):
        return  # a stationary point is all that is claimed
    end = np.append(model.coef_, model.intercept_)
    value = residual_value(model, X, y, weight, end)
    other = minimize(
        lambda theta: residual_value(model, X, y, weight, theta), end, method="Powell",
        options={"maxiter": 1, "xtol": 1e-3},
    ).fun  # fmt: skip
    assert value <= other * (1 + 1e-7)


def dice_value(coef, intercept, X, y):
    """The Dice loss with smooth=1 and its penalty, per row, from the formula."""
    p = expit(X @ coef + intercept)
    overlap = (2 * p @ y + 1) / (p @ p + y.sum() + 1)
    return 1 - overlap + 0.5 * coef @ coef / len(y)


@pytest.mark.parametrize("shift", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("positives", [20, 200])
@pytest.mark.parametrize("n", [4000, 40_000])
def test_rare_class_of_dice(n, positives, shift):
    """More overlap than to call no row positive, and a minimum as scipy finds it."""
    X, y = rare(positives, n=n, shift=shift)
    model = DiceClassifier().fit(X, y)
    assert model.optimality_ <= model.tol
    value = dice_value(model.coef_[0], model.intercept_[0], X, y)
    assert value < 1 - 1 / (positives + 1)
    if shift > 2:
        assert f1_score(y, model.predict(X)) > 0.5
    end = np.append(model.coef_, model.intercept_)
    other = minimize(
        lambda theta: dice_value(theta[:-1], theta[-1], X, y), end, method="Powell",
        options={"maxiter": 1, "xtol": 1e-3},
    ).fun  # fmt: skip
    assert value <= other * (1 + 1e-7) + 1e-12


def test_dice_gets_away_from_saturation():
    """Where the last fit calls no row positive, whatever the features, its gradient is zero."""
    X, y = rare(20)
    model = DiceClassifier(warm_start=True).fit(X, y)
    coef = model.coef_.copy()
    model.coef_, model.intercept_ = np.zeros((1, 3)), np.array([-1e18])
    model.fit(X, y)
    assert model.optimality_ <= model.tol
    assert np.abs(model.coef_ - coef).max() < 1e-6


@pytest.mark.parametrize("positive", [False, True])
def test_dice_of_one_sample_beside_which_the_others_weigh_nothing(positive):
    X, y = rare(200, n=400)
    weight = np.ones(400)
    weight[np.flatnonzero(y == positive)[0]] = 1e20
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = DiceClassifier().fit(X, y, sample_weight=weight)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert model.optimality_ <= model.tol or {one.category for one in told} == {ConvergenceWarning}


@pytest.mark.slow
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("positives", [10, 1000])
@pytest.mark.parametrize("shift", [0.5, 2.0])
@pytest.mark.parametrize("name", ["logistic", "hinge", "squared hinge", "focal", "poly"])
def test_rare_class_among_a_million_rows(name, shift, positives, balanced):
    X, y = rare(positives, n=1_000_000, p=5, shift=shift)
    weight = sizes(y, balanced)
    model = CLASSIFIERS[name].set_params(class_weight="balanced" if balanced else None)
    model.fit(X, y)
    assert model.optimality_ <= model.tol
    value = objective(model, X, y, weight)
    end = model.coef_.copy(), model.intercept_.copy()
    other = LogisticRegression(class_weight=model.class_weight, tol=1e-8, solver="newton-cholesky")
    other = other if name == "logistic" else clone(model).set_params(max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit(X, y)
    for coef, intercept in (
        (other.coef_, other.intercept_),
        (0.0 * end[0], 0.0 * end[1]),
        (0.0 * end[0], 0.0 * end[1] - 1.0),
        (1.001 * end[0], end[1]),
        (end[0], end[1] + 1e-3),
    ):
        model.coef_, model.intercept_ = coef, intercept
        assert value <= objective(model, X, y, weight) * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1e2, 1e6])
@pytest.mark.parametrize("share", [1e-4, 1e-1])
@pytest.mark.parametrize("name", REGRESSORS)
def test_heavy_weights_among_a_million_rows(name, share, ratio):
    rng = np.random.default_rng(3)
    X, weight = rng.normal(size=(1_000_000, 3)), heavy(n=1_000_000, share=share, ratio=ratio)
    X[weight > 1] = 0.3 * X[weight > 1] + 1
    y = X.sum(axis=1) + rng.standard_t(2, size=len(X)) + 3.0 * (weight > 1)
    model = REGRESSORS[name].set_params(alpha=0.0).fit(X, y, sample_weight=weight)
    assert model.optimality_ <= model.tol
    if name in ("tukey", "cauchy"):
        return
    end = np.append(model.coef_, model.intercept_)
    value = residual_value(model, X, y, weight, end)
    for j in range(4):
        for change in (-1e-3, 1e-3):
            moved = end.copy()
            moved[j] += change
            assert value <= residual_value(model, X, y, weight, moved) * (1 + 1e-9)


#: rows, positives, share of the heavy rows, and how heavy
CELLS = [
    (1000, 10, 1e-2, 1e3),
    (1000, 100, 1e-1, 1e6),
    (10_000, 10, 1e-4, 1e3),
    (10_000, 100, 1e-2, 1e6),
    (10_000, 1000, 1e-1, 1e6),
    (100_000, 10, 0.0, 1.0),
]
MORE_CLASSIFIERS = CLASSIFIERS | {
    "dice": DiceClassifier(),
    "logistic, elastic net": LogisticClassifier(l1_ratio=0.5),
    "hinge, elastic net": HingeClassifier(l1_ratio=0.5),
}
MORE_REGRESSORS = REGRESSORS | {
    "huber, elastic net": HuberRegressor(alpha=1.0, l1_ratio=0.5),
    "pseudo-Huber": RobustRegressor(loss="pseudo_huber"),
    "expectile": RobustRegressor(loss="expectile"),
    "epsilon-insensitive": RobustRegressor(loss="epsilon_insensitive", scale=1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "positives", "share", "ratio"), CELLS)
@pytest.mark.parametrize("name", MORE_CLASSIFIERS)
def test_rare_classes_beside_heavy_weights(name, n, positives, share, ratio):
    """Both at once, balanced or not: the fit is certified, and warnings are errors."""
    weight = heavy(n, share, ratio) if share else None
    for shift in (0.5, 2.0):
        X, y = rare(positives, n, shift=shift, seed=3)
        for class_weight in (None, "balanced"):
            model = clone(MORE_CLASSIFIERS[name]).set_params(class_weight=class_weight)
            model.fit(X, y, sample_weight=weight)
            assert model.optimality_ <= model.tol


@pytest.mark.slow
@pytest.mark.parametrize("n", [1000, 10_000, 100_000])
@pytest.mark.parametrize("name", MORE_REGRESSORS)
def test_weights_of_many_sizes_of_regressors(name, n):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3))
    for error in (rng.standard_t(2, n), rng.normal(size=n)):
        for share, ratio in [(1e-4, 10), (1e-4, 1e6), (1e-2, 1e2), (1e-2, 1e6), (1e-1, 1e3)]:
            model = clone(MORE_REGRESSORS[name])
            model.fit(X, X @ [1, -1, 0.5] + error, sample_weight=heavy(n, share, ratio))
            assert model.optimality_ <= model.tol
