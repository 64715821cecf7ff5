"""The scale of the residuals about the L1 fit, which later stages start from.

Maronna, R. A., Martin, R. D., Yohai, V. J. and
Salibian-Barrera, M. (2019). Robust statistics, section 4.4: M-estimates with a preliminary scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import Absolute
from robustreg.losses._base import Kinks
from robustreg.objective import Objective
from robustreg.scales import mad, weighted_median
from robustreg.solvers._face import chosen_point
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._problem import Problem
from robustreg.solvers._rank import rank_of
from robustreg.solvers._result import Result

#: a slope this share of its range inside its bounds is inside
INSIDE = 1e-6
#: a residual, in spreads of y, that is zero where a linear program has made it so
ON = 1e-12


class Rank(NamedTuple):
    """How many parameters a table can tell apart, and how much its rows weigh.

    Parameters
    ----------
    rank : int
        That of ``[1, X]``.
    mass : float, default=1.0
        Mean weight of a row, which weights of the data are divided by.
    """

    rank: int
    mass: float = 1.0

    @property
    def weight(self) -> float:
        """Weight, in those of the data, of as many rows as there are parameters.

        Weights of one and more are repetitions. Where they are less on the average they are shares of
        rows, or p of them would be more than there are.
        """
        return self.rank / max(self.mass, 1.0)


class Stage(NamedTuple):
    """The L1 fit and the scale of its residuals.

    Parameters
    ----------
    theta : array
        Coefficients and intercept.
    sigma : float
        The scale, 0 on an exact fit.
    found : Result
        How the L1 fit ended.
    """

    theta: Array
    sigma: float
    found: Result


def absolute_stage(problem: Problem, rank: Rank, theta: Array | None = None) -> Stage:
    """Fit by least absolute errors and find the scale of the residuals; ``theta`` is a warm start.

    The scale is the normalised median of the absolute residuals without the smallest ones, which weigh
    what the parameters are: through so many rows an L1 fit passes anyway. It is 0 where more than half
    of the rows are fitted exactly.

    A penalty is that of the problem where its loss grows with the first power of y. Beside losses that
    grow with the second it is divided by the normalised MAD of y, so that the fit is equivariant.
    """
    penalty = _penalty(problem)
    objective = Objective(Absolute(), problem.data, penalty)
    start, warm = np.zeros(problem.size) if theta is None else theta, theta is not None
    found = solve_piecewise(objective, start, problem.control, method="auto", warm=warm)
    point, sigma = _chosen(objective, found, rank)
    return Stage(point, sigma, found)


def residuals_about(problem: Problem, stage: Stage) -> Array:
    """Return the residuals of the L1 fit, without their signs; 0 where it passes through a row."""
    found = stage.found
    if stage.theta is not found.x:
        objective = Objective(Absolute(), problem.data, problem.penalty)
        return np.abs(problem.data.y - objective.raw(stage.theta))
    size = np.abs(found.offsets)
    size[found.zero] = 0.0
    return size


def with_scale(objective: Objective, found: Result, rank: Rank, kinks: Kinks) -> Result:
    """Append the scale of its residuals to a minimum, where the slopes of the loss are as steep on both sides.

    It is the scale of :func:`absolute_stage` if that has the same penalty.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`.
    found : Result
        Its minimum, as of :func:`~robustreg.solvers.solve_piecewise`.
    rank : Rank
        What is left out of the median.
    kinks : Kinks
        Of the loss.
    """
    steep = kinks.upper
    if np.any(kinks.lower + steep != 0):
        return found
    steepest = float(np.max(steep))
    flat = replace(objective, loss=Absolute(), penalty=objective.penalty.scaled(1 / steepest))
    even = Result(**{**found, "slopes": found.slopes / steepest})
    found.x = np.append(found.x, _chosen(flat, even, rank)[1])
    return found


def _chosen(objective: Objective, found: Result, rank: Rank) -> tuple[Array, float]:
    """Return one of all minima and the scale of its residuals, neither of which hangs on the one that was found."""
    data, weight = objective.data, objective.data.weight

    def rows(size: Array) -> float:
        if objective.penalty.empty:
            return rank.weight
        zero = size <= ON * (1 + np.abs(data.y))
        return _left_out(objective, rank, zero | _inside(objective, found)).weight

    theta = chosen_point(objective, found, rows)
    if theta is found.x:
        zero, size = found.zero, found.offsets  # no copy: rows may be all that memory holds
        some = left_out(objective, found, rank).weight
    else:
        size = np.abs(data.y - objective.raw(theta))
        zero, some = size <= ON * (1 + np.abs(data.y)), rows(size)
    exact = float(zero.sum() if weight is None else weight[zero].sum())
    # sums of weights carry rounding
    if exact > 0.5 * data.total * (1 + 1e-12) and exact > some * (1 + 1e-12):
        return theta, 0.0
    return theta, mad(size, weight, left_out=some)


def left_out(objective: Objective, found: Result, rank: Rank) -> Rank:
    """Return how many rows the fit passes through anyway, which with a penalty are fewer."""
    if objective.penalty.empty:
        return rank
    return _left_out(objective, rank, found.zero | _inside(objective, found))


def _left_out(objective: Objective, rank: Rank, on: Array) -> Rank:
    """The same by which rows it passes through."""
    return rank._replace(rank=min(rank.rank, rank_of(objective, np.flatnonzero(on))))


def _inside(objective: Objective, found: Result) -> Array:
    """Which rows are on their kinks by their slopes."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    lower, upper = weight * kinks.lower, weight * kinks.upper
    edge = INSIDE * (upper - lower)
    # a solver that is at the minimum but for its tolerance has them on their kinks but for that
    inside: Array = (found.slopes > lower + edge) & (found.slopes < upper - edge)
    return inside


def _penalty(problem: Problem) -> Any:
    """Return the penalty of the L1 fit."""
    penalty, weight = problem.penalty, problem.data.weight
    if penalty.empty or problem.loss.degree == 1:
        return penalty
    y = problem.data.y
    size = np.abs(y - weighted_median(y, weight)) if problem.data.intercept else np.abs(y)
    some = size > 0
    spread = mad(size, weight)
    if spread == 0 and some.any():  # most y are equal: the typical distance of the others
        spread = mad(size[some], None if weight is None else weight[some])
    return penalty.scaled(1 / spread) if spread > 0 else penalty
