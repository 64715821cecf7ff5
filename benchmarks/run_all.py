"""Run every benchmark of speed and memory in turn, then put the short tables into README.md.

Run with ``python benchmarks/run_all.py``; options are passed on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("huber", "l1", "growth", "memory")


def main() -> None:
    for name in SCRIPTS:
        start = time.perf_counter()
        subprocess.run([sys.executable, HERE / f"{name}.py", *sys.argv[1:]], check=True)
        print(f"--- {name}: {time.perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
