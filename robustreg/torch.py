"""The losses as criteria of PyTorch: one ``torch.nn.Module`` each, made from the registry.

PyTorch is imported with this module, and not by ``import robustreg``. Criteria are called with
predictions first and targets last, as PyTorch's own.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from robustreg.losses import LOSSES, Loss
from robustreg.losses._base import Argument
from robustreg.losses._criteria import docstring, has_centres, order, signature
from robustreg.losses._targets import one_of

try:
    import torch
except ImportError as error:
    raise ImportError("robustreg.torch needs PyTorch: pip install 'robustreg[torch]'.") from error


class Criterion(torch.nn.Module):
    """A loss as a criterion; the other classes of this module derive from it, one for each loss.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default="mean"
        The mean divides by the sum of the weights.
    **parameters
        Fields of the loss. A loss with centres also takes ``n_classes`` and ``n_dimensions``.

    Attributes
    ----------
    loss : Loss
        The loss.
    extra : torch.nn.Parameter or None
        The loss's own parameters: centres of ``ArcFace``, w and b of ``GE2E``. A step that makes w negative
        is taken to the bound of 1e-6 by the next call.

    Examples
    --------
    >>> import torch
    >>> from robustreg.torch import Huber
    >>> criterion = Huber(delta=1.0)
    >>> criterion
    Huber(delta=1.0, reduction='mean')
    >>> float(criterion(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 0.0])))
    1.25
    """

    loss_class: type[Loss]

    def __init__(self, *, reduction: str = "mean", **parameters: Any) -> None:
        super().__init__()
        shape = None
        if has_centres(self.loss_class):
            if not {"n_classes", "n_dimensions"} <= set(parameters):
                raise TypeError(f"{type(self).__name__} needs n_classes and n_dimensions.")
            shape = tuple(
                _count(name, parameters.pop(name)) for name in ("n_classes", "n_dimensions")
            )
        self.loss = self.loss_class(**parameters)
        self.loss.validate()
        one_of("reduction", reduction, ("mean", "sum", "none"))
        self.reduction: Any = reduction
        self.register_parameter("extra", None)
        if shape is not None:
            self.extra = torch.nn.Parameter(torch.nn.init.xavier_normal_(torch.empty(*shape)))
        elif self.loss.target.formation == "group_batches":
            known = self.loss.extra(None, np.ones((2, 2, 1)), None)
            self.extra = torch.nn.Parameter(_tensor(known.start))
            for name in ("lower", "upper"):
                self.register_buffer(name, _tensor(getattr(known, name)), persistent=False)
            own = Argument("extra", "extra", "tensor", "The loss's own parameters.")
            vars(self.loss)["arguments"] = (*self.loss.arguments, own)

    def forward(self, *inputs: Any, sample_weight: Any = None) -> Any:
        """Evaluate the loss.

        Parameters
        ----------
        *inputs : tensor
            Predictions, then targets, then inputs that may be left out.
        sample_weight : tensor, optional
            Non-negative weights of the rows.

        Returns
        -------
        value : tensor
            A part of the graph.

        Raises
        ------
        ValueError
            As the function form of the loss.
        """
        names = order(self.loss_class)
        if len(inputs) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} inputs: {', '.join(names)}.")
        named = dict(zip(names, inputs, strict=False))
        own = next((a.name for a in self.loss.arguments if a.role == "extra"), None)
        if hasattr(self, "lower") and isinstance(self.extra, torch.nn.Parameter):
            self._project()
        if own is not None:
            named[own] = self.extra
        return self.loss(**named, sample_weight=sample_weight, reduction=self.reduction)

    def _project(self) -> None:
        """Move parameters that a step of an optimiser took beyond their bounds back onto these."""
        with torch.no_grad():
            inside = torch.clamp(self.extra, self.lower, self.upper)
            # only where they are beyond: a graph of an earlier call still holds what is in place
            if bool((self.extra != inside).any()):
                self.extra.copy_(inside)

    def extra_repr(self) -> str:
        """Describe the fields of the loss, and the reduction.

        Returns
        -------
        text : str
        """
        own = {}
        if has_centres(self.loss_class):
            own = dict(zip(("n_classes", "n_dimensions"), self.extra.shape, strict=True))
        fields = own | self.loss.get_params(deep=False) | {"reduction": self.reduction}
        return ", ".join(f"{name}={value!r}" for name, value in fields.items())


def _tensor(array: Any) -> Any:
    """Return numbers in PyTorch's default precision."""
    return torch.tensor(array, dtype=torch.get_default_dtype())


def _count(name: str, value: Any) -> int:
    """Return a number of rows or columns of centres."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1. Got {value!r}.")
    return int(value)


def _criterion(kind: type[Loss]) -> type[Criterion]:
    """Make the criterion of a loss."""
    body = {
        "loss_class": kind,
        "__doc__": docstring(kind),
        "__module__": __name__,
        "__signature__": signature(kind),
    }
    return type(kind.__name__, (Criterion,), body)


_shipped = [kind for kind in LOSSES.values() if kind.__module__.startswith("robustreg.losses.")]
globals().update({kind.__name__: _criterion(kind) for kind in _shipped})
__all__ = ["Criterion"]
__all__ += [kind.__name__ for kind in _shipped]
