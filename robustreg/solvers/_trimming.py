"""The criterion of least trimmed squares, and smoother ones that lead to its lowest minima."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import Tukey
from robustreg.solvers._subsampling import (
    ALIKE_ON_PART,
    NOTHING,
    SETTLE_ON_PART,
    STRETCH,
    Criterion,
    Grams,
    MScale,
    newton_steps,
    ranked,
)
from robustreg.solvers._subsets import DEGENERATE, Sample

#: rows that may be exchanged for one of as many others: of few rows all
EXCHANGED = 200
#: widths of the edge, as shares of the square there: over the first one the sum has hardly more than one minimum for each
#: majority, over the second one those near that are low ones
WIDTHS = (0.5, 0.1)
#: steps at each of them at the most, and gradient at which a candidate has settled there
EASED_STEPS, EASED_TOL = 15, 1e-3
#: steps of Newton's method for the place of an edge of some width, a piecewise linear equation
PLACED = 4


def edges(square: Array, weight: Array, h: float) -> Array:
    """Square at which the weights of the smallest ones add up to h, for each column; roughly."""
    if np.ptp(weight) == 0:
        return ranked(np.sqrt(square), int(np.ceil(h / weight[0] - 1e-9)) - 1) ** 2
    order = np.argsort(square, axis=0, kind="stable")
    row = (np.cumsum(weight[order], axis=0) < h * (1 - 1e-12)).sum(axis=0)
    columns = np.arange(square.shape[1])
    return np.asarray(square[order[row, columns], columns])


def inside(square: Array, weight: Array | None, h: float) -> Array:
    """Weights of the rows with the smallest squares that add up to h, for each column of squares.

    Rows whose squares are equal to the largest of these share what is left.
    """
    if weight is None:
        k = int(np.ceil(h - 1e-9))
        edge, each = np.partition(square, k - 1, axis=0)[k - 1], 1.0
    else:
        order = np.argsort(square, axis=0, kind="stable")
        row = (np.cumsum(weight[order], axis=0) < h * (1 - 1e-12)).sum(axis=0)
        columns = np.arange(square.shape[1])
        edge, each = square[order[row, columns], columns], weight[:, None]
    kept, at = (square < edge) * each, (square == edge) * each
    return np.asarray(kept + at * ((h - kept.sum(axis=0)) / at.sum(axis=0)))


class Eased(NamedTuple):
    """Weights of rows at an edge of some width, for each column of squares."""

    #: those that count, from zero to the weight of the row
    kept: Array
    #: and those of the rows next to the edge, of which a part counts
    near: Array
    #: what the weights make least
    value: Array


def eased(square: Array, weight: Array, h: float, width: Array) -> Eased:
    """Weights in a straight line from one to zero about the h-th square.

    They make the sum of ``k square + width (k - 1/2)^2`` least among weights k from zero to one that add up to h: the
    larger the width the fewer local minima that has over the coefficients.

    Parameters
    ----------
    square : array of shape (m, k)
        Squared residuals.
    weight : array of shape (m,)
        Of the rows.
    h : float
        Sum of the weights of the rows that count.
    width : array of shape (k,)
        Of the edge, in squares.
    """
    edge = edges(square, weight, h)
    low, high = edge - width, edge + width
    for _ in range(PLACED):
        share = np.subtract(edge, square)
        with np.errstate(over="ignore"):
            share /= 2 * width
        share += 0.5
        np.clip(share, 0.0, 1.0, out=share)
        part = (share > 0) & (share < 1)
        over, slope = weight @ share - h, weight @ part
        high, low = np.where(over > 0, edge, high), np.where(over > 0, low, edge)
        edge = np.clip(edge - 2 * width * over / np.maximum(slope, NOTHING), low, high)
    kept = share * weight[:, None]
    value = np.einsum("ik,ik->k", kept, np.where(share > 0, square, 0.0))
    share -= 0.5
    value += width * (weight @ np.square(share, out=share))
    return Eased(kept, part * weight[:, None], value)


def moving_edge(found: Eased, R: Array, width: Array) -> tuple[Array, Array, Array]:
    """Parts of the Hessian of an eased sum, as rows at the edge change their weights.

    It is that of least squares with the first as weights, plus ``m m' / d`` with the inner products m of the columns with the
    second, and d the third: the edge moves with the rows.
    """
    moving = found.near * R
    below = width * np.maximum(found.near.sum(axis=0), NOTHING)
    return found.kept - moving * (R / width), moving, below


class TrimmedSquares(Criterion):
    """Root of the mean of the h smallest squared residuals.

    Parameters
    ----------
    share : float
        h, as a share of the sum of the weights.
    """

    tol = 1e-12
    # it has more local minima than an M-scale, and its steps are few and quick
    kept, finalists, enough = 1000, 500, 8
    close = (1e-3, 5e-2)  # fits that differ by a few rows at the edge count as one

    def __init__(self, share: float, width: float = 0.0) -> None:
        self.share, self.width = share, width
        if width:
            self.tol, self.settle, self.close = EASED_TOL, EASED_STEPS, (1e-2, 1e-1)

    @property
    def eased(self) -> list[Criterion]:
        return [] if self.width else [TrimmedSquares(self.share, width) for width in WIDTHS]

    def stricter(self, share: float, sample: Sample) -> TrimmedSquares:
        # as many rows lie on a plane in any case
        least = min(sample.A.shape[1] / sample.total, self.share)
        stricter = TrimmedSquares(least + share * (self.share - least))
        stricter.settle, stricter.close = SETTLE_ON_PART, ALIKE_ON_PART
        return stricter

    def on_part(self, m: int) -> MScale:
        # An M-scale that leaves out as many rows: its efficiency is four times as high, so that starts which end at
        # one optimum of all rows end at one of a part as well, and its optima are a better start.
        return MScale(Tukey(), 1.0 - self.share, 0.0).on_part(m)

    def _inside(self, R: Array, sample: Sample) -> Array:
        even = None if np.ptp(sample.weight) == 0 else sample.weight
        unit = float(sample.weight[0]) if even is None else 1.0
        return unit * inside(R * R, even, self.share * sample.total / unit)

    def sizes(self, R: Array, sample: Sample) -> Array:
        h, square = self.share * sample.total, R * R
        if np.ptp(sample.weight) == 0:
            # The sum of the h smallest is the maximum of ``h e - sum (e - square)_+`` over e, and so exact to the
            # digits of an edge e in single precision: candidates are told apart by shares of 1e-3.
            unit = float(sample.weight[0])
            edge = ranked(np.abs(R), int(np.ceil(h / unit - 1e-9)) - 1) ** 2
            below = np.maximum(np.subtract(edge, square, out=square), 0.0, out=square)
            mean = edge - unit * below.sum(axis=0) / h
        else:
            mean = np.einsum("ik,ik->k", self._inside(R, sample), square) / h
        return np.sqrt(np.maximum(mean, NOTHING**2))

    def refined(self, R: Array, size: Array, sample: Sample) -> Array:
        return self.sizes(R, sample)

    def neighbour(self, sample: Sample, theta: Array) -> Array | None:
        # Hawkins' (1994) exchange of a row kept for one left out, of all pairs the one that gains most
        if np.ptp(sample.weight) > 0:
            return None
        A, residual = sample.A, sample.y - sample.A @ theta
        inner = self._inside(residual[:, None], sample)[:, 0] > 0
        kept, others = np.flatnonzero(inner), np.flatnonzero(~inner)
        if not len(others):  # ties: each counts in part
            return None
        left, values, axes = np.linalg.svd(A[kept], full_matrices=False)
        sound = values > DEGENERATE * values[0]
        left, right = left[:, sound], A[others] @ (axes[sound].T / values[sound])
        stays = np.maximum(1 - np.square(left).sum(axis=1), 0.0)
        comes = 1 + np.square(right).sum(axis=1)
        # of many rows those are tried that gain most, or cost least, alone
        alone = residual[kept] ** 2 / np.maximum(stays, NOTHING), residual[others] ** 2 / comes
        most, least = np.argsort(-alone[0])[:EXCHANGED], np.argsort(alone[1])[:EXCHANGED]
        out, into = residual[kept[most], None], residual[others[least]]
        stays, comes, between = stays[most, None], comes[least], left[most] @ right[least].T
        gained = comes * out**2 - stays * into**2 - 2 * out * into * between
        with np.errstate(invalid="ignore", divide="ignore"):
            gained /= stays * comes + between**2
        gained[~np.isfinite(gained)] = 0.0  # a coefficient that nothing else determines
        best = int(np.argmax(gained))
        if not gained.flat[best] > self.tol * float(residual[kept] @ residual[kept]):
            return None
        i, j = np.unravel_index(best, gained.shape)
        rows = np.append(np.delete(kept, most[i]), others[least[j]])
        found: Array = np.linalg.lstsq(A[rows], sample.y[rows], rcond=None)[0]
        return found

    def step(
        self, R: Array, size: Array, sample: Sample, grams: Grams, newton: bool
    ) -> tuple[Array, Array]:
        if self.width:
            return self._eased_step(R, size, sample, grams, newton)
        kept = self._inside(R, sample)
        pull = sample.A.T @ (kept * R)
        settled = self._settled(pull, size, sample)
        return grams.solve(grams(kept / sample.weight[:, None]), pull), settled

    def _settled(self, pull: Array, size: Array, sample: Sample) -> Array:
        small = np.abs(pull).max(axis=0) <= self.tol * sample.total * size
        return np.asarray(small | (size <= NOTHING))

    def _eased_step(
        self, R: Array, size: Array, sample: Sample, grams: Grams, newton: bool
    ) -> tuple[Array, Array]:
        """Newton's step where it makes the eased sum smaller, otherwise one of least squares, which always does."""
        h, square = self.share * sample.total, R * R
        width = np.maximum(self.width * edges(square, sample.weight, h), NOTHING**2)
        now = eased(square, sample.weight, h, width)
        pull = sample.A.T @ (now.kept * R)
        settled = self._settled(pull, size, sample)
        step, rest = np.zeros_like(pull), ~settled
        if newton:
            curvature, moving, below = moving_edge(now, R, width)
            hessian, mean = grams(curvature / sample.weight[:, None]), sample.A.T @ moving
            hessian += np.einsum("ik,jk->kij", mean, mean / below)
            step, rest = newton_steps(sample, grams, hessian, pull, R / size, rest)
            moved = eased((R - sample.A @ step) ** 2, sample.weight, h, width)
            rest |= ~settled & (moved.value > now.value)
        if rest.any():
            gram = grams(now.kept[:, rest] / sample.weight[:, None])
            step[:, rest] = STRETCH * grams.solve(gram, pull[:, rest])
        return step, settled
