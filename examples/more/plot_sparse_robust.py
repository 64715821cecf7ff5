"""
Sparse regression with contaminated targets
===========================================

Gene expression, spectra, sensors: more features than samples, of which a few matter. A lasso finds them. With contaminated
targets its squared loss selects features that explain the outliers. Here the same penalty is used with three losses, on
real measurements.

The data are the breast cancer measurements of scikit-learn: 30 features of cell nuclei. With squares and
products of those that are not the size itself (perimeter, radius, area) there are 252. We predict the mean perimeter of 143
patients. Then every tenth target is recorded in other units.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from robustreg import HuberRegressor, L1Regressor, L2Regressor
from robustreg.model_selection import regularization_path
from robustreg.plotting import CoefficientPathDisplay

frame = load_breast_cancer(as_frame=True).data
y = frame["mean perimeter"]
size = [name for name in frame if any(word in name for word in ("perimeter", "radius", "area"))]
rest = frame.drop(columns=size)
wide = make_pipeline(
    StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler()
).set_output(transform="pandas")
X = wide.fit_transform(rest)
train, test = np.arange(len(y)) % 4 == 0, np.arange(len(y)) % 4 != 0
X_train, y_train = X[train], y[train]
wrong = y_train.copy()
wrong.iloc[::10] *= 2.54  # inches, taken for centimetres
print(
    f"{X_train.shape[0]} patients, {X_train.shape[1]} features, {len(wrong.iloc[::10])} targets in other units"
)

# %%
# What each loss selects
# ----------------------
# The strengths are chosen so that each model keeps about ten features on the clean data. The same strengths are then used with
# the contaminated targets. An elastic net (``l1_ratio=0.9``) selects correlated features together.

models = {
    "squared": L2Regressor(l1_ratio=0.9),
    "Huber": HuberRegressor(l1_ratio=0.9, scale=5.0),
    "L1": L1Regressor(l1_ratio=0.9),
}


def strength(model, wanted=10):
    """Return the largest alpha at which as many features are used."""
    path = regularization_path(model, X_train, y_train, n_alphas=30)
    return path.alphas[np.flatnonzero(path.df >= wanted)[0]]


rows = []
for name, model in models.items():
    model.set_params(alpha=strength(model))
    selected = []
    for targets in (y_train, wrong):
        chosen = SelectFromModel(model, threshold=1e-12).fit(X_train, targets)
        selected.append(set(chosen.get_feature_names_out()))
        error = np.median(np.abs(y[test] - chosen.estimator_.predict(X[test])))
        rows.append((name, len(selected[-1]), error))
    kept = len(selected[0] & selected[1])
    print(
        f"{name:8s} features {rows[-2][1]:3d} -> {rows[-1][1]:3d}, of the first {kept} again; "
        f"median error {rows[-2][2]:.1f} -> {rows[-1][2]:.1f}"
    )

# %%
# The squared loss drops features that matter and selects others, and its error grows. Huber and L1 keep most of their selection. Each
# zero is exact, and `optimality_` certifies it.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
names = list(models)
for ax, column, label in (
    (axes[0], 1, "features selected"),
    (axes[1], 2, "median error on other patients"),
):
    values = np.array([row[column] for row in rows], dtype=float).reshape(-1, 2)
    place = np.arange(len(names))
    ax.bar(place - 0.2, values[:, 0], 0.38, label="clean targets")
    ax.bar(place + 0.2, values[:, 1], 0.38, label="a tenth in other units")
    ax.set_xticks(place, names)
    ax.set_title(label, fontsize="medium")
axes[0].legend(frameon=False, fontsize="small")

# %%
# The path of the Huber loss
# --------------------------
# From a strength at which all coefficients are zero downwards:

alphas = np.geomspace(700.0, 30.0, 30)
CoefficientPathDisplay.from_estimator(models["Huber"], X_train, wrong, alphas=alphas)
plt.show()
