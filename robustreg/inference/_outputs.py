"""Summaries of several outputs, each of which was fitted as if it were alone."""

from __future__ import annotations

import html as markup
from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import pandas as pd

from robustreg._array import Array
from robustreg.estimators._outputs import shape_of
from robustreg.estimators._tables import table_columns
from robustreg.inference._fit import FinalStep
from robustreg.inference._summary import Summary
from robustreg.inference._summary_table import SummaryTable
from robustreg.inference._wald import TestResult, hypotheses

#: what each output has of its own
VALUES = ("scale", "r2", "adjusted_r2", "n_outliers", "covariance_type", "df")


class OutputsSummary(SummaryTable):
    """Standard errors, tests and intervals of several outputs. Made by :func:`summarize`.

    Each output is summarised as the single fit that it is. How the coefficients of two outputs vary together is not
    estimated.

    Parameters
    ----------
    outputs : dict of str to Summary
        The summary of each output.

    Attributes
    ----------
    outputs : dict of str to Summary
        The summary of each output: by the name of its column of y, "y0", "y1" and so on where these have no
        names, or its quantile, such as "quantile 0.9".
    table, covariance : pandas.DataFrame
        As those of :class:`Summary`, below the names of the outputs; the covariance of two outputs is NaN.
    scale, r2, adjusted_r2, n_outliers, covariance_type, df : pandas.Series of shape (n_outputs,)
        As those of :class:`Summary`, of each output.
    confidence, n_samples, n_groups : float, float and int or None
        As those of :class:`Summary`.
    notes : tuple of str
        What else there is to know, each with the name of its output.

    Examples
    --------
    >>> from sklearn.datasets import load_linnerud
    >>> from robustreg import HuberRegressor
    >>> from robustreg.inference import summarize
    >>> X, Y = load_linnerud(return_X_y=True, as_frame=True)
    >>> summary = summarize(HuberRegressor().fit(X, Y), X, Y)
    >>> summary.table.loc["Waist", ["coef", "std_error", "p_value"]].round(3)
                 coef  std_error  p_value
    intercept  39.576      1.043    0.000
    Chins      -0.104      0.108    0.352
    Situps     -0.034      0.011    0.006
    Jumps       0.021      0.011    0.065
    >>> print(summary.outputs["Waist"].test(["Chins", "Jumps"]))
    Wald test: F(2, 16) = 2.327, p = 0.1297
    """

    def __init__(self, outputs: Mapping[Any, Summary]) -> None:
        self.outputs: dict[Any, Summary] = dict(outputs)
        names, each = list(self.outputs), list(self.outputs.values())
        self.table = pd.concat([one.table for one in each], keys=names)
        self.covariance = pd.DataFrame(np.nan, index=self.table.index, columns=self.table.index)
        for name, one in self.outputs.items():
            self.covariance.loc[name, name] = one.covariance.to_numpy()
        self.scale, self.r2, self.adjusted_r2, self.n_outliers, self.covariance_type, self.df = (
            _series({name: getattr(one, value) for name, one in self.outputs.items()}, value)
            for value in VALUES
        )
        self.confidence, self.n_samples, self.n_groups = (
            each[0].confidence, each[0].n_samples, each[0].n_groups,
        )  # fmt: skip
        self.notes = tuple(
            f"{name}: {note}" for name, one in self.outputs.items() for note in one.notes
        )

    def __str__(self) -> str:
        heads = [f"Output {name}" for name in self.outputs]
        texts = zip(heads, self.outputs.values(), strict=True)
        return "\n\n\n".join(f"{head}\n{'=' * len(head)}\n{one}" for head, one in texts)

    def _repr_html_(self) -> str:
        return "".join(
            f"<h4>Output {markup.escape(str(name))}</h4>{one._repr_html_()}"
            for name, one in self.outputs.items()
        )

    def test(self, what: Any, values: Any = 0.0) -> TestResult:
        """Wald test of linear hypotheses on the coefficients of one output.

        Parameters
        ----------
        what : tuple of str, list of tuples, or matrix of shape (n_hypotheses, n_coefficients)
            As that of :meth:`Summary.test`; names are pairs, of an output and a feature.
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
            If the hypotheses are about several outputs, or as :meth:`Summary.test`.
        """
        rows, targets = hypotheses(what, values, self.table.index)
        output = self.table.index.get_level_values(0)
        involved = output[np.any(rows != 0, axis=0)].unique()
        if len(involved) != 1:
            raise ValueError(
                f"The hypotheses are about {len(involved)} outputs, and how the coefficients of several vary "
                "together is not known, because each is fitted alone: test one output."
            )
        one: Summary = self.outputs[involved[0]]
        return one.test(rows[:, output == involved[0]], targets)

    def compare(self, smaller: SummaryTable) -> TestResult:
        """Refuse to compare: a test is of one output.

        Parameters
        ----------
        smaller : Summary
            Of a smaller model.

        Raises
        ------
        ValueError
            That says how to compare the models of one output.
        """
        first = next(iter(self.outputs))
        raise ValueError(
            "compare tests one output: compare the summaries of each, such as "
            f"summary.outputs[{first!r}].compare(smaller.outputs[{first!r}])."
        )

    def predict(
        self, X: Any, interval: str = "confidence", confidence: float | None = None
    ) -> pd.DataFrame:
        """Predict each output with intervals.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict, as the estimator takes them.
        interval : {"confidence", "prediction"}, default="confidence"
            As that of :meth:`Summary.predict`.
        confidence : float, default=None
            Confidence of the intervals; that of the summary by default.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, 3 * n_outputs)
            Columns ``prediction, lower, upper``, below the names of the outputs. Those of several quantiles are not
            sorted.

        Raises
        ------
        ValueError
            As :meth:`Summary.predict`.
        """
        found = {name: one.predict(X, interval, confidence) for name, one in self.outputs.items()}
        frame: pd.DataFrame = pd.concat(found, axis=1)
        return frame


def _series(values: dict[Any, Any], name: str) -> Any:
    """Values of the outputs."""
    return pd.Series(values, name=name)


def outputs_of(final: FinalStep, X: Any, y: Any) -> dict[str, Array]:
    """Return the targets of the outputs of a model, by their names, from rows as it sees them.

    Raises
    ------
    ValueError
        If y has other columns than the model has outputs.
    """
    model = copy(final.model)  # reading stores names
    k = len(model.coef_)
    own = model._settings(k)
    if not any(own) and shape_of(y)[1:] != (k,):
        raise ValueError(
            f"y must have a column for each of the {k} outputs that the model was fitted to. Got shape {shape_of(y)}."
        )
    _, targets = model._read_several(X, y)
    names = [str(name) for name, _ in table_columns(y)]
    if any(own):
        names = [
            " ".join(f"{key} {value:g}" for key, value in settings.items()) for settings in own
        ]
    if len(set(names)) != k:
        names = [f"y{j}" for j in range(k)]
    return dict(zip(names, targets.T, strict=True))
