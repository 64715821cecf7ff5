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

from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._certificates import has_hessian
from robustreg.solvers._separating_direction import has_direction, largest_change
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
    data: Any = objective.data if objective.data.here else objective.data.sample  # type: ignore[attr-defined]
    if objective.loss.target.wanted(data.y, (objective.n_outputs or 1) + 1) is None:
        return False
    # A direction that separates all rows separates some, or changes none of them.
    some = on_drawn(objective)
    if any(part is not None and _overlap(part, theta) for part in (some, objective)):
        return False
    return has_direction(objective, theta)


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
