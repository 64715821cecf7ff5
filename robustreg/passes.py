"""Passes over rows as small objects: what they need travels to the rows, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.data import Block
from robustreg.losses import Loss


@dataclass(frozen=True)
class Curvature:
    """Gram matrices and cross terms that make a Hessian, by the loss's curvature at raw predictions.

    Parameters
    ----------
    loss : Loss
        A sum over rows.
    at : array
        Coefficients and intercept as blocks take them.
    extra : array of shape (n_extra,)
        The loss's own parameters.
    n_outputs : int or None
        Columns of the raw predictions; None means they are one-dimensional.
    """

    loss: Loss
    at: Array
    extra: Array
    n_outputs: int | None = None

    def __call__(self, block: Block) -> tuple[Any, ...]:
        return self.of(block, block.raw(self.at))

    def of(self, block: Block, raw: Array) -> tuple[Any, ...]:
        """Return the terms of rows whose raw predictions are known."""
        parts: list[Any] = []
        for j, (d_raw, d_extra) in enumerate(self._directions()):
            bend, c_extra = self.loss.curvature(
                block.y, raw, block.weight, self.extra, d_raw, d_extra
            )
            if d_extra is not None:
                parts += [block.pullback(bend), np.asarray(c_extra)]
            elif self.n_outputs is None:
                parts.append(block.gram(bend))
            else:
                parts.append(block.grams(bend[:, j:]))
        return tuple(parts)

    def _directions(self) -> list[tuple[Any, Any]]:
        """Unit directions of raw predictions, then of the loss's own parameters."""
        raw: list[Any] = [1.0] if self.n_outputs is None else list(np.eye(self.n_outputs))
        directions: list[tuple[Any, Any]] = [(d, None) for d in raw]
        if len(self.extra):
            directions += [(0.0, row) for row in np.eye(len(self.extra))]
        return directions


@dataclass(frozen=True)
class Slopes:
    """Value and gradient, and with ``second`` also what it returns.

    Parameters
    ----------
    loss, at, extra
        As of :class:`Curvature`.
    second : Curvature, optional
        At the same point.
    out : array, optional
        Takes the raw predictions of rows in this process.
    """

    loss: Loss
    at: Array
    extra: Array
    second: Curvature | None = None
    out: Array | None = None

    def __call__(self, block: Block) -> tuple[Any, ...]:
        raw = block.raw(self.at)
        value, slope, d_extra = self.loss.value_gradient(block.y, raw, block.weight, self.extra)
        if self.out is not None:
            self.out[block.part] = raw
        more = self.second.of(block, raw) if self.second is not None else ()
        return value, block.pullback(slope), d_extra, *more


@dataclass(frozen=True)
class Along:
    """Change of the gradient along a direction.

    Parameters
    ----------
    loss, at, extra
        As of :class:`Curvature`.
    d_at, d_extra
        The direction, of the shapes of ``at`` and ``extra``.
    """

    loss: Loss
    at: Array
    extra: Array
    d_at: Array
    d_extra: Array

    def __call__(self, block: Block) -> tuple[Any, ...]:
        raw, d_raw = block.raw(self.at), block.raw(self.d_at)
        slope, c_extra = self.loss.curvature(
            block.y, raw, block.weight, self.extra, d_raw, self.d_extra
        )
        return block.pullback(slope), c_extra
