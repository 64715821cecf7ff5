"""Losses as functions of JAX's automatic differentiation and compilation, from their own derivatives.

Values and derivatives are primitives of JAX that NumPy computes on the host: at once where the numbers are
known, and by a callback where they are traced. So they are those of NumPy to the last bit, and input is
checked by its numbers under ``jax.jit`` as well. ``grad``, ``jvp``, ``hessian``, ``vmap`` and ``jit`` work; a third
derivative is refused.

This file is imported when an array of JAX arrives, and JAX with it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from robustreg._array import Array
from robustreg.losses._graph import Form, evaluate_in_graph
from robustreg.losses._inputs import Inputs, Loss, arrange


def evaluate_jax(loss: Loss, given: Inputs, reduction: str, return_gradient: bool) -> Any:
    """Value of a loss as JAX traces it, with its gradient, a constant, where asked for."""
    problem = arrange(loss, given)
    if loss.of_difference:  # any numbers will do, and their shapes are known while JAX traces
        loss.check(*(np.broadcast_to(0.0, a.shape) for a in (problem.y, problem.raw)), None)
    # A copy: a compiled function must not change with the hyper-parameters of an object.
    return evaluate_in_graph(_Calls, copy.deepcopy(loss), given, reduction, return_gradient)


class _Form(Form):
    """A loss with its derivatives, as functions of NumPy arrays one by one."""

    constant = "jax.lax.stop_gradient({})"


class _Calls:
    """What JAX differentiates."""

    form: ClassVar[type[Form]] = _Form

    @staticmethod
    def look(check: Callable[..., None], *arrays: Array) -> Array:
        """Check what the arrays hold: a zero that the other primitives wait for."""
        return _look.bind(*map(jax.lax.stop_gradient, arrays), call=check)[0]

    @staticmethod
    def values(form: Form, looked: Array, *inputs: Any) -> Array:
        """Values: ``(y, weight, extra, *raws)``."""
        call, operands = _Call.of(form, inputs)
        return _values.bind(looked, *operands, call=call)[0]

    @staticmethod
    def gradient(form: Form, looked: Array, *inputs: Any) -> list[Array]:
        """Pullback of a cotangent, a constant: ``(y, weight, extra, cotangent, *raws)``."""
        y, weight, extra, cotangent, *raws = inputs
        call, operands = _Call.of(form, (y, weight, extra, *raws))
        parts = _gradient.bind(looked, *operands, cotangent, call=call)
        return [jax.lax.stop_gradient(part) for part in parts]

    @staticmethod
    def plain(array: Any, target: bool) -> Any:
        """Return what NumPy knows: of half precision with 8 bits it knows nothing."""
        if array.dtype != jnp.bfloat16:
            return array
        wide = array.astype(np.float32)
        # How nearly the targets of a row must sum to one depends on their type.
        return wide.astype(np.float16) if target and np.all(np.abs(wide) < 6e4) else wide


@dataclass(frozen=True, eq=False)
class _Call:
    """How operands of the primitives are to be read.

    They are the result of `_Calls.look`, targets, weights and own parameters as far as there are any, the
    predictions, and what a primitive needs besides: a cotangent, and directions, in the order in which
    predictions and then own parameters move.
    """

    form: Form
    given: tuple[bool, bool, bool]
    n_raws: int

    @classmethod
    def of(cls, form: Form, inputs: tuple[Any, ...]) -> tuple[_Call, list[Any]]:
        """Return how to read the inputs ``(y, weight, extra, *raws)``, and those that there are."""
        given = inputs[0] is not None, inputs[1] is not None, inputs[2] is not None
        return cls(form, given, len(inputs) - 3), [a for a in inputs if a is not None]

    @property
    def n_fixed(self) -> int:
        """Operands before the predictions."""
        return 1 + sum(self.given)

    @property
    def n_state(self) -> int:
        """Operands up to the predictions."""
        return self.n_fixed + self.n_raws

    @property
    def n_moving(self) -> int:
        """Predictions and own parameters."""
        return self.n_raws + self.given[2]

    def inputs(self, operands: Any) -> tuple[Any, Any, Any, tuple[Any, ...]]:
        """Targets, weights, own parameters and predictions."""
        rest = iter(operands[1 : self.n_fixed])
        y, weight, extra = (next(rest) if there else None for there in self.given)
        return y, weight, extra, tuple(operands[self.n_fixed : self.n_state])

    def moving(self, operands: Any) -> list[Any]:
        """Predictions, then own parameters where there are any."""
        own = [operands[self.n_fixed - 1]] if self.given[2] else []
        return [*operands[self.n_fixed : self.n_state], *own]

    def directions(self, tangents: Any) -> list[Any] | None:
        """Tangents of what moves; None where all are zero. Those of targets and weights are refused."""
        y, weight, *_ = self.inputs(tangents)
        self.form.refuse(*(t is not None and type(t) is not ad.Zero for t in (y, weight)))
        return _filled(self.moving(tangents))


def _filled(tangents: list[Any]) -> list[Any] | None:
    """Tangents without symbols for zeros; None where all are zero."""
    if all(type(t) is ad.Zero for t in tangents):
        return None
    return [ad.instantiate_zeros(t) for t in tangents]


def _sum(terms: list[list[Any]]) -> list[Any]:
    """Sum lists of arrays, entry by entry."""
    return [functools.reduce(jnp.add, parts) for parts in zip(*terms, strict=True)]


def _primitive(
    name: str,
    compute: Callable[[Any, Any], Any],
    shapes: Callable[[Any, Any], Any],
    differentiate: Callable[..., list[Any]] | None = None,
    transpose: Callable[..., Any] | None = None,
) -> Primitive:
    """Make a primitive of JAX from a function of NumPy arrays.

    Parameters
    ----------
    name : str
        What JAX shows of it.
    compute : callable
        From a call and operands to arrays.
    shapes : callable
        From a call and operands, of which only the shapes are known, to the shapes of these arrays.
    differentiate : callable, optional
        From a call, operands and tangents to terms of the tangent of the arrays: lists of arrays.
    transpose : callable, optional
        From a call, operands and cotangents of the arrays to a pair: at which operand what is linear
        begins, and its cotangents.
    """
    primitive = Primitive(f"robustreg_{name}")
    primitive.multiple_results = True

    def outputs(call: Any, operands: Any) -> list[Any]:
        kind = operands[-1].dtype
        return [jax.ShapeDtypeStruct(shape, kind) for shape in shapes(call, operands)]

    def host(call: Any, *operands: Any) -> list[np.ndarray]:
        arrays = [np.asarray(a) for a in operands]
        with np.errstate(all="ignore"):  # infinities are answers; NaN is what tests look for
            found = compute(call, arrays)
        pairs = zip(found, outputs(call, arrays), strict=True)
        return [np.asarray(a, dtype=out.dtype).reshape(out.shape) for a, out in pairs]

    def at_once(*operands: Any, call: Any) -> list[Any]:
        devices = jnp.asarray(operands[-1]).devices()
        device = next(iter(devices)) if len(devices) == 1 else None
        return [jnp.asarray(a, device=device) for a in host(call, *operands)]

    def traced(*operands: Any, call: Any) -> Any:
        function = functools.partial(host, call)
        return jax.pure_callback(function, outputs(call, operands), *operands)

    def jvp(operands: Any, tangents: Any, *, call: Any) -> tuple[Any, Any]:
        assert differentiate is not None
        found = primitive.bind(*operands, call=call)
        return found, _sum(differentiate(call, operands, tangents))

    def transposed(cotangents: Any, *operands: Any, call: Any) -> list[Any]:
        assert transpose is not None
        first, parts = transpose(call, operands, [ad.instantiate_zeros(c) for c in cotangents])
        found: list[Any] = [None] * len(operands)
        for at, part in enumerate(parts, start=first):
            found[at] = part if ad.is_undefined_primal(operands[at]) else None
        return found

    def batched(operands: Any, axes: Any, *, call: Any) -> tuple[Any, Any]:
        """Call for each entry of a batch: the formulas choose by what they see, as a whole."""
        pairs = list(zip(operands, axes, strict=True))
        moved = [jnp.moveaxis(a, axis, 0) for a, axis in pairs if axis is not None]

        def one(rows: list[Any]) -> Any:
            rest = iter(rows)
            each = [a if axis is None else next(rest) for a, axis in pairs]
            return primitive.bind(*each, call=call)

        found = jax.lax.map(one, moved)
        return found, [0] * len(found)

    primitive.def_impl(at_once)
    primitive.def_abstract_eval(
        lambda *avals, call: [
            jax.core.ShapedArray(out.shape, out.dtype) for out in outputs(call, avals)
        ]
    )
    if differentiate is not None:
        ad.primitive_jvps[primitive] = jvp
    if transpose is not None:
        ad.primitive_transposes[primitive] = transposed
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(traced, multiple_results=True))
    return primitive


def _look_at(check: Callable[..., None], arrays: list[np.ndarray]) -> list[np.ndarray]:
    check(*arrays)
    return [np.zeros(())]


def _values_of(call: _Call, arrays: Any) -> list[np.ndarray]:
    return [call.form.values(*call.inputs(arrays))]


def _slope_along(call: _Call, arrays: Any) -> list[np.ndarray]:
    return [call.form.slope(*call.inputs(arrays), tuple(arrays[call.n_state :]))]


def _pullback(call: _Call, arrays: Any) -> Any:
    y, weight, extra, raws = call.inputs(arrays)
    return call.form.gradient(y, weight, extra, arrays[call.n_state], raws)


def _product(call: _Call, arrays: Any) -> Any:
    """Hessian of the inner product of values and cotangent, times a direction."""
    y, weight, extra, raws = call.inputs(arrays)
    cotangent, *along = arrays[call.n_state :]
    return call.form.curvature(y, weight, extra, cotangent, raws, tuple(along))


def _bend_along(call: _Call, arrays: Any) -> list[np.ndarray]:
    """Second derivative of each value along two directions."""
    state, rest = arrays[: call.n_state], arrays[call.n_state :]
    one, other = rest[: call.n_moving], rest[call.n_moving :]
    (shape,) = _shape_of_values(call, arrays)

    def products(cotangent: np.ndarray) -> list[np.ndarray]:
        parts = _product(call, [*state, cotangent, *one])
        return [p * d for p, d in zip(parts, other, strict=True)]

    if call.form.loss.additive and not call.given[2]:
        each = products(np.ones(shape))
        return [sum(p.reshape(*shape, -1).sum(axis=-1) for p in each)]
    found = np.empty(shape)
    for at in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        found[at] = sum(p.sum() for p in products(unit))
    return [found]


def _shape_of_values(call: _Call, operands: Any) -> list[tuple[int, ...]]:
    return [call.form.loss.shape(call.form.raw(call.inputs(operands)[3]))]


def _shapes_of_moving(call: _Call, operands: Any) -> list[tuple[int, ...]]:
    return [tuple(a.shape) for a in call.moving(operands)]


def _differentiate_values(call: _Call, operands: Any, tangents: Any) -> list[Any]:
    along = call.directions(tangents)
    return [] if along is None else [_slope.bind(*operands, *along, call=call)]


def _differentiate_slope(call: _Call, operands: Any, tangents: Any) -> list[Any]:
    state, terms = operands[: call.n_state], []
    moved, along = call.directions(tangents), _filled(tangents[call.n_state :])
    if along is not None:
        terms.append(_slope.bind(*state, *along, call=call))
    if moved is not None:
        terms.append(_bend.bind(*operands, *moved, call=call))
    return terms


def _differentiate_gradient(call: _Call, operands: Any, tangents: Any) -> list[Any]:
    state, terms = operands[: call.n_state], []
    moved, cotangent = call.directions(tangents), _filled(tangents[call.n_state :])
    if cotangent is not None:
        terms.append(_gradient.bind(*state, *cotangent, call=call))
    if moved is not None:
        terms.append(_curvature.bind(*operands, *moved, call=call))
    return terms


def _differentiate_curvature(call: _Call, operands: Any, tangents: Any) -> list[Any]:
    return _differentiate_second(_curvature, 1, call, operands, tangents)


def _differentiate_bend(call: _Call, operands: Any, tangents: Any) -> list[Any]:
    return _differentiate_second(_bend, call.n_moving, call, operands, tangents)


def _differentiate_second(
    primitive: Primitive, size: int, call: _Call, operands: Any, tangents: Any
) -> list[Any]:
    """Of what is linear in two parts behind the predictions, the first of this size."""
    if call.directions(tangents) is not None:
        raise NotImplementedError(
            f"{type(call.form.loss).__name__} has two derivatives: a third was asked for."
        )
    state, middle = operands[: call.n_state], call.n_state + size
    one, other = operands[call.n_state : middle], operands[middle:]
    d_one, d_other = _filled(tangents[call.n_state : middle]), _filled(tangents[middle:])
    terms = []
    if d_one is not None:
        terms.append(primitive.bind(*state, *d_one, *other, call=call))
    if d_other is not None:
        terms.append(primitive.bind(*state, *one, *d_other, call=call))
    return terms


def _transpose_slope(call: _Call, operands: Any, cotangents: Any) -> tuple[int, Any]:
    return call.n_state, _gradient.bind(*operands[: call.n_state], *cotangents, call=call)


def _transpose_gradient(call: _Call, operands: Any, cotangents: Any) -> tuple[int, Any]:
    return call.n_state, _slope.bind(*operands[: call.n_state], *cotangents, call=call)


def _transpose_curvature(call: _Call, operands: Any, cotangents: Any) -> tuple[int, Any]:
    state, (at, *along) = operands[: call.n_state], operands[call.n_state :]
    if ad.is_undefined_primal(at):
        return call.n_state, _bend.bind(*state, *along, *cotangents, call=call)
    return call.n_state + 1, _curvature.bind(*state, at, *cotangents, call=call)


def _transpose_bend(call: _Call, operands: Any, cotangents: Any) -> tuple[int, Any]:
    state, middle = operands[: call.n_state], call.n_state + call.n_moving
    one, other = operands[call.n_state : middle], operands[middle:]
    if any(ad.is_undefined_primal(d) for d in one):
        return call.n_state, _curvature.bind(*state, *cotangents, *other, call=call)
    return middle, _curvature.bind(*state, *cotangents, *one, call=call)


_look = _primitive("look", _look_at, lambda *_: [()])
_values = _primitive("values", _values_of, _shape_of_values, _differentiate_values)
_slope = _primitive("slope", _slope_along, _shape_of_values, _differentiate_slope, _transpose_slope)
_gradient = _primitive(
    "gradient", _pullback, _shapes_of_moving, _differentiate_gradient, _transpose_gradient
)
_curvature = _primitive(
    "curvature", _product, _shapes_of_moving, _differentiate_curvature, _transpose_curvature
)
_bend = _primitive("bend", _bend_along, _shape_of_values, _differentiate_bend, _transpose_bend)
