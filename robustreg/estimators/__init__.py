"""Estimators: the only place that knows scikit-learn."""

from robustreg.estimators.regression import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)

__all__ = [
    "HuberRegressor",
    "L1Regressor",
    "L2Regressor",
    "QuantileRegressor",
    "RobustRegressor",
]
