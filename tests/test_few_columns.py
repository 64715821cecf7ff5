"""Products of rows with matrices of few columns."""

import numpy as np
import pytest
import scipy.sparse as sp

from robustreg.few_columns import FEW, LEAST_ROWS, UNCOPIED, _parts, times, transposed_times

#: rows, columns and outputs: in one piece, in parts of different lengths, too wide for parts, with too many outputs
SHAPES = [(30, 4, 3), (1_100, 500, 3), (2_001, 100, 7), (40, 20_000, 2), (9_000, 20, FEW + 1)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("n", "p", "k"), SHAPES)
def test_products(n, p, k, order):
    rng = np.random.default_rng(n)
    X = np.asarray(rng.standard_normal((n, p)), order=order)
    few, gradient = rng.standard_normal((p, k)), rng.standard_normal((n, k))
    product, pulled = times(X, few), transposed_times(X, gradient)
    assert product.shape == (n, k)
    assert pulled.shape == (p, k)
    np.testing.assert_allclose(product, np.einsum("ij,jk->ik", X, few), atol=1e-11)
    np.testing.assert_allclose(pulled, np.einsum("ij,ik->jk", X, gradient), atol=1e-11)
    for j in range(k):
        np.testing.assert_allclose(times(X, few[:, j]), product[:, j], atol=1e-11)
        np.testing.assert_allclose(transposed_times(X, gradient[:, j]), pulled[:, j], atol=1e-11)


def test_sparse_rows_are_multiplied_as_they_are():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3_000, 200)) * (rng.random((3_000, 200)) < 0.1)
    few, gradient = rng.standard_normal((200, 4)), rng.standard_normal((3_000, 4))
    np.testing.assert_allclose(times(sp.csr_array(X), few), X @ few, atol=1e-12)
    np.testing.assert_allclose(
        transposed_times(sp.csr_array(X), gradient), X.T @ gradient, atol=1e-11
    )


@pytest.mark.parametrize(("n", "p", "k"), SHAPES)
def test_parts_are_all_rows_and_none_is_copied(n, p, k):
    parts = _parts(np.zeros((n, p)), np.zeros((p, k)))
    if parts:
        assert np.concatenate([np.arange(n)[part] for part in parts]).tolist() == list(range(n))
        lengths = [part.stop - part.start for part in parts]
        assert max(lengths) * p * k <= UNCOPIED
        assert min(lengths[:-1]) >= LEAST_ROWS
    assert bool(parts) == (n in (1_100, 2_001))


def test_columns_in_one_piece_are_multiplied_as_they_are():
    X = np.zeros((2_001, 100), order="F")
    assert not _parts(X, np.zeros((100, 7)))
    assert _parts(np.zeros((2_001, 200))[:, :100], np.zeros((100, 7)))
