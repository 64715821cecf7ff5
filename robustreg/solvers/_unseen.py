"""Directions in which rows do not vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, is_sparse
from robustreg.losses import Squared
from robustreg.objective import Objective
from robustreg.solvers._polyhedra import leading_away

#: more rows than this for each coefficient are looked at by their inner products
ENOUGH = 20
#: a direction in which rows do not vary has a singular value of this share of the largest
FREE = 1e-9
#: and one of this share of the size of the rows is rounding
NOISE = 1e-13


def still_loose(objective: Objective, rows: Array, loose: Array) -> Array:
    """Orthonormal directions of those given in which rows do not vary."""
    q = objective.size
    if not loose.shape[1] or not len(rows):
        return loose
    if len(rows) > ENOUGH * q:
        among = np.zeros(objective.data.n_rows)
        among[rows] = 1.0
        data = objective.data.with_target(objective.data.y, among)
        squares = Objective(Squared(), data, objective.penalty.scaled(0.0))
        inner: Any = squares.evaluate(np.zeros(q), 2, whole=False).hessian
        values, vectors = np.linalg.eigh(loose.T @ inner @ loose)
        none = max(FREE * values[-1], NOISE * float(np.diag(inner).max()))
        return np.asarray(loose @ vectors[:, values <= none])
    X = rows_with_ones(objective, rows)
    return null_space(X @ loose, loose, float(np.sqrt(np.einsum("ij,ij->i", X, X).max())))


def null_space(X: Array, loose: Array, unit: float) -> Array:
    """Orthonormal directions of those given, in which rows of size ``unit`` are ``X``, where these are zero."""
    triangle = np.linalg.qr(X, mode="r")
    ranked = np.abs(np.diag(scipy.linalg.qr(triangle, mode="r", pivoting=True)[0]))
    if len(ranked) == loose.shape[1] and ranked.min() > max(FREE * ranked.max(), NOISE * unit):
        return loose[:, :0]
    _, values, right = np.linalg.svd(triangle)
    none = max(FREE * values.max(initial=0.0), NOISE * unit)
    return np.asarray(loose @ right[np.count_nonzero(values > none) :].T)


def rows_with_ones(objective: Objective, rows: Array) -> Array:
    """Return rows of X, and of ones for the intercept, as a dense array."""
    X: Any = objective.data.take_with_ones(rows)
    return X.toarray() if is_sparse(X) else X


class Unseen:
    """Directions in which no residual changes, which are left out of the polyhedron, and bounds that they lead away from.

    Such a bound says nothing of residuals, and no centre lies between it and nowhere.

    Parameters
    ----------
    objective : Objective
        Of absolute errors.
    directions, bounds : array
        As of :class:`~robustreg.solvers._held_columns.Moves`.
    """

    def __init__(self, objective: Objective, directions: Array, bounds: Array) -> None:
        self.others, self.left, self.ray = bounds, bounds[:0], np.zeros(objective.size)
        self.directions = directions
        if objective.penalty.empty or objective.penalty.euclidean:  # coordinates leave none
            return
        flat = still_loose(objective, np.arange(objective.data.n_rows), directions)
        if len(bounds) and flat.shape[1]:
            self._follow(flat)
        if len(self.others) and flat.shape[1]:
            flat = null_space(self.others @ flat, flat, 1.0)
        if flat.shape[1]:
            self.directions = null_space(flat.T @ directions, directions, 1.0)

    def _follow(self, flat: Array) -> None:
        """Find a direction that leads away from as many bounds as there are such."""
        found = leading_away(self.others @ flat)
        if found is not None:
            self.ray = flat @ found[0]
            self.left, self.others = self.others[found[1]], self.others[~found[1]]

    def lift(self, theta: Array) -> Array:
        """Return a point with the same residuals within all bounds."""
        if not len(self.left):
            return theta
        short = -(self.left @ theta) / (self.left @ self.ray)
        return np.asarray(theta + max(float(short.max()), 0.0) * self.ray)
