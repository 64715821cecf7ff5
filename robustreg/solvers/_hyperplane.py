"""Where more rows meet on their kinks than there are coefficients: slopes that balance the point, of a plenty of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustreg._array import Array
from robustreg.solvers._control import Control
from robustreg.solvers._rows import Rows, Vertex

#: a gap of this share of the value is none
CLOSED = 1e-12
#: iterations after which the envelope that tells slopes is given up
PATIENCE = 60


def on_hyperplane(rows: Rows, theta: Array, tied: Array) -> Vertex:
    """Return the point at which many rows are on their kinks, proven if their slopes can balance it.

    Thousands of rows on one hyperplane, as of a y with many zeros, have balanced slopes in plenty,
    for which a program would search long. The smallest ones, cut off at their bounds, are those of an
    envelope of these rows at its minimum; it has none where there is no balance.
    """
    X = rows.X[tied]
    for _ in range(2):
        theta = theta - np.linalg.lstsq(X.T @ X, X.T @ rows.offsets(theta)[tied], rcond=None)[0]
    # y has spread one and the columns size one: rounding, which rows of heavy weight would feel
    theta = np.where(np.abs(theta) > np.finfo(float).eps, theta, 0.0)
    slopes: Array = np.where(rows.offsets(theta) > 0, rows.upper, rows.lower)
    slopes[tied] = 0.0
    pull = rows.linear if rows.quadratic is None else rows.linear + rows.quadratic @ theta
    held = rows.take(np.flatnonzero(tied), pull + rows.X.T @ slopes)
    # The slope of a row at zero is the same share of the way between its bounds, the one that balances best: from
    # the middle, slopes far smaller than their bounds would have the rounding of these.
    low, way = held.linear + X.T @ held.lower, X.T @ (held.upper - held.lower)
    square = way @ way
    share = np.clip(-(low @ way) / square, 0.0, 1.0) if square else 0.5
    first = held.lower + share * (held.upper - held.lower)
    rest = held.linear + X.T @ first
    size = np.abs(rest).max() or 1.0
    centred = replace(
        held, position=np.zeros(len(X)), lower=(held.lower - first) / size,
        upper=(held.upper - first) / size, linear=rest / size, quadratic=None,
    )  # fmt: skip
    found = centred.envelope(np.zeros(len(theta)), 1.0, Control(1e-15, PATIENCE))
    if found.status == 1:
        return Vertex(theta, slopes, False)
    balanced = np.clip(centred.weight * (X @ found.x), centred.lower, centred.upper)
    inside = (balanced > centred.lower) & (balanced < centred.upper)
    gram = X[inside].T @ (centred.weight[inside, None] * X[inside])
    for _ in range(2):  # the digits that the first balance lacks
        rest = X.T @ balanced + centred.linear
        change = centred.weight * (X @ np.linalg.lstsq(gram, rest, rcond=None)[0])
        balanced = np.where(inside, balanced - change, balanced)
        balanced = np.clip(balanced, centred.lower, centred.upper)
    slopes[tied] = first + size * balanced
    return Vertex(theta, slopes, rows.gap(theta, slopes) <= rows.nothing(theta, CLOSED))
