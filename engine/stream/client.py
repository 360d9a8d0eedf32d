"""A reader of an engine's stream: blocking, small, for threads of screens and for commands."""

from __future__ import annotations

import contextlib
import select
import socket
from pathlib import Path
from typing import Literal

from engine.stream.types import STREAM_VERSION, UNREADABLE, Command, Hello, Refused, ToReader, encoder, to_reader

MESSAGE_MAX = 1 << 18
"""Bytes of the largest message an engine sends; anything longer is garbage."""


class StreamError(Exception):
    """The stream can't be read: nobody there, another version, or garbage. The text is one line for people."""


class StreamEnded(StreamError):
    """The engine closed the stream, or died."""


class Client:
    """One connection to an engine. Not thread-safe, but `command` may be called from another thread than `receive`.

    Attributes:
        hello: who is at the other end.
    """

    def __init__(self, path: Path | str, timeout: float = 5.0) -> None:
        """Connect and read the greeting.

        Raises `StreamError` where no engine of this version answers within `timeout` s.
        """
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
        try:
            ready, _, _ = select.select([self._socket], [], [], timeout)
            if not ready:
                return None
            data, _, flags, _ = self._socket.recvmsg(MESSAGE_MAX)
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

    def command(self, name: Literal["stop", "drain"]) -> None:
        """Ask something of the engine. Raises `StreamEnded` if it is gone."""
        try:
            self._socket.send(encoder.encode(Command(name)))
        except OSError as error:
            raise StreamEnded("the engine is gone") from error

    def close(self) -> None:
        """End the connection; a `receive` in another thread then raises `StreamEnded`. May be called twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
