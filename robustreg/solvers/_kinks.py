"""Where the kinks of a loss are, and what slopes on both sides of them pull."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from robustreg._array import Array
from robustreg.data import Block
from robustreg.objective import Objective


def offsets(objective: Objective, theta: Array) -> Array:
    """Distance of each raw prediction from its kink: one pass."""
    kinks = objective.loss.kinks(objective.data.y)
    assert kinks is not None
    return objective.raw(theta) - kinks.position


def gradient_of(objective: Objective, slopes: Array) -> Array:
    """Gradient in ``theta`` of ``slopes @ raw``: one pass."""
    data = replace(objective.data, y=slopes, weight=None)

    def part(block: Block) -> tuple[Any, ...]:
        return block.pullback(block.y), block.y.sum()

    gradient, total = data.sum(part)
    return objective.join(data.inward(gradient, total), total)
