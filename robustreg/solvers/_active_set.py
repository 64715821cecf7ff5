"""Least sums of terms with one kink each beside a square term, from one set of rows on their kinks to the next.

Between the kinks of the other rows the sum is a parabola. Its minimum with the held rows on their kinks is approached past
the kinks of others, as far as the sum falls; the row at which that ends is held, too. Where the minimum is reached and the
slope that a held row would have to have is beyond its bounds, the row is let go.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgesv

from robustreg._array import Array
from robustreg.solvers._programs import solve_equations
from robustreg.solvers._rows import Rows

#: steps, for each coefficient and beyond some, after which others are asked
MOST, SOME = 12, 60
#: steps of no length, for each coefficient, after which many rows are taken to meet at the point: the minimum, if it is
#: there, hangs on which of them are held
STILL = 1
#: curvature of coefficients without a penalty, as a share of the largest, in directions that no held row bounds
SLIGHT = 1e-6
#: a descent of this share of a row's slope, or of what the square term alone lets hope for, is rounding
LEVEL = 1e-14
#: an offset, y having spread one, of a row that may be on its kink
ON = 1e-12
#: a slope beyond its bounds by this share of its range is rounding, and one as much inside them is inside
BEYOND, INSIDE = 1e-10, 1e-9


def descend(
    rows: Rows, theta: Array, held: Array, most: int | None = None
) -> tuple[Array, Array] | None:
    """Return the minimum and the slopes of the rows there.

    Parameters
    ----------
    rows : Rows
        Dense, with a square term.
    theta : array of shape (q,)
        Start.
    held : array of int
        Rows that are likely to be on their kinks at the minimum, and are held there at first.
    most : int, optional
        Steps at the most, in place of as many as are usual.

    Returns
    -------
    theta, slopes : array of shape (q,), array of shape (k,)
        None where the minimum is not reached in as many steps as are usual, or hangs on which rows are held.

    References
    ----------
    Nocedal, J. and Wright, S. J. (2006). Numerical Optimization, section 16.5.
    """
    found = _steps(rows, theta, held, MOST * len(theta) + SOME if most is None else most)
    return None if found is None else _exact(rows, *found[1:])


def _steps(rows: Rows, theta: Array, held: Array, most: int) -> tuple[Array, Array, Array] | None:
    """Return the minimum, which rows are held there, and the slopes of the others."""
    X, square, jump = rows.X, np.asarray(rows.quadratic), rows.upper - rows.lower
    typical, top = float(jump.mean()), float(square.max())
    bend = square + np.diag(np.where(square.diagonal() == 0, SLIGHT * top, 0.0))
    s = rows.offsets(theta)
    if len(held):
        ends: Array = np.where(s > 0, rows.upper, rows.lower)
        ends[held] = 0.0
        pull = rows.linear + ends @ X
        at, _ = _saddle(bend, X[held], -pull, rows.position[held])
        if np.isfinite(at).all():
            theta, s = at, rows.offsets(at)
        else:
            held = held[:0]
    side: Array = np.where(s > 0, 1.0, -1.0)
    slopes: Array = np.where(side > 0, rows.upper, rows.lower)
    s[held] = side[held] = slopes[held] = 0.0
    still = 0
    for _ in range(most):
        pull = rows.linear + square @ theta + slopes @ X
        step, own = _saddle(bend, X[held], -pull, np.zeros(len(held)))
        descent = -float(pull @ step)
        if not np.isfinite(descent):
            return None
        past = held[:0]
        if descent > LEVEL * (typical + float(pull @ pull) / top):
            along = X @ step
            length, past, entering = _follow(
                s, side, jump, along, descent, float(step @ square @ step)
            )
            still = still + 1 if length * descent <= LEVEL * typical else 0
            if not length < np.inf or still > STILL * len(theta):
                return None
            theta = theta + length * step
            s += length * along
            side[past] = -side[past]
            slopes[past] = np.where(side[past] > 0, rows.upper[past], rows.lower[past])
            if len(entering):
                s[entering] = side[entering] = slopes[entering] = 0.0
                held = np.concatenate([held, entering])
                continue
        if len(past):
            continue
        above, below = own - rows.upper[held], rows.lower[held] - own
        beyond = np.maximum(above, below) - BEYOND * jump[held]
        if beyond.max(initial=0.0) <= 0:
            return theta, held, slopes
        leaving = int(beyond.argmax())
        gone, up = held[leaving], above[leaving] > below[leaving]
        side[gone], slopes[gone] = (1.0, rows.upper[gone]) if up else (-1.0, rows.lower[gone])
        held = np.delete(held, leaving)
    return None


def _follow(
    s: Array, side: Array, jump: Array, along: Array, descent: float, curved: float
) -> tuple[float, Array, Array]:
    """Return how far the sum falls along a step, the rows that pass their kinks, and the one on whose kink it ends."""
    nearing = -side * along
    ahead = (nearing > 0).nonzero()[0]
    speed = nearing[ahead]
    when = np.maximum(side[ahead] * s[ahead] / speed, 0.0)
    length = descent / curved if curved > 0 else np.inf
    # rows beyond the end that there would be without any are not reached
    within = when <= length
    ahead, speed, when = ahead[within], speed[within], when[within]
    order = when.argsort(kind="stable")
    ahead, when = ahead[order], when[order]
    taken = (jump[ahead] * speed[order]).cumsum()
    last = int((curved * when + taken).searchsorted(descent))
    before = float(taken[last - 1]) if last else 0.0
    length = (descent - before) / curved if curved > 0 else np.inf
    if last < len(order) and when[last] <= length:
        return float(when[last]), ahead[:last], ahead[last : last + 1]
    return length, ahead[:last], ahead[:0]


def _saddle(
    square: Array, on: Array, pull: Array, position: Array, *, exact: bool = False
) -> tuple[Array, Array]:
    """Return where ``square @ theta + own @ on == pull`` and ``on @ theta == position``, and ``own``.

    Both blocks are made of size one, or a tiny penalty would be lost beside the rows. Not finite where there is none, and
    ``exact`` with all digits, by least squares where the equations are singular.
    """
    q, k = len(pull), len(on)
    top = float(square.max())
    size = float(np.sqrt(top))
    system = np.zeros((q + k, q + k))
    system[:q, :q], system[q:, :q], system[:q, q:] = square / top, on, on.T
    right = np.concatenate([pull / size, position * size])
    if exact:
        solved = solve_equations(system, right, np.zeros(len(right)))
    else:
        solved, failed = dgesv(system, right)[2:]
        solved = np.full(len(right), np.nan) if failed else solved
    return solved[:q] / size, solved[q:] * size


def _exact(rows: Rows, held: Array, slopes: Array) -> tuple[Array, Array] | None:
    """Return the minimum and all slopes, solved anew; None where it hangs on which rows are held.

    So it does where one of their slopes is at its bound, or another row is on its kink.
    """
    pull = rows.linear + slopes @ rows.X
    square, on = np.asarray(rows.quadratic), rows.X[held]
    theta, own = _saddle(square, on, -pull, rows.position[held], exact=True)
    edge = INSIDE * (rows.upper - rows.lower)[held]
    if np.any((own < rows.lower[held] + edge) | (own > rows.upper[held] - edge)):
        return None
    if np.count_nonzero(np.abs(rows.offsets(theta)) <= ON) > len(held):
        return None
    slopes[held] = own
    return theta, slopes
