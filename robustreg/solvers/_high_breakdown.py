"""S-estimators, and M-estimators that start from them and keep their scale.

Each step is Newton's where the objective is convex and the step short; otherwise it is one of
iteratively reweighted least squares, which never leads up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.losses import ResidualLoss
from robustreg.scales import m_scale
from robustreg.solvers._cholesky import solved
from robustreg.solvers._control import Control
from robustreg.solvers._result import Result
from robustreg.solvers._search import Search
from robustreg.solvers._subsampling import NEAR, MScale, Optimum
from robustreg.solvers._table import Columns, Table

#: a gradient that no rounding excuses
UNSOLVED = 1e-3
#: scale, in spreads of y, at which it is asked whether a plane holds the majority exactly
SUSPECT = 1e-7
#: rows up to which a fit goes on far beyond the tolerance, which costs nothing
FINISHED = 5_000
#: a Hessian of some rows is kept as long as each step makes the gradient smaller by this
PAYS = 0.1
#: gradient at which a fit to a tenth of the rows gives way to all
PARTLY = 1e-5
#: a step of reweighted least squares is made longer by this factor again and again
LONGER, LONGEST = 2.0, 64.0
#: a value within this share of another is not above it
ROUNDING = 1e-13


@dataclass
class Descent:
    """Steps from a start down to a stationary point of a loss at a scale, given or minimised itself.

    Parameters
    ----------
    table : Table
        Rows.
    loss : ResidualLoss
        Thresholds in units of the scale.
    b, rank : float, optional
        Of the M-scale that is minimised; without them the scale stays as it is given.
    tol, max_iter, callback
        When it ends: by the largest gradient entry per unit of weight, after so many steps, or when
        the callback says so.
    """

    table: Table
    loss: ResidualLoss
    b: float | None = None
    rank: float = 0.0
    control: Control = field(default_factory=Control)

    def value(self, residual: Array, sigma: float) -> tuple[float, float]:
        """Return what is minimised, and the scale."""
        if self.b is None:
            return self.table.total_of(lambda r: self.loss.rho(r / sigma), residual), sigma
        scale = m_scale(
            residual, self.table.weight, loss=self.loss, b=self.b, rank=self.rank, start=sigma
        )
        return scale, scale

    def lowest(self, optima: list[Optimum]) -> tuple[Optimum, Array | None]:
        """Return which optimum of some rows is the best of all rows, and its residuals where they are known."""
        best = optima[0]
        if len(optima) == 1:
            return best, None
        residual = self.table.residual(best.theta)
        _, sigma = self.value(residual, best.value)
        thetas = np.column_stack([one.theta for one in optima])
        lowest = int(np.argmin(self.table.sums(thetas, self.loss, sigma)))
        return optima[lowest]._replace(value=sigma), residual if lowest == 0 else None

    def run(self, theta: Array, sigma: float, residual: Array | None = None) -> Result:
        """Descend to a `result` from coefficients, whose residuals may be known; at scale zero there is nothing to do."""
        table = self.table
        residual = table.residual(theta) if residual is None else residual
        value, sigma = self.value(residual, sigma)
        if table.few is not None and sigma > 0:  # most of the way on a tenth of the rows
            aside = self.control.aside(self.control.left, PARTLY)
            part = replace(self, table=table.few[0], control=aside).run(theta, sigma)
            moved = table.residual(part.theta)
            new, scale = self.value(moved, sigma)
            if new < value:
                theta, residual, value, sigma = part.theta, moved, new, scale
        control, tol = self.control, self.control.tol
        goal = tol * (1e-4 if len(residual) <= FINISHED else 1.0)
        hessian, last, norm = None, np.inf, np.inf
        while sigma > 0:
            pull = self._pull(residual, sigma)
            norm = float(np.abs(pull).max()) / table.total
            if norm <= goal or not control.left:
                break
            if hessian is None or norm > PAYS * last:
                hessian = self._hessian(residual, sigma, exact=hessian is not None)
            last = norm
            moved = self._move(pull, hessian, residual, value, sigma)
            if moved is None:
                # beside a scale near the rounding of residuals slopes are what that leaves of them
                floor = float(np.max(table.rounding(theta))) / sigma if norm > tol else 0.0
                norm = 0.0 if norm <= floor < UNSOLVED else norm
                break
            step, residual, value, sigma = moved
            theta = theta + step
            if control.step(np.append(table.whole(theta), sigma), value):
                break
        norm = norm if sigma > 0 else 0.0
        status = control.status(norm <= tol)
        return result(table, theta, sigma, residual, fun=value, status=status, optimality=norm)

    def design_scale(
        self, found: Result, constants: tuple[float, float, float], mass: float
    ) -> float:
        """Return the :func:`design_adaptive_scale` of a fit with the loss."""
        weights = self.loss.weights(found.residual / found.sigma)
        return design_adaptive_scale(
            self.table, found.residual, weights, self.loss, constants, mass
        )

    def _pull(self, residual: Array, sigma: float) -> Array:
        return self.table.pull(lambda r: self.loss.psi(r / sigma), residual)

    def _hessian(self, residual: Array, sigma: float, *, exact: bool) -> Array:
        """Sum of psi' times the products of the columns; of many rows that of a tenth will do."""
        few = None if exact else self.table.few
        if few is None:
            return self.table.gram(self.table.weighted(self.loss.psi_prime(residual / sigma)))
        part, rows = few
        curvature = part.weighted(self.loss.psi_prime(residual[rows] / sigma))
        return part.gram(curvature) * (self.table.total / part.total)

    def _move(
        self, pull: Array, hessian: Array, residual: Array, value: float, sigma: float
    ) -> tuple[Array, Array, float, float] | None:
        """Return a step down and what it leads to, None where rounding leaves none."""
        table = self.table
        for newton in (True, False):
            matrix = hessian
            if not newton:
                matrix = table.gram(table.weighted(self.loss.weights(residual / sigma)))
            step = solved(matrix, pull, definite=newton)
            if step is None:
                continue
            step = step * sigma
            change = table.raw(step)
            if newton and not _short(change, residual, sigma):
                continue
            for _ in range(3):
                moved = residual - change
                new, scale = self.value(moved, sigma)
                if new <= value * (1 + ROUNDING):
                    found = step, moved, new, scale
                    return found if newton else self._longer(found, change, residual)
                step, change = 0.25 * step, 0.25 * change
        return None

    def _longer(
        self, found: tuple[Array, Array, float, float], change: Array, residual: Array
    ) -> tuple[Array, Array, float, float]:
        """Make a short step of reweighted least squares longer as long as that pays, as near a saddle point."""
        step, length = found[0], LONGER
        while length <= LONGEST:
            if not _short(length * change, residual, found[3]):
                break
            moved = residual - length * change
            new, scale = self.value(moved, found[3])
            if not new < found[2]:
                break
            found, length = (length * step, moved, new, scale), LONGER * length
        return found


def _short(change: Array, residual: Array, sigma: float) -> bool:
    """Whether a step leaves the residuals about where they are."""
    largest = max(float(change.max()), -float(change.min()))
    return largest <= NEAR * sigma or not np.any(np.abs(change) > NEAR * (sigma + np.abs(residual)))


def result(
    table: Columns, theta: Array, sigma: float, residual: Array | None, **entries: Any
) -> Result:
    """Return a fit: ``theta`` of the table's columns, ``x`` of the solver's and the scale."""
    x = np.append(table.whole(theta), sigma)
    return Result(x=x, theta=theta, sigma=sigma, residual=residual, **entries)


def solve_s(descent: Descent, search: Search) -> Result:
    """Minimise the M-scale of the residuals over the coefficients.

    Parameters
    ----------
    descent : Descent
        With ``b`` and ``rank``.
    search : Search
        Finds the starts.

    Returns
    -------
    Result
        As of `Descent.run`, with ``hits``, how many starts ended at the optimum, and ``exhaustive``,
        whether there are no other starts. Where a plane holds so many rows that their scale is zero it is
        the fit, with scale 0.
    """
    assert descent.b is not None
    table = descent.table
    criterion = MScale(descent.loss, descent.b, descent.rank)
    optima, exhaustive = search.run(table, criterion)
    best, residual = descent.lowest(optima)
    most = descent.b * (table.total - descent.rank)
    found = exact_fit(table, best.theta, best.value, most)
    if found is None:
        found = descent.run(best.theta, best.value, residual)
        again = exact_fit(table, found.theta, found.sigma, most)
        found = again or found
    found.hits, found.exhaustive = best.hits, exhaustive
    return found


def exact_fit(table: Any, theta: Array, sigma: float, most: float) -> Result | None:
    """Return the plane near a fit on which all but ``most`` of the weight lies to rounding, if any."""
    if sigma > SUSPECT:
        return None
    return _on_plane(table, table.plane(theta, max(100 * sigma, SUSPECT), most))


def interpolation(table: Any) -> Result | None:
    """Return the plane on which all rows lie to rounding, if there is one."""
    found = _on_plane(table, table.plane(np.zeros(table.size), np.inf, 0.0))
    if found is not None:
        found.hits, found.exhaustive = 1, True
    return found


def _on_plane(table: Any, found: tuple[Array, Array | None] | None) -> Result | None:
    if found is None:
        return None
    theta, residual = found
    return result(table, theta, 0.0, residual, fun=0.0, status=0, optimality=0.0)


def design_adaptive_scale(
    table: Table,
    residual: Array,
    weights: Array,
    loss: ResidualLoss,
    constants: tuple[float, float, float],
    mass: float = 1.0,
) -> float:
    """Scale that makes up for the leverage of each row.

    Solves ``sum tau^2 w(r / (tau s)) ((r / (tau s))^2 - kappa) = 0`` for s, with tau by the leverage that
    each row has in a fit with given robustness weights.

    Parameters
    ----------
    table : Table
        Rows.
    residual, weights : array of shape (n,)
        Of an M-estimate.
    loss : ResidualLoss
        Its loss.
    constants : tuple of three floats
        kappa, and the two of tau.
    mass : float, default=1.0
        Number of repetitions that a weight of one stands for.

    References
    ----------
    Koller, M. and Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for small
    samples. Computational Statistics and Data Analysis 55, 2504-2515.
    """
    kappa, first, second = constants
    gram = table.gram(table.weighted(weights))
    leverage = np.clip(weights * table.form(np.linalg.pinv(gram, hermitian=True)) / mass, 0.0, 1.0)
    tau = np.sqrt(1.0 - first * leverage) * (1.0 + second * leverage)
    square = table.weighted(tau**2)
    size = residual / tau
    inside, below = table.weighted(weights * residual**2).sum(), (square * weights).sum()
    scale = float(
        np.sqrt(inside / (kappa * below))
    )  # from the weights of the fit, to keep their zeros
    for _ in range(500):
        weight = square * loss.weights(size / scale)
        new = float(np.sqrt((weight * size**2).sum() / (kappa * weight.sum())))
        done = abs(new - scale) <= 1e-13 * scale
        scale = new
        if done:
            break
    return scale
