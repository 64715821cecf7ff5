"""The benchmarks run; what they measure is not asserted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huber", "l1", "classification", "growth", "memory"])
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
