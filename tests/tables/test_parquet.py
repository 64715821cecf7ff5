"""Parquet files, some of a row group at a time."""

import os
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from robustreg import (
    DiceClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    MMRegressor,
    QuantileRegressor,
    Rows,
    remote,
)
from robustreg.tables import _parquet

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet

N, P = 6000, 3
FEATURES = list("abc")


def frame(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, P)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
    y = X @ [1.0, 0.2, 3.0] + rng.standard_t(2, size=n)
    label = np.where(y + rng.logistic(size=n) > 4, "high", "low")
    weight = rng.uniform(0, 2, size=n)
    weight[::9] = 0.0
    return pd.DataFrame(X, columns=FEATURES).assign(y=y, label=label, w=weight)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of files with several row groups, one of them empty."""
    table = frame()
    for k, (a, b) in enumerate([(0, 2500), (2500, 2500), (2500, 6000)]):
        table[a:b].to_parquet(tmp_path / f"part-{k}.parquet", row_group_size=1000, index=False)
    (tmp_path / "_metadata.parquet").write_bytes(b"no data")
    return tmp_path


@pytest.fixture
def little(monkeypatch):
    """Let so little be read at a time, and fetched, that everything takes several rounds."""
    monkeypatch.setattr(_parquet, "DECODED", 8 * 5 * 300)
    monkeypatch.setattr(remote, "TAKE_BYTES", 60_000)


MODELS = [
    (L2Regressor(), "y"),
    (HuberRegressor(), "y"),
    (HuberRegressor(scale="proposal2"), "y"),
    (MMRegressor(), "y"),
    (L1Regressor(), "y"),
    (QuantileRegressor(quantile=0.8, alpha=0.01), "y"),
    (LogisticClassifier(class_weight="balanced"), "label"),
    (HingeClassifier(), "label"),
]


@pytest.mark.parametrize(("model", "y"), MODELS, ids=lambda one: repr(one))
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("cached", [False, True])
def test_fit_is_that_in_memory(model, y, weight, cached, folder, little, tmp_path):
    table = frame()
    cache = tmp_path / "cache" if cached else None
    rows = Rows.from_parquet(folder, y=y, features=FEATURES, sample_weight=weight, cache=cache)
    assert rows.shape == (N, P)
    model = clone(model).set_params(tol=1e-11)
    counts = None if weight is None else table[weight]
    local = clone(model).fit(table[FEATURES], table[y], sample_weight=counts)
    found = clone(model).fit(rows)
    assert found.feature_names_in_.tolist() == FEATURES
    size = np.abs(local.coef_).max()
    assert_allclose(found.coef_, local.coef_, atol=1e-8 * size)
    if hasattr(local, "classes_"):
        assert_array_equal(found.classes_, local.classes_)
    expected = local.score(table[FEATURES], table[y], sample_weight=counts)
    assert found.score(rows) == pytest.approx(expected, abs=1e-3 if y == "label" else 1e-9)


def test_rows_are_prepared_once(folder, monkeypatch):
    rows = Rows.from_parquet(folder, y="y", features=FEATURES)
    HuberRegressor().fit(rows)
    opened = []
    real = _parquet.check_schema
    monkeypatch.setattr(_parquet, "check_schema", lambda *a: opened.append(a) or real(*a))
    for epsilon in (1.1, 2.0):
        HuberRegressor(epsilon=epsilon).fit(rows)
    assert not opened
    assert repr(rows) == f"<Rows: {N} x {P}>"


def test_columns_of_X_are_all_but_those_of_y_and_weights(folder):
    table = frame()[[*FEATURES, "y", "w"]]
    file = folder / "numbers.parquet"
    table.to_parquet(file, index=False)
    rows = Rows.from_parquet(file, y="y", sample_weight="w")
    assert rows.names == FEATURES
    with pytest.raises(ValueError, match="features must be different columns"):
        Rows.from_parquet(file, y="y", features=["a", "y"])


def test_types_of_columns(tmp_path):
    table = frame()[[*FEATURES, "y"]]
    table["a"] = (table["a"] > 0).astype(bool)
    table["b"] = table["b"].round().astype("int32")
    table["c"] = table["c"].astype("float32")
    table.to_parquet(tmp_path / "mixed.parquet", index=False)
    table[FEATURES].astype("float32").assign(y=table["y"]).to_parquet(tmp_path / "single.parquet")
    local = HuberRegressor().fit(table[FEATURES].astype(float), table["y"])
    for name in ("mixed", "single"):
        file = tmp_path / f"{name}.parquet"
        found = HuberRegressor().fit(Rows.from_parquet(file, y="y", features=FEATURES))
        assert_allclose(found.coef_, local.coef_, rtol=1e-6)


def changed(tmp_path, change, name="bad"):
    table = frame(n=2000)
    change(table)
    file = tmp_path / f"{name}.parquet"
    table.to_parquet(file, row_group_size=500, index=False)
    return file


def missing(table):
    table.loc[1600, "b"] = None


def infinite(table):
    table.loc[1600, "b"] = np.inf


def negative(table):
    table.loc[1600, "w"] = -1.0


def no_target(table):
    table.loc[1600, "y"] = np.inf


def text(table):
    table["b"] = "red"


def without(table):
    del table["b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (missing, r"Column 'b' holds missing values in row group 3 of .*bad.parquet"),
        (infinite, r"infinity in row group 3 of .*bad.parquet, column 'b'"),
        (negative, r"Negative values in sample_weight in row group 3 of .*bad.parquet"),
        (no_target, r"Input y contains NaN or infinity of the samples from"),
        (text, r"Column 'b' of .*bad.parquet holds .*string and must hold real numbers"),
        (without, r"bad.parquet has no column 'b'. It has 'a', 'c', 'y', 'label', 'w'"),
    ],
)
def test_what_is_no_data_is_named_with_its_file(change, message, tmp_path):
    file = changed(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        L2Regressor().fit(Rows.from_parquet(file, y="y", features=FEATURES, sample_weight="w"))


def test_label_that_is_missing_is_named_with_its_file(tmp_path):
    file = changed(
        tmp_path, lambda table: table.__setitem__("label", table["label"].where(table.index != 7))
    )
    with pytest.raises(ValueError, match="Column 'label' holds missing values in row group 0"):
        LogisticClassifier().fit(Rows.from_parquet(file, y="label", features=FEATURES))


def test_number_as_text_is_no_target(folder):
    rows = Rows.from_parquet(folder, y="label", features=FEATURES)
    with pytest.raises(ValueError, match="y of the samples from 0 on must hold real numbers"):
        L2Regressor().fit(rows)


def test_file_that_changes_between_fits_is_an_error(folder):
    rows = Rows.from_parquet(folder, y="y", features=FEATURES)
    L2Regressor().fit(rows)
    file = folder / "part-2.parquet"
    os.utime(file, ns=(1, 1))
    with pytest.raises(RuntimeError, match=r"part-2\.parquet has changed since it was opened"):
        L2Regressor().fit(rows)


def test_a_cache_that_is_written_again_is_an_error_for_rows_that_were_in_it(folder, tmp_path):
    rows = Rows.from_parquet(folder, y="y", features=FEATURES, cache=tmp_path / "cache")
    before = L2Regressor().fit(rows).coef_
    assert_array_equal(L2Regressor().fit(rows).coef_, before)
    for file in (tmp_path / "cache").iterdir():
        os.utime(file, ns=(1, 1))
    with pytest.raises(RuntimeError, match=r"\.npy has changed since it was opened"):
        L2Regressor().fit(rows)


def test_no_rows(tmp_path):
    with pytest.raises(FileNotFoundError, match="No Parquet file"):
        Rows.from_parquet(tmp_path, y="y")
    frame()[:0].to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="0 sample"):
        Rows.from_parquet(tmp_path, y="y", features=FEATURES)


def test_rows_are_passed_alone_and_to_what_serves_them(folder):
    rows = Rows.from_parquet(folder, y="y", features=FEATURES)
    model = L2Regressor().fit(rows)
    with pytest.raises(ValueError, match="pass them alone"):
        L2Regressor().fit(rows, np.zeros(N))
    with pytest.raises(TypeError, match="predict of L2Regressor needs its data here"):
        model.predict(rows)
    with pytest.raises(TypeError, match="<Rows: 6000 x 3>, which are not in this process"):
        DiceClassifier().fit(rows)
    other = Rows.from_parquet(folder, y="y", features=["a", "c"])
    with pytest.raises(ValueError, match="feature names"):
        model.score(other)
    shares = Rows.from_parquet(folder, y="y", features=FEATURES)
    with pytest.raises(ValueError, match="two columns or more"):
        KLRegressor().fit(shares)


def test_pyarrow_is_named_where_it_is_missing(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"robustreg\[parquet\]"):
        Rows.from_parquet(folder, y="y")


def test_memory_is_that_of_some_rows_of_a_group(tmp_path):
    """One row group of 40 MB: no more than a few batches of it are there at once."""
    rng = np.random.default_rng(0)
    file = tmp_path / "large.parquet"
    table = pa.table({f"x{j}": rng.normal(size=250_000) for j in range(20)})
    parquet.write_table(table, file, row_group_size=250_000)
    columns = _parquet.Columns(tuple(f"x{j}" for j in range(19)), "x19", None)
    sizes = [batch.num_rows for _, batch in _parquet.batches(str(file), columns)]
    assert sum(sizes) == 250_000
    assert max(sizes) * 20 * 8 <= _parquet.DECODED
