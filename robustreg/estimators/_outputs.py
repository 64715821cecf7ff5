"""Several outputs: y of shape (n_samples, n_outputs), each fitted as if it were alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from robustreg._array import Array, is_sparse
from robustreg._lazy import refuse_lazy
from robustreg._threads import blas_aside
from robustreg.estimators._base import LinearRegressor, Prepared
from robustreg.estimators._callbacks import Progress
from robustreg.estimators._validation import check_data, check_size

#: attributes with an entry for each sample, of which an output is a column; it is a row of the others
OF_ROWS = ("outliers_", "weights_", "support_")
#: attributes that belong to X
OF_X = ("n_features_in_", "feature_names_in_")
#: attributes of which the largest is kept, so that they can be compared with max_iter and tol
LARGEST = {"n_iter_": int, "optimality_": float}

#: what fits have in common, as `LinearModel._fit` takes it
Share = Callable[[Prepared], dict[str, Any]]


class SeveralOutputs(LinearRegressor):
    """A regressor whose y may have several columns.

    X is checked and prepared once. Every output is fitted by itself, and ends where a fit to that column
    alone ends.
    """

    coef_: Array
    _label: str

    def _is_several(self, y: Any) -> bool:
        return len(shape_of(y)) == 2

    def _settings(self, n_outputs: int) -> list[dict[str, Any]]:
        """Return the parameters that each output has of its own."""
        return [{}] * n_outputs

    def _read_several(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Validate X and y; return a column for each output."""
        if is_sparse(y):
            raise ValueError("y is a sparse matrix: pass y.toarray(), a column for each output.")
        if 0 in shape_of(y)[1:]:
            raise ValueError("y has no columns: pass one for each output.")
        X, y = check_data(self, X, y, fit=True, multi_output=True, y_numeric=True)
        y = y.astype(np.float64, copy=False)
        for column in y.T:
            check_size(column, self.fit_intercept)
        return X, y

    def _fit_several(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Fit all outputs."""
        refuse_lazy(type(self).__name__, X=X, y=y, sample_weight=sample_weight)
        self._check_parameters()
        rows, targets = self._read_several(X, y)
        weight, mass = self._weigh(targets, sample_weight)
        shared = SharedRows(rows, weight, mass)
        models = self._single_models(targets.shape[1])
        with np.errstate(all="ignore"), blas_aside():
            shares = self._in_common(models, targets, shared)
            told = partial(_reconstructed, models, targets)
            progress = Progress(
                self, X, y, sample_weight, told, task="output", total=len(models)
            )  # fmt: skip
            for model, target, share in zip(models, targets.T, shares, strict=True):
                read = partial(_given, rows, np.ascontiguousarray(target))
                prepare = partial(shared.prepare, model)
                model._fit(X, target, sample_weight, read, prepare, share)
                progress.tell(None)
        self._stack(models)
        progress.end()
        return self

    def _single_models(self, n_outputs: int) -> list[Any]:
        """Return a model for each output that starts, where it is to, from its last fit."""
        last = getattr(self, "coef_", None)
        known = self.warm_start if hasattr(self, "warm_start") else False
        known = known and last is not None and last.shape == (n_outputs, self.n_features_in_)
        models = []
        for j, settings in enumerate(self._settings(n_outputs)):
            model = self._single(settings)
            model._label = f"{type(self).__name__} (output {j})"
            if known:
                names = (n for n in ("coef_", "intercept_", "scale_") if hasattr(self, n))
                model.__dict__.update({name: getattr(self, name)[j] for name in names})
            models.append(model)
        return models

    def _single(self, settings: dict[str, Any]) -> Any:
        """Return an unfitted model with these parameters; it has the same objects in the others."""
        model = type(self)(**{**self.get_params(deep=False), **settings})
        for name in OF_X:
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        return model

    def _in_common(
        self, models: list[Any], targets: Array, shared: SharedRows
    ) -> list[Share | None]:
        """Return for each output what its fit takes from those of all, as a function of its rows."""
        return [None] * len(models)

    def _stack(self, models: list[Any]) -> None:
        """Set the attributes of the outputs as those of this model."""
        for name in [name for name in vars(self) if name.endswith("_") and name not in OF_X]:
            del self.__dict__[name]
        self.__dict__.pop("_remote", None)
        for name in vars(models[0]):
            if not name.endswith("_") or name in OF_X:
                continue
            if not all(name in vars(model) for model in models):
                continue
            values = [getattr(model, name) for model in models]
            if name in LARGEST:
                setattr(self, name, LARGEST[name](max(values)))
            else:
                setattr(self, name, np.stack(values, axis=1 if name in OF_ROWS else 0))

    def output(self, j: int) -> Any:
        """Return one of several outputs as a fitted model of its own.

        Plots and ``influence`` take single outputs: ``influence(model.output(0), X, Y[:, 0])``.

        Parameters
        ----------
        j : int
            Which one, as a column of y or an entry of a vector of quantiles.

        Returns
        -------
        model : estimator
            Of the same class, with the attributes of that output.

        Raises
        ------
        ValueError
            If the model was fitted to a single output.
        IndexError
            If there are not as many outputs.
        """
        check_is_fitted(self)
        if self.coef_.ndim == 1:
            raise ValueError(
                f"{type(self).__name__} was fitted to a single output, which it is itself."
            )
        model = self._single(self._settings(len(self.coef_))[j])
        for name, value in vars(self).items():
            if name in OF_ROWS:
                setattr(model, name, value[:, j])
            elif name in LARGEST or name in OF_X:
                setattr(model, name, value)
            elif name.endswith("_"):
                one = value[j]
                setattr(model, name, one.item() if isinstance(one, np.generic) else one)
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class SharedRows:
    """Rows that are prepared for the first output, and serve the others in the same coordinates.

    Parameters
    ----------
    X : array or sparse array of shape (n, n_features)
        Validated.
    weight : array of shape (n,) or None
        Of mean one.
    mass : float
        What they were divided by.
    """

    def __init__(self, X: Any, weight: Array | None, mass: float) -> None:
        self.X, self.weight, self.mass = X, weight, mass
        self._first: Prepared | None = None
        self._how: Any = None

    def prepare(self, model: Any, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        """Return the rows with the targets y as a model's fit takes them."""
        how = model._preparation()
        key = how["reduce"], how["resolve"], how["penalised"]
        if self._first is None or key != self._how:
            self._first, self._how = model._prepare(X, y, weight, mass), key
            return self._first
        units = model._units(y, weight, mass)
        kept = y if weight is None or np.all(weight > 0) else y[weight > 0]
        data = self._first.data
        data = data.with_target(units.inward(kept), data.weight)
        data = replace(data, base=abs(units.center) / units.spread)
        return self._first._replace(data=data, units=units)

    def of(self, model: Any, y: Array) -> Prepared:
        """Return what :meth:`prepare` does, for rows that a fit has not asked for yet."""
        return self.prepare(model, self.X, y, self.weight, self.mass)


def _given(X: Any, y: Array, *_: Any) -> tuple[Any, Array]:
    """Return rows that are validated already."""
    return X, y


def _reconstructed(models: list[Any], targets: Array, _: Any) -> dict[str, Any]:
    """Return coefficients for callbacks: outputs that are not fitted yet predict their median."""
    p = models[0].n_features_in_
    coef = [getattr(model, "coef_", np.zeros(p)) for model in models]
    middle = np.median(targets, axis=0)
    intercept = [getattr(m, "intercept_", one) for m, one in zip(models, middle, strict=True)]
    return {"coef_": np.stack(coef), "intercept_": np.array(intercept)}


def shape_of(y: Any) -> tuple[int, ...]:
    """Shape of an array or table of any library."""
    shape = getattr(y, "shape", None)
    if isinstance(shape, tuple):
        return shape
    try:
        return np.asarray(y).shape
    except ValueError:  # lists of unequal lengths, which validation refuses
        return (len(y),)
