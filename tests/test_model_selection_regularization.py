"""Paths along alpha: where they begin, what they hold, and that each fit is the estimator's own."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    MarginRanker,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
)
from robustreg.datasets import load_stackloss
from robustreg.losses import Kinks
from robustreg.model_selection import regularization_path
from robustreg.model_selection._kinked_pull import slopes_on_kinks
from robustreg.objective import Objective
from robustreg.penalties import MCP, GroupLasso


def table(n=60, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + 100
    coef = np.zeros(p)
    coef[:3] = [2, -1, 1]
    y = (X - 100) @ coef / 3 + 1 + rng.normal(size=n)
    y[:5] += 20
    return X, y


X, Y = table()
Y2 = (np.median(Y) < Y).astype(int)
Y3 = np.digitize(Y, np.quantile(Y, [0.3, 0.6]))
WEIGHTS = np.r_[0.0, np.inf, np.linspace(0.5, 2.0, 6)]

CASES = {
    "squared": (L2Regressor(l1_ratio=0.7), Y),
    "fixed scale": (HuberRegressor(l1_ratio=1.0, scale=1.0), Y),
    "L1 scale": (HuberRegressor(l1_ratio=1.0), Y),  # found by bisection
    "joint scale": (HuberRegressor(l1_ratio=1.0, scale="proposal2"), Y),
    "absolute": (L1Regressor(l1_ratio=0.5), Y),
    "quantile": (QuantileRegressor(quantile=0.8), Y),
    "positive": (L2Regressor(l1_ratio=1.0, positive=True), Y),
    "weighted": (HuberRegressor(l1_ratio=1.0, scale=1.0, penalty_weights=WEIGHTS), Y),
    "logistic": (LogisticClassifier(l1_ratio=1.0, class_weight="balanced"), Y2),
    "three classes": (LogisticClassifier(l1_ratio=0.5), Y3),
    "labels": (LogisticClassifier(l1_ratio=0.5, class_weight={0: 1.0, 1: 3.0}), np.column_stack([Y2, Y3 > 1])),
    "hinge": (HingeClassifier(l1_ratio=1.0), Y2),
    "rows of classes": (RobustClassifier(penalty="group_lasso"), Y3),
    "groups": (RobustRegressor(penalty=GroupLasso(groups=[0, 0, 1, 1, 2, 2, 3, 3]), scale=1.0), Y),
    "mcp": (RobustRegressor(loss="squared", penalty=MCP()), Y),
    "shares": (KLRegressor(l1_ratio=1.0), np.eye(3)[Y3]),
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] * (case == "L1 scale")) for case in CASES],
)
def test_all_coefficients_are_zero_at_the_largest_strength_and_not_below(case):
    model, y = CASES[case]
    path = regularization_path(model, X, y, n_alphas=2)
    weights = getattr(model, "penalty_weights", None)
    penalised = np.ones(8, dtype=bool) if weights is None else weights > 0

    def used(alpha):
        coef = clone(model).set_params(alpha=alpha).fit(X, y).coef_
        return np.count_nonzero(coef[..., penalised])

    assert used(path.alpha_max) == 0
    assert used(path.alpha_max * (1 - 1e-6)) > 0
    assert path.alphas[0] == path.alpha_max
    assert path.gap.max() <= 1e-8


@pytest.mark.parametrize("case", ["squared", "joint scale", "quantile", "three classes", "mcp"])
def test_fits_are_those_of_the_estimator(case):
    model, y = CASES[case]
    path = regularization_path(model, X, y, alphas=[3.0, 0.1, 20.0], sample_weight=1.0 + Y2)
    assert path.alphas.tolist() == [20.0, 3.0, 0.1]
    for k, alpha in enumerate(path.alphas):
        fit = clone(model).set_params(alpha=alpha).fit(X, y, sample_weight=1.0 + Y2)
        assert_allclose(path.coefficients[k], np.squeeze(fit.coef_), rtol=1e-5, atol=1e-7)
        assert_allclose(path.intercept[k], np.squeeze(fit.intercept_), rtol=1e-5)
        assert path.df[k] == np.count_nonzero(path.coefficients[k])
    assert np.isnan(path.scale).any() != hasattr(fit, "scale_")


def test_lasso_path_of_scikit_learn():
    centred = X - X.mean(axis=0)
    alphas, coef, _ = lasso_path(centred, Y - Y.mean(), tol=1e-12, max_iter=100_000)
    path = regularization_path(L2Regressor(), sp.csr_array(X), Y, l1_ratio=1.0)
    assert_allclose(path.alphas, alphas * len(Y), rtol=1e-9)
    assert_allclose(path.coefficients, coef.T, atol=1e-6)


def test_frames():
    data = load_stackloss()
    frame, y = data.drop(columns="stack_loss"), data["stack_loss"]
    out = regularization_path(HuberRegressor(), frame, y, l1_ratio=1.0, n_alphas=4).to_frame()
    assert out.index.name == "alpha"
    assert out.columns.tolist() == [*frame.columns, "intercept", "scale", "gap", "df"]
    out = regularization_path(LogisticClassifier(l1_ratio=1.0), X, Y3, n_alphas=4).to_frame()
    assert out.index.names == ["alpha", "output"]
    assert out.shape == (12, 12)
    two = regularization_path(LogisticClassifier(l1_ratio=1.0), X, Y2, n_alphas=4)
    assert two.coefficients.shape == (4, 8)
    assert two.intercept.shape == (4,)


def test_a_penalty_of_squares_has_a_path_and_no_largest_strength():
    path = regularization_path(HuberRegressor(), X, Y, alphas=[0.0, 1.0])
    assert path.alpha_max == np.inf
    assert path.df.tolist() == [8, 8]
    with pytest.raises(ValueError, match=r"no L1 part.*pass alphas"):
        regularization_path(HuberRegressor(), X, Y)


def test_no_column_to_penalise():
    model = L2Regressor(l1_ratio=1.0, penalty_weights=np.zeros(8))
    with pytest.raises(ValueError, match="no L1 part"):
        regularization_path(model, X, Y)
    path = regularization_path(model, X, Y, alphas=[1.0])
    assert path.df.tolist() == [8]


def test_nothing_leaves_zero():
    # coefficients may only be positive, and all of them would be negative
    model = L2Regressor(l1_ratio=1.0, positive=True)
    path = regularization_path(model, -Y[:, None], Y, alphas=[1.0])
    assert path.alpha_max == 0.0
    assert not path.coefficients.any()


def test_unsolved_fits_and_separated_classes_are_told_of_once():
    with pytest.warns(ConvergenceWarning, match="3 of 3 fits of regularization_path") as caught:
        regularization_path(
            HuberRegressor(max_iter=1, tol=1e-15, scale=1.0),
            X,
            Y,
            l1_ratio=0.5,
            alphas=[1.0, 2.0, 3.0],
        )
    assert len(caught) == 1
    with pytest.warns(ConvergenceWarning, match="hyperplane separates") as caught:
        regularization_path(
            LogisticClassifier(), np.arange(8.0)[:, None], np.arange(8) > 3, alphas=[0.0, 0.0]
        )
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("model", "options", "error", "match"),
    [
        (MarginRanker(), {}, TypeError, "MarginRanker has no path"),
        (sp.csr_array, {}, TypeError, "has no path"),
        (L2Regressor(), {"l1_ratio": 2.0}, ValueError, "'l1_ratio'"),
        (L2Regressor(l1_ratio=1.0), {"n_alphas": 0}, ValueError, "'n_alphas'"),
        (L2Regressor(l1_ratio=1.0), {"alphas": [-1.0]}, ValueError, "alphas"),
        (L2Regressor(l1_ratio=1.0), {"alphas": []}, ValueError, "alphas"),
    ],
    ids=str,
)
def test_errors(model, options, error, match):
    with pytest.raises(error, match=match):
        regularization_path(model, X, Y, **options)


def test_a_session_without_a_name_is_told_of_as_any_other():
    code = "regularization_path(model, X, y, alphas=[1.0])"
    names = {"regularization_path": regularization_path, "X": X, "y": Y}
    exec(code, names | {"model": L2Regressor()})  # noqa: S102
    with pytest.warns(ConvergenceWarning):
        exec(  # noqa: S102
            code, names | {"model": HuberRegressor(max_iter=1, tol=1e-15, scale=1.0, l1_ratio=0.5)}
        )


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_path_over_many_columns_takes_hardly_more_than_a_pass_for_each_strength(
    loss, monkeypatch
):
    """Each fit begins with the columns near the last one's penalty, and its last pass is its certificate."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 600))
    y = X[:, :10] @ rng.choice([-1.0, 1.0], 10) + rng.normal(size=200)
    model = L2Regressor(l1_ratio=1.0)
    if loss == "logistic":
        model, y = LogisticClassifier(l1_ratio=1.0), (y > 0).astype(int)
    top = regularization_path(model, X, y, n_alphas=1).alpha_max
    evaluate, asked = Objective.evaluate, []

    def counted(self, *args, **kwargs):
        asked.append(self.data.size)
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Objective, "evaluate", counted)
    grid = top * np.geomspace(1.0, 0.05, 60)
    path = regularization_path(model, X, y, alphas=grid)
    assert path.gap.max() <= 1e-8
    assert path.df[-1] >= 60
    assert asked.count(600) <= 1.25 * len(grid)  # 1.07: 180 before
    for i in (20, 59):
        alone = clone(model).set_params(alpha=grid[i]).fit(X, y)
        assert_allclose(path.coefficients[i], np.ravel(alone.coef_), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n", "p", "seed"), [(40, 60, 0), (40, 60, 3), (80, 120, 1)])
def test_hardly_below_alpha_max_a_hinge_fit_is_better_than_one_without_columns(n, p, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = (X[:, 0] + X[:, 1] + rng.normal(size=n) > 0.1).astype(int)
    model = HingeClassifier(l1_ratio=1.0)
    alpha_max = regularization_path(model, X, y, n_alphas=1).alpha_max
    assert not model.set_params(alpha=alpha_max * (1 + 1e-6)).fit(X, y).coef_.any()
    alpha = alpha_max * (1 - 1e-5)
    coef = model.set_params(alpha=alpha).fit(X, y).coef_
    margin = (2 * y - 1) * model.decision_function(X)
    without = 2.0 * min(y.sum(), n - y.sum())
    assert np.maximum(1 - margin, 0).sum() + alpha * np.abs(coef).sum() < without * (1 - 1e-8)


WITH_KINKS = [
    L1Regressor(l1_ratio=1.0),
    L1Regressor(l1_ratio=0.5, positive=True),
    L1Regressor(l1_ratio=1.0, fit_intercept=False),
    L1Regressor(l1_ratio=1.0, penalty_weights=[0.0, np.inf, 0.5, 1.0, 1.0, 2.0, 1.0, 1.0]),
    HingeClassifier(l1_ratio=0.5),
    HingeClassifier(l1_ratio=1.0, class_weight="balanced"),
]


@pytest.mark.parametrize("model", WITH_KINKS, ids=lambda model: repr(model)[:70])
@pytest.mark.parametrize("seed", [0, 1])
def test_alpha_max_beside_kinks_is_the_least_that_slopes_of_tied_rows_allow(model, seed):
    """Whole numbers, so that many rows are on their kinks, and columns of sizes from 1e-4 to 1e6."""
    rng = np.random.default_rng(seed)
    X = np.round(2 * rng.normal(size=(40, 8))) * 10.0 ** rng.uniform(-4, 6, 8)
    y = np.round(X[:, 3] / X[:, 3].std() + rng.standard_t(2, 40))
    y = (y > 0).astype(int) if isinstance(model, HingeClassifier) else y
    path = regularization_path(model, X, y, n_alphas=2)
    free = np.asarray(path.coefficients)[:, [0]] * (model.penalty_weights is not None)
    assert_allclose(path.coefficients[0, 1:], 0.0)
    assert free.any() or not path.coefficients[0, 0]
    below = clone(model).set_params(alpha=path.alpha_max * (1 - 1e-6)).fit(X, y)
    assert np.ravel(below.coef_)[1:].any()


def test_slopes_on_kinks_pull_least():
    """Against the same program over the slopes of all rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 6)), np.round(rng.normal(size=30))
    X -= X.mean(axis=0)
    weight, l1 = rng.integers(1, 4, 30).astype(float), rng.uniform(0.5, 2.0, 6)
    order = np.argsort(y)
    raw = np.full(30, y[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])
    slopes = slopes_on_kinks(
        Kinks(y, -1.0, 1.0), raw, weight, X, np.zeros(6), l1, np.zeros(6, dtype=bool),
        intercept=True, positive=False,
    )  # fmt: skip

    assert_allclose(slopes.sum(), 0.0, atol=1e-9)
    above = np.sign(raw - y)
    bounds = [
        (w, w) if a > 0 else (-w, -w) if a < 0 else (-w, w)
        for w, a in zip(weight, above, strict=True)
    ]
    pulls = np.vstack([X.T / l1[:, None], -X.T / l1[:, None]])
    least = linprog(
        np.append(np.zeros(30), 1.0), A_ub=np.column_stack([pulls, -np.ones(12)]), b_ub=np.zeros(12),
        A_eq=np.append(np.ones(30), 0.0)[None], b_eq=[0.0], bounds=[*bounds, (0.0, None)],
    ).fun  # fmt: skip
    assert_allclose(np.max(np.abs(X.T @ slopes) / l1), least, rtol=1e-9)
    plain = np.where(raw > y, weight, -weight)
    assert np.max(np.abs(X.T @ plain) / l1) > 1.1 * least
