"""How sure quantile fits are: sparsity, densities at the quantile, and rank tests turned around."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import t as student

from robustreg._array import Array
from robustreg.estimators import L1Regressor
from robustreg.estimators._units import Units
from robustreg.inference._covariance import Spread, clustered, invert
from robustreg.inference._fit import Fit, check_rows
from robustreg.losses import Pinball
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers import Control, Rows, rows_of, solve_piecewise, solve_rows

#: residuals that count as zero, in units of their size: the root of the machine epsilon, as in quantreg
ROOT = math.sqrt(np.finfo(float).eps)
#: what is taken from differences of fitted quantiles, in the same units: more than their rounding, and
#: less than the 1.5e-8 that quantreg takes in units of y, so that standard errors agree with its own
LEAST = np.finfo(float).eps ** 0.75
#: samples beyond the quantile for each parameter below which a summary says that 'nid' is too sure: of 100 rows
#: and quantile 0.9, nominal 5 % tests of it reject .05 with two parameters and .10 with six
BEYOND = 5
#: level at which the bandwidth is best for intervals (Hall and Sheather, 1988)
LEVEL = 0.05
#: iterations of a linear program on all rows
PROGRAMS = 1000
#: width of the first envelope of a problem beside the fit, y having spread one
WIDTH = 0.3


class Check(NamedTuple):
    """A loss with one kink a row as ``jump`` times the pinball loss of a quantile."""

    quantile: float
    jump: float

    @classmethod
    def of(cls, fit: Fit) -> Check:
        kinks = fit.loss.kinks(fit.estimate.target)
        assert kinks is not None
        lower, upper = float(np.ravel(kinks.lower)[0]), float(np.ravel(kinks.upper)[0])
        return cls(-lower / (upper - lower), upper - lower)

    @property
    def variance(self) -> float:
        """Variance of a slope whose residual has the quantile zero."""
        return self.quantile * (1 - self.quantile)


def bandwidth(quantile: float, n: float, *, inside: bool = True) -> float:
    """Hall and Sheather's (1988) bandwidth; ``inside`` halves it until q - h and q + h are quantiles."""
    x = float(ndtri(quantile))
    density = math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    shape: float = (1.5 * density**2 / (2 * x * x + 1)) ** (1 / 3)
    h: float = n ** (-1 / 3) * float(ndtri(1 - LEVEL / 2)) ** (2 / 3) * shape
    while inside and (quantile - h < 0 or quantile + h > 1):
        h /= 2
    return h


def size_of(residual: Array, fit: Fit) -> float:
    """Mean absolute residual, 1 where all are zero."""
    largest = float(np.abs(residual).max(initial=0.0)) or 1.0
    return largest * float(np.average(np.abs(residual / largest), weights=fit.data.weight)) or 1.0


def repeated_quantiles(values: Array, fit: Fit, shares: list[float]) -> Array:
    """Quantiles of values of rows, each repeated as its weight says, as `numpy.quantile` has them."""
    if fit.data.weight is None and fit.mass == 1:
        return np.asarray(np.quantile(values, shares))
    weight = fit.weight * fit.mass
    order = np.argsort(values, kind="stable")
    counts = np.cumsum(weight[order])
    places = (fit.n - 1) * np.array(shares)
    low, high = (
        values[order][np.minimum(np.searchsorted(counts, at + 0.5, "right"), len(order) - 1)]
        for at in (np.floor(places), np.ceil(places))
    )
    return np.asarray(low + (high - low) * (places - np.floor(places)))


# --- densities ----------------------------------------------------------------------------------


def sparsity(fit: Fit) -> float:
    """Reciprocal density of the errors at their quantile (Koenker, 2005, section 3.4)."""
    residual, n, p = fit.residual, fit.n, fit.n_parameters
    q, counts = Check.of(fit).quantile, fit.weight * fit.mass
    size = np.abs(residual)
    on = float(counts[size < ROOT * size_of(residual, fit)].sum())
    k = max(p + 1, math.ceil(n * bandwidth(q, n, inside=False)))
    ranks = np.arange(round(on) + 1, min(round(on) + k + 1, math.floor(n + 1e-9)) + 1)
    order = np.argsort(size, kind="stable")
    which = np.searchsorted(np.cumsum(counts[order]), ranks - 0.5, side="right")
    chosen = np.sort(residual[order][np.minimum(which, len(order) - 1)])
    slope: float = slope_of(ranks / (n - p), chosen)
    if not slope > 0:
        raise ValueError(
            "The residuals near zero are all alike: their density cannot be told. Name 'bootstrap'."
        )
    return slope


def slope_of(x: Array, y: Array) -> float:
    """Slope of the median regression of y on x and an intercept."""
    return float(L1Regressor(max_iter=PROGRAMS).fit(x[:, None], y).coef_[0])


def iid(fit: Fit) -> Spread:
    """Errors of one distribution (Koenker and Bassett, 1978)."""
    check, gram = Check.of(fit), fit.gram()
    unit = sparsity(fit)
    _warn(fit, check, gram)
    bread = gram + fit.penalty_hessian() * unit / check.jump
    inverse = invert(bread, fit.active, "Name 'bootstrap'.")
    core = check.variance * inverse @ gram @ inverse / fit.mass
    return Spread(core, unit, fit.df)


def nid_density(fit: Fit) -> tuple[Array, tuple[str, ...]]:
    """Densities by the distance of two fits beside the quantile (Hendricks and Koenker, 1992)."""
    check = Check.of(fit)
    h = bandwidth(check.quantile, fit.n)
    low, high = (_beside(fit, check.quantile + step) for step in (-h, h))
    width = fit.along((high.theta - low.theta)[:, None])[:, 0] * low.units.spread
    small = LEAST * size_of(fit.residual, fit)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.maximum(0.0, 2 * h / (width - small))
    density = np.where(np.isfinite(density), density, 0.0)
    crossed = float(np.average(width <= 0, weights=fit.data.weight))
    if not crossed > 0:
        return density, ()
    note = f"The fits at the quantiles {check.quantile - h:.3g} and {check.quantile + h:.3g} cross "
    return density, (note + f"in {crossed:.0%} of the rows, whose density is taken as zero.",)


class Beside(NamedTuple):
    theta: Array
    units: Units


def _beside(fit: Fit, quantile: float) -> Beside:
    """Coordinates of the unpenalised fit of another quantile, on the same rows."""
    data = fit.data
    units = Units.of(data.y, data.weight, fit.mass, data.intercept)
    inside = data.with_target(units.inward(data.y), data.weight)
    objective = Objective(Pinball(quantile), inside, L2(0.0))
    start = fit.theta / units.spread
    if data.intercept:
        start = np.append(start[:-1], (fit.theta[-1] - units.center) / units.spread)
    model = fit.model
    found = solve_piecewise(objective, start, Control(model.tol, PROGRAMS), warm=True)
    return Beside(found.x, units)


def kernel_density(fit: Fit) -> tuple[Array, tuple[str, ...]]:
    """Densities by a normal kernel at zero (Powell, 1991)."""
    check, residual = Check.of(fit), fit.residual
    h = bandwidth(check.quantile, fit.n)
    size = size_of(residual, fit)
    scaled, counts = residual / size, fit.weight * fit.mass
    middle = np.average(scaled, weights=counts)
    deviation = math.sqrt(float(counts @ (scaled - middle) ** 2) / (fit.n - 1))
    quartiles = repeated_quantiles(scaled, fit, [0.25, 0.75])
    spread = min(deviation, (quartiles[1] - quartiles[0]) / 1.34) or deviation
    width = float(ndtri(check.quantile + h) - ndtri(check.quantile - h)) * spread
    if not width > 0:
        raise ValueError("All residuals are zero: there is no density at the quantile.")
    density = np.exp(-0.5 * (scaled / width) ** 2) / math.sqrt(2 * math.pi) / width
    return density / size, ()


def nid(fit: Fit) -> Spread:
    """Errors whose distribution may change from row to row, by two more fits."""
    spread = _of_density(fit, *nid_density(fit), "Name 'kernel' or 'bootstrap'.")
    quantile = Check.of(fit).quantile
    if fit.n * min(quantile, 1 - quantile) >= BEYOND * fit.n_parameters:
        return spread
    note = (
        f"Few samples for {fit.n_parameters} parameters lie beyond the quantile {quantile:.3g}: the standard errors of "
        "'nid' are too small. Use covariance='rank' or 'kernel'."
    )
    return spread._replace(notes=(*spread.notes, note))


def kernel(fit: Fit) -> Spread:
    """Errors whose distribution may change from row to row, by a kernel."""
    return _of_density(fit, *kernel_density(fit), "Name 'bootstrap'.")


def _of_density(fit: Fit, density: Array, notes: tuple[str, ...], instead: str) -> Spread:
    check, gram = Check.of(fit), fit.gram()
    _warn(fit, check, gram)
    unit = float(density.max()) or 1.0
    bread = fit.gram(density / unit) + fit.penalty_hessian() / (check.jump * unit)
    inverse = invert(bread, fit.active, instead)
    return Spread(check.variance * inverse @ gram @ inverse / fit.mass, 1 / unit, fit.df, notes)


def quantile_cluster(fit: Fit, groups: Array) -> Spread:
    """Sums of slopes of groups, densities by a kernel (Parente and Santos Silva, 2016)."""
    check = Check.of(fit)
    density, notes = kernel_density(fit)
    unit = float(density.max())
    bread = fit.gram(density / unit) + fit.penalty_hessian() / (check.jump * unit)
    residual = fit.residual
    psi = check.quantile - (residual < 0)
    psi[np.abs(residual) < ROOT * size_of(residual, fit)] = 0.0  # on the hyperplane: any slope
    spread = clustered(fit, psi[:, None], 1 / unit, bread, groups, small=True)
    return spread._replace(notes=(*notes, *spread.notes))


def _warn(fit: Fit, check: Check, gram: Array) -> None:
    """Warn of other rows; those on the hyperplane, up to one a parameter, can have any slope."""
    loose = fit.n_parameters * check.jump * np.sqrt(np.diag(gram))
    variance = check.variance * check.jump**2 * np.diag(gram)
    check_rows(fit, np.maximum(2 * np.sqrt(variance), 2 * loose) ** 2)


# --- ranks --------------------------------------------------------------------------------------


class Ranks(NamedTuple):
    """Intervals by rank tests, of intercept and coefficients, and the test that each is zero."""

    lower: Array
    upper: Array
    statistic: Array


@dataclass
class Profile:
    """The least loss as a function of one coefficient, all others being at their best.

    It is convex and piecewise linear, and its slope is the regression rank score statistic of the
    hypothesis that the coefficient has this value.

    Parameters
    ----------
    rows : Rows
        The loss of all rows, per unit of weight.
    theta : array of shape (q,)
        The fit.
    row : array of shape (q,)
        What the coefficient is of theta.
    """

    rows: Rows
    theta: Array
    row: Array

    def end(self, slope: float) -> float:
        """Return the coefficient where the slope of the profile passes ``slope``, as a confidence limit.

        The statistic is constant between two breakpoints of the profile; the limit lies on the line between the
        two where it passes its critical value, as in quantreg. Infinite where it never does. Where several fits
        with the same coefficient are best, quantreg interpolates from an end of basis that is no breakpoint.
        """
        tilted = replace(self.rows, linear=self.rows.linear - slope * self.row)
        found = solve_rows(tilted, self.theta, WIDTH, Control(max_iter=PROGRAMS))
        if not found.success:
            return math.copysign(math.inf, slope)
        at, sign = float(self.row @ found.theta), math.copysign(1.0, slope)
        inner, reach = self.piece(found.theta, -sign)
        outer = self.beside(found.theta, sign)[0]
        inner, outer, critical = sign * inner, sign * outer, abs(slope)
        if outer < critical * (1 - ROOT):
            return sign * math.inf
        if inner <= 0 or not math.isfinite(reach):  # the fit itself
            return at
        share = (critical - inner) / (outer - inner) if outer > inner else 1.0
        return at - sign * reach * (1 - min(max(share, 0.0), 1.0))

    def slope_at(self, value: float) -> float:
        """Slope of the profile at a value of the coefficient, the smaller one where it has two."""
        base, free = value * self.row / (self.row @ self.row), self._free
        theta = base
        if free.shape[1]:
            shifted = replace(
                self.rows, X=self.rows.X @ free, position=self.rows.position - self.rows.X @ base,
                linear=free.T @ self.rows.linear, hidden=0.0,
            )  # fmt: skip
            start = free.T @ self.theta
            theta = (
                base + free @ solve_rows(shifted, start, WIDTH, Control(max_iter=PROGRAMS)).theta
            )
        sides = self.beside(theta, -1.0)[0], self.beside(theta, 1.0)[0]
        if sides[0] <= 0 <= sides[1]:
            return 0.0
        return min(sides, key=abs)

    @property
    def _free(self) -> Array:
        """Orthonormal directions that leave the coefficient as it is."""
        q = len(self.row)
        return np.linalg.qr(np.column_stack([self.row, np.eye(q)]))[0][:, 1:q]

    def piece(self, theta: Array, sign: float) -> tuple[float, float]:
        """Slope of the profile on one side of a point, and how far it stays the same.

        Where several fits with the same coefficient are best, rows are met at which it does not change.
        """
        slope, ahead, step = self.beside(theta, sign)
        reach, last = ahead, slope
        while math.isfinite(ahead):
            theta = theta + ahead * step
            last, ahead, step = self.beside(theta, sign)
            if abs(last - slope) > ROOT * abs(slope):
                break
            reach += ahead
        return slope, reach

    def beside(self, theta: Array, sign: float) -> tuple[float, float, Array]:
        """Slope of the profile on one side of a point, how far the next row on its way is, and the way."""
        rows = self.rows
        offsets = rows.offsets(theta)
        on = np.abs(offsets) <= rows.rounding(theta)
        slopes = np.where(on, 0.0, np.where(offsets > 0, rows.upper, rows.lower))
        pull = rows.X.T @ slopes + rows.linear
        step = sign * self._step(np.flatnonzero(on), pull, sign)
        along = rows.X @ step
        value = pull @ step + np.maximum(rows.lower * along, rows.upper * along)[on].sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = -offsets / along
        ahead = reach[~on & (reach > 0) & np.isfinite(reach)]
        return sign * float(value), float(ahead.min(initial=math.inf)), step

    def _step(self, on: Array, pull: Array, sign: float) -> Array:
        """Direction in which the coefficient changes by one and the loss grows least.

        With as many rows on the hyperplane as there are parameters all but one of them stay there.
        """
        rows, q = self.rows, len(self.row)
        if len(on) < q:
            system = np.vstack([rows.X[on], self.row])
            target = np.append(np.zeros(len(on)), 1.0)
            step: Array = np.linalg.lstsq(system, target, rcond=None)[0]
            return step
        if len(on) == q:
            with np.errstate(all="ignore"):
                ways = np.linalg.pinv(rows.X[on])
                ways = ways / (self.row @ ways)
                along = sign * (rows.X[on] @ ways)
                own = np.maximum(rows.lower[on, None] * along, rows.upper[on, None] * along)
                growth = sign * (pull @ ways) + own.sum(axis=0)
            growth = np.where(np.isfinite(ways).all(axis=0), growth, np.inf)
            return np.asarray(ways[:, int(np.argmin(growth))])
        free, base = self._free, self.row / (self.row @ self.row)
        few = rows.take(on, free.T @ pull)
        few = replace(few, X=few.X @ free, position=-sign * (few.X @ base), hidden=0.0, base=0.0)
        turn = solve_rows(few, np.zeros(free.shape[1]), 1.0, Control(max_iter=PROGRAMS)).theta
        return np.asarray(base + sign * (free @ turn))


def ranks(fit: Fit, confidence: float) -> Ranks:
    """Intervals by rank tests turned around (Koenker, 1994), for errors of one distribution."""
    check, gram, data = Check.of(fit), fit.gram(), fit.data
    if fit.penalised:
        raise ValueError(
            "covariance='rank' is a test of fits without a penalty: alpha is not 0. Name 'nid', 'kernel' "
            "or 'bootstrap'."
        )
    _warn(fit, check, gram)
    inverse = invert(gram, fit.active, "Name 'bootstrap'.")
    units = Units.of(data.y, data.weight, fit.mass, data.intercept)
    inside = data.with_target(units.inward(data.y), data.weight)
    objective = Objective(fit.loss, inside, L2(0.0))
    start = fit.theta / units.spread
    if data.intercept:
        start[-1] -= units.center / units.spread
    count = data.n_rows
    rows = rows_of(objective, np.zeros(count), np.arange(count))
    critical = float(student.isf((1 - confidence) / 2, fit.df))
    found = np.full((3, len(fit.jacobian)), np.nan)
    for j, row in enumerate(fit.jacobian):
        if not fit.estimable[j]:
            continue
        size = float(np.abs(row).max())
        profile = Profile(rows, start, row / size)
        variance = check.variance * check.jump**2 / (fit.mass * (row @ inverse @ row))
        deviation = size * math.sqrt(variance) / fit.total
        shift = units.center if data.intercept and j == 0 else 0.0
        limits = [profile.end(sign * critical * deviation) for sign in (-1.0, 1.0)]
        found[:2, j] = [shift + limit * size * units.spread for limit in limits]
        zero = -shift / (size * units.spread)
        found[2, j] = -profile.slope_at(zero) / deviation
    return Ranks(*found)
