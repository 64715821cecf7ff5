"""Quadratic functions plus an elastic net, minimised exactly over a few coefficients.

The active-set method of Lee et al.: with the signs of the nonzero coefficients fixed the minimum is
that of a linear system. The way there is searched exactly, a coefficient that reaches zero leaves, and
coefficients whose gradient exceeds the penalty join. Each step lowers the function and there are
finitely many signs, so the method ends at the minimum. Of many coefficients sweeps of coordinate descent name the signs to
begin with.

References
----------
Lee, H., Battle, A., Raina, R. and Ng, A. Y. (2006). Efficient sparse coding algorithms. Advances in
Neural Information Processing Systems 19, 801-808.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._column_penalty import least_subgradient
from robustreg.solvers._coordinate_descent import swept

#: a gradient beyond the penalty by this share of what it is computed from is rounding
ROUNDING = 64 * float(np.finfo(float).eps)
#: systems that are solved at the most, per coefficient, and at least
MOST, LEAST = 4, 200
#: where an exchange leaves no fewer coefficients on the wrong side, this share of those that would join does next
#: (machine: .7 and .85 take up to twice as many systems), down to a share at which one at a time moves
FEWER, LEAST_SHARE = 0.8, 1e-3
#: where it has fallen to this, exchanges that leave more than this share of the active ones on the wrong side are
#: given up: as many coefficients are active as there is rank (machine: there .3 to .9 are; given up at .7
#: other fits take a tenth longer)
DOUBTFUL, MANY_WRONG = 0.5, 0.25
#: share of the coefficients of a factored system that may be at zero until another is factored
FEW_LEFT = 0.25
#: coefficients from which on coordinate descent names signs sooner than exchanges do (machine: at 100 both take .4 ms, at
#: 300 it takes half the time; at 1,450, as many in use as there is rank, a thirtieth)
MANY = 150
#: share of the largest excess that it leaves at the most, and systems, per coefficient, that then lead to the minimum at the
#: most: with more, exchanges begin from the start instead (machine: up to .25; 4 of columns that are there twice, where
#: from the start it is .1)
NEARER, SOON = 0.1, 0.5
#: what is added to the diagonal, as a share of it, so that a singular system has a solution
RIDGE = 1e-13


class Limits(NamedTuple):
    """What is not smooth in a problem of few coefficients.

    Parameters
    ----------
    l1 : array of shape (q,)
        Weight of the absolute value of each coefficient.
    positive : array of bool, of shape (q,)
        Which coefficients must not be negative.
    """

    l1: Array
    positive: Array

    @property
    def free(self) -> Array:
        """Coefficients without a kink."""
        return (self.l1 == 0) & ~self.positive

    def value(self, v: Array) -> float:
        """Return the penalty of coefficients, which must not be negative where they may not."""
        return float(self.l1 @ np.abs(v))

    def excess(self, v: Array, gradient: Array) -> Array:
        """Return how far minus the gradient is from the subdifferential, for each coefficient."""
        return np.abs(least_subgradient(v, gradient, self.l1, self.positive))

    def zeroed(self, v: Array) -> Array:
        """Return coefficients with those that must not be negative cut off at zero."""
        return np.where(self.positive, np.maximum(v, 0.0), v)

    def minimise(self, H: Array, c: Array, v: Array) -> Array:
        """Minimise ``c @ v + v @ H @ v / 2 + value(v)``, from ``v`` on."""
        return minimise_quadratic(H, c, v, self)


def minimise_quadratic(H: Array, c: Array, v: Array, limits: Limits) -> Array:
    """Minimise ``c @ v + v @ H @ v / 2 + limits.value(v)``.

    Parameters
    ----------
    H : array of shape (q, q)
        Positive semi-definite.
    c : array of shape (q,)
        Linear term.
    v : array of shape (q,)
        Start.
    limits : Limits
        What is not smooth.

    Returns
    -------
    v : array of shape (q,)
        The minimum, with exact zeros.
    """
    flat = (H.diagonal() == 0) & (limits.excess(np.zeros_like(v), c) == 0)
    if flat.any():
        # No other coefficient changes their terms. In a system they would be what a ridge makes of nothing, and the
        # others what that leaves.
        bent, out = np.flatnonzero(~flat), np.zeros_like(v)
        part = Limits(limits.l1[bent], limits.positive[bent])
        out[bent] = minimise_quadratic(H[np.ix_(bent, bent)], c[bent], v[bent], part)
        return out
    v, systems = limits.zeroed(v), _Systems(H, c, limits)
    there = _signed(H, c, v, limits) if len(v) >= MANY else None
    if there is not None:
        found = _pivoted(H, c, there, limits, systems, patient=False)
        if found is not None:
            return found
        found, ended = _descended(H, c, there, limits, systems, int(SOON * len(v)))
        if ended:
            return found
    found = _pivoted(H, c, v, limits, systems, patient=True)
    if found is not None:
        return found
    return _descended(H, c, v, limits, systems, max(LEAST, MOST * len(v)))[0]


def _signed(H: Array, c: Array, v: Array, limits: Limits) -> Array | None:
    """Return a point much nearer the minimum, with about its signs; None where coordinate descent finds none."""
    held = limits.l1 > 0
    positive = bool(limits.positive.any())
    if not held.any() or np.any(limits.positive != (positive & held)):
        return None
    there = swept(H, c, v, limits.l1, positive=positive)
    if there is None:
        return None

    def judged(x: Array) -> tuple[float, float]:
        product = H @ x
        value = float(c @ x + 0.5 * (x @ product)) + limits.value(x)
        return value, float(limits.excess(x, c + product).max())

    (value, excess), (above, most) = judged(there), judged(v)
    return there if value <= above and excess <= NEARER * most else None


def _descended(
    H: Array, c: Array, v: Array, limits: Limits, systems: _Systems, most: int
) -> tuple[Array, bool]:
    """Return the minimum by exchanges each of which lowers the function, and whether ``most`` systems led there."""
    kinked = ~limits.free
    active, sign = limits.free | (v != 0), np.sign(v)
    fresh, single = np.zeros(len(v), dtype=bool), False
    for _ in range(most):
        x = systems.minimum(active, sign)
        wrong = active & kinked & (x * sign <= 0)
        if not wrong.any():  # the factor itself says so, too
            x = systems.afresh(active, sign)
            wrong = active & kinked & (x * sign <= 0)
        stuck = wrong & (v == 0)
        if stuck.any():  # those that joined for nothing
            active &= ~stuck
            if fresh.any() and not (fresh & active).any():
                if single:
                    return v, True
                single = True
                join = _joining(H, c, v, limits, active)[:1]
                active[join], sign[join] = True, -np.sign((c + H @ v)[join])
                fresh[:] = False
                fresh[join] = True
            continue
        if not wrong.any():
            v = x
            join = _joining(H, c, v, limits, active)
            if not len(join):
                return v, True
            if single:
                join = join[:1]
            active[join], sign[join] = True, -np.sign((c + H @ v)[join])
            fresh[:] = False
            fresh[join], single = True, False
            continue
        v = _searched(H, c, v, x, limits)
        active, sign = limits.free | (v != 0), np.sign(v)
        single = False
    return v, False


def _pivoted(
    H: Array, c: Array, v: Array, limits: Limits, systems: _Systems, *, patient: bool
) -> Array | None:
    """Return the minimum by exchanging all coefficients at once that are on the wrong side; None where that cycles.

    Fewer systems than where each exchange has to lower the function. Here the number of coefficients on the
    wrong side has to fall; where it does not, fewer of those at zero join, unless it is a large share or the start was
    to have about the signs of the minimum (not ``patient``).

    References
    ----------
    Kim, J. and Park, H. (2010). Fast active-set-type algorithms for l1-regularized linear regression.
    International Conference on Artificial Intelligence and Statistics, 397-404.
    """
    kinked, sign = ~limits.free, np.sign(v)
    fewest, share = len(v) + 1, 1.0
    while share > LEAST_SHARE:
        active = ~kinked | (sign != 0)
        x = systems.afresh(active, sign)
        leave = kinked & active & (x * sign <= 0)
        x[leave] = 0.0
        join = _joining(H, c, x, limits, active)
        wrong = int(leave.sum()) + len(join)
        if not wrong:
            return x
        if not patient and wrong >= fewest:
            return None
        share = min(share / FEWER, 1.0) if wrong < fewest else FEWER * share
        if share < DOUBTFUL and wrong > MANY_WRONG * np.count_nonzero(active):
            return None
        fewest = min(fewest, wrong)
        sign[leave] = 0.0
        join = join[: int(np.ceil(share * len(join)))]
        sign[join] = -np.sign((c + H @ x)[join])
    return None


class _Systems:
    """Minima over active coefficients with known signs, one after another: the factor of one serves those with fewer.

    A search along lines makes one coefficient zero at a time. The others then are those of the larger system, less a
    combination of the columns of its inverse that belong to coefficients at zero, which are few.

    Parameters
    ----------
    H, c : arrays of shape (q, q) and (q,)
        The quadratic function.
    limits : Limits
        What is not smooth.
    """

    def __init__(self, H: Array, c: Array, limits: Limits) -> None:
        self.H, self.c, self.limits = H, c, limits
        self.factor: Factor | None = None
        #: coefficients that are factored, those of them at zero by their places, and whether one is; what belongs to them
        self.held = np.zeros(0, dtype=int)
        self.left: list[int] = []
        self.gone = np.zeros(0, dtype=bool)
        self.inverse = np.zeros((0, 0))

    def minimum(self, active: Array, sign: Array) -> Array:
        """Return the minimum, but for rounding that :meth:`afresh` would not leave; the others are zero."""
        out = ~active[self.held]
        n_out = np.count_nonzero(out)
        others = np.count_nonzero(active) + n_out > len(out)
        back = np.any(self.gone & ~out)
        if self.factor is None or others or back or n_out > self.inverse.shape[1]:
            return self.afresh(active, sign)
        for j in np.flatnonzero(out & ~self.gone).tolist():
            unit = np.zeros(len(out))
            unit[j] = 1.0
            self.inverse[:, len(self.left)] = self.factor.solve(unit)
            self.left.append(j)
        self.gone, x = out, np.zeros(len(active))
        x[self.held] = self.factor.solve(self._right(sign))
        if self.left:
            columns, at_zero = self.inverse[:, : len(self.left)], self.held[self.left]
            try:
                x[self.held] -= columns @ np.linalg.solve(columns[self.left], x[at_zero])
            except np.linalg.LinAlgError:
                return self.afresh(active, sign)
            x[at_zero] = 0.0
        return x if np.isfinite(x).all() else self.afresh(active, sign)

    def afresh(self, active: Array, sign: Array) -> Array:
        """Return the minimum by a factor of its own, which is kept."""
        self.held, self.left = np.flatnonzero(active), []
        q = len(self.held)
        self.gone = np.zeros(q, dtype=bool)
        self.inverse = np.empty((q, int(FEW_LEFT * q)), order="F")
        self.factor = Factor.of(self.H[np.ix_(self.held, self.held)])
        x = np.zeros(len(active))
        if self.factor is not None:
            x[self.held] = self.factor.refined(self._right(sign))
        return x

    def _right(self, sign: Array) -> Array:
        return -(self.c + self.limits.l1 * sign)[self.held]


def _joining(H: Array, c: Array, v: Array, limits: Limits, active: Array) -> Array:
    """Return the coefficients at zero that would leave it, the one with the largest gradient first."""
    gradient = c + H @ v
    size = np.abs(c) + np.abs(H) @ np.abs(v)
    over = np.where(active, 0.0, limits.excess(np.where(active, v, 0.0), gradient))
    join = np.flatnonzero(over > ROUNDING * size)
    return join[np.argsort(-over[join], kind="stable")]


def _searched(H: Array, c: Array, v: Array, x: Array, limits: Limits) -> Array:
    """Return the minimum between ``v`` and ``x``, on the line, of the function itself."""
    d = x - v
    a, b = float(d @ (c + H @ v)), float(d @ (H @ d))
    moving = np.flatnonzero((v * x < 0) | ((v != 0) & (x == 0) & ~limits.free))
    moving = moving[~limits.free[moving]]
    at = v[moving] / (v[moving] - x[moving])
    order = np.argsort(at, kind="stable")
    moving, at = moving[order], at[order]
    slope = a + float(limits.l1 @ (np.sign(v) * d)) + float(limits.l1[v == 0] @ np.abs(d[v == 0]))
    t, hit = 1.0, -1
    for j, step in zip(moving, at, strict=True):
        if slope + b * step >= 0:
            t = -slope / b if b > 0 else step
            break
        jump = 2 * limits.l1[j] * abs(d[j])
        if limits.positive[j] or slope + jump + b * step >= 0:
            t, hit = step, j
            break
        slope += jump
    t = min(t, 1.0)
    out = v + t * d
    # what crosses zero at this very step is zero
    out[moving[np.abs(at - t) <= 4 * np.finfo(float).eps]] = 0.0
    if hit >= 0:
        out[hit] = 0.0
    return limits.zeroed(out)


class Factor(NamedTuple):
    """The factor of a matrix that is positive semi-definite, a singular one with a ridge.

    Parameters
    ----------
    upper : array of shape (q, q)
        Of the matrix in units in which its diagonal is one.
    unit : array of shape (q, q)
        The matrix in these.
    scale : array of shape (q,)
        What they are.
    """

    upper: Array
    unit: Array
    scale: Array

    @classmethod
    def of(cls, H: Array, ridge: float = RIDGE) -> Factor | None:
        """Return that of a matrix and a ridge, which grows where that is singular; None of no rows, or where none helps."""
        scale = np.sqrt(np.maximum(np.diag(H), 0.0))
        scale = np.where(scale > 0, scale, 1.0)
        unit = H / np.outer(scale, scale)
        while len(H) and (upper := cholesky(unit, ridge)) is None:
            ridge *= 100
            if not ridge < 1e3:
                return None
        return cls(upper, unit, scale) if len(H) else None

    def solve(self, right: Array) -> Array:
        """Solve a system, the ridge and rounding included."""
        return np.asarray(solve_factored(self.upper, right / self.scale) / self.scale)

    def refined(self, right: Array) -> Array:
        """Solve a system to its own rounding."""
        target = right / self.scale
        found = solve_factored(self.upper, target)
        for _ in range(2):
            found += solve_factored(self.upper, target - self.unit @ found)
        return np.asarray(found / self.scale)


def solve_definite(H: Array, right: Array) -> Array:
    """Solve a system that is positive semi-definite, a singular one by its ridge solution."""
    factor = Factor.of(H)
    return np.zeros_like(right) if factor is None else factor.refined(right)
