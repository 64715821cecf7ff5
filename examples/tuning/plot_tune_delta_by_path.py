"""
Tune epsilon with HuberRegressorCV
==================================

``HuberRegressorCV`` does what a grid search over ``HuberRegressor`` does, each fit started from its neighbours, so that
20 thresholds in 5 folds cost about as much as a few single fits.
"""

from time import perf_counter

import matplotlib.pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from robustreg import HuberRegressor, HuberRegressorCV, epsilon_grid
from robustreg.plotting import CoefficientPathDisplay, DeltaCurveDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "female", 2.0: "male"})
damaged = y.sample(frac=0.1, random_state=0).index
y = y.where(~y.index.isin(damaged), 10 * y)

# %%
# The estimator works at the end of a pipeline, here behind the encoding of a text column.

encode = make_column_transformer(
    (OneHotEncoder(drop="first"), ["sex"]),
    remainder=StandardScaler(),
    verbose_feature_names_out=False,
)
start = perf_counter()
model = make_pipeline(encode, HuberRegressorCV()).fit(X, y)
path_time = perf_counter() - start
tuned = model[-1]
print(f"epsilon {tuned.epsilon_:.3f}, delta {tuned.delta_:.1f}, {tuned.outliers_.sum()} outliers")

# %%
# A grid search makes the same choice.

start = perf_counter()
search = GridSearchCV(
    make_pipeline(encode, HuberRegressor()),
    {"huberregressor__epsilon": epsilon_grid(20)},
    scoring="neg_median_absolute_error",
).fit(X, y)
print(f"grid search: epsilon {search.best_params_['huberregressor__epsilon']:.3f}")
print(f"{perf_counter() - start:.2f} s by the grid, {path_time:.2f} s by the path")

# %%
# Scores from a few folds are noisy. ``one_standard_error=True`` takes the most robust threshold whose score is within
# one standard error of the best.

careful = make_pipeline(encode, HuberRegressorCV(one_standard_error=True)).fit(X, y)[-1]
print(f"within one standard error: epsilon {careful.epsilon_:.3f}, delta {careful.delta_:.1f}")

# %%
# Score, scale and number of outliers along the path.

DeltaCurveDisplay.from_estimator(tuned)
plt.show()

# %%
# The coefficients change where the contaminated targets begin to have influence.

CoefficientPathDisplay.from_estimator(model)
plt.show()
