"""Fits to Dask collections on a cluster of this machine, beside the same fits in memory.

    python benchmarks/scale_out.py [n] [p]

Prints seconds, passes, bytes sent to the workers and back, and how far the coefficients are from those in
memory; and, where dask-ml is installed, its LinearRegression and LogisticRegression on the same data.
"""

from __future__ import annotations

import pickle
import sys
import time
import warnings
from typing import Any, Self

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
from sklearn.base import clone

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


def seconds(call: Any, *args: Any) -> tuple[float, Any]:
    """Return the shorter of two times, and what the call returns."""
    best, found = np.inf, None
    for _ in range(2):
        start = time.perf_counter()
        found = call(*args)
        best = min(best, time.perf_counter() - start)
    return best, found


def compare(client: Any, n: int, p: int, partitions: int) -> None:
    """Print a line for each model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.standard_t(2, size=n)
    label = (y + rng.logistic(size=n) > 0).astype(int)
    chunks = -(-n // partitions)
    lazy = da.from_array(X, chunks=(chunks, p)).persist()
    targets = [da.from_array(column, chunks=chunks).persist() for column in (y, label)]
    wait([lazy, *targets])
    print(f"{n} x {p} in {partitions} partitions")
    print("model | memory s | Dask s | passes | up kB | down MB | difference")
    for model in MODELS:
        is_class = hasattr(model, "class_weight")
        local_s, local = seconds(clone(model).fit, X, label if is_class else y)
        with Counted() as counted:
            dask_s, found = seconds(clone(model).fit, lazy, targets[is_class])
        far = np.abs(found.coef_ - local.coef_).max() / np.abs(local.coef_).max()
        print(
            f"{model!r} | {local_s:.2f} | {dask_s:.2f} | {counted.passes // 2} | {counted.up / 2e3:.0f} | "
            f"{counted.down / 2e6:.1f} | {far:.0e}",
            flush=True,
        )
    if partitions == PARTITIONS[0]:
        _dask_ml(lazy, *targets)


def _dask_ml(X: Any, y: Any, label: Any) -> None:
    """Print seconds of dask-ml by its L-BFGS: its default, ADMM, takes several times as long for fewer digits."""
    try:
        from dask_ml.linear_model import LinearRegression, LogisticRegression
    except ImportError:
        print("dask-ml is not installed")
        return
    for kind, target in ((LinearRegression, y), (LogisticRegression, label)):
        start = time.perf_counter()
        kind(solver="lbfgs").fit(X, target)
        print(f"dask-ml {kind.__name__} | | {time.perf_counter() - start:.2f}", flush=True)


def main() -> None:
    """Run on two worker processes."""
    n, p = (int(one) for one in [*sys.argv[1:], 1_000_000, 50][:2])
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**how) as cluster, Client(cluster) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for partitions in PARTITIONS:
            compare(client, n, p, partitions)


if __name__ == "__main__":
    main()
