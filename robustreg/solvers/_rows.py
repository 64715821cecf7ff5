"""Piecewise linear terms kept row by row, everything else folded into a linear and a square term.

    f(theta) = sum_i max(lower_i s_i, upper_i s_i) + linear @ theta + theta @ quadratic @ theta / 2,
    s = X theta - position.

Its optimum is found to rounding: by a linear program where there is no square term, on the active
set otherwise, both reached through a sequence of Moreau envelopes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array, row_slices
from robustreg.data import Block, take_rows
from robustreg.solvers._newton import newton
from robustreg.solvers._programs import linear_program, quadratic_program
from robustreg.solvers._result import Result, minimize

#: a gap of this share of the value is more than rounding
TIED = 1e-12
#: what rounding makes of a gap at the most, y having spread one: a heavy penalty has digits of its own
NOISE = 1e-12
#: and one of this share says that too few rows were kept
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
#: iterations after which an envelope is given up
PATIENCE = 60
#: an offset, y having spread one, of a row that may lie on a hyperplane with many others
ON = 1e-12
#: a width, y having spread one, at which many rows within it may lie on a hyperplane
FLAT = 1e-5
#: within the last envelope, so many times the rows of a program are too many to be near by chance
MANY = 4
#: rows of which entries are made positive at a time
PART = 4096
#: so many times more rows are taken where those that were cannot balance the rest, and all where that is
#: half of them: programs without an answer cost as much as the one with, whose size is known to a factor
MORE = 4
#: curvature of a penalty that may be too weak to bound what is missed by rounding
WEAK = 1e-12
#: the least size that a column may have without the rows far out in it
SLIGHT = 1e-30
#: offsets beyond this many median ones are folded before a program is solved
FAR = 1e3


@dataclass
class Rows:
    """Terms with one kink each, and the rest of the objective.

    Parameters
    ----------
    X : array of shape (k, q)
        Rows in the solver's coordinates, the intercept's ones included.
    position, lower, upper, weight : arrays of shape (k,)
        Where row i has its kink, and its slopes (times the weight) on both sides.
    linear : array of shape (q,)
        Gradient of what is folded away.
    quadratic : array of shape (q, q) or None
        Hessian of an L2 penalty.
    hidden : array of shape (q,)
        Size of what centring took from the columns, and ``base``, from y: both carry rounding.
    """

    X: Array
    position: Array
    lower: Array
    upper: Array
    weight: Array
    linear: Array
    quadratic: Array | None = None
    hidden: Any = 0.0
    base: float = 0.0

    def offsets(self, theta: Array) -> Array:
        """Signed distance of each row to its kink."""
        return self.X @ theta - self.position

    def take(self, rows: Array, linear: Array) -> Rows:
        """Return some of the rows, with another linear term."""
        names = ("position", "lower", "upper", "weight")
        kept = {name: getattr(self, name)[rows] for name in names}
        return replace(self, X=take_rows(self.X, rows), linear=linear, **kept)

    def fold(self, rows: Array, s: Array) -> Rows:
        """Keep ``rows`` and replace the others by their slopes at offsets ``s``."""
        slopes: Array = np.where(s > 0, self.upper, self.lower)
        slopes[rows] = 0.0
        return self.take(rows, self.linear + self.X.T @ slopes)

    def rounding(self, theta: Array) -> Array:
        """What rounding can make of an offset that is zero."""
        size = np.abs(theta)
        total = np.empty(self.X.shape[0])
        for part in row_slices(len(total), PART):  # no copy of X
            total[part] = abs(self.X[part]) @ size
        total += np.abs(self.position) + size.max(initial=0.0)
        total += self.base + np.sum(self.hidden * size)
        return 256 * np.finfo(float).eps * total

    def gap(self, theta: Array, slopes: Array, size: float = 1.0) -> float:
        """Duality gap of a point and slopes within their bounds, at least 0.

        Fenchel's inequality row by row, and for what the slopes leave unbalanced the smaller of two
        bounds: the conjugate of the L2 penalty, and its product with the point, made larger by
        ``size``. In coordinates in which y has that size and the columns size one the minimum is no
        further, and a point at zero proves nothing.
        """
        s = self.offsets(theta)
        s = np.where(np.abs(s) <= self.rounding(theta), 0.0, s)
        gap = np.maximum(self.lower * s, self.upper * s) - slopes * s
        rest = self.X.T @ slopes + self.linear
        if self.quadratic is None:
            return float(gap.sum() + np.abs(rest) @ (size + np.abs(theta)))
        rest = rest + self.quadratic @ theta
        return float(gap.sum() + _unbalanced(self.quadratic, rest, self.farthest(theta, size)))

    def farthest(self, theta: Array, size: float) -> Array:
        """How far the minimum can be along each axis, where y has a ``size`` and columns size one.

        A column that has its size from a few rows far out lets its coefficient go as much farther as it
        is smaller without them, and the intercept with it.
        """
        far: Array = size + np.abs(theta)
        diagonal = np.diag(self.quadratic) if self.quadratic is not None else np.zeros(len(far))
        weak = np.flatnonzero((diagonal > 0) & (diagonal < WEAK))
        rows = len(self.weight)
        if not len(weak) or not rows:
            return far
        columns = self.X[:, weak]
        middle = np.median(columns, axis=0)
        entries = np.sort(np.abs(columns - middle), axis=0)[: rows - max(1, rows // 100)]
        body = np.sqrt(np.square(entries).mean(axis=0)) if len(entries) else np.zeros(len(weak))
        far[weak] /= np.clip(body, SLIGHT, 1.0)
        far[diagonal == 0] += far[weak] @ np.abs(middle)
        return far

    def force(self) -> float:
        """What the weaker side can pull, one at the most: beside a rare class all gradients are small."""
        sides = min(-self.lower.sum(), self.upper.sum())
        return float(min(max(sides, np.abs(self.linear).max()), 1.0)) or 1.0

    def value(self, theta: Array) -> float:
        s = self.offsets(theta)
        value = float(np.maximum(self.lower * s, self.upper * s).sum() + self.linear @ theta)
        return (
            value if self.quadratic is None else float(value + 0.5 * theta @ self.quadratic @ theta)
        )

    def nothing(self, theta: Array, share: float) -> float:
        """Return a share of the value at ``theta``, or what rounding can make of a gap if that is more.

        The value is a difference of what is folded and what is left, and may nearly vanish.
        """
        far = 1.0 + np.abs(theta)
        pulls = np.maximum(-self.lower, self.upper).sum()  # of columns of size one
        terms = float(np.abs(self.linear) @ far + pulls * far.sum())
        noise = min(64 * np.finfo(float).eps * terms, NOISE)
        return max(share * abs(self.value(theta)), noise)

    # The envelope of width mu: slopes clip(weight * s / mu, lower, upper).
    def evaluate(self, theta: Array, mu: float) -> tuple[float, Array, Array]:
        """Value, gradient, and the offsets, which serve the Hessian."""
        s = self.offsets(theta)
        slope = np.minimum(np.maximum(self.weight * s / mu, self.lower), self.upper)
        value = slope @ (s - 0.5 * mu / self.weight * slope) + self.linear @ theta
        gradient = self.X.T @ slope + self.linear
        if self.quadratic is not None:
            pull = self.quadratic @ theta
            value, gradient = value + 0.5 * theta @ pull, gradient + pull
        return float(value), gradient, s

    def curvature(self, s: Array, mu: float) -> Array:
        """Second derivatives of the envelope of width ``mu`` at offsets, zero outside its band."""
        steep = self.weight / mu
        bent = steep * s
        within: Array = np.where((bent > self.lower) & (bent < self.upper), steep, 0.0)
        return within

    def hess(self, theta: Array, mu: float, s: Array) -> Array:
        gram = Block(self.X, self.position, None).gram(self.curvature(s, mu))
        return gram if self.quadratic is None else gram + self.quadratic

    def envelope(
        self, theta: Array, mu: float, tol: float, maxiter: int, callback: Any = None
    ) -> Result:
        """Minimise the envelope of width ``mu``."""
        options = {"tol": tol, "maxiter": maxiter, "lazy": True}
        return minimize(
            self.evaluate,
            theta,
            args=(mu,),
            hess=self.hess,
            method=newton,
            callback=callback,
            options=options,
        )


def _unbalanced(quadratic: Array, rest: Array, far: Array) -> float:
    """Bound how much lower the objective can be because ``rest`` is not zero.

    Along each axis of the penalty, in units in which its diagonal is one: ``rest**2 / 2`` over the
    curvature there, or ``|rest|`` times ``far``, how far the minimum is at the most, if that is
    less. A penalty that hardly bends an axis says nothing of it, so no axis is left out.
    """
    diagonal = np.diag(quadratic)
    unit = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    rest, far = rest / unit, unit * far
    bend = diagonal / unit**2
    if np.count_nonzero(quadratic) > np.count_nonzero(diagonal):
        bend, axes = np.linalg.eigh(quadratic / np.outer(unit, unit))
        rest, far = axes.T @ rest, np.abs(axes).T @ far
    # an eigenvalue of rounding is none
    bend = np.where(bend > len(bend) * np.finfo(float).eps, bend, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.where(bend > 0, 0.5 * rest**2 / bend, np.inf)
    return float(np.minimum(square, np.abs(rest) * far).sum())


@dataclass
class Vertex:
    """An optimum of :class:`Rows`: the point, the slope each row contributes, and how it ended."""

    theta: Array
    slopes: Array
    nit: int
    success: bool
    stopped: bool = False


def few_rows(q: int) -> int:
    """Rows that a program of ``q`` coefficients begins with."""
    return 4 * q + 100


def solve_rows(
    rows: Rows,
    theta: Array,
    width: float,
    maxiter: int,
    callback: Any = None,
    *,
    partial: bool = False,
) -> Vertex:
    """Minimise exactly, starting from ``theta`` whose offsets are about ``width`` off.

    Where they are ``partial`` the linear term may be more than they can balance: that is said soon.

    Ever narrower envelopes say which rows end up near their kinks. The others are folded, the few
    are solved exactly, and where a folded row then lies on its other side it joins the few.
    """
    q, nit, mu = len(theta), 0, width
    few = few_rows(q)
    if rows.quadratic is not None and len(rows.weight) * q <= AT_ONCE:
        few = max(few, len(rows.weight))
    # a plane through most of a few rows is as good as one through many
    most_tied = min(few, max(2 * q, len(rows.weight) // 2))
    if width <= FLAT:
        tied = np.abs(rows.offsets(theta)) <= KEPT * width
        vertex = _on_hyperplane(rows, theta, tied, 1) if tied.sum() > most_tied else None
        if vertex is not None and vertex.success:
            return vertex
    force = rows.force()
    # The start need not be near the end of any envelope: how many rows it bends says nothing.
    wide = rows
    while len(wide.weight) > few and mu > 1e-9 * width and nit < maxiter - 1:
        if nit and np.count_nonzero(wide.curvature(wide.offsets(theta), mu / NARROWER)) <= BAND * q:
            break
        most = min(maxiter - 1 - nit, PATIENCE)
        found = wide.envelope(theta, mu, max(LOOSE * force * mu, 1e-9 * force), most, callback)
        if found.status == 99:
            ends = np.where(rows.offsets(found.x) > 0, rows.upper, rows.lower)
            return Vertex(found.x, ends, nit + found.nit, False, stopped=True)
        if found.status == 1:  # runs away, or would take for ever
            nit += found.nit
            if partial and wide is rows:
                return Vertex(
                    theta, np.where(rows.offsets(theta) > 0, rows.upper, rows.lower), nit, False
                )
            break
        theta, nit = found.x, nit + found.nit
        s = wide.offsets(theta)
        near = np.flatnonzero(np.abs(s) <= KEPT * mu)
        # The others hardly bend the next envelope, which only makes a start.
        if few < len(near) < 0.5 * len(s):
            wide = wide.fold(near, s)
        mu *= NARROWER
    s = rows.offsets(theta)
    tied = np.abs(s) <= np.maximum(rows.rounding(theta), ON)
    if nit and np.count_nonzero(np.abs(s) <= KEPT * mu) > MANY * few:
        tied = np.abs(s) <= KEPT * mu
    if tied.sum() > most_tied:
        vertex = _on_hyperplane(rows, theta, tied, nit)
        if vertex.success:
            return vertex
    order = np.argsort(np.abs(s), kind="stable")
    # Rows far out only say on which side they lie: beside one of 1e10 a program loses the others.
    size = np.abs(s)
    close = size <= FAR * np.median(size[size > 0]) if size.any() else size == 0
    few = min(few, max(int(close.sum()), min(2 * q, len(s))))
    kept, solve = (
        np.sort(order[:few]),
        linear_program if rows.quadratic is None else quadratic_program,
    )
    sides: Array = np.where(s > 0, rows.upper, rows.lower)
    success, stopped, start, slopes = False, False, theta, sides
    while not (success or stopped) and nit < maxiter:
        nit += 1
        # Not from the last end: with too few rows a program may have none but infinity.
        small = rows.fold(kept, s)
        solved = solve(small, start)
        if solved is None and len(kept) == len(s):
            return Vertex(theta, sides, nit, False)
        open_ = solved is not None and small.gap(*solved) > small.nothing(solved[0], OPEN)
        if solved is None or (open_ and len(kept) < len(s)):
            # the rows left cannot balance what the others pull, or only far away by a weak penalty
            more = MORE * len(kept)
            kept = np.union1d(kept, order[: more if 2 * more < len(s) else len(s)])
            continue
        theta, inner = solved
        now = rows.offsets(theta)
        flipped = np.where(s > 0, -now, now) > rows.rounding(theta)
        flipped[kept] = False
        slopes = sides.copy()
        slopes[kept] = inner
        gap = 0.0 if flipped.any() else rows.gap(theta, slopes)
        if gap > rows.nothing(theta, TIED):
            # Folded rows that end on their kinks can have any slope: they are missed in the balance.
            flipped = np.abs(now) <= rows.rounding(theta)
            if gap > rows.nothing(theta, OPEN):  # the rows left had no balance at all
                flipped[order[: 2 * len(kept)]] = True
            flipped[kept] = False
        success = not (open_ or flipped.any())
        if open_ and not flipped.any():
            break
        kept = np.concatenate([kept, np.flatnonzero(flipped)])
        if callback is not None:
            stopped = callback(intermediate_result=Result(x=theta, fun=rows.value(theta)))
    return Vertex(theta, slopes, nit, success, stopped)


def _on_hyperplane(rows: Rows, theta: Array, tied: Array, nit: int) -> Vertex:
    """Return the point at which many rows are on their kinks, proven if their slopes can balance it.

    Thousands of rows on one hyperplane, as of a y with many zeros, have balanced slopes in plenty,
    for which a program would search long. The smallest ones, cut off at their bounds, are those of an
    envelope of these rows at its minimum; it has none where there is no balance.
    """
    X = rows.X[tied]
    for _ in range(2):
        theta = theta - np.linalg.lstsq(X.T @ X, X.T @ rows.offsets(theta)[tied], rcond=None)[0]
    # y has spread one and the columns size one: this is the rounding of what is nearly zero itself
    theta = np.where(np.abs(theta) > np.finfo(float).eps ** 2, theta, 0.0)
    slopes: Array = np.where(rows.offsets(theta) > 0, rows.upper, rows.lower)
    slopes[tied] = 0.0
    pull = rows.linear if rows.quadratic is None else rows.linear + rows.quadratic @ theta
    held = rows.take(np.flatnonzero(tied), pull + rows.X.T @ slopes)
    # with the middle of its bounds as the slope of a row at zero
    middle = 0.5 * (held.lower + held.upper)
    centred = replace(
        held, position=np.zeros(len(X)), lower=held.lower - middle, upper=held.upper - middle,
        linear=held.linear + X.T @ middle, quadratic=None,
    )  # fmt: skip
    found = centred.envelope(np.zeros(len(theta)), 1.0, 1e-15, PATIENCE)
    if found.status == 1:
        return Vertex(theta, slopes, nit, False)
    balanced = np.clip(centred.weight * (X @ found.x), centred.lower, centred.upper)
    inside = (balanced > centred.lower) & (balanced < centred.upper)
    gram = X[inside].T @ (centred.weight[inside, None] * X[inside])
    for _ in range(2):  # the digits that the first balance lacks
        rest = X.T @ balanced + centred.linear
        change = centred.weight * (X @ np.linalg.lstsq(gram, rest, rcond=None)[0])
        balanced = np.where(inside, balanced - change, balanced)
        balanced = np.clip(balanced, centred.lower, centred.upper)
    slopes[tied] = middle + balanced
    return Vertex(theta, slopes, nit, rows.gap(theta, slopes) <= rows.nothing(theta, TIED))
