"""Gram matrices between classes: the same by all pairs, and by those whose rates are not zero."""

from unittest.mock import patch

import numpy as np
import pytest

from robustreg import passes
from robustreg.data import Block


def curvatures(X, rates):
    """Sum ``diag(r) - r r' / sum(r)`` times the products of a row with itself."""
    total = rates.sum(axis=1)
    total[total == 0] = 1.0
    own = (
        np.eye(rates.shape[1]) * rates[:, None]
        - rates[:, :, None] * (rates / total[:, None])[:, None]
    )
    return np.einsum("nab,ni,nj->aibj", own, X, X)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize(("n", "p", "k"), [(1, 3, 2), (50, 3, 2), (1200, 16, 17)])
@pytest.mark.parametrize("sparse", [0.0, 2.0])
def test_rates_that_are_zero_are_left_out(n, p, k, share, sparse):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    rates = rng.uniform(size=(n, k)) * (rng.uniform(size=(n, k)) < share)
    block = Block(X, np.zeros(n), None)
    with patch.object(passes, "SPARSE", sparse):
        found = passes.between(block, rates)
    wanted = curvatures(np.column_stack([X, np.ones(n)]) if block.apart else X, rates)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * (1 + np.abs(wanted).max()))
