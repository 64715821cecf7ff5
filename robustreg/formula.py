"""Models by formulas such as ``y ~ a + C(g) + a:b``, by formulaic, which is imported when one is used."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

__all__ = ["FormulaFeatures", "fit"]

INTERCEPT = "Intercept"


def _formulaic() -> Any:
    try:
        import formulaic
    except ImportError as error:
        raise ImportError("Formulas need formulaic: pip install 'robustreg[formula]'.") from error
    return formulaic


def _parsed(formula: Any) -> Any:
    """Return a formula with two sides.

    Raises
    ------
    ValueError
        If it is no formula, or has no or several targets.
    """
    formulaic = _formulaic()
    if not isinstance(formula, str):
        raise ValueError(f"formula must be a string such as 'y ~ a + b'. Got {formula!r} instead.")  # noqa: TRY004
    try:
        found = formulaic.Formula(formula)
    except formulaic.errors.FormulaicError as error:
        reason = str(error).partition("\n")[0]  # then comes the formula, in colours of a terminal
        raise ValueError(
            f"{formula!r} is not a formula: {reason} A name with spaces or signs stands in backticks: `a (m)`."
        ) from error
    if not hasattr(found, "lhs") or not hasattr(found, "rhs") or len(list(found.lhs)) != 1:
        raise ValueError(
            f"{formula!r} must name one target and the features, as 'target ~ a + b' does."
        )
    return found


def _matrix(spec: Any, data: Any, formula: str) -> Any:
    """Return the columns of one side of a formula, with errors that name the column.

    Raises
    ------
    ValueError
        For unknown columns, missing values and levels that the fit has not seen.
    """
    errors = _formulaic().errors
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.DataMismatchWarning)
        try:
            return spec.get_model_matrix(data, context={}, na_action="raise")
        except errors.DataMismatchWarning as warning:
            raise ValueError(
                f"A categorical column of {formula!r} has a level that the fit has not seen: "
                f"{_unseen(spec, data) or warning}. Leave those rows out, or fit with them."
            ) from warning
        except errors.FormulaicError as error:
            raise ValueError(f"{formula!r} cannot be evaluated: {error}") from error
        except ValueError as error:
            if "null values" not in str(error):
                raise
            missing = [name for name in _columns(spec, data) if pd.isna(data[name]).any()]
            where = ", ".join(map(repr, missing)) or str(error)
            raise ValueError(
                f"Missing values in {where}, which {formula!r} uses: drop those rows or impute them."
            ) from error


def _columns(spec: Any, data: Any) -> list[str]:
    """Columns of the data that one side of a formula uses."""
    return [str(name) for name in sorted(map(str, spec.required_variables)) if name in data.columns]


def _unseen(spec: Any, data: Any) -> str:
    """Name columns with their levels that are new."""
    found = []
    for factor, (_, state) in getattr(spec, "encoder_state", {}).items():
        known = state.get("categories") if isinstance(state, dict) else None
        for name in _columns(spec, data):
            if known is None or name not in factor:
                continue
            new = [level for level in pd.unique(data[name]) if level not in known]
            if new:
                found.append(f"{name} = {', '.join(map(repr, new[:5]))}")
    return "; ".join(found)


class FormulaFeatures(BaseEstimator):
    """The features of a formula, as a transformer of data frames.

    Levels of categories, knots of splines and the like are those of the frame it is fitted to. The
    column of ones is left to the model's own intercept.

    Parameters
    ----------
    formula : str
        Such as ``"y ~ a + C(g) + a:b"``, in the grammar of formulaic.

    Attributes
    ----------
    spec_ : formulaic.ModelSpec
        How the features are made.
    n_features_out_ : int
        Number of features.

    Examples
    --------
    >>> import pandas as pd
    >>> from robustreg.formula import FormulaFeatures
    >>> data = pd.DataFrame({"y": [1.0, 2.0, 4.0], "a": [0.0, 1.0, 2.0], "g": ["u", "v", "u"]})
    >>> FormulaFeatures("y ~ a + C(g)").fit(data).get_feature_names_out().tolist()
    ['a', 'C(g)[T.v]']
    """

    spec_: Any
    n_features_out_: int

    def __init__(self, formula: str) -> None:
        self.formula = formula

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn levels and the like.

        Parameters
        ----------
        X : DataFrame
            With the columns that the formula names.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If the formula cannot be evaluated on X, or values are missing.
        """
        self.spec_ = _matrix(_parsed(self.formula).rhs, _frame(X), self.formula).model_spec
        self.n_features_out_ = len(self._names)
        return self

    @property
    def _names(self) -> list[str]:
        return [str(name) for name in self.spec_.column_names if name != INTERCEPT]

    @property
    def has_intercept(self) -> bool:
        """Whether the formula has an intercept."""
        check_is_fitted(self, "spec_")
        return INTERCEPT in self.spec_.column_names

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the features of new rows.

        Parameters
        ----------
        X : DataFrame
            With the columns on the right of the formula.

        Returns
        -------
        features : pandas.DataFrame
            Numbers.

        Raises
        ------
        ValueError
            If a level was not seen in fit, or values are missing.
        """
        check_is_fitted(self, "spec_")
        matrix = _matrix(self.spec_, _frame(X), self.formula)
        return pd.DataFrame(matrix)[self._names].astype(float)

    def fit_transform(self, X: Any, y: Any = None) -> pd.DataFrame:
        """Learn levels and the like, and return the features.

        Parameters
        ----------
        X : DataFrame
            With the columns that the formula names.
        y : None
            Ignored.

        Returns
        -------
        features : pandas.DataFrame
            Numbers.
        """
        return self.fit(X).transform(X)

    def target(self, X: Any) -> pd.Series:
        """Return the target, as the left of the formula has it.

        Parameters
        ----------
        X : DataFrame
            With the columns on the left of the formula.

        Returns
        -------
        y : pandas.Series
            Such as the logarithm of a column.

        Raises
        ------
        ValueError
            If values are missing.
        """
        side = _parsed(self.formula).lhs
        name = str(next(iter(side)))
        frame = _frame(X)
        if name in frame.columns and not pd.api.types.is_numeric_dtype(frame[name]):
            if pd.isna(frame[name]).any():
                raise ValueError(f"Missing values in {name!r}: drop those rows.")
            return pd.Series(frame[name])  # labels of classes
        matrix = pd.DataFrame(_matrix(side, frame, self.formula))
        kept = matrix[[column for column in matrix.columns if column != INTERCEPT]]
        return kept.iloc[:, 0]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : array of str
            Such as ``C(g)[T.v]``.
        """
        check_is_fitted(self, "spec_")
        return np.array(self._names, dtype=object)


def _frame(X: Any) -> Any:
    """Return a pandas frame.

    Raises
    ------
    TypeError
        If X has no columns with names.
    """
    if hasattr(X, "to_pandas") and not isinstance(X, pd.DataFrame):
        X = X.to_pandas()
    if not isinstance(X, pd.DataFrame):
        raise TypeError(f"A formula needs a data frame with named columns. Got {type(X).__name__}.")
    return X


def fit(estimator: Any, formula: str, data: Any, *, sample_weight: Any = None) -> Pipeline:
    """Fit a model that a formula describes.

    Parameters
    ----------
    estimator : estimator
        An unfitted model of this package; it is cloned. Its intercept is that of the formula, which has
        one unless it says ``- 1`` or ``0 +``.
    formula : str
        Target and features, such as ``"log(y) ~ a + C(g) + a:b"``, in the grammar of formulaic.
    data : DataFrame
        With the columns that the formula names, without missing values.
    sample_weight : str or array-like of shape (n_samples,), optional
        Weights, as numbers of repetitions, or the column that holds them.

    Returns
    -------
    model : sklearn.pipeline.Pipeline
        Fitted, of the steps "formula" and "model": it predicts from data frames, and
        ``summarize(model, data, model["formula"].target(data))`` has the names of the formula.

    Raises
    ------
    ValueError
        If the formula cannot be evaluated, or values are missing.
    ImportError
        If formulaic is not installed.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.formula import fit
    >>> data = load_stackloss()
    >>> model = fit(HuberRegressor(alpha=0.0), "stack_loss ~ air_flow + log(water_temp)", data)
    >>> model["formula"].get_feature_names_out().tolist()
    ['air_flow', 'log(water_temp)']
    >>> model.predict(data.head(2)).shape
    (2,)
    """
    frame = _frame(data)
    features = FormulaFeatures(formula).fit(frame)
    model = clone(estimator).set_params(fit_intercept=features.has_intercept)
    if isinstance(sample_weight, str):
        if sample_weight not in frame.columns:
            raise ValueError(f"sample_weight={sample_weight!r} is no column of data.")
        sample_weight = frame[sample_weight].to_numpy()
    model.fit(features.transform(frame), features.target(frame), sample_weight=sample_weight)
    return Pipeline([("formula", features), ("model", model)])
