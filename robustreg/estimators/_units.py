"""Units of y in which a solver works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.penalties import Penalty
from robustreg.sampling import drawn
from robustreg.scales import MAD_FACTOR, weighted_median

#: values of y from which its centre and spread are known well enough
ENOUGH = 5_000


@dataclass
class Units:
    """Where y is centred and what size it has: the fit sees (y - center) / spread.

    Parameters
    ----------
    center, spread : float
        In the units of y.
    mass : float
        Mean weight of a row.
    """

    center: float
    spread: float
    mass: float = 1.0

    @classmethod
    def of(
        cls, y: Array, weight: Array | None, mass: float, intercept: bool, *, bounded: bool = True
    ) -> Units:
        """Median and MAD of y, so that no single value moves them; some rows of many are enough.

        Where the influence of a value is not ``bounded`` either, the root of the mean square.
        """
        if not bounded:
            center = weighted_median(y, weight) if intercept else 0.0
            largest = float(np.abs(y - center).max()) or 1.0
            share = np.average(((y - center) / largest) ** 2, weights=weight)
            return cls(center, largest * float(np.sqrt(share)) or 1.0, mass)
        # by chance: every tenth row may be of a kind
        some: Any = drawn(len(y), ENOUGH) if len(y) > ENOUGH else slice(None)
        center, spread = _middle(y[some], None if weight is None else weight[some], intercept)
        if spread == 0 and len(y) > ENOUGH:
            center, spread = _middle(y, weight, intercept)
        return cls(center, spread or 1.0, mass)

    def inward(self, y: Array) -> Array:
        """Return y as the solver sees it."""
        inside = y - self.center
        inside /= self.spread
        return inside

    def outward(self, raw: Array) -> Array:
        """Return predictions of the solver in the units of y; they are overwritten."""
        raw *= self.spread
        raw += self.center
        return raw

    def penalty(self, penalty: Penalty, degree: int) -> Penalty:
        """Return the penalty that goes with a loss of ``degree`` in the solver's units."""
        rescaled: Penalty = penalty.rescaled(self.spread, degree, self.mass)
        return rescaled


def _middle(y: Array, weight: Array | None, intercept: bool) -> tuple[float, float]:
    """Centre of y and typical distance from it, 0 where y does not vary."""
    if weight is not None:
        y, weight = y[weight > 0], weight[weight > 0]
    center = weighted_median(y, weight) if intercept and len(y) else 0.0
    size = np.abs(y - center)
    if not size.any():
        return center, 0.0
    spread = MAD_FACTOR * weighted_median(size, weight)
    # where most y are equal: the typical distance of the others
    return center, spread if spread > 1e-12 * size.max() else weighted_median(size[size > 0])
