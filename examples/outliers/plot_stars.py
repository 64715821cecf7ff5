"""
Leverage points that reverse a slope: the stars of CYG OB1
==========================================================

The light of a star grows with its temperature. Four giants are cool and bright. They are leverage points, and they reverse
the sign of the least-squares slope. The same fits by statsmodels show that an M-estimator does not help.
"""

import matplotlib.pyplot as plt
import statsmodels.api as sm

from robustreg import HuberRegressor, L2Regressor, MMRegressor
from robustreg.datasets import load_stars

stars = load_stars()
X, y = stars[["log_temperature"]], stars["log_light"]
fits = {"least squares": L2Regressor(), "Huber": HuberRegressor(), "MM": MMRegressor()}
for name, model in fits.items():
    print(f"{name}: slope {model.fit(X, y).coef_[0]:.2f}")
rlm = sm.RLM(y, sm.add_constant(X), M=sm.robust.norms.TukeyBiweight()).fit()
print(f"statsmodels RLM with Tukey's bisquare: slope {rlm.params['log_temperature']:.2f}")

# %%
# The MM-estimator follows the main sequence. Its outliers are the four giants.

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
outlier = fits["MM"].outliers_
ax.plot(X[~outlier], y[~outlier], "o", color="0.3", label="main sequence")
ax.plot(X[outlier], y[outlier], "o", mfc="none", color="tab:red", label="outliers of the MM fit")
for name, model in fits.items():
    ax.plot(
        X.sort_values("log_temperature"),
        model.predict(X.sort_values("log_temperature")),
        label=name,
    )
ax.invert_xaxis()  # as astronomers draw it
ax.set(xlabel="log temperature", ylabel="log light", ylim=(3.5, 6.5))
figure.legend(loc="outside upper center", ncols=3)
plt.show()
