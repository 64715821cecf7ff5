"""The method of multipliers for losses with kinks: a smooth loss about the slopes found last."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.losses._separable import SeparableLoss
from robustreg.objective import Objective
from robustreg.solvers._gap import Certificate
from robustreg.solvers._kept_kinks import KeptKinks
from robustreg.solvers._kinks import ROUNDED, gradient_of, offsets
from robustreg.solvers._result import Result

#: width of the first envelope, y having spread one, and the factor by which the next is narrower
WIDTH, NARROWER = 1.0, 0.3
#: and the narrowest: offsets are exact to about 1e-16
NARROWEST = 1e-7
#: envelopes at the most
MOST = 80
#: a slope is inside its bounds by this share of their distance, and its row this near to its kink
INSIDE, NEAR = 1e-7, 1e-4
#: a coefficient, columns being of unit size and y having spread one, that is rounding (machine: up to 4e-13 where the
#: penalty is hardly above the one that leaves no column in)
SMALL = 1e-12
#: rows and columns of a linear system that is solved at the end
MOST_TIED = 1500


#: smallest pivot, as a share of the largest, of a system that is not taken for singular: 2,000 times rounding
SINGULAR = 5e-13


@dataclass
class AboutSlopes(SeparableLoss):
    """The envelope of a loss with kinks about given slopes.

    ``max over lower <= a <= upper of a * s - width / 2 * (a - slope)**2`` with s the offset from the kink. The
    targets hold position, slope, lower and upper of each row.
    """

    width: float

    def _steep(self, y: Array, raw: Array) -> tuple[Array, Array]:
        s = raw - y[:, 0]
        return s, y[:, 1] + s / self.width

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        s, free = self._steep(y, raw)
        a = np.clip(free, y[:, 2], y[:, 3])
        return a * s - 0.5 * self.width * (a - y[:, 1]) ** 2, a

    def product(self, y: Array, raw: Array, d_raw: Any) -> Array:
        _, free = self._steep(y, raw)
        bend = np.where((free > y[:, 2]) & (free < y[:, 3]), 1 / self.width, 0.0)
        return bend * d_raw


@dataclass
class Multipliers:
    """Slopes of the rows, and the width of the envelope about them."""

    objective: Objective
    position: Array
    lower: Array
    upper: Array
    slopes: Array
    width: float = WIDTH
    most: int = MOST

    @classmethod
    def of(cls, objective: Objective) -> Multipliers:
        """Start from slopes of the last fit to the same rows, or zero, or the nearest that a row allows."""
        data = objective.data
        kinks: Any = objective.loss.kinks(data.y)
        n = data.n_rows
        lower, upper = np.broadcast_to(kinks.lower, n), np.broadcast_to(kinks.upper, n)
        position = np.broadcast_to(kinks.position, n)
        slopes = KeptKinks.of(data).slopes
        if len(slopes) != n or not objective.penalty.convex:  # the start would choose the minimum
            slopes = np.zeros(n)
        elif data.weight is not None:
            slopes = slopes / data.weight
        return cls(objective, position, lower, upper, np.clip(slopes, lower, upper))

    def smooth(self) -> Objective:
        """Return the envelope about the slopes."""
        y = np.column_stack([self.position, self.slopes, self.lower, self.upper])
        data = self.objective.data.with_target(y, self.objective.data.weight)
        return self.objective.with_total(
            self.objective.total, loss=AboutSlopes(self.width), data=data
        )

    def advance(self, theta: Array) -> Array:
        """Take the slopes of the envelope at a point, times the weights, and narrow it."""
        s = offsets(self.objective, theta)
        self.slopes = np.clip(self.slopes + s / self.width, self.lower, self.upper)
        self.width = max(self.width * NARROWER, NARROWEST)
        weight = self.objective.data.weight
        return self.slopes if weight is None else weight * self.slopes


def tied_rows(objective: Objective, slopes: Array, s: Array) -> Array:
    """Return which rows are on their kinks: those whose weighted slopes are inside their bounds, and near ones."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    lower, upper = weight * kinks.lower, weight * kinks.upper
    margin = INSIDE * (upper - lower)
    rounding = ROUNDED * (np.abs(kinks.position) + 1.0 + objective.data.base)
    inside = (slopes > lower + margin) & (slopes < upper - margin)
    return np.asarray((inside & (np.abs(s) <= NEAR)) | (np.abs(s) <= rounding))


def ended(
    objective: Objective, theta: Array, slopes: Array, proof: Certificate, status: int
) -> Result:
    """Describe the end of a fit, and keep its slopes for the next fit to the same rows."""
    KeptKinks.of(objective.data).slopes = slopes
    s = offsets(objective, theta)
    zero = tied_rows(objective, slopes, s)
    return Result(
        x=theta, fun=proof.objective, status=status, optimality=proof.value,
        slopes=slopes, zero=zero, offsets=np.where(zero, 0.0, s),
    )  # fmt: skip


def exact_zeros(objective: Objective, theta: Array) -> Array:
    """Return a point that the penalty allows, and of which the coefficients that are rounding are zero."""
    size, penalty = objective.data.size * (objective.n_outputs or 1), cast(Any, objective.penalty)
    theta = np.array(penalty.allowed(theta, objective.data.size))
    theta[:size][np.abs(theta[:size]) <= SMALL] = 0.0
    return theta


class _Columns(Protocol):
    """A problem of columns; see :mod:`robustreg.solvers._by_column`."""

    @property
    def part(self) -> Any: ...
    def support(self, theta: Array) -> Array: ...
    def take(self, theta: Array, kept: Array) -> Array: ...
    def whole(self, few: Array, kept: Array) -> Array: ...


def vertex(
    problem: _Columns, objective: Objective, theta: Array, slopes: Array
) -> list[tuple[Array, Array]]:
    """Return point and weighted slopes at which the rows and columns that are tied now are so exactly.

    The rows inside their slopes are on their kinks and the signs of coefficients are as they are: what is
    left is a linear system. Nothing is returned for groups, whose norms bend, or where that is too large.
    """
    data = objective.data
    if problem.part.labels is not None:
        return []
    columns = np.flatnonzero(problem.support(theta))
    s = offsets(objective, theta)
    rows = np.flatnonzero(tied_rows(objective, slopes, s))
    q, k = len(columns) + int(data.intercept), len(rows)
    if not 0 < q + k <= MOST_TIED:
        return []
    kinks: Any = objective.loss.kinks(data.y)
    weight = 1.0 if data.weight is None else data.weight
    fixed = weight * kinks.slopes(s)
    fixed[rows] = 0.0
    x = problem.take(theta, columns)
    pull = problem.take(gradient_of(objective, fixed), columns)
    bend, l1 = np.zeros(q), np.zeros(q)
    bend[: len(columns)] = problem.part.l2[columns] * objective.total
    l1[: len(columns)] = problem.part.l1[columns] * objective.total
    system = np.zeros((q + k, q + k))
    system[np.arange(q), np.arange(q)] = bend
    E = np.ones((k, q))
    # diagonal coordinates: rows of some columns, dense
    E[:, : len(columns)] = data.columns(columns).take(rows)
    system[q:, :q], system[:q, q:] = E, E.T
    position = np.broadcast_to(kinks.position, s.shape)
    target = np.concatenate([-(pull + l1 * np.sign(x)), position[rows]])
    solved = solved_system(system, target)
    slopes = fixed.copy()
    slopes[rows] = solved[q:]
    return [(problem.whole(solved[:q], columns), slopes)]


def solved_system(system: Array, target: Array) -> Array:
    """Return the solution of a square system, refined; the shortest one where it is singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        factors = scipy.linalg.lu_factor(system, check_finite=False)
    pivots = np.abs(np.diag(factors[0]))
    if pivots.min(initial=np.inf) > SINGULAR * pivots.max(initial=0.0):

        def solve(b: Array) -> Array:
            return np.asarray(scipy.linalg.lu_solve(factors, b, check_finite=False))
    else:
        cond = len(system) * float(np.finfo(float).eps)

        def solve(b: Array) -> Array:
            # with pivots instead of singular values: a fifth of the time, and the certificate judges what it finds
            return np.asarray(
                scipy.linalg.lstsq(system, b, cond, lapack_driver="gelsy", check_finite=False)[0]
            )

    solved = solve(target)
    for _ in range(2):
        solved += solve(target - system @ solved)
    return solved
