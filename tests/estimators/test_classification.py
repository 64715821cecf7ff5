"""The classifiers find the optima that they promise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
    RobustClassifier,
)
from robustreg.losses import Hinge, MulticlassHinge
from tests.estimators._classification import (
    blobs,
    dice_objective,
    golden,
    golden_case,
    imbalanced,
    objective,
    scores,
)

ALL = [
    LogisticClassifier(alpha=0.3),
    HingeClassifier(alpha=0.3),
    HingeClassifier(alpha=0.3, squared=True),
    HingeClassifier(alpha=0.3, multi_class="crammer_singer"),
    FocalClassifier(alpha=0.3),
    PolyClassifier(alpha=0.3),
]


@pytest.mark.parametrize("name", golden()["optima"])
def test_certified_optimum(name):
    X, y, weight, model, factor = golden_case(name)
    expected = golden()["optima"][name]
    model.fit(X, y, sample_weight=weight)
    assert model.optimality_ <= 1e-8
    assert_allclose(factor * objective(model, X, y, weight), expected["objective"], rtol=1e-9)
    coef, intercept = model.coef_, model.intercept_
    if "intercept_penalised" in name:
        coef, intercept = coef[:, :-1], coef[:, -1]
    assert_allclose(np.squeeze(coef), expected["coef"], rtol=1e-7, atol=1e-9)
    if expected["intercept"] is not None:
        assert_allclose(np.squeeze(intercept), expected["intercept"], rtol=1e-7)
    if len(coef) > 1:
        assert_allclose(coef.sum(axis=0), 0.0, atol=1e-12)
        assert_allclose(np.sum(intercept), 0.0, atol=1e-12)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic_is_scikit_learns(load, alpha, fit_intercept):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    weight = np.random.default_rng(0).uniform(0.1, 3.0, len(y))
    ours = LogisticClassifier(alpha=alpha, fit_intercept=fit_intercept)
    theirs = LogisticRegression(
        C=1 / alpha, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    ours.fit(X, y, sample_weight=weight)
    theirs.fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-8)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-8)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)
    f = scores(ours, X)
    f = f if f.shape[1] > 1 else np.hstack([0 * f, f])
    logs = f - logsumexp(f, axis=1, keepdims=True)
    assert_allclose(ours.predict_log_proba(X), logs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_hinge_is_the_support_vector_machine(load, alpha):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = HingeClassifier(alpha=alpha).fit(X, y)
    classes = model.classes_ if len(model.classes_) > 2 else model.classes_[1:]
    for k, label in enumerate(classes):
        one = (y == label).astype(int)
        theirs = SVC(kernel="linear", C=1 / alpha, tol=1e-8).fit(X, one)
        alone = HingeClassifier(alpha=alpha).fit(X, one)
        assert_allclose(alone.coef_[0], model.coef_[k], rtol=1e-12, atol=1e-12)
        # Theirs ends near the optimum only; which of the two is lower tells who is.
        assert_allclose(alone.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
        ours = objective(alone, X, one)
        theirs.alpha, theirs.squared = alpha, False
        alone.coef_, alone.intercept_ = theirs.coef_, theirs.intercept_
        assert ours <= objective(alone, X, one) * (1 + 1e-12)


def test_linear_svc_is_stuck_above_where_this_one_ends():
    # scikit-learn's issue 22283: after 1e7 iterations it still depends on the random state.
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(80, 4)), np.ones((80, 1))])
    y = (X @ [1.0, -1.0, 0.5, 0.0, 0.2] + 2 * rng.normal(size=80) > 0).astype(int)
    model = HingeClassifier(alpha=0.1, fit_intercept=False).fit(X, y)
    assert model.optimality_ < 1e-14
    best = objective(model, X, y)
    for step in np.random.default_rng(1).normal(size=(200, 5)):
        other = clone(model).fit(X, y)
        other.coef_ = model.coef_ + 1e-3 * step
        assert objective(other, X, y) >= best


@pytest.mark.parametrize(
    ("n", "k", "alpha", "seed"), [(300, 6, 0.1, 321), (200, 6, 0.01, 935), (300, 10, 0.1, 66)]
)
def test_ties_that_an_interior_point_leaves_open(n, k, alpha, seed):
    # Pixels that hardly vary: some shares and slacks are both nearly zero where the search ends.
    X, y = load_digits(return_X_y=True)
    keep = np.random.default_rng(seed).permutation(np.flatnonzero(y < k))[:n]
    X = StandardScaler().fit_transform(X[keep])
    model = HingeClassifier(alpha=alpha, multi_class="crammer_singer").fit(X, y[keep])
    assert model.optimality_ < 1e-10


@pytest.mark.parametrize("alpha", [1.0, 0.01])
@pytest.mark.parametrize("seed", [3, 5])
def test_squared_hinge_of_rows_far_out(seed, alpha):
    rng = np.random.default_rng(seed)
    X = np.exp(3 * rng.normal(size=(2000, 4)))
    z = X @ [1.0, 2.0, 3.0, 4.0] + rng.normal(size=2000)
    model = HingeClassifier(squared=True, alpha=alpha).fit(X, z > np.quantile(z, 0.99))
    assert model.optimality_ <= model.tol
    assert model.n_iter_ < 200


def test_middle_of_equally_good_intercepts():
    # Two classes at -1 and 1 and a penalty so strong that all rows lie inside the margin.
    X, y = np.array([[-1.0], [1.0]]), [0, 1]
    model = HingeClassifier(alpha=10.0).fit(X, y)
    assert_allclose(model.coef_, [[0.2]], rtol=1e-12)
    assert_allclose(model.intercept_, [0.0], atol=1e-12)
    shifted = HingeClassifier(alpha=10.0).fit(X + 5.0, y)
    assert_allclose(shifted.intercept_, [-1.0], rtol=1e-12)
    # By hand: with coefficient 0.2 and intercept b the loss is flat for b in [-0.8, 0.8].
    flat = [
        np.maximum(0, 1 - np.array([-1, 1]) * (0.2 * X[:, 0] + b)).sum() for b in (-0.8, 0, 0.8)
    ]
    assert_allclose(flat, flat[0])


@pytest.mark.parametrize(
    "model", [model for model in ALL if getattr(model, "multi_class", "") != "ovr"], ids=str
)
def test_scores_of_several_classes_sum_to_zero(model):
    X, y, weight = blobs(k=4)
    model = clone(model).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-12)
    assert_allclose(model.intercept_.sum(), 0.0, atol=1e-12)


def test_who_knows_no_probabilities_offers_none():
    for model in (*ALL, DiceClassifier()):
        known = not isinstance(model, HingeClassifier | DiceClassifier)
        assert hasattr(model, "predict_proba") == hasattr(model, "predict_log_proba") == known


@pytest.mark.parametrize("loss", ["focal", "poly"])
@pytest.mark.parametrize("k", [2, 4])
def test_bent_losses_meet_cross_entropy(loss, k):
    X, y, weight = blobs(k=k)
    plain = LogisticClassifier(alpha=0.1).fit(X, y, sample_weight=weight)
    model = FocalClassifier(gamma=0.0) if loss == "focal" else PolyClassifier(epsilon=0.0)
    model.set_params(alpha=0.1).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.intercept_, plain.intercept_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-8)


@pytest.mark.parametrize("model", ALL, ids=str)
@pytest.mark.parametrize("k", [2, 3])
def test_weights_are_repetitions(model, k):
    X, y, _ = blobs(k=k)
    count = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = clone(model).fit(X, y, sample_weight=count)
    repeated = clone(model).fit(np.repeat(X, count, axis=0), np.repeat(y, count))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", ALL, ids=str)
def test_class_weights_are_weights(model):
    X, y, weight = blobs()
    names = np.array(["a", "b", "c"])[y]
    factors = {"a": 2.0, "c": 0.5}
    with_dict = clone(model).set_params(class_weight=factors).fit(X, names, sample_weight=weight)
    rows = weight * np.array([2.0, 1.0, 0.5])[y]
    weighted = clone(model).fit(X, y, sample_weight=rows)
    # Sums of weights, and with them weights, differ by a few roundings, and so gradients by as many shares of the pulls;
    # curvature is at least alpha.
    bound = 8 * np.finfo(float).eps * np.abs(X).max(axis=1) / model.alpha
    assert_allclose(with_dict.coef_, weighted.coef_, rtol=0, atol=bound @ rows)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y, sample_weight=weight)
    rows = weight * (weight.sum() / 3 / np.bincount(y, weight))[y]
    weighted = clone(model).fit(X, y, sample_weight=rows)
    assert_allclose(balanced.coef_, weighted.coef_, rtol=0, atol=bound @ rows)


def test_several_labels_are_binary_fits():
    X, _, weight = blobs(n=200)
    rng = np.random.default_rng(3)
    Y = (X + rng.normal(size=X.shape) > 0).astype(int)[:, :3]
    model = LogisticClassifier(class_weight="balanced").fit(X, Y, sample_weight=weight)
    assert [c.tolist() for c in model.classes_] == [[0, 1]] * 3
    assert model.predict(X).shape == model.predict_proba(X).shape == Y.shape
    for k in range(3):
        alone = LogisticClassifier(class_weight="balanced").fit(X, Y[:, k], sample_weight=weight)
        assert_allclose(model.coef_[k], alone.coef_[0], rtol=1e-9)
        assert_allclose(model.predict_proba(X)[:, k], alone.predict_proba(X)[:, 1], rtol=1e-9)
        assert (model.predict(X)[:, k] == alone.predict(X)).all()


def test_two_classes_of_crammer_singer_are_a_hinge():
    X, y, weight = blobs(k=2)
    both = HingeClassifier(alpha=2.0, multi_class="crammer_singer").fit(X, y, sample_weight=weight)
    # The norm of two opposite vectors of scores is half that of their difference.
    one = HingeClassifier(alpha=1.0).fit(X, y, sample_weight=weight)
    assert_allclose(both.coef_, one.coef_, rtol=1e-8)
    assert_allclose(both.intercept_, one.intercept_, rtol=1e-8)


def test_two_classes_with_weight_of_a_loss_of_all_classes():
    X, y, weight = blobs(k=3)
    weight = np.where(y == 2, 0.0, weight)
    both = RobustClassifier(MulticlassHinge(margin=0.5), alpha=2.0).fit(X, y, sample_weight=weight)
    kept = y < 2
    one = RobustClassifier(Hinge(margin=0.5), alpha=1.0).fit(
        X[kept], y[kept], sample_weight=weight[kept]
    )
    assert_allclose(both.coef_[1] - both.coef_[0], one.coef_[0], rtol=1e-8)
    assert_allclose(both.intercept_[1] - both.intercept_[0], one.intercept_[0], rtol=1e-8)


@pytest.mark.parametrize("model", ALL, ids=str)
@pytest.mark.parametrize("k", [2, 3])
def test_answer_does_not_depend_on_the_start(model, k):
    X, y, weight = blobs(k=k)
    cold = clone(model).fit(X, y, sample_weight=weight)
    warm = clone(model).set_params(warm_start=True).fit(X, 1 - y if k == 2 else (y + 1) % 3)
    warm.fit(X, y, sample_weight=weight)
    assert_allclose(warm.coef_, cold.coef_, rtol=1e-7, atol=1e-9)


PUBLIC = [load_breast_cancer, load_iris, load_wine]


@pytest.mark.parametrize("load", PUBLIC)
@pytest.mark.parametrize(
    "model", [FocalClassifier(), FocalClassifier(gamma=5.0), PolyClassifier(epsilon=5.0)], ids=str
)
def test_no_random_start_ends_lower(model, load):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    best = objective(clone(model).fit(X, y), X, y)
    rng = np.random.default_rng(0)
    started = clone(model).set_params(warm_start=True, max_iter=1000).fit(X, y)
    shape = started.coef_.shape
    for _ in range(20):
        started.coef_ = 2.0 * rng.normal(size=shape)
        started.intercept_ = 2.0 * rng.normal(size=shape[0])
        started.coef_ -= started.coef_.mean(axis=0) if shape[0] > 1 else 0.0
        started.fit(X, y)
        assert objective(started, X, y) >= best - 1e-8


def test_dice_is_the_best_of_random_starts():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    one = np.ones(len(y))
    model = DiceClassifier().fit(X, y)
    best = dice_objective(model.coef_[0], model.intercept_[0], X, y, one, 1.0, 1.0)
    rng = np.random.default_rng(0)
    started = DiceClassifier(warm_start=True).fit(X, y)
    for _ in range(20):
        started.coef_ = 2.0 * rng.normal(size=(1, 30))
        started.intercept_ = 2.0 * rng.normal(size=1)
        started.fit(X, y)
        other = dice_objective(started.coef_[0], started.intercept_[0], X, y, one, 1.0, 1.0)
        assert other >= best - 1e-8


def test_dice_minimises_its_formula():
    X, y = imbalanced(n=600, rare=0.1)
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    model = DiceClassifier(alpha=0.5, smooth=2.0).fit(X, y, sample_weight=weight)

    def value(theta):
        return dice_objective(theta[:-1], theta[-1], X, y, weight, 0.5, 2.0)

    theta = np.append(model.coef_[0], model.intercept_)
    found = minimize(value, theta, method="BFGS", options={"gtol": 1e-6})
    assert value(theta) <= found.fun + 1e-9
    step = 1e-5 * np.eye(len(theta))
    gradient = [(value(theta + h) - value(theta - h)) / 2e-5 for h in step]
    assert_allclose(gradient, 0.0, atol=1e-6)
    repeated = DiceClassifier(alpha=0.5, smooth=2.0)
    repeated.fit(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int)))
    assert_allclose(model.coef_, repeated.coef_, rtol=1e-7)
    assert_allclose(model.intercept_, repeated.intercept_, rtol=1e-7)


@pytest.mark.parametrize("k", [2, 4])
def test_kl_on_certain_rows_is_multinomial(k):
    X, y, weight = blobs(k=k)
    model = KLRegressor(alpha=0.2).fit(X, np.eye(k)[y], sample_weight=weight)
    if k == 2:  # one score of two classes is the difference of two opposite ones
        plain = LogisticClassifier(alpha=0.1).fit(X, y, sample_weight=weight)
        assert_allclose(model.coef_[1] - model.coef_[0], plain.coef_[0], rtol=1e-8)
    else:
        plain = LogisticClassifier(alpha=0.2).fit(X, y, sample_weight=weight)
        assert_allclose(model.coef_, plain.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.predict(X), plain.predict_proba(X), rtol=1e-8)


def test_kl_recovers_distributions():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(300, 3)), rng.normal(size=(3, 4))
    Q = np.exp(X @ W)
    Q /= Q.sum(axis=1, keepdims=True)
    model = KLRegressor(alpha=0.0).fit(X, Q)
    assert_allclose(model.predict(X), Q, rtol=1e-8)
    assert_allclose(model.coef_, (W - W.mean(axis=1, keepdims=True)).T, atol=1e-8)
    assert_allclose(model.intercept_, 0.0, atol=1e-8)


@pytest.mark.parametrize(
    "model",
    [FocalClassifier(gamma=3.0, alpha=0.0), PolyClassifier(epsilon=5.0, alpha=0.0)],
    ids=str,
)
@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_are_calibrated_where_a_sigmoid_is_not(model, k):
    # Rows come in few kinds with known probabilities, and the model can give each its own score.
    rng = np.random.default_rng(0)
    kinds, n = 4, 6000
    truth = 0.3 / k + 0.7 * rng.dirichlet(np.ones(k), size=kinds)
    kind = np.arange(n) % kinds
    y = np.array([rng.choice(k, p=truth[i]) for i in kind])
    X = np.eye(kinds)[kind]
    model = clone(model).fit(X, y)
    share = np.array([np.bincount(y[kind == i], minlength=k) / (n / kinds) for i in range(kinds)])
    assert_allclose(model.predict_proba(np.eye(kinds)), share, atol=1e-6)
    raw = scores(model, np.eye(kinds))
    naive = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    naive = np.hstack([1 - expit(raw), expit(raw)]) if k == 2 else naive
    assert np.abs(naive - share).max() > 0.03
    assert (model.predict(np.eye(kinds)) == share.argmax(axis=1)).all()


@pytest.mark.parametrize(
    "model",
    [FocalClassifier(gamma=g) for g in (0.5, 2.0, 10.0)]
    + [PolyClassifier(epsilon=e) for e in (-1.0, -0.5, 1.0, 50.0)],
    ids=str,
)
def test_probability_grows_with_the_score(model):
    model = clone(model).fit([[-1.0], [1.0]], [0, 1])
    model.coef_, model.intercept_ = np.ones((1, 1)), np.zeros(1)
    z = np.concatenate([np.linspace(-40, 40, 4001), [-1e300, 1e300]])
    z.sort()
    p = model.predict_proba(z[:, None])
    assert np.isfinite(p).all()
    assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    assert (np.diff(p[:, 1]) >= 0).all()
    assert p[0, 1] == 0.0
    assert p[-1, 1] == 1.0
    assert_allclose(model.predict_proba([[0.0]]), [[0.5, 0.5]])


def test_focal_class_alpha_acts_as_weights_of_classes():
    X, y, _ = blobs(k=2)
    ours = FocalClassifier(class_alpha=0.75, alpha=1.0).fit(X, y)
    same = FocalClassifier(class_weight={0: 0.25, 1: 0.75}, alpha=1.0).fit(X, y)
    assert_allclose(ours.coef_, same.coef_, rtol=1e-9)
    assert_allclose(ours.predict_proba(X), same.predict_proba(X), rtol=1e-9)
    X, y, _ = blobs(k=3)
    ours = FocalClassifier(class_alpha=[1.0, 2.0, 0.5]).fit(X, y)
    same = FocalClassifier(class_weight={0: 1.0, 1: 2.0, 2: 0.5}).fit(X, y)
    assert_allclose(ours.coef_, same.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["newton", "newton-cg", "lbfgs"])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("cls", [LogisticClassifier, FocalClassifier, PolyClassifier])
def test_solvers_agree(cls, k, solver):
    X, y, weight = blobs(k=k)
    expected = cls().fit(X, y, sample_weight=weight).coef_
    model = cls(solver=solver, max_iter=2000).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_, expected, rtol=1e-7, atol=1e-9)


def test_few_rows_of_many_classes():
    """Fewer than are read in one run, and more classes than Hessians are made for."""
    X = np.random.default_rng(0).normal(size=(90, 3))
    model = LogisticClassifier().fit(X, np.arange(90) % 30)
    assert model.optimality_ <= model.tol
