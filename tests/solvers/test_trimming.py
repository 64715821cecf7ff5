"""Least trimmed squares with an edge of some width: weights, Hessian, and where they lead to."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from robustreg import LTSRegressor
from robustreg.datasets import load_radar_image
from robustreg.solvers._subsampling import Grams, Optimum, led
from robustreg.solvers._subsets import Sample, scattered
from robustreg.solvers._trimming import WIDTHS, TrimmedSquares, eased, moving_edge


def squares(weighted):
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 5, 80).astype(float) if weighted else np.full(80, 0.5)
    return rng.standard_normal((80, 4)) ** 2 * [1.0, 1e-12, 1e8, 1.0], weight


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_eased_weights_are_those_of_the_least_sum(weighted, share):
    square, weight = squares(weighted)
    h = 0.55 * weight.sum()
    width = share * np.quantile(square, 0.55, axis=0)
    found = eased(square, weight, h, width)
    for column, size, kept, near, value in zip(
        square.T, width, found.kept.T, found.near.T, found.value, strict=True
    ):

        def shares(edge, column=column, size=size):
            return np.clip(0.5 + (edge - column) / (2 * size), 0.0, 1.0)

        def lacking(edge, shares=shares):
            return weight @ shares(edge) - h

        share_of = shares(brentq(lacking, 0.0, 2 * column.max(), xtol=1e-14 * size, rtol=1e-15))
        assert_allclose(kept, weight * share_of, atol=1e-3 * weight.max())
        assert abs(kept.sum() - h) <= 1e-3 * h
        inside = (share_of > 1e-2) & (share_of < 1 - 1e-2)
        np.testing.assert_array_equal(near[inside], weight[inside])
        least = weight * share_of @ column + size * (weight @ (share_of - 0.5) ** 2)
        assert_allclose(value, least, rtol=1e-4)


def test_far_rows_have_no_part_in_an_eased_sum():
    square, weight = squares(False)
    width = 0.5 * np.quantile(square, 0.5, axis=0)
    far = np.argsort(square, axis=0)[-10:], range(4)
    assert np.all(square[far] > 4 * width)
    expected = eased(square, weight, 20.0, width)
    square[far] = 1e300
    found = eased(square, weight, 20.0, width)
    np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(found.kept, expected.kept)


@pytest.mark.parametrize("weighted", [False, True])
def test_hessian_of_an_eased_sum_has_the_rows_at_the_edge(weighted):
    rng = np.random.default_rng(0)
    A = np.column_stack([np.ones(20_000), rng.normal([0.5, -1.0], 1.0, (20_000, 2))])
    error = rng.standard_normal(20_000)
    error[::2] = np.abs(error[::2])  # of one sign, so that the edge moves with the rows
    weight = rng.integers(1, 4, 20_000).astype(float) if weighted else np.ones(20_000)
    h, width = 0.6 * weight.sum(), np.array([0.5])

    def at(theta):
        R = (error - A @ theta)[:, None]
        return R, eased(R * R, weight, h, width)

    def pull(theta):
        R, found = at(theta)
        return A.T @ (found.kept * R)[:, 0]

    R, found = at(np.zeros(3))
    curvature, moving, below = moving_edge(found, R, width)
    mean = A.T @ moving[:, 0]
    hessian = (A * curvature).T @ A + np.outer(mean, mean) / below
    step = 1e-3
    numeric = -np.stack([pull(step * e) - pull(-step * e) for e in np.eye(3)]) / (2 * step)
    assert_allclose(hessian, numeric, atol=0.01 * np.abs(numeric).max())


def test_a_step_never_leads_up():
    # from far away Newton's step would: then it is one of least squares
    rng = np.random.default_rng(3)
    A = np.column_stack([np.ones(300), rng.standard_normal((300, 3))])
    y = A.sum(axis=1) + rng.standard_normal(300)
    y[:100] += 20 * A[:100, 1] + 30
    sample, share = Sample(A, y, np.ones(300)), 0.5
    grams = Grams(sample)
    theta = rng.normal(0.0, 10.0, (4, 50))
    for width in WIDTHS:
        criterion = TrimmedSquares(share, width)
        for _ in range(5):
            R = y[:, None] - A @ theta
            edge = np.sort(R * R, axis=0)[149]
            size = criterion.sizes(R, sample)
            step, _ = criterion.step(R, size, sample, grams, True)
            before = eased(R * R, sample.weight, 150.0, width * edge).value
            theta = theta + step
            after = eased((y[:, None] - A @ theta) ** 2, sample.weight, 150.0, width * edge).value
            assert np.all(after <= before * (1 + 1e-4))


def test_every_start_is_led_once():
    rng = np.random.default_rng(0)
    A = np.column_stack([np.ones(200), rng.standard_normal(200)])
    sample = Sample(A, A.sum(axis=1) + rng.standard_normal(200), np.ones(200))
    criterion = TrimmedSquares(0.5)
    for count in (1, 2, 7, 100):
        starts = [Optimum(theta, 1.0, 1) for theta in rng.standard_normal((count, 2))]
        assert sum(one.hits for one in led(criterion, sample, starts)) == count


@pytest.mark.parametrize("lengths", [(0.02, 0.3), (0.3, 1.5)])
def test_scattered_starts_change_the_residuals_near_the_fit_by_that_share_of_their_size(lengths):
    rng = np.random.default_rng(0)
    A = np.column_stack([np.ones(500), rng.standard_normal((500, 4)) * [1.0, 1e6, 1e-6, 1.0]])
    A = np.column_stack([A, A[:, 1]])  # and one column twice
    A[:100, 1] += 1e3  # rows that are not near
    y = 2.0 * rng.standard_normal(500)
    y[:100] += 1e4
    theta = np.zeros(6)
    found = scattered(Sample(A, y, np.ones(500)), theta, 2.0, lengths, 4000, rng)
    change = np.sqrt(np.mean((A[100:] @ (found - theta).T) ** 2, axis=0)) / 2.0
    assert lengths[0] < np.median(change) < lengths[1]
    assert np.quantile(change, 0.99) < 3 * lengths[1]
    assert np.quantile(change, 0.01) > lengths[0] / 3


def sum_of_the_smallest(model, X, y):
    size = np.sort((y - X @ model.raw_coef_ - model.raw_intercept_) ** 2)
    return size[: np.count_nonzero(model.support_)].sum()


@pytest.mark.parametrize(
    ("coverage", "known"), [(0.5, 2476757.329971866), (0.75, 9772064.432234872)]
)
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore:.*n_starts")  # it may say that its searches disagree
def test_radar_image_is_never_above_r(coverage, known, seed):
    # the lowest of three searches by R's ltsReg with 500 and 3,000 starts
    data = load_radar_image()
    X, y = data.iloc[:, :-1].to_numpy(), data.iloc[:, -1].to_numpy()
    model = LTSRegressor(coverage=coverage, random_state=seed).fit(X, y)
    assert sum_of_the_smallest(model, X, y) <= known * (1 + 1e-9)


@pytest.mark.parametrize(
    ("n", "p", "bad"), [(2000, 5, 0.2), (10_000, 20, 0.0), (10_000, 20, 0.2), (10_000, 20, 0.4)]
)
def test_trimmed_squares_of_many_rows_hardly_depend_on_the_seed(n, p, bad):
    # minima of concentration steps are spread over 1e-3 there
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, p))
    y = X.sum(axis=1) + rng.standard_normal(n)
    out = rng.random(n) < bad
    X[out] += 10
    y[out] = rng.standard_normal(out.sum()) - 20
    models = [LTSRegressor(random_state=seed).fit(X, y) for seed in range(4)]
    found = [sum_of_the_smallest(model, X, y) for model in models]
    assert max(found) <= min(found) * (1 + 5e-5)


def test_rows_that_all_lie_at_the_edge_have_none_to_exchange():
    X = np.random.default_rng(0).standard_normal((1200, 4))
    model = LTSRegressor().fit(X, np.ones(1200))
    assert_allclose(model.coef_, 0.0, atol=1e-15)
    assert model.scale_ == 0.0
