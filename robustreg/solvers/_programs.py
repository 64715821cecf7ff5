"""Exact solution of a few rows: a linear or a quadratic program, finished from its basis.

A general solver finds which rows lie on their kinks; the point and the slopes are then solved from
those rows alone, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgeqp3, dgetrf, dgetrs
from scipy.optimize import lsq_linear

from robustreg._array import Array, is_sparse
from robustreg.solvers._central_path import Inside, further
from robustreg.solvers._control import Control
from robustreg.solvers._first import first
from robustreg.solvers._near_kinks import along_path
from robustreg.solvers._result import Result, linprog, minimize
from robustreg.solvers._rows import Rows
from robustreg.solvers._vertices import walk

#: with more coefficients vertices are so many that some steps along the central path, to begin nearer, cost less
WIDE = 60
#: an interior point is this close to its central path's end when it stops
GAP = 1e-14
#: equations are solved where they are missed by no more than this share
SOLVED = 1e-12
#: slopes that leave this share of the value as a gap need no bounded least squares
BALANCED = 1e-10
#: a duality gap of this share of the value is rounding
CLOSED = 1e-16
#: and one of this share says that it has ended elsewhere
LEFT = 1e-12
#: a gap of this share of the value is small enough to tell which rows are on their kinks
NEAR = 1e-4
#: width, y having spread one, of the last envelope that is tried, and iterations that one may take
NARROWEST, PATIENT = 1e-12, 100
#: a slope this share of its range inside its bounds is inside
UNIQUE = 1e-9
#: rows this share of the median distance from their kinks are as good as on them, to begin with
NEARER = 1e-3
#: rows this many times longer than the median one can have tiny slopes inside their bounds
FAR = 1e3
#: a length in place of none
TINY = 1e-300
#: machine: bounded least squares, a step for each slope that leaves its bound, takes so many beyond this size: with
#: hundreds of rows and coefficients a step is a decomposition of .2 s, and a guess that needs more is a bad one
FREED, SMALL = 50, 200_000
#: a pivot of this share of the largest may be rounding
PIVOT = 1e-9
#: steps of an interior point without gain after which it stops
PATIENCE = 5


def linear_program(rows: Rows, theta: Array) -> tuple[Array, Array] | None:
    """Return optimum and slopes, or None where the folded rows make the dual infeasible.

    From vertex to vertex, beginning with the rows nearest to their kinks. Where that finds no proof, as among rows
    that lie on each other, by the interior point method if there are many coefficients, then by the simplex
    method of HiGHS, and where rows are so unlike each other that its tolerances leave a gap by an interior
    point again. Without rows a linear term has no minimum.
    """
    if not len(rows.weight):
        return None if rows.linear.any() else (theta, rows.lower)
    found = _walked(rows, theta)
    if found is None and len(theta) > WIDE:
        found = _central(rows, theta)
    if found is not None:
        return found
    found = simplex(rows)
    if found is None or _proven(rows, found):
        return found
    return _central(rows, theta) or found


def _proven(rows: Rows, found: tuple[Array, Array]) -> bool:
    return rows.gap(*found) <= rows.nothing(found[0], 1e-12)


def _walked(rows: Rows, theta: Array) -> tuple[Array, Array] | None:
    """Return the proven end of a walk that begins near a point."""
    if is_sparse(rows.X):
        return None
    if len(theta) > WIDE:
        near = along_path(rows, theta)[1]
    else:
        size = np.abs(rows.offsets(theta))
        near = 1 / (size + (NEARER * float(np.median(size)) or 1.0))
    found = vertex_near(rows, near)
    return found if found is not None and _proven(rows, found) else None


def vertex_near(rows: Rows, near: Array, most: int | None = None) -> tuple[Array, Array] | None:
    """Return the end of a walk that begins at the kinks of the rows that are ``near`` to theirs.

    The larger the number of a row, the nearer it is.
    """
    q = len(rows.linear)
    for few in (2 * q + 10, len(near)):
        nearest = first(-near, few)
        basis = nearest[_pivots(near[nearest, None] * rows.X[nearest])]
        if len(basis) == q:
            break
    else:
        return None
    return vertex_from(rows, basis, most)


def vertex_from(rows: Rows, basis: Array, most: int | None = None) -> tuple[Array, Array] | None:
    """Return the end of a walk that begins at the kinks of a basis, and takes ``most`` steps.

    None where it has no end in them, or where that may be one of several minima: of these the one of the simplex method
    is taken. They are where a slope is at its bound.
    """
    found = walk(rows, basis, most)
    return found if found is not None and _is_single(rows, found[1]) else None


def _is_single(rows: Rows, slopes: Array) -> bool:
    """Whether there is one minimum."""
    edge = UNIQUE * (rows.upper - rows.lower)
    inside = (slopes > rows.lower + edge) & (slopes < rows.upper - edge)
    # these rows are on their kinks in every minimum
    q, some = len(rows.linear), np.count_nonzero(inside)
    return bool(some == q or (some > q and len(spanning(rows.X[inside])) == q))


def simplex(rows: Rows) -> tuple[Array, Array] | None:
    """Return the vertex that HiGHS finds, solved from its basis.

    The dual has one equation for each coefficient and one bounded variable, its slope, for each row:
    maximise ``-slopes @ position`` with ``X.T @ slopes = -linear``.
    """
    unit = float(rows.weight.max())
    found = linprog(
        rows.position,
        A_eq=rows.X.T,
        b_eq=-rows.linear / unit,
        bounds=np.column_stack([rows.lower, rows.upper]) / unit,
        method="highs",
        # Presolve finds nothing to remove: rows that matter little are folded already.
        options={
            "presolve": False,
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
        },
    )
    if found.x is None:
        return None
    slopes, theta = found.x * unit, found.eqlin.marginals
    edge = 1e-9 * (rows.upper - rows.lower)
    free = (slopes > rows.lower + edge) & (slopes < rows.upper - edge)
    s = rows.offsets(theta)
    touching = np.abs(s) <= 1e-9 * (np.abs(rows.position).max(initial=0.0) + np.abs(theta).max())
    theta = _vertex(rows, theta, free, touching)
    return theta, balanced(rows, theta, slopes)


def _central(rows: Rows, theta: Array) -> tuple[Array, Array] | None:
    """Return optimum and slopes by the interior point method where it ends at a proven vertex.

    Or on a face whose points are all minima, as among columns of zeros and ones: its end is inside, where the rows on their
    kinks are those of the face, fewer than there are coefficients. Where rows tie they may be more.
    """
    found = minimize(rows.value, theta, method=interior_point, options={"rows": rows})
    edge = 1e-6 * (rows.upper - rows.lower)
    free = (found.slopes > rows.lower + edge) & (found.slopes < rows.upper - edge)
    theta = _vertex(rows, found.x, free, free)
    end = theta, balanced(rows, theta, found.slopes)
    return end if _proven(rows, end) else None


def _vertex(rows: Rows, theta: Array, free: Array, touching: Array) -> Array:
    """Solve the point from a full-rank set of rows that pass through it."""
    candidates = np.concatenate([np.flatnonzero(free), np.flatnonzero(touching & ~free)])
    if len(candidates) == 0:
        return theta
    basis = candidates[spanning(rows.X[candidates])]
    if len(basis) == len(theta):
        return solve_equations(rows.X[basis], rows.position[basis], theta)
    for _ in range(2):
        # theta moves as little as the equations ask for: where they leave a choice it is kept
        miss = rows.position[basis] - rows.X[basis] @ theta
        theta = theta + np.linalg.lstsq(rows.X[basis], miss, rcond=None)[0]
    return theta


def _pivots(X: Array) -> Array:
    """Return rows of X that are independent and span all of them, the large ones if they may be chosen.

    By elimination, which takes a tenth of the time of an orthogonal decomposition and is as good where rows are in
    general position. Where a pivot is small they may not be.
    """
    q = X.shape[1]
    if len(X) >= q:
        triangle, swaps, _ = dgetrf(X)
        size = np.abs(triangle.diagonal())
        if size.min(initial=np.inf) > PIVOT * size.max(initial=0.0):
            order = np.arange(len(X))
            for k, other in enumerate(swaps.tolist()):
                order[k], order[other] = order[other], order[k]
            return order[:q]
    return spanning(X)


def spanning(X: Array) -> Array:
    """Return rows of X that are independent and span all of them."""
    triangle, pivot, *_ = dgeqp3(X.T)
    diagonal = np.abs(triangle.diagonal())
    spanning: Array = pivot[: np.count_nonzero(diagonal > 1e-11 * diagonal[0])] - 1
    return spanning


def balanced(rows: Rows, theta: Array, guess: Array) -> Array:
    """Slopes that balance at ``theta``: at their bound off the kinks, solved for on them.

    Least squares near the guess is enough but where rows lie on each other and their bounds
    differ; then the bounds are part of the problem.
    """
    s = rows.offsets(theta)
    zero = np.abs(s) <= rows.rounding(theta)
    slopes = np.where(
        zero, np.clip(guess, rows.lower, rows.upper), np.where(s > 0, rows.upper, rows.lower)
    )
    if not zero.any():
        return slopes
    pull = rows.linear if rows.quadratic is None else rows.linear + rows.quadratic @ theta
    weight = rows.weight[zero]
    length = lengths(rows.X[zero])
    if length.max() > FAR:  # their slopes are as much smaller, and each is to have its digits
        weight = weight / length
    X = rows.X[zero] * weight[:, None]
    low, high = rows.lower[zero] / weight, rows.upper[zero] / weight
    fixed = pull + rows.X[~zero].T @ slopes[~zero]
    size = np.abs(fixed).max() + np.abs(X).max()
    start = slopes[zero] / weight
    for t in (start, np.zeros_like(start)):
        if len(X) == len(fixed):
            t = solve_equations(X.T, -fixed, t)
        else:
            for _ in range(2):
                t = t + np.linalg.lstsq(X.T, -(fixed + X.T @ t), rcond=None)[0]
        inside = np.clip(t, low, high)
        if np.abs(inside - t).max() <= 1e-11 * np.abs(t).max():
            slopes[zero] = weight * inside
            return slopes
    if rows.quadratic is not None:
        # A penalty takes up what does not balance: the guess is good if it costs no more than rounding.
        guess = np.where(zero, np.clip(guess, rows.lower, rows.upper), slopes)
        if rows.gap(theta, guess) <= BALANCED * abs(rows.value(theta)):
            return guess
    most = max(FREED, FREED * SMALL // X.size)
    t = lsq_linear(
        X.T / size, -fixed / size, bounds=(low, high), method="bvls", tol=1e-15, max_iter=most
    ).x
    slopes[zero] = weight * np.clip(t, low, high)
    return slopes


def lengths(X: Array) -> Array:
    """Lengths of rows beside the median one."""
    length = np.maximum(np.abs(X).max(axis=1, initial=0.0), TINY)
    return np.asarray(length / np.median(length))


def quadratic_program(rows: Rows, theta: Array) -> tuple[Array, Array]:
    """Return optimum and slopes with a square term: interior point, then the active set.

    Without rows the minimum is that of the square and the linear term.
    """
    if not len(rows.weight):
        return _on_active(rows, np.zeros(0, dtype=bool), rows.lower), rows.lower
    start, found = theta, minimize(rows.value, theta, method=interior_point, options={"rows": rows})
    best = _finished(rows, found.x, found.slopes)
    if rows.gap(*best) <= rows.nothing(best[0], LEFT):
        return best
    # A row far out in X can hold an interior point up at its first steps, but no envelope.
    other = _by_envelopes(rows, start)
    return best if other is None else min(best, other, key=lambda end: rows.gap(*end))


def _finished(rows: Rows, theta: Array, slopes: Array) -> tuple[Array, Array]:
    """Return the best of a point near the optimum and those on the active sets that it suggests."""
    best = theta, slopes
    gap = rows.gap(*best)
    for active in _guesses(rows, theta, slopes):
        exact = theta if active is None else _on_active(rows, active, slopes)
        trial = exact, balanced(rows, exact, slopes)
        closed = rows.gap(*trial)
        if closed <= gap:
            best, gap = trial, closed
        if gap <= CLOSED * abs(rows.value(best[0])):
            break
    return best


def _by_envelopes(rows: Rows, theta: Array) -> tuple[Array, Array] | None:
    """Return optimum and slopes through ever narrower envelopes, None where these run away.

    Their slopes are in balance, so the gap shows how near they are.
    """
    mu = max(float(np.abs(rows.offsets(theta)).mean()), 1.0)
    end = None
    while mu > NARROWEST:
        found = rows.envelope(theta, mu, Control(min(1e-9, 1e-3 * mu), PATIENT))
        if found.status == 1:
            break
        theta = found.x
        end = theta, np.clip(rows.weight * rows.offsets(theta) / mu, rows.lower, rows.upper)
        if rows.gap(*end) <= rows.nothing(theta, NEAR):
            end = _finished(rows, *end)
            if rows.gap(*end) <= rows.nothing(end[0], LEFT):
                break
        mu *= 0.1
    return end


def _guesses(rows: Rows, theta: Array, slopes: Array) -> Iterator[Array | None]:
    """Yield what the rows on their kinks may be at an interior point; None leaves it as it is.

    Their slopes are off their bounds and their offsets zero, up to how far the point is from its
    end: either is measured alone, then both against each other, whatever the size of the penalty.
    """
    span = rows.upper - rows.lower
    room = np.minimum(slopes - rows.lower, rows.upper - slopes)
    yield room > 1e-3 * span
    yield None
    length = lengths(rows.X)
    if (
        length.max(initial=0.0) > FAR
    ):  # the slope with which such a row balances the others is as small
        yield room * length > 1e-3 * span
    offset, share = np.abs(rows.offsets(theta)), room / span
    offset = offset / (np.median(offset) or 1.0)
    for ratio in (1.0, float(share.max()), 1e-2):
        yield share > ratio * offset
    for edge in (1e-6, 1e-9):
        yield room > edge * span


def _on_active(rows: Rows, active: Array, slopes: Array) -> Array:
    """Minimise with the active rows held on their kinks and the others on their sides.

    Solved as a saddle point; of active rows that depend on each other a few say it all.
    """
    assert rows.quadratic is not None
    q = len(rows.linear)
    edge = np.where(slopes - rows.lower < rows.upper - slopes, rows.lower, rows.upper)
    pull = rows.linear + rows.X[~active].T @ edge[~active]
    held = np.flatnonzero(active)
    X, position = rows.X[held], rows.position[held]
    if len(held):
        # equations of length one: whether they depend on each other is no question of their sizes
        length = lengths(X)
        X, position = X / length[:, None], position / length
        some = spanning(X)
        X, position = X[some], position[some]
    # Both blocks to size one, or a tiny penalty would be lost beside the rows.
    size = np.sqrt(np.abs(np.diag(rows.quadratic)).max()) or 1.0
    system = np.zeros((q + len(X),) * 2)
    system[:q, :q] = rows.quadratic / size**2
    system[q:, :q], system[:q, q:] = X, X.T
    right = np.concatenate([-pull / size, position * size])
    return solve_equations(system, right, np.zeros(len(right)))[:q] / size


def conjugate(square: Array, pull: Array) -> float:
    """Return ``pull @ square^-1 @ pull``, twice the conjugate of a penalty.

    Columns of all sizes are made equal first: a cut of small singular values would drop the penalty of a
    column that is large in the user's units, and with it whatever its pull lacks.
    """
    size = np.sqrt(np.diag(square))
    size = np.where(size > 0, size, 1.0)
    scaled = pull / size
    inner = square / np.outer(size, size)
    return float(scaled @ np.linalg.lstsq(inner, scaled, rcond=None)[0])


def solve_equations(system: Array, right: Array, found: Array) -> Array:
    """Solve as many equations as unknowns, near ``found`` by least squares where they are singular."""
    factor, pivots, _ = dgetrf(system)
    exact = found
    with np.errstate(all="ignore"):  # where they are singular
        for _ in range(3):
            exact = exact + dgetrs(factor, pivots, right - system @ exact)[0]
        missed = right - system @ exact
    if np.abs(missed).max(initial=0.0) <= SOLVED * np.abs(right).max(initial=0.0):
        return exact
    for _ in range(2):
        found = found + np.linalg.lstsq(system, right - system @ found, rcond=1e-15)[0]
    return found


def interior_point(
    fun: Any, x0: Array, args: tuple[Any, ...] = (), *, rows: Rows, maxiter: int = 80, **unused: Any
) -> Result:
    """Primal-dual interior point method for :class:`Rows` with a square term.

    A ``method`` for :func:`scipy.optimize.minimize`, along the central path.

    Parameters
    ----------
    fun, args
        Not used: ``rows`` says it all.
    x0 : array of shape (q,)
        Start.
    rows : Rows
        The problem.
    maxiter : int
        Maximum number of iterations.

    Returns
    -------
    Result
        ``x``, ``slopes``, ``fun``, ``nit``, ``success``.
    """
    theta = np.array(x0, dtype=float)
    middle = 0.5 * (rows.lower + rows.upper)
    wide = float(np.abs(rows.offsets(theta)).mean()) or 1.0
    point: Inside | None = Inside.start(rows, theta, middle, wide)
    assert point is not None
    best, least, nearest, nit, stalled = point, np.inf, np.inf, 0, 0
    width = rows.upper - rows.lower
    while nit < maxiter and point is not None:
        nit += 1
        dual, primal = point.dual(), point.primal()
        # gap and what the equations miss, both in the units of the objective
        merit = float(point.gap + np.abs(dual) @ np.abs(point.theta) + np.abs(primal) @ width)
        # The merit of a start at zero is too good to last: while the dual equations still come
        # nearer that is progress too. A few steps without any are the end.
        lacking = float(np.abs(dual).max())
        stalled = 0 if merit < 0.999 * least or lacking < 0.95 * nearest else stalled + 1
        nearest = min(nearest, lacking)
        if stalled > PATIENCE or not np.isfinite(merit):
            break
        if merit < least:
            least, best = merit, point
        if merit <= GAP * abs(rows.value(point.theta)):
            break
        point = further(point, dual, primal)
    theta, slopes = best.theta, best.slopes()
    return Result(x=theta, slopes=slopes, fun=rows.value(theta), nit=nit, success=True)
