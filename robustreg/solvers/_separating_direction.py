"""A direction that separates classes, and the linear program that finds one: here, or of rows elsewhere by passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import Block, Data
from robustreg.losses._contrasts import helmert
from robustreg.losses._targets import Target
from robustreg.objective import Objective
from robustreg.solvers._result import HIGHS_TOLERANCES, Result, linprog

#: a score along a direction of size one that is zero up to the tolerances of HiGHS, and one that is not
ZERO, POSITIVE = 1e-8, 1e-6
#: rows that a program begins with for each coefficient, and its rounds
FIRST, ROUNDS = 20, 40
#: entries of a program that is small enough to be asked
LARGEST = 1e8
#: the smallest leads that are reported; those at the last of them are fetched, and are rarely more
MARKS = 4096


def ways(basis: Array, first: Array) -> Array:
    """Return, for rows of some classes, what takes the score of each class from that of their own."""
    return np.asarray(basis[:, first].T[:, None, :] - basis.T[None, :, :])


def constraints(X: Array, towards: Array, wanted: Array) -> tuple[Array, Array]:
    """Coefficients of what must not fall, and of what must not change, in some rows."""
    terms = (X[:, None, :, None] * towards[:, :, None, :]).reshape(len(X), len(towards[0]), -1)
    same = np.abs(towards).max(axis=2) == 0  # the class itself
    return terms[~wanted], terms[wanted & ~same]


def steepest(gain: Array, rows: Array, equal: Array) -> Result:
    """Return the direction of size one that gains most without a loss in the rows."""
    return linprog(
        -gain / np.abs(gain).max(initial=1e-300), A_ub=-rows, b_ub=np.zeros(len(rows)),
        A_eq=equal if len(equal) else None, b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=[(-1.0, 1.0)] * len(gain), method="highs",
        options=HIGHS_TOLERANCES,
    )  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """Scores of a block by a direction, of classes as a target has them.

    Parameters
    ----------
    target : Target
        Says which classes a row has any of.
    n_outputs : int or None
        As of :class:`~robustreg.objective.Objective`.
    """

    target: Target
    n_outputs: int | None

    @property
    def basis(self) -> Array:
        """What makes scores of outputs."""
        if self.n_outputs is None:
            return np.array([[0.0, 1.0]])
        return np.asarray(helmert(self.n_outputs + 1))

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return (self.n_outputs or 1) + 1

    def wanted(self, y: Array) -> Array:
        """Which classes each row has any of."""
        found: Any = self.target.wanted(y, self.n_classes)
        return np.asarray(found)

    def leads(self, block: Block, at: Array) -> Array:
        """By how much the score of a row's class exceeds the others."""
        raw, wanted = block.raw(at), self.wanted(block.y)
        scores = (raw[:, None] if self.n_outputs is None else raw) @ self.basis
        lead = np.take_along_axis(scores, wanted.argmax(axis=1)[:, None], axis=1) - scores
        return np.where(wanted, -np.abs(lead), lead)


@dataclass(frozen=True)
class Gain:
    """Change of the leads of all rows, added up."""

    scores: Scores

    def __call__(self, block: Block) -> tuple[Array]:
        first = self.scores.wanted(block.y).argmax(axis=1)
        slope = ways(self.scores.basis, first).sum(axis=1)
        return (block.pullback(slope[:, 0] if self.scores.n_outputs is None else slope),)


@dataclass(frozen=True)
class Ends:
    """The largest lead along a direction, and how many rows lose."""

    scores: Scores
    at: Array

    def __call__(self, block: Block) -> tuple[float, Array]:
        lead = self.scores.leads(block, self.at)
        worst = lead.min(axis=1)
        return float(lead.max()), np.sort(worst[worst < -ZERO])[:MARKS]


def farther(one: tuple[float, Array], other: tuple[float, Array]) -> tuple[float, Array]:
    """Combine two answers of :class:`Ends`."""
    return max(one[0], other[0]), np.sort(np.concatenate([one[1], other[1]]))[:MARKS]


@dataclass(frozen=True)
class Losing:
    """Rows that lose at least so much along a direction."""

    scores: Scores
    at: Array
    least: float

    def __call__(self, block: Block) -> tuple[Array, tuple[Any, ...]]:
        worst = self.scores.leads(block, self.at).min(axis=1)
        return np.flatnonzero(worst <= self.least), ()


@dataclass(frozen=True)
class Changes:
    """The largest size of the predictions of a step."""

    at: Array

    def __call__(self, block: Block) -> tuple[float]:
        return (float(np.abs(block.raw(self.at)).max()),)


def _larger(one: tuple[float], other: tuple[float]) -> tuple[float]:
    return (max(one[0], other[0]),)


def largest_change(objective: Objective, step: Array) -> float:
    """Return the largest change of a prediction by a step, of rows that are elsewhere: one pass."""
    data: Any = objective.data
    (found,) = data.combined(Changes(objective.at(step)), _larger)
    return float(found)


class Here:
    """Rows in this process, as :func:`has_direction` asks for them."""

    def __init__(self, objective: Objective, scores: Scores) -> None:
        self.objective, self.data, self.scores = objective, objective.data, scores
        self.taken = np.zeros(self.data.n_rows, dtype=bool)

    def first(self, theta: Array, most: int) -> Data:
        """Return the rows that a program begins with: those that a fit serves worst."""
        return self._taken(np.argsort(self._leads(theta).min(axis=1), kind="stable")[:most])

    def losing(self, theta: Array, most: int) -> tuple[float, Data | None]:
        """Return the largest lead along a direction, and the rows that lose most; None where none does."""
        lead = self._leads(theta)
        worst = lead.min(axis=1)
        missed = np.flatnonzero((worst < -ZERO) & ~self.taken)
        order = np.argsort(worst[missed], kind="stable")[:most]
        return float(lead.max()), self._taken(missed[order]) if len(missed) else None

    def _leads(self, theta: Array) -> Array:
        at = self.objective.at(theta)
        return self.data.rowwise(lambda block: self.scores.leads(block, at))

    def _taken(self, rows: Array) -> Data:
        self.taken[rows] = True
        return replace(self.data.subset(rows, keep=False), explicit=True)


class Elsewhere:
    """Rows elsewhere, as :func:`has_direction` asks for them."""

    def __init__(self, objective: Objective, scores: Scores) -> None:
        self.objective, self.scores = objective, scores
        self.data: Any = objective.data

    def first(self, theta: Array, most: int) -> Data:
        """Return the rows that a program begins with: the sample."""
        found: Data = self.data.sample
        return found

    def losing(self, theta: Array, most: int) -> tuple[float, Data | None]:
        """As of :class:`Here`: two passes. Where the rows are too many to be fetched no lead is told."""
        at = self.objective.at(theta)
        largest, losing = self.data.combined(Ends(self.scores, at), farther)
        if not len(losing) or not largest > POSITIVE:
            return float(largest), None
        mark = float(losing[min(most, len(losing)) - 1])
        some = self.data.fetch(Losing(self.scores, at, mark))[1]
        return float(largest) if some is not None else 0.0, some


def has_direction(objective: Objective, theta: Array) -> bool:
    """Whether a linear program finds a direction that separates classes.

    It begins with some rows, which are ``theta``'s worst where that costs nothing; those that its last answer
    violates most join them.
    """
    scores = Scores(objective.loss.target, objective.n_outputs)
    (pulled,) = objective.data.sum(Gain(scores))
    gain = np.ravel(objective.data.inward(pulled))
    table = (Here if objective.data.here else Elsewhere)(objective, scores)
    most, entries, few = FIRST * len(gain) + 1000, 0, []
    some: Data | None = table.first(theta, most)
    for _ in range(ROUNDS):
        assert some is not None
        entries += some.n_rows * scores.n_classes * len(gain)
        if entries > LARGEST:
            return False
        few.append(_constraints(scores, some))
        found = steepest(gain, *(np.concatenate(parts) for parts in zip(*few, strict=True)))
        if found.x is None:
            return False
        largest, some = table.losing(found.x, most)
        if some is None or not largest > POSITIVE:
            return largest > POSITIVE
    return False


def _constraints(scores: Scores, data: Data) -> tuple[Array, Array]:
    wanted = scores.wanted(data.y)
    X = data.take_with_ones(np.arange(data.n_rows))
    towards = ways(scores.basis, wanted.argmax(axis=1))
    return constraints(X.toarray() if is_sparse(X) else X, towards, wanted)
