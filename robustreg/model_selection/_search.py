"""Cross-validated choice of the threshold, and of the penalty."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from robustreg._array import Array
from robustreg._lazy import refuse_lazy
from robustreg._threads import blas_aside
from robustreg.estimators import HuberRegressor
from robustreg.estimators._base import LinearModel, LinearRegressor
from robustreg.estimators._callbacks import Progress, with_callbacks
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._validation import check_bool, complain
from robustreg.model_selection._path import (
    Table,
    Walk,
    check_grid,
    threshold_grid,
    warn_unsolved,
)
from robustreg.scales import weighted_median

#: parameters that are handed to the regressor as they are
PASSED_ON = ("scale", "fit_intercept", "max_iter", "tol", "solver")


class HuberRegressorCV(LinearRegressor):
    """Huber regression that chooses its threshold, and penalty, by cross-validation.

    The fits of the grid are those of :class:`~robustreg.HuberRegressor`, each started from its
    neighbours; without weights the scores equal those of a grid search over it with the same
    folds. The default score, the median absolute error, is robust to outliers in the held-out
    samples. R2 and squared errors are not: they choose a threshold that fits the outliers.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,), default=None
        Thresholds in units of the scale to choose from; None stands for ``epsilon_grid(20)``.
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the L2 penalty to choose from; None stands for ``(0.0,)``.
    cv : int, splitter or iterable of (train, test), default=None
        Folds as scikit-learn understands them; None stands for 5.
    scoring : str or callable, default=None
        A scorer's name, or ``scorer(estimator, X, y)``, larger being better; None stands for
        "neg_median_absolute_error". It is given the rows' ``sample_weight`` if it takes one.
    one_standard_error : bool, default=False
        Whether to choose the smallest, most robust epsilon whose score is within one standard
        error of the best.
    n_jobs : int, default=None
        Number of threads for the folds.
    scale : {"l1", "proposal2", "mad", "concomitant"} or float, default="l1"
        As of :class:`~robustreg.HuberRegressor`, like the parameters that follow.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=1000
        Maximum number of iterations of a fit.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged. Fits of the grid are solved to ``min(tol,
        1e-10)``, so that the choice does not depend on their starts.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        How to solve.

    Attributes
    ----------
    epsilon_ : float
        The chosen threshold in units of the scale.
    alpha_ : float
        The chosen penalty.
    best_score_ : float
        Mean score of the choice over the folds.
    cv_results_ : dict of arrays
        For :class:`pandas.DataFrame`, one row for each candidate: ``param_epsilon``, ``param_alpha``,
        ``split0_test_score`` and so on, ``mean_test_score``, ``std_test_score``,
        ``standard_error``, ``rank_test_score``, and of the fit on all rows ``scale``, ``delta``,
        ``n_outliers`` and ``optimality``.
    coef_path_ : array of shape (n_candidates, n_features)
        Coefficients of the fits on all rows.
    n_splits_ : int
        Number of folds.
    coef_ : array of shape (n_features,)
        Coefficients of the choice, fitted to all rows.
    intercept_ : float
        Intercept.
    scale_, delta_ : float
        Sigma and ``epsilon_ * scale_``, in the units of y.
    outliers_ : array of shape (n_samples,)
        True for samples whose absolute residual exceeds ``2.5758 * scale_``: 1 % under normal errors. With
        ``scale="concomitant"`` as of :class:`~robustreg.HuberRegressor`.
    weights_ : array of shape (n_samples,)
        Weight of each sample in the fit, in [0, 1], as of :class:`~robustreg.HuberRegressor`.
    n_iter_ : int
        Iterations of the chosen fit.
    optimality_ : float
        Its certificate.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Ronchetti, E., Field, C. and Blanchard, W. (1997). Robust linear model selection by
    cross-validation. Journal of the American Statistical Association 92, 1017-1023.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg import HuberRegressorCV
    >>> X = np.linspace(0.0, 1.0, 60)[:, None]
    >>> y = 3 * X[:, 0] + 0.1 * np.sin(np.arange(60.0))
    >>> y[::10] += 50.0
    >>> model = HuberRegressorCV(epsilons=[0.5, 1.345, np.inf]).fit(X, y)
    >>> model.epsilon_, model.coef_.round(1).tolist()
    (1.345, [3.0])
    """

    def __init__(
        self,
        *,
        epsilons: Any = None,
        alphas: Any = None,
        cv: Any = None,
        scoring: Any = None,
        one_standard_error: bool = False,
        n_jobs: int | None = None,
        scale: str | float = "l1",
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-8,
        solver: str = "auto",
    ) -> None:
        self.epsilons = epsilons
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.one_standard_error = one_standard_error
        self.n_jobs = n_jobs
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver

    def _check_parameters(self) -> None:
        check_bool(self, "one_standard_error")
        model = HuberRegressor(**{name: getattr(self, name) for name in PASSED_ON})
        if isinstance(self.scale, str) and self.scale == "concomitant":
            model.epsilon = 1.345
        model._check_parameters()

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit the grid on every fold, choose, and keep the choice's fit to all rows.

        A callback that asks to stop ends the search after the candidate it was told of; the choice
        is then among those scored.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite numbers of any scale.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights, in fits and in scores.
        groups : array-like of shape (n_samples,), optional
            Passed on to `cv`, for splitters such as ``GroupKFold`` that keep groups together.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a grid is empty or a value of it out of range, a fold has too few rows, a score is not
            a finite number, or the input is not finite, not numeric or of the wrong shape.
        """
        self._check_parameters()
        refuse_lazy(type(self).__name__, groups=groups)
        epsilons = threshold_grid(self, "epsilons", self.epsilons)
        alphas = [0.0] if self.alphas is None else self.alphas
        alphas = check_grid("alphas", alphas, low=0.0, closed=True, finite=True)
        points = [{"epsilon": e, "alpha": a} for a in alphas.tolist() for e in epsilons.tolist()]
        rows, target = self._read(X, y)
        weight, mass = self._weigh(target, sample_weight)
        model = HuberRegressor(**{name: getattr(self, name) for name in PASSED_ON})
        model.epsilon = epsilons[0]
        given = None
        if sample_weight is not None:
            given = np.broadcast_to(np.asarray(sample_weight, dtype=float), target.shape)
        splits = checked_splits(self.cv, rows, target, weight, groups)
        score = scorer_of(self, given is not None)
        fits: list[dict[str, Any]] = []
        scores: list[list[float]] = []
        progress = Progress(
            self, X, y, sample_weight, lambda _: fits[-1], task="candidate", total=len(points)
        )
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel, blas_aside():
            lead = Walk(model, Table(rows, target, weight, mass))
            folds = [Fold(lead, rows, target, given, *split) for split in splits]
            for point in points:
                lead.step(point)
                fits.append(point | lead.summary())
                lead.guide()
                scores.append(parallel(delayed(fold.score)(point, score) for fold in folds))
                refuse_infinite_scores(point, scores[-1])
                if progress.tell(None):
                    break
        self._choose(lead, folds, fits, np.array(scores))
        progress.end()
        reached = [found for walk in (lead, *folds) for found in walk.reached]
        if not progress.stopped:
            warn_unsolved(type(self).__name__, reached, self)
        return self

    def _chosen(self) -> HuberRegressor:
        """Return the regressor that was chosen, fitted."""
        model = HuberRegressor(**{name: getattr(self, name) for name in PASSED_ON})
        model.set_params(epsilon=self.epsilon_, alpha=self.alpha_)
        model.coef_, model.intercept_, model.scale_ = self.coef_, self.intercept_, self.scale_
        return model

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        return self._chosen()._estimate(y, weight, total)

    def _refit(self) -> LinearModel:
        return self._chosen()._refit()

    def _choose(
        self, lead: Walk, folds: list[Fold], fits: list[dict[str, Any]], scores: Array
    ) -> None:
        """Store the table of candidates, and the fit of the best."""
        self.n_splits_ = len(folds)
        self.cv_results_ = table_of(fits, scores)
        mean, error = self.cv_results_["mean_test_score"], self.cv_results_["standard_error"]
        best = int(np.argmax(mean))
        if self.one_standard_error:
            near = np.flatnonzero(mean >= mean[best] - error[best])
            epsilon = self.cv_results_["param_epsilon"][near]
            near = near[epsilon == epsilon.min()]
            best = int(near[np.argmax(mean[near])])
        self.best_index_, self.best_score_ = best, float(mean[best])
        self.coef_path_ = np.array([fit["coef_"] for fit in fits])
        self.epsilon_, self.alpha_ = fits[best]["epsilon"], fits[best]["alpha"]
        chosen = lead.restored(fits[best])
        names = ("coef_", "intercept_", "scale_", "delta_", "outliers_", "weights_", "optimality_")
        for name in names:
            setattr(self, name, getattr(chosen, name))
        self.n_iter_ = max(fits[best]["n_iter_"], 1)


class Fold(Walk):
    """The training rows of a fold on their way along the grid, and the score on its test rows."""

    def __init__(
        self, lead: Walk, X: Any, y: Array, given: Array | None, train: Array, test: Array
    ) -> None:
        super().__init__(lead.model, lead.table, lead, train)
        self.test = X[test], y[test], None if given is None else given[test]

    def score(self, point: dict[str, float], score: Callable[..., float]) -> float:
        """Fit at a point of the grid; return the score on the test rows."""
        self.step(point)
        return float(score(self.model, *self.test))


def refuse_infinite_scores(point: dict[str, float], scores: list[float]) -> None:
    """Refuse scores that no mean over the folds can be made of."""
    for k, value in enumerate(scores):
        if not math.isfinite(value):
            word = "NaN" if math.isnan(value) else str(value)
            raise ValueError(f"The scorer returned {word} for {point} in fold {k} of cv.")


def checked_splits(
    cv: Any, X: Any, y: Array, weight: Array | None, groups: Any = None
) -> list[tuple[Array, Array]]:
    """Return the folds as rows, each with enough of positive weight.

    Raises
    ------
    ValueError
        If there are no folds, or one has too few rows.
    """
    n = len(y)
    counted = np.ones(n, dtype=bool) if weight is None else weight > 0
    splits = []
    for k, split in enumerate(check_cv(cv).split(X, y, groups)):
        train, test = (np.arange(n)[part] for part in split)
        n_train, n_test = (np.count_nonzero(counted[part]) for part in (train, test))
        if n_train < 2 or n_test < 1:
            raise ValueError(
                f"Fold {k} of cv is too small: of its rows with a positive weight {n_train} are to fit "
                f"on and {n_test} to score. At least 2 and 1 are needed: choose fewer folds."
            )
        splits.append((train, test))
    if not splits:
        raise ValueError("cv gives no folds.")
    return splits


def scorer_of(estimator: HuberRegressorCV, weighted: bool) -> Callable[..., float]:
    """Return ``score(model, X, y, weight)``, with the weight left out where it is not taken."""
    if estimator.scoring is None:
        return _neg_median_absolute_error
    if not isinstance(estimator.scoring, str) and not callable(estimator.scoring):
        raise complain(estimator, "scoring", "one scorer's name, a callable or None")
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    names = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    if weighted and "sample_weight" in names:
        return lambda model, X, y, weight: scorer(model, X, y, sample_weight=weight)
    return lambda model, X, y, weight: scorer(model, X, y)


def _neg_median_absolute_error(model: Any, X: Any, y: Array, weight: Array | None) -> float:
    return -weighted_median(np.abs(y - model._decision(X)), weight)  # rows checked already


def table_of(fits: list[dict[str, Any]], scores: Array) -> dict[str, Array]:
    """Return columns of candidates in the manner of a grid search."""
    columns: dict[str, Array] = {
        f"param_{name}": np.array([fit[name] for fit in fits]) for name in ("epsilon", "alpha")
    }
    columns |= {f"split{k}_test_score": column for k, column in enumerate(scores.T)}
    n_folds = scores.shape[1]
    spread = scores.std(axis=1, ddof=1) if n_folds > 1 else np.zeros(len(scores))
    mean = scores.mean(axis=1)
    columns["mean_test_score"] = mean
    columns["std_test_score"] = scores.std(axis=1)
    columns["standard_error"] = spread / math.sqrt(n_folds)
    columns["rank_test_score"] = rankdata(-mean, method="min").astype(np.int32)
    for name in ("scale", "delta", "n_outliers", "optimality"):
        columns[name] = np.array([fit[f"{name}_"] for fit in fits])
    return columns
