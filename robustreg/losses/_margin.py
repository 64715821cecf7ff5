"""Losses of two classes or of labels: functions of the signed margin m = t * raw, t = -1 or 1."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import Array, array_namespace, clip, exp_minus_abs, log1p
from robustreg._parameters import Interval, Nothing, flag, parameter, real
from robustreg.losses._activations import Sigmoid
from robustreg.losses._base import LOSSES, Kinks, Loss
from robustreg.losses._extended import ratio, x_log_y
from robustreg.losses._separable import PointwiseLoss, ProbabilityLoss
from robustreg.losses._targets import Labels, Probability, Target

_INF = float("inf")


class MarginLoss(PointwiseLoss):
    """A function phi of the signed margin, which grows with the confidence in the true class."""

    @abstractmethod
    def phi(self, m: Array) -> Array:
        """Loss of each margin.

        Parameters
        ----------
        m : array
            Signed margins, of any shape.

        Returns
        -------
        phi : array
            Of the same shape.
        """

    @abstractmethod
    def dphi(self, m: Array) -> Array:
        """First derivative of phi; where there is none, a subgradient.

        Parameters
        ----------
        m : array
            Signed margins, of any shape.

        Returns
        -------
        dphi : array
            Of the same shape.
        """

    @abstractmethod
    def d2phi(self, m: Array) -> Array:
        """Second derivative of phi; 0 where there is none.

        Parameters
        ----------
        m : array
            Signed margins, of any shape.

        Returns
        -------
        d2phi : array
            Of the same shape.
        """

    def phi_dphi(self, m: Array) -> tuple[Array, Array]:
        """`phi` and `dphi` together, for losses where they share work."""
        return self.phi(m), self.dphi(m)

    def sign(self, y: Array) -> Array:
        """The t of each target; labels -1 and 1 are their own."""
        return y

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        sign = self.sign(y)
        value, slope = self.phi_dphi(sign * raw)
        return value, sign * slope

    def second(self, y: Array, raw: Array) -> Array:
        return self.d2phi(self.sign(y) * raw)


@dataclass(eq=False)
class Hinge(MarginLoss):
    """Hinge loss of support vector machines, for labels -1 and 1.

    Parameters
    ----------
    margin : float in [0, inf), default=1.0
        Margin from which the loss is zero.

    Examples
    --------
    >>> from robustreg.losses import Hinge, hinge_loss
    >>> hinge_loss([1, -1, 1], [0.2, 0.5, 3.0], reduction="none").tolist()
    [0.8, 1.5, 0.0]
    >>> float(Hinge(margin=0.5)([1, -1, 1], [0.2, 0.5, 3.0], reduction="sum"))
    1.3
    """

    margin: float = real(1.0, low=0.0, closed="left")

    name: ClassVar[str] = "hinge"
    classifies: ClassVar[bool] = True
    against_rest: ClassVar[bool] = True
    endless: ClassVar[bool] = False
    function: ClassVar[str] = "hinge_loss"
    target: ClassVar[Target] = Labels(-1, 1)
    smooth: ClassVar[bool] = False
    formula: ClassVar[str] = r"\max(0, \mu - t z)"
    reference: ClassVar[str] = (
        "Cortes, C. and Vapnik, V. (1995). Support-vector networks. Machine Learning 20, 273-297."
    )

    def phi(self, m: Array) -> Array:
        return clip(float(self.margin) - m, 0.0, _INF)

    def dphi(self, m: Array) -> Array:
        return -_indicator(m < float(self.margin), m)

    def d2phi(self, m: Array) -> Array:
        return m * 0.0

    def kinks(self, y: Array) -> Kinks:
        return Kinks(float(self.margin) * y, -0.5 * (1.0 + y), 0.5 * (1.0 - y))


@dataclass(eq=False)
class SquaredHinge(MarginLoss):
    """Square of the hinge loss (without a half), for labels -1 and 1.

    Parameters
    ----------
    margin : float in [0, inf), default=1.0
        Margin from which the loss is zero.

    Examples
    --------
    >>> from robustreg.losses import SquaredHinge, squared_hinge_loss
    >>> squared_hinge_loss([1, -1, 1], [0.5, 0.5, 3.0], reduction="none").tolist()
    [0.25, 2.25, 0.0]
    >>> float(SquaredHinge()([1, -1, 1], [0.5, 0.5, 3.0], reduction="sum"))
    2.5
    """

    margin: float = real(1.0, low=0.0, closed="left")

    name: ClassVar[str] = "squared_hinge"
    classifies: ClassVar[bool] = True
    against_rest: ClassVar[bool] = True
    endless: ClassVar[bool] = False
    function: ClassVar[str] = "squared_hinge_loss"
    target: ClassVar[Target] = Labels(-1, 1)
    formula: ClassVar[str] = r"\max(0, \mu - t z)^2"
    reference: ClassVar[str] = (
        "Cortes, C. and Vapnik, V. (1995). Support-vector networks. Machine Learning 20, 273-297."
    )

    def phi(self, m: Array) -> Array:
        return self.phi_dphi(m)[0]

    def dphi(self, m: Array) -> Array:
        return self.phi_dphi(m)[1]

    def phi_dphi(self, m: Array) -> tuple[Array, Array]:
        gap = clip(float(self.margin) - m, 0.0, _INF)
        return gap * gap, -2.0 * gap

    def d2phi(self, m: Array) -> Array:
        return 2.0 * _indicator(m < float(self.margin), m)


def _indicator(condition: Array, like: Array) -> Array:
    """1 where the condition holds and 0 elsewhere, of the type of ``like``."""
    return array_namespace(like).astype(condition, like.dtype)


@dataclass(eq=False)
class Logistic(ProbabilityLoss, PointwiseLoss):
    r"""Binary cross-entropy, the loss of logistic regression.

    Targets between 0 and 1 are probabilities.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.
    pos_weight : float in [0, inf), default=None
        Weight of the positive class; None stands for 1.

    Examples
    --------
    >>> from robustreg.losses import Logistic, binary_cross_entropy
    >>> binary_cross_entropy([1, 0], [0.5, 0.9], reduction="none").round(4).tolist()
    [0.6931, 2.3026]
    >>> Logistic()([1, 0], [0.0, 1000.0], reduction="none").round(4).tolist()
    [0.6931, 1000.0]
    """

    from_logits: bool = flag(True)
    pos_weight: float | None = parameter(None, Nothing(), Interval(0.0, _INF, "left"))

    name: ClassVar[str] = "logistic"
    classifies: ClassVar[bool] = True
    probabilities: ClassVar[str] = "link"
    aliases: ClassVar[tuple[str, ...]] = ("log_loss",)
    function: ClassVar[str] = "binary_cross_entropy"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    target: ClassVar[Target] = Probability()
    formula: ClassVar[str] = r"-y \log p - (1 - y) \log(1 - p), \quad p = 1 / (1 + e^{-z})"
    reference: ClassVar[str] = (
        "Cox, D. R. (1958). The regression analysis of binary sequences. Journal of the Royal "
        "Statistical Society B 20, 215-232."
    )

    @property
    def likelihood(self) -> bool:  # type: ignore[override]
        """Whether no class has a weight of its own."""
        return self.pos_weight is None

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        if n_classes == 2 and kept is None:
            return self
        if self.pos_weight is not None:
            raise ValueError(
                f"{type(self).__name__}(pos_weight={self.pos_weight!r}) weighs one of two classes, and y holds "
                f"{n_classes}: pass class_weight to the classifier instead."
            )
        several: Loss = LOSSES["cross_entropy"]()
        return several

    def _shares(self, y: Array) -> tuple[Array, Array]:
        """Weights of the positive and of the negative class."""
        return y if self.pos_weight is None else y * float(self.pos_weight), 1.0 - y

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        positive, negative = self._shares(y)
        if self.from_logits:
            # The class that z speaks against has slope near and grows linearly; the other has
            # the slope near * small. Kept apart, both tails stay exact.
            xp = array_namespace(raw)
            small = exp_minus_abs(raw)
            up, tail = xp.astype(raw >= 0, raw.dtype), log1p(small)
            down = 1.0 - up
            if self.pos_weight is not None:
                mass = positive + negative
                up, down, tail = up * mass, down * mass, tail * mass
            against = up - positive
            slope = (against + small * (down - positive)) / (1.0 + small)
            return against * raw + tail, slope
        value = x_log_y(positive, raw) + x_log_y(negative, 1.0 - raw, raw)
        return -value, ratio(negative, 1.0 - raw) - ratio(positive, raw)

    def second(self, y: Array, raw: Array) -> Array:
        positive, negative = self._shares(y)
        if self.from_logits:
            return (positive + negative) * Sigmoid(raw).slope
        return ratio(ratio(positive, raw), raw) + ratio(ratio(negative, 1.0 - raw), 1.0 - raw)


@dataclass(eq=False)
class Multilabel(Logistic):
    """Binary cross-entropy of each label of a matrix of labels.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.
    pos_weight : float in [0, inf), default=None
        Weight of the positive class; None stands for 1.

    Examples
    --------
    >>> from robustreg.losses import Multilabel, multilabel_cross_entropy
    >>> round(float(multilabel_cross_entropy([[1, 0, 1]], [[0.5, 0.5, 1.0]])), 4)
    0.4621
    >>> Multilabel()([[1, 0]], [[0.0, 1000.0]], reduction="none").round(4).tolist()
    [[0.6931, 1000.0]]
    """

    name: ClassVar[str] = "multilabel"
    function: ClassVar[str] = "multilabel_cross_entropy"
    function_fixed: ClassVar[dict[str, Any]] = {"pos_weight": None}
    target: ClassVar[Target] = Probability(columns=True)
    reference: ClassVar[str] = (
        "Zhang, M.-L. and Zhou, Z.-H. (2006). Multilabel neural networks. IEEE Transactions on "
        "Knowledge and Data Engineering 18, 1338-1351."
    )


@dataclass(eq=False)
class EvenLogistic(Logistic):
    """Binary cross-entropy of labels of which a share is spread over both classes. It serves classifiers only.

    Parameters
    ----------
    share : float, default=0.0
        As ``label_smoothing`` of :class:`~robustreg.losses.CrossEntropy`.
    """

    share: float = 0.0

    @property
    def likelihood(self) -> bool:  # type: ignore[override]
        """Whether labels are taken as they are."""
        return self.share == 0

    @property
    def endless(self) -> bool:  # type: ignore[override]
        """Whether no share is spread."""
        return self.share == 0

    def _shares(self, y: Array) -> tuple[Array, Array]:
        return super()._shares((1.0 - self.share) * y + 0.5 * self.share)


@dataclass(eq=False)
class WeighedLabels(EvenLogistic):
    """Binary cross-entropy of several labels, each of whose classes has a weight. It serves classifiers only.

    Parameters
    ----------
    pos_weight : float, default=1.0
        As of :class:`Logistic`.
    factors : array of shape (n_labels, 2), optional
        Weights of the absence and of the presence of each label.
    """

    pos_weight: float | None = 1.0
    factors: Any = None

    target: ClassVar[Target] = Probability(columns=True)

    def _shares(self, y: Array) -> tuple[Array, Array]:
        positive, negative = super()._shares(y)
        return positive * self.factors[:, 1], negative * self.factors[:, 0]
