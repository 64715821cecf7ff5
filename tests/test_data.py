"""Rows and their coordinates: every way of holding X gives the same numbers."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone

from robustreg import HuberRegressor, L1Regressor
from robustreg.coordinates import Coordinates
from robustreg.data import BLOCK_BYTES, KEEP_BYTES, Block, subsample_size
from robustreg.losses import Squared
from robustreg.objective import Objective
from robustreg.orthonormal import orthonormal_transform
from robustreg.passes import between, by_pairs
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.sampling import drawn, spread_rows
from robustreg.stored import in_units_of_user
from tests._reference import UNPENALISED, sample

RNG = np.random.default_rng(0)
DIAGONAL = Coordinates(RNG.normal(size=4), RNG.uniform(0.1, 10.0, 4))
FULL = Coordinates(RNG.normal(size=4), RNG.normal(size=(4, 3)))


def views():
    """Return the same rows held in each way, by name."""
    X, y, weight = sample(n=700, p=4, seed=1)
    # few bits, so that single precision holds the same numbers
    X = np.round(np.where(np.abs(X) > 0.8, X, 0.0) * 64) / 64 * np.array([1.0, 8.0, 0.125, 1.0])
    X[:, 3] += X[:, 0]
    kept, _ = prepare(X, y, weight)
    as_given = replace(kept, X=X, ready=False)
    return X, {
        "kept": kept,
        "block by block": as_given,
        "through the coefficients": replace(as_given, explicit=False),
        "sparse blocks": replace(as_given, X=sp.csr_array(X)),
        "sparse": replace(as_given, X=sp.csr_array(X), explicit=False),
        "some rows": replace(
            as_given, X=np.vstack([X[:5], X]), rows=np.arange(5, 705), explicit=False
        ),
        "single precision": replace(as_given, X=X.astype(np.float32)),
    }


WAYS = pytest.mark.parametrize("way", views()[1])


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("n", "p", "k"), [(5, 3, 4), (1_500, 3, 4), (1_500, 16, 8)])
@pytest.mark.parametrize("far", [1.0, 1e160])
def test_gram_matrices_between_columns_of_rates(n, p, k, far, apart):
    """Each to rounding of itself, though one column of a row has nearly all the rate, or a row is far out in X."""
    rng = np.random.default_rng(n)
    sizes = np.r_[np.ones(k - 2), 1e-9, 1e9]
    X, rates = rng.uniform(0.5, 1, (n, p)), 10.0 ** rng.uniform(-12, 0, (n, k)) * sizes
    rates[0] = 0.0
    X[1], rates[1] = X[1] * far, rates[1] / far
    Z = np.column_stack([X, np.ones(n)]) if apart else X
    block = Block(X, np.zeros(n), None, apart=apart)
    grams, by_itself = between(block, rates), by_pairs(block, rates, np.eye(k))
    shares = np.divide(
        rates, rates.sum(axis=1, keepdims=True), out=np.zeros_like(rates), where=rates > 0
    )
    for j in range(k):
        others = np.delete(shares, j, axis=1).sum(axis=1)
        for i in range(k):
            root = np.sqrt(rates[:, j] * (others if i == j else shares[:, i]))[:, None]
            wanted = (Z * root).T @ (Z * root) * (1 if i == j else -1)
            assert_allclose(grams[j, :, i], wanted, rtol=1e-12)
            assert_allclose(by_itself[min(i, j)][abs(i - j)], wanted, rtol=1e-12)


@pytest.mark.parametrize("coordinates", [DIAGONAL, FULL], ids=["diagonal", "full"])
def test_coordinates(coordinates):
    u, g, X = RNG.normal(size=coordinates.size), RNG.normal(size=4), RNG.normal(size=(6, 4))
    coef = coordinates.coef(u)
    assert_allclose(coef @ g, u @ coordinates.adjoint(g))  # the adjoint is the transpose
    assert_allclose(coordinates.apply(X) @ u, (X - coordinates.center) @ coef)
    assert_allclose(coordinates.solver(coef), u)  # a warm start goes there and back
    d = RNG.uniform(size=4)
    assert_allclose(u @ coordinates.quadratic(d) @ u, (d * coef**2).sum())


@pytest.mark.parametrize("coordinates", [DIAGONAL, FULL], ids=["diagonal", "full"])
def test_coordinates_of_several_outputs(coordinates):
    u, g = RNG.normal(size=(coordinates.size, 2)), RNG.normal(size=(4, 2))
    for k in range(2):
        assert_allclose(coordinates.coef(u)[:, k], coordinates.coef(u[:, k]))
        assert_allclose(coordinates.adjoint(g)[:, k], coordinates.adjoint(g[:, k]))


def test_columns_are_centred_and_of_size_one():
    X, y, _ = sample(n=500)
    data, rank = prepare(X * [1e-9, 1.0, 1e9] + [0.0, 1e6, 0.0], y)
    rows = data.take(np.arange(500))
    assert_allclose(rows.mean(axis=0), 0.0, atol=1e-9)
    assert_allclose((rows**2).mean(axis=0), 1.0, rtol=1e-9)
    assert rank == 4
    assert data.coordinates.diagonal


def test_nearly_dependent_columns_become_orthonormal():
    X, y, _ = sample(n=100)
    X = np.column_stack([X, X[:, 0] + 1e-6 * X[:, 1] ** 2])
    data, rank = prepare(X, y)
    rows = data.take(np.arange(100))
    assert not data.coordinates.diagonal
    assert_allclose(rows.T @ rows, 100 * np.eye(4), atol=1e-6)
    assert rank == 5


def tall(n=25_000, p=12, seed=0):
    """Return columns of several sizes and centres, enough rows of them for moments."""
    X, y, _ = sample(n=n, p=p, seed=seed)
    return (X + np.linspace(-1, 1, p)) * np.geomspace(1e-3, 1e3, p), y


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", ["C", "F", "float32"])
@pytest.mark.parametrize("shape", [(25_000, 12), (3_000, 120)], ids=str)
def test_moments_say_where_columns_are_and_how_large(shape, kind, intercept):
    """Of many rows and few columns, and of tables of middle size, whose coordinates they choose as well."""
    (n, p), (X, y) = shape, tall(*shape)
    X = X.astype(np.float32) if kind == "float32" else np.asarray(X, order=kind)
    data, rank = prepare(X, y, intercept=intercept)
    wide = X.astype(np.float64)
    center = wide.mean(axis=0) * intercept
    inside = (wide - center) * data.coordinates.transform
    assert rank == p + intercept
    assert_allclose(data.coordinates.center, center, rtol=1e-12)
    assert_allclose((inside**2).mean(axis=0), 1.0, rtol=1e-9)
    whole = np.column_stack([inside, np.ones(len(y))])[:, : data.size + intercept]
    assert_allclose(data.gram_inward(data.moments), whole.T @ whole, atol=1e-7 * len(y))
    assert data.passes.count == 1.0
    some = np.arange(n // 5)
    assert data.subset(some).moments is None
    assert data.subset(some, keep=False).moments is None
    few = data.columns(np.array([4, 1]))
    inner = whole[:, [4, 1, p][: 2 + intercept]]
    assert_allclose(few.gram_inward(few.moments), inner.T @ inner, atol=1e-7 * len(y))


@pytest.mark.parametrize("intercept", [True, False])
def test_moments_of_a_small_table_serve_even_curvatures(intercept):
    X, y = tall(n=300)
    data, _ = prepare(X, y, intercept=intercept)
    block = data.whole()
    assert_allclose(data.moments, data.X.T @ data.X, atol=1e-10)
    bare = block.beside(block.X)
    curvature = np.full(300, 0.25)
    assert_allclose(block.gram(curvature), bare.gram(curvature), atol=1e-10)
    curvature[7] = 1.0
    assert_allclose(block.gram(curvature), bare.gram(curvature), atol=1e-10)
    assert data.with_target(y, curvature).moments is None
    assert data.with_target(y, curvature).whole().inner is None
    assert data.subset(np.arange(20)).whole().inner is None


@pytest.mark.parametrize("offset", [0.0, 1e5, 1e8, 1e9])
def test_small_tables_far_from_zero_have_even_columns(offset):
    X, y = tall(n=300, p=3)
    X = X / X.std(axis=0) + offset
    data, rank = prepare(X, y)
    assert rank == 4
    rows = data.take(np.arange(300))
    assert_allclose(rows.std(axis=0), 1.0, rtol=1e-9)
    assert np.abs(rows.mean(axis=0)).max() <= 1e-12 + 1e-14 * offset


SPOILED = {
    "constant": lambda X: X.__setitem__((slice(None), 3), 2.0),
    "far from zero": lambda X: X.__setitem__((slice(None), 3), X[:, 3] / X[:, 3].std() + 1e8),
    "too large to square": lambda X: X.__setitem__((slice(None), 3), X[:, 3] * 1e180),
    "too small to square": lambda X: X.__setitem__((slice(None), 3), X[:, 3] * 1e-180),
    "dependent": lambda X: X.__setitem__((slice(None), 3), X[:, 2] * 0.5 + X[:, 1]),
    "a row far out": lambda X: X.__setitem__(0, 1e12),
}


#: of a table of middle size all rows choose the coordinates, the row far out as well
SPOILED_TABLES = [((25_000, 12), name) for name in SPOILED]
SPOILED_TABLES += [((3_000, 120), name) for name in SPOILED if name != "a row far out"]


@pytest.mark.parametrize(("shape", "name"), SPOILED_TABLES, ids=str)
def test_moments_that_say_too_little_are_not_asked(shape, name):
    """Such columns are looked at more closely."""
    X, y = tall(*shape)
    SPOILED[name](X)
    data, rank = prepare(X, y)
    rows = data.take(np.arange(len(y)))
    assert rank == shape[1] + 1 - (name in ("constant", "dependent"))
    assert np.isfinite(rows).all()
    assert np.abs(rows.mean(axis=0)).max() < 0.1  # a sample's centre will do
    live = np.abs(rows).max(axis=0) > 0
    assert np.linalg.cond(rows[:, live]) < 1e3
    assert live.sum() >= rank - 1


def test_moments_are_not_of_rows_left_out():
    """Neither in the coordinates nor beside them."""
    X, y = tall()
    weight = np.ones(len(y))
    weight[:10] = 0.0
    X[:10] = 1e6
    data, _ = prepare(X, y, weight)
    alone, _ = prepare(X[10:], y[10:])
    assert_allclose(data.coordinates.transform, alone.coordinates.transform, rtol=0.2)
    assert data.moments is None


@pytest.mark.parametrize("intercept", [True, False])
def test_wide_tables_are_held_as_their_rows(intercept):
    """As many coordinates as rows, which give the shortest of all coefficients."""
    X = RNG.normal(size=(60, 3000)) * np.geomspace(1e-3, 1e3, 3000) + 5.0
    y = RNG.normal(size=60)
    data, rank = prepare(X, y, intercept=intercept)
    assert rank == 60
    rows = data.take(np.arange(60))
    assert_allclose(rows.T @ rows, 60 * np.eye(data.size), atol=1e-8)
    u = np.linalg.lstsq(rows, y - intercept * y.mean(), rcond=None)[0]
    centred = X - intercept * X.mean(axis=0)
    shortest = np.linalg.lstsq(centred, y - intercept * y.mean(), rcond=1e-12)[0]
    assert_allclose(data.coordinates.coef(u), shortest, rtol=1e-7, atol=1e-12)


def test_wide_tables_take_little_more_than_one_copy():
    X, y = RNG.normal(size=(400, 5000)), RNG.normal(size=400)
    tracemalloc.start()
    try:
        prepare(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * X.nbytes


X3 = sample()[0]
RANKS = {
    "full": X3,
    "constant": np.column_stack([X3, np.ones(60)]),
    "twice": np.column_stack([X3, X3[:, 0]]),
    "collinear": np.column_stack([X3, 1e6 * (X3[:, 0] - X3[:, 1])]),
    "zero": np.column_stack([X3, np.zeros(60)]),
    "wide": RNG.normal(size=(10, 30)),
    "wide, rows twice": np.repeat(RNG.normal(size=(5, 30)), 2, axis=0),
    "wide, rows alike": RNG.normal(size=(10, 1)) * RNG.normal(size=30)
    + 1e-6 * RNG.normal(size=(10, 30)),
    "square": RNG.normal(size=(10, 10)),
    "dummies": np.column_stack([X3, np.eye(3)[np.arange(60) % 3]]),
}


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", RANKS)
def test_rank(name, intercept, reduce):
    X = RANKS[name]
    y = np.arange(len(X), dtype=float)
    data, rank = prepare(X, y, intercept=intercept, reduce=reduce)
    whole = np.column_stack([np.ones(len(X)), X]) if intercept else X
    assert rank == np.linalg.matrix_rank(whole)
    if not reduce:  # a penalty on each coefficient needs each of them
        assert data.size == X.shape[1]


def test_rank_is_of_the_rows_that_count():
    X = np.column_stack([X3, np.arange(60) == 7])
    weight = np.where(np.arange(60) == 7, 0.0, 1.0)
    _, rank = prepare(X, np.zeros(60), weight)
    assert rank == 4


@WAYS
def test_raw_predictions_and_gradients(way):
    X, ways = views()
    data, theta = ways[way], np.array([0.3, -1.0, 2.0, 0.5, 0.7])
    objective = Objective(Squared(), data, L2(0.4))
    coef, intercept = in_units_of_user(data, theta[:4], theta[4])
    assert_allclose(objective.raw(theta), X @ coef + intercept, rtol=1e-11, atol=1e-11)
    plain = Objective(Squared(), ways["kept"], L2(0.4))
    for one, other in zip(objective.evaluate(theta)[:2], plain.evaluate(theta)[:2], strict=True):
        assert_allclose(one, other, rtol=1e-11, atol=1e-11)
    assert_allclose(objective.hess(theta), plain.hess(theta), rtol=1e-11, atol=1e-11)
    v = np.arange(5.0)
    assert_allclose(objective.hessp(theta, v), plain.hess(theta) @ v, rtol=1e-10, atol=1e-10)


@WAYS
def test_parts_of_the_rows(way):
    _, ways = views()
    data = ways[way]
    rows = np.array([3, 10, 11, 300, 699])
    small = data.subset(rows)
    again = data.subset(rows, keep=False)
    assert np.array_equal(small.y, data.y[rows])
    assert np.array_equal(small.weight, data.weight[rows])
    theta = np.array([0.3, -1.0, 2.0, 0.5, 0.7])
    whole = Objective(Squared(), data, L2()).raw(theta)
    for part in (small, again):
        assert_allclose(Objective(Squared(), part, L2()).raw(theta), whole[rows], rtol=1e-11)
    deeper = again.subset(np.array([4, 0]), keep=False)
    assert_allclose(Objective(Squared(), deeper, L2()).raw(theta), whole[[699, 3]], rtol=1e-11)


@pytest.mark.parametrize("way", [way for way in views()[1] if way != "kept"])
def test_some_columns(way):
    data = views()[1][way]
    objective = Objective(Squared(), data.columns(np.array([0, 2])), L2())
    theta, full = np.array([0.3, 2.0, 0.7]), np.array([0.3, 0.0, 2.0, 0.0, 0.7])
    assert_allclose(objective.raw(theta), Objective(Squared(), data, L2()).raw(full), rtol=1e-10)


def test_blocks_hold_all_rows_in_order_and_few_at_a_time():
    X, y, weight = sample(n=30_000, p=50, seed=2)
    weight[::3] = 0.0
    data, _ = prepare(X, y, weight)
    data = replace(data, X=X, rows=np.flatnonzero(weight), ready=False)
    blocks = list(data.blocks())
    assert np.array_equal(np.concatenate([block.y for block in blocks]), y[weight > 0])
    assert np.array_equal(np.concatenate([block.weight for block in blocks]), weight[weight > 0])
    assert max(block.X.nbytes for block in blocks) <= BLOCK_BYTES
    assert len(blocks) > 1
    assert data.total == pytest.approx(weight.sum())


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_gram_matrices(matrix):
    X = RNG.normal(size=(40, 3))
    block = Block(matrix(X), None, None)
    curvature = RNG.normal(size=(40, 2))
    curvature[:, 0] **= 2
    expected = np.stack([X.T @ np.diag(c) @ X for c in curvature.T])
    assert_allclose(block.grams(curvature), expected, atol=1e-12)
    for c, gram in zip(curvature.T, expected, strict=True):
        assert_allclose(block.gram(c), gram, atol=1e-12)
    curvature[::2, 0] = 0.0
    many = Block(matrix(np.tile(X, (50, 1))), None, None)
    assert_allclose(
        many.gram(np.tile(curvature[:, 0], 50)), 50 * block.gram(curvature[:, 0]), atol=1e-9
    )


def test_sums_over_blocks_leave_what_they_add_up_as_it_was():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 40)) + 3.0
    data = replace(prepare(X, X[:, 0])[0], moments=None)
    kept, counts, seen = np.ones((2, 2)), np.ones(3), []

    def function(block):
        seen.append(block.moments())
        return kept, counts, 2.0, [len(block.y)], seen[-1]

    total = data.sum(function, few=100)
    assert len(seen) > 2 and np.all(kept == 1.0) and np.all(counts == 1.0)
    assert np.all(total[0] == len(seen)) and np.all(total[1] == len(seen))
    assert total[2] == 2.0 * len(seen) and len(total[3]) == len(seen) and sum(total[3]) == 40_000
    whole = np.column_stack([X, np.ones(len(X))])
    assert_allclose(total[4], whole.T @ whole, rtol=1e-12)
    assert_allclose(np.sum(seen, axis=0), whole.T @ whole, rtol=1e-12)


def test_passes_are_counted_by_the_share_of_the_rows():
    X, y, _ = sample(n=1000)
    data, _ = prepare(X, y)
    before = data.passes.count
    objective = Objective(Squared(), data, L2())
    objective.evaluate(np.zeros(4))
    assert data.passes.count == before + 1
    tenth = data.subset(np.arange(100))
    taken = data.passes.count
    Objective(Squared(), tenth, L2()).evaluate(np.zeros(4))
    assert data.passes.count == pytest.approx(taken + 0.1)


def test_sample_is_the_same_each_time_and_of_all_parts():
    X, y, _ = sample(n=30_000)
    data, _ = prepare(X, y)
    size = subsample_size(data)
    rows = drawn(data.n_rows, size)
    assert size == len(np.unique(rows)) == 4000
    assert np.array_equal(rows, drawn(data.n_rows, size))
    assert abs(rows.mean() - 15_000) < 500
    runs = spread_rows(30_000, 4000)
    assert runs[0] == 0
    assert runs[-1] == 29_999
    assert subsample_size(prepare(X[:1000], y[:1000])[0]) == 0


def big(n=200_000, p=40):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, p))
    assert X.nbytes > 3 * KEEP_BYTES
    return X, X @ np.ones(p) + rng.normal(size=n)


@pytest.mark.parametrize("order", ["C", "F"])
def test_large_tables_are_not_copied(order):
    X, y = big()
    data, _ = prepare(np.asarray(X, order=order), y)
    assert np.shares_memory(data.X, X) or order == "F"
    assert not data.ready


@pytest.mark.parametrize(
    "model", [HuberRegressor(), HuberRegressor(scale="mad"), L1Regressor()], ids=str
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_fits_of_large_tables_take_little_memory(model, order):
    X, y = big()
    X = np.asarray(X, order=order)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Vectors of one number a row, and blocks: no second matrix of n rows and p columns.
    assert peak < 0.6 * X.nbytes


def sparse_table(n=30_000, p=60):
    rng = np.random.default_rng(4)
    X = sp.csr_array(sp.random(n, p, density=0.02, random_state=0))
    X.data = rng.normal(size=X.nnz) * 3
    y = X @ np.linspace(-2, 2, p) + 1.0 + rng.standard_t(3, size=n)
    return X, y, rng.uniform(0.5, 2.0, n)


def test_large_sparse_tables_stay_sparse():
    X, y, weight = sparse_table()
    data, rank = prepare(X, y, weight)
    assert sp.issparse(data.X)
    assert not data.explicit
    assert data.X.nnz == X.nnz
    assert rank == 61


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("name", [n for n in UNPENALISED if n != "fixed"])
def test_large_sparse_fits_are_the_dense_ones(name, container):
    X, y, weight = sparse_table()
    weight[::5] = 0.0
    model = clone(UNPENALISED[name]).set_params(tol=1e-10)
    sparse = clone(model).fit(container(X), y, sample_weight=weight)
    dense = clone(model).fit(X.toarray(), y, sample_weight=weight)
    assert_allclose(sparse.coef_, dense.coef_, rtol=1e-7, atol=1e-8)
    assert_allclose(sparse.intercept_, dense.intercept_, rtol=1e-7)
    assert sparse.optimality_ <= sparse.tol


def test_parts_that_tell_all_columns_apart():
    X, y, _ = sample(n=200)
    X = np.column_stack([X, np.arange(200) < 20])
    data, _ = prepare(X, y)
    assert data.subset(np.arange(150)).spans()
    assert not data.subset(np.arange(20, 200)).spans()  # a column of zeros
    assert not data.subset(np.arange(4)).spans()


@pytest.mark.parametrize("intercept", [True, False])
def test_wide_rows_are_counted_by_their_inner_products(intercept, monkeypatch):
    """Where coordinates stay single the rank needs no decomposition of X, unless rows are nearly dependent."""
    asked = []

    def counted(rows, *rest):
        asked.append(rows.shape)
        return orthonormal_transform(rows, *rest)

    monkeypatch.setattr("robustreg.preparation.orthonormal_transform", counted)
    X = np.random.default_rng(5).normal(size=(60, 200)) * np.logspace(-3, 3, 200)
    X[:, 7] = 2.0
    y = X[:, 0]
    data, rank = prepare(X, y, intercept=intercept, reduce=False)
    assert rank == 60 and not asked
    assert data.coordinates.transform.ndim == 1
    X[11] = X[3]
    data, rank = prepare(X, y, intercept=intercept, reduce=False)
    assert rank == 59 and asked
    assert data.coordinates.transform.ndim == 1


def test_curvature_where_squared_units_are_beyond_floating_point():
    large = Coordinates(np.zeros(3), np.array([1e290, 1e290, 2.0]))
    found = large.along_diagonal(np.array([0.0, 1e-300, 3.0]))
    np.testing.assert_allclose(found, [0.0, 1e280, 12.0], rtol=1e-12)
    assert large.along_diagonal(np.array([1e-5, 1.0, 1.0]))[0] == 1e300
    several = large.along_diagonal(np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(several, [[0.0, 1e300], [0.0, 0.0], [4.0, 0.0]], rtol=1e-12)
