"""PyTorch: tensors in, tensors out, in the caller's graph; derivatives are those that are returned.

Every loss of the registry and every activation is called as people call it.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from robustreg import losses as L

from .conftest import (
    ACTIVATIONS,
    CALLED,
    POINTS,
    WEIGHTS_INSIDE,
    corner,
    draw,
    inputs,
    of_points,
    parts,
    tree,
)

torch = pytest.importorskip("torch")

# of PyTorch about itself, where it first needs forward-mode derivatives
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def tensors_of(loss, data, dtype, moving=True):
    """Inputs of the public call, the moving ones as leaves of the graph."""
    roles = {a.name: a.role for a in loss.arguments}
    named = {}
    for name, array in inputs(loss, data).items():
        tensor = None if array is None else torch.asarray(array).to(dtype)
        if roles[name] != "target" and tensor is not None and moving:
            tensor.requires_grad_()
        named[name] = tensor
    leaves = {n: t for n, t in named.items() if roles[n] != "target" and t is not None}
    return SimpleNamespace(named=named, leaves=leaves)


def close(mine, other, dtype):
    """Equal to a few roundings of the type, infinities included."""
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


def reduced(value):
    return value.sum() if value.ndim else value


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_tensors_give_tensors(public, rng, reduction):
    data = draw(public, rng)
    named = inputs(public, data)
    options = {"reduction": reduction, "return_gradient": True}
    value, gradient = public(
        **{name: None if a is None else torch.asarray(a) for name, a in named.items()},
        sample_weight=torch.asarray(data.weight),
        **options,
    )
    expected, its_gradient = public(**named, sample_weight=data.weight, **options)
    assert isinstance(value, torch.Tensor)
    np.testing.assert_allclose(value.numpy(), expected, rtol=1e-12)
    for mine, other in zip(parts(gradient), parts(its_gradient), strict=True):
        np.testing.assert_allclose(mine.numpy(), other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", ["drawn", "zero", "kink", "extreme"])
def test_backward_gives_the_returned_gradient(public, rng, case, dtype):
    data = corner(public, case, rng)
    for reduction in ("mean", "sum", "none"):
        for weight in (None, torch.asarray(data.weight).to(dtype)):
            given = tensors_of(public, data, dtype)
            options = {"reduction": reduction, "sample_weight": weight}
            value = public(**given.named, **options)
            assert value.dtype == dtype
            again, gradient = public(**given.named, **options, return_gradient=True)
            torch.testing.assert_close(again, value, rtol=0, atol=0)
            reduced(value).backward()
            for leaf, returned in zip(given.leaves.values(), parts(gradient), strict=True):
                assert returned.dtype == dtype
                assert not returned.isnan().any()
                close(leaf.grad, returned, dtype)


@pytest.mark.parametrize("case", ["drawn", "zero", "kink", "extreme"])
def test_functional_gradient_is_the_returned_one(public, rng, case):
    data = corner(public, case, rng)
    given = tensors_of(public, data, torch.float64, moving=False)
    names = list(given.leaves)

    def value(*moving):
        return public(**{**given.named, **dict(zip(names, moving, strict=True))})

    leaves = tuple(given.leaves.values())
    found = torch.func.grad(value, argnums=tuple(range(len(names))))(*leaves)
    _, gradient = public(**given.named, return_gradient=True)
    for mine, returned in zip(found, parts(gradient), strict=True):
        close(mine, returned, torch.float64)


#: numbers that each type has, and their squares not
HUGE = {torch.float64: 1e200, torch.float32: 1e25, torch.float16: 300.0, torch.bfloat16: 1e25}


@pytest.mark.parametrize("dtype", HUGE, ids=str)
def test_numbers_whose_squares_overflow(public, rng, dtype):
    data = draw(public, rng)
    if getattr(public, "from_logits", True):  # probabilities are none of these
        data.raw = tree(lambda a: HUGE[dtype] * a, data.raw)
    given = tensors_of(public, data, dtype)
    value, gradient = public(**given.named, return_gradient=True)
    assert not value.isnan()
    public(**given.named).backward()
    names = list(given.leaves)
    roles = {a.name: a.role for a in public.arguments}
    fixed = {n: t for n, t in given.named.items() if n not in names}

    def again(*moving):
        return public(**fixed, **dict(zip(names, moving, strict=True)))

    moving = tuple(leaf.detach() for leaf in given.leaves.values())
    functional = torch.func.grad(again, argnums=tuple(range(len(names))))(*moving)
    for leaf, returned, other in zip(
        given.leaves.values(), parts(gradient), functional, strict=True
    ):
        assert not returned.isnan().any()
        close(leaf.grad, returned, dtype)
        close(other, returned, dtype)
    if dtype != torch.float64:  # what it is where nothing overflows, rounded
        wide = {
            n: t if t is None or roles[n] == "target" else t.detach().double()
            for n, t in given.named.items()
        }
        close(value.double(), public(**wide).to(dtype).double(), dtype)


def test_a_loss_is_a_term_among_others(public, rng):
    given = tensors_of(public, draw(public, rng), torch.float64)
    penalty = sum((leaf**2).sum() for leaf in given.leaves.values())
    value, gradient = public(**given.named, return_gradient=True)
    (0.1 * penalty + 3.0 * value).backward()
    for leaf, returned in zip(given.leaves.values(), parts(gradient), strict=True):
        expected = 0.2 * leaf.detach() + 3.0 * returned
        torch.testing.assert_close(leaf.grad, expected, rtol=1e-12, atol=1e-12)
        assert not returned.requires_grad


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", CALLED)
def test_two_derivatives_by_numerical_differentiation(name, reduction):
    public = CALLED[name]
    data = draw(public, np.random.default_rng(1), n=4)
    given = tensors_of(public, data, torch.float64)
    weight = torch.asarray(data.weight).requires_grad_(name not in WEIGHTS_INSIDE)

    def value(weight, *moving):
        named = {**given.named, **dict(zip(given.leaves, moving, strict=True))}
        return public(**named, sample_weight=weight, reduction=reduction)

    leaves = (weight, *given.leaves.values())
    assert torch.autograd.gradcheck(value, leaves, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(
        value, leaves, check_fwd_over_rev=True, atol=1e-4, rtol=1e-4
    )


SMOOTH_AT_ZERO = [
    name
    for name, loss in CALLED.items()
    if loss.smooth and getattr(loss, "from_logits", True) and not of_points(loss)
]


@pytest.mark.parametrize("name", SMOOTH_AT_ZERO)
def test_second_derivative_at_zero(name):
    public = CALLED[name]
    data = corner(public, "zero", np.random.default_rng(0))
    given = tensors_of(public, data, torch.float64)
    ((key, leaf),) = given.leaves.items()
    assert torch.autograd.gradgradcheck(
        lambda p: public(**{**given.named, key: p}), (leaf,), atol=1e-4
    )


@pytest.mark.parametrize("name", ["huber", "logistic", "cross_entropy", "dice", "info_nce"])
def test_hessian_and_gradients_of_each_problem_of_a_batch(name):
    public = CALLED[name]
    data = draw(public, np.random.default_rng(3), n=5)
    given = tensors_of(public, data, torch.float64, moving=False)
    key, leaf = next(iter(given.leaves.items()))

    def value(p):
        return public(**{**given.named, key: p})

    hessian = torch.func.hessian(value)(leaf)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(value, leaf))
    batch = torch.stack([leaf, 2 * leaf, 0.5 * leaf])
    each = torch.func.vmap(torch.func.grad(value))(batch)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(value)(p) for p in batch]))
    torch.testing.assert_close(
        torch.func.vmap(value)(batch), torch.stack([value(p) for p in batch])
    )


def test_a_third_derivative_is_refused():
    z = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(L.Logistic()([1, 0], z), z, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), z, create_graph=True)
    with pytest.raises(NotImplementedError, match="Logistic has two derivatives"):
        h.sum().backward()


def test_derivative_in_the_targets(public, rng):
    data = draw(public, rng)
    if data.y is None:
        assert public.arguments[0].role == "raw"
        return
    given = tensors_of(public, data, torch.float64)
    name = next(a.name for a in public.arguments if a.role == "target")
    target = given.named[name].requires_grad_()
    value = public(**given.named)
    if public.of_difference:
        value.backward()
        (leaf,) = given.leaves.values()
        torch.testing.assert_close(target.grad, -leaf.grad)
    else:
        with pytest.raises(ValueError, match=rf"pass {name}.detach\(\)"):
            value.backward()


@pytest.mark.parametrize("name", sorted(WEIGHTS_INSIDE))
def test_weights_inside_a_loss_have_no_derivative(name):
    data = draw(CALLED[name], np.random.default_rng(0))
    given = tensors_of(CALLED[name], data, torch.float64)
    weight = torch.asarray(data.weight).requires_grad_()
    with pytest.raises(ValueError, match=r"sample_weight.detach\(\)"):
        CALLED[name](**given.named, sample_weight=weight).backward()


@pytest.mark.parametrize("seed", range(2))
def test_derivatives_match_autograd(loss, seed):
    rng = np.random.default_rng(seed)
    data = draw(loss, rng)
    raw = tree(torch.asarray, data.raw)
    y = None if data.y is None else torch.asarray(data.y)
    weight, extra = torch.asarray(data.weight), torch.asarray(data.extra)
    moving = [a.requires_grad_() for a in (*parts(raw), extra)]
    value = loss.values(y, raw, weight, extra).sum()
    gradient = torch.autograd.grad(value, moving, create_graph=True, materialize_grads=True)
    found = loss.value_gradient(data.y, data.raw, data.weight, data.extra)
    np.testing.assert_allclose(found[0], value.item(), rtol=1e-12)
    for mine, other in zip([*parts(found[1]), found[2]], gradient, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-9, atol=1e-11)
    directions = [torch.asarray(rng.normal(size=tuple(a.shape))) for a in moving]
    along = sum((g * d).sum() for g, d in zip(gradient, directions, strict=True))
    if not along.requires_grad:
        return  # linear in this region
    product = torch.autograd.grad(along, moving, materialize_grads=True)
    d_raw = tuple(d.numpy() for d in directions[:-1])
    found = loss.curvature(
        data.y,
        data.raw,
        data.weight,
        data.extra,
        d_raw if isinstance(data.raw, tuple) else d_raw[0],
        directions[-1].numpy(),
    )
    for mine, other in zip([*parts(found[0]), found[1]], product, strict=True):
        scale = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-9, atol=1e-11 * scale)


def test_other_targets_follow_the_predictions():
    p = torch.tensor([0.5, 2.0], dtype=torch.float32)
    for y in ([0, 1], [0.0, 1.0], np.array([0, 1]), np.array([0.0, 1.0]), torch.tensor([0, 1])):
        value, gradient = L.huber_loss(y, p, sample_weight=np.ones(2), return_gradient=True)
        assert value.dtype == gradient.dtype == torch.float32
        assert value.item() == 0.3125


def test_a_cotangent_of_zero_beats_an_infinite_derivative():
    p = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
    L.binary_cross_entropy([1, 1], p, reduction="none")[0].backward()
    assert p.grad.tolist() == [-2.0, 0.0]


def test_products_keep_their_precision_under_autocast():
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(8, 5, generator=generator) for _ in range(2))
    plain = L.info_nce_loss(query, key)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert L.info_nce_loss(query, key).item() == plain.item()


def test_means_of_half_precision_do_not_overflow():
    for dtype in (torch.float16, torch.bfloat16):
        y, p = torch.zeros(100_000, dtype=dtype), torch.full((100_000,), 200.0, dtype=dtype)
        value = L.l2_loss(y, p, sample_weight=torch.ones(100_000, dtype=dtype))
        assert value.dtype == dtype
        assert value.item() == torch.tensor(40_000.0).to(dtype).item()


def own(name):
    """What PyTorch calls the activation."""
    if name == "log_sigmoid":
        return torch.nn.functional.logsigmoid
    function = getattr(torch, name)
    return function if name == "sigmoid" else lambda z: function(z, -1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", POINTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_its_gradient_are_those_of_torch(name, case, dtype):
    mine, theirs = getattr(L, name), own(name)
    z, exact = (
        torch.tensor(POINTS[case], dtype=kind, requires_grad=True)
        for kind in (dtype, torch.float64)
    )
    found, expected = mine(z), theirs(exact)
    assert found.dtype == dtype
    close(found.double(), expected, dtype)
    outer = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    (found * outer.to(dtype)).sum().backward()
    (expected * outer).sum().backward()
    close(z.grad.double(), exact.grad, dtype)
    again = torch.func.grad(lambda p: (mine(p) * outer.to(dtype)).sum())(z.detach())
    close(again, z.grad, dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_at_infinity_and_twice_differentiated(name):
    z = torch.tensor([math.inf, 0.0, -math.inf], requires_grad=True)
    value = getattr(L, name)(z)
    assert not value.isnan().any()
    value[value.isfinite()].sum().backward()
    assert not z.grad.isnan().any()
    for point in ("zero", "tie", "usual"):
        z = torch.tensor(POINTS[point], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradgradcheck(getattr(L, name), (z,), atol=1e-4)
