"""Regression that withstands contaminated rows of X as well as of y: S, MM and LTS."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np

from robustreg._array import Array
from robustreg.estimators._base import LinearModel, Prepared
from robustreg.estimators._estimate import Estimate
from robustreg.estimators._majority import HighBreakdownRegressor
from robustreg.estimators._named_loss import NamedLoss
from robustreg.estimators._validation import (
    check_bool,
    check_option,
    check_real,
    complain,
)
from robustreg.estimators.regression import L2Regressor
from robustreg.losses import ResidualLoss, Squared
from robustreg.losses._normal import (
    design_adaptive,
    normal_efficiency,
    with_breakdown,
    with_efficiency,
)
from robustreg.penalties import L2
from robustreg.solvers import (
    Concentration,
    ConcentrationByPasses,
    Control,
    Result,
    Search,
    descent_of,
    finite_sample,
    solve_s,
    solve_trimmed,
    trimmed_consistency,
)

#: standardised residuals beyond this are left out of the least-squares fit after LTS: 97.5 % of the normal
#: distribution are within, the square root of the chi-squared quantile
REWEIGHTED = 2.241402727604947
#: Design-adaptive scales below this share of the S-scale are none. Of few rows they are up to 1.3 times as large
#: (Koller and Stahel, 2011); only where many residuals are zero or next to it does their equation lead to zero.
COLLAPSED = 0.5
#: one row in a billion: thresholds grow without bound where the breakdown point goes to zero
LEAST_BREAKDOWN = 1e-9
NO_DESIGN_SCALE = (
    "there is no design-adaptive scale near the S-scale, as where many residuals are zero or there are few rows for "
    "each parameter: scale_ is that of the S-estimate. Use method='mm'."
)


def _bounded(loss: Any) -> bool:
    return isinstance(loss, ResidualLoss) and math.isfinite(loss.bound)


class BoundedRegressor(NamedLoss, HighBreakdownRegressor):
    """One with a bounded loss and a breakdown point."""

    loss: str | ResidualLoss
    breakdown_point: float

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "tol", 0.0, closed="neither")
        check_real(self, "breakdown_point", 0.0, 0.5, closed="right")
        self._check_loss(_bounded, "a residual loss with a bounded rho")

    def _shape(self) -> ResidualLoss:
        """Return the loss at any scale: its constants are computed."""
        return cast(ResidualLoss, self._named_loss())

    def _withstanding(self) -> ResidualLoss:
        """Return the loss of the M-scale, in units of it."""
        if self.breakdown_point < LEAST_BREAKDOWN:
            raise complain(
                self, "breakdown_point", f"a float in the range [{LEAST_BREAKDOWN:g}, 0.5]"
            )
        return with_breakdown(self._shape(), float(self.breakdown_point))

    def _start_estimate(self, y: Array) -> Estimate:
        """Return what the S-estimate minimised, at the scale of this fit."""
        loss = self._withstanding().rescaled(self.scale_)
        return Estimate(loss, L2(0.0), y, scale=self.scale_)

    def _fit_s(self, table: Any, prepared: Prepared, search: Search, control: Control) -> Result:
        share, rank = float(self.breakdown_point), prepared.rank / prepared.units.mass
        return solve_s(descent_of(table, self._withstanding(), control, share, rank), search)


class SRegressor(BoundedRegressor):
    r"""Linear regression with the smallest robust scale of the residuals (S-estimator).

    Minimises over the coefficients the M-scale :math:`\sigma` of the residuals, which solves

    .. math:: \sum_i w_i \rho(r_i / \sigma) = b \, \Big(\sum_i w_i - p\Big)

    with a bounded :math:`\rho` scaled to maximum 1, p the rank of [1, X] and b the breakdown point. The
    threshold of the loss is the one at which b is also the mean of :math:`\rho` at the normal
    distribution, so that the scale is consistent there. Up to a share b of the rows, contaminated in y, in
    X or in both, cannot move the fit arbitrarily far. The price is efficiency: 28.7 % of that of least squares at the
    normal distribution with Tukey's loss and a breakdown point of one half. `MMRegressor` starts from this
    fit and keeps its breakdown point at the efficiency asked for.

    The criterion has many local minima. There are two kinds of starts: exact fits to random nonsingular
    subsets of p rows (all subsets, if there are at most 50,000), and least-squares fits to the central half
    of the rows by robust covariances. All starts are improved, and the best ones followed to a stationary
    point. Then the search continues from the rows that the best optimum rejects, and from planes near it
    that pass through one of them, until it finds nothing better. At last the best optima are led through criteria
    that leave out more rows, and back.

    ``n_starts="auto"`` stands for 500 random starts, for up to 5,000 with 7 to 12 parameters, for 1,000 with
    13 to 29 (up to 5,000 if there are fewer than 250 rows, which takes up to three times as long), and for 100
    with 30 or more. If half of the rows are contaminated, all subsets contain a contaminated row in one
    search of a thousand (up to 9 parameters; more often beyond). With more than some thousand rows a sample
    of them is searched, in rounds (of 250 random starts with 13 to 29 parameters), until ten starts ended at
    the best optimum, and for five rounds at most.

    Parameters
    ----------
    loss : str or ResidualLoss, default="tukey"
        A loss with a bounded rho, by its name in ``robustreg.losses.LOSSES`` or an instance, of which only the
        shape matters, not the size of its thresholds.
    breakdown_point : float in (0, 0.5], default=0.5
        Share of contaminated samples that the fit tolerates.
    n_starts : int or "auto", default="auto"
        Random starts, besides the six deterministic ones.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=500
        Maximum number of iterations of the last refinement.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    random_state : int, RandomState or None, default=0
        Seeds the random starts: the same number gives the same bits.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        The M-scale of the residuals, in the units of y. 0.0 where more rows than the breakdown point leaves
        lie exactly on a hyperplane, which is then the fit.
    weights_ : array of shape (n_samples,) or (n_samples, n_outputs)
        Robustness weights psi(u) / u in [0, 1] of the residuals in units of the scale; at scale 0 one on the
        hyperplane and zero off it.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True where the residual exceeds 2.5758 scales, as 1 % of normal ones do; at scale 0 off the
        hyperplane.
    n_hits_ : int
        How many of the starts that were followed up ended at the best optimum; 1 where a second
        search, made after few hits, ended at another. After a single hit there is probably a better one, and a
        ConvergenceWarning says so.
    n_iter_ : int
        Iterations of the last refinement.
    optimality_ : float
        Largest entry of the gradient per unit of weight, in units of median deviations of the columns. It
        certifies a stationary point; another one may be lower.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Rousseeuw, P. J. and Yohai, V. J. (1984). Robust regression by means of S-estimators. Salibian-Barrera,
    M. and Yohai, V. J. (2006). A fast algorithm for S-regression estimates. Journal of Computational and
    Graphical Statistics 15, 414-427. Koller, M. (2012). Nonsingular subsampling for S-estimators with
    categorical predictors.

    Examples
    --------
    >>> from robustreg import SRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> data = load_stackloss()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = SRegressor().fit(X, y)
    >>> round(model.scale_, 4), X.index[model.outliers_].tolist()
    (1.9123, [0, 2, 3, 20])
    """

    def __init__(
        self,
        *,
        loss: str | ResidualLoss = "tukey",
        breakdown_point: float = 0.5,
        n_starts: int | str = "auto",
        fit_intercept: bool = True,
        max_iter: int = 500,
        tol: float = 1e-8,
        random_state: Any = 0,
    ) -> None:
        self.loss = loss
        self.breakdown_point = breakdown_point
        self.n_starts = n_starts
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _fit_majority(
        self, table: Any, prepared: Prepared, search: Search, control: Control
    ) -> Result:
        return self._fit_s(table, prepared, search, control)

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        return replace(self._start_estimate(y), high_breakdown=True)

    def _robustness(self, scaled: Array) -> Array:
        return self._withstanding().weights(scaled)


class MMRegressor(BoundedRegressor):
    r"""Linear regression with high breakdown point and high efficiency (MM-estimator).

    An S-estimate (`SRegressor`) gives coefficients and a scale. From there the M-estimate at that scale,

    .. math:: \min \sum_i w_i \rho(r_i / \sigma)

    with the same kind of loss at the threshold of the given efficiency, is the local minimum reached by
    descent. It keeps the breakdown point of the S-estimate and has the given efficiency at normal errors. ``method="smdm"`` continues: the scale is estimated again from
    the M-estimate, with residuals corrected for leverage (design-adaptive), and the
    M-estimate is repeated at that scale. Use it with fewer than about twenty samples for each parameter, where
    the S-scale is too small and so efficiency and tests are not nominal; with ``loss="lqq"`` it is what R's
    package robustbase calls KS2014.

    Parameters
    ----------
    loss : str or ResidualLoss, default="tukey"
        A loss with a bounded rho, by its name in ``robustreg.losses.LOSSES`` or an instance, of which only the
        shape matters, not the size of its thresholds.
    efficiency : float, default=0.95
        Asymptotic efficiency at the normal distribution, below 1 and at least that of the S-estimate with this loss at
        breakdown point 0.5 (0.287 for Tukey's). Higher values also mean more bias under contamination.
    breakdown_point : float in (0, 0.5], default=0.5
        Share of contaminated samples that the fit tolerates.
    method : {"mm", "smdm"}, default="mm"
        Whether the scale is that of the S-estimate, or design-adaptive.
    n_starts : int or "auto", default="auto"
        Random starts of the S-estimate, besides the six deterministic ones.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=500
        Maximum number of iterations of the S- and of the M-estimate.
    tol : float, default=1e-8
        Largest `optimality_` that counts as converged.
    random_state : int, RandomState or None, default=0
        Seeds the random starts: the same number gives the same bits.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Scale of the residuals, in the units of y. 0.0 where more rows than the breakdown point leaves lie
        exactly on a hyperplane, which is then the fit.
    weights_ : array of shape (n_samples,) or (n_samples, n_outputs)
        Robustness weights psi(u) / u in [0, 1] of the residuals in units of the scale; at scale 0 one on the
        hyperplane and zero off it.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True where the residual exceeds 2.5758 scales, as 1 % of normal ones do; at scale 0 off the
        hyperplane.
    initial_coef_, initial_intercept_ : array of shape (n_features,), float
        The S-estimate that the scale and the start are from.
    design_coef_, design_intercept_, design_scale_ : array of shape (n_features,), float, float
        With ``method="smdm"`` the M-estimate at the S-scale, and that scale: the leverages of its rows are in
        the design-adaptive scale.
    n_hits_ : int
        How many of the starts that were followed up ended at the S-estimate; 1 where a second
        search, made after few hits, ended at another. After a single hit there is probably a better one, and a
        ConvergenceWarning says so.
    n_iter_ : int
        Iterations of the S- and M-estimates.
    optimality_ : float
        Largest entry of the gradient of the last M-estimate per unit of weight, in units of median
        deviations of the columns. It certifies a stationary point; another one may be lower.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Yohai, V. J. (1987). High breakdown-point and high efficiency robust estimates for regression. Annals of
    Statistics 15, 642-656. Koller, M. and Stahel, W. A. (2011). Sharpening Wald-type inference in robust
    regression for small samples. Computational Statistics and Data Analysis 55, 2504-2515. Koller, M. and
    Stahel, W. A. (2014). Nonsingular subsampling for regression S estimators with categorical predictors.
    Computational Statistics 32, 631-646.

    Examples
    --------
    Ten rows of bad leverage, and four of good leverage that belong to the line:

    >>> from robustreg import MMRegressor
    >>> from robustreg.datasets import load_hbk
    >>> data = load_hbk()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = MMRegressor().fit(X, y)
    >>> X.index[model.outliers_].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> model.weights_[[0, 10, 11]].round(2).tolist()
    [0.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        loss: str | ResidualLoss = "tukey",
        efficiency: float = 0.95,
        breakdown_point: float = 0.5,
        method: str = "mm",
        n_starts: int | str = "auto",
        fit_intercept: bool = True,
        max_iter: int = 500,
        tol: float = 1e-8,
        random_state: Any = 0,
    ) -> None:
        self.loss = loss
        self.efficiency = efficiency
        self.breakdown_point = breakdown_point
        self.method = method
        self.n_starts = n_starts
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_option(self, "method", ("mm", "smdm"))
        check_real(self, "efficiency", 0.0, 1.0, closed="neither")
        least = normal_efficiency(with_breakdown(self._shape(), 0.5))
        if self.efficiency < least:
            wanted = (
                f"a float in the range [{least:.4g}, 1.0), from the efficiency that an S-estimate with this loss "
                "has at breakdown point 0.5"
            )
            raise complain(self, "efficiency", wanted)
        try:
            self._efficient()
        except ValueError as error:
            raise complain(self, "efficiency", str(error)) from None

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        found = Estimate(
            self._efficient().rescaled(self.scale_), L2(0.0), y, scale=self.scale_,
            start=self._start_estimate(y), start_coef=self.initial_coef_,
            start_intercept=self.initial_intercept_, high_breakdown=True,
        )  # fmt: skip
        if self.method != "smdm":
            return found
        scale = self.design_scale_
        design = Estimate(self._efficient().rescaled(scale), L2(0.0), y, scale=scale)
        return replace(
            found, design=design, design_coef=self.design_coef_,
            design_intercept=self.design_intercept_,
        )  # fmt: skip

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        first = self._fitted(prepared, found.get("initial", found.x))
        self.initial_coef_, self.initial_intercept_ = first["coef_"], first["intercept_"]
        if self.method == "smdm":
            design = self._fitted(prepared, found.get("design", found.x))
            self.design_coef_, self.design_intercept_ = design["coef_"], design["intercept_"]
            self.design_scale_ = design["scale_"]

    def _efficient(self) -> ResidualLoss:
        return with_efficiency(self._shape(), float(self.efficiency))

    def _fit_majority(
        self, table: Any, prepared: Prepared, search: Search, control: Control
    ) -> Result:
        first = self._fit_s(table, prepared, search, control)
        loss, found = self._efficient(), first
        if first.sigma > 0 and not control.stopped:
            descent = descent_of(table, loss, control)
            found = descent.run(first.theta, first.sigma, first.residual)
            if self.method == "smdm" and not control.stopped:
                sigma = descent.design_scale(found, design_adaptive(loss), prepared.units.mass)
                if sigma < COLLAPSED * first.sigma:
                    again, again.advice = found, NO_DESIGN_SCALE
                else:
                    again = descent.run(found.theta, sigma, found.residual)
                again.design = found.x
                found = again
        found.hits, found.exhaustive, found.initial = first.hits, first.exhaustive, first.x
        return found

    def _robustness(self, scaled: Array) -> Array:
        return self._efficient().weights(scaled)


class LTSRegressor(HighBreakdownRegressor):
    r"""Linear regression by least trimmed squares, reweighted.

    Minimises the sum of the h smallest squared residuals, so that up to n - h contaminated samples have a
    bounded effect. Then the samples within 2.2414 scales of that fit are fitted once more by least
    squares, which increases the efficiency.

    The search starts as FAST-LTS does: each step fits the h rows with the smallest residuals by least squares, which
    never makes the sum larger. Starts are those of `SRegressor`. With more than 4,000 rows (80 p) a sample is searched,
    for a low M-scale that rejects as many rows, because it varies less between samples than the trimmed sum.

    Such steps alone end at one of many local minima. With more than 800 rows (20 p) the search therefore goes on from
    the best fit: along sums with a wide edge, in which a row counts in part where its residual is near the h-th and
    which have few minima, while the edge becomes narrower; and with less than 4,000 rows from little changes of it. With 800 rows
    or fewer it ends at a fit that no exchange of a row that counts for another one makes better. Different seeds may still end
    at sums some thousandths apart where there are fewer than a hundred rows for each column.

    Parameters
    ----------
    coverage : float in [0.5, 1], default=0.5
        Share of the samples in the trimmed sum. 0.5 means ``h = (n + p + 1) // 2``, of the highest breakdown point, and
        1 means all; between them h is ``2 h0 - n + 2 (n - h0) coverage``, rounded down, with h0 the h at 0.5.
    reweight : bool, default=True
        Whether to refit by least squares on the samples close to the raw fit.
    n_starts : int or "auto", default="auto"
        Random starts, besides the six deterministic ones.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    max_iter : int, default=500
        Maximum number of steps of the last refinement.
    random_state : int, RandomState or None, default=0
        Seeds the random starts: the same number gives the same bits.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : float or array of shape (n_outputs,)
        Intercept.
    scale_ : float or array of shape (n_outputs,)
        Scale of the residuals of the rows of weight one, consistent at the normal distribution and
        corrected for few rows. 0.0 where h rows lie exactly on a hyperplane, which is then the fit.
    weights_ : array of shape (n_samples,) or (n_samples, n_outputs)
        1 where the residual is within 2.2414 scales, otherwise 0; at scale 0 one on the hyperplane.
    outliers_ : array of shape (n_samples,) or (n_samples, n_outputs)
        True where the residual exceeds 2.5758 scales, as 1 % of normal ones do; at scale 0 off the
        hyperplane.
    support_ : array of shape (n_samples,)
        True for the h rows that count in the raw fit.
    raw_coef_ : array of shape (n_features,)
        Coefficients before the reweighting.
    raw_intercept_ : float
        Intercept before it.
    raw_scale_ : float
        Scale before it.
    n_hits_ : int
        How many of the starts that were followed up ended at the best optimum; 1 where a second
        search, made after few hits, ended at another. After a single hit there is probably a better one, and a
        ConvergenceWarning says so.
    n_iter_ : int
        Steps of the last refinement.
    optimality_ : float
        Largest entry of the gradient of the trimmed sum per unit of weight, in standard units of y and
        median deviations of the columns. If it is 0 no concentration step lowers the sum;
        another set of rows may still be better.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns; only defined if all are strings.

    References
    ----------
    Rousseeuw, P. J. (1984). Least median of squares regression. Journal of the American Statistical
    Association 79, 871-880. Rousseeuw, P. J. and Van Driessen, K. (2006). Computing LTS regression for large
    data sets. Data Mining and Knowledge Discovery 12, 29-45. Pison, G., Van Aelst, S. and Willems, G. (2002).
    Small sample corrections for LTS and MCD. Metrika 55, 111-123.

    Examples
    --------
    >>> from robustreg import LTSRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> data = load_stackloss()
    >>> X, y = data.iloc[:, :-1], data.iloc[:, -1]
    >>> model = LTSRegressor().fit(X, y)
    >>> model.coef_.round(3).tolist(), X.index[model.outliers_].tolist()
    ([0.798, 0.577, -0.067], [0, 2, 3, 20])
    """

    def __init__(
        self,
        *,
        coverage: float = 0.5,
        reweight: bool = True,
        n_starts: int | str = "auto",
        fit_intercept: bool = True,
        max_iter: int = 500,
        random_state: Any = 0,
    ) -> None:
        self.coverage = coverage
        self.reweight = reweight
        self.n_starts = n_starts
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real(self, "coverage", 0.5, 1.0, closed="both")
        check_bool(self, "reweight")

    def _is_mapped(self, X: Any, y: Any, sample_weight: Any) -> bool:
        return False  # `support_` ranks all residuals

    def _fit_majority(
        self, table: Any, prepared: Prepared, search: Search, control: Control
    ) -> Result:
        units, rank = prepared.units, prepared.rank
        total = table.total * units.mass
        least = float(np.floor(0.5 * (total + rank + 1)))
        h = float(np.floor(2 * least - total + 2 * (total - least) * self.coverage + 1e-9))
        h = total if self.coverage == 1 else min(h, total)
        way = (Concentration if prepared.data.here else ConcentrationByPasses)(
            table, h / units.mass, control
        )
        found = solve_trimmed(way, search)
        raw = found.sigma * self._correction(h / total, total, rank, reweighted=False)
        if self.coverage == 1:
            raw = found.sigma * float(np.sqrt(total / (total - rank)))
        found.x[-1] = found.sigma = raw
        found.first, found.h = found.x, h
        if self.reweight and raw > 0 and not control.stopped:
            near, square = np.multiply(way.reweighted(found, REWEIGHTED * raw), units.mass).tolist()
            found.sigma = float(np.sqrt(square / (near - 1)))
            if near < total:
                found.sigma *= self._correction(near / total, total, rank, reweighted=True)
            found.x = np.append(table.whole(found.theta), found.sigma)
        return found

    def _estimate(self, y: Array, weight: Array | None, total: float) -> Estimate:
        # the last step is on the rows near the raw fit; those counted are the ones near its result, as in R
        return Estimate(
            Squared(), L2(0.0), y, scale=self.scale_, rows=self.weights_ > 0, cut=REWEIGHTED * self.scale_
        )  # fmt: skip

    def _refit(self) -> LinearModel:
        model = L2Regressor(fit_intercept=self.fit_intercept)
        model.coef_, model.intercept_ = self.coef_, self.intercept_
        return model._refit()

    def _correction(self, share: float, total: float, rank: int, *, reweighted: bool) -> float:
        """Factor of a scale of the given share of the rows."""
        intercept = bool(self.fit_intercept)
        return trimmed_consistency(share) * finite_sample(
            total,
            rank - intercept,
            float(self.coverage),
            intercept=intercept,
            reweighted=reweighted,
        )

    def _robustness(self, scaled: Array) -> Array:
        return (np.abs(scaled) <= REWEIGHTED).astype(float)

    def _store(self, found: Result, prepared: Prepared) -> None:
        super()._store(found, prepared)
        raw = self._fitted(prepared, found.get("first", found.x))
        self.raw_coef_, self.raw_intercept_ = raw["coef_"], raw["intercept_"]
        self.raw_scale_ = raw["scale_"]

    def _describe(self, X: Any, y: Array, weight: Array | None, found: Result) -> None:
        super()._describe(X, y, weight, found)
        self.support_ = np.zeros(len(y), dtype=bool)
        used = np.arange(len(y)) if weight is None else np.flatnonzero(weight > 0)
        kept = found.get("kept")
        if kept is None:  # all rows lie on one hyperplane
            kept = np.ones(len(used))
        if weight is None and "h" in found:  # of equal squares the first ones
            used = np.argsort(-kept, kind="stable")[: int(found.h)]
            self.support_[used] = True
        else:
            self.support_[used] = kept > 0
