"""Products of matrices that cancel: to the last places of the result, not of its terms.

Numbers are split into a leading part of so few bits that sums of products of such parts are exact in floating
point, and the rest (Ozaki, K., Ogita, T., Oishi, S. and Rump, S. M. (2012). Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication). All of it is matrix products, so BLAS does the work.
"""

from __future__ import annotations

import math

import numpy as np

from robustreg._array import Array

#: bits of a floating-point number
BITS = 53
#: splits a floating-point number into two of half the bits (Veltkamp)
SPLITTER = 2.0**27 + 1
#: numbers of the left factor at a time, so that its parts stay in cache
CACHED = 1 << 15


class Factor:
    """The right factor of products, split once.

    Parameters
    ----------
    matrix : array of shape (k, m)
        Finite; rows may be of any sizes.
    """

    def __init__(self, matrix: Array) -> None:
        #: bits of a leading part: of two of them, multiplied and added ``k`` times, none is lost
        self.bits = (BITS - int(np.ceil(np.log2(max(len(matrix), 2))))) // 2
        self.unit = _powers(np.abs(matrix).max(axis=1, initial=0.0))
        self.scaled = matrix / self.unit[:, None]
        leading = _leading(self.scaled, np.abs(self.scaled).max(axis=0, initial=0.0), self.bits)
        self.parts = np.hstack([leading, self.scaled - leading])

    def after(self, left: Array, less: Array | None = None, out: Array | None = None) -> Array:
        """Return ``(left - less) @ matrix``.

        Parameters
        ----------
        left : array of shape (n, k)
            Finite.
        less : array of shape (k,), optional
            What is subtracted from its rows.
        out : array of shape (n, m), optional
            Takes the product.

        Returns
        -------
        product : array of shape (n, m)
            Exact to the rounding of its entries where terms are up to 1e7 times larger than these, and to
            seven digits more than a plain product otherwise.
        """
        product = np.empty((len(left), self.scaled.shape[1])) if out is None else out
        step = max(CACHED // max(left.shape[1], 1), 1)
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            product[part] = self._after(left[part], less)
        return product

    def _after(self, left: Array, less: Array | None) -> Array:
        centred = left if less is None else left - less
        rest = centred * self.unit
        lengths = np.sqrt(np.einsum("ij,ij->i", rest, rest))[:, None]
        leading = _leading(rest, lengths, self.bits)
        rest -= leading
        if less is not None:  # what the difference has lost: Knuth's sum without error
            moved = centred - left
            lost = (left - (centred - moved)) - (less + moved)
            lost *= self.unit
            rest += lost
        both, m = leading @ self.parts, self.scaled.shape[1]
        # the largest terms, which are exact, cancel by themselves
        product: Array = both[:, :m] + (both[:, m:] + rest @ self.scaled)
        return product


def dot(left: Array, right: Array) -> float:
    """Inner product of two vectors, rounded once where no product is beyond 1e290 or below 1e-290.

    Each product is taken apart into two numbers without error (Dekker, T. J. (1971). A floating-point technique for
    extending the available precision).
    """
    product = left * right
    a, b = (_halves(side) for side in (left, right))
    lost = ((a[0] * b[0] - product) + a[0] * b[1] + a[1] * b[0]) + a[1] * b[1]
    return math.fsum([*product.tolist(), *np.where(np.isfinite(lost), lost, 0.0).tolist()])


def _halves(numbers: Array) -> tuple[Array, Array]:
    """Return two numbers of half the bits that add up to each of the given ones."""
    large = SPLITTER * numbers
    upper = large - (large - numbers)
    return upper, numbers - upper


def _powers(size: Array) -> Array:
    """Return the powers of two next above the given sizes, one for zero."""
    return np.ldexp(1.0, np.frexp(np.where(size > 0, size, 1.0))[1])


def _leading(numbers: Array, size: Array, bits: int) -> Array:
    """Return the numbers, none of them larger than ``size``, rounded to so many bits below that."""
    anchor = 0.75 * 2.0 ** (BITS - bits) * _powers(size)
    leading: Array = numbers + anchor
    leading -= anchor
    return leading
