"""Losses as functions of PyTorch's automatic differentiation, from their own derivatives.

Formulas that are written for exactness in the tails (differences from a maximum, absolute values,
choices) have no derivative, or a wrong one, where their cases meet. So PyTorch never differentiates
them: it is given `values`, `value_gradient` and `curvature` of the loss as what they are, the value
and its first two derivatives. All transforms of ``torch.func`` work; a third derivative is refused.

This file is imported when a tensor arrives, and PyTorch with it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from robustreg._array import Array, cast, weigh
from robustreg.losses._inputs import Inputs, Loss, Problem, arrange, check, shelter


def evaluate_tensors(loss: Loss, given: Inputs, reduction: str, return_gradient: bool) -> Any:
    """Value of a loss in the graph of the tensors, with its gradient, a constant, where asked for."""
    names = list(given.arrays)
    weighted = [] if given.weight is None else [given.weight]

    def look(*tensors: Array) -> None:
        arrays = dict(zip(names, tensors, strict=False))
        weight = tensors[-1] if weighted else None
        plain = given._replace(arrays=arrays, weight=weight)
        check(loss, plain, arrange(loss, plain), reduction)

    _Look.apply(look, *given.arrays.values(), *weighted)
    problem = shelter(loss, arrange(loss, given))
    if loss.of_difference:
        # The derivative in the target is then PyTorch's affair, too.
        problem = problem._replace(y=torch.zeros_like(problem.y), raw=problem.raw - problem.y)
    form = _Form(loss, isinstance(problem.raw, tuple), _inside(loss, problem))
    raws = problem.raw if form.several else (problem.raw,)
    fixed = problem.y, problem.weight if form.inside else None, problem.extra
    values = _Values.apply(form, *fixed, *raws)
    outer = None if form.inside else problem.weight
    scale = _divisor(loss, problem, form, values) if reduction == "mean" else 1.0
    value = weigh(values, outer)
    if reduction != "none":
        value = torch.sum(value) / scale
    value = cast(value, given.dtype)
    if not return_gradient:
        return value
    ones = torch.ones_like(values) / scale
    gradients = [g.detach() for g in _Gradient.apply(form, *fixed, weigh(ones, outer), *raws)]
    if problem.extra is not None:
        gradients[-1] = torch.reshape(gradients[-1], problem.shape)
    gradients = [cast(g, given.dtype) for g in gradients]
    return value, gradients[0] if len(gradients) == 1 else tuple(gradients)


def _inside(loss: Loss, problem: Problem) -> bool:
    """Whether the loss is no linear function of its weights."""
    return bool(loss.weight_shape(problem.raw) != loss.shape(problem.raw))


def _divisor(loss: Loss, problem: Problem, form: _Form, values: Array) -> Any:
    """What the mean divides by, in the graph of the weights."""
    if form.inside or problem.weight is None:
        return loss.divisor(problem.raw, None)
    each = math.prod(values.shape[problem.weight.ndim :])
    return torch.sum(problem.weight) * float(each)


def _at_full_precision(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep products of matrices in the type of their factors, under ``torch.autocast`` as well."""

    @functools.wraps(method)
    def function(form: _Form, *tensors: Any) -> Any:
        kind = next(t.device.type for t in tensors[-1])
        usual = kind in ("cpu", "cuda")
        with torch.autocast(kind, enabled=False) if usual else nullcontext():
            return method(form, *tensors)

    return function


@dataclass(frozen=True)
class _Form:
    """A loss with its derivatives, as functions of tensors one by one.

    ``inside`` says whether the weights belong to the loss; otherwise they multiply its values, and
    are a part of the cotangent here.
    """

    loss: Loss
    several: bool
    inside: bool

    @property
    def names(self) -> str:
        """What the loss calls its targets."""
        return " and ".join(a.name for a in self.loss.arguments if a.role == "target")

    def raw(self, raws: tuple[Array, ...]) -> Any:
        return raws if self.several else raws[0]

    def parts(self, d_raw: Any, d_extra: Array, extra: Array | None) -> tuple[Array, ...]:
        """Derivatives one by one, that of ``extra`` last where there is one."""
        parts = d_raw if self.several else (d_raw,)
        return tuple(parts) if extra is None else (*parts, d_extra)

    def directions(self, parts: tuple[Array, ...], extra: Array | None) -> tuple[Any, Any]:
        """Inverse of `parts`."""
        if extra is None:
            return self.raw(parts), None
        return self.raw(parts[:-1]), parts[-1]

    @_at_full_precision
    def values(self, y: Any, weight: Any, extra: Any, raws: tuple[Array, ...]) -> Array:
        return self.loss.values(y, self.raw(raws), weight, extra)

    def _at(self, raws: tuple[Array, ...], cotangent: Array) -> Any:
        # An infinite derivative times a cotangent of zero is zero: the value does not count.
        return self.loss.shelter(self.raw(raws), torch.abs(cotangent))

    @_at_full_precision
    def gradient(
        self, y: Any, weight: Any, extra: Any, cotangent: Array, raws: tuple[Array, ...]
    ) -> tuple[Array, ...]:
        """Derivatives of the inner product of the values and the cotangent."""
        factor = weight if self.inside else cotangent
        raw = self._at(raws, cotangent)
        _, d_raw, d_extra = self.loss.value_gradient(y, raw, factor, extra)
        parts = self.parts(d_raw, d_extra, extra)
        return tuple(weigh(p, cotangent) for p in parts) if self.inside else parts

    @_at_full_precision
    def curvature(
        self,
        y: Any,
        weight: Any,
        extra: Any,
        cotangent: Array,
        raws: tuple[Array, ...],
        along: tuple[Array, ...],
    ) -> tuple[Array, ...]:
        """Derivative of `gradient` along a direction of predictions and own parameters."""
        factor = weight if self.inside else cotangent
        d_raw, d_extra = self.directions(along, extra)
        raw = self._at(raws, cotangent)
        c_raw, c_extra = self.loss.curvature(y, raw, factor, extra, d_raw, d_extra)
        parts = self.parts(c_raw, c_extra, extra)
        return tuple(weigh(p, cotangent) for p in parts) if self.inside else parts

    @_at_full_precision
    def slope(
        self, y: Any, weight: Any, extra: Any, raws: tuple[Array, ...], along: tuple[Array, ...]
    ) -> Array:
        """Derivative of the values along a direction."""
        d_raw, d_extra = self.directions(along, extra)
        return self.loss.slope_along(y, self.raw(raws), weight, extra, d_raw, d_extra)

    def refuse(self, y: bool, weight: bool) -> None:
        """Refuse a derivative that the loss does not have.

        Raises
        ------
        ValueError
            That names the tensor to detach.
        """
        wanted = self.names if y else "sample_weight" if weight else ""
        if wanted:
            raise ValueError(
                f"{type(self.loss).__name__} has no derivative in {wanted}, but the gradient of "
                f"{wanted} is required: pass {wanted}.detach()."
            )


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
    def forward(form: _Form, y: Any, weight: Any, extra: Any, *raws: Array) -> Array:
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
    def forward(
        form: _Form, y: Any, weight: Any, extra: Any, cotangent: Array, *raws: Array
    ) -> Any:
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
    def forward(form: _Form, y: Any, weight: Any, extra: Any, n: int, *rest: Array) -> Array:
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
        form: _Form, y: Any, weight: Any, extra: Any, n: int, cotangent: Array, *rest: Array
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
