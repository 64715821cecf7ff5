"""What estimators tolerate and what they cost: M, L1, S, MM, LTS, RANSAC and Theil-Sen side by side.

Efficiency: mean square error of least squares divided by that of the estimator, at normal errors, n = 200, three columns.
Contaminated targets: they are 100 standard deviations above the rest. Leverage points: the first feature is 100
and the target -500, where the model says 100. An estimator tolerates a share, in steps of a hundredth, while
the mean of its largest error, of coefficients and intercept, is below 3. Time: 1,000 x 5 with a tenth of the
targets contaminated. All estimators at their defaults.

Run with ``python benchmarks/comparison.py``.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from _harness import Report, milliseconds, options
from sklearn.linear_model import HuberRegressor as SklearnHuber
from sklearn.linear_model import LinearRegression, RANSACRegressor, TheilSenRegressor

from robustreg import (
    HuberRegressor,
    L1Regressor,
    LTSRegressor,
    MMRegressor,
    RobustRegressor,
    SRegressor,
)

N, P, FAR = 200, 3, 100.0
ESTIMATORS = {
    "least squares": LinearRegression(),
    "`HuberRegressor()`": HuberRegressor(),
    "`L1Regressor()`": L1Regressor(),
    '`RobustRegressor(loss="tukey")`': RobustRegressor(loss="tukey"),
    "`MMRegressor()`": MMRegressor(random_state=0),
    "`SRegressor()`": SRegressor(random_state=0),
    "`LTSRegressor()`": LTSRegressor(random_state=0),
    "scikit-learn `HuberRegressor()`": SklearnHuber(max_iter=1000),
    "scikit-learn `RANSACRegressor()`": RANSACRegressor(random_state=0),
    "scikit-learn `TheilSenRegressor()`": TheilSenRegressor(random_state=0),
}


def sample(rng: np.random.Generator, n: int = N, p: int = P) -> tuple[Any, Any]:
    """Draw clean data whose coefficients are one and whose intercept is zero."""
    X = rng.normal(size=(n, p))
    return X, X.sum(1) + rng.normal(size=n)


def targets(rng: np.random.Generator, share: float) -> tuple[Any, Any]:
    X, y = sample(rng)
    y[: round(share * N)] = FAR
    return X, y


def leverage(rng: np.random.Generator, share: float) -> tuple[Any, Any]:
    X, y = sample(rng)
    bad = slice(0, round(share * N))
    X[bad, 0] += FAR
    y[bad] -= 5 * FAR
    return X, y


def deviation(model: Any, data: tuple[Any, Any]) -> Any:
    """Return the errors of coefficients and intercept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(*data)
    fit = getattr(fit, "estimator_", fit)  # of RANSAC
    return np.append(fit.coef_ - 1, fit.intercept_)


def tolerates(model: Any, contaminate: Any, runs: int) -> float:
    """Return the largest share at which the errors stay small."""
    low, high = -1, 51
    while high - low > 1:
        middle = (low + high) // 2
        rng = np.random.default_rng(21)
        errors = [
            np.abs(deviation(model, contaminate(rng, middle / 100))).max() for _ in range(runs)
        ]
        low, high = (middle, high) if np.mean(errors) < 3 else (low, middle)
    return max(low, 0) / 100


def efficiency(model: Any, runs: int) -> float:
    squares = []
    for one in (LinearRegression(), model):
        rng = np.random.default_rng(22)
        squares.append(np.mean([deviation(one, sample(rng)) ** 2 for _ in range(runs)]))
    return float(squares[0] / squares[1])


def seconds(model: Any, repeats: int) -> float:
    X, y = sample(np.random.default_rng(23), 1000, 5)
    y[:100] += 20
    best = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        deviation(model, (X, y))
        best = min(best, time.perf_counter() - begun)
    return float(best)


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    rows = []
    for name, model in ESTIMATORS.items():
        slow = "TheilSen" in name
        shares = [
            tolerates(model, how, 1 if chosen.quick else 5 if slow else 10)
            for how in (targets, leverage)
        ]
        precision = efficiency(model, 2 if chosen.quick else 100 if slow else 400)
        spent = seconds(model, 1 if chosen.quick else 5)
        rows.append(
            [name, f"{precision:.0%}", *(f"{share:.0%}" for share in shares), milliseconds(spent)]
        )
    head = ["estimator", "efficiency", "contaminated targets", "leverage points", "time"]
    report.table("What each tolerates", head, rows)
    report.close()


if __name__ == "__main__":
    main()
