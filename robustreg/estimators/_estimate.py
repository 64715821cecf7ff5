"""A fitted linear model as the solution of estimating equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustreg._array import Array
from robustreg.losses import Loss
from robustreg.penalties import Penalty


@dataclass(frozen=True)
class Estimate:
    """What a fitted model minimises, as those see it who ask how sure its coefficients are.

    The coefficients solve ``sum_i w_i factor_i x_i loss'(target_i, raw_i) + penalty' = 0`` with w the
    numbers of repetitions.

    Parameters
    ----------
    loss : Loss
        At its scale, in the units of y.
    penalty : Penalty
        Beside the sum over the rows, of coefficients in the user's units.
    target : array of shape (n,) or (n, n_scores)
        y as the loss reads it.
    factor : array of shape (n,) or (n, n_scores), optional
        Weights of the rows in the objective that are no repetitions, such as those of classes.
    scores : tuple, optional
        Names of the scores, where raw predictions have two dimensions.
    together : bool, default=False
        Whether a number that is added to all scores of a row changes nothing.
    scale : float, optional
        Scale of the residuals.
    start : Estimate, optional
        The estimate that the scale is from, where that is another one than this.
    start_coef, start_intercept : array and float, optional
        Where ``start`` is solved.
    design : Estimate, optional
        The M-estimate by whose leverages residuals are standardised, where the scale is design-adaptive
        (Koller and Stahel, 2011).
    design_coef, design_intercept : array and float, optional
        Where ``design`` is solved.
    high_breakdown : bool, default=False
        Whether ``start``, or this estimate where it has none, is an S-estimate and the scale its own.
    rows : array of shape (n,), optional
        Which rows the sum is over, where the others are left out.
    cut : float, optional
        Largest size of a residual of these rows, where the coefficients are solved on other rows, so that their
        equations do not tell whether these are the data of the fit.
    """

    loss: Loss
    penalty: Penalty
    target: Array
    factor: Array | None = None
    scores: tuple[Any, ...] | None = None
    together: bool = False
    scale: float | None = None
    start: Estimate | None = None
    start_coef: Array | None = None
    start_intercept: float = 0.0
    design: Estimate | None = None
    design_coef: Array | None = None
    design_intercept: float = 0.0
    high_breakdown: bool = False
    rows: Array | None = None
    cut: float | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the scale is design-adaptive."""
        return self.design is not None
