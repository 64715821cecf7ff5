"""Piecewise linear losses with an L1 penalty on many or on small columns: most coefficients are zero.

The problem is solved on some columns; its slopes, carried back to the others, say which of those
would leave zero. They join until none would, which proves the rest.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._gap import Certificate, at_best_constant, judged, seen_at
from robustreg.solvers._kinked import solve_kinked
from robustreg.solvers._kinks import gradient_of
from robustreg.solvers._result import Result

#: with fewer columns all are taken at once
MANY = 300
#: gradient at zero, in units of an L1 penalty, beyond which multipliers are faster than programs (machine: the
#: same at 4 for 200 x 2,000 and 500 x 5,000 columns, 2 to 4 times as fast at 7)
IN_USE = 4.0
#: columns to begin with
FIRST = 50
#: a column joins if its pull exceeds the penalty by this share
EXCESS = 1e-9


def is_sparse_in_columns(objective: Objective) -> bool:
    """Whether most columns, or one for certain, have coefficient zero under an L1 penalty.

    Columns are of unit size, so a loss of slopes up to one pulls a coefficient by about one at the most.
    Beside a penalty far above that a program would lose the rows.
    """
    penalty, data = objective.penalty, objective.data
    if not penalty.kinked:
        return False
    return data.size > MANY or bool(np.any(_limits(objective) > 1))


def has_many_in_use(objective: Objective) -> bool:
    """Whether an L1 penalty leaves so many of more columns than rows in use that programs grow large.

    The slopes of the rows at zero coefficients say how far it is below the one that leaves none.
    """
    data, kinks = objective.data, objective.loss.kinks(objective.data.y)
    if kinks is None or data.size <= data.n_rows or objective.n_outputs:
        return False
    weight = 1.0 if data.weight is None else data.weight
    slopes = weight * kinks.slopes(-kinks.position)
    gradient = np.abs(gradient_of(objective, slopes / objective.total)[: data.size])
    return bool(np.any(gradient > IN_USE * _limits(objective)))


def _limits(objective: Objective) -> Array:
    """Penalty of each of the solver's coefficients, per unit of weight."""
    limits: Array = (
        objective.penalty.at_zero / objective.total * objective.data.coordinates.transform
    )
    return limits


def solve_columns(
    objective: Objective, theta: Array, control: Control, *, warm: bool = False
) -> Result:
    """Minimise as :func:`~robustreg.solvers.solve_piecewise` does, on the columns that matter.

    Parameters
    ----------
    objective : Objective
        Its penalty is L1 with ``alpha > 0``; its coordinates are diagonal.
    theta : array
        Start; its nonzero coefficients are taken first.
    control, warm
        As of :func:`~robustreg.solvers.solve_piecewise`.

    Returns
    -------
    Result
        As of :func:`~robustreg.solvers.solve_piecewise`; ``kept`` and the like speak of all rows.
    """
    size = objective.data.size
    limit = _limits(objective)
    kept = np.flatnonzero(theta[:size])
    if not len(kept) and not objective.data.intercept:
        kept = np.arange(min(FIRST, size))
    best = np.inf
    while True:
        few = replace(objective.data.columns(kept), explicit=True)  # sparse ones are made dense
        small = replace(objective, data=few)
        edge = theta[size:]
        inner = control.phase(view=partial(_whole, kept, size))
        found = solve_kinked(small, np.append(theta[kept], edge), inner, warm=warm)
        theta = _whole(kept, size, found.x)
        pull = gradient_of(objective, found.slopes / objective.total)
        share = np.divide(np.abs(pull[:size]), limit, out=np.zeros(size), where=limit > 0)
        out = np.ones(size, dtype=bool)
        out[kept] = False
        excess = share[out & (share > 1 + EXCESS)]
        if not len(excess) or not control.left:
            break
        used = np.flatnonzero(theta[:size])
        if found.fun < best * (1 - EXCESS):  # or those that are dropped could come back for ever
            best, kept = found.fun, used
        pulled = np.argsort(-share, kind="stable")[: len(used) + max(FIRST, len(used))]
        kept = np.union1d(kept, pulled)
    proof = _in_whole(objective, theta, found, pull)
    found.x, found.fun, found.optimality = theta, proof.objective, proof.value
    found.success = bool(proof.value <= control.tol)
    found.status = control.status(found.success)
    return found


def _in_whole(objective: Objective, theta: Array, found: Result, pull: Array) -> Certificate:
    """Certify the end with all columns, given what its slopes pull."""
    kinks: Any = objective.loss.kinks(objective.data.y)
    weight = 1.0 if objective.data.weight is None else objective.data.weight
    s, slopes = found.offsets, found.slopes / objective.total
    lost = weight / objective.total * kinks.losses(s)
    seen = seen_at(lost, slopes * s, found.zero, objective.data.base, pull)
    seen = seen._replace(constant=partial(at_best_constant, objective))
    return judged(objective, theta, seen, lambda at, size: size + np.abs(at))


def _whole(kept: Array, size: int, few: Array) -> Array:
    """Return all parameters, with coefficients of zero for the columns that are left out."""
    theta = np.zeros(size + len(few) - len(kept))
    theta[kept], theta[size:] = few[: len(kept)], few[len(kept) :]
    return theta
