"""How the scale of a residual loss is found: objects around one driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.losses import ResidualLoss
from robustreg.objective import Objective
from robustreg.scales import concomitant_limit, huber_consistency
from robustreg.solvers._fixed_scale import plan_fixed
from robustreg.solvers._parts import Parts
from robustreg.solvers._preliminary import Rank, Stage, absolute_stage
from robustreg.solvers._problem import Problem
from robustreg.solvers._result import Plan, Result
from robustreg.solvers._scale import plan_joint, solve_mad


class Share(NamedTuple):
    """Some of the rows, to be fitted like all of them.

    Parameters
    ----------
    data : Data
        Those rows.
    rank : Rank
        Of them.
    stage : Stage or None
        Their L1 fit and its scale, where the scale is taken from there.
    """

    data: Data
    rank: Rank
    stage: Stage | None = None


class Scale(ABC):
    """A way to find the scale that the thresholds of a loss are multiplied by.

    Attributes
    ----------
    joint : bool
        Whether it is minimised over with the coefficients.
    convex : bool
        Whether a convex loss at this scale has no minimum but one.
    staged : bool
        Whether there is a :meth:`stage` before the loss is known.
    """

    joint: ClassVar[bool] = False
    staged: ClassVar[bool] = False
    convex: ClassVar[bool] = True

    @abstractmethod
    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        """Return what finds scale and coefficients; the last entry of ``x`` is the scale.

        Parameters
        ----------
        problem : Problem
            Any loss without kinks.
        rank : Rank
            Of the table.
        theta : array, optional
            Start, the scale last.
        stage : Stage, optional
            The L1 fit and its scale, where they are known.
        """

    def solve(self, problem: Problem, rank: Rank) -> Result:
        """Find scale and coefficients as :meth:`plan` says."""
        plan = self.plan(problem, rank)
        return plan.ended(plan.solve())

    def objective(self, problem: Problem, rank: Rank) -> Objective | None:
        """Return the one smooth function whose minimum is the fit, None where there is none."""
        return None

    def with_scale(self, theta: Array) -> Array:
        """Return the minimum of :meth:`objective` with the scale last, where there is one."""
        return theta

    def price(self, problem: Problem, rank: Rank) -> float:
        """Return what a unit of a joint scale costs."""
        return 1.0

    def limit(self, loss: ResidualLoss) -> float:
        """Return what it tends to where residuals are standard normal: 1 of a consistent scale."""
        return 1.0

    def stage(self, problem: Problem, rank: Rank, theta: Array | None = None) -> Stage | None:
        """Return what is found before the loss is known, to be used for several; ``theta`` is a start."""
        return None

    def parts(
        self, parts: Parts, problem: Problem, found: Result, rank: Rank, shares: Sequence[Share]
    ) -> list[Result | None]:
        """Minimise over parts of the rows, given the fit to all; None for each that does not follow."""
        return [None] * len(shares)


class NoScale(Scale):
    """Of losses without a threshold: ``x`` ends with the coefficients."""

    def objective(self, problem: Problem, rank: Rank) -> Objective:
        return problem.at(1.0)

    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        return plan_fixed(problem, 1.0, None if theta is None else theta[: problem.size])


@dataclass(frozen=True)
class Given(Scale):
    """A number, in the units of the solver."""

    sigma: float

    def objective(self, problem: Problem, rank: Rank) -> Objective:
        return problem.at(self.sigma)

    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        start = None if theta is None else theta[: problem.size]

        def at_scale(found: Result) -> Result:
            found.x = self.with_scale(found.x)
            return found

        return plan_fixed(problem, self.sigma, start).then(at_scale)

    def with_scale(self, theta: Array) -> Array:
        return np.append(theta, self.sigma)

    def parts(
        self, parts: Parts, problem: Problem, found: Result, rank: Rank, shares: Sequence[Share]
    ) -> list[Result | None]:
        solved = parts.solve(problem.at(self.sigma), found, None, problem.control)
        for one in solved:
            if one is not None:
                one.x = np.append(one.x, self.sigma)
        return solved


@dataclass(frozen=True)
class Joint(Scale):
    """Minimised over with the coefficients.

    Parameters
    ----------
    consistent : bool
        Whether at a price that makes it consistent at the normal distribution (Huber's Proposal 2), or
        at a price of one (the concomitant scale).
    """

    consistent: bool

    joint: ClassVar[bool] = True

    def objective(self, problem: Problem, rank: Rank) -> Objective:
        return problem.joint(self.price(problem, rank))

    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        plan = plan_joint(problem, self.price(problem, rank), theta)
        light = self._light(problem.data, rank) if self.consistent and rank.mass < 1 else None

        def advised(found: Result) -> Result:
            if light:
                found.advice = light
            return found

        return plan.then(advised)

    def _light(self, data: Data, rank: Rank) -> str | None:
        """Say so where the scale is off by more than its standard error if rows of small weight are no shares of rows."""
        weight, total = data.weight, data.total * rank.mass
        rows = data.total
        if weight is not None and data.here:  # Kish's effective number of rows
            rows = rows**2 / float(weight @ weight)
        if rows <= max(rank.rank, total):
            return None
        factor = float(np.sqrt(_left(rows, rank) / _left(total, rank)))
        if abs(factor - 1) <= 1 / np.sqrt(2 * (rows - rank.rank)):
            return None
        return (
            f"sample weights count repetitions of rows, and these add up to {total:.3g} rows for "
            f"{rank.rank} parameters. If each row is an observation of its own, the scale of Proposal 2 is too "
            f"{'large' if factor > 1 else 'small'}: multiply the weights so that they add up to the number of "
            'rows, or use scale="l1".'
        )

    def price(self, problem: Problem, rank: Rank) -> float:
        if not self.consistent:
            return 1.0
        total = problem.data.total * rank.mass
        return huber_consistency(problem.threshold) * _left(total, rank)

    def limit(self, loss: ResidualLoss) -> float:
        if self.consistent:
            return 1.0
        (epsilon,) = (getattr(loss, name) for name in loss.threshold)
        return concomitant_limit(epsilon) or 1.0  # there it is zero

    def parts(
        self, parts: Parts, problem: Problem, found: Result, rank: Rank, shares: Sequence[Share]
    ) -> list[Result | None]:
        if not found.x[-1] > 0:
            return [None] * len(shares)
        prices = [self.price(replace(problem, data=share.data), share.rank) for share in shares]
        return parts.solve(problem.joint(self.price(problem, rank)), found, prices, problem.control)


def _left(rows: float, rank: Rank) -> float:
    """Share of so many rows that the parameters leave, all where there are no more rows than parameters."""
    return 1 - rank.rank / rows if rows > rank.rank else 1.0


class IteratedMad(Scale):
    """The normalised MAD of the residuals of the fit itself."""

    convex: ClassVar[bool] = False

    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        return Plan(partial(solve_mad, problem, theta))


class AboutL1(Scale):
    """The normalised MAD of the residuals of the L1 fit.

    Both stages are convex, and each has its certificate: ``optimality`` is the worse of the two, the relative
    duality gap of the first and the gradient of the second. Iterations of both count. On an exact fit,
    whose scale is 0, the L1 fit is returned.
    """

    staged: ClassVar[bool] = True

    def stage(self, problem: Problem, rank: Rank, theta: Array | None = None) -> Stage | None:
        return absolute_stage(problem, rank, theta)

    def parts(
        self, parts: Parts, problem: Problem, found: Result, rank: Rank, shares: Sequence[Share]
    ) -> list[Result | None]:
        scales = [0.0 if share.stage is None else share.stage.sigma for share in shares]
        if not min(found.x[-1], *scales) > 0:
            return [None] * len(shares)
        fixed = [(sigma, problem.at(sigma)) for sigma in scales]
        return parts.solve(problem.joint(1.0), found, None, problem.control, fixed=fixed)

    def plan(
        self, problem: Problem, rank: Rank, theta: Array | None = None, stage: Stage | None = None
    ) -> Plan:
        theta = None if theta is None else theta[: problem.size]
        if stage is None:
            one = int(
                problem.control.left > 1
            )  # an L1 fit is better than one step at a scale without it
            stage = absolute_stage(problem.phase(spare=one), rank, theta)
        flat, sigma = stage.found, stage.sigma
        if sigma == 0 or problem.control.stopped:
            exact = Result(x=stage.theta, status=flat.status, optimality=0.0)
            plan = Plan(lambda: exact)
        else:
            plan = plan_fixed(problem, sigma, stage.theta if theta is None else theta)

        def staged(found: Result) -> Result:
            found.x, found.stage = np.append(found.x, sigma), stage
            found.optimality = max(found.optimality, flat.optimality)
            return found

        return plan.then(staged)


def is_near(problem: Problem, theta: Array) -> bool:
    """Whether a warm start, the scale last, serves a loss that is not convex; a minimum near the Huber fit is wanted otherwise."""
    return beats_zero(problem.at(float(theta[-1]) or 1.0), theta[: problem.size])


def beats_zero(objective: Objective, theta: Array) -> bool:
    """Whether a start is better than none; far out a loss that lets go is flat and looks solved."""
    return objective.evaluate(theta).value < objective.evaluate(np.zeros_like(theta)).value
