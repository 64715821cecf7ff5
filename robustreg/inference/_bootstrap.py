"""Resampling of rows or groups."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from robustreg._array import Array
from robustreg.inference._covariance import Spread
from robustreg.inference._fit import Fit

#: draws, in multiples of the resamples asked for, after which degenerate ones are no accident
PATIENCE = 5
#: smallest eigenvalue of a resample's inner products, as a share of the whole table's
DEGENERATE = 1e-9


class Draws(NamedTuple):
    """Resampled coefficients, and what they say.

    Parameters
    ----------
    spread : Spread
        Their covariance, in the coordinates.
    values : array of shape (n_resamples, n_coefficients)
        Intercepts and coefficients in the user's units, score after score.
    """

    spread: Spread
    values: Array


class Sampler:
    """Numbers of repetitions of the rows, drawn with replacement.

    Parameters
    ----------
    fit : Fit
        The fit; a row of weight two is drawn as two rows are.
    groups : array of shape (n_kept,) or None
        Groups, which are drawn as wholes.
    random_state : int, RandomState or None
        Seed.
    """

    def __init__(self, fit: Fit, groups: Array | None, random_state: Any) -> None:
        self.random = check_random_state(random_state)
        self.weight = fit.weight * fit.mass
        self.codes = None
        chance, count = self.weight, round(fit.n)
        if groups is not None:
            self.codes = np.unique(groups, return_inverse=True)[1].ravel()
            count = int(self.codes.max()) + 1
            chance = np.ones(count)
        self.count, self.chance = max(count, 1), chance / chance.sum()
        self.unit = 1.0 if groups is not None else fit.n / self.count

    def draw(self) -> Array:
        """Return how often each row stands in one resample."""
        drawn = self.random.multinomial(self.count, self.chance)
        if self.codes is not None:
            return np.asarray(drawn[self.codes] * self.weight)
        return np.asarray(drawn * self.unit)


def refitted(
    fit: Fit, X: Any, y: Any, groups: Array | None, n_resamples: int, random_state: Any
) -> Draws:
    """Fit resamples again, each started from the fit to all rows.

    Raises
    ------
    ValueError
        If resamples cannot be fitted, as where one class has one row.
    """
    sampler = Sampler(fit, groups, random_state)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    least = DEGENERATE * float(np.linalg.eigvalsh(fit.gram())[0])
    kinds = None
    if np.ndim(getattr(fit.model, "classes_", 0)) == 1:
        kinds = np.unique(fit.estimate.target, axis=0, return_inverse=True)[1].ravel()
    model = fit.model._refit()
    start = dict(model.__dict__)
    values: list[Array] = []
    thetas: list[Array] = []
    failed = unsolved = 0
    reason = ""
    while len(values) < n_resamples:
        if failed > PATIENCE * n_resamples or (not values and failed > 50):
            raise ValueError(
                f"{failed} resamples in a row of {failed + len(values)} could not be fitted ({reason}): "
                "there is no bootstrap of these rows. Name another covariance."
            )
        counts = sampler.draw()
        gram = fit.gram(counts / fit.weight / fit.mass)
        if not fit.penalised and np.linalg.eigvalsh(gram)[0] <= least:
            failed, reason = failed + 1, "columns of X depend on each other in them"
            continue
        if kinds is not None and not np.bincount(kinds, counts).all():
            failed, reason = failed + 1, "they lack a class"
            continue
        weight = np.zeros(n)
        weight[slice(None) if fit.kept is None else fit.kept] = counts
        model.__dict__.update(start)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y, sample_weight=weight)
        except ValueError as error:
            failed, reason = failed + 1, str(error)
            continue
        unsolved += model.optimality_ > model.tol
        values.append(_flat(fit, model))
        thetas.append(fit.inside(model.coef_, model.intercept_))
    notes = []
    if failed:
        notes.append(
            f"{failed} resamples could not be fitted and were drawn again ({reason}): intervals are too "
            "narrow if they are many."
        )
    if unsolved:
        notes.append(f"{unsolved} of {n_resamples} resamples were not solved to tol.")
    return collected(fit, np.array(thetas), np.array(values), tuple(notes))


def _flat(fit: Fit, model: Any) -> Array:
    """Intercepts and coefficients, score after score."""
    coef = np.atleast_2d(model.coef_)
    if not fit.data.intercept:
        return np.asarray(coef.ravel())
    return np.column_stack([np.atleast_1d(model.intercept_), coef]).ravel()


def collected(fit: Fit, thetas: Array, values: Array, notes: tuple[str, ...] = ()) -> Draws:
    """Return resampled coefficients with their covariance."""
    away = thetas - thetas.mean(axis=0)
    unit = float(np.abs(away).max(initial=0.0)) or 1.0
    away = away / unit
    core = away.T @ away / (len(thetas) - 1)
    return Draws(Spread(core, unit, math.inf, notes), values)
