"""Progress and early stopping through scikit-learn's callbacks, where its version has them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Self

from scipy.optimize import OptimizeResult

from robustreg._array import Array

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Accepts callbacks and leaves them alone."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Ignore callbacks: they came with scikit-learn 1.9.

            Parameters
            ----------
            *callbacks : objects
                Not used.

            Returns
            -------
            self : object
                The estimator.
            """
            warnings.warn("Callbacks need scikit-learn 1.9 and are ignored.", stacklevel=2)
            return self

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Call the method from one frame further down, as scikit-learn's decorator does."""

        @functools.wraps(method)
        def called(estimator: Any, *args: Any, **kwargs: Any) -> Any:
            return method(estimator, *args, **kwargs)

        return called


__all__ = ["CallbackSupportMixin", "Progress", "with_callbacks"]


class Progress:
    """Tells an estimator's callbacks of each iteration, and the solver when they want to stop.

    An instance is what solvers take as ``callback``. A wish to stop is remembered: a solver that
    works in phases is told so in each of them.

    Parameters
    ----------
    estimator : estimator
        In the middle of its ``fit``, which ``with_callbacks`` decorates.
    X, y, sample_weight
        What it is fitted to, as the user gave it: callbacks predict from X and compare with y.
    fitted : callable
        Given the ``x`` of an iteration, returns the fitted attributes that follow from it.
    task : str, default="iteration"
        What to call a part of the work.
    total : int, optional
        How many there are, where that is known before.

    Attributes
    ----------
    heard : bool
        Whether there is a callback at all: without one a solver need not say where it is.
    stopped : bool
        Whether one of them wanted to stop.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        fitted: Callable[[Array], dict[str, Any]],
        *,
        task: str = "iteration",
        total: int | None = None,
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fitted = fitted
        self.stopped = False
        self._task = task
        self._context: Any = None
        # without an estimator around it and callbacks nobody asks for a context
        if not estimator.__dict__.keys().isdisjoint(("_skl_callbacks", "_parent_callback_ctx")):
            context = estimator._init_callback_context(max_subtasks=total)
            self._context = context.call_on_fit_task_begin(**self._told)
        self.heard = bool(estimator.__dict__.get("_skl_callbacks"))

    def __call__(self, intermediate_result: OptimizeResult) -> bool:
        """Report an iteration of a solver; whether to stop after it."""
        return self.tell(intermediate_result.x)

    def tell(self, x: Any) -> bool:
        """Report a part of the work that ends at ``x``; whether to stop after it."""
        if self.heard and not self.stopped:
            part = self._context.subcontext(task_name=self._task)
            part.call_on_fit_task_begin(**self._told)
            self.stopped = part.call_on_fit_task_end(
                **self._told, reconstruction_attributes=lambda: self._fitted(x)
            )
        return self.stopped

    def end(self) -> None:
        """Report that the estimator is fitted."""
        if self._context:
            self._context.call_on_fit_task_end(**self._told, reconstruction_attributes={})
