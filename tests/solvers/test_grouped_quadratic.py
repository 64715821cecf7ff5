"""Quadratic functions plus norms of groups: columns that are there twice, and functions without a minimum."""

from __future__ import annotations

import numpy as np
import pytest

from robustreg import RobustRegressor
from robustreg.penalties import GroupLasso
from robustreg.solvers import _grouped_quadratic
from robustreg.solvers._grouped_quadratic import GroupLimits

N, P, GROUP = 120, 90, 5


def table(seed):
    """Return columns, and targets of which a twentieth are far."""
    rng = np.random.default_rng(seed)
    X, slope = rng.standard_normal((N, P)), np.zeros(P)
    slope[:30] = 3 * rng.standard_normal(30)
    y = X @ slope + rng.standard_normal(N)
    y[: N // 20] += 30
    return X, y


def systems(monkeypatch):
    """Count the systems that are solved."""
    counted, of = [], _grouped_quadratic.Factor.of
    monkeypatch.setattr(
        _grouped_quadratic.Factor, "of", lambda *args: counted.append(len(args[0])) or of(*args)
    )
    return counted


@pytest.mark.parametrize("share", [0.1, 0.02])
@pytest.mark.parametrize("loss, settings", [("squared", {}), ("huber", {"scale": 1.0})])
@pytest.mark.parametrize("seed", range(2))
def test_groups_that_are_there_twice_change_no_objective(loss, settings, share, seed):
    X, y = table(seed)
    slopes = y - y.mean() if loss == "squared" else np.clip(y - np.median(y), -1.345, 1.345)
    alpha = share * np.abs(X.T @ slopes).max()
    values = []
    for times in (1, 2):
        Z = np.hstack([X] * times)
        groups = np.arange(P * times) // GROUP
        penalty = GroupLasso(groups=groups)
        model = RobustRegressor(loss=loss, penalty=penalty, alpha=alpha, **settings).fit(Z, y)
        assert model.optimality_ < 1e-10
        r = np.abs(y - model.predict(Z))
        each = r**2 / 2 if loss == "squared" else np.where(r < 1.345, r**2 / 2, 1.345 * r - 1.345**2 / 2)  # fmt: skip
        norms = np.linalg.norm(model.coef_.reshape(-1, GROUP), axis=1)
        values.append(each.sum() + alpha * norms.sum())
    assert values[1] == pytest.approx(values[0], rel=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_few_systems_lead_to_the_minimum_where_there_is_no_rank(seed, monkeypatch):
    X, y = table(seed)
    Z = np.hstack([X, X])[: N // 2]
    limits = GroupLimits(np.full(2 * P // GROUP, 0.02), np.arange(2 * P) // GROUP)
    H, c = Z.T @ Z / len(Z), -Z.T @ y[: N // 2] / len(Z)
    counted = systems(monkeypatch)
    v = limits.minimise(H, c, np.zeros(2 * P))
    assert limits.excess(v, c + H @ v).max() < 1e-11 * np.abs(c).max()
    assert len(counted) < 150


def test_a_function_without_a_minimum_is_not_followed_to_the_end(monkeypatch):
    X, _ = table(0)
    Z = X[:20]
    c = np.random.default_rng(1).standard_normal(P)  # most of it along what H says nothing of
    limits = GroupLimits(np.full(P // GROUP, 0.01), np.arange(P) // GROUP)
    H = Z.T @ Z / len(Z)
    H[np.diag_indices(P)] += 1e-13
    counted = systems(monkeypatch)
    v = limits.minimise(H, c, np.zeros(P))
    assert c @ v + v @ H @ v / 2 + limits.value(v) < -1e6
    assert len(counted) < 40
