"""Thresholds by efficiency, robust scores and folds, against published numbers and plain formulas."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from robustreg import HuberRegressor, datasets
from robustreg.losses import Absolute, Hampel, Huber, SmoothL1
from robustreg.model_selection import (
    RobustKFold,
    efficiency_of,
    epsilon_for,
    epsilon_grid,
    make_neg_huber_loss_scorer,
    neg_tau_scale,
    neg_trimmed_mean_squared_error,
    robust_r2,
    robust_r2_score,
    tau_scale,
    trimmed_mean_squared_error,
)

LEVELS = (0.85, 0.9, 0.95, 0.99)
# Thresholds at those efficiencies, by adaptive quadrature with other software, to six digits.
TABLE = [
    ("huber", (0.731739, 0.981802, 1.344998, 2.010189)),
    ("tukey", (3.443690, 3.882662, 4.685065, 7.041392)),
    ("cauchy", (1.373745, 1.724871, 2.384947, 4.290242)),
    ("welsch", (2.059462, 2.383116, 2.984637, 4.740719)),
    ("andrews", (0.988359, 1.111713, 1.338711, 2.016968)),
    ("geman_mcclure", (2.416066, 2.893716, 3.787419, 6.380898)),
    ("fair", (0.333341, 0.635082, 1.399777, 4.957908)),
    ("log_cosh", (0.545919, 0.782541, 1.204707, 2.363893)),
    (Hampel(2, 4, 8), (0.477091, 0.552617, 0.690999, 1.005697)),
    (Hampel(1.5, 3.5, 8), (0.570445, 0.687656, 0.901444, 1.340153)),
]


@pytest.mark.parametrize(("loss", "thresholds"), TABLE, ids=str)
def test_thresholds_at_usual_efficiencies(loss, thresholds):
    for level, threshold in zip(LEVELS, thresholds, strict=True):
        assert_allclose(epsilon_for(level, loss), threshold, atol=6e-7)
        assert_allclose(efficiency_of(threshold, loss), level, atol=1e-6)


@pytest.mark.parametrize(
    ("epsilon", "loss", "efficiency"),
    [
        (1.345, "huber", 0.950000),
        (1.35, "huber", 0.9505),
        (1.5, "huber", 0.9642),
        (4.685, "tukey", 0.949997),
        (1.0, Hampel(2, 4, 8), 0.9897),
        (2.3849, "cauchy", 0.95),
        (3.787, "geman_mcclure", 0.949985),
    ],
)
def test_efficiency_of_published_defaults(epsilon, loss, efficiency):
    assert_allclose(efficiency_of(epsilon, loss), efficiency, atol=5e-5)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2, 0.3, 1.0, 1.345, 5.0, 30.0])
def test_efficiency_of_huber_is_the_closed_form(epsilon):
    inside = 2 * norm.cdf(epsilon) - 1
    square = inside - 2 * epsilon * norm.pdf(epsilon) + 2 * epsilon**2 * norm.sf(epsilon)
    # the closed form cancels at tiny thresholds, the quadrature does not
    assert_allclose(
        efficiency_of(epsilon), inside**2 / square, rtol=1e-12 if epsilon > 0.1 else 1e-5
    )
    assert_allclose(efficiency_of(epsilon, SmoothL1()), efficiency_of(epsilon), rtol=1e-13)


def test_quadrature_is_exact_at_kinks():
    loss, knots = Hampel(0.3, 0.9, 1.1), [0.3, 0.9, 1.1]

    def expected(function):
        return (
            2
            * quad(
                lambda x: float(function(np.array([x]))[0]) * norm.pdf(x),
                0,
                12,
                points=knots,
                limit=500,
            )[0]
        )

    exact = expected(lambda x: x * loss.psi(x)) ** 2 / expected(lambda x: loss.psi(x) ** 2)
    assert_allclose(efficiency_of(1.0, loss), exact, rtol=1e-12)


def test_limits():
    assert efficiency_of(np.inf) == 1.0
    assert_allclose(efficiency_of(1e-6), 2 / np.pi, rtol=1e-5)
    for epsilon in (1e-20, 1e-160, 1e-300, 5e-324):
        assert_allclose(efficiency_of(epsilon), 2 / np.pi, rtol=1e-12)
        assert efficiency_of(epsilon, "tukey") < 1e-15
    assert efficiency_of(1e-4, "tukey") < 1e-10


def test_grid_is_evenly_spaced_in_efficiency():
    grid = epsilon_grid(7, efficiency=(0.75, 0.99))
    assert_allclose([efficiency_of(e) for e in grid], np.linspace(0.75, 0.99, 7), rtol=1e-10)
    assert len(epsilon_grid()) == 20
    assert_allclose(epsilon_grid(3, (0.9, 0.95), "tukey")[[0, 2]], [3.882662, 4.685065], atol=1e-6)


@pytest.mark.parametrize("loss", ["squared", "pinball", "nonsense", Absolute(), 3])
def test_loss_without_threshold_is_refused(loss):
    with pytest.raises(ValueError, match="loss must be a residual loss with a threshold"):
        efficiency_of(1.0, loss)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.nan, "a", None])
def test_threshold_out_of_range_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon must be a number in the range"):
        efficiency_of(epsilon)


@pytest.mark.parametrize(
    ("efficiency", "loss"),
    [(0.5, "huber"), (1.0, "huber"), (0.0, "tukey"), (np.nan, "huber"), ("a", "huber")],
)
def test_efficiency_out_of_reach_is_refused(efficiency, loss):
    with pytest.raises(ValueError, match="efficiency must be a number between"):
        epsilon_for(efficiency, loss)


@pytest.mark.parametrize("n", [0, -3, 2.5, True])
def test_grid_of_no_length_is_refused(n):
    with pytest.raises(ValueError, match="n must be an int of at least 1"):
        epsilon_grid(n)


# --- Scores -----------------------------------------------------------------------------------


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    y, prediction = rng.normal(size=40), rng.normal(size=40)
    y[:5] += 1e6
    return y, prediction, rng.integers(0, 4, 40)


METRICS = [
    trimmed_mean_squared_error,
    lambda *a, **kw: trimmed_mean_squared_error(*a, trim=0.4, **kw),
    tau_scale,
    robust_r2_score,
]


@pytest.mark.parametrize("metric", METRICS)
def test_weight_is_repetition(metric, rows):
    y, prediction, weight = rows
    repeated = metric(np.repeat(y, weight), np.repeat(prediction, weight))
    assert_allclose(metric(y, prediction, sample_weight=weight), repeated, rtol=1e-12)
    assert_allclose(metric(y, prediction, sample_weight=1e-3 * weight), repeated, rtol=1e-12)
    assert metric(y, prediction, sample_weight=weight) != metric(y, prediction)


def test_trimmed_mean_squared_error_is_the_mean_of_the_smallest(rows):
    y, prediction, _ = rows
    square = np.sort((y - prediction) ** 2)
    assert_allclose(trimmed_mean_squared_error(y, prediction, trim=0.25), square[:30].mean())
    assert_allclose(trimmed_mean_squared_error(y, prediction, trim=0.0), square.mean())
    # 40 * 0.74 = 29.6 rows: the thirtieth counts in part
    part = (square[:29].sum() + 0.6 * square[29]) / 29.6
    assert_allclose(trimmed_mean_squared_error(y, prediction, trim=0.26), part)


def test_tau_scale_is_sigma_at_the_normal_and_bounded():
    z = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert_allclose(tau_scale(3 * z, 0 * z), 3.0, rtol=1e-4)
    assert_allclose(tau_scale(7 * z, 0 * z), 7 / 3 * tau_scale(3 * z, 0 * z), rtol=1e-12)
    bad = np.where(np.arange(len(z)) % 5 == 0, 1e12, z)
    assert tau_scale(bad, 0 * z) < 3
    assert tau_scale([1.0, 1.0, 5.0], [1.0, 1.0, 1.0]) == 0.0


def test_robust_r2_is_r2_at_the_normal():
    """Residuals of sigma 1 beside targets of sigma 2, each by the quantiles of the normal."""
    z = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    y = 2 * z
    assert_allclose(robust_r2_score(y, y - z), 0.75, rtol=1e-3)
    assert_allclose(robust_r2_score(y, y - z), r2_score(y, y - z), rtol=1e-3)


def test_robust_r2_of_contaminated_targets():
    rng = np.random.default_rng(1)
    y = rng.normal(size=2000)
    prediction = y + 0.3 * rng.normal(size=2000)
    clean = robust_r2_score(y, prediction)
    for share in (0.1, 0.3):
        bad = np.where(np.arange(2000) < share * 2000, 1e9, y)
        assert r2_score(bad, prediction) < 0
        assert abs(robust_r2_score(bad, prediction) - clean) < 0.05


def test_robust_r2_by_its_definition(rows):
    y, prediction, _ = rows
    middle = np.full_like(y, np.median(y))
    expected = 1 - tau_scale(y, prediction) ** 2 / tau_scale(y, middle) ** 2
    assert_allclose(robust_r2_score(y, prediction), expected, rtol=1e-12)
    assert robust_r2_score(y, y) == 1.0
    assert robust_r2_score(y, middle) == 0.0
    assert robust_r2_score([1, 1, 1, 2], [1, 1, 1, 9]) == 1.0
    assert robust_r2_score([1, 1, 1, 2], [3, 3, 1, 2]) == 0.0
    assert_allclose(
        robust_r2_score(1e3 * y + 7, 1e3 * prediction + 7), robust_r2_score(y, prediction)
    )


def test_robust_r2_of_several_outputs(rows):
    y, prediction, weight = rows
    Y, P = np.column_stack([y, -y]), np.column_stack([prediction, 0 * y])
    each = [robust_r2_score(*pair, sample_weight=weight) for pair in zip(Y.T, P.T, strict=True)]
    assert_array_equal(robust_r2_score(Y, P, sample_weight=weight, multioutput="raw_values"), each)
    assert robust_r2_score(Y, P, sample_weight=weight) == np.mean(each)
    with pytest.raises(ValueError, match="multioutput must be"):
        robust_r2_score(Y, P, multioutput="variance_weighted")
    with pytest.raises(ValueError, match="y_true and y_pred"):
        robust_r2_score(Y, y)


@pytest.mark.parametrize("trim", [-0.1, 1.0, np.nan, "a", True])
def test_trim_out_of_range_is_refused(trim):
    with pytest.raises(ValueError, match="trim must be"):
        trimmed_mean_squared_error([1.0], [1.0], trim=trim)


@pytest.mark.parametrize("metric", [trimmed_mean_squared_error, tau_scale, robust_r2_score])
def test_bad_rows_are_refused(metric):
    with pytest.raises(ValueError, match="y_true and y_pred"):
        metric([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="y_pred contains NaN"):
        metric([1.0, 2.0], [1.0, np.nan])
    for weight in ([1.0], [0.0, 0.0], [-1.0, 1.0]):
        with pytest.raises(ValueError, match="sample_weight"):
            metric([1.0, 2.0], [1.0, 2.0], sample_weight=weight)


def test_scorers_are_minus_the_metrics_and_search():
    X, y = load_diabetes(return_X_y=True)
    model = HuberRegressor().fit(X, y)
    prediction, weight = model.predict(X), np.arange(len(y)) % 3
    cases = [
        (neg_tau_scale, tau_scale),
        (neg_trimmed_mean_squared_error, trimmed_mean_squared_error),
        (make_neg_huber_loss_scorer(20.0), Huber(20.0)),
    ]
    for scorer, metric in cases:
        assert_allclose(scorer(model, X, y), -metric(y, prediction), rtol=1e-12)
        expected = -metric(y, prediction, sample_weight=weight)
        assert_allclose(scorer(model, X, y, sample_weight=weight), expected, rtol=1e-12)
        folds = cross_val_score(HuberRegressor(), X, y, scoring=scorer, cv=3)
        assert np.all(folds < 0)
        search = GridSearchCV(HuberRegressor(), {"epsilon": [1.0, 2.0]}, scoring=scorer, cv=3).fit(
            X, y
        )
        assert np.isfinite(search.best_score_)


def test_scorer_of_robust_r2():
    X, y = load_diabetes(return_X_y=True)
    contaminated = np.where(np.arange(len(y)) % 10 == 0, 10 * y, y)
    model = HuberRegressor().fit(X, contaminated)
    weight = np.arange(len(y)) % 3
    assert robust_r2(model, X, y) == robust_r2_score(y, model.predict(X))
    expected = robust_r2_score(y, model.predict(X), sample_weight=weight)
    assert robust_r2(model, X, y, sample_weight=weight) == expected
    folds = cross_val_score(HuberRegressor(), X, contaminated, scoring=robust_r2, cv=3)
    assert np.all((folds > 0.2) & (folds < 0.7))
    Y = np.column_stack([y, contaminated])
    assert robust_r2(HuberRegressor().fit(X, Y), X, Y) > 0.2


@pytest.mark.parametrize("delta", [0.0, -1.0, np.nan, "a"])
def test_scorer_of_a_bad_delta_is_refused(delta):
    with pytest.raises(ValueError, match="'delta' parameter of Huber"):
        make_neg_huber_loss_scorer(delta)


def test_loss_at_own_delta_always_takes_the_smallest_threshold():
    # What the gallery tells: such losses cannot be compared, not even on clean data.
    X, y = load_diabetes(return_X_y=True)

    def own(model, X, y):
        return -Huber(model.delta_)(y, model.predict(X))

    grid = {"epsilon": epsilon_grid(6)}
    search = GridSearchCV(HuberRegressor(), grid, scoring=own).fit(X, y)
    assert np.all(np.diff(search.cv_results_["mean_test_score"]) < 0)
    fixed = GridSearchCV(HuberRegressor(), grid, scoring=make_neg_huber_loss_scorer(70.0)).fit(X, y)
    assert fixed.best_params_["epsilon"] != search.best_params_["epsilon"]


# --- Folds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n_splits", [2, 3, 5, 7])
def test_folds_part_the_rows_and_share_the_outliers(n_splits, shuffle):
    frame = datasets.load_phones()
    X, y = frame[["year"]], frame["calls"]
    folds = RobustKFold(n_splits, shuffle=shuffle, random_state=0 if shuffle else None)
    splits = list(folds.split(X, y))
    assert len(splits) == folds.get_n_splits() == n_splits
    tests = [test for _, test in splits]
    assert_array_equal(np.sort(np.concatenate(tests)), np.arange(len(y)))
    assert np.ptp([len(test) for test in tests]) <= 1
    for train, test in splits:
        assert_array_equal(np.union1d(train, test), np.arange(len(y)))
        assert not np.intersect1d(train, test).size
    wrong = np.arange(14, 20)  # 1964 to 1969
    flagged = HuberRegressor(tol=1e-4).fit(X, y).outliers_
    assert set(wrong) <= set(np.flatnonzero(flagged))
    shares = [np.count_nonzero(flagged[test]) for test in tests]
    assert np.ptp(shares) <= 1
    # plain folds keep the wrong years together
    plain = [np.count_nonzero(flagged[test]) for _, test in KFold(n_splits).split(X)]
    assert np.ptp(plain) > 1


def test_shuffled_folds_hang_on_the_seed_alone():
    X, y = load_diabetes(return_X_y=True)

    def folds(seed):
        return [
            test.tolist() for _, test in RobustKFold(5, shuffle=True, random_state=seed).split(X, y)
        ]

    assert folds(0) == folds(0) != folds(1)


def test_folds_of_a_table_before_its_encoding():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.choice(["u", "v"], 60), "c": np.nan})
    frame.loc[3, "a"] = np.nan
    y = frame["a"].fillna(0) + 0.1 * rng.normal(size=60)
    y[:6] += 50
    for _, test in RobustKFold(3).split(frame, y):
        assert np.count_nonzero(test < 6) == 2
    for _, test in RobustKFold(3).split(frame[["b"]].to_numpy(), y):
        assert np.count_nonzero(test < 6) == 2


def test_folds_refuse_what_cannot_be_split():
    X = np.zeros((3, 1))
    with pytest.raises(
        ValueError, match=r"n_splits=5 greater than the number of samples: n_samples=3"
    ):
        list(RobustKFold(5).split(X, [1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="needs y"):
        list(RobustKFold(2).split(X))
    for n_splits in (1, 2.5, "a"):
        folds = RobustKFold(n_splits)
        with pytest.raises(ValueError, match="'n_splits' parameter of RobustKFold"):
            list(folds.split(X, [1.0, 2.0, 3.0]))
        with pytest.raises(ValueError, match="'n_splits' parameter of RobustKFold"):
            folds.get_n_splits()
    assert repr(RobustKFold(3)) == "RobustKFold(n_splits=3, random_state=None, shuffle=False)"
