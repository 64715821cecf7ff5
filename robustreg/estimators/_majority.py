"""A fit to the majority of the rows: what S-, MM- and LTS-estimators share."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from robustreg._array import Array
from robustreg.estimators._base import Prepared
from robustreg.estimators._outliers import outlying
from robustreg.estimators._outputs import shape_of
from robustreg.estimators._remote import RemoteMixin
from robustreg.estimators._validation import (
    check_bool,
    check_integer,
    check_size,
    check_weight,
    complain,
    refuse_infinite,
)
from robustreg.penalties import L2, Penalty
from robustreg.preparation import prepare_robust
from robustreg.remote import TableData, whole
from robustreg.remote_majority import prepare_majority
from robustreg.solvers import Control, Plan, Result, Search, interpolation, table_of
from robustreg.tables import Part
from robustreg.tables import Table as Rows


class HighBreakdownRegressor(RemoteMixin):
    """A fit to the majority of the rows, searched from many starts."""

    n_starts: int | str
    random_state: Any
    tol: float = 1e-8
    n_hits_: int
    weights_: Array
    outliers_: Array

    def _check_parameters(self) -> None:
        auto = isinstance(self.n_starts, str) and self.n_starts == "auto"
        if not auto:
            if isinstance(self.n_starts, str):
                raise complain(self, "n_starts", "'auto' or an int in the range [1, inf)")
            check_integer(self, "n_starts", 1)
        check_bool(self, "fit_intercept")
        check_integer(self, "max_iter", 1)

    def _penalty(self, total: float) -> Penalty:
        return L2(0.0)

    def _is_several(self, y: Any) -> bool:
        # without the tag a single column is to be read as a vector, with a warning
        return super()._is_several(y) and shape_of(y)[1] != 1

    def _start(self, prepared: Prepared) -> Array | None:
        return None

    def _prepare(self, X: Any, y: Array, weight: Array | None, mass: float) -> Prepared:
        units = self._units(y, weight, mass)
        data, rank = prepare_robust(
            X, units.inward(y), weight, intercept=self.fit_intercept,
            refuse=partial(refuse_infinite, self),
        )  # fmt: skip
        data.base = abs(units.center) / units.spread
        return Prepared(data, units, rank)

    def _why_not(self, n_features: int) -> str:
        return ""

    def _prepare_remote(self, table: Rows) -> Prepared:
        rows = whole(table)
        if rows is not None:
            check_size(rows.y, self.fit_intercept)
            return self._prepare(rows.X, rows.y, *check_weight(rows.weight, len(rows.y)))
        return super()._prepare_remote(table)

    def _in_coordinates(
        self, table: Rows, sample: Part, units: tuple[float, float, float]
    ) -> tuple[TableData, int]:
        return prepare_majority(table, sample, units, intercept=self.fit_intercept)

    def _plan(self, prepared: Prepared, start: Array | None, control: Control) -> Plan:
        data, units, rank = prepared[:3]
        table, total = table_of(data), data.total * units.mass
        ended = partial(self._advised, y=data.y)
        exact = interpolation(table) if rank < total <= 2 * rank else None
        if exact is not None:
            return Plan(lambda: exact, ended)
        if total <= 2 * rank:
            weighted = data.weight is not None or total != data.n_rows
            raise ValueError(self._too_few(total, rank, weighted))
        random = check_random_state(self.random_state)
        rng = np.random.default_rng(random.randint(np.iinfo(np.int32).max))
        search = Search(self.n_starts, rng)
        return Plan(partial(self._fit_majority, table, prepared, search, control), ended)

    def _advised(self, found: Result, *, y: Array) -> Result:
        """Say so where another minimum is likely to be lower."""
        if found.hits == 1 and not found.exhaustive and found.sigma > 0:
            found.advice = (
                "the best optimum was found from one start only, or by one of two searches, so a better "
                "one probably exists: increase n_starts."
            )
        residual = found.pop("residual")
        if residual is not None:
            found.raw = y - residual
        return found

    def _too_few(self, total: float, rank: int, weighted: bool) -> str:
        rows = f"n_samples = {total:.0f}"
        if weighted:
            rows = f"sample_weight, a number of repetitions of each row, adds up to {total:.6g}"
        return (
            f"{type(self).__name__} needs more than two rows for each parameter: {rows}, and X with its "
            f"intercept has {rank} parameters. Use fewer columns, or L1Regressor or HuberRegressor, which "
            "resist contaminated y but not contaminated X."
        )

    @abstractmethod
    def _fit_majority(
        self, table: Any, prepared: Prepared, search: Search, control: Control
    ) -> Result:
        """Fit; the result is one of `solve_s` or `solve_trimmed`."""

    @abstractmethod
    def _robustness(self, scaled: Array) -> Array:
        """Weights in [0, 1] of residuals in units of the scale."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Several outputs are served. But scikit-learn's check of the tag fits 11 parameters to 11 rows, which
        # no estimator with a breakdown point can.
        tags.target_tags.multi_output = False
        return tags

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        self.n_hits_ = int(found.hits)

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        self.__dict__.update(self._of_rows(X, y, self._residual(X, y, found), self.scale_))

    def _of_rows(self, X: Any, y: Array, residual: Array, scale: Any) -> dict[str, Array]:
        outliers = outlying(residual, scale, y, partial(self._rounding, X, y))
        weights = self._robustness(residual / scale) if scale > 0 else 1.0 - outliers
        return {"outliers_": outliers, "weights_": weights}
