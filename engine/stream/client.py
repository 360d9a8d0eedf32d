"""A reader of an engine's stream: blocking, small, for threads of screens and for commands."""

from __future__ import annotations

import contextlib
import itertools
import math
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.stream.types import (
    PAGE_MAX,
    RATE_MAX,
    REQUEST_MAX,
    STREAM_VERSION,
    UNREADABLE,
    AgentRow,
    Command,
    Condition,
    Hello,
    Page,
    Refused,
    Reply,
    Subscribe,
    ToEngine,
    Topic,
    ToReader,
    encoder,
    to_reader,
)

_RECEIVE: Final = 1 << 18
"""Bytes of a message; anything longer is garbage."""
_KEPT: Final = 1000
"""Messages that are kept while an answer is awaited."""


_LONGEST: Final = 86_400.0
"""Seconds of one wait: poll refuses those beyond 24 days."""


class StreamError(Exception):
    """The stream can't be read: nobody there, another version, or garbage. The text is one line for people."""


class StreamEnded(StreamError):
    """The engine closed the stream, or died."""


class Client:
    """One connection to an engine. Not thread-safe, but `post` may be called from another thread than `receive`.

    Attributes:
        hello: who is at the other end.
    """

    def __init__(self, path: Path | str, timeout: float = 5.0) -> None:
        """Connect and read the greeting.

        Raises `StreamError` where no engine of this version answers within `timeout` s.
        """
        self._numbers = itertools.count(1)
        self._kept: deque[ToReader] = deque(maxlen=_KEPT)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.settimeout(timeout)
            try:
                self._socket.connect(str(path))
            except OSError as error:
                raise StreamError(f"no engine answers at {path}: {error.strerror or error}") from error
            greeting = self.receive(timeout)
            if isinstance(greeting, Refused):
                raise StreamError(greeting.why)
            if not isinstance(greeting, Hello):
                raise StreamError(f"no greeting from {path} within {timeout:g} s")
            if greeting.version != STREAM_VERSION:
                raise StreamError(
                    f"the engine speaks stream version {greeting.version}, this shoal {STREAM_VERSION}: "
                    "use the same version"
                )
        except BaseException:
            self.close()
            raise
        self.hello = greeting

    def receive(self, timeout: float | None = None) -> ToReader | None:
        """The next message, or None if none came within `timeout` seconds (None: wait).

        Raises `StreamEnded` at the end.
        """
        return self._kept.popleft() if self._kept else self._read(timeout)

    def _read(self, timeout: float | None) -> ToReader | None:
        try:
            if not _readable(self._socket, timeout):
                return None
            try:
                data, _, flags, _ = self._socket.recvmsg(_RECEIVE)
            except (
                ConnectionResetError
            ):  # it left without reading what we asked; what it had said before is still there
                data, _, flags, _ = self._socket.recvmsg(_RECEIVE)
        except (OSError, ValueError) as error:  # ValueError: closed under our feet by `close`
            raise StreamEnded("the engine is gone") from error
        if not data:
            raise StreamEnded("the engine has ended")
        if flags & socket.MSG_TRUNC:
            raise StreamError("a message longer than any engine sends: not an engine?")
        try:
            message: ToReader = to_reader.decode(data)
        except UNREADABLE as error:
            raise StreamError(f"a message this shoal can't read: {error}") from error
        return message

    # -- asking -------------------------------------------------------------------------------------------------------

    def post(self, name: str, *args: str) -> int:
        """Ask for something to be done, and do not wait: a `Reply` of this number will come. Raises `StreamEnded`."""
        return self._send(Command(next(self._numbers), name, list(args)))

    def post_subscribe(self, topics: Iterable[Topic], hz: float = RATE_MAX) -> int:
        """As `subscribe`, without waiting. Raises `StreamEnded`."""
        return self._send(Subscribe(next(self._numbers), list(topics), hz))

    def post_agents(self, conditions: Sequence[Condition] = (), *, offset: int = 0, limit: int = PAGE_MAX) -> int:
        """Ask for a page of agents, and do not wait: the `Reply` of this number has it. Raises `StreamEnded`."""
        return self._send(Page(next(self._numbers), "agents", list(conditions), "", False, offset, limit))

    def command(self, name: str, *args: str, timeout: float = 10.0) -> Reply:
        """Ask for something to be done, and wait for the answer.

        Raises `StreamEnded` if the engine is gone, and `StreamError` if none comes within `timeout` s.
        """
        return self._await(self.post(name, *args), timeout)

    def subscribe(self, topics: Iterable[Topic], hz: float = RATE_MAX, timeout: float = 10.0) -> Reply:
        """Be told of just these topics, what is sampled `hz` times a second at the most. Raises as `command`."""
        return self._await(self.post_subscribe(topics, hz), timeout)

    def agents(
        self,
        conditions: Sequence[Condition] = (),
        sort: str = "",
        *,
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
        timeout: float = 10.0,
    ) -> tuple[list[AgentRow], int]:
        """A page of agents, and how many there are that fulfil the conditions. It may be shorter than `limit`.

        Raises as `command`, and `StreamError` with the engine's reason if it refuses.
        """
        page = Page(next(self._numbers), "agents", list(conditions), sort, descending, offset, limit)
        reply = self._await(self._send(page), timeout)
        if not reply.ok:
            raise StreamError(reply.text)
        try:
            return msgspec.convert(reply.data["rows"], list[AgentRow]), int(reply.data["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise StreamError(f"a page this shoal can't read: {error}") from error

    def _send(self, request: ToEngine) -> int:
        try:
            data = encoder.encode(request)
        except (UnicodeEncodeError, OverflowError) as error:
            raise StreamError("this can't be asked: a text that is no Unicode, or a number too large") from error
        if len(data) > REQUEST_MAX:
            raise StreamError(f"this can't be asked: it takes {len(data):,} bytes, and {REQUEST_MAX:,} are the most")
        try:
            self._socket.send(data)
        except TimeoutError as error:
            raise StreamError("the engine does not take any more requests for now") from error
        except OSError as error:
            raise StreamEnded("the engine is gone") from error
        return request.id

    def _await(self, number: int, timeout: float) -> Reply:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self._read(left)
            if isinstance(message, Reply) and message.id == number:
                return message
            if isinstance(message, Refused):
                return Reply(number, False, message.why)
            if message is not None:
                self._kept.append(message)
        raise StreamError(f"the engine gave no answer within {timeout:g} s")

    def close(self) -> None:
        """End the connection; a `receive` in another thread then raises `StreamEnded`. May be called twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _readable(sock: socket.socket, timeout: float | None) -> bool:
    """Wait until there is something to read, or the other end has gone; False if neither came within so many seconds
    (None: wait on). Raises ValueError if it is closed.

    No `select.select`: who looks on may have more than its 1,023 descriptors.
    """
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = max(0.0, min(deadline - time.monotonic(), _LONGEST))
        if poller.poll(math.ceil(left * 1000)):
            return True
        if time.monotonic() >= deadline:
            return False
