"""Penalties of single coefficients or groups, with any loss: on the columns that matter.

The problem is solved on some columns. The gradient of all of them, one pass, gives the duality gap in the
whole problem and says which others would leave zero; these join until the gap is small. So the end proves
that the columns left out are zero. Only the columns that are looked at become dense, and sparse ones stay sparse
where they are many.

A loss with kinks is met by the method of multipliers: its envelope about the slopes found last is smooth,
and its minimum gives the next slopes, which are the dual point of the certificate.

References
----------
Massias, M., Gramfort, A. and Salmon, J. (2018). Celer: a fast solver for the lasso with dual
extrapolation. International Conference on Machine Learning, 3315-3324. Rockafellar, R. T. (1976).
Augmented Lagrangians and applications of the proximal point algorithm in convex programming.
Mathematics of Operations Research 1, 97-116.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg.coordinates import Coordinates
from robustreg.data import Data
from robustreg.objective import Evaluation, Objective
from robustreg.solvers._by_rows import comes_first, serves, solve_by_rows
from robustreg.solvers._control import Control
from robustreg.solvers._free_columns import KEPT_BYTES, FreeColumns
from robustreg.solvers._gap import Certificate, certify
from robustreg.solvers._kept_gram import KeptGram
from robustreg.solvers._multipliers import Multipliers, ended, exact_zeros, vertex
from robustreg.solvers._on_columns import OnColumns
from robustreg.solvers._proximal_newton import DenseModel, Model, proximal_newton
from robustreg.solvers._result import Result
from robustreg.solvers._sparse_quadratic import SparseModel

#: columns to begin with, and to add at the least: their Gram matrix takes less than a pass over a wide X
FIRST = 100
#: rounds of columns that join
ROUNDS = 60
#: majorisers of a penalty that is not convex, each of which brings the end nearer by a factor
MAJORISERS = 200
#: share of the tolerance at which they end: where a minimum is flat coefficients are far less exact than gradients
FINE = 1e-3
#: columns whose gradient is this near to their penalty, as a share of it, are looked at first by the next fit of a
#: path (machine: neighbours of a hundred strengths over a decade differ by .023, over three by .067)
NEAR = 0.1
#: share of those in use that join at once (machine: with 1,000 rows and 5,000 columns all take twice as long), and
#: how exact the others are then, as a share of the greatest gradient beyond the penalty
JOIN, WHILE_JOINING = 0.25, 0.3
#: factor between the penalties of two stages (machine: .5 takes a fifth longer), stages at the most, and how exact
#: one is, as a share of the greatest gradient in it
STRONGER, STAGES, ROUGH = 0.3, 8, 1e-2
#: of the tolerance, what a round may leave on its columns
SHARE = 1e-6
#: sparse columns up to which a factor of the Hessian is made where products with it do not lead to the end
FACTORED = 10_000
#: seconds of the systems of a step for a cube of columns, and of a product at the least and for an entry of X (machine):
#: products are given up when they have taken as long as the systems would
SYSTEM, PRODUCT, ENTRY = 3e-11, 1e-4, 3e-9
#: a gap from which the rows on their kinks are guessed, and one that needs no better end
CLOSE, EXACT = 1e-2, 1e-12
#: beside squares a gap leaves errors of its root in the coefficients: unless it is rounding, so many envelopes more (machine:
#: with one a coefficient of 1e-6 was still taken for zero)
NOTHING, MORE = 1e-15, 3
#: envelopes in a row whose minimum is not reached, and which bring the certificate no nearer by a tenth, after which narrower
#: ones are not tried: beside weights of 1e8 or an entry of 1e12 each falls farther short than the last. Of 60 hinge
#: fits beside an entry of 1e16 37 are proven, as many as without a limit; 23 with a limit of 5, which takes half the time
IN_VAIN, NEARER = 20, 0.9
#: a gap that rounding of coefficients can leave beside rows far out: other ways end no nearer
ROUNDED = 1e-6
#: smallest gradient, per unit of weight in standardised units, that rounding lets a fit reach
LEAST = 1e-15


def solve_by_column(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise a loss plus a penalty of single coefficients or groups.

    Parameters
    ----------
    objective : Objective
        A loss that is smooth or has kinks; its penalty is ``by_column``. Coordinates are diagonal.
    theta : array of shape (q,)
        Start: its nonzero coefficients are looked at first.
    control : Control
        What the certificate must not exceed, and Newton steps that are left.

    Returns
    -------
    Result
        ``x``, ``fun``, ``status``, ``optimality``; with kinks ``slopes``, ``zero`` and ``offsets``
        as of :func:`~robustreg.solvers.solve_piecewise`.
    """
    given = objective.data.coordinates.transform
    objective = with_even_groups(objective)
    there = objective.data.coordinates.transform
    theta = _converted(objective, theta, given, there)
    inner = control.phase(view=lambda x: _converted(objective, x, there, given))
    found = _solved(objective, theta, inner)
    found.success = found.status == 0
    found.x = _converted(objective, found.x, there, given)
    found.metric = None
    return found


def _solved(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise by columns; by rows where these are few, and one is far out or columns do not lead to the end."""
    kinked = objective.loss.kinks(objective.data.y) is not None
    by_columns = _solve_kinked if kinked else _solve_majorised
    if not serves(objective):
        return by_columns(objective, theta, control)
    first = comes_first(objective)
    by_rows = solve_by_rows(objective, control) if first else None
    if by_rows is None or by_rows.proof.value > max(control.tol, ROUNDED):
        found = by_columns(objective, theta, control)
        if not first and found.optimality > control.tol:
            by_rows = solve_by_rows(objective, control)
        if by_rows is None or found.optimality <= by_rows.proof.value:
            return found
    x, slopes, proof = by_rows
    status = control.status(proof.value <= control.tol)
    if kinked:
        return ended(objective, x, slopes, proof, status)
    return Result(x=x, fun=proof.objective, status=status, optimality=proof.value)


def with_even_groups(objective: Objective) -> Objective:
    """Return the objective with one unit for all columns of a group, so that its norm is the user's."""
    data = objective.data
    labels = objective.penalty.labels(data.size)
    if labels is None:
        return objective
    transform = data.coordinates.transform
    live = transform > 0
    logs = np.where(live, np.log(np.where(live, transform, 1.0)), 0.0)
    count = np.bincount(labels, live)
    even = np.exp(np.bincount(labels, logs) / np.maximum(count, 1))[labels]
    return replace(objective, data=_with_transform(data, np.where(live, even, 0.0)))


def _converted(objective: Objective, theta: Array, old: Array, new: Array) -> Array:
    """Return parameters of the same coefficients in coordinates of another unit."""
    if old is new:
        return theta
    ratio = np.where(new > 0, old / np.where(new > 0, new, 1.0), 0.0)
    outputs = objective.n_outputs or 1
    theta, edge = theta.copy(), len(ratio) * outputs
    theta[:edge] = (theta[:edge].reshape(-1, outputs) * ratio[:, None]).ravel()
    return theta


def _with_transform(data: Data, transform: Array) -> Data:
    old = data.coordinates.transform
    if np.array_equal(old, transform):
        return data
    ratio = np.where(old > 0, transform / np.where(old > 0, old, 1.0), 0.0)
    coordinates = Coordinates(data.coordinates.center, transform)
    stored = data.stored and Coordinates(data.stored.center, data.stored.transform * ratio)
    X = data.X
    if data.ready:
        X = X * (np.append(ratio, 1.0) if data.intercept else ratio)
    return replace(data, X=X, coordinates=coordinates, stored=stored, moments=None)


def _solve_majorised(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise a smooth loss; a penalty that is not convex by the majorisers that touch it."""
    penalty, tol, before = cast(Any, objective.penalty), control.tol, np.inf
    for _ in range(1 if penalty.convex else MAJORISERS):
        problem = OnColumns.of(objective, theta)
        if penalty.convex and objective.loss.convex:  # elsewhere the basis would choose the minimum
            problem = _combined(problem)
        found = _solve_on_columns(problem, theta, control)
        theta = found.x
        if penalty.convex or not control.left:
            break
        proof = certify(objective, theta)
        if proof.value <= FINE * tol or proof.objective >= before:
            break
        before = proof.objective
    proof = certify(objective, theta, known=found.get("known"))
    found.fun, found.optimality = proof.objective, proof.value
    found.status = control.status(proof.value <= tol)
    return found


def _combined(problem: OnColumns) -> OnColumns:
    """Return the problem with its columns that nothing holds in combinations."""
    data, bare = problem.objective.data, problem.bare()
    if not len(bare) or data.n_rows * int(problem.live.sum()) * 8 > KEPT_BYTES:
        return problem
    return replace(problem, combined=FreeColumns.of(data, bare))


def _solve_on_columns(problem: OnColumns, theta: Array, control: Control) -> Result:
    """Minimise over all columns; where many leave zero, by way of stronger penalties."""
    rough = 0.0
    for stronger, rough in _stages(problem, theta):
        stage = control.phase(tol=rough, most=control.left // 2)
        theta = _with_columns(stronger, theta, stage, rough).x
    exact = control.phase(tol=max(SHARE * control.tol, LEAST))
    return _with_columns(problem, theta, exact, max(SHARE * exact.tol, LEAST), rough)


def _stages(problem: OnColumns, theta: Array) -> list[tuple[OnColumns, float]]:
    """Return the problem with ever less strong penalties, and how exactly each is to be solved.

    Columns that join at a weak penalty beside few others are not those that stay, and take a system each to
    leave. Where the loss is not convex the way would choose the minimum.
    """
    objective = problem.objective
    working = objective.data.working
    begun = problem.support(theta).any() or (working is not None and len(working.columns))
    if problem.live.sum() <= FIRST or not objective.loss.convex or begun:
        return []
    penalised = problem.live & ~problem.free()
    at = objective.split(theta)[0], objective.split(objective.evaluate(theta).gradient)[0]
    steepest = float(problem.part.excess(*at)[penalised].max(initial=0.0))
    stages: list[tuple[OnColumns, float]] = []
    while len(stages) < STAGES:
        part = problem.part._replace(l1=problem.part.l1 / STRONGER ** (len(stages) + 1))
        if not part.excess(*at)[penalised].any():
            break
        stages.append((replace(problem, part=part), steepest))
    stages.reverse()
    if len(stages) < 2:
        return []
    return [(stage, ROUGH * STRONGER**k * most) for k, (stage, most) in enumerate(stages)]


def _with_columns(
    problem: OnColumns, theta: Array, control: Control, little: float, rough: float = 0.0
) -> Result:
    """Minimise on ever more columns until those left out violate the conditions of a minimum by ``little`` at the most.

    The first round may be ``rough``.
    """
    objective = problem.objective
    # elsewhere the columns that a fit begins with would choose its minimum
    working = objective.data.working if objective.loss.convex else None
    first = problem.free() | problem.support(theta)
    if working is not None:
        first[working.columns] = True
    kept = np.flatnonzero(first & problem.live)
    if problem.live.sum() <= FIRST:
        kept = np.flatnonzero(problem.live)
    grams, found = _kept_gram(objective.data), None
    for _ in range(ROUNDS):
        few, limits, bend = problem.on(kept)
        key = problem.key(kept)
        start, known = grams.start(few, key, problem.take(theta, kept))
        inner = control.phase(tol=max(rough, control.tol), view=partial(problem.whole, kept=kept))
        hessian = partial(grams.hessian, few, key)
        found = _minimised(few, start, limits, bend, inner, hessian, known)
        grams.ended(few, key, found.x, found.loss)
        found.x = theta = problem.whole(found.x, kept)
        if len(kept) == len(problem.live) and problem.combined is None:
            found.known = found.loss
        exact = found.excess <= control.tol or inner.tol <= control.tol
        everything = len(kept) == int(problem.live.sum())
        if not control.left or (everything and exact):
            break
        if everything:  # the last columns have joined in a rough round
            rough = 0.0
            continue
        found.known = objective.evaluate(theta)
        at = objective.split(theta)[0], objective.split(found.known.gradient)[0]
        excess = problem.part.excess(*at)
        if working is not None:
            # those in use, and those that a slightly weaker penalty would let in
            weaker = problem.part._replace(l1=(1 - NEAR) * problem.part.l1)
            working.columns = np.flatnonzero(weaker.excess(*at) > 0)
        out = problem.live.copy()
        out[kept] = False
        over = np.flatnonzero(out & (excess > little))
        if not len(over) and exact:
            break
        # where columns are to join still, those that have need not be exact
        rough = WHILE_JOINING * float(excess[over].max(initial=0.0))
        most = max(FIRST, int(JOIN * problem.support(theta).sum()))
        join = over[np.argsort(-excess[over], kind="stable")[:most]]
        units = problem.units
        # none is dropped, so that columns join finitely often
        kept = np.union1d(kept, np.flatnonzero(np.isin(units, units[join]) & problem.live))
    assert found is not None
    return found


def _minimised(
    few: Objective,
    start: Array,
    limits: Any,
    bend: Array,
    control: Control,
    hessian: Callable[[Array, Array | None, bool], Array],
    known: Evaluation | None,
) -> Result:
    """Minimise on some columns; on many sparse ones by products with the Hessian, as far as these lead soon."""
    products = np.inf if few.data.dense or few.size > FACTORED else _worth(few)
    models: list[SparseModel] = []

    def soonest(theta: Array, loss: Evaluation, stale: bool) -> Model:
        left = products - sum(model.spent for model in models)
        if left <= 0:
            return dense(theta, loss, stale)
        models.append(SparseModel(few, limits, bend, theta, loss, left))
        return models[-1]

    def dense(theta: Array, loss: Evaluation, stale: bool) -> Model:
        H, convex = hessian(theta, loss.raw, stale), bool(few.loss.convex)
        return DenseModel(H, limits, bend, theta, convex=convex)

    if not few.data.dense:
        found = proximal_newton(few, start, limits, bend, control, soonest, known)
        if found.excess <= control.tol or few.size > FACTORED:
            return found
        start, known = found.x, found.loss
    return proximal_newton(few, start, limits, bend, control, dense, known)


def _worth(few: Objective) -> float:
    """Return how many products with the Hessian of sparse columns take as long as the systems of a step."""
    return SYSTEM * few.size**3 / (PRODUCT + ENTRY * int(few.data.X.nnz))


def _kept_gram(data: Data) -> KeptGram:
    """Return the Gram matrix that the last fit to the same rows has left, if there was one."""
    if data.working is None:
        return KeptGram()
    if data.working.gram is None:
        data.working.gram = KeptGram()
    return cast(KeptGram, data.working.gram)


def _solve_kinked(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise a loss with kinks by the method of multipliers, and at last on the rows that it names."""
    steps, tol = Multipliers.of(objective), control.tol
    best: tuple[Certificate, Array, Array] | None = None
    combined = _combined(OnColumns.of(steps.smooth(), theta)).combined
    vain, before, exact = 0, np.inf, 0
    for _ in range(steps.most):
        problem = OnColumns.of(steps.smooth(), theta)
        together = replace(problem, combined=combined)
        found = _solve_on_columns(together, theta, control)
        theta = found.x
        slopes = steps.advance(theta)
        ends = [(theta, slopes)]
        proof = certify(objective, theta, slopes)
        if tol < proof.value < CLOSE or EXACT < proof.value <= tol:
            ends += vertex(problem, objective, theta, slopes)
        for x, g in ends:
            x = exact_zeros(objective, x)
            proof = certify(objective, x, g)
            if best is None or proof.value < best[0].value:
                best = (proof, x, g)
        assert best is not None
        vain = 0 if found.excess <= tol or best[0].value <= NEARER * before else vain + 1
        before = best[0].value
        exact += best[0].value <= EXACT
        enough = exact > MORE * problem.part.l2.any() or best[0].value <= NOTHING
        if enough or vain == IN_VAIN or not control.left:
            break
    assert best is not None
    proof, theta, slopes = best
    return ended(objective, theta, slopes, proof, control.status(proof.value <= tol))
