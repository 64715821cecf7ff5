"""Pictures of a search for the threshold."""

from __future__ import annotations

import re
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from robustreg._array import Array
from robustreg.model_selection import RegularizationPath, regularization_path
from robustreg.plotting._axes import (
    MARK,
    axes_for,
    final_step,
    finite_places,
    label_lines,
    threshold_axis,
)

#: coefficients that are drawn in colour and named, the largest first
NAMED = 10


class DeltaCurveDisplay:
    """Cross-validated score, scale and number of outliers against the threshold.

    Parameters
    ----------
    epsilon : array of shape (n_epsilons,)
        Thresholds.
    score : array of shape (n_epsilons,)
        Mean scores over the folds.
    error : array of shape (n_epsilons,)
        Their standard errors.
    chosen : float
        The chosen threshold.
    scale : array of shape (n_epsilons,), default=None
        Sigmas of the fits to all rows.
    n_outliers : array of shape (n_epsilons,), default=None
        Numbers of rows that they flag.
    name : str, default="epsilon"
        What the threshold is called.

    Attributes
    ----------
    ax_ : Axes or array of Axes
        Score, scale, outliers; the score alone where no more is known.
    figure_ : Figure
        What they are part of.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from robustreg import HuberRegressorCV
    >>> from robustreg.plotting import DeltaCurveDisplay
    >>> search = HuberRegressorCV(epsilons=[0.5, 1.0, 2.0]).fit(*load_diabetes(return_X_y=True))
    >>> DeltaCurveDisplay.from_estimator(search).ax_.shape
    (3,)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        epsilon: Array,
        score: Array,
        error: Array,
        *,
        chosen: float,
        scale: Array | None = None,
        n_outliers: Array | None = None,
        name: str = "epsilon",
    ) -> None:
        self.epsilon = epsilon
        self.score = score
        self.error = error
        self.chosen = chosen
        self.scale = scale
        self.n_outliers = n_outliers
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, y: Any = None, *, ax: Any = None
    ) -> Self:
        """Draw a fitted search.

        Parameters
        ----------
        estimator : HuberRegressorCV or GridSearchCV
            Fitted. A grid search must have had an ``epsilon`` or a ``delta`` in its grid; its other
            parameters are held at their best. Of several scores that of ``refit`` is drawn.
        X : array-like of shape (n_samples, n_features), default=None
            For a grid search: with y, what to fit its candidates to for scales and outliers.
        y : array-like of shape (n_samples,), default=None
            Targets.
        ax : Axes or array of Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : DeltaCurveDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        ValueError
            If the search had no threshold in its grid, or several scores of which ``refit`` names none.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        results = estimator.cv_results_
        metric = "score"
        if getattr(estimator, "multimetric_", False):
            metric = estimator.refit
            if not isinstance(metric, str):
                raise ValueError(
                    f"The search has several scores and refit={metric!r} does not say which to draw: "
                    "set refit to the name of one."
                )
        if not hasattr(estimator, "best_params_"):
            rows = _sorted_rows(results, "param_epsilon", {"param_alpha": estimator.alpha_})
            columns = {key: np.asarray(results[key])[rows] for key in ("scale", "n_outliers")}
            name, chosen = "epsilon", estimator.epsilon_
        else:
            name = _threshold_name(estimator.best_params_)
            chosen = estimator.best_params_[name]
            others = {f"param_{k}": v for k, v in estimator.best_params_.items() if k != name}
            rows = _sorted_rows(results, f"param_{name}", others)
            columns = {}
            if X is not None:
                columns = _refits(estimator, name, np.asarray(results[f"param_{name}"])[rows], X, y)
        folds = [key for key in results if re.fullmatch(rf"split\d+_test_{re.escape(metric)}", key)]
        scores = np.array([results[key] for key in folds], dtype=float)[:, rows]
        error = scores.std(axis=0, ddof=min(1, len(folds) - 1)) / np.sqrt(len(folds))
        epsilon = np.asarray(results[f"param_{name}"])[rows].astype(float)
        display = cls(
            epsilon, scores.mean(axis=0), error, chosen=float(chosen), name=name, **columns
        )
        return display.plot(ax)

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw a panel for the score and one for each thing more that is known.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Where to draw; a new figure by default.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        display : DeltaCurveDisplay
            With `ax_` and `figure_`.
        """
        panels = {"score ± 1 SE": self.score, "scale": self.scale, "outliers": self.n_outliers}
        panels = {label: values for label, values in panels.items() if values is not None}
        n = len(panels)
        axes = axes_for(self, ax, n, size=(6.0, 1.4 + 1.5 * n), stacked=True)
        x = finite_places(self.epsilon)
        chosen = x[np.argmin(np.abs(x - min(self.chosen, x.max())))]
        kw = {"marker": "o", "ms": 3, "color": "tab:blue"} | (line_kw or {})
        for panel, (label, values) in zip(axes, panels.items(), strict=True):
            panel.plot(x, values, **kw)
            panel.axvline(chosen, color=MARK, lw=1)
            panel.set_ylabel(label)
        axes[0].fill_between(x, self.score - self.error, self.score + self.error, alpha=0.2, lw=0)
        axes[0].set_title(f"chosen: {self.name} = {self.chosen:.3g}", color=MARK, fontsize="medium")
        if self.n_outliers is not None:
            from matplotlib.ticker import MaxNLocator

            axes[-1].yaxis.set_major_locator(MaxNLocator(integer=True))
        threshold_axis(axes[-1], self.epsilon, self.name)
        return self


class CoefficientPathDisplay:
    """Coefficients against the threshold, or against the strength of the penalty.

    Parameters
    ----------
    epsilon : array of shape (n_epsilons,)
        Thresholds in units of the scale, or strengths, in rising order.
    coef : array of shape (n_epsilons, n_features)
        Coefficients.
    names : sequence of str, default=None
        Names of the features; x0, x1 and so on by default.
    chosen : float, default=None
        A threshold, or a strength, to mark.
    parameter : {"epsilon", "alpha"}, default="epsilon"
        What they are drawn against. Strengths fall from left to right, as more coefficients leave zero.

    Attributes
    ----------
    ax_ : Axes
        Where the lines are.
    figure_ : Figure
        What it is part of.

    Examples
    --------
    >>> from robustreg import huber_path
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.plotting import CoefficientPathDisplay
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> display = CoefficientPathDisplay.from_path(huber_path(X, y), names=X.columns)
    >>> len(display.ax_.lines)
    3

    Along alpha, from an estimator and its rows:

    >>> from robustreg import L1Regressor
    >>> display = CoefficientPathDisplay.from_estimator(L1Regressor(l1_ratio=1.0), X, y, n_alphas=10)
    >>> display.ax_.get_xlabel()
    'alpha'
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        epsilon: Array,
        coef: Array,
        *,
        names: Any = None,
        chosen: float | None = None,
        parameter: str = "epsilon",
    ) -> None:
        self.epsilon = epsilon
        self.coef = coef
        self.names = names
        self.chosen = chosen
        self.parameter = parameter

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        alphas: Any = None,
        l1_ratio: float | None = None,
        n_alphas: int = 100,
        sample_weight: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw the coefficients of a fitted HuberRegressorCV, or those of any estimator along alpha.

        Parameters
        ----------
        estimator : HuberRegressorCV or estimator
            Without X a fitted HuberRegressorCV, which may be the last step of a pipeline: its coefficients
            at the penalty it chose. With X and y any linear estimator with `alpha` and `l1_ratio`, which is
            fitted along its penalty; where it is fitted already its alpha is marked.
        X : array-like of shape (n_samples, n_features), default=None
            Rows.
        y : array-like of shape (n_samples,), default=None
            Targets.
        alphas, l1_ratio, n_alphas, sample_weight : array-like, float, int and array-like
            As of :func:`~robustreg.model_selection.regularization_path`.
        ax : Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : CoefficientPathDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        if X is not None:
            path = regularization_path(
                estimator, X, y, alphas=alphas, l1_ratio=l1_ratio, n_alphas=n_alphas,
                sample_weight=sample_weight,
            )  # fmt: skip
            chosen = float(estimator.alpha) if hasattr(estimator, "coef_") else None
            return cls._along_alpha(path, chosen=chosen).plot(ax)
        check_is_fitted(estimator)
        names = None
        if hasattr(estimator, "steps"):
            names = estimator[:-1].get_feature_names_out()
        model = final_step(estimator)
        results = model.cv_results_
        rows = _sorted_rows(results, "param_epsilon", {"param_alpha": model.alpha_})
        names = getattr(model, "feature_names_in_", names)
        epsilon = results["param_epsilon"][rows]
        display = cls(epsilon, model.coef_path_[rows], names=names, chosen=model.epsilon_)
        return display.plot(ax)

    @classmethod
    def from_path(cls, path: Any, *, names: Any = None, ax: Any = None) -> Self:
        """Draw what ``huber_path`` or ``regularization_path`` returned.

        Parameters
        ----------
        path : HuberPath or RegularizationPath
            Thresholds, or strengths, and coefficients. Of several outputs each has its lines.
        names : sequence of str, default=None
            Names of the features.
        ax : Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : CoefficientPathDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if isinstance(path, RegularizationPath):
            return cls._along_alpha(path, names=names).plot(ax)
        order = np.argsort(path.epsilon, kind="stable")
        return cls(path.epsilon[order], path.coef[order], names=names).plot(ax)

    @classmethod
    def _along_alpha(
        cls, path: RegularizationPath, names: Any = None, chosen: float | None = None
    ) -> Self:
        """Return the display of a path along alpha; alpha=0 has no place on its logarithmic axis."""
        kept = np.flatnonzero(path.alphas > 0)[::-1]
        coef = path.coefficients[kept].reshape(len(kept), -1)
        names = path.feature_names if names is None else names
        if path.outputs is not None:
            names = [f"{output}: {name}" for output in path.outputs for name in names]
        return cls(path.alphas[kept], coef, names=names, chosen=chosen, parameter="alpha")

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw a line for each coefficient, the largest in colour and named.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; a new figure by default.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        display : CoefficientPathDisplay
            With `ax_` and `figure_`.
        """
        (panel,) = axes_for(self, ax, 1, size=(7.0, 4.0))
        x, n = finite_places(self.epsilon), self.coef.shape[1]
        names = [f"x{j}" for j in range(n)] if self.names is None else list(map(str, self.names))
        named = np.argsort(-np.abs(self.coef).max(axis=0), kind="stable")[:NAMED]
        colors = {j: f"C{i}" for i, j in enumerate(named)}
        for j in range(n):
            kw = {"color": colors.get(j, "0.8"), "lw": 1.5} | (line_kw or {})
            panel.plot(x, self.coef[:, j], **kw)
        threshold_axis(panel, self.epsilon, self.parameter)
        panel.set_ylabel("coefficient")
        last, end = -1, float(x.max())
        if self.parameter == "alpha":
            panel.invert_xaxis()
            last, end = 0, float(x.min())
        label_lines(
            panel, end, [float(self.coef[last, j]) for j in named],
            [names[j] for j in named], [colors[j] for j in named],
        )  # fmt: skip
        if self.chosen is not None:
            place = x[np.argmin(np.abs(x - min(self.chosen, x.max())))]
            panel.axvline(place, color=MARK, lw=1, zorder=0)
            title = f"chosen: {self.parameter} = {self.chosen:.3g}"
            panel.set_title(title, color=MARK, fontsize="medium")
        return self


def _sorted_rows(results: dict[str, Any], name: str, others: dict[str, Any]) -> Array:
    """Return the candidates with the given values, in the order of the threshold."""
    kept = np.ones(len(results[name]), dtype=bool)
    for key, value in others.items():
        kept &= np.array([candidate == value for candidate in results[key]])
    rows = np.flatnonzero(kept)
    return rows[np.argsort(np.asarray(results[name])[rows].astype(float), kind="stable")]


def _threshold_name(params: dict[str, Any]) -> str:
    for name in params:
        if name.rpartition("__")[2] in ("epsilon", "delta"):
            return name
    raise ValueError(f"The search has no epsilon and no delta in its grid, only {sorted(params)}.")


def _refits(search: Any, name: str, values: Array, X: Any, y: Any) -> dict[str, Array]:
    """Scale and outlier count of the best estimator at each threshold."""
    fits = [
        final_step(clone(search.best_estimator_).set_params(**{name: value}).fit(X, y))
        for value in values
    ]
    return {
        "scale": np.array([fit.scale_ for fit in fits]),
        "n_outliers": np.array([np.count_nonzero(fit.outliers_) for fit in fits]),
    }
