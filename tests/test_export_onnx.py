"""Models in ONNX, through their twins in scikit-learn; run by the nox session `onnx`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import robustreg
import robustreg.onnx

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4)) * [1, 30, 0.1, 5]
y = X[:, 0] + 0.1 * X[:, 1] + rng.normal(size=200)
TWO = np.where(y > 0, "yes", "no")
THREE = np.digitize(y + rng.normal(size=200), [-1, 1])


def run(model, X=X):
    """Predictions of the converted model, whose last step is ours."""
    from skl2onnx import to_onnx

    robustreg.onnx.register()
    last = model[-1] if hasattr(model, "steps") else model
    options = {id(last): {"zipmap": False}} if hasattr(last, "classes_") else None
    made = to_onnx(model, X[:1], options=options)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})


@pytest.mark.parametrize(
    "model",
    [
        robustreg.HuberRegressor(),
        robustreg.MMRegressor(),
        robustreg.L1Regressor(),
        robustreg.RobustRegressor(loss="tukey"),
        robustreg.QuantileRegressor(quantile=0.9, alpha=0.0),
        robustreg.HuberRegressorCV(epsilons=[1.0, 2.0]),
        make_pipeline(StandardScaler(), robustreg.MMRegressor()),
    ],
    ids=str,
)
def test_regressors(model):
    (found,) = run(model.fit(X, y))
    assert_allclose(found.ravel(), model.predict(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    "model",
    [
        robustreg.LogisticClassifier(),
        robustreg.HingeClassifier(),
        robustreg.HingeClassifier(multi_class="crammer_singer"),
        make_pipeline(StandardScaler(), robustreg.LogisticClassifier()),
    ],
    ids=str,
)
def test_classifiers(model, target):
    labels, scores = run(model.fit(X, target))
    assert_array_equal(labels, model.predict(X))
    if hasattr(model, "predict_proba"):
        assert_allclose(scores, model.predict_proba(X), rtol=0, atol=1e-12)
    elif target is THREE:
        assert_allclose(scores, model.decision_function(X), rtol=1e-12, atol=1e-12)
    else:
        assert_allclose(scores[:, 1], model.decision_function(X), rtol=1e-12, atol=1e-12)


def test_single_precision():
    single = X.astype(np.float32)
    model = robustreg.LogisticClassifier(alpha=1e-3).fit(single, TWO)
    labels, probability = run(model, single)
    assert_array_equal(labels, model.predict(single))
    assert_allclose(probability, model.predict_proba(single), rtol=0, atol=1e-6)


def test_dice():
    model = robustreg.DiceClassifier().fit(X, TWO)
    assert_array_equal(run(model)[0], model.predict(X))


def test_probabilities_without_a_twin_are_refused():
    with pytest.raises(TypeError, match="not the sigmoid or softmax"):
        run(robustreg.FocalClassifier().fit(X, TWO))
