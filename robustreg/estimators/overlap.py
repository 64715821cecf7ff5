"""Linear classifier for rare classes by the overlap of predicted and true set."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

from robustreg._array import Array
from robustreg.estimators._base import Prepared
from robustreg.estimators._classifier_base import LinearClassifier
from robustreg.estimators._validation import check_real
from robustreg.losses import Dice, Logistic, Loss
from robustreg.objective import Objective
from robustreg.solvers import LOSSLESS, Control, Plan, Result, beats_zero, plan_each, solve_each

#: a score beyond which a sigmoid is 0 or 1 to all digits
DECIDED = 37.0
#: starts that are tried until one leads to more overlap than to call no row positive
STARTS = 3
#: a class with a smaller share of the weight has small probabilities
RARE = 0.25
#: rows that a start calls positive, times those that are, and how steep it is, times a logistic fit
SHARES, STEEP = (0.5, 1.0, 2.0), (1.0, 3.0)
EMPTY = (
    "No finite coefficients were found whose overlap is larger than that of calling no row, or every "
    "row, positive: the intercept still grows. Features that tell the classes apart, class_weight or a "
    "smaller 'smooth' may help."
)
SEPARABLE = (
    "The optimum is not finite: the overlap grows with the coefficients, as when a hyperplane "
    "separates the classes. Set alpha above 0 (or higher): a penalty bounds them."
)


class OverlapClassifier(LinearClassifier):
    """The Dice loss of two classes."""

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        data, mass = prepared.data, prepared.units.mass
        loss: Any = self._score_loss(data.y)[0]
        # Weights have mean one inside, and the loss is one number for all rows: its smoothing and
        # its penalty are given per unit of weight.
        dice = self._objective(
            replace(loss, smoothing=float(loss.smoothing) / mass), data, mass * data.total,
            unit=1 / data.total,
        )  # fmt: skip
        first, starts = Result(growing=False), start
        if start is None or not beats_zero(dice, start[0]):
            starts = np.zeros((1, data.size + data.intercept))
            if control.left > 1:
                first = self._logistic(prepared, starts, control)
                if control.stopped:
                    return Plan(lambda: first)
                starts = _placed(dice, [starts[0], *(part.x for part in first.parts)])
        assert starts is not None
        nothing = _limits(dice)
        solve = partial(self._lowest, dice, starts[:STARTS], control, nothing)
        judge = partial(self._with_advice, dice=dice, nothing=nothing, separated=first.growing)
        return Plan(solve, judge)

    def _lowest(self, dice: Objective, starts: Array, control: Control, nothing: float) -> Result:
        """Minimise from one start after another until the loss is below that of ``nothing``; return the lowest end."""
        found, plan = None, partial(self._settle, warm=True)
        for begin in starts:
            solve, ended = plan_each([dice], begin[None], plan, control)
            trial = ended(solve())
            if found is None or trial.fun < found.fun:
                found = trial
            if found.fun < nothing or not control.left:
                break
        assert found is not None
        return found

    def _with_advice(
        self, found: Result, *, dice: Objective, nothing: float, separated: bool
    ) -> Result:
        """Say so where there is no finite minimum."""
        if self.alpha == 0:
            found.growing |= found.fun <= LOSSLESS or self._decided(dice, found.x[0])
            found.growing |= separated
        if found.growing:
            found.advice = SEPARABLE
        elif found.status != 99 and self.fit_intercept and found.fun >= nothing * (1 - LOSSLESS):
            found.growing, found.advice = True, EMPTY
        return found

    def _logistic(self, prepared: Prepared, zero: Array, control: Control) -> Result:
        """Fit logistic losses: of the rows as they are, and where one is rare with classes of equal weight."""
        data, mass = prepared.data, prepared.units.mass
        weight = np.ones(data.n_rows) if data.weight is None else data.weight
        # each class has its own sum: the rest to one of a heavy class would be zero
        positive, negative = float(weight @ data.y), float(weight @ (1.0 - data.y))
        half, tables = 0.5 * (positive + negative), [data]
        if min(positive, negative) < 2 * RARE * half:
            factor = np.where(data.y > 0, half / positive, half / negative)
            tables.append(data.with_target(data.y, weight * factor))
        fits = [self._objective(Logistic(), rows, mass) for rows in tables]
        # they are only starts, but what they say of separated classes is asked
        phase = control.phase(most=max((control.left - 1) // 2, 1))
        return solve_each(fits, np.vstack([zero] * len(fits)), self._settle, phase)

    def _decided(self, objective: Objective, theta: Array) -> bool:
        """Whether fewer rows than coefficients are undecided: then some direction costs nothing.

        Such a point looks solved, as gradient and Hessian are both zero.
        """
        undecided = np.abs(objective.raw(theta)) < DECIDED
        return bool(undecided.sum() < min(np.count_nonzero(theta), len(undecided)))


class DiceClassifier(OverlapClassifier):
    r"""Linear classifier of two classes, one of them rare, with the Dice loss.

    With g = 1 for rows of ``classes_[1]`` and p the sigmoid of the score, minimises

    .. math:: \Big(\sum_i w_i\Big) \Big(1 - \frac{2 \sum_i w_i p_i g_i + s}
        {\sum_i w_i p_i^2 + \sum_i w_i g_i^2 + s}\Big) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2 ,

    one minus a smooth form of the F1 score of ``classes_[1]`` over all rows at once. Rows of the other
    class that are classified with confidence do not contribute. The loss is not convex: the fit starts
    from the logistic one. Its scores are for decisions; they are not probabilities.

    Parameters
    ----------
    smooth : float, default=1.0
        The s of the formula, at least 0, in the units of the weights.
    alpha : float, default=1.0
        Strength of the L2 penalty; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    class_weight : dict or "balanced", default=None
        Factors of the weights, by class; "balanced" gives every class the same sum of weights.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations, including those of the start.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.

    Attributes
    ----------
    classes_ : array of shape (2,)
        The sorted labels; the second is the one whose overlap counts.
    coef_ : array of shape (1, n_features)
        Coefficients.
    intercept_ : array of shape (1,)
        Intercept.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units, or largest distance of minus the gradient
        from the subdifferential of the penalty. It certifies a stationary point;
        another one may be lower.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Milletari, F., Navab, N. and Ahmadi, S.-A. (2016). V-Net: fully convolutional neural networks
    for volumetric medical image segmentation. Fourth International Conference on 3D Vision, 565-571.

    Examples
    --------
    >>> from robustreg import DiceClassifier
    >>> model = DiceClassifier(alpha=0.1).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 0, 1])
    >>> model.predict([[0.5], [3.5]]).tolist()
    [0, 1]
    """

    def __init__(
        self,
        *,
        smooth: float = 1.0,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.smooth = smooth
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "smooth", 0.0)

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, codes = super()._read(X, y)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(codes)}. y holds {len(self.classes_)} classes: "
                "OneVsRestClassifier(DiceClassifier()) fits one model for each."
            )
        return X, codes

    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        return Dice(smoothing=float(self.smooth)), y, False

    def _has_one_minimum(self) -> bool:
        return False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _placed(dice: Objective, points: list[Array]) -> Array:
    """Return starts, the best first: points along which the best rows are called positive.

    Where classes overlap a rare one has small probabilities everywhere, and the loss is nearly flat.
    The intercept is put where as many rows as are positive, or some times as many, are beyond zero.
    """
    data, starts = dice.data, points
    if data.intercept:
        weight = np.ones(data.n_rows) if data.weight is None else data.weight
        positive = float(weight @ data.y)
        for point in points:
            raw = dice.raw(point)
            if not np.ptp(raw) > 0:
                continue
            order = np.argsort(-raw, kind="stable")
            beyond = np.cumsum(weight[order])
            for share in SHARES:
                at = min(int(np.searchsorted(beyond, share * positive)), len(raw) - 1)
                for steep in STEEP:
                    moved = steep * point
                    moved[-1] -= steep * raw[order[at]]
                    starts = [*starts, moved]
    values = [dice.evaluate(start).value for start in starts]
    order = np.argsort(values, kind="stable")
    return np.stack([starts[k] for k in order])


def _limits(dice: Objective) -> float:
    """Return the loss where no row is called positive, or every row, which no finite intercept attains."""
    data, smoothing = dice.data, float(dice.loss.smoothing)  # type: ignore[attr-defined]
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    positive, total = float(weight @ data.y), float(weight.sum())
    none = smoothing / (positive + smoothing)
    return 1 - max(none, (2 * positive + smoothing) / (total + positive + smoothing))
