"""Losses of several classes that see differences between classes only, without what they cannot see."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg

from robustreg._array import Array, array_namespace
from robustreg.losses._base import Loss
from robustreg.losses._categorical import CrossEntropy
from robustreg.losses._targets import Target


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

    References
    ----------
    Helmert, F. R. (1876). Die Genauigkeit der Formel von Peters zur Berechnung des
    wahrscheinlichen Beobachtungsfehlers. Astronomische Nachrichten 88, 113-131.
    """

    base: Loss = field(default_factory=CrossEntropy)

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
        return self.base.values(y, raw @ _basis(raw), weight, extra)

    def value_gradient(
        self, y: Any, raw: Any, weight: Array | None, extra: Array | None
    ) -> tuple[float, Any, Array]:
        basis = _basis(raw)
        value, slope, d_extra = self.base.value_gradient(y, raw @ basis, weight, extra)
        return value, slope @ basis.T, d_extra

    def curvature(
        self,
        y: Any,
        raw: Any,
        weight: Array | None,
        extra: Array | None,
        d_raw: Any,
        d_extra: Array | None,
    ) -> tuple[Any, Array]:
        basis = _basis(raw)
        bend, c_extra = self.base.curvature(y, raw @ basis, weight, extra, d_raw @ basis, d_extra)
        return bend @ basis.T, c_extra


def _basis(raw: Array) -> Array:
    """Return the basis in the type of the raw predictions."""
    basis = helmert(raw.shape[1] + 1)
    if isinstance(raw, np.ndarray):
        return basis
    return array_namespace(raw).asarray(basis, dtype=raw.dtype)
