"""Linear classifiers with any loss."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from sklearn.utils.metaestimators import available_if

from robustreg._array import Array
from robustreg.estimators._base import Prepared
from robustreg.estimators._classifier_base import ProbabilityClassifier
from robustreg.estimators._named_loss import NamedLoss
from robustreg.estimators._remote_fit import MANY, too_many, unserved
from robustreg.estimators._validation import complain
from robustreg.estimators.classification import EntropyClassifier
from robustreg.estimators.margin import MarginClassifier
from robustreg.estimators.overlap import OverlapClassifier
from robustreg.losses import Loss
from robustreg.solvers import Control, Plan


def _has_probabilities(model: RobustClassifier) -> bool:
    """Whether scores of the loss stand for probabilities."""
    if not getattr(model._named_loss(), "probabilities", ""):
        raise AttributeError(f"The scores of loss={model.loss!r} are no probabilities.")
    return True


class RobustClassifier(NamedLoss, EntropyClassifier, MarginClassifier, OverlapClassifier):
    r"""Linear classifier with any classification loss and any penalty.

    Minimises :math:`\sum_i w_i \, \ell(y_i, f(x_i)) + \alpha P(\mathrm{coef})`, where f is one score for two
    classes. With several classes there is a score for each. Cross-entropy, focal, poly and multi-class hinge
    losses see the scores together; a hinge or squared hinge loss is fitted for each class against the rest.
    The Dice loss is :math:`\sum_i w_i` times one minus the overlap of two classes. Each loss has the solver
    of its own class, such as :class:`FocalClassifier`, and gives the same estimate.

    Parameters
    ----------
    loss : str or Loss, default="logistic"
        "logistic", "multilabel", "cross_entropy", "focal", "poly", "hinge", "squared_hinge",
        "multiclass_hinge" or "dice", which stand for the loss at its defaults. An instance of
        :mod:`robustreg.losses` makes its fields reachable as ``loss__gamma`` and the like. "logistic" is
        "cross_entropy" for several classes, and the other way round for two.
    alpha : float, default=1.0
        Strength of the penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    penalty : str or Penalty, default=None
        A penalty of :mod:`robustreg.penalties` by name or as an object, in place of that of `l1_ratio`;
        `alpha` is its strength. Fields are reachable as ``penalty__gamma`` and the like.
    class_weight : dict or "balanced", default=None
        Factors of the weights, by class; "balanced" gives every class the same sum of weights. With
        several labels, for each of them.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations, including those of a start and on a subsample.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`LogisticClassifier`; hinge losses that are not squared have one solver, "auto".

    Attributes
    ----------
    classes_ : array of shape (n_classes,) or (n_labels, 2)
        The sorted labels; with several labels a row, those of each column.
    coef_ : array of shape (1, n_features), (n_classes, n_features) or (n_labels, n_features)
        Coefficients; of two classes those of ``classes_[1]``.
    intercept_ : array of shape (1,), (n_classes,) or (n_labels,)
        Intercepts.
    n_iter_ : int
        Iterations, of the longest fit where there are several.
    optimality_ : float
        Relative duality gap of a hinge loss, and with a penalty of single coefficients; otherwise the largest
        gradient entry per unit of weight in standardised units.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    See Also
    --------
    RobustRegressor : The same for losses of residuals.
    LogisticClassifier, HingeClassifier, FocalClassifier, PolyClassifier, DiceClassifier : One loss each.

    References
    ----------
    Hastie, T., Tibshirani, R. and Friedman, J. (2009). The Elements of Statistical Learning, chapters 4
    and 12.

    Examples
    --------
    >>> from robustreg import RobustClassifier
    >>> from robustreg.losses import Focal
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]], [0, 0, 1, 1]
    >>> model = RobustClassifier(loss=Focal(), alpha=0.2, penalty="l1").set_params(loss__gamma=1.0)
    >>> model.fit(X, y).coef_.round(3).tolist()
    [[1.676, 0.0]]
    >>> model.predict(X).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        loss: str | Loss = "logistic",
        *,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        penalty: Any = None,
        class_weight: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.loss = loss
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.penalty = penalty
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    @property
    def _multilabel(self) -> bool:  # type: ignore[override]
        return bool(getattr(self._named_loss(), "probabilities", "") == "link")

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._check_loss(
            lambda loss: loss.classifies and bool(getattr(loss, "from_logits", True)),
            "a classification loss of scores (from_logits=True)",
        )
        if not self._named_loss().smooth and self.solver != "auto":
            raise complain(self, "solver", f"'auto' (loss={self.loss!r} is not smooth)")

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, codes = super()._read(X, y)
        loss = self._loss(False) if len(self.classes_) > 1 or codes.ndim == 2 else None
        if loss is not None and self._sees_all_classes(loss) and self._penalty(1.0).by_column:
            raise ValueError(
                f"loss={self.loss!r} with several classes takes an L2 penalty only, and l1_ratio, positive, "
                "penalty_weights or penalty ask for another: use loss='hinge', each class against the rest."
            )
        return X, codes

    @staticmethod
    def _sees_all_classes(loss: Loss) -> bool:
        """Whether it is a program of all classes together."""
        return not (loss.smooth or loss.against_rest)

    def _loss(self, several: bool) -> Loss:
        if np.ndim(self.classes_[0]) == 1:  # labels of a column, each with two classes
            return cast(Loss, self._named_loss().of_classes(2))
        n_classes = len(self.classes_) if self._kept is None else len(self._kept)
        return cast(Loss, self._named_loss().of_classes(n_classes, self._kept))

    def _score_loss(self, y: Array) -> tuple[Loss, Array, bool]:
        several = self._n_scores(y) > 1
        loss = self._loss(several)
        if y.ndim == 2:
            return loss, y, False
        return self._margin_targets(loss, y) if loss.against_rest else (loss, y, several)

    def _has_one_minimum(self) -> bool:
        return bool(self._named_loss().convex and self._penalty(1.0).convex)

    def _why_not(self, n_features: int) -> str:
        loss: Any = self._named_loss()
        if not loss.additive:
            return f"whose {type(loss).__name__} loss needs all samples at once"
        if self._sees_all_classes(loss):
            return f"whose {type(loss).__name__} loss needs all classes at once; pass loss='hinge'"
        if not loss.smooth and n_features > MANY:
            return too_many(n_features)
        return unserved(self._penalty(1.0), n_features)

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        loss: Any = self._loss(False)
        if not loss.additive:
            return OverlapClassifier._plan(self, prepared, start, control)
        if loss.against_rest:
            return self._plan_against_rest(loss, prepared, start, control)
        if self._sees_all_classes(loss):
            return self._plan_together(loss, prepared, start, control)
        return EntropyClassifier._plan(self, prepared, start, control)

    def _modulated(self) -> Any:
        loss = self._named_loss()
        return None if loss.probabilities == "link" else loss.unweighted()

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of the classes, where the loss has any.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        probability : array of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of ``classes_``; of several labels the probability of 1.
        """
        return ProbabilityClassifier.predict_proba(self, X)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of the probabilities of the classes, where the loss has any.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        log_probability : array of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of ``classes_``; of several labels that of 1.
        """
        return ProbabilityClassifier.predict_log_proba(self, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = bool(getattr(self._named_loss(), "additive", True))
        return tags
