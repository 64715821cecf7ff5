"""Peak memory of a fit beyond its input, each in a fresh process.

Growth of the resident memory during the fit, in MiB and relative to X, for arrays stored by row
(C) and by column (F), in double and single precision; then wide and sparse data, with the time of
the fit.

Run with ``python benchmarks/memory.py``.
"""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp
from _harness import Report, Table, make_table, milliseconds, options, peak_alone, quiet, size
from growth import huber, l1, least_squares
from sklearn.linear_model import HuberRegressor as SklearnHuber

from robustreg import HuberRegressor


def scikit_learn_huber(table: Table) -> SklearnHuber:
    return SklearnHuber().fit(table.X, table.y)


def huber_ridge(table: Table) -> HuberRegressor:
    return HuberRegressor(alpha=1.0).fit(table.X, table.y)


FITS = {
    "Huber": huber,
    "L1": l1,
    "scikit-learn Huber": scikit_learn_huber,
    "LinearRegression": least_squares,
}


def dense(n: int, p: int, dtype: str = "float64", order: str = "C") -> Table:
    return make_table(n, p, dtype=dtype, order=order)


def sparse(n: int, p: int, entries: int) -> Table:
    """Return rows with some entries each, at random places."""
    rng = np.random.default_rng(0)
    columns = rng.integers(p, size=n * entries, dtype=np.int32)
    pointer = np.arange(0, n * entries + 1, entries, dtype=np.int32)
    X = sp.csr_matrix((rng.standard_normal(n * entries), columns, pointer), shape=(n, p))
    X.sum_duplicates()
    error = rng.standard_normal(n)
    error[rng.random(n) < 0.1] += 10
    return Table(X, X @ rng.standard_normal(p) + 1 + error)


def bytes_of(X) -> int:
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes if sp.issparse(X) else X.nbytes


def seconds(fit, table: Table) -> float:
    start = time.perf_counter()
    quiet(fit, table)
    return time.perf_counter() - start


def main() -> None:
    chosen = options(__doc__)
    report, quick = Report(__doc__, chosen), chosen.quick

    n, p = (2_000, 50) if quick else (400_000, 50)
    kinds = [("float64", "C")] if quick else [(d, o) for d in ("float64", "float32") for o in "CF"]
    rows = []
    for dtype, order in kinds:
        whole = n * p * np.dtype(dtype).itemsize
        cells = [f"{dtype}, {order}", size(whole)]
        for fit in FITS.values():
            peak = peak_alone(dense, fit, n, p, dtype, order)
            cells.append(f"{size(peak)} ({peak / whole:.2f})")
        rows.append(cells)
    report.table(f"{n:,} x {p}, beyond X (and as a share of it)", ["X", "its size", *FITS], rows)

    wide = (50, 500) if quick else (500, 5_000)
    cases = [
        ("wide", f"{wide[0]} x {wide[1]:,}", dense, wide),
        ("sparse, 10 a row", *(("2,000 x 100", sparse, (2_000, 100, 10)) if quick else
                               ("1,000,000 x 10,000", sparse, (1_000_000, 10_000, 10)))),
    ]  # fmt: skip
    rows = []
    for kind, shape, make, args in cases:
        table = make(*args)
        whole = bytes_of(table.X)
        peak, spent = peak_alone(make, huber_ridge, *args), seconds(huber_ridge, table)
        memory = f"{size(peak)} ({peak / whole:.2f})"
        rows.append([f"{kind}, {shape}", size(whole), memory, milliseconds(spent)])
    report.table("Huber, alpha=1", ["X", "its size", "beyond it", "time"], rows)
    report.close()


if __name__ == "__main__":
    main()
