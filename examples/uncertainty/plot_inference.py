"""
Standard errors and influential samples
=======================================

Hawkins, Bradu and Kass made 75 rows of which the first ten are bad leverage points: far out in the features, with a target
that does not belong there. Rows 11 to 14 are as far out and belong to the others.
"""

import matplotlib.pyplot as plt

from robustreg import HuberRegressor, L2Regressor, MMRegressor
from robustreg.datasets import load_hbk
from robustreg.inference import summarize
from robustreg.plotting import CoefficientDisplay, OutlierMapDisplay

data = load_hbk()
X, y = data.iloc[:, :-1], data.iloc[:, -1]
data.index = X.index = y.index = range(1, 76)

# %%
# A summary prints what ``summary`` does in R: coefficients with standard errors and tests, the scale, a robust R2, and how many
# rows have no weight. No feature matters: the target of the clean rows is noise.

model = MMRegressor().fit(X, y)
print(summarize(model, X, y))

# %%
# Least squares and Huber's M-estimator follow the ten rows, and are sure of it: intervals tell how much a coefficient varies,
# not whether it answers the right question.

fits = {
    "least squares": L2Regressor(),
    "Huber": HuberRegressor(alpha=0.0),
    "MM": MMRegressor(),
}
summaries = {name: summarize(fit.fit(X, y), X, y) for name, fit in fits.items()}
CoefficientDisplay.from_summaries(summaries)

# %%
# The outlier map of the MM-estimate has the ten rows in the region of bad leverage, and the four in that of good leverage.

OutlierMapDisplay.from_estimator(model, X, y)

# %%
# In that of least squares it is the good leverage points that look bad.

OutlierMapDisplay.from_estimator(fits["least squares"], X, y)
plt.show()
