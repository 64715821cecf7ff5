"""Orthonormal coordinates of columns that depend on each other, of sizes that differ by any factor."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone

from robustreg import (
    HuberRegressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
    preparation,
)
from robustreg.model_selection import regularization_path
from robustreg.orthonormal import lost_shares, orthonormal_transform, unclear_columns
from robustreg.preparation import prepare
from tests._parts import fit, table

N = 60


def columns(seed, p):
    return np.random.default_rng(seed).normal(size=(N, p))


def unit(X):
    """Columns of unit size, and their sizes."""
    size = np.sqrt((X**2).mean(axis=0))
    return X / size, size


def transformed(X):
    Z, size = unit(X)
    transform = orthonormal_transform(np.linalg.qr(Z)[1], size, len(X))
    return transform, Z @ (size[:, None] * transform)


@pytest.mark.parametrize("tiny", [1e-3, 1e-9, 1e-30, 1e-150])
@pytest.mark.parametrize("seed", range(3))
def test_columns_of_any_size_beside_one_that_stands_twice(seed, tiny):
    x, z, v = columns(seed, 3).T
    transform, rows = transformed(np.column_stack([x, tiny * v, x, z * tiny**0.5]))
    assert transform.shape[1] == 3
    np.testing.assert_allclose(rows.T @ rows, N * np.eye(3), atol=1e-10 * N)
    # the shortest coefficients divide what two equal columns do
    np.testing.assert_allclose(transform[0], transform[2], rtol=1e-7, atol=1e-9)
    # and each direction is what its own column can do, not lost among larger ones
    target = v / np.sqrt((v**2).mean())
    fitted = rows @ (rows.T @ target) / N
    np.testing.assert_allclose(fitted, target, atol=1e-9)


@pytest.mark.parametrize("tiny", [1e-5, 1e-9, 1e-12])
def test_penalties_of_small_columns_keep_their_digits(tiny):
    x, v = columns(0, 2).T
    transform, _ = transformed(np.column_stack([x, x, tiny * v]))
    inner = transform.T @ transform
    # the part that the data give to the two equal columns costs as much as without the tiny one
    alone, _ = transformed(np.column_stack([x, x]))
    data = np.array([0.3, -0.8])
    bent = np.eye(2) + inner
    best = 0.5 * data @ np.linalg.solve(bent, data)
    first = np.column_stack([x, x]) @ alone / np.sqrt(N)
    _, rows = transformed(np.column_stack([x, x, tiny * v]))
    seen = data @ (rows / np.sqrt(N)).T @ first
    np.testing.assert_allclose(best, 0.5 * seen @ seen / (1 + (alone**2).sum()), rtol=1e-6)


@pytest.mark.parametrize("near", [1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("tiny", [1.0, 1e-4, 1e-9, 1e9])
def test_a_near_copy_of_another_size_keeps_its_signal(near, tiny):
    z, w, x = columns(1, 3).T
    _, rows = transformed(np.column_stack([z, tiny * (z + near * w), x, x]))
    assert rows.shape[1] == 3
    fitted = rows @ np.linalg.lstsq(rows, w, rcond=None)[0]
    np.testing.assert_allclose(fitted, w, atol=1e-14 / near * 10)


def test_sizes_without_a_gap_still_give_the_shortest():
    X = columns(2, 6) @ np.diag(10.0 ** -np.arange(6))
    X = np.column_stack([X, X[:, 0] + X[:, 1], X[:, 3] - X[:, 5]])
    transform, rows = transformed(X)
    assert transform.shape[1] == 6
    y = columns(3, 1)[:, 0]
    coef = transform @ (rows.T @ y) / N
    np.testing.assert_allclose(coef, np.linalg.lstsq(X, y, rcond=1e-13)[0], rtol=1e-6)


def test_more_columns_than_rows():
    X = np.random.default_rng(4).normal(size=(8, 20)) * np.logspace(0, -9, 20)
    X[:, 1] = X[:, 0]
    Z, size = unit(X)
    transform = orthonormal_transform(Z, size, 8)
    rows = X @ transform
    np.testing.assert_allclose(rows.T @ rows, 8 * np.eye(8), atol=1e-8)
    y = np.arange(8.0)
    np.testing.assert_allclose(
        transform @ (rows.T @ y) / 8, np.linalg.lstsq(X, y, rcond=0)[0], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("near", [1e-7, 1e-10, 1e-13])
@pytest.mark.parametrize("tiny", [1.0, 1e-9, 1e9])
def test_no_part_of_a_column_is_lost(near, tiny):
    z, w, x = columns(1, 3).T
    Z, size = unit(np.column_stack([z, tiny * (z + near * w), x, x, x + z, 1e-5 * w]))
    rows = np.linalg.qr(Z)[1]
    shares = lost_shares(rows, size, orthonormal_transform(rows, size, N))
    assert shares.max() < 1e-11


def test_a_part_that_is_lost_is_told(monkeypatch):
    monkeypatch.setattr(
        preparation, "orthonormal_transform", lambda *how: orthonormal_transform(*how)[:, :2]
    )
    z, w, x = columns(5, 3).T
    with pytest.warns(UserWarning, match=r"columns \(.*2.*\) that are nearly dependent"):
        L2Regressor().fit(np.column_stack([z, z, x, w]), x)


@pytest.mark.parametrize("near", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("tiny", [1.0, 1e-9, 1e9])
def test_sums_of_other_columns_are_clear_beside_near_copies(near, tiny):
    z, w, x = columns(1, 3).T
    rows, size = unit(np.column_stack([z, tiny * (z + near * w), x, x, 0.3 * x + 7 * z]))
    assert not len(unclear_columns(rows, size, orthonormal_transform(rows, size, N)))


def test_columns_that_fall_to_rounding_without_a_gap_are_unclear():
    year = np.arange(1950.0, 2000.0)
    powers = year[:, None] ** np.arange(1, 9)
    for degree in range(1, 9):
        rows, size = unit(powers[:, :degree] - powers[:, :degree].mean(axis=0))
        transform = orthonormal_transform(rows, size, len(rows))
        unclear = unclear_columns(rows, size, transform)
        assert len(unclear) == degree - transform.shape[1]
        assert (len(unclear) > 0) == (degree > 6)


def repeated_rows(seed):
    """A few distinct rows of zeros and ones, each column at an offset of its own, and the rank of [1, X]."""
    rng = np.random.default_rng(seed)
    k, p = int(rng.integers(2, 9)), int(rng.integers(2, 15))
    few = rng.integers(0, 2, (k, p)) + rng.integers(0, 1000, p) * 10.0 ** rng.integers(0, 6)
    X = few[rng.integers(0, k, int(rng.integers(k, 30)))]
    weight = None if seed % 2 else 10.0 ** rng.uniform(-3, 3, len(X))
    return X, weight, np.linalg.matrix_rank(X - X[0]) + 1


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_what_rounding_of_centres_leaves_is_no_direction(form):
    for seed in range(100):
        X, weight, rank = repeated_rows(seed)
        assert prepare(form(X), np.zeros(len(X)), weight)[1] == rank


def test_nor_is_it_one_of_rows_elsewhere():
    for seed in range(1, 40, 2):
        X, _, _ = repeated_rows(seed)
        X = np.tile(X, (20, 1))
        y = np.random.default_rng(seed).normal(size=len(X))
        here = HuberRegressor(scale="proposal2").fit(X, y)
        there = fit(HuberRegressor(scale="proposal2"), table(X, y))
        assert_allclose(there.scale_, here.scale_, rtol=1e-7)
        centred = HuberRegressor(scale="proposal2").fit(X - X[0], y)
        assert_allclose(here.scale_, centred.scale_, rtol=1e-7)


def bumps():
    """Gaussian bumps, of which the even ones are rounding beside the others, and a target."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    y = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=200)
    return np.exp(-((x - np.linspace(-2, 2, 30)) ** 2) / 2), y


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 10.0])
def test_beside_a_ridge_penalty_directions_at_the_level_of_rounding_are_no_loss(alpha):
    X, y = bumps()
    model = L2Regressor(alpha=alpha).fit(X, y)  # warnings are errors
    centred, rest = X - X.mean(axis=0), y - y.mean()
    inner = centred.T @ centred + alpha * np.eye(X.shape[1])
    exact = y.mean() + centred @ np.linalg.solve(inner, centred.T @ rest)
    assert_allclose(model.predict(X), exact, rtol=0, atol=1e-12)


def test_nor_are_they_beside_a_loss_with_kinks():
    X, y = bumps()
    QuantileRegressor(alpha=1.0).fit(X, y)  # warnings are errors


@pytest.mark.parametrize(
    "model", [HuberRegressor(), LogisticClassifier()], ids=["Huber", "logistic"]
)
def test_they_are_named_where_there_is_no_penalty_only(model):
    X, y = bumps()
    if isinstance(model, LogisticClassifier):
        y = np.random.default_rng(1).permutation(y) > 0  # no hyperplane separates them
    clone(model).set_params(alpha=1.0).fit(X, y)
    with pytest.warns(UserWarning, match="are nearly dependent on others"):
        clone(model).set_params(alpha=0.0).fit(X, y)


def test_a_path_that_ends_without_a_penalty_names_them():
    X, y = bumps()
    with pytest.warns(UserWarning, match="are nearly dependent on others"):
        regularization_path(HuberRegressor(), X, y, alphas=[1.0, 0.0])
    regularization_path(HuberRegressor(), X, y, alphas=[1.0, 0.1])
