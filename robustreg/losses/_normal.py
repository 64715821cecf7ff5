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
#: leverages at which the approximation of tau is fitted, as in robustbase
LEVELS = np.linspace(0.0, 0.8, 80)
#: Gauss-Hermite points for the constants of the design-adaptive scale, as in robustbase, whose constants
#: would not be met with more: kappa of lqq by 10 points is 0.1 % from its limit
FEW_POINTS = 10


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
    return _rescaled(loss, normal_efficiency, efficiency)


def with_breakdown(loss: ResidualLoss, breakdown_point: float) -> ResidualLoss:
    """Return a bounded loss rescaled so that its M-scale is consistent and has a breakdown point.

    The mean of rho at the normal distribution is then ``breakdown_point`` times its bound.

    Raises
    ------
    ValueError
        If it has not at any scale; the message names the range.
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


def _factor(loss: ResidualLoss, function: Callable[[ResidualLoss], float], wanted: float) -> float:
    low, high = (math.log(end) for end in SEARCHED)
    # both functions are monotone in the factor
    ends = sorted(function(loss.rescaled(end)) for end in SEARCHED)
    if not ends[0] < wanted < ends[1]:
        raise ValueError(f"a float in the range ({ends[0]:.1g}, {min(ends[1], 1.0):.4g})")
    found = brentq(
        lambda log: function(loss.rescaled(math.exp(log))) - wanted,
        low,
        high,
        xtol=1e-14,
        rtol=1e-14,
    )
    return math.exp(float(found))


def design_adaptive(loss: ResidualLoss) -> tuple[float, float, float]:
    """Constants of the design-adaptive scale of a loss: kappa, and the two of tau.

    A residual at a row of leverage h has the scale ``tau sigma``, where tau solves
    ``E w(e / tau) ((e / tau)**2 - kappa) = 0`` and is close to ``sqrt(1 - first * h) * (1 + second * h)``:
    the first is exact as h tends to zero, the second is fitted at leverages up to 0.8.

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
    nodes, weights = np.polynomial.hermite.hermgauss(FEW_POINTS)
    # of the density exp(-x^2), whose weights are divided by it to serve the normal density
    density = weights * np.exp(0.5 * nodes**2) / math.sqrt(2 * math.pi)
    kappa = float(density @ (nodes * loss.psi(nodes)) / (density @ loss.weights(nodes)))
    slope = expectation(loss, loss.psi_prime)
    variance = expectation(loss, lambda x: loss.psi(x) ** 2) / slope**2
    first = 2.0 - variance
    tau = np.empty_like(LEVELS)
    for i, h in enumerate(LEVELS):
        # a normal error less what it moved the fit itself, plus what the other rows did
        moved = nodes - (h / slope) * loss.psi(nodes)
        e = moved[:, None] + math.sqrt(variance * (h - h * h)) * nodes

        def excess(tau: float, e: Array = e) -> float:
            t = e / tau
            return float(density @ (loss.weights(t) * (t * t - kappa)) @ density)

        low = 1.0
        while excess(low) < 0:  # far below all residuals are beyond the thresholds
            low *= 0.8
        tau[i] = brentq(excess, low, 1.2, xtol=1e-8)
    return kappa, first, _robust_slope(LEVELS, tau / np.sqrt(1.0 - first * LEVELS) - 1.0)


def _robust_slope(x: Array, y: Array) -> float:
    """Slope of a line through the origin by Tukey's weights: few points leave spikes in tau."""
    slope = float(x @ y / (x @ x))
    for _ in range(50):
        residual = y - slope * x
        size = 4.685 * 1.4826 * float(np.median(np.abs(residual)))
        if size == 0:
            break
        weight = np.clip(1.0 - (residual / size) ** 2, 0.0, None) ** 2 * x
        slope = float(weight @ y / (weight @ x))
    return slope


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
