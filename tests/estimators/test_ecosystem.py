"""On real tables, in the places where scikit-learn's users put an estimator."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone, is_regressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.datasets import load_coleman, load_engel, load_stackloss
from robustreg.losses import Huber, SmoothL1
from tests._reference import UNPENALISED

EVERY = [
    HuberRegressor(),
    L1Regressor(),
    L2Regressor(),
    QuantileRegressor(alpha=0.01),
    RobustRegressor(),
]
MODELS = pytest.mark.parametrize("model", EVERY, ids=lambda model: type(model).__name__)


@pytest.fixture(scope="module")
def diabetes():
    """Return a table of patients, the progress of every eleventh recorded wrongly."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y.copy()
    y.iloc[::11] *= 10
    return X, y


@MODELS
def test_pipeline(model, diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=True), clone(model))
    pipe.fit(X, y)
    assert pipe.predict(X).shape == y.shape
    assert pipe[-1].n_features_in_ == 66
    if not isinstance(model, L2Regressor):  # what the good rows say, not what the wrong ones say
        good = np.arange(len(y)) % 11 != 0
        assert pipe.score(X[good], y[good]) > 0.3


@MODELS
def test_cross_validation(model, diabetes):
    X, y = diabetes
    scores = cross_val_score(clone(model), X, y, scoring="neg_median_absolute_error", cv=4)
    assert scores.shape == (4,)
    assert np.all(scores > (-200 if isinstance(model, L2Regressor) else -80))
    assert is_regressor(model)
    assert cross_val_predict(clone(model), X, y, cv=3).shape == y.shape


def test_grid_over_epsilon_and_alpha(diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), HuberRegressor())
    grid = {
        "huberregressor__epsilon": [1.1, 1.345, 2.5, 50.0],
        "huberregressor__alpha": [0.0, 1.0, 100.0],
    }
    search = GridSearchCV(
        pipe, grid, scoring="neg_median_absolute_error", cv=KFold(4, shuffle=True, random_state=0)
    ).fit(X, y)
    # A threshold that lets the wrong rows in is the worst choice.
    table = pd.DataFrame(search.cv_results_)
    mean = table.groupby("param_huberregressor__epsilon")["mean_test_score"].mean()
    assert mean.idxmin() == 50.0
    assert search.best_params_["huberregressor__epsilon"] < 50.0
    best = search.best_estimator_[-1]
    assert best.delta_ == best.epsilon * best.scale_


def test_grid_over_losses_and_their_fields(diabetes):
    X, y = diabetes
    search = GridSearchCV(
        RobustRegressor(loss=Huber()),
        [
            {"loss": [Huber()], "loss__delta": [0.5, 1.345]},
            {"loss": [SmoothL1()], "loss__beta": [0.1, 1.0]},
            {"loss": ["absolute", "pseudo_huber"]},
        ],
        scoring="neg_median_absolute_error",
        cv=3,
    ).fit(X, y)
    tried = search.cv_results_["params"]
    # what was tried is recorded as it was, not as the last one left it
    assert [p["loss__delta"] for p in tried if "loss__delta" in p] == [0.5, 1.345]
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0


@pytest.mark.parametrize("name", UNPENALISED)
def test_clone_and_pickle(name, diabetes):
    X, y = diabetes
    model = clone(UNPENALISED[name]).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict(X), model.predict(X))
    assert copy.get_params() == model.get_params()
    again = clone(copy)
    assert not hasattr(again, "coef_")
    assert np.array_equal(again.fit(X, y).coef_, model.coef_)


def test_clone_does_not_share_its_loss():
    model = RobustRegressor(loss=Huber(2.0))
    copy = clone(model).set_params(loss__delta=5.0)
    assert (model.loss.delta, copy.loss.delta) == (2.0, 5.0)
    assert model.get_params()["loss__delta"] == 2.0


def test_representation_names_what_was_changed():
    assert repr(HuberRegressor(epsilon=2.0)) == "HuberRegressor(epsilon=2.0)"
    assert "delta=2.0" in repr(RobustRegressor(loss=Huber(2.0)))
    assert "HuberRegressor" in HuberRegressor()._repr_html_()


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output(output, diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), HuberRegressor()).set_output(transform=output)
    plain = make_pipeline(StandardScaler(), HuberRegressor()).fit(X, y)
    pipe.fit(X, y)
    assert_allclose(pipe[-1].coef_, plain[-1].coef_, rtol=1e-10)
    assert pipe[-1].feature_names_in_.tolist() == X.columns.tolist()


@MODELS
def test_feature_names(model):
    data = load_stackloss()
    X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    fitted = clone(model).fit(X, y)
    assert fitted.feature_names_in_.tolist() == ["air_flow", "water_temp", "acid_conc"]
    assert fitted.n_features_in_ == 3
    assert fitted.coef_.shape == (3,)
    assert isinstance(fitted.intercept_, float)
    assert not hasattr(clone(model).fit(X.to_numpy(), y), "feature_names_in_")


@MODELS
def test_frames_of_either_library(model):
    data = load_coleman()
    X, y = data.drop(columns="verbal_score"), data["verbal_score"]
    plain = clone(model).fit(X.to_numpy(), y.to_numpy())
    for frame, target in [
        (X, y),
        (pl.from_pandas(X), pl.from_pandas(y)),
        (X.astype("float64[pyarrow]"), y.astype("Float64")),
        (X.astype("float32").astype("float64"), y.to_frame()["verbal_score"]),
    ]:
        fitted = clone(model).fit(frame, target)
        # (one of them went through single precision)
        assert_allclose(fitted.coef_, plain.coef_, rtol=1e-3)
        assert fitted.feature_names_in_.tolist() == X.columns.tolist()
        assert fitted.predict(frame).shape == (20,)


def test_columns_of_a_mixed_table():
    data = load_engel().assign(quarter=np.resize(["north", "south", "east"], 235))
    columns = ColumnTransformer(
        [("place", OneHotEncoder(sparse_output=True), ["quarter"])], remainder="passthrough"
    )
    pipe = make_pipeline(columns, HuberRegressor(alpha=0.0))
    pipe.fit(data.drop(columns="food_expenditure"), data["food_expenditure"])
    # dummies of all levels and an intercept: the shortest coefficients add up to nothing
    assert abs(pipe[-1].coef_[:3].sum()) < 1e-6
    assert abs(pipe[-1].coef_[3] - 0.54) < 0.02


def test_weights_are_routed(diabetes):
    X, y = diabetes
    weight = np.where(np.arange(len(y)) % 11 == 0, 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = L2Regressor().set_fit_request(sample_weight=True)
        pipe = make_pipeline(scaler, model.set_score_request(sample_weight=True))
        score = pipe.fit(X, y, sample_weight=weight).score(X, y, sample_weight=weight)
        scorer = get_scorer("r2").set_score_request(sample_weight=True)
        search = GridSearchCV(pipe, {"l2regressor__alpha": [0.0, 1.0]}, scoring=scorer, cv=3)
        search.fit(X, y, sample_weight=weight)
    good = weight > 0
    assert_allclose(score, pipe.score(X[good], y[good]))
    scaled = StandardScaler().fit(X).transform(X[good])
    assert_allclose(pipe[-1].coef_, L2Regressor().fit(scaled, y[good]).coef_, rtol=1e-8)
    assert search.best_estimator_[-1].coef_.shape == (10,)


def test_weights_in_score(diabetes):
    X, y = diabetes
    model = HuberRegressor().fit(X, y)
    good = np.arange(len(y)) % 11 != 0
    assert_allclose(model.score(X, y, sample_weight=good), model.score(X[good], y[good]))


def test_parallel_folds_on_read_only_memory_maps():
    # joblib hands arrays over a megabyte to its workers as read-only maps of one file.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 10))
    y = X @ np.arange(10.0) + rng.standard_t(2, size=len(X))
    assert X.nbytes > 1e6
    search = GridSearchCV(HuberRegressor(), {"alpha": [0.0, 1.0]}, cv=2, n_jobs=2).fit(X, y)
    alone = GridSearchCV(HuberRegressor(), {"alpha": [0.0, 1.0]}, cv=2).fit(X, y)
    assert_allclose(search.best_estimator_.coef_, alone.best_estimator_.coef_, rtol=1e-10)
    assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=1e-8
    )


def test_inside_other_estimators(diabetes):
    X, y = diabetes
    base = HuberRegressor(alpha=0.0)
    assert BaggingRegressor(base, n_estimators=3, random_state=0).fit(X, y).score(X, y) > -1
    two = MultiOutputRegressor(base).fit(X, np.column_stack([y, -2 * y]))
    assert_allclose(two.estimators_[1].coef_, -2 * base.fit(X, y).coef_, rtol=1e-6)
    logs = TransformedTargetRegressor(base, func=np.log, inverse_func=np.exp).fit(X, y)
    assert np.all(logs.predict(X) > 0)
    importance = permutation_importance(base, X, y, n_repeats=2, random_state=0)
    assert importance.importances.shape == (10, 2)


def test_quantiles_of_engels_law():
    # The textbook use: the spread of food expenditure grows with income.
    data = load_engel()
    X, y = data[["income"]], data["food_expenditure"]
    models = [
        QuantileRegressor(quantile=q, alpha=0.0).fit(X, y) for q in (0.1, 0.25, 0.5, 0.75, 0.9)
    ]
    slopes = [model.coef_[0] for model in models]
    assert slopes == sorted(slopes)
    for model in models:
        below = np.mean(y < model.predict(X) - 1e-9)
        assert below <= model.quantile <= below + 2 / len(y) + 1e-9
