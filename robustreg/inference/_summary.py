"""What is known of the coefficients of a fit: a table, tests, intervals of predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.utils.validation import validate_data

from robustreg._array import Array, row_slices
from robustreg.coordinates import Coordinates
from robustreg.data import floats
from robustreg.inference import _text
from robustreg.inference._fit import FinalStep
from robustreg.inference._measures import Measures
from robustreg.inference._summary_table import SummaryTable
from robustreg.inference._wald import TestResult, hypotheses, wald

#: rows of new data that are looked at together
PART = 4096
#: a new row this far, relative to its size, from the space of the fitted rows
OUTSIDE = 1e-6


@dataclass
class Scores:
    """Where predictions and their variances come from.

    Parameters
    ----------
    final : FinalStep
        The fitted model.
    coordinates : Coordinates
        In which ``core`` is the covariance, in units of ``unit ** 2``.
    intercept : bool
        Whether there is one, the last coordinate of each score.
    cores : list of arrays of shape (q, q), or None
        Covariance of the coordinates of each score.
    inside : array of shape (n_features, r) or None
        Orthonormal basis of the space of the fitted rows, where it has fewer dimensions than X has
        columns.
    """

    final: FinalStep
    coordinates: Coordinates
    intercept: bool
    cores: list[Array] | None
    unit: float
    inside: Array | None = None


@dataclass
class Found:
    """What :func:`summarize` has found; see :class:`Summary` for what it shows of it.

    Parameters
    ----------
    size, core : arrays of shape (k,) and (k, k)
        The covariance is ``diag(size) core diag(size)``.
    scores : Scores
        What predictions need.
    measures : Measures
        How well the model fits.
    deviance : callable, optional
        Test of a smaller model by its deviance.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    covariance_type: str
    confidence: float
    df: float
    n_samples: float
    n_groups: int | None
    notes: tuple[str, ...]
    size: Array
    core: Array
    scores: Scores
    measures: Measures
    deviance: Any = None


class Summary(SummaryTable):
    """Standard errors, tests and intervals of a fit. Made by :func:`summarize`.

    Parameters
    ----------
    found : object
        What :func:`summarize` has found.

    Attributes
    ----------
    table : pandas.DataFrame
        Index "intercept" and the names of the features (below the names of the classes or outputs,
        where there are several); columns ``coef, std_error, statistic, p_value, lower, upper``.
    covariance : pandas.DataFrame
        Covariance of the coefficients; NaN for ``covariance_type="rank"``.
    covariance_type : str
        How it was estimated.
    confidence : float
        Of the intervals.
    df : float
        Degrees of freedom of t quantiles; infinity for those of the normal distribution.
    scale : float
        Scale of the residuals, in the units of y; NaN for classifiers.
    r2, adjusted_r2 : float
        Share of the variation that is explained: of a residual loss the robust R2 of Renaud and
        Victoria-Feser (for squared errors the usual one), of a quantile that of Koenker and Machado, of a
        likelihood McFadden's; NaN for other losses.
    n_samples : float
        Number of rows, each counted as often as its weight says.
    n_outliers : float or None
        Rows with a residual beyond 2.58 scales.
    n_groups : int or None
        Groups of rows that depend on each other.
    notes : tuple of str
        What else there is to know.

    References
    ----------
    Renaud, O. and Victoria-Feser, M.-P. (2010). A robust coefficient of determination for regression.
    Journal of Statistical Planning and Inference 140, 1852-1862.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.inference import summarize
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> summary = summarize(HuberRegressor(scale="mad", alpha=0.0).fit(X, y), X, y)
    >>> summary.table["std_error"].round(3).tolist()
    [9.807, 0.111, 0.303, 0.129]
    """

    def __init__(self, found: Found) -> None:
        self._found = found
        self.table, self.covariance = found.table, found.covariance
        self.covariance_type, self.confidence, self.df = (
            found.covariance_type, found.confidence, found.df,
        )  # fmt: skip
        measures = found.measures
        self.scale, self.r2, self.adjusted_r2 = measures.scale, measures.r2, measures.adjusted_r2
        self.n_samples, self.n_outliers = found.n_samples, measures.n_outliers
        self.n_groups, self.notes = found.n_groups, found.notes

    def __str__(self) -> str:
        return _text.plain(self)

    def _repr_html_(self) -> str:
        return _text.html(self)

    def test(self, what: Any, values: Any = 0.0) -> TestResult:
        """Wald test of linear hypotheses on the coefficients.

        Parameters
        ----------
        what : str, list of str, or matrix of shape (n_hypotheses, n_coefficients)
            A name of the table's index; several names, to be tested together; or a matrix, whose
            columns are those of the table's index (a DataFrame may leave some out). A tuple
            ``(matrix, values)`` is taken as well.
        values : float or array of shape (n_hypotheses,), default=0.0
            What the coefficients, or the products of the matrix with them, are supposed to be.

        Returns
        -------
        TestResult
            An F test; a chi-squared test where `df` is infinite.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If the matrix has the wrong shape, or the covariance is not known.
        """
        self._require_covariance("test")
        rows, targets = hypotheses(what, values, self.table.index)
        estimates = self.table["coef"].to_numpy()
        return wald(rows, targets, estimates, self._found.size, self._found.core, self.df)

    def compare(self, smaller: SummaryTable) -> TestResult:
        """Test whether the features that a smaller model leaves out are needed.

        A Wald test of their coefficients in this model; for MM-estimates the robust deviance test of
        R's ``anova.lmrob(test="Deviance")``.

        Parameters
        ----------
        smaller : Summary
            Of a fit to the same rows with some of the features of this one.

        Returns
        -------
        TestResult

        Raises
        ------
        ValueError
            If the other model is not smaller, or of other rows.
        """
        if not isinstance(smaller, Summary):
            raise TypeError(
                f"compare takes the Summary of the smaller model. Got {type(smaller).__name__}."
            )
        extra = [name for name in smaller.table.index if name not in self.table.index]
        if extra:
            raise ValueError(
                f"The other model is not nested in this one: it has {extra[0]!r}, which this one lacks."
            )
        left_out = [name for name in self.table.index if name not in smaller.table.index]
        if not left_out:
            raise ValueError("The other model has the same coefficients: there is nothing to test.")
        if smaller.n_samples != self.n_samples:
            raise ValueError(
                f"The models were fitted to {self.n_samples:g} and {smaller.n_samples:g} rows: a "
                "comparison needs the same ones."
            )
        if self._found.deviance is not None and smaller._found.deviance is not None:
            result: TestResult = self._found.deviance(smaller._found.deviance, len(left_out))
            return result
        return self.test(left_out)

    def predict(
        self, X: Any, interval: str = "confidence", confidence: float | None = None
    ) -> pd.DataFrame:
        """Predict with intervals.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict, as the estimator takes them.
        interval : {"confidence", "prediction"}, default="confidence"
            Of the mean of a row (of a classifier: of its score, such as the log-odds), or of a new
            observation there, whose error is added as normal with the scale of the fit. That of
            MM-estimates is first freed of what outliers have added to it.
        confidence : float, default=None
            Confidence of the intervals; that of the summary by default.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, 3)
            Columns ``prediction, lower, upper``, below the names of the classes or outputs where there
            are several.

        Raises
        ------
        ValueError
            If the interval is of another kind, or the model has none of this kind.
        """
        if interval not in ("confidence", "prediction"):
            raise ValueError(
                f"interval must be 'confidence' or 'prediction'. Got {interval!r} instead."
            )
        confidence = self.confidence if confidence is None else check_confidence(confidence)
        self._require_covariance("predict")
        if interval == "prediction" and math.isnan(self._found.measures.predictive):
            raise ValueError(
                "A prediction interval needs errors with a scale about the mean, which "
                f"{type(self._found.scores.final.model).__name__} does not model. For quantiles, fit the two "
                "quantiles that the interval shall have, or use split-conformal intervals (MAPIE)."
            )
        index = X.index if hasattr(X, "index") and not callable(X.index) else None
        raw, error = self._spread_of(self._found.scores.final.transform(X))
        if interval == "prediction":
            error = np.hypot(error, self._found.measures.predictive)
        reach = float(student.ppf((1 + confidence) / 2, self.df)) * error
        columns = ("prediction", "lower", "upper")
        parts = [np.column_stack(part) for part in zip(raw, raw - reach, raw + reach, strict=True)]
        frames = [pd.DataFrame(part, columns=list(columns), index=index) for part in parts]
        if not isinstance(self.table.index, pd.MultiIndex):
            return frames[0]
        return pd.concat(frames, axis=1, keys=list(self.table.index.levels[0]))

    def _require_covariance(self, action: str) -> None:
        if self._found.scores.cores is None:
            raise ValueError(
                f"{action} needs a covariance, which rank tests do not give: name covariance='nid', "
                "'iid', 'kernel' or 'bootstrap'."
            )

    def _spread_of(self, X: Any) -> tuple[Array, Array]:
        """Predictions and their standard errors, of shape (n_scores, n)."""
        scores, model = self._found.scores, self._found.scores.final.model
        assert scores.cores is not None
        X = validate_data(
            model, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32]
        )
        coef = np.atleast_2d(model.coef_)
        offset = np.atleast_1d(np.asarray(model.intercept_, dtype=float))
        raw, error = np.empty((2, len(coef), X.shape[0]))
        for part in row_slices(X.shape[0], PART):
            rows = floats(X[part], dense=True)
            raw[:, part] = (rows @ coef.T + offset).T
            inner = scores.coordinates.apply(rows)
            if scores.intercept:
                inner = np.column_stack([inner, np.ones(len(inner))])
            for s, core in enumerate(scores.cores):
                square = np.einsum("ij,ij->i", inner @ core, inner)
                error[s, part] = scores.unit * np.sqrt(np.maximum(square, 0.0))
            if scores.inside is not None:
                error[:, part] = np.where(self._outside(rows), np.nan, error[:, part])
        return raw, error

    def _outside(self, rows: Array) -> Array:
        """Which rows have a part that no fitted row has: what it predicts is arbitrary."""
        scores = self._found.scores
        basis: Any = scores.inside
        centred = rows - scores.coordinates.center
        rest = centred - (centred @ basis) @ basis.T
        result: Array = np.linalg.norm(rest, axis=1) > OUTSIDE * np.linalg.norm(centred, axis=1)
        return result


def check_confidence(confidence: Any) -> float:
    """Return a confidence strictly between 0 and 1.

    Raises
    ------
    ValueError
        If it is not.
    """
    value = float(confidence)
    if not 0 < value < 1 or math.isnan(value):
        raise ValueError(
            f"confidence must be a number between 0 and 1, such as 0.95. Got {confidence!r} instead."
        )
    return value
