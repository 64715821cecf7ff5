"""A Hessian that is kept over several steps of Newton's method, and what decides when it is renewed."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

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


class Pair(NamedTuple):
    """A step, the change of the gradient that it met, and their inner product.

    ``solved`` is ``H^-1 turned`` by the kept Hessian H alone, where it is known.
    """

    moved: Array
    turned: Array
    along: float
    solved: Any = None


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
        #: those along which curvature is positive
        self.pairs: deque[Pair] = deque(maxlen=MEMORY)
        #: the gradient that was last solved for, and ``H^-1 g`` by the kept Hessian H alone
        self._last: tuple[Array, Array] | None = None

    def renew(self, metric: Any) -> None:
        """Take a Hessian at the present point."""
        self.metric, self.fresh, self.poor = metric, True, 0
        self.made += 1
        self.pairs.clear()
        self._last = None

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
            along = float(moved @ turned)
            if along > 1e-12 * np.sqrt((moved @ moved) * (turned @ turned)):
                self.pairs.append(Pair(moved, turned, along))

    def solve(self, gradient: Array) -> Array:
        """Two-loop recursion of L-BFGS about the kept Hessian, scaled to the curvature that the last step met."""
        # where many steps are to come they may meet ever less curvature
        alone = self._alone(gradient) if self.worth > 1 else None
        r: Array
        if not self.pairs:
            r = self.metric.solve(gradient) if alone is None else alone
            return r
        q, weights = gradient.copy(), []
        for moved, turned, along, _ in reversed(self.pairs):
            weight = float(moved @ q) / along
            q -= weight * turned
            weights.append(weight)
        if alone is None:
            r = self.metric.solve(q)
        else:  # H^-1 q, of what is known
            r = alone
            for pair, weight in zip(reversed(self.pairs), weights, strict=True):
                r = r - weight * pair.solved
            newest = self.pairs[-1]
            bent = float(newest.turned @ newest.solved)
            r *= newest.along / bent if bent > 0 else 1.0
        for (moved, turned, along, _), weight in zip(self.pairs, reversed(weights), strict=True):
            r += (weight - float(turned @ r) / along) * moved
        return r

    def _alone(self, gradient: Array) -> Array:
        """Return ``H^-1 g`` by the kept Hessian alone; what it says of the newest pair follows, or is solved for."""
        found: Array = self.metric.solve(gradient)
        last, newest = self._last, self.pairs[-1] if self.pairs else None
        if newest is not None and newest.solved is None:
            if last is not None and np.array_equal(gradient - last[0], newest.turned):
                solved = found - last[1]
            else:
                solved = self.metric.solve(newest.turned)
            self.pairs[-1] = newest._replace(solved=solved)
        self._last = gradient, found
        return found
