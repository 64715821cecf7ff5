"""
Quantile bands of food expenditure
==================================

Engel's households: food expenditure grows with income, and so does its spread. ``QuantileRegressor``
fits each quantile exactly. The few rich families that spend little have little influence.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from robustreg import L2Regressor, QuantileRegressor
from robustreg.datasets import load_engel

engel = load_engel().sort_values("income")
X, y = engel[["income"]], engel["food_expenditure"]
quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
fits = {q: QuantileRegressor(quantile=q, alpha=0).fit(X, y) for q in quantiles}

# %%
# Below each line is the stated share of the families. The slopes grow with the quantile: the spread grows with income.

rows = [
    {"quantile": q, "slope": fit.coef_[0], "share below": np.mean(y < fit.predict(X))}
    for q, fit in fits.items()
]
print(pd.DataFrame(rows).round(3).to_string(index=False))
mean = L2Regressor().fit(X, y)
print(f"least squares: slope {mean.coef_[0]:.3f}, below the median's {fits[0.5].coef_[0]:.3f}")

# %%
# The bands hold 50 % and 90 % of the families.

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
lines = {q: fit.predict(X) for q, fit in fits.items()}
income = X["income"]
ax.fill_between(income, lines[0.05], lines[0.95], color="tab:blue", alpha=0.12, lw=0)
ax.fill_between(income, lines[0.25], lines[0.75], color="tab:blue", alpha=0.22, lw=0)
ax.plot(income, lines[0.5], color="tab:blue")
ax.plot(income, mean.predict(X), color="tab:orange", ls="--")
ax.scatter(income, y, s=8, color="0.25")
end = income.max()
for text, value, color in [
    ("95 %", lines[0.95][-1], "tab:blue"),
    ("75 %", lines[0.75][-1], "tab:blue"),
    ("median", lines[0.5][-1], "tab:blue"),
    ("25 %", lines[0.25][-1], "tab:blue"),
    ("mean", mean.predict(X)[-1], "tab:orange"),
    ("5 %", lines[0.05][-1], "tab:blue"),
]:
    ax.annotate(
        text, (end, value), xytext=(5, 0), textcoords="offset points", color=color, va="center"
    )
ax.set_xlim(right=1.08 * end)
ax.set(xlabel="income, francs a year", ylabel="food expenditure, francs a year")
plt.show()
