"""Envelopes of a loss with one kink a row, wherever its rows are, and what their slopes prove."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.losses import Smoothed
from robustreg.losses._base import Kinks
from robustreg.objective import Objective
from robustreg.solvers._control import Control
from robustreg.solvers._kept_hessian import PAYS
from robustreg.solvers._newton import newton
from robustreg.solvers._result import Result, minimize
from robustreg.solvers._rows import Rows
from robustreg.solvers._sides import with_sides
from robustreg.solvers._smooth import ROUGH

#: rows within this many widths of the envelope are kept
KEPT_WIDTHS = 4.0
#: an envelope is this much narrower than the one before
NARROWER = 0.2
#: iterations after which an envelope is given up: it is only a start
PATIENCE = 40
#: a width that says that many rows may lie on a hyperplane
CROWDED = 1e-3
#: a spread of offsets, y having spread one, that says most rows do
FLAT = 1e-6
#: width, and gradient at the end, of an envelope whose slopes are to prove a minimum
NARROW, EXACT = 1e-6, 1e-12


def smoothed(objective: Objective, width: float) -> Objective:
    """Return the objective with loss, and kinked penalty, replaced by their envelopes."""
    penalty: Any = with_sides(objective).penalty
    if penalty.kinked:
        transform = objective.data.coordinates.transform
        penalty = penalty.smoothed(width * np.where(transform > 0, transform, 1.0))
    return replace(objective, loss=Smoothed(objective.loss, width), penalty=penalty)


def minimise_envelope(objective: Objective, theta: Array, width: float, control: Control) -> Result:
    """Minimise :func:`smoothed` by Newton's method, whose Hessian is kept while its steps pay."""
    smooth = smoothed(objective, width)
    options = {"tol": control.tol, "control": control, "pays": PAYS}
    return minimize(smooth.evaluate, theta, hess=smooth.hess, method=newton, options=options)


def rough(control: Control, value: float) -> Control:
    """Return the phase for an envelope that is only a start, ``value`` being about that of the loss."""
    # Beside a rare class that costs little in all every gradient is small: compare it with that.
    return control.phase(tol=ROUGH * min(value, 1.0), most=PATIENCE)


def onto_kinks(rows: Rows, theta: Array, tied: Array) -> Array:
    """Return the point next to ``theta`` that is on the kinks of the rows that are ``tied``, by least squares."""
    X, s = rows.X[tied], rows.offsets(theta)[tied]
    moved: Array = theta - np.linalg.lstsq(X.T @ X, X.T @ s, rcond=None)[0]
    return moved


def slopes_of_envelope(kinks: Kinks, s: Array, width: float) -> Array:
    """Return the slopes of an envelope at offsets ``s``, per unit of weight."""
    slopes: Array = np.clip(s / width, kinks.lower, kinks.upper)
    return slopes


def in_balance(kinks: Kinks, slopes: Array, change: Array) -> Array:
    """Change the slopes of an envelope that are inside their bounds, and stay inside them.

    Slopes at the minimum of a narrow envelope are differences of predictions over a small width. So they lack digits,
    and do not balance: a Newton step says which ones.
    """
    inside = (slopes > kinks.lower) & (slopes < kinks.upper)
    moved: Array = np.clip(np.where(inside, slopes + change, slopes), kinks.lower, kinks.upper)
    return moved
