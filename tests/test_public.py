"""The public names: they exist, estimators can be built bare, and each has a sound docstring."""

import configparser
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.validate import validate
from sklearn.base import BaseEstimator, clone

import robustreg

ROOT = Path(__file__).parents[1]
MODULES = [
    robustreg,
    robustreg.datasets,
    robustreg.export,
    robustreg.formula,
    robustreg.inference,
    robustreg.losses,
    robustreg.model_selection,
    robustreg.onnx,
    robustreg.penalties,
    robustreg.plotting,
]
ESTIMATORS = [
    cls
    for cls in map(robustreg.__dict__.get, robustreg.__all__)
    if inspect.isclass(cls) and issubclass(cls, BaseEstimator)
]


def names_of(module):
    """Return the public names of a module but for submodules and what the package itself offers."""
    above = set() if module is robustreg else set(robustreg.__all__)
    names = (name for name in module.__all__ if name not in above)
    return [name for name in names if not inspect.ismodule(getattr(module, name))]


def documented_objects():
    """Yield the dotted names of public classes and functions, and of the estimators' own methods."""
    for module in MODULES:
        for name in names_of(module):
            thing = getattr(module, name)
            if callable(thing):
                yield f"{module.__name__}.{name}"
    for cls in ESTIMATORS:
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            if not name.startswith("_") and method.__module__.startswith("robustreg"):
                yield f"robustreg.{cls.__name__}.{name}"


def wanted_checks():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    checks = settings["tool:numpydoc_validation"]["checks"].replace(",", " ").split()
    assert checks[0] == "all", "the list in setup.cfg names what is left out"
    return set(checks[1:])


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_all_names_exist(module):
    assert len(set(module.__all__)) == len(module.__all__)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


def test_submodules_are_public():
    assert {module.__name__.partition(".")[2] for module in MODULES[1:]} <= set(robustreg.__all__)


#: what may be passed by position, because it says which model it is
BY_POSITION = {
    "LinearEmbedding": ["loss", "n_components", "alpha"],
    "MarginRanker": ["loss", "margin", "alpha"],
    "RobustClassifier": ["loss"],
    "RobustRegressor": ["loss"],
}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_estimator_can_be_built_bare(cls):
    model = cls()
    assert type(clone(model)) is cls
    by_name = inspect.Parameter.KEYWORD_ONLY
    named = [p.name for p in inspect.signature(cls).parameters.values() if p.kind != by_name]
    assert named == BY_POSITION.get(cls.__name__, [])


@pytest.mark.parametrize("name", sorted(documented_objects()))
def test_docstring_is_valid(name):
    left_out = wanted_checks()
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in left_out]
    assert errors == []


@pytest.mark.parametrize("name", sorted(documented_objects()))
def test_class_or_function_has_an_example(name):
    module, _, attribute = name.rpartition(".")
    if module in {m.__name__ for m in MODULES}:
        thing = getattr(importlib.import_module(module), attribute)
        assert inspect.isabstract(thing) or ">>>" in inspect.getdoc(thing)


def test_optional_libraries_are_imported_when_they_are_used():
    # Dask, PyTorch and JAX: in their own tests, which have them
    optional = ["formulaic", "matplotlib", "robustreg.tables._parquet", "skl2onnx"]
    code = (
        "import sys, robustreg.export, robustreg.formula, robustreg.plotting;"
        f"found = set(sys.modules) & set({optional}); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
