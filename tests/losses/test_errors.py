"""What is refused, by a ValueError that names the argument, and what is answered by infinity."""

import numpy as np
import pytest

from robustreg import losses as L

Y, P = np.array([0.0, 1.0]), np.array([0.3, 0.6])
Z = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
E = np.array([[1.0, 0.0], [0.0, 1.0]])
G = np.arange(1.0, 13.0).reshape(2, 3, 2)

REFUSED = {
    "shapes": (lambda: L.huber_loss([1.0, 2.0], [1.0]), "y_true and y_pred must have the same"),
    "column": (lambda: L.l2_loss([1.0, 2.0], [[1.0], [2.0]]), "same shape"),
    "nan": (lambda: L.l1_loss([1.0, np.nan], [1.0, 2.0]), "y_true contains NaN"),
    "infinity": (lambda: L.l1_loss([1.0, 2.0], [1.0, np.inf]), "y_pred contains NaN or infinity"),
    "empty": (lambda: L.l1_loss([], []), "y_true is empty"),
    "scalar": (lambda: L.l1_loss(1.0, 2.0), "y_true must have at least one dimension"),
    "text": (lambda: L.l1_loss(["a"], [1.0]), "y_true must hold real numbers"),
    "complex": (lambda: L.l1_loss([1j], [1.0]), "y_true must hold real numbers"),
    "ragged": (lambda: L.l1_loss([[1.0], [1.0, 2.0]], [1.0]), "y_true must hold real numbers"),
    "reduction": (lambda: L.l1_loss(Y, P, reduction="avg"), "reduction must be one of"),
    "weight_shape": (lambda: L.l1_loss(Y, P, sample_weight=[1.0]), "sample_weight must have"),
    "weight_column": (lambda: L.l1_loss(Y, P, sample_weight=[[1.0], [1.0]]), "sample_weight must"),
    "weight_sign": (lambda: L.l1_loss(Y, P, sample_weight=[1.0, -1.0]), "sample_weight must not"),
    "weight_nan": (lambda: L.l1_loss(Y, P, sample_weight=[1.0, np.nan]), "sample_weight contains"),
    "weight_zero": (lambda: L.l1_loss(Y, P, sample_weight=[0.0, 0.0]), "sample_weight must have a"),
    "delta": (lambda: L.huber_loss(Y, P, delta=0), "'delta' parameter of Huber"),
    "beta": (lambda: L.smooth_l1_loss(Y, P, beta=-1), "'beta' parameter"),
    "quantile": (lambda: L.pinball_loss(Y, P, quantile=1.1), "'quantile' parameter"),
    "tukey": (lambda: L.tukey_loss(Y, P, c=-1.0), "'c' parameter of Tukey"),
    "lqq": (lambda: L.lqq_loss(Y, P, b=9.0, c=1.0, s=3.0), r"b \(s - 2\) < 2 c"),
    "lqq_s": (lambda: L.lqq_loss(Y, P, s=1.0), "'s' parameter of LQQ"),
    "hampel": (lambda: L.hampel_loss(Y, P, a=3.0, b=2.0), "a <= b < c"),
    "bce_target": (lambda: L.binary_cross_entropy([0, 2], P), r"y_true must lie in \[0, 1\]"),
    "bce_range": (lambda: L.binary_cross_entropy(Y, [0.5, 1.5]), r"y_pred must lie in \[0, 1\]"),
    "pos_weight": (lambda: L.binary_cross_entropy(Y, P, pos_weight=-1.0), "'pos_weight'"),
    "multilabel": (lambda: L.multilabel_cross_entropy(Y, P), "y_pred must have 2 dimensions"),
    "hinge_zero": (lambda: L.hinge_loss(Y, P), "y_true must hold only the values -1, 1"),
    "squared_hinge": (lambda: L.squared_hinge_loss([0, 1], P), "y_true must hold only"),
    "labels": (lambda: L.cross_entropy([0, 3], Z), "y_true must hold integer class labels"),
    "labels_minus": (lambda: L.cross_entropy([0, -1], Z), "y_true must hold integer class labels"),
    "labels_half": (lambda: L.cross_entropy([0, 0.5], Z), "y_true must hold integer class labels"),
    "labels_rows": (lambda: L.cross_entropy([0], Z), "y_true must have one entry for each row"),
    "labels_column": (lambda: L.cross_entropy([[0], [1]], Z), "same shape"),
    "rows": (lambda: L.kl_divergence(0.9 * Z, Z), "Each row of y_true must sum to one"),
    "rows_soft": (lambda: L.cross_entropy(0.9 * Z, Z), "Each row of y_true must sum to one"),
    "negative_p": (lambda: L.kl_divergence(Z - 0.2, Z), r"y_true must lie in \[0, 1\]"),
    "q_range": (lambda: L.kl_divergence(Z, Z * 2), r"y_pred must lie in \[0, 1\]"),
    "smoothing": (lambda: L.cross_entropy([0, 1], Z, label_smoothing=1.5), "'label_smoothing'"),
    "variant": (lambda: L.multiclass_hinge_loss([0, 1], Z, variant="ovr"), "'variant' parameter"),
    "focal_label": (lambda: L.focal_loss([0, 2], P), "y_true must hold only the values 0, 1"),
    "gamma": (lambda: L.focal_loss(Y, P, gamma=-1.0), "'gamma' parameter"),
    "alpha": (lambda: L.focal_loss(Y, P, alpha=1.5), "'alpha' parameter"),
    "alpha_vector": (lambda: L.focal_loss(Y, P, alpha=[0.5, 0.5]), "alpha must be one number"),
    "alpha_number": (lambda: L.focal_loss([0, 1], Z, alpha=0.5), "alpha must hold a weight for"),
    "alpha_length": (lambda: L.focal_loss([0, 1], Z, alpha=[1, 1]), "alpha must hold a weight for"),
    "epsilon": (lambda: L.poly_loss(Y, P, epsilon=np.inf), "'epsilon' parameter"),
    "epsilon_empty": (lambda: L.poly_loss(Y, P, epsilon=[]), "'epsilon' parameter"),
    "dice_label": (lambda: L.dice_loss([0.5, 1], P), "y_true must hold only"),
    "dice_smooth": (lambda: L.dice_loss(Y, P, smooth=-1.0), "'smoothing' parameter of Dice"),
    "dice_axes": (lambda: L.dice_loss(np.ones((1, 1, 2)), np.ones((1, 1, 2))), "y_pred must have"),
    "similar": (lambda: L.contrastive_loss(E, E, [-1, 1]), "similar must hold only the values 0"),
    "pairs": (lambda: L.contrastive_loss(E, E[:1], [1, 1]), "x1 and x2 must have the same shape"),
    "triplet": (lambda: L.triplet_loss(E, E, E[:1]), "anchor and negative must have the same"),
    "triplet_axes": (lambda: L.triplet_loss(Y, Y, Y), "anchor must have 2 dimensions"),
    "margin": (lambda: L.triplet_loss(E, E, E, margin=-0.1), "'margin' parameter"),
    "order": (lambda: L.margin_ranking_loss(Y, P, [1, 0]), "y must hold only the values -1, 1"),
    "order_shape": (lambda: L.margin_ranking_loss(Y, P, [1]), "y and x1 must have the same shape"),
    "temperature": (lambda: L.info_nce_loss(E, E, temperature=0.0), "'temperature' parameter"),
    "similarity": (lambda: L.info_nce_loss(E, E, similarity="l2"), "'similarity' parameter"),
    "zero_query": (lambda: L.info_nce_loss(0 * E, E), "query contains a zero vector"),
    "zero_negative": (lambda: L.info_nce_loss(E, E, 0 * E), "negatives contains a zero vector"),
    "columns": (lambda: L.info_nce_loss(E, E, np.ones((4, 3))), "negatives and query must have"),
    "blocks": (lambda: L.info_nce_loss(E, E, np.ones((3, 4, 2))), "one block for each query"),
    "symmetric": (lambda: L.info_nce_loss(E, E, E, symmetric=True), "symmetric=True"),
    "scale": (lambda: L.multiple_negatives_ranking_loss(E, E, scale=-1.0), "'scale' parameter"),
    "hard": (
        lambda: L.multiple_negatives_ranking_loss(E, E, np.ones((2, 3, 2))),
        "hard_negatives must have 2 dimensions",
    ),
    "members": (lambda: L.ge2e_loss(G[:, :1]), "embeddings must have two members or more"),
    "groups": (lambda: L.ge2e_loss(G[:1], variant="contrast"), "two groups or more"),
    "group_axes": (lambda: L.ge2e_loss(E), "embeddings must have 3 dimensions"),
    "group_zero": (lambda: L.ge2e_loss(0 * G), "embeddings contains a zero vector"),
    "w": (lambda: L.ge2e_loss(G, w=0.0), "'w' parameter"),
    "arc_label": (lambda: L.arcface_loss([0, 2], E, E), "y_true must hold integer class labels"),
    "arc_columns": (lambda: L.arcface_loss([0, 1], E, np.ones((2, 3))), "centers and embeddings"),
    "arc_axes": (lambda: L.arcface_loss([0, 1], E, [1.0, 2.0]), "centers must have 2 dimensions"),
    "arc_zero": (lambda: L.arcface_loss([0, 1], E, 0 * E), "centers contains a zero vector"),
    "arc_margin": (lambda: L.arcface_loss([0, 1], E, E, margin=4.0), "'margin' parameter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_number_of_inputs_is_a_type_error():
    for call in (
        lambda: L.huber_loss([1.0]),
        lambda: L.Huber()([1.0]),
        lambda: L.Huber()([1.0], [1.0], [1.0]),
        lambda: L.Huber()([1.0], [1.0], y_true=[1.0]),
        lambda: L.huber_loss([1.0], [1.0], sigma=1.0),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("call", "value", "gradient"),
    [
        (lambda **k: L.binary_cross_entropy([1, 0], [0.0, 1.0], **k), np.inf, [-np.inf, np.inf]),
        (lambda **k: L.binary_cross_entropy([1, 0], [1.0, 0.0], **k), 0.0, [-1.0, 1.0]),
        (lambda **k: L.cross_entropy([0], [[0.0, 1.0]], **k), np.inf, [[-np.inf, 0.0]]),
        (lambda **k: L.kl_divergence([[0, 1.0]], [[0.0, 1.0]], **k), 0.0, [[0.0, -1.0]]),
        (lambda **k: L.kl_divergence([[1.0, 0.0]], [[0.0, 1.0]], **k), np.inf, [[-np.inf, 0.0]]),
        (lambda **k: L.focal_loss([1, 0], [0.0, 0.0], **k), np.inf, [-np.inf, 0.0]),
        (lambda **k: L.focal_loss([1], [1.0], gamma=0.5, **k), 0.0, [0.0]),
        (lambda **k: L.focal_loss([1], [1.0], gamma=0.0, **k), 0.0, [-1.0]),
        (lambda **k: L.focal_loss([1], [0.0], alpha=0.0, **k), 0.0, [0.0]),
        (lambda **k: L.poly_loss([1], [1.0], **k), 0.0, [-2.0]),
        (lambda **k: L.poly_loss([1], [0.0], **k), np.inf, [-np.inf]),
        (lambda **k: L.dice_loss([0, 0], [0.0, 0.0], smooth=0.0, **k), 0.0, [0.0, 0.0]),
    ],
)
def test_ends_of_the_unit_interval(call, value, gradient):
    found, its_gradient = call(reduction="sum", return_gradient=True)
    assert found == value
    np.testing.assert_array_equal(its_gradient, gradient)


def test_weight_zero_beats_an_infinite_loss():
    options = {"sample_weight": [1.0, 0.0], "return_gradient": True}
    for call in (
        lambda: L.binary_cross_entropy([1, 1], [0.5, 0.0], **options),
        lambda: L.cross_entropy([0, 0], [[0.5, 0.5], [0.0, 1.0]], **options),
        lambda: L.focal_loss([1, 1], [0.5, 0.0], gamma=0.0, **options),
    ):
        value, gradient = call()
        np.testing.assert_allclose(value, np.log(2))
        assert not np.any(gradient[1])


def test_huge_numbers_overflow_to_infinity_in_silence():
    assert L.l2_loss([1e200], [-1e200]) == np.inf
    for function in (L.huber_loss, L.tukey_loss, L.cauchy_loss, L.welsch_loss, L.log_cosh_loss):
        value, gradient = function([1e200], [-1e200], return_gradient=True)
        assert np.isfinite(value)
        assert np.isfinite(gradient[0])
    value, gradient = L.info_nce_loss(1e200 * E, 1e-200 * E, return_gradient=True)
    assert np.isfinite(value)
    assert all(np.isfinite(part).all() for part in gradient)


FAR = [(np.float16, 300.0), (np.float32, 3e19), (np.float64, 1e200), (np.float64, 1.7e308)]
NEAR = [(np.float32, 1e-30), (np.float64, 1e-200), (np.float64, 1e-320)]


@pytest.mark.parametrize(("dtype", "size"), FAR)
def test_squares_of_distances_beyond_the_largest_number(dtype, size):
    a, o = np.array([[size, 0.0]], dtype), np.zeros((1, 2), dtype)
    value, gradient = L.contrastive_loss(a, o, [0], return_gradient=True)
    assert value == 0.0
    assert not np.any(gradient)
    value, gradient = L.contrastive_loss(a, o, [1], return_gradient=True)
    assert value > 0
    np.testing.assert_array_equal(gradient, [a, -a])
    value, gradient = L.contrastive_loss(a, -a, [0], return_gradient=True)
    assert value == 0.0
    assert not np.any(gradient)
    for squared in (True, False):
        value, gradient = L.triplet_loss(o, a, a, squared=squared, return_gradient=True)
        np.testing.assert_allclose(float(value), 0.2, rtol=1e-3)
        assert not any(np.isnan(part).any() for part in gradient)
        # the positive and the negative coincide: the nearer of the two distances is zero
        value = L.triplet_loss(o, a, a, squared=squared, swap=True)
        assert value > 0.2
    value, gradient = L.triplet_loss(o, a, o, squared=False, return_gradient=True)
    np.testing.assert_allclose(float(value), float(dtype(size)), rtol=1e-3)
    np.testing.assert_array_equal(gradient[1], [[1.0, 0.0]])


@pytest.mark.parametrize(("dtype", "size"), NEAR)
def test_squares_of_distances_below_the_smallest_number(dtype, size):
    a, o = np.array([[size, size]], dtype), np.zeros((1, 2), dtype)
    value, gradient = L.triplet_loss(o, a, o, squared=False, margin=0.0, return_gradient=True)
    np.testing.assert_allclose(value, np.sqrt(2) * dtype(size), rtol=1e-3)
    np.testing.assert_allclose(gradient[1], np.full((1, 2), np.sqrt(0.5)), rtol=1e-3)


def test_coincident_points_have_zero_gradient():
    for function in (
        lambda **k: L.triplet_loss(E, E, E, squared=False, **k),
        lambda **k: L.contrastive_loss(E, E, [0, 0], **k),
    ):
        _, gradient = function(return_gradient=True)
        assert not np.any(gradient)
    x1, x2 = [0.5, 0.2], [0.5, 0.2]
    for g in L.margin_ranking_loss(x1, x2, [1, -1], return_gradient=True)[1]:
        assert np.all(np.abs(g) <= 0.5)


def test_epsilon_below_minus_one_warns():
    with pytest.warns(UserWarning, match="epsilon below -1"):
        L.poly_loss(Y, P, epsilon=-1.5)


def test_arcface_at_angle_zero_and_pi_is_finite():
    for variant in ("hard", "easy", "plain"):
        value, gradient = L.arcface_loss(
            [0, 1], [[1.0, 0.0], [0.0, -2.0]], E, variant=variant, return_gradient=True
        )
        assert np.isfinite(value)
        assert all(np.isfinite(part).all() for part in gradient)


def test_one_group_of_softmax_is_certain():
    value, gradient = L.ge2e_loss(G[:1], return_gradient=True)
    assert value == 0.0
    assert not np.any(gradient)
