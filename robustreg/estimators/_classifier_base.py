"""What the classifiers share: labels, class weights, scores, probabilities."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from robustreg._array import Array
from robustreg._lazy import is_lazy, refuse_lazy
from robustreg.data import Data
from robustreg.estimators._answers import answers, known_columns
from robustreg.estimators._base import Prepared
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._far_rows import FitsFarRows
from robustreg.estimators._labels import (
    class_factors,
    encode,
    plain_labels,
    require_classes,
    require_several,
)
from robustreg.estimators._penalised import check_columns
from robustreg.estimators._probability import conditional
from robustreg.estimators._remote_fit import RemoteFit, opened
from robustreg.estimators._remote_labels import (
    Coded,
    Labels,
    Right,
    numbers_of_columns,
    read_labels,
    union,
)
from robustreg.estimators._scores import accuracy, plain_score
from robustreg.estimators._stored import CountsRounding
from robustreg.estimators._units import Units
from robustreg.estimators._validation import check_data, check_option, check_weight
from robustreg.losses import Loss, log_sigmoid, log_softmax
from robustreg.objective import Objective
from robustreg.remote import sample_of
from robustreg.remote_coordinates import prepare_table
from robustreg.solvers import Plan, Result, plan_settled
from robustreg.stored import in_coordinates, in_units_of_user
from robustreg.tables import Part, Table

#: score of a class without weight: its probability is 0, and sums and squares of it are finite
NEVER = -1e30
SOLVERS = ("auto", "newton", "newton-cg", "lbfgs")


class LinearScores(CountsRounding, RemoteFit):
    """A linear model of one or several scores; inside, ``x`` has a row of parameters for each."""

    coef_: Array
    intercept_: Array

    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        return Units(0.0, 1.0, mass)

    def _why_not(self, n_features: int) -> str:
        return "which needs all samples at once"

    def _prepare_remote(self, table: Table) -> Prepared:
        check_columns(self, (table.n_rows, table.n_features))
        mass, penalty = table.total / table.n_rows, self._penalty(1.0)
        data, rank = prepare_table(
            table, self._sample(table), (0.0, 1.0, mass), intercept=self.fit_intercept,
            bounded=True, reduce=penalty.euclidean, penalised=not penalty.empty,
        )  # fmt: skip
        return Prepared(data, Units(0.0, 1.0, mass), rank)

    def _sample(self, table: Table) -> Part:
        """Return rows that stand for all."""
        return sample_of(table)

    def _n_scores(self, y: Array) -> int:
        """Return the number of scores that predict y."""
        return int(y.shape[1])

    def _start(self, prepared: Prepared) -> Array | None:
        data = prepared.data
        coef = getattr(self, "coef_", None)
        if not self.warm_start or coef is None:
            return None
        if coef.shape != (self._n_scores(data.y), len(data.coordinates.center)):
            return None
        return in_coordinates(data, coef, self.intercept_)

    def _fitted(self, prepared: Prepared, x: Array) -> dict[str, Any]:
        data = prepared.data
        x = np.atleast_2d(x)
        offset = x[:, data.size] if data.intercept else np.zeros(len(x))
        coef, intercept = in_units_of_user(data, x[:, : data.size].T, offset)
        return {"coef_": np.ascontiguousarray(coef.T), "intercept_": np.asarray(intercept, float)}

    def _scores(self, X: Any) -> Array:
        """Scores of shape (n, n_scores)."""
        check_is_fitted(self)
        X = check_data(self, X)
        return np.asarray(X.dot(self.coef_.T)) + self.intercept_

    def _objective(
        self, loss: Loss, data: Data, mass: float, factor: float = 1.0, **options: Any
    ) -> Objective:
        """Return the objective of a loss on the rows, its penalty multiplied by ``factor``."""
        penalty = Units(0.0, 1.0, mass).penalty(self._penalty(data.total * mass).scaled(factor), 0)
        return Objective(loss, data, penalty, **options)

    @property
    def _settle(self) -> Callable[..., Plan]:
        """What plans the minimisation of a smooth objective as the parameters say."""
        return partial(plan_settled, method=getattr(self, "solver", "auto"))


class LinearClassifier(ClassifierMixin, FitsFarRows, LinearScores):
    """A classifier whose decisions are linear in X."""

    class_weight: Any
    classes_: Any

    #: whether y may hold several labels a row
    _multilabel = False
    #: while a fit goes on, which classes have weight; None where all have
    _kept: Array | None = None
    _all: Array
    #: while a fit to rows that are elsewhere goes on, the weights of the classes
    _masses: list[Array] | None = None
    _read_remote = staticmethod(read_labels)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if "solver" in vars(self):
            check_option(self, "solver", SOLVERS)

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = check_data(self, X, plain_labels(y), fit=True, multi_output=self._multilabel)
        codes, self.classes_ = encode(y)
        return X, codes

    def _weigh(self, y: Array, sample_weight: Any) -> tuple[Array | None, float]:
        weight, mass = check_weight(sample_weight, len(y))
        if y.ndim == 2:
            for k, (codes, classes) in enumerate(zip(y.T, self.classes_, strict=True)):
                require_classes(codes, classes, weight, f"Column {k} of y")
            self.classes_ = np.stack(self.classes_)
            return weight, mass
        factors = class_factors(self.class_weight, y, self.classes_, weight)
        if factors is not None:
            rows = factors[y.astype(int)]
            weight = rows if weight is None else weight * rows
        require_several(self.classes_)
        weight, more = check_weight(weight, len(y))
        return weight, mass * more

    def _present(self, y: Array, weight: Array | None) -> Array:
        self._kept = None
        if weight is None or y.ndim == 2:
            return y
        codes = self._codes(np.bincount(y.astype(int), weight, minlength=len(self.classes_)))
        return y if len(codes) == len(self.classes_) else np.asarray(codes[y.astype(int)])

    def _codes(self, masses: Array) -> Array:
        """Return the numbers of the classes, once those without weight are left out."""
        kept = masses > 0
        self._kept = None if kept.all() else kept
        if self._kept is not None:
            # A class without weight is as in the limit of a small one: no score reaches its own.
            self._all, self.classes_ = self.classes_, self.classes_[kept]
        return np.maximum(np.cumsum(kept) - 1.0, 0.0)

    def _encoded(self, table: Table) -> Table:
        known, masses = table.reduce(Labels(), union)
        if len(known) > 1:
            if not self._multilabel:
                raise ValueError(
                    f"y should be a 1d array, got an array of shape {(table.n_rows, len(known))} instead."
                )
            for k, (classes, mass) in enumerate(zip(known, masses, strict=True)):
                require_classes(np.arange(len(classes)), classes, mass, f"Column {k} of y")
            self._kept, self._masses, self.classes_ = None, masses, np.stack(known)
            return table.map(numbers_of_columns)
        (classes,), (mass,) = known, masses
        self.classes_ = classes
        factors = class_factors(self.class_weight, np.arange(len(classes)), classes, mass)
        require_several(classes)
        mass = mass if factors is None else mass * factors
        self._masses = [mass[mass > 0]]
        return table.map(Coded(classes, self._codes(mass), factors))

    def _sample(self, table: Table) -> Part:
        one = self._masses if self._masses and len(self._masses) == 1 else None
        return sample_of(table, None if one is None else one[0])

    def _finish_remote(self) -> None:
        self.__dict__.pop("_masses", None)
        self._leave_out()

    def _shortcut(self, prepared: Prepared, progress: Any, **how: Any) -> Result | None:
        if len(self.classes_) > 1:
            return super()._shortcut(prepared, progress, **how)
        data = prepared.data
        x = np.zeros((1, data.size + data.intercept))
        return Result(x=x, fun=0.0, nit=0, status=0, optimality=0.0)

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        super()._describe(X, y, weight, found)
        self._leave_out()

    def _leave_out(self) -> None:
        """Give classes without weight scores that no other is below."""
        kept = self._kept
        if kept is None:
            return
        self.classes_ = self._all
        del self._kept, self._all
        coef, intercept = self.coef_, self.intercept_
        n_scores = 1 if len(kept) == 2 else len(kept)
        self.coef_ = np.zeros((n_scores, coef.shape[1]))
        self.intercept_ = np.full(n_scores, NEVER)
        if n_scores > 1:
            self.coef_[kept], self.intercept_[kept] = coef, intercept
        elif kept[1]:
            self.intercept_ = -self.intercept_

    def _n_scores(self, y: Array) -> int:
        if y.ndim == 2:
            return int(y.shape[1])
        return 1 if len(self.classes_) == 2 and self._kept is None else len(self.classes_)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        loss, target, together = self._score_loss(y)
        names = None if self._n_scores(y) == 1 and y.ndim == 1 else tuple(self.classes_)
        if y.ndim == 2:
            names = tuple(range(y.shape[1]))
            columns = [
                class_factors(self.class_weight, codes, classes, weight)
                for codes, classes in zip(y.T, self.classes_, strict=True)
            ]
            rows = [f[c.astype(int)] for f, c in zip(columns, y.T, strict=True) if f is not None]
            factor = np.column_stack(rows) if rows else None
        else:
            factors = class_factors(self.class_weight, y, self.classes_, weight)
            factor = None if factors is None else factors[y.astype(int)]
        return Estimate(
            loss, self._penalty(total), target, factor=factor, scores=names, together=together
        )

    def decision_function(self, X: Any) -> Array:
        """Score the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to score; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        scores : array of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
            With two classes one score, positive for ``classes_[1]``.
        """
        if is_lazy(X):
            check_is_fitted(self)
            shape = self.intercept_.shape if len(self.intercept_) > 1 else ()
            lazy: Array = answers(self, "decision_function", shape, X)
            return lazy
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> Array:
        """Predict the class of the largest score.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_labels)
            Labels of the type of y in fit; several labels a row as 0 and 1.
        """
        if is_lazy(X):
            check_is_fitted(self)
            lazy: Array = answers(self, "predict", self.classes_.shape[:-1], X, self.classes_.dtype)
            return lazy
        scores = self.decision_function(X)
        if self.classes_.ndim == 2:
            return (scores > 0).astype(self.classes_.dtype)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return cast(Array, self.classes_[best])

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of rows whose labels are predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like, Dask array or series, of shape (n_samples,) or (n_samples, n_labels)
            Their labels.
        sample_weight : array-like, Dask array or series, of shape (n_samples,), optional
            Their weights.

        Returns
        -------
        score : float
            Accuracy; of several labels a row the share of rows with all of them right. Of Dask
            collections by one pass where the rows are.
        """
        if is_lazy(X):
            known_columns(self, X, reset=False)
            table = opened(X, y, sample_weight, read_labels)
            bare = copy(self)
            bare.__dict__.pop("feature_names_in_", None)  # parts are plain arrays
            right, total = table.reduce(Right(bare))
            return float(right / total)
        refuse_lazy(type(self).__name__, X=X, y=y, sample_weight=sample_weight)
        plain = plain_score(accuracy, self, X, y, sample_weight)
        return float(super().score(X, y, sample_weight=sample_weight)) if plain is None else plain

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._multilabel
        return tags


class ProbabilityClassifier(LinearClassifier):
    """A classifier whose scores stand for probabilities: those of cross-entropy, unless it says."""

    def _modulated(self) -> Any:
        """Return the loss whose probabilities are to be solved for; None where they are sigmoid or softmax."""
        return None

    def _log_proba(self, scores: Array) -> Array:
        """Logarithms of the probabilities; of a vector of scores that of the second class."""
        if (loss := self._modulated()) is not None:
            with np.errstate(divide="ignore", over="ignore", under="ignore"):
                return np.log(conditional(loss, scores))
        return log_sigmoid(scores) if scores.ndim == 1 else log_softmax(scores)

    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        probability : array of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of ``classes_``; of several labels the probability of 1.
        """
        if is_lazy(X):
            return self._lazy_proba("predict_proba", X)
        return np.exp(self.predict_log_proba(X))

    def _lazy_proba(self, method: str, X: Any) -> Any:
        check_is_fitted(self)
        k = len(self.classes_)  # classes, or labels of a row
        return answers(self, method, (k,), X)

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or data frame} of shape (n_samples, n_features)
            Rows to predict; the answer to a Dask collection is a Dask array, not computed.

        Returns
        -------
        log_probability : array of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of ``classes_``; of several labels that of 1.
        """
        if is_lazy(X):
            return cast(Array, self._lazy_proba("predict_log_proba", X))
        scores = self.decision_function(X)
        if self.classes_.ndim == 2:
            return log_sigmoid(scores)
        if scores.ndim == 1:
            return np.column_stack([self._log_proba(-scores), self._log_proba(scores)])
        return self._log_proba(scores)
