"""Linear embeddings: rounds of drawing what a loss sees together, and minimising it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from robustreg._array import Array
from robustreg.losses import Loss
from robustreg.losses._geometry import unit
from robustreg.losses._tuples import FORMATIONS, ONE_BY_ONE, Labelled, Request, Tuples, in_parts
from robustreg.solvers._control import Control
from robustreg.solvers._directions import Centred
from robustreg.solvers._result import Result, minimize

#: iterations of each round but the last, whose pairs are drawn anew anyway
ROUND = 10
#: a round that converges and lowers the objective by fewer units of the tolerance than this, or leaves fewer,
#: is the last. Digits, whose embedding the next rounds still improve, lower it by 12 to 100 in each, wine and
#: breast cancer by 7 or less in their last
SETTLED = 10
#: factors of two by which a start may be too large or too small for the loss
FACTORS = 20
#: numbers in an array of embedded rows, where a loss sees tuples one by one: larger arrays are returned to the
#: system and zeroed anew in each evaluation, which takes half of the time of a fit of some thousand triplets
NUMBERS = 1 << 14
#: share of all rows from which on a round looks at all of them rather than at those drawn
MOST = 0.5


@dataclass
class DrawnLoss:
    """Mean loss of what was drawn, as a function of the embedded rows.

    Parameters
    ----------
    loss : Loss
        Of pairs, triplets, batches or rows.
    tuples : list of Tuples
        What was drawn.
    n_rows : int
        How many rows there are.
    """

    loss: Loss
    tuples: list[Tuples]
    n_rows: int
    index: Array = field(init=False)
    _slopes: Array | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.index = np.concatenate([rows.ravel() for some in self.tuples for rows in some.rows])
        ones, each = np.ones(len(self.index)), np.arange(len(self.index) + 1)
        #: adds up, for each row, the gradients in the places where it was drawn
        self._gather = sp.csc_array((ones, self.index, each), shape=(self.n_rows, len(ones)))
        self._several = sum(a.role == "raw" for a in self.loss.arguments) > 1

    def on(self, rows: Array) -> DrawnLoss:
        """Return the same for rows of these numbers alone, which hold all that were drawn."""
        place = np.zeros(self.n_rows, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        moved = [
            some._replace(rows=tuple(place[numbers] for numbers in some.rows))
            for some in self.tuples
        ]
        return DrawnLoss(self.loss, moved, len(rows))

    def __call__(self, Z: Array, extra: Array) -> tuple[float, Array, Array]:
        """Value, and its derivatives in the rows and in the loss's own parameters."""
        value, total, d_extra = 0.0, 0.0, np.zeros_like(extra)
        if self._slopes is None:
            self._slopes = np.empty((len(self.index), Z.shape[1]))
        end = 0
        for some in self.tuples:
            parts = tuple(Z.take(rows, axis=0) for rows in some.rows)
            raw = parts if self._several else parts[0]
            part, d_raw, d_own = self.loss.value_gradient(some.y, raw, some.weight, extra)
            value += part
            total += self.loss.divisor(raw, some.weight)
            for slope in d_raw if self._several else [d_raw]:
                flat = slope.reshape(-1, Z.shape[1])
                start, end = end, end + len(flat)
                self._slopes[start:end] = flat
            if len(extra):
                d_extra = d_extra + d_own
        return value / total, self._gather @ self._slopes / total, d_extra / total


@dataclass
class EmbeddingObjective:
    """Mean loss plus penalty as a function of directions and the loss's own parameters.

    Parameters
    ----------
    loss : DrawnLoss
        Of the embedded rows.
    rows : Centred
        As many as the loss has.
    alpha : float
        Strength of the L2 penalty on the coefficients of standardised columns.
    shape : tuple of int
        Of the directions: columns and components.
    normalize : bool
        Whether the loss sees unit vectors.
    """

    loss: DrawnLoss
    rows: Centred
    alpha: float
    shape: tuple[int, int]
    normalize: bool

    def split(self, theta: Array) -> tuple[Array, Array]:
        """Directions, and the loss's own parameters."""
        size = self.shape[0] * self.shape[1]
        return theta[:size].reshape(self.shape), theta[size:]

    def fun_jac(self, theta: Array) -> tuple[float, Array]:
        """Value and gradient: two passes over the rows that were drawn."""
        u, extra = self.split(theta)
        Z = self.rows.project(u)
        value, slope, d_u, d_extra = self.at(Z, u, extra)
        return value, np.append(self.rows.pull(slope) + d_u, d_extra)

    def at(self, Z: Array, u: Array, extra: Array) -> tuple[float, Array, Array, Array]:
        """Value at embedded rows, and derivatives in these, the directions and the own parameters.

        Where directions of rows alone count, the penalty is that of an embedding whose rows have mean
        square length one: else it could be made as small as one likes at no cost.
        """
        seen = unit(Z) if self.normalize else None
        value, slope, d_extra = self.loss(Z if seen is None else seen.direction, extra)
        if seen is not None:
            slope = seen.pullback(slope)
        size = 0.5 * self.alpha * float(np.vdot(u, u))
        square = mean_square(Z, self.rows.weight) if self.scale_free else 1.0
        if square == 0.0:
            return value, slope, np.zeros_like(u), d_extra
        if self.scale_free:
            share = np.broadcast_to(self.rows.weight, len(Z))
            slope = slope - (2 * size / square**2) * (share / share.sum())[:, None] * Z
        return value + size / square, slope, (self.alpha / square) * u, d_extra

    @property
    def scale_free(self) -> bool:
        """Whether the size of the embedding means nothing to the loss."""
        return self.normalize or self.loss.loss.of_direction


def mean_square(Z: Array, weight: Array) -> float:
    """Weighted mean of the squared lengths of rows."""
    square = np.einsum("ij,ij->i", Z, Z)
    return float(np.average(square, weights=np.broadcast_to(weight, len(Z))))


@dataclass
class Embedding:
    """A linear embedding that is to be fitted.

    Parameters
    ----------
    loss : Loss
        Whose target has a formation.
    rows : Centred
        In the order of ``labelled``.
    labelled : Labelled
        Their labels.
    request : Request
        What is drawn in each round.
    alpha, normalize
        As of :class:`EmbeddingObjective`.
    n_rounds : int
        Rounds at the most.
    control : Control
        Iterations of all rounds, and the decrease of the objective in an iteration that ends one, as a share of
        what it is where all rows are in one place. A round of a small decrease is the last.
    random : numpy.random.Generator
        What rows are drawn by.
    """

    loss: Loss
    rows: Centred
    labelled: Labelled
    request: Request
    alpha: float
    normalize: bool
    n_rounds: int
    control: Control
    random: np.random.Generator

    def solve(self, u: Array, extra: Array | None, *, fit_size: bool) -> Result:
        """Minimise from directions ``u``, whose common size is found first if ``fit_size``.

        Returns
        -------
        Result
            ``x`` holds directions, then the loss's own parameters; ``n_tuples`` says how many pairs,
            triplets, or rows in batches the last round had.
        """
        control, found = self.control, Result(x=u.ravel(), fun=0.0, status=0)
        for left in range(self.n_rounds, 0, -1):
            Z = self.rows.project(u)
            seen = unit(Z).direction if self.normalize else Z
            own = self.loss.extra(self.labelled.label.astype(float), seen, self.labelled.weight)
            if extra is None or len(extra) != len(own.start):
                extra = own.start
            drawn = FORMATIONS[self.loss.target.formation](
                self.labelled, self.request, seen, self.random
            )
            objective = self._objective(drawn, u.shape)
            if fit_size and not objective.scale_free:
                u = u * _best_size(objective, u, extra)
            fit_size = False
            last = left == 1 or control.left <= 1 or self._settled(drawn)
            most = None if last else max(min(ROUND, control.left // left), 1)
            found = self._descend(objective, np.append(u, extra), own, control.phase(most=most))
            u, extra = objective.split(found.x)
            settled = found.status == 0 and found.to_gain < SETTLED * control.tol
            if last or control.stopped or settled:
                break
        found.n_tuples = sum(some.rows[0].size for some in drawn)
        return found

    def _settled(self, drawn: list[Tuples]) -> bool:
        """Whether drawing again would give the same."""
        if self.loss.target.formation == "all_rows":
            return True
        every = self.request.mining == "all" and drawn[0].rows[0].size != self.request.size
        return every and self.loss.target.formation in ONE_BY_ONE

    def _objective(self, drawn: list[Tuples], shape: tuple[int, ...]) -> EmbeddingObjective:
        n = self.rows.data.n_rows
        if self.loss.target.formation in ONE_BY_ONE:
            drawn = in_parts(drawn, max(NUMBERS // shape[1], 1))
        loss, rows = DrawnLoss(self.loss, drawn, n), self.rows
        used = np.flatnonzero(np.bincount(loss.index, minlength=n))
        if len(used) < MOST * n:
            loss, rows = loss.on(used), rows.subset(used)
        return EmbeddingObjective(loss, rows, self.alpha, (shape[0], shape[1]), self.normalize)

    def _descend(
        self, objective: EmbeddingObjective, theta: Array, own: Any, control: Control
    ) -> Result:
        """Minimise what was drawn, in units of its value where all rows are in one place.

        Where classes are apart from the start, shares of what little is left would be a matter of chance.
        """
        start = objective.fun_jac(theta)
        if start[0] == 0.0:
            return Result(x=theta, fun=start[0], jac=start[1], status=0, to_gain=0.0)
        first: Array | None = theta.copy()
        u, extra = objective.split(theta)
        value = max(start[0], objective.at(0.0 * objective.rows.project(u), 0.0 * u, extra)[0])
        free = np.full(len(theta) - len(own.start), np.inf)
        bounds = list(zip(np.append(-free, own.lower), np.append(free, own.upper), strict=True))

        def fun(at: Array) -> tuple[float, Array]:
            nonlocal first
            known, first = first is not None and np.array_equal(at, first), None
            now, gradient = start if known else objective.fun_jac(at)
            return now / value, gradient / value

        def told(intermediate_result: Any) -> None:
            if control.step(intermediate_result.x, intermediate_result.fun):
                raise StopIteration

        for _ in range(2):
            found = minimize(
                fun, theta, jac=True, method="L-BFGS-B", bounds=bounds if len(own.start) else None,
                callback=told, options={"maxiter": control.left, "ftol": control.tol, "gtol": 0.0},
            )  # fmt: skip
            theta = found.x
            if found.status != 2 or not control.left:
                break
            # No lower value along the line, as where a loss has a corner: once more without memory.
        # a value that no line search lowers has converged as far as a loss with corners does
        found.status = control.status(found.status not in (1, 99))
        found.to_gain = min(start[0] / value - found.fun, found.fun)
        found.fun *= value
        return found


def _best_size(objective: EmbeddingObjective, u: Array, extra: Array) -> float:
    """Return the power of two that directions are multiplied by for the smallest value."""
    Z = objective.rows.project(u)

    def value(size: float) -> float:
        return objective.at(size * Z, size * u, extra)[0]

    best, least = 1.0, value(1.0)
    for factor in (0.5, 2.0):
        for _ in range(FACTORS):
            now = value(best * factor)
            if not now < least:
                break
            best, least = best * factor, now
        if best != 1.0:
            break
    return best
