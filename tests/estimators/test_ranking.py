"""MarginRanker against all pairs written out, and what a ranker is asked for."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ndcg_score
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from robustreg import MarginRanker
from robustreg.losses import margin_ranking_loss
from tests.solvers.test_passes import passes

LOSSES = ["margin_ranking", "squared_hinge", "logistic"]


def sample(n=60, p=3, n_queries=4, n_grades=4, seed=0):
    """Return X, grades that depend on it, queries in no order, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    score = X @ np.linspace(1.0, -1.0, p) + rng.normal(size=n)
    grade = np.digitize(score, np.quantile(score, np.linspace(0, 1, n_grades + 1)[1:-1]))
    return X, grade, rng.integers(n_queries, size=n), rng.integers(1, 4, n).astype(float)


def differences(X, grade, query, weight=None):
    """Return X_i - X_j of every pair, and the product of its weights."""
    weight = np.ones(len(X)) if weight is None else weight
    i, j = np.nonzero((query[:, None] == query) & (grade[:, None] > grade))
    return X[i] - X[j], weight[i] * weight[j]


def dual_bound(model, D, w):
    """Lower bound of the hinge problem: shares a in [0, w] give margin sum a - |D.T a|^2 / (2 alpha).

    Off the margin a pair has only one share; those on it are solved for.
    """
    d = D @ model.coef_
    on = abs(d - model.margin) < 1e-9 * (1 + abs(d).max())
    share = w * (d < model.margin)
    target = model.alpha * model.coef_ - D[~on].T @ share[~on]
    if on.any():
        share[on] = lsq_linear(D[on].T, target, (np.zeros(on.sum()), w[on]), method="bvls").x
    pull = D.T @ share
    return model.margin * share.sum() - pull @ pull / (2 * model.alpha)


def hinge_value(model, D, w):
    loss = w @ np.maximum(0, model.margin - D @ model.coef_)
    return loss + model.alpha / 2 * model.coef_ @ model.coef_


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("alpha", "margin"), [(1.0, 1.0), (30.0, 1.0), (1.0, 0.2)])
@pytest.mark.parametrize("seed", range(3))
def test_hinge_is_minimal_over_the_listed_pairs(weighted, alpha, margin, seed):
    X, grade, query, weight = sample(seed=seed)
    weight = weight if weighted else None
    model = MarginRanker(alpha=alpha, margin=margin)
    model.fit(X, grade, qid=query, sample_weight=weight)
    D, w = differences(X, grade, query, weight)
    value = hinge_value(model, D, w)
    assert value - dual_bound(model, D, w) <= 1e-9 * value
    assert model.optimality_ <= model.tol
    assert model.n_pairs_ == pytest.approx(w.sum())
    if not weighted:
        loss = margin_ranking_loss(
            D @ model.coef_, np.zeros(len(D)), np.ones(len(D)), margin=margin, reduction="sum"
        )
        assert value == pytest.approx(loss + alpha / 2 * model.coef_ @ model.coef_, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_smooth_losses_are_those_of_classifiers_of_differences(weighted):
    X, grade, query, weight = sample(n=80)
    weight = weight if weighted else None
    D, w = differences(X, grade, query, weight)
    sign = np.where(np.arange(len(D)) % 2, 1, -1)
    options = {"fit_intercept": False, "tol": 1e-12, "max_iter": 10_000, "C": 0.5}
    given = {"qid": query, "sample_weight": weight}
    svm = LinearSVC(dual=False, **options).fit(D * sign[:, None], sign, sample_weight=w)
    model = MarginRanker(loss="squared_hinge", alpha=2.0, tol=1e-10).fit(X, grade, **given)
    assert_allclose(model.coef_, svm.coef_[0], rtol=1e-7)
    logistic = LogisticRegression(solver="newton-cholesky", **options)
    logistic.fit(D * sign[:, None], sign, sample_weight=w)
    model = MarginRanker(loss="logistic", alpha=2.0, tol=1e-10).fit(X, grade, **given)
    assert_allclose(model.coef_, logistic.coef_[0], rtol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
class TestEquivalences:
    def test_weights_are_repetitions(self, loss):
        X, grade, query, weight = sample()
        rows = np.repeat(np.arange(len(X)), weight.astype(int))
        one = MarginRanker(loss=loss, tol=1e-11).fit(X, grade, query, weight)
        other = MarginRanker(loss=loss, tol=1e-11).fit(X[rows], grade[rows], query[rows])
        assert_allclose(one.coef_, other.coef_, rtol=1e-8)
        assert one.score(X, grade, query, weight) == pytest.approx(
            other.score(X[rows], grade[rows], query[rows]), rel=1e-12
        )

    def test_rows_of_weight_zero_are_dropped(self, loss):
        X, grade, query, weight = sample()
        weight[::3] = 0
        kept = weight > 0
        one = MarginRanker(loss=loss).fit(X, grade, query, weight)
        other = MarginRanker(loss=loss).fit(X[kept], grade[kept], query[kept], weight[kept])
        assert_allclose(one.coef_, other.coef_, rtol=1e-9)

    def test_any_order_of_rows_and_names_of_queries(self, loss):
        X, grade, query, _ = sample()
        order = np.random.default_rng(1).permutation(len(X))
        names = np.array(["b", "c", "a", "d"])[query]
        one = MarginRanker(loss=loss, tol=1e-11).fit(X, grade, query)
        other = MarginRanker(loss=loss, tol=1e-11)
        other.fit(X[order], 10.0 ** grade[order], names[order])
        assert_allclose(one.coef_, other.coef_, rtol=1e-8)

    @pytest.mark.parametrize("size", [1e-150, 1e-6, 1e6, 1e150])
    def test_units_of_the_columns(self, loss, size):
        """The penalty goes along: alpha times the square of the unit of X."""
        X, grade, query, _ = sample()
        one = MarginRanker(loss=loss, tol=1e-11).fit(X, grade, query)
        if not 1e-200 < size**2 < 1e200:
            X, size = X + 1e3 * (size > 1), 1.0  # a constant changes no difference
            other = MarginRanker(loss=loss, tol=1e-11).fit(X, grade, query)
        else:
            other = MarginRanker(loss=loss, alpha=size**2, tol=1e-11).fit(size * X, grade, query)
        assert_allclose(size * other.coef_, one.coef_, rtol=1e-6)

    def test_sparse_is_dense(self, loss):
        X, grade, query, _ = sample(n=400, p=6)
        X[np.random.default_rng(0).random(X.shape) < 0.7] = 0.0
        one = MarginRanker(loss=loss, tol=1e-11).fit(X, grade, query)
        for kind in (sp.csr_array, sp.csc_array, sp.coo_array):
            other = MarginRanker(loss=loss, tol=1e-11).fit(kind(X), grade, query)
            assert_allclose(other.coef_, one.coef_, rtol=1e-8)
            assert_allclose(other.predict(kind(X)), one.predict(X), rtol=1e-8, atol=1e-12)


def test_real_valued_grades_and_ties():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), np.round(rng.normal(size=120), 1)
    model = MarginRanker().fit(X, y)
    D, w = differences(X, y, np.zeros(120))
    value = hinge_value(model, D, w)
    assert value - dual_bound(model, D, w) <= 1e-9 * value


def test_queries_without_pairs_change_nothing():
    X, grade, query, _ = sample()
    more = np.array([[9.0, 9.0, 9.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    one = MarginRanker(tol=1e-11).fit(X, grade, query)
    other = MarginRanker(tol=1e-11).fit(  # a query of one row, and one of one grade
        np.vstack([X, more]), np.append(grade, [5, 2, 2]), np.append(query, [7, 8, 8])
    )
    assert_allclose(other.coef_, one.coef_, rtol=1e-8)
    assert other.n_pairs_ == one.n_pairs_


def test_duplicated_and_constant_columns():
    X, grade, query, _ = sample()
    one = MarginRanker(alpha=2.0, tol=1e-11).fit(X, grade, query)
    wide = np.column_stack([X, X[:, 0], np.full(len(X), 7.0)])
    other = MarginRanker(alpha=1.0, tol=1e-11).fit(wide[:, [0, 3, 4]], grade, query)
    alone = MarginRanker(alpha=0.5, tol=1e-11).fit(X[:, :1], grade, query)
    assert_allclose(
        other.coef_, [alone.coef_[0] / 2, alone.coef_[0] / 2, 0.0], rtol=1e-7, atol=1e-12
    )
    assert one.coef_.shape == (3,)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 200)), rng.integers(3, size=30)
    model = MarginRanker(alpha=10.0).fit(X, y)
    D, w = differences(X, y, np.zeros(30))
    value = hinge_value(model, D, w)
    assert value - dual_bound(model, D, w) <= 1e-9 * value
    assert model.optimality_ <= model.tol


def test_concordance_counts_ties_as_one_half():
    model = MarginRanker().fit([[0.0], [1.0]], [0, 1])
    model.coef_ = np.array([1.0])
    assert model.score([[0.0], [1.0], [1.0]], [0, 1, 2]) == pytest.approx(2.5 / 3)
    assert model.score([[0.0], [1.0]], [1, 0]) == 0.0


def test_ranking_metrics_and_routing():
    X, grade, query, weight = sample(n=120)
    model = MarginRanker().fit(X, grade, qid=query)
    first = query == 0
    assert ndcg_score(grade[None, first], model.predict(X[first])[None]) > 0.8
    with sklearn.config_context(enable_metadata_routing=True):
        ranker = MarginRanker().set_fit_request(qid=True, sample_weight=True)
        ranker.set_score_request(qid=True, sample_weight=True)
        scores = cross_val_score(
            ranker, X, grade, cv=GroupKFold(3),
            params={"qid": query, "sample_weight": weight, "groups": query},
        )  # fmt: skip
    assert scores.min() > 0.6


def test_pipelines_pass_queries_on():
    X, grade, query, _ = sample()
    pipe = make_pipeline(StandardScaler(), MarginRanker())
    pipe.fit(X, grade, marginranker__qid=query)
    alone = MarginRanker().fit(StandardScaler().fit_transform(X), grade, query)
    assert_allclose(pipe.predict(X), alone.predict(StandardScaler().fit_transform(X)), rtol=1e-12)


def test_data_frames_keep_their_names():
    X, grade, query, _ = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MarginRanker().fit(frame, pd.Series(grade), qid=pd.Series(query).map(str))
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert_array_equal(model.predict(frame), model.predict(frame))


def test_many_rows_start_from_a_sample():
    X, grade, query, _ = sample(n=30_000, p=5, n_queries=40)
    model = MarginRanker().fit(X, grade, qid=query)
    assert model.optimality_ <= 1e-10
    warm = clone(model).set_params(warm_start=True).fit(X, grade, qid=query)
    assert_allclose(warm.coef_, model.coef_, rtol=1e-9)
    assert passes(model.fit, X, grade, qid=query) < 20


@pytest.mark.parametrize("loss", LOSSES)
def test_too_few_iterations_warn(loss):
    X, grade, query, _ = sample()
    with pytest.warns(ConvergenceWarning, match="MarginRanker stopped after .*max_iter=1"):
        MarginRanker(loss=loss, max_iter=1).fit(X, grade, query)


@pytest.mark.parametrize(
    ("parameters", "arguments", "message"),
    [
        ({"loss": "huber"}, {}, "'loss' parameter of MarginRanker must be one of 'margin_ranking'"),
        ({"margin": 0.0}, {}, "'margin' parameter"),
        ({"alpha": 0.0}, {}, "'alpha' parameter"),
        ({}, {"qid": [1, 2]}, "qid must have one entry for each row"),
        ({}, {"qid": [[1], [2], [3]]}, "qid must have one entry for each row"),
        ({}, {"qid": ["a", None, "b"]}, "qid has missing values"),
        ({}, {"qid": [1.0, np.nan, 2.0]}, "qid has missing values"),
        ({}, {"qid": ["a", "b", "c"]}, "No query has rows of two different grades"),
        ({}, {"y": [1, 1, 1]}, "No query has rows of two different grades"),
        ({}, {"sample_weight": [1, 0, 0]}, "No query has rows of two different grades"),
    ],
)
def test_errors_name_the_cause(parameters, arguments, message):
    arguments = {"X": [[0.0], [1.0], [2.0]], "y": [0, 1, 2]} | arguments
    with pytest.raises(ValueError, match=message):
        MarginRanker(**parameters).fit(**arguments)


@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API:Warning")
@parametrize_with_checks([MarginRanker(), *(MarginRanker(loss=loss) for loss in LOSSES[1:])])
def test_scikit_learn_check(estimator, check):
    check(estimator)
