"""What the tests know without the package: its objectives, written out, and the data they share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import linprog, lsq_linear
from scipy.stats import norm
from sklearn.base import clone

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.losses import Pinball, SmoothL1

DATA = Path(__file__).parent / "data"

#: one setting for each way of fitting; without a penalty, so that scaling y scales the answer
UNPENALISED = {
    "l1": HuberRegressor(),
    "proposal2": HuberRegressor(scale="proposal2"),
    "concomitant": HuberRegressor(alpha=0.0, scale="concomitant", epsilon=1.35),
    "mad": HuberRegressor(alpha=0.0, scale="mad"),
    "fixed": HuberRegressor(alpha=0.0, scale=0.7),
    "squared": L2Regressor(),
    "absolute": L1Regressor(),
    "quantile": QuantileRegressor(quantile=0.3, alpha=0.0),
    "smooth_l1": RobustRegressor(loss=SmoothL1(0.5), scale="mad"),
    "pseudo_huber": RobustRegressor(loss="pseudo_huber", scale="mad"),
    "pinball": RobustRegressor(loss=Pinball(0.7)),
}
#: the same with penalties that are felt
PENALISED = {
    name: clone(model).set_params(alpha=0.05 if name == "quantile" else 3.0)
    for name, model in UNPENALISED.items()
}
CONVEX = {
    **UNPENALISED,
    **{f"{name}, penalised": model for name, model in PENALISED.items()},
    "l1, no intercept": HuberRegressor(fit_intercept=False, epsilon=2.0, alpha=1e-4),
    "proposal2, no intercept": HuberRegressor(
        scale="proposal2", fit_intercept=False, epsilon=2.0, alpha=1e-4
    ),
    "absolute, no intercept": L1Regressor(fit_intercept=False),
    "pinball, no intercept": RobustRegressor(loss=Pinball(0.3), alpha=1.0, fit_intercept=False),
    "quantile, no intercept": QuantileRegressor(alpha=0.02, fit_intercept=False),
}


@cache
def golden():
    """Published and independently computed answers."""
    return json.loads((DATA / "regression.json").read_text())


def sample(n=60, p=3, seed=0, outliers=0.1):
    """Return X, y and weights: normal rows, some of them far above the plane."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ np.linspace(1.0, 3.0, p) + 0.5 + 0.5 * rng.normal(size=n)
    y[rng.random(n) < outliers] += 20.0
    return X, y, rng.uniform(0.5, 2.0, n)


def sized(model, factor):
    """Clone a model for a y that is ``factor`` times as large: a fixed scale goes along."""
    model = clone(model)
    scale = getattr(model, "scale", None)
    return model.set_params(scale=scale * factor) if isinstance(scale, float) else model


def quantile_of(model):
    """Return the quantile of a pinball or absolute loss, None for others."""
    if isinstance(model, L1Regressor):
        return 0.5
    loss = getattr(model, "loss", None)
    return getattr(model, "quantile", getattr(loss, "quantile", None))


def factor_of(model):
    """How many times the pinball loss a kinked loss is."""
    return 2.0 if isinstance(model, L1Regressor) else 1.0


def rho_psi(model, r, scale):
    """Loss of each residual and its derivative, from the textbook."""
    q = quantile_of(model)
    if q is not None:
        k = factor_of(model)
        return k * np.maximum(q * r, (q - 1) * r), k * (q - (r < 0))
    if isinstance(model, L2Regressor):
        return r**2 / 2, r
    loss = getattr(model, "loss", "huber")
    if loss == "pseudo_huber":
        d = 1.2871 * scale
        root = np.sqrt(1 + (r / d) ** 2)
        return d**2 * (root - 1), r / root
    smooth = not isinstance(loss, str)
    d = (loss.beta if smooth else getattr(model, "epsilon", 1.345)) * scale
    rho, psi = np.where(abs(r) <= d, r**2 / 2, d * (abs(r) - d / 2)), np.clip(r, -d, d)
    return (rho / d, psi / d) if smooth else (rho, psi)


def consistency(epsilon):
    """E min(Z^2, epsilon^2) at the normal, by integrating piece by piece."""
    inner = norm.cdf(epsilon) - 0.5 - epsilon * norm.pdf(epsilon)
    return 2 * (inner + epsilon**2 * norm.sf(epsilon))


def price(model, X, weight):
    """Twice what the joint objective charges for a unit of sigma."""
    total = weight.sum()
    if model.scale == "concomitant":
        return total
    columns = np.ones((len(X), 1)) if model.fit_intercept else np.zeros((len(X), 0))
    rank = np.linalg.matrix_rank(np.hstack([columns, X])[weight > 0])
    return consistency(model.epsilon) * (total - rank if total > rank else total)


def is_joint(model):
    return getattr(model, "scale", None) in ("proposal2", "concomitant")


def objective(model, X, y, weight=None, *, coef=None, intercept=None, scale=None):
    """Return what the fitted model minimises, at its answer or at another point."""
    weight = np.ones(len(y)) if weight is None else weight
    coef = model.coef_ if coef is None else coef
    intercept = model.intercept_ if intercept is None else intercept
    scale = getattr(model, "scale_", None) if scale is None else scale
    r = y - X @ coef - intercept
    if isinstance(model, QuantileRegressor):
        return weight @ rho_psi(model, r, scale)[0] / weight.sum() + model.alpha * abs(coef).sum()
    penalty = model.alpha / 2 * coef @ coef
    if is_joint(model):
        if scale == 0:
            return model.epsilon * weight @ abs(r) + penalty
        rho = rho_psi(model, r / scale, 1.0)[0]
        return scale * (weight @ rho + price(model, X, weight) / 2) + penalty
    return weight @ rho_psi(model, r, scale)[0] + penalty


def balance(model, X, y, weight=None):
    """Largest entry of the gradient at the answer, each relative to the terms that it sums.

    The slopes of all rows must balance: over the rows, along each centred column, and in sigma.
    """
    weight = np.ones(len(y)) if weight is None else weight
    r = y - X @ model.coef_ - model.intercept_
    joint = is_joint(model)
    scale = model.scale_ if hasattr(model, "scale_") else None
    psi = weight * (rho_psi(model, r / scale, 1.0)[1] if joint else rho_psi(model, r, scale)[1])
    columns = X - np.average(X, axis=0, weights=weight) * model.fit_intercept
    pull = model.alpha * model.coef_
    miss = list(abs(columns.T @ psi - pull) / (abs(columns).T @ abs(psi) + abs(pull)))
    if model.fit_intercept:
        miss.append(abs(psi.sum()) / abs(psi).sum())
    if joint:
        paid = price(model, X, weight)
        spent = weight @ np.minimum((r / scale) ** 2, model.epsilon**2)
        miss.append(abs(spent - paid) / paid)
    return max(miss)


def best_kinked(model, X, y, weight=None):
    """Least value of a pinball loss with no or an L1 penalty: one linear program on all rows."""
    weight = np.ones(len(y)) if weight is None else weight
    q, n, p = quantile_of(model), *X.shape
    weight = weight * factor_of(model)
    alpha = 0.0
    if isinstance(model, QuantileRegressor):
        weight, alpha = weight / weight.sum(), model.alpha
    one = np.ones((n, 1)) * model.fit_intercept
    # y = X (c+ - c-) + (b+ - b-) + u - v, all parts non-negative
    A = np.hstack([X, -X, one, -one, np.eye(n), -np.eye(n)])
    c = np.concatenate([np.full(2 * p, alpha), [0, 0], q * weight, (1 - q) * weight])
    return linprog(c, A_eq=A, b_eq=y, method="highs-ds").fun


def best_quadratic(model, X, y, weight=None):
    """Lower bound, by duality, on a pinball loss with an L2 penalty; sharp at its optimum.

    Slopes g in their bounds that sum to zero give y @ g - |X.T @ g|^2 / (2 alpha). Off its kink a
    row has only one slope; those on a kink are solved for.
    """
    weight = np.ones(len(y)) if weight is None else weight
    q, weight = quantile_of(model), weight * factor_of(model)
    r = y - X @ model.coef_ - model.intercept_
    on = abs(r) < 1e-9 * (1 + abs(y).max())
    g = weight * (q - (r < 0))
    columns = np.hstack([X, np.ones((len(y), 1)) * model.fit_intercept])
    target = np.append(model.alpha * model.coef_, 0.0) - columns[~on].T @ g[~on]
    low, high = (q - 1) * weight[on], q * weight[on]
    if on.any():
        g[on] = lsq_linear(columns[on].T, target, (low, high), tol=1e-15, method="bvls").x
    loose = abs(g.sum()) * model.fit_intercept
    return y @ g - (X.T @ g) @ (X.T @ g) / (2 * model.alpha) - loose * abs(y).max()
