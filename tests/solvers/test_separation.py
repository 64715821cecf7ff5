"""Whether classes can be separated, in part or wholly, in one column or along any direction."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
)

MODELS = {
    "logistic": LogisticClassifier(alpha=0.0),
    "logistic, lbfgs": LogisticClassifier(alpha=0.0, solver="lbfgs", max_iter=1000),
    "logistic, newton-cg": LogisticClassifier(alpha=0.0, solver="newton-cg"),
    "focal": FocalClassifier(alpha=0.0),
    "poly": PolyClassifier(alpha=0.0),
    "dice": DiceClassifier(alpha=0.0),
}


def table(seed, separated, n=80, p=2, classes=2):
    """Return columns, a dummy last, and classes; rows of the dummy are of one class or of all."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    score = X[:, 0] + rng.logistic(size=n)
    y = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]))
    dummy = (rng.random(n) < rng.uniform(0.01, 0.3)) * 1.0
    dummy[: classes + 1] = 1
    if separated:
        y[dummy == 1] = classes - 1
    else:
        y[:classes] = np.arange(classes)
    return np.column_stack([X, dummy]), y


def warns(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y)
    return any("optimum is not finite" in str(one.message) for one in caught)


@pytest.mark.parametrize("separated", [True, False])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", MODELS)
def test_a_dummy_of_one_class(name, seed, separated):
    if name == "dice" and not separated:
        return  # its overlap may grow for ever where classes cannot be separated, too
    assert warns(MODELS[name], *table(seed, separated)) == separated


@pytest.mark.parametrize("separated", [True, False])
@pytest.mark.parametrize("size", [(80, 2), (25_000, 3)], ids=str)
@pytest.mark.parametrize("name", ["logistic", "logistic, lbfgs", "focal"])
def test_a_dummy_of_one_of_three_classes(name, size, separated):
    X, y = table(0, separated, *size, classes=3)
    assert warns(MODELS[name], X, y) == separated


@pytest.mark.parametrize("separated", [True, False])
def test_labels_and_distributions(separated):
    X, y = table(1, separated)
    labels = np.column_stack([y, X[:, 1] + np.random.default_rng(0).normal(size=len(y)) > 0])
    assert warns(LogisticClassifier(alpha=0.0), X, labels) == separated
    assert warns(KLRegressor(alpha=0.0), X, np.eye(2)[y]) == separated
    # a row with some of both outcomes ties its own direction down
    mixed = np.eye(2)[y]
    mixed[np.flatnonzero(X[:, -1])[:1]] = 0.5
    assert not warns(KLRegressor(alpha=0.0), X, mixed)


def direction_exists(X, y):
    """Whether a linear program finds a direction that separates some rows and no row the wrong way."""
    rows = (2 * y - 1)[:, None] * np.column_stack([X, np.ones(len(X))])
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(X)), bounds=(-1, 1))
    return -found.fun > 1e-7


@pytest.mark.parametrize("seed", range(40))
def test_small_tables_as_a_linear_program_says(seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 30)), int(rng.integers(1, 5))
    X = rng.integers(-2, 3, size=(n, p)) * 10.0 ** rng.integers(-3, 4, size=p)
    y = (X[:, 0] / np.abs(X[:, 0]).max().clip(1e-300) + rng.normal(size=n) > 0).astype(int)
    y[:2] = 0, 1
    assert warns(LogisticClassifier(alpha=0.0), X, y) == direction_exists(X, y)


def test_squared_hinge_has_a_minimum():
    X, y = table(0, separated=True)
    model = HingeClassifier(alpha=0.0, squared=True)
    assert not warns(model, X, y)
    assert model.optimality_ <= model.tol


@pytest.mark.parametrize(
    "model",
    [
        LogisticClassifier(penalty_weights=[0.0, 1.0]),
        FocalClassifier(penalty_weights=[0.0, 1.0]),
        PolyClassifier(penalty_weights=[0.0, 1.0]),
        LogisticClassifier(alpha=0.0, positive=True),
        FocalClassifier(alpha=0.0, positive=True),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_columns_that_no_penalty_holds_separate(model, n_classes):
    rng = np.random.default_rng(0)
    y = np.arange(60) % n_classes
    X = np.column_stack([5.0 * y + rng.uniform(-1, 1, 60), rng.normal(size=60)])
    if n_classes == 3 and model.positive:
        y = (y > 0).astype(int)  # no column is larger in the middle class
    with pytest.warns(ConvergenceWarning, match="separates the classes"):
        model.fit(X, y)
    X[:, 0] = rng.normal(size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(model).fit(X, y)


@pytest.mark.parametrize("shift", [3.0, 6.0])
def test_dice_without_a_penalty_says_soon_that_nothing_is_finite(shift):
    """Few clear positives: steps were taken until the gradient was denormal, more than 700 of them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5_000, 5)), np.arange(5_000) < 20
    X[y, 0] += shift
    model = DiceClassifier(alpha=0.0)
    assert warns(model, X, y)
    assert model.n_iter_ <= 250
