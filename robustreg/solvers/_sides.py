"""Penalties of single coefficients beside a loss with kinks: each is one more row, with its kink at zero.

The slopes of such a row on both sides are those of the penalty. A bound is a side so steep that no loss
pushes a coefficient beyond it; what is left of the penalty is its square.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from robustreg._array import Array, is_sparse
from robustreg.objective import Objective
from robustreg.solvers._rows import Rows

#: curvature of a penalty, in standardised units, that nothing can come of
NEGLIGIBLE = 1e-25
#: a bound is this many times as steep as rows of columns of size one can pull, if no weight is on those far out
STEEP = 10.0


@dataclass
class Sides:
    """Slopes of the penalty of each coefficient on both sides of zero, and its second derivative.

    It stands for a penalty where the loss has kinks, and for its envelope where it has a ``width``.

    Parameters
    ----------
    lower, upper, bend : arrays of shape (n_features,)
        In the user's units; ``lower <= 0 <= upper``.
    width : array of shape (n_features,) or None
        The envelope is a parabola where the coefficients are smaller.
    """

    lower: Array
    upper: Array
    bend: Array
    width: Array | None = None

    empty, euclidean, by_column, convex = False, False, False, True

    @property
    def kinked(self) -> bool:
        """Whether it has kinks at zero."""
        return self.width is None

    def value_gradient(self, coef: Array) -> tuple[float, Array]:
        """Value and gradient; at a kink the slope nearest to zero."""
        if self.width is None:
            slope = np.where(coef > 0, self.upper, np.where(coef < 0, self.lower, 0.0))
            value = np.vdot(slope, coef)
        else:
            steep = self._steep() / self.width
            slope = np.clip(steep * coef, self.lower, self.upper)
            rounded = np.divide(slope, steep, out=np.zeros_like(coef), where=steep + 0 * coef > 0)
            value = np.vdot(slope, coef - 0.5 * rounded)
        pull = self.bend * coef
        return float(value + 0.5 * np.vdot(pull, coef)), slope + pull

    def curvature(self, coef: Array) -> Array:
        """Diagonal of the Hessian."""
        if self.width is None:
            return self.bend + np.zeros_like(coef)
        steep = self._steep() / self.width
        inside = (steep * coef > self.lower) & (steep * coef < self.upper)
        return np.where(inside, steep, 0.0) + self.bend

    def scaled(self, factor: float) -> Self:
        """Return the penalty times ``factor``."""
        lower, upper, bend = (factor * part for part in (self.lower, self.upper, self.bend))
        return replace(self, lower=lower, upper=upper, bend=bend)

    def smoothed(self, width: Array) -> Self:
        """Return the envelope of a width for each coefficient."""
        return replace(self, width=width)

    def _steep(self) -> Array:
        return np.maximum(-self.lower, self.upper)


def with_sides(objective: Objective) -> Objective:
    """Return the objective with a kinked penalty of single coefficients as :class:`Sides`."""
    penalty: Any = objective.penalty
    if penalty.empty or penalty.euclidean or isinstance(penalty, Sides):
        return objective
    transform = objective.data.coordinates.transform
    n = len(transform)
    data: Any = objective.data
    kinks: Any = objective.loss.kinks(data.y if data.here else data.sample.y)
    pull = STEEP * float(np.max(np.maximum(-kinks.lower, kinks.upper))) * objective.total
    bound = np.divide(pull, transform, out=np.zeros(n), where=transform > 0)
    # no entry of a column of mean square one is larger than this: all rows together cannot pull as much
    most = np.sqrt(data.n_rows) * bound
    if not penalty.by_column:
        alpha = np.minimum(penalty.at_zero, most)
        sides = Sides(-alpha, alpha, np.zeros(n))
    else:
        part = penalty.majoriser(np.zeros(n))
        removed, l1 = penalty.removed(n), np.minimum(part.l1, most)
        above = l1 + np.where(removed, bound, 0.0)
        below = l1 + np.where(removed | penalty.positive, bound, 0.0)
        sides = Sides(-below, above, np.array(part.l2))
    return objective.with_total(objective.total, penalty=sides)


def penalised_columns(objective: Objective) -> Array:
    """Return the columns that have a row of their own, in the order of these."""
    sides: Any = with_sides(objective).penalty
    steep = (sides.lower != 0) | (sides.upper != 0)
    return np.flatnonzero(steep & (objective.data.coordinates.transform > 0))


def add_penalty(rows: Rows, objective: Objective) -> Rows:
    """Add an L2 penalty as the square term, :class:`Sides` as rows with a kink at zero and a square term."""
    penalty: Any = with_sides(objective).penalty
    coordinates = objective.data.coordinates
    if penalty.empty:
        return rows
    q, total = objective.size, objective.total
    zero = np.zeros(len(coordinates.center))
    bend = penalty.curvature(zero) / total
    if bend.any():
        quadratic = np.zeros((q, q))
        size = coordinates.size
        quadratic[:size, :size] = coordinates.quadratic(bend)
        # Beside losses of size one a weaker penalty is below rounding: what is left is linear.
        rows = replace(rows, quadratic=quadratic) if quadratic.max() > NEGLIGIBLE else rows
    if penalty.euclidean:
        return rows
    live = penalised_columns(objective)
    lower, upper = (
        part[live] / total * coordinates.transform[live] for part in (penalty.lower, penalty.upper)
    )
    unit = sp.csr_array((np.ones(len(live)), (range(len(live)), live)), shape=(len(live), q))
    return replace(
        rows,
        X=_stack(rows.X, unit),
        position=np.concatenate([rows.position, np.zeros(len(live))]),
        lower=np.concatenate([rows.lower, lower]),
        upper=np.concatenate([rows.upper, upper]),
        weight=np.concatenate([rows.weight, np.maximum(-lower, upper)]),
    )


def _stack(X: Any, unit: Any) -> Any:
    """Add sparse rows to dense or sparse ones."""
    return sp.vstack([X, unit], format="csr") if is_sparse(X) else np.vstack([X, unit.toarray()])
