"""Losses as functions of PyTorch's automatic differentiation, from their own derivatives.

This file is imported when a tensor arrives, and PyTorch with it. All transforms of ``torch.func`` work;
a third derivative is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

import torch

from robustreg._array import Array
from robustreg.losses._graph import Form, evaluate_in_graph
from robustreg.losses._inputs import Inputs, Loss


def evaluate_tensors(loss: Loss, given: Inputs, reduction: str, return_gradient: bool) -> Any:
    """Value of a loss in the graph of the tensors, with its gradient, a constant, where asked for."""
    return evaluate_in_graph(_Calls, loss, given, reduction, return_gradient)


def _at_full_precision(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep products of matrices in the type of their factors, under ``torch.autocast`` as well."""

    @functools.wraps(method)
    def function(form: _Form, *tensors: Any) -> Any:
        kind = next(t.device.type for t in tensors[-1])
        usual = kind in ("cpu", "cuda")
        with torch.autocast(kind, enabled=False) if usual else nullcontext():
            return method(form, *tensors)

    return function


class _Form(Form):
    """A loss with its derivatives, as functions of tensors one by one."""

    constant = "{}.detach()"
    values = _at_full_precision(Form.values)
    gradient = _at_full_precision(Form.gradient)
    curvature = _at_full_precision(Form.curvature)
    slope = _at_full_precision(Form.slope)


class _Calls:
    """What PyTorch differentiates."""

    form: ClassVar[type[Form]] = _Form

    @staticmethod
    def look(check: Callable[..., None], *arrays: Array) -> None:
        """Check what the tensors hold; there is nothing to wait for."""
        _Look.apply(check, *arrays)

    @staticmethod
    def plain(array: Array, target: bool) -> Array:
        """Return the tensor: the checks are written for all."""
        return array

    @staticmethod
    def values(form: Form, looked: None, *inputs: Any) -> Array:
        """Values: ``(y, weight, extra, *raws)``."""
        return _Values.apply(form, *inputs)

    @staticmethod
    def gradient(form: Form, looked: None, *inputs: Any) -> list[Array]:
        """Pullback of a cotangent, a constant: ``(y, weight, extra, cotangent, *raws)``."""
        return [part.detach() for part in _Gradient.apply(form, *inputs)]


class _Function(torch.autograd.Function):
    """What the functions below share: what they keep, and one call for each entry of a batch."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        form, *tensors = inputs
        ctx.form = form
        ctx.set_materialize_grads(False)  # None says that a derivative is not asked for
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @classmethod
    def _each(cls, info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Apply to each entry of a batch: the formulas choose by what they see, as a whole."""
        rows = [
            [x if d is None else x.select(d, i) for x, d in zip(inputs, in_dims, strict=True)]
            for i in range(info.batch_size)
        ]
        outputs = [cls.apply(*row) for row in rows]
        if isinstance(outputs[0], tuple):
            stacked = tuple(torch.stack(parts) for parts in zip(*outputs, strict=True))
            return stacked, (0,) * len(stacked)
        return torch.stack(outputs), 0


class _Look(torch.autograd.Function):
    """The checks, on what the tensors hold rather than on what a transform makes of them."""

    @staticmethod
    def forward(look: Any, *tensors: Array) -> Array:
        look(*tensors)
        return tensors[0].new_zeros(())

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        raise AssertionError("a check has no derivative")

    @staticmethod
    def jvp(ctx: Any, *along: Any) -> None:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: Any, look: Any, *tensors: Array) -> Any:
        for i in range(info.batch_size):
            pairs = zip(tensors, in_dims[1:], strict=True)
            found = _Look.apply(look, *(t if d is None else t.select(d, i) for t, d in pairs))
        return found, None


def _filled(along: Any, tensors: Any) -> tuple[Array, ...]:
    """Directions, zero where there is none."""
    pairs = zip(along, tensors, strict=True)
    return tuple(torch.zeros_like(t) if d is None else d for d, t in pairs)


def _moving(extra: Array | None, raws: tuple[Array, ...]) -> tuple[Array, ...]:
    return raws if extra is None else (*raws, extra)


class _Values(_Function):
    """Values of a loss: ``(form, y, weight, extra, *raws)``."""

    @staticmethod
    def forward(form: Form, y: Any, weight: Any, extra: Any, *raws: Array) -> Array:
        return form.values(y, weight, extra, raws)

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        if cotangent is None:
            return (None,) * len(ctx.needs_input_grad)
        ctx.form.refuse(*ctx.needs_input_grad[1:3])
        y, weight, extra, *raws = ctx.saved_tensors
        found = _Gradient.apply(ctx.form, y, weight, extra, cotangent, *raws)
        if extra is None:
            return None, None, None, None, *found
        return None, None, None, found[-1], *found[:-1]

    @staticmethod
    def jvp(ctx: Any, _: Any, y: Any, weight: Any, extra: Any, *along: Any) -> Array:
        ctx.form.refuse(y is not None, weight is not None)
        fixed, raws = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        moving = _moving(fixed[2], raws)
        directions = along if fixed[2] is None else (*along, extra)
        return _Slope.apply(ctx.form, *fixed, len(raws), *raws, *_filled(directions, moving))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _Values._each(info, in_dims, *inputs)


class _Gradient(_Function):
    """Pullback of the values: ``(form, y, weight, extra, cotangent, *raws)``."""

    @staticmethod
    def forward(form: Form, y: Any, weight: Any, extra: Any, cotangent: Array, *raws: Array) -> Any:
        return form.gradient(y, weight, extra, cotangent, raws)

    @staticmethod
    def backward(ctx: Any, *along: Any) -> Any:
        if all(d is None for d in along):
            return (None,) * len(ctx.needs_input_grad)
        ctx.form.refuse(*ctx.needs_input_grad[1:3])
        y, weight, extra, cotangent, *raws = ctx.saved_tensors
        along = _filled(along, _moving(extra, tuple(raws)))
        fixed = ctx.form, y, weight, extra
        d_cotangent = _Slope.apply(*fixed, len(raws), *raws, *along)
        found = _Curvature.apply(*fixed, len(raws), cotangent, *raws, *along)
        if extra is None:
            return None, None, None, None, d_cotangent, *found
        return None, None, None, found[-1], d_cotangent, *found[:-1]

    @staticmethod
    def jvp(ctx: Any, _: Any, y: Any, weight: Any, extra: Any, cotangent: Any, *along: Any) -> Any:
        ctx.form.refuse(y is not None, weight is not None)
        y, weight, own, at, *raws = ctx.saved_tensors
        fixed = ctx.form, y, weight, own
        directions = _filled(along if own is None else (*along, extra), _moving(own, tuple(raws)))
        found = _Curvature.apply(*fixed, len(raws), at, *raws, *directions)
        if cotangent is None:
            return tuple(found)
        more = _Gradient.apply(*fixed, cotangent, *raws)
        return tuple(a + b for a, b in zip(found, more, strict=True))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _Gradient._each(info, in_dims, *inputs)


class _Slope(_Function):
    """Derivative of the values: ``(form, y, weight, extra, n_raws, *raws, *directions)``."""

    @staticmethod
    def forward(form: Form, y: Any, weight: Any, extra: Any, n: int, *rest: Array) -> Array:
        return form.slope(y, weight, extra, rest[:n], rest[n:])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        form, y, weight, extra, ctx.n, *rest = inputs
        _Function.setup_context(ctx, (form, y, weight, extra, *rest), output)

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        if cotangent is None:
            return (None,) * len(ctx.needs_input_grad)
        ctx.form.refuse(*ctx.needs_input_grad[1:3])
        y, weight, extra, *rest = ctx.saved_tensors
        raws, along = rest[: ctx.n], rest[ctx.n :]
        fixed = ctx.form, y, weight, extra
        d_along = _Gradient.apply(*fixed, cotangent, *raws)
        d_moving = _Curvature.apply(*fixed, ctx.n, cotangent, *raws, *along)
        d_extra = None if extra is None else d_moving[-1]
        return None, None, None, d_extra, None, *d_moving[: ctx.n], *d_along

    @staticmethod
    def jvp(ctx: Any, *along: Any) -> Any:
        return _no_third(ctx)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _Slope._each(info, in_dims, *inputs)


class _Curvature(_Function):
    """Product of the Hessian with a direction, of the inner product of values and cotangent.

    ``(form, y, weight, extra, n_raws, cotangent, *raws, *directions)``
    """

    @staticmethod
    def forward(
        form: Form, y: Any, weight: Any, extra: Any, n: int, cotangent: Array, *rest: Array
    ) -> Any:
        return form.curvature(y, weight, extra, cotangent, rest[:n], rest[n:])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.form = inputs[0]

    @staticmethod
    def backward(ctx: Any, *along: Array) -> Any:
        return _no_third(ctx)

    @staticmethod
    def jvp(ctx: Any, *along: Any) -> Any:
        return _no_third(ctx)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _Curvature._each(info, in_dims, *inputs)


def _no_third(ctx: Any) -> Any:
    raise NotImplementedError(
        f"{type(ctx.form.loss).__name__} has two derivatives: a third was asked for."
    )
