"""A summary as text and as HTML."""

from __future__ import annotations

import html as markup
import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd

#: a summary, which calls what is here: to import its class would be a circle
Summary = Any

WIDTH = 80
#: width of a column
CELL = 10
#: p-values below each have the mark
MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, "."))
LEGEND = "Significance: *** p < 0.001, ** p < 0.01, * p < 0.05, . p < 0.1"
#: characters of a name at the most
NAME = 16


def mark(p: float) -> str:
    """Stars of a p-value."""
    return next((stars for limit, stars in MARKS if p < limit), "")


def number(value: float, digits: int = 4) -> str:
    """A number in few characters."""
    if math.isnan(value):
        return "NaN"
    text = f"{value:.{digits}g}"
    return text if len(text) < CELL else f"{value:.{digits - 1}g}"


def p_text(value: float) -> str:
    """A p-value."""
    if math.isnan(value):
        return "NaN"
    return "<1e-16" if value < 1e-16 else f"{value:.2g}" if value < 1e-3 else f"{value:.4f}"


def plain(summary: Summary) -> str:
    """Text of at most 80 columns."""
    lines = [wrapped(call_of(summary)), ""]
    quartiles = summary._found.measures.quartiles
    if quartiles:
        heads = ("min", "1Q", "median", "3Q", "max")
        lines += [
            "Residuals:",
            "".join(f"{head:>12}" for head in heads),
            "".join(f"{number(value):>12}" for value in quartiles),
            "",
        ]
    lines += [f"Coefficients ({how_of(summary)}):"]
    index = summary.table.index
    if isinstance(index, pd.MultiIndex):
        for name in index.get_level_values(0).unique():
            lines += [f"[{name}]", *rows_of(summary.table.loc[name], summary.confidence)]
    else:
        lines += rows_of(summary.table, summary.confidence)
    if summary.table["p_value"].lt(0.1).any():
        lines += [LEGEND]
    lines += ["", *map(wrapped, facts(summary))]
    lines += [wrapped(f"Note: {note}", "      ") for note in summary.notes]
    return "\n".join(lines)


def wrapped(text: str, indent: str = "  ") -> str:
    """Text in lines of at most 80 characters."""
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=indent))


def call_of(summary: Summary) -> str:
    """What was fitted, to how much."""
    n = summary.n_samples
    call = " ".join(repr(summary._found.scores.final.model).split())
    return f"{call}, {n:,.10g} rows".replace("( ", "(")


def how_of(summary: Summary) -> str:
    """Which covariance and which quantiles."""
    quantiles = "normal quantiles"
    if not math.isinf(summary.df):
        quantiles = f"t with {summary.df:.6g} degrees of freedom"
    groups = "" if summary.n_groups is None else f" of {summary.n_groups} groups"
    return f"covariance: {summary.covariance_type}{groups}; {quantiles}"


def rows_of(table: pd.DataFrame, confidence: float) -> list[str]:
    """Lines of a table of coefficients, with its head."""
    names = [shortened(str(name)) for name in table.index]
    width = max([len(name) for name in names] + [4])
    edge = f"{(1 - confidence) / 2:.4g}", f"{(1 + confidence) / 2:.4g}"
    heads = ("coef", "std_error", "stat", "p_value", f"[{edge[0]}", f"{edge[1]}]")
    lines = [" " * width + "".join(f"{head:>{CELL}}" for head in heads)]
    rows: Any = table.itertuples(index=False)
    for name, row in zip(names, rows, strict=True):
        cells = [number(row.coef), number(row.std_error), number(row.statistic, 3)]
        if abs(row.statistic) < 1e4:
            cells[2] = f"{row.statistic:.3f}"
        cells += [p_text(row.p_value), number(row.lower), number(row.upper)]
        line = f"{name:<{width}}" + "".join(f"{cell:>{CELL}}" for cell in cells)
        lines.append(f"{line} {mark(row.p_value)}".rstrip())
    return lines


def shortened(name: str) -> str:
    """A name of at most 16 characters, cut in the middle."""
    return name if len(name) <= NAME else f"{name[: NAME - 7]}..{name[-5:]}"


def facts(summary: Summary) -> list[str]:
    """Sentences on scale, fit, weights, and how the fit was certified."""
    measures, model, lines = summary._found.measures, summary._found.scores.final.model, []
    if not math.isnan(summary.scale):
        lines.append(f"Scale of the residuals: {number(summary.scale, 5)}")
    if not math.isnan(summary.r2):
        adjusted = summary.adjusted_r2
        more = "" if math.isnan(adjusted) else f", adjusted {number(adjusted)}"
        lines.append(f"{measures.r2_name}: {number(summary.r2)}{more}")
    if measures.weights is not None:
        none, full, between = measures.weights
        lines.append(f"Rows by weight: {none:.6g} with 0, {full:.6g} with 1, {between:.6g} between")
    if summary.n_outliers is not None:
        lines.append(f"Outliers, beyond 2.58 scales: {summary.n_outliers:.6g}")
    reached, tol = model.optimality_, model.tol
    relation = "<=" if reached <= tol else "> (not solved)"
    lines.append(f"Optimality of the fit: {reached:.1e} {relation} tol = {tol:.0e}")
    return lines


def html(summary: Summary) -> str:
    """A table and its sentences as HTML."""
    table: Any = summary.table.copy()
    stars = [mark(p) for p in table["p_value"]]
    for name in ("coef", "std_error", "statistic", "lower", "upper"):
        table[name] = [number(float(value)) for value in table[name]]
    table["p_value"] = [p_text(float(value)) for value in table["p_value"]]
    table[""] = stars
    lines = [*facts(summary), *(f"Note: {note}" for note in summary.notes)]
    if np.any([bool(star) for star in stars]):
        lines.insert(0, LEGEND)
    items = "".join(f"<li>{markup.escape(line)}</li>" for line in lines)
    return (
        f"<div><p><code>{markup.escape(call_of(summary))}</code><br>"
        f"{markup.escape(how_of(summary))}; intervals of {summary.confidence:.4g} confidence</p>"
        f"{table.to_html(border=0)}<ul>{items}</ul></div>"
    )
