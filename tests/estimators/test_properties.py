"""What must be true of any data: equivariance, order, storage, starts and optimality."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._testing import ignore_warnings

from tests._reference import CONVEX, UNPENALISED, balance, objective, quantile_of, sized

MODELS = pytest.mark.parametrize("name", UNPENALISED)
ALL = pytest.mark.parametrize("name", CONVEX)
# The same examples in each run: what fails once fails always.
SEARCH = settings(derandomize=True, max_examples=8, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw):
    """Return X, y and weights: regular, heavy-tailed or partly repeated rows of any sizes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = draw(st.integers(1, 5))
    # More rows than any median's worth of the parameters, so that no scale is zero.
    n = draw(st.integers(6 * p + 12, 90))
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.5 * rng.normal(size=(p, p)))
    y = X @ rng.normal(size=p) + rng.standard_t(draw(st.sampled_from([1.5, 3.0, 30.0])), size=n)
    if draw(st.booleans()):
        X[: n // 5], y[: n // 5] = X[n // 2 : n // 2 + n // 5], y[n // 2 : n // 2 + n // 5]
    return X, y, rng.uniform(0.2, 3.0, n)


def tight(name):
    """Return a model whose fits are at the optimum itself."""
    return clone({**UNPENALISED, **CONVEX}[name]).set_params(tol=1e-11)


def value(model, X, y, weight):
    return objective(model, X, y, weight)


def same(name, one, other, X, y, weight):
    """Assert equal answers; where an optimum need not be unique, equally good ones."""
    if quantile_of(one) is not None:
        assert_allclose(value(one, X, y, weight), value(other, X, y, weight), rtol=1e-9)
        return
    size = np.abs(other.coef_).max()
    assert_allclose(one.coef_, other.coef_, rtol=1e-6, atol=1e-7 * size)
    assert_allclose(one.intercept_, other.intercept_, rtol=1e-6, atol=1e-7 * size)
    if hasattr(other, "scale_"):
        assert_allclose(one.scale_, other.scale_, rtol=1e-6)


def carried(model, coef, intercept, factor=1.0):
    """Copy the answer of a fit in other units back to the original ones."""
    copy = clone(model)
    copy.coef_, copy.intercept_ = coef, intercept
    if hasattr(model, "scale_"):
        copy.scale_ = model.scale_ * factor
    return copy


@MODELS
@SEARCH
@given(tables(), st.floats(-6, 6))
def test_scale_equivariance(name, table, power):
    X, y, weight = table
    factor = 10.0**power
    plain = tight(name).fit(X, y, sample_weight=weight)
    other = sized(tight(name), factor).fit(X, factor * y, sample_weight=weight)
    back = carried(other, other.coef_ / factor, other.intercept_ / factor, 1 / factor)
    back.set_params(**plain.get_params())
    same(name, back, plain, X, y, weight)


@MODELS
@SEARCH
@given(tables(), st.integers(0, 99))
def test_regression_equivariance(name, table, seed):
    X, y, weight = table
    shift = np.random.default_rng(seed).normal(size=X.shape[1])
    plain = tight(name).fit(X, y, sample_weight=weight)
    other = tight(name).fit(X, y + X @ shift + 3.0, sample_weight=weight)
    back = carried(other, other.coef_ - shift, other.intercept_ - 3.0)
    same(name, back, plain, X, y, weight)


@MODELS
@SEARCH
@given(tables(), st.integers(0, 99))
def test_affine_equivariance(name, table, seed):
    X, y, weight = table
    rng, p = np.random.default_rng(seed), X.shape[1]
    A, shift = np.eye(p) + 0.3 * rng.normal(size=(p, p)), 10 * rng.normal(size=p)
    plain = tight(name).fit(X, y, sample_weight=weight)
    other = tight(name).fit(X @ A + shift, y, sample_weight=weight)
    back = carried(other, A @ other.coef_, other.intercept_ + shift @ other.coef_)
    same(name, back, plain, X, y, weight)


@ALL
@SEARCH
@given(tables(), st.integers(0, 99))
def test_order_of_rows_and_columns_and_signs(name, table, seed):
    X, y, weight = table
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(y)), rng.permutation(X.shape[1])
    signs = rng.choice([-1.0, 1.0], X.shape[1])
    plain = tight(name).fit(X, y, sample_weight=weight)
    moved = (X * signs)[np.ix_(rows, columns)]
    other = tight(name).fit(moved, y[rows], sample_weight=weight[rows])
    coef = np.empty(X.shape[1])
    coef[columns] = other.coef_
    same(name, carried(other, coef * signs, other.intercept_), plain, X, y, weight)


@MODELS
@SEARCH
@given(tables())
def test_sign_of_y(name, table):
    X, y, weight = table
    plain = tight(name).fit(X, y, sample_weight=weight)
    mirrored = tight(name)
    q = quantile_of(mirrored)
    if "quantile" in mirrored.get_params():
        mirrored.set_params(quantile=1 - q)
    elif "loss__quantile" in mirrored.get_params():
        mirrored.set_params(loss__quantile=1 - q)
    mirrored.fit(X, -y, sample_weight=weight)
    same(name, carried(plain, -mirrored.coef_, -mirrored.intercept_), plain, X, y, weight)


@ALL
@SEARCH
@given(tables(), st.sampled_from([sp.csr_array, sp.csc_matrix]))
def test_sparse_is_dense(name, table, container):
    X, y, weight = table
    X = np.where(np.abs(X) > 0.7, X, 0.0)
    dense = tight(name).fit(X, y, sample_weight=weight)
    sparse = tight(name).fit(container(X), y, sample_weight=weight)
    assert_allclose(sparse.coef_, dense.coef_, rtol=1e-10, atol=1e-12)
    assert_allclose(sparse.predict(container(X)), dense.predict(X), rtol=1e-10, atol=1e-10)


@ALL
@SEARCH
@given(tables(), st.integers(0, 99))
def test_warm_start_is_cold_start(name, table, seed):
    X, y, weight = table
    rng = np.random.default_rng(seed)
    cold = tight(name).fit(X, y, sample_weight=weight)
    warm = tight(name).set_params(warm_start=True)
    warm.fit(X, y + rng.normal(size=len(y))).fit(X, y, sample_weight=weight)
    same(name, warm, cold, X, y, weight)
    again = warm.fit(X, y, sample_weight=weight)
    same(name, again, cold, X, y, weight)


@ALL
@SEARCH
@given(tables())
def test_same_bits_each_time(name, table):
    X, y, weight = table
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
    other = clone(model).fit(X.copy(), y.copy(), sample_weight=weight.copy())
    assert np.array_equal(model.coef_, other.coef_)
    assert model.intercept_ == other.intercept_
    assert model.optimality_ == other.optimality_


@ALL
@SEARCH
@given(tables())
def test_rows_are_predicted_alone_as_together(name, table):
    X, y, weight = table
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
    together = model.predict(X)
    alone = [model.predict(X[i : i + 1])[0] for i in range(5)]
    assert_allclose(alone, together[:5], rtol=1e-12, atol=1e-12)


@ALL
@SEARCH
@given(tables())
def test_nothing_is_better(name, table):
    X, y, weight = table
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
    best = objective(model, X, y, weight)
    if quantile_of(model) is None:
        assert balance(model, X, y, weight) < 1e-6
    rng = np.random.default_rng(0)
    for size in np.repeat([1e-4, 1e-2, 1.0], 20):
        coef = model.coef_ + size * rng.normal(size=X.shape[1])
        intercept = model.intercept_ + size * rng.normal() * model.fit_intercept
        assert best <= objective(model, X, y, weight, coef=coef, intercept=intercept) * (1 + 1e-14)


THEIRS = {
    "concomitant": lambda: linear_model.HuberRegressor(epsilon=1.35, alpha=0.0),
    "concomitant, penalised": lambda: linear_model.HuberRegressor(epsilon=1.35, alpha=3.0),
    "quantile": lambda: linear_model.QuantileRegressor(quantile=0.3, alpha=0.0),
    "quantile, penalised": lambda: linear_model.QuantileRegressor(quantile=0.3, alpha=0.05),
    "squared": lambda: linear_model.LinearRegression(),
    "squared, penalised": lambda: linear_model.Ridge(alpha=3.0),
}


@pytest.mark.parametrize("name", THEIRS)
@SEARCH
@given(tables())
def test_scikit_learn_is_never_better(name, table):
    X, y, weight = table
    model = clone(CONVEX[name]).fit(X, y, sample_weight=weight)
    with ignore_warnings(category=ConvergenceWarning):
        theirs = THEIRS[name]().fit(X, y, sample_weight=weight)
    theirs_value = objective(
        model, X, y, weight,
        coef=theirs.coef_, intercept=theirs.intercept_, scale=getattr(theirs, "scale_", None),
    )  # fmt: skip
    assert objective(model, X, y, weight) <= theirs_value * (1 + 1e-12)
