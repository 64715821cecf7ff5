"""Piecewise linear losses with several kinks a row, as a loss with one on rows that are repeated.

A convex piecewise linear rho is a sum of pinball losses of one level, one about each of its breakpoints, up to
a constant. So each row counts once for each breakpoint, with its target moved and its jump as weight; X
is not copied. The slopes that prove the minimum are those of these rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.losses import Absolute, Pinball, ResidualLoss
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._plan import solve_piecewise
from robustreg.solvers._result import Result

#: what rounding leaves of residuals, y having spread one
ROUNDING = 64 * float(np.finfo(float).eps)


def stacked(objective: Objective) -> tuple[Objective, float]:
    """Return the same problem with one kink a row, and what its value is more, per unit of weight.

    Parameters
    ----------
    objective : Objective
        Its loss has ``breakpoints``.

    Returns
    -------
    stacked : Objective
    constant : float
    """
    loss: Any = objective.loss
    at, jumps = (np.array(part) for part in zip(*loss.breakpoints, strict=True))
    data, n, k = objective.data, objective.data.n_rows, len(at)
    rows = np.arange(n) if data.rows is None else data.rows
    weight = np.ones(n) if data.weight is None else data.weight
    upper = float(loss.psi(np.array([at[-1] + 1.0 + abs(at[-1])]))[0])
    level = upper / jumps.sum()
    # the absolute error has twice the slopes of the pinball loss of level one half
    even = level == 0.5
    piece: ResidualLoss = Absolute() if even else Pinball(level)
    more = replace(
        data,
        y=np.concatenate([data.y - t for t in at]),
        weight=np.concatenate([weight * jump * (0.5 if even else 1.0) for jump in jumps]),
        rows=np.tile(rows, k),
        share=data.share * k,
        base=data.base + float(np.abs(at).max()),
        moments=None,
    )
    found = objective.with_total(objective.total, loss=piece, data=more)
    here = float(loss.rho(np.zeros(1))[0])
    there = float(sum(j * Pinball(level).rho(np.array([-t]))[0] for t, j in loss.breakpoints))
    return found, (there - here) * data.total / objective.total


def solve_stacked(
    objective: Objective,
    theta: Array,
    control: Control,
    *,
    method: str,
    warm: bool = False,
) -> Result:
    """Minimise a piecewise linear loss with any number of kinks a row, with a duality gap as proof.

    Parameters
    ----------
    objective : Objective
        Its loss has ``breakpoints``.
    theta, control, method, warm
        As of :func:`~robustreg.solvers.solve_piecewise`.

    Returns
    -------
    Result
        ``optimality`` is the gap relative to the value of this objective.
    """
    problem, constant = stacked(objective)
    found = solve_piecewise(problem, theta, control, method=method, warm=warm)
    value = objective.evaluate(found.x).value
    # rows within the tube cost nothing: what is left may be much less than what was minimised
    gap = found.optimality * (value + constant)
    nothing = ROUNDING * (1.0 + constant + objective.data.base)
    beyond = objective.loss.rho(objective.data.y - objective.raw(found.x))  # type: ignore[attr-defined]
    exact = objective.penalty.empty and beyond.max(initial=0.0) <= nothing
    found.optimality = 0.0 if exact or value == 0 else min(gap / value, 1.0)
    found.status = 0 if found.optimality <= control.tol else found.status or 2
    found.success, found.fun = found.status == 0, value
    for name in ("slopes", "zero", "offsets"):  # of rows that nobody else knows
        found.pop(name, None)
    return found
