"""Arrays on another device: products are computed there, and fits are those of NumPy's arrays."""

from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from robustreg import (
    DiceClassifier,
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LinearEmbedding,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
    device_rows,
    remote,
)
from robustreg._array import name_of, to_host
from robustreg.tables import _open
from tests.tables._data import LABELS, MODELS, WEIGHT, N, P, X, Y

#: rows of a part
ROWS = 170
CODES = np.unique(LABELS, return_inverse=True)[1]


class Device:
    """A device of a library that follows the array API standard."""

    def __init__(self, xp: Any, where: Any) -> None:
        self.xp, self.where = xp, where

    def __call__(self, values: Any) -> Any:
        """Return an array there; text stays NumPy's."""
        values = np.asarray(values)
        return (
            values
            if values.dtype.kind == "U"
            else self.xp.asarray(values.copy(), device=self.where)
        )


@pytest.fixture
def dispatch(request, monkeypatch):
    """Let scikit-learn dispatch by namespaces."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    try:
        context = sklearn.config_context(array_api_dispatch=True)
        context.__enter__()
    except ImportError as error:
        pytest.skip(str(error))  # SciPy before 1.14
    request.addfinalizer(lambda: context.__exit__(None, None, None))


@pytest.fixture(params=["array_api_strict", "torch", "cuda"])
def device(request, monkeypatch):
    """Return a device whose arrays NumPy does not read, while scikit-learn dispatches by namespaces.

    PyTorch's memory of this process is made to look like that of a GPU; where there is one, it is a case of its own.
    """
    xp = pytest.importorskip("torch" if request.param == "cuda" else request.param)
    request.getfixturevalue("dispatch")
    if request.param == "array_api_strict":
        return Device(xp, xp.Device("device1"))
    if request.param == "cuda":
        if not xp.cuda.is_available():
            pytest.skip("no CUDA device")
        return Device(xp, "cuda")
    monkeypatch.setattr(xp.Tensor, "__dlpack_device__", lambda _: (2, 0))
    return Device(xp, "cpu")


@pytest.fixture
def little(monkeypatch):
    """Let so little be looked at and fetched at once that everything takes several rounds."""
    monkeypatch.setattr(_open, "MAPPED", 8 * P * ROWS)
    monkeypatch.setattr(remote, "TAKE_BYTES", 30_000)
    monkeypatch.setattr(remote, "SAMPLE", 500)


@pytest.fixture
def brought(monkeypatch):
    """Return a list of the shapes of what products and rows on a device bring here."""
    shapes = []

    def bring(array):
        shapes.append(tuple(array.shape))
        return to_host(array)

    monkeypatch.setattr(device_rows, "to_host", bring)
    return shapes


def numpy_of(value: Any) -> Any:
    return value if isinstance(value, np.ndarray | float) else to_host(value)


@pytest.mark.parametrize(("model", "y"), MODELS, ids=lambda one: repr(one)[:40])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_fits_and_answers_are_those_of_arrays(model, y, weight, device, little, brought):
    model = clone(model).set_params(tol=1e-11)
    here = clone(model).fit(X, y, sample_weight=weight)
    rows, there = device(X), device(y)
    found = clone(model).fit(rows, there, None if weight is None else device(weight))
    assert found.optimality_ <= 1e-11
    # sums, a number for each sample and score, and the samples of the start and of the end: X stays where it is
    assert max(shape[0] for shape in brought) <= max(ROWS, remote.TAKE_BYTES // (8 * (P + 3)))
    if here.coef_.ndim == 1:
        # a search of so few samples takes all of them; what is as long as wide is a product of columns
        most = N + 501 if hasattr(model, "n_starts") else N
        assert 500 <= sum(shape[0] for shape in brought if shape[1:] == (P,) != shape[:1]) < most
    assert name_of(found.coef_) == name_of(rows)
    assert_allclose(numpy_of(found.coef_), here.coef_, atol=1e-8 * np.abs(here.coef_).max())
    if hasattr(here, "scale_"):
        assert found.scale_ == pytest.approx(here.scale_, rel=1e-7)
    for name in ("predict", "decision_function", "predict_proba"):
        if hasattr(here, name):
            answer, expected = getattr(found, name)(rows), getattr(here, name)(X)
            if expected.dtype.kind == "f":
                assert name_of(answer) == name_of(rows)
                assert_allclose(numpy_of(answer), expected, atol=1e-7 * np.abs(expected).max())
            else:
                assert np.mean(numpy_of(answer) != expected) <= 4 / N  # rows on a margin
    assert found.score(rows, there) == pytest.approx(here.score(X, y), abs=4 / N)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_other_types_are_computed_in_double_precision(dtype, fit_intercept, device, little):
    values = (X * 10 > [0, 50, 10] if dtype is bool else X * 10).astype(dtype)
    # of columns of two values the L1 fit need not be unique, nor then its scale
    scale = "proposal2" if dtype is bool else "l1"
    for model in (HuberRegressor(scale=scale, tol=1e-11), L2Regressor()):
        model.set_params(fit_intercept=fit_intercept)
        here = clone(model).fit(values.astype(float), Y)
        found = clone(model).fit(device(values), device(Y))
        assert found.optimality_ <= model.tol
        assert_allclose(numpy_of(found.coef_), here.coef_, atol=1e-8 * np.abs(here.coef_).max())
        assert numpy_of(found.predict(device(values))).dtype == np.float64


@pytest.mark.parametrize("change", ["far", "constant", "dependent", "tiny", "huge"])
@pytest.mark.parametrize(
    "model", [HuberRegressor(tol=1e-10), L2Regressor(), L1Regressor()], ids=repr
)
def test_hard_columns(change, model, device, little):
    rows = X.copy()
    if change == "far":
        rows[:, 0] += 1e7
    elif change == "constant":
        rows[:, 1] = 3.0
    elif change == "dependent":
        rows[:, 2] = rows[:, 0] - 2 * rows[:, 1]
    else:
        rows[:, 0] *= {"tiny": 1e-200, "huge": 1e200}[change]
    here, found = clone(model).fit(rows, Y), clone(model).fit(device(rows), device(Y))
    assert found.optimality_ <= model.tol
    size = np.abs(here.coef_) if change in ("tiny", "huge") else np.abs(here.coef_).max()
    assert np.all(np.abs(numpy_of(found.coef_) - here.coef_) <= 1e-6 * size)


def test_a_small_table_is_fetched_and_fitted_as_in_memory(device):
    found = HuberRegressor().fit(device(X), device(Y))
    here = HuberRegressor().fit(X, Y)
    assert_allclose(numpy_of(found.coef_), here.coef_, rtol=1e-9)
    assert abs(found.n_iter_ - here.n_iter_) <= 1


@pytest.mark.parametrize("size", ["little", "whole"])
def test_weights_of_zero_and_one_number_for_all(size, device, request):
    if size == "little":
        request.getfixturevalue("little")
    rows = device(X)
    half = np.where(np.arange(N) % 2, WEIGHT, 0.0)
    here = HuberRegressor(tol=1e-11).fit(X, Y, half)
    found = HuberRegressor(tol=1e-11).fit(rows, device(Y), device(half))
    assert_allclose(numpy_of(found.coef_), here.coef_, rtol=1e-8)
    here = HuberRegressor(alpha=3.0, tol=1e-11).fit(X, Y, 2.0)
    found = HuberRegressor(alpha=3.0, tol=1e-11).fit(rows, device(Y), 2.0)
    assert_allclose(numpy_of(found.coef_), here.coef_, rtol=1e-8)
    none = (CODES != 1).astype(float)  # a class without weight
    here = LogisticClassifier(tol=1e-11).fit(X, CODES, none)
    found = LogisticClassifier(tol=1e-11).fit(rows, device(CODES), device(none))
    assert_array_equal(numpy_of(found.classes_), here.classes_)
    assert_allclose(numpy_of(found.coef_), here.coef_, atol=1e-8 * np.abs(here.coef_).max())


def test_labels_may_be_text_and_several(device, little):
    found = LogisticClassifier().fit(device(X), LABELS)
    assert_array_equal(found.predict(device(X)), LogisticClassifier().fit(X, LABELS).predict(X))
    both = np.column_stack([Y > 4, X[:, 1] > 5]).astype(int)
    here = LogisticClassifier(tol=1e-11).fit(X, both)
    found = LogisticClassifier(tol=1e-11).fit(device(X), device(both))
    assert_allclose(numpy_of(found.coef_), here.coef_, atol=1e-8 * np.abs(here.coef_).max())


def test_outliers_of_rows_on_a_device_are_asked_for(device, little):
    here, found = HuberRegressor().fit(X, Y), HuberRegressor().fit(device(X), device(Y))
    with pytest.raises(AttributeError, match=r"model\.outliers\(X, y\)"):
        _ = found.outliers_
    answer = found.outliers(device(X), device(Y))
    assert name_of(answer) == name_of(device(X))
    assert_array_equal(numpy_of(answer), here.outliers_)
    exact = device(X @ [1.0, 2.0, 3.0])
    model = HuberRegressor().fit(X, X @ [1.0, 2.0, 3.0])
    assert not numpy_of(model.outliers(device(X), exact)).any()


def test_a_warm_start_takes_no_step(device, little):
    model = HuberRegressor(warm_start=True, scale="proposal2").fit(device(X), device(Y))
    assert model.fit(device(X), device(Y)).n_iter_ <= 1
    assert name_of(model.fit(X, Y).coef_) == "NumPy"


def test_scores_of_scikit_learn(device):
    expected = cross_val_score(HuberRegressor(), X, Y)
    found = cross_val_score(HuberRegressor(), device(X), device(Y))
    assert_allclose(found, expected, rtol=1e-9)


REFUSED = [
    (LinearEmbedding(), r"^X is an array of .* computed by NumPy"),
    (DiceClassifier(), r"^X is an array of .* DiceClassifier \(which needs all samples at once\)"),
    (HuberRegressor(scale="mad"), r"scale='mad', which needs all residuals many times"),
    (RobustRegressor(loss="tukey"), "Tukey loss is not convex"),
    (RobustRegressor(alpha=1.0, penalty="mcp"), "penalty that is not convex"),
    (QuantileRegressor(quantile=[0.1, 0.9]), "vector of quantiles"),
    (HingeClassifier(multi_class="crammer_singer"), "HingeClassifier"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=lambda one: repr(one)[:40])
def test_what_needs_all_samples_is_refused_by_name(model, message, device):
    y = device((Y > 4).astype(int) if isinstance(model, DiceClassifier) else CODES)
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(device(X), y)


def test_input_that_no_fit_takes_is_refused(device, little):
    rows, y = device(X), device(Y)
    wrong = X.copy()
    wrong[N // 2, 1] = np.nan
    cases: list[tuple[str, tuple[Any, ...]]] = [
        ("Input X contains NaN in the samples from", (device(wrong), y)),
        ("Expected 2D array, got 1D array", (y, y)),
        ("no sample or no feature", (rows[:0, :], y[:0])),
        ("inconsistent numbers of samples", (rows, y[:-1])),
        ("inconsistent numbers of samples", (rows, y, device(WEIGHT[:-1]))),
        ("0 sample\\(s\\) of positive weight", (rows, y, device(np.zeros(N)))),
        ("Negative values in sample_weight", (rows, y, device(-WEIGHT))),
        ("y contains NaN or infinity", (rows, device(np.where(Y > 4, np.nan, Y)))),
        ("fit one model for each column of y", (rows, device(np.column_stack([Y, Y])))),
    ]
    for message, data in cases:
        with pytest.raises(ValueError, match=message):
            HuberRegressor().fit(*data)
    model = HuberRegressor().fit(rows, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(device(wrong))
    with pytest.raises(ValueError, match="X has 2 features, but HuberRegressor is expecting 3"):
        model.predict(rows[:, :2])
    with pytest.raises(ValueError, match="X is of NumPy, and HuberRegressor was fitted to"):
        model.predict(X)


def test_without_dispatch_nothing_on_a_device_is_served(device):
    with (
        sklearn.config_context(array_api_dispatch=False),
        pytest.raises(
            (TypeError, ValueError), match=r"^X is .*nothing is copied .*array_api_dispatch"
        ),
    ):
        HuberRegressor().fit(device(X), device(Y))


def test_targets_on_a_device_beside_samples_in_this_process_are_refused(device):
    with pytest.raises((TypeError, ValueError), match=r"^y is an array of .*nothing is copied"):
        HuberRegressor().fit(X, device(Y))


def test_a_device_without_double_precision_is_refused(dispatch):
    xp = pytest.importorskip("array_api_strict")
    try:
        where = xp.Device("no_float64")
    except ValueError:
        pytest.skip("this version has no such device")
    rows = xp.asarray(X.astype(np.float32), device=where)
    with pytest.raises(ValueError, match=r"no_float64.*no double precision"):
        HuberRegressor().fit(rows, Y)
