"""robustreg.torch: criteria as PyTorch's own, made from the losses."""

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from robustreg.losses import LOSSES, ge2e_loss
from tests import _pages

torch = pytest.importorskip("torch")
nn = pytest.importorskip("robustreg.torch")

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
SHIPPED = [n for n, kind in LOSSES.items() if kind.__module__.startswith("robustreg.losses.")]


def made(name, **options):
    kind = LOSSES[name]
    if name == "arcface":
        options |= {"n_classes": 4, "n_dimensions": 3}
    return getattr(nn, kind.__name__)(**options)


def given(name, dtype=torch.float64):
    """Inputs in the order of the criterion; predictions require their gradient."""
    y, raw = LOSSES[name]().target.sample(np.random.default_rng(0), 12)
    raws = raw if isinstance(raw, tuple) else (raw,)
    moving = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in raws]
    return moving, [] if y is None else [torch.tensor(y, dtype=dtype)]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", SHIPPED)
def test_value_and_gradient_are_those_of_the_loss(name, reduction):
    criterion = made(name, reduction=reduction).double()
    moving, target = given(name)
    value = criterion(*moving, *target)
    value.sum().backward()
    arrays = [a.detach().numpy() for a in moving]
    raw = tuple(arrays) if len(arrays) > 1 else arrays[0]
    extra = None if criterion.extra is None else criterion.extra.detach().numpy().ravel()
    y = target[0].numpy() if target else None
    values = LOSSES[name]().values(y, raw, None, extra)
    _, d_raw, d_extra = LOSSES[name]().value_gradient(y, raw, None, extra)
    total = values.size if reduction == "mean" else 1
    expected = values if reduction == "none" else values.sum() / total
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-12)
    slopes = d_raw if isinstance(d_raw, tuple) else (d_raw,)
    for tensor, slope in zip(moving, slopes, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), slope / total, rtol=1e-9, atol=1e-12)
    if extra is not None:
        found = criterion.extra.grad.numpy().ravel()
        np.testing.assert_allclose(found, d_extra / total, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SHIPPED)
def test_pickled_copied_and_saved(name):
    criterion = made(name).double()
    moving, target = given(name)
    value = criterion(*moving, *target).item()
    for again in (pickle.loads(pickle.dumps(criterion)), copy.deepcopy(criterion)):
        assert again(*moving, *target).item() == value
    file = io.BytesIO()
    torch.save(criterion.state_dict(), file)
    file.seek(0)
    other = made(name).double()
    other.load_state_dict(torch.load(file))
    assert other(*moving, *target).item() == value
    assert repr(criterion).startswith(f"{LOSSES[name].__name__}(")
    assert "reduction='mean'" in repr(criterion)


@pytest.mark.parametrize("variant", ["softmax", "contrast"])
def test_the_slope_of_ge2e_stays_positive(variant):
    # members nearer to the other group's centroid than to their own: a smaller w is always better
    far = torch.tensor([[[1.0, 0.0], [-1.0, 0.1]], [[0.9, 0.1], [-0.9, 0.1]]], dtype=torch.float64)
    criterion = nn.GE2E(w=1.0, variant=variant).double()
    optimiser = torch.optim.SGD(criterion.parameters(), lr=1e3)
    first = criterion(far)
    (first + criterion(far)).backward()  # two graphs of one value of the parameters
    optimiser.step()
    assert criterion.extra[0] < 0
    value = criterion(far).item()
    assert criterion.extra[0].item() == pytest.approx(1e-6)
    w, b = criterion.extra.tolist()
    assert value == pytest.approx(ge2e_loss(far.numpy(), w=w, b=b, variant=variant))
    assert set(criterion.state_dict()) == {"extra"}


def both(mine, theirs, moving, target, **weights):
    """Values, and gradients in the predictions, of two criteria."""
    found = []
    for criterion in (mine, theirs):
        leaves = [a.detach().clone().requires_grad_() for a in moving]
        value = criterion(*leaves, *target)
        value.sum().backward()
        found.append([value.detach(), *(a.grad for a in leaves)])
    return zip(*found, strict=True)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "case",
    [
        "huber",
        "smooth_l1",
        "cross_entropy",
        "cross_entropy_smoothed",
        "kl",
        "ranking",
        "triplet",
        "bce",
    ],
)
def test_the_same_as_torch(case, reduction):
    rng = torch.Generator().manual_seed(0)

    def normal(*shape):
        return 2 * torch.randn(*shape, generator=rng, dtype=torch.float64)

    label = torch.randint(0, 4, (20,), generator=rng)
    own, options = torch.nn, {"reduction": reduction}
    mine, theirs, moving, target = {
        "huber": lambda: (
            nn.Huber(delta=1.345, **options), own.HuberLoss(delta=1.345, **options),
            [normal(20)], [normal(20)],
        ),
        "smooth_l1": lambda: (
            nn.SmoothL1(beta=0.7, **options), own.SmoothL1Loss(beta=0.7, **options),
            [normal(20)], [normal(20)],
        ),
        "cross_entropy": lambda: (
            nn.CrossEntropy(**options), own.CrossEntropyLoss(**options), [normal(20, 4)], [label],
        ),
        "cross_entropy_smoothed": lambda: (
            nn.CrossEntropy(label_smoothing=0.1, **options),
            own.CrossEntropyLoss(label_smoothing=0.1, **options), [normal(20, 4)], [label],
        ),
        "kl": lambda: (
            nn.KLDivergence(**options), KL(reduction), [normal(20, 4)],
            [torch.softmax(normal(20, 4), 1)],
        ),
        "ranking": lambda: (
            nn.MarginRanking(margin=0.5, **options), own.MarginRankingLoss(margin=0.5, **options),
            [normal(20), normal(20)], [2.0 * (label > 1) - 1],
        ),
        "triplet": lambda: (
            nn.Triplet(margin=1.0, squared=False, **options),
            own.TripletMarginLoss(margin=1.0, eps=0.0, **options),
            [normal(20, 3), normal(20, 3), normal(20, 3)], [],
        ),
        "bce": lambda: (
            nn.Logistic(**options), own.BCEWithLogitsLoss(**options), [normal(20)],
            [(label > 1).double()],
        ),
    }[case]()  # fmt: skip
    for one, other in both(mine, theirs, moving, target):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


class KL:
    """PyTorch's divergence of logits, its values summed over the classes."""

    def __init__(self, reduction):
        self.reduction = reduction

    def __call__(self, logits, target):
        each = torch.nn.KLDivLoss(reduction="none")(torch.log_softmax(logits, 1), target).sum(dim=1)
        return each if self.reduction == "none" else getattr(each, self.reduction)()


def test_weights_are_repetitions():
    p, y = torch.tensor([0.0, 3.0]), torch.tensor([1.0, 1.0])
    weighted = nn.Huber()(p, y, sample_weight=torch.tensor([2.0, 1.0]))
    repeated = nn.Huber()(p[[0, 0, 1]], y[[0, 0, 1]])
    torch.testing.assert_close(weighted, repeated)


def test_centres_are_learned():
    torch.manual_seed(0)
    criterion = nn.ArcFace(n_classes=3, n_dimensions=2, scale=8.0, margin=0.1)
    label = torch.arange(60) % 3
    points = torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])[label] + 0.1 * torch.randn(60, 2)
    descent = torch.optim.Adam(criterion.parameters(), lr=0.1)
    start = criterion(points, label).item()
    for _ in range(50):
        descent.zero_grad()
        criterion(points, label).backward()
        descent.step()
    assert criterion(points, label).item() < 0.2 * start


def test_messages():
    with pytest.raises(ValueError, match="reduction"):
        nn.Huber(reduction="average")
    with pytest.raises(ValueError, match="delta"):
        nn.Huber(delta=-1.0)
    with pytest.raises(TypeError, match="takes 2 inputs: y_pred, y_true"):
        nn.Huber()(*[torch.zeros(1)] * 3)
    with pytest.raises(TypeError, match="n_classes"):
        nn.ArcFace()
    for size in (-1, 0, 2.5, True):
        with pytest.raises(ValueError, match="n_classes must be an integer of at least 1"):
            nn.ArcFace(n_classes=size, n_dimensions=2)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, robustreg; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_extra_is_named():
    code = (
        "import sys, robustreg; sys.modules['torch'] = None\n"
        "try:\n    import robustreg.torch\n"
        "except ImportError as error:\n    assert 'robustreg[torch]' in str(error)\n"
        "else:\n    raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_page_of_the_guide_runs():
    scope = _pages.run([block for block in _pages.scripts("torch") if "import torch" in block])
    assert scope["model"].weight.grad.shape == (1, 3)
    assert (scope["model"].weight.grad != 0).all()
