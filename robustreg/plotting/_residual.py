"""The picture of the residuals of a fit."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from robustreg._array import Array
from robustreg.plotting._axes import MARK, axes_for, final_step
from robustreg.scales import OUTLYING, mad

#: flagged rows that are named in the picture, the farthest first
NAMED = 8


class ResidualDisplay:
    """Standardised residuals against fitted values, and against normal quantiles.

    Parameters
    ----------
    fitted : array of shape (n_samples,)
        Predictions.
    residual : array of shape (n_samples,)
        Residuals divided by the scale.
    threshold : float
        Rows whose standardised residual is larger are flagged.
    names : array of shape (n_samples,), default=None
        Names of the rows; their numbers by default.

    Attributes
    ----------
    ax_ : array of two Axes
        Residuals against fitted values, and the QQ plot.
    figure_ : Figure
        What they are part of.

    References
    ----------
    Rousseeuw, P. J. and Leroy, A. M. (1987). Robust Regression and Outlier Detection, chapter 2.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_phones
    >>> from robustreg.plotting import ResidualDisplay
    >>> phones = load_phones()
    >>> X, y = phones[["year"]], phones["calls"]
    >>> model = HuberRegressor().fit(X, y)
    >>> display = ResidualDisplay.from_estimator(model, X, y)
    >>> int(display.flagged.sum())
    10
    """

    ax_: Any
    figure_: Any

    def __init__(
        self, fitted: Array, residual: Array, *, threshold: float, names: Any = None
    ) -> None:
        self.fitted = fitted
        self.residual = residual
        self.threshold = threshold
        self.names = names

    @property
    def flagged(self) -> Array:
        """Which rows are flagged."""
        return np.abs(self.residual) > self.threshold

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, threshold: float | None = None, ax: Any = None
    ) -> Self:
        """Draw the residuals of a fitted regressor.

        Parameters
        ----------
        estimator : estimator
            Fitted; a pipeline or a search with a regressor at its end will do.
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,)
            Their targets.
        threshold : float, default=None
            In units of the scale; by default 2.5758, beyond which 1 % of normal rows are.
        ax : array of two Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : ResidualDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        model = final_step(estimator)
        scale = getattr(model, "scale_", None)
        if hasattr(model, "_of_errors") and scale is not None:
            scale = model._of_errors(scale)
        threshold = OUTLYING if threshold is None else threshold
        return cls.from_predictions(
            y, estimator.predict(X), scale=scale, threshold=threshold, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        scale: float | None = None,
        threshold: float = OUTLYING,
        ax: Any = None,
    ) -> Self:
        """Draw the residuals of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Targets; the index of a series names the rows.
        y_pred : array-like of shape (n_samples,)
            Predictions.
        scale : float, default=None
            What to divide residuals by; by default, or if 0, their MAD.
        threshold : float, default=2.5758
            Rows whose residual exceeds this many scales are flagged.
        ax : array of two Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : ResidualDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are several outputs.
        """
        fitted = np.asarray(y_pred, dtype=float)
        residual = np.asarray(y_true, dtype=float) - fitted
        if residual.ndim != 1:
            raise ValueError(
                f"The residuals of one output are drawn. Got shape {residual.shape}: pass model.output(j) and "
                "one column of y."
            )
        scale = scale or mad(residual) or 1.0
        names = np.asarray(y_true.index) if hasattr(y_true, "index") else None
        return cls(fitted, residual / scale, threshold=threshold, names=names).plot(ax)

    def plot(self, ax: Any = None, *, scatter_kw: dict[str, Any] | None = None) -> Self:
        """Draw both panels.

        Parameters
        ----------
        ax : array of two Axes, default=None
            Where to draw; a new figure by default.
        scatter_kw : dict, default=None
            Passed to ``ax.scatter`` for the rows that are not flagged.

        Returns
        -------
        display : ResidualDisplay
            With `ax_` and `figure_`.
        """
        left, right = axes_for(self, ax, 2, size=(8.4, 3.6))
        order = np.argsort(self.residual, kind="stable")
        n = len(order)
        quantile = np.empty(n)
        quantile[order] = ndtri((np.arange(n) + 0.5) / n)
        for panel, x in ((left, self.fitted), (right, quantile)):
            self._rows(panel, x, scatter_kw or {})
        for edge in (-self.threshold, self.threshold):
            left.axhline(edge, color="0.6", ls=":", lw=1)
        left.axhline(0, color="0.6", lw=1)
        right.axline((0, 0), slope=1, color="0.6", lw=1)
        count = int(self.flagged.sum())
        left.set(
            xlabel="fitted value",
            ylabel="residual / scale",
            title=f"{count} of {n} rows beyond {self.threshold:.3g} scales",
        )
        right.set(xlabel="normal quantile", ylabel="residual / scale", title="normal QQ")
        return self

    def _rows(self, ax: Any, x: Array, scatter_kw: dict[str, Any]) -> None:
        flagged = self.flagged
        ax.scatter(
            x[~flagged], self.residual[~flagged], **({"s": 14, "color": "0.35"} | scatter_kw)
        )
        ax.scatter(x[flagged], self.residual[flagged], s=22, color=MARK, marker="x")
        farthest = np.argsort(-np.abs(self.residual), kind="stable")[
            : min(NAMED, int(flagged.sum()))
        ]
        ax.margins(0.1)
        low, high = x.min(), x.max()
        for place, i in enumerate(np.sort(farthest)):
            name = i if self.names is None else self.names[i]
            # neighbours are named on different sides, and those near an edge on the inner one
            at = (x[i] - low) / (high - low) if high > low else 0.5
            inner = 0 if at > 0.9 else 1 if at < 0.1 else place % 2
            side, offset = (("right", (-5, 4)), ("left", (5, -5)))[inner]
            ax.annotate(
                str(name), (x[i], self.residual[i]), xytext=offset, ha=side, va="center",
                textcoords="offset points", fontsize="x-small", color=MARK,
            )  # fmt: skip
