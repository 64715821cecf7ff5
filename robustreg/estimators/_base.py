"""The one way in which a linear model is fitted."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from robustreg._array import Array, is_sparse, row_slices
from robustreg._lazy import is_lazy, refuse_lazy
from robustreg._threads import blas_aside, in_order
from robustreg.data import FEW, Data
from robustreg.device_rows import DeviceRows
from robustreg.estimators._answers import ScoreMixin, answers
from robustreg.estimators._callbacks import CallbackSupportMixin, Progress, with_callbacks
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._hints import hint, missing, with_hints
from robustreg.estimators._namespace import AcceptsArrays
from robustreg.estimators._penalised import check_columns, check_penalty, make_penalty
from robustreg.estimators._units import Units
from robustreg.estimators._validation import (
    check_bool,
    check_data,
    check_integer,
    check_real,
    check_size,
    check_weight,
    level_of_user,
    refuse_infinite,
)
from robustreg.far_rows import FarRows
from robustreg.penalties import PENALTIES, Penalty
from robustreg.preparation import prepare
from robustreg.solvers import Control, Plan, Result
from robustreg.stored import cancels, in_units_of_user, precise_scores

#: what a user can do where a fit has not reached ``tol``: its iterations ran out, or it made no more progress
MORE_ITERATIONS = "Increase max_iter, or tol if that accuracy is enough."
ROUNDING_ERRORS = (
    "Rounding errors prevent further progress. The usual causes are extreme weights, extreme "
    "values and nearly dependent columns: rescale or remove them, or set tol above optimality_ "
    "if that accuracy is enough."
)


class Prepared(NamedTuple):
    """A table as a solver sees it.

    Parameters
    ----------
    data : Data
        Rows in coordinates.
    units : Units
        Of y.
    rank : int
        Of [1, X].
    far : FarRows or None
        Which rows are far out in X, where a fit is to ask; the coordinates are those of the others.
    """

    data: Data
    units: Units
    rank: int
    far: FarRows | None = None


class DocumentedEstimator(AcceptsArrays):
    """What all estimators here have: a page that notebooks link to, and hints for unknown arguments."""

    #: parameters that may be objects: which class a name stands for, and the module of the classes
    _by_name: ClassVar[dict[str, tuple[Callable[[str], Any], str]]] = {
        "penalty": (PENALTIES.get, "penalties")
    }
    # where the diagram of an estimator in a notebook links to
    _doc_link_module = "robustreg"
    _doc_link_template = "https://robustreg.readthedocs.io/stable/reference/generated/robustreg.{estimator_name}.html"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = with_hints(cls.__init__)  # type: ignore[method-assign]

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and with ``loss__delta`` and the like fields of a parameter that is an object.

        Parameters
        ----------
        **params
            Names as returned by `get_params`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a name is unknown, with what it is called here where it is known elsewhere, or asks for a field
            of what is given by name.
        """
        for name in params:
            self._refuse_field_of_name(name, params)
        try:
            super().set_params(**params)  # type: ignore[misc]
        except ValueError as error:
            names = list(self.get_params(deep=False))  # type: ignore[attr-defined]
            other = [name for name in params if name.partition("__")[0] not in names]
            more = hint(other[0], names) if other else ""
            if not more:
                raise
            raise ValueError(f"{error} {more}") from None
        return self

    def _refuse_field_of_name(self, name: str, params: dict[str, Any]) -> None:
        """Refuse ``loss__delta`` and the like where no object has the field."""
        owner, _, field = name.partition("__")
        value = params.get(owner, getattr(self, owner, 0)) if field else 0
        if owner not in self._by_name or not (value is None or isinstance(value, str)):
            return
        find, module = self._by_name[owner]
        kind = None if value is None else find(value)
        what = "the default" if value is None else "a name, which stands for its defaults"
        instance = "an object" if kind is None else f"{owner}={kind.__name__}()"
        raise ValueError(
            f"{name!r} needs a {owner} instance, but {owner}={value!r} is {what}: pass {instance} from "
            f"robustreg.{module} instead."
        )

    if not TYPE_CHECKING:  # or every attribute would be known to type checkers

        def __getattr__(self, name):
            raise missing(self, name)


class LinearModel(CallbackSupportMixin, DocumentedEstimator, BaseEstimator):
    """A linear model, fitted by minimising an objective.

    A subclass says how y is read, names its loss and penalty and says how they are solved.
    """

    alpha: float
    fit_intercept: bool
    max_iter: int
    tol: float
    warm_start: bool
    n_iter_: int
    optimality_: float
    #: what warnings call it, where its class does not say enough
    _label: str = ""

    def _check_parameters(self) -> None:
        """Raise for a constructor argument that is out of range."""
        check_penalty(self)
        check_bool(self, "fit_intercept")
        check_bool(self, "warm_start")
        check_integer(self, "max_iter", 1)
        check_real(self, "tol", 0.0, closed="neither")

    @abstractmethod
    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Validate X and y; return y as numbers."""

    def _weigh(self, y: Array, sample_weight: Any) -> tuple[Array | None, float]:
        """Return weights of mean one, None for equal ones, and what they were divided by."""
        return check_weight(sample_weight, len(y))

    def _present(self, y: Array, weight: Array | None) -> Array:
        """Return the targets that a solver can use, as weights of zero may leave out a class."""
        return y

    def _penalty(self, total: float) -> Penalty:
        """Return the penalty in the user's units; ``total`` is the sum of the weights."""
        penalty: Penalty = make_penalty(self, total)
        return penalty

    @abstractmethod
    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        """Return the units in which the solver sees y."""

    @abstractmethod
    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        """Find a start where none is given, by fits of its own where it takes some, and return what solves from it.

        ``x`` of its result holds the parameters, ``advice`` what else there is to say of them.
        """

    @abstractmethod
    def _start(self, prepared: Prepared) -> Array | None:
        """Return the last fit in the solver's coordinates, where it can serve."""

    @abstractmethod
    def _fitted(self, prepared: Prepared, x: Array) -> dict[str, Any]:
        """Return the attributes that a point in the solver's coordinates stands for."""

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        """Return what the fit minimised on rows with the given targets, as `_read` returns them.

        ``weight`` holds the weights of the rows, of mean one, and ``total`` their sum as given.

        Raises
        ------
        ValueError
            If the loss is none of single rows.
        """
        raise ValueError(
            f"{type(self).__name__} has no standard errors: its loss is not one of single rows."
        )

    def _refit(self) -> LinearModel:
        """Return an unfitted model that, where it can, starts from this fit."""
        again: LinearModel = clone(self)
        if "warm_start" in again.get_params(deep=False):
            again.set_params(warm_start=True)
        names = ("coef_", "intercept_", "scale_", "classes_")
        again.__dict__.update({name: getattr(self, name) for name in names if hasattr(self, name)})
        return again

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features), or Rows
            Finite numbers of any scale. :class:`robustreg.Rows` are passed alone: they hold y and weights.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets. Where the class has attributes of several outputs, each column is fitted by itself.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights: 2 is a row written twice, 0 a row left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the input is not finite, not of the right kind or
            of the wrong shape.
        """
        return self._fit(X, y, sample_weight, self._read)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        read: Callable[[Any, Any], tuple[Any, Array]],
        prepare: Callable[..., Prepared] | None = None,
        share: Callable[[Prepared], dict[str, Any]] | None = None,
    ) -> Self:
        """Fit as :meth:`fit` says, to what ``read`` and ``prepare`` make of X and y.

        ``share`` returns what fits of neighbouring parameters have in common.
        """
        elsewhere = is_lazy(X) or isinstance(X, DeviceRows)
        if prepare is None and (elsewhere or self._is_mapped(X, y, sample_weight)):
            return self._fit_lazy(X, y, sample_weight)
        if prepare is None and self._is_several(y):
            return self._fit_several(X, y, sample_weight)
        self._check_parameters()
        rows, target = read(X, y)
        weight, mass = self._weigh(target, sample_weight)
        target = self._present(target, weight)
        with np.errstate(all="ignore"), blas_aside():
            prepared = (prepare or self._prepare)(rows, target, weight, mass)
            progress = Progress(self, X, y, sample_weight, partial(self._fitted, prepared))
            shared = {} if share is None else share(prepared)
            found = self._solve_from(self._start(prepared), prepared, progress, **shared)
            self._store(found, prepared)
            self._count_rounding(rows, weight, found, prepared)
            self._describe(rows, target, weight, found)
        progress.end()
        if not progress.stopped:
            self._warn(found)
        return self

    def _is_mapped(self, X: Any, y: Any, sample_weight: Any) -> bool:
        """Whether X is so large a file, mapped into memory, that it is fitted by passes alone."""
        return False

    def _fit_lazy(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Fit collections whose rows are not in this process, or refuse them."""
        refuse_lazy(type(self).__name__, X=X, y=y, sample_weight=sample_weight)
        return self

    def _is_several(self, y: Any) -> bool:
        """Whether a fit to y is one for each of several outputs."""
        return False

    def _fit_several(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Fit several outputs, where `_is_several` says so."""
        raise NotImplementedError

    def _shares(self) -> bool:
        """Whether `_shared` may hold what took work."""
        return False

    def _shared(self, prepared: Prepared) -> dict[str, Any]:
        """Return what fits that differ in their loss alone have in common, as `_plan` takes it."""
        return {}

    def _has_one_minimum(self) -> bool:
        """Whether a fit ends at the same minimum wherever it starts."""
        return True

    def _asks_rank(self) -> bool:
        """Whether the rank of X is part of the answer, as where a scale is estimated."""
        return False

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        check_columns(self, X.shape)
        units = self._units(y, weight, mass)
        data, rank = self._coordinates(X, units.inward(y), weight)
        data.base = abs(units.center) / units.spread
        return Prepared(data, units, rank)

    def _coordinates(self, X: Any, y: Array, weight: Array | None) -> tuple[Data, int]:
        """Choose coordinates for X, and return the rank."""
        return prepare(X, y, weight, intercept=self.fit_intercept, **self._preparation())

    def _preparation(self) -> dict[str, Any]:
        """Return what preparing the rows asks of a model."""
        penalty = self._penalty(1.0)
        return {
            "reduce": penalty.euclidean,
            "resolve": penalty.empty or (self._asks_rank() and not penalty.by_column),
            "penalised": not penalty.empty,
            "refuse": partial(refuse_infinite, self),
        }

    def _shortcut(self, prepared: Prepared, progress: Progress | None, **how: Any) -> Result | None:
        """Return the fit where one to fewer rows, or none at all, says it; None where all are needed. As `_solve_from` takes it."""
        return None

    def _improved(
        self, found: Result, prepared: Prepared, progress: Progress | None, **how: Any
    ) -> Result:
        """Return the fit beside far rows, or a better one where others are worth to be tried; as `_solve_from` takes it."""
        return found

    def _solve_from(
        self, start: Array | None, prepared: Prepared, progress: Progress | None = None, **how: Any
    ) -> Result:
        """Solve; once more without the start where it led nowhere, as after a change of units.

        Each attempt may take ``max_iter`` iterations, and the better one is returned with its own.
        """
        found = self._shortcut(prepared, progress, **how)
        if found is not None:
            return found
        told = progress if progress is not None and progress.heard else None
        tries = []
        for at in (None,) if start is None else (start, None):
            control = Control(self.tol, self.max_iter, told)
            solve, ended = self._plan(prepared, at, control, **how)
            found = ended(solve())
            # one that found nothing to gain was one, too, but not where it was known
            found.nit = max(control.n_iter, int(at is None))
            tries.append(found)
            if control.stopped or not self._falls_short(found):
                break
            how.pop("metric", None)
        best = min(tries, key=lambda fit: (self._falls_short(fit), fit.optimality))
        return best if prepared.far is None else self._improved(best, prepared, progress, **how)

    def _falls_short(self, found: Result) -> bool:
        return not found.optimality <= self.tol or bool(found.get("growing", False))

    def _store(self, found: Result, prepared: Prepared) -> None:
        self.__dict__.update(self._fitted(prepared, found.x))
        self.n_iter_ = int(found.nit)
        self.optimality_ = float(found.optimality)

    def _count_rounding(
        self, X: Any, weight: Array | None, found: Result, prepared: Prepared
    ) -> None:
        """Let `optimality_` say what it costs that coefficients are rounded, where it costs more than ``tol``."""

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        """Set what else follows from the fit."""

    def _warn(self, found: Result) -> None:
        name, advice = self._label or type(self).__name__, found.get("advice")
        if advice:
            warnings.warn(f"{name}: {advice}", ConvergenceWarning, stacklevel=level_of_user())
        if advice or self.optimality_ <= self.tol:
            return
        advice = MORE_ITERATIONS if found.status == 1 else ROUNDING_ERRORS
        warnings.warn(
            f"{name} stopped after {self.n_iter_} iterations (max_iter={self.max_iter}) at "
            f"optimality_ = {self.optimality_:.1e} > tol = {self.tol:.1e}; the best iterate is "
            f"kept. {advice}",
            ConvergenceWarning,
            stacklevel=level_of_user(),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


class LinearRegressor(ScoreMixin, LinearModel):
    """A linear model of numbers."""

    coef_: Array
    intercept_: float
    scale_: float

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = check_data(self, X, y, fit=True, y_numeric=True)
        y = y.astype(np.float64, copy=False)
        check_size(y, self.fit_intercept)
        return X, y

    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        return Units.of(y, weight, mass, self.fit_intercept)

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        if "raw" in found:
            found.fitted_values = prepared.units.outward(found.pop("raw"))

    def predict(self, X: Any) -> Array:
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : array of shape (n_samples,), or (n_samples, n_outputs) after a fit to several
            ``X @ coef_.T + intercept_``, in the units of y. Of a Dask collection a Dask array with its
            partitions, not computed.
        """
        check_is_fitted(self)
        if is_lazy(X):
            lazy: Array = answers(self, "predict", np.shape(self.intercept_), X)
            return lazy
        return self._decision(check_data(self, X))

    def _residual(self, X: Array, y: Array, found: Result) -> Array:
        """Residuals of the fit, by the solver's last pass where that has left its predictions."""
        raw = found.pop("fitted_values", None)
        residual = self._decision(X) if raw is None or len(raw) != len(y) else raw
        # a new array of a million costs more than its sum
        return np.subtract(y, residual, out=residual)

    def _decision(self, X: Any) -> Array:
        return linear(X, self.coef_, self.intercept_)

    def _start(self, prepared: Prepared) -> Array | None:
        data, units = prepared.data, prepared.units
        coef = getattr(self, "coef_", None)
        if not self.warm_start or coef is None or coef.shape != data.coordinates.center.shape:
            return None
        start = data.coordinates.solver(coef / units.spread)
        if data.intercept:
            inner = data.coordinates.coef(start)
            offset = (self.intercept_ - units.center) / units.spread
            start = np.append(start, offset + data.coordinates.center @ inner)
        scale = getattr(self, "scale_", None)
        return start if scale is None else np.append(start, scale / units.spread)

    def _fitted(self, prepared: Prepared, x: Array) -> dict[str, Any]:
        data, units = prepared.data, prepared.units
        at = x[data.size] if data.intercept else 0.0
        coef, intercept = in_units_of_user(data, x[: data.size], at, units.spread, units.center)
        fitted = {"coef_": coef, "intercept_": float(intercept)}
        if len(x) > data.size + data.intercept:
            fitted["scale_"] = float(x[-1] * units.spread)
        return fitted

    def _rounding(self, X: Any, y: Array) -> Array:
        """What rounding can make of a residual that is zero.

        The intercept, and with it every row, has the rounding of the average row that it was computed from.
        """
        rounding = np.empty_like(y)
        for part in row_slices(len(y), 4096):
            size = np.asarray(abs(X[part]).dot(np.abs(self.coef_)))
            rounding[part] = size + abs(self.intercept_) + np.abs(y[part])
        with np.errstate(over="ignore"):
            return 256 * np.finfo(float).eps * np.maximum(rounding, np.mean(rounding))


def linear(X: Any, coef: Array, intercept: Any) -> Array:
    """Return ``X @ coef.T + intercept``.

    Parameters
    ----------
    X : array or sparse array of shape (n, p)
        Rows.
    coef : array of shape (p,) or (k, p)
        Coefficients.
    intercept : float or array of shape (k,)
        Intercepts.
    """
    if is_sparse(X):
        return np.asarray(safe_sparse_dot(X, coef.T)) + intercept

    if isinstance(X, DeviceRows):
        return np.asarray(X.dot(coef.T)) + intercept

    # in parts, or NumPy would make a copy of all of a single-precision X in double precision
    def part(rows: slice) -> Array:
        if cancelling:
            return precise_scores(X[rows], coef, intercept)
        raw: Array = X[rows] @ coef.T
        raw += intercept
        return raw

    cancelling = cancels(X, coef, intercept)

    parts = row_slices(len(X), 8192)
    return part(parts[0]) if len(parts) == 1 else np.concatenate(in_order(part, parts, few=FEW))
