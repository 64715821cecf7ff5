"""The least slopes of an L1 fit, against a bounded least-squares solver."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from robustreg import HuberRegressor
from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, solve_piecewise
from robustreg.solvers._even_slopes import least_square


def flat(share, seed, n=40, p=2, alpha=0.0):
    rng = np.random.default_rng(seed)
    X, weight = rng.normal(size=(n, p)), rng.uniform(0.5, 2, n)
    y = np.where(rng.random(n) < share, 0.0, rng.normal(size=n) + 1)
    data, _ = prepare(X, y, weight / weight.mean())
    objective = Objective(Absolute(), data, L2(alpha))
    return objective, solve_piecewise(objective, np.zeros(p + 1), Control(tol=1e-10, max_iter=1000))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("share", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_least_is_between_the_bounds(share, seed, alpha):
    objective, found = flat(share, seed, alpha=alpha)
    low, high = least_square(objective, found)
    on, weight = found.zero, objective.data.weight
    X = np.column_stack([objective.data.take(np.arange(40)), np.ones(40)])
    slopes = found.slopes / weight
    best = minimize(
        lambda z: weight[on] @ z**2,
        slopes[on],
        jac=lambda z: 2 * weight[on] * z,
        bounds=[(-1, 1)] * on.sum(),
        constraints={"type": "eq", "fun": lambda z: (weight[on] * (z - slopes[on])) @ X[on]},
        options={"ftol": 1e-12},
        method="SLSQP",
    )
    least = (best.fun + weight[~on] @ slopes[~on] ** 2) / weight.sum()
    rounding = 1e-14  # of the other solver, where all slopes are zero
    assert low <= least * (1 + 1e-6) + rounding
    assert high >= least * (1 - 1e-6) - rounding
    if low == high:
        assert_allclose(low, least, rtol=1e-5, atol=rounding)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("scale", ["proposal2", "concomitant"])
def test_a_scale_is_zero_where_no_small_one_is_better(scale, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 2))
    y = np.where(rng.random(50) < rng.uniform(0.4, 0.9), 0.0, rng.normal(size=50) + 1)
    best = HuberRegressor(scale=scale, alpha=0.0).fit(X, y)
    assert best.optimality_ <= best.tol
    kappa = 1.0 if scale == "concomitant" else 0.710164548 * (1 - 3 / 50)

    def profile(sigma):
        """The joint objective at a scale and its best coefficients."""
        fit = HuberRegressor(scale=sigma, alpha=0.0, max_iter=1000).fit(X, y)
        z = np.abs(y - fit.predict(X)) / sigma
        rho = np.where(z <= 1.345, 0.5 * z**2, 1.345 * z - 0.5 * 1.345**2)
        return sigma * (rho.sum() + 0.5 * kappa * 50)

    if best.scale_ == 0:
        value = 1.345 * np.abs(y - best.predict(X)).sum()
        near = min(profile(sigma) for sigma in (1e-4, 1e-3, 1e-2, 0.1))
    else:
        value = profile(best.scale_)
        near = min(profile(best.scale_ * factor) for factor in (0.5, 0.99, 1.01, 2.0))
    assert value <= near * (1 + 1e-9)
