"""The documentation is true: its sessions run, its reference is complete, its commands are the tested ones."""

import doctest
import inspect
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from robustreg.losses import LOSSES
from robustreg.penalties import PENALTIES
from tests.test_public import ESTIMATORS, MODULES, names_of

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
GUIDE = ROOT / "docs" / "guide"
REFERENCE = ROOT / "docs" / "reference"
FENCE = re.compile(r"^```python\n(?P<code>>>>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [
    'python3 -m venv .venv && .venv/bin/pip install ".[plot]" && .venv/bin/python examples/quickstart.py',
    'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest -n auto -m "not slow"',
]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if FENCE.search(page.read_text("utf-8"))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_sessions_of_a_page(page):
    text = page.read_text("utf-8")
    session = "\n".join(match["code"] for match in FENCE.finditer(text))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report = []
    runner.run(test, out=report.append)
    assert not report, "".join(report)


def test_first_shell_lines_of_the_readme():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(
        r"^```(?:sh|bash|shell|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    assert "".join(blocks).splitlines()[:2] == COMMANDS


def test_readme_names_every_estimator_and_loss():
    named = set(re.findall(r"`(\w+)`", (ROOT / "README.md").read_text("utf-8")))
    shipped = {n for n, loss in LOSSES.items() if loss.__module__.startswith("robustreg.")}
    assert {cls.__name__ for cls in ESTIMATORS} | shipped <= named


def test_readme_quotes_the_measured_speed():
    script = runpy.run_path(str(ROOT / "benchmarks" / "run_all.py"))
    assert script["headlines"]() in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_of_the_user_guide_is_short_and_listed(page):
    assert len(page.read_text("utf-8").split()) <= 1200
    assert page.stem == "index" or f"\n{page.stem}\n" in (GUIDE / "index.md").read_text("utf-8")


def test_links_of_the_readme_lead_to_files():
    text = (ROOT / "README.md").read_text("utf-8")
    local = re.findall(r"\]\(((?!http)[^)#]+)", text) + re.findall(
        r'(?:src|srcset)="([^"]+)"', text
    )
    assert len(local) > 15
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_picture_of_the_start_page_is_drawn_for_light_and_dark(tmp_path):
    script = runpy.run_path(str(ROOT / "docs" / "draw_start.py"))
    script["main"](tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (ROOT / "docs" / "_static").glob("phones-*.svg")}
    slopes = [float(fit.coef_[0]) for fit, _ in script["FITS"].values()]
    assert slopes[0] > slopes[1] > slopes[2] > slopes[3] > 1  # as the page says


def test_every_loss_has_an_estimator():
    users = runpy.run_path(str(ROOT / "docs" / "_ext" / "loss_table.py"))["users"]
    shipped = {n: k for n, k in LOSSES.items() if k.__module__.startswith("robustreg.")}
    found = {name: users(name, kind) for name, kind in shipped.items()}
    assert [name for name, some in found.items() if not some] == []
    assert {user for some in found.values() for user in some} <= {c.__name__ for c in ESTIMATORS}


def test_every_loss_has_a_criterion_on_the_page():
    text = runpy.run_path(str(ROOT / "docs" / "_ext" / "loss_table.py"))["criteria"]()
    for kind in LOSSES.values():
        if kind.__module__.startswith("robustreg."):
            assert f".. py:class:: {kind.__name__}(*, " in text
    assert "Huber(*, delta=1.345, reduction='mean')" in text
    assert text.count("Its centres are the parameter") == 1


def reference_names():
    """Return the full names in the autosummary tables of the API reference."""
    pages = runpy.run_path(str(ROOT / "docs" / "_ext" / "loss_table.py"))
    written = [
        page for page in REFERENCE.glob("*.rst") if page.name not in ("losses.rst", "torch.rst")
    ]
    text = "\n".join(page.read_text("utf-8") for page in written) + pages["reference"]()
    names, module, listed = set(), "", False
    for line in text.splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        listed = line.startswith(".. autosummary::") or (listed and line[:1] in (" ", ""))
        if listed and re.fullmatch(r"   \w+", line):
            names.add(f"{module}.{line.strip()}")
    return names


def test_reference_has_every_public_name_and_no_other():
    public = {f"{module.__name__}.{name}" for module in MODULES for name in names_of(module)}
    assert reference_names() == public


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_html_repr_links_to_the_page(cls):
    assert f"reference/generated/robustreg.{cls.__name__}.html" in cls()._repr_html_()


@pytest.mark.parametrize("script", sorted((ROOT / "examples").rglob("*.py")), ids=lambda p: p.name)
def test_example_begins_with_a_title(script):
    lead = inspect.cleandoc(compile(script.read_text("utf-8"), script, "exec").co_consts[0])
    title, underline = lead.splitlines()[:2]
    assert underline == "=" * len(title)


def test_table_of_penalties_has_a_row_and_a_curve_for_each():
    pages = runpy.run_path(str(ROOT / "docs" / "_ext" / "penalty_table.py"))
    assert set(pages["shipped"]()) == set(PENALTIES)
    for name, kind in PENALTIES.items():
        row = pages["row"](name, kind)
        assert f"``{name}``" in row
        assert kind.formula in row
        value, slope = pages["curve"](kind()).axes[0].lines[1:]
        assert value.get_ydata().min() == 0
        assert np.nanmax(slope.get_ydata()) > 0


def test_examples_are_in_sections_but_for_the_first():
    examples = ROOT / "examples"
    assert [path.name for path in examples.glob("*.py")] == ["quickstart.py"]
    sections = {path.parent.name for path in examples.glob("*/*.py")}
    assert sections == {path.parent.name for path in examples.glob("*/GALLERY_HEADER.rst")}
    order = re.search(r"for section in \((.*?)\)", (ROOT / "docs" / "conf.py").read_text("utf-8"))
    assert set(re.findall(r'"(\w+)"', order[1])) == sections
