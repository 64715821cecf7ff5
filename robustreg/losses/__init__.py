"""Loss functions: one class each, with the function form made from it."""

from robustreg.losses._base import LOSSES, Extra, Kinks, Loss, PointwiseLoss
from robustreg.losses._functions import function_form
from robustreg.losses._residual import (
    Absolute,
    Huber,
    LogCosh,
    Pinball,
    PseudoHuber,
    ResidualLoss,
    SmoothL1,
    Squared,
)
from robustreg.losses._wrappers import Concomitant, Smoothed

_functions = {loss.function: function_form(loss) for loss in LOSSES.values()}
globals().update(_functions)

__all__ = [
    "LOSSES",
    "Absolute",
    "Concomitant",
    "Extra",
    "Huber",
    "Kinks",
    "LogCosh",
    "Loss",
    "Pinball",
    "PointwiseLoss",
    "PseudoHuber",
    "ResidualLoss",
    "SmoothL1",
    "Smoothed",
    "Squared",
    "function_form",
]
__all__ += list(_functions)
