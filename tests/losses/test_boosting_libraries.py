"""Our objectives inside LightGBM, XGBoost and CatBoost: the session ``boosting`` installs these."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score

from robustreg.losses import boosting_link, boosting_objective, catboost_objective
from tests import _pages

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

QUIET = {"verbose": -1, "n_jobs": 1}


def regression(contaminated=0.1):
    """Return X, targets of median 0 of which a tenth is far too large, and the clean function."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (1500, 4))
    clean = 2 * np.sin(X[:, 0]) + X[:, 1]
    y = clean + 0.3 * rng.normal(size=len(X))
    y[rng.random(len(X)) < contaminated] += 20.0
    return X, y - np.median(y), clean - np.median(y)


def classes(k):
    return make_classification(600, 6, n_informative=5, n_redundant=0, n_classes=k, random_state=0)


@pytest.fixture(autouse=True)
def warnings_of_the_libraries():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_squared_error_is_that_of_lightgbm():
    X, y, _ = regression()
    own = lightgbm.LGBMRegressor(objective="l2", boost_from_average=False, **QUIET).fit(X, y)
    ours = lightgbm.LGBMRegressor(objective=boosting_objective("squared"), **QUIET).fit(X, y)
    assert_allclose(ours.predict(X), own.predict(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "own", "loss"), [(2, "binary", "logistic"), (3, "multiclass", "cross_entropy")]
)
def test_logistic_losses_are_those_of_lightgbm(k, own, loss):
    X, y = classes(k)
    theirs = lightgbm.LGBMClassifier(objective=own, boost_from_average=False, **QUIET).fit(X, y)
    ours = lightgbm.LGBMClassifier(objective=boosting_objective(loss), **QUIET).fit(X, y)
    probability = boosting_link(loss)(ours.predict(X, raw_score=True))
    assert_allclose(probability, theirs.predict_proba(X), atol=1e-12)


def boosters(objective, cat):
    yield lightgbm.LGBMRegressor(objective=objective, **QUIET)
    yield xgboost.XGBRegressor(objective=objective, base_score=0.0, learning_rate=0.1, n_jobs=1)
    yield catboost.CatBoostRegressor(
        loss_function=cat, eval_metric="RMSE", iterations=200, learning_rate=0.1, verbose=0,
        thread_count=1, allow_writing_files=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["huber", "tukey", "pseudo_huber"])
def test_robust_losses_resist_outliers_in_all_libraries(name):
    X, y, clean = regression()
    plain = boosters(boosting_objective("squared"), catboost_objective("squared"))
    robust = boosters(boosting_objective(name, scale=0.5), catboost_objective(name, scale=0.5))
    for other, model in zip(plain, robust, strict=True):
        error = abs(model.fit(X, y).predict(X) - clean).mean()
        assert error < 0.4 * abs(other.fit(X, y).predict(X) - clean).mean(), type(model).__name__


@pytest.mark.parametrize("name", ["logistic", "focal", "poly", "hinge", "squared_hinge"])
def test_losses_of_two_classes_learn(name):
    X, y = classes(2)
    for model in (
        lightgbm.LGBMClassifier(objective=boosting_objective(name), n_estimators=30, **QUIET),
        xgboost.XGBClassifier(objective=boosting_objective(name), n_estimators=30, n_jobs=1),
    ):
        model.fit(X, y, sample_weight=np.ones(len(y)))
        raw = (
            model.predict(X, output_margin=True)
            if isinstance(model, xgboost.XGBModel)
            else model.predict(X, raw_score=True)
        )
        assert ((raw > 0) == y).mean() > 0.9


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "poly", "multiclass_hinge"])
def test_losses_of_several_classes_learn(name):
    X, y = classes(3)
    ours = boosting_objective(name)
    light = lightgbm.LGBMClassifier(objective=ours, n_estimators=30, **QUIET).fit(X, y)
    xgb = xgboost.XGBClassifier(objective=ours, n_estimators=30, n_jobs=1).fit(X, y)
    for raw in (light.predict(X, raw_score=True), xgb.predict(X, output_margin=True)):
        assert (raw.argmax(axis=1) == y).mean() > 0.9


def test_catboost_classifiers_learn():
    for k, name, metric in ((2, "focal", "Logloss"), (3, "cross_entropy", "MultiClass")):
        X, y = classes(k)
        model = catboost.CatBoostClassifier(
            loss_function=catboost_objective(name), eval_metric=metric, iterations=30,
            learning_rate=0.3, verbose=0, thread_count=1, allow_writing_files=False,
        )  # fmt: skip
        assert (model.fit(X, y).predict(X).ravel() == y).mean() > 0.85


def test_cross_validation_in_two_processes_gives_what_one_gives():
    X, y, _ = regression()
    model = lightgbm.LGBMRegressor(objective=boosting_objective("tukey"), n_estimators=20, **QUIET)
    alone = cross_val_score(clone(model), X, y, cv=3)
    assert_allclose(cross_val_score(model, X, y, cv=3, n_jobs=2), alone, rtol=1e-12)


def test_page_of_the_guide_runs():
    scope = _pages.run(_pages.scripts("boosting"))
    assert scope["probability"].shape == (442, 2)
    assert_allclose(scope["probability"].sum(axis=1), 1.0)
