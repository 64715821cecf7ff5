"""Tables of files that are mapped into memory: each pass reads them, so that nobody may write them in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from robustreg.tables._base import Local, Part, Sums, add
from robustreg.tables._fingerprint import Stamp, refuse_written


class Mapped(Local):
    """Parts in this process, some of whose arrays are read from files as they are needed.

    Parameters
    ----------
    parts : sequence of Part
        The rows.
    stamps : dict
        Of the files, as of :func:`~robustreg.tables._fingerprint.stamps`.
    """

    def __init__(self, parts: Sequence[Part], stamps: dict[Any, Stamp]) -> None:
        super().__init__(parts)
        self._stamps = stamps

    def reduce(
        self, function: Callable[[Part], Sums], combine: Callable[[Sums, Sums], Sums] = add
    ) -> Sums:
        found = super().reduce(function, combine)
        # after the pass, so that what was written during it is seen; who has mapped a file keeps it where it is
        # removed or replaced
        refuse_written(self._stamps, replaced=False)
        return found

    def map(self, function: Callable[[Part], Part]) -> Mapped:
        return Mapped(list(map(function, self.parts)), self._stamps)
