"""A residual loss on rows: what is minimised at a scale, and together with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.losses import Absolute, Concomitant, ResidualLoss, Squared
from robustreg.objective import Objective
from robustreg.penalties import L2, Penalty
from robustreg.solvers._control import Control
from robustreg.solvers._metrics import DenseMetric
from robustreg.solvers._smooth import ROUGH, keeps_metric, solve_smooth

#: y beyond this many of its spreads does not move the least-squares start
CLIP = 10.0
#: thresholds, in spreads of y, at which the L1 fit is the start to take
NARROW = 0.02


@dataclass
class Problem:
    """A residual loss on data whose y has spread about one, and how to solve it.

    Parameters
    ----------
    loss : ResidualLoss
        Thresholds in units of the scale.
    data : Data
        Prepared rows.
    penalty : Penalty
        In the units of the data.
    control : Control
        Tolerance, and iterations that are left.
    method, metric
        As of :func:`~robustreg.solvers.solve_smooth`; the metric serves warm starts.
    """

    loss: ResidualLoss
    data: Data
    penalty: Penalty
    control: Control
    method: str = "auto"
    metric: Any = None

    def at(self, sigma: float) -> Objective:
        """Return the objective at a given scale."""
        loss = self.loss.rescaled(sigma)
        widths = [getattr(loss, name) for name in loss.threshold]
        unit = min([1.0, *widths]) if loss.degree == 2 else 1.0
        return Objective(loss, self.data, self.penalty, unit=unit)

    def phase(self, **how: Any) -> Problem:
        """Return the problem as a part of the work; see :meth:`Control.phase`."""
        return replace(self, control=self.control.phase(**how))

    def on(self, small: Objective) -> Problem:
        """Return the problem on a sample, to be solved roughly and with an iteration to spare."""
        rough = self.control.phase(tol=ROUGH, spare=1)
        return replace(self, data=small.data, penalty=small.penalty, control=rough)

    def joint(self, kappa: float) -> Objective:
        """Return the objective of coefficients and scale."""
        unit = min(self.threshold, 1.0)
        return Objective(Concomitant(self.loss, kappa), self.data, self.penalty, None, 1, unit)

    def flat(self, slope: float) -> Objective:
        """Return what the objective is at scale zero, over the slope of the loss far out."""
        return Objective(Absolute(), self.data, self.penalty.scaled(1 / slope))

    def residual(self, theta: Array) -> Array:
        """Residuals of all rows: one pass."""
        return self.data.y - Objective(self.loss, self.data, self.penalty).raw(theta[: self.size])

    @property
    def size(self) -> int:
        """Number of coefficients and intercept."""
        return self.data.size + int(self.data.intercept)

    @property
    def threshold(self) -> float:
        """The one threshold of the loss."""
        (name,) = self.loss.threshold
        return float(getattr(self.loss, name))

    def steepest(self, sigma: float = 1.0) -> float:
        """Slope of the loss far out, which is that of the L1 problem it becomes at scale zero."""
        loss = self.loss.rescaled(sigma)
        far = 1e8 * max([1.0, *(getattr(loss, name) for name in loss.threshold)])
        slope = float(loss.psi(np.array([min(far, 1e100)]))[0]) if loss.convex else 1.0
        return min(slope, 1e6)

    def narrow(self, sigma: float) -> bool:
        """Whether the loss is so close to an absolute error that the L1 fit is the start to take."""
        widths = [getattr(self.loss, name) * sigma for name in self.loss.threshold]
        return bool(widths) and self.loss.convex and self.data.dense and max(widths) < NARROW

    def start(self) -> Array:
        """Least squares with y cut to a bounded range: close where no y is far out, never absurd."""
        data = self.data.with_target(np.clip(self.data.y, -CLIP, CLIP), self.data.weight)
        penalty = self.penalty if self.penalty.euclidean else L2(0.0)
        objective, zero = Objective(Squared(), data, penalty), np.zeros(self.size)
        if keeps_metric(objective, "auto") and self.method != "newton-cg":
            start = objective.evaluate(zero, 2)
            return -DenseMetric(start.hessian).solve(start.gradient)
        method = "newton" if self.method == "lbfgs" else self.method
        return solve_smooth(objective, zero, Control(1e-3, 1), method=method, at_least=1).x
