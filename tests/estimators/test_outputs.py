"""Several outputs: each is the fit to its column alone."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import NotFittedError

import robustreg
from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LTSRegressor,
    MMRegressor,
    QuantileRegressor,
    RobustRegressor,
    SRegressor,
)
from robustreg.export import to_sklearn
from robustreg.inference import summarize
from robustreg.losses import Pinball
from robustreg.model_selection import PathSearchCV
from robustreg.plotting import ResidualDisplay

N, P, K = 150, 3, 3
rng = np.random.default_rng(0)
X = rng.normal(size=(N, P)) * [1.0, 30.0, 1e-3] + [0.0, 50.0, 1.0]
Y = (
    X @ rng.normal(size=(P, K))
    + rng.standard_t(2, size=(N, K)) * [1.0, 1e3, 1e-4]
    + [0.0, 1e5, 3.0]
)
W = rng.integers(0, 3, size=N).astype(float)

MODELS = [
    L2Regressor(),
    L2Regressor(alpha=1.0, l1_ratio=0.5),
    HuberRegressor(),
    HuberRegressor(scale="proposal2", alpha=0.3),
    HuberRegressor(scale="mad"),
    HuberRegressor(scale=2.0, fit_intercept=False),
    L1Regressor(),
    L1Regressor(alpha=1.0),
    QuantileRegressor(quantile=0.3, alpha=0.0),
    QuantileRegressor(),
    RobustRegressor(loss="tukey"),
    RobustRegressor(loss=Pinball(0.2), alpha=0.1),
    SRegressor(n_starts=20),
    MMRegressor(),
    MMRegressor(method="smdm", loss="lqq"),
    LTSRegressor(n_starts=50),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=str)


def fitted_attributes(model):
    return {k: v for k, v in vars(model).items() if k.endswith("_") and not k.startswith("_")}


@pytest.mark.filterwarnings("ignore:.*found from one start only")
@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
@each_model
def test_every_output_is_the_fit_to_its_column(model, weight):
    many = clone(model).fit(X, Y, weight)
    singles = [clone(model).fit(X, y, weight) for y in Y.T]
    assert many.coef_.shape == (K, P)
    assert many.intercept_.shape == (K,)
    assert many.n_iter_ == max(one.n_iter_ for one in singles)
    assert many.optimality_ == max(one.optimality_ for one in singles)
    for j, one in enumerate(singles):
        output = fitted_attributes(many.output(j))
        assert set(output) == set(fitted_attributes(one))
        for name, value in fitted_attributes(one).items():
            if name in ("n_iter_", "optimality_"):
                continue
            if not isinstance(value, np.ndarray):
                assert type(output[name]) is type(value)
            assert_allclose(output[name], value, rtol=1e-12, err_msg=name)
    predicted = many.predict(X)
    assert predicted.shape == (N, K)
    assert_allclose(predicted, np.column_stack([one.predict(X) for one in singles]), rtol=1e-12)
    assert many.score(X, Y, weight) == r2_score(Y, predicted, sample_weight=weight)


def test_attributes_of_rows_have_a_column_for_each_output():
    model = HuberRegressor().fit(X, Y)
    assert model.scale_.shape == model.delta_.shape == (K,)
    assert model.outliers_.shape == model.weights_.shape == (N, K)
    assert_array_equal(model.outliers(X, Y), model.outliers_)
    assert LTSRegressor().fit(X, Y).support_.shape == (N, K)


def test_as_many_samples_as_features_and_outputs():
    """No shape is taken for another one."""
    some = HuberRegressor(alpha=1.0, scale=1.0).fit(X[:3], Y[:3])
    for j, y in enumerate(Y[:3].T):
        one = HuberRegressor(alpha=1.0, scale=1.0).fit(X[:3], y)
        assert_array_equal(some.output(j).weights_, one.weights_)
        assert_allclose(some.output(j).coef_, one.coef_, rtol=1e-12)


@pytest.mark.parametrize("make", [sp.csr_array, pd.DataFrame, np.float32], ids=lambda f: f.__name__)
def test_kinds_of_X(make):
    model = HuberRegressor().fit(make(X), Y)
    one = HuberRegressor().fit(make(X), Y[:, 1])
    assert_allclose(model.coef_[1], one.coef_, rtol=1e-12)
    assert_allclose(model.predict(make(X))[:, 1], one.predict(make(X)), rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, np.ndarray.tolist, lambda Y: Y.astype(object)],
    ids=["frame", "list", "objects"],
)
def test_kinds_of_y(make):
    assert_array_equal(L2Regressor().fit(X, make(Y)).coef_, L2Regressor().fit(X, Y).coef_)


def test_one_column_stays_a_column():
    model = L2Regressor().fit(X, Y[:, :1])
    assert model.coef_.shape == (1, P)
    assert model.predict(X).shape == (N, 1)
    with pytest.warns(DataConversionWarning):  # of an estimator without the tag
        assert LTSRegressor().fit(X, Y[:, :1]).coef_.shape == (P,)


def test_warm_start_and_another_number_of_outputs():
    model = HuberRegressor(warm_start=True).fit(X, Y)
    cold, coef = model.n_iter_, model.coef_
    assert model.fit(X, Y).n_iter_ < cold
    assert_allclose(model.coef_, coef, rtol=1e-6)
    assert model.fit(X, Y[:, :2]).coef_.shape == (2, P)
    assert model.fit(X, Y[:, 0]).coef_.shape == (P,)
    assert model.outliers_.shape == (N,)
    assert model.fit(X, Y).coef_.shape == (K, P)


def test_warnings_name_the_output():
    with pytest.warns(ConvergenceWarning) as told:
        HuberRegressor(max_iter=1).fit(X, Y)
    assert len(told) == K
    for j, one in enumerate(told):
        assert str(one.message).startswith(f"HuberRegressor (output {j}) stopped")
        assert one.filename == __file__


class Count:
    """A callback that counts the outputs it is told of, and looks at predictions."""

    def __init__(self):
        self.shapes = []

    def setup(self, *args, **kwargs):
        pass

    def teardown(self, *args, **kwargs):
        pass

    def on_fit_task_begin(self, *args, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.shapes.append(fitted_estimator.predict(X).shape)


def test_callbacks_hear_of_each_output():
    pytest.importorskip("sklearn.callback")
    count = Count()
    HuberRegressor().set_callbacks(count).fit(X, Y)
    assert count.shapes == [(N, K)] * (K + 1)


# Joint scale


@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
def test_joint_scale_is_that_of_all_outputs_in_one_fit(weight):
    """All columns below each other, each with coefficients of its own, are one regression."""
    Z = X @ rng.normal(size=(P, K)) + rng.standard_t(2, size=(N, K))
    model = HuberRegressor(joint_scale=True).fit(X, Z, weight)
    stacked = np.kron(np.eye(K), np.column_stack([X, np.ones(N)]))
    weights = None if weight is None else np.tile(weight, K)
    whole = HuberRegressor(fit_intercept=False).fit(stacked, Z.T.ravel(), weights)
    assert_allclose(model.scale_, whole.scale_, rtol=1e-9)
    assert_allclose(
        np.column_stack([model.coef_, model.intercept_]).ravel(), whole.coef_, rtol=1e-7
    )
    assert_array_equal(model.outliers_, whole.outliers_.reshape(K, N).T)


def test_joint_scale_of_exact_fits():
    Z = X @ rng.normal(size=(P, K))
    Z[::5] += 1.0
    model = HuberRegressor(joint_scale=True).fit(X, Z)
    assert_array_equal(model.scale_, 0.0)
    assert_array_equal(model.outliers_, np.arange(N)[:, None] % 5 == [0] * K)


def test_joint_scale_of_a_number_or_of_one_output_changes_nothing():
    for settings in ({"scale": 2.0}, {"scale": "l1"}):
        y = Y if settings["scale"] == 2.0 else Y[:, 0]
        joint = HuberRegressor(joint_scale=True, **settings).fit(X, y)
        assert_array_equal(joint.coef_, HuberRegressor(**settings).fit(X, y).coef_)


def test_joint_scale_needs_the_scale_of_the_L1_fit():
    with pytest.raises(ValueError, match=r"'joint_scale'.*scale is 'l1' or a number"):
        HuberRegressor(joint_scale=True, scale="proposal2").fit(X, Y)


# Quantiles

QUANTILES = [0.9, 0.1, 0.5]


def test_every_quantile_is_the_fit_to_it():
    model = QuantileRegressor(quantile=QUANTILES, alpha=0.0).fit(X, Y[:, 0], W)
    for j, quantile in enumerate(QUANTILES):
        one = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, Y[:, 0], W)
        assert_allclose(model.coef_[j], one.coef_, rtol=1e-12)
        assert_allclose(model.intercept_[j], one.intercept_, rtol=1e-12)
        assert model.output(j).quantile == quantile
        assert_allclose(model.output(j).predict(X), one.predict(X), rtol=1e-12)
    assert not hasattr(model, "scale_")
    mean = np.mean([model.output(j).score(X, Y[:, 0]) for j in range(3)])
    assert_allclose(model.score(X, Y[:, 0]), mean, rtol=1e-12)


def test_rearranged_quantiles_do_not_cross():
    model = QuantileRegressor(quantile=QUANTILES, alpha=0.0).fit(X[:20], Y[:20, 0])
    rows = np.concatenate([X[:20], 10 * X])
    plain = model.predict(rows)
    order = np.argsort(QUANTILES)
    assert (np.diff(plain[:, order], axis=1) < 0).any()
    found = model.set_params(rearrange=True).predict(rows)
    assert (np.diff(found[:, order], axis=1) >= 0).all()
    assert_array_equal(np.sort(found, axis=1), np.sort(plain, axis=1))
    # of a sample whose curves do not cross nothing is changed
    good = (np.diff(plain[:, order], axis=1) >= 0).all(axis=1)
    assert good.any()
    assert_array_equal(found[good], plain[good])


def test_rearranging_leaves_several_outputs_alone():
    plain = QuantileRegressor(quantile=0.4).fit(X, Y)
    found = QuantileRegressor(quantile=0.4, rearrange=True).fit(X, Y)
    assert_array_equal(found.predict(X), plain.predict(X))


def test_a_search_over_fits_of_several():
    grid = {"alpha": [0.1, 10.0]}
    for model, y in ((HuberRegressor(), Y), (QuantileRegressor(quantile=[0.1, 0.9]), Y[:, 0])):
        mine = PathSearchCV(model, grid, cv=3).fit(X, y)
        theirs = GridSearchCV(model, grid, cv=3).fit(X, y)
        assert_allclose(
            mine.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-9
        )


@pytest.mark.parametrize("quantile", [[], [0.0, 0.5], [[0.1]], ["a"], [0.1, None]], ids=str)
def test_vectors_that_are_no_quantiles(quantile):
    with pytest.raises(ValueError, match=r"'quantile'.*or a vector of such"):
        QuantileRegressor(quantile=quantile).fit(X, Y[:, 0])


def test_several_quantiles_of_several_outputs_are_refused():
    with pytest.raises(ValueError, match="y has two dimensions and quantile is a vector"):
        QuantileRegressor(quantile=[0.1, 0.9]).fit(X, Y)


# What serves one output


def test_single_outputs_for_inference_and_plots():
    model = MMRegressor().fit(X, Y)
    one = MMRegressor().fit(X, Y[:, 1])
    table = summarize(model.output(1), X, Y[:, 1]).table
    assert_allclose(table, summarize(one, X, Y[:, 1]).table, rtol=1e-12)
    with pytest.raises(ValueError, match=r"model\.output\(j\)"):
        ResidualDisplay.from_estimator(model, X, Y)
    with pytest.raises(ValueError, match="fitted to a single output"):
        one.output(0)
    with pytest.raises(IndexError):
        model.output(K)
    with pytest.raises(NotFittedError):
        MMRegressor().output(0)


def test_the_twin_in_scikit_learn():
    model = HuberRegressor().fit(X, Y)
    assert_allclose(to_sklearn(model).predict(X), model.predict(X), rtol=1e-12)
    band = QuantileRegressor(quantile=[0.1, 0.9], rearrange=True).fit(X, Y[:, 0])
    with pytest.raises(TypeError, match="rearrange=False"):
        to_sklearn(band)


REFUSED = {
    "missing": (np.where(Y > Y.mean(), np.nan, Y), "Input y contains NaN"),
    "sparse": (sp.csr_array(Y), "y is a sparse matrix: pass y.toarray"),
    "three axes": (Y[:, :, None], "dim 3"),
    "no columns": (Y[:, :0], "y has no columns"),
    "fewer rows": (Y[:-1], "inconsistent numbers of samples"),
    "complex": (Y + 1j, "[Cc]omplex"),
    "masked": (np.ma.masked_less(Y, 0.0), "y is a masked array"),
    "text": (np.full(Y.shape, "a"), "y|string"),
    "dates": (
        pd.DataFrame({"a": pd.date_range("2020", periods=N), "b": 0.0}),
        "'a' of y holds dates",
    ),
    "tiny": (Y * 1e-300, "too small for floating point"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        HuberRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (
            "HuberRegressorCV",
            r"y should be a 1d array.*MultiOutputRegressor\(HuberRegressorCV\(\)\)",
        ),
        ("MarginRanker", "y should be a 1d array.*Fit one model for each column of y"),
        ("LinearEmbedding", "y should be a 1d array.*Fit one model for each column of y"),
        ("HingeClassifier", r"MultiOutputClassifier\(HingeClassifier\(\)\)"),
        ("DiceClassifier", r"MultiOutputClassifier\(DiceClassifier\(\)\)"),
    ],
)
def test_who_serves_one_output_names_the_way(name, way):
    with pytest.raises(ValueError, match=way):
        getattr(robustreg, name)().fit(X, (Y > np.median(Y, axis=0)).astype(int))
