"""Rows that are elsewhere, as fits to the majority ask of them: by passes alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.losses import ResidualLoss
from robustreg.remote import TableData
from robustreg.solvers._cholesky import solved
from robustreg.solvers._kinks import ROUNDED
from robustreg.solvers._subsampling import NEAR, NOTHING
from robustreg.solvers._subsets import Sample
from robustreg.solvers._table import ROUNDING, Columns, Table, within_rounding

#: an M-scale is known to the square of this
CLOSE = 1e-3
#: passes in which one is bracketed: each of the last squares the factor between two scales
BRACKETED = 40


def weighted(block: Block, values: Array) -> Array:
    """Return values of the rows times their weights."""
    return values if block.weight is None else (values.T * block.weight).T


@dataclass(frozen=True)
class RhoSums:
    """Sums of rho for several coefficients, each at a scale of its own, and how fast they fall with its logarithm.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    at : array of shape (q, k)
        Coefficients as blocks take them.
    sigma : array of shape (k,)
        Scales.
    """

    loss: ResidualLoss
    at: Array
    sigma: Array

    def __call__(self, block: Block) -> tuple[Array, Array]:
        scaled = (block.y[:, None] - block.raw(self.at)) / self.sigma
        rho, psi = self.loss.rho_psi(scaled)
        psi *= scaled
        return weighted(block, rho).sum(axis=0), weighted(block, psi).sum(axis=0)


@dataclass(frozen=True)
class Look:
    """What a step from a point needs, and what the step that led there was worth.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    at, last : array of shape (q,)
        Coefficients of the point and of the one before, as blocks take them.
    sigma, before : float
        Scales there.

    Returns
    -------
    tuple
        Sums of rho, of psi times residuals, of psi times the rows, of psi' times residuals and the rows, of psi' times
        products of the columns. Sum of rho at the scale before, and how many residuals changed by more than
        half of a scale and of themselves. Residuals are in units of the scale.
    """

    loss: ResidualLoss
    at: Array
    sigma: float
    last: Array
    before: float

    def __call__(self, block: Block) -> tuple[Any, ...]:
        residual, old = (block.y[:, None] - block.raw(np.stack([self.at, self.last], axis=1))).T
        scaled = residual / self.sigma
        rho, psi = self.loss.rho_psi(scaled)
        bend = weighted(block, self.loss.psi_prime(scaled))
        value, psi = float(weighted(block, rho).sum()), weighted(block, psi)
        reached = value
        if self.before != self.sigma:
            reached = float(weighted(block, self.loss.rho(residual / self.before)).sum())
        far = np.abs(residual - old) > NEAR * (self.before + np.abs(old))
        return (
            value, float(psi @ scaled), block.pullback(psi), block.pullback(bend * scaled),
            block.gram(bend), reached, int(np.count_nonzero(far)),
        )  # fmt: skip


@dataclass(frozen=True)
class Squares:
    """Products of the columns, weighted by how much a robust fit counts the rows."""

    loss: ResidualLoss
    at: Array
    sigma: float

    def __call__(self, block: Block) -> tuple[Array]:
        scaled = (block.y - block.raw(self.at)) / self.sigma
        return (block.gram(weighted(block, self.loss.weights(scaled))),)


@dataclass(frozen=True)
class Leverages:
    """How much rows count in a fit, and their leverages there.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    at : array of shape (q,)
        Coefficients as blocks take them.
    sigma : float
        The scale.
    root : array of shape (q, p)
        Of the inverse of the weighted products of the columns, as blocks take it.
    mass : float
        Number of repetitions that a weight of one stands for.
    """

    loss: ResidualLoss
    at: Array
    sigma: float
    root: Array
    mass: float

    def __call__(self, block: Block) -> tuple[Array, Array, Array]:
        """Return residuals, how much they count, and leverages."""
        residual = block.y - block.raw(self.at)
        weights = self.loss.weights(residual / self.sigma)
        form = (block.raw(self.root) ** 2).sum(axis=1)
        return residual, weights, np.clip(weights * form / self.mass, 0.0, 1.0)


@dataclass(frozen=True)
class DesignSums:
    """Both sides of the equation of a design-adaptive scale, but for kappa.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    leverages : Leverages
        Of the rows.
    constants : tuple of three floats
        kappa, and the two of tau.
    scale : float or None
        The scale; None to weight rows as the fit does.
    """

    loss: ResidualLoss
    leverages: Leverages
    constants: tuple[float, float, float]
    scale: float | None

    def __call__(self, block: Block) -> tuple[float, float]:
        residual, weights, leverage = self.leverages(block)
        _, first, second = self.constants
        tau = np.sqrt(1.0 - first * leverage) * (1.0 + second * leverage)
        counts = weighted(block, tau**2)
        if self.scale is None:
            return float(weighted(block, weights) @ residual**2), float(counts @ weights)
        scaled = residual / (tau * self.scale)
        weights = self.loss.weights(scaled)
        return float(counts @ (weights * scaled**2)), float(counts @ weights)


@dataclass(frozen=True)
class Lengths:
    """Sums of rho after multiples of a step, and how many residuals each changes by more than half of them.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    at, step : array of shape (q,)
        Coefficients and their change.
    sigma : float
        The scale.
    lengths : tuple of float
        Multiples.
    """

    loss: ResidualLoss
    at: Array
    step: Array
    sigma: float
    lengths: tuple[float, ...]

    def __call__(self, block: Block) -> tuple[Array, Array]:
        raw, change = block.raw(np.stack([self.at, self.step], axis=1)).T
        residual = block.y - raw
        reach, size = NEAR * (self.sigma + np.abs(residual)), np.abs(change)
        values = [
            weighted(block, self.loss.rho((residual - length * change) / self.sigma)).sum()
            for length in self.lengths
        ]
        far = [np.count_nonzero(length * size > reach) for length in self.lengths]
        return np.array(values), np.array(far)


@dataclass(frozen=True)
class Near:
    """Weight of the rows near a fit, squares of their residuals from another, and products with these and each other.

    Parameters
    ----------
    first, at : array of shape (q,)
        Coefficients of both.
    width : float
        How near.
    """

    first: Array
    width: float
    at: Array

    def __call__(self, block: Block) -> tuple[float, float, Array, Array]:
        first, residual = (block.y[:, None] - block.raw(np.stack([self.first, self.at], axis=1))).T
        near = np.abs(first) <= self.width
        counts, residual = weighted(block, near.astype(float)), np.where(near, residual, 0.0)
        square = float(counts @ residual**2)
        return float(counts.sum()), square, block.pullback(counts * residual), block.gram(counts)


@dataclass(frozen=True)
class Rounded:
    """The largest that rounding can make of a residual, and the weight of the residuals that are larger than it makes them.

    Parameters
    ----------
    at : array of shape (q,)
        Coefficients.
    base : float
        Size of what was taken from y.
    """

    at: Array
    base: float

    def __call__(self, block: Block) -> tuple[float, float]:
        size = block.beside(abs(block.X)).raw(np.abs(self.at))
        rounding = ROUNDED * (size + np.abs(block.y) + self.base)
        off = np.abs(block.y - block.raw(self.at)) > rounding
        return float(rounding.max()), float(weighted(block, off.astype(float)).sum())


def largest_and_sum(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Combine two answers of :class:`Rounded`."""
    return max(one[0], other[0]), one[1] + other[1]


class TableByPasses(Columns):
    """Rows elsewhere: few of them by their numbers, and sums over all.

    Parameters
    ----------
    data : TableData
        Prepared rows.
    """

    data: TableData

    def __init__(self, data: TableData) -> None:
        super().__init__(data)
        self.n_rows = data.n_rows

    @cached_property
    def few(self) -> Table:
        """Return the sample that is in this process."""
        sample = self.data.sample
        return Table(sample.subset(np.arange(sample.n_rows)))

    def sample(self, rows: Array) -> Sample:
        """Return some rows as they are: one pass."""
        data = self.data.numbered(rows)
        return Table(data).sample(np.arange(data.n_rows))

    def showing(self, direction: Array, most: int, least: float) -> Sample:
        """Return what that of a :class:`Table` does: two passes."""
        return self.sample(self.data.showing(self.at(direction), most, least))

    def rounding(self, theta: Array) -> float:
        """The largest that rounding can make of a residual that is zero: one pass."""
        return float(self._rounded(theta)[0])

    def _rounded(self, theta: Array) -> tuple[Any, ...]:
        return self.data.combined(Rounded(self.at(theta), self.data.base), largest_and_sum)

    def near(self, first: Array, width: float, theta: Array) -> tuple[float, float, Array, Array]:
        """Return the sums of :class:`Near` in the solver's coordinates: one pass."""
        mass, square, pull, gram = self.data.sum(Near(self.at(first), width, self.at(theta)))
        return mass, square, self.pull_inward(pull), self.gram_inward(gram)

    def plane(self, theta: Array, width: float, most: float) -> tuple[Array, None] | None:
        """Find what that of a :class:`Table` does: four passes, or five."""
        first = theta
        for _ in range(3):
            _, _, pull, gram = self.near(first, width, theta)
            step = solved(gram, pull, definite=False)
            theta = theta if step is None else theta + step
        for one in within_rounding(theta):
            if self._rounded(one)[1] <= most * (1 + ROUNDING):
                return one, None
        return None

    def scales(self, thetas: Array, sigma: Array, loss: ResidualLoss, target: float) -> Array:
        """Return scales at which the sum of rho is a target, for each column of coefficients: a pass or two.

        Parameters
        ----------
        thetas : array of shape (size, k)
            Coefficients.
        sigma : array of shape (k,)
            Guesses.
        loss : ResidualLoss
            Bounded.
        target : float
            The sum of rho.
        """
        sigma, at = np.maximum(sigma, NOTHING), self.at(thetas)
        low, high = np.zeros_like(sigma), np.full_like(sigma, np.inf)
        wider = 4.0
        for _ in range(BRACKETED):
            value, slope = self.data.sum(RhoSums(loss, at, sigma))
            low, high = np.where(value > target, sigma, low), np.where(value > target, high, sigma)
            step = (value - target) / slope  # Newton's in the logarithm, or between both ends
            near = np.abs(step) < 1
            new = sigma * np.exp(np.where(near, step, 0.0))
            done = (near & (np.abs(step) <= CLOSE)) | ((high <= NOTHING) & (value <= target))
            beyond = np.where(low > 0, sigma * wider, sigma / wider)
            middle = np.where((low > 0) & (high < np.inf), np.sqrt(low * high), beyond)
            new = np.where(near & (done | ((low < new) & (new < high))), new, middle)
            sigma, wider = np.maximum(new, NOTHING), min(wider**2, 1e8)
            if done.all():
                break
        return sigma

    def look(
        self, loss: ResidualLoss, theta: Array, sigma: float, last: Array, before: float
    ) -> tuple[Any, ...]:
        """Return the sums of :class:`Look` in the solver's coordinates: one pass."""
        value, slope, pull, cross, gram, reached, far = self.data.sum(
            Look(loss, self.at(theta), sigma, self.at(last), before)
        )
        pull, cross, gram = (
            self.pull_inward(pull), self.pull_inward(cross), self.gram_inward(gram)
        )  # fmt: skip
        return value, slope, pull, cross, gram, reached, far

    def squares(self, loss: ResidualLoss, theta: Array, sigma: float) -> Array:
        """Return the weighted products of the columns of a step of reweighted least squares: one pass."""
        return self.gram_inward(self.data.sum(Squares(loss, self.at(theta), sigma))[0])

    def leverages(
        self, loss: ResidualLoss, theta: Array, sigma: float, inverse: Array, mass: float
    ) -> Leverages:
        """Return how blocks tell the leverages of their rows."""
        values, vectors = np.linalg.eigh(inverse)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return Leverages(loss, self.at(theta), sigma, self.at(root), mass)

    def lengths(
        self,
        loss: ResidualLoss,
        theta: Array,
        step: Array,
        sigma: float,
        lengths: tuple[float, ...],
    ) -> tuple[Any, ...]:
        """Return the sums of :class:`Lengths`: one pass."""
        return self.data.sum(Lengths(loss, self.at(theta), self.at(step), sigma, lengths))
