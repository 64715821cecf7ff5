"""Linear support vector machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.estimators._base import Prepared
from robustreg.estimators._classifier_base import LinearClassifier
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._remote_fit import MANY, too_many, unserved
from robustreg.estimators._remote_labels import Side
from robustreg.estimators._validation import check_bool, check_option
from robustreg.losses import Hinge, Loss, MulticlassHinge, SquaredHinge
from robustreg.objective import Objective
from robustreg.solvers import (
    LOSSLESS,
    Control,
    Plan,
    Result,
    middle_by_passes,
    middle_intercept,
    plan_each,
    plan_together,
    solve_kinked_by_passes,
    solve_multiclass,
    solve_piecewise,
)

SEPARABLE = (
    "A hyperplane separates the classes: without a penalty many hyperplanes have zero loss, and the "
    "fit is an arbitrary one of them. Set alpha above 0 for the one with the largest margin."
)


class MarginClassifier(LinearClassifier):
    """Hinge losses: each class against the rest, or all classes together."""

    def _plan_against_rest(
        self,
        loss: Loss,
        prepared: Prepared,
        start: Array | None,
        control: Control,
        factor: float = 1.0,
    ) -> Plan:
        """Return what minimises a loss of the labels -1 and 1 for each class against the rest; of two once.

        The penalty is multiplied by ``factor``.
        """
        data, mass = prepared.data, prepared.units.mass
        start, warm = self._begin(prepared, start), start is not None
        sides = [
            self._objective(loss, data.retargeted(Side(k), data.total), mass, factor)
            for k in self._positive(self._n_scores(data.y))
        ]
        if loss.smooth:
            plan = partial(self._settle, warm=warm, endless=loss.endless)
        else:
            plan = partial(self._exact, warm=warm, shared={} if len(sides) > 1 else None)
        return plan_each(sides, start, plan, control).then(self._advised)

    def _begin(self, prepared: Prepared, start: Array | None) -> Array:
        """Return the start, zero without one."""
        data = prepared.data
        zero = np.zeros((self._n_scores(data.y), data.size + data.intercept))
        return zero if start is None else start

    def _margin_targets(self, loss: Loss, y: Array) -> tuple[Loss, Array, bool]:
        """Return a loss with its targets, and whether only differences of scores matter to it."""
        if not loss.against_rest:
            return loss, y, True
        sides = self._sides(y)
        return loss, sides[0] if len(sides) == 1 else np.column_stack(sides), False

    def _advised(self, found: Result) -> Result:
        """Say so where a lack of penalty leaves many answers."""
        if self.alpha == 0 and found.fun <= LOSSLESS:
            found.advice = SEPARABLE
        return found

    def _sides(self, y: Array) -> list[Array]:
        """Return -1 and 1 for each row, once for each score."""
        return [Side(k)(y, None)[0] for k in self._positive(self._n_scores(y))]

    @staticmethod
    def _positive(n_scores: int) -> Sequence[int]:
        """Return the class that each score is for."""
        return range(n_scores) if n_scores > 1 else (1,)

    def _plan_together(
        self, loss: MulticlassHinge, prepared: Prepared, start: Array | None, control: Control
    ) -> Plan:
        """Return what minimises the loss of all classes together.

        The solver's margin is 1: with another one coefficients are its multiples, and so is the loss.
        """
        start, margin = self._begin(prepared, start), float(loss.margin)
        if len(start) == 1:
            # Scores of two classes are opposite, half of the decision function each: its square is penalised half.
            return self._plan_against_rest(Hinge(margin), prepared, start, control, factor=0.5)
        # A program is solved on dense rows: those of sparse X are made block by block.
        data = replace(prepared.data, explicit=True)
        make = partial(self._objective, data=data, mass=prepared.units.mass, factor=margin)
        plan = plan_together(MulticlassHinge(), make, start / margin, plan_multiclass, control)

        def rescaled(found: Result) -> Result:
            found.x, found.fun = found.x * margin, found.fun * margin
            return self._advised(found)

        return plan.then(rescaled)

    def _exact(
        self, objective: Objective, theta: Array, control: Control, *, warm: bool, shared: Any
    ) -> Plan:
        here = objective.data.here
        if here:
            solve = partial(solve_piecewise, objective, theta, control, warm=warm, shared=shared)
        else:
            solve = partial(solve_kinked_by_passes, objective, theta if warm else None, control)

        def centred(found: Result) -> Result:
            if self.fit_intercept:
                middle = middle_intercept if here else middle_by_passes
                found.x = middle(objective, found.x)
            return found

        return Plan(solve, centred)


def plan_multiclass(objective: Objective, theta: Array, control: Control) -> Plan:
    """Return what minimises the hinge loss of several classes."""
    return Plan(partial(solve_multiclass, objective, theta, control))


class HingeClassifier(MarginClassifier):
    r"""Linear support vector machine with a free intercept, solved exactly.

    Minimises, for each class against the rest (two classes: once), with t = 1 for rows of the class
    and -1 for the others,

    .. math:: \sum_i w_i \max(0, 1 - t_i f(x_i)) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    or, with ``multi_class="crammer_singer"``, all classes together:

    .. math:: \sum_i w_i \max_{k \ne y_i} \max(0, 1 + f_k(x_i) - f_{y_i}(x_i))
        + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2 .

    The optimum is found on the rows that lie on their margins, and certified by a duality gap.
    Where the best intercepts are an interval, its middle is taken.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the L2 penalty on the sum of losses, 1/C of scikit-learn's
        ``SVC(kernel="linear")``; the intercept is never penalised, as it is in ``LinearSVC``.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    squared : bool, default=False
        Whether the loss is the square of the hinge, without a half.
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
        One fit for each class against the rest, or one for all classes; the latter is not squared.
    class_weight : dict or "balanced", default=None
        Factors of the weights, by class; "balanced" gives every class the same sum of weights.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations.
    tol : float, default=1e-8
        Largest `optimality_` that counts as solved; the solution does not depend on it.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The sorted labels.
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
        Coefficients; of two classes those of ``classes_[1]`` against ``classes_[0]``.
    intercept_ : array of shape (1,) or (n_classes,)
        Intercepts; of "crammer_singer" their sum is zero.
    n_iter_ : int
        Iterations, of the longest fit where there are several.
    optimality_ : float
        Relative duality gap, a bound on how far the objective is above its minimum; squared and with an L2
        penalty, the largest gradient entry per unit of weight in standardised units.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Cortes, C. and Vapnik, V. (1995). Support-vector networks. Machine Learning 20, 273-297.
    Crammer, K. and Singer, Y. (2001). On the algorithmic implementation of multiclass kernel-based
    vector machines. Journal of Machine Learning Research 2, 265-292.

    Examples
    --------
    >>> from robustreg import HingeClassifier
    >>> model = HingeClassifier(alpha=0.01).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.coef_.round(6).tolist(), model.intercept_.round(6).tolist()
    ([[2.0]], [-3.0])
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        squared: bool = False,
        multi_class: str = "ovr",
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.squared = squared
        self.multi_class = multi_class
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_bool(self, "squared")
        check_option(self, "multi_class", ("ovr", "crammer_singer"))
        if self.squared and self.multi_class == "crammer_singer":
            raise ValueError("multi_class='crammer_singer' needs squared=False.")
        if self.multi_class == "crammer_singer" and self._penalty(1.0).by_column:
            raise ValueError(
                "multi_class='crammer_singer' takes an L2 penalty only, and l1_ratio, positive or "
                "penalty_weights ask for another: use multi_class='ovr'."
            )

    def _loss(self, several: bool) -> Loss:
        if several and self.multi_class == "crammer_singer":
            return MulticlassHinge()
        return SquaredHinge() if self.squared else Hinge()

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        if self.multi_class == "crammer_singer":
            return self._plan_together(MulticlassHinge(), prepared, start, control)
        return self._plan_against_rest(self._loss(False), prepared, start, control)

    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        several = self._n_scores(y) > 1
        return self._margin_targets(self._loss(several), y)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        found = super()._estimate(y, weight, total)
        if self.multi_class == "crammer_singer" and self._n_scores(y) == 1:
            # the penalty is on two scores, each of half the coefficients
            found = replace(found, penalty=found.penalty.scaled(0.5))
        return found

    def _why_not(self, n_features: int) -> str:
        if self.multi_class == "crammer_singer":
            return "with multi_class='crammer_singer'; pass 'ovr'"
        if not self.squared and n_features > MANY:
            return too_many(n_features)
        return unserved(self._penalty(1.0), n_features)
