"""
Find the wrong years in the phone calls
=======================================

From 1964 to 1969 the minutes of Belgium's international calls were written down in place of their number. Which rows
does a fit flag, and what does a table with that many wrong rows ask of the loss?
"""

import matplotlib.pyplot as plt

from robustreg import HuberRegressor, RobustRegressor
from robustreg.datasets import load_phones
from robustreg.plotting import ResidualDisplay

phones = load_phones()
X, y = phones[["year"]], phones["calls"]
y.index = 1900 + phones["year"]

# %%
# ``outliers_`` are the rows farther from the fit than 2.58 sigma, as one in a hundred rows with normal errors is. Where
# sigma is estimated with the coefficients they hide one another: six wrong rows of 24 inflate it, and none stands out.

model = HuberRegressor(scale="proposal2").fit(X, y)
print("proposal 2:", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# The default, the scale of the residuals of the L1 fit, takes little notice of them. All wrong years are flagged, and so
# are the last three, which the line, still too high, misses.

model = HuberRegressor().fit(X, y)
print("default:   ", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# A redescending loss ignores far rows altogether, and then its outliers are the six years and 1970, which was partly
# affected. ``weights_`` says how much each row counts: nothing in those years.

model = RobustRegressor(loss="tukey").fit(X, y)
print("tukey:     ", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")
print("weights:   ", *model.weights_.round(2))
print(f"slope {model.coef_[0]:.2f}; of the undisputed years alone it is 1.08 by least squares")

# %%
# The picture: residuals against fitted values and against normal quantiles, flagged years by name.

ResidualDisplay.from_estimator(model, X, y)
plt.show()
