"""The twin of a fitted model in scikit-learn makes the same predictions, or there is none and an error says so."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import robustreg
import robustreg.onnx
from robustreg.export import to_sklearn

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(90, 3)) * [1, 10, 0.1], columns=["a", "b", "c"])
y = X["a"] + 0.1 * X["b"] + rng.normal(size=90)
TWO = np.where(y + rng.normal(size=90) > 0, "yes", "no")
THREE = np.digitize(y + rng.normal(size=90), [-1, 1])

REGRESSORS = [
    robustreg.HuberRegressor(),
    robustreg.HuberRegressor(fit_intercept=False),
    robustreg.HuberRegressorCV(epsilons=[1.0, 2.0]),
    robustreg.L1Regressor(),
    robustreg.L2Regressor(),
    robustreg.LTSRegressor(),
    robustreg.MMRegressor(),
    robustreg.QuantileRegressor(alpha=0.0),
    robustreg.RobustRegressor(loss="tukey"),
    robustreg.SRegressor(),
]
CLASSIFIERS = [
    robustreg.LogisticClassifier(),
    robustreg.HingeClassifier(),
    robustreg.HingeClassifier(multi_class="crammer_singer"),
    robustreg.DiceClassifier(),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_regressors(model):
    twin = to_sklearn(model.fit(X, y))
    assert type(twin).__module__.startswith("sklearn.")
    assert_allclose(twin.predict(X), model.predict(X), rtol=1e-12, atol=1e-12)
    assert twin.feature_names_in_.tolist() == ["a", "b", "c"]


def test_a_ranker():
    model = robustreg.MarginRanker().fit(X, THREE, qid=np.repeat([0, 1, 2], 30))
    assert_allclose(to_sklearn(model).predict(X), model.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
def test_classifiers(model, target):
    if target is THREE and isinstance(model, robustreg.DiceClassifier):
        target = THREE > 0
    twin = to_sklearn(model.fit(X, target))
    assert_array_equal(twin.predict(X), model.predict(X))
    assert_allclose(twin.decision_function(X), model.decision_function(X), rtol=1e-12, atol=1e-12)
    assert hasattr(twin, "predict_proba") == hasattr(model, "predict_proba")
    if hasattr(model, "predict_proba"):
        assert_allclose(twin.predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-13)


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
def test_a_modified_loss_that_is_plain_cross_entropy_has_a_twin(target):
    model = robustreg.FocalClassifier(gamma=0.0).fit(X, target)
    assert_allclose(to_sklearn(model).predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    "model", [robustreg.FocalClassifier(), robustreg.PolyClassifier()], ids=str
)
def test_other_probabilities_have_no_twin(model, target):
    with pytest.raises(TypeError, match="not the sigmoid or softmax"):
        to_sklearn(model.fit(X, target))


def test_what_has_no_twin_says_so():
    labels = np.column_stack([TWO == "yes", THREE > 0]).astype(int)
    with pytest.raises(TypeError, match="several labels"):
        to_sklearn(robustreg.LogisticClassifier().fit(X, labels))
    shares = np.column_stack([0.2 + 0.6 * (TWO == "yes"), 0.8 - 0.6 * (TWO == "yes")])
    with pytest.raises(TypeError, match="distributions"):
        to_sklearn(robustreg.KLRegressor().fit(X, shares))
    with pytest.raises(TypeError, match="last step of a pipeline"):
        to_sklearn(make_pipeline(robustreg.L2Regressor()).fit(X, y))
    with pytest.raises(NotFittedError):
        to_sklearn(robustreg.L2Regressor())


def test_every_estimator_is_known_to_the_onnx_converter():
    known = {kind.__name__ for kind in robustreg.onnx._estimators()}
    public = {
        name
        for name in robustreg.__all__
        if isinstance(getattr(robustreg, name), type) and hasattr(getattr(robustreg, name), "fit")
    }
    assert public <= known


def test_the_twin_shares_no_memory_with_the_model():
    model = robustreg.L2Regressor().fit(X, y)
    to_sklearn(model).coef_[:] = 0
    assert model.coef_.any()


def test_onnx_without_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"need skl2onnx: pip install 'robustreg\[onnx\]'"):
        robustreg.onnx.register()
