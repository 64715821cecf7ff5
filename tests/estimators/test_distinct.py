"""Equal rows are put together, and the others sorted, from dense and from sparse rows alike."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from robustreg.estimators._distinct import distinct


@pytest.mark.parametrize("seed", range(40))
def test_rows_are_those_of_a_sorted_set_with_their_weights_added_up(seed):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(1, 40), rng.integers(1, 6)
    X = rng.integers(-1, 2, size=(n, p)).astype(float) * 10.0 ** rng.integers(-9, 9, size=p)
    y, weight = rng.integers(0, 3, size=n), np.append(1.0, rng.integers(0, 3, size=n - 1))
    wanted = {}
    for row, label, mass in zip(X.tolist(), y.tolist(), weight, strict=True):
        if mass > 0:
            wanted[label, *row] = wanted.get((label, *row), 0.0) + mass
    share = np.array([wanted[key] for key in sorted(wanted)])
    for form in (X, sp.csr_matrix(X), sp.coo_array(X)):
        rows, found = distinct(form, y, weight)
        assert [(label, *row) for label, row in zip(y[rows], X[rows], strict=True)] == sorted(
            wanted
        )
        found = np.ones(len(rows)) if found is None else found
        assert_array_equal(found, share / share.mean())


def test_entries_stored_as_zero_or_in_parts_are_what_they_add_up_to():
    parts = sp.csr_array(([1.0, 2.0, 0.0, 3.0, -0.0], [1, 1, 2, 1, 0], [0, 3, 5]), shape=(2, 3))
    rows, weight = distinct(parts, np.zeros(2), np.array([1.0, 2.0]))
    assert rows.tolist() == [0]
    assert weight is None
    assert parts.nnz == 5  # the user's own matrix is left as it is
