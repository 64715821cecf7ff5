"""Wrong input is refused in words that name the parameter or column, and input is never changed."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from joblib import hash as fingerprint
from sklearn.base import clone

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.losses import Huber, Pinball, Smoothed, SmoothL1
from tests._reference import UNPENALISED, sample

X, Y, W = sample()
EVERY = [HuberRegressor, L1Regressor, L2Regressor, QuantileRegressor, RobustRegressor]
MODELS = pytest.mark.parametrize("make", EVERY)

NOT_NUMBERS = ["a", None, True, np.nan, [1.0], 1j]
REAL = {
    "alpha": (EVERY, [*NOT_NUMBERS, -1.0], r"in the range \[0"),
    "tol": (EVERY, [*NOT_NUMBERS, 0.0, -1e-8], r"in the range \(0"),
    "max_iter": (EVERY, [*NOT_NUMBERS, 0, -1, 10.5], r"an int in the range \[1"),
    "fit_intercept": (EVERY, ["yes", 1, None], "bool"),
    "warm_start": (EVERY, ["yes", 0, None], "bool"),
    "epsilon": ([HuberRegressor], [*NOT_NUMBERS, 0.0, -1.0, -np.inf], r"in the range \(0"),
    "quantile": ([QuantileRegressor], [*NOT_NUMBERS, 0.0, 1.0, -0.1, 2.0], r"\(0.0, 1.0\)"),
    "scale": (
        [HuberRegressor],
        [0.0, -1.0, np.inf, np.nan, "MAD", None, True],
        "'proposal2'.*'mad'",
    ),
    "solver": (EVERY, ["best", None, 1, "", "lsqr"], "'auto'"),
    "loss": ([RobustRegressor], ["l3", None, 1.0, Huber, "hinge"], "'huber'"),
    "solver_options": ([QuantileRegressor], [[], "presolve", 1], "solver_options"),
}


@pytest.mark.parametrize(
    "make, name, value, words",
    [
        pytest.param(make, name, value, words, id=f"{make.__name__}-{name}-{value!r}")
        for name, (makes, values, words) in REAL.items()
        for make in makes
        for value in values
    ],
)
def test_parameter_out_of_range(make, name, value, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make(**{name: value}).fit(X, Y)
    message = str(caught.value)
    assert repr(name) in message
    assert make.__name__ in message
    assert re.search(words, message)
    if name != "loss":
        assert repr(value) in message


@pytest.mark.parametrize("name, value", [("scale", "proposal2"), ("scale", 0.0), ("scale", "none")])
def test_scale_of_the_general_regressor(name, value):
    # Proposal 2 is an equation of Huber's psi.
    with pytest.raises(
        ValueError, match=r"'scale' parameter of RobustRegressor must be one of 'l1', 'mad'"
    ):
        RobustRegressor(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("epsilon", [1.0, 0.5])
def test_concomitant_scale_needs_an_epsilon_above_one(epsilon):
    with pytest.raises(ValueError, match=r"'epsilon'.*\(1\.0, inf"):
        HuberRegressor(epsilon=epsilon, scale="concomitant").fit(X, Y)
    HuberRegressor(epsilon=epsilon).fit(X, Y)


@pytest.mark.parametrize("epsilon", [np.float32(1.5), np.int64(2), 3, np.inf])
def test_any_real_number_will_do(epsilon):
    model = HuberRegressor(epsilon=epsilon, max_iter=np.int64(100), alpha=np.float32(0)).fit(X, Y)
    assert isinstance(model.delta_, float)


@pytest.mark.parametrize(
    "model, why",
    [
        (HuberRegressor(solver="highs"), "smooth"),
        (L2Regressor(solver="exact"), "smooth"),
        (L1Regressor(solver="newton"), "piecewise linear"),
        (L1Regressor(solver="highs", alpha=1.0), "quadratic program"),
        (RobustRegressor(loss="pinball", solver="lbfgs"), "piecewise linear"),
    ],
)
def test_solver_that_does_not_serve_the_loss(model, why):
    with pytest.raises(ValueError, match=f"'solver'.*{why}"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    "loss, words",
    [
        (Huber(delta=-1.0), "'delta'.*Huber"),
        (SmoothL1(beta=np.nan), "'beta'.*SmoothL1"),
        (Pinball(quantile=1.5), "'quantile'.*Pinball"),
    ],
)
def test_field_of_a_loss_out_of_range(loss, words):
    with pytest.raises(ValueError, match=words):
        RobustRegressor(loss=loss).fit(X, Y)


def test_loss_that_is_not_one_of_residuals():
    with pytest.raises(ValueError, match=r"'loss'.*residual loss"):
        RobustRegressor(loss=Smoothed()).fit(X, Y)


def test_fields_of_a_loss_given_by_name_are_out_of_reach():
    with pytest.raises(ValueError, match=r"'loss__delta'.*'huber' is a name.*loss=Huber\(\)"):
        RobustRegressor().set_params(loss__delta=2.0)
    with pytest.raises(ValueError, match="Invalid parameter 'gamma'"):
        RobustRegressor(loss=Huber()).set_params(loss__gamma=2.0)
    model = RobustRegressor(loss=Huber()).set_params(loss__delta=2.0, alpha=1.0)
    assert (model.loss.delta, model.alpha) == (2.0, 1.0)
    assert RobustRegressor().set_params(loss=Huber(), loss__delta=3.0).loss.delta == 3.0


def spoilt(values, value):
    values = np.array(values)
    values.flat[5] = value
    return values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y", "sample_weight"])
@MODELS
def test_not_finite(make, where, value):
    parts = {"X": X, "y": Y, "sample_weight": W}
    parts[where] = spoilt(parts[where], value)
    with pytest.raises(ValueError, match=rf"{where} contains (NaN|infinity)"):
        make().fit(**parts)


@MODELS
def test_not_finite_in_predict(make):
    model = make().fit(X, Y)
    with pytest.raises(ValueError, match="X contains NaN"):
        model.predict(spoilt(X, np.nan))


SHAPES = {
    "fewer y": (X, Y[:-1], None, r"inconsistent numbers of samples: \[60, 59\]"),
    "fewer weights": (X, Y, W[:-1], r"sample_weight.*\(59,\).*\(60,\)"),
    "weights of two columns": (X, Y, np.column_stack([W, W]), "sample_weight.*(1D|shape)"),
    "no rows": (X[:0], Y[:0], None, r"0 sample\(s\).*minimum of 1"),
    "no columns": (X[:, :0], Y, None, r"0 feature\(s\).*minimum of 1"),
    "X of one axis": (X[:, 0], Y, None, "Expected 2D array"),
    "X of three axes": (X[None], Y, None, "dim 3|3D"),
    "three axes of y": (X, Y[:, None, None], None, "dim 3"),
    "negative weight": (X, Y, -W, "Negative.*sample_weight.*at least 0"),
    "one negative weight": (X, Y, spoilt(W, -1e-9), "Negative.*sample_weight"),
    "weights zero": (X, Y, 0 * W, "sample_weight are zero.*positive"),
    "complex X": (X + 1j, Y, None, "[Cc]omplex"),
    "complex y": (X, Y + 1j, None, "[Cc]omplex"),
    "complex weights": (X, Y, W + 1j, "[Cc]omplex"),
    "masked X": (np.ma.masked_less(X, -1.0), Y, None, "X is a masked array.*fill or drop"),
    "masked y": (X, np.ma.masked_less(Y, 0.0), None, "y is a masked array.*fill or drop"),
    "masked weights": (
        X,
        Y,
        np.ma.masked_less(W, 1.0),
        "sample_weight is a masked array.*fill or drop",
    ),
    "text in y": (X, ["a", "b"] * 30, None, "(?i)string|numeric"),
    "text in the weights": (X, Y, ["a", "b"] * 30, "(?i)string|numeric"),
    "text in X": (np.array([["a", "b"]] * 60), Y, None, "(?i)string|numeric"),
    "ragged X": ([[1.0], [1.0, 2.0]], [1.0, 2.0], None, "inhomogeneous|sequence"),
    "sparse y": (X, sp.csr_array(Y[:, None]), None, "(?i)sparse"),
}


@pytest.mark.parametrize("case", SHAPES)
@MODELS
def test_input_that_cannot_be_fitted(make, case):
    rows, y, weight, words = SHAPES[case]
    with pytest.raises((ValueError, TypeError), match=words):
        make().fit(rows, y, sample_weight=weight)


FRAME = pd.DataFrame({"age": X[:, 0], "bmi": X[:, 1], "bp": X[:, 2]})
DATES = pd.date_range("2024-01-01", periods=60)
COLUMNS = {
    "text": (FRAME.assign(bmi=["a", "b"] * 30), "'bmi'.*text.*OneHotEncoder"),
    "text as objects": (FRAME.assign(bmi=pd.Series(["a", "b"] * 30, dtype=object)), "'bmi'.*text"),
    "categories": (FRAME.assign(bmi=pd.Categorical(["a", "b"] * 30)), "'bmi'.*text"),
    "dates": (FRAME.assign(bmi=DATES), "'bmi'.*dates or times.*number"),
    "dates of a time zone": (FRAME.assign(bmi=DATES.tz_localize("UTC")), "'bmi'.*dates or times"),
    "durations": (FRAME.assign(bmi=DATES - DATES[0]), "'bmi'.*dates or times"),
    "periods": (FRAME.assign(bmi=DATES.to_period("D")), "'bmi'.*dates or times"),
    "missing": (
        FRAME.assign(bmi=FRAME["bmi"].where(FRAME["bmi"] > -1)),
        "(?s)X contains NaN.*'bmi'",
    ),
    "nullable": (FRAME.assign(bmi=pd.array([None, 1.0] * 30, dtype="Float64")), "(?s)NaN.*'bmi'"),
    "a column twice": (
        FRAME.assign(bmi=DATES).rename(columns={"bp": "age"}),
        "more than one column of the name 'age'",
    ),
    "complex": (FRAME.assign(bmi=1j), "'bmi'.*complex numbers"),
    "two of text": (
        FRAME.assign(bmi=["a", "b"] * 30, bp=pd.Categorical(["a", "b"] * 30)),
        "Columns 'bmi', 'bp' of X hold text.*Encode them",
    ),
    "no columns": (FRAME[[]], r"X has no columns \(shape=\(60, 0\)\)"),
    "polars categories": (
        pl.DataFrame({"age": X[:, 0], "bmi": pl.Series(["a", "b"] * 30, dtype=pl.Categorical)}),
        "'bmi'.*text",
    ),
    "polars text": (pl.DataFrame({"age": X[:, 0], "bmi": ["a", "b"] * 30}), "'bmi'.*text"),
    "polars dates": (
        pl.DataFrame({"age": X[:, 0], "bmi": DATES.to_numpy()}),
        "'bmi'.*dates or times",
    ),
    "polars missing": (pl.DataFrame({"age": X[:, 0], "bmi": [None, 1.0] * 30}), "(?s)NaN.*'bmi'"),
}


@pytest.mark.parametrize("case", COLUMNS)
@MODELS
def test_column_that_is_no_number_is_named(make, case):
    frame, words = COLUMNS[case]
    with pytest.raises(ValueError, match=words):
        make().fit(frame, Y)


@MODELS
def test_column_that_is_no_number_is_named_in_predict(make):
    model = make().fit(FRAME, Y)
    with pytest.raises(ValueError, match=r"'bmi'.*dates or times"):
        model.predict(FRAME.assign(bmi=DATES))


def test_column_names_are_those_of_the_fit():
    model = HuberRegressor().fit(FRAME, Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(FRAME[["bp", "age", "bmi"]])
    with pytest.raises(ValueError, match=r"2 features.*expecting 3"):
        HuberRegressor().fit(X, Y).predict(X[:, :2])
    with pytest.raises(TypeError, match=r"feature names.*string"):
        HuberRegressor().fit(FRAME.rename(columns={"bmi": 1}), Y)


def test_arguments_are_given_by_name():
    for make in EVERY:
        with pytest.raises(TypeError, match="positional"):
            make(*4 * [1.0])  # all but those that say which model it is


def containers():
    """Every kind of input a fit might write to."""
    weight = W.copy()
    weight[::7] = 0.0
    return {
        "arrays": (X, Y, weight),
        "Fortran": (np.asfortranarray(X), Y[::-1][::-1], weight),
        "frame": (FRAME, pd.Series(Y), pd.Series(weight)),
        "polars": (pl.DataFrame(X, schema=["a", "b", "c"]), pl.Series(Y), pl.Series(weight)),
        "csr": (sp.csr_array(X), Y, weight),
        "csc": (sp.csc_matrix(X), Y, weight),
        "float32": (X.astype(np.float32), Y.astype(np.float32), weight.astype(np.float32)),
    }


def contents(part):
    """Fingerprint of all numbers of an input (a sparse matrix also notes whether it is sorted)."""
    sparse = sp.issparse(part)
    return fingerprint((part.data, part.indices, part.indptr) if sparse else part)


@pytest.mark.parametrize("kind", containers())
@pytest.mark.parametrize("name", UNPENALISED)
def test_input_is_left_as_it_is(name, kind):
    parts = containers()[kind]
    model = clone(UNPENALISED[name]).set_params(warm_start=True)
    before = [contents(part) for part in parts], str(model.get_params())
    model.fit(parts[0], parts[1], sample_weight=parts[2]).fit(*parts[:2]).predict(parts[0])
    assert ([contents(part) for part in parts], str(model.get_params())) == before


@pytest.mark.parametrize("name", UNPENALISED)
def test_input_may_be_read_only(name):
    parts = [np.array(part) for part in (X, Y, W)]
    for part in parts:
        part.setflags(write=False)
    model = clone(UNPENALISED[name]).fit(parts[0], parts[1], sample_weight=parts[2])
    writable = clone(UNPENALISED[name]).fit(X, Y, sample_weight=W)
    assert np.array_equal(model.coef_, writable.coef_)
