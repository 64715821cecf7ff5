"""The minimum of :class:`~robustreg.solvers._rows.Rows`, to rounding.

By a linear program where there is no square term, on the active set otherwise, both reached through a sequence
of Moreau envelopes.
"""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.solvers._control import Control
from robustreg.solvers._first import first
from robustreg.solvers._hyperplane import CLOSED, PATIENCE, on_hyperplane
from robustreg.solvers._programs import linear_program, quadratic_program
from robustreg.solvers._rows import Rows, Vertex, few_rows

#: a gap of this share of the value says that too few rows were kept
OPEN = 1e-6
#: an envelope is this much narrower than the one before
NARROWER = 0.15
#: an envelope that bends no more than this many rows for each coefficient is the last
BAND = 12
#: gradient at which an envelope ends, in its widths: its minimum is then known to a small part of one
LOOSE = 0.005
#: rows within this many widths of an envelope may bend the next one
KEPT = 4.0
#: cells of rows that an interior point takes at once: at 200 x 5 it is done in 2.4 ms, by envelopes in 3.0, and
#: from 1,000 x 10 on envelopes are as quick
AT_ONCE = 5_000
#: an offset, y having spread one, of a row that may lie on a hyperplane with many others
ON = 1e-12
#: a width, y having spread one, at which many rows within it may lie on a hyperplane
FLAT = 1e-5
#: within the last envelope, so many times the rows of a program are too many to be near by chance
MANY = 4
#: so many times more rows are taken where those that were cannot balance the rest, and all where that is
#: half of them: programs without an answer cost as much as the one with, whose size is known to a factor
MORE = 4
#: offsets beyond this many median ones are folded before a program is solved
FAR = 1e3


def solve_rows(
    rows: Rows,
    theta: Array,
    width: float,
    control: Control,
    *,
    partial: bool = False,
) -> Vertex:
    """Minimise exactly, starting from ``theta`` whose offsets are about ``width`` off.

    Where they are ``partial`` the linear term may be more than they can balance: that is said soon.

    Ever narrower envelopes say which rows end up near their kinks. The others are folded, the few
    are solved exactly, and where a folded row then lies on its other side it joins the few.
    """
    q, control = len(theta), control.phase()
    few = few_rows(q)
    if rows.quadratic is not None and len(rows.weight) * q <= AT_ONCE:
        few = max(few, len(rows.weight))
    # a plane through most of a few rows is as good as one through many
    most_tied = min(few, max(2 * q, len(rows.weight) // 2))
    if width <= FLAT:
        tied = np.abs(rows.offsets(theta)) <= KEPT * width
        vertex = on_hyperplane(rows, theta, tied) if tied.sum() > most_tied else None
        if vertex is not None and vertex.success:
            control.step(vertex.theta, rows.value(vertex.theta))
            return vertex
    start = _narrow(rows, theta, width, few, control, partial)
    if isinstance(start, Vertex):
        return start
    theta, mu = start
    s = rows.offsets(theta)
    tied = np.abs(s) <= np.maximum(rows.rounding(theta), ON)
    if control.n_iter and np.count_nonzero(np.abs(s) <= KEPT * mu) > MANY * few:
        tied = np.abs(s) <= KEPT * mu
    if tied.sum() > most_tied:
        vertex = on_hyperplane(rows, theta, tied)
        if vertex.success:
            return vertex
    return _by_programs(rows, theta, s, few, control)


def _ends(rows: Rows, theta: Array) -> Array:
    """Slopes by the sides on which rows lie."""
    ends: Array = np.where(rows.offsets(theta) > 0, rows.upper, rows.lower)
    return ends


def _narrow(
    rows: Rows,
    theta: Array,
    width: float,
    few: int,
    control: Control,
    partial: bool,
) -> Vertex | tuple[Array, float]:
    """Minimise ever narrower envelopes; return the point and the next width, or an early end."""
    q, mu, force = len(theta), width, rows.force()
    # The start need not be near the end of any envelope: how many rows it bends says nothing.
    wide = rows
    while len(wide.weight) > few and mu > 1e-9 * width and control.left > 1:
        if wide is not rows or mu < width:
            bent = wide.curvature(wide.offsets(theta), mu / NARROWER)
            if np.count_nonzero(bent) <= BAND * q:
                break
        goal = max(LOOSE * force * mu, 1e-9 * force)
        found = wide.envelope(theta, mu, control.phase(tol=goal, most=PATIENCE, spare=1))
        if control.stopped:
            return Vertex(found.x, _ends(rows, found.x), False)
        if found.status == 1:  # runs away, or would take for ever
            if partial and wide is rows:
                return Vertex(theta, _ends(rows, theta), False)
            break
        theta = found.x
        s = wide.offsets(theta)
        near = np.flatnonzero(np.abs(s) <= KEPT * mu)
        # The others hardly bend the next envelope, which only makes a start.
        if few < len(near) < 0.5 * len(s):
            wide = wide.fold(near, s)
        mu *= NARROWER
    return theta, mu


def _by_programs(rows: Rows, theta: Array, s: Array, few: int, control: Control) -> Vertex:
    """Solve the few rows that are nearest to their kinks, and more where these do not do."""
    # Rows far out only say on which side they lie: beside one of 1e10 a program loses the others.
    size = np.abs(s)
    close = size <= FAR * np.median(size[size > 0]) if size.any() else size == 0
    few = min(few, max(int(close.sum()), min(2 * len(theta), len(s))))
    kept = np.sort(first(size, few))
    solve = linear_program if rows.quadratic is None else quadratic_program
    sides: Array = np.where(s > 0, rows.upper, rows.lower)
    success, start, slopes = False, theta, sides
    while not success and control.left:
        control.count()
        # Not from the last end: with too few rows a program may have none but infinity.
        small = rows.fold(kept, s)
        solved = solve(small, start)
        if solved is None and len(kept) == len(s):
            return Vertex(theta, sides, False)
        open_ = solved is not None and small.gap(*solved) > small.nothing(solved[0], OPEN)
        if solved is None or (open_ and len(kept) < len(s)):
            # the rows left cannot balance what the others pull, or only far away by a weak penalty
            more = MORE * len(kept)
            kept = np.union1d(kept, first(size, more if 2 * more < len(s) else len(s)))
            continue
        theta, inner = solved
        slopes = sides.copy()
        slopes[kept] = inner
        missed = _missed(rows, theta, slopes, s, kept)
        success = not (open_ or len(missed))
        if open_ and not len(missed):
            break
        kept = np.concatenate([kept, missed])
        if control.heard:
            control.tell(theta, rows.value(theta))
    return Vertex(theta, slopes, success)


def _missed(rows: Rows, theta: Array, slopes: Array, s: Array, kept: Array) -> Array:
    """Return folded rows that should have been kept: those on their other side, or on their kinks."""
    now, rounding = rows.offsets(theta), rows.rounding(theta)
    flipped = np.where(s > 0, -now, now) > rounding
    flipped[kept] = False
    gap = 0.0 if flipped.any() else rows.gap(theta, slopes, seen=(now, rounding))
    if gap > rows.nothing(theta, CLOSED):
        # Folded rows that end on their kinks can have any slope: they are missed in the balance.
        flipped = np.abs(now) <= rounding
        if gap > rows.nothing(theta, OPEN):  # the rows left had no balance at all
            flipped[first(np.abs(s), 2 * len(kept))] = True
        flipped[kept] = False
    return np.flatnonzero(flipped)
