"""Fits to parts of a table: what follows from the fit to all of it is the fit by itself."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import Huber
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, Parts, Problem, solve_fixed, solve_joint
from tests._reference import sample

EPSILON, SIGMA = 1.345, 0.8


def table(n=600, weighted=False, seed=0):
    X, y, weight = sample(n=n, p=4, seed=seed)
    data, _ = prepare(X, (y - np.median(y)) / 2, weight if weighted else None)
    return Problem(Huber(EPSILON), data, L2(0.3), Control(1e-10, 1000))


def folds(n, k=5, seed=0):
    fold = np.random.default_rng(seed).permutation(n) % k
    return [np.flatnonzero(fold != j) for j in range(k)]


def by_itself(problem, rows, sigma, kappa):
    counts = np.bincount(rows, minlength=problem.data.n_rows)
    own = problem.data.subset(np.flatnonzero(counts))
    weight = counts[counts > 0] * (1.0 if own.weight is None else own.weight)
    part = replace(problem, data=own.with_target(own.y, weight))
    return (solve_joint(part, kappa) if sigma is None else solve_fixed(part, sigma)).x


def solve(problem, parts, sigma=None, kappas=None, kappa=0.7):
    """Fits to the parts; without sigma the scale is estimated along."""
    if sigma is None:
        found = solve_joint(problem, kappa)
        objective = problem.joint(kappa)
        kappas = [kappa] * len(parts) if kappas is None else kappas
    else:
        found, objective = solve_fixed(problem, sigma), problem.at(sigma)
    together = Parts(problem.data, parts)
    return together.solve(objective, found, kappas, Control(1e-10, 50)), together


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sigma", [None, SIGMA], ids=["joint", "fixed"])
def test_folds_are_what_they_are_by_themselves(sigma, weighted):
    problem = table(weighted=weighted)
    parts = folds(problem.data.n_rows)
    found, _ = solve(problem, parts, sigma)
    assert sum(one is not None for one in found) >= 3
    for one, rows in zip(found, parts, strict=True):
        if one is not None:
            assert one.optimality <= 1e-10
            assert_allclose(one.x, by_itself(problem, rows, sigma, 0.7), atol=1e-8)


@pytest.mark.parametrize("sigma", [None, SIGMA], ids=["joint", "fixed"])
def test_parts_that_overlap_or_hold_a_row_twice(sigma):
    problem, rng = table(), np.random.default_rng(1)
    n = problem.data.n_rows
    once = rng.permutation(n)[: n - n // 10]
    parts = [once, np.concatenate([np.arange(n), rng.integers(n, size=20)]), np.arange(3, n)]
    found, together = solve(problem, parts, sigma)
    assert not together.divided
    assert sum(one is not None for one in found) >= 2
    for one, rows in zip(found, parts, strict=True):
        if one is not None:
            assert_allclose(one.x, by_itself(problem, rows, sigma, 0.7), atol=1e-8)


def test_each_part_has_its_own_price_of_the_scale():
    problem = table()
    parts, kappas = folds(problem.data.n_rows), [0.69, 0.695, 0.7, 0.705, 0.71]
    found, _ = solve(problem, parts, kappas=kappas)
    for one, rows, kappa in zip(found, parts, kappas, strict=True):
        if one is not None:
            assert_allclose(one.x, by_itself(problem, rows, None, kappa), atol=1e-8)


def test_parts_unlike_the_whole_are_left_to_themselves():
    problem = table()
    far = np.argsort(problem.data.y)  # by size of y: nothing follows for these
    found, _ = solve(problem, [far[:300], far[300:]])
    assert found == [None, None]


def test_a_part_follows_only_if_no_row_may_have_crossed():
    """With a reach too short the rows are near enough, and the answer still is not given."""
    problem = table()
    parts = folds(problem.data.n_rows)
    found, objective = solve_joint(problem, 0.7), problem.joint(0.7)
    together = Parts(problem.data, parts)
    together.reach = np.array([1e-9, 1e-9])
    first = together.solve(objective, found, [0.7] * 5, Control(1e-10, 50))
    assert first == [None] * 5
    again = together.solve(objective, found, [0.7] * 5, Control(1e-10, 50))
    assert sum(one is not None for one in again) >= 3  # it has learnt how far they go
