"""One of several fits with the same sum of absolute errors, whatever order or weights the rows have.

The minimum of a sum of absolute errors may be a whole polyhedron of points, as the medians of an even
number of values are. Which vertex of it a program returns is chance, and their residuals may differ much: on
the Belgian phone calls the slopes of the minima reach from 1.16 to 1.62. The point that is chosen makes the
better half of the residuals small, as the scale is meant to measure those.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, is_sparse
from robustreg.data import Block
from robustreg.losses import Squared
from robustreg.objective import Objective
from robustreg.solvers._kinks import gradient_of
from robustreg.solvers._result import Result, linprog

#: a slope this share of its range inside its bounds is inside: programs leave errors of 1e-10
INSIDE = 1e-8
#: more rows than this for each coefficient are looked at by their inner products
ENOUGH = 20
#: more coefficients have minima, if several, of too many dimensions to be looked through
MANY = 4096
#: a direction in which rows do not vary has a singular value of this share of the largest
FREE = 1e-9
#: rows that bound the polyhedron, for each direction of it, to begin with
BOUNDS = 20
#: a ball inside the polyhedron that is smaller, in spreads of y, is rounding
EMPTY = 1e-11
#: a row that is so far beyond its bound, in spreads of y, joins the program
BEYOND = 1e-11
#: a multiplier that is more than the tolerance of the program holds a row on its bound
PULLS = 1e-8
#: halves of the residuals that are tried; a sum that becomes smaller each time comes to an end
HALVES = 20
#: rounds of finding rows that bound the polyhedron, or that do not vary in it
ROUNDS = 50
#: Newton steps to the centre; some ten are usual
STEPS = 60
#: a Newton decrement, in rows, at which the centre is found to rounding
FOUND = 1e-12
#: more than this share of the sum of absolute errors is no rounding
SAME = 1e-11


def chosen_point(objective: Objective, found: Result, left_out: float) -> Array:
    """Return one of all minima of a sum of absolute errors, by a rule that does not know which was found.

    From the analytic centre of the minima, where the product of the residuals that vary is largest, those are
    taken for which the better half of the residuals has the smallest sum, and their centre, until that half
    is the same. All of it is equivariant, and the same for weights and for repeated rows.

    Parameters
    ----------
    objective : Objective
        Of :class:`~robustreg.losses.Absolute`, its penalty L2 or nothing.
    found : Result
        A minimum, with ``slopes`` and ``zero``, as of :func:`~robustreg.solvers.solve_piecewise`.
    left_out : float
        Weight of the smallest residuals that do not count towards the half.

    Returns
    -------
    theta : array
        ``found.x`` itself where the minimum is one point: rows on their kinks whose slopes are inside
        their bounds stay there in every minimum, and mostly they determine it.
    """
    data = objective.data
    if found.zero.all() or objective.size > MANY:
        return found.x
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    held = found.zero & (np.abs(found.slopes) < weight * (1 - INSIDE))
    if found.get("determined") and np.count_nonzero(held) == objective.size:
        return found.x
    if not objective.penalty.empty:  # it is strictly convex in the coefficients
        directions = np.zeros((objective.size, int(data.intercept and not held.any())))
        directions[data.size :] = 1.0
    else:
        directions = _still_loose(objective, np.flatnonzero(held), np.eye(objective.size))
    if not directions.shape[1]:
        return found.x
    # every minimum has the residuals of the other rows on the side that their slopes say
    face = _Face(objective, found.x, np.where(held, 0.0, -np.sign(found.slopes)))
    theta = best = face.centre(directions)
    least = np.inf
    for _ in range(HALVES):
        size = np.abs(data.y - objective.raw(theta))
        part = better_part(size, weight, left_out)
        if not part @ size < least * (1 - 1e-9):
            break
        least, best = float(part @ size), theta
        theta = face.cheapest(directions, part)
    before, value = (float(weight @ np.abs(data.y - objective.raw(at))) for at in (found.x, best))
    return best if value <= before + SAME * (before + float(weight.sum())) else found.x


def better_part(size: Array, weight: Array, left_out: float) -> Array:
    """Return what of the weights is below the median of the sizes, some of the smallest left out of it.

    Sizes that are equal share what there is of them.
    """
    order = np.argsort(size, kind="stable")
    total = np.cumsum(weight[order])
    half = 0.5 * (total[-1] + min(left_out, total[-1]))
    edge = size[order[min(np.searchsorted(total, half), len(size) - 1)]]
    below, at = size < edge * (1 - 1e-9), np.abs(size - edge) <= edge * 1e-9
    share = (half - weight[below].sum()) / weight[at].sum()
    return np.where(below, weight, np.where(at, np.clip(share, 0.0, 1.0) * weight, 0.0))


def _still_loose(objective: Objective, rows: Array, loose: Array) -> Array:
    """Orthonormal directions of those given in which rows do not vary."""
    q = objective.size
    if not loose.shape[1] or not len(rows):
        return loose
    if len(rows) > ENOUGH * q:
        among = np.zeros(objective.data.n_rows)
        among[rows] = 1.0
        data = objective.data.with_target(objective.data.y, among)
        inner = Objective(Squared(), data, objective.penalty.scaled(0.0)).evaluate(
            np.zeros(q), 2, whole=False
        )[3]
        values, vectors = np.linalg.eigh(loose.T @ inner @ loose)
        return np.asarray(loose @ vectors[:, values <= FREE * values[-1]])
    triangle = np.linalg.qr(rows_with_ones(objective, rows) @ loose, mode="r")
    ranked = np.abs(np.diag(scipy.linalg.qr(triangle, mode="r", pivoting=True)[0]))
    if len(ranked) == loose.shape[1] and ranked.min() > FREE * ranked.max():
        return loose[:, :0]
    _, values, right = np.linalg.svd(triangle)
    rank = int(np.count_nonzero(values > FREE * values.max(initial=0.0)))
    return np.asarray(loose @ right[rank:].T)


def rows_with_ones(objective: Objective, rows: Array) -> Array:
    """Return rows of X, and of ones for the intercept, as a dense array."""
    X: Any = objective.data.take_with_ones(rows)
    return X.toarray() if is_sparse(X) else X


class _Face:
    """The polyhedron of minima.

    Parameters
    ----------
    objective : Objective
        Of absolute errors.
    theta : array
        One of them.
    side : array of shape (n,)
        1 where a residual must not become negative, -1 where not positive, 0 where neither is asked.
    """

    def __init__(self, objective: Objective, theta: Array, side: Array) -> None:
        self.objective, self.theta, self.side = objective, theta, side
        self.room = np.maximum(side * (objective.data.y - objective.raw(theta)), 0.0)
        self.bounds = np.zeros(0, dtype=int)

    def centre(self, directions: Array) -> Array:
        """Return the analytic centre of the face in these directions."""
        for _ in range(ROUNDS):
            solved = self._program(directions, np.zeros(directions.shape[1]), ball=1.0)
            if solved is None:
                break
            found, rows = solved
            if found.x[-1] > EMPTY:
                return self._middle(directions, found.x[:-1])
            still = rows[np.abs(found.ineqlin.marginals) > PULLS]
            directions = _still_loose(self.objective, still, directions)
            if not directions.shape[1] or not len(still):
                break
        return self.theta

    def cheapest(self, directions: Array, weight: Array) -> Array:
        """Return the centre of the points with the smallest sum of absolute residuals by other weights."""
        pull = gradient_of(self.objective, -weight * self.side) @ directions
        solved = self._program(directions, pull / (np.abs(pull).max() or 1.0), ball=0.0)
        if solved is None:
            return self.theta
        found, rows = solved
        still = rows[np.abs(found.ineqlin.marginals) > PULLS]
        theta = self.theta + directions @ found.x[:-1]
        directions = _still_loose(self.objective, still, directions)
        if not directions.shape[1]:
            return theta
        return _Face(self.objective, theta, self.side).centre(directions)

    def _program(self, directions: Array, cost: Array, ball: float) -> tuple[Result, Array] | None:
        """Minimise a cost of the step, or find the largest ball, by a linear program of few rows.

        The unknowns are the step and the radius of a ball around it.
        """
        sided, y = np.flatnonzero(self.side), self.objective.data.y
        few = min(BOUNDS * directions.shape[1] + 100, len(sided))
        if not len(self.bounds):
            self.bounds = sided[np.argpartition(self.room[sided], few - 1)[:few]]
        for _ in range(ROUNDS):
            X = rows_with_ones(self.objective, self.bounds) @ directions
            size = np.sqrt(np.einsum("ij,ij->i", X, X))
            vary = size > FREE * size.max(initial=0.0)
            rows, X, size = self.bounds[vary], X[vary], size[vary]
            most = ball * (float(self.room[rows].max(initial=0.0)) or 1.0)
            limits = np.column_stack(
                [self.side[rows, None] * X / size[:, None], np.ones(len(rows))]
            )
            found = linprog(
                np.append(cost, -ball), A_ub=limits, b_ub=self.room[rows] / size,
                bounds=[(None, None)] * len(cost) + [(0.0, most)], method="highs",
                options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
            )  # fmt: skip
            if found.x is None and len(self.bounds) < len(sided):  # so few rows leave it open
                more = min(10 * len(self.bounds), len(sided))
                nearest = np.argpartition(self.room[sided], more - 1)[:more]
                self.bounds = np.union1d(self.bounds, sided[nearest])
                continue
            if found.x is None:
                return None
            step = directions @ found.x[:-1]
            now = self.side * (y - self.objective.raw(self.theta + step))
            beyond = np.setdiff1d(np.flatnonzero(now < -BEYOND * (1 + self.room)), self.bounds)
            if not len(beyond):
                return found, rows
            worst = beyond[np.argsort(now[beyond])[: 10 * few]]
            self.bounds = np.union1d(self.bounds, worst)
        return None

    def _middle(self, directions: Array, step: Array) -> Array:
        """Minimise minus the sum of the logarithms of the residuals that vary, by damped Newton steps."""
        vary = self._vary(directions)
        value, slope, bend = self._logarithms(directions, step, vary)
        if not np.isfinite(bend).all():  # so flat that its inside is rounding
            return self.theta
        for _ in range(STEPS):
            change = -np.linalg.lstsq(bend, slope, rcond=None)[0]
            decrement = float(-slope @ change)
            if not decrement > FOUND:
                break
            length = 1.0
            while length > 1e-12:
                ahead = self._logarithms(directions, step + length * change, vary)
                if ahead[0] <= value - 0.1 * length * decrement:
                    break
                length *= 0.5
            else:
                break
            step, (value, slope, bend) = step + length * change, ahead
        return np.asarray(self.theta + directions @ step)

    def _vary(self, directions: Array) -> Array:
        at = self.objective.data.outward(directions)

        def part(block: Block) -> Array:
            return np.asarray(np.abs(block.raw(at)).max(axis=1))

        size = self.objective.data.rowwise(part)
        return np.asarray((size > FREE * size.max()) & (self.side != 0))

    def _logarithms(
        self, directions: Array, step: Array, vary: Array
    ) -> tuple[float, Array, Array]:
        """Value, gradient and Hessian: one pass."""
        data = replace(self.objective.data, weight=None)
        at, here = data.outward(directions), data.outward(self.theta + directions @ step)
        weight = (
            np.ones(data.n_rows)
            if self.objective.data.weight is None
            else self.objective.data.weight
        )

        def part(block: Block) -> tuple[Any, ...]:
            some = np.flatnonzero(vary[block.part])
            side, w = self.side[block.part][some], weight[block.part][some]
            room = side * (block.y - block.raw(here))[some]
            if (room <= 0).any():
                nan = np.full(directions.shape[1], np.inf)
                return np.inf, nan, np.outer(nan, nan)
            X = block.raw(at)[some]
            bent = X / room[:, None]
            return -(w @ np.log(room)), bent.T @ (w * side), bent.T @ (w[:, None] * bent)

        value, slope, bend = data.sum(part)
        return float(value), slope, bend
