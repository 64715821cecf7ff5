"""Robust linear regression."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from numbers import Real
from typing import Any, Self, cast

import numpy as np

from robustreg._array import Array
from robustreg.estimators._base import LinearRegressor, Prepared, Units, beats_zero
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._validation import (
    check_real,
    complain,
)
from robustreg.losses import LOSSES, Absolute, Huber, Pinball, ResidualLoss, Squared
from robustreg.objective import Objective
from robustreg.penalties import L1, Penalty
from robustreg.scales import huber_consistency, mad
from robustreg.solvers import (
    Parts,
    Problem,
    Result,
    affordable,
    is_sparse_in_columns,
    solve_columns,
    solve_fixed,
    solve_joint,
    solve_kinked,
    solve_mad,
    solve_program,
)

SMOOTH_SOLVERS = ("newton", "newton-cg", "lbfgs")
PROGRAM_SOLVERS = ("highs", "highs-ds", "highs-ipm")
KINKED_SOLVERS = ("exact", *PROGRAM_SOLVERS)
JOINT = ("proposal2", "concomitant")


class ResidualRegressor(LinearRegressor):
    """A loss of residuals with an L2 penalty, at a scale that is given or estimated."""

    solver: str
    scale: Any

    @abstractmethod
    def _loss(self) -> ResidualLoss:
        """Return the loss, its thresholds in units of the scale."""

    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        loss = self._loss()
        widths = [getattr(loss, name) for name in loss.threshold]
        bounded = loss.degree != 2 or (bool(widths) and bool(np.isfinite(widths).all()))
        return Units.of(y, weight, mass, self.fit_intercept, bounded=bounded)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        loss, penalty = self._loss(), self._penalty(total)
        scale = getattr(self, "scale_", None)
        if loss.threshold and scale is not None:
            loss = loss.rescaled(scale)
        if self.scale in JOINT:  # minimised: scale * rho(r / scale)
            penalty = penalty.scaled(self.scale_)
        return Estimate(loss, penalty, y, scale=scale)

    def _minimise(
        self, prepared: Prepared, start: Array | None, callback: Any = None, metric: Any = None
    ) -> Result:
        data, units, _ = prepared
        loss = self._loss()
        if loss.kinks(data.y) is not None:
            return self._minimise_kinked(loss, prepared, start, callback)
        problem = replace(self._problem(prepared), callback=callback, metric=metric)
        if self.scale in JOINT:
            return solve_joint(problem, self._kappa(problem, prepared), start)
        if not loss.threshold:
            return solve_fixed(problem, 1.0, None if start is None else start[: problem.size])
        fixed = None if self.scale == "mad" else float(self.scale) / units.spread
        if not loss.convex:
            if start is not None:
                near = problem.at(fixed or float(start[-1]) or 1.0)
                start = start if beats_zero(near, start[: problem.size]) else None
            if start is None:
                start = solve_mad(replace(problem, loss=Huber())).x
        if fixed is None:
            return solve_mad(problem, start)
        sigma = fixed
        found = solve_fixed(problem, sigma, None if start is None else start[: problem.size])
        found.x = np.append(found.x, sigma)
        return found

    def _problem(self, prepared: Prepared) -> Problem:
        """Return what is minimised where the loss is smooth."""
        data, units, _ = prepared
        loss = self._loss()
        method = choose_solver(self, loss, self.alpha)
        penalty = units.penalty(
            self._penalty(data.total * units.mass), 1 if self.scale in JOINT else loss.degree
        )
        return Problem(loss, data, penalty, method, self.tol, self.max_iter)

    def _kappa(self, problem: Problem, prepared: Prepared) -> float:
        """Return the price of a scale that is estimated jointly."""
        if self.scale != "proposal2":
            return 1.0
        data, units, rank = prepared
        total = data.total * units.mass
        return huber_consistency(problem.threshold) * (1 - rank / total if total > rank else 1.0)

    def _minimise_parts(
        self, parts: Parts, prepared: Prepared, found: Result, shares: list[Prepared]
    ) -> list[Result | None]:
        """Solve for parts of the rows, None for each that does not follow from the fit to all."""
        problem = self._problem(prepared)
        joint = self.scale in JOINT
        sigma = float(found.x[-1] if joint else 0.0 if self.scale == "mad" else self.scale)
        sigma = sigma if joint else sigma / prepared.units.spread
        if not sigma > 0 or problem.loss.line is None or problem.method not in ("auto", "newton"):
            return [None] * len(shares)
        kappas = [self._kappa(problem, share) for share in shares] if joint else None
        objective = problem.joint(self._kappa(problem, prepared)) if joint else problem.at(sigma)
        solved = parts.solve(objective, found, kappas, tol=self.tol, max_iter=self.max_iter)
        for one in solved:
            if one is not None and not joint:
                one.x = np.append(one.x, sigma)
        return solved

    def _minimise_kinked(
        self,
        loss: ResidualLoss,
        prepared: Prepared,
        start: Array | None,
        callback: Any,
    ) -> Result:
        data, units, _ = prepared
        method = choose_solver(self, loss, self.alpha)
        penalty = units.penalty(self._penalty(data.total * units.mass), loss.degree)
        objective = Objective(loss, data, penalty)
        columns = is_sparse_in_columns(objective)
        quadratic = penalty.degree == 2 and penalty.alpha > 0
        if method != "exact" and not (method == "auto" and (quadratic or affordable(objective))):
            options = getattr(self, "solver_options", None)
            how = "highs" if method == "auto" else method
            found = solve_program(objective, method=how, tol=self.tol, options=options)
            if method != "auto" or not columns or found.optimality <= self.tol:
                return found
        return (solve_columns if columns else solve_kinked)(
            objective, np.zeros(objective.size) if start is None else start[: objective.size],
            tol=self.tol, max_iter=self.max_iter, callback=callback, warm=start is not None,
        )  # fmt: skip


def choose_solver(estimator: Any, loss: ResidualLoss, quadratic: float) -> str:
    """Return the estimator's solver if it serves the loss.

    Raises
    ------
    ValueError
        That says which solvers serve this loss and why.
    """
    name = type(loss).__name__
    names: tuple[str, ...]
    if loss.kinks(np.zeros(1)) is None:
        names, why = SMOOTH_SOLVERS, f"{name} is smooth"
    elif quadratic and estimator._penalty(1.0).degree == 2:
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
    r"""Linear regression with Huber's loss and a scale estimated along.

    Minimises, over coefficients and scale jointly and convexly,

    .. math:: \sum_i w_i \sigma \rho_\epsilon(r_i / \sigma)
        + \tfrac{\kappa}{2} \Big(\sum_i w_i - p\Big) \sigma + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with :math:`\rho_\epsilon(z) = z^2/2` for :math:`|z| \le \epsilon` and
    :math:`\epsilon |z| - \epsilon^2/2` beyond, :math:`\kappa = E \min(Z^2, \epsilon^2)` and p the
    number of parameters. The scale is Huber's Proposal 2: consistent for sigma at the normal
    distribution, so that ``epsilon=1.345`` cuts at 1.345 sigma and has 95 % of the efficiency of
    least squares there. scikit-learn's estimator of this name takes kappa = 1 and p = 0 instead
    (``scale="concomitant"`` here): its scale tends to 0.68 sigma, so that ``epsilon=1.35`` cuts at
    0.92 sigma and has 88.9 % efficiency.

    Influence is bounded in y, not in X: a row far out in X keeps all its leverage.

    Parameters
    ----------
    epsilon : float, default=1.345
        Threshold between the quadratic and the linear part in units of the scale, in (0, inf].
        Above 1 for ``scale="concomitant"``, whose scale would be 0 below.
    alpha : float, default=1e-4
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    scale : {"proposal2", "mad", "concomitant"} or float, default="proposal2"
        How sigma is found: as above; as the median absolute residual / 0.6745 of the fit itself
        (more robust, not convex); as in scikit-learn; or a fixed positive number in the units of
        y, so that ``scale=1.0`` makes epsilon the delta of Huber's loss.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Iterations at the most, those on a subsample included.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the last fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        Newton with Gram matrices, Newton with conjugate gradients (wide or large sparse data), or
        limited-memory BFGS. All reach the same optimum.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    scale_ : float
        Sigma, in the units of y. 0.0 where so many rows lie exactly on a hyperplane, a share of
        ``1 - kappa / epsilon**2`` (61 % by default) at least, that `coef_` is the L1 fit.
    delta_ : float
        ``epsilon * scale_``, in the units of y.
    outliers_ : array of shape (n_samples,)
        True where the residual exceeds `delta_`.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units; at scale 0 the relative
        duality gap of the L1 problem.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101. Huber, P. J. (1981). Robust Statistics. Wiley. Owen, A. B. (2007). A
    robust hybrid of lasso and ridge regression.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> data = load_stackloss()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = HuberRegressor(alpha=0.0).fit(X, y)
    >>> model.coef_.round(3).tolist(), round(model.scale_, 3)
    ([0.817, 0.984, -0.131], 2.855)
    """

    def __init__(
        self,
        *,
        epsilon: float = 1.345,
        alpha: float = 1e-4,
        scale: str | float = "proposal2",
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.epsilon = epsilon
        self.alpha = alpha
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return Huber(float(self.epsilon))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_scale(self, (*JOINT, "mad"))
        joint = isinstance(self.scale, str) and self.scale == "concomitant"
        check_real(self, "epsilon", 1.0 if joint else 0.0, closed="right")

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        self.delta_ = float(self.epsilon * self.scale_) if self.scale_ > 0 else 0.0
        edge = self.delta_ if self.scale_ > 0 else self._rounding(X, y)
        residual = self._residual(X, y, found)
        self.outliers_ = np.abs(residual, out=residual) > edge


class RobustRegressor(ResidualRegressor):
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
    scale : "mad" or float, default="mad"
        The unit of the loss's thresholds: the median absolute residual / 0.6745 of the fit itself,
        or a positive number in the units of y. Losses without a threshold report the former.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Iterations at the most.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the last fit.
    solver : str, default="auto"
        "newton", "newton-cg" or "lbfgs" for smooth losses; "exact" or, without a penalty,
        "highs", "highs-ds" or "highs-ipm" for piecewise linear ones.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    scale_ : float
        Sigma, in the units of y.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap of a piecewise linear loss; otherwise the largest gradient entry per
        unit of weight in standardised units, or the last relative change of the scale.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

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

    def __init__(
        self,
        *,
        loss: str | ResidualLoss = "huber",
        alpha: float = 0.0,
        scale: str | float = "mad",
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.loss = loss
        self.alpha = alpha
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of a loss instance as ``loss__name``.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a name is unknown, or asks for a field of a loss that is given by name.
        """
        loss = params.get("loss", self.loss)
        nested = [name for name in params if name.startswith("loss__")]
        if nested and isinstance(loss, str):
            raise ValueError(
                f"{nested[0]!r} needs a loss instance, but loss={loss!r} is a name, which stands for "
                f"its defaults: pass loss={LOSSES[loss].__name__ if loss in LOSSES else 'Huber'}() "
                "from robustreg.losses instead."
            )
        super().set_params(**params)
        return self

    def _loss(self) -> ResidualLoss:
        if isinstance(self.loss, str):
            return cast(ResidualLoss, LOSSES[self.loss]())
        return self.loss

    def _check_parameters(self) -> None:
        super()._check_parameters()
        names = [name for name, loss in LOSSES.items() if issubclass(loss, ResidualLoss)]
        loss: Any = self.loss
        if not (isinstance(loss, ResidualLoss) or (isinstance(loss, str) and loss in names)):
            raise complain(self, "loss", f"a residual loss or one of {', '.join(map(repr, names))}")
        self._loss().validate()
        check_scale(self, ("mad",))

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        if not self._loss().threshold:
            self.scale_ = mad(self._residual(X, y, found), weight)


def check_scale(estimator: Any, names: tuple[str, ...]) -> None:
    """Refuse a scale that is neither one of the names nor a positive finite number."""
    value = estimator.scale
    number = not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < math.inf
    if not number and not (isinstance(value, str) and value in names):
        wanted = f"one of {', '.join(map(repr, names))} or a float in the range (0.0, inf)"
        raise complain(estimator, "scale", wanted)


class L2Regressor(ResidualRegressor):
    r"""Least squares with an L2 penalty, exact on badly scaled and nearly collinear columns.

    Minimises :math:`\tfrac12 \sum_i w_i r_i^2 + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2`: ridge
    regression with the same alpha, ordinary least squares at 0. Where columns are dependent, the
    solution of least norm is returned.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength of the L2 penalty; the intercept is never penalised.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Newton iterations at the most; one or two are enough.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the last fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`HuberRegressor`.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

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
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
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
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Newton iterations and linear programs at the most.
    tol : float, default=1e-8
        Largest `optimality_` that counts as solved; it never loosens the answer.
    warm_start : bool, default=False
        Whether to start from the last fit.
    solver : {"auto", "exact", "highs", "highs-ds", "highs-ipm"}, default="auto"
        "exact" smooths, then solves the few rows that matter exactly; the others hand the whole
        problem to HiGHS as one linear program (``alpha=0`` only).

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

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
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self) -> ResidualLoss:
        return Absolute()


class QuantileRegressor(ResidualRegressor):
    r"""Linear model of a conditional quantile with an L1 penalty, exact.

    A drop-in for scikit-learn's estimator of the same name: it minimises the mean pinball loss
    plus an L1 penalty,

    .. math:: \frac{\sum_i w_i \, \max(q r_i, (q - 1) r_i)}{\sum_i w_i} + \alpha \|\mathrm{coef}\|_1 .

    For an L2 penalty use ``RobustRegressor(loss=Pinball(q), alpha=...)``.

    Parameters
    ----------
    quantile : float, default=0.5
        The quantile, in (0, 1).
    alpha : float, default=1.0
        Strength of the L1 penalty on the mean loss; the intercept is never penalised.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    solver : {"auto", "exact", "highs", "highs-ds", "highs-ipm"}, default="auto"
        See :class:`L1Regressor`; "auto" is "exact" for all but sparse X of thousands of columns.
    solver_options : dict, default=None
        Options of :func:`scipy.optimize.linprog` for the solvers named after HiGHS.
    max_iter : int, default=1000
        Newton iterations and linear programs at the most.
    tol : float, default=1e-8
        Largest `optimality_` that counts as solved; it never loosens the answer.
    warm_start : bool, default=False
        Whether to start from the last fit.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33-50.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg import QuantileRegressor
    >>> X = np.arange(10.0)[:, None]
    >>> model = QuantileRegressor(quantile=0.9, alpha=0.0).fit(X, X[:, 0] + np.tile([0.0, 1.0], 5))
    >>> model.coef_.round(6).tolist(), round(model.intercept_, 6)
    ([1.0], 1.0)
    """

    scale = None

    def __init__(
        self,
        *,
        quantile: float = 0.5,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        solver_options: dict[str, Any] | None = None,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _loss(self) -> ResidualLoss:
        return Pinball(float(self.quantile))

    def _penalty(self, total: float) -> Penalty:
        return L1(float(self.alpha) * total)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "quantile", 0.0, 1.0, closed="neither")
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
