"""Fits of one model to the same rows, with one set of parameters after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.base import clone

from robustreg._array import Array
from robustreg.data import WorkingSet
from robustreg.estimators._base import LinearModel, Prepared
from robustreg.estimators._units import Units

#: the default ``tol``, at which where a fit began does not show in what it says; and iterations that fits hardly ever
#: need, from a start of their own (machine: 155 fits of the tests take at most 80)
TIGHT, ENOUGH = 1e-8, 100
#: parameters that the units of y do not depend on
STRENGTH = {"alpha", "l1_ratio"}


class FitSequence:
    """Rows that are read and prepared once, and fitted with one set of parameters after another.

    Where the objective has one minimum each fit starts from the last one, and otherwise as a fit of
    its own does: so it ends where that ends. A fit that may stop short of its minimum, by a loose
    ``tol`` or a small ``max_iter``, is one of its own, too.

    Parameters
    ----------
    model : LinearModel
        A copy of it is fitted, see `serves`.
    X, y, sample_weight
        As of its ``fit``.
    """

    def __init__(self, model: LinearModel, X: Any, y: Any, sample_weight: Any = None) -> None:
        self.model: LinearModel = clone(model)
        self._names = self.model.get_params(deep=False).keys()
        self._given = X, y, sample_weight
        self._rows: tuple[Any, Array] | None = None
        self._key: Any = None
        self._units: Units | None = None
        self._prepared: Prepared | None = None
        self._working = WorkingSet()
        self._penalty: Any = None
        self._in_common: dict[str, Any] = {}

    @staticmethod
    def serves(model: Any) -> bool:
        """Whether a model is fitted in the way of all linear models, and tells nobody of its steps."""
        ordinary = isinstance(model, LinearModel) and type(model).fit is LinearModel.fit
        return ordinary and not getattr(model, "_skl_callbacks", None)

    @staticmethod
    def shares(model: LinearModel) -> bool:
        """Whether fits of one penalty have in common what those of another have not."""
        return model._shares()

    def fit(self, **parameters: Any) -> LinearModel:
        """Return the model fitted with these parameters; it is overwritten by the next fit."""
        model: LinearModel = self.model
        if parameters.keys() <= self._names:  # set_params asks for all of them first
            if any(
                getattr(model, name) is not parameters[name]
                for name in parameters.keys() - STRENGTH
            ):
                self._units = None
            for name, value in parameters.items():
                setattr(model, name, value)
        else:
            self._units = None
            model.set_params(**parameters)
        if model._is_several(self._given[1]):
            again: LinearModel = clone(model).fit(*self._given)
            return again
        asked = getattr(model, "warm_start", None)
        try:
            model._fit(*self._given, self.read, self._prepare, self._share)
            return model
        finally:
            if asked is not None:
                model.warm_start = asked

    def forget(self) -> None:
        """Let the next fit begin without what the last one has found; rows stay prepared."""
        self.model.__dict__.pop("coef_", None)
        self._working = WorkingSet()

    def read(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return the rows and targets as all fits see them."""
        if self._rows is None:
            self._rows = self.model._read(X, y)
        return self._rows

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        model, first = self.model, self._prepared is None
        how = model._preparation()
        if self._units is None:
            self._units = model._units(y, weight, mass)
        key = self._units, how["reduce"], how["resolve"], how["penalised"]
        if self._prepared is None or key != self._key:
            self._prepared = model._prepare(X, y, weight, mass)
            # rows that were set aside belong to one fit
            self._key = key if self._prepared.far is None else None
            self._working = WorkingSet()
        if hasattr(model, "warm_start"):
            model.warm_start = not first and self._is_near() and model._has_one_minimum()
        working = self._working if self._is_near() else None
        return self._prepared._replace(data=replace(self._prepared.data, working=working))

    def _is_near(self) -> bool:
        """Whether a fit ends at its minimum, so that it may take what its neighbours know."""
        return bool(self.model.tol <= TIGHT and self.model.max_iter >= ENOUGH)

    def _share(self, prepared: Prepared) -> dict[str, Any]:
        if not self._is_near():
            return {}
        penalty = self.model._penalty(1.0), id(self._prepared)
        if penalty != self._penalty:
            self._in_common, self._penalty = self.model._shared(prepared), penalty
        return self._in_common
