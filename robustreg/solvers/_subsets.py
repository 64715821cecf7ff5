"""Starts of a search for a fit to the majority: exact fits to few rows, and deterministic ones."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from robustreg._array import Array
from robustreg.scales import MAD_FACTOR, OUTLYING, weighted_median

#: so many subsets of as many rows as parameters are all taken
ALL = 50_000
#: starts at random otherwise: 500, and more where by that many the chance to have drawn no clean subset of
#: p rows is above MISSED, half of the rows being contaminated: 877 of seven rows, 3,534 of nine
RANDOM, MOST, MISSED = 500, 5000, 1e-3
#: with more parameters than this each start costs more, and MOST would not do either: so many, or more as long as they
#: have no more residuals in all than this
SEVERAL, MOST_OF_SEVERAL, RESIDUALS = 12, 1000, 250_000
#: and where the parameters are many each costs much, and deterministic starts have to serve
RANDOM_WIDE = 100
WIDE = 30
#: of several parameters in each round on a part of many rows: a subset without contaminated rows is rare anyway
RANDOM_ON_PART = 250
#: a plane through one more row may cost as much as this many residuals of the scale
CHEAP = 25.0
#: singular values below this share of the largest are rounding
DEGENERATE = 1e-15
#: squared distance of a row from the span of others, as a share of its square, that counts as none
DEPENDENT = 1e-12


class _Rows(NamedTuple):
    A: Array
    y: Array
    weight: Array


class Sample(_Rows):
    """Rows of a linear model in coordinates of about unit size.

    Parameters
    ----------
    A : array of shape (m, p)
        Columns, one of ones for the intercept.
    y : array of shape (m,)
        Targets.
    weight : array of shape (m,)
        Numbers of repetitions.
    """

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())

    @cached_property
    def pairs(self) -> Array:
        """Weighted products of pairs of columns, of shape (p (p + 1) / 2, m)."""
        first, second = np.triu_indices(self.A.shape[1])
        columns = np.ascontiguousarray(self.A.T)
        found = columns[first]
        found *= columns[second]
        found *= self.weight
        return found


def merged(A: Array, y: Array, weight: Array | None) -> Sample:
    """Put rows in an order that depends on their values alone, and equal rows together.

    Subsets drawn by weight are then the same for weights and for repeated rows, in whatever order. The
    order is by leverage and by the size of the least-squares residual, which do not depend on the units
    of y and X either, nor on a plane added to y.
    """
    weight = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(weight)
    rows = np.column_stack([A, y]) * root[:, None]
    triangle = np.linalg.qr(rows[:, :-1])[0]
    leverage = np.einsum("ij,ij->i", triangle, triangle) / weight
    projected = triangle @ (triangle.T @ rows[:, -1])
    residual = np.abs(rows[:, -1] - projected) / root
    size = residual.max(initial=0.0) or 1.0
    order = np.lexsort((np.round(residual / size, 9), np.round(leverage, 9)))
    A, y, weight = A[order], y[order], weight[order]
    same = (y[1:] == y[:-1]) & (A[1:] == A[:-1]).all(axis=1)
    if not same.any():
        return Sample(A, y, weight)
    first = np.flatnonzero(np.append(True, ~same))
    return Sample(A[first], y[first], np.add.reduceat(weight, first))


def random_starts(m: int, p: int, *, part: bool = False) -> int:
    """Return how many random subsets of p of m rows a search takes, of all rows or in each round on a part of many."""
    if p >= WIDE:
        return RANDOM_WIDE
    if part and p > SEVERAL:
        return RANDOM_ON_PART
    needed = math.log(MISSED) / math.log1p(-(0.5**p))
    most = MOST if p <= SEVERAL else min(max(RESIDUALS // m, MOST_OF_SEVERAL), MOST)
    return int(min(max(needed, RANDOM), most))


def starts(
    sample: Sample, n_starts: int | str, rng: np.random.Generator, *, part: bool = False
) -> tuple[Array, bool]:
    """Return coefficients of starts, (k, p), and whether they are those of all subsets of p rows.

    Others are at random, of the rows of a small table or of a part of many.
    """
    m, p = sample.A.shape
    count = math.comb(m, p)
    most = ALL if n_starts == "auto" else int(n_starts)
    if count <= most:
        flat = chain.from_iterable(combinations(range(m), p))
        rows = np.fromiter(flat, dtype=np.intp, count=count * p).reshape(count, p)
        found, sound = _through(sample, rows)
        return found[sound], True
    if n_starts == "auto":
        most = random_starts(m, p, part=part)
    return _elemental(sample, most, rng), False


def exchanges(
    sample: Sample, size: Array, count: int, rng: np.random.Generator
) -> list[tuple[Array, bool]]:
    """Exact fits to sets of p rows of which some are those that a fit leaves out.

    A third of the sets are of such rows only: where a fit follows contaminated rows these are the others.
    Another third is of the half with the largest residuals, for fits between clouds that leave none out. Of the
    rest one row of p is outside on average: a cloud of far rows needs only one to be fitted together with the
    majority.

    Parameters
    ----------
    sample : Sample
        Rows.
    size : array of shape (m,)
        Absolute residuals of the fit in units of its scale.
    count : int
        Number of sets.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    list of pairs
        Coefficients, (k, p), and whether they are near the fit.
    """
    p, weight = sample.A.shape[1], sample.weight
    outside, outer = size > OUTLYING, size > weighted_median(size, weight)
    away, near = [np.empty((0, p))], [np.empty((0, p))]
    for part, share, found in ((outside, 1.0, away), (outer, 1.0, away), (outside, 1.0 / p, near)):
        without, within = float(weight[part].sum()), float(weight[~part].sum())
        if without > 0 and within > 0:
            chance = weight * np.where(part, share / without, (1 - share) / within)
            found.append(_elemental(sample._replace(weight=chance), count // 3, rng))
    both = ((np.concatenate(away), False), (np.concatenate(near), True))
    return [(thetas, close) for thetas, close in both if len(thetas)]


def beside(sample: Sample, theta: Array, residual: Array, scale: float, most: int) -> Array:
    """Coefficients of planes near a fit that each pass through one of the rows that it leaves out.

    Of those through a row this has the smallest residuals, in squares, of the rows that are not left out. Rows far out in X
    lie on such planes at next to no cost, and where nearly half of the rows are contaminated one row more on the
    plane makes the scale much smaller.

    Parameters
    ----------
    sample : Sample
        Rows.
    theta, residual : arrays of shape (p,) and (m,)
        The fit.
    scale : float
        Size of its residuals.
    most : int
        How many planes at the most, those that cost least.

    Returns
    -------
    array of shape (k, p)
    """
    outside = np.flatnonzero(np.abs(residual) > OUTLYING * scale)
    kept = np.abs(residual) <= OUTLYING * scale
    root = np.sqrt(sample.weight[kept])[:, None] * sample.A[kept]
    if not len(outside) or not len(root):
        return np.empty((0, len(theta)))
    _, values, axes = np.linalg.svd(root, full_matrices=False)
    axes = axes[values > DEGENERATE * values[0]] / values[values > DEGENERATE * values[0], None]
    inner = sample.A[outside] @ axes.T
    square = np.einsum("ij,ij->i", inner, inner)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        cost = residual[outside] ** 2 / square
        length = residual[outside] / square
    chosen = np.argsort(cost, kind="stable")[:most]
    chosen = chosen[cost[chosen] <= CHEAP * scale**2]
    return np.asarray(theta + length[chosen, None] * (inner[chosen] @ axes))


def scattered(
    sample: Sample,
    theta: Array,
    size: float,
    lengths: tuple[float, float],
    count: int,
    rng: np.random.Generator,
) -> Array:
    """Coefficients at random about a fit, by which the residuals of the rows near it change by some of their size.

    Parameters
    ----------
    sample : Sample
        Rows.
    theta : array of shape (p,)
        The fit.
    size : float
        Of its residuals.
    lengths : tuple of two floats
        Least and largest root mean square of the changes of residuals, as shares of the size.
    count : int
        How many are wanted.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    array of shape (count, p)
    """
    kept = np.abs(sample.y - sample.A @ theta) <= OUTLYING * size
    root = np.sqrt(sample.weight[kept])
    _, values, axes = np.linalg.svd(root[:, None] * sample.A[kept], full_matrices=False)
    axes, values = axes[values > DEGENERATE * values[0]], values[values > DEGENERATE * values[0]]
    step = rng.standard_normal((count, len(values)))
    length = lengths[0] * (lengths[1] / lengths[0]) ** rng.random((count, 1))
    step *= size * length
    step *= np.linalg.norm(root) / np.sqrt(len(values))
    return np.asarray(theta + (step / values) @ axes)


def _through(sample: Sample, rows: Array) -> tuple[Array, Array]:
    """Coefficients of the planes through p rows each, and which of these sets determine one."""
    A = sample.A[rows]
    p = A.shape[1]
    with np.errstate(divide="ignore"):
        volume = np.linalg.slogdet(A)[1] - 0.5 * np.log(np.einsum("ijk,ijk->ij", A, A)).sum(axis=1)
    # that of p random directions is about exp(-p / 2), and rounding makes 1e-16 of a singular one
    sound = volume > -25.0 - 0.5 * p
    found = np.zeros((len(rows), p))
    if sound.any():
        found[sound] = np.linalg.solve(A[sound], sample.y[rows[sound], None])[..., 0]
    return found, sound & np.isfinite(found).all(axis=1)


def _elemental(sample: Sample, count: int, rng: np.random.Generator) -> Array:
    """Exact fits to ``count`` sets of rows, drawn by weight and without singular ones."""
    m, p = sample.A.shape
    if np.count_nonzero(sample.weight) < p:
        return np.empty((0, p))
    edges = np.cumsum(sample.weight)
    drawn = np.searchsorted(edges, rng.random((count, 2 * p + 8)) * edges[-1], side="right")
    drawn = np.minimum(drawn, m - 1)
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, axis=1)
    again = np.zeros(drawn.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
    rows = np.take_along_axis(drawn, np.argsort(again, axis=1, kind="stable")[:, :p], axis=1)
    found, sound = _through(sample, rows)
    sound &= (~again).sum(axis=1) >= p
    if sound.all():
        return found
    rest, whole = nonsingular(sample, rng.random((int((~sound).sum()), p)))
    found[~sound] = _through(sample, rest)[0]
    keep = sound.copy()
    keep[~sound] = whole
    return found[keep]


def nonsingular(sample: Sample, uniform: Array) -> tuple[Array, Array]:
    """Draw sets of p linearly independent rows, each next one among those independent of the last.

    Rows that lie in the span of those drawn before are passed over, so a factor coded in dummies needs
    no more draws than columns of numbers do.

    Parameters
    ----------
    sample : Sample
        Rows.
    uniform : array of shape (k, p)
        Uniform random numbers.

    Returns
    -------
    rows : array of shape (k, p)
        Their numbers.
    whole : array of shape (k,)
        Whether p independent ones were found.

    References
    ----------
    Koller, M. (2012). Nonsingular subsampling for S-estimators with categorical predictors.
    """
    A, weight = sample.A, sample.weight
    (k, p), each = uniform.shape, np.arange(len(uniform))
    square = np.einsum("ij,ij->i", A, A)
    left = np.repeat(square[:, None], k, axis=1)  # squared distance from the span of the drawn rows
    basis = np.zeros((k, p, p))
    rows, whole = np.zeros((k, p), dtype=np.intp), np.ones(k, dtype=bool)
    for j in range(p):
        edges = np.cumsum(weight[:, None] * (left > DEPENDENT * square[:, None]), axis=0)
        whole &= edges[-1] > 0
        rows[:, j] = np.minimum((edges <= uniform[:, j] * edges[-1]).sum(axis=0), len(A) - 1)
        new = A[rows[:, j]]
        for _ in range(2):  # twice is enough for orthogonality to rounding
            inner = np.matmul(basis[:, :j], new[:, :, None])
            new = new - np.matmul(basis[:, :j].transpose(0, 2, 1), inner)[:, :, 0]
        size = np.linalg.norm(new, axis=1, keepdims=True)
        basis[:, j] = np.divide(new, size, out=np.zeros_like(new), where=size > 0)
        left -= (A @ basis[:, j].T) ** 2
        left[rows[:, j], each] = 0.0
    return rows, whole


def deterministic_starts(sample: Sample) -> Array:
    """Least-squares fits to halves of the rows that robust covariances of (X, y) call central.

    Returns
    -------
    array of shape (k, p)

    References
    ----------
    Hubert, M., Rousseeuw, P. J. and Verdonck, T. (2012). A deterministic algorithm for robust location
    and scatter. Journal of Computational and Graphical Statistics 21, 618-637. Rousseeuw, P. J. and
    Hubert, M. (2018). Anomaly detection by robust statistics, for the regression.
    """
    A, y, weight = sample
    moving = np.ptp(A, axis=0) > 0
    Z = np.column_stack([A[:, moving], y])
    Z = _standardised(Z, weight)
    found = []
    for shape in _shapes(Z, weight):
        inside = _central(Z, weight, shape)
        root = np.sqrt(inside)
        found.append(np.linalg.lstsq(root[:, None] * A, root * y, rcond=1e-10)[0])
    return np.array(found)


def _medians(Z: Array, weight: Array) -> Array:
    """Medians of columns."""
    if np.ptp(weight) > 0:
        return np.array([weighted_median(column, weight) for column in Z.T])
    middle = [(len(Z) - 1) // 2, len(Z) // 2]
    low, high = np.partition(np.ascontiguousarray(Z.T), middle, axis=1)[:, middle].T
    return np.asarray(0.5 * low + 0.5 * high)


def _standardised(Z: Array, weight: Array) -> Array:
    """Columns about their medians in units of MADs, of mean deviations where most entries are equal."""
    Z = Z - _medians(Z, weight)
    deviation = np.abs(Z)
    size = MAD_FACTOR * _medians(deviation, weight)
    mean = weight @ deviation / weight.sum()
    return np.asarray(Z / np.where(size > 1e-9 * mean, size, np.where(mean > 0, mean, 1.0)))


def _shapes(Z: Array, weight: Array) -> list[Array]:
    """Correlation matrices of tanh, ranks, normal scores and signs; of directions; of the inner half."""
    share = _ranks(Z, weight) / weight.sum()
    length = np.linalg.norm(Z, axis=1)
    direction = Z / np.where(length > 0, length, 1.0)[:, None]
    inner = length <= _medians(length[:, None], weight)
    return [
        _correlation(np.tanh(Z), weight),
        _correlation(share, weight),
        _correlation(ndtri(np.clip(share, 1e-6, 1 - 1e-6)), weight),
        _correlation(np.sign(Z), weight),
        (direction * weight[:, None]).T @ direction,
        _correlation(Z, weight * inner),
    ]


def _ranks(Z: Array, weight: Array) -> Array:
    """Ranks of the entries of columns, the mean of them for equal ones, each counted by its weight."""
    order, number = np.argsort(Z, axis=0, kind="stable"), np.arange(len(Z))[:, None]
    ordered = np.take_along_axis(Z, order, axis=0)
    edge = np.ones((1, Z.shape[1]), dtype=bool)
    new = ordered[1:] != ordered[:-1]
    first = np.maximum.accumulate(np.where(np.concatenate([edge, new]), number, 0), axis=0)
    last = np.where(np.concatenate([new, edge]), number, len(Z) - 1)[::-1]
    last = np.minimum.accumulate(last, axis=0)[::-1]
    sums = np.concatenate([np.zeros_like(Z[:1]), np.cumsum(weight[order], axis=0)])
    middle = np.take_along_axis(sums, first, axis=0) + np.take_along_axis(sums, last + 1, axis=0)
    rank = np.empty_like(Z)
    np.put_along_axis(rank, order, 0.5 * middle, axis=0)
    return rank


def _correlation(Z: Array, weight: Array) -> Array:
    centred = Z - weight @ Z / weight.sum()
    size = np.sqrt(weight @ centred**2)
    centred = centred / np.where(size > 0, size, 1.0)
    return (centred * weight[:, None]).T @ centred


def _central(Z: Array, weight: Array, shape: Array) -> Array:
    """Weights of the half of the rows nearest in the metric of a shape, its axes measured robustly."""
    axes = np.linalg.eigh(shape)[1]
    Y = _standardised(Z @ axes, weight)
    distance = np.einsum("ij,ij->i", Y, Y)
    return weight * (distance <= _medians(distance[:, None], weight))
