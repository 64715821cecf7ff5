"""JAX: the values of NumPy, traced and compiled; derivatives are those that are returned.

Every loss of the registry and every activation is called as people call it.
"""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from robustreg import losses as L
from tests import _pages

from .conftest import ACTIVATIONS, CALLED, POINTS, corner, draw, inputs, parts

jax = pytest.importorskip("jax")
jnp = jax.numpy

CASES = pytest.mark.parametrize("case", ["drawn", "zero", "kink", "extreme"])
EPS = {jnp.bfloat16: 2.0**-7} | {kind: np.finfo(kind).eps for kind in (np.float16, np.float32)}


@pytest.fixture(autouse=True)
def double_precision():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def arrays_of(loss, data, dtype=np.float64):
    """Inputs of the public call, and which of them move."""
    roles = {a.name: a.role for a in loss.arguments}
    named = {n: None if a is None else jnp.asarray(a, dtype) for n, a in inputs(loss, data).items()}
    moving = {n: a for n, a in named.items() if roles[n] != "target" and a is not None}
    return SimpleNamespace(named=named, moving=moving)


def plain(named):
    """Return the same numbers as arrays of NumPy."""
    return {name: None if a is None else np.asarray(a) for name, a in named.items()}


def of_moving(loss, given, **options):
    """Return the loss as a function of what moves."""

    def value(moving):
        return loss(**{**given.named, **moving}, **options)

    return value


def of(given, gradient):
    """Parts of a gradient in the order of the arguments: JAX sorts them by name."""
    return [gradient[name] for name in given.moving]


def equal(found, expected, **tolerances):
    for mine, other in zip(found, expected, strict=True):
        mine = np.asarray(mine, dtype=float)
        assert not np.isnan(mine).any()
        np.testing.assert_allclose(mine, np.asarray(other, dtype=float), **tolerances)


@CASES
@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_gradients_are_those_of_numpy(public, rng, case, compiled):
    data = corner(public, case, rng)
    given = arrays_of(public, data)
    # weights where it is compiled, and none where it is not, to save time
    weight = data.weight if compiled else None
    options = {"sample_weight": weight}
    each = of_moving(public, given, reduction="none", **options)
    mean = of_moving(public, given, **options)

    def everything(moving):
        return each(moving), jax.value_and_grad(mean)(moving), summed(moving)

    summed = jax.grad(lambda moving: each(moving).sum())
    found = (jax.jit(everything) if compiled else everything)(given.moving)
    assert isinstance(found[0], jax.Array)
    options["return_gradient"] = True
    values, slopes = public(**plain(given.named), reduction="none", **options)
    if compiled:  # weights multiply inside or outside
        np.testing.assert_allclose(found[0], values, rtol=5e-16)
    else:
        np.testing.assert_array_equal(found[0], values)
    tolerances = {"rtol": 1e-12, "atol": 1e-13}
    equal(of(given, found[2]), parts(slopes), **tolerances)
    for source in (plain(given.named), given.named):
        value, slopes = public(**source, **options)
        np.testing.assert_allclose(found[1][0], value, rtol=1e-13)
        equal(of(given, found[1][1]), parts(slopes), **tolerances)


@pytest.mark.parametrize("dtype", EPS)
def test_other_precisions(public, rng, dtype):
    given = arrays_of(public, draw(public, rng), dtype)
    value, gradient = jax.jit(jax.value_and_grad(of_moving(public, given)))(given.moving)
    assert value.dtype == dtype
    assert all(part.dtype == dtype for part in gradient.values())
    wide = plain({n: None if a is None else a.astype(jnp.float32) for n, a in given.named.items()})
    try:
        expected, slopes = public(**wide, return_gradient=True)
    except ValueError as error:  # rows of targets that sum to one in their own precision alone
        assert "sum to" in str(error)
        return
    for mine, other in zip([value, *of(given, gradient)], [expected, *parts(slopes)], strict=True):
        size = max(1.0, float(np.abs(other).max()))
        equal([mine], [other], rtol=8 * EPS[dtype], atol=8 * EPS[dtype] * size)


def test_without_double_precision(public, rng):
    jax.config.update("jax_enable_x64", False)
    data = draw(public, rng)
    given = arrays_of(public, data, np.float32)
    value = of_moving(public, given, sample_weight=data.weight)
    for found in (value(given.moving), jax.jit(value)(given.moving)):
        assert found.dtype == np.float32
        expected = public(**inputs(public, data), sample_weight=data.weight)
        np.testing.assert_allclose(found, expected, rtol=2e-5)
    gradient = jax.grad(value)(given.moving)
    assert all(part.dtype == np.float32 for part in gradient.values())


def inner(one, other):
    """Sum of the products of the entries."""
    return sum((one[name] * other[name]).sum() for name in one)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_second_derivatives_in_every_way(public, rng, reduction):
    data = draw(public, rng, n=6)
    given = arrays_of(public, data)
    at, along = (
        given.moving,
        {n: jnp.asarray(rng.normal(size=a.shape)) for n, a in given.moving.items()},
    )
    shape = public(**plain(given.named), reduction=reduction).shape
    outer = jnp.asarray(rng.uniform(size=shape))
    value = of_moving(public, given, reduction=reduction)

    def total(moving):
        return (outer * value(moving)).sum()

    def slope(moving):
        return jax.jvp(value, (moving,), (along,))[1]

    _, expected = jax.jvp(jax.grad(total), (at,), (along,))
    if reduction == "sum":
        own = None if len(along) == len(parts(data.raw)) else data.extra
        theirs = public.curvature(data.y, data.raw, None, own, *directions(data, plain(along)))
        moved = [*parts(theirs[0]), *([theirs[1]] if len(parts(theirs[0])) < len(along) else [])]
        moved = [
            outer * part.reshape(a.shape) for part, a in zip(moved, along.values(), strict=True)
        ]
        equal(of(given, expected), moved, rtol=1e-9, atol=1e-11)
    twice = jax.grad(lambda moving: inner(jax.grad(total)(moving), along))(at)
    mixed = jax.grad(lambda moving: (outer * slope(moving)).sum())(at)
    size = max(float(jnp.abs(part).max()) for part in expected.values())
    for other in (twice, mixed):
        equal(of(given, other), of(given, expected), rtol=1e-9, atol=1e-12 * size)
    bent = (outer * jax.jvp(slope, (at,), (along,))[1]).sum()
    np.testing.assert_allclose(bent, inner(expected, along), rtol=1e-9, atol=1e-10 * size)


def directions(data, along):
    """Directions of predictions and of own parameters, as the loss takes them."""
    moved = list(along.values())
    n_raws = len(parts(data.raw))
    raws, own = moved[:n_raws], moved[n_raws:]
    return (tuple(raws) if isinstance(data.raw, tuple) else raws[0]), (
        own[0].ravel() if own else None
    )


def test_derivative_in_the_weights(public, rng):
    data = draw(public, rng)
    given = arrays_of(public, data)

    def value(weight):
        return public(**given.named, sample_weight=weight, reduction="sum")

    weight = jnp.asarray(data.weight)
    if "sample_weight" in refused(value, weight):
        assert type(public).__name__ == "Dice"
        return
    values = public(**plain(given.named), reduction="none")
    np.testing.assert_allclose(
        jax.grad(value)(weight), values.reshape(len(weight), -1).sum(axis=1), rtol=1e-13
    )


def refused(value, at):
    """Return what the gradient is refused with, if it is."""
    try:
        jax.grad(value)(at)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["cross_entropy", "info_nce"])
def test_hessians_in_every_way(name):
    public = CALLED[name]
    given = arrays_of(public, draw(public, np.random.default_rng(3), n=3))
    key, at = next(iter(given.moving.items()))
    function = jax.jit(lambda p: public(**{**given.named, key: p}))
    expected = jax.hessian(function)(at)
    for outer in (jax.jacfwd, jax.jacrev):
        for inner in (jax.jacfwd, jax.jacrev):
            np.testing.assert_allclose(outer(inner(function))(at), expected, atol=1e-12)
    weighted = jax.grad(lambda p: (jax.jvp(jax.grad(function), (p,), (at,))[1] * p).sum())
    with pytest.raises(NotImplementedError, match=f"{type(public).__name__} has two derivatives"):
        weighted(at)


def test_each_problem_of_a_batch(public, rng):
    given = arrays_of(public, draw(public, rng, n=5))
    key, at = next(iter(given.moving.items()))

    def value(p):
        return public(**{**given.named, key: p})

    batch = jnp.stack([at, 0.9 * at, 0.5 * at]) if key != "p_pred" else jnp.stack([at] * 3)
    if not getattr(public, "from_logits", True) and at.ndim == 2:
        batch = jnp.stack([at, at[::-1], at])  # rows of probabilities
    function = jax.jit(jax.vmap(jax.value_and_grad(value)))
    found, slopes = function(batch)
    for i, p in enumerate(batch):
        one, slope = jax.value_and_grad(value)(p)
        np.testing.assert_allclose(found[i], one, rtol=1e-13)
        np.testing.assert_allclose(slopes[i], slope, rtol=1e-12, atol=1e-13)


def test_a_batch_along_another_axis():
    batch = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
    found = jax.vmap(lambda p: L.huber_loss(jnp.zeros(5), p), in_axes=1)(batch)
    np.testing.assert_allclose(found, [L.huber_loss(np.zeros(5), p) for p in np.asarray(batch).T])


def test_a_fit_in_one_compiled_loop():
    rng = np.random.default_rng(0)
    X, noise = jnp.asarray(rng.normal(size=(200, 3))), rng.normal(size=200)
    y = X @ jnp.array([1.0, -2.0, 0.5]) + 0.1 * jnp.where(jnp.arange(200) < 20, 1e3, noise)

    @jax.jit
    def fit(coef):
        step = jax.grad(lambda b: L.huber_loss(y, X @ b, delta=0.1))
        return jax.lax.scan(lambda b, _: (b - step(b), None), coef, None, length=1000)[0]

    np.testing.assert_allclose(fit(jnp.zeros(3)), [1.0, -2.0, 0.5], atol=0.05)


def test_derivative_in_the_targets(public, rng):
    data = draw(public, rng)
    if data.y is None:
        assert public.arguments[0].role == "raw"
        return
    given = arrays_of(public, data)
    name = next(a.name for a in public.arguments if a.role == "target")

    def value(y):
        return public(**{**given.named, name: y})

    if public.of_difference:
        (expected,) = jax.grad(of_moving(public, given))(given.moving).values()
        np.testing.assert_allclose(jax.grad(value)(given.named[name]), -expected)
    else:
        with pytest.raises(ValueError, match=rf"pass jax.lax.stop_gradient\({name}\)"):
            jax.jit(jax.grad(value))(given.named[name])
        stopped = jax.grad(lambda y: value(jax.lax.stop_gradient(y)))(given.named[name])
        assert not stopped.any()


@pytest.mark.parametrize(
    ("call", "p", "message"),
    [
        (lambda p: L.huber_loss([0.0, 1.0], p), [1.0, np.inf], "y_pred contains NaN or infinity"),
        (lambda p: L.huber_loss([0.0, 1.0, 2.0], p), [1.0, 2.0], "same shape"),
        (lambda p: L.hinge_loss([1.0, -1.0, 1.0], p), [1.0, 2.0], "same shape"),
        (lambda p: L.binary_cross_entropy([0, 1], p), [0.5, 2.0], r"must lie in \[0, 1\]"),
        (lambda p: L.huber_loss([0, 1], p, sample_weight=p), [1.0, -1.0], "must not be negative"),
    ],
)
def test_illegal_input_is_refused_in_compiled_functions_as_well(call, p, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.array(p))
    for function in (jax.jit(call), jax.jit(jax.grad(call))):
        with pytest.raises(Exception, match=message):
            jax.block_until_ready(function(jnp.array(p)))


def test_a_compiled_function_keeps_its_hyper_parameters():
    loss, p = L.Huber(1.0), jnp.array([3.0])
    function = jax.jit(lambda p: loss([0.0], p))
    assert float(function(p)) == 2.5
    loss.set_params(delta=10.0)
    assert float(function(p)) == 2.5
    assert float(loss([0.0], p)) == 4.5


def test_other_targets_follow_the_predictions():
    p = jnp.array([0.5, 2.0], dtype=jnp.float32)
    for y in ([0, 1], [0.0, 1.0], np.array([0, 1]), np.array([False, True]), jnp.array([0, 1])):
        value, gradient = L.huber_loss(y, p, sample_weight=np.ones(2), return_gradient=True)
        assert value.dtype == gradient.dtype == jnp.float32
        assert float(value) == 0.3125
    whole = jnp.array([0, 2])
    assert float(L.huber_loss(whole, jnp.array([True, False]))) == 1.0


def test_soft_targets_of_half_precision():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(50, 7)), jnp.bfloat16)
    target = jax.nn.softmax(2 * logits)
    assert abs(np.asarray(target, dtype=float).sum(axis=1) - 1).max() > 1e-3
    for call in (L.KLDivergence(), jax.jit(lambda y, z: L.KLDivergence()(y, z))):
        assert float(call(target, logits)) > 0


@pytest.mark.parametrize("case", POINTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_its_gradient_are_those_of_jax(name, case):
    mine, theirs = getattr(L, name), getattr(jax.nn, name)
    z, outer = jnp.array(POINTS[case]), jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(jax.jit(mine)(z), theirs(z), rtol=1e-14, atol=1e-15)
    found, expected = (
        jax.jit(jax.grad(lambda z, f=f: (f(z) * outer).sum())) for f in (mine, theirs)
    )
    np.testing.assert_allclose(found(z), expected(z), rtol=1e-14, atol=1e-14)


def test_importing_the_package_does_not_import_jax():
    code = "import sys, robustreg, robustreg.losses; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_page_of_the_guide_runs():
    scope = _pages.run([block for block in _pages.scripts("torch") if "import jax" in block])
    X, y = np.asarray(scope["X"]), np.asarray(scope["y"])
    _, slope = L.huber_loss(y, np.zeros(50), delta=1.345, return_gradient=True)
    np.testing.assert_allclose(scope["gradient"], X.T @ slope, rtol=1e-5)
