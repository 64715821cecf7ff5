#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///
"""The gates of CI, each a session: `nox -l` lists them, `nox -s lint` runs one."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")

# What optional libraries run counts in the coverage of the whole: CI adds the main run to it.
COVERED = ("--cov", "--cov-append", "--cov-report=", "--cov-fail-under=0")

# One version, for the site and the tests alike.
TORCH = nox.project.dependency_groups(PROJECT, "torch")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, docstrings and the state of the repository."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    # Checks that mistake code and tables for prose are left out. Terms: tests/test_prose.py.
    pages = "README.md CONTRIBUTING.md docs/getting_started.md docs/guide/*.md examples/*.py examples/*/*.py"
    blind = "typography|lexical_illusions|uncomparables|is repeated"
    session.run(
        "bash",
        "-c",
        f"! proselint check {pages} 2>&1 | grep . | grep -vE '({blind})'",
        external=True,
    )
    session.run("repo-review", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "types"))
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, examples executed, warnings as errors; it reads offline, and its links lead somewhere."""
    session.install("-e", ".[docs]", *TORCH)
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-E", "docs", "docs/_build/html")
    session.run("python", "docs/check_links.py", "docs/_build/html")
    remote = (
        "grep -rlE '<(script|link|img)[^>]+(src|href)=.https?:' --include=*.html docs/_build/html"
    )
    session.run("bash", "-c", f"! {remote}", external=True)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel, and import the wheel in an environment without the sources."""
    session.install("build", "twine")
    dist = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", dist)
    session.run("bash", "-c", f"twine check --strict {dist}/*.tar.gz {dist}/*.whl", external=True)
    session.run(
        "bash", "-c", f"python -m pip install --quiet --force-reinstall {dist}/*.whl", external=True
    )
    with session.chdir(dist):
        session.run("python", "-c", "import robustreg; print(robustreg.datasets.load_phones())")


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the quick tests and doctests on the oldest versions that pyproject.toml allows."""
    table = PROJECT["project"]
    bounds = [*table["dependencies"], *table["optional-dependencies"]["plot"]]
    pins = [bound.replace(">=", "==") for bound in bounds]
    pins += ["polars==1.0", "pyarrow==14.0"]  # newer ones do not understand such old libraries
    session.install("-e", ".[test]", *pins)
    old = "-Wignore::DeprecationWarning"  # of old libraries about each other
    session.run("pytest", "-n", "auto", "-m", "not slow", old, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests, which the second command of README.md leaves out."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", "-m", "slow", *COVERED, *session.posargs)


@nox.session
def array_api(session: nox.Session) -> None:
    """Run tests that reach nearly all calls of SciPy, with its array API support switched on."""
    session.install("-e", ".[test]")
    # scikit-learn's checks, some of which are of namespaces, and fits by every solver. Most other tests
    # call the same functions of SciPy with other numbers.
    tests = (
        "tests/estimators/test_classification_checks.py",
        "tests/estimators/test_elastic_net_checks.py",
        "tests/estimators/test_embedding.py",
        "tests/estimators/test_estimator_checks.py",
        "tests/estimators/test_namespace.py",
        "tests/estimators/test_ranking.py",
        "tests/estimators/test_sparse_contract.py",
        "tests/inference",
        "tests/losses",
        "tests/solvers",
        "tests/tables",
        "tests/test_fits.py",
        "tests/test_model_selection.py",
        "tests/test_model_selection_search.py",
        "tests/test_orthonormal.py",
        "tests/test_plotting.py",
        "tests/test_row_space.py",
        "tests/test_scales.py",
    )
    quick = ("-n", "auto", "-m", "not slow")
    session.run("pytest", *tests, *quick, *session.posargs, env={"SCIPY_ARRAY_API": "1"})


@nox.session
def boosting(session: nox.Session) -> None:
    """Run our objectives inside the libraries of gradient boosting."""
    session.install("-e", ".[test]", "lightgbm>=4", "xgboost-cpu", "catboost")
    session.run("pytest", "tests/losses/test_boosting_libraries.py", *session.posargs)


@nox.session
def onnx(session: nox.Session) -> None:
    """Convert models to ONNX and compare their predictions in ONNX Runtime."""
    session.install("-e", ".[test,onnx]", "onnxruntime")
    tests = ("tests/test_export_onnx.py", "tests/test_export.py")
    session.run("pytest", *COVERED, *tests, *session.posargs)


@nox.session
def torch(session: nox.Session) -> None:
    """Run the tests that are left out without PyTorch."""
    session.install("-e", ".[test]", *TORCH)
    tests = (
        "tests/losses/test_torch.py",
        "tests/test_torch_criteria.py",
        "tests/estimators/test_namespace.py",
        "tests/tables/test_device.py",
        "robustreg/torch.py",
    )
    session.run("pytest", "-n", "auto", *COVERED, *tests, *session.posargs)


@nox.session
@nox.parametrize(
    "pins", [("jax==0.10.2",), ("jax==0.4.36", "numpy<2.3", "scipy<1.16")], ["newest", "oldest"]
)
def jax(session: nox.Session, pins: tuple[str, ...]) -> None:
    """Run the tests of the losses with JAX, without which they are left out."""
    # Fixed versions, as for PyTorch: the rules of a primitive are not of the stable part of its interface.
    session.install("-e", ".[test]", *pins)
    session.run("pytest", "-n", "auto", *COVERED, "tests/losses/test_jax.py", *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Run the tests of Dask, in this process and on clusters of this machine, left out where Dask is not installed."""
    session.install("-e", ".[test,dask,parquet]")
    session.run(
        "pytest",
        *COVERED,
        "tests/tables/test_dask.py",
        "tests/tables/test_dask_clusters.py",
        *session.posargs,
    )


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Run every test and doctest, with coverage."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", "--cov", *session.posargs)


if __name__ == "__main__":
    nox.main()
