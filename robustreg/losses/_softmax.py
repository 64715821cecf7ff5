"""Cross-entropy of the true class: value, probabilities and derivatives, exact in both tails.

Everything that needs a softmax goes through here: cross-entropy, focal and poly losses, and the losses
that classify by similarity.
"""

from __future__ import annotations

from typing import NamedTuple

from robustreg._array import Array, arange_like, array_namespace, replace, row_max, row_sum
from robustreg.losses._extended import ratio, x_log_y


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


def from_logits(z: Array, y: Array) -> TrueClass:
    """Terms of the true class from labels and a matrix of logits."""
    xp = array_namespace(z)
    column = xp.astype(y, xp.int64)
    shifted = z - row_max(z)
    own = xp.take_along_axis(shifted, column[:, None], axis=-1)[:, 0]
    others = replace(xp.exp(shifted), column, 0.0)
    true, rest = xp.exp(own), row_sum(others)[:, 0]
    total = true + rest
    # Where the true class leads, true = 1 exactly and log1p keeps the tail; elsewhere rest >= 1.
    entropy = xp.log1p(rest + (true - 1.0)) - own
    p, q = true / total, rest / total
    return TrueClass(entropy, p, q, replace(others * (1.0 / total)[:, None], column, -q))


def from_probabilities(p: Array, y: Array | None = None) -> TrueClass:
    """Terms of the true class from its probabilities, or from labels and a matrix of those of all."""
    xp = array_namespace(p)
    if y is not None:
        column = xp.astype(y, xp.int64)
        row = from_probabilities(xp.take_along_axis(p, column[:, None], axis=-1)[:, 0])
        return row._replace(slope=replace(xp.zeros_like(p), column, row.slope))
    one = xp.ones_like(p)
    return TrueClass(-x_log_y(one, p), p, 1.0 - p, -ratio(one, p))


def product(slope: Array, mask: Array, direction: Array) -> Array:
    """Hessian of c in the logits of a row, diag(p) - p p', times a direction."""
    xp = array_namespace(slope)
    p = xp.where(mask, 1.0 + slope, slope)
    return p * (direction - row_sum(p * direction))
