"""Rows elsewhere whose psi is a line cut off: what is known of the rows that are not fetched."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from robustreg import HuberRegressor
from robustreg.solvers import _pieces_by_passes
from robustreg.solvers._kinked_passes import Standard
from robustreg.solvers._pieces import beyond_line
from robustreg.solvers._pieces_by_passes import Crossed
from tests._parts import fit, rows, table

LINE = np.array([-1.345, 1.345])


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("explicit", [False, True])
def test_no_row_that_is_left_crosses_an_end_within_the_room(joint, explicit):
    rng = np.random.default_rng(0)
    X, y = rows(2000, 4)
    if explicit:
        X += 1e7
    held = table(X, y, ends=[0, 2000])
    data = HuberRegressor()._prepare_remote(held).data
    (block,) = data.view(held.parts[0]).blocks()
    assert data.explicit == explicit
    theta, sigma = 0.01 * rng.normal(size=5), 0.3

    def beyond(theta, sigma):
        return beyond_line(block.y, block.raw(data.outward(theta)), tuple(sigma * LINE))

    at, ends = data.outward(theta), tuple(sigma * LINE)
    standard, beside = Standard.of(data), LINE[1] if joint else 0.0
    wanted = Crossed(at, at, ends, ends, 0.01, 0.0, beside, standard)
    chosen, (room,) = wanted(block)
    left = np.setdiff1d(np.arange(2000), chosen)
    assert len(left) > 1000
    before = beyond(theta, sigma)[left]

    def crossing(step):
        after = beyond(theta + step[:5], sigma + step[5] * joint)[left]
        return np.any((after > 0) != (before > 0))

    lengths = np.column_stack([standard(block), np.ones(2000), np.full(2000, beside)])[left]
    nearest = np.argmin(np.abs(before) / np.linalg.norm(lengths, axis=1))
    # straight to the row that has the least room, and as far anywhere else
    towards = lengths[nearest] / np.linalg.norm(lengths[nearest])
    outside = -np.sign(before[nearest])
    sign = np.sign((block.y - block.raw(at))[left][nearest]) * outside
    towards *= np.append(np.full(5, sign), outside)
    assert crossing(1.001 * room * towards) or crossing(-1.001 * room * towards)
    for step in (towards, *rng.normal(size=(200, 6))):
        step = step * [1.0, 1.0, 1.0, 1.0, 1.0, float(joint)]
        step *= 0.999 * room / np.linalg.norm(step)
        assert not crossing(step)
        assert not crossing(-step)


@pytest.mark.parametrize(
    "model",
    [
        HuberRegressor(),
        HuberRegressor(alpha=50.0, epsilon=0.8),
        HuberRegressor(scale=0.7),
        HuberRegressor(scale=0.7, fit_intercept=False),
        HuberRegressor(scale="proposal2"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("far", [1.0, 700.0])
def test_sums_of_rows_that_are_left_say_what_a_pass_would(model, weighted, far, monkeypatch):
    """A Newton step carries rows far out in X over all of the line."""
    X, y = rows(60_000, 5)
    y[:20] += (far - 1.0) * X[:20, 0]
    X[:20, 0] *= far
    weight = np.random.default_rng(1).uniform(0.5, 3.0, len(y)) if weighted else None
    compared, known = [], _pieces_by_passes._known

    def both(objective, others, found, start, room, tol):
        answer = known(objective, others, found, start, room, tol)
        value, gradient = known(objective, others, found, start, -1.0, tol)
        compared.append(np.linalg.norm(found.x - start) < room)
        assert_allclose(answer[0], value, rtol=1e-12)
        # rounding of sums of 60,000 rows
        assert_allclose(answer[1], gradient, atol=1e-14 * (100 + far) / objective.unit)
        return answer

    monkeypatch.setattr("robustreg.remote.TAKE_BYTES", 1_000_000)
    monkeypatch.setattr(_pieces_by_passes, "_known", both)
    # a last step that leaves value and gradient as they were before it
    monkeypatch.setattr("robustreg.solvers._newton.LAST_PLACES", 0.0)
    fit(model, table(X, y, weight))
    assert any(compared)


def test_a_row_carried_over_the_line_is_on_another_piece():
    X, y = np.array([[1.0], [1.0], [-1.0], [1.0]]), np.array([3.0, 0.0, -3.0, 9.0])
    data = (
        HuberRegressor(fit_intercept=False)._prepare_remote(held := table(X, y, ends=[0, 4])).data
    )
    (block,) = data.view(held.parts[0]).blocks()
    unit, one = block.y[0] / y[0], data.outward(np.ones(1))
    at, ends = 6.0 * unit * one / block.raw(one)[0], (-unit, unit)
    wanted = Crossed(0.0 * one, at, ends, ends, 0.1 * unit, 0.0, 0.0, Standard.of(data))
    chosen, (room,) = wanted(block)
    # residuals 3, 0, -3 and 9 are -3, -6, 3 and 3
    assert_array_equal(chosen, [0, 1, 2])
    assert 0 < room < np.inf


def test_a_sum_that_rounds_more_than_the_tolerance_is_made_anew(monkeypatch):
    """One far entry: the slopes that a step changes are differences of large numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 4))
    y = X.sum(axis=1) + rng.standard_t(2, size=len(X))
    X[0, 0] *= 1e12
    y[0] = X[0].sum()
    monkeypatch.setattr("robustreg.remote.TAKE_BYTES", 1_000_000)
    model = fit(HuberRegressor(fit_intercept=False, alpha=1.0), table(X, y))
    r = (y - X @ model.coef_) / model.scale_
    slopes = model.scale_ * np.clip(r, -model.epsilon, model.epsilon)
    sizes = np.sqrt(np.mean(X**2, axis=0))
    gradient = (model.coef_ - X.T @ slopes) / (len(y) * sizes * model.scale_)
    assert np.abs(gradient).max() <= 1e-8 + model.optimality_
