"""Models in ONNX; run by the nox session `onnx`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import robustreg
import robustreg.onnx
from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LinearEmbedding,
    LogisticClassifier,
    LTSRegressor,
    MarginRanker,
    MMRegressor,
    PolyClassifier,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
    SRegressor,
)
from robustreg.losses import Poly
from robustreg.model_selection import PathSearchCV
from tests import _pages
from tests.test_public import ESTIMATORS

pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4)) * [1, 30, 0.1, 5]
y = X[:, 0] + 0.1 * X[:, 1] + rng.normal(size=200)
TWO = np.where(y > 0, "yes", "no")
THREE = np.digitize(y + rng.normal(size=200), [-1, 1])


LABELS = np.column_stack([y > 0, X[:, 1] > 10 * rng.normal(size=200), y > 1]).astype(int)
#: rows far out, whose probabilities are 0 and 1
FAR = np.concatenate([X, 30 * X, 1e4 * X])


def run(model, X=FAR):
    """Predictions of the converted model, whose last step is ours."""
    from skl2onnx import to_onnx

    robustreg.onnx.register()
    last = model[-1] if hasattr(model, "steps") else model
    options = {id(last): {"zipmap": False}} if hasattr(last, "decision_function") else None
    made = to_onnx(model, X[:1], options=options)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})


REGRESSORS = [
    HuberRegressor(),
    HuberRegressorCV(epsilons=[1.0, 2.0]),
    L1Regressor(),
    L2Regressor(),
    LTSRegressor(),
    MMRegressor(),
    MarginRanker(),
    QuantileRegressor(quantile=0.9, alpha=0.0),
    RobustRegressor(loss="tukey"),
    SRegressor(),
    make_pipeline(StandardScaler(), MMRegressor()),
]
CLASSIFIERS = [
    LogisticClassifier(),
    HingeClassifier(),
    HingeClassifier(multi_class="crammer_singer"),
    FocalClassifier(),
    FocalClassifier(gamma=0.0),
    FocalClassifier(gamma=0.5),
    FocalClassifier(gamma=5.0),
    PolyClassifier(),
    PolyClassifier(epsilon=-0.5),
    PolyClassifier(epsilon=5.0),
    RobustClassifier(),
    RobustClassifier(loss="focal"),
    RobustClassifier(loss="hinge"),
    RobustClassifier(loss=Poly(epsilon=(1.0, 0.5))),
    make_pipeline(StandardScaler(), LogisticClassifier()),
]
#: those with a test of their own
OTHERS = {DiceClassifier, KLRegressor, LinearEmbedding}


def test_every_estimator_is_converted():
    here = {type(model) for model in (*REGRESSORS, *CLASSIFIERS)} | OTHERS
    assert set(ESTIMATORS) <= here


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_regressors(model):
    (found,) = run(model.fit(X, y))
    assert_allclose(found.ravel(), model.predict(FAR), rtol=1e-12, atol=1e-12)


def test_several_outputs():
    model = HuberRegressor().fit(X, np.column_stack([y, -y, y**2]))
    (found,) = run(model)
    assert_allclose(found, model.predict(FAR), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rearrange", [False, True])
def test_several_quantiles(rearrange):
    quantile = [0.9, 0.1, 0.5]
    model = QuantileRegressor(quantile=quantile, alpha=0.0, rearrange=rearrange).fit(X, y)
    crossing = model.predict(FAR)[:, 0] < model.predict(FAR)[:, 1]
    assert crossing.any() == (not rearrange)
    (found,) = run(model)
    assert_allclose(found, model.predict(FAR), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
def test_classifiers(model, target):
    labels, scores = run(model.fit(X, target))
    assert_array_equal(labels, model.predict(FAR))
    if hasattr(model, "predict_proba"):
        assert scores.shape == (len(FAR), len(np.unique(target)))
        assert_allclose(scores, model.predict_proba(FAR), rtol=0, atol=1e-12)
    elif target is THREE:
        assert_allclose(scores, model.decision_function(FAR), rtol=1e-12, atol=1e-12)
    else:
        assert_allclose(scores[:, 1], model.decision_function(FAR), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", [LogisticClassifier, FocalClassifier, PolyClassifier])
@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
def test_single_precision(cls, target):
    single = X.astype(np.float32)
    model = cls(alpha=1e-3).fit(single, target)
    labels, probability = run(model, single)
    assert probability.dtype == np.float32
    assert_array_equal(labels, model.predict(single))
    assert_allclose(probability, model.predict_proba(single), rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", [LogisticClassifier(), RobustClassifier(loss="multilabel")])
def test_several_labels(model):
    labels, probability = run(model.fit(X, LABELS))
    assert_array_equal(labels, model.predict(FAR))
    assert_allclose(probability, model.predict_proba(FAR), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "labels", [TWO, TWO == "yes", (TWO == "yes") * 2.0], ids=["words", "bool", "float"]
)
def test_dice(labels):
    model = DiceClassifier().fit(X, labels)
    assert_array_equal(run(model)[0], model.predict(FAR))


def test_distributions():
    share = 1 / (1 + np.exp(-np.column_stack([y, -y, 0 * y])))
    model = KLRegressor().fit(X, share / share.sum(axis=1, keepdims=True))
    assert_allclose(run(model)[0], model.predict(FAR), rtol=0, atol=1e-12)


@pytest.mark.parametrize("normalize", [False, True])
def test_embeddings(normalize):
    model = LinearEmbedding(n_components=2, normalize=normalize).fit(X, THREE)
    middle = np.concatenate([X, model.mean_[None]])  # mapped to zero, which has no direction
    (found,) = run(model, middle)
    assert_allclose(found[:-1], model.transform(X), rtol=1e-10, atol=1e-10)


def test_a_search_is_not_its_model():
    search = PathSearchCV(HuberRegressor(), {"alpha": [1.0, 2.0]}).fit(X, y)
    with pytest.raises(TypeError, match="convert its best_estimator_"):
        run(search)
    assert_allclose(run(search.best_estimator_)[0].ravel(), search.predict(FAR), rtol=1e-12)


def test_labels_that_are_no_integers():
    model = LogisticClassifier().fit(X, TWO)
    model.classes_ = np.array([0.5, 1.5])
    with pytest.raises(TypeError, match="integers or strings"):
        run(model)


def test_page_of_the_guide_runs():
    (code,) = [block for block in _pages.scripts("persistence") if "to_onnx" in block]
    scope = _pages.run([code])
    session = onnxruntime.InferenceSession(scope["classifier_model"].SerializeToString())
    _, probability = session.run(None, {"X": scope["X"]})
    assert_allclose(probability, scope["classifier"].predict_proba(scope["X"]), atol=1e-12)
