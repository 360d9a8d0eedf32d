"""Recordings as files: a line that says what it is, then who was recorded, moment after moment, and an end.

Each of these is a record: when, how long, a check (CRC-32), and that many bytes. A file without its end was cut off.
"""

from __future__ import annotations

import bisect
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from engine.stream.moments import LARGEST, Moment, MomentError, pack, unpack
from engine.stream.recordings import Recording, RecordingError
from engine.stream.types import STREAM_VERSION, UNREADABLE, Hello, encoder

SUFFIX: Final = ".shoal"
_KIND: Final = b"shoal recording "
_MAGIC: Final = _KIND + b"1\n"
_RECORD: Final = struct.Struct("<dII")
"""Seconds since the Unix epoch, bytes, check."""
_AT: Final = struct.Struct("<d")
_LEVEL: Final = 9


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """The first record."""

    hello: Hello
    complete: bool


_head = msgspec.msgpack.Decoder(_Head)


def write(stream: BinaryIO, recording: Recording) -> int:
    """Write all of a recording; how many moments it has. Raises `RecordingError` and OSError."""
    stream.write(_MAGIC)
    hello = msgspec.structs.replace(recording.hello, database="")  # what lies there is on one machine alone
    start, end, count = recording.start, recording.end, 0
    _write(stream, start, encoder.encode(_Head(hello, recording.complete)))
    for at, messages in recording.window(start, end):
        _write(stream, at, pack(messages, _LEVEL))
        count += 1
    _write(stream, end, b"")
    return count


def _write(stream: BinaryIO, at: float, data: bytes) -> None:
    stream.write(_RECORD.pack(at, len(data), _check(at, data)) + data)


def _check(at: float, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(_AT.pack(at)))


class FileRecording:
    """A recording in a file, as `engine.stream.recordings.Recording`.

    Attributes:
        hello: who was recorded.
        start: when the run began, seconds since the Unix epoch.
        end: when something was told for the last time.
        complete: whether it has all that was told.
        damage: what is wrong with the file, one line for people; "" for nothing.
    """

    def __init__(self, path: Path) -> None:
        """Look through the file. Raises `RecordingError` where nothing of it can be played."""
        self._path = path
        self._times: list[float] = []
        self._places: list[tuple[int, int]] = []
        """Where the data of each moment lies, and how many bytes it has."""
        self.damage = ""
        try:
            with open(path, "rb") as file:
                self._scan(file)
        except OSError as error:
            raise RecordingError(f"can't read {path}: {error.strerror or error}") from error

    def _scan(self, file: BinaryIO) -> None:
        magic = file.read(len(_MAGIC))
        if not magic.startswith(_KIND):
            raise RecordingError(f"{self._path} is no recording of Shoal")
        if len(magic) == len(_MAGIC) and magic != _MAGIC:
            raise RecordingError(f"{self._path} was written by a newer Shoal: update it")
        first = _read(file, 0.0)
        if first is None:
            raise RecordingError(f"{self._path} is damaged from its beginning on")
        self.start, data = first
        try:
            head = _head.decode(data)
        except UNREADABLE as error:
            raise RecordingError(f"{self._path} is damaged from its beginning on") from error
        if head.hello.version != STREAM_VERSION:
            theirs = head.hello.version
            raise RecordingError(f"{self._path} is of stream version {theirs}, this shoal reads {STREAM_VERSION}")
        self.hello, self.complete = head.hello, head.complete
        self.end = self.start
        while found := _read(file, self.end):
            self.end, data = found
            if not data:
                return
            self._times.append(self.end)
            self._places.append((file.tell() - len(data), len(data)))
        self.damage = f"{self._path} is cut off or damaged: it plays {self.end - self.start:.0f} s, and ends there"

    def look(self) -> bool:
        """A file stays as it is: False."""
        return False

    def window(self, since: float, until: float) -> Iterator[Moment]:
        """As `engine.stream.recordings.Recording`."""
        first, stop = bisect.bisect_right(self._times, since), bisect.bisect_right(self._times, until)
        try:
            with open(self._path, "rb") as file:
                for at, (place, size) in zip(self._times[first:stop], self._places[first:stop], strict=True):
                    file.seek(place)
                    yield at, unpack(file.read(size))
        except OSError as error:
            raise RecordingError(f"can't read {self._path}: {error.strerror or error}") from error
        except MomentError as error:
            raise RecordingError(f"{self._path}: a moment can't be read: {error}") from error


def _read(file: BinaryIO, after: float) -> tuple[float, bytes] | None:
    """The next record, from `after` on; None where there is none that is whole."""
    head = file.read(_RECORD.size)
    if len(head) < _RECORD.size:
        return None
    at, size, check = _RECORD.unpack(head)
    if not after <= at < math.inf or size > LARGEST:  # not: it may be no number at all
        return None
    data = file.read(size)
    return (at, data) if len(data) == size and _check(at, data) == check else None
