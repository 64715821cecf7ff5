"""What of a gradient the squares of a penalty hold, and what is left.

Columns that are nearly one are told apart by coordinates in which a penalty of squares bends by 1e20: rounding of the
coefficients alone leaves a gradient of 1e-6 there, and it is worth 1e-16 in the objective.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.solvers._metrics import DenseMetric

EPS = float(np.finfo(float).eps)


class Split(NamedTuple):
    """A gradient ``g = a + P e``, with P the Hessian of squares of the coefficients.

    Beside a convex loss a step d gains at most ``-g' d - d' P d / 2``, which is at most ``-a' d + e' P e / 2``, whatever
    e is. Beside any loss the gradient at a distance of e is about a, where e is as small as a.

    Parameters
    ----------
    left : array of the shape of the gradient
        The size of each entry of a, and what rounding can make of that of ``P e``.
    square : float
        ``e' P e``.
    """

    left: Array
    square: float

    @classmethod
    def along_axes(cls, bend: Array, gradient: Array) -> Split:
        """Split with a P of which ``bend``, of the shape of the gradient, is the diagonal."""
        e = gradient / (1.0 + bend)
        return cls(np.abs(e), float(np.sum(bend * e * e)))

    @classmethod
    def of(cls, transform: Array, bend: Array, gradient: Array, given: float = 1.0) -> Split:
        """Split with ``P = transform.T @ diag(bend) @ transform``.

        The e taken solves ``(given I + P) e = g``. How exactly is of no matter, a being what it leaves.
        """
        size, T = transform.shape[1], transform
        # what is beyond floating point is no number, and proves nothing
        with np.errstate(over="ignore", invalid="ignore"):
            e = DenseMetric(given * np.eye(size) + T.T @ (bend[:, None] * T)).solve(gradient)
            inner, T_size = T @ e, np.abs(T)
            rounding = (len(T) + size) * EPS * (T_size.T @ (bend * (T_size @ np.abs(e))))
            left = np.abs(gradient - T.T @ (bend * inner)) + rounding
            return cls(left, float(np.sum(bend * inner * inner)))

    def gain(self, far: Array) -> float:
        """Return what a step beside a convex loss gains at the most if it is no longer than ``far`` along each axis."""
        most = float(self.left @ far) + 0.5 * self.square
        return min(np.inf, most)  # the first where the other is no number, which bounds nothing
