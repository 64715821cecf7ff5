"""A loss as a parameter of an estimator: by name or as an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robustreg.estimators._base import DocumentedEstimator
from robustreg.estimators._validation import complain
from robustreg.losses import LOSSES, Loss
from robustreg.losses._names import meant, named_loss


class NamedLoss:
    """Mixin of estimators with a parameter ``loss``; before ``BaseEstimator`` among the bases."""

    _by_name = DocumentedEstimator._by_name | {"loss": (named_loss, "losses")}
    loss: Any

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
            raise complain(self, "loss", wanted, meant(self.loss, names).strip())
        loss.validate()
