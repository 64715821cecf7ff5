"""A certificate of the coefficients as they are stored: rounded to floating point, in the user's units."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.estimators._base import LinearModel, Prepared
from robustreg.estimators._estimate import Estimate
from robustreg.solvers import Result
from robustreg.stored import Stored

#: statistics: where no row is heavy, a rise by this share moves no coefficient by more than about a hundredth of its
#: standard error at a thousand rows, and a row of 1e10 makes that much of the rounding of its own entries
UNSEEN = 1e-7
ADVICE = (
    "The objective is {share:.1e} of its value above its minimum because coef_ and intercept_ are rounded to "
    "floating point, which is felt by rows of heavy weight and beside nearly dependent columns. Subtract a "
    "typical value from each column of X and from y, or give less extreme weights."
)


class CountsRounding(LinearModel):
    """A model whose `optimality_` is that of the coefficients as they are stored."""

    coef_: Array
    intercept_: Any

    def _is_exact(self, X: Any, prepared: Prepared, loss: Any) -> bool:
        """Whether nothing but rounding is left of the losses."""
        return False

    def _count_rounding(
        self, X: Any, weight: Array | None, found: Result, prepared: Prepared
    ) -> None:
        data, units = prepared.data, prepared.units
        if self.optimality_ > self.tol or not data.here:
            return
        x = found.x[None, : data.size + data.intercept] if found.x.ndim == 1 else found.x
        if weight is not None and data.n_rows < len(weight):
            X = X[weight > 0]
        stored = Stored(
            data, x, X, np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_), units.spread, units.center
        )  # fmt: skip
        if not stored.felt():
            return
        estimate = self._estimate(data.y, data.weight, data.total * units.mass)
        if self._is_exact(X, prepared, estimate.loss):
            return
        share = _rise(stored, estimate, units.mass) if estimate.loss.additive else 0.0
        self._say_rise(share, found, stored.heavy)

    def _say_rise(self, share: float, found: Result, heavy: bool) -> None:
        """Let `optimality_` say by which share the objective has risen, where that is felt."""
        if share > (self.tol if heavy else max(self.tol, UNSEEN)):
            self.optimality_ = share
            found.advice = found.get("advice") or ADVICE.format(share=share)


def _rise(stored: Stored, estimate: Estimate, mass: float) -> float:
    """Return by which share the objective is higher at the stored coefficients than where the fit ended."""
    ended, rounded = stored.predictions()
    if estimate.target.ndim == 1 and ended.shape[1] == 1:
        ended, rounded = ended[:, 0], rounded[:, 0]
    target = estimate.target * stored.unit

    def value(raw: Array) -> float:
        raw = raw * stored.unit
        found = estimate.loss.value_gradient(target, raw, stored.data.weight, np.zeros(0))
        return float(found[0])

    least = value(ended)
    coef = stored.coef[0] if len(stored.coef) == 1 else stored.coef.T
    total = least + estimate.penalty.value_gradient(coef)[0] / mass
    return (value(rounded) - least) / total if total > 0 else 0.0
