"""
What decides a prediction: SHAP values with and without outliers
================================================================

Investment of eleven firms over twenty years, by market value and capital (:func:`~robustreg.datasets.load_grunfeld`). Two large firms
follow another relation than the other nine. Least squares fits a compromise. The explanations of
`SHAP <https://shap.readthedocs.io>`_ are those of the fit, so they inherit it.
"""

import matplotlib.pyplot as plt
import numpy as np
import shap

from robustreg import L2Regressor, MMRegressor
from robustreg.datasets import load_grunfeld
from robustreg.model_selection import robust_r2_score

frame = load_grunfeld()
X, y = frame[["value", "capital"]], frame["invest"]
fits = {"least squares": L2Regressor().fit(X, y), "MM": MMRegressor().fit(X, y)}
outliers = X.index[fits["MM"].outliers_].get_level_values("firm").value_counts()
print(outliers.to_string())

# %%
# General Motors and US Steel are outliers in all twenty years. Without them, is the MM fit the better one?

others = ~frame.index.get_level_values("firm").isin(["General Motors", "US Steel"])
for name, model in fits.items():
    error = np.abs(y - model.predict(X))[others].median()
    score = robust_r2_score(y[others], model.predict(X[others]))
    print(f"{name}: median error {error:.1f}, robust R2 {score:.2f} on the nine other firms")

# %%
# SHAP values of a linear model are its coefficients times the distance of the features from their mean. ``LinearExplainer`` takes the
# estimators as they are.

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, fits.items(), strict=True):
    values = shap.LinearExplainer(model, X[others])(X[others])
    for j, feature in enumerate(X):
        ax.plot(X[others][feature], values.values[:, j], ".", label=feature)
    ax.set(title=name, xlabel="feature, millions of dollars")
axes[0].set_ylabel("SHAP value, millions of dollars")
axes[0].legend()
plt.show()

# %%
# By least squares one million of market value explains three times the investment that it does in the nine firms. A fit that is not
# robust makes wrong explanations, however exact the method that explains it.
