"""Identities between losses, symmetries, and input of other kinds."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robustreg import losses as L
from robustreg.losses._geometry import label_pairs, label_triplets, put, take

settings_ = settings(derandomize=True, max_examples=40)
LOGITS = arrays(float, (5, 3), elements=st.floats(-50, 50))
VECTOR = arrays(float, 7, elements=st.floats(-50, 50))
LABELS = arrays(int, 5, elements=st.integers(0, 2))
BITS = arrays(int, 7, elements=st.integers(0, 1))
POINTS = arrays(float, (4, 3), elements=st.floats(0.1, 5))
close = {"rtol": 1e-9, "atol": 1e-11}


def both(function, *args, **kwargs):
    """Value and gradient as one flat vector."""
    value, gradient = function(*args, return_gradient=True, **kwargs)
    parts = gradient if isinstance(gradient, tuple) else (gradient,)
    return np.concatenate([np.ravel(value), *map(np.ravel, parts)])


@settings_
@given(LOGITS, LABELS)
def test_relatives_of_cross_entropy(z, y):
    expected = both(L.cross_entropy, y, z, from_logits=True)
    for found in (
        both(L.focal_loss, y, z, gamma=0.0, from_logits=True),
        both(L.poly_loss, y, z, epsilon=0.0, from_logits=True),
        both(L.poly_loss, y, z, epsilon=[0.0, 0.0], divided=True, from_logits=True),
        both(L.cross_entropy, np.eye(3)[y], z, from_logits=True),
    ):
        np.testing.assert_allclose(found, expected, **close)
    smoothed = both(L.cross_entropy, y, z, from_logits=True, label_smoothing=0.3)
    target = 0.7 * np.eye(3)[y] + 0.1
    np.testing.assert_allclose(
        smoothed, both(L.cross_entropy, target, z, from_logits=True), **close
    )


@settings_
@given(VECTOR, BITS)
def test_binary_relatives_of_cross_entropy(z, y):
    expected = both(L.binary_cross_entropy, y, z, from_logits=True)
    for found in (
        both(L.focal_loss, y, z, gamma=0.0, from_logits=True),
        both(L.poly_loss, y, z, epsilon=0.0, from_logits=True),
    ):
        np.testing.assert_allclose(found, expected, **close)
    half = both(L.focal_loss, y, z, gamma=0.0, alpha=0.5, from_logits=True)
    np.testing.assert_allclose(half, expected / 2, **close)
    two = np.stack([np.zeros_like(z), z], axis=1)
    for gamma in (0.0, 0.5, 2.0):
        one = L.focal_loss(y, z, gamma=gamma, from_logits=True, reduction="none")
        np.testing.assert_allclose(
            L.focal_loss(y, two, gamma=gamma, from_logits=True, reduction="none"), one, **close
        )


@settings_
@given(LOGITS, LABELS, st.floats(-100, 100))
def test_softmax_losses_are_shift_invariant(z, y, shift):
    distribution = L.softmax(z[::-1])
    for call in (
        lambda z: both(L.cross_entropy, y, z, from_logits=True),
        lambda z: both(L.kl_divergence, distribution, z, from_logits=True),
        lambda z: both(L.focal_loss, y, z, from_logits=True),
        lambda z: both(L.poly_loss, y, z, from_logits=True),
        lambda z: both(L.multiclass_hinge_loss, y, z, variant="weston_watkins")[:1],
    ):
        np.testing.assert_allclose(call(z + shift), call(z), rtol=1e-7, atol=1e-8)
    gradient = L.cross_entropy(y, z, from_logits=True, return_gradient=True)[1]
    np.testing.assert_allclose(gradient.sum(axis=1), 0.0, atol=1e-12)


@settings_
@given(LOGITS, LOGITS)
def test_kl_is_cross_entropy_less_entropy(a, z):
    p = L.softmax(a)
    kl, gradient = L.kl_divergence(p, z, from_logits=True, reduction="none", return_gradient=True)
    ce, same = L.cross_entropy(p, z, from_logits=True, reduction="none", return_gradient=True)
    entropy = -np.sum(p * L.log_softmax(a), axis=1)
    np.testing.assert_allclose(kl, ce - entropy, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradient, same, **close)
    assert np.all(kl >= -1e-12)
    probability = L.kl_divergence(p, L.softmax(z), reduction="none")
    np.testing.assert_allclose(probability, kl, rtol=1e-6, atol=1e-9)


@settings_
@given(VECTOR, BITS)
def test_hinge_of_two_classes(z, y):
    two = np.stack([np.zeros_like(z), z], axis=1)
    for margin in (0.0, 1.0):
        expected = L.hinge_loss(2 * y - 1, z, margin=margin, reduction="none")
        for variant in ("crammer_singer", "weston_watkins"):
            found = L.multiclass_hinge_loss(y, two, variant, margin, reduction="none")
            np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(
        L.squared_hinge_loss(2 * y - 1, z, reduction="none"),
        L.hinge_loss(2 * y - 1, z, reduction="none") ** 2,
        **close,
    )


@settings_
@given(POINTS, POINTS, st.floats(0.1, 10))
def test_similarity_losses(a, b, scale):
    mnr = both(L.multiple_negatives_ranking_loss, a, b, scale=scale)
    np.testing.assert_allclose(mnr, both(L.info_nce_loss, a, b, temperature=1 / scale), **close)
    stretched = np.linspace(0.5, 3, 4)[:, None] * a
    np.testing.assert_allclose(L.info_nce_loss(stretched, b), L.info_nce_loss(a, b), rtol=1e-8)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(
        L.info_nce_loss(a[order], b[order], reduction="none"),
        L.info_nce_loss(a, b, reduction="none")[order],
        rtol=1e-8,
    )
    symmetric = L.info_nce_loss(a, b, symmetric=True, reduction="none")
    np.testing.assert_allclose(
        symmetric, L.info_nce_loss(b, a, symmetric=True, reduction="none"), rtol=1e-8
    )
    each = [L.info_nce_loss(x, y, reduction="none") for x, y in ((a, b), (b, a))]
    np.testing.assert_allclose(symmetric, np.mean(each, axis=0), rtol=1e-8)


@settings_
@given(arrays(float, (3, 4, 2), elements=st.floats(0.1, 5)), st.floats(-5, 5))
def test_ge2e(e, b):
    value, gradient = L.ge2e_loss(e, b=b, reduction="none", return_gradient=True)
    np.testing.assert_allclose(value, L.ge2e_loss(e, b=b + 1, reduction="none"), rtol=1e-8)
    np.testing.assert_allclose(value, L.ge2e_loss(3 * e, b=b, reduction="none"), rtol=1e-8)
    order = [1, 2, 0]
    np.testing.assert_allclose(
        value[order], L.ge2e_loss(e[order], b=b, reduction="none"), rtol=1e-8
    )
    assert gradient.shape == e.shape


def test_triplet_and_contrastive_by_naive_loops(rng):
    x = rng.normal(size=(6, 3))
    labels = np.array([0, 1, 0, 1, 2, 0])
    anchor, positive, negative = label_triplets(labels)
    expected = [
        max(0.0, np.sum((x[i] - x[j]) ** 2) - np.sum((x[i] - x[k]) ** 2) + 0.2)
        for i in range(6)
        for j in range(6)
        for k in range(6)
        if i != j and labels[i] == labels[j] != labels[k]
    ]
    found = L.triplet_loss(x[anchor], x[positive], x[negative], reduction="none")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    first, second, similar = label_pairs(labels)
    expected = []
    for i in range(6):
        for j in range(i + 1, 6):
            d = np.linalg.norm(x[i] - x[j])
            same = labels[i] == labels[j]
            expected.append(d**2 / 2 if same else max(0, 1 - d) ** 2 / 2)
    found = L.contrastive_loss(x[first], x[second], similar, reduction="none")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_put_is_the_pullback_of_take(rng):
    x, index = rng.normal(size=(5, 2)), np.array([0, 3, 3, 1])
    g = rng.normal(size=(4, 2))
    np.testing.assert_allclose(np.vdot(take(x, index), g), np.vdot(x, put(g, index, 5)))
    strict = pytest.importorskip("array_api_strict")
    foreign = put(strict.asarray(g), strict.asarray(index), 5)
    np.testing.assert_allclose(np.asarray(foreign), put(g, index, 5))


def test_arcface_without_margin_is_a_softmax_of_cosines(rng):
    x, centers, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), np.array([0, 1, 2, 3, 0])
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, centers)]
    expected = L.cross_entropy(y, 8 * unit[0] @ unit[1].T, from_logits=True)
    for variant in ("hard", "easy", "plain"):
        found = L.arcface_loss(y, 2 * x, centers, scale=8.0, margin=0.0, variant=variant)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_means_follow_the_conventions(rng):
    y, p = (rng.uniform(size=(4, 3)) > 0.5) * 1, rng.uniform(0.1, 0.9, size=(4, 3))
    weight = np.array([1.0, 2.0, 0.0, 3.0])
    each = L.multilabel_cross_entropy(y, p, reduction="none")
    assert each.shape == (4, 3)
    np.testing.assert_allclose(L.multilabel_cross_entropy(y, p), each.mean())
    np.testing.assert_allclose(
        L.multilabel_cross_entropy(y, p, sample_weight=weight),
        np.average(each, weights=np.broadcast_to(weight[:, None], each.shape)),
    )
    np.testing.assert_allclose(
        L.multilabel_cross_entropy(y, p, sample_weight=np.ones((4, 3))), each.mean()
    )
    rows = [L.dice_loss(a, b) for a, b in zip(y, p, strict=True)]
    np.testing.assert_allclose(L.dice_loss(y, p, reduction="none"), rows)
    np.testing.assert_allclose(L.dice_loss(y, p), np.mean(rows))
    assert L.dice_loss(y[0], p[0], reduction="none").shape == (1,)
    repeated = L.dice_loss(np.repeat(y[0], 2), np.repeat(p[0], 2))
    np.testing.assert_allclose(L.dice_loss(y[0], p[0], sample_weight=[2, 2, 2]), repeated)


def test_frames_and_sparse_targets(rng):
    y, raw = (rng.uniform(size=(6, 3)) > 0.5) * 1, rng.normal(size=(6, 3))
    expected = L.multilabel_cross_entropy(y, raw, from_logits=True)
    for target in (
        pd.DataFrame(y),
        scipy.sparse.csr_matrix(y),
        scipy.sparse.csc_array(y),
        y.tolist(),
    ):
        found = L.multilabel_cross_entropy(target, pd.DataFrame(raw), from_logits=True)
        np.testing.assert_allclose(found, expected)
    series = pd.Series([1.0, 2.0, 3.0], index=[5, 7, 9])
    np.testing.assert_allclose(L.l1_loss(series, [1.0, 2.0, 5.0]), 2 / 3)
    np.testing.assert_allclose(
        L.l1_loss(series.astype("Float64"), pd.Series([1, 2, 5], dtype="Int64")), 2 / 3
    )
    np.testing.assert_allclose(L.hinge_loss(pd.Series([True, True]), [0.5, 2.0]), 0.25)


@settings_
@given(arrays(float, 6, elements=st.floats(-1e3, 1e3)))
def test_activations(z):
    for dtype in (float, np.float32):
        x = z.astype(dtype)
        assert L.sigmoid(x).dtype == L.softmax(x).dtype == L.log_softmax(x).dtype == dtype
        np.testing.assert_allclose(L.sigmoid(x) + L.sigmoid(-x), 1.0, rtol=1e-6)
        np.testing.assert_allclose(L.softmax(x).sum(), 1.0, rtol=1e-5)
        np.testing.assert_allclose(np.exp(L.log_sigmoid(x)), L.sigmoid(x), rtol=1e-4, atol=1e-37)
    np.testing.assert_allclose(np.exp(L.log_softmax(z)), L.softmax(z), rtol=1e-9)
    columns = np.stack([z, z[::-1]], axis=1)
    np.testing.assert_allclose(L.softmax(columns, axis=0)[:, 0], L.softmax(z), rtol=1e-12)


def test_activations_at_infinity():
    inf = np.inf
    assert L.sigmoid([-inf, inf]).tolist() == [0.0, 1.0]
    assert L.log_sigmoid([-inf, inf]).tolist() == [-inf, 0.0]
    assert L.softmax([inf, 0.0, inf, -inf]).tolist() == [0.5, 0.0, 0.5, 0.0]
    assert L.softmax([-inf, 1.0]).tolist() == [0.0, 1.0]
    assert L.softmax([-inf, -inf]).tolist() == [0.5, 0.5]
    assert L.log_softmax([inf, 0.0]).tolist() == [0.0, -inf]
    assert L.softmax([[3.0], [1e308]]).tolist() == [[1.0], [1.0]]
    assert L.softmax([1e308, -1e308]).tolist() == [1.0, 0.0]
    assert float(L.sigmoid(0.0)) == 0.5


@pytest.mark.parametrize(
    ("loss", "convex"),
    [
        (L.Focal(gamma=0.0), True),
        (L.Focal(gamma=0.5), False),
        (L.Poly(epsilon=-1.0), True),
        (L.Poly(epsilon=1.0), True),
        (L.Poly(epsilon=1.5), False),
        (L.Poly(epsilon=(1.0, 0.0)), True),
        (L.Poly(epsilon=(0.0, 1.0)), False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_convex_for_the_parameters_that_say_so(loss, convex, n_classes):
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=20_000).astype(float)
    shape = (20_000,) if n_classes == 2 else (20_000, n_classes)
    one, other = 4 * rng.normal(size=shape), 4 * rng.normal(size=shape)

    def values(raw):
        return loss(y, raw, reduction="none")

    excess = 2 * values((one + other) / 2) - values(one) - values(other)
    assert loss.convex == convex
    assert (excess.max() <= 1e-12) == convex
