"""X with fewer rows than columns: fits in the space of the rows, of sparse X those of dense X."""

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
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
from robustreg.preparation import prepare
from robustreg.row_space import DenseRowSpace, RowSpace, row_space

N, P, ENTRIES = 40, 30_000, 20


def words(n=N, p=P, entries=ENTRIES, seed=0):
    """Return a table like that of words in documents, rows of it and columns of any size."""
    rng = np.random.default_rng(seed)
    columns = np.minimum(rng.zipf(1.3, size=n * entries) - 1, p - 1)
    X = sp.csr_array(
        (rng.random(n * entries) + 0.1, columns, np.arange(0, n * entries + 1, entries)),
        shape=(n, p),
    )
    X.sum_duplicates()
    return X, X @ rng.normal(size=p) + rng.standard_t(2, size=n)


def with_columns(X, *columns):
    return sp.csr_array(sp.hstack([sp.csr_array(np.column_stack(columns)), X]))


def hostile():
    """Return tables that a decomposition of inner products could spoil, by name."""
    rng = np.random.default_rng(1)
    X, _ = words()
    seconds = 1.7e9 + 60 * rng.random(N)
    sentinel = np.zeros(N)
    sentinel[[3, 7, 9]] = 1e9, 1.0, 2.0
    return {
        "words": X,
        "rows twice": sp.csr_array(sp.vstack([X[:20], X[:20]])),
        "a row without entries": sp.csr_array(sp.vstack([X[:39], 0 * X[:1]])),
        "seconds": with_columns(X, seconds),
        "constant": with_columns(X, np.full(N, 5.0)),
        "sentinel": with_columns(X, sentinel),
        "large": with_columns(X, 1e8 * rng.normal(size=N)),
        "small": with_columns(1e6 * X, rng.normal(size=N)),
        "tiny": 1e-12 * X,
    }


HOSTILE = hostile()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_shortest_fit_is_that_of_dense_rows(name, intercept):
    X = HOSTILE[name]
    y = np.random.default_rng(2).normal(size=N)
    y[20:] = y[:20] if name == "rows twice" else y[20:]
    model = L2Regressor(alpha=0.0, fit_intercept=intercept)
    sparse, dense = clone(model).fit(X, y), clone(model).fit(X.toarray(), y)
    size = np.abs(dense.coef_).max()
    assert_allclose(sparse.predict(X), dense.predict(X), atol=1e-7)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-7 * size)
    assert not sparse.coef_[np.diff(X.tocsc().indptr) == 0].any()  # columns without entries


@pytest.mark.parametrize("name", HOSTILE)
def test_rank(name):
    X = HOSTILE[name]
    _, rank = prepare(X, np.zeros(N))
    whole = np.column_stack([np.ones(N), X.toarray()])
    size = np.abs(whole).max(axis=0)
    assert rank == np.linalg.matrix_rank(whole / np.where(size > 0, size, 1.0))


def test_rows_too_alike_are_not_taken_by_their_inner_products():
    rng = np.random.default_rng(3)
    X, _ = words()
    close = sp.csr_array(sp.vstack([X[:20], X[:20] * (1 + 1e-6 * rng.random(X.shape[1]))]))
    center, spread = close.mean(axis=0), close.toarray().std(axis=0)
    assert row_space(close, center, spread, True) is None
    y = rng.normal(size=N)
    model = L2Regressor(alpha=0.0)
    sparse, dense = clone(model).fit(close, y), clone(model).fit(close.toarray(), y)
    assert_allclose(sparse.predict(close), y, atol=1e-6)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-6 * np.abs(dense.coef_).max())


@pytest.mark.parametrize(
    ("name", "intercept"), [("words", True), ("words", False), ("seconds", True)]
)
def test_coordinates(name, intercept):
    """They are a linear map with its adjoint, and the rows are those of X."""
    X = HOSTILE[name]
    data, _ = prepare(X, np.zeros(N), intercept=intercept)
    space = data.coordinates
    assert isinstance(space, RowSpace)
    rng = np.random.default_rng(4)
    u, g = rng.normal(size=space.size), rng.normal(size=X.shape[1])
    coef, dense = space.coef(u), X.toarray() - space.center
    rows = data.X[:, : data.size]
    assert_allclose(dense @ coef, rows @ u, atol=1e-6 * np.abs(rows @ u).max())
    if name == "words":
        assert_allclose(coef @ g, u @ space.adjoint(g))
    d = rng.uniform(0.1, 1.0, size=X.shape[1])
    assert_allclose(u @ space.quadratic(d) @ u, (d * coef**2).sum())
    assert_allclose(u @ space.quadratic(np.full_like(d, 0.3)) @ u, 0.3 * coef @ coef, rtol=1e-9)
    assert_allclose(space.solver(coef), u, atol=1e-6)
    two = rng.normal(size=(space.size, 2))
    assert_allclose(space.coef(two)[:, 1], space.coef(two[:, 1]))
    transform = space.coef(np.eye(space.size))
    assert_allclose(space.hidden, np.abs(space.center) @ np.abs(transform))


def apart(n=40, p=300, offset=0.0):
    """Return dense rows that are well apart, of which a column is constant and others differ in size."""
    X = np.random.default_rng(6).normal(size=(n, p)) * np.geomspace(0.1, 10.0, p) + offset
    X[:, 5] = 3.25
    return X


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_dense_coordinates(intercept, weighted):
    """Products with inner products of the rows are those with the transform, which nobody has to make."""
    X, rng = apart(), np.random.default_rng(7)
    weight = np.where(np.arange(40) % 4 > 0, rng.uniform(0.5, 2.0, 40), 0.0) if weighted else None
    data, rank = prepare(X, np.zeros(40), weight, intercept=intercept)
    kept = X if weight is None else X[weight > 0]
    n, space = len(kept), data.coordinates
    assert isinstance(space, DenseRowSpace) and rank == n and space.size == n - intercept
    assert "transform" not in vars(space)
    u, g = rng.normal(size=(space.size, 2)), rng.normal(size=300)
    coef = space.coef(u)
    assert_allclose((kept - space.center) @ coef, data.X[:, : space.size] @ u, atol=1e-12)
    assert_allclose(data.X.T @ data.X, n * np.eye(data.X.shape[1]), atol=1e-12 * n)
    assert (data.moments is None) == weighted
    assert_allclose(g @ coef, space.adjoint(g) @ u, rtol=1e-11)
    assert_allclose(space.inner @ u, space.adjoint(coef), rtol=1e-10, atol=1e-12)
    assert_allclose(space.transform @ u, coef, rtol=1e-10, atol=1e-13)
    assert_allclose(space.apply(kept), data.X[:, : space.size], atol=1e-12)
    size = rng.uniform(0.1, 1.0, 300)
    assert_allclose(u.T @ space.quadratic(size) @ u, (coef.T * size) @ coef, rtol=1e-10)
    constant = np.arange(300) == 5
    assert np.array_equal(space.varies, ~constant | (not intercept))
    away = np.abs(space.center) @ np.abs(space.transform)
    assert np.all(space.hidden >= (1 - 1e-12) * away)
    if intercept:
        assert np.all(coef[5] == 0)


def test_size_of_a_large_offset_is_no_bound():
    space = prepare(apart(offset=200.0), np.zeros(40))[0].coordinates
    assert isinstance(space, DenseRowSpace)
    assert_allclose(space.hidden, np.abs(space.center) @ np.abs(space.transform))


@pytest.mark.parametrize(
    "rows",
    [
        np.vstack([apart(), apart()[:1] + 1e-3]),
        np.vstack([apart(), 1e4 * apart()[:1]]),
        apart(offset=1e6),
        np.column_stack([apart(), 1e6 * np.arange(40)]),
        1e200 * apart(),
        1e-200 * apart(),
    ],
    ids=["alike", "far", "offset", "a large column", "huge", "tiny"],
)
def test_inner_products_that_lose_digits_are_not_relied_on(rows):
    with np.errstate(all="ignore"):  # as in a fit
        data, rank = prepare(rows, np.zeros(len(rows)))
    assert not isinstance(data.coordinates, DenseRowSpace)
    assert rank == len(rows)
    inside = data.X[:, : data.size]
    assert_allclose(inside.T @ inside, len(rows) * np.eye(data.size), atol=1e-6 * len(rows))


@pytest.mark.parametrize("alpha", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_dense_fits_are_those_of_their_duals(alpha, offset):
    X, rng = apart(offset=offset), np.random.default_rng(8)
    y = rng.normal(size=40)
    centred = X - X.mean(axis=0)
    dual = np.linalg.solve(centred @ centred.T + alpha * np.eye(40), y - y.mean())
    ridge = L2Regressor(alpha=alpha).fit(X, y)
    assert_allclose(ridge.coef_, centred.T @ dual, rtol=1e-8, atol=1e-13)
    assert ridge.optimality_ <= 1e-12
    labels = (y > 0).astype(int)
    model = LogisticClassifier(alpha=alpha).fit(X, labels)
    left = labels - model.predict_proba(X)[:, 1]
    gradient = X.T @ left - alpha * model.coef_[0]
    assert_allclose(gradient, 0, atol=1e-7 * np.abs(X).max() * 40)
    assert abs(left.sum()) < 1e-6
    assert model.optimality_ <= model.tol


MODELS = [
    HuberRegressor(alpha=1.0),
    HuberRegressor(alpha=1.0, scale="mad"),
    HuberRegressor(alpha=1.0, scale="concomitant"),
    HuberRegressor(alpha=1.0, scale=1.0),
    HuberRegressor(alpha=0.0),
    RobustRegressor(loss="tukey", alpha=1.0, scale=3.0),
    RobustRegressor(loss="cauchy", alpha=1.0, scale=3.0),
    RobustRegressor(loss="pinball", alpha=0.1),
    L1Regressor(alpha=0.0),
    L1Regressor(alpha=1.0),
    L2Regressor(alpha=1e-4),
    QuantileRegressor(quantile=0.7, alpha=0.01),
    LogisticClassifier(),
    HingeClassifier(),
    HingeClassifier(squared=True),
    HingeClassifier(multi_class="crammer_singer"),
    FocalClassifier(),
    PolyClassifier(),
    DiceClassifier(),
    KLRegressor(),
]


def targets(model, y):
    rng = np.random.default_rng(5)
    if isinstance(model, KLRegressor):
        share = rng.random((len(y), 3)) + 0.1
        return share / share.sum(axis=1, keepdims=True)
    several = getattr(model, "multi_class", "") == "crammer_singer"
    if is_classifier(model):
        return np.digitize(y, np.quantile(y, [0.3, 0.7] if several else [0.5]))
    return y


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "".join(repr(model).split()))
def test_fits_are_those_of_dense_rows(model):
    X, y = words()
    y = targets(model, y)
    weight = np.random.default_rng(6).integers(0, 4, size=N).astype(float)
    sparse = clone(model).fit(X, y, sample_weight=weight)
    dense = clone(model).fit(X.toarray(), y, sample_weight=weight)
    assert sparse.optimality_ <= sparse.tol
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-7 * max(np.abs(dense.coef_).max(), 1.0))
    assert_allclose(sparse.intercept_, dense.intercept_, atol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "".join(repr(model).split()))
def test_fits_take_memory_near_that_of_the_table(model):
    """Some arrays as long as a row for each score, and of the size of the rows' inner products."""
    n, p = 60, 100_000
    X, y = words(n=n, p=p)
    y = targets(model, y)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clone(model).fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.data.nbytes + X.indices.nbytes + 8 * (40 * p + 100 * n * n)  # dense: 60 p
