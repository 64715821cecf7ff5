"""A problem with a penalty of single coefficients or groups, on some of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Data
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.solvers._column_penalty import ColumnPenalty
from robustreg.solvers._free_columns import FreeColumns, dense_columns
from robustreg.solvers._grouped_quadratic import GroupLimits
from robustreg.solvers._penalised_quadratic import Limits
from robustreg.solvers._proximal_newton import NotSmooth

#: sparse columns from which on their inner products are those of sparse rows, and the share of entries that are not zero up
#: to which they are (machine: 20,000 rows with 60 entries each, 2,200 of 100,000 columns in use: .1 s in place of 2)
MANY, FILLED = 500, 0.1


@dataclass
class OnColumns:
    """The whole problem: a smooth loss alone, over all columns, and the majoriser of its penalty.

    Columns without a penalty are met in ``combined`` form, if there are any.
    """

    objective: Objective
    part: ColumnPenalty
    combined: FreeColumns | None = None

    @classmethod
    def of(cls, objective: Objective, theta: Array) -> OnColumns:
        """Return the loss alone, and the majoriser of the penalty at a point."""
        bare = objective.with_total(objective.total, penalty=L2(0.0))
        return cls(bare, ColumnPenalty.of(objective, objective.split(theta)[0]))

    @property
    def live(self) -> Array:
        """Columns whose coefficients may differ from zero."""
        return ~self.part.removed

    @property
    def units(self) -> Array:
        """The unit, a column or a group of them, that each column belongs to."""
        size = self.objective.data.size
        return np.arange(size) if self.part.labels is None else self.part.labels

    @property
    def outputs(self) -> int:
        return self.objective.n_outputs or 1

    def free(self) -> Array:
        """Columns that must not be left out because nothing holds them at zero."""
        if self.part.labels is not None:
            bare = (self.part.l1 == 0)[self.part.labels]
        else:
            l1 = self.part.l1.reshape(self.objective.data.size, -1)
            bare = (l1 == 0).any(axis=1) & (not self.part.positive)
        return np.asarray(bare & self.live)

    def bare(self) -> Array:
        """Return the columns without any penalty or bound."""
        size = self.objective.data.size
        held = self.part.l2.reshape(size, -1).any(axis=1)
        if self.part.labels is None:  # for one of several outputs at the least
            held |= self.part.l1.reshape(size, -1).any(axis=1)
        return np.flatnonzero(self.free() & ~held)

    def on(self, kept: Array) -> tuple[Objective, NotSmooth, Array]:
        """Return loss, penalty and its square on some columns, which hold those without a penalty."""
        data, penalised = self.objective.data, kept
        few_data = self._still_sparse(kept)
        if few_data is None:
            few_data = dense_columns(data, kept, copied=self.combined is not None)
        if self.combined is not None:
            free = np.isin(kept, self.combined.columns)
            few_data, penalised = (
                self.combined.combined(few_data, np.flatnonzero(free)),
                kept[~free],
            )
        few = self.objective.with_total(self.objective.total, data=few_data)
        outputs, q = self.outputs, few.size
        edge = len(penalised) * outputs
        bend = np.zeros(q)
        bend[:edge] = self.part.l2.reshape(-1, outputs)[penalised].ravel()
        if self.part.labels is None:
            l1, positive = np.zeros(q), np.zeros(q, dtype=bool)
            l1[:edge] = self.part.l1.reshape(-1, outputs)[penalised].ravel()
            positive[:edge] = self.part.positive
            return few, Limits(l1, positive), bend
        own, labels = self.part.labels[penalised], np.full(q, -1)
        held = self.part.l1[own] > 0
        groups, inner = np.unique(own[held], return_inverse=True)
        labels[np.flatnonzero(np.repeat(held, outputs))] = np.repeat(inner, outputs)
        return few, GroupLimits(self.part.even_l1[groups], labels), bend

    def _still_sparse(self, kept: Array) -> Data | None:
        """Return some columns as sparse rows where products with them are those of such; None elsewhere."""
        data, plain = self.objective.data, self.part.labels is None and self.combined is None
        plain = plain and self.objective.loss.convex and not self.objective.n_extra
        if not plain or data.dense or len(kept) <= MANY:
            return None
        few = data.columns(kept)
        return few if few.X.nnz <= FILLED * few.n_rows * few.size else None

    def key(self, kept: Array) -> Any:
        """Say which columns :meth:`on` makes of some."""
        return kept.tobytes(), None if self.combined is None else self.combined.columns.tobytes()

    def take(self, theta: Array, kept: Array) -> Array:
        """Return the parameters of some columns, in the order that :meth:`on` gives them."""
        u, edge = self._coefficients(theta)
        if self.combined is None:
            return np.concatenate([u[kept].ravel(), theta[edge:]])
        columns = self.combined.columns
        others = kept[~np.isin(kept, columns)]
        own = np.vstack([u[columns], self._intercepts(theta, edge)])
        end = edge + own[len(columns) :].size
        return np.concatenate([u[others].ravel(), (self.combined.back @ own).ravel(), theta[end:]])

    def whole(self, few: Array, kept: Array) -> Array:
        """Return the parameters of all columns, zero for the others."""
        outputs = self.outputs
        u = np.zeros((self.objective.data.size, outputs))
        others = kept if self.combined is None else kept[~np.isin(kept, self.combined.columns)]
        edge = len(others) * outputs
        u[others] = few[:edge].reshape(-1, outputs)
        if self.combined is None:
            return np.concatenate([u.ravel(), few[edge:]])
        end = edge + self.combined.transform.shape[1] * outputs
        own = self.combined.transform @ few[edge:end].reshape(-1, outputs)
        size = len(self.combined.columns)
        u[self.combined.columns] = own[:size]
        return np.concatenate([u.ravel(), own[size:].ravel(), few[end:]])

    def _coefficients(self, theta: Array) -> tuple[Array, int]:
        edge = self.objective.data.size * self.outputs
        return theta[:edge].reshape(-1, self.outputs), edge

    def _intercepts(self, theta: Array, edge: int) -> Array:
        some = self.outputs if self.objective.data.intercept else 0
        return theta[edge : edge + some].reshape(-1, self.outputs)

    def support(self, theta: Array) -> Array:
        """Return which columns have a coefficient that is not zero, with the others of their groups."""
        u = theta[: self.objective.data.size * self.outputs].reshape(-1, self.outputs)
        used = (u != 0).any(axis=1)
        if self.part.labels is not None:
            used = np.isin(self.part.labels, self.part.labels[used])
        return np.asarray(used & self.live)
