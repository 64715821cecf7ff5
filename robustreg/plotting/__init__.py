"""Pictures in scikit-learn's manner; matplotlib is imported when one is drawn."""

from robustreg.plotting._coefficients import CoefficientDisplay
from robustreg.plotting._loss import LossDisplay
from robustreg.plotting._outlier_map import OutlierMapDisplay
from robustreg.plotting._residual import ResidualDisplay
from robustreg.plotting._tuning import CoefficientPathDisplay, DeltaCurveDisplay

__all__ = [
    "CoefficientDisplay",
    "CoefficientPathDisplay",
    "DeltaCurveDisplay",
    "LossDisplay",
    "OutlierMapDisplay",
    "ResidualDisplay",
]
