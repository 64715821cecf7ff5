"""Fits by passes alone: as those in memory, with nothing of the length of the table outside its parts."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone

from robustreg import HuberRegressor, L2Regressor, RobustRegressor
from robustreg.tables import Local, Part, add

MODELS = [
    L2Regressor(),
    L2Regressor(alpha=5.0, fit_intercept=False),
    HuberRegressor(scale=0.7),
    HuberRegressor(scale="proposal2"),
    HuberRegressor(scale="concomitant", alpha=2.0),
    HuberRegressor(scale=0.7, epsilon=0.3, solver="newton-cg"),
    HuberRegressor(scale=0.7, solver="lbfgs"),
    RobustRegressor(loss="pseudo_huber", scale=0.5),
    RobustRegressor(loss="log_cosh", scale=0.5),
]
each = pytest.mark.parametrize("model", MODELS, ids=repr)


class Counted(Local):
    """Counts passes and remembers what was sent."""

    def __init__(self, parts):
        super().__init__(parts)
        self.passes, self.sent = 0, []

    def reduce(self, function, combine=add):
        self.passes += 1
        self.sent.append(len(pickle.dumps((function, combine))))
        return super().reduce(pickle.loads(pickle.dumps(function)), combine)


def rows(n=3000, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-3, 4, size=p) + rng.normal(size=p)
    y = X @ (rng.normal(size=p) / X.std(axis=0)) + 0.5 * rng.standard_t(2, size=n) + 7
    return X, y


def table(X, y, weight=None, ends=None):
    ends = [0, len(y) // 3, len(y) // 3, len(y) // 3 + 1, len(y)] if ends is None else ends
    keep = slice(None) if weight is None else weight > 0
    parts = []
    start = 0
    for a, b in pairwise(ends):
        at = np.arange(a, b) if weight is None else a + np.flatnonzero(weight[a:b] > 0)
        parts.append(Part(X[at], y[at], None if weight is None else weight[at], start))
        start += len(at)
    assert start == len(y[keep])
    return Counted(parts)


def fit(model, rows):
    model = clone(model)
    with np.errstate(all="ignore"):
        prepared = model._prepare_remote(rows)
        found = model._minimise_remote(prepared, model._start(prepared))
        model._store(found, prepared)
    assert model.optimality_ <= model.tol
    return model


def assert_same(model, local, rtol=1e-9):
    size = np.abs(local.coef_).max()
    assert_allclose(model.coef_, local.coef_, rtol=rtol, atol=rtol * size)
    assert_allclose(model.intercept_, local.intercept_, rtol=rtol, atol=rtol * size)
    if hasattr(local, "scale_") and hasattr(model, "scale_"):
        assert_allclose(model.scale_, local.scale_, rtol=rtol)


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_that_in_memory(model, weighted):
    X, y = rows()
    weight = np.random.default_rng(1).uniform(0, 3, size=len(y)) if weighted else None
    if weighted:
        weight[::7] = 0.0
    model = clone(model).set_params(tol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in memory 1e-12 may be out of reach of the last digit
        local = clone(model).fit(X, y, sample_weight=weight)
    assert_same(fit(model, table(X, y, weight)), local)


@settings(derandomize=True, max_examples=15)
@given(st.integers(0, 10_000))
def test_partition_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    X, y = rows(400, 3, seed)
    ends = [0, *np.sort(rng.integers(401, size=rng.integers(0, 9))).tolist(), 400]
    model = HuberRegressor(scale="proposal2", tol=1e-12)
    one, many = fit(model, table(X, y, ends=[0, 400])), fit(model, table(X, y, ends=ends))
    assert_same(many, one, rtol=1e-11)


def offset(X):
    return X + 1e7


def constant(X):
    return np.column_stack([X, np.full(len(X), 3.0), np.zeros(len(X))])


def dependent(X):
    return np.column_stack([X, X[:, 0] + 2 * X[:, 1]])


def nearly_dependent(X):
    return np.column_stack([X, X[:, 0] * (1 + 1e-5 * np.sin(np.arange(len(X))))])


def huge(X):
    return X * 1e150


def single(X):
    return X.astype(np.float32)


def fortran(X):
    return np.asfortranarray(X)


def rare(X):
    column = np.zeros(len(X))
    column[5] = 1e6  # not in the sample
    return np.column_stack([X, column])


@pytest.mark.parametrize(
    "change", [offset, constant, dependent, nearly_dependent, huge, single, fortran, rare]
)
@pytest.mark.parametrize("model", MODELS[:4:2], ids=repr)
def test_hard_columns(change, model):
    X, y = rows(20_000)
    X = change(X)
    local = clone(model).set_params(tol=1e-11).fit(X, y)
    found = fit(clone(model).set_params(tol=1e-11), table(X, y))
    assert_allclose(found.predict(X), local.predict(X), atol=1e-7)
    size = np.maximum(np.abs(local.coef_), 1e-9 * np.abs(local.coef_).max())
    assert_allclose(found.coef_ / size, local.coef_ / size, atol=1e-5)


def test_fewer_rows_than_columns():
    X, y = rows(6, 9)
    assert_allclose(fit(L2Regressor(), table(X, y)).predict(X), y, rtol=1e-6)


def test_far_target_that_the_sample_does_not_hold():
    X, y = rows(30_000)
    y[17] = 1e9
    for model in (L2Regressor(), HuberRegressor(scale="proposal2")):
        local = clone(model).fit(X, y)
        assert_same(fit(model, table(X, y)), local, rtol=1e-6)


def test_warm_start_takes_fewer_passes():
    X, y = rows(30_000)
    model, cold = HuberRegressor(scale="proposal2", warm_start=True), table(X, y)
    fitted = fit(model, cold)
    again, warm = clone(fitted), table(X, y)
    again.__dict__.update({k: v for k, v in fitted.__dict__.items() if k.endswith("_")})
    prepared = again._prepare_remote(warm)
    again._minimise_remote(prepared, again._start(prepared))
    assert warm.passes < cold.passes


@pytest.mark.parametrize(
    ("model", "most"), [(MODELS[0], 4), (MODELS[2], 7), (MODELS[3], 8)], ids=repr
)
def test_passes(model, most):
    held = table(*rows(100_000, 10))
    fit(model, held)
    assert held.passes <= most


@each
def test_what_is_sent_does_not_grow_with_the_rows(model):
    for n in (1000, 20_000):
        held = table(*rows(n, 10))
        fit(model, held)
        largest = sorted(held.sent)[-2]  # but for the numbers of the sample
        assert largest < 16_000 + 16 * 10**2


def test_zero_scale_is_an_error_that_says_what_to_do():
    X, y = rows(500)
    y = X.sum(axis=1)
    with pytest.raises(ValueError, match="scale is zero"):
        fit(HuberRegressor(scale="proposal2"), table(X, y))


def test_attributes_of_rows_name_the_method_that_answers():
    X, y = rows(500)
    model = fit(HuberRegressor(scale=0.7), table(X, y))
    model._remote = True
    with pytest.raises(AttributeError, match=r"outliers\(X, y\)"):
        model.outliers_  # noqa: B018
    local = HuberRegressor(scale=0.7, tol=1e-12).fit(X, y)
    assert (model.outliers(X, y) == local.outliers_).all()
    with pytest.raises(AttributeError, match="no attribute 'other_'"):
        model.other_  # noqa: B018
