"""Targets that the columns give exactly: no warning, no outliers, no scale made of rounding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.losses import Pinball


def leaked(n, p, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + offset
    return X, X @ np.arange(1.0, p + 1) + 2


TIMES = 1.7e12 + np.linspace(0, 20_000, 24)  # milliseconds
SLOW = np.linspace(1e6, 2e6, 24)[:, None]
STEPS = np.arange(12.0)
TABLES = {
    "ten times": (np.arange(10.0)[:, None], 10 * np.arange(10.0)),
    "tenths about zero": (0.1 * np.arange(-5, 6)[:, None], 0.3 * np.arange(-5, 6)),
    "milliseconds": (TIMES[:, None], 0.002 * (TIMES - TIMES[0]) + 5),
    "tiny slope": (SLOW, 3 - 1e-6 * SLOW[:, 0]),
    "leaked": leaked(200, 5),
    "leaked, far from zero": leaked(150, 3, offset=50.0),
    "leaked, huge": tuple(1e100 * part for part in leaked(40, 2)),
    "dependent columns": (np.column_stack([STEPS, 2 * STEPS, np.ones(12)]), 3 * STEPS + 1),
    "more columns than rows": leaked(10, 30),
    "as many": leaked(6, 5),
}
MODELS = [
    HuberRegressor(),
    HuberRegressor(alpha=1e-12),
    HuberRegressor(solver="lbfgs"),
    RobustRegressor(loss="tukey"),
    RobustRegressor(loss="fair", alpha=1e-12),
    *(
        HuberRegressor(scale=scale, alpha=0.0)
        for scale in ("proposal2", "mad", "concomitant", 1.0, 1e-6)
    ),
    *(
        HuberRegressor(scale=scale, alpha=1e-12, max_iter=1000)
        for scale in ("proposal2", "mad", "concomitant")
    ),
    *(HuberRegressor(scale="proposal2", solver=solver) for solver in ("newton-cg", "lbfgs")),
    *(HuberRegressor(scale="proposal2", epsilon=epsilon) for epsilon in (1e-3, np.inf)),
    L1Regressor(),
    L1Regressor(alpha=1e-12),
    *(L2Regressor(solver=solver) for solver in ("auto", "newton-cg", "lbfgs")),
    QuantileRegressor(quantile=0.3, alpha=0.0),
    RobustRegressor(loss=Pinball(0.9)),
    *(
        RobustRegressor(loss=loss, alpha=alpha, scale="mad")
        for alpha in (0.0, 1e-12)
        for loss in ("huber", "tukey", "cauchy", "andrews", "hampel", "fair", "smooth_l1")
    ),
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: "".join(repr(model).split()))
def test_nothing_to_warn_of(model, table):
    X, y = TABLES[table]
    if table == "leaked, huge" and (model.alpha or model.get_params().get("scale") in (1.0, 1e-6)):
        y = y / 1e100  # beside targets of 1e100 these are not what they are beside others
        X = X / 1e100
    model.fit(X, y)
    assert_allclose(model.predict(X), y, atol=1e-12 * np.abs(y).max() + 2e-6 * (X.max() > 1e12))
    assert not np.any(getattr(model, "outliers_", False))
    assert model.optimality_ <= model.tol
    if getattr(model, "scale", None) in ("proposal2", "mad", "concomitant"):
        assert model.scale_ <= 1e-9 * np.abs(y).max() + 2e-6 * (X.max() > 1e12)


@pytest.mark.parametrize("alpha", 10.0 ** np.arange(-15, 3, 3))
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(
    "model",
    [HuberRegressor(scale=scale) for scale in ("proposal2", "mad", "concomitant")]
    + [RobustRegressor(loss=loss, scale="mad") for loss in ("log_cosh", "pseudo_huber")],
    ids=repr,
)
def test_a_penalty_leaves_residuals_of_its_own_size(model, alpha, unit):
    X, y = leaked(60, 3, seed=5)
    model.set_params(alpha=alpha, max_iter=1000).fit(X, unit * y + 3)
    assert model.optimality_ <= model.tol


def test_a_million_rows_are_as_fast_as_any():
    rng = np.random.default_rng(0)
    X = rng.integers(1000, 10_000, (200_000, 3)).astype(float)
    y = X @ [3.0, 1.0, -5.0] + 2
    model = HuberRegressor(scale="proposal2").fit(X, y)
    assert_allclose(model.coef_, [3.0, 1.0, -5.0], rtol=1e-12)
    assert model.scale_ == 0.0
    assert not model.outliers_.any()
    assert model.n_iter_ <= 20
