"""Fits along strengths of the penalty, from the one at which all coefficients are zero."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot

from robustreg._array import Array
from robustreg.estimators._sequence import FitSequence
from robustreg.estimators._validation import check_integer, level_of_user
from robustreg.model_selection._kinked_pull import gradient_about, slopes_on_kinks
from robustreg.model_selection._path import Reached, check_grid, warn_unsolved
from robustreg.penalties._applied import Applied

#: smallest strength of the default grid, as a share of the largest: that of scikit-learn and glmnet
SMALLEST = 1e-3
#: rounding of a gradient, as a share of it, and a bracket of the largest strength where fits have to find it
ROUNDING, EXACT = 1e-12, 1e-9
#: a strength that is none, as a share of the first guess
TINY = 1e-12


@dataclass(frozen=True)
class RegularizationPath:
    """Fits along strengths of the penalty, as `regularization_path` returns them.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
        Strengths, the largest first.
    coefficients : array of shape (n_alphas, n_features) or (n_alphas, n_outputs, n_features)
        Coefficients; outputs are classes, labels or outcomes.
    intercept : array of shape (n_alphas,) or (n_alphas, n_outputs)
        Intercepts.
    scale : array of shape (n_alphas,)
        Scales, NaN for estimators without one.
    gap : array of shape (n_alphas,)
        `optimality_` of each fit: the relative duality gap wherever there is one.
    df : array of shape (n_alphas,)
        Degrees of freedom: the number of coefficients that are not zero (Zou, Hastie and Tibshirani, 2007).
    alpha_max : float
        The smallest strength at which every penalised coefficient is zero; infinite without an L1 part.
    feature_names : tuple of str
        Names of the features.
    outputs : tuple or None
        What the outputs are, None of a single one.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.model_selection import regularization_path
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> path = regularization_path(HuberRegressor(), X, y, l1_ratio=1.0, n_alphas=5)
    >>> path.to_frame().columns.tolist()
    ['air_flow', 'water_temp', 'acid_conc', 'intercept', 'scale', 'gap', 'df']
    >>> path.df.tolist()
    [0, 1, 3, 3, 3]
    """

    alphas: Array
    coefficients: Array
    intercept: Array
    scale: Array
    gap: Array
    df: Array
    alpha_max: float
    feature_names: tuple[str, ...]
    outputs: tuple[Any, ...] | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the path with a row for each strength, and of several outputs for each of them.

        Returns
        -------
        frame : pandas.DataFrame
            Coefficients by the names of the features, then intercept, scale, gap and df. Its index is alpha,
            or alpha and output.
        """
        n, p = len(self.alphas), len(self.feature_names)
        count = 1 if self.outputs is None else len(self.outputs)
        index: pd.Index = pd.Index(self.alphas, name="alpha")
        if self.outputs is not None:
            index = pd.MultiIndex.from_product(
                [self.alphas, self.outputs], names=["alpha", "output"]
            )
        frame = pd.DataFrame(
            self.coefficients.reshape(n * count, p), index=index, columns=list(self.feature_names)
        )
        frame["intercept"] = self.intercept.reshape(-1)
        for name in ("scale", "gap", "df"):
            frame[name] = np.repeat(getattr(self, name), count)
        return frame


def regularization_path(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    alphas: Any = None,
    l1_ratio: float | None = None,
    n_alphas: int = 100,
    sample_weight: Any = None,
) -> RegularizationPath:
    """Fit an estimator along strengths of its penalty, each fit started from the last.

    Every fit is the one of the estimator itself at that `alpha`, with its certificate. A loss or a penalty that is
    not convex has no warm starts, because they would lead to other minima.

    Parameters
    ----------
    estimator : estimator
        Any linear estimator of this package with `alpha` and `l1_ratio`. It is not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Finite numbers of any scale.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    alphas : array-like of shape (n_alphas,), default=None
        Strengths; by default ``n_alphas`` of them, evenly spaced in their logarithm, from `alpha_max` to a
        thousandth of it.
    l1_ratio : float, default=None
        In place of the estimator's own.
    n_alphas : int, default=100
        How many strengths the default grid has.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    RegularizationPath
        Arrays by name, the largest strength first; ``to_frame()`` makes a data frame of them.

    Raises
    ------
    TypeError
        If the estimator is none of this package with these parameters.
    ValueError
        If a parameter is out of range, or the penalty has no L1 part and ``alphas`` are not given: then no
        strength makes coefficients zero.

    See Also
    --------
    robustreg.plotting.CoefficientPathDisplay : Draws it.
    PathSearchCV : Chooses a strength by cross-validation.

    References
    ----------
    Friedman, J., Hastie, T. and Tibshirani, R. (2010). Regularization paths for generalized linear models
    via coordinate descent. Journal of Statistical Software 33(1). Zou, H., Hastie, T. and Tibshirani, R. (2007).
    On the degrees of freedom of the lasso. Annals of Statistics 35, 2173-2192.

    Examples
    --------
    >>> from robustreg import LogisticClassifier
    >>> from robustreg.model_selection import regularization_path
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]], [0, 0, 1, 1]
    >>> path = regularization_path(LogisticClassifier(), X, y, l1_ratio=1.0, n_alphas=3)
    >>> path.alpha_max
    2.0
    >>> path.df.tolist()
    [0, 1, 1]
    """
    params = estimator.get_params(deep=False) if FitSequence.serves(estimator) else {}
    if not {"alpha", "l1_ratio"} <= set(params):
        raise TypeError(
            f"{type(estimator).__name__} has no path along alpha: pass a linear estimator of robustreg with "
            "alpha and l1_ratio that is fitted to X and y alone."
        )
    model: Any = clone(estimator)
    if l1_ratio is not None:
        model.set_params(l1_ratio=l1_ratio)
    model._check_parameters()
    grid = (
        None if alphas is None else check_grid("alphas", alphas, low=0.0, closed=True, finite=True)
    )
    if grid is None:
        _check_count(n_alphas)
    fits = _Fits(model, X, y, sample_weight)
    largest = fits.alpha_max()
    if grid is None:
        if not np.isfinite(largest):
            raise ValueError(
                "The penalty has no L1 part, so that no alpha makes coefficients zero: pass alphas, or "
                "l1_ratio above 0."
            )
        grid = largest * np.geomspace(1.0, SMALLEST, n_alphas)
    grid = np.sort(grid)[::-1]
    return fits.walk(grid, largest)


def _check_count(n_alphas: Any) -> None:
    """Refuse what is no number of strengths."""

    class Given:
        pass

    given: Any = Given()
    given.n_alphas = n_alphas
    check_integer(given, "n_alphas", 1)


class _Fits:
    """Fits of a model to the same rows at one strength after another."""

    def __init__(self, model: Any, X: Any, y: Any, sample_weight: Any) -> None:
        self.given = X, y, sample_weight
        self.sequence = FitSequence(model, X, y, sample_weight)
        self.model: Any = clone(model)
        self.notes: dict[str, Any] = {}

    def fit(self, alpha: float, cold: bool = False) -> Any:
        """Return the fit at a strength; what it warns of is kept."""
        if cold:
            self.sequence.forget()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = self.sequence.fit(alpha=float(alpha))
        self.notes |= {str(one.message): one for one in caught}
        return found

    def walk(self, grid: Array, alpha_max: float) -> RegularizationPath:
        """Return the fits at all strengths."""
        self.notes = {}
        names = ("coef_", "intercept_", "scale_", "optimality_")
        rows: list[list[Array]] = []
        reached: list[Reached] = []
        for alpha in grid.tolist():
            fitted = self.fit(alpha, cold=not rows)
            rows.append([np.array(getattr(fitted, name, np.nan), dtype=float) for name in names])
            reached.append(Reached.by(fitted))
        coef, intercept, scale, gap = (np.stack(column) for column in zip(*rows, strict=True))
        model: Any = self.sequence.model
        warn_unsolved("regularization_path", reached, model)
        for text, note in self.notes.items():
            if not (issubclass(note.category, ConvergenceWarning) and "optimality_ = " in text):
                warnings.warn(note.message, note.category, stacklevel=level_of_user())
        single = coef.ndim == 2 or coef.shape[1] == 1
        if single:
            coef, intercept = coef.reshape(len(grid), -1), intercept.reshape(len(grid))
        known = getattr(model, "feature_names_in_", None)
        p = coef.shape[-1]
        feature_names = (
            tuple(f"x{j}" for j in range(p)) if known is None else tuple(map(str, known))
        )
        outputs = None
        if not single:
            classes = np.asarray(getattr(model, "classes_", np.zeros((0, 0))))
            outputs = tuple(classes.tolist() if classes.ndim == 1 else range(coef.shape[1]))
        df = np.count_nonzero(coef.reshape(len(grid), -1), axis=1)
        return RegularizationPath(
            grid, coef, intercept, scale, gap, df, alpha_max, feature_names, outputs
        )

    def alpha_max(self) -> float:
        """Return the smallest strength at which every penalised coefficient is zero.

        The gradient of the fit without them says it where the loss is smooth and its scale does not depend on the
        strength, and with kinks the least of the gradients that there are. Fits confirm it, and find it by bisection where
        they do not.
        """
        guess, least, penalised = self._guess()
        if not np.isfinite(guess) or guess == 0:
            return guess

        def is_zero(alpha: float) -> bool:
            return not np.any(np.asarray(self.fit(alpha, cold=True).coef_)[..., penalised])

        for k in range(3):
            if is_zero(guess * (1 + k * ROUNDING)):
                guess *= 1 + k * ROUNDING
                if least:
                    return guess
                break
        low = high = guess
        share = EXACT
        while not is_zero(high):
            low, high, share = high, high * (1 + share), min(10 * share, 1.0)
        share = EXACT
        while low == high or is_zero(low):
            high, low, share = low, low * (1 - share), min(10 * share, 0.5)
            if low < TINY * guess:
                return 0.0
        while high - low > EXACT * high:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if is_zero(middle) else (middle, high)
        return high

    def _guess(self) -> tuple[float, bool, Array]:
        """Return what the gradient of the fit without penalised coefficients says, and which these are.

        And whether it is known to be the least of several gradients.
        """
        X, y, sample_weight = self.given
        model = self.model
        rows, target = self.sequence.read(X, y)
        p = rows.shape[1]
        given = model.penalty_weights
        weights = np.ones(p) if given is None else np.asarray(given, dtype=float)
        penalised = (weights > 0) & np.isfinite(weights)
        removed = np.where(weights > 0, np.inf, 0.0) if penalised.any() else weights
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            none: Any = self.sequence.fit(alpha=1.0, penalty_weights=removed)
        none.penalty_weights = given
        weight, mass = none._weigh(target, sample_weight)
        total = mass * len(target) if weight is None else mass * float(np.sum(weight))
        estimate = none._estimate(target, weight, total)
        penalty = estimate.penalty if estimate.penalty.by_column else Applied.to(estimate.penalty)
        coef = np.atleast_2d(none.coef_).T
        zero = np.zeros(
            coef.shape[0] if np.ndim(none.coef_) == 1 or len(none.coef_) == 1 else coef.shape
        )
        l1 = penalty.majoriser(zero).l1
        raw = np.asarray(safe_sparse_dot(rows, coef)) + none.intercept_
        raw = raw[:, 0] if raw.shape[1] == 1 else raw
        each = np.full(len(raw), mass) if weight is None else weight * mass
        with np.errstate(all="ignore"):
            slope = estimate.loss.value_gradient(estimate.target, raw, each, np.zeros(0))[1]
            if estimate.factor is not None and np.ndim(target) == 2:
                slope = slope * estimate.factor
        center = np.asarray(rows.mean(axis=0)).ravel() * bool(none.fit_intercept)
        labels = penalty.labels(p)
        kinks, least = estimate.loss.kinks(estimate.target), None
        if kinks is not None and labels is None and l1.ndim == 1 and raw.ndim == 1:
            least = slopes_on_kinks(
                kinks, raw, each, rows, center, np.where(penalised, l1, 0.0), weights == 0,
                intercept=none.fit_intercept, positive=penalty.positive,
            )  # fmt: skip
        gradient = gradient_about(rows, center, slope if least is None else least)
        size = -gradient if penalty.positive else np.abs(gradient)
        if labels is not None:
            square = np.square(gradient).reshape(p, -1).sum(axis=1)
            size = np.sqrt(np.bincount(labels, square))
            kept = np.bincount(labels, penalised) > 0
        else:
            kept = penalised if l1.ndim == 1 else np.repeat(penalised[:, None], l1.shape[1], axis=1)
        if not np.any(l1[kept] > 0) or not kept.any():
            return (0.0 if penalty.positive and not l1.any() else np.inf), False, penalised
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(max(np.max(size[kept] / l1[kept]), 0.0)), least is not None, penalised
