"""The first of many numbers are those that a stable sort of all puts first."""

import numpy as np
import pytest

from robustreg.solvers._first import SHORT, first


@pytest.mark.parametrize("kind", ["distinct", "ties", "equal", "infinite", "missing"])
@pytest.mark.parametrize("n", [0, 1, 20, SHORT + 1, 1000])
def test_first(kind, n):
    values = np.random.default_rng(0).normal(size=n)
    if kind == "ties":
        values = np.round(values, 1)
    elif kind == "equal":
        values[:] = 1.0
    elif kind == "infinite":
        values[::3] = np.inf
    elif kind == "missing":
        values[5:] = np.nan
    order = values.argsort(kind="stable")
    for count in (0, 1, 7, 64, n // 2, n, n + 3):
        assert first(values, count).tolist() == order[:count].tolist()
