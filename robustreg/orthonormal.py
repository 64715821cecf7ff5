"""Orthonormal coordinates for columns that depend on each other, of whatever sizes they are.

Which directions carry data is decided on columns of unit size. The lengths of coefficients, which a
penalty and the shortest solution are about, are those of the user's columns, which may be 1e-9 beside
1e12: in one decomposition the small ones would drown in the rounding of the large.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import scipy.linalg

from robustreg._array import Array

#: columns are decomposed together with those up to this many times smaller: squares of coefficients
#: then differ by 1e4, and a penalty keeps twelve of its sixteen digits
GRADE = 100.0
#: smallest eigenvalue of the rows' inner products, as a share of the largest, that can be trusted
ALIKE = 1e-8
#: bytes of the rows that are combined at a time
PART_BYTES = 1 << 22
#: share of a column that combined columns may lack: what `tol` asks for by default. Rounding alone makes
#: 1e-9 of it beside a column that has one row of 1e9.
LOST = 1e-8
#: rounding: where a combination of columns that is kept is this share rounding, one that is left out may have been
#: data. What columns leave of each other then falls to rounding without a gap.
UNCLEAR = 1e-5
#: share of a combination of all columns that is rounding: ten times that up to which directions are left out
NOTHING = 1e-12


def orthonormal_transform(rows: Array, size: Array, n: int) -> Array:
    """Return a transform that makes the columns orthonormal, and its coefficients shortest.

    Columns are taken in groups of like size, the largest first. What the larger ones leave of a group
    is decomposed; singular values within rounding are directions without data.

    Parameters
    ----------
    rows : array of shape (m, p)
        Columns of about unit size, or the triangle of their QR decomposition.
    size : array of shape (p,)
        Sizes of the user's columns, which are ``rows * size``; positive.
    n : int
        Square of the length that each combined column is to have.

    Returns
    -------
    transform : array of shape (p, rank)
        ``rows * size @ transform`` has orthogonal columns of length ``sqrt(n)``. Its own columns
        lie in the space of the rows of ``rows * size``.
    """
    order = np.argsort(-size, kind="stable")
    sizes = size[order]
    groups = _groups(sizes)
    span, inverses = _decomposed(rows[:, order], groups)
    transform = np.empty((len(size), len(span)))
    if len(span) == len(size):
        transform[order] = _inverse(span, inverses, groups) / sizes[:, None]
    else:
        transform[order] = _shortest(span, sizes)
    return transform * np.sqrt(n)


def transform_by_rows(rows: Array, inner: Array, centred: bool) -> Array | None:
    """Return the transform that `orthonormal_transform` would, from inner products of the rows.

    In a fraction of the time where rows are fewer than columns.

    Parameters
    ----------
    rows : array of shape (n, p)
        Overwritten: it becomes the transform.
    inner : array of shape (n, n)
        Their inner products. Overwritten.
    centred : bool
        Whether each column adds up to zero.

    Returns
    -------
    transform : array of shape (p, n) or (p, n - 1), or None
        None, with ``rows`` as they were, where rows are so alike that the square of their condition number would
        show.
    """
    n, p = rows.shape
    if centred:  # the rows add up to zero: that direction is put first, and left out
        inner += 2 * np.trace(inner) / n
    # older versions of SciPy give "evd" too little memory for one row
    driver: Literal["evd", "ev"] = "evd" if n > 1 else "ev"
    values, vectors = scipy.linalg.eigh(inner, driver=driver, overwrite_a=True, check_finite=False)
    if centred:
        values, vectors = values[:-1], vectors[:, :-1]
    if not len(values) or values[0] < ALIKE * values[-1]:
        return None
    weights = vectors * (np.sqrt(n) / values)
    width = max(PART_BYTES // (8 * n), 1)
    for start in range(0, p, width):
        part = rows[:, start : start + width]
        part[: len(values)] = weights.T.dot(part)
    return rows[: len(values)].T


def lost_shares(rows: Array, size: Array, transform: Array) -> Array:
    """Return the share of each column that its combinations cannot give back.

    Parameters
    ----------
    rows, size : arrays of shape (m, p) and (p,)
        As `orthonormal_transform` takes them.
    transform : array of shape (p, rank)
        What it returned.

    Returns
    -------
    shares : array of shape (p,)
        Lengths, as shares of those of the columns; zeros where combinations of all of them show no loss.
    """
    combined = rows @ (size[:, None] * transform)
    combined /= np.sqrt(np.mean(combined**2) * len(combined)) or 1.0
    probe = rows @ np.random.default_rng(0).choice([-1.0, 1.0], (rows.shape[1], 2))
    rest = probe
    for _ in range(3):  # combinations of columns that nearly cancel are only nearly orthogonal
        rest = rest - combined @ (combined.T @ rest)
    if np.linalg.norm(rest) <= NOTHING * np.linalg.norm(probe):
        return np.zeros(rows.shape[1])
    basis = scipy.linalg.qr(combined, mode="economic", check_finite=False)[0]
    lost = rows - basis @ (basis.T @ rows)
    length = np.linalg.norm(rows, axis=0)
    shares: Array = np.linalg.norm(lost, axis=0) / np.where(length > 0, length, 1.0)
    return shares


def unclear_columns(rows: Array, size: Array, transform: Array) -> Array:
    """Return the columns that others explain but for rounding, where it is not clear that this is all they do.

    It is clear of columns that are sums of others: all other combinations of these are far from rounding. It is not
    of powers of a year, each of which the lower ones explain to a thousandth of what they leave of the one before.

    Parameters
    ----------
    rows, size : arrays of shape (m, p) and (p,)
        As `orthonormal_transform` takes them.
    transform : array of shape (p, rank)
        What it returned.

    Returns
    -------
    columns : array of int
        None where all directions are kept.
    """
    left_out = min(rows.shape) - transform.shape[1]
    even = size[:, None] * transform
    combined = np.linalg.norm(rows @ even, axis=0)
    rounding = np.finfo(float).eps * _largest(rows) * np.linalg.norm(even, axis=0)
    if left_out <= 0 or not np.any(rounding > UNCLEAR * combined):
        return np.zeros(0, dtype=int)
    order = scipy.linalg.qr(rows, mode="r", pivoting=True, check_finite=False)[1]
    found: Array = np.sort(order[transform.shape[1] : min(rows.shape)])
    return found


def refuse_loss(
    live: Array, rows: Array, size: Array, transform: Array, *, penalised: bool
) -> None:
    """Warn of columns that coordinates do not hold: no certificate in these speaks of them.

    Parameters
    ----------
    live : array of int
        The user's numbers of the columns.
    rows, size, transform : arrays
        As `orthonormal_transform` takes and returns them.
    penalised : bool
        Whether a penalty holds coefficients. Along a direction at the level of rounding it leaves next to nothing of
        them, so that predictions are the same without it, unless it is as small as the square of that rounding.
    """
    lost = np.flatnonzero(lost_shares(rows, size, transform) > LOST)
    if not penalised:
        lost = np.union1d(lost, unclear_columns(rows, size, transform))
    columns = live[lost]
    if len(columns):
        warnings.warn(
            f"X has columns ({', '.join(map(str, columns))}) that are nearly dependent on others: part of "
            "them is lost to rounding, and the fit may be worse than possible. Rescale them, or leave out "
            "columns that depend on others.",
            UserWarning,
            stacklevel=2,
        )


def _groups(sizes: Array) -> list[slice]:
    """Divide falling sizes into runs within which they differ by ``GRADE`` at the most."""
    groups, start = [], 0
    for stop in range(1, len(sizes) + 1):
        if stop == len(sizes) or sizes[stop] * GRADE < sizes[start]:
            groups.append(slice(start, stop))
            start = stop
    return groups


def _decomposed(rows: Array, groups: list[slice]) -> tuple[Array, list[Array]]:
    """Decompose ``rows`` as ``left @ span`` with orthonormal ``left``.

    ``span`` has one row for each direction that carries data; those of a group are zero on the groups
    before it. Also return the pseudo-inverse of each group's own part.
    """
    rounding = np.finfo(float).eps * max(100, 10 * min(rows.shape)) * _largest(rows)
    span: list[Array] = []
    inverses: list[Array] = []
    rest = rows
    for k, group in enumerate(groups):
        # What larger columns leave of one carries the rounding of all that was subtracted.
        carried = _subtracted(span, inverses, groups[:k], group)
        noise = rounding * np.sqrt(1.0 + np.einsum("ij,ij->j", carried, carried))
        part = rest[:, group]
        # the rows that are left for the groups to come are those of the complement
        whole = group.stop < rows.shape[1] and part.shape[1] < part.shape[0]
        left, values, right = np.linalg.svd(part / noise, full_matrices=whole)
        kept = int(np.count_nonzero(values > 1.0))
        found = np.zeros((kept, rows.shape[1]))
        found[:, group.start :] = left[:, :kept].T @ rest[:, group.start :]
        span.append(found)
        if k:
            inverses.append(np.linalg.pinv(found[:, group], rcond=0.0))
        else:  # nothing was subtracted: all noise is alike
            inverses.append(right[:kept].T / (values[:kept] * rounding))
        rest = left[:, kept:].T @ rest if group.stop < rows.shape[1] else rest
    return np.concatenate(span), inverses


def _subtracted(
    span: list[Array], inverses: list[Array], before: list[slice], group: slice
) -> Array:
    """Coefficients of what the columns before a group explain of it."""
    found = np.zeros((group.start, group.stop - group.start))
    for one, inverse, row in zip(before[::-1], inverses[::-1], span[::-1], strict=True):
        later = slice(one.stop, group.start)
        found[one] = inverse @ (row[:, group] - row[:, later] @ found[later])
    return found


def _inverse(span: Array, inverses: list[Array], groups: list[slice]) -> Array:
    """Inverse of a square ``span``, block by block, so that small groups stay out of large ones."""
    found = np.zeros_like(span)
    for group, inverse in zip(groups[::-1], inverses[::-1], strict=True):
        found[group, group] = inverse
        later = slice(group.stop, None)
        found[group, later] = -inverse @ (span[group, later] @ found[later, later])
    return found


def _shortest(span: Array, sizes: Array) -> Array:
    """Return the shortest of the right inverses of ``span * sizes``.

    It is ``Q @ inv(R).T`` where ``QR`` is the transpose. That is decomposed from its end: the smallest
    columns come first, and the zeros that the larger groups' directions have there stay zeros.
    """
    rows = (span * sizes).T[::-1, ::-1]
    largest = np.abs(rows).max(axis=0)
    rows = rows / largest
    length = np.sqrt(np.einsum("ij,ij->j", rows, rows))
    basis, triangle = scipy.linalg.qr(rows / length, mode="economic", check_finite=False)
    inverse = scipy.linalg.solve_triangular(
        triangle, np.eye(len(span)), trans="T", check_finite=False
    )
    found: Array = (basis @ inverse) / length / largest
    return found[::-1, ::-1]


def _largest(rows: Array) -> float:
    """Largest singular value, nearly: a few power iterations, and no less than a column's length."""
    if not rows.size:
        return 0.0
    lengths = np.sqrt(np.einsum("ij,ij->j", rows, rows))
    vector, largest = lengths, float(lengths.max())
    for _ in range(10):
        length = float(np.linalg.norm(vector))
        if length == 0:
            break
        image = rows @ (vector / length)
        largest = max(largest, float(np.linalg.norm(image)))
        vector = rows.T @ image
    return largest
