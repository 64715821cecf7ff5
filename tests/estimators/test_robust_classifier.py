"""RobustClassifier: the fits of the classes that name a loss, and penalties over classes and labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
    RobustClassifier,
    RobustRegressor,
)
from robustreg.losses import (
    CrossEntropy,
    Dice,
    Focal,
    Hinge,
    Huber,
    Logistic,
    MulticlassHinge,
    Poly,
    SquaredHinge,
)
from robustreg.penalties import MCP, ElasticNet, GroupLasso

MINIMA = json.loads((Path(__file__).parents[1] / "data" / "penalties.json").read_text())
"""Least objectives by cvxpy 1.7 with Clarabel at tolerances of 1e-11."""
GROUPS = [0, 0, 1, 1, 2, 3, 4, 4]


def rows_of(target):
    """Rows of three classes, labels or outcomes, with weights."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(90, 8)) * [1, 1, 5, 1, 0.2, 1, 1, 3]
    score = X[:, :3] + rng.normal(size=(90, 3))
    weight = rng.integers(0, 4, 90).astype(float)
    if target == "labels":
        return X, (score > 0).astype(int), weight
    if target == "distributions":
        e = np.exp(score)
        return X, e / e.sum(axis=1, keepdims=True), weight
    return X, score.argmax(axis=1), weight


X3, Y3, _ = rows_of("classes")
Y2 = (Y3 > 0).astype(int)


@pytest.mark.parametrize("y", [Y2, Y3], ids=["two", "three"])
@pytest.mark.parametrize("options", [{}, {"l1_ratio": 0.5}, {"class_weight": "balanced"}], ids=str)
@pytest.mark.parametrize(
    ("loss", "twin"),
    [
        ("logistic", LogisticClassifier()),
        ("cross_entropy", LogisticClassifier()),
        (Logistic(), LogisticClassifier()),
        ("focal", FocalClassifier()),
        (Focal(gamma=1.0), FocalClassifier(gamma=1.0)),
        (Poly(3.0), PolyClassifier(epsilon=3.0)),
        ("hinge", HingeClassifier()),
        (SquaredHinge(), HingeClassifier(squared=True)),
        ("multiclass_hinge", HingeClassifier(multi_class="crammer_singer")),
        ("dice", DiceClassifier()),
    ],
    ids=str,
)
def test_fit_of_the_class_that_names_the_loss(loss, twin, options, y):
    several = len(np.unique(y)) > 2
    if several and isinstance(twin, DiceClassifier):
        return
    if loss == "multiclass_hinge":
        if "l1_ratio" in options:
            return
        twin = twin if several else HingeClassifier()  # of two classes one score
    model = RobustClassifier(loss=loss, **options).fit(X3, y)
    twin = clone(twin).set_params(**options).fit(X3, y)
    assert np.array_equal(model.coef_, twin.coef_)
    assert np.array_equal(model.intercept_, twin.intercept_)
    assert model.optimality_ == twin.optimality_ <= 1e-8
    assert hasattr(model, "predict_proba") == hasattr(twin, "predict_proba")
    if hasattr(twin, "predict_proba"):
        assert np.array_equal(model.predict_proba(X3), twin.predict_proba(X3))
        assert np.array_equal(model.predict_log_proba(X3), twin.predict_log_proba(X3))


def test_weights_of_classes_within_a_loss():
    ours = RobustClassifier(loss=Focal(alpha=[1.0, 2.0, 0.5])).fit(X3, Y3)
    twin = FocalClassifier(class_alpha=[1.0, 2.0, 0.5]).fit(X3, Y3)
    assert np.array_equal(ours.predict_proba(X3), twin.predict_proba(X3))
    # a class without weight leaves the others theirs
    weight = (Y3 != 1).astype(float)
    ours.fit(X3, Y3, sample_weight=weight)
    twin.fit(X3, Y3, sample_weight=weight)
    assert np.array_equal(ours.coef_, twin.coef_)
    ours = RobustClassifier(loss=Focal(alpha=0.75)).fit(X3, Y2)
    assert np.array_equal(ours.coef_, FocalClassifier(class_alpha=0.75).fit(X3, Y2).coef_)
    ours = RobustClassifier(loss=Logistic(pos_weight=3.0)).fit(X3, Y2)
    twin = LogisticClassifier(class_weight={0: 1.0, 1: 3.0}).fit(X3, Y2)
    assert_allclose(ours.coef_, twin.coef_, rtol=1e-7)


@pytest.mark.parametrize("y", [Y2, Y3], ids=["two", "three"])
def test_smoothed_labels_have_a_minimum_though_classes_are_separated(y):
    X = np.column_stack([np.eye(3)[y], np.cos(np.arange(len(y)))])
    loss = CrossEntropy(label_smoothing=0.1)
    model = RobustClassifier(loss=loss, alpha=0.0).fit(X, y)  # no warning
    assert model.optimality_ <= 1e-8
    k = y.max() + 1
    best = np.full((len(y), k), 0.1 / k)
    best[np.arange(len(y)), y] += 0.9
    assert_allclose(model.predict_proba(X), best, atol=1e-7)


def test_margins_of_any_size():
    model = RobustClassifier(loss=MulticlassHinge(margin=3.0)).fit(X3, Y3)
    # in units of the margin: the same problem with another alpha
    unit = RobustClassifier(loss="multiclass_hinge", alpha=3.0).fit(X3, Y3)
    assert_allclose(model.coef_, 3.0 * unit.coef_, rtol=1e-7, atol=1e-9)
    model = RobustClassifier(loss=Hinge(margin=3.0)).fit(X3, Y2)
    unit = RobustClassifier(loss="hinge", alpha=3.0).fit(X3, Y2)
    assert_allclose(model.coef_, 3.0 * unit.coef_, rtol=1e-7, atol=1e-9)


PENALTIES = {
    "rows": GroupLasso(),
    "groups": GroupLasso(groups=GROUPS),
    "elastic_net": ElasticNet(l1_ratio=0.5),
}


def price(kind, coef):
    if kind == "elastic_net":
        return 0.5 * np.abs(coef).sum() + 0.25 * np.square(coef).sum()
    groups = GROUPS if kind == "groups" else range(8)
    return sum(np.linalg.norm(coef[:, np.equal(groups, g)]) for g in set(groups))


@pytest.mark.parametrize("kind", PENALTIES)
@pytest.mark.parametrize("target", ["classes", "labels", "distributions"])
def test_penalties_of_several_outputs_reach_conic_objectives(target, kind):
    X, y, weight = rows_of(target)
    options = {"penalty": PENALTIES[kind], "alpha": 6.0}
    if target == "distributions":
        model = KLRegressor(**options)
    elif target == "labels":
        model = RobustClassifier(class_weight={0: 1.0, 1: 2.0}, **options)
    else:
        model = RobustClassifier(**options)
    model.fit(X, y, sample_weight=weight)
    raw = X @ model.coef_.T + model.intercept_
    if target == "labels":
        each = np.where(y == 1, 2.0, 1.0) * np.logaddexp(0, (1 - 2 * y) * raw)
    else:
        log = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
        shares = y if target == "distributions" else np.eye(3)[y]
        each = -shares * log
        if target == "distributions":
            each = each + y * np.log(y)
    value = weight @ each.sum(axis=1) + 6.0 * price(kind, model.coef_)
    assert abs(value / MINIMA[f"{target} {kind}"] - 1) < 1e-8
    assert model.optimality_ <= 1e-8
    zero = model.coef_ == 0
    assert zero.any()
    if kind == "rows":  # a feature is used for all outputs or for none
        assert np.array_equal(zero.any(axis=0), zero.all(axis=0))


def test_labels_together_hear_of_callbacks_and_start_warm():
    X, y, _ = rows_of("labels")
    model = RobustClassifier(penalty="group_lasso", alpha=6.0, warm_start=True).fit(X, y)
    before = model.coef_
    model.fit(X, y)
    assert_allclose(model.coef_, before, atol=1e-7)


@pytest.mark.parametrize(
    ("cuts", "options"),
    [
        ([0.0], {"alpha": 0.0, "positive": True}),
        ([0.0], {"l1_ratio": 1.0, "penalty_weights": [0.0, 1.0, 1.0]}),
        ([-0.5, 0.5], {"l1_ratio": 1.0, "penalty_weights": [0.0, 0.0, 1.0]}),
    ],
)
def test_what_no_penalty_holds_and_separates_has_no_finite_optimum(cuts, options):
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[:, 1] = np.abs(X[:, 0])  # with it each of three classes has the largest score somewhere
    with pytest.warns(ConvergenceWarning, match="A hyperplane separates the classes"):
        RobustClassifier(**options).fit(X, np.digitize(X[:, 0], cuts))


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_mcp_sees_alpha_per_unit_of_weight_as_in_regression(n_classes, copies):
    """Beyond gamma times alpha per unit of weight a coefficient is not shrunk: its gradient is zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    signal = X[:, 0] - X[:, 1] + rng.logistic(size=300)
    y = np.digitize(signal, [0.0] if n_classes == 2 else [-0.8, 0.8])
    alpha, gamma = 12.0 * copies, 3.0
    model = RobustClassifier(alpha=alpha, penalty=MCP(gamma=gamma))
    model.fit(X, y, np.full(300, copies))
    gradient = model.predict_proba(X) - np.eye(n_classes)[y]
    gradient = X.T @ gradient[:, -len(model.coef_) :] / 300
    coef, each = model.coef_.T, alpha / copies / 300
    slope = np.maximum(each - np.abs(coef) / gamma, 0.0)
    assert np.any(np.abs(coef) > gamma * each)
    assert np.any(coef == 0)
    off = np.abs(gradient + slope * np.sign(coef))
    off[coef == 0] = np.maximum(np.abs(gradient[coef == 0]) - each, 0.0)
    assert off.max() <= 1e-7
    assert model.optimality_ <= model.tol


def test_fields_of_loss_and_penalty_are_parameters_of_a_grid():
    model = RobustClassifier(loss=Focal(), penalty=MCP())
    grid = {"loss__gamma": [0.0, 2.0], "penalty__gamma": [2.0, 5.0]}
    search = GridSearchCV(model, grid, cv=3).fit(X3, Y2)
    assert len(search.cv_results_["params"]) == 4
    with pytest.raises(ValueError, match="'loss__gamma' needs a loss instance"):
        RobustClassifier(loss="focal").set_params(loss__gamma=1.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"penalty": "mcp"},
            r"penalty='mcp' is a name.*: pass penalty=MCP\(\) from robustreg.penalties",
        ),
        ({}, r"penalty=None is the default: pass an object from robustreg.penalties"),
        ({"penalty": "mpc"}, r"pass an object from robustreg.penalties"),
    ],
)
def test_fields_of_a_penalty_need_an_object(options, match):
    for model in (RobustClassifier(**options), RobustRegressor(**options), KLRegressor(**options)):
        with pytest.raises(
            ValueError, match=rf"'penalty__gamma' needs a penalty instance.*{match}"
        ):
            model.set_params(penalty__gamma=2.0)
    model = RobustClassifier(**options).set_params(penalty=MCP(), penalty__gamma=2.0)
    assert model.penalty.gamma == 2.0
    with pytest.raises(ValueError, match="Invalid parameter 'penalty'"):
        HuberRegressor().set_params(penalty__gamma=2.0)


@pytest.mark.parametrize(
    ("options", "y", "match"),
    [
        ({"loss": "huber"}, Y2, "'loss'.*or one of .*'logistic'"),
        ({"loss": Huber()}, Y2, "'loss'"),
        ({"loss": "logistc"}, Y2, "Did you mean 'logistic'"),
        ({"loss": Focal}, Y2, "pass an instance"),
        ({"loss": Logistic(from_logits=False)}, Y2, "from_logits=True"),
        ({"loss": Focal(gamma=-1.0)}, Y2, "'gamma'"),
        ({"loss": Focal(alpha=[1.0, 2.0])}, Y2, "as there are two classes"),
        ({"loss": Focal(alpha=0.5)}, Y3, "each of the 3 classes"),
        ({"loss": Logistic(pos_weight=2.0)}, Y3, "class_weight"),
        ({"loss": MulticlassHinge("weston_watkins")}, Y3, "crammer_singer"),
        ({"loss": "multiclass_hinge", "l1_ratio": 0.5}, Y3, "loss='hinge'"),
        ({"loss": "multiclass_hinge", "penalty": "l1"}, Y3, "loss='hinge'"),
        ({"loss": "dice"}, Y3, "OneVsRestClassifier"),
        ({"loss": Dice(smoothing=-1.0)}, Y2, "'smoothing'"),
        ({"loss": "hinge", "solver": "lbfgs"}, Y2, "'solver'.*'auto'.*not smooth"),
        ({"loss": "hinge"}, np.column_stack([Y2, 1 - Y2]), "1d array"),
        ({"penalty": "lasso"}, Y2, "'penalty'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_errors_say_what_to_use(options, y, match):
    with pytest.raises(ValueError, match=match):
        RobustClassifier(**options).fit(X3, y)


def test_no_probabilities_of_scores_that_stand_for_none():
    model = RobustClassifier(loss="hinge").fit(X3, Y2)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError):
        model.predict_log_proba(X3)


def test_losses_of_no_classifier_say_so():
    with pytest.raises(ValueError, match="no loss of a linear classifier"):
        RobustRegressor()._named_loss().of_classes(2)
