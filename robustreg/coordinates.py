"""The affine map between the user's columns and the ones a solver sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.linalg.lapack import dlange, dpocon, dpotrf

from robustreg._array import Array
from robustreg.precise import Factor

#: condition number of the standardised columns beyond which they are made orthonormal by QR
MAX_CONDITION = 300.0
#: columns whose largest entry is below this have lost their digits
DENORMAL = 1e-300
#: combinations of columns this many times larger than what is left of them lose three digits or more to
#: rounding, and predictions as many; precise products take seven times as long
CANCELS = 1e3
#: curvature that a penalty has at the most
LARGEST = 1e300


@dataclass
class Coordinates:
    """An affine map between the user's columns and the ones a solver sees.

    Parameters
    ----------
    center : array of shape (n_features,)
        What is subtracted from the columns (zeros where there is no intercept).
    transform : array of shape (n_features,) or (n_features, n_reduced)
        ``coef = transform * u`` (a diagonal) or ``transform @ u``. Its columns lie in the space
        spanned by the centred rows of X in the user's units, so of all coefficients with the same
        fitted values the map gives the shortest.
    precise : bool, default=False
        Whether products with a combining ``transform`` cancel so much that they take more than the digits of
        floating point. In these coordinates a fit to what rounding has made of X is not one to X.
    """

    center: Array
    transform: Array
    precise: bool = False

    #: nothing is known of curvatures of a penalty of squares along the coordinates
    even: ClassVar[bool] = False
    #: inner products of the transform's columns, where products with these lose no digits
    inner: ClassVar[Array | None] = None

    @classmethod
    def combining(cls, center: Array, transform: Array, size: Array) -> Coordinates:
        """Return coordinates that combine columns of these sizes, precise ones where these cancel."""
        squares = np.einsum("i,ij,ij->j", size**2, transform, transform)  # no copy of it
        return cls(center, transform, bool(np.any(squares > CANCELS**2)))

    @property
    def size(self) -> int:
        """Number of coefficients the solver sees."""
        return int(self.transform.shape[-1])

    @property
    def diagonal(self) -> bool:
        """Whether each coefficient of the solver is one of the user's."""
        return bool(self.transform.ndim == 1)

    @property
    def varies(self) -> Array:
        """Which of the user's columns are not constant: a coefficient of the solver moves theirs."""
        moved: Array = self.transform != 0
        return moved if self.diagonal else moved.any(axis=1)

    def varying(self) -> Coordinates:
        """Return the coordinates without those of constant columns, as combining ones; these must be diagonal."""
        return Coordinates(self.center, np.diag(self.transform)[:, self.varies])

    @property
    def hidden(self) -> Array:
        """Size of what centring takes away, for each of the solver's coefficients."""
        size, center = np.abs(self.transform), np.abs(self.center)
        return size * center if self.diagonal else center @ size

    def columns(self, kept: Array) -> Coordinates:
        """Return the coordinates of some columns; these must be diagonal."""
        return Coordinates(self.center[kept], self.transform[kept])

    def coef(self, u: Array) -> Array:
        """Coefficients in the user's units; ``u`` is (n_reduced,) or (n_reduced, n_outputs)."""
        if self.diagonal:
            return (self.transform * u.T).T
        if self.precise:
            columns = u.reshape(len(u), -1)
            return self._transposed.after(columns.T).T.reshape(-1, *u.shape[1:])
        return self.transform @ u

    def adjoint(self, gradient: Array) -> Array:
        """Carry a gradient with respect to the user's coefficients back to ``u``."""
        if self.diagonal:
            return (self.transform * gradient.T).T
        return self.transform.T @ gradient

    def quadratic(self, diagonal: Array) -> Array:
        """Return ``transform.T @ diag(diagonal) @ transform``."""
        if self.diagonal:
            return np.diag(self.along_diagonal(diagonal))
        if diagonal.min() == diagonal.max():
            return diagonal[0] * self._inner
        return self.transform.T @ (diagonal[:, None] * self.transform)

    def squares(self, squares: Array, cross: Array | None = None) -> Array:
        """Return weighted sums of squares of the centred columns, of each column of weights; these must be diagonal.

        Parameters
        ----------
        squares : array of shape (n_features,) or (n_features, n_weights)
            Those of the user's columns.
        cross : array of shape (n_features + 1,) or (n_features + 1, n_weights), optional
            Weighted sums of the user's columns, and of the weights; None where nothing is subtracted.
        """
        summed, center = squares.T, self.center
        if cross is not None:
            summed = summed + center * (center * cross.T[..., -1:] - 2 * cross.T[..., :-1])
        return (self.transform**2 * summed).T

    def along_diagonal(self, diagonal: Array) -> Array:
        """Return the diagonal of :meth:`quadratic`, all of it where these are diagonal; a column for each of several."""
        # a column so small that this is beyond floating point is of no use beside any penalty; without one it is 0
        with np.errstate(over="ignore"):
            bent: Array = np.minimum(diagonal.T * self.transform * self.transform, LARGEST).T
        return bent

    @cached_property
    def _inner(self) -> Array:
        """Inner products of the transform's columns, which an L2 penalty asks for again and again."""
        inner: Array = self.transform.T @ self.transform
        return inner

    def solver(self, coef: Array) -> Array:
        """Return the ``u`` whose ``coef`` is nearest to the given one, each in its unit (a warm start)."""
        if self.diagonal:
            with np.errstate(divide="ignore", invalid="ignore"):
                u = (coef.T / self.transform).T
            return np.where(np.isfinite(u), u, 0.0)
        # coefficients of 1e-15 and of 1e5 count alike
        unit = np.abs(self.transform).max(axis=1, initial=0.0)
        unit = np.where(unit > 0, unit, 1.0)
        even = self.transform / unit[:, None]
        size = np.linalg.norm(even, axis=0)
        u = np.linalg.lstsq(even / size, (coef.T / unit).T, rcond=None)[0]
        return (u.T / size).T

    def apply(self, X: Array, out: Array | None = None, last: Array | None = None) -> Array:
        """Return dense rows of X in the solver's coordinates.

        They are centred in ``out``, which may be X itself, and combined in ``last``, an array of the
        result's shape that need not be given.
        """
        if self.precise and not self.diagonal:
            return self._factor.after(X, self.center, last)
        centred = np.subtract(X, self.center, out=out)
        if not self.diagonal:
            return np.dot(centred, self.transform, out=last)
        centred *= self.transform
        return centred

    @cached_property
    def _factor(self) -> Factor:
        return Factor(self.transform)

    @cached_property
    def _transposed(self) -> Factor:
        return Factor(self.transform.T)


def condition_number(gram: Array) -> float:
    """Estimate of the condition number of a Gram matrix, infinite where it is singular."""
    factor, failed = dpotrf(gram)
    if failed:
        return np.inf
    reciprocal, _ = dpocon(factor, dlange("1", gram))  # type: ignore[call-arg]  # its stub knows no norm
    return 1 / reciprocal if reciprocal > 0 else np.inf
