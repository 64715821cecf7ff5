"""Piecewise linear terms kept row by row, everything else folded into a linear and a square term.

    f(theta) = sum_i max(lower_i s_i, upper_i s_i) + linear @ theta + theta @ quadratic @ theta / 2,
    s = X theta - position.

Rows know their gap, their Moreau envelopes and what rounding makes of them; `_solve_rows` minimises them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array, row_slices
from robustreg.data import Block, take_rows
from robustreg.solvers._column_penalty import unbalanced
from robustreg.solvers._control import Control
from robustreg.solvers._kept_hessian import PAYS
from robustreg.solvers._kinks import GIVEN, ROUNDED
from robustreg.solvers._newton import newton
from robustreg.solvers._result import Result, minimize

#: what rounding makes of a gap at the most, y having spread one: a heavy penalty has digits of its own
NOISE = 1e-12
#: rows of which entries are made positive at a time
PART = 4096
#: curvature of a penalty that may be too weak to bound what is missed by rounding
WEAK = 1e-12
#: the least size that a column may have without the rows far out in it
SLIGHT = 1e-30


@dataclass
class Rows:
    """Terms with one kink each, and the rest of the objective.

    Parameters
    ----------
    X : array of shape (k, q)
        Rows in the solver's coordinates, the intercept's ones included.
    position, lower, upper, weight : arrays of shape (k,)
        Where row i has its kink, and its slopes (times the weight) on both sides.
    linear : array of shape (q,)
        Gradient of what is folded away.
    quadratic : array of shape (q, q) or None
        Hessian of an L2 penalty.
    hidden : array of shape (q,)
        Size of what centring took from the columns, and ``base``, from y: both carry rounding.
    """

    X: Array
    position: Array
    lower: Array
    upper: Array
    weight: Array
    linear: Array
    quadratic: Array | None = None
    hidden: Any = 0.0
    base: float = 0.0

    def offsets(self, theta: Array) -> Array:
        """Signed distance of each row to its kink."""
        offsets: Array = self.X.dot(theta) - self.position
        return offsets

    def take(self, rows: Array, linear: Array) -> Rows:
        """Return some of the rows, with another linear term."""
        names = ("position", "lower", "upper", "weight")
        kept = {name: getattr(self, name)[rows] for name in names}
        return replace(self, X=take_rows(self.X, rows), linear=linear, **kept)

    def fold(self, rows: Array, s: Array) -> Rows:
        """Keep ``rows`` and replace the others by their slopes at offsets ``s``."""
        slopes: Array = np.where(s > 0, self.upper, self.lower)
        slopes[rows] = 0.0
        return self.take(rows, self.linear + self.X.T @ slopes)

    def rounding(self, theta: Array) -> Array:
        """What rounding can make of an offset that is zero."""
        size = np.abs(theta)
        total = np.empty(self.X.shape[0])
        for part in row_slices(len(total), PART):  # no copy of X
            total[part] = abs(self.X[part]) @ size
        total += np.abs(self.position) + size.max(initial=0.0)
        return ROUNDED * total + GIVEN * (self.base + (self.hidden * size).sum())

    def gap(
        self,
        theta: Array,
        slopes: Array,
        size: float = 1.0,
        seen: tuple[Array, Array] | None = None,
    ) -> float:
        """Duality gap of a point and slopes within their bounds, at least 0.

        Fenchel's inequality row by row, and for what the slopes leave unbalanced the smaller of two
        bounds: the conjugate of the L2 penalty, and its product with the point, made larger by
        ``size``. In coordinates in which y has that size and the columns size one the minimum is no
        further, and a point at zero proves nothing. ``seen`` are offsets and rounding there, where they are known.
        """
        s, rounding = (self.offsets(theta), self.rounding(theta)) if seen is None else seen
        s = np.where(np.abs(s) <= rounding, 0.0, s)
        gap = np.maximum(self.lower * s, self.upper * s) - slopes * s
        rest = self.X.T @ slopes + self.linear
        if self.quadratic is None:
            return float(gap.sum() + np.abs(rest) @ (size + np.abs(theta)))
        rest = rest + self.quadratic @ theta
        return float(gap.sum() + unbalanced(self.quadratic, rest, self.farthest(theta, size)))

    def farthest(self, theta: Array, size: float) -> Array:
        """How far the minimum can be along each axis, where y has a ``size`` and columns size one.

        A column that has its size from a few rows far out lets its coefficient go as much farther as it
        is smaller without them, and the intercept with it; but not where such a row, at what it may cost at
        the minimum, holds it.
        """
        far: Array = size + np.abs(theta)
        if self.quadratic is None:
            return far
        diagonal = np.diag(self.quadratic)
        weak = np.flatnonzero((diagonal > 0) & (diagonal < WEAK))
        rows = len(self.weight)
        if not len(weak) or not rows:
            return far
        columns = self.X[:, weak]
        middle = np.median(columns, axis=0)
        entries = np.sort(np.abs(columns - middle), axis=0)[: rows - max(1, rows // 100)]
        body = np.sqrt(np.square(entries).mean(axis=0)) if len(entries) else np.zeros(len(weak))
        held = self._held(weak, far, size)
        far[weak] = np.minimum(far[weak] / np.clip(body, SLIGHT, 1.0), held)
        far[diagonal == 0] += far[weak] @ np.abs(middle)
        return far

    def _held(self, columns: Array, far: Array, cost: float) -> Array:
        """How far the coefficients of some columns can be, each by the row that is farthest out in it.

        No row costs more than all do, so that it is not farther from its kink than that over its slope.
        """
        rows, each = np.abs(self.X[:, columns]).argmax(axis=0), np.arange(len(columns))
        taken = np.abs(self.X[rows])
        entry = taken[each, columns]
        taken[each, columns] = 0.0
        slope = np.minimum(-self.lower[rows], self.upper[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.abs(self.position[rows]) + taken @ far + cost / slope
            return np.where((slope > 0) & (entry > 0), reach / entry, np.inf)

    def force(self) -> float:
        """What the weaker side can pull, one at the most: beside a rare class all gradients are small."""
        sides = min(-self.lower.sum(), self.upper.sum())
        return float(min(max(sides, np.abs(self.linear).max()), 1.0)) or 1.0

    def value(self, theta: Array) -> float:
        s = self.offsets(theta)
        value = float(np.maximum(self.lower * s, self.upper * s).sum() + self.linear @ theta)
        return (
            value if self.quadratic is None else float(value + 0.5 * theta @ self.quadratic @ theta)
        )

    def nothing(self, theta: Array, share: float) -> float:
        """Return a share of the value at ``theta``, or what rounding can make of a gap if that is more.

        The value is a difference of what is folded and what is left, and may nearly vanish.
        """
        far = 1.0 + np.abs(theta)
        pulls = np.maximum(-self.lower, self.upper).sum()  # of columns of size one
        terms = float(np.abs(self.linear) @ far + pulls * far.sum())
        noise = min(64 * np.finfo(float).eps * terms, NOISE)
        return max(share * abs(self.value(theta)), noise)

    # The envelope of width mu: slopes clip(weight * s / mu, lower, upper).
    def evaluate(self, theta: Array, mu: float) -> tuple[float, Array, Array]:
        """Value, gradient, and the offsets, which serve the Hessian."""
        s = self.offsets(theta)
        slope = np.minimum(np.maximum(self.weight * s / mu, self.lower), self.upper)
        value = slope @ (s - 0.5 * mu / self.weight * slope) + self.linear @ theta
        gradient = self.X.T @ slope + self.linear
        if self.quadratic is not None:
            pull = self.quadratic @ theta
            value, gradient = value + 0.5 * theta @ pull, gradient + pull
        return float(value), gradient, s

    def curvature(self, s: Array, mu: float) -> Array:
        """Second derivatives of the envelope of width ``mu`` at offsets, zero outside its band."""
        steep = self.weight / mu
        bent = steep * s
        within: Array = np.where((bent > self.lower) & (bent < self.upper), steep, 0.0)
        return within

    def hess(self, theta: Array, mu: float, s: Array) -> Array:
        gram = Block(self.X, self.position, None).gram(self.curvature(s, mu))
        return gram if self.quadratic is None else gram + self.quadratic

    def envelope(self, theta: Array, mu: float, control: Control) -> Result:
        """Minimise the envelope of width ``mu``, to a gradient of the control's ``tol``."""
        # the end is a start of what follows: beside a row of weight 1e16 a rough one takes many more iterations there
        options = {"tol": control.tol, "control": control, "pays": PAYS, "nothing": 0.0}
        return minimize(
            self.evaluate, theta, args=(mu,), hess=self.hess, method=newton, options=options
        )


@dataclass
class Vertex:
    """An optimum of :class:`Rows`: the point, the slope each row contributes, and whether it is proved."""

    theta: Array
    slopes: Array
    success: bool


def few_rows(q: int) -> int:
    """Rows that a program of ``q`` coefficients begins with."""
    return 4 * q + 100
