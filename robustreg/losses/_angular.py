"""Classification by angle with an additive margin: ArcFace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array, array_namespace, to_numpy, weigh
from robustreg._parameters import choice, real
from robustreg.losses import _softmax
from robustreg.losses._base import Argument, Extra
from robustreg.losses._batch import BatchLoss
from robustreg.losses._geometry import Scores, put, refuse_zero, unit
from robustreg.losses._targets import ClassesOfVectors, Target, axes, class_indices, require


@dataclass(eq=False)
class ArcFace(BatchLoss):
    r"""ArcFace (additive angular margin): softmax over angles, with a handicap for the true class.

    The class centres are the loss's own parameters ``extra``, row after row.

    Parameters
    ----------
    scale : float in (0, inf), default=64.0
        Multiplies the cosines.
    margin : float in [0, pi), default=0.5
        Angle, in radians, that is added to the angle with the true class.
    variant : {"hard", "easy", "plain"}, default="hard"
        What happens where the sum passes pi and its cosine would rise again: "hard" goes on as
        cos - margin sin(margin), "plain" lets it rise. "easy" handicaps acute angles alone.

    Examples
    --------
    >>> from robustreg.losses import ArcFace, arcface_loss
    >>> centers, embeddings = [[1.0, 0.0], [0.0, 1.0]], [[2.0, 1.0], [2.0, 1.0]]
    >>> arcface_loss([0, 1], embeddings, centers, scale=1.0, reduction="none").round(4).tolist()
    [0.6334, 1.2631]
    >>> float(ArcFace(margin=0.0)([0], [[3.0, 3.0]], centers).round(4))
    0.6931
    """

    scale: float = real(64.0, low=0.0)
    margin: float = real(0.5, low=0.0, high=math.pi, closed="left")
    variant: str = choice("hard", "hard", "easy", "plain")

    name: ClassVar[str] = "arcface"
    function: ClassVar[str] = "arcface_loss"
    target: ClassVar[Target] = ClassesOfVectors()
    of_direction = True
    convex: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("y_true", "target", "array-like of shape (n,)", "Class labels 0, 1, ..."),
        Argument("embeddings", "raw", "array-like of shape (n, d)", "Embeddings."),
        Argument("centers", "extra", "array-like of shape (n_classes, d)", "Centre of each class."),
    )
    formula: ClassVar[str] = (
        r"-\log \frac{e^{s \cos(\theta_y + m)}}{e^{s \cos(\theta_y + m)} "
        r"+ \sum_{j \ne y} e^{s \cos \theta_j}}"
    )
    reference: ClassVar[str] = (
        "Deng, J. et al. (2019). ArcFace: additive angular margin loss for deep face recognition. "
        "IEEE Conference on Computer Vision and Pattern Recognition, 4690-4699."
    )

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        axes(extra, (2,), "centers")
        require(
            extra.shape[1] == raw.shape[1],
            "centers and embeddings must have the same number of columns. "
            f"Got shapes {tuple(extra.shape)} and {tuple(raw.shape)}.",
        )
        class_indices(y, extra.shape[0], "y_true")
        refuse_zero(raw, "embeddings")
        refuse_zero(extra, "centers")

    def extra(self, y: Any, raw: Array, weight: Array | None) -> Extra:
        """Start at the mean direction of each class, plus a little of each axis for want of rows."""
        labels = to_numpy(y).astype(np.int64)
        directions = unit(to_numpy(raw)).direction
        centers = put(directions, labels, int(labels.max()) + 1)
        centers = centers + 1e-3 * np.eye(*centers.shape)
        start = unit(centers).direction.ravel()
        return Extra(start, np.full_like(start, -np.inf), np.full_like(start, np.inf))

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        if extra is None:
            raise ValueError("extra must hold the class centres.")
        xp = array_namespace(raw)
        point, center = unit(raw), unit(xp.reshape(extra, (-1, raw.shape[1])))
        cosines = Scores.forward(point.direction, center.direction)
        mask = _softmax.label_mask(y, cosines)
        handicapped, chain = self._handicap(xp.sum(xp.where(mask, cosines, 0.0), axis=-1))
        logits = float(self.scale) * xp.where(mask, handicapped[:, None], cosines)
        row = _softmax.from_logits(logits, y)
        slope = float(self.scale) * weigh(row.slope, weight)
        slope = slope * xp.where(mask, chain[:, None], 1.0)
        d_point, d_center = Scores.pullback(slope, point.direction, center.direction)
        d_extra = xp.reshape(center.pullback(d_center), (-1,))
        return weigh(row.entropy, weight), point.pullback(d_point), d_extra

    def _handicap(self, cosine: Array) -> tuple[Array, Array]:
        """Cosine of the angle plus the margin, with the variant's way out, and its derivative."""
        xp, margin = array_namespace(cosine), float(self.margin)
        square = (1.0 - cosine) * (1.0 + cosine)
        proper = square > 0
        sine = xp.sqrt(xp.where(proper, square, 1.0))
        # At angle 0 or pi the derivative is infinite: the part of the sine is left out there.
        cotangent = xp.where(proper, cosine / sine, 0.0)
        value = math.cos(margin) * cosine - math.sin(margin) * xp.where(proper, sine, 0.0)
        slope = math.cos(margin) + math.sin(margin) * cotangent
        if self.variant == "hard":
            regular = cosine > -math.cos(margin)
            other = cosine - margin * math.sin(margin)
        elif self.variant == "easy":
            regular, other = cosine > 0, cosine
        else:
            return value, slope
        return xp.where(regular, value, other), xp.where(regular, slope, 1.0)
