"""Quadratic functions plus an elastic net: the conditions of a minimum."""

import numpy as np
import pytest

from robustreg.solvers._penalised_quadratic import Limits, minimise_quadratic


@pytest.mark.parametrize("q", [3, 6, 11])
def test_coefficients_without_any_curvature_spoil_no_others(q):
    """Columns of zeros beside others of many sizes: 2 in 1,000 of these programs ended elsewhere."""
    for seed in range(1000):
        rng = np.random.default_rng([q, seed])
        A = rng.normal(size=(rng.integers(1, q + 3), q)) * 10.0 ** rng.integers(-3, 4, q)
        A[:, rng.random(q) < 0.3] = 0.0
        H = A.T @ A
        l1 = rng.exponential(size=q) * 10.0 ** rng.integers(-3, 3)
        l1[rng.random(q) < 0.2] = 0.0
        limits = Limits(l1, rng.random(q) < 0.3)
        # a minimum exists: what no row balances is within the absolute values
        c = A.T @ rng.normal(size=len(A)) * 10.0 ** rng.integers(-2, 3) + rng.uniform(-1, 1, q) * l1
        start = rng.normal(size=q) * 10.0 ** rng.integers(-2, 3, q) * (rng.random(q) < 0.7)
        v = minimise_quadratic(H, c, start, limits)
        size = np.abs(c) + np.abs(H) @ np.abs(v) + l1
        assert np.all(limits.excess(v, c + H @ v) <= 1e-11 * size)
        assert np.all(v[limits.positive] >= 0)
