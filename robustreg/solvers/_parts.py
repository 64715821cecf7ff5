"""Fits to parts of a table, such as the training rows of folds, from the fit to all of it.

Where psi is a line cut off at two slopes, the objective is quadratic (over the scale, where that is
estimated along) for as long as no row crosses an end of the line, and on the way from the fit of
all rows to that of most of them few do. The others are summed up once for all parts; what is left
to each part is a problem of few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block, Data
from robustreg.objective import Objective
from robustreg.solvers._newton import DenseMetric, newton
from robustreg.solvers._result import Result, minimize

#: rows are kept that would cross at this many times the length of the first Newton step
REACH = 1.5
#: with a larger share of the rows near the ends nothing is won
MANY = 0.3


@dataclass
class Far:
    """Rows that stay on their pieces, summed up.

    Parameters
    ----------
    theta : array of shape (q,)
        Where they were looked at; the scale is the last entry where it is estimated along.
    gradient, hessian : array of shape (q,), (q, q)
        Of their sum there.
    joint : bool
        Whether the scale is among the parameters.
    """

    theta: Array
    gradient: Array
    hessian: Array
    joint: bool

    def _squares(self, theta: Array) -> tuple[Array, Array, float]:
        """Return X^T X, X^T r and r^T r of the rows on the line, r their residuals at ``theta``."""
        at, step = float(self.theta[-1]), (theta - self.theta)[:-1]
        gram, cross = at * self.hessian[:-1, :-1], at**2 * self.hessian[:-1, -1]
        left = cross - gram @ step
        return gram, left, float(at**3 * self.hessian[-1, -1] - step @ (cross + left))

    def fun_jac(self, theta: Array) -> tuple[float, Array]:
        """Value, less what it was at the first ``theta``, and gradient."""
        step = theta - self.theta
        if not self.joint:
            bent = self.hessian @ step
            return float(self.gradient @ step + 0.5 * step @ bent), self.gradient + bent
        at, sigma = self.theta[-1], theta[-1]
        _, cross, square = self._squares(self.theta)
        _, left, now = self._squares(theta)
        # the rest, of rows beyond the line and of the price of the scale, is linear
        flat = self.gradient + np.append(cross / at, square / (2 * at**2))
        value = 0.5 * (now / sigma - square / at) + flat @ step
        return float(value), flat - np.append(left / sigma, now / (2 * sigma**2))

    def hess(self, theta: Array) -> Array:
        """Hessian."""
        if not self.joint:
            return self.hessian
        sigma = theta[-1]
        gram, left, square = self._squares(theta)
        cross = left[:, None] / sigma**2
        return np.block([[gram / sigma, cross], [cross.T, np.array([[square / sigma**3]])]])


class Parts:
    """Parts of a table, to be fitted again and again.

    Parameters
    ----------
    data : Data
        All rows, dense.
    parts : sequence of arrays of int
        Rows of each part, repeated where they count twice.
    """

    def __init__(self, data: Data, parts: Sequence[Array]) -> None:
        n = data.n_rows
        self.data, self.weight = data, np.ones(n) if data.weight is None else data.weight
        self.counts = [np.bincount(rows, minlength=n) for rows in parts]
        self.lacking = [np.flatnonzero(counts != 1) for counts in self.counts]
        # whether each row is wanting in one part, as in folds
        self.divided = bool(np.all(sum(1 - counts for counts in self.counts) == 1))

        def length(block: Block) -> Array:
            return np.sqrt(np.einsum("ij,ij->i", block.X, block.X) + float(data.intercept))

        self.lengths = replace(data, explicit=True).rowwise(length)
        self.reach: Array | None = None

    def solve(
        self,
        objective: Objective,
        found: Result,
        line: tuple[float, float],
        kappas: Sequence[float] | None,
        *,
        tol: float,
        max_iter: int,
    ) -> list[Result | None]:
        """Minimise an objective over each of the parts, given its minimum over all rows.

        Parameters
        ----------
        objective : Objective
            Over all rows.
        found : Result
            Its minimum, with the ``metric`` it was reached with.
        line : tuple of float
            The residuals at that minimum between which psi is a line; beyond them it is flat.
        kappas : sequence of float or None
            Price of the scale in each part, where it is estimated along.
        tol : float
            Largest gradient entry that counts as solved.
        max_iter : int
            Iterations at the most.

        Returns
        -------
        found : list of Result or None
            None where rows may have crossed an end: such a part has to be fitted by itself.
        """
        theta, joint = found.x[: objective.size], kappas is not None
        ends = max(map(abs, line)) / float(theta[-1]) if joint else 0.0
        if self.reach is None:
            self.reach = REACH * self._first_step(objective, theta, found.metric, joint)
        residual = self.data.y - objective.raw(theta)
        distance = np.minimum(*(np.abs(residual - end) for end in line))
        near = distance <= self.lengths * self.reach[0] + ends * self.reach[1]
        near[distance.argmin()] = True
        if near.mean() > MANY:
            self.reach = None
            return [None] * len(self.counts)
        rows, reach, results = np.flatnonzero(near), self.reach, []
        kept = self.data.subset(rows)
        for k, far in enumerate(self._far(objective, theta, ~near, joint)):
            weight = self.weight * self.counts[k]
            small = replace(objective, data=kept.with_target(kept.y, weight[rows]))
            small.total = float(weight.sum()) * objective.unit
            if kappas is not None:
                price, loss = kappas[k], objective.loss
                far.gradient[-1] += 0.5 * (price - loss.kappa) * weight[~near].sum()  # type: ignore[attr-defined]
                small.loss = replace(loss, kappa=price)  # type: ignore[type-var]
            results.append(_solve(small, far, tol, max_iter))
        moved = [_size(one.x - theta, joint) for one in results]
        self.reach = REACH * np.max(moved, axis=0)
        return [
            one if one.optimality <= tol and np.all(size <= reach) else None
            for one, size in zip(results, moved, strict=True)
        ]

    def _sums(self, objective: Objective, rows: Array, factor: Array) -> Objective:
        """Return the sum of the losses of some rows, weighted."""
        data = self.data.subset(rows, keep=False)
        some = replace(
            objective,
            data=data.with_target(data.y, self.weight[rows] * factor),
            penalty=objective.penalty.scaled(0.0),
        )
        some.total = 1.0
        return some

    def _first_step(self, objective: Objective, theta: Array, metric: Any, joint: bool) -> Array:
        """Return the largest length of a Newton step from all rows to a part, and in the scale."""
        metric = metric or DenseMetric(objective.hess(theta))
        sizes = []
        for counts, rows in zip(self.counts, self.lacking, strict=True):
            _, gradient = self._sums(objective, rows, 1.0 - counts[rows]).fun_jac(theta)
            total = float((self.weight * counts).sum()) * objective.unit
            sizes.append(_size(metric.solve(gradient / total), joint))
        return np.asarray(np.max(sizes, axis=0))

    def _far(self, objective: Objective, theta: Array, far: Array, joint: bool) -> list[Far]:
        """Sum up the rows of each part that are ``far``, by what it lacks of all rows."""

        def summed(rows: Array, factor: Array) -> tuple[Array, Array]:
            some = self._sums(objective, rows, factor * far[rows])
            return some.fun_jac(theta)[1], some.hess(theta)

        lacking = [
            summed(rows, 1.0 - counts[rows])
            for counts, rows in zip(self.counts, self.lacking, strict=True)
        ]
        if self.divided:
            gradient, hessian = (sum(parts) for parts in zip(*lacking, strict=True))
        else:
            gradient, hessian = summed(np.arange(len(far)), np.ones(len(far)))
        return [Far(theta, gradient - g, hessian - h, joint) for g, h in lacking]


def _solve(small: Objective, far: Far, tol: float, max_iter: int) -> Result:
    """Minimise the sum of few rows, with all of the penalty, and of many far ones."""

    def fun_jac(theta: Array) -> tuple[float, Array]:
        (value, gradient), (rest, slope) = small.fun_jac(theta), far.fun_jac(theta)
        return value + rest / small.total, gradient + slope / small.total

    def hess(theta: Array) -> Array:
        return small.hess(theta) + far.hess(theta) / small.total

    lower = np.full(len(far.theta), -np.inf)
    if far.joint:
        lower[-1] = 0.0
    options = {"tol": tol, "maxiter": max_iter, "lower": lower, "lazy": True}
    found = minimize(fun_jac, far.theta, jac=True, hess=hess, method=newton, options=options)
    found.optimality = float(np.abs(found.jac).max(initial=0.0))
    return found


def _size(step: Array, joint: bool) -> Array:
    """Length of a step of the coefficients, and of the scale."""
    coef, scale = (step[:-1], step[-1]) if joint else (step, 0.0)
    return np.array([np.linalg.norm(coef), abs(scale)])
