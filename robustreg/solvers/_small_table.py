"""The minimum of a loss with one kink a row on a small table: by vertices, or by active sets beside a penalty.

All rows are one program there, and folding, envelopes and samples cost more calls than they save. So they do where rows
are few for the coefficients: those that may change sides are most of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.sampling import uneven
from robustreg.solvers._active_set import descend
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Seen, at_best_constant
from robustreg.solvers._kept_kinks import KeptKinks
from robustreg.solvers._kinked_proof import at_zero, proof
from robustreg.solvers._near_kinks import along_path
from robustreg.solvers._programs import simplex, vertex_near
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex
from robustreg.solvers._sides import add_penalty, with_sides

#: rows up to which all are one program: at 2,500 x 19 that takes three quarters of the time of folding, at 1,000 x 58 a
#: sixth to a half, at 5,000 x 9 as much or more
ROWS = 2_500
#: beyond that, of many coefficients, no more rows for each, and bytes of them (at 2,500 x 150 and 3,000 x 200 half of the
#: time of folding, of correlated columns four fifths or as much, at 5,000 x 300 three quarters or as much, at 4,000 x 1,000
#: a third; at 5,000 x 200 four fifths, but of correlated columns more than it)
FEW, BYTES = 20, 1 << 25
#: beside a penalty coefficients up to which that holds: active sets of more take longer than an interior point
PENALISED = 60


def solve_small(objective: Objective, theta: Array, control: Control) -> Result | None:
    """Minimise a piecewise linear loss, beside a penalty of squares, of absolute values or none, of few rows.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; a penalty of single coefficients is convex, and none of groups.
    theta : array
        Start.
    control : Control
        Relative duality gap that counts as solved; a minimum that is found is one iteration.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`. None where the table is not small, no iteration is left,
        or no minimum is found and proven; beside squares and without a penalty, none that is one point.
    """
    data, n = objective.data, objective.data.n_rows
    if not _is_small(objective) or not control.left or not _serves(objective):
        return None
    rows = _all_rows(objective, objective.loss.kinks(data.y))
    euclidean = objective.penalty.euclidean
    square = objective.hess_alike(theta, 1.0) if euclidean else None
    end = minimum(rows, theta, square)
    if end is None and not euclidean:
        end = simplex(rows)
    if end is None:
        return None
    theta, slopes = end
    at_zero(objective, rows, theta, n)

    folded = Seen(0.0, 0.0, rows.linear, partial(at_best_constant, objective))
    vertex = Vertex(theta, slopes, True)
    found, exact = proof(objective, rows, vertex, rows.offsets(theta)[:n], folded)
    if not found.value <= control.tol:
        return None
    KeptKinks.of(data).ended(theta, exact)
    ended = Result(x=theta, fun=found.objective, status=0, success=True, optimality=found.value)
    ended.slopes, ended.offsets, ended.zero = slopes[:n] * objective.total, exact, exact == 0
    ended.determined = rows.quadratic is None and np.count_nonzero(ended.zero) == len(theta)
    if control.step(theta, found.objective):
        ended.status = 99
    return ended


def minimum(
    rows: Rows, theta: Array, square: Array | None = None, most: int | None = None
) -> tuple[Array, Array] | None:
    """Return the minimum and the slopes of the rows, by those that are near their kinks close to it."""
    theta, share = along_path(rows, theta, square)
    if rows.quadratic is None:
        return vertex_near(rows, share, most)
    held = share.argsort()[-len(theta) :]
    return descend(rows, theta, held[share[held] > 1], most)


def _serves(objective: Objective) -> bool:
    """Whether a penalty, if any, is one of squares or of absolute values alone.

    Beside both active sets change in many steps, and bounds are so steep that the central path begins far away.
    """
    if objective.penalty.euclidean:
        return True
    sides: Any = with_sides(objective).penalty
    return not sides.bend.any() and np.array_equal(sides.lower, -sides.upper)


def _all_rows(objective: Objective, kinks: Any) -> Rows:
    """Return all rows, and those of the penalty."""
    data = objective.data
    n = data.n_rows
    X = data.whole().X if data.single else data.take_with_ones(np.arange(n))
    weight = (
        np.full(n, 1 / objective.total) if data.weight is None else data.weight / objective.total
    )
    position = kinks.position + np.zeros(n)
    hidden = objective.join(data.hidden, 0.0)
    lower, upper = weight * kinks.lower, weight * kinks.upper
    linear = np.zeros(objective.size)
    rows = Rows(X, position, lower, upper, weight, linear, None, hidden, data.base)
    return add_penalty(rows, objective)


def _is_small(objective: Objective) -> bool:
    """Whether all rows are sooner one program than some of them."""
    data, penalty, q = objective.data, objective.penalty, objective.size
    if q > PENALISED and not penalty.empty:
        return False
    if data.single and data.n_rows <= ROWS:
        return True
    if not PENALISED < q or data.n_rows > FEW * q or 8 * data.n_rows * q > BYTES:
        return False
    # beside heavy rows the others are sooner folded
    return isinstance(data.X, np.ndarray) and (data.weight is None or not uneven(data.weight))
