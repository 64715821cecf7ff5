"""What the regressors share: a loss of residuals, at a scale that is given or estimated."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.estimators._base import Prepared
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._outliers import outlying, row_weights
from robustreg.estimators._remote import RemoteMixin
from robustreg.estimators._remote_fit import MANY, too_many, unserved
from robustreg.estimators._stored import CountsRounding
from robustreg.estimators._units import Units
from robustreg.estimators._validation import complain
from robustreg.far_rows import prepare_beside_far_rows
from robustreg.losses import Huber, Kinks, ResidualLoss
from robustreg.objective import Objective
from robustreg.scales import mad
from robustreg.solvers import (
    AboutL1,
    Control,
    Given,
    IteratedMad,
    Joint,
    NoScale,
    Parts,
    Plan,
    Problem,
    Rank,
    Result,
    Scale,
    Share,
    Stage,
    absolute_by_passes,
    is_few,
    is_near,
    mad_by_passes,
    solve_by_passes,
    solve_piecewise,
    with_middle,
    with_scale,
)

SMOOTH_SOLVERS = ("newton", "newton-cg", "lbfgs")
PROGRAM_SOLVERS = ("highs", "highs-ds", "highs-ipm")
KINKED_SOLVERS = ("exact", *PROGRAM_SOLVERS)
#: rounding: in spreads of y, a residual that is seen, whatever it is made of
SEEN = 1e-6
#: how a scale is found, by its name
SCALES: dict[str, Scale] = {
    "l1": AboutL1(),
    "proposal2": Joint(consistent=True),
    "mad": IteratedMad(),
    "concomitant": Joint(consistent=False),
}


class ResidualRegressor(CountsRounding, RemoteMixin):
    """A loss of residuals with an L2 penalty, at a scale that is given or estimated."""

    solver: str
    scale: Any

    #: names of the scales that it takes
    _scales: tuple[str, ...] = ()

    @abstractmethod
    def _loss(self) -> ResidualLoss:
        """Return the loss, its thresholds in units of the scale."""

    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        return Units.of(y, weight, mass, self.fit_intercept, bounded=self._is_bounded())

    def _is_bounded(self) -> bool:
        loss = self._loss()
        widths = [getattr(loss, name) for name in loss.threshold]
        return loss.degree != 2 or (bool(widths) and all(map(math.isfinite, widths)))

    def _asks_rank(self) -> bool:
        loss = self._loss()
        return bool(loss.threshold) or loss.degree != 2

    def _coordinates(self, X: Any, y: Array, weight: Array | None) -> tuple[Data, int]:
        penalty: Any = self._penalty(1.0)
        single = penalty.by_column and penalty.labels(X.shape[1]) is None
        if single and is_few(*X.shape):
            how = {"intercept": self.fit_intercept, **self._preparation()}
            return prepare_beside_far_rows(X, y, weight, **how)[:2]
        return super()._coordinates(X, y, weight)

    def _why_not(self, n_features: int) -> str:
        loss, penalty = self._loss(), self._penalty(1.0)
        kinked = loss.kinks(np.zeros(1)) is not None
        if not (loss.smooth or kinked):
            return f"whose {type(loss).__name__} loss is not smooth"
        if not loss.convex:
            return f"whose {type(loss).__name__} loss is not convex"
        if reason := unserved(penalty, n_features):
            return reason
        if kinked and self.solver not in ("auto", "exact"):
            return f"with solver={self.solver!r}; pass solver='exact'"
        named = SCALES.get(self.scale) if loss.threshold and isinstance(self.scale, str) else None
        if named is not None and not named.convex:
            served = [name for name in self._scales if SCALES[name].convex]
            other = " or ".join([*map("scale={!r}".format, served), "a number as scale"])
            return f"with scale={self.scale!r}, which needs all residuals many times; pass {other}"
        absolute = kinked or (named is not None and not named.joint)
        if absolute and n_features > MANY:
            return too_many(n_features)
        return ""

    def _plan_remote(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        """Return what solves by passes."""
        loss, rank = self._loss(), rank_of(prepared)
        data: Any = prepared.data
        kinked = loss.kinks(np.zeros(1)) is not None
        scale = self._scale(prepared.units)
        if not kinked:
            problem = self._problem(prepared, control)

            def scaled(found: Result) -> Result:
                if not loss.threshold and self.scale is not None:
                    found.x = np.append(found.x, mad_by_passes(data, found.x))
                return found

            return Plan(partial(solve_by_passes, problem, scale, rank, start), scaled)
        objective = self._kinked_objective(prepared, loss)
        start = None if start is None else start[: objective.size]
        return Plan(partial(absolute_by_passes, objective, start, control, rank))

    def _kinked_objective(self, prepared: Prepared, loss: ResidualLoss) -> Objective:
        """Return what is minimised where the loss has a kink."""
        data, units = prepared.data, prepared.units
        penalty = units.penalty(self._penalty(data.total * units.mass), loss.degree)
        return Objective(loss, data, penalty)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        loss, penalty = self._loss(), self._penalty(total)
        scale = getattr(self, "scale_", None)
        if loss.threshold and scale is not None:
            loss = loss.rescaled(scale)
        if isinstance(self.scale, str) and SCALES[self.scale].joint:  # the loss is divided by it
            penalty = penalty.scaled(self.scale_)
        return Estimate(loss, penalty, y, scale=None if scale is None else self._of_errors(scale))

    def _plan(
        self,
        prepared: Prepared,
        start: Array | None,
        control: Control,
        metric: Any = None,
        stage: Stage | None = None,
    ) -> Plan:
        loss = self._loss()
        if not prepared.data.here:
            return self._plan_remote(prepared, start, control)
        if (kinks := loss.kinks(prepared.data.y)) is not None:
            return self._plan_kinked(prepared, start, control, loss, kinks)
        problem = self._problem(prepared, control)
        problem.metric = metric
        scale, rank, given = self._scale(prepared.units), rank_of(prepared), stage
        if not (loss.convex or (start is not None and is_near(problem, start))):
            huber = replace(problem.phase(spare=1), loss=Huber())
            # an exact L1 fit has no scale, and its coefficients know nothing of a penalty
            for near in (AboutL1(), scale):
                solve, ended = near.plan(huber, rank, None, stage)
                found = ended(solve())
                stage = found.get("stage", stage)
                if found.x[-1] or problem.penalty.empty or control.stopped:
                    break
            if control.stopped:
                return Plan(lambda: found)
            start = found.x
        plan = scale.plan(problem, rank, start, stage)
        if given is None:
            return plan

        def staged(found: Result) -> Result:
            found.optimality = max(found.optimality, given.found.optimality)
            return found

        return plan.then(staged)

    def _plan_kinked(
        self,
        prepared: Prepared,
        start: Array | None,
        control: Control,
        loss: ResidualLoss,
        kinks: Kinks,
    ) -> Plan:
        """Return what minimises a loss with kinks, and finds the scale of its residuals."""
        objective = self._kinked_objective(prepared, loss)
        first = np.zeros(objective.size) if start is None else start[: objective.size]
        solve = partial(
            solve_piecewise, objective, first, control, warm=start is not None,
            method=choose_solver(self, loss, self.alpha),
            options=getattr(self, "solver_options", None),
        )  # fmt: skip

        def scaled(found: Result) -> Result:
            if not objective.penalty.empty:
                found = with_middle(objective, found, kinks)
            return with_scale(objective, found, rank_of(prepared), kinks)

        return Plan(solve, scaled)

    def _shares(self) -> bool:
        named = SCALES.get(self.scale) if isinstance(self.scale, str) else None
        return named is not None and named.staged

    def _shared(self, prepared: Prepared) -> dict[str, Any]:
        if self._loss().kinks(prepared.data.y) is not None:
            return {}
        return {"stage": self._stage(prepared, None)}

    def _has_one_minimum(self) -> bool:
        loss, scale = self._loss(), self.scale
        fixed = not loss.threshold or not isinstance(scale, str)
        convex = loss.convex and self._penalty(1.0).convex
        return convex and (fixed or SCALES[scale].convex)

    def _scale(self, units: Units) -> Scale:
        """Return how the scale is found."""
        if not self._loss().threshold:
            return NoScale()
        named = SCALES.get(self.scale) if isinstance(self.scale, str) else None
        return named or Given(float(self.scale) / units.spread)

    def _of_errors(self, scale: Any) -> Any:
        named = SCALES.get(self.scale) if isinstance(self.scale, str) else None
        loss = self._loss()
        return scale if named is None or not loss.threshold else scale / named.limit(loss)

    def _problem(self, prepared: Prepared, control: Control | None = None) -> Problem:
        """Return what is minimised where the loss is smooth."""
        data, units = prepared.data, prepared.units
        loss = self._loss()
        method = choose_solver(self, loss, self.alpha)
        penalty = units.penalty(
            self._penalty(data.total * units.mass), 1 if self._scale(units).joint else loss.degree
        )
        control = control or Control(self.tol, self.max_iter)
        return Problem(loss, data, penalty, control, method)

    def _stage(self, prepared: Prepared, start: Array | None) -> Stage | None:
        """Return what several fits of the same rows and penalty share."""
        problem, scale = self._problem(prepared), self._scale(prepared.units)
        return scale.stage(problem, rank_of(prepared), start)

    def _minimise_parts(
        self,
        parts: Parts,
        prepared: Prepared,
        found: Result,
        shares: list[tuple[Prepared, Stage | None]],
    ) -> list[Result | None]:
        """Solve for parts of the rows, None for each that does not follow from the fit to all."""
        problem, scale = self._problem(prepared), self._scale(prepared.units)
        if problem.loss.line is None or problem.method not in ("auto", "newton"):
            return [None] * len(shares)
        some = [Share(share.data, rank_of(share), stage) for share, stage in shares]
        return scale.parts(parts, problem, found, rank_of(prepared), some)

    def _is_exact(self, X: Any, prepared: Prepared, loss: Any) -> bool:
        if loss.threshold and getattr(self, "scale_", 1.0) == 0:
            return True
        units = prepared.units
        y = units.outward(prepared.data.y.copy())
        rounding = np.minimum(self._rounding(X, y), SEEN * units.spread)
        beyond = np.maximum(np.abs(y - self._decision(X)) - rounding, 0.0)
        return not loss.rho(beyond).any()

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        scale = getattr(self, "scale_", None)
        if scale is None and self.scale is None:
            return
        residual = self._residual(X, y, found)
        if scale is None:
            self.scale_ = scale = mad(residual, weight)
        self.__dict__.update(self._of_rows(X, y, residual, scale))

    def _of_rows(self, X: Any, y: Array, residual: Array, scale: Any) -> dict[str, Array]:
        """Return the attributes that say something of each row."""
        rounding = partial(self._rounding, X, y)
        said = {"outliers_": outlying(residual, self._of_errors(scale), y, rounding)}
        weights = row_weights(self._loss(), residual, scale, rounding)
        return said if weights is None else {**said, "weights_": weights}


def rank_of(prepared: Prepared) -> Rank:
    """Rank and mean weight of a row, as a scale asks for them."""
    return Rank(prepared.rank, prepared.units.mass)


def choose_solver(estimator: Any, loss: ResidualLoss, quadratic: float) -> str:
    """Return the estimator's solver if it serves the loss.

    Raises
    ------
    ValueError
        That says which solvers serve this loss and why.
    """
    name = type(loss).__name__
    names: tuple[str, ...]
    if loss.smooth:
        names, why = SMOOTH_SOLVERS, f"{name} is smooth"
    elif loss.kinks(np.zeros(1)) is None:
        if not loss.breakpoints:
            raise ValueError(
                f"No solver serves {name}, which is neither smooth nor piecewise linear: a loss that is "
                "not smooth must have breakpoints."
            )
        names, why = ("exact",), f"{name} is piecewise linear"
    elif quadratic and estimator._penalty(1.0).euclidean:
        names, why = ("exact",), f"{name} with an L2 penalty is a quadratic program"
    else:
        names, why = KINKED_SOLVERS, f"{name} is piecewise linear"
    solver = estimator.solver
    if not isinstance(solver, str) or solver not in ("auto", *names):
        raise complain(
            estimator, "solver", f"one of {', '.join(map(repr, ('auto', *names)))} ({why})"
        )
    return solver
