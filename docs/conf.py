"""Sphinx configuration: `sphinx-build -W docs docs/_build/html` builds the site."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.util.fileutil import copy_asset

import robustreg

HERE = Path(__file__).parent
sys.path.append(str(HERE / "_ext"))

project = "robustreg"
author = "the robustreg developers"
copyright = f"2026, {author}"
version = release = robustreg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "loss_table",
    "penalty_table",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "backreferences_dir": "reference/backreferences",
    "doc_module": ("robustreg",),
    "subsection_order": [
        f"../examples/{section}"
        for section in ("outliers", "tuning", "uncertainty", "classes", "more")
    ],
    "remove_config_comments": True,
    "ignore_repr_types": r"matplotlib\.|robustreg\.plotting\.",  # their figures are shown
}

html_theme = "pydata_sphinx_theme"
html_title = "robustreg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_theme_options = {
    "logo": {"text": "robustreg", "alt_text": "robustreg - home"},
    "show_prev_next": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "tango",
}
# Pages without neighbours have nothing to show on their left.
_SINGLE = ("index", "getting_started", "changelog")
html_sidebars = {page: [] for page in _SINGLE}

# Formulas as SVG by one local file: no fonts and nothing from the network.
mathjax_path = "tex-svg.js"
mathjax_options = {"defer": "defer"}


def _copy_mathjax(app, error):
    if error is None and app.builder.format == "html":
        package = Path(find_spec("sphinx-mathjax-offline").origin).parent
        copy_asset(package / "static" / "mathjax" / "tex-svg.js", app.outdir / "_static")


def _keep_percent_with_its_number(app, doctree, name):
    for text in list(doctree.findall(nodes.Text)):
        if " %" in text and not isinstance(text.parent, nodes.literal | nodes.FixedTextElement):
            text.parent.replace(text, nodes.Text(text.replace(" %", "\N{NO-BREAK SPACE}%")))


def _without_references(app, what, name, obj, options, lines):
    # scikit-learn's docstrings refer to pages of its own site.
    lines[:] = [
        re.sub(r":(?:ref|term):`([^`<]*?)(?:\s*<[^`>]*>)?`", r"``\1``", line) for line in lines
    ]


def setup(app):
    app.connect("autodoc-process-docstring", _without_references)
    app.connect("build-finished", _copy_mathjax)
    app.connect("doctree-resolved", _keep_percent_with_its_number)
