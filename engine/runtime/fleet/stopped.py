"""Which of a fleet's processes somebody has stopped by a signal: such a one does nothing, and says nothing either."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from engine.procs.system import is_stopped

PATIENCE: Final = 5.0
"""Seconds that one may be stopped, as an agent may."""
_LOOKS: Final = 2
"""Looks within that time."""


class Stopped:
    """Looks at processes every now and then. What it finds is old only once it was found again: a terminal stops and
    continues all processes of a program, but not in the same moment.

    Attributes:
        due: when `look` is to be called, by the monotonic clock.
    """

    def __init__(self, stopped: Callable[[int], bool] = is_stopped) -> None:
        """`stopped`: whether a process is."""
        self.due = time.monotonic() + PATIENCE / _LOOKS
        self._stopped = stopped
        self._since: dict[int, float] = {}

    def look(self, now: float, pids: Iterable[int]) -> list[int]:
        """Those of the processes that have been stopped for longer than they may; none if it is not time to look."""
        if now < self.due:
            return []
        self.due = now + PATIENCE / _LOOKS
        self._since = {pid: self._since.get(pid, now) for pid in pids if self._stopped(pid)}
        return [pid for pid, since in self._since.items() if now - since >= PATIENCE]
