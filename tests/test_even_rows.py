"""Rows far out in X do not hide what the others tell apart."""

import warnings

import numpy as np
import pytest

from robustreg import HuberRegressor, L1Regressor, L2Regressor, QuantileRegressor
from robustreg.coordinates import Coordinates
from robustreg.data import Data
from robustreg.even_rows import even_rows
from robustreg.preparation import prepare

N = 40


def table(seed, near, far, *, offset=0.0):
    """Two columns that differ by ``near``, and the same columns with that difference as one of them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(N, 3))
    z[:, 1] = np.round(z[:, 1] * 2**20) / 2**20  # differences are exact
    z[:, 0] = np.round(z[:, 0] * 2**12) / 2**12
    power = 2.0 ** np.round(np.log2(near))
    rows = np.array([3, 17])
    z[rows] *= np.array([[2.0 ** np.round(np.log2(far))], [1024.0]])
    X = np.column_stack([z[:, 0], z[:, 0] + power * z[:, 1], z[:, 2]])
    y = z @ [1.0, 2.0, -1.0] + rng.standard_t(2, size=N)
    y[rows] = 0.0
    z[:, 1] = (X[:, 1] - X[:, 0]) / power
    return X + offset, z, y


@pytest.mark.parametrize("near", [1e-5, 1e-7])
@pytest.mark.parametrize("far", [1e6, 1e9, 1e10])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "model", [L1Regressor(), QuantileRegressor(quantile=0.3, alpha=0)], ids=["l1", "quantile"]
)
def test_nearly_dependent_columns_beside_a_row_far_out(model, near, far, seed):
    X, z, y = table(seed, near, far)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit = model.fit(X, y)
    coef, intercept = fit.coef_, fit.intercept_
    as_it_is = pinball(model, y - X @ coef - intercept)
    other = type(model)(**model.get_params()).fit(z, y)
    least = pinball(model, y - z @ other.coef_ - other.intercept_)
    # the row far out has rounding of its own size in the user's units
    slack = 4e-16 * far * np.abs(coef).max()
    assert told or as_it_is <= least * (1 + 1e-7) + slack


def pinball(model, residual):
    quantile = getattr(model, "quantile", 0.5)
    return np.maximum(quantile * residual, (quantile - 1) * residual).sum()


# a row 1e12 times as long as others leaves four of their digits: too few to be sure on every processor
@pytest.mark.filterwarnings("ignore:X has columns .* that are nearly dependent:UserWarning")
@pytest.mark.parametrize("far", [1e6, 1e9, 1e12])
@pytest.mark.parametrize("intercept", [True, False])
def test_dependent_columns_stay_dependent(far, intercept):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, 3)) @ rng.normal(size=(3, 6)) * np.logspace(-6, 6, 6)
    X[5] *= far
    assert prepare(X, np.ones(N), intercept=intercept)[1] == 3 + intercept
    X[:, 2] = X[:, 0] * 1e6
    assert prepare(X[:, [0, 2]], np.ones(N), intercept=intercept)[1] == 1 + intercept


@pytest.mark.parametrize("model", [HuberRegressor(), L2Regressor()])
def test_the_rank_is_that_of_the_usual_rows(model):
    X, _, y = table(1, 1e-7, 1e9)
    assert prepare(X, y)[1] == 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(model.fit(X, y).coef_).all()


def test_rows_that_are_not_far_are_left_as_they_are():
    X = np.random.default_rng(2).normal(size=(N, 3))
    data = Data(X, np.ones(N), None, Coordinates(np.zeros(3), np.ones(3)))
    assert even_rows(data, np.arange(3)) is None
