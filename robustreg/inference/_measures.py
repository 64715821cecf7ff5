"""Numbers that say how well a model fits: scale, R2, weights, outliers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from robustreg._array import Array
from robustreg.inference._fit import Fit
from robustreg.inference._quantile import Check, repeated_quantiles
from robustreg.losses import ResidualLoss
from robustreg.scales import mad

#: a robustness weight below this counts as none, and above one minus this as full
NO_WEIGHT, FULL_WEIGHT = 1e-6, 1e-3
#: a scale of this share of the largest y is that of rounding
EXACT = 64 * np.finfo(float).eps
#: steps of a fixed point at the most; each takes away a third of what is left, or more
STEPS = 200
#: beyond so many scales normal errors have no mass left
FAR = 12.0


class Measures(NamedTuple):
    """What a summary says of the residuals."""

    scale: float = math.nan
    r2: float = math.nan
    adjusted_r2: float = math.nan
    r2_name: str = "R2"
    quartiles: tuple[float, ...] = ()
    n_outliers: float | None = None
    weights: tuple[float, float, float] | None = None
    predictive: float = math.nan


def whole(value: float) -> float:
    """An integer where the value is one but for rounding."""
    if math.isinf(value) or abs(value - round(value)) >= 1e-9 * max(value, 1.0):
        return value
    return round(value)


def measure(fit: Fit, outlier: float) -> Measures:
    """Return what there is to say of a fit; ``outlier`` is the cut-off in scales."""
    loss = fit.estimate.loss
    if not isinstance(loss, ResidualLoss):
        return Measures(r2=pseudo_r2(fit), r2_name="McFadden R2") if loss.likelihood else Measures()
    residual = fit.residual
    counts = fit.weight * fit.mass
    quartiles = tuple(map(float, repeated_quantiles(residual, fit, [0.0, 0.25, 0.5, 0.75, 1.0])))
    kinked = loss.kinks(fit.estimate.target) is not None
    scale = fit.estimate.scale
    if is_least_squares(loss) and fit.estimate.rows is None:
        scale = root_mean_square(residual, fit) * math.sqrt(fit.n / fit.df)
    elif scale is None:
        scale = mad(residual, fit.data.weight)
    if scale <= EXACT * np.abs(fit.estimate.target).max(initial=0.0):  # the residuals are rounding
        return Measures(0.0, quartiles=quartiles)
    outliers = fit.n_outlying
    if outliers is None:
        outliers = float(counts[np.abs(residual) > outlier * scale].sum())
    outliers = whole(outliers)
    if kinked:
        name = "R1 (Koenker and Machado)"
        r2 = koenker_machado(fit)
        return Measures(float(scale), r2, r2_name=name, quartiles=quartiles, n_outliers=outliers)
    if not loss.smooth:
        return Measures(float(scale), quartiles=quartiles, n_outliers=outliers)
    weights = robustness(fit)
    r2 = robust_r2(fit, weights * fit.weight)
    return Measures(
        float(scale), r2, 1 - (1 - r2) * (fit.n - int(fit.data.intercept)) / fit.df,
        "R2" if is_least_squares(loss) else "Robust R2", quartiles, outliers,
        weight_counts(weights, counts, fit.n_given - fit.n), predictive_scale(fit, float(scale)),
    )  # fmt: skip


def is_least_squares(loss: ResidualLoss) -> bool:
    """Whether a loss is that of least squares: a parabola everywhere."""
    return loss.constant_curvature is not None


def predictive_scale(fit: Fit, scale: float) -> float:
    """Scale of the errors of new rows.

    The S-scale of an MM-estimate counts outliers as if each were at the bound of its loss: a tenth of them makes
    it a sixth too large. So here ``sum w(u) (u^2 - kappa) = 0`` is solved for it, which rows without weight
    have no part in and which is consistent at the normal distribution as well (Koller and Stahel, 2011).
    """
    if fit.estimate.start is None or fit.estimate.adaptive:
        return scale
    loss = fit.loss.rescaled(1 / scale)
    kappa = 1 / consistency(loss, 1.0)
    size, unit = np.abs(fit.residual) / scale, 1.0
    for _ in range(STEPS):
        weights = loss.weights(size / unit) * fit.weight
        if not weights.any():  # as where the rows are not those of the fit
            return scale
        new = math.sqrt(float(weights @ size**2) / (kappa * float(weights.sum())))
        if not new > 0 or abs(new - unit) <= 1e-12 * unit:
            break
        unit = new
    return scale * unit


def root_mean_square(values: Array, fit: Fit) -> float:
    """Root of the mean square, without overflow."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    return largest * math.sqrt(float(np.average((values / largest) ** 2, weights=fit.data.weight)))


def robustness(fit: Fit) -> Array:
    """Weights psi(r) / r of the residuals, one at zero."""
    full = float(fit.loss.psi_prime(np.zeros(1))[0])
    with np.errstate(all="ignore"):
        weights: Array = fit.loss.weights(fit.residual) / full
    return np.where(np.isfinite(weights), weights, 0.0)


def weight_counts(weights: Array, counts: Array, left_out: float) -> tuple[float, float, float]:
    """Numbers of rows of robustness weight 0, of weight 1, and between."""
    none, full = weights <= NO_WEIGHT, weights >= 1 - FULL_WEIGHT
    number = [float(counts[part].sum()) for part in (none, full, ~none & ~full)]
    return number[0] + left_out, number[1], number[2]


def consistency(loss: ResidualLoss, scale: float) -> float:
    """``E w(z) / E z psi(z)`` at the normal distribution, the factor of the robust R2."""
    z = np.linspace(-FAR, FAR, 24_001)
    with np.errstate(all="ignore"):
        density = np.exp(-0.5 * z * z)
        weights = np.nan_to_num(loss.weights(scale * z)) * density
    return float(weights.sum() / (weights * z * z).sum())


def robust_r2(fit: Fit, weights: Array) -> float:
    """Share of the robustly weighted variation that is explained (Renaud and Victoria-Feser, 2010)."""
    target, residual = fit.estimate.target, fit.residual
    if not weights.sum() > 0:
        return math.nan
    size = float(np.abs(target).max(initial=0.0)) or 1.0
    center = np.average(target, weights=weights) if fit.data.intercept else 0.0
    before, after = _square(target, weights, center, size), _square(residual, weights, 0.0, size)
    if not before > 0:
        return math.nan
    loss = fit.loss
    factor = 1.0 if is_least_squares(loss) else consistency(loss, fit.estimate.scale or size)
    return (before - after) / (before + after * (factor - 1))


def _square(values: Array, weights: Array, center: float, size: float) -> float:
    """Weighted sum of squares of ``(values - center) / size``."""
    away = values - center
    away /= size
    away *= away
    return float(weights @ away)


def koenker_machado(fit: Fit) -> float:
    """One less the ratio of the losses of the fit and of a constant (Koenker and Machado, 1999)."""
    target, weight = fit.estimate.target, fit.weight
    constant = 0.0
    if fit.data.intercept:
        constant = float(repeated_quantiles(target, fit, [Check.of(fit).quantile])[0])
    size = float(np.abs(target).max(initial=0.0)) or 1.0
    before = float(weight @ (fit.loss.rho(target - constant) / size))
    after = float(weight @ (fit.loss.rho(fit.residual) / size))
    return 1 - after / before if before > 0 else math.nan


def pseudo_r2(fit: Fit) -> float:
    """One less the ratio of the log-likelihoods of the fit and of a constant (McFadden, 1974)."""
    loss, target, factor = fit.objective.loss, fit.estimate.target, fit.estimate.factor
    weight = fit.weight if target.ndim == 1 else fit.weight[:, None]
    weight = np.broadcast_to(weight * (1.0 if factor is None else factor), target.shape)
    null = np.zeros_like(fit.raw)
    if fit.data.intercept and fit.estimate.together:
        shares = np.bincount(target.astype(int), weight)
        null += np.log(shares / shares.sum()) @ fit.basis.T  # type: ignore[union-attr]
    elif fit.data.intercept:
        null += logit(np.average(target, weights=weight, axis=0))
    after, before = (
        float(loss.value_gradient(target, raw, weight, None)[0]) for raw in (fit.raw, null)
    )
    return 1 - after / before if before > 0 else math.nan
