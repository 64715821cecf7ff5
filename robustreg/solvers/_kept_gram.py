"""The Hessian of a loss on some columns, kept from one point to the next.

Where psi is piecewise linear the curvature of a row changes when it crosses an end and not otherwise. Between
neighbouring points few rows do: their terms are added to the Gram matrix, or taken from it, and all others stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.objective import Evaluation, Objective

#: share of the rows that may differ: of more the matrix is made anew
FEW = 0.25
#: changes that may add up, in rows of all, before it is made anew for the digits that they cost
OFTEN = 1.0
#: where a diagonal entry falls to this share of what it was, the rows that left took more digits than remain
SHRUNK = 1e-2
#: rounding, with room: a start that is this near to where the last steps ended, as a share of its size, is that end
HERE = 1e-9


class _End(NamedTuple):
    """Where steps have ended, on which columns of the same rows, with which loss, and what is known there."""

    columns: Any
    loss: Any
    y: Array
    weight: Array | None
    theta: Array
    known: Evaluation

    def is_of(self, objective: Objective, columns: Any) -> bool:
        """Whether they were steps on these columns, of the same sum of losses."""
        data, alike = objective.data, columns == self.columns and objective.loss == self.loss
        return bool(alike and data.weight is self.weight and np.array_equal(data.y, self.y))


@dataclass
class KeptGram:
    """A Gram matrix, the curvatures of the rows in it, and on which columns it is."""

    columns: Any = None
    bend: Array | None = None
    gram: Array | None = None
    largest: Any = None
    changed: int = 0
    end: _End | None = None

    def ended(self, objective: Objective, columns: Any, theta: Array, known: Evaluation) -> None:
        """Keep where steps have ended, and what is known there."""
        data = objective.data
        self.end = _End(columns, objective.loss, data.y, data.weight, theta, known)

    def start(
        self, objective: Objective, columns: Any, theta: Array
    ) -> tuple[Array, Evaluation | None]:
        """Return where to begin: at ``theta``, or at the last end of the same loss beside it, where all is known."""
        end = self.end
        if end is None or not end.is_of(objective, columns):
            return theta, None
        apart, size = (np.abs(x).max(initial=0.0) for x in (theta - end.theta, end.theta))
        return (end.theta, end.known) if apart <= HERE * size else (theta, None)

    def hessian(
        self,
        objective: Objective,
        columns: Any,
        theta: Array,
        raw: Array | None,
        stale: bool = False,
    ) -> Array:
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
        stale : bool
            Whether that of another point serves as well.
        """
        data, loss = objective.data, objective.loss
        plain = objective.n_outputs is None and not objective.n_extra and loss.additive
        if raw is None or not plain or not data.here or not data.dense or is_sparse(data.X):
            return objective.hess(theta, raw if data.single else None)
        extra: Array = theta[len(theta) :]
        bend, _ = loss.curvature(data.y, raw, data.weight, extra, 1.0, None)
        if self._updated(objective, columns, bend):
            self.bend = bend
        elif not (stale and self._serves(columns, bend)):
            self.bend = bend
            if data.moments is not None and bend.min() == bend.max():
                gram = bend[0] * data.moments
            else:
                (gram,) = data.sum(lambda block: (block.gram(bend[block.part]),))
            self.columns, self.gram, self.changed = columns, gram, 0
            self.largest = np.diag(gram).copy()
        assert self.gram is not None
        return data.gram_inward(self.gram) / objective.total

    def _serves(self, columns: Any, bend: Array) -> bool:
        """Whether the matrix is one of these columns, and of a loss whose curvature changes everywhere."""
        if self.bend is None or self.gram is None or columns != self.columns:
            return False
        return bool(2 * np.count_nonzero(bend != self.bend) > len(bend))

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
