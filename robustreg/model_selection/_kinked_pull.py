"""The smallest strength of an L1 penalty that holds all coefficients at zero beside a loss with kinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.losses import Kinks
from robustreg.solvers import linprog

#: distance from a kink, as a share of the size of targets and predictions, up to which a row is taken to be on it; one too
#: many or too few is seen by the fits that confirm what follows
NEAR = 1e-10
#: of the program
TOLERANCE = 1e-10


def slopes_on_kinks(
    kinks: Kinks, raw: Array, weight: Array, columns: Any, l1: Array, free: Any, positive: bool
) -> Array | None:
    """Return slopes of the rows that pull least at coefficients of zero, by one linear program.

    A row on its kink may have any slope between those on both sides. The coefficients stay at zero where
    for some choice no column is pulled by more than its penalty.

    Parameters
    ----------
    kinks : Kinks
        Of each row.
    raw : array of shape (n,)
        Predictions of a fit without the penalised columns.
    weight : array of shape (n,)
        Weights.
    columns : array or sparse array of shape (n, p)
        Penalised columns, about their means where there is an intercept.
    l1 : array of shape (p,)
        Positive weights of their absolute values.
    free : array of shape (n, q)
        Columns without a penalty, and ones for the intercept: nothing may pull at them.
    positive : bool
        Whether coefficients cannot be negative.

    Returns
    -------
    slopes : array of shape (n,)
        Times the weights; None where the program ends without an answer.
    """
    n = len(raw)
    position, low, high = (np.broadcast_to(part, n) for part in kinks)
    s = raw - position
    slopes = weight * np.where(s > 0, high, low)
    size = float(np.max(np.abs(position)) + np.max(np.abs(raw)))
    tied = np.flatnonzero((np.abs(s) <= NEAR * size) & (weight > 0))
    k = len(tied)
    if not k:
        return slopes
    start, width = weight[tied] * low[tied], weight[tied] * (high - low)[tied]
    slopes[tied] = start
    # shares of the way from the lower to the upper slope, and the strength in units of this
    pull = columns.T @ slopes / l1
    moved = (columns[tied].T * width) / l1[:, None]
    unit = float(np.max(np.abs(pull) + np.abs(moved).sum(axis=1)))
    if not 0 < unit < np.inf:
        return None
    sides = (-1.0,) if positive else (1.0, -1.0)
    limits = np.vstack(
        [np.column_stack([side * moved / unit, -np.ones(len(l1))]) for side in sides]
    )
    room = np.concatenate([-side * pull / unit for side in sides])
    held = free[tied].T * width
    largest = np.abs(held).max(axis=1, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    found = linprog(
        np.append(np.zeros(k), 1.0), A_ub=limits, b_ub=room,
        A_eq=np.column_stack([held / largest[:, None], np.zeros(len(held))]),
        b_eq=-(free.T @ slopes) / largest, bounds=[(0.0, 1.0)] * k + [(0.0, None)],
        method="highs",
        options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
    )  # fmt: skip
    if found.x is None:
        return None
    slopes[tied] = start + width * np.clip(found.x[:k], 0.0, 1.0)
    return slopes
