"""How a fit grows with rows, columns, contamination and condition number, in time and passes over X.

Medians over repeated runs, in turn with the bare normal equations and scikit-learn's
LinearRegression. Times marked "relative" are divided by that of the normal equations. A pass over
a subsample counts by its share of the rows. The last line of the first section is read from a
memory-mapped file.

Run with ``python benchmarks/growth.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from _harness import (
    Report,
    Table,
    counting,
    in_turn,
    make_table,
    milliseconds,
    options,
    size,
    times,
)
from huber import BARE, LEAST, normal_equations
from sklearn.linear_model import LinearRegression

from robustreg import HuberRegressor, L1Regressor

HUBER, L1 = "Huber", "L1"


def counted(model, table: Table):
    """Fit and remember the passes over X that it took."""
    with counting() as made:
        model.fit(table.X, table.y)
    model.passes = sum(passes.count for passes in made)
    return model


def huber(table: Table) -> HuberRegressor:
    return counted(HuberRegressor(alpha=0), table)


def l1(table: Table) -> L1Regressor:
    return counted(L1Regressor(alpha=0), table)


def least_squares(table: Table) -> LinearRegression:
    return LinearRegression().fit(table.X, table.y)


FITS = {BARE: normal_equations, LEAST: least_squares, HUBER: huber, L1: l1}


def row(label: str, table: Table, quick: bool) -> list[str]:
    """Times, ratios, passes, certificates and memory for one table."""
    found = in_turn(FITS, table, quick=quick)
    bare, least = found[BARE].seconds, found[LEAST].seconds
    cells = [label, milliseconds(bare), times(least / bare)]
    for name in (HUBER, L1):
        one = found[name]
        cells += [
            milliseconds(one.seconds), times(one.seconds / bare), f"{one.fit.passes:.1f}",
            f"{one.fit.optimality_:.0e}", size(one.peak),
        ]  # fmt: skip
    return cells


def mapped(folder: str, n: int, p: int) -> Table:
    """Return a table whose X lies in a file."""
    path = Path(folder) / "X.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float64, (n, p))
    y = make_table(n, p, out=X).y
    X.flush()
    return Table(np.load(path, mmap_mode="r"), y)


def main() -> None:
    chosen = options(__doc__)
    report, quick = Report(__doc__, chosen), chosen.quick
    head = ["", BARE, f"{LEAST}, relative"]
    for name in (HUBER, L1):
        head += [name, "relative", "passes", "optimality_", "memory"]

    p = 20
    rows = [
        row(f"{n:,}", make_table(n, p), quick)
        for n in ([500, 2_000] if quick else [1_000, 10_000, 100_000, 1_000_000])
    ]
    with tempfile.TemporaryDirectory() as folder:
        n = 3_000 if quick else 3_000_000
        rows.append(row(f"{n:,}, in a file", mapped(folder, n, p), quick))
    report.table(f"Rows, of {p} columns", head, rows)

    n = 500 if quick else 20_000
    rows = [
        row(f"{p:,}", make_table(n, p), quick)
        for p in ([5, 50] if quick else [5, 20, 100, 300, 1_000])
    ]
    report.table(f"Columns, of {n:,} rows", head, rows)

    n = 1_000 if quick else 200_000
    rows = [
        row(f"{share:.0%}", make_table(n, 20, contamination=share), quick)
        for share in ([0.0, 0.4] if quick else [0.0, 0.1, 0.2, 0.3, 0.4])
    ]
    report.table(f"Share of targets far off, {n:,} x 20", head, rows)

    rows = [
        row(f"{condition:.0e}", make_table(n, 20, condition=condition), quick)
        for condition in ([1, 1e8] if quick else [1, 1e2, 1e4, 1e6, 1e8])
    ]
    report.table(f"Condition number of X, {n:,} x 20", head, rows)
    report.close()


if __name__ == "__main__":
    main()
