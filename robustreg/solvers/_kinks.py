"""Where the kinks of a loss are, and what slopes on both sides of them pull."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective

#: what rounding makes of a gap, y having spread one: more of it has to be counted
FORGIVEN = 1e-11
#: and of a number that was one of the user's, whose last place is all that is in doubt
GIVEN = 16 * float(np.finfo(float).eps)


def offsets(objective: Objective, theta: Array) -> Array:
    """Distance of each raw prediction from its kink: one pass."""
    kinks = objective.loss.kinks(objective.data.y)
    assert kinks is not None
    return objective.raw(theta) - kinks.position


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
