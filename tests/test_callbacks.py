"""Progress and early stopping through scikit-learn's callbacks."""

import warnings

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
)
from tests._pages import run, scripts

callback = pytest.importorskip("sklearn.callback")  # scikit-learn 1.9


class Recorder:
    """Remembers what it was told; asks to stop after so many parts of the work."""

    def __init__(self, stop_after=np.inf, part=("iteration", "candidate")):
        self.stop_after, self.part = stop_after, part
        self.events, self.models = [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if context.task_name in self.part:
            self.models.append(fitted_estimator)
        return len(self.models) >= self.stop_after


class Travelling(Recorder):
    """Follows a search and a pipeline to the estimators inside."""

    max_propagation_depth = None


@pytest.fixture(scope="module")
def data():
    X, y = load_diabetes(return_X_y=True)
    y[::9] *= 8
    return X, y


MODELS = [
    HuberRegressor(),
    HuberRegressor(scale="mad", max_iter=1000),
    HuberRegressor(scale=40.0),
    HuberRegressor(solver="lbfgs", tol=1e-5, max_iter=1000),
    HuberRegressor(solver="newton-cg"),
    RobustRegressor(loss="tukey"),
    RobustRegressor(loss="pseudo_huber"),
    L2Regressor(),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_each_iteration_is_told_with_a_working_model(model, data):
    X, y = data
    seen = Recorder()
    model.set_callbacks(seen).fit(X, y)
    model.set_callbacks()
    assert seen.events[:2] == ["setup", "begin fit"]
    assert seen.events[-2:] == ["end fit", "teardown"]
    assert len(seen.models) >= model.n_iter_ >= 1
    assert all(np.isfinite(m.predict(X)).all() for m in seen.models)
    np.testing.assert_allclose(seen.models[-1].coef_, model.coef_, rtol=1e-4)
    assert not [name for name in vars(model) if "callback" in name]


@pytest.mark.parametrize("model", MODELS[:6], ids=str)
def test_stop_keeps_the_iterate_and_says_nothing(model, data):
    X, y = data
    whole = Recorder()
    model.set_callbacks(whole).fit(X, y)
    stopper = Recorder(stop_after=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_callbacks(stopper).fit(X, y)
    model.set_callbacks()
    assert len(stopper.models) == 2 < len(whole.models)
    assert model.optimality_ > model.tol
    assert np.isfinite(model.predict(X)).all()
    assert stopper.events[-2:] == ["end fit", "teardown"]


@pytest.mark.parametrize("model", [FocalClassifier(), DiceClassifier(), LogisticClassifier()])
def test_stop_in_the_first_phase_is_the_end(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 4))
    y = X[:, 0] + rng.normal(size=30_000) > 0
    model.set_callbacks(Recorder(stop_after=1)).fit(X, y)
    assert model.n_iter_ == 1


@pytest.mark.parametrize("scale", ["proposal2", "concomitant", 1.0])
def test_stop_on_a_sample_skips_what_is_left(scale):
    """No iteration on all rows and no look ahead: what is returned is what was told."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(25_000, 12))
    y = X.sum(axis=1) + rng.standard_t(2, size=25_000)
    stopper = Recorder(stop_after=1)
    model = HuberRegressor(epsilon=1.35, scale=scale).set_callbacks(stopper).fit(X, y)
    assert len(stopper.models) == model.n_iter_ == 1
    np.testing.assert_array_equal(stopper.models[0].coef_, model.coef_)
    assert model.tol < model.optimality_ < 0.1


@pytest.mark.parametrize("scale", ["proposal2", "concomitant", 1.0])
def test_look_ahead_is_told_of(scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(25_000, 12))
    y = X.sum(axis=1) + rng.standard_t(2, size=25_000)
    seen = Recorder()
    model = HuberRegressor(epsilon=1.35, scale=scale).set_callbacks(seen).fit(X, y)
    np.testing.assert_array_equal(seen.models[-1].coef_, model.coef_)
    seen = Recorder()
    model.set_params(warm_start=True, epsilon=1.3).set_callbacks(seen).fit(X, y)
    np.testing.assert_array_equal(seen.models[-1].coef_, model.coef_)


EXACT = [
    L1Regressor(),
    L1Regressor(alpha=1.0),
    QuantileRegressor(alpha=0.0),
    QuantileRegressor(quantile=0.8, alpha=0.01),
    HingeClassifier(),
]


@pytest.mark.parametrize("model", EXACT, ids=str)
def test_exact_solvers_of_few_rows_are_told_of(model, data):
    X, y = data
    y = y > np.median(y) if is_classifier(model) else y
    seen = Recorder()
    model.set_callbacks(seen).fit(X, y)
    assert len(seen.models) >= model.n_iter_ >= 1
    np.testing.assert_allclose(seen.models[-1].coef_, model.coef_, rtol=1e-6)
    stopper = Recorder(stop_after=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_callbacks(stopper).fit(X, y)
    model.set_callbacks()
    assert len(stopper.models) == model.n_iter_ == 1


@pytest.mark.parametrize("make", [L1Regressor, lambda: QuantileRegressor(alpha=0.0)])
def test_exact_solvers_of_many_rows_are_told_of(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 4))
    y = X[:, 0] + rng.standard_t(2, size=30_000)
    seen = Recorder()
    model = make().set_callbacks(seen).fit(X, y)
    assert len(seen.models) > 2
    assert model.optimality_ <= model.tol
    stopper = Recorder(stop_after=1)
    make().set_callbacks(stopper).fit(X, y)
    assert len(stopper.models) == 1


def test_callbacks_change_no_fit(data):
    plain = HuberRegressor().fit(*data)
    watched = HuberRegressor().set_callbacks(Recorder()).fit(*data)
    np.testing.assert_array_equal(plain.coef_, watched.coef_)


def test_search_is_told_of_candidates_and_stops_among_them(data):
    X, y = data
    epsilons = [2.5, 1.345, 0.7, 0.3]
    seen = Recorder()
    whole = HuberRegressorCV(epsilons=epsilons).set_callbacks(seen).fit(X, y)
    assert seen.events.count("end candidate") == 4
    for model, coef in zip(seen.models, whole.coef_path_, strict=True):
        np.testing.assert_array_equal(model.coef_, coef)
    stopper = Recorder(stop_after=2)
    part = HuberRegressorCV(epsilons=epsilons).set_callbacks(stopper).fit(X, y)
    assert part.cv_results_["param_epsilon"].tolist() == [2.5, 1.345]
    np.testing.assert_array_equal(
        part.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"][:2]
    )
    assert part.epsilon_ == 1.345
    single = HuberRegressor(epsilon=1.345, tol=1e-11).fit(X, y)
    np.testing.assert_allclose(part.coef_, single.coef_, rtol=1e-8)


def test_grid_search_and_pipeline_pass_callbacks_on(data):
    X, y = data
    seen = Travelling()
    pipeline = make_pipeline(StandardScaler(), HuberRegressor())
    grid = {"huberregressor__epsilon": [1.0, 2.0]}
    GridSearchCV(pipeline, grid, cv=2).set_callbacks(seen).fit(X, y)
    assert len(seen.models) >= 5  # an iteration at least of each of the five fits
    assert seen.events.count("setup") == seen.events.count("teardown") == 1


def test_progress_bar_is_drawn(data, capsys):
    pytest.importorskip("rich")
    bar = callback.ProgressBar()
    HuberRegressorCV(epsilons=[1.0, 2.0]).set_callbacks(bar).fit(*data)
    assert "HuberRegressorCV" in capsys.readouterr().out
    HuberRegressor().set_callbacks(callback.ProgressBar()).fit(*data)
    assert "HuberRegressor" in capsys.readouterr().out


def test_scoring_monitor_logs_each_iteration(data):
    monitor = callback.ScoringMonitor(scoring="neg_median_absolute_error")
    model = HuberRegressor().set_callbacks(monitor).fit(*data)
    assert len(monitor.get_logs().data) >= model.n_iter_


@pytest.mark.parametrize("model", [HuberRegressor(), HuberRegressorCV(epsilons=[1.0, 2.0])])
def test_scores_of_a_data_frame(model):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    monitor = callback.ScoringMonitor(scoring="r2")
    model.set_callbacks(monitor).fit(X, y, sample_weight=np.ones(len(y)))
    assert monitor.get_logs().data[-1]["r2"] == pytest.approx(model.score(X, y), abs=0.1)


def test_scores_of_labels():
    X, y = load_iris(return_X_y=True, as_frame=True)
    species = y.map({0: "setosa", 1: "versicolor", 2: "virginica"})
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = LogisticClassifier().set_callbacks(monitor).fit(X, species)
    assert monitor.get_logs().data[-1]["accuracy"] == model.score(X, species)


def test_page_of_the_guide_runs():
    code = scripts("progress")
    assert len(code) == 3
    scope = run([block for block in code if "ProgressBar" not in block])
    assert len(scope["scores"]) > 2
    assert scope["model"].optimality_ > scope["model"].tol


def test_progress_bar_of_the_guide_runs():
    pytest.importorskip("rich")
    assert run(scripts("progress")[:2])["HuberRegressorCV"] is HuberRegressorCV


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match="FitCallback"):
        HuberRegressor().set_callbacks(lambda: None)
