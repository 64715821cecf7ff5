"""The hinge loss of several classes at once: how much work a fit of many classes takes."""

from unittest.mock import patch

import numpy as np
import pytest
from sklearn.base import clone

from robustreg import HingeClassifier, passes
from robustreg.data import Block
from robustreg.solvers import _multiclass

MODEL = HingeClassifier(multi_class="crammer_singer")


def table(n, p, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    noise = rng.gumbel(size=(n, n_classes))
    return X, np.argmax(X @ rng.standard_normal((p, n_classes)) + noise, axis=1)


@pytest.mark.parametrize("n_classes", [4, 12])
def test_a_newton_step_forms_one_product_for_all_pairs_of_classes(n_classes):
    X, y = table(800, 5, n_classes)
    calls = []
    between = passes.between

    def counted(block, rates):
        calls.append(rates.shape)
        return between(block, rates)

    with (
        patch.object(passes, "between", counted),
        patch.object(Block, "grams", side_effect=AssertionError("one pair after another")),
    ):
        found = clone(MODEL).fit(X, y)
    assert found.optimality_ <= found.tol
    assert set(calls) == {(800, n_classes)}
    assert len(calls) <= found.n_iter_ + 2  # one a step, and the penalty by itself


@pytest.mark.parametrize("n_classes", [4, 12, 20])
def test_steps_end_when_only_rounding_is_left(n_classes):
    """Which tables take a step more depends on the last places of sums; of several, one a table does."""
    idle = []
    formed = _multiclass._System.__init__

    def seen(self, problem, theta, shares, slack, missed):
        gap = (shares * slack).sum() / problem.value(theta, problem.lead(theta))
        idle[-1] += gap <= _multiclass.GAP
        formed(self, problem, theta, shares, slack, missed)

    for seed in range(6):
        idle.append(0)
        with patch.object(_multiclass._System, "__init__", seen):
            found = clone(MODEL).fit(*table(400, 6, n_classes, seed))
        assert found.optimality_ <= found.tol
    assert sum(idle) <= len(idle)
    assert max(idle) <= 3


def total(model, X, y, weight):
    """Return what the model minimises at its coefficients."""
    scores = X @ model.coef_.T + model.intercept_
    rows = np.arange(len(y))
    lead = scores - scores[rows, y][:, None] + 1.0
    lead[rows, y] = 0.0
    return float(weight @ lead.max(axis=1)) + 0.5 * model.alpha * float((model.coef_**2).sum())


def apart(n, p, seed=0):
    """Return classes that a column tells apart."""
    X = np.random.default_rng(seed).standard_normal((n, p))
    return X, np.digitize(X[:, 0], [-0.5, 0.5])


@pytest.mark.parametrize("alpha", [1e-12, 1e-9, 1e-6, 1.0])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_other_point_is_below_what_the_certificate_leaves(alpha):
    """Beside heavy rows the penalty is below the rounding of the losses, and is all that is left to minimise."""
    X, y = apart(20, 40)
    weight = np.where(np.arange(20) < 3, 1e8, 1.0)
    model = clone(MODEL).set_params(alpha=alpha)
    found, other = clone(model).fit(X, y, weight), clone(model).fit(X, y)
    value = total(found, X, y, weight)
    rounding = 1e-15 * weight.sum()
    assert value * (1 - found.optimality_) <= total(other, X, y, weight) + rounding


def test_a_slight_penalty_of_classes_that_are_apart_is_minimised():
    X, y = apart(20, 40)
    model = clone(MODEL)
    slight, usual = (clone(model).set_params(alpha=alpha).fit(X, y) for alpha in (1e-12, 1e-6))
    assert slight.optimality_ <= slight.tol
    assert (slight.coef_**2).sum() == pytest.approx((usual.coef_**2).sum(), rel=1e-6)


@pytest.mark.parametrize("alpha", [1e-12, 1e-6])
def test_columns_of_many_sizes_are_certified(alpha):
    """Columns of which the penalty holds some and hardly others."""
    X, y = table(200, 6, 3)
    found = clone(MODEL).set_params(alpha=alpha).fit(X * np.geomspace(1e10, 1e-10, 6), y)
    assert found.optimality_ <= found.tol


def test_shares_that_are_no_dual_point_prove_nothing():
    X, y = table(100, 4, 3)
    proofs = []
    certified = _multiclass.Problem.certified

    def spoilt(self, theta, shares, lead):
        proofs.append(
            [certified(self, theta, part, lead).value for part in (shares, -shares, 10 * shares)]
        )
        return certified(self, theta, shares, lead)

    with patch.object(_multiclass.Problem, "certified", spoilt):
        clone(MODEL).fit(X, y)
    (right, negative, large), *_ = proofs
    assert right <= 1e-10
    assert min(negative, large) > 1e-3
