"""Cholesky factors by LAPACK itself: SciPy's wrappers take longer than the arithmetic of few columns."""

from __future__ import annotations

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
