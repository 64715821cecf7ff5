"""Losses by name: the registry's names, those that other libraries use, and what was meant."""

from __future__ import annotations

from typing import Any

from robustreg._parameters import did_you_mean
from robustreg.losses._base import LOSSES, Loss

#: losses by what their mean is called as a score
_ABBREVIATIONS = {"mse": "squared", "mae": "absolute"}


def named_loss(name: str) -> type[Loss] | None:
    """Find a loss by its name in `LOSSES` or by one of its aliases; None for an unknown name."""
    if name in LOSSES:
        return LOSSES[name]
    return next((kind for kind in LOSSES.values() if name in kind.aliases), None)


def meant(value: Any, names: list[str]) -> str:
    """Return what to say of a loss that is none of the names: a sentence, or nothing.

    Parameters
    ----------
    value : object
        What was passed.
    names : list of str
        Names of the losses that would do.

    Returns
    -------
    sentence : str
        Begins with a space.
    """
    if isinstance(value, type) and issubclass(value, Loss):
        return f" That is a class: pass an instance, {value.__name__}()."
    known = {short: name for short, name in _ABBREVIATIONS.items() if name in names}
    for name in names:
        kind = LOSSES[name]
        known |= dict.fromkeys((kind.__name__.lower(), kind.function, *kind.aliases), name)
    question = did_you_mean(value, names, known)
    return f" {question}" if question else ""
