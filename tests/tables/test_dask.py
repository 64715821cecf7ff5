"""Collections of Dask: without a cluster, and on clusters of this machine."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

dask = pytest.importorskip("dask", reason="Dask is an optional dependency: extra `dask`")
distributed = pytest.importorskip("distributed", reason="comes with the extra `dask`")
import dask.array as da
import dask.dataframe as dd

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    MMRegressor,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
    Rows,
    remote,
)
from tests._pages import scripts

MODELS = [
    L2Regressor(alpha=1.0),
    HuberRegressor(scale=0.7),
    HuberRegressor(scale="proposal2"),
    RobustRegressor(loss="pseudo_huber", scale=0.5),
    HuberRegressor(),
    L1Regressor(alpha=2.0),
    QuantileRegressor(quantile=0.8, alpha=0.01),
]
each = pytest.mark.parametrize("model", MODELS, ids=repr)
N, P = 9000, 4
ROOT = Path(__file__).parents[2]
SIZES = (1, 0, 5000, 999, 3000)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 1.0, 100.0]
    y = X @ np.arange(1.0, P + 1) + 0.5 * rng.standard_t(2, size=N) + 3
    return X, y, rng.uniform(0.0, 2.0, size=N)


def arrays(X, y, *more):
    return (
        da.from_array(X, chunks=(SIZES, X.shape[1])),
        *(da.from_array(column, chunks=(SIZES,)) for column in (y, *more)),
    )


def frame(X, y, weight):
    table = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    return dd.from_pandas(table, npartitions=5)


def assert_same(model, local, rtol=1e-7):
    size = np.abs(local.coef_).max()
    assert_allclose(model.coef_, local.coef_, atol=rtol * size)
    assert_allclose(model.intercept_, local.intercept_, atol=100 * rtol * size)
    assert model.optimality_ <= model.tol


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


def test_search_over_arrays_of_known_lengths_is_that_in_memory():
    X, y, _ = rows()
    lazy, target = arrays(X, y)[:2]
    search = GridSearchCV(HuberRegressor(), {"epsilon": [1.1, 2.0]}, cv=3)
    here, found = (clone(search).fit(*data) for data in ((X, y), (lazy, target)))
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(found.cv_results_[name], here.cv_results_[name], rtol=1e-6)
    assert_same(found.best_estimator_, here.best_estimator_)
    with pytest.raises(TypeError, match=r"<Rows: 9000 x 4> cannot be divided.*Dask arrays"):
        clone(search).fit(Rows.from_dask(lazy, target))


def test_attribute_of_rows_names_the_method_that_answers():
    model = HuberRegressor(scale=0.7).fit(*arrays(*rows()[:2]))
    with pytest.raises(AttributeError, match=r"outliers\(X, y\)"):
        model.outliers_  # noqa: B018
    local = clone(model).fit(*rows()[:2])
    assert local.outliers_.any()
    assert model.fit(*rows()[:2]).outliers_.any()


@pytest.mark.parametrize(
    "model",
    [HuberRegressor(scale="mad"), DiceClassifier(), MMRegressor()],
    ids=repr,
)
def test_what_is_not_served_is_refused_by_name(model):
    X, y = arrays(*rows()[:2])
    with pytest.raises(TypeError, match="does not load them unasked"):
        model.fit(X, y > 0)


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


# --- On clusters ------------------------------------------------------------------------------


slow = pytest.mark.slow


@pytest.fixture
def cluster():
    """Return a function that starts so many worker processes, which end with the test."""
    started = []

    def start(n, threads=1):
        workers = distributed.LocalCluster(
            n_workers=n, threads_per_worker=threads, dashboard_address=None, processes=True
        )
        client = distributed.Client(workers)
        started.extend([client, workers])
        return client

    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    quiet = {
        "distributed.nanny.environ.PYTHONPATH": paths,
        "logging.distributed": "critical",
        "distributed.comm.timeouts.connect": "10s",
    }
    with dask.config.set(quiet):
        yield start
        for each in started:
            each.close(timeout=60)


def many(n=40_000, p=10, parts=16):
    X = da.random.default_rng(3).normal(size=(n, p), chunks=(n // parts, p))
    y = X.sum(axis=1) + da.random.default_rng(4).normal(size=n, chunks=n // parts)
    return X, y


pytestmark = pytest.mark.filterwarnings("default")  # Dask and its event loop warn of each other


@slow
def test_same_bits_on_any_number_of_workers(cluster):
    models, found = [HuberRegressor(scale="proposal2"), HuberRegressor(), L1Regressor()], []
    for n, threads in ((1, 2), (2, 1), (3, 1)):
        client = cluster(n, threads)
        fitted = [clone(model).fit(*arrays(*rows())) for model in models]
        found.append([np.append(model.coef_, model.intercept_) for model in fitted])
        client.close()
        client.cluster.close(timeout=60)
    for model in fitted:
        assert_same(model, clone(model).fit(*rows()))
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


@slow
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_worker_killed_during_a_fit_changes_no_bit(cluster, delay):
    client = cluster(2)
    X, y = many()
    X, y = client.persist([X, y])
    distributed.wait([X, y])
    model = HuberRegressor(tol=1e-12)
    before = model.fit(X, y).coef_
    pid = next(iter(client.run(os.getpid).values()))
    killer = threading.Timer(delay, os.kill, (pid, signal.SIGKILL))
    killer.start()
    start = time.monotonic()
    after = clone(model).fit(X, y).coef_
    assert time.monotonic() - start < 60
    killer.join()
    assert_array_equal(after, before)


@slow
def test_rows_that_a_lost_worker_held_and_that_come_out_otherwise_are_an_error(cluster):
    client = cluster(2)

    def anew():
        return np.random.default_rng().normal(size=(20_000, 3))

    parts = [dask.delayed(anew, pure=False)() for _ in range(4)]
    X = da.concatenate([da.from_delayed(part, (20_000, 3), float) for part in parts])
    X, y = client.persist((X, X.sum(axis=1)))
    held = Rows.from_dask(X, y)
    L2Regressor().fit(held)
    (holder, *_), *_ = client.who_has(X).values()
    os.kill(client.run(os.getpid)[holder], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="give random numbers a seed"):
        L2Regressor().fit(held)


@slow
def test_partitions_that_are_there_become_bundles_at_once_and_stay_the_user_s(cluster):
    client = cluster(2)
    model = HuberRegressor(scale="proposal2")
    lazy = many(parts=64)
    X, y = client.persist(lazy)
    weight = client.persist(da.ones(y.shape, chunks=y.chunks))
    distributed.wait([X, y, weight])
    table = Rows.from_dask(X, y)
    names = client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks)))
    assert sum("read_bundle" in name for name in names) == 2
    assert not any("Ready" in name for name in names)  # one for each partition
    expected = clone(model).fit(*lazy).coef_
    assert_array_equal(clone(model).fit(table).coef_, expected)
    assert_array_equal(clone(model).fit(X, y).coef_, expected)
    assert_allclose(clone(model).fit(X, y, weight).coef_, expected, rtol=1e-9)
    holed = X.copy()
    holed[-1, 2] = np.inf
    holed = client.persist(holed)
    with pytest.raises(ValueError, match="infinity in partition 63, column 2"):
        clone(model).fit(holed, y)
    minus = weight.copy()
    minus[0] = -1.0  # in one partition: of several the first worker to find one is heard
    with pytest.raises(ValueError, match="Negative values in sample_weight in partition 0"):
        clone(model).fit(X, y, client.persist(minus))
    assert float(X.sum().compute() + y.sum().compute()) != 0  # nobody has called them off
    assert all(future.status == "finished" for future in distributed.futures_of([X, y, weight]))


@slow
def test_rows_that_are_lost_for_good_end_a_fit_with_an_error(cluster):
    client = cluster(2)
    X, y, _ = rows()
    halves = [client.scatter(part, broadcast=False) for part in np.split(X, 2)]
    lazy = da.concatenate([da.from_delayed(half, (N // 2, P), float) for half in halves])
    target = da.from_array(y, chunks=N // 2)
    L2Regressor().fit(lazy, target)
    for worker in client.run(os.getpid).values():
        os.kill(worker, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises((RuntimeError, ValueError), match=r"lost|scatter"):
        L2Regressor().fit(lazy, target)
    assert time.monotonic() - start < 60


@slow
def test_recipe_of_the_guide_runs(tmp_path):
    (recipe,) = scripts("large_data")
    script = tmp_path / "recipe.py"
    script.write_text(recipe, "utf-8")
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=300, env=paths
    )
    coefficients, rest = found.stdout.splitlines()
    assert coefficients == str([1.0] * 10)
    assert rest.startswith("0.91 dask.array<")


@slow
def test_fit_leaves_nothing_on_the_cluster_and_sends_little(cluster):
    client = cluster(2)
    model = L2Regressor().fit(*many())
    deadline = time.monotonic() + 10
    while client.futures and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not client.futures
    assert len(pickle.dumps(model)) < 4000


def test_worker_with_another_version_is_refused_before_any_pass(cluster):
    client = cluster(1)

    def older():
        import robustreg

        robustreg.__version__ = "0.0.1"

    client.run(older)
    with pytest.raises(RuntimeError, match=r"must be installed on every worker.*0\.0\.1"):
        L2Regressor().fit(*many())


@slow
def test_cluster_without_workers_ends_a_fit_with_an_error(cluster, monkeypatch):
    monkeypatch.setattr("robustreg.tables._dask.LOOK", 0.5)
    client = cluster(1)
    X, y = many()
    client.cluster.scale(0)
    deadline = time.monotonic() + 30
    while client.scheduler_info(-1)["workers"] and time.monotonic() < deadline:
        time.sleep(0.1)
    with pytest.raises(RuntimeError, match="No Dask worker has been there for 3 seconds"):
        L2Regressor().fit(X, y)


@slow
def test_rows_whose_futures_are_cancelled_end_a_fit_with_an_error(cluster):
    client = cluster(1)
    X, y = client.persist(many())
    distributed.wait([X, y])
    client.cancel(X)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="pass a collection that Dask can compute again"):
        L2Regressor().fit(X, y)
    assert time.monotonic() - start < 60


@slow
def test_interrupt_calls_off_what_was_asked_for(cluster):
    client = cluster(1)

    def slowly(block):
        import time

        time.sleep(60)
        return block

    X, y, _ = arrays(*rows())
    X = X.map_blocks(slowly, dtype=float, meta=np.zeros((0, P)))
    # a process in the background of a shell ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            L2Regressor().fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 50
    deadline = time.monotonic() + 10
    while client.futures and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not client.futures
