"""Numbered parts of rows, and sums over them in an order that the numbers alone decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg._threads import in_order

#: parts of a table in this process are divided into so many, each of which is one thread's work
CHUNKS = 16

#: what a pass returns for a part, and what the sum of parts is
Sums = tuple[Any, ...]


class Part(NamedTuple):
    """Some rows, as NumPy arrays in one process.

    Parameters
    ----------
    X : array of shape (n, n_features)
        Of single or double precision.
    y : array of shape (n,) or (n, n_outputs)
        Targets, or labels.
    weight : array of shape (n,) or None
        Weights; those of a table that is fitted are positive.
    start : int
        Number of the first row, of all rows of the table.
    """

    X: Array
    y: Array
    weight: Array | None
    start: int = 0

    def positive(self) -> Part:
        """Return the rows of positive weight."""
        if self.weight is None or self.weight.all():
            return self
        kept = self.weight > 0
        return Part(self.X[kept], self.y[kept], self.weight[kept], self.start)


class Node(NamedTuple):
    """The sum of the parts from ``place * 2**level`` to ``(place + 1) * 2**level``."""

    level: int
    place: int
    sums: Sums


def add(one: Sums, other: Sums) -> Sums:
    """Add two tuples entry by entry."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def stack(one: Sums, other: Sums) -> Sums:
    """Put the rows of two tuples of arrays one after another."""
    return tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))


def nodes_of(
    leaves: Iterable[tuple[int, Sums]], combine: Callable[[Sums, Sums], Sums] = add
) -> list[Node]:
    """Return the whole subtrees that parts in ascending order add up to.

    Two neighbours are joined where they are the two halves of one subtree, so that a sum has the same bits
    whoever has which parts.
    """
    return _joined((Node(0, number, sums) for number, sums in leaves), combine)


def join(nodes: Iterable[Node], combine: Callable[[Sums, Sums], Sums] = add) -> Sums:
    """Return the sum of all parts, from the subtrees that each of their holders made."""
    nodes = sorted(nodes, key=lambda node: node.place << node.level)
    *rest, sums = [node.sums for node in _joined(nodes, combine)]
    for left in reversed(rest):
        sums = combine(left, sums)
    return sums


def _joined(nodes: Iterable[Node], combine: Callable[[Sums, Sums], Sums]) -> list[Node]:
    waiting: list[Node] = []
    for node in nodes:
        while waiting and node.place % 2 and waiting[-1][:2] == (node.level, node.place - 1):
            left = waiting.pop()
            node = Node(node.level + 1, node.place // 2, combine(left.sums, node.sums))
        waiting.append(node)
    return waiting


class Table(ABC):
    """Rows in numbered parts.

    Attributes
    ----------
    n_rows, n_features : int
        Rows of positive weight, and columns.
    total : float
        Sum of their weights.
    """

    n_rows: int
    n_features: int
    total: float

    @abstractmethod
    def reduce(
        self, function: Callable[[Part], Sums], combine: Callable[[Sums, Sums], Sums] = add
    ) -> Sums:
        """Return what ``function`` says of all parts, combined: one pass.

        ``function`` is a small object that pickles: it may be called where the rows are.
        """

    @abstractmethod
    def map(self, function: Callable[[Part], Part]) -> Table:
        """Return the table of what ``function`` makes of each part, where it is."""


class Local(Table):
    """Parts in this process."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.n_features = parts[0].X.shape[1]
        self.parts, self.n_rows, self.total = [], 0, 0.0
        for part in parts:
            if len(part.y):
                count, mass = summary(part)
                self.parts.append(part._replace(start=self.n_rows))
                self.n_rows += count
                self.total += mass

    def reduce(
        self, function: Callable[[Part], Sums], combine: Callable[[Sums, Sums], Sums] = add
    ) -> Sums:
        some = -(-len(self.parts) // CHUNKS)

        def chunk(first: int) -> list[Node]:
            parts = self.parts[first : first + some]
            return nodes_of(((first + i, function(part)) for i, part in enumerate(parts)), combine)

        return join(chain.from_iterable(in_order(chunk, range(0, len(self.parts), some))), combine)

    def map(self, function: Callable[[Part], Part]) -> Local:
        return Local(list(map(function, self.parts)))


def summary(part: Part) -> tuple[int, float]:
    """Rows and sum of the weights of a part."""
    return len(part.y), float(len(part.y) if part.weight is None else part.weight.sum())
