"""Efficiency, scales, levels of tests and coverage of intervals, over many samples.

Efficiency is the mean square error of the coefficients of least squares divided by that of the estimator, at normal errors
of standard deviation one. level is the share of true hypotheses on coefficients that nominal 5 % tests reject. As in the
simulation of Koller and Stahel (2011), whose results with robustbase are in brackets, the columns are standard normal and
new in each sample, there is no intercept, and means of squares and of scales leave out a tenth of the samples at each end;
± is one standard error. Coverage is the share of nominal 95 % intervals of slopes that hold the true value, at normal errors and at
errors whose standard deviation is 1/4 + x0^2; the columns of X are standard normal.

Run with ``python benchmarks/simulation.py``.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.stats
from _harness import Report, options
from scipy.special import expit
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    LTSRegressor,
    MMRegressor,
    QuantileRegressor,
)
from robustreg.inference import summarize

MM = MMRegressor(fit_intercept=False)
#: an estimator of a name and its covariance, as Koller and Stahel (2011) name them
SETTINGS = {
    "MM, avar1": (MM, "auto"),
    "MM, weighted": (MM, "weighted"),
    "SMDM": (MMRegressor(fit_intercept=False, method="smdm"), "weighted"),
    "SMDM, lqq": (MMRegressor(fit_intercept=False, method="smdm", loss="lqq"), "weighted"),
}
#: share of the samples that a mean leaves out at each end, and resamples for its standard error
TRIMMED, RESAMPLED = 0.1, 400
#: by rows and columns: samples drawn, then what robustbase has in 1,000 samples: efficiency, mean scale and level of MM
#: with avar1, the level of MM with weighted, and all three of SMDM and of SMDM with lqq
KNOWN = {
    (25, 2): (1000, (0.922, 0.977, 0.088), 0.054, (0.944, 1.001, 0.052), (0.947, 1.001, 0.051)),
    (25, 5): (1000, (0.899, 0.901, 0.090), 0.061, (0.942, 0.994, 0.058), (0.958, 0.997, 0.047)),
    (25, 8): (1000, (0.844, 0.831, 0.114), 0.088, (0.909, 0.981, 0.075), (0.960, 0.993, 0.056)),
    (100, 5): (400, (0.952, 0.980, 0.058), 0.049, (0.960, 1.002, 0.049), (0.959, 1.002, 0.047)),
    (100, 10): (250, (0.937, 0.942, 0.048), 0.045, (0.954, 1.003, 0.042), (0.956, 1.003, 0.041)),
    (100, 20): (250, (0.904, 0.867, 0.061), 0.062, (0.954, 1.000, 0.053), (0.957, 1.001, 0.055)),
    (400, 40): (100, (0.931, 0.932, 0.058), 0.057, (0.949, 1.003, 0.055), (0.951, 1.002, 0.056)),
}  # fmt: skip
SHAPES = (50, 100, 200)
COLUMNS = 4
#: samples for intervals, and for those of a bootstrap that fits each resample
SAMPLES, FEW = 250, 40
RESAMPLES = 199


def rejected(table, truth, df: float) -> float:
    """Share of the slopes whose true value a nominal 5 % test rejects."""
    statistic = np.abs(table["coef"] - truth) / table["std_error"]
    return float((statistic > student.isf(0.025, df)).mean())


def efficiencies(n: int, q: int, runs: int) -> list[list[str]]:
    """Rows of the table of efficiency, mean scale and level at normal errors."""
    known = KNOWN[n, q]
    rng = np.random.default_rng(n + q)
    base = np.zeros(runs)
    errors, scales, levels = np.zeros((3, len(SETTINGS), runs))
    for run in range(runs):
        X, y = rng.standard_normal((n, q)), rng.standard_normal(n)
        base[run] = np.sum(L2Regressor(fit_intercept=False).fit(X, y).coef_ ** 2)
        for i, (model, kind) in enumerate(SETTINGS.values()):
            if i != 1:  # the second is another covariance of the first
                model.fit(X, y)
            found = summarize(model, X, y, covariance=kind)
            errors[i, run], scales[i, run] = model.coef_ @ model.coef_, model.scale_
            levels[i, run] = rejected(found.table, 0.0, found.df)
    rows = []
    for i, name in enumerate(SETTINGS):
        again = rng.integers(runs, size=(RESAMPLED, runs))
        spread = np.std(trimmed(base[again]) / trimmed(errors[i][again]))
        ratio = trimmed(base) / trimmed(errors[i])
        theirs = known[1 + i] if i != 1 else (*known[1][:2], known[2])
        ours = (
            f"{ratio:.3f} ± {spread:.3f}",
            f"{trimmed(scales[i]):.3f} ± {scales[i].std() / np.sqrt(runs):.3f}",
            mean_of(levels[i]),
        )  # fmt: skip
        cells = [f"{mine} ({their:.3f})" for mine, their in zip(ours, theirs, strict=True)]
        rows.append([f"{n} x {q}", name, f"{runs:,}", *cells])
    return rows


def trimmed(values: np.ndarray) -> np.ndarray:
    """Mean along the last axis of all but the smallest and largest values."""
    return scipy.stats.trim_mean(values, TRIMMED, axis=-1)


def mean_of(values: np.ndarray) -> str:
    """Mean and its standard error as text."""
    return f"{values.mean():.3f} ± {values.std() / np.sqrt(len(values)):.3f}"


def intervals() -> dict[str, tuple]:
    """Return the estimators, their covariances and the quantile of the errors that they estimate."""
    return {
        "least squares": (L2Regressor(), ("classical", "hc0", "hc1", "hc2", "hc3"), 0.5),
        "Huber": (HuberRegressor(alpha=0.0), ("huber", "sandwich"), 0.5),
        "MM": (MMRegressor(), ("auto", "weighted", "huber", "sandwich", "bootstrap"), 0.5),
        "SMDM": (MMRegressor(method="smdm"), ("weighted", "huber", "sandwich", "bootstrap"), 0.5),
        "LTS": (LTSRegressor(), ("classical",), 0.5),
        "L1": (L1Regressor(), ("rank", "iid", "nid", "kernel"), 0.5),
        "quantile 0.9": (
            QuantileRegressor(quantile=0.9, alpha=0.0), ("rank", "iid", "nid", "kernel"), 0.9,
        ),
    }  # fmt: skip


def coverage(n: int, samples: int, covered: dict) -> None:
    """Add to the shares of intervals that hold the true slopes, by model, covariance and law."""
    rng = np.random.default_rng(n)
    for sample in range(samples):
        X, error = rng.standard_normal((n, COLUMNS)), rng.standard_normal(n)
        for law, size in (("even", np.ones(n)), ("uneven", 0.25 + X[:, 0] ** 2)):
            for name, (model, kinds, quantile) in intervals().items():
                if law == "uneven" and quantile != 0.5:
                    continue  # the quantile is no line there
                model.fit(X, size * error)
                for kind in kinds:
                    how = {"n_resamples": RESAMPLES} if kind == "bootstrap" else {}
                    hold(
                        covered,
                        (name, kind, law, n),
                        summarize(model, X, size * error, covariance=kind, **how),
                    )
            if sample < FEW:
                for name in ("least squares", "Huber", "L1"):
                    model = intervals()[name][0].fit(X, size * error)
                    found = summarize(
                        model, X, size * error, covariance="bootstrap", n_resamples=RESAMPLES
                    )
                    hold(covered, (name, "bootstrap", law, n), found)
        group = np.arange(n) // 5
        Z = X[::5][group] + 0.5 * X
        y = rng.standard_normal(n)[::5][group] + error
        for kind, how in (("classical", {}), ("cluster", {"groups": group})):
            model = L2Regressor().fit(Z, y)
            hold(
                covered,
                ("least squares, groups of 5", kind, "even", n),
                summarize(model, Z, y, covariance=kind, **how),
            )
        labels = rng.random(n) < expit(X[:, 0])
        model = LogisticClassifier(alpha=0.0).fit(X, labels)
        for kind in ("information", "sandwich"):
            found = summarize(model, X, labels, covariance=kind)
            hold(
                covered, ("logistic", kind, "even", n), found, np.append(1.0, np.zeros(COLUMNS - 1))
            )


def hold(covered: dict, key: tuple, found, truth=0.0) -> None:
    """Count the intervals of slopes that hold the truth."""
    slopes = found.table.iloc[1:]
    inside = (slopes["lower"] <= truth) & (truth <= slopes["upper"])
    covered.setdefault(key, []).append(float(inside.mean()))


def coverages(shapes: tuple, samples: int) -> list[list[str]]:
    """Rows of the table of coverage."""
    covered: dict = {}
    for n in shapes:
        coverage(n, samples, covered)
    rows = []
    for name, kind in dict.fromkeys(key[:2] for key in covered):
        cells = []
        for law in ("even", "uneven"):
            for n in shapes:
                shares = covered.get((name, kind, law, n))
                cells.append("-" if shares is None else f"{100 * np.mean(shares):.1f}")
        rows.append([name, f"`{kind}`", *cells])
    return rows


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    report, quick = Report(__doc__, chosen), chosen.quick
    rows = [
        row for (n, q), known in KNOWN.items() if not quick or n == 25
        for row in efficiencies(n, q, 3 if quick else known[0])
    ]  # fmt: skip
    head = ["rows x columns", "estimator", "samples", "efficiency", "mean scale", "level"]
    report.table("Normal errors, beside robustbase", head, rows)
    shapes = SHAPES[:1] if quick else SHAPES
    head = ["estimator", "covariance"]
    head += [f"n = {n}{law}" for law in ("", ", uneven") for n in shapes]
    samples = 3 if quick else SAMPLES
    report.table(
        f"Coverage of 95 % intervals, in per cent ({COLUMNS} columns; {samples} samples, {min(FEW, samples)} of the "
        "bootstraps that fit each resample)", head, coverages(shapes, samples),
    )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
