"""
Standard errors and influential samples
=======================================

In the 75 samples of Hawkins, Bradu and Kass the first ten are bad leverage points: far from the others in X, with a target
that does not follow the model. Samples 11 to 14 are equally far and follow it.
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
# samples have weight zero. No feature matters: the target of the clean samples is noise.

model = MMRegressor().fit(X, y)
print(summarize(model, X, y))

# %%
# Least squares and Huber's M-estimator follow the ten bad leverage points, with short intervals. Intervals describe the variance of a
# coefficient, not its bias.

fits = {
    "least squares": L2Regressor(),
    "Huber": HuberRegressor(alpha=0.0),
    "MM": MMRegressor(),
}
summaries = {name: summarize(fit.fit(X, y), X, y) for name, fit in fits.items()}
CoefficientDisplay.from_summaries(summaries)

# %%
# The outlier map of the MM-estimate shows ten bad and four good leverage points.

OutlierMapDisplay.from_estimator(model, X, y)

# %%
# In that of least squares the good leverage points appear as bad ones.

OutlierMapDisplay.from_estimator(fits["least squares"], X, y)
plt.show()
