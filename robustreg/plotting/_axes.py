"""What the displays share: axes to draw on, labels beside lines, an axis with infinity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from robustreg._array import Array

#: least distance of two labels, as a share of the height of the axes
LABEL_GAP = 0.055
MARK = "tab:red"


def axes_for(
    display: Any, ax: Any, n: int, *, size: tuple[float, float], stacked: bool = False
) -> list[Any]:
    """Return ``n`` axes, new ones unless given, and note them on the display.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If another number of axes was given.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__} needs matplotlib: pip install 'robustreg[plot]'."
        ) from error
    if ax is None:
        shape = (n, 1) if stacked else (1, n)
        _, ax = plt.subplots(*shape, figsize=size, layout="constrained", sharex=stacked)
    axes = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) != n:
        raise ValueError(f"{type(display).__name__} draws on {n} axes. Got {len(axes)}.")
    display.ax_ = axes[0] if n == 1 else np.array(axes, dtype=object)
    display.figure_ = axes[0].figure
    return axes


def final_step(estimator: Any) -> Any:
    """Return the model inside a search and a pipeline."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def label_lines(
    ax: Any, x: float, ends: Sequence[float], texts: Sequence[str], colors: Any
) -> None:
    """Write the names of lines beside their right ends, moved apart where they would overlap."""
    low, high = ax.get_ylim()
    gap = LABEL_GAP * (high - low)
    order = np.argsort(ends)
    at = np.asarray(ends, dtype=float)[order]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    # what was pushed up beyond its place as a whole comes back down
    at -= np.mean(at - np.asarray(ends)[order])
    for place, i in zip(at, order, strict=True):
        ax.annotate(
            texts[i], (x, ends[i]), xytext=(1.03, place), textcoords=("axes fraction", "data"),
            color=colors[i], va="center", fontsize="small", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colors[i], "lw": 0.5, "shrinkB": 0},
        )  # fmt: skip


def finite_places(values: Array) -> Array:
    """Return places on a logarithmic axis, infinity beyond the largest number."""
    finite = values[np.isfinite(values)]
    beyond = 1.6 * finite.max() if len(finite) else 1.0
    return np.where(np.isfinite(values), values, beyond)


def threshold_axis(ax: Any, values: Array, label: str) -> None:
    """Make the axis logarithmic with plain numbers at some of the values."""
    places = finite_places(values)
    order = np.argsort(places)
    ax.set_xscale("log")
    kept: list[int] = []
    width = np.log(places.max() / places.min()) or 1.0
    for i in order[::-1]:
        if not kept or np.log(places[kept[-1]] / places[i]) > 0.11 * width:
            kept.append(int(i))
    ax.set_xticks(places[kept], [f"{values[i]:.3g}".replace("inf", "∞") for i in kept])
    ax.minorticks_off()
    ax.set_xlabel(label)
