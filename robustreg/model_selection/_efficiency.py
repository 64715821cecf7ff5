"""Thresholds by what they cost at the normal distribution."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, SupportsIndex, cast

import numpy as np
from scipy.optimize import brentq

from robustreg._array import Array
from robustreg.losses import LOSSES, ResidualLoss
from robustreg.losses._names import meant, named_loss
from robustreg.losses._normal import normal_efficiency

#: the efficiency is that of a threshold of zero to all digits below, where squares would underflow
LEAST = 1e-20


def efficiency_of(epsilon: float, loss: str | ResidualLoss = "huber") -> float:
    r"""Asymptotic efficiency at the normal distribution of a loss with a given threshold.

    With Z standard normal it is :math:`(E\,Z\psi(Z))^2 / E\,\psi(Z)^2`: the variance of least
    squares over the variance of the estimator, where the scale is known or consistent.

    Parameters
    ----------
    epsilon : float
        Threshold in units of the scale, in (0, inf]. A loss with several thresholds, such as
        Hampel's, has all of them multiplied by it.
    loss : str or ResidualLoss, default="huber"
        A loss with a threshold: a name from ``robustreg.losses.LOSSES``, or an instance.

    Returns
    -------
    float
        A number in (0, 1].

    Raises
    ------
    ValueError
        If the loss has no threshold, or epsilon is out of range.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101.

    Examples
    --------
    >>> from robustreg.model_selection import efficiency_of
    >>> round(efficiency_of(1.345), 4)
    0.95
    >>> round(efficiency_of(4.685, loss="tukey"), 4)
    0.95
    """
    loss = _with_threshold(loss)
    if not _number(epsilon) > 0:
        raise ValueError(f"epsilon must be a number in the range (0.0, inf]. Got {epsilon!r}.")
    if math.isinf(epsilon):
        return 1.0
    return normal_efficiency(_at(loss, max(epsilon, LEAST)))


def epsilon_for(efficiency: float, loss: str | ResidualLoss = "huber") -> float:
    """Threshold at which a loss has a given efficiency at the normal distribution.

    Parameters
    ----------
    efficiency : float
        In (0, 1). Huber's loss has at least 2 / pi, the median's.
    loss : str or ResidualLoss, default="huber"
        As in `efficiency_of`, whose inverse this is.

    Returns
    -------
    float
        Threshold in units of the scale, or the common factor of several.

    Raises
    ------
    ValueError
        If the loss has no threshold, or does not have that efficiency at any.

    References
    ----------
    Holland, P. W. and Welsch, R. E. (1977). Robust regression using iteratively reweighted
    least-squares. Communications in Statistics A6, 813-827.

    Examples
    --------
    >>> from robustreg.model_selection import epsilon_for
    >>> round(epsilon_for(0.95), 3)
    1.345
    >>> round(epsilon_for(0.85, loss="tukey"), 3)
    3.444
    """
    loss = _with_threshold(loss)
    least = efficiency_of(1e-6, loss)
    if not least < _number(efficiency) < 1:
        raise ValueError(
            f"efficiency must be a number between {least:.4g} (what {type(loss).__name__} has at a "
            f"threshold of zero) and 1, both excluded. Got {efficiency!r}."
        )

    def excess(log_epsilon: float) -> float:
        return efficiency_of(math.exp(log_epsilon), loss) - efficiency

    high = 1.0
    while excess(high) < 0:
        high += 1.0
    return float(math.exp(brentq(excess, math.log(1e-6), high, xtol=1e-14, rtol=1e-14)))


def epsilon_grid(
    n: SupportsIndex = 20,
    efficiency: tuple[float, float] = (0.7, 0.999),
    loss: str | ResidualLoss = "huber",
) -> Array:
    """Thresholds at evenly spaced efficiencies, to search over.

    Parameters
    ----------
    n : int, default=20
        Number of thresholds.
    efficiency : tuple of two floats, default=(0.7, 0.999)
        Efficiency at the normal distribution of the first and the last.
    loss : str or ResidualLoss, default="huber"
        As in `efficiency_of`.

    Returns
    -------
    array of shape (n,)
        From the most robust to the most efficient.

    Raises
    ------
    ValueError
        If ``n`` is not a positive integer or an efficiency is out of range.

    Examples
    --------
    >>> from robustreg.model_selection import epsilon_grid
    >>> epsilon_grid(4, efficiency=(0.8, 0.98)).round(2).tolist()
    [0.53, 0.78, 1.11, 1.75]
    >>> {"huberregressor__epsilon": epsilon_grid(5)}["huberregressor__epsilon"].shape
    (5,)
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise ValueError(f"n must be an int of at least 1. Got {n!r}.")
    try:
        low, high = map(float, efficiency)
    except (TypeError, ValueError):
        raise ValueError(
            "efficiency must be a pair of numbers between 0 and 1, the first and the last, such as "
            f"(0.7, 0.999). Got {efficiency!r}."
        ) from None
    return np.array([epsilon_for(float(share), loss) for share in np.linspace(low, high, int(n))])


def _number(value: Any) -> float:
    """Return NaN, which is in no range, for what is no number."""
    return float(value) if isinstance(value, Real) else math.nan


def _with_threshold(loss: str | ResidualLoss) -> ResidualLoss:
    names = [
        name for name, kind in LOSSES.items() if issubclass(kind, ResidualLoss) and kind.threshold
    ]
    kind = named_loss(loss) if isinstance(loss, str) else None
    if kind is not None and kind.name in names:
        return cast(ResidualLoss, kind())
    if isinstance(loss, ResidualLoss) and loss.threshold:
        loss.validate()
        return loss
    raise ValueError(
        f"loss must be a residual loss with a threshold or one of {', '.join(map(repr, names))}. "
        f"Got {loss!r}.{meant(loss, names)}"
    )


def _at(loss: ResidualLoss, epsilon: float) -> ResidualLoss:
    """Return the loss with its only threshold set, or with its several thresholds multiplied."""
    if len(loss.threshold) > 1:
        return loss.rescaled(epsilon)
    return replace(loss, **{loss.threshold[0]: epsilon})  # type: ignore[type-var]
