"""Fits by passes alone: as those in memory, with nothing of the length of the table outside its parts."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
    order_statistics,
    remote,
    remote_coordinates,
)
from robustreg.coordinates import Coordinates
from robustreg.data import Block
from robustreg.remote import Seen, View
from robustreg.tables import Part
from tests._parts import fit, rows, table

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
    HuberRegressor(),
    HuberRegressor(alpha=2.0, fit_intercept=False),
    RobustRegressor(loss="pseudo_huber"),
    L1Regressor(),
    L1Regressor(alpha=5.0),
    QuantileRegressor(quantile=0.8, alpha=0.01),
    QuantileRegressor(alpha=0.0),
    RobustRegressor(loss="pinball", alpha=2.0, fit_intercept=False),
]
each = pytest.mark.parametrize("model", MODELS, ids=repr)


@pytest.fixture
def little(monkeypatch):
    """Let so little be fetched that a thousand rows are too many."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 60_000)
    monkeypatch.setattr(order_statistics, "FEW", 20)


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


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_of_more_rows_than_may_be_fetched_is_that_in_memory(model, weighted, little):
    test_fit_is_that_in_memory(model, weighted)


@settings(
    derandomize=True, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000))
def test_partition_does_not_matter(little, seed):
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
def test_hard_columns(change, model, little):
    X, y = rows(20_000)
    X = change(X)
    local = clone(model).set_params(tol=1e-11).fit(X, y)
    found = fit(clone(model).set_params(tol=1e-11), table(X, y))
    assert_allclose(found.predict(X), local.predict(X), atol=1e-7)
    size = np.maximum(np.abs(local.coef_), 1e-9 * np.abs(local.coef_).max())
    assert_allclose(found.coef_ / size, local.coef_ / size, atol=1e-5)


def test_sample_is_of_the_same_rows_however_they_are_divided():
    X = np.arange(20_000.0)[:, None]
    one = remote.sample_of(table(X, X[:, 0], ends=[0, 20_000]))
    many = remote.sample_of(table(X, X[:, 0], ends=[0, 3, 3, 11_111, 19_999, 20_000]))
    assert len(one.y) == remote.SAMPLE
    assert (one.y == many.y).all()
    assert (one.X[:, 0] == one.y).all()
    assert one.weight is None


def test_fewer_rows_than_columns():
    X, y = rows(6, 9)
    assert_allclose(fit(L2Regressor(), table(X, y)).predict(X), y, rtol=1e-6)


def test_far_target_that_the_sample_does_not_hold(little):
    X, y = rows(30_000)
    y[17] = 1e9
    for model in (L2Regressor(), HuberRegressor(scale="proposal2")):
        local = clone(model).fit(X, y)
        assert_same(fit(model, table(X, y)), local, rtol=1e-6)


@pytest.mark.parametrize("model", [HuberRegressor(), L1Regressor()], ids=repr)
def test_warm_start_takes_fewer_passes(model, little):
    X, y = rows(30_000)
    model, cold = clone(model).set_params(warm_start=True), table(X, y)
    fitted = fit(model, cold)
    again, warm = clone(fitted), table(X, y)
    again.__dict__.update({k: v for k, v in fitted.__dict__.items() if k.endswith("_")})
    prepared = again._prepare_remote(warm)
    again._solve_from(again._start(prepared), prepared)
    assert warm.passes < cold.passes


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (L2Regressor(), 3),
        (HuberRegressor(scale=0.7), 2),
        (HuberRegressor(scale="proposal2"), 3),
        (L1Regressor(), 4),
        (L1Regressor(alpha=5.0), 4),
        (QuantileRegressor(quantile=0.8, alpha=0.0), 4),
        (HuberRegressor(), 4),
        (LogisticClassifier(), 7),
    ],
    ids=repr,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_passes_besides_the_one_that_fetches_the_sample(model, most, weighted):
    n, p = 200_000, 10
    X, y = rows(n, p)
    rng = np.random.default_rng(0)
    if isinstance(model, LogisticClassifier):
        y = (y - np.median(y) + rng.logistic(size=n) > 0).astype(int)
    held = table(X, y, rng.uniform(0.5, 2.0, n) if weighted else None)
    fit(model, held)
    assert n > remote.TAKE_BYTES / (8 * (p + 3))  # too many to be fetched
    assert held.passes <= most + 1


def test_a_scale_that_bins_of_residuals_do_not_tell_takes_two_passes_more():
    n, p = 200_000, 10
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, p))
    # half of the residuals lie at two sizes, so that their median is far from where even bins have it
    noise = np.where(rng.random(n) < 0.5, rng.choice([-1.05, 1.05], n), 3 * rng.normal(size=n))
    y = X.sum(axis=1) + noise
    model, held = HuberRegressor(tol=1e-10), table(X, y)
    found = fit(model, held)
    assert_same(found, clone(model).fit(X, y), rtol=1e-9)
    assert held.passes == 4 + 1 + 2


@pytest.fixture
def misled(monkeypatch):
    """List the fits whose sample has misled."""
    found, told = [], remote.Misled.__init__

    def remember(self, *args):
        found.append(args)
        told(self, *args)

    monkeypatch.setattr(remote.Misled, "__init__", remember)
    return found


def far_rows(n, times, count, seed):
    """Return rows of which some are so many times farther out; half of these follow another line."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = X @ rng.normal(size=4) + rng.standard_t(2, size=n)
    some = rng.choice(n, count, replace=False)
    X[some] *= times * rng.uniform(0.5, 1, (count, 1))
    y[some[::2]] = X[some[::2]] @ rng.normal(size=4)
    return X, y


FAR_MODELS = [
    HuberRegressor(), HuberRegressor(scale="proposal2"), L1Regressor(), RobustRegressor(loss="pseudo_huber"),
]  # fmt: skip


@pytest.mark.parametrize("model", FAR_MODELS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("times", [20, 50, 300, 1000, 5000])
def test_rows_far_out_that_the_sample_does_not_hold(model, times, seed, misled, monkeypatch):
    """Coordinates of the sample are kept where such rows hardly move means and deviations, and no fit is wrong."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    X, y = far_rows(60_000, times, 2, seed)
    found, local = fit(model, table(X, y)), clone(model).fit(X, y)
    assert_allclose(found.predict(X[:100]), local.predict(X[:100]), atol=1e-6)
    assert bool(misled) == (times > 100)


def plain(X):
    return X


@pytest.mark.parametrize("change", [plain, constant, dependent, nearly_dependent, rare])
def test_a_sample_that_misleads_costs_no_pass(change, misled, monkeypatch):
    X, y = rows(200_000, 10)
    X[:3] *= 1e3
    X = change(X)
    held, told = table(X, y), table(X, y)
    model = HuberRegressor(scale="proposal2")
    found = fit(model, held)
    assert bool(misled) == (change is plain)  # of the others the sample tells
    monkeypatch.setattr("robustreg.remote_coordinates.Preparation.on_trial", lambda self: None)
    before = fit(model, told)
    assert held.passes == told.passes
    assert_same(found, before, rtol=1e-12)


@pytest.mark.parametrize("by_column", [False, True])
def test_least_squares_know_their_hessian_from_the_first_look(by_column, monkeypatch):
    X, y = rows(60_000)
    X = X + 100 * X.std(axis=0)
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    model = L2Regressor(alpha=300.0, l1_ratio=1.0) if by_column else L2Regressor()
    local, held, sizes, gram = clone(model).fit(X, y), table(X, y), [], Block.gram
    monkeypatch.setattr(Block, "gram", lambda *args: sizes.append(len(args[0].y)) or gram(*args))
    found = fit(model, held)
    assert max(sizes, default=0) <= remote.SAMPLE  # of the sample, never of a part
    assert held.passes <= 6 if by_column else 4
    assert_same(found, local, rtol=1e-8)


@pytest.mark.parametrize("away", [500.0, 999.0, 3e3, 2e4, 1e9])
def test_first_look_at_columns_as_they_are_or_centred(away, monkeypatch):
    """Whether columns are centred before is decided by the sample; a column that it has wrong is looked at again."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    X, y = rows(60_000)
    size = X.std(axis=0)
    X = X / size + away * np.array([1.0, -1.0, 0.0, 1.0])
    X = np.column_stack([X, 1e3 + 1e-6 * X[:, 2]])
    X[7, 4] = 1001.0  # if it is in the sample, its size is that of this entry
    for model in (L2Regressor(), HuberRegressor(scale="proposal2")):
        found, local = fit(model, table(X, y)), clone(model).fit(X, y)
        assert_allclose(found.predict(X[:100]), local.predict(X[:100]), atol=1e-6)


@pytest.mark.parametrize("size", [1e-310, 1e-308, 1e-302])
@pytest.mark.parametrize(
    "model", [L2Regressor(), L2Regressor(alpha=300.0, l1_ratio=1.0), HuberRegressor()], ids=repr
)
@pytest.mark.parametrize("intercept", [True, False])
def test_columns_of_numbers_too_small_are_treated_as_constant(size, model, intercept, monkeypatch):
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    X, y = rows(60_000)
    X[:, 1] *= size / X[:, 1].std()
    model = clone(model).set_params(fit_intercept=intercept)
    with pytest.warns(UserWarning, match=r"columns \(\[1\]\) with only numbers too small"):
        found = fit(model, table(X, y))
    local = clone(model).fit(np.delete(X, 1, axis=1), y)
    local.coef_ = np.insert(local.coef_, 1, 0.0)
    assert found.coef_[1] == 0
    assert_same(found, local, rtol=1e-7)


def test_infinity_that_the_sample_does_not_hold_is_named(monkeypatch):
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    X, y = rows(60_000)
    X[50_001, 2] = np.inf
    with pytest.raises(
        ValueError, match="contains infinity in the samples from 20001 on, column 2"
    ):
        HuberRegressor()._fit_table(table(X, y), None, None, None)


@pytest.mark.parametrize("p", [1, 3, 50, 2000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_ends_of_columns(p, order):
    for n in (1, 20, 5000 if p < 100 else 30):
        X = np.asarray(np.random.default_rng(n).normal(size=(n, p)), order=order)
        low, high = remote_coordinates.column_ends(X)
        assert_array_equal(low, X.min(axis=0))
        assert_array_equal(high, X.max(axis=0))


def test_a_pass_writes_to_memory_that_is_kept():
    """Fresh memory for each block costs more than what is done with it."""
    X, y = rows(40_000, 20)
    part = Part(X, y, None)
    view = View(Coordinates(X.mean(axis=0), 1 / X.std(axis=0)), True, True, 0.0, 1.0, 1.0)
    look = Seen(remote_coordinates.Extent(), view, remote_coordinates.widest)
    look(part)
    tracemalloc.start()
    try:
        look(part)
        assert tracemalloc.get_traced_memory()[1] < X.nbytes / 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("joint", [False, True])
def test_of_many_rows_those_that_cross_an_end_are_fetched_after_another_step(joint, monkeypatch):
    X, y = rows(200_000, 10)
    monkeypatch.setattr(remote, "TAKE_BYTES", 400_000)
    model, held = HuberRegressor(scale="proposal2" if joint else 0.7, tol=1e-10), table(X, y)
    assert_same(fit(model, held), clone(model).fit(X, y), rtol=1e-9)
    assert held.passes <= 6


def test_one_iteration_is_not_exceeded_by_a_look_ahead():
    X, y = rows(200_000, 10)
    for most in (1, 2, 3):
        model = HuberRegressor(scale="proposal2", max_iter=most)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model._fit_table(table(X, y), None, None, None)
        assert model.n_iter_ <= most


@each
def test_what_is_sent_does_not_grow_with_the_rows(model, little):
    for n in (1000, 20_000):
        held = table(*rows(n, 10))
        fit(model, held)
        assert max(held.sent) < 16_000 + 16 * 10**2


def test_small_table_is_fetched_whole():
    X, y = rows()
    for model in MODELS:
        held = table(X, y)
        fit(model, held)
        assert held.passes <= 5  # sample, columns and their triangle, all
    assert fit(HuberRegressor(scale="proposal2"), table(X, X.sum(axis=1))).scale_ == 0.0


def test_zero_scale_is_an_error_that_says_what_to_do(little):
    X, y = rows(2000)
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


def test_attributes_that_an_estimator_never_has_are_not_those_of_rows():
    X, y = rows()
    model = fit(HuberRegressor(), table(X, y))
    with pytest.raises(AttributeError, match="has no attribute 'support_'"):
        model.support_  # noqa: B018
