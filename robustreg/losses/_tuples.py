"""Which rows a loss of embeddings sees together: pairs, triplets and batches, drawn by their labels.

Rows are drawn by weight, so that a weight is a number of repetitions in expectation. Everything is
drawn from the generator that is passed: the same one gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses._geometry import label_pairs, label_triplets

#: rows among which mining looks for the nearest. With 2 it changes little; with 10 the triplets of
#: overlapping classes, as digits in two dimensions, are those that no linear map can satisfy
CANDIDATES = 4
#: rows of a group that one batch holds at the most
MEMBERS = 10
#: candidates whose distances are found at a time, so that memory does not grow with the number drawn
STEP = 1 << 11
#: scores of rows and classes that are held at a time
SCORES = 1 << 21


class Tuples(NamedTuple):
    """Rows that a loss sees in one call.

    Parameters
    ----------
    rows : tuple of arrays of int
        Row numbers, one array for each moving input of the loss.
    y : array, optional
        Targets of the loss.
    weight : array, optional
        Weights of its values.
    """

    rows: tuple[Array, ...]
    y: Array | None = None
    weight: Array | None = None


class Request(NamedTuple):
    """What is to be drawn.

    Parameters
    ----------
    size : int
        How many pairs or triplets, or rows in all batches together.
    batch : int
        Groups in a batch.
    mining : {"all", "semi-hard", "hard"}
        Which pairs and triplets.
    """

    size: int
    batch: int
    mining: str


@dataclass
class Labelled:
    """Labels of rows that are sorted by them, with weights.

    Parameters
    ----------
    label : array of int of shape (n,)
        Not decreasing, from 0 on without gaps.
    weight : array of shape (n,), optional
        Positive.
    """

    label: Array
    weight: Array | None = None
    count: Array = field(init=False)
    first: Array = field(init=False)
    edges: Array = field(init=False)

    def __post_init__(self) -> None:
        weight = np.ones(len(self.label)) if self.weight is None else self.weight
        self.count = np.bincount(self.label)
        self.first = np.append(0, np.cumsum(self.count))
        #: row i has the weights between edges[i] and edges[i + 1]
        self.edges = np.append(0.0, np.cumsum(weight))

    def subset(self, rows: Array) -> Labelled:
        """Return some rows, in order, their labels numbered anew."""
        label = np.unique(self.label[rows], return_inverse=True)[1].reshape(-1)
        return Labelled(label, None if self.weight is None else self.weight[rows])

    @property
    def several(self) -> Array:
        """Groups of two rows or more."""
        return np.flatnonzero(self.count > 1)

    @property
    def mass(self) -> Array:
        """Sum of the weights of each group."""
        return np.diff(self.edges[self.first])

    def anchors(self, size: int, rng: np.random.Generator) -> Array:
        """Rows that have another of their label, each as often as its weight says, to one time."""
        fit = self.count[self.label] > 1
        edges = np.cumsum(np.where(fit, np.diff(self.edges), 0.0))
        at = (np.arange(size) + rng.random()) * (edges[-1] / size)
        last = int(np.flatnonzero(fit)[-1])
        return np.minimum(np.searchsorted(edges, at, side="right"), last)

    def one_of(self, groups: Array, rng: np.random.Generator) -> Array:
        """One row of each group."""
        low, high = self.first[groups], self.first[groups + 1]
        return self._between(low, high, low, low, rng)

    def partners(self, rows: Array, rng: np.random.Generator) -> Array:
        """For each row another one of its label."""
        group = self.label[rows]
        return self._between(self.first[group], self.first[group + 1], rows, rows + 1, rng)

    def others(self, rows: Array, rng: np.random.Generator) -> Array:
        """For each row one of another label."""
        group = self.label[rows]
        ends = np.zeros_like(rows), np.full_like(rows, len(self.label))
        return self._between(*ends, self.first[group], self.first[group + 1], rng)

    def _between(
        self, low: Array, high: Array, start: Array, stop: Array, rng: np.random.Generator
    ) -> Array:
        """Rows from ``low`` to ``high`` but for those from ``start`` to ``stop``, by weight."""
        edges = self.edges
        left_out = edges[stop] - edges[start]
        at = edges[low] + rng.random(low.shape) * (edges[high] - edges[low] - left_out)
        apart = start < stop
        beyond = apart & (stop < high) & (at >= edges[start])
        at = np.where(beyond, at + left_out, at)
        if self.weight is None:  # edges are whole numbers
            row = at.astype(np.intp)
        else:
            row = np.searchsorted(edges, at, side="right") - 1
        # rounding may reach what is left out, and the end
        lower: Array = np.where(beyond, stop, low)
        upper: Array = np.where(apart & ~beyond, start, high)
        return np.clip(row, lower, upper - 1)


Formation = Callable[[Labelled, Request, Array, np.random.Generator], list[Tuples]]


def triplets(
    labelled: Labelled, request: Request, Z: Array, rng: np.random.Generator
) -> list[Tuples]:
    """Anchors with a row of their label and a row of another one."""
    if request.mining == "all" and n_triplets(labelled) <= request.size:
        rows = label_triplets(labelled.label)
        return [Tuples(rows, weight=_products(labelled, *rows))]
    return [Tuples(_mined(labelled, request.size, request.mining, Z, rng))]


def pairs(labelled: Labelled, request: Request, Z: Array, rng: np.random.Generator) -> list[Tuples]:
    """Pairs of rows of one label, and pairs of different labels."""
    if request.mining == "all" and n_pairs(labelled) <= request.size:
        first, second, similar = label_pairs(labelled.label)
        weight = _products(labelled, first, second)
        return [Tuples((first, second), similar.astype(float), weight)]
    size = max(request.size // 2, 1)
    anchor, positive, negative = _mined(labelled, size, request.mining, Z, rng)
    rows = np.append(anchor, anchor), np.append(positive, negative)
    return [Tuples(rows, np.repeat([1.0, 0.0], size))]


def pair_batches(
    labelled: Labelled, request: Request, Z: Array, rng: np.random.Generator
) -> list[Tuples]:
    """Batches of pairs, one pair of a label each, so that the others of a batch are negatives."""
    groups = labelled.several
    found = []
    for _ in range(max(request.size // len(groups), 1)):
        for some in _batches(rng.permutation(groups), request.batch):
            anchor = labelled.one_of(some, rng)
            rows = anchor, labelled.partners(anchor, rng)
            found.append(Tuples(rows, weight=_shares(labelled, some)))
    return found


def group_batches(
    labelled: Labelled, request: Request, Z: Array, rng: np.random.Generator
) -> list[Tuples]:
    """Batches of groups with equally many members, drawn without replacement."""
    groups = labelled.several
    size = np.minimum(labelled.count, MEMBERS)
    weight = np.diff(labelled.edges)
    found = []
    for _ in range(max(request.size // int(size[groups].sum()), 1)):
        order = rng.permutation(groups)
        # groups of similar size together, so that few members are left out
        order = order[np.argsort(size[order], kind="stable")]
        # the order of the arrival times of processes with these rates draws by weight
        drawn = np.lexsort((rng.standard_exponential(len(weight)) / weight, labelled.label))
        for some in _batches(order, request.batch):
            members = np.arange(size[some].min())
            rows = drawn[labelled.first[some][:, None] + members]
            found.append(Tuples((rows,), weight=_shares(labelled, some)))
    return found


def all_rows(
    labelled: Labelled, request: Request, Z: Array, rng: np.random.Generator
) -> list[Tuples]:
    """Every row with its label, some at a time."""
    n = len(labelled.label)
    found = []
    for rows in np.array_split(np.arange(n), -(-n * len(labelled.count) // SCORES)):
        weight = None if labelled.weight is None else labelled.weight[rows]
        found.append(Tuples((rows,), labelled.label[rows].astype(float), weight))
    return found


FORMATIONS: dict[str, Formation] = {
    function.__name__: function
    for function in (pairs, triplets, pair_batches, group_batches, all_rows)
}
"""How rows are put together, by the name that a target has for it."""


ONE_BY_ONE = ("pairs", "triplets")
"""Those whose tuples a loss sees one by one, and not as a batch."""


def in_parts(drawn: list[Tuples], size: int) -> list[Tuples]:
    """Divide tuples that a loss sees one by one into calls of at most ``size``."""
    return [
        Tuples(
            tuple(rows[start : start + size] for rows in some.rows),
            None if some.y is None else some.y[start : start + size],
            None if some.weight is None else some.weight[start : start + size],
        )
        for some in drawn
        for start in range(0, len(some.rows[0]), size)
    ]


def n_pairs(labelled: Labelled) -> int:
    """How many pairs of rows there are."""
    n = len(labelled.label)
    return n * (n - 1) // 2


def n_triplets(labelled: Labelled) -> int:
    """How many triplets :func:`triplets` can form."""
    count = labelled.count.astype(object)  # beyond 64 bits from some millions of rows on
    return int((count * (count - 1) * (len(labelled.label) - count)).sum())


def _mined(
    labelled: Labelled, size: int, mining: str, Z: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Anchors, a row of the label of each, and a row of another label."""
    anchor = labelled.anchors(size, rng)
    if mining == "all":
        return anchor, labelled.partners(anchor, rng), labelled.others(anchor, rng)
    positive, negative = np.empty_like(anchor), np.empty_like(anchor)
    for start in range(0, size, STEP):
        part = slice(start, start + STEP)
        some = np.repeat(anchor[part, None], CANDIDATES, axis=1)
        own = some[:, :1] if mining == "semi-hard" else some
        own, away = labelled.partners(own, rng), labelled.others(some, rng)
        near, far = _squares(Z, anchor[part], own), _squares(Z, anchor[part], away)
        chosen = near.argmin(axis=1)
        if mining == "semi-hard":  # the nearest beyond the positive, or else the farthest
            beyond = far > near
            far = np.where(beyond, far, np.where(beyond.any(axis=1, keepdims=True), np.inf, -far))
        each = np.arange(len(own))
        positive[part], negative[part] = own[each, chosen], away[each, far.argmin(axis=1)]
    return anchor, positive, negative


def _squares(Z: Array, rows: Array, others: Array) -> Array:
    """Squared distances of rows from several others each."""
    apart = Z.take(others, axis=0) - Z.take(rows, axis=0)[:, None, :]
    return np.einsum("ijk,ijk->ij", apart, apart)


def _batches(groups: Array, batch: int) -> list[Array]:
    """Parts of at least ``batch`` groups, where there are as many."""
    return np.array_split(groups, max(len(groups) // batch, 1))


def _products(labelled: Labelled, *rows: Array) -> Array | None:
    """Product of the weights of rows that belong together."""
    if labelled.weight is None:
        return None
    return np.prod([labelled.weight[some] for some in rows], axis=0)


def _shares(labelled: Labelled, groups: Array) -> Array | None:
    """Weights of groups, of which one of average mass has one; None for equal ones."""
    mass = labelled.mass
    share = mass / mass[labelled.several].mean()
    return None if np.all(mass == mass[0]) else share[groups]
