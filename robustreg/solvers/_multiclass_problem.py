"""The hinge loss of several classes at once as a problem in coefficients and shares.

Row i costs w_i max_k g_ik with g_ik = [k != y_i] + f_k - f_{y_i}. Its dual point is how it divides
its weight between the classes that attain the maximum: its shares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import SeparableLoss
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.solvers._gap import Certificate, Seen, judged
from robustreg.solvers._kinks import more_than_rounding
from robustreg.solvers._programs import FAR, conjugate, lengths

#: what rounding leaves of scores of size one
ROUNDING = 64 * float(np.finfo(float).eps)
#: a duality gap of this share of the value is rounding
CLOSED = 1e-14


@dataclass(eq=False)
class _Local(SeparableLoss):
    """What a row adds to Newton's equations: y holds its slopes, or its rates of change.

    With rates r of the classes the curvature is ``diag(r) - r r' / sum(r)``.
    """

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        return (y * raw).sum(axis=1), y

    def product(self, y: Array, raw: Array, d_raw: Array) -> Array:
        top, change = y.argmax(axis=1), d_raw + 0.0 * y
        change = change - np.take_along_axis(change, top[:, None], axis=1)
        mean = (y * change).sum(axis=1, keepdims=True) / y.sum(axis=1, keepdims=True)
        return balanced(y * (change - mean), top)

    def rates(self, y: Array, raw: Array, weight: Array | None) -> tuple[Array, Array]:
        return y, np.eye(y.shape[1])


def balanced(values: Array, top: Array) -> Array:
    """Rows of sum zero with the entry at ``top`` taken from the others.

    There nearly all of a row's weight is, and its own entry would be a difference of large numbers.
    """
    rows = np.arange(len(top))
    values[rows, top] = 0.0
    values[rows, top] = -values.sum(axis=1)
    return values


class Found(NamedTuple):
    """A point, shares of the rows, the gap between both, and the value of the point."""

    theta: Array
    shares: Array
    gap: float
    value: float


@dataclass
class Problem:
    """The objective of Crammer and Singer in the coordinates of contrasts."""

    objective: Objective
    label: Array
    weight: Array
    basis: Array

    @classmethod
    def of(cls, objective: Objective, n_classes: int) -> Problem:
        data = objective.data
        weight = np.ones(data.n_rows) if data.weight is None else data.weight
        label = data.y.astype(int)
        return cls(objective, label, weight / objective.total, helmert(n_classes))

    @cached_property
    def length(self) -> Array:
        """Lengths of the rows beside the median one, a column."""
        return lengths(self.objective.data.X)[:, None]

    @property
    def has_far_rows(self) -> bool:
        """Whether some rows are far out in X."""
        return self.objective.data.ready and bool(self.length.max() > FAR)

    @property
    def own(self) -> Array:
        """1 at the class of each row."""
        return (self.label[:, None] == np.arange(self.basis.shape[1])).astype(float)

    def lead(self, theta: Array, shift: float = 1.0) -> Array:
        """Return g of each row and class; with ``shift=0`` its change along a step."""
        scores = self.objective.raw(theta) @ self.basis
        own = np.take_along_axis(scores, self.label[:, None], axis=1)
        return scores - own + shift * (1.0 - self.own)

    def local(self, y: Array) -> Objective:
        data = self.objective.data.with_target(y * self.objective.total, None)
        return replace(self.objective, loss=Contrasts(_Local()), data=data)

    def missed(self, theta: Array, shares: Array) -> Array:
        """Gradient of the objective where each row divides its weight as ``shares`` says."""
        return self.local(balanced(shares.copy(), self.label)).evaluate(theta).gradient

    def square(self) -> Array:
        """Hessian of the penalty."""
        blank = np.zeros_like(self.own)
        blank[:, 0] = 1.0  # a row with all its weight on one class has no curvature
        return self.local(blank).hess(np.zeros(self.objective.size))

    def value(self, theta: Array, lead: Array) -> float:
        u = self.objective.data.coordinates.coef(self.objective.split(theta)[0])
        penalty = self.objective.penalty.value_gradient(u)[0] / self.objective.total
        return float(self.weight @ lead.max(axis=1) + penalty)

    def fallen_short(self, shares: Array, lead: Array) -> tuple[float, float]:
        """Return the loss, and by how much shares fall short of it: Fenchel's inequality row by row."""
        # A lead of zero is one up to the rounding of its scores.
        size = 1.0 + np.abs(lead).max(axis=1, keepdims=True)
        zero = np.abs(lead) <= ROUNDING * size
        exact, lead = np.where(zero, lead, 0.0), np.where(zero, 0.0, lead)
        lost = self.weight * lead.max(axis=1)
        left = self.weight * exact.max(axis=1) - (shares * exact).sum(axis=1)
        missed = float(np.maximum(lost - (shares * lead).sum(axis=1), 0.0).sum())
        return float(lost.sum()), missed + more_than_rounding(left, zero.any(axis=1), 0.0)

    def certified(self, theta: Array, shares: Array, lead: Array) -> Certificate:
        """Certify a point by the shares of the rows."""
        # What the class of a row has is the rest of its weight. Shares that are dual points stay as they are: in rows far
        # out in X, and beside a slight penalty, their last places count.
        shares = np.where(self.own > 0, 0.0, np.maximum(shares, 0.0))
        taken = shares.sum(axis=1) / self.weight
        shares /= np.where(taken > 1 + ROUNDING, taken, 1.0)[:, None]
        lost, missed = self.fallen_short(shares, lead)
        local = self.local(balanced(shares, self.label))
        pull = local.evaluate(theta, whole=False).gradient / self.objective.total
        return judged(self.objective, theta, Seen(lost, missed, pull, self.constant))

    def constant(self) -> float:
        """Return the loss of equal scores, or if smaller of those that lead for the most frequent class by one."""
        total = float(self.weight.sum())
        return min(total, 2 * (total - float((self.weight @ self.own).max())))

    def found(self, theta: Array, shares: Array, square: Array) -> Found:
        """Return a point with its duality gap, at least 0: what rows say, and what is unbalanced."""
        rest, lead = self.missed(theta, shares), self.lead(theta)
        bent = np.diag(square) > 0
        inner = square[np.ix_(bent, bent)]
        far = 1.0 + np.abs(theta[~bent])  # a point at zero proves nothing
        gap = self.fallen_short(shares, lead)[1] + float(np.abs(rest[~bent]) @ far)
        if bent.any():
            gap += 0.5 * conjugate(inner, rest[bent])
        return Found(theta, shares, gap, self.value(theta, lead))

    def is_exact(self, found: Found) -> bool:
        """Whether the gap is rounding, and so is how far the leads are apart that share a row's weight."""
        if not found.gap <= CLOSED * found.value:
            return False
        lead = self.lead(found.theta)
        top = lead.max(axis=1, keepdims=True)
        size = 1.0 + np.abs(lead).max(axis=1, keepdims=True)
        return not bool(((found.shares > 0) & (top - lead > ROUNDING * size)).any())
