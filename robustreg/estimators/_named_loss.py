"""A loss as a parameter of an estimator: by name or as an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from robustreg.estimators._validation import complain
from robustreg.losses import LOSSES, Loss
from robustreg.losses._names import meant, named_loss


class NamedLoss:
    """Mixin of estimators with a parameter ``loss``; before ``BaseEstimator`` among the bases."""

    loss: Any

    def set_params(self, **params: Any) -> Self:
        """Set parameters, ``loss__margin`` for a field of a loss object among them.

        Parameters
        ----------
        **params
            Names as returned by `get_params`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a name is unknown, or asks for a field of a loss that is given by name.
        """
        loss = params.get("loss", self.loss)
        kind = named_loss(loss) if isinstance(loss, str) else None
        nested = [name for name in params if name.startswith("loss__")]
        if nested and isinstance(loss, str):
            raise ValueError(
                f"{nested[0]!r} needs a loss instance, but loss={loss!r} is a name, which stands for "
                f"its defaults: pass loss={'Huber' if kind is None else kind.__name__}() "
                "from robustreg.losses instead."
            )
        super().set_params(**params)  # type: ignore[misc]
        return self

    def _named_loss(self) -> Any:
        """Return the loss, with its defaults where it is given by name."""
        kind = named_loss(self.loss) if isinstance(self.loss, str) else None
        return self.loss if kind is None else kind()

    def _check_loss(self, suits: Callable[[Loss], bool], what: str) -> None:
        """Refuse what is neither a suitable loss nor the name of one."""
        loss = self._named_loss()
        if not isinstance(loss, Loss) or not suits(loss):
            names = [name for name, kind in LOSSES.items() if suits(kind())]
            wanted = f"{what} or one of {', '.join(map(repr, names))}"
            raise complain(self, "loss", wanted, meant(self.loss, names))
        loss.validate()
