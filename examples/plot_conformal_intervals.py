"""
Interval forecasts beside gross outliers: which keep their coverage
===================================================================

A fifth of the rows have a grossly wrong target. An interval for new, clean rows can come from the scale of a robust fit, or from split
conformal calibration, by `MAPIE <https://mapie.readthedocs.io>`_, which needs no distribution but takes the calibration rows as
they are. Which of them cover 90 % of the clean rows, and how wide are they?
"""

import matplotlib.pyplot as plt
import numpy as np
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor

from robustreg import L2Regressor, MMRegressor, QuantileRegressor
from robustreg.inference import summarize

LEVEL = 0.9


def clean(n, rng):
    """Rows whose target is known up to normal errors of standard deviation one."""
    X = rng.uniform(0, 10, size=(n, 1))
    return X, 2.0 + 1.5 * X[:, 0] + rng.normal(size=n)


def contaminated(n, rng):
    """Rows of which a fifth have a wrong target."""
    X, y = clean(n, rng)
    wrong = rng.random(n) < 0.2
    return X, np.where(wrong, rng.uniform(20, 60, size=n), y)


rng = np.random.default_rng(0)
X, y = contaminated(400, rng)
X_calibration, y_calibration = contaminated(400, rng)
X_new, y_new = clean(2000, rng)

# %%
# Intervals from a scale: by MM, the other by least squares, both with normal errors.

model = MMRegressor().fit(X, y)
intervals = {}
for name, fit in {"least squares": L2Regressor().fit(X, y), "MM": model}.items():
    frame = summarize(fit, X, y).predict(X_new, "prediction", confidence=LEVEL)
    intervals[f"{name}, normal errors"] = frame[["lower", "upper"]].to_numpy()

# %%
# Split conformal: the quantile of the absolute residuals of the calibration rows. A fifth of those are outliers, so that the 90 %
# quantile is one of them.


def conformal(X_rows, y_rows):
    """Intervals of MM by the residuals of calibration rows."""
    split = SplitConformalRegressor(model, confidence_level=LEVEL, prefit=True)
    return split.conformalize(X_rows, y_rows).predict_interval(X_new)[1][:, :, 0]


intervals["MM, conformal"] = conformal(X_calibration, y_calibration)

# %%
# The same on the calibration rows that the fit does not flag. The guarantee of conformal prediction is then only as good as the
# flags are: a few clean rows with large residuals are left out as well.

residual = y_calibration - model.predict(X_calibration)
near = np.abs(residual) <= 2.5758 * model.scale_
intervals["MM, conformal on unflagged rows"] = conformal(X_calibration[near], y_calibration[near])

# %%
# Conformalised quantile regression: quantiles of 5 and 95 %, widened until they cover the calibration rows, outliers included.

quantiles = [
    QuantileRegressor(quantile=q, alpha=0.0).fit(X, y)
    for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2, 0.5)
]
split = ConformalizedQuantileRegressor(quantiles, confidence_level=LEVEL, prefit=True)
split.conformalize(X_calibration, y_calibration)
intervals["quantiles, conformal"] = split.predict_interval(X_new)[1][:, :, 0]

# %%
# Coverage of clean rows and mean width. The width of an interval that knows the truth is 3.29.

for name, ends in intervals.items():
    covered = np.mean((ends[:, 0] <= y_new) & (y_new <= ends[:, 1]))
    print(f"{name:32} covers {covered:6.1%}, width {np.mean(ends[:, 1] - ends[:, 0]):5.1f}")

# %%
# MM with normal errors and MM calibrated on unflagged rows keep close to 90 % at a useful width. Everything that is calibrated on the
# outliers, or scaled by them, covers more clean rows than it says, by intervals that are ten times too wide. Where a fifth of the new rows
# is contaminated as well and shall be covered, those are the right ones: conformal intervals promise 90 % of rows that are like the
# calibration rows.

fig, axes = plt.subplots(1, len(intervals), figsize=(13, 3.2), sharey=True, layout="constrained")
order = np.argsort(X_new[:, 0])
for ax, (name, ends) in zip(axes, intervals.items(), strict=True):
    ax.scatter(X_calibration[:, 0], y_calibration, s=4, color="0.6")
    ax.fill_between(X_new[order, 0], ends[order, 0], ends[order, 1], alpha=0.4)
    ax.set_title(name.replace(", ", ",\n", 1), fontsize="small")
plt.show()
