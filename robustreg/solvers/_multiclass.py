"""Exact minima of the hinge loss of several classes at once (Crammer and Singer, 2001).

Which classes share a row's weight is found by proximal points where rows are many and few of them
undecided, and by an interior point elsewhere; the coefficients are then solved from these ties alone,
to rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._multiclass_problem import CLOSED, Found, Problem, balanced
from robustreg.solvers._newton import newton
from robustreg.solvers._programs import FAR, lengths, solve_equations, spanning
from robustreg.solvers._proximal_classes import pays, proximal_point
from robustreg.solvers._result import Result, minimize

#: an interior point is this close to the optimum when it stops
GAP = 1e-13
#: and one of this share says that the interior point has ended elsewhere
LEFT = 1e-11
#: the last temperature of a softmax, and steps at each
COLDEST, SOFT = 1e-10, 60
#: steps without gain after which it stops
PATIENCE = 5
#: curvature of a penalty, in standardised units, beside which losses of size one are all that counts
NEGLIGIBLE = 1e-20
#: curvature of a penalty so slight that the fit without one may prove itself the minimum
SLIGHT = 1e-8
#: share of tol within which it does
CLEAR = 0.1
#: temperatures without gain after which colder ones have brought none
IDLE = 3
#: ties for each coefficient that no minimum has: equations of all of them take long and have no solution. As many
#: as coefficients are independent, and copies of rows multiply them.
MOST_TIES = 6
#: times that ties are dropped and added until they fit
ROUNDS = 5


def solve_multiclass(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise the hinge loss of several classes, with a duality gap as proof.

    Parameters
    ----------
    objective : Objective
        Of the loss in the coordinates of contrasts; its penalty is L2, or has ``alpha=0``.
    theta : array
        Start.
    control : Control
        Relative duality gap that counts as solved, which never stops the search early, and iterations that are left.

    Returns
    -------
    Result
        ``x``, ``fun``, ``success``, ``status``, ``optimality`` (the relative gap).
    """
    assert objective.n_outputs is not None
    whole = problem = Problem.of(objective, objective.n_outputs + 1)
    square = problem.square()
    if 0 < square.max() < NEGLIGIBLE:
        objective = replace(objective, penalty=objective.penalty.scaled(0.0))
        problem, square = replace(problem, objective=objective), np.zeros_like(square)
    done = False
    if 0 < square.max() < SLIGHT:
        # The minimum is no lower than that without a penalty, and no penalty is below that there.
        bare = replace(problem, objective=replace(objective, penalty=objective.penalty.scaled(0.0)))
        best = _searched(bare, theta, np.zeros_like(square), control)
        proof = whole.certified(best.theta, best.shares, whole.lead(best.theta))
        done = control.stopped or proof.value <= CLEAR * control.tol
    if not done:
        best = _searched(problem, theta, square, control)
    lead = whole.lead(best.theta)
    optimality = whole.certified(best.theta, best.shares, lead).value
    status = control.status(optimality <= control.tol)
    return Result(
        x=best.theta, fun=whole.value(best.theta, lead), optimality=optimality,
        status=status, success=status == 0,
    )  # fmt: skip


def _searched(problem: Problem, theta: Array, square: Array, control: Control) -> Found:
    """Return the best point with its shares."""
    best, at = Found(theta, np.zeros_like(problem.own), np.inf, np.inf), theta
    bends = square.any() and pays(problem)
    for method in (proximal_point, _interior_point) if bends else (_interior_point,):
        try:
            found = minimize(
                problem.objective.evaluate, theta, method=method,
                options={"problem": problem, "control": control, "square": square},
            )  # fmt: skip
        except FloatingPointError:
            continue
        if found.status:
            continue
        best, at = min(best, problem.found(found.x, found.shares, square), key=_gap), found.x
        if control.stopped:
            return best
        if not problem.is_exact(best):
            best = _finished(problem, found, best, square)
        if _closed(problem, best):
            return best
    idle, temperature = 0, 1.0
    # A row far out in X, or weights of many sizes, can hold an interior point up, but no softmax.
    while temperature > COLDEST and idle < IDLE and not _closed(problem, best) and control.left:
        before = best.gap
        try:
            warm = _softmax(problem, at, temperature, control)
        except FloatingPointError:
            break
        best = min(best, problem.found(warm.x, warm.shares, square), key=_gap)
        best = _finished(problem, warm, best, square)
        idle = 0 if best.gap < 0.5 * before else idle + 1
        at, temperature = warm.x, 0.1 * temperature
    return best


def _closed(problem: Problem, found: Found) -> bool:
    """Whether the gap is so small that no other way need be tried."""
    return found.gap <= LEFT * max(found.value, 1e-3 * float(problem.weight.sum()))


def _gap(found: Found) -> float:
    """Return the gap, the largest number where there is none."""
    return np.inf if np.isnan(found.gap) else found.gap


def _finished(problem: Problem, found: Result, best: Found, square: Array) -> Found:
    """Return the best point on ties that shares and slacks suggest, or the one before."""
    # A class shares a row's weight where its share, of the whole, exceeds its slack. Shares
    # that move are small where the penalty is: compare them with each other as well.
    moved = np.sort(found.shares / problem.weight[:, None], axis=1)[:, :-1].max(initial=0.0)
    tried: set[bytes] = set()
    # rows far out in X balance the others by shares that are as small, and their slacks are as large
    far = [problem.length**-2 * edge for edge in (1.0, 1e2)] if problem.has_far_rows else []
    for edge in (1.0, moved, np.sqrt(moved), 1e2, 1e-2, *far):
        shares, slack = found.shares, found.slack * edge
        for _ in range(ROUNDS):
            tied = shares > problem.weight[:, None] * slack
            if tied.tobytes() in tried or tied.sum() - len(tied) > MOST_TIES * len(best.theta):
                break
            tried.add(tied.tobytes())
            at, exact, shares, slack = _on_ties(problem, best.theta, shares, tied, square)
            if not np.isfinite(at).all():
                break
            best = min(best, problem.found(at, exact, square), key=_gap)
        if best.gap <= CLOSED * best.value:
            break
    return best


def _softmax(problem: Problem, theta: Array, temperature: float, control: Control) -> Result:
    """Minimise with the maximum of a row's leads replaced by a softened one.

    Its gradient is the shares of a softmax, which use up each row's weight and at the minimum balance.
    """

    def shares(at: Array) -> tuple[Array, Array, Array]:
        lead = problem.lead(at)
        top = lead.max(axis=1, keepdims=True)
        powers = np.exp((lead - top) / temperature)
        total = powers.sum(axis=1, keepdims=True)
        return problem.weight[:, None] * powers / total, top + temperature * np.log(total), lead

    def fun_jac(at: Array) -> tuple[float, Array]:
        parts, soft, _ = shares(at)
        value = problem.value(at, soft)
        return value, problem.missed(at, parts)

    def hess(at: Array) -> Array:
        return problem.local(shares(at)[0] / temperature).hess(at)

    options = {"tol": 1e-6 * temperature, "control": control.phase(most=SOFT)}
    found = minimize(fun_jac, theta, hess=hess, method=newton, options=options)
    found.shares, _, lead = shares(found.x)
    found.slack = lead.max(axis=1, keepdims=True) - lead
    return found


def _interior_point(
    fun: Any, x0: Array, args: Any = (), *, problem: Problem, control: Control,
    **unused: Any,
) -> Result:  # fmt: skip
    """Primal-dual interior point (Mehrotra, 1992), a ``method`` for :func:`scipy.optimize.minimize`.

    Shares are positive and use up each row's weight, slacks are the distances of the classes from a
    ceiling above their leads; their products are driven to zero.
    """
    theta, n_classes = np.array(x0, dtype=float), problem.basis.shape[1]
    lead = problem.lead(theta)
    shares = np.repeat(problem.weight[:, None] / n_classes, n_classes, axis=1)
    slack = lead.max(axis=1, keepdims=True) + 1.0 - lead
    stalled, least, nearest = 0, np.inf, np.inf
    best = theta, shares, slack
    while True:
        gap = float((shares * slack).sum())
        missed = problem.missed(theta, shares)
        merit = gap + float(np.abs(missed).sum())
        far = float(np.abs(missed).max())
        stalled = 0 if merit < 0.9 * least or far < 0.95 * nearest else stalled + 1
        # Products that underflow its accuracy can spoil the last steps.
        best = (theta, shares, slack) if merit < least else best
        least, nearest = min(merit, least), min(far, nearest)
        if not control.left:
            break
        small = GAP * problem.value(theta, problem.lead(theta))
        # With no gap left only rounding of the balance is: of no entry more than that, or a step without gain says so.
        if max(gap, far) <= small or stalled > (0 if gap <= small else PATIENCE):
            break
        try:
            system = _System(problem, theta, shares, slack, missed)
        except FloatingPointError:  # shares and slacks underflow, as where classes are separated
            break
        _, d_shares, d_slack = system.direction(-shares * slack)
        length = _room(shares, d_shares, slack, d_slack)
        ahead = float(((shares + length * d_shares) * (slack + length * d_slack)).sum())
        center = gap / shares.size * min((ahead / gap) ** 3, 1.0)
        second = d_shares * d_slack  # what the affine step adds to the products it should make zero
        step, d_shares, d_slack = system.direction(center - shares * slack - second)
        length = 0.9995 * _room(shares, d_shares, slack, d_slack)
        if not np.isfinite(length) or not np.isfinite(step).all():
            break
        theta = theta + length * step
        shares, slack = shares + length * d_shares, slack + length * d_slack
        if control.step(theta, gap):
            break
    if not control.stopped:
        theta, shares, slack = best
    shares = shares * (problem.weight / shares.sum(axis=1))[:, None]
    return Result(x=theta, shares=shares, slack=slack, status=0)


class _System:
    """The Newton equations at a point, reduced to the coefficients and factored."""

    def __init__(
        self, problem: Problem, theta: Array, shares: Array, slack: Array, missed: Array
    ) -> None:
        self.problem, self.shares, self.slack, self.missed = problem, shares, slack, missed
        self.rates = shares / slack
        self.top = self.rates.argmax(axis=1)
        self.part = self.rates / self.rates.sum(axis=1, keepdims=True)
        self.hessian = problem.local(self.rates).hess(theta)
        self.metric = DenseMetric(self.hessian)

    def direction(self, products: Array) -> tuple[Array, Array, Array]:
        """Step in coefficients, shares and slacks that changes shares times slacks by ``products``.

        Each row's shares keep their sum, so their change sums to zero.
        """
        change = products / self.slack
        change = balanced(change - self.part * change.sum(axis=1, keepdims=True), self.top)
        pulled = self.problem.missed(np.zeros_like(self.missed), change)
        wanted = -(self.missed + pulled)
        step = self.metric.solve(wanted)
        for _ in range(2):  # near the end the Hessian is lifted beyond a small penalty
            step = step + self.metric.solve(wanted - self.hessian @ step)
        rise = self.problem.lead(step, 0.0)
        rise = rise - np.take_along_axis(rise, self.top[:, None], axis=1)
        common = (self.part * rise).sum(axis=1, keepdims=True)
        d_shares = change + balanced(self.rates * (rise - common), self.top)
        return step, d_shares, (products - self.slack * d_shares) / self.shares


def _room(shares: Array, d_shares: Array, slack: Array, d_slack: Array) -> float:
    """Longest step, up to one, that keeps shares and slacks positive."""
    length = 1.0
    for value, change in ((shares, d_shares), (slack, d_slack)):
        falling = change < 0
        if falling.any():
            length = min(length, float((value[falling] / -change[falling]).min()))
    return length


def _on_ties(
    problem: Problem, theta: Array, shares: Array, tied: Array, square: Array
) -> tuple[Array, Array, Array, Array]:
    """Minimise with the tied classes of a row held at one lead.

    Returns the point, the shares there, and shares and slacks of either sign: a tied class whose
    share is negative should be none, and one whose slack is negative should be. A pull that no tie
    balances, as that of a rare class on its intercept, moves the point on.
    """
    first, tied = shares.argmax(axis=1), tied.copy()
    tied[np.arange(len(first)), first] = False
    rows, other = np.nonzero(tied)
    exact = np.zeros_like(shares)
    exact[np.arange(len(first)), first] = problem.weight
    pull = problem.missed(np.zeros_like(theta), exact)
    towards = problem.basis[:, other] - problem.basis[:, first[rows]]
    X = problem.objective.data.take_with_ones(rows)
    ties = (X[:, :, None] * towards.T[:, None, :]).reshape(len(rows), X.shape[1] * len(towards))
    level = (first[rows] != problem.label[rows]) * 1.0 - (other != problem.label[rows]) * 1.0
    length = lengths(ties) if len(ties) else np.ones(0)
    if length.max(initial=0.0) <= FAR:
        length = np.ones(len(ties))
    ties, level = ties / length[:, None], level / length
    # How much weight moves from the first class to each tied one: it has to balance the pull. What it does
    # already costs the point no digits, where a slight penalty is all that is left.
    given = shares[rows, other] * length
    theta = _saddle(square, ties, pull + ties.T @ given, level, theta)
    for _ in range(2):
        rest = pull + square @ theta + ties.T @ given
        given = given - np.linalg.lstsq(ties.T, rest, rcond=None)[0] if len(given) else given
    given = given / length
    exact[rows, other] = given
    np.subtract.at(exact, (rows, first[rows]), given)
    lead = problem.lead(theta)
    left = np.take_along_axis(lead, first[:, None], axis=1) - lead
    left[rows, other] = 0.0
    if np.abs(rest).max() > CLOSED * problem.weight.sum() and not (left < 0).any():
        step, left = _to_next_tie(problem, -rest, first, (rows, other), left)
        theta = theta + step
    positive = np.maximum(exact, 0.0)
    return theta, positive * (problem.weight / positive.sum(axis=1))[:, None], exact, left


def _to_next_tie(
    problem: Problem, direction: Array, first: Array, tied: tuple[Array, Array], left: Array
) -> tuple[Array, Array]:
    """Return the step on which the next class ties with the first of a row, and the slacks after it.

    That of the class is made negative, so that it is tied; where no class ever is there is no step.
    """
    rise = problem.lead(direction, shift=0.0)
    rise -= np.take_along_axis(rise, first[:, None], axis=1)
    rise[tied] = 0.0
    reach = np.divide(left, rise, out=np.full_like(left, np.inf), where=rise > 0)
    length = float(reach.min())
    if not length < np.inf:
        return np.zeros_like(direction), left
    return length * direction, np.where(reach <= length, -1.0, left - length * rise)


def _saddle(square: Array, ties: Array, pull: Array, level: Array, theta: Array) -> Array:
    """Minimise the square and linear terms where ``ties @ theta = level``."""
    if len(ties):
        held = spanning(ties)
        ties, level = ties[held], level[held]
    q = len(pull)
    size = np.sqrt(np.abs(np.diag(square)).max()) or 1.0
    system = np.zeros((q + len(ties),) * 2)
    system[:q, :q] = square / size**2
    system[q:, :q], system[:q, q:] = ties, ties.T
    right = np.concatenate([-pull / size, level * size])
    start = np.concatenate([theta * size, np.zeros(len(ties))])
    return solve_equations(system, right, start)[:q] / size
