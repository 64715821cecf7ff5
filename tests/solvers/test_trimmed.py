"""Least trimmed squares: sizes of candidates, and the steps from there to the end."""

import numpy as np
import pytest

from robustreg import LTSRegressor
from robustreg.preparation import prepare
from robustreg.solvers._subsampling import NOTHING
from robustreg.solvers._subsets import Sample
from robustreg.solvers._table import Table
from robustreg.solvers._trimmed import TrimmedSquares, _gram_after


def tables():
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((41, 5))
    far = plain.copy()
    far[:15] *= 1e60
    exact = plain.copy()
    exact[:20] = 0.0
    return {"plain": plain, "ties": plain.round(), "far": far, "nearly exact": exact}


@pytest.mark.parametrize("weight", [1.0, 0.25])
@pytest.mark.parametrize("share", [0.5, 0.53, 0.8])
@pytest.mark.parametrize("name", tables())
def test_size_is_the_root_of_the_mean_of_the_smallest_squares(name, share, weight):
    R = tables()[name]
    m = len(R)
    found = TrimmedSquares(share).sizes(R, Sample(np.ones((m, 1)), np.zeros(m), np.full(m, weight)))
    square = np.sort(R * R, axis=0)
    h = share * m
    whole = int(h)
    known = np.sqrt((square[:whole].sum(axis=0) + (h - whole) * square[whole]) / h)
    if name == "far" and share == 0.8:  # beyond single precision: only that it is hopeless
        assert np.all((found > 1e30) & (known > 1e30))
    else:
        np.testing.assert_allclose(
            found, np.maximum(known, NOTHING), rtol=1e-6
        )  # its edge is single


@pytest.mark.parametrize("seed", range(4))
def test_many_rows_take_few_steps_to_where_no_concentration_step_gains(seed):
    # concentration steps alone take up to 81: the trimmed squares of normal errors are nearly flat
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40_000, 10))
    y = X.sum(axis=1) + rng.standard_normal(40_000)
    model = LTSRegressor().fit(X, y)
    assert model.n_iter_ <= 30
    A, kept = np.column_stack([np.ones(len(y)), X]), model.support_
    raw = np.append(model.raw_intercept_, model.raw_coef_)
    again = np.linalg.lstsq(A[kept], y[kept], rcond=None)[0]
    np.testing.assert_allclose(again, raw, atol=1e-6)
    inside = np.sort((y - A @ again) ** 2)[: np.count_nonzero(kept)].sum()
    assert inside >= np.sum((y - A @ raw)[kept] ** 2) * (1 - 1e-11)


def test_no_exchange_of_two_rows_gains():
    # concentration steps alone end where one does, at a sum of squares higher by .3 %
    rng = np.random.default_rng(110)
    X = rng.standard_normal((80, 8))
    y = X.sum(axis=1) + rng.standard_normal(80)
    X[:33] *= 100
    y[:33] = 100 * rng.standard_normal(33)
    model = LTSRegressor(random_state=3).fit(X, y)
    A, kept = np.column_stack([np.ones(80), X]), model.support_
    least = sum_of_squares(A[kept], y[kept])
    for i in np.flatnonzero(kept):
        for j in np.flatnonzero(~kept):
            rows = np.append(np.flatnonzero(kept)[np.flatnonzero(kept) != i], j)
            assert sum_of_squares(A[rows], y[rows]) >= least * (1 - 1e-9)


def sum_of_squares(A, y):
    return np.sum((y - A @ np.linalg.lstsq(A, y, rcond=None)[0]) ** 2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("far", [1.0, 1e9])
def test_inner_products_after_rows_have_changed_sides_are_those_of_the_rows_kept(far, weighted):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    X[0] *= far  # beside which the others are rounding, until it goes
    weight = rng.uniform(0.5, 2.0, 200) if weighted else None
    table = Table(prepare(X, X[:, 0], weight, intercept=False)[0])
    last = np.ones(200) if table.weight is None else table.weight
    for changed in ([], [0], [0, 1, 2, 3]):
        kept = last.copy()
        kept[changed] *= 0.25 * np.arange(len(changed))
        found = _gram_after(table, table.gram(last), last, kept)
        expected = table.gram(kept)
        unit = np.sqrt(np.diag(expected))
        np.testing.assert_allclose(found / np.outer(unit, unit), expected / np.outer(unit, unit),
                                   atol=1e-14)  # fmt: skip
