"""Folds that share out the outliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from robustreg._array import Array, is_sparse
from robustreg.estimators import HuberRegressor
from robustreg.estimators._tables import table_columns
from robustreg.estimators._validation import check_integer
from robustreg.scales import weighted_median


class RobustKFold(BaseCrossValidator):
    """K folds with equal numbers of outliers of a robust fit.

    With ordinary folds, one fold may contain most outliers and another none, so that the scores
    differ between folds. Here the outliers of ``HuberRegressor()`` are distributed first, in the
    order of their residuals, then the other samples.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to distribute at random.
    random_state : int, RandomState or None, default=None
        Seed of the shuffle.

    References
    ----------
    Ronchetti, E., Field, C. and Blanchard, W. (1997). Robust linear model selection by
    cross-validation. Journal of the American Statistical Association 92, 1017-1023.

    Examples
    --------
    >>> from robustreg.datasets import load_phones
    >>> from robustreg.model_selection import RobustKFold
    >>> phones = load_phones()
    >>> for _, test in RobustKFold(n_splits=3).split(phones[["year"]], phones["calls"]):
    ...     print(phones["year"].iloc[test].tolist())
    [52, 55, 58, 61, 66, 69, 70, 71]
    [50, 53, 56, 59, 62, 64, 67, 72]
    [51, 54, 57, 60, 63, 65, 68, 73]
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Not used.

        Returns
        -------
        int
            The number of folds.
        """
        check_integer(self, "n_splits", 2)
        return int(self.n_splits)

    def _iter_test_indices(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Array]:
        check_integer(self, "n_splits", 2)
        if y is None:
            raise ValueError("RobustKFold needs y: it flags outliers by a first fit.")
        target = np.asarray(y, dtype=float)
        n = len(target)
        if n < self.n_splits:
            raise ValueError(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of "
                f"samples: n_samples={n}."
            )
        residual, flagged = _first_fit(X, target)
        random = check_random_state(self.random_state) if self.shuffle else None
        rest = np.flatnonzero(~flagged)
        out = np.flatnonzero(flagged)
        out = out[np.argsort(residual[out], kind="stable")]
        dealt = np.concatenate([out, rest if random is None else random.permutation(rest)])
        fold = np.empty(n, dtype=int)
        for start in range(0, n, self.n_splits):
            round_ = dealt[start : start + self.n_splits]
            order = (
                np.arange(self.n_splits) if random is None else random.permutation(self.n_splits)
            )
            fold[round_] = order[: len(round_)]
        for k in range(self.n_splits):
            yield np.flatnonzero(fold == k)


def _first_fit(X: Any, y: Array) -> tuple[Array, Array]:
    """Residuals of a robust fit on what is numeric in X, and which rows it flags."""
    numbers = X if is_sparse(X) else _numbers(X, len(y))
    model = HuberRegressor(tol=1e-4).fit(numbers, y)
    return y - model.predict(numbers), model.outliers_


def _numbers(X: Any, n: int) -> Array:
    """Return the numeric columns, their gaps filled; what is text will be encoded later."""
    found = [np.zeros(n)]
    for _, column in table_columns(X) or enumerate(np.asarray(X).T):
        try:
            values = np.asarray(column, dtype=float)
        except (TypeError, ValueError):
            continue
        known = np.isfinite(values)
        if known.any():
            found.append(np.where(known, values, weighted_median(values[known])))
    return np.column_stack(found)
