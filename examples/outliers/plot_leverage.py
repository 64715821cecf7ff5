"""
Good and bad leverage points
============================

In the data of Hawkins, Bradu and Kass (1984) 14 of 75 samples are far from the others in X. Ten of them have a contaminated y:
they are bad leverage points. The other four follow the model: they are good ones. Least squares, Huber and L1
fits follow the ten and call the four outliers. An MM-estimator does the reverse.
"""

import matplotlib.pyplot as plt
import numpy as np

from robustreg import HuberRegressor, L1Regressor, L2Regressor, MMRegressor
from robustreg.datasets import load_hbk

hbk = load_hbk()
X, y = hbk.drop(columns="y"), hbk["y"]
kind = np.repeat(["bad leverage", "good leverage", "other"], [10, 4, 61])
models = {
    "least squares": L2Regressor(),
    "Huber": HuberRegressor(alpha=0),
    "least absolute": L1Regressor(),
    "MM": MMRegressor(),
}

# %%
# Residuals against the distance from the centre of X. Samples that a fit follows have small residuals.

distance = np.sqrt((((X - X[14:].median()) / X[14:].std()) ** 2).mean(axis=1))
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained", sharey=True)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    residual = y - model.fit(X, y).predict(X)
    for label, marker in (("other", "k."), ("good leverage", "C2^"), ("bad leverage", "C3x")):
        ax.plot(distance[kind == label], residual[kind == label], marker, label=label)
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    ax.set(title=name, xlabel="distance in X")
    print(f"{name:15} slopes {model.coef_.round(2)}")
axes[0].set_ylabel("residual")
axes[0].legend()
plt.show()

# %%
# The weights of the MM-estimate separate the two kinds: zero for the ten bad ones, nearly one for the four good ones, which
# make the fit more precise.

mm = models["MM"]
for label in ("bad leverage", "good leverage"):
    print(f"{label:14} weights {mm.weights_[kind == label].round(2)}")
print(f"scale {mm.scale_:.3f}, found from {mm.n_hits_} of the starts that were followed up")
