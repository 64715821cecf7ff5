"""How many of some rows do not depend on the others.

Few rows are asked by their decomposition. Of many sparse ones those are counted first that have an entry where no
other row has one. Of the rest it is not the inner products that are kept: conjugate gradients, which meet the rows by
their products alone, take from random combinations all that is not a combination of zero.

References
----------
Hestenes, M. R. and Stiefel, E. (1952). Methods of conjugate gradients for solving linear systems. Journal of Research
of the National Bureau of Standards 49, 409-436.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array, row_slices
from robustreg.data import diagonal
from robustreg.objective import Objective
from robustreg.solvers._unseen import rows_with_ones

#: rows whose inner products are taken at a time
SOME = 128
#: what a row adds to those before it, as a share of its square, that inner products show
ADDS = 1e-9
#: machine: with fewer rows their inner products are decomposed in half a second
FEW = 2000
#: a share of rows that have an entry of their own below which looking for more takes longer than it saves
SHARE = 1 / 64
#: random combinations that tell how many are zero: two if none is, or so many that some are to spare
PROBES, SPARE = (2, 16, 128), 4
#: what is left of a random combination of independent rows. One that has a part which is zero leaves that of a normal
#: number, which is below this once in ten thousand times, and of two once in a hundred million
NOTHING = 1e-4
#: and a combination that is no new one, as a share of the largest
ALIKE = 1e-2
#: steps at the most, and operations of a decomposition for each of an entry of the rows in all of them, so that they take
#: a tenth of its time (machine: at 5,000 x 8,000 with 2,300 entries a row)
MOST, WORTH = 500, 1500
#: machine: squares of so many entries are decomposed in a few hundredths of a second
CHEAP = 3e7


def rank_of(objective: Objective, rows: Array) -> int:
    """Return the rank of some rows, of very many its largest value."""
    q, dense = objective.size, objective.data.dense
    if not len(rows):
        return 0
    # repeated rows are many as well, and have the rank of one of each
    if len(rows) > 4 * q and not (dense and len(rows) * q**2 <= CHEAP):
        return q
    if not dense:
        return rank_of_sparse(objective.data.take_with_ones(rows, dense=False))
    X = rows_with_ones(objective, rows)
    return int(np.linalg.matrix_rank(X if len(X) <= q else np.linalg.qr(X, mode="r")))


def rank_of_sparse(rows: Any) -> int:
    """Return the rank of sparse rows in columns of size one: large ones are never made dense."""
    size = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = sp.csr_array(diagonal(1 / np.where(size > 0, size, 1.0)) @ rows)
    rows = rows if rows.shape[0] <= rows.shape[1] else rows.T.tocsr()
    alone, rows = _without_lonely(_distinct(rows))
    n = rows.shape[0]
    if n > FEW:
        for k in PROBES:
            zero = _zero_combinations(rows, k)
            if zero is None:
                break
            if zero == 0 or zero <= k - SPARE:
                return alone + int(n) - zero
    return alone + _rank_by_products(rows)


def _distinct(rows: Any) -> Any:
    """Return the rows without those that are zero, or equal to one before."""
    rows.eliminate_zeros()
    rows.sort_indices()
    rows = rows[np.flatnonzero(np.diff(rows.indptr))]
    # equal rows, and no others, have equal products with random numbers
    mark = rows @ np.random.default_rng(0).standard_normal((rows.shape[1], 2))
    first = np.unique(mark, axis=0, return_index=True)[1]
    return rows[np.sort(first)]


def _without_lonely(rows: Any) -> tuple[int, Any]:
    """Count rows that have an entry where no other row has one, and return the others, of which that is asked again."""
    count = 0
    while rows.shape[0]:
        single = np.bincount(rows.indices, minlength=rows.shape[1]) == 1
        own = single[rows.indices] & (rows.data**2 >= ADDS)
        lonely = np.zeros(rows.shape[0], dtype=bool)
        lonely[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[own]] = True
        some = int(np.count_nonzero(lonely))
        if some <= SHARE * rows.shape[0]:
            break
        count, rows = count + some, rows[np.flatnonzero(~lonely)]
    return count, rows


def _zero_combinations(rows: Any, k: int) -> int | None:
    """Return how many independent combinations of rows are zero, as far as ``k`` random ones tell.

    None where that takes too many products.
    """
    start = np.random.default_rng(1).standard_normal((rows.shape[0], k))
    columns, gone = rows.T.tocsr(), np.zeros(k, dtype=bool)
    # what is left of the combinations, its products with all rows, and the direction in which more is taken away
    left, rest = start, rows @ (columns @ start)
    step, square = rest, np.einsum("ij,ij->j", rest, rest)
    most = min(MOST, int(len(start) ** 3 / (WORTH * rows.nnz * k)))
    for _ in range(most):
        size = np.einsum("ij,ij->j", left, left)
        gone = size <= NOTHING**2
        if (gone | (np.einsum("ij,ij->j", left, rest) <= ADDS * size)).all():
            break
        bent = rows @ (columns @ step)
        curvature = np.einsum("ij,ij->j", step, bent)
        length = np.divide(square, curvature, out=np.zeros(k), where=curvature > 0)
        left, rest = left - length * step, rest - length * bent
        now = np.einsum("ij,ij->j", rest, rest)
        step = rest + np.divide(now, square, out=np.zeros(k), where=square > 0) * step
        square = now
    else:
        return None
    if gone.all():
        return 0
    values = scipy.linalg.svdvals(left, check_finite=False)
    return int(np.count_nonzero(values > ALIKE * values[0]))


def _rank_by_products(rows: Any) -> int:
    """Return the rank of rows by all their inner products."""
    if not rows.shape[0]:
        return 0
    inner, columns = np.empty((rows.shape[0],) * 2), rows.T.tocsr()
    for part in row_slices(len(inner), SOME):  # a sparse product takes more memory than a dense one
        inner[part] = (rows[part] @ columns).toarray()
    # symmetric, so that columns may be rows: no copy of it is made
    return int(scipy.linalg.lapack.dpstrf(inner.T, tol=ADDS, overwrite_a=True)[2])
