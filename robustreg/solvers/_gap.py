"""How far any point is above the minimum of a convex problem: one certificate, which knows no solver.

Fenchel's inequality bounds the minimum from below by any slopes of the rows. Those of a smooth loss are its
derivatives at the point itself; those of a loss with kinks are given. What the slopes carry back to a
coefficient is set against the conjugate of the penalty, taken where the minimum can be: no loss is
negative, so a penalty at the minimum is no larger than the objective here. That bounds coefficients under
an L1 penalty, too, for which the conjugate itself would be infinite. Nothing here depends on how the
point was found, which rows or columns a solver looked at, or in which form it met the penalty: its value is
asked at the point, and its majoriser is believed only as far as that value agrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.penalties._applied import Applied
from robustreg.penalties._sizes import sizes
from robustreg.solvers._free_columns import FreeColumns
from robustreg.solvers._kinks import gradient_of, more_than_rounding

EPS = float(np.finfo(float).eps)
#: a penalty that lets coefficients be this many times as large as the data ask for says nothing of where they are
WEAK = 1e3
#: columns that are decomposed for it at the most
MANY = 500


class Certificate(NamedTuple):
    """What is known of an end point.

    Parameters
    ----------
    kind : {"gap", "stationary"}
        Relative duality gap of a convex problem; otherwise the largest distance of minus the gradient from
        the subdifferential, per unit of weight in standardised units.
    value : float
        It.
    objective : float
        The objective per unit of weight.
    excess : array of shape (n_columns,)
        By how much each of the solver's columns, or its group, violates the conditions of a minimum, in
        units of the gradient.
    """

    kind: Literal["gap", "stationary"]
    value: float
    objective: float
    excess: Array


def certify(objective: Objective, theta: Array, dual: Array | None = None) -> Certificate:
    """Certify a point: one pass, by loss, penalty and rows alone.

    Parameters
    ----------
    objective : Objective
        A loss that is nowhere negative, smooth or with kinks, and any penalty. Coordinates are diagonal, or
        the penalty is L2.
    theta : array of shape (q,)
        The point.
    dual : array of shape (n,), optional
        Slopes of the rows of a loss with kinks, times their weights.

    Returns
    -------
    Certificate

    Notes
    -----
    Nothing bounds a coefficient that no penalty, or hardly one, holds. In orthonormal columns, y having spread
    one, it is assumed to be no further than the larger of one and the value, and the point itself.
    """
    u, intercept, extra = objective.split(theta)
    bare = replace(objective, penalty=L2(0.0))
    bare.total = objective.total
    kinks = objective.loss.kinks(objective.data.y)
    if kinks is None:
        value, gradient = bare.evaluate(theta)[:2]
        missed = 0.0
    else:
        assert dual is not None
        weight = 1.0 if objective.data.weight is None else objective.data.weight
        s = objective.raw(theta) - kinks.position
        rounding = 256 * EPS * (np.abs(kinks.position) + np.abs(s) + 1.0 + objective.data.base)
        slopes = np.clip(dual, weight * kinks.lower, weight * kinks.upper)
        lost = weight * np.maximum(kinks.lower * s, kinks.upper * s)
        gaps = np.maximum(lost - slopes * s, 0.0) / objective.total
        zeroed = np.abs(s) <= rounding
        # heavy rows whose offsets may be zero are believed only as far as that matters little
        if not more_than_rounding(gaps, zeroed, objective.data.base):
            lost, gaps = np.where(zeroed, 0.0, lost), np.where(zeroed, 0.0, gaps)
        value, missed = float(lost.sum()) / objective.total, float(gaps.sum())
        gradient = gradient_of(objective, slopes / objective.total)
    pulled, rest_intercept, rest_extra = bare.split(gradient)
    penalty = _Penalty.of(objective, u)
    primal = value + penalty.value
    if not (penalty.convex and objective.loss.convex):
        excess = penalty.excess(u, pulled)
        worst = max(
            float(excess.max(initial=0.0)),
            float(np.abs(rest_intercept).max(initial=0.0)) if objective.data.intercept else 0.0,
            float(np.abs(rest_extra).max(initial=0.0)),
        )
        return Certificate("stationary", worst, primal, excess)
    size = max(1.0, primal)
    gap = missed + float(np.abs(rest_extra) @ (size + np.abs(extra)))
    loose = penalty.loose(u, pulled, primal)
    rest = penalty.violation(u, pulled)[loose], rest_intercept
    here, there = _orthonormal(objective, loose, (u[loose], intercept), rest)
    gap += float(np.sum(np.abs(there) * (size + np.abs(here))))
    gap += penalty.gap(u, pulled, primal, loose) + penalty.apart
    # neither loss nor penalty is ever negative; where overflow leaves no number that is all there is to say
    gap = min(primal, gap)
    return Certificate(
        "gap", gap / max(primal, EPS * objective.unit), primal, penalty.excess(u, pulled)
    )


def _orthonormal(
    objective: Objective, columns: Array, at: tuple[Array, Any], gradient: tuple[Array, Any]
) -> tuple[Array, Array]:
    """Return coefficients of some columns and the intercept, and their gradient, in orthonormal columns."""
    data, k = objective.data, len(columns)
    some = int(data.intercept)
    own, rest = (
        np.vstack([part[0].reshape(k, -1), np.reshape(part[1], (1, -1))[:some]])
        if k
        else np.reshape(part[1], (1, -1))[:some]
        for part in (at, gradient)
    )
    if not k:
        return own, rest
    free = FreeColumns.of(data, columns)
    return free.back @ own, free.transform.T @ rest


class _Penalty(NamedTuple):
    """A penalty in the solver's coordinates, per unit of weight, at a point."""

    value: float
    convex: bool
    l1: Array
    l2: Array
    positive: bool
    labels: Array | None
    removed: Array
    #: norms of groups are of coefficients times these
    unit: Array
    #: of an L2 penalty in coordinates that are combined
    quadratic: Array | None = None
    #: by how much its value and that of its majoriser disagree
    apart: float = 0.0

    @classmethod
    def of(cls, objective: Objective, u: Array) -> _Penalty:
        data, penalty = objective.data, objective.penalty
        applied: Any = penalty if penalty.by_column else Applied.to(penalty)
        coef = data.coordinates.coef(u)
        parts, value = applied.majoriser(coef), applied.value(coef) / objective.total
        labels, removed = applied.labels(len(coef)), applied.removed(len(coef))
        if not data.coordinates.diagonal:
            bend = np.asarray(parts.l2).reshape(len(coef), -1)[:, 0] / objective.total
            quadratic = data.coordinates.quadratic(bend)
            none = np.zeros(u.shape)
            return cls(value, True, none, none, False, None, none > 0, none + 1, quadratic)
        transform = data.coordinates.transform
        each = transform if u.ndim == 1 else transform[:, None]
        l1 = parts.l1 / objective.total
        l1 = l1 * each if labels is None else l1
        l2 = parts.l2 * each**2 / objective.total
        found = cls(
            value,
            applied.convex,
            l1,
            l2,
            applied.positive,
            labels,
            removed | (transform == 0),
            each,
        )
        if applied.convex:
            # what a majoriser says of another penalty than its own is no bound
            t = sizes(coef, labels)
            own = float(np.sum(parts.l1 * t) + 0.5 * np.sum(parts.l2 * coef**2)) / objective.total
            apart = abs(value - own)
            apart = apart if apart > 64 * EPS * max(abs(value), abs(own)) else 0.0
            found = found._replace(value=max(value, own), apart=apart)
        return found

    def excess(self, u: Array, pulled: Array) -> Array:
        """Return the violation of each column, the largest of its outputs."""
        if self.quadratic is not None:
            return np.abs((pulled + self.quadratic @ u).reshape(len(u), -1)).max(axis=1)
        gradient = pulled + self.l2 * u
        if self.labels is None:
            over = np.abs(gradient) if not self.positive else -gradient
            at_zero = np.maximum(over - self.l1, 0.0)
            found = np.where(u == 0, at_zero, np.abs(gradient + self.l1 * np.sign(u)))
            found = found.reshape(len(u), -1).max(axis=1)
            return np.where(self.removed, 0.0, found)
        norm = sizes(self.unit * u, self.labels)
        live = norm > 0
        unit = (self.unit * u) / np.where(live, norm, 1.0)[self._spread(u)]
        with np.errstate(divide="ignore", invalid="ignore"):
            user = np.where(self.unit > 0, gradient / self.unit, 0.0)
        pull = user + self.l1[self._spread(u)] * unit
        off = np.where(
            live, sizes(pull, self.labels), np.maximum(sizes(user, self.labels) - self.l1, 0)
        )
        return np.where(self.removed, 0.0, off[self.labels] * np.reshape(self.unit, len(u)))

    def _spread(self, u: Array) -> Any:
        """Return the index that gives each coefficient what its group has."""
        assert self.labels is not None
        return self.labels if u.ndim == 1 else (self.labels[:, None] + np.zeros(u.shape[1], int))

    def loose(self, u: Array, gradient: Array, primal: float) -> Array:
        """Return the columns that no penalty holds, or hardly one, and no bound."""
        size = len(u)
        if self.quadratic is not None:
            return np.arange(0)
        if self.labels is not None:
            return np.flatnonzero((self.l1 == 0)[self.labels] & ~self.removed)
        far = WEAK * (max(1.0, primal) + np.abs(u))
        weak = (
            (self.l1 * far <= primal) & (self.l2 * far**2 <= 2 * primal) & (self.l1 + self.l2 > 0)
        )
        weak &= (u != 0) | (self.violation(u, gradient) != 0)
        weak = weak.reshape(size, -1).any(axis=1) & ~self.removed
        bare = ((self.l1 == 0) & (self.l2 == 0)).reshape(size, -1).all(axis=1) & ~self.removed
        if self.positive:
            bare &= ((u != 0) | (gradient < 0)).reshape(size, -1).any(axis=1)
        return np.flatnonzero(bare | weak if np.count_nonzero(weak) <= MANY else bare)

    def violation(self, u: Array, pulled: Array) -> Array:
        """Return the gradient with the subgradient of the penalty that makes it smallest.

        Of groups only those without a penalty are asked for.
        """
        if self.labels is not None:
            return pulled
        gradient = pulled + self.l2 * u
        shrunk = np.sign(gradient) * np.maximum(np.abs(gradient) - self.l1, 0.0)
        at_zero = np.minimum(gradient + self.l1, 0.0) if self.positive else shrunk
        return np.where(u == 0, at_zero, gradient + self.l1 * np.sign(u))

    def gap(self, u: Array, pulled: Array, primal: float, loose: Array) -> float:
        """Return the gap of the penalty between a point and what is carried back to it.

        Coefficients that are ``loose`` are left out.
        """
        if self.quadratic is not None:
            rest = pulled + self.quadratic @ u
            solved = np.linalg.lstsq(self.quadratic, rest, rcond=None)[0]
            lost = float(np.abs(rest - self.quadratic @ solved).sum()) * max(1.0, primal)
            return 0.5 * float(np.sum(rest * solved)) + lost
        left_out = self.removed.copy()
        left_out[loose] = True
        pulled = np.where(_columns(left_out, u), 0.0, pulled)
        if self.labels is not None:
            return self._grouped_gap(u, pulled, primal)
        u = np.where(_columns(left_out, u), 0.0, u)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.minimum(
                np.where(self.l1 > 0, primal / self.l1, np.inf),
                np.where(self.l2 > 0, np.sqrt(2 * primal / self.l2), np.inf),
            )
        # at a bound with its gradient it stays there
        far = np.maximum(np.where(np.isfinite(far), far, 0.0), np.abs(u))
        own = self.l1 * np.abs(u) + 0.5 * self.l2 * u**2 + pulled * u
        sums = own + self._conjugate(-pulled, far)
        apart = float(np.maximum(sums, 0.0).sum())
        held = ~_columns(left_out, u) & np.ones(u.shape, dtype=bool)
        if not np.all(self.l1[held] > 0) or np.any(self.l2[held] > 0):
            return apart
        over = -pulled[held] if self.positive else np.abs(pulled[held])
        share = float(np.max(over / self.l1[held], initial=0.0))
        together = max(float(own.sum()), 0.0) + max(share - 1, 0.0) * primal
        return min(apart, together)

    def _conjugate(self, q: Array, far: Array) -> Array:
        """Return the largest of ``q v - l1 |v| - l2 v^2 / 2`` for v no further than ``far``."""
        over = np.maximum((q if self.positive else np.abs(q)) - self.l1, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            v = np.where(self.l2 > 0, np.minimum(over / self.l2, far), far)
        return np.where(over > 0, v * (over - 0.5 * self.l2 * v), 0.0)

    def _grouped_gap(self, u: Array, pulled: Array, primal: float) -> float:
        assert self.labels is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            user = np.where(self.unit > 0, pulled / self.unit, 0.0)
        coef = self.unit * u
        norm, force = sizes(coef, self.labels), sizes(user, self.labels)
        if np.any(self.l2):
            raise ValueError("A group penalty with a square is not certified.")
        match = np.bincount(self.labels, (user * coef).reshape(len(u), -1).sum(axis=1))
        own = np.maximum(self.l1 * norm + match, 0.0)
        held = self.l1 > 0
        share = float(np.max(force[held] / self.l1[held], initial=0.0))
        return float(own[held].sum()) + max(share - 1, 0.0) * primal


def _columns(flags: Array, u: Array) -> Array:
    return flags if u.ndim == 1 else flags[:, None]
