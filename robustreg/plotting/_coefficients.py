"""The picture of coefficients with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from robustreg._array import Array
from robustreg.inference._fit import INTERCEPT
from robustreg.inference._summary_table import SummaryTable
from robustreg.plotting._axes import axes_for

#: height of a row in inches, and how far apart the fits of a coefficient are, in rows
ROW, SPREAD = 0.42, 0.6


class CoefficientDisplay:
    """Coefficients of one or several fits with their intervals, side by side.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Coefficient tables of summaries, by the name of the fit.
    standardise : bool, default=False
        Whether coefficients are drawn in units of their first standard error, so that those of columns
        in different units can stand on one axis.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        What it is part of.

    Examples
    --------
    >>> from robustreg import HuberRegressor, L2Regressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.inference import summarize
    >>> from robustreg.plotting import CoefficientDisplay
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> fits = {"least squares": L2Regressor(), "Huber": HuberRegressor()}
    >>> summaries = {name: summarize(fit.fit(X, y), X, y) for name, fit in fits.items()}
    >>> display = CoefficientDisplay.from_summaries(summaries)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['air_flow', 'water_temp', 'acid_conc']
    """

    ax_: Any
    figure_: Any

    def __init__(self, tables: Mapping[str, pd.DataFrame], *, standardise: bool = False) -> None:
        self.tables = dict(tables)
        self.standardise = standardise

    @classmethod
    def from_summaries(
        cls,
        summaries: SummaryTable | Mapping[str, SummaryTable],
        *,
        intercept: bool = False,
        standardise: bool = False,
        ax: Any = None,
    ) -> Self:
        """Draw the intervals of summaries.

        Parameters
        ----------
        summaries : Summary or dict of str to Summary
            One, or several by the names that the legend shall have.
        intercept : bool, default=False
            Whether intercepts are drawn, which are seldom of the size of the others.
        standardise : bool, default=False
            Whether coefficients are drawn in units of their first standard error.
        ax : Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : CoefficientDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is nothing to draw.
        """
        named = {"": summaries} if isinstance(summaries, SummaryTable) else dict(summaries)
        tables = {name: _kept(summary.table, intercept) for name, summary in named.items()}
        return cls(tables, standardise=standardise).plot(ax)

    def plot(self, ax: Any = None, *, errorbar_kw: dict[str, Any] | None = None) -> Self:
        """Draw a line for each interval.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; a new figure by default.
        errorbar_kw : dict, default=None
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : CoefficientDisplay
            With `ax_` and `figure_`.
        """
        names = list(dict.fromkeys(name for table in self.tables.values() for name in table.index))
        if not names:
            raise ValueError("There is no coefficient to draw: intercept=True draws intercepts.")
        count = len(self.tables)
        height = 1.2 + ROW * len(names) * max(1.0, 0.5 * count)
        (ax,) = axes_for(self, ax, 1, size=(6.4, height))
        unit = self._units(names)
        without_end = []
        for k, (label, table) in enumerate(self.tables.items()):
            table = table.reindex(names)
            place = np.arange(len(names)) + SPREAD * ((k + 0.5) / count - 0.5)
            coef = table["coef"].to_numpy() / unit
            ends = table[["lower", "upper"]].to_numpy() / unit[:, None]
            reach = np.abs(np.where(np.isfinite(ends), ends, np.nan) - coef[:, None]).T
            look: dict[str, Any] = {"fmt": "o", "ms": 4, "lw": 1.6, "capsize": 2, "color": f"C{k}"}
            known = np.isfinite(coef)
            ax.errorbar(
                coef[known], place[known], xerr=np.nan_to_num(reach[:, known]),
                label=label or None, **(look | (errorbar_kw or {})),
            )  # fmt: skip
            without_end.append((coef, place, ends, look["color"]))
        ax.axvline(0, color="0.6", lw=1, zorder=0)
        for coef, place, ends, color in without_end:
            _arrows(ax, coef, place, ends, color)
        ax.set_yticks(range(len(names)), [_text(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel("coefficient / standard error" if self.standardise else "coefficient")
        if count > 1:
            ax.legend(
                loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False,
                fontsize="small",
            )  # fmt: skip
        return self

    def _units(self, names: list[Any]) -> Any:
        """What each coefficient is divided by."""
        if not self.standardise:
            return np.ones(len(names))
        errors = pd.concat(
            [table["std_error"].reindex(names) for table in self.tables.values()], axis=1
        )
        unit = errors.bfill(axis=1).iloc[:, 0].to_numpy()
        return np.where(np.isfinite(unit) & (unit > 0), unit, 1.0)


def _arrows(ax: Any, coef: Array, place: Array, ends: Array, color: str) -> None:
    """Draw limits that are infinite as arrows to the edge."""
    edges = ax.get_xlim()
    for side, edge in enumerate(edges):
        for i in np.flatnonzero(np.isinf(ends[:, side])):
            ax.annotate(
                "", (edge, place[i]), xytext=(coef[i], place[i]),
                arrowprops={"arrowstyle": "->", "color": color, "lw": 1.6, "shrinkA": 0},
            )  # fmt: skip
    ax.set_xlim(edges)


def _kept(table: pd.DataFrame, intercept: bool) -> pd.DataFrame:
    last = table.index.get_level_values(-1)
    return table if intercept else table[last != INTERCEPT]


def _text(name: Any) -> str:
    return ": ".join(map(str, name)) if isinstance(name, tuple) else str(name)
