"""The Hessian of a loss on some columns, kept from one point to the next.

Where psi is piecewise linear the curvature of a row changes when it crosses an end and not otherwise. Between
neighbouring points few rows do: their terms are added to the Gram matrix, or taken from it, and all others stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.objective import Objective

#: share of the rows that may differ: of more the matrix is made anew
FEW = 0.25
#: changes that may add up, in rows of all, before it is made anew for the digits that they cost
OFTEN = 1.0
#: where a diagonal entry falls to this share of what it was, the rows that left took more digits than remain
SHRUNK = 1e-2


@dataclass
class KeptGram:
    """A Gram matrix, the curvatures of the rows in it, and on which columns it is."""

    columns: Any = None
    bend: Array | None = None
    gram: Array | None = None
    largest: Any = None
    changed: int = 0

    def hessian(self, objective: Objective, columns: Any, theta: Array, raw: Array | None) -> Array:
        """Return the Hessian of an objective without a penalty.

        Parameters
        ----------
        objective : Objective
            On the columns.
        columns : hashable
            Says which of the same rows they are.
        theta : array of shape (q,)
            The point.
        raw : array of shape (n,), optional
            Predictions there.
        """
        data, loss = objective.data, objective.loss
        plain = objective.n_outputs is None and not objective.n_extra and loss.additive
        if raw is None or not plain or not data.here or not data.dense or is_sparse(data.X):
            return objective.hess(theta, raw if data.single else None)
        extra: Array = theta[len(theta) :]
        bend, _ = loss.curvature(data.y, raw, data.weight, extra, 1.0, None)
        if not self._updated(objective, columns, bend):
            (gram,) = data.sum(lambda block: (block.gram(bend[block.part]),))
            self.columns, self.gram, self.changed = columns, gram, 0
            self.largest = np.diag(gram).copy()
        self.bend = bend
        assert self.gram is not None
        return data.gram_inward(self.gram) / objective.total

    def _updated(self, objective: Objective, columns: Any, bend: Array) -> bool:
        """Bring the matrix to other curvatures by the rows that differ, where they are few."""
        if self.bend is None or self.gram is None or columns != self.columns:
            return False
        differ = np.flatnonzero(bend != self.bend)
        if not len(differ):
            return True
        n, self.changed = len(bend), self.changed + len(differ)
        if len(differ) > FEW * n or self.changed > OFTEN * n:
            return False
        change = bend[differ] - self.bend[differ]
        some = objective.data.subset(differ, keep=False)
        (more,) = some.sum(lambda block: (block.gram(change[block.part]),))
        gram = self.gram + more
        own = np.diag(gram)
        self.largest = np.maximum(self.largest, own)
        if np.any(own < SHRUNK * self.largest):
            return False
        self.gram = gram
        return True
