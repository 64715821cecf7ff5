"""Losses of several classes or of distributions: functions of a row of logits, one column a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array, array_namespace, clip, row_max, row_sum, weigh
from robustreg._parameters import choice, flag, real
from robustreg.losses import _softmax
from robustreg.losses._base import Argument, Loss
from robustreg.losses._extended import ratio, x_log_y
from robustreg.losses._margin import EvenLogistic, Hinge, Logistic
from robustreg.losses._separable import ProbabilityLoss, SeparableLoss
from robustreg.losses._targets import Classes, ClassesOrDistribution, Distribution, Target

_INF = float("inf")
_PREDICTED = Argument("y_pred", "raw", "array-like of shape (n, n_classes)", "Predictions.")


class SoftmaxLoss(ProbabilityLoss, SeparableLoss):
    """Cross-entropy of a target distribution with the softmax of a row, less a constant of the row."""

    def distribution(self, y: Array, raw: Array) -> Array:
        """Target distribution of each row."""
        return y

    def constant(self, y: Array) -> Any:
        """Logarithms that are subtracted from the log-probabilities, entry by entry."""
        return 0.0

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        xp, y = array_namespace(raw), self.distribution(y, raw)
        if self.from_logits:
            shifted = raw - row_max(raw)
            # A difference of minus infinity would be NaN times a target of 0.
            shifted = clip(shifted, -0.5 * float(xp.finfo(raw.dtype).max), 0.0)
            e = xp.exp(shifted)
            total = row_sum(e)
            each = y * (self.constant(y) + xp.log(total) - shifted)
            mass = xp.sum(y, axis=-1, keepdims=True)
            return xp.sum(each, axis=-1), e * (mass / total) - y
        return xp.sum(y * self.constant(y) - x_log_y(y, raw), axis=-1), -ratio(y, raw)

    def product(self, y: Array, raw: Array, d_raw: Array) -> Array:
        if not self.from_logits:
            y = self.distribution(y, raw)
            return ratio(ratio(y, raw), raw) * d_raw
        e = array_namespace(raw).exp(raw - row_max(raw))
        p = e / row_sum(e)
        bend = p * (d_raw - row_sum(p * d_raw))
        return bend if y.ndim == 1 else row_sum(y) * bend  # labels have mass one

    def own_curvature(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        if not self.from_logits:
            return super().own_curvature(y, raw, weight, extra)
        p = np.exp(raw - row_max(raw))
        p /= row_sum(p)
        p *= 1.0 - p
        return weigh(p if y.ndim == 1 else row_sum(y) * p, weight)

    def rates(self, y: Any, raw: Any, weight: Array | None) -> tuple[Array, Array] | None:
        if not self.from_logits:
            return None
        p = np.exp(raw - row_max(raw))
        p /= row_sum(p)
        return weigh(p if y.ndim == 1 else row_sum(y) * p, weight), np.eye(p.shape[1])


@dataclass(eq=False)
class CrossEntropy(SoftmaxLoss):
    r"""Cross-entropy of several classes, the loss of multinomial logistic regression.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.
    label_smoothing : float in [0, 1], default=0.0
        Share of the target that is spread evenly over all classes.

    Examples
    --------
    >>> from robustreg.losses import CrossEntropy, cross_entropy
    >>> cross_entropy([0, 1], [[0.5, 0.5], [0.9, 0.1]], reduction="none").round(4).tolist()
    [0.6931, 2.3026]
    >>> CrossEntropy()([[0.5, 0.5]], [[0.0, 0.0]], reduction="none").round(4).tolist()
    [0.6931]
    """

    from_logits: bool = flag(True)
    label_smoothing: float = real(0.0, low=0.0, high=1.0, closed="both")

    name: ClassVar[str] = "cross_entropy"
    classifies: ClassVar[bool] = True
    probabilities: ClassVar[str] = "link"
    function: ClassVar[str] = "cross_entropy"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    target: ClassVar[Target] = ClassesOrDistribution()
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument(
            "y_true",
            "target",
            "array-like of shape (n,) or (n, n_classes)",
            "Class labels 0, 1, ..., or a probability distribution for each row.",
        ),
        _PREDICTED,
    )
    formula: ClassVar[str] = r"-\sum_k y_k \log p_k, \quad p = \operatorname{softmax}(z)"
    reference: ClassVar[str] = (
        "Cox, D. R. (1966). Some procedures connected with the logistic qualitative response "
        "curve. Research Papers in Statistics, 55-71."
    )

    @property
    def likelihood(self) -> bool:  # type: ignore[override]
        """Whether targets are taken as they are."""
        return self.label_smoothing == 0

    @property
    def endless(self) -> bool:  # type: ignore[override]
        """Whether no share is spread."""
        return self.label_smoothing == 0

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        if n_classes > 2 or kept is not None:
            return self
        share = float(self.label_smoothing)
        return EvenLogistic(share=share) if share else Logistic()

    def distribution(self, y: Array, raw: Array) -> Array:
        xp = array_namespace(raw)
        if y.ndim == 1:
            y = xp.astype(_softmax.label_mask(y, raw), raw.dtype)
        spread = float(self.label_smoothing)
        return y if spread == 0.0 else (1.0 - spread) * y + spread / raw.shape[1]

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        if y.ndim == 2 or self.label_smoothing:
            return super().terms(y, raw)
        # Labels need no distribution, and the true class can be told apart in both tails.
        true = _softmax.from_logits if self.from_logits else _softmax.from_probabilities
        row = true(raw, y)
        return row.entropy, row.slope


@dataclass(eq=False)
class KLDivergence(SoftmaxLoss):
    r"""Kullback-Leibler divergence of the predicted distribution Q from the target P.

    Its gradient in the logits is that of cross-entropy.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.

    Examples
    --------
    >>> from robustreg.losses import KLDivergence, kl_divergence
    >>> round(float(kl_divergence([[0.5, 0.5]], [[0.9, 0.1]])), 4)
    0.5108
    >>> float(KLDivergence()([[0.5, 0.5]], [[3.0, 3.0]]))
    0.0
    """

    from_logits: bool = flag(True)

    name: ClassVar[str] = "kl_divergence"
    function: ClassVar[str] = "kl_divergence"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    target: ClassVar[Target] = Distribution()
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument(
            "y_true", "target", "array-like of shape (n, n_classes)", "Target distributions P."
        ),
        _PREDICTED,
    )
    formula: ClassVar[str] = r"\sum_k P_k \log(P_k / Q_k)"
    reference: ClassVar[str] = (
        "Kullback, S. and Leibler, R. A. (1951). On information and sufficiency. Annals of "
        "Mathematical Statistics 22, 79-86."
    )

    def constant(self, y: Array) -> Array:
        xp = array_namespace(y)
        return xp.log(xp.where(y > 0, y, xp.ones_like(y)))


@dataclass(eq=False)
class MulticlassHinge(SeparableLoss):
    r"""Hinge loss of several classes.

    Parameters
    ----------
    variant : {"crammer_singer", "weston_watkins"}, default="crammer_singer"
        Whether the worst of the other classes counts, or the sum over all of them (not divided by
        their number).
    margin : float in [0, inf), default=1.0
        Lead of the true class from which the loss is zero.

    Examples
    --------
    >>> from robustreg.losses import MulticlassHinge, multiclass_hinge_loss
    >>> scores = [[1.0, 0.5, 2.0]]
    >>> float(multiclass_hinge_loss([0], scores))
    2.0
    >>> float(MulticlassHinge("weston_watkins")([0], scores))
    2.5
    """

    variant: str = choice("crammer_singer", "crammer_singer", "weston_watkins")
    margin: float = real(1.0, low=0.0, closed="left")

    name: ClassVar[str] = "multiclass_hinge"
    classifies: ClassVar[bool] = True
    function: ClassVar[str] = "multiclass_hinge_loss"
    target: ClassVar[Target] = Classes()
    smooth: ClassVar[bool] = False
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument("y_true", "target", "array-like of shape (n,)", "Class labels 0, 1, ..."),
        Argument("y_pred", "raw", "array-like of shape (n, n_classes)", "Scores."),
    )
    formula: ClassVar[str] = r"\max_{j \ne y} \max(0, \mu + z_j - z_y)"
    reference: ClassVar[str] = (
        "Crammer, K. and Singer, Y. (2001). On the algorithmic implementation of multiclass "
        "kernel-based vector machines. Journal of Machine Learning Research 2, 265-292. Weston, "
        "J. and Watkins, C. (1999). Support vector machines for multi-class pattern recognition. "
        "European Symposium on Artificial Neural Networks."
    )

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        if n_classes == 2 and kept is None:
            return Hinge(self.margin)
        if self.variant != "crammer_singer" or not self.margin > 0:
            raise ValueError(
                f"No solver serves MulticlassHinge(variant={self.variant!r}, margin={self.margin!r}) for several "
                "classes: use variant='crammer_singer' with a margin above 0, or loss='hinge', each class "
                "against the rest."
            )
        return self

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        xp, mask = array_namespace(raw), _softmax.label_mask(y, raw)
        lead = xp.sum(xp.where(mask, raw, 0.0), axis=-1, keepdims=True) - float(self.margin)
        gap = clip(xp.where(mask, 0.0, raw - lead), 0.0, _INF)
        pulled = gap > 0
        if self.variant == "crammer_singer":
            worst = xp.max(gap, axis=-1, keepdims=True)
            pulled = pulled & (gap == worst)
            value = worst[:, 0]
        else:
            value = xp.sum(gap, axis=-1)
        slope = xp.astype(pulled, raw.dtype)
        count = xp.sum(slope, axis=-1, keepdims=True)
        if self.variant == "crammer_singer":
            # Classes that tie for the worst share the pull.
            slope = slope / clip(count, 1.0, _INF)
            count = clip(count, 0.0, 1.0)
        return value, xp.where(mask, -count, slope)

    def product(self, y: Array, raw: Array, d_raw: Array) -> Array:
        return 0.0 * raw
