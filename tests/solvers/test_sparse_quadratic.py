"""Penalised fits on many sparse columns, whose Hessian is met by its products."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg import HuberRegressor, LogisticClassifier
from robustreg.coordinates import Coordinates
from robustreg.data import Data
from robustreg.losses import Logistic
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers import _by_column, _on_columns, _penalised_quadratic, _sparse_quadratic
from robustreg.solvers._penalised_quadratic import Limits, minimise_quadratic
from robustreg.solvers._sparse_quadratic import SparseModel

N, P = 1_200, 3_000


def words(kind="plain"):
    """Return sparse columns of a text, numbers and two classes."""
    rng = np.random.default_rng(0)
    # SciPy 1.11 has no random_array
    draw = partial(sp.random, N, P, density=0.01, random_state=rng)
    X = sp.csc_array(draw(data_rvs=lambda size: rng.exponential(size=size)))
    if kind == "twice":  # columns that no fit tells apart
        X = sp.csc_array(sp.hstack([X[:, : P // 2]] * 2))
    if kind == "units":
        X = X @ sp.diags(10.0 ** rng.uniform(-6, 6, P))
    size = np.sqrt(np.asarray(X.multiply(X).mean(axis=0)).ravel())
    slope = np.where(np.arange(P) < 40, rng.choice([-1.0, 1.0], P), 0.0) / size
    score = 0.5 * (X @ slope) + 0.5 * rng.standard_normal(N)
    return sp.csr_array(X), score, (score > np.median(score)).astype(int)


MODELS = {
    "logistic": LogisticClassifier(alpha=0.1, l1_ratio=1.0),
    "elastic net": LogisticClassifier(alpha=0.1, l1_ratio=0.5),
    "at least zero": LogisticClassifier(
        alpha=0.05, l1_ratio=1.0, positive=True, fit_intercept=False
    ),
    "Huber": HuberRegressor(alpha=0.3, l1_ratio=1.0, scale=1.0),
}


@pytest.mark.parametrize("kind", ["plain", "twice"])
@pytest.mark.parametrize("name", MODELS)
def test_fits_are_proven_without_a_factor_of_many_columns(name, kind, monkeypatch):
    X, score, labels = words(kind)
    sizes, used, factored = [], [], _penalised_quadratic.cholesky
    minimum = SparseModel.minimum

    def cholesky(H, ridge):
        sizes.append(len(H))
        return factored(H, ridge)

    def counted(*args):
        used.append(1)
        return minimum(*args)

    monkeypatch.setattr(_by_column, "FACTORED", 500)
    monkeypatch.setattr(_penalised_quadratic, "cholesky", cholesky)
    monkeypatch.setattr(SparseModel, "minimum", counted)
    model = MODELS[name].fit(X, score if name == "Huber" else labels)
    if name != "at least zero":
        assert used
    assert max(sizes) <= 500
    assert model.optimality_ <= 1e-10


@pytest.mark.parametrize("most", [0, 3_000])
def test_products_and_factors_lead_to_one_minimum(most, monkeypatch):
    """Where products lead nowhere a factor is asked."""
    X, _, labels = words()
    X, model = X[:, :1_200], LogisticClassifier(alpha=0.3, l1_ratio=0.9)
    expected = model.fit(X, labels).coef_.copy()
    monkeypatch.setattr(_on_columns, "MANY", 100)
    monkeypatch.setattr(_sparse_quadratic, "MOST", most)
    assert_allclose(model.fit(X, labels).coef_, expected, rtol=1e-7, atol=1e-9)
    assert model.optimality_ <= 1e-10


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_model_is_minimised_as_its_matrix_is(positive, ridge):
    X, _, labels = words()
    X, q = X[:, :80], 81
    unit = Coordinates(np.asarray(X.mean(axis=0)).ravel(), np.full(80, 5.0))
    objective = Objective(
        Logistic(), Data(X, labels.astype(float), None, unit, explicit=False), L2(0.0)
    )
    rng = np.random.default_rng(2)
    theta = np.where(rng.random(q) < 0.5, 0.1 * np.abs(rng.standard_normal(q)), 0.0)
    bend = np.append(np.full(80, 1e-3), 0.0)
    limits = Limits(np.append(np.full(80, 5e-3), 0.0), np.append(np.full(80, positive), False))
    known = objective.evaluate(theta, keep=True)
    gradient = known.gradient + bend * theta
    H = objective.hess(theta) + np.diag(bend + ridge)
    expected = minimise_quadratic(H, gradient - H @ theta, theta, limits)
    model = SparseModel(objective, limits, bend, theta, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sparse_quadratic, "LOOSE", 1e-10)
        patch.setattr(_sparse_quadratic, "EXACT", 1e-10)
        found = model.minimum(gradient, ridge)
    assert np.array_equal(found == 0, expected == 0) and (expected == 0).any()
    assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
