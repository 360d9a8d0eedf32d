"""The runs that are going on: who they are, and which one is meant."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.stream import places
from engine.stream.client import StreamError
from engine.stream.types import STREAM_VERSION, UNREADABLE, Frame, Hello, to_reader

_PATIENCE: Final = 1.0
"""Seconds that all engines together get to say who they are."""
_RECEIVE: Final = 1 << 18


@dataclass(slots=True)
class Live:
    """One run that is going on.

    Attributes:
        path: of its socket.
        hello: None if its engine said nothing in time.
        frame: how it was a moment ago, None if it did not say.
    """

    path: Path
    hello: Hello | None = None
    frame: Frame | None = None

    @property
    def run(self) -> str:
        """Its id."""
        return self.path.stem.partition("-")[0] if self.hello is None else self.hello.run

    @property
    def name(self) -> str:
        """Its name, "" where that is not known."""
        return "" if self.hello is None else self.hello.name

    def __str__(self) -> str:
        return f"{self.run} ({self.name})" if self.name else self.run


def runs(frames: bool = False) -> list[Live]:
    """The runs of this user that are going on, the newest first. `frames`: wait for one of each, too.

    Raises `places.UnsafeFolder`.
    """
    found = [Live(path) for path in places.live_sockets()]
    poller = select.poll()  # no `select.select`: this program may have more than its 1,023 descriptors
    waiting: dict[int, tuple[socket.socket, Live]] = {}
    try:
        for live in found:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sock.setblocking(False)
            try:
                sock.connect(str(live.path))
            except OSError:  # it has ended meanwhile, or has a crowd before its door
                sock.close()
            else:
                waiting[sock.fileno()] = sock, live
                poller.register(sock, select.POLLIN)
        asked, deadline = time.time() if frames else None, time.monotonic() + _PATIENCE
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in poller.poll(math.ceil(left * 1000)):
                sock, live = waiting[fd]
                if _heard(sock, live, asked):
                    del waiting[fd]
                    poller.unregister(fd)
                    sock.close()
    finally:
        for sock, _ in waiting.values():
            sock.close()
    return found


def _heard(sock: socket.socket, live: Live, asked: float | None) -> bool:
    """Hear one message of an engine; whether that was all that is wanted of it: a frame of after `asked`, or none.

    The first frame may be an old one, that somebody saw who has left.
    """
    with contextlib.suppress(OSError, *UNREADABLE):
        data = sock.recv(_RECEIVE)
        message = to_reader.decode(data) if data else None
        if isinstance(message, Hello):
            live.hello = message
            return asked is None or message.version != STREAM_VERSION
        if isinstance(message, Frame):
            live.frame = message
            return asked is None or message.at >= asked
        return message is None
    return live.hello is None or live.hello.version != STREAM_VERSION


def choose(found: Sequence[Live], text: str | None) -> Live:
    """The run that is meant: by its id, the beginning of that, or its name; ``last`` is the newest. Without a text it
    is the only one there is.

    Raises `StreamError` with one line for people.
    """
    if text is not None and not text.strip():
        raise StreamError("an empty name is no run's: give its id, the beginning of it, its name, or last")
    if not found:
        raise StreamError("no run is going on" if text in (None, "last") else f"no run {text!r} is going on; none is")
    if text == "last":
        return found[0]
    listed = ", ".join(map(str, found))
    if text is None:
        if len(found) > 1:
            raise StreamError(f"{len(found)} runs are going on, say which one: {listed}")
        return found[0]
    for fitting in (
        [live for live in found if live.run == text],
        [live for live in found if live.run.startswith(text)],
        [live for live in found if live.name == text],
    ):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise StreamError(f"{text!r} could be {' or '.join(map(str, fitting))}")
    raise StreamError(f"no run {text!r} is going on; going on: {listed}")
