"""Resampling: agreement with formulas, seeds, groups, and what cannot be resampled."""

import numpy as np
import pytest

from robustreg import (
    DiceClassifier,
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    RobustRegressor,
)
from robustreg.inference import summarize
from tests.inference._data import classes, sample


def ratio(model, X, y, kind, n_resamples=400, **how):
    """Return bootstrap over other standard errors."""
    one = summarize(model, X, y, covariance="bootstrap", n_resamples=n_resamples, **how).table[
        "std_error"
    ]
    return (one / summarize(model, X, y, covariance=kind, **how).table["std_error"]).to_numpy()


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (L2Regressor(), "hc0"),
        (HuberRegressor(alpha=0.0, scale=1.0), "sandwich"),
        (RobustRegressor(loss="tukey", scale=1.5), "sandwich"),
        (L1Regressor(), "iid"),
    ],
)
@pytest.mark.slow
def test_regressors_as_by_formula(model, kind):
    X, y, _, _ = sample(n=500, p=2, df=8, spread=0.0)
    found = ratio(model.fit(X, y), X, y, kind)
    np.testing.assert_allclose(found, 1.0, atol=0.12)


@pytest.mark.slow
def test_classifiers_as_by_formula():
    for k in (2, 3):
        X, y, _, _ = classes(n=500, k=k)
        found = ratio(LogisticClassifier(alpha=0.1).fit(X, y), X, y, "sandwich")
        np.testing.assert_allclose(found, 1.0, atol=0.12)


@pytest.mark.slow
def test_groups_are_drawn_as_wholes():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    X = rng.normal(size=(60, 1))[groups]
    y = X[:, 0] + rng.normal(size=60)[groups] + 0.3 * rng.normal(size=300)
    model = L2Regressor().fit(X, y)
    by_rows = summarize(model, X, y, covariance="bootstrap", n_resamples=300)
    by_groups = summarize(model, X, y, covariance="bootstrap", n_resamples=300, groups=groups)
    formula = summarize(model, X, y, groups=groups).table["std_error"]
    np.testing.assert_allclose(by_groups.table["std_error"], formula, rtol=0.15)
    assert (by_groups.table["std_error"] > 1.5 * by_rows.table["std_error"]).all()
    assert by_groups.n_groups == 60


@pytest.mark.parametrize("model", [HingeClassifier(alpha=0.1), DiceClassifier(alpha=0.1)])
def test_the_default_where_there_is_no_formula(model):
    X, y, groups, _ = classes(n=120, k=2)
    found = summarize(model.fit(X, y), X, y, n_resamples=30)
    assert found.covariance_type == "bootstrap" and (found.table["std_error"] > 0).all()
    assert (found.table["lower"] < found.table["upper"]).all()
    assert summarize(model, X, y, n_resamples=20, groups=groups).n_groups == 15
    assert np.isfinite(found.predict(X)).all(axis=None)


def test_seeds_and_percentiles():
    X, y, _, _ = sample(n=80)
    model = HuberRegressor(alpha=0.0).fit(X, y)
    how = {"covariance": "bootstrap", "n_resamples": 30}
    one, again = (summarize(model, X, y, random_state=3, **how) for _ in range(2))
    other = summarize(model, X, y, random_state=4, **how)
    assert one.table.equals(again.table) and not one.table.equals(other.table)
    state = np.random.RandomState(3)
    assert summarize(model, X, y, random_state=state, **how).table.equals(one.table)
    wide = summarize(model, X, y, random_state=3, confidence=0.99, **how).table
    assert (wide["lower"] <= one.table["lower"]).all() and wide["std_error"].equals(
        one.table["std_error"]
    )


def test_weights_and_rows_of_weight_zero():
    X, y, _, weight = sample(n=80)
    model = L2Regressor().fit(X, y, weight)
    found = summarize(model, X, y, sample_weight=weight, covariance="bootstrap", n_resamples=150)
    formula = summarize(model, X, y, sample_weight=weight, covariance="hc0")
    np.testing.assert_allclose(found.table["std_error"], formula.table["std_error"], rtol=0.25)
    twice = summarize(
        L2Regressor().fit(X, y, 3 * weight), X, y, sample_weight=3 * weight,
        covariance="bootstrap", n_resamples=150,
    )  # fmt: skip
    np.testing.assert_allclose(
        twice.table["std_error"] * np.sqrt(3), found.table["std_error"], rtol=0.25
    )


def test_degenerate_resamples_are_drawn_again():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=40), np.arange(40) < 2])
    y = X[:, 0] + rng.normal(size=40)
    found = summarize(L2Regressor().fit(X, y), X, y, covariance="bootstrap", n_resamples=30)
    assert any("depend on each other in them" in note for note in found.notes)
    assert (found.table["std_error"] > 0).all()
    X, y, _, _ = classes(n=40, k=2)
    y = np.r_[1, np.zeros(39, dtype=int)]
    model = LogisticClassifier().fit(X, y)
    found = summarize(model, X, y, covariance="bootstrap", n_resamples=20)
    assert any("could not be fitted" in note for note in found.notes)


def test_resampling_a_search_keeps_its_choice():
    X, y, _, _ = sample(n=80)
    model = HuberRegressorCV(epsilons=[1.0, 2.0], cv=3).fit(X, y)
    found = summarize(model, X, y, covariance="bootstrap", n_resamples=20)
    assert (found.table["std_error"] > 0).all()


@pytest.mark.parametrize("wrong", [0, 5, 20.0, "many", True])
def test_number_of_resamples(wrong):
    X, y, _, _ = sample(n=40)
    with pytest.raises(ValueError, match="n_resamples must be an int of at least 20"):
        summarize(L2Regressor().fit(X, y), X, y, covariance="bootstrap", n_resamples=wrong)


def test_a_class_without_weight_has_no_inference():
    X, y, _, _ = classes(n=40, k=3)
    model = LogisticClassifier().fit(X, y, sample_weight=(y != 1).astype(float))
    with pytest.raises(ValueError, match="no row of positive weight in the fit"):
        summarize(model, X, y)
