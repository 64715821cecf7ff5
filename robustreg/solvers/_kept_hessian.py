"""A Hessian that is kept over several steps of Newton's method, and what decides when it is renewed."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._metrics import DenseMetric

#: a gradient that shrinks less than this by one step asks for a new Hessian, where one takes much longer than a gradient
PAYS = 0.5
#: and one that shrinks to this share has seen its Hessian: near a minimum that is how much a step has changed it
SAME = 1e-4
#: a step of which only this share can be taken was wrong in its direction as well
SHORT = 0.3
#: a lift of a matrix of unit diagonal beyond which no more of it helps
MOST = 1e8
#: pairs of steps and gradient changes that correct a kept Hessian
MEMORY = 12


class KeptHessian:
    """A factored Hessian, corrected by limited-memory BFGS pairs of the steps since it was made.

    Parameters
    ----------
    metric : object with a method ``solve``, optional
        A factored Hessian to begin with.
    pays : float, default=1e-4
        A step pays where it shrinks the gradient to this share.
    worth : float, default=1.0
        Evaluations that take as long as a Hessian: so many steps that do not pay are taken before a new one.

    Attributes
    ----------
    metric : object or None
        None where a new one is wanted.
    fresh : bool
        Whether it was made at the present point.
    poor : int
        How many of its steps did not pay.
    lift : float
        What a new one is lifted by, Levenberg's remedy where a Hessian promises too much: a band with few rows, say.
        Small and short-lived: where rows far out in X have nearly all of the Hessian, a lift that stays makes every
        later step tiny.
    made : int
        How many were made.
    """

    def __init__(self, metric: Any = None, pays: float = SAME, worth: float = 1.0) -> None:
        self.metric, self.pays, self.worth = metric, pays, worth
        self.fresh, self.poor, self.lift, self.made = False, 0, 0.0, 0
        #: step, change of the gradient, and the kept curvature along the step as a share of that which was met there
        self.pairs: deque[tuple[Array, Array, float]] = deque(maxlen=MEMORY)

    def renew(self, metric: Any) -> None:
        """Take a Hessian at the present point."""
        self.metric, self.fresh, self.poor = metric, True, 0
        self.made += 1
        self.pairs.clear()

    def lift_more(self, hessian: Array | None) -> bool:
        """Lift the Hessian of the present point, a step of which leads nowhere; whether that may help."""
        metric = self.metric
        if not self.fresh or hessian is None or not metric.finite or metric.lift >= MOST:
            return False
        self.renew(DenseMetric(hessian, max(100 * metric.lift, 1e-6)))
        return True

    def after(
        self, moved: Array, turned: Array, length: float, shrunk: float, *, level: bool, late: bool
    ) -> None:
        """Keep the Hessian after a step, or ask for a new one.

        Parameters
        ----------
        moved, turned : array of shape (q,)
            The step, and how it has changed the gradient.
        length : float
            The share of the step to the minimum of the model that was taken.
        shrunk : float
            What the step has left of the gradient.
        level : bool
            Whether values no longer tell whether steps help: slow ones would be taken for the end.
        late : bool
            Whether iterations are few: as where values are level, a new one is made after the first step that does
            not pay, whatever it takes.
        """
        if length < SHORT:
            self.lift = max(10 * self.lift, 1e-8)
        elif length > 0.9:
            self.lift = 0.0
        self.fresh = False
        self.poor += shrunk > (min(self.pays, PAYS) if level else self.pays)
        if length < SHORT or self.poor >= (1 if level or late else self.worth):
            self.metric = None
            # where one Hessian was kept in vain the next would be, too: what is lost is at most what it takes
            self.worth = 1.0 if self.poor > 1 or length < SHORT else self.worth
        else:
            share = 1.0
            if self.worth > 1:  # where many steps are to come, which may meet ever less curvature
                bent = float(turned @ self.metric.solve(turned))
                share = float(moved @ turned) / bent if bent > 0 else 1.0
            self.pairs.append((moved, turned, share))

    def solve(self, gradient: Array) -> Array:
        """Two-loop recursion of L-BFGS about the kept Hessian, scaled to the curvature that the last step met."""
        if not self.pairs:
            step: Array = self.metric.solve(gradient)
            return step
        usable = [(s, y, float(s @ y), share) for s, y, share in self.pairs]
        usable = [
            (s, y, sy, share)
            for s, y, sy, share in usable
            if sy > 1e-12 * np.sqrt((s @ s) * (y @ y)) and share > 0
        ]
        q, weights = gradient.copy(), []
        for s, y, sy, _ in reversed(usable):
            weight = float(s @ q) / sy
            q -= weight * y
            weights.append(weight)
        r = self.metric.solve(q)
        if usable:
            r = usable[-1][3] * r
        for (s, y, sy, _), weight in zip(usable, reversed(weights), strict=True):
            r += (weight - float(y @ r) / sy) * s
        return r
