"""Plain arrays, which are checked without scikit-learn's help, are held to what it says of all others."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.multiclass import check_classification_targets

from robustreg import HingeClassifier, L2Regressor, LogisticClassifier

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 2)), RNG.normal(size=30)


@pytest.mark.parametrize(
    ("name", "X", "y"),
    [
        ("rows in another order in memory", np.asfortranarray(X), Y),
        ("single precision", X.astype(np.float32), Y),
        ("every other row", np.repeat(X, 2, axis=0)[::2], Y),
        ("y a column of a table", X, np.column_stack([Y, Y])[:, 0]),
        ("integers", np.round(10 * X).astype(int), np.round(10 * Y).astype(int)),
    ],
)
def test_arrays_give_what_lists_give(name, X, y):
    model, other = L2Regressor().fit(X, y), L2Regressor().fit(X.tolist(), y.tolist())
    assert_allclose(model.coef_, other.coef_, rtol=1e-12)
    assert_allclose(model.predict(X[:3]), other.predict(X[:3].tolist()), rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_by_the_same_words(bad):
    wrong, target = X.copy(), Y.copy()
    wrong[3, 1], target[5] = bad, bad
    kind = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {kind}"):
        L2Regressor().fit(wrong, Y)
    with pytest.raises(ValueError, match=f"Input y contains {kind}"):
        L2Regressor().fit(X, target)
    with pytest.raises(ValueError, match=f"Input X contains {kind}"):
        L2Regressor().fit(X, Y).predict(wrong)


def test_columns_are_those_of_the_fit():
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = L2Regressor().fit(frame, Y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match="X has 3 features, but L2Regressor is expecting 2"):
        model.predict(np.ones((1, 3)))


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [0.0, 1.0], ["a", "b"], [-3, 7]])
def test_labels_of_every_kind_are_classes(labels):
    y = np.array(labels)[(Y > 0).astype(int)]
    model = LogisticClassifier(alpha=1.0).fit(X, y)
    assert model.classes_.tolist() == labels
    assert_allclose(model.coef_, LogisticClassifier(alpha=1.0).fit(X, Y > 0).coef_, rtol=1e-12)


def test_many_classes_are_warned_of_where_scikit_learn_does():
    said = []
    for look in (HingeClassifier().fit, lambda X, y: check_classification_targets(y)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            look(X, np.arange(30))
        said.append([str(warning.message) for warning in caught])
    assert said[0] == said[1]
    with pytest.raises(ValueError, match="continuous"):
        HingeClassifier().fit(X, Y)
