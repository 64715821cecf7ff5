"""PyTorch tensors in, tensors out; gradients and curvature against its automatic differentiation."""

import numpy as np
import pytest

from robustreg import losses as L

from .conftest import draw, inputs, tree

torch = pytest.importorskip("torch")


def tensors(data):
    raw = tree(torch.asarray, data.raw)
    y = None if data.y is None else torch.asarray(data.y)
    return y, raw, torch.asarray(data.weight), torch.asarray(data.extra)


def parts(raw):
    return list(raw) if isinstance(raw, tuple) else [raw]


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
    for mine, other in zip(
        gradient if isinstance(gradient, tuple) else [gradient],
        its_gradient if isinstance(its_gradient, tuple) else [its_gradient],
        strict=True,
    ):
        np.testing.assert_allclose(mine.numpy(), other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("seed", range(2))
def test_derivatives_match_autograd(loss, seed):
    rng = np.random.default_rng(seed)
    data = draw(loss, rng)
    y, raw, weight, extra = tensors(data)
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
    for y in ([0, 1], np.array([0, 1]), torch.tensor([0, 1])):
        value, gradient = L.huber_loss(y, p, sample_weight=np.ones(2), return_gradient=True)
        assert value.dtype == gradient.dtype == torch.float32
        assert value.item() == 0.3125
