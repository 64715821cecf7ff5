"""Inference of quantile fits against quantreg."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import t as student

from robustreg import L1Regressor, QuantileRegressor, RobustRegressor
from robustreg.inference import summarize
from robustreg.inference._quantile import bandwidth
from robustreg.losses import Pinball
from tests.inference._data import TABLES, reference, sample, table

QUANTILES = ("0.1", "0.25", "0.5", "0.75", "0.9")
#: fits with other solutions that are as good, where ours is not the one of quantreg
NOT_UNIQUE = {("phones", "0.25"), ("phones", "0.5")}
#: the median regression that gives the sparsity has several solutions
SPARSITY_NOT_UNIQUE = {("coleman", "0.9")}
#: limits beside which several fits with the same coefficient are best: quantreg interpolates from an end of
#: basis that is no breakpoint of the least loss as a function of the coefficient
SEVERAL_BASES = {
    ("stackloss", "0.1", "lower", 2), ("stackloss", "0.5", "lower", 1),
    ("stackloss", "0.75", "upper", 3), ("phones", "0.25", "lower", 1),
    ("phones", "0.25", "upper", 1), ("phones", "0.5", "lower", 1), ("phones", "0.5", "upper", 1),
    ("phones", "0.75", "lower", 1), ("phones", "0.75", "upper", 1),
}  # fmt: skip
CASES = [(name, q) for name in TABLES for q in QUANTILES]


@pytest.mark.parametrize(("name", "q"), CASES)
def test_standard_errors_as_quantreg(name, q):
    X, y = table(name)
    expected = reference()[name]["rq"][q]
    model = QuantileRegressor(quantile=float(q), alpha=0.0).fit(X, y)
    for kind in ("iid", "nid", "kernel"):
        known = expected.get("ker" if kind == "kernel" else kind)
        if kind == "iid" and (name, q) in SPARSITY_NOT_UNIQUE:
            continue
        if known is None:
            with pytest.raises(ValueError, match="Name 'kernel' or 'bootstrap'"):
                summarize(model, X, y, covariance=kind)
        elif kind == "nid" or (name, q) not in NOT_UNIQUE:
            found = summarize(model, X, y, covariance=kind)
            np.testing.assert_allclose(found.table["std_error"], known, rtol=1e-6)


@pytest.mark.parametrize(("name", "q"), CASES)
def test_rank_intervals_as_quantreg(name, q):
    X, y = table(name)
    expected = reference()[name]["rq"][q]
    model = QuantileRegressor(quantile=float(q), alpha=0.0).fit(X, y)
    found = summarize(model, X, y, covariance="rank", confidence=0.9)
    for side in ("lower", "upper"):
        known = np.array(expected[side])
        known = np.where(np.abs(known) > 1e300, np.sign(known) * np.inf, known)
        for j, (ours, theirs) in enumerate(zip(found.table[side], known, strict=True)):
            if (name, q, side, j) not in SEVERAL_BASES:
                assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("name", "q", "side", "j"), sorted(SEVERAL_BASES))
def test_limits_lie_where_the_rank_statistic_passes_its_critical_value(name, q, side, j):
    # the statistic is the slope of the least loss as a function of the coefficient, here by linear programs
    X, y = table(name)
    A = np.column_stack([np.ones(len(y)), X])
    (n, p), quantile, sign = A.shape, float(q), {"lower": -1.0, "upper": 1.0}[side]
    cost = np.r_[np.zeros(p - 1), np.full(n, quantile), np.full(n, 1 - quantile)]
    matrix = np.hstack([np.delete(A, j, axis=1), np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * (p - 1) + [(0, None)] * (2 * n)

    model = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
    ours = summarize(model, X, y, covariance="rank", confidence=0.9).table[side].iloc[j]
    near = 1e-6 * abs(ours)

    def statistic(b):
        low, high = (
            linprog(cost, A_eq=matrix, b_eq=y - at * A[:, j], bounds=bounds).fun
            for at in (b - near, b + near)
        )
        deviation = np.sqrt(quantile * (1 - quantile) / np.linalg.inv(A.T @ A)[j, j])
        return sign * (high - low) / (2 * near) / deviation

    critical = student.isf(0.05, n - p)
    beyond = ours + sign * np.geomspace(1e-3, 4, 40) * abs(ours)
    inner, outer = statistic(ours), np.array([statistic(b) for b in beyond])
    assert inner < critical and outer[-1] > critical

    # where it lies between the two breakpoints says the line between the two values of the statistic
    def first(test, inside, outside):
        for _ in range(40):
            middle = 0.5 * (inside + outside)
            inside, outside = (inside, middle) if test(statistic(middle)) else (middle, outside)
        return outside

    passed = first(lambda t: t > critical, ours, beyond[np.argmax(outer > critical)])
    changed = first(lambda t: t < inner * (1 - 1e-6), ours, model.coef_[j - 1])
    share = (critical - inner) / (statistic(passed + sign * 10 * near) - inner)
    assert ours == pytest.approx(changed + share * (passed - changed), rel=1e-4)


@pytest.mark.parametrize("name", TABLES)
def test_rank_intervals_do_not_depend_on_the_order_of_rows(name):
    X, y = (np.asarray(part) for part in table(name))
    order = np.random.default_rng(1).permutation(len(y))
    for q in QUANTILES:
        model = QuantileRegressor(quantile=float(q), alpha=0.0)
        first, second = (
            summarize(model.fit(A, b), A, b, covariance="rank").table[["lower", "upper"]]
            for A, b in ((X, y), (X[order], y[order]))
        )
        np.testing.assert_allclose(first, second, rtol=1e-7)


def test_rank_tests_agree_with_their_intervals():
    X, y, _, _ = sample(n=60)
    model = L1Regressor().fit(X, y)
    table = summarize(model, X, y).table
    assert summarize(model, X, y).covariance_type == "rank"
    outside = (table["lower"] > 0) | (table["upper"] < 0)
    # a limit is interpolated: what is beyond it is rejected, but for the step that it lies in
    assert ((table["p_value"] < 0.05) >= outside)[table["p_value"].sub(0.05).abs() > 0.02].all()
    assert (np.sign(table["statistic"]) == np.sign(table["coef"]))[table["p_value"] < 0.5].all()
    assert (table["lower"] < table["coef"]).all() and (table["coef"] < table["upper"]).all()


def test_statistic_is_the_slope_of_the_profile():
    X, y, _, _ = sample(n=50, p=2)
    for q in (0.5, 0.8):
        model = QuantileRegressor(quantile=q, alpha=0.0).fit(X, y)
        found = summarize(model, X, y, covariance="rank").table["statistic"]["x0"]

        def least(b, q=q):
            rest = y - b * X[:, 0]
            other = QuantileRegressor(quantile=q, alpha=0.0).fit(X[:, 1:], rest)
            r = rest - other.predict(X[:, 1:])
            return np.sum(np.maximum(q * r, (q - 1) * r))

        A = np.column_stack([np.ones(50), X])
        deviation = np.sqrt(q * (1 - q) / np.linalg.inv(A.T @ A)[1, 1])
        slope = (least(1e-4) - least(-1e-4)) / 2e-4
        assert found == pytest.approx(-slope / deviation, rel=1e-5)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("n", [10, 1000])
def test_bandwidth_leaves_room(q, n):
    h = bandwidth(q, n)
    assert 0 < h and q - h >= 0 and q + h <= 1
    assert bandwidth(q, n, inside=False) in (h, *(h * 2**k for k in range(1, 10)))


@pytest.mark.parametrize("kind", ["iid", "nid", "kernel", "rank", "cluster"])
def test_multiples_of_a_loss_have_one_answer(kind):
    X, y, groups, _ = sample()
    how = {"covariance": kind, "groups": groups if kind == "cluster" else None}
    models = [L1Regressor(), QuantileRegressor(alpha=0.0), RobustRegressor(loss=Pinball(0.5))]
    tables = [summarize(model.fit(X, y), X, y, **how).table for model in models]
    for other in tables[1:]:
        np.testing.assert_allclose(tables[0], other, rtol=1e-7)


def test_many_rows_take_nid():
    X, y, _, _ = sample(n=1500, spread=0.0)
    model = L1Regressor().fit(X, y)
    found = summarize(model, X, y)
    assert found.covariance_type == "nid"
    density = 2 / (np.pi * np.sqrt(3))  # of t with three degrees of freedom at zero
    expected = 1 / (2 * density * np.sqrt(1500))
    np.testing.assert_allclose(found.table["std_error"], expected, rtol=0.1)
    kernel = summarize(model, X, y, covariance="kernel")
    np.testing.assert_allclose(kernel.table["std_error"], expected, rtol=0.2)


def test_a_penalty_joins_and_ranks_refuse_it():
    X, y, _, _ = sample()
    model = L1Regressor(alpha=10.0).fit(X, y)
    found = summarize(model, X, y)
    assert found.covariance_type == "nid" and any("shrunk" in note for note in found.notes)
    free = summarize(L1Regressor().fit(X, y), X, y, covariance="nid")
    assert (found.table["std_error"] < 1.2 * free.table["std_error"]).all()
    with pytest.raises(ValueError, match="alpha is not 0"):
        summarize(model, X, y, covariance="rank")


def test_ranks_have_no_covariance():
    X, y, _, _ = sample()
    found = summarize(L1Regressor().fit(X, y), X, y)
    assert found.covariance.isna().all(axis=None) and found.table["std_error"].isna().all()
    with pytest.raises(ValueError, match="covariance='nid'"):
        found.test("x0")
    with pytest.raises(ValueError, match="covariance='nid'"):
        found.predict(X)
    nid = summarize(L1Regressor().fit(X, y), X, y, covariance="nid")
    with pytest.raises(ValueError, match="fit the two quantiles"):
        nid.predict(X, "prediction")


def test_nid_says_where_it_is_too_sure():
    X, y, _, _ = sample(n=100, p=5)
    for quantile, told in ((0.9, True), (0.1, True), (0.5, False)):
        model = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
        notes = summarize(model, X, y, covariance="nid").notes
        assert any("standard errors of 'nid' are too small" in note for note in notes) == told
