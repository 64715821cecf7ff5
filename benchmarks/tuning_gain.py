"""What tuning epsilon gains: the error of the coefficients with the default, with tuned thresholds, and without tuning.

Normal columns, 200 x 5, 20 samples of each kind. The error is the root of the mean square of the coefficients' errors. Heavy tails:
t distribution with two degrees of freedom. One side: a tenth of the targets is 10 to 30 standard deviations too large.

Run with ``python benchmarks/tuning_gain.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _harness import Report, options
from sklearn.linear_model import HuberRegressor as SklearnHuber

from robustreg import HuberRegressor, HuberRegressorCV, MMRegressor, RobustRegressor
from robustreg.model_selection import neg_tau_scale, neg_trimmed_mean_squared_error

N, P = 200, 5
SCORES = {
    "the median absolute error": "neg_median_absolute_error",
    "the tau-scale": neg_tau_scale,
    "the trimmed mean square": neg_trimmed_mean_squared_error,
}
ESTIMATORS = {
    "`HuberRegressor()`": HuberRegressor(),
    **{
        f"`HuberRegressorCV()`, by {name}": HuberRegressorCV(scoring=score)
        for name, score in SCORES.items()
    },
    "the same by the median, one standard error": HuberRegressorCV(one_standard_error=True),
    "scikit-learn `HuberRegressor()`": SklearnHuber(max_iter=1000),
    '`RobustRegressor(loss="tukey")`, not tuned': RobustRegressor(loss="tukey"),
    "`MMRegressor()`, not tuned": MMRegressor(random_state=0),
}


def one_side(rng: np.random.Generator) -> Any:
    far = rng.random(N) < 0.1
    return rng.normal(size=N) + far * rng.uniform(10, 30, N)


ERRORS: dict[str, Callable[[np.random.Generator], Any]] = {
    "clean normal": lambda rng: rng.normal(size=N),
    "10 % contaminated, one side": one_side,
    "heavy tails": lambda rng: rng.standard_t(2, size=N),
}


def error(model: Any, errors: Callable[[np.random.Generator], Any], runs: int) -> float:
    """Return the root mean square error of coefficients, over the same samples for every model."""
    rng, squares = np.random.default_rng(5), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(runs):
            X = rng.normal(size=(N, P))
            squares.append(np.mean((model.fit(X, X.sum(1) + errors(rng)).coef_ - 1) ** 2))
    return float(np.sqrt(np.mean(squares)))


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    runs = 1 if chosen.quick else 20
    rows = [
        [name, *(f"{error(model, errors, runs):.3f}" for errors in ERRORS.values())]
        for name, model in ESTIMATORS.items()
    ]
    report.table("Error of the coefficients", ["fit", *ERRORS], rows)
    report.close()


if __name__ == "__main__":
    main()
