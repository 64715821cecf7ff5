"""Fits to Dask collections on a cluster of this machine, beside the same fits in memory.

Two worker processes of one thread each hold the partitions. "CPU" is the time that the processors spent on a fit:
that of this process, in which Dask's scheduler runs too, and of both workers. "Elapsed" also depends on what else the
machine does. Each is the shorter of two. Passes are all that read the rows, the one that fetches a sample included. "Up" is
what is sent to the workers, "down" what comes back. The last column is the largest difference of a coefficient from the
fit in memory, over the largest coefficient. Where dask-ml is installed its L-BFGS stands beside.

Run with ``python benchmarks/scale_out.py``.
"""

from __future__ import annotations

import pickle
import time
import warnings
from typing import Any, NamedTuple, Self

import dask.array as da
import numpy as np
from _harness import Report, milliseconds, options, times
from distributed import Client, LocalCluster, wait
from sklearn.base import clone, is_classifier
from threadpoolctl import threadpool_limits

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
)
from robustreg.tables import _dask

MODELS = [
    L2Regressor(),
    HuberRegressor(scale="proposal2"),
    HuberRegressor(),
    L1Regressor(),
    QuantileRegressor(quantile=0.75, alpha=0.0),
    LogisticClassifier(),
    HingeClassifier(),
]


PARTITIONS = (16, 64, 512)
HEAD = [
    "fit", "partitions", "CPU", "in memory", "times", "elapsed", "in memory", "times", "passes", "up", "down", "difference",
]  # fmt: skip


class Counted:
    """Counts passes and bytes of a table while it is entered."""

    def __enter__(self) -> Self:
        self.passes, self.up, self.down = 0, 0, 0
        self._reduce, self._gathered = _dask.DaskTable.reduce, _dask.gathered
        counted = self

        def reduce(table: Any, function: Any, combine: Any = _dask.add) -> Any:
            counted.passes += 1
            counted.up += len(table._held) * len(pickle.dumps((function, combine)))
            return counted._reduce(table, function, combine)

        def gathered(client: Any, futures: list[Any]) -> list[Any]:
            found: list[Any] = counted._gathered(client, futures)
            counted.down += len(pickle.dumps(found))
            return found

        _dask.DaskTable.reduce, _dask.gathered = reduce, gathered  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        _dask.DaskTable.reduce, _dask.gathered = self._reduce, self._gathered  # type: ignore[method-assign]


class Spent(NamedTuple):
    """Seconds of a call.

    Parameters
    ----------
    cpu, elapsed : float
        On all processors, and on the clock.
    """

    cpu: float
    elapsed: float


def spent(client: Any, call: Any, *args: Any) -> tuple[Spent, Any]:
    """Return the shorter times of two calls, with those of the workers, and what the last returns."""

    def cpu() -> float:
        return time.process_time() + sum(client.run(time.process_time).values())

    taken, found = [], None
    for _ in range(2):
        start = cpu(), time.perf_counter()
        found = call(*args)
        elapsed = time.perf_counter() - start[1]
        taken.append((cpu() - start[0], elapsed))
    return Spent(*np.min(taken, axis=0).tolist()), found


def compare(client: Any, X: Any, targets: list[Any], partitions: int, local: Any) -> list[Any]:
    """Return a row for each model, given those in memory and their times."""
    chunks = -(-len(X) // partitions)
    lazy = da.from_array(X, chunks=(chunks, X.shape[1])).persist()
    columns = [da.from_array(column, chunks=chunks).persist() for column in targets]
    wait([lazy, *columns])
    rows = []
    for model, (here, fitted) in zip(MODELS, local, strict=True):
        with Counted() as counted:
            there, found = spent(client, clone(model).fit, lazy, columns[is_classifier(model)])
        far = np.abs(found.coef_ - fitted.coef_).max() / np.abs(fitted.coef_).max()
        both = [
            cell
            for one, other in zip(there, here, strict=True)
            for cell in (milliseconds(one), milliseconds(other), times(one / other))
        ]
        rows.append([
            f"`{model!r}`", str(partitions), *both, str(counted.passes // 2), f"{counted.up / 2e3:.0f} kB",
            f"{counted.down / 2e6:.1f} MB", f"{far:.0e}",
        ])  # fmt: skip
        print(rows[-1], flush=True)
    if partitions == PARTITIONS[0]:
        rows += _dask_ml(client, lazy, *columns)
    return rows


def _dask_ml(client: Any, X: Any, y: Any, label: Any) -> list[Any]:
    """Return rows of dask-ml by its L-BFGS: its default, ADMM, takes several times as long for fewer digits."""
    try:
        from dask_ml.linear_model import LinearRegression, LogisticRegression
    except ImportError as error:
        print(f"no dask-ml beside: {error}", flush=True)
        return []
    rows = []
    for kind, target in ((LinearRegression, y), (LogisticRegression, label)):
        there, _ = spent(client, kind(solver="lbfgs").fit, X, target)
        cells = [milliseconds(there.cpu), "-", "-", milliseconds(there.elapsed), *["-"] * 6]
        rows.append([f"dask-ml `{kind.__name__}`", str(PARTITIONS[0]), *cells])
    return rows


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)
    report = Report(__doc__, chosen)
    n, p = (20_000, 10) if chosen.quick else (1_000_000, 50)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.standard_t(2, size=n)
    targets = [y, (y + rng.logistic(size=n) > 0).astype(int)]
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**how) as cluster, Client(cluster) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local = [
            spent(client, clone(model).fit, X, targets[is_classifier(model)]) for model in MODELS
        ]
        rows = [
            row
            for partitions in PARTITIONS
            for row in compare(client, X, targets, partitions, local)
        ]
    report.table(f"{n:,} x {p}", HEAD, rows)
    report.close()


if __name__ == "__main__":
    main()
