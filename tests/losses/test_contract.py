"""What every loss must do. A new loss in the registry is tested here by existing."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from robustreg import losses as L
from robustreg._array import array_namespace
from robustreg.losses import _evaluate as evaluate
from robustreg.losses._targets import ClassesOfVectors, Distribution, Groups, Vectors

from .conftest import draw, inputs, tree

STEP = 2e-4


def richardson(function, scale=STEP):
    """Derivative at 0 of a function of one number, to about the fourth order of the step."""

    def central(h):
        return (function(h) - function(-h)) / (2 * h)

    return (4 * central(scale / 2) - central(scale)) / 3


def direction(data, rng):
    """Draw a direction in the predictions and in the loss's own parameters."""
    d_raw = tree(lambda a: rng.normal(size=a.shape) * np.minimum(1, 0.3 * np.abs(a)), data.raw)
    return d_raw, 0.1 * rng.normal(size=data.extra.shape)


def moved(loss, data, d_raw, d_extra, h):
    raw = tree(lambda a, d: a + h * d, data.raw, d_raw)
    return loss.value_gradient(data.y, raw, data.weight, data.extra + h * d_extra)


def inner(a, b):
    if isinstance(a, tuple):
        return sum(np.vdot(x, y) for x, y in zip(a, b, strict=True))
    return np.vdot(a, b)


@pytest.mark.parametrize("seed", range(3))
def test_gradient(loss, seed):
    rng = np.random.default_rng(seed)
    data = draw(loss, rng)
    d_raw, d_extra = direction(data, rng)
    value, g_raw, g_extra = loss.value_gradient(data.y, data.raw, data.weight, data.extra)
    assert isinstance(value, float)
    expected = richardson(lambda h: moved(loss, data, d_raw, d_extra, h)[0])
    found = inner(g_raw, d_raw) + inner(g_extra, d_extra)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_curvature(loss, seed):
    rng = np.random.default_rng(seed)
    data = draw(loss, rng)
    d_raw, d_extra = direction(data, rng)
    found = loss.curvature(data.y, data.raw, data.weight, data.extra, d_raw, d_extra)
    for part in (1, 2):
        size = 0.0

        def gradient(h, part=part):
            gradients = moved(loss, data, d_raw, d_extra, h)[part]
            flat = [
                np.ravel(g) for g in (gradients if isinstance(gradients, tuple) else [gradients])
            ]
            return np.concatenate(flat)

        size = np.max(np.abs(gradient(0.0)), initial=1.0)
        mine = found[part - 1]
        flat = np.concatenate([np.ravel(g) for g in (mine if isinstance(mine, tuple) else [mine])])
        np.testing.assert_allclose(flat, richardson(gradient), rtol=1e-7, atol=2e-9 * size)


AT_ZERO = [
    loss
    for loss in (kind() for kind in L.LOSSES.values())
    if loss.smooth and not isinstance(loss.target, Vectors | Groups | ClassesOfVectors)
]


@pytest.mark.parametrize("loss", [*AT_ZERO, L.Focal(gamma=0.5), L.Dice(squared=False)], ids=repr)
def test_curvature_where_every_score_is_zero(loss):
    rng = np.random.default_rng(0)
    y, raw = loss.target.sample(rng, 6)
    zero, d_raw = 0.0 * raw, rng.normal(size=raw.shape)
    if loss.of_difference:
        y = 0.0 * y

    def gradient(h):
        return loss.value_gradient(y, zero + h * d_raw, None, None)[1]

    found, _ = loss.curvature(y, zero, None, None, d_raw, None)
    np.testing.assert_allclose(found, richardson(gradient), rtol=1e-3, atol=1e-8)


def test_curvature_of_a_contrast_at_similarity_zero():
    loss = L.GE2E(w=1.0, b=0.0, variant="contrast")
    raw = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.2], [-3.0, 1.0]]])
    d_raw = np.random.default_rng(0).normal(size=raw.shape)

    def gradient(h):
        return loss.value_gradient(None, raw + h * d_raw, None, None)[1]

    found, _ = loss.curvature(None, raw, None, None, d_raw, None)
    np.testing.assert_allclose(found, richardson(gradient), rtol=1e-6, atol=1e-8)


def test_values_change_along_a_direction_as_the_gradient_says(loss, rng):
    data = draw(loss, rng)
    if data.extra.size and "concomitant" in repr(loss).lower():
        return  # not called without its scale, so that nobody differentiates its values
    d_raw, d_extra = direction(data, rng)
    slope = loss.slope_along(data.y, data.raw, data.weight, data.extra, d_raw, d_extra)
    assert slope.shape == loss.shape(data.raw)
    _, g_raw, g_extra = loss.value_gradient(data.y, data.raw, data.weight, data.extra)
    expected = inner(g_raw, d_raw) + inner(g_extra, d_extra)
    np.testing.assert_allclose(np.sum(slope), expected, rtol=1e-10, atol=1e-12)


def test_curvature_is_symmetric(loss, rng):
    data = draw(loss, rng)
    (a, p), (b, q) = direction(data, rng), direction(data, rng)
    args = (data.y, data.raw, data.weight, data.extra)
    (ha, hp), (hb, hq) = loss.curvature(*args, a, p), loss.curvature(*args, b, q)
    np.testing.assert_allclose(inner(b, ha) + inner(q, hp), inner(a, hb) + inner(p, hq), rtol=1e-9)


def test_own_curvature_is_the_diagonal_of_the_hessian(loss, rng):
    data = draw(loss, rng)
    if not loss.additive or not isinstance(data.raw, np.ndarray) or data.raw.ndim > 2:
        pytest.skip("no sum over rows of scores")
    args = (data.y, data.raw, data.weight, data.extra)
    found = loss.own_curvature(*args)
    expected = np.empty_like(data.raw)
    for at in np.ndindex(data.raw.shape):
        unit = np.zeros_like(data.raw)
        unit[at] = 1.0
        expected[at] = loss.curvature(*args, unit, None)[0][at]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def test_number_stands_for_a_constant_direction(loss, rng):
    data = draw(loss, rng)
    if isinstance(data.raw, tuple) or data.raw.ndim > 1:
        pytest.skip("one prediction a row")
    args = (data.y, data.raw, data.weight, data.extra)
    none = np.zeros_like(data.extra)
    for number in (1.0, 0.0):
        short = loss.curvature(*args, number, None)
        whole = loss.curvature(*args, np.full(data.raw.shape, number), none)
        np.testing.assert_allclose(short[0] + np.zeros(data.n), whole[0], rtol=1e-14)


def test_convex_where_it_says_so(loss, rng):
    if not loss.convex:
        pytest.skip("not convex")
    for _ in range(20):
        one, other = draw(loss, rng), draw(loss, rng)
        middle = tree(lambda a, b: (a + b) / 2, one.raw, other.raw)
        extra = (one.extra + other.extra) / 2

        def value(raw, extra, y=one.y, weight=one.weight):
            return loss.value_gradient(y, raw, weight, extra)[0]

        ends = value(one.raw, one.extra) + value(other.raw, other.extra)
        assert 2 * value(middle, extra) <= ends * (1 + 1e-12) + 1e-12


def test_additive_where_it_says_so(loss, rng):
    if not loss.additive:
        pytest.skip("one value for the whole batch")
    data = draw(loss, rng)
    whole = loss.value_gradient(data.y, data.raw, data.weight, data.extra)
    parts = [
        loss.value_gradient(
            None if data.y is None else data.y[rows],
            tree(lambda a, rows=rows: a[rows], data.raw),
            data.weight[rows],
            data.extra,
        )
        for rows in (slice(0, 5), slice(5, None))
    ]
    np.testing.assert_allclose(sum(part[0] for part in parts), whole[0], rtol=1e-12)
    np.testing.assert_allclose(sum(part[2] for part in parts), whole[2], rtol=1e-11, atol=1e-12)
    joined = tree(lambda a, b: np.concatenate([a, b]), parts[0][1], parts[1][1])
    tree(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15), joined, whole[1])


def test_values_sum_to_the_value(loss, rng):
    data = draw(loss, rng)
    for weight in (None, data.weight):
        values = loss.values(data.y, data.raw, weight, data.extra)
        value, _, _ = loss.value_gradient(data.y, data.raw, weight, data.extra)
        np.testing.assert_allclose(np.sum(values), value, rtol=1e-12)
        assert values.shape == loss.shape(data.raw)


def test_weights_are_linear(loss, rng):
    data = draw(loss, rng)
    if loss.weight_shape(data.raw) != loss.shape(data.raw):
        pytest.skip("weights enter inside the sums")
    other = rng.uniform(size=data.n)

    def value(weight):
        return loss.value_gradient(data.y, data.raw, weight, data.extra)[0]

    np.testing.assert_allclose(
        value(data.weight + 3 * other), value(data.weight) + 3 * value(other), rtol=1e-11
    )
    np.testing.assert_allclose(value(np.ones(data.n)), value(None), rtol=1e-12)


def test_integer_weights_repeat_rows_and_zero_drops_them(loss, rng):
    data = draw(loss, rng)
    separate = loss.additive or loss.weight_shape(data.raw) != loss.shape(data.raw)
    if not separate:
        pytest.skip("rows serve as each other's candidates")
    counts = np.arange(data.n) % 3
    rows = np.repeat(np.arange(data.n), counts)
    y = None if data.y is None else data.y[rows]
    raw = tree(lambda a: a[rows], data.raw)
    weighted, g_raw, _ = loss.value_gradient(data.y, data.raw, counts * 1.0, data.extra)
    repeated, _, _ = loss.value_gradient(y, raw, None, data.extra)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-12)
    tree(lambda g: np.testing.assert_array_equal(g[counts == 0], 0.0), g_raw)


def test_smoothed_tends_to_its_base(rng):
    for kind in L.LOSSES.values():
        base = kind()
        y, raw = base.target.sample(rng, 20)
        if base.kinks(y) is not None:
            close = L.Smoothed(base, 1e-10).value_gradient(y, raw, None, None)
            np.testing.assert_allclose(close[0], base.value_gradient(y, raw, None, None)[0])
            np.testing.assert_allclose(close[1], base.value_gradient(y, raw, None, None)[1])


def test_clone_pickle_and_equality(loss):
    for copy in (
        clone(loss),
        pickle.loads(pickle.dumps(loss)),
        type(loss)(**loss.get_params(False)),
    ):
        assert copy == loss
        assert repr(copy) == repr(loss)
    assert loss != object()
    loss.validate()
    with pytest.raises(TypeError):
        hash(loss)


def form(loss):
    """The function form with the settings of an instance."""
    function = getattr(L, type(loss).function)
    names = type(loss).function_names
    own = {
        names.get(key, key): value
        for key, value in loss.get_params(deep=False).items()
        if key not in type(loss).function_fixed
    }
    return lambda **kwargs: function(**own, **kwargs)


def has_form(loss):
    kind = type(loss)
    return hasattr(kind, "function") and all(
        getattr(loss, key) == value for key, value in kind.function_fixed.items()
    )


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_function_form_agrees_exactly(public, rng, reduction):
    data = draw(public, rng)
    options = {"sample_weight": data.weight, "reduction": reduction, "return_gradient": True}
    named = inputs(public, data)
    value, gradient = public(**named, **options)
    np.testing.assert_array_equal(public(**named, **{**options, "return_gradient": False}), value)
    own = data.extra if "extra" in {a.role for a in public.arguments} else None
    summed, *gradients = public.value_gradient(data.y, data.raw, data.weight, own)
    scale = public.divisor(data.raw, data.weight) if reduction == "mean" else 1.0
    assert reduction == "none" or value == summed / scale
    expected = [*gradients[0]] if isinstance(data.raw, tuple) else [gradients[0]]
    if own is not None:
        expected.append(gradients[1].reshape(named["centers"].shape))
    found = gradient if isinstance(gradient, tuple) else (gradient,)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other / scale, rtol=1e-14)
    if has_form(public):
        again, its_gradient = form(public)(**named, **options)
        np.testing.assert_array_equal(again, value)
        tree(np.testing.assert_array_equal, its_gradient, gradient)


def test_single_precision_stays(public, rng):
    data = draw(public, rng)
    named = inputs(public, data)
    short = {name: None if a is None else a.astype(np.float32) for name, a in named.items()}
    value, gradient = public(**short, sample_weight=data.weight, return_gradient=True)
    exact = public(**named, sample_weight=data.weight)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, exact, rtol=1e-4)
    values = public(**short, sample_weight=data.weight, reduction="none")
    assert values.dtype == np.float32
    for part in gradient if isinstance(gradient, tuple) else (gradient,):
        assert part.dtype == np.float32


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_half_precision_is_computed_in_single(public, rng, reduction):
    data = draw(public, rng)
    short = {
        name: None if a is None else a.astype(np.float16)
        for name, a in inputs(public, data).items()
    }
    options = {"sample_weight": data.weight, "reduction": reduction, "return_gradient": True}
    value, gradient = public(**short, **options)
    single = {name: None if a is None else a.astype(np.float32) for name, a in short.items()}
    if isinstance(public.target, Distribution):
        single["y_true"] = short["y_true"]  # rows sum to one as nearly as the type allows
    expected, its_gradient = public(**single, **options)
    assert value.dtype == np.float16
    np.testing.assert_array_equal(value, np.float16(expected))

    def compare(mine, other):
        assert mine.dtype == np.float16
        np.testing.assert_array_equal(mine, other.astype(np.float16))

    tree(compare, gradient, its_gradient)


def test_means_of_half_precision_do_not_overflow():
    value = L.l2_loss(np.zeros(10_000, np.float16), np.full(10_000, 200.0, np.float16))
    assert value.dtype == np.float16
    assert value == 40_000


def test_input_is_left_alone_and_may_be_read_only(public, rng):
    data = draw(public, rng)
    named = inputs(public, data)
    for array in (*named.values(), data.weight):
        if array is not None:
            array.flags.writeable = False
    value, gradient = public(**named, sample_weight=data.weight, return_gradient=True)
    strided = {
        name: None if a is None else np.repeat(a, 2, axis=0)[::2] for name, a in named.items()
    }
    again, its_gradient = public(**strided, sample_weight=data.weight, return_gradient=True)
    np.testing.assert_allclose(again, value, rtol=1e-14)
    for part in its_gradient if isinstance(its_gradient, tuple) else (its_gradient,):
        part += 1.0  # what comes back is the caller's
    np.testing.assert_allclose(public(**named, sample_weight=data.weight), value, rtol=1e-14)
    del gradient


def test_strict_array_namespace(public, rng):
    strict = pytest.importorskip("array_api_strict")
    data = draw(public, rng)
    named = inputs(public, data)
    foreign = {name: None if a is None else strict.asarray(a) for name, a in named.items()}
    weight = strict.asarray(data.weight)
    for reduction in ("mean", "none"):
        options = {"reduction": reduction, "return_gradient": True}
        value, gradient = public(**foreign, sample_weight=weight, **options)
        expected, its_gradient = public(**named, sample_weight=data.weight, **options)
        assert array_namespace(value).__name__ == "array_api_strict"
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-12)
        tree(
            lambda a, b: np.testing.assert_allclose(np.asarray(a), b, rtol=1e-10, atol=1e-13),
            gradient,
            its_gradient,
        )
    foreign_raw = tree(strict.asarray, data.raw)
    y = None if data.y is None else strict.asarray(data.y)
    extra = strict.asarray(data.extra)
    d_raw = tree(lambda a: strict.ones_like(a), foreign_raw)
    found, _ = public.curvature(y, foreign_raw, weight, extra, d_raw, None)
    ones = tree(np.ones_like, data.raw)
    expected, _ = public.curvature(data.y, data.raw, data.weight, data.extra, ones, None)
    tree(lambda a, b: np.testing.assert_allclose(np.asarray(a), b, atol=1e-9), found, expected)


def test_kinks_describe_the_loss(loss, rng):
    data = draw(loss, rng)
    kinks = loss.kinks(data.y)
    if kinks is None:
        pytest.skip("not piecewise linear")
    s = data.raw - kinks.position
    np.testing.assert_allclose(
        loss.values(data.y, data.raw, None, None),
        np.maximum(kinks.lower * s, kinks.upper * s),
        rtol=1e-12,
        atol=1e-14,
    )


def test_blocks_of_a_large_input_make_the_whole(public):
    rng = np.random.default_rng(0)
    if not public.additive:
        pytest.skip("one value for the whole batch")
    data = draw(public, rng, n=12_000)
    named = inputs(public, data)
    options = {"sample_weight": data.weight, "return_gradient": True}
    whole, gradient = public(**named, **options)
    cut = evaluate.BLOCK
    try:
        evaluate.BLOCK = 500
        blocks, its_gradient = public(**named, **options)
    finally:
        evaluate.BLOCK = cut
    np.testing.assert_allclose(blocks, whole, rtol=1e-11)
    tree(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15), its_gradient, gradient
    )
