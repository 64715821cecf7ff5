"""Estimates that take their scale from a high-breakdown start: MM, SMDM, and the S-estimate itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2

from robustreg._array import Array
from robustreg.estimators._units import Units
from robustreg.inference._bootstrap import Draws, Sampler, collected
from robustreg.inference._covariance import Spread, correction, invert, mean
from robustreg.inference._fit import Fit, check_rows
from robustreg.inference._wald import TestResult
from robustreg.losses import ResidualLoss
from robustreg.losses._normal import design_adaptive
from robustreg.penalties import L2
from robustreg.solvers import Control, Problem, solve_fixed

#: entries of the products of columns, and of the resamples, that are held at a time
HELD = 2e7
WEIGHTED = "Name 'weighted' or 'bootstrap'."
NEGATIVE = "The covariance 'avar1' has a variance below zero here."


class NegativeVarianceError(ValueError):
    """A covariance that is a difference of two terms is negative, as it may be of few rows."""


class Parts(NamedTuple):
    """Residuals of the final and of the first fit in units of the scale, and the losses of both.

    rho of the first is divided by its bound, ``b`` is its mean.
    """

    u: Array
    u0: Array
    loss: ResidualLoss
    first: ResidualLoss
    scale: float
    b: float

    @classmethod
    def of(cls, fit: Fit) -> Parts:
        estimate = fit.estimate
        start, scale = estimate.start or estimate, float(estimate.scale or 0.0)
        assert isinstance(start.loss, ResidualLoss)
        loss, first = fit.loss.rescaled(1 / scale), start.loss.rescaled(1 / scale)
        residual = fit.residual
        if estimate.start is not None:
            coef, intercept = estimate.start_coef, estimate.start_intercept
            residual = fit.estimate.target - fit.objective.raw(fit.inside(coef, intercept))
        u0 = residual / scale
        b = mean(first.rho(u0) / first.bound, fit) * fit.n / fit.df
        return cls(fit.residual / scale, u0, loss, first, scale, b)

    @property
    def chi(self) -> Array:
        """Rho of the first residuals, of maximum one."""
        return self.first.rho(self.u0) / self.first.bound

    @property
    def chi_slope(self) -> Array:
        """Its derivative."""
        return self.first.psi(self.u0) / self.first.bound


def avar1(fit: Fit) -> Spread:
    """Joint with the scale, for errors that need not be symmetric (Croux, Dhaene and Hoorelbeke, 2003)."""
    parts, mass, n = Parts.of(fit), fit.mass, fit.n
    psi, bend = parts.loss.psi(parts.u), parts.loss.psi_prime(parts.u)
    meat = fit.gram(psi**2)
    check_rows(fit, parts.scale**2 * np.diag(meat))
    # in units of the scale; sums are over weights of mean one
    inverse = invert(fit.gram(bend), fit.active, WEIGHTED)
    a = inverse @ fit.sum_of(bend * parts.u) / mean(parts.chi_slope * parts.u0, fit)
    cross = np.outer(a, inverse @ fit.sum_of(psi * parts.chi))
    tail = mean(parts.chi**2, fit) - parts.b**2
    core = (n * inverse @ meat @ inverse / mass - cross - cross.T + tail * np.outer(a, a)) / n
    if not (np.diag(core) > 0).all():
        raise NegativeVarianceError(f"{NEGATIVE} {WEIGHTED}")
    return Spread(core, parts.scale, fit.df)


def weighted(fit: Fit) -> Spread:
    """For symmetric errors, with robustness weights (Koller and Stahel, 2011).

    After a design-adaptive scale each residual is in the scale that its leverage gives it.
    """
    scale = float(fit.estimate.scale or 0.0)
    loss, u = fit.loss.rescaled(1 / scale), fit.residual / scale
    weight = loss.weights(u)
    gram = fit.gram(weight)
    inverse = invert(gram, fit.active, "Name 'bootstrap'.")
    check_rows(fit, scale**2 * np.diag(fit.gram(loss.psi(u) ** 2)))
    if fit.estimate.adaptive:
        tau = tau_of(fit)
        size = mean((tau * loss.psi(u / tau)) ** 2, fit) / mean(tau**2, fit)
        factor = size / mean(loss.psi_prime(u / tau), fit) ** 2
    else:
        bend = loss.psi_prime(u)
        factor = mean(loss.psi(u) ** 2, fit) / mean(bend, fit) ** 2 * fit.n / fit.df
        factor *= correction(bend, fit, ddof=0) ** 2
    core = factor * mean(weight, fit) * inverse / fit.mass
    return Spread(core, scale, fit.df)


def tau_of(fit: Fit) -> Array:
    """Scale of each residual by its leverage, in units of sigma, as the design-adaptive scale has it.

    The leverages are those of the M-estimate at the S-scale, from which that scale is.
    """
    estimate = fit.estimate
    design = estimate.design
    assert design is not None and isinstance(design.loss, ResidualLoss)
    loss = design.loss.rescaled(1 / float(design.scale or 1.0))
    raw = fit.objective.raw(fit.inside(estimate.design_coef, estimate.design_intercept))
    weight = loss.weights((estimate.target - raw) / float(design.scale or 1.0))
    inverse = invert(fit.gram(weight), fit.active, "Name 'bootstrap'.")
    _, first, second = design_adaptive(loss)
    leverage = np.clip(weight * fit.leverage(inverse) / fit.mass, 0.0, 1.0)
    return np.asarray(np.sqrt(1 - first * leverage) * (1 + second * leverage))


class Growth(NamedTuple):
    """How the scale of a resample differs from that of the fit, as a share.

    Its equation has the terms ``score`` of the rows, their sum at the fit, and the derivatives of this sum
    in the logarithm of the scale and in the coefficients, each with the opposite sign.
    """

    score: Array
    at_fit: float
    steep: float
    tilt: Array

    @classmethod
    def of(cls, fit: Fit, parts: Parts) -> Growth:
        """Return the equation of the M-scale of the first fit, or of the design-adaptive scale."""
        n_parameters = len(fit.theta)
        if not fit.estimate.adaptive:
            chi, steep = parts.chi, parts.chi_slope * parts.u0
            total = float(fit.weight @ chi), float(fit.weight @ steep)
            return cls(chi, *total, np.zeros(n_parameters))
        loss, kappa = parts.loss, design_adaptive(parts.loss)[0]
        tau = tau_of(fit)
        v = parts.u / tau
        robust, excess = loss.weights(v), v**2 - kappa
        turn = (loss.psi_prime(v) - robust) * excess + 2 * robust * v**2
        score = tau**2 * robust * excess
        tilt = fit.sum_of(tau * np.divide(turn, v, out=np.zeros_like(v), where=v != 0))
        return cls(score, float(fit.weight @ score), float(fit.weight @ (tau**2 * turn)), tilt)

    def solve(self, counts: Array, moved: Array, elastic: Array) -> Array:
        """Return the growth in resamples; coefficients move by ``moved - growth * elastic``."""
        missed = counts @ self.score - self.at_fit - moved @ self.tilt
        return np.asarray(missed / (self.steep - elastic @ self.tilt))


def fast_bootstrap(fit: Fit, groups: Array | None, n_resamples: int, random_state: Any) -> Draws:
    """Fast and robust bootstrap: reweighted least squares of each resample, corrected linearly.

    Rows without weight in the fit have none in any resample, so it does not break down where the fit does
    not (Salibian-Barrera and Zamar, 2002; Salibian-Barrera and Van Aelst, 2008).
    """
    parts = Parts.of(fit)
    psi, bend = parts.loss.psi(parts.u), parts.loss.psi_prime(parts.u)
    weight = parts.loss.weights(parts.u)
    hessian = invert(fit.gram(bend), fit.active, "There is no bootstrap of this fit.")
    gram = fit.gram(weight)
    # in units of the scale: d(coef) = hessian (gram (step of the resample) - pull d(log scale))
    elastic = hessian @ fit.sum_of(bend * parts.u)
    growth = Growth.of(fit, parts)
    sampler = Sampler(fit, groups, random_state)
    moves, failed = np.empty((n_resamples, len(fit.theta))), 0
    chunk = max(1, min(n_resamples, int(HELD / fit.data.n_rows)))
    resampled = _Resampled(fit, weight, psi)
    done = 0
    while done < n_resamples:
        counts = np.array([sampler.draw() for _ in range(min(chunk, n_resamples - done))])
        counts /= fit.mass
        step, good = resampled.steps(counts, gram)
        failed += int((~good).sum())
        if failed > 5 * n_resamples:
            raise ValueError(
                "Most resamples do not tell the columns of X apart: there is no bootstrap of these rows."
            )
        moved = step @ gram @ hessian
        grown = growth.solve(counts, moved, elastic)
        kept = (moved - np.outer(grown, elastic))[good][: n_resamples - done]
        moves[done : done + len(kept)] = kept
        done += len(kept)
    moves *= parts.scale
    notes = (f"{failed} degenerate resamples were drawn again.",) if failed else ()
    draws = collected(fit, moves, fit.estimates + moves @ fit.jacobian.T)
    return draws._replace(spread=draws.spread._replace(notes=notes))


class _Resampled:
    """Steps of weighted least squares from the fit to resamples of its rows."""

    def __init__(self, fit: Fit, weight: Array, psi: Array) -> None:
        self.fit, self.weight, self.psi = fit, weight, psi
        q, n = len(fit.theta), fit.data.n_rows
        self.rows = None
        if n * q * (q + 1) / 2 <= HELD:
            self.rows = fit.along(np.eye(q))
            self.pairs = np.triu_indices(q)
            self.products = self.rows[:, self.pairs[0]] * self.rows[:, self.pairs[1]]
            self.products *= weight[:, None]

    def steps(self, counts: Array, whole: Array) -> tuple[Array, Array]:
        """Return a step for each row of counts, and which of them are well defined."""
        q = len(whole)
        if self.rows is None:
            fit = self.fit
            grams = np.array([fit.gram(c * self.weight / fit.weight) for c in counts])
            pulls = np.array([fit.sum_of(c * self.psi / fit.weight) for c in counts])
        else:
            flat = counts @ self.products
            grams = np.empty((len(counts), q, q))
            grams[:, self.pairs[0], self.pairs[1]] = flat
            grams[:, self.pairs[1], self.pairs[0]] = flat
            pulls = (counts * self.psi) @ self.rows
        least = 1e-9 * np.linalg.eigvalsh(whole)[0]
        good = np.linalg.eigvalsh(grams)[:, 0] > least
        steps = np.zeros((len(counts), q))
        steps[good] = np.linalg.solve(grams[good], pulls[good][:, :, None])[:, :, 0]
        return steps, good


@dataclass
class Deviance:
    """The robust deviance of an M-estimate at its scale.

    Parameters
    ----------
    fit : Fit
        The fit.
    """

    fit: Fit

    def __call__(self, smaller: Deviance, n_left_out: int) -> TestResult:
        """Test a smaller model, solved again with this one's loss and scale."""
        fit, other = self.fit, smaller.fit
        scale = float(fit.estimate.scale or 0.0)
        loss = fit.loss.rescaled(1 / scale)
        data = other.data
        units = Units.of(data.y, data.weight, other.mass, data.intercept)
        inside = data.with_target(units.inward(data.y), data.weight)
        model = fit.model
        problem = Problem(loss, inside, L2(0.0), Control(model.tol, 1000))
        start = other.theta / units.spread
        if data.intercept:
            start[-1] -= units.center / units.spread
        found = solve_fixed(problem, scale / units.spread, start)
        raw = problem.at(scale / units.spread).raw(found.x)
        rest = (inside.y - raw) * units.spread / scale
        u = fit.residual / scale
        slope = mean(loss.psi_prime(u), fit) / mean(loss.psi(u) ** 2, fit)
        lost = fit.mass * (float(other.weight @ loss.rho(rest)) - float(fit.weight @ loss.rho(u)))
        statistic = max(2 * slope * lost, 0.0)
        p_value = float(chi2.sf(statistic, n_left_out))
        return TestResult(statistic, n_left_out, math.inf, p_value, "Robust deviance test")


def made_definite(core: Array) -> tuple[Array, bool]:
    """Return a covariance without negative eigenvalues and with the same variances, and if it had some."""
    known = np.isfinite(np.diag(core))
    inner = core[np.ix_(known, known)]
    values, vectors = np.linalg.eigh(inner)
    if not len(values) or values[0] >= -1e-12 * values[-1]:
        return core, False
    positive = vectors * np.maximum(values, 0.0) @ vectors.T
    size = np.sqrt(np.maximum(np.diag(inner), 0.0) / np.diag(positive))
    result = core.copy()
    result[np.ix_(known, known)] = positive * np.outer(size, size)
    return result, True
