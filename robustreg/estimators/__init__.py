"""Estimators: the only place that knows scikit-learn."""

from robustreg.estimators._rows import Rows
from robustreg.estimators.classification import (
    FocalClassifier,
    LogisticClassifier,
    PolyClassifier,
)
from robustreg.estimators.distribution import KLRegressor
from robustreg.estimators.embedding import LinearEmbedding
from robustreg.estimators.high_breakdown import LTSRegressor, MMRegressor, SRegressor
from robustreg.estimators.margin import HingeClassifier
from robustreg.estimators.overlap import DiceClassifier
from robustreg.estimators.ranking import MarginRanker
from robustreg.estimators.regression import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.estimators.robust_classifier import RobustClassifier

__all__ = [
    "DiceClassifier",
    "FocalClassifier",
    "HingeClassifier",
    "HuberRegressor",
    "KLRegressor",
    "L1Regressor",
    "L2Regressor",
    "LTSRegressor",
    "LinearEmbedding",
    "LogisticClassifier",
    "MMRegressor",
    "MarginRanker",
    "PolyClassifier",
    "QuantileRegressor",
    "RobustClassifier",
    "RobustRegressor",
    "Rows",
    "SRegressor",
]
