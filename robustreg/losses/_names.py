"""Losses by name: the registry's names, those that other libraries use, and what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from robustreg.losses._base import LOSSES, Loss


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
    if not isinstance(value, str):
        return ""
    plain = value.lower().replace("-", "_").replace(" ", "_")
    known: dict[str, str] = {}
    for name in names:
        kind = LOSSES[name]
        known |= dict.fromkeys((name, kind.__name__.lower(), kind.function, *kind.aliases), name)
    close = get_close_matches(plain, known, n=1)
    return f" Did you mean {known[close[0]]!r}?" if close else ""
