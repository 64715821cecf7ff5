"""Collections of Dask, without a cluster."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV

dask = pytest.importorskip("dask", reason="Dask is an optional dependency: extra `dask`")
pytest.importorskip("distributed", reason="comes with the extra `dask`")
import dask.array as da
import dask.dataframe as dd

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
    MarginRanker,
    MMRegressor,
    PolyClassifier,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
    Rows,
    remote,
)
from robustreg.tables import Part, _dask, add
from tests.tables._collections import SIZES, N, P, arrays, assert_same, frame, rows

MODELS = [
    L2Regressor(alpha=1.0),
    HuberRegressor(scale=0.7),
    HuberRegressor(scale="proposal2"),
    RobustRegressor(loss="pseudo_huber", scale=0.5),
    HuberRegressor(),
    L1Regressor(alpha=2.0),
    QuantileRegressor(quantile=0.8, alpha=0.01),
    MMRegressor(),
    L2Regressor(alpha=500.0, l1_ratio=1.0),
    HuberRegressor(alpha=500.0, l1_ratio=0.5, penalty_weights=[1.0, 0.0, 2.0, np.inf]),
    L1Regressor(alpha=500.0, l1_ratio=1.0, positive=True),
]
each = pytest.mark.parametrize("model", MODELS, ids=repr)


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Let so little be fetched that rows in doubt are chosen where they are."""
    monkeypatch.setattr(remote, "TAKE_BYTES", 200_000)


@each
@pytest.mark.parametrize("tol", [1e-8, 1e-12])
def test_arrays_are_fitted_as_in_memory(model, tol):
    X, y, weight = rows()
    weight[:700] = 0.0
    model = clone(model).set_params(tol=tol)
    local = clone(model).fit(X, y, sample_weight=weight)
    lazy = arrays(X, y, weight)
    assert_same(model.fit(*lazy), local, 1e-7 if tol == 1e-8 else 1e-11)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))


@each
def test_frames_are_fitted_as_in_memory(model):
    X, y, weight = rows()
    ddf = frame(X, y, weight)
    columns = list("abcd")
    model = clone(model).fit(ddf[columns], ddf["y"], sample_weight=ddf["w"])
    assert_same(model, clone(model).fit(X, y, sample_weight=weight))
    assert model.feature_names_in_.tolist() == columns
    assert_allclose(model.predict(ddf[columns]).compute(), model.predict(ddf[columns].compute()))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(ddf[["a", "b", "c", "w"]])


def test_unknown_lengths_and_mixed_types():
    X, y, _ = rows()
    table = pd.DataFrame(X, columns=list("abcd"))
    table["a"] = table["a"].astype("float32")
    table["b"] = table["b"].round().astype("int64")
    table["c"] = pd.array(table["b"] % 3, dtype="Int64")
    table["d"] = table["d"] > 100
    ddf = dd.from_pandas(table, npartitions=4)
    local = HuberRegressor(scale=1.0).fit(table.to_numpy(dtype=float), y)
    target = dd.from_pandas(pd.Series(y), npartitions=4)
    assert_same(HuberRegressor(scale=1.0).fit(ddf, target), local)
    numbers = table[["a", "b"]].astype(float)
    unknown = dd.from_pandas(numbers, npartitions=4).to_dask_array()
    local = HuberRegressor(scale=1.0).fit(numbers.to_numpy(), y)
    assert_same(HuberRegressor(scale=1.0).fit(unknown, target.to_dask_array()), local)
    assert_same(
        HuberRegressor(scale=1.0).fit(unknown, y), local
    )  # y in this process is divided as X is


def test_answers_are_lazy_with_the_chunks_of_X_and_a_score_is_a_number():
    X, y, weight = rows()
    asked = []

    def block(part):
        asked.append(1)
        return part

    lazy, target, counts = arrays(X, y, weight)
    model = HuberRegressor(scale=0.7, tol=1e-12).fit(X, y)
    lazy = lazy.map_blocks(block, dtype=float, meta=np.zeros((0, P)))
    predicted, outliers = model.predict(lazy), model.outliers(lazy, target)
    assert not asked
    assert predicted.chunks == lazy.chunks[:1]
    assert_allclose(predicted.compute(), model.predict(X))
    assert_array_equal(outliers.compute(), model.outliers_)
    assert model.score(lazy, target) == pytest.approx(model.score(X, y), abs=1e-9)
    expected = model.score(X, y, sample_weight=weight)
    assert model.score(lazy, target, sample_weight=counts) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("labels", [2, 3])
def test_classifiers_answer_lazily(labels):
    X, y, _ = rows()
    label = np.array(["no", "yes", "maybe"])[
        np.searchsorted(np.quantile(y, [0.5, 0.8]), y) % labels
    ]
    model = LogisticClassifier().fit(X, label)
    lazy = arrays(X, y)[0]
    for method in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
        answer = getattr(model, method)(lazy)
        expected = getattr(model, method)(X)
        assert answer.shape == expected.shape
        assert answer.dtype == expected.dtype
        if method == "predict":
            assert_array_equal(answer.compute(), expected)
        else:
            assert_allclose(answer.compute(), expected)


def words(y):
    return np.array(["no", "yes", "maybe"])[np.searchsorted(np.quantile(y, [0.4, 0.8]), y)]


def with_frame(X, label):
    table = pd.DataFrame(X, columns=list("abcd")).assign(y=label)
    return dd.from_pandas(table, npartitions=5)


@pytest.mark.parametrize(
    "model",
    [
        LogisticClassifier(class_weight="balanced"),
        HingeClassifier(),
        FocalClassifier(gamma=1.0),
        PolyClassifier(epsilon=0.5),
    ],
    ids=repr,
)
def test_classifiers_are_fitted_as_in_memory(model):
    X, y, weight = rows()
    label = words(y + np.random.default_rng(0).logistic(scale=8, size=N))
    model = clone(model).set_params(tol=1e-11)
    local = clone(model).fit(X, label, sample_weight=weight)
    lazy, target, counts = arrays(X, label, weight)
    found = clone(model).fit(lazy, target, sample_weight=counts)
    ddf = with_frame(X, label)
    by_frame = clone(model).fit(ddf[list("abcd")], ddf["y"])
    plain = clone(model).fit(X, label)
    for one, other in ((found, local), (by_frame, plain)):
        assert_array_equal(one.classes_, other.classes_)
        # the middle class is on both sides of the others: its scores from hinges are constant
        size = max(np.abs(other.coef_).max(), 1e-6)
        assert_allclose(one.coef_, other.coef_, atol=1e-7 * size)
        again = one.predict(pd.DataFrame(X, columns=list("abcd")) if one is by_frame else X)
        # rows on the kinks of two classes have equal scores, but for rounding
        assert np.mean(again == other.predict(X)) > 0.999
    score = found.score(lazy, target, sample_weight=counts)
    assert score == pytest.approx(local.score(X, label, sample_weight=weight), abs=1e-3)
    assert by_frame.score(ddf[list("abcd")], ddf["y"]) == pytest.approx(
        plain.score(X, label), abs=1e-3
    )


def test_several_labels_and_distributions_are_fitted_as_in_memory():
    X, y, _ = rows()
    noise = np.random.default_rng(0).logistic(scale=40, size=(N, 3))
    several = (y[:, None] + noise > np.quantile(y, [0.3, 0.5, 0.9])).astype(int)
    shares = np.exp(noise / 40) / np.exp(noise / 40).sum(axis=1, keepdims=True)
    lazy = arrays(X, y)[0]
    for model, target in ((LogisticClassifier(tol=1e-11), several), (KLRegressor(), shares)):
        columns = da.from_array(target, chunks=(SIZES, 3))
        found, local = clone(model).fit(lazy, columns), clone(model).fit(X, target)
        assert_allclose(found.coef_, local.coef_, atol=1e-7 * np.abs(local.coef_).max())
    with pytest.raises(ValueError, match="y has chunks along its columns"):
        LogisticClassifier().fit(lazy, da.from_array(several, chunks=(SIZES, 1)))


def test_an_unknown_number_of_columns_is_refused():
    X, y, _ = rows()
    lazy, target = arrays(X, y)[:2]
    unknown = da.map_blocks(
        np.positive, lazy, dtype=float, chunks=((np.nan,) * lazy.numblocks[0], (np.nan,))
    )
    with pytest.raises(ValueError, match="number of columns of X is unknown"):
        HuberRegressor().fit(unknown, target)
    model = HuberRegressor().fit(lazy, target)
    with pytest.raises(ValueError, match="number of columns of X is unknown"):
        model.predict(unknown)


@pytest.mark.parametrize("on_frame", [False, True])
def test_rows_are_prepared_once_and_fitted_often(on_frame):
    X, y, weight = rows()
    label = words(y + np.random.default_rng(0).logistic(scale=8, size=N))
    if on_frame:
        ddf = frame(X, y, weight)
        held = Rows.from_dask(ddf[list("abcd")], ddf["y"], sample_weight=ddf["w"])
    else:
        held = Rows.from_dask(*arrays(X, y, weight))
    assert held.names == (list("abcd") if on_frame else None)
    for model in (HuberRegressor(), HuberRegressor(epsilon=2.0), L1Regressor()):
        local = clone(model).fit(X, y, sample_weight=weight)
        model.fit(held)
        assert_same(model, local)
        assert model.score(held) == pytest.approx(local.score(X, y, sample_weight=weight))
    lazy, target = arrays(X, label)
    of_labels = LogisticClassifier().fit(Rows.from_dask(lazy, target))
    assert of_labels.classes_.tolist() == ["maybe", "no", "yes"]


@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_search_over_arrays_of_known_lengths_is_that_in_memory(kind, monkeypatch):
    """And X stays where it is."""
    X, y, _ = rows()
    if kind == "regressor":
        search = GridSearchCV(HuberRegressor(), {"epsilon": [1.1, 2.0]}, cv=3)
    else:
        y = (y > np.median(y)).astype(int)
        search = GridSearchCV(LogisticClassifier(), {"alpha": [1.0, 100.0]}, cv=3)
    lazy, target = arrays(X, y)[:2]
    here, brought = clone(search).fit(X, y), da.Array.__array__

    def bring(collection, *args, **kwargs):
        assert collection.ndim == 1
        return brought(collection, *args, **kwargs)

    monkeypatch.setattr(da.Array, "__array__", bring)
    found = clone(search).fit(lazy, target)
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(found.cv_results_[name], here.cv_results_[name], rtol=1e-6)
    assert_same(found.best_estimator_, here.best_estimator_)
    with pytest.raises(TypeError, match=r"<Rows: 9000 x 4> cannot be divided.*Dask arrays"):
        clone(search).fit(Rows.from_dask(lazy, target), None if kind == "regressor" else y)


def test_attribute_of_rows_names_the_method_that_answers():
    model = HuberRegressor(scale=0.7).fit(*arrays(*rows()[:2]))
    with pytest.raises(AttributeError, match=r"outliers\(X, y\)"):
        model.outliers_  # noqa: B018
    local = clone(model).fit(*rows()[:2])
    assert local.outliers_.any()
    assert model.fit(*rows()[:2]).outliers_.any()


SERVED = [
    *MODELS,
    HuberRegressor(scale="concomitant"),
    LogisticClassifier(),
    FocalClassifier(),
    PolyClassifier(),
    HingeClassifier(),
    HingeClassifier(squared=True),
    RobustClassifier(loss="squared_hinge"),
    KLRegressor(),
    LogisticClassifier(l1_ratio=1.0),
    HingeClassifier(l1_ratio=0.5),
    KLRegressor(positive=True),
]


def targets_of(model, y):
    """Return targets that a model takes: several of a classifier of several classes or labels."""
    if isinstance(model, KLRegressor):
        shares = 1 / (1 + np.exp(-(y - np.median(y)) / 50))
        return [np.column_stack([shares, 1 - shares])]
    if not is_classifier(model):
        return [y]
    noisy = y + np.random.default_rng(0).logistic(scale=8, size=len(y))
    several = (noisy[:, None] > np.quantile(y, [0.3, 0.6])).astype(int)
    found = [several[:, 0], words(noisy)]
    return [*found, several] if isinstance(model, LogisticClassifier) else found


@pytest.mark.parametrize("model", SERVED, ids=repr)
def test_no_row_comes_here_and_little_goes_there(model, monkeypatch):
    """Whoever asks a collection for its values, in the process that fits, is mistaken."""
    X, y, _ = rows()
    sent, reduce = [], _dask.DaskTable.reduce

    def refuse(*args, **kwargs):
        raise AssertionError("values were asked for")

    def measured(table, function, combine=add):
        sent.append(len(pickle.dumps((function, combine))))
        return reduce(table, function, combine)

    for name in ("__array__", "compute", "__iter__", "__bool__"):
        monkeypatch.setattr(da.Array, name, refuse)
    monkeypatch.setattr(_dask.DaskTable, "reduce", measured)
    for target in targets_of(model, y):
        chunks = (SIZES, *target.shape[1:])
        lazy = da.from_array(target, chunks=chunks)
        found = clone(model).fit(arrays(X, y)[0], lazy)
        assert found.optimality_ <= found.tol
    assert sent
    assert max(sent) < 16_000 + 16 * P**2


REFUSED = [
    (HuberRegressor(scale="mad"), "HuberRegressor .*scale='mad'.*pass scale='l1'"),
    (RobustRegressor(loss="tukey"), "RobustRegressor .*Tukey loss is not convex"),
    (
        RobustRegressor(alpha=1.0, penalty="group_lasso"),
        "RobustRegressor .*penalty of groups; pass",
    ),
    (
        RobustClassifier(penalty="mcp"),
        "RobustClassifier .*penalty that is not convex; pass l1_ratio",
    ),
    (QuantileRegressor(quantile=[0.1, 0.9]), "QuantileRegressor .*vector of quantiles; pass one"),
    (L1Regressor(solver="highs"), "L1Regressor .*solver='highs'"),
    (HingeClassifier(multi_class="crammer_singer"), "HingeClassifier .*'crammer_singer'"),
    (DiceClassifier(), "DiceClassifier .*needs all samples at once"),
    (HuberRegressorCV(), "HuberRegressorCV needs them"),
    (LinearEmbedding(), "needs them"),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=lambda one: repr(one)[:40])
def test_what_is_not_served_is_refused_by_name(model, reason):
    X, y = arrays(*rows()[:2])
    with pytest.raises(TypeError, match=rf"{reason}.* does not load them unasked.*pass .\.compute"):
        model.fit(X, y > 0)


def test_a_ranker_is_refused_by_name():
    X, y = arrays(*rows()[:2])
    query = da.from_array(np.repeat(np.arange(N // 10), 10), chunks=(SIZES,))
    with pytest.raises(TypeError, match=r"MarginRanker needs them .*unasked.*pass X\.compute"):
        MarginRanker().fit(X, y, qid=query)


def changed(position, value):
    X, y, weight = rows()
    X[6500, 2] = value if position == "X" else X[6500, 2]
    y[6500] = value if position == "y" else y[6500]
    weight[6500] = value if position == "weight" else weight[6500]
    return arrays(X, y, weight)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        ("X", np.nan, "Input X contains NaN in partition 4, column 2"),
        ("X", np.inf, "Input X contains infinity in partition 4, column 2"),
        ("y", np.nan, "Input y contains NaN or infinity in partition 4"),
        ("weight", np.nan, "sample_weight contains NaN or infinity in partition 4"),
        ("weight", -1.0, "Negative values in sample_weight in partition 4"),
    ],
)
def test_values_that_are_no_data_are_named_with_their_partition(position, value, message):
    with pytest.raises(ValueError, match=message):
        L2Regressor().fit(*changed(position, value))


def test_shapes_that_do_not_fit_are_refused():
    X, y, weight = arrays(*rows())
    model = L2Regressor()
    with pytest.raises(ValueError, match=r"rechunk\(\{1: -1\}\)"):
        model.fit(X.rechunk({1: 2}), y)
    with pytest.raises(ValueError, match="X has 5 partitions and y has 1"):
        model.fit(X, y.rechunk(-1))
    with pytest.raises(ValueError, match="X has 5 partitions and sample_weight has 1"):
        model.fit(X, y, sample_weight=weight.rechunk(-1))
    other = da.from_array(rows()[1][1:], chunks=((1, 0, 4999, 999, 3000),))
    with pytest.raises(ValueError, match="X has 5000 rows and y has 4999 in partition 2"):
        model.fit(X, other)
    with pytest.raises(ValueError, match="X has 9000 rows and y has shape"):
        model.fit(X, np.zeros(8999))
    with pytest.raises(ValueError, match="y"):
        model.fit(X, None)
    with pytest.raises(ValueError, match="0 sample"):
        model.fit(X, y, sample_weight=da.zeros_like(weight))


def last_changed(X, change):
    """Return X, of whose last partition something else is made than Dask believes."""

    def block(part, block_info=None):
        return change(part) if block_info[0]["chunk-location"][0] == len(SIZES) - 1 else part

    return X.map_blocks(block, dtype=float, meta=np.zeros((0, P)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda part: part[:, :3],
            r"X has 4 columns, and an array of shape \(3000, 3\) in partition 4",
        ),
        (
            lambda part: part[:, 0],
            r"X has 4 columns, and an array of shape \(3000,\) in partition 4",
        ),
        (lambda part: part.astype(str), "X in partition 4 must hold real numbers: dtype <U"),
        (lambda part: part + 1j, "X in partition 4 must hold real numbers: dtype complex128"),
    ],
    ids=["narrow", "flat", "text", "complex"],
)
def test_partition_that_is_not_as_the_others_is_named(change, message):
    X, y, _ = arrays(*rows())
    with pytest.raises(ValueError, match=message):
        L2Regressor().fit(last_changed(X, change), y)


def test_partition_with_columns_in_another_order_is_refused():
    X, y, _ = rows()
    table = pd.DataFrame(X, columns=list("abcd"))
    first, second = table[:4000], table.loc[4000:, list("abdc")]
    parts = [dask.delayed(lambda part: part)(part) for part in (first, second)]
    ddf = dd.from_delayed(parts, meta=table[:0], verify_meta=False)
    target = da.from_array(y, chunks=((4000, 5000),))
    with pytest.raises(ValueError, match="X has column 'd' in partition 1 where 'c' is expected"):
        L2Regressor().fit(ddf, target)


def test_no_columns_are_refused():
    X, y, _ = arrays(*rows())
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        L2Regressor().fit(X[:, :0], y)


def test_lengths_that_change_between_passes_are_an_error():
    made = []

    def fewer(size):
        made.append(size)
        return np.ones((size - (len(made) > 2), 2))  # X and y are computed in each pass

    parts = [dask.delayed(fewer, pure=False)(5000)]
    X = da.from_delayed(parts[0], (np.nan, 2), float)
    with pytest.raises(RuntimeError, match="change from one computation to the next"):
        L2Regressor().fit(X, X[:, 0])


@pytest.mark.parametrize("what", ["X", "y", "weight", "order"])
def test_values_that_change_between_passes_are_an_error(what):
    values = dict(zip(("X", "y", "weight"), rows(), strict=True))
    made = []

    def anew(name):
        array = values[name][:5000]
        if name != ("X" if what == "order" else what):
            return array
        made.append(name)
        rng = np.random.default_rng(len(made) // 2)  # once for its length, and then in each pass
        return rng.permutation(array) if what == "order" else array + rng.uniform(size=array.shape)

    def lazy(name):
        part = dask.delayed(anew, pure=False)(name)
        return da.from_delayed(part, values[name][:5000].shape, float)

    with pytest.raises(
        RuntimeError, match=r"does not hold the values .* give random numbers a seed"
    ):
        L2Regressor().fit(lazy("X"), lazy("y"), lazy("weight"))


@pytest.mark.parametrize("kind", ["seconds", "offset", "far entry"])
def test_values_that_change_beside_large_ones_are_an_error(kind):
    made = []

    def anew():
        made.append(1)
        X = np.random.default_rng(len(made)).normal(size=(5000, 2))
        if kind == "seconds":
            X[:, 0] = 1.7e9 + 17 * X[:, 0]
        elif kind == "offset":
            X[:, 0] += 1e9
        else:
            X[0, 0] = 1e10
        return X

    lazy = da.from_delayed(dask.delayed(anew, pure=False)(), (5000, 2), float)
    y = da.from_array(np.random.default_rng(0).normal(size=5000), chunks=-1)
    with pytest.raises(RuntimeError, match="does not hold the values"):
        L2Regressor().fit(lazy, y)


def test_a_bundle_has_the_fingerprint_of_each_part_taken_once(monkeypatch):
    taken, one = [], _dask.fingerprint
    monkeypatch.setattr(_dask, "fingerprint", lambda part: taken.append(part) or one(part))
    X, y, _ = rows()
    bundle = _dask.Bundle([(0, Part(X[:50], y[:50], None)), (3, Part(X[50:], y[50:], None))])
    seen = _dask.known_of(bundle)
    places = {
        number: _dask.Place(i, 50 * i, seen[number].fingerprint) for i, number in enumerate((0, 3))
    }
    placed = bundle.placed(places)
    assert len(taken) == 2
    assert [(number, part.start) for number, part in placed.parts] == [(0, 0), (1, 50)]
    again = _dask.Bundle([(0, Part(X[:50], y[:50], None)), (3, Part(X[50:] + 1e-9, y[50:], None))])
    with pytest.raises(RuntimeError, match="does not hold the values"):
        again.placed(places)
    assert len(taken) == 4


def test_values_that_change_by_rounding_between_passes_are_fitted():
    X, y, _ = rows()
    made = []

    def rounded():
        made.append(1)
        return np.nextafter(X, np.inf if len(made) % 2 else -np.inf)

    lazy = da.from_delayed(dask.delayed(rounded, pure=False)(), X.shape, float)
    assert_same(L2Regressor().fit(lazy, da.from_array(y, chunks=-1)), L2Regressor().fit(X, y))


def test_sorted_classes_and_a_partition_without_weight_are_fitted_as_in_memory():
    X, y, _ = rows()
    order = np.argsort(y)
    X, label = X[order], words(y)[order]
    weight = np.ones(N)
    weight[1:5001] = 0.0  # all of one partition
    for model in (LogisticClassifier(tol=1e-11), PolyClassifier(tol=1e-11)):
        found = clone(model).fit(*arrays(X, label, weight))
        local = clone(model).fit(X, label, sample_weight=weight)
        assert_array_equal(found.classes_, local.classes_)
        assert_allclose(found.coef_, local.coef_, atol=1e-7 * np.abs(local.coef_).max())


@pytest.mark.parametrize("kind", ["text", "dates"])
def test_column_that_is_no_number_is_refused_by_name(kind):
    X, y, _ = rows()
    table = pd.DataFrame(X, columns=list("abcd"))
    table["b"] = "red" if kind == "text" else pd.Timestamp("2026-01-01")
    target = dd.from_pandas(pd.Series(y), npartitions=3)
    with pytest.raises(ValueError, match=r"(?s)Column 'b' of X holds .*in partition \d"):
        L2Regressor().fit(dd.from_pandas(table, npartitions=3), target)
    words = dd.from_pandas(pd.Series(y.astype(str)), npartitions=3)
    with pytest.raises(ValueError, match=r"y in partition \d must hold real numbers"):
        L2Regressor().fit(dd.from_pandas(table[["a"]], npartitions=3), words)


def test_package_is_imported_without_dask():
    code = "import robustreg, sys; assert not {'dask', 'distributed'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
