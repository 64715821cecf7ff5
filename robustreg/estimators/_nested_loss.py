"""Fields of a loss as parameters of the estimator that has it."""

from __future__ import annotations

from typing import Any, Self

from robustreg.losses import ResidualLoss
from robustreg.losses._names import named_loss


class NestedLoss:
    """An estimator whose ``loss`` is a name or an instance, whose fields are set as ``loss__name``."""

    loss: str | ResidualLoss

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of a loss instance as ``loss__name``.

        Parameters
        ----------
        **params : dict
            Parameters by name.

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
