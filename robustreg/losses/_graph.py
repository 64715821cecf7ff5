"""Losses as parts of the graph of a library that differentiates: what PyTorch and JAX share.

Formulas that are written for exactness in the tails (differences from a maximum, absolute values,
choices) have no derivative, or a wrong one, where their cases meet. So these libraries never
differentiate them: they are given `values`, `value_gradient` and `curvature` of the loss as what they
are, the value and its first two derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from robustreg._array import Array, array_namespace, cast, weigh, working
from robustreg.losses._inputs import Inputs, Loss, Problem, arrange, check, shelter


class Calls(Protocol):
    """What a library has for the functions of a form."""

    form: ClassVar[type[Form]]

    @staticmethod
    def look(check: Callable[..., None], *arrays: Array) -> Any:
        """Call a function that raises where input is illegal; the other calls wait for the result."""

    @staticmethod
    def plain(array: Array, target: bool) -> Array:
        """Return an array as the checks read it, which may be one of targets."""

    @staticmethod
    def values(form: Form, looked: Any, *inputs: Any) -> Array:
        """Values: ``(y, weight, extra, *raws)``."""

    @staticmethod
    def gradient(form: Form, looked: Any, *inputs: Any) -> list[Array]:
        """Pullback of a cotangent, a constant: ``(y, weight, extra, cotangent, *raws)``."""


def evaluate_in_graph(
    calls: type[Calls], loss: Loss, given: Inputs, reduction: str, return_gradient: bool
) -> Any:
    """Value of a loss in the graph of its input, with its gradient, a constant, where asked for."""
    xp, names = given.xp, list(given.arrays)
    weighted = [] if given.weight is None else [given.weight]

    targets = [a.name for a in loss.arguments if a.role == "target"]

    def look(*tensors: Array) -> None:
        pairs = zip(names, tensors, strict=False)
        arrays = {name: calls.plain(array, name in targets) for name, array in pairs}
        weight = calls.plain(tensors[-1], False) if weighted else None
        plain = Inputs(array_namespace(tensors[0]), arrays, weight, working(xp, given.dtype))
        check(loss, plain, arrange(loss, plain), reduction)

    looked = calls.look(look, *given.arrays.values(), *weighted)
    problem = shelter(loss, arrange(loss, given))
    if loss.of_difference:
        # The derivative in the target is then the library's affair, too.
        problem = problem._replace(y=xp.zeros_like(problem.y), raw=problem.raw - problem.y)
    form = calls.form(loss, isinstance(problem.raw, tuple), _inside(loss, problem))
    raws = problem.raw if form.several else (problem.raw,)
    fixed = problem.y, problem.weight if form.inside else None, problem.extra
    values = calls.values(form, looked, *fixed, *raws)
    outer = None if form.inside else problem.weight
    scale = _divisor(xp, loss, problem, form, values) if reduction == "mean" else 1.0
    value = weigh(values, outer)
    if reduction != "none":
        value = xp.sum(value) / scale
    value = cast(value, given.dtype)
    if not return_gradient:
        return value
    ones = xp.ones_like(values) / scale
    gradients = calls.gradient(form, looked, *fixed, weigh(ones, outer), *raws)
    if problem.extra is not None:
        gradients[-1] = xp.reshape(gradients[-1], problem.shape)
    gradients = [cast(g, given.dtype) for g in gradients]
    return value, gradients[0] if len(gradients) == 1 else tuple(gradients)


def _inside(loss: Loss, problem: Problem) -> bool:
    """Whether the loss is no linear function of its weights."""
    return bool(loss.weight_shape(problem.raw) != loss.shape(problem.raw))


def _divisor(xp: Any, loss: Loss, problem: Problem, form: Form, values: Array) -> Any:
    """What the mean divides by, in the graph of the weights."""
    if form.inside or problem.weight is None:
        return loss.divisor(problem.raw, None)
    each = math.prod(values.shape[problem.weight.ndim :])
    return xp.sum(problem.weight) * float(each)


@dataclass(frozen=True)
class Form:
    """A loss with its derivatives, as functions of arrays one by one.

    ``inside`` says whether the weights belong to the loss; otherwise they multiply its values, and
    are a part of the cotangent here.
    """

    loss: Loss
    several: bool
    inside: bool

    constant: ClassVar[str] = "{}"
    """How to write an array that nothing is differentiated by."""

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

    def values(self, y: Any, weight: Any, extra: Any, raws: tuple[Array, ...]) -> Array:
        return self.loss.values(y, self.raw(raws), weight, extra)

    def _at(self, raws: tuple[Array, ...], cotangent: Array) -> Any:
        # An infinite derivative times a cotangent of zero is zero: the value does not count.
        return self.loss.shelter(self.raw(raws), array_namespace(cotangent).abs(cotangent))

    def gradient(
        self, y: Any, weight: Any, extra: Any, cotangent: Array, raws: tuple[Array, ...]
    ) -> tuple[Array, ...]:
        """Derivatives of the inner product of the values and the cotangent."""
        factor = weight if self.inside else cotangent
        raw = self._at(raws, cotangent)
        _, d_raw, d_extra = self.loss.value_gradient(y, raw, factor, extra)
        parts = self.parts(d_raw, d_extra, extra)
        return tuple(weigh(p, cotangent) for p in parts) if self.inside else parts

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
            That says how to make a constant of the input.
        """
        wanted = self.names if y else "sample_weight" if weight else ""
        if wanted:
            raise ValueError(
                f"{type(self.loss).__name__} has no derivative in {wanted}, but the gradient of "
                f"{wanted} is required: pass {self.constant.format(wanted)}."
            )
