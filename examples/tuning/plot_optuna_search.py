"""
Which loss, which threshold, which penalty: a search by Optuna
==============================================================

A tenth of the targets of scikit-learn's diabetes data is multiplied by five. `Optuna <https://optuna.org>`_ searches over the loss, its
efficiency at normal errors, from which :func:`~robustreg.epsilon_for` computes the threshold, and the penalty. The score is the
robust R2, because the held-out samples are contaminated as well.
"""

import matplotlib.pyplot as plt
import numpy as np
import optuna
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

from robustreg import RobustKFold, RobustRegressor, epsilon_for
from robustreg.losses import LOSSES
from robustreg.model_selection import robust_r2

X, clean = load_diabetes(return_X_y=True)
y = np.where(np.random.default_rng(0).random(len(clean)) < 0.1, 5 * clean, clean)
folds = list(RobustKFold(5).split(X, y))


def model_of(loss, efficiency, alpha):
    """A regressor with this loss at this efficiency."""
    shape = LOSSES[loss]()
    shape.set_params(**{shape.threshold[0]: epsilon_for(efficiency, loss)})
    return RobustRegressor(loss=shape, alpha=alpha)


def objective(trial):
    model = model_of(
        trial.suggest_categorical("loss", ["huber", "tukey", "cauchy", "welsch"]),
        trial.suggest_float("efficiency", 0.7, 0.99),
        trial.suggest_float("alpha", 1e-4, 10.0, log=True),
    )
    return cross_val_score(model, X, y, cv=folds, scoring=robust_r2).mean()


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=60)
print(study.best_params)

# %%
# The search cannot see the clean targets. Beside the default, what did it gain?

candidates = {"default": RobustRegressor(), "best of the search": model_of(**study.best_params)}
for name, model in candidates.items():
    error = np.abs(clean - model.fit(X, y).predict(X)).mean()
    print(
        f"{name}: robust R2 {robust_r2(model, X, y):.3f}, mean error to the clean targets {error:.1f}"
    )

# %%
# Scores of the trials. The best ones of each loss are near 0.5, whatever the efficiency. The penalty matters more: above 1 no trial
# reaches 0.35. The search gains 0.9 in 44.3 over the default, on targets that it has not seen clean.

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for loss in ("huber", "tukey", "cauchy", "welsch"):
    trials = [trial for trial in study.trials if trial.params["loss"] == loss]
    for ax, name in zip(axes, ("efficiency", "alpha"), strict=True):
        ax.plot([t.params[name] for t in trials], [t.value for t in trials], ".", label=loss)
        ax.set_xlabel(name)
axes[1].set_xscale("log")
axes[0].set_ylabel("robust R2 of the folds")
axes[0].legend()
plt.show()
