"""What standard errors cost, in times of the fit that they are of.

Medians of processor time, with one thread, over rounds in which all run in turn on the same arrays. A fit of least
squares makes one matrix of inner products of the columns; `classical` needs this one, `hc0` one more, weighted by squared
residuals, and `hc2` and `hc3` the leverages besides, which take twice as much arithmetic as such a matrix. statsmodels'
``OLS`` and ``RLM`` take part with a column of ones; their time is that of the fit with its standard errors. The last
table is of bootstraps, whose resamples are not fitted anew for MM but follow from one step each.

Run with ``python benchmarks/inference.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import statsmodels.api as sm
from _harness import Fit, Report, Table, in_turn, make_table, milliseconds, options, times
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from robustreg import (
    HuberRegressor,
    L2Regressor,
    LogisticClassifier,
    MMRegressor,
    QuantileRegressor,
)
from robustreg.inference import summarize

QUANTILE = partial(QuantileRegressor, quantile=0.9, alpha=0.0)


def ols(table: Table, kind: str) -> np.ndarray:
    return sm.OLS(table.y, table.with_ones).fit(cov_type=kind).bse


def rlm(table: Table) -> np.ndarray:
    return sm.RLM(table.y, table.with_ones, sm.robust.norms.HuberT()).fit().bse


#: name, estimator, and its covariances with the same standard errors by statsmodels, where it has them
MODELS: tuple[tuple[str, Callable, dict[str, Callable | None]], ...] = (
    (
        "least squares", L2Regressor,
        {"classical": partial(ols, kind="nonrobust")}
        | {kind: partial(ols, kind=kind.upper()) for kind in ("hc0", "hc2", "hc3")},
    ),
    (
        "Huber", partial(HuberRegressor, scale="mad", alpha=0.0),
        {"huber": rlm, "sandwich": None},
    ),
    ("quantile 0.9", QUANTILE, {"nid": None, "iid": None, "kernel": None}),
    ("MM", MMRegressor, {"avar1": None, "weighted": None}),
)  # fmt: skip
BOOTSTRAPS = (
    ("least squares", L2Regressor),
    ("Huber", HuberRegressor),
    ("L1", partial(QuantileRegressor, alpha=0.0)),
    ("MM", MMRegressor),
    ("MM, smdm", partial(MMRegressor, method="smdm")),
)


def timed(run: Callable[[Table], object], table: Table) -> Fit:
    """Processor time of a run; there is nothing else of it to compare."""
    start = time.process_time()
    run(table)
    return Fit(np.zeros(0), 0.0, seconds=time.process_time() - start)


def summaries(n: int, p: int, quick: bool) -> list[list[str]]:
    """Rows of the table of covariances."""
    rows = []
    table = make_table(n, p)
    for name, make, kinds in MODELS:
        model = make().fit(table.X, table.y)
        runs: dict[str, Callable] = {"fit": lambda t, make=make: make().fit(t.X, t.y)}
        for kind, theirs in kinds.items():
            runs[kind] = partial(summary, model=model, n=n, covariance=kind)
            if theirs is not None:
                runs[f"{kind}, statsmodels"] = theirs
        found = in_turn({key: partial(timed, run) for key, run in runs.items()}, table, quick=quick)
        fit = found["fit"].seconds
        for kind in kinds:
            taken, other = found[kind].seconds, found.get(f"{kind}, statsmodels")
            rows.append([
                name, f"`{kind}`", milliseconds(fit), milliseconds(taken), times(taken / fit),
                "-" if other is None else milliseconds(other.seconds),
                "-" if other is None else times(other.seconds / (fit + taken)),
            ])  # fmt: skip
    return rows


def summary(table: Table, *, model, n: int, **how) -> object:
    """Summarise a model that was fitted to a table of ``n`` rows; before the first round, one of a few of these."""
    if len(table.y) < n:
        model = clone(model).fit(table.X, table.y)
    return summarize(model, table.X, table.y, **how)


def bootstraps(n: int, p: int, n_resamples: int, quick: bool) -> list[list[str]]:
    """Rows of the table of bootstraps."""
    rows = []
    table = make_table(n, p)
    models = dict(BOOTSTRAPS) | {"logistic": partial(LogisticClassifier, alpha=0.0)}
    for name, make in models.items():
        two = name == "logistic"

        def of(t: Table, two: bool = two) -> Table:
            return Table(t.X, t.y > np.median(t.y)) if two else t

        model = make().fit(of(table).X, of(table).y)
        runs = {
            "fit": lambda t, make=make, of=of: make().fit(of(t).X, of(t).y),
            "bootstrap": lambda t, model=model, of=of: summary(
                of(t), model=model, n=n, covariance="bootstrap", n_resamples=n_resamples
            ),
        }  # fmt: skip
        found = in_turn({key: partial(timed, run) for key, run in runs.items()}, table, quick=quick)
        fit, taken = found["fit"].seconds, found["bootstrap"].seconds
        rows.append([
            name, f"{n_resamples:,}", milliseconds(fit), milliseconds(taken),
            times(taken / (fit * n_resamples)),
        ])  # fmt: skip
    return rows


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)  # processor time adds up over threads
    report, quick = Report(__doc__, chosen), chosen.quick
    n, p = (2_000, 5) if quick else (200_000, 50)
    head = [
        "estimator", "covariance", "fit", "summarize", "in fits", "statsmodels",
        "statsmodels takes, in times fit and summary",
    ]  # fmt: skip
    report.table(f"Covariances, {n:,} x {p}", head, summaries(n, p, quick))
    n, p, resamples = (200, 3, 99) if quick else (1_000, 10, 999)
    head = ["estimator", "resamples", "fit", "summarize", "a resample, in fits"]
    report.table(f"Bootstraps, {n:,} x {p}", head, bootstraps(n, p, resamples, quick))
    report.close()


if __name__ == "__main__":
    main()
