"""The classifiers on real data, on a rare class and on wrong labels."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    LogisticClassifier,
    PolyClassifier,
)
from tests.estimators._classification import imbalanced

SETS = [load_breast_cancer, load_iris, load_wine, load_digits]
LOGISTIC = LogisticRegression(max_iter=1000)
PAIRS = [
    (LogisticClassifier(), LOGISTIC),
    (FocalClassifier(), LOGISTIC),
    (PolyClassifier(), LOGISTIC),
    (HingeClassifier(squared=True), LinearSVC()),
    (HingeClassifier(), LinearSVC(loss="hinge", max_iter=100_000)),
    (HingeClassifier(multi_class="crammer_singer"), LinearSVC(multi_class="crammer_singer")),
]


def as_good(ours, theirs, X, y, repeats):
    """Whether the mean accuracy is not lower by more than the standard error of one mean."""
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    own, other = (
        cross_val_score(make_pipeline(StandardScaler(), clone(model)), X, y, cv=folds).mean()
        for model in (ours, theirs)
    )
    return own >= other - np.sqrt(other * (1 - other) / len(y))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
@pytest.mark.parametrize("load", SETS)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=str)
def test_as_good_as_scikit_learns_in_cross_validation(ours, theirs, load):
    X, y = load(return_X_y=True)
    # One division of a few hundred rows into folds moves a mean by about its standard error.
    assert as_good(ours, theirs, X, y, repeats=1 if load is load_digits else 4)


def test_dice_is_as_good_in_cross_validation():
    X, y = load_breast_cancer(return_X_y=True)
    assert as_good(DiceClassifier(), LOGISTIC, X, y, repeats=2)


def test_one_row_in_a_hundred():
    X, y = imbalanced(n=10_000)
    X_new, y_new = imbalanced(n=20_000, seed=1)
    models = {
        "logistic": LogisticClassifier(),
        "balanced": LogisticClassifier(class_weight="balanced"),
        "focal": FocalClassifier(),
        "dice": DiceClassifier(),
    }
    f1, ranked = {}, []
    for name, model in models.items():
        f1[name] = f1_score(y_new, model.fit(X, y).predict(X_new))
        ranked.append(average_precision_score(y_new, model.decision_function(X_new)))
    assert f1["dice"] > f1["logistic"] + 0.1
    assert f1["dice"] > f1["balanced"] + 0.1
    assert f1["dice"] > f1["focal"] + 0.1
    # The threshold is what differs: the order of the rows hardly does.
    assert max(ranked) - min(ranked) < 0.02


def two_classes(n, seed, distance=None, direction=(1.0, 0.0)):
    """Return normal classes; a fifth of class 1 is called 0 and moved far out."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 2))
    X[:, 0] += 2.0 * (2 * y - 1)
    if distance is not None:
        wrong = np.flatnonzero(y == 1)[: n // 10]
        X[wrong] = distance * np.array(direction) + 0.5 * rng.normal(size=(len(wrong), 2))
        y[wrong] = 0
    return X, y


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_far_out_bend_most_losses_and_not_all(seed):
    X_clean, y_clean = two_classes(5000, seed=99)

    def accuracy(model, distance, direction=(1.0, 0.0)):
        X, y = two_classes(400, seed, distance, direction)
        return model.fit(X, y).score(X_clean, y_clean)

    resistant = [HingeClassifier(), PolyClassifier(epsilon=20.0), DiceClassifier()]
    bent = [LogisticClassifier(), HingeClassifier(squared=True), FocalClassifier()]
    for model in (*resistant, *bent):
        assert accuracy(model, None) > 0.97
    for model in resistant:
        assert accuracy(model, 10.0) > 0.95
    for model in bent:
        assert accuracy(model, 10.0) < 0.7
    # Focal is named for hard rows, and wrong ones are the hardest: it is worse than logistic.
    assert accuracy(FocalClassifier(), 4.0) < accuracy(LogisticClassifier(), 4.0) - 0.01
    # Hinge is convex, and a lever that is long enough bends it as well.
    assert accuracy(HingeClassifier(), 20.0) < 0.7
    # A bounded loss has several minima, and a start that is wrong enough ends in another.
    assert accuracy(DiceClassifier(), 30.0) < 0.7
    # Rows to the side that a turned line gets right turn every line.
    for model in (*resistant, *bent):
        assert accuracy(model, 10.0, (1.0, 1.0)) < 0.93


@pytest.mark.parametrize("distance", [30.0, 1000.0])
def test_a_good_start_keeps_dice_from_wrong_labels(distance):
    X_clean, y_clean = two_classes(5000, seed=99)
    X, y = two_classes(400, 0, distance)
    near = np.abs(X).max(axis=1) < 10
    model = DiceClassifier(warm_start=True).fit(X[near], y[near]).fit(X, y)
    assert model.score(X_clean, y_clean) > 0.97
