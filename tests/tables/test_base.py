"""Sums over numbered parts: the same bits whoever has which."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from robustreg.tables import Local, Part, join, nodes_of, stack


@settings(derandomize=True, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 1000))
def test_sum_has_the_same_bits_whoever_holds_the_parts(n, holders, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n) * 10.0 ** rng.integers(-8, 8, size=n)
    leaves = [(i, (v,)) for i, v in enumerate(values)]
    (alone,) = join(nodes_of(leaves))
    owner = rng.integers(holders, size=n)
    shares = [
        nodes_of(leaf for leaf, at in zip(leaves, owner, strict=True) if at == k)
        for k in range(holders)
    ]
    rng.shuffle(shares)
    (together,) = join(node for nodes in shares for node in nodes)
    assert together == alone


def test_neighbours_are_few_subtrees():
    assert len(nodes_of((i, (1.0,)) for i in range(512))) == 1
    assert len(nodes_of((i, (1.0,)) for i in range(5, 500))) < 20


def test_what_is_stacked_keeps_the_order_of_the_parts():
    leaves = [(i, (np.array([i]),)) for i in range(7)]
    mixed = nodes_of(leaves[1::2], stack) + nodes_of(leaves[::2], stack)
    assert_array_equal(join(mixed, stack)[0], np.arange(7))


def test_table_counts_rows_and_weights():
    part = Part(np.zeros((3, 2)), np.zeros(3), np.array([1.0, 2.0, 0.5]))
    table = Local([part, part])
    assert (table.n_rows, table.n_features, table.total) == (6, 2, pytest.approx(7.0))
