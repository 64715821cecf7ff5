"""Losses of several classes that see differences between classes only, without what they cannot see."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, array_namespace
from robustreg.losses._base import Loss
from robustreg.losses._categorical import CrossEntropy
from robustreg.losses._targets import Target

#: scores that stay in cache beside what is computed from them
PART = 1 << 14


@lru_cache(maxsize=32)
def helmert(n_classes: int) -> Array:
    """Orthonormal rows of shape (n_classes - 1, n_classes), each with sum zero."""
    basis = scipy.linalg.helmert(n_classes)
    basis.setflags(write=False)
    return basis


@dataclass(eq=False)
class Contrasts(Loss):
    """A loss of a row of scores that does not change when a number is added to the row.

    The raw predictions are the coordinates of the row in an orthonormal basis of the rows of sum
    zero, one column fewer than there are classes. So the optimum is not lost in a direction without
    curvature, its scores sum to zero, and the squared norm of coefficients stays what it is.

    Parameters
    ----------
    base : Loss, default=CrossEntropy()
        The loss of the whole row.
    whole : bool, default=False
        Whether raw predictions are whole rows of scores all the same, because what predicts contrasts has
        been turned into what predicts scores.

    References
    ----------
    Helmert, F. R. (1876). Die Genauigkeit der Formel von Peters zur Berechnung des
    wahrscheinlichen Beobachtungsfehlers. Astronomische Nachrichten 88, 113-131.
    """

    base: Loss = field(default_factory=CrossEntropy)
    whole: bool = False

    def unmixed(self, n_outputs: int | None) -> tuple[Loss, Array | None]:
        assert n_outputs is not None
        return replace(self, whole=True), helmert(n_outputs + 1)

    @property
    def additive(self) -> bool:  # type: ignore[override]
        """Whether the base is additive."""
        return self.base.additive

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether the base is smooth."""
        return self.base.smooth

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether the base is convex."""
        return self.base.convex

    @property
    def target(self) -> Target:  # type: ignore[override]
        """What y must look like: what the base wants."""
        return self.base.target

    def values(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        return self.base.values(y, self._scores(raw), weight, extra)

    def value_gradient(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[float, Any, Array]:
        value, slopes = 0.0, np.empty_like(raw) if isinstance(raw, np.ndarray) else None
        for rows in self._parts(raw):
            part = None if weight is None else weight[rows]
            one, slope, d_extra = self.base.value_gradient(
                y[rows], self._scores(raw[rows]), part, extra
            )
            if slopes is None:
                return one, self._contrasts(slope), d_extra
            value, slopes[rows] = value + one, self._contrasts(slope)
        return value, slopes, d_extra

    def curvature(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Any, Array]:
        bends = np.empty_like(raw) if isinstance(raw, np.ndarray) else None
        for rows in self._parts(raw):
            part = None if weight is None else weight[rows]
            along = self._scores(d_raw[rows] if d_raw.ndim == 2 else d_raw[None])
            bend, c_extra = self.base.curvature(
                y[rows], self._scores(raw[rows]), part, extra, along, d_extra
            )
            if bends is None:
                return self._contrasts(bend), c_extra
            bends[rows] = self._contrasts(bend)
        return bends, c_extra

    def rates(self, y: Any, raw: Any, weight: Array | None) -> tuple[Array, Array] | None:
        own = None if self.whole else self.base.rates(y, self._scores(raw), weight)
        return None if own is None else (own[0], _basis(raw))

    def own_curvature(self, y: Any, raw: Any, weight: Array | None, extra: Array | None) -> Array:
        if not self.whole:
            return super().own_curvature(y, raw, weight, extra)
        bends = np.empty_like(raw)
        for rows in self._parts(raw):
            part = None if weight is None else weight[rows]
            bends[rows] = self.base.own_curvature(y[rows], raw[rows], part, extra)
        return bends

    def _scores(self, raw: Any) -> Any:
        """Scores of the classes."""
        return raw if self.whole else raw @ _basis(raw)

    def _contrasts(self, slope: Any) -> Any:
        """Slopes in the contrasts."""
        return slope if self.whole else slope @ _basis(slope[:, 1:]).T

    def _parts(self, raw: Any) -> list[slice]:
        """Rows whose scores stay in cache from one step to the next, where their losses are added."""
        n, size = raw.shape
        step = max(PART // (size + 1), 1) if self.additive and isinstance(raw, np.ndarray) else n
        return [slice(start, start + step) for start in range(0, max(n, 1), max(step, 1))]


def _basis(raw: Array) -> Array:
    """Return the basis in the type of the raw predictions."""
    basis = helmert(raw.shape[1] + 1)
    if isinstance(raw, np.ndarray):
        return basis
    return array_namespace(raw).asarray(basis, dtype=raw.dtype)
