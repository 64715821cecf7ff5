"""Penalties with exact zeros against scikit-learn's at the same objectives, paths and searches.

Medians of processor time, with one thread, over repeated runs; the fits of a comparison run in turn on the same
arrays. One column in a hundred counts, and a tenth of the targets of the regressions is contaminated. alpha is a share of the least that leaves
no column in, .002 where it is weak. The tolerances of scikit-learn are such that both reach about the same objective. A fit that takes longer than a few
seconds runs once. liblinear would penalise an intercept: the classifiers fit none. skglm is compiled before it is timed.

Run with ``python benchmarks/penalties.py``.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import scipy.sparse as sp
from _harness import Fit, Report, Table, above, in_turn, make_table, milliseconds, options, times
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression
from sklearn.linear_model import QuantileRegressor as SklearnQuantile
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
)
from robustreg.model_selection import PathSearchCV, regularization_path

OURS, SKGLM = "robustreg", "skglm(tol=1e-8)"
#: peers that are compared where they are installed, by their cases
OPTIONAL = {"Huber L1": SKGLM}


def sparse_table(n: int, p: int, *, classes: bool = False, text: bool = False) -> Table:
    """Make columns of which one in a hundred counts, and targets or two classes."""
    rng = np.random.default_rng(0)
    slope = np.zeros(p)
    chosen = rng.choice(p, max(p // 100, 3), replace=False)
    slope[chosen] = rng.choice([-1.0, 1.0], len(chosen))
    if text:
        entries = 60
        columns = (p * rng.random((n, entries)) ** 3).astype(np.int32)  # few words are frequent
        X = sp.csr_array(
            (rng.exponential(size=n * entries), columns.ravel(), np.arange(0, n * entries + 1, entries, dtype=np.int32)),
            shape=(n, p),
        )  # fmt: skip
        X.sum_duplicates()
    else:
        X = make_table(n, p).X
    error = rng.standard_normal(n)
    if not classes:
        error[rng.random(n) < 0.1] += 10
    y = X @ slope + error
    return Table(X, (y > 0).astype(int) if classes else y + 1)


def timed(run) -> tuple[float, object]:
    """Return seconds of the processor and answer of one run."""
    start = time.process_time()
    answer = run()
    return time.process_time() - start, answer


def estimator(model):
    def fit(table: Table) -> Fit:
        seconds, _ = timed(lambda: model.fit(table.X, table.y))
        note = f"{model.optimality_:.0e}" if hasattr(model, "optimality_") else "-"
        intercept = float(np.ravel(model.intercept_)[0])
        return Fit(np.ravel(model.coef_), intercept, seconds=seconds, note=note)

    return fit


def squares(ratio: float):
    def case(table: Table):
        n = len(table.y)
        alpha = 0.1 * float(np.abs(table.X.T @ (table.y - table.y.mean())).max()) / ratio

        def value(fit: Fit) -> float:
            r = table.y - table.X @ fit.coef - fit.intercept
            penalty = ratio * np.abs(fit.coef).sum() + (1 - ratio) / 2 * fit.coef @ fit.coef
            return float(r @ r / 2 + alpha * penalty)

        kind = Lasso if ratio == 1 else ElasticNet
        theirs = kind(alpha=alpha / n, tol=1e-8, max_iter=100_000)
        if ratio < 1:
            theirs.set_params(l1_ratio=ratio)
        ours = L2Regressor(alpha=alpha, l1_ratio=ratio)
        return value, {OURS: ours, f"{kind.__name__}(tol=1e-8)": theirs}

    return case


def huber(table: Table):
    n, delta = len(table.y), 1.345
    slopes = np.clip(table.y - np.median(table.y), -delta, delta)
    alpha = 0.1 * float(np.abs(table.X.T @ slopes).max())

    def value(fit: Fit) -> float:
        size = np.abs(table.y - table.X @ fit.coef - fit.intercept)
        loss = np.where(size <= delta, size**2 / 2, delta * size - delta**2 / 2)
        return float(loss.sum() + alpha * np.abs(fit.coef).sum())

    models = {OURS: HuberRegressor(epsilon=delta, scale=1.0, alpha=alpha, l1_ratio=1.0)}
    try:
        from skglm import GeneralizedLinearEstimator
        from skglm.datafits import Huber
        from skglm.penalties import L1
        from skglm.solvers import AndersonCD
    except ImportError:
        return value, models
    solver = AndersonCD(tol=1e-8, fit_intercept=True, max_iter=1000)
    models[SKGLM] = GeneralizedLinearEstimator(Huber(delta), L1(alpha / n), solver)
    return value, models


def quantile(table: Table):
    alpha = 0.03

    def value(fit: Fit) -> float:
        r = table.y - table.X @ fit.coef - fit.intercept
        return float(np.maximum(0.8 * r, -0.2 * r).mean() + alpha * np.abs(fit.coef).sum())

    return value, {
        OURS: QuantileRegressor(quantile=0.8, alpha=alpha),
        "QuantileRegressor": SklearnQuantile(quantile=0.8, alpha=alpha),
    }


def classifier(squared: bool, saga: bool = False, share: float = 0.05):
    def case(table: Table):
        sign = 2 * table.y - 1
        alpha = share * float(np.abs(table.X.T @ sign).max()) * (2 if squared else 1)

        def value(fit: Fit) -> float:
            margin = sign * (table.X @ fit.coef)
            loss = np.maximum(1 - margin, 0) ** 2 if squared else np.logaddexp(0, -margin)
            return float(loss.sum() + alpha * np.abs(fit.coef).sum())

        how = {"alpha": alpha, "l1_ratio": 1.0, "fit_intercept": False}
        theirs = {"C": 1 / alpha, "fit_intercept": False, "tol": 1e-6, "max_iter": 10_000}
        if squared:
            peer = LinearSVC(penalty="l1", dual=False, **theirs)
            return value, {OURS: HingeClassifier(squared=True, **how), "LinearSVC(tol=1e-6)": peer}
        models = {OURS: LogisticClassifier(**how)}
        for solver in ("liblinear", "saga") if saga else ("liblinear",):
            models[f"{solver}(tol=1e-6)"] = LogisticRegression(
                penalty="l1", solver=solver, **theirs
            )
        return value, models

    return case


CASES = [
    ("lasso", (1_000, 5_000), {}, squares(1.0)),
    ("elastic net", (1_000, 5_000), {}, squares(0.5)),
    ("Huber L1", (1_000, 5_000), {}, huber),
    ("quantile lasso", (500, 1_000), {}, quantile),
    ("logistic L1", (1_000, 5_000), {"classes": True}, classifier(False, saga=True)),
    ("logistic L1, text", (20_000, 100_000), {"classes": True, "text": True}, classifier(False)),
    ("logistic L1, text, weak", (20_000, 100_000), {"classes": True, "text": True}, classifier(False, share=0.002)),
    ("squared hinge L1", (1_000, 2_000), {"classes": True}, classifier(True)),
]  # fmt: skip
#: thresholds, penalties and folds of the searches
EPSILONS, ALPHAS, FOLDS = (1.0, 1.345, 2.0), 20, 5


def path(table: Table, quick: bool) -> list[list[str]]:
    """Time a path beside the fit at its last penalty."""
    rows = []
    for name, model in (
        ("`L2Regressor`", L2Regressor(l1_ratio=1.0)),
        ("`HuberRegressor(scale=1.0)`", HuberRegressor(l1_ratio=1.0, scale=1.0)),
    ):
        top = regularization_path(model, table.X, table.y, n_alphas=1).alphas[0]
        alphas = top * np.geomspace(1.0, 0.1, 5 if quick else 100)
        whole, found = timed(
            lambda model=model, alphas=alphas: regularization_path(
                model, table.X, table.y, alphas=alphas
            )
        )
        one, _ = timed(
            lambda model=model, alphas=alphas: model.set_params(alpha=alphas[-1]).fit(
                table.X, table.y
            )
        )
        worst = f"{max(found.gap):.0e}"
        rows.append(
            [name, table.shape, str(len(alphas)), milliseconds(whole), milliseconds(one), times(whole / one), worst]
        )  # fmt: skip
    return rows


def searches(quick: bool) -> list[list[str]]:
    """Time PathSearchCV beside GridSearchCV over the same estimators."""
    many = sparse_table(*((100, 20) if quick else (20_000, 50)))
    grid = {"alpha": np.geomspace(1e-2, 1e3, 4 if quick else ALPHAS), "epsilon": EPSILONS}
    rows = [search("`HuberRegressor(scale=1.0)`, elastic net", HuberRegressor(l1_ratio=0.5, scale=1.0), many, grid)]  # fmt: skip
    shape = (100, 200) if quick else (1_000, 5_000)
    wide, classes = sparse_table(*shape), sparse_table(*shape, classes=True)
    for name, model, table in (
        ("`L2Regressor`, L1", L2Regressor(l1_ratio=1.0), wide),
        ("`HuberRegressor(scale=1.0)`, L1", HuberRegressor(l1_ratio=1.0, scale=1.0), wide),
        ("`LogisticClassifier`, L1", LogisticClassifier(l1_ratio=1.0), classes),
    ):
        top = regularization_path(model, table.X, table.y, n_alphas=1).alphas[0]
        grid = {"alpha": top * np.geomspace(1.0, 0.1, 4 if quick else ALPHAS)}
        rows.append(search(name, model, table, grid))
    return rows


def search(name: str, model, table: Table, grid: dict) -> list[str]:
    seconds, scores = [], []
    for kind in (PathSearchCV, GridSearchCV):
        needed, found = timed(lambda kind=kind: kind(model, grid, cv=FOLDS).fit(table.X, table.y))
        seconds.append(needed)
        scores.append(found.cv_results_["mean_test_score"])
    apart = f"{np.abs(scores[0] - scores[1]).max():.0e}"
    return [name, table.shape, str(len(scores[0])), *map(milliseconds, seconds), times(seconds[1] / seconds[0]), apart]  # fmt: skip


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)  # processor time adds up over threads
    warnings.filterwarnings("ignore", category=FutureWarning)  # of penalty= in LogisticRegression
    report, quick = Report(__doc__, chosen), chosen.quick
    summary = []
    for title, shape, kind, make in CASES:
        table = sparse_table(*((100, 200) if quick else shape), **kind)
        value, models = make(table)
        fits = {name: estimator(model) for name, model in models.items()}
        if SKGLM in fits:
            fits[SKGLM](table)  # compiles
        found = in_turn(fits, table, quick=quick)
        values = {name: value(one.fit) for name, one in found.items()}
        best, mine = min(values.values()), found[OURS].seconds
        rows = [
            [name, milliseconds(one.seconds), times(one.seconds / mine), above(values[name], best),
             f"{np.count_nonzero(one.fit.coef):,}", one.fit.note]
            for name, one in found.items()
        ]  # fmt: skip
        if (peer := OPTIONAL.get(title, OURS)) not in fits:
            rows.append([peer, "not installed", "-", "-", "-", "-"])
        head = ["fit", "time", "relative to ours", "objective above the best", "nonzero", "optimality"]  # fmt: skip
        report.table(f"{title}, {table.shape}", head, rows)
        for peer in list(models)[1:]:
            ratio = times(found[peer].seconds / mine)
            summary.append([f"{title}, {table.shape}", milliseconds(mine), f"{ratio} ({peer})"])
    head = ["path of", "data", "penalties", "time", "one fit at the last", "times one fit", "largest optimality"]  # fmt: skip
    table = sparse_table(*((100, 200) if quick else (1_000, 5_000)))
    report.table("Paths from the least alpha that leaves no column in to a tenth", head, path(table, quick))  # fmt: skip
    head = [
        "search over",
        "data",
        "candidates",
        "PathSearchCV",
        "GridSearchCV",
        "times as fast",
        "scores apart",
    ]
    title = f"Searches over alpha, and epsilon with few columns, {FOLDS} folds; with many columns alpha is as in the paths"
    report.table(title, head, searches(quick))
    report.table("Summary: penalties", ["data", "robustreg", "others, times as long"], summary)
    report.close()


if __name__ == "__main__":
    main()
