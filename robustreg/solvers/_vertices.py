"""Least sums of terms with one kink each, from vertex to vertex.

At a vertex as many independent rows as there are coefficients are on their kinks. Where a slope that such a
row would have to have is beyond its bounds the row is let go, and the sum is followed along the edge past the
kinks of others to where it is least. Where far more rows meet the vertices of one point are too many to go through.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dger
from scipy.linalg.lapack import dgetrf, dgetri

from robustreg._array import Array
from robustreg.solvers._first import first
from robustreg.solvers._hyperplane import on_hyperplane
from robustreg.solvers._rows import Rows

#: a slope beyond its bounds by this share of its range is rounding
BEYOND = 1e-10
#: a row that depends on a basis to this share of it cannot join
DEPENDENT = 1e-9
#: vertices, for each coefficient and beyond some, after which others are asked
MOST, SOME = 12, 60
#: vertices at the same place, for each coefficient, after which they are taken for a circle, and a descent, y having
#: spread one, that is rounding: where many rows meet hardly a length is exactly zero
STILL, LEVEL = 1, 1e-12
#: an offset, y having spread one, of a row that meets others there, and how many for each coefficient are too many to
#: go through their vertices
MET, MANY = 1e-9, 2
#: rows that an edge passes at the most, but for long ones (machine: to sort 1,200 took half of a step)
PASSED = 64
#: vertices after which the inverse of the basis is made anew
ANEW = 120


def walk(rows: Rows, basis: Array, most: int | None = None) -> tuple[Array, Array] | None:
    """Return a minimum and the slopes of the rows, from one vertex to the next.

    Parameters
    ----------
    rows : Rows
        Dense, without a square term.
    basis : array of int of shape (q,)
        Independent rows, whose kinks meet at the first vertex.
    most : int, optional
        Steps at the most, in place of as many as are usual.

    Returns
    -------
    theta, slopes : array of shape (q,), array of shape (k,)
        None where rows are so placed that the walk would take long, or has no end.

    References
    ----------
    Barrodale, I. and Roberts, F. D. K. (1973). An improved algorithm for discrete l1 linear approximation.
    SIAM Journal on Numerical Analysis 10, 839-848.
    """
    X, lower, upper = rows.X, rows.lower, rows.upper
    jump, basis, q, still = upper - lower, basis.copy(), len(basis), 0
    for step in range(MOST * q + SOME if most is None else most):
        if step % ANEW == 0:
            vertex = _vertex(rows, basis)
            if vertex is None:
                return None
            inverse, s, side, slopes, pull = vertex
        own = -pull.dot(inverse)
        above, below = own - upper[basis], lower[basis] - own
        beyond = np.maximum(above, below)
        rate = beyond / np.sqrt(np.einsum("ij,ij->j", inverse, inverse))
        leaving = int(rate.argmax())
        if beyond[leaving] <= BEYOND * jump[basis[leaving]]:
            far = beyond > BEYOND * jump[basis]
            if not far.any():
                return _end(rows, basis, inverse, slopes)
            leaving = int(np.where(far, rate, -np.inf).argmax())
        up = above[leaving] > below[leaving]
        edge = inverse[:, leaving] if up else -inverse[:, leaving]
        along = X.dot(edge)
        met = _met_on_the_way(s, side, along, jump, beyond[leaving])
        if met is None:
            return None
        past, entering, length = met
        reach = X[entering].dot(inverse)
        if abs(reach[leaving]) <= DEPENDENT * np.abs(reach).max():
            return None
        still = still + 1 if length * beyond[leaving] <= LEVEL else 0
        if still > STILL * q + SOME:
            return None
        if still == 1 and np.count_nonzero(here := np.abs(s) <= MET) > MANY * q:
            end = on_hyperplane(rows, inverse.dot(rows.position[basis]), here)
            if end.success:
                return end.theta, end.slopes
        s += length * along
        gone, before = basis[leaving], slopes[entering]
        side[past] = -side[past]
        turned = side[past] * jump[past]
        slopes[past] = np.where(turned > 0, upper[past], lower[past])
        slopes[entering], slopes[gone] = 0.0, upper[gone] if up else lower[gone]
        pull = pull + turned.dot(X[past]) - before * X[entering] + slopes[gone] * X[gone]
        s[gone], s[entering] = length if up else -length, 0.0
        side[gone], side[entering] = 1.0 if up else -1.0, 0.0
        column = inverse[:, leaving] / reach[leaving]
        reach[leaving] = 0.0
        # in place: the inverse is in the order of C, and so its transpose in that of Fortran
        inverse = dger(-1.0, reach, column, a=inverse.T, overwrite_a=True).T
        inverse[:, leaving] = column
        basis[leaving] = entering
    return None


def _vertex(rows: Rows, basis: Array) -> tuple[Array, Array, Array, Array, Array] | None:
    """Return the inverse of a basis, and offsets, sides and slopes of the rows and their pull at its vertex.

    Offsets, sides and slopes of its own rows are zero. None where the basis is singular.
    """
    factor, pivot, singular = dgetrf(rows.X[basis].T)
    if singular:
        return None
    inverse = dgetri(factor, pivot)[0].T
    s = rows.X.dot(inverse.dot(rows.position[basis])) - rows.position
    # where rounding decides the side of a row that is on its kink, it stays the same from here on
    side: Array = np.where(s > 0, 1.0, -1.0)
    s[basis] = side[basis] = 0.0
    slopes: Array = np.where(side > 0, rows.upper, rows.lower)
    slopes[basis] = 0.0
    return inverse, s, side, slopes, rows.linear + slopes.dot(rows.X)


def _met_on_the_way(
    s: Array, side: Array, along: Array, jump: Array, descent: float
) -> tuple[Array, int, float] | None:
    """Return the rows whose kinks an edge passes, the row at whose kink the sum is least, and how far that is.

    Rows that come to their kinks take up the descent one after another; where they do not take up all of it,
    there is no end.
    """
    nearing = -side * along
    ahead = (nearing > 0).nonzero()[0]
    if not len(ahead):
        return None
    speed = nearing[ahead]
    when = np.maximum(side[ahead] * s[ahead] / speed, 0.0)
    taken_up = jump[ahead] * speed
    for few in (PASSED, len(when)):
        order = first(when, few)
        last = int(taken_up[order].cumsum().searchsorted(descent))
        if last < len(order):
            return ahead[order[:last]], int(ahead[order[last]]), float(when[order[last]])
    return None


def _end(rows: Rows, basis: Array, inverse: Array, slopes: Array) -> tuple[Array, Array]:
    """Return the vertex and all slopes, solved anew from the rows, for the digits that steps have cost."""
    corner, position = rows.X[basis], rows.position[basis]
    theta = inverse @ position
    theta = theta + inverse @ (position - corner @ theta)
    pull = rows.linear + rows.X.T @ slopes
    own = -(pull @ inverse)
    own = own - (pull + own @ corner) @ inverse
    slopes[basis] = np.minimum(np.maximum(own, rows.lower[basis]), rows.upper[basis])
    theta[np.abs(theta) <= np.finfo(float).eps * np.abs(theta).max()] = 0.0
    return theta, slopes
