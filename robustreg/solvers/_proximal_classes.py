"""The hinge loss of several classes at once by proximal points, for penalties that bend.

Each point is the minimum of an envelope: the shares of a row are those of its middle, moved by its leads and
projected onto what a row may divide. Only rows that more than one class leads bend it, and of these only the classes
that do: near the minimum few rows are left, each with two or three classes, and a Newton step takes products of these
alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.sampling import uneven
from robustreg.solvers._control import Control
from robustreg.solvers._line_search import level
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._multiclass_problem import CLOSED, Problem
from robustreg.solvers._result import Result

#: width of the first envelope: a lead of so much moves the whole weight of a row, and margins are 1
WIDE = 1.0
#: Newton steps for one point at the most, after which its envelope is made wider by the factor
STEPS, WIDER = 12, 3.0
#: an envelope is found well enough where Newton promises this share of what the middle has moved by
PROMISE = 0.1
#: steps for a point up to which the next envelope is as much narrower; where steps are more it hardly is
QUICK: tuple[tuple[int, float], ...] = ((3, 0.3), (5, 0.5), (STEPS, 0.8))
#: an envelope that changes no row's classes is the last but for digits: the next is this much narrower
SETTLED = 0.1
#: and a width that leaves nothing of an envelope
EXACT = 1e-6
#: points without half the gap after which there is no more to gain
PATIENCE = 4
#: numbers of rows and classes, and rows for each coefficient, from which on it pays (machine)
MANY, ROWS_EACH = 10_000, 2
#: share of the rows that more than one class leads after the first point beyond which it does not (machine)
UNDECIDED = 0.5
#: times that rounding is taken from the last point
REFINEMENTS = 2


class _Envelope(NamedTuple):
    """The envelope of a width about shares in the middle; weights are a column."""

    weight: Array
    middle: Array
    width: float

    def shares(self, lead: Array) -> Array:
        # of a row's leads only differences count, and near the largest these have no rounding
        lead = lead - lead.max(axis=1, keepdims=True)
        return divided(self.middle + self.weight * lead / self.width, self.weight)

    def rates(self, shares: Array) -> Array:
        """How fast shares change with leads; see :meth:`Problem.local`."""
        return (shares > 0) * (self.weight / self.width)

    def of(self, rows: Array) -> _Envelope:
        return _Envelope(self.weight[rows], self.middle[rows], self.width)


class _Point(NamedTuple):
    """A point with the leads and shares there."""

    theta: Array
    lead: Array
    shares: Array


def divided(values: Array, weight: Array) -> Array:
    """Return the nearest shares: of each row at least zero, and its weight, an entry of a column, in sum."""
    values = values - values.max(axis=1, keepdims=True)
    held = values > -weight
    # a value that no other is near takes all
    excess = -weight
    rows = np.flatnonzero(np.count_nonzero(held, axis=1) > 1)
    while len(rows):
        some, kept = values[rows], held[rows]
        count = np.count_nonzero(kept, axis=1)[:, None]
        excess[rows] = (np.where(kept, some, 0.0).sum(axis=1, keepdims=True) - weight[rows]) / count
        now = kept & (some > excess[rows])
        changed = np.flatnonzero((now != kept).any(axis=1))
        rows = rows[changed]
        held[rows] = now[changed]
    return np.where(held, values - excess, 0.0)


def pays(problem: Problem) -> bool:
    """Whether steps, which are many, take less time than the fewer of an interior point on all rows and classes.

    Heavy rows, and rows far out in X, take narrower envelopes than the others, and far more steps.
    """
    n_rows, n_classes = problem.own.shape
    many = n_rows * n_classes >= MANY and n_rows >= ROWS_EACH * int(problem.objective.size)
    return many and not problem.has_far_rows and not uneven(problem.weight)


def proximal_point(
    fun: Any, x0: Array, args: Any = (), *, problem: Problem, square: Array, control: Control,
    **unused: Any,
) -> Result:  # fmt: skip
    """Minimise by proximal points and semi-smooth Newton steps.

    A ``method`` for :func:`scipy.optimize.minimize`.

    Parameters
    ----------
    fun, args
        Not used: ``problem`` says it all.
    x0 : array
        Start.
    problem : Problem
        What to minimise.
    square : array of shape (q, q)
        Hessian of its penalty.
    control : Control
        Newton steps that are left.

    Returns
    -------
    Result
        ``x``, ``shares`` and ``slack``, how far leads are below the largest of a row; ``status`` is 1 where so many
        rows are undecided that another way is quicker.

    References
    ----------
    Rockafellar, R. T. (1976). Augmented Lagrangians and applications of the proximal point algorithm in
    convex programming. Mathematics of Operations Research 1, 97-116.
    """
    theta, weight = np.array(x0, dtype=float), problem.weight[:, None]
    shares = np.repeat(weight / problem.basis.shape[1], problem.basis.shape[1], axis=1)
    lead, width = problem.lead(theta), WIDE
    best, least = _Point(theta, lead, shares), np.inf
    point, mark, stalled = best, np.inf, 0
    while control.left:
        envelope, inner = _Envelope(weight, point.shares, width), control.phase(most=STEPS)
        point, found, same = _minimise(problem, envelope, point, square, inner)
        steps = inner.n_iter
        if control.stopped:
            break
        undecided = np.count_nonzero(np.count_nonzero(point.shares, axis=1) > 1)
        if undecided > UNDECIDED * len(weight):
            return Result(x=theta, status=1)
        leading = point.lead.max(axis=1, keepdims=True)
        gap = float((point.shares * (leading - point.lead)).sum())
        # small gains add up: they are compared with where the last half was gained, not with each other
        mark, stalled = (gap, 0) if gap < 0.5 * mark else (mark, stalled + 1)
        if gap < least:
            best, least = point, gap
        small = CLOSED * problem.value(point.theta, point.lead)
        if (gap <= small and found) or stalled >= PATIENCE:
            break
        narrower = WIDER if not found else next(by for most, by in QUICK if steps <= most)
        width = max(width * (SETTLED if same and steps == 1 else narrower), EXACT)
    best = _refined(problem, _Envelope(weight, best.shares, width), best)
    slack = best.lead.max(axis=1, keepdims=True) - best.lead
    return Result(x=best.theta, shares=best.shares, slack=slack, status=0)


def _minimise(
    problem: Problem, envelope: _Envelope, point: _Point, square: Array, control: Control
) -> tuple[_Point, bool, bool]:
    """Minimise an envelope; also return whether that is done, and whether the last step changed no row's classes."""
    theta, lead = point.theta, problem.lead(point.theta)
    shares, found, same = envelope.shares(lead), False, False
    for _ in range(control.left):
        step = -_metric(problem, envelope, theta, shares).solve(problem.missed(theta, shares))
        rise = problem.lead(step, 0.0)
        linear, bent = float(step @ (square @ theta)), float(step @ (square @ step))
        along = _Along(envelope, lead, rise, shares, (linear, bent))
        first = along.slope(0.0)
        length = level(along.slope, first)
        theta, lead, before = theta + length * step, lead + length * rise, shares
        shares = along.end if length == 1.0 else envelope.shares(lead)
        stopped = control.step(theta)
        same = length == 1.0 and bool(((shares > 0) == (before > 0)).all())
        far = envelope.width * float(((shares - envelope.middle) ** 2 / envelope.weight).sum())
        found = same or -first <= PROMISE * far
        if found or stopped or not np.isfinite(theta).all():
            break
    return _Point(theta, lead, shares), found, same


def _metric(problem: Problem, envelope: _Envelope, theta: Array, shares: Array) -> DenseMetric:
    return DenseMetric(problem.local(envelope.rates(shares)).hess(theta))


class _Along:
    """The slope of an envelope along a step; rows that one class leads all the way are summed up."""

    def __init__(
        self, envelope: _Envelope, lead: Array, rise: Array, shares: Array,
        penalty: tuple[float, float],
    ) -> None:  # fmt: skip
        self.envelope, self.lead, self.rise, self.penalty = envelope, lead, rise, penalty
        self.start, self.end = shares, envelope.shares(lead + rise)
        whole = (shares == self.end) & (shares == envelope.weight)
        self.rows = np.flatnonzero(~whole.any(axis=1))
        self.sum = float((shares * rise)[whole].sum())

    def slope(self, length: float) -> float:
        linear, bent = self.penalty
        pull, rise = linear + length * bent, self.rise
        if length in (0.0, 1.0):
            return pull + float(((self.end if length else self.start) * rise).sum())
        lead, envelope = self.lead, self.envelope
        if length < 1:
            lead, rise, envelope = lead[self.rows], rise[self.rows], envelope.of(self.rows)
            pull += self.sum
        return pull + float((envelope.shares(lead + length * rise) * rise).sum())


def _refined(problem: Problem, envelope: _Envelope, point: _Point) -> _Point:
    """Take from a point what rounding of leads, over the width, has left of its balance."""
    theta, _, shares = point
    metric, rates = _metric(problem, envelope, theta, shares), envelope.rates(shares)
    part = rates / rates.sum(axis=1, keepdims=True)
    for _ in range(REFINEMENTS):
        step = -metric.solve(problem.missed(theta, shares))
        rise = problem.lead(step, 0.0)
        theta = theta + step
        shares = shares + rates * (rise - (part * rise).sum(axis=1, keepdims=True))
    return _Point(theta, problem.lead(theta), shares)
