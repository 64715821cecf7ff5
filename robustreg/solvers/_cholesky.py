"""Cholesky factors by LAPACK itself: SciPy's wrappers take longer than the arithmetic of few columns."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dpotrf, dpotrs

from robustreg._array import Array


def cholesky(matrix: Array, lift: float = 0.0) -> Array | None:
    """Return the upper factor of a symmetric matrix plus ``lift`` times the identity.

    None where that is not positive definite. Entries have to be finite: LAPACK would not say so.
    """
    if lift:
        matrix = matrix.copy()
        matrix.flat[:: len(matrix) + 1] += lift
    factor, failed = dpotrf(matrix.T)  # in the order of Fortran: one copy, by LAPACK's wrapper
    return None if failed else factor


def solve_factored(factor: Array, right: Array) -> Array:
    """Solve the equations of which :func:`cholesky` has returned the factor."""
    solved: Array = dpotrs(factor, right)[0]
    return solved


def solved(matrix: Array, right: Array, *, definite: bool) -> Array | None:
    """Solve a symmetric system; None where it should be definite and is not.

    Directions without data do not move.
    """
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    if definite:
        if not size.all():
            return None
        try:
            factor = scipy.linalg.cho_factor(matrix / np.outer(size, size), check_finite=False)
        except np.linalg.LinAlgError:
            return None
        return np.asarray(scipy.linalg.cho_solve(factor, right / size, check_finite=False) / size)
    size = np.where(size > 0, size, 1.0)
    found = np.linalg.lstsq(matrix / np.outer(size, size), right / size, rcond=1e-14)[0]
    return np.asarray(found / size)
