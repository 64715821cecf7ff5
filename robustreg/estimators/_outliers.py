"""What a fit says of its rows: which are outliers, and how much each counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robustreg._array import Array
from robustreg.losses import ResidualLoss
from robustreg.scales import OUTLYING

#: a scale that is this share of the largest target or less may be rounding
DOUBTFUL = 1e-9


def outlying(residual: Array, scale: float, y: Array, rounding: Callable[[], Array]) -> Array:
    """Rows farther from the fit than one in a hundred normal rows is.

    Parameters
    ----------
    residual : array of shape (n_samples,)
        In the units of y.
    scale : float
        In the units of y; 0 on an exact fit.
    y : array of shape (n_samples,)
        Targets.
    rounding : callable
        What rounding can make of each residual; asked where the scale is that small.

    Returns
    -------
    outliers : array of bool of shape (n_samples,)
    """
    edge = OUTLYING * scale
    outliers = (residual > edge) | (residual < -edge)
    if outliers.any() and scale <= DOUBTFUL * max(y.max(), -y.min()):
        outliers &= np.abs(residual) > rounding()
    return np.asarray(outliers)


def row_weights(
    loss: ResidualLoss, residual: Array, scale: float, rounding: Callable[[], Array]
) -> Array | None:
    """psi(u) / u of the residuals, 1 at 0; None for losses whose psi jumps there.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    residual : array of shape (n_samples,)
        In the units of y.
    scale : float
        In the units of y; at 0 rows on the fit count and others do not.
    rounding : callable
        What rounding can make of each residual; asked where the scale is 0.

    Returns
    -------
    weights : array of shape (n_samples,), or None
        In [0, 1].
    """
    if not loss.smooth:
        return None
    if loss.threshold and scale == 0:
        return (np.abs(residual) <= rounding()).astype(float)
    at = loss.rescaled(scale)
    unit = float(at.psi_prime(np.zeros(1))[0])
    weights = at.weights(residual)
    if unit != 1.0:
        weights /= unit
    bounded: Array = weights.clip(0.0, 1.0, out=weights)
    return bounded
