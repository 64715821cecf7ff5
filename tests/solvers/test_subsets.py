"""Starts: nonsingular, the same for weights and repetitions, all of them where they are few."""

import math

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from robustreg.solvers._subsets import deterministic_starts, merged, nonsingular, starts


def test_rows_drawn_are_independent_whatever_the_factor():
    rng = np.random.default_rng(0)
    level = np.append(np.arange(7), rng.integers(0, 2, size=80))  # five levels with one row each
    A = np.column_stack([np.eye(7)[level], rng.normal(size=(87, 2))])
    sample = merged(A, rng.normal(size=87), None)
    rows, whole = nonsingular(sample, rng.random((300, 9)))
    assert whole.all()
    assert np.linalg.matrix_rank(sample.A[rows]).min() == 9
    found, _ = starts(sample, 300, rng)
    assert len(found) == 300 + 6


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
