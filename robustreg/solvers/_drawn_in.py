"""Rows far out in X, drawn in for a fit that rounding would spoil, and let out of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.losses import Loss
from robustreg.penalties import Penalty

#: rows are drawn in to this many times the size of the others: what decides for them is then nothing to the others, to
#: the digits that a certificate asks for, and inner products keep six
REACH = 1e10
#: larger predictions of a far row are on its side, and change nothing
DECIDES = 1e4
#: steps that let rows of any length out
DIGITS = 25
#: rows whose predictions cannot be chosen one by one to these digits are in one direction
APART = 1e-8


class LetOut(NamedTuple):
    """What becomes of a fit to rows that are drawn in.

    Parameters
    ----------
    x : array of shape (n_scores, size + intercept)
        Coefficients.
    rise : float
        The objective there, as a multiple of what it was with the rows drawn in.
    doubt : float
        How far it may be above its minimum, as a share of it, beside what the fit was above its own.
    """

    x: Array
    rise: float
    doubt: float


class DrawnIn(NamedTuple):
    """Rows far out in X, all drawn in by one factor, beside the others.

    What decides for a far row is a coefficient that is nothing to the others, and one that is a million times smaller
    if the row is a million times farther out: the minimum is the same but for what it is to the others.

    Parameters
    ----------
    data : Data
        All rows, in coordinates of those that are not far.
    rows : array of int
        Which are drawn in.
    factor : float
        By which they are shorter.
    """

    data: Data
    rows: Array
    factor: float

    @classmethod
    def of(cls, data: Data, far: Array) -> DrawnIn | None:
        """Draw the farthest rows in; None where rows are not kept in the coordinates, or none is far enough."""
        if not data.ready:
            return None
        size = np.abs(data.X[far, : data.size]).max(axis=1, initial=0.0)
        rows, factor = far[size > REACH], REACH / size.max()
        if not len(rows):
            return None
        X = data.X.copy()
        X[rows, : data.size] *= factor
        return cls(replace(data, X=X, moments=None), rows, factor)

    def ended(self, x: Array, rows: Array, loss: Loss, target: Array, penalty: Penalty) -> LetOut:
        """Let the rows out of a fit.

        Parameters
        ----------
        x : array of shape (n_scores, size + intercept)
            The minimum with the rows drawn in, in the coordinates.
        rows : array of shape (n, size + intercept)
            All rows as they are.
        loss, target, penalty
            What is minimised.
        """
        weight = np.ones(len(rows)) if self.data.weight is None else self.data.weight

        def value(x: Array, rows: Array) -> tuple[float, Array]:
            raw = rows @ x.T
            raw = raw[:, 0] if len(x) == 1 else raw
            total, slope, _ = loss.value_gradient(target, raw, weight, np.zeros(0))
            coef = self.data.coordinates.coef(x[:, : self.data.size].T)
            total += penalty.value_gradient(coef[:, 0] if len(x) == 1 else coef)[0]
            return total, np.abs(slope).reshape(len(rows), -1).sum(axis=1)

        after = self.let_out(x)
        (least, slope), (found, _) = value(x, self.data.X), value(after, rows)
        if not least > 0:  # nothing is below zero
            return LetOut(after, 1.0, np.inf if found > 0 else 0.0)
        most = 1.0 + 2.0 * (np.abs(x[:, self.data.size]).max() if self.data.intercept else 0.0)
        if loss.smooth and loss.endless:  # it fades with the exponential
            most -= math.log(self.factor)
        moves = np.linalg.pinv(self.data.X[self.rows, : self.data.size])
        doubt = self.doubt(moves, np.maximum(slope, len(x) * weight), most)
        doubt += self.price(moves, most, penalty, len(x), found)
        return LetOut(after, found / least, (max(found - least, 0.0) + doubt) / found)

    def let_out(self, x: Array) -> Array:
        """Return coefficients that say of the rows let out what ``x`` says of them here.

        So they do where it decides something: a row far on its side is there all the more as it is.

        Parameters
        ----------
        x : array of shape (n_scores, size + intercept)
            In the coordinates.
        """
        x, p = x.copy(), self.data.size
        rows = self.data.X[self.rows, :p]
        raw = rows @ x[:, :p].T
        close = np.abs(raw).max(axis=1) <= DECIDES
        rows, raw = rows[close], self.factor * raw[close]
        inverse = np.linalg.pinv(rows)
        for _ in range(DIGITS):  # each adds the digits of one number, and the factor may be 1e-290
            x[:, :p] += (inverse @ (raw - rows @ x[:, :p].T)).T
        return x

    def doubt(self, moves: Array, slope: Array, most: float) -> float:
        """Return by how much the least sum of losses differs with the rows let out, at most.

        A minimum of either problem gives a point of the other with the same losses of these rows, moved by as
        much as their predictions ask for.

        Parameters
        ----------
        moves : array of shape (size, n_far)
            Coefficients that predict one for a far row and zero for the others, in columns.
        slope : array of shape (n,)
            How fast the loss of a row changes with its prediction, at most.
        most : float
            Largest prediction of a far row that decides something.
        """
        rows = self.data.X[:, : self.data.size]
        predicted = rows @ moves
        if np.abs(predicted[self.rows] - np.eye(len(self.rows))).max() > APART:
            return np.inf
        change = np.abs(predicted).sum(axis=1)
        return float(np.delete(slope * change, self.rows).sum() * most)

    def price(
        self, moves: Array, most: float, penalty: Penalty, n_scores: int, value: float
    ) -> float:
        """Return by how much the least penalty differs, at most: of a row drawn in larger coefficients decide.

        Of a penalty P of sizes and squares ``P(c + d) <= P(c) + P(d) + 2 sqrt(P(c) P(d))``.

        Parameters
        ----------
        moves, most
            As of :meth:`doubt`.
        penalty : Penalty
            Of coefficients in the user's units.
        n_scores : int
            How many predictions a row has.
        value : float
            Objective at a point, and so more than the penalty at the minimum.
        """
        size = most * np.abs(self.data.coordinates.coef(moves)).sum(axis=1)
        moved = size if n_scores == 1 else np.repeat(size[:, None], n_scores, axis=1)
        price = float(penalty.value_gradient(moved)[0])
        if price and getattr(penalty, "positive", False):  # a move may have another sign
            return np.inf
        return price + 2.0 * math.sqrt(price * value)
