"""What every penalty of the registry keeps to; values, minima and bounds by brute force."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from robustreg import HuberRegressor, L2Regressor, RobustClassifier, RobustRegressor
from robustreg.losses import Squared
from robustreg.objective import Objective
from robustreg.penalties import L1, L2, MCP, PENALTIES, SCAD, ElasticNet, GroupLasso
from robustreg.penalties._applied import Applied
from robustreg.preparation import prepare
from robustreg.solvers._gap import certify

ALPHA = 0.7
SIZES = np.array([0.0, 0.1, 0.6, 0.7, 0.9, 1.5, 2.1, 2.59, 3.0, 40.0])
each = pytest.mark.parametrize("kind", PENALTIES.values(), ids=list(PENALTIES))
each_convex = pytest.mark.parametrize(
    "kind", [kind for kind in PENALTIES.values() if kind.convex], ids=lambda kind: kind.name
)


def test_registry():
    assert set(PENALTIES) == {"l2", "l1", "elastic_net", "group_lasso", "mcp", "scad"}
    for name, kind in PENALTIES.items():
        assert kind.name == name
        assert kind.formula
        assert kind.reference.endswith(")")
        assert kind() == kind()
        assert kind().alpha == 0


@each
def test_value_is_the_integral_of_its_derivative(kind):
    shape = kind()
    for t in SIZES:
        found, _ = quad(
            lambda s: float(shape.slope(np.array(s), ALPHA)) + float(shape.bend(ALPHA)) * s,
            0, t, points=[p for p in (ALPHA, 3.0 * ALPHA, 3.7 * ALPHA) if p < t], limit=200,
        )  # fmt: skip
        assert_allclose(shape.value(np.array(t), ALPHA), found, rtol=1e-9, atol=1e-12)


@each
def test_shape(kind):
    shape, t = kind(), np.linspace(0, 10, 2001)
    value, slope = shape.value(t, ALPHA), shape.slope(t, ALPHA)
    assert value[0] == 0
    assert np.all(np.diff(value) >= 0)
    assert np.all(slope >= 0)
    assert np.all(np.diff(slope) <= 0)  # the part without the square is concave
    assert shape.bend(ALPHA) >= 0
    # a function of the size is convex where its second differences are
    assert np.all(np.diff(value, 2) >= -1e-12) == kind.convex
    assert np.array_equal(shape.value(t, 0.0), 0.0 * t)
    each_alpha = shape.value(t[:, None], np.array([[ALPHA, 2.0]]))
    assert np.array_equal(each_alpha[:, 0], value)


@each
def test_majoriser_touches_and_is_nowhere_below(kind):
    rng = np.random.default_rng(0)
    applied = Applied.to(replace(kind(), alpha=5.0), rng.uniform(0.5, 2.0, 6), share=4.0)
    coef = np.array([0.0, 0.4, -1.2, 3.0, -8.0, 1e-3])
    part, labels = applied.majoriser(coef), applied.labels(6)
    l1 = part.l1 if labels is None else part.l1[labels]

    def above(c):
        return l1 @ np.abs(c) + 0.5 * part.l2 @ c**2

    lift = applied.value(coef) - above(coef)
    assert lift >= -1e-12
    for c in rng.normal(scale=3.0, size=(300, 6)):
        assert applied.value(c) <= above(c) + lift + 1e-9
    if kind.convex:
        assert_allclose(lift, 0.0, atol=1e-12)


@each
@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 2.0, 0.0, 1.0, 3.0, 1.0])])
def test_fit_to_unit_columns_is_the_proximal_step(kind, weights):
    """With X the unit matrix each coefficient minimises ``(y - c)^2 / 2 + penalty(c)`` by itself."""
    y = np.array([0.05, -0.6, 1.0, -1.4, 2.0, 4.0, -9.0])
    n, alpha = len(y), 0.8
    model = RobustRegressor(
        loss="squared", penalty=kind(), alpha=alpha, penalty_weights=weights, fit_intercept=False
    )
    coef = model.fit(np.eye(n), y).coef_
    strength = alpha / n * (np.ones(n) if weights is None else weights)
    grid = np.linspace(-10, 10, 400_001)
    for j in range(n):
        cost = 0.5 * (y[j] - grid) ** 2 + n * kind().value(np.abs(grid), strength[j])
        mine = 0.5 * (y[j] - coef[j]) ** 2 + n * kind().value(np.abs(coef[j]), strength[j])
        if kind.convex:
            assert abs(coef[j] - grid[cost.argmin()]) <= 1e-4
        # never above the point of the lasso, which it starts from
        start = np.sign(y[j]) * max(abs(y[j]) - n * strength[j], 0.0)
        at_start = 0.5 * (y[j] - start) ** 2 + n * kind().value(np.abs(start), strength[j])
        assert mine <= at_start + 1e-10
        # stationary: nothing near is better
        near = np.abs(grid - coef[j]) < 1e-3
        assert mine <= cost[near].min() + 1e-10


@each_convex
def test_certificate_bounds_what_is_left_to_gain(kind):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 6)) * [1, 2, 1, 0.5, 1, 3]
    y = X[:, 0] + rng.normal(size=30)
    data, _ = prepare(X, y, None, intercept=True, reduce=False)
    penalty = Applied.to(replace(kind(), alpha=4.0), share=30.0)
    objective = Objective(Squared(), data, penalty)
    model = RobustRegressor(loss="squared", penalty=kind(), alpha=4.0).fit(X, y)
    r = y - X @ model.coef_ - model.intercept_
    least = 0.5 * r @ r + kind()(model.coef_, alpha=4.0)
    best = data.coordinates.solver(model.coef_)
    last = model.intercept_ + data.coordinates.center @ model.coef_
    proof = certify(objective, np.append(best, last))
    assert_allclose(proof.objective * 30, least, rtol=1e-12)
    assert proof.kind == "gap"
    assert proof.value <= 1e-8
    for size in (1e-6, 1e-3, 0.1, 1.0, 10.0):
        theta = np.append(best, last) + size * rng.normal(size=7)
        proof = certify(objective, theta)
        left = proof.objective * 30 - least
        assert left >= -1e-9
        assert proof.value * proof.objective * 30 >= left * (1 - 1e-9)


@each
def test_repeated_rows_and_units(kind):
    """Weights are repetitions, and the penalty knows no units: y times 5 with alpha in its units."""
    rng = np.random.default_rng(2)
    X, weight = rng.normal(size=(40, 5)), rng.integers(0, 4, 40)
    y = X @ [3.0, 0.0, -2.0, 0.2, 0.0] + rng.normal(size=40)
    model = RobustRegressor(loss="squared", penalty=kind(), alpha=20.0)
    weighted = model.fit(X, y, sample_weight=weight).coef_
    repeated = model.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight)).coef_
    assert_allclose(weighted, repeated, rtol=1e-7, atol=1e-9)
    squares = float(kind().bend(1.0)) > 0  # these are of the degree of the loss
    if not squares:
        scaled = model.set_params(alpha=100.0).fit(X, 5 * y, sample_weight=weight).coef_
        assert_allclose(scaled, 5 * weighted, rtol=1e-7, atol=1e-9)


@each
def test_serves_classifiers(kind):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(int)
    model = RobustClassifier(penalty=kind.name, alpha=3.0).fit(X, y)
    assert model.optimality_ <= 1e-8


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (L1(alpha=-1.0), "alpha"),
        (L2(alpha=np.inf), "alpha"),
        (L2(alpha="a"), "alpha"),
        (ElasticNet(l1_ratio=1.5), "l1_ratio"),
        (ElasticNet(l1_ratio=None), "l1_ratio"),
        (MCP(gamma=0.0), "gamma"),
        (SCAD(a=2.0), "a"),
        (SCAD(a=True), "a"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(shape, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {type(shape).__name__}"):
        shape([1.0, 2.0])


@each
def test_every_number_is_checked(kind):
    for field in fields(kind):
        if field.name != "groups":
            with pytest.raises(ValueError, match=f"'{field.name}'"):
                kind(**{field.name: np.nan})([1.0])


@each
def test_calls_take_a_number_a_vector_or_a_matrix(kind):
    shape = kind(alpha=ALPHA)
    assert shape(3.0) == shape([3.0]) == shape([[3.0]])
    assert_allclose(shape([3.0, -0.5]), shape(3.0) + shape(0.5))
    with pytest.raises(ValueError, match="one or two dimensions"):
        shape(np.ones((2, 2, 2)))


@pytest.mark.parametrize(
    "groups",
    [[None, "a"], [1, [1]], [[1, 2], [3]], [np.nan, 1.0], "ab", 3, [1], [[1, 2]]],
    ids=repr,
)  # fmt: skip
def test_groups_that_are_no_labels_are_named(groups):
    with pytest.raises(ValueError, match="'groups' parameter of GroupLasso"):
        GroupLasso(alpha=1.0, groups=groups)([1.0, 2.0])


@pytest.mark.parametrize(
    "groups", [["a", "a", "b"], [1, 1, 2], [True, True, False], np.array(["x", "x", "y"], object), (0.5, 0.5, 2.0)]
)  # fmt: skip
def test_labels_of_groups(groups):
    assert GroupLasso(alpha=2.0, groups=groups)([3.0, -4.0, 1.0]) == 12.0


@pytest.mark.parametrize(
    "options", [{"penalty_weights": np.zeros(2)}, {"penalty_weights": [1.0, 2.0]}]
)
@pytest.mark.parametrize("model", [HuberRegressor(alpha=1.0), L2Regressor(alpha=1.0)], ids=str)
def test_solvers_of_smooth_problems_say_what_they_serve(model, options):
    X = np.arange(12.0).reshape(6, 2) ** 1.1
    model.set_params(solver="lbfgs", **options)
    with pytest.raises(ValueError, match=r"'lbfgs' serves no other penalty.*solver='auto'"):
        model.fit(X, np.arange(6.0))


@each
def test_alpha_of_zero_is_no_penalty(kind):
    """Columns that depend on each other are then reduced, as without a penalty."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(20, 4))
    X[:, 3] = X[:, 0]
    y = X[:, 0] + rng.normal(size=20)
    model = RobustRegressor(loss="squared", alpha=0.0)
    plain = model.fit(X, y).predict(X)
    named = model.set_params(penalty=kind.name).fit(X, y)
    assert named.optimality_ <= 1e-8
    assert_allclose(named.predict(X), plain, rtol=1e-10)
