"""Piecewise linear losses with several kinks a row: exact minima, with their certificates."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.svm import SVR

from robustreg import L1Regressor, RobustRegressor
from robustreg.estimators._validation import InvalidParameterError
from robustreg.losses import LOSSES, EpsilonInsensitive, ResidualLoss


@pytest.fixture
def unregistered():
    """Forget losses that a test defines."""
    before = dict(LOSSES)
    yield
    LOSSES.clear()
    LOSSES.update(before)


def rows(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] * 2 + 1 + rng.standard_t(2, n), rng.integers(1, 4, n).astype(float)


def least_by_program(X, y, weight, breakpoints, lowest):
    """Minimise a sum of convex piecewise linear functions by a linear program in epigraph form.

    ``lowest`` is the slope far out on the left.
    """
    n, p = X.shape
    # rho(r) = lowest * r + sum_j jump_j * max(r - t_j, 0), one variable for each maximum
    k = len(breakpoints)
    Z = np.column_stack([X, np.ones(n)])
    cost = np.concatenate([-lowest * (weight @ Z), *[weight * jump for _, jump in breakpoints]])
    upper = np.vstack([
        np.hstack([-Z, *[-np.eye(n) if j == i else np.zeros((n, n)) for j in range(k)]])
        for i in range(k)
    ])  # fmt: skip
    right = np.concatenate([t - y for t, _ in breakpoints])
    bounds = [(None, None)] * (p + 1) + [(0, None)] * (k * n)
    found = linprog(cost, upper, right, bounds=bounds, method="highs")
    return found.fun + lowest * (weight @ y)


@pytest.mark.parametrize("epsilon", [1e-3, 0.612, 3.0])
@pytest.mark.parametrize(("n", "p"), [(40, 2), (150, 10)])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_minimum_is_that_of_a_linear_program(n, p, epsilon, make):
    X, y, weight = rows(n, p)
    model = RobustRegressor(loss=EpsilonInsensitive(epsilon=epsilon), scale=1.3)
    model.fit(make(X), y, sample_weight=weight)
    tube = 1.3 * epsilon
    value = weight @ np.maximum(np.abs(y - model.predict(X)) - tube, 0)
    best = least_by_program(X, y, weight, [(-tube, 1.0), (tube, 1.0)], -1.0)
    # rho(0) = 0 is epsilon below the sum of its pieces
    best -= tube * weight.sum()
    assert_allclose(value, best, rtol=1e-9)
    assert model.optimality_ <= 1e-9


def test_support_vector_regression_with_its_intercept_free():
    X, y, _ = rows(60, 3)
    ours = RobustRegressor(loss=EpsilonInsensitive(epsilon=0.5), scale=1.0, alpha=0.1).fit(X, y)
    theirs = SVR(kernel="linear", epsilon=0.5, C=10.0, tol=1e-10).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_[0], atol=1e-5)


def test_rows_within_the_tube_everywhere_are_a_minimum_of_zero():
    X, y, _ = rows(30, 50)
    model = RobustRegressor(loss=EpsilonInsensitive(epsilon=0.01), scale=1.0).fit(X, y)
    assert np.abs(y - model.predict(X)).max() <= 0.01 + 1e-12
    assert model.optimality_ == 0


def test_no_tube_to_speak_of_is_the_l1_fit():
    X, y, weight = rows(200, 4)
    loss = EpsilonInsensitive(epsilon=1e-12)
    narrow = RobustRegressor(loss=loss, scale=1.0).fit(X, y, sample_weight=weight)
    absolute = L1Regressor().fit(X, y, sample_weight=weight)
    assert_allclose(narrow.coef_, absolute.coef_, atol=1e-9)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_equivariance_at_the_scale_of_the_l1_fit(factor):
    X, y, _ = rows(200, 4)
    model = RobustRegressor(loss="epsilon_insensitive").fit(X, y)
    other = RobustRegressor(loss="epsilon_insensitive").fit(X, factor * y)
    assert_allclose(other.coef_, factor * model.coef_, rtol=1e-7, atol=1e-9 * factor)
    assert_allclose(other.scale_, factor * model.scale_)
    assert not hasattr(model, "weights_")


def test_a_sample_serves_many_rows():
    X, y, _ = rows(60_000, 5)
    model = RobustRegressor(loss="epsilon_insensitive").fit(X, y)
    assert model.optimality_ <= 1e-9
    assert_allclose(model.coef_, [2, 0, 0, 0, 0], atol=0.03)


def test_a_loss_with_three_breakpoints_and_its_penalties(unregistered):
    @dataclass(eq=False)
    class Steps(ResidualLoss):
        """Slopes -1, -0.5, 0.5 and 2."""

        unit: float = 1.0

        name: ClassVar[str] = "steps"
        function: ClassVar[str] = "steps_loss"
        smooth: ClassVar[bool] = False
        degree: ClassVar[int] = 1
        threshold: ClassVar[tuple[str, ...]] = ("unit",)

        @property
        def breakpoints(self):
            return (-self.unit, 0.5), (0.0, 1.0), (self.unit, 1.5)

        def rho(self, r):
            u = self.unit
            return np.maximum.reduce([-r - 0.5 * u, -0.5 * r, 0.5 * r, 2 * r - 1.5 * u])

        def psi(self, r):
            return -1 + 0.5 * (r > -self.unit) + 1.0 * (r > 0) + 1.5 * (r > self.unit)

        def psi_prime(self, r):
            return 0 * r

    X, y, weight = rows(100, 3)
    model = RobustRegressor(loss=Steps(), scale=1.0).fit(X, y, sample_weight=weight)
    value = weight @ Steps().rho(y - model.predict(X))
    best = least_by_program(X, y, weight, Steps().breakpoints, -1.0)
    # at r = 0 the sum of the pieces is 0.5 and rho is 0
    best -= 0.5 * weight.sum()
    assert_allclose(value, best, rtol=1e-9)
    lasso = RobustRegressor(loss=Steps(), scale=1.0, alpha=40.0, l1_ratio=1.0).fit(X, y)
    assert (lasso.coef_ == 0).any()
    assert lasso.optimality_ <= 1e-8


def test_a_loss_that_is_neither_smooth_nor_piecewise_linear_is_refused(unregistered):
    @dataclass(eq=False)
    class Root(ResidualLoss):
        name: ClassVar[str] = "root"
        function: ClassVar[str] = "root_loss"
        smooth: ClassVar[bool] = False

        def rho(self, r):
            return np.abs(r) + r**2

        def psi(self, r):
            return np.sign(r) + 2 * r

        def psi_prime(self, r):
            return 2 + 0 * r

    X, y, _ = rows(30, 2)
    with pytest.raises(
        ValueError, match="No solver serves Root, which is neither smooth nor piece"
    ):
        RobustRegressor(loss=Root()).fit(X, y)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scale": "mad"}, "'scale' parameter of RobustRegressor must be one of 'l1' or a float"),
        (
            {"solver": "newton"},
            r"one of 'auto', 'exact' \(EpsilonInsensitive is piecewise linear\)",
        ),
    ],
)
def test_what_does_not_go_with_kinks_is_refused(options, match):
    X, y, _ = rows(30, 2)
    with pytest.raises(InvalidParameterError, match=match):
        RobustRegressor(loss="epsilon_insensitive", **options).fit(X, y)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("alpha", [1e-3, 1e-9])
def test_a_tube_around_all_rows_is_not_certified_by_rounding(offset, alpha):
    X, y, _ = rows(20, 3)
    loss = EpsilonInsensitive(epsilon=1.0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = RobustRegressor(loss=loss, scale=8.0, alpha=alpha).fit(X, y + offset)
        best = RobustRegressor(loss=loss, scale=8.0, alpha=1.0).fit(X, y)
    # all rows are in the tube of both: the least squares of coefficients do not depend on alpha
    assert np.abs(y - best.predict(X)).max() <= 8 * (1 + 1e-9)
    excess = (model.coef_ @ model.coef_) / (best.coef_ @ best.coef_) - 1
    assert told or excess <= 1e-6
    assert 0 <= model.optimality_ <= 1
