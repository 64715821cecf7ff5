"""From a table to the local optima worth a look: which rows are searched, from how many starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.sampling import largest
from robustreg.solvers._subsampling import (
    NOTHING,
    OPTIMA,
    Criterion,
    Optimum,
    columns,
    distinct,
    followed,
    led,
    search,
)
from robustreg.solvers._subsets import (
    Sample,
    beside,
    deterministic_starts,
    exchanges,
    merged,
    scattered,
    starts,
)

#: rows of a large table among which is searched, and this many for each column
SAMPLE, SAMPLE_PER_COLUMN = 2000, 40
#: rows of these on which the finalists are chosen
ROUGH, ROUGH_PER_COLUMN = 400, 10
#: rows added for each direction that those lack, as for a rare level of a factor
RARE = 20
#: smallest singular value, as a share of the largest, of rows that show all directions
SHOWN = 1e-6
#: local optima of a sample that are compared on all rows, whose majority may be another
COMPARED = 5
#: times that a search with "auto" starts goes on with new ones until its best was hit often enough
ROUNDS = 5
#: times that a search goes on from its best optimum, while that is new or found once, and starts of each time
EXCHANGES, EXCHANGED = 6, 150
#: hits on a part of the rows after which no further round is needed, and after which nothing near an optimum is
#: looked for; fewer in a search of all rows call for a second search
EASY = 10
#: optima that are led through criteria that leave out more rows, as few as these shares of what this one keeps
LED, STRICTER = 5, (0.7, 0.5)
#: changes of the best optimum of many rows that are tried, first large and then little ones
SCATTERED = 14
#: root mean squares of the changes of residuals by these, as shares of the size of the residuals
FAR, NEAR = (0.3, 1.5), (0.02, 0.3)


class Found(NamedTuple):
    """What a search found.

    Parameters
    ----------
    optima : list of Optimum
        Local optima, the best first; of a sample those that could be the best of all rows.
    exhaustive : bool
        Whether every subset of as many rows as columns was a start.
    """

    optima: list[Optimum]
    exhaustive: bool


@dataclass
class Search:
    """How many starts are taken, and the random numbers for them.

    Parameters
    ----------
    n_starts : int or "auto"
        Starts at random.
    rng : numpy.random.Generator
        Source of random numbers.
    """

    n_starts: int | str
    rng: np.random.Generator

    def run(self, table: Any, criterion: Criterion) -> Found:
        """Search some rows of a table, in this process or elsewhere, all of them where these are few."""
        n, p, whole = table.n_rows, table.size, criterion
        size = max(SAMPLE, SAMPLE_PER_COLUMN * p)
        part = n > 2 * size
        if part:
            sample = table.sample(np.sort(self.rng.choice(n, size, replace=False)))
            sample = _completed(sample, table.showing)
        else:
            sample = table.sample(np.arange(n))
        sample = merged(*sample)
        few, rough = max(ROUGH, ROUGH_PER_COLUMN * p), None
        if len(sample.y) > 2 * few:
            rough = _part(sample, np.sort(self.rng.choice(len(sample.y), few, replace=False)))
            rough = _completed(rough, partial(_showing, sample))
        if part:
            criterion = whole.on_part(size)
        optima, exhaustive = self._optima(criterion, sample, rough, whole)
        if self.n_starts == "auto" and rough is None and not exhaustive and optima[0].hits < EASY:
            again, _ = self._optima(criterion, sample, rough, whole)
            optima = _agreed(criterion, sample, optima, again)
        if not part:
            if rough is not None:
                optima = self._polished(criterion, sample, optima)
            return Found(optima[:1], exhaustive)
        # a sample may have less contamination than it is made to withstand, and a minority that lies on a
        # plane is its majority then: those that are best without that count as well
        residuals = sample.y[:, None] - sample.A @ np.column_stack([one.theta for one in optima])
        order = np.argsort(whole.sizes(residuals, sample), kind="stable")[:COMPARED]
        chosen = sorted({*range(min(COMPARED, len(optima))), *order.tolist()})
        return Found([optima[k] for k in chosen], False)

    def _polished(
        self, criterion: Criterion, sample: Sample, optima: list[Optimum]
    ) -> list[Optimum]:
        """Go on from the best optimum to better neighbours, and where there are easier criteria to those that changes of it lead to.

        Large changes are led by these, and little ones follow. How often what they end at would be found from random
        starts they do not say.
        """
        best = _among_neighbours(criterion, sample, optima[:1])[0]
        if not criterion.eased or best.value <= NOTHING:
            return [best]
        hits = best.hits
        for lengths in (FAR, NEAR):
            about = scattered(sample, best.theta, best.value, lengths, SCATTERED, self.rng)
            moved = [best._replace(theta=theta) for theta in about]
            if lengths is FAR:
                moved = led(criterion, sample, [best, *moved])
            found = followed(criterion, sample, moved, best.value)
            ahead = _among_neighbours(
                criterion, sample, _united(criterion, sample, found, [best])[:1]
            )
            if ahead[0].value < best.value * (1 - criterion.close[0]):
                hits = 1
            best = ahead[0]
        return [best._replace(hits=max(hits, 1))]

    def _optima(
        self, criterion: Criterion, sample: Sample, rough: Sample | None, whole: Criterion
    ) -> tuple[list[Optimum], bool]:
        """Search some rows once; return the optima, and whether all subsets were starts."""
        optima: list[Optimum] = []
        first = rough or sample
        for _ in range(ROUNDS if self.n_starts == "auto" else 1):
            thetas, exhaustive = starts(first, self.n_starts, self.rng, part=rough is not None)
            if not exhaustive and not optima:
                thetas = np.concatenate([thetas, deterministic_starts(first)])
            if not len(thetas):  # of dummies hardly any subset of rows has the rank of all
                break
            found = search(criterion, sample, thetas, rough, whole)
            optima = _united(criterion, sample, found, optima)
            exhaustive = exhaustive and rough is None
            if optima[0].hits >= (criterion.enough if rough is None else EASY) or exhaustive:
                break
        if self.n_starts == "auto" and not exhaustive:
            optima = self._exchanged(criterion, sample, rough, whole, optima)
        if rough is None and self.n_starts == "auto":
            optima = _through_stricter(criterion, sample, optima)
            if not exhaustive:
                few = 1 if optima[0].hits >= EASY else len(optima)
                optima = _among_neighbours(criterion, sample, optima[:few])
        return optima, exhaustive

    def _exchanged(
        self,
        criterion: Criterion,
        sample: Sample,
        rough: Sample | None,
        whole: Criterion,
        optima: list[Optimum],
    ) -> list[Optimum]:
        """Go on from the best optimum with starts at the rows that it leaves out, until that fails.

        Planes through one row more are taken beside the other optima of few rows as well: which of many far rows
        lie on the best plane at next to no cost is not found from one of them.
        """
        for _ in range(EXCHANGES):
            best, first = optima[0], rough or sample
            residual = first.y - first.A @ best.theta
            size = np.abs(residual) / best.value
            others = exchanges(first, size, EXCHANGED, self.rng)
            centres = optima if rough is None else optima[:1]
            planes = np.concatenate([_beside(first, one) for one in centres])
            for thetas, near in [*others, (planes, True)]:
                if not len(thetas):
                    continue
                if near and optima[0].hits >= EASY and thetas is not planes:
                    continue
                known = optima[0]
                found = search(criterion, sample, thetas, rough, whole, known)
                optima = _united(criterion, sample, found, optima)
                better = optima[0].value < known.value * (1 - criterion.close[0])
                if thetas is planes and better:
                    # all starts that ended at the one before lead on to this one
                    optima[0] = optima[0]._replace(hits=known.hits + optima[0].hits)
                elif near and not better:
                    # starts near a fit say nothing of how easily it is found
                    optima[0] = optima[0]._replace(hits=known.hits)
            better = optima[0].value < best.value * (1 - criterion.close[0])
            if not better and optima[0].hits > 1:
                break
        return optima


def _agreed(
    criterion: Criterion, sample: Sample, one: list[Optimum], other: list[Optimum]
) -> list[Optimum]:
    """Return the optima of two searches; a best one that one of them missed counts as found once.

    Hits alone do not tell that: many of them may come from a start that led on from one optimum to the next.
    """
    least = min(one[0].value, other[0].value)
    both = max(one[0].value, other[0].value) <= least * (1 + criterion.close[0])
    optima = _united(criterion, sample, one, other)
    if not both:
        optima[0] = optima[0]._replace(hits=1)
    return optima


def _beside(sample: Sample, one: Optimum) -> Array:
    """Coefficients of planes near an optimum through a row that it leaves out."""
    return beside(sample, one.theta, sample.y - sample.A @ one.theta, one.value, EXCHANGED)


def _through_stricter(criterion: Criterion, sample: Sample, optima: list[Optimum]) -> list[Optimum]:
    """Lead the best optima through criteria that leave out more rows, and back.

    A better optimum whose majority lacks some rows of this one has a basin that few random starts are in, but the core of
    both is the same, or that of a worse one.
    """
    known, going = optima[0], optima[:LED]
    if known.value <= NOTHING:
        return optima
    cores: list[Optimum] = []
    for share in STRICTER:
        going = followed(criterion.stricter(share, sample), sample, going, math.inf)
        cores += going
    found = followed(criterion, sample, cores, known.value)
    optima = _united(criterion, sample, found, optima)
    # the starts that ended at the best one before lead on to this one, by its core or by that of a worse one
    optima[0] = optima[0]._replace(hits=known.hits)
    return optima


def _among_neighbours(criterion: Criterion, sample: Sample, optima: list[Optimum]) -> list[Optimum]:
    """Go on from each optimum to better neighbours, as long as it has one."""
    ended: list[Optimum] = []
    left: list[Optimum] = []
    going = optima
    for _ in range(EXCHANGES):
        moved = [(one, criterion.neighbour(sample, one.theta)) for one in going]
        # those that lead on stay, too: where rows determine coefficients alone the gain may be rounding
        ended += [one if theta is None else one._replace(hits=0) for one, theta in moved]
        left += [one for one, theta in moved if theta is not None]
        going = [one._replace(theta=theta) for one, theta in moved if theta is not None]
        if not going:
            break
        going = followed(criterion, sample, going, optima[0].value)
    found = _united(criterion, sample, going, ended)
    if not found[0].hits:  # what it led on to is no better: its own starts count
        hits = max(one.hits for one in left if one.value == found[0].value)
        found[0] = found[0]._replace(hits=hits)
    return found


def _united(
    criterion: Criterion, sample: Sample, found: list[Optimum], known: list[Optimum]
) -> list[Optimum]:
    """Return the optima of two searches of the same rows, the best first."""
    theta, sizes, hits = columns(found + known)
    return distinct(sample, theta, sizes, hits, close=criterion.close, most=OPTIMA)


def _part(sample: Sample, rows: Array) -> Sample:
    return Sample(*(entry[rows] for entry in sample))


def _showing(sample: Sample, direction: Array, most: int, least: float) -> Sample:
    return _part(sample, largest(np.abs(sample.A @ direction), most, least))


def _completed(sample: Sample, showing: Callable[[Array, int, float], Sample]) -> Sample:
    """Add rows that show directions which a sample lacks.

    Parameters
    ----------
    sample : Sample
        Some rows.
    showing : callable
        Given coefficients, returns so many rows at the most whose predictions are the largest, and larger than the
        last argument.
    """
    for _ in range(sample.A.shape[1]):
        _, values, right = np.linalg.svd(sample.A, full_matrices=False)
        if values[-1] > SHOWN * values[0]:
            break
        more = showing(right[-1], RARE, SHOWN)
        if not len(more.y):
            break
        sample = Sample(*(np.concatenate(pair) for pair in zip(sample, more, strict=True)))
    return sample
