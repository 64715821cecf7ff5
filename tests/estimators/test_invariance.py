"""What a certificate means: the same minimum however the table is written down, and none lower is found elsewhere.

Values are computed here, in extended precision and from exact formulas, and other minima by scipy.
"""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from sklearn.base import clone

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.losses import PseudoHuber

LONG = np.longdouble


def softmax_loss(s, Y):
    top = s.max(axis=1, keepdims=True)
    return np.log(np.exp(s - top).sum(axis=1)) + top[:, 0] - (Y * s).sum(axis=1)


def entropy(Y):
    return np.where(Y > 0, Y * np.log(np.where(Y > 0, Y, 1)), 0).sum(axis=1)


def crammer_singer(s, Y):
    own = (Y * s).sum(axis=1)
    return np.maximum((np.where(Y > 0, -np.inf, s)).max(axis=1) + 1 - own, 0)


def huber(r):
    size = np.abs(r)
    return np.where(size <= 1.345, r * r / 2, 1.345 * size - 1.345**2 / 2)


# model, kind of y, loss of each row by residuals or by scores and indicators, and slopes below and above zero
MODELS = {
    "l2": (L2Regressor(), "real", lambda r: r * r / 2, None),
    "huber": (HuberRegressor(scale=1.0), "real", huber, None),
    "pseudo huber": (
        RobustRegressor(loss=PseudoHuber(delta=1.0), scale=1.0), "real", lambda r: np.sqrt(1 + r * r) - 1, None,
    ),
    "l1": (L1Regressor(), "real", np.abs, (1.0, 1.0)),
    "quantile": (
        QuantileRegressor(quantile=0.3, alpha=0.0), "real",
        lambda r: np.maximum(0.3 * r, -0.7 * r), (0.3, 0.7),
    ),
    "logistic": (LogisticClassifier(), "classes", softmax_loss, None),
    "kl": (KLRegressor(), "shares", lambda s, Y: softmax_loss(s, Y) + entropy(Y), None),
    "hinge": (HingeClassifier(), "two", lambda s, Y: np.maximum(1 - (2 * Y - 1) * s, 0), None),
    "squared hinge": (
        HingeClassifier(squared=True), "two", lambda s, Y: np.maximum(1 - (2 * Y - 1) * s, 0) ** 2, None,
    ),
    "crammer-singer": (
        HingeClassifier(multi_class="crammer_singer"), "classes", crammer_singer, None,
    ),
}  # fmt: skip


@st.composite
def tables(draw):
    """Return rows of columns of any sizes and offsets, a score of each row, whole weights and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = draw(st.integers(1, 4))
    n = draw(st.integers(10 * p + 15, 70))
    X = np.round(rng.normal(size=(n, p)) * 2**12) / 2**12
    if draw(st.booleans()):  # far rows
        X[:2] *= 2.0 ** draw(st.integers(1, 12))
    if draw(st.booleans()):  # repeated rows
        X[: n // 4] = X[n // 4 : 2 * (n // 4)]
    score = X @ rng.normal(size=p) + rng.standard_t(draw(st.sampled_from([1.5, 4.0])), size=n)
    return X, np.round(score * 2**12) / 2**12, rng.integers(1, 4, n).astype(float), rng


def targets(kind, score, rng):
    if kind == "real":
        return score
    noisy = score + 2 * rng.normal(size=len(score))
    if kind == "two":
        return (noisy > np.median(noisy)).astype(int)
    if kind == "classes":
        return np.searchsorted(np.quantile(noisy, [0.4, 0.8]), noisy)
    return rng.dirichlet(np.ones(3), len(score))


def certified(model, X, y, weight):
    """Return the fit, and whether it says that it is at its minimum."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = clone(model).fit(X, y, sample_weight=weight)
    assert not caught, str(caught[0].message)
    assert fit.optimality_ <= fit.tol
    return fit


def value(name, coef, intercept, X, y, weight, alpha):
    _, kind, loss, _ = MODELS[name]
    coef, intercept = np.atleast_2d(coef).astype(LONG), np.atleast_1d(intercept).astype(LONG)
    raw = X.astype(LONG) @ coef.T + intercept
    if kind == "real":
        r = y.astype(LONG) - raw[:, 0]
        rows = loss(r)
    elif kind == "two":
        rows = loss(raw[:, 0], y.astype(LONG))
    else:
        rows = loss(raw, np.eye(3, dtype=LONG)[y] if kind == "classes" else y.astype(LONG))
    return float(weight @ rows + alpha / 2 * (coef**2).sum())


def forms(kind, alpha, X, y, weight, rng):
    """Yield the table in other forms, and what carries coefficients and intercept of each back."""
    n, p = X.shape
    order, turn = rng.permutation(n), rng.permutation(p)
    yield X[order], y[order], weight[order], lambda c, b: (c, b)
    yield X[:, turn], y, weight, lambda c, b: (np.atleast_2d(c)[:, np.argsort(turn)], b)
    repeated = np.repeat(np.arange(n), weight.astype(int))
    yield X[repeated], y[repeated], np.ones(len(repeated)), lambda c, b: (c, b)
    shift = 2.0 ** rng.integers(0, 12, p)
    yield X + shift, y, weight, lambda c, b: (c, b + np.atleast_2d(c) @ shift)
    if alpha == 0:
        size = 2.0 ** rng.integers(-30, 31, p)
        yield X * size, y, weight, lambda c, b: (np.atleast_2d(c) * size, b)


@pytest.mark.parametrize("name", MODELS)
@settings(derandomize=True, max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.sampled_from([0.0, 1e-3, 1.0, 100.0]))
def test_one_minimum_however_the_table_is_written(name, table, alpha):
    model, kind, _, _ = MODELS[name]
    X, score, weight, rng = table
    if name == "quantile" or (kind != "real" and alpha == 0):
        alpha = 0.0 if kind == "real" else 1e-3
    y = targets(kind, score, rng)
    model = clone(model).set_params(alpha=alpha)
    fit = certified(model, X, y, weight)
    least = value(name, fit.coef_, fit.intercept_, X, y, weight, alpha)
    for other, its_y, its_weight, back in forms(kind, alpha, X, y, weight, rng):
        found = certified(model, other, its_y, its_weight)
        there = value(name, *back(found.coef_, found.intercept_), X, y, weight, alpha)
        assert there == pytest.approx(least, rel=1e-8)
    assert least <= elsewhere(name, X, y, weight, alpha) * (1 + 1e-8)


def elsewhere(name, X, y, weight, alpha):
    """Return the lowest value that another method finds: a linear program, or BFGS and a search of directions."""
    _, kind, _, slopes = MODELS[name]
    n, p = X.shape
    if slopes is not None and alpha == 0:
        above, below = slopes
        rows = np.hstack([X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
        cost = np.concatenate([np.zeros(p + 1), above * weight, below * weight])
        bounds = [(None, None)] * (p + 1) + [(0, None)] * (2 * n)
        return linprog(cost, A_eq=rows, b_eq=y, bounds=bounds).fun
    k = 1 if kind in ("real", "two") else 3

    def at(point):
        coef = point.reshape(k, p + 1)
        return value(name, coef[:, :p] / size, coef[:, p], X, y, weight, alpha)

    size = np.sqrt((X**2).mean(axis=0))
    start = np.zeros(k * (p + 1))
    found = minimize(at, start, method="BFGS")
    return float(minimize(at, found.x, method="Powell", options={"maxiter": 20}).fun)
