"""Time of tuning the threshold: HuberRegressorCV and grid searches over both HuberRegressors.

Ten thresholds and five folds on 50,000 rows of 20 columns, one thread. Run with ``python benchmarks/tuning.py``. Two
tables: columns that are standard normal already, on which scikit-learn's L-BFGS stops after some ten iterations (at
1e-3 to 1e-6 of the optimum), and columns as they come, of unequal size and away from zero, on which it needs a
hundred. The goals are 20 times for HuberRegressorCV and 8 times for a grid search over ours.
"""

from __future__ import annotations

import os
import warnings
from time import perf_counter

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from robustreg import HuberRegressor, HuberRegressorCV

N, P = 50_000, 20
EPSILONS = np.geomspace(1.05, 3.0, 10)
SCORING = "neg_median_absolute_error"


def tables():
    """Yield the name of each table, its X and its y with a tenth of gross outliers."""
    rng = np.random.default_rng(0)
    standard = rng.normal(size=(N, P))
    signal = standard @ rng.normal(size=P) + rng.normal(size=N)
    wrong = rng.random(N) < 0.1
    y = signal + np.where(wrong, rng.normal(scale=20, size=N), 0.0)
    yield "standard normal columns", standard, y
    size = np.geomspace(0.1, 10, P)
    yield "columns as they come", (standard + rng.uniform(-3, 3, P)) * size, y


def seconds(model, X, y, repeats):
    """Best time of a fit."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    models = {
        "GridSearchCV, scikit-learn": GridSearchCV(
            linear_model.HuberRegressor(), {"epsilon": EPSILONS}, scoring=SCORING
        ),
        "GridSearchCV, robustreg": GridSearchCV(
            HuberRegressor(), {"epsilon": EPSILONS}, scoring=SCORING
        ),
        "HuberRegressorCV": HuberRegressorCV(epsilons=EPSILONS),
    }
    for name, X, y in tables():
        print(name)
        base = None
        for label, model in models.items():
            first = label.endswith("scikit-learn")
            time = seconds(model, X, y, 1 if first else 3)
            base = base or time
            print(f"  {label:28}{time:8.2f} s{base / time:8.1f} times")


if __name__ == "__main__":
    main()
