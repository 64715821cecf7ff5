"""What the benchmarks share: tables of data, timing in turns, peak memory, Markdown.

Nothing here is tuned for one library. All fits of a comparison get the same arrays and run in one
process in turn, so that whatever else the machine does disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from robustreg.data import Passes

RESULTS = Path(__file__).parent / "results"
#: Seconds after which a fit is not repeated, and rounds at the most.
BUDGET, ROUNDS = 3.0, 9
#: Seconds before each fit. The threads that BLAS had in the one before wait busily for a while, and that
#: is nobody else's cost.
REST = 0.1
MIB = 2**20
#: Between a number and its unit, so that a narrow column does not part them.
NARROW = "\N{NO-BREAK SPACE}"


# --- Data -------------------------------------------------------------------------------------


@dataclass
class Table:
    """Rows to fit: ``y = X @ slope + 1 + error``, some errors far off."""

    X: Any
    y: np.ndarray

    @property
    def shape(self) -> str:
        n, p = self.X.shape
        return f"{n:,} x {p:,}"

    @cached_property
    def with_ones(self) -> Any:
        """X with a column of ones, for those who fit no intercept of their own."""
        if sp.issparse(self.X):
            return sp.hstack([self.X, np.ones((len(self.y), 1))], format="csr")
        return np.column_stack([self.X, np.ones(len(self.y))])

    def head(self, n: int) -> Table:
        return Table(self.X[:n].copy(), self.y[:n])


def make_table(
    n: int,
    p: int,
    *,
    contamination: float = 0.1,
    condition: float = 1.0,
    dtype: Any = np.float64,
    order: str = "C",
    out: np.ndarray | None = None,
) -> Table:
    """Make normal columns of a given condition number, and targets of which a share is far off.

    The far ones lie on one side, 10 sigma away on average: they pull, and do not cancel. The rows
    are made some at a time, so that nothing of the size of X is needed beside it.
    """
    rng = np.random.default_rng(0)
    slope = rng.standard_normal(p)
    turn = np.linalg.qr(rng.standard_normal((p, p)))[0] if condition > 1 else np.eye(p)
    mix = np.geomspace(1, 1 / condition, p)[:, None] * turn
    X = np.empty((n, p), dtype, order=order) if out is None else out
    y = np.empty(n)
    for start in range(0, n, 10_000):
        part = slice(start, min(start + 10_000, n))
        rows = rng.standard_normal((part.stop - part.start, p))
        X[part] = rows @ mix if condition > 1 else rows
        error = rng.standard_normal(len(rows))
        bad = rng.random(len(rows)) < contamination
        error[bad] = 10 + 10 * rng.standard_normal(bad.sum())
        y[part] = rows @ slope + 1 + error
    return Table(X, y)


# --- Time -------------------------------------------------------------------------------------


@dataclass
class Fit:
    """What a fit found; ``seconds`` only where it keeps its own time, in another process."""

    coef: np.ndarray
    intercept: float
    scale: float = 1.0
    seconds: float | None = None
    note: str = ""


@dataclass
class Timed:
    """Times of one competitor, its last fit, its peak memory beyond what there was, and all it took."""

    name: str
    times: list[float] = field(default_factory=list)
    fit: Any = None
    peak: float = float("nan")
    spent: float = 0.0

    @property
    def seconds(self) -> float:
        return median(self.times)


def in_turn(
    fits: dict[str, Callable[[Table], Any]], table: Table, *, quick: bool = False
) -> dict[str, Timed]:
    """Run all fits, again and again in the same order, and return what each took.

    The first round measures memory and counts as a time only for those that are too slow to be
    repeated. Before it everyone fits a few rows, so that imports and buffers are no one's cost.
    """
    timed = {name: Timed(name) for name in fits}
    table.with_ones  # noqa: B018
    few = table.head(max(200, 3 * table.X.shape[1]))
    for turn in range(2 if quick else ROUNDS + 1):
        for name, fit in fits.items():
            one = timed[name]
            if one.spent > BUDGET:
                continue
            if turn == 0:
                quiet(fit, few)
                settle = PeakMemory()
            time.sleep(REST)
            start = time.perf_counter()
            one.fit = quiet(fit, table)
            spent = time.perf_counter() - start
            if turn == 0:
                one.peak = settle.growth()
            one.spent += spent
            own = getattr(one.fit, "seconds", None)
            if turn > 0 or one.spent > BUDGET:
                one.times.append(spent if own is None else own)
    return timed


def quiet(fit: Callable[[Table], Any], table: Table) -> Any:
    """Fit without warnings; what they say shows in the objective reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(table)


# --- Memory -----------------------------------------------------------------------------------


class PeakMemory:
    """Growth of the resident memory of this process at its peak, from now on."""

    def __init__(self) -> None:
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # what others have freed is not there to be reused
            Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
        self.before = resident("VmRSS")

    def growth(self) -> float:
        """Bytes at the peak beyond those at the start."""
        return resident("VmHWM") - self.before


def resident(name: str) -> float:
    """Resident memory in bytes, now (VmRSS) or at the peak (VmHWM)."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def peak_alone(make: Callable[..., Table], fit: Callable[[Table], Any], *args: Any) -> float:
    """Peak memory of a fit beyond the table that ``make(*args)`` gives, in a fresh process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (make, fit, args))


def _peak(make: Callable[..., Table], fit: Callable[[Table], Any], args: tuple[Any, ...]) -> float:
    table = make(*args)
    quiet(fit, make_table(300, 3))
    memory = PeakMemory()
    quiet(fit, table)
    return memory.growth()


# --- What robustreg says of itself ------------------------------------------------------------


@contextmanager
def counting() -> Iterator[list[Passes]]:
    """Collect the pass counters of all tables that are prepared meanwhile."""
    made: list[Passes] = []

    def remember(self: Passes) -> None:
        self.count = 0.0
        made.append(self)

    with patch.object(Passes, "__init__", remember):
        yield made


# --- Words ------------------------------------------------------------------------------------


def options(text: str) -> argparse.Namespace:
    """Command line of every script."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--quick", action="store_true", help="tiny tables: only whether it runs")
    parser.add_argument(
        "--threads", type=int, help="threads of BLAS (default: as many as it takes)"
    )
    parser.add_argument("--output", type=Path, help="folder of the Markdown (default: results)")
    chosen = parser.parse_args()
    if chosen.threads:
        threadpool_limits(chosen.threads)
    if chosen.output is None and not chosen.quick:
        chosen.output = RESULTS
    return chosen


def machine() -> str:
    """One sentence about what all of this ran on."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = ", ".join(
        sorted({f"{p['internal_api']} with {p['num_threads']} threads" for p in pools})
    )
    names = ("robustreg", "numpy", "scipy", "scikit-learn", "statsmodels")
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores ({processor()}{load}), {blas}; "
        f"Python {platform.python_version()}, {libraries}."
    )


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def milliseconds(seconds: float) -> str:
    """Seconds as text, in the unit that reads best."""
    return f"{seconds:.3g}{NARROW}s" if seconds >= 1 else f"{1e3 * seconds:.3g}{NARROW}ms"


def times(ratio: float) -> str:
    """Return a ratio as text."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}"


def size(count: float) -> str:
    """Bytes as text."""
    return "-" if np.isnan(count) else f"{count / MIB:,.0f}{NARROW}MiB"


def above(value: float, best: float) -> str:
    """How far an objective is above the best one, relatively."""
    excess = (value - best) / abs(best)
    return "0" if excess < 1e-14 else f"{excess:.0e}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["--"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Report:
    """Sections that are printed as they come and written to a page at the end.

    The page begins with the second paragraph of the script's docstring.
    """

    def __init__(self, text: str, chosen: argparse.Namespace) -> None:
        self.name, self.folder = Path(sys.argv[0]).stem, chosen.output
        self.parts: list[str] = []
        self.begun = machine()
        self.say(" ".join(text.split("\n\n")[1].split()))

    def say(self, text: str) -> None:
        print(text, flush=True, end="\n\n")
        self.parts.append(text)

    def table(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        self.say(f"**{title}**\n\n{markdown(head, rows)}")

    def close(self) -> None:
        self.say(f"Measured on {self.begun}")
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.name}.md").write_text("\n\n".join(self.parts) + "\n", "utf-8")
