"""Coefficients as they are stored: a certificate is one of the numbers that the user gets."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
)
from robustreg.losses import Hinge, Huber, Logistic, Pinball, Squared
from robustreg.precise import dot
from robustreg.preparation import prepare
from robustreg.stored import Stored

HARMLESS = 1e-12
MODELS = {
    "l1": (L1Regressor(), Pinball(quantile=0.5)),
    "quantile": (QuantileRegressor(quantile=0.3, alpha=0.0), Pinball(quantile=0.3)),
    "huber": (HuberRegressor(scale=1.0), Huber(1.345)),
    "l2": (L2Regressor(), Squared()),
    "hinge": (HingeClassifier(alpha=HARMLESS), Hinge()),
    "logistic": (LogisticClassifier(alpha=HARMLESS), Logistic()),
}


def exact_predictions(model, X):
    coef = [Fraction(float(c)) for c in np.ravel(model.coef_)]
    base = Fraction(float(np.ravel(model.intercept_)[0]))
    return np.array([
        float(base + sum(c * Fraction(float(x)) for c, x in zip(coef, row, strict=True)))
        for row in X
    ])  # fmt: skip


def exact_value(loss, model, X, y, weight):
    raw = exact_predictions(model, X)
    y = 2 * y - 1 if isinstance(loss, Hinge) else y
    return loss.value_gradient(y, raw, weight, np.zeros(0))[0]


def table(seed, classes, n=40, p=3):
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, p)) * 2**20) / 2**20
    y = X @ np.array([1.0, 2.0, -1.0]) + rng.standard_t(2, size=n)
    if classes:
        y = (y + 2 * rng.normal(size=n) > 0).astype(float)
    return X, np.round(y * 2**20) / 2**20


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("heavy", [1e3, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("name", MODELS)
def test_a_certificate_is_one_of_the_numbers_that_are_stored(name, heavy, offset):
    model, loss = MODELS[name]
    for seed in range(3):
        X, y = table(seed, name in ("hinge", "logistic"))
        weight = np.ones(len(y))
        weight[seed] = heavy
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y, sample_weight=weight)
            near = exact_value(loss, model, X, y, weight)
        least_seen = heavy * np.finfo(float).eps  # of the reference, which is rounded as well
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X + offset, y, sample_weight=weight)
        above = exact_value(loss, model, X + offset, y, weight) / near - 1
        if not caught:
            assert model.optimality_ <= model.tol
            assert above <= 1e-7
        elif "rounded" in str(caught[0].message):
            assert model.optimality_ == pytest.approx(above, rel=0.1, abs=1e-8 + least_seen)


def test_rows_that_count_alike_warn_of_no_rounding():
    X, y = table(0, classes=False)
    for offset in (1e6, 1e9):
        for model, _ in (MODELS["l1"], MODELS["huber"], MODELS["l2"]):
            assert model.fit(X + offset, y).optimality_ <= model.tol


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_weight_zero_take_no_part(name):
    model, _ = MODELS[name]
    X, y = table(0, name in ("hinge", "logistic"))
    X, weight = X + 1e6, np.ones(len(y))
    weight[0], weight[5::4] = 1e9, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, sample_weight=weight)
        found = model.optimality_
        model.fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0])
    assert model.optimality_ == pytest.approx(found, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("heavy", [False, True])
def test_an_intercept_is_as_exact_as_targets_unless_rows_are_heavy(heavy):
    X, base = np.array([[-1.0], [1.0], [0.5]]), 1e9
    data, _ = prepare(X, np.zeros(3), np.array([1e3, 1.0, 1.0]) if heavy else None)
    size = np.spacing(base)
    for steps in (1, 100):
        given = np.array([base + steps * size])
        at = Stored(data, np.zeros((1, 2)), X, np.zeros((1, 1)), given, 1.0, base)
        ended, rounded = at.predictions()
        assert at.heavy == heavy
        assert not ended.any()
        felt = steps > 1 or heavy
        assert np.all(rounded == (steps * size if felt else 0.0))


def test_an_inner_product_is_rounded_once():
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, right = rng.normal(size=(2, 9)) * 10.0 ** rng.integers(-40, 40, (2, 9))
        left[-1] = -(left[:-1] @ right[:-1]) / right[-1]
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(left, right, strict=True))
        assert dot(left, right) == float(exact)


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_penalties_with_weights_of_their_own_are_asked_in_the_shape_they_know(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) + 1e4
    y = X[:, 0] - 1e4 + rng.normal(size=40)
    weight = np.ones(40)
    weight[0] = 1e5
    model = HuberRegressor(scale=1.0)
    if n_classes:
        model, y = LogisticClassifier(), np.digitize(y, [0.0] if n_classes == 2 else [-0.5, 0.5])
    model.set_params(alpha=1.0, l1_ratio=0.5, penalty_weights=[1.0, 2.0, 0.5])
    assert model.fit(X, y, weight).optimality_ <= model.tol
