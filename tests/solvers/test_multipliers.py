"""The linear system at the end of the method of multipliers, where it is singular."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.solvers import _multipliers
from robustreg.solvers._multipliers import _solved


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
    solved = _solved(system, target)
    assert set(calls) == {"gelsy"}
    assert_allclose(system @ solved, target, rtol=0, atol=1e-13 * np.abs(target).max())
    expected = np.linalg.pinv(system / unit) @ (target / unit)
    assert_allclose(solved, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_system_without_a_solution_is_solved_as_nearly_as_it_can_be():
    system = tied(np.array([[1.0, 1.0], [1.0, 1.0]]), np.zeros(2))
    target = np.array([0.0, 0.0, 1.0, 3.0])  # two rows that are equal, on kinks that are not
    assert_allclose(_solved(system, target), [1.0, 1.0, 0.0, 0.0], rtol=0, atol=1e-14)


def test_a_system_of_full_rank_is_solved_by_its_factors(monkeypatch):
    rng = np.random.default_rng(0)
    system = tied(rng.normal(size=(3, 5)), np.ones(5))
    exact = rng.normal(size=len(system))
    monkeypatch.delattr(_multipliers.scipy.linalg, "lstsq")
    assert_allclose(_solved(system, system @ exact), exact, rtol=0, atol=1e-13)
