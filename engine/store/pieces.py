"""Large results on their way to the recorder: beside a message, as descriptors, or before it, in pieces."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from engine.store.messages import PIECE, Finished, Piece, ToRecorder, encode
from engine.wire.memory import Parcel

_DESCRIPTORS: Final = 500


def most_at_once() -> int:
    """How many a recorder may hold, but for those of the last message: each takes a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else min(_DESCRIPTORS, soft // 3)


def place(messages: list[ToRecorder], parcels: list[Parcel]) -> None:
    """Put large results where messages say that they came beside them."""
    left = iter(parcels)
    for message in messages:
        if isinstance(message, Finished):
            for at, result in enumerate(message.results):
                if type(result) is list and result[:1] == ["pieces"]:
                    message.results[at] = next(left, result)


def encoded(messages: Iterable[ToRecorder], say: Callable[[str], None]) -> Iterator[bytes]:
    """Messages for a file, where large results come in pieces before them. `say` hears of one that can't be read."""
    for message in messages:
        if isinstance(message, Finished) and Parcel in map(type, message.results):
            results = list(message.results)
            for at, result in enumerate(results):
                if type(result) is Parcel:
                    try:
                        for piece, data in enumerate(result.pickled(PIECE)):
                            yield encode(Piece(message.job, message.first + at, piece, data))
                        results[at] = ["pieces", b""]
                    except ValueError as error:
                        results[at] = ["large", b""]
                        say(f"a large result was not recorded, that of task {message.first + at}: {error}")
            message = msgspec.structs.replace(message, results=results)
        yield encode(message)
