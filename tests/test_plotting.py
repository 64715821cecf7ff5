"""The displays: what they draw, scikit-learn's conventions, and no matplotlib until they do."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    L2Regressor,
    LogisticClassifier,
    QuantileRegressor,
    RobustRegressor,
    datasets,
    huber_path,
)
from robustreg.inference import influence, summarize
from robustreg.inference._influence import KINDS
from robustreg.losses import LOSSES, Logistic, MarginLoss, ResidualLoss, Tukey
from robustreg.model_selection import regularization_path
from robustreg.plotting import (
    CoefficientDisplay,
    CoefficientPathDisplay,
    DeltaCurveDisplay,
    LossDisplay,
    OutlierMapDisplay,
    ResidualDisplay,
)
from robustreg.scales import OUTLYING

DRAWN = [name for name, kind in LOSSES.items() if issubclass(kind, ResidualLoss | MarginLoss)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X, y.where(y.index % 9 > 0, 8 * y)


@pytest.fixture(scope="module")
def search(diabetes):
    return HuberRegressorCV(epsilons=[2.0, 0.5, np.inf, 1.345], alphas=[1e-4, 1.0]).fit(*diabetes)


def line(ax):
    return ax.lines[0].get_xydata()


@pytest.mark.parametrize("name", DRAWN)
def test_every_loss_of_one_argument_is_drawn(name):
    display = LossDisplay.from_loss(name)
    loss = LOSSES[name]()
    x, value = line(display.ax_[0]).T
    expected = loss.rho(x) if isinstance(loss, ResidualLoss) else loss.phi(x)
    np.testing.assert_array_equal(value, expected)
    slope = line(display.ax_[1])[:, 1]
    np.testing.assert_array_equal(slope, loss.psi(x) if len(display.ax_) == 3 else -loss.dphi(x))
    assert repr(loss) in [text.get_text() for text in display.figure_.texts]
    display.figure_.canvas.draw()


def test_loss_display_marks_thresholds_and_takes_axes():
    _, axes = plt.subplots(1, 3)
    display = LossDisplay.from_loss(Tukey(3.0), limit=7.0, ax=axes, line_kw={"color": "k"})
    assert list(display.ax_) == list(axes)
    assert line(axes[0])[-1, 0] == 7.0
    assert axes[0].lines[0].get_color() == "k"
    assert {mark.get_xdata()[0] for mark in axes[0].lines[1:]} == {-3.0, 3.0}
    assert axes[0].texts[0].get_text() == "c = 3"
    with pytest.raises(ValueError, match=r"draws on 3 axes\. Got 2"):
        LossDisplay.from_loss("huber", ax=axes[:2])


@pytest.mark.parametrize(
    "loss",
    ["logistic", "multilabel", Logistic(from_logits=False), Logistic(pos_weight=2.0)],
    ids=str,
)
def test_logistic_loss_is_one_of_a_margin(loss):
    display = LossDisplay.from_loss(loss, limit=5.0)
    m, value = line(display.ax_[0]).T
    factor = getattr(loss, "pos_weight", None) or 1.0
    np.testing.assert_allclose(value, factor * np.log1p(np.exp(-m)), rtol=1e-12)
    np.testing.assert_allclose(line(display.ax_[1])[:, 1], factor / (1 + np.exp(m)), rtol=1e-12)
    assert display.ax_[0].get_xlabel() == "margin m"


@pytest.mark.parametrize("loss", ["triplet", "cross_entropy", "dice", "nonsense", 3])
def test_other_losses_are_refused(loss):
    with pytest.raises(TypeError, match="function of one residual or one margin"):
        LossDisplay.from_loss(loss)


def test_residuals_of_a_model_are_standardised_and_flagged():
    frame = datasets.load_phones()
    X, y = frame[["year"]], frame["calls"]
    y.index = frame["year"]
    model = HuberRegressor(scale="mad", max_iter=1000).fit(X, y)
    display = ResidualDisplay.from_estimator(model, X, y)
    left, right = display.ax_
    np.testing.assert_array_equal(display.flagged, model.outliers_)
    np.testing.assert_allclose(display.residual, (y - model.predict(X)) / model.scale_)
    quiet, flagged = (points.get_offsets() for points in left.collections)
    assert len(flagged) == model.outliers_.sum()
    assert len(quiet) + len(flagged) == len(y)
    np.testing.assert_allclose(flagged[:, 0], model.predict(X)[model.outliers_])
    # the farthest are named by the index of y
    assert {"64", "69"} <= {text.get_text() for text in left.texts} <= set(map(str, y.index))
    quantiles = np.concatenate([points.get_offsets() for points in right.collections])
    order = np.argsort(quantiles[:, 0])
    assert np.all(np.diff(quantiles[order, 1]) >= 0)
    np.testing.assert_allclose(quantiles[order, 0], -quantiles[order[::-1], 0], atol=1e-12)


def test_names_of_residuals_stay_within_their_panel():
    phones = datasets.load_phones()
    y = phones["calls"].set_axis([f"year {1900 + year}" for year in phones["year"]])
    X = phones[["year"]].set_axis(y.index)
    display = ResidualDisplay.from_estimator(RobustRegressor(loss="tukey").fit(X, y), X, y)
    display.figure_.canvas.draw()
    for ax in display.ax_:
        box = ax.get_window_extent()
        assert len(ax.texts) == 7
        for text in ax.texts:
            name = text.get_window_extent()
            assert box.x0 < name.x0 < name.x1 < box.x1


def test_residuals_without_a_scale_take_their_mad(diabetes):
    X, y = diabetes
    models = [make_pipeline(StandardScaler(), L2Regressor()), LinearRegression()]
    for model in models:
        display = ResidualDisplay.from_estimator(model.fit(X, y), X, y)
        assert display.threshold == OUTLYING
        assert np.isclose(np.median(np.abs(display.residual)), 0.6744897501960817)
    exact = ResidualDisplay.from_predictions([1.0, 2.0], [1.0, 2.0])
    assert not exact.flagged.any()


def test_curve_of_a_search(search):
    display = DeltaCurveDisplay.from_estimator(search)
    assert display.epsilon.tolist() == [0.5, 1.345, 2.0, np.inf]
    rows = np.array([1, 3, 0, 2]) + 4 * int(search.alpha_ == 1.0)
    np.testing.assert_allclose(display.score, search.cv_results_["mean_test_score"][rows])
    np.testing.assert_allclose(display.error, search.cv_results_["standard_error"][rows])
    score, scale, outliers = display.ax_
    np.testing.assert_array_equal(line(score)[:, 1], display.score)
    np.testing.assert_array_equal(line(scale)[:, 1], search.cv_results_["scale"][rows])
    np.testing.assert_array_equal(line(outliers)[:, 1], search.cv_results_["n_outliers"][rows])
    ticks = [tick.get_text() for tick in outliers.get_xticklabels()]
    assert sorted(ticks) == sorted(["0.5", "1.34", "2", "∞"])
    assert f"epsilon = {search.epsilon_:.3g}" in score.get_title()
    display.figure_.canvas.draw()


def test_curve_of_a_grid_search(diabetes):
    X, y = diabetes
    grid = {"huberregressor__epsilon": [0.5, 1.0, 2.0], "huberregressor__alpha": [0.0, 1.0]}
    pipeline = make_pipeline(StandardScaler(), HuberRegressor())
    found = GridSearchCV(pipeline, grid, scoring="neg_median_absolute_error").fit(X, y)
    alone = DeltaCurveDisplay.from_estimator(found)
    assert alone.score.max() == found.best_score_
    assert alone.ax_.get_ylabel() == "score ± 1 SE"
    whole = DeltaCurveDisplay.from_estimator(found, X, y)
    assert len(whole.ax_) == 3
    best = found.best_estimator_[-1]
    k = whole.epsilon.tolist().index(best.epsilon)
    assert np.isclose(whole.scale[k], best.scale_)
    assert whole.n_outliers[k] == best.outliers_.sum()
    other = GridSearchCV(HuberRegressor(), {"alpha": [0.0, 1.0]}).fit(X, y)
    with pytest.raises(ValueError, match="no epsilon and no delta in its grid"):
        DeltaCurveDisplay.from_estimator(other)


def test_curve_of_a_grid_search_with_several_scores(diabetes):
    grid, scoring = {"epsilon": [0.5, 1.345, 3.0]}, ["r2", "neg_mean_squared_error"]
    search = GridSearchCV(HuberRegressor(), grid, scoring=scoring, refit="r2").fit(*diabetes)
    display = DeltaCurveDisplay.from_estimator(search)
    np.testing.assert_allclose(display.score, search.cv_results_["mean_test_r2"])
    assert display.chosen == search.best_params_["epsilon"]
    for refit in (False, lambda results: 0):
        search.set_params(refit=refit).fit(*diabetes)
        with pytest.raises(ValueError, match="does not say which to draw"):
            DeltaCurveDisplay.from_estimator(search)


@pytest.mark.parametrize(
    "model",
    [
        HuberRegressorCV(),
        GridSearchCV(HuberRegressor(), {"epsilon": [1.0]}),
        make_pipeline(StandardScaler(), HuberRegressorCV()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("display", [DeltaCurveDisplay, CoefficientPathDisplay])
def test_a_search_that_is_not_fitted_is_refused(display, model):
    with pytest.raises(NotFittedError):
        display.from_estimator(model)


def test_coefficients_of_a_search_are_named(search):
    display = CoefficientPathDisplay.from_estimator(search)
    ax = display.ax_
    assert {text.get_text() for text in ax.texts} == set(search.feature_names_in_)
    drawn = np.array([one.get_ydata() for one in ax.lines[:10]]).T
    row = display.epsilon.tolist().index(search.epsilon_)
    np.testing.assert_array_equal(drawn[row], search.coef_)
    heights = np.sort([text.xyann[1] for text in ax.texts])
    assert np.diff(heights).min() >= 0.05 * np.ptp(ax.get_ylim())


def test_coefficients_of_a_path():
    frame = datasets.load_stackloss()
    path = huber_path(frame.iloc[:, :-1], frame.iloc[:, -1], epsilons=[2.0, 1.0])
    display = CoefficientPathDisplay.from_path(path)
    assert display.epsilon.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(display.coef, path.coef[::-1])
    assert {text.get_text() for text in display.ax_.texts} == {"x0", "x1", "x2"}


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError, match=r"LossDisplay needs matplotlib: pip install 'robustreg\[plot\]'"
    ):
        LossDisplay.from_loss("huber")


def test_outlier_map_shows_the_rows_and_names_the_regions():
    frame = datasets.load_stackloss()
    X, y = frame.drop(columns="stack_loss"), frame["stack_loss"]
    model = RobustRegressor(loss="tukey").fit(X, y)
    display = OutlierMapDisplay.from_estimator(model, X, y)
    drawn = np.vstack([part.get_offsets() for part in display.ax_.collections])
    expected = influence(model, X, y)
    for column, name in enumerate(("robust_distance", "standardised_residual")):
        np.testing.assert_allclose(np.sort(drawn[:, column]), np.sort(expected[name]))
    texts = [text.get_text() for text in display.ax_.texts]
    assert {"regular", "vertical outlier", "good leverage", "bad leverage", "3", "20"} <= set(texts)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    counts = expected["kind"].value_counts()
    assert labels == [f"{kind} ({counts.get(kind, 0)})" for kind in KINDS]
    lines = {float(line.get_ydata()[0]) for line in display.ax_.lines[:2]}
    assert lines == {-2.5, 2.5}
    display.figure_.canvas.draw()


def test_outlier_map_of_far_rows_and_given_axes():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X.sum(axis=1) + np.random.default_rng(1).normal(size=60)
    X[0], y[1] = 1e3, 1e4
    _, ax = plt.subplots()
    display = OutlierMapDisplay.from_estimator(RobustRegressor(loss="tukey").fit(X, y), X, y, ax=ax)
    assert display.ax_ is ax
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "symlog")
    assert {"0", "1"} <= {text.get_text() for text in ax.texts}
    display.figure_.canvas.draw()
    display.plot(scatter_kw={"color": "k"}).figure_.canvas.draw()


def test_coefficient_display_shows_the_intervals():
    frame = datasets.load_stackloss()
    X, y = frame.drop(columns="stack_loss"), frame["stack_loss"]
    fits = {"squares": L2Regressor(), "Huber": HuberRegressor(alpha=0.0)}
    summaries = {name: summarize(fit.fit(X, y), X, y) for name, fit in fits.items()}
    display = CoefficientDisplay.from_summaries(summaries)
    for bars, summary in zip(display.ax_.containers, summaries.values(), strict=True):
        table = summary.table.drop(index="intercept")
        np.testing.assert_allclose(bars[0].get_xdata(), table["coef"])
        ends = np.array([part[:, 0] for part in bars[2][0].get_segments()])
        np.testing.assert_allclose(ends, table[["lower", "upper"]])
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["squares", "Huber"]
    single = CoefficientDisplay.from_summaries(summaries["Huber"], intercept=True, standardise=True)
    assert single.ax_.get_legend() is None
    np.testing.assert_allclose(
        single.ax_.containers[0][0].get_xdata(), summaries["Huber"].table["statistic"]
    )
    display.figure_.canvas.draw()


def test_coefficient_display_of_other_names_several_classes_and_no_ends():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    few, more = X[["bmi", "bp"]], X[["bp", "s5"]]
    tables = {name: summarize(L2Regressor().fit(part, y), part, y) for name, part in
              {"few": few, "more": more}.items()}  # fmt: skip
    display = CoefficientDisplay.from_summaries(tables)
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["bmi", "bp", "s5"]
    kind = np.digitize(y, [100, 200])
    classes = summarize(LogisticClassifier().fit(few, kind), few, kind)
    display = CoefficientDisplay.from_summaries(classes)
    assert display.ax_.get_yticklabels()[0].get_text() == "0: bmi"
    frame = datasets.load_stackloss()
    X, y = frame.drop(columns="stack_loss"), frame["stack_loss"]
    endless = summarize(QuantileRegressor(quantile=0.9, alpha=0.0).fit(X, y), X, y)
    assert np.isinf(endless.table[["lower", "upper"]]).any(axis=None)
    display = CoefficientDisplay.from_summaries(endless)
    assert len(display.ax_.texts) == np.isinf(endless.table.iloc[1:, -2:]).to_numpy().sum()
    display.figure_.canvas.draw()
    with pytest.raises(ValueError, match="no coefficient to draw"):
        CoefficientDisplay({"": endless.table.iloc[:0]}).plot()


def test_coefficients_along_alpha():
    frame = datasets.load_stackloss()
    X, y = frame.iloc[:, :-1], frame.iloc[:, -1]
    model = HuberRegressor(alpha=10.0, l1_ratio=1.0).fit(X, y)
    display = CoefficientPathDisplay.from_estimator(model, X, y, n_alphas=8)
    ax = display.ax_
    assert ax.get_xlabel() == "alpha"
    assert ax.xaxis_inverted()
    assert "alpha = 10" in ax.get_title()
    assert {text.get_text() for text in ax.texts} == set(X.columns)
    assert not display.coef[-1].any()  # the largest strength
    classes = np.digitize(y, [12, 20])
    path = regularization_path(HingeClassifier(squared=True), X, classes, alphas=[0.0, 1.0, 5.0])
    display = CoefficientPathDisplay.from_path(path)
    assert len(display.ax_.lines) == 9
    assert display.epsilon.tolist() == [1.0, 5.0]
    assert "2: air_flow" in display.names
