"""Cross-entropy of the true class: value, probabilities and derivatives, exact in both tails.

Everything that needs a softmax goes through here: cross-entropy, focal and poly losses, and the losses
that classify by similarity.
"""

from __future__ import annotations

from typing import NamedTuple

from robustreg._array import Array, arange_like, array_namespace, replace


class TrueClass(NamedTuple):
    """What is known about the true class of each row."""

    entropy: Array
    """c = -log p, the cross-entropy."""
    p: Array
    """Probability of the true class."""
    q: Array
    """1 - p without cancellation."""
    slope: Array
    """Derivative of c in the predictions of the row."""


def label_mask(y: Array, raw: Array) -> Array:
    """Whether a column belongs to the true class of its row."""
    return y[:, None] == arange_like(raw.shape[-1], y)[None, :]


def from_logits(y: Array, z: Array) -> TrueClass:
    """Terms of the true class from labels and a matrix of logits."""
    xp = array_namespace(z)
    column = xp.astype(y, xp.int64)
    shifted = z - xp.max(z, axis=-1, keepdims=True)
    own = xp.take_along_axis(shifted, column[:, None], axis=-1)[:, 0]
    others = replace(xp.exp(shifted), column, 0.0)
    true, rest = xp.exp(own), xp.sum(others, axis=-1)
    total = true + rest
    # Where the true class leads, true = 1 exactly and log1p keeps the tail; elsewhere rest >= 1.
    entropy = xp.log1p(rest + (true - 1.0)) - own
    p, q = true / total, rest / total
    return TrueClass(entropy, p, q, replace(others * (1.0 / total)[:, None], column, -q))


def from_probabilities(p: Array, mask: Array | None = None) -> TrueClass:
    """Terms of the true class from probabilities; those of the other classes do not matter."""
    xp = array_namespace(p)
    true = p if mask is None else xp.sum(xp.where(mask, p, 0.0), axis=-1)
    possible = true > 0
    safe = xp.where(possible, true, xp.ones_like(true))
    infinite = xp.full_like(true, float("inf"))
    entropy = xp.where(possible, -xp.log(safe), infinite)
    slope = xp.where(possible, -1.0 / safe, -infinite)
    if mask is not None:
        slope = xp.where(mask, slope[:, None], 0.0)
    return TrueClass(entropy, true, 1.0 - true, slope)


def product(slope: Array, mask: Array, direction: Array) -> Array:
    """Hessian of c in the logits of a row, diag(p) - p p', times a direction."""
    xp = array_namespace(slope)
    p = xp.where(mask, 1.0 + slope, slope)
    return p * (direction - xp.sum(p * direction, axis=-1, keepdims=True))
