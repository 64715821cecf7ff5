"""The checked call of a loss: from what a user passed to a reduced value and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robustreg._array import (
    EMPTY,
    NUMPY,
    Array,
    array_like,
    array_namespace,
    cast,
    is_jax,
    is_torch,
)
from robustreg.losses._inputs import Loss, Problem, arrange, check, read, shelter
from robustreg.losses._targets import one_of

BLOCK = 1 << 16
"""Predictions that are evaluated at a time, so that intermediate arrays stay in the cache."""


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
    if is_jax(given.xp):
        from robustreg.losses._jax import evaluate_jax

        return evaluate_jax(loss, given, reduction, return_gradient)
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
