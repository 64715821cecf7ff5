"""The benchmarks run and are read; what they measure is not asserted."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = runpy.run_path(str(BENCHMARKS / "run_all.py"))["SCRIPTS"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs(name, tmp_path):
    pytest.importorskip("statsmodels")
    pytest.importorskip("threadpoolctl")
    script = BENCHMARKS / f"{name}.py"
    command = [sys.executable, script, "--quick", "--output", tmp_path]
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / f"{name}.md").read_text("utf-8")
    assert page.strip() == done.stdout.strip()
    assert page.count("| -- |") >= 2


def test_page_of_performance_has_every_script_and_its_results():
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    for script in BENCHMARKS.glob("[a-z]*.py"):
        assert f"\npython benchmarks/{script.name}" in page
    for name in (*SCRIPTS, "scale_out"):
        assert f"```{{include}} ../benchmarks/results/{name}.md\n" in page
        assert (BENCHMARKS / "results" / f"{name}.md").exists()
