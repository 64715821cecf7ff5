"""Penalties of single coefficients, with a smooth loss, on rows that are elsewhere: each step is one pass.

A pass returns value, gradient and Hessian of the loss. The quadratic model is minimised with the penalty where the fit
is made, exactly, so that coefficients are zero where they are. What the last pass says is also the certificate.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from robustreg._array import Array
from robustreg.objective import Objective
from robustreg.solvers._by_column import LEAST, SHARE, solve_by_column
from robustreg.solvers._column_penalty import ColumnPenalty
from robustreg.solvers._control import Control
from robustreg.solvers._gap import certify
from robustreg.solvers._on_columns import OnColumns
from robustreg.solvers._penalised_quadratic import Limits
from robustreg.solvers._proximal_newton import DAMPING, proximal_newton
from robustreg.solvers._result import Result
from robustreg.solvers._smooth import MAX_DENSE, ROUGH, on_fetched

#: rounding: of gradients of columns as they are, in units of what centring takes away. Steps towards less are passes
#: that gain nothing: at columns 300 deviations from zero one, at 900 three
EPS = float(np.finfo(float).eps)
#: share of tol that a gradient must meet all the same
EXACT = 0.01


def solve_columns_by_passes(
    objective: Objective, theta: Array, control: Control, *, warm: bool = False
) -> Result:
    """Minimise a smooth loss plus a penalty of single coefficients, as :func:`solve_by_column` does.

    Parameters
    ----------
    objective : Objective
        Its data are :class:`~robustreg.remote.TableData`, and its penalty is convex.
    theta : array of shape (q,)
        Start.
    control : Control
        What the certificate must not exceed, and steps that are left.
    warm : bool, default=False
        Whether the start is so close that the minimum on the sample is no better one.

    Returns
    -------
    Result
        ``x``, ``fun``, ``status``, ``optimality``.

    Raises
    ------
    ValueError
        If the coefficients are too many for a Hessian.
    """
    if objective.size > MAX_DENSE:
        raise ValueError(
            f"A penalty of single coefficients serves {MAX_DENSE} of them at most where samples are read in parts, not "
            f"{objective.size} (features times scores). Pass alpha alone, leave features out, or fit to samples in "
            "memory."
        )
    if not warm and objective.loss.convex:
        rough = control.phase(tol=max(ROUGH, control.tol), spare=1)
        theta = solve_by_column(on_fetched(objective), theta, rough).x
    rounding = 0.0 if objective.data.explicit else EPS * objective.data.hidden.max(initial=0.0)
    exact = control.phase(tol=max(SHARE * control.tol, LEAST, min(rounding, EXACT * control.tol)))
    found = descend_by_passes(objective, theta, exact)
    proof = certify(objective, found.x, known=found["loss"])
    found.fun, found.optimality, found.metric = proof.objective, proof.value, None
    found.status = control.status(proof.value <= control.tol)
    found.success = found.status == 0
    return found


def descend_by_passes(objective: Objective, theta: Array, control: Control) -> Result:
    """Minimise the same to a distance of minus the gradient from the subdifferential, and do not certify it.

    Parameters
    ----------
    objective, theta
        As of :func:`solve_columns_by_passes`.
    control : Control
        That distance, and steps that are left.

    Returns
    -------
    Result
        ``x``, ``fun``, ``excess``, ``status``; ``loss``, what the loss alone is at the end.
    """
    problem = OnColumns.of(objective, theta)
    kept = np.flatnonzero(problem.live)
    few, limits, bend = problem.on(kept)
    inner = control.phase(view=partial(problem.whole, kept=kept))
    found = proximal_newton(few, problem.take(theta, kept), limits, bend, inner)
    found.x = problem.whole(found.x, kept)
    known = found["loss"]
    found["loss"] = known._replace(gradient=problem.whole(known.gradient, kept))
    return found


def minimise_model(objective: Objective, theta: Array, gradient: Array, hessian: Array) -> Array:
    """Minimise a quadratic model of a loss plus its penalty.

    Parameters
    ----------
    objective : Objective
        Of one output, its penalty one of single coefficients.
    theta, gradient, hessian : array of shape (q,), (q,), (q, q)
        A point, and the loss there, per unit of weight.

    Returns
    -------
    theta : array of shape (q,)
        The minimum, with exact zeros.
    """
    u, q = objective.split(theta)[0], len(theta)
    part = ColumnPenalty.of(objective, u)
    l1, bend = np.zeros(q), np.zeros(q)
    live, positive = np.ones(q, dtype=bool), np.zeros(q, dtype=bool)
    for whole, some in (
        (l1, part.l1),
        (bend, part.l2),
        (live, ~part.removed),
        (positive, part.positive),
    ):
        whole[: len(u)] = some
    own = np.diag(hessian)
    model = hessian + np.diag(bend + DAMPING * np.where(own > 0, own, own.max(initial=0.0)))
    slope = gradient + bend * theta - model @ theta
    found = np.zeros(q)
    found[live] = Limits(l1[live], positive[live]).minimise(
        model[np.ix_(live, live)], slope[live], np.where(live, theta, 0.0)[live]
    )
    return found
