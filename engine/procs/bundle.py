"""Records of several agents in one message to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.procs.ring import Reader
from engine.wire import frames
from engine.wire.memory import Parcel

_FULL: Final = 160_000
"""Bytes of records after which a message is sent."""
_PREFIX: Final = bytes((frames.RECORD,))


def _stamped(row: int, record: bytes) -> bytes:
    return row.to_bytes(4, "little") + len(record).to_bytes(4, "little") + record


class Bundle:
    """Collects records, and gives their room in the rings back to the agents once they are sent.

    Attributes:
        together: several may travel in one message.
    """

    def __init__(self, send: Callable[[bytes, list[Parcel]], None], together: bool) -> None:
        """`send` takes a message and its parcels, and returns when it is on its way. Unless `together`, every record
        has a message of its own."""
        self._send = send
        self.together = together
        self._records: list[bytes] = []
        self._tails: list[tuple[Reader, int]] = []
        self._bytes = 0

    def add(self, row: int, record: bytes, reader: Reader, tail: int) -> None:
        """Take in a record of a row's ring, which reaches up to `tail` there."""
        self._records.append(_stamped(row, record))
        self._tails.append((reader, tail))
        self._bytes += len(record) + 8
        if not self.together or self._bytes > _FULL:
            self.flush()

    def alone(self, row: int, record: bytes, parcels: list[Parcel]) -> None:
        """Send a record that is in no ring, with what belongs to it, after those that were taken in before."""
        self.flush()
        self._send(_PREFIX + _stamped(row, record), parcels)

    def flush(self) -> None:
        """Send what was taken in."""
        if self._records:
            self._send(b"".join((_PREFIX, *self._records)), [])
            for reader, tail in self._tails:
                reader.advance(tail)
            self._records.clear()
            self._tails.clear()
            self._bytes = 0
