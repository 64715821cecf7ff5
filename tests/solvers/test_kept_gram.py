"""A Hessian that is brought up to date by the rows whose curvature changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.coordinates import Coordinates
from robustreg.data import Data
from robustreg.losses import Huber, Logistic
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers._kept_gram import KeptGram


def make_objective(rng, n=400, p=6, *, far=1.0, loss=None, ready=False, weighted=True):
    X = rng.standard_normal((n, p))
    X[:5] *= far
    y = rng.standard_normal(n)
    if loss is not None:
        y = (y > 0).astype(float)
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    center = np.zeros(p) if ready else X.mean(axis=0)
    unit = Coordinates(center, np.ones(p) if ready else 1 / X.std(axis=0))
    X = np.column_stack([X, np.ones(n)]) if ready else X
    data = Data(X, y, weight, unit, explicit=ready, ready=ready)
    return Objective(loss or Huber(1.0), data, L2(0.0))


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_kept_hessian_is_that_of_the_objective(ready, weighted):
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, ready=ready, weighted=weighted), KeptGram()
    theta = 0.1 * rng.standard_normal(objective.size)
    for _ in range(40):
        theta = theta + 0.03 * rng.standard_normal(objective.size)
        found = kept.hessian(objective, "all", theta, objective.raw(theta))
        expected = objective.hess(theta)
        assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_few_changes_read_few_rows():
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, n=4_000), KeptGram()
    theta = np.zeros(objective.size)
    kept.hessian(objective, "all", theta, objective.raw(theta))
    theta = theta + 1e-3
    raw, before = objective.raw(theta), objective.data.passes.count
    kept.hessian(objective, "all", theta, raw)
    assert 0 < kept.changed < 50
    assert objective.data.passes.count - before < 0.05
    kept.hessian(objective, "other columns", theta, raw)
    assert objective.data.passes.count - before > 1


def test_rows_that_leave_take_no_digits_with_them():
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, far=1e7, weighted=False), KeptGram()
    near = np.zeros(objective.size)
    raw = np.array(objective.data.y)
    kept.hessian(objective, "all", near, raw)
    raw[:5] += 100.0
    found = kept.hessian(objective, "all", near, raw)
    fresh = KeptGram().hessian(objective, "all", near, raw)
    assert_allclose(found, fresh, rtol=1e-12, atol=1e-15)


def test_a_curvature_that_changes_everywhere_is_summed_anew():
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, loss=Logistic()), KeptGram()
    for scale in (0.0, 1.0):
        theta = scale * np.ones(objective.size)
        found = kept.hessian(objective, "all", theta, objective.raw(theta))
        assert_allclose(found, objective.hess(theta), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("loss", [Huber(1.0), Logistic()])
def test_the_next_steps_begin_where_the_last_ones_ended(loss):
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, loss=loss), KeptGram()
    theta = rng.standard_normal(objective.size)
    assert kept.start(objective, "all", theta)[1] is None
    known = objective.evaluate(theta, keep=True)
    kept.ended(objective, "all", theta, known)
    beside = theta * (1 + 1e-12)
    start, found = kept.start(objective, "all", beside)
    assert start is theta and found is known
    other = make_objective(np.random.default_rng(1), loss=loss)
    unlike = replace(objective, loss=Huber(2.0))
    for of, columns, at in (
        (objective, "others", beside), (objective, "all", theta * (1 + 1e-6)),
        (other, "all", beside), (unlike, "all", beside),
    ):  # fmt: skip
        start, found = kept.start(of, columns, at)
        assert start is at and found is None


def test_the_hessian_of_a_neighbour_serves_where_all_curvatures_change():
    rng = np.random.default_rng(0)
    objective, kept = make_objective(rng, loss=Logistic()), KeptGram()
    theta = np.zeros(objective.size)
    first = kept.hessian(objective, "all", theta, objective.raw(theta))
    ahead = theta + 0.1
    raw, before = objective.raw(ahead), objective.data.passes.count
    assert_allclose(kept.hessian(objective, "all", ahead, raw, True), first, rtol=0, atol=0)
    assert objective.data.passes.count == before
    fresh = kept.hessian(objective, "all", ahead, raw)
    assert_allclose(fresh, objective.hess(ahead), rtol=1e-11, atol=1e-14)
    assert np.abs(fresh - first).max() > 1e-4
    # of other columns there is none, and one that few rows change is brought up to date
    other = kept.hessian(objective, "others", theta, objective.raw(theta), True)
    assert_allclose(other, first, rtol=1e-12)
    objective, kept = make_objective(rng), KeptGram()
    kept.hessian(objective, "all", theta, objective.raw(theta))
    found = kept.hessian(objective, "all", ahead, objective.raw(ahead), True)
    assert_allclose(found, objective.hess(ahead), rtol=1e-11, atol=1e-14)
