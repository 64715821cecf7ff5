"""Which rows of :class:`Rows` are likely to be on their kinks at the minimum.

A point near the minimum tells, by least squares that are weighted anew or on the central path.

Hunter, D. R. and Lange, K. (2000). Quantile regression via an MM algorithm. Journal of Computational and Graphical
Statistics 9, 60-77.
"""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.solvers._central_path import Inside, further
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._rows import Rows

#: steps of weighted least squares before the path (machine: at 1,000 x 10 they save three of the path)
BEFORE = 2
#: share of the value at the start that is left as a gap where the path ends: most rows on their kinks are known
CLOSE = 3e-3
#: and steps along it at the most
MOST = 12
#: at its start, distance from all kinks as a share of the mean offset, and share of its range that a slope may use
AWAY, USED = 0.3, 0.8
#: offsets below this share of the median one count as that
LEAST = 1e-6


def along_path(rows: Rows, theta: Array) -> tuple[Array, Array]:
    """Return a point near the minimum, and how likely each row is to be on its kink there: above one, it is.

    That is how far its slope is from its bounds, as a share of its range, over its offset in typical ones.
    """
    width, s = rows.upper - rows.lower, rows.offsets(theta)
    # of these rows alone, without what is folded
    value = float(np.maximum(rows.lower * s, rows.upper * s).sum())
    theta = _reweighted(rows, theta)
    s = rows.offsets(theta)
    mean = float(np.abs(s).mean()) or 1.0
    inside = 0.5 * width * np.minimum(np.maximum(s / mean, -USED), USED)
    point = Inside.start(rows, theta, 0.5 * (rows.lower + rows.upper) + inside, AWAY * mean)
    for _ in range(MOST):
        if not point.gap > CLOSE * value:
            break
        ahead = further(point, point.dual())
        if ahead is None or not np.isfinite(ahead.gap):
            break
        point = ahead
    return point.theta, point.room.min(axis=0) / width * _nearness(rows, point.theta)


def _reweighted(rows: Rows, theta: Array) -> Array:
    """Return a point nearer to the minimum, by parabolas that touch the terms from above.

    Offsets below their mean count as that: the parabola of a row on its kink has no end.
    """
    X, middle = rows.X, 0.5 * (rows.lower + rows.upper)
    half, fixed = 0.5 * (rows.upper - rows.lower), middle @ X + rows.linear
    for _ in range(BEFORE):
        s = rows.offsets(theta)
        size = np.abs(s)
        mean = float(size.sum()) / (len(size) or 1)
        if mean == 0:
            break
        bend = half / np.maximum(size, mean)
        square, pull = X.T.dot(bend[:, None] * X), (bend * s).dot(X) + fixed
        if rows.quadratic is not None:
            square += rows.quadratic
            pull += rows.quadratic @ theta
        factor = cholesky(square)
        if factor is None:
            break
        theta = theta - solve_factored(factor, pull)
    return theta


def _nearness(rows: Rows, theta: Array) -> Array:
    """Return the reciprocals of the offsets, in typical ones; offsets that are nearly zero count as a small share."""
    size = np.abs(rows.offsets(theta))
    middle = len(size) // 2
    typical = float(np.partition(size, middle)[middle]) or 1.0
    nearness: Array = typical / np.maximum(size, LEAST * typical)
    return nearness
