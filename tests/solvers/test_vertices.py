"""The walk from vertex to vertex against HiGHS."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from robustreg.solvers._programs import spanning
from robustreg.solvers._rows import Rows
from robustreg.solvers._vertices import walk


def problem(kind, seed, k=60, q=4):
    rng = np.random.default_rng(seed)
    X, position, weight = rng.normal(size=(k, q)), rng.normal(size=k), rng.uniform(0.5, 2.0, k)
    lower, upper = -np.ones(k), np.ones(k)
    if kind == "quantile":
        lower, upper = np.full(k, -0.1), np.full(k, 0.9)
    elif kind == "ties":
        X, position = np.round(X), np.round(position)
    elif kind == "repeated":
        X[k // 2 :], position[k // 2 :] = X[: k // 2], position[: k // 2]
    elif kind == "indicators":
        X = (rng.integers(0, q, k)[:, None] == np.arange(q)).astype(float)
        position = rng.integers(0, 5, k).astype(float)
    linear = 0.2 * X[:5].sum(axis=0) if kind == "folded" else np.zeros(q)
    return Rows(X, position, weight * lower, weight * upper, weight, linear)


KINDS = ["plain", "quantile", "ties", "repeated", "indicators", "folded"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_ends_at_the_minimum(kind, seed):
    rows = problem(kind, seed)
    basis = spanning(rows.X)
    theta, slopes = walk(rows, basis)
    dual = linprog(
        rows.position,
        A_eq=rows.X.T,
        b_eq=-rows.linear,
        bounds=np.column_stack([rows.lower, rows.upper]),
    )
    assert_allclose(rows.value(theta), -dual.fun, rtol=1e-9)
    assert rows.gap(theta, slopes) <= rows.nothing(theta, 1e-12)
    assert np.all((rows.lower <= slopes) & (slopes <= rows.upper))
    assert_allclose(rows.X.T @ slopes, -rows.linear, atol=1e-11)


def test_says_so_where_there_is_no_minimum():
    rows = problem("plain", 0)
    rows.linear = 10 * np.abs(rows.X).sum(axis=0)
    assert walk(rows, spanning(rows.X)) is None
