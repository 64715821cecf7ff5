"""What scikit-learn's ensembles, folds and scorers ask of a classifier: every one of the package."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.utils import get_tags

import robustreg
from robustreg import FocalClassifier, HingeClassifier
from tests.estimators._classification import blobs

CLASSIFIERS = [
    cls()
    for cls in map(robustreg.__dict__.get, robustreg.__all__)
    if isinstance(cls, type) and issubclass(cls, ClassifierMixin)
]
VARIANTS = [HingeClassifier(squared=True), HingeClassifier(multi_class="crammer_singer")]
EVERY = [*CLASSIFIERS, *VARIANTS]
SEVERAL = [m for m in EVERY if get_tags(m).classifier_tags.multi_class]
MULTILABEL = [m for m in EVERY if get_tags(m).classifier_tags.multi_label]
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
each = pytest.mark.parametrize("model", EVERY, ids=str)
each_several = pytest.mark.parametrize("model", SEVERAL, ids=str)
each_multilabel = pytest.mark.parametrize("model", MULTILABEL, ids=str)


def labels(n=120, k=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, :k] + rng.normal(size=(n, k)) > 0).astype(int)


def test_the_registry_has_classifiers():
    assert len(CLASSIFIERS) >= 5
    assert MULTILABEL


@each_multilabel
@pytest.mark.parametrize("k", [2, 3, 5])
def test_predictions_of_several_labels_by_folds(model, k):
    X, Y = labels(k=min(k, 4))
    Y = np.column_stack([Y, Y[:, :1]]) if k == 5 else Y
    for method in METHODS:
        found = cross_val_predict(model, X, Y, cv=3, method=method)
        assert found.shape == Y.shape
    assert cross_val_predict(model, X, Y, cv=3).dtype == Y.dtype


@each_multilabel
@pytest.mark.parametrize("k", [2, 3])
def test_scores_of_several_labels(model, k):
    X, Y = labels(k=k)
    fitted = clone(model).fit(X, Y)
    assert fitted.classes_.shape == (k, 2)
    for name in ("roc_auc", "average_precision", "f1_macro", "accuracy"):
        assert 0.3 < get_scorer(name)(fitted, X, Y) <= 1.0
        assert np.isfinite(cross_val_score(model, X, Y, cv=3, scoring=name)).all()
    search = GridSearchCV(model, {"alpha": [0.1, 10.0]}, scoring="roc_auc", cv=3).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@each_multilabel
def test_stacks_of_several_labels(model):
    X, Y = labels()
    stack = StackingClassifier([("a", model), ("b", model)], final_estimator=clone(model), cv=3)
    assert stack.fit(X, Y).predict(X).shape == Y.shape
    assert stack.score(X, Y) > 0.3


@each
def test_one_fit_for_each_label(model):
    X, Y = labels(k=2)
    for wrapped in (
        MultiOutputClassifier(model),
        ClassifierChain(model, random_state=0),
        OneVsRestClassifier(model),
    ):
        assert wrapped.fit(X, Y).predict(X).shape == Y.shape
        assert wrapped.score(X, Y) > 0.3


@each
def test_ensembles_of_two_classes(model):
    X, y, _ = blobs(k=2)
    names = np.array(["no", "yes"])[y]
    for ensemble in (
        StackingClassifier([("a", model)], cv=3),
        VotingClassifier([("a", model), ("b", clone(model).set_params(alpha=3.0))]),
        CalibratedClassifierCV(model, cv=3),
        TunedThresholdClassifierCV(clone(model), cv=3, scoring="balanced_accuracy"),
        BaggingClassifier(model, n_estimators=3, random_state=0),
    ):
        assert ensemble.fit(X, names).score(X, names) > 0.6


@each_several
def test_ensembles_of_three_classes(model):
    X, y, _ = blobs()
    for ensemble in (
        StackingClassifier([("a", model)], cv=3),
        VotingClassifier([("a", model), ("b", clone(model).set_params(alpha=3.0))]),
        CalibratedClassifierCV(model, cv=3),
        BaggingClassifier(model, n_estimators=3, random_state=0),
    ):
        assert ensemble.fit(X, y).score(X, y) > 0.6


@each_several
@pytest.mark.parametrize("seed", range(3))
def test_a_bootstrap_that_misses_a_class(model, seed):
    X, y, _ = blobs(n=60, seed=seed)
    y[0] = 9
    bag = BaggingClassifier(model, n_estimators=10, random_state=seed).fit(X, y)
    assert bag.classes_.tolist() == [0, 1, 2, 9]
    assert bag.score(X, y) > 0.5
    assert bag.predict_proba(X).shape == (60, 4)
    assert bag.decision_function(X).shape == (60, 4)
    assert np.isfinite(bag.decision_function(X)).all()


@each
def test_a_bootstrap_of_one_class(model):
    X, y, _ = blobs(n=60, k=2)
    y[:] = 0
    y[3] = 1
    bag = BaggingClassifier(model, n_estimators=10, random_state=0).fit(X, y)
    assert bag.score(X, y) >= 59 / 60


@each_several
def test_a_class_without_weight_is_never_predicted(model):
    X, y, w = blobs()
    names = np.array(["a", "b", "c"])[y]
    w = np.where(y == 1, 0.0, w)
    fitted = clone(model).fit(X, names, sample_weight=w)
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    far = 1e6 * np.vstack([X, -X])
    assert set(fitted.predict(far)) <= {"a", "c"}
    assert fitted.decision_function(X).shape == (len(X), 3)
    if hasattr(model, "predict_proba"):
        p = fitted.predict_proba(X)
        assert_array_equal(p[:, 1], 0.0)
        assert_allclose(p.sum(axis=1), 1.0)
    # as in the limit of a small weight
    for small in (1e-12, 1e-10, 1e-9):
        near = clone(model).fit(X, names, sample_weight=np.where(y == 1, small, w))
    assert_allclose(fitted.coef_[[0, 2]], near.coef_[[0, 2]], rtol=1e-3, atol=1e-3)
    by_class = clone(model).set_params(class_weight={"b": 0.0})
    by_class.fit(X, names, sample_weight=blobs()[2])
    assert_allclose(by_class.coef_, fitted.coef_, rtol=1e-6, atol=1e-8)
    again = clone(model).fit(X, names, sample_weight=blobs()[2])
    assert_allclose(fitted.fit(X, names, sample_weight=blobs()[2]).coef_, again.coef_)
    assert_array_equal(fitted.classes_, again.classes_)


@each
@pytest.mark.parametrize("only", [0, 1])
def test_weight_of_one_class_alone(model, only):
    X, y, _ = blobs(k=2)
    fitted = clone(model).fit(X, y, sample_weight=(y == only).astype(float))
    assert fitted.classes_.tolist() == [0, 1]
    assert_array_equal(fitted.predict(X), only)
    assert_array_equal(fitted.coef_, 0.0)
    if hasattr(model, "predict_proba"):
        assert_array_equal(fitted.predict_proba(X)[:, only], 1.0)


def test_weights_of_classes_inside_a_loss_where_one_has_no_rows():
    X, y, w = blobs()
    w = np.where(y == 1, 0.0, w)
    model = FocalClassifier(class_alpha=[0.2, 0.5, 0.3]).fit(X, y, sample_weight=w)
    near = FocalClassifier(class_alpha=[0.2, 0.9, 0.3]).fit(X, y, sample_weight=w)
    assert_allclose(model.coef_, near.coef_)
    with pytest.raises(ValueError, match="each of the 3 classes"):
        FocalClassifier(class_alpha=[0.2, 0.3]).fit(X, y, sample_weight=w)


def outcome(model, X, y):
    """Whether a fit succeeds."""
    try:
        clone(model).fit(X, y)
    except ValueError as error:
        return str(error)
    return None


@each
@pytest.mark.parametrize(
    "class_weight",
    [
        {0: 1.0, 1: 2.0},
        {0: 1.0, 1: 2.0, 9: 5.0},
        {1: 3.0},
        {9: 5.0},
        {1: 3.0, 9: 5.0},
        {"0": 1.0},
        {},
    ],
    ids=str,
)
def test_names_in_class_weight_are_accepted_as_scikit_learn_does(model, class_weight):
    X, y, _ = blobs(k=2)
    theirs = outcome(LogisticRegression(class_weight=class_weight), X, y)
    mine = outcome(clone(model).set_params(class_weight=class_weight), X, y)
    assert (mine is None) == (theirs is None)
    assert mine is None or "class_weight names" in mine


@each_several
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_class_weight_where_a_fold_lacks_a_class(model):
    X, y, _ = blobs()
    y[0] = 9
    weighted = clone(model).set_params(class_weight={0: 1.0, 1: 1.0, 2: 2.0, 9: 5.0})
    assert np.isfinite(cross_val_score(weighted, X, y, cv=3, error_score="raise")).all()


@each
def test_a_fold_of_one_class_is_refused_as_scikit_learn_does(model):
    X, y, _ = blobs(k=2)
    message = outcome(model, X[y == 1], y[y == 1])
    assert "one class, 1" in message
    assert "at least two classes" in message
