"""Files that are mapped into memory: the fits of arrays, in little memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LTSRegressor,
    RobustRegressor,
    remote,
)
from robustreg.estimators import _remote_fit
from robustreg.tables import _base, _open
from tests.tables._data import LABELS, MODELS, WEIGHT, N, P, X, Y


@pytest.fixture
def little(monkeypatch):
    """Let so few samples be many, and so little be read and fetched, that everything takes several rounds."""
    monkeypatch.setattr(_remote_fit, "MAPPED", 1000)
    monkeypatch.setattr(_open, "MAPPED", 8 * P * 170)
    monkeypatch.setattr(remote, "TAKE_BYTES", 30_000)


@pytest.fixture
def passes(monkeypatch):
    """Return a list that grows with each pass over the parts of a table."""
    found = []
    reduce = _base.Local.reduce
    monkeypatch.setattr(_base.Local, "reduce", lambda *args: found.append(1) or reduce(*args))
    return found


def mapped(folder, values, order="C", name="X"):
    """Return an array that is read from a file as it is needed."""
    file = folder / f"{name}.npy"
    np.save(file, np.asarray(values, order=order))
    return np.load(file, mmap_mode="r")


def tied(model):
    """Return how many rows have two best classes, but for rounding, as those on the margins of both."""
    if not hasattr(model, "decision_function"):
        return 0
    scores = model.decision_function(X)
    scores = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    others, best = np.sort(scores, axis=1)[:, -2:].T
    return np.count_nonzero(best - others <= 1e-8)


@pytest.mark.parametrize(("model", "y"), MODELS, ids=lambda one: repr(one)[:40])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_fits_are_those_of_arrays(model, y, weight, tmp_path, little, passes):
    model = clone(model).set_params(tol=1e-11)
    here = clone(model).fit(X, y, sample_weight=weight)
    assert not passes
    found = clone(model).fit(mapped(tmp_path, X), y, sample_weight=weight)
    assert passes
    assert found.optimality_ <= 1e-11
    assert_allclose(found.coef_, here.coef_, atol=1e-8 * np.abs(here.coef_).max())
    for name in ("scale_", "weights_"):
        if hasattr(here, name):
            assert_allclose(getattr(found, name), getattr(here, name), rtol=1e-7, atol=1e-7)
    for name in ("outliers_", "classes_"):
        if hasattr(here, name):
            assert_array_equal(getattr(found, name), getattr(here, name))
    assert found.score(X, y) == pytest.approx(here.score(X, y), abs=(0.5 + tied(here)) / N)


@pytest.mark.parametrize(("dtype", "order"), [("f4", "C"), ("f8", "F"), (">f8", "C"), ("i4", "C")])
def test_types_and_orders_of_files(dtype, order, tmp_path, little):
    values = np.round(X * 10).astype(dtype)
    rows = mapped(tmp_path, values, order)
    found, here = (
        HuberRegressor(tol=1e-11).fit(data, Y) for data in (rows, np.asarray(values, "f8"))
    )
    assert_allclose(found.coef_, here.coef_, atol=1e-8 * np.abs(here.coef_).max())
    assert_array_equal(found.outliers_, here.outliers_)


@pytest.mark.parametrize("model", [HuberRegressor(scale="mad"), RobustRegressor(loss="tukey"),
                                   RobustRegressor(alpha=1.0, penalty="mcp"), LTSRegressor()], ids=repr)  # fmt: skip
def test_what_needs_all_samples_is_fitted_as_an_array_is(model, tmp_path, little, passes):
    found = clone(model).fit(mapped(tmp_path, X), Y)
    assert not passes
    assert_array_equal(found.coef_, clone(model).fit(X, Y).coef_)


@pytest.mark.parametrize(
    "weight", [2.0, np.where(np.arange(N) % 2, WEIGHT, 0.0)], ids=["one", "zeros"]
)
def test_weights_that_would_copy_X_are_left_to_the_fit_of_arrays(weight, tmp_path, little, passes):
    found = HuberRegressor().fit(mapped(tmp_path, X), Y, weight)
    assert not passes
    assert_array_equal(found.coef_, HuberRegressor().fit(X, Y, weight).coef_)


def test_a_fit_starts_from_the_last_one(tmp_path, little):
    rows = mapped(tmp_path, X)
    model = HuberRegressor(warm_start=True).fit(rows, Y)
    before = model.n_iter_
    assert model.fit(rows, Y).n_iter_ < before
    assert_array_equal(model.fit(X[:500], Y[:500]).outliers_.shape, (500,))


def test_values_that_no_fit_takes_are_refused_as_in_memory(tmp_path, little):
    for value, kind in ((np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")):
        bad = X.copy()
        bad[1234, 1] = value
        with pytest.raises(
            ValueError, match=f"Input X contains {kind} in the samples from 1190 on, column 1"
        ):
            L1Regressor().fit(mapped(tmp_path, bad), Y)
        y = Y.copy()
        y[5] = value
        with pytest.raises(
            ValueError, match="Input y contains NaN or infinity of the samples from 0 on"
        ):
            L1Regressor().fit(mapped(tmp_path, X), y)
        weight = WEIGHT.copy()
        weight[5] = value
        with pytest.raises(ValueError, match="sample_weight"):
            L1Regressor().fit(mapped(tmp_path, X), Y, weight)
    rows = mapped(tmp_path, X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        L1Regressor().fit(rows, Y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        L1Regressor().fit(rows, Y, WEIGHT[:-1])
    with pytest.raises(ValueError, match=r"text|number|string"):
        L1Regressor().fit(rows, LABELS)
    with pytest.raises(ValueError, match="epsilon"):
        HuberRegressor(epsilon=-1).fit(rows, Y)


def after(monkeypatch, count, change):
    """Call a function after so many passes over the parts of a table."""
    made, reduce = [], _base.Local.reduce

    def counted(*args):
        found = reduce(*args)
        made.append(1)
        if len(made) == count:
            change()
        return found

    monkeypatch.setattr(_base.Local, "reduce", counted)
    return made


@pytest.mark.parametrize("name", ["X", "y", "weight"])
def test_a_file_that_is_written_during_a_fit_is_an_error(name, tmp_path, little, monkeypatch):
    values = {"X": X, "y": Y, "weight": WEIGHT}
    rows = {key: mapped(tmp_path, one, name=key) for key, one in values.items()}
    file = tmp_path / f"{name}.npy"
    os.utime(file, ns=(1, 1))  # clocks of file systems tick some hundred times a second

    def write():
        with file.open("r+b") as opened:
            opened.seek(-8, os.SEEK_END)
            opened.write(np.float64(3.0).tobytes())

    made = after(monkeypatch, 2, write)
    with pytest.raises(RuntimeError, match=rf"{name}\.npy has changed since it was opened"):
        L2Regressor().fit(rows["X"], rows["y"], rows["weight"])
    assert len(made) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there a file that is mapped cannot be removed")
@pytest.mark.parametrize("kind", ["removed", "replaced"])
def test_a_file_that_is_removed_or_replaced_is_fitted_as_it_was(
    kind, tmp_path, little, monkeypatch
):
    expected, rows = L2Regressor().fit(mapped(tmp_path, X), Y), mapped(tmp_path, X)
    mapped(tmp_path, -X, name="other")

    def change():
        if kind == "removed":
            (tmp_path / "X.npy").unlink()
        else:
            (tmp_path / "other.npy").replace(tmp_path / "X.npy")

    made = after(monkeypatch, 2, change)
    assert_array_equal(L2Regressor().fit(rows, Y).coef_, expected.coef_)
    assert len(made) > 2


def test_large_entries_are_no_infinities(tmp_path, little):
    big = X * [1e200, 1.0, 1e-200]
    found, here = (L2Regressor(tol=1e-11).fit(data, Y) for data in (mapped(tmp_path, big), big))
    assert_allclose(
        found.coef_ * [1e200, 1.0, 1e-200], here.coef_ * [1e200, 1.0, 1e-200], rtol=1e-8
    )


def test_sums_have_the_same_bits_on_any_number_of_threads(tmp_path, little, monkeypatch):
    rows = mapped(tmp_path, X)
    one = HuberRegressor().fit(rows, Y)
    monkeypatch.setattr(
        _base, "in_order", lambda function, items: [function(i) for i in list(items)[::-1]][::-1]
    )
    assert_array_equal(HuberRegressor().fit(rows, Y).coef_, one.coef_)


LIMITED = """
import resource, sys
import numpy as np
import robustreg
from robustreg.estimators import _remote_fit

file, name, passes = sys.argv[1:]
X = np.load(file, mmap_mode="r")
rng = np.random.default_rng(1)
y = rng.standard_t(2, size=len(X))
for start in range(0, len(X), 100_000):
    y[start : start + 100_000] += X[start : start + 100_000].sum(axis=1)
model = getattr(robustreg, name)()
if hasattr(model, "class_weight"):
    y = (y > 0).astype(float)
model.fit(np.array(X[:30_000]), y[:30_000])  # what is imported and kept is not counted
if passes == "no":
    _remote_fit.MAPPED = np.inf
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
vector = 8 * len(X)
resource.setrlimit(resource.RLIMIT_DATA, (used + 5 * vector, resource.RLIM_INFINITY))
try:
    model.fit(X, y)
except MemoryError:
    sys.exit(3)
assert model.optimality_ <= model.tol
assert np.abs(model.coef_ / model.coef_.mean() - 1).max() < 0.1
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return a file of 2,000,000 x 4."""
    file = tmp_path_factory.mktemp("mapped") / "X.npy"
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float64, shape=(2_000_000, 4))
    rng = np.random.default_rng(0)
    for start in range(0, len(rows), 100_000):
        rows[start : start + 100_000] = rng.normal(size=(100_000, 4))
    return file


def under_limit(file, name, passes):
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, "-c", LIMITED, str(file), name, passes]
    return subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the data of a process")
@pytest.mark.parametrize(
    "name",
    ["L2Regressor", "HuberRegressor", "L1Regressor", "HingeClassifier", "LogisticClassifier"],
)
def test_memory_of_a_fit_is_that_of_a_few_numbers_a_sample(name, large):
    """A limit of the operating system, five vectors above the start, of which `weights_` is one."""
    found = under_limit(large, name, "yes")
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the data of a process")
def test_the_limit_stops_a_fit_that_holds_all_samples(large):
    assert under_limit(large, "L1Regressor", "no").returncode == 3
