"""Exact minima of losses with one kink a row, on data of any size.

Most rows only ever contribute their slope. Newton steps, by the density of the kinks, lead to where
few rows can still change sides. The others are folded into one linear term, the few are solved
exactly, and one more pass checks that no folded row changed sides.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import FEW_GRAMS, Block, subsample_size
from robustreg.losses._base import Kinks
from robustreg.objective import Objective
from robustreg.sampling import drawn, effective, uneven
from robustreg.solvers._control import Control
from robustreg.solvers._density import LOOKS, MOST, Density, band, stride, undecided
from robustreg.solvers._dual import interpolated, solve_dual
from robustreg.solvers._envelopes import (
    CROWDED,
    EXACT,
    FLAT,
    KEPT_WIDTHS,
    NARROW,
    NARROWER,
    PATIENCE,
    in_balance,
    minimise_envelope,
    onto_kinks,
    rough,
    slopes_of_envelope,
    smoothed,
)
from robustreg.solvers._kept_kinks import KeptKinks
from robustreg.solvers._kinked_proof import certified
from robustreg.solvers._kinks import CHANGED, changed_sides, gradient_of, offsets
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._result import Result
from robustreg.solvers._rows import Rows, Vertex, few_rows
from robustreg.solvers._sides import add_penalty, with_sides
from robustreg.solvers._smooth import largest_move, on_drawn, on_spread
from robustreg.solvers._solve_rows import solve_rows

#: a gap of this share of the value, which may be nearly as large as rounding, is none
TIED = 1e-10
#: rows from which shares are known well enough
ENOUGH_ROWS = 20_000
#: an envelope of a sample within which this share of the rows lie is narrow enough
ENOUGH = 0.2
#: with a larger share of the rows in doubt another step pays
FEW = 0.06
#: rounds that begin anew where the last one ended; later ones only add rows, which comes to an end
RESTARTS = 4
#: rows that pull more than this, those of all being about one, cannot be taken from a sum again
LEVERAGE = 10.0
#: with more columns, and no more rows than a fit without a sample has, the dual is solved
MANY_COLUMNS = 100
#: bytes of dense rows that are taken of sparse X at the most: those of a program with 2,900 columns
PROGRAM_BYTES = 1 << 28
#: rows for each coefficient below which, with an L1 penalty, one sparse program is quicker than a few dense
#: ones: 5,000 x 250 and 3,000 x 400 three and seven times, 20,000 x 400 as quick
MANY_ROWS = 40


def affordable(objective: Objective) -> bool:
    """Whether the rows that a program begins with can be dense, and are few of all."""
    data, penalty, q = objective.data, objective.penalty, objective.size
    if data.dense:
        return True
    lasso = penalty.kinked
    return 8 * few_rows(q) * q <= PROGRAM_BYTES and not (lasso and data.n_rows < MANY_ROWS * q)


def solve_kinked(
    objective: Objective,
    theta: Array,
    control: Control,
    *,
    warm: bool = False,
    shared: dict[Any, Any] | None = None,
) -> Result:
    """Minimise a piecewise linear loss plus a penalty, with a duality gap as proof.

    Parameters
    ----------
    objective : Objective
        Its loss offers `kinks`; its penalty is L2 or L1, or of sides.
    theta : array
        Start.
    control : Control
        Relative duality gap that counts as solved, which never stops the search early, and Newton iterations and
        linear programs that are left.
    warm : bool
        Whether ``theta`` is so close that no sample is needed.
    shared : dict, optional
        Keeps what fits to other targets of the same rows and penalty share.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`.
    """
    given, objective = objective, with_sides(objective)
    data, exact = objective.data, interpolated(objective)
    if exact is not None:
        control.step(exact.x, exact.fun)
        return exact
    if _by_dual(objective, shared is not None):
        dual = solve_dual(objective, control, shared=shared)
        if dual is not None and (dual.status != 2 or not affordable(objective)):
            return dual
    small = not subsample_size(data) and data.small
    if small:
        place = _Place(theta, *look(objective, theta), np.inf)
    else:
        coming = control.phase(spare=2)
        place = _approach(objective, theta, coming, warm)
        astray = place.proof is None and place.reach > _reach(place.s, None, MOST)
        if astray and coming.left and subsample_size(data):
            place = _from_wide(objective, coming)
    theta, s, pull, reach, known = place
    if known is not None:
        return Result(x=theta, status=0, **_proven(objective, theta, s, known, control.tol))
    kept = _nearest(s, reach, len(theta))
    width = reach / KEPT_WIDTHS if np.isfinite(reach) else _reach(s, data.weight, 0.5) or 1.0
    for attempt in range(100):
        rows = rows_of(objective, s, kept, pull)
        partial = len(kept) < len(s)
        vertex = solve_rows(rows, theta, width, control, partial=partial)
        if not vertex.success and partial and control.left:
            # What is left cannot hold what the folded rows pull: take more of them, from the same start.
            nearest = np.argpartition(np.abs(s), min(4 * len(kept), len(s) - 1))
            kept = np.union1d(kept, nearest[: 4 * len(kept)])
            continue
        theta = vertex.theta
        now, pull_now = look(objective, theta)
        flipped = changed_sides(s, now, objective.data.base)
        flipped[kept] = False
        if not flipped.any() or not control.left:
            break
        if attempt < RESTARTS:
            # few rows are in doubt now: those about as near as the ones that flipped
            s, pull, width = now, pull_now, float(np.abs(now[flipped]).max())
            kept = _nearest(s, KEPT_WIDTHS * width, len(theta))
        else:
            kept = np.union1d(kept, np.flatnonzero(flipped))
            width = max(width * 0.1, float(np.abs(now[flipped]).max()))
    kinks: Any = objective.loss.kinks(data.y)
    found = certified(given, rows, vertex, kept, kinks.slopes(s), now, control.tol)
    if found["success"]:
        KeptKinks.of(data).ended(theta, found["offsets"])
    return Result(x=theta, status=control.status(found["success"]), **found)


def _by_dual(objective: Objective, several: bool) -> bool:
    """Whether slopes of the rows are sooner found than coefficients: of many columns, or many targets."""
    data, penalty = objective.data, objective.penalty
    if penalty.empty or not penalty.euclidean:
        return False
    if subsample_size(data):
        return not (data.dense or data.size <= MANY_COLUMNS)
    return several or data.size > MANY_COLUMNS or not affordable(objective)


def _nearest(s: Array, reach: float, q: int) -> Array:
    """Return the rows within ``reach`` of their kinks, or as many as a program takes anyway."""
    size, least = np.abs(s), min(few_rows(q), len(s))
    kept = np.flatnonzero(size <= reach)
    return kept if len(kept) >= least else np.sort(np.argpartition(size, least - 1)[:least])


class _Place(NamedTuple):
    """Where to go on from, what :func:`look` said nearby, and how far from their kinks rows are in doubt."""

    theta: Array
    s: Array
    pull: Array
    reach: float
    #: slopes of all rows, per unit of weight, that prove ``theta``, where they are known
    proof: Array | None = None


def _approach(objective: Objective, theta: Array, control: Control, warm: bool) -> _Place:
    """Come close by steps, from a sample or a warm start."""
    data = objective.data
    place = _near(objective, theta, control) if warm and control.left else None
    if place is not None:
        return place
    small = on_drawn(objective) or objective
    enough = max(_share(small), ENOUGH)
    theta, width = _descend(small, theta, enough, control)
    if not control.left or (width <= FLAT and small is objective):
        return _Place(theta, *look(objective, theta), KEPT_WIDTHS * width)
    if width <= FLAT:
        place = _on_all(objective, small, theta, control)
        return _from_wide(objective, control) if place is None else place
    place = _near(objective, theta, control)
    if place is not None:
        return place
    width = max(_reach(offsets(objective, theta), data.weight, _share(objective)), FLAT)
    if width <= CROWDED:
        return _from_wide(objective, control)
    loose = control.phase(tol=0.3 / np.sqrt(data.n_rows), most=PATIENCE)
    found = minimise_envelope(objective, theta, width, loose)
    return _Place(found.x, *look(objective, found.x), KEPT_WIDTHS * width)


def _near(objective: Objective, theta: Array, control: Control) -> _Place | None:
    """Step by Newton to where few rows are in doubt, a pass each; None where that leads nowhere.

    The Hessian of the mean loss is estimated from some of the rows near their kinks.
    """
    weight, before, some = objective.data.weight, np.inf, on_spread(objective)
    share = band(len(theta), some.data.n_rows)
    for _ in range(LOOKS):
        s, pull = look(objective, theta)
        width = max(_reach(s, weight, share), FLAT)
        smooth = smoothed(objective, width)
        _, gradient, _ = smooth.penalised(theta, 0.0, pull * smooth.total)
        hessian = _by_density(some, theta, width)
        step = DenseMetric(hessian).solve(gradient)
        theta, moved, stuck = stride(theta, step, partial(largest_move, objective), before)
        before = moved
        if moved <= _reach(s, weight, MOST if stuck else FEW):
            least = KEPT_WIDTHS * max(_reach(s, weight, 0.5 * _share(objective)), FLAT)
            control.count()
            return _Place(theta, s, pull, max(moved, least))
        if stuck:
            break
    return None


def _from_wide(objective: Objective, control: Control) -> _Place:
    """Come close on all rows by envelopes from a wide one on, where a sample has led astray."""
    theta, width = _descend(objective, np.zeros(objective.size), _share(objective), control)
    if width <= CROWDED and control.left:
        place = _on_all(objective, on_drawn(objective) or objective, theta, control)
        if place is not None:
            return place
    return _Place(theta, *look(objective, theta), KEPT_WIDTHS * width)


def _on_all(
    objective: Objective, small: Objective, theta: Array, control: Control
) -> _Place | None:
    """Return the point at which the rows of a sample lie on their kinks, if all rows prove it.

    Slopes of rows on their kinks may be anything between their bounds. Those of an envelope so narrow
    that no other row is in it are in balance at its minimum, where it has one.
    """
    if objective.penalty.kinked:
        return None
    rows = rows_of(small, offsets(small, theta), np.arange(small.data.n_rows))
    tied = np.abs(rows.offsets(theta)) <= KEPT_WIDTHS * FLAT
    for _ in range(2):
        theta = onto_kinks(rows, theta, tied)
    inner = minimise_envelope(objective, theta, NARROW, control.aside(PATIENCE, EXACT))
    slopes = _in_balance(objective, theta, inner.x, NARROW)
    s, pull = look(objective, theta)
    found = _proven(objective, theta, s, slopes, TIED)
    if not found["success"]:
        return None
    control.count()
    return _Place(theta, s, pull, FLAT, slopes)


def _in_balance(objective: Objective, theta: Array, inner: Array, width: float) -> Array:
    """Return the slopes of an envelope at its minimum ``inner``, made to balance at ``theta``."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    metric = DenseMetric(smoothed(objective, width).hess(inner))
    slopes = slopes_of_envelope(kinks, offsets(objective, inner), width)
    for _ in range(2):
        pull = gradient_of(objective, weight * slopes)
        _, missed, _ = objective.penalised(theta, 0.0, pull)
        slopes = in_balance(kinks, slopes, objective.raw(-metric.solve(missed)) / width)
    return slopes


def _proven(
    objective: Objective, theta: Array, s: Array, slopes: Array, tol: float
) -> dict[str, Any]:
    """Return :func:`certified` of a point and slopes of all rows, per unit of weight."""
    weight, none = objective.data.weight, np.zeros(0, dtype=int)
    weighted = slopes if weight is None else slopes * weight
    pull = gradient_of(objective, weighted / objective.total)
    rows = rows_of(objective, s, none, pull)
    vertex = Vertex(theta, np.zeros(0), True)
    found = certified(objective, rows, vertex, none, slopes, s, tol)
    found["zero"] = np.abs(s) <= CHANGED * (1 + objective.data.base)
    found["offsets"] = np.where(found["zero"], 0.0, s)
    return found


def _by_density(objective: Objective, theta: Array, width: float) -> Array:
    """Return the Hessian of the mean loss by the density of the kinks, and of the penalty's envelope: one pass."""
    data, smooth = objective.data, smoothed(objective, width)
    (gram,) = data.sum(Density(objective.loss, data.outward(theta), width), FEW_GRAMS)
    return smooth.with_penalty(theta, data.gram_inward(gram)) / smooth.total


def _share(objective: Objective) -> float:
    """Share of the rows in a band as wide as rounding off so many kinks moves the minimum."""
    data = objective.data
    rows = data.n_rows if data.weight is None else effective(data.weight)
    return undecided(objective, rows)


def _descend(
    objective: Objective, theta: Array, share: float, control: Control
) -> tuple[Array, float]:
    """Minimise envelopes down to one within which a ``share`` of the rows lie; return its width."""
    weight, value = objective.data.weight, objective.evaluate(theta).value
    s = offsets(objective, theta)
    width, near = _reach(s, weight, 0.5), _reach(s, weight, share)
    while width > FLAT and control.left:
        found = minimise_envelope(objective, theta, width, rough(control, value))
        theta, value = found.x, found.fun
        near = _reach(offsets(objective, theta), weight, share)
        if width <= 1.1 * near or found.status == 1:
            break
        width = max(NARROWER * width, near)
    return theta, max(near, FLAT)


def look(objective: Objective, theta: Array) -> tuple[Array, Array]:
    """Return offsets, and the gradient of the loss with slopes by their signs: one pass."""
    data, at = objective.data, objective.data.outward(theta)

    def part(block: Block) -> tuple[Any, ...]:
        kinks: Any = objective.loss.kinks(block.y)
        s = block.raw(at) - kinks.position
        slope = kinks.slopes(s)
        slope = slope if block.weight is None else slope * block.weight
        return [s], block.pullback(slope)

    s, pull = data.sum(part)
    return np.concatenate(s), data.inward(pull) / objective.total


def _reach(s: Array, weight: Array | None, share: float) -> float:
    """Distance within which a share of the offsets lie, or their mean size where those are zero.

    Some of many offsets tell.
    """
    if len(s) > ENOUGH_ROWS and (weight is None or not uneven(weight)):
        # by chance: every tenth row may be of a kind
        some = drawn(len(s), ENOUGH_ROWS)
        s, weight = s[some], None if weight is None else weight[some]
    size = np.abs(s)
    if weight is None:
        k = min(int(share * len(size)), len(size) - 1)
        reach = float(np.partition(size, k)[k])
    else:
        order = np.argsort(size)
        total = np.cumsum(weight[order])
        reach = float(size[order[np.searchsorted(total, share * total[-1])]])
    return reach or float(np.average(size, weights=weight))


def rows_of(
    objective: Objective,
    s: Array,
    kept: Array,
    pull: Array | None = None,
    *,
    dense: bool = True,
) -> Rows:
    """Keep some rows, fold the others at the side that ``s`` says, and add the penalty.

    ``pull`` is what :func:`look` says of all rows; without it the others take a pass. Where they need
    not be ``dense``, rows of sparse X stay sparse.
    """
    data, total = objective.data, objective.total
    every: Any = objective.loss.kinks(data.y)
    kinks = Kinks(*(np.broadcast_to(part, s.shape)[kept] for part in every))
    weight = (np.ones(len(kept)) if data.weight is None else data.weight[kept]) / total
    X, linear = data.take_with_ones(kept, dense=dense), np.zeros(objective.size)
    if len(kept) < len(s):
        slopes = weight * kinks.slopes(s[kept])
        if pull is not None and (abs(X).T @ np.abs(slopes)).max() < LEVERAGE:
            linear = pull - X.T @ slopes
        else:
            others = (1.0 if data.weight is None else data.weight) / total * every.slopes(s)
            others[kept] = 0.0
            linear = gradient_of(objective, others)
    lower, upper = weight * kinks.lower, weight * kinks.upper
    hidden = objective.join(data.hidden, 0.0)
    rows = Rows(X, kinks.position, lower, upper, weight, linear, None, hidden, data.base)
    return add_penalty(rows, objective)
