"""What a criterion of PyTorch is called with, made from a loss; no PyTorch is needed to know it."""

from __future__ import annotations

import inspect
from typing import Any

from robustreg.losses._base import Loss
from robustreg.losses._functions import sections


def has_centres(kind: type[Loss]) -> bool:
    """Whether a loss is called with a matrix of its own parameters."""
    return any(a.role == "extra" for a in kind.arguments)


def order(kind: type[Loss]) -> list[str]:
    """Names of the inputs: predictions, targets, and those that may be left out."""
    given = [a for a in kind.arguments if a.role != "extra"]
    return [a.name for a in sorted(given, key=lambda a: (a.optional, a.role == "target"))]


def signature(kind: type[Loss]) -> inspect.Signature:
    """Signature of the criterion: the fields of the loss, and the reduction."""
    only, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    sizes: dict[str, Any] = {"n_classes": empty, "n_dimensions": empty} if has_centres(kind) else {}
    defaults = sizes | kind().get_params(deep=False) | {"reduction": "mean"}
    return inspect.Signature(
        [inspect.Parameter(name, only, default=value) for name, value in defaults.items()]
    )


def docstring(kind: type[Loss]) -> str:
    """Docstring of the criterion."""
    text = sections(kind)
    sizes = (
        "n_classes, n_dimensions : int\n    Shape of the centres.\n" if has_centres(kind) else ""
    )
    return (
        f"{text['']}\n\nCalled with {', '.join(order(kind))}.\n\nParameters\n----------\n{sizes}"
        f"{text.get('Parameters', '')}\n"
        'reduction : {"mean", "sum", "none"}, default="mean"\n'
        "    The mean divides by the sum of the weights.\n\n"
        f"See Also\n--------\nrobustreg.losses.{kind.__name__} : The loss itself, with its formula.\n"
    )
