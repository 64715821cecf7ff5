"""Where the kinks of a loss are, and what slopes on both sides of them pull."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective

#: what rounding makes of a gap, y having spread one: more of it has to be counted. A thousandth of the default tol
FORGIVEN = 1e-11
#: rounding of a number of the user's, such as the base of y: it is stored to half a place, and so is the intercept, or
#: centre, that is taken from it; slopes are one at the most and weights one on average, so a gap moves by no more
GIVEN = 2 * float(np.finfo(float).eps)
#: what rounding makes of a sum of products of size one, as a prediction is: ``q eps / 2`` for q of them at the worst and
#: ``sqrt(q) eps / 2`` mostly (Higham, 2002, chapters 3 and 2), so of 512 columns at the worst and of 250,000 mostly. It
#: only says which offsets may be zero; how much of their loss is forgiven the two bounds above say
ROUNDED = 256 * float(np.finfo(float).eps)

#: an offset that is zero may be computed as this many times the size of what it is computed from
CHANGED = 1e-13


def offsets(objective: Objective, theta: Array) -> Array:
    """Distance of each raw prediction from its kink: one pass."""
    kinks = objective.loss.kinks(objective.data.y)
    assert kinks is not None
    return objective.raw(theta) - kinks.position


def changed_sides(before: Array, now: Array, base: float) -> Array:
    """Return which rows have changed sides between two points, given their offsets, by more than rounding.

    ``base`` is the size of what was taken from y.
    """
    changed: Array = np.where(before > 0, -now, now) > CHANGED * (1 + np.abs(before) + base)
    return changed


def gradient_of(objective: Objective, slopes: Array) -> Array:
    """Gradient in ``theta`` of ``slopes @ raw``: one pass."""
    data = replace(objective.data, y=slopes, weight=None)
    (pulled,) = data.sum(lambda block: (block.pullback(block.y),))
    return np.asarray(data.inward(pulled))


def more_than_rounding(gaps: Array, zeroed: Array, base: float) -> float:
    """Return the gaps of rows whose offsets were taken for zero, or 0.0 where rounding may have made them.

    Beside coefficients of 1e6, as rows far out ask for, offsets of 1e-7 may be zero. Whether they are or
    not, a value that depends on them has not been proven. ``base`` says how exact y itself is.
    """
    total = float(gaps[zeroed].sum())
    return total if total > FORGIVEN + GIVEN * base else 0.0
