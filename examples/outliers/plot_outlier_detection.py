"""
Outlier detection: which scale avoids masking?
==============================================

From 1964 to 1969 the minutes of Belgium's international calls were recorded in place of their number. Which years does a
fit mark as outliers? That depends on its scale.
"""

import matplotlib.pyplot as plt

from robustreg import HuberRegressor, RobustRegressor
from robustreg.datasets import load_phones
from robustreg.plotting import ResidualDisplay

phones = load_phones()
X, y = phones[["year"]], phones["calls"]
y.index = 1900 + phones["year"]

# %%
# ``outliers_`` are the samples with a residual above 2.58 times the scale, 1 % under normal errors. A
# scale that is estimated jointly with the coefficients is inflated by the six contaminated years: none is found. This is masking.

model = HuberRegressor(scale="proposal2").fit(X, y)
print("proposal 2:", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# The default, the scale of the residuals of the L1 fit, is hardly inflated. All contaminated years are found. So are
# the last three, because the fit is still biased upwards.

model = HuberRegressor().fit(X, y)
print("default:   ", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# A redescending loss gives them no weight. Its outliers are the six years and 1970, which was partly
# affected. ``weights_`` is 0 in those years.

model = RobustRegressor(loss="tukey").fit(X, y)
print("tukey:     ", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")
print("weights:   ", *model.weights_.round(2))
print(f"slope {model.coef_[0]:.2f}; of the undisputed years alone it is 1.08 by least squares")

# %%
# Residuals against fitted values and against normal quantiles, with the outliers named.

ResidualDisplay.from_estimator(model, X, y)
plt.show()
