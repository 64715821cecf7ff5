"""Data that another library has not computed yet: known by the protocol of Dask, which is not imported."""

from __future__ import annotations

import math
from typing import Any


def is_lazy(value: Any) -> bool:
    """Whether a value is a collection of Dask: an array, series or data frame that is not computed; or rows."""
    if is_rows(value):
        return True
    graph = getattr(value, "__dask_graph__", None)
    return callable(graph) and not isinstance(value, type) and graph() is not None


def is_rows(value: Any) -> bool:
    """Whether a value is :class:`robustreg.Rows`, known by how they are opened."""
    return hasattr(type(value), "_open_as")


def width(X: Any) -> int:
    """Return the number of columns of a collection.

    Raises
    ------
    ValueError
        If it is not known.
    """
    columns = X.shape[-1]
    if math.isnan(columns):  # as of chunks of unknown size
        raise ValueError(
            "The number of columns of X is unknown, and a fit needs it. Say it where X is made: "
            "chunks=(sizes of the rows, (number of columns,)) of map_blocks or from_delayed."
        )
    return int(columns)


def refuse_lazy(who: str, instead: str = "", /, **named: Any) -> None:
    """Refuse collections of Dask: NumPy would compute all of them into this process, without a word.

    Parameters
    ----------
    who : str
        What cannot serve them, as the user calls it.
    instead : str, optional
        What serves them.
    **named : any
        Arguments by their names.

    Raises
    ------
    TypeError
        That names the argument, and says what to do.
    """
    for name, value in named.items():
        if is_rows(value):
            raise TypeError(
                f"{name} is {value!r}, which are not in this process. {who} needs its data here: read them into "
                "memory, or map them from a .npy file." + instead
            )
        if is_lazy(value):
            kind = f"{type(value).__module__.split('.')[0]} {type(value).__name__}"
            raise TypeError(
                f"{name} is a {kind}, whose data are not in this process. {who} needs them here and does "
                f"not load them unasked. Where they fit into memory pass {name}.compute(); else write them "
                f'to a .npy file and map it: np.load("{name}.npy", mmap_mode="r").' + instead
            )
