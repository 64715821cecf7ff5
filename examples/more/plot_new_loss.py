"""
A new loss in one class
=======================

M-quantiles are to Huber's loss what quantiles are to the absolute error. Their loss is not in the library. We
write it as one class. Its function, its use by name in estimators, and grids over its parameter follow from the class.
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
# The loss is Huber's with different weights for positive and negative residuals. A residual loss defines its value ``rho``, its first two
# derivatives ``psi`` and ``psi_prime``, and which of its parameters are in units of the residual.


@dataclass(eq=False)
class MQuantile(ResidualLoss):
    """Asymmetric Huber loss, whose minimum is an M-quantile."""

    tau: float = 0.5
    delta: float = 1.345

    name: ClassVar[str] = "m_quantile"
    function: ClassVar[str] = "m_quantile_loss"
    threshold: ClassVar[tuple[str, ...]] = ("delta",)
    formula: ClassVar[str] = r"2\, |\tau - 1_{r < 0}|\, \rho_{Huber}(r)"
    reference: ClassVar[str] = "Breckling, J. and Chambers, R. (1988). Biometrika 75, 761-771."

    def rho(self, r):
        inner = np.clip(r, -self.delta, self.delta)
        return self._side(r) * inner * (r - inner / 2)

    def psi(self, r):
        return self._side(r) * np.clip(r, -self.delta, self.delta)

    def psi_prime(self, r):
        return self._side(r) * (np.abs(r) <= self.delta)

    def _side(self, r):
        return 2 * np.where(r < 0, 1 - self.tau, self.tau)


# %%
# The definition of the class registers it under its name.

engel = load_engel()
X, y = engel[["income"]], engel["food_expenditure"]
model = RobustRegressor(loss="m_quantile").fit(X, y)
print(f"slope {model.coef_[0]:.4f}, certificate {model.optimality_:.1e}")

# %%
# As a function, checked and with its gradient:

m_quantile_loss = function_form(MQuantile)
value, gradient = m_quantile_loss([1.0, 3.0], [0.0, 4.0], tau=0.9, return_gradient=True)
print(value, gradient)

# %%
# Its parameter in a grid, and fits across it: the spread of food expenditure grows with income.

search = GridSearchCV(RobustRegressor(loss=MQuantile()), {"loss__tau": [0.1, 0.5, 0.9]}, cv=5)
print(search.fit(X, y).best_params_)

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(X, y, "k.", alpha=0.4)
for tau in [0.02, 0.1, 0.5, 0.9, 0.98]:
    fit = RobustRegressor(loss=MQuantile(tau)).fit(X, y)
    ax.plot(X, fit.predict(X), label=f"M-quantile {tau}")
ax.set(xlabel="income", ylabel="food expenditure", xlim=(300, 3000), ylim=(200, 1800))
ax.legend()
plt.show()
