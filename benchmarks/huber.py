"""Huber regression with its scale against peers, least squares and the bare normal equations.

Medians over repeated runs; the fits of a comparison run in turn on the same arrays. A tenth of the
targets is contaminated. scikit-learn's HuberRegressor and ``scale="concomitant"`` minimise the
same objective, whose value is compared. Peak memory is what a fit needs beyond its input.

Run with ``python benchmarks/huber.py``.
"""

from __future__ import annotations

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
from sklearn.linear_model import HuberRegressor as SklearnHuber
from sklearn.linear_model import LinearRegression, Ridge

from robustreg import HuberRegressor

EPSILON, ALPHA = 1.35, 1e-4
OURS, THEIRS, LEAST, BARE = (
    "robustreg, concomitant",
    "scikit-learn Huber",
    "LinearRegression",
    "normal equations",
)
#: statsmodels needs a minute and more for larger tables
LARGEST = 2_000_000


def estimator(model):
    def fit(table: Table) -> Fit:
        model.fit(table.X, table.y)
        return Fit(model.coef_, model.intercept_, getattr(model, "scale_", np.nan))

    return fit


def normal_equations(table: Table) -> Fit:
    X, y = table.X, table.y
    return Fit(np.linalg.solve(X.T @ X, X.T @ y), 0.0, np.nan)


def rlm(table: Table) -> Fit:
    import statsmodels.api as sm

    found = sm.RLM(table.y, table.with_ones, sm.robust.norms.HuberT(1.345)).fit()
    return Fit(found.params[:-1], found.params[-1], np.nan)


def objective(fit: Fit, table: Table) -> float:
    """What scikit-learn's HuberRegressor minimises."""
    r = np.abs(table.y - table.X @ fit.coef - fit.intercept) / fit.scale
    loss = np.where(r <= EPSILON, r**2, 2 * EPSILON * r - EPSILON**2)
    return float(fit.scale * (len(r) + loss.sum()) + ALPHA * fit.coef @ fit.coef)


def competitors(table: Table):
    fits = {
        BARE: normal_equations,
        OURS: estimator(HuberRegressor(scale="concomitant", epsilon=EPSILON, alpha=ALPHA)),
        "robustreg, default": estimator(HuberRegressor()),
        "robustreg, proposal2": estimator(HuberRegressor(scale="proposal2")),
        THEIRS: estimator(SklearnHuber(epsilon=EPSILON, alpha=ALPHA)),
        LEAST: estimator(LinearRegression()),
        "Ridge, cholesky": estimator(Ridge(alpha=ALPHA, solver="cholesky")),
    }
    if table.X.size <= LARGEST:
        fits["statsmodels RLM"] = rlm
    return fits


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    shapes = [(100_000, 20), (200_000, 50), (1_000_000, 20), (100_000, 300)]
    summary = []
    for n, p in [(2_000, 5)] if chosen.quick else shapes:
        table = make_table(n, p)
        found = in_turn(competitors(table), table, quick=chosen.quick)
        best = min(objective(found[name].fit, table) for name in (OURS, THEIRS))
        rows = []
        for name, one in found.items():
            same = name in (OURS, THEIRS)
            value = above(objective(one.fit, table), best) if same else "-"
            ratios = (
                times(one.seconds / found[BARE].seconds),
                times(one.seconds / found[OURS].seconds),
            )
            rows.append([name, milliseconds(one.seconds), *ratios, value, size(one.peak)])
        head = [
            "fit",
            "time",
            "relative to normal equations",
            "relative to ours",
            "objective above the best",
            "peak memory",
        ]
        report.table(f"{table.shape}, X of {size(table.X.nbytes)}", head, rows)
        mine = found[OURS].seconds
        gains = [times(found[name].seconds / mine) for name in (THEIRS, LEAST)]
        summary.append([table.shape, milliseconds(mine), times(mine / found[BARE].seconds), *gains])
    head = [
        "data",
        "robustreg",
        "relative to normal equations",
        "scikit-learn HuberRegressor, times as long",
        "LinearRegression, times as long",
    ]
    report.table("Summary: Huber", head, summary)
    report.close()


if __name__ == "__main__":
    main()
