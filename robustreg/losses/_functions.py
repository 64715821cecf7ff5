"""The function form of a loss, such as ``huber_loss``: signature and docstring made from its class."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from robustreg.losses._base import Argument, Loss, Reduction

_COMMON = {
    "sample_weight": (
        "array-like, default=None",
        "Non-negative weights of the rows. A weight of 2 is a repeated row, 0 a dropped one.",
    ),
    "reduction": (
        '{"mean", "sum", "none"}, default="mean"',
        "The mean divides by the sum of the weights.",
    ),
    "return_gradient": (
        "bool, default=False",
        'Whether to add the gradient of the reduced value ("none": of the sum).',
    ),
}

_RETURNS = """
value : scalar or array
    The reduced loss; with ``reduction="none"`` an array of shape {shape}, times the weights.
gradient : array{several}
    Derivative with respect to {moving}. Only with ``return_gradient=True``. Of PyTorch tensors it
    is a constant; the value is a part of their graph.
"""

_RAISES = """
ValueError
    If shapes do not fit, an input is empty, not finite or outside the domain of the loss, or a
    parameter is out of range. The message names the argument.
"""


def function_form(loss: type[Loss]) -> Callable[..., Any]:
    """Build the function form of a loss class.

    Parameters
    ----------
    loss : type
        A concrete loss.

    Returns
    -------
    function : callable
        Takes the inputs, the hyper-parameters, ``sample_weight``, ``reduction`` and
        ``return_gradient``, and calls an instance of the class.

    Examples
    --------
    >>> from robustreg.losses import Huber, function_form
    >>> float(function_form(Huber)([0.0], [3.0], delta=1.0))
    2.5
    """
    signature = _signature(loss)
    own = {name: loss.function_names.get(name, name) for name in shown(loss)}
    inputs = [a.name for a in loss.arguments]

    def function(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        instance = loss(
            **loss.function_fixed, **{name: given[public] for name, public in own.items()}
        )
        return instance(
            **{name: given[name] for name in inputs}, **{name: given[name] for name in _COMMON}
        )

    function.__name__ = function.__qualname__ = loss.function
    function.__module__ = "robustreg.losses"
    function.__doc__ = _docstring(loss, signature)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _signature(loss: type[Loss]) -> inspect.Signature:
    """Inputs, hyper-parameters with the function form's defaults, and what all losses share."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    empty = inspect.Parameter.empty
    parameters = [
        inspect.Parameter(a.name, kind, default=None if a.optional else empty)
        for a in loss.arguments
    ]
    parameters += [
        inspect.Parameter(loss.function_names.get(name, name), kind, default=default)
        for name, default in shown(loss).items()
    ]
    only = inspect.Parameter.KEYWORD_ONLY
    parameters += [
        inspect.Parameter("sample_weight", only, default=None),
        inspect.Parameter("reduction", only, default="mean", annotation=Reduction),
        inspect.Parameter("return_gradient", only, default=False, annotation=bool),
    ]
    return inspect.Signature(parameters)


def shown(loss: type[Loss]) -> dict[str, Any]:
    """Fields of a loss class that its function form shows, with the function form's defaults."""
    defaults = loss().get_params(deep=False) | loss.function_defaults
    return {name: value for name, value in defaults.items() if name not in loss.function_fixed}


@functools.cache
def sections(loss: type[Loss]) -> dict[str, str]:
    """Split the docstring of a loss class at its numpydoc headings; the lead has the key ''."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.getdoc(loss) or "", flags=re.MULTILINE)
    return {"": parts[0].strip()} | {
        head: body.strip() for head, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _docstring(loss: type[Loss], signature: inspect.Signature) -> str:
    """Docstring of the function form, from that of the class and the inputs."""
    parts = sections(loss)
    parameters = [_entry(a) for a in loss.arguments]
    for name, text in _entries(parts.get("Parameters", "")).items():
        public = loss.function_names.get(name, name)
        if public in signature.parameters:
            default = signature.parameters[public].default
            text = public + text.removeprefix(name)
            text = re.sub(
                r"default=\S+$", f"default={default!r}", text, count=1, flags=re.MULTILINE
            )
            parameters.append(text)
    parameters += [f"{name} : {kind}\n    {text}" for name, (kind, text) in _COMMON.items()]
    moving = [a.name for a in loss.arguments if a.role != "target"]
    returns = _RETURNS.format(
        shape=loss.values_shape,
        several=" or tuple of arrays" if len(moving) > 1 else "",
        moving=", ".join(f"``{name}``" for name in moving),
    )
    body = {
        "Parameters": "\n".join(parameters),
        "Returns": returns.strip(),
        "Raises": _RAISES.strip(),
        "See Also": f"{loss.__name__} : The same loss as an object.",
        "Notes": f".. math:: {loss.formula}",
        "References": loss.reference,
        "Examples": parts.get("Examples", ""),
    }
    text = "\n\n".join(f"{head}\n{'-' * len(head)}\n{body[head]}" for head in body)
    return f"{parts['']}\n\n{text}\n"


def _entry(argument: Argument) -> str:
    """Docstring entry of one input."""
    kind = argument.type + (", default=None" if argument.optional else "")
    return f"{argument.name} : {kind}\n    {argument.doc}"


def _entries(section: str) -> dict[str, str]:
    """Entries of a Parameters section by name."""
    found = re.split(r"^(?=\w+ : )", section, flags=re.MULTILINE)
    return {entry.split(" : ", 1)[0]: entry.rstrip() for entry in found if entry}
