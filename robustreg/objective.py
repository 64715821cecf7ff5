"""The one function that scipy sees: loss, linear predictor and penalty composed.

    f(theta) = (sum_i w_i loss(y_i, raw_i) + penalty(coef)) / sum_i w_i

in the solver's coordinates, per unit of weight. ``theta`` holds the reduced coefficients (row
by row where there are several outputs), the intercepts and the loss's own parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from robustreg._array import Array
from robustreg.data import FEW, FEW_GRAMS, TAKE_BYTES, Data, Whole
from robustreg.losses import Loss
from robustreg.passes import Along, Curvature, Slopes
from robustreg.penalties import Penalty

#: outputs from which on ``theta`` is turned for a pass instead of the rows (machine: with 30 classes the sums
#: over classes of each row take longer than the rest of the pass)
MANY = 24


class Evaluation(NamedTuple):
    """A function at a point.

    Parameters
    ----------
    value : float
        Its value.
    gradient : array of shape (q,)
        Its gradient.
    raw : array or None
        Raw predictions, where all rows are one block or they were asked for: they serve the Hessian there. Of
        many outputs those of which the loss's own are combinations.
    hessian : array of shape (q, q) or None
        Its Hessian, where it was asked for.
    """

    value: float
    gradient: Array
    raw: Array | None = None
    hessian: Array | None = None


@dataclass
class Objective:
    """Mean loss plus penalty as a function of one flat vector.

    Parameters
    ----------
    loss : Loss
        Any loss of raw predictions.
    data : Data
        Rows in the solver's coordinates.
    penalty : Penalty
        Applied to coefficients in the user's units.
    n_outputs : int, optional
        Columns of the raw predictions; None means they are one-dimensional.
    n_extra : int, default=0
        Number of the loss's own parameters at the end of ``theta``.
    unit : float, default=1.0
        What the mean is divided by, so that gradients of a loss with a tiny threshold are of
        size one as well.
    """

    loss: Loss
    data: Data
    penalty: Penalty
    n_outputs: int | None = None
    n_extra: int = 0
    unit: float = 1.0
    total: float = field(init=False)

    def __post_init__(self) -> None:
        self.total = self.data.total * self.unit
        self._outputs = 1 if self.n_outputs is None else self.n_outputs
        #: where coefficients, and coefficients and intercepts, end in ``theta``
        self._size = self.data.size * self._outputs
        self._edge = self._size + self.data.intercept * self._outputs
        #: the loss of what raw predictions of many outputs are combinations of, and these
        self._unmixed, self._basis = self.loss, None
        if self._outputs >= MANY:
            self._unmixed, self._basis = self.loss.unmixed(self.n_outputs)

    def with_total(self, total: float, **changes: Any) -> Objective:
        """Return the objective with other fields, per unit of a weight that need not be that of its rows."""
        other = replace(self, **changes)
        other.total = total
        return other

    @property
    def size(self) -> int:
        """Length of ``theta``."""
        return self._edge + self.n_extra

    @property
    def without_data(self) -> Array:
        """Which entries of ``theta`` are coefficients of columns that do not vary: they change no prediction."""
        coordinates = self.data.coordinates
        if not coordinates.diagonal:
            return np.zeros(0, dtype=int)
        none: Array = coordinates.transform == 0
        return (none if self._outputs == 1 else none.repeat(self._outputs)).nonzero()[0]

    def linear(self, theta: Array) -> Array:
        """Coefficients and, last, the intercept; a column for each output where there are several."""
        every = theta[: self._edge] if self.n_extra else theta
        return every if self.n_outputs is None else every.reshape(-1, self.n_outputs)

    def split(self, theta: Array) -> tuple[Array, Any, Array]:
        """Return reduced coefficients, intercept and the loss's own parameters."""
        every, size = self.linear(theta), self.data.size
        if self.data.intercept:
            last = every[size] if every.ndim > 1 else float(every[size])
        else:
            last = 0.0 if self.n_outputs is None else np.zeros(self.n_outputs)
        return every[:size], last, theta[self._edge :]

    def join(self, u: Array, intercept: Any, extra: Any = ()) -> Array:
        """Return the ``theta`` that :meth:`split` takes apart."""
        parts = [np.ravel(u), np.ravel(extra)]
        if self.data.intercept:
            parts.insert(1, np.ravel(intercept))
        return np.concatenate(parts).astype(float)

    def at(self, theta: Array) -> Array:
        """Coefficients and intercept as blocks take them."""
        return self.data.outward(self.linear(theta))

    def raw(self, theta: Array) -> Array:
        """Raw predictions of all rows: one pass."""
        at = self.at(theta)
        return self.data.rowwise(lambda block: block.raw(at))

    def evaluate(
        self,
        theta: Array,
        order: int = 1,
        out: Array | None = None,
        *,
        whole: bool = True,
        keep: bool = False,
    ) -> Evaluation:
        """Value, gradient and, for ``order=2``, the Hessian: one pass.

        Parameters
        ----------
        theta : array of shape (q,)
            The point.
        order : {1, 2}, default=1
            Of the highest derivative.
        out : array, optional
            Takes the raw predictions of a sum over rows.
        whole : bool, default=True
            Whether with the penalty and per unit of weight; otherwise it is the sum of the losses.
        keep : bool, default=False
            Whether predictions are worth some memory, as they are for products with the Hessian.

        Returns
        -------
        Evaluation
        """
        if not (self.data.single and out is None and self.loss.additive and self._basis is None):
            return self._evaluate_by_blocks(theta, order, out, whole, keep)
        # All rows are one block in the solver's coordinates: of few rows each call between solver and loss counts.
        data, extra = self.data, theta[self._edge :]
        block = data.whole()
        raw = block.raw(self.linear(theta))
        value, slope, d_extra = self.loss.value_gradient(data.y, raw, data.weight, extra)
        gradient = block.pullback(slope)
        if self.n_outputs is not None or self.n_extra:
            gradient = np.concatenate([gradient.ravel(), d_extra])
        hessian = None
        if order > 1:
            hessian = self._alike(self.loss.constant_curvature)
            if hessian is None:
                hessian = self._assemble(self._curvature(theta).of(block, raw))
        if whole:
            value, gradient, hessian = self.penalised(theta, value, gradient, hessian)
        return Evaluation(float(value), gradient, raw, hessian)

    def _evaluate_by_blocks(
        self, theta: Array, order: int, out: Array | None, whole: bool, keep: bool
    ) -> Evaluation:
        """Do what :meth:`evaluate` does by a pass over blocks."""
        loss, at, basis = self.loss, self.at(theta), None
        alike = self._alike(self.loss.constant_curvature) if order > 1 else None
        order = order if alike is None else 1
        if order == 1 and out is None:
            loss, basis = self._unmixed, self._basis
            at = at if basis is None else at @ basis
            out = self._room(at) if keep else None
        part = Slopes(loss, at, theta[self._edge :], None, out)
        if order > 1:
            part = replace(self.pass_at(theta), out=out)
        if self.loss.additive:
            value, pulled, *more = self.data.sum(part, FEW_GRAMS if order > 1 else FEW)
        else:
            value, pulled, *more = part(Whole(self.data))  # type: ignore[arg-type]
        pulled = pulled if basis is None else pulled @ basis.T
        found = self.of_sums((value, pulled, *more))._replace(raw=out)
        found = found if alike is None else found._replace(hessian=alike)
        if whole:
            value, gradient, hessian = self.penalised(theta, *found[:2], found.hessian)
            found = Evaluation(float(value), gradient, out, hessian)
        return found

    def pass_at(self, theta: Array) -> Slopes:
        """Return the pass for value, gradient and Hessian, which may be made along with another."""
        second = self._curvature(theta)
        return Slopes(self.loss, self.at(theta), theta[self._edge :], second)

    def of_sums(self, sums: Sequence[Any]) -> Evaluation:
        """Return the sum of the losses from what :meth:`pass_at` says of all rows."""
        value, pulled, d_extra, *more = sums
        gradient = np.ravel(self.data.inward(pulled))
        if self.n_extra:
            gradient = np.concatenate([gradient, d_extra])
        return Evaluation(float(value), gradient, None, self._assemble(more) if more else None)

    def _room(self, at: Array) -> Array | None:
        """Return where raw predictions go, None where they would take much memory beside X."""
        shape = (self.data.n_rows, *at.shape[1:])
        few = at.ndim == 1 or at.shape[1] < self.data.n_columns
        affordable = few or 8 * math.prod(shape) <= TAKE_BYTES
        return np.empty(shape) if self.data.here and self.loss.additive and affordable else None

    def penalised(
        self, theta: Array, value: float, gradient: Array, hessian: Array | None = None
    ) -> tuple[float, Array, Any]:
        """Make value, gradient and Hessian of this function from those of the sum of losses."""
        if hessian is not None:
            hessian = self._mean(theta, hessian.copy())
        if self.penalty.empty:
            return value / self.total, gradient / self.total, hessian
        size, coordinates = self._size, self.data.coordinates
        if (pulled := self._bent(theta)) is not None:
            penalty = 0.5 * float(pulled.dot(theta[:size]))
        else:
            penalty, pull = self.penalty.value_gradient(
                coordinates.coef(self.linear(theta)[: self.data.size])
            )
            pulled = np.ravel(coordinates.adjoint(pull))
        gradient = gradient.copy()
        gradient[:size] += pulled
        gradient /= self.total
        return float(value + penalty) / self.total, gradient, hessian

    @cached_property
    def _bend(self) -> Array | None:
        """Hessian of the penalty, if it is the same everywhere: its diagonal where this is all of it, or that of each output."""
        coordinates = self.data.coordinates
        if not self.penalty.euclidean:
            return None
        if not coordinates.diagonal:
            return None if coordinates.inner is None else self.penalty.square * coordinates.inner
        each = coordinates.along_diagonal(np.asarray(self.penalty.square))
        return each if self._outputs == 1 else np.repeat(each, self._outputs)

    def _bent(self, theta: Array) -> Array | None:
        """Hessian of the penalty times a direction, if it is the same everywhere."""
        bend, u = self._bend, theta[: self._size]
        if bend is None or bend.ndim == 1:
            return None if bend is None else bend * u
        return np.ravel(bend @ u.reshape(len(bend), -1))

    def hessp(self, theta: Array, direction: Array, raw: Array | None = None) -> Array:
        """Hessian times a direction: one pass; ``raw`` are the predictions of :meth:`evaluate`."""
        extra, d_extra = theta[self._edge :], direction[self._edge :]
        at, d_at, basis = self.at(theta), self.at(direction), self._basis
        if basis is not None:
            at, d_at = at @ basis, d_at @ basis
        part = Along(self._unmixed, at, extra, d_at, d_extra, raw)
        pulled, c_extra = (
            self.data.sum(part) if self.loss.additive else part(Whole(self.data))  # type: ignore[arg-type]
        )
        pulled = pulled if basis is None else pulled @ basis.T
        product = np.ravel(self.data.inward(pulled))
        if self.n_extra:
            product = np.concatenate([product, c_extra])
        product[: self._size] += self._penalty_product(theta, direction)
        return product / self.total

    def _penalty_product(self, theta: Array, direction: Array) -> Array:
        """Hessian of the penalty times a direction."""
        if (bent := self._bent(direction)) is not None:
            return bent
        coordinates, size = self.data.coordinates, self.data.size
        user, along = (coordinates.coef(self.linear(part)[:size]) for part in (theta, direction))
        return np.ravel(coordinates.adjoint(self.penalty.curvature(user) * along))

    def hess(self, theta: Array, raw: Array | None = None) -> Array:
        """Dense Hessian: one pass that forms weighted Gram matrices.

        ``raw`` are the predictions of :meth:`evaluate`. The Hessian of a loss which is no sum over rows is no Gram
        matrix: it takes two passes a column.
        """
        if not self.loss.additive:
            columns = np.column_stack([*map(partial(self.hessp, theta), np.eye(self.size))])
            return 0.5 * (columns + columns.T)
        alike = self._alike(self.loss.constant_curvature)
        if alike is not None:
            return self._mean(theta, alike)
        data, known = self.data, raw if self._basis is None else None
        if known is None or not data.single:
            part = replace(self._curvature(theta), known=known)
            return self._mean(theta, self._assemble(data.sum(part, FEW_GRAMS)))
        # as in `evaluate`, each call between solver and loss counts
        if self.n_outputs is None and not self.n_extra:
            bend, _ = self.loss.curvature(
                data.y, known, data.weight, theta[self._edge :], 1.0, None
            )
            return self._mean(theta, self._assemble((data.whole().gram(bend),)))
        return self._mean(theta, self._assemble(self._curvature(theta).of(data.whole(), known)))

    def hess_alike(self, theta: Array, bend: float | None) -> Array | None:
        """Dense Hessian where the curvature of each row is ``bend``; None where that or inner products are not known."""
        alike = self._alike(bend)
        return None if alike is None else self._mean(theta, alike)

    def _mean(self, theta: Array, hessian: Array) -> Array:
        """Make the Hessian of this function of that of the sum of losses, in its place."""
        hessian = self.with_penalty(theta, hessian)
        hessian /= self.total
        return hessian

    def _alike(self, bend: float | None) -> Array | None:
        """Return the Hessian of the sum of the losses of :meth:`hess_alike`."""
        moments = self.data.moments
        if bend is None or moments is None:
            return None
        inner = self.data.gram_inward(moments)
        return np.multiply(bend, inner, out=None if inner is moments else inner)

    def _curvature(self, theta: Array) -> Curvature:
        """Return the pass for what :meth:`_assemble` puts together."""
        return Curvature(self.loss, self.at(theta), theta[self._edge :], self.n_outputs)

    def _assemble(self, sums: Sequence[Any]) -> Array:
        """Put Gram matrices and cross terms of :meth:`hess` in their places."""
        edge, outputs, inward = self._edge, self._outputs, self.data.gram_inward
        if self.size == edge and self.n_outputs is None:
            return inward(sums[0])
        hessian = np.zeros((self.size, self.size))
        if self.n_outputs is None:
            hessian[:edge, :edge] = inward(sums[0])
        else:
            for j in range(outputs):
                for k in range(j, outputs):
                    inner = inward(sums[j][k - j])
                    hessian[j:edge:outputs, k:edge:outputs] = inner
                    hessian[k:edge:outputs, j:edge:outputs] = inner
        for j in range(self.n_extra):
            pulled, own = sums[outputs + 2 * j : outputs + 2 * j + 2]
            hessian[edge + j, :edge] = np.ravel(self.data.inward(pulled))
            hessian[edge + j, edge:] = own
            hessian[:, edge + j] = hessian[edge + j]
        return hessian

    def with_penalty(self, theta: Array, hessian: Array) -> Array:
        """Add the Hessian of the penalty to that of the sum of losses, in its place."""
        if self.penalty.empty:
            return hessian
        coordinates, bend = self.data.coordinates, self._bend
        outputs, end = self._outputs, self._size
        if bend is not None and bend.ndim > 1:
            for k in range(outputs):
                hessian[k:end:outputs, k:end:outputs] += bend
            return hessian
        if bend is None:
            user = coordinates.coef(self.linear(theta)[: self.data.size])
            curvature = self.penalty.curvature(user)
            bend = coordinates.along_diagonal(curvature).ravel() if coordinates.diagonal else None
        if bend is not None:
            step = len(hessian) + 1
            hessian.reshape(-1)[: end * step : step] += bend
            return hessian
        columns = curvature.reshape(len(curvature), -1)
        for k in range(outputs):
            part = slice(k, end, outputs)
            hessian[part, part] += coordinates.quadratic(columns[:, k])
        return hessian
