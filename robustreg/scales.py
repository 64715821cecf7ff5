"""Scales: how large residuals are, as ``(residual, weight) -> float``.

A weight is a number of repetitions: weight 2 gives what the row written twice gives.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from robustreg._array import Array

#: 1 / Phi^-1(3/4): the median absolute value of a standard normal is 0.6745
MAD_FACTOR = 1.482602218505602
#: numbers that stay in cache through a few steps of arithmetic
CACHED = 1 << 14
#: Phi^-1(0.995): residuals beyond this many scales are outliers, one in a hundred normal ones is
OUTLYING = 2.5758293035489004


def weighted_median(values: Array, weight: Array | None = None, left_out: float = 0.0) -> float:
    """Return the median of ``values``, each counted ``weight`` times.

    Parameters
    ----------
    values : array of shape (n,)
        Finite numbers.
    weight : array of shape (n,), optional
        Non-negative weights with a positive sum; ones by default.
    left_out : float, default=0.0
        Leave the smallest values out, so many by their weights: fewer than there are.

    Returns
    -------
    float
        The mean of the lower and the upper median, as :func:`numpy.median` gives for repeated rows.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.scales import weighted_median
    >>> weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0]))
    1.5
    """
    if weight is None:
        # values 1 to n end at weights 1 to n, and half is where the median changes from one to the next
        half = 0.5 * (len(values) + left_out)
        middle = [max(math.ceil(half) - 1, 0), min(math.floor(half), len(values) - 1)]
        low, high = np.partition(values, middle)[middle]
        return float(0.5 * low + 0.5 * high if low != high else high)
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    below = np.cumsum(weight[order])
    half = 0.5 * (below[-1] + left_out)
    # Sums of weights carry rounding, each term of them a half of eps, so "exactly half" is meant within it.
    slack = (4 + len(below)) * np.finfo(float).eps * below[-1]
    lower = np.searchsorted(below, half - slack, side="left")
    upper = np.searchsorted(below, half + slack, side="right")
    low, high = values[order[lower]], values[order[min(upper, len(order) - 1)]]
    return float(0.5 * low + 0.5 * high)


def mad(residual: Array, weight: Array | None = None, *, left_out: float = 0.0) -> float:
    """Median absolute residual, consistent for sigma at the normal distribution.

    Residuals are taken about zero, not about their median: the model has an intercept for that.

    Parameters
    ----------
    residual : array of shape (n,)
        Residuals, in the units of y.
    weight : array of shape (n,), optional
        Sample weights.
    left_out : float, default=0.0
        Leave the smallest residuals out, so many by their weights: a fit of absolute errors passes
        through as many rows as it has parameters, whose residuals say nothing. 0 is returned where
        no row would be left.

    Returns
    -------
    float
        ``1.4826 * median(|residual|)``, in the units of y.

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.scales import mad
    >>> round(mad(np.array([-1.0, 0.5, 2.0, 40.0])), 4)
    2.2239
    """
    total = len(residual) if weight is None else float(weight.sum())
    if left_out >= total * (1 - 1e-12):
        return 0.0
    return MAD_FACTOR * weighted_median(np.abs(residual), weight, left_out)


def huber_consistency(epsilon: float) -> float:
    """``E min(Z^2, epsilon^2)`` of a standard normal ``Z``, the constant of Proposal 2.

    Parameters
    ----------
    epsilon : float
        Threshold in units of the scale, positive; infinity gives 1.

    Returns
    -------
    float
        A number in (0, 1].

    References
    ----------
    Huber, P. J. (1981). Robust Statistics, section 6.4.

    Examples
    --------
    >>> from robustreg.scales import huber_consistency
    >>> round(huber_consistency(1.345), 9)
    0.710164548
    """
    if epsilon > 38:  # the tail beyond is below the smallest double
        return 1.0
    if epsilon < 0.05:
        # E min(Z^2, e^2) = e^2 - 2 e^3 phi(0) (1/3 - e^2/30 + ...): the closed form cancels here.
        tail = 1 / 3 - epsilon**2 / 30 + epsilon**4 / 280
        return float(epsilon**2 * (1 - 4 * epsilon * tail / np.sqrt(2 * np.pi)))
    density = np.exp(-0.5 * epsilon**2) / np.sqrt(2 * np.pi)
    tail = ndtr(-epsilon)
    return float(1 - 2 * tail - 2 * epsilon * density + 2 * epsilon**2 * tail)


@cache
def concomitant_limit(epsilon: float) -> float:
    """Scale of standard normal residuals where it is minimised jointly with the coefficients at a price of one.

    Parameters
    ----------
    epsilon : float
        Threshold in units of the scale, positive.

    Returns
    -------
    float
        The c in (0, 1] with ``E min(Z^2, (epsilon c)^2) = c^2``; 0 up to a threshold of 1.

    References
    ----------
    Owen, A. B. (2007). A robust hybrid of lasso and ridge regression. Contemporary Mathematics, 443.

    Examples
    --------
    >>> from robustreg.scales import concomitant_limit
    >>> round(concomitant_limit(1.35), 4)
    0.6813
    """

    def excess(at: float) -> float:
        return huber_consistency(epsilon * at) / at**2 - 1

    low = 1e-12  # about 2 (epsilon - 1) is the limit near 1
    return float(brentq(excess, low, 2.0, xtol=low)) if excess(low) > 0 else 0.0


def huber_scale(
    residual: Array, weight: Array | None = None, *, epsilon: float = 1.345, rank: int = 0
) -> float:
    """Huber's Proposal 2 scale of given residuals.

    Parameters
    ----------
    residual : array of shape (n,)
        Residuals, in the units of y.
    weight : array of shape (n,), optional
        Sample weights.
    epsilon : float, default=1.345
        Threshold in units of the scale.
    rank : int, default=0
        Number of parameters that were fitted to get the residuals.

    Returns
    -------
    float
        The ``sigma`` with ``sum w min(r^2 / sigma^2, epsilon^2) = kappa (sum w - rank)``; 0 where
        so many residuals are zero that no positive number solves it.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter, Proposal 2.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.scales import huber_scale
    >>> round(huber_scale(np.array([-1.0, 0.5, 2.0, 40.0])), 4)
    2.2559
    """
    size = np.abs(residual)
    if weight is None:
        size = np.sort(size)
        weight = np.ones_like(size)
    else:
        order = np.argsort(size, kind="stable")
        size, weight = size[order], weight[order]
    if size[-1] == 0:
        return 0.0
    # In units of the median, squares of what lies inside neither vanish nor overflow.
    top = size[len(size) // 2] or size[-1]
    with np.errstate(over="ignore"):
        size = size / top
        inside = np.cumsum(weight * size**2)
    count = np.cumsum(weight)
    total = count[-1]
    target = huber_consistency(epsilon) * (total - rank if total > rank else total)
    with np.errstate(over="ignore"):
        square = np.square(float(epsilon))
    if np.isinf(square):
        return float(top * np.sqrt(inside[-1] / target))
    # With the k smallest inside, sigma^2 = inside_k / (target - epsilon^2 * weight outside).
    room = target - square * (total - count)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(inside / np.where(room > 0, room, np.nan))
    upper = np.append(size[1:], np.inf)
    fits = (size <= epsilon * sigma) & (epsilon * sigma <= upper)
    return float(top * sigma[np.argmax(fits)]) if fits.any() else 0.0


class BoundedRho(Protocol):
    """A loss of residuals with a finite ``bound``, and its derivative."""

    @property
    def bound(self) -> float:
        """Supremum of rho."""

    def rho_psi(self, r: Array) -> tuple[Array, Array]:
        """Return rho and its derivative."""


def m_scale(
    residual: Array,
    weight: Array | None = None,
    *,
    loss: BoundedRho,
    b: float = 0.5,
    rank: float = 0,
    start: float | None = None,
) -> float:
    """M-scale of given residuals, which S-estimators minimise.

    Parameters
    ----------
    residual : array of shape (n,)
        Residuals, in the units of y.
    weight : array of shape (n,), optional
        Sample weights, as numbers of repetitions.
    loss : ResidualLoss
        One whose rho is bounded, its threshold in units of the scale: ``Tukey(1.547645)`` is consistent
        at the normal distribution for ``b=0.5``.
    b : float, default=0.5
        Mean of rho as a share of its bound, and the breakdown point.
    rank : float, default=0
        Number of parameters that were fitted to get the residuals.
    start : float, optional
        A guess; by default the MAD.

    Returns
    -------
    float
        The ``sigma`` with ``sum w rho(r / sigma) = b (sum w - rank) bound``; 0 where so many residuals
        are zero that no positive number solves it.

    References
    ----------
    Rousseeuw, P. J. and Yohai, V. J. (1984). Robust regression by means of S-estimators.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import Tukey
    >>> from robustreg.scales import m_scale
    >>> round(m_scale(np.array([-1.0, 0.5, 2.0, -0.2, 1.0, 40.0]), loss=Tukey(1.547645)), 4)
    1.5419
    """
    total = float(len(residual) if weight is None else weight.sum())
    target = b * (total - rank) * loss.bound
    moving = residual != 0
    mass = np.count_nonzero(moving) if weight is None else weight[moving].sum()
    if not mass * loss.bound > target * (1 + 1e-12):
        return 0.0
    sigma = start or mad(residual, weight) or float(np.abs(residual[moving]).min())
    low, high, wider = 0.0, np.inf, 4.0
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(200):
            value, slope = _rho_sums(residual, weight, loss, sigma)
            low, high = (sigma, high) if value > target else (low, sigma)
            # Newton in log sigma within the bracket, or bisection; where most rows are zero or beyond the
            # bound, the sum hardly changes over many powers of ten
            step = (value - target) / slope if slope > 0 else np.inf
            # the next step would be the square of this; the bracket, an end of which rounding puts at the
            # root, would lead away from it
            if abs(step) <= 1e-8:
                return float(sigma * np.exp(step))
            new = sigma * np.exp(step) if abs(step) < 1 else np.nan
            if not low < new < high:
                if 0 < low and high < np.inf:
                    new = np.sqrt(low) * np.sqrt(high)
                else:
                    new, wider = sigma * wider if low else sigma / wider, min(wider**2, 1e8)
            if new in (0.0, sigma):  # no number lies between the ends
                return float(new)
            sigma = float(new)
    return float(sigma)


def _rho_sums(
    residual: Array, weight: Array | None, loss: BoundedRho, sigma: float
) -> tuple[float, float]:
    """Sum of rho, and its derivative in log sigma with the sign reversed; as many rows as stay in cache."""
    value = slope = 0.0
    for start in range(0, len(residual), CACHED):
        part = slice(start, start + CACHED)
        scaled = residual[part] / sigma
        rho, psi = loss.rho_psi(scaled)
        if weight is None:
            value += float(rho.sum())
            slope += float(psi @ scaled)
        else:
            value += float(weight[part] @ rho)
            slope += float((weight[part] * psi) @ scaled)
    return value, slope
