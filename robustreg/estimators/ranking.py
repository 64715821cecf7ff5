"""Linear ranking from grades within queries."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from robustreg._array import Array, is_sparse
from robustreg._lazy import refuse_lazy
from robustreg.data import floats
from robustreg.estimators._base import Prepared
from robustreg.estimators._callbacks import with_callbacks
from robustreg.estimators._penalised import check_columns
from robustreg.estimators._stored import CountsRounding
from robustreg.estimators._units import Units
from robustreg.estimators._validation import (
    check_data,
    check_option,
    check_real,
    check_weight,
    refuse_mask,
)
from robustreg.losses import Hinge, Logistic, PointwiseLoss, SquaredHinge
from robustreg.objective import Objective
from robustreg.penalties import L2
from robustreg.preparation import prepare
from robustreg.solvers import (
    Control,
    PairProblem,
    Pairs,
    Plan,
    Result,
    plan_settled,
    solve_pairs,
    solve_piecewise,
)
from robustreg.stored import Stored

ENDLESS = (
    "Features without a penalty rank all pairs as their grades, so that the optimum is not finite: the loss falls as "
    "long as their coefficients grow. Set penalty_weights above 0."
)
#: differences of rows, one a pair, that are held at the most (machine: a GiB)
LISTED_BYTES = 1 << 30
LOSSES = ("margin_ranking", "hinge", "squared_hinge", "logistic")


class MarginRanker(CountsRounding):
    r"""Linear ranking by a loss of score differences within queries.

    With scores :math:`s_i = x_i^\top \mathrm{coef}` and all pairs of rows i, j of one query with
    :math:`y_i > y_j`, minimises

    .. math:: \sum_{i, j} w_i w_j \, \phi(s_i - s_j) + \tfrac{\alpha}{2} \|\mathrm{coef}\|_2^2 .

    With the hinge loss this is the ranking support vector machine; the pairs are not listed but
    summed by sorting scores, in O(n log n log g) for n rows of g grades. With the logistic loss it is
    RankNet with a linear model, whose pairs take O(number of pairs).

    Parameters
    ----------
    loss : {"margin_ranking", "hinge", "squared_hinge", "logistic"}, default="margin_ranking"
        The function phi of a difference d of scores: ``max(0, margin - d)`` under its first two
        names, its square, or ``log(1 + exp(-d))``.
    margin : float, default=1.0
        Difference of scores from which a pair costs nothing, above 0; "logistic" has none.
    alpha : float, default=1.0
        Strength of the penalty on the sum over all pairs, above 0.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty, in [0, 1]:
        ``alpha * (l1_ratio * ||coef||_1 + (1 - l1_ratio) / 2 * ||coef||_2^2)``. Above 0 coefficients
        can be exactly zero. With this, `positive` or `penalty_weights` the pairs are listed: their
        differences may take 1 GiB.
    positive : bool, default=False
        Whether coefficients must be at least 0.
    penalty_weights : array-like of shape (n_features,), default=None
        A factor of the penalty for each feature, at least 0: 0 leaves its coefficients free and infinity
        makes them 0.
    max_iter : int, default=1000
        Largest number of iterations, those on a subsample included.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    warm_start : bool, default=False
        Whether to start from the solution of the previous fit.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Coefficients. There is no intercept: it would change no difference.
    n_pairs_ : float
        Sum of the weights of the pairs, their number without weights.
    n_iter_ : int
        Iterations.
    optimality_ : float
        Relative duality gap of the hinge loss, and with another penalty than the L2 of any; otherwise the
        largest gradient entry per unit of weight of the pairs, in standardised units.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    See Also
    --------
    robustreg.losses.MarginRanking : The loss of pairs that are given.
    sklearn.metrics.ndcg_score : Scores the ranking of one or several queries.

    References
    ----------
    Herbrich, R., Graepel, T. and Obermayer, K. (2000). Large margin rank boundaries for ordinal
    regression. Advances in Large Margin Classifiers, 115-132. Joachims, T. (2006). Training linear
    SVMs in linear time. ACM SIGKDD, 217-226. Lee, C.-P. and Lin, C.-J. (2014). Large-scale linear
    RankSVM. Neural Computation 26, 781-817.

    Examples
    --------
    >>> from robustreg import MarginRanker
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [5.0, 1.0], [4.0, 0.0]]
    >>> model = MarginRanker(alpha=0.1).fit(X, [0, 1, 2, 1, 0], qid=["a", "a", "a", "b", "b"])
    >>> model.predict(X).argsort().tolist()
    [0, 1, 2, 4, 3]
    """

    # columns are centred inside, which changes no difference
    fit_intercept = True

    def __init__(
        self,
        loss: str = "margin_ranking",
        margin: float = 1.0,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.0,
        positive: bool = False,
        penalty_weights: Any = None,
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
    ) -> None:
        self.loss = loss
        self.margin = margin
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.penalty_weights = penalty_weights
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_option(self, "loss", LOSSES)
        check_real(self, "margin", 0.0, closed="neither")
        check_real(self, "alpha", 0.0, closed="neither")

    def _loss(self) -> PointwiseLoss:
        if self.loss == "logistic":
            return Logistic()
        return (SquaredHinge if self.loss == "squared_hinge" else Hinge)(float(self.margin))

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, qid: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite numbers of any scale.
        y : array-like of shape (n_samples,)
            Grades: numbers of which the larger is the better. Only their order within a query counts.
        qid : array-like of shape (n_samples,), optional
            The query that each row belongs to, numbers or strings in any order. Rows of different
            queries are not compared. One query by default.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights: 2 is a row written twice, 0 a row left out. A pair has the product
            of the weights of its rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, the input is not finite, not of the right kind or of the
            wrong shape, or no query has two different grades.
        """
        return self._fit(X, y, sample_weight, partial(self._read, qid=qid))

    def _read(self, X: Any, y: Any, qid: Any = None) -> tuple[Any, Array]:
        X, y = check_data(self, X, y, fit=True, y_numeric=True)
        grade = np.unique(y, return_inverse=True)[1]
        return X, np.column_stack([grade, queries(qid, y)]).astype(float)

    def _weigh(self, y: Array, sample_weight: Any) -> tuple[Array | None, float]:
        weight, mass = check_weight(sample_weight, len(y))
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        different = np.unique(y[rows], axis=0)
        if len(different) == len(np.unique(different[:, 1])):
            raise ValueError(
                "No query has rows of two different grades (and of positive weight), so that there is "
                f"no pair to learn from: n_samples = {len(y)}, queries: {len(np.unique(y[:, 1]))}."
            )
        if not np.finfo(float).tiny <= mass * mass < np.inf:
            raise ValueError(
                f"The mean of sample_weight is {mass:.1e}, of which the square is beyond floating point: a pair has "
                "the product of two weights. Rescale sample_weight."
            )
        return weight, mass

    def _units(self, y: Array, weight: Array | None, mass: float) -> Units:
        return Units(0.0, 1.0, mass)

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        if not self._penalty(1.0).by_column:
            return super()._prepare(X, y, weight, mass)
        check_columns(self, X.shape)
        up, down = self._listed(X, y, weight)
        # in double precision: differences of numbers in single precision would be rounded to that
        difference = floats(X[up], dense=False)
        with np.errstate(over="ignore"):
            difference -= floats(X[down], dense=False)
        if not np.isfinite(difference.data if is_sparse(difference) else difference).all():
            raise ValueError(
                "Differences of rows of X are beyond floating point: rescale its columns."
            )
        each = np.ones(len(up)) if weight is None else weight[up] * weight[down]
        share = float(each.mean())
        how = self._preparation()
        data, rank = prepare(difference, np.ones(len(up)), each / share, intercept=False, **how)
        return Prepared(data, Units(0.0, 1.0, share * mass**2), rank)

    def _listed(self, X: Any, y: Array, weight: Array | None) -> tuple[Array, Array]:
        """Return the rows (higher, lower) of all pairs of positive weight."""
        kept = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        most = int(LISTED_BYTES / (8 * max(X.nnz / X.shape[0] if is_sparse(X) else X.shape[1], 1)))
        listed = pairs_of(y[kept], None).listed(np.zeros(len(kept)), -1.0, 1.0, most)
        if listed is None:
            raise ValueError(
                f"There are more than {most:,} pairs, whose differences l1_ratio, positive and penalty_weights "
                "have listed and which would take more than 1 GiB: rank fewer rows or smaller queries, or use the "
                "L2 penalty (l1_ratio=0, positive=False, penalty_weights=None), which lists none."
            )
        return kept[listed[0]], kept[listed[1]]

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        data, units = prepared.data, prepared.units
        start = np.zeros(data.size) if start is None else start
        if self._penalty(1.0).by_column:
            penalty = units.penalty(self._penalty(data.total * units.mass), 0)
            objective = Objective(self._loss(), data, penalty)
            if objective.loss.smooth:
                endless = objective.loss.endless
                plan = plan_settled(objective, start, control, endless=endless)
            else:
                plan = Plan(partial(solve_piecewise, objective, start, control))

            def advised(found: Result) -> Result:
                found = plan.ended(found)
                if found.get("growing"):
                    found.advice = ENDLESS
                found.n_pairs = data.total * units.mass
                return found

            return plan._replace(ended=advised)
        pairs = pairs_of(data.y, data.weight)
        penalty = L2(float(self.alpha) / units.mass**2)
        problem = PairProblem(self._loss(), pairs, data, penalty)

        def with_problem(found: Result) -> Result:
            found["n_pairs"], found["problem"] = pairs.total * units.mass**2, problem
            return found

        return Plan(partial(solve_pairs, problem, start, control), with_problem)

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        self.n_pairs_ = float(found.n_pairs)

    def _count_rounding(
        self, X: Any, weight: Array | None, found: Result, prepared: Prepared
    ) -> None:
        problem, data = found.pop("problem", None), prepared.data
        if problem is None or is_sparse(X) or self.optimality_ > self.tol:
            return
        X = X if weight is None else X[weight > 0]
        stored = Stored(data, found.x[None], X, self.coef_[None], np.zeros(1), 1.0, 0.0)
        if not stored.felt():
            return
        value = problem.value(stored.centred()[:, 0], self.coef_)
        self._say_rise(1 - found.fun / value if value > 0 else 0.0, found, stored.heavy)

    def _start(self, prepared: Prepared) -> Array | None:
        coordinates, coef = prepared.data.coordinates, getattr(self, "coef_", None)
        if not self.warm_start or coef is None or coef.shape != coordinates.center.shape:
            return None
        return coordinates.solver(coef)

    def _fitted(self, prepared: Prepared, x: Array) -> dict[str, Any]:
        return {"coef_": prepared.data.coordinates.coef(x)}

    def predict(self, X: Any) -> Array:
        """Score rows: of two rows of a query the one with the larger score is ranked first.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : array of shape (n_samples,)
            ``X @ coef_``.
        """
        check_is_fitted(self)
        return np.asarray(safe_sparse_dot(check_data(self, X), self.coef_))

    def score(self, X: Any, y: Any, qid: Any = None, sample_weight: Any = None) -> float:
        """Concordance: the share of the pairs that are ranked as their grades are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,)
            Grades.
        qid : array-like of shape (n_samples,), optional
            The query that each row belongs to.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        concordance : float
            Between 0 and 1; a pair of equal scores counts one half.

        Raises
        ------
        ValueError
            If no query has two different grades.
        """
        refuse_lazy(type(self).__name__, y=y, qid=qid)
        scores = self.predict(X)
        grade = check_array(y, ensure_2d=False, dtype="numeric", input_name="y").ravel()
        check_consistent_length(scores, grade)
        codes = np.column_stack([grade, queries(qid, grade)])
        weight, _ = self._weigh(codes, sample_weight)
        pairs = Pairs(grade, codes[:, 1].astype(np.int64), weight)
        return pairs.concordance(scores)


def pairs_of(y: Array, weight: Array | None) -> Pairs:
    """Return all pairs of rows with the given grades and queries."""
    grade, query = y.T
    return Pairs(grade, np.unique(query, return_inverse=True)[1].reshape(-1), weight)


def queries(qid: Any, y: Array) -> Array:
    """Return whole numbers for the queries, all zero without any.

    Raises
    ------
    ValueError
        If there is not one query for each row, or one is missing.
    """
    if qid is None:
        return np.zeros(len(y), dtype=np.int64)
    refuse_lazy("The fit", qid=qid)
    refuse_mask("qid", qid)
    qid = check_array(
        qid, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="qid"
    )
    if qid.shape != (len(y),):
        raise ValueError(f"qid must have one entry for each row of X. Got shape {qid.shape}.")
    if pd.isna(qid).any():
        raise ValueError("qid has missing values: every row needs a query.")
    codes: Array = np.unique(qid, return_inverse=True)[1].reshape(-1)
    return codes
