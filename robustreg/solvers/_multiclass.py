"""Exact minima of the hinge loss of several classes at once (Crammer and Singer, 2001).

Row i costs w_i max_k g_ik with g_ik = [k != y_i] + f_k - f_{y_i}. Its dual point is how it divides
its weight between the classes that attain the maximum. An interior point finds which classes those
are; the coefficients are then solved from these ties alone, to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import SeparableLoss
from robustreg.losses._contrasts import Contrasts, helmert
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Certificate, Seen, judged
from robustreg.solvers._kinks import more_than_rounding
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._newton import newton
from robustreg.solvers._programs import FAR, conjugate, lengths, solve_equations, spanning
from robustreg.solvers._result import Result, minimize

#: an interior point is this close to the optimum when it stops
GAP = 1e-13
#: a duality gap of this share of the value is rounding
CLOSED = 1e-14
#: and one of this share says that the interior point has ended elsewhere
LEFT = 1e-11
#: the last temperature of a softmax, and steps at each
COLDEST, SOFT = 1e-10, 60
#: what rounding leaves of scores of size one
ROUNDING = 64 * float(np.finfo(float).eps)
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


@dataclass(eq=False)
class _Local(SeparableLoss):
    """What a row adds to Newton's equations: y holds its slopes, or its rates of change.

    With rates r of the classes the curvature is ``diag(r) - r r' / sum(r)``.
    """

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        return (y * raw).sum(axis=1), y

    def product(self, y: Array, raw: Array, d_raw: Array) -> Array:
        top, change = y.argmax(axis=1), d_raw + 0.0 * y
        change = change - np.take_along_axis(change, top[:, None], axis=1)
        mean = (y * change).sum(axis=1, keepdims=True) / y.sum(axis=1, keepdims=True)
        return _balanced(y * (change - mean), top)

    def rates(self, y: Array, raw: Array, weight: Array | None) -> tuple[Array, Array]:
        return y, np.eye(y.shape[1])


def _balanced(values: Array, top: Array) -> Array:
    """Rows of sum zero with the entry at ``top`` taken from the others.

    There nearly all of a row's weight is, and its own entry would be a difference of large numbers.
    """
    rows = np.arange(len(top))
    values[rows, top] = 0.0
    values[rows, top] = -values.sum(axis=1)
    return values


class _Found(NamedTuple):
    """A point, shares of the rows, the gap between both, and the value of the point."""

    theta: Array
    shares: Array
    gap: float
    value: float


@dataclass
class _Problem:
    """The objective of Crammer and Singer in the coordinates of contrasts."""

    objective: Objective
    label: Array
    weight: Array
    basis: Array

    @classmethod
    def of(cls, objective: Objective, n_classes: int) -> _Problem:
        data = objective.data
        weight = np.ones(data.n_rows) if data.weight is None else data.weight
        label = data.y.astype(int)
        return cls(objective, label, weight / objective.total, helmert(n_classes))

    @cached_property
    def length(self) -> Array:
        """Lengths of the rows beside the median one, a column."""
        return lengths(self.objective.data.X)[:, None]

    @property
    def has_far_rows(self) -> bool:
        """Whether some rows are far out in X."""
        return self.objective.data.ready and bool(self.length.max() > FAR)

    @property
    def own(self) -> Array:
        """1 at the class of each row."""
        return (self.label[:, None] == np.arange(self.basis.shape[1])).astype(float)

    def lead(self, theta: Array, shift: float = 1.0) -> Array:
        """Return g of each row and class; with ``shift=0`` its change along a step."""
        scores = self.objective.raw(theta) @ self.basis
        own = np.take_along_axis(scores, self.label[:, None], axis=1)
        return scores - own + shift * (1.0 - self.own)

    def local(self, y: Array) -> Objective:
        data = self.objective.data.with_target(y * self.objective.total, None)
        return replace(self.objective, loss=Contrasts(_Local()), data=data)

    def missed(self, theta: Array, shares: Array) -> Array:
        """Gradient of the objective where each row divides its weight as ``shares`` says."""
        return self.local(_balanced(shares.copy(), self.label)).evaluate(theta).gradient

    def square(self) -> Array:
        """Hessian of the penalty."""
        blank = np.zeros_like(self.own)
        blank[:, 0] = 1.0  # a row with all its weight on one class has no curvature
        return self.local(blank).hess(np.zeros(self.objective.size))

    def value(self, theta: Array, lead: Array) -> float:
        u = self.objective.data.coordinates.coef(self.objective.split(theta)[0])
        penalty = self.objective.penalty.value_gradient(u)[0] / self.objective.total
        return float(self.weight @ lead.max(axis=1) + penalty)

    def fallen_short(self, shares: Array, lead: Array) -> tuple[float, float]:
        """Return the loss, and by how much shares fall short of it: Fenchel's inequality row by row."""
        # A lead of zero is one up to the rounding of its scores.
        size = 1.0 + np.abs(lead).max(axis=1, keepdims=True)
        zero = np.abs(lead) <= ROUNDING * size
        exact, lead = np.where(zero, lead, 0.0), np.where(zero, 0.0, lead)
        lost = self.weight * lead.max(axis=1)
        left = self.weight * exact.max(axis=1) - (shares * exact).sum(axis=1)
        missed = float(np.maximum(lost - (shares * lead).sum(axis=1), 0.0).sum())
        return float(lost.sum()), missed + more_than_rounding(left, zero.any(axis=1), 0.0)

    def certified(self, theta: Array, shares: Array, lead: Array) -> Certificate:
        """Certify a point by the shares of the rows."""
        # What the class of a row has is the rest of its weight. Shares that are dual points stay as they are: in rows far
        # out in X, and beside a slight penalty, their last places count.
        shares = np.where(self.own > 0, 0.0, np.maximum(shares, 0.0))
        taken = shares.sum(axis=1) / self.weight
        shares /= np.where(taken > 1 + ROUNDING, taken, 1.0)[:, None]
        lost, missed = self.fallen_short(shares, lead)
        local = self.local(_balanced(shares, self.label))
        pull = local.evaluate(theta, whole=False).gradient / self.objective.total
        return judged(self.objective, theta, Seen(lost, missed, pull, self.constant))

    def constant(self) -> float:
        """Return the loss of equal scores, or if smaller of those that lead for the most frequent class by one."""
        total = float(self.weight.sum())
        return min(total, 2 * (total - float((self.weight @ self.own).max())))

    def found(self, theta: Array, shares: Array, square: Array) -> _Found:
        """Return a point with its duality gap, at least 0: what rows say, and what is unbalanced."""
        rest, lead = self.missed(theta, shares), self.lead(theta)
        bent = np.diag(square) > 0
        inner = square[np.ix_(bent, bent)]
        far = 1.0 + np.abs(theta[~bent])  # a point at zero proves nothing
        gap = self.fallen_short(shares, lead)[1] + float(np.abs(rest[~bent]) @ far)
        if bent.any():
            gap += 0.5 * conjugate(inner, rest[bent])
        return _Found(theta, shares, gap, self.value(theta, lead))


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
    whole = problem = _Problem.of(objective, objective.n_outputs + 1)
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


def _searched(problem: _Problem, theta: Array, square: Array, control: Control) -> _Found:
    """Return the best point with its shares."""
    found = minimize(
        problem.objective.evaluate, theta, method=_interior_point,
        options={"problem": problem, "control": control},
    )  # fmt: skip
    best = problem.found(found.x, found.shares, square)
    if not control.stopped:
        best = _finished(problem, found, best, square)
        idle, at = 0, found.x
        # A row far out in X, or weights of many sizes, can hold an interior point up, but no softmax.
        temperature, least = 1.0, 1e-3 * float(problem.weight.sum())
        while temperature > COLDEST and idle < IDLE and best.gap > LEFT * max(best.value, least):
            if not control.left:
                break
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


def _gap(found: _Found) -> float:
    """Return the gap, the largest number where there is none."""
    return np.inf if np.isnan(found.gap) else found.gap


def _finished(problem: _Problem, found: Result, best: _Found, square: Array) -> _Found:
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


def _softmax(problem: _Problem, theta: Array, temperature: float, control: Control) -> Result:
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
    fun: Any, x0: Array, args: Any = (), *, problem: _Problem, control: Control,
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
    return Result(x=theta, shares=shares, slack=slack)


class _System:
    """The Newton equations at a point, reduced to the coefficients and factored."""

    def __init__(
        self, problem: _Problem, theta: Array, shares: Array, slack: Array, missed: Array
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
        change = _balanced(change - self.part * change.sum(axis=1, keepdims=True), self.top)
        pulled = self.problem.missed(np.zeros_like(self.missed), change)
        wanted = -(self.missed + pulled)
        step = self.metric.solve(wanted)
        for _ in range(2):  # near the end the Hessian is lifted beyond a small penalty
            step = step + self.metric.solve(wanted - self.hessian @ step)
        rise = self.problem.lead(step, 0.0)
        rise = rise - np.take_along_axis(rise, self.top[:, None], axis=1)
        common = (self.part * rise).sum(axis=1, keepdims=True)
        d_shares = change + _balanced(self.rates * (rise - common), self.top)
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
    problem: _Problem, theta: Array, shares: Array, tied: Array, square: Array
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
    problem: _Problem, direction: Array, first: Array, tied: tuple[Array, Array], left: Array
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
