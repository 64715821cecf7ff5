"""Stages of stronger penalties change how fits of many columns come to their minimum, and nothing else."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    L2Regressor,
    LogisticClassifier,
    RobustRegressor,
)
from robustreg.data import Data
from robustreg.penalties import GroupLasso
from robustreg.solvers import _by_column, _penalised_quadratic
from robustreg.solvers._multipliers import Multipliers

N, P = 80, 240


def wide_table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) * np.geomspace(0.1, 10.0, P)
    slope = np.zeros(P)
    slope[rng.choice(P, 12, replace=False)] = rng.choice([-1.0, 1.0], 12)
    return X, X / np.geomspace(0.1, 10.0, P) @ slope + rng.standard_t(2, size=N)


X, Y = wide_table()
WEIGHT = np.random.default_rng(1).uniform(0.2, 3.0, N)
FACTORS = np.r_[0.0, np.inf, np.geomspace(0.1, 10.0, P - 2)]
MODELS = [
    L2Regressor(alpha=5.0, l1_ratio=1.0),
    L2Regressor(alpha=5.0, l1_ratio=0.5, fit_intercept=False),
    L2Regressor(alpha=3.0, l1_ratio=1.0, positive=True),
    L2Regressor(alpha=5.0, l1_ratio=1.0, penalty_weights=FACTORS),
    HuberRegressor(alpha=2.0, l1_ratio=1.0, scale=1.0),
    HuberRegressor(alpha=2.0, l1_ratio=0.9, scale=2.0, epsilon=1.0),
    RobustRegressor(loss="squared", penalty=GroupLasso(groups=np.arange(P) // 4), alpha=3.0),
    LogisticClassifier(alpha=0.3, l1_ratio=1.0),
]


def target(model):
    return np.digitize(Y, [-2.0, 2.0]) if isinstance(model, LogisticClassifier) else Y


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: repr(model)[:60])
def test_stages_lead_to_the_minimum(model, sparse, monkeypatch):
    stages, taken = _by_column._stages, []

    def watched(*args):
        found = stages(*args)
        taken.append(len(found))
        return found

    monkeypatch.setattr(_by_column, "_stages", watched)
    table = sp.csr_array(X) if sparse else X
    model.fit(table, target(model), WEIGHT)
    assert max(taken) >= 2
    assert model.optimality_ <= model.tol
    staged = model.coef_
    monkeypatch.setattr(_by_column, "_stages", lambda problem, theta: [])
    expected = model.fit(table, target(model), WEIGHT).coef_
    assert_allclose(staged, expected, atol=1e-6 * np.abs(expected).max())
    assert_allclose(staged == 0, expected == 0)


def test_duality_gap_of_a_staged_lasso():
    alpha = 5.0
    coef = L2Regressor(alpha=alpha, l1_ratio=1.0, fit_intercept=False).fit(X, Y).coef_
    r = Y - X @ coef
    dual = r * min(1.0, alpha / np.abs(X.T @ r).max())
    primal = r @ r / 2 + alpha * np.abs(coef).sum()
    assert primal - (Y @ Y - (Y - dual) @ (Y - dual)) / 2 <= 1e-10 * primal


def test_weak_penalties_take_fewer_systems(monkeypatch):
    factored, sizes = _penalised_quadratic.cholesky, []

    def counted(H, lift):
        sizes.append(len(H))
        return factored(H, lift)

    monkeypatch.setattr(_penalised_quadratic, "cholesky", counted)
    model = L2Regressor(alpha=1.0, l1_ratio=1.0).fit(X, Y)
    staged = sum(size**3 for size in sizes)
    sizes.clear()
    monkeypatch.setattr(_by_column, "_stages", lambda problem, theta: [])
    model.fit(X, Y)
    # one factor serves many systems of the search along lines, which programs without stages need most, and coordinate
    # descent leaves few
    assert staged < 0.95 * sum(size**3 for size in sizes)
    assert staged < 2.5 * P**3


def saturated_program(n=60, q=90, seed=0):
    """A quadratic function of as many active coefficients as there is rank, and a start far from its minimum."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, q)), rng.standard_normal(n)
    return X.T @ X / n, -X.T @ y / n, rng.standard_normal(q)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1", [1e-6, 1e-3, 1e-1])
def test_a_program_with_as_many_active_coefficients_as_rank(l1, positive, monkeypatch):
    H, c, v = saturated_program()
    limits = _penalised_quadratic.Limits(np.full(len(c), l1), np.full(len(c), positive))
    factored, count = _penalised_quadratic.cholesky, []
    monkeypatch.setattr(
        _penalised_quadratic, "cholesky", lambda *args: count.append(1) or factored(*args)
    )
    found = limits.minimise(H, c, v)
    gradient = c + H @ found
    size = np.abs(c) + np.abs(H) @ np.abs(found)
    assert np.max(limits.excess(found, gradient) / size) <= 1e-13
    # a factor for each coefficient that becomes zero: 94 to 163 at the two weaker penalties; how many depends on rounding
    assert len(count) <= 70


def test_one_factor_serves_the_systems_of_fewer_coefficients():
    H, c, _ = saturated_program(q=40)
    limits = _penalised_quadratic.Limits(np.full(40, 0.01), np.zeros(40, dtype=bool))
    systems = _penalised_quadratic._Systems(H, c, limits)
    rng = np.random.default_rng(1)
    active, sign = np.ones(40, dtype=bool), np.where(rng.random(40) < 0.5, 1.0, -1.0)
    systems.afresh(active, sign)
    first = systems.factor
    for j in rng.permutation(40)[:10]:
        active[j], sign[j] = False, 0.0
        sign[active] *= np.where(rng.random(active.sum()) < 0.1, -1.0, 1.0)
        expected = np.zeros(40)
        kept = np.ix_(active, active)
        expected[active] = np.linalg.solve(H[kept], -(c + 0.01 * sign)[active])
        assert_allclose(systems.minimum(active, sign), expected, rtol=1e-9, atol=1e-9)
        assert systems.factor is first
    active[j], sign[j] = True, 1.0  # one that comes back
    assert_allclose(systems.minimum(active, sign)[j], systems.afresh(active, sign)[j], rtol=1e-9)
    assert systems.factor is not first


def test_no_stages_where_the_start_is_near_or_the_loss_is_not_convex(monkeypatch):
    stages, taken = _by_column._stages, []

    def watched(*args):
        found = stages(*args)
        taken.append(len(found))
        return found

    monkeypatch.setattr(_by_column, "_stages", watched)
    warm = L2Regressor(alpha=5.0, l1_ratio=1.0, warm_start=True).fit(X, Y)
    assert taken.pop() >= 2
    warm.set_params(alpha=4.0).fit(X, Y)
    assert taken.pop() == 0
    L2Regressor(alpha=0.3 * np.abs(X.T @ (Y - Y.mean())).max(), l1_ratio=1.0).fit(X, Y)
    assert taken.pop() == 0


@pytest.mark.parametrize("model", [L2Regressor(l1_ratio=1.0), HuberRegressor(l1_ratio=0.5, scale=1.0)], ids=str)  # fmt: skip
def test_rows_of_which_all_columns_are_looked_at_are_not_copied(model, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 40))
    y = X @ np.r_[np.ones(5), np.zeros(35)] + rng.normal(size=10_000)
    original, copies = Data.columns, []

    def columns(self, kept):
        copies.append(len(kept))
        return original(self, kept)

    monkeypatch.setattr(Data, "columns", columns)
    model.set_params(alpha=100.0).fit(X, y)
    assert not copies
    assert model.optimality_ <= 1e-10


def test_a_fit_in_which_all_columns_are_in_use_ends_exactly():
    # the last columns join in a round that is rough, because others were to join
    rng = np.random.default_rng(9)
    n, p = (int(rng.choice(sizes)) for sizes in ([150, 300, 60], [110, 150, 220]))
    x = rng.standard_normal((n, p))
    y = x @ (rng.standard_normal(p) * (rng.random(p) < 0.9)) + rng.standard_normal(n)
    y[: n // 20] += 30
    alpha = 1e-3 * n
    model = HuberRegressor(scale=1.0, alpha=alpha, l1_ratio=1.0).fit(x, y)
    slopes = np.clip(y - model.predict(x), -1.345, 1.345)
    pull, coef = x.T @ slopes, model.coef_
    assert model.optimality_ <= model.tol
    assert np.count_nonzero(coef) > 0.95 * p
    assert_allclose(pull[coef != 0], alpha * np.sign(coef[coef != 0]), atol=1e-7)
    assert np.all(np.abs(pull) <= alpha + 1e-7)


def test_envelopes_whose_minima_are_not_reached_are_given_up(monkeypatch):
    """Beside an entry of 1e16 half of the fits reach none: without a limit they take more, and are proven as often."""
    advance, made = Multipliers.advance, []

    def counted(self, theta):
        made.append(1)
        return advance(self, theta)

    def proven():
        count = 0
        for seed in range(8):
            rng = np.random.default_rng(seed)
            X = rng.normal(size=(8, 3))
            y = X[:, 0] - X[:, 1] + rng.standard_t(2, size=8)
            X[0] *= 1e16
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                model = HingeClassifier(alpha=30.0, l1_ratio=1.0).fit(X, y > np.median(y))
            assert model.optimality_ <= model.tol or told
            count += model.optimality_ <= model.tol
        return count

    monkeypatch.setattr(Multipliers, "advance", counted)
    found, rounds = proven(), len(made)
    monkeypatch.setattr(_by_column, "IN_VAIN", 1000)
    assert found >= proven()
    assert rounds < len(made) - rounds
