"""The minimum of a loss with one kink a row from where the last fit to the same rows has ended.

Few rows are on their kinks there, and hardly more come to them on the way to the next end. The others are folded at once: no
steps lead near, and a pass says whether any of them has changed sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._kept_kinks import KeptKinks, minimum_near
from robustreg.solvers._kinked import look, rows_of
from robustreg.solvers._kinked_proof import at_zero, certified
from robustreg.solvers._kinks import changed_sides
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex, few_rows
from robustreg.solvers._sides import Sides, with_sides
from robustreg.solvers._small_table import minimum

#: rows are kept that are as far from their kinks as this many times those that have changed sides the last time, and of
#: those that a program begins with this many times as many
FARTHER, LEAST = 1.5, 2
#: share of the rows that may change sides, and that are kept unless these are more
FEW = 0.1
#: times that rows which have changed sides are added to those kept
ROUNDS = 4
#: fits in a row of which none was continued to its end, after which it is not tried
PATIENCE = 2
#: steps that each row in doubt takes, and beyond some for each coefficient so many steps as take as long as the way along
#: the central path: without a square term and beside one (machine: on 608 to 1,650 rows of 51 coefficients a step takes
#: .06 and .16 ms, that way 7 to 14)
A_ROW, STEPS, VERTICES, SETS = 2, 20, 3, 1
#: columns up to which penalties of both kinds serve: each step solves equations of twice as many unknowns (machine: paths
#: of 3,000 rows take half to all of the time of fits from anywhere with 80 of them, twice as long with 150)
ELASTIC = 80


def continue_kinked(objective: Objective, theta: Array, control: Control) -> Result | None:
    """Minimise a piecewise linear loss plus a penalty, from where the last fit to the same rows and targets has ended.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`.
    theta : array
        Not used: the last end is the start.
    control : Control
        Relative duality gap that counts as solved; a minimum that is found is one iteration.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`. None where no such end is known, it is not near, or what is
        found is not proven or may be one of several minima.
    """
    kept = KeptKinks.of(objective.data)
    if len(kept.theta) != objective.size or kept.missed > PATIENCE or not control.left:
        return None
    found = _from_end(objective, kept, control.tol)
    if found is None:
        kept.missed += 1
        return None
    kept.missed = 0
    kept.ended(found.x, found.offsets)
    found.status = 99 if control.step(found.x, found.fun) else 0
    return found


def _from_end(given: Objective, kept: KeptKinks, tol: float) -> Result | None:
    """Return the minimum with its proof, from where the last fit has ended."""
    objective, data = with_sides(given), given.data
    if data.size > ELASTIC and _is_elastic(objective):
        return None
    theta, doubt = kept.theta, kept.changed
    s, pull = look(objective, theta)
    near = _near(s, kept.reach, objective.size)
    for _ in range(ROUNDS):
        rows = rows_of(objective, s, near, pull)
        end = _minimum(rows, theta, doubt)
        if end is None:
            return None
        theta, slopes = end
        at_zero(objective, rows, theta, len(near))
        now, pull = look(objective, theta)
        flipped = changed_sides(s, now, data.base)
        flipped[near] = False
        doubt = float(np.count_nonzero(flipped))
        if not 0 < doubt <= FEW * data.n_rows:
            break
        near, s = np.union1d(near, np.flatnonzero(flipped)), now
    if doubt:
        return None
    kinks: Any = objective.loss.kinks(data.y)
    vertex = Vertex(theta, slopes, True)
    found = certified(given, rows, vertex, near, kinks.slopes(s), now, tol)
    return Result(x=theta, status=0, **found) if found["success"] else None


def _is_elastic(objective: Objective) -> bool:
    """Whether a penalty has kinks and curvature."""
    penalty: Any = objective.penalty
    return isinstance(penalty, Sides) and bool(penalty.bend.any())


def _near(s: Array, reach: float, q: int) -> Array:
    """Return the rows whose offsets ``s`` are such that they may change sides."""
    size, n = np.abs(s), len(s)
    least = LEAST * few_rows(q)
    may = int(np.count_nonzero(size <= FARTHER * reach))
    few = max(min(may, int(FEW * n)), least)
    return np.sort(np.argpartition(size, few)[:few]) if few < n else np.arange(n)


def _minimum(rows: Rows, theta: Array, doubt: float) -> tuple[Array, Array] | None:
    """Return the minimum and the slopes of the rows; None where it is not found in few steps.

    From one set of rows on their kinks to the next, or where about more rows are in ``doubt`` than that is good for by those
    that are near their kinks close to the minimum.
    """
    q = len(theta)
    if A_ROW * doubt <= STEPS + q * (VERTICES if rows.quadratic is None else SETS):
        return minimum_near(rows, theta, STEPS + VERTICES * q)
    return minimum(rows, theta, most=STEPS + VERTICES * q)
