"""
Heavy-tailed measurements: calcium in 428 samples of soil
=========================================================

How does the calcium content of alkaline soil grow with its pH value? Some samples hold ten times as much calcium as the
others, and more of them are at high pH values. Least squares follows them.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from robustreg import HuberRegressor, L2Regressor, MMRegressor
from robustreg.datasets import load_condroz
from robustreg.inference import summarize

soil = load_condroz()
X, y = soil[["ph"]], soil["calcium"]
fits = {"least squares": L2Regressor(), "Huber": HuberRegressor(), "MM": MMRegressor()}
rows = {}
for name, model in fits.items():
    model.fit(X, y)
    table = summarize(model, X, y).table
    rows[name] = table.loc["ph", ["coef", "std_error", "lower", "upper"]]
print(pd.DataFrame(rows).T.astype(float).round(0))

# %%
# The interval of least squares is three times as wide as that of the MM-estimator, and does not contain its
# slope. The MM-estimator marks 33 samples as outliers. Least squares without them agrees with it.

outlier = fits["MM"].outliers_
clean = L2Regressor().fit(X[~outlier], y[~outlier])
print(f"{outlier.sum()} outliers, slope of the others {clean.coef_[0]:.0f}")

# %%
# Calcium is drawn on a logarithmic axis. pH values are rounded, so samples are moved a little to the side.

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
shown = X["ph"] + np.random.default_rng(0).uniform(-0.03, 0.03, len(X))
ax.semilogy(shown[~outlier], y[~outlier], ".", color="0.6", label="samples")
ax.semilogy(shown[outlier], y[outlier], "o", mfc="none", color="tab:red", label="outliers of MM")
grid = pd.DataFrame({"ph": np.linspace(7.0, 7.5, 50)})
for name, model in fits.items():
    ax.semilogy(grid["ph"], model.predict(grid), label=name)
ax.set(xlabel="pH value", ylabel="calcium content")
ax.legend()
plt.show()
