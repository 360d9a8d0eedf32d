"""Moments of the stream, packed: what a recording is made of, in the database and in a file. Pure.

A moment is what readers were told within a second, or as much of it as it takes to show how a run was: the newest
frame, the states of agents, measurements, alerts. Every tenth is a keyframe, which has all there is, or every sixtieth
where nothing goes on; the others leave out what has not changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from engine.stream.types import STREAM_VERSION, UNREADABLE, ToReader, encoder, to_reader

Moment: TypeAlias = tuple[float, list[ToReader]]
"""When it was, in seconds since the Unix epoch, and what was told, in order."""

KEYFRAME: Final = 10
"""Moments from one keyframe to the next."""
SELDOM: Final = 60
"""The same, once nothing has happened in so many."""
LARGEST: Final = 16 << 20
"""Bytes of a moment, unpacked: anything longer is garbage."""

_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])
_version = msgspec.msgpack.Decoder(int)


class MomentError(ValueError):
    """It can't be unpacked. The text is part of a sentence."""


def pack(messages: Sequence[ToReader], level: int = 1) -> bytes:
    """A moment as it is kept. `level`: of zlib, 1 is the fastest and 9 the smallest."""
    return zlib.compress(encoder.encode([STREAM_VERSION, *messages]), level)


def unpack(data: bytes) -> list[ToReader]:
    """What was told; messages that this version does not know yet are left out. Raises `MomentError`."""
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data, LARGEST)
        if not inflater.eof:
            raise MomentError("it is too long" if inflater.unconsumed_tail else "its end is missing")
        parts = _parts.decode(plain)
        version = _version.decode(parts[0]) if parts else 0
    except (zlib.error, *UNREADABLE) as error:
        raise MomentError(f"it is garbage: {error}") from error
    if version != STREAM_VERSION:
        raise MomentError(f"it is of stream version {version}, this shoal reads {STREAM_VERSION}")
    found: list[ToReader] = []
    for part in parts[1:]:
        try:
            found.append(to_reader.decode(part))
        except UNREADABLE:
            continue
    return found
