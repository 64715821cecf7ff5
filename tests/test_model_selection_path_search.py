"""A search along paths of the grid has the results of a grid search."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

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
)
from robustreg.losses import Fair, Tukey
from robustreg.model_selection import PathSearchCV
from robustreg.model_selection._path_search import _groups
from robustreg.objective import Objective
from robustreg.penalties import MCP, GroupLasso


def table(n=120, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * [1.0, 10.0, 0.1, 5.0][:p]
    signal = X @ (1 / np.array([1.0, 10.0, 0.1, 5.0][:p]))
    y = signal + rng.standard_t(2, size=n)
    labels = np.digitize(signal + rng.logistic(size=n), [0.0])
    return X, y, labels, rng


ALPHAS = np.geomspace(1e-2, 1e3, 6)
REGRESSORS = [
    (HuberRegressor(), {"epsilon": [0.7, 1.345, 2.5], "alpha": [0.0, 1.0, 100.0]}),
    (HuberRegressor(scale="mad", alpha=1.0), {"epsilon": [1.0, 2.0]}),
    (HuberRegressor(), {"scale": ["proposal2", "concomitant", 1.0], "epsilon": [1.2, 3.0]}),
    (L2Regressor(), {"alpha": ALPHAS, "fit_intercept": [True, False]}),
    (QuantileRegressor(), [{"alpha": [1e-3, 0.1]}, {"solver": ["highs"], "alpha": [0.01]}]),
    (QuantileRegressor(alpha=0.01), {"quantile": [0.2, 0.5, 0.8]}),
    (RobustRegressor(loss=Fair()), {"loss__c": [0.5, 1.4], "alpha": ALPHAS[:3]}),
    (RobustRegressor(loss=Tukey()), {"loss__c": [3.0, 4.685, 8.0]}),
    (RobustRegressor(), {"loss": ["huber", "tukey", Fair(c=2.0)], "alpha": [0.1, 10.0]}),
    (
        L2Regressor(l1_ratio=1.0, penalty_weights=[0.0, 1.0, np.inf, 2.0]),
        {"alpha": [5.0, 1.0]},
    ),
    (
        RobustRegressor(loss="squared", penalty=MCP()),
        {"alpha": [60.0, 20.0], "penalty__gamma": [1.5, 4.0]},
    ),
    (RobustRegressor(penalty=GroupLasso(groups=list("abba"))), {"alpha": [60.0, 20.0]}),
    (MMRegressor(n_starts=20), {"efficiency": [0.85, 0.95]}),
    (Ridge(), {"alpha": ALPHAS}),
]
CLASSIFIERS = [
    (LogisticClassifier(), {"alpha": ALPHAS, "class_weight": [None, "balanced"]}),
    (HingeClassifier(), {"alpha": ALPHAS, "squared": [True, False]}),
    (FocalClassifier(), {"gamma": [0.0, 1.0, 2.0]}),
    (PolyClassifier(), {"epsilon": [-0.5, 1.0, 2.0]}),
    (DiceClassifier(), {"alpha": [1e-3, 1e-1]}),
]


def compared(estimator, grid, X, y, fit_params=None, **options):
    """Return both searches; their results are equal but for the times."""
    fit_params = fit_params or {}
    ours = PathSearchCV(estimator, grid, **options).fit(X, y, **fit_params)
    theirs = GridSearchCV(estimator, grid, **options).fit(X, y, **fit_params)
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name, values in theirs.cv_results_.items():
        if "time" in name or name == "params":
            continue
        if name.startswith("param_"):
            assert_array_equal(ours.cv_results_[name].astype(str), values.astype(str))
        elif not name.startswith("rank_"):  # candidates that are equal to rounding have any order
            assert_allclose(ours.cv_results_[name], values, rtol=1e-7, atol=1e-9)
    return ours, theirs


@pytest.mark.parametrize(("estimator", "grid"), REGRESSORS, ids=repr)
def test_regressors(estimator, grid):
    X, y, _, _ = table()
    ours, theirs = compared(
        estimator, grid, X, y, scoring="neg_mean_absolute_error", return_train_score=True, cv=3
    )
    assert ours.best_params_ == theirs.best_params_
    assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-7)
    assert_allclose(ours.predict(X), theirs.predict(X))
    assert ours.n_features_in_ == 4


@pytest.mark.parametrize(("estimator", "grid"), CLASSIFIERS, ids=repr)
def test_classifiers(estimator, grid):
    X, _, labels, _ = table()
    names = np.array(["no", "yes"])[labels]
    ours, _ = compared(estimator, grid, X, names, cv=3)
    assert_array_equal(ours.classes_, ["no", "yes"])
    assert 0.5 <= ours.score(X, names) <= 1


def test_several_classes_by_their_probabilities():
    X, y, _, _ = table()
    compared(
        LogisticClassifier(), {"alpha": ALPHAS}, X, np.digitize(y, [-1, 1]), scoring="neg_log_loss"
    )


def test_targets_of_several_columns():
    X, y, _, _ = table()
    share = 1 / (1 + np.exp(-y))
    compared(KLRegressor(), {"alpha": ALPHAS}, X, np.column_stack([share, 1 - share]), cv=3)


class Counting(StandardScaler):
    """Counts its fits."""

    fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).fits += 1
        return super().fit(X, y, sample_weight)


def test_steps_before_are_fitted_once_a_fold():
    X, y, _, _ = table()
    model = make_pipeline(PolynomialFeatures(), Counting(), HuberRegressor())
    grid = {
        "polynomialfeatures__degree": [1, 2],
        "huberregressor__epsilon": [1.0, 2.0, 3.0],
        "huberregressor__alpha": [0.0, 1.0],
    }
    Counting.fits = 0
    PathSearchCV(model, grid, cv=4, refit=False).fit(X, y)
    assert Counting.fits == 2 * 4
    compared(model, grid, X, y, cv=4)


def test_a_data_frame_with_a_factor_and_weights():
    X, y, _, rng = table()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["g"] = rng.choice(["x", "y", "z"], size=len(y))
    encode = make_column_transformer((OneHotEncoder(), ["g"]), remainder="passthrough")
    model = make_pipeline(encode, StandardScaler(), HuberRegressor())
    weight = {"huberregressor__sample_weight": rng.integers(1, 4, len(y)).astype(float)}
    ours, _ = compared(model, {"huberregressor__epsilon": [1.0, 2.0]}, frame, y, weight)
    assert ours.feature_names_in_.tolist() == ["a", "b", "c", "d", "g"]
    weight = {"sample_weight": weight["huberregressor__sample_weight"]}
    numbers = frame[["a", "b", "c", "d"]]
    compared(HuberRegressor(), {"epsilon": [1.0, 2.0]}, numbers, y, weight)


def test_groups_and_several_scores():
    X, y, _, rng = table()
    scoring = {"r2": "r2", "error": "neg_median_absolute_error"}
    groups = {"groups": rng.integers(6, size=len(y))}
    ours, theirs = compared(
        L1Regressor(), {"alpha": ALPHAS}, X, y, groups, cv=GroupKFold(3), scoring=scoring, refit="error"
    )  # fmt: skip
    assert ours.best_index_ == theirs.best_index_
    assert set(ours.scorer_) == {"r2", "error"}
    assert ours.multimetric_


def test_a_scorer_of_ones_own_and_a_refit_of_ones_own():
    X, y, _, _ = table()

    def scoring(model, X, y):
        return {"worst": -float(np.abs(y - model.predict(X)).max()), "scale": -model.scale_}

    def refit(results):
        return int(results["mean_test_scale"].argmax())

    options = {"scoring": scoring, "refit": refit, "cv": 3}
    ours, theirs = compared(HuberRegressor(), {"epsilon": [1.0, 2.0]}, X, y, **options)
    assert ours.best_index_ == theirs.best_index_
    assert not hasattr(ours, "best_score_")


def test_two_processes_have_the_results_of_one():
    X, y, _, _ = table()
    grid = {"epsilon": [1.0, 2.0], "alpha": [0.1, 10.0]}
    one, two = (PathSearchCV(HuberRegressor(), grid, n_jobs=k).fit(X, y) for k in (1, 2))
    assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


def test_fits_that_fail():
    X, y, _, _ = table()
    grid = {"epsilon": [1.0, -1.0, 2.0]}
    with (
        pytest.warns(FitFailedWarning, match="'epsilon' parameter"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        ours = PathSearchCV(HuberRegressor(), grid, cv=3).fit(X, y)
    assert_array_equal(np.isnan(ours.cv_results_["mean_test_score"]), [False, True, False])
    with pytest.raises(ValueError, match="'epsilon' parameter"):
        PathSearchCV(HuberRegressor(), grid, cv=3, error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        PathSearchCV(HuberRegressor(), {"epsilon": [-1.0]}, cv=3).fit(X, y)


def test_the_simplest_within_one_standard_error():
    X, y, _, _ = table()
    grid = {"alpha": ALPHAS, "epsilon": [1.0, 3.0]}
    best = PathSearchCV(HuberRegressor(), grid).fit(X, y)
    ours = PathSearchCV(HuberRegressor(), grid, one_standard_error=True).fit(X, y)
    results = ours.cv_results_
    splits = np.array([results[f"split{k}_test_score"] for k in range(5)])
    error = splits[:, best.best_index_].std(ddof=1) / np.sqrt(5)
    near = results["mean_test_score"] >= best.best_score_ - error
    strongest = results["param_alpha"][near].max()
    assert ours.best_params_["alpha"] == strongest > best.best_params_["alpha"]
    assert near[ours.best_index_]
    assert ours.best_score_ == results["mean_test_score"][ours.best_index_]


def test_errors():
    X, y, _, _ = table()
    with pytest.raises(ValueError, match="'one_standard_error' parameter"):
        PathSearchCV(L2Regressor(), {"alpha": [1.0]}, one_standard_error="yes").fit(X, y)
    with pytest.raises(ValueError, match="refit that is no callable"):
        PathSearchCV(
            L2Regressor(), {"alpha": [1.0]}, one_standard_error=True, refit=lambda results: 0
        ).fit(X, y)
    with pytest.raises(ValueError, match="Parameter grid"):
        PathSearchCV(L2Regressor(), {"alpha": []}).fit(X, y)


class Mean(RegressorMixin, BaseEstimator):
    """Takes no part in this package."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        self.mean_ = np.mean(y) + self.shift
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_estimators_of_others():
    X, y, _, _ = table()
    compared(Mean(), {"shift": [-1.0, 0.0, 1.0]}, X.tolist(), y.tolist())


def test_the_rows_are_read_once_a_fold(monkeypatch):
    X, y, _, _ = table()
    reads = []
    original = L2Regressor._read

    def read(self, *args):
        reads.append(1)
        return original(self, *args)

    monkeypatch.setattr(L2Regressor, "_read", read)
    PathSearchCV(L2Regressor(), {"alpha": ALPHAS}, cv=4, refit=False).fit(X, y)
    assert len(reads) == 4


def test_a_path_takes_fewer_passes_than_fits_of_their_own():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 5))
    y = (X[:, 0] + rng.logistic(size=2_000) > 0).astype(int)
    iterations = {PathSearchCV: [], GridSearchCV: []}

    for search, found in iterations.items():

        def scoring(model, X, y, found=found):
            found.append(model.n_iter_)
            return model.score(X, y)

        search(LogisticClassifier(), {"alpha": ALPHAS}, cv=3, scoring=scoring, refit=False).fit(
            X, y
        )
    ours, theirs = (sum(found) for found in iterations.values())
    assert ours < 0.9 * theirs


@pytest.mark.parametrize(
    ("model", "most"),
    [(L2Regressor(l1_ratio=1.0), 1.2), (LogisticClassifier(l1_ratio=0.5), 4.0)],
    ids=str,
)
def test_each_fit_of_a_path_begins_with_what_is_known_at_the_end_of_the_last(
    model, most, monkeypatch
):
    X, y, labels, _ = table()
    alphas = np.geomspace(10.0, 1.0, 12)
    original, evaluated, gaps = Objective.evaluate, [], []

    def evaluate(self, *args, **how):
        evaluated.append(1)
        return original(self, *args, **how)

    def scoring(model, X, y):
        gaps.append(model.optimality_)
        return model.score(X, y)

    monkeypatch.setattr(Objective, "evaluate", evaluate)
    search = PathSearchCV(model, {"alpha": alphas}, cv=3, scoring=scoring, refit=False)
    search.fit(X, labels if hasattr(model, "predict_proba") else y)
    # the first of a fold has no neighbour
    assert len(evaluated) <= most * len(gaps) + 3 * 6
    assert max(gaps) <= 1e-10


@pytest.mark.parametrize(
    ("scale", "first"), [("l1", "epsilon"), (1.0, "alpha"), ("proposal2", "alpha"), ("no", "alpha")]
)
@pytest.mark.parametrize("piped", [False, True])
def test_the_penalty_changes_first_unless_fits_of_one_share_their_scale(scale, first, piped):
    model = HuberRegressor(scale=scale)
    prefix = "huberregressor__" if piped else ""
    grid = {f"{prefix}alpha": [1.0, 10.0], f"{prefix}epsilon": [1.0, 2.0, 3.0]}
    candidates = list(ParameterGrid(grid))
    ((path,),) = _groups(make_pipeline(StandardScaler(), model) if piped else model, candidates)
    assert sorted(path) == list(range(6))
    found = [candidates[i][f"{prefix}{first}"] for i in path]
    second = {"alpha": "epsilon", "epsilon": "alpha"}[first]
    then = [candidates[i][f"{prefix}{second}"] for i in path]
    if first == "alpha":
        assert found == [10.0, 1.0] * 3 and then == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    else:
        assert found == [1.0, 2.0, 3.0] * 2 and then == [10.0] * 3 + [1.0] * 3


def test_nothing_is_printed_and_nothing_is_changed(capsys):
    X, y, _, _ = table()
    model = L2Regressor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PathSearchCV(model, {"alpha": ALPHAS}, cv=3).fit(X, y)
    assert capsys.readouterr().out == ""
    assert model.get_params() == L2Regressor().get_params()
    assert not hasattr(model, "coef_")
    PathSearchCV(model, {"alpha": ALPHAS}, cv=3, verbose=1).fit(X, y)
    assert "totalling 18 fits" in capsys.readouterr().out


def test_another_last_step_is_a_candidate():
    X, y, _, _ = table()
    pipeline = Pipeline([("scale", StandardScaler()), ("model", HuberRegressor())])
    models = [L1Regressor(), QuantileRegressor(quantile=0.9, alpha=0.0)]
    ours, theirs = compared(pipeline, {"model": models}, X, y, cv=3)
    assert ours.best_params_ == theirs.best_params_
    grid = [{"model": models}, {"model__epsilon": [1.0, 2.0]}]
    compared(pipeline, grid, X, y, cv=3)


@pytest.mark.parametrize("train", [True, False])
def test_one_candidate_of_two_fails(train):
    X, y, _, _ = table()
    search = PathSearchCV(HuberRegressor(), {"alpha": [-1.0, 1.0]}, return_train_score=train)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert search.best_params_ == {"alpha": 1.0}


def test_unknown_names_are_told_at_once():
    X, y, _, _ = table()
    with pytest.raises(ValueError, match="alphaa"):
        PathSearchCV(HuberRegressor(), {"alphaa": [1.0]}).fit(X, y)


@pytest.mark.parametrize("short", [{"tol": 1e-2}, {"max_iter": 1}, {"max_iter": 3}])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model", [HuberRegressor(), HuberRegressor(scale="proposal2"), LogisticClassifier()]
)
def test_fits_that_stop_short_of_their_minimum_are_those_of_a_grid_search(model, short):
    X, y, labels, _ = table()
    model = clone(model).set_params(**short)
    grid, scoring = {"alpha": ALPHAS}, None
    if isinstance(model, LogisticClassifier):
        y, scoring = labels, "neg_log_loss"
    ours, theirs = (
        kind(model, grid, cv=3, scoring=scoring).fit(X, y) for kind in (PathSearchCV, GridSearchCV)
    )
    name = "mean_test_score"
    assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])


def test_folds_beside_far_rows_score_as_in_grid_search():
    """Fits without rows that are far out do not share what fits to all rows have kept."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 12))
    y = (X[:, :4].sum(axis=1) + rng.standard_t(2, size=240) > 0).astype(int)
    X[:3] *= 1e6
    grid = {"alpha": np.logspace(-3, 2, 6), "l1_ratio": [0.3, 1.0]}
    model, folds = LogisticClassifier(l1_ratio=0.9), KFold(3, shuffle=True, random_state=0)
    ours = PathSearchCV(model, grid, cv=folds, error_score="raise").fit(X, y)
    theirs = GridSearchCV(model, grid, cv=folds).fit(X, y)
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.best_params_ == theirs.best_params_
