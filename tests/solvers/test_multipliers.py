"""The method of multipliers: where it begins, and the linear system at its end, where that is singular."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import HingeClassifier, L1Regressor, RobustRegressor
from robustreg.estimators._sequence import FitSequence
from robustreg.penalties import MCP
from robustreg.solvers import _by_column, _multipliers
from robustreg.solvers._multipliers import solved_system


def tied(E, bend):
    """Return the system of some rows on their kinks and the bends of the coefficients."""
    return np.block([[np.diag(bend), E.T], [E, np.zeros((len(E), len(E)))]])


@pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("repeated", ["rows", "columns", "rows and columns"])
def test_a_singular_system_has_its_shortest_solution(repeated, unit, monkeypatch):
    rng = np.random.default_rng(0)
    E = rng.normal(size=(4, 5))
    if "rows" in repeated:
        E = np.vstack([E, E[:2]])
    if "columns" in repeated:
        E = np.hstack([E, E[:, :3]])
    system = unit * tied(E, np.zeros(E.shape[1]))
    target = system @ rng.normal(size=len(system))
    calls, lstsq = [], _multipliers.scipy.linalg.lstsq

    def counted(*args, **kwargs):
        calls.append(kwargs["lapack_driver"])
        return lstsq(*args, **kwargs)

    monkeypatch.setattr(_multipliers.scipy.linalg, "lstsq", counted)
    solved = solved_system(system, target)
    assert set(calls) == {"gelsy"}
    assert_allclose(system @ solved, target, rtol=0, atol=1e-13 * np.abs(target).max())
    expected = np.linalg.pinv(system / unit) @ (target / unit)
    assert_allclose(solved, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_system_without_a_solution_is_solved_as_nearly_as_it_can_be():
    system = tied(np.array([[1.0, 1.0], [1.0, 1.0]]), np.zeros(2))
    target = np.array([0.0, 0.0, 1.0, 3.0])  # two rows that are equal, on kinks that are not
    assert_allclose(solved_system(system, target), [1.0, 1.0, 0.0, 0.0], rtol=0, atol=1e-14)


def test_a_system_of_full_rank_is_solved_by_its_factors(monkeypatch):
    rng = np.random.default_rng(0)
    system = tied(rng.normal(size=(3, 5)), np.ones(5))
    exact = rng.normal(size=len(system))
    monkeypatch.delattr(_multipliers.scipy.linalg, "lstsq")
    assert_allclose(solved_system(system, system @ exact), exact, rtol=0, atol=1e-13)


def contaminated(n, p, seed):
    rng = np.random.default_rng(seed)
    X, error = rng.normal(size=(n, p)), rng.normal(size=n)
    error[rng.random(n) < 0.1] += 10
    return X, X[:, :4] @ np.array([1.0, -1.0, 1.0, -1.0]) + error + 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", [L1Regressor(l1_ratio=0.5), HingeClassifier(l1_ratio=0.5)])
def test_a_path_begins_with_the_slopes_of_the_last_fit(model, weighted, monkeypatch):
    monkeypatch.setattr(_by_column, "comes_first", lambda objective: False)  # a single fit, too
    X, y = contaminated(100, 200, 0)
    y = (y > 1).astype(int) if isinstance(model, HingeClassifier) else y
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y)) if weighted else None
    sequence, steps, own = FitSequence(model, X, y, weight), 0, 0
    for alpha in np.geomspace(20.0, 3.0, 12).tolist():
        found = sequence.fit(alpha=alpha)
        alone = model.set_params(alpha=alpha).fit(X, y, sample_weight=weight)
        assert_allclose(found.coef_, alone.coef_, rtol=0, atol=1e-10)
        steps, own = steps + found.n_iter_, own + alone.n_iter_
    assert steps <= 0.6 * own  # without the slopes .8


def test_the_slopes_of_the_last_fit_do_not_choose_among_several_minima():
    X, y = contaminated(100, 200, 0)
    model = RobustRegressor(loss="absolute", penalty=MCP(gamma=3.0))
    sequence = FitSequence(model, X, y)
    for alpha in (20.0, 15.0, 10.0):
        found, alone = sequence.fit(alpha=alpha), model.set_params(alpha=alpha).fit(X, y)
        assert_allclose(found.coef_, alone.coef_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("below", [1e-7, 1e-6, 3e-6])
def test_beside_squares_a_coefficient_that_hardly_differs_from_zero_is_found(below):
    X, y = contaminated(60, 80, 1)
    alpha = 19.9757685 * (
        1 - below
    )  # hardly below the strength at which a coefficient becomes zero
    model = L1Regressor(alpha=alpha, l1_ratio=0.5).fit(X, y)
    r, used = y - model.predict(X), model.coef_ != 0
    tied = np.abs(r) < 1e-9
    slope = np.where(tied, 0.0, -np.sign(r))
    bend = 0.5 * alpha * (model.coef_ + np.sign(model.coef_))
    system = np.vstack([X[tied][:, used].T, np.ones(tied.sum())])
    target = -np.append((X.T @ slope + bend)[used], slope.sum())
    slope[tied] = np.linalg.lstsq(system, target, rcond=None)[0]
    assert_allclose((X.T @ slope + bend)[used], 0, atol=1e-9)
    assert np.abs(X.T @ slope)[~used].max() <= 0.5 * alpha + 1e-9
