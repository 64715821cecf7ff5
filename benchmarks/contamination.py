"""How far contaminated targets on one side move the intercept, by scale and by loss.

Normal errors with standard deviation 1 and three normal columns, n = 500; a share of the targets
is set to +100. The true intercept is 0. The table shows means of the absolute error over the
samples. A fit tolerates the largest share, in steps of a hundredth, at which its error stays below
3, that is three standard deviations of the errors.

Run with ``python benchmarks/contamination.py``.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _harness import Report, options
from sklearn.linear_model import HuberRegressor as SklearnHuber

from robustreg import HuberRegressor, L1Regressor, L2Regressor, RobustRegressor

N, P, FAR = 500, 3, 100.0
SHARES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45)
HOLDS = 3.0


class Rlm:
    """statsmodels' M-estimator at its defaults, or with Tukey's loss."""

    def __init__(self, norm: str = "HuberT") -> None:
        self.norm = norm

    def fit(self, X: Any, y: Any) -> Rlm:
        import statsmodels.api as sm

        norm = getattr(sm.robust.norms, self.norm)()
        X = np.asarray(X, dtype=float)
        found = sm.RLM(np.asarray(y, float), sm.add_constant(X), M=norm).fit()
        self.intercept_, self.coef_ = float(found.params[0]), found.params[1:]
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X, dtype=float) @ self.coef_ + self.intercept_


def peers() -> dict[str, Any]:
    """Peers that are installed, at their defaults."""
    found: dict[str, Any] = {"scikit-learn HuberRegressor": SklearnHuber(max_iter=1000)}
    try:
        import statsmodels  # noqa: F401
    except ImportError:
        return found
    return found | {"statsmodels RLM": Rlm(), "statsmodels RLM, Tukey": Rlm("TukeyBiweight")}


def competitors() -> dict[str, Any]:
    redescending = ("tukey", "cauchy", "welsch", "geman_mcclure", "andrews", "hampel")
    convex = ("pseudo_huber", "fair", "log_cosh")
    return {
        "HuberRegressor()": HuberRegressor(),
        **{
            f'HuberRegressor(scale="{scale}")': HuberRegressor(scale=scale)
            for scale in ("mad", "proposal2", "concomitant")
        },
        "L1Regressor()": L1Regressor(),
        "L2Regressor()": L2Regressor(),
        **{f'RobustRegressor(loss="{loss}")': RobustRegressor(loss=loss) for loss in redescending},
        **{f'RobustRegressor(loss="{loss}")': RobustRegressor(loss=loss) for loss in convex},
        **peers(),
    }


def error(model: Any, share: float, runs: int) -> float:
    """Mean absolute error of the intercept, over the same samples for every model."""
    rng, errors = np.random.default_rng(14), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(runs):
            X, y = rng.normal(size=(N, P)), rng.normal(size=N)
            y[: round(share * N)] = FAR
            errors.append(abs(float(model.fit(X, y).intercept_)))
    return float(np.mean(errors))


def holds(model: Any, runs: int) -> float:
    """Largest share, in steps of a hundredth, at which the error is small."""
    low, high = 0, 50
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if error(model, middle / 100, runs) <= HOLDS else (low, middle)
    return low / 100


def main() -> None:
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    runs = 2 if chosen.quick else 20
    head = ["fit", *(f"{share:.0%}" for share in SHARES), "tolerates up to"]
    rows = []
    for name, model in competitors().items():
        values = [error(model, share, runs) for share in SHARES]
        limit = holds(model, min(runs, 10))
        rows.append([f"`{name}`", *(f"{value:.2g}" for value in values), f"{limit:.0%}"])
    report.table("Mean error of the intercept by the share of contaminated targets", head, rows)
    report.close()


if __name__ == "__main__":
    main()
