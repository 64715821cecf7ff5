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

from robustreg._array import Array, row_slices
from robustreg.data import NARROW, Block, subsample_size
from robustreg.objective import Evaluation, Objective
from robustreg.sampling import spread_rows
from robustreg.solvers._control import Control
from robustreg.solvers._kept_hessian import PAYS
from robustreg.solvers._line_search import noise
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._newton import newton
from robustreg.solvers._result import Result, minimize
from robustreg.solvers._smooth import SOME, largest_move

#: rows are kept that would cross an end at this many times the length of the first Newton step
REACH = 1.5
#: where more than this share of the rows are, that step is taken first
FEW = 0.1
#: after it, rows that would cross an end at this many times its length; of the next a twentieth is usual
AGAIN = 0.1
#: where rows off the line have more than this share of a column's square, the others' is not the difference
LEVERAGE = 0.99
#: with a larger share of the rows near the ends nothing is won
MANY = 0.3

#: predictions, and residuals at the ends of the line
Point = tuple[Array, tuple[float, float]]


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
    value : float, default=0.0
        Their sum there, where it is asked for.
    minuend : array of shape (q, q), optional
        Sizes of the numbers of which ``hessian`` is a difference.
    """

    theta: Array
    gradient: Array
    hessian: Array
    joint: bool
    value: float = 0.0
    minuend: Array | None = None

    @classmethod
    def beside(cls, objective: Objective, theta: Array, every: Evaluation, few: Evaluation) -> Far:
        """Return all rows but a few, given the sums of losses of both at ``theta``."""
        whole: Any = every.hessian
        left, value = whole - few.hessian, every.value - few.value
        joint = objective.n_extra > 0
        return cls(theta, every.gradient - few.gradient, left, joint, value, np.abs(whole))

    def rounding(self, theta: Array) -> float:
        """Return what rounding of the Hessian may do to the gradient at ``theta``, which rows far out in X make large."""
        size = np.abs(self.hessian) if self.minuend is None else self.minuend
        return float(np.finfo(float).eps * (size @ np.abs(theta - self.theta)).max())

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

    def at(self, sigma: float, price: float = 0.0) -> Far:
        """Return the same rows at a fixed scale, their loss that of the fixed objective.

        ``price`` is that of a unit of the scale in their sum, which the fixed one lacks.
        """
        gram, cross, square, flat = self._here
        before = float(self.theta[-1])
        beyond = self.value - 0.5 * square / before - before * float(flat[-1])
        value = 0.5 * square + sigma * beyond + sigma**2 * (float(flat[-1]) - price)
        size = None if self.minuend is None else before * self.minuend[:-1, :-1]
        return Far(self.theta[:-1], sigma * flat[:-1] - cross, gram, False, value, size)

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
    near: Objective, far: Far, start: Array, control: Control, metric: Any = None
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
    control : Control
        Largest gradient entry that counts as solved, and iterations that are left.
    metric : object, optional
        A factored Hessian of something similar.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.newton`, with ``optimality``.
    """

    def fun_jac(theta: Array) -> tuple[float, Array]:
        at, (rest, slope) = near.evaluate(theta), far.fun_jac(theta)
        return at.value + rest / near.total, at.gradient + slope / near.total

    def hess(theta: Array) -> Array:
        return near.hess(theta) + far.hess(theta) / near.total

    lower = np.full(len(far.theta), -np.inf)
    if far.joint:
        lower[-1] = 0.0
    options = {
        "tol": control.tol, "control": control, "lower": lower, "pays": PAYS, "metric": metric,
    }  # fmt: skip
    found = minimize(fun_jac, start, hess=hess, method=newton, options=options)
    found.optimality = float(np.abs(found.jac).max(initial=0.0))
    return found


def only_losses(
    objective: Objective, rows: Array | None = None, factor: Array | None = None
) -> Objective:
    """Return the sum of the losses of rows, or of some, times factors that may be 0; no penalty."""
    data = objective.data if rows is None else objective.data.subset(rows, keep=False)
    if factor is not None:
        weight = factor if data.weight is None else data.weight * factor
        data = data.with_target(data.y, weight)
    return objective.with_total(1.0, data=data, penalty=objective.penalty.scaled(0.0))


def beside_ends(objective: Objective, step: Array, moved: float) -> float:
    """Return how far a step moves residuals against the ends of the line, given how far it ``moved`` predictions."""
    return moved + abs(float(step[-1])) * ends_by_scale(objective)


def ends_by_scale(objective: Objective) -> float:
    """Return how far the ends of the line move with a unit of the scale, 0 where that is no parameter."""
    ends: tuple[float, float] = objective.loss.line  # type: ignore[attr-defined]
    return max(map(abs, ends)) if objective.n_extra else 0.0


def leaves_scale(objective: Objective, theta: Array, start: Array) -> bool:
    """Whether a step to ``start`` shortens a scale in ``theta`` by so much that its sums say little there."""
    return bool(objective.n_extra and start[-1] <= 0.5 * theta[-1])


def has_pieces(objective: Objective) -> bool:
    """Whether a minimum is worth looking for by its pieces: few coefficients and many dense rows."""
    data = objective.data
    if data.size > NARROW or not subsample_size(data) or not data.dense:
        return False
    return getattr(objective.loss, "line", None) is not None


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
    def norm(self) -> float:
        """Largest entry of the gradient."""
        return float(np.abs(self.known[1]).max()) if self.known else np.inf

    @property
    def options(self) -> dict[str, Any]:
        """Of :func:`~robustreg.solvers.newton`, which tells of a start that is known."""
        return {"metric": self.metric, "known": self.known if self.steps else None}


def look_ahead(objective: Objective, theta: Array, tol: float, most: int = 2) -> Ahead:
    """Return where the minimum lies if only rows near the ends cross them: two passes or three.

    Parameters
    ----------
    objective : Objective
        One that :func:`has_pieces`.
    theta : array
        A point not far from the minimum.
    tol : float
        What the few rows are solved to.
    most : int
        Steps at the most: two, or one to a minimum so near that few rows are in doubt.

    Returns
    -------
    ahead : Ahead
        The gradient of all rows tells whether it is the minimum.
    """
    data, y = objective.data, objective.data.y
    sums = losses_by_pieces(objective, theta)
    raw: Any = sums.raw
    mean, slope, bend = objective.penalised(theta, sums.value, sums.gradient, sums.hessian)
    here = Ahead(theta, DenseMetric(bend), (mean, slope), raw)
    if np.abs(slope).max() <= tol:
        return here
    step = here.metric.solve(slope)
    start, ends = theta, line_ends(objective, theta)
    moved = beside_ends(objective, step, largest_move(objective, step))
    some = spread_rows(data.n_rows, SOME)
    crowd = np.mean(np.abs(beyond_line(y[some], raw[some], ends)) <= REACH * moved)
    if crowd <= FEW:
        rows = _near(y, raw, ends, REACH * moved)
    else:  # after a step it is known which rows it brought across, and few are near
        start = theta - step
        if most < 2 or leaves_scale(objective, theta, start):
            return here
        rows = _crossed(objective, start, AGAIN * moved, raw, ends)
    if len(rows) > MANY * data.n_rows:
        return here
    kept = objective.with_total(objective.total, data=data.subset(rows))
    far = Far.beside(objective, theta, sums, losses_by_pieces(only_losses(kept), theta))
    found = minimise_pieces(kept, far, start, Control(tol, 50), here.metric)
    if not found.success:
        return here
    known = objective.evaluate(found.x, out=raw)[:2]
    if not known[0] <= mean + noise(mean):  # too many others have crossed
        return here._replace(raw=None)
    return Ahead(found.x, here.metric, known, raw, 1 if start is theta else 2)


def losses_by_pieces(objective: Objective, theta: Array) -> Evaluation:
    """The sum of losses of an objective that :func:`has_pieces`, in little more than a gradient.

    Without weights the Hessian is made of the rows on the line; where the moments of all rows are
    known, of these less the rows off the line, which are fewer.
    """
    data, loss = objective.data, objective.loss
    if data.weight is not None:
        return objective.evaluate(theta, 2, np.empty(data.n_rows), whole=False)
    less = data.moments is not None
    at, extra = objective.at(theta), objective.split(theta)[2]
    (low, high), all_raw = line_ends(objective, theta), np.empty(data.n_rows)

    def part(block: Block) -> tuple[Any, ...]:
        raw = block.raw(at)
        value, slope, d_extra = loss.value_gradient(block.y, raw, None, extra)
        residual = block.y - raw
        some = np.flatnonzero(((residual <= low) | (residual >= high)) == less)
        there, few = slope[some], block.beside(block.take(some))
        all_raw[block.part] = raw
        return (
            value, block.pullback(slope), d_extra, slope @ slope,
            few.moments(), few.pullback(there), there @ there,
        )  # fmt: skip

    value, pulled, d_extra, square, inner, on_pulled, on_square = data.sum(part)
    gradient, inner = np.append(data.inward(pulled), d_extra), data.gram_inward(inner)
    if data.moments is not None:
        whole = data.gram_inward(data.moments)
        if np.any(np.diag(inner) > LEVERAGE * np.diag(whole)):
            unknown = replace(objective, data=replace(data, moments=None))
            return Evaluation(value, gradient, all_raw, losses_by_pieces(unknown, theta).hessian)
        inner, on_square, on_pulled = whole - inner, square - on_square, pulled - on_pulled
    none = np.zeros(1)
    bend = float(loss.curvature(none, none, None, extra, 1.0, None)[0][0])
    hessian = bend * inner
    if len(
        extra
    ):  # on the line a slope is the residual times ``bend``: it tells how that bends in sigma
        cross = -data.inward(on_pulled)[:, None] / extra
        own = on_square / (bend * extra[:, None] ** 2)
        hessian = np.block([[hessian, cross], [cross.T, own]])
    return Evaluation(value, gradient, all_raw, hessian)


def line_ends(objective: Objective, theta: Array) -> tuple[float, float]:
    """Residuals at the ends of the line."""
    sigma = float(theta[-1]) if objective.n_extra else 1.0
    low, high = objective.loss.line  # type: ignore[attr-defined]
    return sigma * low, sigma * high


def beyond_line(y: Array, raw: Array, ends: tuple[float, float]) -> Array:
    """Return how far residuals are beyond the nearer end of the line; negative on the line."""
    residual, (low, high) = y - raw, ends
    beyond = residual - high
    return np.maximum(beyond, np.subtract(low, residual, out=residual), out=beyond)


def crossed(y: Array, before: Point, now: Point, reach: float) -> tuple[Array, Array]:
    """Return which rows are near an end of the line, or on another piece than before, and how far all are from an end.

    Parameters
    ----------
    y : array of shape (n,)
        Targets.
    before, now : Point
        Predictions and ends at an earlier point, and at this one.
    reach : float
        How near.
    """
    apart = beyond_line(y, *now)
    np.abs(apart, out=apart)
    # one step may carry a row over the whole line
    other: Array = _piece(y, *before) != _piece(y, *now)
    other |= apart <= reach
    return other, apart


def _piece(y: Array, raw: Array, ends: tuple[float, float]) -> Array:
    """Return -1, 0 and 1 for residuals below, on and above the line."""
    residual = y - raw
    piece: Array = np.subtract(residual > ends[1], residual < ends[0], dtype=np.int8)
    return piece


def _near(y: Array, raw: Array, ends: tuple[float, float], reach: float) -> Array:
    """Return the rows whose residuals are near an end of the line.

    Some at a time: arrays of the length of y are slower to touch than to compute.
    """
    rows = [np.zeros(0, dtype=int)]
    for part in row_slices(len(y), 8192):
        beyond = beyond_line(y[part], raw[part], ends)
        rows.append(part.start + np.flatnonzero(np.abs(beyond, out=beyond) <= reach))
    return np.concatenate(rows)


def _crossed(
    objective: Objective, theta: Array, reach: float, raw: Array, ends: tuple[float, float]
) -> Array:
    """Return the rows near an end of the line at ``theta`` or on another piece than before: one pass."""
    at = objective.at(theta)
    there = line_ends(objective, theta)

    def part(block: Block) -> Array:
        before, now = (raw[block.part], ends), (block.raw(at), there)
        return block.part.start + np.flatnonzero(crossed(block.y, before, now, reach)[0])

    return objective.data.rowwise(part)
