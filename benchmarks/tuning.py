"""Time of tuning the threshold: HuberRegressorCV and grid searches over both HuberRegressors.

Ten thresholds and five folds; a tenth of the targets is contaminated. Searches run in turn on the
same arrays, and one that takes longer than a few seconds runs once. Two designs: standard normal
columns, for which scikit-learn's L-BFGS stops after some ten iterations (at 1e-3 to 1e-6 of the
optimum), and columns of unequal size and nonzero mean, for which it needs a hundred.

Run with ``python benchmarks/tuning.py``.
"""

from __future__ import annotations

import numpy as np
from _harness import Report, Table, in_turn, milliseconds, options, times
from sklearn.linear_model import HuberRegressor as SklearnHuber
from sklearn.model_selection import GridSearchCV

from robustreg import HuberRegressor, HuberRegressorCV

EPSILONS = np.geomspace(1.05, 3.0, 10)
SCORING = "neg_median_absolute_error"
PATH, OURS, THEIRS = (
    "HuberRegressorCV",
    "GridSearchCV, robustreg",
    "GridSearchCV, scikit-learn",
)
SEARCHES = {
    PATH: HuberRegressorCV(epsilons=EPSILONS),
    OURS: GridSearchCV(HuberRegressor(), {"epsilon": EPSILONS}, scoring=SCORING),
    THEIRS: GridSearchCV(SklearnHuber(), {"epsilon": EPSILONS}, scoring=SCORING),
}


def tables(n: int, p: int) -> dict[str, Table]:
    """Make the same targets, a tenth of them contaminated, for both kinds of columns."""
    rng = np.random.default_rng(0)
    standard = rng.normal(size=(n, p))
    signal = standard @ rng.normal(size=p) + rng.normal(size=n)
    wrong = rng.random(n) < 0.1
    y = signal + np.where(wrong, rng.normal(scale=20, size=n), 0.0)
    unequal = (standard + rng.uniform(-3, 3, p)) * np.geomspace(0.1, 10, p)
    return {
        "standard normal columns": Table(standard, y),
        "columns of unequal size": Table(unequal, y),
    }


def searching(search):
    return lambda table: search.fit(table.X, table.y)


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    summary = []
    for title, table in tables(*((500, 5) if chosen.quick else (50_000, 20))).items():
        found = in_turn(
            {name: searching(search) for name, search in SEARCHES.items()},
            table,
            quick=chosen.quick,
        )
        slowest, rows = found[THEIRS].seconds, []
        for name, one in found.items():
            epsilon = getattr(one.fit, "epsilon_", None) or one.fit.best_params_["epsilon"]
            rows.append(
                [name, milliseconds(one.seconds), times(slowest / one.seconds), f"{epsilon:.3g}", f"{one.fit.best_score_:.6f}"]
            )  # fmt: skip
        head = ["search", "time", "times as fast as scikit-learn", "epsilon chosen", "its score"]
        report.table(f"{title}, {table.shape}", head, rows)
        ratios = [times(slowest / found[name].seconds) for name in (PATH, OURS)]
        summary.append([f"{title}, {table.shape}", milliseconds(found[PATH].seconds), *ratios])
    head = [
        "data",
        PATH,
        "times as fast as GridSearchCV over scikit-learn",
        "the same of GridSearchCV over robustreg",
    ]
    report.table("Summary: ten thresholds, five folds", head, summary)
    report.close()


if __name__ == "__main__":
    main()
