"""One reader: what it wants to be told, what waits for it, and how much it may ask."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from engine.runtime.control.listener import Peer
from engine.runtime.control.topics import DEFAULT
from engine.stream.types import RATE_MAX, REQUEST_MAX, Topic

BACKLOG: Final = 1000
"""Events that wait for a slow reader; after that it misses the oldest, and sees the gap in their numbers."""
BACKLOG_BYTES: Final = 2 << 20
"""The same, in bytes."""
BURST: Final = 50.0
"""Requests that a reader may make at once."""
REQUESTS: Final = 100.0
"""Requests a second that it may make for long. What is more waits in its socket."""
BURST_SECONDS: Final = 0.1
"""Seconds of the loop that its requests may take at once."""
SHARE: Final = 0.02
"""Share of the loop's time that its requests may take for long."""


class Budget:
    """What may be spent: so much at once, and so much a second for long."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = burst, now

    def spend(self, amount: float, now: float) -> float:
        """Take so much. Until when nothing more is to be spent, 0 if there is some left."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return now - self._left / self._rate if self._left < 0 else 0.0


class Reader:
    """Never blocks, and never holds more than a bound.

    Attributes:
        topics: what it is told of.
        hz: how often it is shown what is sampled, at the most.
        muted_until: until when it is not listened to, 0 if it is.
        missed: something that it was to be told is lost, for it was too slow.
    """

    def __init__(self, sock: socket.socket, peer: Peer, now: float) -> None:
        self.sock = sock
        self.peer = peer
        self.topics: frozenset[Topic] = DEFAULT
        self.hz = RATE_MAX
        self.muted_until = 0.0
        self.missed = False
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._answers: deque[bytes] = deque()
        self._next_at = 0.0
        self._shown: dict[tuple[Topic, int], bytes] = {}
        """The last of each sampled message that it was sent."""
        self._requests = Budget(BURST, REQUESTS, now)
        self._time = Budget(BURST_SECONDS, SHARE, now)

    # -- what it is told ----------------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Something waits for it."""
        return bool(self._events or self._answers)

    @property
    def unanswered(self) -> bool:
        """It has not taken an answer: nothing more is to be read of it."""
        return bool(self._answers)

    def tell(self, data: bytes) -> bool:
        """Something that must not be lost as long as there is room for it. True if it waits now. Raises OSError."""
        if not self.behind and self._send(data):
            return False
        self._events.append(data)
        self._bytes += len(data)
        while len(self._events) > BACKLOG or self._bytes > BACKLOG_BYTES:
            self._bytes -= len(self._events.popleft())
            self.missed = True
        return True

    def answer(self, data: bytes) -> bool:
        """The answer to what it asked, which comes before all that waits. True if it waits now. Raises OSError."""
        if not self._answers and self._send(data):
            return False
        self._answers.append(data)
        return True

    def show(self, topic: Topic, parts: Sequence[bytes]) -> None:
        """The newest of a sampled topic, where it is another one than before; left out if there is no room.

        Raises OSError.
        """
        if self.behind:
            return
        for number, data in enumerate(parts):
            if self._shown.get((topic, number)) is not data:
                if not self._send(data):
                    return
                self._shown[topic, number] = data

    def flush(self) -> bool:
        """Send what waits. False if there is more than room. Raises OSError."""
        while self._answers:
            if not self._send(self._answers[0]):
                return False
            self._answers.popleft()
        while self._events:
            if not self._send(self._events[0]):
                return False
            self._bytes -= len(self._events.popleft())
        return True

    def part(self, seconds: Callable[[], float]) -> None:
        """Send what waits, waiting for room as long as there are `seconds` left; nothing is heard any more.

        Raises OSError.
        """
        with contextlib.suppress(BlockingIOError):  # who leaves something unread, resets the connection
            while self.sock.recv(REQUEST_MAX):
                if seconds() < 0:
                    break
        for data in (*self._answers, *self._events):
            self.sock.settimeout(max(0.001, seconds()))
            self._send(data)

    def _send(self, data: bytes) -> bool:
        try:
            self.sock.send(data)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            # Sockets of this machine take less than usual (net.core.wmem_default): the message is lost, the reader not.
            logging.getLogger("shoal").error("a message of %d bytes is too long for a reader's socket", len(data))
        return True

    # -- what it wants ------------------------------------------------------------------------------------------------

    def subscribe(self, topics: frozenset[Topic], hz: float) -> None:
        """Be told of other things, at once."""
        self.topics, self.hz, self._next_at = topics, hz, 0.0
        self._shown.clear()

    def due(self, now: float, slack: float) -> bool:
        """Whether it is to be shown what is sampled; `slack`: seconds that this may be early."""
        if now < self._next_at - slack:
            return False
        self._next_at = max(self._next_at + 1 / self.hz, now)
        return True

    def charge(self, seconds: float, now: float) -> None:
        """It has asked for something, which took the loop so long. If it does so all the time, it is not listened to
        for a while."""
        until = max(self._requests.spend(1.0, now), self._time.spend(seconds, now))
        if until:
            self.muted_until = until
