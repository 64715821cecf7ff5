"""Fits of one model to the same rows, with one set of parameters after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.base import clone

from robustreg._array import Array
from robustreg.data import WorkingSet
from robustreg.estimators._base import LinearModel, Prepared


class FitSequence:
    """Rows that are read and prepared once, and fitted with one set of parameters after another.

    Where the objective has one minimum each fit starts from the last one, and otherwise as a fit of
    its own does: so it ends where that ends.

    Parameters
    ----------
    model : LinearModel
        A copy of it is fitted, see `serves`.
    X, y, sample_weight
        As of its ``fit``.
    """

    def __init__(self, model: LinearModel, X: Any, y: Any, sample_weight: Any = None) -> None:
        self.model: LinearModel = clone(model)
        self._given = X, y, sample_weight
        self._rows: tuple[Any, Array] | None = None
        self._key: Any = None
        self._prepared: Prepared | None = None
        self._penalty: Any = None
        self._in_common: dict[str, Any] = {}

    @staticmethod
    def serves(model: Any) -> bool:
        """Whether a model is fitted in the way of all linear models, and tells nobody of its steps."""
        ordinary = isinstance(model, LinearModel) and type(model).fit is LinearModel.fit
        return ordinary and not getattr(model, "_skl_callbacks", None)

    def fit(self, **parameters: Any) -> LinearModel:
        """Return the model fitted with these parameters; it is overwritten by the next fit."""
        model: LinearModel = self.model.set_params(**parameters)
        if model._is_several(self._given[1]):
            again: LinearModel = clone(model).fit(*self._given)
            return again
        asked = getattr(model, "warm_start", None)
        if asked is not None:
            model.warm_start = self._prepared is not None and model._has_one_minimum()
        try:
            model._fit(*self._given, self.read, self._prepare, self._share)
            return model
        finally:
            if asked is not None:
                model.warm_start = asked

    def read(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return the rows and targets as all fits see them."""
        if self._rows is None:
            self._rows = self.model._read(X, y)
        return self._rows

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        how = self.model._preparation()
        key = self.model._units(y, weight, mass), how["reduce"], how["resolve"]
        if self._prepared is None or key != self._key:
            found = self.model._prepare(X, y, weight, mass)
            self._prepared = found._replace(data=replace(found.data, working=WorkingSet()))
            # rows that were set aside belong to one fit
            self._key = key if getattr(self.model, "_far", None) is None else None
        return self._prepared

    def _share(self, prepared: Prepared) -> dict[str, Any]:
        penalty = self.model._penalty(1.0), id(prepared)
        if penalty != self._penalty:
            self._in_common, self._penalty = self.model._shared(prepared), penalty
        return self._in_common
