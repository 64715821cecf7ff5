"""MM- and LTS-estimators against robustbase, and their growth with rows.

Medians of processor time, with one thread, over rounds in which all run in turn on the same arrays, a fifth of whose
rows is contaminated in X and in y. ``lmrob`` (MM with Tukey's loss, ``setting`` default) and ``ltsReg`` of R's package
robustbase take part where ``Rscript`` finds it; R keeps its time, without that of reading the data, and uses its own
BLAS. The scales are what the search found: a lower S-scale, or a lower scale of the trimmed squares before the reweighting, is
a better answer to the same question.

Run with ``python benchmarks/high_breakdown.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from _harness import Fit, Report, Table, in_turn, make_table, milliseconds, options, size, times
from threadpoolctl import threadpool_limits

from robustreg import HuberRegressor, LTSRegressor, MMRegressor

MM, LTS, HUBER = "MMRegressor", "LTSRegressor", "HuberRegressor"
LMROB, LTSREG = "lmrob", "ltsReg"
#: R needs minutes for larger tables
LARGEST = 3_000_000

R = """
suppressMessages(library(robustbase))
given <- commandArgs(TRUE)
n <- as.integer(given[2]); p <- as.integer(given[3])
file <- file(given[1], "rb")
X <- matrix(readBin(file, "double", n * p), n, p); y <- readBin(file, "double", n)
invisible(gc()); set.seed(1)
start <- sum(proc.time()[1:2])
if (given[4] == "lmrob") {
  found <- lmrob.fit(X, y, lmrob.control(compute.rd = FALSE, cov = "none"))
} else {
  found <- ltsReg(X[, -p], y, mcd = FALSE)  # it takes no constant column
  found$coefficients <- c(found$coefficients[-1], found$coefficients[1])
}
scale <- if (is.null(found$raw.scale)) found$scale else found$raw.scale
cat(sum(proc.time()[1:2]) - start, scale, found$coefficients)
"""


def contaminated(n: int, p: int) -> Table:
    """Make rows a fifth of which lie far out in X with another y."""
    table = make_table(n, p)
    bad = np.random.default_rng(1).random(n) < 0.2
    table.X[bad] += 10
    table.y[bad] = np.random.default_rng(2).standard_normal(int(bad.sum())) - 20
    return table


def ours(table: Table, model) -> Fit:
    start = time.process_time()
    model.fit(table.X, table.y)
    seconds = time.process_time() - start
    scale = getattr(model, "raw_scale_", model.scale_)
    return Fit(model.coef_, model.intercept_, scale, seconds=seconds)


def robustbase(table: Table, name: str) -> Fit:
    """Fit in R, which says how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        with path.open("wb") as file:
            file.write(np.asfortranarray(table.with_ones).tobytes("F"))
            file.write(table.y.tobytes())
        n, p = table.with_ones.shape
        command = ["Rscript", "-e", R, str(path), str(n), str(p), name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, scale, *found = map(float, said.split())
    return Fit(np.array(found[:-1]), found[-1], scale, seconds=seconds)


def r_version() -> str:
    """Return the version of robustbase; nothing where R does not find it."""
    if shutil.which("Rscript") is None:
        return ""
    ask = 'suppressMessages(library(robustbase)); cat(as.character(packageVersion("robustbase")))'
    done = subprocess.run(["Rscript", "-e", ask], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def compare(table: Table, with_r: bool, quick: bool) -> list[str]:
    """Times, scales and memory for one table."""
    fits = {
        HUBER: partial(ours, model=HuberRegressor()),
        MM: partial(ours, model=MMRegressor()),
        LTS: partial(ours, model=LTSRegressor()),
    }
    if with_r and table.X.size <= LARGEST:
        fits |= {name: partial(robustbase, name=name) for name in (LMROB, LTSREG)}
    found = in_turn(fits, table, quick=quick)
    mm, lts = found[MM], found[LTS]
    cells = [
        table.shape, milliseconds(mm.seconds), times(mm.seconds / found[HUBER].seconds),
        size(mm.peak), f"{mm.fit.scale:.5f}", milliseconds(lts.seconds), f"{lts.fit.scale:.5f}",
    ]  # fmt: skip
    for name, mine in ((LMROB, mm), (LTSREG, lts)):
        theirs = found.get(name)
        ratio = "-" if theirs is None else times(theirs.seconds / mine.seconds)
        cells += [ratio, "-" if theirs is None else f"{theirs.fit.scale:.5f}"]
    return cells


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)  # processor time adds up over threads
    report, quick = Report(__doc__, chosen), chosen.quick
    version = r_version()
    if version:
        report.say(f"robustbase {version}.")
    else:
        report.say(
            "Rscript with robustbase was not found: the comparison with lmrob and ltsReg is left out."
        )
    head = [
        "rows x columns", MM, f"in {HUBER}s", "memory", "S-scale", LTS, "raw scale",
        "lmrob takes, in times ours", "its scale", "ltsReg takes, in times ours", "its scale",
    ]  # fmt: skip
    shapes = [(50, 3), (1_000, 5)] if quick else [
        (50, 3), (200, 10), (1_000, 20), (10_000, 20), (100_000, 20), (1_000_000, 20),
    ]  # fmt: skip
    rows = [compare(contaminated(*shape), bool(version), quick) for shape in shapes]
    report.table("Time, and the scale that was found", head, rows)
    report.close()


if __name__ == "__main__":
    main()
