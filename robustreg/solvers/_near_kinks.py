"""Which rows of :class:`Rows` are likely to be on their kinks at the minimum.

A point near the minimum tells, by least squares that are weighted anew or on the central path.

Hunter, D. R. and Lange, K. (2000). Quantile regression via an MM algorithm. Journal of Computational and Graphical
Statistics 9, 60-77.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._central_path import Inside, further
from robustreg.solvers._cholesky import cholesky, solve_factored
from robustreg.solvers._rows import Rows

#: steps of weighted least squares before the path, which they make shorter by two to seven of its steps, and the share
#: of the value that one has to gain for there to be another, where one factor serves all
BEFORE, GAINS = 6, 0.03
#: so it does for more coefficients than these; for fewer as many steps have a factor of their own (machine: at 1,000 x 10
#: they save three of the path)
FEW, OWN = 60, 2
#: share of the value that is left as a gap where the path ends: most rows on their kinks are known
CLOSE = 7e-3
#: of q coefficients about q times the root of that share are taken for others, and of many so few are to be (machine: at
#: 1,000 x 200, 2,000 x 500 and 5,000 x 500 as many vertices on, a step of the path each third, take as long as going on)
WRONG = 10.0
#: and of an exact fit, whose value is nearly zero, that share of so much of the value at the start
START = 0.1
#: and steps along it at the most
MOST = 16
#: at its start, distance from all kinks as a share of the mean offset, and share of its range that a slope may use
AWAY, USED = 0.3, 0.8
#: offsets below this share of the median one count as that, and those beyond so many, which only say on which side a row
#: lies, as so many
LEAST, FAR = 1e-6, 10.0


def along_path(rows: Rows, theta: Array, square: Array | None = None) -> tuple[Array, Array]:
    """Return a point near the minimum, and how likely each row is to be on its kink there: above one, it is.

    That is how far its slope is from its bounds, as a share of its range, over its offset in typical ones.
    ``square`` are the weighted inner products of the columns, with the square term, where they are known.
    """
    width = rows.upper - rows.lower
    theta, begun = _reweighted(rows, theta, square)
    s = rows.offsets(theta)
    near = _nearer(s)
    typical = float(np.abs(near).mean()) or 1.0
    bound: Any = USED
    # as much of the gap from each row beyond, unless a square term ties steps of offsets and slopes together
    if rows.quadratic is None:
        bound = 1 - (1 - USED) / np.maximum(np.abs(s) / typical, 1.0)
    inside = 0.5 * width * bound * np.minimum(np.maximum(s / typical, -1.0), 1.0)
    inner = None
    if square is not None and rows.quadratic is None and len(theta) > FEW:
        inner = square / rows.weight[0]  # it is known where all weights are the same
    slopes = 0.5 * (rows.lower + rows.upper) + inside
    point = Inside.start(rows, theta, slopes, AWAY * typical, inner)
    close = min(CLOSE, (WRONG / len(theta)) ** 2)
    most = close * max(_cost(rows, theta, near), START * begun)
    for _ in range(MOST):
        if not point.gap > most:
            break
        ahead = further(point, point.dual())
        if ahead is None or not np.isfinite(ahead.gap):
            break
        point = ahead
    return point.theta, point.room.min(axis=0) / width * _nearness(rows, point.theta)


def _reweighted(rows: Rows, theta: Array, square: Array | None) -> tuple[Array, float]:
    """Return a point nearer to the minimum, and the cost at the start, by parabolas that touch the terms from above.

    Offsets below their mean count as that: the parabola of a row on its kink has no end. Of many coefficients the factor
    of the first step serves the others, in proportion to how much all parabolas bend.
    """
    X, middle = rows.X, 0.5 * (rows.lower + rows.upper)
    half, fixed = 0.5 * (rows.upper - rows.lower), middle @ X + rows.linear
    factor, bent, least, best = None, float(rows.weight.sum()), np.inf, theta
    few, begun = len(theta) <= FEW, 0.0
    if square is not None and not few:
        factor = cholesky(square)
    for step in range(OWN if few else BEFORE):
        s = rows.offsets(theta)
        near = _nearer(s)
        mean = float(np.abs(near).mean()) if len(s) else 0.0
        cost = 0.0 if few and step else _cost(rows, theta, near)
        begun = begun if step else cost
        if mean == 0:
            break
        if not few:
            value = cost + float(middle @ near + rows.linear @ theta)
            if not value < (1 - GAINS) * least:
                return (theta if value < least else best), begun
            least, best = value, theta
        bend = half / np.maximum(np.abs(s), mean)
        pull = (bend * s).dot(X) + fixed
        pull = pull if rows.quadratic is None else pull + rows.quadratic @ theta
        if few or factor is None:
            root = np.sqrt(bend)[:, None] * X
            square, bent = root.T.dot(root), float(bend.sum())
            factor = cholesky(square if rows.quadratic is None else square + rows.quadratic)
            if factor is None:
                break
        theta = theta - bent / float(bend.sum()) * solve_factored(factor, pull)
    return theta, begun


def _nearer(s: Array) -> Array:
    """Return offsets, those of rows far from their kinks as nearer: beside 1e9 a mean would say nothing of the others."""
    middle = len(s) // 2
    most = FAR * float(np.partition(np.abs(s), middle)[middle]) if len(s) else 0.0
    return np.minimum(np.maximum(s, -most), most) if most > 0 else s


def _cost(rows: Rows, theta: Array, s: Array) -> float:
    """Return about the value at offsets ``s``, without what is folded."""
    cost = 0.5 * float((rows.upper - rows.lower) @ np.abs(s))
    if rows.quadratic is not None:
        cost += 0.5 * float(theta @ rows.quadratic @ theta)
    return cost


def _nearness(rows: Rows, theta: Array) -> Array:
    """Return the reciprocals of the offsets, in typical ones; offsets that are nearly zero count as a small share."""
    size = np.abs(rows.offsets(theta))
    middle = len(size) // 2
    typical = float(np.partition(size, middle)[middle]) or 1.0
    nearness: Array = typical / np.maximum(size, LEAST * typical)
    return nearness
