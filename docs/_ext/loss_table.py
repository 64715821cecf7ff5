"""What the site says of the losses, made from their registry: a table with curves, and the reference.

Nothing about a loss is written here: name, formula, flags and source are those of its class.
"""

import re
from importlib import import_module
from itertools import groupby
from pathlib import Path
from textwrap import dedent, indent

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from matplotlib.figure import Figure
from sphinx.util.nodes import nested_parse_with_titles

from robustreg import losses
from robustreg.losses import LOSSES
from robustreg.losses._criteria import has_centres, order, signature

CURVES = Path("_static") / "losses"


def families():
    """Yield (title, losses by name) for each module of shipped losses, the residual ones first."""
    shipped = [item for item in LOSSES.items() if item[1].__module__.startswith("robustreg.")]
    first_seen = {kind.__module__: i for i, (_, kind) in reversed([*enumerate(shipped)])}
    shipped.sort(key=lambda item: (not hasattr(item[1], "rho"), first_seen[item[1].__module__]))
    for module, members in groupby(shipped, key=lambda item: item[1].__module__):
        title = (import_module(module).__doc__ or module).strip().splitlines()[0]
        yield re.split(r"[:,.]", title)[0], dict(members)


def reference():
    """Return the page of the API reference that lists every loss, as an object and as a function."""
    lines = ["Losses", "======", "", ".. currentmodule:: robustreg.losses", ""]
    lines += ["The same losses with formulas and curves: :doc:`/guide/losses`.", ""]
    for title, members in families():
        lines += [title, "-" * len(title), ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [f"   {kind.__name__}" for kind in members.values()]
        lines += [f"   {kind.function}" for kind in members.values()] + [""]
    return "\n".join(lines)


def criteria():
    """Return the page of the API reference that lists the criteria of PyTorch, made without PyTorch."""
    lines = [
        "Criteria for PyTorch",
        "====================",
        "",
        ".. py:module:: robustreg.torch",
        "",
    ]
    lines += [
        "One ``torch.nn.Module`` for each loss, called with predictions first, targets last and",
        "",
    ]
    lines[-1:] = [
        "``sample_weight=`` where there are weights: :doc:`/guide/torch`. They need the extra"
    ]
    lines += [
        "``torch``. Fields are those of the loss of the same name, which has formula and source.",
        "",
    ]
    lines += ['.. py:class:: Criterion(*, reduction="mean", **parameters)', ""]
    lines += [
        "   What the criteria derive from. ``loss`` is the loss, and ``extra`` the parameter of its"
    ]
    lines += ["   own: the centres of ``ArcFace``, w and b of ``GE2E``, otherwise None.", ""]
    for title, members in families():
        lines += [title, "-" * len(title), ""]
        for kind in members.values():
            lines += [f".. py:class:: {kind.__name__}{signature(kind)}", ""]
            inputs = ", ".join(f"``{name}``" for name in order(kind))
            own = " Its centres are the parameter ``extra``." if has_centres(kind) else ""
            own = own or (
                " Its w and b are the parameter ``extra``."
                if kind.target.formation == "group_batches"
                else ""
            )
            loss = f":class:`robustreg.losses.{kind.__name__}`"
            lines += [f"   {loss}, called with {inputs}.{own}", ""]
    return "\n".join(lines)


def write_reference(app, config):
    for name, text in {"losses": reference(), "torch": criteria()}.items():
        page = Path(app.srcdir) / "reference" / f"{name}.rst"
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def curve(loss):
    """Draw value and derivative of a pointwise loss; None where there is no one-dimensional curve."""
    if not hasattr(loss, "pointwise"):
        return None
    against_residual = hasattr(loss, "rho")
    x = np.linspace(-4, 4, 401)
    y = np.zeros_like(x) if against_residual else np.ones_like(x)
    value, slope = loss.pointwise(y, -x if against_residual else x)
    figure = Figure(figsize=(1.8, 1.2), layout="constrained")
    ax = figure.add_subplot()
    ax.axhline(0, color="0.8", lw=0.8)
    ax.plot(x, value, color="#1f77b4")
    ax.plot(x, -slope if against_residual else slope, color="#d62728", lw=1)
    ax.set_ylim(-2.2, 4)
    ax.set_axis_off()
    return figure


def draw_curves(app):
    folder = Path(app.srcdir) / CURVES
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in LOSSES.items():
        if (figure := curve(kind())) is not None:
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})


#: losses that an estimator minimises, beside those of residuals and of embeddings
USERS = {
    "L2Regressor": {"squared"},
    "L1Regressor": {"absolute"},
    "HuberRegressor": {"huber"},
    "QuantileRegressor": {"pinball"},
    "MMRegressor": {"tukey", "welsch", "geman_mcclure", "andrews", "hampel", "lqq", "optimal"},
    "LogisticClassifier": {"logistic", "multilabel", "cross_entropy"},
    "HingeClassifier": {"hinge", "squared_hinge", "multiclass_hinge"},
    "FocalClassifier": {"focal"},
    "PolyClassifier": {"poly"},
    "DiceClassifier": {"dice"},
    "KLRegressor": {"kl_divergence"},
    "MarginRanker": {"margin_ranking", "hinge", "squared_hinge", "logistic"},
}


def users(name, kind):
    """Return the estimators that minimise a loss."""
    found = [estimator for estimator, names in USERS.items() if name in names]
    if hasattr(kind, "rho"):
        found.insert(0, "RobustRegressor")
    if kind.classifies:
        found.append("RobustClassifier")
    if kind.target.formation:
        found.append("LinearEmbedding")
    return found


def row(name, kind, folder):
    """Return one row of the list-table."""
    label = kind.__name__
    names = f"``{name}``"
    if label in losses.__all__:
        names += f" |br| :class:`~robustreg.losses.{label}`"
    if getattr(kind, "function", None) in losses.__all__:
        names += f" |br| :func:`~robustreg.losses.{kind.function}`"
    image = ""
    if (folder / f"{name}.svg").exists():
        image = f".. image:: /{CURVES.as_posix()}/{name}.svg\n   :alt: {name}: value and derivative"
    formula = f":math:`{kind.formula}` |br| :source:`{kind.reference}`"
    image += "\n\n" + ", ".join(f":class:`~robustreg.{user}`" for user in users(name, kind))
    convex = "convex" if kind().convex else "not convex"
    smooth = "smooth" if kind.smooth else "non-smooth"
    shape = f"{convex}, {smooth}"
    if hasattr(kind, "rho"):
        shape += f", {'bounded' if kind.bounded_influence else 'unbounded'} influence"
    cells = [names, formula, f"{image}\n\n{shape}"]
    lines = [f"- {indent(cell, '  ').strip()}" for cell in cells]
    return "* " + indent("\n".join(lines), "  ").strip()


class LossTable(Directive):
    """One table per family; a family is a module of ``robustreg.losses``."""

    def run(self):
        env = self.state.document.settings.env
        folder = Path(env.srcdir) / CURVES
        text = [".. |br| raw:: html", "", "   <br>", "", ".. role:: source", ""]
        for title, members in families():
            head = dedent(
                f"""\
                .. rubric:: {title}

                .. list-table::
                   :header-rows: 1
                   :class: losses

                   * - name, class, function
                     - formula
                     - value, derivative, used by
                """
            )
            rows = "\n".join(row(name, kind, folder) for name, kind in members.items())
            text += [*head.splitlines(), *indent(rows, "   ").splitlines(), ""]
        node = nodes.Element()
        nested_parse_with_titles(self.state, StringList(text, source="loss-table"), node)
        return node.children


def setup(app):
    app.add_directive("loss-table", LossTable)
    app.connect("config-inited", write_reference)
    app.connect("builder-inited", draw_curves)
    return {"parallel_read_safe": True}
