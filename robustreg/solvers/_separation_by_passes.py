"""A direction that separates classes of rows that are elsewhere, and the program that finds one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.losses._contrasts import helmert
from robustreg.losses._targets import Target
from robustreg.objective import Objective
from robustreg.solvers._result import Result, linprog

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
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
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

    def wanted(self, y: Array) -> Array:
        """Which classes each row has any of."""
        found: Any = self.target.wanted(y, (self.n_outputs or 1) + 1)
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


def direction_by_passes(objective: Objective) -> bool:
    """Whether a linear program finds a direction that separates classes of rows that are elsewhere.

    It begins with a sample; rows that its last answer violates most join it, two passes a round.
    """
    data: Any = objective.data
    scores = Scores(objective.loss.target, objective.n_outputs)
    (pulled,) = data.sum(Gain(scores))
    gain = np.ravel(data.inward(pulled))
    few, more = [_constraints(scores, data.sample)], FIRST * len(gain) + 1000
    for _ in range(ROUNDS):
        rows, equal = (np.concatenate(parts) for parts in zip(*few, strict=True))
        if rows.size + equal.size > LARGEST:
            return False
        found = steepest(gain, rows, equal)
        if found.x is None:
            return False
        at = objective.at(found.x)
        most, losing = data.combined(Ends(scores, at), farther)
        if not most > POSITIVE:
            return False
        if not len(losing):
            return True
        mark = float(losing[min(more, len(losing)) - 1])
        some = data.fetch(Losing(scores, at, mark))[1]
        if some is None:
            return False
        few.append(_constraints(scores, some))
    return False


def _constraints(scores: Scores, data: Any) -> tuple[Array, Array]:
    wanted = scores.wanted(data.y)
    towards = ways(scores.basis, wanted.argmax(axis=1))
    return constraints(data.take_with_ones(np.arange(data.n_rows)), towards, wanted)
