"""Loss functions: one class each, with the function form made from it."""

from robustreg.losses._activations import log_sigmoid, log_softmax, sigmoid, softmax
from robustreg.losses._base import LOSSES, Extra, Kinks, Loss, PointwiseLoss, SeparableLoss
from robustreg.losses._categorical import CrossEntropy, KLDivergence, MulticlassHinge
from robustreg.losses._functions import function_form
from robustreg.losses._margin import Hinge, Logistic, MarginLoss, Multilabel, SquaredHinge
from robustreg.losses._modulated import Focal, Poly
from robustreg.losses._monotone import Fair, LogCosh, PseudoHuber
from robustreg.losses._redescending import Andrews, Cauchy, GemanMcClure, Hampel, Tukey, Welsch
from robustreg.losses._residual import Absolute, Huber, Pinball, ResidualLoss, SmoothL1, Squared
from robustreg.losses._wrappers import Concomitant, Smoothed

_functions = {loss.function: function_form(loss) for loss in LOSSES.values()}
globals().update(_functions)

__all__ = [
    "LOSSES",
    "Absolute",
    "Andrews",
    "Cauchy",
    "Concomitant",
    "CrossEntropy",
    "Extra",
    "Fair",
    "Focal",
    "GemanMcClure",
    "Hampel",
    "Hinge",
    "Huber",
    "KLDivergence",
    "Kinks",
    "LogCosh",
    "Logistic",
    "Loss",
    "MarginLoss",
    "MulticlassHinge",
    "Multilabel",
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
    "Tukey",
    "Welsch",
    "function_form",
    "log_sigmoid",
    "log_softmax",
    "sigmoid",
    "softmax",
]
__all__ += list(_functions)
