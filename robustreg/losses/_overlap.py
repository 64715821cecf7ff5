"""Overlap of sets: Dice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from robustreg._array import EMPTY, Array, array_namespace
from robustreg._parameters import flag, real
from robustreg.losses._activations import Sigmoid
from robustreg.losses._base import Argument, Loss
from robustreg.losses._batch import BatchLoss
from robustreg.losses._separable import ProbabilityLoss
from robustreg.losses._targets import Sets, Target


@dataclass(eq=False)
class Dice(ProbabilityLoss, BatchLoss):
    r"""Soft Dice loss: one minus the overlap of a predicted and a true set.

    A vector is one set, a matrix one set a row. Weights enter inside the sums, so that a weight of
    2 is a repeated element; the mean is over sets.

    Parameters
    ----------
    smoothing : float in [0, inf), default=1.0
        Added to numerator and denominator. With 0, two empty sets have loss 0.
    squared : bool, default=True
        Whether the denominator sums squares of the probabilities or the probabilities.
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.

    Examples
    --------
    >>> from robustreg.losses import Dice, dice_loss
    >>> float(dice_loss([1, 1, 0, 0], [1.0, 0.0, 0.0, 0.0], smooth=0.0))
    0.3333333333333333
    >>> Dice()([[1, 0], [0, 0]], [[1e3, -1e3], [-1e3, -1e3]], reduction="none").tolist()
    [0.0, 0.0]
    """

    smoothing: float = real(1.0, low=0.0, closed="left")
    squared: bool = flag(True)
    from_logits: bool = flag(True)

    name: ClassVar[str] = "dice"
    classifies: ClassVar[bool] = True
    function: ClassVar[str] = "dice_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    function_names: ClassVar[dict[str, str]] = {"smoothing": "smooth"}
    target: ClassVar[Target] = Sets()
    additive: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    values_shape: ClassVar[str] = "(n_sets,)"
    arguments: ClassVar[tuple[Argument, ...]] = (
        Argument(
            "y_true", "target", "array-like of shape (n,) or (n_sets, n)", "Membership, 0 or 1."
        ),
        Argument("y_pred", "raw", "array-like of the same shape", "Predicted membership."),
    )
    formula: ClassVar[str] = r"1 - \frac{2 \sum_i p_i g_i + s}{\sum_i p_i^2 + \sum_i g_i^2 + s}"
    reference: ClassVar[str] = (
        "Milletari, F., Navab, N. and Ahmadi, S.-A. (2016). V-Net: fully convolutional neural "
        "networks for volumetric medical image segmentation. Fourth International Conference on "
        "3D Vision, 565-571."
    )

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        if n_classes > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass. y holds "
                f"{n_classes} classes, and the overlap is that of one of two: OneVsRestClassifier of "
                "scikit-learn fits one model for each."
            )
        return self

    def shape(self, raw: Array) -> tuple[int, ...]:
        return (1,) if raw.ndim == 1 else tuple(raw.shape[:1])

    def weight_shape(self, raw: Array) -> tuple[int, ...]:
        return tuple(raw.shape)

    def divisor(self, raw: Array, weight: Array | None) -> float:
        return float(self.shape(raw)[0])

    def terms(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[Array, Any, Array]:
        xp, s, form = array_namespace(raw), float(self.smoothing), raw.shape
        rows = (-1, form[-1])  # one set a row
        y, raw = xp.reshape(y, rows), xp.reshape(raw, rows)
        curve = Sigmoid(raw) if self.from_logits else None
        p = raw if curve is None else curve.at
        share = None
        if weight is not None:
            share = xp.reshape(weight, rows) if weight.ndim == len(form) else weight[:, None]
        shared, truth = (p, y) if share is None else (p * share, y * share)
        area = xp.vecdot(shared, p) if self.squared else xp.sum(shared, axis=-1)
        size = area + xp.sum(truth, axis=-1) + s
        nothing = size <= 0
        inverse = xp.where(nothing, 0.0, 1.0 / xp.where(nothing, 1.0, size))
        dice = xp.where(nothing, 1.0, (2.0 * xp.vecdot(shared, y) + s) * inverse)
        # The derivative of the quotient; of the area it is that of p^2 or of p.
        outer = (dice * inverse)[:, None]
        slope = (2.0 * outer) * p if self.squared else outer + 0.0 * p
        slope = slope - (2.0 * inverse)[:, None] * y
        if curve is not None:
            slope = slope * curve.slope
        slope = slope if share is None else slope * share
        return 1.0 - dice, xp.reshape(slope, form), EMPTY
