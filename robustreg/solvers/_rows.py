"""Piecewise linear terms kept row by row, everything else folded into a linear and a square term.

    f(theta) = sum_i max(lower_i s_i, upper_i s_i) + linear @ theta + theta @ quadratic @ theta / 2,
    s = X theta - position.

Its optimum is found to rounding: by a linear program where there is no square term, on the active
set otherwise, both reached through a sequence of Moreau envelopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from scipy.optimize import OptimizeResult, linprog, minimize

from robustreg._array import Array
from robustreg.solvers._newton import newton

#: an envelope is this much narrower than the one before
NARROWER = 0.15


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
        return self.X @ theta - self.position

    def take(self, rows: Array, linear: Array) -> Rows:
        """Return some of the rows, with another linear term."""
        names = ("X", "position", "lower", "upper", "weight")
        return replace(self, linear=linear, **{name: getattr(self, name)[rows] for name in names})

    def fold(self, rows: Array, s: Array) -> Rows:
        """Keep ``rows`` and replace the others by their slopes at offsets ``s``."""
        slopes = np.where(s > 0, self.upper, self.lower)
        slopes[rows] = 0.0
        return self.take(rows, self.linear + self.X.T @ slopes)

    def rounding(self, theta: Array) -> Array:
        """What rounding can make of an offset that is zero."""
        size = np.abs(theta)
        total = abs(self.X) @ size + np.abs(self.position) + self.base + np.sum(self.hidden * size)
        return 256 * np.finfo(float).eps * total

    def gap(self, theta: Array, slopes: Array) -> float:
        """Duality gap of a point and slopes within their bounds, at least 0.

        Fenchel's inequality row by row, and for what the slopes leave unbalanced either the
        conjugate of the L2 penalty or, where nothing is penalised, its product with the point.
        """
        s = self.offsets(theta)
        s = np.where(np.abs(s) <= self.rounding(theta), 0.0, s)
        gap = np.maximum(self.lower * s, self.upper * s) - slopes * s
        rest = self.X.T @ slopes + self.linear
        if self.quadratic is None:
            return float(gap.sum() + np.abs(rest) @ np.abs(theta))
        rest = rest + self.quadratic @ theta
        free = np.diag(self.quadratic) == 0
        bent = self.quadratic[np.ix_(~free, ~free)]
        square = 0.5 * rest[~free] @ np.linalg.lstsq(bent, rest[~free], rcond=None)[0]
        return float(gap.sum() + square + np.abs(rest[free]) @ np.abs(theta[free]))

    # The envelope of width mu: slopes clip(weight * s / mu, lower, upper).
    def fun_jac(self, theta: Array, mu: float) -> tuple[float, Array]:
        s = self.offsets(theta)
        slope = np.clip(self.weight * s / mu, self.lower, self.upper)
        value = slope @ (s - 0.5 * mu / self.weight * slope) + self.linear @ theta
        gradient = self.X.T @ slope + self.linear
        if self.quadratic is not None:
            pull = self.quadratic @ theta
            value, gradient = value + 0.5 * theta @ pull, gradient + pull
        return float(value), gradient

    def band(self, theta: Array, mu: float) -> Array:
        """Rows within the envelope of width ``mu``."""
        bent = self.weight * self.offsets(theta) / mu
        return np.flatnonzero((bent > self.lower) & (bent < self.upper))

    def hess(self, theta: Array, mu: float) -> Any:
        near = self.band(theta, mu)
        X, weight = self.X[near], self.weight[near]
        if self.quadratic is None:
            return X.T @ ((weight / mu)[:, None] * X)
        return SaddleMetric(self.quadratic, X, mu / weight)

    def envelope(self, theta: Array, mu: float, tol: float, maxiter: int) -> OptimizeResult:
        """Minimise the envelope of width ``mu``."""
        options = {"tol": tol, "maxiter": maxiter}
        return minimize(
            self.fun_jac, theta, args=(mu,), jac=True, hess=self.hess, method=newton, options=options
        )


class SaddleMetric:
    """``solve(g)`` for ``P + X.T diag(1/width) X`` through the saddle-point system.

    The width of an envelope may be 1e-12 and P tiny: their sum would lose one in the other, the
    system ``[[P, X.T], [X, -width]]`` does not.
    """

    def __init__(self, quadratic: Array, X: Array, width: Array) -> None:
        q, self.lift = len(quadratic), 0.0
        self.q = q
        size = np.sqrt(np.abs(np.diag(quadratic)).max(initial=0.0)) or 1.0
        self.scale = np.concatenate([np.full(q, 1 / size), np.full(len(X), size)])
        system = np.zeros((q + len(X),) * 2)
        system[:q, :q] = quadratic
        system[q:, :q], system[:q, q:] = X, X.T
        system[range(q, q + len(X)), range(q, q + len(X))] = -width
        system *= np.outer(self.scale, self.scale)
        # A direction that neither P nor a row bends (the intercept, with an empty band) stays put.
        idle = np.flatnonzero(~system.any(axis=1))
        system[idle, idle] = 1.0
        self.system = system

    def solve_both(self, top: Array, bottom: Array) -> tuple[Array, Array]:
        """Return both parts of the solution, of least norm where the system is singular."""
        right = self.scale * np.concatenate([top, bottom])
        found = _solve_symmetric(self.system, right) * self.scale
        return found[: self.q], found[self.q :]

    def solve(self, gradient: Array) -> Array:
        return self.solve_both(gradient, np.zeros(len(self.system) - self.q))[0]


def _solve_symmetric(system: Array, right: Array) -> Array:
    solve = scipy.linalg.get_lapack_funcs("sysv", (system,))
    _, _, found, info = solve(system, right)
    size = np.abs(system).max() * np.abs(found).max(initial=0.0)
    if info == 0 and np.isfinite(size):
        miss = right - system @ found
        if np.abs(miss).max(initial=0.0) <= 1e-11 * (np.abs(right).max(initial=0.0) + 1e-3 * size):
            _, _, mended, _ = solve(system, miss)
            return found + mended
    return np.linalg.lstsq(system, right, rcond=1e-14)[0]


@dataclass
class Vertex:
    """An optimum of :class:`Rows`: the point, the slope each row contributes, and how it ended."""

    theta: Array
    slopes: Array
    zero: Array
    nit: int
    success: bool


def solve_rows(rows: Rows, theta: Array, width: float, maxiter: int) -> Vertex:
    """Minimise exactly, starting from ``theta`` whose offsets are about ``width`` off."""
    q, nit, mu = len(theta), 0, width
    finish = _finish_linear if rows.quadratic is None else _finish_active
    few = 4 * q + 100
    while True:
        near = len(rows.band(theta, mu))
        if rows.quadratic is None and (len(rows.X) <= few or near <= 6 * q or mu <= 1e-9 * width):
            break
        if rows.quadratic is not None and mu <= 1e-5 * width:
            break
        found = rows.envelope(theta, mu, 1e-9, max(maxiter - nit, 1))
        theta, nit, mu = found.x, nit + found.nit, mu * NARROWER
        if nit >= maxiter:
            break
    vertex = finish(rows, theta, mu, few, max(maxiter - nit, 1))
    return replace(vertex, nit=vertex.nit + nit)


def _finish_linear(rows: Rows, theta: Array, mu: float, few: int, maxiter: int) -> Vertex:
    """Solve linear programs on the rows nearest to their kinks until no folded sign flips."""
    s = rows.offsets(theta)
    kept = np.argpartition(np.abs(s), few)[:few] if few < len(s) else np.arange(len(s))
    for nit in range(1, 60):
        small = rows.fold(kept, s)
        found = _linear_program(small)
        if found is None:
            grown = min(2 * len(kept), len(s))
            if len(kept) == len(s):
                return Vertex(theta, np.where(s > 0, rows.upper, rows.lower), kept[:0], nit, False)
            kept = np.argpartition(np.abs(s), grown - 1)[:grown]
            continue
        theta, inner, zero = found
        now = rows.offsets(theta)
        flipped = (now * s < 0) & (np.abs(now) > rows.rounding(theta))
        flipped[kept] = False
        slopes = np.where(now > 0, rows.upper, rows.lower)
        if not flipped.any():
            slopes = np.where(s > 0, rows.upper, rows.lower)
            slopes[kept] = inner
            return Vertex(theta, slopes, kept[zero], nit, True)
        kept = np.concatenate([kept, np.flatnonzero(flipped)])
    return Vertex(theta, slopes, kept[zero], nit, False)


def _linear_program(rows: Rows) -> tuple[Array, Array, Array] | None:
    """Return optimum, slopes and zero rows, or None where the folded rows make it infeasible.

    The dual has one equation for each coefficient and one bounded variable, its slope, for each row:
    max -slopes @ position with X.T @ slopes = -linear. HiGHS finds the basis; the point and the
    slopes are then solved from the basis, to rounding.
    """
    bounds = np.column_stack([rows.lower, rows.upper])
    unit = np.abs(rows.weight).max()
    found = linprog(
        rows.position,
        A_eq=rows.X.T,
        b_eq=-rows.linear / unit,
        bounds=bounds / unit,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        return None
    slopes, theta = found.x * unit, found.eqlin.marginals
    edge = 1e-9 * (rows.upper - rows.lower)
    free = (slopes > rows.lower + edge) & (slopes < rows.upper - edge)
    s = rows.offsets(theta)
    touching = np.abs(s) <= 1e-9 * (np.abs(rows.position).max(initial=0.0) + np.abs(theta).max())
    theta, basis = _vertex(rows, theta, free, touching)
    s = rows.offsets(theta)
    zero = np.abs(s) <= rows.rounding(theta)
    zero[basis] = True
    return theta, dual_slopes(rows, s, zero, slopes), np.flatnonzero(zero)


def _vertex(rows: Rows, theta: Array, free: Array, touching: Array) -> tuple[Array, Array]:
    """Solve the point from a full-rank set of rows that pass through it."""
    candidates = np.concatenate([np.flatnonzero(free), np.flatnonzero(touching & ~free)])
    X = rows.X[candidates]
    if len(candidates) == 0:
        return theta, candidates
    _, triangle, pivot = scipy.linalg.qr(X.T, mode="economic", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > 1e-11 * diagonal[0]).sum())
    basis = candidates[pivot[:rank]]
    # theta moves as little as the equations ask for: where they leave a choice it is kept
    miss = rows.position[basis] - rows.X[basis] @ theta
    theta = theta + np.linalg.lstsq(rows.X[basis], miss, rcond=None)[0]
    miss = rows.position[basis] - rows.X[basis] @ theta
    return theta + np.linalg.lstsq(rows.X[basis], miss, rcond=None)[0], basis


def dual_slopes(rows: Rows, s: Array, zero: Array, guess: Array) -> Array:
    """Slopes that balance: at their bound off the kinks, solved for on them, kept in bounds."""
    slopes = np.where(zero, np.clip(guess, rows.lower, rows.upper), np.where(s > 0, rows.upper, rows.lower))
    X = rows.X[zero]
    for _ in range(3):
        miss = -(rows.linear + rows.X.T @ slopes)
        moved = slopes[zero] + np.linalg.lstsq(X.T, miss, rcond=None)[0]
        slopes[zero] = np.clip(moved, rows.lower[zero], rows.upper[zero])
    return slopes


def _finish_active(rows: Rows, theta: Array, mu: float, few: int, maxiter: int) -> Vertex:
    """Guess the rows that lie on their kinks from ever narrower envelopes until the guess holds."""
    assert rows.quadratic is not None
    nit, slopes, zero = 0, np.zeros(len(rows.X)), np.zeros(0, dtype=int)
    for _ in range(12):
        found = rows.envelope(theta, mu, 1e-13, max(maxiter - nit, 1))
        theta, nit = found.x, nit + found.nit
        zero = rows.band(theta, mu)
        s = rows.offsets(theta)
        slopes = np.clip(rows.weight * s / mu, rows.lower, rows.upper)
        slopes[zero] = 0.0
        metric = SaddleMetric(rows.quadratic, rows.X[zero], np.zeros(len(zero)))
        pull = -(rows.linear + rows.X.T @ slopes)
        exact, on = metric.solve_both(pull, rows.position[zero])
        slopes[zero] = on
        s = rows.offsets(exact)
        slack = 1e-9 * (rows.upper - rows.lower)
        inside = np.all((slopes >= rows.lower - slack) & (slopes <= rows.upper + slack))
        tiny = 16 * rows.rounding(exact)
        on_side = np.where(slopes >= rows.upper, s >= -tiny, s <= tiny)
        on_side[zero] = np.abs(s[zero]) <= tiny[zero]
        if inside and on_side.all():
            return Vertex(exact, np.clip(slopes, rows.lower, rows.upper), zero, nit, True)
        if nit >= maxiter:
            break
        mu *= 0.1
    return Vertex(theta, np.clip(rows.weight * rows.offsets(theta) / mu, rows.lower, rows.upper), zero, nit, False)
