"""Tables of Dask: with a cluster in bundles where the rows are, without one by Dask's own scheduler.

Nothing here is imported before a user has passed a collection of Dask.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from robustreg._array import Array, is_sparse
from robustreg._lazy import is_lazy, width
from robustreg.tables._base import Node, Part, Sums, Table, add, join, nodes_of, summary
from robustreg.tables._checks import checked_weight, numbers, one_number, refuse_not_finite
from robustreg.tables._fingerprint import fingerprint, refuse_changed

#: seconds between two looks at whether there is anyone left to wait for
LOOK = 5.0
#: and looks without a worker after which a fit gives up: restarts take some seconds
GIVE_UP = 6


@dataclass(frozen=True)
class Ready:
    """Makes a checked :class:`Part` of what a partition holds.

    Parameters
    ----------
    check : callable
        Raises for an X that holds anything but numbers.
    read : callable
        Returns y as an array, given y and what it is called.
    positive : bool
        Whether rows of weight zero are left out.
    names : list or int
        Names of the columns that X has, or how many.
    """

    check: Callable[[Any], None]
    read: Callable[[Any, str], Array]
    positive: bool
    names: Any

    def __call__(self, number: int, X: Any, y: Any, weight: Any) -> Part:
        where = f"in partition {number}"
        if is_sparse(X):
            raise TypeError("Sparse partitions are not served: X must be dense.")
        self._check_columns(X, where)
        try:
            self.check(X)
        except ValueError as error:
            raise ValueError(f"{error} ({where})") from None
        names = list(getattr(X, "columns", range(X.shape[1])))
        X = numbers(X, f"X {where}")
        y = self.read(y, f"y {where}")
        if len(y) != len(X):
            raise ValueError(f"X has {len(X)} rows and y has {len(y)} {where}.")
        refuse_not_finite(X, names, where)
        if weight is not None:
            weight = checked_weight(y, numbers(weight, f"sample_weight {where}"), where)
        part = Part(X, y, weight)
        return part.positive() if self.positive else part

    def _check_columns(self, X: Any, where: str) -> None:
        """Refuse a partition that is not what the collection says: Dask does not look."""
        shape: Any = getattr(X, "shape", ())
        names = self.names
        width = names if isinstance(names, int) else len(names)
        if len(shape) != 2 or shape[1] != width:
            raise ValueError(f"X has {width} columns, and an array of shape {shape} {where}.")
        if width == names:
            return
        for expected, name in zip(names, getattr(X, "columns", names), strict=True):
            if name != expected:
                raise ValueError(f"X has column {name!r} {where} where {expected!r} is expected.")


class Known(NamedTuple):
    """What is known of a part of a table.

    Parameters
    ----------
    rows : int
        How many.
    total : float
        Sum of their weights.
    fingerprint : array
        As of :func:`~robustreg.tables._fingerprint.fingerprint`.
    """

    rows: int
    total: float
    fingerprint: Array


class Place(NamedTuple):
    """Where a part is in a table.

    Parameters
    ----------
    number, start : int
        Its own, and that of its first row.
    fingerprint : array
        What it had when the table was made.
    """

    number: int
    start: int
    fingerprint: Array


def placed(part: Part, place: Place) -> tuple[int, Part]:
    """Return a part with its number, if it has not changed since the table was made."""
    refuse_changed(place.fingerprint, fingerprint(part), part)
    return place.number, part._replace(start=place.start)


def known(part: Part) -> Known:
    """Return what is to be known of a part."""
    return Known(*summary(part), fingerprint(part))


class Bundle:
    """Parts, by their numbers, that one thread of a worker works through."""

    def __init__(self, parts: Iterable[tuple[int, Part]]) -> None:
        self.parts = [
            (number, Part(aligned(part.X), aligned(part.y), aligned(part.weight), part.start))
            for number, part in parts
        ]

    def reduce(self, function: Callable[[Part], Sums], combine: Any) -> list[Node]:
        """Return the subtrees that a pass over the parts adds up to."""
        return nodes_of(((number, function(part)) for number, part in self.parts), combine)

    @cached_property
    def known(self) -> dict[int, Known]:
        """What is known of each part."""
        return {number: known(part) for number, part in self.parts}

    def map(self, function: Callable[[Part], Part]) -> Bundle:
        """Return what is made of each part."""
        return Bundle((number, function(part)) for number, part in self.parts)

    def placed(self, places: dict[int, Place]) -> Bundle:
        """Return the parts that have a place: again, where a worker was lost."""
        kept = []
        for number, part in self.parts:
            if place := places.get(number):
                refuse_changed(place.fingerprint, self.known[number].fingerprint, part)
                kept.append((place.number, part._replace(start=place.start)))
        return Bundle(kept)


def known_of(bundle: Bundle) -> dict[int, Known]:
    """Return what is known of each part, on a worker."""
    return bundle.known


def make_bundle(numbers: Sequence[int], parts: Sequence[Part]) -> Bundle:
    """Put parts together on a worker."""
    return Bundle(zip(numbers, parts, strict=True))


def read_bundle(ready: Ready, numbers: Sequence[int], *columns: Sequence[Any]) -> Bundle:
    """Make parts of partitions that a worker has, and put them together."""
    return Bundle(
        (number, ready(number, *row)) for number, *row in zip(numbers, *columns, strict=True)
    )


def aligned(array: Any) -> Any:
    """Return an array in memory as BLAS wants it: what comes off the wire is ten times as slow."""
    return None if array is None else np.require(array, requirements=["C", "A"])


def reduce_bundle(bundle: Bundle, function: Callable[[Part], Sums], combine: Any) -> list[Node]:
    """Carry out a pass on a worker."""
    with np.errstate(all="ignore"):
        return bundle.reduce(function, combine)


def reduce_part(
    part: Part, place: Place, function: Callable[[Part], Sums], combine: Any
) -> list[Node]:
    """Carry out a pass on one part, by Dask's own scheduler, which has computed it anew."""
    return reduce_bundle(Bundle([placed(part, place)]), function, combine)


def version() -> str:
    """Version of this package, on a worker."""
    return str(sys.modules["robustreg"].__version__)


class DaskTable(Table):
    """Partitions of Dask: one bundle for each thread of the workers, or none without a cluster."""

    def __init__(self, held: Sequence[Any], n_features: int, client: Any) -> None:
        # parts that are not computed, or bundles and where they are
        self.client, self.n_features = client, n_features
        if client is None:
            found = [dict(enumerate(dask.compute(*map(dask.delayed(known), held))))]
        else:
            found = gathered(client, [submitted(client, at, known_of, one) for one, at in held])
        every: dict[int, Known] = {number: one for some in found for number, one in some.items()}
        # Empty parts get no number, so that they change no bit of a sum.
        kept = [number for number in sorted(every) if every[number].rows]
        self.total = float(sum(every[number].total for number in kept))
        if not self.total > 0:
            raise ValueError(
                "Found array with 0 sample(s) of positive weight while a minimum of 1 is required."
            )
        starts = np.cumsum([0, *(every[number].rows for number in kept)]).tolist()
        self.n_rows = int(starts[-1])
        places = {
            number: Place(i, starts[i], every[number].fingerprint) for i, number in enumerate(kept)
        }
        if client is None:
            self._held: list[Any] = [(held[number], place) for number, place in places.items()]
            return
        self._held = []
        for (bundle, at), mine in zip(held, found, strict=True):
            some = {number: places[number] for number in mine if number in places}
            if some:
                self._held.append((submitted(client, at, Bundle.placed, bundle, some), at))

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any,
        weight: Any,
        check: Callable[[Any], None],
        read: Callable[[Any, str], Array] = one_number,
        *,
        positive: bool = True,
    ) -> DaskTable:
        """Return collections as a table."""
        partitions, n_features = features(X)
        targets = beside(partitions, X, y, "y")
        weights = [None] * len(partitions)
        if weight is not None:
            weights = beside(partitions, X, weight, "sample_weight")
        ready = Ready(check, read, positive, list(getattr(X, "columns", ())) or n_features)
        client = find_client()
        given = [(X, partitions), (y, targets), (weight, weights)][: 2 + (weight is not None)]
        if client is None:
            refuse_left_behind(one for one, _ in given)
        else:
            require_version(client)
            there = [held(*one) for one in given]
            if all(there):  # a task for each partition would take longer than some fits
                columns = [*there, weights][:3]
                found = bundled(client, there[0], partial(read_bundle, ready), columns, own=False)
                return cls(found, n_features, client)
        one = dask.delayed(ready, pure=False)
        rows = zip(partitions, targets, weights, strict=True)
        parts = [one(i, *row) for i, row in enumerate(rows)]
        if client is None:
            return cls(parts, n_features, None)
        parts = client.compute(parts)
        return cls(bundled(client, parts, make_bundle, [parts]), n_features, client)

    def map(self, function: Callable[[Part], Part]) -> DaskTable:
        if self.client is None:
            change = dask.delayed(function, pure=False)
            return DaskTable([change(part) for part, *_ in self._held], self.n_features, None)
        changed = [
            (submitted(self.client, at, Bundle.map, bundle, function), at)
            for bundle, at in self._held
        ]
        return DaskTable(changed, self.n_features, self.client)

    def reduce(
        self, function: Callable[[Part], Sums], combine: Callable[[Sums, Sums], Sums] = add
    ) -> Sums:
        what: Any = (function, combine)
        if self.client is None:
            one = dask.delayed(reduce_part, pure=False)
            found = dask.compute(*(one(*part, *what) for part in self._held))
        else:
            tasks = [submitted(self.client, at, reduce_bundle, b, *what) for b, at in self._held]
            found = gathered(self.client, tasks)
        return join([node for nodes in found for node in nodes], combine)


#: what became of rows on a cluster
GONE = (
    "The Dask client is closed, or its scheduler has gone, and with it what the workers held: connect to a cluster, "
    "persist the data there, make Rows anew, and fit again."
)


def submitted(client: Any, workers: list[str], function: Callable[..., Any], *what: Any) -> Any:
    """Ask for a result where its rows are, or elsewhere where that worker has gone."""
    with watched(client, []):
        return client.submit(function, *what, workers=workers, pure=False, allow_other_workers=True)


def refuse_left_behind(collections: Iterable[Any]) -> None:
    """Refuse collections that were persisted on a cluster, where there is no client of one any more."""
    if "distributed" in sys.modules:
        from distributed import futures_of

        if any(is_lazy(one) and futures_of(one) for one in collections):
            raise RuntimeError(GONE)


def held(collection: Any, partitions: list[Any]) -> list[Any]:
    """Return the partitions as futures where the cluster of a client holds all of them, else nothing."""
    from distributed import futures_of

    if not is_lazy(collection):
        return []
    known = {future.key: future for future in futures_of(collection)}
    found = [known[part.key] for part in partitions if part.key in known]
    return found if len(found) == len(partitions) else []


def bundled(
    client: Any, parts: list[Any], make: Any, columns: list[list[Any]], *, own: bool = True
) -> list[tuple[Any, list[str]]]:
    """Put parts together where they are: bundles, and where those are.

    Parameters
    ----------
    client : Client
        Of the cluster.
    parts : list of futures
        They are waited for, and called off where that is interrupted and they are ``own``.
    make : callable
        Returns a bundle of numbers of parts and their entries of each column.
    columns : list of lists
        What it is made of.
    own : bool, default=True
        Whether nobody else holds the parts.
    """
    with watched(client, parts if own else []):
        settled(client, parts)
        holders = client.who_has(parts)
        threads = {at: w["nthreads"] for at, w in client.scheduler_info(-1)["workers"].items()}
    here: dict[str, list[int]] = defaultdict(list)
    for number, future in enumerate(parts):
        at = holders.get(future.key) or sorted(threads)
        here[min(at, key=lambda a: len(here[a]))].append(number)
    bundles = []
    for address, mine in here.items():
        share = -(-len(mine) // max(threads.get(address, 1), 1))
        for first in range(0, len(mine), share):
            some = mine[first : first + share]
            those = [[column[i] for i in some] for column in columns]
            bundles.append((submitted(client, [address], make, some, *those), [address]))
    return bundles


def settled(client: Any, futures: list[Any]) -> None:
    """Wait for results; an error rather than an endless wait where nobody is left to make them."""
    from distributed import wait

    lonely = 0
    while True:
        try:
            wait(futures, timeout=LOOK)
            return
        except TimeoutError:
            alive = client.status == "running" and client.scheduler_info(-1)["workers"]
            lonely = 0 if alive else lonely + 1
            if lonely >= GIVE_UP:
                raise RuntimeError(
                    f"No Dask worker has been there for {LOOK * GIVE_UP:.0f} seconds: start workers and fit "
                    "again."
                ) from None


@contextmanager
def watched(client: Any, futures: list[Any]) -> Iterator[None]:
    """Say what lost rows and clusters mean; what was asked for is called off where it ends in another way."""
    try:
        yield
    except BaseException as error:
        running, lost = client.status == "running", isinstance(error, CancelledError)
        if not running and (lost or isinstance(error, Exception)):
            raise RuntimeError(GONE) from error
        if lost:
            raise RuntimeError(
                "Rows were lost with a worker and cannot be made again, as those that client.scatter has "
                f"sent: pass a collection that Dask can compute again ({error})."
            ) from None
        for future in futures:
            future.release()  # to cancel a task amid others may cost the client its connection
        raise


def gathered(client: Any, futures: list[Any]) -> list[Any]:
    """Return results."""
    with watched(client, futures):
        settled(client, futures)
        return list(client.gather(futures))


def find_client() -> Any:
    """Return the client of a cluster, None where there is none or it is closed."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        client = distributed.get_client()
    except ValueError:
        return None
    return None if client.status in ("closing", "closed") else client


def require_version(client: Any) -> None:
    """Refuse workers that lack this package or have another version of it."""
    own = version()
    with watched(client, []):
        every = client.run(version, on_error="return")
    for at, found in every.items():
        # another error is that of a worker that has just gone: Dask finds others for its work
        if found != own and isinstance(found, str | ImportError | AttributeError):
            raise RuntimeError(
                f"robustreg {own} must be installed on every worker. On {at}: {found!r}."
            )


def features(X: Any) -> tuple[list[Any], int]:
    """Return the partitions of X as delayed objects, and the number of columns."""
    if not is_lazy(X):
        raise TypeError(
            "y or sample_weight is a Dask collection and X is none: pass all of one kind."
        )
    if getattr(X, "ndim", 0) != 2:
        raise ValueError(f"Expected 2D array, got a Dask {type(X).__name__} of other dimension.")
    if isinstance(X, da.Array) and X.numblocks[1] != 1:
        raise ValueError(
            "X has chunks along its columns, and rows must be whole: pass X.rechunk({1: -1})."
        )
    columns = width(X)
    if not columns:
        raise ValueError("X has no columns: 0 feature(s), and at least 1 is needed.")
    return list(np.ravel(X.to_delayed())), columns


def beside(partitions: list[Any], X: Any, values: Any, name: str) -> list[Any]:
    """Return the partitions of y or of weights that go with those of X."""
    if is_lazy(values):
        if getattr(values, "ndim", 1) == 2 and getattr(values, "numblocks", (1, 1))[1] != 1:
            raise ValueError(
                f"{name} has chunks along its columns, and rows must be whole: pass "
                f"{name}.rechunk({{1: -1}})."
            )
        found = list(np.ravel(values.to_delayed()))
        if len(found) != len(partitions):
            raise ValueError(
                f"X has {len(partitions)} partitions and {name} has {len(found)}: repartition one as the other."
            )
        return found
    if values is None:
        raise ValueError(
            f"This estimator requires {name} to be passed, but the target {name} is None."
        )
    values = np.asarray(values)
    counts = dask.compute(*map(dask.delayed(len), partitions))
    if values.ndim == 0 or len(values) != sum(counts):
        raise ValueError(f"X has {sum(counts)} rows and {name} has shape {values.shape}.")
    return np.split(values, np.cumsum(counts)[:-1])


@dataclass(frozen=True)
class Answer:
    """What a function says of a partition; nothing of an empty one."""

    function: Callable[..., Any]
    like: Array

    def __call__(self, X: Any, *others: Any) -> Array:
        return np.asarray(self.function(X, *others)) if len(X) else self.like


def map_partitions(function: Callable[..., Any], like: Array, X: Any, *others: Any) -> Any:
    """Return answers of rows as a Dask array that is not computed."""
    partitions, _ = features(X)
    columns = [partitions, *(beside(partitions, X, other, "y") for other in others)]
    lengths = X.chunks[0] if isinstance(X, da.Array) else [np.nan] * len(partitions)
    answer = dask.delayed(Answer(function, like))
    found = [answer(*parts) for parts in zip(*columns, strict=True)]
    # put together as chunks, because da.concatenate leaves out empty ones
    name = f"robustreg-{tokenize(*(one.key for one in found))}"
    keys = {(name, i, *[0] * (like.ndim - 1)): one.key for i, one in enumerate(found)}
    graph = HighLevelGraph.from_collections(name, keys, dependencies=found)
    chunks = (tuple(lengths), *((k,) for k in like.shape[1:]))
    return da.Array(graph, name, chunks, dtype=like.dtype)
