"""Classifiers on rows that are elsewhere: as those in memory, their classes the union of all parts."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
    RobustClassifier,
    remote,
)
from robustreg.estimators._remote_labels import Right, read_labels
from robustreg.tables import Local, Part
from tests._parts import fit, table

N = 20_000


def data(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
    raw = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=(3, 3))
    return X, raw + rng.gumbel(size=raw.shape), rng.uniform(0, 2, size=n)


X, RAW, WEIGHT = data()
WEIGHT[::7] = 0.0
TWO = np.where(RAW[:, 0] > 1, "yes", "no")
THREE = np.array(["red", "green", "blue"])[RAW.argmax(axis=1)]
RARE = (RAW[:, 0] > np.quantile(RAW[:, 0], 0.995)).astype(int)
SEVERAL = (RAW > 0.5).astype(int)
SHARES = np.exp(RAW) / np.exp(RAW).sum(axis=1, keepdims=True)

CASES = [
    (LogisticClassifier(), TWO),
    (LogisticClassifier(class_weight="balanced"), THREE),
    (LogisticClassifier(alpha=0.0), RARE),
    (LogisticClassifier(solver="lbfgs", fit_intercept=False), THREE),
    (LogisticClassifier(), SEVERAL),
    (LogisticClassifier(class_weight={0: 1.0, 1: 3.0}), SEVERAL),
    (LogisticClassifier(class_weight="balanced"), SEVERAL),
    (FocalClassifier(), TWO),
    (FocalClassifier(gamma=1.0), THREE),
    (PolyClassifier(), THREE),
    (HingeClassifier(), TWO),
    (HingeClassifier(class_weight="balanced", fit_intercept=False), RARE),
    (HingeClassifier(), THREE),
    (HingeClassifier(squared=True), THREE),
    (KLRegressor(), SHARES),
    (RobustClassifier(loss="hinge"), THREE),
    (RobustClassifier(loss="logistic", class_weight="balanced"), THREE),
]
each = pytest.mark.parametrize(
    ("model", "y"), CASES, ids=[f"{model!r}-{i}" for i, (model, _) in enumerate(CASES)]
)


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(remote, "TAKE_BYTES", 200_000)


def assert_same(model, local):
    size = np.abs(local.coef_).max(axis=0)
    assert_allclose(model.coef_ / size, local.coef_ / size, atol=1e-8)
    assert_allclose(model.intercept_, local.intercept_, rtol=1e-7, atol=1e-7)
    if hasattr(local, "classes_"):
        assert_array_equal(model.classes_, local.classes_)
        assert model.classes_.dtype == local.classes_.dtype
    assert_allclose(model._scores(X[:50]), local._scores(X[:50]), atol=1e-6)


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_that_in_memory(model, y, weighted, little):
    weight = WEIGHT if weighted else None
    model = clone(model).set_params(tol=1e-11)
    local = clone(model).fit(X, y, sample_weight=weight)
    held = table(X, y, weight)
    found = fit(model, held)
    assert_same(found, local)
    assert max(held.sent) < 16_000
    assert "_masses" not in vars(found)


@each
def test_small_table_is_fetched_whole(model, y):
    model = clone(model).set_params(tol=1e-11)
    held = table(X[:500], y[:500])
    assert_same(fit(model, held), clone(model).fit(X[:500], y[:500]))
    assert held.passes <= 6


@pytest.mark.parametrize("sort", [TWO, THREE], ids=["two", "three"])
def test_parts_may_hold_one_class_each(sort, little):
    order = np.argsort(sort, kind="stable")
    ends = [0, *np.cumsum(np.unique(sort, return_counts=True)[1])]
    for model in (LogisticClassifier(tol=1e-11), HingeClassifier(tol=1e-11)):
        found = fit(model, table(X[order], sort[order], ends=ends))
        assert_same(found, clone(model).fit(X, sort))


@pytest.mark.parametrize("model", [LogisticClassifier(), HingeClassifier()], ids=repr)
@pytest.mark.parametrize(("y", "lost"), [(THREE, "red"), (TWO, "yes")], ids=["three", "two"])
def test_class_without_weight(model, y, lost, little):
    weight = np.where(y == lost, 0.0, 1.0)
    halves = [slice(0, N // 2), slice(N // 2, N)]
    local = clone(model).set_params(tol=1e-11).fit(X, y, sample_weight=weight)
    held = Local([Part(X[some], y[some], weight[some]) for some in halves])
    found = fit(clone(model).set_params(tol=1e-11), held)
    assert_array_equal(found.classes_, local.classes_)
    assert_array_equal(found.predict(X), local.predict(X))
    assert_allclose(found.intercept_, local.intercept_, rtol=1e-6, atol=1e-6)


def test_targets_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="one class, 'no'"):
        fit(LogisticClassifier(), table(X, np.full(N, "no")))
    with pytest.raises(ValueError, match="1d array"):
        fit(HingeClassifier(), table(X, SEVERAL))
    with pytest.raises(ValueError, match="leave no row of class 1 in Column 0"):
        held = Local([Part(X, SEVERAL, 1.0 - SEVERAL[:, 0])])
        fit(LogisticClassifier(), held)
    with pytest.raises(ValueError, match="class_weight names 'purple'"):
        fit(LogisticClassifier(class_weight={"purple": 1.0}), table(X, TWO))
    for wrong, message in [
        (np.array([0.5, 1.5]), "(?s)continuous.*in partition 3"),
        (pd.array([1, None], dtype="Int64"), r"(?s)missing values.*in partition 3"),
        (np.array([0, "a"], dtype=object), r"(?s)in partition 3"),
        (np.array([[0.0, 2.0], [1.0, 1.0]]), r"(?s)0 and 1.*in partition 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_labels(
                pd.Series(wrong) if isinstance(wrong, pd.api.extensions.ExtensionArray) else wrong,
                "y in partition 3",
            )
    with pytest.raises(ValueError, match="cannot be sorted"):
        fit(LogisticClassifier(), Local([Part(X, TWO.astype(object), None), Part(X, RARE, None)]))


def test_labels_are_read_as_arrays():
    assert read_labels(pd.Series([1, 2, 1], dtype="Int64"), "y").dtype == np.int64
    assert read_labels(np.array([[1], [2]]), "y").tolist() == [1, 2]
    assert read_labels(np.zeros(0), "y").shape == (0,)
    assert read_labels(pd.Series(["a", "b"], dtype="category"), "y").tolist() == ["a", "b"]


@pytest.mark.parametrize("y", [TWO, THREE, SEVERAL], ids=["two", "three", "several"])
def test_accuracy_is_a_sum(y):
    model = LogisticClassifier().fit(X, y)
    right, total = table(X, y, WEIGHT).reduce(pickle.loads(pickle.dumps(Right(model))))
    assert right / total == pytest.approx(model.score(X, y, sample_weight=WEIGHT), abs=1e-12)


def separable(seed, k=2, gap=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    raw = X @ rng.normal(size=(3, k))
    top = np.sort(raw, axis=1)
    kept = top[:, -1] - top[:, -2] > gap
    return X[kept], raw[kept].argmax(axis=1)


def with_dummy(seed):
    """A column all of whose few ones are of one class."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(N, 2)), np.zeros(N)])
    y = (X[:, 0] + rng.logistic(size=N) > 0).astype(int)
    X[np.flatnonzero(y == 1)[:40], 2] = 1.0
    return X, y


@pytest.mark.parametrize("make", [separable, with_dummy, lambda s: separable(s, 3)])
def test_classes_that_are_separated_are_said_to_be(make, little):
    X, y = make(3)
    model = LogisticClassifier(alpha=0.0)
    local = clone(model)
    with pytest.warns(ConvergenceWarning, match="separates the classes"):
        local.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="separates the classes"):
        clone(model)._fit_table(table(X, y), None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(LogisticClassifier(alpha=1.0), table(X, y))


def test_outcome_that_no_row_has_is_named(little):
    shares = np.column_stack(
        [SHARES[:, :2] / SHARES[:, :2].sum(axis=1, keepdims=True), np.zeros(N)]
    )
    with pytest.warns(ConvergenceWarning, match="in column 2 of y"):
        KLRegressor()._fit_table(table(X, shares), None, None, None)


def test_distributions_are_checked_by_part():
    read = KLRegressor._read_remote
    assert_allclose(read(SHARES[:5], "y in partition 1"), SHARES[:5])
    assert read(SHARES[:0], "y in partition 1").shape == (0, 3)
    for wrong, message in [
        (SHARES[:5] * 2, "sum one"),
        (SHARES[:5, 0], "Got shape"),
        (-SHARES[:5], "negative"),
        (SHARES[:5] * np.nan, "NaN"),
        (np.full((5, 2), "a"), "could not convert"),
    ]:
        with pytest.raises(ValueError, match=f"(?s){message}.*in partition 1"):
            read(wrong, "y in partition 1")


def test_sample_holds_rare_classes():
    held = table(X, RARE.astype(float))
    one = remote.sample_of(held)
    assert one.weight is None
    masses = np.bincount(RARE).astype(float)
    some = remote.sample_of(held, masses)
    assert np.count_nonzero(some.y) >= 0.8 * min(masses[1], remote.SAMPLE / 2)
    assert_allclose(some.weight.sum(), N, rtol=0.1)
    assert_allclose(some.weight[some.y == 1].sum(), masses[1], rtol=0.1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (HingeClassifier(multi_class="crammer_singer"), "crammer_singer.*pass 'ovr'"),
        (KLRegressor(penalty="scad"), "not convex; pass l1_ratio"),
        (RobustClassifier(penalty="group_lasso"), "penalty of groups; pass l1_ratio"),
        (DiceClassifier(), "all samples at once"),
        (RobustClassifier(loss="dice"), "Dice loss needs all samples at once"),
        (RobustClassifier(loss="multiclass_hinge"), "needs all classes at once; pass loss='hinge'"),
    ],
    ids=repr,
)
def test_what_is_not_served_says_why(model, message):
    from tests.test_lazy import Collection

    with pytest.raises(TypeError, match=message):
        model.fit(Collection((40, 2)), Collection())


def test_hinge_of_many_columns_is_refused():
    assert "300 columns" in HingeClassifier()._why_not(301)
    assert "300 columns" in RobustClassifier(loss="hinge")._why_not(301)
    assert not HingeClassifier(squared=True)._why_not(301)


def test_warm_start_takes_fewer_iterations_and_no_more_passes(little):
    for model in (LogisticClassifier(warm_start=True), HingeClassifier(warm_start=True)):
        cold, warm = table(X, TWO), table(X, TWO)
        model = fit(model, cold)
        again = clone(model)
        again.__dict__.update({k: v for k, v in vars(model).items() if k.endswith("_")})
        again._fit_table(warm, None, None, None)
        assert again.optimality_ <= again.tol
        assert again.n_iter_ < model.n_iter_
        assert warm.passes <= cold.passes


@pytest.mark.parametrize("model", [LogisticClassifier(), HingeClassifier()], ids=repr)
def test_passes(model, little):
    held = table(X, TWO)
    fit(model, held)
    assert held.passes <= 10
