"""The dual of losses with one kink a row: the same minimum by inner products of the rows."""

import tracemalloc
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg import HingeClassifier, HuberRegressor, L1Regressor, RobustRegressor
from robustreg.data import Passes
from robustreg.losses import Absolute, Hinge, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, solve_piecewise
from robustreg.solvers._dual import interpolated, solve_dual
from robustreg.solvers._products import Gram, Sparse, Tall, inner_products, sparse_products
from robustreg.stored import in_units_of_user

LOSSES = [Hinge(), Absolute(), Pinball(0.9)]


def table(loss, n=60, p=8, seed=0, weight=None, intercept=True):
    """Return an objective on dense rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + rng.normal(size=p)
    y = X @ rng.normal(size=p) + rng.standard_t(2, size=n)
    y = np.where(y > np.quantile(y, 0.8), 1.0, -1.0) if isinstance(loss, Hinge) else y
    data, _ = prepare(X, y, weight, intercept=intercept)
    return Objective(loss, data, L2(1.0))


def words(n, p, entries=30, seed=0):
    """Return sparse rows, a noisy linear target and its classes."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(p, size=n * entries)
    indptr = np.arange(0, n * entries + 1, entries)
    X = sp.csr_array((rng.random(n * entries), columns, indptr), shape=(n, p))
    X.sum_duplicates()
    y = X @ rng.normal(size=p) + 0.5 * rng.standard_t(3, size=n)
    return X, y, np.where(y > 0, 1.0, -1.0)


def uneven(kind, n):
    """Return weights that differ, and lengths of rows."""
    rng = np.random.default_rng(0)
    size, weight = np.ones(n), np.ones(n)
    if kind == "weights":
        weight = 10.0 ** rng.uniform(-3, 3, n)
    elif kind == "few heavy rows":
        weight[:4] = 1e6
    elif kind == "rows":
        size = 10.0 ** rng.uniform(-2, 2, n)
    return weight, size


@pytest.mark.parametrize("kind", ["even", "weights", "few heavy rows", "rows"])
@pytest.mark.parametrize("loss", [Hinge(), Absolute()], ids=str)
def test_wide_rows_by_products_alone(loss, kind):
    """Inner products that are not kept lead to the same minimum, in few products, whatever counts most."""
    X, y, t = words(400, 4000)
    weight, size = uneven(kind, 400)
    X = sp.csr_array(X.multiply(size[:, None]))
    data, _ = prepare(X, t if isinstance(loss, Hinge) else y, weight, reduce=False)
    objective = Objective(loss, data, L2(1.0))
    products, count = sparse_products(data, objective.total), []
    apply = Sparse.apply

    def counted(self, g):
        count.append(1)
        return apply(self, g)

    with (
        patch("robustreg.solvers._dual.inner_products", return_value=products),
        patch.object(Sparse, "apply", counted),
    ):
        found = solve_dual(objective, Control(tol=1e-8, max_iter=1000))
    other = solve_dual(objective, Control(tol=1e-8, max_iter=1000))
    assert found.success
    assert_allclose(found.fun, other.fun, rtol=1e-9)
    assert len(count) < 1500


def with_alpha(objective, alpha):
    return replace(objective, penalty=L2(alpha))


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-8, 1e-3, 1e-2, 1.0, 1e2, 1e6])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("size", [(60, 8), (40, 60), (300, 5)])
def test_minimum_is_that_of_the_primal(loss, alpha, intercept, size):
    weight = np.random.default_rng(1).integers(1, 4, size=size[0]).astype(float)
    objective = with_alpha(table(loss, *size, weight=weight, intercept=intercept), alpha)
    start = np.zeros(objective.size)
    found = solve_dual(objective, Control(tol=1e-8, max_iter=1000))
    other = solve_piecewise(objective, start, Control(tol=1e-8, max_iter=1000))
    if alpha == 1e-8 and size[0] > size[1]:  # more rows than columns, and hardly a penalty
        assert found is None
        return
    assert found.success
    assert found.optimality <= 1e-10
    assert_allclose(found.fun, other.fun, rtol=1e-10, atol=1e-11)
    value, _ = objective.evaluate(found.x)[:2]
    assert_allclose(found.fun, value, rtol=1e-10, atol=1e-11)
    size = 1.0 + np.abs(other.x[: objective.data.size]).max()
    assert_allclose(
        found.x[: objective.data.size], other.x[: objective.data.size], atol=1e-6 * size
    )


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_certificate_bounds_what_is_missing(loss):
    """Also of a point that is none: whatever stops the search, the gap is at least the excess."""
    objective = table(loss)
    whole = Control(tol=1e-8, max_iter=1000)
    best = solve_dual(objective, whole)
    for most in range(1, whole.n_iter):
        control = Control(tol=1e-8, max_iter=most)
        found = solve_dual(objective, control)
        value, _ = objective.evaluate(found.x)[:2]
        assert value - best.fun <= found.optimality * value + 1e-14
        assert found.status == 1 or found.optimality <= 1e-8
        assert control.n_iter <= most


def test_slopes_and_rows_on_their_kinks():
    objective = table(Absolute())
    found = solve_dual(objective, Control(tol=1e-8, max_iter=1000))
    s = objective.raw(found.x) - objective.data.y
    assert_allclose(found.slopes[~found.zero], np.sign(s)[~found.zero], atol=1e-9)
    assert_allclose(s[found.zero], 0.0, atol=1e-11)
    assert 0 < found.zero.sum() <= objective.size
    assert_allclose(found.slopes.sum(), 0.0, atol=1e-10)


def test_callback_hears_of_coefficients_and_can_stop():
    objective = table(Hinge())
    heard = []

    def callback(intermediate_result):
        heard.append(intermediate_result.x)
        return len(heard) == 3

    found = solve_dual(objective, Control(tol=1e-8, max_iter=1000, callback=callback))
    assert found.status == 99
    assert len(heard) == 3
    assert all(x.shape == (objective.size,) for x in heard)


def test_products_agree():
    """However the inner products are held, they are one matrix."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 5))
    rows -= rows.mean(axis=0)
    ways = [Gram(rows @ rows.T), Tall(rows), Sparse(sp.csr_array(rows), np.ones(5))]
    g, lift = rng.normal(size=30), rng.uniform(0.1, 1.0, size=30)
    for some in (np.arange(30), np.array([2, 5, 11]), np.arange(20)):
        right = rng.normal(size=len(some))
        for total in (None, 0.0, 0.7):
            for way in ways:
                z, shift = way.solve(some, lift[some], right, total, 1e-12)
                inner = rows[some] @ rows[some].T + np.diag(lift[some])
                assert_allclose(inner @ z - shift, right, atol=1e-9)
                assert_allclose(z.sum(), z.sum() if total is None else total, atol=1e-10)
                assert total is not None or shift == 0.0
    for way in ways:
        assert_allclose(way.apply(g), rows @ (rows.T @ g))
        assert_allclose(way.diagonal, (rows**2).sum(axis=1))


def test_products_are_held_as_the_table_asks():
    assert isinstance(inner_products(table(Absolute(), 40, 60)), Gram)
    assert isinstance(inner_products(table(Absolute(), 60, 8)), Tall)
    X, y, _ = words(1100, 2000)
    data, _ = prepare(X, y)
    assert isinstance(inner_products(Objective(Absolute(), data, L2(1.0))), Gram)
    X, y, _ = words(1100, 10_000)
    data, _ = prepare(X, y)
    assert isinstance(inner_products(Objective(Absolute(), data, L2(1.0))), Sparse)


MODELS = [HingeClassifier(), L1Regressor(alpha=1.0), RobustRegressor(loss="pinball", alpha=0.1)]


def objective_of(model, X, y):
    """Objective of a fit by its definition, and its sum without a penalty."""
    raw = X @ np.ravel(model.coef_) + model.intercept_
    if isinstance(model, HingeClassifier):
        loss = np.maximum(0.0, 1.0 - y * raw).sum()
    elif isinstance(model, L1Regressor):
        loss = np.abs(y - raw).sum()
    else:
        loss = np.maximum(0.5 * (y - raw), -0.5 * (y - raw)).sum()
    return loss + 0.5 * model.alpha * np.square(model.coef_).sum()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(("shape", "bytes"), [((120, 9000), 0), ((250, 4100), 1 << 26)])
def test_sparse_fits_are_dense_ones(model, shape, bytes, monkeypatch):
    """By products with sparse X, and with sparse X made dense, had the rows been too many for their space."""
    monkeypatch.setattr("robustreg.preparation.MOST_ROWS", 0)
    monkeypatch.setattr("robustreg.solvers._products.GRAM_BYTES", bytes)
    X, y, sides = words(*shape)
    y = sides if isinstance(model, HingeClassifier) else y
    sparse = model.fit(X, y)
    assert sparse.optimality_ <= 1e-10
    coef, value = sparse.coef_, objective_of(sparse, X, y)
    dense = model.fit(X.toarray(), y)
    assert_allclose(coef, dense.coef_, atol=1e-7 * np.abs(coef).max())
    assert_allclose(value, objective_of(dense, X, y), rtol=1e-9)


def test_wide_sparse_fit_takes_little_memory_and_few_products():
    """Neither rows nor inner products are made dense, and each step is some tens of products."""
    X, _, sides = words(4000, 20_000)
    made = []
    tracemalloc.start()
    try:
        with patch.object(
            Passes, "__init__", lambda self: setattr(self, "count", 0.0) or made.append(self)
        ):
            model = HingeClassifier().fit(X, sides)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.optimality_ <= 1e-10
    assert model.n_iter_ < 60
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    assert peak < 5 * size + 20 * 8 * sum(X.shape)
    assert sum(counter.count for counter in made) < 12


def test_classes_share_inner_products():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 120))
    y = (X @ rng.normal(size=(120, 5))).argmax(axis=1)
    with patch("robustreg.solvers._dual.inner_products", wraps=inner_products) as made:
        model = HingeClassifier().fit(X, y)
    assert made.call_count == 1
    for k, coef in enumerate(model.coef_):
        alone = HingeClassifier().fit(X, y == k)
        assert_allclose(coef, alone.coef_[0], atol=1e-8)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_rows_that_can_all_be_fitted_are(loss, intercept):
    """Without a penalty, by the shortest coefficients, and without a dense copy of wide sparse rows."""
    X, y, sides = words(200, 6000)
    target = sides if isinstance(loss, Hinge) else y / y.std()
    with patch("robustreg.preparation.MOST_ROWS", 0):
        data, _ = prepare(X, target, intercept=intercept)
    assert not data.dense
    found = solve_piecewise(
        Objective(loss, data, L2(0.0)),
        np.zeros(data.size + intercept),
        Control(tol=1e-8, max_iter=100),
    )
    assert found.optimality == 0.0
    coef, _ = in_units_of_user(data, found.x[: data.size], 0.0)
    dense = X.toarray() - intercept * X.mean(axis=0)
    shortest = np.linalg.lstsq(dense, target - intercept * target.mean(), rcond=None)[0]
    assert_allclose(coef, shortest, atol=1e-9)


def test_rows_that_cannot_all_be_fitted_are_no_exact_fit():
    X, y, _ = words(100, 12_000)
    twice = sp.csr_array(sp.vstack([X, X[:3]]))
    with patch("robustreg.preparation.MOST_ROWS", 0):
        data, _ = prepare(twice, np.append(y, y[:3] + 1.0))
    assert interpolated(Objective(Absolute(), data, L2(0.0))) is None
    assert interpolated(Objective(Absolute(), data, L2(1.0))) is None


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_scale_of_wide_sparse_rows_takes_no_dense_copy(alpha):
    X, y, _ = words(1100, 20_000)
    tracemalloc.start()
    try:
        model = HuberRegressor(alpha=alpha).fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.optimality_ <= model.tol
    assert peak < 2e7  # dense: 1.8e8
