"""Covariances of coefficients: least squares, M-estimators, classifiers.

Each is a function of a :class:`~robustreg.inference._fit.Fit` and returns a :class:`Spread`. Sums run over
blocks of rows in coordinates whose columns are alike, so that neither units nor near dependence of
columns cost digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse as sp

from robustreg._array import Array, is_sparse
from robustreg.data import Block, Data
from robustreg.inference._fit import Fit, check_rows

#: eigenvalues of a scaled matrix below this share of the largest cannot be told from zero
SINGULAR = 1e-13
#: rows whose leverage is one but for this determine a coefficient alone
ALONE = 1e-10
#: mean second derivative, in predictions, below which no row tells anything: that of log-odds of 20
FLAT = 2e-9
#: rows whose contributions are held at a time
PART = 4096
#: sums of groups are held where they are at most so many numbers for each row
SUMS = 4.0


class Spread(NamedTuple):
    """How far the estimates of the coordinates vary.

    Parameters
    ----------
    core : array of shape (n_coordinates, n_coordinates)
        Their covariance in units of ``unit ** 2``.
    unit : float
        So that neither tiny nor huge y leave the range of floating point.
    df : float
        Degrees of freedom of t quantiles; infinity for normal ones.
    notes : tuple of str
        What else there is to say.
    """

    core: Array
    unit: float
    df: float
    notes: tuple[str, ...] = ()


Covariance = Callable[..., Spread]
"""A function of a fit, and for clusters of the groups of its rows."""


def invert(matrix: Array, active: Array, instead: str) -> Array:
    """Inverse of a positive definite matrix on its active rows and columns, zero elsewhere.

    Raises
    ------
    ValueError
        If it is singular to rounding; ``instead`` says what to do.
    """
    inner = matrix[np.ix_(active, active)]
    root = np.sqrt(np.maximum(np.diag(inner), 0.0))
    good = bool(np.isfinite(inner).all() and (root > 0).all())
    if good:
        values, vectors = scipy.linalg.eigh(inner / np.outer(root, root), check_finite=False)
        good = bool(values[0] > SINGULAR * values[-1])
    if not good:
        raise ValueError(
            "The matrix of second derivatives is singular: the rows that decide the coefficients do not "
            f"tell all of them apart. {instead}"
        )
    inverse = np.zeros_like(matrix)
    inverse[np.ix_(active, active)] = (vectors / values @ vectors.T) / np.outer(root, root)
    return inverse


def largest(values: Array) -> float:
    """Largest absolute value, 1 where all are zero."""
    return float(np.abs(values).max(initial=0.0)) or 1.0


INSTEAD = "Name another covariance, such as 'bootstrap', or use a penalty (alpha > 0)."


class Slopes(NamedTuple):
    """First and second derivatives of the loss in the predictions, each divided by its unit."""

    psi: Array
    bend: Array
    psi_unit: float
    bend_unit: float

    @property
    def unit(self) -> float:
        """Unit of a coefficient that follows."""
        return self.psi_unit / self.bend_unit


def slopes(fit: Fit) -> Slopes:
    """Return psi and psi' of the residuals, of size one."""
    residual = fit.residual
    psi, bend = fit.loss.psi(residual), fit.loss.psi_prime(residual)
    psi_unit, bend_unit = largest(psi), largest(bend)
    return Slopes(psi / psi_unit, bend / bend_unit, psi_unit, bend_unit)


def mean(values: Array, fit: Fit) -> float:
    """Mean over the repeated rows."""
    return float(np.average(values, weights=fit.data.weight))


def correction(bend: Array, fit: Fit, ddof: int = 1) -> float:
    """Huber's (1973) correction ``K = 1 + p var(psi') / (n mean(psi')^2)`` of small samples."""
    middle = mean(bend, fit)
    if middle == 0.0:  # no row has a second derivative
        return float("inf")
    spread = mean((bend - middle) ** 2, fit) * fit.n / (fit.n - ddof)
    return 1 + fit.n_parameters * spread / (fit.n * middle**2)


def with_penalty(bread: Array, fit: Fit, bend_unit: float) -> Array:
    """Add the Hessian of the penalty."""
    return bread + fit.penalty_hessian() / bend_unit if fit.penalised else bread


# --- M-estimators of regression, least squares among them --------------------------------------


def huber(fit: Fit) -> Spread:
    """Huber's formula for errors of one distribution; the classical one where psi is a line."""
    psi, bend, psi_unit, bend_unit = parts = slopes(fit)
    gram, middle = fit.gram(), mean(bend, fit)
    spread = mean(psi**2, fit) * fit.n / fit.df * correction(bend, fit) ** 2
    check_rows(fit, mean(psi**2, fit) * psi_unit**2 * np.diag(gram))
    inverse = invert(with_penalty(middle * gram, fit, bend_unit), fit.active, INSTEAD)
    return Spread(spread * inverse @ gram @ inverse / fit.mass, parts.unit, fit.df)


def sandwich(fit: Fit) -> Spread:
    """Sandwich of second derivatives and squared slopes, times n / (n - p)."""
    return _white(fit, lambda psi, leverage: psi * math.sqrt(fit.n / fit.df))


def hc0(fit: Fit) -> Spread:
    """White's (1980) sandwich."""
    return _white(fit, lambda psi, leverage: psi)


def hc2(fit: Fit) -> Spread:
    """Residuals divided by the root of one minus their leverage (Horn, Horn and Duncan, 1975)."""
    return _white(fit, lambda psi, leverage: psi / np.sqrt(1 - leverage()))


def hc3(fit: Fit) -> Spread:
    """Residuals divided by one minus their leverage (MacKinnon and White, 1985)."""
    return _white(fit, lambda psi, leverage: psi / (1 - leverage()))


def _white(fit: Fit, adjust: Callable[..., Array]) -> Spread:
    psi, bend, psi_unit, bend_unit = parts = slopes(fit)
    bread = with_penalty(fit.gram(bend), fit, bend_unit)
    inverse = invert(bread, fit.active, INSTEAD)

    def leverage() -> Array:
        values = fit.leverage(inverse) * bend / fit.mass
        alone = np.flatnonzero(values > 1 - ALONE)
        if len(alone):
            raise ValueError(
                f"Row {alone[0]} determines a coefficient alone (its leverage is one), so that its "
                "residual says nothing: 'hc2' and 'hc3' are not defined. Name 'classical' or 'hc0'."
            )
        return values

    meat = fit.gram(adjust(psi, leverage) ** 2)
    check_rows(fit, psi_unit**2 * np.diag(meat))
    return Spread(inverse @ meat @ inverse / fit.mass, parts.unit, fit.df)


def cluster(fit: Fit, groups: Array) -> Spread:
    """Sandwich of the sums of slopes of groups (Liang and Zeger, 1986; Cameron and Miller, 2015)."""
    parts = slopes(fit)
    bread = with_penalty(fit.gram(parts.bend), fit, parts.bend_unit)
    return clustered(fit, parts.psi[:, None], parts.unit, bread, groups, small=True)


def clustered(
    fit: Fit, psi: Array, unit: float, bread: Array, groups: Array, *, small: bool
) -> Spread:
    """Return the sandwich of a bread and of the sums of the rows' slopes over groups."""
    inverse = invert(bread, fit.active, INSTEAD)
    meat, n_groups = group_meat(fit, psi, groups)
    n_parameters = fit.n_parameters * psi.shape[1]
    if fit.n <= n_parameters:
        raise ValueError(f"There are {fit.n:g} rows and {n_parameters} parameters of all scores.")
    factor = n_groups / (n_groups - 1) * (fit.n - 1) / (fit.n - n_parameters)
    notes: tuple[str, ...] = ()
    if n_groups <= len(bread):
        note = f"{n_groups} groups are no more than the {len(bread)} parameters: tests of many "
        notes = (note + "coefficients together have no meaning.",)
    df = float(n_groups - 1) if small else math.inf
    return Spread(factor * inverse @ meat @ inverse, unit, df, notes)


def group_meat(fit: Fit, psi: Array, groups: Array) -> tuple[Array, int]:
    """Sum over groups of the outer products of their sums of ``weight * psi z``, and how many groups there are."""
    codes, n_groups = group_codes(groups)
    weighted = fit.weight[:, None] * psi
    if n_groups * len(fit.theta) <= SUMS * fit.data.n_rows:
        sums = _group_sums(fit, weighted, codes, n_groups)
        return sums.T @ sums, n_groups
    return _meat_in_order(fit, weighted, codes), n_groups


def group_codes(groups: Array) -> tuple[Array, int]:
    """Number the groups from zero, and count them."""
    codes, found = pd.factorize(groups)
    return np.asarray(codes), len(found)


def _group_sums(fit: Fit, weighted: Array, codes: Array, n_groups: int) -> Array:
    """Sums of ``weighted z`` over each group, a row each, in the layout of the objective: one pass."""
    data, outputs = fit.data, weighted.shape[1]

    def part(block: Block) -> tuple[Any, ...]:
        n, of = block.X.shape[0], codes[block.part]
        sums = []
        for values in weighted[block.part].T:
            adding = sp.csr_array((values, of, np.arange(n + 1)), shape=(n, n_groups)).T
            total = adding @ block.X
            total = total.toarray() if is_sparse(total) else total
            if block.apart:
                ones = np.bincount(of, values, minlength=n_groups)
                total = np.column_stack([total, ones])
            sums.append(total)
        return (np.stack(sums),)

    (found,) = data.sum(part)
    inside = [data.inward(sums.T) for sums in found]
    return np.stack(inside, axis=1).reshape(-1, n_groups).T if outputs > 1 else inside[0].T


def _meat_in_order(fit: Fit, weighted: Array, codes: Array) -> Array:
    """Return the same meat of many small groups: rows are met in the order of these, some at a time."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(codes[order]) > 0))
    q = len(fit.theta)
    meat, rest = np.zeros((q, q)), np.zeros(q)
    for first in range(0, len(order), PART):
        rows = order[first : first + PART]
        scores = contributions(fit.data, rows, weighted[rows])
        cuts = starts[(starts > first) & (starts < first + len(rows))] - first
        begins = np.append(0, cuts)
        sums = np.add.reduceat(scores, begins, axis=0)
        if not np.any(starts == first):
            sums[0] += rest
        elif first:
            meat += np.outer(rest, rest)
        rest = sums[-1].copy()
        meat += sums[:-1].T @ sums[:-1]
    return meat + np.outer(rest, rest)


def contributions(data: Data, rows: Array, psi: Array) -> Array:
    """Contributions of some rows to the gradient, in the layout of the objective."""
    X = np.asarray(data.take_with_ones(rows))
    return np.einsum("ij,ik->ijk", X, psi).reshape(len(X), -1)


# --- losses of scores ---------------------------------------------------------------------------


def information(fit: Fit) -> Spread:
    """Inverse of the second derivatives of minus the log-likelihood."""
    bread, meat = _bread(fit), None
    check_rows(fit, np.diag(bread))
    inverse = invert(bread, fit.active, INSTEAD)
    # the penalty's own curvature is no information
    meat = bread - fit.penalty_hessian() if fit.penalised else bread
    return Spread(inverse @ meat @ inverse / fit.mass, 1.0, math.inf)


def score_sandwich(fit: Fit) -> Spread:
    """Sandwich of second derivatives and of the outer products of the rows' slopes."""
    inverse = invert(_bread(fit), fit.active, INSTEAD)
    meat = _score_meat(fit)
    check_rows(fit, np.diag(meat))
    return Spread(inverse @ meat @ inverse / fit.mass, 1.0, math.inf)


def score_cluster(fit: Fit, groups: Array) -> Spread:
    """Sandwich of the sums of slopes of groups."""
    return clustered(fit, _score_slopes(fit), 1.0, _bread(fit), groups, small=False)


def _bread(fit: Fit) -> Array:
    hessian: Array = fit.objective.hess(fit.theta) * fit.objective.total
    if not fit.penalised and np.diag(hessian).max() < FLAT * np.diag(fit.gram()).max():
        raise ValueError(
            "The loss is flat at all rows, as where a hyperplane separates the classes: no finite "
            "coefficients are best, and nothing tells how sure those found are. Use a penalty (alpha > 0)."
        )
    return hessian


def _score_slopes(fit: Fit) -> Array:
    """Slopes of each row, not times its number of repetitions, of shape (n, n_outputs)."""
    objective, factor = fit.objective, fit.estimate.factor
    slope: Array = objective.loss.value_gradient(fit.estimate.target, fit.raw, factor, None)[1]
    return slope[:, None] if slope.ndim == 1 else slope


def _score_meat(fit: Fit) -> Array:
    slope = _score_slopes(fit)
    outputs, place = slope.shape[1], fit.places
    meat = np.empty((len(fit.theta), len(fit.theta)))
    for a in range(outputs):
        for b in range(a, outputs):
            part = fit.gram(slope[:, a] * slope[:, b])
            meat[np.ix_(place[a], place[b])] = part
            meat[np.ix_(place[b], place[a])] = part.T
    return meat
