"""How a pass of a fit to rows on many workers grows: bytes, sums that the client joins, and slow parts.

A simulation, because no such cluster is at hand. What is real is the code that joins sums, the size of a sum, and the times of a
pass over one part, measured here on one thread. What is assumed: one thread a worker, a part of 1,000,000 rows as so many
measured ones, a network that brings the client 1 GB/s, and 1 ms for the scheduler to start and end a task. A
worker's time is the sum of times drawn from those measured; a slow part takes ten times as long. A pass ends with
the last worker. "Ideal" is the mean worker's time with no slow part.

Partitions are placed in runs of neighbours or in turn, as Dask deals them out. A worker joins neighbours; the rest
is left to the client.

Run with ``python benchmarks/many_workers.py``.
"""

from __future__ import annotations

import time

import numpy as np
from _harness import Report, make_table, milliseconds, options, times
from threadpoolctl import threadpool_limits

from robustreg.losses import Huber
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.tables import join, nodes_of

WORKERS, ROWS = 100, 1_000_000
BANDWIDTH, TASK = 1e9, 1e-3
SLOW = 10.0
#: rows of a part that is measured
SOME = 100_000


def measured(p: int, rounds: int) -> np.ndarray:
    """Seconds of value, gradient and Hessian of one part, in processor time."""
    table = make_table(SOME, p)
    objective = Objective(Huber(), prepare(table.X, table.y)[0], L2())
    theta = np.zeros(objective.size)
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        objective.evaluate(theta, 2, whole=False)
        taken.append(time.process_time() - start)
    return np.array(taken)


def placed(parts: int, how: str) -> list[np.ndarray]:
    """Numbers of the partitions of each worker."""
    numbers = np.arange(parts)
    if how == "in runs":
        return np.array_split(numbers, min(WORKERS, parts))
    return [numbers[first::WORKERS] for first in range(min(WORKERS, parts))]


def joined(parts: int, p: int, how: str) -> tuple[int, float]:
    """Sums that reach the client, and seconds that it takes to join them."""
    sums = (0.0, np.ones(p + 1), np.ones((p + 1, p + 1)))
    nodes = [node for mine in placed(parts, how) for node in nodes_of((int(i), sums) for i in mine)]
    start = time.process_time()
    found = join(nodes)
    taken = time.process_time() - start
    assert found[2][0, 0] == parts
    return len(nodes), taken


def wait(parts: int, seconds: np.ndarray, share: float, rng: np.random.Generator) -> float:
    """Seconds until the last worker ends, by the median of some passes."""
    last = []
    for _ in range(25):
        each = rng.choice(seconds, (parts, ROWS // SOME)).sum(axis=1)
        each *= np.where(rng.random(parts) < share, SLOW, 1.0)
        last.append(max(each[mine].sum() for mine in placed(parts, "in turn")))
    return float(np.median(last)) + TASK * min(WORKERS, parts)


def main() -> None:
    chosen = options(__doc__)
    threadpool_limits(1)
    report, quick = Report(__doc__, chosen), chosen.quick
    sizes = (100, 1_000) if quick else (100, 1_000, 10_000)
    rng = np.random.default_rng(0)
    joins, passes = [], []
    for p in (20, 50):
        seconds = measured(p, 5 if quick else 40)
        number = 8 * ((p + 1) * (p + 2) + 1)  # bytes of value, gradient and Hessian
        for parts in sizes:
            label = [
                f"{parts * ROWS:.0e} x {p}".replace("e+0", "e").replace("e+", "e"),
                f"{parts:,}",
            ]
            for how in ("in runs", "in turn"):
                count, taken = joined(parts, p, how)
                down = count * number
                joins.append([
                    *label, how, f"{count:,}", f"{down / 1e6:.1f}", milliseconds(down / BANDWIDTH), milliseconds(taken),
                ])  # fmt: skip
            ideal = seconds.mean() * parts * ROWS / SOME / min(WORKERS, parts)
            ends = [wait(parts, seconds, share, rng) for share in (0.0, 0.001, 0.01)]
            passes.append([*label, milliseconds(ideal), *(times(end / ideal) for end in ends)])
    head = ["rows", "partitions", "placed", "sums to the client", "MB", "to send", "to join"]
    report.table(f"Sums of a pass from {WORKERS} workers", head, joins)
    head = ["rows", "partitions", "ideal pass", "no slow part", "1 in 1,000 slow", "1 in 100 slow"]
    report.table("A pass, in times of the ideal one", head, passes)
    report.close()


if __name__ == "__main__":
    main()
