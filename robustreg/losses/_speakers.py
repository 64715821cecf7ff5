"""The generalised end-to-end loss of groups, such as the utterances of speakers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array, arange_like, array_namespace, weigh
from robustreg._parameters import choice, flag, real
from robustreg.losses import _softmax
from robustreg.losses._activations import Sigmoid
from robustreg.losses._base import Argument, Extra
from robustreg.losses._batch import BatchLoss
from robustreg.losses._geometry import refuse_zero, unit
from robustreg.losses._targets import Groups, Target, require

_INF = float("inf")


@dataclass(eq=False)
class GE2E(BatchLoss):
    r"""Generalised end-to-end loss: each member is to be nearest to the centroid of its own group.

    The similarity with a group is w cos + b, with a centroid that leaves the member itself out.
    ``w`` and ``b`` are the loss's own parameters ``extra``, for which the fields are start values.

    Parameters
    ----------
    w : float in (0, inf), default=10.0
        Scale of the cosine.
    b : float, default=-5.0
        Offset of the similarity.
    variant : {"softmax", "contrast"}, default="softmax"
        Cross-entropy over all groups, or one minus the sigmoid of the own similarity plus that of
        the nearest other group.
    normalize : bool, default=True
        Whether embeddings are made unit vectors before they are averaged.

    Examples
    --------
    >>> from robustreg.losses import GE2E, ge2e_loss
    >>> embeddings = [[[1.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [0.0, 3.0]]]
    >>> ge2e_loss(embeddings, w=1.0, b=0.0, reduction="none").round(4).tolist()
    [[0.3133, 0.3133], [0.3133, 0.3133]]
    >>> round(float(GE2E(w=1.0, b=0.0, variant="contrast")(embeddings)), 4)
    0.7689
    """

    w: float = real(10.0, low=0.0)
    b: float = real(-5.0, low=-_INF)
    variant: str = choice("softmax", "softmax", "contrast")
    normalize: bool = flag(True)

    name: ClassVar[str] = "ge2e"
    function: ClassVar[str] = "ge2e_loss"
    target: ClassVar[Target] = Groups()
    of_direction = True
    additive: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    values_shape: ClassVar[str] = "(groups, members)"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("embeddings", "raw", "array-like of shape (groups, members, d)", "Embeddings."),
    )
    formula: ClassVar[str] = r"-S_{ji,j} + \log \sum_k e^{S_{ji,k}}, \quad S = w \cos + b"
    reference: ClassVar[str] = (
        "Wan, L. et al. (2018). Generalized end-to-end loss for speaker verification. IEEE "
        "International Conference on Acoustics, Speech and Signal Processing, 4879-4883."
    )

    def shape(self, raw: Array) -> tuple[int, ...]:
        return tuple(raw.shape[:2])

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        several = raw.shape[0] > 1 or self.variant == "softmax"
        require(several, "embeddings must have two groups or more for variant='contrast'.")
        refuse_zero(raw, "embeddings")

    def extra(self, y: Any, raw: Array, weight: Array | None) -> Extra:
        start = np.array([float(self.w), float(self.b)])
        return Extra(start, np.array([1e-6, -_INF]), np.array([_INF, _INF]))

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        xp = array_namespace(raw)
        n, m, _ = raw.shape
        w, b = (float(self.w), float(self.b)) if extra is None else (extra[0], extra[1])
        members = unit(raw)
        points = members.direction if self.normalize else raw
        total = xp.sum(points, axis=1, keepdims=True)
        centre = unit(xp.reshape(total, (n, -1)))
        rest = unit(total - points)
        across = xp.reshape(members.direction, (n * m, -1)) @ xp.matrix_transpose(centre.direction)
        own = xp.sum(members.direction * rest.direction, axis=-1, keepdims=True)
        mask = xp.reshape(_softmax.label_mask(_groups(n, m, raw), across), (n, m, n))
        cosines = xp.where(mask, own, xp.reshape(across, (n, m, n)))
        value, slope = self._classify(w * cosines + b, mask)
        value, slope = weigh(value, weight), weigh(slope, weight)
        # Back through the cosines with other groups' centroids and with the rest of the own group.
        pull = w * slope
        elsewhere = xp.reshape(xp.where(mask, 0.0, pull), (n * m, n))
        inside = xp.sum(xp.where(mask, pull, 0.0), axis=-1, keepdims=True)
        flat = xp.reshape(members.direction, (n * m, -1))
        d_centre = centre.pullback(xp.matrix_transpose(elsewhere) @ flat)
        d_rest = rest.pullback(inside * members.direction)
        d_total = xp.reshape(d_centre, (n, 1, -1)) + xp.sum(d_rest, axis=1, keepdims=True)
        d_points = d_total - d_rest
        d_direction = xp.reshape(elsewhere @ centre.direction, (n, m, -1))
        d_direction = d_direction + inside * rest.direction
        if self.normalize:
            d_raw = members.pullback(d_direction + d_points)
        else:
            d_raw = members.pullback(d_direction) + d_points
        d_w, d_b = xp.sum(slope * cosines), xp.sum(slope)
        return value, d_raw, xp.concat([xp.reshape(d_w, (1,)), xp.reshape(d_b, (1,))])

    def _classify(self, scores: Array, mask: Array) -> tuple[Array, Array]:
        """Loss of each member from its similarities with all groups, and the derivative in these."""
        xp = array_namespace(scores)
        n, m, _ = scores.shape
        if self.variant == "softmax":
            row = _softmax.from_logits(xp.reshape(scores, (n * m, n)), _groups(n, m, scores))
            return xp.reshape(row.entropy, (n, m)), xp.reshape(row.slope, (n, m, n))
        curve = Sigmoid(scores)
        at = curve.at
        others = xp.where(mask, -1.0, at)
        worst = xp.max(others, axis=-1, keepdims=True)
        share = xp.astype(others >= worst, worst.dtype)
        share = share / xp.sum(share, axis=-1, keepdims=True)  # groups that tie share the push
        miss = xp.sum(xp.where(mask, curve.opposite, 0.0), axis=-1)
        value = miss + xp.sum(at * share, axis=-1)
        return value, curve.slope * xp.where(mask, -1.0, share)


def _groups(n: int, m: int, like: Array) -> Array:
    """Group of each member, shape (n * m,)."""
    group = arange_like(n, like)[:, None] + 0.0 * arange_like(m, like)[None, :]
    return array_namespace(like).reshape(group, (n * m,))
