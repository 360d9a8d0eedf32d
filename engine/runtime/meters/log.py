"""Rows of numbers that one thread writes down and counts later. It loads no numpy."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

ROWS: Final = 8192
"""Rows that may wait to be counted."""
LAST: Final = 256
"""Rows after which they are dropped where nobody counts."""


class Log:
    """A bounded table with one writer. Writing a row is one call in C and a comparison; see `Meter` for how.

    Attributes:
        layout: of a row: ``q``, ``Q`` and ``d`` alone, numbers of 8 bytes.
        buffer: where rows are written.
        at: where the next one goes.
        last: where the last one that fits begins: who has written it, or beyond, calls `full`.
        sampled: somebody counts what is here every now and then.
        dropped: rows that were never counted.
    """

    __slots__ = ("_count", "at", "buffer", "dropped", "last", "layout", "pack", "sampled")

    def __init__(self, layout: str, count: Callable[[], None]) -> None:
        """`count`: counts all that is here, and calls `clear`."""
        self.layout = layout
        packer = struct.Struct(f"={layout}")
        self.pack = packer.pack_into
        self.buffer = bytearray(LAST * packer.size)
        self.at = 0
        self.last = (LAST - 1) * packer.size
        self.sampled = False
        self.dropped = 0
        self._count = count

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return 8 * len(self.layout)

    def sample(self, sampled: bool) -> None:
        """Somebody counts from now on, or nobody does any more."""
        if sampled == self.sampled:
            return
        self.sampled = sampled
        rows = ROWS if sampled else LAST
        self.last = (rows - 1) * self.size
        if self.at > self.last:
            self._drop()
        buffer = bytearray(rows * self.size)  # a megabyte, which an engine that nobody watches does not take
        buffer[: self.at] = self.buffer[: self.at]
        self.buffer = buffer

    def full(self) -> None:
        """There is no room for another row: they are counted at once; or dropped, where nobody wants to see them."""
        if self.sampled:
            self._count()
        if self.at > self.last:
            self._drop()

    def _drop(self) -> None:
        self.dropped += self.at // self.size
        self.at = 0

    def taken(self) -> bytes:
        """All rows, which are no longer here."""
        rows = bytes(memoryview(self.buffer)[: self.at])
        self.at = 0
        return rows
