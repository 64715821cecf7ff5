"""Exact minima of losses with one kink a row on rows that are elsewhere.

As :mod:`~robustreg.solvers._kinked`: from a sample by Newton steps to where few rows are in doubt. These are
fetched and solved exactly, the others are folded where they are, and one more pass proves the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import Smoothed
from robustreg.objective import Objective
from robustreg.order_statistics import counted, first_look
from robustreg.passes import Beside, Both, CombineBoth
from robustreg.solvers._column_penalty import majoriser
from robustreg.solvers._columns_by_passes import descend_by_passes, minimise_model
from robustreg.solvers._control import Control
from robustreg.solvers._density import BENT, LOOKS, MOST, band, stride, undecided
from robustreg.solvers._envelopes import (
    CROWDED,
    EXACT,
    FLAT,
    KEPT_WIDTHS,
    NARROW,
    NARROWER,
    PATIENCE,
    minimise_envelope,
    onto_kinks,
    rough,
)
from robustreg.solvers._gap import Seen, at_best_constant, judged
from robustreg.solvers._kinked import rows_of
from robustreg.solvers._kinked_passes import (
    Balanced,
    Doubt,
    Doubtful,
    Folded,
    Look,
    Spread,
    farther,
)
from robustreg.solvers._kinked_proof import at_zero, proof
from robustreg.solvers._kinks import CHANGED, offsets
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex, few_rows
from robustreg.solvers._sides import with_sides
from robustreg.solvers._smooth import ROUGH, on_fetched
from robustreg.solvers._solve_rows import solve_rows
from robustreg.tables import add

#: times that rows are fetched; in all but hard cases once
FETCHES = 8
#: share of what may be fetched that is aimed at, counts being those of a point nearby
ROOM = 0.8

#: returns the minimum of an envelope, given a start, its width and how exact it is to be
Envelope = Callable[[Array, float, Control], Array]


class _Near(NamedTuple):
    """A point, how far from their kinks rows are in doubt there, and how far rows were at the one before."""

    theta: Array
    reach: float
    spread: Spread


class _Seen(NamedTuple):
    """What :class:`Look` says, with the penalty: value, Newton step and spread."""

    value: float
    step: Array
    spread: Spread


def solve_kinked_by_passes(
    objective: Objective,
    theta: Array | None,
    control: Control,
    residuals: Any = None,
    follower: Any = None,
) -> Result:
    """Minimise as :func:`~robustreg.solvers.solve_piecewise` does, by passes alone.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`, its penalty is convex and none of groups, and its data are
        :class:`~robustreg.remote.TableData`.
    theta : array or None
        Warm start.
    control : Control
        As of :func:`~robustreg.solvers.solve_piecewise`.
    residuals : callable, optional
        Called with the end; returns values of rows whose median will be asked for.
    follower : Early, optional
        The stage that follows, whose first passes are made along with the last ones here.

    Returns
    -------
    Result
        ``x``, ``fun``, ``success``, ``status``, ``optimality``; ``few``, the objective on the rows that
        were fetched, with ``zero`` and ``slopes`` of these; ``exact``, the weight of all rows on their kinks;
        ``seen``, what :func:`~robustreg.order_statistics.median` takes, from the last pass, or None.
    """
    search = _Search(objective, control, residuals, follower)
    if theta is None:
        theta = search.by_sample()
    if search.is_crowded(theta):
        crowded = search.on_kinks(theta)
        if crowded.success or search.over:
            return crowded
    near = search.approach(theta)
    found = None if near is None else search.exactly(near)
    for way in search.ways:
        if found is not None or search.over:
            break
        wide = search.from_wide(way)
        found = search.exactly(wide) if isinstance(wide, _Near) else wide
        if found is None and isinstance(wide, _Near) and control.left:
            found = search.at_edge(wide.theta)
    return search.given_up() if found is None else found


class _Search:
    """The state of a search: the best point so far, and what its slopes prove."""

    def __init__(
        self, objective: Objective, control: Control, residuals: Any, follower: Any
    ) -> None:
        self.objective, self.data, self.control = objective, objective.data, control
        self.sample = on_fetched(objective)
        #: the penalty as rows of a kink each, which those that are fetched may be too few to tell
        self.sides = with_sides(objective).penalty
        self.residuals, self.follower = residuals, follower
        self.seen: Any = None
        self.least, self.theta = np.inf, np.zeros(objective.size)
        self.bound = np.inf

    @property
    def over(self) -> bool:
        """Whether there are no iterations left."""
        return not self.control.left

    @property
    def most(self) -> int:
        """Rows that may be fetched."""
        return int(self.data.affordable)  # type: ignore[attr-defined]

    def by_sample(self) -> Array:
        """Return the minimum on the sample."""
        loose = self.control.phase(tol=max(ROUGH, self.control.tol), spare=2)
        return solve_piecewise(self.sample, np.zeros(self.sample.size), loose).x

    def is_crowded(self, theta: Array) -> bool:
        """Whether more rows than can be fetched are on their kinks, by the sample, as where all coefficients are zero."""
        exact = np.abs(offsets(self.sample, theta)) <= CHANGED * (1 + self.data.base)
        return bool(np.mean(exact) * self.data.n_rows > self.most)

    def near_by_sample(self, theta: Array, share: float) -> float:
        """Return within which distance of their kinks a share of the sample lies."""
        size = np.abs(offsets(self.sample, theta))
        return Spread.of(size, self.sample.data.weight).reach(share)

    def moves(self, step: Array) -> float:
        """Return how far a step moves the predictions of the sample, at the most."""
        return float(np.abs(self.sample.raw(step)).max())

    def look(self, theta: Array, width: float) -> _Seen:
        """Look at all rows from a point: one pass."""
        objective, data = self.objective, self.data
        value, pull, gram, counts, masses = data.sum(
            Look(objective.loss, data.outward(theta), width)
        )
        pull, bend = data.inward(pull), data.gram_inward(gram)
        # slopes by sides are a dual point that misses nothing of any row
        seen = Seen(float(value) / objective.total, 0.0, pull / objective.total)
        proof = judged(objective, theta, seen, lambda at, size: size + np.abs(at))
        if proof.objective < self.least:
            self.least, self.theta, self.bound = proof.objective, theta, proof.value
        return _Seen(proof.objective, self._step(theta, pull, bend), Spread(counts, masses))

    def _step(self, theta: Array, pull: Array, bend: Array) -> Array:
        """Return a Newton step, given gradient and Hessian of the sum of the losses.

        A kinked penalty is met as it is: rounded off it would let coefficients leave zero by as much as rows that are
        looked at are from their kinks.
        """
        objective = self.objective
        if not objective.penalty.kinked:
            _, gradient, hessian = objective.penalised(theta, 0.0, pull, bend)
            return DenseMetric(hessian).solve(gradient)
        target = minimise_model(objective, theta, pull / objective.total, bend / objective.total)
        return theta - target

    def envelope(self, theta: Array, width: float, control: Control) -> Array:
        """Return the minimum of the envelope of the loss, of whose penalty a kink stays."""
        if not self.objective.penalty.kinked:
            return self.all_smooth(theta, width, control)
        smooth = replace(self.objective, loss=Smoothed(self.objective.loss, width))
        return descend_by_passes(smooth, theta, control).x

    def approach(self, theta: Array) -> _Near | None:
        """Step by Newton to where few rows are in doubt; None where that leads nowhere."""
        before, q, n = np.inf, self.objective.size, self.data.n_rows
        share, half = band(q, n), 0.5 * undecided(self.sample, n)
        least = min(max(half, BENT * q / n), share)
        width = max(self.near_by_sample(theta, share), FLAT)
        for _ in range(LOOKS + 1):
            if self.over:
                return None
            seen = self.look(theta, width)
            theta, moved, stuck = stride(theta, seen.step, self.moves, before)
            before = moved
            self.control.step(theta, seen.value)
            room = seen.spread.widest(ROOM * self.most)
            if moved <= room and moved <= seen.spread.reach(MOST):
                floor = KEPT_WIDTHS * max(seen.spread.reach(half), FLAT)
                return _Near(theta, min(max(moved, floor), room), seen.spread)
            if stuck:
                break
            # a narrower band tells the density where the minimum is; one with too few rows, by chance
            width = max(min(seen.spread.reach(share), moved), seen.spread.reach(least), FLAT)
        return None

    @property
    def ways(self) -> tuple[Envelope, ...]:
        """Envelopes to come close by, one after another where one leads nowhere."""
        if self.objective.penalty.kinked and not self.objective.penalty.by_column:
            return self.all_smooth, self.envelope
        return (self.envelope,)

    def all_smooth(self, theta: Array, width: float, control: Control) -> Array:
        """Return the minimum of the envelopes of loss and penalty."""
        return minimise_envelope(self.objective, theta, width, control).x

    def from_wide(self, envelope: Envelope) -> _Near | Result | None:
        """Come close by envelopes, from a wide one on, where a sample has led astray."""
        theta = np.zeros(self.objective.size)
        seen = self.look(theta, 1.0)
        width = max(seen.spread.reach(0.5), FLAT)
        while not self.over:
            part = rough(self.control, seen.value)
            theta = envelope(theta, width, part)
            seen = self.look(theta, width)
            if seen.spread.within(KEPT_WIDTHS * width) <= ROOM * self.most:
                return _Near(theta, KEPT_WIDTHS * width, seen.spread)
            if width <= FLAT:
                break
            width = max(NARROWER * width, FLAT)
        return None if self.over else self.on_kinks(theta)

    def downhill(self, theta: Array) -> Array:
        """Return where a flat stretch ends, straight downhill: at the first kink of the sample."""
        objective, data = self.objective, self.data
        pull = data.sum(Look(objective.loss, data.outward(theta), FLAT))[1]
        step = -self._missed(theta, data.inward(pull))
        start = offsets(self.sample, theta)
        change = offsets(self.sample, theta + step) - start
        meets = start * change < 0
        return theta + step * np.min(-start[meets] / change[meets]) if meets.any() else theta

    def at_edge(self, theta: Array) -> Result | None:
        """Return the end of the flat stretch about a point if all rows prove it; keep it if it is the best so far."""
        found = self.on_kinks(self.downhill(theta))
        if found.success:
            return found
        if found.fun < self.least:
            self.least, self.theta, self.bound = found.fun, found.x, found.optimality
        return None

    def _missed(self, theta: Array, pull: Array) -> Array:
        """Return what the pull of all rows and that of the penalty lack of a balance."""
        u, missed = self.objective.split(theta)[0], pull / self.objective.total
        part, size = majoriser(self.objective, u), self.data.size
        missed[:size] = part.least_subgradient(u, missed[:size])
        return missed

    def on_kinks(self, theta: Array) -> Result:
        """Return the point at which more rows than can be fetched lie on their kinks, if all rows prove it.

        The slopes of an envelope so narrow that no other row is in it are in balance at its minimum, where
        it has one.
        """
        objective, data = self.objective, self.data
        n = self.sample.data.n_rows
        rows = rows_of(self.sample, np.zeros(n), np.arange(n))
        for width in (CROWDED, FLAT, FLAT):
            theta = onto_kinks(rows, theta, np.abs(rows.offsets(theta)) <= KEPT_WIDTHS * width)
        theta = self._with_zeros(self.sample, rows, theta)
        inner = self.envelope(theta, NARROW, self.control.aside(PATIENCE, EXACT))
        hessian = replace(objective, loss=Smoothed(objective.loss, NARROW)).hess(inner)
        # coefficients at their kinks stay there
        moving = (theta != 0) | (not objective.penalty.kinked)
        moving[data.size :] = True
        metric = DenseMetric(hessian[np.ix_(moving, moving)])
        at, within = data.outward(theta), data.outward(inner)
        zero = CHANGED * (1 + data.base)
        changes: tuple[Array, ...] = ()
        for _ in range(3):
            pass_ = Balanced(objective.loss, at, within, NARROW, changes, zero)
            pull, exact, beyond, mass = data.sum(pass_)
            pull = data.inward(pull)
            missed = self._missed(theta, pull)
            change = np.zeros(len(theta))
            change[moving] = -metric.solve(missed[moving])
            changes = (*changes, data.outward(change))
        few = self._few(None)
        none = rows_of(self._sided(few), np.zeros(0), np.zeros(0, dtype=int))
        vertex = Vertex(theta, np.zeros(0), True)
        none = replace(none, linear=pull / objective.total)
        return self._judged(none, vertex, few, float(exact), float(beyond), float(mass))

    def exactly(self, near: _Near) -> Result | None:
        """Fetch the rows in doubt, solve them and prove the end; None where they are too many."""
        objective, data = self.objective, self.data
        theta, reach, spread = near
        for attempt in range(FETCHES):
            at = data.outward(theta)
            doubt = Doubt.of(reach, data)
            count, some, pull = self._fetched(Doubtful(objective.loss, at, doubt), theta, spread)
            if some is None:
                reach *= ROOM * self.most / count
                continue
            if count < min(few_rows(objective.size), data.n_rows) and attempt < FETCHES - 1:
                reach *= 2.0
                continue
            few = self._few(some)
            sided = self._sided(few)
            rows = rows_of(sided, offsets(few, theta), np.arange(count))
            rows = replace(rows, linear=rows.linear + data.inward(pull) / objective.total)
            width = max(reach / KEPT_WIDTHS, FLAT)
            vertex = solve_rows(rows, theta, width, self.control, partial=count < data.n_rows)
            if not (vertex.success or self.over):
                if 4 * count > self.most:
                    return None
                reach *= 4.0
                continue
            vertex.theta = self._with_zeros(sided, rows, vertex.theta)
            end = data.outward(vertex.theta)
            lost, beyond, farthest = self._last(
                Folded(objective.loss, at, end, doubt, data.base), vertex.theta
            )
            if farthest > 0 and not self.over and attempt < FETCHES - 1:
                # few rows are in doubt now: those about as near as the ones that changed sides
                theta, reach = vertex.theta, KEPT_WIDTHS * farthest
                continue
            return self._judged(rows, vertex, few, lost, beyond, None)
        return None

    def _fetched(self, doubtful: Doubtful, theta: Array, spread: Spread) -> tuple[int, Any, Array]:
        """Fetch the rows in doubt; look at the next stage in the same pass."""
        data: Any = self.data
        pass_ = None if self.follower is None else self.follower.look(theta, spread)
        if pass_ is None:
            count, some, (pull,) = data.fetch(doubtful)
            return count, some, pull
        beside = Beside(doubtful, pass_)
        count, some, ((pull,), sums) = data.fetch(beside, CombineBoth(add, add))
        self.follower.seen(sums)
        return count, some, pull

    def _last(self, folded: Folded, theta: Array) -> tuple[Any, ...]:
        """Return what the rows that were not fetched say of the end.

        In the same pass look for the median, and fetch what the next stage wants.
        """
        data: Any = self.data
        if self.residuals is None:
            return tuple(data.combined(folded, farther))
        first, combine = first_look(data, self.residuals(theta)), CombineBoth(farther, counted)
        both = Both(folded, first)
        wanted = None if self.follower is None else self.follower.wanted
        if wanted is None:
            sums, found = data.combined(both, combine)
        else:
            combine = CombineBoth(self.follower.combine, combine)
            _, rows, (beside, (sums, found)) = data.fetch(Beside(wanted, both), combine)
            self.follower.fetched(rows, beside)
        self.seen = first, found
        return tuple(sums)

    def _few(self, some: Any) -> Objective:
        """Return the objective on rows that were fetched, with the total of all."""
        if some is None:
            some = self.sample.data.subset(np.zeros(0, dtype=int))
        return self.objective.with_total(self.objective.total, data=some)

    def _sided(self, few: Objective) -> Objective:
        """Return an objective of few rows whose penalty has the sides of that of all."""
        return few.with_total(few.total, penalty=self.sides)

    def _with_zeros(self, sided: Objective, rows: Rows, theta: Array) -> Array:
        """Return a point whose coefficients are exactly zero on their kinks, and where they may be nothing else."""
        at_zero(sided, rows, theta, sided.data.n_rows)
        penalty: Any = self.objective.penalty
        return penalty.allowed(theta, self.data.size) if penalty.by_column else theta

    def _judged(
        self, rows: Rows, vertex: Vertex, few: Objective, lost: float, beyond: float, mass: Any
    ) -> Result:
        """Return the end with its certificate."""
        total, count = self.objective.total, few.data.n_rows
        near = rows.offsets(vertex.theta)[:count]
        folded = Seen(
            lost / total, beyond / total, rows.linear, partial(at_best_constant, self.sample)
        )
        found, exact = proof(few, rows, vertex, near, folded)
        zero = exact == 0
        if mass is None:
            weight = few.data.weight
            mass = zero.sum() if weight is None else weight[zero].sum()
        success = bool(found.value <= self.control.tol)
        return Result(
            x=vertex.theta, fun=found.objective, status=self.control.status(success), success=success,
            optimality=found.value, few=few, zero=zero, exact=float(mass),
            slopes=vertex.slopes[:count] * total, seen=self.seen,
        )  # fmt: skip

    def given_up(self) -> Result:
        """Return the best point that was looked at, with what its slopes prove."""
        if not np.isfinite(self.least):
            self.look(self.theta, 1.0)
        few = self._few(None)
        status = self.control.status(False)
        return Result(
            x=self.theta, fun=self.least, status=status, success=False,
            optimality=self.bound, few=few, zero=np.zeros(0, dtype=bool), exact=0.0,
            slopes=np.zeros(0),
        )  # fmt: skip
