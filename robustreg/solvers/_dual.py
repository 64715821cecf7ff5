"""Losses with one kink a row and an L2 penalty, by their dual: for many columns.

The dual has a bounded variable for each row, its slope, and knows the rows by their inner products
alone. It is approached from a proximal point to the next (the method of multipliers): each is the
minimum of an envelope whose middle is the last one's slopes, and found by a semi-smooth Newton method.
Slopes inside their bounds solve a linear system. When they stay the same it gives the exact end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._gap import judged, seen_at
from robustreg.solvers._kinks import ROUNDED, gradient_of, offsets
from robustreg.solvers._line_search import level
from robustreg.solvers._products import Products, inner_products, sparse_products
from robustreg.solvers._result import Result, minimize

#: width of the first envelope, as a share of how far slopes that change from bound to bound move a row
WIDE = 0.5
#: where slopes move rows so far, y having spread one, and depend on each other, rounding moves them, too
FAR = 1e5
#: times that an exact fit is refined, and the share of y that rounding of sums over columns leaves of it
REFINEMENTS, RESTS = 4, 1e-13
#: an envelope that changes no row's side is the last but for digits: the next is this much narrower
SETTLED = 0.01
#: a width that leaves nothing of an envelope
EXACT = 1e-7
#: equations need be solved to this share of the width
LOOSE = 0.01
#: and no better, nor worse, than this
FINEST, ROUGHEST = 1e-10, 1e-2
#: a relative gap that is rounding
CLOSED = 1e-14
#: and one that may be
NEARLY = 1e-12
#: a slope this share of its range inside its bounds is inside
INSIDE = 1e-6
#: an offset, as a share of what it is a difference of, that is the tolerance of the last envelope
NEAR = 1e-9
#: proximal points without a smaller gap after which there is no more to gain
PATIENCE = 10
#: Newton steps for one proximal point at the most
STEPS = 12
#: after which its envelope is made wider by this factor
WIDER = 3.0
#: an envelope is found well enough where Newton promises this share of what the middle has moved by
PROMISE = 1e-2


@dataclass
class DualProblem:
    """Minimise ``g' Q g / 2 + position @ g`` within bounds, and with sum zero beside an intercept.

    Parameters
    ----------
    products : Products
        Q, the inner products of the rows.
    position, lower, upper, weight : arrays of shape (n,)
        Where each row has its kink, and its slopes, times the weight, on both sides.
    intercept : bool
        Whether the slopes have to add up to zero.
    """

    products: Products
    position: Array
    lower: Array
    upper: Array
    weight: Array
    intercept: bool

    @property
    def reach(self) -> float:
        """How far a slope that changes from bound to bound moves its row, in the mean."""
        return float(np.mean(self.products.diagonal * (self.upper - self.lower)))

    def slopes(self, middle: Array, s: Array, width: float) -> Array:
        """Slopes of the envelope of a width about ``middle``, at offsets ``s``."""
        return np.clip(middle + self.weight * s / width, self.lower, self.upper)

    def losses(self, s: Array) -> Array:
        """Loss of each row at its offset."""
        return np.maximum(self.lower * s, self.upper * s)


@dataclass
class _Point:
    """Slopes that give the coefficients, the intercept, and what both say of the rows."""

    g: Array
    intercept: float
    applied: Array

    def offsets(self, problem: DualProblem) -> Array:
        return self.intercept - self.applied - problem.position

    def gap(self, problem: DualProblem) -> tuple[float, float]:
        """Duality gap and value of the primal problem."""
        s = self.offsets(problem)
        g = np.clip(self.g, problem.lower, problem.upper)
        loss, square = problem.losses(s), 0.5 * float(self.g @ self.applied)
        missed = np.abs(self.g - g) @ np.abs(s) + abs(float(g.sum())) * problem.intercept
        return float((loss - g * s).sum() + missed), float(loss.sum()) + square


def proximal_newton(
    fun: Any,
    x0: Array,
    args: tuple[Any, ...] = (),
    *,
    problem: DualProblem,
    control: Control,
    **unused: Any,
) -> Result:
    """Minimise a :class:`DualProblem` by proximal points and semi-smooth Newton steps.

    A ``method`` for :func:`scipy.optimize.minimize`.

    Parameters
    ----------
    fun, args
        Not used: ``problem`` says it all.
    x0 : array of shape (n,)
        Slopes that give the first coefficients.
    problem : DualProblem
        What to minimise.
    control : Control
        Newton steps that are left; it is told of slopes with the intercept.

    Returns
    -------
    Result
        ``x`` (the slopes), ``intercept``, ``fun`` (the value of the primal problem), and ``gap``.

    References
    ----------
    Rockafellar, R. T. (1976). Augmented Lagrangians and applications of the proximal point algorithm in
    convex programming. Mathematics of Operations Research 1, 97-116. Li, X., Sun, D. and Toh, K.-C.
    (2018). A highly efficient semismooth Newton augmented Lagrangian method for solving Lasso problems.
    SIAM Journal on Optimization 28, 433-458.
    """
    reach = problem.reach
    width = max(WIDE * reach, 1.0)
    point = _Point(x0, 0.0, problem.products.apply(x0) if x0.any() else np.zeros_like(x0))
    middle = np.clip(x0, problem.lower, problem.upper)
    stalled = 0
    best, gap, value = point, *point.gap(problem)
    while control.left:
        inner = control.phase(tol=LOOSE * width / reach, most=STEPS)
        point, found, same = _proximal_point(problem, point, middle, width, inner)
        now, total = point.gap(problem)
        stalled = 0 if now < 0.5 * gap else stalled + 1
        if now < gap:
            best, gap, value = point, now, total
        patience = PATIENCE if gap > NEARLY * value else 1
        if gap <= CLOSED * value or stalled >= patience:
            break
        if not found:  # so narrow an envelope is met from afar by ever shorter steps
            width *= WIDER
            continue
        middle = np.clip(point.g, problem.lower, problem.upper)
        steps = inner.n_iter
        narrower = 0.3 if steps <= 3 else 0.5 if steps <= 5 else 0.8
        width = max(width * (SETTLED if same and steps == 1 else narrower), EXACT * reach)
    return Result(x=best.g, intercept=best.intercept, fun=value, gap=gap)


def _proximal_point(
    problem: DualProblem,
    point: _Point,
    middle: Array,
    width: float,
    control: Control,
) -> tuple[_Point, bool, bool]:
    """Minimise an envelope; also return whether that is done, and whether the last step changed no row's side."""
    found, same = False, False
    for _ in range(control.left):
        point, promised, same = _newton_step(problem, point, middle, width, control.tol)
        stopped = control.step(point)
        moved = np.clip(point.g, problem.lower, problem.upper) - middle
        found = same or promised <= PROMISE * width * float(moved @ (moved / problem.weight))
        if found or stopped:
            break
    return point, found, same


def _newton_step(
    problem: DualProblem, point: _Point, middle: Array, width: float, tol: float
) -> tuple[_Point, float, bool]:
    """Take a Newton step of an envelope; also return what it promised, and whether it was the last."""
    products, s = problem.products, point.offsets(problem)
    steep = problem.weight / width
    bent = middle + steep * s
    inside = (bent > problem.lower) & (bent < problem.upper)
    rows = np.flatnonzero(inside)
    if not len(rows) and problem.intercept:
        shift = _balancing(problem, middle, s, width)
        point, s = _Point(point.g, point.intercept + shift, point.applied), s + shift
        rows = np.flatnonzero(_inside(problem, middle, s, width))
    change, lift = problem.slopes(middle, s, width) - point.g, 1 / steep[rows]
    # Rows that feel the others more than the envelope go on from where they are: from its slopes, which there move far
    # with the offsets, their change would be the small difference of large numbers.
    change[rows[lift < products.diagonal[rows]]] = 0.0
    applied, shift = products.apply(change), 0.0
    if len(rows):
        more = np.zeros_like(s)
        total = -float(point.g.sum() + change.sum()) if problem.intercept else None
        missed = s[rows] - lift * (point.g + change - middle)[rows] - applied[rows]
        more[rows], shift = products.solve(
            rows, lift, missed, total, min(max(tol, FINEST), ROUGHEST)
        )
        applied += products.apply(more)
        change += more
    ds = shift - applied
    # along the step: half the square of the coefficients, and the envelope
    linear, square = float(point.g @ applied), float(change @ applied)

    def slope(length: float) -> float:
        at = problem.slopes(middle, s + length * ds, width)
        return linear + length * square + float(at @ ds)

    first = slope(0.0)
    length = level(slope, first)
    g = point.g + length * change
    moved = _Point(g, point.intercept + length * shift, point.applied + length * applied)
    after = _inside(problem, middle, moved.offsets(problem), width)
    same = length == 1.0 and np.count_nonzero(after) == len(rows) and bool(after[rows].all())
    return moved, max(-first, 0.0), same


def _inside(problem: DualProblem, middle: Array, s: Array, width: float) -> Array:
    bent = middle + problem.weight * s / width
    inside: Array = (bent > problem.lower) & (bent < problem.upper)
    return inside


def _balancing(problem: DualProblem, middle: Array, s: Array, width: float) -> float:
    """Return how far the intercept has to move for the slopes of an envelope to add up to zero."""
    far = float(np.abs(s).max()) + width * float(
        ((problem.upper - problem.lower) / problem.weight).max()
    )
    low, high = -far, far
    for _ in range(60):
        shift = 0.5 * (low + high)
        total = float(problem.slopes(middle, s + shift, width).sum())
        if total == 0:
            return shift
        low, high = (shift, high) if total < 0 else (low, shift)
    return 0.5 * (low + high)


def solve_dual(
    objective: Objective, control: Control, *, shared: dict[Any, Any] | None = None
) -> Result | None:
    """Minimise a piecewise linear loss plus an L2 penalty, with a duality gap as proof.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; its penalty is L2 with ``alpha > 0``.
    control : Control
        As of :func:`~robustreg.solvers.solve_piecewise`.
    shared : dict, optional
        Keeps the inner products for objectives of the same rows and penalty with other targets.

    Returns
    -------
    Result or None
        As of :func:`~robustreg.solvers.solve_piecewise`; None where rows are so many, or so unlike each
        other, that their inner products are no way to go, or where all columns are constant.
    """
    shared = {} if shared is None else shared
    key = "products", objective.penalty.square / objective.total, objective.data.n_rows
    if key not in shared:
        shared[key] = inner_products(objective)
    products = shared[key]
    if products is None:
        return None
    data, kinks = objective.data, objective.loss.kinks(objective.data.y)
    assert kinks is not None
    n = data.n_rows
    weight = (
        np.full(n, 1 / objective.total) if data.weight is None else data.weight / objective.total
    )
    lower = np.broadcast_to(kinks.lower, n) * weight
    upper = np.broadcast_to(kinks.upper, n) * weight
    position = np.broadcast_to(kinks.position, n)
    problem = DualProblem(products, position, lower, upper, weight, data.intercept)
    if not problem.reach or (n > data.size + 1 and problem.reach > FAR):
        return None

    inner = control.phase(view=lambda at: primal(objective, products, at.g, at.intercept))
    found = minimize(
        _value, np.zeros(n), method=proximal_newton, options={"problem": problem, "control": inner}
    )
    return _certified(objective, problem, found, control)


def _value(g: Array) -> float:
    """What scipy is told to minimise; the method has its own account of it."""
    return np.nan


def primal(objective: Objective, products: Products, g: Array, intercept: float) -> Array:
    """Return the parameters that slopes and intercept of the dual stand for."""
    data = objective.data
    u = -_over_penalty(objective, gradient_of(objective, g)[: data.size])
    if not products.centred:
        intercept += float(data.held.center @ data.held.coef(u))
    return objective.join(u, intercept)


def _over_penalty(objective: Objective, pull: Array) -> Array:
    """Divide by the Hessian of the penalty."""
    coordinates = objective.data.coordinates
    bend = objective.penalty.curvature(np.zeros(len(coordinates.center))) / objective.total
    if coordinates.diagonal:
        square = bend * coordinates.transform**2
        return np.divide(pull, square, out=np.zeros_like(pull), where=square > 0)
    inner = coordinates.quadratic(bend)
    unit = 1 / np.sqrt(np.diag(inner))
    inner = inner * np.outer(unit, unit)
    solved: Array = scipy.linalg.solve(inner, unit * pull, assume_a="pos", check_finite=False)
    return unit * solved


def _certified(
    objective: Objective, problem: DualProblem, found: Result, control: Control
) -> Result:
    """Return the result of a fit, with the duality gap of its coefficients as they are."""
    data, g = objective.data, np.clip(found.x, problem.lower, problem.upper)
    # The coefficients are those of the slopes as they were found: cutting off what rounding has left of
    # them beyond their bounds changes these by as much, and the gap by its square.
    theta = primal(objective, problem.products, found.x, found.intercept)
    found_at = offsets(objective, theta)
    size = np.sqrt(problem.products.diagonal * max(float(g @ problem.products.apply(g)), 0.0))
    size += np.abs(problem.position) + data.base + np.abs(theta[data.size :]).sum()
    zero = np.abs(found_at) <= ROUNDED * size
    s = np.where(zero, 0.0, found_at)
    lost, pull = problem.losses(found_at), gradient_of(objective, g)
    seen = seen_at(lost, g * found_at, zero, data.base, pull)
    seen = seen._replace(constant=lambda: 1.0)
    proof = judged(objective, theta, seen, lambda at, size: size + np.abs(at))
    optimality = proof.value
    # at the minimum a row whose slope is inside its bounds is on its kink; what is left is the solver's tolerance
    edge = INSIDE * (problem.upper - problem.lower)
    inside = (g > problem.lower + edge) & (g < problem.upper - edge)
    zero |= inside & (np.abs(found_at) <= NEAR * size)
    s = np.where(zero, 0.0, s)
    status = control.status(optimality <= control.tol)
    return Result(
        x=theta, fun=proof.objective, status=status, success=status == 0, optimality=optimality,
        slopes=g * objective.total, zero=zero, offsets=s,
    )  # fmt: skip


def interpolated(objective: Objective) -> Result | None:
    """Return the shortest coefficients that bring every row to its kink, None where none can.

    Without a penalty that is a minimum, and more columns than rows mostly allow it. Only sparse X that is
    not made dense is asked: other rows are in coordinates in which it is no question.
    """
    data, kinks = objective.data, objective.loss.kinks(objective.data.y)
    n = data.n_rows
    if not objective.penalty.empty or data.dense or n > data.size or kinks is None:
        return None
    if np.max(kinks.lower) > 0 or np.min(kinks.upper) < 0:
        return None
    products, square = sparse_products(data, 1.0), data.coordinates.transform**2
    position = np.broadcast_to(kinks.position, n)
    lift = np.full(n, np.finfo(float).eps * float(products.diagonal.mean()))
    total = 0.0 if data.intercept else None
    size = float(np.abs(position).max(initial=0.0)) + data.base
    theta, rest = np.zeros(objective.size), np.array(position, dtype=float)
    for _ in range(REFINEMENTS):
        z, shift = products.solve(np.arange(n), lift, rest, total, FINEST)
        pull = gradient_of(objective, z)[: data.size]
        u = np.divide(pull, square, out=np.zeros_like(pull), where=square > 0)
        theta += objective.join(u, float(data.held.center @ data.held.coef(u)) - shift)
        rest = -offsets(objective, theta)
        if np.abs(rest).max(initial=0.0) <= RESTS * size:
            break
    else:
        return None
    none = np.zeros(n)
    return Result(
        x=theta, fun=0.0, status=0, success=True, optimality=0.0, slopes=none,
        zero=np.ones(n, dtype=bool), offsets=none,
    )  # fmt: skip
