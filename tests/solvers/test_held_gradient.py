"""Columns that are nearly one, beside a penalty: rounding is no distance from the minimum, and a distance is none of it."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone, is_classifier

from robustreg import (
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    RobustRegressor,
)
from robustreg.losses import Logistic, PseudoHuber, Squared
from robustreg.objective import Objective
from robustreg.penalties import L2, ElasticNet
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers import Control, solve_smooth
from robustreg.solvers._by_column import solve_by_column
from robustreg.solvers._certificates import optimality
from robustreg.solvers._gap import certify
from robustreg.solvers._held_gradient import Split

APART = [1e-8, 1e-11, 1e-13]


def near_copy(apart, seed, n=200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X = np.column_stack([X, X[:, 0] + apart * rng.normal(size=n)])
    return X, X[:, 0] + X[:, 1] + rng.standard_t(3, size=n)


MODELS = {
    "huber": HuberRegressor(),
    "proposal2": HuberRegressor(scale="proposal2"),
    "concomitant": HuberRegressor(scale="concomitant"),
    "elastic net": HuberRegressor(l1_ratio=0.5),
    "least squares": L2Regressor(),
    "pseudo-Huber": RobustRegressor(loss="pseudo_huber"),
    "tukey": RobustRegressor(loss="tukey"),
    "L1": L1Regressor(),
    "logistic": LogisticClassifier(),
    "logistic elastic net": LogisticClassifier(l1_ratio=0.5),
    "hinge": HingeClassifier(),
    "squared hinge": HingeClassifier(squared=True),
    "distributions": KLRegressor(),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("apart", APART)
@pytest.mark.parametrize("alpha", [1e-4, 1.0, 100.0])
def test_columns_that_are_nearly_one_are_certified(name, apart, alpha):
    X, y = near_copy(apart, 1)
    if name == "distributions":
        y = np.exp(np.column_stack([y, -y]) / 4)
        y /= y.sum(axis=1, keepdims=True)
    elif is_classifier(MODELS[name]):
        y = y > 0
    model = clone(MODELS[name]).set_params(alpha=alpha).fit(X, y)
    assert model.optimality_ <= model.tol


def solved(matrix, right):
    """Solve a square system exactly."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        pivot = next(k for k in range(i, size) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(size):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[-1] for row in rows]


@pytest.mark.parametrize("largest", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("curved", ["1e-20", "1e-6", "1"])
@pytest.mark.parametrize("given", [1.0, 0.0])
def test_no_step_gains_more_than_a_split_says(largest, curved, given):
    # directions of the transform that are no axes, so that rounding of P, up to 1e24, drowns what is of size one
    rng = np.random.default_rng(0)
    for size in (1, 2, 4):
        rotated = np.linalg.qr(rng.normal(size=(size, size)))[0]
        T = rng.normal(size=(size + 1, size)) @ np.diag(np.geomspace(1, largest, size)) @ rotated
        bend = rng.uniform(0, 2, size + 1) * rng.choice([1.0, 1e-8])
        for g in (rng.normal(size=size), rotated[0] + 1e-9 * rng.normal(size=size)):
            g = 1e-3 * g
            exact = [[Fraction(v) for v in row] for row in T]
            held = [
                [
                    sum(Fraction(b) * row[i] * row[j] for b, row in zip(bend, exact, strict=True))
                    + Fraction(curved) * (i == j)
                    for j in range(size)
                ]
                for i in range(size)
            ]
            right = [Fraction(v) for v in g]
            step = solved(held, right)
            gain = sum(a * b for a, b in zip(step, right, strict=True)) / 2
            part = Split.of(T, bend, g, given)
            bound = sum(Fraction(a) * abs(b) for a, b in zip(part.left, step, strict=True))
            assert gain <= (bound + Fraction(part.square) / 2) * (1 + Fraction(1, 10**9))


def test_what_is_beyond_floating_point_proves_nothing():
    part = Split.of(np.array([[1e200, 1.0], [1.0, 1.0]]), np.ones(2), np.array([1e-3, 1e-3]))
    assert not part.left.max() < 1e-3
    assert part.gain(np.ones(2)) == np.inf


@pytest.mark.parametrize("loss", [Squared(), PseudoHuber(), Logistic()])
@pytest.mark.parametrize("apart", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_a_point_beside_the_minimum_is_not_certified(loss, apart, alpha):
    X, y = near_copy(apart, 0)
    data, _ = prepare(X, (y > 0).astype(float) if isinstance(loss, Logistic) else y / y.std())
    problem = Objective(loss, data, L2(alpha))
    best = solve_smooth(problem, np.zeros(problem.size), Control(tol=1e-13))
    assert best.optimality <= 1e-8
    hessian = problem.hess(best.x)
    unit = 1 / np.sqrt(hessian.diagonal())
    curvatures, axes = np.linalg.eigh(hessian * np.outer(unit, unit))
    for curvature, axis in zip(curvatures, axes.T, strict=True):
        for share in (1e-5, 1e-10):
            theta = best.x + np.sqrt(2 * share * best.fun / curvature) * unit * axis
            value, gradient = problem.evaluate(theta)[:2]
            assert optimality(problem, theta, value, gradient) > 1e-8


@pytest.mark.parametrize("apart", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("alpha", [1e-4, 1.0])
def test_no_point_beside_nearly_equal_columns_is_lower_than_a_gap_says(apart, alpha):
    X, y = near_copy(apart, 0)
    data, _ = prepare(X, y / y.std(), reduce=False)
    problem = Objective(Squared(), data, Applied.to(ElasticNet(alpha, 0.5)))
    best = solve_by_column(problem, np.zeros(problem.size), Control(tol=1e-13))
    rng = np.random.default_rng(0)
    difference = np.array([1.0, 0.0, 0.0, -1.0, 0.0])
    least = certify(problem, best.x)
    assert least.value <= 1e-8
    for step in (rng.normal(size=problem.size), difference):
        for length in (1e-6, 1e-3, 0.1, 1.0, 10.0):
            found = certify(problem, best.x + length * step)
            excess = found.objective - least.objective
            assert excess <= found.value * found.objective + 1e-14
