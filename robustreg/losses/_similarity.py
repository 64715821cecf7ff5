"""Losses of a batch that classify by similarity: InfoNCE and multiple negatives ranking."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import EMPTY, Array, arange_like, array_namespace, row_max, weigh
from robustreg._parameters import choice, flag, real
from robustreg.losses import _softmax
from robustreg.losses._base import Argument
from robustreg.losses._batch import BatchLoss
from robustreg.losses._geometry import OwnScores, RowScores, Scores, refuse_zero, unit
from robustreg.losses._targets import Target, Vectors, axes, require

_POINTS = "array-like of shape (n, d)"
Block = tuple[type[Scores], int, int]  # how to score which two of the inputs


class SimilarityLoss(BatchLoss):
    """Cross-entropy of rows of similarities, one column a candidate, one of them the right one."""

    similarity: str
    target: ClassVar[Target] = Vectors(2)
    additive: ClassVar[bool] = False
    convex: ClassVar[bool] = False

    @property
    def of_direction(self) -> bool:  # type: ignore[override]
        return self.similarity == "cosine"

    @abstractmethod
    def blocks(self, raw: Any) -> list[Block]:
        """Blocks of columns of the matrix of similarities."""

    @property
    @abstractmethod
    def factor(self) -> float:
        """What multiplies the similarities."""

    def right(self, raw: Any) -> Array:
        """Column of the right candidate of each row: its own."""
        return arange_like(raw[0].shape[0], raw[0])

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        names = [a.name for a in self.arguments]
        for array, name in zip(raw[2:], names[2:], strict=False):
            require(
                array.ndim == 2 or (len(self.blocks(raw)) == 2 and array.ndim == 3),
                f"{name} has the wrong number of dimensions. Got shape {tuple(array.shape)}.",
            )
            require(
                array.shape[-1] == raw[0].shape[1],
                f"{name} and {names[0]} must have the same number of columns. "
                f"Got shapes {tuple(array.shape)} and {tuple(raw[0].shape)}.",
            )
        if self.similarity == "cosine":
            for array, name in zip(raw, names, strict=False):
                refuse_zero(array, name)

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        cosine = self.similarity == "cosine"
        units = [unit(a) for a in raw] if cosine else []
        vectors = [u.direction for u in units] if cosine else list(raw)
        blocks = self.blocks(raw)
        size = (1.0, 1.0) if cosine else self._sizes(vectors)
        even = vectors
        if size != (1.0, 1.0):
            even = [v / size[min(k, 1)] for k, v in enumerate(vectors)]
        scores = [kind.forward(even[i], even[j]) for kind, i, j in blocks]
        value, slopes = self._classify(scores, self.right(raw), weight, size)
        gradients: list[Any] = [None] * len(vectors)
        for (kind, i, j), slope in zip(blocks, slopes, strict=True):
            for at, part in zip((i, j), kind.pullback(slope, vectors[i], vectors[j]), strict=True):
                gradients[at] = part if gradients[at] is None else gradients[at] + part
        if cosine:
            gradients = [u.pullback(g) for u, g in zip(units, gradients, strict=True)]
        return value, tuple(gradients), EMPTY

    def _sizes(self, vectors: list[Any]) -> tuple[float, float]:
        """Return what to divide the first vectors and the others by: where inner products overflow their largest entries."""
        plain = [getattr(v, "value", v) for v in vectors]  # of a tangent
        # the sizes cancel: no derivative goes through them
        plain = [v.detach() if hasattr(v, "detach") else v for v in plain]
        xp = array_namespace(plain[0])
        first, *others = (float(xp.max(xp.abs(v))) if math.prod(v.shape) else 0.0 for v in plain)
        most = float(xp.finfo(plain[0].dtype).max) / 4
        size = first, max(others)
        reach = self.factor * plain[0].shape[-1] * max(size[0], 1.0)
        return (1.0, 1.0) if size[1] <= most / reach else size

    def _classify(
        self, scores: list[Array], right: Array, weight: Array | None, size: tuple[float, float]
    ) -> tuple[Array, list[Array]]:
        """Weighted cross-entropy of each row, and its derivative in each block of scores of the given sizes."""
        xp = array_namespace(scores[0])
        joined = scores[0] if len(scores) == 1 else xp.concat(scores, axis=1)
        if size != (1.0, 1.0):  # only differences count: what overflows is one that is not zero
            joined = (joined - row_max(joined)) * size[0] * size[1]
        row = _softmax.from_logits(self.factor * joined, right)
        slope = self.factor * weigh(row.slope, weight)
        parts, start = [], 0
        for block in scores:
            parts.append(slope[:, start : start + block.shape[1]])
            start += block.shape[1]
        return weigh(row.entropy, weight), parts


@dataclass(eq=False)
class InfoNCE(SimilarityLoss):
    r"""InfoNCE: find the key of each query among all keys of the batch, or among given negatives.

    Parameters
    ----------
    temperature : float in (0, inf), default=0.1
        Divides the similarities.
    similarity : {"cosine", "dot"}, default="cosine"
        Cosine or inner product.
    symmetric : bool, default=False
        Whether to average with the task of finding the query of each key; in the batch only.

    Examples
    --------
    >>> from robustreg.losses import InfoNCE, info_nce_loss
    >>> query, key = [[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [2.0, 0.0]]
    >>> info_nce_loss(query, key, reduction="none").round(4).tolist()
    [0.6931, 0.6931]
    >>> InfoNCE(temperature=1.0)(query, key, [[-1.0, 0.0]], reduction="none").round(4).tolist()
    [0.1269, 0.6931]
    """

    temperature: float = real(0.1, low=0.0)
    similarity: str = choice("cosine", "cosine", "dot")
    symmetric: bool = flag(False)

    name: ClassVar[str] = "info_nce"
    function: ClassVar[str] = "info_nce_loss"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("query", "raw", _POINTS, "Queries."),
        Argument("key", "raw", _POINTS, "The right key of each query."),
        Argument(
            "negatives",
            "raw",
            "array-like of shape (m, d) or (n, k, d)",
            "Wrong keys for all queries or for each, in place of the other keys of the batch.",
            optional=True,
        ),
    )
    formula: ClassVar[str] = r"-\log \frac{e^{s(q, k_+) / \tau}}{\sum_j e^{s(q, k_j) / \tau}}"
    reference: ClassVar[str] = (
        "van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive "
        "predictive coding. arXiv:1807.03748."
    )

    @property
    def factor(self) -> float:
        return 1.0 / float(self.temperature)

    def blocks(self, raw: Any) -> list[Block]:
        if len(raw) == 2:
            return [(Scores, 0, 1)]
        return [(RowScores, 0, 1), (Scores if raw[2].ndim == 2 else OwnScores, 0, 2)]

    def right(self, raw: Any) -> Array:
        index = super().right(raw)
        return index if len(raw) == 2 else 0.0 * index

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        if len(raw) == 2:
            return
        require(not self.symmetric, "symmetric=True needs the batch's own keys: no negatives.")
        if raw[2].ndim == 3:
            require(
                raw[2].shape[0] == raw[0].shape[0],
                "negatives of three dimensions must have one block for each query. "
                f"Got shapes {tuple(raw[2].shape)} and {tuple(raw[0].shape)}.",
            )

    def _classify(
        self, scores: list[Array], right: Array, weight: Array | None, size: tuple[float, float]
    ) -> tuple[Array, list[Array]]:
        value, parts = super()._classify(scores, right, weight, size)
        if not self.symmetric:
            return value, parts
        turn = array_namespace(scores[0]).matrix_transpose
        back, turned = super()._classify([turn(scores[0])], right, weight, size)
        return 0.5 * (value + back), [0.5 * (parts[0] + turn(turned[0]))]


@dataclass(eq=False)
class MultipleNegativesRanking(SimilarityLoss):
    r"""Multiple negatives ranking: find the positive of each anchor among all of the batch.

    It is InfoNCE with temperature ``1 / scale``, where hard negatives are added to the batch.

    Parameters
    ----------
    scale : float in (0, inf), default=20.0
        Multiplies the similarities.
    similarity : {"cosine", "dot"}, default="cosine"
        Cosine or inner product.

    Examples
    --------
    >>> from robustreg.losses import MultipleNegativesRanking, multiple_negatives_ranking_loss
    >>> anchor, positive = [[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [2.0, 0.0]]
    >>> multiple_negatives_ranking_loss(anchor, positive, reduction="none").round(4).tolist()
    [0.6931, 0.6931]
    >>> round(float(MultipleNegativesRanking(scale=1.0)(anchor, positive, [[-1.0, 0.0]])), 4)
    0.9286
    """

    scale: float = real(20.0, low=0.0)
    similarity: str = choice("cosine", "cosine", "dot")

    name: ClassVar[str] = "multiple_negatives_ranking"
    function: ClassVar[str] = "multiple_negatives_ranking_loss"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("anchor", "raw", _POINTS, "Anchors."),
        Argument("positive", "raw", _POINTS, "The right candidate of each anchor."),
        Argument(
            "hard_negatives",
            "raw",
            "array-like of shape (m, d)",
            "Wrong candidates for all anchors, besides the other positives of the batch.",
            optional=True,
        ),
    )
    formula: ClassVar[str] = r"-\log \frac{e^{\sigma s(a_i, p_i)}}{\sum_j e^{\sigma s(a_i, p_j)}}"
    reference: ClassVar[str] = (
        "Henderson, M. et al. (2017). Efficient natural language response suggestion for Smart "
        "Reply. arXiv:1705.00652."
    )

    @property
    def factor(self) -> float:
        return float(self.scale)

    def blocks(self, raw: Any) -> list[Block]:
        return [(Scores, 0, j) for j in range(1, len(raw))]

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        if len(raw) == 3:
            axes(raw[2], (2,), "hard_negatives")
        super().check(y, raw, extra)
