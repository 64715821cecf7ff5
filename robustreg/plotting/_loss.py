"""The picture of a loss."""

from __future__ import annotations

from typing import Any, Self, TypeGuard

import numpy as np
from sklearn.base import clone

from robustreg._array import Array
from robustreg.losses import LOSSES, MarginLoss, PointwiseLoss, ResidualLoss
from robustreg.losses._names import meant, named_loss
from robustreg.losses._targets import Labels, Probability
from robustreg.plotting._axes import axes_for


class LossDisplay:
    """Curves of a loss: its value, its slope and the weight of a row.

    For a loss of the residual r these are rho, psi = rho' and psi / r; for a loss of the margin m
    they are its value and minus its slope.

    Parameters
    ----------
    argument : array of shape (n_points,)
        Residuals or margins.
    curves : dict of arrays of shape (n_points,)
        A panel each, by its title.
    name : str
        What the picture is of.
    label : str
        What the argument is.
    thresholds : dict of float, default=None
        Values to mark, by name.

    Attributes
    ----------
    ax_ : array of Axes
        A panel each.
    figure_ : Figure
        What they are part of.

    Examples
    --------
    >>> from robustreg.plotting import LossDisplay
    >>> display = LossDisplay.from_loss("tukey")
    >>> [ax.get_title() for ax in display.ax_]
    ['loss rho', 'influence psi', 'weight psi / r']
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        argument: Array,
        curves: dict[str, Array],
        *,
        name: str,
        label: str,
        thresholds: dict[str, float] | None = None,
    ) -> None:
        self.argument = argument
        self.curves = curves
        self.name = name
        self.label = label
        self.thresholds = thresholds

    @classmethod
    def from_loss(
        cls,
        loss: str | PointwiseLoss,
        *,
        limit: float | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a loss.

        Parameters
        ----------
        loss : str or loss
            A name from ``robustreg.losses.LOSSES`` for the loss at its defaults, or an instance. One
            of two classes is drawn for the positive class, by the margin of its logits.
        limit : float, default=None
            Largest argument; by default what shows all thresholds.
        ax : array of Axes, default=None
            Where to draw; a new figure by default.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        display : LossDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        TypeError
            If the loss is not a function of one residual or margin.
        ImportError
            If matplotlib is not installed.
        """
        kind = named_loss(loss) if isinstance(loss, str) else None
        found: Any = loss if kind is None else kind()
        if isinstance(found, ResidualLoss):
            found.validate()
            display = cls._of_residual(found, limit)
        elif _has_margin(found):
            found.validate()
            display = cls._of_margin(found, limit)
        else:
            hint = meant(loss, list(LOSSES))
            raise TypeError(
                f"loss must be a function of one residual or one margin. Got {loss!r}.{hint}"
            )
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def _of_residual(cls, loss: ResidualLoss, limit: float | None) -> Self:
        marks = {name: float(getattr(loss, name)) for name in loss.threshold}
        marks = {name: value for name, value in marks.items() if 0 < value < np.inf}
        r = _points(limit or 1.25 * max([*marks.values(), 2.4]))
        curves = {"loss rho": loss.rho(r), "influence psi": loss.psi(r)}
        curves["weight psi / r"] = loss.weights(r)
        return cls(r, curves, name=repr(loss), label="residual r", thresholds=marks)

    @classmethod
    def _of_margin(cls, loss: PointwiseLoss, limit: float | None) -> Self:
        m = _points(limit or 3.0)
        value, slope = _of_positive(loss, m)
        curves = {"loss phi": value, "pull -phi'": -slope}
        return cls(m, curves, name=repr(loss), label="margin m")

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw a panel for each curve.

        Parameters
        ----------
        ax : array of Axes, default=None
            As many as there are curves; a new figure by default.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        display : LossDisplay
            With `ax_` and `figure_`.
        """
        n = len(self.curves)
        axes = axes_for(self, ax, n, size=(3.4 * n, 3.0))
        for panel, (title, curve) in zip(axes, self.curves.items(), strict=True):
            finite = np.isfinite(curve)
            # a weight that grows without bound at 0 is cut where it leaves the picture
            shown = np.where(finite & (np.abs(curve) < 1e3), curve, np.nan)
            panel.plot(self.argument, shown, **(line_kw or {}))
            if title.startswith("weight"):
                panel.set_ylim(0, min(1.1 * np.nanmax(shown), 8 * np.nanmedian(shown) + 1))
            panel.set(title=title, xlabel=self.label)
            for name, value in (self.thresholds or {}).items():
                for sign in (-1, 1):
                    panel.axvline(sign * value, color="0.6", ls=":", lw=1)
                panel.annotate(
                    f"{name} = {value:.4g}", (value, 0.98), xycoords=("data", "axes fraction"),
                    rotation=90, ha="right", va="top", fontsize="x-small", color="0.4",
                )  # fmt: skip
        if ax is None:
            self.figure_.suptitle(self.name)
        return self


def _has_margin(loss: Any) -> TypeGuard[PointwiseLoss]:
    """Whether a loss is one of two classes and of one number a row."""
    return isinstance(loss, PointwiseLoss) and isinstance(loss.target, Labels | Probability)


def _of_positive(loss: PointwiseLoss, m: Array) -> tuple[Array, Array]:
    """Loss and slope of a row of the positive class, whose margin is the raw prediction."""
    if isinstance(loss, MarginLoss):
        return loss.phi_dphi(m)
    if not getattr(loss, "from_logits", True):  # probabilities have no margin, their logits do
        loss = clone(loss).set_params(from_logits=True)
    return loss.pointwise(np.ones_like(m), m)


def _points(limit: float) -> Array:
    """An even number of points, so that none is 0, where a loss may have a kink."""
    return np.linspace(-limit, limit, 1000)
