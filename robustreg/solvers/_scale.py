"""Residual losses together with their scale: estimated jointly, or an iterated MAD."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.scales import huber_scale, mad, weighted_median
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._certificates import ROUNDING
from robustreg.solvers._even_slopes import least_square
from robustreg.solvers._fixed_scale import nearer, solve_fixed, with_raw
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._problem import NARROW, Problem
from robustreg.solvers._result import Plan, Result
from robustreg.solvers._smooth import on_sample, solve_smooth

#: scales, in spreads of y, at which it is asked whether the scale is zero
SUSPECT = (1e-6, 1e-12)
#: and one at which, beside a penalty of single coefficients, the L1 fit is first asked, before scales are followed down
#: (machine: at 120 x 400 and weak penalties that takes 5 to 60 s, the L1 fit .1 to .4)
SMALL = 1e-2
#: epsilon below which the joint objective starts from the L1 fit
NARROW_JOINT = 0.4
#: iterations after which Newton has missed a scale in units of which few rows are near
PATIENCE = 60
#: logarithm of the ratio of scales beyond which no other is looked for
FARTHEST = 80.0
#: a scale, in spreads of y, below which rounding of y would be all that it measures
NOTHING = 1e-11


def plan_joint(problem: Problem, kappa: float, theta: Array | None = None) -> Plan:
    """Return what minimises over coefficients and scale; the last entry of ``x`` is the scale, 0 included.

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
        return Plan(partial(_joint_by_column, problem, kappa, theta))
    objective, control = problem.joint(kappa), problem.control
    warm = theta is not None and theta[-1] > 0
    begun = control.n_iter
    start = theta if warm else _joint_start(problem, objective, kappa)
    at_least = int(control.n_iter == begun and not warm)
    ahead = nearer(problem, objective, start, warm)
    hard = problem.narrow(NARROW / NARROW_JOINT)
    part = problem.phase(most=PATIENCE if hard else None)

    def ended(found: Result) -> Result:
        found = with_raw(found, ahead=ahead, control=part.control)
        if hard and found.status in (1, 2) and found.x[-1] > 0:
            found = _balanced_scale(problem, objective, kappa, found)
        return found

    return Plan(
        partial(_joint, part, objective, kappa, ahead.theta, at_least, **ahead.options), ended
    )


def solve_joint(problem: Problem, kappa: float, theta: Array | None = None) -> Result:
    """Minimise as :func:`plan_joint` says."""
    plan = plan_joint(problem, kappa, theta)
    return plan.ended(plan.solve())


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
    objective, control = problem.joint(kappa), problem.control
    if not theta[-1] < SMALL:
        part = control.phase(until=partial(_below, SMALL))
        found = solve_by_column(objective, theta, part)
        if found.x[-1] >= SMALL or control.stopped or not control.left:
            return found
        theta = found.x
    flat = solve_flat(problem, theta[:-1], problem.steepest())
    if not _slopes_suffice(problem, flat, kappa):
        found = solve_by_column(objective, theta, control)
        if found.x[-1] >= SUSPECT[0] or found.status == 99:
            return found
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
    return solve_piecewise(problem.flat(slope), theta, problem.control.aside(1000))


def _scale_is_zero(problem: Problem, flat: Result, kappa: float) -> bool:
    """Whether (coefficients of ``flat``, 0) is the joint optimum.

    The joint objective is convex in sigma also after the coefficients are minimised out, so it is
    where its slope at zero is not negative. By duality that is so where slopes psi that balance the
    rows at scale zero have ``sum w psi^2 <= kappa sum w``; where the least such sum is not known, the
    slope at a sigma as small as rounding allows to look at decides.
    """
    proven = _slopes_suffice(problem, flat, kappa)
    if proven is not None:
        return proven
    sigma = NOTHING / min(problem.threshold, 1.0)
    _, slope = _profile(problem, sigma, flat.x, kappa)
    return slope >= -1e-6 * kappa


def _slopes_suffice(problem: Problem, flat: Result, kappa: float) -> bool | None:
    """Whether the slopes of the fit at scale zero prove that the scale is zero, or is not; None where neither."""
    steep = problem.steepest()
    low, high = least_square(problem.flat(steep), flat)
    if high * steep**2 <= kappa * (1 + 1e-6):
        return True
    return False if low * steep**2 > kappa * (1 + 1e-6) and flat.success else None


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
    if warm is None and sigma < SUSPECT[0] and not problem.penalty.euclidean:
        # the start knows of no penalty that is not a multiple of the squares, and its exact fit tells nothing of this one
        at = np.zeros(problem.size)
        sigma = mad(problem.residual(at), weight)
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
        if now <= ROUNDING and sigma < SUSPECT[0] and not problem.loss.convex:
            # a loss that lets go of the others passes through a majority that the L1 fit does not pass through
            return _with_scale(Result(x=at, optimality=0.0, status=0), 0.0, 0.0)
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
