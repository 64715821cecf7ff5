"""A certificate is a bound: no point is lower than it says, and it is small at a minimum."""

import numpy as np
import pytest

from robustreg.losses import Absolute, Hinge, Huber, Logistic, Pinball, Squared
from robustreg.objective import Objective
from robustreg.penalties import L1, L2, ElasticNet, GroupLasso
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers import Control, plan_settled, solve_piecewise
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._gap import certify

P = 6
FACTORS = np.array([0.0, 1.0, 2.0, 1e-6, 0.5, np.inf])
GROUPS = np.array([0, 0, 1, 1, 2, 2])
PENALTIES = {
    "none": L2(0.0),
    "squares": L2(3.0),
    "lasso": Applied.to(L1(2.0)),
    "weak lasso": Applied.to(L1(1e-6)),
    "elastic net": Applied.to(ElasticNet(5.0, 0.4)),
    "factors": Applied.to(ElasticNet(5.0, 0.4), FACTORS),
    "lasso factors": Applied.to(L1(5.0), FACTORS),
    "positive": Applied.to(ElasticNet(5.0, 0.4), None, True),
    "positive lasso": Applied.to(L1(3.0), None, True),
    "groups": Applied.to(GroupLasso(4.0, groups=GROUPS)),
}
LOSSES = {
    "squared": Squared(),
    "huber": Huber(0.5),
    "logistic": Logistic(),
    "absolute": Absolute(),
    "pinball": Pinball(quantile=0.2),
    "hinge": Hinge(),
}


def problem(loss, penalty, seed, intercept=True):
    rng = np.random.default_rng(seed)
    n = 40
    X = rng.normal(size=(n, P)) * np.geomspace(0.01, 100, P) + 3.0
    X[:, 1] += 0.01 * X[:, 0]
    y = (X - 3.0) @ (rng.normal(size=P) / np.geomspace(0.01, 100, P)) / 3 + rng.normal(size=n)
    weight = rng.uniform(0.2, 3.0, n)
    if isinstance(loss, Logistic | Hinge):
        y = np.where(y > 0, 1.0, -1.0 if isinstance(loss, Hinge) else 0.0)
    else:
        y = y / y.std()
    data, _ = prepare(X, y, weight / weight.mean(), intercept=intercept, reduce=penalty.euclidean)
    return Objective(loss, data, penalty)


def minimum(objective):
    start, control = np.zeros(objective.size), Control(tol=1e-12)
    if objective.loss.kinks(objective.data.y) is not None:
        return solve_piecewise(objective, start, control)
    if objective.penalty.by_column:
        return solve_by_column(objective, start, control)
    plan = plan_settled(objective, start, control, endless=objective.loss.endless)
    return plan.ended(plan.solve())


def slopes_at(objective, theta):
    """Return slopes of a loss with kinks at a point, None for a smooth one."""
    kinks = objective.loss.kinks(objective.data.y)
    if kinks is None:
        return None
    above = objective.raw(theta) > kinks.position
    return objective.data.weight * np.where(above, kinks.upper, kinks.lower)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_no_point_is_lower_than_a_certificate_says(loss, penalty, intercept):
    objective = problem(LOSSES[loss], PENALTIES[penalty], int(intercept), intercept)
    best = minimum(objective)
    lowest = certify(objective, best.x, best.get("slopes"))
    assert lowest.value <= 1e-9
    rng, q = np.random.default_rng(0), objective.size
    for size in (1e-4, 0.3):
        steps = size * np.vstack([rng.normal(size=q), np.diag(rng.normal(size=q))])
        for theta in (*(best.x + steps), *steps, (1.0 - size) * best.x):
            if objective.penalty.by_column:
                theta = objective.penalty.allowed(theta, P)
            for dual in (slopes_at(objective, theta), best.get("slopes")):
                found = certify(objective, theta, dual)
                above = found.objective - lowest.objective
                assert found.value * found.objective >= above * (1 - 1e-9) - 1e-13
