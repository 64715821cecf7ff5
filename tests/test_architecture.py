"""The shape of the tree: imports point down, and no code asks which concrete loss it has.

The rules are functions of a folder, so that the last tests can break each of them on purpose.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "robustreg"

# Who may import whom, besides itself. `_array` <- formulas <- data, objective <- solvers <- ...
_FORMULAS = {
    "losses": {"_array", "_parameters", "scales"},
    "penalties": {"_array", "_parameters"},
    "scales": {"_array"},
}
_CORE = {
    "_lazy", "_array", "_scratch", "_parameters", *_FORMULAS, "sampling", "coordinates", "device_rows", "data",
    "passes", "objective", "tables", "remote", "order_statistics", "stored",
}  # fmt: skip
ALLOWED = {
    "_lazy": set(),
    "_array": {"_lazy"},
    "_parameters": set(),
    "_threads": set(),
    "_scratch": {"_array"},
    "_versions": set(),
    **_FORMULAS,
    "datasets": set(),
    "precise": {"_array"},
    "coordinates": {"_array", "precise"},
    "row_space": {"_array", "coordinates"},
    "sampling": {"_array"},
    "device_rows": {"_array"},
    "few_columns": {"_array"},
    "data": {
        "_array",
        "_scratch",
        "_threads",
        "coordinates",
        "device_rows",
        "few_columns",
        "sampling",
    },
    "stored": {"_array", "data", "precise"},
    "orthonormal": {"_array"},
    "sparse_columns": {"_array", "coordinates", "data", "orthonormal"},
    "even_rows": {"_array", "data", "sampling"},
    "preparation": {
        "_array",
        "coordinates",
        "data",
        "even_rows",
        "orthonormal",
        "row_space",
        "sampling",
        "scales",
        "sparse_columns",
    },
    "far_rows": {"_array", "data", "even_rows", "preparation"},
    "passes": {"_array", "_scratch", "losses", "data"},
    "objective": {"_array", *_FORMULAS, "sampling", "coordinates", "data", "passes"},
    "tables": {"_lazy", "_array", "_threads"},
    "remote": {
        "_array",
        "_threads",
        "coordinates",
        "data",
        "device_rows",
        "passes",
        "sampling",
        "tables",
    },
    "remote_coordinates": {
        "_array",
        "coordinates",
        "data",
        "device_rows",
        "orthonormal",
        "preparation",
        "remote",
        "tables",
    },
    "order_statistics": {"_array", "data", "remote", "tables"},
    "remote_majority": {
        "_array",
        "coordinates",
        "data",
        "device_rows",
        "orthonormal",
        "preparation",
        "remote",
        "remote_coordinates",
        "tables",
    },
    "solvers": _CORE | {"orthonormal"},
    "estimators": _CORE
    | {
        "_threads",
        "preparation",
        "far_rows",
        "remote_coordinates",
        "remote_majority",
        "solvers",
    },
    "model_selection": _CORE | {"_threads", "preparation", "solvers", "estimators"},
    "formula": set(),
    "export": set(),
    "onnx": {"_array", "losses", "estimators", "model_selection"},
    "torch": {"losses"},
    "inference": _CORE | {"_threads", "preparation", "solvers", "estimators"},
    "plotting": _CORE | {"preparation", "solvers", "estimators", "inference", "model_selection"},
}


@cache
def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a file, which every rule walks."""
    return ast.parse(text)


def modules(root: Path) -> Iterator[tuple[tuple[str, ...], Path, ast.Module]]:
    """Yield (dotted name as a tuple, path, syntax tree) of every file of the package."""
    for path in sorted((root / PACKAGE).rglob("*.py")):
        name = path.relative_to(root).with_suffix("").parts
        yield name, path, parsed(path.read_text(encoding="utf-8"))


def imported(name: tuple[str, ...], tree: ast.Module) -> set[str]:
    """Return the first-level parts of the package that a module imports, at any depth of code."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = name[: len(name) - node.level] if node.level else ()
            base = ".".join((*up, *([node.module] if node.module else [])))
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {t.split(".")[1] for t in targets if t.startswith(f"{PACKAGE}.")}
    return found


def upward_imports(root: Path) -> list[str]:
    faults = []
    for name, path, tree in modules(root):
        part = name[1]
        if part == "__init__":
            continue
        allowed = ALLOWED.get(part)
        if allowed is None:
            faults.append(f"{path.relative_to(root)}: {part!r} has no place in the layers")
            continue
        for other in sorted(imported(name, tree)):
            if other != part and other not in allowed:
                faults.append(f"{path.relative_to(root)} imports {other!r}")
    return faults


def concrete_classes(root: Path) -> dict[str, Path]:
    """Return the classes that descend from Loss or Penalty and can be built, with their files.

    A class is abstract where it says so: by ABC among its bases or an abstract method of its own.
    """
    classes: dict[str, tuple[ast.ClassDef, Path]] = {}
    for name, path, tree in modules(root):
        if name[1] in {"losses", "penalties"}:
            found = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
            classes |= {node.name: (node, path) for node in found}
    bases = {
        name: {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
        for name, (node, _) in classes.items()
    }
    family = {"Loss", "Penalty"}
    while grown := {name for name, above in bases.items() if above & family} - family:
        family |= grown
    return {
        name: path
        for name, (node, path) in classes.items()
        if name in family
        and "ABC" not in bases[name]
        and not any(
            ast.unparse(mark).endswith("abstractmethod")
            for item in node.body
            for mark in getattr(item, "decorator_list", ())
        )
    }


def asked_classes(node: ast.AST) -> list[ast.expr]:
    """Return the expressions that stand where a node names the classes it asks for."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, asked]):
            return [asked]
        case ast.Compare(left=left, comparators=right):
            sides = [left, *right]
            of_a_type = any(ast.unparse(side).startswith("type(") for side in sides)
            return sides if of_a_type else []
        case ast.MatchClass(cls=cls):
            return [cls]
    return []


def concrete_checks(root: Path) -> list[str]:
    """Return each test of a type against a concrete loss or penalty, but for its own file's."""
    concrete = concrete_classes(root)
    faults = []
    for _, path, tree in modules(root):
        asked = (expression for node in ast.walk(tree) for expression in asked_classes(node))
        for leaf in (leaf for expression in asked for leaf in ast.walk(expression)):
            called = getattr(leaf, "id", None) or getattr(leaf, "attr", None)
            if called in concrete and concrete[called] != path:
                faults.append(f"{path.relative_to(root)}:{leaf.lineno} asks for {called}")
    return faults


# Absolute paths of a developer's machine, written so that this line does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|tmp|root|home|farm|Users)/\w")
MADE = {"_build", "auto_examples", "generated", "build", "dist"}
TEXT = {".cff", ".cfg", ".css", ".html", ".md", ".py", ".rst", ".toml", ".txt", ".yaml", ".yml", ""}


def own_text_files(root: Path) -> Iterator[Path]:
    """Yield the text files that people wrote."""
    for path in sorted(root.rglob("*")):
        *folders, name = path.relative_to(root).parts
        hidden = {part for part in folders if part.startswith(".")} - {".github", ".ci"}
        if hidden or MADE & set(folders) or (folders[:1] == [".ci"] and len(folders) > 1):
            continue
        made = name.startswith(".coverage") or name == ".git"
        if path.is_file() and path.suffix in TEXT and not made:
            yield path


def machine_paths(root: Path) -> list[str]:
    faults = []
    for path in own_text_files(root):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                faults.append(f"{path.relative_to(root)}:{number}: {line.strip()[:80]}")
    return faults


def import_circles(root: Path) -> list[str]:
    """Return modules that import each other, directly or not, late or for types only."""
    trees = {".".join(name).removesuffix(".__init__"): tree for name, _, tree in modules(root)}
    packages = {".".join(name[:-1]) for name, *_ in modules(root) if name[-1] == "__init__"}

    def targets(name: str, tree: ast.Module) -> set[str]:
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                parts = name.split(".") + ["__init__"] * (name in packages)
                up = parts[: len(parts) - node.level] if node.level else []
                base = ".".join([*up, *([node.module] if node.module else [])])
                for alias in node.names:
                    full = f"{base}.{alias.name}"
                    found.add(full if full in trees else base)
        return (found & set(trees)) - {name}

    left = {name: targets(name, tree) for name, tree in trees.items()}
    while free := {name for name, wanted in left.items() if not wanted & set(left)}:
        left = {name: wanted for name, wanted in left.items() if name not in free}
    while ends := set(left) - {other for wanted in left.values() for other in wanted}:
        left = {name: wanted for name, wanted in left.items() if name not in ends}
    return [f"{name} is in a circle of imports" for name in sorted(left)]


#: most lines of code, without docstrings and comments, of a file and of a function
LONGEST = {"file": 350, "function": 60}
#: what is longer, and why
LONGER = {
    "newton": "one loop, and nineteen arguments; what is kept and what ends it stand apart",
    "walk": "one loop, whose state is eight arrays that each vertex changes",
}


def long_code(root: Path) -> list[str]:
    """Return files and functions with more lines of code than is good for a reader."""
    faults = []
    for _, path, tree in modules(root):
        text = path.read_text(encoding="utf-8").splitlines()
        code = {i for i, line in enumerate(text, 1) if line.strip() and line.strip()[0] != "#"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                first = node.body[0]
                code -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        name = path.relative_to(root / PACKAGE).as_posix()
        if len(code) > LONGEST["file"] and name not in LONGER:
            faults.append(f"{name} has {len(code)} lines of code")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name not in LONGER:
                lines = len([i for i in code if node.lineno <= i <= (node.end_lineno or 0)])
                if lines > LONGEST["function"]:
                    faults.append(f"{name}: {node.name} has {lines} lines of code")
    return faults


RULES = [upward_imports, concrete_checks, machine_paths, import_circles, long_code]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree(rule):
    assert rule(ROOT) == []


def test_the_tree_of_the_design_names_every_module():
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    names = {path.name for path in (ROOT / PACKAGE).rglob("*.py")} - {"__init__.py"}
    assert not sorted(name for name in names if name not in text)


def test_every_layer_name_is_current():
    parts = {name[1] for name, _, _ in modules(ROOT)} - {"__init__"}
    assert parts <= set(ALLOWED)


# --- The rules bite ---------------------------------------------------------------------------

LOSSES = """
from robustreg.losses._base import ResidualLoss
class Huber(ResidualLoss):
    def __eq__(self, other): return isinstance(other, Huber)
"""
BASE = """
from abc import ABC, abstractmethod
from .._array import xp
class Loss(ABC): ...
class ResidualLoss(Loss):
    @abstractmethod
    def rho(self, r): ...
"""


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes a small sound package, then one file more."""

    def write(file: str = "", text: str = "") -> Path:
        sound = {
            "__init__.py": "from robustreg.estimators import Model",
            "_array.py": "import numpy",
            "losses/__init__.py": "from ._residual import Huber",
            "losses/_base.py": BASE,
            "losses/_residual.py": LOSSES,
            "solvers.py": "from robustreg.objective import Objective",
            "objective.py": "from robustreg.losses import Loss, ResidualLoss\nok = isinstance(1, Loss | ResidualLoss)",
            "estimators/__init__.py": "from robustreg import solvers",
        }
        for name, content in {**sound, **({file: text} if file else {})}.items():
            path = tmp_path / PACKAGE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_sound_tree_passes(tree, rule):
    assert rule(tree()) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("objective.py", "from robustreg.solvers import solve"),
        ("objective.py", "import robustreg.solvers"),
        ("objective.py", "from . import solvers"),
        ("objective.py", "def late():\n    from .solvers import solve"),
        ("losses/_residual.py", "from ..penalties import L2"),
        ("losses/_residual.py", "from ..data import Block"),
        ("penalties.py", "from robustreg import losses"),
        ("scales.py", "from robustreg.losses import Huber"),
        ("estimators/_base.py", "from ..plotting import Display"),
        ("elsewhere.py", ""),
    ],
)
def test_upward_import_is_found(tree, file, text):
    assert upward_imports(tree(file, text))


@pytest.mark.parametrize(
    "text",
    [
        "from robustreg.solvers import solve",
        "from .solvers import solve",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from robustreg import solvers",
        "def late():\n    import robustreg.solvers",
    ],
)
def test_circle_is_found(tree, text):
    assert import_circles(tree("objective.py", text)) == [
        "robustreg.objective is in a circle of imports",
        "robustreg.solvers is in a circle of imports",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ok = isinstance(loss, Huber)",
        "ok = isinstance(loss, (int, losses.Huber))",
        "ok = issubclass(kind, int | Huber)",
        "ok = type(loss) is Huber",
        "match loss:\n    case Huber():\n        ok = True",
    ],
)
def test_question_for_a_concrete_loss_is_found(tree, text):
    assert concrete_checks(tree("solvers.py", text))


def test_long_code_is_found(tree):
    body = "    x = 1\n" * 60
    assert long_code(tree("objective.py", f"def f():\n{body}")) == [
        "objective.py: f has 61 lines of code"
    ]
    text = "# a comment\n" * 200 + "x = 1\n" * 351
    assert long_code(tree("objective.py", text)) == ["objective.py has 351 lines of code"]
    assert not long_code(tree("objective.py", '"""' + "text\n" * 400 + '"""'))


def test_machine_path_is_found(tree):
    assert machine_paths(tree("data.py", "here = '/" + "home/me/data.csv'"))
