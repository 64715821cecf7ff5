"""Regressors on rows that are elsewhere, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from robustreg._array import Array
from robustreg._lazy import is_lazy, refuse_lazy
from robustreg.estimators._answers import known_columns
from robustreg.estimators._base import Prepared
from robustreg.estimators._outliers import outlying
from robustreg.estimators._outputs import SeveralOutputs
from robustreg.estimators._penalised import check_columns
from robustreg.estimators._remote_fit import OF_ROWS, RemoteFit, opened
from robustreg.estimators._units import Units
from robustreg.estimators._validation import SMALLEST, check_data
from robustreg.remote import TableData, sample_of
from robustreg.remote_coordinates import prepare_table
from robustreg.solvers import Result
from robustreg.tables import Part, Table, lazily


class RemoteMixin(SeveralOutputs, RemoteFit):
    """Fits collections of Dask."""

    def _is_bounded(self) -> bool:
        """Whether the influence of a value of y is."""
        raise NotImplementedError

    def _store(self, found: Result, prepared: Prepared) -> None:
        for name in ("scale_", *OF_ROWS, "_remote"):  # of another fit they say nothing
            self.__dict__.pop(name, None)
        super()._store(found, prepared)

    def _prepare_remote(self, table: Table) -> Prepared:
        check_columns(self, (table.n_rows, table.n_features))
        sample, mass = sample_of(table), table.total / table.n_rows
        units = Units.of(sample.y, sample.weight, mass, self.fit_intercept)
        data, rank = self._in_coordinates(table, sample, (units.center, units.spread, mass))
        largest = data.view.spread
        if 0 < largest < SMALLEST:
            raise ValueError(
                f"The size of y is {largest:.1e}, too small for floating point: rescale y."
            )
        return Prepared(data, replace(units, spread=data.view.spread), rank)

    def _in_coordinates(
        self, table: Table, sample: Part, units: tuple[float, float, float]
    ) -> tuple[TableData, int]:
        """Return what :func:`~robustreg.remote_coordinates.prepare_table` does."""
        penalty = self._penalty(1.0)
        return prepare_table(
            table, sample, units, intercept=self.fit_intercept, bounded=self._is_bounded(),
            reduce=penalty.euclidean, penalised=not penalty.empty, trial=True,
        )  # fmt: skip

    def outliers(self, X: Any, y: Any) -> Any:
        """Mark the outliers among rows, by the rule of `outliers_`.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like, Dask array or series, of shape (n_samples,)
            Their targets.

        Returns
        -------
        outliers : array of bool of shape (n_samples,)
            True for rows farther from the fit than ``2.5758 * scale_``; with ``scale="concomitant"`` as
            `outliers_` says. Of Dask collections a Dask array with their partitions, not computed.

        Raises
        ------
        AttributeError
            If the fit has no `scale_`.
        """
        check_is_fitted(self)
        scale = self.scale_
        if is_lazy(X):
            known_columns(self, X, reset=False)
            return lazily(partial(self._outlying, scale=scale), np.zeros(0, dtype=bool), X, y)
        refuse_lazy(type(self).__name__, y=y)
        return self._outlying(X, y, scale=scale)

    def _outlying(self, X: Any, y: Any, scale: float) -> Array:
        X, y = check_data(self, X), np.asarray(y, dtype=np.float64)
        check_consistent_length(X, y)
        return self._far_from(X, y, scale)

    def _far_from(self, X: Any, y: Array, scale: Any) -> Array:
        if self.coef_.ndim == 2:
            columns = [self.output(j)._far_from(X, one, scale[j]) for j, one in enumerate(y.T)]
            return np.stack(columns, axis=1)
        size = self._of_errors(scale)
        return outlying(y - self._decision(X), size, y, lambda: self._rounding(X, y))

    def _describe_parts(self, table: Any) -> None:
        if not hasattr(self, "scale_"):
            return
        for X, y, _, start in table.parts:
            for name, values in self._of_rows(X, y, y - self._decision(X), self.scale_).items():
                if not start:
                    setattr(self, name, np.empty(table.n_rows, values.dtype))
                getattr(self, name)[start : start + len(values)] = values

    def _of_rows(self, X: Any, y: Array, residual: Array, scale: Any) -> dict[str, Array]:
        """Return the attributes that say something of each row."""
        raise NotImplementedError

    def _of_errors(self, scale: Any) -> Any:
        """Return the scale of normal errors that a scale of the fit says."""
        return scale

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like, Dask array or series, of shape (n_samples,)
            Their targets.
        sample_weight : array-like, Dask array or series, of shape (n_samples,), optional
            Their weights.

        Returns
        -------
        score : float
            R2; of Dask collections by two passes where the rows are. Contaminated targets decide it: see
            :func:`robustreg.model_selection.robust_r2_score`.
        """
        if not is_lazy(X):
            return super().score(X, y, sample_weight)
        known_columns(self, X, reset=False)
        table = opened(X, y, sample_weight)
        (total,) = table.reduce(Squares(None, 0.0))
        mean = total / table.total
        spread, left = table.reduce(Squares((self.coef_, self.intercept_), mean))
        if spread == 0:
            return float(left == 0)
        return float(1 - left / spread)


@dataclass(frozen=True)
class Squares:
    """Sum of y; or, with a model, sums of squares of y less its mean and of the residuals.

    Parameters
    ----------
    model : tuple of array and float, or None
        Coefficients and intercept.
    mean : float
        Of y.
    """

    model: tuple[Array, float] | None
    mean: float

    def __call__(self, part: Part) -> tuple[float, ...]:
        weight = np.ones_like(part.y) if part.weight is None else part.weight
        if self.model is None:
            return (float(weight @ part.y),)
        residual = part.y - part.X @ self.model[0] - self.model[1]
        return float(weight @ (part.y - self.mean) ** 2), float(weight @ residual**2)
