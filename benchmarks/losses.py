"""Time of each loss with its gradient against the same loss with automatic differentiation in PyTorch.

A million predictions, or a batch of 2,000 rows of 128, in double precision on one thread. Run with
``python benchmarks/losses.py`` where PyTorch is installed; ``--only huber,focal`` selects losses, and
``--float32`` takes single precision. The goal is a ratio of at most 2.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import torch
import torch.nn.functional as F

from robustreg import losses as L

N, ROWS, COLUMNS = 1_000_000, 2_000, 128
torch.set_num_threads(1)


def redescender(function):
    """Mean of a function of the residual."""
    return lambda y, p: function(y - p).mean()


def hampel(r, a=1.352, b=3.155, c=7.212):
    m = r.abs()
    rise, flat, fall = m.clamp(max=a), m.clamp(a, b) - a, m.clamp(b, c) - b
    return rise**2 / 2 + a * flat + a * fall * (1 - fall / (2 * (c - b)))


def focal(logp, gamma=2.0):
    return (-((1 - logp.exp()) ** gamma) * logp).mean()


def poly(logp, epsilon=1.0):
    return (-logp + epsilon * (1 - logp.exp())).mean()


def picked(y, z):
    return F.log_softmax(z, dim=1).gather(1, y[:, None])[:, 0]


def signed(y, z):
    return F.logsigmoid((2 * y - 1) * z)


def crammer_singer(y, z):
    own = z.gather(1, y[:, None])
    gap = (1 + z - own).scatter(1, y[:, None], 0.0)
    return gap.max(dim=1).values.clamp(min=0).mean()


def dice(y, z):
    p = torch.sigmoid(z)
    return 1 - (2 * (p * y).sum() + 1) / ((p * p).sum() + y.sum() + 1)


def contrastive(x1, x2, s):
    d = (x1 - x2).norm(dim=1)
    return (s * d**2 + (1 - s) * (1 - d).clamp(min=0) ** 2).mean() / 2


def triplet(a, p, n):
    return (((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + 0.2).clamp(min=0).mean()


def info_nce(q, k, factor=10.0):
    scores = factor * F.normalize(q, dim=1) @ F.normalize(k, dim=1).T
    return F.cross_entropy(scores, torch.arange(len(q)))


def ge2e(e):
    n, m, _ = e.shape
    e = F.normalize(e, dim=2)
    total = e.sum(dim=1, keepdim=True)
    rest = F.normalize(total - e, dim=2)
    cosine = torch.einsum("nmd,kd->nmk", e, F.normalize(total[:, 0], dim=1))
    own = (e * rest).sum(2)
    mask = torch.eye(n, dtype=torch.bool)[:, None, :].expand(n, m, n)
    scores = 10 * torch.where(mask, own[:, :, None], cosine) - 5
    labels = torch.arange(n).repeat_interleave(m)
    return F.cross_entropy(scores.reshape(n * m, n), labels)


def arcface(y, x, centers, scale=64.0, margin=0.5):
    cosine = F.normalize(x, dim=1) @ F.normalize(centers, dim=1).T
    own = cosine.gather(1, y[:, None]).clamp(-1 + 1e-12, 1 - 1e-12)
    angle = torch.acos(own) + margin
    own = torch.where(angle < np.pi, torch.cos(angle), own - margin * np.sin(margin))
    return F.cross_entropy(scale * cosine.scatter(1, y[:, None], own), y)


def cases(rng, dtype):
    """Name, function form, PyTorch's loss, and the inputs: constants first, or as marked."""
    real = rng.normal(scale=2, size=N).astype(dtype), rng.normal(size=N).astype(dtype)
    bits = (rng.uniform(size=N) > 0.5).astype(dtype), real[1]
    signs = 2 * bits[0] - 1, real[1]
    chances = bits[0], rng.uniform(0.01, 0.99, size=N).astype(dtype)
    matrix = rng.normal(size=(ROWS, COLUMNS)).astype(dtype)
    labels = rng.integers(COLUMNS, size=ROWS), matrix
    simplex = rng.dirichlet(np.ones(COLUMNS), size=ROWS).astype(dtype), matrix
    many = (rng.uniform(size=matrix.shape) > 0.5).astype(dtype), matrix
    points = [rng.normal(size=matrix.shape).astype(dtype) for _ in range(3)]
    similar = (rng.uniform(size=ROWS) > 0.5).astype(dtype)
    groups = rng.normal(size=(100, 20, COLUMNS)).astype(dtype)
    logits = {"from_logits": True}
    softplus = F.softplus
    yield from (
        ("absolute", L.l1_loss, lambda y, p: F.l1_loss(p, y), real, "01"),
        ("squared", L.l2_loss, lambda y, p: F.mse_loss(p, y), real, "01"),
        ("huber", L.huber_loss, lambda y, p: F.huber_loss(p, y), real, "01"),
        ("smooth_l1", L.smooth_l1_loss, lambda y, p: F.smooth_l1_loss(p, y), real, "01"),
        ("pinball", L.pinball_loss, redescender(lambda r: torch.maximum(0.5 * r, -0.5 * r)), real, "01"),
        ("pseudo_huber", L.pseudo_huber_loss, redescender(lambda r: (1 + r * r).sqrt() - 1), real, "01"),
        ("log_cosh", L.log_cosh_loss, redescender(lambda r: r + softplus(-2 * r) - np.log(2)), real, "01"),
        ("fair", L.fair_loss, redescender(lambda r: r.abs() - torch.log1p(r.abs())), real, "01"),
        ("tukey", L.tukey_loss, redescender(lambda r: 1 - (1 - (r / 4.685).clamp(-1, 1) ** 2) ** 3), real, "01"),
        ("cauchy", L.cauchy_loss, redescender(lambda r: torch.log1p((r / 2.3849) ** 2)), real, "01"),
        ("welsch", L.welsch_loss, redescender(lambda r: -torch.expm1(-((r / 2.9846) ** 2))), real, "01"),
        ("geman_mcclure", L.geman_mcclure_loss, redescender(lambda r: r * r / (1 + (r / 3.787) ** 2)), real, "01"),
        ("andrews", L.andrews_loss, redescender(lambda r: 1 - torch.cos((r / 1.339).clamp(-np.pi, np.pi))), real, "01"),
        ("hampel", L.hampel_loss, redescender(hampel), real, "01"),
        ("logistic", partial(L.binary_cross_entropy, **logits), lambda y, z: F.binary_cross_entropy_with_logits(z, y), bits, "01"),
        ("logistic (p)", L.binary_cross_entropy, lambda y, p: F.binary_cross_entropy(p, y), chances, "01"),
        ("focal (p)", L.focal_loss, lambda y, p: focal((y * p + (1 - y) * (1 - p)).log()), chances, "01"),
        ("dice (p)", L.dice_loss, lambda y, p: 1 - (2 * (p * y).sum() + 1) / ((p * p).sum() + y.sum() + 1), chances, "01"),
        ("cross_entropy (p)", L.cross_entropy, lambda y, p: F.nll_loss(p.log(), y), (labels[0], simplex[0]), "01"),
        ("kl_divergence (p)", L.kl_divergence, lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"), (simplex[0], simplex[0][::-1].copy()), "01"),
        ("multilabel", partial(L.multilabel_cross_entropy, **logits), lambda y, z: F.binary_cross_entropy_with_logits(z, y), many, "01"),
        ("hinge", L.hinge_loss, lambda t, z: (1 - t * z).clamp(min=0).mean(), signs, "01"),
        ("squared_hinge", L.squared_hinge_loss, lambda t, z: ((1 - t * z).clamp(min=0) ** 2).mean(), signs, "01"),
        ("focal (binary)", partial(L.focal_loss, **logits), lambda y, z: focal(signed(y, z)), bits, "01"),
        ("poly (binary)", partial(L.poly_loss, **logits), lambda y, z: poly(signed(y, z)), bits, "01"),
        ("dice", partial(L.dice_loss, **logits), dice, bits, "01"),
        ("cross_entropy", partial(L.cross_entropy, **logits), lambda y, z: F.cross_entropy(z, y), labels, "01"),
        ("kl_divergence", partial(L.kl_divergence, **logits), lambda p, z: F.kl_div(F.log_softmax(z, dim=1), p, reduction="batchmean"), simplex, "01"),
        ("multiclass_hinge", L.multiclass_hinge_loss, crammer_singer, labels, "01"),
        ("weston_watkins", partial(L.multiclass_hinge_loss, variant="weston_watkins"), lambda y, z: F.multi_margin_loss(z, y), labels, "01"),
        ("focal", partial(L.focal_loss, **logits), lambda y, z: focal(picked(y, z)), labels, "01"),
        ("poly", partial(L.poly_loss, **logits), lambda y, z: poly(picked(y, z)), labels, "01"),
        ("contrastive", L.contrastive_loss, contrastive, (*points[:2], similar), "110"),
        ("triplet", L.triplet_loss, triplet, points, "111"),
        ("margin_ranking", L.margin_ranking_loss, lambda a, b, y: F.margin_ranking_loss(a, b, y), (real[0], real[1], signs[0]), "110"),
        ("info_nce", L.info_nce_loss, info_nce, points[:2], "11"),
        ("multiple_negatives_ranking", L.multiple_negatives_ranking_loss, partial(info_nce, factor=20.0), points[:2], "11"),
        ("ge2e", L.ge2e_loss, ge2e, (groups,), "1"),
        ("arcface", L.arcface_loss, arcface, (labels[0], matrix, points[0][:COLUMNS]), "011"),
    )  # fmt: skip


def best(*calls, seconds=1.5):
    """Shortest of repeated times of each call, in turns, so that other work disturbs all alike."""
    times = [float("inf")] * len(calls)
    end, rounds = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or rounds < 5:
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            times[i] = min(times[i], time.perf_counter() - start)
        rounds += 1
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of losses, separated by commas")
    parser.add_argument("--float32", action="store_true", help="single precision")
    options = parser.parse_args()
    dtype = np.float32 if options.float32 else np.float64
    print(f"{'loss':28}{'robustreg':>12}{'torch':>12}{'ratio':>8}")
    for name, mine, theirs, inputs, moving in cases(np.random.default_rng(0), dtype):
        if options.only and name not in options.only.split(","):
            continue
        tensors = [torch.as_tensor(a) for a in inputs]
        for tensor, moves in zip(tensors, moving, strict=True):
            tensor.requires_grad_(moves == "1")

        def differentiate(theirs=theirs, tensors=tensors):
            leaves = [t for t in tensors if t.requires_grad]
            return torch.autograd.grad(theirs(*tensors), leaves)

        ours, torch_time = best(partial(mine, *inputs, return_gradient=True), differentiate)
        print(f"{name:28}{1e3 * ours:9.2f} ms{1e3 * torch_time:9.2f} ms{ours / torch_time:8.2f}")


if __name__ == "__main__":
    main()
