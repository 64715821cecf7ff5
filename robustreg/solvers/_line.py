"""A loss whose psi is a line cut off, or a step, by the slopes that its rows may have."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective


class Line(NamedTuple):
    """``max over lower <= g <= upper of g * s - width / 2 * g**2``, s being the offset ``raw - position``, of each row.

    Parameters
    ----------
    position : array of shape (n,)
        Raw prediction at which the slope is zero, or a kink.
    width : array of shape (n,)
        Reciprocal curvature; 0 of a kink.
    lower, upper : arrays of shape (n,)
        Bounds of the slopes.
    """

    position: Array
    width: Array
    lower: Array
    upper: Array

    @classmethod
    def of(cls, objective: Objective) -> Line | None:
        """Return the losses of the rows per unit of the whole weight; None where psi is no line cut off."""
        data, loss = objective.data, cast(Any, objective.loss)
        n = data.n_rows
        weight = np.full(n, 1 / objective.total)
        if data.weight is not None:
            weight = data.weight / objective.total
        kinks = loss.kinks(data.y)
        if kinks is not None:
            position, none = kinks.position + np.zeros(n), np.zeros(n)
            return cls(position, none, weight * kinks.lower, weight * kinks.upper)
        ends = getattr(loss, "line", None)
        if ends is None or data.y.ndim > 1:
            return None
        low, high = loss.psi(np.array(ends))
        with np.errstate(divide="ignore"):
            width = 1 / (float(loss.psi_prime(np.zeros(1))[0]) * weight)
        with np.errstate(invalid="ignore"):
            lower, upper = (np.where(weight > 0, -end * weight, 0.0) for end in (high, low))
        return cls(data.y, np.where(weight > 0, width, 0.0), lower, upper)

    def slopes(self, s: Array) -> Array:
        """Return the slope of each row at its offset."""
        with np.errstate(divide="ignore", invalid="ignore"):
            free = np.where(self.width > 0, s / self.width, np.where(s == 0, 0.0, np.inf * s))
        return np.clip(free, self.lower, self.upper)

    def losses(self, s: Array) -> Array:
        """Return the loss of each row at its offset."""
        g = self.slopes(s)
        return np.asarray(g * (s - 0.5 * self.width * g))

    def missed(self, s: Array, g: Array) -> Array:
        """Return by how much slopes fall short of the loss of each row, by Fenchel's inequality."""
        at = self.slopes(s)
        return np.maximum((at - g) * (s - 0.5 * self.width * (at + g)), 0.0)
