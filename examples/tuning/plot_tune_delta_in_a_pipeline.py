"""
Tune epsilon in a pipeline, from a data frame
=============================================

Data with a text column, and some targets with a wrong decimal point. ``GridSearchCV`` tunes the threshold of the
Huber loss behind a ``ColumnTransformer``, over thresholds that are evenly spaced in efficiency and with a robust
score.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from robustreg import HuberRegressor, L2Regressor, RobustKFold, epsilon_grid
from robustreg.plotting import DeltaCurveDisplay

# %%
# The data: ages, blood values and, as text, the sex of 442 patients. The target is the progress of diabetes after one
# year. In 10 % of the training samples it is ten times too large. The test samples are clean.

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1.0: "female", 2.0: "male"})
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
damaged = y_train.sample(frac=0.1, random_state=0).index
y_train = y_train.where(~y_train.index.isin(damaged), 10 * y_train)
print(X_train.head(3).to_string())

# %%
# The search. ``huberregressor__epsilon`` is the threshold in units of the scale. ``RobustKFold`` distributes the
# outliers of a first robust fit evenly over the folds.

encode = make_column_transformer((OneHotEncoder(drop="first"), ["sex"]), remainder=StandardScaler())
search = GridSearchCV(
    make_pipeline(encode, HuberRegressor()),
    {"huberregressor__epsilon": epsilon_grid(12)},
    scoring="neg_median_absolute_error",
    cv=RobustKFold(10),
).fit(X_train, y_train)
tuned = search.best_estimator_[-1]
print(f"epsilon {tuned.epsilon:.2f}, so delta is {tuned.delta_:.0f} in the units of the target")

# %%
# The error on clean samples.

for name, model in {
    "least squares": make_pipeline(encode, L2Regressor()).fit(X_train, y_train),
    "tuned Huber": search,
}.items():
    print(f"{name:14} mean absolute error {np.mean(np.abs(y_test - model.predict(X_test))):.1f}")

# %%
# The search in one picture. With the data given, the candidates are fitted to all samples once more, which adds the
# scale and the number of outliers.

DeltaCurveDisplay.from_estimator(search, X_train, y_train)
plt.show()
