"""The feed of a run whose engine is still about to listen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from engine.stream.client import StreamError
from tui.feed import Feed, Transport, Wish
from tui.pump import Pump
from tui.view import View

_LOOK: Final = 0.1
"""Seconds between two looks whether we are to stop."""


class Starting(Protocol):
    """An engine that was started, and says so once it listens."""

    def wait(self, seconds: float) -> bool:
        """Whether it listens, or never will, within so many seconds."""

    def connect(self) -> Feed | None:
        """What it tells, once `wait` has said so; None if it ended before it listened. Raises `StreamError`."""

    def end(self) -> None:
        """Have it end, though nobody can tell it to."""


class StartingFeed(Pump):
    """A view without anything until the engine listens, and what the engine tells from then on."""

    THREAD = "shoal-starting"
    transport: ClassVar[Transport | None] = None

    def __init__(self, starting: Starting) -> None:
        """Nothing is waited for as yet."""
        super().__init__(View())
        self._starting = starting
        self._feed: Feed | None = None
        self._wish: Wish | None = None
        self._lock = threading.Lock()
        """Held where the feed begins to be another's, and where that must not happen."""

    def take(self) -> View:
        """The newest view."""
        feed = self._feed
        return super().take() if feed is None else feed.take()

    def stop(self) -> None:
        """End; the engine goes on."""
        super().stop()
        if self._feed is not None:
            self._feed.stop()

    def want(self, wish: Wish) -> None:
        """Tell of just this from now on."""
        with self._lock:
            self._wish = wish
            if self._feed is not None:
                self._feed.want(wish)

    def command(self, name: str, *args: str) -> int:
        """Ask the engine; one that does not listen yet can only be ended. Raises `StreamError`."""
        if self._feed is not None:
            return self._feed.command(name, *args)
        if name != "stop":
            raise StreamError("the engine does not listen yet")
        self._starting.end()
        return 0

    def _run(self, post: Callable[[], None]) -> None:
        while not self._starting.wait(_LOOK):
            if self._stopping.is_set():
                return
        try:
            feed = self._starting.connect()
        except StreamError:  # it was over before anybody looked
            feed = None
        if feed is None:
            self._view = View(ended=True)
            post()
            return
        with self._lock:
            if self._stopping.is_set():
                with contextlib.suppress(StreamError):
                    feed.stop()
                return
            if self._wish is not None:
                feed.want(self._wish)
            self._feed = feed
        feed.start(post)
        post()
