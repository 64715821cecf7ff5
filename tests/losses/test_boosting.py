"""Losses as objectives of gradient boosting: gradient, curvature, scale, and what is refused."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

from robustreg.losses import (
    LOSSES,
    CrossEntropy,
    Focal,
    Huber,
    Logistic,
    ResidualLoss,
    SeparableLoss,
    boosting_link,
    boosting_objective,
    catboost_objective,
)

SERVED = {
    name: loss
    for name, loss in LOSSES.items()
    if issubclass(loss, SeparableLoss) and loss().target.single
}
RESIDUAL = [name for name, loss in SERVED.items() if issubclass(loss, ResidualLoss)]
SEVERAL = ["cross_entropy", "multiclass_hinge", "focal", "poly"]
TWO = ["logistic", "hinge", "squared_hinge", "focal", "poly"]


def rows(name, n=60):
    """Return labels or targets as a boosting library passes them, and raw predictions."""
    rng = np.random.default_rng(0)
    if name in RESIDUAL:
        return 3.0 * rng.standard_t(2, n), rng.normal(size=n)
    if name in TWO:
        return rng.integers(2, size=n), 2.0 * rng.normal(size=n)
    return rng.integers(3, size=n), 2.0 * rng.normal(size=(n, 3))


def test_every_loss_of_one_number_a_row_is_served():
    assert {"huber", "tukey", "pinball", "logistic", "focal", "cross_entropy"} <= set(SERVED)
    assert set(SERVED) == {*RESIDUAL, *TWO, *SEVERAL}


@pytest.mark.parametrize("name", SERVED)
def test_gradient_is_that_of_the_loss_and_curvature_is_positive(name):
    y, raw = rows(name)
    gradient, curvature = boosting_objective(name, scale=1.0)(y, raw)
    loss = LOSSES[name]()
    target = 2.0 * y - 1.0 if name in ("hinge", "squared_hinge") else y
    _, expected = loss(target, raw, reduction="sum", return_gradient=True)
    assert_array_equal(gradient, expected)
    assert curvature.shape == raw.shape
    assert (curvature > 0).all()


@pytest.mark.parametrize("name", SERVED)
def test_weights_multiply_both(name):
    y, raw = rows(name)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    objective = boosting_objective(name, scale=1.0)
    plain, weighted = objective(y, raw), objective(y, raw, sample_weight=weight)
    each = weight if raw.ndim == 1 else weight[:, None]
    for one, other in zip(plain, weighted, strict=True):
        assert_allclose(other, one * each, rtol=1e-12, atol=2e-6)


@pytest.mark.parametrize("name", [n for n in RESIDUAL if LOSSES[n]().kinks(0.0) is None])
def test_step_of_one_leaf_never_raises_a_loss_of_residuals(name):
    """A Newton step on a constant, as a tree without splits takes it."""
    rng = np.random.default_rng(2)
    objective, loss = boosting_objective(name, scale=1.0), LOSSES[name]()
    for spread in (0.3, 1.0, 5.0, 30.0):
        y, raw = spread * rng.standard_t(2, 50), np.zeros(50)
        before = loss(y, raw)
        gradient, curvature = objective(y, raw + 1e-9 * np.arange(50))
        after = loss(y, raw - gradient.sum() / curvature.sum())
        # of the second derivative where it is at least half of the weight: twice the safe step
        assert after <= before * (1 + 1e-12)


def test_logistic_and_cross_entropy_are_the_textbook_ones():
    y, raw = rows("logistic")
    p = expit(raw)
    gradient, curvature = boosting_objective("logistic")(y, raw)
    assert_allclose(gradient, p - y, atol=1e-15)
    assert_allclose(curvature, p * (1 - p), rtol=1e-12)
    y, raw = rows("cross_entropy")
    p = softmax(raw, axis=1)
    gradient, curvature = boosting_objective(CrossEntropy())(y, raw)
    assert_allclose(gradient, p - np.eye(3)[y], atol=1e-15)
    assert_allclose(curvature, 1.5 * p * (1 - p), rtol=1e-10)


def test_curvature_of_huber_is_one_inside_and_the_weight_outside():
    y, raw = np.zeros(4), np.array([0.0, 1.0, -2.0, 8.0])
    gradient, curvature = boosting_objective(Huber(1.0), scale=1.0)(y, raw)
    assert gradient.tolist() == [0.0, 1.0, -1.0, 1.0]
    assert curvature.tolist() == [1.0, 1.0, 0.5, 0.125]


def test_scale_is_found_at_the_start_of_each_run():
    rng = np.random.default_rng(0)
    y = rng.normal(size=1001)
    objective = boosting_objective("huber")
    objective(y, np.zeros(1001))
    assert objective.scale_ == pytest.approx(1.0, abs=0.1)
    first = objective.scale_
    objective(y, y + 1e-3 * rng.normal(size=1001))  # later rounds keep it
    assert objective.scale_ == first
    objective(1e4 * y, np.zeros(1001))
    assert objective.scale_ == pytest.approx(1e4 * first, rel=1e-12)


def test_gradient_follows_the_units_of_y():
    y, raw = rows("tukey", n=200)
    small, large = boosting_objective("tukey"), boosting_objective("tukey")
    one, other = small(y, 0 * raw), large(1e3 * y, 0 * raw)
    assert_allclose(other[0], 1e3 * one[0], rtol=1e-9, atol=1e-9)
    assert_allclose(other[1], one[1], rtol=1e-9, atol=1e-9)


def test_objectives_pickle_with_their_state():
    y, raw = rows("huber")
    objective = boosting_objective("huber")
    expected = objective(y, 0 * raw)
    again = pickle.loads(pickle.dumps(objective))
    assert again.scale_ == objective.scale_
    for one, other in zip(expected, again(y, 0 * raw), strict=True):
        assert_array_equal(one, other)


def test_catboost_form_has_the_other_sign():
    y, raw = rows("focal")
    gradient, curvature = boosting_objective("focal")(y, raw)
    pairs = np.array(catboost_objective("focal").calc_ders_range(raw, y, None))
    assert_array_equal(pairs, np.column_stack([-gradient, -curvature]))
    y, raw = rows("cross_entropy")
    gradient, curvature = boosting_objective("cross_entropy")(y, raw)
    first, second = catboost_objective("cross_entropy").calc_ders_multi(raw[0], y[0], 2.0)
    assert_allclose(first, -2.0 * gradient[0], rtol=1e-14)
    assert_allclose(second, np.diag(-2.0 * curvature[0]), rtol=1e-14)


@pytest.mark.parametrize("name", ["logistic", "focal", "poly", "cross_entropy"])
def test_link_gives_probabilities(name):
    raw = rows(name)[1]
    probability = boosting_link(name)(raw)
    assert probability.shape == (len(raw), 2 if raw.ndim == 1 else 3)
    assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-14)
    assert_allclose(
        probability[:, -1], expit(raw) if raw.ndim == 1 else softmax(raw, axis=1)[:, -1]
    )


@pytest.mark.parametrize("name", ["dice", "kl_divergence", "multilabel", "triplet", "ge2e"])
def test_losses_that_are_no_sum_over_numbers_are_refused(name):
    with pytest.raises(ValueError, match=f"{type(LOSSES[name]()).__name__} cannot be boosted"):
        boosting_objective(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boosting_objective("bad name"), "loss must be a name in LOSSES"),
        (lambda: boosting_objective(Huber), "loss must be a name in LOSSES or a loss object"),
        (lambda: boosting_objective(Logistic(from_logits=False)), "from_logits=False"),
        (lambda: boosting_objective(Huber(-1.0)), "delta"),
        (
            lambda: boosting_objective("huber", scale=0.0),
            "scale must be 'mad' or a positive number",
        ),
        (lambda: boosting_objective("huber", scale="iqr"), "scale must be"),
        (lambda: boosting_objective("huber", scale=True), "scale must be"),
        (lambda: boosting_objective("huber")(np.zeros(9), np.zeros(9)), "More than half"),
        (lambda: boosting_link("hinge"), "Hinge are no logits"),
        (lambda: boosting_link("huber"), "Huber are no logits"),
        (lambda: boosting_objective(Focal())(np.full(3, 2), np.zeros(3)), "0, 1"),
        (lambda: boosting_objective("hinge")(np.arange(3), np.zeros((3, 3))), "same shape"),
    ],
)
def test_errors_name_the_cause(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_redescending_loss_says_so_where_it_cannot_begin():
    y = 1000.0 + np.random.default_rng(0).normal(size=100)
    with pytest.raises(ValueError, match=r"Start at the median of y.*init_score"):
        boosting_objective("tukey")(y, np.zeros(100))
    boosting_objective("tukey")(y - np.median(y), np.zeros(100))
