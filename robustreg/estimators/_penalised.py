"""What an estimator penalises: its parameters read, checked and made a penalty."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from robustreg._array import Array
from robustreg._parameters import did_you_mean
from robustreg.estimators._validation import check_bool, check_real, complain, level_of_user
from robustreg.penalties import L1, L2, PENALTIES, ElasticNet, Penalty
from robustreg.penalties._applied import Applied

#: penalties by names that other libraries use
_ELSEWHERE = {"ridge": "l2", "lasso": "l1", "elasticnet": "elastic_net"}

#: solvers that a penalty of single coefficients is minimised by: proximal Newton, and multipliers for kinks
BY_COLUMN = ("auto", "newton", "exact")


def check_penalty(estimator: Any) -> None:
    """Refuse parameters of the penalty that are out of range or do not go together.

    Raises
    ------
    ValueError
        That names the parameter and, where two do not go together, both.
    """
    check_real(estimator, "alpha", 0.0)
    if not hasattr(estimator, "l1_ratio"):
        return
    check_real(estimator, "l1_ratio", 0.0, 1.0, closed="both")
    check_bool(estimator, "positive")
    shape = _given(estimator)
    if shape is not None:
        shape.validate()
        if shape.alpha != 0:
            raise ValueError(
                f"penalty={estimator.penalty!r} has an alpha of its own: give it to "
                f"{type(estimator).__name__}(alpha=...), and leave that of the penalty at 0."
            )
        if estimator.l1_ratio != 0:
            raise ValueError(
                "l1_ratio is a parameter of the default penalty: with another one leave it at 0, or "
                "pass penalty=ElasticNet(l1_ratio=...)."
            )
        if estimator.positive and shape.joins_outputs:
            raise ValueError(
                f"positive=True and {type(shape).__name__} do not go together: no solver serves both. "
                "Use penalty='elastic_net' with positive=True."
            )
    solver = vars(estimator).get("solver", "auto")
    if estimator._penalty(1.0).by_column and solver not in BY_COLUMN:
        raise ValueError(
            f"solver={solver!r} serves no other penalty than the sum of squares with equal weights. l1_ratio, "
            "positive, penalty_weights and penalty are solved on the columns that matter: use solver='auto'."
        )


def _given(estimator: Any) -> Penalty | None:
    """Return the penalty that an estimator was given, None for the default one.

    Raises
    ------
    ValueError
        If it is neither a penalty nor the name of one.
    """
    # not asked as an attribute: where there is none, the error takes longer than all else here
    given = vars(estimator).get("penalty")
    if given is None or isinstance(given, Penalty):
        return given
    if not isinstance(given, str) or given not in PENALTIES:
        names = ", ".join(map(repr, PENALTIES))
        hint = did_you_mean(given, PENALTIES, _ELSEWHERE)
        raise complain(estimator, "penalty", f"None, a penalty or one of {names}", hint)
    return PENALTIES[given]()


def make_penalty(estimator: Any, total: float, mean: bool = False) -> Any:
    """Return what an estimator penalises.

    Parameters
    ----------
    estimator : LinearModel
        With ``alpha``, and mostly ``l1_ratio``, ``positive`` and ``penalty_weights``, perhaps ``penalty``.
    total : float
        Sum of the weights, in whose units penalties that are not homogeneous see alpha.
    mean : bool
        Whether alpha stands beside the mean of the losses in place of their sum.
    """
    alpha = float(estimator.alpha) * (total if mean else 1.0)
    given = vars(estimator)
    ratio, positive = float(given.get("l1_ratio", 0.0)), bool(given.get("positive", False))
    given, weights = given.get("penalty_weights"), None
    if given is not None:
        weights = _numbers(estimator, given)
    shape = _given(estimator)
    removes = weights is not None and bool(np.isinf(weights).any())
    if alpha == 0 and not positive and not removes:
        return L2(0.0)
    if shape is not None:
        shape = replace(shape, alpha=alpha)
        if not (shape.euclidean and not positive and weights is None):
            return Applied.to(shape, weights, positive, total)
        return shape
    if weights is None and not positive and ratio == 0:
        return L2(alpha)
    if weights is None and not positive and ratio == 1 and mean:
        return L1(alpha)
    return Applied.to(ElasticNet(alpha, ratio), weights, positive, total)


def check_columns(estimator: Any, shape: tuple[int, int]) -> None:
    """Refuse weights, or groups, of another number of features, and warn of a lasso without a penalty.

    Raises
    ------
    ValueError
        That names the parameter.
    """
    weights = getattr(estimator, "penalty_weights", None)
    n, n_features = shape
    if weights is not None:
        weights = _numbers(estimator, weights)
        if weights.shape != (n_features,):
            raise ValueError(
                f"penalty_weights must hold one number for each of the {n_features} features. Got shape "
                f"{weights.shape}."
            )
    given = _given(estimator) if hasattr(estimator, "l1_ratio") else None
    labels = None if given is None else given.labels(n_features)
    if labels is not None and weights is not None:
        first = weights[np.unique(labels, return_index=True)[1]]
        if not np.array_equal(first[labels], weights):
            raise ValueError(
                "penalty_weights must be equal within each group: the norm of a group has one factor."
            )
    asked = getattr(estimator, "l1_ratio", 0) == 1 != _default(estimator, "l1_ratio")
    free = n_features if weights is None else int(np.isfinite(weights).sum())
    if asked and estimator.alpha == 0 and not estimator.positive and free > n:
        warnings.warn(
            f"alpha=0 is no penalty: with {free} features and {n} samples many coefficients fit "
            "exactly, and none of them is zero by l1_ratio. Set alpha above 0.",
            ConvergenceWarning,
            stacklevel=level_of_user(),
        )


def _default(estimator: Any, name: str) -> Any:
    """Return what a parameter is unless it is given."""
    return inspect.signature(type(estimator)).parameters[name].default


def _numbers(estimator: Any, weights: Any) -> Array:
    try:
        found = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        raise complain(estimator, "penalty_weights", "None or numbers of at least 0") from None
    if np.isnan(found).any() or (found < 0).any():
        raise complain(estimator, "penalty_weights", "None or numbers of at least 0")
    return found
