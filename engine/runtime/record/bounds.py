"""Messages that are too long for one datagram: in parts where they can be, else with their texts cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.procs.output import cut
from engine.store.messages import (
    AlertNow,
    Attempt,
    BeginningPart,
    Ended,
    Happened,
    JobMade,
    Measured,
    PoolMade,
    RunBegan,
    RunEnded,
    Sampled,
    ToRecorder,
)
from engine.stream.types import Event

_TEXT: Final = 32 << 10
"""Bytes that are kept of a text."""
_NAME: Final = 4 << 10
"""Bytes that are kept of a name, or of one value among many."""
_PART: Final = 40_000
"""Characters of a beginning in one message: each takes four bytes at the most."""
_POOLS: Final = 1_000
"""Pools in one sample."""
_DATA: Final = 64 << 10
"""Bytes that the data of an event may take."""

_replace = msgspec.structs.replace


def bounded(message: ToRecorder) -> Iterator[ToRecorder]:
    """What is told in place of a message that is too long: the same, as far as that can be.

    Outcomes, items and specs are not cut here: who makes them does it.
    """
    match message:
        case RunBegan():
            yield _replace(message, name=short(message.name, _NAME), command=[], config={})
            text = msgspec.json.encode({"command": message.command, "config": message.config}).decode()
            parts = range(0, len(text), _PART)
            for number, at in enumerate(parts):
                yield BeginningPart(number, len(parts), text[at : at + _PART])
        case PoolMade():
            yield _replace(message, name=short(message.name, _NAME))
        case JobMade():
            yield _replace(message, name=short(message.name, _NAME), call=short(message.call))
        case Ended() | Attempt():
            yield _replace(message, text=short(message.text))
        case Happened(events):
            for event in events:
                yield Happened([_event(event)])
        case AlertNow():
            text = short(message.text)
            yield _replace(message, text=text, evidence=message.evidence if len(message.evidence) < _TEXT else "{}")
        case Measured(found):
            for one in found:
                yield Measured([one])
        case Sampled():
            yield _replace(message, pools=message.pools[:_POOLS])
        case RunEnded():
            yield _replace(message, summary=_data(message.summary))
        case _:
            yield message


def short(text: str, limit: int = _TEXT) -> str:
    """A text, or where it has more than `limit` bytes its beginning, marked as such."""
    kept = cut(text, limit)
    return kept if kept == text else f"{kept} [...]"


def _event(event: Event) -> Event:
    return _replace(event, text=short(event.text), data=_data(event.data))


def _data(data: dict[str, Any]) -> dict[str, Any]:
    """The same with texts cut; what is still too long is left out."""
    found = {name: short(value, _NAME) if isinstance(value, str) else value for name, value in data.items()}
    return found if len(msgspec.msgpack.encode(found)) < _DATA else {"left_out": sorted(found)[:100]}
