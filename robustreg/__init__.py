"""Robust linear estimators for scikit-learn on one shared loss core."""

from robustreg import datasets, losses
from robustreg.estimators import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)

__version__ = "0.1.0"

__all__ = [
    "HuberRegressor",
    "L1Regressor",
    "L2Regressor",
    "QuantileRegressor",
    "RobustRegressor",
    "datasets",
    "losses",
]
