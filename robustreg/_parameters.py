"""Hyper-parameters as dataclass fields: what values they may take, and scikit-learn's access to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from numbers import Real as RealNumber
from typing import Any, Protocol, Self

import numpy as np


class Constraint(Protocol):
    """What a hyper-parameter may be: a test, and the words for a message."""

    description: str

    def allows(self, value: Any) -> bool:
        """Whether the value is legal."""


class Interval:
    """A real number between two bounds; ``closed`` is "both", "left", "right" or "neither"."""

    def __init__(self, low: float, high: float, closed: str) -> None:
        self.low, self.high, self.closed = float(low), float(high), closed
        left = "[" if closed in ("both", "left") else "("
        right = "]" if closed in ("both", "right") else ")"
        self.description = f"a float in the range {left}{self.low}, {self.high}{right}"

    def allows(self, value: Any) -> bool:
        """Whether the value is a real number (a Boolean is none) within the bounds."""
        if isinstance(value, bool) or not isinstance(value, RealNumber) or math.isnan(value):
            return False
        value = float(value)
        above = value > self.low or (self.closed in ("both", "left") and value == self.low)
        below = value < self.high or (self.closed in ("both", "right") and value == self.high)
        return bool(above and below)


class Choice:
    """One of a few strings."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.description = "one of " + ", ".join(repr(option) for option in options)

    def allows(self, value: Any) -> bool:
        """Whether the value is one of the options."""
        return isinstance(value, str) and value in self.options


class Flag:
    """True or False."""

    description = "True or False"

    def allows(self, value: Any) -> bool:
        """Whether the value is a Boolean."""
        return isinstance(value, (bool, np.bool_))


class Nothing:
    """None."""

    description = "None"

    def allows(self, value: Any) -> bool:
        """Whether the value is None."""
        return value is None


class Sequence:
    """A one-dimensional sequence whose entries obey another constraint."""

    def __init__(self, entry: Constraint) -> None:
        self.entry = entry
        self.description = f"a sequence, each entry {entry.description}"

    def allows(self, value: Any) -> bool:
        """Whether the value is a non-empty sequence of legal entries."""
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            return False
        entries = list(value)
        return bool(entries) and all(self.entry.allows(entry) for entry in entries)


def parameter(default: Any, *constraints: Constraint) -> Any:
    """Dataclass field whose value satisfies one of the constraints."""
    return field(default=default, metadata={"constraints": constraints})


def real(default: float, low: float, high: float = math.inf, closed: str = "neither") -> Any:
    """Dataclass field for a real number between ``low`` and ``high``."""
    return parameter(default, Interval(low, high, closed))


def flag(default: bool) -> Any:
    """Dataclass field for True or False."""
    return parameter(default, Flag())


def choice(default: str, *options: str) -> Any:
    """Dataclass field for one of a few strings."""
    return parameter(default, Choice(*options))


class Parameters:
    """Base of dataclasses whose fields are hyper-parameters.

    Fields may be changed at any time and are checked when the object is used, as in scikit-learn.
    ``clone``, ``pickle``, ``==`` and nested names such as ``loss__delta`` work through them.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the parameters of nested losses, as ``base__delta``.

        Returns
        -------
        params : dict
        """
        own = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        if deep:
            for name, value in list(own.items()):
                if isinstance(value, Parameters):
                    own |= {f"{name}__{key}": v for key, v in value.get_params().items()}
        return own

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name.

        Parameters
        ----------
        **params
            Names as returned by `get_params`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is unknown.
        """
        own = self.get_params(deep=False)
        for name, value in params.items():
            head, _, rest = name.partition("__")
            if head not in own or (rest and not isinstance(getattr(self, head), Parameters)):
                raise ValueError(
                    f"Invalid parameter {name!r} for {type(self).__name__}. "
                    f"Valid parameters are: {sorted(own)}."
                )
            if rest:
                getattr(self, head).set_params(**{rest: value})
            else:
                setattr(self, head, value)
        return self

    def validate(self) -> None:
        """Check every hyper-parameter.

        Raises
        ------
        ValueError
            If one is of the wrong type or out of range; the message names it.
        """
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, Parameters):
                value.validate()
            constraints = f.metadata.get("constraints", ())
            if constraints and not any(c.allows(value) for c in constraints):
                words = " or ".join(c.description for c in constraints)
                raise ValueError(
                    f"The {f.name!r} parameter of {type(self).__name__} must be {words}. "
                    f"Got {value!r} instead."
                )

    def __eq__(self, other: object) -> bool:
        """Same class and equal hyper-parameters (arrays among them compare by their entries)."""
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.get_params(deep=False), other.get_params(deep=False)
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]  # mutable


def did_you_mean(
    value: object, names: Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> str:
    """Return a question with the name that was probably meant, or nothing.

    Parameters
    ----------
    value : object
        What was passed.
    names : iterable of str
        Names that would do.
    elsewhere : dict of str to str
        Of names that other libraries use, those here.

    Returns
    -------
    question : str
    """
    if not isinstance(value, str):
        return ""
    known = {**{name: name for name in names}, **(elsewhere or {})}
    close = get_close_matches(value.lower().replace("-", "_").replace(" ", "_"), known, n=1)
    return f"Did you mean {known[close[0]]!r}?" if close else ""
