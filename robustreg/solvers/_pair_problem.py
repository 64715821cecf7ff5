"""Pairwise losses of scores within queries, and their minima: `_pairs` sums over the pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import TAKE_BYTES, Data
from robustreg.losses import PointwiseLoss
from robustreg.penalties import Penalty
from robustreg.solvers._column_penalty import unbalanced
from robustreg.solvers._control import Control
from robustreg.solvers._held_gradient import Split
from robustreg.solvers._kept_hessian import PAYS
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._newton import newton
from robustreg.solvers._pairs import Pairs
from robustreg.solvers._result import Result, minimize
from robustreg.solvers._rows import Rows, few_rows
from robustreg.solvers._solve_rows import solve_rows

#: columns of partner sums that are made at a time
COLUMNS = 32
#: bytes of rows in coordinates that are kept for Hessians
KEEP_BYTES = 1 << 28
#: most coefficients for which a dense Hessian is formed
MAX_DENSE = 1000
#: gradient, or gap, to which the problem on a sample is solved
ROUGH = 1e-3
#: an envelope is this much narrower than the one before
NARROWER = 0.2
#: gradient at which an envelope ends, per unit of its width
LOOSE = 0.01
#: gradient of a smooth loss on few rows
EXACT_GRADIENT = 1e-12
#: a gap that is closed: rounding makes as much
EXACT = 1e-13
#: what is added to the curvature of the penalty to tell how much of a gradient it holds: ones, so that rounding where
#: it bends by 1e20 does not count elsewhere, or nothing, as beside a weak one, which holds rounding all the same
GIVEN = (1.0, 0.0)
#: rounding: scores are so much larger where pairs on their kinks have to lie on the side that costs nothing
WIDER = 1.0 + 64 * float(np.finfo(float).eps)
#: rounds of listing pairs near their kinks and solving for them
ROUNDS = 30


@dataclass
class PairProblem:
    """A loss of ``d`` over all pairs plus a penalty, as a function of the reduced coefficients.

    Parameters
    ----------
    loss : PointwiseLoss
        Convex, of two classes: a pair costs what a row of class 1 with the score ``d`` does.
    pairs : Pairs
        With the weights of the rows.
    data : Data
        Rows in coordinates.
    penalty : Penalty
        With a square term, for coefficients in the user's units.
    """

    loss: PointwiseLoss
    pairs: Pairs
    data: Data
    penalty: Penalty

    def __post_init__(self) -> None:
        data = self.data
        fits = data.dense and 8 * data.n_rows * data.size <= KEEP_BYTES
        self.rows = data.take(np.arange(data.n_rows)) if fits else None
        self._last: tuple[Array, Array] | None = None

    def sample(self, size: int) -> PairProblem:
        """Return the problem on some rows, with a penalty as strong beside their pairs."""
        some = np.sort(np.random.default_rng(0).permutation(self.data.n_rows)[:size])
        pairs = self.pairs.subset(some)
        penalty = self.penalty.scaled(pairs.total / self.total)
        return replace(self, pairs=pairs, data=self.data.subset(some), penalty=penalty)

    @property
    def total(self) -> float:
        """Sum of the weights of the pairs, by which everything is divided."""
        return self.pairs.total

    def scores(self, theta: Array) -> Array:
        """Scores of all rows, centred within their queries: a constant there changes no pair."""
        if self._last is not None and np.array_equal(theta, self._last[0]):
            return self._last[1]
        if self.rows is not None:
            s = self.rows @ theta
        else:
            at = self.data.outward(np.append(theta, 0.0))
            s = self.data.rowwise(lambda block: block.raw(at))
        query = self.pairs.query
        centred: Array = s - (np.bincount(query, weights=s) / np.bincount(query))[query]
        self._last = theta.copy(), centred
        return centred

    def pullback(self, slope: Array) -> Array:
        """Carry a gradient in the scores back to the coefficients."""
        if self.rows is not None:
            return self.rows.T @ slope
        (gradient,) = self.data.sum(lambda block: (block.pullback(slope[block.part]),))
        return self.data.inward(gradient)[: self.data.size]

    def value(self, scores: Array, coef: Array) -> float:
        """Return the objective at scores and at the coefficients, in the user's units, that give them."""
        margin = self.margin
        if margin is None:
            losses = self.smooth().value_slope(scores)[0]
        else:
            losses = self.pairs.hinge(scores, margin)[0]
        return (losses + self.penalty.value_gradient(coef)[0]) / self.total

    @property
    def margin(self) -> float | None:
        """Where the kink of the loss is; None of a smooth one."""
        kinks = self.loss.kinks(np.ones(1))
        return None if kinks is None else float(np.ravel(kinks.position)[0])

    def smooth(self) -> _Smooth:
        """Return the smooth loss as a function of the scores."""
        if hasattr(self.loss, "margin"):
            return _Smooth(self.pairs, ((float(self.loss.margin), 1.0),))
        return _Listed(self.pairs, self.loss)

    def penalised(self, theta: Array) -> tuple[float, Array]:
        """Value and gradient of the penalty, per unit of weight."""
        coordinates = self.data.coordinates
        value, pull = self.penalty.value_gradient(coordinates.coef(theta))
        return value / self.total, coordinates.adjoint(pull) / self.total

    def quadratic(self) -> Array:
        """Hessian of the penalty, per unit of weight."""
        coordinates = self.data.coordinates
        bend = self.penalty.curvature(np.zeros(len(coordinates.center)))
        return coordinates.quadratic(bend) / self.total

    def unbalanced(self, theta: Array, pull: Array) -> float:
        """Return how much lower the objective can be because the pull of the losses is not what the penalty holds.

        Where the penalty hardly bends, what is left counts by how far the minimum may be, as without one.
        """
        coordinates, far = self.data.coordinates, 1.0 + np.abs(theta)
        bend = self.penalty.curvature(np.zeros(len(coordinates.center))) / self.total
        rest = pull + self.penalised(theta)[1]
        if coordinates.diagonal:
            return unbalanced(coordinates.along_diagonal(bend), rest, far)
        splits = (Split.of(coordinates.transform, bend, rest, given) for given in GIVEN)
        return min(split.gain(far) for split in splits)

    @property
    def forms_hessians(self) -> bool:
        """Whether Hessians are formed; otherwise their products serve."""
        return self.rows is not None and self.data.size <= MAX_DENSE

    def hess(self, smooth: _Smooth, theta: Array) -> Array:
        """Hessian with a smooth loss."""
        s, rows = self.scores(theta), self.rows
        assert rows is not None
        hessian = self.quadratic()
        for start in range(0, rows.shape[1], COLUMNS):
            part = slice(start, start + COLUMNS)
            hessian[:, part] += rows.T @ smooth.product(s, rows[:, part]) / self.total
        return 0.5 * (hessian + hessian.T)

    def minimise(
        self,
        smooth: _Smooth,
        theta: Array,
        control: Control,
        metric: Any = None,
    ) -> Result:
        """Minimise with a smooth loss, by Newton's method."""

        def fun_jac(theta: Array) -> tuple[float, Array]:
            value, slope = smooth.value_slope(self.scores(theta))
            penalty, pull = self.penalised(theta)
            return value / self.total + penalty, self.pullback(slope) / self.total + pull

        def hessp(theta: Array, direction: Array) -> Array:
            moved = smooth.product(self.scores(theta), self.scores(direction))
            return self.pullback(moved) / self.total + self.penalised(direction)[1]

        second: dict[str, Any] = {"hessp": hessp}
        if self.forms_hessians:
            second = {"hess": partial(self.hess, smooth)}
        found = minimize(
            fun_jac, theta, method=newton, **second,
            options={"tol": control.tol, "control": control, "pays": PAYS, "metric": metric},
        )  # fmt: skip
        found.optimality = float(np.abs(found.jac).max(initial=0.0))
        return found


class _Smooth:
    """A smooth loss of pairs as a function of the scores: value, gradient, Hessian products."""

    def __init__(self, pairs: Pairs, terms: tuple[tuple[float, float], ...]) -> None:
        #: (margin, factor) of squared hinges, of which both envelope and squared hinge are sums
        self.pairs, self.terms = pairs, terms

    def of(self, pairs: Pairs) -> _Smooth:
        """Return the same loss of other pairs."""
        return _Smooth(pairs, self.terms)

    def value_slope(self, s: Array) -> tuple[float, Array]:
        value, slope = 0.0, np.zeros_like(s)
        for margin, factor in self.terms:
            one, its_slope = self.pairs.squared_hinge(s, margin)
            value, slope = value + factor * one, slope + factor * its_slope
        return value, slope

    def product(self, s: Array, v: Array) -> Array:
        parts = [2.0 * factor * self.pairs.laplacian(s, margin, v) for margin, factor in self.terms]
        return np.sum(parts, axis=0)


class _Listed(_Smooth):
    """The same of a loss that has no sums by sorting, from pairs listed some at a time."""

    def __init__(self, pairs: Pairs, loss: PointwiseLoss) -> None:
        self.pairs, self.loss = pairs, loss

    def of(self, pairs: Pairs) -> _Smooth:
        return _Listed(pairs, self.loss)

    def value_slope(self, s: Array) -> tuple[float, Array]:
        value, slope, w = 0.0, np.zeros_like(s), self.pairs.weight
        for up, down in self.pairs.blocks():
            d = s[up][:, None] - s[down]
            phi, dphi = self.loss.pointwise(np.ones_like(d), d)
            value += float(w[up] @ phi @ w[down])
            slope[up] += w[up] * (dphi @ w[down])
            slope[down] -= w[down] * (w[up] @ dphi)
        return value, slope

    def product(self, s: Array, v: Array) -> Array:
        out, w = np.zeros_like(v), self.pairs.weight
        columns, product = v.reshape(len(v), -1), out.reshape(len(v), -1)
        for up, down in self.pairs.blocks():
            d = s[up][:, None] - s[down]
            bend = w[up][:, None] * self.loss.second(np.ones_like(d), d) * w[down]
            product[up] += bend.sum(axis=1)[:, None] * columns[up] - bend @ columns[down]
            product[down] += bend.sum(axis=0)[:, None] * columns[down] - bend.T @ columns[up]
        return out


def sample_size(problem: PairProblem) -> int:
    """Rows of the sample that a fit to many rows starts from, 0 for few."""
    size = max(4000, 40 * problem.data.size)
    return size if problem.data.n_rows >= 5 * size else 0


def solve_pairs(problem: PairProblem, theta: Array, control: Control) -> Result:
    """Minimise a convex loss of pairs.

    Parameters
    ----------
    problem : PairProblem
        Its loss is a hinge or squared hinge, whose pairs are summed by sorting, or any other smooth
        function of ``d``, whose pairs are listed some at a time.
    theta : array
        Start.
    control : Control
        Largest gradient entry, or relative duality gap, that counts as solved, and iterations that are left.

    Returns
    -------
    Result
        ``x``, ``fun``, ``status`` and ``optimality``.
    """
    margin = problem.margin
    if margin is not None:
        return _Hinge(problem, margin, control).solve(theta)
    smooth, size, tol = problem.smooth(), sample_size(problem), control.tol
    if size:
        small = problem.sample(size)
        rough = control.phase(tol=ROUGH, spare=1)
        theta = small.minimise(smooth.of(small.pairs), theta, rough).x
    metric = _metric(problem, smooth, theta, control)
    # on few rows one Newton step more costs little
    last = control.phase(tol=tol if size else min(tol, EXACT_GRADIENT))
    found = problem.minimise(smooth, theta, last, metric)
    found.success = found.optimality <= tol
    return found


def _metric(
    problem: PairProblem, smooth: _Smooth, theta: Array, control: Control
) -> DenseMetric | None:
    """Return a Hessian made from a tenth of the rows, where a sample has led to a start."""
    if not control.n_iter or not control.left or not problem.forms_hessians:
        return None
    some = problem.sample(max(problem.data.n_rows // 10, sample_size(problem)))
    return DenseMetric(some.hess(smooth.of(some.pairs), theta))


class _End(NamedTuple):
    """Coefficients, the objective there, and how much lower it can be at the most.

    Of two ends the one with the smaller gap is the better. As a share of its own objective it may be smaller far away.
    """

    theta: Array
    value: float
    gap: float

    @property
    def relative(self) -> float:
        return self.gap / self.value if self.gap > 0 else 0.0

    def better(self, other: _End | None) -> _End:
        return self if other is None or self.gap < other.gap else other


class _Hinge:
    """The hinge loss of pairs: envelopes, then the few pairs near the margin exactly."""

    def __init__(self, problem: PairProblem, margin: float, control: Control) -> None:
        self.problem, self.margin, self.control = problem, margin, control

    def solve(self, theta: Array) -> Result:
        problem, width, size = self.problem, max(self.margin, 1.0), sample_size(self.problem)
        control, best = self.control, None
        if size and control.left > 2:
            rough = control.phase(tol=ROUGH, spare=2)
            theta = _Hinge(problem.sample(size), self.margin, rough).solve(theta).x
            # about what the sample leaves uncertain of a difference of scores
            width *= float(np.sqrt(problem.data.size / size))
        while True:
            end = self._envelope(theta, width)
            theta, best = end.theta, end.better(best)
            if not control.left or best.relative <= control.tol * (problem.rows is None):
                break
            if problem.rows is not None and self._near(problem.scores(theta), width) is not None:
                best = self._exact(end, width).better(best)
                break
            width *= NARROWER
        status = control.status(best.relative <= control.tol)
        return Result(
            x=best.theta,
            fun=best.value,
            status=status,
            success=status == 0,
            optimality=best.relative,
        )

    def _envelope(self, theta: Array, width: float) -> _End:
        """Minimise the envelope of a width."""
        pairs, margin = self.problem.pairs, self.margin
        smooth = _Smooth(pairs, ((margin, 0.5 / width), (margin - width, -0.5 / width)))
        metric = _metric(self.problem, smooth, theta, self.control)
        loose = self.control.phase(tol=LOOSE * min(width, 1.0))
        found = self.problem.minimise(smooth, theta, loose, metric)
        if loose.left and not loose.n_iter:  # one that found nothing to gain was one, too
            loose.count()
        s = self.problem.scores(found.x)
        _, slope = smooth.value_slope(s)
        inside = (pairs.hinge(s, margin)[0] - pairs.hinge(s, margin - width)[0]) / width
        return self._end(found.x, slope, inside)

    def _end(self, theta: Array, slope: Array, active: float) -> _End:
        """Return coefficients with what shares of the pairs between 0 and 1 prove of them.

        ``slope`` is what the shares contribute to the gradient in the scores, ``active`` their sum. The
        dual value is that of the whole problem, whatever led to the shares.
        """
        problem, s = self.problem, self.problem.scores(theta)
        losses = problem.pairs.hinge(s, self.margin)[0] / problem.total
        primal = losses + problem.penalised(theta)[0]
        given = (self.margin * active + float(slope @ s)) / problem.total
        noise = (
            64 * np.finfo(float).eps * (primal + float(np.abs(slope) @ np.abs(s)) / problem.total)
        )
        gap = losses - given
        gap = gap if gap > noise else 0.0
        gap += problem.unbalanced(theta, problem.pullback(slope) / problem.total)
        return _End(theta, primal, gap)

    def _near(self, s: Array, reach: float) -> tuple[Array, Array] | None:
        """List the pairs that are within ``reach`` of the margin, None where they are too many."""
        most = max(few_rows(self.problem.data.size), TAKE_BYTES // (8 * self.problem.data.size))
        return self.problem.pairs.listed(s, self.margin - reach, self.margin + reach, most)

    def _exact(self, best: _End, reach: float) -> _End:
        """Solve for the pairs near the margin, the others folded at their sides, until the gap closes."""
        problem, closed = self.problem, np.inf
        for _ in range(ROUNDS):
            s = problem.scores(best.theta)
            near = self._near(s, reach)
            if near is None or not self.control.left:
                break
            end = self._solve_near(best.theta, s, near, reach)
            if end.gap < best.gap:
                moved = float(np.ptp(problem.scores(end.theta) - s))
                # in a next round as many pairs are in doubt as may have changed sides in this one
                reach = 2.0 * reach if end.gap > 0.1 * closed else min(reach, 2.0 * moved)
                best, closed = end, end.gap
            elif reach > self.margin + np.ptp(s):  # every pair was near
                break
            else:  # pairs that were folded have changed sides: from there one would only run away
                reach *= 2.0
            if best.relative <= EXACT or reach == 0.0:
                break
        return best

    def _solve_near(self, theta: Array, s: Array, near: tuple[Array, Array], reach: float) -> _End:
        """Solve with the pairs ``near`` kept and the others folded by their sides at ``s``."""
        problem, (first, second) = self.problem, near
        rows, w, total = problem.rows, problem.pairs.weight, problem.total
        assert rows is not None
        _, slope, active = problem.pairs.hinge(s, self.margin - reach)
        weight = w[first] * w[second] / total
        kept = Rows(
            X=rows[first] - rows[second],
            position=np.full(len(weight), self.margin),
            lower=-weight,
            upper=np.zeros_like(weight),
            weight=weight,
            linear=problem.pullback(slope) / total,
            quadratic=problem.quadratic(),
        )
        found = solve_rows(kept, theta, reach, self.control)
        np.add.at(slope, first, total * found.slopes)
        np.add.at(slope, second, -total * found.slopes)
        active -= total * float(found.slopes.sum())
        end = self._end(found.theta, slope, active)
        if end.relative <= EXACT:
            return end
        # beside a penalty that is next to nothing the sides on which pairs lie by rounding count
        return self._end(WIDER * found.theta, slope, active).better(end)
