"""What the tests of the losses share: every loss, with targets and predictions drawn for it."""

from types import SimpleNamespace

import numpy as np
import pytest

from robustreg import losses as L
from robustreg.losses import _activations
from robustreg.losses._targets import ClassesOfVectors, Groups, Vectors

# Beyond the registry at its defaults: wrappers, and settings that take another path.
VARIATIONS = {
    "concomitant": L.Concomitant(kappa=0.7),
    "concomitant_log_cosh": L.Concomitant(L.LogCosh()),
    "smoothed_pinball": L.Smoothed(L.Pinball(0.2), mu=0.7),
    "smoothed_hinge": L.Smoothed(L.Hinge(), mu=0.7),
    "logistic_probabilities": L.Logistic(from_logits=False, pos_weight=2.0),
    "cross_entropy_smoothed": L.CrossEntropy(label_smoothing=0.2),
    "cross_entropy_probabilities": L.CrossEntropy(from_logits=False),
    "kl_probabilities": L.KLDivergence(from_logits=False),
    "weston_watkins": L.MulticlassHinge("weston_watkins"),
    "focal_half": L.Focal(gamma=0.5, alpha=0.25),
    "focal_probabilities": L.Focal(from_logits=False),
    "poly_n": L.Poly((2.0, -0.5, 0.75)),
    "poly_divided_probabilities": L.Poly((1.0, 0.5), divided=True, from_logits=False),
    "dice_plain_probabilities": L.Dice(squared=False, from_logits=False),
    "triplet_swap": L.Triplet(margin=1.0, squared=False, swap=True),
    "info_nce_symmetric": L.InfoNCE(temperature=0.5, symmetric=True),
    "mnr_dot": L.MultipleNegativesRanking(scale=0.5, similarity="dot"),
    "ge2e_contrast": L.GE2E(variant="contrast"),
    "ge2e_not_normalized": L.GE2E(normalize=False),
    "arcface_easy": L.ArcFace(scale=3.0, variant="easy"),
}
EVERY = {name: kind() for name, kind in L.LOSSES.items()} | VARIATIONS
#: losses that can be called without parameters of their own (Concomitant needs its scale)
CALLED = {name: loss for name, loss in EVERY.items() if "concomitant" not in name}
WEIGHTS_INSIDE = {"dice", "dice_plain_probabilities"}
ACTIVATIONS = [
    name
    for name in L.__all__
    if getattr(getattr(L, name), "__module__", "") == _activations.__name__
]
POINTS = {
    "zero": [0.0, 0.0, 0.0],
    "tie": [1.0, 1.0, -2.0],
    "usual": [0.3, -1.2, 2.0],
    "extreme": [1e4, -1e4, 1e4],
}


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


@pytest.fixture(params=EVERY)
def loss(request):
    return EVERY[request.param]


@pytest.fixture(params=CALLED)
def public(request):
    return CALLED[request.param]


def tree(function, *trees):
    """Apply a function to arrays, or to the corresponding parts of tuples of arrays."""
    if isinstance(trees[0], tuple):
        return tuple(function(*parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def draw(loss, rng, n=12):
    """Targets, raw predictions, weights and own parameters for a loss."""
    y, raw = loss.target.sample(rng, n)
    if not getattr(loss, "from_logits", True):
        raw = 1 / (1 + np.exp(-raw))
        if raw.ndim == 2:
            raw = raw / raw.sum(axis=1, keepdims=True)
    start = loss.extra(y, raw, None).start
    extra = start + 0.1 * rng.uniform(size=start.shape)
    weight = rng.uniform(0.5, 2.0, size=n)
    return SimpleNamespace(y=y, raw=raw, weight=weight, extra=extra, n=n)


def inputs(loss, data):
    """The drawn arrays by the names of the function form's inputs."""
    raws = list(data.raw) if isinstance(data.raw, tuple) else [data.raw]
    named = {}
    for argument in loss.arguments:
        if argument.role == "target":
            named[argument.name] = data.y
        elif argument.role == "extra":
            named[argument.name] = data.extra.reshape(-1, data.raw.shape[1])
        elif raws:
            named[argument.name] = raws.pop(0)
    return named


def parts(raw):
    return list(raw) if isinstance(raw, tuple) else [raw]


def of_points(loss):
    """Whether predictions are vectors, where zero has no direction."""
    return isinstance(loss.target, Vectors | Groups | ClassesOfVectors)


def corner(loss, case, rng):
    """Targets and predictions where cases of a formula meet, or far out."""
    data = draw(loss, rng)
    logits = getattr(loss, "from_logits", True)
    if case == "zero":  # or all points coincide
        value = 0.0 * parts(data.raw)[0] + (1.0 if of_points(loss) else 0.0)
        if not logits:
            value = value + (1 / value.shape[1] if value.ndim == 2 else 0.5)
        data.raw = tuple(value for _ in data.raw) if isinstance(data.raw, tuple) else value
        if loss.of_difference:
            data.y = 0 * data.y
    elif case == "kink":
        widths = [float(getattr(loss, name)) for name in getattr(loss, "threshold", ())]
        widths += [float(getattr(loss, "margin", 0.0)), 0.0, 1.0]
        if logits and not isinstance(data.raw, tuple) and data.raw.ndim < 3:
            steps = np.resize([w for width in widths for w in (width, -width)], data.raw.shape)
            data.raw = steps if loss.of_difference else np.where(steps == 0, 1.0, steps)
            if loss.of_difference:
                data.y = 0 * data.y
    elif case == "extreme":
        far = (lambda a: 1e4 * np.sign(a)) if logits else np.round
        data.raw = tree(far, data.raw)
    return data
