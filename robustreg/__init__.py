"""Robust linear regression, classification and ranking for scikit-learn."""

from robustreg import datasets, export, formula, inference, losses, model_selection, onnx, plotting
from robustreg.estimators import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    LTSRegressor,
    MarginRanker,
    MMRegressor,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
    SRegressor,
)
from robustreg.model_selection import (
    HuberRegressorCV,
    RobustKFold,
    efficiency_of,
    epsilon_for,
    epsilon_grid,
    huber_path,
    make_neg_huber_loss_scorer,
)

__version__ = "0.1.0"

__all__ = [
    "DiceClassifier",
    "FocalClassifier",
    "HingeClassifier",
    "HuberRegressor",
    "HuberRegressorCV",
    "KLRegressor",
    "L1Regressor",
    "L2Regressor",
    "LTSRegressor",
    "LogisticClassifier",
    "MMRegressor",
    "MarginRanker",
    "PolyClassifier",
    "QuantileRegressor",
    "RobustKFold",
    "RobustRegressor",
    "SRegressor",
    "datasets",
    "efficiency_of",
    "epsilon_for",
    "epsilon_grid",
    "export",
    "formula",
    "huber_path",
    "inference",
    "losses",
    "make_neg_huber_loss_scorer",
    "model_selection",
    "onnx",
    "plotting",
]
