"""MarginRanker against all pairs written out, and what a ranker is asked for."""

import warnings
from fractions import Fraction

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

from robustreg import HingeClassifier, MarginRanker
from robustreg.losses import margin_ranking_loss
from tests.solvers.test_passes import passes

LOSSES = ["margin_ranking", "squared_hinge", "logistic"]

#: objectives of elastic nets by cvxpy 1.7 with Clarabel at tolerances of 1e-12: of loss, l1_ratio, positive, and
#: whether features have weights of their own
LEAST = {
    ("margin_ranking", 1.0, False, False): 399.996323079,
    ("margin_ranking", 1.0, False, True): 486.853966035,
    ("margin_ranking", 1.0, True, False): 697.435905134,
    ("margin_ranking", 1.0, True, True): 696.536755358,
    ("margin_ranking", 0.5, False, False): 431.817819539,
    ("margin_ranking", 0.5, False, True): 557.326076819,
    ("margin_ranking", 0.5, True, False): 741.020500235,
    ("margin_ranking", 0.5, True, True): 740.150665266,
    ("squared_hinge", 1.0, False, False): 407.901251152,
    ("squared_hinge", 1.0, False, True): 501.199668279,
    ("squared_hinge", 1.0, True, False): 725.474321634,
    ("squared_hinge", 1.0, True, True): 725.030205195,
    ("squared_hinge", 0.5, False, False): 502.894428922,
    ("squared_hinge", 0.5, False, True): 612.751858066,
    ("squared_hinge", 0.5, True, False): 794.566070802,
    ("squared_hinge", 0.5, True, True): 794.309618337,
    ("logistic", 1.0, False, False): 408.113919446,
    ("logistic", 1.0, False, True): 475.72736839,
    ("logistic", 1.0, True, False): 584.305236065,
    ("logistic", 1.0, True, True): 583.274391476,
    ("logistic", 0.5, False, False): 407.098755373,
    ("logistic", 0.5, False, True): 481.001084485,
    ("logistic", 0.5, True, False): 584.335872153,
    ("logistic", 0.5, True, True): 583.701581726,
}


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


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("loss", LOSSES)
def test_elastic_nets_are_minimal_over_the_listed_pairs(loss, l1_ratio, positive, free):
    X, grade, query, weight = sample(p=6, seed=3)
    X = X * [0.01, 1.0, 100.0, 1.0, 1.0, 1.0] + 1000.0
    weight[::7] = 0.0
    D, w = differences(X, grade, query, weight)
    factor = np.array([1.0, 0.0, 1.0, 2.0, np.inf, 0.5]) if free else np.ones(6)
    kept = np.isfinite(factor)
    unit = D.std(axis=0)
    alpha = 0.05 * np.abs(D.T @ w / unit).max() * 0.1
    model = MarginRanker(
        loss=loss, alpha=alpha, l1_ratio=l1_ratio, positive=positive, penalty_weights=factor
    ).fit(X, grade, query, weight)
    assert model.optimality_ <= 1e-11
    assert model.n_pairs_ == pytest.approx(w.sum())
    assert not model.coef_[~kept].any()
    assert not positive or model.coef_.min() >= 0
    d = D @ model.coef_
    value = (
        w
        @ {
            "margin_ranking": lambda: np.maximum(0, 1 - d),
            "squared_hinge": lambda: np.maximum(0, 1 - d) ** 2,
            "logistic": lambda: np.logaddexp(0, -d),
        }[loss]()
    )
    size = np.abs(model.coef_[kept])
    value += alpha * factor[kept] @ (l1_ratio * size + (1 - l1_ratio) / 2 * size**2)
    assert value <= LEAST[loss, l1_ratio, positive, free] * (1 + 1e-8)


def test_an_elastic_net_knows_sparse_rows_repetitions_and_a_warm_start():
    X, grade, query, weight = sample(p=6)
    rows = np.repeat(np.arange(len(X)), weight.astype(int))
    model = MarginRanker(alpha=150.0, l1_ratio=0.8)
    one = clone(model).fit(X, grade, query, weight)
    assert 0 < np.count_nonzero(one.coef_) < 6
    for other in (
        clone(model).fit(sp.csr_array(X), grade, query, weight),
        clone(model).fit(X[rows], grade[rows], query[rows]),
    ):
        assert_allclose(other.coef_, one.coef_, rtol=1e-7, atol=1e-10)
    again = clone(model).set_params(warm_start=True).fit(X, grade, query, weight)
    again.fit(X, grade, query, weight)
    assert_allclose(again.coef_, one.coef_, rtol=1e-9, atol=1e-12)


def test_listed_pairs_of_single_precision_are_those_of_double():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(40, 3)) * 10.0 ** rng.integers(0, 6, (40, 1))).astype(np.float32)
    y = rng.integers(0, 3, 40)
    ranker = MarginRanker(l1_ratio=0.5)
    double = ranker.fit(X.astype(float), y).coef_
    assert np.array_equal(ranker.fit(X, y).coef_, double)
    assert_allclose(ranker.fit(sp.csr_array(X), y).coef_, double, rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_what_is_beyond_floating_point_is_refused_by_name(l1_ratio):
    X, y = np.array([[-1.0], [1.0], [0.5]]), [0, 1, 2]
    ranker = MarginRanker(l1_ratio=l1_ratio)
    for size in (1e160, 1e-160):
        with pytest.raises(ValueError, match="Rescale sample_weight"):
            ranker.fit(X, y, sample_weight=np.full(3, size))
    for rows in (1e308 * X, sp.csr_array(1e308 * X)):
        if l1_ratio:
            with pytest.raises(ValueError, match="Differences of rows of X"):
                ranker.fit(rows, y)
        else:
            assert ranker.fit(rows, y).optimality_ <= ranker.tol


def test_a_free_feature_that_ranks_all_pairs_has_no_finite_optimum():
    X, _, query, _ = sample()
    model = MarginRanker(loss="logistic", l1_ratio=1.0, penalty_weights=[0.0, 1.0, 1.0])
    with pytest.warns(ConvergenceWarning, match=r"optimum is not finite.*penalty_weights above 0"):
        model.fit(X, np.digitize(X[:, 0], [-0.5, 0.5]), query)


def test_more_pairs_than_can_be_listed_are_refused(monkeypatch):
    monkeypatch.setattr("robustreg.estimators.ranking.LISTED_BYTES", 8 * 3 * 100)
    X, grade, query, _ = sample()
    with pytest.raises(ValueError, match=r"more than 100 pairs.*or use the L2 penalty"):
        MarginRanker(l1_ratio=0.5).fit(X, grade, query)
    MarginRanker().fit(X, grade, query)


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
        ({"l1_ratio": 1.5}, {}, "'l1_ratio' parameter of MarginRanker"),
        ({"penalty_weights": [1.0, 2.0]}, {}, "one number for each of the 1 features"),
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


@pytest.mark.parametrize("degree", [3, 5])
def test_powers_of_a_year_are_ranked(degree):
    rng = np.random.default_rng(0)
    t = rng.uniform(1900, 2000, 300)
    X = np.column_stack([t**k for k in range(1, degree + 1)])
    score = t / t.std() + 0.3 * rng.normal(size=300)
    model = MarginRanker().fit(X, np.digitize(score, np.quantile(score, [0.3, 0.7])))
    assert model.optimality_ <= 1e-8 and model.n_iter_ < 60


def exact_hinge(X, grade, coef):
    """Sum over all pairs, of scores in fractions."""
    scores = [sum(Fraction(c) * Fraction(x) for c, x in zip(coef, row, strict=True)) for row in X]
    up, down = np.nonzero(grade[:, None] > grade)
    return float(sum(max(0, 1 - (scores[i] - scores[j])) for i, j in zip(up, down, strict=True)))


@pytest.mark.parametrize("degree", [3, 6, 8, 9])
@pytest.mark.parametrize("alpha", [1.0, 1e-6])
def test_powers_of_a_year_are_ranked_as_well_as_their_differences_are_classified(degree, alpha):
    """Coefficients of powers from the seventh on are rounded at more than the digits of a certificate."""
    year = np.arange(1961.0, 1991.0)
    X = year[:, None] ** np.arange(1, degree + 1)
    for seed in range(2):
        noise = 0.3 * np.random.default_rng(seed).normal(size=30)
        grade = np.digitize(np.sin((year - 1961) / 8) + noise, [-0.5, 0, 0.5])
        up, down = np.nonzero(grade[:, None] > grade)
        both = np.vstack([X[up] - X[down], X[down] - X[up]])
        other = HingeClassifier(alpha=alpha, fit_intercept=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit(both, np.repeat([1, 0], len(up)), np.full(2 * len(up), 0.5))
        model = MarginRanker(alpha=alpha)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(X, grade)
        assert bool(caught) == (model.optimality_ > model.tol)
        assert degree > 6 or not caught
        value, best = (
            exact_hinge(X, grade, coef) + 0.5 * alpha * coef @ coef
            for coef in (model.coef_, other.coef_[0])
        )
        # what rounding costs is said where it is more than 1e-7
        assert value * (1 - max(model.optimality_, 1e-7)) <= best
        assert model.optimality_ <= 1e-5


def wide_table(n, p, queries, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = np.round(2 * X[:, 0] + rng.normal(size=n))
    return X, y, np.repeat(np.arange(queries), n // queries)


def test_a_program_of_no_pairs_is_none_but_the_square():
    """From a few pairs a step may lead to where no pair is near its kink."""
    X, y, query = wide_table(150, 80, 15)
    model = MarginRanker(loss="hinge", alpha=1e-2).fit(X, y, qid=query)
    assert model.optimality_ <= 1e-12


@pytest.mark.parametrize("alpha", [1.0, 1e-2])
def test_wide_tables_end_with_a_closed_gap(alpha):
    """What rounding leaves of a gradient is held by a penalty that is weak per pair, too."""
    X, y, query = wide_table(100, 150, 10)
    model = MarginRanker(loss="hinge", alpha=alpha).fit(X, y, qid=query)
    assert model.optimality_ <= 1e-13 and model.n_iter_ < 15


@pytest.mark.parametrize(
    ("n", "p", "alpha", "seed"), [(20, 10, 1e-8, 3), (60, 80, 1e-8, 1), (60, 80, 1e-8, 2)]
)
def test_pairs_that_can_all_be_kept_are_beside_a_tiny_penalty(n, p, alpha, seed):
    """An objective of 1e-10: a step from a few pairs runs away, and on which side of a kink rounding is counts."""
    X, y, query = wide_table(n, p, n // 10, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = MarginRanker(loss="hinge", alpha=alpha).fit(X, y, qid=query)
    assert model.score(X, y, qid=query) == 1.0
    up, down = np.nonzero((query[:, None] == query) & (y[:, None] > y))
    assert np.min((X[up] - X[down]) @ model.coef_) >= 1 - 1e-12
    assert model.n_iter_ < 20
