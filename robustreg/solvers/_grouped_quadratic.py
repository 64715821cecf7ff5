"""Quadratic functions plus norms of groups of coefficients, minimised over a few groups.

Proximal steps, a group at a time, say which groups are zero; Newton steps on the others, where the norms
are smooth, end at the minimum.

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
from robustreg.solvers._penalised_quadratic import ROUNDING, solve_definite

#: rounds of proximal and Newton steps at the most
MOST = 100
#: rounds that may bring less than half of the way once the gradient is this small: the next step outside leads
#: further
HALF, PATIENCE, SMALL = 0.5, 3, 1e-12
#: Newton steps after a round of proximal ones, and halvings of each
STEPS, HALVINGS = 6, 30


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
        least, stalled = np.inf, 0
        for _ in range(MOST):
            gradient = c + H @ v
            size = np.maximum(size, np.abs(gradient))
            worst = self.excess(v, gradient).max(initial=0.0)
            stalled = 0 if worst < HALF * least else stalled + 1
            least = min(least, worst)
            largest = size.max(initial=0.0)
            if worst <= (SMALL if stalled > PATIENCE else ROUNDING) * largest:
                break
            v = self._swept(H, gradient, v, members, steep)
            for _ in range(STEPS):
                step = self._newton(H, c + H @ v, v)
                if step is None:
                    break
                before, t = self._total(H, c, v), 1.0
                for _ in range(HALVINGS):
                    trial = v + t * step
                    if self._total(H, c, trial) <= before + ROUNDING * abs(before):
                        v = trial
                        break
                    t *= 0.5
                else:
                    break
                if np.abs(t * step).max() <= ROUNDING * np.abs(v).max():
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

    def _newton(self, H: Array, gradient: Array, v: Array) -> Array | None:
        norm = self.norms(v)
        inside = ~self.free
        live = self.free.copy()
        live[inside] = norm[self.labels[inside]] > 0
        A = np.flatnonzero(live)
        if not len(A):
            return None
        inner = H[np.ix_(A, A)].copy()
        for g in np.flatnonzero(norm > 0):
            at = np.flatnonzero(self.labels[A] == g)
            unit = v[A[at]] / norm[g]
            inner[np.ix_(at, at)] += self.l1[g] / norm[g] * (np.eye(len(at)) - np.outer(unit, unit))
        step = np.zeros(len(v))
        step[A] = -solve_definite(inner, self._least(v, gradient)[A])
        return step
