"""One thread's event loop: descriptors and a way to wake it. Everything else is in who uses it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import Final

Handler = Callable[[], None]

_LONGEST: Final = 86_400.0
"""Seconds of one wait: epoll refuses those beyond 24 days."""


class Loop:
    """Calls a handler when its descriptor is readable, another when it is writable."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Handler] = {}
        self._writers: dict[int, Handler] = {}
        self._muted: set[int] = set()
        self._quiet: set[int] = set()
        self.stirred = False
        """Something was handled that was not watched as `quiet`. Who wants to know that sets it back before."""
        self._began = time.monotonic_ns()
        self._waited = 0
        self.timed = False
        """Whether it is measured how long it waits."""
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._gate = threading.RLock()  # reentrant: a signal handler may wake while its thread is waking
        self._quiet.add(self._wakeup)
        # Each write is told, once, so nobody has to read what it holds.
        self._epoll.register(self._wakeup, select.EPOLLIN | select.EPOLLET)

    def watch(self, fd: int, handler: Handler, quiet: bool = False) -> None:
        """Call `handler` whenever `fd` has something to read, or its other end is gone. `quiet`: so nothing is
        `stirred` up."""
        if quiet:
            self._quiet.add(fd)
        self._readers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor, before it is closed. May be called for one that is not watched."""
        self._writers.pop(fd, None)
        self._muted.discard(fd)
        self._quiet.discard(fd)
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def when_room(self, fd: int, handler: Handler | None) -> None:
        """Call `handler` while `fd` can be written to; None: no more."""
        if handler is None:
            if self._writers.pop(fd, None) is not None:
                self._modify(fd)
        elif fd not in self._writers and fd in self._readers:
            self._writers[fd] = handler
            self._modify(fd)

    def mute(self, fd: int, muted: bool) -> None:
        """Leave alone what `fd` has to read, for now; that its other end is gone is still told."""
        if fd in self._readers and (fd in self._muted) != muted:
            self._muted.symmetric_difference_update((fd,))
            self._modify(fd)

    def _modify(self, fd: int) -> None:
        if fd in self._readers:
            wanted = 0 if fd in self._muted else select.EPOLLIN
            self._epoll.modify(fd, wanted | (select.EPOLLOUT if fd in self._writers else 0))

    def wake(self) -> None:
        """Have a `step` that waits in another thread return.

        Safe from signal handlers, and after `close`: then the descriptor's number may be somebody else's.
        """
        with self._gate:
            if self._wakeup >= 0:
                try:
                    os.eventfd_write(self._wakeup, 1)
                except BlockingIOError:  # full, after more of them than there will ever be
                    os.eventfd_read(self._wakeup)
                    os.eventfd_write(self._wakeup, 1)

    @property
    def busy(self) -> float:
        """Seconds since it was made in which it did not wait, if it is `timed`."""
        return (time.monotonic_ns() - self._began - self._waited) * 1e-9

    def step(self, timeout: float | None) -> None:
        """Wait for something at most `timeout` seconds (None: as long as it takes), and handle what there is."""
        timeout = None if timeout is None else min(timeout, _LONGEST)
        if self.timed:
            began = time.monotonic_ns()
            ready = self._epoll.poll(timeout)
            self._waited += time.monotonic_ns() - began
        else:
            ready = self._epoll.poll(timeout)
        for fd, event in ready:
            if fd not in self._quiet:
                self.stirred = True
            if event & select.EPOLLOUT and (writer := self._writers.get(fd)) is not None:
                writer()
            if event & ~select.EPOLLOUT and (reader := self._readers.get(fd)) is not None:
                reader()

    def close(self) -> None:
        """Give the descriptors back."""
        self._epoll.close()
        with self._gate:
            fd, self._wakeup = self._wakeup, -1
            os.close(fd)
