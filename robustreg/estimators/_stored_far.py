"""The objective of a classifier at its stored coefficients, where rows are far out in X.

To one unit in the last place of a coefficient of one belongs a score of 0.02 of a row of 1e14. Where such a row is on its
margin at the minimum, rounding decides on which side of it, and what that costs. The other rows do not feel the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import floats, take_rows
from robustreg.estimators._estimate import Estimate
from robustreg.stored import leads, precise_scores

#: moves for each coefficient: no more rows than there are coefficients are on their margins, and a row is on its side
#: again after about one move for each column in which it is far
MOST = 8


@dataclass
class BesideFar:
    """A sum of losses and a penalty, of coefficients in the user's units.

    Parameters
    ----------
    estimate : Estimate
        Loss, penalty and targets.
    X : array or sparse array of shape (n, p)
        The rows of positive weight.
    far : array of int
        Those of them that are far out.
    weight : array of shape (n,) or None
        Of the rows, of mean one.
    mass : float
        Mean weight as given, by which the penalty is divided.
    """

    estimate: Estimate
    X: Any
    far: Array
    weight: Array | None
    mass: float

    def __post_init__(self) -> None:
        target = self.estimate.target
        self.rows = floats(take_rows(self.X, self.far), dense=True)
        self.own = target[self.far].astype(int) if self.estimate.together else None

    def value(self, coef: Array, intercept: Array) -> float:
        """Return the objective, in which the scores of far rows are exact."""
        if is_sparse(self.X):
            raw = self.X.dot(coef.T) + intercept
        else:
            raw = precise_scores(self.X, coef, intercept)
        raw[self.far] = leads(self.rows, coef, intercept, self.own)
        losses, _ = self._losses(slice(None), raw)
        penalty = self.estimate.penalty.value_gradient(coef[0] if len(coef) == 1 else coef.T)[0]
        return losses + penalty / self.mass

    def turned(self, coef: Array, intercept: Array, value: float) -> tuple[Array, float]:
        """Move coefficients by units in the last place, as long as that takes from the losses of far rows.

        Parameters
        ----------
        coef, intercept : arrays of shape (k, p) and (k,)
            As they are rounded.
        value : float
            The objective there.

        Returns
        -------
        coef, value
            The best that were found.
        """
        for _ in range(MOST * coef.size):
            _, slope = self._losses(self.far, leads(self.rows, coef, intercept, self.own))
            unit = np.where(coef == 0, 0.0, np.spacing(np.abs(coef)))  # zeros are exact, and stay
            pull = slope[:, :, None] * self.rows[:, None, :] * unit
            row, _, column = np.unravel_index(np.abs(pull).argmax(), pull.shape)
            moved = coef.copy()
            moved[:, column] -= np.sign(pull[row, :, column]) * unit[:, column]
            lower = self.value(moved, intercept)
            if not lower < value:
                break
            coef, value = moved, lower
        return coef, value

    def _losses(self, rows: Any, raw: Array) -> tuple[float, Array]:
        """Return the sum of the losses of some rows and their slopes, a column for each score."""
        weight, target = self.weight, self.estimate.target[rows]
        single = target.ndim == 1 and raw.shape[1] == 1
        value, slope, _ = self.estimate.loss.value_gradient(
            target,
            raw[:, 0] if single else raw,
            None if weight is None else weight[rows],
            np.zeros(0),
        )
        return float(value), slope.reshape(len(raw), -1)
