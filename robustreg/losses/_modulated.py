"""Modified cross-entropy: a function f(c) of the cross-entropy c of the true class, focal or poly."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from robustreg._array import Array, array_like, array_namespace, clip, weigh
from robustreg._parameters import Interval, Nothing, Sequence, flag, parameter, real
from robustreg.losses import _softmax
from robustreg.losses._activations import Sigmoid
from robustreg.losses._base import Loss
from robustreg.losses._margin import MarginLoss
from robustreg.losses._separable import ProbabilityLoss
from robustreg.losses._softmax import TrueClass
from robustreg.losses._targets import BinaryOrClasses, Target, require

_INF = float("inf")


class ModulatedLoss(ProbabilityLoss, MarginLoss):
    """A function f of the cross-entropy c = -log p of the true class, whose complement is q = 1 - p.

    A vector of raw predictions is binary (labels 0 and 1), a matrix has one column a class. A
    subclass gives f and two derivatives; all else is shared with cross-entropy, whose f is c.
    """

    target: ClassVar[Target] = BinaryOrClasses()
    classifies: ClassVar[bool] = True
    probabilities: ClassVar[str] = "conditional"
    convex: ClassVar[bool] = False
    values_shape: ClassVar[str] = "(n,)"

    @abstractmethod
    def modulate(self, row: TrueClass) -> Array:
        """f(c)."""

    @abstractmethod
    def slope(self, row: TrueClass) -> Array:
        """f'(c)."""

    @abstractmethod
    def bend(self, row: TrueClass) -> Array:
        """Q f''(c): the factor q keeps it finite where p = 1."""

    def class_weight(self, y: Array, raw: Array) -> Array | None:
        """Weight of the class of each row, if classes have weights."""
        return None

    def unweighted(self) -> ModulatedLoss:
        """Return the loss without weights of classes."""
        return self

    def sign(self, y: Array) -> Array:
        return 2.0 * y - 1.0

    def phi(self, m: Array) -> Array:
        return self.modulate(_margin_row(m))

    def dphi(self, m: Array) -> Array:
        row = _margin_row(m)
        return -row.q * self.slope(row)

    def d2phi(self, m: Array) -> Array:
        row = _margin_row(m)
        return row.q * (self.bend(row) + row.p * self.slope(row))

    def _row(self, y: Array, raw: Array) -> TrueClass:
        """Terms of the true class from logits or probabilities, of a vector or a matrix."""
        if raw.ndim == 2:
            if self.from_logits:
                return _softmax.from_logits(raw, y)
            return _softmax.from_probabilities(raw, y)
        sign = self.sign(y)
        row = (
            _margin_row(sign * raw)
            if self.from_logits
            else _softmax.from_probabilities(0.5 * (1.0 - sign) + sign * raw)
        )
        return row._replace(slope=sign * row.slope)

    def terms(self, y: Array, raw: Array) -> tuple[Array, Array]:
        row = self._row(y, raw)
        value, outer = self.modulate(row), self.slope(row)
        share = self.class_weight(y, raw)
        if share is not None:
            value, outer = _times(share, value), outer * share
        if raw.ndim == 2:
            outer = outer[:, None]
        return value, outer * row.slope if self.from_logits else _times(outer, row.slope)

    def pointwise(self, y: Array, raw: Array) -> tuple[Array, Array]:
        return self.terms(y, raw)

    def shape(self, raw: Array) -> tuple[int, ...]:
        return tuple(raw.shape[:1])

    def product(self, y: Array, raw: Array, d_raw: Any) -> Array:
        xp, row = array_namespace(raw), self._row(y, raw)
        d_raw = d_raw + 0.0 * raw
        bend, slope = self._derivatives(y, raw, row)
        if raw.ndim == 2:
            along = xp.sum(row.slope * d_raw, axis=-1, keepdims=True)
        else:
            along = row.slope * d_raw
        if not self.from_logits:
            inner = row.slope**2 * d_raw
        elif raw.ndim == 2:
            inner = _softmax.product(row.slope, _softmax.label_mask(y, raw), d_raw)
        else:
            inner = row.p * row.q * d_raw
        return bend * along * row.slope + slope * inner

    def own_curvature(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        if raw.ndim == 1 or not self.from_logits:
            return super().own_curvature(y, raw, weight, extra)
        row = self._row(y, raw)
        bend, slope = self._derivatives(y, raw, row)
        size, square = np.abs(row.slope), row.slope**2  # the slope is p, or -q of the true class
        return weigh(bend * square + slope * (size - square), weight)

    def _derivatives(self, y: Array, raw: Array, row: TrueClass) -> tuple[Array, Array]:
        """Return f'' and f' of each row with the weight of its class, as columns beside a matrix of predictions."""
        bend, slope = self.bend(row) / clip(row.q, _tiny(row.q), _INF), self.slope(row)
        share = self.class_weight(y, raw)
        if share is not None:
            bend, slope = bend * share, slope * share
        return (bend[:, None], slope[:, None]) if raw.ndim == 2 else (bend, slope)


def _margin_row(m: Array) -> TrueClass:
    """Terms of the true class from signed margins; the slope is that in m."""
    curve = Sigmoid(m)
    return TrueClass(
        curve.softplus + clip(-m, 0.0, _INF), curve.at, curve.opposite, -curve.opposite
    )


def _tiny(x: Array) -> float:
    """Smallest number of the type of ``x`` whose reciprocal is finite."""
    return float(array_namespace(x).finfo(x.dtype).smallest_normal)


def _times(a: Array, b: Array) -> Array:
    """Product in which a factor a = 0 beats an infinite b."""
    xp = array_namespace(a)
    return a * xp.where(a != 0, b, 0.0)


@dataclass(eq=False)
class Focal(ModulatedLoss):
    r"""Focal loss: cross-entropy times a power of the probability that was missed.

    It is not convex unless ``gamma`` is 0.

    Parameters
    ----------
    gamma : float in [0, inf), default=2.0
        The power; 0 gives cross-entropy.
    alpha : float in [0, 1] or sequence of floats, default=None
        With binary labels the weight of the positive class, whose complement is that of the
        negative one; with several classes a weight for each. None weighs none.
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.

    Examples
    --------
    >>> from robustreg.losses import Focal, focal_loss
    >>> focal_loss([1, 0], [0.9, 0.9], reduction="none").round(4).tolist()
    [0.0011, 1.8651]
    >>> Focal(gamma=0.0)([2], [[0.0, 0.0, 1000.0]], reduction="none").tolist()
    [0.0]
    """

    gamma: float = real(2.0, low=0.0, closed="left")
    alpha: float | SequenceOf[float] | None = parameter(
        None, Nothing(), Interval(0.0, 1.0, "both"), Sequence(Interval(0.0, _INF, "left"))
    )
    from_logits: bool = flag(True)

    name: ClassVar[str] = "focal"
    function: ClassVar[str] = "focal_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    formula: ClassVar[str] = r"-\alpha_t (1 - p_t)^\gamma \log p_t"
    reference: ClassVar[str] = (
        "Lin, T.-Y. et al. (2017). Focal loss for dense object detection. International "
        "Conference on Computer Vision, 2980-2988."
    )

    @property
    def convex(self) -> bool:  # type: ignore[override]
        return float(self.gamma) == 0.0

    def unweighted(self) -> Focal:
        return replace(self, alpha=None)

    def of_classes(self, n_classes: int, kept: Any = None) -> Loss:
        if self.alpha is None:
            return self
        weights = np.atleast_1d(np.asarray(self.alpha, dtype=float))
        if n_classes == 2:
            if np.ndim(self.alpha) == 0 and 0 < weights[0] < 1:
                return self
            wanted = "a float in the range (0.0, 1.0), as there are two classes"
        else:
            if np.ndim(self.alpha) == 1 and len(weights) == n_classes and (weights > 0).all():
                return replace(self, alpha=(weights if kept is None else weights[kept]).tolist())
            wanted = f"one positive number for each of the {n_classes} classes"
        raise ValueError(
            f"The 'alpha' parameter of Focal must be None or {wanted}. Got {self.alpha!r} instead."
        )

    def check(self, y: Any, raw: Any, extra: Any) -> None:
        super().check(y, raw, extra)
        if self.alpha is None:
            return
        several = isinstance(self.alpha, (SequenceOf, np.ndarray))
        if raw.ndim == 1:
            require(not several, "alpha must be one number in [0, 1] for binary labels.")
        else:
            fits = several and len(self.alpha) == raw.shape[1]  # type: ignore[arg-type]
            require(fits, f"alpha must hold a weight for each of the {raw.shape[1]} classes.")

    def class_weight(self, y: Array, raw: Array) -> Array | None:
        if self.alpha is None:
            return None
        xp = array_namespace(raw)
        if raw.ndim == 1:
            alpha = float(self.alpha)  # type: ignore[arg-type]
            return (1.0 - alpha) + (2.0 * alpha - 1.0) * y
        weights = [float(weight) for weight in self.alpha]  # type: ignore[union-attr]
        table = xp.zeros_like(raw) + array_like(weights, raw)[None, :]
        return xp.sum(xp.where(_softmax.label_mask(y, raw), table, 0.0), axis=-1)

    def _factors(self, row: TrueClass) -> tuple[float, Array, Array]:
        """Gamma, q^gamma and p c / q; the last is finite and, where q = 0, of no consequence."""
        gamma = float(self.gamma)
        product = row.p * clip(row.entropy, 0.0, 1e30)  # 0 where p = 0 and c is infinite
        return gamma, row.q**gamma, product / clip(row.q, _tiny(row.q), _INF)

    def modulate(self, row: TrueClass) -> Array:
        return row.q ** float(self.gamma) * row.entropy

    def slope(self, row: TrueClass) -> Array:
        gamma, power, fraction = self._factors(row)
        return power * (1.0 + gamma * fraction)

    def bend(self, row: TrueClass) -> Array:
        # With fraction = p c / q: q f'' = gamma q^gamma (2 p + ((gamma - 1) p - q) fraction).
        gamma, power, fraction = self._factors(row)
        return gamma * power * (2.0 * row.p + ((gamma - 1.0) * row.p - row.q) * fraction)


@dataclass(eq=False)
class Poly(ModulatedLoss):
    r"""Cross-entropy with its leading polynomial coefficients changed.

    Parameters
    ----------
    epsilon : float or sequence of floats, default=1.0
        Coefficient of (1 - p)^j for j = 1, 2, ...; a number is the first alone. The binary and
        multi-class losses with one coefficient are convex where it is at most 1 in size. Below -1
        the loss grows as the true class becomes certain.
    divided : bool, default=False
        Whether to divide coefficient j by j.
    from_logits : bool, default=True
        Whether predictions are logits; otherwise they are probabilities, each free to move.

    Examples
    --------
    >>> from robustreg.losses import Poly, poly_loss
    >>> poly_loss([1, 0], [0.5, 0.75], epsilon=2.0, reduction="none").round(4).tolist()
    [1.6931, 2.8863]
    >>> Poly(epsilon=(1.0, 0.5))([2], [[0.0, 0.0, 1000.0]], reduction="none").tolist()
    [0.0]
    """

    epsilon: float | SequenceOf[float] = parameter(
        1.0, Interval(-_INF, _INF, "neither"), Sequence(Interval(-_INF, _INF, "neither"))
    )
    divided: bool = flag(False)
    from_logits: bool = flag(True)

    name: ClassVar[str] = "poly"
    function: ClassVar[str] = "poly_loss"
    function_defaults: ClassVar[dict[str, Any]] = {"from_logits": False}
    formula: ClassVar[str] = r"-\log p_t + \sum_j \epsilon_j (1 - p_t)^j"
    reference: ClassVar[str] = (
        "Leng, Z. et al. (2022). PolyLoss: a polynomial expansion perspective of classification "
        "loss functions. International Conference on Learning Representations."
    )

    @property
    def convex(self) -> bool:  # type: ignore[override]
        first, *others = self._coefficients()
        return abs(first) <= 1.0 and not any(others)

    def validate(self) -> None:
        super().validate()
        if self._coefficients()[0] < -1.0:
            warnings.warn(
                "epsilon below -1 makes the poly loss grow as the true class becomes certain.",
                UserWarning,
                stacklevel=4,
            )

    def _coefficients(self) -> list[float]:
        """Coefficient of (1 - p)^j at position j - 1."""
        epsilon = np.atleast_1d(np.asarray(self.epsilon, dtype=float))
        return [float(e) / (j if self.divided else 1) for j, e in enumerate(epsilon, start=1)]

    def modulate(self, row: TrueClass) -> Array:
        value = row.entropy
        for j, coefficient in enumerate(self._coefficients(), start=1):
            value = value + coefficient * row.q**j
        return value

    def slope(self, row: TrueClass) -> Array:
        total = 0.0 * row.q
        for j, coefficient in enumerate(self._coefficients(), start=1):
            total = total + (j * coefficient) * row.q ** (j - 1)
        return 1.0 + row.p * total

    def bend(self, row: TrueClass) -> Array:
        total = 0.0 * row.q
        for j, coefficient in enumerate(self._coefficients(), start=1):
            total = total + (j * coefficient) * row.q ** (j - 1) * ((j - 1) * row.p - row.q)
        return row.p * total
