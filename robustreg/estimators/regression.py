"""Robust linear regression."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from functools import cache, partial
from numbers import Real
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg._lazy import is_lazy
from robustreg._parameters import did_you_mean
from robustreg.estimators._base import Prepared, Units
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._named_loss import NamedLoss
from robustreg.estimators._outliers import outlying, row_weights
from robustreg.estimators._outputs import SeveralOutputs, Share, SharedRows
from robustreg.estimators._penalised import make_penalty
from robustreg.estimators._remote import RemoteMixin
from robustreg.estimators._remote_fit import MANY, too_many
from robustreg.estimators._stored import CountsRounding
from robustreg.estimators._validation import (
    check_bool,
    check_real,
    complain,
)
from robustreg.losses import Absolute, Huber, Pinball, ResidualLoss, Squared
from robustreg.objective import Objective
from robustreg.penalties import Penalty
from robustreg.scales import mad
from robustreg.solvers import (
    AboutL1,
    Control,
    Given,
    IteratedMad,
    Joint,
    NoScale,
    Parts,
    Problem,
    Rank,
    Result,
    Scale,
    Stage,
    absolute_by_passes,
    absolute_stage,
    mad_by_passes,
    residuals_about,
    solve_by_passes,
    solve_piecewise,
    solve_residual,
    with_scale,
)
from robustreg.solvers import (
    Share as RowShare,
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


class ResidualRegressor(CountsRounding, SeveralOutputs, RemoteMixin):
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
        return loss.degree != 2 or (bool(widths) and bool(np.isfinite(widths).all()))

    def _asks_rank(self) -> bool:
        loss = self._loss()
        return bool(loss.threshold) or loss.degree != 2

    def _why_not(self, n_features: int) -> str:
        loss, penalty = self._loss(), self._penalty(1.0)
        kinked = loss.kinks(np.zeros(1)) is not None
        if not (loss.smooth or kinked):
            return f"whose {type(loss).__name__} loss is not smooth"
        if not loss.convex:
            return f"whose {type(loss).__name__} loss is not convex"
        if penalty.by_column or not (penalty.euclidean or kinked):
            return "with a penalty that is not the sum of squares; pass alpha alone"
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

    def _minimise_remote(self, prepared: Prepared, start: Array | None, control: Control) -> Result:
        """Solve by passes."""
        loss, rank = self._loss(), rank_of(prepared)
        data: Any = prepared.data
        kinked = loss.kinks(np.zeros(1)) is not None
        scale = self._scale(prepared.units)
        if not kinked:
            found = solve_by_passes(self._problem(prepared, control), scale, rank, start)
            if not loss.threshold and self.scale is not None:
                found.x = np.append(found.x, mad_by_passes(data, found.x))
            return found
        objective = self._kinked_objective(prepared)
        start = None if start is None else start[: objective.size]
        return absolute_by_passes(objective, start, control, rank)

    def _kinked_objective(self, prepared: Prepared) -> Objective:
        """Return what is minimised where the loss has a kink."""
        data, units, _ = prepared
        loss = self._loss()
        penalty = units.penalty(self._penalty(data.total * units.mass), loss.degree)
        return Objective(loss, data, penalty)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        loss, penalty = self._loss(), self._penalty(total)
        scale = getattr(self, "scale_", None)
        if loss.threshold and scale is not None:
            loss = loss.rescaled(scale)
        if isinstance(self.scale, str) and SCALES[self.scale].joint:  # the loss is divided by it
            penalty = penalty.scaled(self.scale_)
        return Estimate(loss, penalty, y, scale=scale)

    def _minimise(
        self,
        prepared: Prepared,
        start: Array | None,
        control: Control,
        metric: Any = None,
        stage: Stage | None = None,
    ) -> Result:
        loss = self._loss()
        if not prepared.data.here:
            return self._minimise_remote(prepared, start, control)
        if loss.kinks(prepared.data.y) is not None:
            objective, method = (
                self._kinked_objective(prepared),
                choose_solver(self, loss, self.alpha),
            )
            first = np.zeros(objective.size) if start is None else start[: objective.size]
            found = solve_piecewise(
                objective, first, control, method=method, warm=start is not None,
                options=getattr(self, "solver_options", None),
            )  # fmt: skip
            return with_scale(objective, found, rank_of(prepared))
        problem = replace(self._problem(prepared, control), metric=metric)
        found = solve_residual(
            problem, self._scale(prepared.units), rank_of(prepared), start, stage
        )
        if stage is not None:
            found.optimality = max(found.optimality, stage.found.optimality)
        return found

    def _far_from(self, X: Any, y: Array, scale: Any) -> Array:
        if self.coef_.ndim == 1:
            return super()._far_from(X, y, scale)
        columns = [self.output(j)._far_from(X, one, scale[j]) for j, one in enumerate(y.T)]
        return np.stack(columns, axis=1)

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

    def _problem(self, prepared: Prepared, control: Control | None = None) -> Problem:
        """Return what is minimised where the loss is smooth."""
        data, units, _ = prepared
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
        some = [RowShare(share.data, rank_of(share), stage) for share, stage in shares]
        return scale.parts(parts, problem, found, rank_of(prepared), some)

    def _store(self, found: Result, prepared: Prepared) -> None:
        for name in (
            "scale_",
            "outliers_",
            "weights_",
            "_remote",
        ):  # of another quantile they say nothing
            self.__dict__.pop(name, None)
        super()._store(found, prepared)

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

    def _describe_parts(self, table: Any) -> None:
        scale = getattr(self, "scale_", None)
        if scale is None:
            return
        for X, y, _, start in table.parts:
            for name, values in self._of_rows(X, y, y - self._decision(X), scale).items():
                if not start:
                    setattr(self, name, np.empty(table.n_rows, values.dtype))
                getattr(self, name)[start : start + len(values)] = values

    def _of_rows(self, X: Any, y: Array, residual: Array, scale: Any) -> dict[str, Array]:
        """Return the attributes that say something of each row."""
        rounding = cache(partial(self._rounding, X, y))
        said = {"outliers_": outlying(residual, scale, y, rounding)}
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


class HuberRegressor(ResidualRegressor):
    r"""Linear regression with Huber's loss at a robust scale of the residuals.

    By default two convex problems are solved, each with a certificate: the L1 fit, whose residuals
    give the scale :math:`\sigma`, and then

    .. math:: \min_{b, \mathrm{coef}} \sum_i w_i \, \sigma^2 \rho_\epsilon(r_i / \sigma)
        + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with :math:`\rho_\epsilon(z) = z^2/2` for :math:`|z| \le \epsilon` and
    :math:`\epsilon |z| - \epsilon^2/2` beyond. The scale is the normalised median absolute deviation,
    1.4826 times the median of :math:`|r_i|` without the p smallest ones, because an L1 fit interpolates
    p samples. It is consistent for sigma at the normal distribution, so
    that ``epsilon=1.345`` cuts at 1.345 sigma and has 95 % of the efficiency of least squares there.
    It resists contaminated targets as far as the L1 fit does.

    Huber's Proposal 2, ``scale="proposal2"``, minimises over scale and coefficients together,

    .. math:: \sum_i w_i \sigma \rho_\epsilon(r_i / \sigma)
        + \tfrac{\kappa}{2} \Big(\sum_i w_i - p\Big) \sigma + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with :math:`\kappa = E \min(Z^2, \epsilon^2)` and p the number of parameters. It is consistent as
    well. scikit-learn's estimator of this name takes kappa = 1 and p = 0 instead
    (``scale="concomitant"`` here): its scale tends to 0.68 sigma, so that ``epsilon=1.35`` cuts at
    0.92 sigma and has 88.9 % efficiency.

    Influence is bounded in y, not in X: for leverage points use :class:`MMRegressor`.

    Parameters
    ----------
    epsilon : float, default=1.345
        Threshold between the quadratic and the linear part in units of the scale, in (0, inf].
        ``scale="concomitant"`` needs a value above 1: at smaller values its scale is 0.
    alpha : float, default=0.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    scale : {"l1", "proposal2", "mad", "concomitant"} or float, default="l1"
        How sigma is estimated.

        - "l1": the normalised MAD of the residuals of the L1 fit. With a penalty the L1 fit has it, too,
          with alpha divided by the normalised MAD of y, so that it is equivariant.
        - "proposal2": jointly with the coefficients, by Huber's Proposal 2.
        - "mad": the median absolute residual / 0.6745 of the fit itself, iterated; not convex.
        - "concomitant": jointly with the coefficients, as in scikit-learn.
        - a positive number: fixed, in the units of y. ``scale=1.0`` makes epsilon the delta of the loss.
    joint_scale : bool, default=False
        Whether several outputs, which then must be in the same units, have one scale. It is the normalised
        MAD of the residuals of all outputs about their L1 fits, so that ``scale`` must be "l1" or a number.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations, including those of the L1 fit and on a subsample.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        Newton with Gram matrices, Newton with conjugate gradients (wide or large sparse data), or
        limited-memory BFGS. All reach the same optimum. The L1 fit is exact with each of them.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Sigma, in the units of y. 0.0 where so many rows lie exactly on a hyperplane that `coef_` is the
        L1 fit: more than half of them, for Proposal 2 a share of ``1 - kappa / epsilon**2`` (61 % by
        default). Also where there are as many parameters as rows and no penalty.
    delta_ : float or array of shape (n_outputs,)
        ``epsilon * scale_``, in the units of y.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors.
    weights_ : array of shape (n_samples,) or (n_samples, n_outputs)
        Weight of each sample in the fit: ``psi(u) / u`` of its residual u, 1 within `delta_` and
        ``delta_ / abs(residual)`` beyond.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units, with `l1_ratio`, `positive` or
        `penalty_weights` the relative duality gap; or that of the L1 fit if it is larger.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101. Huber, P. J. (1981). Robust Statistics. Wiley. Maronna, R. A., Martin, R. D.,
    Yohai, V. J. and Salibian-Barrera, M. (2019). Robust Statistics: Theory and Methods, 2nd edition,
    section 4.4. Owen, A. B. (2007). A robust hybrid of lasso and ridge regression.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> data = load_stackloss()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = HuberRegressor().fit(X, y)
    >>> model.coef_.round(3).tolist(), round(model.scale_, 3)
    ([0.832, 0.888, -0.123], 2.171)
    """

    _scales = tuple(SCALES)

    def __init__(
        self,
        *,
        epsilon: float = 1.345,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        scale: str | float = "l1",
        joint_scale: bool = False,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.epsilon = epsilon
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.scale = scale
        self.joint_scale = joint_scale
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return Huber(float(self.epsilon))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_scale(self, self._scales)
        joint = isinstance(self.scale, str) and self.scale == "concomitant"
        check_real(self, "epsilon", 1.0 if joint else 0.0, closed="right")
        check_bool(self, "joint_scale")
        if self.joint_scale and isinstance(self.scale, str) and self.scale != "l1":
            raise complain(self, "joint_scale", "False unless scale is 'l1' or a number")

    def _in_common(
        self, models: list[Any], targets: Array, shared: SharedRows
    ) -> list[Share | None]:
        if not self.joint_scale or self.scale != "l1":
            return super()._in_common(models, targets, shared)
        stages, sizes, left_out = [], [], 0.0
        weights: list[Any] = []
        for model, target in zip(models, targets.T, strict=True):
            prepared = shared.of(model, target)
            problem = model._problem(prepared)
            stages.append(absolute_stage(problem, rank_of(prepared)))
            sizes.append(residuals_about(problem, stages[-1]) * prepared.units.spread)
            weights.append(prepared.data.weight)
            left_out += rank_of(prepared).weight
        weight = None if weights[0] is None else np.concatenate(weights)
        sigma = mad(np.concatenate(sizes), weight, left_out=left_out)
        return [partial(_at_joint_scale, stage, sigma) for stage in stages]

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        self.delta_ = float(self.epsilon * self.scale_) if self.scale_ > 0 else 0.0


def _at_joint_scale(stage: Stage, sigma: float, prepared: Prepared) -> dict[str, Any]:
    """Return the L1 fit of an output with the scale of all, as `_minimise` takes it."""
    return {"stage": stage._replace(sigma=sigma / prepared.units.spread)}


class RobustRegressor(NamedLoss, ResidualRegressor):
    r"""Linear regression with any residual loss.

    Minimises :math:`\sum_i w_i \rho(r_i) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2`, where the
    thresholds of the loss are multiplied by the scale.

    Parameters
    ----------
    loss : str or ResidualLoss, default="huber"
        A name from ``robustreg.losses.LOSSES`` stands for the loss at its defaults; an instance
        makes its fields reachable as ``loss__delta`` and the like.
    alpha : float, default=0.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    penalty : str or Penalty, default=None
        A penalty of :mod:`robustreg.penalties` by name or as an object, in place of that of `l1_ratio`;
        `alpha` is its strength. Fields are reachable as ``penalty__gamma`` and the like.
    scale : {"l1", "mad"} or float, default="l1"
        The unit of the loss's thresholds.

        - "l1": the normalised MAD of the residuals of the L1 fit, as of :class:`HuberRegressor`. Losses
          that are not convex start from the Huber fit at this scale.
        - "mad": the median absolute residual / 0.6745 of the fit itself.
        - a positive number: fixed, in the units of y.

        It is also reported for losses without a threshold: "mad" for smooth ones. For the absolute error it is
        that of "l1" whichever of the two is asked for, which leaves as many of the smallest residuals out of
        the median as there are coefficients: so many rows are fitted exactly.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations, including those of the L1 fit and on a subsample.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : str, default="auto"
        "newton", "newton-cg" or "lbfgs" for smooth losses; "exact" or, without a penalty,
        "highs", "highs-ds" or "highs-ipm" for piecewise linear ones.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Sigma, in the units of y; 0.0 where more than half of the rows lie exactly on a hyperplane.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors.
    weights_ : array of shape (n_samples,) or (n_samples, n_outputs)
        Weight of each sample in the fit, in [0, 1]: ``psi(u) / u`` of its residual u, divided by its limit at 0.
        Not defined for non-smooth losses.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap of a piecewise linear loss, and of a convex one with another penalty than L2;
        otherwise the largest gradient entry per unit of weight in standardised units. The last relative change
        of the scale, or the relative duality gap of the L1 fit, if that is larger.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Huber, P. J. and Ronchetti, E. M. (2009). Robust Statistics, chapter 7.

    Examples
    --------
    >>> from robustreg import RobustRegressor
    >>> from robustreg.losses import SmoothL1
    >>> X, y = [[1.0], [2.0], [3.0], [4.0], [5.0]], [1.0, 2.1, 2.9, 4.2, 50.0]
    >>> model = RobustRegressor(loss=SmoothL1(), scale=1.0).set_params(loss__beta=0.5).fit(X, y)
    >>> model.coef_.round(3).tolist()
    [1.29]
    """

    _scales = ("l1", "mad")

    def __init__(
        self,
        *,
        loss: str | ResidualLoss = "huber",
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        penalty: Any = None,
        scale: str | float = "l1",
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.loss = loss
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.penalty = penalty
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return cast(ResidualLoss, self._named_loss())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._check_loss(lambda loss: isinstance(loss, ResidualLoss), "a residual loss")
        # the MAD of the residuals of a fit that jumps with the scale may have no fixed point
        settles = self._loss().smooth or not self._loss().threshold
        check_scale(self, self._scales if settles else ("l1",))


def check_scale(estimator: Any, names: tuple[str, ...]) -> None:
    """Refuse a scale that is neither one of the names nor a positive finite number."""
    value = estimator.scale
    number = not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < math.inf
    if not number and not (isinstance(value, str) and value in names):
        wanted = f"one of {', '.join(map(repr, names))} or a float in the range (0.0, inf)"
        raise complain(estimator, "scale", wanted, did_you_mean(value, names))


class L2Regressor(ResidualRegressor):
    r"""Least squares with an L2 penalty, exact on badly scaled and nearly collinear columns.

    Minimises :math:`\tfrac12 \sum_i w_i r_i^2 + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2`: ridge
    regression with the same alpha, ordinary least squares at 0. Where columns are dependent, the
    solution of least norm is returned.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength of the L2 penalty; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Maximum number of Newton iterations; one or two are enough.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`HuberRegressor`.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units. With `l1_ratio`, `positive` or
        `penalty_weights` the relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Hoerl, A. E. and Kennard, R. W. (1970). Ridge regression. Technometrics 12, 55-67.

    Examples
    --------
    >>> from robustreg import L2Regressor
    >>> L2Regressor().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).coef_.round(6).tolist()
    [2.0]
    """

    scale = None

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return Squared()


class L1Regressor(ResidualRegressor):
    r"""Least absolute deviations with an L2 penalty, exact.

    Minimises :math:`\sum_i w_i |r_i| + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2`. Without a penalty
    the solution is a vertex: it passes through as many rows as there are parameters.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of Newton iterations and linear programs.
    tol : float, default=1e-8
        Largest `optimality_` that counts as solved; the solution does not depend on it.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "exact", "highs", "highs-ds", "highs-ipm"}, default="auto"
        "exact" solves a smoothed problem, then the remaining few rows exactly. The others pass the
        whole problem to HiGHS as one linear program (``alpha=0`` only).

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Normalised MAD of the residuals, the scale that ``HuberRegressor(scale="l1")`` takes.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Bloomfield, P. and Steiger, W. L. (1983). Least Absolute Deviations. Birkhauser. Portnoy, S.
    and Koenker, R. (1997). The Gaussian hare and the Laplacian tortoise. Statistical Science 12.

    Examples
    --------
    >>> from robustreg import L1Regressor
    >>> X, y = [[1.0], [2.0], [3.0], [4.0]], [1.0, 2.0, 3.0, 10.0]
    >>> L1Regressor().fit(X, y).coef_.round(6).tolist()
    [1.0]
    """

    scale = None

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return Absolute()


def check_quantiles(estimator: Any) -> None:
    """Refuse a quantile that is neither one in (0, 1) nor a vector of such."""
    value = estimator.quantile
    if np.ndim(value) == 0:
        check_real(estimator, "quantile", 0.0, 1.0, closed="neither")
        return
    try:
        several = np.asarray(value, dtype=float)
        good = (
            several.ndim == 1 and several.size > 0 and bool(((several > 0) & (several < 1)).all())
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise complain(
            estimator, "quantile", "a float in the range (0.0, 1.0), or a vector of such"
        )


class QuantileRegressor(ResidualRegressor):
    r"""Linear model of a conditional quantile with an L1 penalty, exact.

    A drop-in for scikit-learn's estimator of the same name: it minimises the mean pinball loss
    plus an L1 penalty,

    .. math:: \frac{\sum_i w_i \, \max(q r_i, (q - 1) r_i)}{\sum_i w_i} + \alpha \|\mathrm{coef}\|_1 .

    For an L2 penalty use ``RobustRegressor(loss=Pinball(q), alpha=...)``.

    Parameters
    ----------
    quantile : float or array-like of shape (n_quantiles,), default=0.5
        The quantile, in (0, 1). Of several each is fitted, and predictions have a column for each.
    rearrange : bool, default=False
        Whether the predictions of several quantiles are sorted for each sample, so that they do not cross.
        Coefficients stay those of the single fits. The sorted curves are never farther from the true
        quantiles (Chernozhukov, Fernandez-Val and Galichon, 2010).
    alpha : float, default=1.0
        Strength of the L1 penalty on the mean loss; the intercept is never penalised.
    l1_ratio : float, default=1.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    solver : {"auto", "exact", "highs", "highs-ds", "highs-ipm"}, default="auto"
        See :class:`L1Regressor`; "auto" is "exact" for all but sparse X of thousands of columns.
    solver_options : dict, default=None
        Options of :func:`scipy.optimize.linprog` for the solvers named after HiGHS.
    max_iter : int, default=1000
        Maximum number of Newton iterations and linear programs.
    tol : float, default=1e-8
        Largest `optimality_` that counts as solved; the solution does not depend on it.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Normalised MAD of the residuals, the scale that ``HuberRegressor(scale="l1")`` takes. Only for the median.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors. Only for the median.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33-50. Chernozhukov, V.,
    Fernandez-Val, I. and Galichon, A. (2010). Quantile and probability curves without crossing.
    Econometrica 78, 1093-1125.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg import QuantileRegressor
    >>> X = np.arange(10.0)[:, None]
    >>> y = X[:, 0] + np.tile([0.0, 1.0], 5)
    >>> model = QuantileRegressor(quantile=0.9, alpha=0.0).fit(X, y)
    >>> model.coef_.round(6).tolist(), round(model.intercept_, 6)
    ([1.0], 1.0)

    Several quantiles at once:

    >>> band = QuantileRegressor(quantile=[0.1, 0.9], alpha=0.0, rearrange=True).fit(X, y)
    >>> band.predict(X[:2]).round(6).tolist()
    [[0.0, 1.0], [1.0, 2.0]]
    """

    scale = None

    def __init__(
        self,
        *,
        quantile: Any = 0.5,
        rearrange: bool = False,
        alpha: float = 1.0,
        l1_ratio: float = 1.0,
        positive: bool = False,
        penalty_weights: Any = None,
        fit_intercept: bool = True,
        solver: str = "auto",
        solver_options: dict[str, Any] | None = None,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.quantile = quantile
        self.rearrange = rearrange
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _loss(self) -> ResidualLoss:
        return Pinball(float(self.quantile))

    def _penalty(self, total: float) -> Penalty:
        penalty: Penalty = make_penalty(self, total, mean=True)
        return penalty

    def _is_several(self, y: Any) -> bool:
        if np.ndim(self.quantile) == 0:
            return super()._is_several(y)
        return True

    def _why_not(self, n_features: int) -> str:
        if np.ndim(self.quantile) == 1:
            return "with a vector of quantiles; pass one"
        return super()._why_not(n_features)

    def _settings(self, n_outputs: int) -> list[dict[str, Any]]:
        if np.ndim(self.quantile) == 0:
            return super()._settings(n_outputs)
        return [{"quantile": float(one)} for one in np.asarray(self.quantile)]

    def _read_several(self, X: Any, y: Any) -> tuple[Any, Array]:
        if np.ndim(self.quantile) == 0:
            return super()._read_several(X, y)
        if super()._is_several(y):
            raise ValueError(
                "y has two dimensions and quantile is a vector: fit one model for each column of y, or pass one "
                "quantile."
            )
        X, y = self._read(X, y)
        return X, np.broadcast_to(y[:, None], (len(y), len(self.quantile)))

    def predict(self, X: Any) -> Array:
        """Predict the quantile, or each of several.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : array of shape (n_samples,), or (n_samples, n_quantiles) or (n_samples, n_outputs)
            ``X @ coef_.T + intercept_``, in the units of y, with ``rearrange=True`` each row sorted. Of a Dask
            collection a Dask array with its partitions, not computed.
        """
        found = super().predict(X)
        if np.ndim(self.quantile) == 0 or not self.rearrange or is_lazy(found):
            return found
        sorted_ = np.empty_like(found)
        sorted_[:, np.argsort(self.quantile, kind="stable")] = np.sort(found, axis=1)
        return sorted_

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination of the predictions, its mean where they are several.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like, Dask array or series, of shape (n_samples,)
            Their targets; of two dimensions after a fit to several.
        sample_weight : array-like, Dask array or series, of shape (n_samples,), optional
            Their weights.

        Returns
        -------
        score : float
            R2. It judges predictions of the mean: compare quantiles by ``mean_pinball_loss`` of scikit-learn.
        """
        if np.ndim(self.quantile) == 1 and not is_lazy(X) and np.ndim(y) == 1:
            y = np.tile(np.asarray(y)[:, None], (1, len(self.quantile)))
        return super().score(X, y, sample_weight)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_bool(self, "rearrange")
        check_quantiles(self)
        if self.solver in ("interior-point", "revised simplex"):
            raise ValueError(
                f"Solver {self.solver} is not anymore available in SciPy >= 1.11.0. "
                f"Use one of {', '.join(map(repr, ('auto', *KINKED_SOLVERS)))}."
            )
        if self.solver_options is not None:
            if not isinstance(self.solver_options, dict):
                raise complain(self, "solver_options", "a dict or None")
            if self.solver not in PROGRAM_SOLVERS:
                raise complain(
                    self, "solver_options", f"None unless solver is one of {PROGRAM_SOLVERS}"
                )
