"""A benchmark that measures, held by whoever shows it: a daemon thread reads what it tells, and pokes the screen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from textual.message import Message

from engine.stream import benchmarks
from tui.bench import running
from tui.bench.record import End, Measuring
from tui.bench.running import Running

_PATIENCE: Final = 15.0
"""Seconds for it to clean up after itself."""
_LOOK: Final = 0.5
"""Seconds between two looks whether its process is over."""


class Held:
    """One that measures, and what it has told so far.

    Attributes:
        state: as far as `take` has taken it in.
    """

    class Told(Message):
        """It has told something."""

        def __init__(self, held: Held) -> None:
            super().__init__()
            self.held = held

    class Ended(Message):
        """Its process is over."""

        def __init__(self, held: Held, end: End) -> None:
            super().__init__()
            self.held = held
            self.end = end

    def __init__(self, measuring: Measuring, state: Running, post: Callable[[Message], object]) -> None:
        """`post`: gives a message to the screen; from any thread."""
        self.state = state
        self._measuring = measuring
        self._post = post
        self._new: deque[benchmarks.Message] = deque()
        self._thread = threading.Thread(target=self._read, name="shoal-benchmark", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def _read(self) -> None:
        while (message := self._measuring.next()) is not None:
            self._new.append(message)
            self._post(self.Told(self))
        while (end := self._measuring.wait(_LOOK)) is None:
            pass
        self._post(self.Ended(self, end))

    def take(self, now: float) -> bool:
        """Take in what it has told by a moment; whether there was anything."""
        found = bool(self._new)
        while self._new:
            self.state = running.fold(self.state, self._new.popleft(), now)
        return found

    def close(self, end: End, now: float) -> None:
        """It is over."""
        self.state = running.end(self.state, end, now)

    def stop(self) -> None:
        """Have it end."""
        self.state = running.stopping(self.state)
        self._measuring.stop()

    def wait(self) -> None:
        """Until nothing is left of it."""
        self._measuring.wait(_PATIENCE)
        self._thread.join(_PATIENCE)
