"""Sums over pairs by sorting, against pairs written out."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from robustreg.solvers._pairs import Pairs


@st.composite
def problems(draw):
    """Grades, queries, weights and scores of some rows, with ties among all of them."""
    n = draw(st.integers(2, 25))
    grade = draw(arrays(float, n, elements=st.integers(0, 6).map(float)))
    query = draw(arrays(np.int64, n, elements=st.integers(0, 2)))
    weight = draw(arrays(float, n, elements=st.integers(1, 3).map(float)))
    score = draw(arrays(float, n, elements=st.integers(-8, 8).map(lambda k: k / 4)))
    return grade, np.unique(query, return_inverse=True)[1].reshape(-1), weight, score


def listed(grade, query, weight, score):
    i, j = np.nonzero((query[:, None] == query) & (grade[:, None] > grade))
    return i, j, score[i] - score[j], weight[i] * weight[j]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(problems(), st.sampled_from([-0.25, 0.0, 0.5, 1.0]))
def test_sums_are_those_of_the_listed_pairs(problem, margin):
    grade, query, weight, score = problem
    pairs, (i, j, d, w) = Pairs(grade, query, weight), listed(*problem)
    assert pairs.total == w.sum()
    short = np.maximum(margin - d, 0.0)
    value, slope, active = pairs.hinge(score, margin)
    assert_allclose(value, w @ short, atol=1e-12)
    assert_allclose(active, w @ (d < margin))
    expected = np.zeros(len(score))
    np.add.at(expected, i, -w * (d < margin))
    np.add.at(expected, j, w * (d < margin))
    assert_allclose(slope, expected, atol=1e-12)
    value, slope = pairs.squared_hinge(score, margin)
    assert_allclose(value, w @ short**2, atol=1e-11)
    expected = np.zeros(len(score))
    np.add.at(expected, i, -2 * w * short)
    np.add.at(expected, j, 2 * w * short)
    assert_allclose(slope, expected, atol=1e-11)
    V = np.random.default_rng(0).normal(size=(len(score), 2))
    expected = np.zeros_like(V)
    moved = (w * (d < margin))[:, None] * (V[i] - V[j])
    np.add.at(expected, i, moved)
    np.add.at(expected, j, -moved)
    assert_allclose(pairs.laplacian(score, margin, V), expected, atol=1e-11)
    assert_allclose(pairs.laplacian(score, margin, V[:, 0]), expected[:, 0], atol=1e-11)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(problems())
def test_pairs_within_a_band_are_listed_once(problem):
    score = problem[3]
    pairs, (i, j, d, w) = Pairs(*problem[:3]), listed(*problem)
    low, high = -0.5, 0.75
    inside = (d >= low) & (d < high)
    first, second = pairs.listed(score, low, high, most=10_000)
    assert sorted(zip(first, second, strict=True)) == sorted(zip(i[inside], j[inside], strict=True))
    if inside.any():
        assert pairs.listed(score, low, high, most=int(inside.sum()) - 1) is None
    if len(d):
        share = (w @ (d > 0) + 0.5 * w @ (d == 0)) / w.sum()
        assert_allclose(pairs.concordance(score), share)


def test_blocks_hold_every_pair_once():
    rng = np.random.default_rng(0)
    grade, query = rng.integers(5, size=50).astype(float), rng.integers(3, size=50)
    seen = np.zeros((50, 50), int)
    for up, down in Pairs(grade, query).blocks():
        seen[np.ix_(up, down)] += 1
    assert_array_equal(seen, (query[:, None] == query) & (grade[:, None] > grade))
