"""The central path of a penalty of single coefficients and a loss whose psi is a line cut off, by the slopes of few rows.

Slopes and coefficients are unknowns together, and each row has a unit of its own: in those of a column that a far row has
made long the other rows are hardly seen, their products are lost in its rounding, and so is a slope that is
computed from a prediction. Steps are those of Mehrotra.

References
----------
Mehrotra, S. (1992). On the implementation of a primal-dual interior point method. SIAM Journal on Optimization 2,
575-601.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._line import Line

#: share of the way to a bound that a step may go
TO_BOUND = 0.995
#: what singular equations, their diagonal made one, are lifted by: rounding
LIFTS = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)
#: least distance from its bound that a pair begins with, as a share of the bound
AWAY = 0.1
#: the pairs of both signs
SIGNS = np.array([[1.0], [-1.0]])


class Table(NamedTuple):
    """Rows in units of their own, and what they are fitted to.

    Parameters
    ----------
    X : array of shape (n, q)
        Rows, with ones where there is an intercept, each divided by its ``unit``.
    line : Line
        The loss of predictions divided by the unit, and of slopes times it.
    l1, l2 : arrays of shape (q,)
        Weights of absolute values and of half the squares.
    positive : array of bool, of shape (q,)
        Coefficients that must not be negative.
    unit : array of shape (n,)
        What a row is divided by.
    """

    X: Array
    line: Line
    l1: Array
    l2: Array
    positive: Array
    unit: Array

    @property
    def free(self) -> Array:
        """Coefficients without a kink."""
        return (self.l1 == 0) & ~self.positive

    def value(self, b: Array) -> float:
        """Return the objective."""
        loss = self.line.losses(self.X @ b - self.line.position).sum()
        return float(loss + self.l1 @ np.abs(b) + 0.5 * self.l2 @ b**2)

    def limits(self) -> Array:
        """Return by how much gradients of coefficients, then slopes, may depart from zero on both sides."""
        above = np.where(self.free, np.inf, self.l1)
        below = np.where(self.positive, np.inf, above)
        upper, lower = self.line.upper, -self.line.lower
        return np.array([np.append(above, upper), np.append(below, lower)])


class Inside(NamedTuple):
    """A point of the path.

    Parameters
    ----------
    table : Table
        The problem.
    limits : array of shape (2, q + n)
        Its limits.
    b, g : arrays of shape (q,) and (n,)
        Coefficients and slopes.
    room, size : arrays of shape (2, q + n)
        Distances of gradients and slopes from their limits, and what is zero where there is any: positive and
        negative parts of coefficients, and distances of predictions from the line beyond its ends. Zero without a limit.
    """

    table: Table
    limits: Array
    b: Array
    g: Array
    room: Array
    size: Array

    @classmethod
    def start(cls, table: Table) -> Inside:
        """Return a point with all coefficients at zero, whose products are about even."""
        q, limits = table.X.shape[1], table.limits()
        line, b, some = table.line, np.zeros(q), np.isfinite(limits)
        ended = (line.lower >= 0) | (line.upper <= 0)
        g = np.zeros(len(ended))
        g[ended] = 0.5 * (line.lower[ended] + line.upper[ended])
        mean = table.value(b) / max(int(np.count_nonzero(some)), 1)
        at = cls(table, limits, b, g, limits, limits)
        bounds = np.where(some, limits, 0.0)
        least = AWAY * np.where(bounds > 0, bounds, bounds[:, :q].max(initial=0.0) or 1.0)
        room = np.where(some, np.maximum(limits + SIGNS * at.pulled(), least), 1.0)
        size = np.where(some, mean / room, 0.0)
        size[:, q:] += np.where(some[:, q:], np.maximum(SIGNS * at.beyond(), 0.0), 0.0)
        return at._replace(room=room, size=size)

    @property
    def gap(self) -> float:
        """Sum of the products that are zero at the end: the duality gap where the equations hold."""
        return float(np.vdot(self.room, self.size))

    def pulled(self) -> Array:
        """Return the gradient of loss and squares in each coefficient, then minus the slope of each row."""
        return np.append(self.g @ self.table.X + self.table.l2 * self.b, -self.g)

    def beyond(self) -> Array:
        """Return how far predictions are from where the loss is as steep as the slopes."""
        line = self.table.line
        return np.asarray(self.table.X @ self.b - line.position - line.width * self.g)

    def further(self) -> Inside | None:
        """Return the next point; None where the equations are not finite."""
        table, some = self.table, np.isfinite(self.limits)
        n, q = table.X.shape
        net = (SIGNS * self.size).sum(axis=0)
        free, b = table.free, np.where(table.free, self.b, net[:q])
        at = self._replace(b=b)
        pulled, ratio = at.pulled(), self.size / self.room
        rest = np.where(some, self.limits + SIGNS * pulled - self.room, 0.0)
        missed = net[q:] - at.beyond(), pulled[:q][free]
        solve = _equations(table, ratio.sum(axis=0))
        if solve is None:
            return None

        def step(goal: Array) -> tuple[Array, Array, Array, Array]:
            own = np.where(some, goal / self.room - self.size - ratio * rest, 0.0)
            d_b, d_g, turned = solve((SIGNS * own).sum(axis=0), *missed)
            d_room = np.where(some, rest + SIGNS * turned, 0.0)
            return d_b, d_g, d_room, own - ratio * (d_room - rest)

        with np.errstate(all="ignore"):
            _, _, d_room, d_size = step(np.zeros((2, q + n)))
            t = self._length(d_room, d_size, 1.0)
            ahead = float(np.vdot(self.room + t * d_room, self.size + t * d_size))
            center = (
                self.gap / int(np.count_nonzero(some)) * min(max(ahead / self.gap, 0.0), 1.0) ** 3
            )
            d_b, d_g, d_room, d_size = step(center - d_room * d_size)
            t = self._length(d_room, d_size, TO_BOUND)
            end = Inside(
                table, self.limits, b + t * d_b, self.g + t * d_g,
                self.room + t * d_room, self.size + t * d_size,
            )  # fmt: skip
        return end if np.isfinite(end.gap) else None

    def _length(self, d_room: Array, d_size: Array, most: float) -> float:
        """Return how far a step can go."""
        steepest = min(
            float((d_room / self.room).min()),
            float(np.min(d_size[self.size > 0] / self.size[self.size > 0], initial=0.0)),
        )
        return -most / steepest if steepest < -most else 1.0


def _equations(table: Table, ratio: Array) -> Callable[..., tuple[Array, Array, Array]] | None:
    """Return what solves for a step, by equations of as many unknowns as there are rows; None where they are not finite."""
    X, free, q = table.X, table.free, table.X.shape[1]
    held, E = ~free, X[:, free]
    soft = 1 + ratio[:q] * table.l2
    bend, own = np.where(free, 0.0, ratio[:q] / soft), table.line.width + ratio[q:]
    root = X[:, held] * np.sqrt(bend[held])
    inner = root @ root.T
    inner[np.diag_indices_from(inner)] += own
    invert = _inverse(inner)
    if invert is None:
        return None
    across = invert(E)
    small = E.T @ across + np.diag(table.l2[free])

    def solved(right: Array, end: Array) -> tuple[Array, Array]:
        d_g, d_free = invert(right), np.zeros(len(end))
        if len(end):
            d_free = np.linalg.lstsq(small, -end - E.T @ d_g, rcond=None)[0]
            d_g = d_g + across @ d_free
        return d_g, d_free

    def solve(change: Array, missed: Array, pull: Array) -> tuple[Array, Array, Array]:
        """Return steps of coefficients and slopes, and of the gradients."""
        loose = np.where(free, 0.0, change[:q] / soft)
        right = X @ loose - change[q:] - missed
        d_g, d_free = solved(right, pull)
        # once more for what rounding leaves
        left = right - (X @ (bend * (d_g @ X)) + own * d_g - E @ d_free)
        more, more_free = solved(left, pull + E.T @ d_g + table.l2[free] * d_free)
        d_g, d_free = d_g + more, d_free + more_free
        turned = d_g @ X
        d_b = loose - bend * turned
        d_b[free] = d_free
        return d_b, d_g, np.append(turned + table.l2 * d_b, -d_g)

    return solve


def _inverse(matrix: Array) -> Callable[[Array], Array] | None:
    """Return what solves equations in units that make their diagonal one; None where they are not finite."""
    scale = 1 / np.sqrt(matrix.diagonal())
    even = matrix * np.outer(scale, scale)
    if not np.isfinite(even.sum()):
        return None
    factors = (cholesky(even, lift) for lift in LIFTS)
    factor = next((one for one in factors if one is not None), None)
    if factor is None:
        return None

    def invert(right: Array) -> Array:
        return np.asarray((scale * solve_factored(factor, (scale * right.T).T).T).T)

    return invert
