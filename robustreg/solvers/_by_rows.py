"""Penalties of single coefficients on few rows: along the central path, and from near its end to the minimum itself.

Near the end it is seen which slopes are inside their bounds and which coefficients are not zero. The others being
known, these solve a linear system; where its solution contradicts what was seen, that is mended and solved again.
The slopes are unknowns of the system, so that those of rows far out are as exact as the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.objective import Objective
from robustreg.solvers._column_penalty import ColumnPenalty
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Certificate, certify
from robustreg.solvers._kinks import gradient_of
from robustreg.solvers._line import Line
from robustreg.solvers._multipliers import exact_zeros, solved_system
from robustreg.solvers._row_path import Inside, Table

#: machine: rows, and entries of X, up to which it is thought of
ROWS, ENTRIES = 1_000, 20_000_000
#: curvature that a row can give, in that of the middle one, beyond which products of columns lose half of the digits of the
#: others; and one that makes columns slow (machine: two weights of 1e5 or more)
FAR, HEAVY = 1e8, 1e4
#: machine: rows up to which those with kinks, or no more than columns of which some are heavy, are sooner followed than
#: columns lead to the end; and columns whose gradient at zero exceeds the penalty, as a share of the rows or of all columns,
#: the fewer, beyond which any number with kinks is (hinge and L1 fits of 300 to 1,000 rows, 300 to 5,000 columns: a sixteenth
#: to 1.3 times the time above it, .6 to 50 times below)
FEW, IN_USE = 200, 0.5
#: points of the path at the most
MOST = 100
#: gaps, as a share of the objective, from which the end is guessed, once more at this share of the last, and at which the
#: path is left
CLOSE, AGAIN, END = 1e-6, 1e-3, 1e-16
#: rounding: a certificate that needs no better end. Beside squares errors of coefficients are its root
EXACT = 1e-15
#: systems of a guess at the most
MENDED = 4
#: rounding of a gradient, as a share of its limit
ROUNDING = 1e-12


class Found(NamedTuple):
    """A point, slopes of the rows times their weights, and how far both are from the minimum."""

    theta: Array
    slopes: Array
    proof: Certificate


class Ends(NamedTuple):
    """What is known at the minimum of each coefficient and row.

    Parameters
    ----------
    sign : array of shape (q,)
        Signs of the coefficients; 0 of those without a kink.
    side : array of shape (n,)
        1 for rows whose slope is at its upper bound, -1 at its lower one, 0 inside.
    """

    sign: Array
    side: Array

    @classmethod
    def seen(cls, before: Inside, at: Inside) -> Ends:
        """Guess them by what shrinks in a step: distances from limits, or what is zero where there is any."""
        gone = at.room * before.size < before.room * at.size
        net, q = gone[0].astype(float) - gone[1], len(at.b)
        return cls(np.where(at.table.free, 0.0, net[:q]), net[q:])


def is_few(n: int, p: int) -> bool:
    """Whether a table has few rows."""
    return n <= ROWS and n * p <= ENTRIES


def serves(objective: Objective) -> bool:
    """Whether rows are few, the loss has slopes on a line and the penalty is a convex one of single coefficients."""
    data, penalty = objective.data, objective.penalty
    return bool(
        data.here
        and data.dense
        and is_few(data.n_rows, data.size)
        and penalty.convex
        and objective.n_outputs is None
        and not objective.n_extra
        and _part(objective).labels is None
        and Line.of(objective) is not None
    )


def comes_first(objective: Objective) -> bool:
    """Whether a row is so far out that products of columns lose the others, or they would lead to the end later."""
    data, line = objective.data, Line.of(objective)
    assert line is not None
    size = data.rowwise(_largest) ** 2
    size = size if data.weight is None else data.weight * size
    uneven = float(size.max(initial=0.0)) / float(np.median(size) or 1.0)
    if uneven > FAR:
        return True
    if objective.loss.kinks(data.y) is None:
        return data.n_rows <= min(FEW, data.size) and uneven > HEAVY
    if data.n_rows <= FEW:
        return True
    if data.working is not None:  # columns begin with what the last fit has left
        return False
    pull, _, _ = objective.split(gradient_of(objective, line.slopes(-line.position)))
    excess = _part(objective).excess(np.zeros(data.size), pull)
    return int(np.count_nonzero(excess)) > IN_USE * min(data.n_rows, data.size)


def solve_by_rows(objective: Objective, control: Control) -> Found | None:
    """Minimise a loss whose psi is a line cut off, or a step, plus a penalty of single coefficients.

    Parameters
    ----------
    objective : Objective
        One that this way :func:`serves`.
    control : Control
        Iterations that are left: points of the path.

    Returns
    -------
    Found or None
        The best point; None where there is none.
    """
    table = _table(objective)
    best: Found | None = None
    before, close = Inside.start(table), CLOSE
    for _ in range(MOST):
        at = before.further() if control.left and before.gap > 0 else None
        if at is None:
            break
        value = table.value(at.b)
        if control.step(at.b, value) or not value > 0:
            break
        share, last, before = at.gap / value, before, at
        if not share <= close:
            continue
        close = max(AGAIN * share, END)
        for b, g in _ended(last, at):
            theta = exact_zeros(objective, b)
            slopes = objective.total * g / table.unit
            proof = certify(objective, theta, slopes)
            if best is None or proof.value < best.proof.value:
                best = Found(theta, slopes, proof)
        if share <= END or (best is not None and best.proof.value <= EXACT):
            break
    return best


def _largest(block: Block) -> Array:
    """Return the largest size of each row's entries, without a copy of them."""
    above, below = block.X.max(axis=1, initial=0.0), block.X.min(axis=1, initial=0.0)
    return np.asarray(np.maximum(np.maximum(above, -below), float(block.apart)))


def _rows(objective: Objective) -> Array:
    """Return the rows in the solver's coordinates, with ones where there is an intercept."""
    data = objective.data
    rows = data.whole().X if data.single else data.take_with_ones(np.arange(data.n_rows))
    return np.asarray(rows)


def _part(objective: Objective) -> ColumnPenalty:
    return ColumnPenalty.of(objective, np.zeros(objective.data.size))


def _table(objective: Objective) -> Table:
    """Return the rows, each in a unit of its own."""
    part, line, X = _part(objective), Line.of(objective), _rows(objective)
    assert line is not None
    p, q = objective.data.size, X.shape[1]
    live = np.append(~part.removed, np.ones(q - p, dtype=bool))
    X = np.where(live, X, 0.0)
    unit = np.maximum(X.max(axis=1, initial=0.0), -X.min(axis=1, initial=0.0))
    unit = np.where(unit > 0, unit, 1.0)
    X /= unit[:, None]
    line = Line(line.position / unit, line.width / unit**2, line.lower * unit, line.upper * unit)
    l1, l2, positive = np.zeros(q), np.zeros(q), np.zeros(q, dtype=bool)
    # any penalty holds a column that is removed at zero
    l1[:p], l2[:p] = np.where(part.removed, 1.0, part.l1), np.where(part.removed, 0.0, part.l2)
    positive[:p] = part.positive
    return Table(X, line, l1, l2, positive, unit)


def _ended(before: Inside, at: Inside) -> Iterator[tuple[Array, Array]]:
    """Yield coefficients and slopes that solve the system of a guess, mended until nothing contradicts it."""
    table, ends = at.table, Ends.seen(before, at)
    line, free = table.line, table.free
    for _ in range(MENDED):
        b, g = _solution(table, ends)
        yield b, np.clip(g, line.lower, line.upper)
        pull, beyond = g @ table.X + table.l2 * b, table.X @ b - line.position - line.width * g
        leaves = (ends.sign != 0) & (b * ends.sign <= 0)
        over = np.where(table.positive, -pull, np.abs(pull)) > table.l1 * (1 + ROUNDING)
        joins = over & ~free & (ends.sign == 0)
        outside = np.where(g > line.upper, 1.0, np.where(g < line.lower, -1.0, 0.0))
        outside[ends.side != 0] = 0.0
        inside = ends.side * beyond < 0
        if not (leaves.any() or joins.any() or outside.any() or inside.any()):
            return
        sign = np.where(leaves, 0.0, np.where(joins, -np.sign(pull), ends.sign))
        ends = Ends(sign, np.where(inside, 0.0, ends.side + outside))


def _solution(table: Table, ends: Ends) -> tuple[Array, Array]:
    """Return coefficients and slopes, those of the others being zero or at their bounds."""
    X, line = table.X, table.line
    columns, rows = np.flatnonzero(table.free | (ends.sign != 0)), np.flatnonzero(ends.side == 0)
    b, k = np.zeros(X.shape[1]), len(columns)
    g = np.where(ends.side > 0, line.upper, np.where(ends.side < 0, line.lower, 0.0))
    system, some = np.zeros((k + len(rows), k + len(rows))), X[np.ix_(rows, columns)]
    system[:k, k:], system[k:, :k] = some.T, some
    system[np.diag_indices_from(system)] = np.append(table.l2[columns], -line.width[rows])
    pull = g @ X[:, columns] + table.l1[columns] * ends.sign[columns]
    target = np.append(-pull, line.position[rows])
    if len(system):
        size = np.abs(system).max(axis=0)
        scale = 1 / np.sqrt(np.where(size > 0, size, 1.0))
        found = scale * solved_system(system * np.outer(scale, scale), scale * target)
        b[columns], g[rows] = found[:k], found[k:]
    return b, g
