"""Robust linear regression."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg._lazy import is_lazy
from robustreg._parameters import did_you_mean
from robustreg.estimators._base import Prepared
from robustreg.estimators._named_loss import NamedLoss
from robustreg.estimators._outputs import Share, SharedRows
from robustreg.estimators._penalised import make_penalty
from robustreg.estimators._residual_regressor import (
    KINKED_SOLVERS,
    PROGRAM_SOLVERS,
    SCALES,
    ResidualRegressor,
    rank_of,
)
from robustreg.estimators._validation import check_bool, check_real, complain
from robustreg.losses import Absolute, Huber, Pinball, ResidualLoss, Squared
from robustreg.penalties import Penalty
from robustreg.scales import mad
from robustreg.solvers import Result, Stage, absolute_stage, residuals_about


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
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors. With
        ``scale="concomitant"``, which tends to c sigma there, ``2.5758 * scale_ / c``.
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
    """Return the L1 fit of an output with the scale of all, as `_plan` takes it."""
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

        Losses without a threshold do not use it, but `scale_` reports it: "mad" for smooth ones, and "l1" for
        the absolute error, whichever is asked for.
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
        loss: str | ResidualLoss = "huber",
        *,
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
    the solution is a vertex: it passes through as many rows as there are parameters. With one, where the best
    intercepts are an interval, its middle is taken.

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

    Where the best intercepts beside a penalty are an interval, its middle is taken.
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
