"""Least absolute deviations and quantiles, exact, against peers and the bare normal equations.

Medians over repeated runs; the fits of a comparison run in turn on the same arrays. A tenth of the
targets is contaminated. A fit that takes longer than a few seconds runs once; those that need
minutes are left out. Peak memory is what a fit needs beyond its input. quantreg's ``rq`` (methods
"fn" and "pfn") is included where ``Rscript`` finds it; R measures its own time, without reading
the data, and uses its own BLAS.

Run with ``python benchmarks/l1.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from _harness import (
    Fit,
    Report,
    Table,
    above,
    in_turn,
    make_table,
    milliseconds,
    options,
    size,
    times,
)
from huber import normal_equations
from sklearn.linear_model import QuantileRegressor as SklearnQuantile
from statsmodels.regression.quantile_regression import QuantReg

from robustreg import L1Regressor, QuantileRegressor

BARE, OURS, THEIRS = "normal equations", "robustreg", "scikit-learn QuantileRegressor"
STATSMODELS, FN, PFN = "statsmodels QuantReg", "quantreg fn", "quantreg pfn"
#: scikit-learn and statsmodels need minutes for larger tables
LARGEST = 400_000

RQ = """
suppressMessages(library(quantreg))
given <- commandArgs(TRUE)
n <- as.integer(given[2]); p <- as.integer(given[3]); tau <- as.numeric(given[4])
file <- file(given[1], "rb")
X <- matrix(readBin(file, "double", n * p), n, p); y <- readBin(file, "double", n)
invisible(gc())
start <- proc.time()[["elapsed"]]
found <- rq.fit(X, y, tau = tau, method = given[5])
cat(proc.time()[["elapsed"]] - start, found$coefficients)
"""


def ours(table: Table, quantile: float) -> Fit:
    model = (
        L1Regressor(alpha=0) if quantile == 0.5 else QuantileRegressor(quantile=quantile, alpha=0)
    )
    model.fit(table.X, table.y)
    return Fit(model.coef_, model.intercept_)


def scikit_learn(table: Table, quantile: float) -> Fit:
    model = SklearnQuantile(quantile=quantile, alpha=0).fit(table.X, table.y)
    return Fit(model.coef_, model.intercept_)


def statsmodels(table: Table, quantile: float) -> Fit:
    found = QuantReg(table.y, table.with_ones).fit(q=quantile).params
    return Fit(found[:-1], found[-1])


def quantreg(table: Table, quantile: float, method: str) -> Fit:
    """Fit in R, which says how long ``rq.fit`` took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        with path.open("wb") as file:
            file.write(np.asfortranarray(table.with_ones).tobytes("F"))
            file.write(table.y.tobytes())
        n, p = table.with_ones.shape
        command = ["Rscript", "-e", RQ, str(path), str(n), str(p), str(quantile), method]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, *found = map(float, said.split())
    return Fit(np.array(found[:-1]), found[-1], seconds=seconds)


def r_versions() -> str:
    """Return what R takes part with; nothing where it cannot."""
    if shutil.which("Rscript") is None:
        return ""
    ask = """
        blas <- normalizePath(extSoftVersion()[["BLAS"]])
        cat(as.character(packageVersion("quantreg")), basename(dirname(blas)))
    """
    return subprocess.run(
        ["Rscript", "-e", ask], capture_output=True, text=True, check=False
    ).stdout


def objective(fit: Fit, table: Table, quantile: float) -> float:
    """Sum of pinball losses."""
    r = table.y - table.X @ fit.coef - fit.intercept
    return float(np.maximum(quantile * r, (quantile - 1) * r).sum())


def competitors(table: Table, quantile: float, with_r: bool):
    fits = {BARE: normal_equations, OURS: partial(ours, quantile=quantile)}
    if table.X.size <= LARGEST:
        fits[THEIRS] = partial(scikit_learn, quantile=quantile)
        fits[STATSMODELS] = partial(statsmodels, quantile=quantile)
    if with_r:
        fits[FN] = partial(quantreg, quantile=quantile, method="fn")
        fits[PFN] = partial(quantreg, quantile=quantile, method="pfn")
    return fits


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    with_r = r_versions()
    cases = [
        (5_000, 20, 0.5), (20_000, 20, 0.5), (200_000, 50, 0.5), (1_000_000, 20, 0.5),
        (5_000, 20, 0.9), (200_000, 50, 0.9),
    ]  # fmt: skip
    summary = []
    for n, p, quantile in [(1_000, 5, 0.9)] if chosen.quick else cases:
        table = make_table(n, p)
        found = in_turn(competitors(table, quantile, bool(with_r)), table, quick=chosen.quick)
        values = {
            name: objective(one.fit, table, quantile) for name, one in found.items() if name != BARE
        }
        mine, rows = found[OURS].seconds, []
        for name, one in found.items():
            value = above(values[name], min(values.values())) if name in values else "-"
            ratios = times(one.seconds / found[BARE].seconds), times(one.seconds / mine)
            peak = "-" if "quantreg" in name else size(one.peak)
            rows.append([name, milliseconds(one.seconds), *ratios, value, peak])
        head = [
            "fit",
            "time",
            "relative to normal equations",
            "relative to ours",
            "objective above the best",
            "peak memory",
        ]
        title = f"{table.shape}, quantile {quantile}, X of {size(table.X.nbytes)}"
        report.table(title, head, rows)
        peers = [
            times(found[name].seconds / mine) if name in found else "-"
            for name in (THEIRS, FN, PFN)
        ]
        summary.append(
            [
                f"{table.shape}, {quantile}",
                milliseconds(mine),
                times(mine / found[BARE].seconds),
                *peers,
            ]
        )
    head = [
        "data, quantile",
        "robustreg",
        "relative to normal equations",
        "scikit-learn, times as long",
        "quantreg fn, times as long",
        "quantreg pfn, times as long",
    ]
    report.table("Summary: L1 and quantiles", head, summary)
    if with_r:
        report.say("quantreg {}, with the BLAS {}.".format(*with_r.split()))
    report.close()


if __name__ == "__main__":
    main()
