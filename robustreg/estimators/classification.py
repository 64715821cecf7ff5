"""Linear classifiers with probabilities: logistic, focal, poly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.estimators._base import Prepared
from robustreg.estimators._classifier_base import ProbabilityClassifier
from robustreg.estimators._labels import class_factors, require_classes
from robustreg.estimators._remote_fit import unserved
from robustreg.estimators._remote_labels import Column
from robustreg.estimators._validation import check_real, complain
from robustreg.losses import CrossEntropy, Focal, Logistic, Loss, Poly
from robustreg.losses._margin import WeighedLabels
from robustreg.objective import Objective
from robustreg.solvers import Control, Plan, Result, beats_zero, plan_each, plan_together

SEPARABLE = (
    "A hyperplane separates the classes, or some of their samples, so the optimum is not finite: the "
    "loss falls as long as the coefficients grow. Set alpha above 0 (or higher), or penalty_weights above 0: a penalty bounds them."
)


class EntropyClassifier(ProbabilityClassifier):
    """Cross-entropy, or a modification of it, for two or several classes."""

    solver: str

    @abstractmethod
    def _loss(self, several: bool) -> Loss:
        """Return the loss, of a vector or a matrix of scores."""

    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        several = self._n_scores(y) > 1
        return self._loss(several), y, several

    def _why_not(self, n_features: int) -> str:
        return unserved(self._penalty(1.0), n_features)

    def _has_one_minimum(self) -> bool:
        return self._loss(len(self.classes_) > 2).convex and bool(self._penalty(1.0).convex)

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        data = prepared.data
        loss = self._score_loss(data.y)[0]
        n_scores = self._n_scores(data.y)
        entropy = CrossEntropy() if n_scores > 1 else Logistic()
        warm = start is not None
        if start is not None and not loss.convex:
            outputs = n_scores if n_scores > 1 else None
            objective = self._objective(loss, data, prepared.units.mass, n_outputs=outputs)
            warm = beats_zero(objective, start.T.ravel())
        if start is None or not warm:
            start = np.zeros((n_scores, data.size + data.intercept))
        if not (loss.convex or warm) and control.left > 1:
            # Far from its optimum the loss is flat; cross-entropy is not, and ends close.
            solve, ended = self._plan_loss(entropy, prepared, start, control.phase(spare=1))
            found = ended(solve())
            if control.stopped:
                return Plan(lambda: found)
            start, warm = found.x, True
        return self._plan_loss(loss, prepared, start, control, warm=warm).then(_advised)

    def _plan_loss(
        self, loss: Loss, prepared: Prepared, start: Array, control: Control, **options: Any
    ) -> Plan:
        """Return what minimises a loss: of one score, of several labels or of several classes."""
        data, mass = prepared.data, prepared.units.mass
        plan = partial(self._settle, endless=loss.endless, **options)
        if data.y.ndim == 2 and self._penalty(1.0).joins_outputs:
            return self._plan_labels(loss, prepared, start, plan, control)
        if data.y.ndim == 2:
            return plan_each(self._columns(loss, prepared), start, plan, control)
        if len(start) == 1:
            return plan_each([self._objective(loss, data, mass)], start, plan, control)
        make = partial(self._objective, data=data, mass=mass)
        return plan_together(loss, make, start, plan, control)

    def _plan_labels(
        self, loss: Loss, prepared: Prepared, start: Array, plan: Any, control: Control
    ) -> Plan:
        """Return what minimises the losses of several labels together, whose coefficients share their penalty."""
        data, factors = prepared.data, np.ones((len(start), 2))
        for k, classes in enumerate(self.classes_):
            found = class_factors(self.class_weight, data.y[:, k], classes, data.weight)
            factors[k] = 1.0 if found is None else found
        options = {
            name: getattr(loss, name)
            for name in ("pos_weight", "share")
            if getattr(loss, name, None)
        }
        objective = self._objective(
            WeighedLabels(factors=factors, **options),
            data,
            prepared.units.mass,
            n_outputs=len(start),
        )

        def outputs(theta: Array) -> Array:
            return np.ascontiguousarray(theta.reshape(-1, len(start)).T)

        made: Plan = plan(objective, start.T.ravel(), control.phase(view=outputs))
        return made.viewed(outputs)

    def _columns(self, loss: Loss, prepared: Prepared) -> list[Objective]:
        """Return one objective for each of several labels."""
        data, mass, columns = prepared.data, prepared.units.mass, []
        for k, classes in enumerate(self.classes_):
            if data.here:
                weights = np.bincount(data.y[:, k].astype(int), data.weight, minlength=len(classes))
            else:
                weights = self._masses[k]  # type: ignore[index]
            numbers = np.arange(len(classes))
            factors = class_factors(self.class_weight, numbers, classes, weights)
            if factors is not None:
                weights = weights * factors
                require_classes(numbers, classes, weights, f"Column {k} of y")
            part = data.retargeted(Column(k, factors), float(weights.sum()) / mass)
            columns.append(self._objective(loss, part, mass))
        return columns


def _advised(found: Result) -> Result:
    """Say so where there is no finite minimum."""
    if found.growing:
        found.advice = SEPARABLE
    return found


class LogisticClassifier(EntropyClassifier):
    r"""Logistic regression: two classes, several, or several labels a row.

    Minimises

    .. math:: \sum_i -w_i \log p_{y_i}(x_i) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with p the sigmoid of one score for two classes and the softmax of the scores for more. With a
    matrix y of 0 and 1 the losses of its columns are added: one binary fit for each.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the L2 penalty on the sum of losses, 1/C of scikit-learn's
        ``LogisticRegression``; the intercept is never penalised.
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
        Factors of the weights, by class; "balanced" gives every class the same sum of weights. With
        several labels, for each of them.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Maximum number of iterations, including those on a subsample.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        Newton with Gram matrices, Newton with conjugate gradients (wide or large sparse data), or
        limited-memory BFGS. All reach the same optimum.

    Attributes
    ----------
    classes_ : array of shape (n_classes,) or (n_labels, 2)
        The sorted labels; with several labels a row, those of each column.
    coef_ : array of shape (1, n_features), (n_classes, n_features) or (n_labels, n_features)
        Coefficients; with several classes and an L2 penalty alone each column sums to zero.
    intercept_ : array of shape (1,), (n_classes,) or (n_labels,)
        Intercepts; with several classes their sum is zero.
    n_iter_ : int
        Iterations, of the longest fit where there are several.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units. With `l1_ratio`, `positive` or
        `penalty_weights` the relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Cox, D. R. (1958). The regression analysis of binary sequences. Journal of the Royal Statistical
    Society B 20, 215-232.

    Examples
    --------
    >>> from robustreg import LogisticClassifier
    >>> model = LogisticClassifier().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[0.5], [2.5]]).tolist()
    ['no', 'yes']
    >>> model.predict_proba([[1.5]]).round(6).tolist()
    [[0.5, 0.5]]
    """

    _multilabel = True

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _loss(self, several: bool) -> Loss:
        return CrossEntropy() if several else Logistic()

    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        return (Logistic(), y, False) if y.ndim == 2 else super()._score_loss(y)


class FocalClassifier(EntropyClassifier):
    r"""Linear classifier with the focal loss, which gives little weight to rows that are classified well.

    Minimises

    .. math:: \sum_i -w_i \, a_{y_i} (1 - p_{y_i})^\gamma \log p_{y_i}
        + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with p the sigmoid of one score or the softmax of several. The loss is not convex: the fit starts
    from the one of cross-entropy, to which ``gamma=0`` is equal. The sigmoid of a score is not the
    probability of a class here; `predict_proba` gives the probabilities for which the score has the
    least expected loss.

    Parameters
    ----------
    gamma : float, default=2.0
        How strongly the weight of well classified rows is reduced, at least 0; 0 is cross-entropy.
    alpha : float, default=1.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    class_alpha : float or sequence of floats, default=None
        The a of the formula, which acts as weights of classes: of two classes the weight of
        ``classes_[1]``, in (0, 1), whose complement is that of ``classes_[0]``; otherwise one
        positive number for each class. Probabilities are those of the classes so weighted.
    class_weight : dict or "balanced", default=None
        Factors of the weights, by class; "balanced" gives every class the same sum of weights.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Maximum number of iterations, including those of the start.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`LogisticClassifier`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The sorted labels.
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
        Coefficients; with several classes and an L2 penalty alone each column sums to zero.
    intercept_ : array of shape (1,) or (n_classes,)
        Intercepts; with several classes their sum is zero.
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
    Lin, T.-Y. et al. (2017). Focal loss for dense object detection. International Conference on
    Computer Vision, 2980-2988. Charoenphakdee, N. et al. (2021). On focal loss for class-posterior
    probability estimation. Conference on Computer Vision and Pattern Recognition, 5202-5211.

    Examples
    --------
    >>> from robustreg import FocalClassifier
    >>> model = FocalClassifier(gamma=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[0.5], [2.5]]).tolist()
    [0, 1]
    >>> model.predict_proba([[1.5]]).round(6).tolist()
    [[0.5, 0.5]]
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        class_alpha: float | Sequence[float] | None = None,
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.class_alpha = class_alpha
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "gamma", 0.0)

    def _loss(self, several: bool) -> Loss:
        alpha = self.class_alpha
        if alpha is None:
            return Focal(float(self.gamma))
        weights = np.atleast_1d(np.asarray(alpha, dtype=float))
        wanted = "None or a float in the range (0.0, 1.0), as there are two classes"
        fits = np.ndim(alpha) == 0 and 0 < weights[0] < 1
        if several:
            kept = np.ones(len(self.classes_), bool) if self._kept is None else self._kept
            wanted = f"None or one positive number for each of the {len(kept)} classes"
            fits = np.ndim(alpha) == 1 and len(weights) == len(kept)
            fits = fits and bool(np.all((weights > 0) & np.isfinite(weights)))
            weights = weights[kept] if fits else weights
        if not fits:
            raise complain(self, "class_alpha", wanted)
        return Focal(float(self.gamma), alpha=weights.tolist() if several else float(weights[0]))

    def _modulated(self) -> Loss:
        return Focal(float(self.gamma))


class PolyClassifier(EntropyClassifier):
    r"""Linear classifier with the poly loss: cross-entropy with another weight of its first term.

    Minimises

    .. math:: \sum_i w_i \big(-\log p_{y_i} + \epsilon (1 - p_{y_i})\big)
        + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2

    with p the sigmoid of one score or the softmax of several. Beyond ``epsilon=1`` the loss is not
    convex: the fit starts from the one of cross-entropy, to which ``epsilon=0`` is equal. The
    sigmoid of a score is not the probability of a class here; `predict_proba` gives the
    probabilities for which the score has the least expected loss.

    Parameters
    ----------
    epsilon : float, default=1.0
        What is added to the coefficient of 1 - p in the expansion of cross-entropy, at least -1.
    alpha : float, default=1.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
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
    max_iter : int, default=100
        Maximum number of iterations, including those of the start.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`LogisticClassifier`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The sorted labels.
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
        Coefficients; with several classes and an L2 penalty alone each column sums to zero.
    intercept_ : array of shape (1,) or (n_classes,)
        Intercepts; with several classes their sum is zero.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units. With `l1_ratio`, `positive` or
        `penalty_weights` the relative duality gap, a bound on how far the objective is above its minimum;
        for ``epsilon`` above 1 the distance of minus the gradient from the subdifferential of the penalty.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Leng, Z. et al. (2022). PolyLoss: a polynomial expansion perspective of classification loss
    functions. International Conference on Learning Representations.

    Examples
    --------
    >>> from robustreg import PolyClassifier
    >>> model = PolyClassifier(epsilon=2.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[0.5], [2.5]]).tolist()
    [0, 1]
    """

    def __init__(
        self,
        *,
        epsilon: float = 1.0,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.epsilon = epsilon
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "epsilon", -1.0)

    def _loss(self, several: bool) -> Loss:
        return Poly(float(self.epsilon))

    def _modulated(self) -> Loss:
        return Poly(float(self.epsilon))
