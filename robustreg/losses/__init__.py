"""Loss functions: one class each, with the function form made from it."""

from robustreg.losses._activations import log_sigmoid, log_softmax, sigmoid, softmax
from robustreg.losses._angular import ArcFace
from robustreg.losses._base import LOSSES, Extra, Kinks, Loss
from robustreg.losses._boosting import boosting_link, boosting_objective, catboost_objective
from robustreg.losses._categorical import CrossEntropy, KLDivergence, MulticlassHinge
from robustreg.losses._cut_line import Absolute, Huber, Pinball, SmoothL1, Squared
from robustreg.losses._functions import function_form
from robustreg.losses._margin import Hinge, Logistic, MarginLoss, Multilabel, SquaredHinge
from robustreg.losses._modulated import Focal, Poly
from robustreg.losses._monotone import EpsilonInsensitive, Expectile, Fair, LogCosh, PseudoHuber
from robustreg.losses._overlap import Dice
from robustreg.losses._pairs import Contrastive, MarginRanking, Triplet
from robustreg.losses._redescending import (
    LQQ,
    Andrews,
    Cauchy,
    GemanMcClure,
    Hampel,
    Optimal,
    Tukey,
    Welsch,
)
from robustreg.losses._residual import ResidualLoss
from robustreg.losses._separable import PointwiseLoss, SeparableLoss
from robustreg.losses._similarity import InfoNCE, MultipleNegativesRanking
from robustreg.losses._speakers import GE2E
from robustreg.losses._wrappers import Concomitant, Smoothed

_functions = {loss.function: function_form(loss) for loss in LOSSES.values()}
globals().update(_functions)

__all__ = [
    "GE2E",
    "LOSSES",
    "LQQ",
    "Absolute",
    "Andrews",
    "ArcFace",
    "Cauchy",
    "Concomitant",
    "Contrastive",
    "CrossEntropy",
    "Dice",
    "EpsilonInsensitive",
    "Expectile",
    "Extra",
    "Fair",
    "Focal",
    "GemanMcClure",
    "Hampel",
    "Hinge",
    "Huber",
    "InfoNCE",
    "KLDivergence",
    "Kinks",
    "LogCosh",
    "Logistic",
    "Loss",
    "MarginLoss",
    "MarginRanking",
    "MulticlassHinge",
    "Multilabel",
    "MultipleNegativesRanking",
    "Optimal",
    "Pinball",
    "PointwiseLoss",
    "Poly",
    "PseudoHuber",
    "ResidualLoss",
    "SeparableLoss",
    "SmoothL1",
    "Smoothed",
    "Squared",
    "SquaredHinge",
    "Triplet",
    "Tukey",
    "Welsch",
    "boosting_link",
    "boosting_objective",
    "catboost_objective",
    "function_form",
    "log_sigmoid",
    "log_softmax",
    "sigmoid",
    "softmax",
]
__all__ += list(_functions)
