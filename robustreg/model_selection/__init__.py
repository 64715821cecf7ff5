"""Choice of the threshold: grids by efficiency, robust scores and folds, warm-started search."""

from robustreg.model_selection._efficiency import efficiency_of, epsilon_for, epsilon_grid
from robustreg.model_selection._folds import RobustKFold
from robustreg.model_selection._path import HuberPath, huber_path
from robustreg.model_selection._path_search import PathSearchCV
from robustreg.model_selection._regularization import RegularizationPath, regularization_path
from robustreg.model_selection._scorers import (
    make_neg_huber_loss_scorer,
    neg_tau_scale,
    neg_trimmed_mean_squared_error,
    robust_r2,
    robust_r2_score,
    tau_scale,
    trimmed_mean_squared_error,
)
from robustreg.model_selection._search import HuberRegressorCV

__all__ = [
    "HuberPath",
    "HuberRegressorCV",
    "PathSearchCV",
    "RegularizationPath",
    "RobustKFold",
    "efficiency_of",
    "epsilon_for",
    "epsilon_grid",
    "huber_path",
    "make_neg_huber_loss_scorer",
    "neg_tau_scale",
    "neg_trimmed_mean_squared_error",
    "regularization_path",
    "robust_r2",
    "robust_r2_score",
    "tau_scale",
    "trimmed_mean_squared_error",
]
