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
