"""One entry far out in X, weights of many sizes, few rows: classifiers find the minimum or say that they did not."""

import warnings
from fractions import Fraction
from operator import mul

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from robustreg import HingeClassifier, L1Regressor, LogisticClassifier, RobustRegressor
from robustreg.coordinates import Coordinates
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._stored_far import BesideFar
from robustreg.far_rows import prepare_beside_far_rows
from robustreg.losses import Hinge
from robustreg.penalties import L2
from robustreg.solvers import _multiclass
from tests.estimators._classification import objective, row_losses, scores


def table(far, seed, classes=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    score = X[:, 0] + rng.logistic(size=60)
    y = np.digitize(score, [0.0] if classes == 2 else [-1.0, 1.0])
    X[0, 0] = far * np.sign(score[0])  # on the side of its class: the others decide
    return X, y


MODELS = {
    "hinge": HingeClassifier(),
    "squared hinge": HingeClassifier(squared=True),
    "Crammer-Singer": HingeClassifier(multi_class="crammer_singer"),
    "logistic": LogisticClassifier(),
    "logistic, newton-cg": LogisticClassifier(solver="newton-cg"),
    "logistic, lbfgs": LogisticClassifier(solver="lbfgs"),
}


def fitted(model, X, y, weight=None):
    """Return the fit and whether it is certified."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y, sample_weight=weight)
    assert bool(caught) == (model.optimality_ > model.tol)
    return not caught


def exact_objective(model, X, y, weight=1.0):
    """`objective` of scores in fractions: those of a far row are differences of large numbers."""
    coef = [[Fraction(c) for c in row] for row in model.coef_.tolist()]
    base = [Fraction(b) for b in model.intercept_.tolist()]
    f = [
        [float(b + sum(map(mul, c, map(Fraction, row)))) for c, b in zip(coef, base, strict=True)]
        for row in X.tolist()
    ]
    losses = row_losses(model, y, np.array(f))
    return (weight * losses).sum() + model.alpha / 2 * (model.coef_**2).sum()


@pytest.mark.parametrize("far", [1e3, 1e5, 1e6, 1e8, 1e10, 1e11, 1e16, 1e100])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", MODELS)
def test_an_entry_far_out(name, seed, far):
    """What is found with the entry a thousand is nearly as good with any larger one."""
    model = MODELS[name]
    classes = 3 if name == "Crammer-Singer" else 2
    X, y = table(100.0, seed, classes)
    assert fitted(model, X, y)
    near = model.coef_, model.intercept_
    X, y = table(far, seed, classes)
    alone = clone(model).fit(X[1:], y[1:])
    decides = row_losses(alone, y, scores(alone, X))[0] > 0
    certified = fitted(model, X, y)
    value = objective(model, X, y)
    model.coef_, model.intercept_ = near
    if certified or far <= 1e6:
        assert value <= objective(model, X, y) * (1 + 1e-7)
    # where the far row is of the middle of three classes, the others cannot decide alone
    assert certified or (decides and far > 1e8)


@pytest.mark.parametrize("far", [1e8, 1e10, 1e16])
@pytest.mark.parametrize("form", ["row", "several", "sparse"])
@pytest.mark.parametrize("name", ["hinge", "squared hinge", "logistic", "Crammer-Singer"])
def test_rows_far_out_on_their_own_side(name, form, far):
    """Whole rows, some of them, in any container: the others decide as if these were not there."""
    model = clone(MODELS[name])
    X, y = table(1.0, 5)
    alone = clone(model).fit(X, y)
    side = np.where(y == 1, 1.0, -1.0) * alone.decision_function(X)
    rows = np.flatnonzero(side > 0.5)[: 3 if form == "several" else 1]
    assert len(rows)
    X[rows] *= far
    rest = np.setdiff1d(np.arange(len(y)), rows)
    alone.fit(X[rest], y[rest])
    right = (np.where(y == 1, 1.0, -1.0) * alone.decision_function(X))[rows] > 1.0
    assert right.all()
    assert fitted(model, sparse.csr_array(X) if form == "sparse" else X, y)
    assert_allclose(model.coef_, alone.coef_, rtol=1e-6, atol=1e-8)
    assert_allclose(model.intercept_, alone.intercept_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("far", [1e8, 1e10])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [name for name in MODELS if name != "Crammer-Singer"])
def test_an_entry_far_out_on_the_wrong_side(name, seed, far):
    """Its row decides its column, and the others the rest."""
    model = clone(MODELS[name])
    X, y = table(-far, seed)
    assert fitted(model, X, y)
    value = objective(model, X, y)
    others = clone(model).fit(X[:, 1:], y)
    model.coef_ = np.column_stack([np.zeros(1), others.coef_])
    model.intercept_ = others.intercept_
    assert value <= objective(model, X, y) * (1 + 1e-9)


def informative(far, seed, classes=2):
    """Return rows all of whose columns tell the classes apart, the first of them far out in one."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    score = X @ [1.0, 1.0, -0.5] + rng.logistic(size=60)
    X[0, 0] = far * np.sign(score[0])
    return X, np.digitize(score, [0.0] if classes == 2 else [-1.0, 1.0])


@pytest.mark.parametrize("far", [1e12, 1e14, 1e16])
@pytest.mark.parametrize("name", ["hinge", "squared hinge", "logistic"])
def test_an_entry_very_far_out_on_the_wrong_side(name, far):
    """The slope by which its row holds its column is as small as the entry is large."""
    for seed in range(5):
        X, y = informative(-far, seed)
        model, others = clone(MODELS[name]), clone(MODELS[name])
        assert fitted(model, X, y)
        others.fit(X[:, 1:], y)
        value = objective(model, X, y)
        model.coef_ = np.column_stack([np.zeros(1), others.coef_])
        model.intercept_ = others.intercept_
        assert value <= objective(model, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("far", [1e8, 1e10])
def test_an_entry_that_ties_two_of_three_classes(far, side):
    # whether the last of them is proven depends on rounding: six or seven of ten were
    model = MODELS["Crammer-Singer"]
    assert sum(fitted(clone(model), *informative(side * far, seed, 3)) for seed in range(10)) >= 8


@pytest.mark.parametrize("far", [1e6, 1e12, 1e100, 1e155, 1e200, 1e300])
@pytest.mark.parametrize("name", ["Crammer-Singer", "logistic"])
def test_coordinates_of_an_entry_that_hides_the_other_rows_prove_nothing(name, far):
    # two of three classes are equally good on the other rows only if their coefficients agree to 1 / far
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    rng.logistic(size=60)
    y = np.digitize(X @ np.ones(3) + rng.standard_t(2, size=60), [-1, 1])
    X[0, 0] = 1e4
    model = clone(MODELS[name])
    assert fitted(model, X, y)
    # an entry farther out needs smaller differences of coefficients, and these cost the other rows no more
    best = exact_objective(model, X, y)
    X[0, 0] = far
    certified = fitted(model, X, y)
    value = exact_objective(model, X, y)
    assert certified or far > 1e6
    excess = value / best - 1
    # a relative gap is at most one
    assert excess <= 1e-8 if certified else model.optimality_ >= 0.99 * min(excess, 1.0)


@pytest.mark.parametrize("far", [1e12, 1e14, 1e16])
def test_rounding_of_coefficients_does_not_decide_for_a_far_row(far):
    """Differences of coefficients are as small as the entry is large, and one in the last place is felt by its row."""
    certified = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(30, 3))
        y = np.argmax(X + rng.gumbel(size=(30, 3)), axis=1)
        model = clone(MODELS["Crammer-Singer"])
        X[0, 1] = 1e9
        assert fitted(model, X, y)
        best = exact_objective(model, X, y)
        X[0, 1] = far
        if fitted(model, X, y):
            certified += 1
            assert exact_objective(model, X, y) <= best * (1 + 1e-8)
    assert certified >= 9


def test_what_rounding_of_coefficients_costs_is_said():
    """One unit in the last place is a score of 0.1, and two far rows of both classes want it on their sides."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 2
    coef, intercept = np.array([[1.0, 0.5]]), np.array([0.25])
    X[:2] = [1e15, -2e15]
    estimate = Estimate(Hinge(), L2(1.0), 2.0 * y - 1)

    def value(far):
        beside = BesideFar(estimate, X, far, None, 1.0)
        at = beside.value(coef, intercept)
        exact = hinge_in_fractions(X, y, np.ones(40), coef[0], intercept[0])
        assert at == pytest.approx(exact, rel=1e-14)
        return at, beside.turned(coef, intercept, at)[1]

    both, turned = value(np.array([0, 1]))
    assert turned == pytest.approx(both, rel=1e-14)
    y[0], estimate.target[0] = 1, 1.0
    both, turned = value(np.array([0, 1]))
    assert turned == pytest.approx(both - 1.5, rel=1e-12)


@pytest.mark.parametrize("far", [1e6, 1e10, 1e13, 1e16, 1e20])
@pytest.mark.parametrize(
    "model",
    [L1Regressor(alpha=1.0), RobustRegressor(loss="absolute", alpha=0.1), L1Regressor()],
    ids=["ridge", "absolute", "none"],
)
def test_regressions_bend_to_an_entry_far_out(model, far):
    """It makes its coefficient nothing, and the row that has it proves that."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 3))
        y = X.sum(axis=1) + rng.standard_t(2, 60)
        X[0, 0] = far
        found = clone(model).fit(X, y)
        others = clone(model).fit(X[:, 1:], y)
        lost = [np.abs(y - found.predict(X)).sum(), np.abs(y - others.predict(X[:, 1:])).sum()]
        penalty = [0.5 * model.alpha * m.coef_ @ m.coef_ for m in (found, others)]
        assert lost[0] + penalty[0] <= (lost[1] + penalty[1]) * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["tiny", "wide", "one heavy"])
@pytest.mark.parametrize("seed", range(3))
def test_weights_of_all_classes_together(kind, seed):
    rng = np.random.default_rng(seed)
    X, y = table(1.0, seed, classes=3)
    weight = {
        "tiny": 1e-9 * rng.uniform(0.5, 2, 60),
        "wide": 10 ** rng.uniform(-12, 0, 60),
        "one heavy": np.where(np.arange(60) == 3, 1e8, 1.0),
    }[kind]
    model = HingeClassifier(multi_class="crammer_singer", alpha=0.0)
    assert fitted(model, X, y, weight)
    assert objective(model, X, y, weight) <= best_of_linear_program(X, y, weight) * (1 + 1e-7)


def best_of_linear_program(X, y, weight):
    """Minimum of the multi-class hinge loss without a penalty, by HiGHS."""
    n, k = len(y), int(y.max()) + 1
    Z, w = np.column_stack([X, np.ones(n)]), weight / weight.max()
    q = Z.shape[1]
    rows, bound = [], []
    for c in range(k):
        block = np.zeros((n, k * q + n))
        block[:, c * q : (c + 1) * q] += Z
        for i in range(n):
            block[i, y[i] * q : (y[i] + 1) * q] -= Z[i]
        block[:, k * q :] = -np.eye(n)
        rows.append(block)
        bound.append(np.where(y == c, 0.0, -1.0))
    cost = np.concatenate([np.zeros(k * q), w])
    found = linprog(
        cost, A_ub=np.vstack(rows), b_ub=np.concatenate(bound),
        bounds=[(None, None)] * (k * q) + [(0, None)] * n,
    )  # fmt: skip
    return found.fun * weight.max()


@pytest.mark.parametrize("alpha", [1e-15, 1e-13, 1e-11])
def test_a_slight_penalty_of_all_classes_together(alpha, monkeypatch):
    """Many ties among small integers: ties are not tried for long where this brings nothing."""
    rng, n, p, n_classes = np.random.default_rng(0), 80, 5, 9
    X = rng.integers(-3, 4, (n, p)).astype(float)
    effects = rng.integers(-5, 6, (p, n_classes))
    y = (X @ effects + 3 * rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    tried, on_ties = [], _multiclass._on_ties
    monkeypatch.setattr(_multiclass, "_on_ties", lambda *at: tried.append(1) or on_ties(*at))
    model = HingeClassifier(multi_class="crammer_singer", alpha=alpha)
    assert fitted(model, X, y) or alpha > 1e-13
    assert len(tried) <= 100
    bare = HingeClassifier(multi_class="crammer_singer", alpha=0.0)
    assert fitted(bare, X, y)
    bare.alpha = alpha
    assert objective(model, X, y) <= objective(bare, X, y) * (1 + 1e-8)


@pytest.mark.parametrize("n", [2, 3, 4, 6, 9])
def test_few_rows_of_all_classes_together_without_a_penalty(n):
    rng = np.random.default_rng(n)
    X, y = rng.normal(size=(n, 1)), np.arange(n) % 2
    model = HingeClassifier(multi_class="crammer_singer", alpha=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where classes are separated
        model.fit(X, y)
    losses = row_losses(HingeClassifier(), y, scores(model, X))
    assert losses.sum() <= best_of_linear_program(X, y, np.ones(n)) + 1e-7


def test_offsets_that_rounding_hides_prove_nothing():
    # two columns in proportion but for entries a millionth of the others: at coefficients of size one the
    # scores of the other rows are known to 1e-10, and in columns of size one to 1e-7
    far = [-4.0000000000000005e6, 8e5]
    X = np.array([far, [-1, 0], far, [0, 0], [1, 0], [1, 1]])
    y = np.array([1, 1, 1, 1, 0, 0])
    alpha = 1.0584593465647576
    model = HingeClassifier(alpha=alpha)
    certified = fitted(model, X, y)
    other = HingeClassifier(alpha=alpha)
    fitted(other, X + np.array([3, 5]), y)
    other.intercept_ = other.intercept_ + other.coef_ @ [3, 5]

    def value(one):
        score = X @ one.coef_[0] + one.intercept_
        loss = np.maximum(0.0, 1 - np.where(y == 1, score, -score)).sum()
        return loss + 0.5 * alpha * (one.coef_**2).sum()

    excess = value(model) / min(value(model), value(other)) - 1
    assert not certified or excess <= 2e-8
    assert model.optimality_ >= excess / 2


@pytest.mark.parametrize("far", [1e11, 1e16, 1e20, 1e100])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_hinges_where_an_entry_is_far_on_the_wrong_side(classes, sign, far):
    """It forbids its column a coefficient of one sign: the minimum is that of any entry so far out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = np.argmax(X[:, :classes] + 0.7 * rng.normal(size=(400, classes)), axis=1)
    model = clone(MODELS["hinge" if classes == 2 else "Crammer-Singer"])
    X[5, 0] = sign * 1e9
    assert fitted(model, X, y)
    best = objective(model, X, y)
    X[5, 0] = sign * far
    certified = fitted(model, X, y)
    # three classes need three coefficients that agree to 1 / far
    assert certified or (classes == 3 and far > 1e16)
    if certified:
        assert_allclose(objective(model, X, y), best, rtol=3e-8)


def test_two_far_rows_that_contradict_each_other_are_not_certified_by_one_of_them():
    """Drawn in by factors of their own they would leave no room between 1e-16 and 1e-14."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 2))
    y = (X[:, 1] + 0.5 * rng.normal(size=60) > 0).astype(int)
    X[:2, 0], y[:2] = [1e16, 1e14], [1, 0]
    model = HingeClassifier()
    certified = fitted(model, X, y)
    value = objective(model, X, y)
    # rows on their sides at one coefficient: the first with a margin of one, the second at none
    without = HingeClassifier().fit(X[2:, 1:], y[2:])
    coef, intercept = np.array([[0.0, without.coef_[0, 0]]]), without.intercept_
    coef[0, 0] = max(0.0, 1 - intercept[0] - coef[0, 1] * X[0, 1]) / 1e16
    model.coef_, model.intercept_ = coef, intercept
    assert not certified or value <= objective(model, X, y) * (1 + 1e-7)


@pytest.mark.parametrize("alpha", [1e-3, 1.0])
@pytest.mark.parametrize("far", [1e14, 1e16])
def test_units_of_far_rows_do_not_hide_the_gradient_of_the_others(far, alpha):
    """Of the others a part of 1e-12 is left there: some digits, but fewer than a certificate asks for."""
    certified = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(40, 3))
        y = (X.sum(axis=1) + rng.normal(size=40) > 0).astype(int)
        X[0, :2], X[1, 0] = 1e12, far
        X[:2] *= rng.choice([-1, 1], size=(2, 1))
        y[:2] = rng.integers(2, size=2)
        weight = np.r_[10.0, 10.0, np.ones(38)]
        model = HingeClassifier(alpha=alpha, squared=True)
        near = clone(model)
        fitted(near, np.clip(X, -1e8, 1e8), y, weight)
        if fitted(model, X, y, weight):
            certified += 1
            value = exact_objective(model, X, y, weight)
            for shorter in ([1.0, 1.0], [1e-4, 1e-4], [1e8 / far, 1.0], [0.0, 1.0], [0.0, 0.0]):
                model.coef_ = near.coef_ * [[*shorter, 1.0]]
                model.intercept_ = near.intercept_
                assert value <= exact_objective(model, X, y, weight) * (1 + 1e-7)
    assert certified >= 4


@pytest.mark.parametrize("name", ["hinge", "Crammer-Singer"])
def test_a_gap_in_units_of_far_rows_proves_nothing_of_the_others(name):
    """There the others are nothing but the last places of a pull, and no coefficients were a certified minimum."""
    certified = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 1 if name == "Crammer-Singer" else 2))
        scores = X @ rng.normal(size=(X.shape[1], 3)) + rng.gumbel(size=(60, 3))
        y = scores.argmax(axis=1) if name == "Crammer-Singer" else (scores[:, 0] > 0.5).astype(int)
        X[0], X[1] = rng.normal(size=X.shape[1]) * 1e16, X[1] * (1e16 if len(X.T) > 1 else 1.0)
        y[0] = rng.integers(y.max() + 1)
        weight = np.r_[10.0, np.ones(59)]
        model = clone(MODELS[name]).set_params(alpha=1e-3)
        near = clone(model)
        short = X / np.maximum(1.0, np.abs(X).max(axis=1, keepdims=True) / 1e6)
        fitted(near, short, y, weight)
        if fitted(model, X, y, weight):
            certified += 1
            value = exact_objective(model, X, y, weight)
            for shorter in (1.0, 1e-10, 0.0):
                model.coef_, model.intercept_ = near.coef_ * shorter, near.intercept_
                assert value <= exact_objective(model, X, y, weight) * (1 + 1e-7)
    assert certified


def test_a_gap_beside_bounds_needs_no_word_of_the_others():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 4)) * (rng.random((60, 4)) < 0.5)
    y = (X.sum(axis=1) + rng.normal(size=60) > 0).astype(int)
    X[0, :2], X[1, 0] = 1e12, 1e14
    X[:2] *= rng.choice([-1, 1], size=(2, 1))
    y[:2] = rng.integers(2, size=2)
    assert fitted(HingeClassifier(squared=True, positive=True, fit_intercept=False), X, y)


def hinge_in_fractions(X, y, weight, coef, intercept, alpha=1.0):
    scores = [
        Fraction(intercept) + sum(map(mul, map(Fraction, coef), map(Fraction, row)))
        for row in X.tolist()
    ]
    losses = [max(0.0, float(1 - (f if label else -f))) for f, label in zip(scores, y, strict=True)]
    return weight @ losses + alpha / 2 * (coef @ coef)


@pytest.mark.parametrize("seed", [1, 4, 5, 9])
def test_far_rows_in_one_direction_do_not_hide_what_tells_them_apart(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 2))
    y = (X[:, 1] + 0.5 * rng.normal(size=60) > 0).astype(int)
    X[:2], y[:2] = [[1e18, 0.0], [1e16, -5.0]], [1, 0]
    weight = np.r_[10.0, 10.0, np.ones(58)]
    model = HingeClassifier()
    certified = fitted(model, X, y, weight)
    # a coefficient of 1e-18 satisfies the first, and is nothing to the second
    others = HingeClassifier().fit(X[1:, 1:], y[1:], sample_weight=weight[1:])
    base = others.intercept_[0]
    coef = np.array([(1 - base) / 1e18, others.coef_[0, 0]])
    value = hinge_in_fractions(X, y, weight, model.coef_[0], model.intercept_[0])
    best = hinge_in_fractions(X, y, weight, coef, base)
    assert value <= best * (1 + 1e-8) or not certified


@pytest.mark.parametrize("seed", range(0, 40, 5))
def test_a_far_row_in_a_column_of_tiny_units_pays_for_its_coefficient(seed):
    """Drawn in to a hundredth of its length it would need one that costs more than its loss."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 2))
    y = (X[:, 1] + 0.5 * rng.normal(size=20) > 0).astype(int)
    X[:, 0] *= 1e-10
    X[0, 0], X[1, 1] = 1e3, 1e14
    y[:2] = rng.integers(2, size=2)
    model, weight = HingeClassifier(), np.ones(20)
    certified = fitted(model, X, y)
    value = hinge_in_fractions(X, y, weight, model.coef_[0], model.intercept_[0])
    sign = 2 * y[:2] - 1
    best = np.inf
    for base in np.linspace(-1.5, 1.5, 301):
        for last in (model.coef_[0, 1], (sign[1] - base) / 1e14):
            coef = np.array([(sign[0] - base - X[0, 1] * last) / 1e3, last])
            best = min(best, hinge_in_fractions(X, y, weight, coef, base))
    assert value <= best * (1 + 1e-6) or not certified


def test_hinges_without_a_column_that_varies():
    model = HingeClassifier().fit(np.ones((5, 1)), [0, 1, 3, 2, 4])
    assert model.optimality_ <= model.tol
    assert_array_equal(model.coef_, np.zeros((5, 1)))
    assert_allclose(model.intercept_, -np.ones(5), rtol=1e-12)


def test_the_coordinates_of_far_rows_are_those_of_the_answer():
    """Two rows of 1e15 beside others of 1e9 decide; carried over to coordinates of the others a direction was lost.

    Whether the gradient can be certified depends on how a processor rounds its sums; the fit does not.
    """
    X = np.array([
        [0.5, 3e9], [-0.7, 2e9], [-4e5, -1e15], [0.5, 3e9], [4e4, 2e15], [-0.2, -2e9], [0.2, -2e8],
        [-0.003, 3e9], [0.01, 7e9], [0.3, 9e7],
    ])  # fmt: skip
    y = np.array([0, 0, 2, 0, 1, 0, 1, 0, 2, 0])
    model = HingeClassifier(alpha=0.0, squared=True)
    fitted(model, X, y)
    # by Newton's method in extended precision
    assert objective(model, X, y) <= 12.2765910065 * (1 + 1e-7)


def test_the_nearest_coefficients_have_columns_of_any_size():
    transform = np.array([[0.0, 4.0, -1.5], [3.5e-15, -9e-11, 7e-11], [0.0, 0.0, 1.3e5]])
    u = np.array([3e3, -2.0, 1e-4])
    found = Coordinates(np.zeros(3), transform).solver(transform @ u)
    assert_allclose(found, u, rtol=1e-9)


def test_a_coefficient_of_a_column_of_zeros_excuses_no_residual():
    """Beside columns of 1e18 it was -2e7, and rounding in proportion to it hid that the constant is the fit."""
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(size=(44, 5))) * 2e10 + [8e12, 0.0, -1.4e18, -3.3e18, -8e12]
    X[:, 1] = 0.0
    for seed in range(20):
        y = np.full(44, np.random.default_rng(seed).normal())
        model = L1Regressor(alpha=1.1).fit(X, y)
        assert np.abs(y - model.predict(X)).max() <= 1e-12 * np.abs(y[0])


@pytest.mark.parametrize("every", [11, 16, 25, 32, 64])
@pytest.mark.parametrize("n", [60, 400, 1000, 3000])
def test_rows_far_out_at_even_distances_are_found(n, every):
    """The few rows that say that none is far out are drawn by chance: no period hits them alone."""
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 3))
    X[::every, 1] *= 1e12
    _, _, far = prepare_beside_far_rows(X, (X[:, 0] > 0).astype(float))
    assert far is not None
    assert_array_equal(far.rows, np.arange(0, n, every))
    X[::every, 1] /= 1e12
    X[:, 2] = np.arange(n) == n // 2  # one sample: most entries are alike
    assert prepare_beside_far_rows(X, (X[:, 0] > 0).astype(float))[2] is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["hinge", "squared hinge", "logistic"])
def test_far_rows_that_are_many_of_few(name, seed):
    """One to four of 6 to 12 rows are far: the others are the majority, and decide."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 13)), int(rng.integers(1, 20))
    X, y = rng.normal(size=(n, p)), (rng.random(n) < 0.5).astype(int)
    y[:2] = 0, 1
    far = rng.choice(n, int(rng.integers(1, 1 + 2 * n // 5)), replace=False)
    near = np.array(X)
    for i in far:
        X[i, 0] *= 1e8
        near[i, 0] = np.clip(X[i, 0], -1e5, 1e5)
    model = clone(MODELS[name]).set_params(alpha=1e-3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y)
    value = objective(model, X, y, np.ones(n))
    # rows at 1e5 are as little felt where they are on the right side; their fit need not be better than the comparison
    model.set_params(tol=1e-7).fit(near, y)
    assert told or value <= objective(model, X, y, np.ones(n)) * (1 + 1e-6)


@pytest.mark.parametrize("far", [1e7, 1e12, 1e16])
@pytest.mark.parametrize(
    "penalty",
    [{"l1_ratio": 0.5}, {"positive": True}, {"penalty_weights": [1.0, 2.0, 1.0]}],
    ids=str,
)
@pytest.mark.parametrize("name", ["hinge", "squared hinge", "logistic"])
def test_a_column_that_only_a_far_row_has_beside_penalties_of_single_columns(name, penalty, far):
    """Beside these no columns are combined, though the other rows tell fewer apart: it was an IndexError."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(200, 2)), np.zeros(200)])
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    X[7, 1:] = far, 1.0
    model, others = (clone(MODELS[name]).set_params(**penalty) for _ in range(2))
    rest = np.arange(200) != 7
    assert fitted(others, X[rest], y[rest])
    if "positive" in penalty:  # a coefficient of the far entry could only hurt
        assert fitted(others, X[:, :1], y)
        others.coef_ = np.append(others.coef_, [[0.0, 0.0]], axis=1)
    assert fitted(model, X, y)
    # else the others put the far row on its side, and need no coefficient of a column that they do not have
    assert_allclose(model.coef_, others.coef_, rtol=1e-6, atol=1e-9)
    assert_allclose(model.intercept_, others.intercept_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["hinge", "squared hinge", "logistic", "multinomial"])
@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_a_constant_column_hides_no_far_entry(name, constant):
    """Of such a column nothing is typical: fits beside it were certified above their minimum."""
    certified = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.normal(size=(40, 2)), np.full(40, constant)])
        score = X[:, 0] + 0.5 * rng.normal(size=40)
        y = np.digitize(score, [-0.5, 0.5] if name == "multinomial" else [0.0])
        X[3, 1] = 1e17 * rng.choice([-1, 1])
        model = clone(MODELS["logistic" if name == "multinomial" else name])
        _, _, far = prepare_beside_far_rows(X, y)
        assert far is not None and far.rows.tolist() == [3]
        near = X.copy()
        near[3, 1] *= 1e-11
        best = clone(model)
        assert fitted(best, near, y)
        if fitted(model, X, y):
            certified += 1
            value = objective(model, X, y, np.ones(40))
            assert value <= objective(best, near, y, np.ones(40)) * (1 + 1e-5)
    assert certified >= 4


def test_an_entry_far_out_in_a_column_that_two_rows_have():
    """Half of the entries of the column are far out, and the other row needs its coefficient."""
    X = np.zeros((6, 5))
    X[0, 1], X[1, 2], X[2, 4], X[4, 4], X[5, 1] = -4e14, 1.0, 1.0, 1.0, 1.0
    y = np.array([0, 1, 2, 1, 0, 2])
    model = LogisticClassifier()
    assert fitted(model, X, y)
    # by Newton's method in 96 digits
    assert_allclose(exact_objective(model, X, y), 4.515433531987075, rtol=1e-7)


def test_slopes_of_far_rows_of_several_classes_that_rounding_hides():
    """Certified 4 % above the minimum before, by a Newton decrement in which rows far out had all the curvature."""
    X = np.array(
        [
            [1.3, -0.26, 1.4, -1.4], [-0.48, 0.48, 0.47, -1.6], [-1.2, 6.9e-4, -0.24, -0.93],
            [-0.22, -1.0, -0.43, -0.024], [0.56, 0.23, -2.4, 0.73], [-0.64, 0.13, -0.75, 2.7],
            [-4.2e15, -1e9, -0.35, -0.25], [-1.3e13, 1.5e9, -0.79, -0.46], [1.6, 0.17, -0.4, -0.26],
            [-1.8, -0.18, -1.2, 1.1], [-0.27, -0.36, -0.39, -1.3], [1.2, -0.41, 1.6, -0.46],
            [4.8e7, -2e10, 1.1, -0.27], [0.18, 0.36, 0.25, 0.1], [-1.2, 1.4, -1.2, -0.43],
            [0.1, 0.67, -0.15, -1.0], [0.95, 0.26, -1.6, -1.2], [1.9, -0.6, -1.8, 0.49],
            [0.37, -1.1, 0.98, -0.13], [-0.65, 0.87, -0.34, -0.67], [-0.85, -0.82, 0.75, 0.88],
            [1.1, 0.99, -2.6, -0.77],
        ]
    )  # fmt: skip
    y = np.array([3, 0, 1, 0, 3, 3, 1, 0, 0, 3, 0, 0, 2, 2, 2, 2, 3, 3, 2, 2, 1, 3])
    model = LogisticClassifier(solver="newton-cg")
    certified = fitted(model, X, y)
    # by Newton's method in 96 digits
    assert not certified or exact_objective(model, X, y) <= 20.151542504833603 * (1 + 1e-7)


def test_far_rows_of_several_classes_that_contradict_each_other():
    """In coordinates of all rows the others are rounded to seven digits: a step of theirs is certified.

    That is so in three tables of four at least: where the fit to all rows ends depends on the last digits.
    """
    # by Newton's method in 96 digits
    least = {
        0: 18.019961181433793, 9: 19.55179332068282, 14: 20.084732024129565, 21: 19.462512359200954
    }  # fmt: skip
    certified = []
    for seed, value in least.items():
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(20, 3)), rng.integers(3, size=20)
        y[:3] = 0, 1, 2
        X[0] = 1e11 * rng.normal(size=3)
        X[1], X[2:, 2] = X[0], 5.0
        model = LogisticClassifier(alpha=0.05)
        if fitted(model, X, y):
            certified.append(seed)
            assert_allclose(exact_objective(model, X, y), value, rtol=1e-9)
    assert len(certified) >= 3


def test_separated_classes_beside_a_far_row_leave_no_loss():
    """What is relative to a loss of zero was divided by it."""
    rng = np.random.default_rng(19)
    X = rng.normal(size=(8, 3))
    X[:, 0], X[0, 0] = X[:, 1] + 1e-9 * rng.normal(size=8), -1e13
    y = np.arange(8) % 2
    model = HingeClassifier(squared=True, alpha=0.0)
    certified = fitted(model, X, y)
    assert not certified or exact_objective(model, X, y) <= 1e-12


def test_a_fit_that_was_broken_off_leaves_no_far_rows_to_the_next(monkeypatch):
    X, y = table(1e12, 0)
    X, y, model = X[::-1], y[::-1], LogisticClassifier()
    with monkeypatch.context() as broken:
        broken.setattr(LogisticClassifier, "_store", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.fit(X, y)
    rng = np.random.default_rng(1)
    near, labels = rng.standard_normal((40, X.shape[1])), np.repeat(np.unique(y), 20)
    model.fit(near, labels)
    assert_array_equal(model.coef_, LogisticClassifier().fit(near, labels).coef_)
