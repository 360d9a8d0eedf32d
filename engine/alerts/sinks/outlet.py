"""A sink behind a bounded queue and a thread of its own: however slow it is, nobody waits for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

QUEUE: Final = 100
"""Messages that wait for a sink at the most."""
AGAIN: Final = 60.0
"""Seconds after which it is said again that messages do not arrive, as long as they don't."""


class DeliveryError(Exception):
    """A message that did not arrive. The text is one line."""


class Sink(Protocol):
    """Somewhere that alerts are told to."""

    name: str

    def deliver(self, message: dict[str, Any]) -> None:
        """Tell it, and wait until it is told. Raises `DeliveryError`."""

    def abort(self) -> None:
        """From another thread: end a delivery that is going on."""


class Outlet:
    """Passes messages on to a sink, in order, from a thread.

    Attributes:
        sent: messages that arrived.
        failed: messages that did not.
        dropped: messages that found the queue full.
        error: why the last one that did not arrive did not.
    """

    def __init__(
        self,
        sink: Sink,
        most: int = QUEUE,
        on_error: Callable[[str], None] | None = None,
        on_well: Callable[[], None] | None = None,
    ) -> None:
        """Both are called from any thread: `on_error`, with a line, when messages do not arrive any more, and once a
        minute as long as they don't; `on_well` when one arrives again.
        """
        self._sink = sink
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(most)
        self._on_error = on_error
        self._on_well = on_well
        self._said: float | None = None
        """When it was last said that messages do not arrive; None while they do."""
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.sent = self.failed = self.dropped = 0
        self.error = ""

    @property
    def name(self) -> str:
        """Of the sink."""
        return self._sink.name

    def offer(self, message: dict[str, Any]) -> bool:
        """Have it told, some time soon. Never waits: False if too much waits already, or it is closed."""
        if self._closing.is_set():
            return False
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self.dropped += 1
            self._complain(f"{self._queue.maxsize} wait for it already: it takes too long")
            return False
        if self._thread is None:  # a run without alerts needs none
            self._thread = threading.Thread(target=self._work, name=f"shoal-alerts-{self.name}", daemon=True)
            self._thread.start()
        return True

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._sink.deliver(message)
            except DeliveryError as error:
                self.failed += 1
                self.error = str(error)
                self._complain(str(error))
            else:
                self.sent += 1
                if self._said is not None:
                    self._said = None
                    if self._on_well is not None:
                        self._on_well()

    def _complain(self, why: str) -> None:
        now = time.monotonic()
        if self._said is None or now >= self._said + AGAIN:
            self._said = now
            if self._on_error is not None:
                self._on_error(f"{self.name}: {why}")

    def close(self, patience: float = 2.0) -> bool:
        """Tell what waits, for so many seconds at the most, then end what is going on. Whether all of it was told."""
        if self._thread is None:
            self._closing.set()
            return True
        self._closing.set()
        waited = self._end(patience)
        if self._thread.is_alive():
            while not self._queue.empty():
                self._drop_one()
            self._sink.abort()
            self._end(patience)
        return waited and not self.dropped and not self.failed

    def _end(self, patience: float) -> bool:
        """Put the end into the queue, and wait for it."""
        assert self._thread is not None
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return False
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _drop_one(self) -> None:
        try:
            if self._queue.get_nowait() is not None:
                self.dropped += 1
        except queue.Empty:
            pass
