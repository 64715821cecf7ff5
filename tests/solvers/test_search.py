"""The search: which candidates go on, and what is said where two searches end at different optima."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from robustreg import LTSRegressor
from robustreg.losses import Tukey
from robustreg.losses._normal import with_breakdown
from robustreg.solvers._search import Search, _agreed
from robustreg.solvers._subsampling import MScale, Optimum, _apart, search
from robustreg.solvers._subsets import Sample
from robustreg.solvers._trimming import TrimmedSquares


def line(n=100):
    rng = np.random.default_rng(0)
    A = np.column_stack([np.ones(n), rng.standard_normal(n)])
    return Sample(A, A @ [1.0, 2.0] + 0.1 * rng.standard_normal(n), np.ones(n))


def optimum(sample, theta, hits):
    criterion = TrimmedSquares(0.5)
    theta = np.asarray(theta)
    value = criterion.sizes((sample.y - sample.A @ theta)[:, None], sample)[0]
    return Optimum(theta, float(value), hits)


@pytest.mark.parametrize("first", [True, False])
def test_best_that_one_of_two_searches_missed_counts_as_found_once(first):
    sample = line()
    low, high = optimum(sample, [1.0, 2.0], 9), optimum(sample, [1.0, 3.0], 8)
    pair = ([low, high], [high]) if first else ([high], [low])
    found = _agreed(TrimmedSquares(0.5), sample, *pair)
    assert found[0].value == low.value
    assert [one.hits for one in found] == [1, 16 if first else 8]


def test_hits_of_two_searches_that_agree_add_up():
    sample = line()
    low, high = optimum(sample, [1.0, 2.0], 9), optimum(sample, [1.0, 3.0], 8)
    found = _agreed(TrimmedSquares(0.5), sample, [low], [low, high])
    assert [one.hits for one in found] == [18, 8]


def test_searches_that_disagree_are_told(monkeypatch):
    searches = []

    def scripted(self, criterion, sample, rough, whole):
        searches.append(sample)
        theta = np.linalg.lstsq(sample.A, sample.y, rcond=None)[0]
        return [optimum(sample, theta + 0.1 * len(searches), 5)], False

    monkeypatch.setattr(Search, "_optima", scripted)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 8))
    with pytest.warns(ConvergenceWarning, match="by one of two searches.*n_starts"):
        model = LTSRegressor().fit(X, X[:, 0] + rng.standard_normal(80))
    assert len(searches) == 2
    assert model.n_hits_ == 1


def test_candidates_that_leave_out_the_same_rows_as_the_best_are_those():
    sample = line()
    y = sample.y.copy()
    y[:20] += 5.0
    sample = sample._replace(y=y)
    best = optimum(sample, [1.0, 2.0], 3)
    near, other = optimum(sample, [1.01, 2.01], 2), optimum(sample, [5.9, 2.0], 4)
    assert _apart([near, other], best, sample) == [other]
    assert _apart([near, other], None, sample) == [near, other]


def two_lines():
    """Return rows of which three in five lie near one line and the others near a second one."""
    rng = np.random.default_rng(0)
    x, error = rng.standard_normal(500), 0.1 * rng.standard_normal(500)
    y = np.where(np.arange(500) < 300, 1 + 2 * x, 20 - 3 * x) + error
    return Sample(np.column_stack([np.ones(500), x]), y, np.ones(500))


def test_hits_are_the_starts_that_ended_at_an_optimum():
    sample = two_lines()
    starts = np.array([[1.1, 2.1], [20.0, -3.1], [0.9, 2.0], [1.0, 1.9]])
    found = search(MScale(with_breakdown(Tukey(), 0.5), 0.5, 2), sample, starts)
    assert [one.hits for one in found if abs(one.theta[1] - 2) < 0.1] == [3]
    assert sum(one.hits for one in found) == len(starts)
    assert_allclose(found[0].theta, [1, 2], atol=0.1)


def test_starts_that_are_not_followed_are_no_hits():
    sample = two_lines()
    criterion = MScale(with_breakdown(Tukey(), 0.5), 0.5, 2)
    starts = np.array([[1.1, 2.1], [0.9, 2.0]])
    known = search(criterion, sample, starts)[0]
    part = Sample(*(entry[::2] for entry in sample))
    assert search(criterion, sample, starts, part, criterion, known) == []
