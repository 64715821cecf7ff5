"""What users read keeps to the terms of the field: pages, docstrings of the public names, examples and messages.

The words are those of docs/vocabulary.txt, each with what to say instead.
"""

import ast
import inspect
import re
from pathlib import Path

import pytest

from tests.test_public import MODULES, names_of

ROOT = Path(__file__).parents[1]
WORDS = dict(
    line.split(" -> ")
    for line in (ROOT / "docs" / "vocabulary.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "index.md",
    ROOT / "docs" / "getting_started.md",
    *sorted((ROOT / "docs" / "guide").glob("*.*")),
    *sorted((ROOT / "examples").rglob("*.py")),  # without the pages for contributors
]
# the name of a hook of losses, which contributors override
NAMES = ("Kinks", "kinks :")
CODE = re.compile(
    r"```.*?```|``.*?``|`[^`]*`|\$[^$]*\$|^\s*(?:>>>|\.\.\.).*?$", re.DOTALL | re.MULTILINE
)


def found(text):
    """Yield what is said in other words than those of the field."""
    plain = CODE.sub(" ", text)
    for name in NAMES:
        plain = plain.replace(name, " ")
    for word, instead in WORDS.items():
        for match in re.finditer(rf"\b(?:{word})\b", plain, re.IGNORECASE):
            yield f"{match[0]!r}: say {instead}, in {plain[max(0, match.start() - 40) : match.end() + 40]!r}"


def prose_of(path):
    """Text of a page, or the comments and the docstring of a script."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        return text
    comments = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#"))
    return f"{ast.get_docstring(ast.parse(text)) or ''}\n{comments}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_and_examples(path):
    assert list(found(prose_of(path))) == []


def docstrings():
    for module in MODULES:
        yield module.__name__, module
        for name in names_of(module):
            thing = getattr(module, name)
            if callable(thing):
                yield f"{module.__name__}.{name}", thing
            if inspect.isclass(thing):
                for own, method in inspect.getmembers(thing, inspect.isfunction):
                    if not own.startswith("_") and method.__module__.startswith("robustreg"):
                        yield f"{module.__name__}.{name}.{own}", method


def test_docstrings():
    wrong = [
        (name, text) for name, thing in docstrings() for text in found(inspect.getdoc(thing) or "")
    ]
    assert wrong == []


def messages():
    """Yield the texts of errors and warnings."""
    for path in sorted((ROOT / "robustreg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            said = node.exc if isinstance(node, ast.Raise) else None
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "warn":
                said = node
            for part in ast.walk(said) if said is not None else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield path.name, part.value


def test_messages():
    assert [(name, text) for name, message in messages() for text in found(message)] == []


def test_the_check_finds_what_it_looks_for():
    assert len(WORDS) > 10
    assert (
        len(list(found("The wild rows pull the line; `pull` is code and $pull$ a formula."))) == 2
    )
    assert list(found("Contaminated samples have no influence.")) == []
