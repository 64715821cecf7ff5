"""Linear regression of probability distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array, is_sparse
from robustreg.data import Block
from robustreg.estimators._answers import ScoreMixin
from robustreg.estimators._base import Prepared
from robustreg.estimators._classifier_base import SOLVERS, LinearScores
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._remote_fit import unserved
from robustreg.estimators._validation import check_data, check_option
from robustreg.losses import KLDivergence, softmax
from robustreg.solvers import Control, Plan, Result, plan_together
from robustreg.tables import Part, Table

#: how far from one the probabilities of a row may sum
ROUNDING = 1e-6


def distributions(y: Array) -> Array:
    """Return y in double precision, each row of sum one, or refuse it."""
    y = y.astype(np.float64, copy=False)
    if y.ndim != 2 or y.shape[1] < 2:
        raise ValueError(
            f"y must hold a distribution in each row, in two columns or more. Got shape {y.shape}."
        )
    if (y < 0).any():
        raise ValueError("y holds negative entries: its rows must be probability distributions.")
    total = y.sum(axis=1)
    worst = int(np.abs(total - 1).argmax())
    if abs(total[worst] - 1) > ROUNDING:
        raise ValueError(
            "y must hold a probability distribution in each row, of sum one: row "
            f"{worst} sums to {total[worst]:.6g}."
        )
    return y / total[:, None]


def read_distributions(y: Any, name: str) -> Array:
    """Return a partition of y as an array."""
    try:
        y = np.asarray(y, dtype=np.float64)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity")
        return distributions(y) if len(y) else y
    except ValueError as error:
        raise ValueError(f"{error} ({name})") from None


@dataclass(frozen=True)
class Largest:
    """The largest entry of each column of y."""

    def __call__(self, block: Block) -> tuple[Array]:
        return (block.y.max(axis=0),)


def larger(one: tuple[Array], other: tuple[Array]) -> tuple[Array]:
    """Combine two answers of :class:`Largest`."""
    return (np.maximum(one[0], other[0]),)


def without_zeros(part: Part) -> Part:
    """Leave out the rows without weight."""
    return part.positive()


class KLRegressor(ScoreMixin, LinearScores):
    r"""Linear model of a probability distribution for each sample.

    Minimises, with q the softmax of the scores of row i,

    .. math:: \sum_i w_i \sum_k y_{ik} \log \frac{y_{ik}}{q_k(x_i)}
        + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2 .

    For targets with one entry 1 and the others 0 this is multinomial logistic regression.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the L2 penalty on the sum of losses; the intercept is never penalised.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero, and `optimality_` of a convex loss is the relative duality gap.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    penalty : str or Penalty, default=None
        A penalty of :mod:`robustreg.penalties` by name or as an object, in place of that of `l1_ratio`;
        `alpha` is its strength. Fields are reachable as ``penalty__groups`` and the like.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=100
        Maximum number of iterations, including those on a subsample.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.
    solver : {"auto", "newton", "newton-cg", "lbfgs"}, default="auto"
        See :class:`LogisticClassifier`.

    Attributes
    ----------
    coef_ : array of shape (n_outcomes, n_features)
        Coefficients; each column sums to zero.
    intercept_ : array of shape (n_outcomes,)
        Intercepts, of sum zero.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Largest gradient entry per unit of weight in standardised units. With `l1_ratio`, `positive`,
        `penalty_weights` or `penalty` the relative duality gap, a bound on how far the objective is above its minimum.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Kullback, S. and Leibler, R. A. (1951). On information and sufficiency. Annals of Mathematical
    Statistics 22, 79-86.

    Examples
    --------
    >>> from robustreg import KLRegressor
    >>> y = [[0.9, 0.1], [0.7, 0.3], [0.3, 0.7], [0.1, 0.9]]
    >>> model = KLRegressor(alpha=0.01).fit([[0.0], [1.0], [2.0], [3.0]], y)
    >>> model.predict([[1.5]]).round(6).tolist()
    [[0.5, 0.5]]
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        penalty: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_option(self, "solver", SOLVERS)

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        if is_sparse(y):
            raise ValueError("y is a sparse matrix: pass y.toarray(), a distribution in each row.")
        X, y = check_data(self, X, y, fit=True, multi_output=True, y_numeric=True)
        return X, distributions(y)

    _read_remote = staticmethod(read_distributions)

    def _why_not(self, n_features: int) -> str:
        return unserved(self._penalty(1.0), n_features)

    def _encoded(self, table: Table) -> Table:
        return table.map(without_zeros)

    @staticmethod
    def _most(data: Any) -> Array:
        """Return the largest probability of each outcome."""
        found: Array = data.y.max(axis=0) if data.here else data.combined(Largest(), larger)[0]
        return found

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        names = tuple(range(y.shape[1]))
        return Estimate(KLDivergence(), self._penalty(total), y, scores=names, together=True)

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        data, warm = prepared.data, start is not None
        if start is None:
            start = np.zeros((data.y.shape[1], data.size + data.intercept))
        make = partial(self._objective, data=data, mass=prepared.units.mass)
        settle = partial(self._settle, warm=warm)
        plan = plan_together(KLDivergence(), make, start, settle, control)
        return plan.then(partial(self._advised, data=data))

    def _advised(self, found: Result, *, data: Any) -> Result:
        """Say so where there is no finite minimum."""
        never = np.flatnonzero(self._most(data) == 0).tolist()
        # the intercept has no penalty, and is soon so low that no step shows it falling
        if never and (self.fit_intercept or found.growing):
            found.advice = (
                f"No row has any probability in column {', '.join(map(str, never))} of y: no "
                "finite intercept is low enough. Leave that column out of y."
            )
        elif found.growing:
            found.advice = (
                "The optimum is not finite: the fit to entries of 0 in y improves as long as the "
                "coefficients grow. Set alpha above 0 (or higher): a penalty bounds them."
            )
        return found

    def predict(self, X: Any) -> Array:
        """Predict distributions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        probability : array of shape (n_samples, n_outcomes)
            A distribution for each row.
        """
        return softmax(self._scores(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags
