"""What a host waits for: descriptors to read from, and outboxes that wait for room."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from engine.wire import channel

_LONGEST = 86_400.0
"""Seconds of one wait: epoll refuses those beyond 24 days."""


class Poll:
    """Calls a handler for each descriptor that has something to read, and empties outboxes as room comes.

    Attributes:
        woke: when the kernel told of what is being handled, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.woke = 0.0
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._crowded: dict[int, channel.Outbox] = {}

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever there is something to read."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor, before it is closed. One that is not watched is none to forget."""
        if self._handlers.pop(fd, None) is not None:
            self._crowded.pop(fd, None)
            self._epoll.unregister(fd)

    def crowded(self, outbox: channel.Outbox) -> None:
        """Send what waits in it as soon as its channel has room, while that is watched."""
        fd = outbox.sock.fileno()
        if fd in self._handlers:
            self._crowded[fd] = outbox
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    def wait(self, seconds: float | None) -> None:
        """Wait for something, at most so long (None: until something comes), and handle it."""
        ready = self._epoll.poll(None if seconds is None else min(seconds, _LONGEST))
        self.woke = time.monotonic()
        for fd, event in ready:
            handler = self._handlers.get(fd)
            if handler is None:  # another's handler has forgotten it
                continue
            outbox = self._crowded.get(fd)
            if event & select.EPOLLOUT and outbox is not None and outbox.flush():
                del self._crowded[fd]
                self._epoll.modify(fd, select.EPOLLIN)
            if event & ~select.EPOLLOUT:
                handler()
