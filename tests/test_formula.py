"""Models by formulas: matrices, names, and errors that name the column."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from robustreg import HuberRegressor, L2Regressor, LogisticClassifier
from robustreg.datasets import load_stackloss
from robustreg.formula import FormulaFeatures, fit
from robustreg.inference import summarize


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    frame["g"] = rng.choice(list("uvw"), n)
    frame["y"] = np.exp(frame["a"] + (frame["g"] == "v") + 0.3 * rng.normal(size=n))
    frame["w"] = rng.integers(1, 4, n)
    return frame


def test_coefficients_and_standard_errors_as_statsmodels(data):
    formula = "np.log(y) ~ a + C(g) + a:b"
    theirs = smf.ols(formula, data).fit()
    model = fit(L2Regressor(), formula, data)
    ours = summarize(model, data, model["formula"].target(data)).table
    assert ours.index.tolist() == ["intercept", "a", "C(g)[T.v]", "C(g)[T.w]", "a:b"]
    expected = theirs.bse.rename({"Intercept": "intercept"})[ours.index]
    np.testing.assert_allclose(ours["std_error"], expected, rtol=1e-9)
    new = data[["a", "b", "g"]].head(7)
    np.testing.assert_allclose(model.predict(new), theirs.predict(new), rtol=1e-9)
    np.testing.assert_allclose(model["formula"].target(data), np.log(data["y"]), rtol=1e-14)


def test_the_intercept_is_that_of_the_formula(data):
    for formula in ("y ~ a + C(g) - 1", "y ~ 0 + a + C(g)"):
        model = fit(L2Regressor(), formula, data)
        assert model["model"].intercept_ == 0.0
        names = set(summarize(model, data, data["y"]).table.index)
        assert names == {"a", "C(g)[u]", "C(g)[v]", "C(g)[w]"}


def test_weights_by_column_and_by_array(data):
    one, other = (
        fit(HuberRegressor(), "y ~ a", data, sample_weight=weight)
        for weight in ("w", data["w"].to_numpy())
    )
    assert one["model"].coef_ == other["model"].coef_
    with pytest.raises(ValueError, match="'nothing' is no column"):
        fit(HuberRegressor(), "y ~ a", data, sample_weight="nothing")


def test_classes_and_frames_of_polars(data):
    model = fit(LogisticClassifier(), "g ~ a + b", data)
    assert set(model.predict(data.head(20))) <= set("uvw")
    assert summarize(model, data, data["g"]).table.index[1] == ("u", "a")
    model = fit(L2Regressor(), "y ~ a + g", data)
    table = pl.from_pandas(data)
    np.testing.assert_allclose(
        fit(L2Regressor(), "y ~ a + g", table).predict(table), model.predict(data)
    )


def test_levels_that_the_fit_has_not_seen(data):
    model = fit(L2Regressor(), "y ~ a + C(g)", data)
    assert model.predict(data[data["g"] == "v"]).shape == ((data["g"] == "v").sum(),)
    with pytest.raises(ValueError, match="level that the fit has not seen: g = 'z'"):
        model.predict(data.head(3).assign(g=["u", "z", "v"]))


@pytest.mark.parametrize("column", ["a", "y", "g"])
def test_missing_values_name_their_column(data, column):
    holes = data.copy()
    holes.loc[3, column] = None
    with pytest.raises(ValueError, match=f"Missing values in '{column}'"):
        fit(L2Regressor(), "y ~ a + C(g)", holes)
    if column != "y":
        with pytest.raises(ValueError, match=f"Missing values in '{column}'"):
            fit(L2Regressor(), "y ~ a + C(g)", data).predict(holes)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ a +", "is not a formula"),
        ("a + b", "must name one target"),
        ("y + b ~ a", "must name one target"),
        ("y ~ a + nothing", "`nothing` is not present"),
        (7, "must be a string"),
    ],
)
def test_formulas_that_are_none(data, formula, message):
    with pytest.raises(ValueError, match=message):
        fit(L2Regressor(), formula, data)


def test_arrays_have_no_names(data):
    with pytest.raises(TypeError, match="needs a data frame"):
        fit(L2Regressor(), "y ~ a", data[["y", "a"]].to_numpy())


def test_the_transformer_can_be_cloned_and_joins_a_search(data):
    features = FormulaFeatures("y ~ a + C(g)").fit(data)
    again = clone(features).fit(data)
    pd.testing.assert_frame_equal(features.transform(data), again.transform(data))
    assert features.n_features_out_ == 3
    search = GridSearchCV(
        make_pipeline(FormulaFeatures("y ~ a + C(g)"), HuberRegressor()),
        {"huberregressor__epsilon": [1.0, 3.0]}, cv=3,
    ).fit(data, data["y"])  # fmt: skip
    assert summarize(search, data, data["y"]).table.index[1:].tolist() == [
        "a",
        "C(g)[T.v]",
        "C(g)[T.w]",
    ]


def test_without_formulaic(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r"pip install 'robustreg\[formula\]'"):
        fit(L2Regressor(), "stack_loss ~ air_flow", load_stackloss())
