"""Classifiers against scikit-learn's, at the same objectives.

Medians over repeated runs; the fits of a comparison run in turn on the same arrays. Hinge: both
results are compared by the objective of LinearSVC, which penalises the intercept. robustreg
minimises the objective without that penalty, which is a disadvantage here. Logistic and
multinomial: L-BFGS of scikit-learn at tol=1e-8, the accuracy that robustreg's default reaches, and
at its default.

Run with ``python benchmarks/classification.py``.
"""

from __future__ import annotations

import numpy as np
from _harness import Fit, Report, Table, above, in_turn, milliseconds, options, times
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from robustreg import HingeClassifier, LogisticClassifier

OURS = "robustreg"


def make_classes(n: int, p: int, k: int = 2) -> Table:
    """Make normal columns and classes that overlap."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    noise = 3 * rng.gumbel(size=(n, k))
    return Table(X, np.argmax(X @ rng.standard_normal((p, k)) + noise, axis=1))


def estimator(model):
    def fit(table: Table) -> Fit:
        model.fit(table.X, table.y)
        note = f"{model.optimality_:.0e}" if hasattr(model, "optimality_") else "-"
        return Fit(model.coef_, model.intercept_, note=note)

    return fit


def hinge(fit: Fit, table: Table) -> float:
    f = table.X @ fit.coef[0] + fit.intercept[0]
    loss = np.maximum(0, 1 - (2 * table.y - 1) * f).sum()
    return float(loss + 0.5 * (fit.coef**2).sum() + 0.5 * fit.intercept[0] ** 2)


def entropy(fit: Fit, table: Table) -> float:
    f = table.X @ fit.coef.T + fit.intercept
    f = f if f.shape[1] > 1 else np.hstack([0 * f, f])
    loss = (logsumexp(f, axis=1) - f[np.arange(len(f)), table.y]).sum()
    return float(loss + 0.5 * (fit.coef**2).sum())


SVC = "LinearSVC(loss='hinge', max_iter=1000)"
EXACT, DEFAULT = "LogisticRegression(tol=1e-8)", "LogisticRegression()"
REGRESSIONS = {
    OURS: LogisticClassifier(),
    EXACT: LogisticRegression(tol=1e-8, max_iter=1000),
    DEFAULT: LogisticRegression(),
}
CASES = [
    (
        "hinge",
        (100_000, 20),
        hinge,
        {OURS: HingeClassifier(), SVC: LinearSVC(loss="hinge", max_iter=1000)},
    ),
    ("logistic", (200_000, 50), entropy, REGRESSIONS),
    ("multinomial, 10 classes", (100_000, 20, 10), entropy, REGRESSIONS),
]


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    summary = []
    for title, shape, objective, models in CASES:
        table = make_classes(*((500, *shape[1:]) if chosen.quick else shape))
        fits = {name: estimator(model) for name, model in models.items()}
        found = in_turn(fits, table, quick=chosen.quick)
        values = {name: objective(one.fit, table) for name, one in found.items()}
        best, mine = min(values.values()), found[OURS].seconds
        rows = [
            [name, milliseconds(one.seconds), times(one.seconds / mine), above(values[name], best), one.fit.note]
            for name, one in found.items()
        ]  # fmt: skip
        head = ["fit", "time", "relative to ours", "objective above the best", "optimality"]
        report.table(f"{title}, {table.shape}", head, rows)
        peer = list(models)[1]
        summary.append(
            [f"{title}, {table.shape}", milliseconds(mine), f"{times(found[peer].seconds / mine)} ({peer})"]
        )  # fmt: skip
    head = ["data", "robustreg", "scikit-learn, times as long"]
    report.table("Summary: classifiers", head, summary)
    report.close()


if __name__ == "__main__":
    main()
