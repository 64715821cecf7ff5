"""Sums of losses whose psi is a line cut off at two slopes.

Such a sum is quadratic (over the scale, where that is estimated along) for as long as no row crosses
an end of the line. Near the minimum few rows do: the others are summed up once, and what is left is a
problem of few rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from robustreg._array import Array
from robustreg.data import NARROW, Block, moments, subsample_size
from robustreg.objective import Objective
from robustreg.solvers._newton import DenseMetric, newton, noise
from robustreg.solvers._result import Result, minimize
from robustreg.solvers._smooth import largest_move

#: rows are kept that would cross an end at this many times the length of the first Newton step
REACH = 1.5
#: steps that a look ahead may take
STEPS = 2
#: where rows off the line have more than this share of a column's square, the others' is not the difference
LEVERAGE = 0.99
#: with a larger share of the rows near the ends nothing is won
MANY = 0.3


@dataclass
class Far:
    """Rows that stay on their pieces, summed up.

    Parameters
    ----------
    theta : array of shape (q,)
        Where they were looked at; the scale is the last entry where it is estimated along.
    gradient, hessian : array of shape (q,), (q, q)
        Of their sum there.
    joint : bool
        Whether the scale is among the parameters.
    """

    theta: Array
    gradient: Array
    hessian: Array
    joint: bool

    @cached_property
    def _here(self) -> tuple[Array, Array, float, Array]:
        """X^T X, X^T r and r^T r of the rows on the line, r their residuals at ``theta``.

        And the slope of the rest, of rows beyond the line and of the price of the scale, which is
        linear.
        """
        sigma = float(self.theta[-1])
        gram, cross = sigma * self.hessian[:-1, :-1], sigma**2 * self.hessian[:-1, -1]
        square = sigma**3 * float(self.hessian[-1, -1])
        return (
            gram,
            cross,
            square,
            self.gradient + np.append(cross / sigma, square / (2 * sigma**2)),
        )

    def _squares(self, step: Array) -> tuple[Array, float]:
        """Return X^T r and r^T r after a step of the coefficients."""
        gram, cross, square, _ = self._here
        left = cross - gram @ step
        return left, square - float(step @ (cross + left))

    def fun_jac(self, theta: Array) -> tuple[float, Array]:
        """Value, less what it was at the first ``theta``, and gradient."""
        step = theta - self.theta
        if not self.joint:
            bent = self.hessian @ step
            return float(self.gradient @ step + 0.5 * step @ bent), self.gradient + bent
        sigma, (left, now) = theta[-1], self._squares(step[:-1])
        _, _, square, flat = self._here
        value = 0.5 * (now / sigma - square / self.theta[-1]) + flat @ step
        return float(value), flat - np.append(left / sigma, now / (2 * sigma**2))

    def hess(self, theta: Array) -> Array:
        """Hessian."""
        if not self.joint:
            return self.hessian
        sigma, (left, now) = theta[-1], self._squares((theta - self.theta)[:-1])
        cross = left[:, None] / sigma**2
        return np.block([[self._here[0] / sigma, cross], [cross.T, np.array([[now / sigma**3]])]])


def minimise_pieces(
    near: Objective, far: Far, start: Array, *, tol: float, max_iter: int, metric: Any = None
) -> Result:
    """Minimise the sum of few rows, with all of the penalty, and of many far ones.

    Parameters
    ----------
    near : Objective
        Of the few; its ``total`` is that of all.
    far : Far
        The others.
    start : array
        Where to start.
    tol : float
        Largest gradient entry that counts as solved.
    max_iter : int
        Iterations at the most.
    metric : object, optional
        A factored Hessian of something similar.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.newton`, with ``optimality``.
    """

    def fun_jac(theta: Array) -> tuple[float, Array]:
        (value, gradient), (rest, slope) = near.fun_jac(theta), far.fun_jac(theta)
        return value + rest / near.total, gradient + slope / near.total

    def hess(theta: Array) -> Array:
        return near.hess(theta) + far.hess(theta) / near.total

    lower = np.full(len(far.theta), -np.inf)
    if far.joint:
        lower[-1] = 0.0
    options = {"tol": tol, "maxiter": max_iter, "lower": lower, "lazy": True, "metric": metric}
    found = minimize(fun_jac, start, jac=True, hess=hess, method=newton, options=options)
    found.optimality = float(np.abs(found.jac).max(initial=0.0))
    return found


def sums(objective: Objective, rows: Array | None = None, factor: Array | None = None) -> Objective:
    """Return the sum of the losses of rows, or of some, times factors that may be 0; no penalty."""
    data = objective.data if rows is None else objective.data.subset(rows, keep=False)
    if factor is not None:
        weight = factor if data.weight is None else data.weight * factor
        data = data.with_target(data.y, weight)
    some = replace(objective, data=data, penalty=objective.penalty.scaled(0.0))
    some.total = 1.0
    return some


def has_pieces(objective: Objective) -> bool:
    """Whether a minimum is worth looking for by its pieces: few coefficients and many dense rows."""
    line, data = getattr(objective.loss, "line", None), objective.data
    return line is not None and data.size <= NARROW and data.dense and subsample_size(data) > 0


class Ahead(NamedTuple):
    """A start, and what is known there.

    Parameters
    ----------
    theta : array of shape (q,)
        Where it is.
    metric : object or None
        A factored Hessian.
    known : tuple of float and array of shape (q,), or None
        Value and gradient.
    raw : array of shape (n,) or None
        Predictions.
    steps : int
        How many led there.
    """

    theta: Array
    metric: Any = None
    known: tuple[float, Array] | None = None
    raw: Array | None = None
    steps: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """Of :func:`~robustreg.solvers.newton`."""
        return {"metric": self.metric, "known": self.known}


def look_ahead(objective: Objective, theta: Array, tol: float, metric: Any = None) -> Ahead:
    """Return where the minimum lies if only rows near the ends cross them: two passes or three.

    Parameters
    ----------
    objective : Objective
        One that :func:`has_pieces`.
    theta : array
        A point not far from the minimum.
    tol : float
        What the few rows are solved to.
    metric : object, optional
        A factored Hessian, of a part of the rows perhaps. It makes a step before the look, from
        a point at which too many rows would be near the ends.

    Returns
    -------
    ahead : Ahead
        The gradient of all rows tells whether it is the minimum.
    """
    data, joint, steps = objective.data, objective.n_extra > 0, 0
    before, worth = None, np.inf
    if metric is not None:
        worth, slope = objective.fun_jac(theta)
        before = Ahead(theta, metric, (worth, slope))
        theta, steps = theta - metric.solve(slope), 1
        if joint and theta[-1] <= 0.5 * before.theta[-1]:
            return before
    value, gradient, hessian, raw = expand(objective, theta)
    mean, slope, bend = objective.penalised(theta, value, gradient, hessian)
    if before is not None and not mean <= worth:
        return before
    here = Ahead(theta, DenseMetric(bend), (mean, slope), raw, steps)
    if np.abs(slope).max() <= tol:
        return here
    step = here.metric.solve(slope)
    reach = largest_move(objective, step)
    if joint:
        reach += abs(float(step[-1])) * max(map(abs, objective.loss.line))  # type: ignore[attr-defined]
    rows = _near(data.y, raw, _ends(objective, theta), REACH * reach)
    if len(rows) > MANY * data.n_rows:
        return here
    kept = replace(objective, data=data.subset(rows))
    kept.total = objective.total
    _, few, bent, _ = sums(kept).expand(theta)
    far = Far(theta, gradient - few, hessian - bent, joint)
    found = minimise_pieces(kept, far, theta, tol=tol, max_iter=50, metric=here.metric)
    if not found.success:
        return here
    known = objective.fun_jac(found.x, raw)
    if not known[0] <= mean + noise(mean):  # too many others have crossed
        return here._replace(raw=None)
    return Ahead(found.x, here.metric, known, raw, steps + 1)


def expand(objective: Objective, theta: Array) -> tuple[float, Array, Array, Array]:
    """:meth:`Objective.expand` of an objective that :func:`has_pieces`.

    Where the moments of all rows are known, by those off the line: that takes little more than a
    gradient.
    """
    data, loss, joint = objective.data, objective.loss, objective.n_extra > 0
    if data.moments is None:
        return objective.expand(theta)
    coef, offset, extra = objective.at(theta)
    (low, high), all_raw = _ends(objective, theta), np.empty(data.n_rows)

    def part(block: Block) -> tuple[Any, ...]:
        raw = block.raw(coef, offset)
        value, slope, d_extra = loss.value_gradient(block.y, raw, None, extra)
        residual = block.y - raw
        off = np.flatnonzero((residual <= low) | (residual >= high))
        X, there = block.take(off), slope[off]
        off_line = *moments(X), X.T.dot(there), there.sum()
        all_raw[block.part] = raw
        square = slope @ slope - there @ there
        return value, block.pullback(slope), slope.sum(), d_extra, square, *off_line

    value, pulled, total, d_extra, square, *off, off_pulled, off_total = data.sum(part)
    gradient = objective.join(data.inward(pulled, total), total, d_extra)
    whole, rest = data.inner(data.moments), data.inner(tuple(off))
    if np.any(np.diag(rest) > LEVERAGE * np.diag(whole)):
        residual = data.y - all_raw
        on = np.flatnonzero((residual > low) & (residual < high))
        return value, gradient, sums(objective, on).expand(theta)[2], all_raw
    none = np.zeros(1)
    bend = float(loss.curvature(none, none, None, extra, 1.0, None)[0][0])
    hessian = bend * (whole - rest)
    if (
        joint
    ):  # on the line a slope is the residual times ``bend``, and so tells how it bends in sigma
        pulled, total = pulled - off_pulled, total - off_total
        cross = -objective.join(data.inward(pulled, total), total)[:, None] / extra
        hessian = np.block([[hessian, cross], [cross.T, square / (bend * extra[:, None] ** 2)]])
    return value, gradient, hessian, all_raw


def _ends(objective: Objective, theta: Array) -> tuple[float, float]:
    """Residuals at the ends of the line."""
    sigma = float(theta[-1]) if objective.n_extra else 1.0
    low, high = objective.loss.line  # type: ignore[attr-defined]
    return sigma * low, sigma * high


def _near(y: Array, raw: Array, ends: tuple[float, float], reach: float) -> Array:
    """Return the rows whose residuals are near an end of the line.

    Some at a time: arrays of the length of y are slower to touch than to compute.
    """
    (low, high), rows = ends, [np.zeros(0, dtype=int)]
    for part in gen_batches(len(y), 8192):
        residual = y[part] - raw[part]
        beyond = residual - high
        np.maximum(beyond, np.subtract(low, residual, out=residual), out=beyond)
        rows.append(part.start + np.flatnonzero(np.abs(beyond, out=beyond) <= reach))
    return np.concatenate(rows)
