"""The Hessian where rows are alike is the Hessian, found without a pass."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg import LogisticClassifier
from robustreg.data import Block
from robustreg.losses import CrossEntropy, Huber, Logistic
from robustreg.losses._contrasts import Contrasts
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers._alike import alike_metric
from robustreg.solvers._metrics import DenseMetric


def problem(loss, outputs=None, n=200, p=6, intercept=True, weight=None, alpha=3.0):
    """Return an objective with columns of several sizes and centres, and as many classes as outputs and one."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((n, p)) + 1.0) * np.geomspace(0.1, 10.0, p)
    y = rng.integers(0, (outputs or 1) + 1, n).astype(float if outputs is None else int)
    data, _ = prepare(X, y, weight, intercept=intercept)
    return Objective(loss, data, L2(alpha), n_outputs=outputs)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize(
    ("loss", "outputs"), [(Logistic(), None), (Contrasts(CrossEntropy()), 1), (Contrasts(CrossEntropy()), 3)]
)  # fmt: skip
@pytest.mark.parametrize("shape", [(200, 6), (3_000, 110)], ids=str)
def test_is_the_hessian(shape, loss, outputs, alpha, intercept):
    """Of tables that are kept in the solver's coordinates, and of those that are not."""
    objective = problem(loss, outputs, *shape, intercept=intercept, alpha=alpha)
    zero = np.zeros(objective.size)
    gradient = np.random.default_rng(1).standard_normal(objective.size)
    before = objective.data.passes.count
    metric = alike_metric(objective, zero)
    assert objective.data.passes.count == before
    whole = DenseMetric(objective.hess(zero))
    assert_allclose(metric.solve(gradient), whole.solve(gradient), rtol=1e-8, atol=1e-10)
    assert_allclose(metric.square(gradient), whole.square(gradient), rtol=1e-8)


def test_is_not_where_rows_differ():
    """Away from zero, with weights, where losses of rows bend by themselves, and without moments."""
    objective = problem(Logistic())
    assert alike_metric(objective, np.full(objective.size, 0.1)) is None
    weighted = problem(Logistic(), weight=np.linspace(1.0, 2.0, 200))
    assert alike_metric(weighted, np.zeros(weighted.size)) is None
    cut = problem(Huber(delta=0.5))  # y is 0 or 1
    assert alike_metric(cut, np.zeros(cut.size)) is None
    wide = problem(Logistic(), n=20, p=30)
    assert alike_metric(wide, np.zeros(wide.size)) is None


def test_first_hessian_of_a_fit_is_not_a_pass(monkeypatch):
    """Of a table of middle size, whose Hessians are worth keeping."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3_000, 110))
    y = (X[:, 0] + rng.logistic(size=3_000) > 0).astype(int)
    rows, gram = [], Block.gram

    def counted(block, curvature):
        rows.append(len(curvature))
        return gram(block, curvature)

    monkeypatch.setattr(Block, "gram", counted)
    model = LogisticClassifier().fit(X, y)
    assert model.optimality_ <= model.tol
    assert sum(rows) <= len(y)
