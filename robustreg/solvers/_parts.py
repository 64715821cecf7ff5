"""Fits to parts of a table, such as the training rows of folds, from the fit to all of it.

On the way from the fit of all rows to that of most of them few rows cross an end of the line that
psi is. The others are summed up once for all parts; what is left to each part is a problem of few
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block, Data, row_lengths
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._pieces import MANY, REACH, Far, minimise_pieces, only_losses
from robustreg.solvers._result import Result


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
            return row_lengths(block.X, float(block.apart))

        self.lengths = replace(data, explicit=True).rowwise(length)
        self.reach: Array | None = None
        self.offsets: list[Array] = []  # of the minima of the parts, the last time

    def solve(
        self,
        objective: Objective,
        found: Result,
        kappas: Sequence[float] | None,
        control: Control,
        *,
        fixed: Sequence[tuple[float, Objective]] | None = None,
    ) -> list[Result | None]:
        """Minimise an objective over each of the parts, given its minimum over all rows.

        Parameters
        ----------
        objective : Objective
            Over all rows; its loss has a ``line``.
        found : Result
            Its minimum, with the ``metric`` it was reached with.
        kappas : sequence of float or None
            Price of the scale in each part, where it is estimated along.
        control : Control
            Largest gradient entry that counts as solved, and iterations that each part may take.
        fixed : sequence of float and Objective, optional
            Where each part has a scale of its own, given before: that scale, and the objective over all
            rows at it. Then ``objective`` is the joint one, so that it tells what the scale does.

        Returns
        -------
        found : list of Result or None
            None where rows may have crossed an end: such a part has to be fitted by itself.
        """
        theta, joint = found.x[: objective.size], kappas is not None or fixed is not None
        line, sigma = objective.loss.line, float(theta[-1]) if joint else 1.0  # type: ignore[attr-defined]
        if self.reach is None:
            at = (objective, theta) if fixed is None else (fixed[0][1], theta[:-1])
            self.reach = REACH * self._first_step(*at, found.metric, joint and fixed is None)
            if fixed is not None:
                self.reach[1] = max(abs(own - sigma) for own, _ in fixed)
        residual = self.data.y - objective.raw(theta)
        distance = np.minimum(*(np.abs(residual - sigma * end) for end in line))
        near = distance <= self.lengths * self.reach[0] + max(map(abs, line)) * self.reach[1]
        if near.mean() > MANY:
            self.reach = None
            return [None] * len(self.counts)
        rows, reach, results = np.flatnonzero(near), self.reach, []
        kept = self.data.subset(rows)
        for k, far in enumerate(self._far(objective, theta, ~near, joint)):
            weight = self.weight * self.counts[k]
            start = theta + self.offsets[k] if self.offsets else theta
            start = start if not joint or start[-1] > 0.5 * theta[-1] else theta
            whole = objective
            if fixed is not None:
                own, whole = fixed[k]
                start, far = start[:-1], far.at(own)
            few = kept.with_target(kept.y, weight[rows])
            small = whole.with_total(float(weight.sum()) * whole.unit, data=few)
            if kappas is not None:
                price, loss = kappas[k], objective.loss
                gradient = far.gradient.copy()
                gradient[-1] += 0.5 * (price - loss.kappa) * weight[~near].sum()  # type: ignore[attr-defined]
                far = replace(far, gradient=gradient)
                small.loss = replace(loss, kappa=price)  # type: ignore[type-var]
            one = minimise_pieces(small, far, start, control.aside(control.left), found.metric)
            if fixed is not None:
                one.x = np.append(one.x, fixed[k][0])
            results.append(one)
        self.offsets = [one.x - theta for one in results]
        moved = [_size(one.x - theta, joint) for one in results]
        self.reach = REACH * np.max(moved, axis=0)
        return [
            one if one.optimality <= control.tol and np.all(size <= reach) else None
            for one, size in zip(results, moved, strict=True)
        ]

    def _first_step(self, objective: Objective, theta: Array, metric: Any, joint: bool) -> Array:
        """Return the largest length of a Newton step from all rows to a part, and in the scale."""
        metric = metric or DenseMetric(objective.hess(theta))
        sizes = []
        for counts, rows in zip(self.counts, self.lacking, strict=True):
            _, gradient = only_losses(objective, rows, 1.0 - counts[rows]).evaluate(theta)[:2]
            total = float((self.weight * counts).sum()) * objective.unit
            sizes.append(_size(metric.solve(gradient / total), joint))
        return np.asarray(np.max(sizes, axis=0))

    def _far(self, objective: Objective, theta: Array, far: Array, joint: bool) -> list[Far]:
        """Sum up the rows of each part that are ``far``, by what it lacks of all rows."""

        def summed(rows: Array, factor: Array) -> tuple[Array, Array]:
            found = only_losses(objective, rows, factor * far[rows]).evaluate(theta, 2, whole=False)
            return found.gradient, found.hessian

        lacking = [
            summed(rows, 1.0 - counts[rows])
            for counts, rows in zip(self.counts, self.lacking, strict=True)
        ]
        if self.divided:
            gradient, hessian = (sum(parts) for parts in zip(*lacking, strict=True))
        else:
            gradient, hessian = summed(np.arange(len(far)), np.ones(len(far)))
        return [Far(theta, gradient - g, hessian - h, joint) for g, h in lacking]


def _size(step: Array, joint: bool) -> Array:
    """Length of a step of the coefficients, and of the scale."""
    coef, scale = (step[:-1], step[-1]) if joint else (step, 0.0)
    return np.array([np.linalg.norm(coef), abs(scale)])
