"""The summary: its table, tests, predictions, text, and the errors on the way to it."""

import pickle
import sys
import types
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    MarginRanker,
    MMRegressor,
    RobustRegressor,
    SRegressor,
)
from robustreg.inference import summarize
from tests.inference._data import classes, sample, table


@pytest.fixture(scope="module")
def squares():
    X, y, _, _ = sample()
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    return X, y, summarize(L2Regressor().fit(X, y), X, y), sm.OLS(y, sm.add_constant(X)).fit()


def test_table_and_what_stands_beside_it(squares):
    X, y, ours, theirs = squares
    assert ours.table.columns.tolist() == [
        "coef", "std_error", "statistic", "p_value", "lower", "upper",
    ]  # fmt: skip
    assert ours.table.index.tolist() == ["intercept", "a", "b", "c"]
    assert ours.covariance.index.tolist() == ours.covariance.columns.tolist()
    np.testing.assert_allclose(ours.table["statistic"], theirs.tvalues, rtol=1e-9)
    np.testing.assert_allclose(ours.table["p_value"], theirs.pvalues, rtol=1e-7)
    np.testing.assert_allclose(ours.table[["lower", "upper"]], theirs.conf_int(), rtol=1e-8)
    narrow = summarize(L2Regressor().fit(X, y), X, y, confidence=0.5)
    np.testing.assert_allclose(narrow.table[["lower", "upper"]], theirs.conf_int(0.5), rtol=1e-8)
    assert (ours.n_samples, ours.n_groups, ours.df) == (200, None, 196)


def test_without_intercept(squares):
    X, y, _, _ = squares
    ours = summarize(L2Regressor(fit_intercept=False).fit(X, y), X, y)
    theirs = sm.OLS(y, X).fit()
    assert ours.table.index.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(ours.table["std_error"], theirs.bse, rtol=1e-9)
    assert ours.r2 == pytest.approx(theirs.rsquared, rel=1e-9)
    assert ours.adjusted_r2 == pytest.approx(theirs.rsquared_adj, rel=1e-9)
    frame = theirs.get_prediction(X).summary_frame()
    found = ours.predict(X, "prediction")
    np.testing.assert_allclose(found["lower"], frame["obs_ci_lower"], rtol=1e-8)


def test_wald_tests(squares):
    _, _, ours, theirs = squares
    single, joint = ours.test("b"), ours.test(["a", "c"])
    assert single.statistic == pytest.approx(theirs.tvalues["b"] ** 2, rel=1e-9)
    expected = theirs.f_test("a = 0, c = 0")
    assert joint.statistic == pytest.approx(float(expected.fvalue), rel=1e-9)
    assert joint.p_value == pytest.approx(float(expected.pvalue), rel=1e-7)
    assert (joint.df_numerator, joint.df_denominator) == (2, 196)
    expected = theirs.f_test("a - b = -0.4, c = 2")
    rows = [[0, 1, -1, 0], [0, 0, 0, 1]]
    frame = pd.DataFrame({"c": [0, 1], "a": [1, 0], "b": [-1, 0]})
    for what in (rows, np.array(rows), frame):
        found = ours.test(what, [-0.4, 2.0])
        assert found.p_value == pytest.approx(float(expected.pvalue), rel=1e-8)
    assert ours.test((rows, [-0.4, 2.0])) == ours.test(rows, [-0.4, 2.0])
    # a hypothesis said twice is one hypothesis
    again = ours.test([*rows, rows[0]], [-0.4, 2.0, -0.4])
    assert again.df_numerator == 2
    assert again.p_value == pytest.approx(float(expected.pvalue), rel=1e-6)
    assert str(joint).startswith("Wald test: F(2, 196) = ")


def test_wald_tests_that_cannot_be(squares):
    _, _, ours, _ = squares
    with pytest.raises(KeyError, match="No coefficient is named 'd'"):
        ours.test("d")
    with pytest.raises(KeyError, match="'d'"):
        ours.test(["a", "d"])
    with pytest.raises(KeyError, match="'d'"):
        ours.test(pd.DataFrame({"d": [1.0]}))
    with pytest.raises(ValueError, match="needs 4 finite columns"):
        ours.test([[1.0, 2.0]])
    with pytest.raises(ValueError, match="does not vary"):
        ours.test(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="contradict"):
        ours.test([[0, 1, 0, 0], [0, 1, 0, 0]], [0.0, 1.0])


def test_nested_models(squares):
    X, y, ours, theirs = squares
    smaller = summarize(L2Regressor().fit(X[["b"]], y), X[["b"]], y)
    found = ours.compare(smaller)
    expected = theirs.compare_f_test(sm.OLS(y, sm.add_constant(X[["b"]])).fit())
    assert found.statistic == pytest.approx(expected[0], rel=1e-8)
    assert found.p_value == pytest.approx(expected[1], rel=1e-6)
    for wrong, message in (
        (ours, "same coefficients"),
        (summarize(L2Regressor().fit(X[["b"]][:99], y[:99]), X[["b"]][:99], y[:99]), "99 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            ours.compare(wrong)
    with pytest.raises(ValueError, match="not nested in this one: it has 'a'"):
        smaller.compare(ours)
    with pytest.raises(TypeError, match="takes the Summary"):
        ours.compare(L2Regressor())


def test_predictions(squares):
    X, _, ours, theirs = squares
    new = X.iloc[:5] + 1.0
    frame = theirs.get_prediction(sm.add_constant(new)).summary_frame(alpha=0.2)
    found = ours.predict(new, confidence=0.8)
    assert found.index.equals(new.index)
    np.testing.assert_allclose(found["prediction"], frame["mean"], rtol=1e-10)
    np.testing.assert_allclose(found["lower"], frame["mean_ci_lower"], rtol=1e-8)
    found = ours.predict(new, "prediction", confidence=0.8)
    np.testing.assert_allclose(found["upper"], frame["obs_ci_upper"], rtol=1e-8)
    with pytest.raises(ValueError, match=r"'confidence' or 'prediction'\. Got 'mean'"):
        ours.predict(new, "mean")
    with pytest.raises(ValueError, match="feature names"):
        ours.predict(new[["b", "a", "c"]])


def test_predictions_of_scores():
    X, y, _, _ = classes(k=2)
    model = LogisticClassifier(alpha=0.0).fit(X, y)
    ours = summarize(model, X, y)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-12)
    expected = theirs.get_prediction(sm.add_constant(X), which="linear").summary_frame()
    found = ours.predict(X)
    np.testing.assert_allclose(found["prediction"], model.decision_function(X), rtol=1e-10)
    np.testing.assert_allclose(found["lower"], expected["ci_lower"], rtol=1e-7)
    with pytest.raises(ValueError, match="does not model"):
        ours.predict(X, "prediction")
    X, y, _, _ = classes()
    ours = summarize(LogisticClassifier(alpha=0.0).fit(X, y), X, y)
    found = ours.predict(X)
    assert found.columns.names == [None, None] and list(found.columns.levels[0]) == [0, 1, 2]
    row = np.append(1.0, X[0])
    for k in range(3):
        error = np.sqrt(row @ ours.covariance.loc[k, k].to_numpy() @ row)
        reach = found[k]["upper"][0] - found[k]["prediction"][0]
        assert reach == pytest.approx(1.959964 * error, rel=1e-6)


def test_text_has_80_columns_and_says_it_all():
    X, y = table("stackloss")
    text = str(summarize(HuberRegressor(alpha=0.0, scale="mad").fit(X, y), X, y))
    for part in (
        "HuberRegressor(", "21 rows", "Residuals:", "1Q", "covariance: huber; t with 17",
        "[0.025", "0.975]", "water_temp    0.9261", "**", "Significance", "Scale", "Robust R2: 0.93",
        "Rows by weight: 0 with 0, 18 with 1, 3 between", "Outliers, beyond 2.58 scales: 2", "Optimality",
    ):  # fmt: skip
        assert part in text
    X, y, _, _ = sample(n=60)
    X = pd.DataFrame(X * [1e-12, 1.0, 1e12], columns=["a" * 40, "a" * 30 + "b" * 10, "short"])
    model = HuberRegressor(alpha=1e-9, epsilon=1.2345678, tol=1e-9, max_iter=1234, scale="mad")
    for fitted in (model.fit(X, y), L1Regressor().fit(X, y)):
        lines = str(summarize(fitted, X, y)).splitlines()
        assert max(map(len, lines)) <= 80
    X, y, _, _ = classes()
    text = str(summarize(LogisticClassifier().fit(X, y), X, y))
    assert "[2]\n" in text and "McFadden R2" in text and "shrunk" in text
    assert max(map(len, text.splitlines())) <= 80


def test_other_forms(squares):
    _, _, ours, _ = squares
    page = ours._repr_html_()
    assert "<table" in page and "R2:" in page and page.count("<tr") == 5
    assert repr(ours) == str(ours)
    assert r"\begin{tabular}" in ours.to_latex()


def test_names_that_are_markup_are_escaped():
    X, y, _, _ = sample(n=40, p=1)
    X = pd.DataFrame(X, columns=["<b>x</b>"])
    assert "<b>" not in summarize(L2Regressor().fit(X, y), X, y)._repr_html_()


def test_nothing_is_stored_on_the_estimator():
    X, y, groups, _ = sample()
    model = HuberRegressor().fit(X, y)
    before = deepcopy(model.__dict__)
    for kind in ("huber", "cluster", "bootstrap"):
        how = {"groups": groups} if kind == "cluster" else {}
        summarize(model, X, y, covariance=kind, n_resamples=20, **how)
    assert model.__dict__.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(model, name), value)


def test_a_summary_can_be_pickled():
    X, y, _, _ = sample(n=50)
    ours = summarize(HuberRegressor().fit(X, y), X, y)
    again = pickle.loads(pickle.dumps(ours))
    pd.testing.assert_frame_equal(again.table, ours.table)
    pd.testing.assert_frame_equal(again.predict(X), ours.predict(X))


def test_pipelines_and_searches():
    X, y, groups, _ = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(g=np.array(list("uvw"))[groups % 3])
    steps = make_column_transformer((OneHotEncoder(drop="first"), ["g"]), (StandardScaler(), ["a"]))
    pipe = make_pipeline(steps, HuberRegressor(alpha=0.0)).fit(frame, y)
    ours = summarize(pipe, frame, y)
    names = ["intercept", "onehotencoder__g_v", "onehotencoder__g_w", "standardscaler__a"]
    assert ours.table.index.tolist() == names
    plain = summarize(pipe[-1], pipe[:-1].transform(frame), y)
    np.testing.assert_array_equal(ours.table, plain.table)
    new = frame.head(3)
    np.testing.assert_allclose(ours.predict(new)["prediction"], pipe.predict(new), rtol=1e-12)
    search = GridSearchCV(pipe, {"huberregressor__epsilon": [1.345, 3.0]}, cv=3).fit(frame, y)
    found = summarize(search, frame, y)
    assert found.table.index.tolist() == names
    nameless = make_pipeline(FunctionTransformer(np.abs), L2Regressor()).fit(X, y)
    assert summarize(nameless, X, y).table.index.tolist() == ["intercept", "x0", "x1", "x2"]
    chosen = HuberRegressorCV(epsilons=[1.0, 3.0], cv=3).fit(X, y)
    found = summarize(chosen, X, y)
    single = HuberRegressor(epsilon=chosen.epsilon_, alpha=chosen.alpha_, scale=chosen.scale)
    expected = summarize(single.fit(X, y), X, y).table
    np.testing.assert_allclose(found.table, expected, rtol=1e-5)
    assert any("chosen on the same rows" in note for note in found.notes)


def test_other_data_than_those_of_the_fit():
    X, y, _, _ = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = HuberRegressor(alpha=0.0).fit(frame, y)
    with pytest.raises(NotFittedError):
        summarize(HuberRegressor(), X, y)
    with pytest.raises(ValueError, match="feature names"):
        summarize(model, frame.rename(columns={"a": "z"}), y)
    with pytest.raises(ValueError, match="2 features"):
        summarize(HuberRegressor().fit(X, y), X[:, :2], y)
    with pytest.raises(ValueError, match="inconsistent"):
        summarize(model, frame, y[:-1])
    with pytest.warns(UserWarning, match="The model was not fitted to these data"):
        summarize(model, frame, y + frame["a"])
    with pytest.warns(UserWarning, match="The model was not fitted to these data"):
        summarize(L1Regressor().fit(X, y), X, y + X[:, 0], covariance="iid")
    with pytest.raises(TypeError, match="linear model of robustreg"):
        summarize(LinearRegression().fit(X, y), X, y)
    X, y, _, _ = classes()
    model = LogisticClassifier().fit(X, y)
    with pytest.raises(ValueError, match="y holds the classes"):
        summarize(model, X, y + 1)
    with pytest.raises(ValueError, match="y holds the classes"):
        summarize(model, X[y < 2], y[y < 2])


@pytest.mark.parametrize(
    "model",
    [
        MMRegressor(),
        MMRegressor(method="smdm"),
        SRegressor(),
        HuberRegressor(alpha=0.0),
        RobustRegressor(loss="tukey"),
    ],
)
@pytest.mark.filterwarnings("ignore:The model was not fitted to these data")
def test_rows_that_are_all_far_from_the_fit(model):
    X, y, _, _ = sample()
    model.fit(X, y)
    with pytest.raises(ValueError, match="matrix of second derivatives is singular"):
        summarize(model, X, y + 1e6)


def test_too_few_rows():
    X, y, _, _ = sample(n=4)
    model = HuberRegressor(alpha=1.0, scale=1.0).fit(X, y)
    with pytest.raises(ValueError, match="There are 4 rows and 4 parameters"):
        summarize(model, X, y)
    X, y, _, _ = sample(n=40)
    light = np.full(40, 0.05)
    light[0] = 0.06
    model.fit(X, y, light)
    with pytest.raises(ValueError, match="Weights are numbers of repetitions"):
        summarize(model, X, y, sample_weight=light)


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (
            L2Regressor(),
            "nid",
            "L2Regressor has no covariance='nid' (least squares). It has 'auto', 'classical', 'hc0'",
        ),
        (L1Regressor(), "sandwich", "the density of the errors is needed"),
        (HuberRegressor(), 7, "no covariance=7 (an M-estimate)"),
        (HingeClassifier(), "sandwich", "a density at the kinks"),
        (DiceClassifier(), "cluster", "need a sum over rows"),
        (FocalClassifier(), "information", "curvature of a log-likelihood"),
    ],
)
def test_a_covariance_that_the_model_has_not(model, kind, message):
    X, y, groups, _ = sample() if "Regressor" in repr(model) else classes(k=2)
    with pytest.raises(ValueError) as raised:
        summarize(
            model.fit(X, y), X, y, covariance=kind, groups=groups if kind == "cluster" else None
        )
    assert message in str(raised.value)


def test_a_ranker_has_none():
    X, y, _, _ = classes()
    with pytest.raises(ValueError, match="its loss is not one of single rows"):
        summarize(MarginRanker().fit(X, y), X, y)


@pytest.mark.filterwarnings("ignore:LogisticClassifier")
@pytest.mark.parametrize("kind", ["information", "sandwich", "cluster"])
def test_separated_classes(kind):
    X, y, groups, _ = sample()
    above = y > np.median(y)
    separate = np.column_stack([X, y])
    model = LogisticClassifier(alpha=0.0).fit(separate, above)
    with pytest.raises(ValueError, match=r"a hyperplane separates the classes.*alpha > 0"):
        summarize(
            model, separate, above, covariance=kind, groups=groups if kind == "cluster" else None
        )


def test_groups_that_are_none():
    X, y, groups, _ = sample()
    model = L2Regressor().fit(X, y)
    for wrong, message in (
        (np.zeros(200), "one group only"),
        (groups[:-1], "one label for each row"),
        (np.column_stack([groups, groups]), "one label for each row"),
        (pd.Series(groups).where(groups > 0), "missing values"),
    ):
        with pytest.raises(ValueError, match=message):
            summarize(model, X, y, groups=wrong)
    with pytest.raises(ValueError, match="needs groups"):
        summarize(model, X, y, covariance="cluster")
    with pytest.raises(ValueError, match="'cluster' and 'bootstrap' only"):
        summarize(model, X, y, covariance="hc0", groups=groups)
    few = summarize(model, X, y, groups=groups % 3)
    assert "3 groups are no more than the 4 parameters" in few.notes[0]


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_confidence_is_a_share(confidence):
    X, y, _, _ = sample()
    with pytest.raises(ValueError, match="between 0 and 1"):
        summarize(L2Regressor().fit(X, y), X, y, confidence=confidence)


def test_a_fit_that_is_not_solved_is_said_to_be():
    X, y, _, _ = sample()
    with pytest.warns(UserWarning, match="stopped after"):
        model = HuberRegressor(max_iter=1, tol=1e-14).fit(X, y)
    with pytest.warns(UserWarning) if model.optimality_ > 1e-2 else np.errstate():
        found = summarize(model, X, y)
    assert any("not solved" in note for note in found.notes)
    assert "(not solved)" in str(found)


def test_markdown_and_latex_through_pandas_or_a_message(monkeypatch):
    X, y = table("stackloss")
    summary = summarize(L2Regressor().fit(X, y), X, y)
    seen = {}

    def tabulate(frame, **how):
        seen.update(how, names=list(frame.index))
        return "| text |"

    fake = types.ModuleType("tabulate")
    fake.__version__, fake.tabulate = "0.9.0", tabulate
    monkeypatch.setitem(sys.modules, "tabulate", fake)
    assert summary.to_markdown() == "| text |"
    assert seen["floatfmt"] == ".4g" and seen["names"] == list(summary.table.index)
    summary.to_markdown(floatfmt=".2f")
    assert seen["floatfmt"] == ".2f"
    monkeypatch.setitem(sys.modules, "tabulate", None)
    with pytest.raises(ImportError, match=r"to_markdown needs the package tabulate.*pip install"):
        summary.to_markdown()
    assert "0.7156" in summary.to_latex()

    def missing(**how):
        raise ImportError("no jinja2")

    monkeypatch.setattr(summary.table, "to_latex", missing)
    with pytest.raises(ImportError, match="to_latex needs the package jinja2"):
        summary.to_latex()
