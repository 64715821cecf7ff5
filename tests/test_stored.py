"""Coefficients as they are stored: a certificate is one of the numbers that the user gets."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
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
from robustreg.stored import Stored, leads

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


@pytest.mark.parametrize("size", [1.0, 1e14, 1e200, 1e307])
def test_a_lead_is_exact_where_scores_are_large(size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3)) * size
    coef = 1 + rng.integers(-3, 4, (3, 3)) * np.spacing(1.0)
    intercept, own = rng.normal(size=3), rng.integers(0, 3, 20)
    for classes in (own, None):
        found = leads(X, coef, intercept, classes)
        for i, k in np.ndindex(found.shape):
            row = [*map(Fraction, X[i]), Fraction(1)]
            less = np.zeros(4) if classes is None else np.append(coef[own[i]], intercept[own[i]])
            each = zip(row, np.append(coef[k], intercept[k]), less, strict=True)
            exact = float(sum(x * (Fraction(c) - Fraction(b)) for x, c, b in each))
            assert found[i, k] == pytest.approx(exact, rel=1e-9, abs=1e-300)


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


def powers_of_a_year(degree, n=60):
    year = np.arange(1961.0, 1961.0 + n)
    y = np.sin((year - 1961) / 15) + 0.1 * np.random.default_rng(0).standard_t(2, n)
    return year[:, None] ** np.arange(1, degree + 1), y


def exact_least(X, y):
    """Least sum of squares of ``y - X @ coef - intercept``: elimination in fractions."""
    rows = [[Fraction(1), *map(Fraction, row), Fraction(t)] for row, t in zip(X, y, strict=True)]
    k = len(rows[0])
    inner = [[sum(row[i] * row[j] for row in rows) for j in range(k)] for i in range(k)]
    for i in range(k - 1):
        for j in range(i + 1, k):
            share = inner[j][i] / inner[i][i]
            inner[j] = [a - share * b for a, b in zip(inner[j], inner[i], strict=True)]
    return float(inner[-1][-1])


@pytest.mark.parametrize("degree", [3, 5, 6])
def test_powers_of_a_year_are_predicted_to_their_last_places(degree):
    X, y = powers_of_a_year(degree)
    model = L2Regressor().fit(X, y)
    predicted = model.predict(X)
    np.testing.assert_allclose(predicted, exact_predictions(model, X), rtol=1e-7, atol=1e-9)
    found = np.sum((y - predicted) ** 2)
    # coefficients of 1e12 are rounded at 1e-4 of the residuals, which moves a sum of squares by the square of that
    np.testing.assert_allclose(found, exact_least(X, y), rtol=1e-7)


@pytest.mark.parametrize("degree", [7, 8])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_powers_that_others_explain_but_for_rounding_are_named(degree, kind):
    X, y = powers_of_a_year(degree)
    with pytest.warns(UserWarning, match=r"columns \([2-4].*nearly dependent on others"):
        L2Regressor().fit(kind(X), y)


def test_terms_that_cancel_are_seen_in_one_row_and_in_several_outputs():
    X, y = powers_of_a_year(6)
    model = L2Regressor().fit(X, np.column_stack([y, -2 * y]))
    every = model.predict(X)
    np.testing.assert_allclose(every[:, 1], -2 * every[:, 0], rtol=1e-5, atol=1e-6)
    for i in (0, 30):
        np.testing.assert_allclose(model.predict(X[i : i + 1])[0], every[i], rtol=1e-9)


@pytest.mark.parametrize("year", [0.0, 1000.0, 3000.0])
@pytest.mark.parametrize("n_others", [1, 40])
@pytest.mark.parametrize("where", ["before", "after"])
def test_rows_whose_terms_do_not_cancel_change_no_other_prediction(year, n_others, where):
    X, y = powers_of_a_year(5)
    model = L2Regressor().fit(X, y)
    alone = model.predict(X)
    others = np.tile(year ** np.arange(1.0, 6.0), (n_others, 1))
    if where == "before":
        beside = model.predict(np.vstack([others, X]))[n_others:]
    else:
        beside = model.predict(np.vstack([X, others]))[: len(X)]
    np.testing.assert_array_equal(beside, alone)
