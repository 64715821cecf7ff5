"""A constant column has no standard error, and costs the other columns nothing."""

import numpy as np
import pytest
from sklearn.base import clone

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    LTSRegressor,
    MMRegressor,
)
from robustreg.inference import summarize
from tests.inference._data import classes, sample

FREE = [
    (L2Regressor(), ["classical", "hc3", "cluster", "bootstrap"]),
    (HuberRegressor(alpha=0.0), ["huber", "sandwich"]),
    (L1Regressor(), ["rank", "nid", "iid", "kernel", "cluster"]),
    (MMRegressor(), ["avar1", "weighted", "bootstrap"]),
    (LTSRegressor(), ["classical"]),
    (LogisticClassifier(alpha=0.0), ["information", "sandwich", "cluster"]),
]
PENALISED = [
    (L2Regressor(alpha=1.0), ["classical", "bootstrap"]),
    (L2Regressor(alpha=1.0, penalty_weights=[1.0, 1.0, 1.0, 1.0]), ["hc0"]),
    (L2Regressor(positive=True), ["classical"]),
    (HuberRegressor(alpha=1.0), ["huber"]),
    (L1Regressor(alpha=1.0), ["nid"]),
    (LogisticClassifier(alpha=1.0), ["information", "sandwich"]),
]


def each(models):
    """Return every covariance of models as a case with a name."""
    return [
        pytest.param(model, kind, id=f"{type(model).__name__}-{kind}")
        for model, kinds in models
        for kind in kinds
    ]


def tables(model, covariance, constant, message):
    """Return the summaries of a fit beside a constant column, which is the third, and of one without it."""
    X, y, groups, _ = sample(n=80)
    if isinstance(model, LogisticClassifier):
        y = y > 0
    how = {"covariance": covariance, "n_resamples": 20}
    if covariance == "cluster":
        how["groups"] = groups
    wide = np.insert(X, 2, constant, axis=1)
    model = clone(model).fit(wide, y)
    with pytest.warns(UserWarning, match=message):
        found = summarize(model, wide, y, **how)
    if model.get_params().get("penalty_weights"):
        model.set_params(penalty_weights=[1.0, 1.0, 1.0])
    plain = summarize(model.fit(X, y), X, y, **how)
    assert found.df == plain.df
    assert found.table.loc["x2"].isna().tolist() == [False, *[True] * 5]
    others = found.table.drop(index="x2").rename(index={"x3": "x2"})
    return others, plain.table


@pytest.mark.parametrize(("model", "covariance"), each(FREE))
@pytest.mark.parametrize("constant", [7.0, 0.0])
def test_beside_no_penalty_the_intercept_has_none_either(model, covariance, constant):
    lost = "intercept, x2" if constant else "x2"
    others, plain = tables(model, covariance, constant, rf"rank 4\): {lost} cannot be told apart")
    assert not others.drop(index="intercept").isna().all(axis=None)
    if constant:
        assert others.loc["intercept"].isna().tolist() == [False, *[True] * 5]
        others, plain = others.drop(index="intercept"), plain.drop(index="intercept")
    np.testing.assert_allclose(others, plain, rtol=1e-6)


@pytest.mark.parametrize(("model", "covariance"), each(PENALISED))
@pytest.mark.parametrize("constant", [7.0, 0.0])
def test_beside_a_penalty_its_coefficient_is_zero(model, covariance, constant):
    others, plain = tables(
        model, covariance, constant, r"constant \(x2\): their coefficients are zero"
    )
    assert others["std_error"].notna().all()
    np.testing.assert_allclose(others, plain, rtol=1e-6)


def test_columns_that_a_penalty_drops_are_no_parameters_and_constant_ones_never_were():
    X, y, _, _ = sample()
    rng = np.random.default_rng(1)
    wide = np.column_stack([X, rng.normal(size=len(y)), np.ones(len(y))])
    model = HuberRegressor(alpha=60.0, l1_ratio=1.0).fit(wide, y)
    assert model.coef_[3] == 0.0 and np.all(model.coef_[:3])
    with pytest.warns(UserWarning, match=r"constant \(x4\)"):
        found = summarize(model, wide, y)
    assert found.df == len(y) - 4
    assert found.table["std_error"].isna().tolist() == [False, False, False, False, True, True]


def test_several_scores():
    X, y, _, _ = classes()
    wide = np.column_stack([X, np.ones(len(y))])
    with pytest.warns(UserWarning, match="intercept, x3 cannot be told apart"):
        found = summarize(LogisticClassifier(alpha=0.0).fit(wide, y), wide, y)
    plain = summarize(LogisticClassifier(alpha=0.0).fit(X, y), X, y)
    for score in range(3):
        one = found.table.loc[score]
        assert one["std_error"].isna().tolist() == [True, False, False, False, True]
        np.testing.assert_allclose(one[1:4], plain.table.loc[score][1:4], rtol=1e-6)


def test_predictions_have_intervals_where_the_constant_is_the_same():
    X, y, _, _ = sample()
    wide = np.column_stack([X, np.full(len(y), 3.0)])
    with pytest.warns(UserWarning, match="constant"):
        found = summarize(L2Regressor().fit(wide, y), wide, y)
    plain = summarize(L2Regressor().fit(X, y), X, y)
    np.testing.assert_allclose(found.predict(wide[:3]), plain.predict(X[:3]), rtol=1e-8)
    assert found.predict(wide[:3] + np.eye(4)[3])[["lower", "upper"]].isna().all(axis=None)


@pytest.mark.filterwarnings("ignore:The model was not fitted to these data")
def test_rows_without_second_derivatives_are_still_refused():
    X, y, _, _ = sample()
    wide = np.column_stack([X, np.ones(len(y))])
    model = HuberRegressor(alpha=0.0).fit(wide, y)
    with pytest.raises(ValueError, match="matrix of second derivatives is singular"):
        summarize(model, wide, y + 1e6)
