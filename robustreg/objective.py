"""The one function that scipy sees: loss, linear predictor and penalty composed.

    f(theta) = (sum_i w_i loss(y_i, raw_i) + penalty(coef)) / sum_i w_i

in the solver's coordinates, per unit of weight. ``theta`` holds the reduced coefficients (row
by row where there are several outputs), the intercepts and the loss's own parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import FEW_GRAMS, Block, Data, Whole
from robustreg.losses import Loss
from robustreg.penalties import Penalty


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

    @property
    def _shapes(self) -> tuple[int, int]:
        outputs = 1 if self.n_outputs is None else self.n_outputs
        return self.data.size * outputs, outputs if self.data.intercept else 0

    @property
    def size(self) -> int:
        """Length of ``theta``."""
        return sum(self._shapes) + self.n_extra

    def split(self, theta: Array) -> tuple[Array, Any, Array]:
        """Return reduced coefficients, intercept and the loss's own parameters."""
        n_coef, n_intercept = self._shapes
        u, intercept = theta[:n_coef], theta[n_coef : n_coef + n_intercept]
        extra = theta[n_coef + n_intercept :]
        if self.n_outputs is None:
            return u, float(intercept[0]) if n_intercept else 0.0, extra
        shaped = u.reshape(self.data.size, self.n_outputs)
        return shaped, intercept if n_intercept else np.zeros(self.n_outputs), extra

    def join(self, u: Array, intercept: Any, extra: Any = ()) -> Array:
        """Return the ``theta`` that :meth:`split` takes apart."""
        parts = [np.ravel(u), np.ravel(extra)]
        if self.data.intercept:
            parts.insert(1, np.ravel(intercept))
        return np.concatenate(parts).astype(float)

    def raw(self, theta: Array) -> Array:
        """Raw predictions of all rows: one pass."""
        u, intercept, _ = self.split(theta)
        coef, offset = self.data.outward(u, intercept)
        return self.data.rowwise(lambda block: block.raw(coef, offset))

    def _sum(self, part: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Add up ``part`` over blocks, or ask it once where the loss is no sum over rows."""
        return self.data.sum(part) if self.loss.additive else part(Whole(self.data))

    def fun_jac(self, theta: Array, out: Array | None = None) -> tuple[float, Array]:
        """Value and gradient: one pass. ``out`` takes the raw predictions of a sum over rows."""
        coef, offset, extra = self.at(theta)

        def part(block: Block) -> tuple[Any, ...]:
            raw = block.raw(coef, offset)
            value, slope, d_extra = self.loss.value_gradient(block.y, raw, block.weight, extra)
            if out is not None:
                out[block.part] = raw
            return value, block.pullback(slope), slope.sum(axis=0), d_extra

        value, gradient, d_intercept, d_extra = self._sum(part)
        penalty, pull = self.penalty.value_gradient(
            self.data.coordinates.coef(self.split(theta)[0])
        )
        gradient = self.data.inward(gradient, d_intercept) + self.data.coordinates.adjoint(pull)
        gradient = self.join(gradient, d_intercept, d_extra)
        return float(value + penalty) / self.total, gradient / self.total

    def hessp(self, theta: Array, direction: Array) -> Array:
        """Hessian times a direction: one pass."""
        u, intercept, extra = self.split(theta)
        du, d_intercept, d_extra = self.split(direction)
        coef, offset = self.data.outward(u, intercept)
        d_coef, d_offset = self.data.outward(du, d_intercept)

        def part(block: Block) -> tuple[Any, ...]:
            raw, d_raw = block.raw(coef, offset), block.raw(d_coef, d_offset)
            slope, c_extra = self.loss.curvature(block.y, raw, block.weight, extra, d_raw, d_extra)
            return block.pullback(slope), slope.sum(axis=0), c_extra

        gradient, c_intercept, c_extra = self._sum(part)
        user = self.data.coordinates.coef(u)
        bend = self.penalty.curvature(user) * self.data.coordinates.coef(du)
        gradient = self.data.inward(gradient, c_intercept) + self.data.coordinates.adjoint(bend)
        return self.join(gradient, c_intercept, c_extra) / self.total

    def hess(self, theta: Array) -> Array:
        """Dense Hessian: one pass that forms weighted Gram matrices.

        That of a loss which is no sum over rows is no Gram matrix: it takes two passes a column.
        """
        if not self.loss.additive:
            columns = np.column_stack([self.hessp(theta, unit) for unit in np.eye(self.size)])
            return 0.5 * (columns + columns.T)
        hessian = self._assemble(self.data.sum(partial(self._bends, self.at(theta)), FEW_GRAMS))
        return self._with_penalty(theta, hessian) / self.total

    def expand(self, theta: Array) -> tuple[float, Array, Array, Array]:
        """Sums of values, gradients and Hessians of the rows, and raw predictions, in one pass.

        Without penalty, and not per unit of weight. The loss must be a sum over rows.
        """
        at = self.at(theta)
        outputs = () if self.n_outputs is None else (self.n_outputs,)
        all_raw = np.empty((self.data.n_rows, *outputs))

        def part(block: Block) -> tuple[Any, ...]:
            all_raw[block.part] = raw = block.raw(*at[:2])
            value, slope, d_extra = self.loss.value_gradient(block.y, raw, block.weight, at[2])
            bends = self._bends(at, block, raw)
            return value, block.pullback(slope), slope.sum(axis=0), d_extra, *bends

        value, gradient, d_intercept, d_extra, *bends = self.data.sum(part, FEW_GRAMS)
        gradient = self.join(self.data.inward(gradient, d_intercept), d_intercept, d_extra)
        return float(value), gradient, self._assemble(tuple(bends)), all_raw

    def penalised(
        self, theta: Array, value: float, gradient: Array, hessian: Array
    ) -> tuple[float, Array, Array]:
        """Make value, gradient and Hessian of this function from those of :meth:`expand`."""
        u, intercept, extra = self.split(theta)
        penalty, pull = self.penalty.value_gradient(self.data.coordinates.coef(u))
        pull = self.join(self.data.coordinates.adjoint(pull), 0.0 * intercept, 0.0 * extra)
        hessian = self._with_penalty(theta, hessian)
        return (value + penalty) / self.total, (gradient + pull) / self.total, hessian / self.total

    def at(self, theta: Array) -> tuple[Array, Any, Array]:
        """Coefficients and intercept for the blocks, and the loss's own parameters."""
        u, intercept, extra = self.split(theta)
        return *self.data.outward(u, intercept), extra

    def _bends(
        self, at: tuple[Array, Any, Array], block: Block, raw: Array | None = None
    ) -> tuple[Any, ...]:
        """Return what :meth:`_assemble` puts together, of one block."""
        raw = block.raw(*at[:2]) if raw is None else raw
        parts: list[Any] = []
        for j, (d_raw, d_extra) in enumerate(self._directions()):
            bend, c_extra = self.loss.curvature(block.y, raw, block.weight, at[2], d_raw, d_extra)
            if d_extra is None:
                parts += [block.grams((bend if bend.ndim == 2 else bend[:, None])[:, j:])]
            parts += [block.pullback(bend), bend.sum(axis=0), np.asarray(c_extra)]
        return tuple(parts)

    def _directions(self) -> list[tuple[Any, Any]]:
        """Unit directions of raw predictions, then of the loss's own parameters."""
        outputs = 1 if self.n_outputs is None else self.n_outputs
        raw: list[Any] = [1.0] if self.n_outputs is None else list(np.eye(outputs))
        return [(d, None) for d in raw] + [(0.0, row) for row in np.eye(self.n_extra)]

    def _assemble(self, sums: tuple[Any, ...]) -> Array:
        """Put Gram matrices and cross terms of :meth:`hess` in their places."""
        n_coef, n_intercept = self._shapes
        outputs, size = (self.n_outputs or 1), self.data.size
        hessian = np.zeros((self.size, self.size))
        edge = n_coef + n_intercept
        queue = list(sums)
        for j in range(outputs):
            gram, cross, total, _ = (queue.pop(0) for _ in range(4))
            cross, total = cross.reshape(-1, outputs), np.reshape(total, outputs)
            for k in range(j, outputs):
                inner = self.data.gram_inward(gram[k - j], cross[:, k], total[k])
                hessian[j:n_coef:outputs, k:n_coef:outputs] = inner
                hessian[k:n_coef:outputs, j:n_coef:outputs] = inner
            if n_intercept:
                inward = self.data.inward(cross, total).reshape(size, outputs)
                hessian[n_coef + j, :n_coef] = inward.ravel()
                hessian[:n_coef, n_coef + j] = inward.ravel()
                hessian[n_coef + j, n_coef:edge] = total
        for j in range(self.n_extra):
            pulled, total, c_extra = (queue.pop(0) for _ in range(3))
            column = self.join(self.data.inward(pulled, total), total, c_extra)
            hessian[edge + j, :] = hessian[:, edge + j] = column
        return hessian

    def _with_penalty(self, theta: Array, hessian: Array) -> Array:
        curvature = self.penalty.curvature(self.data.coordinates.coef(self.split(theta)[0]))
        if not np.any(curvature):
            return hessian
        hessian = hessian.copy()
        n_coef, outputs = self._shapes[0], self.n_outputs or 1
        columns = curvature.reshape(len(curvature), -1)
        for k in range(outputs):
            part = slice(k, n_coef, outputs)
            hessian[part, part] += self.data.coordinates.quadratic(columns[:, k])
        return hessian
