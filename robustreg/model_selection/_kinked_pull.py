"""The smallest strength of an L1 penalty that holds all coefficients at zero beside a loss with kinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.losses import Kinks
from robustreg.solvers import HIGHS_TOLERANCES, linprog

#: distance from a kink, as a share of the size of targets and predictions, up to which a row is taken to be on it; one too
#: many or too few is seen by the fits that confirm what follows
NEAR = 1e-10
#: machine: entries of the rows on their kinks up to which the program is asked
ENTRIES = 5_000_000


def gradient_about(X: Any, center: Array, slopes: Array) -> Array:
    """Return the gradient in the coefficients of columns about their centers, of given slopes of the rows."""
    if is_sparse(X):
        return np.asarray(X.T @ slopes - np.multiply.outer(center, slopes.sum(axis=0)))
    return np.asarray((X - center).T @ slopes)


def slopes_on_kinks(
    kinks: Kinks,
    raw: Array,
    weight: Array,
    X: Any,
    center: Array,
    l1: Array,
    free: Array,
    *,
    intercept: bool,
    positive: bool,
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
    X : array or sparse array of shape (n, p)
        All columns.
    center : array of shape (p,)
        Their means where there is an intercept, and else zero.
    l1 : array of shape (p,)
        Weights of the absolute values of the penalised coefficients; 0 of the others.
    free : array of bool, of shape (p,)
        Columns without a penalty: nothing may pull at them.
    intercept : bool
        Whether there is one, at which nothing may pull either.
    positive : bool
        Whether coefficients cannot be negative.

    Returns
    -------
    slopes : array of shape (n,)
        Times the weights; None where the program would be too large, or ends without an answer.
    """
    n, held = len(raw), l1 > 0
    position, low, high = (np.broadcast_to(part, n) for part in kinks)
    s = raw - position
    slopes = weight * kinks.slopes(s)
    size = float(np.max(np.abs(position)) + np.max(np.abs(raw)))
    tied = np.flatnonzero((np.abs(s) <= NEAR * size) & (weight > 0))
    k = len(tied)
    if not k or not held.any():
        return slopes
    if k * len(l1) > ENTRIES:
        return None
    rows = (X[tied].toarray() if is_sparse(X) else X[tied]) - center
    start, width = weight[tied] * low[tied], weight[tied] * (high - low)[tied]
    slopes[tied] = start
    # shares of the way from the lower to the upper slope, and the strength in units of this
    gradient = gradient_about(X, center, slopes)
    pull, moved = gradient[held] / l1[held], (rows[:, held].T * width) / l1[held, None]
    unit = float(np.max(np.abs(pull) + np.abs(moved).sum(axis=1)))
    if not 0 < unit < np.inf:
        return None
    sides = (-1.0,) if positive else (1.0, -1.0)
    limits = np.vstack(
        [np.column_stack([side * moved / unit, np.full(len(pull), -1.0)]) for side in sides]
    )
    room = np.concatenate([-side * pull / unit for side in sides])
    still = rows[:, free].T * width, gradient[free]
    if intercept:
        still = np.vstack([still[0], width]), np.append(still[1], slopes.sum())
    largest = np.abs(still[0]).max(axis=1, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    found = linprog(
        np.append(np.zeros(k), 1.0), A_ub=limits, b_ub=room,
        A_eq=np.column_stack([still[0] / largest[:, None], np.zeros(len(largest))]),
        b_eq=-still[1] / largest, bounds=[(0.0, 1.0)] * k + [(0.0, None)],
        method="highs", options=HIGHS_TOLERANCES,
    )  # fmt: skip
    if found.x is None:
        return None
    slopes[tied] = start + width * np.clip(found.x[:k], 0.0, 1.0)
    return slopes
