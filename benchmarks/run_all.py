"""Run every benchmark of speed and memory in turn, then quote the short tables in README.md.

Run with ``python benchmarks/run_all.py`` on a quiet machine; options are passed on. The quotation
stands between two comments in README.md, ``<!-- benchmarks -->`` and ``<!-- end of benchmarks -->``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
QUOTED = ("huber", "l1", "classification", "tuning")
SCRIPTS = (*QUOTED, "growth", "memory")


def short(name: str) -> str:
    """Return the last table of a page: what it says in short."""
    parts = (HERE / "results" / f"{name}.md").read_text("utf-8").split("\n\n")
    last = max(place for place, part in enumerate(parts) if part.startswith("**In short"))
    return "\n\n".join(parts[last : last + 2])


def quote() -> None:
    """Put the short tables where README.md has a place for them."""
    text = README.read_text("utf-8")
    place = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)
    tables = "\n\n".join(short(name) for name in QUOTED)
    README.write_text(place.sub(lambda found: f"{found[1]}\n{tables}\n\n{found[2]}", text), "utf-8")


def main() -> None:
    for name in SCRIPTS:
        start = time.perf_counter()
        subprocess.run([sys.executable, HERE / f"{name}.py", *sys.argv[1:]], check=True)
        print(f"--- {name}: {time.perf_counter() - start:.0f} s\n", flush=True)
    if not sys.argv[1:]:
        quote()


if __name__ == "__main__":
    main()
