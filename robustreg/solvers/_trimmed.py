"""Least trimmed squares: the h rows with the smallest sum of squared residuals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from scipy.special import ndtri

from robustreg._array import Array
from robustreg.solvers._cholesky import solved
from robustreg.solvers._control import Control
from robustreg.solvers._high_breakdown import exact_fit, result
from robustreg.solvers._result import Result
from robustreg.solvers._search import Search
from robustreg.solvers._subsampling import NOTHING, STRETCH, Optimum
from robustreg.solvers._table import Table
from robustreg.solvers._trimming import (
    EASED_STEPS,
    WIDTHS,
    Eased,
    TrimmedSquares,
    eased,
    edges,
    inside,
    moving_edge,
)

#: curvature of an easier sum, as a share of that of the rows that count, below which a step takes this in its place; after
#: each step that leads down less and less of it
FLAT, FLATTER = 0.1, 0.25
#: a concentration step that changes the criterion by less than this share was the last
ROUNDING = 1e-15
#: and by this of tables with many rows, where rows next to the edge change sides for long
ROUNDING_MANY, MANY = 1e-12, 100_000
#: gradient of an easier sum, per unit of weight and edge, at which it has settled: then other starts end there, too
SETTLED = 1e-5
#: a step is made longer by this factor as long as that pays
LONGER, LONGEST = 2.0, 8
#: rows from which those near the edge tell how many change sides, and how near, as a share of its size
EDGE_ROWS, BAND = 2000, 0.1
#: rows that change sides are told from those kept where they are fewer than one in this many (machine)
FEW = 8
#: shares of a Newton step that are tried; after one that is shortened or fails a concentration step comes first
LENGTHS = (1.0, 0.5, 0.25)
#: share of the gain that a quadratic model promises with which a Newton step is taken
ENOUGH = 0.1


class Concentration:
    """Steps from a start down to where the rows with the h smallest squares are those that were fitted.

    Parameters
    ----------
    table : Table
        Rows.
    h : float
        Sum of the weights of the rows that count.
    control : Control
        Concentration steps that are left.
    """

    def __init__(self, table: Any, h: float, control: Control) -> None:
        self.table, self.h, self.control = table, h, control

    def lowest(self, optima: list[Optimum]) -> Optimum:
        """Return which optimum of some rows is the best of all rows."""
        if len(optima) == 1:
            return optima[0]
        values = [_value(self.table, self.table.residual(one.theta), self.h) for one in optima]
        return optima[int(np.argmin(values))]

    def run(self, theta: Array) -> Result:
        """Go down until no concentration step gains anything."""
        return _concentrated(self.table, theta, self.h, self.control)

    def counted(self, found: Result) -> None:
        """Set the weights of the rows that count in a fit."""
        found.kept = _kept(self.table, found.residual, self.h)

    def reweighted(self, found: Result, width: float) -> tuple[float, float]:
        """Fit the rows within a width once more by least squares; return their weight and sum of squares."""
        table = self.table
        kept = np.abs(found.residual) <= width
        gram = table.gram(table.weighted(kept.astype(float)))
        pull = table.pull(lambda r: r, kept * table.residual(found.theta))
        step = solved(gram, pull, definite=False)
        assert step is not None
        found.theta = found.theta + step
        found.residual = residual = table.residual(found.theta)
        near = float(table.weighted(kept.astype(float)).sum())
        return near, float(table.weighted(kept * residual**2).sum())


def solve_trimmed(way: Concentration, search: Search) -> Result:
    """Find the coefficients with the smallest sum of the h smallest squared residuals.

    Parameters
    ----------
    way : Concentration
        Rows, and how many count.
    search : Search
        Finds the starts.

    Returns
    -------
    Result
        ``x`` holds the coefficients and the root of the mean square of the rows that count; ``kept`` has
        the weights of these rows where they are in this process.

    References
    ----------
    Rousseeuw, P. J. and Van Driessen, K. (2006). Computing LTS regression for large data sets. Data Mining
    and Knowledge Discovery 12, 29-45.
    """
    table, h = way.table, way.h
    if h < table.total:
        optima, exhaustive = search.run(table, TrimmedSquares(h / table.total))
    else:  # least squares, from wherever it starts
        optima, exhaustive = [Optimum(np.zeros(table.size), np.inf, 1)], True
    best = way.lowest(optima)
    found = exact_fit(table, best.theta, best.value, table.total - h)
    if found is None:
        found = way.run(best.theta)
    else:
        way.counted(found)
    found.hits, found.exhaustive = best.hits, exhaustive
    return found


def _value(table: Table, residual: Array, h: float) -> float:
    """Sum of the h smallest squares."""
    square = residual * residual
    if table.weight is not None:
        return float(inside(square[:, None], table.weight, h)[:, 0] @ square)
    k = int(np.ceil(h - 1e-9))
    square.partition(k - 1)
    return float(square[:k].sum() - (k - h) * square[k - 1])


def _kept(table: Table, residual: Array, h: float) -> Array:
    """Weights of the rows of the h smallest squares."""
    return inside((residual * residual)[:, None], table.weight, h)[:, 0]


def _concentrated(table: Table, theta: Array, h: float, control: Control) -> Result:
    """Go down until no concentration step gains anything, most of the way on a tenth of many rows.

    Where there are enough rows to see how many change sides, easier sums lead the way: from wherever a search ended they end
    at one point, and the minima near that are low ones.
    """
    residual = table.residual(theta)
    if table.few is not None:
        part = table.few[0]
        aside = control.aside(control.left)
        near = _concentrated(part, theta, h * part.total / table.total, aside).theta
        moved = table.residual(near)
        if _value(table, moved, h) < _value(table, residual, h):
            theta, residual = near, moved
    elif len(residual) > EDGE_ROWS:
        found = _settled(table, *_eased(table, theta, residual, h, control), h, control)
        if found.fun <= _value(table, residual, h):
            return found
    return _settled(table, theta, residual, h, control)


def _eased(
    table: Table, theta: Array, residual: Array, h: float, control: Control
) -> tuple[Array, Array]:
    """Follow the minimum of easier sums: coefficients and residuals."""
    weight = np.ones(len(residual)) if table.weight is None else table.weight
    for share in WIDTHS:
        edge = edges((residual * residual)[:, None], weight, h)
        width = np.maximum(share * edge, NOTHING**2)

        def sum_at(residual: Array, width: Array = width) -> Eased:
            return eased((residual * residual)[:, None], weight, h, width)

        now = sum_at(residual)
        metric, least = table.gram(now.kept[:, 0]), FLAT
        for _ in range(min(EASED_STEPS, control.left)):
            kept, near = now.kept[:, 0], now.near[:, 0]
            pull = _pull(table, kept, residual)
            if np.abs(pull).max() <= SETTLED * table.total * np.sqrt(edge[0]):
                break
            curvature, _, below = moving_edge(now, residual[:, None], width)
            mean = _pull(table, near, residual)
            hessian = table.gram(curvature[:, 0]) + np.outer(mean, mean / below[0])
            step = _downhill(hessian, metric, pull, least)
            after: Eased | None = None
            if step is not None:
                moved = residual - table.raw(step)
                after = sum_at(moved)
            least *= FLATTER
            if after is None or not after.value[0] <= now.value[0]:
                least = FLAT
                step = solved(table.gram(kept), pull, definite=False)
                assert step is not None
                step = STRETCH * step
                moved = residual - table.raw(step)
                after = sum_at(moved)
            theta, residual, now = theta + step, moved, after
            state = np.append(table.whole(theta), np.sqrt(now.value[0] / h))
            if control.step(state, float(now.value[0])):
                return theta, residual
    return theta, residual


def _downhill(hessian: Array, metric: Array, pull: Array, least: float) -> Array | None:
    """Return Newton's step where curvatures in a metric are positive and not small, and one down along the others.

    None where the metric is not definite.
    """
    try:
        values, axes = scipy.linalg.eigh(hessian, metric, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(axes @ ((axes.T @ pull) / np.maximum(np.abs(values), least)))


def _settled(table: Table, theta: Array, residual: Array, h: float, control: Control) -> Result:
    """Go down from coefficients until no concentration step gains anything."""
    value = _value(table, residual, h)
    kept = _kept(table, residual, h)
    gram = table.gram(kept)
    rounding = ROUNDING if len(residual) <= MANY else ROUNDING_MANY
    settled, plain, many = False, False, len(residual) > EDGE_ROWS
    while control.left and not settled:
        due = many and not plain
        found = _by_newton(table, gram, residual, value, kept, h) if due else None
        plain = due and (found is None or found.length < 1)
        found = found or _by_squares(table, gram, residual, kept, h)
        gained = value - found.value
        if gained >= 0:
            theta, residual, value = theta + found.step, found.residual, found.value
            last, kept = kept, _kept(table, residual, h)
            gram = _gram_after(table, gram, last, kept)
        state = np.append(table.whole(theta), np.sqrt(value / h))
        settled = gained <= rounding * value
        if control.step(state, value):
            break
    norm = np.abs(_pull(table, kept, residual)).max() / table.total
    return result(
        table, theta, float(np.sqrt(value / h)), residual, fun=value,
        status=control.status(settled), optimality=float(norm), kept=kept,
    )  # fmt: skip


class _Moved(NamedTuple):
    """A step, and what it leads to."""

    step: Array
    residual: Array
    value: float
    #: share of Newton's step that it is
    length: float = 1.0


def _gram_after(table: Table, gram: Array, last: Array, kept: Array) -> Array:
    """Return the Gram matrix of the rows kept, given the one of those before, of which most are the same."""
    changed = np.flatnonzero(kept != last)
    if len(changed) * FEW > len(kept):
        return table.gram(kept)
    A = table.sample(changed).A
    found = gram + (A * (kept - last)[changed, None]).T @ A
    # what far rows leave behind as they go is no more than rounding of what stays
    if np.any(2 * np.diag(found) < np.diag(gram)):
        return table.gram(kept)
    return np.asarray(found)


def _by_newton(
    table: Table, gram: Array, residual: Array, value: float, kept: Array, h: float
) -> _Moved | None:
    """Take the step of Newton's method, None where that does not gain enough."""
    pull = _pull(table, kept, residual)
    step = solved(gram - _edge(table, residual, kept), pull, definite=True)
    if step is None:
        return None
    change, promised = table.raw(step), float(pull @ step)
    for length in LENGTHS:
        moved = residual - length * change
        new = _value(table, moved, h)
        # least squares on the rows kept gains this, before other rows come nearer
        if value - new >= length * promised * ENOUGH:
            return _Moved(length * step, moved, new, length)
    return None


def _by_squares(table: Table, gram: Array, residual: Array, kept: Array, h: float) -> _Moved:
    """Take a concentration step, made longer as long as that gains more."""
    pull = _pull(table, kept, residual)
    step = least_squares(gram, pull)
    change, length = table.raw(step), 1.0
    new = _value(table, residual - change, h)
    while length < LONGEST:
        longer = _value(table, residual - LONGER * length * change, h)
        if not longer < new * (1 - 1e-3):
            break
        length, new = LONGER * length, longer
    return _Moved(length * step, residual - length * change, new)


def _edge(table: Table, residual: Array, kept: Array) -> Array:
    """What the Hessian of the trimmed sum lacks of that of the rows kept, as rows change sides.

    Of rows at the edge those that a step brings nearer come in and others go out, ``e * density`` of them for
    each unit of their residual. Their density is that of the rows within a tenth of the edge.
    """
    size = np.abs(residual)
    edge = float(size[kept > 0].max())
    near = np.flatnonzero(np.abs(size - edge) <= BAND * edge)
    part = table.sample(near)
    return changing_sides(part.A, part.weight / (2 * BAND), np.sign(residual[near]))


def changing_sides(A: Array, density: Array, sign: Array) -> Array:
    """Products of rows at the edge, of which as many change sides as their ``density`` says, the edge moving with them."""
    mean = A.T @ (density * sign)
    return np.asarray((A.T * density) @ A - np.outer(mean, mean) / density.sum())


def least_squares(gram: Array, pull: Array) -> Array:
    """Return the step to the least squares of the rows kept, the shortest where there are several."""
    step = solved(gram, pull, definite=True)
    if step is None:
        step = solved(gram, pull, definite=False)
    assert step is not None
    return step


def _pull(table: Table, kept: Array, residual: Array) -> Array:
    """Inner products of the columns with the residuals, by weights that have those of the rows in them."""
    values = kept * residual
    return table.pull(lambda v: v, values if table.weight is None else values / table.weight)


# Factors of the scale ---------------------------------------------------------------------------

#: Pison, Van Aelst and Willems (2002): for coverage 0.5 and 0.875, the constants (a, b) of
#: ``1 - exp(a) / n**b`` with no column and with one; with more, the values (a, b, q) of two sizes q, between
#: which the constants of p columns follow. By (reweighted, intercept).
FACTORS: dict[tuple[bool, bool], dict[str, Any]] = {
    (False, True): {
        "one": ((0.630869217886906, 0.650789250442946), (0.565065391014791, 1.03044199012509)),
        "more": (
            ((-0.746945886714663, 0.56264937192689, 3), (-0.535478048924724, 0.543323462033445, 5)),
            ((-0.458580153984614, 1.12236071104403, 3), (-0.267178168108996, 1.1022478781154, 5)),
        ),
    },
    (False, False): {
        "one": ((-0.0181777452315321, 0.697629772271099), (-0.310122738776431, 1.06241615923172)),
        "more": (
            ((-0.487338281979106, 0.405511279418594, 3), (-0.340762058011, 0.37972360544988, 5)),
            ((-0.251778730491252, 0.883966931611758, 3), (-0.146660023184295, 0.86292940340761, 5)),
        ),
    },
    (True, True): {
        "one": ((1.58609654199605, 1.46340162526468), (0.391653958727332, 1.03167487483316)),
        "more": (
            ((-0.773365715932083, 2.02013996406346, 3), (-0.337571678986723, 2.02037467454833, 5)),
            ((-0.474174840843602, 1.39681715704956, 3), (-0.276640353112907, 1.42543242287677, 5)),
        ),
    },
    (True, False): {
        "one": ((0.6329852387657, 1.40361879788014), (-0.642240988645469, 0.926325452943084)),
        "more": (
            ((-0.417574780492848, 1.83958876341367, 3), (-0.175753709374146, 1.8313809497999, 5)),
            ((-0.267522855927958, 1.17559984533974, 3), (-0.161200683014406, 1.21675019853961, 5)),
        ),
    },
}
#: without any column: (a, b) for coverage 0.5 and 0.875, raw and reweighted
FACTORS_LOCATION = {
    False: ((0.262024211897096, 0.604756680630497), (-0.351584646688712, 1.01646567502486)),
    True: ((1.11098143415027, 1.5182890270453), (-0.66046776772861, 0.88939595831888)),
}


def finite_sample(n: float, p: int, coverage: float, *, intercept: bool, reweighted: bool) -> float:
    """Factor that makes up for the bias of an LTS scale in samples of few rows.

    Parameters
    ----------
    n : float
        Number of rows.
    p : int
        Columns, without the intercept.
    coverage : float
        From 0.5 to 1.
    intercept, reweighted : bool
        Whether there is an intercept, and whether it is the scale after the reweighting.

    References
    ----------
    Pison, G., Van Aelst, S. and Willems, G. (2002). Small sample corrections for LTS and MCD. Metrika 55,
    111-123.
    """
    if coverage >= 1:
        return 1.0
    if p == 0:
        constants = FACTORS_LOCATION[reweighted]
    elif p == 1:
        constants = FACTORS[reweighted, intercept]["one"]
    else:
        half, most = FACTORS[reweighted, intercept]["more"]
        constants = (_constants(p, half), _constants(p, most))
    low, high = (1.0 - np.exp(a) / n**b for a, b in constants)
    if coverage <= 0.875:
        share = low + (high - low) * (coverage - 0.5) / 0.375
    else:
        share = high + (1.0 - high) * (coverage - 0.875) / 0.125
    if p == 0:
        share = np.sqrt(share)
    return float(1.0 / share)


def _constants(p: int, pair: Any) -> tuple[float, float]:
    """Solve for (a, b) from two sizes of samples, where the factors are given by powers of p."""
    right = [np.log(-alpha / p**beta) for alpha, beta, _ in pair]
    left = [[1.0, -np.log(q * p**2)] for _, _, q in pair]
    a, b = np.linalg.solve(left, right)
    return float(a), float(b)


def trimmed_consistency(share: float) -> float:
    """Ratio of sigma to the root mean square of the given share of smallest normal residuals."""
    if share >= 1:
        return 1.0
    edge = float(ndtri(0.5 * (1.0 + share)))
    density = np.exp(-0.5 * edge**2) / np.sqrt(2 * np.pi)
    return float(1.0 / np.sqrt(1.0 - 2.0 * edge * density / share))
