"""Cholesky factors by LAPACK itself: SciPy's wrappers take longer than the arithmetic of few columns."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from robustreg._array import Array


def cholesky(matrix: Array, lift: float = 0.0) -> Array | None:
    """Return the upper factor of a symmetric matrix plus ``lift`` times the identity.

    None where that is not positive definite. Entries have to be finite: LAPACK would not say so.
    """
    lifted = np.array(matrix, order="F")
    if lift:
        lifted.flat[:: len(lifted) + 1] += lift
    factor, failed = dpotrf(lifted, overwrite_a=True)
    return None if failed else factor


def solve_factored(factor: Array, right: Array) -> Array:
    """Solve the equations of which :func:`cholesky` has returned the factor."""
    solved: Array = dpotrs(factor, right)[0]
    return solved
