"""Least trimmed squares of rows that are elsewhere: the edge of the trimmed sum by counts, then sums of the rows within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.order_statistics import ERRORS, Residuals, up_to
from robustreg.solvers._cholesky import solved
from robustreg.solvers._high_breakdown import result
from robustreg.solvers._result import Result
from robustreg.solvers._subsampling import Optimum
from robustreg.solvers._table import Table
from robustreg.solvers._table_by_passes import weighted
from robustreg.solvers._trimmed import (
    BAND,
    ENOUGH,
    MANY,
    ROUNDING,
    ROUNDING_MANY,
    Concentration,
    changing_sides,
    least_squares,
)
from robustreg.solvers._trimming import inside

#: edges that a pass compares for each candidate, about where a sample has it and elsewhere: the sum of squares is told to
#: the square of their distance
FINE, COARSE = 49, 16
#: ends on a sample whose sums differ by less than this share are one
ROUGHLY = 1e-9
#: rounding: gradient of rows that are just those that were fitted
FITTED = 1e-13
#: rows near an edge are fetched where a step changes residuals by this share of their width at the most: few others
#: change sides then, and a pass sees it where they do
WIDTHS = 5.0
#: steps among these rows
STEPS = 500


@dataclass(frozen=True)
class Trims:
    """Weights and weighted squares of the residuals between edges, for several coefficients.

    Parameters
    ----------
    at : array of shape (q, k)
        Coefficients as blocks take them.
    edges : array of shape (m, k)
        Sizes of residuals, ascending.
    """

    at: Array
    edges: Array

    def __call__(self, block: Block) -> tuple[Array, Array]:
        sizes = np.abs(block.y[:, None] - block.raw(self.at))
        masses, squares = np.zeros(self.edges.shape), np.zeros(self.edges.shape)
        last = len(self.edges)
        for k, (size, edges) in enumerate(zip(sizes.T, self.edges.T, strict=True)):
            place = np.searchsorted(edges, size, side="right")
            inner = np.where(place < last, size, 0.0) ** 2
            inner = weighted(block, inner)
            masses[:, k] = np.bincount(place, block.weight, minlength=last + 1)[:last]
            squares[:, k] = np.bincount(place, inner, minlength=last + 1)[:last]
        return masses, squares


@dataclass(frozen=True)
class Within:
    """Sums of the rows whose residuals are smaller than an edge, of those on it and of those near it.

    Parameters
    ----------
    at : array of shape (q,)
        Coefficients as blocks take them.
    edge : float
        The size of a residual, or infinity.

    Returns
    -------
    tuple
        The sum of squares within. Then three times, for the rows within, on and near: their weight, their products with
        residuals, or with the signs of these for those near, and products of the columns.
    """

    at: Array
    edge: float

    def __call__(self, block: Block) -> tuple[Any, ...]:
        residual = block.y - block.raw(self.at)
        size = np.abs(residual)
        inner = np.where(size < self.edge, residual, 0.0)
        found = [float(weighted(block, inner**2).sum())]
        near = np.abs(size - self.edge) <= BAND * self.edge if np.isfinite(self.edge) else size < 0
        for rows, values in (
            (size < self.edge, inner),
            (size == self.edge, residual),
            (near, np.sign(residual)),
        ):
            counts = weighted(block, rows.astype(float))
            found += [
                float(counts.sum()),
                block.pullback(np.where(rows, values, 0.0) * counts),
                block.gram(counts),
            ]
        return tuple(found)


@dataclass(frozen=True)
class Band:
    """Chooses the rows whose residuals are within a width of an edge, and sums over those within that.

    Parameters
    ----------
    at : array of shape (q,)
        Coefficients as blocks take them.
    edge, width : float
        Sizes of residuals.
    """

    at: Array
    edge: float
    width: float

    def __call__(self, block: Block) -> tuple[Array, tuple[Any, ...]]:
        residual = block.y - block.raw(self.at)
        beyond = np.abs(residual) - self.edge
        within = beyond < -self.width
        counts = weighted(block, within.astype(float))
        pulled = block.pullback(np.where(within, residual, 0.0) * counts)
        rows = np.flatnonzero(np.abs(beyond) <= self.width)
        return rows, (float(counts.sum()), pulled, block.gram(counts))


class _Point(NamedTuple):
    """Coefficients, the trimmed sum there, and its derivatives: as of the rows kept, and what others change.

    And the edge, with the weight of the rows near it.
    """

    theta: Array
    value: float
    pull: Array
    gram: Array
    bend: Array
    edge: float
    density: float


class _Folded(NamedTuple):
    """A trimmed sum of some rows, beside the sum of squares of others.

    Parameters
    ----------
    A : array of shape (m, p)
        The rows.
    residual : array of shape (m,)
        At the point from which steps count.
    weight : array of shape (m,) or None
        Their weights.
    left : float
        Sum of the weights of those that are kept.
    pull, gram : arrays of shape (p,) and (p, p)
        Products of the others with their residuals and with each other.
    density : float
        Times weights, how many rows change sides where all residuals change by the edge.
    """

    A: Array
    residual: Array
    weight: Array | None
    left: float
    pull: Array
    gram: Array
    density: float

    def minimise(self) -> Array:
        """Return the change of the coefficients that leads to where no step gains anything."""
        change = np.zeros(len(self.pull))
        value, kept, slope = self._at(change)
        for _ in range(STEPS):
            gram = self.gram + (self.A.T * kept) @ self.A
            for matrix in (gram - self._bend(change), gram):
                step = solved(matrix, slope, definite=True)
                found = None if step is None else self._at(change + step)
                if found is not None and found[0] < value:
                    break
            else:
                break
            assert step is not None
            assert found is not None
            change, (value, kept, slope) = change + step, found
        return change

    def _at(self, change: Array) -> tuple[float, Array, Array]:
        """Return what is minimised, the weights of the rows kept, and half of the gradient with its sign reversed."""
        residual = self.residual - self.A @ change
        kept = inside((residual * residual)[:, None], self.weight, self.left)[:, 0]
        bent = self.gram @ change
        value = float(kept @ residual**2 + change @ (bent - 2 * self.pull))
        return value, kept, self.pull - bent + self.A.T @ (kept * residual)

    def _bend(self, change: Array) -> Array:
        """What rows that change sides take from the products of those kept."""
        counts = np.ones(len(self.residual)) if self.weight is None else self.weight
        sign = np.sign(self.residual - self.A @ change)
        return changing_sides(self.A, self.density * counts, sign)


class ConcentrationByPasses(Concentration):
    """A :class:`Concentration` whose table is elsewhere, with nothing that has a number for each row."""

    table: Any

    def lowest(self, optima: list[Optimum]) -> Optimum:
        """Return the best of all rows of some optima, and of where these lead to on the sample: one pass."""
        table, few = self.table, self.table.few
        aside = self.control.aside(self.control.left)
        part = Concentration(few, self.h * few.total / table.total, aside)
        ends = [one._replace(theta=part.run(one.theta).theta) for one in optima]
        thetas = np.column_stack([one.theta for one in [*optima, *ends]])
        edges = np.column_stack([self._edges(few.residual(theta)) for theta in thetas.T])
        masses, squares = table.data.sum(Trims(table.at(thetas), edges))
        # the sum of the h smallest is the maximum of this over the edge
        below = self.h - np.cumsum(masses, axis=0)
        values = (edges**2 * below + np.cumsum(squares, axis=0)).max(axis=0)
        sizes = np.sqrt(np.maximum(values, 0.0) / self.h)
        first, then = sizes[: len(optima)], sizes[len(optima) :]
        best = int(np.argmin(first))
        if not then.min() < first[best]:
            return optima[best]._replace(value=float(first[best]))
        # several starts may have led to one end
        same = then <= then.min() * (1 + ROUGHLY)
        hits = sum(one.hits for one, alike in zip(optima, same, strict=True) if alike)
        best = int(np.argmin(then))
        return ends[best]._replace(value=float(then[best]), hits=hits)

    def _edges(self, residual: Array) -> Array:
        """Return sizes of residuals about where a sample has the edge, and some elsewhere."""
        sizes = np.sort(np.abs(residual))
        n, share = len(sizes), min(self.h / self.table.total, 1.0)
        error = ERRORS * np.sqrt(n * share * (1 - share)) + ERRORS
        ends = np.clip([share * n - error, share * n + error], 0, n - 1).astype(int)
        low, high = sizes[ends].tolist()
        fine = np.linspace(low, high, FINE)
        return np.sort([*fine, *sizes[np.linspace(0, n - 1, COARSE).astype(int)]])

    def run(self, theta: Array) -> Result:
        table, control = self.table, self.control
        point, settled, plain = self._point(theta), False, False
        while control.left and not settled:
            found = self._by_band(point)
            if found is None:
                found = None if plain else self._by_newton(point)
                plain = not plain and found is None
                found = found or self._by_squares(point)
            gained, value = point.value - found.value, point.value
            point = found if gained >= 0 else point
            # the rows kept are those that were fitted, or next to
            settled = gained <= self._rounding * value or self._norm(point) <= FITTED
            state = np.append(table.whole(point.theta), np.sqrt(point.value / self.h))
            if control.step(state, point.value):
                break
        return result(
            table, point.theta, float(np.sqrt(point.value / self.h)), None, fun=point.value,
            status=control.status(settled), optimality=self._norm(point),
        )  # fmt: skip

    @property
    def _rounding(self) -> float:
        return ROUNDING if self.table.n_rows <= MANY else ROUNDING_MANY

    def _norm(self, point: _Point) -> float:
        return float(np.abs(point.pull).max() / self.table.total)

    def _point(self, theta: Array) -> _Point:
        """Return the sums at a point: two passes, of very many rows three."""
        table, edge = self.table, np.inf
        at = table.at(theta)
        if self.h < table.total:
            edge = up_to(table.data, Residuals(at), self.h * (1 - 1e-12))
        value, *sums = table.data.sum(Within(at, edge))
        (mass, pull, gram), (tied, tied_pull, tied_gram), (density, mean, bend) = (
            (sums[k], table.pull_inward(sums[k + 1]), table.gram_inward(sums[k + 2]))
            for k in (0, 3, 6)
        )
        if tied > 0:
            share = (self.h - mass) / tied
            value += (self.h - mass) * edge**2
            pull, gram = pull + share * tied_pull, gram + share * tied_gram
        if density > 0:  # the edge moves with the rows near it
            bend = (bend - np.outer(mean, mean) / density) / (2 * BAND)
        return _Point(theta, value, pull, gram, bend, edge, density)

    def _by_newton(self, point: _Point) -> _Point | None:
        """Take the step of Newton's method, None where that does not gain enough."""
        step = solved(point.gram - point.bend, point.pull, definite=True)
        if step is None:
            return None
        found = self._point(point.theta + step)
        enough = point.value - found.value >= float(point.pull @ step) * ENOUGH
        return found if enough else None

    def _by_band(self, point: _Point) -> _Point | None:
        """Fetch the rows near the edge and solve among them for which are kept; None where too many may change sides."""
        table = self.table
        step = solved(point.gram - point.bend, point.pull, definite=True)
        if step is None or not point.density > 0:
            return None
        most = 0.5 * table.data.affordable * table.total / table.n_rows
        width = point.edge * BAND * min(most / point.density, 1.0)
        if WIDTHS * np.sqrt(step @ point.gram @ step / self.h) > width:
            return None
        count, rows, (mass, pulled, gram) = table.data.fetch(
            Band(table.at(point.theta), point.edge, width)
        )
        left = self.h - mass
        if rows is None or not count or not 0 < left <= rows.total:
            return None
        sample = Table(rows).sample(np.arange(count))
        folded = _Folded(
            sample.A, sample.y - sample.A @ point.theta, rows.weight, left,
            table.pull_inward(pulled), table.gram_inward(gram), point.edge / (2 * width),
        )  # fmt: skip
        found = self._point(point.theta + folded.minimise())
        gains = point.value - found.value > self._rounding * point.value
        fitted = found.value <= point.value and self._norm(found) <= FITTED
        return found if gains or fitted else None

    def _by_squares(self, point: _Point) -> _Point:
        """Take a concentration step."""
        return self._point(point.theta + least_squares(point.gram, point.pull))

    def counted(self, found: Result) -> None:
        """Leave it: which rows count has a number for each."""

    def reweighted(self, found: Result, width: float) -> tuple[float, float]:
        first = found.theta
        _, _, pull, gram = self.table.near(first, width, first)
        step = solved(gram, pull, definite=False)
        assert step is not None
        found.theta = first + step
        mass, square, _, _ = self.table.near(first, width, found.theta)
        return mass, square
