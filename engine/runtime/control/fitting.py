"""Messages as they travel: what does not fit one is cut, or comes in parts."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from engine.stream.types import MESSAGE_MAX, Event, MetricsNow, PoolMetrics, Reply, ToReader, encoder

_CUT: Final = 2000
"""Characters that are left of an event's text where all of it does not fit a message."""


_HEAD: Final = 50
"""Bytes that may come to what a message has beside its parts, for their numbers."""


def parts(message: ToReader) -> list[bytes]:
    """A message, or its parts where it can have any. One that fits nowhere is a fault of ours: it is left out, and
    logged."""
    data = encoder.encode(message)
    if len(data) <= MESSAGE_MAX:
        return [data]
    if isinstance(message, MetricsNow):
        pieces = _split(message)
        return [
            encoder.encode(msgspec.structs.replace(message, windows=tuple(piece), part=number, parts=len(pieces)))
            for number, piece in enumerate(pieces)
        ]
    logging.getLogger("shoal").error(
        "a message of %d bytes (%s) is too long for readers, and left out", len(data), type(message).__name__
    )
    return []


def _split(message: MetricsNow) -> list[list[PoolMetrics]]:
    room = most = MESSAGE_MAX - _HEAD - len(encoder.encode(msgspec.structs.replace(message, windows=())))
    pieces: list[list[PoolMetrics]] = [[]]
    for window in message.windows:
        size = len(encoder.encode(window))
        if size > room:
            pieces.append([])
            room = most
        pieces[-1].append(window)
        room -= size
    return pieces


def event(event: Event) -> bytes:
    """An event: cut where all of it does not fit a message. The record has the whole of it."""
    data = encoder.encode(event)
    if len(data) <= MESSAGE_MAX:
        return data
    return encoder.encode(msgspec.structs.replace(event, text=event.text[:_CUT] + " ...", data={"cut": True}))


def reply(reply: Reply) -> bytes:
    """A reply: of a page that does not fit a message, the first rows."""
    data = encoder.encode(reply)
    while len(data) > MESSAGE_MAX:
        rows = reply.data.get("rows", ())
        if len(rows) < 2:
            return encoder.encode(Reply(reply.id, False, "the answer is too long for a message"))
        reply = msgspec.structs.replace(reply, data={**reply.data, "rows": rows[: len(rows) // 2]})
        data = encoder.encode(reply)
    return data
