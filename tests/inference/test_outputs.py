"""Summaries of several outputs and of several quantiles: those of the single fits, under their names."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_linnerud
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
from robustreg.inference import OutputsSummary, influence, summarize
from robustreg.plotting import CoefficientDisplay

X, Y = load_linnerud(return_X_y=True, as_frame=True)
NAMES = ["Weight", "Waist", "Pulse"]
MODELS = {
    "L2": (L2Regressor(), "auto"),
    "L2, hc3": (L2Regressor(), "hc3"),
    "Huber": (HuberRegressor(), "auto"),
    "Huber, sandwich": (HuberRegressor(), "sandwich"),
    "L1, rank": (L1Regressor(), "auto"),
    "L1, nid": (L1Regressor(), "nid"),
    "Tukey": (RobustRegressor(loss="tukey"), "auto"),
    "MM": (MMRegressor(), "auto"),
    "MM, bootstrap": (MMRegressor(), "bootstrap"),
    "LTS": (LTSRegressor(), "auto"),
    "Huber, bootstrap": (HuberRegressor(), "bootstrap"),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_output_is_summarised_as_the_single_fit(name):
    model, covariance = MODELS[name]
    how = {"covariance": covariance, "n_resamples": 25}
    found = summarize(model.fit(X, Y), X, Y, **how)
    assert isinstance(found, OutputsSummary)
    assert list(found.outputs) == NAMES
    for output in NAMES:
        single = summarize(model.fit(X, Y[output]), X, Y[output], **how)
        assert_allclose(found.table.loc[output], single.table, rtol=1e-7)
        assert_allclose(found.covariance.loc[output, output], single.covariance, rtol=1e-7)
        assert found.scale[output] == pytest.approx(single.scale, rel=1e-9)
        assert found.r2[output] == pytest.approx(single.r2, rel=1e-9)
        for value in ("n_outliers", "covariance_type", "df"):
            assert getattr(found, value)[output] == getattr(single, value)
    assert found.covariance.loc["Weight", "Waist"].isna().all(axis=None)
    assert (found.n_samples, found.n_groups, found.confidence) == (20, None, 0.95)


def test_weights_and_groups_reach_each_output():
    weight, groups = np.tile([1.0, 2.0, 3.0, 1.0], 5), np.repeat(np.arange(5), 4)
    model = L2Regressor().fit(X, Y, sample_weight=weight)
    found = summarize(model, X, Y, sample_weight=weight, groups=groups)
    one = L2Regressor().fit(X, Y["Waist"], sample_weight=weight)
    single = summarize(one, X, Y["Waist"], sample_weight=weight, groups=groups)
    assert_allclose(found.table.loc["Waist"], single.table, rtol=1e-9)
    assert (found.covariance_type["Waist"], found.n_groups, found.n_samples) == ("cluster", 5, 35)


def test_names_of_outputs():
    model = HuberRegressor().fit(X, Y)
    assert summarize(model, X, Y.to_numpy()).scale.index.tolist() == ["y0", "y1", "y2"]
    alike = Y.set_axis([1, "1", "b"], axis=1)
    assert summarize(model, X, alike).scale.index.tolist() == ["y0", "y1", "y2"]
    numbers = Y.set_axis([7, 8, 9], axis=1)
    assert summarize(model, X, numbers).table.loc["8"].index.tolist() == ["intercept", *X]


def test_a_scale_that_the_outputs_share():
    model = HuberRegressor(joint_scale=True).fit(X, Y)
    found = summarize(model, X, Y)
    assert found.scale.nunique() == 1
    single = summarize(model.output(2), X, Y["Pulse"])
    assert_allclose(found.table.loc["Pulse"], single.table, rtol=1e-12)


def test_several_quantiles():
    y = Y["Waist"]
    model = QuantileRegressor(quantile=[0.25, 0.5], alpha=0.0, rearrange=True).fit(X, y)
    found = summarize(model, X, y, covariance="iid")
    assert list(found.outputs) == ["quantile 0.25", "quantile 0.5"]
    one = QuantileRegressor(quantile=0.25, alpha=0.0).fit(X, y)
    single = summarize(one, X, y, covariance="iid")
    assert_allclose(found.table.loc["quantile 0.25"], single.table, rtol=1e-9)
    assert "Residuals" in str(found) and str(found).count("Output quantile") == 2


def test_at_the_end_of_a_pipeline_and_of_a_search():
    pipe = make_pipeline(StandardScaler(), HuberRegressor()).fit(X, Y)
    found = summarize(pipe, X, Y)
    single = make_pipeline(StandardScaler(), HuberRegressor()).fit(X, Y["Pulse"])
    expected = summarize(single, X, Y["Pulse"])
    assert_allclose(found.table.loc["Pulse"], expected.table, rtol=1e-7)
    ahead = found.predict(X[:3], "prediction", confidence=0.9)
    assert_allclose(
        ahead["Pulse"], expected.predict(X[:3], "prediction", confidence=0.9), rtol=1e-7
    )
    assert ahead.columns.get_level_values(0).unique().tolist() == NAMES
    assert ahead.index.tolist() == [0, 1, 2]
    assert_allclose(ahead.xs("prediction", axis=1, level=1), pipe.predict(X[:3]))
    search = GridSearchCV(pipe, {"huberregressor__alpha": [0.0, 1.0]}, cv=3).fit(X, Y)
    assert summarize(search, X, Y).table.index.names == found.table.index.names


def test_hypotheses_about_one_output():
    found = summarize(L2Regressor().fit(X, Y), X, Y)
    single = summarize(L2Regressor().fit(X, Y["Waist"]), X, Y["Waist"])
    assert found.test(("Waist", "Chins")) == single.test("Chins")
    assert found.test([("Waist", "Chins"), ("Waist", "Jumps")]) == single.test(["Chins", "Jumps"])
    rows = np.zeros((1, 12))
    rows[0, 5:7] = 1.0, -1.0
    assert found.test(rows, 0.5) == single.test([[0.0, 1.0, -1.0, 0.0]], 0.5)
    with pytest.raises(ValueError, match="about 2 outputs, and how the coefficients of several"):
        found.test([("Waist", "Chins"), ("Pulse", "Chins")])
    with pytest.raises(KeyError, match="No coefficient is named 'Chins'"):
        found.test("Chins")
    with pytest.raises(ValueError, match=r"summary\.outputs\['Weight'\]\.compare"):
        found.compare(found)
    with pytest.raises(TypeError, match="takes the Summary of the smaller model"):
        found.outputs["Waist"].compare(found)  # of several outputs
    smaller = summarize(L2Regressor().fit(X[["Chins"]], Y), X[["Chins"]], Y)
    by_one = found.outputs["Waist"].compare(smaller.outputs["Waist"])
    assert by_one.df_numerator == 2


def test_text_and_markup_name_each_output():
    found = summarize(HuberRegressor().fit(X, Y), X, Y)
    text = str(found)
    assert [line for line in text.splitlines() if line.startswith("Output")] == [
        f"Output {name}" for name in NAMES
    ]
    assert max(map(len, text.splitlines())) <= 80
    assert str(found.outputs["Pulse"]) in text
    assert "<h4>Output Waist</h4>" in found._repr_html_()
    assert "Waist" in found.to_latex()
    odd = summarize(HuberRegressor().fit(X, Y), X, Y.rename(columns={"Waist": "<b>"}))
    assert "<h4>Output &lt;b&gt;</h4>" in odd._repr_html_()


def test_values_that_differ_between_outputs():
    exact = Y.assign(Waist=2.0 * X["Chins"])
    found = summarize(HuberRegressor().fit(X, exact), X, exact)
    assert found.scale["Waist"] == 0
    assert all(note.startswith("Waist: ") for note in found.notes) and found.notes
    sparse = HuberRegressor(alpha=400.0, l1_ratio=1.0, scale="mad").fit(X, Y)
    assert np.count_nonzero(sparse.coef_[0]) != np.count_nonzero(sparse.coef_[1])
    found = summarize(sparse, X, Y)
    assert found.df.index.tolist() == NAMES and found.df.nunique() > 1


def test_what_is_not_of_the_fit():
    model = SRegressor().fit(X, Y)
    for other in (Y["Waist"], Y[["Waist", "Pulse"]], Y.assign(more=1.0)):
        with pytest.raises(ValueError, match="a column for each of the 3 outputs"):
            summarize(model, X, other)
    with pytest.raises(ValueError, match="Found input variables with inconsistent numbers"):
        summarize(model, X, Y[:-1])
    with pytest.raises(ValueError, match=r"model\.output\(j\)"):
        influence(model, X, Y)


def test_coefficients_of_outputs_are_drawn_side_by_side():
    pytest.importorskip("matplotlib")
    found = summarize(HuberRegressor().fit(X, Y), X, Y)
    display = CoefficientDisplay.from_summaries(found.outputs, standardise=True)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == NAMES
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(X)
    display = CoefficientDisplay.from_summaries(found, standardise=True)
    assert display.ax_.get_yticklabels()[0].get_text() == "Weight: Chins"
