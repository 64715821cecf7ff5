"""What input is taken, and what is refused by the name of the argument or column, with the remedy."""

import datetime as dt
import inspect
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

import robustreg
from robustreg import (
    DiceClassifier,
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    LinearEmbedding,
    LogisticClassifier,
    MarginRanker,
    MMRegressor,
    QuantileRegressor,
    RobustClassifier,
    RobustRegressor,
)
from robustreg.losses import LOSSES, Huber, ResidualLoss, Tukey
from robustreg.model_selection import RobustKFold, efficiency_of, epsilon_for, epsilon_grid

ESTIMATORS = [
    cls()
    for cls in map(robustreg.__dict__.get, robustreg.__all__)
    if inspect.isclass(cls) and issubclass(cls, BaseEstimator)
]
REGRESSORS = [m for m in ESTIMATORS if is_regressor(m) and type(m).__name__ != "KLRegressor"]
LINEAR = [m for m in ESTIMATORS if is_regressor(m) or is_classifier(m)]
each = pytest.mark.parametrize("model", ESTIMATORS, ids=lambda m: type(m).__name__)
each_regressor = pytest.mark.parametrize("model", REGRESSORS, ids=lambda m: type(m).__name__)
N = 40


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["size", "age"])
    return X, X["size"].to_numpy() + rng.normal(size=N)


def quick(model):
    """Return a copy that searches over little."""
    few = {"epsilons": [1.0, 2.0], "cv": 2} if "epsilons" in model.get_params() else {}
    return clone(model).set_params(**few)


def target(model, y):
    if is_classifier(model):
        return np.where(y > 0, "yes", "no")
    if type(model).__name__ == "KLRegressor":
        share = 1 / (1 + np.exp(-y))
        return np.column_stack([share, 1 - share])
    grades = type(model).__name__ in {"MarginRanker", "LinearEmbedding"}
    return np.round(y) if grades else y


@each
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_arrow_tables_are_data_frames(model):
    X, y = table()
    y = target(model, y)
    frame = quick(model).fit(X, y)
    arrow = quick(model).fit(pa.Table.from_pandas(X), y)
    assert_array_equal(arrow.feature_names_in_, ["size", "age"])
    # to rounding: columns may lie otherwise in memory
    fitted = "coef_" if hasattr(frame, "coef_") else "components_"
    one, other = getattr(arrow, fitted), getattr(frame, fitted)
    assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    answer = "predict" if hasattr(frame, "predict") else "transform"
    found = getattr(arrow, answer)(pa.Table.from_pandas(X))
    expected = getattr(frame, answer)(X)
    if is_classifier(arrow):
        assert_array_equal(found, expected)
    else:
        assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    batch = pa.RecordBatch.from_pandas(X)
    again = getattr(quick(model).fit(batch, y), fitted)
    assert_allclose(again, getattr(frame, fitted), rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="feature names"):
        getattr(arrow, answer)(pa.Table.from_pandas(X[["age", "size"]]))


@each_regressor
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_arrow_targets(model):
    X, y = table()
    expected = quick(model).fit(X, y).coef_
    for column in (pa.array(y), pa.chunked_array([y[:7], y[7:]])):
        assert_array_equal(quick(model).fit(X, column).coef_, expected)


def test_arrow_labels_and_folds():
    X, y = table()
    labels = pa.chunked_array([np.where(y > 0, "yes", "no")])
    assert LogisticClassifier().fit(X, labels).classes_.tolist() == ["no", "yes"]
    for _, test in RobustKFold(5).split(pa.Table.from_pandas(X), y):
        assert len(test) == N // 5


def dates():
    return [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(N)]


COLUMNS = {
    "date": (dates, r"Column 'when' of X holds dates or times \(date\): turn it into a number"),
    "time": (lambda: [dt.time(i % 24) for i in range(N)], "'when' of X holds dates or times"),
    "timedelta": (lambda: [dt.timedelta(i) for i in range(N)], "'when' of X holds dates or times"),
    "period": (lambda: list(pd.period_range("2020", periods=N, freq="M")), "holds dates or times"),
    "dict": (lambda: [{}] * N, "Column 'when' of X holds objects of type dict"),
    "text": (lambda: ["a"] * N, "Column 'when' of X holds text"),
    "None": (lambda: ["1", None] * (N // 2), "Columns with missing values: 'when'"),
    "NA": (lambda: [1.5, pd.NA] * (N // 2), "Columns with missing values: 'when'"),
    "infinity": (lambda: [1.0, np.inf] * (N // 2), "Columns with infinite values: 'when'"),
    "NaN": (lambda: [1.0, np.nan] * (N // 2), "Columns with missing values: 'when'"),
}


@pytest.mark.parametrize("case", COLUMNS)
@pytest.mark.parametrize("model", [HuberRegressor(), LogisticClassifier()], ids=str)
def test_column_that_holds_no_numbers(model, case):
    make, message = COLUMNS[case]
    X, y = table()
    fitted = clone(model).fit(X.assign(when=y), target(model, y))
    for kind in (object, None):
        bad = X.assign(when=pd.Series(make(), dtype=kind))
        if case in ("infinity", "NaN") and kind is object:
            continue
        with pytest.raises(ValueError, match=message):
            clone(model).fit(bad, target(model, y))
        with pytest.raises(ValueError, match=message):
            fitted.predict(bad)


@pytest.mark.parametrize("library", ["arrow", "polars"])
@pytest.mark.parametrize("case", ["date", "text", "infinity", "NaN"])
def test_column_of_other_libraries(library, case):
    make, message = COLUMNS[case]
    X, y = table()
    columns = {"size": X["size"].to_list(), "when": make()}
    bad = pa.table(columns) if library == "arrow" else pl.DataFrame(columns)
    with pytest.raises(ValueError, match=message.replace(r" \(date\)", ".*")):
        HuberRegressor().fit(bad, y)
    gaps = {"size": columns["size"], "when": [1.0, None] * (N // 2)}
    bad = pa.table(gaps) if library == "arrow" else pl.DataFrame(gaps)
    with pytest.raises(ValueError, match="Columns with missing values: 'when'"):
        HuberRegressor().fit(bad, y)


@pytest.mark.parametrize("unit", ["M8[D]", "m8[h]"])
def test_dates_in_an_array(unit):
    _, y = table()
    X = np.arange(N).astype(unit)[:, None]
    fitted = L1Regressor().fit(np.arange(N)[:, None], y)
    for call in (lambda X: L1Regressor().fit(X, y), fitted.predict):
        for bad in (X, X.astype(object)):
            with pytest.raises(ValueError, match="X holds dates or times"):
                call(bad)


def gap(value):
    def make(y):
        y = y.astype(object)
        y[3] = value
        return y

    return make


TARGETS = {
    "None": (gap(None), r"Input y contains NaN: a missing value \(None\) in row 3"),
    "nullable": (
        lambda y: pd.Series(gap(pd.NA)(y)).astype("Float64"),
        r"Input y contains NaN: a missing value \(.*\) in row 3",
    ),
    "NA": (gap(pd.NA), r"Input y contains NaN: a missing value \(<NA>\) in row 3"),
    "NaN": (gap(np.nan), r"Input y contains NaN: a missing value \(nan\) in row 3"),
    "infinity": (gap("inf"), "Input y contains infinity"),
    "text": (lambda y: np.where(y > 0, "yes", "no"), "y holds text such as '(yes|no)'.*classifier"),
    "text of objects": (gap("high"), "y holds text such as 'high'"),
    "objects": (gap({}), "y holds objects such as {}"),
    "datetime": (
        lambda y: np.arange(N).astype("M8[D]"),
        r"y holds dates or times \(datetime64\[D\]",
    ),
    "timedelta": (lambda y: np.arange(N).astype("m8[h]"), "y holds dates.*a duration in seconds"),
    "series": (lambda y: pd.Series(pd.to_timedelta(np.arange(N), "h")), "y holds dates or times"),
    "zone": (lambda y: pd.Series(pd.date_range("2020", periods=N, tz="UTC")), "y holds dates"),
    "period": (lambda y: pd.Series(pd.period_range("2020", periods=N)), "y holds dates or times"),
    "dates": (lambda y: dates(), r"y holds dates or times \(date\)"),
    "arrow": (lambda y: pa.array(dates()), "y holds dates or times"),
    "polars": (lambda y: pl.Series(dates()), "y holds dates or times"),
}


@each_regressor
@pytest.mark.parametrize("case", TARGETS)
def test_targets_that_are_no_numbers(model, case):
    make, message = TARGETS[case]
    X, y = table()
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, make(y))


def test_numbers_as_objects_are_numbers():
    X, y = table()
    expected = L1Regressor().fit(X, y).coef_
    for same in (y.astype(object), list(y), pd.Series(y, dtype=object), y.astype(str)):
        assert_allclose(L1Regressor().fit(X, same).coef_, expected, rtol=1e-12)


def test_columns_where_one_is_wanted():
    X, y = table()
    with pytest.raises(ValueError, match=r"MultiOutputRegressor\(HuberRegressorCV\(\)\)"):
        robustreg.HuberRegressorCV().fit(X, np.column_stack([y, y]))
    Y = np.column_stack([y > 0, y < 1]).astype(int)
    with pytest.raises(ValueError, match=r"MultiOutputClassifier\(HingeClassifier\(\)\)"):
        HingeClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"3 classes: OneVsRestClassifier\(DiceClassifier\(\)\)"):
        DiceClassifier().fit(X, np.arange(N) % 3)


ARGUMENTS = {
    "delta": (lambda: HuberRegressor(delta=1.0), "'delta'.*mean 'epsilon'.*delta = epsilon"),
    "C": (lambda: LogisticClassifier(C=1.0), "'C'. Did you mean 'alpha'.*1 / C"),
    "a penalty by name": (
        lambda: LogisticClassifier(penalty=None),
        "'l1_ratio'.*none at all is alpha",
    ),
    "a random state": (lambda: HuberRegressor(random_state=0), "Nothing in this fit is random"),
    "threads": (lambda: HuberRegressor(n_jobs=2), "chooses its threads itself"),
    "a loss": (lambda: HuberRegressor(loss="tukey"), "Its loss is fixed: RobustRegressor"),
    "no penalty": (lambda: MMRegressor(alpha=1.0), "It has no penalty"),
    "C of hinge": (lambda: HingeClassifier(C=1.0), "Did you mean 'alpha'"),
    "delta of any": (lambda: RobustRegressor(delta=1.0), r"mean 'loss'.*loss=Huber\(delta"),
    "tau": (lambda: QuantileRegressor(tau=0.5), "mean 'quantile'"),
    "intercept": (lambda: L1Regressor(intercept=False), "mean 'fit_intercept'"),
    "typo": (lambda: HuberRegressor(epsilom=1.0), "mean 'epsilon'"),
    "nothing like it": (
        lambda: HuberRegressor(gamma2=1.0),
        "unexpected keyword argument 'gamma2'$",
    ),
    "position": (lambda: HuberRegressor(1.5), "passed by name: epsilon=value"),
    "behind the loss": (lambda: RobustRegressor("tukey", 1.0), "passed by name: alpha=value"),
}


@pytest.mark.parametrize("kind", [RobustRegressor, RobustClassifier, MarginRanker, LinearEmbedding])
def test_loss_comes_first_as_in_scikit_learn(kind):
    """As `SGDRegressor("huber")` and `SGDClassifier("hinge")`."""
    assert kind("pseudo_huber").loss == "pseudo_huber"


@pytest.mark.parametrize("case", ARGUMENTS)
def test_argument_that_does_not_exist(case):
    call, message = ARGUMENTS[case]
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (HuberRegressor(), "delta", "'delta'.*mean 'epsilon'.*delta = epsilon"),
        (LogisticClassifier(), "C", "Did you mean 'alpha'.*1 / C"),
        (RobustRegressor(), "delta", r"loss=Huber\(delta"),
        (HuberRegressor(), "gamma2", r"warm_start'\]\.$"),
    ],
)
def test_set_params_has_the_hints(model, name, message):
    with pytest.raises(ValueError, match=message):
        model.set_params(**{name: 1.0})
    assert model.set_params(alpha=0.5) is model


@each
def test_constructor_is_what_it_was(model):
    cls = type(model)
    names = set(inspect.signature(cls).parameters)
    assert names == set(model.get_params(deep=False)) == set(cls._get_param_names())
    assert names == set(inspect.signature(cls.__init__).parameters) - {"self"}
    assert cls.__init__.__qualname__ == f"{cls.__name__}.__init__"
    assert clone(model).get_params() == pickle.loads(pickle.dumps(model)).get_params()


def test_subclass_has_the_hints_and_no_others():
    class Mine(HuberRegressor):
        def __init__(self, *, epsilon=2.0, mine=1):
            super().__init__(epsilon=epsilon)
            self.mine = mine

    assert Mine(mine=3).get_params(deep=False)["mine"] == 3
    with pytest.raises(TypeError, match=r"'delta'.*mean 'epsilon'"):
        Mine(delta=1.0)


ALIASES = {alias: kind for kind in LOSSES.values() for alias in kind.aliases}


def test_aliases_are_no_names_and_belong_to_one_loss():
    assert not set(ALIASES) & set(LOSSES)
    assert len(ALIASES) == sum(len(kind.aliases) for kind in LOSSES.values())
    assert ALIASES["bisquare"] is Tukey


@pytest.mark.parametrize(
    "alias", [a for a, kind in ALIASES.items() if issubclass(kind, ResidualLoss)]
)
def test_alias_is_the_loss(alias):
    X, y = table()
    kind = ALIASES[alias]
    mine = RobustRegressor(loss=alias)
    assert_array_equal(mine.fit(X, y).coef_, RobustRegressor(loss=kind.name).fit(X, y).coef_)
    assert clone(mine).loss == alias
    if kind.threshold:
        assert epsilon_for(0.9, alias) == epsilon_for(0.9, kind.name)
        assert efficiency_of(2.0, alias) == efficiency_of(2.0, kind.name)
        assert_array_equal(epsilon_grid(2, loss=alias), epsilon_grid(2, loss=kind.name))
    with pytest.raises(ValueError, match=rf"loss={kind.__name__}\(\)"):
        mine.set_params(loss__c=1.0)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("Huber", "Did you mean 'huber'"),
        ("hubers", "Did you mean 'huber'"),
        ("Tukey", "Did you mean 'tukey'"),
        ("bi-square", "Did you mean 'tukey'"),
        ("pseudo-huber", "Did you mean 'pseudo_huber'"),
        ("log-cosh", "Did you mean 'log_cosh'"),
        (Huber, r"That is a class: pass an instance, Huber\(\)"),
    ],
)
def test_loss_that_was_meant(loss, message):
    X, y = table()
    with pytest.raises(ValueError, match=message):
        RobustRegressor(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match=message):
        epsilon_for(0.9, loss)


@pytest.mark.parametrize("efficiency", [95, 0.95, (0.5, 0.7, 0.9), None, ("a", "b")])
def test_efficiency_that_is_no_pair(efficiency):
    with pytest.raises(ValueError, match=r"efficiency must be a pair of numbers"):
        epsilon_grid(efficiency=efficiency)


ATTRIBUTES = {
    "hinge": (HingeClassifier, "predict_proba", "CalibratedClassifierCV"),
    "Dice": (DiceClassifier, "predict_proba", "CalibratedClassifierCV"),
    "quantiles": (lambda: QuantileRegressor(quantile=0.9), "outliers_", "MMRegressor"),
    "medians": (L1Regressor, "weights_", "estimate a scale.*HuberRegressor"),
    "classes": (LogisticClassifier, "scale_", "Regressors that estimate a scale"),
    "summary": (HuberRegressor, "summary", r"summarize\(model, X, y\)"),
    "batches": (LogisticClassifier, "partial_fit", "SGDClassifier"),
    "no search": (HuberRegressor, "cv_results_", "HuberRegressorCV"),
    "no classes": (HuberRegressor, "predict_proba", "predicts no classes.*LogisticClassifier"),
    "twin": (HuberRegressor, "to_sklearn", "from robustreg.export"),
    "nothing to say": (HuberRegressor, "nothing", "object has no attribute 'nothing'$"),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_attributes_of_other_estimators_name_the_way(case):
    make, name, message = ATTRIBUTES[case]
    X, y = table()
    model = make().fit(X, y > 0 if is_classifier(make()) else y)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=message):
        getattr(model, name)


@pytest.mark.parametrize("name", ["n_iter_", "n_features_in_"])
@each
def test_answers_of_a_fit_that_was_not_made(model, name):
    with pytest.raises(
        AttributeError, match=f"{name!r}\\. It is not fitted yet: call fit first\\.$"
    ):
        getattr(model, name)
    with pytest.raises(AttributeError, match=r"no attribute '__nothing_'$"):
        model.__nothing_  # noqa: B018


@pytest.mark.parametrize(
    ("model", "name", "hint"),
    [
        (robustreg.LogisticClassifier(), "outliers_", "Regressors that estimate a scale have it"),
        (robustreg.L2Regressor(), "cv_results_", "It belongs to searches"),
        (robustreg.LTSRegressor(), "raw_scale_", "It is not fitted yet"),
    ],
)
def test_attributes_that_no_fit_gives(model, name, hint):
    with pytest.raises(AttributeError, match=hint):
        getattr(model, name)


def test_a_query_that_is_not_computed():
    X, y = table()
    with pytest.raises(
        TypeError, match=r"LazyFrame, which is not computed: pass table\.collect\(\)"
    ):
        HuberRegressor().fit(pl.from_pandas(X).lazy(), y)


@pytest.mark.parametrize("weight", ["a", ["a"] * 4])
def test_weights_that_are_text_are_refused_by_name(weight):
    with pytest.raises(ValueError, match=r"sample_weight must be numbers: could not convert.*'a'"):
        HuberRegressor().fit(np.arange(4.0)[:, None], np.arange(4.0), sample_weight=weight)


@each
def test_a_name_of_two_columns_is_named_and_so_is_a_missing_target(model):
    X, y = table()
    y = target(model, y)
    again = X.set_axis(["size", "size"], axis=1)
    with pytest.raises(ValueError, match="more than one column of the name 'size'"):
        quick(model).fit(again, y)
    for arguments in ((X,), (X, None)):
        with pytest.raises(ValueError, match=f"{type(model).__name__} estimator requires y"):
            quick(model).fit(*arguments)
    fitted = quick(model).fit(X, y)
    answer = fitted.transform if hasattr(fitted, "transform") else fitted.predict
    with pytest.raises(ValueError, match="more than one column of the name 'size'"):
        answer(again)


@pytest.mark.parametrize("kind", ["Int64", "boolean", "Float64"])
def test_a_missing_value_of_a_nullable_column_is_told_by_its_name(kind):
    X, y = table()
    X["age"] = pd.array([1, None] * (N // 2), dtype=kind)
    with pytest.raises(ValueError, match="Columns with missing values: 'age'"):
        HuberRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (HuberRegressor(scale="MAD"), "Did you mean 'mad'"),
        (RobustRegressor(loss="mae"), "Did you mean 'absolute'"),
        (RobustRegressor(penalty="lasso"), "Did you mean 'l1'"),
        (RobustRegressor(penalty="elasticnet"), "Did you mean 'elastic_net'"),
        (MMRegressor(method="SMDM"), "Did you mean 'smdm'"),
    ],
)
def test_an_option_that_was_meant(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*table())


LABELS = ["a", "b", None, "b"] * (N // 4)
MISSING_LABELS = {
    "string": lambda: pd.array(LABELS, dtype="string"),
    "str": lambda: pd.Series(LABELS, dtype="str"),
    "frame": lambda: pd.DataFrame({"label": pd.array(LABELS, dtype="string")}),
    "categories": lambda: pd.Categorical(LABELS),
    "Arrow of pandas": lambda: pd.array(LABELS, dtype=pd.ArrowDtype(pa.string())),
    "Arrow": lambda: pa.array(LABELS),
    "polars": lambda: pl.Series(LABELS),
    "booleans of polars": lambda: pl.Series([True, False, None, True] * (N // 4)),
    "list": lambda: LABELS,
    "objects": lambda: np.array(LABELS, dtype=object),
    "objects with NaN": lambda: pd.Series(LABELS, dtype=object).fillna(np.nan).to_numpy(),
    "numbers": lambda: [0, 1, None, 1] * (N // 4),
    "booleans": lambda: pd.array([True, False, None, True] * (N // 4), dtype="boolean"),
    "integers": lambda: pd.array([0, 1, None, 1] * (N // 4), dtype="Int64"),
    "dates": lambda: np.array(["2020-01-01", "2021-01-01", "NaT", "NaT"] * (N // 4), dtype="M8[D]"),
    "several": lambda: np.array([[0, 1], [1, None]] * (N // 2), dtype=object),
}


@pytest.mark.parametrize("kind", MISSING_LABELS)
@pytest.mark.parametrize("model", [LogisticClassifier(), LinearEmbedding()], ids=["class", "map"])
def test_missing_labels_are_those_of_y(model, kind):
    X, _ = table()
    with pytest.raises(ValueError, match=r"^y contains missing values: drop those rows or give"):
        model.fit(X, MISSING_LABELS[kind]())
