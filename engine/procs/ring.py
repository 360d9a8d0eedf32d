"""The outcome ring: one writer (an agent), one reader (its host, or the engine once that host is dead), in shared
memory.

A record is its length and CRC-32 (4 bytes each), then its bytes, wrapping around the end. The writer copies first and
publishes the new head last, with one 8-byte store: whoever is killed in between has published nothing. Head and tail
only ever grow.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

from engine.procs.scoreboard import CELLS, HEAD, TAIL, Scoreboard

_PREFIX: Final = struct.Struct("<II")
_SEED: Final = 0x5A0A1
"""Where the checksum begins: so a ring that was wiped with zeros does not read as empty records."""


class RingBroken(Exception):
    """The ring holds what no writer of ours wrote: user code overwrote it."""


class _End:
    """Where a ring and its two positions lie."""

    def __init__(self, board: Scoreboard, row: int) -> None:
        self._cells = board.cells
        self._head_at = row * CELLS + HEAD
        self._tail_at = row * CELLS + TAIL
        self._ring = board.ring(row)
        self._capacity = board.capacity


class Writer(_End):
    """The agent's end."""

    def __init__(self, board: Scoreboard, row: int) -> None:
        super().__init__(board, row)
        self.head = self._cells[self._head_at]

    def write(self, record: bytes) -> bool:
        """Publish a record. False if there is no room for it now (or ever)."""
        size = len(record) + 8
        head = self.head
        if size > self._capacity - (head - self._cells[self._tail_at]):
            return False
        at = head % self._capacity
        data = _PREFIX.pack(len(record), crc32(record, _SEED)) + record
        end = at + size
        if end <= self._capacity:
            self._ring[at:end] = data
        else:
            cut = self._capacity - at
            self._ring[at:] = data[:cut]
            self._ring[: size - cut] = data[cut:]
        self.head = head + size
        self._cells[self._head_at] = self.head
        return True


class Reader(_End):
    """The host's end."""

    def __init__(self, board: Scoreboard, row: int) -> None:
        super().__init__(board, row)
        self.tail = self._cells[self._tail_at]

    def pending(self) -> bool:
        """Whether there is anything to take."""
        return self._cells[self._head_at] != self.tail

    def peek(self, upto: int | None = None) -> tuple[bytes, int] | None:
        """The next record before position `upto` (None: all there is) and the tail after it; None if there is none.

        Raises `RingBroken` where the bytes are no record. What the tail says stays until `advance`.
        """
        head = self._cells[self._head_at]
        if upto is not None and upto < head:
            head = upto
        if head <= self.tail:
            return None
        room = head - self.tail
        if room > self._capacity or room < 8:
            raise RingBroken(f"{room} bytes in a ring of {self._capacity}")
        size, check = _PREFIX.unpack(self._copy(self.tail, 8))
        if size + 8 > room:
            raise RingBroken(f"a record of {size} bytes where {room} were written")
        record = self._copy(self.tail + 8, size)
        if crc32(record, _SEED) != check:
            raise RingBroken("a record whose checksum is wrong")
        return record, self.tail + 8 + size

    def advance(self, tail: int) -> None:
        """Give the room before `tail` back to the writer."""
        self.tail = tail
        self._cells[self._tail_at] = tail

    def reset(self) -> None:
        """Leave out everything written so far."""
        self.advance(self._cells[self._head_at])

    def _copy(self, position: int, size: int) -> bytes:
        at = position % self._capacity
        end = at + size
        if end <= self._capacity:
            return bytes(self._ring[at:end])
        return bytes(self._ring[at:]) + bytes(self._ring[: end - self._capacity])
