"""Where views come from: a thread reads an engine's stream, folds it, and pokes the app at a gentle pace."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from engine.stream.client import Client, StreamError
from tui.view import View, fold, lose

PACE = 0.08
"""Least seconds between two pokes: ten frames a second come through at once, a burst of events together."""


class Feed(Protocol):
    """A source of views. A poked app takes the newest one, so nothing queues up before a slow screen."""

    def start(self, post: Callable[[], None]) -> None:
        """Begin; `post` is called from any thread when there is something new, and not again until `take`."""

    def take(self) -> View:
        """The newest view."""

    def stop(self) -> None:
        """End; nothing is posted after it returns. May be called twice, and without `start`."""

    def command(self, name: Literal["stop", "drain"]) -> None:
        """Ask something of the engine. Raises `StreamError` where nobody takes it."""


class SocketFeed:
    """The stream of a living engine, read by one daemon thread."""

    def __init__(self, path: Path | str) -> None:
        """Connect. Raises `StreamError` where no engine answers: before any screen is drawn."""
        self._client = Client(path)
        with contextlib.suppress(StreamError):  # it has just ended: what it said before that is still there
            self._client.post_subscribe(("frames", "events", "cells"))
        self._view = fold(View(), self._client.hello)
        self._fresh = threading.Event()  # set from a poke until the app takes the view
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, post: Callable[[], None]) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._pump, args=(post,), name="shoal-feed", daemon=True)
        self._thread.start()

    def take(self) -> View:
        """The newest view; the next change pokes again."""
        # Cleared first: a view that changes in between pokes once too often, never once too few.
        self._fresh.clear()
        return self._view

    def stop(self) -> None:
        """Hang up, and wait for the thread."""
        self._stopping.set()
        self._client.close()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def command(self, name: Literal["stop", "drain"]) -> None:
        """Send a command to the engine."""
        self._client.post(name)

    def _pump(self, post: Callable[[], None]) -> None:
        changed = True
        poked = 0.0
        while not self._stopping.is_set():
            wait = max(0.0, poked + PACE - time.monotonic()) if changed else None
            try:
                message = self._client.receive(wait)
            except StreamError as error:
                if not self._stopping.is_set():
                    self._view = lose(self._view, str(error))
                    post()
                return
            if message is not None:
                self._view = fold(self._view, message)
                changed = True
            if changed and time.monotonic() - poked >= PACE:
                changed = False
                poked = time.monotonic()
                if not self._fresh.is_set():
                    self._fresh.set()
                    post()
