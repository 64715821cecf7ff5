"""Arrays of other namespaces than NumPy's: models meet views of them, and answer in their kind."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from inspect import isfunction, signature
from typing import Any

import numpy as np
from sklearn import get_config

from robustreg._array import Array, here, is_foreign, is_on_device, kind_of, moved, name_of, to_host
from robustreg.device_rows import DeviceRows

#: methods that take rows
METHODS = (
    "fit", "predict", "decision_function", "predict_proba", "predict_log_proba", "transform",
    "outliers", "score",
)  # fmt: skip
#: kinds of NumPy's types that other namespaces have, too: texts and objects stay NumPy's
NUMBERS = "biuf"


class AcceptsArrays:
    """A model whose methods take arrays of any namespace that NumPy can read in place.

    With scikit-learn's ``array_api_dispatch`` answers and fitted arrays are of the namespace of X, on its
    device; without it they are NumPy's.
    """

    #: whether an X that NumPy cannot read may stay on its device
    _serves_devices = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in METHODS:
            method = cls.__dict__.get(name)
            if isfunction(method):  # methods that not every instance has call one that is wrapped
                setattr(cls, name, _in_kind(method))


def _in_kind(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method of a class that meets NumPy's arrays alone, and answers in the kind of X."""
    names = list(signature(method).parameters)[1:]

    @wraps(method)
    def answer(self: Any, *args: Any, **named: Any) -> Any:
        fitted = self.__dict__.get("_kind")
        if fitted is None and not any(map(is_foreign, (*args, *named.values()))):
            return method(self, *args, **named)
        X = args[0] if args else named.get("X")
        kind = kind_of(X) if is_foreign(X) and get_config()["array_api_dispatch"] else None
        read = _read if kind is not None and self._serves_devices and is_on_device(X) else here
        args = tuple(read(value, "".join(names[i : i + 1])) for i, value in enumerate(args))
        named = {name: read(value, name) for name, value in named.items()}
        if method.__name__ != "fit":
            _refuse_other(self, X, fitted)
            return _outward(method(in_numpy(self), *args, **named), kind)
        self.__dict__ = in_numpy(self).__dict__
        method(self, *args, **named)
        if kind is not None:
            self.__dict__.update({k: _outward(v, kind) for k, v in _fitted(self)}, _kind=kind)
        return self

    return answer


def _read(value: Any, name: str) -> Any:
    """Return X where it is, and what has one number a row, beside it, in this process."""
    if not is_on_device(value):
        return here(value, name)
    return DeviceRows.of(value) if name == "X" else to_host(value)


def in_numpy(model: Any) -> Any:
    """Return a model whose fitted arrays are NumPy's: itself, or a shallow copy."""
    if "_kind" not in model.__dict__:
        return model
    bare = copy(model)
    del bare._kind
    arrays = {name: to_host(value) for name, value in _fitted(bare) if is_foreign(value)}
    bare.__dict__.update(arrays)
    return bare


def _fitted(model: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in model.__dict__.items() if name.endswith("_")]


def _outward(value: Any, kind: Array | None) -> Any:
    """Return an array of numbers in a kind; anything else as it is."""
    if kind is None or type(value) is not np.ndarray or value.dtype.kind not in NUMBERS:
        return value
    return moved(value, kind)


def _refuse_other(model: Any, X: Any, fitted: Array | None) -> None:
    """Refuse X of another namespace or device than those of the fit."""
    given, wanted = name_of(X), name_of(fitted)
    if fitted is not None and given != wanted:
        raise ValueError(
            f"X is of {given}, and {type(model).__name__} was fitted to arrays of {wanted}: pass X of that kind."
        )
