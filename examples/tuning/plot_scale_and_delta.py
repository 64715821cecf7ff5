"""
Efficiency of three scales at normal errors
===========================================

How precise is the Huber fit to clean data? We simulate data with normal errors, fit them with the default scale (of the L1
residuals), with Huber's Proposal 2 and with scikit-learn's (``scale="concomitant"``), and compare the variance of the
slopes with that of least squares.
"""

import matplotlib.pyplot as plt
import numpy as np

from robustreg import HuberRegressor, L2Regressor, efficiency_of

rng = np.random.default_rng(0)
n_tables, n_rows, n_features = 1000, 200, 5
models = {
    "least squares": L2Regressor(),
    "default, epsilon 1.345": HuberRegressor(epsilon=1.345),
    "Proposal 2, epsilon 1.345": HuberRegressor(epsilon=1.345, scale="proposal2"),
    "scikit-learn's scale, epsilon 1.35": HuberRegressor(
        epsilon=1.35, alpha=0, scale="concomitant"
    ),
}
slopes = {name: [] for name in models}
scales = {name: [] for name in models}
for _ in range(n_tables):
    X, y = rng.normal(size=(n_rows, n_features)), rng.normal(size=n_rows)
    for name, model in models.items():
        model.fit(X, y)
        slopes[name].append(model.coef_)
        scales[name].append(getattr(model, "scale_", np.nan))

# %%
# The true slopes are 0 and the true sigma is 1. Efficiency is the variance of least squares over that of the
# fit; its Monte Carlo error is about one per cent here.

spread = {name: np.mean(np.square(all_slopes)) for name, all_slopes in slopes.items()}
for name in models:
    efficiency = spread["least squares"] / spread[name]
    print(f"{name:36} mean scale {np.mean(scales[name]):.3f}  efficiency {efficiency:.1%}")

# %%
# The theory, for any threshold in units of the *true* sigma. The default and Proposal 2 estimate that sigma consistently. The
# concomitant scale tends to 0.681 of it, so that 1.35 is a threshold of 0.92.

cut = np.linspace(0.2, 3, 200)
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(cut, [efficiency_of(c) for c in cut], color="0.3")
for c, name in [
    (1.345, "robustreg, epsilon 1.345"),
    (1.35 * 0.681256, "scikit-learn, epsilon 1.35"),
]:
    ax.plot(c, efficiency_of(c), "o", label=f"{name}: {efficiency_of(c):.1%}")
ax.set(xlabel="threshold in true sigma", ylabel="efficiency at the normal")
ax.legend(loc="lower right")
plt.show()
