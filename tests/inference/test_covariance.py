"""Covariances against R and statsmodels, and what must hold for all of them."""

import numpy as np
import pytest
import scipy.sparse as sp
import statsmodels.api as sm

from robustreg import (
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    PolyClassifier,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.inference import summarize
from robustreg.losses import Huber, Squared
from tests.inference._data import TABLES, classes, reference, sample, table

COLUMNS = ["coef", "std_error", "lower", "upper"]


def errors_of(model, X, y, **how):
    return summarize(model, X, y, **how).table["std_error"].to_numpy()


@pytest.mark.parametrize("name", TABLES)
def test_least_squares_as_lm(name):
    X, y = table(name)
    found, expected = summarize(L2Regressor().fit(X, y), X, y), reference()[name]["lm"]
    np.testing.assert_allclose(found.table["std_error"], expected["se"], rtol=1e-11)
    assert found.scale == pytest.approx(expected["sigma"], rel=1e-12)
    assert found.r2 == pytest.approx(expected["r2"], rel=1e-12)
    assert found.adjusted_r2 == pytest.approx(expected["adj_r2"], rel=1e-12)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("fit", ["rlm_huber_mad", "rlm_huber_prop2", "rlm_huber_prop2_k15"])
def test_huber_as_rlm(name, fit):
    X, y = table(name)
    expected = reference()[name][fit]
    epsilon = 1.5 if fit.endswith("k15") else 1.345
    # rlm's own scale: its MAD divides by 0.6745
    model = HuberRegressor(epsilon=epsilon, alpha=0.0, scale=expected["scale"]).fit(X, y)
    np.testing.assert_allclose(errors_of(model, X, y), expected["se"], rtol=1e-6)
    if fit != "rlm_huber_mad":
        model = HuberRegressor(epsilon=epsilon, alpha=0.0, scale="proposal2").fit(X, y)
        np.testing.assert_allclose(errors_of(model, X, y), expected["se"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["hc0", "hc1", "hc2", "hc3"])
def test_heteroscedastic_least_squares_as_statsmodels(kind):
    X, y, _, _ = sample()
    theirs = sm.OLS(y, sm.add_constant(X)).fit(cov_type=kind.upper())
    ours = summarize(L2Regressor().fit(X, y), X, y, covariance=kind)
    np.testing.assert_allclose(ours.table["std_error"], theirs.bse, rtol=1e-10)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-10, atol=1e-14)


def test_clusters_of_least_squares_as_statsmodels():
    X, y, groups, _ = sample()
    theirs = sm.OLS(y, sm.add_constant(X)).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    ours = summarize(L2Regressor().fit(X, y), X, y, groups=groups.astype(str))
    assert (ours.covariance_type, ours.n_groups, ours.df) == ("cluster", 12, 11)
    np.testing.assert_allclose(ours.table["std_error"], theirs.bse, rtol=1e-10)
    np.testing.assert_allclose(ours.table["p_value"], theirs.pvalues, rtol=1e-8)


def test_clusters_do_not_depend_on_the_order_or_size_of_parts(monkeypatch):
    X, y, groups, _ = sample()
    model = L2Regressor().fit(X, y)
    expected = errors_of(model, X, y, groups=groups)
    monkeypatch.setattr("robustreg.inference._covariance.PART", 7)
    np.testing.assert_allclose(errors_of(model, X, y, groups=groups), expected, rtol=1e-12)
    alone = np.arange(len(y))  # groups of one row: hc1 but for the factor
    for part in (1, 7, 200):
        monkeypatch.setattr("robustreg.inference._covariance.PART", part)
        found = errors_of(model, X, y, groups=alone)
        np.testing.assert_allclose(found, errors_of(model, X, y, covariance="hc1"), rtol=1e-12)


def test_binary_logistic_as_statsmodels():
    X, y, groups, _ = classes(k=2)
    model, A = LogisticClassifier(alpha=0.0).fit(X, y), sm.add_constant(X)
    for kind, how in {
        "information": {},
        "sandwich": {"cov_type": "HC0"},
        "cluster": {"cov_type": "cluster", "cov_kwds": {"groups": groups}},
    }.items():
        theirs = sm.Logit(y, A).fit(disp=0, tol=1e-13, maxiter=100, **how)
        given = {"groups": groups} if kind == "cluster" else {}
        ours = summarize(model, X, y, covariance=kind, **given)
        np.testing.assert_allclose(ours.table["std_error"], theirs.bse, rtol=1e-10)
        np.testing.assert_allclose(ours.table["p_value"], theirs.pvalues, rtol=1e-7)
        assert ours.r2 == pytest.approx(theirs.prsquared, rel=1e-9)
        assert ours.df == np.inf


@pytest.mark.parametrize("kind", ["information", "sandwich", "cluster"])
def test_multinomial_as_statsmodels(kind):
    X, y, groups, _ = classes(n=300)
    how = {
        "information": {},
        "sandwich": {"cov_type": "HC0"},
        "cluster": {"cov_type": "cluster", "cov_kwds": {"groups": groups}},
    }
    theirs = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, tol=1e-13, maxiter=100, **how[kind])
    given = {"groups": groups} if kind == "cluster" else {}
    ours = summarize(LogisticClassifier(alpha=0.0).fit(X, y), X, y, covariance=kind, **given)
    assert list(ours.table.index[:2]) == [(0, "intercept"), (0, "x0")]
    covariance, q = ours.covariance.to_numpy(), X.shape[1] + 1
    for label in (1, 2):  # theirs are differences from the first class
        rows = np.zeros((q, 3 * q))
        rows[:, label * q : (label + 1) * q] = np.eye(q)
        rows[:, :q] = -np.eye(q)
        errors = np.sqrt(np.diag(rows @ covariance @ rows.T))
        np.testing.assert_allclose(errors, np.asarray(theirs.bse)[:, label - 1], rtol=1e-10)
    assert ours.r2 == pytest.approx(theirs.prsquared, rel=1e-9)


def test_labels_are_as_many_binary_fits():
    X, codes, _, _ = classes()
    Y = np.column_stack([codes == 0, codes == 1]).astype(int)
    model = LogisticClassifier(alpha=0.0).fit(X, Y)
    ours = summarize(model, X, Y)
    for k in range(2):
        single = summarize(LogisticClassifier(alpha=0.0).fit(X, Y[:, k]), X, Y[:, k])
        np.testing.assert_allclose(ours.table.loc[k], single.table, rtol=1e-6)
    assert ours.covariance.loc[0, 1].to_numpy() == pytest.approx(0.0)
    sandwich = summarize(model, X, Y, covariance="sandwich").covariance.loc[0, 1]
    assert np.abs(sandwich).to_numpy().max() > 1e-3


def test_distributions_that_are_certain_are_classes():
    X, y, _, _ = classes()
    certain = np.eye(3)[y]
    ours = summarize(KLRegressor(alpha=0.0).fit(X, certain), X, certain)
    theirs = summarize(LogisticClassifier(alpha=0.0).fit(X, y), X, y, covariance="sandwich")
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-6, atol=1e-12)


WEIGHTED = {
    "squares": L2Regressor(),
    "ridge": L2Regressor(alpha=3.0),
    "huber": HuberRegressor(alpha=0.0, scale=1.0),
    "proposal2": HuberRegressor(alpha=0.5, scale="proposal2"),
    "no intercept": HuberRegressor(alpha=0.0, scale=1.0, fit_intercept=False),
    "absolute": L1Regressor(),
    "quantile": QuantileRegressor(quantile=0.8, alpha=0.0),
    "logistic": LogisticClassifier(alpha=0.1),
    "focal": FocalClassifier(alpha=0.1),
    "poly": PolyClassifier(alpha=0.1),
    "squared hinge": HingeClassifier(squared=True, alpha=0.1),
    "balanced": LogisticClassifier(class_weight="balanced"),
}
KINDS = {
    **dict.fromkeys(("squares", "ridge"), ("classical", "hc0", "hc1", "hc2", "hc3", "cluster")),
    **dict.fromkeys(("huber", "proposal2", "no intercept"), ("huber", "sandwich", "cluster")),
    **dict.fromkeys(("absolute", "quantile"), ("iid", "nid", "kernel", "rank", "cluster")),
    "logistic": ("information", "sandwich", "cluster"),
    **dict.fromkeys(("focal", "poly", "squared hinge", "balanced"), ("sandwich", "cluster")),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_are_repetitions(name):
    model = WEIGHTED[name]
    X, y, groups, weight = sample() if model.__sklearn_tags__().regressor_tags else classes()
    rows = np.repeat(np.arange(len(y)), weight)
    one, other = model.fit(X, y, weight), type(model)(**model.get_params()).fit(X[rows], y[rows])
    for kind in KINDS[name]:
        how = {"groups": groups} if kind == "cluster" else {}
        again = {"groups": groups[rows]} if kind == "cluster" else {}
        weighted = summarize(one, X, y, sample_weight=weight, covariance=kind, **how)
        repeated = summarize(other, X[rows], y[rows], covariance=kind, **again)
        np.testing.assert_allclose(weighted.table, repeated.table, rtol=1e-6, atol=1e-10)
        assert weighted.n_samples == repeated.n_samples == weight.sum()
        assert weighted.n_outliers == repeated.n_outliers
        np.testing.assert_allclose(weighted.r2, repeated.r2, rtol=1e-8)
        np.testing.assert_allclose(
            weighted._found.measures.quartiles,
            repeated._found.measures.quartiles,
            rtol=1e-7,
            atol=1e-7,
        )


@pytest.mark.parametrize("model", [L2Regressor(), HuberRegressor(alpha=0.0)])
@pytest.mark.parametrize("kind", ["auto", "cluster", "bootstrap"])
def test_units_of_columns_and_y_do_not_matter(model, kind):
    X, y, groups, _ = sample()
    how = {"covariance": kind, "n_resamples": 20, "groups": groups if kind == "cluster" else None}
    plain = summarize(model.fit(X, y), X, y, **how).table
    unit, size, shift = np.array([1e-9, 1.0, 1e7]), 1e5, np.array([1e-6, 100.0, 1e9])
    other = summarize(model.fit(X * unit + shift, y * size), X * unit + shift, y * size, **how)
    for column in COLUMNS:
        found = other.table[column].to_numpy()[1:] * unit / size
        np.testing.assert_allclose(found, plain[column].to_numpy()[1:], rtol=1e-5)


@pytest.mark.parametrize("size", [1e-120, 1e120])
def test_neither_tiny_nor_huge_y_leave_floating_point(size):
    X, y, _, _ = sample()
    for model in (L2Regressor(), HuberRegressor(alpha=0.0), L1Regressor()):
        kind = "nid" if isinstance(model, L1Regressor) else "auto"
        plain = errors_of(model.fit(X, y), X, y, covariance=kind)
        found = errors_of(model.fit(X, y * size), X, y * size, covariance=kind)
        np.testing.assert_allclose(found / size, plain, rtol=1e-6)


def test_nearly_dependent_columns_keep_their_digits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X.sum(axis=1) + rng.normal(size=200)
    X[:, 2] = X[:, 0] + 1e-7 * X[:, 2]
    # exact in these coordinates: columns 0 and (2 - 0) / 1e-7
    other = np.column_stack([X[:, 0], X[:, 1], (X[:, 2] - X[:, 0]) / 1e-7])
    plain = summarize(L2Regressor().fit(other, y), other, y).table["std_error"]
    found = summarize(L2Regressor().fit(X, y), X, y).table["std_error"]
    assert found["x2"] * 1e-7 == pytest.approx(plain["x2"], rel=1e-6)
    assert found["x1"] == pytest.approx(plain["x1"], rel=1e-6)


def test_dependent_columns_have_no_standard_error_and_say_so():
    X, y, _, _ = sample()
    wide = np.column_stack([X, X[:, 0] + X[:, 1], np.ones(len(y))])
    model = L2Regressor().fit(wide, y)
    with pytest.warns(
        UserWarning, match=r"rank 4\): intercept, x0, x1, x3, x4 cannot be told apart"
    ):
        found = summarize(model, wide, y)
    plain = summarize(L2Regressor().fit(X, y), X, y)
    assert found.table["std_error"].isna().tolist() == [True, True, True, False, True, True]
    np.testing.assert_allclose(found.table.loc["x2"], plain.table.loc["x2"], rtol=1e-8)
    assert found.df == plain.df
    inside = found.predict(wide[:3])
    np.testing.assert_allclose(inside, plain.predict(X[:3]), rtol=1e-8)
    outside = found.predict(wide[:3] + np.eye(5)[3])
    assert outside[["lower", "upper"]].isna().all(axis=None)


@pytest.mark.parametrize("unit", [1.0, 1e9], ids=["seconds", "nanoseconds"])
@pytest.mark.parametrize("span", [3e7, 60.0, 1.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_a_time_beside_two_factors_is_told_apart_and_nothing_else(unit, span, intercept):
    rng = np.random.default_rng(0)
    n, k = 300, 3
    levels = [np.append(np.arange(k), rng.integers(0, k, n - k)) for _ in range(2)]
    passed = rng.random(n)
    X = np.column_stack([(1.7e9 + span * passed) * unit, *(np.eye(k)[level] for level in levels)])
    y = 3 * passed + levels[0] + rng.normal(size=n)
    model = L2Regressor(fit_intercept=intercept).fit(X, y)
    with pytest.warns(UserWarning, match=r"cannot be told apart"):
        found = summarize(model, X, y).table["std_error"]
    # of full rank, and with the same span
    plain = np.column_stack([passed, np.eye(k)[levels[0]], np.eye(k)[levels[1]][:, 1:]])
    known = summarize(L2Regressor(fit_intercept=False).fit(plain, y), plain, y).table["std_error"]
    assert found["x0"] * span * unit == pytest.approx(known["x0"], rel=1e-5)
    assert found.drop("x0").isna().all()


def test_sparse_rows_as_dense_ones():
    from scipy import sparse

    X, y, groups, _ = sample(n=400)
    X[np.abs(X) < 1.0] = 0.0
    model = HuberRegressor(alpha=0.0, scale=1.0).fit(X, y)
    for kind in ("huber", "sandwich", "cluster"):
        how = {"covariance": kind, "groups": groups if kind == "cluster" else None}
        one, other = (summarize(model, part, y, **how).table for part in (X, sparse.csr_array(X)))
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_many_rows_are_summed_by_blocks():
    X, y, groups, _ = sample(n=30_000, p=20)
    A = sm.add_constant(X)
    theirs = sm.OLS(y, A).fit()
    model = L2Regressor().fit(X, y)
    np.testing.assert_allclose(errors_of(model, X, y), theirs.bse, rtol=1e-9)
    theirs = sm.OLS(y, A).fit(cov_type="HC3")
    np.testing.assert_allclose(errors_of(model, X, y, covariance="hc3"), theirs.bse, rtol=1e-9)
    theirs = sm.OLS(y, A).fit(cov_type="cluster", cov_kwds={"groups": groups})
    np.testing.assert_allclose(errors_of(model, X, y, groups=groups), theirs.bse, rtol=1e-9)


def test_a_loss_is_asked_what_it_offers():
    X, y, _, _ = sample()
    classical = summarize(L2Regressor().fit(X, y), X, y)
    for loss in (Squared(half=False), Huber(np.inf)):
        found = summarize(RobustRegressor(loss=loss, scale=1.0).fit(X, y), X, y)
        assert found.covariance_type == "classical"
        np.testing.assert_allclose(found.table, classical.table, rtol=1e-7)


def test_a_penalty_joins_the_second_derivatives():
    X, y, _, _ = sample()
    model = L2Regressor(alpha=40.0).fit(X, y)
    A = np.column_stack([np.ones(len(y)), X])
    bread = np.linalg.inv(A.T @ A + 40.0 * np.diag([0, 1, 1, 1]))
    rest = y - model.predict(X)
    expected = bread @ A.T @ A @ bread * (rest @ rest) / (len(y) - 4)
    found = summarize(model, X, y)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9)
    assert any("shrunk" in note for note in found.notes)
    single = HuberRegressor(alpha=40.0, scale="proposal2").fit(X, y)
    fixed = HuberRegressor(alpha=40.0 * single.scale_, scale=single.scale_).fit(X, y)
    one, other = (summarize(m, X, y).table for m in (single, fixed))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_zeros_of_a_lasso_have_no_standard_error():
    X, y, _, _ = sample(p=4, spread=0.0)
    y = y + 20 * X[:, 0]
    model = QuantileRegressor(alpha=0.25, quantile=0.5).fit(X, y)
    zero = model.coef_ == 0
    assert zero.any() and not zero.all()
    with np.errstate(all="raise"):
        found = summarize(model, X, y)
    assert found.covariance_type == "nid"
    assert found.table["std_error"].isna().tolist() == [False, *zero]


def test_rows_of_leverage_one_have_no_hc3():
    X, y, _, _ = sample()
    alone = np.column_stack([X, np.eye(len(y))[0]])
    model = L2Regressor().fit(alone, y)
    with pytest.raises(ValueError, match="Row 0 determines a coefficient alone"):
        summarize(model, alone, y, covariance="hc3")


def test_scale_zero_has_no_standard_errors():
    X, _, _, _ = sample()
    for model in (HuberRegressor(alpha=0.0), L2Regressor(), L1Regressor()):
        found = summarize(model.fit(X, X[:, 0]), X, X[:, 0])
        assert found.table["std_error"].isna().all()
        assert "scale of the residuals is zero" in found.notes[0]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_sums_of_groups_held_and_in_order_agree(dense, intercept, monkeypatch):
    X, y, groups, weight = sample(n=400)
    X[X < 0] = 0.0
    classes = np.digitize(y, [0.0, 2.0])
    rows = X if dense else sp.csr_array(X)
    for model, target in ((L2Regressor(), y), (LogisticClassifier(alpha=1.0), classes)):
        model.set_params(fit_intercept=intercept).fit(rows, target, weight)
        found = []
        for most in (4.0, 0.0):
            monkeypatch.setattr("robustreg.inference._covariance.SUMS", most)
            summary = summarize(model, rows, target, sample_weight=weight, groups=groups)
            found.append(summary.covariance.to_numpy())
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12 * np.abs(found[1]).max())
