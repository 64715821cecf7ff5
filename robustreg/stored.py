"""Coefficients and intercept in the user's units, and what it costs that they are rounded there.

A fit ends in coordinates in which columns are centred and of size one. In the user's units the intercept may be 1e9
times as large as the residuals, and beside a row of weight 1e9 one unit in its last place is felt; so is one of
coefficients that nearly cancel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import Data, floats
from robustreg.precise import Factor, dot

#: statistics: a row of so many times the median weight is heavy. Where rows count alike the rounding of X and y
#: moves the minimum as much as that of the intercept
HEAVY = 100.0
#: statistics: predictions that change by less, y having spread one, change no objective of rows that count alike
UNFELT = 1e-11
#: rows that tell how large columns are
SOME = 4096
#: rounding: terms this many times larger than their sum leave it ten digits or fewer
CANCELS = 1e6
#: least number of rows that tell whether terms cancel, where there are as many
LOOKED_AT = 32
#: rounding
EPS = float(np.finfo(float).eps)


def in_units_of_user(
    data: Data, u: Array, intercept: Any, unit: float = 1.0, base: float = 0.0
) -> tuple[Array, Any]:
    """Return coefficients and intercept for X as the user gave it.

    Parameters
    ----------
    data : Data
        Rows in the solver's coordinates.
    u : array of shape (size,) or (size, n_outputs)
        In these.
    intercept : float or array of shape (n_outputs,)
        In the same.
    unit, base : float
        Of y, which the solver sees as ``(y - base) / unit``.
    """
    coef = data.coordinates.coef(u)
    if data.null is not None:
        coef = coef - data.null @ (data.null.T @ coef)
    if not data.intercept:
        return coef * unit, intercept * unit + base
    center = data.coordinates.center
    moved = center @ coef
    heavy = data.here and has_heavy_rows(data.weight)
    if not heavy and EPS * np.abs(moved).max() <= UNFELT:
        return coef * unit, (intercept - moved) * unit + base
    # the last place is felt: the intercept is that of the coefficients as they are rounded
    coef = coef * unit
    left = np.concatenate([[unit, 1.0], -center])
    columns = coef.reshape(len(coef), -1).T
    found = [
        dot(left, np.concatenate([[at, base], column]))
        for at, column in zip(np.ravel(intercept), columns, strict=True)
    ]
    return coef, np.reshape(found, np.shape(intercept))[()]


def in_coordinates(data: Data, coef: Array, intercept: Array) -> Array:
    """Return coefficients and intercepts in the solver's coordinates, a row for each score: the nearest there are.

    Parameters
    ----------
    data : Data
        Rows in these coordinates.
    coef, intercept : arrays of shape (n_scores, n_features) and (n_scores,)
        For X as the user gave it.
    """
    u = data.coordinates.solver(coef.T)
    if not data.intercept:
        return np.asarray(u.T)
    offset = intercept + data.coordinates.center @ data.coordinates.coef(u)
    return np.column_stack([u.T, offset])


def has_heavy_rows(weight: Array | None) -> bool:
    """Whether some rows weigh much more than most."""
    if weight is None or weight.max() <= HEAVY * weight.min():
        return False
    return bool(weight.max() > HEAVY * np.median(weight))


def cancels(X: Array, coef: Array, intercept: Any) -> bool:
    """Whether in any row the terms of ``X @ coef.T + intercept`` are so much larger than it that their rounding is seen.

    Parameters
    ----------
    X : array of shape (n, p)
        Rows, of which some are looked at, spread over all. In rows far from the others terms need not cancel.
    coef : array of shape (p,) or (k, p)
        Coefficients.
    intercept : float or array of shape (k,)
        Intercepts.
    """
    some = floats(X[:: max(len(X) // LOOKED_AT, 1)], dense=True)
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs(some) @ np.abs(coef.T) + np.abs(intercept)
        total = np.abs(some @ coef.T + intercept)
        return bool(np.any((CANCELS * total < size) & (size < np.inf)))


def precise_scores(X: Array, coef: Array, intercept: Any) -> Array:
    """Return ``X @ coef.T + intercept`` to its own last places, where terms cancel."""
    columns = np.vstack([np.atleast_2d(coef).T, np.atleast_1d(intercept)])
    rows = np.column_stack([floats(X, dense=True), np.ones(len(X))])
    return Factor(columns).after(rows).reshape(len(X), *np.shape(coef)[:-1])


def leads(X: Array, coef: Array, intercept: Array, own: Array | None = None) -> Array:
    """Return ``X @ coef.T + intercept``, less the score of the own class of each row: rounded once where terms cancel.

    Where rows are far out in X two scores of 1e14 may differ by one.

    Parameters
    ----------
    X : array of shape (n, p)
        Finite.
    coef : array of shape (k, p)
        Coefficients.
    intercept : array of shape (k,)
        Intercepts.
    own : array of int, of shape (n,), optional
        Numbers of the classes; without them nothing is subtracted.

    Returns
    -------
    leads : array of shape (n, k)
    """
    left = np.column_stack([X, np.ones(len(X))])
    unit = np.ldexp(
        1.0, np.frexp(np.abs(left).max(axis=1))[1]
    )  # a power of two: nothing is rounded
    left = left / unit[:, None]
    right = np.column_stack([coef, intercept])
    less = np.zeros((len(X), right.shape[1])) if own is None else right[own]
    found = left @ right.T - (left * less).sum(axis=1)[:, None]
    size = np.abs(left) @ np.abs(right.T) + (np.abs(left * less)).sum(axis=1)[:, None]
    left = np.hstack([left, -left])
    for i, k in np.argwhere(np.abs(found) * CANCELS < size).tolist():
        found[i, k] = dot(left[i], np.concatenate([right[k], less[i]]))
    return np.asarray(found * unit[:, None])


class Stored(NamedTuple):
    """Coefficients as they are stored, and where the fit ended.

    Parameters
    ----------
    data : Data
        The rows as the solver saw them.
    x : array of shape (n_scores, size + intercept)
        In its coordinates.
    X : array or sparse array of shape (n, n_features)
        The rows as they are given, those of weight zero left out.
    coef : array of shape (n_scores, n_features)
        In the user's units.
    intercept : array of shape (n_scores,)
        In the same.
    unit, base : float
        Of y, which the solver sees as ``(y - base) / unit``.
    """

    data: Data
    x: Array
    X: Any
    coef: Array
    intercept: Array
    unit: float
    base: float

    @property
    def heavy(self) -> bool:
        """Whether some rows are heavy."""
        return has_heavy_rows(self.data.weight)

    def felt(self) -> bool:
        """Whether any row may feel the rounding."""
        data = self.data
        far = float(np.abs(self.intercept).max()) / self.unit
        if self.heavy or EPS * far > UNFELT:
            return True
        if data.coordinates.diagonal:
            size = data.size * float(np.abs(self.x).max(initial=0.0))
        elif is_sparse(self.X):
            return False
        else:
            rows, center = floats(self.X[:SOME], dense=True), data.coordinates.center
            # mostly a bound by Cauchy and Schwarz says enough, and takes no array as large as the rows
            length = np.linalg.norm(rows) / np.sqrt(len(rows)) + np.linalg.norm(center)
            size = float(np.linalg.norm(self.coef, axis=1).max() * length) / self.unit
            if EPS * size <= UNFELT:
                return False
            some = rows - center
            size = float((np.abs(self.coef) @ np.abs(some).mean(axis=0)).max()) / self.unit
        return EPS * size > UNFELT

    def predictions(self) -> tuple[Array, Array]:
        """Return predictions of all rows where the fit ended and as they are stored, both in the solver's unit.

        Where no rows are heavy an intercept is as good as the one that is meant if it differs by what rounding of y may.
        """
        data, unit = self.data, self.unit
        at = data.outward(np.ascontiguousarray(self.x.T))
        ended = data.rowwise(lambda block: block.raw(at))
        meant = self.x[:, data.size] if data.intercept else np.zeros(len(self.x))
        center = data.coordinates.center
        beside = np.concatenate([[1.0, -1.0], center])
        terms = zip(self.intercept, self.coef, strict=True)
        offset = np.array([dot(beside, np.array([b, self.base, *coef])) for b, coef in terms])
        if not self.heavy:
            near = np.abs(offset - meant * unit) <= EPS * abs(self.base)
            offset = np.where(near, meant * unit, offset)
        if is_sparse(self.X):
            return ended, ended + (offset / unit - meant)
        return ended, (self.centred() + offset) / unit

    def centred(self) -> Array:
        """Return what the coefficients as they are stored predict of the centred rows, without an intercept; of dense X."""
        columns, center = np.ascontiguousarray(self.coef.T), self.data.coordinates.center
        return Factor(columns).after(floats(self.X, dense=True), center)
