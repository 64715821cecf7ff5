"""Penalties of single coefficients or groups, with any loss: on the columns that matter.

The problem is solved on some columns. The gradient of all of them, one pass, gives the duality gap in the
whole problem and says which others would leave zero; these join until the gap is small. So the end proves
that the columns left out are zero. Only those that are looked at are ever dense.

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

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.coordinates import Coordinates
from robustreg.data import Data, floats
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.penalties._applied import Majoriser
from robustreg.solvers._gap import Certificate, certify
from robustreg.solvers._grouped_quadratic import GroupLimits
from robustreg.solvers._kinks import offsets
from robustreg.solvers._multipliers import Multipliers, tied_rows, vertex
from robustreg.solvers._penalised_quadratic import Limits
from robustreg.solvers._proximal_newton import NotSmooth, proximal_newton
from robustreg.solvers._result import Result

#: columns to begin with, and to add at the least: their Gram matrix takes less than a pass over a wide X
FIRST = 100
#: rounds of columns that join
ROUNDS = 60
#: majorisers of a penalty that is not convex, each of which brings the end nearer by a factor
MAJORISERS = 200
#: bytes of dense columns that are kept; more are made anew for each pass
KEPT_BYTES = 1 << 28
#: of the tolerance, what a round may leave on its columns
SHARE = 1e-6
#: a gap from which the rows on their kinks are guessed, and one that needs no better end
CLOSE, EXACT = 1e-2, 1e-12
#: smallest gradient, per unit of weight in standardised units, that rounding lets a fit reach
LEAST = 1e-15


@dataclass
class _Problem:
    """The whole problem: a smooth loss alone, over all columns, and the majoriser of its penalty.

    ``labels`` are the groups of the columns; each is its own where there are none.
    """

    objective: Objective
    part: Majoriser
    positive: bool
    labels: Array | None
    live: Array

    @property
    def units(self) -> Array:
        """The unit, a column or a group of them, that each column belongs to."""
        size = self.objective.data.size
        return np.arange(size) if self.labels is None else self.labels

    @property
    def outputs(self) -> int:
        return self.objective.n_outputs or 1

    def free(self) -> Array:
        """Columns that must not be left out because nothing holds them at zero."""
        if self.labels is not None:
            bare = (self.part.l1 == 0)[self.labels]
        else:
            l1 = self.part.l1.reshape(self.objective.data.size, -1)
            bare = (l1 == 0).any(axis=1) & (not self.positive)
        return np.asarray(bare & self.live)

    def on(self, kept: Array) -> tuple[Objective, NotSmooth, Array]:
        """Return loss, penalty and its square on some columns."""
        objective = self.objective
        few = replace(objective, data=_dense(objective.data, kept))
        few.total = objective.total
        size, outputs = len(kept), self.outputs
        q = few.size
        bend = np.zeros(q)
        bend[: size * outputs] = self.part.l2.reshape(-1, outputs)[kept].ravel()
        if self.labels is None:
            l1, positive = np.zeros(q), np.zeros(q, dtype=bool)
            l1[: size * outputs] = self.part.l1.reshape(-1, outputs)[kept].ravel()
            positive[: size * outputs] = self.positive
            return few, Limits(l1, positive), bend
        groups, inner = np.unique(self.labels[kept], return_inverse=True)
        labels = np.full(q, -1)
        labels[: size * outputs] = np.repeat(inner, outputs)
        strength = self.part.l1[groups]
        labels[labels >= 0] = np.where(strength[labels[labels >= 0]] > 0, labels[labels >= 0], -1)
        return few, GroupLimits(strength, labels), bend

    def take(self, theta: Array, kept: Array) -> Array:
        """Return the parameters of some columns."""
        edge = self.objective.data.size * self.outputs
        u = theta[:edge].reshape(-1, self.outputs)[kept]
        return np.concatenate([u.ravel(), theta[edge:]])

    def whole(self, few: Array, kept: Array) -> Array:
        """Return the parameters of all columns, zero for the others."""
        edge, outputs = len(kept) * self.outputs, self.outputs
        u = np.zeros((self.objective.data.size, outputs))
        u[kept] = few[:edge].reshape(-1, outputs)
        return np.concatenate([u.ravel(), few[edge:]])

    def support(self, theta: Array) -> Array:
        """Return which columns have a coefficient that is not zero, with the others of their groups."""
        u = theta[: self.objective.data.size * self.outputs].reshape(-1, self.outputs)
        used = (u != 0).any(axis=1)
        units = self.units
        return np.asarray(np.isin(units, units[used]) & self.live)


def solve_by_column(
    objective: Objective,
    theta: Array,
    *,
    tol: float,
    max_iter: int,
    callback: Any = None,
) -> Result:
    """Minimise a loss plus a penalty of single coefficients or groups.

    Parameters
    ----------
    objective : Objective
        A loss that is smooth or has kinks; its penalty is ``by_column``. Coordinates are diagonal.
    theta : array of shape (q,)
        Start: its nonzero coefficients are looked at first.
    tol : float
        What the certificate must not exceed.
    max_iter : int
        Newton steps at the most.
    callback : callable, optional
        Called with each step; returning True stops.

    Returns
    -------
    Result
        ``x``, ``fun``, ``nit``, ``status``, ``optimality``; with kinks ``slopes``, ``zero`` and ``offsets``
        as of :func:`~robustreg.solvers.solve_kinked`.
    """
    given = objective.data.coordinates.transform
    objective = with_even_groups(objective)
    there = objective.data.coordinates.transform
    theta = _converted(objective, theta, given, there)
    if objective.loss.kinks(objective.data.y) is not None:
        found = _solve_kinked(objective, theta, tol, max_iter, callback)
    else:
        found = _solve_majorised(objective, theta, tol, max_iter, callback)
    found.success = found.status == 0
    found.x = _converted(objective, found.x, there, given)
    found.metric = None
    return found


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


def _solve_majorised(
    objective: Objective, theta: Array, tol: float, max_iter: int, callback: Any
) -> Result:
    """Minimise a smooth loss; a penalty that is not convex by the majorisers that touch it."""
    nit, penalty = 0, cast(Any, objective.penalty)
    target = tol
    before = np.inf
    for _ in range(1 if penalty.convex else MAJORISERS):
        problem = _problem(objective, theta)
        found = _solve_on_columns(problem, objective, theta, target, max_iter - nit, callback)
        nit, theta = nit + found.nit, found.x
        if penalty.convex or found.status in (1, 99):
            break
        proof = certify(objective, theta)
        if proof.value <= tol or proof.objective >= before:
            break
        before = proof.objective
    proof = certify(objective, theta)
    found.nit, found.fun, found.optimality = nit, proof.objective, proof.value
    if found.status != 99:
        found.status = 0 if proof.value <= tol else 1 if nit >= max_iter else 2
    return found


def _problem(objective: Objective, theta: Array) -> _Problem:
    """Return loss and majoriser in the solver's units, per unit of weight."""
    data, penalty = objective.data, cast(Any, objective.penalty)
    bare = replace(objective, penalty=L2(0.0))
    bare.total = objective.total
    u = objective.split(theta)[0]
    part = penalty.majoriser(data.coordinates.coef(u))
    transform = data.coordinates.transform
    each = transform if u.ndim == 1 else transform[:, None]
    labels = penalty.labels(data.size)
    live = (transform > 0) & ~penalty.removed(data.size)
    l1 = part.l1 / objective.total
    if labels is not None and u.ndim == 1 and len(np.unique(labels)) == len(labels):
        l1, labels = l1[labels], None  # a coefficient alone is as large as its absolute value
    if labels is None:
        l1 = l1 * each
    else:
        unit = np.zeros(len(l1))
        np.maximum.at(unit, labels, transform)
        l1 = l1 * unit
    l2 = part.l2 * each**2 / objective.total
    return _Problem(bare, Majoriser(l1, l2), penalty.positive, labels, live)


def _solve_on_columns(
    problem: _Problem,
    objective: Objective,
    theta: Array,
    tol: float,
    max_iter: int,
    callback: Any,
) -> Result:
    """Minimise on ever more columns until none that is left out violates the conditions of a minimum."""
    nit, free = 0, problem.free()
    kept = np.flatnonzero(free | problem.support(theta))
    if problem.live.sum() <= FIRST:
        kept = np.flatnonzero(problem.live)
    least = FIRST
    aim, found = tol, None
    for _ in range(ROUNDS):
        few, limits, bend = problem.on(kept)
        start = problem.take(theta, kept)
        inner = proximal_newton(
            few, start, limits, bend, tol=max(SHARE * aim, LEAST), max_iter=max(max_iter - nit, 1),
            callback=_told(callback, problem, kept),
        )  # fmt: skip
        nit += inner.nit
        theta = problem.whole(inner.x, kept)
        found = Result(x=theta, fun=inner.fun, nit=nit, status=inner.status)
        if inner.status == 99 or nit >= max_iter:
            break
        if len(kept) == int(problem.live.sum()):
            break
        excess = _excess(problem, theta)
        out = problem.live.copy()
        out[kept] = False
        over = np.flatnonzero(out & (excess > LEAST))
        if not len(over) or excess[over].max() <= SHARE * SHARE * tol:
            break
        used = problem.support(theta)
        least = max(FIRST, int(used.sum()))
        join = over[np.argsort(-excess[over], kind="stable")[:least]]
        units = problem.units
        chosen = np.isin(units, units[join]) & problem.live
        stay = used | free
        kept = np.flatnonzero(stay | chosen | _near(problem, kept, excess))
    assert found is not None
    return found


def _near(problem: _Problem, kept: Array, excess: Array) -> Array:
    """Return the columns looked at so far: none is dropped, so that columns join finitely often."""
    near = np.zeros(problem.objective.data.size, dtype=bool)
    near[kept] = True
    return near


def _excess(problem: _Problem, theta: Array) -> Array:
    """Return by how much each column violates the conditions of a minimum: one pass."""
    objective, outputs = problem.objective, problem.outputs
    size = objective.data.size
    gradient = objective.evaluate(theta).gradient[: size * outputs].reshape(size, outputs)
    u = theta[: size * outputs].reshape(size, outputs)
    gradient = gradient + problem.part.l2.reshape(size, outputs) * u
    if problem.labels is None:
        l1 = problem.part.l1.reshape(size, outputs)
        over = (-gradient if problem.positive else np.abs(gradient)) - l1
        return np.asarray(np.where((u != 0).any(axis=1), 0.0, over.max(axis=1)))
    norm = np.sqrt(np.bincount(problem.labels, np.square(gradient).sum(axis=1)))
    over = (norm - problem.part.l1)[problem.labels]
    return np.where(problem.support(theta), 0.0, over)


def _told(callback: Any, problem: _Problem, kept: Array) -> Any:
    if callback is None:
        return None

    def told(intermediate_result: Any) -> bool:
        x = problem.whole(intermediate_result.x, kept)
        return bool(callback(intermediate_result=Result(x=x, fun=intermediate_result.fun)))

    return told


def _dense(data: Data, kept: Array) -> Data:
    """Return some columns as dense rows in the solver's coordinates."""
    few = data.columns(kept)
    if few.n_rows * len(kept) * 8 > KEPT_BYTES:
        return few if few.ready else replace(few, explicit=True)
    if few.ready:
        return few
    X = few.X if few.rows is None else few.X[few.rows]
    X = floats(X.tocsr() if is_sparse(X) else X, dense=True)
    columns = few.held.apply(X) if few.held.size else np.zeros((few.n_rows, 0))
    if few.intercept:
        columns = np.column_stack([columns, np.ones(few.n_rows)])
    return replace(few, X=columns, rows=None, explicit=True, ready=True, stored=None)


def _solve_kinked(
    objective: Objective, theta: Array, tol: float, max_iter: int, callback: Any
) -> Result:
    """Minimise a loss with kinks by the method of multipliers, and at last on the rows that it names."""
    steps = Multipliers.of(objective)
    nit, status = 0, 1
    best: tuple[Certificate, Array, Array] | None = None
    for _ in range(steps.most):
        smooth = steps.smooth()
        problem = _problem(smooth, theta)
        found = _solve_on_columns(problem, smooth, theta, tol, max_iter - nit, callback)
        nit, theta = nit + found.nit, found.x
        slopes = steps.advance(theta)
        ends = [(theta, slopes)]
        proof = certify(objective, theta, slopes)
        if tol < proof.value < CLOSE or EXACT < proof.value <= tol:
            ends += vertex(problem, objective, theta, slopes)
        for x, g in ends:
            proof = certify(objective, x, g)
            if best is None or proof.value < best[0].value:
                best = (proof, x, g)
        assert best is not None
        if found.status == 99:
            status = 99
            break
        if best[0].value <= EXACT or nit >= max_iter:
            break
    assert best is not None
    proof, theta, slopes = best
    if status != 99:
        status = 0 if proof.value <= tol else 1 if nit >= max_iter else 2
    return _described(objective, theta, slopes, proof, nit, status)


def _described(
    objective: Objective, theta: Array, slopes: Array, proof: Certificate, nit: int, status: int
) -> Result:
    s = offsets(objective, theta)
    zero = tied_rows(objective, slopes, s)
    return Result(
        x=theta, fun=proof.objective, nit=nit, status=status, optimality=proof.value,
        slopes=slopes, zero=zero, offsets=np.where(zero, 0.0, s),
    )  # fmt: skip
