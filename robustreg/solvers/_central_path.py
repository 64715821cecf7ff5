"""The central path of :class:`Rows`, from inside their bounds to where each row is on its kink or its slope at a bound.

Offsets are split into positive parts ``up`` and ``down`` whose complements are the distances of the slopes from their
bounds. Steps are those of Mehrotra: one that looks ahead, and one that is corrected by what it has seen.

Mehrotra, S. (1992). On the implementation of a primal-dual interior point method. SIAM Journal on Optimization 2,
575-601. Portnoy, S. and Koenker, R. (1997). The Gaussian hare and the Laplacian tortoise. Statistical Science 12, 279-300.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg._scratch import scratch
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._rows import Rows

#: share of the way to a bound that a step may go
TO_BOUND = 0.9995
#: rows for each coefficient whose inner products a step is made of, where at least as many others count by their mean
#: (machine: at 5,000 x 500 steps take 19 ms in place of 38, and as many are taken)
MOST = 2
#: part of the equations that such a step may miss, in their norm: the next one makes up for it (steps of normal columns
#: miss 0.2 at the most; those of columns with far entries or of rows in pairs 0.4 and more, and many would be taken)
MISSED = 0.25
#: what singular equations, their diagonal made one, are lifted by: rounding
LIFTS = (0.0, 1e-15, 1e-13, 1e-11)


class Inside(NamedTuple):
    """A point of the path.

    Parameters
    ----------
    rows : Rows
        The problem.
    theta : array of shape (q,)
        Coefficients.
    room : array of shape (2, k)
        Distances of the slopes from their upper and lower bounds, all positive.
    offset : array of shape (2, k)
        Positive and negative parts of the offsets, all positive.
    square : array of shape (q, q), optional
        ``X.T @ X``, where it is known and steps may be solved with it: see :func:`_about`.
    """

    rows: Rows
    theta: Array
    room: Array
    offset: Array
    square: Array | None = None

    @classmethod
    def start(
        cls, rows: Rows, theta: Array, slopes: Array, wide: float, square: Array | None = None
    ) -> Inside:
        """Return a point with slopes strictly between their bounds, ``wide`` away from all kinks."""
        s = rows.offsets(theta)
        square = square if 2 * MOST * len(theta) <= len(s) else None
        up = np.maximum(s, 0.0)
        room = np.array([rows.upper - slopes, slopes - rows.lower])
        return cls(rows, theta, room, np.array([up, up - s]) + wide, square)

    @property
    def gap(self) -> float:
        """Sum of the products that are zero at the end: the duality gap where the equations hold."""
        return float(np.vdot(self.room, self.offset))

    def slopes(self) -> Array:
        """Taken from the nearer bound, a slope keeps the digits of its distance from it."""
        above, below = self.room
        return np.where(above < below, self.rows.upper - above, self.rows.lower + below)

    def dual(self) -> Array:
        """What the equations of the slopes miss."""
        rows = self.rows
        pull = rows.linear + (rows.lower + self.room[1]).dot(rows.X)
        return -(pull if rows.quadratic is None else pull + rows.quadratic @ self.theta)

    def primal(self) -> Array:
        """What those of the offsets miss: rounding, since they hold at the start."""
        primal: Array = self.offset[0] - self.offset[1] - self.rows.offsets(self.theta)
        return primal


def further(at: Inside, dual: Array, primal: Any = 0.0) -> Inside | None:
    """Return the next point; None where the equations are not finite.

    ``dual`` and ``primal`` are what they miss at this one, as methods of it say.
    """
    rows, theta, room, offset, square = at
    X = rows.X
    ratio = offset / room
    bend = 1 / (ratio[0] + ratio[1])
    if square is None:
        root = np.sqrt(bend)[:, None] * X
        inner = root.T.dot(root)  # the same array twice: half the work
    else:
        inner = _about(X, bend, square)
    if rows.quadratic is not None:
        inner += rows.quadratic
    solve = _solver(inner)
    if solve is None:
        return None
    shift = primal + offset[1] - offset[0]
    d_slopes = (X.dot(solve(dual + (shift * bend).dot(X))) - shift) * bend
    # the step ahead, as a share of the room, and less one, of the offsets
    share = np.array([-d_slopes, d_slopes]) / room
    a, b = _lengths(at, float(share.min()), -1 - float(share.max()), 1.0)
    gap, rest = at.gap, share + 1
    ahead = float(np.vdot(room * (1 + a * share), offset * (1 - b * rest)))
    center = gap / room.size * min((ahead / gap) ** 3, 1.0)
    # second order: what the step ahead adds to the products that it should make zero
    goal = center / room + offset * (share * rest - 1)
    shift = primal + goal[0] - goal[1]
    right = dual + (shift * bend).dot(X)
    d_theta = solve(right)
    d_slopes = (X.dot(d_theta) - shift) * bend
    if square is not None:
        missed = dual - d_slopes.dot(X)
        if not missed @ solve(missed) <= MISSED**2 * (right @ d_theta):
            return further(at._replace(square=None), dual, primal)
    d_room = np.array([-d_slopes, d_slopes])
    d_offset = goal - ratio * d_room
    a, b = _lengths(at, float((d_room / room).min()), float((d_offset / offset).min()), TO_BOUND)
    return Inside(rows, theta + b * d_theta, room + a * d_room, offset + b * d_offset, square)


def _about(X: Array, bend: Array, square: Array) -> Array:
    """Return about ``X.T @ diag(bend) @ X`` from ``X.T @ X``: all rows but those of most bend count by their mean."""
    few = len(bend) - MOST * X.shape[1]
    order = bend.argpartition(few)
    top, mean = order[few:], float(bend[order[:few]].mean())
    root = X.take(top, axis=0, out=scratch("taken", (len(top), X.shape[1])), mode="clip")
    root *= np.sqrt(np.maximum(bend[top] - mean, 0.0))[:, None]
    inner: Array = root.T.dot(root)
    inner += np.multiply(mean, square, out=scratch("inner", square.shape))
    return inner


def _lengths(at: Inside, a: float, b: float, most: float) -> tuple[float, float]:
    """Return how far slopes and offsets can go, one at the most; a square term ties both together.

    ``a`` and ``b`` are the steepest falls of a step, as shares of the room and of the offsets.
    """
    if at.rows.quadratic is not None:
        a = b = min(a, b)
    return -most / a if a < -most else 1.0, -most / b if b < -most else 1.0


def _solver(matrix: Array) -> Any:
    """Return what solves equations, lifted by rounding where they are singular; None where they are not finite."""
    if not isfinite(matrix.sum()):
        return None
    factor = cholesky(matrix)
    if factor is not None:
        return lambda right: solve_factored(factor, right)
    scale = 1 / np.sqrt(np.maximum(matrix.diagonal(), 1e-300))
    scaled = matrix * np.outer(scale, scale)
    for lift in LIFTS:
        lifted = cholesky(scaled, lift)
        if lifted is not None:
            return lambda right, lifted=lifted: scale * solve_factored(lifted, scale * right)
    return None
