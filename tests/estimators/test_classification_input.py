"""What the classifiers make of input that is hostile, unusual or wrong."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
)
from robustreg.estimators._labels import encode
from tests.estimators._classification import blobs

BINARY = [
    LogisticClassifier(),
    HingeClassifier(),
    HingeClassifier(squared=True),
    FocalClassifier(),
    PolyClassifier(),
    DiceClassifier(),
]
SEVERAL = [
    LogisticClassifier(),
    HingeClassifier(),
    HingeClassifier(multi_class="crammer_singer"),
    FocalClassifier(),
    PolyClassifier(),
]
HINGES = [
    HingeClassifier(),
    HingeClassifier(squared=True),
    HingeClassifier(multi_class="crammer_singer"),
]
ALL = [*BINARY, HingeClassifier(multi_class="crammer_singer")]
each_binary = pytest.mark.parametrize("model", BINARY, ids=str)
each_several = pytest.mark.parametrize("model", SEVERAL, ids=str)


@each_binary
@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"],
        [False, True],
        [-3, 7],
        pd.array([4, 9], dtype="Int64"),
        pd.array([False, True], dtype="boolean"),
        pd.Series(["b", "c"], dtype="category"),
    ],
    ids=["str", "bool", "int", "Int64", "boolean", "category"],
)
def test_labels_of_any_type_come_back(model, labels):
    X, y, _ = blobs(k=2)
    plain = clone(model).fit(X, y)
    series = pd.Series(labels).iloc[y].reset_index(drop=True)
    named = clone(model).fit(X, series)
    assert_allclose(named.coef_, plain.coef_, rtol=1e-12)
    assert named.classes_.tolist() == list(labels)
    kinds = {"Int64": "i", "boolean": "b"}
    if str(series.dtype) in kinds:
        assert named.classes_.dtype.kind == kinds[str(series.dtype)]
    assert (named.predict(X) == np.asarray(named.classes_)[plain.predict(X)]).all()


@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_nullable_labels_of_a_data_frame_stay_integers():
    X, y, _ = blobs(k=2)
    one = pd.DataFrame({"a": pd.array(y + 3, dtype="Int64")})
    model = LogisticClassifier().fit(X, one)
    assert model.classes_.dtype.kind == model.predict(X).dtype.kind == "i"
    assert model.classes_.tolist() == [3, 4]
    two = pd.DataFrame({"a": pd.array(y, dtype="Int64"), "b": 1 - y})
    model = LogisticClassifier().fit(X, two)
    assert [classes.dtype.kind for classes in model.classes_] == ["i", "i"]
    assert model.predict(X).dtype.kind == "i"
    for table in (one, two):
        table.loc[3, "a"] = pd.NA
        with pytest.raises(ValueError, match="missing values"):
            LogisticClassifier().fit(X, table)


@each_binary
def test_wrong_targets_are_refused(model):
    X, y, _ = blobs(k=2)
    with pytest.raises(ValueError, match="one class, 'a'"):
        clone(model).fit(X, np.full(len(y), "a"))
    with pytest.raises(ValueError, match="names 'x'"):
        clone(model).set_params(class_weight={"x": 2.0}).fit(X, y)
    with pytest.raises(ValueError, match="finite and at least 0"):
        clone(model).set_params(class_weight={0: -1.0}).fit(X, y)
    with pytest.raises(ValueError, match="None, 'balanced' or a dict"):
        clone(model).set_params(class_weight="equal").fit(X, y)
    with pytest.raises(ValueError, match="missing values"):
        clone(model).fit(X, pd.Series(y, dtype="Int64").mask(np.arange(len(y)) == 3))
    with pytest.raises(ValueError, match="Unknown label type"):
        clone(model).fit(X, X[:, 0])
    with pytest.warns(DataConversionWarning):
        clone(model).fit(X, y[:, None])


def test_wrong_labels_of_several_columns_are_refused():
    X, y, _ = blobs()
    Y = np.eye(3, dtype=int)[y]
    with pytest.raises(ValueError, match="0 and 1"):
        LogisticClassifier().fit(X, 2 * Y)
    Y[:, 1] = 1
    with pytest.raises(ValueError, match="Column 1 of y holds one class, 1"):
        LogisticClassifier().fit(X, Y)
    for model in (HingeClassifier(), FocalClassifier(), PolyClassifier(), DiceClassifier()):
        with pytest.raises(ValueError, match="1d array"):
            model.fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.5, 0.5, 1.0], "two columns or more"),
        ([[1.0], [1.0], [1.0]], "two columns or more"),
        ([[0.5, 0.6], [0.5, 0.5], [1, 0]], "row 0 sums to 1.1"),
        ([[1.5, -0.5], [0.5, 0.5], [1, 0]], "negative"),
        ([[np.nan, 1.0], [0.5, 0.5], [1, 0]], "NaN"),
        (sp.csr_matrix([[0.5, 0.5], [0.5, 0.5], [1, 0]]), r"sparse.*toarray"),
    ],
)
def test_no_distribution(y, message):
    with pytest.raises(ValueError, match=message):
        KLRegressor().fit([[0.0], [1.0], [2.0]], y)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (LogisticClassifier(), "alpha", -1.0),
        (LogisticClassifier(), "alpha", True),
        (LogisticClassifier(), "solver", "sag"),
        (HingeClassifier(), "squared", 1),
        (HingeClassifier(), "multi_class", "ovo"),
        (FocalClassifier(), "gamma", -0.1),
        (FocalClassifier(), "gamma", np.inf),
        (FocalClassifier(), "class_alpha", 1.0),
        (FocalClassifier(), "class_alpha", [0.5, 0.5]),
        (PolyClassifier(), "epsilon", -1.5),
        (PolyClassifier(), "epsilon", "a"),
        (DiceClassifier(), "smooth", -1.0),
        (DiceClassifier(), "max_iter", 0),
        (DiceClassifier(), "tol", 0.0),
    ],
)
def test_parameter_out_of_range(model, name, value):
    X, y, _ = blobs(k=2)
    with pytest.raises(ValueError, match=name):
        clone(model).set_params(**{name: value}).fit(X, y)


def test_crammer_singer_is_not_squared():
    X, y, _ = blobs()
    with pytest.raises(ValueError, match="squared=False"):
        HingeClassifier(multi_class="crammer_singer", squared=True).fit(X, y)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(
    "model",
    [LogisticClassifier(), FocalClassifier(), PolyClassifier(), *HINGES],
    ids=str,
)
def test_separable_classes_without_a_penalty(model, k):
    y = np.arange(60) % k
    X = np.random.default_rng(0).normal(size=(60, 3)) + 20.0 * np.eye(3)[y]
    with pytest.warns(ConvergenceWarning, match=r"hyperplane separates.*alpha above 0"):
        model = clone(model).set_params(alpha=0.0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert (model.predict(X) == y).all()
    # A tiny penalty is enough for an optimum, and it is found.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(model).set_params(alpha=1e-6).fit(X, y)


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_separable_classes_without_a_penalty_of_dice(smooth):
    y = np.arange(60) % 2
    X = np.random.default_rng(0).normal(size=(60, 3)) + 20.0 * np.eye(3)[y]
    with pytest.warns(ConvergenceWarning, match=r"hyperplane separates.*alpha above 0"):
        model = DiceClassifier(alpha=0.0, smooth=smooth).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert (model.predict(X) == y).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DiceClassifier(alpha=1e-6, smooth=smooth).fit(X, y)


def test_scores_that_are_all_decided_are_no_optimum_of_dice():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 4))
    y = X @ [1, 1, 0, 0] + rng.normal(size=200) > 2
    with pytest.warns(ConvergenceWarning, match="overlap grows"):
        DiceClassifier(alpha=0.0).fit(X, y)


def test_certain_distributions_without_a_penalty():
    y = np.arange(60) % 3
    X = np.random.default_rng(0).normal(size=(60, 3)) + 20.0 * np.eye(3)[y]
    with pytest.warns(ConvergenceWarning, match=r"entries of 0 in y.*alpha above 0"):
        model = KLRegressor(alpha=0.0).fit(X, np.eye(3)[y])
    assert np.isfinite(model.coef_).all()


def test_outcome_that_no_row_has():
    X, y, _ = blobs(k=3)
    outcomes = np.insert(np.eye(3)[y], 1, 0.0, axis=1)
    with pytest.warns(ConvergenceWarning, match="column 1 of y.*Leave that column out"):
        KLRegressor().fit(X, outcomes)
    weight = np.where(y == 2, 0.0, 1.0)
    with pytest.warns(ConvergenceWarning, match="column 1, 3 of y"):
        KLRegressor().fit(X, outcomes, sample_weight=weight)


def test_partly_separable_classes_without_a_penalty():
    # Along the second column the classes touch at 0 only: part of the rows can run away.
    X = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [0, 1], [1, 2], [0, -1], [1, -2]], float)
    y = [0, 1, 1, 0, 1, 1, 0, 0]
    with pytest.warns(ConvergenceWarning, match="some of their samples"):
        LogisticClassifier(alpha=0.0).fit(X, y)


@each_binary
@pytest.mark.parametrize("factor", [1e-150, 1e-8, 1e8, 1e150])
def test_columns_of_any_size(model, factor):
    X, y, _ = blobs(k=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scaled = clone(model).set_params(alpha=0.0).fit(factor * X, y)
        plain = clone(model).set_params(alpha=0.0).fit(X, y)
    assert_allclose(scaled.coef_ * factor, plain.coef_, rtol=1e-6)
    assert_allclose(scaled.intercept_, plain.intercept_, rtol=1e-6, atol=1e-9)


@each_binary
def test_separable_columns_of_1e150_return_in_bounded_time(model):
    X, y = load_breast_cancer(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = clone(model).fit(1e150 * X, y)
    assert np.isfinite(model.coef_).all()
    assert model.n_iter_ <= model.max_iter + 100
    assert model.score(1e150 * X, y) > 0.9


@each_several
@pytest.mark.parametrize("factor", [1e6, 1e10, 1e20, 1e150])
def test_several_classes_and_large_columns(model, factor):
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)  # poly runs away without a penalty
        model = clone(model).fit(factor * X, y)
    assert np.isfinite(model.coef_).all()
    assert model.n_iter_ <= model.max_iter
    # a penalty of 1e-20 leaves one class separated: where rounding ends the descent depends on the processor
    assert model.optimality_ <= model.tol or caught
    assert model.score(factor * X, y) > 0.95


@each_binary
@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_offsets_change_the_intercept_alone(model, shift):
    X, y, weight = blobs(k=2)
    plain = clone(model).fit(X, y, sample_weight=weight)
    moved = clone(model).fit(X + shift, y, sample_weight=weight)
    assert_allclose(moved.coef_, plain.coef_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("model", ALL, ids=str)
def test_weights_of_any_size(model):
    X, y, weight = blobs(k=2)
    y = np.where(np.random.default_rng(5).random(len(y)) < 0.15, 1 - y, y)  # not separable
    model = clone(model).set_params(alpha=0.0)
    if isinstance(model, DiceClassifier):
        model.set_params(smooth=0.0)
    plain = clone(model).fit(X, y, sample_weight=weight)
    for factor in (1e-300, 1e300):
        scaled = clone(model).fit(X, y, sample_weight=factor * weight)
        assert_allclose(scaled.coef_, plain.coef_, rtol=1e-6, atol=1e-9)


@each_binary
def test_two_classes_and_scores_of_1e300(model):
    X, y, _ = blobs(k=2)
    model = clone(model).fit(X, y)
    far = 1e300 * X[:5]
    assert np.isfinite(model.decision_function(far)).all()
    assert (model.predict(far) == (model.decision_function(far) > 0)).all()
    if hasattr(model, "predict_proba"):
        assert_allclose(model.predict_proba(far).sum(axis=1), 1.0)
        assert not np.isnan(model.predict_log_proba(far)).any()


@each_several
def test_scores_of_1e300_are_no_trouble(model):
    X, y, _ = blobs()
    model = clone(model).fit(X, y)
    far = 1e300 * X[:5]
    assert np.isfinite(model.decision_function(far)).all()
    assert set(model.predict(far)) <= {0, 1, 2}
    if hasattr(model, "predict_proba"):
        p = model.predict_proba(far)
        assert_allclose(p.sum(axis=1), 1.0)
        assert not np.isnan(model.predict_log_proba(far)).any()


@pytest.mark.parametrize("model", [*ALL, KLRegressor()], ids=str)
def test_sparse_is_dense(model):
    X, y, weight = blobs(n=300, k=2, p=6)
    X[np.random.default_rng(1).random(X.shape) < 0.6] = 0.0
    y = np.eye(2)[y] if isinstance(model, KLRegressor) else y
    expected = clone(model).fit(X, y, sample_weight=weight).coef_
    for kind in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        found = clone(model).fit(kind(X), y, sample_weight=weight).coef_
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "model", [LogisticClassifier(), HingeClassifier(), HingeClassifier(squared=True)], ids=str
)
def test_large_sparse_is_dense(model):
    rng = np.random.default_rng(0)
    X = sp.random(30_000, 50, density=0.04, random_state=rng, format="csr")
    y = (X @ rng.normal(size=50) + 0.3 * rng.normal(size=30_000) > 0.1).astype(int)
    found = clone(model).fit(X, y)
    expected = clone(model).fit(X.toarray(), y)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-5, atol=1e-6)
    assert_allclose(found.intercept_, expected.intercept_, rtol=1e-5, atol=1e-6)
    assert found.optimality_ <= 1e-8


@pytest.mark.parametrize("model", ALL, ids=str)
def test_float32_tables_and_lists(model):
    X, y, _ = blobs(k=2)
    X = X.astype(np.float32)
    plain = clone(model).fit(X.astype(float), y)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for kind in (X, frame, X.tolist()):
        assert_allclose(clone(model).fit(kind, y).coef_, plain.coef_, rtol=1e-6)
    assert clone(model).fit(frame, y).feature_names_in_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("model", ALL, ids=str)
def test_wide_and_dependent_columns(model):
    X, y, weight = blobs(n=25, k=2, p=40)
    wide = clone(model).fit(X, y, sample_weight=weight)
    assert wide.optimality_ <= 1e-8
    X, y, weight = blobs(k=2)
    plain = clone(model).fit(X, y, sample_weight=weight)
    twice = clone(model).fit(np.hstack([X, X]), y, sample_weight=weight)
    # Shared between two equal columns the penalty is half: the same as alpha / 2 on one.
    half = clone(model).set_params(alpha=0.5).fit(X, y, sample_weight=weight)
    assert_allclose(twice.coef_[:, :3] + twice.coef_[:, 3:], half.coef_, rtol=1e-6, atol=1e-9)
    constant = clone(model).fit(np.hstack([X, np.ones((len(X), 1))]), y, sample_weight=weight)
    assert_allclose(constant.coef_[:, :3], plain.coef_, rtol=1e-7)
    assert_allclose(constant.coef_[:, 3], 0.0, atol=1e-12)


def test_zero_weights_are_dropped_rows():
    X, y, weight = blobs()
    keep = np.random.default_rng(0).random(len(y)) < 0.7
    for model in (*SEVERAL, HingeClassifier(class_weight="balanced")):
        zero = clone(model).fit(X, y, sample_weight=weight * keep)
        dropped = clone(model).fit(X[keep], y[keep], sample_weight=weight[keep])
        assert_allclose(zero.coef_, dropped.coef_, rtol=1e-9, atol=1e-12)


def test_max_iter_is_honoured_and_said():
    X, y, _ = blobs(k=3)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        model = LogisticClassifier(max_iter=2).fit(X, y)
    assert model.n_iter_ == 2
    assert model.optimality_ > 1e-8
    X, y, _ = blobs(n=30_000, k=2)
    for most in (1, 2, 5):  # those on a sample are counted
        with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
            model = LogisticClassifier(max_iter=most).fit(X, y)
        assert model.n_iter_ == most


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize(
    "model", [FocalClassifier(), PolyClassifier(epsilon=3.0), DiceClassifier()], ids=str
)
def test_max_iter_holds_for_start_and_fit_together(model, most):
    X, y, _ = blobs(k=2)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        model = clone(model).set_params(max_iter=most).fit(X, y)
    assert model.n_iter_ == most


def test_pipeline_and_search():
    X, y = load_iris(return_X_y=True, as_frame=True)
    for model in SEVERAL:
        name = type(model).__name__.lower()
        pipe = make_pipeline(StandardScaler(), clone(model))
        search = GridSearchCV(pipe, {f"{name}__alpha": [0.1, 1.0]}, cv=3).fit(X, y)
        assert search.best_score_ > 0.85


def test_two_rows():
    for model in BINARY:
        fitted = clone(model).fit([[0.0], [1.0]], ["a", "b"])
        assert fitted.coef_[0, 0] > 0


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8, np.uint64, bool])
@pytest.mark.parametrize("values", [(0, 1), (3, 4, 9), (5, 100), (2, 1), (0, 2**7 - 1)])
def test_integers_are_encoded_as_numpy_sorts_them(kind, values):
    y = np.resize(values, 30).astype(kind)
    for labels in (y, -y if kind in (np.int8, np.int64) else y[::-1]):
        codes, classes = encode(labels)
        expected, places = np.unique(labels, return_inverse=True)
        assert classes.dtype == expected.dtype
        np.testing.assert_array_equal(classes, expected)
        np.testing.assert_array_equal(codes, places)
