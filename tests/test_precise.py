"""Products whose terms cancel, and what fits to columns that are nearly dependent make of them."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from robustreg import HuberRegressor, L1Regressor, L2Regressor, RobustRegressor
from robustreg.precise import Factor


def exact(left, matrix):
    columns = [[Fraction(x) for x in column] for column in matrix.T]
    rows = [[Fraction(x) for x in row] for row in left]
    return np.array(
        [[float(sum(map(Fraction.__mul__, row, column))) for column in columns] for row in rows]
    )


@pytest.mark.parametrize("seed", range(4))
def test_products_are_exact_to_their_own_last_places(seed):
    rng = np.random.default_rng(seed)
    n, k, m = 7, int(rng.integers(1, 12)), int(rng.integers(1, 5))
    size = 10 ** rng.uniform(-9, 9, k)
    left, matrix = rng.normal(size=(n, k)) * size, rng.normal(size=(k, m)) / size[:, None]
    if k > 1:
        left[:, 1] = left[:, 0] * (1 + 1e-7 * rng.normal(size=n))
        matrix[:2] *= 1e7
        matrix[1] = -matrix[0]
    assert_allclose(Factor(matrix).after(left), exact(left, matrix), rtol=1e-14)


def test_differences_are_exact_too():
    rng = np.random.default_rng(0)
    # the first rows have exact differences, the others rounded ones
    near, far = 3.0 + 1e-9 * rng.normal(size=(5, 3)), -rng.uniform(1.0, 4.0, size=(5, 3))
    left, less = np.vstack([near, far]), np.full(3, 3.1415926535897931)
    matrix = rng.normal(size=(3, 2))
    # such that what is lost of the differences is all of the product of one row
    matrix[2] = -((left[5, :2] - less[:2]) @ matrix[:2]) / (left[5, 2] - less[2])
    wanted = exact(np.hstack([left, np.tile(-less, (10, 1))]), np.vstack([matrix, matrix]))
    found = Factor(matrix).after(left, less)
    assert_allclose(np.delete(found, 5, 0), np.delete(wanted, 5, 0), rtol=1e-14)
    assert_allclose(
        found[5], wanted[5], rtol=0, atol=1e-22
    )  # terms of size one, and seven digits more
    out = np.empty((10, 2))
    assert Factor(matrix).after(left, less, out) is out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [150, 30_000])
@pytest.mark.parametrize(
    "model",
    [L1Regressor(), HuberRegressor(), L2Regressor(), RobustRegressor(loss="huber", scale="mad")],
    ids=["l1", "huber", "l2", "mad"],
)
def test_what_is_left_of_a_close_fit_cannot_be_fitted_better(model, n):
    # columns far from zero without an intercept, and residuals of the size of what plain products of
    # combined columns lose
    for seed in range(4 if n < 1000 else 1):
        rng = np.random.default_rng(seed)
        X = np.exp(rng.uniform(0.5, 3) * rng.normal(size=(n, 10))) * 10.0 ** rng.uniform(-3, 3, 10)
        X += 10.0 ** rng.uniform(2, 8, 10) * X.std(axis=0) * rng.choice([-1, 1], 10)
        X = X.astype(np.float32).astype(float)
        y = X @ (rng.normal(size=10) / np.abs(X).max(axis=0)) + 1e-8 * rng.standard_t(1.5, size=n)
        fitted = clone(model).set_params(fit_intercept=False).fit(X, y)
        r = (y - X.astype(np.longdouble) @ fitted.coef_).astype(float)
        again = clone(fitted).fit(X, r)
        assert np.abs(again.predict(X)).max() <= 2e-5 * np.median(np.abs(r))
