"""A channel: one end of a ``SOCK_SEQPACKET`` pair. A message arrives whole or not at all, and may carry descriptors."""

from __future__ import annotations

import array
import errno
import mmap
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final

from engine.wire.memory import Parcel

_GONE: Final = (BrokenPipeError, ConnectionResetError, ConnectionRefusedError)
_CROWDED: Final = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS, errno.EMFILE, errno.ENFILE})
"""No room for it now: memory, or descriptors, under way beyond this user's limit or to be had at all."""
# As plain integers: combining the enum's members takes longer than the call that they are for.
_CLOEXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_LONG: Final = int(socket.MSG_TRUNC)
_CUT: Final = _LONG | int(socket.MSG_CTRUNC)
_FD_SIZE: Final = array.array("i").itemsize
_ROOM: Final = socket.CMSG_SPACE(253 * _FD_SIZE)
BUFFER: Final = 1 << 20
"""Bytes asked for as the send buffer; the kernel may grant less, and a frame stays far below either way."""


class Closed(Exception):
    """The other end is gone."""


class Starved(ValueError):
    """A message came with more descriptors than this process may open: some of them are lost.

    Attributes:
        message: what it says. It is overwritten as any other.
    """

    def __init__(self, message: memoryview) -> None:
        super().__init__("a message with more descriptors than this process may open")
        self.message = message


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, neither inherited across exec."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ours, theirs


def send(sock: socket.socket, parts: Sequence[bytes | memoryview], fds: Sequence[int] = ()) -> bool:
    """Send one message. False if it has no room now. Raises `Closed`."""
    try:
        if fds:
            sock.sendmsg(parts, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        else:
            sock.sendmsg(parts)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _CROWDED:
            return False
        if isinstance(error, _GONE):
            raise Closed from error
        raise
    return True


def _parcels(ancillary: list[tuple[int, int, bytes]]) -> list[Parcel]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % _FD_SIZE])
    return [Parcel(fd) for fd in found]


def buffer(size: int) -> memoryview:
    """A buffer to receive into: private to the process, and without memory of its own until it is written to.

    A bytearray would be zeroed, page by page, in each of thousands of forks.
    """
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Receiver:
    """Receives messages into a buffer, which receivers of one thread may share."""

    def __init__(self, sock: socket.socket, view: memoryview) -> None:
        """`view`: as long as the longest message to expect."""
        self._sock = sock
        self._view = view

    def receive(self, flags: int = 0) -> tuple[memoryview, list[Parcel]] | None:
        """The next message and what came with it; None if there is none now. Raises `Closed` at the end, ValueError for
        what is no message of ours, `Starved`.

        The view is overwritten by the next message into the same buffer: copy what must last.
        """
        flags |= _CLOEXEC
        try:
            try:
                size, ancillary, told, _ = self._sock.recvmsg_into([self._view], _ROOM, flags)
            except ConnectionResetError:
                # Said once, and before what the other end had sent, if it left something of ours unread: look again.
                size, ancillary, told, _ = self._sock.recvmsg_into([self._view], _ROOM, flags)
        except BlockingIOError:
            return None
        except ConnectionResetError as error:
            raise Closed from error
        parcels = _parcels(ancillary) if ancillary else []
        if size == 0:
            raise Closed
        if told & _CUT:
            if told & _LONG:
                raise ValueError("a message longer than any frame")
            raise Starved(self._view[:size])
        return self._view[:size], parcels


class Outbox:
    """The sending side of a non-blocking end: in order, never blocking, waiting messages kept until there is room."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._waiting: deque[tuple[bytes, list[Parcel]]] = deque()
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, data: bytes, parcels: list[Parcel] | None = None) -> None:
        """Send now or as soon as there is room.

        After the other end is gone it does nothing: its death is seen elsewhere.
        """
        held = parcels or []
        if self.closed:
            return
        if self._waiting or not self._send(data, held):
            self._waiting.append((data, held))

    def flush(self) -> bool:
        """Send what waits. True once nothing does."""
        while self._waiting and not self.closed:
            if not self._send(*self._waiting[0]):
                return False
            self._waiting.popleft()
        if self.closed:
            self._waiting.clear()
        return True

    def _send(self, data: bytes, parcels: list[Parcel]) -> bool:
        try:
            return send(self.sock, (data,), [parcel.fd for parcel in parcels])
        except Closed:
            self.closed = True
            return True
        except OSError as error:
            if error.errno in _CROWDED:  # a parcel without a descriptor found none to be sent by
                return False
            raise
