"""Arrays of other namespaces: fitted and answered as NumPy's, in their own kind, or refused by name."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import robustreg
from robustreg import (
    HuberRegressor,
    HuberRegressorCV,
    KLRegressor,
    L2Regressor,
    LinearEmbedding,
    LogisticClassifier,
    MarginRanker,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
)
from robustreg.inference import summarize
from robustreg.model_selection import PathSearchCV, huber_path

N, P = 120, 3
RNG = np.random.default_rng(7)
X = RNG.normal(size=(N, P))
Y = X @ [1.0, -2.0, 0.0] + RNG.standard_t(3, size=N)
CLASSES = np.digitize(Y, [-1.0, 1.0])
WEIGHT = RNG.uniform(0.5, 2.0, size=N)
SHARES = RNG.dirichlet(np.ones(3), size=N)
ESTIMATORS = [
    kind()
    for kind in (getattr(robustreg, name) for name in robustreg.__all__)
    if isinstance(kind, type) and issubclass(kind, BaseEstimator)
]
LOSSES = [
    RobustRegressor(loss=loss)
    for loss in (
        "squared",
        "absolute",
        "pseudo_huber",
        "log_cosh",
        "fair",
        "tukey",
        "cauchy",
        "lqq",
    )
] + [RobustClassifier(loss=loss) for loss in ("logistic", "focal", "hinge", "squared_hinge")]
METHODS = ("predict", "decision_function", "predict_proba", "predict_log_proba", "transform")


@pytest.fixture(params=["array_api_strict", "torch"])
def xp(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an installed namespace, while scikit-learn dispatches by namespaces."""
    found = pytest.importorskip(request.param)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    try:
        context = sklearn.config_context(array_api_dispatch=True)
        context.__enter__()
    except ImportError as error:
        pytest.skip(str(error))  # SciPy before 1.14
    request.addfinalizer(lambda: context.__exit__(None, None, None))
    return found


def of(xp: Any, values: np.ndarray) -> Any:
    return xp.asarray(np.array(values))


def library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def target_of(model: Any) -> np.ndarray:
    if isinstance(model, KLRegressor):
        return SHARES
    if type(model).__name__ == "DiceClassifier":
        return (Y > 0).astype(int)
    if is_classifier(model) or isinstance(model, LinearEmbedding):
        return CLASSES
    return CLASSES.astype(float) if isinstance(model, MarginRanker) else Y


def arrays(model: Any) -> dict[str, np.ndarray]:
    return {
        name: value
        for name, value in vars(model).items()
        if name.endswith("_") and isinstance(value, np.ndarray)
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [*ESTIMATORS, *LOSSES], ids=repr)
def test_fits_and_answers_have_the_bits_of_numpy(model: Any, xp: Any) -> None:
    y = target_of(model)
    plain = clone(model).fit(X, y, sample_weight=WEIGHT)
    found = clone(model).fit(of(xp, X), of(xp, y), sample_weight=of(xp, WEIGHT))
    expected = arrays(plain)
    assert expected
    for method in METHODS:
        if hasattr(plain, method):
            expected[method] = getattr(plain, method)(X)
    for name, value in expected.items():
        answer = getattr(found, name)
        answer = answer(of(xp, X)) if callable(answer) else answer
        assert library(answer) == xp.__name__, name
        np.testing.assert_array_equal(np.asarray(answer), value, err_msg=name)
    if hasattr(plain, "score"):
        assert found.score(of(xp, X), of(xp, y)) == pytest.approx(plain.score(X, y), rel=1e-12)


def test_single_precision_integers_and_gradients(xp: Any) -> None:
    whole = np.round(10 * X).astype(np.int64)
    for values in (X.astype(np.float32), whole):
        plain = HuberRegressor().fit(values, Y)
        found = HuberRegressor().fit(of(xp, values), of(xp, Y))
        assert found.coef_.dtype == xp.float64
        np.testing.assert_array_equal(np.asarray(found.coef_), plain.coef_)
    if xp.__name__ == "torch":
        part = of(xp, X).requires_grad_()
        assert not HuberRegressor().fit(part, Y).predict(part).requires_grad


def test_answers_do_not_share_memory_with_x_and_leave_it_alone(xp: Any) -> None:
    given = of(xp, X)
    model = L2Regressor().fit(given, of(xp, Y))
    np.testing.assert_array_equal(np.asarray(given), X)
    small = len(pickle.dumps(model))
    many = L2Regressor().fit(of(xp, np.tile(X, (200, 1))), of(xp, np.tile(Y, 200)))
    assert len(pickle.dumps(many)) < small + 1000
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        np.asarray(again.predict(given)), np.asarray(model.predict(given))
    )


def test_y_and_weights_of_another_kind_than_x(xp: Any) -> None:
    plain = HuberRegressor().fit(X, Y, WEIGHT)
    for y, weight in ((Y, WEIGHT), (list(Y), of(xp, WEIGHT)), (of(xp, Y), WEIGHT)):
        found = HuberRegressor().fit(X=of(xp, X), y=y, sample_weight=weight)
        np.testing.assert_array_equal(np.asarray(found.coef_), plain.coef_)
    beside = HuberRegressor().fit(X, of(xp, Y), WEIGHT)
    assert library(beside.coef_) == "numpy"
    text = np.where(Y > 0, "yes", "no")
    answer = LogisticClassifier().fit(of(xp, X), text).predict(of(xp, X))
    np.testing.assert_array_equal(answer, LogisticClassifier().fit(X, text).predict(X))


def test_several_outputs_and_quantiles(xp: Any) -> None:
    both = np.column_stack([Y, -Y])
    found = L2Regressor().fit(of(xp, X), of(xp, both))
    assert tuple(found.coef_.shape) == (2, P)
    bands = QuantileRegressor(quantile=[0.1, 0.9], alpha=0.0).fit(of(xp, X), of(xp, Y))
    plain = QuantileRegressor(quantile=[0.1, 0.9], alpha=0.0).fit(X, Y)
    np.testing.assert_array_equal(np.asarray(bands.predict(of(xp, X))), plain.predict(X))


def test_warm_starts_go_from_one_kind_to_another(xp: Any) -> None:
    model = HuberRegressor(warm_start=True).fit(of(xp, X), of(xp, Y))
    assert model.fit(of(xp, X), of(xp, Y)).n_iter_ <= 1
    assert library(model.fit(X, Y).coef_) == "numpy"
    assert library(model.predict(X)) == "numpy"


def test_searches_pipelines_and_inference(xp: Any) -> None:
    rows, y = of(xp, X), of(xp, Y)
    expected = cross_val_score(HuberRegressor(), X, Y)
    np.testing.assert_allclose(cross_val_score(HuberRegressor(), rows, y), expected, rtol=1e-12)
    pipe = make_pipeline(MaxAbsScaler(), HuberRegressor())
    found = clone(pipe).fit(rows, y).predict(rows)
    assert library(found) == xp.__name__
    np.testing.assert_allclose(np.asarray(found), clone(pipe).fit(X, Y).predict(X), rtol=1e-9)
    grid = {"alpha": [0.1, 10.0]}
    for search in (GridSearchCV, PathSearchCV):
        best, plain = (search(HuberRegressor(), grid).fit(*data) for data in ((rows, y), (X, Y)))
        assert best.best_params_ == plain.best_params_
        np.testing.assert_array_equal(
            np.asarray(best.best_estimator_.coef_), plain.best_estimator_.coef_
        )
    np.testing.assert_array_equal(huber_path(rows, y)[1], huber_path(X, Y)[1])
    model, plain = HuberRegressor().fit(rows, y), HuberRegressor().fit(X, Y)
    found = summarize(model, rows, y).covariance
    np.testing.assert_array_equal(np.asarray(found), np.asarray(summarize(plain, X, Y).covariance))
    assert library(model.coef_) == xp.__name__


def test_predictions_of_another_kind_than_the_fit_are_refused(xp: Any) -> None:
    model = HuberRegressor().fit(of(xp, X), of(xp, Y))
    with pytest.raises(
        ValueError, match=f"X is of NumPy, and HuberRegressor was fitted to .*{xp.__name__}"
    ):
        model.predict(X)
    answer = HuberRegressor().fit(X, Y).predict(of(xp, X))
    assert library(answer) == xp.__name__


def test_without_dispatch_answers_are_those_of_numpy(xp: Any) -> None:
    with sklearn.config_context(array_api_dispatch=False):
        model = HuberRegressor().fit(of(xp, X), of(xp, Y))
        assert library(model.coef_) == library(model.predict(of(xp, X))) == "numpy"
        np.testing.assert_array_equal(model.coef_, HuberRegressor().fit(X, Y).coef_)


def test_wrong_arguments_keep_their_errors(xp: Any) -> None:
    rows, y = of(xp, X), of(xp, Y)
    with pytest.raises(TypeError, match="positional arguments"):
        HuberRegressor().fit(rows, y).predict(rows, y, y, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        HuberRegressor().fit(of(xp, np.full_like(X, np.nan)), y)
    with pytest.raises(ValueError, match="Expected 2D array"):
        HuberRegressor().fit(y, y)


@pytest.mark.parametrize("dispatch", [True, False])
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_arrays_on_another_device_are_refused_by_name(name: str, dispatch: bool, xp: Any) -> None:
    device = "meta" if xp.__name__ == "torch" else xp.Device("device1")
    data = {"X": of(xp, X), "y": of(xp, Y), "sample_weight": of(xp, WEIGHT)}
    data[name] = xp.asarray(data[name], device=device)
    with (
        sklearn.config_context(array_api_dispatch=dispatch),
        pytest.raises(
            ValueError, match=f"^{name} is an array of {xp.__name__} on .*nothing is copied"
        ),
    ):
        HuberRegressorCV().fit(**data)


def test_memory_that_dlpack_calls_that_of_a_device_is_refused(xp: Any, monkeypatch: Any) -> None:
    rows = of(xp, X)
    monkeypatch.setattr(type(rows), "__dlpack_device__", lambda _: (2, 0))  # CUDA
    with pytest.raises(
        TypeError, match=r"^X is an array of .* which is not in the memory of this process"
    ):
        HuberRegressorCV().fit(rows, Y)


def test_types_and_layouts_that_numpy_lacks_are_refused(xp: Any) -> None:
    if xp.__name__ != "torch":
        pytest.skip("only PyTorch has them")
    for rows in (of(xp, X).bfloat16(), of(xp, X).to_sparse()):
        with pytest.raises(
            ValueError, match=r"^X is an array of torch on cpu, .*float64 or float32"
        ):
            HuberRegressor().fit(rows, Y)


def test_scikit_learn_s_own_check(xp: Any) -> None:
    checks = import_module("sklearn.utils.estimator_checks")
    for model in (HuberRegressor(), LogisticClassifier(), LinearEmbedding()):
        checks.check_array_api_input_and_values(
            type(model).__name__, model, xp.__name__, dtype_name="float64"
        )
