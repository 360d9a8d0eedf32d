"""What agents write to stdout and stderr, line by line, bounded, with the name of the process that wrote it.

One stream socket a host and stream, shared by all its agents: the kernel stamps what it carries with the writer's pid
(SO_PASSCRED), and never joins what two processes wrote. Two pipes an agent would hit the per-user limit at 1,024
agents.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import Final

_CREDENTIALS: Final = struct.Struct("iII")
_SPACE: Final = socket.CMSG_SPACE(_CREDENTIALS.size)
LINE_MAX: Final = 4096
"""Bytes kept of one line."""
LINES_PER_SECOND: Final = 500
"""Lines of one host that are passed on in a second; the others are counted."""
LINES_A_FRAME: Final = 32
"""Lines that fit a frame, at their longest."""
WORDS_MAX: Final = 8192
"""Bytes of a process's last words."""
_WORD_MAX: Final = 500
_WORDS: Final = 32
"""Lines of stderr kept for each process, in case they were its last."""
_PROCESSES: Final = 8192
"""Processes whose words are kept, those that wrote last: nobody asks for those of a child that a task started."""


def cut(text: str, limit: int) -> str:
    """The beginning of a text, at most `limit` bytes of UTF-8: what is escaped grows, and a frame has an end."""
    data = text.encode("utf-8", "backslashreplace")
    return data[:limit].decode("utf-8", "ignore") if len(data) > limit else text


class Outputs:
    """The reading ends of one host's outputs, and the writing ends that its agents inherit."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[socket.socket, int]] = {}
        writing = []
        for stream in (1, 2):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            ours.setblocking(False)
            self._ends[ours.fileno()] = (ours, stream)
            writing.append(theirs)
        self._writing = writing
        self._partial: dict[tuple[int, int], bytearray] = {}
        self._words: dict[int, deque[str]] = {}
        self._second = 0
        self._passed = 0
        self.lines: list[tuple[int, int, str]] = []
        """(pid, stream, line) not yet taken."""
        self.dropped = 0

    @property
    def fds(self) -> list[int]:
        """Descriptors to wait for."""
        return list(self._ends)

    @property
    def writing(self) -> tuple[int, int]:
        """Descriptors for an agent's stdout and stderr."""
        return self._writing[0].fileno(), self._writing[1].fileno()

    def read(self, fd: int, second: int, limit: int = 16) -> None:
        """Take in what has been written. `second`: of any clock, for the limit.

        `limit`: reads at the most; then the others get their turn.
        """
        end, stream = self._ends[fd]
        for _ in range(limit):
            try:
                data, ancillary, _, _ = end.recvmsg(1 << 16, _SPACE)
            except BlockingIOError:
                return
            if not data:
                return
            pid = 0
            for level, kind, found in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    pid = _CREDENTIALS.unpack(found[: _CREDENTIALS.size])[0]
            self._take(pid, stream, data, second)

    def finish(self) -> None:
        """Take in all there is; what did not end with a newline becomes a line. For when all writers are gone."""
        for fd in self._ends:
            self.read(fd, self._second, 1 << 30)
        for pid, stream in list(self._partial):
            self._line(pid, stream, bytes(self._partial.pop((pid, stream))))

    def _take(self, pid: int, stream: int, data: bytes, second: int) -> None:
        if second != self._second:
            self._second, self._passed = second, 0
        partial = self._partial.pop((pid, stream), None)
        pieces = (bytes(partial) + data if partial else data).split(b"\n")
        rest = pieces.pop()
        if rest:
            self._partial[pid, stream] = bytearray(rest[:LINE_MAX])
            if len(self._partial) > _PROCESSES:
                oldest = next(iter(self._partial))
                self._line(*oldest, bytes(self._partial.pop(oldest)))
        for piece in pieces:
            self._line(pid, stream, piece)

    def _line(self, pid: int, stream: int, raw: bytes) -> None:
        line = cut(raw[:LINE_MAX].decode("utf-8", "backslashreplace").rstrip("\r"), LINE_MAX)
        if stream == 2:
            words = self._words.pop(pid, None) or deque(maxlen=_WORDS)
            words.append(line[:_WORD_MAX])
            self._words[pid] = words
            if len(self._words) > _PROCESSES:
                del self._words[next(iter(self._words))]
        if self._passed < LINES_PER_SECOND:
            self._passed += 1
            self.lines.append((pid, stream, line))
        else:
            self.dropped += 1

    def last_words(self, pid: int) -> str:
        """What a process that is gone wrote to stderr in the end; then it is forgotten."""
        for stream in (1, 2):
            rest = self._partial.pop((pid, stream), None)
            if rest:
                self._line(pid, stream, bytes(rest))
        return cut("\n".join(self._words.pop(pid, ())), WORDS_MAX)
