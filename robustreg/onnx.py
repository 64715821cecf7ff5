"""Conversion to ONNX by skl2onnx, also of pipelines that end with an estimator of this package.

Needs the extra ``onnx``: ``pip install "robustreg[onnx]"``. Call :func:`register` once, then convert as usual::

    from skl2onnx import to_onnx

    robustreg.onnx.register()
    to_onnx(model, X[:1])

Sums are formed in double precision. A classifier has two outputs: labels, and probabilities or, where it has none,
scores, which for two classes are those of both, ``(-score, score)``. The models of focal and poly loss, of several
labels and of distributions have no twin in scikit-learn and are refused (:func:`robustreg.export.to_sklearn`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from robustreg import estimators, model_selection
from robustreg.export import to_sklearn

__all__ = ["register"]

# types of tensors, as numbered in the ONNX standard
INT64, STRING, DOUBLE = 7, 8, 11


def register() -> None:
    """Tell skl2onnx how the estimators of this package are converted.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> from contextlib import suppress
    >>> from robustreg import onnx
    >>> with suppress(ImportError):  # skl2onnx is not installed
    ...     onnx.register()
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    choices = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for kind in _estimators():
        classifies = issubclass(kind, ClassifierMixin)
        update_registered_converter(
            kind,
            f"Robustreg{kind.__name__}",
            calculate_linear_classifier_output_shapes
            if classifies
            else calculate_linear_regressor_output_shapes,
            _convert_classifier if classifies else _convert_regressor,
            options=choices if classifies else None,
        )


def _estimators() -> list[type]:
    """Every estimator of the package."""
    found = [
        getattr(module, name) for module in (estimators, model_selection) for name in module.__all__
    ]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseEstimator)]


class _Graph:
    """Nodes in double precision whatever the input has: single precision rounds probabilities at 1e-7."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self.scope, self.operator, self.container = scope, operator, container

    def node(self, kind: str, *inputs: str, version: int = 13, **attributes: Any) -> str:
        name: str = self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(kind, list(inputs), name, op_version=version, **attributes)
        return name

    def constant(self, kind: int, values: Any) -> str:
        name: str = self.scope.get_unique_variable_name("constant")
        flat = [one.encode() if isinstance(one, str) else one for one in values.ravel().tolist()]
        self.container.add_initializer(name, kind, values.shape, flat)
        return name

    def cast(self, name: str) -> str:
        return self.node("Cast", name, to=DOUBLE)

    def scores(self, twin: Any) -> str:
        """Return ``X @ coef_.T + intercept_``, of one column or more."""
        coef, intercept = np.atleast_2d(twin.coef_), np.atleast_1d(twin.intercept_)
        X = self.cast(self.operator.inputs[0].full_name)
        product = self.node("MatMul", X, self.constant(DOUBLE, coef.T))
        return self.node("Add", product, self.constant(DOUBLE, intercept))

    def give(self, place: int, name: str, kind: int) -> None:
        output = self.operator.outputs[place].full_name
        self.container.add_node("Cast", [name], output, op_version=13, to=kind)


def _proto(variable: Any) -> int:
    from skl2onnx.common.data_types import guess_proto_type

    return int(guess_proto_type(variable.type))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, operator, container)
    graph.give(0, graph.scores(to_sklearn(operator.raw_operator)), _proto(operator.outputs[0]))


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, twin = _Graph(scope, operator, container), to_sklearn(operator.raw_operator)
    scores = graph.scores(twin)
    two = len(twin.classes_) == 2
    if two:
        scores = graph.node("Concat", graph.node("Neg", scores), scores, axis=1)
    words = _proto(operator.outputs[0]) == STRING
    names = twin.classes_.astype(str if words else np.int64)
    best = graph.node("ArgMax", scores, axis=1, keepdims=0)
    label = graph.node("Gather", graph.constant(STRING if words else INT64, names), best, axis=0)
    container.add_node("Identity", [label], operator.outputs[0].full_name, op_version=13)
    if hasattr(twin, "predict_proba"):
        scores = graph.node("Sigmoid", scores) if two else graph.node("Softmax", scores, axis=1)
    graph.give(1, scores, _proto(operator.outputs[1]))
