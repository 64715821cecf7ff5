"""What is said of the versions that are installed."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import robustreg
from robustreg._versions import LIBRARIES


def test_what_is_installed_is_printed_and_nothing_else(capsys):
    robustreg.show_versions()
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["robustreg"] == robustreg.__version__
    for name in ("numpy", "scipy", "scikit-learn", "pandas", "threadpoolctl"):
        assert lines[name] == version(name)
    assert lines["python"].startswith("3.")
    assert any("threads" in line for line in lines.values())


def test_every_library_of_pyproject_is_named():
    table = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = table["optional-dependencies"]
    mine = set(extras) - {"test", "docs", "dev", "all"}
    wanted = [*table["dependencies"], *(bound for extra in mine for bound in extras[extra])]
    names = {re.match(r"[\w-]+", bound)[0] for bound in wanted}
    assert names <= set(LIBRARIES)
