"""
Find the wrong years in the phone calls
=======================================

From 1964 to 1969 the minutes of Belgium's international calls were written down in place of their number. Which rows
does a fit flag, and what does a table with that many wrong rows ask of the loss?
"""

import matplotlib.pyplot as plt
import numpy as np

from robustreg import HuberRegressor, RobustRegressor
from robustreg.datasets import load_phones
from robustreg.plotting import ResidualDisplay

phones = load_phones()
X, y = phones[["year"]], phones["calls"]
y.index = 1900 + phones["year"]

# %%
# ``outliers_`` are the rows in the linear part of the loss. With the default scale they hide one another: six wrong rows
# of 24 inflate sigma, and only the worst stand out.

model = HuberRegressor(alpha=0).fit(X, y)
print("proposal 2:", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# The MAD takes no notice of them. All wrong years are flagged, and so are the last three, which the line, still
# pulled upwards, misses.

model = HuberRegressor(alpha=0, scale="mad", max_iter=1000).fit(X, y)
print("mad:       ", *y.index[model.outliers_], f" sigma {model.scale_:.1f}")

# %%
# A redescending loss lets go of far rows altogether. Residuals in units of their own MAD, beyond 2.5, then say it plainly:
# the six years and the two that were partly affected.

model = RobustRegressor(loss="tukey").fit(X, y)
residual = y.to_numpy() - model.predict(X)
flagged = np.abs(residual) > 2.5 * np.median(np.abs(residual)) / 0.6745
print("tukey:     ", *y.index[flagged], f" sigma {model.scale_:.1f}")
print(f"slope {model.coef_[0]:.2f}; of the undisputed years alone it is 1.08 by least squares")

# %%
# The picture: residuals against fitted values and against normal quantiles, flagged years by name.

ResidualDisplay.from_estimator(model, X, y, threshold=2.5)
plt.show()
