"""Where the kinks of a loss are, and what slopes on both sides of them pull."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective


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
