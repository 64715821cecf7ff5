"""Memory that a thread writes to again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from threading import local
from typing import Any

import numpy as np

from robustreg._array import Array

#: bytes that are asked for at the least, as a block of rows has, and kept at the most
LEAST, MOST = 1 << 22, 1 << 23

_local = local()


def scratch(use: str, shape: tuple[int, ...]) -> Array:
    """Return an array for this thread to write to, and to forget before it asks for the same use again.

    Memory fresh from the system costs more at its first touch than the arithmetic of a block.
    """
    size, all_kept = math.prod(shape), _local.__dict__
    kept: Array | None = all_kept.get(use)
    if kept is None or kept.size < size:
        kept = np.empty(max(size, LEAST // 8))
        if kept.nbytes <= MOST:
            all_kept[use] = kept
    return kept[:size].reshape(shape)


def added(terms: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the sums of the entries of tuples; to a matrix that is a sum already the next is added in its place."""
    waiting = iter(terms)
    total = next(waiting)
    own = False
    for one in waiting:
        pairs = zip(total, one, strict=True)
        total = tuple([
            np.add(a, b, out=a) if own and type(a) is np.ndarray and a.ndim == 2 else a + b
            for a, b in pairs
        ])  # fmt: skip
        own = True
    return total
