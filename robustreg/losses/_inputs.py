"""What a user passes to a loss: bound to its arguments, read as arrays, sorted by their roles and checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from robustreg._array import (
    NUMPY,
    Array,
    array_namespace,
    cast,
    floating,
    plain_array,
    refuse_unusable,
    working,
)
from robustreg.losses._targets import require

#: a loss, which calls what is here: to import its class would be a circle
Loss = Any


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
