"""Pairs of rows within queries, counted and summed by sorting.

A pair is two rows of one query of which one has the higher grade; ``d`` is its score less the other's.
Pairs are never listed but for the few near a kink. In binary, two different grades have a highest bit
in which they differ. So each bit divides the rows of a query into blocks in which every row with the
bit makes a pair with every row without, and sums over such a block follow from sorted scores.
Joachims, T. (2006). Training linear SVMs in linear time. Lee, C.-P. and Lin, C.-J. (2014). Large-scale
linear RankSVM. Neural Computation 26, 781-817.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array

#: pairs that are listed at a time for a loss that has no sums by sorting
LISTED = 1 << 18


@dataclass
class _Blocks:
    """Rows of all blocks of one bit, block after block.

    Parameters
    ----------
    rows, block, above : arrays of shape (m,)
        Number of the row, number of its block, and whether the row has the bit.
    start, end : arrays of shape (m,)
        Of each place the first of its block, and the first beyond it.
    """

    rows: Array
    block: Array
    above: Array
    start: Array
    end: Array

    @classmethod
    def of(cls, rows: Array, block: Array, above: Array) -> _Blocks | None:
        """Arrange rows by blocks, without blocks that hold no pair."""
        number = np.bincount(block)
        upper = np.bincount(block, weights=above)
        mixed = ((upper > 0) & (upper < number))[block]
        rows, block, above = rows[mixed], block[mixed], above[mixed]
        if not len(rows):
            return None
        order = np.argsort(block, kind="stable")
        rows, block, above = rows[order], block[order], above[order]
        first = np.searchsorted(block, block, side="left")
        last = np.searchsorted(block, block, side="right")
        block = np.cumsum(np.diff(block, prepend=block[0]) != 0)
        if block[-1] < 1 << 16:  # sorted by their digits
            block = block.astype(np.uint16)
        return cls(rows, block, above, first, last)

    def order(self, s: Array, margin: float) -> _Order:
        """Sort rows by score, those with the bit as if their scores were ``margin`` lower.

        A pair has ``d < margin`` where the row with the bit comes first.
        """
        key = s[self.rows] - margin * self.above
        order = np.argsort(key)
        ascending = key[order]
        if np.any(ascending[1:] == ascending[:-1]):  # rows with the bit come after others alike
            order = np.lexsort((self.above, key, self.block))
        else:  # a stable sort of three keys takes twice as long
            order = order[np.argsort(self.block[order], kind="stable")]
        rows, above = self.rows[order], self.above[order]
        ups = np.concatenate([[0], np.cumsum(above)])
        downs = np.arange(len(ups)) - ups
        place_up, place_down = np.flatnonzero(above), np.flatnonzero(~above)
        return _Order(
            rows[place_up],
            rows[place_down],
            (downs[place_up], downs[self.end[place_up]]),
            (ups[self.start[place_down]], ups[place_down]),
        )


class _Order(NamedTuple):
    """Rows with and without the bit, sorted, and between which of the others their partners are.

    Partners are the rows that make a pair with ``d < margin`` with a row.
    """

    up: Array
    down: Array
    of_up: tuple[Array, Array]
    of_down: tuple[Array, Array]

    def partners(self, values: Array) -> tuple[Array, Array]:
        """Sum of the values of the partners of each row with the bit, and without."""
        return _between(values[self.down], self.of_up), _between(values[self.up], self.of_down)


def _between(values: Array, bounds: tuple[Array, Array]) -> Array:
    """Sum the values between each pair of bounds."""
    total = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=total[1:])
    sums: Array = total[bounds[1]]
    sums -= total[bounds[0]]
    return sums


class Pairs:
    """All pairs of rows of one query and different grades.

    Parameters
    ----------
    grade : array of shape (n,)
        Any numbers; only their order within a query counts.
    query : array of shape (n,)
        Which query a row belongs to, as whole numbers from 0.
    weight : array of shape (n,) or None
        A pair counts as often as the product of its rows' weights.
    """

    def __init__(self, grade: Array, query: Array, weight: Array | None = None) -> None:
        self.weight = np.ones(len(grade)) if weight is None else weight
        self.grade, self.query = grade, query
        order = np.lexsort((grade, query))
        new_query = np.diff(query[order], prepend=-1) != 0
        step = new_query | (np.diff(grade[order], prepend=np.nan) != 0)
        count = np.cumsum(step) - 1
        rank = np.empty(len(grade), dtype=np.int64)
        rank[order] = count - np.maximum.accumulate(np.where(new_query, count, 0))
        self.levels: list[_Blocks] = []
        self._known: tuple[Any, dict[float, list[_Order]]] = (None, {})
        for bit in range(int(rank.max(initial=0)).bit_length()):
            above = rank[order] >> (bit + 1)
            block = np.empty(len(grade), dtype=np.int64)
            block[order] = np.cumsum(new_query | (np.diff(above, prepend=-1) != 0)) - 1
            level = _Blocks.of(np.arange(len(grade)), block, (rank >> bit & 1).astype(bool))
            if level is not None:
                self.levels.append(level)
        # with every score alike and a margin above 0 all pairs count
        total, _, _ = self.hinge(np.zeros(len(grade)), 1.0)
        self.total = total

    def subset(self, rows: Array) -> Pairs:
        """Return the pairs of some rows."""
        query = np.unique(self.query[rows], return_inverse=True)[1].reshape(-1)
        return Pairs(self.grade[rows], query, self.weight[rows])

    def _orders(self, s: Array, margin: float) -> list[_Order]:
        """Return the orders of all bits; those of the last scores are kept, for gradient and Hessian."""
        if self._known[0] is not s:
            self._known = s, {}
        known = self._known[1]
        if margin not in known:
            known[margin] = [level.order(s, margin) for level in self.levels]
        return known[margin]

    def hinge(self, s: Array, margin: float) -> tuple[float, Array, float]:
        """Sum of max(0, margin - d), its gradient in the scores and its derivative in the margin."""
        w, value, active = self.weight, 0.0, 0.0
        slope = np.zeros_like(s)
        for order in self._orders(s, margin):
            up, down = order.up, order.down
            of_up, of_down = order.partners(w)
            value += float(w[up] @ (of_up * (margin - s[up]) + order.partners(w * s)[0]))
            active += float(w[up] @ of_up)
            slope[up] -= w[up] * of_up
            slope[down] += w[down] * of_down
        return value, slope, active

    def squared_hinge(self, s: Array, margin: float) -> tuple[float, Array]:
        """Sum of max(0, margin - d)**2 and its gradient in the scores."""
        w, value, slope = self.weight, 0.0, np.zeros_like(s)
        for order in self._orders(s, margin):
            up, down = order.up, order.down
            (of_up, of_down), scores = order.partners(w), order.partners(w * s)
            short = margin - s[up]
            value += float(w[up] @ (short * (of_up * short + 2.0 * scores[0])))
            value += float(w[up] @ _between((w * s * s)[down], order.of_up))
            slope[up] -= 2.0 * w[up] * (of_up * short + scores[0])
            slope[down] += 2.0 * w[down] * (of_down * (margin + s[down]) - scores[1])
        return value, slope

    def laplacian(self, s: Array, margin: float, v: Array) -> Array:
        """Half the Hessian of :meth:`squared_hinge` in the scores times ``v`` of shape (n,) or (n, k)."""
        w, out = self.weight, np.zeros_like(v)
        each = w if v.ndim == 1 else w[:, None]
        moved = each * v
        for order in self._orders(s, margin):
            both = zip(
                (order.up, order.down), order.partners(w), order.partners(moved), strict=True
            )
            for rows, number, sums in both:
                number = number if v.ndim == 1 else number[:, None]
                out[rows] += each[rows] * (number * v[rows] - sums)
        return out

    def concordance(self, s: Array) -> float:
        """Share of the pairs with ``d > 0``; a pair with ``d == 0`` counts one half."""
        behind, ahead = self.hinge(s, 0.0)[2], self.hinge(-s, 0.0)[2]
        return 0.5 * (self.total + ahead - behind) / self.total

    def listed(self, s: Array, low: float, high: float, most: int) -> tuple[Array, Array] | None:
        """Rows (higher, lower) of the pairs with ``low <= d < high``; None where they exceed ``most``."""
        found, left = [(np.zeros(0, dtype=np.int64),) * 2], most
        for level in self.levels:
            up, down = np.flatnonzero(level.above), np.flatnonzero(~level.above)
            down = down[np.lexsort((s[level.rows[down]], level.block[down]))]
            above, below = s[level.rows[up]], s[level.rows[down]]
            blocks = level.block[down], level.block[up]
            begin = _count_up_to(blocks, below, above - high)
            number = np.maximum(_count_up_to(blocks, below, above - low) - begin, 0)
            left -= int(number.sum())
            if left < 0:
                return None
            place = np.arange(number.sum()) + np.repeat(begin - np.cumsum(number) + number, number)
            found.append((np.repeat(level.rows[up], number), level.rows[down[place]]))
        first, second = zip(*found, strict=True)
        return np.concatenate(first), np.concatenate(second)

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield rows (higher, lower) that all make pairs with each other, some at a time."""
        for level in self.levels:
            for start in np.unique(level.start):
                part = slice(start, level.end[start])
                rows, above = level.rows[part], level.above[part]
                up, down = rows[above], rows[~above]
                step = max(LISTED // len(down), 1)
                for begin in range(0, len(up), step):
                    yield up[begin : begin + step], down


def _count_up_to(blocks: tuple[Array, Array], values: Array, bounds: Array) -> Array:
    """Count, for each bound, the values of earlier blocks and those of its own up to the bound.

    Values are sorted within sorted blocks.
    """
    block = np.concatenate(blocks)
    kind = np.repeat([False, True], [len(values), len(bounds)])
    order = np.lexsort((kind, np.concatenate([values, bounds]), block))
    count = np.empty(len(order), dtype=np.int64)
    count[order] = np.cumsum(~kind[order])
    return count[len(values) :]
