"""The first of many numbers, in order: most searches need a few of them, and a sort of all takes longer than a pass."""

from __future__ import annotations

import numpy as np

from robustreg._array import Array

#: numbers up to which all are sorted (machine: of 250 that takes as long as finding the first 64)
SHORT = 250


def first(values: Array, count: int) -> Array:
    """Return which are the ``count`` smallest, in the order of a stable sort.

    Parameters
    ----------
    values : array of shape (n,)
        Numbers.
    count : int
        How many; all where there are no more.

    Returns
    -------
    first : array of int
    """
    if 0 < count < len(values) // 2 and len(values) > SHORT:
        last = np.partition(values, count - 1)[count - 1]
        near = (values <= last).nonzero()[0]
        if len(near) >= count:  # unless numbers are missing
            return near[values[near].argsort(kind="stable")[:count]]
    return values.argsort(kind="stable")[:count]
