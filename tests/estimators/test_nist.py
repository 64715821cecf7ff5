"""Digits of least squares on NIST's reference data, against exact rational solutions."""

import json
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from robustreg import HuberRegressor, L2Regressor, RobustRegressor
from tests._reference import DATA

TEXT = json.loads((DATA / "nist.json").read_text())
X_WAMPLER = range(21)


def polynomial(x, degree):
    """Powers 1 to ``degree``, exact."""
    return [[value**k for k in range(1, degree + 1)] for value in x]


def wampler(base, spread):
    """Fifth-degree polynomial with the coefficients ``base ** k``, and NIST's residuals."""
    x = [Fraction(i) for i in X_WAMPLER]
    residual = [spread * r for r in TEXT["wampler residuals"]]
    y = [sum(base**k * v**k for k in range(6)) + r for v, r in zip(x, residual, strict=True)]
    return polynomial(x, 5), y


def read(name, degree=1):
    """Columns and y of a data set of one predictor, or of several as they are."""
    rows = [[Fraction(word) for word in line.split()] for line in TEXT[name]]
    y = [row[0] for row in rows]
    if len(rows[0]) > 2:
        return [row[1:] for row in rows], y
    return polynomial([row[1] for row in rows], degree), y


SETS = {
    "Norris": lambda: read("norris"),
    "Pontius": lambda: read("pontius", 2),
    "NoInt1": lambda: read("noint1"),
    "NoInt2": lambda: read("noint2"),
    "Filip": lambda: read("filip", 10),
    "Longley": lambda: read("longley"),
    "Wampler1": lambda: wampler(Fraction(1), 0),
    "Wampler2": lambda: wampler(Fraction(1, 10), 0),
    "Wampler3": lambda: wampler(Fraction(1), 1),
    "Wampler4": lambda: wampler(Fraction(1), 100),
    "Wampler5": lambda: wampler(Fraction(1), 10_000),
}


def design(rows, intercept):
    return [[Fraction(1), *row] if intercept else row for row in rows]


def exact(rows, y, intercept):
    """Solve the normal equations by elimination in rational numbers."""
    A = design(rows, intercept)
    p = len(A[0])
    system = [
        [sum(a[i] * a[j] for a in A) for j in range(p)]
        + [sum(a[i] * v for a, v in zip(A, y, strict=True))]
        for i in range(p)
    ]
    for i in range(p):  # the Gram matrix is positive definite: no pivot is zero
        system[i] = [entry / system[i][i] for entry in system[i]]
        for k in range(p):
            if k != i:
                factor = system[k][i]
                system[k] = [b - factor * a for a, b in zip(system[i], system[k], strict=True)]
    return [row[-1] for row in system]


def digits(found, truth):
    """Correct digits of the worst coefficient, at most 15."""
    errors = [abs((Fraction(float(f)) - t) / t) for f, t in zip(found, truth, strict=True)]
    return min(15.0, -np.log10(max(float(max(errors)), 1e-300)))


def scaled_qr(A, y):
    """Least squares by QR of the columns scaled to unit length: the reference for accuracy."""
    size = np.linalg.norm(A, axis=0)
    Q, R = scipy.linalg.qr(A / size, mode="economic")
    return scipy.linalg.solve_triangular(R, Q.T @ y) / size


def floats(values):
    return np.array([[float(v) for v in row] for row in values])


def coefficients(model):
    return [model.intercept_, *model.coef_] if model.fit_intercept else list(model.coef_)


#: how far the digits of two backward stable ways of solving the same rounded data may lie apart
SLACK = 0.7


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "model",
    [
        L2Regressor(),
        RobustRegressor(loss="squared"),
        HuberRegressor(alpha=0.0, scale=1.0, epsilon=np.inf),
    ],
    ids=["L2", "squared", "huber"],
)
def test_as_many_digits_as_scaled_qr(model, name):
    rows, y = SETS[name]()
    intercept = not name.startswith("NoInt")
    truth = exact(rows, y, intercept)
    target = np.array([float(v) for v in y])
    reference = digits(scaled_qr(floats(design(rows, intercept)), target), truth)
    model = clone(model).set_params(fit_intercept=intercept).fit(floats(rows), target)
    assert digits(coefficients(model), truth) >= min(reference, 14.0) - SLACK


# The certified values as NIST prints them: the rational solutions are what they should be.
CERTIFIED = {
    "Norris": (-0.262323073774029, 1.00211681802045),
    "Pontius": (0.673565789473684e-3, 0.732059160401003e-6, -0.316081871345029e-14),
    "NoInt1": (2.07438016528926,),
    "NoInt2": (0.727272727272727,),
    "Longley": (-3482258.63459582,),
    "Filip": (-1467.48961422980,),
    "Wampler4": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
}


@pytest.mark.parametrize("name", CERTIFIED)
def test_rational_solutions_are_the_certified_ones(name):
    truth = exact(*SETS[name](), not name.startswith("NoInt"))
    printed = CERTIFIED[name]
    np.testing.assert_allclose([float(t) for t in truth[: len(printed)]], printed, rtol=5e-15)


def test_more_digits_than_scikit_learn_where_it_has_none():
    rows, y = SETS["Filip"]()
    truth = exact(rows, y, True)
    theirs = LinearRegression().fit(floats(rows), [float(v) for v in y])
    ours = L2Regressor().fit(floats(rows), [float(v) for v in y])
    assert digits([theirs.intercept_, *theirs.coef_], truth) < 1
    assert digits(coefficients(ours), truth) > 6
