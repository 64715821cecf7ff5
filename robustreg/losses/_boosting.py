"""Losses as objectives of gradient boosting: gradient and a positive curvature of every row."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

import numpy as np

from robustreg.losses._activations import sigmoid, softmax
from robustreg.losses._base import LOSSES, Loss
from robustreg.losses._names import meant, named_loss
from robustreg.losses._residual import ResidualLoss
from robustreg.losses._separable import SeparableLoss
from robustreg.losses._targets import require
from robustreg.scales import MAD_FACTOR, weighted_median

#: a second derivative below this share of the weight of iteratively reweighted least squares makes
#: steps more than twice as long as its steps, which never overshoot
SHARE = 0.5
#: smallest curvature: rows without any (far outliers under a redescending loss) have no gradient
#: either, and boosting libraries refuse leaves whose curvatures sum to zero
LEAST = 1e-6


@dataclass(eq=False)
class BoostingObjective:
    """A loss as the objective of gradient boosting; made by :func:`boosting_objective`.

    Parameters
    ----------
    loss : SeparableLoss
        Thresholds in units of the scale.
    scale : "mad" or float
        The unit of these thresholds.

    Attributes
    ----------
    scale_ : float
        The scale in use, in the units of y; set by the first call of a run.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import boosting_objective
    >>> objective = boosting_objective("huber", scale=1.0)
    >>> gradient, curvature = objective(np.array([0.0, 0.0]), np.array([0.5, -8.0]))
    >>> gradient.tolist(), curvature.round(3).tolist()
    ([0.5, -1.345], [1.0, 0.168])
    """

    loss: SeparableLoss
    scale: Literal["mad"] | float = "mad"
    scale_: float | None = field(default=None, init=False, repr=False)

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and curvature of the weighted loss in each prediction.

        Parameters
        ----------
        y_true : array of shape (n,)
            Targets; class labels 0, 1, ... of a classifier.
        y_pred : array of shape (n,) or (n, n_classes)
            Raw predictions.
        sample_weight : array of shape (n,), optional
            Non-negative weights.

        Returns
        -------
        gradient, curvature : array of the shape of ``y_pred``
            The curvature is positive.

        Raises
        ------
        ValueError
            If targets and predictions do not suit the loss, or most rows of the first call lie
            where a redescending loss is flat.
        """
        y, raw = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
        y = self.loss.target.of_labels(y)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
        self.loss.check(y, raw, None)
        loss = self._scaled(y, raw, weight)
        slope = loss.value_gradient(y, raw, None, None)[1]
        curvature = self._curvature(loss, y, raw, slope)
        if weight is not None:
            each = weight if raw.ndim == 1 else weight[:, None]
            slope, curvature = slope * each, curvature * each
        return slope, np.maximum(curvature, LEAST)

    def _scaled(self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None) -> Any:
        """Return the loss with its thresholds in the units of y.

        The scale is found when boosting begins, where all predictions are one number, and kept: a
        scale that followed the residuals would shrink with those that the trees have learned by
        heart.
        """
        loss = self.loss
        if not isinstance(loss, ResidualLoss):
            return loss
        start = raw.size > 0 and bool(np.all(raw == raw.flat[0]))
        if self.scale_ is None or start:
            self.scale_ = _spread(y - raw, weight) if self.scale == "mad" else float(self.scale)
            flat = np.average(loss.rescaled(self.scale_).psi(y - raw) == 0, weights=weight)
            require(
                loss.convex or flat <= 0.5,
                f"{flat:.0%} of the rows are so far from the start of boosting that the gradient of "
                f"{type(loss).__name__} is 0 there. Start at the median of y: subtract it from y, or "
                "pass it as init_score (LightGBM), base_score (XGBoost) or baseline (CatBoost).",
            )
        return loss.rescaled(self.scale_)

    def _curvature(self, loss: Any, y: np.ndarray, raw: np.ndarray, slope: np.ndarray) -> Any:
        second = _diagonal(loss, y, raw)
        if not isinstance(loss, ResidualLoss):
            instead = np.abs(slope)  # scores are of size one, and so is a step by it
            return np.where(second > (0.0 if loss.convex else SHARE * instead), second, instead)
        if loss.smooth:
            instead = loss.weights(y - raw)
        else:  # psi jumps: within one scale of zero take the curvature of a rounded corner
            jumps = [jump for _, jump in loss.breakpoints]
            steep = np.abs(slope) if len(jumps) < 2 else 0.5 * sum(jumps)
            instead = steep / np.maximum(np.abs(y - raw), self.scale_ or 1.0)
        return np.where(second > SHARE * instead, second, instead)


def boosting_objective(
    loss: str | Loss, *, scale: Literal["mad"] | float = "mad"
) -> BoostingObjective:
    """Make a loss the objective of LightGBM or XGBoost.

    The result is a callable for ``LGBMRegressor(objective=...)``, ``LGBMClassifier(objective=...)``,
    ``XGBRegressor(objective=...)`` and ``XGBClassifier(objective=...)``. It can be pickled.

    The curvature of a row of a loss of residuals is the second derivative where that is at least half
    of ``psi(r) / r``, the weight of iteratively reweighted least squares, and otherwise this weight; of
    a loss of classes it is the second derivative where that is positive (of a loss that is not
    convex: at least half the size of the gradient), and otherwise the size of the gradient. It is at
    least 1e-6.

    Parameters
    ----------
    loss : str or Loss
        A loss of residuals, or a loss of two or several classes: a name from ``LOSSES`` or an object.
    scale : "mad" or float, default="mad"
        The unit of the thresholds of a loss of residuals: the normalised median absolute deviation
        of the residuals from their median when boosting begins, or a positive number in the units
        of y. ``scale=1.0`` takes the thresholds as they are.

    Returns
    -------
    objective : BoostingObjective
        Called with ``(y_true, y_pred)`` or ``(y_true, y_pred, sample_weight)``.

    Raises
    ------
    ValueError
        If the loss is not a sum over rows of a number and its own predictions, or takes
        probabilities instead of raw scores; the message names the loss and says why.

    See Also
    --------
    boosting_link : Probabilities from the raw scores of such a model.
    catboost_objective : The same for CatBoost.

    Notes
    -----
    A booster with an objective of one's own starts at 0 (XGBoost: at 0.5), not at the median of y.
    Bounded gradients move it by a few scales in a round, so subtract the median from y first, for
    example by ``TransformedTargetRegressor``. The raw predictions of a classifier are scores:
    :func:`boosting_link` gives probabilities. ``HistGradientBoostingRegressor`` of scikit-learn takes
    no objective of one's own.

    References
    ----------
    Friedman, J. H. (2001). Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29, 1189-1232.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import boosting_objective
    >>> objective = boosting_objective("tukey")
    >>> y = np.array([-1.0, 0.0, 1.0, 2.0, 90.0])
    >>> gradient, _ = objective(y, np.zeros(5))
    >>> round(objective.scale_, 4), float(gradient[-1])
    (1.4826, 0.0)
    """
    loss = _suitable(loss)
    given: Any = scale
    mad = isinstance(given, str) and given == "mad"
    number = isinstance(given, Real) and not isinstance(given, bool)
    require(
        mad or (number and 0 < float(given) < np.inf),
        f"scale must be 'mad' or a positive number. Got {scale!r}.",
    )
    return BoostingObjective(loss, "mad" if mad else float(given))


class CatBoostObjective:
    """A loss as a loss function of CatBoost; made by :func:`catboost_objective`.

    Parameters
    ----------
    objective : BoostingObjective
        Gradient and curvature.
    """

    def __init__(self, objective: BoostingObjective) -> None:
        self.objective = objective

    def calc_ders_range(
        self, approxes: Any, targets: Any, weights: Any
    ) -> list[tuple[float, float]]:
        """Derivatives of minus the loss, as CatBoost asks for them.

        Parameters
        ----------
        approxes, targets : sequence of float
            Raw predictions and targets.
        weights : sequence of float or None
            Weights of the rows.

        Returns
        -------
        derivatives : list of (float, float)
            First and second derivative of each row.
        """
        raw = np.asarray(approxes, dtype=float)
        weight = None if weights is None else np.asarray(weights, dtype=float)
        gradient, curvature = self.objective(np.asarray(targets, dtype=float), raw, weight)
        return list(zip((-gradient).tolist(), (-curvature).tolist(), strict=True))

    def calc_ders_multi(
        self, approxes: Any, target: float, weight: float | None
    ) -> tuple[list[float], list[list[float]]]:
        """Derivatives of minus the loss of one row of several scores.

        Parameters
        ----------
        approxes : sequence of float
            Raw scores of the classes.
        target : float
            Label 0, 1, ...
        weight : float or None
            Weight of the row.

        Returns
        -------
        first : list of float
            Derivative in each score.
        second : list of list of float
            Its matrix, diagonal.
        """
        raw = np.asarray(approxes, dtype=float)[None, :]
        each = None if weight is None else np.array([weight])
        gradient, curvature = self.objective(np.array([target]), raw, each)
        return (-gradient[0]).tolist(), np.diag(-curvature[0]).tolist()


def catboost_objective(
    loss: str | Loss, *, scale: Literal["mad"] | float = "mad"
) -> CatBoostObjective:
    """Make a loss the loss function of CatBoost.

    The result is for ``CatBoostRegressor(loss_function=..., eval_metric=...)`` and
    ``CatBoostClassifier``, which want an ``eval_metric`` beside it.

    Parameters
    ----------
    loss : str or Loss
        As of :func:`boosting_objective`.
    scale : "mad" or float, default="mad"
        As of :func:`boosting_objective`. CatBoost passes rows in parts, so that "mad" is that of the
        first part; a number is exact.

    Returns
    -------
    objective : CatBoostObjective
        With the methods that CatBoost calls.

    Raises
    ------
    ValueError
        As :func:`boosting_objective`.

    See Also
    --------
    boosting_objective : The same for LightGBM and XGBoost, with the rule for the curvature.

    Examples
    --------
    >>> from robustreg.losses import catboost_objective
    >>> catboost_objective("huber", scale=1.0).calc_ders_range([0.5], [0.0], None)
    [(-0.5, -1.0)]
    """
    return CatBoostObjective(boosting_objective(loss, scale=scale))


def boosting_link(loss: str | Loss) -> Any:
    """Return the function from raw scores of a boosted classifier to probabilities.

    Parameters
    ----------
    loss : str or Loss
        A loss of two or several classes whose scores are logits.

    Returns
    -------
    link : callable
        From raw scores of shape (n,) or (n, n_classes) to probabilities of shape (n, 2) or
        (n, n_classes), as ``predict_proba`` gives them.

    Raises
    ------
    ValueError
        If the scores of the loss are no logits, as those of a hinge loss and predictions of a loss
        of residuals.

    See Also
    --------
    boosting_objective : The objective whose raw scores these are.

    Examples
    --------
    >>> import numpy as np
    >>> from robustreg.losses import boosting_link
    >>> boosting_link("focal")(np.array([0.0, 2.0])).round(3).tolist()
    [[0.5, 0.5], [0.119, 0.881]]
    """
    loss = _suitable(loss)
    name = type(loss).__name__
    require(
        hasattr(loss, "from_logits"),
        f"Raw predictions of {name} are no logits: they have no probabilities.",
    )
    return _probabilities


def _probabilities(raw: Any) -> np.ndarray:
    raw = np.asarray(raw, dtype=float)
    if raw.ndim == 2:
        return np.asarray(softmax(raw))
    return np.column_stack([sigmoid(-raw), sigmoid(raw)])


def _suitable(loss: str | Loss) -> SeparableLoss:
    """Return a loss that boosting can use, or refuse it by name."""
    if isinstance(loss, str):
        kind = named_loss(loss)
        loss = kind() if kind is not None else loss
    require(
        isinstance(loss, Loss),
        f"loss must be a name in LOSSES or a loss object. Got {loss!r}.{meant(loss, list(LOSSES))}",
    )
    assert isinstance(loss, Loss)  # `require` made sure
    loss.validate()
    name = type(loss).__name__
    require(
        isinstance(loss, SeparableLoss) and loss.target.single,
        f"{name} cannot be boosted: it is no sum over rows of a number and its own predictions.",
    )
    require(
        getattr(loss, "from_logits", True),
        f"{name} with from_logits=False cannot be boosted: raw scores are no probabilities.",
    )
    return loss  # type: ignore[return-value]


def _spread(residual: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the normalised median absolute deviation from the median."""
    size = np.abs(residual - weighted_median(residual, weight))
    scale = MAD_FACTOR * weighted_median(size, weight)
    require(
        scale > 0,
        "More than half of the targets are equal, so that scale='mad' is 0. Pass a number as scale.",
    )
    return scale


def _diagonal(loss: Any, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Second derivative of each row in each of its predictions.

    Scores of K classes are told apart by K - 1 differences, so each counts K / (K - 1) times, as in
    the step of Friedman (2001, equation 34).
    """
    if raw.ndim == 1:
        return np.asarray(loss.curvature(y, raw, None, None, np.ones_like(raw), None)[0])
    n_classes = raw.shape[1]
    diagonal: np.ndarray = np.empty_like(raw)
    for k, unit in enumerate(np.eye(n_classes)):
        along = np.broadcast_to(unit, raw.shape)
        diagonal[:, k] = loss.curvature(y, raw, None, None, along, None)[0][:, k]
    diagonal *= n_classes / (n_classes - 1)
    return diagonal
