"""The control socket: any number of readers of the stream, and the commands they send. It never waits for one."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.runtime.loop import Loop
from engine.stream import places
from engine.stream.types import UNREADABLE, Command, Event, Frame, Hello, Refused, encoder, to_engine

_RECENT: Final = 200
"""Events that a reader who joins is told of."""
_BACKLOG: Final = 1000
"""Events that wait for a slow reader; after that it misses some, and sees the gap in their numbers."""
_COMMAND_MAX: Final = 4096


class _Reader:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting: deque[bytes] = deque(maxlen=_BACKLOG)

    def send(self, data: bytes) -> bool:
        """False if there is no room now. Raises OSError if it is gone."""
        try:
            self.sock.send(data)
        except BlockingIOError:
            return False
        return True


class Control:
    """Listens at a path of its own; the file is this user's alone, and so is the folder."""

    def __init__(self, loop: Loop, hello: Hello, command: Callable[[Command], None], name: str = "") -> None:
        """Raises OSError where the socket can't be made. `name`: of its file, the run's id if there is none."""
        self._loop = loop
        self._hello = hello
        self._command = command
        self._readers: dict[int, _Reader] = {}
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._last_frame: bytes | None = None
        self._listener, self.path = self._listen(name or hello.run)
        loop.watch(self._listener.fileno(), self._join)

    @staticmethod
    def _listen(name: str) -> tuple[socket.socket, Path]:
        while True:
            folder = places.runtime_folder()
            places.sweep(folder)
            # Under another name until it listens: a bound socket that does not would look like a dead engine's.
            path, draft = folder / f"{name}.sock", folder / f"{name}.new"
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                listener.setblocking(False)
                listener.bind(str(draft))
                os.chmod(draft, 0o600)  # the folder is 0700: nobody else could have come in between
                listener.listen(64)
                os.rename(draft, path)
            except FileNotFoundError:  # the last of the other engines has just taken the folder away
                listener.close()
            except OSError:
                listener.close()
                raise
            else:
                return listener, path

    @property
    def watched(self) -> bool:
        """Whether anybody reads."""
        return bool(self._readers)

    def event(self, event: Event) -> None:
        """Tell every reader, soon if not now."""
        data = encoder.encode(event)
        self._recent.append(data)
        for reader in list(self._readers.values()):
            if reader.waiting:
                reader.waiting.append(data)
            else:
                self._send(reader, data, keep=True)

    def frame(self, frame: Frame) -> None:
        """Show every reader that has room now; the others skip it."""
        data = self._last_frame = encoder.encode(frame)
        for reader in list(self._readers.values()):
            if not reader.waiting:
                self._send(reader, data, keep=False)

    def _send(self, reader: _Reader, data: bytes, *, keep: bool) -> None:
        try:
            if not reader.send(data) and keep:
                reader.waiting.append(data)
                self._loop.when_room(reader.sock.fileno(), lambda: self._room(reader))
        except OSError:
            self._leave(reader)

    def _room(self, reader: _Reader) -> None:
        try:
            while reader.waiting:
                if not reader.send(reader.waiting[0]):
                    return
                reader.waiting.popleft()
        except OSError:
            self._leave(reader)
        else:
            self._loop.when_room(reader.sock.fileno(), None)

    def _join(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it left again, or we are out of descriptors
            return
        sock.setblocking(False)
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid not in (os.getuid(), 0):
            with contextlib.suppress(OSError):
                sock.send(encoder.encode(Refused("this engine belongs to another user")))
            sock.close()
            return
        reader = _Reader(sock)
        self._readers[sock.fileno()] = reader
        self._loop.watch(sock.fileno(), lambda: self._read(reader))
        first = [encoder.encode(self._hello), *self._recent]
        if self._last_frame is not None:
            first.append(self._last_frame)
        reader.waiting.extend(first)
        self._loop.when_room(sock.fileno(), lambda: self._room(reader))

    def _read(self, reader: _Reader) -> None:
        try:
            data = reader.sock.recv(_COMMAND_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(reader)
            return
        try:
            command = to_engine.decode(data)
        except UNREADABLE as error:
            self._send(reader, encoder.encode(Refused(f"not a command: {error}")), keep=True)
            return
        self._command(command)

    def _leave(self, reader: _Reader) -> None:
        fd = reader.sock.fileno()
        if fd >= 0 and self._readers.pop(fd, None) is not None:
            self._loop.unwatch(fd)
            reader.sock.close()

    def close(self) -> None:
        """Let the readers go, and take the socket's file away."""
        for reader in list(self._readers.values()):
            reader.sock.setblocking(True)
            reader.sock.settimeout(0.2)  # what is left to say to one that keeps up; a stopped one does not hold us
            with contextlib.suppress(OSError):
                for data in reader.waiting:
                    reader.sock.send(data)
            self._leave(reader)
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        with contextlib.suppress(OSError):  # another engine's socket is in there
            self.path.parent.rmdir()
