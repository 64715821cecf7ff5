"""Sums of losses whose psi is a line cut off, on rows that are elsewhere.

As :mod:`~robustreg.solvers._pieces`: a pass sums all rows up, the next fetches those that a Newton step brings
across an end of the line or near one, and these are solved with the others summed up. That none of the others has
crossed an end follows from how far they were from it, or one more pass proves the minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import NARROW, Block, Data, row_lengths
from robustreg.objective import Objective
from robustreg.passes import Slopes
from robustreg.scales import MAD_FACTOR
from robustreg.solvers._control import Control
from robustreg.solvers._kinked_passes import Spread, Standard
from robustreg.solvers._line_search import noise
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._pieces import (
    AGAIN,
    Ahead,
    Far,
    beside_ends,
    crossed,
    ends_by_scale,
    leaves_scale,
    line_ends,
    minimise_pieces,
    only_losses,
)
from robustreg.solvers._problem import Problem
from robustreg.solvers._result import Result

#: Newton steps over all rows at the most, until one leaves so few in doubt that these can be fetched: the second is a
#: twentieth as long as the first
STEPS = 3
#: share of what may be fetched that is aimed at, the count being that of a sample
ROOM = 0.5
#: share by which the scale may differ from what bins of residuals tell, which are 19 % wide and even within but for some
#: thousandths of the rows; as far from the ends of the line lie .5 % of normal residuals
SLACK = 0.005


@dataclass(frozen=True)
class Crossed:
    """Rows near an end of the line at a point, or on another piece of psi than at an earlier one.

    Parameters
    ----------
    before, at : array
        Coefficients and intercepts of both points, as blocks take them.
    ends_before, ends : tuple of two floats
        Residuals at the ends of the line.
    reach : float
        How near.
    slack : float
        How far the ends may still move.
    beside : float
        How far they move with a unit of the scale, where that is among the parameters.
    standard : Standard
        The coordinates.

    Returns
    -------
    rows : array of int
        Which rows.
    room : tuple of one float
        Length of a step of the parameters within which no other row crosses an end.
    """

    before: Array
    at: Array
    ends_before: tuple[float, float]
    ends: tuple[float, float]
    reach: float
    slack: float
    beside: float
    standard: Standard

    def __call__(self, block: Block) -> tuple[Array, tuple[float]]:
        before = block.raw(self.before), self.ends_before
        other, apart = crossed(block.y, before, (block.raw(self.at), self.ends), self.reach)
        # the largest move of a row by a step of length one: its own length, that of its one included
        length = row_lengths(self.standard(block), 1.0 + self.beside**2)
        room = np.where(other, np.inf, (apart - self.slack) / length)
        return np.flatnonzero(other), (float(room.min(initial=np.inf)),)


def least(one: tuple[float], other: tuple[float]) -> tuple[float]:
    """Combine what two blocks say of the room there is."""
    return (min(one[0], other[0]),)


def look_ahead_by_passes(objective: Objective, theta: Array, control: Control) -> Ahead:
    """Return where the minimum lies if only rows near the ends cross them: two passes, or three.

    Parameters
    ----------
    objective : Objective
        Its data are :class:`~robustreg.remote.TableData`.
    theta : array
        A point not far from the minimum.
    control : Control
        Its tolerance, and steps that are left.

    Returns
    -------
    ahead : Ahead
        As of :func:`~robustreg.solvers._pieces.look_ahead`. Of a loss without a line what is known at ``theta``.
    """
    data: Any = objective.data
    line = getattr(objective.loss, "line", None)
    pieces = line is not None and np.isfinite(line).any() and data.size <= NARROW
    steps = 0
    while True:
        sums = objective.evaluate(theta, 2, whole=False)
        value, slope, bend = objective.penalised(theta, sums.value, sums.gradient, sums.hessian)
        here = Ahead(theta, DenseMetric(bend), (value, slope), steps=steps)
        if not pieces or here.norm <= control.tol or control.left <= steps + 1:
            return here
        step = here.metric.solve(slope)
        start = theta - step
        if leaves_scale(objective, theta, start):
            return here
        pass_, share = _crossed(objective, theta, step)
        if share * data.n_rows <= ROOM * data.affordable:
            break
        steps += 1
        if steps == STEPS:
            return here
        theta = start
    _, rows, (room,) = data.fetch(pass_, least)
    if rows is None:
        return here
    kept = objective.with_total(objective.total, data=rows)
    few = only_losses(kept).evaluate(theta, 2, whole=False)
    far = Far.beside(objective, theta, sums, few)
    found = minimise_pieces(kept, far, start, Control(0.1 * control.tol, 50), here.metric)
    known = _known(objective, far, found, start, room, control.tol)
    if not known[0] <= value + noise(value):  # too many others have crossed
        return here
    return Ahead(found.x, here.metric, known, steps=steps + 1)


def _known(
    objective: Objective, far: Far, found: Result, start: Array, room: float, tol: float
) -> tuple[float, Array]:
    """Return value and gradient of all rows at a minimum that was found on some.

    Those of the sums, where no other row has come as far as an end on the way there from ``start`` and rounding is
    small beside ``tol``; else by a pass.
    """
    near = np.linalg.norm(found.x - start) < room
    if near and far.rounding(found.x) <= 0.1 * tol * objective.total:
        return float(found.fun + far.value / objective.total), found.jac
    value, gradient = objective.evaluate(found.x)[:2]
    return value, gradient


class Early:
    """The first two passes of a fit at the scale of an L1 fit, made along with the last two of that one.

    The scale is not known before these, but nearly: rows are summed up at a scale nearby, from where the sums at
    another one follow (:meth:`Far.at`), and rows near the ends of the line at any scale as near are fetched.

    Parameters
    ----------
    problem : Problem
        What is minimised after the L1 fit; its data are :class:`~robustreg.remote.TableData`.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.objective = problem, problem.joint(1.0)
        line = getattr(problem.loss, "line", None)
        pieces = line is not None and np.isfinite(line).all() and problem.data.size <= NARROW
        # sums of losses of another degree are not those that `Far.at` returns
        self.possible = bool(pieces and problem.loss.degree == 2)
        self.wanted: Crossed | None = None
        self.rows: Data | None = None
        self.combine = least

    def look(self, theta: Array, spread: Spread) -> Slopes | None:
        """Return the pass that sums up all rows at a point, given how residuals near it are spread."""
        self.rows = self.wanted = None
        sigma = MAD_FACTOR * spread.quantile(0.5) if self.possible else 0.0
        self.at = np.append(theta, sigma)
        return self.objective.pass_at(self.at) if sigma > 0 else None

    def seen(self, sums: Sequence[Any]) -> None:
        """Take what that pass says, and choose the rows that are wanted after a Newton step."""
        self.every: Any = self.objective.of_sums(sums)
        theta, sigma = self.at[:-1], float(self.at[-1])
        fixed = self.problem.at(sigma)
        far = Far(self.at, self.every.gradient, self.every.hessian, joint=True).at(sigma)
        _, slope, bend = fixed.penalised(theta, 0.0, far.gradient, far.hessian)
        self.metric = DenseMetric(bend)
        step = self.metric.solve(slope)
        self.start = theta - step
        low, high = line_ends(fixed, theta)
        pass_, share = _crossed(fixed, theta, step, SLACK * max(-low, high))
        data: Any = self.problem.data
        if share * data.n_rows <= ROOM * data.affordable:
            self.wanted = pass_

    def fetched(self, rows: Data | None, beside: tuple[float]) -> None:
        """Take the rows that are wanted, and the room that the others have."""
        self.rows, (self.room,) = rows, beside

    def ahead(self, sigma: float, control: Control) -> Ahead | None:
        """Return what :func:`look_ahead_by_passes` does at the scale, by one pass or none; None where it is not near enough."""
        if self.rows is None or abs(sigma - self.at[-1]) > SLACK * self.at[-1]:
            return None
        few = only_losses(replace(self.objective, data=self.rows))
        sums = few.evaluate(self.at, 2, whole=False)
        far, fixed = Far.beside(few, self.at, self.every, sums), self.problem.at(sigma)
        far = far.at(sigma, 0.5 * (self.problem.data.total - self.rows.total))
        kept = fixed.with_total(fixed.total, data=self.rows)
        found = minimise_pieces(kept, far, self.start, Control(0.1 * control.tol, 50), self.metric)
        known = _known(fixed, far, found, self.start, self.room, control.tol)
        return Ahead(found.x, self.metric, known, steps=1)


def _crossed(
    objective: Objective, theta: Array, step: Array, slack: float = 0.0
) -> tuple[Crossed, float]:
    """Return the pass that fetches rows in doubt after a step, and the share of the sample that they are.

    ``slack`` is how far the ends of the line may still move.
    """
    data: Any = objective.data
    sample = data.sample
    moved = float(np.abs(replace(objective, data=sample).raw(step)).max())
    moved = beside_ends(objective, step, moved)
    at, start = objective.at, theta - step
    pass_ = Crossed(
        at(theta), at(start), line_ends(objective, theta), line_ends(objective, start), AGAIN * moved + slack,
        slack, ends_by_scale(objective), Standard.of(data),
    )  # fmt: skip
    few = data.in_sample(pass_)
    return pass_, sum(len(rows) for rows, _ in few) / sample.n_rows
