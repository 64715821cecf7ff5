"""
Which score to tune delta by
============================

Cross-validation scores on held-out rows, and those are as damaged as the rest. A score that damaged rows can decide
picks the threshold that fits *them*. We damage a fifth of a table, tune by several scores, and then look at what the
search could not see: the error on clean rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from robustreg import HuberRegressor, HuberRegressorCV, epsilon_grid, make_neg_huber_loss_scorer
from robustreg.losses import huber_loss

# %%
# In 20 % of the training rows the target is mirrored about its middle and eight times as far out: wrong rows that follow a
# line of their own, as those of another unit, sign or population do.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, clean, y_test = train_test_split(X, y, random_state=1)
damaged = np.random.default_rng(1).permutation(len(clean)) < len(clean) // 5
y_train = np.where(damaged, 152 - 8 * (clean - 152), clean)


def loss_at_own_delta(model, X, y):
    return -huber_loss(y, model.predict(X), delta=model.delta_)


scores = {
    "R2": "r2",
    "median absolute error": None,
    "Huber loss, delta = 50": make_neg_huber_loss_scorer(delta=50.0),
    "Huber loss, own delta": loss_at_own_delta,
}
epsilons = epsilon_grid(25, efficiency=(0.65, 0.9999))
searches = {
    name: HuberRegressorCV(epsilons=epsilons, alphas=[0], scoring=scoring).fit(X_train, y_train)
    for name, scoring in scores.items()
}
for name, search in searches.items():
    error = np.mean(np.abs(y_test - search.predict(X_test)))
    print(f"{name:22}  epsilon {search.epsilon_:.2f}  error on clean rows {error:.1f}")

# %%
# R2 is a mean of squares: the damaged rows of a fold make nearly all of it, and it improves when the line goes to meet
# them. The median absolute error and a Huber loss at one fixed delta are low where the error on clean rows is.
#
# A Huber loss at each fit's *own* delta is no score at all: the loss grows with delta by itself, whatever the fit is
# worth, so the smallest threshold wins, on damaged rows as on clean ones.

own = HuberRegressorCV(epsilons=epsilons, alphas=[0], scoring=loss_at_own_delta)
print(f"own delta, clean table: epsilon {own.fit(X_train, clean).epsilon_:.2f}")

curves = {"error on clean rows": []}
for epsilon in epsilons:
    model = HuberRegressor(epsilon=epsilon, alpha=0).fit(X_train, y_train)
    curves["error on clean rows"].append(np.mean(np.abs(y_test - model.predict(X_test))))
for name, search in searches.items():
    mean = search.cv_results_["mean_test_score"]
    curves["1 - R2" if name == "R2" else name] = (name == "R2") - mean
figure, axes = plt.subplots(len(curves), 1, figsize=(6, 8.5), sharex=True, layout="constrained")
for ax, (name, curve) in zip(axes, curves.items(), strict=True):
    best = np.argmin(curve)
    color = "black" if ax is axes[0] else "tab:blue"
    ax.plot(epsilons, curve, color=color)
    ax.plot(epsilons[best], curve[best], "o", color="tab:red")
    ax.set_title(name, loc="left", fontsize="medium", color=color)
    ax.axvline(epsilons[best], color="tab:red", lw=0.8)
axes[-1].set(xscale="log", xlabel="epsilon (the red dot is the lowest point of each curve)")
axes[-1].set_xticks([0.1, 0.2, 0.5, 1, 2, 3], ["0.1", "0.2", "0.5", "1", "2", "3"])
plt.show()
