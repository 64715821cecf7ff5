"""The way in: which covariance a fit has, and what follows from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from robustreg._array import Array
from robustreg._threads import blas_aside
from robustreg.estimators._validation import level_of_user
from robustreg.inference import _covariance as cov
from robustreg.inference import _high_breakdown as breakdown
from robustreg.inference import _quantile as quantile
from robustreg.inference._bootstrap import refitted
from robustreg.inference._covariance import Covariance, Spread
from robustreg.inference._fit import FinalStep, Fit, look
from robustreg.inference._measures import is_least_squares, measure, whole
from robustreg.inference._outputs import OutputsSummary, outputs_of
from robustreg.inference._summary import Found, Scores, Summary, check_confidence
from robustreg.losses import ResidualLoss
from robustreg.scales import OUTLYING

#: rows up to which rank tests are the default of quantile fits: they take a program for each limit
FEW_ROWS = 1000
#: resamples that a bootstrap needs for two tails
LEAST_RESAMPLES = 20
COLUMNS = ["coef", "std_error", "statistic", "p_value", "lower", "upper"]


class Offer(NamedTuple):
    """The covariances of a fit.

    Parameters
    ----------
    kinds : dict of str to function
        By name; ``None`` where there is more to it than a function of the fit.
    auto : str
        The default.
    what : str
        What the fit is, for messages.
    missing : str
        Why there are no others.
    """

    kinds: dict[str, Covariance | None]
    auto: str
    what: str
    missing: str


def offer(fit: Fit) -> Offer:
    """Return what a fit has, by what its loss offers."""
    loss = fit.estimate.loss
    resampled: dict[str, Covariance | None] = {"bootstrap": None}
    if not loss.additive:
        return Offer(
            resampled, "bootstrap", "a loss of all rows together",
            "formulas need a sum over rows, which its loss is not",
        )  # fmt: skip
    kinked = loss.kinks(fit.estimate.target) is not None
    if not loss.smooth and not (kinked and isinstance(loss, ResidualLoss)):
        return Offer(
            resampled, "bootstrap", "a loss with kinks",
            "its second derivative is a density at the kinks, for which there is no formula",
        )  # fmt: skip
    if isinstance(loss, ResidualLoss):
        if kinked:
            many = fit.n > FEW_ROWS or fit.penalised
            kinds: dict[str, Covariance | None] = {
                "nid": quantile.nid,
                "iid": quantile.iid,
                "kernel": quantile.kernel,
            }
            return Offer(
                {**kinds, "rank": None, "cluster": quantile.quantile_cluster, **resampled},
                "nid" if many else "rank", "a quantile",
                "its loss has no second derivative, so that the density of the errors is needed",
            )  # fmt: skip
        if is_least_squares(loss):
            kinds = {
                "classical": cov.huber, "hc0": cov.hc0, "hc1": cov.sandwich, "hc2": cov.hc2,
                "hc3": cov.hc3, "cluster": cov.cluster,
            }  # fmt: skip
            return Offer({**kinds, **resampled}, "classical", "least squares", "")
        kinds = {"huber": cov.huber, "sandwich": cov.sandwich, "cluster": cov.cluster}
        if fit.estimate.start is None:
            return Offer({**kinds, **resampled}, "huber", "an M-estimate", "")
        first = {"weighted": breakdown.weighted}
        if fit.estimate.adaptive:
            return Offer(
                {**first, **kinds, **resampled}, "weighted", "an SMDM-estimate",
                "'avar1' is for a scale that is the S-estimate's own",
            )  # fmt: skip
        return Offer(
            {"avar1": breakdown.avar1, **first, **kinds, **resampled}, "avar1", "an MM-estimate", ""
        )
    kinds = {"sandwich": cov.score_sandwich, "cluster": cov.score_cluster}
    if loss.likelihood:
        auto = "information" if fit.estimate.factor is None else "sandwich"
        return Offer(
            {"information": cov.information, **kinds, **resampled}, auto, "a likelihood", ""
        )
    return Offer(
        {**kinds, **resampled}, "sandwich", "no likelihood",
        "'information' is the curvature of a log-likelihood, which its loss is not",
    )  # fmt: skip


def summarize(
    model: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    covariance: str = "auto",
    confidence: float = 0.95,
    groups: Any = None,
    n_resamples: int = 999,
    random_state: Any = 0,
) -> Summary | OutputsSummary:
    """Return standard errors, tests and confidence intervals of a fitted model.

    Nothing is stored on the model. Weights are numbers of repetitions: weight 2 is a row written twice.

    Parameters
    ----------
    model : estimator
        Fitted; a pipeline or a search with one at its end will do.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that it was fitted to.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), optional
        The weights that it was fitted with.
    covariance : str, default="auto"
        How the covariance is estimated. Least squares: "classical" (auto) or "hc0" to "hc3". M-estimators:
        "huber" (auto) or "sandwich". MM: "avar1" (auto; errors may be asymmetric) or "weighted" (auto of SMDM).
        LTS: those of least squares on the rows kept. Quantiles: "rank" (auto up to 1000 rows), "nid" (auto beyond),
        "iid" or "kernel". Likelihoods: "information" (auto; with class weights "sandwich") or
        "sandwich". Other smooth losses: "sandwich". "cluster" (auto with `groups`) for all of
        these and "bootstrap" for every model.
    confidence : float, default=0.95
        Confidence of the intervals.
    groups : array-like of shape (n_samples,), optional
        Which rows belong together: the others are independent of them.
    n_resamples : int, default=999
        Resamples of the bootstrap.
    random_state : int, RandomState or None, default=0
        Seed of the bootstrap.

    Returns
    -------
    Summary or OutputsSummary
        With the table of coefficients, their covariance, tests, and intervals of predictions. That of several outputs
        or quantiles, each of which is summarised as the single fit that it is, has a table whose first index level is
        their names, and ``outputs``, a dict of the summaries.

    Raises
    ------
    ValueError
        If the model has no such covariance, X or y is not what it was fitted to, or there are no more
        rows than parameters.
    NotFittedError
        If the model is not fitted.

    Warns
    -----
    UserWarning
        If the coefficients do not solve the equations of their fit on these rows, or some have no
        standard error.

    References
    ----------
    Huber, P. J. (1973). Robust regression: asymptotics, conjectures and Monte Carlo. Annals of
    Statistics 1, 799-821. Koenker, R. (2005). Quantile Regression. Cambridge University Press.

    Examples
    --------
    >>> from robustreg import HuberRegressor
    >>> from robustreg.datasets import load_stackloss
    >>> from robustreg.inference import summarize
    >>> data = load_stackloss()
    >>> X, y = data.drop(columns="stack_loss"), data["stack_loss"]
    >>> model = HuberRegressor(scale="mad", alpha=0.0).fit(X, y)
    >>> summarize(model, X, y).table[["coef", "std_error", "p_value"]].round(3)
                  coef  std_error  p_value
    intercept  -41.026      9.807    0.001
    air_flow     0.829      0.111    0.000
    water_temp   0.926      0.303    0.007
    acid_conc   -0.128      0.129    0.335
    """
    confidence = check_confidence(confidence)
    final = FinalStep(model)
    rows = final.transform(X)
    one = partial(
        _of_one, X=rows, sample_weight=sample_weight, covariance=covariance, confidence=confidence,
        groups=groups, n_resamples=n_resamples, random_state=random_state,
    )  # fmt: skip
    if not final.several:
        return one(final, y)
    targets = outputs_of(final, rows, y).items()
    return OutputsSummary(
        {name: one(final.output(j), target) for j, (name, target) in enumerate(targets)}
    )


def _of_one(
    final: FinalStep, y: Any, *, X: Any, sample_weight: Any, covariance: str, confidence: float,
    groups: Any, n_resamples: Any, random_state: Any,
) -> Summary:  # fmt: skip
    """Summarise a model of one output on its rows, as it sees them."""
    with np.errstate(all="ignore"), blas_aside():
        fit = look(final, X, y, sample_weight)
        offered = offer(fit)
        rows = checked_groups(groups, fit)
        name = chosen(covariance, offered, fit, rows is not None)
        how = (offered, confidence, rows, n_resamples, random_state)
        try:
            return _summary(fit, X, y, name, *how)
        except breakdown.NegativeVarianceError:
            if covariance != "auto":
                raise
            note = (
                f"{breakdown.NEGATIVE} So it is that of 'weighted', which needs symmetric errors."
            )
            return _summary(fit, X, y, "weighted", *how, notes=(note,))


def chosen(covariance: Any, offered: Offer, fit: Fit, grouped: bool) -> str:
    """Return the name of a covariance that the fit has.

    Raises
    ------
    ValueError
        That lists those it has, and why no others.
    """
    label = type(fit.model).__name__
    listed = ", ".join(map(repr, ("auto", *offered.kinds)))
    if covariance == "auto":
        if not grouped:
            return offered.auto
        return "cluster" if "cluster" in offered.kinds else "bootstrap"
    if not isinstance(covariance, str) or covariance not in offered.kinds:
        why = f" ({offered.what}: {offered.missing})" if offered.missing else f" ({offered.what})"
        raise ValueError(f"{label} has no covariance={covariance!r}{why}. It has {listed}.")
    if grouped and covariance not in ("cluster", "bootstrap"):
        raise ValueError(
            f"groups are used by covariance='cluster' and 'bootstrap' only. Got {covariance!r}."
        )
    if covariance == "cluster" and not grouped:
        raise ValueError("covariance='cluster' needs groups, one label for each row.")
    return covariance


def checked_groups(groups: Any, fit: Fit) -> Array | None:
    """Return the groups of the kept rows.

    Raises
    ------
    ValueError
        If there is not one label for each row, or only one group.
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    n = fit.data.n_rows if fit.kept is None else None
    if labels.ndim != 1 or (n is not None and len(labels) != n):
        raise ValueError(
            f"groups must hold one label for each row. Got shape {labels.shape} for {n} rows."
        )
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError("groups holds missing values: give each row a group.")
    if fit.kept is not None:
        if len(labels) <= fit.kept[-1]:
            raise ValueError(f"groups must hold one label for each row. Got shape {labels.shape}.")
        labels = labels[fit.kept]
    if cov.group_codes(labels)[1] < 2:
        raise ValueError(
            f"groups holds one group only, {labels[0]}: how groups differ cannot be told from one."
        )
    return labels


def _summary(
    fit: Fit, X: Any, y: Any, name: str, offered: Offer, confidence: float,
    groups: Array | None, n_resamples: Any, random_state: Any, notes: tuple[str, ...] = (),
) -> Summary:  # fmt: skip
    measures = measure(fit, OUTLYING)
    draws, ranked = None, None
    if not fit.estimable.any() or (measures.scale == 0 and name != "bootstrap"):
        spread = unknown(fit)
    elif name == "bootstrap":
        n_resamples = checked_resamples(n_resamples)
        if fit.estimate.high_breakdown:
            draws = breakdown.fast_bootstrap(fit, groups, n_resamples, random_state)
        else:
            draws = refitted(fit, X, y, groups, n_resamples, random_state)
        spread = draws.spread
    elif name == "rank":
        ranked = quantile.ranks(fit, confidence)
        spread = unknown(fit)._replace(notes=())
    else:
        function = offered.kinds[name]
        assert function is not None
        spread = function(fit) if groups is None else function(fit, groups)
    labels = index_of(fit)
    values, size, core = in_user_units(fit, spread)
    core, mended = breakdown.made_definite(core)
    table = table_of(values, spread.unit * size, core, spread.df, confidence)
    frame = pd.DataFrame(table, index=labels, columns=COLUMNS)
    if draws is not None:
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        limits = np.quantile(draws.values, tails, axis=0)
        known = np.isfinite(frame["std_error"].to_numpy())
        frame.loc[known, ["lower", "upper"]] = limits.T[known]
    if ranked is not None:
        frame["lower"], frame["upper"] = ranked.lower, ranked.upper
        frame["statistic"] = ranked.statistic
        frame["p_value"] = 2 * student.sf(np.abs(ranked.statistic), fit.df)
    outer = spread.unit * size
    matrix = core * np.outer(outer, outer)
    said = [*notes, *spread.notes, *notes_on(fit, frame, ranked is not None)]
    if mended:
        said.append(
            "The covariance had negative eigenvalues, which were set to zero; variances are as they were."
        )
    deviance = None
    if fit.estimate.start is not None:
        deviance = breakdown.Deviance(fit)
    return Summary(Found(
        table=frame, covariance=pd.DataFrame(matrix, index=labels, columns=labels),
        covariance_type=name, confidence=confidence, df=whole(spread.df), n_samples=whole(fit.n_given),
        n_groups=None if groups is None else cov.group_codes(groups)[1], notes=tuple(said), size=outer,
        core=core, scores=scores_of(fit, spread, ranked is not None), measures=measures, deviance=deviance,
    ))  # fmt: skip


def checked_resamples(n_resamples: Any) -> int:
    """Return the number of resamples.

    Raises
    ------
    ValueError
        If it is no integer, or too small for an interval.
    """
    whole_number = isinstance(n_resamples, Integral) and not isinstance(n_resamples, bool)
    if not whole_number or n_resamples < LEAST_RESAMPLES:
        raise ValueError(
            f"n_resamples must be an int of at least {LEAST_RESAMPLES}. Got {n_resamples!r} instead."
        )
    return int(n_resamples)


def unknown(fit: Fit) -> Spread:
    """A covariance that nothing is known of: the scale is zero."""
    q = len(fit.theta)
    note = (
        "The scale of the residuals is zero, as where many rows lie exactly on a hyperplane: there are "
        "no standard errors."
    )
    return Spread(np.full((q, q), np.nan), 1.0, fit.df, (note,))


def index_of(fit: Fit) -> pd.Index:
    """Index of the table."""
    if fit.estimate.scores is None:
        return pd.Index(fit.labels)
    return pd.MultiIndex.from_product([fit.estimate.scores, fit.labels])


def in_user_units(fit: Fit, spread: Spread) -> tuple[Array, Array, Array]:
    """Estimates, and their covariance as ``diag(size) core diag(size)`` times the unit squared."""
    jacobian = fit.jacobians
    size = np.abs(jacobian).max(axis=1, initial=0.0)
    scaled = jacobian / np.where(size > 0, size, 1.0)[:, None]
    core = scaled @ spread.core @ scaled.T
    core = 0.5 * (core + core.T)
    sure = np.tile(fit.estimable, len(core) // len(fit.estimable))
    core[~sure] = core[:, ~sure] = np.nan
    return fit.estimates, size, core


def table_of(
    values: Array, size: Array, core: Array, df: float, confidence: float
) -> dict[str, Array]:
    """Columns of the table."""
    error = size * np.sqrt(np.maximum(np.diag(core), 0.0))
    with np.errstate(all="ignore"):
        statistic = values / error
    reach = float(student.ppf((1 + confidence) / 2, df)) * error
    p_value = 2 * student.sf(np.abs(statistic), df)
    columns = (values, error, statistic, p_value, values - reach, values + reach)
    return dict(zip(COLUMNS, columns, strict=True))


def scores_of(fit: Fit, spread: Spread, ranked: bool) -> Scores:
    """What predictions need."""
    q, outputs = fit.jacobian.shape[1], fit.n_outputs
    cores: list[Array] | None
    if ranked:
        cores = None
    elif outputs is None:
        cores = [spread.core]
    else:
        mix = np.eye(outputs) if fit.basis is None else fit.basis.T
        blocks = np.empty((outputs, outputs, q, q))
        place = fit.places
        for a in range(outputs):
            for b in range(outputs):
                blocks[a, b] = spread.core[np.ix_(place[a], place[b])]
        cores = list(np.einsum("sa,sb,abij->sij", mix, mix, blocks))
    inside = None
    if not fit.penalised and not fit.estimable.all():
        inside = np.linalg.qr(fit.space)[0]
    return Scores(fit.final, fit.data.coordinates, fit.data.intercept, cores, spread.unit, inside)


def _listed(names: Sequence[str], chosen: Array) -> str:
    """The first few of the names that are chosen, for messages."""
    found = [name for name, yes in zip(names, chosen, strict=True) if yes]
    return ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")


def notes_on(fit: Fit, table: pd.DataFrame, ranked: bool) -> list[str]:
    """What else there is to say of a fit."""
    notes = []
    model = fit.model
    if model.optimality_ > model.tol:
        notes.append(
            f"The fit is not solved (optimality_ {model.optimality_:.1e} > tol {model.tol:.1e}): so "
            "neither are these numbers."
        )
    if fit.penalised:
        notes.append(
            "The coefficients are shrunk by a penalty (alpha > 0). Standard errors and intervals are "
            "about the shrunk coefficients and do not undo their bias."
        )
        if fit.held.any():
            notes.append(
                "Coefficients that the penalty holds at zero have no standard error; those of the "
                "others take the selection as given. Name 'bootstrap' to have it taken into account."
            )
        varies = fit.data.coordinates.varies
        if not varies.all():
            constant = _listed(fit.final.names, ~varies)
            note = f"Columns of X are constant ({constant}): their coefficients are zero and have no standard error."
            warnings.warn(note, UserWarning, stacklevel=level_of_user())
            notes.append(note)
    elif not fit.estimable.all():
        note = (
            f"Columns of X are constant or depend on each other (rank {fit.rank}): "
            f"{_listed(fit.labels, ~fit.estimable)} cannot be told apart and have no standard error."
        )
        warnings.warn(note, UserWarning, stacklevel=level_of_user())
        notes.append(note)
    if fit.estimate.rows is not None:
        notes.append(
            f"Standard errors are those of least squares on the {fit.n:.10g} of {fit.n_given:.10g} samples "
            "in the fit. They do not account for the choice of these samples."
        )
    if hasattr(model, "best_index_"):
        notes.append(
            "The parameters were chosen on the same rows, which is not taken into account."
        )
    if ranked:
        notes.append(
            "Intervals and p-values are those of rank tests, which have no standard errors."
        )
    return notes
