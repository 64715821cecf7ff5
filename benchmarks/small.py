"""Small data, where a fit takes longer than its arithmetic.

Each pair runs in turn on the same arrays in one process, with default settings except those that make both minimise
the same objective. A cell is the time of robustreg in milliseconds and, in brackets, how many times as long scikit-learn
takes. Both are medians of processor time, with one thread of BLAS. Huber has two rows: the default, which solves two
convex problems one after the other, and scikit-learn's own objective. Hinge is compared with the faster of
`SVC(kernel="linear")` and `LinearSVC`, if its objective is within 0.1 % of the minimum: `LinearSVC` penalises the intercept.
L1 and quantile are compared with `QuantileRegressor(alpha=0)`; a dash marks data that take it minutes.

Run with ``python benchmarks/small.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from _harness import Report, options, quiet, times
from sklearn.linear_model import HuberRegressor as SklearnHuber
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.linear_model import QuantileRegressor as SklearnQuantile
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
)

SHAPES = [(50, 3), (200, 5), (1_000, 10), (5_000, 20), (1_000, 200), (5_000, 500), (200, 1_000)]
#: seconds for each pair and shape, and rounds at the least and at the most
BUDGET, FEWEST, MOST = 2.0, 3, 40


class Pair(NamedTuple):
    """Estimators that minimise the same; of several peers the fastest that is near enough is taken."""

    ours: Any
    peers: tuple[Any, ...]
    classes: int = 0
    objective: Callable[[Any, Any, Any], float] | None = None


def make(n: int, p: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return normal columns and targets with a tenth far off, or classes that overlap."""
    rng = np.random.default_rng(n + p)
    X, slope = rng.standard_normal((n, p)), rng.standard_normal((p, max(classes, 1)))
    score = X @ slope / np.sqrt(p)
    if classes:
        return X, (score + 0.5 * rng.gumbel(size=(n, classes))).argmax(axis=1)
    y = score[:, 0] * np.sqrt(p) + 1 + rng.standard_normal(n)
    y[rng.random(n) < 0.1] += 10.0
    return X, y


def hinge(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    score = X @ np.ravel(model.coef_) + float(np.ravel(model.intercept_)[0])
    loss = np.maximum(0.0, 1 - (2 * y - 1) * score)
    return float(loss.sum() + 0.5 * np.square(model.coef_).sum())


PAIRS = {
    "Huber": Pair(HuberRegressor(), (SklearnHuber(max_iter=1000),)),
    "Huber, scale='concomitant'": Pair(
        HuberRegressor(scale="concomitant", epsilon=1.35, alpha=1e-4),
        (SklearnHuber(max_iter=1000),),
    ),
    "least squares": Pair(L2Regressor(), (LinearRegression(),)),
    "ridge": Pair(L2Regressor(alpha=1.0), (Ridge(),)),
    "logistic": Pair(LogisticClassifier(), (LogisticRegression(tol=1e-6, max_iter=1000),), 2),
    "multinomial, 4 classes": Pair(
        LogisticClassifier(), (LogisticRegression(tol=1e-6, max_iter=1000),), 4
    ),
    "hinge": Pair(
        HingeClassifier(),
        (SVC(kernel="linear"), LinearSVC(loss="hinge", max_iter=10_000)),
        2,
        hinge,
    ),
    "squared hinge": Pair(HingeClassifier(squared=True), (LinearSVC(max_iter=10_000),), 2),
    "L1": Pair(L1Regressor(), (SklearnQuantile(alpha=0.0),)),
    "quantile 0.9": Pair(
        QuantileRegressor(quantile=0.9, alpha=0.0), (SklearnQuantile(quantile=0.9, alpha=0.0),)
    ),
}
#: peers that take minutes there
TOO_LARGE = {"L1": 1e6, "quantile 0.9": 1e6}


def seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def in_turn(functions: list[Callable[[], Any]]) -> list[float]:
    """Return the median time of each, all run in turn."""
    spent: list[list[float]] = [[] for _ in functions]
    begun = time.perf_counter()
    while len(spent[0]) < FEWEST or (len(spent[0]) < MOST and time.perf_counter() - begun < BUDGET):
        for function, one in zip(functions, spent, strict=True):
            one.append(seconds(function))
    return [median(one) for one in spent]


def cell(ours: float, peer: float) -> str:
    return f"{1e3 * ours:.3g} ({times(peer / ours)})"


def compare(pair: Pair, X: np.ndarray, y: np.ndarray) -> str:
    """Return the time of a fit and the ratio, as text."""
    models = [pair.ours, *pair.peers]
    for model in models:
        quiet(lambda table, m=model: m.fit(X, y), None)
    some = in_turn([lambda m=model: quiet(lambda _: m.fit(X, y), None) for model in models])
    good = some[1:]
    if pair.objective is not None:
        reached = pair.objective(pair.ours, X, y)
        good = [
            spent
            for spent, model in zip(some[1:], pair.peers, strict=True)
            if pair.objective(model, X, y) <= reached + 1e-3 * abs(reached)
        ]
    return cell(some[0], min(good)) if good else f"{1e3 * some[0]:.3g} (-)"


def predictions(pair: Pair, shape: tuple[int, int]) -> str:
    X, y = make(*shape, pair.classes)
    for model in (pair.ours, pair.peers[0]):
        quiet(lambda table, m=model: m.fit(X, y), None)
    row = X[:1]
    return cell(*in_turn([lambda m=model: m.predict(row) for model in (pair.ours, pair.peers[0])]))


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)
    report = Report(__doc__, chosen)
    shapes = SHAPES[:1] if chosen.quick else SHAPES
    head = ["ms (scikit-learn, times as long)", *(f"{n:,} x {p:,}" for n, p in shapes)]
    summary = []
    for title, pair in PAIRS.items():
        row = [title]
        for n, p in shapes:
            many = n * p > TOO_LARGE.get(title, np.inf) or (title in TOO_LARGE and n < p)
            row.append("-" if many else compare(pair, *make(n, p, pair.classes)))
        summary.append(row)
    predicted = [
        [title, predictions(pair, shapes[0])]
        for title, pair in PAIRS.items()
        if "scale" not in title
    ]
    n, p = shapes[0]
    report.table("`predict` of one sample", ["estimator", f"{n:,} x {p:,}"], predicted)
    report.table("Summary: fit", head, summary)
    report.close()


if __name__ == "__main__":
    main()
