"""The checked call of a loss: from what a user passed to a reduced value and its gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robustreg._array import (
    EMPTY,
    NUMPY,
    Array,
    array_like,
    array_namespace,
    cast,
    floating,
    is_torch,
    plain_array,
    refuse_unusable,
    working,
)
from robustreg.losses._targets import one_of, require

if TYPE_CHECKING:
    from robustreg.losses._base import Loss

BLOCK = 1 << 16
"""Predictions that are evaluated at a time, so that intermediate arrays stay in the cache."""


class Inputs(NamedTuple):
    """What the user passed as arrays of one namespace, not looked at yet."""

    xp: Any
    arrays: dict[str, Array]
    weight: Array | None
    dtype: Any
    """Floating type of the result."""


class Problem(NamedTuple):
    """Arrays of one namespace and floating type, sorted by their roles."""

    y: Any
    raw: Any
    weight: Array | None
    extra: Array | None
    shape: tuple[int, ...]
    """Shape in which ``extra`` was passed."""

    @property
    def first(self) -> Array:
        """Raw predictions, or the first part of them."""
        return self.raw[0] if isinstance(self.raw, tuple) else self.raw


def evaluate(
    loss: Loss,
    bound: dict[str, Any],
    sample_weight: Any,
    reduction: Any,
    return_gradient: bool,
) -> Any:
    """Value of a loss on checked input, with its gradient where asked for."""
    loss.validate()
    one_of("reduction", reduction, ("mean", "sum", "none"))
    given = read(bound, sample_weight)
    if is_torch(given.xp):
        from robustreg.losses._torch import evaluate_tensors

        return evaluate_tensors(loss, given, reduction, return_gradient)
    problem = arrange(loss, given)
    check(loss, given, problem, reduction)
    problem = shelter(loss, problem)
    scale = loss.divisor(problem.raw, problem.weight) if reduction == "mean" else 1.0
    # Beyond the largest number a loss is infinite: that is an answer, not an accident.
    with np.errstate(over="ignore"):
        value = None
        if reduction == "none":
            value = cast(loss.values(*problem[:4]), given.dtype)
            if not return_gradient:
                return value
        summed, gradients = differentiate(loss, problem, scale)
        if value is None:
            value = cast(array_like(summed / scale, problem.first), given.dtype)[()]
        gradients = [cast(gradient, given.dtype) for gradient in gradients]
    if not return_gradient:
        return value
    return value, gradients[0] if len(gradients) == 1 else tuple(gradients)


def bind(loss: Loss, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Inputs by name, in the order of the loss's arguments; absent optional ones are left out."""
    names = [a.name for a in loss.arguments]
    label = type(loss).__name__
    if len(inputs) > len(names):
        raise TypeError(f"{label} takes {len(names)} inputs: {', '.join(names)}.")
    bound = dict(zip(names, inputs, strict=False))
    for name, value in named.items():
        if name not in names or name in bound:
            raise TypeError(f"{label} got an unexpected or repeated input {name!r}.")
        bound[name] = value
    for argument in loss.arguments:
        if argument.optional and bound.get(argument.name) is None:
            bound.pop(argument.name, None)
        elif argument.name not in bound:
            raise TypeError(f"{label} needs the input {argument.name!r}.")
    return {name: bound[name] for name in names if name in bound}


def read(bound: dict[str, Any], sample_weight: Any) -> Inputs:
    """Turn what the user passed into arrays of one namespace."""
    xp = array_namespace(*bound.values())
    native = {name: array_namespace(value) is xp for name, value in bound.items()}
    like = next((bound[name] for name in bound if native[name] and xp is not NUMPY), None)
    arrays = {name: plain_array(value, name, xp, like) for name, value in bound.items()}
    weight = None
    if sample_weight is not None:
        weight = plain_array(sample_weight, "sample_weight", xp, like)
    # Lists and NumPy arrays follow the tensors they come with.
    return Inputs(xp, arrays, weight, floating(xp, *(arrays[n] for n in bound if native[n])))


def arrange(loss: Loss, given: Inputs) -> Problem:
    """Sort the inputs by their roles and give them the floating type to compute in."""
    xp, dtype = given.xp, working(given.xp, given.dtype)
    roles = {a.name: a.role for a in loss.arguments}
    arrays = {name: cast(array, dtype) for name, array in given.arrays.items()}
    y = next((a for name, a in arrays.items() if roles[name] == "target"), None)
    raws = tuple(a for name, a in arrays.items() if roles[name] == "raw")
    several = sum(a.role == "raw" for a in loss.arguments) > 1
    own = next((a for name, a in arrays.items() if roles[name] == "extra"), None)
    return Problem(
        y,
        raws if several else raws[0],
        None if given.weight is None else cast(given.weight, dtype),
        None if own is None else xp.reshape(own, (-1,)),
        () if own is None else tuple(own.shape),
    )


def check(loss: Loss, given: Inputs, problem: Problem, reduction: str) -> None:
    """Refuse what the loss is not defined for; this looks at the numbers."""
    xp, weight = given.xp, given.weight
    for name, array in given.arrays.items():
        refuse_unusable(array, name)
    own = problem.extra if problem.extra is None else xp.reshape(problem.extra, problem.shape)
    target = next((given.arrays[a.name] for a in loss.arguments if a.role == "target"), None)
    if target is None or not xp.isdtype(target.dtype, "real floating"):
        target = problem.y
    # Targets of half precision as they are: how nearly rows sum to one depends on the type.
    loss.check(target, problem.raw, own)
    if weight is None:
        return
    refuse_unusable(weight, "sample_weight")
    shape = loss.weight_shape(problem.raw)
    require(
        weight.shape == shape[: weight.ndim],
        f"sample_weight must have the first axes of shape {shape}. Got {tuple(weight.shape)}.",
    )
    require(xp.all(weight >= 0), "sample_weight must not be negative.")
    require(
        reduction != "mean" or bool(xp.any(weight > 0)),
        "sample_weight must have a positive sum for reduction='mean'.",
    )


def shelter(loss: Loss, problem: Problem) -> Problem:
    """Make predictions of weight 0 harmless, where their loss could be infinite."""
    if problem.weight is None:
        return problem
    return problem._replace(raw=loss.shelter(problem.raw, problem.weight))


def differentiate(loss: Loss, problem: Problem, scale: float) -> tuple[float, list[Array]]:
    """Sum of the values, and its gradients in argument order, divided by ``scale``."""
    n, size = problem.first.shape[0], math.prod(problem.first.shape)
    if loss.additive and size > 2 * BLOCK and array_namespace(problem.first) is NUMPY:
        return _differentiate_blocks(loss, problem, scale, max(1, BLOCK * n // size))
    summed, d_raw, d_extra = loss.value_gradient(*problem[:4])
    gradients = list(d_raw) if isinstance(d_raw, tuple) else [d_raw]
    if problem.extra is not None:
        xp = array_namespace(d_extra)
        gradients.append(xp.reshape(d_extra, problem.shape))
    return summed, gradients if scale == 1.0 else [g / scale for g in gradients]


def _differentiate_blocks(
    loss: Loss, problem: Problem, scale: float, rows: int
) -> tuple[float, list[Array]]:
    """`differentiate` of an additive loss on NumPy arrays, a few rows at a time."""
    y, raw, weight, extra, shape = problem
    raws = raw if isinstance(raw, tuple) else (raw,)
    gradients = [np.empty_like(a) for a in raws]
    summed, own = 0.0, 0.0 if extra is None else np.zeros_like(extra)
    for start in range(0, raws[0].shape[0], rows):
        part = slice(start, start + rows)
        some = tuple(a[part] for a in raws)
        value, d_raw, d_extra = loss.value_gradient(
            None if y is None else y[part],
            some if isinstance(raw, tuple) else some[0],
            None if weight is None else weight[part],
            extra,
        )
        summed += value
        if d_extra is not EMPTY:
            own = own + d_extra
        slopes = d_raw if isinstance(d_raw, tuple) else (d_raw,)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.multiply(slope, 1.0 / scale, out=gradient[part])
    if extra is not None:
        gradients.append(np.reshape(own / scale, shape))
    return summed, gradients
