"""Fits to rows that are elsewhere: by passes, or of a small table as in memory."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from robustreg._lazy import is_rows, refuse_lazy, width
from robustreg._threads import blas_aside
from robustreg.device_rows import DeviceRows, refuse_device
from robustreg.estimators._answers import known_columns
from robustreg.estimators._base import LinearModel, Prepared
from robustreg.estimators._callbacks import Progress
from robustreg.estimators._hints import missing
from robustreg.estimators._labels import plain_labels
from robustreg.estimators._tables import refuse_columns
from robustreg.estimators._validation import FLOATS
from robustreg.penalties import Penalty
from robustreg.remote import Misled
from robustreg.solvers import MAX_DENSE
from robustreg.tables import Table, open_here, open_table

#: columns at which rows that are elsewhere are too many to be fetched for absolute errors and hinges: 16 MiB
#: hold 6,900 rows of 300
MANY = 300
#: samples from which a file that is mapped into memory is fitted by passes alone. Machine: in memory a fit
#: holds 5 to 14 numbers a sample, 20 to 56 MiB of so many; passes take as long there and hold none
MAPPED = 500_000
#: attributes that say something of each row
OF_ROWS = ("outliers_", "weights_", "support_")


def n_columns(X: Any) -> int:
    """Return the number of columns of a collection, 0 where it is none of two dimensions."""
    return width(X) if len(getattr(X, "shape", ())) == 2 else 0


def too_many(n_features: int) -> str:
    """Return why so many columns are refused."""
    return f"whose loss is not smooth: it serves {MANY} columns at most, not {n_features}"


def unserved(penalty: Penalty, n_features: int) -> str:
    """Return why a penalty keeps a fit from passes, and what to do; nothing where it does not."""
    if not penalty.convex:
        return "with a penalty that is not convex; pass l1_ratio or alpha alone"
    if penalty.joins_outputs:
        return "with a penalty of groups; pass l1_ratio or alpha alone"
    if penalty.by_column and n_features > MAX_DENSE:
        return (
            f"with a penalty of single coefficients: it serves {MAX_DENSE} columns at most, not {n_features}; pass "
            "alpha alone"
        )
    return ""


def opened(X: Any, y: Any, sample_weight: Any, read: Any = None) -> Table:
    """Return collections of Dask, a file mapped into memory, an array on a device, or rows, as a table."""
    if isinstance(X, np.memmap):
        return open_here(X, np.asanyarray(plain_labels(y)), sample_weight, read)
    if isinstance(X, DeviceRows):
        y = np.asarray(plain_labels(y))
        if isinstance(sample_weight, Real):
            sample_weight = np.full(len(X), float(sample_weight))
        check_consistent_length(X, y, sample_weight)
        return open_here(X, y, sample_weight, read)
    if not is_rows(X):
        return open_table(X, y, sample_weight, refuse_columns, read)
    if y is not None or sample_weight is not None:
        raise ValueError("Rows hold their y and sample_weight: pass them alone.")
    table: Table = X._open_as(read)
    return table


class RemoteFit(LinearModel):
    """A linear model that may be fitted to rows that are elsewhere."""

    _serves_devices = True
    #: reads a partition of y; None where it is one number a row
    _read_remote: Any = None

    def _why_not(self, n_features: int) -> str:
        """Return why so many columns that are elsewhere cannot be fitted, and what to do; nothing if they can."""
        raise NotImplementedError

    def _is_mapped(self, X: Any, y: Any, sample_weight: Any) -> bool:
        if not (
            isinstance(X, np.memmap) and X.ndim == 2 and len(X) >= MAPPED and X.dtype in FLOATS
        ):
            return False
        if not X.shape[1]:
            return False
        target = np.asarray(y)
        if len(X) != len(np.atleast_1d(target)) or self._is_several(target):
            return False
        if type(self)._read_remote is None and target.dtype.kind not in "biuf":
            return False
        if sample_weight is not None:
            weight = np.asarray(sample_weight)
            # the rows of positive weight alone would be a copy of X
            if (
                weight.shape != (len(X),)
                or weight.dtype.kind not in "biuf"
                or not np.all(weight > 0)
            ):
                return False
        self._check_parameters()
        return not self._why_not(X.shape[1])

    def _encoded(self, table: Table) -> Table:
        """Return the rows with targets as solvers read them."""
        return table

    def _prepare_remote(self, table: Table) -> Prepared:
        """Choose coordinates."""
        raise NotImplementedError

    def _finish_remote(self) -> None:
        """Set what else follows from the fit."""

    def _describe_parts(self, table: Any) -> None:
        """Set what is said of each sample, where the parts are in this process."""

    def _fit_lazy(self, X: Any, y: Any, sample_weight: Any) -> Self:
        self._check_parameters()
        if reason := self._why_not(n_columns(X)):
            who = f"{type(self).__name__} ({reason})"
            refuse_lazy(who, X=X)
            refuse_device(who, X)
        known_columns(self, X, reset=True)
        read = type(self)._read_remote
        table = opened(X, y, sample_weight, read)
        self._fit_table(table, X, y, sample_weight)
        self._remote = not isinstance(X, np.memmap)
        if not self._remote:
            self._describe_parts(table)
        return self

    def _fit_table(self, table: Table, X: Any, y: Any, sample_weight: Any) -> Self:
        """Fit a table; the others are what callbacks hear of."""
        with np.errstate(all="ignore"), blas_aside():
            prepared = self._prepare_remote(self._encoded(table))
            data: Any = prepared.data
            # one pass, and the rest as in memory
            here = None if data.here else data.gathered()
            prepared = prepared if here is None else prepared._replace(data=here)
            progress = Progress(self, X, y, sample_weight, lambda x: self._fitted(prepared, x))
            try:
                found = self._solve_from(self._start(prepared), prepared, progress)
            except Misled as misled:
                prepared = prepared._replace(data=misled.data, rank=misled.rank)
                found = self._solve_from(self._start(prepared), prepared, progress)
            self._store(found, prepared)
            self._finish_remote()
        self._remote = True
        progress.end()
        if not progress.stopped:
            self._warn(found)
        return self

    def __getattr__(self, name: str) -> Any:
        had = name in OF_ROWS and f"    {name} : " in (type(self).__doc__ or "")
        if had and self.__dict__.get("_remote"):
            raise AttributeError(
                f"{type(self).__name__} was fitted to rows that are not in this process and has no "
                f"{name!r}. Use model.outliers(X, y), which answers in the kind of X."
            )
        raise missing(self, name)
