"""Classifiers beside rows far out in X, whose losses vanish where they are on the right side."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg.data import take_rows
from robustreg.estimators._base import Prepared
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._stored import CountsRounding
from robustreg.estimators._stored_far import BesideFar
from robustreg.far_rows import FarRows, hidden, prepare_beside_far_rows
from robustreg.losses import Loss
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.solvers import DrawnIn, Result, Seen, seen_from_the_others
from robustreg.stored import has_heavy_rows, in_coordinates

#: Newton steps of the other rows: one, and one that removes what it leaves
STEPS = 2
#: slope per unit of weight, in units of the other rows, that changes no digit of a minimum
UNFELT = 1e-16
FAR_OUT = (
    "The fit may be above its minimum: X has {far} sample(s) with entries more than a million times the typical "
    "ones, whose losses hang on the last places of floating point. Correct these entries, clip them, or leave the "
    "samples out."
)


class FitsFarRows(CountsRounding):
    """A classifier that fits rows far out in X in coordinates of the others."""

    fit_intercept: bool
    classes_: Any

    @abstractmethod
    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        """Return the loss, its targets, and whether only differences of scores matter to it."""

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        data, rank, far = prepare_beside_far_rows(
            X, y, weight, intercept=self.fit_intercept, **self._preparation()
        )
        return Prepared(data, self._units(y, weight, mass), rank, far)

    def _shortcut(self, prepared: Prepared, progress: Any, **how: Any) -> Result | None:
        """Fit the rows that are not far out; None where there are no others, or where these matter.

        Rows without slope take nothing from a minimum of a convex sum of the others.
        """
        data, far = prepared.data, prepared.far
        if far is None or data.y.ndim > 1:
            return None
        loss, target, _ = self._score_loss(data.y)
        near = np.delete(np.arange(data.n_rows), far.rows)
        if not (loss.convex and loss.additive):
            return None
        if len(np.unique(data.y[near])) < len(self.classes_):
            return None
        part = prepared._replace(data=data.subset(near), far=None)
        found = self._solve_from(None, part, progress, **how)
        rows, x = data.take_with_ones(far.rows), np.atleast_2d(found.x)
        raw = rows @ x.T
        raw = raw[:, 0] if raw.shape[1] == 1 else raw
        weight = None if data.weight is None else data.weight[far.rows]
        slope = loss.value_gradient(target[far.rows], raw, weight, np.zeros(0))[1]
        felt = np.abs(rows).T @ np.abs(slope).reshape(len(rows), -1)
        if felt.max(initial=0.0) > UNFELT * data.total:
            return None
        found.fun *= part.data.total / data.total
        return found

    def _improved(self, found: Result, prepared: Prepared, progress: Any, **how: Any) -> Result:
        """Try the coordinates that far rows choose where a fit falls short in those of the others."""
        far, stopped = prepared.far, progress is not None and progress.stopped
        if far is None or stopped or not self._falls_short(found):
            return found
        usual = prepared._replace(data=far.usual)
        other = self._solve_from(None, usual._replace(far=None), progress, **how)
        worse = self._falls_short(other) or other.fun > found.fun * (1 + self.tol)
        # a gap counts what slopes leave unbalanced in the coordinates in which they were found
        least = 1.0 if self._score_loss(prepared.data.y)[0].smooth else self.tol
        blind = not worse and hidden(prepared.data, far.usual, least)
        blind = blind or not (worse or self._unseen(other, prepared) <= self.tol)
        if worse or blind:
            drawn = self._with_rows_drawn_in(prepared, progress, **how)
            if drawn is not None:
                return drawn
            found.advice = other.advice = FAR_OUT.format(far=len(far.rows))
        if worse:
            return found
        if blind:
            other.optimality, other.status, other.success = 1.0, 2, False
        # what these coordinates tell apart those of the other rows may not hold
        other.setdefault("prepared", usual)
        return other

    def _unseen(self, other: Result, prepared: Prepared) -> float:
        """Return what the rows that are not far say of a smooth fit in coordinates of all; zero where that is not asked.

        In those coordinates the others are rounded in units of the far rows: they take steps in their own while it is seen.
        """
        data, far = prepared.data, cast(FarRows, prepared.far)
        estimate = self._estimate(data.y, data.weight, data.total * prepared.units.mass)
        loss = estimate.loss
        convex = loss.smooth and loss.convex and loss.additive
        # beside penalties of single columns the certificate is a gap, in the user's units
        if not convex or data.y.ndim > 1 or estimate.penalty.by_column:
            return 0.0
        fitted = self._fitted(prepared._replace(data=far.usual), other.x)
        x = in_coordinates(data, fitted["coef_"], fitted["intercept_"])
        raw = far.usual.take_with_ones(far.rows) @ np.atleast_2d(other.x).T
        seen = self._judged(estimate, prepared, x, raw)
        basis = helmert(raw.shape[1])
        for _ in range(STEPS):
            worst = max(one.optimality for one in seen)
            if worst <= self.tol:
                break
            step = np.stack([one.step() for one in seen])
            if estimate.together:
                step = basis.T @ step.reshape(-1, len(basis)).T
            after = self._judged(estimate, prepared, x + step, raw)
            if not max(one.optimality for one in after) < worst:
                break
            other.fun *= sum(one.value for one in after) / sum(one.value for one in seen)
            x, seen = x + step, after
            other.x, other.prepared = x.reshape((*other.x.shape[:-1], -1)), prepared
        return max(one.optimality for one in seen)

    def _judged(self, estimate: Estimate, prepared: Prepared, x: Array, raw: Array) -> list[Seen]:
        """Judge a smooth fit by the rows that are not far, given predictions of those that are."""
        data, far = prepared.data, cast(FarRows, prepared.far)
        near = np.delete(np.arange(data.n_rows), far.rows)
        rows, weight = data.take_with_ones(far.rows), None
        if data.weight is not None:
            weight = data.weight[far.rows]
        penalty, some = prepared.units.penalty(estimate.penalty, 0), data.subset(near)

        def seen(loss: Loss, theta: Array, target: Array, raw: Array, **scores: Any) -> Seen:
            part = Objective(loss, some.with_target(target[near], some.weight), penalty, **scores)
            part = part.with_total(data.total)
            return seen_from_the_others(part, theta, rows, target[far.rows], weight, raw)

        loss, target = estimate.loss, estimate.target
        if estimate.together:
            basis = helmert(raw.shape[1])
            theta = (basis @ x).T.ravel()
            return [seen(Contrasts(loss), theta, target, raw, n_outputs=len(basis))]
        sides = target.reshape(len(target), -1).T
        return [seen(loss, *one) for one in zip(x, sides, raw.T, strict=True)]

    def _with_rows_drawn_in(self, prepared: Prepared, progress: Any, **how: Any) -> Result | None:
        """Fit with far rows drawn in, and let them out; None where the minimum is then not certain."""
        data, far = prepared.data, prepared.far
        drawn = None if far is None or data.y.ndim > 1 else DrawnIn.of(data, far.rows)
        if drawn is None:
            return None
        estimate = self._estimate(data.y, data.weight, data.total * prepared.units.mass)
        loss, target = estimate.loss, estimate.target
        if not (loss.convex and loss.additive):
            return None
        inner = prepared._replace(data=drawn.data, far=None)
        found = self._solve_from(None, inner, progress, **how)
        if self._falls_short(found):
            return None
        penalty = prepared.units.penalty(estimate.penalty, 0)
        ended = drawn.ended(np.atleast_2d(found.x), data.X, loss, target, penalty)
        found.x, found.fun = ended.x.reshape(found.x.shape), found.fun * ended.rise
        found.optimality += ended.doubt
        return None if self._falls_short(found) else found

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, found.get("prepared", prepared))

    def _count_rounding(
        self, X: Any, weight: Array | None, found: Result, prepared: Prepared
    ) -> None:
        prepared = found.pop("prepared", prepared)
        if prepared.far is None or prepared.data.y.ndim > 1:
            super()._count_rounding(X, weight, found, prepared)
        elif self.optimality_ <= self.tol:
            self._count_far_rows(X, weight, found, prepared)

    def _count_far_rows(
        self, X: Any, weight: Array | None, found: Result, prepared: Prepared
    ) -> None:
        """Count what rounding costs beside rows far out in X, once these are on their sides again."""
        data, mass, far = prepared.data, prepared.units.mass, cast(FarRows, prepared.far)
        estimate = self._estimate(data.y, data.weight, data.total * mass)
        if not estimate.loss.additive:
            return
        if weight is not None and data.n_rows < len(weight):
            X = take_rows(X, np.flatnonzero(weight > 0))
        beside = BesideFar(estimate, X, far.rows, data.weight, mass)
        least = found.fun * data.total
        value = beside.value(self.coef_, self.intercept_)
        if value * (1 - self.tol) > least:
            self.coef_, value = beside.turned(self.coef_, self.intercept_, value)
        self._say_rise(1 - least / value if value > 0 else 0.0, found, has_heavy_rows(data.weight))
