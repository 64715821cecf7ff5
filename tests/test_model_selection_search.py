"""HuberRegressorCV and huber_path against a grid search and single fits, and what they refuse."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer, max_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    train_test_split,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from robustreg import (
    HuberRegressor,
    HuberRegressorCV,
    L2Regressor,
    datasets,
    epsilon_grid,
    huber_path,
)
from robustreg.model_selection import RobustKFold, neg_tau_scale, neg_trimmed_mean_squared_error
from robustreg.model_selection._path import Reached, warn_unsolved

EPSILONS = [0.5, 1.01, 1.345, 2.0, np.inf]


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def large(n=60_000, p=6):
    """More rows than a fit starts from, so that samples and kept Hessians are in play."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 100, p) + 10
    y = X @ rng.normal(size=p) + rng.standard_t(2, size=n)
    return X, y


@parametrize_with_checks([HuberRegressorCV(epsilons=[2.0, 0.7], cv=3)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([HuberRegressorCV()])
def test_estimator_checks_of_the_default(estimator, check):
    check(estimator)


def assert_same_search(ours, theirs, rtol=1e-8):
    """Compare scores, choice and the fit to all rows."""
    for k in range(ours.n_splits_):
        name = f"split{k}_test_score"
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], rtol=rtol)
    assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=rtol
    )
    assert_allclose(
        ours.cv_results_["std_test_score"], theirs.cv_results_["std_test_score"], rtol=1e-6
    )
    assert ours.best_index_ == theirs.best_index_
    assert {"epsilon": ours.epsilon_, "alpha": ours.alpha_} == theirs.best_params_
    best = theirs.best_estimator_
    assert_allclose(ours.coef_, best.coef_, rtol=rtol)
    assert_allclose(ours.intercept_, best.intercept_, rtol=rtol)
    assert_allclose([ours.scale_, ours.delta_], [best.scale_, best.delta_], rtol=rtol)
    assert_array_equal(ours.outliers_, best.outliers_)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": 40.0},
        {"scale": "mad", "max_iter": 1000},
        {"scale": "concomitant"},
        {"fit_intercept": False},
        {"solver": "newton-cg"},
    ],
    ids=str,
)
def test_equals_a_grid_search(diabetes, settings):
    X, y = diabetes
    concomitant = settings.get("scale") == "concomitant"
    grid = {"epsilon": EPSILONS[2:] if concomitant else EPSILONS, "alpha": [0.0, 1e-3, 1.0]}
    ours = HuberRegressorCV(epsilons=grid["epsilon"], alphas=grid["alpha"], **settings).fit(X, y)
    model = HuberRegressor(tol=1e-11, **settings)
    theirs = GridSearchCV(model, grid, scoring="neg_median_absolute_error").fit(X, y)
    assert_same_search(ours, theirs)


@pytest.mark.parametrize(
    ("scoring", "cv"),
    [
        ("r2", 3),
        ("neg_mean_absolute_error", KFold(4, shuffle=True, random_state=0)),
        (neg_tau_scale, RobustKFold(3)),
        (neg_trimmed_mean_squared_error, ShuffleSplit(3, random_state=0)),
        (make_scorer(max_error, greater_is_better=False), 3),
        (lambda model, X, y: -float(np.abs(y - model.predict(X)).sum() + model.scale_), 3),
    ],
)
def test_equals_a_grid_search_with_any_scorer_and_folds(diabetes, scoring, cv):
    X, y = diabetes
    splits = list(cv.split(X, y)) if hasattr(cv, "split") else cv
    ours = HuberRegressorCV(epsilons=EPSILONS, scoring=scoring, cv=splits).fit(X, y)
    grid = {"epsilon": EPSILONS, "alpha": [0.0]}
    theirs = GridSearchCV(HuberRegressor(tol=1e-11), grid, scoring=scoring, cv=splits).fit(X, y)
    assert_same_search(ours, theirs)


@pytest.mark.parametrize("name", ["stackloss", "coleman", "engel", "phones"])
def test_equals_a_grid_search_on_published_tables(name):
    frame = getattr(datasets, f"load_{name}")()
    X, y = frame.iloc[:, :-1], frame.iloc[:, -1]
    grid = {"epsilon": [0.8, 1.345, 2.0], "alpha": [0.0]}
    ours = HuberRegressorCV(epsilons=grid["epsilon"], alphas=[0.0]).fit(X, y)
    model = HuberRegressor(tol=1e-11)
    theirs = GridSearchCV(model, grid, scoring="neg_median_absolute_error").fit(X, y)
    assert_same_search(ours, theirs)
    assert_array_equal(ours.feature_names_in_, X.columns)


def test_equals_a_grid_search_on_many_rows():
    X, y = large()
    grid = {"epsilon": [0.7, 1.345, 2.5], "alpha": [0.0]}
    ours = HuberRegressorCV(epsilons=grid["epsilon"]).fit(X, y)
    model = HuberRegressor(tol=1e-10)
    theirs = GridSearchCV(model, grid, scoring="neg_median_absolute_error").fit(X, y)
    assert_same_search(ours, theirs)


def test_folds_that_lack_a_column_have_their_own_rank():
    # A column that is constant in one training fold, and a duplicated one: rank enters Proposal 2.
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    X[:, 3] = X[:, 2]
    X[12:, 1] = 0.0
    y = X[:, 0] + rng.standard_t(3, size=60)
    grid = {"epsilon": [1.0, 1.5], "alpha": [0.0, 1e-4]}
    for table in (X, sp.csr_array(X)):
        ours = HuberRegressorCV(epsilons=grid["epsilon"], alphas=grid["alpha"]).fit(table, y)
        model = HuberRegressor(tol=1e-11)
        theirs = GridSearchCV(model, grid, scoring="neg_median_absolute_error").fit(table, y)
        assert_same_search(ours, theirs)


def test_more_columns_than_rows():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(30, 50)), rng.normal(size=30)
    grid = {"epsilon": [1.0, 2.0], "alpha": [1.0, 10.0]}
    ours = HuberRegressorCV(epsilons=grid["epsilon"], alphas=grid["alpha"]).fit(X, y)
    model = HuberRegressor(tol=1e-11)
    theirs = GridSearchCV(model, grid, scoring="neg_median_absolute_error").fit(X, y)
    assert_same_search(ours, theirs, rtol=1e-7)


def test_integer_weights_are_repeated_rows(diabetes):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    row = np.repeat(np.arange(len(y)), weight)
    folds = [
        (np.flatnonzero(np.arange(len(y)) % 4 != k), np.flatnonzero(np.arange(len(y)) % 4 == k))
        for k in range(4)
    ]
    repeated = [(np.flatnonzero(row % 4 != k), np.flatnonzero(row % 4 == k)) for k in range(4)]
    for scoring in (None, "neg_mean_squared_error", neg_tau_scale):
        settings = {"epsilons": EPSILONS, "scoring": scoring}
        weighted = HuberRegressorCV(cv=folds, **settings).fit(X, y, sample_weight=weight)
        plain = HuberRegressorCV(cv=repeated, **settings).fit(X[row], y[row])
        assert_allclose(
            weighted.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"], rtol=1e-8
        )
        assert weighted.epsilon_ == plain.epsilon_
        assert_allclose(weighted.coef_, plain.coef_, rtol=1e-7)
    # and the weights matter
    unweighted = HuberRegressorCV(cv=folds, epsilons=EPSILONS).fit(X, y)
    weighted = HuberRegressorCV(cv=folds, epsilons=EPSILONS).fit(X, y, sample_weight=weight)
    assert np.all(
        unweighted.cv_results_["mean_test_score"] != weighted.cv_results_["mean_test_score"]
    )


def test_scorer_without_weights_is_called_without(diabetes):
    X, y = diabetes
    scoring = make_scorer(max_error, greater_is_better=False)
    model = HuberRegressorCV(epsilons=[1.0, 2.0], scoring=scoring)
    assert np.isfinite(model.fit(X, y, sample_weight=np.arange(1.0, len(y) + 1)).best_score_)


def test_groups_are_for_the_splitter(diabetes):
    X, y = diabetes
    groups, folds = np.arange(len(y)) % 7, GroupKFold(3)
    grouped = HuberRegressorCV(cv=folds, epsilons=EPSILONS).fit(X, y, groups=groups)
    by_hand = list(folds.split(X, y, groups))
    listed = HuberRegressorCV(cv=by_hand, epsilons=EPSILONS).fit(X, y)
    assert grouped.n_splits_ == 3
    for key, column in listed.cv_results_.items():
        assert_array_equal(grouped.cv_results_[key], column)


def test_defaults_and_the_table_of_results(diabetes):
    model = HuberRegressorCV().fit(*diabetes)
    table = pd.DataFrame(model.cv_results_)
    assert_allclose(table["param_epsilon"], epsilon_grid(20))
    assert set(table["param_alpha"]) == {0.0}
    assert model.n_splits_ == 5
    scores = table.filter(regex=r"split\d_test_score")
    assert_allclose(table["mean_test_score"], scores.mean(axis=1))
    assert_allclose(table["standard_error"], scores.std(axis=1) / np.sqrt(5))
    assert_allclose(table["delta"], table["param_epsilon"] * table["scale"])
    assert table["n_outliers"].is_monotonic_decreasing
    assert_array_equal(
        table["rank_test_score"], table["mean_test_score"].rank(ascending=False, method="min")
    )
    best = table.iloc[model.best_index_]
    assert best["mean_test_score"] == table["mean_test_score"].max() == model.best_score_
    assert best["n_outliers"] == model.outliers_.sum()
    assert_allclose(model.coef_path_[model.best_index_], model.coef_)
    concomitant = HuberRegressorCV(scale="concomitant").fit(*diabetes)
    assert concomitant.cv_results_["param_epsilon"].min() > 1


def test_one_standard_error_takes_the_smallest_epsilon_near_the_best(diabetes):
    settings = {"epsilons": epsilon_grid(8), "alphas": [1e-4, 1e-2]}
    plain = HuberRegressorCV(**settings).fit(*diabetes)
    careful = HuberRegressorCV(one_standard_error=True, **settings).fit(*diabetes)
    table = pd.DataFrame(careful.cv_results_)
    best = table.loc[table["mean_test_score"].idxmax()]
    near = table[table["mean_test_score"] >= best["mean_test_score"] - best["standard_error"]]
    assert careful.epsilon_ == near["param_epsilon"].min() < plain.epsilon_
    same = near[near["param_epsilon"] == careful.epsilon_]
    assert careful.alpha_ == same.loc[same["mean_test_score"].idxmax(), "param_alpha"]
    single = HuberRegressor(epsilon=careful.epsilon_, alpha=careful.alpha_, tol=1e-11).fit(
        *diabetes
    )
    assert_allclose(careful.coef_, single.coef_, rtol=1e-8)


def test_threads_change_nothing(diabetes):
    alone = HuberRegressorCV(epsilons=EPSILONS).fit(*diabetes)
    together = HuberRegressorCV(epsilons=EPSILONS, n_jobs=3).fit(*diabetes)
    assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


def test_path_is_that_of_single_fits(diabetes):
    X, y = diabetes
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    for settings in (
        {},
        {"alpha": 1.0, "scale": "mad", "max_iter": 1000},
        {"scale": 30.0, "fit_intercept": False},
    ):
        path = huber_path(X, y, epsilons=[2.0, 0.3, 1.345], sample_weight=weight, **settings)
        for k, epsilon in enumerate([2.0, 0.3, 1.345]):
            model = HuberRegressor(epsilon=epsilon, tol=1e-11, **settings).fit(
                X, y, sample_weight=weight
            )
            assert_allclose(path.coef[k], model.coef_, rtol=1e-8)
            assert_allclose(
                [path.intercept[k], path.scale[k]], [model.intercept_, model.scale_], rtol=1e-8
            )
            assert path.n_outliers[k] == model.outliers_.sum()
            assert path.optimality[k] <= 1e-8
    assert_allclose(huber_path(X, y).epsilon, epsilon_grid(20))


def test_exact_line_is_found_at_scale_zero():
    x = np.arange(30.0)[:, None]
    y = 2 * x[:, 0] + 1
    y[::10] += 50
    model = HuberRegressorCV(epsilons=[1.345, 2.0], alphas=[0.0]).fit(x, y)
    assert_allclose(model.coef_, [2.0], rtol=1e-10)
    assert model.scale_ == model.delta_ == 0.0
    assert np.flatnonzero(model.outliers_).tolist() == [0, 10, 20]


# --- What it is for ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_tuned_on_gross_outliers_is_nearly_the_oracle(diabetes, seed):
    # In 20 % of the training rows the target is mirrored about its middle and eight times as far
    # out: outliers that follow a line of their own, which R2 on such folds goes to meet.
    X, X_test, y, y_test = train_test_split(*diabetes, random_state=seed)
    bad = np.random.default_rng(seed).permutation(len(y)) < len(y) // 5
    damaged = np.where(bad, 152 - 8 * (y - 152), y)

    def error(model):
        return np.mean(np.abs(y_test - model.predict(X_test)))

    oracle = error(L2Regressor().fit(X[~bad], y[~bad]))
    grid = {"epsilons": [*epsilon_grid(20), np.inf], "alphas": [0.0]}
    assert error(HuberRegressorCV(**grid).fit(X, damaged)) <= 1.05 * oracle
    assert error(HuberRegressorCV(scoring=neg_tau_scale, **grid).fit(X, damaged)) <= 1.05 * oracle
    assert error(HuberRegressorCV(scoring="r2", **grid).fit(X, damaged)) > 1.05 * oracle


# --- What it refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilons": []}, "epsilons must be a list or array of one dimension with at least one"),
        ({"epsilons": [[1.0]]}, "epsilons must be a list or array of one dimension"),
        ({"epsilons": 1.345}, "epsilons must be a list or array of one dimension"),
        ({"epsilons": [1.0, 0.0]}, r"epsilons must hold numbers .*epsilons\[1\] = 0.0"),
        ({"epsilons": [-1.0]}, r"epsilons\[0\] = -1.0"),
        ({"epsilons": [1.0, np.nan]}, r"epsilons\[1\] = nan"),
        ({"epsilons": ["a"]}, "epsilons must hold numbers"),
        (
            {"epsilons": [1.0, 2.0], "scale": "concomitant"},
            r"range \(1.0, inf\].*epsilons\[0\] = 1.0",
        ),
        ({"alphas": []}, "alphas must be a list or array"),
        ({"alphas": [0.0, -1e-3]}, r"alphas\[1\] = -0.001"),
        ({"alphas": [np.nan]}, r"alphas\[0\] = nan"),
        ({"alphas": [1.0, np.inf]}, r"range \[0.0, inf\).*alphas\[1\] = inf"),
        ({"cv": 1000}, "n_splits=1000 greater than the number of samples: n_samples=442"),
        ({"cv": ShuffleSplit(2, train_size=1)}, "Fold 0 of cv is too small: .* 1 are to fit"),
        (
            {"cv": [(np.arange(400), []), (np.arange(9), [9])]},
            "Fold 0 of cv is too small.* 0 to score",
        ),
        ({"cv": []}, "cv gives no folds"),
        ({"scoring": lambda model, X, y: np.nan}, "scorer returned NaN for .*epsilon.* in fold 0"),
        ({"scoring": lambda model, X, y: np.inf}, "scorer returned inf for .*epsilon.* in fold 0"),
        (
            {"scoring": lambda model, X, y: -np.inf if len(y) < 89 else 1.0, "epsilons": [1.0]},
            r"scorer returned -inf for \{'epsilon': 1.0, 'alpha': 0.0\} in fold 2",
        ),
        ({"scoring": ["r2"]}, "'scoring' parameter of HuberRegressorCV"),
        ({"scoring": 3}, "'scoring' parameter of HuberRegressorCV"),
        ({"cv": GroupKFold(3)}, "'groups' parameter should not be None"),
        ({"scoring": "nonsense"}, "nonsense"),
        ({"one_standard_error": 3}, "'one_standard_error' parameter of HuberRegressorCV"),
        ({"scale": "nonsense"}, "'scale' parameter"),
        ({"tol": 0.0}, "'tol' parameter"),
    ],
)
def test_bad_settings_are_named(diabetes, settings, message):
    with pytest.raises(ValueError, match=message):
        HuberRegressorCV(**settings).fit(*diabetes)


def test_fold_without_weight_is_named(diabetes):
    X, y = diabetes
    weight = np.ones(len(y))
    weight[:89] = 0  # the first of five folds
    with pytest.raises(ValueError, match="Fold 0 of cv is too small"):
        HuberRegressorCV().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("epsilons", [[], [0.0], [np.nan], [1.0, -2.0]])
def test_path_refuses_bad_grids(diabetes, epsilons):
    with pytest.raises(ValueError, match="epsilons must"):
        huber_path(*diabetes, epsilons=epsilons)


def test_unsolved_fits_are_told_of_once(diabetes):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        HuberRegressorCV(epsilons=[0.5, 1.0], max_iter=1).fit(*diabetes)
        huber_path(*diabetes, epsilons=[0.5, 1.0], max_iter=1)
    told = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(told) == 2
    assert "of 12 fits of HuberRegressorCV" in str(told[0].message)
    assert "of 2 fits of huber_path" in str(told[1].message)
    assert all(w.filename == __file__ for w in told)


def test_fits_that_rounding_stops_need_no_more_iterations(diabetes):
    X, y = diabetes
    with pytest.warns(ConvergenceWarning, match="Rounding errors") as caught:
        huber_path(X, y, epsilons=[0.5, 1.0], tol=1e-30)
    assert "max_iter, or tol" not in str(caught[0].message)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter") as caught:
        huber_path(X, y, epsilons=[0.5, 1.0], tol=1e-30, max_iter=1)
    assert "Rounding" not in str(caught[0].message)


def test_both_reasons_of_unsolved_fits_are_told():
    model = HuberRegressor(max_iter=9)
    with pytest.warns(ConvergenceWarning, match="2 of 3 fits") as caught:
        warn_unsolved("some", [Reached(1.0, 9), Reached(2.0, 3), Reached(0.0, 9)], model)
    said = str(caught[0].message)
    assert "the worst at 2.0e+00" in said
    assert said.index("Of 1 the iterations ran out") < said.index("Rounding errors")


def test_sums_of_far_rows_that_overflow():
    """The step from all rows to a fold may lead to scales where nothing is finite."""
    x = [
        0.699,
        -0.527,
        -0.0814,
        1.04,
        -0.971,
        -0.386,
        -1.85,
        0.107,
        0.579,
        -0.621,
        1.15,
        1.12,
        -0.398,
        0.0413,
        0.253,
    ]
    y = [
        0.408,
        1.83,
        0.156,
        -1.03,
        0.0683,
        0.159,
        -0.617,
        -0.53,
        0.932,
        0.712,
        -0.737,
        -1.19,
        0.386,
        0.271,
        2.11,
    ]
    rows = np.arange(15)
    cv = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    model = HuberRegressorCV(
        epsilons=[1.05, 1.345, 2.5],
        alphas=[0.0, 1.0],
        cv=cv,
        scale="concomitant",
        fit_intercept=False,
    )
    model.fit(np.array(x)[:, None], np.array(y))
    assert np.isfinite(model.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("scale", ["l1", "proposal2", "concomitant", "mad"])
@pytest.mark.parametrize("share", [0.75, 1.0])
def test_targets_that_are_mostly_zero(scale, share):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(np.arange(60) < share * 60, 7.3, X[:, 0] + rng.normal(size=60))[
        rng.permutation(60)
    ]
    model = HuberRegressorCV(scale=scale, epsilons=[1.05, 1.345, 2.0]).fit(X, y)
    assert model.scale_ <= 1e-12
    assert_allclose(model.predict(X), 7.3, rtol=1e-12)
