"""Linear programs over polyhedra: the lowest point, the largest ball inside, a direction away from bounds."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from robustreg._array import Array
from robustreg.solvers._programs import WIDE, linear_program
from robustreg.solvers._result import HIGHS_TOLERANCES, linprog
from robustreg.solvers._rows import Rows

#: rounding: what a program may leave of a bound
TOLERANCE = HIGHS_TOLERANCES["primal_feasibility_tolerance"]
#: slope beyond a bound that takes the place of it; multipliers are mostly below ten
STEEP = 100.0


def lowest(
    cost: Array, ball: float, X: Array, room: Array, bounded: bool
) -> tuple[Array, Array] | None:
    """Return step and radius that minimise ``cost @ step - ball * radius``, and the multipliers of the bounds.

    Parameters
    ----------
    cost : array of shape (k,)
    ball : float
        0 where there is no ball: its radius is then 0.
    X, room : array of shape (m, k), (m,)
        Rows of length one. ``X @ step + radius`` must not be more than the room, which is not negative.
    bounded : bool
        Whether it is known that there is a minimum.

    Returns
    -------
    end : array of shape (k + 1,)
    multipliers : array of shape (m,)
        None in place of both where the program ends without an answer.
    """
    k, widest = len(cost), float(room.max(initial=0.0))
    # rooms that are rounding, as of rows that all meet in a corner, say nothing of how large a ball may be
    most = ball * (widest if widest > TOLERANCE else 1.0)
    linear, limits = np.append(cost, -ball), np.column_stack([X, np.ones(len(X))])
    if bounded and k > WIDE:
        # steep slopes take the place of the bounds: a tenth of the time of HiGHS with 400 directions
        if ball:
            sides = np.zeros((2, k + 1))
            sides[:, -1] = 1.0, -1.0
            sided, position = np.vstack([limits, sides]), np.append(room, [most, 0.0])
        else:
            sided, position = X, room
        none = np.zeros(len(position))
        rows = Rows(sided, position, none, none + STEEP, none + 1.0, linear[: sided.shape[1]])
        end = linear_program(rows, np.zeros(sided.shape[1]))
        if end is not None and rows.offsets(end[0]).max() <= TOLERANCE:
            return np.append(end[0], np.zeros(int(not ball))), end[1][: len(X)]
    found = linprog(
        linear, A_ub=limits, b_ub=room, bounds=[(None, None)] * k + [(0.0, most)], method="highs",
        options=HIGHS_TOLERANCES,
    )  # fmt: skip
    return None if found.x is None else (found.x, np.abs(found.ineqlin.marginals))


def leading_away(bounds: Array) -> tuple[Array, Array] | None:
    """Return a direction that leads away from every bound that some direction leads away from, and which these are.

    A direction leads away from a bound where its product with it is positive and none is negative. It is long
    enough for a product of one with each of them, so that one linear program finds it.

    Parameters
    ----------
    bounds : array of shape (m, k)
        Their products with the direction must not be negative.

    Returns
    -------
    direction : array of shape (k,)
    gone : array of bool, of shape (m,)
        None in place of both where the program ends without an answer.
    """
    m, k = bounds.shape
    found = linprog(
        np.append(np.zeros(k), -np.ones(m)),
        A_ub=scipy.sparse.hstack([scipy.sparse.csc_array(-bounds), scipy.sparse.identity(m)], "csc"),
        b_ub=np.zeros(m), bounds=[(None, None)] * k + [(0.0, 1.0)] * m, method="highs",
    )  # fmt: skip
    return None if found.x is None else (found.x[:k], found.x[k:] > 0.5)
