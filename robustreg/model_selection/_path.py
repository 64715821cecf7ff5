"""Fits along a grid, each started from its neighbours."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg._array import Array
from robustreg._threads import blas_aside
from robustreg.data import subsample_size
from robustreg.estimators import HuberRegressor
from robustreg.estimators._base import MORE_ITERATIONS, ROUNDING_ERRORS, Prepared
from robustreg.estimators._validation import level_of_user
from robustreg.model_selection._efficiency import epsilon_grid
from robustreg.solvers import Parts, Result, Stage

#: what fits of a path are solved to at least, so that where they started does not show in them
TIGHT = 1e-10
#: efficiencies of the default thresholds; those of the concomitant scale must exceed 1
EFFICIENCY = (0.7, 0.999)
EFFICIENCY_ABOVE_ONE = (0.905, 0.999)


class HuberPath(NamedTuple):
    """Fits along a grid of thresholds, as `huber_path` returns them.

    Parameters
    ----------
    epsilon : array of shape (n_epsilons,)
        Thresholds in units of the scale.
    coef : array of shape (n_epsilons, n_features)
        Coefficients.
    intercept : array of shape (n_epsilons,)
        Intercepts.
    scale : array of shape (n_epsilons,)
        Sigmas, in the units of y.
    delta : array of shape (n_epsilons,)
        ``epsilon * scale``.
    n_outliers : array of int of shape (n_epsilons,)
        Number of rows that are outliers by the rule of `outliers_` of :class:`~robustreg.HuberRegressor`.
        Of normal rows they are 1 %.
    optimality : array of shape (n_epsilons,)
        Certificate of each fit, see :class:`~robustreg.HuberRegressor`.

    Examples
    --------
    >>> from robustreg.model_selection import huber_path
    >>> path = huber_path([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 13.0], epsilons=[1, 2])
    >>> type(path).__name__, path.coef.shape
    ('HuberPath', (2, 1))
    """

    epsilon: Array
    coef: Array
    intercept: Array
    scale: Array
    delta: Array
    n_outliers: Array
    optimality: Array


def huber_path(
    X: Any,
    y: Any,
    *,
    epsilons: Any = None,
    alpha: float = 0.0,
    scale: str | float = "l1",
    fit_intercept: bool = True,
    sample_weight: Any = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
) -> HuberPath:
    """Huber fits along a grid of thresholds, each started from the last.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Finite numbers of any scale.
    y : array-like of shape (n_samples,)
        Targets.
    epsilons : array-like of shape (n_epsilons,), optional
        Thresholds in units of the scale; by default ``epsilon_grid(20)``.
    alpha : float, default=0.0
        Strength of the L2 penalty on the sum of losses.
    scale : {"l1", "proposal2", "mad", "concomitant"} or float, default="l1"
        As of :class:`~robustreg.HuberRegressor`.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative weights.
    max_iter : int, default=1000
        Maximum number of iterations of a fit.
    tol : float, default=1e-8
        Largest optimality that counts as converged.

    Returns
    -------
    HuberPath
        A tuple of arrays by name, in the order of ``epsilons``.

    Raises
    ------
    ValueError
        If a threshold or another parameter is out of range, or the data are not numbers.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101.

    Examples
    --------
    >>> from robustreg.datasets import load_phones
    >>> from robustreg.model_selection import huber_path
    >>> phones = load_phones()
    >>> path = huber_path(phones[["year"]], phones["calls"], epsilons=[0.5, 1.345])
    >>> path.coef[:, 0].round(2).tolist(), path.n_outliers.tolist()
    ([1.49, 1.53], [10, 10])
    """
    model = HuberRegressor(
        alpha=alpha, scale=scale, fit_intercept=fit_intercept, max_iter=max_iter, tol=tol
    )
    epsilon = threshold_grid(model, "epsilons", epsilons)
    model._check_parameters()
    X, y = model._read(X, y)
    weight, mass = model._weigh(y, sample_weight)
    fits = []
    with blas_aside():
        walk = Walk(model, Table(X, y, weight, mass))
        for value in epsilon.tolist():
            walk.step({"epsilon": value, "alpha": alpha})
            fits.append(walk.summary())
    warn_unsolved("huber_path", walk.reached, model)
    columns = (np.array([fit[f"{name}_"] for fit in fits]) for name in HuberPath._fields[1:])
    return HuberPath(epsilon, *columns)


class Table(NamedTuple):
    """Checked rows, weights of mean one and their mean, as estimators pass them on."""

    X: Any
    y: Array
    weight: Array | None
    mass: float

    def part(self, rows: Array) -> Table:
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return self._replace(X=self.X[rows], y=self.y[rows], weight=weight)


class Walk:
    """Some rows on their way along a grid.

    Each fit starts where the last ones point to. Rows that follow a leader, the table they are part
    of, are fitted with it; where that fails they start where the leader is now, as far from it as
    they were from where it was before.

    Parameters
    ----------
    model : HuberRegressor
        A copy of it is fitted to each point of the grid.
    table : Table
        All rows.
    leader : Walk, optional
        The walk of all rows. Its coordinates serve where the part tells them apart as well.
    part : array of int, optional
        Which rows of the table to fit.
    """

    def __init__(
        self, model: HuberRegressor, table: Table, leader: Walk | None = None, part: Any = None
    ) -> None:
        self.model: HuberRegressor = clone(model).set_params(tol=min(model.tol, TIGHT))
        self.model.n_features_in_ = table.X.shape[1]
        self.table = table
        self.before: Result | None = None
        self.now: Result | None = None
        self.points: list[dict[str, float]] = []
        self.reached: list[Reached] = []
        self.followers: list[Walk] = []
        self.parts: Parts | None = None
        self.given: Result | None = None
        self.stage: Stage | None = None
        self.shared: float | None = None  # the penalty of the stage
        self.rows = part
        with np.errstate(all="ignore"):
            shared = None if leader is None else leader.share(self)
            own = table if part is None or shared is not None else table.part(part)
            self.prepared = shared or self.model._prepare(*own)
        self.leader = leader if shared else None

    def share(self, follower: Walk) -> Prepared | None:
        """Return some rows in the coordinates of all, or None where they need their own."""
        rows, weight = follower.rows, self.table.weight
        if weight is not None:  # rows of weight 0 were left out when the others were prepared
            rows = (np.cumsum(weight > 0) - 1)[rows[weight[rows] > 0]]
        data = self.prepared.data.subset(rows, keep=False)
        if not data.spans():
            return None
        follower.rows = rows
        self.followers.append(follower)
        return self.prepared._replace(data=data)

    def step(self, point: dict[str, float]) -> None:
        """Fit at a point of the grid; a leader goes first."""
        self.begin(point)
        start, metric = self._start(point)
        found, self.given = self.given, None
        with np.errstate(all="ignore"):
            if found is None:
                how = {"metric": metric, "stage": self.stage}
                found = self.model._solve_from(start, self.prepared, **how)
            self.model._store(found, self.prepared)
            found.pop("fitted_values", None)  # a summary makes its own, and only of the best fit
        scale = self.model.scale_
        self.model.delta_ = float(self.model.epsilon * scale) if scale > 0 else 0.0
        self.before, self.now = self.now, found
        self.points.append(point)
        self.reached.append(Reached.by(self.model))

    def begin(self, point: dict[str, float]) -> None:
        """Set the parameters, and find what fits of the same penalty share if it is not known yet."""
        self.model.set_params(**point)
        if self.shared == point["alpha"]:
            return
        self.shared, near = point["alpha"], self.stage
        if near is None and self.leader is not None:
            near = self.leader.stage
        with np.errstate(all="ignore"):
            self.stage = self.model._stage(self.prepared, None if near is None else near.theta)

    def _start(self, point: dict[str, float]) -> tuple[Array | None, Any]:
        if self.leader is None:
            return self._ahead(point)
        ahead, behind = self.leader.now, self.leader.before
        assert ahead is not None
        start = ahead.x
        if self.now is not None and behind is not None:
            start = start + self.now.x - behind.x
        # Where the scale is zero there is nothing to start from.
        return (start if start[-1] > 0 else None), ahead.get("metric")

    def _ahead(self, point: dict[str, float]) -> tuple[Array | None, Any]:
        """Return where the last two fits of the same penalty point to."""
        if self.now is None:
            return None, None
        start = self.now.x
        if self.before is not None and self.points[-2]["alpha"] == point["alpha"]:
            old, last = (at["epsilon"] for at in self.points[-2:])
            share = (point["epsilon"] - last) / (last - old) if last != old else 0.0
            if 0 < share <= 2:
                start = start + share * (self.now.x - self.before.x)
        # With few rows a Hessian costs little, and a new one brings the fit closer than a kept one.
        kept = self.now.get("metric") if subsample_size(self.prepared.data) else None
        return (start if start[-1] > 0 else self.now.x), kept

    def guide(self) -> None:
        """Give the followers those of their fits that follow from the leader's."""
        if not self.followers:
            return
        assert self.now is not None
        if self.parts is None:
            self.parts = Parts(self.prepared.data, [walk.rows for walk in self.followers])
        for walk in self.followers:
            walk.begin(self.points[-1])
        shares = [(walk.prepared, walk.stage) for walk in self.followers]
        with np.errstate(all="ignore"):
            fits = self.model._minimise_parts(self.parts, self.prepared, self.now, shares)
        for walk, fit in zip(self.followers, fits, strict=True):
            if fit is not None and walk.stage is not None:
                fit.optimality = max(fit.optimality, walk.stage.found.optimality)
            walk.given = fit

    def summary(self) -> dict[str, Any]:
        """Return the attributes of the last fit, of its outliers only the number."""
        outliers = self.restored({}).outliers_
        names = ("coef_", "intercept_", "scale_", "delta_", "n_iter_", "optimality_")
        fitted = {name: getattr(self.model, name) for name in names}
        return fitted | {"n_outliers_": int(np.count_nonzero(outliers))}

    def restored(self, fit: dict[str, Any]) -> HuberRegressor:
        """Return the model as it was at a fit, outliers and all."""
        self.model.__dict__.update(fit)
        with np.errstate(all="ignore"):
            self.model._describe(self.table.X, self.table.y, self.table.weight, Result())
        return self.model


def threshold_grid(estimator: Any, name: str, values: Any) -> Array:
    """Return thresholds for an estimator with a ``scale``, or the default ones for None."""
    above_one = isinstance(estimator.scale, str) and estimator.scale == "concomitant"
    if values is None:
        return epsilon_grid(20, EFFICIENCY_ABOVE_ONE if above_one else EFFICIENCY)
    return check_grid(name, values, low=1.0 if above_one else 0.0, closed=False)


def check_grid(name: str, values: Any, *, low: float, closed: bool, finite: bool = False) -> Array:
    """Return a grid as a float array, or say which of its values is wrong.

    The interval begins at ``low``, included if ``closed``, and ends at infinity, unless ``finite``.

    Raises
    ------
    ValueError
        If the grid is empty, not one-dimensional, or a value is no number of the range.
    """
    wanted = f"numbers in the range {'[' if closed else '('}{low}, inf{')' if finite else ']'}"
    try:
        grid = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold {wanted}. Got {values!r}.") from None
    if grid.ndim != 1 or not len(grid):
        raise ValueError(
            f"{name} must be a list or array of one dimension with at least one value. Got {values!r}."
        )
    for i, value in enumerate(grid):
        if not (value >= low if closed else value > low) or (finite and value == np.inf):
            raise ValueError(f"{name} must hold {wanted}. Got {name}[{i}] = {value}.")
    return grid


class Reached(NamedTuple):
    """Where a fit ended, and after how many iterations."""

    optimality: float
    n_iter: int

    @classmethod
    def by(cls, model: Any) -> Reached:
        """Return the same of a fitted model, of several outputs the worst."""
        return cls(float(np.max(model.optimality_)), int(np.max(model.n_iter_)))


def warn_unsolved(name: str, reached: Sequence[Reached], model: Any) -> None:
    """Warn once of all fits that did not reach the accuracy asked for, and say why they did not."""
    missed = [fit for fit in reached if fit.optimality > model.tol]
    if not missed:
        return
    ran_out = sum(fit.n_iter >= model.max_iter for fit in missed)
    advice = MORE_ITERATIONS if ran_out else ROUNDING_ERRORS
    if 0 < ran_out < len(missed):
        advice = f"Of {ran_out} the iterations ran out. {MORE_ITERATIONS} Of the others: {ROUNDING_ERRORS}"
    warnings.warn(
        f"{len(missed)} of {len(reached)} fits of {name} stopped at an optimality above tol = "
        f"{model.tol:.1e}, the worst at {max(missed).optimality:.1e} (max_iter={model.max_iter}); the "
        f"best iterates are kept. {advice}",
        ConvergenceWarning,
        stacklevel=level_of_user(),
    )
