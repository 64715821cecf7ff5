"""The function scipy sees: its value in the user's units, its derivatives by differences."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from robustreg.losses import (
    Absolute,
    Concomitant,
    CrossEntropy,
    Dice,
    Huber,
    Pinball,
    PseudoHuber,
    Smoothed,
    SmoothL1,
    Squared,
    Tukey,
)
from robustreg.losses._contrasts import Contrasts
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers._sides import Sides
from robustreg.stored import in_units_of_user
from tests._reference import sample

LOSSES = {
    "squared": Squared(),
    "huber": Huber(0.8),
    "smooth_l1": SmoothL1(0.5),
    "pseudo_huber": PseudoHuber(),
    "tukey": Tukey(),
    "smoothed absolute": Smoothed(Absolute(), 0.3),
    "smoothed pinball": Smoothed(Pinball(0.8), 0.3),
    "concomitant": Concomitant(Huber(1.345), 0.7),
    "concomitant pseudo-huber": Concomitant(PseudoHuber(), 0.7),
    "cross-entropy": CrossEntropy(from_logits=True),
    "dice": Dice(from_logits=True),
}
ROUNDED = Sides(np.array(-0.6), np.array(0.6), np.array(0.0)).smoothed(np.array(0.05))
PENALTIES = [L2(), L2(0.6), ROUNDED]


def table(n=80):
    X, y, weight = sample(n=n, p=3, seed=5, outliers=0.2)
    return np.round(np.where(np.abs(X) > 0.3, X, 0.0) * 64) / 64 * [8.0, 1.0, 0.125], y, weight


def holdings():
    """Return the rows held in each way, whitened columns among them."""
    X, y, weight = table()
    kept, _ = prepare(X, y, weight)
    as_given = replace(kept, X=X, ready=False)
    more = np.column_stack([X, X[:, 0] - X[:, 1]])
    return {
        "kept": kept,
        "block by block": as_given,
        "through the coefficients": replace(as_given, explicit=False),
        "sparse": replace(as_given, X=sp.csr_array(X), explicit=False),
        "single precision": replace(as_given, X=X.astype(np.float32), explicit=False),
        "whitened": prepare(more, y, weight)[0],
        "unweighted": prepare(X, y)[0],
        "no intercept": prepare(X, y, weight, intercept=False)[0],
    }


def composed(name, way, penalty=PENALTIES[1]):
    """Return the objective of a loss on rows held in some way, and a point."""
    loss, data = LOSSES[name], holdings()[way]
    options = {}
    if name.startswith("concomitant"):
        options["n_extra"] = 1
    if name == "cross-entropy":
        options["n_outputs"] = 3
        data = data.with_target(np.arange(data.n_rows) % 3, data.weight)
    if name == "dice":
        data = data.with_target((data.y > 1).astype(float), data.weight)
    objective = Objective(loss, data, penalty, **options)
    theta = np.random.default_rng(6).normal(size=objective.size)
    if options.get("n_extra"):
        theta[-1] = 0.7
    return objective, theta


def differences(function, theta, step=1e-6):
    """Central differences, a row for each entry of theta."""
    return np.array([
        (function(theta + step * e) - function(theta - step * e)) / (2 * step)
        for e in np.eye(len(theta))
    ])  # fmt: skip


EVERY = pytest.mark.parametrize("way", holdings())
NAMES = pytest.mark.parametrize("name", LOSSES)


@NAMES
@EVERY
@pytest.mark.parametrize("penalty", PENALTIES, ids=["free", "L2", "L1"])
def test_gradient(name, way, penalty):
    objective, theta = composed(name, way, penalty)
    numeric = differences(lambda t: objective.evaluate(t)[0], theta)
    assert_allclose(objective.evaluate(theta)[1], numeric, rtol=1e-6, atol=1e-8)


@NAMES
@EVERY
def test_hessian(name, way):
    objective, theta = composed(name, way)
    numeric = differences(lambda t: objective.evaluate(t)[1], theta)
    hessian = objective.hess(theta)
    assert_allclose(hessian, numeric, rtol=1e-5, atol=1e-6)
    assert_allclose(hessian, hessian.T, atol=1e-12)
    for v in np.random.default_rng(7).normal(size=(3, len(theta))):
        assert_allclose(objective.hessp(theta, v), hessian @ v, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.additive])
@EVERY
def test_all_at_once(name, way):
    objective, theta = composed(name, way)
    out = np.empty((objective.data.n_rows, *([objective.n_outputs] if objective.n_outputs else [])))
    value, gradient, raw, hessian = objective.evaluate(theta, 2, out, whole=False)
    assert_allclose(raw, objective.raw(theta), rtol=1e-12)
    value, gradient, hessian = objective.penalised(theta, value, gradient, hessian)
    assert_allclose(value, objective.evaluate(theta)[0], rtol=1e-12)
    assert_allclose(gradient, objective.evaluate(theta)[1], rtol=1e-10, atol=1e-12)
    assert_allclose(hessian, objective.hess(theta), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["squared", "huber", "smoothed pinball", "pseudo_huber"])
@pytest.mark.parametrize("way", [way for way in holdings() if way != "whitened"])
def test_value_is_the_mean_loss_and_the_penalty_in_the_users_units(name, way):
    X, y, weight = table()
    objective, theta = composed(name, way)
    weight = np.ones(80) if way == "unweighted" else weight
    intercept = way != "no intercept"
    coef, offset = in_units_of_user(objective.data, theta[:3], theta[3] if intercept else 0.0)
    loss = LOSSES[name](y, X @ coef + offset, sample_weight=weight, reduction="sum")
    expected = (loss + 0.3 * coef @ coef) / weight.sum()
    assert_allclose(objective.evaluate(theta)[0], expected, rtol=1e-11)


def test_unit_divides_all_of_it():
    objective, theta = composed("huber", "kept")
    halved = replace(objective, unit=2.0)
    for one, other in zip(objective.evaluate(theta)[:2], halved.evaluate(theta)[:2], strict=True):
        assert_allclose(one / 2, other)
    assert_allclose(objective.hess(theta) / 2, halved.hess(theta))


@NAMES
def test_parts_of_theta_go_there_and_back(name):
    objective, theta = composed(name, "kept")
    assert np.array_equal(objective.join(*objective.split(theta)), theta)


@pytest.mark.parametrize("way", ["kept", "through the coefficients", "sparse"])
@pytest.mark.parametrize("name", ["huber", "concomitant", "cross-entropy"])
def test_many_blocks_are_one(name, way, monkeypatch):
    objective, theta = composed(name, way)
    whole = (*objective.evaluate(theta)[:2], objective.hess(theta))
    # the least number of rows of a block is 256: repeat them until there are several
    data = objective.data
    times = np.tile(np.arange(data.n_rows), 20)
    many = replace(
        objective, data=data.subset(times, keep=False), penalty=objective.penalty.scaled(20)
    )
    monkeypatch.setattr("robustreg.data.BLOCK_BYTES", 1)
    assert sp.issparse(data.X) or len(list(many.data.blocks())) > 5
    parts = (*many.evaluate(theta)[:2], many.hess(theta))
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(other, one, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("n_classes", [5, 40])
def test_turned_outputs_change_nothing(n_classes, keep):
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=500)
    data, _ = prepare(sp.csr_array(rng.normal(size=(500, 6)) + 3.0), y, rng.uniform(1, 2, 500))
    problem = Objective(Contrasts(), data, L2(0.4), n_outputs=n_classes - 1)
    theta, v = rng.normal(size=(2, problem.size))
    expected, out = problem.evaluate(theta, 2), np.empty((500, n_classes - 1))
    found = problem.evaluate(theta, keep=keep)
    for one in (found, problem.evaluate(theta, out=out)):
        assert_allclose(one.value, expected.value, rtol=1e-12)
        assert_allclose(one.gradient, expected.gradient, atol=1e-12)
    assert_allclose(out, problem.raw(theta))
    for raw in (None, found.raw):
        assert_allclose(problem.hessp(theta, v, raw), expected.hessian @ v, atol=1e-11)
        assert_allclose(problem.hess(theta, raw), expected.hessian, atol=1e-12)


class AnyCoordinates(L2):
    """A sum of squares that does not say that it is one."""

    euclidean = False


@pytest.mark.parametrize("way", ["kept", "through the coefficients", "whitened"])
@pytest.mark.parametrize("name", ["huber", "concomitant", "cross-entropy"])
def test_a_sum_of_squares_is_what_its_coefficients_say(name, way):
    """Its Hessian is made once, of the strength alone."""
    (one, theta), (other, _) = (composed(name, way, part(7.0)) for part in (L2, AnyCoordinates))
    one.total = other.total = 3.0  # as where rows are some of all
    direction = theta[::-1].copy()
    for a, b in zip(one.evaluate(theta, 2), other.evaluate(theta, 2), strict=True):
        if b is not None:
            assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert_allclose(one.hess(theta), other.hess(theta), rtol=1e-12, atol=1e-12)
    assert_allclose(one.hessp(theta, direction), other.hessp(theta, direction), rtol=1e-11)
