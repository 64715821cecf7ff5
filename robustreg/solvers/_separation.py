"""Whether classes can be separated: a direction in which no row's loss rises and some fall for ever.

Along such a direction a loss of probabilities has no minimum, though its gradient becomes as small as one
likes. It can be a single column, such as a dummy all of whose rows are of one class.

References
----------
Albert, A. and Anderson, J. A. (1984). On the existence of maximum likelihood estimates in logistic regression
models. Biometrika 71, 1-10. Konis, K. (2007). Linear programming algorithms for detecting separated data in
binary logistic regression models. Thesis, University of Oxford.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, is_sparse
from robustreg.losses._contrasts import helmert
from robustreg.objective import Objective
from robustreg.solvers._certificates import has_hessian
from robustreg.solvers._separation_by_passes import (
    FIRST,
    LARGEST,
    POSITIVE,
    ROUNDS,
    ZERO,
    constraints,
    direction_by_passes,
    largest_change,
    steepest,
    ways,
)
from robustreg.solvers._smooth import on_drawn

#: a Newton step that changes no prediction by this much leaves slopes of every sign as they are: with the
#: changes of the slopes that it stands for these balance exactly, which no separated classes allow; 1 is the limit
STEP = 0.5
#: curvature, as a share of the largest, that rounding of the Hessian leaves some digits of
SURE = 1e-10


def separated(objective: Objective, theta: Array) -> bool:
    """Whether the classes of an objective without a penalty can be separated, at least in part.

    Parameters
    ----------
    objective : Objective
        Its loss is one of classes; otherwise the answer is no.
    theta : array of shape (q,)
        Where a fit has ended.

    Returns
    -------
    bool
        Yes is proved by a direction; no by slopes in balance, or by the lack of a direction.
    """
    if not objective.penalty.empty or not (objective.loss.additive and has_hessian(objective)):
        return False
    outputs = objective.n_outputs or 1
    data: Any = objective.data if objective.data.here else objective.data.sample  # type: ignore[attr-defined]
    wanted = objective.loss.target.wanted(data.y, outputs + 1)
    if wanted is None:
        return False
    # A direction that separates all rows separates some, or changes none of them.
    some = on_drawn(objective)
    if any(part is not None and _overlap(part, theta) for part in (some, objective)):
        return False
    if not objective.data.here:
        return direction_by_passes(objective)
    return _direction(objective, theta, wanted)


def _overlap(objective: Objective, theta: Array) -> bool:
    """Whether slopes near those at ``theta`` are in balance, all of them of their own sign."""
    if not objective.loss.convex:
        return False
    hessian = objective.hess(theta)
    if not np.isfinite(hessian).all():
        return False
    values = np.linalg.eigvalsh(hessian)
    if not values[0] > SURE * values[-1]:
        return False
    step = scipy.linalg.solve(hessian, objective.evaluate(theta).gradient, assume_a="pos")
    if not objective.data.here:
        return largest_change(objective, step) < STEP
    return bool(np.abs(objective.raw(step)).max() < STEP)


def _direction(objective: Objective, theta: Array, wanted: Array) -> bool:
    """Whether a linear program finds a direction; rows that its last one violates join it."""
    outputs = objective.n_outputs
    basis = np.array([[0.0, 1.0]]) if outputs is None else helmert(outputs + 1)
    first = wanted.argmax(axis=1)

    def leads(point: Array) -> Array:
        """By how much the score of a row's class exceeds the others."""
        raw = objective.raw(point)
        scores = (raw[:, None] if outputs is None else raw) @ basis
        lead: Array = np.take_along_axis(scores, first[:, None], axis=1) - scores
        return np.where(wanted, -np.abs(lead), lead)

    k = wanted.shape[1]
    towards = ways(basis, first)
    slope = towards.sum(axis=1)
    data = objective.data.with_target(slope if outputs else slope[:, 0], None)
    (pulled,) = data.sum(lambda block: (block.pullback(block.y),))
    gain = np.ravel(data.inward(pulled))
    kept = np.argsort(leads(theta).min(axis=1), kind="stable")[: FIRST * len(gain) + 1000]
    for _ in range(ROUNDS):
        if len(kept) * k * len(gain) > LARGEST:
            return False
        rows, equal = _rows(objective, kept, towards[kept], wanted[kept])
        found = steepest(gain, rows, equal)
        if found.x is None:
            return False
        lead = leads(found.x)
        if not lead.max() > POSITIVE:
            return False
        worst = lead.min(axis=1)
        worst[kept] = 0.0
        missed = np.flatnonzero(worst < -ZERO)
        if not len(missed):
            return True
        order = np.argsort(worst[missed], kind="stable")[: FIRST * len(gain) + 1000]
        kept = np.union1d(kept, missed[order])
    return False


def _rows(objective: Objective, kept: Array, towards: Array, wanted: Array) -> tuple[Array, Array]:
    """Return the constraints of the rows kept."""
    X: Any = replace(objective.data, explicit=True).take_with_ones(kept)
    return constraints(X.toarray() if is_sparse(X) else X, towards, wanted)
