"""Scores of plain arrays are scikit-learn's, and so is what is said of others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from robustreg import L2Regressor, LogisticClassifier
from robustreg.estimators._scores import accuracy, r2


@pytest.mark.parametrize("factor", [1e-200, 1e-8, 1.0, 1e150, 1e200])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e9])
def test_r2_is_that_of_scikit_learn(factor, offset):
    rng = np.random.default_rng(0)
    y = factor * (offset + rng.standard_normal(50))
    predicted = y + 0.3 * factor * rng.standard_normal(50)
    found = r2(y, predicted)
    if found is not None:
        assert found == pytest.approx(r2_score(y, predicted), rel=1e-10)
    else:
        assert factor in (1e-200, 1e200) or factor * offset > 1e154  # squares that no number holds


def test_r2_of_what_does_not_vary_is_left_to_scikit_learn():
    for constant in (0.0, 0.1, 1e5 / 3):
        assert r2(np.full(7, constant), np.arange(7.0)) is None
    assert r2(np.array([0.0, 1.0, np.nan]), np.zeros(3)) is None


@pytest.mark.parametrize("kind", [int, bool, "uint8", str])
def test_accuracy_is_that_of_scikit_learn(kind):
    rng = np.random.default_rng(0)
    y, predicted = (rng.integers(0, 2, 30).astype(kind) for _ in range(2))
    assert accuracy(y, predicted) == accuracy_score(y, predicted)
    assert accuracy(y, predicted.astype(object)) is None
    assert accuracy(y.astype(object), predicted) is None


def test_scores_of_models_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    X, error = rng.standard_normal((40, 2)), rng.standard_normal(40)
    y = X[:, 0] + error
    labels, weight = np.where(y > 0, "yes", "no"), rng.uniform(size=40)
    regressor, classifier = L2Regressor().fit(X, y), LogisticClassifier().fit(X, labels)
    for given in (y, y.tolist(), y.astype(np.float32)):
        assert regressor.score(X, given) == pytest.approx(r2_score(given, regressor.predict(X)))
    for given in (labels, labels.tolist(), labels.astype(object)):
        share = accuracy_score(given, classifier.predict(X))
        assert classifier.score(X, given) == pytest.approx(share)
    share = accuracy_score(labels, classifier.predict(X), sample_weight=weight)
    assert classifier.score(X, labels, weight) == pytest.approx(share)
    for model, given in ((regressor, y), (classifier, labels)):
        with pytest.raises(ValueError, match="inconsistent numbers"):
            model.score(X, given[:-1])


@pytest.mark.parametrize("kind", [int, np.float32, object])
def test_a_score_that_is_left_to_scikit_learn_predicts_once(kind, monkeypatch):
    X = np.random.default_rng(0).standard_normal((40, 2))
    y, calls = np.arange(40).astype(kind), []
    model = L2Regressor().fit(X, y)
    predict = L2Regressor.predict
    monkeypatch.setattr(L2Regressor, "predict", lambda self, X: calls.append(1) or predict(self, X))
    assert model.score(X, y) == pytest.approx(r2_score(y.astype(float), predict(model, X)))
    assert len(calls) == 1
