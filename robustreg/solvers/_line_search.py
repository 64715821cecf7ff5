"""How much of a step to take: lengths to be tried, and what their trials say."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._kept_hessian import SHORT

#: a step must bring at least this share of the decrease that its slope promises
SUFFICIENT = 1e-4
#: the largest share of the way to a bound that one step may go
TO_BOUND = 0.6
#: the slope along a short step at which it ends, as a share of that at its beginning
FLAT = 0.1
#: and along one of an envelope, whose slope is a line in pieces
LEVEL = 0.3
#: a gradient that shrinks to this share has all but vanished, as near a minimum by Newton's step
VANISHES = 0.01
#: trials of a length, and those that follow a short one
TRIALS, MORE = 30, 10


class Point:
    """A point, what a function is there, and what else it has said of it."""

    __slots__ = ("gradient", "held", "hessian", "norm", "value", "x")

    def __init__(
        self,
        x: Array,
        value: Any,
        gradient: Array,
        raw: Array | None = None,
        hessian: Array | None = None,
    ) -> None:
        self.x, self.value, self.gradient = x, float(value), gradient
        self.held, self.hessian = () if raw is None else (raw,), hessian
        self.norm = float(np.abs(gradient).max(initial=0.0))


def noise(value: float, size: float = 1.0) -> float:
    """Change of a value that rounding can make: of its sum, and of predictions of the given size, one at least."""
    return 1e-14 * abs(value) + 2e-16 * max(size, 1.0)


class LineSearch:
    """Backtracks until the decrease is sufficient (Armijo), and from a short length goes on to where the line is level.

    Where the change of the value is below its rounding (one y of 1e12 makes all values large), the
    slope at the trial is asked instead: on a convex function it tells whether the step was too far.

    While ``going``, the function is to be evaluated at the present ``length`` and the point told to :meth:`judge`.

    Parameters
    ----------
    start : Point
        Where the line begins.
    step : array of shape (q,)
        To its point of length one.
    slope : float
        Along it at the start. Where this does not fall, nothing is tried.
    lower : array of shape (q,), optional
        Open lower bounds.

    Attributes
    ----------
    best : Point or None
        The point to go to, None where there is none, and ``taken`` its length.
    rounding : float
        Change of the value at the start that rounding can make.
    """

    def __init__(self, start: Point, step: Array, slope: float, lower: Array | None = None) -> None:
        self.start, self.step, self.slope = start, step, slope
        self.going, self.length, self.left = slope < 0, 1.0, TRIALS
        self.best: Point | None = None
        self.taken = 0.0
        self.rounding = noise(start.value)
        self._free = lower is None
        if lower is not None:
            falling = step < 0
            room = (start.x[falling] - lower[falling]) / -step[falling]
            self.length = min(1.0, TO_BOUND * float(room.min(initial=np.inf)))
        #: lengths and slopes between which the line is level, once a short length was found
        self._low, self._high = (0.0, slope), (np.inf, np.inf)

    def judge(self, trial: Point) -> None:
        """Take what the function is at the present length, and choose the next."""
        start, slope, length, best = self.start, self.slope, self.length, self.best
        self.left -= 1
        if not (isfinite(trial.value) and isfinite(trial.norm)):
            if best is None:
                self._shorten(0.1)
            else:
                self.going = False
            return
        gain = start.value - trial.value
        enough = gain >= -SUFFICIENT * length * slope and gain > 0
        if best is None and not enough and not self._tells(trial, gain):
            # to the minimum of the parabola through the value, the slope and the trial
            bend = -gain - length * slope
            shrink = -slope * length / (2 * bend) if bend > 0 else 0.5
            self._shorten(min(max(shrink, 0.1), 0.5))
            return
        if best is None or trial.value < best.value:
            self.best, self.taken = trial, length
        if best is None:
            self.left = MORE
            if not (enough and length < SHORT and self._free):
                self.going = False
                return
        self._aim(float(trial.gradient @ self.step))

    def _shorten(self, share: float) -> None:
        self.length *= share
        start = self.start.x
        self.going = self.left > 0 and not np.all(start + self.length * self.step == start)

    def _tells(self, trial: Point, gain: float) -> bool:
        """Whether the gradient tells that the trial is better, where values cannot."""
        start = self.start
        ahead = float(trial.gradient @ self.step)
        nearer = ahead <= -0.5 * self.slope or trial.norm < start.norm
        if abs(gain) <= self.rounding and nearer:
            return True
        # predictions of large coefficients are rounded more: there a gradient that all but vanishes tells more
        return trial.norm <= VANISHES * start.norm and abs(gain) <= noise(
            start.value, float(np.abs(start.x).max(initial=0.0))
        )

    def _aim(self, ahead: float) -> None:
        """Choose the next length by the slope at the present one; none where the line is nearly level.

        Where the slope has kinks (squared hinge) short steps that end elsewhere zigzag for ever.
        """
        self.going = self.left > 0 and not abs(ahead) <= FLAT * abs(self.slope)
        if not self.going:
            return
        if ahead > 0:
            self._high = self.length, ahead
        else:
            self._low = self.length, ahead
        low, high = self._low, self._high
        width = high[0] - low[0]
        if np.isfinite(width):
            at = low[0] - low[1] * width / (high[1] - low[1])
            self.length = min(max(at, low[0] + 0.05 * width), high[0] - 0.05 * width)
        else:
            self.length = 2 * low[0]


def level(slope: Callable[[float], float], first: float) -> float:
    """Return a length at which a convex function along a line is nearly level, 1 if it is there.

    ``first`` is its slope at length 0.
    """
    low, high = (0.0, first), (1.0, slope(1.0))
    if abs(high[1]) <= LEVEL * abs(first):
        return 1.0
    while high[1] < 0 and high[0] < 1e6:
        low, high = high, (2 * high[0], slope(2 * high[0]))
    length = high[0]
    for _ in range(30):
        reach = high[0] - low[0]
        if high[1] == low[1]:
            break
        length = low[0] - low[1] * reach / (high[1] - low[1])
        length = min(max(length, low[0] + 0.05 * reach), high[0] - 0.05 * reach)
        ahead = slope(length)
        if abs(ahead) <= LEVEL * abs(first):
            break
        low, high = ((length, ahead), high) if ahead < 0 else (low, (length, ahead))
    return float(length)
