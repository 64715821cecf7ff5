"""Fits that begin with the rows on their kinks where the last one ended, against fits of their own."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import HingeClassifier, QuantileRegressor
from robustreg.data import WorkingSet
from robustreg.estimators._sequence import FitSequence
from robustreg.losses import Hinge, Pinball
from robustreg.objective import Objective
from robustreg.penalties import L1, L2
from robustreg.preparation import prepare
from robustreg.solvers import Control, _plan, _small_table, solve_piecewise
from robustreg.solvers._continued import continue_kinked
from robustreg.solvers._kept_kinks import KeptKinks


def table(n=300, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, X[:, 0] - X[:, 1] + rng.standard_t(2, size=n)


def target(model, y):
    return (y > 0).astype(int) if isinstance(model, HingeClassifier) else y


@pytest.fixture
def ways(monkeypatch):
    """Count the fits that are looked for from anywhere."""
    found, original = [], _small_table.along_path

    def along_path(rows, theta, square):
        found.append(1)
        return original(rows, theta, square)

    monkeypatch.setattr(_small_table, "along_path", along_path)
    return found


@pytest.mark.parametrize("penalty", [L2, L1])
@pytest.mark.parametrize("loss", [Pinball(0.83), Hinge()], ids=repr)
def test_a_near_fit_ends_where_one_of_its_own_ends(loss, penalty, ways):
    X, y = table()
    y = np.where(y > 0, 1.0, -1.0) if isinstance(loss, Hinge) else y
    data = replace(prepare(X, y, None)[0], working=WorkingSet())
    zero = np.zeros(data.size + 1)
    for alpha in np.geomspace(20.0, 10.0, 12):
        problem = Objective(loss, data, penalty(alpha))
        found = solve_piecewise(problem, zero, Control())
        alone = replace(problem, data=replace(data, working=None))
        before = len(ways)
        own = solve_piecewise(alone, zero, Control())
        assert len(ways) == before + 1
        assert found.optimality <= 1e-12
        assert_allclose(found.x, own.x, atol=1e-10)
        assert_allclose(found.slopes, own.slopes, atol=1e-7)
        assert np.array_equal(found.zero, own.zero)
    # besides the twelve of their own
    assert len(ways) <= 12 + 4


def test_one_that_is_far_ends_there_too():
    X, y = table()
    data = replace(prepare(X, y, None)[0], working=WorkingSet())
    zero = np.zeros(data.size + 1)
    for alpha in (100.0, 1.0, 30.0, 0.1):
        problem = Objective(Pinball(0.83), data, L1(alpha))
        found = solve_piecewise(problem, zero, Control())
        own = solve_piecewise(replace(problem, data=replace(data, working=None)), zero, Control())
        assert found.optimality <= 1e-12
        assert_allclose(found.x, own.x, atol=1e-10)


@pytest.mark.parametrize("penalty", [L2, L1])
@pytest.mark.parametrize("loss", [Pinball(0.83), Hinge()], ids=repr)
@pytest.mark.parametrize("ratio", [0.8, 0.2])
def test_a_path_on_many_rows_takes_few_passes_a_fit(loss, penalty, ratio):
    X, y = table(n=6000, p=10)
    y = np.where(y > 0, 1.0, -1.0) if isinstance(loss, Hinge) else y
    data = replace(prepare(X, y, None)[0], working=WorkingSet())
    zero, passes = np.zeros(data.size + 1), []
    for alpha in 30.0 * ratio ** np.arange(8):
        problem = Objective(loss, data, penalty(alpha))
        before = data.passes.count
        found = solve_piecewise(problem, zero, Control())
        passes.append(data.passes.count - before)
        own = solve_piecewise(replace(problem, data=replace(data, working=None)), zero, Control())
        assert found.optimality <= 1e-12
        assert_allclose(found.x, own.x, atol=1e-9)
        assert_allclose(found.slopes, own.slopes, atol=1e-6)
        assert np.array_equal(found.zero, own.zero)
    # one at the last end and one at the next, and the rows between
    assert np.median(passes[2:]) <= 2.5


def test_quantiles_of_rows_that_are_between_two_of_them():
    """Of 1,000 rows any number between the 800th and the next is a quantile at .8, and coefficients are zero."""
    X, y = table(n=1000)
    ordered = np.sort(y)
    sequence = FitSequence(QuantileRegressor(quantile=0.8), X, y)
    for alpha in (10.0, 5.0, 3.0):
        for found in (
            sequence.fit(alpha=alpha),
            QuantileRegressor(quantile=0.8, alpha=alpha).fit(X, y),
        ):
            assert not found.coef_.any()
            assert found.optimality_ <= 1e-12
            assert_allclose(found.intercept_, (ordered[799] + ordered[800]) / 2, rtol=1e-12)


def test_nothing_is_known_of_other_targets_and_other_rows():
    X, y = table()
    data = replace(prepare(X, y, None)[0], working=WorkingSet())
    problem = Objective(Pinball(0.83), data, L1(3.0))
    for _ in range(3):
        solve_piecewise(problem, np.zeros(problem.size), Control())
    assert KeptKinks.of(data).changed == KeptKinks.of(data).reach == 0
    assert KeptKinks.of(data.with_target(y[::-1].copy(), None)).changed == np.inf
    assert KeptKinks.of(replace(data, working=None)).changed == np.inf
    part = replace(problem, data=data.subset(np.arange(100)))
    assert continue_kinked(part, np.zeros(part.size), Control()) is None


@pytest.mark.parametrize("model", [HingeClassifier(), HingeClassifier(l1_ratio=1.0), QuantileRegressor(quantile=0.3)], ids=str)  # fmt: skip
@pytest.mark.parametrize("kind", ["ties", "far", "copies", "units", "heavy", "few"])
@pytest.mark.parametrize("n", [150, 3000])
def test_a_path_on_hostile_rows_ends_where_fits_of_their_own_end(model, kind, n):
    X, y = table(n=12 if kind == "few" else n, p=4)
    weight = None
    if kind == "ties":
        X, y = np.round(X), np.round(y)
    elif kind == "far":
        X[:3] *= 1e6
    elif kind == "copies":
        X[:, 1], X[:, 2] = X[:, 0], 7.0
    elif kind == "units":
        X *= [1e10, 1e-10, 1.0, 1.0]
    elif kind == "heavy":
        weight = np.where(np.arange(len(y)) < 3, 1e6, 1.0)
    y = target(model, y)
    largest = 0.3 if isinstance(model, QuantileRegressor) else 30.0
    sequence = FitSequence(model, X, y, weight)
    for alpha in largest * np.geomspace(1.0, 0.1, 15):
        found = sequence.fit(alpha=float(alpha))
        own = type(model)(**{**model.get_params(), "alpha": float(alpha)}).fit(X, y, weight)
        assert np.all(np.isfinite(found.coef_))
        assert found.optimality_ <= 1e-8 and own.optimality_ <= 1e-8
        # values tell; coefficients of copies and ties can be several
        raw, other = (X @ fit.coef_.ravel() + np.ravel(fit.intercept_) for fit in (found, own))
        if kind in ("far", "heavy", "few"):
            assert_allclose(raw, other, atol=1e-7 * np.abs(other).max())


@pytest.mark.parametrize(("p", "continued"), [(80, True), (81, False)])
def test_an_elastic_net_of_many_columns_is_looked_for_from_anywhere(p, continued, monkeypatch):
    """Each step from one set of rows to the next solves for as many unknowns again as there are columns."""
    ended = []

    def continue_and_keep(*task):
        ended.append(continue_kinked(*task))
        return ended[-1]

    monkeypatch.setattr(_plan, "continue_kinked", continue_and_keep)
    sequence = FitSequence(QuantileRegressor(quantile=0.3, l1_ratio=0.5), *table(n=1000, p=p))
    for _ in range(2):
        assert sequence.fit(alpha=3e-3).optimality_ <= 1e-12
    assert ended[0] is None
    assert (ended[1] is not None) == continued
