"""Input on which linear models go wrong: the right answer, or a message that says what to do.

Right means right to 1e-6 in its own units. Where y or X is only expressed in other units, or rows and
columns are written differently, the right answer is the one of the plain problem carried over.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_pinball_loss

from robustreg import (
    HuberRegressor,
    L1Regressor,
    L2Regressor,
    QuantileRegressor,
    RobustRegressor,
)
from robustreg.datasets import load_stackloss
from tests._reference import CONVEX, UNPENALISED, balance, quantile_of, sample, sized

X, Y, _ = sample()
PLAIN = {name: clone(model).fit(X, Y) for name, model in UNPENALISED.items()}
MODELS = pytest.mark.parametrize("name", UNPENALISED)
#: psi of these is exactly constant from some residual on
CUT = [name for name in UNPENALISED if name not in ("squared", "pseudo_huber")]
#: those that find their own scale
SCALED = ["proposal2", "concomitant", "mad"]


@dataclass
class Case:
    """The plain problem in other units: X * column + shift, y * factor."""

    factor: float = 1.0
    column: Any = 1.0
    shift: Any = 0.0
    cast: Any = field(default=None)


UNITS = {
    **{f"y * {f:g}": Case(factor=f) for f in (1e4, 1e6, 1e10, 1e150, 1e-6, 1e-150, 1e-280)},
    **{f"X * {f:g}": Case(column=f) for f in (1e10, 1e20, 1e150, 1e-10, 1e-150, 1e-290)},
    **{f"X + {s:g}": Case(shift=s) for s in (1e3, 1e6)},
    "columns 1e4 : 1 : 1": Case(column=np.array([1e4, 1.0, 1.0])),
    "columns 1e-9 : 1 : 1e12": Case(column=np.array([1e-9, 1.0, 1e12])),
    "columns 1e-150 : 1 : 1e150": Case(column=np.array([1e-150, 1.0, 1e150])),
    "milliseconds since 1970": Case(
        column=np.array([6e7, 1.0, 1.0]), shift=np.array([1.7e12, 0, 0])
    ),
    "y and X far off": Case(factor=1e100, column=1e-100, shift=1e-97),
}


@pytest.mark.parametrize("case", UNITS.values(), ids=UNITS)
@MODELS
def test_units(name, case):
    model = sized(UNPENALISED[name], case.factor)
    model.fit(X * case.column + case.shift, Y * case.factor)
    plain = PLAIN[name]
    assert_allclose(model.coef_ * (np.ones(3) * case.column / case.factor), plain.coef_, rtol=1e-6)
    predicted = model.predict(X * case.column + case.shift) / case.factor
    assert_allclose(predicted, plain.predict(X), rtol=1e-6, atol=1e-6)
    if hasattr(plain, "scale_"):
        assert_allclose(model.scale_ / case.factor, plain.scale_, rtol=1e-6)
    assert model.optimality_ <= model.tol


@pytest.mark.parametrize("shift", [1e3, 1e6])
@MODELS
def test_an_offset_of_the_columns_costs_nothing(name, shift):
    # Columns that are exact before and after the shift, so that 1e-8 can be asked for.
    grid = np.round(X * 1024) / 1024
    near = clone(UNPENALISED[name]).set_params(tol=1e-10).fit(grid, Y)
    far = clone(UNPENALISED[name]).set_params(tol=1e-10).fit(grid + shift, Y)
    assert_allclose(far.coef_, near.coef_, rtol=1e-8)


@pytest.mark.parametrize("shift", [1e6, 1e12])
@MODELS
def test_an_offset_of_y_is_the_intercepts(name, shift):
    grid = np.round(Y * 1024) / 1024
    plain = clone(UNPENALISED[name]).fit(X, grid)
    model = clone(UNPENALISED[name]).fit(X, grid + shift)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-6)
    assert_allclose(model.intercept_ - shift, plain.intercept_, rtol=1e-6, atol=shift * 1e-15)


@pytest.mark.parametrize("constant", [1e-300, -1e-308, 5e-324, 1e307])
@MODELS
def test_a_constant_y_of_any_size_is_the_intercept(name, constant):
    model = clone(UNPENALISED[name]).fit(X, np.full(len(X), constant))
    assert model.intercept_ == constant
    assert not model.coef_.any()
    several = clone(UNPENALISED[name]).fit(X, np.full((len(X), 2), constant))
    assert (several.intercept_ == constant).all()


def test_a_tiny_y_that_varies_is_refused():
    for y, intercept in ((1e-300 * Y, True), (np.full(len(X), 1e-300), False)):
        with pytest.raises(ValueError, match="too small for floating point"):
            HuberRegressor(fit_intercept=intercept).fit(X, y)


@pytest.mark.parametrize("far", [1e4, 1e8, 1e10, 1e12, 1e100, 1e300])
@pytest.mark.parametrize("name", CUT)
def test_one_y_far_out_has_bounded_influence(name, far):
    y = Y.copy()
    y[0] = 100.0
    near = clone(UNPENALISED[name]).fit(X, y)
    y[0] = far
    model = clone(UNPENALISED[name]).fit(X, y)
    assert_allclose(model.coef_, near.coef_, rtol=1e-6)
    assert_allclose(model.intercept_, near.intercept_, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [L2Regressor(), L2Regressor(solver="lbfgs"), HuberRegressor(epsilon=np.inf, scale=1.0)],
    ids=str,
)
def test_one_y_far_out_of_least_squares(model):
    y = Y.copy()
    y[0] = 1e12
    model = clone(model).set_params(alpha=0.0).fit(X, y)
    expected = np.linalg.lstsq(np.c_[X, np.ones(len(y))], y, rcond=None)[0]
    assert_allclose([*model.coef_, model.intercept_], expected, rtol=1e-7)
    assert model.optimality_ <= model.tol


def test_one_y_far_out_with_a_smooth_psi():
    # psi of pseudo-Huber tends to its bound like 1 / r^2: from 1e6 on there is no difference left.
    models = []
    for far in (1e6, 1e9, 1e12):
        y = Y.copy()
        y[0] = far
        models.append(RobustRegressor(loss="pseudo_huber").fit(X, y))
    for model in models[1:]:
        assert_allclose(model.coef_, models[0].coef_, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in CUT if quantile_of(UNPENALISED[n]) is None])
def test_a_leverage_point_keeps_its_influence(name):
    # What the documentation says of these losses: bounded in y, not in X. The answer is the optimum.
    far = X.copy()
    far[0, 0] = 1e6
    model = clone(UNPENALISED[name]).fit(far, Y)
    assert balance(model, far, Y) < 1e-6
    assert abs(model.coef_[0]) < 1e-3


@pytest.mark.parametrize("value", [0.0, 1.0, 8.517193191416238, -1e10, 1e-200])
@pytest.mark.parametrize("name", CONVEX)
def test_constant_y(name, value):
    model = sized(CONVEX[name], abs(value) or 1.0)
    if not model.fit_intercept and value:
        return  # not a constant fit
    model.fit(X, np.full(len(Y), value))
    assert_allclose(model.coef_, 0.0, atol=1e-12 * abs(value))
    assert_allclose(model.intercept_, value, rtol=1e-14)
    if name in SCALED:
        assert model.scale_ == model.delta_ == 0.0
        assert not model.outliers_.any()


@pytest.mark.parametrize("factor", [1.0, 1e-9, 1e12])
@MODELS
def test_exact_fit(name, factor):
    truth = np.array([2.0, -3.0, 0.5])
    model = sized(UNPENALISED[name], factor).fit(X, factor * (X @ truth + 1.0))
    assert_allclose(model.coef_, factor * truth, rtol=1e-12)
    assert_allclose(model.intercept_, factor, rtol=1e-12)
    if name in SCALED:
        assert model.scale_ == model.delta_ == 0.0
        assert not model.outliers_.any()


@pytest.mark.parametrize("name", ["proposal2", "concomitant", "mad", "absolute"])
def test_most_rows_on_one_plane(name):
    # Of 60 rows 45 fit exactly: sigma is 0 and the others are what is flagged, without a division by 0.
    truth, off = np.array([2.0, -3.0, 0.5]), np.arange(60) % 4 == 0
    y = X @ truth + 1.0 + off * np.random.default_rng(3).normal(size=60)
    model = clone(UNPENALISED[name]).fit(X, y)
    assert_allclose(model.coef_, truth, rtol=1e-12)
    assert_allclose(model.intercept_, 1.0, rtol=1e-12)
    if name in SCALED:
        assert model.scale_ == model.delta_ == 0.0
        assert model.outliers_.tolist() == off.tolist()


@pytest.mark.parametrize("name", ["proposal2", "concomitant", "mad", "absolute"])
def test_mostly_zero_y(name):
    y = np.where(np.arange(60) % 4 == 0, Y, 0.0)
    model = clone(UNPENALISED[name]).fit(X, y)
    assert_allclose(model.coef_, 0.0, atol=1e-12)
    assert model.intercept_ == 0.0


def shortest(rows, y):
    """Least-norm solution of an underdetermined system with an intercept."""
    center = rows.mean(axis=0)
    centred = np.where(np.ptp(rows, axis=0) > 1e-14 * abs(center), rows - center, 0.0)
    coef = np.linalg.pinv(centred, rcond=1e-13) @ (y - y.mean())
    return coef, y.mean() - center @ coef


@pytest.mark.parametrize("n, p", [(1, 3), (2, 1), (3, 3), (4, 3), (5, 20), (30, 31), (40, 200)])
@MODELS
def test_as_many_columns_as_rows_or_more(name, n, p):
    rng = np.random.default_rng(4)
    rows, y = rng.normal(size=(n, p)), rng.normal(size=n)
    model = clone(UNPENALISED[name]).fit(rows, y)
    coef, intercept = shortest(rows, y)
    assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-8)
    assert_allclose(model.intercept_, intercept, rtol=1e-6, atol=1e-8)


ADDED = {
    "constant column": lambda x: np.column_stack([x, np.full(len(x), 7.3)]),
    "column constant but for rounding": lambda x: np.column_stack(
        [x, np.where(np.arange(len(x)) % 2, 7.3, np.nextafter(7.3, 8))]
    ),
    "constant column far out": lambda x: np.column_stack([x, np.full(len(x), 1e15)]),
    "duplicated column": lambda x: np.column_stack([x, x[:, 0]]),
    "all columns twice": lambda x: np.column_stack([x, x]),
    "collinear column": lambda x: np.column_stack([x, x[:, 0] - 2 * x[:, 1]]),
    "collinear column of another size": lambda x: np.column_stack([x, 1e6 * x[:, 0]]),
    # groups of sizes for which no quantile below is a matter of choice
    "dummies of all levels": lambda x: np.column_stack(
        [x, np.repeat(np.eye(4), [13, 15, 15, 17], 0)]
    ),
}


@pytest.mark.parametrize("added", ADDED)
@MODELS
def test_columns_that_say_nothing_new(name, added):
    # Same fitted values, and of all such coefficients the shortest.
    more = ADDED[added](X)
    if added == "dummies of all levels":
        plain = clone(UNPENALISED[name]).fit(more[:, :-1], Y)  # they add up to the intercept's
        predicted = plain.predict(more[:, :-1])
    else:
        predicted = PLAIN[name].predict(X)
    model = clone(UNPENALISED[name]).fit(more, Y)
    assert_allclose(model.predict(more), predicted, rtol=1e-6, atol=1e-6)
    assert_allclose(model.coef_, shortest(more, predicted)[0], rtol=1e-6, atol=1e-8)
    if name == "proposal2" and added != "dummies of all levels":  # its rank is the same
        assert_allclose(model.scale_, PLAIN[name].scale_, rtol=1e-7)


@pytest.mark.parametrize("name", CONVEX)
def test_each_row_twice_is_each_weight_two(name):
    model = clone(CONVEX[name]).set_params(tol=1e-12)
    twice = clone(model).fit(np.tile(X, (2, 1)), np.tile(Y, 2))
    weighted = clone(model).fit(X, Y, sample_weight=np.full(len(Y), 2.0))
    assert_allclose(twice.coef_, weighted.coef_, rtol=1e-10, atol=1e-10)
    assert_allclose(twice.intercept_, weighted.intercept_, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model", [L1Regressor(), QuantileRegressor(quantile=0.9, alpha=0.0)])
@pytest.mark.parametrize("period", [3, 5, 12])
def test_rows_of_another_kind_in_turn(model, period):
    """The units of y are no matter of every so many rows: in another order the fit is the same."""
    rng = np.random.default_rng(0)
    n = 5000 * period
    columns = rng.normal(size=(n, 4))
    y = columns.sum(axis=1) + rng.normal(size=n)
    y[::period] *= 1e-9
    mixed = rng.permutation(n)
    fitted, other = clone(model).fit(columns, y), clone(model).fit(columns[mixed], y[mixed])
    assert fitted.optimality_ <= 1e-8
    assert_allclose(fitted.coef_, other.coef_, rtol=1e-8)


def test_a_gap_is_seen_where_y_is_far_larger_than_its_spread():
    """Most of y within 1e-9, the rest of size one: a point at zero is not proved by that."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(2000, 3))
    y = columns.sum(axis=1) * 3 + rng.normal(size=2000)
    y[rng.permutation(2000)[:1100]] = 1e-9 * rng.normal(size=1100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = QuantileRegressor(quantile=0.9, alpha=0.0).fit(columns, y)
    best = linear_model.QuantileRegressor(quantile=0.9, alpha=0.0).fit(columns, y)
    loss = [mean_pinball_loss(y, m.predict(columns), alpha=0.9) for m in (model, best)]
    assert loss[0] - loss[1] <= max(model.optimality_, 1e-8) * loss[0]


@pytest.mark.parametrize(
    "model", [HuberRegressor(alpha=1e-4), RobustRegressor(alpha=1e-4)], ids=str
)
def test_a_column_too_small_beside_a_penalty_says_nothing(model):
    """Its coefficient would have to be 1e160: it stays out, and the others are what they are without."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(1000, 5))
    y = columns[:, 1:].sum(axis=1) + rng.normal(size=1000)
    columns[:, 0] *= 1e-160
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = clone(model).fit(columns, y)
    assert_allclose(fitted.coef_[1:], clone(model).fit(columns[:, 1:], y).coef_, rtol=1e-3)
    assert abs(fitted.coef_[0]) < 1.0


@pytest.mark.parametrize("max_iter", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", ["proposal2", "concomitant", 1.0])
def test_few_iterations_on_many_rows(scale, max_iter):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(25_000, 12))
    y = columns.sum(axis=1) + rng.standard_t(3, size=25_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = HuberRegressor(epsilon=1.35, scale=scale, max_iter=max_iter).fit(columns, y)
    assert 1 <= model.n_iter_ <= max(max_iter, 2)  # one on the sample and one on all rows


def test_denormal_y_is_refused():
    with pytest.raises(ValueError, match="rescale y"):
        HuberRegressor().fit(X, Y * 1e-310)


@MODELS
def test_denormal_columns_are_constant_and_that_is_said(name):
    tiny = X * np.array([1.0, 1.0, 1e-310])
    with pytest.warns(UserWarning, match=r"column.*2.*(constant|rescale)"):
        model = clone(UNPENALISED[name]).fit(tiny, Y)
    assert model.coef_[2] == 0.0
    without = clone(UNPENALISED[name]).fit(X[:, :2], Y)
    assert_allclose(model.coef_[:2], without.coef_, rtol=1e-6)


def bits(values):
    return np.round(values * 8) / 8


STORED = {
    "Fortran order": lambda x: np.asfortranarray(x),
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
    "objects": lambda x: x.astype(object),
    "lists": lambda x: x.tolist(),
    "data frame": lambda x: pd.DataFrame(x, columns=list("abc")),
    "nullable data frame": lambda x: pd.DataFrame(x, columns=list("abc")).convert_dtypes(),
    **{f"{f.__name__}": f for f in (sp.csr_matrix, sp.csc_matrix, sp.coo_array, sp.csr_array)},
    "64-bit sparse indices": lambda x: indices(sp.csr_array(x), np.int64),
    "unsorted sparse indices": lambda x: sp.csr_array(x)[:, [2, 0, 1]][:, [1, 2, 0]],
    "explicit zeros": lambda x: explicit_zeros(x),
    "duplicate sparse entries": lambda x: halves(x),
}


def indices(matrix, dtype):
    matrix.indices, matrix.indptr = matrix.indices.astype(dtype), matrix.indptr.astype(dtype)
    return matrix


def explicit_zeros(x):
    rows, columns = np.indices(x.shape).reshape(2, -1)
    return sp.coo_array((x.ravel(), (rows, columns)), shape=x.shape).tocsr()


def halves(x):
    once = sp.coo_array(x)
    data, row, column = (np.tile(part, 2) for part in (once.data / 2, once.row, once.col))
    return sp.coo_array((data, (row, column)), shape=x.shape)


@pytest.mark.parametrize("stored", STORED)
@MODELS
def test_the_same_numbers_stored_otherwise(name, stored):
    # Numbers of few bits, a third of them zero: each storage holds exactly the same.
    x = bits(X) * (np.random.default_rng(5).random(X.shape) < 0.7)
    plain = clone(UNPENALISED[name]).set_params(tol=1e-12).fit(x, Y)
    model = clone(UNPENALISED[name]).set_params(tol=1e-12).fit(STORED[stored](x), Y)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-10)
    assert_allclose(model.intercept_, plain.intercept_, rtol=1e-10)
    assert model.coef_.dtype == np.float64
    assert_allclose(model.predict(STORED[stored](x)), plain.predict(x), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64, np.int64, bool])
@MODELS
def test_integers_and_booleans_are_cast_before_arithmetic(name, dtype):
    rng = np.random.default_rng(6)
    x = rng.integers(0, 2 if dtype is bool else 100, X.shape).astype(dtype)
    y = rng.integers(0, 200, len(Y)).astype(np.uint64)  # differences of these would wrap around
    plain = clone(UNPENALISED[name]).fit(x.astype(float), y.astype(float))
    model = clone(UNPENALISED[name]).fit(x, y)
    assert np.array_equal(model.coef_, plain.coef_)
    assert model.intercept_ == plain.intercept_


@MODELS
def test_rows_belong_together_by_position(name):
    frame, target = pd.DataFrame(X), pd.Series(Y, index=np.arange(len(Y))[::-1])
    model = clone(UNPENALISED[name]).fit(frame, target)
    assert_allclose(model.coef_, PLAIN[name].coef_, rtol=1e-10)


@pytest.mark.parametrize("name", ["proposal2", "absolute", "quantile"])
def test_many_fits_at_once(name):
    # No state is shared between estimators.
    def fit(seed):
        x, y, _ = sample(n=40, seed=seed % 5)
        return clone(UNPENALISED[name]).fit(x, y).coef_

    alone = [fit(seed) for seed in range(5)]
    with ThreadPoolExecutor(8) as pool:
        for seed, coef in enumerate(pool.map(fit, range(200))):
            assert np.array_equal(coef, alone[seed % 5])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_real_table_with_every_hostility_at_once(fit_intercept):
    data = load_stackloss()
    x, y = data.iloc[:, :-1].to_numpy(float), data.iloc[:, -1].to_numpy(float)
    plain = HuberRegressor(alpha=0.0, fit_intercept=fit_intercept).fit(x, y)
    column = np.array([1e-9, 1e9, 1e12])
    both = np.column_stack([x * column, np.full(len(x), 3.0) * fit_intercept])
    model = HuberRegressor(alpha=0.0, fit_intercept=fit_intercept).fit(both, y * 1e9)
    assert_allclose(model.coef_[:3] * column / 1e9, plain.coef_, rtol=1e-6)
    assert_allclose(model.scale_ / 1e9, plain.scale_, rtol=1e-6)


@pytest.mark.slow
def test_many_rows_in_single_precision():
    # A running sum of float32 stops growing at 2^24; ours are of float64.
    n = 2**25
    rng = np.random.default_rng(7)
    x = rng.integers(0, 4, (n, 1)).astype(np.float32)
    y = (2 * x[:, 0] + rng.integers(-1, 2, n)).astype(np.float32)
    count, total = float(n), float(x.sum(dtype=np.float64))
    square, cross = float((x * x).sum(dtype=np.float64)), float((x[:, 0] * y).sum(dtype=np.float64))
    slope = (cross - total * float(y.sum(dtype=np.float64)) / count) / (square - total**2 / count)
    model = L2Regressor().fit(x, y)
    assert_allclose(model.coef_, [slope], rtol=1e-9)
