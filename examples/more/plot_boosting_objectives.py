"""
Gradient boosting with robust losses and focal loss
===================================================

A tenth of the targets is contaminated, all on one side. LightGBM is fitted with its own losses and
with losses of this package, whose thresholds are in units of a robust scale. The second part
fits focal loss to a rare class. The example needs LightGBM (``pip install lightgbm``).
"""

import matplotlib.pyplot as plt
import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.metrics import average_precision_score, log_loss

from robustreg import HuberRegressor
from robustreg.losses import boosting_link, boosting_objective

rng = np.random.default_rng(0)


def signal(X):
    return 2.0 * np.sin(X[:, 0]) + 0.3 * X[:, 1] ** 2 + X[:, 2]


X, X_test = rng.uniform(-3, 3, (2, 2000, 5))
y = signal(X) + 0.3 * rng.normal(size=len(X))
contaminated = rng.random(len(X)) < 0.1
y[contaminated] += 20.0

# %%
# Bounded gradients move a booster by a few scales in a round at most. So boosting starts at the median.
# The scale of the noise is not known; here it is half of the scale around a linear fit.

median = np.median(y)
scale = 0.5 * HuberRegressor().fit(X, y).scale_
objectives = {
    "LightGBM: l2": "l2",
    "LightGBM: huber": "huber",
    "LightGBM: l1": "l1",
    "Huber": boosting_objective("huber", scale=scale),
    "Welsch": boosting_objective("welsch", scale=scale),
    "Tukey": boosting_objective("tukey", scale=scale),
}
error = {}
for name, objective in objectives.items():
    model = LGBMRegressor(objective=objective, verbose=-1, n_jobs=1).fit(X, y - median)
    error[name] = np.abs(model.predict(X_test) + median - signal(X_test)).mean()
    print(f"{name:16} mean distance to the true function {error[name]:.2f}")

# %%
# A class of one row in fifty. ``boosting_link`` turns raw scores into probabilities.

score = X[:, 0] + X[:, 1] * X[:, 2] + rng.logistic(size=len(X))
score_test = X_test[:, 0] + X_test[:, 1] * X_test[:, 2] + rng.logistic(size=len(X))
cut = np.quantile(score, 0.98)
label, label_test = (score > cut).astype(int), (score_test > cut).astype(int)
precision = {}
for name in ("logistic", "focal", "poly"):
    model = LGBMClassifier(objective=boosting_objective(name), verbose=-1, n_jobs=1)
    raw = model.fit(X, label).predict(X_test, raw_score=True)
    probability = boosting_link(name)(raw)[:, 1]
    precision[name] = average_precision_score(label_test, probability)
    print(
        f"{name:10} average precision {precision[name]:.2f}, "
        f"logarithmic loss {log_loss(label_test, probability):.3f}"
    )

# %%

fig, (left, right) = plt.subplots(ncols=2, figsize=(9, 3.5), layout="constrained")
left.barh(list(error), list(error.values()), color=["#bbbbbb"] * 3 + ["#1f77b4"] * 3)
left.invert_yaxis()
left.set(xlabel="mean distance to the true function", title="10 % contaminated targets")
right.barh(list(precision), list(precision.values()), color="#1f77b4")
right.invert_yaxis()
right.set(xlabel="average precision", title="a class of one row in fifty")
plt.show()
