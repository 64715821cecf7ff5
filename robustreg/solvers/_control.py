"""How long a fit may go on: iterations, tolerance, and the callback that may stop it.

One :class:`Control` is made for a fit and handed to all that works for it. Each part of the work, a phase, has its own
tolerance and limit; iterations of all phases count together, and who stops one stops all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robustreg._array import Array
from robustreg.solvers._result import Result

Callback = Callable[..., Any]


class _Run:
    """What all phases of a fit share: iterations so far, who is told, and whether it was stopped."""

    __slots__ = ("callback", "n_iter", "stopped")

    def __init__(self, callback: Callback | None) -> None:
        self.callback, self.n_iter, self.stopped = callback, 0, False


class Control:
    """The iterations that are left, and who is told of them.

    Parameters
    ----------
    tol : float, default=1e-8
        What the certificate must not exceed.
    max_iter : int, default=100
        Iterations at the most.
    callback : callable, optional
        Called with ``intermediate_result`` (``x``, ``fun``) after an iteration; returning True or raising
        ``StopIteration`` stops the fit.
    """

    __slots__ = ("_begun", "_ended", "_limit", "_outer", "_quiet", "_run", "_until", "_view", "tol")

    def __init__(
        self, tol: float = 1e-8, max_iter: int = 100, callback: Callback | None = None
    ) -> None:
        self.tol, self._run = tol, _Run(callback)
        self._begun, self._limit = 0, max_iter
        self._quiet, self._ended = callback is None, False
        self._outer: Control | None = None
        self._view: Callable[[Any], Array] | None = None
        self._until: Callable[[Array], bool] | None = None

    @property
    def n_iter(self) -> int:
        """Iterations so far, those of all phases included."""
        return self._run.n_iter - self._begun

    @property
    def stopped(self) -> bool:
        """Whether the callback wants no more iterations, or a phase that this one is part of is at its end."""
        return self._ended or self._run.stopped

    @property
    def left(self) -> int:
        """Iterations that may follow."""
        if self._ended or self._run.stopped:
            return 0
        return max(self._limit - self._run.n_iter, 0)

    @property
    def heard(self) -> bool:
        """Whether anyone is told of iterations."""
        return self._run.callback is not None

    def phase(
        self,
        *,
        tol: float | None = None,
        most: int | None = None,
        spare: int = 0,
        view: Callable[[Any], Array] | None = None,
        until: Callable[[Array], bool] | None = None,
    ) -> Control:
        """Return the control of a part of the work, whose iterations count here as well.

        Parameters
        ----------
        tol : float, optional
            Its tolerance, if another.
        most : int, optional
            Its iterations at the most.
        spare : int, default=0
            Iterations to leave for what follows.
        view : callable, optional
            Returns the ``x`` that the callback is told of, given that of this part.
        until : callable, optional
            Given ``x``, whether this part has come to its end; the whole then goes on.
        """
        part = object.__new__(Control)
        part.tol, part._run = self.tol if tol is None else tol, self._run
        part._begun, part._limit = self._run.n_iter, self._limit - spare
        if most is not None:
            part._limit = min(part._begun + most, part._limit)
        part._quiet, part._ended = self._quiet and until is None, self._ended
        part._outer, part._view, part._until = self, view, until
        return part

    def aside(self, max_iter: int, tol: float | None = None) -> Control:
        """Return the control of a question that is decided on the way, of whose iterations nobody is told."""
        return Control(self.tol if tol is None else tol, 0 if self.stopped else max_iter)

    def count(self, steps: int = 1) -> None:
        """Count iterations; take them back where another fit of the same length may take them too."""
        self._run.n_iter += steps

    def tell(self, x: Any, value: float = np.nan) -> bool:
        """Tell of where an iteration led, and of the value there; return whether to stop."""
        if self._quiet:
            return self._ended or self._run.stopped
        if self._until is not None and self._until(x):
            self._ended = True
        if self._outer is not None:
            if not self._outer._quiet and self._outer.tell(
                x if self._view is None else self._view(x), value
            ):
                self._ended = True
        elif not self._run.stopped:
            assert self._run.callback is not None
            try:
                wants = self._run.callback(intermediate_result=Result(x=x, fun=value))
            except StopIteration:
                wants = True
            self._run.stopped = bool(wants)
        return self._ended or self._run.stopped

    def step(self, x: Any, value: float = np.nan) -> bool:
        """Count an iteration and tell of it; return whether to stop."""
        self._run.n_iter += 1
        return self._ended or self._run.stopped if self._quiet else self.tell(x, value)

    def status(self, solved: bool) -> int:
        """Return how the work has ended, as in :class:`~robustreg.solvers.Result`."""
        if solved or self._ended or self._run.stopped:
            return 0 if solved else 99
        return 2 if self._run.n_iter < self._limit else 1
