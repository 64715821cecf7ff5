"""S- and M-estimates of rows that are elsewhere: Newton steps in coefficients and scale, by a pass each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import ResidualLoss
from robustreg.solvers._cholesky import solved
from robustreg.solvers._control import Control
from robustreg.solvers._high_breakdown import (
    LONGEST,
    PARTLY,
    ROUNDING,
    UNSOLVED,
    Descent,
    result,
)
from robustreg.solvers._result import Result
from robustreg.solvers._subsampling import MScale, Optimum
from robustreg.solvers._table import Table
from robustreg.solvers._table_by_passes import DesignSums, TableByPasses

#: a scale is solved for where Newton's next change of it would be the square of this
SETTLED = 1e-8
#: the logarithm of a scale changes by this in one step at the most
MOST = 0.5
#: multiples of a step of reweighted least squares that one pass compares, of which the first that is no worse than no
#: step is taken, and then longer ones as long as that pays
SHORTER = (1.0, 0.25, 0.0625)
LONGER = tuple(2.0**k for k in range(1, int(np.log2(LONGEST)) + 1))


#: passes for a design-adaptive scale, and how many times as long as those in memory its steps are at the most
EQUATION, FASTER = 60, 8.0


class _Point(NamedTuple):
    """Coefficients and scale, and what :class:`~robustreg.solvers._table_by_passes.Look` says there."""

    theta: Array
    sigma: float
    value: float
    slope: float
    pull: Array
    cross: Array
    hessian: Array
    reached: float
    far: int


class DescentByPasses(Descent):
    """A :class:`Descent` whose table is elsewhere, with nothing that has a number for each row."""

    table: Any

    @property
    def _target(self) -> float | None:
        """The sum of rho at an M-scale, None where the scale is given."""
        if self.b is None:
            return None
        return float(self.b * (self.table.total - self.rank) * self.loss.bound)

    def lowest(self, optima: list[Optimum]) -> tuple[Optimum, None]:
        thetas, few = np.column_stack([one.theta for one in optima]), self.table.few
        target = self._target
        assert self.b is not None
        assert target is not None
        criterion, rows = MScale(self.loss, self.b, self.rank), few.sample(np.arange(few.n_rows))
        guess = criterion.sizes(rows.y[:, None] - rows.A @ thetas, rows)
        sigma = self.table.scales(thetas, guess, self.loss, target)
        best = int(np.argmin(sigma))
        return optima[best]._replace(value=float(sigma[best])), None

    def run(self, theta: Array, sigma: float, residual: Array | None = None) -> Result:
        table, control = self.table, self.control
        if not sigma > 0:
            return result(table, theta, 0.0, None, fun=0.0, status=0, optimality=0.0)
        point = self._begin(theta, sigma)
        while True:
            norm, change = self._norm(point), self._change(point)
            solved_for = norm <= control.tol and abs(change) <= SETTLED
            if solved_for or not control.left:
                break
            found = self._by_newton(point) or self._by_squares(point)
            if found is None:
                # beside a scale near the rounding of residuals slopes are what that leaves of them
                floor = table.rounding(point.theta) / point.sigma
                norm = 0.0 if norm <= floor < UNSOLVED else norm
                break
            point = found
            if control.step(np.append(table.whole(point.theta), point.sigma), point.value):
                norm, change = self._norm(point), self._change(point)
                break
        # one more change of the scale leaves about the square of it
        norm = max(norm, change**2)
        sigma = point.sigma * float(np.exp(change))
        return result(
            table, point.theta, sigma, None, fun=point.value if self.b is None else sigma,
            status=control.status(norm <= control.tol), optimality=norm,
        )  # fmt: skip

    def design_scale(
        self, found: Result, constants: tuple[float, float, float], mass: float
    ) -> float:
        """Return that of :meth:`Descent.design_scale`, 0 where so many passes do not find it: mostly six."""
        table, kappa = self.table, constants[0]
        gram = table.squares(self.loss, found.theta, found.sigma)
        inverse = np.linalg.pinv(gram, hermitian=True)
        leverages = table.leverages(self.loss, found.theta, found.sigma, inverse, mass)

        def sums(scale: float | None) -> tuple[float, float]:
            square, count = table.data.sum(DesignSums(self.loss, leverages, constants, scale))
            return square, kappa * count

        square, count = sums(None)  # from the weights of the fit, to keep their zeros
        at, low, high = 0.5 * float(np.log(square / count)), -np.inf, np.inf
        last, left = at, 0.0
        for _ in range(EQUATION):
            square, count = sums(float(np.exp(at)))
            # the step that is made in memory, of which many may be short, and that of the secant; both go to a solution
            fixed = 0.5 * float(np.log(square / count))
            before, left = left, square - count
            slope = (left - before) / (at - last) if at != last and before else 0.0
            step = -left / slope if slope < 0 else float(np.copysign(np.inf, fixed))
            if abs(step) <= SETTLED or fixed == 0:
                return float(np.exp(at + step)) if fixed else float(np.exp(at))
            low, high = (at, high) if fixed > 0 else (low, at)
            longest = FASTER * abs(fixed) if before else abs(fixed)
            step = float(np.copysign(min(abs(step), longest), fixed))
            last, at = at, at + step if low < at + step < high else 0.5 * (low + high)
        return 0.0

    def _begin(self, theta: Array, sigma: float) -> _Point:
        """Return the start, or the optimum of the sample next to it where that is better on all rows."""
        if self.b is None:
            return self._look(theta, sigma)
        aside = self.control.aside(self.control.left, PARTLY)
        part = Descent(self.table.few, self.loss, self.b, self.rank, aside).run(theta, sigma)
        if part.sigma > 0:
            found = self._look(part.theta, part.sigma, theta, sigma)
            if self._change(found._replace(value=found.reached)) <= 0:  # a smaller M-scale
                return found
        return self._look(theta, sigma)

    def _look(
        self, theta: Array, sigma: float, last: Array | None = None, before: float | None = None
    ) -> _Point:
        last, before = theta if last is None else last, sigma if before is None else before
        return _Point(theta, sigma, *self.table.look(self.loss, theta, sigma, last, before))

    def _norm(self, point: _Point) -> float:
        return float(np.abs(point.pull).max() / self.table.total)

    def _change(self, point: _Point) -> float:
        """Newton's change of the logarithm of the scale at these coefficients."""
        target = self._target
        if target is None:
            return 0.0
        left = point.value - target
        return float(np.clip(left / max(point.slope, abs(left)), -MOST, MOST)) if left else 0.0

    def _by_newton(self, point: _Point) -> _Point | None:
        """Take Newton's step in coefficients and scale; None where it is none, too long or no step down."""
        step = solved(point.hessian, point.pull, definite=True)
        if step is None:
            return None
        change, target = 0.0, self._target
        if target is not None:
            along = solved(point.hessian, point.cross, definite=True)
            assert along is not None
            left, slope = point.value - target - point.pull @ step, point.slope - point.pull @ along
            change = float(np.clip(left / slope, -MOST, MOST)) if slope > 0 else 0.0
            step = step - change * along
        sigma = point.sigma * float(np.exp(change))
        found = self._look(point.theta + point.sigma * step, sigma, point.theta, point.sigma)
        down = found.reached <= point.value * (1 + ROUNDING) and not found.far
        return found if down and self._gains(point, found) else None

    def _by_squares(self, point: _Point) -> _Point | None:
        """Take a step of reweighted least squares, longer where that pays: three passes."""
        matrix = self.table.squares(self.loss, point.theta, point.sigma)
        step = solved(matrix, point.pull, definite=False)
        assert step is not None
        step = step * point.sigma
        lengths = SHORTER + LONGER
        values, far = self.table.lengths(self.loss, point.theta, step, point.sigma, lengths)
        down = [k for k in range(len(SHORTER)) if values[k] <= point.value * (1 + ROUNDING)]
        if not down:
            return None
        best = down[0]
        if best == 0:
            for k in range(len(SHORTER), len(lengths)):
                if far[k] or not values[k] < values[best]:
                    break
                best = k
        theta = point.theta + lengths[best] * step
        found = self._look(theta, point.sigma, point.theta, point.sigma)
        return found if self._gains(point, found) else None

    def _gains(self, point: _Point, found: _Point) -> bool:
        """Whether a step leads on: to a smaller value, or clearly nearer to where gradient and scale are solved for."""
        if found.reached < point.value * (1 - ROUNDING):
            return True
        near, before = (max(self._norm(one), abs(self._change(one))) for one in (found, point))
        return near < 0.5 * before


def table_of(data: Any) -> Table | TableByPasses:
    """Return rows, wherever they are, as fits to the majority ask of them."""
    return Table(data) if data.here else TableByPasses(data)


def descent_of(
    table: Table | TableByPasses,
    loss: ResidualLoss,
    control: Control,
    b: float | None = None,
    rank: float = 0.0,
) -> Descent:
    """Return the way down on a table, wherever its rows are."""
    way = Descent if isinstance(table, Table) else DescentByPasses
    return way(table, loss, b, rank, control)  # type: ignore[arg-type]
