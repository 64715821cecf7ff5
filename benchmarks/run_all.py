"""Run every benchmark of speed and memory in turn, then put the four headlines in README.md.

Run with ``python benchmarks/run_all.py`` on a quiet machine; options are passed on. Where Dask is installed
fits on a cluster of this machine are printed last. The headlines
stand between two comments in README.md, ``<!-- benchmarks -->`` and ``<!-- end of benchmarks -->``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
SCRIPTS = (
    "huber", "l1", "classification", "penalties", "embedding", "high_breakdown", "inference", "small", "tuning",
    "growth", "memory", "many_workers",
)  # fmt: skip
#: page, data and column of the speed-up in its summary; then how README.md names fit, data and peer
HEADLINES = (
    (
        "huber", "200,000 x 50", "scikit-learn HuberRegressor, times as long",
        '`HuberRegressor(scale="concomitant")`', "200,000 x 50",
        "scikit-learn `HuberRegressor`, the same objective",
    ),
    (
        "l1", "20,000 x 20, 0.5", "scikit-learn, times as long",
        "`L1Regressor()`", "20,000 x 20", "scikit-learn `QuantileRegressor`",
    ),
    (
        "classification", "hinge, 100,000 x 20", "scikit-learn, times as long",
        "`HingeClassifier()`", "100,000 x 20", 'scikit-learn `LinearSVC(loss="hinge")`',
    ),
    (
        "tuning", "standard normal columns, 50,000 x 20",
        "times as fast as GridSearchCV over scikit-learn",
        "`HuberRegressorCV()`, 10 thresholds, 5 folds", "50,000 x 20",
        "`GridSearchCV` over scikit-learn's `HuberRegressor`",
    ),
)  # fmt: skip


def summary(name: str) -> list[list[str]]:
    """Return the cells of the last table of a page, its summary."""
    parts = (HERE / "results" / f"{name}.md").read_text("utf-8").split("\n\n")
    last = max(place for place, part in enumerate(parts) if part.startswith("**Summary"))
    return [line.strip("| ").split(" | ") for line in parts[last + 1].splitlines()]


def headlines() -> str:
    """Return the table of README.md."""
    lines = ["| fit | data | time | compared with | speed-up |", "| -- | -- | -- | -- | -- |"]
    for page, case, column, fit, data, peer in HEADLINES:
        head, _, *rows = summary(page)
        (row,) = (cells for cells in rows if cells[0] == case)
        speedup = row[head.index(column)].split(" ")[0]
        lines.append(f"| {fit} | {data} | {row[1]} | {peer} | {speedup}x |")
    return "\n".join(lines)


def quote() -> None:
    """Put the short table where README.md has a place for it."""
    text = README.read_text("utf-8")
    place = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)
    README.write_text(
        place.sub(lambda found: f"{found[1]}\n{headlines()}\n\n{found[2]}", text), "utf-8"
    )


def main() -> None:
    for name in SCRIPTS:
        start = time.perf_counter()
        subprocess.run([sys.executable, HERE / f"{name}.py", *sys.argv[1:]], check=True)
        print(f"--- {name}: {time.perf_counter() - start:.0f} s\n", flush=True)
    if not sys.argv[1:]:
        quote()
    if find_spec("distributed") is not None:
        subprocess.run([sys.executable, HERE / "scale_out.py", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
