"""
The same objective in scikit-learn: units and time
==================================================

``HuberRegressor(scale="concomitant", epsilon=1.35)`` has the objective of scikit-learn's estimator of that name. We
compare the coefficients of both on data in several units, and the time of a fit.
"""

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import HuberRegressor as TheirHuber

from robustreg import HuberRegressor

# %%
# Units
# -----
# Data with some outliers, then the same data in other units. The coefficients, converted back, should be the
# same. The first fit, on which both libraries agree, is the reference.

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
y = X @ [1.0, 2.0, 3.0] + 0.5 * rng.normal(size=200)
y[:20] += 20 * rng.random(20)

first = np.array([1e4, 1.0, 1.0])
versions = {
    "as it is": (X, y, 1.0),
    "y times 1e6": (X, 1e6 * y, 1e-6),
    "y times 1e-6": (X, 1e-6 * y, 1e6),
    "first column times 1e4": (X * first, y, first),
    "columns plus 1000": (X + 1000, y, 1.0),
    "columns times 1e-6": (1e-6 * X, y, 1e-6),
}
ours = HuberRegressor(scale="concomitant", epsilon=1.35, alpha=0)
theirs = TheirHuber(epsilon=1.35, alpha=0, max_iter=10_000)
reference = ours.fit(X, y).coef_

rows = []
for name, (features, target, back) in versions.items():
    row = {"data": name}
    for label, model in {"robustreg": ours, "scikit-learn": theirs}.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                coef = model.fit(features, target).coef_ * back
                error = np.max(np.abs(coef - reference)) / np.max(np.abs(reference))
                row[label] = f"{error:.0e}" + (" (warns)" if caught else "")
            except ValueError:
                row[label] = "ValueError"
    rows.append(row)
print("largest error of a coefficient, relative")
print(pd.DataFrame(rows).set_index("data").to_string())

# %%
# Time
# ----
# Best of three fits on standard normal columns. A tenth of the targets is contaminated.

sizes = [10_000, 100_000, 400_000]
seconds = {"robustreg": [], "scikit-learn": []}
for n in sizes:
    X = rng.normal(size=(n, 20))
    y = X @ rng.normal(size=20) + rng.normal(size=n)
    y[: n // 10] += 20 * rng.random(n // 10)
    for label, model in {"robustreg": ours, "scikit-learn": theirs}.items():
        times = []
        for _ in range(3):
            start = perf_counter()
            model.fit(X, y)
            times.append(perf_counter() - start)
        seconds[label].append(min(times))
print(pd.DataFrame(seconds, index=pd.Index(sizes, name="rows")).round(4).to_string())

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for label, times in seconds.items():
    ax.loglog(sizes, times, "o-", label=label)
ax.set(xlabel="rows, 20 columns", ylabel="seconds")
ax.legend()
plt.show()
