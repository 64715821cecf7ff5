"""
Quickstart: from a data frame to a tuned fit
============================================

Belgian phone calls by year: from 1964 to 1969 minutes were recorded in place of calls. We fit
a line in five ways and look at which years each fit marks as outliers. Then we tune the threshold of the Huber
loss on larger data with contaminated targets.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from robustreg import HuberRegressor, L1Regressor, L2Regressor, RobustRegressor
from robustreg.datasets import load_phones

# %%
# One line, five fits
# -------------------
# Least squares follows the contaminated years. The Huber loss bounds their influence, in units of a scale:
# by default that of the L1 residuals, which a quarter of contaminated samples hardly
# inflates. A scale that is estimated jointly with the coefficients (Huber's Proposal 2) grows with them, and the fit
# follows them most of the way. No convex loss ignores such samples: the default fit is still biased, so that
# the years 1971 to 1973 are marked as well. Tukey's redescending loss ignores the contaminated years.

phones = load_phones()
X, y = phones[["year"]], phones["calls"]

models = {
    "least squares": L2Regressor(),
    "Huber": HuberRegressor(),
    "Huber, Proposal 2": HuberRegressor(scale="proposal2"),
    "least absolute": L1Regressor(),
    "Tukey": RobustRegressor(loss="tukey"),
}
rows = []
for name, model in models.items():
    model.fit(X, y)
    flagged = phones.loc[getattr(model, "outliers_", np.zeros(len(y), bool)), "year"]
    rows.append(
        {
            "fit": name,
            "slope": model.coef_[0],
            "intercept": model.intercept_,
            "scale": getattr(model, "scale_", np.nan),
            "delta": getattr(model, "delta_", np.nan),
            "flagged years": " ".join(map(str, flagged)),
        }
    )
print(pd.DataFrame(rows).set_index("fit").round(2).to_string(na_rep="-"))

# %%
# Tune epsilon with contaminated targets
# --------------------------------------
# In 10 % of the training samples the target is ten times too large. The held-out samples of cross-validation are
# contaminated too, so the score must be robust: the median absolute error.
# The test samples are clean.

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
damaged = y_train.sample(frac=0.1, random_state=0).index
y_train = y_train.where(~y_train.index.isin(damaged), 10 * y_train)

search = GridSearchCV(
    make_pipeline(StandardScaler(), HuberRegressor()),
    {"huberregressor__epsilon": [0.1, 0.3, 1.0, 1.345, 2.0, 4.0, np.inf]},
    scoring="neg_median_absolute_error",
    cv=10,
).fit(X_train, y_train)

tuning = pd.DataFrame(search.cv_results_)[["param_huberregressor__epsilon", "mean_test_score"]]
tuning.columns = ["epsilon", "median absolute error"]
tuning["median absolute error"] *= -1
print(tuning.round({"median absolute error": 2}).to_string(index=False))

tuned = search.best_estimator_[-1]
print(f"\nchosen: epsilon = {tuned.epsilon}, delta = {tuned.delta_:.1f}")
least_squares = L2Regressor().fit(X_train, y_train)
for name, model in [("least squares", least_squares), ("tuned Huber", search)]:
    error = np.mean(np.abs(y_test - model.predict(X_test)))
    print(f"mean absolute error on clean rows, {name}: {error:.1f}")

# %%
# One picture
# -----------

try:
    import matplotlib.pyplot as plt
except ImportError:
    print('\nno picture without matplotlib: pip install "robustreg[plot]"')
else:
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    year = 1900 + phones["year"]
    ax.plot(year, phones["calls"], "ko", label="calls")
    for name, model in models.items():
        ax.plot(year, model.predict(phones[["year"]]), label=name)
    ax.set(xlabel="year", ylabel="international calls from Belgium, millions")
    ax.legend()
    figure.savefig("quickstart.png", dpi=150)
    print("\npicture written: quickstart.png")
