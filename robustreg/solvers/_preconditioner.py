"""Preconditioners of conjugate gradients: the curvature of each output by itself.

Of few columns the whole curvature of an output, of many its diagonal. What outputs and columns do to each
other is left to conjugate gradients. Rare columns beside a penalty, and rare classes, need no steps of their
own then.

References
----------
Nocedal, J. and Wright, S. J. (2006). Numerical Optimization, section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import FEW_GRAMS
from robustreg.objective import Objective
from robustreg.passes import OwnCurvature

#: columns up to which the curvature of an output is inverted as a whole (machine: with 20 columns and 100
#: classes it takes a fifth of the products that the diagonal takes, and 15 passes in place of 2), and
#: coefficients up to which conjugate gradients end by themselves
WHOLE = 64
#: share of a curvature that is added to it (rounding: of the inverse of one without a full rank)
LIFT = 1e-10

Map = Callable[[Array], Array]


def own_curvature(objective: Objective, theta: Array) -> Map | None:
    """Return about the inverse of the Hessian, by the curvature of each output at a point: one pass.

    Parameters
    ----------
    objective : Objective
        A smooth function.
    theta : array of shape (q,)
        The point.

    Returns
    -------
    callable or None
        Maps a gradient to a step. None where the curvature of single outputs is not known, and where there
        are few coefficients.
    """
    data, loss = objective.data, objective.loss
    whole = objective.n_outputs is not None and data.dense and data.size <= WHOLE and loss.convex
    known = loss.additive and data.here and not objective.n_extra
    if objective.size <= WHOLE or not (known and (whole or data.coordinates.diagonal)):
        return None
    loss, basis = loss.unmixed(objective.n_outputs)
    at = objective.at(theta)
    at = at if basis is None else at @ basis
    sums = data.sum(OwnCurvature(loss, at, theta[:0], whole), FEW_GRAMS if whole else 1)
    bend = objective.penalty.curvature(data.coordinates.coef(objective.linear(theta)[: data.size]))
    bend = bend.reshape(len(bend), -1)
    if basis is not None:  # of combinations of outputs no single one's
        bend = bend.mean(axis=1, keepdims=True)
    make = _by_block if whole else _by_entry
    inverse = make(objective, sums, bend)

    def step(gradient: Array) -> Array:
        columns = objective.linear(gradient)
        if basis is None:
            return np.ravel(inverse(columns))
        return np.ravel(inverse(columns @ basis) @ basis.T)

    return step


def _by_entry(objective: Objective, sums: tuple[Any, ...], bend: Array) -> Map:
    """Return the inverse of the diagonal, or of :func:`_beside_squares`."""
    data, (own, cross) = objective.data, sums
    own = own.copy()
    if not data.explicit:  # the rows are the user's
        own[: data.size] = data.held.squares(own[: data.size], cross if data.intercept else None)
    price = data.coordinates.squares(bend)
    price = price[:, 0] if own.ndim == 1 else np.broadcast_to(price, own[: data.size].shape)
    size = _beside_squares(objective, np.abs(own), price)
    if size is None:
        own[: data.size] += price
        size = np.abs(own)
        size += LIFT * (float(size.mean()) or 1.0)
    inverse = objective.total / size
    return lambda gradient: inverse * gradient


def _beside_squares(objective: Objective, own: Array, price: Array) -> Array | None:
    """Return the curvature of a penalty of squares, but of columns that many rows have in common; None where rows are many.

    Fewer rows than columns bend few of all directions. In the metric of the penalty gradients have no part in the others,
    and conjugate gradients meet the inner products of the rows. The diagonal would mix both: their curvatures are as far
    apart as loss and penalty are. A column stands out of the inner products where its curvature, in units of that
    of its penalty, is more than they sum up to in a row, to which it is reduced.
    """
    size = objective.data.size
    varies = own[:size] > 0
    if (
        objective.data.n_rows >= size
        or not objective.penalty.euclidean
        or np.any(price[varies] == 0)
    ):
        return None
    with np.errstate(over="ignore"):
        ratio = np.divide(own[:size], price, out=np.zeros_like(price), where=varies)
        level = np.maximum(ratio.sum(axis=0) / objective.data.n_rows, 1.0)
    if not np.all(level < np.inf):
        return None
    bent = own / level
    bent[:size] = np.maximum(bent[:size], price)
    return np.where(bent > 0, bent, 1.0)


def _by_block(objective: Objective, sums: tuple[Any, ...], bend: Array) -> Map:
    """Return the inverse of the curvature of each output, each in units of its diagonal."""
    data, size = objective.data, objective.data.size
    own = np.stack([data.gram_inward(gram) for gram in sums[0]])
    own[:, :size, :size] += np.stack([data.coordinates.quadratic(column) for column in bend.T])
    diagonal = np.einsum("kii->ki", own)
    unit = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    own *= unit[:, :, None] * unit[:, None, :]
    own[:, range(own.shape[1]), range(own.shape[1])] += np.where(diagonal > 0, LIFT, 1.0)
    inverse = objective.total * np.linalg.inv(own) * unit[:, :, None] * unit[:, None, :]
    return lambda gradient: np.matmul(inverse, gradient.T[:, :, None])[:, :, 0].T
