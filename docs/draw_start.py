"""Draw the picture of README.md and of the start page, for light and for dark pages.

Run with ``python docs/draw_start.py`` after ``pip install ".[plot]"``; the files are committed.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import HuberRegressor as SklearnHuber
from sklearn.linear_model import LinearRegression

from robustreg import HuberRegressor, MMRegressor
from robustreg.datasets import load_phones

FOLDER = Path(__file__).parent / "_static"
STYLES = {  # ink, colour of the samples, and of each line in turn
    "light": ("#333333", "#333333", ("#8a8a8a", "#b8860b", "#1f6fb2", "#c2352b")),
    "dark": ("#dddddd", "#dddddd", ("#9a9a9a", "#e0b13d", "#63b0ee", "#ff7b6e")),
}
FITS = {
    "least squares": (LinearRegression(), ":"),
    "scikit-learn HuberRegressor()": (SklearnHuber(max_iter=1000), "--"),
    "robustreg HuberRegressor()": (HuberRegressor(), "-"),
    "robustreg MMRegressor()": (MMRegressor(), "-"),
}


def draw(style: str) -> Figure:
    """Draw the phone calls and four lines through them."""
    ink, samples, colours = STYLES[style]
    phones = load_phones()
    X, y = phones[["year"]].to_numpy(), phones["calls"].to_numpy()
    years = 1900 + X[:, 0]
    wrong = (years >= 1964) & (years <= 1969)
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    ax = figure.add_subplot()
    ends = np.array([[49.5], [73.5]])
    for (name, (model, line)), colour in zip(FITS.items(), colours, strict=True):
        slope = float(model.fit(X, y).coef_[0])
        label = f"{name}: {slope:+.2f} a year"
        ax.plot(1900 + ends[:, 0], model.predict(ends), line, color=colour, lw=2.2, label=label)
    ax.plot(years[~wrong], y[~wrong], "o", ms=5, color=samples, label="calls")
    ax.plot(years[wrong], y[wrong], "o", ms=6, mfc="none", mec=samples, label="minutes, not calls")
    ax.set(ylim=(-15, 220), xlim=(1949, 1974), ylabel="international calls from Belgium, millions")
    ax.legend(loc="upper left", frameon=False, labelcolor=ink)
    ax.tick_params(colors=ink)
    ax.yaxis.label.set_color(ink)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)
    return figure


def main(folder: Path) -> None:
    """Write one picture for each style."""
    with mpl.rc_context({"svg.hashsalt": "robustreg", "font.size": 10.5}):
        for style in STYLES:
            path = folder / f"phones-{style}.svg"
            draw(style).savefig(path, transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
