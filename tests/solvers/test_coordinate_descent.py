"""Sweeps of coordinate descent on quadratic functions plus weighted absolute values."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.solvers import _penalised_quadratic
from robustreg.solvers._coordinate_descent import swept
from robustreg.solvers._penalised_quadratic import Limits, minimise_quadratic


def program(n, q, *, free=0, positive=False, spread=0.0, seed=0):
    """Return a quadratic function whose minimum has about as many coefficients in use as there is rank."""
    rng = np.random.default_rng([n, q, free, seed])
    A = rng.standard_normal((n, q)) * 10.0 ** (spread * rng.uniform(-1, 1, q))
    b = A[:, :20].sum(axis=1) + rng.standard_normal(n)
    l1 = 0.02 * np.abs(A.T @ b) / n + 1e-3 * np.abs(A).max(axis=0)
    l1[:free] = 0.0
    limits = Limits(l1, positive & (l1 > 0))
    return A.T @ A / n, -A.T @ b / n, rng.standard_normal(q) * (rng.random(q) < 0.3), limits


def value(H, c, v, limits):
    return c @ v + v @ H @ v / 2 + limits.value(v)


CASES = {
    "narrow": {"n": 400, "q": 200},
    "of full rank in use": {"n": 150, "q": 300},
    "free coefficients": {"n": 150, "q": 300, "free": 3},
    "not negative": {"n": 150, "q": 300, "free": 1, "positive": True},
    "units": {"n": 150, "q": 300, "free": 2, "spread": 5.0},
}


@pytest.mark.parametrize("name", CASES)
def test_sweeps_come_near_the_minimum(name):
    H, c, v, limits = program(**CASES[name])
    v = limits.zeroed(v)
    end = minimise_quadratic(H, c, v, limits)
    there = swept(H, c, v, limits.l1, positive=bool(limits.positive.any()))
    least = value(H, c, end, limits)
    assert value(H, c, there, limits) - least <= 1e-2 * (value(H, c, v, limits) - least)
    assert np.all(there[limits.positive] >= 0)
    # coefficients without a weight are where the others leave them
    free = limits.l1 == 0
    assert_allclose((c + H @ there)[free], 0, atol=1e-9 * np.abs(c).max())


@pytest.mark.parametrize("name", CASES)
def test_the_minimum_is_that_of_exchanges_alone(name, monkeypatch):
    H, c, v, limits = program(**CASES[name])
    found = minimise_quadratic(H, c, v, limits)
    monkeypatch.setattr(_penalised_quadratic, "MANY", len(c) + 1)
    expected = minimise_quadratic(H, c, v, limits)
    assert value(H, c, found, limits) <= value(H, c, expected, limits) + 1e-12 * abs(c @ expected)
    assert np.array_equal(found == 0, expected == 0) and (expected == 0).any()
    size = np.abs(c) + np.abs(H) @ np.abs(found) + limits.l1
    assert np.all(limits.excess(found, c + H @ found) <= 1e-11 * size)


def test_as_many_in_use_as_there_is_rank_take_few_systems(monkeypatch):
    sizes, factored = [], _penalised_quadratic.cholesky

    def counted(H, ridge):
        sizes.append(len(H))
        return factored(H, ridge)

    monkeypatch.setattr(_penalised_quadratic, "cholesky", counted)
    swept_first, alone = [], []
    for seed in range(5):
        H, c, v, limits = program(300, 600, seed=seed)
        with monkeypatch.context() as patch:
            found = minimise_quadratic(H, c, 0 * v, limits)
            assert np.count_nonzero(found) > 200
            swept_first.append(len(sizes))
            sizes.clear()
            patch.setattr(_penalised_quadratic, "MANY", len(c) + 1)
            minimise_quadratic(H, c, 0 * v, limits)
            alone.append(len(sizes))
            sizes.clear()
    # one table of several is no gain: sweeps do not bring its minimum near
    assert np.median(swept_first) <= np.median(alone) / 2


@pytest.mark.parametrize("reached", ["no nearer", "nearer, with wrong signs"])
def test_where_sweeps_do_not_help_exchanges_begin_from_the_start(reached, monkeypatch):
    H, c, v, limits = program(150, 300)
    monkeypatch.setattr(_penalised_quadratic, "MANY", len(c) + 1)
    expected = minimise_quadratic(H, c, v, limits)
    monkeypatch.setattr(_penalised_quadratic, "MANY", 1)
    monkeypatch.setattr(_penalised_quadratic, "SOON", 0.0)
    rng, starts, pivoted = np.random.default_rng(0), [], _penalised_quadratic._pivoted

    def there(H, c, v, l1, *, positive):
        if reached == "no nearer":  # lower, but with an excess that is still large
            return v + 1e-3 * (expected - v)
        return expected + 1e-6 * rng.standard_normal(len(v))

    def recorded(H, c, v, limits, systems, *, patient):
        starts.append((v, patient))
        return pivoted(H, c, v, limits, systems, patient=patient) if patient else None

    monkeypatch.setattr(_penalised_quadratic, "swept", there)
    monkeypatch.setattr(_penalised_quadratic, "_pivoted", recorded)
    found = minimise_quadratic(H, c, v, limits)
    assert [patient for _, patient in starts] == [False, True][reached == "no nearer" :]
    assert np.array_equal(starts[-1][0], v)
    assert np.array_equal(found == 0, expected == 0)
    assert_allclose(found, expected, rtol=1e-7, atol=1e-10)


def test_what_is_no_unit_is_refused():
    H, c, v, limits = program(150, 200)
    assert swept(H, c, v, np.full(200, 1e-300), positive=False) is None
    H[:2] = H[:, :2] = 0.0  # two free coefficients that nothing determines
    l1 = np.where(np.arange(200) < 2, 0.0, limits.l1)
    assert swept(H, c, v, l1, positive=False) is None


def test_a_start_at_the_minimum_is_kept_without_a_warning():
    H, c, v, limits = program(150, 300)
    end = minimise_quadratic(H, c, v, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = minimise_quadratic(H, c, end, limits)
    assert_allclose(again, end, rtol=1e-9, atol=1e-12)
