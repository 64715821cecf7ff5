"""
Prediction intervals with outliers: by MM and by MAPIE
======================================================

A fifth of the targets is contaminated. An interval for new, clean samples can come from the scale of a robust fit, or from split
conformal calibration with `MAPIE <https://mapie.readthedocs.io>`_, which needs no distribution. Its calibration samples are contaminated
as well. Which intervals cover 90 % of the clean samples, and how wide are they?
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
# Intervals from a scale, of an MM fit and of least squares, both for normal errors.

model = MMRegressor().fit(X, y)
intervals = {}
for name, fit in {"least squares": L2Regressor().fit(X, y), "MM": model}.items():
    frame = summarize(fit, X, y).predict(X_new, "prediction", confidence=LEVEL)
    intervals[f"{name}, normal errors"] = frame[["lower", "upper"]].to_numpy()

# %%
# Split conformal: the interval is a quantile of the absolute residuals of the calibration samples. A fifth of them are outliers, so
# the 90 % quantile is one of them.


def conformal(X_rows, y_rows):
    """Intervals of MM by the residuals of calibration rows."""
    split = SplitConformalRegressor(model, confidence_level=LEVEL, prefit=True)
    return split.conformalize(X_rows, y_rows).predict_interval(X_new)[1][:, :, 0]


intervals["MM, conformal"] = conformal(X_calibration, y_calibration)

# %%
# The same without the outliers of the fit among the calibration samples. This also removes a few clean samples with large
# residuals, so the coverage is only approximate.

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
# Coverage of clean samples and mean width. With the true distribution the width is 3.29.

for name, ends in intervals.items():
    covered = np.mean((ends[:, 0] <= y_new) & (y_new <= ends[:, 1]))
    print(f"{name:32} covers {covered:6.1%}, width {np.mean(ends[:, 1] - ends[:, 0]):5.1f}")

# %%
# MM with normal errors, and MM calibrated without outliers, cover close to 90 % at a useful width. Intervals that are calibrated or scaled
# with the outliers are ten times as wide and cover more clean samples than stated. They are right if the new samples
# are contaminated in the same way: conformal intervals cover 90 % of samples like the calibration samples.

fig, axes = plt.subplots(1, len(intervals), figsize=(13, 3.2), sharey=True, layout="constrained")
order = np.argsort(X_new[:, 0])
for ax, (name, ends) in zip(axes, intervals.items(), strict=True):
    ax.scatter(X_calibration[:, 0], y_calibration, s=4, color="0.6")
    ax.fill_between(X_new[order, 0], ends[order, 0], ends[order, 1], alpha=0.4)
    ax.set_title(name.replace(", ", ",\n", 1), fontsize="small")
plt.show()
