"""The L1 fit, and the scale of its residuals, of rows that are elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.losses import Absolute
from robustreg.objective import Objective
from robustreg.order_statistics import Residuals, mass_at_zero, median
from robustreg.scales import MAD_FACTOR
from robustreg.solvers._control import Control
from robustreg.solvers._kinked_by_passes import solve_kinked_by_passes
from robustreg.solvers._preliminary import Rank, Stage, left_out
from robustreg.solvers._problem import Problem
from robustreg.solvers._result import Result


def stage_by_passes(problem: Problem, rank: Rank, theta: Any = None, follower: Any = None) -> Stage:
    """Return what :func:`~robustreg.solvers._preliminary.absolute_stage` does, by passes alone."""
    objective = Objective(Absolute(), problem.data, _penalty(problem))
    found = absolute_by_passes(objective, theta, problem.control, rank, follower)
    return Stage(found.x[:-1], float(found.x[-1]), found)


def absolute_by_passes(
    objective: Objective, theta: Array | None, control: Control, rank: Rank, follower: Any = None
) -> Result:
    """Minimise a loss with a kink; where its slopes are as steep on both sides, ``x`` has the scale of the residuals last.

    As :func:`~robustreg.solvers.with_scale` does. ``follower`` is that of
    :func:`~robustreg.solvers._kinked_by_passes.solve_kinked_by_passes`.
    """
    data: Any = objective.data
    kinks: Any = objective.loss.kinks(data.sample.y)
    if np.any(kinks.lower + kinks.upper != 0):
        return solve_kinked_by_passes(objective, theta, control)

    def residuals(end: Array) -> Residuals:
        return Residuals(data.outward(end))

    found = solve_kinked_by_passes(objective, theta, control, residuals, follower)
    found.x = np.append(found.x, _scale(objective, found, rank))
    return found


def _scale(objective: Objective, found: Result, rank: Rank) -> float:
    """Return the scale of the residuals of a fit by absolute errors, 0 where it fits most rows exactly."""
    data: Any = objective.data
    rows = left_out(found.few, found, rank).weight
    if found.exact > 0.5 * data.total and found.exact > rows * (1 + 1e-12):
        return 0.0
    if rows >= data.total * (1 - 1e-12):
        return 0.0
    return mad_by_passes(data, found.x, rows, found.get("seen"))


def mad_by_passes(data: Any, theta: Array, left_out: float = 0.0, seen: Any = None) -> float:
    """Return the normalised MAD of the residuals at a point."""
    return MAD_FACTOR * median(data, Residuals(data.outward(theta)), left_out, seen)


def _penalty(problem: Problem) -> Any:
    """Return the penalty of the L1 fit."""
    penalty, data = problem.penalty, problem.data
    if penalty.empty or problem.loss.degree == 1:
        return penalty
    at = np.zeros(problem.size)
    table: Any = data
    if data.intercept:
        at[-1] = median(table, Residuals(data.outward(at), signed=True))
    size = Residuals(data.outward(at))
    spread = median(table, size)
    if spread == 0 and (zero := mass_at_zero(table, size)) < data.total:
        spread = median(table, size, zero)
    return penalty.scaled(1 / (MAD_FACTOR * spread)) if spread > 0 else penalty
