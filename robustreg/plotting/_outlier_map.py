"""The picture of residuals against distances of the rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from robustreg.inference import influence
from robustreg.inference._influence import FAR_RESIDUAL, KINDS, far_distance
from robustreg.plotting._axes import MARK, axes_for

#: rows that are named in the picture, the farthest first
NAMED = 12
COLORS = dict(zip(KINDS, ("0.35", "tab:orange", "tab:blue", MARK), strict=True))
MARKERS = dict(zip(KINDS, ("o", "^", "s", "x"), strict=True))


class OutlierMapDisplay:
    """Standardised residuals against robust distances: outliers and leverage points of both kinds.

    Rows far to the right are leverage points: good ones lie near the fit, bad ones do not. Rows above or
    below the band are outliers of y.

    Parameters
    ----------
    frame : pandas.DataFrame
        What :func:`~robustreg.inference.influence` returns.
    n_columns : int
        Columns of X, which decide the distance beyond which a row is a leverage point.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        What it is part of.

    References
    ----------
    Rousseeuw, P. J. and van Zomeren, B. C. (1990). Unmasking multivariate outliers and leverage points.
    Journal of the American Statistical Association 85, 633-651.

    Examples
    --------
    >>> from robustreg import RobustRegressor
    >>> from robustreg.datasets import load_phones
    >>> from robustreg.plotting import OutlierMapDisplay
    >>> phones = load_phones()
    >>> X, y = phones[["year"]], phones["calls"]
    >>> model = RobustRegressor(loss="tukey").fit(X, y)
    >>> display = OutlierMapDisplay.from_estimator(model, X, y)
    >>> display.frame.index[display.frame["kind"] == "vertical outlier"].tolist()
    [14, 15, 16, 17, 18, 19, 20]
    """

    ax_: Any
    figure_: Any

    def __init__(self, frame: pd.DataFrame, *, n_columns: int) -> None:
        self.frame = frame
        self.n_columns = n_columns

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, ax: Any = None
    ) -> Self:
        """Draw the rows that a regressor was fitted to.

        Parameters
        ----------
        estimator : estimator
            Fitted; a pipeline or a search with a regressor at its end will do.
        X : array-like of shape (n_samples, n_features)
            Rows; the index of a data frame names them.
        y : array-like of shape (n_samples,)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights that it was fitted with.
        ax : Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : OutlierMapDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        frame = influence(estimator, X, y, sample_weight=sample_weight)
        return cls(frame, n_columns=frame.attrs["n_columns"]).plot(ax)

    def plot(self, ax: Any = None, *, scatter_kw: dict[str, Any] | None = None) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; a new figure by default.
        scatter_kw : dict, default=None
            Passed to ``ax.scatter`` for the regular rows.

        Returns
        -------
        display : OutlierMapDisplay
            With `ax_` and `figure_`.
        """
        (ax,) = axes_for(self, ax, 1, size=(6.4, 4.4))
        frame = self.frame.dropna(subset=["standardised_residual", "robust_distance"])
        for kind in KINDS:
            part = frame[frame["kind"] == kind]
            look = {"s": 22, "color": COLORS[kind], "marker": MARKERS[kind]}
            look |= (scatter_kw or {}) if kind == KINDS[0] else {}
            label = f"{kind} ({len(part)})"
            ax.scatter(part["robust_distance"], part["standardised_residual"], label=label, **look)
        for edge in (-FAR_RESIDUAL, FAR_RESIDUAL):
            ax.axhline(edge, color="0.6", ls=":", lw=1)
        ax.axhline(0, color="0.8", lw=0.8, zorder=0)
        ax.axvline(far_distance(self.n_columns), color="0.6", ls=":", lw=1)
        ax.margins(0.1)
        ax.set_xlim(left=0)
        self._scale(ax, frame)
        self._regions(ax)
        self._name(ax, frame)
        ax.set(xlabel="robust distance of the row of X", ylabel="residual / scale")
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small"
        )
        return self

    def _scale(self, ax: Any, frame: pd.DataFrame) -> None:
        """Compress what lies far beyond the cut-offs, so that the band stays visible."""
        if frame["standardised_residual"].abs().max() > 20 * FAR_RESIDUAL:
            ax.set_yscale("symlog", linthresh=2 * FAR_RESIDUAL)
            ax.yaxis.set_major_formatter("{x:g}")
        if frame["robust_distance"].max() > 8 * far_distance(self.n_columns):
            ax.set_xscale("symlog", linthresh=2 * far_distance(self.n_columns))
            ax.xaxis.set_major_formatter("{x:g}")

    def _regions(self, ax: Any) -> None:
        """Name the four regions of the map."""
        look = {"fontsize": "small", "color": "0.55", "style": "italic", "zorder": 0}
        band = ax.get_yaxis_transform()
        for x, side, outside, inside in (
            (0.01, "left", KINDS[1], KINDS[0]), (0.99, "right", KINDS[3], KINDS[2]),
        ):  # fmt: skip
            ax.text(x, 0.985, outside, transform=ax.transAxes, ha=side, va="top", **look)
            ax.text(x, 0.015, outside, transform=ax.transAxes, ha=side, va="bottom", **look)
            ax.text(x, -FAR_RESIDUAL, inside, transform=band, ha=side, va="bottom", **look)

    def _name(self, ax: Any, frame: pd.DataFrame) -> None:
        """Write the names of the rows that are not regular, the farthest first."""
        others = frame[frame["kind"] != KINDS[0]]
        away = np.hypot(
            others["standardised_residual"].to_numpy() / FAR_RESIDUAL,
            others["robust_distance"].to_numpy() / far_distance(self.n_columns),
        )
        ax.autoscale_view()  # limits are found when they are asked for, and transData does not ask
        taken: list[tuple[float, float]] = []
        order = np.argsort(-away, kind="stable")
        for i in order:
            row, name = others.iloc[i], others.index[i]
            point = row["robust_distance"], row["standardised_residual"]
            x, y = ax.transAxes.inverted().transform(ax.transData.transform(point))
            if len(taken) == NAMED or any(
                abs(x - a) < 0.06 and abs(y - b) < 0.06 for a, b in taken
            ):
                continue
            taken.append((x, y))
            left = x > 0.5
            ax.annotate(
                str(name), point, xytext=(-3 if left else 3, 4), ha="right" if left else "left",
                textcoords="offset points", fontsize="x-small", color=COLORS[row["kind"]],
                va="bottom",
            )  # fmt: skip
