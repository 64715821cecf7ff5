"""The search for the best of many local optima: all starts are improved at once, as matrices.

Criteria are the M-scale of the residuals (S-estimators) and the trimmed sum of their squares (LTS).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.losses import ResidualLoss
from robustreg.losses._normal import with_breakdown
from robustreg.scales import MAD_FACTOR, OUTLYING
from robustreg.solvers._cholesky import cholesky
from robustreg.solvers._subsets import Sample

#: candidates that take a few steps, the sizes of all starts having been compared without one; those left
#: after them take as many more, and of these those that differ go on to the end
SCREENED, STEPS = 1000, 2
#: the same on a part of many rows
SCREENED_ROUGH, KEPT_ROUGH, STEPS_ROUGH = 250, 60, 1
#: and those of these that are followed there until they settle
FOLLOWED = 20
#: of those that are left on a part the ones whose sizes are above the least by this factor go no further, after a
#: few steps and once they have settled: sizes vary from part to part by a tenth
FARTHER, FAR = 2.0, 1.5
#: share of the rows by which those that two fits leave out may differ where both follow the same majority
SAME_ROWS = 0.05
#: numbers in the residuals of the finalists at the most, but for a few of them
FINAL, FEWEST = 20_000, 8
#: different optima that a search returns
OPTIMA = 25
#: after t steps a finalist above the best by more than this share over t is given up
HOPELESS = 3.0
#: steps until a finalist settles, at the most; on a part of the rows, from which all rows go on
SETTLE, SETTLE_ON_PART = 60, 8
#: steps after which those finalists that have met go on as one
MEET = 3
#: numbers in one matrix of residuals at the most, so that it stays in cache
BATCH = 1 << 16
#: columns from which products of pairs of columns take too much memory
WIDE = 45
#: shares of the size by which sizes and residuals of one optimum differ on the way there
ALIKE = (1e-2, 1e-1)
#: and on a part of the rows: the coefficients of one optimum vary by as much from part to part
ALIKE_ON_PART = (5e-2, 5e-1)
#: standard errors of a share of rows by which more of a part of them may be contaminated
SPARE = 3.0
#: steps of the equation of an M-scale where optima are compared, and where starts are
MEASURED, SCREENING = 3, 2
#: gradient at which a candidate has settled on a part of the rows
ROUGHLY = 1e-2
#: weights may vary by this factor before a median has to count them
UNEVEN = 4.0
#: eigenvalues of a Gram matrix below this share of the largest are rounding
SINGULAR = 1e-14
#: residuals below this, in spreads of y, are rounding
NOTHING = 1e-13
#: and above this beyond single precision
LARGE = 1e38
#: factor of steps that are not the last: below 2 a step of reweighted least squares never leads up, since its
#: quadratic majorises a concave function of the squares, and near an optimum a step of one is several times too short
STRETCH = 1.8
#: a Newton step may change no residual by more than this share of a scale and of itself: farther, the next
#: basin may begin
NEAR = 0.5
#: least eigenvalue of a Hessian, per unit of weight, below which rounding may be what makes it definite
LEAST = 1e-9


class Optimum(NamedTuple):
    """A local optimum of a criterion on a sample, and how many finalists ended there."""

    theta: Array
    value: float
    hits: int


class Criterion(ABC):
    """What a search minimises: a size of residuals; and steps that make it smaller.

    Attributes
    ----------
    kept, finalists : int
        Candidates that take more than a few steps, and different ones of them that are followed to the end,
        at the most.
    settle : int
        Steps of each of these at the most.
    enough : int
        Hits of the best optimum after which a search need not go on.
    tol : float
        Gradient, per unit of weight and scale, at which a candidate has settled.
    close : tuple of two floats
        Shares of the size by which sizes and residuals of one optimum differ.
    """

    kept, finalists, enough, settle = 200, 25, 2, SETTLE
    tol = 1e-9
    close = (1e-4, 1e-2)

    @property
    def eased(self) -> list[Criterion]:
        """Criteria that lead to low minima of this one: the first has few, the next ones have more and more."""
        return []

    @abstractmethod
    def on_part(self, m: int) -> Criterion:
        """Return the criterion for m rows drawn at random, which withstands more contamination.

        Of rows nearly half of which are contaminated, more than half of those drawn may be.
        """

    @abstractmethod
    def stricter(self, share: float, sample: Sample) -> Criterion:
        """Return a criterion that leaves out more rows: of those kept beyond one a column it keeps a share."""

    @abstractmethod
    def sizes(self, R: Array, sample: Sample) -> Array:
        """Return the size of each column of residuals, roughly where that is quicker."""

    @abstractmethod
    def step(
        self, R: Array, size: Array, sample: Sample, grams: Grams, newton: bool
    ) -> tuple[Array, Array]:
        """Return a change of the coefficients for each column, and whether the column has settled."""

    @abstractmethod
    def refined(self, R: Array, size: Array, sample: Sample) -> Array:
        """Return better sizes, given those before a step."""

    def neighbour(self, sample: Sample, theta: Array) -> Array | None:
        """Return better coefficients than those of an optimum, from a change that no step makes; None if it has none."""
        return None


class Grams:
    """Weighted inner products of the columns of a sample, for many weights at once."""

    def __init__(self, sample: Sample) -> None:
        self.A, self.sample = sample.A, sample
        p = sample.A.shape[1]
        self.upper = np.triu_indices(p)
        self.pairs = sample.pairs if p < WIDE else None

    def __call__(self, W: Array) -> Array:
        """Return ``A.T @ diag(weight * w) @ A`` for each column w of W, stacked."""
        p = self.A.shape[1]
        found = np.empty((W.shape[1], p, p))
        if self.pairs is None:
            for k, w in enumerate(W.T):
                found[k] = (self.A * (w * self.sample.weight)[:, None]).T @ self.A
            return found
        inner = (self.pairs @ W).T
        found[:, self.upper[0], self.upper[1]] = inner
        found[:, self.upper[1], self.upper[0]] = inner
        return found

    def solve(self, gram: Array, right: Array) -> Array:
        """Solve for each column of ``right``; directions without data do not move."""
        p = gram.shape[1]
        diagonal = gram[:, range(p), range(p)]
        gram[:, range(p), range(p)] += 1e-15 * diagonal.max(axis=1, keepdims=True) + 1e-290
        columns = right.T[:, :, None]
        try:
            solved: Array = np.linalg.solve(gram, columns)
        except (
            np.linalg.LinAlgError
        ):  # a pivot of exactly zero, as where the rows that count are equal
            solved = np.linalg.pinv(gram, rcond=SINGULAR, hermitian=True) @ columns
        return solved[:, :, 0].T


class MScale(Criterion):
    """The M-scale ``s`` with ``sum w rho(r / s) = b (sum w - rank) bound``.

    Parameters
    ----------
    loss : ResidualLoss
        Bounded, at its constant for ``b``.
    b : float
        Mean of rho, as a share of its bound.
    rank : float
        Number of parameters.
    """

    def __init__(self, loss: ResidualLoss, b: float, rank: float) -> None:
        self.loss, self.b, self.rank = loss, b, rank

    def stricter(self, share: float, sample: Sample) -> MScale:
        return self._roughly(1 - share * (1 - self.b))

    def on_part(self, m: int) -> MScale:
        b = min(self.b + SPARE * np.sqrt(self.b * (1 - self.b) / m), 0.9)
        return self._roughly(b)

    def _roughly(self, b: float) -> MScale:
        """Return the criterion for another mean of rho, from whose optima a search goes on."""
        other = MScale(with_breakdown(self.loss, b), b, self.rank)
        other.tol, other.settle, other.close = ROUGHLY, SETTLE_ON_PART, ALIKE_ON_PART
        return other

    def target(self, sample: Sample) -> float:
        return self.b * (sample.total - self.rank) * self.loss.bound

    def sizes(self, R: Array, sample: Sample) -> Array:
        size = np.abs(R)
        m = len(R)
        # The scale is zero where more than this weight of the residuals is, and only there: the next
        # one is where an iteration starts, near the median.
        zero = sample.total - self.b * (sample.total - self.rank)
        if sample.weight.max() <= UNEVEN * sample.weight.min():
            start = ranked(size, min(int(m * zero / sample.total), m - 1))
        else:
            order = np.argsort(size, axis=0)
            half = np.cumsum(sample.weight[order], axis=0) <= zero * (1 + 1e-12)
            half[-1] = False
            rows = order[half.sum(axis=0), range(R.shape[1])]
            start = size[rows, range(R.shape[1])]
        start = np.maximum(MAD_FACTOR * start, NOTHING)
        for _ in range(SCREENING):
            start = self.refined(R, start, sample)
        return start

    def refined(self, R: Array, size: Array, sample: Sample) -> Array:
        U, target = R / size, self.target(sample)
        rho, psi = self.loss.rho_psi(U)
        value = sample.weight @ rho
        psi *= U
        slope = sample.weight @ psi
        # Newton in the logarithm: the fixed-point step is slow where contamination is nearly b
        change = (value - target) / np.maximum(slope, 1e-3 * np.abs(value - target) + 1e-290)
        return np.maximum(size * np.exp(np.clip(change, -1.0, 1.0)), NOTHING)

    def step(
        self, R: Array, size: Array, sample: Sample, grams: Grams, newton: bool
    ) -> tuple[Array, Array]:
        U = R / size
        pull = sample.A.T @ (sample.weight[:, None] * self.loss.psi(U))
        settled = np.abs(pull).max(axis=0) <= self.tol * sample.total
        settled |= size <= NOTHING
        step, rest = np.zeros_like(pull), ~settled
        if newton:
            quick, rest = newton_steps(
                sample, grams, grams(self.loss.psi_prime(U)), pull, R / size, rest
            )
            step = quick * size
        if rest.any():
            weights = grams(self.loss.weights(U[:, rest]))
            longer = STRETCH if self.settle <= SETTLE_ON_PART or not newton else 1.0
            step[:, rest] = grams.solve(weights, pull[:, rest]) * (longer * size[rest])
        return step, settled


def newton_steps(
    sample: Sample,
    grams: Grams,
    hessian: Array,
    pull: Array,
    U: Array,
    rest: Array,
    shorter: float = 1.0,
) -> tuple[Array, Array]:
    """Return Newton steps, in units of the size, and which columns need another.

    Those do whose Hessian is not definite, or whose step is long.

    Parameters
    ----------
    sample, grams
        Rows, and what solves for the steps.
    hessian, pull : arrays of shape (k, p, p) and (p, k)
        Second and first derivatives.
    U : array of shape (m, k)
        Residuals in units of the size.
    rest : array of shape (k,)
        Which columns want a step.
    shorter : float, default=1.0
        Share to which a long step may be shortened.
    """
    step, rest = np.zeros_like(pull), rest.copy()
    lift = -LEAST * sample.total
    convex = rest & [cholesky(one, lift) is not None for one in hessian]
    if convex.any():
        quick = grams.solve(hessian[convex], pull[:, convex])
        change = np.abs(sample.A @ quick)
        change /= NEAR * (1.0 + np.abs(U[:, convex]))
        times = np.maximum(change.max(axis=0), 1.0)
        short = np.flatnonzero(convex)[times * shorter <= 1.0]
        step[:, convex], rest[short] = quick / times, False
    return step, rest


def ranked(size: Array, rank: int) -> Array:
    """Return the entry of a rank in each column, to single precision: in half the time of double precision."""
    single = np.minimum(size, LARGE).T.astype(np.float32, order="C")
    single.partition(rank, axis=1)
    return single[:, rank].astype(float)


def search(
    criterion: Criterion,
    sample: Sample,
    thetas: Array,
    rough: Sample | None = None,
    strict: Criterion | None = None,
    best: Optimum | None = None,
) -> list[Optimum]:
    """Improve all starts and return the local optima found, the best one first.

    Parameters
    ----------
    criterion : Criterion
        What is minimised.
    sample : Sample
        Rows.
    thetas : array of shape (k, p)
        Starts.
    rough : Sample, optional
        Fewer rows, on which the finalists are chosen.
    strict : Criterion, optional
        The one of all rows, by which some of the candidates are chosen as well: one that withstands more
        contamination takes a minority that lies on a plane for the majority.
    best : Optimum, optional
        The best that is known.

    Returns
    -------
    list of Optimum
        Different ones, by their value, with the starts that were followed and ended there; none where all are far above
        the best that is known, or leave out the rows that it leaves out.
    """
    first = rough or sample
    early = criterion if rough is None else criterion.on_part(len(rough.y))
    theta, size = _screened(early, first, thetas)
    finalists = min(criterion.finalists, max(FEWEST, FINAL // len(sample.y)))
    if rough is None:
        theta, size = _improved(early, first, *_best(theta, size, SCREENED), STEPS)
        theta, size = _improved(early, first, *_best(theta, size, criterion.kept), STEPS)
        found = distinct(first, theta, size, close=ALIKE, most=finalists)
    else:
        strict, early.close = strict or criterion, ALIKE
        for most, steps in ((SCREENED_ROUGH, STEPS_ROUGH), (KEPT_ROUGH, STEPS)):
            kept = _either(size, _screened(strict, first, theta.T)[1], most)
            theta, size = _improved(early, first, theta[:, kept], size[kept], steps)
        found = distinct(first, theta, size, close=ALIKE, most=len(size))
        found = _hopeful(found, (early, strict), first, best, FARTHER)[:FOLLOWED]
        found = _apart(found, best, first)
        if found:
            theta, size, hits = columns(followed(early, first, found, math.inf))
            found = distinct(first, theta, size, hits, close=early.close, most=len(size))
            found = _hopeful(found, (criterion, strict), sample, best, FAR)
            found = _apart(found, best, sample)
        if not found:
            return []
    found = followed(criterion, sample, found[:finalists], best.value if best else math.inf)
    theta, size, hits = columns(found)
    return distinct(sample, theta, size, hits, close=criterion.close, most=OPTIMA)


def columns(optima: list[Optimum]) -> tuple[Array, Array, Array]:
    """Return their coefficients as columns, their sizes and their hits."""
    theta, size, hits = (np.array(entries) for entries in zip(*optima, strict=True))
    return theta.T, size, hits


def _best(theta: Array, size: Array, most: int) -> tuple[Array, Array]:
    kept = np.argsort(size, kind="stable")[:most]
    return theta[:, kept], size[kept]


def _either(size: Array, other: Array, most: int) -> Array:
    """Numbers of the candidates that are best by one of two sizes, in turn."""
    both = np.stack([np.argsort(size, kind="stable"), np.argsort(other, kind="stable")], axis=1)
    _, first = np.unique(both.ravel(), return_index=True)
    return np.asarray(both.ravel()[np.sort(first)][:most])


def _hopeful(
    found: list[Optimum],
    criteria: tuple[Criterion, Criterion],
    sample: Sample,
    best: Optimum | None,
    share: float,
) -> list[Optimum]:
    """Order candidates by their sizes on a sample, by two criteria in turn, without those that are far from the best by both."""
    thetas = np.array([one.theta for one in found] + ([best.theta] if best else []))
    sizes = np.array([_screened(criterion, sample, thetas)[1] for criterion in criteria])
    near = (sizes <= share * sizes.min(axis=1, keepdims=True)).any(axis=0)
    early, late = sizes[:, : len(found)]
    order = [k for k in _either(early, late, len(found)) if near[k]]
    return [found[k]._replace(value=float(early[k])) for k in order]


def _apart(found: list[Optimum], best: Optimum | None, sample: Sample) -> list[Optimum]:
    """Return the candidates that do not leave out the rows that an optimum leaves out.

    To follow those that do leads to the optimum again, but in rare tables. They are no hits: nobody has seen where
    they end.
    """
    if not found or best is None:
        return found
    R = np.abs(_residuals(sample, np.column_stack([best.theta, *(one.theta for one in found)])))
    left_out = R > OUTLYING * best.value
    other = sample.weight @ (left_out[:, 1:] != left_out[:, :1]) > SAME_ROWS * sample.total
    return [one for one, differs in zip(found, other, strict=True) if differs]


def _batches(sample: Sample, theta: Array) -> list[slice]:
    step = max(BATCH // len(sample.y), 1)
    return [slice(start, start + step) for start in range(0, theta.shape[1], step)]


def _residuals(sample: Sample, theta: Array) -> Array:
    return sample.y[:, None] - sample.A @ theta


def _screened(criterion: Criterion, sample: Sample, thetas: Array) -> tuple[Array, Array]:
    """Return the starts as columns, and their sizes."""
    theta = np.ascontiguousarray(thetas.T)
    size = [
        criterion.sizes(_residuals(sample, theta[:, k]), sample) for k in _batches(sample, theta)
    ]
    return theta, np.concatenate(size)


def _improved(
    criterion: Criterion, sample: Sample, theta: Array, size: Array, steps: int
) -> tuple[Array, Array]:
    """Take a few steps from each start."""
    grams = Grams(sample)
    theta, size = theta.copy(), size.copy()
    for k in _batches(sample, theta):
        R = _residuals(sample, theta[:, k])
        for _ in range(steps):
            step, _ = criterion.step(R, size[k], sample, grams, False)
            theta[:, k] += step
            R -= sample.A @ step
            size[k] = criterion.refined(R, size[k], sample)
    return theta, size


def led(criterion: Criterion, sample: Sample, found: list[Optimum]) -> list[Optimum]:
    """Lead some candidates through easier criteria: dealt out, each starts at one of these, or at the criterion itself."""
    easier = criterion.eased
    ways = len(easier) + 1
    going: list[Optimum] = []
    for k, one in enumerate(easier):
        going += found[k::ways]
        going = followed(one, sample, going, math.inf) if going else going
    return going + found[len(easier) :: ways]


def followed(
    criterion: Criterion, sample: Sample, finalists: list[Optimum], known: float
) -> list[Optimum]:
    """Improve the finalists until each has settled or is far from the best; those that meet go on as one."""
    grams = Grams(sample)
    theta, size, hits = columns(finalists)
    R = _residuals(sample, theta)
    size = criterion.sizes(R, sample)
    done: list[Optimum] = []
    meet = MEET if criterion.settle > SETTLE_ON_PART else 1
    for t in range(1, criterion.settle):
        step, settled = criterion.step(R, size, sample, grams, True)
        step[:, settled] = 0.0
        theta = theta + step
        R -= sample.A @ step
        size = criterion.refined(R, size, sample)
        given_up = np.zeros_like(settled)
        if criterion.settle > SETTLE_ON_PART:  # on a part the best may be another
            given_up = size > min(size.min(), known) * (1 + HOPELESS / t)
        rest = ~(settled | given_up)
        done += optima_of(theta, size, hits, ~rest)
        theta, size, hits, R = theta[:, rest], size[rest], hits[rest], R[:, rest]
        if t % meet == 0 and len(size) > 1:
            theta, size, hits = columns(
                distinct(sample, theta, size, hits, close=criterion.close, most=len(size))
            )
            R = _residuals(sample, theta)
        if not len(size):
            break
    done += optima_of(theta, size, hits, np.ones(len(size), dtype=bool))
    theta, size, hits = columns(done)
    R = _residuals(sample, theta)
    size = criterion.sizes(R, sample)  # that of one given up may be of an earlier step
    for _ in range(MEASURED):
        size = criterion.refined(R, size, sample)
    return optima_of(theta, size, hits, np.ones(len(size), dtype=bool))


def optima_of(theta: Array, size: Array, hits: Array, which: Array) -> list[Optimum]:
    """Return some columns of coefficients as optima."""
    return [Optimum(theta[:, k], float(size[k]), int(hits[k])) for k in np.flatnonzero(which)]


def distinct(
    sample: Sample,
    theta: Array,
    size: Array,
    hits: Array | None = None,
    *,
    close: tuple[float, float],
    most: int,
) -> list[Optimum]:
    """Return different optima by their size, with the number of candidates that each stands for.

    Parameters
    ----------
    sample : Sample
        Rows.
    theta : array of shape (p, k)
        Coefficients of the candidates.
    size : array of shape (k,)
        Their sizes.
    hits : array of shape (k,), optional
        How many each stands for already.
    close : tuple of two floats
        Shares of the size by which sizes and residuals of one optimum differ.
    most : int
        How many are wanted.
    """
    order = np.argsort(size, kind="stable")
    size, theta = size[order], theta.T[order]
    count = np.ones(len(size), dtype=int) if hits is None else hits[order]
    R = sample.y - theta @ sample.A.T  # a row for each, so that those near in size are one piece
    ends = np.searchsorted(size, size * (1 + close[0]) + NOTHING, side="right").tolist()
    rest = np.ones(len(size), dtype=bool)
    found: list[Optimum] = []
    for best, end in enumerate(ends):
        if len(found) == most:
            break
        if not rest[best]:
            continue
        n_hits = count[best]
        if end > best + 1:
            other = slice(best + 1, end)
            near = np.abs(R[other] - R[best]) <= close[1] * size[best] + NOTHING
            # of most rows: those far out in X magnify rounding
            alike = rest[other] & (np.count_nonzero(near, axis=1) > 0.5 * near.shape[1])
            rest[other] &= ~alike
            n_hits = n_hits + count[other][alike].sum()
        found.append(Optimum(theta[best].copy(), float(size[best]), int(n_hits)))
    return found
