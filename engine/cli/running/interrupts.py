"""Ctrl-c and SIGTERM: how often somebody wants a run to end, and whether its record is still waited for."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from engine.cli.running.reporter import say
from engine.runtime.run import Run

_PATIENCE: Final = 2.0
"""Seconds that the database may take in the end before it is said what is waited for."""


class Interrupts:
    """Counts ctrl-c and SIGTERM, and wakes the loop."""

    def __init__(self) -> None:
        self.count = 0
        self.run: Run | None = None

    def __call__(self, signum: int, _: FrameType | None) -> None:
        self.count += 1
        if self.run is not None:
            self.run.fleet.loop.wake()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Catch them while this lasts."""
        kept = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                # Who pressed ctrl-c twice may press it thrice, while we tidy up. None: it was no handler of Python's.
                signal.signal(number, signal.SIG_IGN if self.count else handler or signal.SIG_DFL)


class GiveUp:
    """Whether to wait for the database no longer; asked again and again, it says once what is waited for.

    Who has stopped the run at once, by the second ctrl-c, has not given up its record with that: it gets a moment.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._before = interrupts.count
        self.given_up = False
        self._since = time.monotonic()
        self._said = False

    def __call__(self) -> bool:
        late = time.monotonic() - self._since > _PATIENCE
        if late and not self._said:
            self._said = True
            say("waiting for the database")
        count = self._interrupts.count
        self.given_up = count >= 2 and (late or count > self._before)
        return self.given_up
