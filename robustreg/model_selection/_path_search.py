"""A grid search in which each fit starts from its neighbour on the grid."""

from __future__ import annotations

import math
import time
import traceback
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.model_selection._search import _insert_error_scores
from sklearn.model_selection._validation import _score, _warn_or_raise_about_fit_failures
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from robustreg._array import Array
from robustreg.estimators._callbacks import Progress, with_callbacks
from robustreg.estimators._sequence import FitSequence
from robustreg.estimators._validation import check_bool

#: parameters of a model of which neighbouring values have neighbouring fits, besides numbers of its loss;
#: those that shrink the coefficients are walked from the largest value down
SHRINKING = ("alpha", "l1_ratio")
WALKED = (*SHRINKING, "epsilon", "quantile", "gamma")
#: of candidates within a standard error the one with most of these is preferred, then with least of those
MORE, LESS = SHRINKING, ("epsilon",)


class PathSearchCV(GridSearchCV):
    """Grid search with cross-validation that fits along paths of the grid.

    It takes the place of scikit-learn's ``GridSearchCV`` over an estimator of this package, alone or as
    the last step of a pipeline, and gives the same results. In each fold the steps before the estimator
    are fitted once for each choice of their own parameters, and the rows are prepared once. Candidates that
    differ in numbers alone (``alpha``, ``epsilon``, ``quantile``, ``l1_ratio``, ``gamma`` and numbers of
    the loss, such as ``loss__delta``) are then fitted one after another. Where the objective has one
    minimum each fit starts from the last one. Other estimators and parameters are searched as
    ``GridSearchCV`` does.

    Parameters
    ----------
    estimator : estimator
        Of this package, or a pipeline that ends with one; others are fitted anew for each candidate.
    param_grid : dict or list of dicts
        Values by the names of parameters, as ``GridSearchCV`` takes them.
    scoring : str, callable, list, tuple or dict, default=None
        As of ``GridSearchCV``; None is the estimator's ``score``.
    n_jobs : int, default=None
        Number of processes; folds are divided among them.
    refit : bool, str or callable, default=True
        Whether, or by which score, to fit the best candidate to all rows.
    cv : int, splitter or iterable, default=None
        As of ``GridSearchCV``; None is five folds.
    verbose : int, default=0
        With 1 or more the number of fits is printed.
    pre_dispatch : int or str, default="2*n_jobs"
        As of ``GridSearchCV``.
    error_score : "raise" or float, default=nan
        Score of a candidate whose fit fails.
    return_train_score : bool, default=False
        Whether scores on the training rows are computed, too.
    one_standard_error : bool, default=False
        Whether to take the simplest of the candidates whose mean score is within one standard error of the
        best: the largest ``alpha``, then the largest ``l1_ratio``, then the smallest ``epsilon``.

    Attributes
    ----------
    cv_results_ : dict of arrays
        As of ``GridSearchCV``, in the order of its candidates.
    best_estimator_ : estimator
        Fitted to all rows, where ``refit`` asks for it.
    best_score_ : float
        Mean score of the chosen candidate.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in ``cv_results_``.
    scorer_ : callable or dict
        What scores.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the last fit.
    multimetric_ : bool
        Whether there are several scores.
    classes_ : array of shape (n_classes,)
        Labels, of a classifier.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

    See Also
    --------
    robustreg.HuberRegressorCV : A quicker search for one estimator, that also shares work between folds.

    References
    ----------
    Friedman, J., Hastie, T. and Tibshirani, R. (2010). Regularization paths for generalized linear models
    via coordinate descent. Journal of Statistical Software 33(1).

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg import LogisticClassifier
    >>> from robustreg.model_selection import PathSearchCV
    >>> X = np.linspace(-1.0, 1.0, 40)[:, None]
    >>> y = (X[:, 0] + 0.3 * np.cos(9.0 * np.arange(40)) > 0).astype(int)
    >>> search = PathSearchCV(LogisticClassifier(), {"alpha": [0.01, 1.0, 100.0]}, scoring="neg_log_loss")
    >>> search.fit(X, y).best_params_
    {'alpha': 1.0}
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        one_standard_error: bool = False,
    ) -> None:
        super().__init__(
            estimator, param_grid, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip
        self.one_standard_error = one_standard_error

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Score all candidates, and fit the best one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
            Targets.
        **params : dict
            Of ``fit`` of the estimator, such as ``sample_weight``, of the scorer and of the splitter
            (``groups``), as ``GridSearchCV`` takes them.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            If a parameter is out of range, all fits of a candidate fail, or there is nothing to search.
        """
        check_bool(self, "one_standard_error")
        if self.one_standard_error and callable(self.refit):
            raise ValueError(
                "PathSearchCV: one_standard_error=True needs a refit that is no callable."
            )
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        candidates = list(ParameterGrid(self.param_grid))
        base = clone(self.estimator)
        for candidate in candidates:  # unknown names are told at once
            clone(base).set_params(**clone(candidate, safe=False))
        groups = _groups(base, candidates)
        self.n_splits_ = len(splits)
        self._announce(len(splits), len(candidates))
        progress = Progress(self, X, y, params.get("sample_weight"), lambda _: {}, total=1)
        tasks = [(k, group) for k in range(len(splits)) for group in groups]
        options = {
            "scorer": scorers, "fit_params": routed.estimator.fit, "score_params": routed.scorer.score,
            "error_score": self.error_score, "train_scores": self.return_train_score,
        }  # fmt: skip
        scored = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch)(
            delayed(_score_group)(
                clone(base),
                X,
                y,
                splits[k],
                [[candidates[i] for i in path] for path in group],
                **options,
            )
            for k, group in tasks
        )
        out: list[Any] = [None] * (len(candidates) * len(splits))
        for (k, group), results in zip(tasks, scored, strict=True):
            for i, result in zip((i for path in group for i in path), results, strict=True):
                out[i * len(splits) + k] = result
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        results = self._format_results(candidates, len(splits), out, None)
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
            refit_metric = self.refit
        self._choose(results, refit_metric)
        if self.refit:
            self._refit(base, X, y, routed.estimator.fit)
        self.scorer_ = getattr(scorers, "_scorers", scorers) if self.multimetric_ else scorers
        self.cv_results_ = results
        progress.end()
        return self

    def _announce(self, n_splits: int, n_candidates: int) -> None:
        """Refuse a search for nothing, and print what is to come where that is asked for."""
        if not n_splits or not n_candidates:
            raise ValueError("No fits were performed: cv or param_grid is empty.")
        if self.verbose > 0:
            print(
                f"Fitting {n_splits} folds for each of {n_candidates} candidates, totalling "
                f"{n_splits * n_candidates} fits"
            )

    def _refit(self, base: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        """Fit the chosen candidate to all rows."""
        started = time.time()
        best = clone(base).set_params(**clone(self.best_params_, safe=False))
        self.best_estimator_ = best.fit(X, *(() if y is None else (y,)), **fit_params)
        self.refit_time_ = time.time() - started
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_

    def _choose(self, results: dict[str, Any], metric: Any) -> None:
        """Store which candidate is taken, where one is."""
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, metric, results)
        if self.one_standard_error:
            self.best_index_ = _simplest(results, metric, self.best_index_, self.n_splits_)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]


def _simplest(results: dict[str, Any], metric: str, best: int, n_splits: int) -> int:
    """Return the simplest candidate within a standard error of the best."""
    mean, spread = results[f"mean_test_{metric}"], results[f"std_test_{metric}"]
    error = spread[best] / math.sqrt(max(n_splits - 1, 1))  # std is that of a population
    near = np.flatnonzero(mean >= mean[best] - error)

    def simplicity(i: int) -> tuple[float, ...]:
        values = {name.rpartition("__")[2]: value for name, value in results["params"][i].items()}
        more = [float(values.get(name, 0.0)) for name in MORE]
        less = [-float(values.get(name, 0.0)) for name in LESS]
        return (*more, *less, float(mean[i]))

    return max(near.tolist(), key=simplicity)


def _last_step(estimator: Any) -> tuple[str, Any]:
    """Return what the names of the last step's parameters begin with, and that step."""
    if isinstance(estimator, Pipeline):
        name, step = estimator.steps[-1]
        return f"{name}__", step
    return "", estimator


def _groups(estimator: Any, candidates: list[dict[str, Any]]) -> list[list[list[int]]]:
    """Divide candidates, by number, into groups that share the steps before the last.

    Each is a list of paths: candidates that differ only in numbers that can be walked, in their order.
    """
    prefix, last = _last_step(estimator)
    groups: dict[str, dict[str, list[int]]] = {}
    for i, candidate in enumerate(candidates):
        steps, fixed = [], []
        for name, value in candidate.items():
            if name == prefix.removesuffix("__"):  # another last step
                fixed.append((name, value))
            elif not name.startswith(prefix):
                steps.append((name, value))
            elif not _is_walked(name.removeprefix(prefix), value):
                fixed.append((name, value))
        # values need not be hashable
        groups.setdefault(repr(steps), {}).setdefault(repr(fixed), []).append(i)

    return [
        [_in_order(last, prefix, candidates, path) for path in group.values()]
        for group in groups.values()
    ]


def _in_order(
    last: Any, prefix: str, candidates: list[dict[str, Any]], path: list[int]
) -> list[int]:
    """Return a path in the order of nested loops over its walked parameters.

    The loops over the penalty are the inner ones, as its neighbours are nearest, unless fits that differ in
    other parameters alone share a part of their work.
    """

    def own(i: int) -> dict[str, Any]:
        found = candidates[i].items()
        return {n.removeprefix(prefix): value for n, value in found if n.startswith(prefix)}

    outer = FitSequence.serves(last) and FitSequence.shares(
        clone(last).set_params(**clone(own(path[0]), safe=False))
    )

    def place(i: int) -> list[float]:
        walked = {name: value for name, value in own(i).items() if _is_walked(name, value)}
        names = sorted(walked, key=lambda name: ((name in SHRINKING) != outer, name))
        return [-float(walked[n]) if n in SHRINKING else float(walked[n]) for n in names]

    return sorted(path, key=place)


def _is_walked(name: str, value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return number and (name in WALKED or name.startswith(("loss__", "penalty__")))


def _score_group(
    estimator: Any,
    X: Any,
    y: Any,
    split: tuple[Array, Array],
    paths: list[list[dict[str, Any]]],
    *,
    scorer: Any,
    fit_params: dict[str, Any],
    score_params: dict[str, Any],
    error_score: Any,
    train_scores: bool,
) -> list[dict[str, Any]]:
    """Fit and score the candidates of a group on one fold; of each what scikit-learn makes results of."""
    train, test = split
    X_train, y_train = _safe_split(estimator, X, y, train)
    X_test, y_test = _safe_split(estimator, X, y, test, train)
    fit_params = _check_method_params(X, params=fit_params, indices=train)
    on_test = _check_method_params(X, params=score_params, indices=test)
    on_train = _check_method_params(X, params=score_params, indices=train)
    fits, scored = _Fits(estimator, X_train, y_train, fit_params), []
    for path in paths:
        fits.begin()
        for candidate in path:
            result: dict[str, Any] = {"fit_error": None, "n_test_samples": len(test)}
            scored.append(result)
            started = time.time()
            try:
                fitted = fits.fit(clone(candidate, safe=False))
            except Exception:
                if error_score == "raise":
                    raise
                result["fit_error"] = traceback.format_exc()
                result |= {"fit_time": time.time() - started, "score_time": 0.0}
                names = getattr(scorer, "_scorers", None)
                failed = dict.fromkeys(names, error_score) if names else error_score
                result["test_scores"] = failed
                if train_scores:
                    result["train_scores"] = failed
                fits.begin()
                continue
            ended = time.time()
            result["test_scores"] = _score(fitted, X_test, y_test, scorer, on_test, error_score)
            result |= {"fit_time": ended - started, "score_time": time.time() - ended}
            if train_scores:
                result["train_scores"] = _score(
                    fitted, X_train, y_train, scorer, on_train, error_score
                )
    return scored


class _Fits:
    """Fits of an estimator to the rows of a fold, with one set of parameters after another.

    Parameters
    ----------
    estimator : estimator
        It is fitted itself.
    X, y : arrays
        Training rows of the fold.
    fit_params : dict
        For its ``fit``.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        self.estimator, self.X, self.y, self.fit_params = estimator, X, y, fit_params
        self.prefix, self.last = _last_step(estimator)
        names = {f"{self.prefix}sample_weight"}
        self.walks = FitSequence.serves(self.last) and y is not None and set(fit_params) <= names
        self.steps: Any = None  # those before the last, fitted
        self.rows: Any = None  # X as they leave it
        self.sequence: FitSequence | None = None

    def begin(self) -> None:
        """Begin with parameters that are no neighbours of the last ones."""
        self.sequence = None

    def fit(self, candidate: dict[str, Any]) -> Any:
        """Return the estimator fitted with the parameters of a candidate."""
        name = self.prefix.removesuffix("__")
        if not self.walks or name in candidate:
            given = () if self.y is None else (self.y,)
            return (
                clone(self.estimator).set_params(**candidate).fit(self.X, *given, **self.fit_params)
            )
        mine = {name: value for name, value in candidate.items() if name.startswith(self.prefix)}
        if self.sequence is None:
            self._transform({name: value for name, value in candidate.items() if name not in mine})
            weight = self.fit_params.get(f"{self.prefix}sample_weight")
            self.sequence = FitSequence(self.last, self.rows, self.y, weight)
        model = self.sequence.fit(
            **{name.removeprefix(self.prefix): value for name, value in mine.items()}
        )
        if not self.prefix:
            return model
        return Pipeline([*self.steps, (name, model)])

    def _transform(self, parameters: dict[str, Any]) -> None:
        """Fit the steps before the last, which all candidates of a group share."""
        if self.rows is not None:
            return
        self.rows, self.steps = self.X, []
        if self.prefix and len(self.estimator.steps) > 1:
            before = clone(self.estimator).set_params(**parameters)[:-1]
            self.rows = before.fit_transform(self.X, self.y)
            self.steps = before.steps
