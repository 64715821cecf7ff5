"""Few rows that stand for all: drawn by chance, by how much they count, or spread evenly; and the largest."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from robustreg._array import Array

#: rows drawn with equal chances stand for all if those that count are at least this share of them: with
#: two classes a seventeenth of the rows of one of them is enough
EVEN = 0.25
#: rounds that share out what rows taken for certain leave to the others; each takes most of the rest
ROUNDS = 8


@lru_cache(maxsize=8)
def drawn(n: int, size: int) -> Array:
    """Return ``size`` of ``n`` rows in order, by chance but always the same."""
    rows = np.random.default_rng(0).choice(n, size, replace=False, shuffle=False)
    rows.sort()
    rows.flags.writeable = False  # kept for the next fit to a table of this length
    return rows


def spread_rows(n: int, size: int, run: int = 256) -> Array:
    """Return about ``size`` rows in runs spread evenly over all: quicker to read than single rows."""
    run = min(run, n)
    starts = np.linspace(0, n - run, max(size // run, 1)).astype(int)
    return np.add.outer(starts, np.arange(run)).ravel()


def effective(importance: Array) -> float:
    """Return how many rows of equal importance tell as much as these (Kish, 1965)."""
    return float(importance.sum()) ** 2 / float(importance @ importance)


def uneven(importance: Array) -> bool:
    """Whether rows drawn with equal chances would miss most of what counts."""
    return effective(importance) < EVEN * len(importance)


def draw_by(importance: Array, size: int) -> tuple[Array, Array]:
    """Draw about ``size`` rows, those that count more with a larger chance.

    Parameters
    ----------
    importance : array of shape (n,)
        How much each row counts, at least 0.
    size : int
        How many rows are wanted.

    Returns
    -------
    rows : array of int
        In order, the same for the same input.
    factor : array
        Reciprocal of the chance of each of them: weights times it leave every weighted sum unbiased.

    References
    ----------
    Horvitz, D. G. and Thompson, D. J. (1952). A generalization of sampling without replacement from a
    finite universe. Journal of the American Statistical Association 47, 663-685. Half of the chance is
    equal for all rows, so that no factor exceeds ``2 n / size``.
    """
    n = len(importance)
    share = 0.5 / n + 0.5 * importance / importance.sum()
    chance = np.minimum(1.0, size * share)
    for _ in range(ROUNDS):
        certain = chance >= 1.0
        rest = float(share[~certain].sum())
        left = size - int(np.count_nonzero(certain))
        if rest == 0.0 or left <= 0:
            break
        wider = np.where(certain, 1.0, np.minimum(1.0, left / rest * share))
        settled = np.count_nonzero(wider >= 1.0) == np.count_nonzero(certain)
        chance = wider
        if settled:
            break
    rows = np.flatnonzero(np.random.default_rng(0).random(n) < chance)
    return rows, 1 / chance[rows]


def largest(size: Array, most: int, least: float) -> Array:
    """Return the numbers of so many of the largest entries, in order, without those that are no larger than ``least``."""
    rows = np.argpartition(size, -most)[-most:] if len(size) > most else np.arange(len(size))
    return np.sort(rows[size[rows] > least])
