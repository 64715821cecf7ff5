"""Linear classifier for rare classes by the overlap of predicted and true set."""

from __future__ import annotations

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
from robustreg.solvers import Result, beats_zero, solve_each

#: a loss that is none
LOSSLESS = 1e-12
#: a score beyond which a sigmoid is 0 or 1 to all digits
DECIDED = 37.0
SEPARABLE = (
    "The overlap still grows with the coefficients and no finite ones are best, as where a "
    "hyperplane separates the classes. Set alpha above 0 (or higher) for a penalty that bounds them."
)


class DiceClassifier(LinearClassifier):
    r"""Linear classifier of two classes, one of them rare, with the Dice loss.

    With g = 1 for rows of ``classes_[1]`` and p the sigmoid of the score, minimises

    .. math:: \Big(\sum_i w_i\Big) \Big(1 - \frac{2 \sum_i w_i p_i g_i + s}
        {\sum_i w_i p_i^2 + \sum_i w_i g_i^2 + s}\Big) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2 ,

    one minus a smooth form of the F1 score of ``classes_[1]`` over all rows at once, so that rows of
    the other class that are clearly right count for nothing. The loss is not convex: the fit starts
    from the logistic one. Its scores are made for decisions and stand for no probabilities.

    Parameters
    ----------
    smooth : float, default=1.0
        The s of the formula, at least 0, in the units of the weights.
    alpha : float, default=1.0
        Strength of the L2 penalty; the intercept is never penalised.
    class_weight : dict or "balanced", default=None
        Factors of the weights, by class; "balanced" gives every class the same sum of weights.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Iterations at the most, those of the start included.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the last fit.

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
        Largest gradient entry per unit of weight in standardised units.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

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
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.smooth = smooth
        self.alpha = alpha
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

    def _minimise(self, prepared: Prepared, start: Array | None, callback: Any = None) -> Result:
        data, mass, nit = prepared.data, prepared.units.mass, 0
        # Weights have mean one inside, and the loss is one number for all rows: its smoothing and
        # its penalty are given per unit of weight.
        dice = self._objective(
            Dice(smoothing=float(self.smooth) / mass), data, mass * data.total,
            unit=1 / data.total,
        )  # fmt: skip
        if start is None or not beats_zero(dice, start[0]):
            start = np.zeros((1, data.size + data.intercept))
            if self.max_iter > 1:
                logistic = self._objective(Logistic(), data, mass)
                settle = partial(self._settle, max_iter=self.max_iter - 1)
                found = solve_each([logistic], start, settle, callback)
                if found.status == 99:
                    return found
                start, nit = found.x, found.nit
        settle = partial(self._settle, warm=True, max_iter=self.max_iter - nit)
        found = solve_each([dice], start, settle, callback)
        found.nit += nit
        if self.alpha == 0:
            found.growing |= found.fun <= LOSSLESS or self._decided(dice, found.x[0])
        if found.growing:
            found.advice = SEPARABLE
        return found

    def _decided(self, objective: Objective, theta: Array) -> bool:
        """Whether fewer rows than coefficients are undecided: then some direction costs nothing.

        Such a point looks solved, as gradient and Hessian are both zero.
        """
        undecided = np.abs(objective.raw(theta)) < DECIDED
        return bool(undecided.sum() < min(np.count_nonzero(theta), len(undecided)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
