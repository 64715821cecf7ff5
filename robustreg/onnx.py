"""Conversion to ONNX by skl2onnx, also of pipelines that end with an estimator of this package.

Needs the extra ``onnx``: ``pip install "robustreg[onnx]"``. Call :func:`register` once, then convert as usual::

    from skl2onnx import to_onnx

    robustreg.onnx.register()
    to_onnx(model, X[:1])

Every estimator is converted; of a search its ``best_estimator_``. Sums are formed in double precision. A
classifier has two outputs: labels, and probabilities or, where it has none, scores, which for two classes are
those of both, ``(-score, score)``. Of several labels the scores are one for each. Pass the option
``{"zipmap": False}`` to get arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from robustreg import estimators, model_selection
from robustreg._array import Array
from robustreg.losses._softmax import TrueClass

__all__ = ["register"]

# types of tensors, as numbered in the ONNX standard
INT64, STRING, DOUBLE = 7, 8, 11
#: what is divided by is at least this: far below any slope or length that matters, and its reciprocal is finite
TINY = 1e-300


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
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError("Models in ONNX need skl2onnx: pip install 'robustreg[onnx]'.") from error

    choices = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for kind in _estimators():
        classifies = issubclass(kind, ClassifierMixin)
        update_registered_converter(
            kind,
            f"Robustreg{kind.__name__}",
            _classifier_shapes if classifies else _output_shape,
            _convert_classifier if classifies else _convert_output,
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
        values = np.asarray(values)
        name: str = self.scope.get_unique_variable_name("constant")
        flat = [one.encode() if isinstance(one, str) else one for one in values.ravel().tolist()]
        self.container.add_initializer(name, kind, values.shape, flat)
        return name

    def linear(self, coef: Array, intercept: Any) -> str:
        """Return ``X @ coef.T + intercept``, of one column or more."""
        X = self.node("Cast", self.operator.inputs[0].full_name, to=DOUBLE)
        product = self.node("MatMul", X, self.constant(DOUBLE, np.atleast_2d(coef).T))
        return self.node("Add", product, self.constant(DOUBLE, np.atleast_1d(intercept)))

    def give(self, place: int, name: str) -> None:
        output = self.operator.outputs[place]
        self.container.add_node(
            "Cast", [name], output.full_name, op_version=13, to=_proto(output)
        )  # fmt: skip


class _Traced:
    """Values in a graph, with the arithmetic and the array namespace that formulas of losses ask for."""

    dtype = np.dtype(float)

    def __init__(self, graph: _Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def _with(self, kind: str, *operands: Any) -> _Traced:
        names = [
            one.name if isinstance(one, _Traced) else self.graph.constant(DOUBLE, float(one))
            for one in operands
        ]
        return _Traced(self.graph, self.graph.node(kind, *names))

    def __add__(self, other: Any) -> _Traced:
        return self._with("Add", self, other)

    def __mul__(self, other: Any) -> _Traced:
        return self._with("Mul", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> _Traced:
        return self._with("Div", self, other)

    def __pow__(self, other: Any) -> _Traced:
        return self._with("Pow", self, other)

    def __neg__(self) -> _Traced:
        return self._with("Neg", self)

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return _Namespace


class _Namespace:
    """Functions of traced values."""

    finfo = staticmethod(np.finfo)

    @staticmethod
    def clip(x: _Traced, min: Any = None, max: Any = None) -> _Traced:
        x = x if min is None else x._with("Max", x, min)
        return x if max is None else x._with("Min", x, max)


def _proto(variable: Any) -> int:
    from skl2onnx.common.data_types import guess_proto_type

    return int(guess_proto_type(variable.type))


def _floating(operator: Any) -> Any:
    """Type of tensors of numbers: double precision where the input has it."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = operator.inputs[0].type
    return DoubleTensorType if isinstance(kind, DoubleTensorType) else FloatTensorType


def _output_shape(operator: Any) -> None:
    model = operator.raw_operator
    if not hasattr(model, "coef_") and not hasattr(model, "components_"):
        raise TypeError(
            f"{type(model).__name__} has no coefficients: convert its best_estimator_, or fit it first."
        )
    coef = getattr(model, "coef_", None)
    width = len(np.atleast_2d(model.components_ if coef is None else coef))
    n = operator.inputs[0].get_first_dimension()
    operator.outputs[0].set_type(_floating(operator)([n, width]))


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model, n = operator.raw_operator, operator.inputs[0].get_first_dimension()
    several = np.ndim(model.classes_[0]) == 1
    values = np.concatenate(model.classes_) if several else np.asarray(model.classes_)
    words = values.dtype.kind in "OUS"
    if not words and (values != values.astype(np.int64)).any():
        raise TypeError(f"ONNX knows labels that are integers or strings. Got {values.tolist()}.")
    shape = [n, len(model.classes_)] if several else [n]
    operator.outputs[0].set_type((StringTensorType if words else Int64TensorType)(shape))
    operator.outputs[1].set_type(_floating(operator)([n, len(model.classes_)]))


def _convert_output(scope: Any, operator: Any, container: Any) -> None:
    """Predictions of a regressor or ranker, distributions, points of an embedding."""
    graph, model = _Graph(scope, operator, container), operator.raw_operator
    if hasattr(model, "components_"):
        found = graph.linear(model.components_, -model.components_ @ model.mean_)
        if model.normalize:
            length = graph.node("ReduceL2", found, axes=[1], keepdims=1)
            found = graph.node(
                "Div", found, graph.node("Max", length, graph.constant(DOUBLE, TINY))
            )
        graph.give(0, found)
        return
    found = graph.linear(model.coef_, getattr(model, "intercept_", 0.0))
    if model.__sklearn_tags__().target_tags.single_output is False:
        found = graph.node("Softmax", found, axis=1)
    elif getattr(model, "rearrange", False) and np.ndim(model.quantile) == 1:
        k = graph.constant(INT64, [len(model.quantile)])
        ordered = scope.get_unique_variable_name("sorted"), scope.get_unique_variable_name("places")
        container.add_node(
            "TopK", [found, k], list(ordered), op_version=11, axis=1, largest=0, sorted=1
        )
        rank = np.argsort(np.argsort(model.quantile, kind="stable"))
        found = graph.node("Gather", ordered[0], graph.constant(INT64, rank), axis=1)
    graph.give(0, found)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, operator, container), operator.raw_operator
    scores = graph.linear(model.coef_, model.intercept_)
    if np.ndim(model.classes_[0]) == 1:
        _convert_labels(graph, model, scores)
        return
    two = len(model.classes_) == 2
    if two:
        scores = graph.node("Concat", graph.node("Neg", scores), scores, axis=1)
    words = _proto(operator.outputs[0]) == STRING
    names = np.asarray(model.classes_).astype(str if words else np.int64)
    best = graph.node("ArgMax", scores, axis=1, keepdims=0)
    label = graph.node("Gather", graph.constant(STRING if words else INT64, names), best, axis=0)
    container.add_node("Identity", [label], operator.outputs[0].full_name, op_version=13)
    if hasattr(model, "predict_proba"):
        softmax = {"axis": 1}
        scores = graph.node("Sigmoid", scores) if two else graph.node("Softmax", scores, **softmax)
        if (loss := model._modulated()) is not None:
            scores = _conditional(graph, loss, scores, len(model.classes_))
    graph.give(1, scores)


def _convert_labels(graph: _Graph, model: Any, scores: str) -> None:
    """Several labels for each sample: 1 where the score is positive."""
    graph.give(0, graph.node("Greater", scores, graph.constant(DOUBLE, 0.0)))
    graph.give(1, graph.node("Sigmoid", scores) if hasattr(model, "predict_proba") else scores)


def _conditional(graph: _Graph, loss: Any, softmax: str, n_classes: int) -> str:
    """Return the probabilities that scores stand for, as `robustreg.estimators._probability.conditional`.

    The gradient for the true class k is ``slope(c_k) * (p - e_k)``, so that probabilities are in proportion
    to ``p_k / slope(c_k)``.
    """
    others = graph.constant(DOUBLE, 1.0 - np.eye(n_classes))
    p, q = _Traced(graph, softmax), _Traced(graph, graph.node("MatMul", softmax, others))
    tiny = np.finfo(float).smallest_normal
    entropy = -_Traced(graph, graph.node("Log", _Namespace.clip(p, min=tiny).name))
    slope = loss.slope(TrueClass(entropy, p, q, p))
    share = p / _Namespace.clip(slope, min=TINY)
    total = graph.node("ReduceSum", share.name, graph.constant(INT64, [1]), keepdims=1)
    return graph.node("Div", share.name, total)
