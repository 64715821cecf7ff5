"""Steps from active set to active set against the interior point method."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.solvers._active_set import descend
from robustreg.solvers._programs import quadratic_program
from robustreg.solvers._rows import Rows


def problem(kind, seed, strength, k=60, q=4):
    """Return rows beside a penalty of all coefficients but the last, the intercept's."""
    rng = np.random.default_rng(seed)
    X, weight = rng.normal(size=(k, q)), rng.uniform(0.5, 2.0, k) / k
    X[:, -1] = 1.0
    position, lower, upper = rng.normal(size=k), -np.ones(k), np.ones(k)
    if kind == "hinge":
        position = np.where(X.sum(axis=1) + rng.normal(size=k) > 1, 1.0, -1.0)
        lower, upper = np.minimum(-position, 0.0), np.maximum(-position, 0.0)
    elif kind == "quantile":
        lower, upper = np.full(k, -0.1), np.full(k, 0.9)
    linear = 0.2 * X[:5].mean(axis=0) if kind == "folded" else np.zeros(q)
    square = strength * np.diag(np.append(np.ones(q - 1), 0.0))
    return Rows(X, position, weight * lower, weight * upper, weight, linear, square)


@pytest.mark.parametrize("held", [[], [0], [3, 17], [5, 5]], ids=str)
@pytest.mark.parametrize("strength", [1e-8, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("kind", ["absolute", "hinge", "quantile", "folded"])
def test_ends_at_the_minimum(kind, strength, held):
    """Whatever rows it begins with, also ones that depend on each other."""
    ended = 0
    for seed in range(8):
        rows = problem(kind, seed, strength)
        found = descend(rows, np.zeros(4), np.array(held, dtype=int))
        if found is None:
            continue
        ended += 1
        theta, slopes = found
        other, _ = quadratic_program(rows, np.zeros(4))
        assert_allclose(rows.value(theta), rows.value(other), rtol=1e-10)
        assert np.all((rows.lower <= slopes) & (slopes <= rows.upper))
        assert_allclose(rows.X.T @ slopes + rows.linear, -rows.quadratic @ theta, atol=1e-13)
        assert rows.gap(theta, slopes) <= rows.nothing(theta, 1e-12)
    assert ended >= 6


def test_leaves_a_minimum_with_more_rows_on_their_kinks_to_others():
    """Which of them are held is chance, and so are the slopes."""
    rows = problem("absolute", 0, 1e-3)
    rows.position[:40] = 0.0
    assert descend(rows, np.zeros(4), np.zeros(0, dtype=int)) is None
