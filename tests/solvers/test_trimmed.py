"""Least trimmed squares: sizes of candidates, and the steps from there to the end."""

import numpy as np
import pytest

from robustreg import LTSRegressor
from robustreg.preparation import prepare
from robustreg.solvers import Control, _trimmed, _trimming
from robustreg.solvers._subsampling import NOTHING
from robustreg.solvers._subsets import Sample
from robustreg.solvers._table import Table
from robustreg.solvers._trimmed import _gram_after
from robustreg.solvers._trimming import TrimmedSquares


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


def test_no_exchange_gains_among_more_rows_than_a_part(monkeypatch):
    # starts are followed on a part of these, and steps from there end at a sum higher by up to .3 %
    rng = np.random.default_rng(1)
    X = rng.standard_normal((1000, 4))
    y = X.sum(axis=1) + rng.standard_normal(1000)
    model = LTSRegressor().fit(X, y)
    sample = Sample(np.column_stack([np.ones(1000), X]), y, np.ones(1000))
    criterion = TrimmedSquares(np.count_nonzero(model.support_) / 1000)
    monkeypatch.setattr(_trimming, "EXCHANGED", 1000)
    assert criterion.neighbour(sample, np.append(model.raw_intercept_, model.raw_coef_)) is None


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


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_change_sides_are_in_the_hessian(weighted):
    # Errors of one sign only: the edge moves with the rows, and a Hessian without that is far off.
    rng = np.random.default_rng(0)
    n = 200_000
    X = np.column_stack([np.ones(n), rng.normal([0.5, -1.0], 1.0, (n, 2))])
    error = rng.standard_normal(n)
    error[::2] = np.abs(error[::2])
    weight = rng.integers(1, 4, n).astype(float) if weighted else None
    data = prepare(X, error, weight, intercept=False)[0]
    table, h = Table(data), 0.6 * data.total

    def pull(theta):
        residual = table.residual(theta)
        return _trimmed._pull(table, _trimmed._kept(table, residual, h), residual)

    residual = table.residual(np.zeros(table.size))
    kept = _trimmed._kept(table, residual, h)
    gram = table.gram(kept)
    hessian = gram - _trimmed._edge(table, residual, kept)
    width = 0.02
    numeric = -np.stack([pull(width * e) - pull(-width * e) for e in np.eye(table.size)])
    numeric /= 2 * width
    np.testing.assert_allclose(hessian, numeric, atol=0.03 * np.abs(gram).max())
    assert np.abs(gram - numeric).max() > 0.2 * np.abs(gram).max()


@pytest.mark.parametrize(
    ("times", "length"),
    [(1.0, 1.0), (1.85, 1.0), (1.95, 0.5), (3.75, 0.5), (3.85, 0.25), (7.5, 0.25), (7.7, None)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_step_is_as_long_as_gains_a_tenth_of_what_it_promises(times, length, weighted, monkeypatch):
    # With all rows kept the sum is a parabola along the step. One ``times`` as long as to its least point promises
    # as much more and gains ``2 - times`` of that: a tenth at 1.9.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50)
    weight = rng.uniform(0.5, 2.0, 50) if weighted else None
    table = Table(prepare(X, y, weight, intercept=False)[0])
    kept = np.ones(50) if table.weight is None else table.weight
    gram, residual = table.gram(kept), table.residual(np.zeros(3))
    monkeypatch.setattr(_trimmed, "_edge", lambda *_: gram * (1 - 1 / times))
    value = _trimmed._value(table, residual, table.total)
    found = _trimmed._by_newton(table, gram, residual, value, kept, table.total)
    if length is None:
        assert found is None
        return
    assert found is not None
    assert found.length == length
    best = np.linalg.solve(gram, _trimmed._pull(table, kept, residual))
    np.testing.assert_allclose(found.step, length * times * best, rtol=1e-10)
    np.testing.assert_allclose(found.residual, table.residual(found.step), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.value, np.sum(kept * found.residual**2), rtol=1e-12)


def test_no_newton_step_where_the_hessian_is_not_definite(monkeypatch):
    rng = np.random.default_rng(0)
    table = Table(
        prepare(rng.standard_normal((50, 3)), rng.standard_normal(50), intercept=False)[0]
    )
    kept, residual = np.ones(50), table.residual(np.zeros(3))
    gram = table.gram(kept)
    monkeypatch.setattr(_trimmed, "_edge", lambda *_: 1.5 * gram)
    value = _trimmed._value(table, residual, 50.0)
    assert _trimmed._by_newton(table, gram, residual, value, kept, 50.0) is None


def test_no_newton_step_where_the_hessian_is_indefinite_across_the_step(monkeypatch):
    # without regard to that the step would be the one of least squares, and would gain all it promises
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50)
    table = Table(prepare(X, y, intercept=False)[0])
    kept, residual = np.ones(50), table.residual(np.zeros(3))
    gram, pull = table.gram(kept), _trimmed._pull(table, kept, residual)
    across = gram @ np.array([pull[1], -pull[0], 0.0])
    bent = 2 * np.outer(across, across) / (across @ np.linalg.solve(gram, across))
    hessian = gram - bent
    assert np.linalg.eigvalsh(hessian)[0] < 0
    best = np.linalg.solve(gram, pull)
    np.testing.assert_allclose(np.linalg.solve(hessian, pull), best, rtol=1e-10)
    monkeypatch.setattr(_trimmed, "_edge", lambda *_: bent)
    value = _trimmed._value(table, residual, 50.0)
    assert _trimmed._by_newton(table, gram, residual, value, kept, 50.0) is None


def table_of(n):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3))
    return Table(prepare(X, X.sum(axis=1) + rng.standard_normal(n), intercept=True)[0])


def test_concentration_step_comes_after_a_newton_step_that_fails(monkeypatch):
    tried = []
    monkeypatch.setattr(_trimmed, "_by_newton", lambda *_: tried.append(True))
    table = table_of(3000)
    control = Control(tol=1e-8, max_iter=500)
    start = np.ones(table.size)
    found = _trimmed._settled(table, start, table.residual(start), 1600.0, control)
    assert found.status == 0
    assert control.n_iter > 5
    assert len(tried) == (control.n_iter + 1) // 2


def test_few_rows_take_no_newton_step(monkeypatch):
    # rows near the edge are too few to tell how many a step brings in
    monkeypatch.setattr(_trimmed, "_by_newton", None)
    table = table_of(_trimmed.EDGE_ROWS)
    control = Control(tol=1e-8, max_iter=500)
    assert _trimmed._concentrated(table, np.ones(table.size), 1100.0, control).status == 0


def test_a_last_step_that_leads_up_is_not_taken(monkeypatch):
    def up(table, gram, residual, kept, h):
        step = np.full(table.size, 0.5)
        moved = residual - table.raw(step)
        return _trimmed._Moved(step, moved, _trimmed._value(table, moved, h))

    monkeypatch.setattr(_trimmed, "_by_squares", up)
    table = table_of(100)
    best = np.linalg.lstsq(table.matrix, table.y, rcond=None)[0]
    found = _trimmed._concentrated(table, best, 100.0, Control(tol=1e-8, max_iter=500))
    np.testing.assert_array_equal(found.theta, best)
    np.testing.assert_array_equal(found.residual, table.residual(best))
