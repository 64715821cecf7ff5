"""
A new loss in one class
=======================

Expectiles are to the mean what quantiles are to the median. Their loss is not in the library: we write it, and
everything else follows, its function form, estimators that use it by name, grids over its parameter.
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
# The loss is a square whose two sides differ in weight. A residual loss says what it costs, ``rho``, and its
# first two derivatives, ``psi`` and ``psi_prime``.


@dataclass(eq=False)
class Expectile(ResidualLoss):
    """Asymmetric squared error, whose minimum is an expectile."""

    tau: float = 0.5

    name: ClassVar[str] = "expectile"
    function: ClassVar[str] = "expectile_loss"
    bounded_influence: ClassVar[bool] = False
    formula: ClassVar[str] = r"|\tau - 1_{r < 0}|\, r^2"
    reference: ClassVar[str] = "Newey, W. K. and Powell, J. L. (1987). Econometrica 55, 819-847."

    def rho(self, r):
        return self.psi_prime(r) * r**2 / 2

    def psi(self, r):
        return self.psi_prime(r) * r

    def psi_prime(self, r):
        return 2 * np.where(r < 0, 1 - self.tau, self.tau)


# %%
# The class is registered under its name the moment it is defined.

engel = load_engel()
X, y = engel[["income"]], engel["food_expenditure"]
model = RobustRegressor(loss="expectile").fit(X, y)
print(f"slope {model.coef_[0]:.4f}, certificate {model.optimality_:.1e}")

# %%
# As a function, checked and with its gradient:

expectile_loss = function_form(Expectile)
value, gradient = expectile_loss([1.0, 3.0], [0.0, 4.0], tau=0.9, return_gradient=True)
print(value, gradient)

# %%
# Its parameter in a grid, and fits across it: the spread of food expenditure grows with income.

search = GridSearchCV(RobustRegressor(loss=Expectile()), {"loss__tau": [0.1, 0.5, 0.9]}, cv=5)
print(search.fit(X, y).best_params_)

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(X, y, "k.", alpha=0.4)
for tau in [0.02, 0.1, 0.5, 0.9, 0.98]:
    fit = RobustRegressor(loss=Expectile(tau)).fit(X, y)
    ax.plot(X, fit.predict(X), label=f"expectile {tau}")
ax.set(xlabel="income", ylabel="food expenditure", xlim=(300, 3000), ylim=(200, 1800))
ax.legend()
plt.show()
