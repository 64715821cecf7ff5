"""One of several fits with the same sum of absolute errors, whatever order or weights the rows have.

The minimum of a sum of absolute errors may be a whole polyhedron of points, as the medians of an even
number of values are. Which vertex of it a program returns is chance, and their residuals may differ much: on
the Belgian phone calls the slopes of the minima reach from 1.16 to 1.62. The point that is chosen makes the
better half of the residuals small, as the scale is meant to measure those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.objective import Objective
from robustreg.solvers._held_columns import moves
from robustreg.solvers._kinks import gradient_of
from robustreg.solvers._polyhedra import leading_away, lowest
from robustreg.solvers._result import Result
from robustreg.solvers._unseen import (
    FREE,
    Unseen,
    null_space,
    rows_with_ones,
    still_loose,
)

#: a slope this share of its range inside its bounds is inside: programs leave errors of 1e-10
INSIDE = 1e-8
#: more coefficients have minima, if several, of too many dimensions to be looked through
MANY = 4096
#: rows that bound the polyhedron, for each direction of it, to begin with
BOUNDS = 20
#: a ball inside the polyhedron that is smaller, in spreads of y, is rounding
EMPTY = 1e-11
#: a row that is so far beyond its bound, in spreads of y, joins the program
BEYOND = 1e-11
#: a multiplier that is more than the tolerance of the program holds a row on its bound
PULLS = 1e-8
#: a gradient, as a share of the sizes that it is added up from, that is rounding
LEVEL = 1e-11
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


def chosen_point(objective: Objective, found: Result, left_out: Callable[[Array], float]) -> Array:
    """Return one of all minima of a sum of absolute errors, by a rule that does not know which was found.

    From the analytic centre of the minima, where the product of the residuals that vary is largest, those are
    taken for which the better half of the residuals has the smallest sum, and their centre, until that half
    is the same. All of it is equivariant, and the same for weights and for repeated rows.

    Parameters
    ----------
    objective : Objective
        Of :class:`~robustreg.losses.Absolute`, with any convex penalty.
    found : Result
        A minimum, with ``slopes`` and ``zero``, as of :func:`~robustreg.solvers.solve_piecewise`.
    left_out : callable
        Returns the weight of the smallest residuals that do not count towards the half, of those of a point.

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
    rows, q, penalty = np.flatnonzero(held), objective.size, objective.penalty
    enough = len(rows) >= q and not (penalty.empty or penalty.euclidean)
    # what such a penalty says takes a pass, and nothing hangs on it where the rows say it all
    if enough and not still_loose(objective, rows, np.eye(q)).shape[1]:
        return found.x
    loose, bounds = moves(objective, found.x, found.slopes, not len(rows))
    loose = still_loose(objective, rows, loose)
    if not loose.shape[1]:
        return found.x
    # every minimum has the residuals of the other rows on the side that their slopes say
    side = np.where(held, 0.0, -np.sign(found.slopes))
    unseen = Unseen(objective, loose, bounds)
    if not unseen.directions.shape[1]:
        return found.x
    face = _Face(objective, found.x, side, unseen.directions, unseen.others)
    theta = best = face.centre()
    least = np.inf
    for _ in range(HALVES):
        size = np.abs(data.y - objective.raw(theta))
        part = better_part(size, weight, left_out(size))
        if not part @ size < least * (1 - 1e-9):
            break
        least, best = float(part @ size), theta
        theta = face.cheapest(part)
    best = unseen.lift(best)
    total = float(weight.sum())
    before, value = (total * objective.evaluate(at)[0] for at in (found.x, best))
    return best if value <= before + SAME * (before + total) else found.x


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


class _Inside(NamedTuple):
    """The end of a linear program: a step, the radius of a ball around it, and what multipliers hold.

    Parameters
    ----------
    step : array of shape (k,)
        In the directions of the polyhedron.
    radius : float
        Of the ball.
    held : array of shape (m, k)
        Rows, and bounds on coefficients, in these directions.
    """

    step: Array
    radius: float
    held: Array


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
    directions : array of shape (q, k)
        Orthonormal: in no others may it extend. :meth:`centre` leaves those in which it does.
    bounds : array of shape (m, q)
        Their products with the parameters must not become negative.
    """

    def __init__(
        self, objective: Objective, theta: Array, side: Array, directions: Array, bounds: Array
    ) -> None:
        self.objective, self.theta, self.side = objective, theta, side
        self.directions, self.bounds = directions, bounds
        self.room = np.maximum(side * (objective.data.y - objective.raw(theta)), 0.0)
        self.space = np.maximum(bounds @ theta, 0.0)
        self.near = np.zeros(0, dtype=int)

    def centre(self) -> Array:
        """Return the analytic centre."""
        self._leave_out(self._always_on())
        while self.directions.shape[1]:
            inside = self._program(np.zeros(self.directions.shape[1]), ball=1.0)
            if inside is None:
                break
            if inside.radius > EMPTY:
                return self._middle(inside.step)
            if not len(inside.held):
                break
            self._leave_out(inside.held)
        return self.theta

    def _leave_out(self, held: Array) -> None:
        """Leave only the directions in which these rows do not vary."""
        if len(held):
            self.directions = null_space(held, self.directions, 0.0)

    def _always_on(self) -> Array:
        """Return rows and bounds that are zero in the whole polyhedron, of those that are at its known point.

        Where they are no more than the directions, the point is a simple corner and there are none.
        """
        k = self.directions.shape[1]
        rows = np.flatnonzero((self.side != 0) & (self.room <= EMPTY))
        bounds = self.bounds[self.space <= EMPTY]
        if not k or len(rows) + len(bounds) <= k:
            return self.bounds[:0, :k]
        # so many are most often enough, and those that are missed end in a ball that is empty
        X = rows_with_ones(self.objective, rows[: BOUNDS * k + 100])
        away = np.vstack([-self.side[rows[: len(X)], None] * X, bounds])
        whole, away = np.linalg.norm(away, axis=1), away @ self.directions
        size = np.linalg.norm(away, axis=1)
        vary = size > FREE * whole  # else it is rounding, as of a row that lies on one that is held
        away = away[vary] / size[vary, None]
        found = leading_away(away)
        return away[:0] if found is None else away[~found[1]]

    def cheapest(self, weight: Array) -> Array:
        """Return the centre of the points with the smallest sum of absolute residuals by other weights."""
        inside = self._program(self._pull(weight), ball=0.0) if self.directions.shape[1] else None
        if inside is None:
            return self.theta
        theta = self.theta + self.directions @ inside.step
        face = _Face(self.objective, theta, self.side, self.directions, self.bounds)
        face._leave_out(inside.held)
        return face.centre()

    def _pull(self, weight: Array) -> Array:
        """Gradient of a sum of absolute residuals in the directions, per unit of the largest; 0 where it is rounding."""
        pull = gradient_of(self.objective, -weight * self.side) @ self.directions
        at = self.objective.data.outward(self.directions)

        def part(block: Block) -> tuple[Array]:
            X = np.abs(block.raw(at))
            return (X.sum(axis=0) if block.weight is None else block.weight @ X,)

        (size,) = self.objective.data.sum(part)
        return np.where(np.abs(pull) > LEVEL * size, pull, 0.0) / (np.abs(pull).max() or 1.0)

    def _program(self, cost: Array, ball: float) -> _Inside | None:
        """Minimise a cost of the step, or find the largest ball, by a linear program of few rows.

        The unknowns are the step and the radius of a ball around it.
        """
        # where hundreds of rows tie, as repeated ones do, the nearest may all be such that do not vary
        sided, directions = np.flatnonzero(self._vary()), self.directions
        few = min(BOUNDS * directions.shape[1] + 100, len(sided))
        near = np.intersect1d(self.near, sided)
        if len(near) < few:
            near = np.union1d(near, sided[np.argpartition(self.room[sided], few - 1)[:few]])
        self.near = near
        bounds = self.bounds @ directions
        for _ in range(ROUNDS):
            X = rows_with_ones(self.objective, self.near) @ directions
            X = np.vstack([self.side[self.near, None] * X, -bounds])
            room = np.append(self.room[self.near], self.space)
            size = np.sqrt(np.einsum("ij,ij->i", X, X))
            vary = size > FREE * size.max(initial=0.0)
            X, size, room = X[vary], size[vary], room[vary]
            whole = len(self.near) == len(sided)
            found = lowest(cost, ball, X / size[:, None], room / size, whole)
            if found is None and not whole:  # so few rows leave it open
                more = min(10 * len(self.near), len(sided))
                nearest = np.argpartition(self.room[sided], more - 1)[:more]
                self.near = np.union1d(self.near, sided[nearest])
                continue
            if found is None:
                return None
            step = found[0][:-1]
            raw = self.objective.raw(self.theta + directions @ step)
            now = self.side * (self.objective.data.y - raw)
            beyond = np.setdiff1d(np.flatnonzero(now < -BEYOND * (1 + self.room)), self.near)
            if not len(beyond):
                return _Inside(step, float(found[0][-1]), X[found[1] > PULLS])
            worst = beyond[np.argsort(now[beyond])[: 10 * few]]
            self.near = np.union1d(self.near, worst)
        return None

    def _middle(self, step: Array) -> Array:
        """Minimise minus the sum of the logarithms of the residuals that vary, by damped Newton steps."""
        vary = self._vary()
        value, slope, bend = self._logarithms(step, vary)
        if not np.isfinite(bend).all():  # so flat that its inside is rounding
            return self.theta
        for _ in range(STEPS):
            change = -np.linalg.lstsq(bend, slope, rcond=None)[0]
            decrement = float(-slope @ change)
            if not decrement > FOUND:  # the last step leaves the square of that
                ahead = self._logarithms(step + change, vary)
                step = step + change if np.isfinite(ahead[0]) else step
                break
            length = 1.0
            while length > 1e-12:
                ahead = self._logarithms(step + length * change, vary)
                if ahead[0] <= value - 0.1 * length * decrement:
                    break
                length *= 0.5
            else:
                break
            step, (value, slope, bend) = step + length * change, ahead
        return np.asarray(self.theta + self.directions @ step)

    def _vary(self) -> Array:
        at = self.objective.data.outward(self.directions)

        def part(block: Block) -> Array:
            return np.asarray(np.abs(block.raw(at)).max(axis=1))

        size = self.objective.data.rowwise(part)
        return np.asarray((size > FREE * size.max()) & (self.side != 0))

    def _logarithms(self, step: Array, vary: Array) -> tuple[float, Array, Array]:
        """Value, gradient and Hessian: one pass."""
        directions, theta = self.directions, self.theta + self.directions @ step
        data = replace(self.objective.data, weight=None)
        at, here = data.outward(directions), data.outward(theta)
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
        bounds = self.bounds @ directions
        free = np.einsum("ij,ij->i", bounds, bounds) > FREE**2
        space = (self.bounds @ theta)[free]
        if (space <= 0).any():
            return np.inf, slope, bend
        # together they weigh what the rows do, whatever the weights and their number
        each, bent = float(weight.sum()) / max(len(space), 1), bounds[free] / space[:, None]
        value -= each * float(np.log(space).sum())
        return float(value), slope - each * bent.sum(axis=0), bend + each * bent.T @ bent
