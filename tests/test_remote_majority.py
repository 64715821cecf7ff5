"""Fits to the majority by passes alone: those in memory, also where rows far out in X would choose the coordinates."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import LTSRegressor, MMRegressor, SRegressor, remote
from robustreg.preparation import prepare_robust
from robustreg.remote import sample_of
from robustreg.remote_majority import prepare_majority
from robustreg.solvers import table_of
from tests._parts import fit, table

N = 24_000
MODELS = [
    SRegressor(),
    SRegressor(loss="lqq", breakdown_point=0.3, fit_intercept=False),
    MMRegressor(),
    MMRegressor(loss="hampel", efficiency=0.9),
    MMRegressor(method="smdm", loss="lqq"),
]
each = pytest.mark.parametrize("model", MODELS, ids=repr)


@pytest.fixture
def little(monkeypatch):
    """Let so little be fetched that a thousand rows are too many."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 40_000)


def contaminated(n=N, p=3, seed=0, share=0.25):
    """Return rows of which some are far out in X and on no plane with the others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X.sum(axis=1) + 0.5 * rng.normal(size=n)
    bad = rng.random(n) < share
    X[bad] += 20
    y[bad] = 50 + rng.normal(size=np.count_nonzero(bad))
    return X, y, bad


def pieces(n):
    """Ends of uneven, empty and one-row parts."""
    return [0, 1, 1, n // 3, n // 3, n // 3 + 1, n - 5000, n]


def assert_same(found, local, X, rows, rtol=1e-7):
    """Predictions of some rows are the same, in scales, and so are the scales."""
    unit = local.scale_ or 1.0
    assert_allclose(found.predict(X[rows]) / unit, local.predict(X[rows]) / unit, atol=rtol)
    assert_allclose(found.scale_, local.scale_, rtol=rtol)
    assert (found.n_hits_ > 1) == (local.n_hits_ > 1)


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_that_in_memory(model, weighted, little):
    X, y, bad = contaminated()
    weight = np.random.default_rng(1).uniform(0, 3, size=N) if weighted else None
    if weighted:
        weight[::7] = 0.0
    model = clone(model).set_params(tol=1e-11)
    ends = pieces(N)
    found = fit(model, table(X, y, weight, ends))
    local = clone(model).fit(X, y, weight)
    assert_same(found, local, X, ~bad)
    assert_array_equal(found.outliers(X, y), local.outliers_)
    if isinstance(model, MMRegressor):
        assert_allclose(found.initial_coef_, local.initial_coef_, atol=1e-7)
    if hasattr(local, "design_scale_"):
        assert_allclose(found.design_scale_, local.design_scale_, rtol=1e-7)
        assert_allclose(found.design_coef_, local.design_coef_, atol=1e-7)
        assert found.scale_ != found.design_scale_


@each
def test_few_rows_are_fetched_and_fitted_to_the_same_bits(model):
    X, y, _ = contaminated(2000)
    weight = np.random.default_rng(1).uniform(0, 3, size=2000)
    for w in (None, weight):
        held = table(X, y, w, [0, 7, 7, 8, 2000])
        found, local = fit(model, held), clone(model).fit(X, y, w)
        assert_array_equal(found.coef_, local.coef_)
        assert (found.scale_, found.n_hits_) == (local.scale_, local.n_hits_)
        assert held.passes == 1


def test_repeated_fits_have_the_same_bits_and_other_divisions_the_same_optimum(little):
    X, y, _ = contaminated()
    model = MMRegressor(tol=1e-11)
    one, again = (fit(model, table(X, y, ends=pieces(N))) for _ in range(2))
    assert_array_equal(one.coef_, again.coef_)
    other = fit(model, table(X, y, ends=[*range(0, N, 1000), N]))
    assert_allclose(other.coef_, one.coef_, atol=1e-12)


def far(X, bad):
    X[np.flatnonzero(bad)[:500]] *= 1e7
    return X


def farther(X, bad):
    X[np.flatnonzero(bad)[:3]] = [[1e16, 1e16, 1e16], [1e12, 1e16, 0], [-1e16, 1e9, 1e16]]
    return X


def duplicate(X, bad):
    return np.column_stack([X, X[:, 0], X[:, 1] + 2 * X[:, 2]])


def constant(X, bad):
    return np.column_stack([X, np.full(len(X), 3.0), np.zeros(len(X))])


def offset(X, bad):
    return X + 1e7


def tiny(X, bad):
    return X * [1e-150, 1e-100, 1e100]


def single(X, bad):
    return X.astype(np.float32)


def rare(X, bad):
    column = np.zeros(len(X))
    column[np.flatnonzero(~bad)[[5, 50, 500]]] = 1.0  # hardly in a sample
    return np.column_stack([X, column])


def rare_and_far(X, bad):
    return np.column_stack([rare(X, bad)[:, -1] * 1e8, farther(X, bad)])


@pytest.mark.parametrize(
    "change",
    [far, duplicate, constant, offset, tiny, single, rare],
)
def test_hard_columns(change, little):
    X, y, bad = contaminated()
    X = change(X, bad)
    model = MMRegressor(tol=1e-10)
    assert_same(fit(model, table(X, y)), clone(model).fit(X, y), X, ~bad, rtol=1e-6)


@pytest.mark.parametrize("change", [farther, rare_and_far])
def test_rows_however_far_do_not_choose_the_coordinates(change, little):
    X, y, bad = contaminated()
    kept = np.ones(N, dtype=bool)
    kept[np.flatnonzero(bad)[:3]] = False
    X = change(X, bad)
    model = MMRegressor(tol=1e-10)
    # rows that no fit can follow change the scale by their number alone
    found, without = fit(model, table(X, y)), clone(model).fit(X[kept], y[kept])
    assert_allclose(found.predict(X[~bad]), without.predict(X[~bad]), atol=1e-3)
    assert_allclose(found.scale_, without.scale_, rtol=1e-3)


def test_rank_and_coordinates_are_those_in_memory():
    X, y, bad = contaminated()
    X = duplicate(rare(X, bad), bad)
    data, rank = prepare_robust(X, y, None)
    held = table(X, y)
    found, same = prepare_majority(held, sample_of(held), (0.0, 1.0, 1.0), intercept=True)
    assert (same, found.size) == (rank, data.size) == (5, 4)
    assert_allclose(found.coordinates.center, data.coordinates.center, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_exact_fits_have_scale_zero(weighted, little):
    X, _, _ = contaminated()
    rng = np.random.default_rng(2)
    y = X.sum(axis=1) + 3
    y[:10_000] += rng.normal(size=10_000)
    weight = np.where(np.arange(N) < 10_000, 1.3, 1.0) if weighted else None
    for model in (SRegressor(), MMRegressor()):
        found = fit(model, table(X, y, weight))
        assert found.scale_ == 0.0
        assert_allclose(found.coef_, 1.0, atol=1e-12)
        assert_array_equal(found.outliers(X, y), np.arange(N) < 10_000)


def test_plane_of_targets_that_are_mostly_zero_has_no_coefficients(little):
    X = np.random.default_rng(2).standard_normal((N, 3))
    y = (np.arange(N) < 4000).astype(float)
    held = table(X, y)
    data, _ = prepare_majority(held, sample_of(held), (0.0, 1.0, 1.0), intercept=True)
    # as a search leaves them: near zero, and of some rows that are not on the plane
    theta, _ = table_of(data).plane(np.array([3e-9, -2e-9, 1e-9, 4e-9]), 1e-7, 4000.0)
    assert not theta.any()
    for model in (SRegressor(), MMRegressor(), LTSRegressor()):
        found = fit(model, table(X, y))
        assert (found.scale_, found.intercept_) == (0.0, 0.0)
        assert not found.coef_.any()


def test_constant_targets_are_fitted_exactly(little):
    X, _, _ = contaminated()
    found = fit(SRegressor(), table(X, np.full(N, 7.0)))
    assert (found.intercept_, found.scale_) == (7.0, 0.0)
    assert not found.coef_.any()


def test_too_few_repetitions_are_refused_as_in_memory(little):
    X, y, _ = contaminated()
    weight = np.full(N, 7.5 / N)
    messages = []
    for fitting in (
        lambda: SRegressor().fit(X, y, weight),
        lambda: SRegressor()._fit_table(table(X, y, weight), None, None, None),
    ):
        with pytest.raises(ValueError, match="needs more than two rows for each parameter") as told:
            fitting()
        messages.append(str(told.value))
    assert messages[0] == messages[1]


def test_a_design_adaptive_scale_beside_targets_far_off(little):
    X, y, bad = contaminated()
    y[np.flatnonzero(bad)[:50]] = 1e12
    model = MMRegressor(method="smdm", loss="lqq", fit_intercept=False, tol=1e-11)
    held = table(X, y)
    found, local = fit(model, held), clone(model).fit(X, y)
    assert_allclose(found.scale_, local.scale_, rtol=1e-8)
    assert held.passes <= 40


def test_no_design_adaptive_scale_is_said_as_in_memory(little):
    X, _, _ = contaminated()
    rng = np.random.default_rng(2)
    y = (
        X.sum(axis=1)
        + 3
        + np.where(np.arange(N) < 10_000, rng.normal(size=N), 1e-6 * rng.normal(size=N))
    )
    model = MMRegressor(method="smdm")
    for fitting in (
        lambda: model.fit(X, y),
        lambda: model._fit_table(table(X, y), None, None, None),
    ):
        with pytest.warns(ConvergenceWarning, match="no design-adaptive scale near the S-scale"):
            fitting()


def test_heavy_weights_are_repetitions(little):
    X, y, _ = contaminated(12_000)
    times = np.random.default_rng(5).integers(1, 4, size=len(y))
    model = SRegressor(tol=1e-11)
    weighted = fit(model, table(X, y, times.astype(float)))
    repeated = fit(model, table(np.repeat(X, times, axis=0), np.repeat(y, times)))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-10)


def test_a_fit_that_is_cut_short_says_how_far_it_is(little):
    X, y, _ = contaminated()
    model = MMRegressor(max_iter=1)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        model._fit_table(table(X, y), None, None, None)
    assert model.n_iter_ == 1
    assert model.optimality_ > model.tol


@pytest.mark.parametrize(("model", "most"), [(SRegressor(), 9), (MMRegressor(), 12)], ids=repr)
def test_passes(model, most):
    X, y, _ = contaminated(200_000, 10)
    held = table(X, y)
    fit(model, held)
    assert 200_000 > remote.TAKE_BYTES / (8 * 13)  # too many to be fetched
    assert held.passes <= most


@each
def test_what_is_sent_does_not_grow_with_the_rows(model, little):
    for n in (6000, 40_000):
        X, y, _ = contaminated(n, 10)
        held = table(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of few hits
            fit(model, held)
        assert max(held.sent) < 16_000 + 16 * 10**2


TRIMMED = [
    LTSRegressor(),
    LTSRegressor(coverage=0.6, reweight=False, fit_intercept=False),
    LTSRegressor(coverage=1.0),
]


@pytest.mark.parametrize("model", TRIMMED, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_trimmed_sums_are_as_small_as_in_memory(model, weighted, little):
    X, y, bad = contaminated(share=0.25)
    y = np.where(bad, -y, y)
    weight = np.random.default_rng(1).uniform(0.5, 3, size=N) if weighted else None
    found = fit(model, table(X, y, weight, pieces(N)))
    local = clone(model).fit(X, y, weight)
    # The sum has minima next to each other, where a row at its edge takes the place of another. In memory fits of
    # different random_state are as far apart: 8e-6, 3e-3 and 2e-4 in these rows.
    assert_allclose(found.raw_scale_, local.raw_scale_, rtol=2e-5)
    assert_allclose(found.predict(X[~bad]), local.predict(X[~bad]), atol=5e-3)
    assert_allclose(found.scale_, local.scale_, rtol=5e-4)
    assert (found.outliers(X, y) != local.outliers_).mean() < 1e-3
    assert found.optimality_ <= 1e-8


def apart(n=N, seed=0):
    """Return rows of which all but the good ones are far off, and those a share of 0.7: no other rows are next best."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = X.sum(axis=1) + rng.uniform(-1, 1, size=n)
    y[: int(0.3 * n)] += 100 + rng.normal(size=int(0.3 * n))
    return X, y


@pytest.mark.parametrize("weighted", [False, True])
def test_trimmed_fit_is_that_in_memory_where_no_other_rows_are_next_best(weighted, little):
    X, y = apart()
    weight = np.where(np.arange(N) % 3 == 0, 2.0, 1.0) if weighted else None
    # h is just the number of good rows
    total = N if weight is None else weight.sum()
    least = (total + 4 + 1) // 2
    good = total - (int(0.3 * N) if weight is None else weight[: int(0.3 * N)].sum())
    coverage = (good - 2 * least + total) / (2 * (total - least)) + 1e-12
    model = LTSRegressor(coverage=coverage)
    found, local = fit(model, table(X, y, weight, pieces(N))), clone(model).fit(X, y, weight)
    assert_allclose(found.raw_coef_, local.raw_coef_, atol=1e-9)
    assert_allclose(found.coef_, local.coef_, atol=1e-9)
    assert_allclose([found.scale_, found.raw_scale_], [local.scale_, local.raw_scale_], rtol=1e-9)
    assert_array_equal(found.outliers(X, y), local.outliers_)


def test_ties_at_the_edge_share_what_is_left(little):
    rng = np.random.default_rng(3)
    X = (rng.random((N, 2)) < 0.4) * 1.0
    y = X.sum(axis=1) + rng.integers(-3, 4, size=N)
    found, local = fit(LTSRegressor(), table(X, y)), LTSRegressor().fit(X, y)

    def size(model):
        square = np.sort((y - model.raw_intercept_ - X @ model.raw_coef_) ** 2)
        return np.sqrt(square[: np.count_nonzero(local.support_)].sum())

    # the same scale of the same sum, though among so many ties at different minima
    assert_allclose(found.raw_scale_ / size(found), local.raw_scale_ / size(local), rtol=1e-9)
    assert found.raw_scale_ <= local.raw_scale_ * 1.005


def test_few_rows_are_trimmed_to_the_same_bits():
    X, y, _ = contaminated(2000)
    found, local = fit(LTSRegressor(), table(X, y)), LTSRegressor().fit(X, y)
    assert_array_equal(found.coef_, local.coef_)
    assert found.raw_scale_ == local.raw_scale_


def test_trimmed_exact_fits_have_scale_zero(little):
    X, _, _ = contaminated()
    y = X.sum(axis=1) + 3
    y[:10_000] += np.random.default_rng(2).normal(size=10_000)
    found = fit(LTSRegressor(), table(X, y))
    assert (found.scale_, found.raw_scale_) == (0.0, 0.0)
    assert_allclose(found.coef_, 1.0, atol=1e-12)


def test_passes_of_a_trimmed_fit():
    X, y, _ = contaminated(200_000, 10)
    held = table(X, y)
    fit(LTSRegressor(), held)
    assert held.passes <= 18
    assert max(held.sent) < 16_000 + 16 * 10**2


@pytest.mark.parametrize("change", [far, duplicate, constant, tiny, rare])
def test_trimmed_sums_of_hard_columns(change, little):
    X, y, bad = contaminated()
    X, y = change(X, bad), np.where(bad, -y, y)
    found, local = fit(LTSRegressor(), table(X, y)), LTSRegressor().fit(X, y)
    assert_allclose(found.raw_scale_, local.raw_scale_, rtol=2e-5)
    assert_allclose(found.predict(X[~bad]), local.predict(X[~bad]), atol=5e-3)
