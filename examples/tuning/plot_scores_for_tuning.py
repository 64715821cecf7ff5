"""
Which score to tune epsilon by
==============================

The held-out samples of cross-validation are as contaminated as the others. A score that is not robust selects the
threshold that fits the contamination. We contaminate a fifth of the data, tune by several scores, and compare the
error on clean samples, which the search cannot see.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from robustreg import HuberRegressor, HuberRegressorCV, epsilon_grid, make_neg_huber_loss_scorer
from robustreg.losses import huber_loss

# %%
# In 20 % of the training samples the deviation of the target from the middle is multiplied by -8: they follow another
# line, as samples in another unit or of another population do.

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
# R2 is dominated by the contaminated samples, and improves when the fit moves towards
# them. The median absolute error and a Huber loss with one fixed delta are low where the error on clean samples is.
#
# A Huber loss with each fit's *own* delta is not a score: the loss grows with delta, so the smallest threshold wins, on
# contaminated and on clean data.

own = HuberRegressorCV(epsilons=epsilons, alphas=[0], scoring=loss_at_own_delta)
print(f"own delta, clean data: epsilon {own.fit(X_train, clean).epsilon_:.2f}")

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
