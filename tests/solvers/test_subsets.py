"""Starts: nonsingular, the same for weights and repetitions, all of them where they are few."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from robustreg.solvers._subsampling import Grams
from robustreg.solvers._subsets import (
    Sample,
    _medians,
    _ranks,
    beside,
    deterministic_starts,
    merged,
    nonsingular,
    starts,
)


def test_rows_drawn_are_independent_whatever_the_factor():
    rng = np.random.default_rng(0)
    level = np.append(np.arange(7), rng.integers(0, 2, size=80))  # five levels with one row each
    A = np.column_stack([np.eye(7)[level], rng.normal(size=(87, 2))])
    sample = merged(A, rng.normal(size=87), None)
    rows, whole = nonsingular(sample, rng.random((300, 9)))
    assert whole.all()
    assert np.linalg.matrix_rank(sample.A[rows]).min() == 9
    found, _ = starts(sample, 300, rng)
    assert len(found) == 300


def test_rows_that_span_too_little_are_told():
    A = np.column_stack([np.ones(20), np.ones(20), np.arange(20)])
    _, whole = nonsingular(merged(A, np.zeros(20), None), np.random.default_rng(0).random((5, 3)))
    assert not whole.any()


def test_weights_and_repetitions_draw_the_same():
    rng = np.random.default_rng(1)
    A, y, weight = rng.normal(size=(60, 4)), rng.normal(size=60), rng.integers(1, 5, size=60)
    rows = rng.permutation(np.repeat(np.arange(60), weight))
    one = merged(A, y, weight.astype(float))
    other = merged(A[rows], y[rows], None)
    for mine, theirs in zip(one, other, strict=True):
        assert_array_equal(mine, theirs)


def test_few_subsets_are_all_taken():
    rng = np.random.default_rng(2)
    sample = merged(rng.normal(size=(12, 3)), rng.normal(size=12), None)
    found, exhaustive = starts(sample, "auto", rng)
    assert exhaustive
    assert len(found) == math.comb(12, 3)
    on = np.abs(sample.y[:, None] - sample.A @ found.T) < 1e-9
    assert_array_equal(on.sum(axis=0), 3)
    assert not starts(sample, 50, rng)[1]


def test_deterministic_starts_withstand_contamination():
    rng = np.random.default_rng(3)
    A = np.column_stack([rng.normal(size=(200, 5)), np.ones(200)])
    y = A.sum(axis=1) + 0.1 * rng.normal(size=200)
    A[:60, :5], y[:60] = 20 + rng.normal(size=(60, 5)), -50
    error = np.abs(deterministic_starts(merged(A, y, None)) - 1).max(axis=1)
    assert error.min() < 0.1
    assert_allclose(deterministic_starts(merged(A, y, np.full(200, 3.0)))[0],
                    deterministic_starts(merged(A, y, None))[0])  # fmt: skip


def test_planes_beside_a_fit_pass_through_rows_that_it_leaves_out():
    rng = np.random.default_rng(3)
    A = np.column_stack([rng.normal(size=(50, 2)), np.ones(50)])
    theta, residual = np.array([1.0, 2.0, 3.0]), 0.1 * rng.normal(size=50)
    residual[:3], residual[3:5] = 50.0, 60.0
    A[3:5, :2] = [[1e9, 3e8], [-1e9, 1e9]]  # only these cost next to nothing
    y = A @ theta + residual
    sample, residual = Sample(A, y, np.ones(50)), y - A @ theta
    found = beside(sample, theta, residual, 0.1, 10)
    assert found.shape == (2, 3)
    near = np.abs(y[3:5, None] - A[3:5] @ found.T).min(axis=0)
    assert np.all(near < 1e-5)
    assert_allclose(found, np.tile(theta, (2, 1)), atol=1e-6)
    assert beside(sample, theta, residual, 0.1, 1).shape == (1, 3)
    assert beside(sample, theta, residual, 1e3, 10).shape == (0, 3)


def test_a_pivot_of_exactly_zero_is_no_error():
    rng = np.random.default_rng(4)
    grams = Grams(Sample(rng.normal(size=(9, 2)), np.zeros(9), np.ones(9)))
    right = rng.normal(size=(2, 2))
    right[:, 0] = 3.0
    gram = grams(np.ones((9, 2)))
    gram[0] = 1.0 + 1e-15 * (1.0 - np.eye(2))  # off the diagonal what is added to it
    sound = gram[1].copy()
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.solve(gram[0] + 1e-15 * np.eye(2), right[:, 0])
    found = grams.solve(gram, right)
    assert_allclose(found[:, 0], 1.5)
    assert_allclose(sound @ found[:, 1], right[:, 1])


@pytest.mark.parametrize("m", [56, 57])
def test_medians_and_ranks_of_columns_are_those_of_repeated_rows(m):
    rng = np.random.default_rng(m)
    Z, weight = rng.integers(0, 9, (m, 4)).astype(float), rng.integers(1, 4, m)
    for count in (np.ones(m, dtype=int), weight):
        repeated = np.repeat(Z, count, axis=0)
        assert_array_equal(_medians(Z, count.astype(float)), np.median(repeated, axis=0))
        ranks = np.repeat(_ranks(Z, count.astype(float)), count, axis=0)
        assert_array_equal(ranks, rankdata(repeated, axis=0) - 0.5)
