"""What the site says of the penalties, made from their registry: a table with curves.

Nothing about a penalty is written here: name, formula, convexity and source are those of its class.
"""

from pathlib import Path
from textwrap import indent

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from matplotlib.figure import Figure
from sphinx.util.nodes import nested_parse_with_titles

from robustreg.penalties import PENALTIES

CURVES = Path("_static") / "penalties"


def shipped():
    """Return the penalties of the library by name."""
    return {n: kind for n, kind in PENALTIES.items() if kind.__module__.startswith("robustreg.")}


def curve(penalty):
    """Draw value and derivative at alpha = 1 over coefficients from -5 to 5."""
    x = np.linspace(-5, 5, 401)
    t = np.abs(x)
    slope = (penalty.slope(t, 1.0) + penalty.bend(1.0) * t) * np.sign(x)
    slope[x == 0] = np.nan  # the derivative jumps, or is 0
    figure = Figure(figsize=(1.8, 1.2), layout="constrained")
    ax = figure.add_subplot()
    ax.axhline(0, color="0.8", lw=0.8)
    ax.plot(x, penalty.value(t, 1.0), color="#1f77b4")
    ax.plot(x, slope, color="#d62728", lw=1)
    ax.set_ylim(-2.2, 4)
    ax.set_axis_off()
    return figure


def draw_curves(app):
    folder = Path(app.srcdir) / CURVES
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in shipped().items():
        curve(kind()).savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})


def row(name, kind):
    """Return one row of the list-table."""
    convex = "convex" if kind.convex else "not convex"
    cells = [
        f"``{name}``\n\n:class:`~robustreg.penalties.{kind.__name__}`",
        f":math:`{kind.formula}`\n\n:source:`{kind.reference}`",
        f".. image:: /{CURVES.as_posix()}/{name}.svg\n   :alt: {name}: value and derivative\n\n{convex}",
    ]
    lines = [f"- {indent(cell, '  ').strip()}" for cell in cells]
    return "* " + indent("\n".join(lines), "  ").strip()


class PenaltyTable(Directive):
    """One row for each penalty."""

    def run(self):
        # paragraphs, because a page of Markdown does not resolve substitutions
        text = [".. role:: source", ""]
        text += [".. list-table::", "   :header-rows: 1", "   :class: losses", ""]
        text += ["   * - name, class", "     - formula", "     - value, derivative"]
        rows = "\n".join(row(name, kind) for name, kind in shipped().items())
        text += [*indent(rows, "   ").splitlines(), ""]
        node = nodes.Element()
        nested_parse_with_titles(self.state, StringList(text, source="penalty-table"), node)
        return node.children


def setup(app):
    app.add_directive("penalty-table", PenaltyTable)
    app.connect("builder-inited", draw_curves)
    return {"parallel_read_safe": True}
