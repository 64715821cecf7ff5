"""What a residual loss does to standard normal residuals: expectations, and the thresholds that follow.

A loss with several thresholds has all of them multiplied by one factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq

from robustreg._array import Array
from robustreg.losses._residual import ResidualLoss

#: the normal density beyond is below 1e-31 of its peak
FAR = 12.0
#: Gauss-Legendre points on each interval on which psi is analytic
POINTS = 24
#: factors of the thresholds between which one is looked for; at the ends psi is flat or a line
SEARCHED = (1e-6, 1e6)
#: leverages at which the approximation of tau is fitted: R's, so that the answers are R's
LEVELS = np.linspace(0.0, 0.8, 80)


def expectation(loss: ResidualLoss, function: Callable[[Array], Array]) -> float:
    """Return the mean of an even function of a standard normal that is analytic where psi is."""
    x, density = _quadrature(loss.knots)
    return float(density @ function(x))


def normal_efficiency(loss: ResidualLoss) -> float:
    """Asymptotic efficiency at the normal distribution, ``(E Z psi(Z))**2 / E psi(Z)**2``."""
    slope = expectation(loss, lambda x: x * loss.psi(x))
    return slope**2 / expectation(loss, lambda x: loss.psi(x) ** 2)


def normal_share(loss: ResidualLoss) -> float:
    """Mean of rho at the normal distribution, as a share of its bound."""
    return expectation(loss, loss.rho) / loss.bound


def with_efficiency(loss: ResidualLoss, efficiency: float) -> ResidualLoss:
    """Return a bounded loss rescaled so that it has an efficiency at the normal distribution.

    Raises
    ------
    ValueError
        If it has not at any scale; the message names the range.
    """
    low = normal_efficiency(loss.rescaled(1e-3))
    if not low < efficiency < 1:
        raise ValueError(f"a float in the range ({low:.4g}, 1.0) for {type(loss).__name__}")
    return _rescaled(loss, normal_efficiency, efficiency)


def with_breakdown(loss: ResidualLoss, breakdown_point: float) -> ResidualLoss:
    """Return a bounded loss rescaled so that its M-scale is consistent and has a breakdown point.

    The mean of rho at the normal distribution is then ``breakdown_point`` times its bound.
    """
    return _rescaled(loss, normal_share, breakdown_point)


def _rescaled(
    loss: ResidualLoss, function: Callable[[ResidualLoss], float], wanted: float
) -> ResidualLoss:
    key = (type(loss), astuple(loss), function, float(wanted))  # type: ignore[call-overload]
    if key not in _known:
        if len(_known) > 1000:
            _known.clear()
        _known[key] = _factor(loss, function, wanted)
    return loss.rescaled(_known[key])


_known: dict[Any, float] = {}


def _factor(
    loss: ResidualLoss, function: Callable[[ResidualLoss], float], wanted: float
) -> float:
    low, high = (math.log(end) for end in SEARCHED)
    # both functions are monotone in the factor
    found = brentq(
        lambda log: function(loss.rescaled(math.exp(log))) - wanted, low, high, xtol=1e-14, rtol=1e-14
    )
    return math.exp(float(found))


def design_adaptive(loss: ResidualLoss) -> tuple[float, float, float]:
    """Constants of the design-adaptive scale of a loss: kappa, and the two of tau.

    A residual at a row of leverage h has the scale ``tau sigma``, with ``tau`` close to
    ``sqrt(1 - first * h) * (1 + second * h)``: the first is exact as h tends to zero, the second is
    fitted to the exact tau at leverages up to 0.8.

    References
    ----------
    Koller, M. and Stahel, W. A. (2014). Nonsingular subsampling for regression S estimators with
    categorical predictors. Computational Statistics 32, 631-646. Koller and Stahel (2011).
    """
    key = (type(loss), astuple(loss))  # type: ignore[call-overload]
    if key not in _adaptive:
        if len(_adaptive) > 1000:
            _adaptive.clear()
        _adaptive[key] = _design_adaptive(loss)
    return _adaptive[key]


_adaptive: dict[Any, tuple[float, float, float]] = {}


def _design_adaptive(loss: ResidualLoss) -> tuple[float, float, float]:
    kappa = expectation(loss, lambda x: x * loss.psi(x)) / expectation(loss, loss.weights)
    slope = expectation(loss, loss.psi_prime)
    variance = expectation(loss, lambda x: loss.psi(x) ** 2) / slope**2
    first = 2.0 - variance
    tau = _tau(loss, kappa, slope, variance, LEVELS)
    relative = tau / np.sqrt(1.0 - first * LEVELS) - 1.0
    return kappa, first, float(LEVELS @ relative / (LEVELS @ LEVELS))


def _tau(
    loss: ResidualLoss, kappa: float, slope: float, variance: float, leverage: Array
) -> Array:
    """Solve ``E w(e / tau) ((e / tau)**2 - kappa) = 0`` for tau at each leverage.

    The residual e is a normal error v less what it moved the fit by itself, ``h psi(v) / E psi'``,
    plus what the others did, a normal of variance ``variance * (h - h**2)``.
    """
    x, density = _quadrature(loss.knots)
    x, density = np.concatenate([-x[::-1], x]), 0.5 * np.concatenate([density[::-1], density])
    kept = density > 1e-12  # what the others add up to is far below what tau is known to
    v, outer = x[kept], density[kept]
    nodes, inner = np.polynomial.hermite_e.hermegauss(30)
    inner = inner / inner.sum()
    tau = np.empty_like(leverage)
    for i, h in enumerate(leverage):
        moved = v - (h / slope) * loss.psi(v)
        e = moved[:, None] + math.sqrt(variance * max(h - h * h, 0.0)) * nodes

        def excess(tau: float, e: Array = e) -> float:
            t = e / tau
            return float(outer @ (loss.weights(t) * (t * t - kappa)) @ inner)

        tau[i] = brentq(excess, 0.05, 1.5, xtol=1e-10)
    return tau


def _quadrature(knots: tuple[float, ...]) -> tuple[Array, Array]:
    """Points of (0, FAR) and weights that integrate an even function against the normal density.

    Between the knots it is analytic, and the intervals halve towards 0, where a small threshold
    makes it change quickly.
    """
    edges = [0.0, *np.arange(1.0, FAR + 1)]
    for knot in knots:
        edges += list(knot * 2.0 ** np.arange(-8, math.ceil(math.log2(FAR / knot)) + 1))
    ends = np.unique(np.clip(edges, 0.0, FAR))
    nodes, weights = _legendre()
    half = 0.5 * np.diff(ends)[:, None]
    x = ((ends[:-1, None] + half) + half * nodes).ravel()
    return x, (half * weights).ravel() * np.exp(-0.5 * x**2) * math.sqrt(2 / math.pi)


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(POINTS)
