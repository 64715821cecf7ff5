"""What the tests of classifiers know without the package: objectives written out, data."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import expit, logsumexp

from robustreg import FocalClassifier, HingeClassifier, LogisticClassifier, PolyClassifier

DATA = Path(__file__).parents[1] / "data"


@cache
def golden():
    """Certified optima, computed by other means."""
    return json.loads((DATA / "classification.json").read_text())


def golden_case(name):
    """Return X, y, weights, the model and C, which multiplies the objective, of a golden case.

    A penalised intercept is a column of ones without an intercept.
    """
    data, case = name.split("/")
    table = golden()["data"][data]
    X, y = np.array(table["X"]), np.array(table["y"])
    weight = np.array(table["sample_weight"], float) if case.endswith("weighted") else None
    penalised = "intercept_penalised" in case
    if penalised:
        X = np.hstack([X, np.ones((len(X), 1))])
    free = not penalised and "intercept_none" not in case
    number = {key: float(value) for key, value in re.findall(r"(C|gamma|alpha)([\d.]+)", case)}
    alpha = number.get("alpha") or 1 / number["C"]
    options = {"alpha": alpha, "fit_intercept": free}
    if case.startswith(("logistic", "multinomial")):
        model = LogisticClassifier(**options)
    elif case.startswith("focal"):
        model = FocalClassifier(gamma=number["gamma"], **options)
    elif case.startswith("crammer"):
        model = HingeClassifier(multi_class="crammer_singer", **options)
    else:
        model = HingeClassifier(squared=case.startswith("squared"), **options)
    return X, y, weight, model, number.get("C", 1.0)


def scores(model, X):
    return X @ model.coef_.T + model.intercept_


def row_losses(model, codes, f):
    """Loss of each row from its scores, from the textbook; labels are 0, 1, ..."""
    if isinstance(model, HingeClassifier):
        if f.shape[1] > 1:
            gap = f - f[np.arange(len(f)), codes][:, None] + 1.0
            gap[np.arange(len(f)), codes] = 0.0
            return gap.max(axis=1)
        hinge = np.maximum(0, 1 - (2 * codes - 1) * f[:, 0])
        return hinge**2 if model.squared else hinge
    if f.shape[1] == 1:
        f = np.hstack([np.zeros_like(f), f])
    c = logsumexp(f, axis=1) - f[np.arange(len(f)), codes]
    q = -np.expm1(-c)
    if isinstance(model, FocalClassifier):
        return q**model.gamma * c
    return c + model.epsilon * q if isinstance(model, PolyClassifier) else c


def objective(model, X, y, weight=None):
    """What the fitted model minimises, at its answer; Dice and one against the rest excepted."""
    codes = np.searchsorted(model.classes_, y)
    weight = np.ones(len(y)) if weight is None else weight
    losses = row_losses(model, codes, scores(model, X))
    return weight @ losses + model.alpha / 2 * (model.coef_**2).sum()


def dice_objective(coef, intercept, X, g, weight, alpha, smooth):
    """(sum w) D + alpha/2 ||coef||^2, from the formula."""
    p = expit(X @ coef + intercept)
    over = 2 * (weight @ (p * g)) + smooth
    under = weight @ p**2 + weight @ g**2 + smooth
    return weight.sum() * (1 - over / under) + alpha / 2 * coef @ coef


def imbalanced(n=4000, seed=0, rare=0.01):
    """Return X and y with one row of class 1 in a hundred, overlapping the others."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < rare * n).astype(int)
    X = rng.normal(size=(n, 4))
    X[y == 1] += [1.8, 1.2, 0.0, 0.0]
    order = rng.permutation(n)
    return X[order], y[order]


def blobs(n=120, k=3, p=3, seed=0):
    """Return overlapping classes 0..k-1 and weights."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = rng.normal(size=(n, p)) + rng.normal(size=(k, p))[y]
    return X, y, rng.uniform(0.2, 3.0, n)
