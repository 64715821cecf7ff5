"""The Hessian where all rows have the same curvature, from inner products of the columns that are known.

So it is at zero, where fits of classes begin: all probabilities are equal there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._metrics import DenseMetric

#: rounding: curvatures of rows, or of combinations of outputs, that differ by less are the same
ALIKE = 1e-14


class AlikeMetric:
    """A factored Hessian that is the Kronecker product of inner products of the columns and outputs by outputs.

    Parameters
    ----------
    metrics : list of DenseMetric
        For each combination of outputs.
    mixed : array of shape (k, k)
        Combinations of outputs without curvature in common, in columns.
    """

    #: it is what it is: nothing was added to it
    lift = 0.0

    def __init__(self, metrics: list[DenseMetric], mixed: Array) -> None:
        self.metrics, self.mixed = metrics, mixed
        self.finite = all(metric.finite for metric in metrics)

    def solve(self, gradient: Array) -> Array:
        """Return ``H^-1 g``."""
        columns = self._combined(gradient)
        for j, metric in enumerate(self.metrics):
            columns[:, j] = metric.solve(columns[:, j])
        return np.ravel(columns @ self.mixed.T)

    def square(self, gradient: Array) -> float:
        """Return ``g' H^-1 g``."""
        columns = self._combined(gradient).T
        return sum(
            metric.square(column) for metric, column in zip(self.metrics, columns, strict=True)
        )

    def _combined(self, gradient: Array) -> Array:
        columns: Array = gradient.reshape(-1, len(self.metrics)) @ self.mixed
        return columns


def alike_metric(objective: Objective, theta: Array) -> AlikeMetric | None:
    """Return the factored Hessian at a point where all rows have the same curvature.

    Parameters
    ----------
    objective : Objective
        Smooth, a sum over rows.
    theta : array of shape (q,)
        The point.

    Returns
    -------
    AlikeMetric or None
        None elsewhere than at zero, where finding out is a pass, where rows differ, and where the inner products of
        the columns are not known or the rows elsewhere.
    """
    data, loss, k = objective.data, objective.loss, objective.n_outputs
    if (
        not data.here
        or data.moments is None
        or objective.n_extra
        or theta.any()
        or not loss.additive
    ):
        return None
    raw = np.zeros(data.n_rows if k is None else (data.n_rows, k))
    units: Any = [1.0] if k is None else np.eye(k)
    rows = [loss.curvature(data.y, raw, None, theta[:0], unit, None)[0] for unit in units]
    bends = np.stack([np.reshape(row, (len(raw), -1)) for row in rows], axis=1)
    size = float(np.abs(bends[0]).max(initial=0.0))
    if not 0 < size < np.inf or np.ptp(bends, axis=0).max() > ALIKE * size:
        return None
    rates, mixed = np.linalg.eigh(bends[0])
    one = replace(objective, n_outputs=None)
    metrics: list[DenseMetric] = []
    inside = np.zeros(one.size)
    for j, rate in enumerate(rates):
        same = j > 0 and rate - rates[j - 1] <= ALIKE * size
        found = metrics[-1] if same else DenseMetric(one.hess_alike(inside, rate))
        metrics.append(found)
    return AlikeMetric(metrics, mixed)
