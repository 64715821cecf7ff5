"""Least sums of terms with one kink each, from vertex to vertex.

At a vertex as many independent rows as there are coefficients are on their kinks. Where a slope that such a
row would have to have is beyond its bounds the row is let go, and the sum is followed along the edge past the
kinks of others to where it is least.
"""

from __future__ import annotations

import numpy as np

from robustreg._array import Array
from robustreg.solvers._rows import Rows

#: a slope beyond its bounds by this share of its range is rounding
BEYOND = 1e-10
#: a row that depends on a basis to this share of it cannot join
DEPENDENT = 1e-9
#: vertices, for each coefficient and beyond some, after which others are asked
MOST, SOME = 12, 60
#: vertices at the same place, for each coefficient, after which they are taken for a circle
STILL = 3
#: vertices after which the inverse of the basis is made anew
ANEW = 120


def walk(rows: Rows, basis: Array) -> tuple[Array, Array] | None:
    """Return a minimum and the slopes of the rows, from one vertex to the next.

    Parameters
    ----------
    rows : Rows
        Dense, without a square term.
    basis : array of int of shape (q,)
        Independent rows, whose kinks meet at the first vertex.

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
    jump, basis, q = upper - lower, basis.copy(), len(basis)
    still, inverse, theta = 0, None, np.zeros(q)
    for step in range(MOST * q + SOME):
        if inverse is None or step % ANEW == 0:
            try:
                inverse = np.linalg.inv(X[basis])
            except np.linalg.LinAlgError:
                return None
            theta = inverse @ rows.position[basis]
            s = X @ theta - rows.position
            s[basis] = 0.0
            # where rounding decides the side of a row that is on its kink, it stays the same from here on
            high = s > 0
            slopes = np.asarray(np.where(high, upper, lower))
            slopes[basis] = 0.0
            pull = rows.linear + X.T @ slopes
        own = -(pull @ inverse)
        above, below = own - upper[basis], lower[basis] - own
        size = np.sqrt(np.einsum("ij,ij->j", inverse, inverse))
        worst = np.maximum(above, below) / jump[basis]
        if worst.max() <= BEYOND:
            # anew from the rows, for the digits that steps have cost
            corner, position = X[basis], rows.position[basis]
            theta = inverse @ position
            theta = theta + inverse @ (position - corner @ theta)
            pull = rows.linear + X.T @ slopes
            own = own - (pull + own @ corner) @ inverse
            slopes[basis] = np.clip(own, lower[basis], upper[basis])
            theta[np.abs(theta) <= np.finfo(float).eps * np.abs(theta).max()] = 0.0
            return theta, slopes
        leaving = int(np.argmax(np.where(worst > BEYOND, np.maximum(above, below) / size, -np.inf)))
        up = above[leaving] > below[leaving]
        edge = inverse[:, leaving] if up else -inverse[:, leaving]
        falls = above[leaving] if up else below[leaving]
        along = X @ edge
        along[basis] = 0.0
        # rows that come to their kinks, in order, until they have taken up the descent
        ahead = np.flatnonzero(np.where(high, along < 0, along > 0))
        if not len(ahead):
            return None
        when = np.maximum(-s[ahead] / along[ahead], 0.0)
        order = np.argsort(when, kind="stable")
        taken = np.cumsum((jump[ahead] * np.abs(along[ahead]))[order])
        last = int(np.searchsorted(taken, falls))
        if last >= len(order):
            return None
        past, entering = ahead[order[:last]], int(ahead[order[last]])
        length = float(when[order[last]])
        reach = X[entering] @ inverse
        if abs(reach[leaving]) <= DEPENDENT * np.abs(reach).max():
            return None
        still = still + 1 if length == 0 else 0
        if still > STILL * q + SOME:
            return None
        theta = theta + length * edge
        s += length * along
        gone = basis[leaving]
        before = slopes[entering]
        high[past] = ~high[past]
        slopes[past] = np.where(high[past], upper[past], lower[past])
        turned = np.where(high[past], jump[past], -jump[past])
        slopes[entering], slopes[gone] = 0.0, upper[gone] if up else lower[gone]
        pull = pull + turned @ X[past] - before * X[entering] + slopes[gone] * X[gone]
        s[gone], s[entering], high[gone] = length if up else -length, 0.0, up
        column = inverse[:, leaving] / reach[leaving]
        reach[leaving] = 0.0
        inverse = inverse - np.outer(column, reach)
        inverse[:, leaving] = column
        basis[leaving] = entering
    return None
