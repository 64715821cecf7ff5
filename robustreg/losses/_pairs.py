"""Losses of given pairs and triplets: contrastive, triplet, margin ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import EMPTY, Array, array_namespace, weigh
from robustreg._parameters import flag, real
from robustreg.losses._base import Argument
from robustreg.losses._batch import BatchLoss
from robustreg.losses._geometry import Distance, distance, nearer, only
from robustreg.losses._targets import Orders, Target, Vectors

_POINTS = "array-like of shape (n, d)"


@dataclass(eq=False)
class Contrastive(BatchLoss):
    r"""Contrastive loss: similar pairs get a small distance, others at least a margin.

    Where two dissimilar points coincide the direction is undefined and the gradient zero.

    Parameters
    ----------
    margin : float in [0, inf), default=1.0
        Distance from which a dissimilar pair costs nothing.
    halved : bool, default=True
        Whether to halve both squares.

    Examples
    --------
    >>> from robustreg.losses import Contrastive, contrastive_loss
    >>> x1, x2 = [[0.0, 0.0], [0.0, 0.0]], [[0.6, 0.0], [0.6, 0.0]]
    >>> contrastive_loss(x1, x2, [1, 0], reduction="none").round(4).tolist()
    [0.18, 0.08]
    >>> Contrastive(halved=False)(x1, x2, [1, 0], reduction="none").round(4).tolist()
    [0.36, 0.16]
    """

    margin: float = real(1.0, low=0.0, closed="left")
    halved: bool = flag(True)

    name: ClassVar[str] = "contrastive"
    function: ClassVar[str] = "contrastive_loss"
    target: ClassVar[Target] = Vectors(2, labels=(0, 1))
    convex: ClassVar[bool] = False
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("x1", "raw", _POINTS, "First points."),
        Argument("x2", "raw", _POINTS, "Second points."),
        Argument("similar", "target", "array-like of shape (n,)", "1 for similar pairs, else 0."),
    )
    formula: ClassVar[str] = (
        r"\tfrac{1}{2} y d^2 + \tfrac{1}{2} (1 - y) \max(0, \mu - d)^2, \quad d = \|x_1 - x_2\|"
    )
    reference: ClassVar[str] = (
        "Hadsell, R., Chopra, S. and LeCun, Y. (2006). Dimensionality reduction by learning an "
        "invariant mapping. IEEE Conference on Computer Vision and Pattern Recognition, 1735-1742."
    )

    def of_distance(self, d: Array, similar: Array) -> tuple[Array, Array]:
        """Loss as a function of the distance, and its derivative.

        Parameters
        ----------
        d : array of shape (n,)
            Distances.
        similar : array of shape (n,)
            1 for similar pairs, else 0.

        Returns
        -------
        value, slope : array of shape (n,)
        """
        xp = array_namespace(d)
        factor = 1.0 if self.halved else 2.0
        gap = float(self.margin) - d
        gap = (1.0 - similar) * xp.where(gap > 0, gap, 0.0)
        near = xp.where(similar > 0, d, 0.0)  # 0 times an infinite square would be NaN
        return (0.5 * factor) * (near * near + gap * gap), factor * (near - gap)

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        apart = distance(raw[0], raw[1], squared=False)
        value, slope = self.of_distance(apart.value, y)
        gradient = weigh(slope[:, None] * apart.slope, weight)
        return weigh(value, weight), (gradient, -gradient), EMPTY


@dataclass(eq=False)
class Triplet(BatchLoss):
    r"""Triplet loss: an anchor is to be nearer to its positive than to its negative.

    Every triplet counts in the mean, not only the active ones.

    Parameters
    ----------
    margin : float in [0, inf), default=0.2
        By how much nearer.
    squared : bool, default=True
        Whether distances are squared.
    swap : bool, default=False
        Whether the negative's distance is that to the nearer of anchor and positive.

    Examples
    --------
    >>> from robustreg.losses import Triplet, triplet_loss
    >>> anchor, positive, negative = [[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.5]]
    >>> round(float(triplet_loss(anchor, positive, negative)), 4)
    0.95
    >>> float(Triplet(margin=1.0, squared=False)(anchor, positive, negative))
    1.5
    """

    margin: float = real(0.2, low=0.0, closed="left")
    squared: bool = flag(True)
    swap: bool = flag(False)

    name: ClassVar[str] = "triplet"
    function: ClassVar[str] = "triplet_loss"
    target: ClassVar[Target] = Vectors(3)
    smooth: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("anchor", "raw", _POINTS, "Anchors."),
        Argument("positive", "raw", _POINTS, "Points that belong to the anchors."),
        Argument("negative", "raw", _POINTS, "Points that do not."),
    )
    formula: ClassVar[str] = r"\max(0, \|a - p\|^2 - \|a - n\|^2 + \mu)"
    reference: ClassVar[str] = (
        "Schroff, F., Kalenichenko, D. and Philbin, J. (2015). FaceNet: a unified embedding for "
        "face recognition and clustering. IEEE Conference on Computer Vision and Pattern "
        "Recognition, 815-823."
    )

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        anchor, positive, negative = raw
        xp = array_namespace(anchor)
        near = distance(anchor, positive, self.squared)
        far = distance(anchor, negative, self.squared)
        push_anchor, push_positive = far.slope, None
        if self.swap:
            other = distance(positive, negative, self.squared)
            swapped = other.length < far.length
            push_anchor = xp.where(swapped[:, None], 0.0, far.slope)
            push_positive = only(other.slope, swapped)
            far = Distance(
                xp.where(swapped, other.value, far.value),
                push_anchor,
                xp.where(swapped, other.length, far.length),
            )
        gap = nearer(near, far) + float(self.margin)
        active = gap > 0
        pull = only(near.slope, active)
        push = only(push_anchor, active)
        d_anchor, d_positive, d_negative = pull - push, -pull, push
        if push_positive is not None:
            push = only(push_positive, active)
            d_positive, d_negative = d_positive - push, d_negative + push
        gradient = weigh((d_anchor, d_positive, d_negative), weight)
        return weigh(xp.where(active, gap, 0.0), weight), gradient, EMPTY


@dataclass(eq=False)
class MarginRanking(BatchLoss):
    r"""Margin ranking loss: of two scores the right one is to be larger, by a margin.

    Parameters
    ----------
    margin : float in [0, inf), default=0.0
        By how much larger.

    Examples
    --------
    >>> from robustreg.losses import MarginRanking, margin_ranking_loss
    >>> margin_ranking_loss([0.5, 0.5], [0.2, 0.2], [1, -1], reduction="none").round(4).tolist()
    [0.0, 0.3]
    >>> float(MarginRanking(margin=1.0)([0.5], [0.25], [1]))
    0.75
    """

    margin: float = real(0.0, low=0.0, closed="left")

    name: ClassVar[str] = "margin_ranking"
    function: ClassVar[str] = "margin_ranking_loss"
    target: ClassVar[Target] = Orders()
    smooth: ClassVar[bool] = False
    values_shape: ClassVar[str] = "of the scores"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("x1", "raw", "array-like of shape (n,)", "First scores."),
        Argument("x2", "raw", "array-like of shape (n,)", "Second scores."),
        Argument(
            "y", "target", "array-like of shape (n,)", "1 where x1 is to be larger, -1 where x2 is."
        ),
    )
    formula: ClassVar[str] = r"\max(0, \mu - y (x_1 - x_2))"
    reference: ClassVar[str] = (
        "Herbrich, R., Graepel, T. and Obermayer, K. (2000). Large margin rank boundaries for "
        "ordinal regression. Advances in Large Margin Classifiers, 115-132."
    )

    def shape(self, raw: Any) -> tuple[int, ...]:
        return tuple(raw[0].shape)

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        xp = array_namespace(raw[0])
        gap = float(self.margin) - y * (raw[0] - raw[1])
        active = gap > 0
        slope = weigh(xp.where(active, y, 0.0), weight)
        return weigh(xp.where(active, gap, 0.0), weight), (-slope, slope), EMPTY
