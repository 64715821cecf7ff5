"""How far contaminated targets on one side move the intercept, by scale and by loss.

Normal rows, 500 x 3, a share of whose targets is at +100; the true intercept is 0 and sigma 1. Means of the
absolute error over the samples. A fit holds up to the largest share, in steps of a hundredth, at which its
error stays below 3, that is three standard deviations of the good rows.

Run with ``python benchmarks/contamination.py``; ``--picture`` draws docs/_static/phones.png as well.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _harness import Report, options
from sklearn.linear_model import HuberRegressor as SklearnHuber

from robustreg import HuberRegressor, L1Regressor, L2Regressor, RobustRegressor
from robustreg.datasets import load_phones

N, P, FAR = 500, 3, 100.0
SHARES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45)
HOLDS = 3.0
PICTURE = Path(__file__).parents[1] / "docs" / "_static" / "phones.png"


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
        **{f'RobustRegressor("{loss}")': RobustRegressor(loss=loss) for loss in redescending},
        **{f'RobustRegressor("{loss}")': RobustRegressor(loss=loss) for loss in convex},
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


def draw() -> None:
    """Draw the phone calls with some of the fits."""
    import matplotlib.pyplot as plt

    phones = load_phones()
    X, y = phones[["year"]], phones["calls"]
    lines = {
        "least squares": (L2Regressor(), "0.6", ":"),
        "Huber, Proposal 2": (HuberRegressor(scale="proposal2"), "tab:brown", ":"),
        **{
            name: (model, colour, "--")
            for (name, model), colour in zip(
                peers().items(), ("tab:orange", "tab:purple", "tab:pink"), strict=False
            )
        },
        "HuberRegressor()": (HuberRegressor(), "tab:blue", "-"),
        "L1Regressor()": (L1Regressor(), "tab:green", "-"),
        'RobustRegressor(loss="tukey")': (RobustRegressor(loss="tukey"), "tab:red", "-"),
    }
    figure, ax = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    ax.plot(phones["year"], y, "ko", ms=4)
    for name, (model, colour, style) in lines.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X.to_numpy(), y.to_numpy())
        label = f"{name}: {float(model.coef_[0]):.2f} a year"
        ax.plot(phones["year"], model.predict(X.to_numpy()), style, color=colour, label=label)
    ax.set(xlabel="year, 19..", ylabel="international calls from Belgium, millions")
    ax.legend(fontsize="small", loc="upper left")
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    picture = "--picture" in sys.argv
    sys.argv = [part for part in sys.argv if part != "--picture"]
    chosen = options(__doc__)
    report = Report(__doc__, chosen)
    runs = 2 if chosen.quick else 20
    head = ["fit", *(f"{share:.0%}" for share in SHARES), "holds up to"]
    rows = []
    for name, model in competitors().items():
        values = [error(model, share, runs) for share in SHARES]
        limit = holds(model, min(runs, 10))
        rows.append([f"`{name}`", *(f"{value:.2g}" for value in values), f"{limit:.0%}"])
    report.table("Mean error of the intercept by the share of contaminated targets", head, rows)
    report.close()
    if picture:
        draw()


if __name__ == "__main__":
    main()
