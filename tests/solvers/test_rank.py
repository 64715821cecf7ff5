"""Ranks of sparse rows are those of their decomposition, however they are found."""

from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp

from robustreg.solvers import _rank
from robustreg.solvers._rank import rank_of_sparse


def some_rows(n, p, entries=12, seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.integers(p, size=n * entries)
    values = rng.normal(size=n * entries)
    return sp.csr_array((values, columns, np.arange(0, n * entries + 1, entries)), shape=(n, p))


def dummies(n, levels, seed=0):
    rng = np.random.default_rng(seed)
    parts = [
        sp.csr_array((np.ones(n), rng.integers(k, size=n), np.arange(n + 1)), shape=(n, k))
        for k in levels
    ]
    return sp.csr_array(sp.hstack([*parts, np.ones((n, 1))]))


def beside_combinations(n, p, k):
    rows = some_rows(n, p)
    return sp.csr_array(sp.vstack([rows, some_rows(k, n, 3, seed=1) @ rows]))


def zipf(n, p):
    rng = np.random.default_rng(0)
    columns = np.minimum(rng.zipf(1.3, size=n * 20) - 1, p - 1)
    rows = sp.csr_array((np.ones(n * 20), columns, np.arange(0, n * 20 + 1, 20)), shape=(n, p))
    rows.sum_duplicates()
    return rows


TABLES = {
    "independent": some_rows(500, 2000),
    "more rows than columns": some_rows(1500, 400),
    "three depend on others": beside_combinations(500, 2000, 3),
    "many depend on others": beside_combinations(400, 2000, 60),
    "dummies": dummies(900, (150, 200)),
    "equal and empty rows": sp.csr_array(
        sp.vstack([some_rows(300, 900), some_rows(200, 900), sp.csr_array((20, 900))])
    ),
    "words": zipf(700, 5000),
    "chain": sp.csr_array(sp.eye(500, 501) - sp.eye(500, 501, k=1)),
    "units": sp.csr_array(some_rows(300, 900) @ sp.diags(10.0 ** np.linspace(-2, 2, 900))),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("few", "worth"), [(0, 1e-3), (2000, 1500)])
def test_rank_is_that_of_a_decomposition(name, few, worth):
    rows = TABLES[name]
    size = np.linalg.norm(rows.toarray(), axis=1)
    dense = rows.toarray() / np.where(size > 0, size, 1.0)[:, None]
    expected = np.linalg.matrix_rank(dense, tol=1e-4)
    with patch.object(_rank, "FEW", few), patch.object(_rank, "WORTH", worth):
        assert rank_of_sparse(rows.copy()) == expected


@pytest.mark.parametrize("zero", [0, 5])
def test_no_decomposition_of_many_rows_that_are_well_apart(zero):
    rows = some_rows(2500, 10000, 60)
    if zero:
        rows = sp.csr_array(sp.vstack([rows, some_rows(zero, 2500, 3, seed=1) @ rows]))
    # whatever inner products of so few rows take
    with (
        patch.object(_rank, "WORTH", 10),
        patch.object(_rank, "_rank_by_products", side_effect=AssertionError),
    ):
        assert rank_of_sparse(rows) == 2500
