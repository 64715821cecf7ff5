"""
A new loss in one class
=======================

Fair's loss is not in the library. We write it, and everything else follows: a function form, estimators
that use it by name, grids over its parameter.
"""

from dataclasses import dataclass
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from robustreg import RobustRegressor
from robustreg.datasets import load_engel
from robustreg.losses import ResidualLoss, function_form

# %%
# Fair's loss grows like the square near zero and like the absolute value far out, with no threshold between
# them. A residual loss says what it is at a residual, ``rho``, and its first two derivatives, ``psi`` and
# ``psi_prime``. ``threshold`` names the fields that are in units of the residual: an estimator multiplies them
# by the scale it finds.


@dataclass(eq=False)
class Fair(ResidualLoss):
    """Fair's loss, linear far out but smooth everywhere."""

    c: float = 1.3998  # 95 % efficiency at the normal distribution

    name: ClassVar[str] = "fair"
    function: ClassVar[str] = "fair_loss"
    threshold: ClassVar[tuple[str, ...]] = ("c",)
    formula: ClassVar[str] = r"c^2 (|r| / c - \log(1 + |r| / c))"
    reference: ClassVar[str] = "Fair, R. C. (1974). On the robust estimation of econometric models."

    def rho(self, r):
        u = abs(r) / self.c
        return self.c**2 * (u - np.log1p(u))

    def psi(self, r):
        return r / (1 + abs(r) / self.c)

    def psi_prime(self, r):
        return 1 / (1 + abs(r) / self.c) ** 2


# %%
# The class is registered under its name the moment it is defined.

engel = load_engel()
X, y = engel[["income"]], engel["food_expenditure"]
model = RobustRegressor(loss="fair").fit(X, y)
print(f"slope {model.coef_[0]:.4f}, scale {model.scale_:.1f}, certificate {model.optimality_:.1e}")

# %%
# As a function, checked and with its gradient:

fair_loss = function_form(Fair)
value, gradient = fair_loss([0.0, 0.0], [1.0, 100.0], reduction="sum", return_gradient=True)
print(value, gradient)

# %%
# Its parameter in a grid:

search = GridSearchCV(
    RobustRegressor(loss=Fair()),
    {"loss__c": [0.5, 1.0, 1.3998, 3.0]},
    scoring="neg_mean_absolute_error",
).fit(X, y)
print(search.best_params_)

# %%
# Next to Huber's:

r = np.linspace(-5, 5, 401)
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(r, Fair().psi(r), label="Fair")
ax.plot(r, np.clip(r, -1.345, 1.345), label="Huber")
ax.set(xlabel="residual in units of the scale", ylabel="psi: how hard it pulls")
ax.legend()
plt.show()

