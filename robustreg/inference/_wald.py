"""Wald tests of linear hypotheses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2
from scipy.stats import f as fisher

from robustreg._array import Array

#: eigenvalues of the covariance of a hypothesis below this share of the largest are zero
SINGULAR = 1e-12


@dataclass(frozen=True)
class TestResult:
    """Outcome of a test.

    Parameters
    ----------
    statistic : float
        F statistic; chi-squared where ``df_denominator`` is infinite.
    df_numerator : int
        Number of hypotheses.
    df_denominator : float
        Degrees of freedom of the denominator.
    p_value : float
        Probability of a statistic at least as large if the hypotheses hold.
    kind : str
        What was tested and how.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.inference import summarize
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> model = HuberRegressor(scale="mad", alpha=0.0).fit(X, y)
    >>> print(summarize(model, X, y).test("acid_conc"))
    Wald test: F(1, 17) = 0.9845, p = 0.335
    """

    __test__ = False  # no test case of pytest

    statistic: float
    df_numerator: int
    df_denominator: float
    p_value: float
    kind: str = "Wald test"

    def __str__(self) -> str:
        name, below = ("chi2", "") if math.isinf(self.df_denominator) else ("F", ", ")
        if below:
            below += f"{self.df_denominator:g}"
        return (
            f"{self.kind}: {name}({self.df_numerator}{below}) = {self.statistic:.4g}, "
            f"p = {self.p_value:.4g}"
        )


def hypotheses(what: Any, values: Any, index: pd.Index) -> tuple[Array, Array]:
    """Return the matrix and the values of what is to be tested.

    Raises
    ------
    ValueError, KeyError
        If a name is unknown, or a matrix has not one column for each coefficient.
    """
    if isinstance(what, tuple) and len(what) == 2 and np.ndim(what[0]) == 2:
        what, values = what
    if isinstance(what, pd.DataFrame):
        unknown = [name for name in what.columns if name not in index]
        if unknown:
            raise KeyError(f"No coefficient is named {unknown[0]!r}. There are {list(index)}.")
        what = what.reindex(columns=index, fill_value=0.0)
    several = isinstance(index, pd.MultiIndex)
    single = isinstance(what, str) or (several and isinstance(what, tuple) and what in index)
    if single or _is_names(what, tuple if several else str):
        names = [what] if single else list(what)
        rows = np.zeros((len(names), len(index)))
        for row, name in zip(rows, names, strict=True):
            if name not in index:
                raise KeyError(f"No coefficient is named {name!r}. There are {list(index)}.")
            at = index.get_loc(name)
            if not isinstance(at, int | np.integer):
                raise KeyError(f"{name!r} names several coefficients: give the whole name of one.")
            row[at] = 1.0
    else:
        rows = np.atleast_2d(np.asarray(what, dtype=float))
    if rows.shape[1] != len(index) or not np.isfinite(rows).all():
        raise ValueError(
            f"A matrix of hypotheses needs {len(index)} finite columns, one for each coefficient. Got "
            f"shape {rows.shape}."
        )
    targets = np.broadcast_to(np.asarray(values, dtype=float), (len(rows),))
    return rows, targets


def _is_names(what: Any, kind: type) -> bool:
    """Whether all of a list are names."""
    listed = isinstance(what, Sequence | pd.Index) and len(what) > 0
    return listed and all(isinstance(name, kind | str) for name in what)


def wald(
    rows: Array, targets: Array, values: Array, size: Array, core: Array, df: float
) -> TestResult:
    """Test that ``rows @ values`` are the targets.

    Parameters
    ----------
    rows, targets : arrays of shape (h, k) and (h,)
        The hypotheses.
    values : array of shape (k,)
        The estimates.
    size, core : arrays of shape (k,) and (k, k)
        Their covariance is ``diag(size) core diag(size)``.
    df : float
        Degrees of freedom; infinity for a chi-squared test.

    Raises
    ------
    ValueError
        If a hypothesis is of coefficients that have no variance.
    """
    involved = np.any(rows != 0, axis=0)
    if not np.isfinite(core[np.ix_(involved, involved)]).all():
        raise ValueError("A hypothesis names a coefficient whose standard error is not known.")
    miss = rows[:, involved] @ values[involved] - targets
    scaled = rows[:, involved] * size[involved]
    spread = scaled @ core[np.ix_(involved, involved)] @ scaled.T
    unit = np.sqrt(np.diag(spread))
    if not (unit > 0).all():
        raise ValueError("A hypothesis is of a combination that does not vary.")
    eigenvalues, vectors = np.linalg.eigh(spread / np.outer(unit, unit))
    kept = eigenvalues > SINGULAR * eigenvalues[-1]
    along = vectors.T @ (miss / unit)
    if np.any(np.abs(along[~kept]) > 1e-6 * max(np.abs(along).max(), 1.0)):
        raise ValueError("The hypotheses contradict each other.")
    q = int(kept.sum())
    square = float((along[kept] ** 2 / eigenvalues[kept]).sum())
    if math.isinf(df):
        return TestResult(square, q, df, float(chi2.sf(square, q)))
    return TestResult(square / q, q, df, float(fisher.sf(square / q, q, df)))
