"""Some sixty fits whose cost is recorded: what they minimise, iterations, passes and Python calls.

``python -m tests._fits`` measures them and writes ``tests/data/fits.json``; ``test_fits.py`` holds
the package to the numbers there. Everything counted is the same on every run with the same versions of NumPy and
SciPy, no times; and on other processors but for rounding, which decides how many calls some fits make.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

import robustreg
from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.data import Passes
from tests import _reference
from tests.estimators import _classification

RECORD = Path(__file__).parent / "data" / "fits.json"
PACKAGE = str(Path(robustreg.__file__).parent)


class Fit(NamedTuple):
    """An estimator, the data it is fitted to, and the data that a warm start was fitted to before."""

    model: Any
    data: Callable[[], tuple[Any, ...]]
    before: dict[str, Any] | None = None


@cache
def regression(n: int, p: int, kind: str = "dense", weighted: bool = False) -> tuple[Any, ...]:
    """Return normal columns, targets of which a tenth is far above the plane, and weights."""
    rng = np.random.default_rng(n + p)
    X = rng.standard_normal((n, p))
    y = X[:, :5] @ np.linspace(1.0, 2.0, min(p, 5)) + 1.0 + rng.standard_normal(n)
    y[rng.random(n) < 0.1] += 20.0
    if kind == "sparse":
        X = sp.random(n, p, density=0.05, random_state=0, format="csr")
        y = y + np.asarray(X.sum(axis=1)).ravel()
    elif kind == "collinear":
        X = np.hstack([X, X[:, :1] + X[:, 1:2]])
    elif kind == "ill-conditioned":
        X = X @ np.linalg.qr(rng.standard_normal((p, p)))[0] * np.geomspace(1.0, 1e-6, p) + 10.0
    elif kind == "exact":
        y = X[:, :5] @ np.linspace(1.0, 2.0, min(p, 5)) + 1.0
    return (X, y, rng.integers(1, 4, n).astype(float)) if weighted else (X, y)


@cache
def classes(
    n: int, p: int, k: int = 2, kind: str = "dense", weighted: bool = False
) -> tuple[Any, ...]:
    """Return overlapping classes 0, 1, ..., and weights."""
    rng = np.random.default_rng(n + p + k)
    X = rng.standard_normal((n, p))
    if kind == "sparse":
        X = sp.random(n, p, density=0.05, random_state=0, format="csr")
    score = np.asarray(X @ rng.standard_normal((p, k))) + 2.0 * rng.gumbel(size=(n, k))
    if kind == "rare":
        score[:, 1:] -= 5.0
    y = score.argmax(axis=1)
    return (X, y, rng.integers(1, 4, n).astype(float)) if weighted else (X, y)


@cache
def shares(n: int, p: int, k: int) -> tuple[Any, ...]:
    """Return targets that are distributions."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, p)), rng.dirichlet(np.ones(k), n)


def _regression_fits() -> dict[str, Fit]:
    small = {
        "huber": HuberRegressor(),
        "huber proposal2": HuberRegressor(scale="proposal2"),
        "huber mad": HuberRegressor(scale="mad"),
        "huber concomitant": HuberRegressor(scale="concomitant", epsilon=1.35),
        "huber fixed": HuberRegressor(scale=1.0),
        "huber lbfgs": HuberRegressor(scale=1.0, solver="lbfgs"),
        "huber newton-cg": HuberRegressor(scale=1.0, solver="newton-cg"),
        "l1": L1Regressor(),
        "l1 penalised": L1Regressor(alpha=10.0),
        "l2": L2Regressor(),
        "quantile": QuantileRegressor(quantile=0.9, alpha=0.0),
        "quantile penalised": QuantileRegressor(quantile=0.5, alpha=0.01),
        "tukey": RobustRegressor(loss="tukey"),
        "pseudo_huber": RobustRegressor(loss="pseudo_huber"),
        "cauchy": RobustRegressor(loss="cauchy"),
    }
    fits = {
        f"{name}, 200 x 5": Fit(model, lambda: regression(200, 5)) for name, model in small.items()
    }
    for name in ("huber", "l1", "l2", "quantile", "tukey"):
        fits[f"{name}, 50 x 3"] = Fit(small[name], lambda: regression(50, 3))
        fits[f"{name}, 40,000 x 10"] = Fit(small[name], lambda: regression(40_000, 10))
        fits[f"{name}, weighted"] = Fit(small[name], lambda: regression(300, 4, weighted=True))
    for name in ("huber", "huber proposal2", "l1", "l2"):
        fits[f"{name}, sparse"] = Fit(
            clone(small[name]).set_params(alpha=1.0), lambda: regression(2_000, 400, "sparse")
        )
    for name in ("huber proposal2", "l2", "l1 penalised"):
        fits[f"{name}, wide"] = Fit(
            clone(small[name]).set_params(alpha=1.0), lambda: regression(60, 300)
        )
    for name in ("huber", "l1", "l2"):
        for kind in ("collinear", "ill-conditioned", "exact"):
            fits[f"{name}, {kind}"] = Fit(small[name], lambda kind=kind: regression(400, 6, kind))
    for name, before in (
        ("huber", {"epsilon": 2.0}),
        ("huber proposal2", {"epsilon": 1.5}),
        ("l1 penalised", {"alpha": 5.0}),
        ("quantile", {"quantile": 0.8}),
    ):
        model = clone(small[name]).set_params(warm_start=True)
        fits[f"{name}, warm"] = Fit(model, lambda: regression(40_000, 10), before)
    fits["huber, cross-validated"] = Fit(HuberRegressorCV(), lambda: regression(500, 5))
    return fits


def _classification_fits() -> dict[str, Fit]:
    two = {
        "logistic": LogisticClassifier(),
        "hinge": HingeClassifier(),
        "squared hinge": HingeClassifier(squared=True),
        "focal": FocalClassifier(),
        "poly": PolyClassifier(),
        "dice": DiceClassifier(),
    }
    fits = {f"{name}, 200 x 5": Fit(model, lambda: classes(200, 5)) for name, model in two.items()}
    for name in ("logistic", "hinge"):
        fits[f"{name}, 40,000 x 10"] = Fit(two[name], lambda: classes(40_000, 10))
        fits[f"{name}, weighted"] = Fit(two[name], lambda: classes(300, 4, weighted=True))
        fits[f"{name}, rare class"] = Fit(two[name], lambda: classes(5_000, 4, kind="rare"))
        fits[f"{name}, sparse"] = Fit(two[name], lambda: classes(2_000, 400, kind="sparse"))
    fits["multinomial, 300 x 4"] = Fit(LogisticClassifier(), lambda: classes(300, 4, 3))
    fits["Crammer-Singer, 300 x 4"] = Fit(
        HingeClassifier(multi_class="crammer_singer"), lambda: classes(300, 4, 3)
    )
    fits["KL, 300 x 4"] = Fit(KLRegressor(), lambda: shares(300, 4, 3))
    return fits


FITS = {**_regression_fits(), **_classification_fits()}


def value(model: Any, X: Any, y: Any, weight: Any = None) -> float | None:
    """Return what the model minimises, by the formulas of the tests; None where these have none."""
    if isinstance(model, (DiceClassifier, KLRegressor, HuberRegressorCV)):
        return None
    X = X.toarray() if sp.issparse(X) else X
    if hasattr(model, "classes_"):
        return float(_classification.objective(model, X, y, weight))
    if getattr(model, "loss", "huber") not in ("huber", "pseudo_huber"):
        return None  # of a redescending loss another stationary point may be as good
    return float(_reference.objective(model, X, y, weight))


def measure(fit: Fit) -> dict[str, Any]:
    """Fit once and return what it cost: iterations, passes over X and calls of the package's functions."""
    model, (X, y, *weight) = clone(fit.model), fit.data()
    if fit.before is not None:
        model.set_params(**fit.before).fit(X, y, *weight)
        model.set_params(**{name: getattr(fit.model, name) for name in fit.before})
    made: list[Any] = []
    calls = 0

    def remember(self: Any) -> None:
        self.count = 0.0
        made.append(self)

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    with warnings.catch_warnings(), patch.object(Passes, "__init__", remember):
        warnings.simplefilter("error")
        outer = sys.getprofile()
        sys.setprofile(count)
        try:
            model.fit(X, y, *weight)
        finally:
            sys.setprofile(outer)
    return {
        "value": value(model, X, y, *weight),
        "n_iter": int(np.max(getattr(model, "n_iter_", 0))),
        "passes": round(float(sum(counter.count for counter in made)), 3),
        "calls": calls,
    }


if __name__ == "__main__":
    RECORD.write_text(
        json.dumps({name: measure(fit) for name, fit in FITS.items()}, indent=1) + "\n"
    )
