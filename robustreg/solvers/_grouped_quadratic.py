"""Quadratic functions plus norms of groups of coefficients, minimised over a few groups.

Proximal steps, a group at a time, say which groups leave zero; Newton steps on the others, where the norms
are smooth, say which return to it and end at the minimum.

References
----------
Yuan, M. and Lin, Y. (2006). Model selection and estimation in regression with grouped variables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.penalties._sizes import sizes
from robustreg.solvers._column_penalty import least_group_subgradient
from robustreg.solvers._penalised_quadratic import RIDGE, ROUNDING, Factor, solve_definite

#: rounds of proximal and Newton steps at the most
MOST = 100
#: rounds that may bring less than half of the way once the gradient is this small: the next step outside leads
#: further
HALF, PATIENCE, SMALL = 0.5, 3, 1e-12
#: a decrease, as a multiple of what each coefficient by itself would bring, of a function without a minimum: the model of a
#: loss where its rows are beyond the ends of its curved part, which is not worth its last digits
FAR = 1e6
#: Newton steps after a round of proximal ones, halvings of each, and the share of the decrease that a gradient promises
STEPS, HALVINGS, ARMIJO = 6, 8, 1e-4
#: where no halving lowers the function, what is added to the diagonal, as a share of it, at the least, the factors by which
#: it grows until one does and falls after each whole step, and how often it grows: as many groups are in use as there is
#: rank, or columns are there twice, and the Hessian says nothing of how far to go
LIGHT, HEAVIER, LIGHTER, STEEPER = 1e-9, 1e3, 100.0, 8


class GroupLimits(NamedTuple):
    """What is not smooth in a problem of few groups of coefficients.

    Parameters
    ----------
    l1 : array of shape (n_groups,)
        Weight of the norm of each group.
    labels : array of int, of shape (q,)
        The group of each coefficient, -1 for those without a penalty; each group has one.
    """

    l1: Array
    labels: Array

    @property
    def free(self) -> Array:
        """Coefficients without a kink."""
        free: Array = self.labels < 0
        return free

    def norms(self, v: Array) -> Array:
        """Return the norm of each group."""
        inside = ~self.free
        return sizes(v[inside], self.labels[inside])

    def value(self, v: Array) -> float:
        """Return the penalty of coefficients."""
        return float(self.l1 @ self.norms(v))

    def excess(self, v: Array, gradient: Array) -> Array:
        """Return how far minus the gradient is from the subdifferential: of groups, then of the others."""
        return np.concatenate([self.norms(self._least(v, gradient)), np.abs(gradient[self.free])])

    def _least(self, v: Array, gradient: Array) -> Array:
        """Return the smallest sum of the gradient and a subgradient."""
        least, inside = gradient.copy(), ~self.free
        least[inside] = least_group_subgradient(
            v[inside], gradient[inside], self.l1, self.labels[inside]
        )
        return least

    def zeroed(self, v: Array) -> Array:
        """Return the coefficients: all are allowed."""
        return v

    def minimise(self, H: Array, c: Array, v: Array) -> Array:
        """Minimise ``c @ v + v @ H @ v / 2 + value(v)``, from ``v`` on."""
        v = v.copy()
        members = [np.flatnonzero(self.labels == g) for g in range(len(self.l1))]
        steep = np.array([np.linalg.norm(H[np.ix_(m, m)], 2) if len(m) else 1.0 for m in members])
        size = np.abs(c) + np.abs(H) @ np.abs(v)
        least, stalled, ridge = np.inf, 0, RIDGE
        start, enough = self._total(H, c, v), FAR * _by_coefficient(H, c + H @ v)
        for _ in range(MOST):
            gradient = c + H @ v
            size = np.maximum(size, np.abs(gradient))
            worst = self.excess(v, gradient).max(initial=0.0)
            stalled = 0 if worst < HALF * least else stalled + 1
            least = min(least, worst)
            largest = size.max(initial=0.0)
            if worst <= (SMALL if stalled > PATIENCE else ROUNDING) * largest:
                break
            if start - self._total(H, c, v) > enough:
                break
            v = self._swept(H, gradient, v, members, steep)
            for _ in range(STEPS):
                moved, ridge = self._moved(H, c, v, ridge)
                if moved is None:
                    break
                still = np.abs(moved - v).max() <= ROUNDING * np.abs(v).max()
                v = moved
                if still:
                    break
        return v

    def _total(self, H: Array, c: Array, v: Array) -> float:
        return float(c @ v + 0.5 * v @ (H @ v)) + self.value(v)

    def _swept(
        self, H: Array, gradient: Array, v: Array, members: list[Array], steep: Array
    ) -> Array:
        """Return the point after a proximal step of each group, then an exact one of the free coefficients."""
        gradient = gradient.copy()
        norm = self.norms(v)
        todo = (norm > 0) | (self.norms(gradient) > self.l1)
        for g in np.flatnonzero(todo):
            m = members[g]
            moved = v[m] - gradient[m] / steep[g] if steep[g] > 0 else v[m]
            length = float(np.linalg.norm(moved))
            shrink = (
                max(1 - self.l1[g] / (steep[g] * length), 0.0) if length * steep[g] > 0 else 0.0
            )
            change = shrink * moved - v[m]
            if change.any():
                gradient += H[:, m] @ change
                v[m] = shrink * moved
        free = np.flatnonzero(self.free)
        if len(free):
            v[free] -= solve_definite(H[np.ix_(free, free)], gradient[free])
        return v

    def _moved(self, H: Array, c: Array, v: Array, ridge: float) -> tuple[Array | None, float]:
        """Return where a Newton step of the groups that are not zero leads, and the ridge of the next.

        Groups that the step would carry past zero end there, so that each step can drop many. The point is None where no
        step lowers the function.
        """
        live = self.free.copy()
        live[~live] = self.norms(v)[self.labels[~live]] > 0
        A = np.flatnonzero(live)
        inner, least = self._hessian(H, v, A), self._least(v, c + H @ v)[A]
        if not np.isfinite(inner.sum()):  # a norm too small for its curvature
            return None, RIDGE
        before = self._total(H, c, v)
        for _ in range(STEEPER):
            factor = Factor.of(inner, ridge)
            if factor is None:
                break
            step = np.zeros(len(v))
            step[A] = factor.refined(-least) if ridge == RIDGE else factor.solve(-least)
            for k in range(HALVINGS):
                trial = self._not_past_zero(v, v + 0.5**k * step)
                promised = min(float(least @ (trial - v)[A]), 0.0)
                rises = self._total(H, c, trial) - before
                if rises <= ARMIJO * promised + ROUNDING * abs(before):
                    return trial, ridge if k else max(ridge / LIGHTER, RIDGE)
            ridge = max(HEAVIER * ridge, LIGHT)
        return None, RIDGE

    def _not_past_zero(self, v: Array, trial: Array) -> Array:
        """Return a point with the groups at zero whose coefficients point away from those of ``v``."""
        inside = ~self.free
        labels = self.labels[inside]
        along = np.bincount(labels, (v * trial)[inside], len(self.l1))
        trial[inside] = np.where(along[labels] > 0, trial[inside], 0.0)
        return trial

    def _hessian(self, H: Array, v: Array, A: Array) -> Array:
        """Return the Hessian in some coefficients, with that of the norms of their groups, none of which is zero."""
        labels = self.labels[A]
        norm, l1 = np.append(self.norms(v), 1.0)[labels], np.append(self.l1, 0.0)[labels]
        i, j = np.nonzero((labels[:, None] == labels) & (labels >= 0))
        inner = H[np.ix_(A, A)].copy()
        with np.errstate(over="ignore", invalid="ignore"):
            unit, bend = v[A] / norm, l1 / norm
            inner[i, j] -= bend[i] * unit[i] * unit[j]
            inner[np.diag_indices(len(A))] += bend
        return inner


def _by_coefficient(H: Array, gradient: Array) -> float:
    """Return the sum of the decreases of a quadratic function along each of its coefficients."""
    own = H.diagonal()
    return float(0.5 * np.sum(gradient[own > 0] ** 2 / own[own > 0]))
