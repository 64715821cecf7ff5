"""Residual losses together with their scale: given, estimated jointly, or an iterated MAD."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

from robustreg._array import Array
from robustreg.data import Data, subsample_size
from robustreg.losses import Absolute, Concomitant, ResidualLoss, Squared
from robustreg.objective import Objective
from robustreg.penalties import L2, Penalty
from robustreg.scales import huber_scale, mad, weighted_median
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._certificates import ROUNDING
from robustreg.solvers._control import Control
from robustreg.solvers._even_slopes import least_square
from robustreg.solvers._newton import DenseMetric
from robustreg.solvers._pieces import Ahead, has_pieces, look_ahead
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._result import Result
from robustreg.solvers._smooth import ROUGH, keeps_metric, kept_metric, on_sample, solve_smooth
from robustreg.solvers._stacked import solve_stacked

#: y beyond this many of its spreads does not move the least-squares start
CLIP = 10.0
#: gradient that says that a look ahead missed more rows than Newton, whose steps are passes, should find
MISSED = 1e-5
#: thresholds are approached from wide ones in steps of this factor
NARROWER = 0.2
#: scales, in spreads of y, at which it is asked whether the scale is zero
SUSPECT = (1e-6, 1e-12)
#: thresholds, in spreads of y, at which the L1 fit is the start to take
NARROW = 0.02
#: epsilon below which the joint objective starts from the L1 fit
NARROW_JOINT = 0.4
#: iterations after which Newton has missed a scale in units of which few rows are near
PATIENCE = 60
#: logarithm of the ratio of scales beyond which no other is looked for
FARTHEST = 80.0
#: a scale, in spreads of y, below which rounding of y would be all that it measures
NOTHING = 1e-11


@dataclass
class Problem:
    """A residual loss on data whose y has spread about one, and how to solve it.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    data : Data
        Prepared rows.
    penalty : Penalty
        In the units of the data.
    control : Control
        Tolerance, and iterations that are left.
    method, metric
        As of :func:`~robustreg.solvers.solve_smooth`; the metric serves warm starts.
    """

    loss: ResidualLoss
    data: Data
    penalty: Penalty
    control: Control
    method: str = "auto"
    metric: Any = None

    def at(self, sigma: float) -> Objective:
        """Return the objective at a given scale."""
        loss = self.loss.rescaled(sigma)
        widths = [getattr(loss, name) for name in loss.threshold]
        unit = min([1.0, *widths]) if loss.degree == 2 else 1.0
        return Objective(loss, self.data, self.penalty, unit=unit)

    def phase(self, **how: Any) -> Problem:
        """Return the problem as a part of the work; see :meth:`Control.phase`."""
        return replace(self, control=self.control.phase(**how))

    def on(self, small: Objective) -> Problem:
        """Return the problem on a sample, to be solved roughly and with an iteration to spare."""
        rough = self.control.phase(tol=ROUGH, spare=1)
        return replace(self, data=small.data, penalty=small.penalty, control=rough)

    def joint(self, kappa: float) -> Objective:
        """Return the objective of coefficients and scale."""
        unit = min(self.threshold, 1.0)
        return Objective(Concomitant(self.loss, kappa), self.data, self.penalty, None, 1, unit)

    def residual(self, theta: Array) -> Array:
        """Residuals of all rows: one pass."""
        return self.data.y - Objective(self.loss, self.data, self.penalty).raw(theta[: self.size])

    @property
    def size(self) -> int:
        """Number of coefficients and intercept."""
        return self.data.size + int(self.data.intercept)

    @property
    def threshold(self) -> float:
        """The one threshold of the loss."""
        (name,) = self.loss.threshold
        return float(getattr(self.loss, name))

    def steepest(self, sigma: float = 1.0) -> float:
        """Slope of the loss far out, which is that of the L1 problem it becomes at scale zero."""
        loss = self.loss.rescaled(sigma)
        far = 1e8 * max([1.0, *(getattr(loss, name) for name in loss.threshold)])
        slope = float(loss.psi(np.array([min(far, 1e100)]))[0]) if loss.convex else 1.0
        return min(slope, 1e6)

    def narrow(self, sigma: float) -> bool:
        """Whether the loss is so close to an absolute error that the L1 fit is the start to take."""
        widths = [getattr(self.loss, name) * sigma for name in self.loss.threshold]
        return bool(widths) and self.loss.convex and self.data.dense and max(widths) < NARROW

    def start(self) -> Array:
        """Least squares with y cut to a bounded range: close where no y is far out, never absurd."""
        data = self.data.with_target(np.clip(self.data.y, -CLIP, CLIP), self.data.weight)
        penalty = self.penalty if self.penalty.euclidean else L2(0.0)
        objective, zero = Objective(Squared(), data, penalty), np.zeros(self.size)
        if keeps_metric(objective, "auto") and self.method != "newton-cg":
            start = objective.evaluate(zero, 2)
            return -DenseMetric(start.hessian).solve(start.gradient)
        method = "newton" if self.method == "lbfgs" else self.method
        return solve_smooth(objective, zero, Control(1e-3, 1), method=method, at_least=1).x


def solve_fixed(problem: Problem, sigma: float, theta: Array | None = None) -> Result:
    """Minimise at a given scale; ``theta`` is a warm start.

    A loss with a threshold is approached from wider thresholds, each the start of the next, so
    that Newton never meets a band without rows.
    """
    objective, control = problem.at(sigma), problem.control
    if problem.loss.breakpoints:
        start = problem.start() if theta is None else theta
        return solve_stacked(
            objective, start, control, method=problem.method, warm=theta is not None
        )
    if problem.penalty.by_column:
        start = np.zeros(problem.size) if theta is None else theta
        return solve_by_column(objective, start, control)
    if problem.loss.line == (-np.inf, np.inf) and keeps_metric(objective, problem.method):
        return _solve_squares(problem, objective)
    if theta is not None:
        return _from_near(problem, objective, theta, warm=True)
    if problem.narrow(sigma):
        start = problem.start()
        if mad(problem.residual(start), problem.data.weight) <= sigma * (1 + 1e-9):
            # as without noise, beside a penalty
            return solve_smooth(objective, start, control, method=problem.method, at_least=1)
        zero, slope = np.zeros(problem.size), problem.steepest(sigma)
        first = solve_piecewise(_flat(problem, slope), zero, control.phase(spare=1))
        return solve_smooth(objective, first.x, control, method=problem.method)
    small = on_sample(objective) if problem.loss.threshold else None
    if small is None:
        return _from_wide(problem, sigma, problem.start())
    inner = problem.on(small)
    return _from_near(problem, objective, _from_wide(inner, sigma, inner.start()).x)


def _solve_squares(problem: Problem, objective: Objective) -> Result:
    """Minimise a parabola of each residual: a Newton step from zero, and one that removes its rounding."""
    here = objective.evaluate(np.zeros(problem.size), 2)
    metric = DenseMetric(here.hessian)
    theta = -metric.solve(here.gradient)
    known = objective.evaluate(theta)
    if np.abs(known.gradient).max(initial=0.0) > ROUNDING:
        theta = theta - metric.solve(known.gradient)
        known = objective.evaluate(theta)
    problem.control.count()
    return solve_smooth(
        objective, theta, problem.control, method=problem.method, metric=metric, known=known
    )


def _from_near(problem: Problem, objective: Objective, theta: Array, warm: bool = False) -> Result:
    ahead = _nearer(problem, objective, theta, warm)
    control = problem.control.phase()
    found = solve_smooth(objective, ahead.theta, control, method=problem.method, **ahead.options)
    return _with_raw(found, ahead, control)


def _nearer(problem: Problem, objective: Objective, theta: Array, warm: bool) -> Ahead:
    """Return a better start where psi is a line cut off, or else a Hessian of some rows."""
    control = problem.control
    pieces = keeps_metric(objective, problem.method) and has_pieces(objective)
    if pieces and control.left:
        tol, most = 0.1 * control.tol, control.left
        ahead = look_ahead(objective, theta, tol, most)
        if ahead.norm > MISSED and 0 < ahead.steps < most:
            again = look_ahead(objective, ahead.theta, tol, most - ahead.steps)
            ahead = again._replace(steps=ahead.steps + again.steps)
        # one that found nothing to gain was one, too
        control.count(ahead.steps or int(ahead.norm <= control.tol))
        return ahead
    metric = problem.metric if warm else None
    if control.left and metric is None and subsample_size(problem.data):
        metric = kept_metric(objective, theta, problem.method)
    return Ahead(theta, metric)


def _with_raw(found: Result, ahead: Ahead, control: Control) -> Result:
    """Add the raw predictions of a start that was the minimum."""
    if control.n_iter == 0 and ahead.raw is not None and np.array_equal(found.x, ahead.theta):
        found.raw = ahead.raw
    return found


def _from_wide(problem: Problem, sigma: float, theta: Array) -> Result:
    control, method = problem.control.phase(), problem.method
    if problem.loss.threshold and np.isfinite(sigma):
        wide = mad(problem.residual(theta), problem.data.weight)
        while wide > sigma / NARROWER and control.left > 1:
            part = control.phase(tol=1e-4)
            theta = solve_smooth(problem.at(wide), theta, part, method=method).x
            wide *= NARROWER
    first = int(control.n_iter == 0)
    return solve_smooth(problem.at(sigma), theta, control, method=method, at_least=first)


def solve_joint(problem: Problem, kappa: float, theta: Array | None = None) -> Result:
    """Minimise over coefficients and scale; the last entry of ``x`` is the scale, 0 included.

    Parameters
    ----------
    problem : Problem
        Its loss is Huber's.
    kappa : float
        Price of the scale: of a unit of sigma and a unit of weight, twice.
    theta : array, optional
        Warm start, the scale last.
    """
    if problem.penalty.by_column:
        return _joint_by_column(problem, kappa, theta)
    objective, control = problem.joint(kappa), problem.control
    warm = theta is not None and theta[-1] > 0
    begun = control.n_iter
    start = theta if warm else _joint_start(problem, objective, kappa)
    at_least = int(control.n_iter == begun and not warm)
    ahead = _nearer(problem, objective, start, warm)
    hard = problem.narrow(NARROW / NARROW_JOINT)
    part = problem.phase(most=PATIENCE if hard else None)
    found = _joint(part, objective, kappa, ahead.theta, at_least, **ahead.options)
    found = _with_raw(found, ahead, part.control)
    if hard and found.status in (1, 2) and found.x[-1] > 0:
        found = _balanced_scale(problem, objective, kappa, found)
    return found


def _balanced_scale(problem: Problem, objective: Objective, kappa: float, found: Result) -> Result:
    """Find the scale as the root of the slope in it, which grows with the scale, where Newton has failed.

    With a tiny threshold nearly all rows are beyond it at most scales, and the objective is a line between
    them: Newton sees no curvature there, and the next row within reach may be a thousand scales away.
    """
    at = found.x[:-1]
    ends: dict[float, tuple[Array, float]] = {}
    middle = float(np.log(found.x[-1]))

    def slope(log_sigma: float) -> float:
        nonlocal at
        if log_sigma not in ends:  # from another start rounding may give it another sign
            at, mean = _profile(problem, float(np.exp(log_sigma)), at, kappa)
            ends[log_sigma] = at, mean / kappa
        return ends[log_sigma][1]

    sign, width = -np.sign(slope(middle)), 1e-3
    if not sign:
        return found
    near, far = middle, middle + sign * width
    while sign * slope(far) < 0 and width < FARTHEST:
        width *= 4.0
        near, far = far, far + sign * width
    if width >= FARTHEST:
        return found
    root = scipy.optimize.brentq(slope, near, far, xtol=1e-14, rtol=1e-14, maxiter=60)
    best = min(ends, key=lambda end: abs(end - root))
    theta = np.append(ends[best][0], np.exp(best))
    again = _joint(problem, objective, kappa, theta, 0)
    return again if again.optimality < found.optimality or again.status == 99 else found


def _joint_by_column(problem: Problem, kappa: float, theta: Array | None) -> Result:
    """Minimise over coefficients, of which many may be zero, and scale.

    Where the scale vanishes the L1 fit is the answer if the slope of the objective in the scale says so.
    """
    if theta is None or not theta[-1] > 0:
        zero = np.zeros(problem.size)
        if problem.data.intercept:
            zero[-1] = weighted_median(problem.data.y, problem.data.weight)
        theta = _with_huber_scale(problem, zero)
    found = solve_by_column(problem.joint(kappa), theta, problem.control)
    if found.x[-1] >= SUSPECT[0] or found.status == 99:
        return found
    flat = solve_flat(problem, found.x[:-1], problem.steepest())
    if _profile(problem, SUSPECT[0], flat.x, kappa)[1] < -1e-6 * kappa:
        return found
    flat.x = np.append(flat.x, 0.0)
    return flat


def _joint_start(problem: Problem, objective: Objective, kappa: float) -> Array:
    """Return coefficients and scale close to the optimum.

    Of many rows those of a sample; where epsilon leaves few rows inside, the L1 fit.
    """
    if problem.narrow(NARROW / NARROW_JOINT):
        flat = solve_flat(problem, np.zeros(problem.size), problem.steepest())
        return _with_huber_scale(problem, flat.x)
    small = on_sample(objective)
    if small is None:
        return _with_huber_scale(problem, problem.start())
    inner = problem.on(small)
    theta = _with_huber_scale(inner, inner.start())
    x = _joint(inner, small, kappa, theta, 1).x
    x[-1] = x[-1] or theta[-1]
    return x


def _with_huber_scale(problem: Problem, theta: Array) -> Array:
    """Append the Proposal 2 scale of the residuals, or their mean size where that is zero."""
    residual = problem.residual(theta)
    sigma = huber_scale(residual, problem.data.weight, epsilon=problem.threshold)
    # without any residual it is asked at once whether the scale is zero
    return np.append(theta, sigma or float(np.abs(residual).mean()) or 0.5 * SUSPECT[0])


def _joint(
    problem: Problem,
    objective: Objective,
    kappa: float,
    theta: Array,
    at_least: int,
    **known: Any,
) -> Result:
    """Run Newton, and where sigma becomes suspiciously small ask whether zero is the answer."""
    lower = np.full(len(theta), -np.inf)
    lower[-1] = 0.0
    control = problem.control
    for suspect in (*SUSPECT, 0.0):
        part = control.phase(until=partial(_below, suspect))
        found = solve_smooth(
            objective, theta, part, method=problem.method, lower=lower, at_least=at_least, **known
        )
        theta, known = found.x, {}
        if theta[-1] >= suspect or control.stopped:
            return found
        flat = solve_flat(problem, theta[:-1], problem.steepest())
        if _scale_is_zero(problem, flat, kappa):
            flat.x = np.append(flat.x, 0.0)
            return flat
        theta = _from_profile(problem, flat.x, kappa)
    return found


def _below(sigma: float, theta: Array) -> bool:
    return bool(theta[-1] < sigma)


def solve_flat(problem: Problem, theta: Array, slope: float) -> Result:
    """Solve what the joint objective is at scale zero: epsilon * sum w |r| + penalty."""
    return solve_piecewise(_flat(problem, slope), theta, problem.control.aside(1000))


def _flat(problem: Problem, slope: float) -> Objective:
    return Objective(Absolute(), problem.data, problem.penalty.scaled(1 / slope))


def _scale_is_zero(problem: Problem, flat: Result, kappa: float) -> bool:
    """Whether (coefficients of ``flat``, 0) is the joint optimum.

    The joint objective is convex in sigma also after the coefficients are minimised out, so it is
    where its slope at zero is not negative. By duality that is so where slopes psi that balance the
    rows at scale zero have ``sum w psi^2 <= kappa sum w``; where the least such sum is not known, the
    slope at a sigma as small as rounding allows to look at decides.
    """
    steep = problem.steepest()
    low, high = least_square(_flat(problem, steep), flat)
    if high * steep**2 <= kappa * (1 + 1e-6):
        return True
    if low * steep**2 > kappa * (1 + 1e-6) and flat.success:
        return False
    sigma = NOTHING / min(problem.threshold, 1.0)
    _, slope = _profile(problem, sigma, flat.x, kappa)
    return slope >= -1e-6 * kappa


def _profile(problem: Problem, sigma: float, theta: Array, kappa: float) -> tuple[Array, float]:
    """Best coefficients at a scale, and the slope of the joint objective in the scale there, doubled."""
    penalty, control = problem.penalty.scaled(sigma), problem.control.aside(50)
    near = replace(problem, penalty=penalty, control=control, metric=None)
    theta = solve_fixed(near, sigma, theta).x
    psi = problem.loss.psi(problem.residual(theta) / sigma)
    return theta, kappa - float(np.average(psi**2, weights=problem.data.weight))


def _from_profile(problem: Problem, theta: Array, kappa: float) -> Array:
    """Return a start near the optimum by bisecting the scale: slow, for where Newton ran aground.

    Towards scale zero the objective becomes that of least absolute deviations, and Newton, which
    sees no curvature there, slides on past the optimum until rounding stops it.
    """
    low, high = (
        np.log(NOTHING),
        np.log(np.abs(problem.residual(theta)).max() / min(problem.threshold, 1.0)),
    )
    for _ in range(30):
        middle = 0.5 * (low + high)
        theta, slope = _profile(problem, float(np.exp(middle)), theta, kappa)
        low, high = (middle, high) if slope < 0 else (low, middle)
    return np.append(theta, float(np.exp(high)))


def solve_mad(problem: Problem, theta: Array | None = None) -> Result:
    """Find a scale that is the MAD of the residuals of its own fit; ``x`` holds it last.

    The MAD at the fit for scale s, less s, is positive for small s and negative for large ones, so
    plain iteration is safeguarded by a bracket.
    """
    warm = None if theta is None else theta[:-1]
    at = problem.start() if warm is None else warm
    weight = problem.data.weight
    sigma = (
        float(theta[-1])
        if theta is not None and theta[-1] > 0
        else mad(problem.residual(at), weight)
    )
    low, high, past, control = 0.0, np.inf, None, problem.control
    found, change = Result(x=at, optimality=np.inf, status=1), np.inf
    for _ in range(100):
        flat = _fits_most(problem, at, sigma) if sigma < SUSPECT[0] else None
        if flat is not None:
            return _with_scale(flat, 0.0, 0.0)
        # more than half of the rows fit by chance alone: any positive scale gets away from there
        sigma = sigma or float(np.abs(problem.residual(at)).mean()) or 1.0
        # finer than tol, or small changes of sigma would not move the coefficients at all
        found = solve_fixed(problem.phase(tol=0.01 * control.tol), sigma, warm)
        warm = at = found.x
        now = mad(problem.residual(at), weight)
        change = (now - sigma) / sigma if abs(now - sigma) > ROUNDING else 0.0
        if abs(change) <= 0.1 * control.tol or not control.left:
            found.status = found.status or control.status(bool(control.left))
            break
        low, high = (sigma, high) if change > 0 else (low, sigma)
        guess = now
        if past is not None and past[1] != now - sigma:
            guess = sigma - (now - sigma) * (sigma - past[0]) / ((now - sigma) - past[1])
        past = (sigma, now - sigma)
        if not low < guess < high:
            guess = now if low < now < high else 0.5 * (low + min(high, 2 * sigma))
        sigma = guess
    return _with_scale(found, sigma, abs(change))


def _fits_most(problem: Problem, theta: Array, sigma: float) -> Result | None:
    """Return the fit at scale zero if that is the MAD of its residuals.

    Beside a loss of degree two any penalty wins as the scale vanishes: then it is so only where
    most of y is its median, or the penalty is so weak that what it adds to residuals is rounding.
    """
    weight = problem.data.weight
    if not problem.penalty.empty and problem.loss.degree != 1:
        if mad(problem.data.y, weight) == 0:
            return Result(x=np.zeros(problem.size), optimality=0.0, status=0)
        if sigma >= NOTHING:
            return None
        problem = replace(problem, penalty=problem.penalty.scaled(0.0))
    flat = solve_flat(problem, theta, problem.steepest())
    most = flat.zero.mean() if weight is None else weight[flat.zero].sum() / weight.sum()
    return flat if most > 0.5 else None


def _with_scale(found: Result, sigma: float, change: float) -> Result:
    found.x = np.append(found.x, sigma)
    found.optimality = max(found.optimality, change)
    return found
